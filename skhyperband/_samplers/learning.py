"""Draws some candidates at random, and lets a learner choose the others by what was measured."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from skhyperband._records import LevelResult
from skhyperband._samplers.observations import Observations, ScoreTable
from skhyperband._samplers.random import RandomSampler
from skhyperband._space import Candidate, Space, is_finite

# A misled learner must not lose the search.
RANDOM_SHARE = 0.25


class Learner(Protocol):
    """Chooses candidates by the scores of others."""

    def choose(
        self,
        n: int,
        observations: Observations,
        taken: Sequence[Candidate],
        seed: np.random.SeedSequence,
    ) -> list[Candidate]:
        """Return at most n candidates.

        Parameters
        ----------
        n : int
        observations : Observations
            What was measured so far, perhaps nothing.
        taken : sequence of dict
            Candidates that are not to be chosen again.
        seed : SeedSequence
            Where all randomness comes from.
        """


class LearningSampler:
    """Draws part of the candidates at random; a learner chooses the rest.

    While the learner chooses none, all are drawn as `RandomSampler` draws them.

    Parameters
    ----------
    learner : Learner
    space : list of dict
    random_state : int or RandomState
        The random state of the first random draw.
    seed : int
        The seed of all else.
    known : sequence of dict
        Candidates that the search evaluates anyway.
    random_share : float
        The share of each bracket that is drawn at random, rounded up.
    """

    def __init__(
        self,
        learner: Learner,
        space: Space,
        *,
        random_state: int | np.random.RandomState,
        seed: int,
        known: Sequence[Candidate] = (),
        random_share: float = RANDOM_SHARE,
    ):
        self._learner = learner
        self._seed = seed
        self._random_share = random_share
        self._random = RandomSampler(space, random_state, seed, known)
        self._is_finite = is_finite(space)
        self._taken = list(known)
        self._scores = ScoreTable()

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Return n candidates, or as many as are left of a finite space."""
        n_chosen = n - math.ceil(n * self._random_share)
        chosen: list[Candidate] = []
        if n_chosen:
            chosen = self._learner.choose(
                n_chosen,
                self._scores.observations(),
                self._taken,
                np.random.SeedSequence(self._seed, spawn_key=(repeat, bracket, 1)),
            )
        if self._is_finite:
            self._random.exclude(map(dict, chosen))
        candidates = chosen + self._random.ask(n - len(chosen), repeat=repeat, bracket=bracket)
        self._taken += map(dict, candidates)
        return candidates

    def tell(self, level: LevelResult) -> None:
        """Note the scores of a level."""
        self._scores.add(level)
