"""Gives names to what is private in scikit-learn; no other module imports private names."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import BaseShuffleSplit
from sklearn.model_selection._search import (
    BaseSearchCV,
    _yield_masked_array_for_each_param,
)
from sklearn.model_selection._split import _UnsupportedGroupCVMixin
from sklearn.utils import _safe_indexing, estimator_html_repr
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _num_samples

from skhyperband._documentation import reference_page

__all__ = [
    "SearchBase",
    "callback_context",
    "check_estimator_callbacks",
    "default_test_size",
    "fit_context",
    "handing_callbacks",
    "histogram_boosting_would_stop",
    "keeping_bagging_seeds",
    "masked_parameters",
    "n_rows",
    "named_scorers",
    "select_metadata",
    "select_rows",
    "select_split",
    "uses_groups",
]

F = TypeVar("F", bound=Callable[..., Any])


def fit_context(fit: F) -> F:
    """Wrap a `fit` method as scikit-learn's own are wrapped."""
    return _fit_context(prefer_skip_nested_validation=False)(fit)


def default_test_size(cv: BaseShuffleSplit) -> float:
    """Return the share of the samples in the test part of a splitter that was not given one."""
    return float(getattr(cv, "_default_test_size", 0.1))


n_rows = _num_samples
select_rows = _safe_indexing


class _ForPairwise(BaseEstimator):
    """Expects X with a column for each sample."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        return tags


_FOR_PAIRWISE, _FOR_OTHERS = _ForPairwise(), BaseEstimator()


def select_split(X: Any, y: Any, rows: np.ndarray, columns: np.ndarray | None) -> tuple[Any, Any]:
    """Select rows of X and y; of a pairwise X also columns."""
    estimator = _FOR_OTHERS if columns is None else _FOR_PAIRWISE
    return _safe_split(estimator, X, y, rows, columns)


def select_metadata(X: Any, params: Mapping[str, Any], rows: np.ndarray | None) -> dict[str, Any]:
    """Select rows of the metadata that has a value for each sample of X; the rest is unchanged."""
    return _check_method_params(X, params=params, indices=rows)


def masked_parameters(
    candidates: list[dict[str, Any]],
) -> Iterator[tuple[str, np.ma.MaskedArray]]:
    """Yield a `param_*` column for each parameter, masked for candidates that lack it."""
    return _yield_masked_array_for_each_param(candidates)


def named_scorers(scorer: Any) -> dict[str, Any] | None:
    """Return the scorers of several metrics by name; None for any other scorer."""
    return scorer._scorers if isinstance(scorer, _MultimetricScorer) else None


def histogram_boosting_would_stop(fitted: Any) -> bool:
    """Return whether a HistGradientBoosting's early stopping would end the training now."""
    if not fitted.do_early_stopping_:
        return False
    watches_validation = len(fitted.validation_score_) > 0
    scores = fitted.validation_score_ if watches_validation else fitted.train_score_
    return fitted._should_stop(scores)


@contextlib.contextmanager
def keeping_bagging_seeds(fitted: Any) -> Iterator[None]:
    """Keep the seeds of a bag's members while others are added: `estimators_samples_` needs all."""
    seeds = fitted._seeds
    yield
    fitted._seeds = np.concatenate([seeds, fitted._seeds])


def uses_groups(cv: Any) -> bool:
    """Return whether a splitter uses the groups that it is given."""
    return not isinstance(cv, _UnsupportedGroupCVMixin)


# --- callbacks, of scikit-learn 1.9 and later --------------------------------------


def callback_context(search: Any, *, n_subtasks: int) -> Any:
    """Return the root of the tree of tasks that callbacks are told of; None without callbacks.

    Those of the search count, and those of its estimator or of a part of it.
    """
    if not hasattr(search, "_init_callback_context"):
        return None
    parts = [search.estimator, *search.estimator.get_params(deep=True).values()]
    if not any(getattr(part, "_skl_callbacks", None) for part in [search, *parts]):
        return None
    return search._init_callback_context(max_subtasks=n_subtasks)


def check_estimator_callbacks(estimator: Any) -> None:
    """Raise for callbacks of an estimator that scikit-learn wants on the outermost estimator."""
    callbacks = getattr(estimator, "_skl_callbacks", [])
    names = [type(c).__name__ for c in callbacks if hasattr(c, "max_propagation_depth")]
    if names:
        raise TypeError(
            f"The callbacks {', '.join(names)} of estimator={type(estimator).__name__} are handed "
            "on from an outer estimator to inner ones; set them on the search, by set_callbacks."
        )


@contextlib.contextmanager
def handing_callbacks(context: Any, estimator: Any) -> Iterator[None]:
    """Context in which the fit of an inner estimator is a part of the tree of tasks."""
    if not hasattr(estimator, "set_callbacks"):  # scikit-learn would warn, at every fit.
        yield
        return
    with context.propagate_callback_context(estimator):
        yield


class SearchBase(BaseSearchCV):
    """`BaseSearchCV` for subclasses that define `fit` themselves.

    A subclass defines `_check_metrics(names)`, which raises if there are several metrics and
    nothing says which of them promotes, and `_results_html()`, which returns what a notebook shows
    below the diagram of the search.
    """

    _check_metrics: Callable[[Any], None]
    _results_html: Callable[[], str]

    # The diagram of a search links to its page in the reference.
    _doc_link_module = "skhyperband"

    @property
    def _doc_link_template(self) -> str:
        return reference_page()

    def _check_refit_for_multimetric(self, scores: Any) -> None:
        self._check_metrics(scores)

    def _scorer(self) -> Any:
        """Return one callable, which returns a score or a dict of scores."""
        return self._get_scorers()[0]

    def _route(self, params: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Return what goes to the estimator's fit, to the splitter and to the scorer."""
        routed = self._get_routed_params_for_fit(params)
        return routed.estimator.fit, routed.splitter.split, routed.scorer.score

    def _reset(self) -> None:
        """Delete the attributes that an earlier fit set."""
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("_")]:
            with contextlib.suppress(AttributeError):
                delattr(self, name)

    def _html_repr(self) -> str:
        # Not in `_sk_visual_block_`, which is the diagram's: a pipeline shows it, too.
        return estimator_html_repr(self) + self._results_html()
