"""Chooses candidates by a model of the scores: a Gaussian process or a forest."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.model_selection import ParameterGrid
from threadpoolctl import ThreadpoolController

from skhyperband._samplers.encoding import Points, SpaceEncoding
from skhyperband._samplers.gaussian_process import GaussianProcess
from skhyperband._samplers.observations import Observations
from skhyperband._space import Candidate, Space, count_points, is_finite

Surrogate = Literal["gp", "forest"]

# With fewer scores than these, candidates are drawn at random.
_FEWEST_OBSERVATIONS = 6
# Up to so many candidates of a finite space are all looked at.
_LARGEST_LISTED = 1000
# Else these are: some anywhere, and some near the best so far.
_N_UNIFORM = 500
_N_NEAR = 200
_N_CENTRES = 5
_STEP = 0.1
_SHARE_OF_OTHER_VALUES = 0.3
# How far below the median a score counts, in distances between the median and the best.
_DEEPEST = 3.0
# A Gaussian process is fitted to no more scores than these.
_MOST_FOR_PROCESS = 200
# How many standard deviations above the mean a score is thought possible.
_OPTIMISM = 2.0
# Draws nothing: the values of a finite space are of lists.
_NO_RANDOM_STATE = np.random.RandomState(0)
_N_TREES = 60
_TREES_PER_CHOICE = 15


# --- models ------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """What a model chooses from, and by what.

    Attributes
    ----------
    X : ndarray of shape (n_candidates, n_features)
        Candidates with scores.
    scores : ndarray of shape (n_candidates,)
        With mean 0 and variance 1.
    n_splits : ndarray of shape (n_candidates,)
        Of how many splits each score is the mean.
    pool : ndarray of shape (n_points, n_features)
        The points of which some are chosen.
    parameters : ndarray of shape (n_features,)
        The number of the parameter that each feature describes.
    """

    X: np.ndarray
    scores: np.ndarray
    n_splits: np.ndarray
    pool: np.ndarray
    parameters: np.ndarray


def _choose_by_process(problem: Problem, n: int, rng: np.random.Generator) -> list[int]:
    """Choose the points with the highest upper confidence bounds of a Gaussian process.

    Each is taken as measured, with the mean as its score, before the next is chosen, so that
    they do not all lie in one place.
    """
    pool = problem.pool
    kept = _kept_for_process(problem.scores, rng)
    process = GaussianProcess().fit(
        problem.X[kept], problem.scores[kept], problem.n_splits[kept], problem.parameters
    )
    mean, V = process.posterior(pool)
    variance = process.signal - (V**2).sum(axis=0)
    updates: list[np.ndarray] = []
    chosen: list[int] = []
    for _ in range(n):
        bounds = mean + _OPTIMISM * np.sqrt(np.maximum(variance, 0))
        bounds[chosen] = -np.inf
        best = int(bounds.argmax())
        chosen.append(best)
        covariance = process.covariance(pool, pool[[best]])[:, 0] - V.T @ V[:, best]
        for update in updates:
            covariance -= update * update[best]
        updates.append(covariance / np.sqrt(max(covariance[best], 0) + process.noise))
        variance = variance - updates[-1] ** 2
    return chosen


def _kept_for_process(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of the scores that a process is fitted to: not more than it can take.

    Half of them are the best, the others are drawn at random.
    """
    ranked = np.argsort(-scores, kind="stable")
    if len(ranked) <= _MOST_FOR_PROCESS:
        return ranked
    n_best = _MOST_FOR_PROCESS // 2
    others = rng.choice(ranked[n_best:], _MOST_FOR_PROCESS - n_best, replace=False)
    return np.concatenate([ranked[:n_best], others])


def _choose_by_forest(problem: Problem, n: int, rng: np.random.Generator) -> list[int]:
    """Choose each point by the mean of a few trees of a forest, which are drawn at random."""
    # Its import takes long, and each worker process imports this module.
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        _N_TREES, bootstrap=True, n_jobs=1, random_state=int(rng.integers(2**31))
    ).fit(problem.X, problem.scores)
    pool = problem.pool.astype(np.float32)
    by_tree = np.array([tree.predict(pool) for tree in forest.estimators_])
    chosen: list[int] = []
    for _ in range(n):
        some = rng.choice(_N_TREES, _TREES_PER_CHOICE, replace=False)
        means = by_tree[some].mean(axis=0)
        means[chosen] = -np.inf
        chosen.append(int(means.argmax()))
    return chosen


_MODELS: dict[Surrogate, Callable[[Problem, int, np.random.Generator], list[int]]] = {
    "gp": _choose_by_process,
    "forest": _choose_by_forest,
}


# --- points ------------------------------------------------------------------------


def _standardized(scores: np.ndarray) -> np.ndarray:
    """Return scores with mean 0 and variance 1, all 0 if they do not differ.

    A single score that is far below all others would make these look the same. It is raised to a
    score that is still bad.
    """
    if not len(scores):
        return scores
    scores = scores / 16  # Differences of the largest numbers would be infinite.
    median, best = np.median(scores), scores.max()
    if best > median:
        scores = np.maximum(scores, median - _DEEPEST * (best - median))
    spread = np.ptp(scores)
    if spread < np.finfo(float).tiny:
        return np.zeros_like(scores)
    shares = (scores - best) / spread
    return (shares - shares.mean()) / shares.std()


def _reflected(coordinates: np.ndarray) -> np.ndarray:
    """Return coordinates that left the unit interval reflected at its ends."""
    return 1 - np.abs(1 - np.abs(coordinates) % 2)


def _rows(points: Points) -> list[Any]:
    """Return what equal points share."""
    table = np.ascontiguousarray(np.column_stack([points.parts, points.coordinates]))
    row = np.dtype((np.void, table.shape[1] * table.itemsize))
    return table.view(row).ravel().tolist()


@functools.cache
def _thread_pools() -> ThreadpoolController:
    """Return the thread pools of the libraries; to look for them takes longer than to choose."""
    return ThreadpoolController()


# --- the learner -------------------------------------------------------------------


class ModelLearner:
    """Chooses the candidates of which a model thinks the highest scores possible.

    Parameters
    ----------
    space : list of dict
    surrogate : {"gp", "forest"}
        Which model; the process was the better one on all problems that were tried, however many
        scores there were.
    encoding : SpaceEncoding, optional
    """

    def __init__(self, space: Space, surrogate: Surrogate, encoding: SpaceEncoding | None = None):
        self._encoding = encoding or SpaceEncoding(space)
        self._choose_points = _MODELS[surrogate]
        self._listed: list[Candidate] | None = None
        self._is_finite = is_finite(space)
        if self._is_finite and count_points(space) <= _LARGEST_LISTED:
            self._listed = list(ParameterGrid(space))

    def choose(
        self,
        n: int,
        observations: Observations,
        taken: Sequence[Candidate],
        seed: np.random.SeedSequence,
    ) -> list[Candidate]:
        """Return n candidates; none while too little is known, fewer at the end of the space."""
        points = self._encoding.points_of(observations.candidates)
        known = points.parts >= 0
        scores = observations.scores[known]
        standardized = _standardized(scores)
        if len(scores) < _FEWEST_OBSERVATIONS or not standardized.any():
            return []
        rng = np.random.default_rng(seed)
        pool, candidates = self._pool(points[known], scores, rng)
        new = self._new(pool, taken)
        if not len(new):
            return []
        problem = Problem(
            X=self._encoding.features(points[known]),
            scores=standardized,
            n_splits=observations.n_splits[known],
            pool=self._encoding.features(pool[new]),
            parameters=self._encoding.parameter_of_features(),
        )
        # The number of threads changes the last digits, and with them the choice.
        with _thread_pools().limit(limits=1):
            chosen = new[self._choose_points(problem, min(n, len(new)), rng)]
        if candidates is not None:
            return [dict(candidates[index]) for index in chosen]
        return self._encoding.candidates_at(
            pool[chosen], np.random.RandomState(np.random.MT19937(seed))
        )

    def _pool(
        self, points: Points, scores: np.ndarray, rng: np.random.Generator
    ) -> tuple[Points, list[Candidate] | None]:
        """Return the points that may be chosen; of a finite space also their candidates.

        In a finite space these decide which point is whose: a candidate may lie in several dicts.
        """
        if self._listed is not None:
            return self._encoding.points_of(self._listed), self._listed
        uniform = self._encoding.uniform_points(_N_UNIFORM, rng)
        drawn = self._encoding.centred(uniform + self._near_best(points, scores, rng))
        if not self._is_finite:
            return drawn, None
        candidates = self._encoding.candidates_at(drawn, _NO_RANDOM_STATE)
        return self._encoding.points_of(candidates), candidates

    def _near_best(self, points: Points, scores: np.ndarray, rng: np.random.Generator) -> Points:
        """Return points near those with the best scores."""
        best = points[np.argsort(-scores, kind="stable")[:_N_CENTRES]]
        near = best[rng.integers(len(best), size=_N_NEAR)]
        coordinates = _reflected(
            near.coordinates + rng.normal(scale=_STEP, size=near.coordinates.shape)
        )
        for number, axis in enumerate(self._encoding.axes):
            if not axis.is_ordered:
                column = near.coordinates[:, number]
                is_other = rng.uniform(size=_N_NEAR) < _SHARE_OF_OTHER_VALUES
                other = np.where(is_other, rng.uniform(size=_N_NEAR), column)
                coordinates[:, number] = np.where(np.isnan(column), np.nan, other)
        return Points(near.parts, coordinates)

    def _new(self, pool: Points, taken: Sequence[Candidate]) -> np.ndarray:
        """Return the indices of points in the pool that are not taken, each once.

        Candidates at the same point differ if they have parameters without a coordinate.
        """
        seen = set(_rows(self._encoding.points_of(taken)))
        new = []
        for index, (row, part) in enumerate(zip(_rows(pool), pool.parts.tolist(), strict=True)):
            if row not in seen or not self._encoding.is_complete(part):
                seen.add(row)
                new.append(index)
        return np.array(new, dtype=int)
