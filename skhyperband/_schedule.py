"""Computes the schedule of both searches, and which candidates are promoted.

All numbers are integers and fractions, and nothing here depends on scikit-learn.
The letters are those of Li et al., *Hyperband* (JMLR 18(185), 2018): R is the
maximum resource, eta the factor, s the number of halvings of a bracket, and n_i
and r_i are the number of candidates and the resource of rung i.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

from skhyperband._html import rung_table
from skhyperband._messages import counted
from skhyperband._tables import Cell, format_table, to_frame

# A factor next to 1 would give a bracket millions of rungs, which nobody can mean.
MOST_RUNGS = 1000


class BracketKey(NamedTuple):
    """Identifies a bracket by its Hyperband round and the paper's s."""

    repeat: int
    s: int


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
        rungs = (
            replace(rung, n_candidates=survivors(n_candidates, factor, rung.n_halvings))
            for rung in self.rungs
        )
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


@dataclass(frozen=True)
class PlanTiming:
    """Expected duration of a search, as ``plan(X, y, timed=True)`` estimates it.

    Attributes
    ----------
    rung_seconds : tuple of float
        Seconds of the fits and scores of each rung, added up over the workers, in the order
        of ``plan.rungs``.
    total_seconds : float
        Duration of the whole search in seconds, with the refit of the best candidate.
    n_workers : int
        Number of evaluations that run at a time.
    continued : bool
        Whether the training of promoted candidates is continued.
    random_search_seconds : float
        Duration in seconds of a random search over as many candidates, on all splits and
        with the maximum resource, with the refit of the best candidate.
    n_random_search_candidates : float
        Number of candidates that a random search evaluates in `total_seconds`.
    """

    rung_seconds: tuple[float, ...]
    total_seconds: float
    n_workers: int
    continued: bool
    random_search_seconds: float
    n_random_search_candidates: float


@dataclass(frozen=True, repr=False)
class Plan:
    """Schedule of a search: its brackets, their rungs, and what they cost.

    The method `plan` of a search returns the schedule that `fit` will execute, and the
    attribute `plan_` holds the one that was executed. A plan prints as a table with a
    row for each rung.

    Attributes
    ----------
    brackets : tuple of Bracket
        The brackets, round by round, from the one with the most halvings to the one
        with the fewest. Each has the attributes `repeat` (its round, from 0), `s` (its
        number of halvings), `rungs` and `n_candidates`.
    factor : fractions.Fraction
        Number by which the candidates are divided, and the amount of the resource is
        multiplied, from one rung to the next.
    resource : str
        Name of the resource.
    min_resources : int
        Lower bound of the amount of the resource.
    max_resources : int
        Amount of the resource on the last rung of each bracket.
    n_splits : int
        Number of cross-validation splits.
    ladder : tuple of (int, int)
        All pairs of an amount of the resource and a number of splits that a rung may
        have, from the highest to the lowest.
    space_exhausted : bool
        Whether the search space has fewer candidates than the schedule needs, so that
        rungs are smaller or missing.
    timing : PlanTiming or None
        Expected duration of the search, if it was asked for with ``timed=True``. Its
        attributes are `rung_seconds`, `total_seconds`, `n_workers`, `continued`,
        `random_search_seconds` and `n_random_search_candidates`. Plans that differ only in
        the timing are equal.
    max_time : float or None
        Time limit in seconds, to which the rounds of the search will be sized. None if there
        is none, and in the attribute `plan_`.

    See Also
    --------
    RungTable : Results of the rungs, after the search.
    SuccessiveHalvingSearchCV.plan : Returns the plan of a search.
    HyperbandSearchCV.plan : Returns the plan of a search.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skhyperband import SuccessiveHalvingSearchCV
    >>> search = SuccessiveHalvingSearchCV(
    ...     DecisionTreeClassifier(), {"max_depth": range(1, 10)},
    ...     n_candidates=9,
    ... )
    >>> plan = search.plan(n_samples=900, n_classes=2)
    >>> print(plan)
    bracket  iter  n_candidates  n_resources  n_splits
          2     0             9          500         1
          2     1             3          900         2
          2     2             1          900         5
    9 candidates for n_samples, factor 3, 5 splits. Cost in units of the resource (1 = one split with max_resources): 14.0 fresh, 12.3 continued; random search over the same candidates: 45.
    >>> plan.cost()
    14.0
    """

    brackets: tuple[Bracket, ...]
    factor: Fraction
    resource: str
    min_resources: int
    max_resources: int
    n_splits: int
    ladder: tuple[tuple[int, int], ...]
    space_exhausted: bool = False
    timing: PlanTiming | None = field(default=None, compare=False)
    max_time: float | None = None

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """All rungs, in the order of the brackets.

        Each has the attributes `repeat`, `bracket`, `iter`, `n_candidates`, `n_resources` and
        `n_splits`, which are the columns of the table.
        """
        return tuple(rung for bracket in self.brackets for rung in bracket.rungs)

    @property
    def levels(self) -> tuple[Level, ...]:
        """All levels, in the order in which they are evaluated.

        A level consists of the rungs of a round that have the same amount of the resource and
        the same number of splits. It has the attributes `repeat`, `n_resources`, `n_splits` and
        `rungs`.
        """
        return group_by_level(self.brackets)

    @property
    def n_candidates(self) -> int:
        """Number of candidates in all brackets."""
        return sum(bracket.n_candidates for bracket in self.brackets)

    @property
    def n_random_search_fits(self) -> int:
        """Number of fits, with `max_resources`, of a random search over as many candidates."""
        return self.n_candidates * self.n_splits

    def cost(self, continued: bool = False) -> float:
        """Return the cost of the schedule in units of the resource.

        One unit is what one candidate is trained with at the maximum resource on one split.
        A unit is not a measure of time: a fit with a ninth of the resource counts as a ninth
        of a unit, but takes longer than a ninth of the time where a part of the fit, or the
        scoring, takes the same time with any amount.

        Parameters
        ----------
        continued : bool, default=False
            Whether promoted candidates continue their training, so that only the
            additional resource of a rung is counted. If False, every fit starts from
            scratch. A candidate is never fitted twice with the same resource on the
            same split.

        Returns
        -------
        cost : float
            Number of units.

        See Also
        --------
        SuccessiveHalvingSearchCV.plan : With ``timed=True``, estimates the time.
        HyperbandSearchCV.plan : With ``timed=True``, estimates the time.
        """
        cost = sum(_bracket_cost(bracket, continued) for bracket in self.brackets)
        return cost / self.max_resources

    def to_frame(self) -> Any:
        """Return a data frame with a row for each rung.

        Returns
        -------
        frame : pandas.DataFrame
            Data frame with the columns ``bracket``, ``iter``, ``n_candidates``,
            ``n_resources`` and ``n_splits``. If there are several rounds, its first
            column is ``repeat``. If the plan is timed, its last column is ``seconds``, the
            expected time of the fits and scores of a rung, added up over the workers.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return to_frame(*self._table())

    def _table(self) -> tuple[list[str], list[list[Cell]]]:
        columns = ["bracket", "iter", "n_candidates", "n_resources", "n_splits"]
        if len({bracket.repeat for bracket in self.brackets}) > 1:
            columns.insert(0, "repeat")
        rows: list[list[Cell]] = [[getattr(rung, name) for name in columns] for rung in self.rungs]
        if self.timing is not None:
            columns.append("seconds")
            for row, seconds in zip(rows, self.timing.rung_seconds, strict=True):
                row.append(seconds)
        return columns, rows

    def _summary(self) -> list[str]:
        """Return what the table does not say, as paragraphs."""
        texts = [
            f"{counted(self.n_candidates, 'candidate')} for {self.resource}, "
            f"factor {float(self.factor):g}, {counted(self.n_splits, 'split')}. "
            "Cost in units of the resource (1 = one split with max_resources): "
            f"{self.cost():.1f} fresh, "
            f"{self.cost(continued=True):.1f} continued; "
            f"random search over the same candidates: {self.n_random_search_fits}."
        ]
        if self.space_exhausted:
            texts[0] += " The space runs out: rungs are smaller or missing."
        if self.timing is not None:
            texts.append(describe_timing(self.timing, self.n_candidates))
        if self.max_time is not None:
            texts.append(self._about_rounds())
        return texts

    def _about_rounds(self) -> str:
        return (
            f"If this does not fit into max_time={self.max_time:g} s, a smaller round comes "
            "first, in about a third of the time, and further rounds with other candidates "
            "follow in what is left; each ends with the maximum resource."
        )

    def __str__(self) -> str:
        return "\n".join([format_table(*self._table()), *self._summary()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return rung_table(*self._table(), self._summary())


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
) -> list[tuple[int, int]]:
    """Return the pairs (n_resources, n_splits) of all possible rungs, from R downwards.

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
            ladder.append((max_resources, math.ceil(budget / max_resources)))
        else:
            ladder.append((math.floor(budget / fewest), fewest))
        budget /= factor
    return ladder


# --- the brackets ------------------------------------------------------------------


def survivors(n_candidates: int, factor: Fraction, n_halvings: int) -> int:
    """Return the number of candidates that are left after some halvings, at least 1."""
    return max(1, math.floor(n_candidates / factor**n_halvings))


def successive_halving(
    n_candidates: int | None,
    ladder: Sequence[tuple[int, int]],
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
    ladder: Sequence[tuple[int, int]],
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
    ladder: Sequence[tuple[int, int]],
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
        n_resources, n_splits = ladder[step]
        rungs.append(
            Rung(
                repeat=repeat,
                bracket=s,
                iter=len(rungs),
                n_candidates=survivors(n_candidates, factor, n_halvings),
                n_resources=n_resources,
                n_splits=n_splits,
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
    groups: dict[tuple[int, int, int, int], list[Rung]] = defaultdict(list)
    for bracket in brackets:
        n_visits: dict[tuple[int, int], int] = defaultdict(int)
        for rung in bracket.rungs:
            step = rung.n_resources, rung.n_splits
            # Aggressive elimination has several rungs with the same step. They follow one
            # another, so that each is a level of its own.
            groups[bracket.repeat, *step, n_visits[step]].append(rung)
            n_visits[step] += 1
    levels = []
    for key in sorted(groups):
        repeat, n_resources, n_splits, _ = key
        levels.append(Level(repeat, n_resources, n_splits, rungs=tuple(groups[key])))
    return tuple(levels)


# --- the cost ----------------------------------------------------------------------


def count_evaluations(bracket: Bracket) -> list[RungEvaluations]:
    """Return what each rung of a bracket evaluates.

    A candidate is never evaluated twice with the same resource on the same split.
    """
    counts = []
    n_resources = n_splits = 0
    for rung in bracket.rungs:
        n_known_splits = n_splits if rung.n_resources > n_resources else 0
        counts.append(
            RungEvaluations(
                rung=rung,
                n_first=rung.n_candidates * (rung.n_splits - n_splits),
                n_further=rung.n_candidates * n_known_splits,
                n_resources_before=n_resources,
            )
        )
        n_resources, n_splits = rung.n_resources, rung.n_splits
    return counts


def _bracket_cost(bracket: Bracket, continued: bool) -> int:
    """Return the sum of the resource that the evaluations of a bracket are trained with."""
    cost = 0
    for count in count_evaluations(bracket):
        n_resources = count.rung.n_resources
        n_added = n_resources - count.n_resources_before
        cost += count.n_first * n_resources
        cost += count.n_further * (n_added if continued else n_resources)
    return cost


def describe_timing(timing: PlanTiming, n_candidates: int) -> str:
    """Return the sentence by which a user decides whether to run the search."""
    n_random = _two_digits(math.floor(timing.n_random_search_candidates))
    compared = "one candidate" if n_random == 1 else counted(n_random, "candidate")
    if n_random > 0:
        compared = f"about {compared}"
    return (
        f"Expected time: {describe_seconds(timing.total_seconds)} with "
        f"{counted(timing.n_workers, 'worker')}; in that time a random search tries "
        f"{compared}, and for {n_candidates} it takes "
        f"{describe_seconds(timing.random_search_seconds)}."
    )


def describe_seconds(seconds: float) -> str:
    """Return a duration to two digits, in the unit that suits it."""
    if seconds < 1:
        return "less than a second"
    # A unit is used from 1.5 of it on, so that it is always in the plural.
    units = (("days", 86400), ("hours", 3600), ("minutes", 60))
    for name, length in units:
        if seconds >= 1.5 * length:
            return f"about {_two_digits(seconds / length):g} {name}"
    return f"about {counted(_two_digits(seconds), 'second')}"


def _two_digits(number: float) -> float:
    return float(f"{number:.2g}")


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
