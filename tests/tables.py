"""Random tables in every container, to compare continued training with fresh fits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse


@dataclass(frozen=True)
class Table:
    """Rows in a container, their target, and what the table is made of."""

    X: Any
    y: np.ndarray
    columns: tuple[str, ...]
    container: str


def _flags(rng, n, *, ones):
    return (rng.uniform(size=n) < ones).astype(float)


def _with_a_frequent_value(rng, n):
    return np.where(rng.uniform(size=n) < rng.uniform(0.6, 0.99), 3.0, rng.normal(size=n))


# Functions that return a column of n values.
COLUMNS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "rounded": lambda rng, n: rng.normal(size=n).round(1),
    "large": lambda rng, n: np.exp(rng.normal(8, 3, size=n)),
    "integers": lambda rng, n: rng.integers(-3, 12, size=n).astype(float),
    "counts": lambda rng, n: rng.poisson(rng.uniform(0.05, 3), size=n).astype(float),
    "flags": lambda rng, n: _flags(rng, n, ones=rng.uniform(0.02, 0.98)),
    "signs": lambda rng, n: 2 * _flags(rng, n, ones=rng.uniform(0.02, 0.98)) - 1,
    "constant": lambda rng, n: np.full(n, float(rng.integers(3))),
    "sparse": lambda rng, n: rng.normal(size=n) * _flags(rng, n, ones=rng.uniform(0.01, 0.3)),
    "frequent": _with_a_frequent_value,
}
# The columns that most tables are made of.
ORDINARY = ["normal", "rounded", "large", "integers", "counts"]


def _a_one_hot_block(rng, n):
    codes = rng.choice(4, size=n, p=rng.dirichlet(np.ones(4)))
    return list(np.eye(4)[codes].T)


def a_matrix(rng, n, *, missing):
    """Return n rows of six columns, and the columns' names."""
    choices = list(COLUMNS) if rng.uniform() < 0.5 else ORDINARY
    names = list(rng.choice(choices, size=5))
    columns = [COLUMNS[name](rng, n) for name in names]
    if rng.uniform() < 0.2:
        columns[1:] = _a_one_hot_block(rng, n)
        names[1:] = ["one-hot"] * 4
    columns.append(rng.normal(size=n))  # Something to learn from is always there.
    names.append("normal")
    X = np.column_stack(columns)
    if missing:
        for column in rng.permutation(6)[: rng.integers(1, 7)]:
            X[rng.uniform(size=n) < rng.uniform(0.01, 0.4), column] = np.nan
    order = rng.permutation(6)
    return X[:, order], tuple(str(names[i]) for i in order)


def a_target(rng, X, task, *, coded):
    """Return a target that depends on the columns: numbers above 0, or classes."""
    known = np.nan_to_num(X)
    scale = known.std(axis=0)
    known = known / np.where(scale > 0, scale, 1)
    signal = known @ rng.normal(size=X.shape[1]) + np.isnan(X).sum(axis=1)
    signal += rng.normal(size=len(X))
    if task == "regression":
        return np.exp(signal / (3 * signal.std()))
    n_classes = 2 if task == "binary" else 3
    codes = np.digitize(signal, np.quantile(signal, np.arange(1, n_classes) / n_classes))
    return codes if coded else np.array(["no", "perhaps", "yes"])[codes]


# --- containers --------------------------------------------------------------------


# pandas and polars are not installed where the oldest dependencies are tested.


def _frame(X):
    import pandas

    return pandas.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def _mixed_frame(X):
    """Return a frame of several types: blocks of pandas lie in memory in other ways."""
    frame = _frame(X)
    for i, name in enumerate(frame.columns):
        values = frame[name]
        if i % 3 == 0:
            frame[name] = values.astype("float32")
        elif not values.isna().any() and (values == values.round()).all():
            frame[name] = values.astype("bool" if values.isin([0, 1]).all() else "int64")
    return frame


def _categorical_frame(X):
    """Return a frame in which columns of few values are categories."""
    frame = _frame(X)
    for name in frame.columns[:-1]:
        if frame[name].nunique() <= 15:
            frame[name] = frame[name].round().map(lambda x: f"v{x}").where(frame[name].notna())
            frame[name] = frame[name].astype("category")
    return frame


def _polars_frame(X):
    import polars

    return polars.DataFrame(X, schema=[f"x{i}" for i in range(X.shape[1])])


def _strided(X):
    return np.repeat(X, 2, axis=1)[:, ::2]


CONTAINERS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": _strided,
    "float32": lambda X: X.astype(np.float32),
    "float32-F": lambda X: np.asfortranarray(X, dtype=np.float32),
    "int64": lambda X: X.round().clip(-100, 100).astype(np.int64),
    "frame": _frame,
    "mixed-frame": _mixed_frame,
    "categorical-frame": _categorical_frame,
    "polars": _polars_frame,
    "csr": scipy.sparse.csr_array,
    "csc": scipy.sparse.csc_array,
    "csr-matrix": scipy.sparse.csr_matrix,
}
WITHOUT_MISSING = {"int64"}


def a_table(rng, task, container, *, n, missing=False, coded=False):
    """Return n random rows of random columns in a container."""
    X, columns = a_matrix(rng, n, missing=missing and container not in WITHOUT_MISSING)
    y = a_target(rng, X, task, coded=coded)
    return Table(CONTAINERS[container](X), y, columns, container)
