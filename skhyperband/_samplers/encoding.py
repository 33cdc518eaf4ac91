"""Translates candidates into points of a unit cube and into features of a model, and back.

The coordinate of a parameter with a distribution is the quantile of its value, so that uniform,
log-uniform and integer parameters are all uniform between 0 and 1. The coordinate of a parameter
with a list is the place of its value in the list.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import stats

from skhyperband._space import Candidate, Space, value_key

# The quantiles 0 and 1 may be infinite.
_MARGIN = 1e-9
# Floats count the integers up to this one.
LARGEST_EXACT = 2**53
# Distributions with these quantiles in common are taken as equal.
_COMPARED = np.array([0.01, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 0.99])
# A longer list without order has one feature, not one for each value.
MOST_CATEGORIES = 64
# Numbers whose ends differ by less than this factor are on a linear scale.
_LEAST_RATIO_OF_LOG = 10.0
# The coordinate of a parameter that a candidate does not have.
_NEUTRAL = 0.5


# --- one parameter -----------------------------------------------------------------


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
        return np.where(np.isnan(numbers), np.nan, quantiles)

    def value(self, coordinate: float) -> Any:
        """Return the value that has the quantile."""
        value = self.distribution.ppf(min(max(coordinate, _MARGIN), 1 - _MARGIN))
        value = value.item() if hasattr(value, "item") else value
        return int(value) if self.is_discrete and value == int(value) else value

    def centred(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the middle of the quantiles of discrete values, else the quantiles."""
        if not self.is_discrete:
            return coordinates
        values = self.distribution.ppf(np.clip(coordinates, _MARGIN, 1 - _MARGIN))
        return self.distribution.cdf(values) - self.distribution.pmf(values) / 2

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
        return self.values.index(value) if is_integer and value in self.values else np.nan

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
    if not type(distribution).rvs.__module__.startswith("scipy."):
        return False  # What it draws is not what its quantiles are.
    if isinstance(dist, stats.rv_continuous):
        return True
    ends = np.abs(distribution.support())
    # SciPy's general way counts up to the quantile one by one.
    is_searched = type(dist)._ppf is stats.rv_discrete._ppf
    if np.isinf(ends).any():
        return not is_searched
    return bool(ends.max() <= LARGEST_EXACT)


def _are_equal(one: Axis, other: Axis) -> bool:
    """Return whether two axes give each value the same coordinate."""
    if isinstance(one, ListAxis) and isinstance(other, ListAxis):
        if isinstance(one.values, range) or isinstance(other.values, range):
            return bool(one.values == other.values)
        return list(map(value_key, one.values)) == list(map(value_key, other.values))
    if isinstance(one, DistributionAxis) and isinstance(other, DistributionAxis):
        a, b = one.distribution, other.distribution
        return a is b or (
            type(getattr(a, "dist", a)) is type(getattr(b, "dist", b))
            and np.array_equal(a.ppf(_COMPARED), b.ppf(_COMPARED))
        )
    return False


# --- the space ---------------------------------------------------------------------


def has_names_of(
    part: Mapping[str, Any], candidate: Candidate, defaults: Mapping[str, Any]
) -> bool:
    """Return whether a candidate has all names of a dict of the space, with those of the defaults.

    A candidate that replaces a step does not have the parameters of the estimator's own step.
    """
    names = part.keys()
    if candidate.keys() == names:
        return True
    missing = names - candidate.keys()
    return candidate.keys() < names and all(
        name in defaults and not any(name.startswith(f"{n}__") for n in candidate)
        for name in missing
    )


def with_defaults(candidate: Candidate, space: Space, defaults: Mapping[str, Any]) -> Candidate:
    """Return a candidate with the values that it has for what it does not name.

    An initial candidate may name only some of the parameters of a dict.
    """
    if any(candidate.keys() == part.keys() for part in space):
        return candidate
    for part in space:
        if has_names_of(part, candidate, defaults):
            return {name: candidate.get(name, defaults.get(name)) for name in part}
    return candidate


@dataclass(frozen=True)
class Points:
    """Candidates as points of the unit cube.

    Attributes
    ----------
    parts : ndarray of shape (n,)
        The number of the dict of the space that each belongs to; -1 for none.
    coordinates : ndarray of shape (n, n_axes)
        NaN for the axes that the dict does not have.
    """

    parts: np.ndarray
    coordinates: np.ndarray

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, chosen: Any) -> "Points":
        return Points(self.parts[chosen], self.coordinates[chosen])

    def __add__(self, other: "Points") -> "Points":
        return Points(
            np.concatenate([self.parts, other.parts]),
            np.concatenate([self.coordinates, other.coordinates]),
        )


class SpaceEncoding:
    """Translates candidates of a space into points and features, and points into candidates.

    Parameters
    ----------
    space : list of dict
        Parameters that several dicts have with the same values share an axis. A parameter
        without quantiles, such as that of a distribution with `rvs` only, has none.
    defaults : dict, optional
        The values that a candidate has for the parameters that it does not name.

    Attributes
    ----------
    axes : list of Axis
    """

    def __init__(self, space: Space, defaults: Mapping[str, Any] | None = None):
        self.axes: list[Axis] = []
        self._names_of_axes: list[str] = []
        self._space = space
        self._defaults = defaults or {}
        # For each dict of the space, the numbers of the axes by the names of the parameters.
        self._axis_numbers: list[dict[str, int]] = []
        for part in space:
            axes = {name: axis_of(values) for name, values in sorted(part.items())}
            self._axis_numbers.append(
                {name: self._number_of(name, a) for name, a in axes.items() if a is not None}
            )
        self._has_part_features = 1 < len(space) <= MOST_CATEGORIES
        self._has_axis = np.array(
            [
                [i in numbers.values() for i in range(len(self.axes))]
                for numbers in self._axis_numbers
            ]
        )

    def _number_of(self, name: str, axis: Axis) -> int:
        """Return the number of the axis, which is a new one unless an earlier dict has it."""
        for numbers in self._axis_numbers:
            if name in numbers and _are_equal(self.axes[numbers[name]], axis):
                return numbers[name]
        self.axes.append(axis)
        self._names_of_axes.append(name)
        return len(self.axes) - 1

    @property
    def names(self) -> list[str]:
        """The names of the parameters that have an axis."""
        return list(dict.fromkeys(self._names_of_axes))

    def is_complete(self, part: int) -> bool:
        """Return whether all parameters of a dict have an axis."""
        return len(self._axis_numbers[part]) == len(self._space[part])

    def parameter_of_features(self) -> np.ndarray:
        """Return the number of the axis of each feature; the choice of the dict is one more."""
        n_of_axes = [axis.n_features for axis in self.axes]
        if self._has_part_features:
            n_of_axes.append(len(self._space))
        return np.repeat(np.arange(max(1, len(n_of_axes))), n_of_axes or 1)

    def axes_of(self, part: int) -> list[int]:
        """Return the numbers of the axes of a dict of the space."""
        return list(self._axis_numbers[part].values())

    def points_of(self, candidates: Sequence[Candidate]) -> Points:
        """Return the point of each candidate, in the first dict of the space that contains it."""
        parts = np.full(len(candidates), -1)
        coordinates = np.full((len(candidates), len(self.axes)), np.nan)
        for part, axis_numbers in enumerate(self._axis_numbers):
            chosen = [
                i
                for i, candidate in enumerate(candidates)
                if parts[i] < 0 and has_names_of(self._space[part], candidate, self._defaults)
            ]
            if not chosen:
                continue
            columns = np.full((len(chosen), len(self.axes)), np.nan)
            for name, number in axis_numbers.items():
                values = [candidates[i].get(name, self._defaults.get(name)) for i in chosen]
                columns[:, number] = self.axes[number].coordinates(values)
            is_inside = ~np.isnan(columns[:, list(axis_numbers.values())]).any(axis=1)
            inside = np.array(chosen)[is_inside]
            parts[inside] = part
            coordinates[inside] = np.clip(columns[is_inside], 0, 1)
        return Points(parts, coordinates)

    def uniform_points(self, n: int, rng: np.random.Generator) -> Points:
        """Return points at random, from each dict of the space with the same probability."""
        parts = rng.integers(len(self._space), size=n)
        uniform = rng.uniform(size=(n, len(self.axes)))
        return Points(parts, np.where(self._has_axis[parts], uniform, np.nan))

    def with_new_values_of(self, name: str, points: Points, rng: np.random.Generator) -> Points:
        """Return points with a parameter drawn anew, and all else as it is.

        If the values of the parameter tell the dicts of the space apart, as the kind of an
        estimator does, the dict is drawn anew, too, with the parameters that only this one has.
        """
        own = [number for number, other in enumerate(self._names_of_axes) if other == name]
        is_new = np.zeros(points.coordinates.shape, dtype=bool)
        is_new[:, own] = True
        parts = points.parts
        if self._tells_parts_apart(own):
            parts = rng.integers(len(self._space), size=len(points))
            is_new |= np.isnan(points.coordinates)
        uniform = rng.uniform(size=points.coordinates.shape)
        coordinates = np.where(is_new, uniform, points.coordinates)
        return Points(parts, np.where(self._has_axis[parts], coordinates, np.nan))

    def _tells_parts_apart(self, numbers: Sequence[int]) -> bool:
        """Return whether these axes of one parameter are different lists without order."""
        axes = [self.axes[number] for number in numbers]
        return len(axes) > 1 and not any(axis.n_values is None or axis.is_ordered for axis in axes)

    def features(self, points: Points) -> np.ndarray:
        """Return the features of points, of shape (n, n_features), each between 0 and 1."""
        columns = []
        for number, axis in enumerate(self.axes):
            column = axis.features(points.coordinates[:, number])
            columns.append(np.where(np.isnan(column), _NEUTRAL, column))
        if self._has_part_features:
            is_in_part = points.parts[:, np.newaxis] == np.arange(len(self._space))
            columns.append(is_in_part.astype(float))
        return np.hstack(columns) if columns else np.zeros((len(points), 1))

    def centred(self, points: Points) -> Points:
        """Return the points that `points_of` gives the candidates at these points."""
        columns = [
            axis.centred(points.coordinates[:, number]) for number, axis in enumerate(self.axes)
        ]
        coordinates = np.column_stack(columns) if columns else points.coordinates
        return Points(points.parts, coordinates)

    def candidates_at(
        self, points: Points, random_state: np.random.RandomState
    ) -> list[Candidate]:
        """Return the candidates at points; what has no coordinate is drawn at random."""
        return [
            self.candidate_at(part, coordinates, random_state)
            for part, coordinates in zip(points.parts.tolist(), points.coordinates, strict=True)
        ]

    def candidate_at(
        self, part: int, coordinates: np.ndarray, random_state: np.random.RandomState
    ) -> Candidate:
        """Return the candidate at a point; what has no coordinate is drawn at random."""
        axis_numbers = self._axis_numbers[part]
        candidate: Candidate = {}
        for name, values in sorted(self._space[part].items()):
            if name in axis_numbers:
                number = axis_numbers[name]
                candidate[name] = self.axes[number].value(coordinates[number])
            else:
                candidate[name] = values.rvs(random_state=random_state)
        return candidate
