"""Executors: where tasks run. The active backend of joblib decides which one is used."""

import joblib
from joblib.parallel import MultiprocessingBackend, get_active_backend

from skhyperband._executors.base import Executor
from skhyperband._executors.joblib_executor import JoblibExecutor
from skhyperband._executors.sequential_executor import SequentialExecutor
from skhyperband._records import Evaluate

__all__ = ["Executor", "check_backend", "make_executor"]


def check_backend(n_jobs: int | None) -> None:
    """Raise where joblib's active backend does not notice that a worker died.

    With multiprocessing's pools a search would wait for ever for the result of that worker. And
    if the main process were killed, its workers would not end.
    """
    backend, _ = get_active_backend()
    if isinstance(backend, MultiprocessingBackend) and joblib.effective_n_jobs(n_jobs) > 1:
        raise ValueError(
            f"n_jobs={n_jobs!r} with joblib's backend 'multiprocessing': it waits for ever when a "
            "worker dies. Use backend='loky', joblib's default, or 'threading'; or n_jobs=1."
        )


def make_executor(evaluate: Evaluate, n_jobs: int | None, pre_dispatch: int | str) -> Executor:
    """Return the executor for joblib's active backend and the number of workers there."""
    if joblib.effective_n_jobs(n_jobs) == 1:
        return SequentialExecutor(evaluate)
    return JoblibExecutor(evaluate, n_jobs, pre_dispatch)
