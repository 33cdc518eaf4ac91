"""Executors: where tasks run. The active backend of joblib decides which one is used."""

from typing import Any

import joblib
from joblib.parallel import BACKENDS, MultiprocessingBackend, get_active_backend

from skhyperband._executors.base import Executor
from skhyperband._executors.cluster import Cluster, ClusterExecutor
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
    if _is(backend, "ray"):  # It is derived from multiprocessing's, but is not used as that.
        return
    if isinstance(backend, MultiprocessingBackend) and joblib.effective_n_jobs(n_jobs) > 1:
        raise ValueError(
            f"n_jobs={n_jobs!r} with joblib's backend 'multiprocessing': it waits for ever when a "
            "worker dies. Use backend='loky', joblib's default, or 'threading'; or n_jobs=1."
        )


def make_executor(evaluate: Evaluate, n_jobs: int | None, pre_dispatch: int | str) -> Executor:
    """Return the executor for joblib's active backend and the number of workers there."""
    backend, n_jobs_of_context = get_active_backend()
    n_jobs_there = n_jobs_of_context if n_jobs is None else n_jobs
    if n_jobs_there != 1:
        cluster = _connect(evaluate, backend)
        if cluster is not None:
            return ClusterExecutor(cluster, n_jobs_there, pre_dispatch)
    if joblib.effective_n_jobs(n_jobs) == 1:
        return SequentialExecutor(evaluate)
    return JoblibExecutor(evaluate, n_jobs, pre_dispatch)


def _connect(evaluate: Evaluate, backend: Any) -> Cluster | None:
    """Return the cluster of a backend; None where it has none that is used without joblib."""
    # The modules are imported here, since each needs an optional package.
    if _is(backend, "dask"):
        from skhyperband._executors.dask_cluster import DaskCluster

        return DaskCluster(evaluate, backend)
    if _is(backend, "ray"):
        from skhyperband._executors.ray_cluster import RayCluster

        return RayCluster(evaluate, backend)
    return None


def _is(backend: Any, name: str) -> bool:
    """Return whether a backend is the one that is registered with joblib under this name."""
    registered = BACKENDS.get(name)
    return registered is not None and isinstance(backend, registered)
