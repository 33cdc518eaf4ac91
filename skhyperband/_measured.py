"""Checks that what pictures and studies are made from is a search that has measured something."""

from typing import Any

from sklearn.exceptions import NotFittedError

from skhyperband._base import BaseHalvingSearchCV
from skhyperband._results import measured_metrics


def check_measured(search: Any) -> None:
    """Raise if it is no search of this package, or one without results."""
    if not isinstance(search, BaseHalvingSearchCV):
        raise TypeError(
            "search must be a HyperbandSearchCV or a SuccessiveHalvingSearchCV, "
            f"got {type(search).__name__}."
        )
    if not hasattr(search, "cv_results_"):
        raise NotFittedError(
            f"This {type(search).__name__} has no results, since nothing was measured; call fit "
            "first."
        )


def check_metric(search: BaseHalvingSearchCV, metric: str) -> None:
    """Raise if the search has not measured a metric."""
    names = measured_metrics(search.cv_results_)
    if metric not in names:
        raise ValueError(f"metric={metric!r} is none of the metrics {names}; give one of them.")
