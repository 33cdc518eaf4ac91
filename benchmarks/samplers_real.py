"""Samplers in real searches, without tables: what each finds in the same CPU seconds.

For each seed, Hyperband with its defaults runs first. Its CPU seconds are the budget of the others:
random search, Optuna and scikit-optimize evaluate one candidate after another until these are over, the
last one whole. Hyperband with random candidates takes what it takes, which is printed. The score of a
search is the cross-validation of its choice, on all splits with the whole resource.

    python benchmarks/samplers_real.py --data ../shared/data --seeds 20

A line for each problem and way: the mean score, in how many seeds it was better and worse than random
search, and the seconds.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from one_by_one import ByOptuna, ByScikitOptimize
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import ParameterSampler, PredefinedSplit
from tables import FAMILIES, TableSpec, make_problem
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV
from skhyperband._resources import N_SAMPLES

PROBLEMS = (
    TableSpec("hist", "electricity", 1_000, max_iterations=27),
    TableSpec("svc", "letter", 1_000),
    TableSpec("linear", "bank_marketing", 1_000),
)
# The pruner is told the score after these parts of the resource.
PARTS = (1 / 9, 1 / 3, 1.0)


@dataclass
class Real:
    """A real problem: an estimator with its space, the data and the splits."""

    spec: TableSpec
    data: Any

    @property
    def family(self) -> Any:
        """The estimator with its space."""
        return FAMILIES[self.spec.family]

    @property
    def n_resources(self) -> int:
        """All samples, or the iterations of the problem."""
        if self.family.resource == N_SAMPLES:
            return len(self.data.y)
        return self.spec.max_iterations

    def evaluate(self, candidate: dict[str, Any], part: float = 1.0) -> float:
        """Return the mean score over all splits with a part of the resource."""
        X, y, scorer = self.data.X, self.data.y, get_scorer(self.data.scoring)
        amount = {} if self.family.resource == N_SAMPLES else {self.family.resource: 1}
        scores = []
        for split in self.data.splits:
            train = np.asarray(split.train)
            if amount:
                amount = {self.family.resource: max(1, round(part * self.n_resources))}
            else:
                train = train[: max(2 * len(np.unique(y)), round(part * len(train)))]
            model = clone(self.family.estimator).set_params(**candidate, **amount)
            scores.append(scorer(model.fit(X[train], y[train]), X[split.test], y[split.test]))
        return float(np.mean(scores))


# --- ways to search ----------------------------------------------------------------


def hyperband(real: Real, seed: int, sampler: str) -> tuple[dict[str, Any], float]:
    """Return the choice of Hyperband with its defaults, and its CPU seconds."""
    family = real.family
    of_samples = family.resource == N_SAMPLES
    search = HyperbandSearchCV(
        family.estimator,
        family.space,
        resource=family.resource,
        max_resources="auto" if of_samples else real.n_resources,
        cv=PredefinedSplit(real.data.fold),
        scoring=real.data.scoring,
        sampler=sampler,
        refit=False,
        random_state=seed,
    )
    start = time.process_time()
    search.fit(real.data.X, real.data.y)
    seconds = time.process_time() - start
    names = family.space.keys()
    return {name: search.best_params_[name] for name in names}, seconds


class Randomly:
    """Draws one candidate after another."""

    def __init__(self, space: dict[str, Any], seed: int):
        self._drawn = iter(ParameterSampler(space, 10**6, random_state=seed))

    def ask(self) -> dict[str, Any]:
        """Return the next candidate."""
        return next(self._drawn)

    def tell(self, score: float) -> None:
        """Learn nothing."""


def one_by_one(
    real: Real, way: Any, budget: float, *, pruned: bool = False
) -> tuple[dict[str, Any], float]:
    """Return the best of the candidates that are evaluated one by one until the budget is used."""
    start = time.process_time()
    best: tuple[float, dict[str, Any]] = (-np.inf, {})
    while not best[1] or time.process_time() - start < budget:
        candidate = way.ask()
        score = _score_in_parts(real, candidate, way) if pruned else real.evaluate(candidate)
        way.tell(score)
        if score is not None and score > best[0]:
            best = score, candidate
    return best[1], time.process_time() - start


def _score_in_parts(real: Real, candidate: dict[str, Any], way: ByOptuna) -> float | None:
    """Return the score with everything; None if the pruner ends the candidate before."""
    score = None
    for step, part in enumerate(PARTS):
        score = real.evaluate(candidate, part)
        if way.is_bad(score, 3**step) and part < 1:
            return None
    return score


def ways(real: Real, seed: int) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Yield the name, the choice and the CPU seconds of each way to search."""
    space = real.family.space
    choice, budget = hyperband(real, seed, "model")
    yield "Hyperband", choice, budget
    yield "random search", *one_by_one(real, Randomly(space, seed), budget)
    yield "Hyperband, random", *hyperband(real, seed, "random")
    yield "Optuna, TPE", *one_by_one(real, ByOptuna([space], seed, pruned=False), budget)
    way = ByOptuna([space], seed, pruned=True)
    yield "Optuna, TPE, HyperbandPruner", *one_by_one(real, way, budget, pruned=True)
    yield "scikit-optimize", *one_by_one(real, ByScikitOptimize([space], seed), budget)


def main() -> None:
    """Compare the ways on each problem."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the folder of the data sets")
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with threadpool_limits(1):
        for spec in PROBLEMS:
            real = Real(spec, make_problem(spec, args.data))
            found: dict[str, list[tuple[float, float]]] = {}
            for seed in range(args.seeds):
                for name, choice, seconds in ways(real, seed):
                    found.setdefault(name, []).append((real.evaluate(choice), seconds))
            _print(spec.name, found)


def _print(problem: str, found: dict[str, list[tuple[float, float]]]) -> None:
    random = np.array([score for score, _ in found["random search"]])
    for name, of_way in found.items():
        scores, seconds = np.array(of_way).T
        better, worse = int((scores > random).sum()), int((scores < random).sum())
        print(
            f"{problem:28}{name:30}{scores.mean():8.4f}{better:4}{worse:4}{seconds.mean():8.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
