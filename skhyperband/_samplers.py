"""Decides which candidates are tried: the search space, and what draws from it."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.utils.random import sample_without_replacement

Candidate = dict[str, Any]
Space = list[Mapping[str, Any]]


class Sampler(Protocol):
    """What draws candidates, and may learn from how they did."""

    def ask(self, n: int) -> list[Candidate]:
        """Return n candidates, which may be 0; fewer, where there are no more."""

    def tell(self, candidates: list[Candidate], scores: list[float], n_resources: int) -> None:
        """Take the mean scores of a level's candidates, NaN for those that failed."""


# --- candidates --------------------------------------------------------------------


def candidate_key(candidate: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what two candidates share if, and only if, they are the same.

    Values compare by type and value, since 1, 1.0 and True mean different things
    to many an estimator; what has no plain value compares by identity, which
    serves because a list hands out the same object each time.
    """
    return tuple((name, _value_key(candidate[name])) for name in sorted(candidate))


def _value_key(value: Any) -> tuple[Any, ...]:
    if isinstance(value, np.generic):
        plain = value.item()
        if not isinstance(plain, (bool, int, float, complex, str, bytes)):
            return type(value), repr(value)  # Dates, and floats beyond Python's.
        value = plain
    if isinstance(value, float):
        return type(value), value.hex()
    if value is None or isinstance(value, (bool, int, complex, str, bytes)):
        return type(value), value
    if isinstance(value, (tuple, list)):
        return type(value), tuple(_value_key(item) for item in value)
    return type(value), id(value)


# --- the space ---------------------------------------------------------------------


def as_space(param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Space:
    """Return the space as a list of dicts."""
    if isinstance(param_distributions, Mapping):
        return [param_distributions]
    return list(param_distributions)


def check_space(param_distributions: Any, *, lists_only: bool, resource: str) -> None:
    """Raise for anything that cannot be sampled from, or that contains the resource."""
    is_list = isinstance(param_distributions, (list, tuple))
    parts = param_distributions if is_list else [param_distributions]
    if is_list and not parts:
        raise ValueError(
            f"param_distributions={param_distributions!r} is empty; give a dict, or a "
            "list of at least one."
        )
    for part in parts:
        if not isinstance(part, Mapping):
            raise TypeError(
                f"param_distributions={param_distributions!r} must be a dict, or a list "
                "of dicts, of parameter names to lists or distributions; "
                f"got a {type(part).__name__}."
            )
        for name, values in part.items():
            _check_values(name, values, lists_only)
            if name == resource:
                raise ValueError(
                    f"param_distributions contains {name!r}, which is the resource: the "
                    "search sets it. Take it out, or choose another resource."
                )
    if lists_only and _n_points(parts) > sys.maxsize:
        raise ValueError(
            f"n_candidates='all' would be {_n_points(parts):.2e} candidates, all points of the "
            "grid in param_distributions; give n_candidates a number."
        )


def _check_values(name: Any, values: Any, lists_only: bool) -> None:
    label = f"param_distributions[{name!r}]={values!r}"
    if not isinstance(name, str):
        raise TypeError(f"{label}: the names of parameters must be strings.")
    if hasattr(values, "rvs"):
        if lists_only:
            raise ValueError(
                f"{label} is a distribution, which has no end: with n_candidates='all' "
                "give lists only, or give n_candidates a number."
            )
        return
    is_list = isinstance(values, (Sequence, np.ndarray)) and not isinstance(values, str)
    if not is_list:
        raise TypeError(
            f"{label} must be a list of values, or a distribution with an rvs method "
            "such as those of scipy.stats; put a single value into a list."
        )
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"{label} has {values.ndim} dimensions; give it one.")
    try:
        n_values = len(values)
    except OverflowError as error:
        raise ValueError(
            f"{label} has more values than Python can count; give a distribution such as "
            "scipy.stats.randint."
        ) from error
    if n_values == 0:
        raise ValueError(f"{label} is empty; give it at least one value.")


def is_finite(space: Space) -> bool:
    """Return whether the space consists of lists only."""
    return not any(hasattr(values, "rvs") for part in space for values in part.values())


def space_size(space: Space, known: Iterable[Candidate] = ()) -> int | None:
    """Return how many candidates there are besides the known ones; None: no end."""
    if not is_finite(space):
        return None
    distinct = {candidate_key(candidate): candidate for candidate in known}.values()
    return _n_points(space) - sum(_occurrences(part, c) for part in space for c in distinct)


def _n_points(space: Space) -> int:
    return sum(math.prod(map(len, part.values())) for part in space)


def _point(space: Space, index: int) -> Candidate:
    """Return the point of the grid with that number, however large the number is."""
    candidate: Candidate = {}
    for part in space:
        n_points = _n_points([part])
        if index < n_points:
            for name, values in sorted(part.items()):
                index, position = divmod(index, len(values))
                candidate[name] = values[position]
            break
        index -= n_points
    return candidate


def _occurrences(part: Mapping[str, Any], candidate: Candidate) -> int:
    """Return how many points of a grid are the candidate: lists may repeat values."""
    if part.keys() != candidate.keys():
        return 0
    return math.prod(_count(part[name], value) for name, value in candidate.items())


def _count(values: Sequence[Any], value: Any) -> int:
    """Return how many of the values are that one; a range is not walked through."""
    key = _value_key(value)
    if isinstance(values, range):
        return int(key[0] is int and key[1] in values)
    return list(map(_value_key, values)).count(key)


# --- samplers ----------------------------------------------------------------------


class GridSampler:
    """Gives the whole grid in the order of `ParameterGrid`."""

    def __init__(self, space: Space, known: Iterable[Candidate] = ()):
        skipped = {candidate_key(candidate) for candidate in known}
        self._left: Iterator[Candidate] = (
            candidate
            for candidate in ParameterGrid(space)
            if candidate_key(candidate) not in skipped
        )

    def ask(self, n: int) -> list[Candidate]:
        """Return the next n candidates of the grid."""
        return [candidate for _, candidate in zip(range(n), self._left)]  # noqa: B905

    def tell(self, candidates: list[Candidate], scores: list[float], n_resources: int) -> None:
        """Learn nothing."""


class RandomSampler:
    """Draws as `ParameterSampler` does, from lists without replacement throughout.

    The first call gives the very candidates of `ParameterSampler` with
    `random_state`; each later one draws from a child of `seed` of its own.
    """

    def __init__(
        self,
        space: Space,
        random_state: int | np.random.RandomState,
        seed: int,
        known: Iterable[Candidate] = (),
    ):
        self._space = space
        self._random_state = random_state
        self._seed = seed
        self._n_calls = 0
        self._known = {candidate_key(candidate) for candidate in known}
        self._drawn: list[int] = []
        self._n_points = _n_points(space) if is_finite(space) else None

    def ask(self, n: int) -> list[Candidate]:
        """Return n candidates; fewer, once a space of lists has been drawn from wholly."""
        random_state = self._next_random_state()
        if self._n_points is None:
            return list(ParameterSampler(self._space, n, random_state=random_state))
        if isinstance(random_state, int):
            random_state = np.random.RandomState(random_state)
        if self._n_points > sys.maxsize:
            return self._from_huge_space(n, self._n_points, random_state)
        return self._without_replacement(n, random_state)

    def tell(self, candidates: list[Candidate], scores: list[float], n_resources: int) -> None:
        """Learn nothing."""

    def _next_random_state(self) -> int | np.random.RandomState:
        call, self._n_calls = self._n_calls, self._n_calls + 1
        if call == 0:
            return self._random_state
        child = np.random.SeedSequence(self._seed, spawn_key=(call,))
        return np.random.RandomState(np.random.MT19937(child))

    def _from_huge_space(
        self, n: int, size: int, random_state: np.random.RandomState
    ) -> list[Candidate]:
        """Draw from more points than `ParameterSampler` can number, again where one came before.

        Of so many, hardly any draw is a second one.
        """
        candidates: list[Candidate] = []
        drawn = set(self._drawn)
        while len(candidates) < n:
            index = _integer_below(size, random_state)
            candidate = _point(self._space, index)
            if index not in drawn and candidate_key(candidate) not in self._known:
                drawn.add(index)
                self._drawn.append(index)
                candidates.append(candidate)
        return candidates

    def _without_replacement(self, n: int, random_state: np.random.RandomState) -> list[Candidate]:
        grid = ParameterGrid(self._space)
        candidates: list[Candidate] = []
        while len(candidates) < n and len(self._drawn) < len(grid):
            fresh = (grid[i] for i in self._draw(n - len(candidates), len(grid), random_state))
            candidates += [c for c in fresh if candidate_key(c) not in self._known]
        return candidates

    def _draw(self, n: int, size: int, random_state: np.random.RandomState) -> list[int]:
        """Draw n indices of those below size that were not drawn before."""
        n_left = size - len(self._drawn)
        ranks = sample_without_replacement(n_left, min(n, n_left), random_state=random_state)
        # The rank among what is left, moved up past each drawn index below it.
        taken = np.sort(np.asarray(self._drawn, dtype=np.int64))
        gaps = taken - np.arange(len(taken))
        indices = ranks + np.searchsorted(gaps, ranks, side="right")
        self._drawn += indices.tolist()
        return indices.tolist()


def _integer_below(bound: int, random_state: np.random.RandomState) -> int:
    """Draw a non-negative integer below a bound of any size, all equally likely."""
    n_bytes = (bound.bit_length() + 7) // 8
    surplus = 8 * n_bytes - bound.bit_length()
    while True:
        drawn = int.from_bytes(random_state.bytes(n_bytes), "little") >> surplus
        if drawn < bound:
            return drawn
