"""Runs suspected tasks in processes of their own, to find those that kill their worker."""

import contextlib
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed

from skhyperband._executors.broadcast import Broadcast
from skhyperband._executors.lone_process import LoneProcess, PackedValue, ProcessDiedError
from skhyperband._records import FinishedTask, Outcome, Skipped, Task, worker_died


def retry_in_isolation(
    broadcast: Broadcast, suspects: Mapping[int, Task], env: Mapping[str, str], n_workers: int
) -> Generator[FinishedTask, None, None]:
    """Run tasks in processes of which each runs one at a time, so that it is known who kills it.

    As many run side by side as there are workers. The death that made a task a suspect does not
    count, since most suspects were still waiting. A task whose process ends is tried once more
    in a new process, when the others of this search have ended: it may have lacked the memory
    that they used. If it ends its process again, it is the one that killed its worker. The
    processes have the same environment variables, and with them as many threads, as the workers
    had.
    """
    with (
        ThreadPoolExecutor(min(n_workers, len(suspects) or 1)) as pool,
        contextlib.closing(_LoneProcesses(PackedValue(*broadcast.pack()), env)) as processes,
    ):
        attempts = {pool.submit(processes.attempt, suspects[p]): p for p in suspects}
        died = []
        for attempt in as_completed(list(attempts)):
            position, result = attempts.pop(attempt), attempt.result()
            if result is None:
                died.append(position)
            else:
                yield FinishedTask(position, result)
        for position in sorted(died):
            processes.end_idle()
            result = processes.attempt(suspects[position])
            if result is None:
                result = worker_died(suspects[position])
            yield FinishedTask(position, result)


class _LoneProcesses:
    """Processes that evaluate one task after another, as many as are asked for at a time."""

    def __init__(self, packed: PackedValue, env: Mapping[str, str]):
        self._packed = packed
        self._env = env
        self._started: list[LoneProcess] = []
        self._idle: list[LoneProcess] = []
        self._is_closed = False

    def attempt(self, task: Task) -> Outcome | Skipped | None:
        """Return the result of a task; None if its process ended, or must not be started any more."""
        if self._is_closed:
            return None
        process = self._take()
        try:
            result = process.run(task)
        except ProcessDiedError:
            return None
        self._idle.append(process)
        return result

    def _take(self) -> LoneProcess:
        """Return a process that is idle, or a new one."""
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        process = LoneProcess(self._packed, self._env)
        self._started.append(process)
        if self._is_closed:  # Meanwhile, by the thread of the search.
            process.kill()
        return process

    def end_idle(self) -> None:
        """End the processes that have no task."""
        while self._idle:
            self._idle.pop().kill()

    def close(self) -> None:
        """End all processes; what waits for an attempt is not begun."""
        self._is_closed = True
        for process in list(self._started):
            process.kill()
