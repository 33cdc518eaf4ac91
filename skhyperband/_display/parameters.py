"""The data of the picture of the parameters: each candidate's score, and its parameters."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._display.measurements import Measurements
from skhyperband._messages import repr_of
from skhyperband._samplers.axes import is_finite_number, suits_log_scale
from skhyperband._samplers.encoding import with_defaults
from skhyperband._schedule import LevelSize
from skhyperband._space import Space, plain, value_key

# Numbers of a list that has no more than these stand side by side.
_MOST_SIDE_BY_SIDE = 8
_LONGEST_LABEL = 40


@dataclass(frozen=True)
class NumberAxis:
    """An axis of numbers.

    Attributes
    ----------
    low, high : float
        The least and the largest number that can be drawn, or was.
    is_log : bool
        Whether the axis is logarithmic.
    has_integers : bool
        Whether all numbers are integers.
    """

    low: float
    high: float
    is_log: bool
    has_integers: bool


@dataclass(frozen=True)
class ParameterValues:
    """The values of one parameter.

    Attributes
    ----------
    name : str
        The name of the parameter.
    candidates : ndarray of shape (n,)
        The positions of the candidates that have the parameter.
    axis : NumberAxis or None
        The axis of the numbers; None if all values stand side by side.
    numbers : ndarray of shape (n,)
        The values that lie on the axis; for others NaN.
    label_numbers : ndarray of shape (n,)
        The position in `labels` of the values that do not lie on the axis; for others -1.
    labels : tuple of str
        The values that do not lie on the axis, as text.
    """

    name: str
    candidates: np.ndarray
    axis: NumberAxis | None
    numbers: np.ndarray
    label_numbers: np.ndarray
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ParameterScores:
    """The score of each candidate at the highest level at which it has one, and its parameters.

    Attributes
    ----------
    parameters : tuple of ParameterValues
        The values of each parameter.
    scores : ndarray of shape (n_candidates,)
        The mean scores.
    levels : ndarray of shape (n_candidates,)
        The position of the level of each score in `level_sizes`.
    level_sizes : tuple of tuple (int, int)
        The amount of the resource and the number of splits of each level, the lowest first.
    best : int or None
        The position of the best candidate; None if no candidate has a score.
    resource : str
        The name of the resource.
    score_label : str
        The label of the scores.
    """

    parameters: tuple[ParameterValues, ...]
    scores: np.ndarray
    levels: np.ndarray
    level_sizes: tuple[LevelSize, ...]
    best: int | None
    resource: str
    score_label: str


def parameter_names(measured: Measurements, chosen: Sequence[str] | None) -> list[str]:
    """Return the names of the parameters that were searched, or those of them that are chosen."""
    names = list(dict.fromkeys(name for part in measured.space for name in part))
    if not names:
        raise ValueError("param_distributions has no parameters, so that there are none to show.")
    if chosen is None:
        return names
    for name in chosen:
        if name not in names:
            raise ValueError(
                f"parameters={list(chosen)!r} contains {name!r}, which was not searched; give "
                f"some of {names}."
            )
    return list(chosen)


def parameter_scores(measured: Measurements, names: Sequence[str]) -> ParameterScores:
    """Return the scores of the candidates of a search, with their parameters."""
    rows = measured.highest_rows()
    sizes = [measured.level_sizes[row] for row in rows]
    level_sizes = tuple(sorted(set(sizes)))
    candidates = [
        with_defaults(measured.candidate(row), measured.space, measured.defaults) for row in rows
    ]
    ids = measured.results["candidate_id"]
    best = None
    if measured.best_row is not None:
        best = int(np.flatnonzero(ids[rows] == ids[measured.best_row])[0])
    return ParameterScores(
        parameters=tuple(_values_of(name, candidates, measured.space) for name in names),
        scores=measured.scores[rows],
        levels=np.array([level_sizes.index(size) for size in sizes]),
        level_sizes=level_sizes,
        best=best,
        resource=measured.resource,
        score_label=measured.score_label,
    )


def _values_of(
    name: str, candidates: Sequence[Mapping[str, Any]], space: Space
) -> ParameterValues:
    having = [i for i, candidate in enumerate(candidates) if name in candidate]
    values = [candidates[i][name] for i in having]
    searched = [part[name] for part in space if name in part]
    axis = _number_axis(searched, [value for value in values if is_finite_number(value)])
    is_on_axis = [axis is not None and is_finite_number(value) for value in values]
    beside = [value for value, on_axis in zip(values, is_on_axis, strict=True) if not on_axis]
    if axis is None:
        listed = [value for one in searched if not hasattr(one, "rvs") for value in one]
        beside = listed + beside  # In the user's own order.
    labels = _labels(sorted(beside, key=_order_side_by_side))
    positions = {key: position for position, key in enumerate(labels)}
    places = list(zip(values, is_on_axis, strict=True))
    return ParameterValues(
        name=name,
        candidates=np.array(having, dtype=int),
        axis=axis,
        numbers=np.array([float(v) if on_axis else np.nan for v, on_axis in places]),
        label_numbers=np.array(
            [-1 if on_axis else positions[_identity(v)] for v, on_axis in places], dtype=int
        ),
        labels=tuple(labels.values()),
    )


def _order_side_by_side(value: Any) -> tuple[bool, float]:
    """Return a sort key: numbers first, by size; the others as they come."""
    return (False, float(value)) if is_finite_number(value) else (True, 0.0)


def _identity(value: Any) -> Any:
    """Return a key that two values share if they are shown in one column."""
    if hasattr(value, "get_params"):
        return repr_of(value)  # Each dict of a space has its own object of the same estimator.
    return value_key(value)


def _labels(values: Iterable[Any]) -> dict[Any, str]:
    """Return the texts of the columns, by which they can be told apart if their reprs differ."""
    by_column = {_identity(value): value for value in values}
    labels = {column: _label(value) for column, value in by_column.items()}
    n_alike = Counter(labels.values())
    return {
        column: _ends_of_repr(by_column[column]) if n_alike[text] > 1 else text
        for column, text in labels.items()
    }


def _ends_of_repr(value: Any) -> str:
    text = " ".join(repr_of(plain(value)).split())
    half = _LONGEST_LABEL // 2
    return text if len(text) <= _LONGEST_LABEL else f"{text[: half - 1]}…{text[-half:]}"


def _label(value: Any) -> str:
    """Return a value of a parameter as a short text in one line."""
    value = plain(value)
    text = value if isinstance(value, str) else getattr(value, "__name__", None) or repr_of(value)
    if isinstance(value, (float, np.floating)):
        text = f"{value:g}"
    text = " ".join(text.split())
    if hasattr(value, "get_params"):
        text = text.removesuffix("()")
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _number_axis(searched: Sequence[Any], numbers: Sequence[float]) -> NumberAxis | None:
    """Return the axis of a parameter; None if its values stand side by side."""
    if not any(hasattr(one, "rvs") for one in searched):
        n_numbers = sum(
            len(one) if isinstance(one, range) else _n_numbers(one) for one in searched
        )
        if n_numbers <= _MOST_SIDE_BY_SIDE:
            return None
    elif not numbers:
        return None
    ranges = [found for one in searched if (found := _range_of(one, numbers)) is not None]
    low, high = min(r[0] for r in ranges), max(r[2] for r in ranges)
    return NumberAxis(
        low=min([low, *numbers]),
        high=max([high, *numbers]),
        is_log=min([low, *numbers]) > 0 and any(suits_log_scale(*found) for found in ranges),
        has_integers=all(isinstance(number, (int, np.integer)) for number in numbers),
    )


def _n_numbers(values: Sequence[Any]) -> int:
    return len({value_key(value) for value in values if is_finite_number(value)})


def _range_of(values: Any, drawn: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the least number, the median and the largest number of a list or distribution.

    Where a distribution does not say, they are those of the numbers that were drawn.
    """
    if isinstance(values, range):
        low, high = sorted((values[0], values[-1]))
        return float(low), (low + high) / 2, float(high)
    if hasattr(values, "rvs"):
        with contextlib.suppress(Exception):  # Of a distribution of the user's own.
            low, high = values.support()
            if np.isfinite([low, high]).all():
                return float(low), float(values.ppf(0.5)), float(high)
    else:
        drawn = [value for value in values if is_finite_number(value)]
    return (min(drawn), float(np.median(drawn)), max(drawn)) if drawn else None
