"""Executors: where tasks run. The active backend of joblib decides which one is used."""

import math
from typing import Any

import joblib
from joblib.parallel import (
    BACKENDS,
    LokyBackend,
    MultiprocessingBackend,
    get_active_backend,
)

from skhyperband._executors.base import Executor
from skhyperband._executors.cluster import Cluster, ClusterExecutor
from skhyperband._executors.joblib_executor import JoblibExecutor, environment_of_worker
from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._executors.limited_executor import LimitedExecutor
from skhyperband._executors.sequential_executor import SequentialExecutor
from skhyperband._records import Evaluate

__all__ = ["Executor", "check_backend", "make_executor"]


def check_backend(n_jobs: int | None, max_fit_time: float = math.inf) -> None:
    """Raise where joblib's active backend does not notice that a worker died.

    With multiprocessing's pools a search would wait for ever for the result of that worker. And
    if the main process were killed, its workers would not end. Raise also for `max_fit_time`, in
    seconds, where an evaluation cannot be ended.
    """
    backend, _ = get_active_backend()
    if _is_cluster(backend) or joblib.effective_n_jobs(n_jobs) == 1:
        return
    if isinstance(backend, MultiprocessingBackend):
        raise ValueError(
            f"n_jobs={n_jobs!r} with joblib's backend 'multiprocessing': it waits for ever when a "
            "worker dies. Use backend='loky', joblib's default, or 'threading'; or n_jobs=1."
        )
    if max_fit_time < math.inf and type(backend) is not LokyBackend:
        name = type(backend).__name__.removesuffix("Backend").lower()
        raise ValueError(
            f"max_fit_time={max_fit_time:.15g} with n_jobs={n_jobs!r} and joblib's backend {name!r}: "
            "an evaluation that takes too long can be ended only in a process of its own. Use "
            "backend='loky', joblib's default, 'dask' or 'ray', or n_jobs=1; or leave max_fit_time out."
        )


def make_executor(
    evaluate: Evaluate,
    n_jobs: int | None,
    pre_dispatch: int | str,
    max_fit_time: float = math.inf,
) -> Executor:
    """Return the executor for joblib's active backend and the number of workers there.

    With a limit of the time of an evaluation, in seconds, the evaluations have processes of their
    own, which can be killed. Threads of this process, or workers of a cluster, wait for them.
    """
    backend, n_jobs_of_context = get_active_backend()
    is_limited = max_fit_time < math.inf
    n_jobs_there = n_jobs_of_context if n_jobs is None else n_jobs
    if _is_cluster(backend) and n_jobs_there != 1:
        if is_limited:
            evaluate = LimitedEvaluate(evaluate, max_fit_time, maps_files=False)
        return ClusterExecutor(_connect(evaluate, backend), n_jobs_there, pre_dispatch)
    # Dask's backend does not heed the n_jobs of its context.
    n_workers = 1 if n_jobs_there == 1 else joblib.effective_n_jobs(n_jobs)
    if not is_limited:
        if n_workers == 1:
            return SequentialExecutor(evaluate)
        return JoblibExecutor(evaluate, n_jobs, pre_dispatch)
    limited = LimitedEvaluate(evaluate, max_fit_time, env=environment_of_worker(n_workers))
    if n_workers == 1:
        return LimitedExecutor(SequentialExecutor(limited), limited)
    waiting = JoblibExecutor(limited, n_workers, pre_dispatch, backend="threading")
    return LimitedExecutor(waiting, limited)


# --- clusters ----------------------------------------------------------------------


def _is_cluster(backend: Any) -> bool:
    """Return whether a backend has a cluster that is used without joblib."""
    return _is(backend, "dask") or _is(backend, "ray")


def _connect(evaluate: Evaluate, backend: Any) -> Cluster:
    """Return the cluster of a backend."""
    # The modules are imported here, since each needs an optional package.
    if _is(backend, "dask"):
        from skhyperband._executors.dask_cluster import DaskCluster

        return DaskCluster(evaluate, backend)
    from skhyperband._executors.ray_cluster import RayCluster

    return RayCluster(evaluate, backend)


def _is(backend: Any, name: str) -> bool:
    """Return whether a backend is the one that is registered with joblib under this name."""
    registered = BACKENDS.get(name)
    return registered is not None and isinstance(backend, registered)
