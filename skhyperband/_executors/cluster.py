"""Runs tasks on a cluster, Dask's or Ray's: what is the same for both."""

import collections
import contextlib
import pickle
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from skhyperband._executors.base import (
    FurtherTasks,
    OnStart,
    ignore_start,
    n_in_advance,
    no_further_tasks,
)
from skhyperband._executors.cluster_worker import StaysInCluster
from skhyperband._executors.states import State
from skhyperband._pickling import cloudpickle
from skhyperband._records import (
    FinishedTask,
    Outcome,
    Skipped,
    StateKey,
    Task,
    worker_died,
)

# In seconds. How often the workers are counted, and results are waited for at a time.
_INTERVAL = 1.0
# In seconds. How long a cluster may be without workers: one that was killed starts again, and
# a new machine takes its time.
PATIENCE = 60.0


@dataclass(eq=False)
class RemoteState:
    """A pickled `State` on the cluster.

    Attributes
    ----------
    reference : object
        The engine's own reference, on which the state depends. The store sets it to None when it
        drops the state, since tasks that are done may still be referred to.
    """

    reference: Any


def with_reference(result: Outcome | Skipped, reference: Any) -> Outcome | Skipped:
    """Return a result with a reference to its state, if it has one that stays in the cluster."""
    if isinstance(result, Outcome) and isinstance(result.state, StaysInCluster):
        return result._replace(state=RemoteState(reference))
    return result


class RemoteStateStore:
    """The `StateStore` of clusters: it holds references, and the states stay where they are."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._kept: dict[StateKey, RemoteState] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: StateKey, state: RemoteState | State) -> None:
        """Keep a reference; a state that came here could not be pickled, and says why."""
        self.drop([key])
        if isinstance(state, RemoteState):
            self._kept[key] = state
        else:
            self.problems.append(str(state.problem))

    def lend(self, key: StateKey) -> RemoteState | None:
        """Return a reference for a task, or None."""
        return self._kept.get(key)

    def drop(self, keys: Iterable[StateKey]) -> None:
        """Drop the states under these keys, as far as the store has them."""
        for key in keys:
            if (state := self._kept.pop(key, None)) is not None:
                state.reference = None

    def drop_all_but(self, keys: Iterable[StateKey]) -> None:
        """Drop the states under all other keys."""
        kept = set(keys)
        self.drop([key for key in self._kept if key not in kept])


@dataclass(frozen=True)
class Died:
    """In place of a result: the worker ended more often than it may."""


@dataclass(eq=False)
class Submission:
    """A task that is on the cluster.

    Attributes
    ----------
    task : bytes
        The pickled task, without its state.
    state : RemoteState or None
    keeps_state : bool
        Whether the task may have a state.
    n_allowed_deaths : int
        How often its worker may end before it is given up.
    alone : bool
        Whether the cluster has no other task of this search.
    handle : object
        What the engine knows it by.
    n_deaths : int
        How often its worker has ended.
    n_losses : int
        How often what it needed was lost on the cluster.
    """

    task: bytes
    state: RemoteState | None
    keeps_state: bool
    n_allowed_deaths: int
    alone: bool
    handle: Any = None
    n_deaths: int = 0
    n_losses: int = 0

    @property
    def is_given_up(self) -> bool:
        """Whether it is not sent again, since its worker has ended too often."""
        return self.n_deaths > self.n_allowed_deaths


CollectedResult = tuple[Submission, Outcome | Skipped | Died]


class Cluster(Protocol):
    """A cluster, as one search uses it.

    Attributes
    ----------
    name : str
        As users know it.
    patience : float
        Seconds for which the user lets it be without workers, if that is longer than `PATIENCE`.
    """

    @property
    def name(self) -> str: ...

    @property
    def patience(self) -> float: ...

    def start(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the cluster has the evaluator."""

    def count_workers(self) -> int:
        """Return the number of tasks that can run at a time."""

    def look_after_workers(self) -> None:
        """See to it that workers that have joined can evaluate; it is called every second."""

    def submit(self, submission: Submission) -> None:
        """Send a task to the cluster."""

    def collect(self, timeout: float) -> list[CollectedResult]:
        """Return the tasks that are done; wait for the first one, but no longer than `timeout`.

        A task whose worker ended is sent again, until it is given up. An outcome has its state as
        a `RemoteState`. Any other exception of a task is raised.
        """

    def cancel(self, submissions: Iterable[Submission]) -> None:
        """End these tasks as far as the engine can; their results are not collected any more.

        Tasks that were collected already are left out.
        """


class ClusterExecutor:
    """Runs tasks on a cluster.

    Parameters
    ----------
    cluster : Cluster
    n_jobs : int or None
        The largest number of tasks that run at a time, as everywhere in scikit-learn; None
        is as many as the cluster has room for.
    pre_dispatch : int or str
        The number of tasks that are sent to the cluster in advance, as in `joblib.Parallel`.
    """

    in_process = False
    # The other cores of the workers' machines are not ours to use.
    n_cores = 1

    def __init__(self, cluster: Cluster, n_jobs: int | None, pre_dispatch: int | str):
        self.states = RemoteStateStore()
        self._cluster = cluster
        self._n_jobs = None if n_jobs == -1 else n_jobs
        self._pre_dispatch = pre_dispatch
        self._exit_stack = contextlib.ExitStack()
        self._n_workers = 0
        self._counted_at = float("-inf")
        self._had_workers_at = time.monotonic()
        self._count_workers()

    @property
    def n_workers(self) -> int:
        """The number of tasks that run at a time; it changes as the cluster grows and shrinks."""
        if self._n_jobs is None:
            return max(self._n_workers, 1)
        if self._n_jobs > 0:
            return max(min(self._n_workers, self._n_jobs), 1)
        return max(self._n_workers + 1 + self._n_jobs, 1)

    def __enter__(self) -> Self:
        self._exit_stack.enter_context(self._cluster.start())
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.states.drop_all_but([])
        self._exit_stack.close()

    def run(
        self,
        tasks: Sequence[Task],
        on_start: OnStart = ignore_start,
        more: FurtherTasks = no_further_tasks,
    ) -> Generator[FinishedTask, None, None]:
        """Yield the results as they arrive; a task whose worker ended twice is tried alone."""
        taken = list(tasks)
        waiting = collections.deque(range(len(taken)))
        suspects: list[int] = []
        n_suspects = 0
        running: dict[Submission, int] = {}
        self._had_workers_at = time.monotonic()
        try:
            while True:
                while waiting and len(running) < self._n_in_advance():
                    position = waiting.popleft()
                    running[self._submit(taken[position])] = position
                    on_start(position)
                n_idle = self.n_workers - len(running)
                is_alone = any(submission.alone for submission in running)
                is_idle = n_idle > 0 and not (waiting or suspects or is_alone)
                if is_idle and (further := more(n_idle)):
                    waiting.extend(range(len(taken), len(taken) + len(further)))
                    taken.extend(further)
                    continue
                if not running:
                    if not suspects:
                        return
                    position = suspects.pop(0)
                    # Another suspect, which was cancelled, may still be running.
                    n_allowed_deaths = 0 if n_suspects == 1 else 1
                    submission = self._submit(taken[position], n_allowed_deaths, alone=True)
                    running[submission] = position
                # Before results are taken, which would be lost if this raises.
                self._check_workers()
                collected = self._cluster.collect(_INTERVAL)
                positions = [running.pop(submission) for submission, _ in collected]
                for position, (submission, result) in zip(positions, collected, strict=True):
                    if not isinstance(result, Died):
                        yield FinishedTask(position, result)
                    elif submission.alone:
                        yield FinishedTask(position, worker_died(taken[position]))
                    else:
                        suspects.append(position)
                        n_suspects += 1
        finally:
            self._cluster.cancel(running)

    def _submit(self, task: Task, n_allowed_deaths: int = 1, *, alone: bool = False) -> Submission:
        submission = Submission(
            cloudpickle.dumps(task._replace(state=None), protocol=pickle.HIGHEST_PROTOCOL),
            state=task.state,
            keeps_state=task.keeps_state,
            n_allowed_deaths=n_allowed_deaths,
            alone=alone,
        )
        self._cluster.submit(submission)
        return submission

    def _n_in_advance(self) -> float:
        """Return how many tasks the cluster may have: as joblib does, never too few to be busy."""
        n_tasks = n_in_advance(self._pre_dispatch, self.n_workers)
        if n_tasks < 1:
            raise ValueError(
                f"pre_dispatch={self._pre_dispatch!r} hands nothing to the workers; give at least 1."
            )
        # What is in advance would run, where the cluster has room for more than `n_jobs` allows.
        return n_tasks if self.n_workers >= self._n_workers else min(n_tasks, self.n_workers)

    # -- workers

    def _check_workers(self) -> None:
        """Count the workers from time to time; raise when there have been none for too long."""
        now = time.monotonic()
        if now - self._counted_at < _INTERVAL:
            return
        self._count_workers()
        if self._n_workers:
            self._had_workers_at = now
            self._cluster.look_after_workers()
            return
        patience = max(PATIENCE, self._cluster.patience)
        if now - self._had_workers_at > patience:
            raise RuntimeError(
                f"The {self._cluster.name} cluster has had no worker for "
                f"{patience:.0f} seconds, so that the search ends. What was measured "
                "is kept: see cv_results_, and refit_best. Start workers, and fit again; with a "
                "journal, nothing is evaluated twice."
            )

    def _count_workers(self) -> None:
        self._n_workers = self._cluster.count_workers()
        self._counted_at = time.monotonic()
