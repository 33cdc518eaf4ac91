"""Evaluates a level: tasks go out to the executor, outcomes come back into the history."""

import bisect
import contextlib
import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    TaskLimits,
)
from skhyperband._schedule import Level, rank_key


@dataclass
class TopK:
    """The best of a pool, as its scores become known one by one.

    Attributes
    ----------
    k : int
        How many places there are.
    """

    k: int
    _best: list[tuple[bool, float, int]] = field(default_factory=list)

    def add(self, score: float, candidate: int) -> int | None:
        """Add a candidate; return the one that cannot win a place any more, if there is one."""
        bisect.insort(self._best, rank_key(score, candidate))
        return self._best.pop()[2] if len(self._best) > self.k else None


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

    Parameters
    ----------
    history : SearchHistory
    brackets : RunningBrackets
    executor : Executor
    limits : TaskLimits
        What every task keeps to; a level may end earlier.
    observer : Observer
    """

    def __init__(
        self,
        history: SearchHistory,
        brackets: RunningBrackets,
        executor: Executor,
        limits: TaskLimits,
        observer: Observer,
    ):
        self._history = history
        self._brackets = brackets
        self._executor = executor
        self._states = executor.states
        self._limits = limits
        self._observer = observer

    def evaluate(
        self,
        level: Level,
        entries: Sequence[RungEntry],
        pending: Mapping[EvaluationKey, RungEntry],
    ) -> None:
        """Evaluate a level; stop where an observer asks for it, with what is done by then."""
        tasks = self._tasks(pending, level, entries)
        top = self._top_of_each_pool(entries)
        n_first = self._executor.n_workers
        if n_first > 1 and not self._history.outcomes:
            # Scoring that is wrong raises before the workers have more than one task each.
            self._run(tasks[:n_first], dict(itertools.islice(pending.items(), n_first)), top)
            tasks, pending = (
                tasks[n_first:],
                dict(itertools.islice(pending.items(), n_first, None)),
            )
        if not self._observer.stop_requested:
            self._run(tasks, pending, top)

    def _run(
        self,
        tasks: Sequence[Task],
        pending: Mapping[EvaluationKey, RungEntry],
        top: Mapping[int, TopK],
    ) -> None:
        """Run the tasks of some evaluations, and record each outcome as it arrives."""
        keys, entries = list(pending), list(pending.values())
        tasks = self._using_idle_cores(tasks)
        running = self._executor.run(
            tasks,
            lambda position: self._observer.evaluation_begin(entries[position], tasks[position]),
        )
        with contextlib.closing(running) as results:
            for position, outcome in results:
                if isinstance(outcome, Skipped):
                    continue
                self._record(keys[position], entries[position], tasks[position], outcome)
                self._drop_loser(entries[position], top)
                if self._observer.stop_requested:
                    return

    def _using_idle_cores(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Return the tasks, with several threads for each where they are fewer than the workers."""
        n_threads = threads_for_each(
            len(tasks), n_workers=self._executor.n_workers, n_cores=self._executor.n_cores
        )
        if n_threads == 1:
            return tasks
        return [task._replace(n_threads=n_threads) for task in tasks]

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
    ) -> list[Task]:
        keeps_state = any(pool.n_places for pool in self._brackets.pools(entries))
        start_before = min(self._limits.start_before, self._brackets.latest_start(level))
        limits = self._limits._replace(start_before=start_before)
        has_states = bool(self._states)
        return [
            Task(
                candidate=self._history.candidates[entry.candidate],
                n_resources=key.n_resources,
                split=key.split,
                state=self._states.lend(key.state_key) if has_states else None,
                keeps_state=keeps_state,
                limits=limits,
            )
            for key, entry in pending.items()
        ]

    def _slowest_first(self, entries: Sequence[RungEntry]) -> list[RungEntry]:
        """Sort by the time on the level below; entrants stand in the middle."""
        seconds = [self._history.seconds_of(entry.candidate) for entry in entries]
        known = [s for s in seconds if s is not None]
        middle = statistics.median(known) if known else 0.0
        expected = [middle if s is None else s for s in seconds]
        order = sorted(range(len(entries)), key=lambda i: -expected[i])
        return [entries[i] for i in order]

    # -- outcomes

    def _record(self, key: EvaluationKey, entry: RungEntry, task: Task, outcome: Outcome) -> None:
        if self._states:
            self._states.drop([key.state_key])
        if outcome.state is not None:
            self._states.keep(key.state_key, outcome.state)
            outcome = outcome._replace(state=None)
        self._history.record(key, entry.rung, outcome)
        self._observer.evaluation_end(entry, task, outcome)

    def _top_of_each_pool(self, entries: Sequence[RungEntry]) -> dict[int, TopK]:
        """Return the best of the pool that each candidate is in."""
        return {
            entry.candidate: top
            for pool in self._brackets.pools(entries)
            for top in [TopK(pool.n_places)]
            for entry in pool.entries
        }

    def _drop_loser(self, entry: RungEntry, top: Mapping[int, TopK]) -> None:
        """Drop the states of a candidate that lost, if this entry's score is now complete.

        An equal candidate of another bracket may still be promoted; it is fitted fresh then.
        """
        if not self._states:
            return
        score = self._history.mean_score(entry)
        if score is None:
            return
        loser = top[entry.candidate].add(score, entry.candidate)
        if loser is not None:
            canonical_id = self._history.canonical_id(loser)
            self._states.drop(StateKey(canonical_id, split) for split in self._history.split_order)
