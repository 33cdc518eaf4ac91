"""Rule of continued training for LightGBM."""

from typing import Any

from skhyperband._continuation.base import (
    EARLY_STOPPING,
    ContinuationRule,
    Parameters,
    TrainingIncrement,
    anything,
    exact_with,
    has_fewer_rounds,
    is_same,
    one_of,
    reproducible,
)
from skhyperband._continuation.feature_bundles import bundles_lose_nothing

# Other names by which LightGBM's own `train` takes the number of rounds. If one of them is
# set, LightGBM ignores `n_estimators`.
LIGHTGBM_ROUNDS = frozenset(
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
# The names by which LightGBM takes the number of rounds after which it stops early.
_EARLY_STOPPING_NAMES = frozenset(
    ["early_stopping", "early_stopping_round", "early_stopping_rounds", "n_iter_no_change"]
)


def _continue_lightgbm(fitted: Any, increment: TrainingIncrement) -> Any:
    booster = fitted.booster_
    fitted.set_params(**{increment.resource: increment.added})
    fitted.fit(*increment.data, init_model=booster, **increment.fit_params)
    return fitted.set_params(**{increment.resource: increment.total})


def _predicts_as_trained(fitted: Any, increment: TrainingIncrement) -> bool:
    """Return whether the model's prediction for its training rows is what training arrived at.

    LightGBM continues from the prediction. Bundles of features may make the two differ.
    """
    params = fitted.get_params()
    names = "enable_bundle", "max_bin", "min_data_in_bin", "subsample_for_bin"
    key = "bundles", repr([params.get(name) for name in names])
    return bool(increment.cached(key, lambda: bundles_lose_nothing(increment.data[0], params)))


def _obstacle_for_lightgbm(params: Parameters) -> str | None:
    if params.get("boosting_type") == "rf":
        return "with boosting_type='rf', it refuses init_model"
    for name in sorted(params.keys() & _EARLY_STOPPING_NAMES):
        if params[name] is not None and not is_same(params[name], 0):
            return f"with {name}={params[name]!r}, {EARLY_STOPPING}"
    for name in sorted(params.keys() & LIGHTGBM_ROUNDS):
        return f"{name}={params[name]!r} counts in place of n_estimators"
    return None


RULES = (
    ContinuationRule(
        ("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor"),
        ("n_estimators",),
        _continue_lightgbm,
        exact_parameters=exact_with(
            """num_leaves max_leaves max_depth learning_rate subsample_for_bin class_weight
            min_split_gain min_child_weight min_child_samples reg_alpha reg_lambda lambda_l1
            lambda_l2 min_gain_to_split min_data_in_leaf min_sum_hessian_in_leaf max_bin
            min_data_in_bin path_smooth max_delta_step monotone_constraints
            monotone_constraints_method monotone_penalty interaction_constraints
            scale_pos_weight is_unbalance boost_from_average deterministic force_col_wise
            force_row_wise zero_as_missing use_missing enable_bundle importance_type
            max_cat_to_onehot max_cat_threshold cat_smooth cat_l2 min_data_per_group n_jobs
            verbose verbosity""",
            boosting_type=one_of("gbdt"),
            subsample=anything,  # Nothing is drawn while subsample_freq is 0.
            subsample_freq=one_of(0),
            colsample_bytree=one_of(1),
            objective=one_of(
                *("binary", "cross_entropy", "fair", "gamma", "huber", "multiclass"),
                *("multiclassova", "poisson", "quantile", "regression", "regression_l1"),
                *("mae", "tweedie"),
            ),
            random_state=reproducible,
        ),
        exact_on=_predicts_as_trained,
        obstacle=_obstacle_for_lightgbm,
        has_stopped=has_fewer_rounds("n_estimators_"),
    ),
)
