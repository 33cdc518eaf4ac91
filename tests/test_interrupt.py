"""A real SIGINT to a real process: nothing is left but what was measured."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import DEFAULT, Mock

import pytest

from skhyperband import SuccessiveHalvingSearchCV, _base
from tests.estimators import Scored

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="needs signals"),
]

PROGRAM = """
import json, os, sys, time, warnings
import numpy as np, psutil
from joblib.externals import loky
from skhyperband import SuccessiveHalvingSearchCV
from tests.published import published
from tests.estimators import Waiting

where, n_jobs, mark = sys.argv[1], int(sys.argv[2]), sys.argv[3]

class Sampler:
    asked = False
    def ask(self, n, *, repeat, bracket):
        return [{"quality": q} for q in np.linspace(0.1, 0.9, n)] if n else []
    def tell(self, level):
        if where == "between":
            open(mark, "w").close()
            time.sleep(60)

waits_at = {"first": (1, 160), "level": (3, 160), "between": None, "refit": (9, 240)}[where]
search = published(
    SuccessiveHalvingSearchCV, Waiting(mark=mark, waits_at=waits_at), {"quality": [0.5]}, sampler=Sampler(),
    n_candidates=9, resource="n_units", max_resources=9, min_resources=1, cv=3,
    n_jobs=n_jobs, random_state=0,
)
X, y = np.random.default_rng(0).normal(size=(240, 6)), np.arange(240) % 2
try:
    search.fit(X, y)
except KeyboardInterrupt:
    caught = True
else:
    caught = False
me = psutil.Process()
# Those of joblib's idle pool live on.
deadline = time.time() + (10 if where in ("first", "level") else 0)
def is_worker(process):
    # joblib's resource tracker is no worker: it ends with this process.
    try:
        return "resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # Or a zombie.
        return False
def workers():
    return [p for p in me.children(recursive=True) if is_worker(p)]
while workers() and time.time() < deadline:
    time.sleep(0.05)
print(json.dumps({
    "caught": caught,
    "workers": len(workers()),
    "rows": len(getattr(search, "cv_results_", {"params": []})["params"]),
    "stop_reason": getattr(search, "stop_reason_", None),
    "best": getattr(search, "best_params_", None),
    "rungs": len(search.rungs_.rungs) if hasattr(search, "rungs_") else 0,
    "has_estimator": hasattr(search, "best_estimator_"),
}))
"""


def interrupted(where, n_jobs, folder, to_all):
    """Interrupt a search when it has come there; return what it says, and what it left."""
    mark, temporary = folder / "mark", folder / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, where, str(n_jobs), str(mark)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "TMPDIR": str(temporary), "JOBLIB_TEMP_FOLDER": str(temporary)},
    )
    for _ in range(6000):
        if mark.exists() or process.poll() is not None:
            break
        time.sleep(0.01)
    assert mark.exists(), process.communicate()
    (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1]), list(temporary.iterdir())


@pytest.mark.parametrize(
    ("n_jobs", "to_all"),
    [(1, False), (2, False), (2, True)],
    ids=["one process", "the main process", "all processes, as a terminal does"],
)
@pytest.mark.parametrize(
    ("where", "n_rows"), [("first", 0), ("level", 9), ("between", 9), ("refit", 13)]
)
def test_ctrl_c_keeps_what_had_finished(where, n_rows, n_jobs, to_all, tmp_path):
    """It goes on to the caller; workers and files are gone, finished levels are there."""
    state, files = interrupted(where, n_jobs, tmp_path, to_all)

    assert state["caught"]
    assert state["workers"] == 0 or where in ("between", "refit")  # joblib's idle pool.
    assert files == []
    assert not state["has_estimator"]
    if where == "first":
        return  # How many had finished is chance.
    assert state["rows"] == n_rows
    assert state["stop_reason"] == "interrupted"
    assert state["best"] is not None
    assert state["rungs"] == {9: 1, 13: 3}[n_rows]


def test_ctrl_c_while_the_results_are_made_loses_nothing(monkeypatch, classification):
    """The results are made again; the search can be completed as after any other Ctrl-C."""
    make_results = _base.attributes_of_run
    interrupted_once = Mock(wraps=make_results, side_effect=[KeyboardInterrupt, DEFAULT])
    monkeypatch.setattr(_base, "attributes_of_run", interrupted_once)
    search = SuccessiveHalvingSearchCV(
        Scored(), {"quality": [0.1, 0.5, 0.9]}, resource="n_units", max_resources=9, random_state=0
    )

    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    assert search.stop_reason_ == "interrupted"
    assert search.refit_best(*classification).best_params_["quality"] == 0.9
