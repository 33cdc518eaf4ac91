"""What runs in the workers of a cluster: it keeps the evaluator, and evaluates tasks with it."""

import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import joblib
import numpy as np

from skhyperband._executors.limited import ReceivedLimitedEvaluate
from skhyperband._executors.packed_value import PackedValue
from skhyperband._pickling import cloudpickle
from skhyperband._records import Evaluate, Outcome, Skipped

# In seconds. A worker that has had no task of a search for so long drops the search's data, which
# it may fetch again, or which have to be sent to it again.
_MAX_IDLE_IF_FETCHED = 30.0
_MAX_IDLE_IF_SENT = 600.0


@dataclass(frozen=True)
class NoData:
    """In place of a result: the worker does not have the evaluator, or not any more.

    Attributes
    ----------
    worker : str
        The address of the worker.
    """

    worker: str


class StaysInCluster:
    """The state of an outcome that is in the main process, while the state itself is not."""


@dataclass
class _Kept:
    """An evaluator that is kept until it has not been used for so many seconds."""

    evaluate: Evaluate
    max_idle: float
    last_used: float
    n_running: int = 0


# In seconds. How long a task waits for data that may be on their way to its worker.
_MAX_WAITING = 10.0


class DataMissingError(Exception):
    """The data of a search have not come to this worker, or were dropped."""


# The evaluators that this process keeps, by the key of their search. A global, since a task
# reaches its worker as a call of a function, and only the first one is to unpickle the data.
_kept: dict[str, _Kept] = {}
# The keys of those that were dropped.
_dropped: set[str] = set()
_changed = threading.Condition()
# Whether a thread is there that drops what has long had no task.
_is_dropping = False

# Returns an evaluator that was packed, and the sizes of its parts.
Fetch = Callable[[], tuple[np.ndarray, list[int]]]


def evaluate_packed(
    key: str, fetch: Fetch | None, task: bytes, state: np.ndarray | None
) -> tuple[Outcome | Skipped, np.ndarray | None]:
    """Evaluate a task; return the result, and the pickled state, which is not in the result.

    A state that cannot be pickled stays in the result, where it says why.

    Parameters
    ----------
    key : str
        The key of the search.
    fetch : callable or None
        Gets the evaluator if it is not here yet. None waits until it is sent, and raises
        `DataMissingError` if it does not come.
    task : bytes
    state : ndarray of uint8, or None
        The pickled state that the task continues from.
    """
    kept = _begin(key, fetch)
    try:
        work = pickle.loads(task)
        if state is not None:
            work = work._replace(state=pickle.loads(state.data))
        # Within a task, n_jobs=None means one thread, not all cores of the cluster.
        with joblib.parallel_config(backend="threading", n_jobs=1):
            result = kept.evaluate(work)
    finally:
        with _changed:
            kept.n_running -= 1
            kept.last_used = time.monotonic()
    if not isinstance(result, Outcome) or result.state is None:
        return result, None
    pickled = cloudpickle.dumps(result.state)
    if result.state.problem is not None:
        return result, None
    return result._replace(state=StaysInCluster()), np.frombuffer(pickled, dtype=np.uint8)


def keep(key: str, packed: np.ndarray, sizes: list[int]) -> None:
    """Keep the evaluator of a search, which was sent to this process."""
    with _changed:
        if key not in _kept:
            _add(key, PackedValue(packed, sizes).unpack(), _MAX_IDLE_IF_SENT)


def forget(key: str) -> None:
    """Drop the evaluator of a search that has ended, and end processes that it may have."""
    with _changed:
        kept = _kept.pop(key, None)
        _dropped.add(key)
        _changed.notify_all()
    if kept is not None and isinstance(kept.evaluate, ReceivedLimitedEvaluate):
        kept.evaluate.close()


def _begin(key: str, fetch: Fetch | None) -> _Kept:
    """Return the evaluator of a search, and count a task that runs with it."""
    with _changed:
        if key not in _kept:
            if fetch is not None:
                _add(key, PackedValue(*fetch()).unpack(), _MAX_IDLE_IF_FETCHED)
            else:
                _changed.wait_for(lambda: key in _kept or key in _dropped, timeout=_MAX_WAITING)
                if key not in _kept:
                    raise DataMissingError
        kept = _kept[key]
        kept.n_running += 1
        return kept


def _add(key: str, evaluate: Evaluate, max_idle: float) -> None:
    global _is_dropping
    _dropped.discard(key)
    if not _is_dropping:
        _is_dropping = True
        threading.Thread(target=_drop_idle, daemon=True).start()
    _kept[key] = _Kept(evaluate, max_idle, last_used=time.monotonic())
    _changed.notify_all()


def _drop_idle() -> None:
    """Drop evaluators that have long had no task, until none is left.

    Nobody may tell a worker that a search has ended: its process may have been killed.
    """
    global _is_dropping
    while True:
        time.sleep(_MAX_IDLE_IF_FETCHED / 3)
        with _changed:
            now = time.monotonic()
            for key, kept in list(_kept.items()):
                if not kept.n_running and now - kept.last_used > kept.max_idle:
                    del _kept[key]
                    _dropped.add(key)
            if not _kept:
                _is_dropping = False
                return
