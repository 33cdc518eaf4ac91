"""Sizes the rounds of a search to the time that is left, by what evaluations have cost so far."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from skhyperband._schedule import Bracket, Level, LevelSize, Rung, count_evaluations, survivors

# Part of a full fit's time that the smallest possible fit is expected to take where only one
# amount of the resource has been measured. On tables of real evaluations, a fit with R/81 took
# 2 % to 35 % of a full one.
DEFAULT_FIXED_SHARE = 0.1
# Part of the time that the first of several rounds is sized to. It shows a sampler that learns what
# to draw for the others. Without learning, one round chooses better than several.
SHARE_TO_LEARN_FROM = 1 / 3
SHARE_WITHOUT_LEARNING = 0.9
# Part of the time of the other levels that the first one leaves them in any case. It is not all of it:
# a plan that just fits into the time should not lose candidates by chance.
PART_THAT_IS_LEFT = 0.75
# Full fits on one split that make it worth while to evaluate the best of them on all splits.
FEWEST_TO_COMPARE = 3


# --- costs -------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """Expected time of evaluations.

    Attributes
    ----------
    max_resources : int
    full_fit : float
        Seconds of an evaluation with the maximum resource that was not part of a round.
    measured : mapping of int to float
        Mean seconds of the evaluations in earlier rounds and levels, by their resource.
    n_workers : int
        Number of evaluations that run at the same time.
    slowdown : float
        Time that the search took so far, divided by the time that its evaluations alone
        would have taken.
    fixed_share : float
        Part of a full fit's time that does not depend on the resource.
    """

    max_resources: int
    full_fit: float
    measured: Mapping[int, float]
    n_workers: int = 1
    slowdown: float = 1.0
    fixed_share: float = DEFAULT_FIXED_SHARE

    def of_evaluation(self, n_resources: int) -> float:
        """Return the seconds of an evaluation."""
        if n_resources in self.measured:
            return self.measured[n_resources]
        expected = self._proportional(n_resources)
        below = [r for r in self.measured if r < n_resources]
        if not below:
            return expected
        # Candidates that took longer than expected on lower rungs will do so here.
        nearest = max(below)
        extra = self.measured[nearest] - self._proportional(nearest)
        return max(expected + extra, self.measured[nearest])

    def _proportional(self, n_resources: int) -> float:
        share = n_resources / self.max_resources
        return self.full_fit * (self.fixed_share + (1 - self.fixed_share) * share)

    def of_round(self, brackets: Iterable[Bracket], *, after: Level | None = None) -> float:
        """Return the seconds of a round, or of the part of it that follows a level."""
        n_evaluations: dict[LevelSize, int] = defaultdict(int)
        for bracket in brackets:
            for count in count_evaluations(bracket):
                if after is None or is_after(count.rung, after):
                    n_evaluations[count.rung.size] += count.n_first + count.n_further
        seconds = sum(
            max(n / self.n_workers, 1) * self.of_evaluation(size.n_resources)
            for size, n in n_evaluations.items()
            if n
        )
        return seconds * self.slowdown


def is_after(rung: Rung, level: Level) -> bool:
    """Return whether a rung is evaluated after a level of the same round."""
    if rung.size != level.size:
        return rung.size > level.size
    # Aggressive elimination has several rungs of the same size.
    return any(rung.bracket == r.bracket and rung.iter > r.iter for r in level.rungs)


# --- sizes of rounds ---------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """A round that is going to be run.

    Attributes
    ----------
    brackets : tuple of Bracket
    taken : tuple of int
        Number of candidates that it takes from each bracket of the plan.
    """

    brackets: tuple[Bracket, ...]
    taken: tuple[int, ...]


def smaller_bracket(bracket: Bracket, n_candidates: int, factor: Fraction) -> Bracket:
    """Return a bracket with fewer candidates, which starts on a higher rung if they are few.

    It starts one rung higher for each time that `factor` divides the number of candidates that
    the last rung can do without: rungs would otherwise discard nothing.
    """
    surplus = Fraction(bracket.n_candidates, n_candidates * bracket.rungs[-1].n_candidates)
    possible = range(bracket.rungs[-1].n_halvings + 1)
    n_dropped = max((n for n in possible if factor**n <= surplus), default=0)
    kept = [rung for rung in bracket.rungs if rung.n_halvings >= n_dropped]
    kept = kept or [bracket.rungs[-1]]
    n_before = kept[0].n_halvings
    s = min(bracket.s, kept[-1].n_halvings - n_before)
    rungs = tuple(
        replace(
            rung,
            bracket=s,
            iter=i,
            n_candidates=survivors(n_candidates, factor, rung.n_halvings - n_before),
            n_halvings=rung.n_halvings - n_before,
        )
        for i, rung in enumerate(kept)
    )
    return Bracket(repeat=bracket.repeat, s=s, rungs=rungs)


def round_of(planned: Sequence[Bracket], sizes: Sequence[int], factor: Fraction) -> Round:
    """Return the round in which so many candidates enter the brackets.

    A bracket that would start as high as one with more candidates is left out, and one that
    would start higher than all brackets of the plan.
    """
    if list(sizes) == [bracket.n_candidates for bracket in planned]:
        return Round(tuple(planned), tuple(sizes))
    fewest_halvings = min(bracket.s for bracket in planned)
    brackets: list[Bracket] = []
    taken = [0] * len(planned)
    for i, (bracket, size) in enumerate(zip(planned, sizes, strict=True)):
        if not size:
            continue
        smaller = smaller_bracket(bracket, size, factor)
        if brackets and not fewest_halvings <= smaller.s < brackets[-1].s:
            continue
        brackets.append(smaller)
        taken[i] = size
    return Round(tuple(brackets), tuple(taken))


def next_round(
    planned: Sequence[Bracket],
    left: Sequence[int],
    factor: Fraction,
    *,
    costs: Costs | None,
    seconds: float,
    first_share: float = 1.0,
    n_splits_done: int,
) -> Round | None:
    """Return the next round; None where the time allows none that could change the result.

    Parameters
    ----------
    planned : sequence of Bracket
        Brackets of the plan, of one repeat.
    left : sequence of int
        Number of candidates of each bracket that have not entered yet, at least one in all.
    factor : Fraction
    costs : Costs or None
        None if nothing has been measured.
    seconds : float
        Time that is left.
    first_share : float
        Part of this time that the round should take at most, if a round of such a size is possible.
    n_splits_done : int
        Largest number of splits on which candidates were evaluated with the maximum
        resource, 0 if none was.
    """
    whole = round_of(planned, left, factor)
    if costs is not None and costs.of_round(whole.brackets) <= seconds:
        return whole
    options = [round_of(planned, sizes, factor) for sizes in _smaller_sizes(left, factor)]
    if costs is None:
        return options[-1]
    for limit in dict.fromkeys((seconds * first_share, seconds)):
        for option in options:
            if costs.of_round(option.brackets) <= limit:
                return option
    return _full_fits(planned, left, costs, seconds, n_splits_done=n_splits_done)


def _smaller_sizes(left: Sequence[int], factor: Fraction) -> Iterator[tuple[int, ...]]:
    """Yield smaller numbers of candidates for all brackets, then for the widest one alone."""
    first = next(i for i, n in enumerate(left) if n)
    fewest = min(left[first], math.ceil(factor))
    widths = sorted(set(_shrinking(left[first], fewest)), reverse=True)
    for width in widths:
        yield tuple(n * width // left[first] for n in left)
    for width in widths:
        yield tuple(width if i == first else 0 for i in range(len(left)))


def _shrinking(largest: int, smallest: int) -> Iterator[int]:
    """Yield numbers from the largest to the smallest, in steps of 1 or about 4 %."""
    n = largest
    while n > smallest:
        yield n
        n = min(n - 1, math.floor(n * 0.96))
    yield smallest


def _full_fits(
    planned: Sequence[Bracket],
    left: Sequence[int],
    costs: Costs,
    seconds: float,
    *,
    n_splits_done: int,
) -> Round | None:
    """Return a round of candidates that have the maximum resource from the beginning.

    All are evaluated on one split, and the best of them on all splits if there is time. If
    there is not, they are evaluated on one split only, unless earlier rounds had all splits,
    which such a result could not replace. If no candidate has had the maximum resource yet,
    one is evaluated with it however little time is left.
    """
    top = planned[0].rungs[-1]
    at_a_time = costs.of_round([_bracket_of_full_fits(top, 1, [1])]) / costs.n_workers
    n_possible = min(sum(left), max(1, math.floor(seconds / at_a_time) if at_a_time > 0 else 1))
    has_all_splits = n_splits_done == top.n_splits
    fewest = 1 if has_all_splits else min(FEWEST_TO_COMPARE, sum(left))
    for n_candidates in range(n_possible, fewest - 1, -1):
        bracket = _bracket_of_full_fits(top, n_candidates, [1, top.n_splits])
        if costs.of_round([bracket]) <= seconds:
            return Round((bracket,), _take(left, n_candidates))
    bracket = _bracket_of_full_fits(top, n_possible, [1])
    if has_all_splits or (n_splits_done and costs.of_round([bracket]) > seconds):
        return None
    return Round((bracket,), _take(left, n_possible))


def _bracket_of_full_fits(top: Rung, n_candidates: int, n_splits: Sequence[int]) -> Bracket:
    """Return a bracket with the maximum resource on all rungs, the last with one candidate."""
    steps = sorted(set(n_splits)) if n_candidates > 1 else [n_splits[-1]]
    rungs = tuple(
        replace(
            top,
            bracket=0,
            iter=i,
            n_candidates=n_candidates if i == 0 else 1,
            n_splits=n,
            n_halvings=i,
        )
        for i, n in enumerate(steps)
    )
    return Bracket(repeat=top.repeat, s=0, rungs=rungs)


def _take(left: Sequence[int], n_candidates: int) -> tuple[int, ...]:
    """Return how many candidates are taken from each bracket, from the widest first."""
    taken = []
    for n in left:
        taken.append(min(n, n_candidates))
        n_candidates -= taken[-1]
    return tuple(taken)


def narrowed_round(
    brackets: Sequence[Bracket], level: Level, costs: Costs, seconds: float
) -> list[Bracket]:
    """Return the brackets of a round, narrowed after a level so that they end in time.

    Brackets keep at least one candidate for as long as possible. After that, those that have
    not begun are left out; what always remains is one candidate with the maximum resource.
    """
    narrowed = list(brackets)
    for narrowed in _ever_narrower(brackets, level):
        if costs.of_round(narrowed, after=level) <= seconds:
            break
    return narrowed


def _ever_narrower(brackets: Sequence[Bracket], level: Level) -> Iterator[list[Bracket]]:
    widest = max((r.n_candidates for b in brackets for r in b.rungs), default=1)
    for n_times in range(math.ceil(math.log(widest, 1.1)) + 1):
        yield [_divided(bracket, level, 1.1**n_times) for bracket in brackets]
    of_ones = [_divided(bracket, level, widest) for bracket in brackets]
    for n_kept in range(len(of_ones) - 1, 0, -1):
        yield of_ones[:n_kept] + [_without(b, level) for b in of_ones[n_kept:]]
    first, others = of_ones[0], [_without(b, level) for b in of_ones[1:]]
    for n_skipped in range(1, len(first.rungs)):
        yield [_without(first, level, first.rungs[:n_skipped]), *others]


def _divided(bracket: Bracket, level: Level, divisor: float) -> Bracket:
    def n_candidates(rung: Rung) -> int:
        if not rung.n_candidates or not is_after(rung, level):
            return rung.n_candidates
        return max(1, math.floor(rung.n_candidates / divisor))

    return bracket.with_sizes(n_candidates)


def _without(bracket: Bracket, level: Level, rungs: Sequence[Rung] | None = None) -> Bracket:
    """Return a bracket without candidates on the given rungs after a level, by default on all."""
    left_out = bracket.rungs if rungs is None else rungs

    def n_candidates(rung: Rung) -> int:
        return 0 if rung in left_out and is_after(rung, level) else rung.n_candidates

    return bracket.with_sizes(n_candidates)
