"""Runs suspected tasks alone, to find those that kill their worker."""

import contextlib
from collections.abc import Generator, Mapping

import joblib
from joblib.externals import loky
from joblib.externals.loky import process_executor

from skhyperband._executors.broadcast import Broadcast, ReceivedBroadcast
from skhyperband._records import FinishedTask, Outcome, Skipped, Task, worker_died

# A task that kills its worker only sometimes is given a second attempt. The death that made it
# a suspect does not count: most suspects were still waiting when the workers ended.
_N_ATTEMPTS = 2


def retry_in_isolation(
    broadcast: Broadcast, suspects: Mapping[int, Task]
) -> Generator[FinishedTask, None, None]:
    """Run one task after another in a process that runs nothing else, not even another search.

    A task during which this process ends at each attempt is the one that killed its worker.
    """
    with contextlib.ExitStack() as processes:
        process = None
        for position, task in suspects.items():
            for _ in range(_N_ATTEMPTS):
                if process is None:
                    process = _start_process(broadcast)
                    processes.callback(process.shutdown, kill_workers=True)
                try:
                    outcome = process.submit(_evaluate_alone, task).result()
                    break
                except process_executor.TerminatedWorkerError:
                    process = None
            else:
                outcome = worker_died(task)
            yield FinishedTask(position, outcome)


def _start_process(broadcast: Broadcast) -> loky.ProcessPoolExecutor:
    # The evaluator is sent when the process starts, and not with each task.
    return loky.ProcessPoolExecutor(1, initializer=_init_worker, initargs=(broadcast,))


# --- in the worker -----------------------------------------------------------------

# The evaluator of this process. A global, since what `_init_worker` receives can reach
# `_evaluate_alone` in no other way.
_evaluator: ReceivedBroadcast | None = None


def _init_worker(received: ReceivedBroadcast) -> None:
    global _evaluator
    _evaluator = received


def _evaluate_alone(task: Task) -> Outcome | Skipped:
    assert _evaluator is not None
    # As in joblib's own workers: what a fit runs in parallel runs in threads, not in processes.
    with joblib.parallel_config(backend="threading"):
        return _evaluator.value(task)
