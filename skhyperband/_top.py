"""Selects the best candidates of a search, as rows of a data frame."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from skhyperband._resources import without_resource
from skhyperband._results import Results, measured_metrics, take_rows_of
from skhyperband._space import candidate_key
from skhyperband._tables import import_pandas


def check_n(n: Any) -> None:
    """Raise if n is no number of candidates."""
    if isinstance(n, bool) or not isinstance(n, numbers.Integral):
        raise TypeError(f"n={n!r} must be an int, the number of candidates to return.")
    if n < 1:
        raise ValueError(f"n={n!r} must be at least 1.")


def top_candidates(results: Results, n: int, *, metric: str, resource: str) -> Any:
    """Return a data frame of the n best candidates by a metric, at the level of the best one.

    Its index is the rows of `cv_results_`.
    """
    pandas = import_pandas()
    rows = best_rows(results, n, metric)
    columns = take_rows_of(results, rows)
    names = _column_names(results, metric, resource)
    series = {name: _as_series(pandas, columns[name], rows) for name in names}
    return pandas.DataFrame(series, index=rows)


def _as_series(pandas: Any, values: np.ndarray, rows: np.ndarray) -> Any:
    """Return a column; a parameter that a candidate does not have is NaN."""
    if values.dtype != object:
        return pandas.Series(values, index=rows)
    # pandas would take None among strings as missing, and it is a value.
    return pandas.Series(np.ma.filled(values, np.nan), index=rows, dtype=object)


def best_rows(results: Results, n: int, metric: str) -> np.ndarray:
    """Return the rows of the n best candidates with a score, each once, the best one first."""
    ranks = results[f"rank_test_{metric}"]
    sizes = list(zip(results["n_resources"].tolist(), results["n_splits"].tolist(), strict=True))
    scores = results[f"mean_test_{metric}"]
    order = np.argsort(ranks, kind="stable").tolist()
    candidates: dict[Any, int] = {}
    for row in order:
        if sizes[row] == sizes[order[0]] and not np.isnan(scores[row]):
            candidates.setdefault(candidate_key(results["params"][row]), row)
    return np.array(list(candidates.values())[:n], dtype=int)


def _column_names(results: Results, metric: str, resource: str) -> Sequence[str]:
    """Return the columns of the frame: rank, parameters, scores, and what they cost."""
    columns = {name.removeprefix("param_"): name for name in results if name.startswith("param_")}
    parameters = list(without_resource(columns, resource).values())
    metrics = sorted(measured_metrics(results), key=lambda name: name != metric)
    scores = [
        column
        for name in metrics
        for column in (f"mean_test_{name}", f"std_test_{name}", f"mean_train_{name}")
        if column in results
    ]
    others = ["n_resources", "n_splits", "mean_fit_time", "mean_score_time", "candidate_id"]
    return [f"rank_test_{metric}", *parameters, *scores, *others]
