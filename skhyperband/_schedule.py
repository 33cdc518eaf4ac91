"""Computes the schedule of both searches, and which candidates are promoted.

All numbers are integers and fractions, and nothing here depends on scikit-learn.
The letters are those of Li et al., *Hyperband* (JMLR 18(185), 2018): R is the
maximum resource, eta the factor, s the number of halvings of a bracket, and n_i
and r_i are the number of candidates and the resource of rung i.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

# A factor next to 1 would give a bracket millions of rungs, which nobody can mean.
MOST_RUNGS = 1000


class BracketKey(NamedTuple):
    """Identifies a bracket by its Hyperband round and the paper's s."""

    repeat: int
    s: int


class LevelSize(NamedTuple):
    """What each candidate of a level is given: an amount of the resource, and splits."""

    n_resources: int
    n_splits: int


class RungKey(NamedTuple):
    """Identifies a rung, independently of its size."""

    repeat: int
    bracket: int
    iter: int


@dataclass(frozen=True)
class Rung:
    """A rung of a bracket, on which candidates are evaluated with the same resource.

    Attributes
    ----------
    repeat : int
        Number of the Hyperband round, from 0.
    bracket : int
        Number of halvings between the first rung of the bracket and the maximum
        resource. The paper calls it s.
    iter : int
        Position of the rung in its bracket, from 0.
    n_candidates : int
        Number of candidates that are evaluated.
    n_resources : int
        Amount of the resource with which each candidate is evaluated.
    n_splits : int
        Number of cross-validation splits on which each candidate is evaluated.
    n_halvings : int
        Number of halvings between the first rung of the bracket and this one. It is
        larger than `iter` if rounding made two rungs equal, which are then one.
    """

    repeat: int
    bracket: int
    iter: int
    n_candidates: int
    n_resources: int
    n_splits: int
    n_halvings: int

    @property
    def key(self) -> RungKey:
        """The key of this rung, which does not depend on its size."""
        return RungKey(self.repeat, self.bracket, self.iter)

    @property
    def size(self) -> LevelSize:
        """What each candidate of this rung is given."""
        return LevelSize(self.n_resources, self.n_splits)

    @property
    def bracket_key(self) -> BracketKey:
        """The key of the bracket that contains this rung."""
        return BracketKey(self.repeat, self.bracket)


@dataclass(frozen=True)
class Bracket:
    """A bracket: one run of successive halving.

    Attributes
    ----------
    repeat : int
        Number of the Hyperband round, from 0.
    s : int
        Number of halvings between the first rung and the maximum resource.
    rungs : tuple of Rung
        The rungs, from the lowest resource to the highest.
    """

    repeat: int
    s: int
    rungs: tuple[Rung, ...]

    @property
    def key(self) -> BracketKey:
        """The key of this bracket."""
        return BracketKey(self.repeat, self.s)

    @property
    def n_candidates(self) -> int:
        """Number of candidates on the first rung."""
        return self.rungs[0].n_candidates

    def resized(self, n_candidates: int, factor: Fraction) -> "Bracket":
        """Return this bracket with another number of candidates on its first rung."""
        return self.with_sizes(lambda rung: survivors(n_candidates, factor, rung.n_halvings))

    def with_sizes(self, n_candidates: Callable[[Rung], int]) -> "Bracket":
        """Return this bracket with other numbers of candidates on its rungs."""
        rungs = (replace(rung, n_candidates=n_candidates(rung)) for rung in self.rungs)
        return replace(self, rungs=tuple(rungs))

    def in_repeat(self, repeat: int) -> "Bracket":
        """Return this bracket as part of another Hyperband round."""
        rungs = (replace(rung, repeat=repeat) for rung in self.rungs)
        return replace(self, repeat=repeat, rungs=tuple(rungs))


@dataclass(frozen=True)
class Level:
    """A level: all rungs of a round that have the same resource and number of splits.

    Attributes
    ----------
    repeat : int
        Number of the Hyperband round, from 0.
    n_resources : int
        Amount of the resource on these rungs.
    n_splits : int
        Number of cross-validation splits on these rungs.
    rungs : tuple of Rung
        The rungs, in the order of their brackets.
    """

    repeat: int
    n_resources: int
    n_splits: int
    rungs: tuple[Rung, ...]

    @property
    def size(self) -> LevelSize:
        """What each candidate of this level is given."""
        return LevelSize(self.n_resources, self.n_splits)


@dataclass(frozen=True)
class RungEvaluations:
    """Numbers of evaluations that a rung makes, all its candidates and splits together.

    Attributes
    ----------
    rung : Rung
        The rung.
    n_first : int
        Number of evaluations on splits that the candidate was not yet evaluated on.
    n_further : int
        Number of evaluations on splits on which the candidate was evaluated with less of the
        resource, so that its training may be continued.
    n_resources_before : int
        Amount of the resource of the rung below; 0 on the first rung.
    """

    rung: Rung
    n_first: int
    n_further: int
    n_resources_before: int


# --- the ladder of resources -------------------------------------------------------


def exact_factor(factor: Any) -> Fraction:
    """Return the factor as the fraction that its decimal notation stands for."""
    return factor if isinstance(factor, Fraction) else Fraction(str(factor))


def largest_power(factor: Fraction, limit: int) -> int:
    """Return the largest s with factor**s <= limit, where limit is at least 1."""
    # A logarithm of floats would lose a rung: math.log(243, 3) is 4.999…
    s, power = 0, factor
    while power <= limit:
        s += 1
        power *= factor
        if s == MOST_RUNGS and factor < 2:
            return _largest_power_by_logarithm(factor, limit)
    return s


def _largest_power_by_logarithm(factor: Fraction, limit: int) -> int:
    """Return the largest s with factor**s <= limit, for a factor so near to 1 that s is large.

    The digits are doubled until they decide. They do, since no power of a factor between 1
    and 2 is an integer.
    """
    n_digits = 50
    while True:
        with localcontext(Context(prec=n_digits)):
            logarithm = (Decimal(factor.numerator) / Decimal(factor.denominator)).ln()
            if logarithm > 0:
                error = 100 * Decimal(10) ** -n_digits
                smallest = int(Decimal(limit).ln() * (1 - error) / (logarithm + error))
                largest = int(Decimal(limit).ln() * (1 + error) / (logarithm - error))
                if smallest == largest:
                    return smallest
        n_digits *= 2


def _refuse_rungs(factor: Fraction, way_out: str) -> ValueError:
    return ValueError(
        f"factor={float(factor)!r} is so near to 1 that a bracket would have more than "
        f"{MOST_RUNGS:,} rungs; raise factor, {way_out}."
    )


def automatic_min_resources(max_resources: int, factor: Fraction) -> Fraction:
    """Return the lower bound of the resource that leaves room for one halving of it."""
    return max(Fraction(1), max_resources / factor)


def resource_ladder(
    max_resources: int,
    factor: Fraction,
    min_resources: Fraction | int,
    n_splits: int,
    min_splits: int | None = None,
) -> list[LevelSize]:
    """Return the sizes of all possible rungs, from R downwards.

    Item k is the rung from which k halvings lead to R. The budget of a candidate, which
    is its resource summed over the splits, is divided by the factor from item to item.
    It is spread over as few splits as possible, but at least `min_splits`.
    """
    if min(n_splits, max_resources, min_resources) <= 0:
        raise ValueError("n_splits, max_resources and min_resources must be positive.")
    fewest = n_splits if min_splits is None else min_splits
    if factor**MOST_RUNGS * fewest * min_resources <= n_splits * max_resources:
        raise _refuse_rungs(factor, "or raise min_resources and min_splits")
    ladder = []
    budget = Fraction(n_splits * max_resources)
    while budget >= fewest * min_resources:
        if budget >= fewest * max_resources:
            ladder.append(LevelSize(max_resources, math.ceil(budget / max_resources)))
        else:
            ladder.append(LevelSize(math.floor(budget / fewest), fewest))
        budget /= factor
    return ladder


# --- the brackets ------------------------------------------------------------------


def survivors(n_candidates: int, factor: Fraction, n_halvings: int) -> int:
    """Return the number of candidates that are left after some halvings, at least 1."""
    return max(1, math.floor(n_candidates / factor**n_halvings))


def successive_halving(
    n_candidates: int | None,
    ladder: Sequence[LevelSize],
    factor: Fraction,
    *,
    aggressive_elimination: bool = False,
) -> Bracket:
    """Return the bracket of a successive halving.

    If `n_candidates` is None, it is the number that all possible halvings reduce to one.
    """
    n_possible_halvings = len(ladder) - 1
    if n_candidates is None:
        n_candidates = math.floor(factor**n_possible_halvings)
        n_required_halvings = n_possible_halvings
    else:
        n_required_halvings = largest_power(factor, n_candidates)
    s = min(n_possible_halvings, n_required_halvings)
    steps = list(range(s, -1, -1))
    if aggressive_elimination:
        if n_required_halvings >= MOST_RUNGS:
            raise _refuse_rungs(factor, "or leave aggressive_elimination out")
        steps = [s] * (n_required_halvings - s) + steps
    return _make_bracket(0, s, n_candidates, steps, ladder, factor)


def hyperband(
    n_candidates: int | None,
    ladder: Sequence[LevelSize],
    factor: Fraction,
    *,
    n_brackets: int | None = None,
    repeat: int = 0,
) -> list[Bracket]:
    """Return the brackets of Algorithm 1 of the paper, the one with the most candidates first.

    If `n_candidates`, the size of the widest bracket, is None, it is eta**s_max. If
    `n_brackets` is not None, only the first `n_brackets` brackets are returned.
    """
    s_max = len(ladder) - 1
    s_min = 0 if n_brackets is None else max(0, s_max + 1 - n_brackets)
    widest = factor**s_max if n_candidates is None else Fraction(n_candidates)
    brackets = []
    for s in range(s_max, s_min - 1, -1):
        size = math.ceil(widest * (s_max + 1) * factor ** (s - s_max) / (s + 1))
        brackets.append(_make_bracket(repeat, s, size, range(s, -1, -1), ladder, factor))
    return brackets


def _make_bracket(
    repeat: int,
    s: int,
    n_candidates: int,
    steps: Iterable[int],
    ladder: Sequence[LevelSize],
    factor: Fraction,
) -> Bracket:
    """Return a bracket whose rungs have the given positions on the ladder."""
    rungs: list[Rung] = []
    previous_step = None
    for n_halvings, step in enumerate(steps):
        # Two positions may be equal after rounding. They are one rung, unless aggressive
        # elimination repeats the same position.
        is_rounded_duplicate = (
            previous_step is not None
            and step != previous_step
            and ladder[step] == ladder[previous_step]
        )
        previous_step = step
        if is_rounded_duplicate:
            continue
        size = ladder[step]
        rungs.append(
            Rung(
                repeat=repeat,
                bracket=s,
                iter=len(rungs),
                n_candidates=survivors(n_candidates, factor, n_halvings),
                n_resources=size.n_resources,
                n_splits=size.n_splits,
                n_halvings=n_halvings,
            )
        )
    return Bracket(repeat=repeat, s=s, rungs=tuple(rungs))


def limit_candidates(
    brackets: Iterable[Bracket], available: int | None, factor: Fraction
) -> list[Bracket]:
    """Return the brackets, of which the last are smaller or missing if candidates run out.

    `available` is the number of candidates in the search space, None if it is infinite.
    """
    if available is None:
        return list(brackets)
    limited = []
    for bracket in brackets:
        n_candidates = min(bracket.n_candidates, available)
        available -= n_candidates
        if n_candidates == bracket.n_candidates:
            limited.append(bracket)
        elif n_candidates > 0:
            limited.append(bracket.resized(n_candidates, factor))
    return limited


def group_by_level(brackets: Iterable[Bracket]) -> tuple[Level, ...]:
    """Return the levels of the brackets, in the order in which they are evaluated."""
    groups: dict[tuple[int, LevelSize, int], list[Rung]] = defaultdict(list)
    for bracket in brackets:
        n_visits: dict[LevelSize, int] = defaultdict(int)
        for rung in bracket.rungs:
            # Aggressive elimination has several rungs of the same size. They follow one
            # another, so that each is a level of its own.
            groups[bracket.repeat, rung.size, n_visits[rung.size]].append(rung)
            n_visits[rung.size] += 1
    return tuple(
        Level(repeat, size.n_resources, size.n_splits, rungs=tuple(groups[repeat, size, visit]))
        for repeat, size, visit in sorted(groups)
    )


# --- the cost ----------------------------------------------------------------------


def count_evaluations(bracket: Bracket) -> list[RungEvaluations]:
    """Return what each rung of a bracket evaluates.

    A candidate is never evaluated twice with the same resource on the same split. Rungs without
    candidates are left out. A rung that was cut off may have fewer splits than the one below.
    """
    counts = []
    n_resources = n_splits = 0
    for rung in bracket.rungs:
        if not rung.n_candidates:
            continue
        n_known_splits = min(n_splits, rung.n_splits)
        n_trained_further = n_known_splits if rung.n_resources > n_resources else 0
        counts.append(
            RungEvaluations(
                rung=rung,
                n_first=rung.n_candidates * (rung.n_splits - n_known_splits),
                n_further=rung.n_candidates * n_trained_further,
                n_resources_before=n_resources,
            )
        )
        n_resources, n_splits = rung.n_resources, rung.n_splits
    return counts


def bracket_cost(bracket: Bracket, continued: bool) -> int:
    """Return the sum of the resource that the evaluations of a bracket are trained with."""
    cost = 0
    for count in count_evaluations(bracket):
        n_resources = count.rung.n_resources
        n_added = n_resources - count.n_resources_before
        cost += count.n_first * n_resources
        cost += count.n_further * (n_added if continued else n_resources)
    return cost


# --- promotion ---------------------------------------------------------------------


def ranked(scores: Sequence[float]) -> list[int]:
    """Return the positions of the scores, from the best score to the worst."""
    return sorted(range(len(scores)), key=lambda position: rank_key(scores[position], position))


def rank_key(score: float, position: int) -> tuple[bool, float, int]:
    """Return a sort key by which better scores, then earlier positions come first, NaN last."""
    failed = math.isnan(score)
    return failed, 0.0 if failed else -score, position


def assign_places(brackets: Sequence[int], places: Mapping[int, int]) -> list[int]:
    """Return the bracket to which each promoted candidate goes.

    Parameters
    ----------
    brackets : sequence of int
        The bracket from which each candidate comes, the best candidate first.
    places : mapping of int to int
        Number of places on the next rung of each bracket.

    Returns
    -------
    assigned : list of int
        Candidates stay in their bracket while it has places. The other candidates fill
        the remaining places, the widest bracket first.
    """
    n_free = dict(places)
    assigned: list[int | None] = []
    for bracket in brackets:
        if n_free.get(bracket, 0) > 0:
            n_free[bracket] -= 1
            assigned.append(bracket)
        else:
            assigned.append(None)
    widest_first = sorted(n_free, reverse=True)
    remaining = iter([bracket for bracket in widest_first for _ in range(n_free[bracket])])
    return [next(remaining) if bracket is None else bracket for bracket in assigned]
