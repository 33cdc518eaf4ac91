"""Decides whether LightGBM bundles features without losing a value of certain rows.

To save memory, LightGBM stores features in one bundle if rows rarely have more than one of
them away from its most frequent bin. A row that has two of them away from it keeps only one
of the two values in the bundle. The trees are then trained on other values than the model later
predicts from, and LightGBM continues training from its prediction, so that the result differs
from a fresh fit.

Whether that can happen is decided from the rows alone, by what LightGBM's source does in
`FindBin`, `FindGroups` and `FixSampleIndices`. In doubt the answer is that it can.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# LightGBM takes a bin other than that of zero for the most frequent one only if it has at least
# this share of the rows.
_FREQUENT = 0.7
# LightGBM accepts one row that loses a value for so many rows in its sample.
_ROWS_PER_ACCEPTED_LOSS = 10_000
# LightGBM takes smaller numbers for zero.
_ZERO = 1e-35


@dataclass(frozen=True)
class _Binning:
    """The parameters by which LightGBM bins a column, with its defaults.

    Attributes
    ----------
    max_bin : int
        The largest number of bins.
    min_data_in_bin : int
        The smallest number of rows in a bin.
    subsample_for_bin : int
        The number of rows from which the bins and bundles are determined.
    """

    max_bin: int = 255
    min_data_in_bin: int = 3
    subsample_for_bin: int = 200_000

    def n_sampled(self, n_rows: int) -> int:
        return min(n_rows, self.subsample_for_bin)


@dataclass(frozen=True)
class _Column:
    """The values of a column as LightGBM reads them; for categories, their codes."""

    values: np.ndarray
    is_categorical: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether no tree can split the column."""
        same = self.values == self.values[0]
        return bool(same.all() or np.isnan(self.values).all())


def bundles_lose_nothing(X: Any, params: Mapping[str, Any]) -> bool:
    """Return whether certainly no row loses a value, given the parameters of an estimator."""
    if params.get("enable_bundle") is False:
        return True
    binning, columns = _binning(params), _columns(X)
    if binning is None or columns is None or len(X) == 0:
        return False
    stored = [_stored_rows(column, binning) for column in columns if not column.is_constant]
    known = [rows for rows in stored if rows is not None]
    return len(known) == len(stored) and _no_bundle_overlaps(known, len(X), binning)


def _no_bundle_overlaps(stored: list[np.ndarray], n_rows: int, binning: _Binning) -> bool:
    """Return whether no two columns that LightGBM may bundle have a value in the same row.

    `stored` has a mask of rows for each column. Two columns that share no row may be bundled
    safely. Two that share more rows than LightGBM accepts are not bundled.
    """
    if len(stored) < 2:
        return True
    masks = np.array(stored, dtype=np.float64)
    n_shared = (masks @ masks.T)[np.triu_indices(len(stored), 1)]
    n_sampled = binning.n_sampled(n_rows)
    # LightGBM counts in its sample, which may lack as many of the shared rows as it leaves out.
    n_shared_in_sample = n_shared - (n_rows - n_sampled)
    n_accepted = n_sampled // _ROWS_PER_ACCEPTED_LOSS
    return bool(np.all((n_shared == 0) | (n_shared_in_sample > n_accepted)))


def _binning(params: Mapping[str, Any]) -> _Binning | None:
    """Return how the parameters bin columns; None if one of them is no integer."""
    names = "max_bin", "min_data_in_bin", "subsample_for_bin"
    given = {name: params[name] for name in names if params.get(name) is not None}
    if not all(isinstance(value, (int, np.integer)) for value in given.values()):
        return None
    return _Binning(**given)


# --- columns -----------------------------------------------------------------------


def _columns(X: Any) -> list[_Column] | None:
    """Return the columns that LightGBM reads; None if the type of X is not known here."""
    if type(X) is np.ndarray and X.ndim == 2 and X.dtype.kind in "buif":
        is_read = X.dtype in (np.float32, np.float64)
        return [_Column(values) for values in (X if is_read else X.astype(np.float32)).T]
    if type(X).__module__.partition(".")[0] == "pandas" and type(X).__name__ == "DataFrame":
        columns = [_column_of_frame(X.iloc[:, i]) for i in range(X.shape[1])]
        known = [column for column in columns if column is not None]
        return known if len(known) == len(columns) else None
    return None


def _column_of_frame(series: Any) -> _Column | None:
    """Return a pandas column as LightGBM reads it; None if its type is not known here."""
    if isinstance(series.dtype, np.dtype):
        # LightGBM reads all columns as one type, which can hold the values of each.
        return _Column(series.to_numpy(np.float64)) if series.dtype.kind in "buif" else None
    if str(series.dtype) != "category":
        return None
    categories = list(series.cat.categories)
    if not all(isinstance(category, (str, int)) for category in categories):
        return None  # The model is stored as text, which may change other categories.
    codes = series.cat.codes.to_numpy(np.float64)
    values = np.where(codes < 0, np.nan, codes)
    return _Column(values, is_categorical=not series.cat.ordered)


# --- where a column is stored ------------------------------------------------------


def _stored_rows(column: _Column, binning: _Binning) -> np.ndarray | None:
    """Return a mask of the rows whose value is not in the most frequent bin; None in doubt.

    The most frequent bin is that of zero, unless another bin has nearly all rows. In the second
    case LightGBM looks for the rows in values that it has already sorted, and so finds the wrong
    rows. They are the right ones only if all values but zero are the same.
    """
    is_nonzero = ~(np.abs(column.values) <= _ZERO)
    nonzero = np.sort(column.values[is_nonzero])  # Missing values come last.
    n_missing = int(np.isnan(nonzero).sum())
    nonzero = nonzero[: len(nonzero) - n_missing]
    n_rows = len(column.values)
    if column.is_categorical:
        in_doubt = _category_may_be_frequent(nonzero, n_missing, n_rows, binning)
    elif n_missing == 0 and len(nonzero) and nonzero[0] == nonzero[-1]:
        if binning.n_sampled(n_rows) < n_rows:
            return None
        return ~is_nonzero if len(nonzero) / n_rows >= _FREQUENT else is_nonzero
    else:
        in_doubt = _bin_may_be_frequent(nonzero, n_missing, n_rows, binning)
    return None if in_doubt else is_nonzero


def _category_may_be_frequent(
    values: np.ndarray, n_missing: int, n_rows: int, binning: _Binning
) -> bool:
    """Return whether one category but the first, or all rare ones together, may be frequent."""
    if binning.n_sampled(n_rows) < n_rows:
        return True
    _, counts = np.unique(values, return_counts=True)
    # LightGBM puts rare categories into one bin: those below min_data_in_bin, and those that
    # have the last hundredth of the rows.
    n_rare = n_missing + counts[counts < binning.min_data_in_bin].sum() + 0.01 * n_rows + 1
    # The first category, whose code is zero, may be a rare one, too.
    n_rare += min(binning.min_data_in_bin, n_rows - n_missing - len(values))
    return bool(max(n_rare, counts.max(initial=0)) >= _FREQUENT * n_rows)


def _bin_may_be_frequent(
    values: np.ndarray, n_missing: int, n_rows: int, binning: _Binning
) -> bool:
    """Return whether a bin of these sorted values, or that of missing values, may be frequent."""
    n_sampled, max_bin = binning.n_sampled(n_rows), binning.max_bin
    limit = _FREQUENT * n_sampled
    if n_missing >= limit:
        return True
    if len(values) < limit:
        return False
    if max_bin < 8 or np.isinf(values).any():
        return True
    most = _largest_count(values)
    # If there are few distinct values, each has its own bin. Values that are too rare for a bin
    # of their own go into the bin of the next one.
    if np.count_nonzero(values[1:] != values[:-1]) < max_bin // 2:
        return most + binning.min_data_in_bin > limit
    # If there are many, LightGBM closes a bin once it has its share of the rows. With many bins
    # the share stays below a fifth, even if frequent values take bins for themselves, and the
    # most frequent value may be added to one share. With few bins the share does not grow as
    # long as no value has a share alone.
    if max_bin >= 63 and n_sampled >= 64 * binning.min_data_in_bin:
        return most > 0.5 * n_sampled
    return most * max_bin >= limit or n_sampled < 6 * binning.min_data_in_bin


def _largest_count(values: np.ndarray) -> int:
    """Return the size of the largest group of sorted values that are equal, or nearly so.

    LightGBM does not separate values that differ by a rounding error.
    """
    values = values.astype(np.float64)
    is_next = np.diff(values) > 4 * np.spacing(np.abs(values[1:]))
    starts = np.flatnonzero(is_next) + 1
    return int(np.diff(starts, prepend=0, append=len(values)).max())
