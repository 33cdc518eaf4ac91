"""Decides how rows are lent to a fit so that it cannot harm the next one."""

import copy
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of X, y and metadata, lent out again and again.

    Attributes
    ----------
    X, y : array-like
        Rows; y may be None.
    metadata : dict
        What was cut with X.
    passed : dict
        What has no value for each sample: it is the caller's, and handed on as it is.
    shared : bool
        Whether other fits are lent the same rows.
    made : dict
        What was made from them for one fit and may serve the next.
    """

    X: Any
    y: Any
    metadata: Mapping[str, Any]
    passed: Mapping[str, Any] = field(default_factory=dict)
    shared: bool = False
    made: dict[Any, Any] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, Any]:
        """All metadata, the original."""
        return {**self.metadata, **self.passed}

    def lend(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments that cannot harm the original."""
        data = (_lent(self.X),) if self.y is None else (_lent(self.X), _lent(self.y))
        cut = {name: _lent(value) for name, value in self.metadata.items()}
        return data, {**cut, **self.passed}

    def protected(self) -> "Part":
        """Make what can be made read-only so."""
        for value in (self.X, self.y, *self.metadata.values()):
            _make_read_only(value)
        return replace(self, shared=True)


def _make_read_only(value: Any) -> None:
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif scipy.sparse.issparse(value):
        for array in vars(value).values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False


def _lent(value: Any) -> Any:
    """Return a cheap copy for one fit: a view, a shell, or where need be the whole."""
    if type(value) in (np.ndarray, np.memmap, np.matrix):
        return value.view()
    if scipy.sparse.issparse(value):
        return copy.copy(value)
    if isinstance(value, list):
        return [list(row) if isinstance(row, list) else row for row in value]
    if value is None or isinstance(value, (numbers.Number, str, bytes)):
        return value
    if hasattr(value, "clone"):  # polars
        return value.clone()
    # Frames too, since scikit-learn reaches round the copy-on-write of pandas: it makes
    # the array behind a frame writable.
    return copy.deepcopy(value)
