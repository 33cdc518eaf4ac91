"""Decides which constructor arguments make sense, and says what to do about the others."""

import contextlib
import datetime
import difflib
import functools
import inspect
import math
import numbers
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from sklearn.base import clone

from skhyperband._kinds import _ROUNDS, KINDS
from skhyperband._plan import Plan
from skhyperband._resources import N_SAMPLES
from skhyperband._samplers import Candidate, Space, check_space

Init = TypeVar("Init", bound=Callable[..., None])


def explaining_other_names(init: Init) -> Init:
    """Wrap a search's `__init__` so that arguments of other searches are answered with ours."""
    names = inspect.signature(init).parameters

    @functools.wraps(init)
    def explaining(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs.keys() - names.keys():
            raise TypeError(_explain_argument(type(self).__name__, name, kwargs[name], names))
        init(self, *args, **kwargs)

    return explaining  # type: ignore[return-value]


def _explain_argument(search: str, name: str, value: Any, names: Iterable[str]) -> str:
    """Return what to use in place of an argument that the search has not."""
    has_brackets = "n_brackets" in names
    halving, hyperband = "SuccessiveHalvingSearchCV", "HyperbandSearchCV"
    grid = "n_candidates='all'" if not has_brackets else f"{halving} with n_candidates='all'"
    widest = ", the size of the widest bracket" if has_brackets else ""
    instead = {
        "n_iter": f"give n_candidates={value!r}{widest}",
        "param_grid": "give it as param_distributions (lists are taken too); all points of the "
        f"grid are tried by {grid}",
        "fit_params": "give them to fit(X, y, **fit_params)",
        "aggressive_elimination": f"it is an argument of {halving}",
        **dict.fromkeys(
            ("n_brackets", "n_repeats", "promotion"), f"it is an argument of {hyperband}"
        ),
    }.get(name)
    similar = difflib.get_close_matches(name, list(names), n=1)
    if instead is None and similar:
        instead = f"you may mean {similar[0]!r}"
    message = f"{search}() got an unexpected keyword argument {name!r}"
    return f"{message}; {instead}." if instead else f"{message}."


def check_parameters(search: Any) -> None:
    """Raise for the first argument of a search that cannot be used."""
    _check_instance(search.estimator)
    _check_factor(search.factor)
    check_count("n_candidates", search.n_candidates, search._n_candidates_words)
    for name, words in _COUNTS.items():
        if hasattr(search, name):
            check_count(name, getattr(search, name), words)
    for name, choices in _CHOICES.items():
        if hasattr(search, name):
            value = getattr(search, name)
            if not (name in _CALLABLES and callable(value)):
                _check_choice(name, value, choices)
    _check_sampler(search.sampler, search.n_candidates)
    check_space(
        search.param_distributions,
        lists_only=search.n_candidates == "all",
        resource=search.resource,
    )
    _check_initial_candidates(search.initial_candidates, search.resource)
    _check_random_state(search.random_state)
    if search.rank_by is not None and not isinstance(search.rank_by, str):
        raise TypeError(f"rank_by={search.rank_by!r} must be the name of a metric, or None.")
    if isinstance(search.cv, numbers.Integral) and search.cv < 2:
        raise ValueError(f"cv={search.cv!r} must be at least 2, or a splitter.")
    _check_pre_dispatch(search.pre_dispatch)
    as_seconds(search.max_time)
    _check_journal(search.journal)
    if getattr(search, "n_repeats", 1) is None and search.max_time is None:
        raise ValueError(
            "n_repeats=None repeats until max_time, and max_time=None never comes; give "
            "max_time a number of seconds, or n_repeats a number."
        )
    if search.n_jobs == 0:
        raise ValueError("n_jobs=0 means nothing; use None or 1 for one worker, -1 for all.")


# The words that stand for a number, where there are any.
_COUNTS: dict[str, tuple[str | None, ...]] = {
    "n_brackets": ("all",),
    "n_repeats": (None,),
    "max_resources": ("auto",),
    "min_resources": ("auto", "smallest", "exhaust"),
    "min_splits": (None,),
}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "promotion": ("bracket", "level"),
    "aggressive_elimination": (True, False),
    "return_train_score": (True, False),
    "continue_training": ("auto", True, False),
}
# Below it there are so many rungs that no plan can be made.
_SMALLEST_FACTOR = 1.01
# Parameters that may be the user's own function instead.
_CALLABLES = ("continue_training",)


def _check_instance(estimator: Any) -> None:
    if isinstance(estimator, type):
        name = estimator.__name__
        raise TypeError(f"estimator={name} is a class; give an instance, such as {name}().")


def _check_factor(factor: Any) -> None:
    if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
        raise TypeError(f"factor={factor!r} must be a number above 1, such as 3.")
    try:
        is_finite = math.isfinite(factor)
    except OverflowError as error:  # Its digits may be too many to print.
        raise ValueError(
            f"factor is too large, about 1e{math.log10(math.floor(factor)):.0f}; it must be a number "
            "such as 3."
        ) from error
    if not is_finite or factor <= 1:
        raise ValueError(f"factor={factor!r} must be finite and above 1, such as 3.")
    if factor < _SMALLEST_FACTOR:
        raise ValueError(
            f"factor={factor!r} leaves nearly all candidates from rung to rung; give "
            f"{_SMALLEST_FACTOR} at least, such as 3."
        )


def check_count(name: str, value: Any, words: tuple[str | None, ...]) -> None:
    """Raise unless it is a positive integer, or one of the words."""
    if any(value is word or (isinstance(value, str) and value == word) for word in words):
        return
    also = "".join(f" or {word!r}" for word in words)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Integral, str)):
        raise TypeError(f"{name}={value!r} must be a positive integer{also}.")
    if isinstance(value, str) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer{also}.")


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if not isinstance(value, (str, bool, np.bool_)):
        raise TypeError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}.")
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}.")


def _check_sampler(sampler: Any, n_candidates: Any) -> None:
    if isinstance(sampler, str):
        if sampler != "random":
            raise ValueError(
                f"sampler={sampler!r} must be 'random', or an object with ask and tell."
            )
        return
    if isinstance(sampler, type) or not all(
        callable(getattr(sampler, method, None)) for method in ("ask", "tell")
    ):
        raise TypeError(
            f"sampler={sampler!r} must be 'random', or an object with the methods "
            "ask(n) and tell(candidates, scores, n_resources)."
        )
    if n_candidates == "all":
        raise ValueError(
            f"sampler={sampler!r} has no say with n_candidates='all', which takes the "
            "whole grid; leave it at 'random', or give n_candidates a number."
        )


def _check_initial_candidates(candidates: Any, resource: str) -> None:
    if candidates is None:
        return
    if not isinstance(candidates, (list, tuple)):
        raise TypeError(f"initial_candidates={candidates!r} must be a list of dicts.")
    for candidate in candidates:
        check_candidate_form(candidate, "initial_candidates contains", resource)


def check_candidate_form(candidate: Any, source: str, resource: str) -> None:
    """Raise unless it is a dict of parameters without the resource."""
    if not isinstance(candidate, Mapping):
        raise TypeError(f"{source} {candidate!r}; each candidate must be a dict.")
    for name in candidate:
        if not isinstance(name, str):
            raise TypeError(f"{source} {candidate!r}; its keys must be names of parameters.")
        if name == resource:
            raise ValueError(
                f"{source} {candidate!r}, but {name!r} is the resource, which the search "
                "sets; leave it out."
            )


def candidate_check(
    estimator: Any, resource: str, space: Space, own_sampler: bool
) -> Callable[..., None]:
    """Return what raises for a candidate that cannot be set on the estimator."""
    known_names: set[frozenset[str]] = set()
    drawn_from = {name for part in space for name in part}
    source_of_drawn = "the sampler returned" if own_sampler else "param_distributions gives"

    def check(candidate: Candidate, source: str = source_of_drawn) -> None:
        check_candidate_form(candidate, source, resource)
        names = frozenset(candidate)
        if names in known_names:
            return
        _check_no_other_name(estimator, resource, names, source)
        if own_sampler and source == source_of_drawn and not names <= drawn_from:
            raise ValueError(
                f"{source} {candidate!r}, with names that param_distributions has not, "
                f"{sorted(names - drawn_from)}; add them there."
            )
        try:
            clone(estimator).set_params(**clone(candidate, safe=False))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{source} {candidate!r}, which the estimator refuses: {error} "
                "Use names that its get_params() lists."
            ) from error
        # A step that is itself searched over decides which names there are.
        if not any(hasattr(value, "get_params") for value in candidate.values()):
            known_names.add(names)

    return check


def check_names(estimator: Any, resource: str, space: Space) -> None:
    """Raise for a name in the space that cannot be set, whether it is drawn or not.

    Nothing is drawn for it: a distribution may have a generator of its own.
    """
    for part in space:
        _check_no_other_name(estimator, resource, part, "param_distributions contains")
        drawn = {name for name, values in part.items() if hasattr(values, "rvs")}
        listed = {name: values[0] for name, values in part.items() if name not in drawn}
        model = clone(estimator)
        _set(model, listed)
        known = model.get_params()
        for name in drawn - known.keys():
            # What a drawn step has is known once it is drawn.
            if not any(name.startswith(f"{step}__") for step in drawn):
                _set(clone(model), {name: 1})


def _check_no_other_name(estimator: Any, resource: str, names: Iterable[str], source: str) -> None:
    """Raise where the resource is among the names by another of its names."""
    others = sorted(_other_names(estimator, resource) & set(names))
    if resource != N_SAMPLES and others:
        raise ValueError(
            f"{source} {others[0]!r}, another name of the resource {resource!r}, which the "
            "search sets; leave it out."
        )


def _set(estimator: Any, params: Candidate) -> None:
    """Set parameters that `param_distributions` names; raise as it is the user's."""
    try:
        estimator.set_params(**clone(params, safe=False))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"param_distributions gives {params!r}, which the estimator refuses: {error} "
            "Use names that its get_params() lists."
        ) from error


# --- what is surprising ------------------------------------------------------------


def lost_halvings(search: Any, plan: Plan) -> str | None:
    """Return what to warn of where the bounds leave hardly anything to compare.

    None where there is enough, or where the user's own numbers say so.
    """
    n_candidates = sum(b.n_candidates for b in plan.brackets if b.repeat == 0)
    lowest, highest = plan.min_resources, plan.max_resources
    if search.n_candidates in ("auto", "exhaust"):
        is_lost = n_candidates <= 2 and not plan.space_exhausted
        outcome = f"there are only {n_candidates} candidates"
        if n_candidates == 1:
            outcome = "there is only one candidate"
    else:
        by_word = isinstance(search.min_resources, str) and plan.resource == N_SAMPLES
        could_halve = plan.brackets[0].n_candidates >= plan.factor
        is_lost = by_word and could_halve and len(set(plan.ladder)) == 1
        outcome = f"all {n_candidates} candidates are evaluated with all resources"
    if not is_lost:
        return None
    room = "no" if len(set(plan.ladder)) == 1 else "little"
    unit = "samples" if plan.resource == N_SAMPLES else plan.resource
    bounds = [
        f"{name}={value!r}" + (f" ({number} {unit})" if isinstance(value, str) else "")
        for name, value, number in (
            ("min_resources", search.min_resources, lowest),
            ("max_resources", search.max_resources, highest),
        )
    ]
    why = ""
    if isinstance(search.min_resources, str) and plan.resource == N_SAMPLES:
        why = (
            f" min_resources={search.min_resources!r} asks for two samples for each split, of a "
            f"classifier for each class too, and cv has {plan.n_splits} splits."
        )
    lower = max(1, math.floor(highest / plan.factor**2))
    way_out = (
        f"lower it, such as min_resources={lower}" if lower < lowest else "raise max_resources"
    )
    return (
        f"From {bounds[0]} to {bounds[1]}, factor={search.factor} leaves {room} room for halving: "
        f"{outcome}.{why} To compare more candidates, {way_out}; to evaluate each with all "
        "resources, give n_candidates=... a number, or use RandomizedSearchCV."
    )


# What scikit-learn, imbalanced-learn and others say of data that have too few samples.
_TOO_FEW = re.compile(
    r"""n_samples | too\ few | least\ populated | n_splits | members\ in\ each\ class
    | sample\(s\) | less\ than\ \d+\ examples | number\ of\ (samples|classes)
    | only\ one\ class | set\ is\ too\ small | at\ least\ \d+\ samples""",
    re.VERBOSE,
)


def has_too_few_samples(failure: str) -> bool:
    """Return whether a traceback ends by saying that a fit had too few samples."""
    *frames, message = re.split(r"^\S*Error: ", failure, flags=re.MULTILINE)
    return bool(frames) and _TOO_FEW.search(message) is not None


# --- the resource ------------------------------------------------------------------

# The names by which LightGBM's own `train` takes the number of rounds, before n_estimators.
LIGHTGBM_ALIASES = _ROUNDS
# What is known to count something, most usual first.
_COUNTING = tuple(dict.fromkeys(name for kind in KINDS for name in kind.resources))
# Libraries whose estimators take any name, and list it in get_params as their own.
_SWALLOWING = frozenset(("lightgbm", "xgboost", "catboost"))


def check_resource(estimator: Any, resource: Any) -> None:
    """Raise where the estimator has no such parameter, or one that counts nothing."""
    if not isinstance(resource, str):
        raise TypeError(f"resource={resource!r} must be 'n_samples' or the name of a parameter.")
    if resource == N_SAMPLES:
        return
    if not _takes(estimator, resource):
        raise ValueError(
            f"resource={resource!r} is no parameter of {estimator!r}; "
            f"{_what_to_give(estimator, resource)}"
        )
    owner, name = _owner(estimator, resource)
    # One that takes a made-up name would take this one, too, and train as without it.
    if _takes(estimator, f"{resource}_made_up") and name not in _known_names(owner):
        raise ValueError(
            f"resource={resource!r} is a name that {_class_of(owner).__name__} takes, as it takes "
            f"any, but none that it declares; {_what_to_give(estimator, resource)}"
        )
    for other in sorted(_other_names(estimator, resource)):
        # LightGBM has always n_estimators, which any other name overrules.
        is_overruled = "lightgbm" in _packages(_class_of(owner)) and other.endswith("n_estimators")
        if not is_overruled and estimator.get_params().get(other) is not None:
            raise ValueError(
                f"resource={resource!r} is {other!r} by another name, which the estimator has "
                f"set; give resource={other!r}, or leave it out of the estimator."
            )
    value = estimator.get_params().get(resource)
    word = isinstance(value, str) and value != "auto"
    if (
        word
        or isinstance(value, bool)
        or (isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral))
    ):
        raise ValueError(
            f"resource={resource!r} is {value!r} in the estimator, which is no integer; "
            f"{_what_to_give(estimator, resource)}"
        )


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
    """Return the part that has a parameter in the end, and its name there.

    It may be a class that is yet to be built, such as the module of a skorch network.
    """
    step, _, rest = name.partition("__")
    part = estimator.get_params().get(step) if rest else None
    if isinstance(part, type):
        return part, rest
    return _owner(part, rest) if hasattr(part, "get_params") else (estimator, name)


def _known_names(owner: Any) -> set[str]:
    """Return the names that a class declares or documents, or that its instance has."""
    class_ = _class_of(owner)
    names: set[str] = set()
    for c in class_.__mro__:
        with contextlib.suppress(
            KeyError, ValueError
        ):  # Some that are compiled have no signature.
            names.update(
                parameter.name
                for parameter in inspect.signature(vars(c)["__init__"]).parameters.values()
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            )
    if owner is not class_ and not _packages(class_) & _SWALLOWING:
        names.update(owner.get_params(deep=False))
    return names | _names_of_resource(class_)


def _packages(class_: type) -> set[str]:
    return {c.__module__.partition(".")[0] for c in class_.__mro__}


def _names_of_resource(class_: type) -> set[str]:
    """Return the names that all mean the known resource of a class, none where it has none."""
    mro = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in class_.__mro__}
    if "lightgbm.LGBMModel" in mro:
        return {"n_estimators", *LIGHTGBM_ALIASES}
    return {name for kind in KINDS if mro & set(kind.estimators) for name in kind.resources}


def _other_names(estimator: Any, resource: str) -> set[str]:
    """Return what else the resource is called, as the whole estimator's parameters."""
    owner, name = _owner(estimator, resource)
    same = _names_of_resource(_class_of(owner))
    prefix = resource.removesuffix(name)
    return {prefix + other for other in same - {name}} if name in same else set()


def _what_to_give(estimator: Any, resource: str) -> str:
    """Return in words what the estimator has that counts, what is most similar first."""
    parts = {
        f"{name}__": part
        for name, part in estimator.get_params().items()
        if hasattr(part, "get_params") and not isinstance(part, type)
    }
    names = [
        (prefix, name)
        for prefix, part in [("", estimator), *parts.items()]
        for name in _known_names(part) - LIGHTGBM_ALIASES.difference(part.get_params())
    ]
    similar = difflib.get_close_matches(resource, ["".join(n) for n in names], n=1, cutoff=0.75)
    counting = [prefix + name for name in _COUNTING for prefix, own in names if own == name]
    found = [name for name in dict.fromkeys([*similar, *counting]) if name != resource]
    if not found:
        return "give 'n_samples', or a parameter that takes positive integers."
    shown = " or ".join(map(repr, found))
    return f"give 'n_samples', or a parameter that takes positive integers, such as {shown}."


def _check_pre_dispatch(pre_dispatch: Any) -> None:
    known = re.fullmatch(r"all|[\d.]+|[\d.+*/ ()-]*n_jobs[\d.+*/ ()-]*", str(pre_dispatch))
    if isinstance(pre_dispatch, bool) or not known or pre_dispatch in (0, "0"):
        raise ValueError(
            f"pre_dispatch={pre_dispatch!r} must be a positive integer, 'all', or an "
            "expression such as '2*n_jobs'."
        )


def _check_journal(journal: Any) -> None:
    if journal is None:
        return
    if not isinstance(journal, (str, os.PathLike)) or isinstance(os.fspath(journal), bytes):
        raise TypeError(f"journal={journal!r} must be the path of a file, or None.")
    if not os.fspath(journal):
        raise ValueError(f"journal={journal!r} names no file; give a path, or None.")


def as_seconds(max_time: Any) -> float:
    """Return a time limit in seconds, infinity for None; raise for what is none."""
    if max_time is None:
        return math.inf
    seconds = max_time
    if isinstance(max_time, datetime.timedelta):
        seconds = max_time.total_seconds()
    if isinstance(seconds, (bool, np.bool_)) or not isinstance(seconds, numbers.Real):
        raise TypeError(f"max_time={max_time!r} must be seconds, a timedelta, or None.")
    if not float(seconds) > 0:  # NaN is not, either.
        raise ValueError(f"max_time={max_time!r} must be above 0, or None for no limit.")
    return float(seconds)


def _check_random_state(random_state: Any) -> None:
    if random_state is None or isinstance(random_state, np.random.RandomState):
        return
    if isinstance(random_state, bool) or not isinstance(random_state, numbers.Integral):
        raise TypeError(
            f"random_state={random_state!r} must be an integer, None, or a "
            "numpy.random.RandomState."
        )
    if not 0 <= int(random_state) < 2**32:
        raise ValueError(f"random_state={random_state} must be between 0 and 2**32 - 1.")
