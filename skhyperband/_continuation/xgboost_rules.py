"""Rule of continued training for XGBoost."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skhyperband._continuation.base import (
    EARLY_STOPPING,
    ContinuationRule,
    Parameters,
    TrainingIncrement,
    exact_with,
    is_same,
    one_of,
    refuses,
    reproducible,
)


def _continue_xgboost(fitted: Any, increment: TrainingIncrement) -> Any:
    """Add rounds to the booster, from rows that are binned once for all candidates.

    `fit` would bin them for each candidate again. It is used only if the rows might not be
    binned here exactly as `fit` does.
    """
    booster = fitted.get_booster()
    params = fitted.get_params()
    can_share_bins = (
        type(increment.data[0]) is np.ndarray
        and increment.fit_params.keys() <= {"sample_weight"}
        and hasattr(booster, "reset")  # From XGBoost 3.0 on.
        and all(
            any(is_same(params.get(name), value) for value in values)
            for name, values in _PARAMETERS_OF_SHARED_BINS.items()
        )
        and not callable(params.get("objective"))
    )
    if not can_share_bins:
        return _continue_by_fit(fitted, increment)
    matrix = _binned(params, increment)
    for iteration in range(booster.num_boosted_rounds(), increment.total):
        booster.update(matrix, iteration)
    booster.reset()
    fitted.n_estimators = increment.total
    return fitted


# The values with which XGBoost's own `fit` bins the rows as `_binned` does.
_PARAMETERS_OF_SHARED_BINS: Mapping[str, tuple[Any, ...]] = {
    "booster": (None, "gbtree"),
    "tree_method": (None, "auto", "hist"),
    "device": (None, "cpu"),
    "feature_types": (None,),
    "feature_weights": (None,),
    "callbacks": (None,),
}


def _binned(params: Parameters, increment: TrainingIncrement) -> Any:
    """Return the rows as XGBoost bins them, from the cache if another candidate needed the same."""
    from xgboost import QuantileDMatrix

    X, y = increment.data
    weight = increment.fit_params.get("sample_weight")
    names = {"nthread": "n_jobs", "max_bin": "max_bin", "missing": "missing"}
    options = {name: params[of_estimator] for name, of_estimator in names.items()}
    return increment.cached(
        repr(options), lambda: QuantileDMatrix(X, label=y, weight=weight, **options)
    )


def _continue_by_fit(fitted: Any, increment: TrainingIncrement) -> Any:
    # Not set_params, which passes all parameters on to the booster, and the booster refuses some.
    fitted.n_estimators = increment.added
    # The booster has a base score for each output. It refuses a single one for several outputs.
    base_score, fitted.base_score = fitted.base_score, None
    try:
        fitted.fit(*increment.data, xgb_model=fitted.get_booster(), **increment.fit_params)
    finally:
        fitted.base_score = base_score
    fitted.n_estimators = increment.total
    return fitted


RULES = (
    ContinuationRule(
        ("xgboost.XGBClassifier", "xgboost.XGBRegressor"),
        ("n_estimators",),
        _continue_xgboost,
        exact_parameters=exact_with(
            """max_depth max_leaves max_bin grow_policy learning_rate gamma min_child_weight
            max_delta_step reg_alpha reg_lambda scale_pos_weight base_score tree_method
            num_parallel_tree multi_strategy importance_type missing n_jobs verbosity
            monotone_constraints interaction_constraints enable_categorical
            max_cat_to_onehot max_cat_threshold""",
            booster=one_of(None, "gbtree"),
            device=one_of(None, "cpu"),
            objective=one_of(
                *("binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson"),
                *("multi:softmax", "multi:softprob", "reg:absoluteerror", "reg:gamma"),
                *("reg:logistic", "reg:pseudohubererror", "reg:quantileerror"),
                *("reg:squarederror", "reg:squaredlogerror", "reg:tweedie"),
            ),
            sampling_method=one_of(None, "uniform"),
            random_state=reproducible,
            **dict.fromkeys(
                ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode"),
                one_of(None, 1),
            ),
        ),
        obstacle=refuses(early_stopping_rounds=EARLY_STOPPING),
    ),
)
