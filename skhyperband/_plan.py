"""Decides who is evaluated with how much: the schedule of both searches, and who is promoted.

Everything here is exact (integers and fractions) and knows nothing of
scikit-learn. The letters are those of Li et al., *Hyperband* (JMLR 18(185),
2018): R is the maximum resource, eta the factor, s a bracket's number of
halvings, n_i and r_i a rung's candidates and resource.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

Cell = str | int | float


@dataclass(frozen=True)
class Rung:
    """One rung of a bracket: so many candidates with so much resource on so many splits.

    Attributes
    ----------
    repeat : int
        Which Hyperband round it belongs to, from 0.
    bracket : int
        The paper's s: the number of halvings between the bracket's start and R.
    iter : int
        The rung's place in its bracket, from 0.
    n_candidates, n_resources, n_splits : int
        How many candidates are evaluated, each with how much, on how many splits.
    n_halvings : int
        How often the bracket's candidates were divided by the factor so far. It
        runs ahead of `iter` where rounding made rungs equal.
    """

    repeat: int
    bracket: int
    iter: int
    n_candidates: int
    n_resources: int
    n_splits: int
    n_halvings: int

    @property
    def key(self) -> tuple[int, int, int]:
        """Where in the search it is, whatever its size."""
        return self.repeat, self.bracket, self.iter


@dataclass(frozen=True)
class Bracket:
    """One run of successive halving.

    Attributes
    ----------
    repeat, s : int
        Which Hyperband round, and the number of halvings.
    rungs : tuple of Rung
        Lowest resource first.
    """

    repeat: int
    s: int
    rungs: tuple[Rung, ...]

    @property
    def n_candidates(self) -> int:
        """How many candidates enter."""
        return self.rungs[0].n_candidates

    def resized(self, n_candidates: int, factor: Fraction) -> "Bracket":
        """Return the same bracket entered by another number of candidates."""
        rungs = (
            replace(rung, n_candidates=survivors(n_candidates, factor, rung.n_halvings))
            for rung in self.rungs
        )
        return replace(self, rungs=tuple(rungs))

    def in_repeat(self, repeat: int) -> "Bracket":
        """Return the same bracket in another round."""
        rungs = (replace(rung, repeat=repeat) for rung in self.rungs)
        return replace(self, repeat=repeat, rungs=tuple(rungs))


@dataclass(frozen=True)
class Level:
    """All rungs, over the brackets of one repeat, that share resource and splits.

    Attributes
    ----------
    repeat, n_resources, n_splits : int
        What the rungs share.
    rungs : tuple of Rung
        The widest bracket's first.
    """

    repeat: int
    n_resources: int
    n_splits: int
    rungs: tuple[Rung, ...]


@dataclass(frozen=True, repr=False)
class Plan:
    """The schedule of a search: its brackets, their rungs and what they cost.

    It prints as a table; `fit` executes this very object.

    Attributes
    ----------
    brackets : tuple of Bracket
        The widest first, repeat after repeat.
    factor : fractions.Fraction
        By what the candidates are divided and the resource is multiplied.
    resource : str
        The name of what is spent.
    min_resources, max_resources : int
        The lower bound on a rung's resource, and R.
    n_splits : int
        The number of splits of the cross-validation.
    ladder : tuple of (int, int)
        All steps that the resources allow, as (n_resources, n_splits), R first.
    space_exhausted : bool
        Whether there are fewer candidates than the schedule asks for.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skhyperband import SuccessiveHalvingSearchCV
    >>> search = SuccessiveHalvingSearchCV(
    ...     DecisionTreeClassifier(), {"max_depth": range(1, 10)},
    ...     n_candidates=9, min_resources=100,
    ... )
    >>> plan = search.plan(n_samples=900, n_classes=2)
    >>> print(plan)
    bracket  iter  n_candidates  n_resources  n_splits
          2     0             9          100         5
          2     1             3          300         5
          2     2             1          900         5
    9 candidates for n_samples, factor 3, 5 splits. Cost in full fits: 15.0 fresh, 11.7 continued; random search over the same candidates: 45.
    >>> plan.cost()
    15.0
    """

    brackets: tuple[Bracket, ...]
    factor: Fraction
    resource: str
    min_resources: int
    max_resources: int
    n_splits: int
    ladder: tuple[tuple[int, int], ...]
    space_exhausted: bool = False

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """All rungs, bracket after bracket."""
        return tuple(rung for bracket in self.brackets for rung in bracket.rungs)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The batches in which the rungs are evaluated, in order."""
        return group_by_level(self.brackets)

    @property
    def n_candidates(self) -> int:
        """How many candidates enter over all brackets."""
        return sum(bracket.n_candidates for bracket in self.brackets)

    @property
    def n_random_search_fits(self) -> int:
        """What a random search over the same candidates costs, in full fits."""
        return self.n_candidates * self.n_splits

    def cost(self, continued: bool = False) -> float:
        """Return the cost in full fits (one split at the maximum resource).

        Parameters
        ----------
        continued : bool, default=False
            Whether a promoted candidate goes on from where it stopped, and pays
            the difference only, or is trained again from nothing. A split that
            was measured with the same resource is never paid again.

        Returns
        -------
        cost : float
            The number of full fits.
        """
        units = sum(_bracket_units(bracket, continued) for bracket in self.brackets)
        return units / self.max_resources

    def to_frame(self) -> Any:
        """Return the rungs as a `pandas.DataFrame`, a row each.

        Returns
        -------
        frame : pandas.DataFrame
            Columns `bracket`, `iter`, `n_candidates`, `n_resources` and
            `n_splits`, after `repeat` where there are several.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        return to_frame(*self._table())

    def _table(self) -> tuple[list[str], list[list[Cell]]]:
        columns = ["bracket", "iter", "n_candidates", "n_resources", "n_splits"]
        if len({bracket.repeat for bracket in self.brackets}) > 1:
            columns.insert(0, "repeat")
        return columns, [[getattr(rung, name) for name in columns] for rung in self.rungs]

    def __str__(self) -> str:
        return (
            f"{format_table(*self._table())}\n"
            f"{self.n_candidates} candidates for {self.resource}, "
            f"factor {float(self.factor):g}, {self.n_splits} splits. "
            f"Cost in full fits: {self.cost():.1f} fresh, "
            f"{self.cost(continued=True):.1f} continued; "
            f"random search over the same candidates: {self.n_random_search_fits}."
            + self.space_exhausted
            * " The space runs out: rungs are smaller or missing."
        )

    __repr__ = __str__


# --- the ladder of resources -------------------------------------------------------


def exact_factor(factor: Any) -> Fraction:
    """Return the factor as the fraction that its decimal notation says."""
    return Fraction(str(factor))


def largest_power(factor: Fraction, limit: Fraction | int) -> int:
    """Return the largest s with factor**s <= limit, which must be 1 or more.

    A floating logarithm loses a rung here: log(243, 3) is 4.999…
    """
    s, power = 0, factor
    while power <= limit:
        s += 1
        power *= factor
    return s


def automatic_min_resources(max_resources: int, factor: Fraction) -> Fraction:
    """Return the bound that leaves room for four halvings."""
    return max(Fraction(1), max_resources / factor**4)


def resource_ladder(
    max_resources: int,
    factor: Fraction,
    min_resources: Fraction | int,
    n_splits: int,
    min_splits: int | None = None,
) -> list[tuple[int, int]]:
    """Return (n_resources, n_splits) for k = 0 (the top) … s_max halvings below R.

    The budget of a candidate, its resource summed over splits, is divided by the
    factor from step to step and spread over as few splits as possible, at least
    `min_splits`.
    """
    if min(n_splits, max_resources, min_resources) <= 0:
        raise ValueError("n_splits, max_resources and min_resources must be positive.")
    fewest = n_splits if min_splits is None else min_splits
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
    """Return n_i: what is left of n candidates after i halvings."""
    return max(1, math.floor(n_candidates / factor**n_halvings))


def successive_halving(
    n_candidates: int | None,
    ladder: Sequence[tuple[int, int]],
    factor: Fraction,
    *,
    aggressive_elimination: bool = False,
) -> Bracket:
    """Return the bracket of n candidates; None is the n that ends with one at R."""
    possible = required = len(ladder) - 1
    if n_candidates is None:
        n_candidates = math.floor(factor**possible)
    else:
        required = largest_power(factor, n_candidates)
    s = min(possible, required)
    steps = list(range(s, -1, -1))
    if aggressive_elimination:
        steps = [s] * (required - s) + steps
    return _bracket(0, s, n_candidates, steps, ladder, factor)


def hyperband(
    n_candidates: int | None,
    ladder: Sequence[tuple[int, int]],
    factor: Fraction,
    *,
    n_brackets: int | None = None,
    repeat: int = 0,
) -> list[Bracket]:
    """Return the brackets of Algorithm 1, the widest first.

    `n_candidates` is the size N of the widest, eta**s_max if None; `n_brackets`
    keeps only so many, the most exploratory ones.
    """
    s_max = len(ladder) - 1
    widest = factor**s_max if n_candidates is None else Fraction(n_candidates)
    fewest_halvings = 0 if n_brackets is None else max(0, s_max + 1 - n_brackets)
    return [
        _bracket(
            repeat,
            s,
            math.ceil(widest * (s_max + 1) * factor ** (s - s_max) / (s + 1)),
            range(s, -1, -1),
            ladder,
            factor,
        )
        for s in range(s_max, fewest_halvings - 1, -1)
    ]


def _bracket(
    repeat: int,
    s: int,
    n_candidates: int,
    steps: Iterable[int],
    ladder: Sequence[tuple[int, int]],
    factor: Fraction,
) -> Bracket:
    """Walk down the ladder's steps; those that rounding makes equal are one rung."""
    rungs: list[Rung] = []
    last_step = None
    for n_halvings, step in enumerate(steps):
        rounded_together = last_step not in (None, step) and ladder[step] == ladder[last_step]
        last_step = step
        if not rounded_together:
            size = survivors(n_candidates, factor, n_halvings)
            rungs.append(Rung(repeat, s, len(rungs), size, *ladder[step], n_halvings))
    return Bracket(repeat, s, tuple(rungs))


def limit_candidates(
    brackets: Iterable[Bracket], available: int | None, factor: Fraction
) -> list[Bracket]:
    """Shrink the brackets, in the order in which they are entered, to what there is."""
    if available is None:
        return list(brackets)
    limited = []
    for bracket in brackets:
        entrants = min(bracket.n_candidates, available)
        available -= entrants
        if entrants == bracket.n_candidates:
            limited.append(bracket)
        elif entrants:
            limited.append(bracket.resized(entrants, factor))
    return limited


def group_by_level(brackets: Iterable[Bracket]) -> tuple[Level, ...]:
    """Group the rungs into the batches that are evaluated one after another."""
    groups: dict[tuple[int, int, int, int], list[Rung]] = defaultdict(list)
    for bracket in brackets:
        seen: dict[tuple[int, int], int] = defaultdict(int)
        for rung in bracket.rungs:
            step = (rung.n_resources, rung.n_splits)
            # Aggressive elimination visits a step more than once, in turn.
            groups[(bracket.repeat, *step, seen[step])].append(rung)
            seen[step] += 1
    return tuple(Level(*key[:3], tuple(groups[key])) for key in sorted(groups))


def _bracket_units(bracket: Bracket, continued: bool) -> int:
    """Return what a bracket spends, in units of resource summed over splits."""
    units = n_resources = n_splits = 0
    for rung in bracket.rungs:
        grown = rung.n_resources - n_resources
        again = (grown if continued else rung.n_resources) if grown else 0
        new_splits = rung.n_splits - n_splits
        per_candidate = n_splits * again + new_splits * rung.n_resources
        units += rung.n_candidates * per_candidate
        n_resources, n_splits = rung.n_resources, rung.n_splits
    return units


# --- promotion ---------------------------------------------------------------------


def ranked(scores: Sequence[float]) -> list[int]:
    """Return the positions from the best score to the worst."""
    return sorted(range(len(scores)), key=lambda position: rank_key(scores[position], position))


def rank_key(score: float, position: int) -> tuple[bool, float, int]:
    """Return what sorts the best first: of equal scores the earlier, NaN last."""
    failed = math.isnan(score)
    return failed, 0.0 if failed else -score, position


def assign_places(brackets: Sequence[int], places: Mapping[int, int]) -> list[int]:
    """Return in which bracket each of the promoted, best first, goes on.

    `brackets` says where they come from. Each takes a place of its own bracket
    while there is one; the others take what is then free, the widest bracket first.
    """
    free = dict(places)
    assigned: list[int | None] = []
    for bracket in brackets:
        stays = free.get(bracket, 0) > 0
        if stays:
            free[bracket] -= 1
        assigned.append(bracket if stays else None)
    left: Iterator[int] = iter(b for b in sorted(free, reverse=True) for _ in range(free[b]))
    return [next(left) if bracket is None else bracket for bracket in assigned]


# --- tables ------------------------------------------------------------------------


def format_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return rows under their headings, everything aligned to the right."""
    cells = [list(columns)] + [[_format_cell(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )


def _format_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def to_frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    """Return the table as a pandas frame."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "A data frame needs pandas: install it, or skhyperband[pandas]."
        ) from error
    return pandas.DataFrame(rows, columns=list(columns))
