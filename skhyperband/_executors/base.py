"""What every executor does: it runs tasks somewhere, and keeps the states of candidates there."""

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Protocol, Self

from skhyperband._records import FinishedTask, StateKey, Task

OnStart = Callable[[int], None]
FurtherTasks = Callable[[int], Sequence[Task]]


def ignore_start(position: int) -> None:
    """Do nothing when a task starts."""


def n_in_advance(pre_dispatch: int | str, n_workers: int) -> float:
    """Return the number of tasks that are sent to the workers in advance, as joblib understands it.

    A text that is no expression raises what `eval` raises.
    """
    if pre_dispatch == "all":
        return math.inf
    # With spaces, "2n_jobs" is an error, and not 24 with 4 workers.
    text = str(pre_dispatch).replace("n_jobs", f" {n_workers} ")
    return int(eval(text, {"__builtins__": {}}))


def no_further_tasks(n_tasks: int) -> Sequence[Task]:
    """Return none."""
    return ()


class StateStore(Protocol):
    """Keeps fitted estimators between the levels of a search, in memory or on a cluster.

    Attributes
    ----------
    problems : sequence of str
        Why states were lost; their candidates are fitted fresh. It is read after the executor
        was left.
    """

    @property
    def problems(self) -> Sequence[str]: ...

    def __len__(self) -> int:
        """Return the number of states in the store."""

    def keep(self, key: StateKey, state: Any) -> None:
        """Keep the state of an outcome, and drop the one that was kept under this key before.

        A state that cannot be kept is reported in `problems`; nothing is raised.
        """

    def lend(self, key: StateKey) -> Any:
        """Return what becomes the `state` of a task, or None where the store has no such state.

        In the worker its method `read` returns the `State`. The store has the state until it is
        dropped, since a task whose worker died is run again.
        """

    def drop(self, keys: Iterable[StateKey]) -> None:
        """Drop the states under these keys, as far as the store has them."""

    def drop_all_but(self, keys: Iterable[StateKey]) -> None:
        """Drop the states under all other keys."""


class Executor(Protocol):
    """Runs tasks; a context manager that frees its states, files and workers when it is left.

    An executor that was left can be entered again, and then starts without states; leaving it
    a second time does nothing. It cannot be entered while it is entered.

    Attributes
    ----------
    n_workers : int
        The largest number of tasks that run at a time.
    n_cores : int
        The largest number of cores that one task may use while no other runs. It is 1 where a task
        cannot use the cores of idle workers.
    in_process : bool
        Whether the tasks run in this process.
    states : StateStore
        The states of the candidates that its tasks fitted.
    """

    @property
    def in_process(self) -> bool: ...

    @property
    def n_workers(self) -> int: ...

    @property
    def n_cores(self) -> int: ...

    @property
    def states(self) -> StateStore: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: Any) -> None: ...

    def run(
        self,
        tasks: Sequence[Task],
        on_start: OnStart = ignore_start,
        more: FurtherTasks = no_further_tasks,
    ) -> Generator[FinishedTask, None, None]:
        """Yield the result of every task with its position in `tasks`, in the order of completion.

        ``on_start(position)`` is called once for every task, in this thread, when a worker has
        the task or will have it next, and before the result is yielded.

        ``more(n)`` returns at most n further tasks, whose positions go on counting. An executor
        calls it in this thread each time that it is about to wait for a result, and n workers
        have nothing to do and no task is left for them, but not while a task runs alone because
        its worker has died; and once more when all results have been yielded. It ends the run if there is then no further task. Tasks that a worker has go on
        while the generator is suspended, so that the caller may prepare further tasks. An executor
        that cannot take further tasks, or whose tasks run in this process, never calls `more`.

        A task whose worker dies has an outcome with a failure of the step "worker"; the other
        tasks are not affected. Closing the generator ends the run as soon as possible, and the
        executor can run other tasks afterwards.
        """
