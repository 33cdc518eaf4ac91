"""Rows of the data, of which every fit and every scorer gets a private copy."""

import copy
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from skhyperband._sklearn_compat import n_rows, take_rows

_IMMUTABLE = (type(None), numbers.Number, str, bytes, np.generic)


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
        What was computed from these rows for one fit and may serve the next.
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
        """Return positional and keyword arguments that only the caller holds."""
        data = (self.X,) if self.y is None else (self.X, self.y)
        copied = {name: private_copy(value) for name, value in self.metadata.items()}
        return tuple(map(private_copy, data)), {**copied, **self.passed}


def private_copy(value: Any) -> Any:
    """Return a writable copy that shares no memory with the original."""
    if isinstance(value, _IMMUTABLE):
        return value
    if type(value) in (np.ndarray, np.memmap, np.matrix):
        if not value.dtype.hasobject or _are_immutable(value.ravel().tolist()):
            return value.copy(order="K")
        return copy.deepcopy(value)
    if scipy.sparse.issparse(value):
        return value.copy()
    if type(value) is list:
        return list(value) if _are_immutable(value) else [private_copy(item) for item in value]
    if hasattr(value, "clone"):  # polars shares memory between copies, but not with taken rows.
        return take_rows(value, np.arange(n_rows(value)))
    return copy.deepcopy(value)


def _are_immutable(values: Iterable[Any]) -> bool:
    return all(issubclass(kind, _IMMUTABLE) for kind in set(map(type, values)))
