"""Decides what `fit` is given: data that fit each other, and splits that fit the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import indexable

from skhyperband._resources import as_row_numbers
from skhyperband._sklearn_compat import n_rows


@dataclass(frozen=True, eq=False)
class Data:
    """What is fitted on: the arguments of `fit`, sorted by who gets them."""

    X: Any
    y: Any
    fit_params: dict[str, Any]
    score_params: dict[str, Any]
    cv: Any
    splits: list[tuple[np.ndarray, np.ndarray]]
    groups: Any

    @property
    def n_samples(self) -> int:
        return n_rows(self.X)


def checked_data(X: Any, y: Any, params: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return X and y indexable; raise for lengths that differ, and for no samples."""
    try:
        X, y = indexable(X, y)
    except ValueError as error:
        raise ValueError(f"X and y must have a value for each sample: {error}") from error
    if n_rows(X) == 0:
        raise ValueError("X has 0 samples; give it at least as many as cv has splits.")
    for name in ("sample_weight", "groups"):
        value = params.get(name)
        if hasattr(value, "__len__") and n_rows(value) != n_rows(X):
            raise ValueError(
                f"{name} has {n_rows(value)} values and X has {n_rows(X)} samples; give one each."
            )
    return X, y


def _check_rows(rows: np.ndarray, n_samples: int, part: str) -> None:
    if len(rows) == 0:
        raise ValueError(f"{part} is empty; give it at least one row.")
    if rows.min() < -n_samples or rows.max() >= n_samples:
        raise ValueError(f"{part} has row {rows.max()}, but X has {n_samples} samples.")


def read_splits(
    cv: Any, given: Any, X: Any, y: Any, split_params: Mapping[str, Any]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the splits, once for all rungs: a splitter that shuffles gives others each time.

    `given` is what the user gave as `cv`.
    """
    try:
        splits = [
            (as_row_numbers(train), as_row_numbers(test))
            for train, test in cv.split(X, y, **split_params)
        ]
        n_splits = cv.get_n_splits(X, y, **split_params)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"cv={given!r} cannot split the data: {error}") from error
    for number, (train, test) in enumerate(splits):
        _check_rows(train, n_rows(X), f"cv={given!r}: the training part of split {number}")
        _check_rows(test, n_rows(X), f"cv={given!r}: the test part of split {number}")
    if not splits:
        raise ValueError(
            f"cv={given!r} yields no splits; an iterator can be read only once, so make it a list."
        )
    if len(splits) != n_splits:
        raise ValueError(
            f"cv={given!r} yields {len(splits)} splits, but its get_n_splits says "
            f"{n_splits}; they must agree."
        )
    return splits
