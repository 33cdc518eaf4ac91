"""Draws every point of a grid."""

from collections.abc import Iterable

import numpy as np
from sklearn.model_selection import ParameterGrid

from skhyperband._records import LevelResult
from skhyperband._space import Candidate, Space, candidate_key


class GridSampler:
    """Draws the points of a grid without the known ones, the whole grid in order.

    If it is asked for a part only, as in a search whose time is limited, the part is drawn at
    random: the beginning of a grid has few values of its first parameters.
    """

    def __init__(self, space: Space, known: Iterable[Candidate] = (), seed: int = 0):
        skipped = {candidate_key(candidate) for candidate in known}
        self._random = np.random.default_rng(seed)
        self._left = [
            candidate
            for candidate in ParameterGrid(space)
            if candidate_key(candidate) not in skipped
        ]

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Return n points of the grid that are left, in the order of the grid."""
        n_drawn = min(n, len(self._left))
        drawn = set(self._random.choice(len(self._left), n_drawn, replace=False).tolist())
        candidates = [point for i, point in enumerate(self._left) if i in drawn]
        self._left = [point for i, point in enumerate(self._left) if i not in drawn]
        return candidates

    def tell(self, level: LevelResult) -> None:
        """Do nothing: the grid does not depend on scores."""
