"""Evaluates tasks under a time limit, in processes that are killed when it is over."""

import pickle
import threading
import time
import uuid
import weakref
from collections.abc import Mapping
from typing import Any

from skhyperband._executors.packed_value import PackedValue
from skhyperband._executors.process_pool import ProcessPool
from skhyperband._messages import str_of
from skhyperband._records import Evaluate, Outcome, Skipped, Task

# In a worker of a cluster nothing tells the end of a search. Processes without work end there
# after so many seconds.
IDLE_SECONDS = 30.0


class LimitedEvaluate:
    """Evaluates each task in a process of its own, which is killed when the time is over.

    It may be called in several threads. It can be pickled, and be called in the workers of a
    cluster. It ends its processes when it is closed or garbage collected.

    Parameters
    ----------
    evaluate : callable
        Takes a task and returns its result. It must be possible to pickle it.
    seconds : float
        The longest time of an evaluation, from when it begins in the process.
    env : mapping of str to str
        Environment variables of the processes besides those of this one. They are not sent to
        the workers of a cluster, which have their own.
    maps_files : bool
        Whether data that are mapped from a file are sent as the name of the file, which other
        machines may not have.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        seconds: float,
        *,
        env: Mapping[str, str] | None = None,
        maps_files: bool = True,
    ):
        self.seconds = seconds
        self._key = uuid.uuid4().hex
        self._packing = _Packing(evaluate, seconds, maps_files)
        self._pool = ProcessPool(self._packing.packed, seconds, env)

    def __reduce__(self) -> tuple[Any, ...]:
        return _receive, (self._key, self._packing.packed(), self.seconds)

    def __call__(self, task: Task) -> Outcome | Skipped:
        """Evaluate a task; it is skipped where the evaluations are ended meanwhile."""
        return self._pool.evaluate(task)

    def begin(self) -> None:
        """Evaluate the tasks that come from now on."""
        self._pool.begin()

    def end_running(self) -> None:
        """Kill the processes that have a task; their tasks, and those that still come, are skipped."""
        self._pool.end_running()

    def close(self) -> None:
        """Kill all processes, and free what they share. It can be called again after `begin`."""
        self._pool.close()
        self._packing.free()


class _Packing:
    """Packs a callable when it is first needed."""

    def __init__(self, evaluate: Evaluate, seconds: float, maps_files: bool):
        self._evaluate = evaluate
        self._seconds = seconds
        self._maps_files = maps_files
        self._lock = threading.Lock()
        self._packed: PackedValue | None = None

    def packed(self) -> PackedValue:
        """Return the packed callable."""
        with self._lock:
            if self._packed is None:
                try:
                    self._packed = PackedValue.of(self._evaluate, maps_files=self._maps_files)
                except Exception as error:
                    raise pickle.PicklingError(
                        f"max_fit_time={self._seconds:.15g} evaluates candidates in other "
                        "processes, to which the estimator, the data or the scorer cannot be "
                        f"sent: {type(error).__name__}: {str_of(error)}"
                    ) from error
            return self._packed

    def free(self) -> None:
        """Free the memory of the packed callable; it is packed again where it is needed again."""
        with self._lock:
            self._packed = None


# --- in a worker of a cluster ------------------------------------------------------


class ReceivedLimitedEvaluate:
    """A `LimitedEvaluate` in a worker of a cluster.

    All copies in a worker process are one object. It ends its processes when it is closed or
    garbage collected, and those that had no task for a while.

    Parameters
    ----------
    packed : PackedValue
        The callable that evaluates tasks.
    seconds : float
        The longest time of an evaluation.
    """

    def __init__(self, packed: PackedValue, seconds: float):
        self._pool = ProcessPool(lambda: packed, seconds)

    def __call__(self, task: Task) -> Outcome | Skipped:
        """Evaluate a task."""
        try:
            return self._pool.evaluate(task)
        finally:
            _watch(self)

    def end_idle(self, seconds: float) -> bool:
        """Kill the processes that had no task for so long; return whether none is left idle."""
        return self._pool.end_idle(seconds)

    def close(self) -> None:
        """Kill all processes."""
        self._pool.close()


# A cluster may unpickle the callable for each task. The copies are one object, which is looked up
# in the first of these globals. The second one keeps it as long as it has idle processes.
_received: "weakref.WeakValueDictionary[str, ReceivedLimitedEvaluate]" = (
    weakref.WeakValueDictionary()
)
_watched: set[ReceivedLimitedEvaluate] = set()
_watch_lock = threading.Lock()


def _receive(key: str, packed: PackedValue, seconds: float) -> ReceivedLimitedEvaluate:
    with _watch_lock:
        received = _received.get(key)
        if received is None:
            received = _received[key] = ReceivedLimitedEvaluate(packed, seconds)
        return received


def _watch(received: ReceivedLimitedEvaluate) -> None:
    """Keep it until its processes had no task for a while, and end them then."""
    with _watch_lock:
        if not _watched:
            threading.Thread(target=_end_idle_processes, daemon=True).start()
        _watched.add(received)


def _end_idle_processes() -> None:
    while True:
        time.sleep(1)
        with _watch_lock:
            for received in list(_watched):
                if received.end_idle(IDLE_SECONDS):
                    _watched.discard(received)
            if not _watched:
                return
