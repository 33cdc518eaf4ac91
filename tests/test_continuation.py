import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
import sklearn
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import (
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
)
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskLasso,
    Perceptron,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import _safe_indexing

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._continuation import RULES, TRANSFORMERS, Continuation
from skhyperband._evaluator import Evaluator
from skhyperband._executors.states import LocalStateStore
from skhyperband._records import Task
from skhyperband._resources import N_SAMPLES, ParameterResource, SampleResource, Split
from tests.estimators import (
    DiesOnce,
    Failing,
    Noting,
    NotWriting,
    Scored,
    Writing,
    grow,
)
from tests.published import published
from tests.tables import CONTAINERS, a_table

# Each fourth candidate is given the same kind of data.
N_CANDIDATES = 8
# Of so many, some stop early and some do not.
N_THAT_MAY_STOP = 20


# --- the cases of the conformance suite ---------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A case of the conformance suite: "auto" continues training, and must equal a fresh fit.

    Attributes
    ----------
    name : str
    task : {"binary", "multiclass", "regression"}
    make : callable
        Returns the estimator, or skips where its library is missing.
    draw : callable
        ``draw(rng, task)`` returns a candidate of its usual search space.
    resource : str
    rungs : tuple of int
    weights, missing : bool
        Whether some candidates are tried with weights, and with missing values.
    coded : bool
        Whether the classes must be the integers from 0.
    may_stop : bool
        Whether the training of a candidate may stop before its resource is used up.
    """

    name: str
    task: str
    make: Callable[[], Any]
    draw: Callable[[np.random.Generator, str], dict[str, Any]]
    resource: str = "n_estimators"
    rungs: tuple[int, ...] = (1, 3, 9)
    weights: bool = True
    missing: bool = True
    coded: bool = False
    may_stop: bool = False

    def __str__(self):
        return f"{self.name}-{self.task}"


def a_choice(rng, *values):
    return values[rng.integers(len(values))]


def a_forest(rng, task):
    bootstrap = a_choice(rng, True, False)
    candidate = {
        "max_depth": a_choice(rng, None, 2, 6),
        "max_features": rng.uniform(0.2, 1.0),
        "max_leaf_nodes": a_choice(rng, None, 5, 12),
        "min_samples_leaf": int(rng.integers(1, 10)),
        "min_impurity_decrease": a_choice(rng, 0.0, 0.01),
        "ccp_alpha": a_choice(rng, 0.0, 0.02),
        "bootstrap": bootstrap,
        "oob_score": bootstrap and a_choice(rng, True, False),
        "max_samples": a_choice(rng, None, 0.5, 20) if bootstrap else None,
    }
    if task == "regression":
        return {
            **candidate,
            "criterion": a_choice(rng, "squared_error", "poisson"),
            "warm_start": a_choice(rng, True, False),
        }
    weights = None, "balanced", "balanced_subsample"
    return {
        **candidate,
        "criterion": a_choice(rng, "gini", "entropy", "log_loss"),
        "class_weight": a_choice(rng, *weights),
    }


def trees_of(tree):
    return None, tree(max_depth=3), tree(splitter="random", max_features=0.5)


# By whether it is a regression, for a bag to choose from.
TREES = trees_of(DecisionTreeClassifier), trees_of(DecisionTreeRegressor)
OTHERS = (KNeighborsClassifier(3), KNeighborsRegressor(3)), (GaussianNB(), Ridge())


def a_bag(rng, task):
    return bag_of(rng, *TREES[task == "regression"])


def a_bag_of_others(rng, task):
    others = [make_pipeline(SimpleImputer(), step[task == "regression"]) for step in OTHERS]
    return bag_of(rng, *others)


def bag_of(rng, *bases):
    return {
        "estimator": a_choice(rng, *bases),
        "max_samples": int(rng.integers(30, 60)),
        "max_features": rng.uniform(0.4, 1.0),
        "bootstrap": a_choice(rng, True, False),
        "bootstrap_features": a_choice(rng, True, False),
    }


def a_boosting(rng, task):
    candidate = {
        "learning_rate": 10 ** rng.uniform(-2, 0),
        "subsample": a_choice(rng, 0.5, 0.8, 1.0),
        "max_depth": int(rng.integers(1, 5)),
        "max_features": a_choice(rng, None, "sqrt", 0.5),
        "max_leaf_nodes": a_choice(rng, None, 5),
        "min_samples_leaf": int(rng.integers(1, 10)),
        "ccp_alpha": a_choice(rng, 0.0, 0.01),
    }
    if task == "regression":
        return {
            **candidate,
            "loss": a_choice(rng, "squared_error", "absolute_error", "huber", "quantile"),
            "alpha": rng.uniform(0.1, 0.9),
            "init": a_choice(rng, None, "zero"),
        }
    losses = ("log_loss", "exponential") if task == "binary" else ("log_loss",)
    return {
        **candidate,
        "loss": a_choice(rng, *losses),
        "init": a_choice(rng, None, "zero"),
    }


def a_histogram_boosting(rng, task):
    candidate = {
        "learning_rate": 10 ** rng.uniform(-2, 0),
        "max_leaf_nodes": int(rng.integers(3, 15)),
        "max_depth": a_choice(rng, None, 2),
        "min_samples_leaf": int(rng.integers(1, 10)),
        "l2_regularization": a_choice(rng, 0.0, 1.0),
        "max_features": a_choice(rng, 1.0, 0.5),
        "max_bins": a_choice(rng, 255, 10),
        "interaction_cst": a_choice(rng, None, "no_interactions"),
        "early_stopping": a_choice(rng, False, "auto"),
    }
    if task != "multiclass":
        candidate["monotonic_cst"] = a_choice(rng, None, [1, 0, -1, 0, 0, 0])
    if task != "regression":
        return {**candidate, "class_weight": a_choice(rng, None, "balanced")}
    losses = "squared_error", "absolute_error", "gamma", "poisson", "quantile"
    return {
        **candidate,
        "loss": a_choice(rng, *losses),
        "quantile": rng.uniform(0.1, 0.9),
    }


def one_that_stops(rng, task):
    """Draw what stops early: by the loss or a scorer, on rows held out or not."""
    scorer = "neg_mean_absolute_error" if task == "regression" else "accuracy"
    return {
        "learning_rate": 10 ** rng.uniform(-1, 0.5),
        "max_leaf_nodes": int(rng.integers(3, 15)),
        "min_samples_leaf": int(rng.integers(1, 10)),
        "max_features": a_choice(rng, 1.0, 0.5),
        "early_stopping": True,
        "scoring": a_choice(rng, "loss", scorer, None),
        "validation_fraction": a_choice(rng, 0.2, None),
        "n_iter_no_change": int(rng.integers(1, 4)),
        "tol": a_choice(rng, 1e-7, 1e-2),
    }


def an_xgboost(rng, task):
    candidate = {
        "max_depth": int(rng.integers(1, 7)),
        "max_leaves": a_choice(rng, 0, 7),
        "grow_policy": a_choice(rng, "depthwise", "lossguide"),
        "learning_rate": 10 ** rng.uniform(-2, 0),
        "gamma": a_choice(rng, 0.0, 0.1),
        "min_child_weight": a_choice(rng, 0.1, 1.0, 5.0),
        "max_delta_step": a_choice(rng, 0, 1),
        "reg_alpha": a_choice(rng, 0.0, 0.5),
        "reg_lambda": a_choice(rng, 0.0, 1.0, 5.0),
        "max_bin": a_choice(rng, 256, 8),
        "tree_method": a_choice(rng, "hist", "approx"),
        "num_parallel_tree": a_choice(rng, 1, 2),
        "base_score": a_choice(rng, None, 0.3),
    }
    if task != "multiclass":
        candidate["monotone_constraints"] = a_choice(rng, None, (1, 0, -1, 0, 0, 0))
    if task != "regression":
        return candidate
    losses = "squarederror", "absoluteerror", "gamma", "tweedie", "pseudohubererror"
    return {**candidate, "objective": f"reg:{a_choice(rng, *losses)}"}


def a_lightgbm(rng, task):
    candidate = {
        "num_leaves": int(rng.integers(2, 15)),
        "max_depth": a_choice(rng, -1, 3),
        "learning_rate": 10 ** rng.uniform(-2, 0),
        "min_child_samples": int(rng.integers(1, 20)),
        "min_child_weight": a_choice(rng, 1e-3, 1.0),
        "min_split_gain": a_choice(rng, 0.0, 0.1),
        "reg_alpha": a_choice(rng, 0.0, 0.5),
        "reg_lambda": a_choice(rng, 0.0, 1.0),
        "max_bin": a_choice(rng, 255, 8),
        "path_smooth": a_choice(rng, 0.0, 1.0),
        "subsample": a_choice(rng, 1.0, 0.5),
        "subsample_for_bin": a_choice(rng, 200_000, 200_000, 30),
        "enable_bundle": a_choice(rng, True, True, False),
        "boost_from_average": a_choice(rng, True, False),
    }
    if task == "regression":
        losses = "regression", "regression_l1", "huber", "poisson", "quantile", "gamma"
        return {**candidate, "objective": a_choice(rng, *losses)}
    if task == "binary":
        candidate["monotone_constraints"] = a_choice(rng, None, [1, 0, -1, 0, 0, 0])
    return {**candidate, "class_weight": a_choice(rng, None, "balanced")}


def a_lightgbm_that_ends(rng, task):
    """Draw one that soon finds no split that is worth it, and then adds no more trees."""
    return {
        "num_leaves": int(rng.integers(2, 15)),
        "learning_rate": rng.uniform(0.3, 1.0),
        "min_child_samples": int(rng.integers(5, 35)),
        "min_split_gain": 10 ** rng.uniform(-0.5, 1.5),
    }


def a_catboost(rng, task):
    candidate = {
        "learning_rate": 10 ** rng.uniform(-2, 0),
        "depth": int(rng.integers(1, 5)),
        "l2_leaf_reg": rng.uniform(0.5, 5.0),
        "border_count": a_choice(rng, 254, 8),
        "bootstrap_type": "No",
        "boosting_type": "Plain",
        "random_strength": 0,
    }
    if task != "regression":
        losses = "MultiClass", "MultiClassOneVsAll"
        return {**candidate, "loss_function": a_choice(rng, *losses)}
    losses = {"loss_function": "MAE"}, {"loss_function": "RMSE", "boost_from_average": False}
    return {**candidate, **a_choice(rng, *losses)}


@dataclass(frozen=True)
class Library:
    """What makes an estimator of a library that may be missing, or skips the test."""

    module: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self):
        return getattr(pytest.importorskip(self.module), self.name)(**self.options)


def both_of(module, name, **options):
    return [Library(module, f"{name}{task}", options) for task in ("Classifier", "Regressor")]


def on_each_task(name, classifier, regressor, draw, **options):
    """Return rows for two classes, three, and numbers."""
    makers = {"binary": classifier, "multiclass": classifier, "regression": regressor}
    return [Case(name, task, make, draw, **options) for task, make in makers.items()]


CASES = [
    *on_each_task("RandomForest", RandomForestClassifier, RandomForestRegressor, a_forest),
    *on_each_task("ExtraTrees", ExtraTreesClassifier, ExtraTreesRegressor, a_forest),
    *on_each_task("Bagging", BaggingClassifier, BaggingRegressor, a_bag, rungs=(1, 2, 5)),
    *on_each_task(
        "Bagging-of-others",
        *(BaggingClassifier, BaggingRegressor, a_bag_of_others),
        rungs=(1, 4),
        weights=False,
    ),
    *on_each_task(
        "GradientBoosting",
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        a_boosting,
        missing=False,
    ),
    *on_each_task(
        "HistGradientBoosting",
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        a_histogram_boosting,
        resource="max_iter",
        rungs=(2, 6),
    ),
    *on_each_task(
        "HistGradientBoosting-stopping",
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        one_that_stops,
        resource="max_iter",
        rungs=(2, 5, 11),
        may_stop=True,
    ),
    *on_each_task("XGBoost", *both_of("xgboost", "XGB", n_jobs=1), an_xgboost, coded=True),
    *on_each_task("LightGBM", *both_of("lightgbm", "LGBM", n_jobs=1, verbose=-1), a_lightgbm),
    *on_each_task(
        "LightGBM-stopping",
        *both_of("lightgbm", "LGBM", n_jobs=1, verbose=-1),
        a_lightgbm_that_ends,
        rungs=(2, 5, 11),
        may_stop=True,
    ),
    *on_each_task(
        "CatBoost",
        *both_of("catboost", "CatBoost", thread_count=1, silent=True, allow_writing_files=False),
        a_catboost,
        resource="iterations",
    ),
]


# --- data, and the two ways of coming to a fitted estimator ------------------------


@dataclass(frozen=True)
class Data:
    """Rows, what else `fit` is given, and one split."""

    X: Any
    y: Any
    fit_params: dict[str, Any]
    split: Split

    def with_fit_params(self, **fit_params):
        return replace(self, fit_params=fit_params)


def data_for(task, *, weights=False, missing=False, coded=False):
    """Return 90 samples, of which 60 train; two of six features may be categories."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 6))
    X[:, 4:] = rng.integers(5, size=(90, 2))
    signal = X[:, 0] + X[:, 1] * X[:, 2] + (X[:, 4] > 2) + rng.normal(size=90)
    y = np.exp(signal / 3)
    if task != "regression":
        n_classes = 2 if task == "binary" else 3
        codes = np.digitize(signal, np.quantile(signal, np.arange(1, n_classes) / n_classes))
        y = codes if coded else np.array(["no", "perhaps", "yes"])[codes]
    if missing:
        X[rng.uniform(size=X.shape) < 0.1] = np.nan
    fit_params = {"sample_weight": rng.uniform(0.1, 3.0, size=90)} if weights else {}
    return Data(X, y, fit_params, Split(np.arange(60), np.arange(60, 90), rng.permutation(60)))


def shown_by(estimator, X):
    """Return the most that it says of these rows."""
    methods = "predict_proba", "decision_function", "predict"
    return next(getattr(estimator, name)(X) for name in methods if hasattr(estimator, name))


def numbers_in(shown):
    """Return several scores, which tell nearly any two models apart."""
    return {"first": float(np.max(shown[0])), "total": float(np.sum(np.arctan(shown)))}


@dataclass(frozen=True)
class Reached:
    """A fitted estimator on a rung, and what the evaluation said of it."""

    n_resources: int
    fitted: Any
    shown: np.ndarray
    scores: dict[str, float]
    warnings: set[str]
    n_trained: int
    has_state: bool


def climb(estimator, candidate, resource, rungs, data, mode, *, n_threads=1):
    """Return what a candidate comes to on each rung, its state pickled in between."""
    scored = []

    def scorer(estimator, X, y=None):
        scored.append((estimator, shown_by(estimator, X)))
        return numbers_in(scored[-1][1])

    of = SampleResource(len(data.X)) if resource == N_SAMPLES else ParameterResource(resource)

    with warnings.catch_warnings():
        warnings.simplefilter("always")  # Which it takes with it.
        evaluator = Evaluator(
            estimator,
            data.X,
            data.y,
            [data.split],
            of,
            scorer,
            data.fit_params,
            continuation=Continuation(mode, resource),
        )
    reached, state = [], None
    for n_resources in rungs:
        task = Task(candidate, n_resources, 0, state, keeps_state=True, n_threads=n_threads)
        outcome = evaluator(task)
        assert outcome.failure is None, outcome.failure.text
        texts = set((outcome.warnings or {}).values())
        has_state = outcome.state is not None
        reached.append(
            Reached(
                *(n_resources, *scored[-1], outcome.test_scores, texts),
                *(outcome.n_trained, has_state),
            )
        )
        state = pickle.loads(pickle.dumps(outcome.state))
    return reached


def fresh(estimator, candidate, resource, n_resources, data):
    """Return what a plain fit comes to, with nothing of ours in it."""
    params = {name: clone(value, safe=False) for name, value in candidate.items()}
    fitted = clone(estimator).set_params(**params, **{resource: n_resources})
    train, test = data.split.train, data.split.test
    fit_params = {
        name: value if callable(value) else value[train] for name, value in data.fit_params.items()
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted.fit(_safe_indexing(data.X, train), data.y[train], **fit_params)
        shown = shown_by(fitted, _safe_indexing(data.X, test))
    texts = {str(warning.message) for warning in caught}
    return Reached(
        n_resources, fitted, shown, numbers_in(shown), texts, n_resources, has_state=False
    )


def name_of(estimator):
    return f"{type(estimator).__module__.partition('.')[0]}.{type(estimator).__name__}"


ATTRIBUTES = (
    *("classes_", "n_features_in_", "feature_importances_", "n_iter_", "n_estimators_"),
    *("loss_curve_", "train_score_", "validation_score_", "oob_improvement_", "oob_score_"),
    *("oob_decision_function_", "oob_prediction_", "coef_", "intercept_"),
)


def assert_same(ours, theirs, data):
    """Compare two fitted estimators bit by bit, in all that they say."""
    np.testing.assert_equal(ours.scores, theirs.scores)  # NaN is NaN.
    one, other = ours.fitted, theirs.fitted
    if isinstance(one, Pipeline):  # Its transformers are fitted, and warn, once only.
        one, other = one[-1], other[-1]
    else:
        assert ours.warnings == theirs.warnings, (ours.warnings, theirs.warnings)
    if not name_of(one).startswith("catboost"):  # Once fitted, it lets no one change them.
        assert repr(one.get_params()) == repr(other.get_params()), "parameters"
    one, other = ours.fitted, theirs.fitted
    assert_equal(ours.shown, theirs.shown, "shown")
    assert_equal(one.predict(data.X), other.predict(data.X), "predict")
    for name in ATTRIBUTES:
        assert hasattr(one, name) == hasattr(other, name), name
        if hasattr(one, name):
            assert_equal(getattr(one, name), getattr(other, name), name)


def assert_equal(one, other, name):
    assert np.asarray(one).dtype == np.asarray(other).dtype
    np.testing.assert_array_equal(one, other, err_msg=name)


def assert_like_fresh_fits(estimator, candidate, resource, rungs, data, mode="auto"):
    """Compare continued training with a fresh fit on each rung; return the amounts trained."""
    reached = climb(estimator, candidate, resource, rungs, data, mode)
    for ours in reached:
        assert_same(ours, fresh(estimator, candidate, resource, ours.n_resources, data), data)
    return [ours.n_trained for ours in reached]


def differences(rungs):
    """Return the amount that each rung adds to the rung before."""
    return np.diff(rungs, prepend=0).tolist()


# --- training that "auto" continues equals a fresh fit --------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_auto_equals_a_fresh_fit(case):
    """The training of random candidates is continued, and equals a fresh fit on each rung."""
    rng = np.random.default_rng(0)
    estimator = case.make()
    n_candidates = N_THAT_MAY_STOP if case.may_stop else N_CANDIDATES

    trained = []
    for number in range(n_candidates):
        data = data_for(
            case.task,
            weights=case.weights and number % 2 == 1,
            missing=case.missing and number % 4 >= 2,
            coded=case.coded,
        )
        candidate = {**case.draw(rng, case.task), "random_state": int(rng.integers(1000))}
        trained.append(
            assert_like_fresh_fits(estimator, candidate, case.resource, case.rungs, data)
        )

    on = differences(case.rungs)
    if case.may_stop:
        for took in trained:
            assert all(n in (0, all_of_it) for n, all_of_it in zip(took, on, strict=True)), took
        assert on in trained
        assert any(0 in took for took in trained)
    else:
        assert trained == [on] * n_candidates


@pytest.mark.parametrize("bagging", [BaggingClassifier, BaggingRegressor])
def test_continued_bag_knows_the_rows_of_all_members(bagging):
    """Its members are paired with the rows that each was fitted on, as in a fresh bag."""
    task = "binary" if bagging is BaggingClassifier else "regression"
    data = data_for(task)
    reached = climb(bagging(random_state=0), {}, "n_estimators", (2, 5, 9), data, "auto")
    rows = data.split.train
    whole = bagging(n_estimators=9, random_state=0).fit(data.X[rows], data.y[rows])

    assert [ours.n_trained for ours in reached] == [2, 3, 4]
    for ours, theirs in zip(
        reached[-1].fitted.estimators_samples_, whole.estimators_samples_, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("validation_fraction", [0.2, None], ids=["held-out", "training"])
@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_histogram_boosting_that_ends_exactly_at_its_rung_has_ended(scoring, validation_fraction):
    """A candidate whose early stopping would end it exactly at its rung is not trained further."""
    data = data_for("binary")
    estimator = HistGradientBoostingClassifier(
        early_stopping=True,
        scoring=scoring,
        validation_fraction=validation_fraction,
        n_iter_no_change=3,
        tol=0.01,
        random_state=0,
    )
    end = fresh(estimator, {}, "max_iter", 100, data).fitted.n_iter_
    assert 3 < end < 100

    trained = assert_like_fresh_fits(estimator, {}, "max_iter", (end, 2 * end, 4 * end), data)
    almost = assert_like_fresh_fits(estimator, {}, "max_iter", (end - 1, 2 * end), data)

    assert trained == [end, 0, 0]
    assert almost[0] == end - 1
    assert almost[1] > 0


def test_gradient_boosting_that_watches_itself_is_reused_once_it_stopped_short():
    """With n_iter_no_change it is fitted fresh, unless it ended below its rung."""
    data = data_for("binary")
    estimator = GradientBoostingClassifier(n_iter_no_change=2, tol=0.01, random_state=0)
    end = fresh(estimator, {}, "n_estimators", 100, data).fitted.n_estimators_
    assert 3 < end < 100
    rungs = (2, end, 2 * end, 4 * end, 8 * end)

    trained = assert_like_fresh_fits(estimator, {}, "n_estimators", rungs, data)

    assert trained == [2, end, 2 * end, 0, 0]


# -- LightGBM's bundles of features


def bundled(seed, n=300):
    """Return a table of which LightGBM bundles two columns that meet: values are lost."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(2, size=n), np.ones(n), rng.normal(size=n)])
    for column in range(2):
        X[rng.uniform(size=n) < rng.uniform(0.02, 0.2), column] = np.nan
    y = np.isnan(X[:, 1]) + np.nan_to_num(X[:, 0]) * X[:, 2] + rng.normal(size=n)
    return Data(X, y, {}, Split(np.arange(200), np.arange(200, n), np.arange(200)))


def of_columns(*columns):
    """Return a table of these columns of 300 rows."""
    X = np.column_stack(columns).astype(float)
    y = np.nan_to_num(X) @ np.linspace(1, 2, X.shape[1]) + np.random.default_rng(0).normal(
        size=len(X)
    )
    return Data(X, y, {}, Split(np.arange(200), np.arange(200, 300), np.arange(200)))


@pytest.mark.parametrize("seed", range(20))
def test_lightgbm_that_loses_values_to_bundles_is_fitted_fresh(seed):
    """Where two bundled columns meet in a row, "auto" is a fresh fit all the same."""
    estimator = lightgbm(min_child_samples=5)()
    estimator = pytest.importorskip("lightgbm").LGBMRegressor(**estimator.get_params())

    trained = assert_like_fresh_fits(estimator, {}, "n_estimators", (2, 16), bundled(seed))

    assert trained == [2, 16]


def test_lightgbm_without_bundles_is_always_continued():
    """With enable_bundle=False nothing is lost, whatever the columns are."""
    estimator = pytest.importorskip("lightgbm").LGBMRegressor(
        enable_bundle=False, min_child_samples=5, n_jobs=1, verbose=-1
    )

    for seed in range(20):
        data = bundled(seed)
        trained = assert_like_fresh_fits(estimator, {}, "n_estimators", (2, 16), data)

        assert trained == [2, 14]


RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=300)
FLAG = RNG.permutation(np.arange(300) < 150)
RARE = RNG.permutation(np.arange(300) < 30)
# What ordinary tables are made of, and how little of it LightGBM bundles.
ORDINARY = {
    "numbers": (NORMAL, NORMAL**2, RNG.integers(-5, 20, size=300)),
    "one-flag": (NORMAL, FLAG),
    "flags-that-meet": (NORMAL, FLAG, RARE | FLAG, ~RARE),
    "flags-that-never-meet": (NORMAL, RARE, ~RARE & FLAG),
    "one-hot": (NORMAL, *np.eye(4)[RNG.integers(4, size=300)].T),
    "missing": (np.where(RARE, np.nan, NORMAL), np.where(FLAG, np.nan, NORMAL**2)),
    "constant": (NORMAL, np.ones(300), np.zeros(300), np.full(300, np.nan), FLAG),
    "counts": (NORMAL, RNG.poisson(1, size=300), RNG.poisson(4, size=300)),
}


@pytest.mark.parametrize("container", ["array", "float32", "frame"])
@pytest.mark.parametrize("name", ORDINARY)
def test_lightgbm_is_continued_with_ordinary_tables(name, container):
    """Columns that are bundled without a loss, or not at all, mean no fresh fit."""
    pandas = pytest.importorskip("pandas")
    make = {"array": np.array, "float32": np.float32, "frame": pandas.DataFrame}[container]
    data = of_columns(*ORDINARY[name])
    data = replace(data, X=make(data.X))
    estimator = pytest.importorskip("lightgbm").LGBMRegressor(
        min_child_samples=5, n_jobs=1, verbose=-1
    )

    trained = assert_like_fresh_fits(estimator, {}, "n_estimators", (2, 6, 16), data)

    assert trained == [2, 4, 10]


def test_lightgbm_that_loses_a_row_of_ten_thousand_is_fitted_fresh():
    """From so many rows on LightGBM accepts a loss: flags that meet in one row are bundled."""
    n = 12_000
    X = np.zeros((n, 3))
    X[:, 0] = np.random.default_rng(0).normal(size=n)
    X[:2000, 1] = X[1999:4000, 2] = 1
    y = X[:, 1] - X[:, 2] + 5 * (X[:, 1] * X[:, 2]) + 0.1 * X[:, 0]
    data = Data(X, y, {}, Split(np.arange(n), np.arange(1990, 2010), np.arange(n)))
    estimator = pytest.importorskip("lightgbm").LGBMRegressor(
        min_child_samples=1, n_jobs=1, verbose=-1
    )
    apart = X.copy()
    apart[1999, 2] = 0

    trained = [
        assert_like_fresh_fits(estimator, {}, "n_estimators", (2, 6), replace(data, X=rows))
        for rows in (X, apart)
    ]

    assert trained == [[2, 6], [2, 4]]


def test_lightgbm_with_true_is_continued_even_if_values_are_lost():
    """True asks for no more than the same kind of result."""
    estimator = pytest.importorskip("lightgbm").LGBMRegressor(
        min_child_samples=5, n_jobs=1, verbose=-1
    )

    reached = climb(estimator, {}, "n_estimators", (2, 16), bundled(0), True)

    assert [ours.n_trained for ours in reached] == [2, 14]


# -- memory order


@pytest.mark.parametrize("order", ["C", "F"])
def test_gradient_boosting_that_starts_from_an_estimator_is_fitted_fresh(order):
    """A linear start rounds otherwise when rows lie in memory in another order."""
    data = data_for("regression")
    data = replace(data, X=np.asarray(data.X, order=order))
    estimator = GradientBoostingRegressor(init=Ridge(), random_state=0)

    trained = assert_like_fresh_fits(estimator, {}, "n_estimators", (2, 9), data)

    assert trained == [2, 9]


@pytest.mark.parametrize("categories", [[4], [4, 5]], ids=repr)
def test_histogram_boosting_with_categories_is_fitted_fresh(categories):
    """The prediction for its training rows may differ from what training arrived at."""
    data = data_for("multiclass", missing=True)
    estimator = HistGradientBoostingClassifier(categorical_features=categories, random_state=0)

    trained = assert_like_fresh_fits(estimator, {}, "max_iter", (2, 6), data)

    assert trained == [2, 6]


@pytest.mark.parametrize("seed", [(0, 346)], ids=repr)
def test_histogram_boosting_with_missing_categories_is_a_fresh_fit(seed):
    """A frame with categories and missing values in them makes no difference."""
    pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    table = a_table(rng, "multiclass", "categorical-frame", n=120, missing=True)
    data = Data(table.X, table.y, {}, Split(np.arange(90), np.arange(90, 120), np.arange(90)))
    estimator = HistGradientBoostingClassifier(max_features=0.5, max_bins=10, random_state=0)

    trained = assert_like_fresh_fits(estimator, {}, "max_iter", (2, 6, 12), data)

    assert trained == [2, 6, 12]


@pytest.mark.slow
def test_no_container_and_no_table_makes_a_difference():
    """Each rule meets each container with random candidates and tables, by the script."""
    for name in ("pandas", "polars", "xgboost", "lightgbm", "catboost"):
        pytest.importorskip(name)
    script = Path(__file__).parents[1] / "benchmarks" / "exactness.py"
    command = [sys.executable, script, "--candidates", "150", "--seed", "7"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)

    assert done.returncode == 0, done.stderr
    of_rule, of_container = (
        {line[:50].strip(): [int(n) for n in line[50:].split()] for line in table.splitlines()[1:]}
        for table in done.stdout.strip().split("\n\n")
    )
    assert of_rule.keys() >= {case.name for case in CASES}
    assert of_container.keys() == {*CONTAINERS, "all"}
    for equal, _, _, different, _ in (*of_rule.values(), *of_container.values()):
        assert equal > 0
        assert different == 0
    assert of_container["all"][0] == 150


# --- where it does not: what only resembles a fresh fit ------------------------------


class OwnForest(RandomForestClassifier):
    """May differ from its base class in ways that are not known."""


class OwnNet(MLPClassifier):
    """Declares few of the parameters of its base class."""

    def __init__(self, width=5, max_iter=4, random_state=None):
        super().__init__((width,), max_iter=max_iter, random_state=random_state)
        self.width = width


def a_small_net(n_outputs=2):
    import torch

    layers = torch.nn.Linear(6, 3), torch.nn.Tanh(), torch.nn.Linear(3, n_outputs)
    return torch.nn.Sequential(*layers, *([torch.nn.Softmax(1)] if n_outputs == 2 else []))


def a_smaller_net():
    import torch

    return torch.nn.Sequential(torch.nn.Linear(6, 1), torch.nn.Flatten(0))


@dataclass(frozen=True)
class Net:
    """What makes a skorch estimator."""

    name: str
    options: dict[str, Any]

    def __call__(self):
        skorch = pytest.importorskip("skorch")
        options = {"verbose": 0, "train_split": None, **self.options}
        criterion = options.pop("criterion", None)
        if criterion is not None:
            options["criterion"] = getattr(pytest.importorskip("torch").nn, criterion)
        return getattr(skorch, self.name)(**options)


def multioutput():
    data = data_for("regression")
    return replace(data, y=np.column_stack([data.y, data.X[:, 0]]))


def for_nets(task):
    data = data_for(task, coded=True)
    y = data.y if task == "binary" else data.y.reshape(-1, 1).astype(np.float32)
    return replace(data, X=data.X.astype(np.float32), y=y)


def for_one_output():
    data = for_nets("binary")
    return replace(data, y=data.y.astype(np.float32))


def never_stop(i, estimator, variables):
    return False


@dataclass(frozen=True)
class Similar:
    """A case that is fitted fresh with "auto", and whose training only True continues."""

    name: str
    make: Callable[[], Any]
    resource: str
    data: Callable[[], Data] = lambda: data_for("binary")
    rungs: tuple[int, ...] = (1, 3, 6)

    def __str__(self):
        return self.name


def xgboost(**options):
    return Library("xgboost", "XGBClassifier", {"n_jobs": 1, "random_state": 0, **options})


def lightgbm(**options):
    return Library(
        "lightgbm",
        "LGBMClassifier",
        {"n_jobs": 1, "verbose": -1, "min_child_samples": 2, **options},
    )


def catboost(**options):
    exact = {"learning_rate": 0.1, "loss_function": "MultiClass", "bootstrap_type": "No"}
    fixed = {"random_strength": 0, "boosting_type": "Plain", "random_seed": 0}
    quiet = {"silent": True, "thread_count": 1, "allow_writing_files": False}
    return Library("catboost", "CatBoostClassifier", {**exact, **fixed, **quiet, **options})


def solver(name, class_, task="regression", **options):
    """Return a row for a solver that has not converged after a few iterations."""
    return Similar(
        name, partial(class_, tol=1e-12, **options), "max_iter", partial(data_for, task)
    )


CODED = partial(data_for, "binary", coded=True)
SIMILAR = [
    *(
        Similar(f"XGBoost-{name}", xgboost(**options), "n_estimators", CODED)
        for name, options in {
            "subsample": {"subsample": 0.5},
            "colsample_bytree": {"colsample_bytree": 0.5},
            "colsample_bylevel": {"colsample_bylevel": 0.5},
            "colsample_bynode": {"colsample_bynode": 0.5},
            "dart": {"booster": "dart"},
            "gblinear": {"booster": "gblinear"},
            "untested": {"eval_metric": "error"},
            "unknown": {"verbosity": 0, "nobody_knows": 1},
        }.items()
    ),
    Similar(
        "XGBoost-base_margin",
        xgboost(),
        "n_estimators",
        lambda: CODED().with_fit_params(base_margin=np.linspace(-1, 1, 90)),
    ),
    *(
        Similar(f"LightGBM-{name}", lightgbm(**options), "n_estimators")
        for name, options in {
            "bagging": {"subsample": 0.5, "subsample_freq": 1},
            "bagging-by-its-alias": {"bagging_fraction": 0.5, "bagging_freq": 1},
            "colsample_bytree": {"colsample_bytree": 0.5},
            "feature_fraction": {"feature_fraction": 0.5},
            "dart": {"boosting_type": "dart"},
            "goss": {"data_sample_strategy": "goss"},
            "extra_trees": {"extra_trees": True},
            "linear_tree": {"linear_tree": True},
            "quantized": {"use_quantized_grad": True},
        }.items()
    ),
    *(
        Similar(f"CatBoost-{name}", catboost(**options), "iterations")
        for name, options in {
            "bootstrap": {"bootstrap_type": "Bayesian"},
            "random_strength": {"random_strength": 1},
            "ordered": {"boosting_type": "Ordered"},
            "logloss": {"loss_function": "Logloss"},
            "untested": {"rsm": 0.5},
        }.items()
    ),
    Similar(
        "RandomForest-random-state",
        partial(RandomForestClassifier, random_state=np.random.RandomState(0)),
        "n_estimators",
    ),
    Similar("RandomForest-subclass", partial(OwnForest, random_state=0), "n_estimators"),
    Similar(
        "GradientBoosting-monitor",
        partial(GradientBoostingClassifier, random_state=0),
        "n_estimators",
        lambda: data_for("binary").with_fit_params(monitor=never_stop),
    ),
    *(
        Similar(
            class_.__name__, partial(class_, random_state=0), "max_iter", partial(data_for, task)
        )
        for class_, task in (
            (MLPClassifier, "multiclass"),
            (MLPRegressor, "regression"),
            (SGDClassifier, "multiclass"),
            (SGDRegressor, "regression"),
            (Perceptron, "binary"),
        )
    ),
    Similar(
        "MLPClassifier-in-a-pipeline",
        lambda: make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
        "mlpclassifier__max_iter",
    ),
    solver("LogisticRegression", LogisticRegression, "multiclass"),
    solver("LogisticRegression-saga", LogisticRegression, "binary", solver="saga"),
    solver("LogisticRegression-newton-cg", LogisticRegression, "binary", solver="newton-cg"),
    solver("ElasticNet", ElasticNet, alpha=1e-4),
    solver("Lasso", Lasso, alpha=1e-4),
    solver("HuberRegressor", HuberRegressor),
    solver("PoissonRegressor", PoissonRegressor, alpha=1e-4),
    solver("GammaRegressor", GammaRegressor, alpha=1e-4),
    solver("TweedieRegressor", TweedieRegressor, power=1.5, alpha=1e-4),
    *(
        Similar(class_.__name__, partial(class_, tol=1e-12, alpha=1e-4), "max_iter", multioutput)
        for class_ in (MultiTaskElasticNet, MultiTaskLasso)
    ),
    Similar(
        "NeuralNetClassifier",
        Net("NeuralNetClassifier", {"module": a_small_net}),
        "max_epochs",
        partial(for_nets, "binary"),
    ),
    Similar(
        "NeuralNetBinaryClassifier",
        Net("NeuralNetBinaryClassifier", {"module": a_smaller_net}),
        "max_epochs",
        for_one_output,
    ),
    *(
        Similar(
            name,
            Net(name, {"module": a_small_net, "module__n_outputs": 1, "criterion": "MSELoss"}),
            "max_epochs",
            partial(for_nets, "regression"),
        )
        for name in ("NeuralNetRegressor", "NeuralNet")
    ),
]


@pytest.mark.parametrize("row", SIMILAR, ids=str)
def test_auto_fits_fresh_what_only_true_continues(row):
    """Where the result is another, "auto" keeps no state, and True pays the difference."""
    estimator, data = row.make(), row.data()

    careful = climb(estimator, {}, row.resource, row.rungs, data, "auto")
    daring = climb(estimator, {}, row.resource, row.rungs, data, True)

    assert [ours.n_trained for ours in careful] == list(row.rungs)
    assert not any(ours.has_state for ours in careful)
    assert [ours.n_trained for ours in daring] == differences(row.rungs)
    assert not any("could not be continued" in text for ours in daring for text in ours.warnings)


def rounds_of_xgboost(fitted):
    return fitted.get_booster().num_boosted_rounds()


def rounds_of_lightgbm(fitted):
    return fitted.booster_.num_trees()


def epochs_of_sgd(fitted):
    return (fitted.t_ - 1) / 60


COUNTED = {
    "XGBoost-subsample": rounds_of_xgboost,
    "XGBoost-dart": rounds_of_xgboost,
    "LightGBM-bagging": rounds_of_lightgbm,
    "LightGBM-feature_fraction": rounds_of_lightgbm,
    "RandomForest-subclass": lambda fitted: len(fitted.estimators_),
    "MLPClassifier": lambda fitted: len(fitted.loss_curve_),
    "MLPRegressor": lambda fitted: len(fitted.loss_curve_),
    "SGDClassifier": epochs_of_sgd,
    "SGDRegressor": epochs_of_sgd,
    "Perceptron": epochs_of_sgd,
    "NeuralNetClassifier": lambda fitted: len(fitted.history),
    "NeuralNetRegressor": lambda fitted: len(fitted.history),
}


@pytest.mark.parametrize("name", COUNTED)
def test_true_counts_as_a_fresh_fit_does(name):
    """As many trees or epochs are behind it on each rung, and its parameters say so."""
    (row,) = (row for row in SIMILAR if row.name == name)

    reached = climb(row.make(), {}, row.resource, row.rungs, row.data(), True)

    counts = [COUNTED[name](ours.fitted) for ours in reached]
    assert counts == list(row.rungs)
    assert [ours.fitted.get_params()[row.resource] for ours in reached] == list(row.rungs)


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_epochs_without_shuffling_equal_a_fresh_fit(make):
    """Epoch by epoch, an MLP that takes its rows in their order comes to the same weights."""
    task = "binary" if make is MLPClassifier else "regression"
    estimator = make(hidden_layer_sizes=4, shuffle=False, tol=0, random_state=0)
    data = data_for(task)

    reached = climb(estimator, {}, "max_iter", (2, 5, 14), data, True)

    assert [ours.n_trained for ours in reached] == [2, 3, 9]
    for ours in reached:
        theirs = fresh(estimator, {}, "max_iter", ours.n_resources, data)
        assert ours.scores == theirs.scores
        assert ours.fitted.loss_curve_ == theirs.fitted.loss_curve_
        for one, other in zip(ours.fitted.coefs_, theirs.fitted.coefs_, strict=True):
            np.testing.assert_array_equal(one, other)


STOPPING = {
    "MLP": (MLPClassifier(tol=10.0, n_iter_no_change=1, random_state=0), "max_iter"),
    "SGD": (SGDClassifier(tol=10.0, n_iter_no_change=1, random_state=0), "max_iter"),
    "LogisticRegression": (LogisticRegression(), "max_iter"),
    "Lasso": (Lasso(alpha=0.1), "max_iter"),
}


@pytest.mark.parametrize("name", STOPPING)
def test_what_ended_by_itself_is_reused(name):
    """True trains nothing more on one that converged; it is what a fresh fit would be."""
    estimator, resource = STOPPING[name]
    data = data_for("regression" if name == "Lasso" else "binary")

    trained = assert_like_fresh_fits(estimator, {}, resource, (100, 300, 900), data, mode=True)

    assert trained == [100, 0, 0]


def test_solver_continues_towards_its_solution():
    """Each rung of one that has not converged is nearer to the end than the one below."""
    data = data_for("binary")
    estimator = LogisticRegression(C=100.0, tol=1e-10)
    end = fresh(estimator, {}, "max_iter", 10_000, data).fitted.coef_

    reached = climb(estimator, {}, "max_iter", (2, 4, 8, 100), data, True)

    distances = [np.linalg.norm(ours.fitted.coef_ - end) for ours in reached]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-3 * distances[0]
    assert reached[-1].fitted.max_iter == 100


NEVER = {
    "Bagging-oob_score": (BaggingClassifier(oob_score=True, random_state=0), "n_estimators"),
    "AdaBoost": (AdaBoostClassifier(random_state=0), "n_estimators"),
    "forest-by-its-depth": (RandomForestClassifier(3, random_state=0), "max_depth"),
    "MLP-lbfgs": (MLPClassifier(solver="lbfgs", random_state=0), "max_iter"),
    "MLP-early_stopping": (MLPClassifier(early_stopping=True, random_state=0), "max_iter"),
    "SGD-early_stopping": (SGDClassifier(early_stopping=True, random_state=0), "max_iter"),
    "SGD-balanced": (SGDClassifier(class_weight="balanced", random_state=0), "max_iter"),
    "LogisticRegression-liblinear": (
        LogisticRegression(solver="liblinear", tol=1e-12, random_state=0),
        "max_iter",
    ),
    "LogisticRegressionCV": (LogisticRegressionCV(Cs=2, cv=2), "max_iter"),
    "OneVsRest": (
        OneVsRestClassifier(RandomForestClassifier(random_state=0)),
        "estimator__n_estimators",
    ),
    "Calibrated": (
        CalibratedClassifierCV(RandomForestClassifier(random_state=0), cv=2),
        "estimator__n_estimators",
    ),
    "Voting": (
        VotingClassifier([("forest", RandomForestClassifier(random_state=0))], voting="soft"),
        "forest__n_estimators",
    ),
    "TransformedTarget": (
        TransformedTargetRegressor(
            RandomForestRegressor(random_state=0), func=np.log, inverse_func=np.exp
        ),
        "regressor__n_estimators",
    ),
}


@pytest.mark.parametrize("mode", ["auto", True])
@pytest.mark.parametrize("name", NEVER)
def test_what_cannot_be_continued_is_fitted_fresh(name, mode):
    """No state, no complaint: each rung is a plain fit."""
    estimator, resource = NEVER[name]
    data = data_for("regression" if is_regressor(estimator) else "binary", coded=True)

    reached = climb(estimator, {}, resource, (2, 5), data, mode)

    assert [ours.n_trained for ours in reached] == [2, 5]
    assert not any(ours.has_state for ours in reached)
    for ours in reached:
        assert_same(ours, fresh(estimator, {}, resource, ours.n_resources, data), data)


NEVER_OF_LIBRARIES = {
    # Its trees are of one round: boosting on would make another model of it.
    "XGBoost-forest": Library("xgboost", "XGBRFClassifier", {"n_jobs": 1, "random_state": 0}),
    "LightGBM-forest": lightgbm(boosting_type="rf", subsample=0.5, subsample_freq=1),
    # It takes one that depends on the iterations.
    "CatBoost-without-learning-rate": catboost(learning_rate=None),
}


@pytest.mark.parametrize("mode", ["auto", True])
@pytest.mark.parametrize("name", NEVER_OF_LIBRARIES)
def test_what_cannot_be_boosted_on_is_fitted_fresh(name, mode):
    """Subclasses from the same library have no rule where their result would differ."""
    estimator, data = NEVER_OF_LIBRARIES[name](), data_for("binary", coded=True)

    trained = assert_like_fresh_fits(estimator, {}, "n_estimators", (2, 5), data, mode)

    assert trained == [2, 5]


def test_every_kind_is_tried():
    """Each estimator that is known has a row: among the equal, or among the similar."""
    equal = {name_of(case.make()) for case in CASES}
    similar = {name_of(row.make()) for row in SIMILAR}

    assert {
        name for rule in RULES if rule.exact_parameters is not None for name in rule.estimators
    } <= equal
    assert {
        name for rule in RULES if rule.exact_parameters is None for name in rule.estimators
    } <= similar


# --- samples as the resource ---------------------------------------------------------


class Collecting(BaseEstimator):
    """Notes which rows it is handed, by their first value."""

    def fit(self, X, *y, sample_weight=None):
        self.handed_ = []
        return self.partial_fit(X, *y, sample_weight=sample_weight)

    def partial_fit(self, X, *y, sample_weight=None):
        assert sample_weight is None or np.array_equal(sample_weight, X[:, 1])
        self.handed_.append(X[:, 0].tolist())
        self.n_arguments_ = 1 + len(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("with_y", [True, False], ids=["y", "no-y"])
def test_partial_fit_is_handed_the_new_rows_once(with_y):
    """By samples, True hands on exactly what the last rung had not, with its weights."""
    data = data_for("binary")
    data = replace(data, y=data.y if with_y else None, fit_params={"sample_weight": data.X[:, 1]})

    reached = climb(Collecting(), {}, "n_samples", (15, 45, 46, 90), data, True)

    handed = reached[-1].fitted.handed_
    assert [len(rows) for rows in handed] == [10, 20, 30]  # 46 of 90 are still 30 of 60.
    assert sorted(np.concatenate(handed)) == sorted(data.X[data.split.train, 0])
    assert [ours.n_trained for ours in reached] == [15, 30, 1, 44]
    assert reached[-1].fitted.n_arguments_ == 1 + with_y


def test_rows_that_are_drawn_twice_are_learned_twice():
    """A splitter may draw rows with replacement: the second one may come on a later rung."""
    data = data_for("binary")
    train = np.random.default_rng(0).choice(data.split.train, len(data.split.train))
    data = replace(data, split=replace(data.split, train=train))

    reached = climb(Collecting(), {}, "n_samples", (15, 45, 90), data, True)

    handed = np.concatenate(reached[-1].fitted.handed_)
    assert sorted(handed) == sorted(data.X[train, 0])
    assert [ours.n_trained for ours in reached] == [15, 30, 45]


@pytest.mark.parametrize("mode", ["auto", False])
def test_by_samples_only_true_continues(mode):
    """Otherwise each rung is fitted on all of its rows."""
    reached = climb(Collecting(), {}, "n_samples", (30, 90), data_for("binary"), mode)

    assert [list(map(len, ours.fitted.handed_)) for ours in reached] == [[20], [60]]


def test_naive_bayes_comes_to_the_same_by_samples():
    """It has seen all rows of the rung, and has their means."""
    data = data_for("binary")

    reached = climb(GaussianNB(), {}, "n_samples", (30, 60, 90), data, True)

    assert [ours.n_trained for ours in reached] == [30, 30, 30]
    assert [ours.fitted.class_count_.sum() for ours in reached] == [20, 40, 60]
    whole = GaussianNB().fit(data.X[:60], data.y[:60])
    np.testing.assert_allclose(reached[-1].fitted.theta_, whole.theta_)


def test_subclass_need_not_declare_what_rules_look_at():
    """What it does not declare, it leaves as it is."""
    reached = climb(OwnNet(random_state=0), {}, "max_iter", (2, 4), data_for("binary"), True)

    assert [ours.n_trained for ours in reached] == [2, 2]


def test_sgd_sees_the_new_samples_once():
    """After its epochs over the first rung, each new sample is one step."""
    estimator = SGDClassifier(max_iter=5, tol=None, random_state=0)

    reached = climb(estimator, {}, "n_samples", (30, 60, 90), data_for("binary"), True)

    assert [ours.fitted.t_ - 1 for ours in reached] == [100, 120, 140]


def test_clusters_grow_by_samples_without_y():
    """Training is continued without y too: each new batch is one more step."""
    estimator = MiniBatchKMeans(n_clusters=2, n_init=1, random_state=0)
    data = replace(data_for("binary"), y=None)

    reached = climb(estimator, {}, "n_samples", (30, 60, 90), data, True)

    steps = [ours.fitted.n_steps_ for ours in reached]
    assert np.diff(steps).tolist() == [1, 1]


# --- pipelines -----------------------------------------------------------------------

NUMBERS = data_for("binary").X
GAPS = data_for("binary", missing=True).X
LABELS = data_for("multiclass").y
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
WORDS = [
    " ".join(word + "x" for word in np.random.default_rng(i).choice(LETTERS, 40))
    for i in range(90)
]
COUNTS = CountVectorizer().fit_transform(WORDS)
COUNTS.sort_indices()
# scikit-learn 1.7 warns that the default will change.
QUANTILES = {"quantile_method": "averaged_inverted_cdf"}
# By the name of each transformer: configured ones, and what to transform.
TRANSFORMED = {
    "Binarizer": ([Binarizer(), Binarizer(threshold=0.5)], NUMBERS),
    "HashingVectorizer": ([HashingVectorizer(), HashingVectorizer(norm="l1")], WORDS),
    "KBinsDiscretizer": (
        [
            KBinsDiscretizer(4, encode=encode, strategy=strategy, random_state=0, **QUANTILES)
            for encode in ("onehot", "onehot-dense", "ordinal")
            for strategy in ("uniform", "quantile", "kmeans")
        ],
        NUMBERS[:, :4],
    ),
    "KNNImputer": (
        [KNNImputer(), KNNImputer(n_neighbors=2, weights="distance", add_indicator=True)],
        GAPS,
    ),
    "MaxAbsScaler": ([MaxAbsScaler()], NUMBERS),
    "MinMaxScaler": ([MinMaxScaler(), MinMaxScaler(feature_range=(-3, 7), clip=True)], NUMBERS),
    "MissingIndicator": ([MissingIndicator(), MissingIndicator(features="all")], GAPS),
    "Normalizer": ([Normalizer(norm) for norm in ("l1", "l2", "max")], NUMBERS),
    "OneHotEncoder": (
        [OneHotEncoder(), OneHotEncoder(drop="first", min_frequency=5, sparse_output=False)],
        NUMBERS[:, 4:],
    ),
    "OrdinalEncoder": ([OrdinalEncoder(), OrdinalEncoder(min_frequency=5)], NUMBERS[:, 4:]),
    "PolynomialFeatures": (
        [PolynomialFeatures(), PolynomialFeatures(3, interaction_only=True)],
        NUMBERS,
    ),
    "PowerTransformer": (
        [PowerTransformer(), PowerTransformer(standardize=False)],
        NUMBERS[:, :4],
    ),
    "QuantileTransformer": (
        [
            QuantileTransformer(n_quantiles=20, output_distribution=output, random_state=0)
            for output in ("uniform", "normal")
        ],
        NUMBERS,
    ),
    "RobustScaler": ([RobustScaler(), RobustScaler(unit_variance=True)], NUMBERS),
    "SelectKBest": ([SelectKBest(k=3)], NUMBERS),
    "SelectPercentile": ([SelectPercentile(percentile=50)], NUMBERS),
    "SimpleImputer": (
        [
            SimpleImputer(strategy=strategy, add_indicator=indicator)
            for strategy in ("mean", "median", "most_frequent")
            for indicator in (True, False)
        ],
        GAPS,
    ),
    "SplineTransformer": (
        [SplineTransformer(), SplineTransformer(extrapolation="periodic", knots="quantile")],
        NUMBERS[:, :4],
    ),
    "StandardScaler": ([StandardScaler(), StandardScaler(with_mean=False)], NUMBERS),
    "TfidfTransformer": ([TfidfTransformer(), TfidfTransformer(sublinear_tf=True)], COUNTS),
    "VarianceThreshold": ([VarianceThreshold(), VarianceThreshold(1.5)], NUMBERS),
}


@pytest.mark.parametrize("name", sorted(TRANSFORMERS))
def test_fit_transform_gives_what_transform_gives(name):
    """Of each transformer that is trusted: bit by bit, and stored in the same way."""
    transformers, X = TRANSFORMED[name.removeprefix("sklearn.")]
    y = data_for("multiclass").y

    for transformer in transformers:
        assert name_of(transformer) == name
        at_once = transformer.fit_transform(X, y)
        np.testing.assert_equal(stored(transformer.transform(X)), stored(at_once))


def stored(transformed):
    """Return the arrays behind what was transformed, and how they lie in memory."""
    if scipy.sparse.issparse(transformed):
        arrays = [getattr(transformed, name) for name in ("indptr", "indices", "data")]
    else:
        arrays = [transformed]
    return [(array.dtype, array.flags.f_contiguous, array.tolist()) for array in arrays]


def in_order(*steps):
    """Return a pipeline that ends with a forest."""
    return make_pipeline(*steps, RandomForestClassifier(random_state=0))


def columns(*transformers, remainder="drop"):
    return ColumnTransformer(list(transformers), remainder=remainder)


class OwnPipeline(Pipeline):
    """May differ from its base class in ways that are not known."""


class OwnScaler(StandardScaler):
    """May differ from its base class in ways that are not known."""


def squared(X):
    return X**2


FOREST = "randomforestclassifier__n_estimators"
TRUSTED = {
    "nothing": in_order(),
    "scaler": in_order(StandardScaler()),
    "several": in_order(MinMaxScaler(), KBinsDiscretizer(4, strategy="uniform"), MaxAbsScaler()),
    "passthrough": in_order("passthrough", StandardScaler()),
    "columns": in_order(
        columns(
            ("scaled", StandardScaler(), [0, 1]),
            ("kept", "passthrough", [2]),
            ("gone", "drop", [3]),
            ("logged", FunctionTransformer(np.log1p), [4]),
            remainder=make_pipeline(OneHotEncoder(), MaxAbsScaler()),
        )
    ),
    "union": in_order(
        FeatureUnion([("scaled", StandardScaler()), ("kept", "passthrough"), ("gone", "drop")])
    ),
    "nested": in_order(make_pipeline(StandardScaler(), make_pipeline(PolynomialFeatures()))),
    "identity": in_order(FunctionTransformer()),
    "ufunc": in_order(FunctionTransformer(np.arctan)),
}
SUSPECT = {
    "pca": in_order(StandardScaler(), PCA(random_state=0)),
    "target-encoder": in_order(TargetEncoder(random_state=0)),
    "lambda": in_order(FunctionTransformer(lambda X: X**2)),
    "function": in_order(FunctionTransformer(squared)),
    "scaler-subclass": in_order(OwnScaler()),
    "pca-among-columns": in_order(columns(("few", PCA(1, random_state=0), [0, 1]))),
    "pca-for-the-rest": in_order(columns(remainder=PCA(2, random_state=0))),
    "pca-in-a-union": in_order(FeatureUnion([("few", PCA(2, random_state=0))])),
    "pca-nested": in_order(make_pipeline(StandardScaler(), PCA(2, random_state=0))),
    "pipeline-subclass": OwnPipeline(in_order(StandardScaler()).steps),
}


@pytest.mark.parametrize("name", TRUSTED)
def test_last_step_is_continued_after_trusted_transformers(name):
    """The training of a pipeline's last step is continued by its own rule, on transformed rows."""
    trained = assert_like_fresh_fits(TRUSTED[name], {}, FOREST, (1, 3, 9), data_for("binary"))

    assert trained == [1, 2, 6]


@pytest.mark.parametrize("name", SUSPECT)
def test_pipeline_with_another_transformer_is_fitted_fresh(name):
    """What may transform otherwise the second time does so once only, even with True."""
    for mode in ("auto", True):
        trained = assert_like_fresh_fits(
            SUSPECT[name], {}, FOREST, (2, 5), data_for("binary"), mode
        )

        assert trained == [2, 5]


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), TfidfVectorizer()], ids=name_of)
def test_words_that_are_stored_in_another_order_mean_a_fresh_fit(vectorizer):
    """The first time their columns are not in order: sums over them round otherwise."""
    data = replace(data_for("binary"), X=np.array(WORDS))

    trained = assert_like_fresh_fits(in_order(vectorizer), {}, FOREST, (2, 5), data)

    assert trained == [2, 5]


@pytest.mark.parametrize(
    ("candidate", "took"),
    [
        ({"scale": MinMaxScaler(), "forest__max_depth": 2}, [2, 3]),
        ({"scale": "passthrough"}, [2, 3]),
        ({"scale": PCA(2)}, [2, 5]),
        ({"forest": ExtraTreesClassifier(random_state=1)}, [2, 3]),
        ({"forest__random_state": np.random.RandomState(0)}, [2, 5]),
    ],
    ids=["other-scaler", "no-scaler", "pca", "other-forest", "random-state"],
)
def test_pipeline_is_judged_as_the_candidate_makes_it(candidate, took):
    """What counts are the steps and parameters that the candidate sets."""
    forest = RandomForestClassifier(random_state=0)
    pipeline = Pipeline([("scale", StandardScaler()), ("forest", forest)])

    reached = climb(
        pipeline, candidate, "forest__n_estimators", (2, 5), data_for("binary"), "auto"
    )

    assert [ours.n_trained for ours in reached] == took


def test_pipeline_with_a_cache_is_continued(tmp_path):
    """With memory its fitted transformers are others than those it was given."""
    pipeline = in_order(StandardScaler()).set_params(memory=str(tmp_path))

    trained = assert_like_fresh_fits(pipeline, {}, FOREST, (1, 3, 9), data_for("binary"))

    assert trained == [1, 2, 6]


def test_last_step_that_ended_by_itself_is_reused():
    """In a pipeline too, and the pipeline says which resource it has."""
    data = data_for("binary")
    boosting = HistGradientBoostingClassifier(
        early_stopping=True, n_iter_no_change=3, tol=0.01, random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), boosting)
    resource = "histgradientboostingclassifier__max_iter"

    trained = assert_like_fresh_fits(pipeline, {}, resource, (2, 40, 80), data)

    assert trained == [2, 38, 0]


def test_what_is_not_the_last_step_is_fitted_fresh():
    """Training is not continued by a resource of an earlier step, or of a nested estimator."""
    data = data_for("binary")
    forest = RandomForestClassifier(random_state=0)
    chosen = make_pipeline(SelectFromModel(forest), GaussianNB())
    inner = make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), forest))

    ours = [
        climb(chosen, {}, "selectfrommodel__estimator__n_estimators", (2, 5), data, True),
        climb(inner, {}, "pipeline__randomforestclassifier__n_estimators", (2, 5), data, True),
    ]

    assert [[reached.n_trained for reached in one] for one in ours] == [[2, 5], [2, 5]]


@pytest.mark.parametrize("step", ["standardscaler", "randomforestclassifier"])
def test_weights_of_a_step_are_passed_on_each_time(step):
    """With step__sample_weight training goes on, with those weights."""
    weights = data_for("binary", weights=True).fit_params["sample_weight"]
    data = data_for("binary").with_fit_params(**{f"{step}__sample_weight": weights})

    trained = assert_like_fresh_fits(in_order(StandardScaler()), {}, FOREST, (1, 3, 9), data)

    assert trained == [1, 2, 6]


def test_other_fit_parameters_of_the_last_step_mean_a_fresh_fit():
    """What the step is given counts, without the step's name."""
    pipeline = make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=0))
    data = data_for("binary").with_fit_params(gradientboostingclassifier__monitor=never_stop)
    resource = "gradientboostingclassifier__n_estimators"

    trained = assert_like_fresh_fits(pipeline, {}, resource, (2, 5), data)

    assert trained == [2, 5]


@pytest.mark.parametrize("scaler_asks", [True, False])
def test_routed_weights_are_passed_on_each_time(scaler_asks):
    """With metadata routing the steps that ask for weights have them."""
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=scaler_asks)
        forest = RandomForestClassifier(random_state=0).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, forest)

        trained = assert_like_fresh_fits(
            pipeline, {}, FOREST, (1, 3, 9), data_for("binary", weights=True)
        )

    assert trained == [1, 2, 6]


def test_pipeline_that_transforms_its_fit_parameters_is_fitted_fresh():
    """With transform_input the last step's parameters are not those that fit was given."""
    with sklearn.config_context(enable_metadata_routing=True):
        forest = RandomForestClassifier(random_state=0).set_fit_request(sample_weight=True)
        steps = [("passed", "passthrough"), ("forest", forest)]
        pipeline = Pipeline(steps, transform_input=["sample_weight"])

        reached = climb(
            pipeline,
            {},
            "forest__n_estimators",
            (2, 5),
            data_for("binary", weights=True),
            "auto",
        )

    assert [ours.n_trained for ours in reached] == [2, 5]


# --- through the searches ------------------------------------------------------------

ENGINES = {"loop": ("loky", None), "loky": ("loky", 2), "threads": ("threading", 2)}
on_each_engine = pytest.mark.parametrize("engine", ENGINES)


def fit_on(engine, search, *data, **fit_params):
    backend, n_jobs = ENGINES[engine]
    with joblib.parallel_config(backend=backend):
        return clone(search).set_params(n_jobs=n_jobs).fit(*data, **fit_params)


def results_of(search):
    """Return cv_results_ without the columns that continued training is meant to change."""
    return {
        # An estimator among the parameters is equal to no other.
        name: list(map(str, column)) if name.startswith("param") else column
        for name, column in search.cv_results_.items()
        if name != "n_resources_trained"
    }


def spent(search):
    """Return what the evaluations took, in units of the resource."""
    results = search.cv_results_
    total = np.sum(results["n_resources_trained"] * results["n_splits"])
    return pytest.approx(total / search.max_resources_)


def forest_search(search_class=HyperbandSearchCV, forest=None, **options):
    """Return a search over small forests, by trees."""
    options = {"factor": 2, "max_resources": 4, "cv": 2, "random_state": 0, **options}
    forest = RandomForestClassifier(random_state=0) if forest is None else forest
    space = {"max_features": uniform(0.1, 0.9), "min_samples_leaf": range(1, 20)}
    return published(search_class, forest, space, resource="n_estimators", refit=False, **options)


def free_search(estimator, **options):
    """Return a search over the quality of a fake: rungs of 9, 3 and 1 candidates."""
    return published(
        SuccessiveHalvingSearchCV,
        estimator,
        {"quality": np.linspace(0.1, 0.9, 9).tolist()},
        n_candidates="all",
        resource="n_units",
        max_resources=9,
        cv=2,
        random_state=0,
        refit=False,
        **options,
    )


@dataclass(frozen=True)
class Searched:
    """An estimator, and what of it is searched over by what."""

    make: Callable[[], Any]
    space: dict[str, Any]
    resource: str = "n_estimators"
    regression: bool = False


SEARCHED = {
    "RandomForest": Searched(
        partial(RandomForestClassifier, random_state=0),
        {"max_features": uniform(0.1, 0.9), "class_weight": [None, "balanced"]},
    ),
    "HistGradientBoosting": Searched(
        partial(HistGradientBoostingClassifier, early_stopping=True, random_state=0),
        {"learning_rate": loguniform(0.01, 3), "n_iter_no_change": [1, 3], "tol": [1e-7, 0.1]},
        "max_iter",
    ),
    "GradientBoosting": Searched(
        partial(GradientBoostingRegressor, subsample=0.5, random_state=0),
        {"learning_rate": loguniform(0.01, 1), "n_iter_no_change": [None, 1]},
        regression=True,
    ),
    "pipeline": Searched(
        lambda: make_pipeline(StandardScaler(), ExtraTreesClassifier(random_state=0)),
        {
            "standardscaler": [StandardScaler(), PCA(random_state=0)],
            "extratreesclassifier__min_samples_leaf": range(1, 20),
        },
        "extratreesclassifier__n_estimators",
    ),
    "XGBoost": Searched(
        Library("xgboost", "XGBClassifier", {"n_jobs": 1, "random_state": 0}),
        {"learning_rate": loguniform(0.01, 1), "subsample": [0.5, 1.0]},
    ),
}


def search_for(name, **options):
    row = SEARCHED[name]
    options = {"factor": 2, "max_resources": 4, "cv": 2, "random_state": 0, **options}
    return published(HyperbandSearchCV, row.make(), row.space, resource=row.resource, **options)


@pytest.fixture(scope="module", params=SEARCHED)
def searched(request, classification, regression):
    """Give the name of a search, its data, and what it comes to by fresh fits alone."""
    data = regression if SEARCHED[request.param].regression else classification
    return request.param, data, search_for(request.param, continue_training=False).fit(*data)


@pytest.mark.slow
@on_each_engine
def test_auto_changes_no_result(searched, engine, assert_same_results):
    """cv_results_ and the refitted estimator are those of fresh fits, on every engine."""
    name, data, anew = searched

    continued = fit_on(engine, search_for(name), *data)

    assert_same_results(results_of(continued), results_of(anew))
    trained = [s.cv_results_["n_resources_trained"].sum() for s in (continued, anew)]
    assert trained[0] < trained[1] == anew.cv_results_["n_resources"].sum()
    predicted = [s.best_estimator_.predict(data[0]) for s in (continued, anew)]
    np.testing.assert_array_equal(*predicted)


@pytest.mark.parametrize("engine", ["one process", "threads"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_xgboost_bins_a_split_once_for_all_continued_candidates(
    engine, weighted, classification, assert_same_results, monkeypatch
):
    """Candidates that are binned alike share one matrix, others have their own."""
    library = pytest.importorskip("xgboost")
    made = []

    class Counted(library.QuantileDMatrix):
        def __init__(self, *args, **kwargs):
            made.append(kwargs["max_bin"])
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(library, "QuantileDMatrix", Counted)  # XGBoost's own fit has another.
    n_splits, weights = 2, {}
    if weighted:
        weights = {"sample_weight": np.linspace(0.1, 2, len(classification[1]))}
    search = published(
        SuccessiveHalvingSearchCV,
        xgboost()(),
        {"learning_rate": np.linspace(0.1, 0.9, 9), "max_bin": [8]},
        n_candidates=9,
        resource="n_estimators",
        max_resources=9,
        cv=n_splits,
        scoring="neg_log_loss",
        random_state=0,
    )
    backend = {"one process": "sequential", "threads": "threading"}[engine]
    with joblib.parallel_config(backend=backend, n_jobs=2):
        alike = search.fit(*classification, **weights)
    n_alike = len(made)
    results = results_of(alike)
    anew = results_of(search.set_params(continue_training=False).fit(*classification, **weights))
    made.clear()
    space = {"learning_rate": [0.1, 0.5, 0.9], "max_bin": [4, 8, 16]}
    search.set_params(continue_training="auto", param_distributions=space)
    differing = results_of(search.fit(*classification, **weights))
    bins = set(made)
    fresh = results_of(search.set_params(continue_training=False).fit(*classification, **weights))

    n_threads = {"one process": 1, "threads": 2}[engine]
    assert 2 * n_splits <= n_alike <= 2 * n_splits * n_threads
    assert len(bins) > 1
    assert_same_results(results, anew)
    assert_same_results(differing, fresh)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"n_outputs": 2}, id="outputs"),
        pytest.param(
            {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8]}, id="quantiles"
        ),
        pytest.param({}, id="one output"),
    ],
)
def test_xgboost_with_a_base_score_is_continued(options):
    """Also where a single score is given for several outputs, and with rows that are no array."""
    xgb = pytest.importorskip("xgboost")
    pandas = pytest.importorskip("pandas")
    options = dict(options)
    X, y = make_regression(120, 4, n_targets=options.pop("n_outputs", 1), random_state=0)
    model = xgb.XGBRegressor(n_estimators=6, base_score=0.5, n_jobs=1, random_state=0, **options)
    continued, fresh = (
        SuccessiveHalvingSearchCV(
            model,
            {"max_depth": [1, 2, 3]},
            n_candidates=3,
            resource="n_estimators",
            min_resources=2,
            cv=2,
            scoring=_score_of_first_output,
            continue_training=continue_training,
            random_state=0,
        ).fit(pandas.DataFrame(X), y)
        for continue_training in (True, False)
    )

    trained, amounts = (
        continued.cv_results_[name] for name in ("n_resources_trained", "n_resources")
    )
    assert (trained[continued.cv_results_["iter"] > 0] < amounts.max()).all()
    assert continued.best_estimator_.base_score == 0.5
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(continued.cv_results_[name], fresh.cv_results_[name])


def _score_of_first_output(estimator, X, y):
    predicted, y = (
        np.asarray(values).reshape(len(X), -1)[:, 0] for values in (estimator.predict(X), y)
    )
    return -float(np.abs(predicted - y).mean())


def test_xgboost_with_weights_of_features_is_continued(classification):
    """The rows are not shared then; the fit continues all the same, without a warning."""
    search = published(
        SuccessiveHalvingSearchCV,
        xgboost(feature_weights=np.ones(6), colsample_bytree=0.5)(),
        {"learning_rate": np.linspace(0.1, 0.9, 3)},
        n_candidates=3,
        resource="n_estimators",
        max_resources=9,
        cv=2,
        continue_training=True,
        random_state=0,
    ).fit(*classification)

    results = search.cv_results_
    upper = results["iter"] > 0
    assert (results["n_resources_trained"][upper] < results["n_resources"][upper]).all()


FRAMED = {
    "LightGBM": (lightgbm(), "n_estimators"),
    "XGBoost": (xgboost(enable_categorical=True), "n_estimators"),
}


@pytest.mark.parametrize("name", FRAMED)
def test_frames_with_categories_change_no_result(name, assert_same_results):
    """Nor do missing values in a column of numbers and in one of categories."""
    pandas = pytest.importorskip("pandas")
    make, resource = FRAMED[name]
    data = data_for("binary", missing=True, coded=True)
    X = pandas.DataFrame(data.X[:, :3], columns=list("abc"))
    X["d"] = pandas.Series(data.X[:, 4]).map(dict(enumerate("pqrst"))).astype("category")
    options = {"max_resources": 3, "cv": 2, "scoring": "neg_log_loss", "random_state": 0}
    search = published(
        SuccessiveHalvingSearchCV,
        make(),
        {"learning_rate": loguniform(0.01, 1)},
        n_candidates=3,
        resource=resource,
        refit=False,
        **options,
    )

    continued = clone(search).fit(X, data.y)
    anew = search.set_params(continue_training=False).fit(X, data.y)

    assert_same_results(results_of(continued), results_of(anew))
    assert continued.plan_.cost(continued=True) == spent(continued)


OPTIONS = {
    "hyperband": {},
    "level": {"promotion": "level"},
    "growing-splits": {"min_splits": 1, "cv": 3},
    "level-and-splits": {"promotion": "level", "min_splits": 1, "cv": 3},
    "train-scores": {"return_train_score": True},
    "metrics": {"scoring": ["accuracy", "roc_auc"], "rank_by": "roc_auc"},
    "repeats": {"n_repeats": 2},
    "factor": {"factor": 2.5, "max_resources": 9},
    "halving": {"search_class": SuccessiveHalvingSearchCV, "n_candidates": 4},
    "aggressive": {
        "search_class": SuccessiveHalvingSearchCV,
        "aggressive_elimination": True,
        "n_candidates": 16,
    },
}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_spent_is_what_the_plan_says(name, classification, assert_same_results):
    """Whatever the schedule, results do not change and the plan tells the cost of both."""
    continued = forest_search(**OPTIONS[name]).fit(*classification)
    anew = forest_search(**OPTIONS[name], continue_training=False).fit(*classification)

    assert_same_results(results_of(continued), results_of(anew))
    assert continued.plan_.cost(continued=True) == spent(continued)
    assert anew.plan_.cost() == spent(anew)
    assert continued.plan_.cost(continued=True) < anew.plan_.cost()


def test_partial_fit_by_samples_spends_what_the_plan_says(classification):
    """With True and samples the new ones are paid for, and the scores are alike."""
    options = {"min_resources": 30, "max_resources": 240, "cv": 3, "random_state": 0}
    search = published(
        HyperbandSearchCV,
        GaussianNB(),
        {"var_smoothing": loguniform(1e-9, 1)},
        n_candidates=3,
        continue_training=True,
        **options,
    )

    daring = clone(search).fit(*classification)
    anew = search.set_params(continue_training=False).fit(*classification)

    assert daring.plan_.cost(continued=True) == spent(daring)
    assert anew.plan_.cost() == spent(anew)
    scores = [s.cv_results_["mean_test_score"] for s in (daring, anew)]
    np.testing.assert_allclose(*scores, atol=0.01)


@on_each_engine
def test_weights_are_passed_on_each_time(engine, classification, assert_same_results):
    """With sample_weight "auto" goes on, and the results are those of fresh fits."""
    weights = np.random.default_rng(0).uniform(0.1, 3.0, size=240)

    continued = fit_on(engine, forest_search(), *classification, sample_weight=weights)
    anew = fit_on(
        "loop", forest_search(continue_training=False), *classification, sample_weight=weights
    )

    assert_same_results(results_of(continued), results_of(anew))
    assert continued.plan_.cost(continued=True) == spent(continued)
    unweighted = forest_search().fit(*classification)
    assert not np.array_equal(
        continued.cv_results_["mean_test_score"], unweighted.cv_results_["mean_test_score"]
    )


class Repeating:
    """Draws from few candidates again and again."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def ask(self, n, *, repeat, bracket):
        return [{"min_samples_leaf": int(self.rng.integers(1, 6))} for _ in range(n)]

    def tell(self, level):
        pass


@pytest.mark.parametrize("promotion", ["bracket", "level"])
@pytest.mark.parametrize("seed", range(3))
def test_equal_candidates_share_what_was_trained(
    seed, promotion, classification, assert_same_results
):
    """One that comes up again, in other brackets too, changes no result."""
    options = {"sampler": Repeating(seed), "promotion": promotion}

    continued = forest_search(**options).fit(*classification)
    anew = forest_search(**options, continue_training=False).fit(*classification)

    assert_same_results(results_of(continued), results_of(anew))
    trained = [s.cv_results_["n_resources_trained"].sum() for s in (continued, anew)]
    assert trained[0] < trained[1]


@on_each_engine
def test_states_may_lie_in_files(engine, classification, assert_same_results, monkeypatch):
    """Where memory holds next to none of them, the results and the cost are the same."""
    small = partial(LocalStateStore, max_bytes_in_memory=1000)
    written = []
    write = LocalStateStore._write
    monkeypatch.setattr(LocalStateStore, "_write", lambda *args: (written.append(1), write(*args)))
    expected = forest_search(continue_training=False).fit(*classification)
    assert not written

    for module in ("joblib", "sequential"):
        monkeypatch.setattr(f"skhyperband._executors.{module}_executor.LocalStateStore", small)
    search = fit_on(engine, forest_search(), *classification)

    assert len(written) > 10
    assert_same_results(results_of(search), results_of(expected))
    assert search.plan_.cost(continued=True) == spent(search)


# -- the user's own


def growing(calls, **options):
    """Return a search whose callable notes what it is given, in this process."""

    def train_on(fitted, n_resources, X, y, **fit_params):
        calls.append((fitted.n_units, n_resources, X, y, fit_params))
        return grow(fitted, n_resources, X, y)

    return free_search(WeightedScored(), continue_training=train_on, **options)


class WeightedScored(Scored):
    """Takes weights, and any other thing."""

    def fit(self, X, y=None, sample_weight=None, other=None):
        """Fit."""
        return super().fit(X, y)

    def score(self, X, y=None, sample_weight=None):
        """Score."""
        return super().score(X, y)


def test_callable_is_given_the_total_and_the_rows(classification, assert_same_results):
    """Each promoted candidate and split comes once to it, with rows and fit parameters."""
    X, y = classification
    calls = []
    weights = np.arange(240.0)

    search = growing(calls).fit(X, y, sample_weight=weights, other="as it is")

    assert [call[:2] for call in calls] == [(1, 3)] * 6 + [(3, 9)] * 2
    weight_of = dict(zip(X[:, 0], weights, strict=True))
    label_of = dict(zip(X[:, 0], y, strict=True))
    for _, _, rows, labels, fit_params in calls:
        assert len(rows) == 120
        assert fit_params.keys() == {"sample_weight", "other"}
        assert fit_params["other"] == "as it is"
        assert list(fit_params["sample_weight"]) == [weight_of[x] for x in rows[:, 0]]
        assert list(labels) == [label_of[x] for x in rows[:, 0]]
    anew = (
        growing(
            [],
        )
        .set_params(continue_training=False)
        .fit(X, y, sample_weight=weights)
    )
    assert_same_results(results_of(search), results_of(anew))
    assert search.plan_.cost(continued=True) == spent(search)


def test_callable_is_given_all_rows_of_the_rung(classification):
    """By samples too: what it does with those that it has seen is its own affair."""
    seen = []

    def train_on(fitted, n_resources, X, y):
        seen.append((n_resources, len(X), set(fitted.known_), set(X[:, 0])))
        return fitted.fit(X, y)

    search = published(
        SuccessiveHalvingSearchCV,
        Knowing(),
        {"quality": np.linspace(0.1, 0.9, 9).tolist()},
        n_candidates="all",
        min_resources=24,
        max_resources=216,
        cv=2,
        continue_training=train_on,
        random_state=0,
        refit=False,
    ).fit(*classification)

    assert [s[:2] for s in seen] == [(72, 36)] * 6 + [(216, 108)] * 2
    assert all(known < rows for _, _, known, rows in seen)
    assert search.plan_.cost(continued=True) == spent(search)


class Knowing(Scored):
    """Remembers its rows."""

    def fit(self, X, y=None):
        """Remember."""
        self.known_ = X[:, 0].tolist()
        return super().fit(X, y)


def test_callable_is_called_without_y_where_there_is_none(classification):
    """Clusters have none: then it is given X only."""
    calls = []

    def train_on(fitted, n_resources, *data, **fit_params):
        calls.append((n_resources, len(data), fit_params))
        return fitted.set_params(max_iter=n_resources)

    published(
        SuccessiveHalvingSearchCV,
        MiniBatchKMeans(n_init=1, random_state=0),
        {"n_clusters": range(2, 20)},
        n_candidates=3,
        resource="max_iter",
        max_resources=3,
        cv=2,
        continue_training=train_on,
        random_state=0,
    ).fit(classification[0])

    assert calls == [(3, 1, {})] * 2


@pytest.mark.parametrize("engine", ["loop", "loky"])
def test_what_the_callable_raises_is_a_failure_of_the_candidate(engine, classification):
    """It scores error_score; the search goes on, and what is promoted all the same is fitted."""
    search = free_search(
        Scored(), continue_training=lambda fitted, n, X, y: 1 / 0, error_score=-1.0
    )

    with pytest.warns(FitFailedWarning, match=r"(?s)6 of 26 .*ZeroDivisionError"):
        search = fit_on(engine, search, *classification)

    results = search.cv_results_
    np.testing.assert_array_equal(results["mean_test_score"] == -1.0, results["iter"] == 1)
    assert search.plan_.cost() == spent(search)
    with pytest.raises(ZeroDivisionError):
        fit_on(engine, search.set_params(error_score="raise"), *classification)


@pytest.mark.parametrize("returned", [None, 3], ids=repr)
def test_callable_must_return_an_estimator(returned, classification):
    """What is none is a failure that names the parameter."""
    search = free_search(
        Scored(), continue_training=lambda fitted, n, X, y: returned, error_score="raise"
    )

    with pytest.raises(TypeError, match="continue_training="):
        search.fit(*classification)


def test_lambda_reaches_other_processes(classification, assert_same_results):
    """The callable need not be importable."""
    search = free_search(
        Scored(), continue_training=lambda fitted, n, X, y: fitted.set_params(n_units=n), n_jobs=2
    )

    results = search.fit(*classification)

    anew = free_search(Scored(), continue_training=False).fit(*classification)
    assert_same_results(results_of(results), results_of(anew))
    assert search.plan_.cost(continued=True) == spent(search)


@on_each_engine
@pytest.mark.parametrize("estimator", [Writing(), NotWriting()], ids=["writing", "not"])
def test_callable_may_write_into_its_rows(estimator, engine, regression, assert_same_results):
    """Continuing the training of an estimator in place changes no other fit."""
    search = published(
        SuccessiveHalvingSearchCV,
        estimator,
        {"shift": np.linspace(-1, 1, 9).tolist()},
        n_candidates="all",
        resource="n_units",
        max_resources=9,
        cv=2,
        continue_training=lambda fitted, n, X, y: fitted.set_params(n_units=n).fit(X, y),
        random_state=0,
        refit=False,
    )

    continued = fit_on(engine, search, *regression)
    anew = NotWriting(), False

    expected = search.set_params(estimator=anew[0], continue_training=anew[1]).fit(*regression)
    assert_same_results(results_of(continued), results_of(expected))


# -- states, and what may happen to them


def notes_in(folder):
    """Return (event, amount of the resource, process) of each note."""
    return [
        (event, int(amount), int(file.name))
        for file in folder.iterdir()
        for event, amount in (line.split() for line in file.read_text().splitlines())
    ]


def test_states_travel_as_bytes_and_not_from_the_top(classification, tmp_path):
    """Workers pickle one for each evaluation below the top; the main process opens none."""
    search = free_search(Noting(notes=str(tmp_path)), continue_training=grow, n_jobs=2)

    search.fit(*classification)

    notes = notes_in(tmp_path)
    pickled = [amount for event, amount, _ in notes if event == "pickled"]
    assert sorted(pickled) == [1] * 18 + [3] * 6
    opened = [(amount, process) for event, amount, process in notes if event == "unpickled"]
    assert sorted(amount for amount, _ in opened) == [1] * 6 + [3] * 2
    assert os.getpid() not in {process for _, process in opened}
    assert len([note for note in notes if note[0] == "fitted"]) == 18


@pytest.mark.parametrize("engine", ["loop", "threads"])
def test_in_one_process_states_are_handed_on_as_they_are(engine, classification, tmp_path):
    """No state is ever unpickled, and none of the top rung is measured."""
    search = free_search(Noting(notes=str(tmp_path)), continue_training=grow)

    search = fit_on(engine, search, *classification)

    notes = notes_in(tmp_path)
    assert {amount for event, amount, _ in notes if event == "pickled"} <= {1, 3}
    assert not [note for note in notes if note[0] == "unpickled"]
    assert search.plan_.cost(continued=True) == spent(search)


def test_what_cannot_be_pickled_costs_fresh_fits_and_one_warning(
    classification, tmp_path, assert_same_results
):
    """With processes its candidates are fitted fresh; the results are the same."""
    search = free_search(Noting(notes=str(tmp_path), locked=True), continue_training=grow)

    with pytest.warns(UserWarning, match=r"(?s)Noting could not be kept.*pickle") as caught:
        search = fit_on("loky", search, *classification)

    assert len(caught) == 1
    assert search.plan_.cost() == spent(search)
    expected = free_search(Scored(), continue_training=False).fit(*classification)
    assert_same_scores(search, expected)


def assert_same_scores(search, expected):
    for name in ("mean_test_score", "n_resources", "candidate_id"):
        np.testing.assert_array_equal(search.cv_results_[name], expected.cv_results_[name])


@pytest.mark.parametrize("engine", ["loop", "threads"])
def test_what_cannot_be_pickled_is_continued_in_one_process(engine, classification, tmp_path):
    """There it need not be."""
    search = free_search(Noting(notes=str(tmp_path), locked=True), continue_training=grow)

    search = fit_on(engine, search, *classification)

    assert search.plan_.cost(continued=True) == spent(search)


class Unloadable(Scored):
    """Cannot be unpickled once it is fitted."""

    def __setstate__(self, state):
        """Raise, or load."""
        if "n_fitted_" in state:
            raise ArithmeticError("cannot be loaded here")
        super().__setstate__(state)


def test_state_that_cannot_be_opened_costs_fresh_fits(classification):
    """No candidate fails for a state that no one can read."""
    search = free_search(Unloadable(), continue_training=grow)

    with pytest.warns(UserWarning, match="cannot be loaded here"):
        search = fit_on("loky", search, *classification)

    assert search.plan_.cost() == spent(search)
    assert_same_scores(search, free_search(Scored(), continue_training=False).fit(*classification))


class RefusingForest(RandomForestClassifier):
    """Raises when its training is continued to four trees."""

    def fit(self, X, y, sample_weight=None):
        """Raise, or fit."""
        if self.warm_start and self.n_estimators == 4:
            raise ArithmeticError("no more trees")
        return super().fit(X, y, sample_weight)


def test_rule_that_fails_after_all_leads_to_a_fresh_fit(classification, assert_same_results):
    """An exception in a rule of this package is a warning, and no failure of the candidate."""
    search = forest_search(forest=RefusingForest(random_state=0), continue_training=True)

    with pytest.warns(UserWarning, match=r"could not be continued, .*no more trees"):
        search.fit(*classification)

    expected = forest_search(continue_training=False).fit(*classification)
    assert_same_results(results_of(search), results_of(expected))
    assert search.plan_.cost(continued=True) < spent(search).expected < search.plan_.cost()


def test_worker_that_dies_while_it_continues_is_replaced(
    classification, tmp_path, assert_same_results
):
    """Its task, and those beside it, are tried again with the same states."""
    mark = tmp_path / "died"
    search = free_search(
        Scored(), continue_training=DiesOnce(str(mark), os.getpid()), n_jobs=2
    ).fit(*classification)

    assert mark.exists()
    expected = free_search(Scored(), continue_training=False).fit(*classification)
    assert_same_results(results_of(search), results_of(expected))
    assert search.plan_.cost(continued=True) == spent(search)


def test_candidate_that_failed_on_the_rung_below_is_fitted_fresh(
    classification, assert_same_results
):
    """Where there is nothing to go on from, it is fitted, and fails again."""
    searches = [free_search(Failing(below=0.85), continue_training=mode) for mode in (grow, False)]

    for search in searches:
        with pytest.warns(FitFailedWarning):
            search.fit(*classification)

    one, other = searches
    assert_same_results(results_of(one), results_of(other))


# -- what the user is told


def test_true_warns_if_nothing_could_be_continued(classification):
    """Once, and with what to do about it."""
    with pytest.warns(UserWarning, match="continue_training=True, but every Scored") as caught:
        free_search(Scored(), continue_training=True).fit(*classification)

    assert len(caught) == 1


REASONS = {
    "early-stopping": (
        Library("xgboost", "XGBClassifier", {"early_stopping_rounds": 5}),
        {"max_depth": [1, 2]},
        "n_estimators",
        "with early_stopping_rounds=5, early stopping counts the rounds of one fit only",
    ),
    "early-stopping-of-candidates": (
        Library("lightgbm", "LGBMClassifier"),
        {"early_stopping_round": [3]},
        "n_estimators",
        "with early_stopping_round=3, early stopping",
    ),
    "another-name": (
        Library("lightgbm", "LGBMClassifier", {"num_boost_round": 7}),
        {"max_depth": [1, 2]},
        "n_estimators",
        "num_boost_round=7 counts in place of n_estimators",
    ),
    "learning-rate": (
        Library("catboost", "CatBoostClassifier"),
        {"depth": [1, 2]},
        "iterations",
        "without a learning_rate, it takes one that depends on the iterations",
    ),
    "oob-score": (
        partial(BaggingClassifier, oob_score=True),
        {"max_samples": [0.5, 0.7]},
        "n_estimators",
        "with oob_score=True, it refuses warm_start",
    ),
    "solver": (
        partial(LogisticRegression, solver="liblinear"),
        {"C": [0.1, 1.0]},
        "max_iter",
        "with solver='liblinear', it ignores warm_start",
    ),
    "lbfgs": (
        partial(MLPClassifier, solver="lbfgs"),
        {"alpha": [0.1, 1.0]},
        "max_iter",
        "with solver='lbfgs', it has no partial_fit",
    ),
    "balanced": (
        partial(SGDClassifier, class_weight="balanced"),
        {"alpha": [0.1, 1.0]},
        "max_iter",
        "with class_weight='balanced', it has no partial_fit",
    ),
    "losses": (
        partial(GradientBoostingClassifier, n_iter_no_change=50),
        {"max_depth": [1, 2]},
        "n_estimators",
        "with n_iter_no_change=50, it forgets the losses",
    ),
    "another-resource": (
        RandomForestClassifier,
        {"max_features": [0.1, 0.2]},
        "max_depth",
        "nothing is known of how the training of RandomForestClassifier is continued by 'max_depth'",
    ),
    "step": (
        lambda: in_order(PCA()),
        {"randomforestclassifier__max_features": [0.1, 0.2]},
        FOREST,
        "the step 'pca' may transform otherwise the second time",
    ),
    "not-the-last-step": (
        lambda: make_pipeline(SelectFromModel(RandomForestClassifier()), GaussianNB()),
        {"gaussiannb__var_smoothing": [1e-9, 1e-3]},
        "selectfrommodel__estimator__n_estimators",
        "of a pipeline only the training of the last step is continued, here 'gaussiannb'",
    ),
    "samples": (
        KNeighborsClassifier,
        {"n_neighbors": [1, 2]},
        N_SAMPLES,
        "it has no partial_fit to learn new samples with",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_reason_of_fresh_fits_is_the_real_one(name):
    """The warning names the parameter or the step that makes continued training impossible."""
    make, space, resource, reason = REASONS[name]
    estimator = make()
    candidate = {key: values[0] for key, values in space.items()}

    why = Continuation(True, resource).why_fresh(clone(estimator).set_params(**candidate))

    assert why.startswith(reason)


@pytest.mark.parametrize("min_splits", [None, 1])
def test_true_names_the_parameter_that_makes_it_impossible(classification, min_splits):
    """The warning says which one, with its value, and not that nothing is known."""
    search = published(
        SuccessiveHalvingSearchCV,
        BaggingClassifier(oob_score=True, random_state=0),
        {"max_samples": uniform(0.2, 0.7)},
        n_candidates=9 if min_splits else 3,
        resource="n_estimators",
        min_resources=20,
        max_resources=60,
        cv=5 if min_splits else 2,
        continue_training=True,
        random_state=0,
        refit=False,
    ).set_params(min_splits=min_splits)

    with pytest.warns(
        UserWarning, match="fitted fresh: with oob_score=True, it refuses"
    ) as caught:
        search.fit(*classification)

    assert len([one for one in caught if "continue_training" in str(one.message)]) == 1
    assert not any("nothing is known" in str(one.message) for one in caught)


@pytest.mark.parametrize("mode", ["auto", False])
def test_other_values_do_not_warn_if_nothing_could_be_continued(mode, classification):
    """They promise nothing."""
    search = free_search(Scored(), continue_training=mode).fit(*classification)

    assert search.plan_.cost() == spent(search)


def test_true_is_not_judged_by_candidates_that_fail(classification):
    """Those may lack the parameter that is the resource, which `fit` must survive."""
    search = published(
        SuccessiveHalvingSearchCV,
        Pipeline([("pca", PCA()), ("model", BaggingClassifier(oob_score=True, random_state=0))]),
        {
            "model": [
                SVC(),
                *(BaggingClassifier(oob_score=True, max_samples=m) for m in (0.5, 0.9)),
            ]
        },
        n_candidates="all",
        resource="model__n_estimators",
        min_resources=20,
        max_resources=60,
        cv=2,
        continue_training=True,
        random_state=0,
    )

    with (
        pytest.warns(FitFailedWarning, match="2 of 8 evaluations failed"),
        pytest.warns(
            UserWarning, match="True, but every Pipeline was fitted fresh: the step 'pca'"
        ),
    ):
        search.fit(*classification)

    assert hasattr(search, "best_estimator_")


def test_true_says_nothing_where_there_is_nothing_to_go_on_from(classification):
    """A single rung has none below."""
    search = free_search(Scored(), continue_training=True).set_params(max_resources=1)

    search.fit(*classification)

    assert search.n_resources_ == [1]


class Untouchable(Scored):
    """Must not be fitted."""

    def fit(self, X, y=None):
        """Raise."""
        raise AssertionError("fitted all the same")


@pytest.mark.parametrize(
    ("value", "error"),
    [("yes", ValueError), (3, TypeError), (None, TypeError), ([], TypeError)],
    ids=repr,
)
def test_other_values_are_refused_before_anything_is_fitted(search_class, value, error):
    """The message names the parameter and what it may be."""
    search = published(
        search_class, Untouchable(), {"quality": uniform()}, resource="n_units", max_resources=9
    ).set_params(continue_training=value, error_score="raise")

    with pytest.raises(error, match=r"continue_training=.*'auto'"):
        search.fit(np.zeros((10, 1)), np.arange(10) % 2)
    with pytest.raises(error, match=r"continue_training=.*'auto'"):
        search.plan(n_splits=2)
