"""Rules of continued training for scikit-learn's estimators."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from skhyperband._continuation.base import (
    ContinuationRule,
    Parameters,
    TrainingIncrement,
    classifier_and_regressor,
    exact_with,
    has_fewer_rounds,
    one_of,
    refuses,
    reproducible,
)
from skhyperband._sklearn_compat import (
    histogram_boosting_would_stop,
    keeping_bagging_seeds,
    n_rows,
)


def _warm_start_to_total(fitted: Any, increment: TrainingIncrement) -> Any:
    """Continue the training of an ensemble, which takes the total number of its members."""
    with _warm_starting(fitted):
        # Parameters are attributes. set_params would take a millisecond.
        setattr(fitted, increment.resource, increment.total)
        fitted.fit(*increment.data, **increment.fit_params)
    return fitted


def _warm_start_with_rest(fitted: Any, increment: TrainingIncrement) -> Any:
    """Continue the training of a linear model, whose solver counts the iterations of one fit."""
    with _warm_starting(fitted):
        setattr(fitted, increment.resource, increment.added)
        fitted.fit(*increment.data, **increment.fit_params)
        setattr(fitted, increment.resource, increment.total)
    return fitted


@contextlib.contextmanager
def _warm_starting(fitted: Any) -> Iterator[None]:
    """Set `warm_start` for one fit.

    The user's value is restored afterwards, so that the parameters are those of an estimator
    that was fitted fresh. The amount of the resource is not: the caller sets it to the total.
    Nothing is restored after an error, since the estimator is then dropped.
    """
    own, fitted.warm_start = fitted.warm_start, True
    yield
    fitted.warm_start = own


def _continue_bagging(fitted: Any, increment: TrainingIncrement) -> Any:
    """Continue a bag, which would forget which rows its first members were fitted on."""
    with keeping_bagging_seeds(fitted):
        return _warm_start_to_total(fitted, increment)


def _continue_gradient_boosting(fitted: Any, increment: TrainingIncrement) -> Any:
    """Continue without early stopping only: each fit forgets the losses of the fits before."""
    return None if fitted.n_iter_no_change is not None else _warm_start_to_total(fitted, increment)


def _continue_by_epochs(fitted: Any, increment: TrainingIncrement) -> Any:
    """Call `partial_fit` once for each epoch."""
    for _ in range(increment.added):
        fitted.partial_fit(*increment.data, **increment.fit_params)
    return fitted.set_params(**{increment.resource: increment.total})


def _has_no_categories(fitted: Any, increment: TrainingIncrement) -> bool:
    # Tests found rows with categories whose prediction differs from what training arrived at.
    return fitted.is_categorical_ is None


def learn_new_samples(fitted: Any, increment: TrainingIncrement) -> Any:
    """Learn from the samples that the last rung did not have; `increment.data` has only those."""
    if n_rows(increment.data[0]) > 0:
        fitted.partial_fit(*increment.data, **increment.fit_params)
    return fitted


# --- training that has stopped ------------------------------------------------------


def _converged(fitted: Any, increment: TrainingIncrement) -> bool:
    return bool(np.max(fitted.n_iter_) < increment.last_added)


def _made_fewer_epochs(fitted: Any, increment: TrainingIncrement) -> bool:
    # n_iter_ counts the last call only. t_ counts the samples seen in all calls: nets begin at
    # 0 and linear models at 1, hence the half epoch.
    return bool(fitted.t_ / n_rows(increment.data[0]) < increment.before - 0.5)


def _histogram_boosting_has_stopped(fitted: Any, increment: TrainingIncrement) -> bool:
    # The second part is for early stopping that would happen exactly where the rung ended.
    return fitted.n_iter_ < increment.before or histogram_boosting_would_stop(fitted)


# --- obstacles ---------------------------------------------------------------------


def _obstacle_for_net(params: Parameters) -> str | None:
    if params.get("solver") == "lbfgs":
        return "with solver='lbfgs', it has no partial_fit"
    return refuses(early_stopping="it has no partial_fit")(params)


def _obstacle_for_sgd(params: Parameters) -> str | None:
    if params.get("class_weight") == "balanced":
        return "with class_weight='balanced', it has no partial_fit"
    return refuses(early_stopping="it has no partial_fit")(params)


def _obstacle_for_solver(params: Parameters) -> str | None:
    if params.get("solver") == "liblinear":
        return "with solver='liblinear', it ignores warm_start"
    return None


# --- rules -------------------------------------------------------------------------

_TREE = """max_depth min_samples_split min_samples_leaf min_weight_fraction_leaf max_features
    max_leaf_nodes min_impurity_decrease ccp_alpha verbose warm_start"""


RULES = (
    ContinuationRule(
        (
            *classifier_and_regressor("sklearn", "RandomForest"),
            *classifier_and_regressor("sklearn", "ExtraTrees"),
        ),
        ("n_estimators",),
        _warm_start_to_total,
        exact_parameters=exact_with(
            f"{_TREE} bootstrap oob_score n_jobs class_weight max_samples monotonic_cst criterion",
            random_state=reproducible,
        ),
    ),
    ContinuationRule(
        classifier_and_regressor("sklearn", "Bagging"),
        ("n_estimators",),
        _continue_bagging,
        exact_parameters=exact_with(
            """estimator max_samples max_features bootstrap bootstrap_features n_jobs verbose
            warm_start""",
            random_state=reproducible,
        ),
        obstacle=refuses(oob_score="it refuses warm_start"),
    ),
    ContinuationRule(
        classifier_and_regressor("sklearn", "GradientBoosting"),
        ("n_estimators",),
        _continue_gradient_boosting,
        exact_parameters=exact_with(
            f"""{_TREE} loss learning_rate subsample criterion alpha validation_fraction
            n_iter_no_change tol""",
            # With another estimator, its prediction may depend on the memory order of the rows.
            init=one_of(None, "zero"),
            random_state=reproducible,
        ),
        caveat=refuses(n_iter_no_change="it forgets the losses of the fits before"),
        has_stopped=has_fewer_rounds("n_estimators_"),
    ),
    ContinuationRule(
        classifier_and_regressor("sklearn", "HistGradientBoosting"),
        ("max_iter",),
        _warm_start_to_total,
        exact_parameters=exact_with(
            """loss quantile learning_rate max_leaf_nodes max_depth min_samples_leaf
            l2_regularization max_features max_bins categorical_features monotonic_cst
            interaction_cst warm_start early_stopping scoring validation_fraction
            n_iter_no_change tol verbose class_weight""",
            random_state=reproducible,
        ),
        exact_on=_has_no_categories,
        has_stopped=_histogram_boosting_has_stopped,
    ),
    ContinuationRule(
        ("sklearn.MLPClassifier", "sklearn.MLPRegressor"),
        ("max_iter",),
        _continue_by_epochs,
        obstacle=_obstacle_for_net,
        has_stopped=_made_fewer_epochs,
    ),
    ContinuationRule(
        ("sklearn.SGDClassifier", "sklearn.SGDRegressor", "sklearn.Perceptron"),
        ("max_iter",),
        _continue_by_epochs,
        obstacle=_obstacle_for_sgd,
        has_stopped=_made_fewer_epochs,
    ),
    ContinuationRule(
        (
            "sklearn.LogisticRegression",
            "sklearn.ElasticNet",
            "sklearn.Lasso",
            "sklearn.MultiTaskElasticNet",
            "sklearn.MultiTaskLasso",
            "sklearn.HuberRegressor",
            "sklearn.PoissonRegressor",
            "sklearn.GammaRegressor",
            "sklearn.TweedieRegressor",
        ),
        ("max_iter",),
        _warm_start_with_rest,
        obstacle=_obstacle_for_solver,
        has_stopped=_converged,
    ),
)
