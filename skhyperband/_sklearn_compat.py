"""Decides what scikit-learn's private names mean here; no other module imports one."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._search import (
    BaseSearchCV,
    _yield_masked_array_for_each_param,
)
from sklearn.model_selection._split import _UnsupportedGroupCVMixin
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

__all__ = [
    "SearchBase",
    "cut_metadata",
    "cut_split",
    "fit_context",
    "histogram_boosting_would_stop",
    "masked_parameters",
    "n_rows",
    "named_scorers",
    "take_rows",
    "uses_groups",
]

fit_context = _fit_context(prefer_skip_nested_validation=False)
n_rows = _num_samples
take_rows = _safe_indexing


def cut_split(
    estimator: Any, X: Any, y: Any, rows: np.ndarray, train: np.ndarray | None = None
) -> tuple[Any, Any]:
    """Cut X and y; of a pairwise X the columns too, those of `train` for a test part."""
    return _safe_split(estimator, X, y, rows, train)


def cut_metadata(X: Any, params: Mapping[str, Any], rows: np.ndarray | None) -> dict[str, Any]:
    """Cut what has a value for each sample of X, and pass on the rest."""
    return _check_method_params(X, params=params, indices=rows)


def masked_parameters(
    candidates: list[dict[str, Any]],
) -> Iterator[tuple[str, np.ma.MaskedArray]]:
    """Yield a `param_*` column for each parameter, masked where it does not apply."""
    return _yield_masked_array_for_each_param(candidates)


def named_scorers(scorer: Any) -> dict[str, Any] | None:
    """Return the scorers of several metrics by name; None for any other scorer."""
    return scorer._scorers if isinstance(scorer, _MultimetricScorer) else None


def histogram_boosting_would_stop(fitted: Any) -> bool:
    """Apply a HistGradientBoosting's own rule of early stopping to what it has scored."""
    if not fitted.do_early_stopping_:
        return False
    watches_validation = len(fitted.validation_score_) > 0
    scores = fitted.validation_score_ if watches_validation else fitted.train_score_
    return fitted._should_stop(scores)


def uses_groups(cv: Any) -> bool:
    """Return whether a splitter that is given groups heeds them."""
    return not isinstance(cv, _UnsupportedGroupCVMixin)


class SearchBase(BaseSearchCV):
    """`BaseSearchCV` without its loop: `fit` is the subclass's own.

    A subclass defines `_check_metrics(names)`, which raises where several metrics
    come without a rule that says which of them counts.
    """

    _check_metrics: Callable[[Any], None]

    def _check_refit_for_multimetric(self, scores: Any) -> None:
        self._check_metrics(scores)

    def _scorer(self) -> Any:
        """Return one callable: a scorer, or one that gives a dict of scores."""
        return self._get_scorers()[0]

    def _route(self, params: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return what goes to the estimator's fit, to the splitter and to the scorer."""
        routed = self._get_routed_params_for_fit(params)
        return routed.estimator.fit, routed.splitter.split, routed.scorer.score

    def _forget(self) -> None:
        """Delete what an earlier fit left."""
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
            with contextlib.suppress(AttributeError):
                delattr(self, name)
