"""Translates candidates into points of a unit cube and into features of a model, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._samplers.axes import MOST_CATEGORIES, Axis, are_equal, axis_of
from skhyperband._space import Candidate, Space

# The coordinate of a parameter that a candidate does not have.
_NEUTRAL = 0.5


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
            if name in numbers and are_equal(self.axes[numbers[name]], axis):
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
        """Return the point of each candidate, in the first dict of the space that contains it.

        Dicts with exactly its names come before those whose other names have defaults.
        """
        parts = np.full(len(candidates), -1)
        coordinates = np.full((len(candidates), len(self.axes)), np.nan)
        for part, axis_numbers in enumerate(self._axis_numbers):
            chosen = [
                i
                for i, candidate in enumerate(candidates)
                if parts[i] < 0 and self._may_be_of(part, candidate)
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

    def _may_be_of(self, part: int, candidate: Candidate) -> bool:
        has_own_names = any(candidate.keys() == other.keys() for other in self._space)
        return has_names_of(self._space[part], candidate, {} if has_own_names else self._defaults)

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
