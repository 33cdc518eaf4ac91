"""Decides how rows are lent to a fit so that it cannot harm the next one."""

import copy
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of X, y and metadata, lent out again and again."""

    X: Any
    y: Any
    metadata: Mapping[str, Any]

    def lend(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments that cannot harm the original."""
        data = (_lent(self.X),) if self.y is None else (_lent(self.X), _lent(self.y))
        return data, {name: _lent(value) for name, value in self.metadata.items()}

    def protected(self) -> "Part":
        """Make what can be made read-only so."""
        for value in (self.X, self.y, *self.metadata.values()):
            _make_read_only(value)
        return self


def _make_read_only(value: Any) -> None:
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif scipy.sparse.issparse(value):
        for array in vars(value).values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False


def _lent(value: Any) -> Any:
    """Return a cheap copy for one fit: a view, a shell, or where need be the whole."""
    if isinstance(value, np.ndarray):
        return value.view()
    if scipy.sparse.issparse(value):
        return copy.copy(value)
    if isinstance(value, list):
        return [list(row) if isinstance(row, list) else row for row in value]
    if value is None or isinstance(value, (numbers.Number, str, bytes)):
        return value
    if hasattr(value, "iloc"):
        # Whole, since scikit-learn reaches round the copy-on-write of pandas: it makes
        # the array behind a frame writable.
        return value.copy(deep=True)
    if hasattr(value, "clone"):  # polars
        return value.clone()
    return value
