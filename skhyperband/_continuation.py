"""Decides whether a candidate trains on where its last rung stopped, or anew."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.metadata_routing import process_routing

from skhyperband._kinds import KINDS, TRANSFORMERS, Kind, More, is_same, learn_new_samples
from skhyperband._resources import N_SAMPLES


@dataclass(frozen=True)
class Way:
    """How a certain estimator trains on.

    Attributes
    ----------
    train_on : callable
        ``train_on(fitted, more)`` gives the estimator with the total; None where only
        a fresh fit will do.
    has_stopped : callable
        ``has_stopped(fitted, more)``: it ended by itself, and would again.
    takes_new_samples : bool
        Whether it is given only the samples that the last rung had not.
    is_users : bool
        Whether the user wrote it: then what it raises is a failure of the candidate.
    doubt : str, or None
        Why `train_on` may give None.
    """

    train_on: Callable[[Any, More], Any]
    has_stopped: Callable[[Any, More], bool] = lambda fitted, more: False
    takes_new_samples: bool = False
    is_users: bool = False
    doubt: str | None = None


@dataclass(frozen=True)
class Continuation:
    """What the user said about training on, for one resource.

    Attributes
    ----------
    mode : "auto", bool or callable
        "auto": where the result is that of a fresh fit; True: also where it is only
        of its kind.
    resource : str
    """

    mode: Any = False
    resource: str = N_SAMPLES

    def way(self, estimator: Any, fit_params: Mapping[str, Any]) -> Way | None:
        """Return how it trains on; None where it is to be fitted fresh."""
        found = self._way_or_reason(estimator, fit_params)
        return found if isinstance(found, Way) else None

    def why_fresh(self, estimator: Any) -> str:
        """Return why it is fitted fresh on every rung, as the rest of a sentence."""
        found = self._way_or_reason(estimator, {})
        if isinstance(found, Way):
            return found.doubt or "other warnings say why"
        return found

    def _way_or_reason(self, estimator: Any, fit_params: Mapping[str, Any]) -> Way | str:
        if callable(self.mode):
            return Way(functools.partial(_ask_user, self.mode), is_users=True)
        if not self.mode:
            return "continue_training=False says so"
        if self.resource == N_SAMPLES:
            if self.mode == "auto":
                return "learning from the new samples alone is no fresh fit"
            if not hasattr(estimator, "partial_fit"):
                return "it has no partial_fit to learn new samples with"
            return Way(learn_new_samples, takes_new_samples=True)
        if type(estimator) is Pipeline:
            return self._way_of_last_step(estimator, fit_params)
        return self._way_of_kind(estimator, self.resource, fit_params)

    def _way_of_kind(
        self, estimator: Any, resource: str, fit_params: Mapping[str, Any]
    ) -> Way | str:
        auto = self.mode == "auto"
        class_: Any = type(estimator)
        kind = _kind_of(class_, subclasses=not auto)
        if kind is None or resource not in kind.resources:
            return f"nothing is known of how a {class_.__name__} trains on by {resource!r}"
        params = estimator.get_params(deep=False)
        obstacle = kind.obstacle(params)
        if obstacle is not None:
            return obstacle
        if not auto:
            return Way(kind.train_on, kind.has_stopped, doubt=kind.doubt(params))
        if not fit_params.keys() <= set(kind.fit_params) or not _is_safe(kind, class_, params):
            return "its parameters are not among those known to give what a fresh fit gives"
        train_on = functools.partial(_train_on_where_equal, kind)
        return Way(train_on, kind.has_stopped, doubt=kind.doubt(params))

    def _way_of_last_step(self, pipeline: Pipeline, fit_params: Mapping[str, Any]) -> Way | str:
        name, last = pipeline.steps[-1]
        step, _, resource = self.resource.partition("__")
        if step != name:
            return f"a pipeline trains on by its last step only, here {name!r}"
        for name, transformer in pipeline.steps[:-1]:
            if not transforms_alike(transformer):
                return f"the step {name!r} may transform otherwise the second time"
        its_params = _fit_params_of_last_step(pipeline, fit_params)
        if its_params is None:
            return "the pipeline transforms what is given to its last step"
        way = self._way_of_kind(last, resource, its_params)
        if isinstance(way, str):
            return way
        return Way(
            functools.partial(_train_last_step, way.train_on),
            functools.partial(_last_step_has_stopped, way.has_stopped),
            doubt=way.doubt,
        )


# --- kinds -------------------------------------------------------------------------


def _package(class_: type) -> str:
    return class_.__module__.partition(".")[0]


def _name(class_: type) -> str:
    return f"{_package(class_)}.{class_.__name__}"


_KIND_OF = {name: kind for kind in KINDS for name in kind.estimators}


@functools.lru_cache
def _kind_of(class_: Any, *, subclasses: bool) -> Kind | None:
    """Return the kind of a class, or of the one that a user's class is made from.

    One library's subclass of its own is another thing, such as XGBRFClassifier.
    """
    classes = class_.__mro__ if subclasses else (class_,)
    found = next((c for c in classes if _name(c) in _KIND_OF), None)
    if found is None or (found is not class_ and _package(found) == _package(class_)):
        return None
    return _KIND_OF[_name(found)]


@functools.lru_cache
def _defaults(class_: Any) -> Mapping[str, Any]:
    return class_().get_params(deep=False)


def _is_safe(kind: Kind, class_: Any, params: Mapping[str, Any]) -> bool:
    """Return whether an estimator's parameters are such that training on equals a fresh fit."""
    if kind.safe is None or not kind.also(params):
        return False
    defaults = _defaults(class_)
    for name, value in params.items():
        if name in kind.resources or (name in defaults and is_same(value, defaults[name])):
            continue
        if name not in kind.safe or not kind.safe[name](value):
            return False
    return True


def _train_on_where_equal(kind: Kind, fitted: Any, more: More) -> Any:
    return kind.train_on(fitted, more) if kind.also_of_data(fitted, more) else None


# --- pipelines ---------------------------------------------------------------------


def transforms_alike(transformer: Any) -> bool:
    """Return whether its `fit_transform` gives, each time, what its `transform` gives."""
    if transformer is None or isinstance(transformer, str):  # "passthrough", "drop"
        return True
    if type(transformer) is ColumnTransformer:
        parts = [part for _, part, _ in transformer.transformers]
        return all(map(transforms_alike, [*parts, transformer.remainder]))
    if type(transformer) is FeatureUnion:
        return all(transforms_alike(part) for _, part in transformer.transformer_list)
    if type(transformer) is Pipeline:
        return all(transforms_alike(step) for _, step in transformer.steps)
    if type(transformer) is FunctionTransformer:
        return transformer.func is None or isinstance(transformer.func, np.ufunc)
    return _name(type(transformer)) in TRANSFORMERS


def _fit_params_of_last_step(
    pipeline: Pipeline, fit_params: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return what the last step's `fit` is given; None where a `transform` is given some."""
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


def _train_last_step(
    train_on: Callable[[Any, More], Any], fitted: Pipeline, more: More
) -> Pipeline | None:
    name, last = fitted.steps[-1]
    more = _of_last_step(fitted, more)
    if len(fitted.steps) > 1:
        X, *y = more.data  # What was made from another candidate's is of no use.
        more = replace(more, data=(fitted[:-1].transform(X), *y), kept={})
    trained = train_on(last, more)
    if trained is None:
        return None
    fitted.steps[-1] = (name, trained)
    return fitted


def _last_step_has_stopped(
    has_stopped: Callable[[Any, More], bool], fitted: Pipeline, more: More
) -> bool:
    return has_stopped(fitted.steps[-1][1], _of_last_step(fitted, more))


def _of_last_step(pipeline: Pipeline, more: More) -> More:
    resource = more.resource.removeprefix(f"{pipeline.steps[-1][0]}__")
    fit_params = _fit_params_of_last_step(pipeline, more.fit_params) or {}
    return replace(more, resource=resource, fit_params=fit_params)


# --- the user's own ----------------------------------------------------------------


def _ask_user(train_on: Callable[..., Any], fitted: Any, more: More) -> Any:
    trained = train_on(fitted, more.total, *more.data, **more.fit_params)
    if not hasattr(trained, "fit"):
        raise TypeError(
            f"continue_training={train_on!r} returned {trained!r}; it must return the "
            "fitted estimator."
        )
    return trained
