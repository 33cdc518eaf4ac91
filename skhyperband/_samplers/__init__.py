"""Samplers draw the candidates of a search; the registry of their names is here."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._messages import repr_of, str_of
from skhyperband._samplers.base import CheckedSampler, Sampler
from skhyperband._samplers.grid import GridSampler
from skhyperband._samplers.random import RandomSampler
from skhyperband._space import Candidate, Space

__all__ = ["SAMPLERS", "CheckedSampler", "Sampler", "SamplingProblem", "make_sampler"]


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
    """

    space: Space
    known: list[Candidate]
    random_state: int | np.random.RandomState
    seed: int


def _make_random_sampler(problem: SamplingProblem) -> Sampler:
    return RandomSampler(problem.space, problem.random_state, problem.seed, problem.known)


# The names that the parameter `sampler` takes, and how each of these samplers is made.
SAMPLERS: dict[str, Callable[[SamplingProblem], Sampler]] = {"random": _make_random_sampler}


def make_sampler(sampler: Any, problem: SamplingProblem, *, whole_grid: bool) -> Sampler:
    """Return the sampler that has this name, or a copy of the user's own sampler."""
    if whole_grid:
        return GridSampler(problem.space, problem.known, problem.seed)
    if isinstance(sampler, str):
        return SAMPLERS[sampler](problem)
    try:
        # `ask` and `tell` change it, and `fit` must not modify a constructor parameter.
        return copy.deepcopy(sampler)
    except Exception as error:  # The object's own copying may raise anything.
        raise TypeError(
            f"sampler={repr_of(sampler)} cannot be copied ({type(error).__name__}: "
            f"{str_of(error).rstrip('.')}). fit searches with a deep copy of it, as it must "
            "not change a parameter; keep what cannot be copied out of the sampler, or give "
            "it a __deepcopy__."
        ) from error
