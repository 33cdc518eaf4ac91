"""The parts that rules of continued training are made of."""

import numbers
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainingIncrement:
    """The arguments with which the training of a fitted estimator is continued.

    Attributes
    ----------
    resource : str
        The name of the resource parameter.
    before, total : int
        The amount of the resource so far, and the amount after the increment.
    last_added : int
        The part of `before` that the last call of `fit` was asked for.
    data : tuple
        X, and y if there is one.
    fit_params : dict
        The other arguments of `fit`.
    cache : dict
        By thread, a key and what was derived from the same data, such as XGBoost's binned
        rows. Candidates on the same split share it.
    """

    resource: str
    before: int
    total: int
    last_added: int
    data: tuple[Any, ...]
    fit_params: Mapping[str, Any]
    cache: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def added(self) -> int:
        """The amount of the resource that is still to be trained."""
        return self.total - self.before

    def cached(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what `make` derives from the data.

        The last result of each thread is kept.
        """
        thread = threading.get_ident()
        if thread not in self.cache or self.cache[thread][0] != key:
            self.cache[thread] = key, make()
        return self.cache[thread][1]


Parameters = Mapping[str, Any]
ParameterTest = Callable[[Any], bool]
Continue = Callable[[Any, TrainingIncrement], Any]


def _always(params: Parameters) -> bool:
    return True


def _no_reason(params: Parameters) -> str | None:
    return None


def _any_data(fitted: Any, increment: TrainingIncrement) -> bool:
    return True


def _never(fitted: Any, increment: TrainingIncrement) -> bool:
    return False


@dataclass(frozen=True)
class ContinuationRule:
    """How the training of some estimators is continued, and when that equals a fresh fit.

    Attributes
    ----------
    estimators : tuple of str
        The names of the estimators' classes, as ``package.Class``.
    resources : tuple of str
        The names of their resource parameter.
    continue_training : callable
        ``continue_training(fitted, increment)`` returns the estimator trained to the total,
        or None if a fresh fit is needed.
    exact_parameters : mapping of str to callable, or None
        The parameters with which the result was tested to equal a fresh fit, each with a test
        of its value. A parameter that has its default is always accepted. None means that the
        result never equals a fresh fit.
    exact_where : callable
        ``exact_where(params)`` tests the parameters together: whether the result equals a
        fresh fit, given that `exact_parameters` accepts each of them.
    exact_on : callable
        ``exact_on(fitted, increment)`` tests whether the result equals a fresh fit on these
        data.
    exact_fit_params : tuple of str
        The arguments of `fit` that leave the result equal to a fresh fit.
    obstacle : callable
        ``obstacle(params)`` returns why training cannot be continued with these parameters,
        or None if it can.
    caveat : callable
        ``caveat(params)`` returns why `continue_training` may return None with these
        parameters, or None if it never does.
    has_stopped : callable
        ``has_stopped(fitted, increment)`` returns whether the training ended before the amount
        that it was allowed, so that a fresh fit with more would end at the same place.
    """

    estimators: tuple[str, ...]
    resources: tuple[str, ...]
    continue_training: Continue
    exact_parameters: Mapping[str, ParameterTest] | None = None
    exact_where: Callable[[Parameters], bool] = _always
    exact_on: Callable[[Any, TrainingIncrement], bool] = _any_data
    exact_fit_params: tuple[str, ...] = ("sample_weight",)
    obstacle: Callable[[Parameters], str | None] = _no_reason
    caveat: Callable[[Parameters], str | None] = _no_reason
    has_stopped: Callable[[Any, TrainingIncrement], bool] = _never


def package_of_class(class_: type) -> str:
    """Return the top-level package that a class is defined in."""
    return class_.__module__.partition(".")[0]


def name_of_class(class_: type) -> str:
    """Return the name by which rules know a class, ``package.Class``."""
    return f"{package_of_class(class_)}.{class_.__name__}"


# --- tests of parameters -----------------------------------------------------------


def anything(value: Any) -> bool:
    """Accept every value."""
    return True


def reproducible(value: Any) -> bool:
    """Return whether a random state gives each fit the same numbers, unlike an instance."""
    return value is None or isinstance(value, numbers.Integral)


def one_of(*values: Any) -> ParameterTest:
    """Return a test that accepts these values only."""
    return lambda value: any(is_same(value, known) for known in values)


def is_same(one: Any, other: Any) -> bool:
    """Return whether an estimator certainly computes the same with both values of a parameter.

    Texts and numbers are compared by value, and anything else by identity, since the equality
    of arrays is no bool. `_journal.digest` says how this differs from the other comparisons.
    """
    if one is other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if not (isinstance(one, numbers.Number) and isinstance(other, numbers.Number)):
        return False
    return one == other or (one != one and other != other)  # NaN


def exact_with(names: str, **tests: ParameterTest) -> dict[str, ParameterTest]:
    """Return tests of parameters: any value of `names` is accepted, and `tests` decide the others."""
    return {**dict.fromkeys(names.split(), anything), **tests}


def classifier_and_regressor(package: str, name: str) -> tuple[str, str]:
    """Return the names of a pair of estimators, such as those of RandomForest."""
    return f"{package}.{name}Classifier", f"{package}.{name}Regressor"


# --- what rules share --------------------------------------------------------------


def has_fewer_rounds(attribute: str) -> Callable[[Any, TrainingIncrement], bool]:
    """Return a test of whether the training made fewer rounds than it was allowed."""

    def stopped(fitted: Any, increment: TrainingIncrement) -> bool:
        return bool(getattr(fitted, attribute) < increment.before)

    return stopped


# Why training cannot be continued with early stopping.
EARLY_STOPPING = "early stopping counts the rounds of one fit only"


def refuses(**reasons: str) -> Callable[[Parameters], str | None]:
    """Return an `obstacle` that gives the reason of the first of these parameters that is set."""

    def obstacle(params: Parameters) -> str | None:
        for name, reason in reasons.items():
            value = params.get(name)
            if value is not None and value is not False:
                return f"with {name}={value!r}, {reason}"
        return None

    return obstacle
