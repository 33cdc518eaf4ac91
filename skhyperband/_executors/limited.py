"""Evaluates tasks under a time limit, in processes that are killed when it is over."""

import contextlib
import pickle
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from skhyperband._executors.lone_process import (
    LoneProcess,
    PackedValue,
    ProcessDiedError,
    TimeIsOverError,
)
from skhyperband._messages import str_of
from skhyperband._records import Evaluate, Outcome, Skipped, Task, took_too_long, worker_died

# In a worker of a cluster nothing tells the end of a search. Processes without work end there
# after so many seconds.
IDLE_SECONDS = 30.0


class LimitedEvaluate:
    """Evaluates each task in a process of its own, which is killed when the time is over.

    It may be called in several threads, and then has as many processes. A process is used for
    further tasks until one of them takes too long. If a process dies, its task is given a second
    attempt in another one, while no other task runs here: memory may have run out.

    It can be pickled, and be called in the workers of a cluster. All copies in a worker process
    are one object there. It ends its processes when it is closed or garbage collected and, in a
    worker of a cluster, those that had no task for a while.

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
        self._maps_files = maps_files
        self._evaluate: Evaluate | None = evaluate
        self._packed: PackedValue | None = None
        self._env = env
        self._key = uuid.uuid4().hex
        self._was_received = False
        self._lock = threading.Lock()
        self._gate = _Gate()
        self._idle: list[_IdleProcess] = []
        self._busy: set[LoneProcess] = set()
        self._n_calls = 0
        self._n_ends = 0
        self._is_ending = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _receive, (self._key, self._pack(), self.seconds)

    def __call__(self, task: Task) -> Outcome | Skipped:
        """Evaluate a task; it is skipped where the evaluations are ended meanwhile."""
        with self._lock:
            if self._is_ending:
                return Skipped()
            self._n_calls += 1
            n_ends = self._n_ends
        try:
            if self._was_received:
                _watch(self)
            return self._evaluate_twice(task, n_ends)
        finally:
            with self._lock:
                self._n_calls -= 1

    def _evaluate_twice(self, task: Task, n_ends: int) -> Outcome | Skipped:
        """Evaluate a task, again if its process dies."""
        try:
            with contextlib.suppress(ProcessDiedError), self._gate.beside_others():
                return self._attempt(task, n_ends)
            with contextlib.suppress(ProcessDiedError), self._gate.alone():
                return self._attempt(task, n_ends)
        except _EndedError:
            return Skipped()
        except TimeIsOverError:
            return took_too_long(task, self.seconds)
        return worker_died(task)

    def _attempt(self, task: Task, n_ends: int) -> Outcome | Skipped:
        process = self._take(n_ends)
        try:
            result = process.run(task, self.seconds)
        except ProcessDiedError:
            if self._n_ends != n_ends:
                raise _EndedError from None
            raise
        else:
            with self._lock:
                if self._n_ends == n_ends:
                    self._idle.append(_IdleProcess(process))
            return result
        finally:
            with self._lock:
                self._busy.discard(process)

    def _take(self, n_ends: int) -> LoneProcess:
        """Return a process that was idle, or a new one."""
        process = None
        while process is None:
            with self._lock:
                if self._n_ends != n_ends:
                    raise _EndedError
                if not self._idle:
                    break
                process = self._idle.pop().process
            if not process.lives():
                # It has died since its last task, which is no fault of this one.
                process = None
        if process is None:
            process = LoneProcess(self._pack(), self._env)
        with self._lock:
            if self._n_ends != n_ends:
                process.kill()
                raise _EndedError
            self._busy.add(process)
        return process

    def _pack(self) -> PackedValue:
        with self._lock:
            if self._packed is None:
                try:
                    self._packed = PackedValue.of(self._evaluate, maps_files=self._maps_files)
                except Exception as error:
                    raise pickle.PicklingError(
                        f"max_fit_time={self.seconds:.15g} evaluates candidates in other "
                        "processes, to which the estimator, the data or the scorer cannot be "
                        f"sent: {type(error).__name__}: {str_of(error)}"
                    ) from error
            return self._packed

    # -- ending

    def begin(self) -> None:
        """Evaluate the tasks that come from now on."""
        self._is_ending = False

    def end_running(self) -> None:
        """Kill the processes that have a task; their tasks, and those that still come, are skipped."""
        with self._lock:
            self._is_ending = True
            self._n_ends += 1
            busy = list(self._busy)
        for process in busy:
            process.kill()

    def close(self) -> None:
        """Kill all processes, and free what they share. It can be called again after `begin`."""
        self.end_running()
        self.end_idle()
        if self._evaluate is not None:
            with self._lock:
                self._packed = None

    def end_idle(self, seconds: float = 0.0) -> bool:
        """Kill the processes that had no task for so long; return whether it is not in use."""
        now = time.monotonic()
        with self._lock:
            ended = [idle for idle in self._idle if now - idle.since >= seconds]
            self._idle = [idle for idle in self._idle if idle not in ended]
            in_use = bool(self._idle) or self._n_calls > 0
        for idle in ended:
            idle.process.kill()
        return not in_use


class _Gate:
    """Lets any number of threads in, or one alone.

    Those that want to be alone go first, one after the other, so that the others are held up once
    for all of them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._n_inside = 0
        self._n_want_alone = 0

    @contextlib.contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait until nobody is alone inside, or waits for it."""
        with self._inside(lambda: self._n_want_alone == 0):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until all others have left."""
        with self._changed:
            self._n_want_alone += 1
        try:
            with self._inside(lambda: self._n_inside == 0):
                yield
        finally:
            with self._changed:
                self._n_want_alone -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def _inside(self, may_enter: Callable[[], bool]) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(may_enter)
            self._n_inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_inside -= 1
                self._changed.notify_all()


class _EndedError(Exception):
    """The evaluations were ended while a task waited or ran."""


class _IdleProcess:
    """A process without a task, and since when."""

    def __init__(self, process: LoneProcess):
        self.process = process
        self.since = time.monotonic()


# --- in a worker of a cluster ------------------------------------------------------

# A cluster may unpickle the callable for each task. The copies are one object, which is looked up
# in the first of these globals. The second one keeps it as long as it has processes.
_received: "weakref.WeakValueDictionary[str, LimitedEvaluate]" = weakref.WeakValueDictionary()
_watched: set[LimitedEvaluate] = set()
_watch_lock = threading.Lock()


def _receive(key: str, packed: PackedValue, seconds: float) -> LimitedEvaluate:
    with _watch_lock:
        known = _received.get(key)
        if known is not None:
            return known
        received = LimitedEvaluate(_never_called, seconds)
        received._evaluate = None
        received._packed = packed
        received._key = key
        received._was_received = True
        _received[key] = received
        return received


def _never_called(task: Task) -> Outcome:
    raise AssertionError


def _watch(received: LimitedEvaluate) -> None:
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
