"""Decides whether LightGBM's bundles of features lose nothing of certain rows.

LightGBM stores features together that are rarely away from their most frequent value. A
row in which two of one bundle are away from it loses one of the two values: the trees then
see another row than their prediction does, from which LightGBM trains on. Whether this can
happen is decided from the rows alone, by what LightGBM's source does in `FindBin`,
`FindGroups` and `FixSampleIndices`; in doubt it can.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# A bin without zeros that has this share of the rows counts as the most frequent one.
_FREQUENT = 0.7
# For so many rows, LightGBM accepts that one loses a value.
_ROWS_FOR_A_LOSS = 10_000
_ZERO = 1e-35


@dataclass(frozen=True)
class _Binning:
    """How LightGBM bins a column: as its parameters say, from so many of the rows."""

    max_bin: int = 255
    min_data_in_bin: int = 3
    subsample_for_bin: int = 200_000

    def n_sampled(self, n_rows: int) -> int:
        return min(n_rows, self.subsample_for_bin)


@dataclass(frozen=True)
class _Column:
    """A column as LightGBM reads it; of categories it has the codes."""

    values: np.ndarray
    is_categorical: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether no tree can split it."""
        same = self.values == self.values[0]
        return bool(same.all() or np.isnan(self.values).all())


def bundles_lose_nothing(X: Any, params: Mapping[str, Any]) -> bool:
    """Return whether certainly no row loses a value, with these parameters of an estimator."""
    if params.get("enable_bundle") is False:
        return True
    binning, columns = _binning(params), _columns(X)
    if binning is None or columns is None or len(X) == 0:
        return False
    stored = [_stored_rows(column, binning) for column in columns if not column.is_constant]
    known = [rows for rows in stored if rows is not None]
    return len(known) == len(stored) and _never_lose(known, len(X), binning)


def _never_lose(stored: list[np.ndarray], n_rows: int, binning: _Binning) -> bool:
    """Return whether any two columns never meet in a row, or too often to be bundled."""
    if len(stored) < 2:
        return True
    rows = np.array(stored, dtype=np.float64)
    meetings = (rows @ rows.T)[np.triu_indices(len(stored), 1)]
    n_sampled = binning.n_sampled(n_rows)
    in_sample = meetings - (n_rows - n_sampled)  # At least.
    return bool(np.all((meetings == 0) | (in_sample > n_sampled // _ROWS_FOR_A_LOSS)))


def _binning(params: Mapping[str, Any]) -> _Binning | None:
    names = "max_bin", "min_data_in_bin", "subsample_for_bin"
    given = {name: params[name] for name in names if params.get(name) is not None}
    if not all(isinstance(value, (int, np.integer)) for value in given.values()):
        return None
    return _Binning(**given)


# --- columns -----------------------------------------------------------------------


def _columns(X: Any) -> list[_Column] | None:
    """Return what LightGBM reads; None where that is not known."""
    if type(X) is np.ndarray and X.ndim == 2 and X.dtype.kind in "buif":
        is_read = X.dtype in (np.float32, np.float64)
        return [_Column(values) for values in (X if is_read else X.astype(np.float32)).T]
    if type(X).__module__.partition(".")[0] == "pandas" and type(X).__name__ == "DataFrame":
        columns = [_column_of_frame(X.iloc[:, i]) for i in range(X.shape[1])]
        known = [column for column in columns if column is not None]
        return known if len(known) == len(columns) else None
    return None


def _column_of_frame(series: Any) -> _Column | None:
    if isinstance(series.dtype, np.dtype):
        # LightGBM reads all columns as a type that holds the values of each.
        return _Column(series.to_numpy(np.float64)) if series.dtype.kind in "buif" else None
    if str(series.dtype) != "category":
        return None
    categories = list(series.cat.categories)
    if not all(isinstance(category, (str, int)) for category in categories):
        return None  # The model is kept as text, which may change others.
    codes = series.cat.codes.to_numpy(np.float64)
    values = np.where(codes < 0, np.nan, codes)
    return _Column(values, is_categorical=not series.cat.ordered)


# --- where a column is stored ---------------------------------------------------------


def _stored_rows(column: _Column, binning: _Binning) -> np.ndarray | None:
    """Return where LightGBM finds it away from its most frequent bin; None in doubt.

    That bin is the one of zero, unless another is far more frequent. For the latter
    LightGBM looks at the values after it has sorted them, and so finds the wrong rows:
    the right ones only where all values but zero are the same.
    """
    nonzero = ~(np.abs(column.values) <= _ZERO)
    values = np.sort(column.values[nonzero])  # Missing ones come last.
    n_missing = int(np.isnan(values).sum())
    values = values[: len(values) - n_missing]
    n_rows = len(column.values)
    if column.is_categorical:
        frequent = _category_may_be_frequent(values, n_missing, n_rows, binning)
    elif n_missing == 0 and len(values) and values[0] == values[-1]:
        if binning.n_sampled(n_rows) < n_rows:
            return None
        return ~nonzero if len(values) / n_rows >= _FREQUENT else nonzero
    else:
        frequent = _bin_may_be_frequent(values, n_missing, n_rows, binning)
    return None if frequent else nonzero


def _category_may_be_frequent(
    values: np.ndarray, n_missing: int, n_rows: int, binning: _Binning
) -> bool:
    """Return whether a category other than the first may have most rows, or all rare ones."""
    if binning.n_sampled(n_rows) < n_rows:
        return True
    _, counts = np.unique(values, return_counts=True)
    n_rare = n_missing + counts[counts < binning.min_data_in_bin].sum() + 0.01 * n_rows + 1
    # The first category may be a rare one, too.
    n_rare += min(binning.min_data_in_bin, n_rows - n_missing - len(values))
    return bool(max(n_rare, counts.max(initial=0)) >= _FREQUENT * n_rows)


def _bin_may_be_frequent(
    values: np.ndarray, n_missing: int, n_rows: int, binning: _Binning
) -> bool:
    """Return whether a bin of these sorted values, or of missing ones, may have most rows."""
    n_sampled, max_bin = binning.n_sampled(n_rows), binning.max_bin
    limit = _FREQUENT * n_sampled
    if n_missing >= limit:
        return True
    if len(values) < limit:
        return False
    if max_bin < 8 or np.isinf(values).any():
        return True
    most = _largest_count(values)
    # Few values: each has a bin, and those before it that are too few for their own.
    if np.count_nonzero(values[1:] != values[:-1]) < max_bin // 2:
        return most + binning.min_data_in_bin > limit
    # Many: a bin is closed when it has its share of the rows. With many bins a share stays
    # below a fifth, even where frequent values take up bins; the most frequent may come
    # on top. With few bins it does not grow while no value has a share alone.
    if max_bin >= 63 and n_sampled >= 64 * binning.min_data_in_bin:
        return most > 0.5 * n_sampled
    return most * max_bin >= limit or n_sampled < 6 * binning.min_data_in_bin


def _largest_count(values: np.ndarray) -> int:
    """Return how many of the sorted values are the same, or too near to be held apart."""
    values = values.astype(np.float64)
    is_next = np.diff(values) > 4 * np.spacing(np.abs(values[1:]))
    starts = np.flatnonzero(is_next) + 1
    return int(np.diff(starts, prepend=0, append=len(values)).max())
