"""Describes the parameters of a search in the terms of Optuna: its distributions and values."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from skhyperband._messages import repr_of, shortened
from skhyperband._samplers.axes import (
    LARGEST_EXACT,
    MOST_CATEGORIES,
    DistributionAxis,
    ListAxis,
    axis_of,
    is_finite_number,
    suits_log_scale,
)
from skhyperband._space import Candidate, Space, plain, value_key

# The part of a distribution that counts where it has no end.
_TAIL = 1e-3
# Of the text of a value that Optuna cannot store, in characters.
_LONGEST_TEXT = 200
_OTHER = "{} (other)"


# --- numbers -----------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """The numbers that a parameter may have.

    Attributes
    ----------
    low, high : float
        The smallest and the largest number.
    is_integer : bool
        Whether all of them are integers.
    is_log : bool
        Whether they are spread over a logarithmic scale.
    """

    low: float
    high: float
    is_integer: bool
    is_log: bool

    def holds(self, value: Any) -> bool:
        """Return whether a value is such a number, whatever the ends are."""
        if not is_finite_number(value):
            return False
        if self.is_integer:
            is_whole = value == int(value) and abs(value) <= LARGEST_EXACT
            return is_whole and (value >= 1 or not self.is_log)
        return value > 0 or not self.is_log

    def stored(self, value: Any) -> float:
        """Return a number as Optuna stores it."""
        return int(value) if self.is_integer else float(value)

    def extended_to(self, values: Iterable[Any]) -> "Numbers":
        """Return the numbers with ends that contain all values that are such numbers."""
        held = [value for value in values if self.holds(value)]
        low = self.stored(min([self.low, *held]))
        return Numbers(low, self.stored(max([self.high, *held])), self.is_integer, self.is_log)

    def distribution(self, kinds: Any) -> Any:
        """Return the distribution of Optuna."""
        kind = kinds.IntDistribution if self.is_integer else kinds.FloatDistribution
        return kind(self.low, self.high, log=self.is_log)


def _numbers_of(values: Any, measured: Sequence[Any]) -> Numbers | None:
    """Return the numbers of a distribution or of a long list; None if there are none.

    The numbers of a distribution without quantiles are those that were drawn.
    """
    axis = axis_of(values)
    if isinstance(axis, DistributionAxis):
        low, high = _ends(axis)
        return _numbers(low, axis.value(0.5), high, is_integer=_has_integers(axis))
    if isinstance(axis, ListAxis):
        if _has_choices(values) or not axis.is_ordered:
            return None
        if not isinstance(values, range):
            axis = ListAxis([value for value in axis.values if is_finite_number(value)])
        if not axis.n_values:
            return None
        low, median, high = sorted(axis.value(coordinate) for coordinate in (0, 0.5, 1))
        return _numbers(low, median, high, is_integer=_are_integers(axis.values))
    drawn = sorted(value for value in measured if is_finite_number(value))
    if not drawn:
        return None
    median = drawn[len(drawn) // 2]
    return _numbers(drawn[0], median, drawn[-1], is_integer=_are_integers(drawn))


def _has_choices(values: Any) -> bool:
    """Return whether each value of a parameter is a choice of its own."""
    is_list = not hasattr(values, "rvs") and not isinstance(values, range)
    return is_list and len(values) <= MOST_CATEGORIES


def _ends(axis: DistributionAxis) -> tuple[float, float]:
    """Return the ends of a distribution; where it has none, quantiles near to them."""
    support = getattr(axis.distribution, "support", None)
    ends = (-math.inf, math.inf) if support is None else support()
    quantiles = axis.value(_TAIL), axis.value(1 - _TAIL)
    low, high = (
        float(end) if math.isfinite(end) else quantile
        for end, quantile in zip(ends, quantiles, strict=True)
    )
    return low, high


def _has_integers(axis: DistributionAxis) -> bool:
    return axis.has_integers and float(axis.value(0.5)).is_integer()


def _are_integers(values: Sequence[Any]) -> bool:
    return isinstance(values, range) or all(isinstance(plain(value), int) for value in values)


def _numbers(low: Any, median: Any, high: Any, *, is_integer: bool) -> Numbers:
    """Return numbers, whose scale is the one on which the median is in the middle of the ends."""
    low, median, high = float(low), float(median), float(high)
    is_log = suits_log_scale(low, median, high)
    is_integer = is_integer and max(abs(low), abs(high)) <= LARGEST_EXACT
    return Numbers(low, high, is_integer, is_log)


def _united(ranges: Sequence[Numbers]) -> Numbers:
    return Numbers(
        min(numbers.low for numbers in ranges),
        max(numbers.high for numbers in ranges),
        all(numbers.is_integer for numbers in ranges),
        all(numbers.is_log for numbers in ranges),
    )


# --- categories --------------------------------------------------------------------


@dataclass(frozen=True)
class Categories:
    """The values of a parameter that are not described by a range of numbers.

    Attributes
    ----------
    choices : tuple
        The values as Optuna stores them, each once.
    as_text : bool
        Whether all of them are texts, since Optuna would not tell them apart: 1 equals True.
    """

    choices: tuple[Any, ...]
    as_text: bool

    def stored(self, value: Any) -> Any:
        """Return a value as Optuna stores it."""
        return _text(value) if self.as_text else _storable(value)

    def distribution(self, kinds: Any) -> Any:
        """Return the distribution of Optuna."""
        return kinds.CategoricalDistribution(self.choices)


def _categories(values: Iterable[Any]) -> Categories:
    stored = [_storable(value) for value in values]
    as_text = len(set(stored)) < len({(type(value), value) for value in stored})
    if as_text:
        stored = [_text(value) for value in values]
    return Categories(tuple(dict.fromkeys(stored)), as_text)


def _storable(value: Any) -> Any:
    """Return a value if Optuna can store it, else its text: its dashboard reads JSON."""
    value = plain(value)
    is_finite_float = type(value) is float and math.isfinite(value)
    if value is None or is_finite_float or type(value) in (bool, int, str):
        return value
    return _text(value)


def _text(value: Any) -> str:
    return shortened(" ".join(repr_of(plain(value)).split()), _LONGEST_TEXT)


# --- parameters --------------------------------------------------------------------


@dataclass(frozen=True)
class OptunaParameter:
    """A parameter of a search as one or two parameters of Optuna.

    A distribution of Optuna has numbers or categories, and a parameter has one distribution in
    all trials. So the values of a parameter with numbers that are none, such as None among
    integers, belong to a second parameter.

    Attributes
    ----------
    name : str
    numbers : Numbers or None
    categories : Categories or None
    """

    name: str
    numbers: Numbers | None
    categories: Categories | None

    def stored(self, value: Any, kinds: Any) -> tuple[str, Any, Any]:
        """Return the name, the value and the distribution that a value has in Optuna."""
        if self.numbers is not None and self.numbers.holds(value):
            return self.name, self.numbers.stored(value), self.numbers.distribution(kinds)
        assert self.categories is not None
        name = self.name if self.numbers is None else _OTHER.format(self.name)
        return name, self.categories.stored(value), self.categories.distribution(kinds)


def optuna_parameters(space: Space, candidates: Sequence[Candidate]) -> dict[str, OptunaParameter]:
    """Return the parameters of a space, extended to all values of the candidates, by name."""
    names = dict.fromkeys(name for part in [*space, *candidates] for name in part)
    return {
        name: _parameter(
            name,
            [part[name] for part in space if name in part],
            [candidate[name] for candidate in candidates if name in candidate],
        )
        for name in names
    }


def _parameter(name: str, searched: Sequence[Any], measured: Sequence[Any]) -> OptunaParameter:
    """Return a parameter, given its lists and distributions and the values that it had."""
    ranges = [found for one in searched if (found := _numbers_of(one, measured)) is not None]
    listed = [value for one in searched if _has_choices(one) for value in one]
    values = list({value_key(value): value for value in [*listed, *measured]}.values())
    if not ranges:
        return OptunaParameter(name, None, _categories(values))
    numbers = _united(ranges).extended_to(values)
    others = [value for value in values if not numbers.holds(value)]
    return OptunaParameter(name, numbers, _categories(others) if others else None)
