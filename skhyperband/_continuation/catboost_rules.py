"""Rule of continued training for CatBoost."""

from typing import Any

from sklearn.base import clone

from skhyperband._continuation.base import (
    EARLY_STOPPING,
    ContinuationRule,
    Parameters,
    TrainingIncrement,
    exact_with,
    is_same,
    refuses,
    reproducible,
)


def _continue_catboost(fitted: Any, increment: TrainingIncrement) -> Any:
    """Fit a clone for the added iterations, starting from the fitted model.

    It has to be a clone, since CatBoost refuses to change parameters of a fitted estimator. For
    the same reason `iterations` of the result remains the number of added iterations.
    """
    longer = clone(fitted).set_params(**{increment.resource: increment.added})
    return longer.fit(*increment.data, init_model=fitted, **increment.fit_params)


def _catboost_is_exact(params: Parameters) -> bool:
    """Return whether nothing random decides, and the loss does not start from a mean.

    CatBoost loses the state of its random generator when it is pickled. Two losses start from
    a mean of the targets, which continued training rounds differently.
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


def _obstacle_for_catboost(params: Parameters) -> str | None:
    if params.get("learning_rate") is None:
        return "without a learning_rate, it takes one that depends on the iterations"
    return refuses(
        **dict.fromkeys(
            ("early_stopping_rounds", "od_type", "od_wait", "od_pval"), EARLY_STOPPING
        ),
        use_best_model="it drops the rounds after the best",
    )(params)


RULES = (
    ContinuationRule(
        ("catboost.CatBoostClassifier", "catboost.CatBoostRegressor"),
        ("iterations", "n_estimators", "num_boost_round", "num_trees"),
        _continue_catboost,
        exact_parameters=exact_with(
            """learning_rate depth max_depth l2_leaf_reg reg_lambda border_count max_bin
            nan_mode score_function leaf_estimation_method leaf_estimation_iterations
            grow_policy max_leaves min_data_in_leaf auto_class_weights bootstrap_type
            random_strength boosting_type boost_from_average loss_function verbose silent
            logging_level allow_writing_files thread_count""",
            random_seed=reproducible,
            random_state=reproducible,
        ),
        exact_where=_catboost_is_exact,
        obstacle=_obstacle_for_catboost,
    ),
)
