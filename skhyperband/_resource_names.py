"""Checks the name of a resource: the estimator must declare it, or be known to take it."""

import contextlib
import difflib
import inspect
import numbers
from collections.abc import Collection
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skhyperband._continuation import LIGHTGBM_ROUNDS, RULES, Continuation
from skhyperband._messages import repr_of
from skhyperband._resources import N_SAMPLES

# Parameters that are known to count something, the most usual first.
_COUNTING_NAMES = tuple(dict.fromkeys(name for rule in RULES for name in rule.resources))
# Libraries whose estimators accept any name, and then list it in get_params.
_ACCEPTING_ANY_NAME = frozenset(("lightgbm", "xgboost", "catboost"))


def check_resource(estimator: Any, resource: Any) -> None:
    """Raise if the estimator has no such parameter, or if the parameter counts nothing."""
    if not isinstance(resource, str):
        raise TypeError(
            f"resource={resource!r} must be 'auto', 'n_samples' or the name of a parameter."
        )
    if resource in ("auto", N_SAMPLES):
        return
    _check_declared(estimator, resource)
    check_no_other_name_set(estimator, resource)
    _check_counts(estimator, resource)


def _check_declared(estimator: Any, resource: str) -> None:
    if not _takes(estimator, resource):
        raise ValueError(
            f"resource={resource!r} is no parameter of {repr_of(estimator)}; "
            f"{_what_to_give(estimator, resource)}"
        )
    owner, name = _owner(estimator, resource)
    # An estimator that takes a made-up name takes this one, too, and may ignore it.
    if _takes(estimator, f"{resource}_made_up") and name not in _known_names(owner):
        raise ValueError(
            f"resource={resource!r} is a name that {_class_of(owner).__name__} takes, as it takes "
            f"any, but none that it declares; {_what_to_give(estimator, resource)}"
        )


def check_no_other_name_set(estimator: Any, resource: str) -> None:
    """Raise if the estimator has the resource set under another of its names."""
    owner, _ = _owner(estimator, resource)
    for other in sorted(other_names_of(estimator, resource)):
        # LightGBM always has n_estimators, but ignores it if another name is set.
        is_ignored = "lightgbm" in _packages(_class_of(owner)) and other.endswith("n_estimators")
        if not is_ignored and estimator.get_params().get(other) is not None:
            raise ValueError(
                f"resource={resource!r} is {other!r} by another name, which the estimator has "
                f"set; give resource={other!r}, or leave it out of the estimator."
            )


def _check_counts(estimator: Any, resource: str) -> None:
    """Raise if the value that the estimator has is none that counts something."""
    value = estimator.get_params().get(resource)
    is_word = isinstance(value, str) and value != "auto"
    is_fraction = isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)
    if is_word or isinstance(value, bool) or is_fraction:
        raise ValueError(
            f"resource={resource!r} is {value!r} in the estimator, which is no integer; "
            f"{_what_to_give(estimator, resource)}"
        )


def resolve_resource(
    estimator: Any, resource: str, searched: Collection[str], max_resources: Any
) -> str:
    """Return the name of the resource; "auto" chooses the estimator's trees or iterations.

    It chooses them where training is continued exactly, and where none of the names in
    `searched` sets them; else it chooses the samples.
    """
    if resource != "auto":
        return resource
    is_pipeline = type(estimator) is Pipeline and len(estimator.steps) > 0
    prefix = f"{estimator.steps[-1][0]}__" if is_pipeline else ""
    names = [prefix + name for name in _COUNTING_NAMES]
    return next(
        (name for name in names if _is_good_resource(estimator, name, searched, max_resources)),
        N_SAMPLES,
    )


def _is_good_resource(
    estimator: Any, name: str, searched: Collection[str], max_resources: Any
) -> bool:
    """Return whether a parameter may be chosen as the resource without being asked for."""
    strategy = Continuation("auto", name).strategy(estimator, {})
    if strategy is None or strategy.caveat is not None:
        return False
    # A step that is itself searched over may have no such parameter.
    step, _, rest = name.partition("__")
    owners = {step, "steps"} if rest else set()
    if {name, *other_names_of(estimator, name), *owners} & set(searched):
        return False
    value = estimator.get_params().get(name) if max_resources == "auto" else max_resources
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        return False
    try:
        check_resource(estimator, name)
    except ValueError:
        return False
    return True


def _takes(estimator: Any, name: str) -> bool:
    try:
        # By setting it, since CatBoost's get_params leaves out what is not set.
        clone(estimator).set_params(**{name: 1})
    except (ValueError, TypeError, AttributeError):
        return False
    return True


def _class_of(owner: Any) -> type:
    return owner if isinstance(owner, type) else type(owner)


def _owner(estimator: Any, name: str) -> tuple[Any, str]:
    """Return the nested estimator that has a parameter, and the parameter's name there.

    The owner may be a class of which the estimator makes an instance, such as the module of a
    skorch net.
    """
    step, _, rest = name.partition("__")
    part = estimator.get_params().get(step) if rest else None
    if isinstance(part, type):
        return part, rest
    return _owner(part, rest) if hasattr(part, "get_params") else (estimator, name)


def _known_names(owner: Any) -> set[str]:
    """Return the names that a class declares or is known to take, or that its instance has."""
    class_ = _class_of(owner)
    names: set[str] = set()
    for c in class_.__mro__:
        with contextlib.suppress(KeyError, ValueError):  # Compiled classes have no signature.
            names.update(
                parameter.name
                for parameter in inspect.signature(vars(c)["__init__"]).parameters.values()
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            )
    if owner is not class_ and not _packages(class_) & _ACCEPTING_ANY_NAME:
        names.update(owner.get_params(deep=False))
    return names | _names_of_resource(class_)


def _packages(class_: type) -> set[str]:
    return {c.__module__.partition(".")[0] for c in class_.__mro__}


def _names_of_resource(class_: type) -> set[str]:
    """Return all names of the resource that a class is known to have; none if none is known."""
    mro = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in class_.__mro__}
    if "lightgbm.LGBMModel" in mro:
        return {"n_estimators", *LIGHTGBM_ROUNDS}
    return {name for rule in RULES if mro & set(rule.estimators) for name in rule.resources}


def other_names_of(estimator: Any, resource: str) -> set[str]:
    """Return the other names of the resource, each as a parameter of the whole estimator."""
    owner, name = _owner(estimator, resource)
    same = _names_of_resource(_class_of(owner))
    prefix = resource.removesuffix(name)
    return {prefix + other for other in same - {name}} if name in same else set()


def _what_to_give(estimator: Any, resource: str) -> str:
    """Return advice for an error: parameters that count something, the most similar name first."""
    parts = {
        f"{name}__": part
        for name, part in estimator.get_params().items()
        if hasattr(part, "get_params") and not isinstance(part, type)
    }
    names = [
        (prefix, name)
        for prefix, part in [("", estimator), *parts.items()]
        for name in _known_names(part) - LIGHTGBM_ROUNDS.difference(part.get_params())
    ]
    similar = difflib.get_close_matches(resource, ["".join(n) for n in names], n=1, cutoff=0.75)
    counting = [prefix + name for name in _COUNTING_NAMES for prefix, own in names if own == name]
    found = [name for name in dict.fromkeys([*similar, *counting]) if name != resource]
    if not found:
        return "give 'n_samples', or a parameter that takes positive integers."
    shown = " or ".join(map(repr, found))
    return f"give 'n_samples', or a parameter that takes positive integers, such as {shown}."
