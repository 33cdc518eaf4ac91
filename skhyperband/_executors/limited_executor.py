"""Runs tasks under a time limit, on this machine."""

import contextlib
from collections.abc import Generator, Sequence
from typing import Any, Self

from skhyperband._executors.base import (
    Executor,
    FurtherTasks,
    OnStart,
    ignore_start,
    no_further_tasks,
)
from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._records import FinishedTask, Task


class LimitedExecutor:
    """Lets an executor of this process run a `LimitedEvaluate`, and ends what that has begun.

    Parameters
    ----------
    executor : Executor
        Runs the tasks in this thread, or in others of this process.
    evaluate : LimitedEvaluate
        What the executor calls.
    """

    in_process = False

    def __init__(self, executor: Executor, evaluate: LimitedEvaluate):
        self.n_workers = executor.n_workers
        self.n_cores = executor.n_cores
        self.states = executor.states
        self._executor = executor
        self._evaluate = evaluate

    def __enter__(self) -> Self:
        self._executor.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._evaluate.close()
        self._executor.__exit__(*exc_info)

    def run(
        self,
        tasks: Sequence[Task],
        on_start: OnStart = ignore_start,
        more: FurtherTasks = no_further_tasks,
    ) -> Generator[FinishedTask, None, None]:
        """Yield the results as they arrive; what still runs when the generator is closed is killed."""
        self._evaluate.begin()
        with contextlib.closing(self._executor.run(tasks, on_start, more)) as finished:
            try:
                # A loop, since `yield from` would close the other generator first, which may wait
                # for what still runs.
                for finished_task in finished:  # noqa: UP028
                    yield finished_task
            finally:
                self._evaluate.end_running()
