"""What the pictures of a search are computed from: its fitted attributes, read once."""

import functools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._measured import check_measured, check_metric
from skhyperband._resources import without_resource
from skhyperband._results import Results
from skhyperband._schedule import LevelSize
from skhyperband._scoring import MetricRule
from skhyperband._space import Candidate, Space, as_space

# A score is an outlier if it is further below the median than so many times the distance between the
# median and the best score, ...
_DEEPEST = 4.0
# ... and if it belongs to the lowest scores, of which there may be so large a share.
_FEW = 0.1


@dataclass(frozen=True)
class Measurements:
    """What a search has measured, and what it searched.

    Attributes
    ----------
    results : dict of str to ndarray
        `cv_results_`.
    rung_seconds : dict of tuple to float
        The time of the fits and scores of each rung by (repeat, bracket, iter), without the
        evaluations that another rung had made already.
    metric : str
    score_label : str
        What the axis of the scores is called.
    best_row : int or None
        The row of the best candidate; None if no candidate has a score.
    resource : str
    max_resources : int
    space : list of dict
    defaults : dict
        The parameters of the estimator as it is given.
    """

    results: Results
    rung_seconds: Mapping[tuple[int, int, int], float]
    metric: str
    score_label: str
    best_row: int | None
    resource: str
    max_resources: int
    space: Space
    defaults: Mapping[str, Any]

    @property
    def scores(self) -> np.ndarray:
        """The mean score of each row."""
        return self.results[f"mean_test_{self.metric}"]

    @functools.cached_property
    def level_sizes(self) -> list[LevelSize]:
        """The size of the level of each row."""
        columns = self.results["n_resources"].tolist(), self.results["n_splits"].tolist()
        return [LevelSize(*sizes) for sizes in zip(*columns, strict=True)]

    def candidate(self, row: int) -> Candidate:
        """Return the parameters of the candidate of a row, without the resource."""
        return without_resource(self.results["params"][row], self.resource)

    def rows_by_level(self) -> dict[tuple[int, LevelSize], list[int]]:
        """Return the rows of each level, the number of its round first, in the order of the levels."""
        rows: dict[tuple[int, LevelSize], list[int]] = defaultdict(list)
        levels = zip(self.results["repeat"].tolist(), self.level_sizes, strict=True)
        for row, level in enumerate(levels):
            rows[level].append(row)
        return dict(sorted(rows.items()))

    def highest_rows(self) -> np.ndarray:
        """Return the row of each candidate at the highest level at which it has a score.

        A candidate that always failed has the row of the highest level that it reached.
        """
        has_score = np.isfinite(self.scores).tolist()
        sizes = self.level_sizes
        candidates = self.results["candidate_id"].tolist()
        lowest_first = sorted(range(len(sizes)), key=lambda row: (has_score[row], sizes[row]))
        row_of = {candidates[row]: row for row in lowest_first}
        return np.array([row_of[candidate] for candidate in sorted(row_of)])


def read_measurements(search: Any, metric: str | None) -> Measurements:
    """Return what a fitted search has measured of a metric, by default the one of its best score.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If nothing was measured.
    TypeError
        If the object is not a search of this package.
    ValueError
        If the search has no such metric.
    """
    check_measured(search)
    rule = MetricRule(search.scoring, search.rank_by, search.refit, search.error_score)
    default = rule.of_best_score(search.cv_results_)
    metric = default if metric is None else metric
    check_metric(search, metric)
    return Measurements(
        results=search.cv_results_,
        rung_seconds={(r.repeat, r.bracket, r.iter): r.seconds for r in search.rungs_.rungs},
        metric=metric,
        score_label=_score_label(rule.label(metric)),
        best_row=_best_row(search, metric, is_default=metric == default),
        resource=search.resource_,
        max_resources=search.max_resources_,
        space=as_space(search.param_distributions),
        defaults=search.estimator.get_params(),
    )


def _score_label(metric: str) -> str:
    is_negative = metric.startswith("neg_")
    return f"Mean test {metric}" + ("\n(higher is better)" if is_negative else "")


def _best_row(search: Any, metric: str, *, is_default: bool) -> int | None:
    ranked = int(search.cv_results_[f"rank_test_{metric}"].argmin())
    row = getattr(search, "best_index_", ranked) if is_default else ranked
    return row if np.isfinite(search.cv_results_[f"mean_test_{metric}"][row]) else None


def lowest_usual(scores: np.ndarray) -> float:
    """Return the score below which there are only outliers: few, and far below the others."""
    median, best = np.median(scores), scores.max()
    return float(min(median - _DEEPEST * (best - median), np.quantile(scores, _FEW)))
