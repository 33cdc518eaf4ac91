"""Decides which metric promotes candidates, and which candidate is the best."""

import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._records import FailedStep, Failure, Outcome
from skhyperband._results import (
    Results,
    measured_metrics,
    rows_of_highest_level,
    score_of,
    take_rows_of,
)


@dataclass(frozen=True)
class MetricRule:
    """The user's choice of metrics, and what follows from it.

    Attributes
    ----------
    scoring, rank_by, refit, error_score : object
        The parameters of the search.
    """

    scoring: Any
    rank_by: str | None
    refit: bool | str | Callable[[Results], int]
    error_score: Any

    @property
    def error_value(self) -> float:
        """The score of an evaluation that failed."""
        return np.nan if isinstance(self.error_score, str) else float(self.error_score)

    def promoting(self, names: Sequence[str] | None) -> str:
        """Return the metric that promotes; `names` is None if there is only one, without a name.

        Raises
        ------
        ValueError
            If a name is unknown, or nothing says which of several metrics promotes.
        """
        known = ["score"] if names is None else list(names)
        refit_name = self.refit if names is not None and isinstance(self.refit, str) else None
        if names is None and self.rank_by is not None and self.rank_by != "score":
            raise ValueError(
                f"rank_by={self.rank_by!r} chooses between several metrics, and scoring="
                f"{self.scoring!r} is one; leave rank_by out."
            )
        if self.rank_by is not None and self.rank_by not in known:
            raise ValueError(
                f"rank_by={self.rank_by!r} is none of the metrics {known}; give one of them."
            )
        if refit_name is not None and refit_name not in known:
            raise ValueError(
                f"refit={refit_name!r} is none of the metrics {known}; give one of them, a "
                "callable, True or False."
            )
        if len(known) > 1 and self.rank_by is None and refit_name is None:
            raise ValueError(
                f"scoring has several metrics, {known}, and neither rank_by="
                f"{self.rank_by!r} nor refit={self.refit!r} says which promotes; set "
                "rank_by, or refit, to the name of one."
            )
        return self.rank_by or refit_name or known[0]

    def label(self, metric: str) -> str:
        """Return what users call a metric: one without a name by the name that `scoring` is."""
        return self.scoring if metric == "score" and isinstance(self.scoring, str) else metric

    def of_best_score(self, results: Results) -> str:
        """Return the metric of `best_score_`: the one that `refit` names, else the one that promotes."""
        names = measured_metrics(results)
        chosen = [self.refit, self.rank_by]
        return next((name for name in chosen if isinstance(name, str) and name in names), names[0])

    def judge(self, outcome: Outcome) -> float:
        """Return the score that promotes; raise for a failure that must end the search."""
        if outcome.failure is not None:
            self._raise_fatal(outcome.failure)
        scores = outcome.test_scores
        if scores is None:
            return self.error_value
        names = list(scores) if isinstance(scores, dict) else None
        return score_of(scores, self.promoting(names), self.error_value)

    def _raise_fatal(self, failure: Failure) -> None:
        if failure.step == FailedStep.INVALID_SCORE:
            raise ValueError(f"scoring={self.scoring!r}: {failure.text}")
        if self.error_score == "raise":
            # An exception may be false, such as one with a length of 0.
            if failure.exception is not None:
                raise failure.exception
            kind = TimeoutError if failure.step == FailedStep.TIMEOUT else RuntimeError
            raise kind(failure.text)

    def best_row(self, results: Results, metric: str) -> int:
        """Return the row of the best candidate: a callable `refit` chooses it, else the rank.

        `metric` is the metric that ranks: the one that `refit` names, else the one that promotes.
        """
        if not callable(self.refit):
            return int(results[f"rank_test_{metric}"].argmin())
        rows = rows_of_highest_level(results, metric)
        return int(rows[self._row_chosen_by_refit(take_rows_of(results, rows))])

    def _row_chosen_by_refit(self, results: Results) -> int:
        assert callable(self.refit)
        n_rows = len(results["params"])  # The callable may change what it is given.
        index = self.refit(results)
        if isinstance(index, bool) or not isinstance(index, numbers.Integral):
            raise TypeError(
                f"refit={self.refit!r} returned {index!r}; it must return the integer "
                "index of a row of the results that it is given."
            )
        if not 0 <= int(index) < n_rows:
            raise IndexError(
                f"refit={self.refit!r} returned {index!r}; the results that it is given "
                f"have {n_rows} rows, those at the highest level with a score."
            )
        return int(index)
