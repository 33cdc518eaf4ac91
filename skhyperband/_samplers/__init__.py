"""Samplers draw the candidates of a search; the registry of their names is here."""

import copy
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skhyperband._messages import repr_of, str_of
from skhyperband._samplers.base import CheckedSampler, Sampler
from skhyperband._samplers.encoding import SpaceEncoding
from skhyperband._samplers.grid import GridSampler
from skhyperband._samplers.learning import Learner, LearningSampler
from skhyperband._samplers.model import ModelLearner, Surrogate
from skhyperband._samplers.optuna_learner import (
    OptunaLearner,
    check_optuna_sampler,
    is_optuna_sampler,
    optuna_for_samplers,
)
from skhyperband._samplers.random import RandomSampler
from skhyperband._samplers.sobol import SobolSampler
from skhyperband._space import Candidate, Space

__all__ = [
    "SAMPLERS",
    "CheckedSampler",
    "Sampler",
    "SamplingProblem",
    "check_optuna_sampler",
    "is_optuna_sampler",
    "learns",
    "make_sampler",
]


@dataclass(frozen=True)
class SamplingProblem:
    """The arguments from which a sampler is made.

    Attributes
    ----------
    space : list of dict
        The search space.
    known : list of dict
        Candidates that the search evaluates anyway. The sampler does not draw them again
        from a finite space.
    random_state : int or RandomState
        The random state of the first draw, as the user gave it.
    seed : int
        The seed of all later draws.
    defaults : dict
        The parameters of the estimator as it is given: what a candidate has where it names none.
    """

    space: Space
    known: list[Candidate]
    random_state: int | np.random.RandomState
    seed: int
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _make_random_sampler(problem: SamplingProblem) -> Sampler:
    return RandomSampler(problem.space, problem.random_state, problem.seed, problem.known)


def _make_sobol_sampler(problem: SamplingProblem) -> Sampler:
    return SobolSampler(problem.space, problem.seed, problem.known)


def _make_model_sampler(surrogate: Surrogate, problem: SamplingProblem) -> Sampler:
    encoding = SpaceEncoding(problem.space, problem.defaults)
    return _learning(ModelLearner(problem.space, surrogate, encoding), problem)


def _make_tpe_sampler(problem: SamplingProblem) -> Sampler:
    optuna_for_samplers()
    return _learning(OptunaLearner(problem.space, defaults=problem.defaults), problem)


def _learning(learner: Learner, problem: SamplingProblem, **options: Any) -> Sampler:
    return LearningSampler(
        learner,
        problem.space,
        random_state=problem.random_state,
        seed=problem.seed,
        known=problem.known,
        **options,
    )


# The names that the parameter `sampler` takes, and how each of these samplers is made.
SAMPLERS: dict[str, Callable[[SamplingProblem], Sampler]] = {
    "random": _make_random_sampler,
    "sobol": _make_sobol_sampler,
    "model": functools.partial(_make_model_sampler, "gp"),
    "gp": functools.partial(_make_model_sampler, "gp"),
    "forest": functools.partial(_make_model_sampler, "forest"),
    "tpe": _make_tpe_sampler,
}
_WITHOUT_SCORES = ("random", "sobol")


def learns(sampler: Any) -> bool:
    """Return whether a sampler may depend on scores."""
    return not isinstance(sampler, str) or sampler not in _WITHOUT_SCORES


def make_sampler(sampler: Any, problem: SamplingProblem, *, whole_grid: bool) -> Sampler:
    """Return the sampler that has this name, or a copy of the user's own sampler."""
    if whole_grid:
        return GridSampler(problem.space, problem.known, problem.seed)
    if isinstance(sampler, str):
        return SAMPLERS[sampler](problem)
    try:
        # It changes while it is used, and `fit` must not modify a constructor parameter.
        sampler = copy.deepcopy(sampler)
    except Exception as error:  # The object's own copying may raise anything.
        raise TypeError(
            f"sampler={repr_of(sampler)} cannot be copied ({type(error).__name__}: "
            f"{str_of(error).rstrip('.')}). fit searches with a deep copy of it, as it must "
            "not change a parameter; keep what cannot be copied out of the sampler, or give "
            "it a __deepcopy__."
        ) from error
    if is_optuna_sampler(sampler):
        # It decides for itself how many candidates are drawn at random.
        learner = OptunaLearner(problem.space, sampler, defaults=problem.defaults)
        return _learning(learner, problem, random_share=0)
    return sampler
