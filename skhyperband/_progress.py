"""Prints the progress of a search: what `verbose` asks for."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skhyperband._messages import repr_of
from skhyperband._observers import Observer
from skhyperband._plan import Plan
from skhyperband._records import LevelResult, Outcome, RungEntry, Task
from skhyperband._schedule import Level, RungEvaluations, count_evaluations
from skhyperband._space import plain

# A level that takes longer prints a line now and then.
_SECONDS_OF_SILENCE = 60.0
# Of a value, in a line of an evaluation.
_LONGEST_VALUE = 40


class RemainingTime:
    """Estimates how long a search still takes, from what its evaluations took so far.

    An amount of the resource that nothing was evaluated with yet is thought to take as much longer
    than the largest measured one as there is more of it.

    Parameters
    ----------
    plan : Plan
    n_workers : int
    """

    def __init__(self, plan: Plan, n_workers: int):
        self._plan = plan
        self._n_workers = n_workers
        self._levels: Sequence[Level] = plan.levels
        self._counts: Mapping[Any, RungEvaluations] = {
            count.rung.key: count
            for bracket in plan.brackets
            for count in count_evaluations(bracket)
        }
        self._total: dict[int, float] = {}
        self._n: dict[int, int] = {}
        # When the first evaluation began: the start of workers comes only once.
        self._start = math.inf

    def note(self, n_resources: int, seconds: float, now: float) -> None:
        """Note what an evaluation took that has just ended."""
        self._start = min(self._start, now - seconds)
        self._total[n_resources] = self._total.get(n_resources, 0.0) + seconds
        self._n[n_resources] = self._n.get(n_resources, 0) + 1

    def after(self, level: Level, *, n_left: int, now: float) -> float | None:
        """Return the seconds from now on; None if nothing is known.

        Parameters
        ----------
        level : Level
            The level that is running, or the last one that was.
        n_left : int
            How many of its evaluations are still to come.
        now : float
        """
        if level not in self._levels or not sum(self._total.values()):
            return None
        counts = [(level.n_resources, n_left)]
        for later in self._levels[self._levels.index(level) + 1 :]:
            of_rungs = [self._counts[rung.key] for rung in later.rungs]
            n = sum(count.n_first + count.n_further for count in of_rungs)
            counts.append((later.n_resources, n))
        # Beside the evaluations there is the time between them, and workers that wait.
        ideal = sum(self._total.values()) / self._n_workers
        slowdown = max(1.0, (now - self._start) / ideal)
        return slowdown * sum(self._duration(n_resources, n) for n_resources, n in counts)

    def _duration(self, n_resources: int, n: int) -> float:
        each = self._seconds(n_resources)
        return max(n * each / self._n_workers, each if n else 0.0)

    def _seconds(self, n_resources: int) -> float:
        measured = min(
            self._total, key=lambda amount: (amount > n_resources, abs(amount - n_resources))
        )
        seconds = self._total[measured] / self._n[measured]
        return seconds * max(1.0, n_resources / measured)


class ProgressPrinter(Observer):
    """Prints a line for each level, and, if it is asked for more, one for each evaluation.

    It prints, as scikit-learn's own searches do, so that the lines are seen without any
    configuration, in a terminal and in a notebook.

    Parameters
    ----------
    plan : Plan
    n_workers : int
    prints_evaluations : bool
    has_journal : bool
    repeats_forever : bool
        Whether the search goes on until the deadline.
    clock : callable
        Returns seconds.
    deadline : float
        The time at which the search will end, by the clock; infinite if there is none.
    """

    def __init__(
        self,
        plan: Plan,
        n_workers: int,
        *,
        prints_evaluations: bool = False,
        has_journal: bool = False,
        repeats_forever: bool = False,
        clock: Callable[[], float] = time.time,
        deadline: float = math.inf,
    ):
        self._plan = plan
        self._prints_evaluations = prints_evaluations
        self._has_journal = has_journal
        self._repeats_forever = repeats_forever
        self._clock = clock
        self._deadline = deadline
        self._start = self._last_line = clock()
        self._remaining = RemainingTime(plan, n_workers)
        self._n_levels: int | None = None
        self._score_width = 10
        self._n_ended = 0
        self._level: Level | None = None
        self._n_evaluations = self._n_evaluated = 0

    # -- what it is told

    def search_begin(self, n_levels: int | None) -> None:
        """Print the headings."""
        self._n_levels = n_levels
        self._start = self._last_line = self._clock()
        self._print(*self._row([heading for heading, _ in self._columns]))

    def level_begin(self, level: Level, entries: Sequence[RungEntry], n_evaluations: int) -> None:
        """Count the evaluations of the level."""
        self._level = level
        self._n_evaluations, self._n_evaluated = n_evaluations, 0

    def evaluation_begin(self, entry: RungEntry, task: Task) -> None:
        """Print how far the level has come, if that was last said long ago."""
        self._break_silence()

    def evaluation_end(self, entry: RungEntry, task: Task, outcome: Outcome) -> None:
        """Print the line of an evaluation, if it is asked for."""
        self._n_evaluated += 1
        if not outcome.replayed:
            seconds = outcome.seconds
            self._remaining.note(task.n_resources, seconds, self._clock())
        if self._prints_evaluations:
            self._print(self._line_of(entry, task, outcome))
        self._break_silence()

    def level_end(self, level: Level, result: LevelResult, seconds: float) -> None:
        """Print the line of a level that has results."""
        self._n_ended += 1
        if not result.candidates:
            return
        of_how_many = "" if self._n_levels is None else f"/{self._n_levels}"
        cells = [
            f"{self._n_ended}{of_how_many}",
            str(len(result.candidates)),
            str(level.n_resources),
            str(result.n_splits),
            _score_text(result.best_score),
            str(result.n_failures),
            *([str(result.n_replayed)] if self._has_journal else []),
            duration_text(seconds),
            duration_text(self._elapsed),
            self._remaining_text(level, n_left=0),
        ]
        self._print(*self._row(cells), *([] if result.complete else ["not all evaluated"]))

    # -- lines

    @property
    def _elapsed(self) -> float:
        return self._clock() - self._start

    @property
    def _level_width(self) -> int:
        return max(7, 2 * len(str(self._n_levels)) + 1)

    @property
    def _columns(self) -> list[tuple[str, int]]:
        """The headings, with the widths of their columns."""
        resource = self._plan.resource
        return [
            ("level", self._level_width),
            ("candidates", 10),
            (resource, max(len(resource), len(str(self._plan.max_resources)))),
            ("splits", 6),
            ("best score", 10),
            ("failed", 6),
            *([("from journal", 12)] if self._has_journal else []),
            ("time", 8),
            ("elapsed", 8),
            ("remaining", 9),
        ]

    def _row(self, cells: Sequence[str]) -> list[str]:
        return [cell.rjust(width) for cell, (_, width) in zip(cells, self._columns, strict=True)]

    def _print(self, *cells: str) -> None:
        print("  ".join(cells), flush=True)
        self._last_line = self._clock()

    def _remaining_text(self, level: Level, n_left: int) -> str:
        """Return about how long the search still takes; with a time limit not more than that."""
        seconds = None
        if not self._repeats_forever:
            seconds = self._remaining.after(level, n_left=n_left, now=self._clock())
        until_deadline = max(0.0, self._deadline - self._clock())
        if seconds is None or seconds > until_deadline:
            return "?" if until_deadline == math.inf else duration_text(until_deadline)
        return duration_text(seconds)

    def _break_silence(self) -> None:
        if self._level is None or self._clock() - self._last_line < _SECONDS_OF_SILENCE:
            return
        remaining = self._remaining_text(self._level, self._n_evaluations - self._n_evaluated)
        self._print(
            str(self._n_ended + 1).rjust(self._level_width),
            f"{self._n_evaluated} of {self._n_evaluations} evaluations, "
            f"{duration_text(self._elapsed)} elapsed, {remaining} remaining",
        )

    def _line_of(self, entry: RungEntry, task: Task, outcome: Outcome) -> str:
        width = len(str(self._plan.max_resources))
        split = str(task.split).rjust(len(str(self._plan.n_splits - 1)))
        place = f"{self._plan.resource} {task.n_resources:>{width}}  split {split}"
        came_to = "failed" if outcome.failure is not None else _scores_text(outcome.test_scores)
        self._score_width = max(self._score_width, len(came_to))
        took = "from journal" if outcome.replayed else duration_text(outcome.seconds)
        params = ", ".join(
            f"{name}={_value_text(value)}" for name, value in task.candidate.items()
        )
        number = f"candidate {entry.candidate:>4}"
        return f"    {number}  {place}  {came_to:>{self._score_width}}  {took:>8}  {params or 'as given'}"


def duration_text(seconds: float) -> str:
    """Return a duration in seconds, or from a minute on as hours, minutes and seconds."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, whole_seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole_seconds:02}"


def _score_text(score: float | None) -> str:
    if score is None:
        return "nan"
    is_small_or_large = 0 < abs(score) < 1e-3 or abs(score) >= 1e4
    return f"{score:.4g}" if is_small_or_large else f"{score:.4f}"


def _scores_text(scores: Any) -> str:
    """Return one score, or several with their names."""
    if not isinstance(scores, Mapping):
        return _score_text(scores)
    return " ".join(f"{name}={_score_text(score)}" for name, score in scores.items())


def _value_text(value: Any) -> str:
    value = plain(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    text = " ".join(repr_of(value).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."
