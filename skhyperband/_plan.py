"""The plan of a search: its brackets with their rungs, what they cost, and how it prints."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from skhyperband._html import rung_table
from skhyperband._messages import counted
from skhyperband._schedule import Bracket, Level, LevelSize, Rung, bracket_cost, group_by_level
from skhyperband._tables import Cell, format_table, to_frame


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
    ladder: tuple[LevelSize, ...]
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
        cost = sum(bracket_cost(bracket, continued) for bracket in self.brackets)
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


# --- durations in words ------------------------------------------------------------


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
