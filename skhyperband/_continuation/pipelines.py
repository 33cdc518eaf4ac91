"""Continues the training of the last step of a pipeline."""

from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import Any

import numpy as np
import sklearn
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.metadata_routing import process_routing

from skhyperband._continuation.base import Continue, TrainingIncrement, name_of_class

# Deterministic transformers whose `fit_transform` returns what `transform` returns. The two
# differ for PCA by rounding, for TargetEncoder on purpose, and for CountVectorizer in the order
# of the stored elements.
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


def transforms_reproducibly(transformer: Any, known: Set[str] = TRANSFORMERS) -> bool:
    """Return whether `fit_transform` and `transform` always return the same.

    `known` are the names of the transformers of which this is known.
    """
    if transformer is None or isinstance(transformer, str):  # "passthrough", "drop"
        return True
    name = name_of_class(type(transformer))
    if name == "sklearn.ColumnTransformer":
        parts = [part for _, part, _ in transformer.transformers]
        return all(transforms_reproducibly(p, known) for p in [*parts, transformer.remainder])
    if type(transformer) is FeatureUnion:
        return all(
            transforms_reproducibly(part, known) for _, part in transformer.transformer_list
        )
    if type(transformer) is Pipeline:
        return all(transforms_reproducibly(step, known) for _, step in transformer.steps)
    if type(transformer) is FunctionTransformer:
        return transformer.func is None or isinstance(transformer.func, np.ufunc)
    return name in known


def fit_params_of_last_step(
    pipeline: Pipeline, fit_params: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return what the last step's `fit` is given; None if an earlier step transforms any of it."""
    names = [name for name, _ in pipeline.steps]
    if pipeline.transform_input is not None:
        return None
    if not sklearn.get_config()["enable_metadata_routing"]:
        prefix = f"{names[-1]}__"
        return {k.removeprefix(prefix): v for k, v in fit_params.items() if k.startswith(prefix)}
    if not fit_params:
        return {}
    routed = process_routing(pipeline, "fit", **fit_params)
    if any(routed.get(name, {}).get("transform") for name in names[:-1]):
        return None
    return routed[names[-1]].fit


def continue_last_step(
    continue_training: Continue, fitted: Pipeline, increment: TrainingIncrement
) -> Pipeline | None:
    """Continue the training of the last step on rows that the earlier steps transform."""
    name, last = fitted.steps[-1]
    increment = _for_last_step(fitted, increment)
    if len(fitted.steps) > 1:
        X, *y = increment.data
        # The cache is empty, since other candidates may have transformed the rows differently.
        transformed = fitted[:-1].transform(X)
        increment = replace(increment, data=(transformed, *y), cache={})
    trained = continue_training(last, increment)
    if trained is None:
        return None
    fitted.steps[-1] = (name, trained)
    return fitted


def last_step_has_stopped(
    has_stopped: Callable[[Any, TrainingIncrement], bool],
    fitted: Pipeline,
    increment: TrainingIncrement,
) -> bool:
    """Return whether the training of the last step has stopped."""
    return has_stopped(fitted.steps[-1][1], _for_last_step(fitted, increment))


def _for_last_step(pipeline: Pipeline, increment: TrainingIncrement) -> TrainingIncrement:
    """Return the increment with the last step's names of the resource and of fit arguments."""
    resource = increment.resource.removeprefix(f"{pipeline.steps[-1][0]}__")
    fit_params = fit_params_of_last_step(pipeline, increment.fit_params) or {}
    return replace(increment, resource=resource, fit_params=fit_params)
