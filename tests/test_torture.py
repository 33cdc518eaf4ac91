import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "torture.py"


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and fork")
def test_searches_that_are_killed_at_random_lose_no_row():
    """Searches that are killed and resumed end as if they had not been; workers are killed, too."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--kills", "2", "--seconds", "0.01"],
        capture_output=True,
        text=True,
        timeout=300,
    )

    lines = [line.rsplit(maxsplit=5) for line in done.stdout.splitlines()[1:]]
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in lines] == ["search, n_jobs=1", "search, n_jobs=2", "workers"]
    for _, n_kills, n_searches, n_rows, n_lost, _ in lines:
        assert int(n_kills) >= 2
        assert int(n_rows) == 69 * int(n_searches)
        assert int(n_lost) == 0
