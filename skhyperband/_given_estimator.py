"""Evaluates the estimator as it is given, before the candidates of a search with a time limit."""

import contextlib
import itertools
import math
from collections.abc import Callable

from skhyperband._executors.base import Executor
from skhyperband._history import SearchHistory
from skhyperband._records import EvaluationKey, FailedStep, Outcome, RungEntry, Task
from skhyperband._schedule import Level, Rung


class GivenEstimator:
    """The estimator as it is given: what a full fit takes, and a candidate where time is short.

    Parameters
    ----------
    history : SearchHistory
    executor : Executor
    max_resources : int
    is_initial : bool
        Whether it is one of the initial candidates.
    clock : callable
        Seconds since the epoch.
    deadline : float
        Time from which on no evaluation is begun, by this clock.
    """

    def __init__(
        self,
        history: SearchHistory,
        executor: Executor,
        *,
        max_resources: int,
        is_initial: bool,
        clock: Callable[[], float],
        deadline: float,
    ):
        self._history = history
        self._executor = executor
        self._max_resources = max_resources
        self._is_initial = is_initial
        self._clock = clock
        self._deadline = deadline
        # By the amount of the resource and the split.
        self._measured: dict[tuple[int, int], Outcome] = {}

    def measure(self, lowest: int) -> dict[int, float]:
        """Return the seconds of evaluations with the maximum resource and with the lowest one.

        They are those on the first split, which rungs with one split use. Amounts for which it
        failed, or for which there was no time, are left out. Where it took longer than
        `max_fit_time`, this limit is what a candidate costs at most.
        """
        seconds: dict[int, float] = {}
        tasks = self._tasks(lowest)
        with contextlib.closing(self._executor.run(tasks)) as finished:
            for position, result in finished:
                if not isinstance(result, Outcome):
                    continue
                task = tasks[position]
                if result.failure is None:
                    self._measured[task.n_resources, task.split] = result
                elif result.failure.step == FailedStep.WORKER:
                    break  # It would kill one worker after the other.
                elif result.failure.step != FailedStep.TIMEOUT:
                    if self._executor.n_workers == 1:
                        break  # What has not begun would tell nothing.
                    continue
                if task.split == self._full_fit[1]:
                    seconds[task.n_resources] = result.seconds
        return seconds

    @property
    def _full_fit(self) -> tuple[int, int]:
        """The maximum resource and the first split."""
        return self._max_resources, self._history.split_order[0]

    def _tasks(self, lowest: int) -> list[Task]:
        """Return tasks on the first split, and on others as many as there are further processes.

        A process that has just been started loads libraries for a second or more: all of them do
        so at the same time if each has a task. With all resources the estimator is evaluated even
        if the start of workers takes all of the time, so that there is a result.
        """
        first, *others = self._history.split_order
        amounts = list(dict.fromkeys((self._max_resources, lowest)))
        places = [(n_resources, first) for n_resources in amounts]
        n_tasks = len(places)
        if not self._executor.in_process:
            places += [(n_resources, split) for n_resources in amounts for split in others]
            n_tasks = max(n_tasks, self._executor.n_workers)
        must_be_made = self._full_fit if self._clock() < self._deadline else None
        return [
            Task(
                candidate={},
                n_resources=n_resources,
                split=split,
                start_before=(
                    math.inf if (n_resources, split) == must_be_made else self._deadline
                ),
            )
            for n_resources, split in places[:n_tasks]
        ]

    def enter(self, *, time_is_short: bool) -> list[int]:
        """Make it a candidate where time is short; return its number in a list, empty if it is none.

        If the time suffices for the whole plan it is none: the search then has the same results
        as one without a time limit. If it is a candidate anyway, what was measured of it counts.
        """
        number = self._history.number_of({})
        if number is not None:
            self._record(number)
            return []
        if not time_is_short or self._is_initial or self._full_fit not in self._measured:
            return []
        return [self._add()]

    def enter_alone(self) -> None:
        """Make it the only candidate if there are no others, for which there was no time."""
        full_fits = itertools.takewhile(
            lambda split: (self._max_resources, split) in self._measured,
            self._history.split_order,
        )
        n_splits = len(list(full_fits))
        if self._history.entries or not n_splits:
            return
        rung = Rung(
            repeat=0,
            bracket=0,
            iter=0,
            n_candidates=1,
            n_resources=self._max_resources,
            n_splits=n_splits,
            n_halvings=0,
        )
        entry = RungEntry(rung, self._add())
        level = Level(0, self._max_resources, n_splits, rungs=(rung,))
        self._history.close_level(level, [entry])

    def _add(self) -> int:
        (number,) = self._history.add_candidates([{}])
        self._record(self._history.canonical_id(number))
        return number

    def _record(self, candidate: int) -> None:
        for (n_resources, split), outcome in self._measured.items():
            key = EvaluationKey(candidate, n_resources, split)
            if key not in self._history.outcomes:
                is_first = split == self._full_fit[1]
                self._history.record_from_before(key, outcome, in_times=is_first)
