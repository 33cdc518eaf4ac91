"""Selects rows of the data, and gives every fit and every scorer a private copy of them."""

import copy
import datetime
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from skhyperband._resources import Resource, Split
from skhyperband._sklearn_compat import n_rows, select_metadata, select_rows, select_split

_IMMUTABLE = (
    *(type(None), numbers.Number, str, bytes, np.generic),
    *(datetime.date, datetime.time, datetime.timedelta),
)


@dataclass(frozen=True, eq=False)
class Subset:
    """Rows of X, y and metadata, kept by a worker for all tasks that need them.

    Selecting rows by index is much slower than copying what was selected, so a worker
    selects once and copies for each fit and each scorer. Read-only views would be cheaper
    still, but native code (LAPACK with ``overwrite_b=True``, torch, ctypes) writes into
    them all the same, and numba refuses them.

    Attributes
    ----------
    X, y : array-like
        Selected rows; y may be None.
    metadata : dict
        Selected rows of the metadata that has a value for each sample.
    passed : dict
        The other metadata, which is handed on as it is.
    derived : dict
        What one fit computed from these rows and the next can use, such as XGBoost's bins.
    """

    X: Any
    y: Any
    metadata: Mapping[str, Any]
    passed: Mapping[str, Any] = field(default_factory=dict)
    derived: dict[Any, Any] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, Any]:
        """All metadata by name, not copied."""
        return {**self.metadata, **self.passed}

    def fit_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments for a fit or scorer, copied for it."""
        X = private_copy(self.X)
        data = (X,) if self.y is None else (X, private_copy(self.y))
        copied = {name: private_copy(value) for name, value in self.metadata.items()}
        return data, {**copied, **self.passed}


def private_copy(value: Any) -> Any:
    """Return a writable copy that shares no memory with the original.

    What lies in lists, in arrays of objects and in cells is copied, too. An object that refuses
    to be copied, such as one that holds a lock, is handed on as it is.
    """
    if type(value) in (np.ndarray, np.memmap, np.matrix):
        copied = value.copy(order="K")
        if value.dtype.hasobject and not _are_immutable(value.ravel().tolist()):
            for place in np.ndindex(value.shape):
                copied[place] = private_copy(value[place])
        return copied
    if isinstance(value, _IMMUTABLE):
        return value
    if scipy.sparse.issparse(value):
        return value.copy()
    if type(value) is list:
        return list(value) if _are_immutable(value) else [private_copy(item) for item in value]
    if hasattr(value, "iloc") and hasattr(value, "index"):
        return _copy_of_pandas(value)
    try:
        if _has_rows(value):  # Copies of polars share memory; selected rows do not.
            return select_rows(value, np.arange(n_rows(value)))
        return copy.deepcopy(value)
    except Exception:  # Whatever an object's own copying may raise.
        return value


def _has_rows(value: Any) -> bool:
    """Return whether a value is a frame of polars or a tensor."""
    shape = getattr(value, "shape", None)
    return hasattr(value, "clone") and isinstance(shape, tuple) and len(shape) > 0


def _copy_of_pandas(value: Any) -> Any:
    """Return a copy of a frame or series; pandas' own shares the index and the objects in cells."""
    copied = value.copy(deep=True)
    copied.index = value.index.copy(deep=True)
    if value.ndim == 1:
        if _has_mutable_cells(value):
            copied[:] = private_copy(value.to_numpy(copy=True))
        return copied
    for position in range(value.shape[1]):
        column = value.iloc[:, position]
        if _has_mutable_cells(column):
            copied.isetitem(position, _copy_of_pandas(column))
    return copied


def _has_mutable_cells(column: Any) -> bool:
    dtype = column.dtype
    return isinstance(dtype, np.dtype) and dtype.hasobject and not _are_immutable(column)


def _are_immutable(values: Iterable[Any]) -> bool:
    return all(issubclass(type_, _IMMUTABLE) for type_ in set(map(type, values)))


# --- selecting ---------------------------------------------------------------------


@dataclass(eq=False)
class SubsetSelector:
    """Selects the rows that evaluations need, and keeps those of the last evaluation.

    Attributes
    ----------
    X, y : array-like
        The whole data; y may be None.
    splits : list of Split
    resource : Resource
    fit_params, score_params : dict
        Metadata; what has a value for each sample is selected like X.
    """

    X: Any
    y: Any
    splits: list[Split]
    resource: Resource
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._last: tuple[tuple[int, int, bool], Subset, Subset] | None = None

    def train_and_test(
        self, split: int, n_resources: int, pairwise: bool
    ) -> tuple[Subset, Subset]:
        """Return the training part of a rung, and the test part.

        A pairwise X has a column for each sample; those of the training part are selected.
        """
        key = split, n_resources, pairwise
        last = self._last  # Read once, since other threads may replace it.
        if last is not None and last[0] == key:
            return last[1:]
        rows = self._train_rows(split, n_resources)
        train = self._select(rows, rows if pairwise else None, self.fit_params)
        test_rows = self.splits[split].test
        test = self._select(test_rows, rows if pairwise else None, self.score_params)
        self._last = key, train, test
        return train, test

    def train_for_scoring(self, split: int, n_resources: int, pairwise: bool) -> Subset:
        """Return the training part of a rung with the metadata that scorers take."""
        train, _ = self.train_and_test(split, n_resources, pairwise)
        rows = self._train_rows(split, n_resources)
        return Subset(train.X, train.y, *self._metadata(self.score_params, rows))

    def new_samples(self, split: int, n_before: int, n_resources: int) -> Subset:
        """Return the training rows that a rung has and the rung before did not have."""
        rows = self.resource.new_rows(self.splits[split], n_before, n_resources)
        return self._select(rows, None, self.fit_params)

    def _train_rows(self, split: int, n_resources: int) -> np.ndarray:
        return self.resource.train_rows(self.splits[split], n_resources)

    def _select(
        self, rows: np.ndarray, columns: np.ndarray | None, params: Mapping[str, Any]
    ) -> Subset:
        X, y = select_split(self.X, self.y, rows, columns)
        return Subset(X, y, *self._metadata(params, rows))

    def _metadata(
        self, params: Mapping[str, Any], rows: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return rows of the metadata that has a value for each sample, and the other metadata."""
        given = select_metadata(self.X, params, rows)
        passed = {name: value for name, value in given.items() if value is params[name]}
        return {name: given[name] for name in given.keys() - passed.keys()}, passed
