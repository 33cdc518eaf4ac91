"""Decides which kinds of estimators can train on, how, and where that equals a fresh fit.

Every entry of `KINDS` has a row in tests/test_continuation.py, which holds what is
said here against fresh fits.
"""

import contextlib
import numbers
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone

from skhyperband._feature_bundles import bundles_lose_nothing
from skhyperband._sklearn_compat import histogram_boosting_would_stop, n_rows


@dataclass(frozen=True)
class More:
    """What a fitted estimator is to train on with.

    Attributes
    ----------
    resource : str
        The parameter that counts.
    before, total : int
        How much it was trained with, and how much it is to be.
    last_added : int
        How much of `before` the last fit was asked for.
    data : tuple
        X, and y where there is one.
    fit_params : dict
        What else `fit` is given.
    kept : dict
        What was made from the data for the candidates before.
    """

    resource: str
    before: int
    total: int
    last_added: int
    data: tuple[Any, ...]
    fit_params: Mapping[str, Any]
    kept: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def added(self) -> int:
        """How much there is still to do."""
        return self.total - self.before

    def made_once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what is made from the data, the same for all with that key: the last is kept."""
        thread = threading.get_ident()
        if thread not in self.kept or self.kept[thread][0] != key:
            self.kept[thread] = key, make()
        return self.kept[thread][1]


Parameters = Mapping[str, Any]
Test = Callable[[Any], bool]


def _always(params: Parameters) -> bool:
    return True


def _never(fitted: Any, more: More) -> bool:
    return False


def _nothing(params: Parameters) -> str | None:
    return None


def _any_data(fitted: Any, more: More) -> bool:
    return True


@dataclass(frozen=True)
class Kind:
    """A kind of estimator that can train on.

    Attributes
    ----------
    estimators : tuple of str
        ``package.Class``.
    resources : tuple of str
        The names of the parameter that counts.
    train_on : callable
        ``train_on(fitted, more)`` gives the estimator with the total; None where only
        a fresh fit will do.
    safe : mapping of str to callable, or None
        The parameters under which the result was seen to be that of a fresh fit, each
        with a test of its value; defaults are safe without. None: it is another.
    also : callable
        What else the parameters must fulfil for that.
    also_of_data : callable
        ``also_of_data(fitted, more)``: what the data must fulfil for that.
    obstacle : callable
        Why an estimator with such parameters cannot train on at all; None where it can.
    doubt : callable
        Why `train_on` may give None with such parameters; None where it never does.
    has_stopped : callable
        ``has_stopped(fitted, more)``: it ended by itself, and would again.
    fit_params : tuple of str
        Those that are safe.
    """

    estimators: tuple[str, ...]
    resources: tuple[str, ...]
    train_on: Callable[[Any, More], Any]
    safe: Mapping[str, Test] | None = None
    also: Callable[[Parameters], bool] = _always
    also_of_data: Callable[[Any, More], bool] = _any_data
    obstacle: Callable[[Parameters], str | None] = _nothing
    doubt: Callable[[Parameters], str | None] = _nothing
    has_stopped: Callable[[Any, More], bool] = _never
    fit_params: tuple[str, ...] = ("sample_weight",)


# --- how ---------------------------------------------------------------------------


def _warm_start_to_total(fitted: Any, more: More) -> Any:
    """Train on as scikit-learn's ensembles do: they are told the total."""
    with _warmly(fitted):
        # Its parameters are attributes, and set_params takes a millisecond.
        setattr(fitted, more.resource, more.total)
        fitted.fit(*more.data, **more.fit_params)
    return fitted


def _warm_start_with_rest(fitted: Any, more: More) -> Any:
    """Let a solver start where it was, with the iterations that are left."""
    with _warmly(fitted):
        setattr(fitted, more.resource, more.added)
        fitted.fit(*more.data, **more.fit_params)
        setattr(fitted, more.resource, more.total)
    return fitted


@contextlib.contextmanager
def _warmly(fitted: Any) -> Iterator[None]:
    own, fitted.warm_start = fitted.warm_start, True
    yield
    fitted.warm_start = own


def _gradient_boosting(fitted: Any, more: More) -> Any:
    """Train on, unless it watches its losses: each fit forgets those before it."""
    return None if fitted.n_iter_no_change is not None else _warm_start_to_total(fitted, more)


def _epochs(fitted: Any, more: More) -> Any:
    """Call `partial_fit` once an epoch."""
    for _ in range(more.added):
        fitted.partial_fit(*more.data, **more.fit_params)
    return fitted.set_params(**{more.resource: more.total})


def _skorch(fitted: Any, more: More) -> Any:
    fitted.partial_fit(*more.data, epochs=more.added, **more.fit_params)
    return fitted.set_params(**{more.resource: more.total})


def _xgboost(fitted: Any, more: More) -> Any:
    """Boost on, from rows that are binned once for all candidates where that can be had."""
    booster = fitted.get_booster()
    params = fitted.get_params()
    plain = (
        type(more.data[0]) is np.ndarray
        and more.fit_params.keys() <= {"sample_weight"}
        and hasattr(booster, "reset")  # From XGBoost 3.0 on.
        and all(params.get(name) in known for name, known in _XGBOOST_BINS.items())
        and not callable(params.get("objective"))
    )
    if not plain:
        return _xgboost_by_fit(fitted, more)
    matrix = _binned(params, more)
    for iteration in range(booster.num_boosted_rounds(), more.total):
        booster.update(matrix, iteration)
    booster.reset()
    fitted.n_estimators = more.total
    return fitted


# Where the rows of XGBoost's own fit are binned in the same way.
_XGBOOST_BINS: Mapping[str, tuple[Any, ...]] = {
    "booster": (None, "gbtree"),
    "tree_method": (None, "auto", "hist"),
    "device": (None, "cpu"),
    "feature_types": (None,),
    "feature_weights": (None,),
    "callbacks": (None,),
}


def _binned(params: Parameters, more: More) -> Any:
    """Return XGBoost's form of the data."""
    from xgboost import QuantileDMatrix

    X, y = more.data
    weight = more.fit_params.get("sample_weight")
    names = {"nthread": "n_jobs", "max_bin": "max_bin", "missing": "missing"}
    options = {name: params[of_estimator] for name, of_estimator in names.items()}
    return more.made_once(
        repr(options), lambda: QuantileDMatrix(X, label=y, weight=weight, **options)
    )


def _xgboost_by_fit(fitted: Any, more: More) -> Any:
    # Not by set_params: it passes all parameters on to the booster, which refuses some.
    fitted.n_estimators = more.added
    fitted.fit(*more.data, xgb_model=fitted.get_booster(), **more.fit_params)
    fitted.n_estimators = more.total
    return fitted


def _lightgbm(fitted: Any, more: More) -> Any:
    booster = fitted.booster_
    fitted.set_params(**{more.resource: more.added})
    fitted.fit(*more.data, init_model=booster, **more.fit_params)
    return fitted.set_params(**{more.resource: more.total})


def _has_no_categories(fitted: Any, more: More) -> bool:
    # Rows with categories were seen to be predicted otherwise than they had been trained on.
    return fitted.is_categorical_ is None


def _lightgbm_loses_nothing(fitted: Any, more: More) -> bool:
    """Return whether what it predicts for its rows is what its training came to."""
    params = fitted.get_params()
    names = "enable_bundle", "max_bin", "min_data_in_bin", "subsample_for_bin"
    key = "bundles", repr([params.get(name) for name in names])
    return bool(more.made_once(key, lambda: bundles_lose_nothing(more.data[0], params)))


def _catboost(fitted: Any, more: More) -> Any:
    """Train a copy on: CatBoost changes no parameter of what is fitted.

    So the result's `iterations` stay those that came last.
    """
    longer = clone(fitted).set_params(**{more.resource: more.added})
    return longer.fit(*more.data, init_model=fitted, **more.fit_params)


def learn_new_samples(fitted: Any, more: More) -> Any:
    """Learn from the samples that the last rung had not; `more.data` has only those."""
    if n_rows(more.data[0]) > 0:
        fitted.partial_fit(*more.data, **more.fit_params)
    return fitted


# --- which ended by themselves -----------------------------------------------------


def _has_fewer(attribute: str) -> Callable[[Any, More], bool]:
    """Return a test of whether all fits together ended with less than they were allowed."""

    def stopped(fitted: Any, more: More) -> bool:
        return bool(getattr(fitted, attribute) < more.before)

    return stopped


def _converged(fitted: Any, more: More) -> bool:
    return bool(np.max(fitted.n_iter_) < more.last_added)


def _has_seen_fewer(fitted: Any, more: More) -> bool:
    # n_iter_ is of the last call only; t_ counts the samples seen, from 0 or from 1.
    return bool(fitted.t_ / n_rows(more.data[0]) < more.before - 0.5)


def _histogram_boosting_stopped(fitted: Any, more: More) -> bool:
    # One that would have stopped exactly where its rung ended counts as stopped.
    return fitted.n_iter_ < more.before or histogram_boosting_would_stop(fitted)


def _skorch_stopped(fitted: Any, more: More) -> bool:
    return len(fitted.history) < more.before


# --- when that equals a fresh fit --------------------------------------------------


def _anything(value: Any) -> bool:
    return True


def _reproducible(value: Any) -> bool:
    """Whether a random state begins anew with each fit: an instance goes on."""
    return value is None or isinstance(value, numbers.Integral)


def _one_of(*values: Any) -> Test:
    return lambda value: any(is_same(value, known) for known in values)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values of a parameter are; arrays only where they are one."""
    if one is other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if not (isinstance(one, numbers.Number) and isinstance(other, numbers.Number)):
        return False
    return one == other or (one != one and other != other)  # NaN


def _known(names: str, **tests: Test) -> dict[str, Test]:
    """Return what is safe: these names with any value, those as they are tested."""
    return {**dict.fromkeys(names.split(), _anything), **tests}


_TREE = """max_depth min_samples_split min_samples_leaf min_weight_fraction_leaf max_features
    max_leaf_nodes min_impurity_decrease ccp_alpha verbose warm_start"""


def _catboost_is_exact(params: Parameters) -> bool:
    """Return whether nothing depends on what CatBoost forgets when it is pickled.

    That is its random state. Two losses start from a mean that rounds differently.
    """
    loss = params.get("loss_function")
    return (
        params.get("bootstrap_type") == "No"
        and is_same(params.get("random_strength"), 0)
        and params.get("boosting_type") == "Plain"
        and (
            loss in ("MultiClass", "MultiClassOneVsAll", "MAE")
            or (loss == "RMSE" and params.get("boost_from_average") is False)
        )
    )


# --- what makes it impossible ----------------------------------------------------------

_WATCHED = "early stopping counts the rounds of one fit only"


def _refused(**reasons: str) -> Callable[[Parameters], str | None]:
    """Return what gives the reason of the first of these parameters that is set."""

    def obstacle(params: Parameters) -> str | None:
        for name, reason in reasons.items():
            value = params.get(name)
            if value is not None and value is not False:
                return f"with {name}={value!r}, {reason}"
        return None

    return obstacle


def _obstacle_of_lightgbm(params: Parameters) -> str | None:
    if params["boosting_type"] == "rf":
        return "with boosting_type='rf', it refuses init_model"
    for name in sorted(params.keys() & _STOPPING):
        if params[name] is not None and not is_same(params[name], 0):
            return f"with {name}={params[name]!r}, {_WATCHED}"
    for name in sorted(params.keys() & _ROUNDS):
        return f"{name}={params[name]!r} counts in place of n_estimators"
    return None


def _obstacle_of_catboost(params: Parameters) -> str | None:
    if params.get("learning_rate") is None:
        return "without a learning_rate, it takes one that depends on the iterations"
    return _refused(
        **dict.fromkeys(("early_stopping_rounds", "od_type", "od_wait", "od_pval"), _WATCHED),
        use_best_model="it drops the rounds after the best",
    )(params)


def _obstacle_of_net(params: Parameters) -> str | None:
    if params["solver"] == "lbfgs":
        return "with solver='lbfgs', it has no partial_fit"
    return _refused(early_stopping="it has no partial_fit")(params)


def _obstacle_of_sgd(params: Parameters) -> str | None:
    if params.get("class_weight") == "balanced":
        return "with class_weight='balanced', it has no partial_fit"
    return _refused(early_stopping="it has no partial_fit")(params)


def _obstacle_of_solver(params: Parameters) -> str | None:
    if params.get("solver") == "liblinear":
        return "with solver='liblinear', it ignores warm_start"
    return None


_STOPPING = frozenset(
    ["early_stopping", "early_stopping_round", "early_stopping_rounds", "n_iter_no_change"]
)
_ROUNDS = frozenset(
    [
        "num_iteration",
        "n_iter",
        "num_iterations",
        "num_tree",
        "num_trees",
        "num_round",
        "num_rounds",
        "nrounds",
        "num_boost_round",
        "max_iter",
    ]
)


def _both(package: str, name: str) -> tuple[str, str]:
    return f"{package}.{name}Classifier", f"{package}.{name}Regressor"


KINDS = (
    Kind(
        (*_both("sklearn", "RandomForest"), *_both("sklearn", "ExtraTrees")),
        ("n_estimators",),
        _warm_start_to_total,
        safe=_known(
            f"{_TREE} bootstrap oob_score n_jobs class_weight max_samples monotonic_cst criterion",
            random_state=_reproducible,
        ),
    ),
    Kind(
        _both("sklearn", "Bagging"),
        ("n_estimators",),
        _warm_start_to_total,
        safe=_known(
            """estimator max_samples max_features bootstrap bootstrap_features n_jobs verbose
            warm_start""",
            random_state=_reproducible,
        ),
        obstacle=_refused(oob_score="it refuses warm_start"),
    ),
    Kind(
        _both("sklearn", "GradientBoosting"),
        ("n_estimators",),
        _gradient_boosting,
        safe=_known(
            f"""{_TREE} loss learning_rate subsample criterion alpha validation_fraction
            n_iter_no_change tol""",
            # Another estimator predicts rows that lie in memory in another order.
            init=_one_of(None, "zero"),
            random_state=_reproducible,
        ),
        doubt=_refused(n_iter_no_change="it forgets the losses of the fits before"),
        has_stopped=_has_fewer("n_estimators_"),
    ),
    Kind(
        _both("sklearn", "HistGradientBoosting"),
        ("max_iter",),
        _warm_start_to_total,
        safe=_known(
            """loss quantile learning_rate max_leaf_nodes max_depth min_samples_leaf
            l2_regularization max_features max_bins categorical_features monotonic_cst
            interaction_cst warm_start early_stopping scoring validation_fraction
            n_iter_no_change tol verbose class_weight""",
            random_state=_reproducible,
        ),
        also_of_data=_has_no_categories,
        has_stopped=_histogram_boosting_stopped,
    ),
    Kind(
        ("xgboost.XGBClassifier", "xgboost.XGBRegressor"),
        ("n_estimators",),
        _xgboost,
        safe=_known(
            """max_depth max_leaves max_bin grow_policy learning_rate gamma min_child_weight
            max_delta_step reg_alpha reg_lambda scale_pos_weight base_score tree_method
            num_parallel_tree multi_strategy importance_type missing n_jobs verbosity
            monotone_constraints interaction_constraints enable_categorical
            max_cat_to_onehot max_cat_threshold""",
            booster=_one_of(None, "gbtree"),
            device=_one_of(None, "cpu"),
            objective=_one_of(
                *("binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson"),
                *("multi:softmax", "multi:softprob", "reg:absoluteerror", "reg:gamma"),
                *("reg:logistic", "reg:pseudohubererror", "reg:quantileerror"),
                *("reg:squarederror", "reg:squaredlogerror", "reg:tweedie"),
            ),
            sampling_method=_one_of(None, "uniform"),
            random_state=_reproducible,
            **dict.fromkeys(
                ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode"),
                _one_of(None, 1),
            ),
        ),
        obstacle=_refused(early_stopping_rounds=_WATCHED),
    ),
    Kind(
        ("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor"),
        ("n_estimators",),
        _lightgbm,
        safe=_known(
            """num_leaves max_leaves max_depth learning_rate subsample_for_bin class_weight
            min_split_gain min_child_weight min_child_samples reg_alpha reg_lambda lambda_l1
            lambda_l2 min_gain_to_split min_data_in_leaf min_sum_hessian_in_leaf max_bin
            min_data_in_bin path_smooth max_delta_step monotone_constraints
            monotone_constraints_method monotone_penalty interaction_constraints
            scale_pos_weight is_unbalance boost_from_average deterministic force_col_wise
            force_row_wise zero_as_missing use_missing enable_bundle importance_type
            max_cat_to_onehot max_cat_threshold cat_smooth cat_l2 min_data_per_group n_jobs
            verbose verbosity""",
            boosting_type=_one_of("gbdt"),
            subsample=_anything,  # Nothing is drawn while subsample_freq is 0.
            subsample_freq=_one_of(0),
            colsample_bytree=_one_of(1),
            objective=_one_of(
                *("binary", "cross_entropy", "fair", "gamma", "huber", "multiclass"),
                *("multiclassova", "poisson", "quantile", "regression", "regression_l1"),
                *("mae", "tweedie"),
            ),
            random_state=_reproducible,
        ),
        also_of_data=_lightgbm_loses_nothing,
        obstacle=_obstacle_of_lightgbm,
        has_stopped=_has_fewer("n_estimators_"),
    ),
    Kind(
        ("catboost.CatBoostClassifier", "catboost.CatBoostRegressor"),
        ("iterations", "n_estimators", "num_boost_round", "num_trees"),
        _catboost,
        safe=_known(
            """learning_rate depth max_depth l2_leaf_reg reg_lambda border_count max_bin
            nan_mode score_function leaf_estimation_method leaf_estimation_iterations
            grow_policy max_leaves min_data_in_leaf auto_class_weights bootstrap_type
            random_strength boosting_type boost_from_average loss_function verbose silent
            logging_level allow_writing_files thread_count""",
            random_seed=_reproducible,
            random_state=_reproducible,
        ),
        also=_catboost_is_exact,
        obstacle=_obstacle_of_catboost,
    ),
    Kind(
        ("sklearn.MLPClassifier", "sklearn.MLPRegressor"),
        ("max_iter",),
        _epochs,
        obstacle=_obstacle_of_net,
        has_stopped=_has_seen_fewer,
    ),
    Kind(
        ("sklearn.SGDClassifier", "sklearn.SGDRegressor", "sklearn.Perceptron"),
        ("max_iter",),
        _epochs,
        obstacle=_obstacle_of_sgd,
        has_stopped=_has_seen_fewer,
    ),
    Kind(
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
        obstacle=_obstacle_of_solver,
        has_stopped=_converged,
    ),
    Kind(
        (
            "skorch.NeuralNetClassifier",
            "skorch.NeuralNetBinaryClassifier",
            "skorch.NeuralNetRegressor",
            "skorch.NeuralNet",
        ),
        ("max_epochs",),
        _skorch,
        has_stopped=_skorch_stopped,
    ),
)


# --- transformers before the last step of a pipeline ----------------------------------

# Deterministic ones whose `fit_transform` gives what `transform` gives. PCA's differs by
# rounding, TargetEncoder's on purpose, CountVectorizer's in the order of what it stores.
TRANSFORMERS = frozenset(
    {
        "sklearn.Binarizer",
        "sklearn.HashingVectorizer",
        "sklearn.KBinsDiscretizer",
        "sklearn.KNNImputer",
        "sklearn.MaxAbsScaler",
        "sklearn.MinMaxScaler",
        "sklearn.MissingIndicator",
        "sklearn.Normalizer",
        "sklearn.OneHotEncoder",
        "sklearn.OrdinalEncoder",
        "sklearn.PolynomialFeatures",
        "sklearn.PowerTransformer",
        "sklearn.QuantileTransformer",
        "sklearn.RobustScaler",
        "sklearn.SelectKBest",
        "sklearn.SelectPercentile",
        "sklearn.SimpleImputer",
        "sklearn.SplineTransformer",
        "sklearn.StandardScaler",
        "sklearn.TfidfTransformer",
        "sklearn.VarianceThreshold",
    }
)
