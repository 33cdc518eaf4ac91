"""Checks the constructor arguments of a search, and says what to do about wrong ones."""

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

from skhyperband._candidates import check_candidate_form
from skhyperband._executors.base import n_in_advance
from skhyperband._messages import repr_of
from skhyperband._resources import resource_parameter
from skhyperband._samplers import SAMPLERS, check_optuna_sampler, is_optuna_sampler
from skhyperband._space import check_space

Init = TypeVar("Init", bound=Callable[..., None])


def explaining_other_names(init: Init) -> Init:
    """Wrap a search's `__init__` so that an unknown argument is an error that names ours."""
    names = inspect.signature(init).parameters

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs.keys() - names.keys():
            raise TypeError(_explain_argument(type(self).__name__, name, kwargs[name], names))
        init(self, *args, **kwargs)

    return wrapped  # type: ignore[return-value]


# What the searches of other libraries call an argument, and its name here.
_NAMES_ELSEWHERE = {
    "parameters": "param_distributions",
    "search_spaces": "param_distributions",
    "max_iter": "max_resources",
    "max_iters": "max_resources",
    "n_initial_iter": "min_resources",
    "n_initial_parameters": "n_candidates",
    "aggressiveness": "factor",
    "timeout": "max_time",
    "time_budget_s": "max_time",
    "search_optimization": "sampler",
}


def _explain_argument(search: str, name: str, value: Any, names: Iterable[str]) -> str:
    """Return an error text: what to use in place of an argument that the search does not have."""
    has_brackets = "n_brackets" in names
    halving, hyperband = "SuccessiveHalvingSearchCV", "HyperbandSearchCV"
    grid = "n_candidates='all'" if not has_brackets else f"{halving} with n_candidates='all'"
    candidates = f"give n_candidates={value!r}"
    if has_brackets:
        candidates = (
            "give n_repeats, the number of rounds, of which one takes about as long as five "
            f"candidates of a random search; or {candidates}, the size of the widest bracket"
        )
    instead = {
        **{theirs: f"give it as {ours}" for theirs, ours in _NAMES_ELSEWHERE.items()},
        **dict.fromkeys(("n_iter", "n_trials"), candidates),
        "param_grid": "give it as param_distributions (lists are taken too); all points of the "
        f"grid are tried by {grid}",
        "test_size": "give it to a splitter, such as cv=ShuffleSplit(1, test_size=0.2)",
        "subsample": "resource='n_samples' gives candidates less than all samples at first; "
        "max_resources is the most that they get",
        "study": "give its sampler as sampler; a journal lets a search go on later",
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


def check_parameters(params: Mapping[str, Any], n_candidates_words: tuple[str, ...]) -> None:
    """Raise for the first argument of a search that cannot be used."""
    _check_instance(params["estimator"])
    _check_factor(params["factor"])
    check_count("n_candidates", params["n_candidates"], n_candidates_words)
    for name in _COUNTS.keys() & params.keys():
        check_count(name, params[name], _COUNTS[name])
    for name in _CHOICES.keys() & params.keys():
        if not (name in _MAY_BE_CALLABLE and callable(params[name])):
            _check_choice(name, params[name], _CHOICES[name])
    _check_sampler(params["sampler"], params["n_candidates"])
    check_space(
        params["param_distributions"],
        lists_only=params["n_candidates"] == "all",
        resource=resource_parameter(params["resource"]),
    )
    _check_initial_candidates(params["initial_candidates"], params["resource"])
    _check_random_state(params["random_state"])
    _check_rank_by(params["rank_by"])
    _check_cv(params["cv"])
    _check_pre_dispatch(params["pre_dispatch"])
    as_seconds(params["max_time"], "max_time")
    as_seconds(params["max_fit_time"], "max_fit_time")
    _check_journal(params["journal"])
    _check_repeats(params.get("n_repeats", 1), params["max_time"])
    _check_n_jobs(params["n_jobs"])


def _check_rank_by(rank_by: Any) -> None:
    if rank_by is not None and not isinstance(rank_by, str):
        raise TypeError(f"rank_by={rank_by!r} must be the name of a metric, or None.")


def _check_cv(cv: Any) -> None:
    if isinstance(cv, numbers.Integral) and cv < 2:
        raise ValueError(f"cv={cv!r} must be at least 2, or a splitter.")


def _check_repeats(n_repeats: Any, max_time: Any) -> None:
    if n_repeats is None and as_seconds(max_time, "max_time") == math.inf:
        raise ValueError(
            f"n_repeats=None repeats the rounds until max_time, but max_time={max_time!r} sets no "
            "limit; give max_time a number of seconds, or n_repeats a number."
        )


def _check_n_jobs(n_jobs: Any) -> None:
    if n_jobs == 0:
        raise ValueError("n_jobs=0 has no meaning; use None or 1 for one worker, -1 for all.")


# Arguments that count something, with the words that may stand for a number.
_COUNTS: dict[str, tuple[str | None, ...]] = {
    "n_brackets": ("auto", "all"),
    "n_repeats": (None,),
    "max_resources": ("auto",),
    "min_resources": ("auto", "smallest", "exhaust"),
    "min_splits": ("auto", None),
}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "promotion": ("bracket", "level"),
    "aggressive_elimination": (True, False),
    "return_train_score": (True, False),
    "continue_training": ("auto", True, False),
}
# Arguments of these that may be the user's own function instead.
_MAY_BE_CALLABLE = ("continue_training",)


def _check_instance(estimator: Any) -> None:
    if isinstance(estimator, type):
        name = estimator.__name__
        raise TypeError(f"estimator={name} is a class; give an instance, such as {name}().")


def _check_factor(factor: Any) -> None:
    if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
        raise TypeError(f"factor={factor!r} must be a number above 1, such as 3.")
    if factor <= 1:
        raise ValueError(f"factor={repr_of(factor)} must be finite and above 1, such as 3.")
    try:
        is_finite = math.isfinite(factor)
    except OverflowError as error:  # Its digits may be too many to print.
        raise ValueError(
            f"factor is too large, about 1e{math.log10(math.floor(factor)):.0f}; it must be a number "
            "such as 3."
        ) from error
    if not is_finite:
        raise ValueError(f"factor={factor!r} must be finite and above 1, such as 3.")


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
    names = ", ".join(map(repr, SAMPLERS))
    if isinstance(sampler, str):
        if sampler not in SAMPLERS:
            raise ValueError(
                f"sampler={sampler!r} must be one of {names}, a sampler of Optuna, or an object "
                "with ask and tell."
            )
    elif is_optuna_sampler(sampler):
        check_optuna_sampler(sampler)
    elif isinstance(sampler, type) or not all(
        callable(getattr(sampler, method, None)) for method in ("ask", "tell")
    ):
        raise TypeError(
            f"sampler={sampler!r} must be one of {names}, a sampler of Optuna, or an object with "
            "the methods ask(n, repeat, bracket) and tell(level)."
        )
    if n_candidates == "all" and not (isinstance(sampler, str) and sampler == "random"):
        raise ValueError(
            f"sampler={sampler!r} has no effect with n_candidates='all', which evaluates the "
            "whole grid; leave it at 'random', or give n_candidates a number."
        )


def _check_initial_candidates(candidates: Any, resource: str) -> None:
    if candidates is None:
        return
    if not isinstance(candidates, (list, tuple)):
        raise TypeError(f"initial_candidates={candidates!r} must be a list of dicts.")
    for candidate in candidates:
        check_candidate_form(candidate, "initial_candidates contains", resource)


def _check_pre_dispatch(pre_dispatch: Any) -> None:
    known = re.fullmatch(r"all|[\d.]+|[\d.+*/ ()-]*n_jobs[\d.+*/ ()-]*", str(pre_dispatch))
    is_valid = known and not isinstance(pre_dispatch, bool) and pre_dispatch not in (0, "0")
    if is_valid:
        try:
            n_in_advance(pre_dispatch, n_workers=1)
        except (SyntaxError, TypeError, ArithmeticError):
            is_valid = False
    if not is_valid:
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


def as_seconds(limit: Any, name: str) -> float:
    """Return a time limit in seconds, infinity for None; raise if it is no time."""
    if limit is None:
        return math.inf
    seconds = limit
    if isinstance(limit, datetime.timedelta):
        seconds = limit.total_seconds()
    elif isinstance(limit, np.timedelta64):
        seconds = limit / np.timedelta64(1, "s")
    if isinstance(seconds, (bool, np.bool_)) or not isinstance(seconds, numbers.Real):
        raise TypeError(f"{name}={limit!r} must be seconds, a timedelta, or None.")
    if not float(seconds) > 0:  # The comparison is false for NaN, too.
        raise ValueError(f"{name}={limit!r} must be above 0, or None for no limit.")
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
