"""Problems on which samplers are compared without training: scores and seconds of any candidate.

Three kinds, in the order of how much they are made up:

- `TableProblem` chooses among the candidates of a table of real evaluations (``tables.py``).
- `SmoothProblem` is such a table as a continuous function: a linear radial basis function through
  every score and second. The split noise of the table is in it, as a part of the function.
- `SyntheticProblem` is a function with a known optimum, whose scores with less of the
  resource are biased, and noisy on each split.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from defaults import samples_of
from scipy.interpolate import RBFInterpolator
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import ParameterSampler
from tables import CACHE, FAMILIES, N_SPLITS, SPECS, Table, load_table

from skhyperband._resources import N_SAMPLES
from skhyperband._samplers.encoding import SpaceEncoding
from skhyperband._space import candidate_key

Candidate = dict[str, Any]
# A search draws 42 candidates: among fewer than these there would be little choice.
FEWEST_CANDIDATES = 100
# So many random candidates stand for the whole space.
_N_RANDOM = 3000


@dataclass(frozen=True)
class Evaluations:
    """All that can be measured of a candidate.

    Attributes
    ----------
    scores, fit_seconds, score_seconds : ndarray of shape (n_splits, n_resources)
    extra_seconds : ndarray of shape (n_resources,)
        The time of a continued fit beyond the difference of two fresh fits; NaN where training
        cannot be continued.
    """

    scores: np.ndarray
    fit_seconds: np.ndarray
    score_seconds: np.ndarray
    extra_seconds: np.ndarray

    @property
    def truth(self) -> float:
        """The mean score over all splits with the whole resource."""
        return float(self.scores[:, -1].mean())

    @property
    def full_cost(self) -> float:
        """The seconds of a whole cross-validation with the whole resource."""
        return float((self.fit_seconds + self.score_seconds)[:, -1].sum())


class Problem:
    """What all problems have.

    Attributes
    ----------
    name : str
    space : list of dict
        What candidates are drawn from.
    encoding : SpaceEncoding
        How models see them.
    resource : str
    resources : ndarray of shape (n_resources,)
    fold, y : ndarray of shape (n_samples,)
    """

    name: str
    space: list[Mapping[str, Any]]
    encoding: SpaceEncoding
    resource: str
    resources: np.ndarray
    fold: np.ndarray
    y: np.ndarray

    def __init__(self) -> None:
        self._known: dict[Any, Evaluations] = {}

    def __deepcopy__(self, memo: Any) -> "Problem":
        return self  # It is a parameter of an estimator, and cloned with it.

    def evaluations(self, candidate: Candidate) -> Evaluations:
        """Return what the candidate would come to."""
        key = candidate_key(candidate)
        if key not in self._known:
            (self._known[key],) = self.predict([candidate])
        return self._known[key]

    def predict(self, candidates: Sequence[Candidate]) -> list[Evaluations]:
        """Return what candidates would come to."""
        raise NotImplementedError

    def random_candidates(self) -> Sequence[Candidate]:
        """Return candidates among which random search may be thought to choose."""
        return list(ParameterSampler(self.space, _N_RANDOM, random_state=12345))

    @functools.cached_property
    def of_random_candidates(self) -> tuple[np.ndarray, float]:
        """The true scores of random candidates, and the mean cost of one."""
        every = self.predict(self.random_candidates())
        return np.array([e.truth for e in every]), float(np.mean([e.full_cost for e in every]))

    def position_of(self, n_resources: int) -> int:
        """Return which of the resources it is."""
        return int(np.searchsorted(self.resources, n_resources))

    def n_resources_of(self, split: int, n_rows: int) -> int:
        """Return with how many samples a split's training part has so many rows."""
        raise NotImplementedError


class TableProblem(Problem):
    """A choice among the candidates of a table."""

    def __init__(self, table: Table, space: Mapping[str, Any], candidates: Sequence[Candidate]):
        super().__init__()
        self.table = table
        self.name = table.name
        self.resource, self.resources = table.resource, table.resources
        self.fold, self.y = table.fold, table.y
        self.encoding = SpaceEncoding([space])
        self.family_space = space
        self.candidates = candidates
        self.space = [{name: [value] for name, value in c.items()} for c in candidates]
        self._index = {candidate_key(c): index for index, c in enumerate(candidates)}

    def predict(self, candidates: Sequence[Candidate]) -> list[Evaluations]:
        """Return what the table has."""
        table = self.table
        columns = (table.scores, table.fit_seconds, table.score_seconds, table.extra_seconds)
        indices = [self._index[candidate_key(candidate)] for candidate in candidates]
        return [Evaluations(*(column[index] for column in columns)) for index in indices]

    def random_candidates(self) -> Sequence[Candidate]:
        """Return all of the table."""
        return self.candidates

    def nearest(self, candidate: Candidate, taken: set[Any]) -> Candidate:
        """Return the candidate of the table that is nearest to one of the space."""
        left = [c for c in self.candidates if candidate_key(c) not in taken]
        of_left, of_one = (self._features(c) for c in (left, [candidate]))
        return left[int(((of_left - of_one) ** 2).sum(axis=1).argmin())]

    def _features(self, candidates: Sequence[Candidate]) -> np.ndarray:
        return self.encoding.features(self.encoding.points_of(candidates))

    def n_resources_of(self, split: int, n_rows: int) -> int:
        """Return what the table has."""
        return samples_of(self.table, split, n_rows)


class SmoothProblem(TableProblem):
    """A table as a continuous function."""

    def __init__(self, table: Table, space: Mapping[str, Any], candidates: Sequence[Candidate]):
        super().__init__(table, space, candidates)
        self.space = [space]
        n = len(candidates)
        seconds = [table.fit_seconds, table.score_seconds]
        columns = [table.scores, *(np.log(np.maximum(s, 1e-5)) for s in seconds)]
        columns.append(np.nan_to_num(table.extra_seconds))
        values = np.hstack([column.reshape(n, -1) for column in columns])
        self._ends = np.cumsum([column[0].size for column in columns])[:-1]
        self._bounds = values.min(axis=0), values.max(axis=0)
        self._model = RBFInterpolator(
            self._features(candidates), values, kernel="linear", degree=0
        )

    def predict(self, candidates: Sequence[Candidate]) -> list[Evaluations]:
        """Return the values of the function."""
        lines = np.clip(self._model(self._features(candidates)), *self._bounds)
        shape = self.table.scores.shape[1:]
        extra_is_known = not np.isnan(self.table.extra_seconds).any()
        found = []
        for line in lines:
            scores, fit, score, extra = np.split(line, self._ends)
            found.append(
                Evaluations(
                    scores.reshape(shape),
                    np.exp(fit.reshape(shape)),
                    np.exp(score.reshape(shape)),
                    extra if extra_is_known else np.full(shape[1], np.nan),
                )
            )
        return found

    def random_candidates(self) -> Sequence[Candidate]:
        """Return candidates of the whole space."""
        return Problem.random_candidates(self)


class SyntheticProblem(Problem):
    """A function of the unit cube with iterations as the resource.

    The score with r of R iterations is the function's value, less a bias that falls as 1 / r and
    differs between candidates, and less the noise of the split.

    Parameters
    ----------
    name : str
    function : callable
        Takes an array of shape (n, n_dimensions) of numbers from 0 to 1; higher is better.
    space : list of dict
        Parameters whose quantiles are the coordinates, by name in sorted order.
    noise : float
        The deviation of a split's score, in deviations of the function.
    """

    resource = "n_iterations"

    def __init__(
        self,
        name: str,
        function: Callable[[SpaceEncoding, Sequence[Candidate]], np.ndarray],
        space: list[Mapping[str, Any]],
        noise: float = 0.1,
    ):
        super().__init__()
        self.name, self.space, self.encoding = name, space, SpaceEncoding(space)
        self.resources = np.arange(1, 82)
        self.fold, self.y = np.arange(1000) % N_SPLITS, np.arange(1000) % 2
        self._function = function
        values = function(self.encoding, self.random_candidates())
        self._mean, self._deviation, self._noise = values.mean(), values.std(), noise

    def predict(self, candidates: Sequence[Candidate]) -> list[Evaluations]:
        """Return scores in deviations of the function, and seconds in proportion to iterations."""
        values = (self._function(self.encoding, candidates) - self._mean) / self._deviation
        shares = self.resources / self.resources[-1]
        features = self.encoding.features(self.encoding.points_of(candidates))
        found = []
        for value, line in zip(values, features, strict=True):
            rng = np.random.default_rng(list((line * 1e6).astype(np.int64)))
            slowness = 0.5 + np.sin(7 * line).mean()
            noise = self._noise * rng.normal(size=(N_SPLITS, 1))
            scores = value - 0.1 * slowness * (1 / shares - 1) / 3 + noise
            fit = np.tile(0.02 + shares, (N_SPLITS, 1))
            found.append(Evaluations(scores, fit, np.full_like(fit, 0.01), 0.02 + 0 * shares))
        return found


# --- functions ---------------------------------------------------------------------


def _coordinates(encoding: SpaceEncoding, candidates: Sequence[Candidate]) -> np.ndarray:
    return encoding.points_of(candidates).coordinates


def branin(encoding: SpaceEncoding, candidates: Sequence[Candidate]) -> np.ndarray:
    """Return the negative of Branin's function; its domain is [-5, 10] x [0, 15]."""
    x, y = (_coordinates(encoding, candidates) * 15 - [5, 0]).T
    b, c, t = 5.1 / (4 * np.pi**2), 5 / np.pi, 1 / (8 * np.pi)
    return -((y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * np.cos(x) + 10)


_HARTMANN_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN = {
    3: (
        np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
        1e-4
        * np.array(
            [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]
        ),
    ),
    6: (
        np.array(
            [
                [10, 3, 17, 3.5, 1.7, 8],
                [0.05, 10, 17, 0.1, 8, 14],
                [3, 3.5, 1.7, 10, 17, 8],
                [17, 8, 0.05, 10, 0.1, 14],
            ]
        ),
        1e-4
        * np.array(
            [
                [1312, 1696, 5569, 124, 8283, 5886],
                [2329, 4135, 8307, 3736, 1004, 9991],
                [2348, 1451, 3522, 2883, 3047, 6650],
                [4047, 8828, 8732, 5743, 1091, 381],
            ]
        ),
    ),
}


def hartmann(x: np.ndarray) -> np.ndarray:
    """Return the negative of Hartmann's function, in 3 or 6 dimensions."""
    A, P = _HARTMANN[x.shape[1]]
    inner = (A * (x[:, np.newaxis, :] - P) ** 2).sum(axis=2)
    return np.exp(-inner) @ _HARTMANN_WEIGHTS


def hartmann_of_all(encoding: SpaceEncoding, candidates: Sequence[Candidate]) -> np.ndarray:
    """Return Hartmann's function of all coordinates."""
    return hartmann(_coordinates(encoding, candidates))


def four_of_twenty(encoding: SpaceEncoding, candidates: Sequence[Candidate]) -> np.ndarray:
    """Return a function of 20 dimensions of which 4 matter: two of Branin's kind, squared."""
    x = _coordinates(encoding, candidates)[:, :4]
    return -((x - [0.3, 0.7, 0.5, 0.2]) ** 2 @ [4.0, 2.0, 1.0, 1.0])


def with_conditions(encoding: SpaceEncoding, candidates: Sequence[Candidate]) -> np.ndarray:
    """Return a function of categories, and of parameters that only some candidates have."""
    offset = {"linear": 0.2, "rbf": 0.0, "poly": 0.3}
    values = []
    for candidate in candidates:
        C = np.log10(candidate["C"]) / 3
        value = -offset[candidate["kernel"]] - (C - 0.3) ** 2
        if candidate["kernel"] == "rbf":
            value -= (np.log10(candidate["gamma"]) / 2 + 0.5) ** 2
        if candidate["kernel"] == "poly":
            value -= 0.1 * abs(candidate["degree"] - 3)
        values.append(value - (0.1 if candidate["class_weight"] is None else 0))
    return np.array(values)


def synthetic_problems() -> list[SyntheticProblem]:
    """Return all functions as problems."""
    unit = uniform(0, 1)

    def cube(n: int) -> list[Mapping[str, Any]]:
        return [{f"x{i:02}": unit for i in range(n)}]

    C, weights = loguniform(1e-3, 1e3), [None, "balanced"]
    conditions = [
        {"kernel": ["linear"], "C": C, "class_weight": weights},
        {"kernel": ["rbf"], "C": C, "class_weight": weights, "gamma": loguniform(1e-4, 1)},
        {"kernel": ["poly"], "C": C, "class_weight": weights, "degree": randint(2, 7)},
    ]
    return [
        SyntheticProblem("branin", branin, cube(2)),
        SyntheticProblem("hartmann 3", hartmann_of_all, cube(3)),
        SyntheticProblem("hartmann 6", hartmann_of_all, cube(6)),
        SyntheticProblem("4 of 20", four_of_twenty, cube(20)),
        SyntheticProblem("conditions", with_conditions, conditions),
    ]


def table_problems(kind: type, cache: Path = CACHE, *, held_back: bool) -> Iterator[TableProblem]:
    """Yield the tables that there are, as problems of a kind."""
    for spec in SPECS:
        path = cache / f"{spec.name}.npz"
        if not path.exists() or spec.held_back != held_back:
            continue
        table, family = load_table(path), FAMILIES[spec.family]
        if table.n_candidates < FEWEST_CANDIDATES:
            continue
        drawn = ParameterSampler(family.space, table.n_candidates, random_state=0)
        yield kind(table, family.space, list(drawn))


# --- an estimator that trains nothing ----------------------------------------------


class Simulated(ClassifierMixin, BaseEstimator):
    """Has the scores that a problem gives its parameters: X holds row numbers."""

    def __init__(self, problem, **params):
        self.problem = problem
        self.params = params

    def __sklearn_clone__(self):
        return Simulated(self.problem, **self.params)

    def get_params(self, deep=True):
        """Return the parameters."""
        names = {name for part in self.problem.space for name in part}
        return {
            "problem": self.problem,
            "n_iterations": None,
            **dict.fromkeys(names),
        } | self.params

    def set_params(self, **params):
        """Set parameters."""
        self.params = self.params | params
        return self

    def fit(self, X, y):
        """Note how much it is given."""
        self.n_rows_ = len(X)
        return self

    def score(self, X, y):
        """Return what the problem has."""
        evaluations, where = self.look_up(X)
        return evaluations.scores[where]

    def look_up(self, X):
        """Return the candidate's evaluations, and the split and the amount that were asked for."""
        params = dict(self.params)
        n_resources = params.pop("n_iterations", None)
        split = int(self.problem.fold[X[0, 0]])
        if self.problem.resource == N_SAMPLES:
            n_resources = self.problem.n_resources_of(split, self.n_rows_)
        return self.problem.evaluations(params), (split, self.problem.position_of(n_resources))
