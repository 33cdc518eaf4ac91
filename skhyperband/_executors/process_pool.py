"""Processes that each evaluate one task at a time, and are ended without losing anything else."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from skhyperband._executors.lone_process import LoneProcess, ProcessDiedError, TimeIsOverError
from skhyperband._executors.packed_value import PackedValue
from skhyperband._records import Outcome, Skipped, Task, took_too_long, worker_died


class ProcessPool:
    """Evaluates each task in a process that has no other one at the time.

    It may be called in several threads, and then has as many processes. A process is used for
    further tasks until one of them ends it or takes too long. A task whose process dies twice,
    the second time while no other one runs here, is the one that killed its worker.

    Parameters
    ----------
    packed : callable
        Returns the packed callable that evaluates tasks. It is called for each new process.
    seconds : float, default=inf
        The longest time of an evaluation, from when it begins in the process.
    env : mapping of str to str, optional
        Environment variables of the processes besides those of this one.
    """

    def __init__(
        self,
        packed: Callable[[], PackedValue],
        seconds: float = math.inf,
        env: Mapping[str, str] | None = None,
    ):
        self._packed = packed
        self._seconds = seconds
        self._env = env
        self._gate = _Gate()
        self._lock = threading.Lock()
        self._idle: list[_IdleProcess] = []
        self._busy: set[LoneProcess] = set()
        self._n_ends = 0
        self._is_ending = False

    def evaluate(self, task: Task) -> Outcome | Skipped:
        """Evaluate a task, a second time if its process dies, which holds up the others.

        It is skipped where the evaluations are ended meanwhile.
        """
        n_ends = self._n_ends
        result = self.attempt(task, n_ends)
        return self.attempt_alone(task, n_ends) if result is None else result

    def attempt(self, task: Task, n_ends: int | None = None) -> Outcome | Skipped | None:
        """Evaluate a task beside others; return None if its process dies.

        With a number of ends, it is skipped if there were more meanwhile.
        """
        return self._attempt_within(self._gate.beside_others(), task, n_ends)

    def attempt_alone(self, task: Task, n_ends: int | None = None) -> Outcome | Skipped:
        """Evaluate a task while no other one runs and no process is idle: memory may have run out."""
        result = self._attempt_within(self._gate.alone(), task, n_ends, ends_idle=True)
        return worker_died(task) if result is None else result

    def _attempt_within(
        self,
        gate: contextlib.AbstractContextManager[None],
        task: Task,
        n_ends: int | None,
        *,
        ends_idle: bool = False,
    ) -> Outcome | Skipped | None:
        with self._lock:
            if self._is_ending:
                return Skipped()
            n_ends = self._n_ends if n_ends is None else n_ends
        try:
            with gate:
                if ends_idle:
                    self.end_idle()
                return self._attempt(task, n_ends)
        except ProcessDiedError:
            return None
        except _EndedError:
            return Skipped()
        except TimeIsOverError:
            return took_too_long(task, self._seconds)

    def _attempt(self, task: Task, n_ends: int) -> Outcome | Skipped:
        process = self._take(n_ends)
        try:
            result = process.run(task, self._seconds)
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
            process = LoneProcess(self._packed(), self._env)
        with self._lock:
            if self._n_ends != n_ends:
                process.kill()
                raise _EndedError
            self._busy.add(process)
        return process

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

    def end_idle(self, seconds: float = 0.0) -> bool:
        """Kill the processes that had no task for so long; return whether none is left idle."""
        now = time.monotonic()
        with self._lock:
            ended = [idle for idle in self._idle if now - idle.since >= seconds]
            self._idle = [idle for idle in self._idle if idle not in ended]
            none_is_left = not self._idle
        for idle in ended:
            idle.process.kill()
        return none_is_left

    def close(self) -> None:
        """Kill all processes. It can be used again after `begin`."""
        self.end_running()
        self.end_idle()


class _IdleProcess:
    """A process without a task, and since when."""

    def __init__(self, process: LoneProcess):
        self.process = process
        self.since = time.monotonic()


class _EndedError(Exception):
    """The evaluations were ended while a task waited or ran."""


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
