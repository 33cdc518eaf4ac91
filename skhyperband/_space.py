"""The search space: whether it is valid, how many candidates it has, and when two are equal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from skhyperband._messages import repr_of

Candidate = dict[str, Any]
Space = list[dict[str, Any]]


# --- candidates --------------------------------------------------------------------


def candidate_key(candidate: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a key that two candidates share if, and only if, they are equal.

    Numbers, strings and None compare by type and value, since many estimators distinguish
    1, 1.0 and True. Other objects compare by identity: a list in the space gives the same
    object each time, and many objects have no equality of their own.
    """
    return tuple((name, value_key(candidate[name])) for name in sorted(candidate))


def value_key(value: Any) -> tuple[Any, ...]:
    """Return a key that two values of a parameter share if, and only if, they are equal."""
    value = plain(value)
    if isinstance(value, np.generic):
        return type(value), repr(value)  # Dates, and floats longer than Python's.
    if isinstance(value, float):
        return type(value), value.hex()  # NaN equals NaN, and -0.0 is not 0.0.
    if value is None or isinstance(value, (bool, int, complex, str, bytes)):
        return type(value), value
    if isinstance(value, (tuple, list)):
        return type(value), tuple(value_key(item) for item in value)
    return type(value), id(value)


def plain(value: Any) -> Any:
    """Return a number or a string of NumPy as one of Python; other values are unchanged."""
    if not isinstance(value, np.generic):
        return value
    item = value.item()
    return item if isinstance(item, (bool, int, float, complex, str, bytes)) else value


# --- the space ---------------------------------------------------------------------


def draws_integers(distribution: Any) -> bool:
    """Return whether SciPy draws integers from a distribution.

    It does so from discrete ones, except for a sample of floats, where 1.0 may mean something else
    than 1.
    """
    dist = getattr(distribution, "dist", distribution)
    if not isinstance(dist, stats.rv_discrete):
        return False
    return np.asarray(getattr(dist, "xk", 0)).dtype.kind != "f"


def as_space(param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Space:
    """Return the space as a list of dicts."""
    if isinstance(param_distributions, Mapping):
        return as_space([param_distributions])
    # `ParameterSampler` takes no other mapping.
    return [part if isinstance(part, dict) else dict(part) for part in param_distributions]


# A grid is listed in memory.
_MOST_POINTS = 10_000_000


def check_space(
    param_distributions: Any, *, lists_only: bool, resource: str | None = None
) -> None:
    """Raise if candidates cannot be drawn from the space, or if it contains the resource."""
    is_list = isinstance(param_distributions, (list, tuple))
    parts = param_distributions if is_list else [param_distributions]
    if is_list and not parts:
        raise ValueError(
            f"param_distributions={repr_of(param_distributions)} is empty; give a dict, or a "
            "list of at least one."
        )
    for part in parts:
        if not isinstance(part, Mapping):
            raise TypeError(
                f"param_distributions={repr_of(param_distributions)} must be a dict, or a list "
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
    if lists_only and count_points(parts) > _MOST_POINTS:
        raise ValueError(
            f"n_candidates='all' would be about 1e{math.log10(count_points(parts)):.0f} "
            "candidates, all points of the "
            "grid in param_distributions; give n_candidates a number."
        )


def _check_values(name: Any, values: Any, lists_only: bool) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{_shown(name, values)}: the names of parameters must be strings.")
    if hasattr(values, "rvs"):
        if lists_only:
            raise ValueError(
                f"{_shown(name, values)} is a distribution, which has no end: with "
                "n_candidates='all' give lists only, or give n_candidates a number."
            )
        return
    is_list = isinstance(values, (Sequence, np.ndarray)) and not isinstance(values, str)
    if not is_list:
        raise TypeError(
            f"{_shown(name, values)} must be a list of values, or a distribution with an rvs "
            "method such as those of scipy.stats; put a single value into a list."
        )
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"{_shown(name, values)} has {values.ndim} dimensions; give it one.")
    try:
        n_values = len(values)
    except OverflowError as error:
        raise ValueError(
            f"{_shown(name, values)} has more values than Python can count; give a "
            "distribution such as scipy.stats.randint."
        ) from error
    if n_values == 0:
        raise ValueError(f"{_shown(name, values)} is empty; give it at least one value.")


def _shown(name: Any, values: Any) -> str:
    """Return how an error shows the values of a parameter; their repr may raise or be huge."""
    return f"param_distributions[{repr_of(name)}]={repr_of(values)}"


def is_finite(space: Space) -> bool:
    """Return whether the space consists of lists only."""
    return not any(hasattr(values, "rvs") for part in space for values in part.values())


def space_size(space: Space, known: Iterable[Candidate] = ()) -> int | None:
    """Return the number of candidates besides the known ones; None if it is unlimited."""
    if not is_finite(space):
        return None
    distinct = {candidate_key(candidate): candidate for candidate in known}.values()
    return count_points(space) - sum(count_occurrences(space, c) for c in distinct)


def count_points(space: Space) -> int:
    """Return the number of points in the grid of a finite space."""
    return sum(math.prod(map(len, part.values())) for part in space)


def point_of_grid(space: Space, index: int) -> Candidate:
    """Return a point of the grid by its index, which may exceed the integers of NumPy."""
    candidate: Candidate = {}
    for part in space:
        n_points = count_points([part])
        if index < n_points:
            for name, values in sorted(part.items()):
                index, position = divmod(index, len(values))
                candidate[name] = values[position]
            break
        index -= n_points
    return candidate


def count_occurrences(space: Space, candidate: Candidate) -> int:
    """Return how many points of the grid equal the candidate: lists may repeat values."""
    return sum(_occurrences(part, candidate) for part in space)


def _occurrences(part: Mapping[str, Any], candidate: Candidate) -> int:
    if part.keys() != candidate.keys():
        return 0
    return math.prod(_count(part[name], value) for name, value in candidate.items())


def _count(values: Sequence[Any], value: Any) -> int:
    """Return how often the value is among the values, without iterating over a range."""
    key = value_key(value)
    if isinstance(values, range):
        return int(key[0] is int and key[1] in values)
    return list(map(value_key, values)).count(key)
