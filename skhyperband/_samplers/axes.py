"""Axes: parameters whose values have coordinates between 0 and 1.

The coordinate of a parameter with a distribution is the quantile of its value, so that uniform,
log-uniform and integer parameters are all uniform between 0 and 1. The coordinate of a parameter
with a list is the place of its value in the list.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy import stats

from skhyperband._space import draws_integers, value_key

# The quantiles 0 and 1 may be infinite.
_MARGIN = 1e-9
# Floats count the integers up to this one.
LARGEST_EXACT = 2**53
# Distributions with these quantiles in common are taken as equal.
_COMPARED = (0.01, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 0.99)
# A longer list without order has one feature, not one for each value.
MOST_CATEGORIES = 64
# Numbers whose ends differ by less than this factor are on a linear scale.
_LEAST_RATIO_OF_LOG = 10.0


class Axis(Protocol):
    """A parameter whose values have coordinates between 0 and 1.

    Attributes
    ----------
    n_features : int
        The number of features that describe a value.
    n_values : int or None
        The number of values of a list; None for a distribution.
    is_ordered : bool
        Whether values with close coordinates are similar.
    """

    @property
    def n_features(self) -> int: ...

    @property
    def n_values(self) -> int | None: ...

    @property
    def is_ordered(self) -> bool: ...

    def coordinates(self, values: Sequence[Any]) -> np.ndarray:
        """Return the coordinate of each value, NaN for what is no value of the parameter."""

    def value(self, coordinate: float) -> Any:
        """Return the value that has a coordinate."""

    def centred(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the coordinates that `coordinates` gives the values at these."""

    def features(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the features of coordinates, of shape (n, n_features)."""


class DistributionAxis:
    """A parameter with a distribution of numbers that has quantiles."""

    n_features = 1
    n_values = None
    is_ordered = True

    def __init__(self, distribution: Any):
        self.distribution = distribution
        dist = getattr(distribution, "dist", distribution)
        self.is_discrete = isinstance(dist, stats.rv_discrete)
        self.has_integers = draws_integers(distribution)
        self._has_steps = False
        if not isinstance(dist, (stats.rv_continuous, stats.rv_discrete)):
            self._has_steps = self._rounds()

    def coordinates(self, values: Sequence[Any]) -> np.ndarray:
        """Return the quantile of each value; of a discrete one, the middle of its quantiles."""
        numbers = np.array([_as_float(value) for value in values])
        if hasattr(self.distribution, "support"):
            low, high = self.distribution.support()
            numbers[(numbers < low) | (numbers > high)] = np.nan
        with np.errstate(all="ignore"):
            quantiles = np.asarray(self.distribution.cdf(numbers), dtype=float)
            if self.is_discrete:
                quantiles = quantiles - np.asarray(self.distribution.pmf(numbers)) / 2
        quantiles = np.where(np.isnan(numbers), np.nan, quantiles)
        return self._on_steps(numbers, quantiles) if self._has_steps else quantiles

    def _on_steps(self, numbers: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
        """Return quantiles that have these values; those of a step's edge may have the next one."""
        found = quantiles.copy()
        for index in np.flatnonzero(np.isfinite(quantiles)):
            shifted = (quantiles[index] + shift for shift in (0.0, 1e-9, -1e-9, 1e-6, -1e-6))
            right = (q for q in shifted if 0 <= q <= 1 and self.value(q) == numbers[index])
            found[index] = next(right, quantiles[index])
        return found

    def value(self, coordinate: float) -> Any:
        """Return the value that has the quantile."""
        value = self.distribution.ppf(min(max(coordinate, _MARGIN), 1 - _MARGIN))
        value = value.item() if hasattr(value, "item") else value
        return int(value) if self.has_integers and value == int(value) else value

    def _rounds(self) -> bool:
        """Return whether different quantiles have the same value."""
        tried = np.linspace(0.05, 0.95, 7)
        return not np.allclose(self.coordinates([self.value(q) for q in tried]), tried, atol=1e-6)

    def centred(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the middle of the quantiles of discrete values, else the quantiles."""
        if self.is_discrete:
            values = self.distribution.ppf(np.clip(coordinates, _MARGIN, 1 - _MARGIN))
            return self.distribution.cdf(values) - self.distribution.pmf(values) / 2
        if not self._has_steps:
            return coordinates
        centred = coordinates.copy()
        has_value = np.isfinite(coordinates)
        values = [self.value(coordinate) for coordinate in coordinates[has_value]]
        centred[has_value] = np.clip(self.coordinates(values), 0.0, 1.0)
        return centred

    def features(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the quantiles themselves."""
        return coordinates[:, np.newaxis]


class ListAxis:
    """A parameter with a list of values.

    Different numbers are ordered by size. Other values have no order, and a feature each.
    """

    def __init__(self, values: Sequence[Any]):
        is_range = isinstance(values, range)
        if not is_range:
            values = list({value_key(value): value for value in values}.values())
        self.values = values
        self.n_values: int = len(values)
        has_numbers = not is_range and all(map(is_number, values))
        self.is_ordered = is_range or has_numbers
        # The indices of the values in the order of their coordinates.
        self._order: Sequence[int] = range(self.n_values)
        if has_numbers:
            self._order = sorted(self._order, key=lambda index: values[index])
        # Of numbers only: a deep copy of this object has copies of other objects in its list.
        self._places_of_numbers = self._find_places() if has_numbers else None
        has_one = self.is_ordered or self.n_values > MOST_CATEGORIES
        self.n_features = 1 if has_one else self.n_values

    def coordinates(self, values: Sequence[Any]) -> np.ndarray:
        """Return the middle of the interval that belongs to each value."""
        places = np.array(self._places(values), dtype=float)
        return (places + 0.5) / self.n_values

    def _places(self, values: Sequence[Any]) -> list[float]:
        if isinstance(self.values, range):
            return [self._place_in_range(value) for value in values]
        places = self._places_of_numbers or self._find_places()
        return [places.get(value_key(value), np.nan) for value in values]

    def _find_places(self) -> dict[Any, int]:
        return {value_key(self.values[index]): p for p, index in enumerate(self._order)}

    def _place_in_range(self, value: Any) -> float:
        is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        # Of other types, Python would compare one element after the other.
        return (
            self.values.index(int(value)) if is_integer and int(value) in self.values else np.nan
        )

    def value(self, coordinate: float) -> Any:
        """Return the value to whose interval the coordinate belongs."""
        return self.values[self._order[min(int(coordinate * self.n_values), self.n_values - 1)]]

    def centred(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the middle of the intervals in which the coordinates lie."""
        places = np.minimum(np.floor(coordinates * self.n_values), self.n_values - 1)
        return (places + 0.5) / self.n_values

    def features(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the coordinates of ordered values, else which of the values it is."""
        if self.n_features == 1:
            return coordinates[:, np.newaxis]
        places = np.floor(coordinates[:, np.newaxis] * self.n_features)
        return (places == np.arange(self.n_features)).astype(float)


def is_number(value: Any) -> bool:
    """Return whether a value is a real number that equals itself: no bool, and not NaN."""
    has_type = isinstance(value, (int, float, np.integer, np.floating))
    is_other = isinstance(value, (bool, np.timedelta64))  # Both are integers to Python or NumPy.
    return has_type and not is_other and bool(value == value)


def is_finite_number(value: Any) -> bool:
    """Return whether a value is a number that a float can hold, and not infinite."""
    return math.isfinite(_as_float(value))


def suits_log_scale(low: float, median: float, high: float) -> bool:
    """Return whether a median is nearer to the middle of a logarithmic scale than of a linear one."""
    if low <= 0 or high < _LEAST_RATIO_OF_LOG * low:
        return False
    linear = (median / 2 - low / 2) / (high / 2 - low / 2)  # Differences may be too large.
    logarithmic = (math.log(median) - math.log(low)) / (math.log(high) - math.log(low))
    return abs(logarithmic - 0.5) < abs(linear - 0.5)


def _as_float(value: Any) -> float:
    """Return a number as a float; NaN for what is none, or too large."""
    try:
        return float(value) if is_number(value) else np.nan
    except OverflowError:
        return np.nan


def axis_of(values: Any) -> Axis | None:
    """Return the axis of a parameter; None if its values have no coordinates."""
    if not hasattr(values, "rvs"):
        return ListAxis(values)
    if not _has_quantiles(values):
        return None
    try:
        axis = DistributionAxis(values)
        tried = [axis.value(coordinate) for coordinate in (0.0, 0.3, 1.0)]
        return axis if np.isfinite(axis.coordinates(tried)).all() else None
    except Exception:  # Of a distribution of the user's own.
        return None


def _has_quantiles(distribution: Any) -> bool:
    """Return whether quantiles of a distribution are exact, and found quickly."""
    dist = getattr(distribution, "dist", distribution)
    if not isinstance(dist, (stats.rv_continuous, stats.rv_discrete)):
        return hasattr(distribution, "ppf") and hasattr(distribution, "cdf")
    draws = type(distribution).rvs, type(dist).rvs, type(dist)._rvs
    if not all(draw.__module__.startswith("scipy.") for draw in draws):
        return False  # What it draws is not what its quantiles are.
    if isinstance(dist, stats.rv_continuous):
        return True
    ends = np.abs(distribution.support())
    # SciPy's general way counts up to the quantile one by one.
    is_searched = type(dist)._ppf is stats.rv_discrete._ppf
    if np.isinf(ends).any():
        return not is_searched
    return bool(ends.max() <= LARGEST_EXACT)


def are_equal(one: Axis, other: Axis) -> bool:
    """Return whether two axes give each value the same coordinate."""
    if isinstance(one, ListAxis) and isinstance(other, ListAxis):
        if isinstance(one.values, range) or isinstance(other.values, range):
            return bool(one.values == other.values)
        return list(map(value_key, one.values)) == list(map(value_key, other.values))
    if isinstance(one, DistributionAxis) and isinstance(other, DistributionAxis):
        a, b = one.distribution, other.distribution
        return a is b or (
            type(getattr(a, "dist", a)) is type(getattr(b, "dist", b))
            and all(
                value_key(one.value(quantile)) == value_key(other.value(quantile))
                for quantile in _COMPARED
            )
        )
    return False
