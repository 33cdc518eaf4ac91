"""Runs suspected tasks alone, to find those that kill their worker."""

import contextlib
from collections.abc import Generator, Mapping

from skhyperband._executors.broadcast import Broadcast
from skhyperband._executors.lone_process import LoneProcess, PackedValue, ProcessDiedError
from skhyperband._records import FinishedTask, Task, worker_died

# A task that kills its worker only sometimes is given a second attempt. The death that made it
# a suspect does not count: most suspects were still waiting when the workers ended.
N_ATTEMPTS = 2


def retry_in_isolation(
    broadcast: Broadcast, suspects: Mapping[int, Task], env: Mapping[str, str]
) -> Generator[FinishedTask, None, None]:
    """Run one task after another in a process that runs nothing else, not even another search.

    A task during which this process ends at each attempt is the one that killed its worker. The
    process has the same environment variables, and with them as many threads, as the worker had.
    """
    packed = PackedValue(*broadcast.pack())
    with contextlib.ExitStack() as processes:
        process = None
        for position, task in suspects.items():
            for _ in range(N_ATTEMPTS):
                if process is None:
                    process = LoneProcess(packed, env)
                    processes.callback(process.kill)
                try:
                    outcome = process.run(task)
                    break
                except ProcessDiedError:
                    process = None
            else:
                outcome = worker_died(task)
            yield FinishedTask(position, outcome)
