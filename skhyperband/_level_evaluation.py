"""Evaluates a level: tasks go out to the executor, outcomes come back into the history."""

import itertools
import math
import statistics
from collections import deque
from collections.abc import Collection, Mapping, Sequence

from skhyperband._brackets import RunningBrackets
from skhyperband._executors.base import Executor
from skhyperband._history import SearchHistory
from skhyperband._observers import Observer
from skhyperband._records import (
    EvaluationKey,
    Outcome,
    RungEntry,
    Skipped,
    StateKey,
    Task,
)
from skhyperband._schedule import Level
from skhyperband._standings import Standings
from skhyperband._task_run import TaskRun


def threads_for_each(n_tasks: int, *, n_workers: int, n_cores: int) -> int:
    """Return how many threads each of some tasks may use.

    It is more than one only if there are fewer tasks than workers. All tasks together then use
    `n_cores` at most.
    """
    if not 0 < n_tasks < n_workers:
        return 1
    return max(1, n_cores // n_tasks)


class LevelEvaluation:
    """Evaluates the entries of a level, as far as they are not known yet.

    The states of candidates that can still be promoted are kept for their next rung; all
    others are dropped as soon as it is known that they lost.

    An executor that asks for further tasks, since its workers have nothing left to do at a level,
    is given early ones: evaluations of the next level, of candidates that are certain to be
    promoted. Their outcomes are recorded when that level begins, as if they had arrived then.

    Parameters
    ----------
    history : SearchHistory
    brackets : RunningBrackets
    executor : Executor
    observer : Observer
    deadline : float, default=inf
        Seconds since the epoch from which on no evaluation is begun; a level may end earlier.
    """

    def __init__(
        self,
        history: SearchHistory,
        brackets: RunningBrackets,
        executor: Executor,
        observer: Observer,
        deadline: float = math.inf,
    ):
        self._history = history
        self._brackets = brackets
        self._executor = executor
        self._states = executor.states
        self._observer = observer
        self._deadline = deadline
        self._run = TaskRun(executor, self._tell_start, self._begin_early)
        self._pending: Mapping[EvaluationKey, RungEntry] = {}
        self._standings = Standings(history)
        # Of the next level: evaluations that are certain to be made, those of them that have begun,
        # and the outcomes of those that have ended.
        self._certain: deque[tuple[EvaluationKey, RungEntry]] = deque()
        self._early_tasks: dict[EvaluationKey, Task] = {}
        self._early_outcomes: dict[EvaluationKey, Outcome] = {}

    def evaluate(
        self,
        level: Level,
        entries: Sequence[RungEntry],
        pending: Mapping[EvaluationKey, RungEntry],
    ) -> None:
        """Evaluate a level; stop where an observer asks for it, with what is done by then."""
        self._pending = pending
        self._standings = Standings(self._history, self._brackets.pools(entries))
        self._certain.clear()
        new = {key: entry for key, entry in pending.items() if key not in self._early_tasks}
        tasks = self._tasks(new, level, entries)
        running = self._take_over_early_tasks()
        n_first = self._executor.n_workers
        if n_first > 1 and not self._history.outcomes:
            # Scoring that is wrong raises before the workers have more than one task each.
            self._run_tasks(dict(itertools.islice(tasks.items(), n_first)))
            tasks = dict(itertools.islice(tasks.items(), n_first, None))
        self._run_tasks(tasks, running)

    def _run_tasks(
        self, tasks: Mapping[EvaluationKey, Task], running: Collection[EvaluationKey] = ()
    ) -> None:
        """Run tasks of the level, and record each outcome, also of those that run already."""
        awaited = {*tasks, *running}
        self._run.add(self._using_idle_cores(tasks, len(awaited)))
        while awaited and not self._observer.stop_requested:
            finished = self._run.take()
            if finished is None:
                return
            key, task, result = finished
            if isinstance(result, Skipped):
                continue
            outcome = self._keep_state(key, result)
            if key in awaited:
                awaited.remove(key)
                self._record(key, task, outcome)
            else:
                self._early_outcomes[key] = outcome
        if self._observer.stop_requested:
            self._run.close()
        else:
            self._run.end_level()

    def close(self) -> None:
        """End what is still running."""
        self._run.close()

    def _using_idle_cores(
        self, tasks: Mapping[EvaluationKey, Task], n_running: int
    ) -> Mapping[EvaluationKey, Task]:
        """Return the tasks, with several threads for each where fewer run than there are workers."""
        n_threads = threads_for_each(
            n_running, n_workers=self._executor.n_workers, n_cores=self._executor.n_cores
        )
        if n_threads == 1:
            return tasks
        return {key: task._replace(n_threads=n_threads) for key, task in tasks.items()}

    def drop_states_of_losers(self) -> None:
        """Drop the states of all candidates that were not promoted."""
        self._states.drop_all_but(
            StateKey(self._history.canonical_id(candidate), split)
            for candidate in self._brackets.promoted
            for split in self._history.split_order
        )

    # -- tasks

    def pending(
        self, level: Level, entries: Sequence[RungEntry]
    ) -> dict[EvaluationKey, RungEntry]:
        """Return what is to be evaluated in this order: split by split, the slowest first."""
        slowest_first = [
            (entry, self._history.keys_by_split(entry)) for entry in self._slowest_first(entries)
        ]
        pending: dict[EvaluationKey, RungEntry] = {}
        for split in self._history.splits_of(level):
            for entry, keys in slowest_first:
                if keys[split] not in self._history.outcomes:
                    pending.setdefault(keys[split], entry)
        return pending

    def _tasks(
        self,
        pending: Mapping[EvaluationKey, RungEntry],
        level: Level,
        entries: Sequence[RungEntry],
    ) -> dict[EvaluationKey, Task]:
        keeps_state = any(self._brackets.trains_further(entry.rung) for entry in entries)
        start_before = min(self._deadline, self._brackets.latest_start(level))
        return {
            key: self._task(key, entry, keeps_state, start_before)
            for key, entry in pending.items()
        }

    def _task(
        self, key: EvaluationKey, entry: RungEntry, keeps_state: bool, start_before: float
    ) -> Task:
        return Task(
            candidate=self._history.candidates[entry.candidate],
            n_resources=key.n_resources,
            split=key.split,
            state=self._states.lend(key.state_key) if self._states else None,
            keeps_state=keeps_state,
            start_before=start_before,
        )

    def _slowest_first(self, entries: Sequence[RungEntry]) -> list[RungEntry]:
        """Sort by the time on the level below; entrants stand in the middle."""
        seconds = [self._history.seconds_of(entry.candidate) for entry in entries]
        known = [s for s in seconds if s is not None]
        middle = statistics.median(known) if known else 0.0
        expected = [middle if s is None else s for s in seconds]
        order = sorted(range(len(entries)), key=lambda i: -expected[i])
        return [entries[i] for i in order]

    def _tell_start(self, key: EvaluationKey, task: Task) -> None:
        """Tell that a task of this level begins; of an early one it is told later."""
        if key in self._pending:
            self._observer.evaluation_begin(self._pending[key], task)

    # -- outcomes

    def _keep_state(self, key: EvaluationKey, outcome: Outcome) -> Outcome:
        """Keep the state of an outcome in place of the one it continued; return the rest."""
        if self._states:
            self._states.drop([key.state_key])
        if outcome.state is None:
            return outcome
        self._states.keep(key.state_key, outcome.state)
        return outcome._replace(state=None)

    def _record(self, key: EvaluationKey, task: Task, outcome: Outcome) -> None:
        entry = self._pending[key]
        self._history.record(key, entry.rung, outcome)
        self._observer.evaluation_end(entry, task, outcome)
        self._standings.note(entry)
        if self._states:
            self._judge()

    def _judge(self) -> None:
        """Drop the states of candidates that lost, and note what is certain of the next level.

        An equal candidate of another bracket than the one that lost may still be promoted; it is
        fitted fresh then.
        """
        promoted, losers = self._standings.judge()
        for loser in losers:
            canonical_id = self._history.canonical_id(loser)
            self._states.drop(StateKey(canonical_id, split) for split in self._history.split_order)
        for entry in promoted:
            self._certain.extend((key, entry) for key in self._history.keys(entry))

    # -- the next level

    def _begin_early(self, n_tasks: int) -> dict[EvaluationKey, Task]:
        """Return tasks of the next level for workers that have nothing to do."""
        tasks: dict[EvaluationKey, Task] = {}
        if self._deadline < math.inf:
            # The time that is left at the end of the level decides how many are promoted.
            return tasks
        self._judge()
        while self._certain and len(tasks) < n_tasks:
            key, entry = self._certain.popleft()
            if key not in self._history.outcomes:
                keeps_state = self._brackets.trains_further(entry.rung)
                tasks[key] = self._task(key, entry, keeps_state, self._deadline)
        self._early_tasks.update(tasks)
        return tasks

    def _take_over_early_tasks(self) -> list[EvaluationKey]:
        """Record what the last level evaluated for this one; return what is still running."""
        tasks, self._early_tasks = self._early_tasks, {}
        outcomes, self._early_outcomes = self._early_outcomes, {}
        for key, task in tasks.items():
            self._tell_start(key, task)
            if key in outcomes:
                self._record(key, task, outcomes[key])
        return [key for key in tasks if key not in outcomes]
