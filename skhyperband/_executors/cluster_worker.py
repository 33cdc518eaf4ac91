"""What runs in the workers of a cluster: it keeps the evaluator, and evaluates tasks with it."""

import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import joblib
import numpy as np

from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._executors.lone_process import PackedValue, unpack_value
from skhyperband._pickling import cloudpickle
from skhyperband._records import Evaluate, Outcome, Skipped

# In seconds. A worker that has had no task of a search for so long drops the search's data.
_MAX_IDLE = 600.0
# Several searches may share a cluster; where a worker gets the data itself, it keeps those of
# so many of them.
_MAX_KEPT = 2


@dataclass(frozen=True)
class NoData:
    """In place of a result: the worker does not have the evaluator, or not any more.

    Attributes
    ----------
    worker : str
        The address of the worker.
    """

    worker: str


class NoDataError(Exception):
    """The process does not have the evaluator of a search."""


class StaysInCluster:
    """The state of an outcome that is in the main process, while the state itself is not."""


@dataclass
class _Kept:
    """An evaluator, how many tasks it evaluates at this moment, and when it was last used."""

    evaluate: Evaluate
    last_used: float
    n_running: int = 0


# In seconds. How long a task waits for data that may be on their way to its worker.
_MAX_WAITING = 10.0


# The evaluators that this process keeps, by the key of their search. A global, since a task
# reaches its worker as a call of a function, and only the first one is to unpickle the data.
_kept: dict[str, _Kept] = {}
_changed = threading.Condition()

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
        Gets the evaluator if it is not here yet. None waits a while for it to be sent.
    task : bytes
    state : ndarray of uint8, or None
        The pickled state that the task continues from.

    Raises
    ------
    NoDataError
        If the evaluator is not here, and is not sent either.
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
    """Keep the evaluator of a search, which was sent to this process, until the search ends."""
    with _changed:
        if key not in _kept:
            _add(key, unpack_value(PackedValue(packed, sizes)))


def forget(key: str) -> None:
    """Drop the evaluator of a search that has ended, and end processes that it may have."""
    with _changed:
        kept = _kept.pop(key, None)
    if kept is not None and isinstance(kept.evaluate, LimitedEvaluate):
        kept.evaluate.close()


def _begin(key: str, fetch: Fetch | None) -> _Kept:
    """Return the evaluator of a search, and count a task that runs with it."""
    with _changed:
        if key not in _kept:
            if fetch is not None:
                _make_room()
                _add(key, unpack_value(PackedValue(*fetch())))
            elif not _changed.wait_for(lambda: key in _kept, timeout=_MAX_WAITING):
                raise NoDataError
        kept = _kept[key]
        kept.n_running += 1
        return kept


def _make_room() -> None:
    """Drop evaluators where there are many. They are fetched again if their searches go on."""
    while len(_kept) >= _MAX_KEPT:
        del _kept[min(_kept, key=lambda key: _kept[key].last_used)]


def _add(key: str, evaluate: Evaluate) -> None:
    if not _kept:
        threading.Thread(target=_drop_idle, daemon=True).start()
    _kept[key] = _Kept(evaluate, last_used=time.monotonic())
    _changed.notify_all()


def _drop_idle() -> None:
    """Drop evaluators that have long had no task, until none is left.

    Nobody may tell a worker that a search has ended: its process may have been killed.
    """
    while True:
        time.sleep(_MAX_IDLE / 10)
        with _changed:
            now = time.monotonic()
            for key, kept in list(_kept.items()):
                if not kept.n_running and now - kept.last_used > _MAX_IDLE:
                    del _kept[key]
            if not _kept:
                return
