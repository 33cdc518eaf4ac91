"""Plans the rounds of a search: the whole plan at once, or as much as a time limit allows.

A search that is cut off on its lowest rungs has learned nothing that can be used. With a time
limit, the candidates therefore come in a few rounds. Each is a whole search of its own that ends
with the maximum resource.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from skhyperband._given_estimator import GivenEstimator
from skhyperband._history import SearchHistory
from skhyperband._plan import Plan
from skhyperband._round_sizes import (
    DEFAULT_FIXED_SHARE,
    PART_THAT_IS_LEFT,
    SHARE_TO_LEARN_FROM,
    SHARE_WITHOUT_LEARNING,
    Costs,
    Round,
    is_after,
    narrowed_round,
    next_round,
    round_of,
)
from skhyperband._schedule import Bracket, Level


class Rounds(Protocol):
    """The rounds of a search, one after another.

    Attributes
    ----------
    n_levels : int or None
        Number of levels in all rounds; None if it is not known.
    time_is_over : bool
        Whether candidates or brackets of the plan were left out for lack of time.
    """

    n_levels: int | None
    time_is_over: bool

    def __iter__(self) -> Iterator[Sequence[Bracket]]:
        """Yield the brackets of each round."""

    def goes_on_after_cut(self) -> bool:
        """Note that a level was ended early, and return whether the search goes on after it."""

    def enter_measured(self) -> list[int]:
        """Add candidates that were measured before the rounds; return their numbers."""

    def narrowed(self, brackets: Sequence[Bracket], level: Level) -> Sequence[Bracket]:
        """Return the brackets of a round as they go on after a level."""

    def latest_start(self, brackets: Sequence[Bracket], level: Level) -> float:
        """Return the time from which on no evaluation of a level is begun."""


class UntimedRounds:
    """The whole plan, and further ones if it is repeated forever.

    Parameters
    ----------
    plan : Plan
    repeats_forever : bool
    """

    time_is_over = False

    def __init__(self, plan: Plan, *, repeats_forever: bool = False):
        self.n_levels = None if repeats_forever else len(plan.levels)
        self._plan = plan
        self._repeats_forever = repeats_forever

    def __iter__(self) -> Iterator[Sequence[Bracket]]:
        """Yield the brackets of the plan, with the numbers of further rounds after the first."""
        yield self._plan.brackets
        for repeat in itertools.count(1) if self._repeats_forever else ():
            yield [bracket.in_repeat(repeat) for bracket in self._plan.brackets]

    def goes_on_after_cut(self) -> bool:
        """Return False: no level is ended early, but by what ends the search."""
        return False

    def enter_measured(self) -> list[int]:
        """Return none: nothing is measured before."""
        return []

    def narrowed(self, brackets: Sequence[Bracket], level: Level) -> Sequence[Bracket]:
        """Return the brackets as they are."""
        return brackets

    def latest_start(self, brackets: Sequence[Bracket], level: Level) -> float:
        """Return infinity."""
        return math.inf


class TimedRounds:
    """Rounds that are sized to the time that is left.

    Parameters
    ----------
    plan : Plan
        Its candidates are all that the rounds may have.
    history : SearchHistory
        What the rounds have measured.
    repeats_forever : bool
        Whether the plan begins again when its candidates have entered.
    sampler_learns : bool
        Whether what later rounds draw depends on the scores of earlier ones.
    given_estimator : GivenEstimator
    clock : callable
        Seconds since the epoch.
    deadline : float
        Time at which the search should end, by this clock.
    n_workers : int
    """

    n_levels: int | None = None

    def __init__(
        self,
        plan: Plan,
        history: SearchHistory,
        *,
        repeats_forever: bool,
        sampler_learns: bool,
        given_estimator: GivenEstimator,
        clock: Callable[[], float],
        deadline: float,
        n_workers: int,
    ):
        self.time_is_over = False
        self._plan = plan
        self._history = history
        self._repeats_forever = repeats_forever
        self._first_share = SHARE_TO_LEARN_FROM if sampler_learns else SHARE_WITHOUT_LEARNING
        self._given_estimator = given_estimator
        self._clock = clock
        self._deadline = deadline
        self._n_workers = n_workers
        self._full_fit: float | None = None
        self._fixed_share = DEFAULT_FIXED_SHARE
        self._start = math.inf
        self._plan_fits = False

    def __iter__(self) -> Iterator[Sequence[Bracket]]:
        """Yield the brackets of each round; measure the estimator as it is given before."""
        self._measure_estimator()
        self._start = self._clock()
        repeat = 0
        for planned in self._planned():
            left = tuple(bracket.n_candidates for bracket in planned)
            while any(left):
                one = self._next_round(planned, left, is_first=repeat == 0)
                if one is None:
                    self.time_is_over = True
                    return
                self._plan_fits = self._plan_fits or one.brackets == tuple(planned)
                yield [bracket.in_repeat(repeat) for bracket in one.brackets]
                repeat += 1
                left = tuple(n - taken for n, taken in zip(left, one.taken, strict=True))

    def _measure_estimator(self) -> None:
        """Measure a full fit, and what a fit on the lowest rung costs beside it."""
        largest = self._plan.max_resources
        lowest = min(rung.n_resources for rung in self._plan.rungs)
        seconds = self._given_estimator.measure(lowest)
        self._full_fit = seconds.get(largest)
        if self._full_fit and lowest < largest and lowest in seconds:
            of_resource, of_time = lowest / largest, seconds[lowest] / self._full_fit
            fixed_share = (of_time - of_resource) / (1 - of_resource)
            self._fixed_share = min(1.0, max(0.0, fixed_share))

    def enter_measured(self) -> list[int]:
        """Let the estimator as it is given enter the first round, unless the whole plan fits.

        With little time there are few candidates. Its evaluations are known already, and may be
        better than theirs.
        """
        return self._given_estimator.enter(time_is_short=not self._plan_fits)

    def _planned(self) -> Iterator[list[Bracket]]:
        """Yield the brackets of the plan repeat by repeat."""
        for _, brackets in itertools.groupby(self._plan.brackets, key=lambda b: b.repeat):
            planned = list(brackets)
            yield planned
        while self._repeats_forever:
            yield planned

    def _next_round(
        self, planned: Sequence[Bracket], left: Sequence[int], *, is_first: bool
    ) -> Round | None:
        seconds = self._deadline - self._clock()
        if seconds <= 0:
            # No evaluation is begun any more, but a journal may know all that is left.
            return round_of(planned, left, self._plan.factor)
        return next_round(
            planned,
            left,
            self._plan.factor,
            costs=self._costs(),
            seconds=seconds,
            first_share=self._first_share if is_first else 1.0,
            n_splits_done=self._n_splits_done(),
        )

    def _n_splits_done(self) -> int:
        """Return the largest number of splits of the entries with the maximum resource."""
        return self._history.n_splits_done(self._plan.max_resources)

    def goes_on_after_cut(self) -> bool:
        """Note that candidates were left out, and return whether the deadline is still to come."""
        self.time_is_over = True
        return self._clock() < self._deadline

    def narrowed(self, brackets: Sequence[Bracket], level: Level) -> Sequence[Bracket]:
        """Return the brackets of a round with no more candidates than the time left allows."""
        costs, seconds = self._costs(), self._deadline - self._clock()
        if costs is None or seconds <= 0:
            return brackets
        narrowed = narrowed_round(brackets, level, costs, seconds)
        if narrowed != list(brackets):
            self.time_is_over = True
        return narrowed

    def latest_start(self, brackets: Sequence[Bracket], level: Level) -> float:
        """Return the deadline, or before it the time that the levels above need.

        The first level of all leaves them most of their share of the time, also if its evaluations
        take longer than expected: theirs will do so, too. Later ones leave the time for a first
        evaluation with all resources.
        """
        if not self._history.times_in_levels:
            # A journal had all so far: what that took tells nothing of what is to come.
            self._start = self._clock()
        has_higher = any(is_after(rung, level) for b in brackets for rung in b.rungs)
        if not has_higher or self._full_fit is None or self._n_splits_done():
            return self._deadline
        latest = self._deadline - self._full_fit
        costs = self._costs()
        of_all = 0.0 if costs is None else costs.of_round(brackets)
        if self._history.entries or costs is None or not of_all:
            return latest
        share_of_others = costs.of_round(brackets, after=level) / of_all
        share = 1 - PART_THAT_IS_LEFT * share_of_others
        return min(latest, self._start + share * (self._deadline - self._start))

    def _costs(self) -> Costs | None:
        """Return what evaluations have cost so far; None where nothing is known."""
        measured = {amount: times.mean for amount, times in self._history.times.items()}
        largest = self._plan.max_resources
        if largest in measured:
            full_fit = measured[largest]
        elif self._full_fit is not None:
            full_fit = self._full_fit
        elif measured:
            highest = max(measured)
            full_fit = measured[highest] * largest / highest
        else:
            return None
        return Costs(
            max_resources=largest,
            full_fit=full_fit,
            measured=measured,
            n_workers=self._n_workers,
            slowdown=self._slowdown(),
            fixed_share=self._fixed_share,
        )

    def _slowdown(self) -> float:
        """Return how much longer the levels took than their evaluations alone, at least 1."""
        of_amounts = self._history.times_in_levels.values()
        ideal = sum(max(times.total / self._n_workers, times.longest) for times in of_amounts)
        return max(1.0, (self._clock() - self._start) / ideal) if ideal > 0 else 1.0
