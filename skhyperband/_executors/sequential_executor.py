"""Runs tasks one after another in this process."""

from collections.abc import Generator, Sequence
from typing import Any, Self

from skhyperband._executors.base import (
    FurtherTasks,
    OnStart,
    ignore_start,
    no_further_tasks,
)
from skhyperband._executors.states import LocalStateStore
from skhyperband._records import Evaluate, FinishedTask, Task


class SequentialExecutor:
    """Runs tasks in a plain loop, each one when its result is asked for.

    Parameters
    ----------
    evaluate : callable
        Takes a task and returns its result.
    """

    n_workers = 1
    n_cores = 1  # What the estimator itself makes of `n_jobs=1` is left as it is.
    in_process = True

    def __init__(self, evaluate: Evaluate):
        self.states = LocalStateStore()
        self._evaluate = evaluate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.states.close()

    def run(
        self,
        tasks: Sequence[Task],
        on_start: OnStart = ignore_start,
        more: FurtherTasks = no_further_tasks,
    ) -> Generator[FinishedTask, None, None]:
        """Yield the result of every task, in the order of the tasks; there is never an idle worker."""
        for position, task in enumerate(tasks):
            on_start(position)
            yield FinishedTask(position, self._evaluate(task))
