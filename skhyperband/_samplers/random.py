"""Draws candidates at random, as scikit-learn's `ParameterSampler` does."""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.utils.random import sample_without_replacement

from skhyperband._records import LevelResult
from skhyperband._space import (
    Candidate,
    Space,
    candidate_key,
    count_points,
    is_finite,
    point_of_grid,
)


class RandomSampler:
    """Draws as `ParameterSampler` does; from finite spaces without replacement in all calls.

    The first call returns the candidates that `ParameterSampler` yields for `random_state`.
    Each later call draws with a child seed of `seed` that depends on the repeat and the bracket
    only. The candidates of one bracket are therefore the same however many another bracket
    drew, unless the space is finite, where they depend on which points are left.
    """

    def __init__(
        self,
        space: Space,
        random_state: int | np.random.RandomState,
        seed: int,
        known: Iterable[Candidate] = (),
    ):
        self._space = space
        self._random_state = random_state
        self._seed = seed
        self._is_first_call = True
        # Not as keys: a key holds the identity of objects, which a deep copy would change.
        self._known = list(known)
        self._drawn: list[int] = []
        self._n_points = count_points(space) if is_finite(space) else None

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Return n candidates, or as many as are left of a finite space."""
        random_state = self._pop_random_state(repeat, bracket)
        if self._n_points is None:
            return list(ParameterSampler(self._space, n, random_state=random_state))
        if isinstance(random_state, int):
            random_state = np.random.RandomState(random_state)
        if self._n_points > sys.maxsize:
            return self._from_huge_space(n, self._n_points, random_state)
        return self._without_replacement(n, random_state)

    def exclude(self, candidates: Iterable[Candidate]) -> None:
        """Draw none of these candidates from a finite space any more."""
        self._known += candidates

    def tell(self, level: LevelResult) -> None:
        """Do nothing: the draws do not depend on scores."""

    def _pop_random_state(self, repeat: int, bracket: int) -> int | np.random.RandomState:
        if self._is_first_call:
            self._is_first_call = False
            return self._random_state
        child = np.random.SeedSequence(self._seed, spawn_key=(repeat, bracket))
        return np.random.RandomState(np.random.MT19937(child))

    def _from_huge_space(
        self, n: int, size: int, random_state: np.random.RandomState
    ) -> list[Candidate]:
        """Draw from a space with more points than `ParameterSampler` can index.

        A point that was drawn before is drawn again, which hardly ever happens among so many.
        """
        candidates: list[Candidate] = []
        drawn, known = set(self._drawn), self._known_keys()
        while len(candidates) < n:
            index = _integer_below(size, random_state)
            candidate = point_of_grid(self._space, index)
            if index not in drawn and candidate_key(candidate) not in known:
                drawn.add(index)
                self._drawn.append(index)
                candidates.append(candidate)
        return candidates

    def _without_replacement(self, n: int, random_state: np.random.RandomState) -> list[Candidate]:
        grid = ParameterGrid(self._space)
        known = self._known_keys()
        candidates: list[Candidate] = []
        while len(candidates) < n and len(self._drawn) < len(grid):
            fresh = (grid[i] for i in self._draw(n - len(candidates), len(grid), random_state))
            candidates += [c for c in fresh if candidate_key(c) not in known]
        return candidates

    def _known_keys(self) -> set[tuple[Any, ...]]:
        return {candidate_key(candidate) for candidate in self._known}

    def _draw(self, n: int, size: int, random_state: np.random.RandomState) -> list[int]:
        """Draw up to n indices below `size` that have not been drawn yet."""
        n_left = size - len(self._drawn)
        ranks = sample_without_replacement(n_left, min(n, n_left), random_state=random_state)
        # A rank counts the indices that are left; add the number of drawn indices below it.
        taken = np.sort(np.asarray(self._drawn, dtype=np.int64))
        gaps = taken - np.arange(len(taken))
        indices = ranks + np.searchsorted(gaps, ranks, side="right")
        self._drawn += indices.tolist()
        return indices.tolist()


def _integer_below(bound: int, random_state: np.random.RandomState) -> int:
    """Draw an integer from 0 to bound - 1, each equally likely; the bound may be any size."""
    n_bytes = (bound.bit_length() + 7) // 8
    surplus = 8 * n_bytes - bound.bit_length()
    while True:
        drawn = int.from_bytes(random_state.bytes(n_bytes), "little") >> surplus
        if drawn < bound:
            return drawn
