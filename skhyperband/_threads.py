"""Decides how many threads a fit has: several where that changes no bit of its result."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

import joblib
from sklearn.pipeline import Pipeline
from threadpoolctl import ThreadpoolController

from skhyperband._continuation.base import classifier_and_regressor, name_of_class
from skhyperband._continuation.pipelines import TRANSFORMERS, transforms_reproducibly
from skhyperband._fit_warnings import catching

# --- what is known of estimators ---------------------------------------------------

# What adds up numbers in the order in which threads end has another result with each number of
# threads: BLAS, and with it most linear models and nets, as well as XGBoost and LightGBM. The
# classes below do not. `benchmarks/threads.py` compares any number of random candidates.


@dataclass(frozen=True)
class ThreadRule:
    """Estimators whose fit has the same result with any number of threads.

    Attributes
    ----------
    estimators : tuple of str
        The names of the estimators' classes, as ``package.Class``.
    library : {"joblib", "openmp"}
        What runs the threads of a fit: joblib with `n_jobs` of the estimator, or OpenMP.
    exact_where : callable
        ``exact_where(params)`` returns whether the result was tested to be the same with these
        parameters.
    """

    estimators: tuple[str, ...]
    library: Literal["joblib", "openmp"]
    exact_where: Callable[[Mapping[str, Any]], bool] = lambda params: True


_TREES = frozenset(
    [
        *classifier_and_regressor("sklearn", "DecisionTree"),
        *classifier_and_regressor("sklearn", "ExtraTree"),
    ]
)


def _has_trees_only(params: Mapping[str, Any]) -> bool:
    """Return whether the members of a bag are trees; other members may share something."""
    member = params["estimator"]
    return member is None or name_of_class(type(member)) in _TREES


def _runs_no_code_of_others(params: Mapping[str, Any]) -> bool:
    """Return whether neither the loss nor a scorer is a user's own."""
    return not callable(params["scoring"]) and isinstance(params["loss"], str)


RULES = (
    ThreadRule(
        (
            *classifier_and_regressor("sklearn", "RandomForest"),
            *classifier_and_regressor("sklearn", "ExtraTrees"),
        ),
        "joblib",
    ),
    ThreadRule(
        classifier_and_regressor("sklearn", "Bagging"), "joblib", exact_where=_has_trees_only
    ),
    ThreadRule(
        classifier_and_regressor("sklearn", "HistGradientBoosting"),
        "openmp",
        exact_where=_runs_no_code_of_others,
    ),
)
_RULE_OF = {name: rule for rule in RULES for name in rule.estimators}

# Transformers that may be fitted while OpenMP has several threads. KBinsDiscretizer is left out
# since k-means adds up in the order in which threads end.
_WITHOUT_OPENMP = TRANSFORMERS - {"sklearn.KBinsDiscretizer"}


# --- fits that get them -------------------------------------------------------------


# One for all evaluations, since making one takes longer than entering it.
_UNCHANGED = contextlib.nullcontext()


@dataclass(frozen=True)
class FitThreads:
    """Gives fits several threads.

    Attributes
    ----------
    openmp_is_limited : bool
        Whether the user has said how many threads OpenMP may use. It is found out in the process
        of the search, since joblib sets the same variable in its workers.
    """

    openmp_is_limited: bool = field(default_factory=lambda: "OMP_NUM_THREADS" in os.environ)

    def __call__(self, estimator: Any, n_threads: int) -> AbstractContextManager[None]:
        """Return a context in which the estimator's `fit` uses so many threads.

        It changes nothing where the result might depend on it, or where the user has set `n_jobs`
        of the estimator. Of a pipeline, the last step gets the threads.
        """
        if n_threads == 1:
            return _UNCHANGED
        earlier, last = [], estimator
        if type(estimator) is Pipeline and estimator.steps:
            *earlier, last = [step for _, step in estimator.steps]
        rule = _RULE_OF.get(name_of_class(type(last)))
        if rule is None or not rule.exact_where(last.get_params(deep=False)):
            return _UNCHANGED
        if rule.library == "joblib":
            return _joblib_threads(last, n_threads)
        # The earlier steps are fitted in the same context.
        can_follow = all(transforms_reproducibly(step, _WITHOUT_OPENMP) for step in earlier)
        if self.openmp_is_limited or not can_follow:
            return _UNCHANGED
        return _openmp_threads(n_threads)


@contextlib.contextmanager
def _joblib_threads(estimator: Any, n_threads: int) -> Iterator[None]:
    """Set `n_jobs` where the user has not, until the end of the fit.

    What these estimators predict depends on it. Bagging would start processes if joblib were not
    told otherwise.
    """
    if estimator.n_jobs is not None:
        yield
        return
    estimator.n_jobs = n_threads
    try:
        with joblib.parallel_config(backend="threading"):
            yield
    finally:
        estimator.n_jobs = None
        catching.repair()


@contextlib.contextmanager
def _openmp_threads(n_threads: int) -> Iterator[None]:
    """Raise the number of OpenMP's threads where it is lower."""
    openmp = ThreadpoolController().select(user_api="openmp")
    lower = all(library.num_threads < n_threads for library in openmp.lib_controllers)
    with openmp.limit(limits=n_threads) if lower else contextlib.nullcontext():
        yield


# --- workers that are threads ------------------------------------------------------

# How many threads of OpenMP each thread of this process was limited to.
_limits = threading.local()


def limit_openmp_of_thread(n_threads: int) -> None:
    """Let the calling thread have no more threads of OpenMP than this, as long as it lives.

    OpenMP counts for each thread by itself, and gives each of them all cores by default.
    """
    if getattr(_limits, "n_threads", None) == n_threads:
        return
    for library in ThreadpoolController().select(user_api="openmp").lib_controllers:
        if library.num_threads > n_threads:
            library.set_num_threads(n_threads)
    _limits.n_threads = n_threads
