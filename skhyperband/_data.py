"""Checks the data of a search: X, y and metadata have one length, and the splits fit them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils import indexable

from skhyperband._messages import repr_of
from skhyperband._sklearn_compat import n_rows


@dataclass(frozen=True, eq=False)
class SearchData:
    """The arguments of `fit`, checked and routed.

    Attributes
    ----------
    X, y : array-like
    fit_params, score_params : dict
        Metadata for the estimator's `fit` and for the scorer.
    cv : splitter
    splits : list of (train, test)
        Row numbers.
    groups : array-like or None
        The groups that the splitter uses.
    """

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


def median_test_samples(splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
    """Return the median number of samples in the test parts."""
    return int(np.median([len(test) for _, test in splits]))


def fit_all(estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> Any:
    """Fit an estimator to all data, and return it."""
    return estimator.fit(X, **fit_params) if y is None else estimator.fit(X, y, **fit_params)


def checked_data(X: Any, y: Any, params: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return X and y with rows that can be selected; raise if lengths differ or X is empty."""
    try:
        X, y = indexable(X, y)
    except ValueError as error:
        raise ValueError(f"X and y must have a value for each sample: {error}") from error
    if n_rows(X) == 0:
        raise ValueError("X has 0 samples; give it at least as many as cv has splits.")
    names = ["sample_weight"]
    if not get_config()["enable_metadata_routing"]:  # Otherwise they may be for the estimator.
        names.append("groups")
    for name in names:
        value = params.get(name)
        if hasattr(value, "__len__") and n_rows(value) != n_rows(X):
            raise ValueError(
                f"{name} has {n_rows(value)} values and X has {n_rows(X)} samples; give one each."
            )
    return X, y


def _describe(cv: Any) -> str:
    """Return how an error shows the user's `cv`: without row numbers."""
    if isinstance(cv, (list, tuple)) and any(map(_is_pair_of_rows, cv)):
        return f"<{type(cv).__name__} of {len(cv)} splits>"
    shown = repr_of(cv)
    return f"{type(cv).__name__}(...)" if len(shown) > 100 or "array(" in shown else shown


def _is_pair_of_rows(split: Any) -> bool:
    return isinstance(split, (list, tuple, np.ndarray))


def _as_row_numbers(rows: Any, n_samples: int, part: str) -> np.ndarray:
    """Convert row numbers, a mask or a slice to row numbers from 0; raise for anything else."""
    if isinstance(rows, slice):
        try:
            rows = np.arange(n_samples)[rows]
        except TypeError as error:
            raise ValueError(f"{part} is a slice that selects no rows: {error}.") from error
    rows = np.asarray(rows)
    if rows.ndim != 1:
        given = f"{rows.ndim} dimensions" if rows.ndim else type(rows.item()).__name__
        raise ValueError(f"{part} must be a list of row numbers, a mask or a slice; got {given}.")
    if rows.dtype == bool:
        if len(rows) != n_samples:
            raise ValueError(f"{part} is a mask of {len(rows)} rows; X has {n_samples} samples.")
        rows = np.flatnonzero(rows)
    if len(rows) == 0:
        raise ValueError(f"{part} is empty; give it at least one row.")
    if not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(
            f"{part} must be integer row numbers, a mask or a slice; got {rows.dtype}."
        )
    rows = rows.astype(np.intp, copy=False)
    if rows.min() < -n_samples or rows.max() >= n_samples:
        raise ValueError(f"{part} has rows beyond the {n_samples} samples of X.")
    return np.where(rows < 0, rows + n_samples, rows) if rows.min() < 0 else rows


def read_splits(
    cv: Any, given: Any, X: Any, y: Any, split_params: Mapping[str, Any]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the splits that a splitter yields, with row numbers that are checked.

    They are read once for all rungs, since a splitter that shuffles yields others each time.
    `given` is the user's `cv`, for errors.
    """
    label = f"cv={_describe(given)}"
    try:
        parts = [(train, test) for train, test in cv.split(X, y, **split_params)]
        n_splits = cv.get_n_splits(X, y, **split_params)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{label} cannot split the data: {error}") from error
    splits = [
        (
            _as_row_numbers(train, n_rows(X), f"{label}: the training part of split {number}"),
            _as_row_numbers(test, n_rows(X), f"{label}: the test part of split {number}"),
        )
        for number, (train, test) in enumerate(parts)
    ]
    if not splits:
        raise ValueError(
            f"{label} yields no splits; an iterator can be read only once, so make it a list."
        )
    if len(splits) != n_splits:
        raise ValueError(
            f"{label} yields {len(splits)} splits, but its get_n_splits says "
            f"{n_splits}; they must agree."
        )
    return splits
