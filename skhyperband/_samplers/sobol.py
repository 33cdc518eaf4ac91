"""Draws candidates that fill the space evenly, from a Sobol sequence."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

from skhyperband._records import LevelResult
from skhyperband._samplers.encoding import SpaceEncoding
from skhyperband._samplers.random import RandomSampler
from skhyperband._space import Candidate, Space, candidate_key, is_finite

# The number of points is always a power of 2, as the sequence asks for.
_LOG2_OF_FIRST_BLOCK = 6
# After so many points in a row that were drawn before, a finite space is left to chance.
_MOST_REPETITIONS = 1000


class SobolSampler:
    """Draws the points of one scrambled Sobol sequence, for one bracket after another.

    From a finite space no point is drawn twice; those that the sequence does not find are drawn
    at random in the end.

    Parameters
    ----------
    space : list of dict
    seed : int
    known : sequence of dict
        Candidates that are not drawn from a finite space.
    """

    def __init__(self, space: Space, seed: int, known: Sequence[Candidate] = ()):
        self._encoding = SpaceEncoding(space)
        self._n_parts = len(space)
        self._seed = seed
        self._taken = list(known)
        self._random = RandomSampler(space, seed, seed, known) if is_finite(space) else None
        # One more dimension chooses among several dicts.
        self._sequence = qmc.Sobol(len(self._encoding.axes) + 1, seed=seed)
        self._log2_of_block = _LOG2_OF_FIRST_BLOCK
        self._points = self._sequence.random_base2(self._log2_of_block)

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Return the next n candidates, or as many as are left of a finite space."""
        random_state = np.random.RandomState([self._seed, repeat, bracket])
        if self._random is None:
            return [self._next_candidate(random_state) for _ in range(n)]
        candidates = self._next_distinct(n, random_state)
        self._random.exclude(candidates)
        candidates += self._random.ask(n - len(candidates), repeat=repeat, bracket=bracket)
        self._taken += candidates
        return candidates

    def tell(self, level: LevelResult) -> None:
        """Do nothing: the sequence does not depend on scores."""

    def _next_distinct(self, n: int, random_state: np.random.RandomState) -> list[Candidate]:
        candidates: list[Candidate] = []
        taken = {candidate_key(candidate) for candidate in self._taken}
        n_repetitions = 0
        while len(candidates) < n and n_repetitions < _MOST_REPETITIONS:
            candidate = self._next_candidate(random_state)
            key = candidate_key(candidate)
            n_repetitions = n_repetitions + 1 if key in taken else 0
            if key not in taken:
                taken.add(key)
                candidates.append(candidate)
        return candidates

    def _next_candidate(self, random_state: np.random.RandomState) -> Candidate:
        if not len(self._points):
            self._points = self._sequence.random_base2(self._log2_of_block)
            self._log2_of_block += 1
        (*coordinates, choice), self._points = self._points[0], self._points[1:]
        part = min(int(choice * self._n_parts), self._n_parts - 1)
        return self._encoding.candidate_at(part, np.array(coordinates), random_state)
