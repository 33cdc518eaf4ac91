"""Decides whether the training of a candidate is continued, or the candidate is fitted fresh."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sklearn.pipeline import Pipeline

from skhyperband._continuation import (
    catboost_rules,
    lightgbm_rules,
    sklearn_rules,
    skorch_rules,
    xgboost_rules,
)
from skhyperband._continuation.base import (
    ContinuationRule,
    Continue,
    TrainingIncrement,
    is_same,
    name_of_class,
    package_of_class,
)
from skhyperband._continuation.pipelines import (
    continue_last_step,
    fit_params_of_last_step,
    last_step_has_stopped,
    transforms_reproducibly,
)
from skhyperband._resources import N_SAMPLES

RULES: tuple[ContinuationRule, ...] = (
    *sklearn_rules.RULES,
    *xgboost_rules.RULES,
    *lightgbm_rules.RULES,
    *catboost_rules.RULES,
    *skorch_rules.RULES,
)


@dataclass(frozen=True)
class ContinuationStrategy:
    """How the training of a certain estimator is continued.

    Attributes
    ----------
    continue_training : callable
        ``continue_training(fitted, increment)`` returns the estimator trained to the total,
        or None if a fresh fit is needed.
    has_stopped : callable
        ``has_stopped(fitted, increment)`` returns whether the training ended before the amount
        that it was allowed, so that a fresh fit with more would end at the same place.
    takes_new_samples : bool
        Whether the estimator is given only the samples that the last rung did not have.
    is_users : bool
        Whether the user wrote `continue_training`. An exception is then a failure of the
        candidate; otherwise the candidate is fitted fresh.
    caveat : str, or None
        Why `continue_training` may return None.
    """

    continue_training: Continue
    has_stopped: Callable[[Any, TrainingIncrement], bool] = lambda fitted, increment: False
    takes_new_samples: bool = False
    is_users: bool = False
    caveat: str | None = None


@dataclass(frozen=True)
class Continuation:
    """The user's choice of `continue_training`, for one resource.

    Attributes
    ----------
    mode : "auto", bool or callable
        "auto" continues only if the result equals a fresh fit. True continues also if the
        result is only equivalent in kind, such as trees from other random numbers. A callable
        is the user's own function.
    resource : str
    """

    mode: bool | Literal["auto"] | Callable[..., Any] = False
    resource: str = N_SAMPLES

    def strategy(
        self, estimator: Any, fit_params: Mapping[str, Any]
    ) -> ContinuationStrategy | None:
        """Return how training is continued; None if the estimator is to be fitted fresh."""
        found = self._strategy_or_reason(estimator, fit_params)
        return found if isinstance(found, ContinuationStrategy) else None

    def why_fresh(self, estimator: Any) -> str:
        """Return why the estimator is fitted fresh on every rung, as the rest of a sentence."""
        found = self._strategy_or_reason(estimator, {})
        if isinstance(found, ContinuationStrategy):
            return found.caveat or "other warnings say why"
        return found

    def _strategy_or_reason(
        self, estimator: Any, fit_params: Mapping[str, Any]
    ) -> ContinuationStrategy | str:
        """Return how training is continued, or why it is not."""
        if callable(self.mode):
            return ContinuationStrategy(
                functools.partial(_continue_as_user_says, self.mode), is_users=True
            )
        if not self.mode:
            return "continue_training=False says so"
        if self.resource == N_SAMPLES:
            if self.mode == "auto":
                return (
                    "learning from the new samples alone does not give the result of a fresh fit"
                )
            if not hasattr(estimator, "partial_fit"):
                return "it has no partial_fit to learn new samples with"
            return ContinuationStrategy(sklearn_rules.learn_new_samples, takes_new_samples=True)
        if type(estimator) is Pipeline:
            return self._strategy_of_last_step(estimator, fit_params)
        return self._strategy_by_rule(estimator, self.resource, fit_params)

    def _strategy_by_rule(
        self, estimator: Any, resource: str, fit_params: Mapping[str, Any]
    ) -> ContinuationStrategy | str:
        auto = self.mode == "auto"
        class_: Any = type(estimator)
        rule = _rule_of(class_, subclasses=not auto)
        if rule is None or resource not in rule.resources:
            return (
                f"nothing is known of how the training of {class_.__name__} is continued by "
                f"{resource!r}"
            )
        params = estimator.get_params(deep=False)
        obstacle = rule.obstacle(params)
        if obstacle is not None:
            return obstacle
        if not auto:
            return ContinuationStrategy(
                rule.continue_training, rule.has_stopped, caveat=rule.caveat(params)
            )
        if not fit_params.keys() <= set(rule.exact_fit_params) or not _is_exact(
            rule, class_, params
        ):
            return "its parameters are not among those known to give what a fresh fit gives"
        continue_training = functools.partial(_continue_where_exact, rule)
        return ContinuationStrategy(
            continue_training, rule.has_stopped, caveat=rule.caveat(params)
        )

    def _strategy_of_last_step(
        self, pipeline: Pipeline, fit_params: Mapping[str, Any]
    ) -> ContinuationStrategy | str:
        if not pipeline.steps:
            return "the pipeline has no steps"
        name, last = pipeline.steps[-1]
        step, _, resource = self.resource.partition("__")
        if step != name:
            return f"of a pipeline only the training of the last step is continued, here {name!r}"
        for name, transformer in pipeline.steps[:-1]:
            if not transforms_reproducibly(transformer):
                return f"the step {name!r} may transform otherwise the second time"
        last_params = fit_params_of_last_step(pipeline, fit_params)
        if last_params is None:
            return "the pipeline transforms what is given to its last step"
        strategy = self._strategy_by_rule(last, resource, last_params)
        if isinstance(strategy, str):
            return strategy
        return ContinuationStrategy(
            functools.partial(continue_last_step, strategy.continue_training),
            functools.partial(last_step_has_stopped, strategy.has_stopped),
            caveat=strategy.caveat,
        )


# --- rules -------------------------------------------------------------------------

_RULE_OF = {name: rule for rule in RULES for name in rule.estimators}


@functools.lru_cache
def _rule_of(class_: Any, *, subclasses: bool) -> ContinuationRule | None:
    """Return the rule of a class or, if asked for, of the class that it is derived from.

    A subclass from the same library, such as XGBRFClassifier, is a different estimator, and
    has no rule of its own.
    """
    classes = class_.__mro__ if subclasses else (class_,)
    found = next((c for c in classes if name_of_class(c) in _RULE_OF), None)
    if found is None or (
        found is not class_ and package_of_class(found) == package_of_class(class_)
    ):
        return None
    return _RULE_OF[name_of_class(found)]


@functools.lru_cache
def _defaults(class_: Any) -> Mapping[str, Any]:
    return class_().get_params(deep=False)


def _is_exact(rule: ContinuationRule, class_: Any, params: Mapping[str, Any]) -> bool:
    """Return whether continued training equals a fresh fit with these parameters."""
    if rule.exact_parameters is None or not rule.exact_where(params):
        return False
    defaults = _defaults(class_)
    for name, value in params.items():
        if name in rule.resources or (name in defaults and is_same(value, defaults[name])):
            continue
        if name not in rule.exact_parameters or not rule.exact_parameters[name](value):
            return False
    return True


def _continue_where_exact(
    rule: ContinuationRule, fitted: Any, increment: TrainingIncrement
) -> Any:
    return rule.continue_training(fitted, increment) if rule.exact_on(fitted, increment) else None


# --- the user's callable -----------------------------------------------------------------


def _continue_as_user_says(
    continue_training: Callable[..., Any], fitted: Any, increment: TrainingIncrement
) -> Any:
    trained = continue_training(fitted, increment.total, *increment.data, **increment.fit_params)
    if not hasattr(trained, "fit"):
        raise TypeError(
            f"continue_training={continue_training!r} returned {trained!r}; it must return the "
            "fitted estimator."
        )
    return trained
