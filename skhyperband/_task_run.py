"""Hands the tasks of a search to an executor, in runs that may last over several levels."""

from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

from skhyperband._executors.base import Executor
from skhyperband._records import EvaluationKey, FinishedTask, Outcome, Skipped, Task


class FinishedEvaluation(NamedTuple):
    """A task that an executor is done with, and what was to be evaluated by it."""

    key: EvaluationKey
    task: Task
    result: Outcome | Skipped


class TaskRun:
    """A run of an executor, which goes on after a level if it has tasks of the next one.

    Parameters
    ----------
    executor : Executor
    on_start : callable
        ``on_start(key, task)`` is called when a worker has a task.
    more : callable
        ``more(n)`` returns at most n further tasks by their keys. It is called when n workers have
        nothing to do, by executors that can take further tasks.
    """

    def __init__(
        self,
        executor: Executor,
        on_start: Callable[[EvaluationKey, Task], None],
        more: Callable[[int], Mapping[EvaluationKey, Task]],
    ):
        self._executor = executor
        self._on_start = on_start
        self._more = more
        self._results: Generator[FinishedTask, None, None] | None = None
        self._waiting: deque[tuple[EvaluationKey, Task]] = deque()
        self._running: dict[int, tuple[EvaluationKey, Task]] = {}
        self._n_tasks = 0
        self._is_ending = False

    def add(self, tasks: Mapping[EvaluationKey, Task]) -> None:
        """Add the tasks of a level to the run; begin one if there is none."""
        self._waiting.extend(tasks.items())
        if self._results is None:
            self._n_tasks, self._is_ending = 0, False
            self._results = self._executor.run(
                self._hand_out(len(self._waiting)), self._announce, self._further_tasks
            )

    def take(self) -> FinishedEvaluation | None:
        """Return the next result; None if the run has ended."""
        finished = None if self._results is None else next(self._results, None)
        if finished is None:
            self.close()
            return None
        key, task = self._running.pop(finished.position)
        return FinishedEvaluation(key, task, finished.result)

    def end_level(self) -> None:
        """End the run, unless it has tasks that are not finished."""
        if not self._running and not self._waiting:
            self._is_ending = True
            self.take()

    def close(self) -> None:
        """End the run as soon as possible, and give up its tasks."""
        if self._results is not None:
            self._results.close()
        self._results = None
        self._waiting.clear()
        self._running.clear()

    # -- what the executor asks

    def _hand_out(self, n_tasks: int) -> list[Task]:
        """Return the next tasks, and note their positions."""
        tasks = []
        for _ in range(min(n_tasks, len(self._waiting))):
            key, task = self._waiting.popleft()
            self._running[self._n_tasks] = key, task
            self._n_tasks += 1
            tasks.append(task)
        return tasks

    def _announce(self, position: int) -> None:
        self._on_start(*self._running[position])

    def _further_tasks(self, n_tasks: int) -> list[Task]:
        n_missing = n_tasks - len(self._waiting)
        if n_missing > 0 and not self._is_ending:
            self._waiting.extend(self._more(n_missing).items())
        return self._hand_out(n_tasks)
