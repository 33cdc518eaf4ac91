"""Draws every point of a grid, in order."""

from collections.abc import Iterable

from sklearn.model_selection import ParameterGrid

from skhyperband._records import LevelResult
from skhyperband._space import Candidate, Space, candidate_key


class GridSampler:
    """Draws the points of a grid in the order of `ParameterGrid`, without the known ones."""

    def __init__(self, space: Space, known: Iterable[Candidate] = ()):
        self._space = space
        # Not as keys: a key holds the identity of objects, which a deep copy would change.
        self._known = list(known)
        self._next_index = 0

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Return the next n candidates, or as many as are left."""
        grid = ParameterGrid(self._space)
        known = {candidate_key(candidate) for candidate in self._known}
        candidates: list[Candidate] = []
        while len(candidates) < n and self._next_index < len(grid):
            candidate = grid[self._next_index]
            self._next_index += 1
            if candidate_key(candidate) not in known:
                candidates.append(candidate)
        return candidates

    def tell(self, level: LevelResult) -> None:
        """Do nothing: the grid does not depend on scores."""
