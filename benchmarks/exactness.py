"""Compares continued training of random candidates under "auto" with fresh fits, bit by bit.

The rules are those of the conformance suite, tests/test_continuation.py, alone and after a random
one of the trusted transformers. They take turns; each draws a candidate, a random table (columns
that are constant, sparse, of two values, with one frequent value, with missing values) and
the next container: arrays of several types and orders in memory, frames of pandas and
polars, sparse ones. On each rung all that the estimator says must be what a fresh fit says.

equal      candidates that were compared without a difference
fresh      those of them that "auto" fitted fresh on each rung
refused    drawn besides, but a plain fit raises: the estimator does not take such data

Exits with 1 if there is a difference. It needs what the tests need.
"""

import argparse
import itertools
import re
import sys
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from skhyperband._resources import Split
from tests import test_continuation as suite
from tests.tables import CONTAINERS, a_table

N_ROWS = 90, 180
TRAINED = 0.75
# They name columns, and a transformer before them may make others.
OF_COLUMNS = "monotonic_cst", "monotone_constraints", "categorical_features"
# What depends on the order of numbers in memory, by rounding.
SENSITIVE = {
    "classification": (LogisticRegression(max_iter=50), KNeighborsClassifier(3)),
    "regression": (Ridge(), KNeighborsRegressor(3)),
}


@dataclass(frozen=True)
class Rule:
    """A case of the suite, by itself or as the last step of a pipeline."""

    case: suite.Case
    in_pipeline: bool = False

    def __str__(self):
        return f"{self.case.name}{' in a pipeline' if self.in_pipeline else ''}"

    @property
    def resource(self):
        """The parameter that counts."""
        return self._named(self.case.resource)

    def make(self):
        """Return the estimator."""
        estimator = self.case.make()
        if not self.in_pipeline:
            return estimator
        return Pipeline([("first", "passthrough"), ("last", estimator)])

    def draw(self, rng, container):
        """Return a candidate."""
        params = {**self.case.draw(rng, self.case.task), "random_state": int(rng.integers(1000))}
        if self.case.name == "XGBoost" and container == "categorical-frame":
            params["enable_categorical"] = True
        if container == "categorical-frame":  # LightGBM ends the process at a monotone category.
            params = {name: value for name, value in params.items() if name not in OF_COLUMNS}
        if not self.in_pipeline:
            return params
        if self.case.name == "Bagging-of-others":
            task = "regression" if self.case.task == "regression" else "classification"
            params["estimator"] = suite.a_choice(rng, *SENSITIVE[task])
        params = {name: value for name, value in params.items() if name not in OF_COLUMNS}
        first = clone(suite.a_choice(rng, *TRANSFORMERS), safe=False)
        return {"first": first, **{self._named(name): value for name, value in params.items()}}

    def _named(self, name):
        return f"last__{name}" if self.in_pipeline else name


TRANSFORMERS = [
    transformer
    for name, (several, _) in suite.TRANSFORMED.items()
    if name != "HashingVectorizer"
    for transformer in several
]


@dataclass
class Tally:
    """What came of candidates."""

    equal: int = 0
    fresh: int = 0
    refused: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    def __iadd__(self, other):
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


def a_try(rule, container, seed):
    """Return what comes of one candidate; all of it follows from the arguments."""
    rng = np.random.default_rng(seed)
    case, n = rule.case, int(rng.integers(*N_ROWS))
    table = a_table(rng, case.task, container, n=n, missing=case.missing, coded=case.coded)
    weighted = case.weights and not rule.in_pipeline and rng.uniform() < 0.5
    fit_params = {"sample_weight": rng.uniform(0.1, 3.0, size=n)} if weighted else {}
    rows, n_train = rng.permutation(n), int(TRAINED * n)
    split = Split(rows[:n_train], rows[n_train:], rng.permutation(n_train))
    data = suite.Data(table.X, table.y, fit_params, split)
    estimator, candidate = rule.make(), rule.draw(rng, container)
    try:
        expected = [
            suite.fresh(estimator, candidate, rule.resource, n_resources, data)
            for n_resources in case.rungs
        ]
        expected[-1].fitted.predict(table.X)
    except Exception:  # Whatever an estimator says of data that it does not take.
        return Tally(refused=1)
    try:
        reached = suite.climb(estimator, candidate, rule.resource, case.rungs, data, "auto")
        warned = set()
        for ours, theirs in zip(reached, expected, strict=True):
            # A fit that goes on does not repeat those before it, and of several that differ
            # in their numbers one is kept.
            warned |= _without_numbers(ours.warnings)
            if warned == _without_numbers(theirs.warnings):
                ours = replace(ours, warnings=theirs.warnings)
            suite.assert_same(ours, theirs, data)
    except AssertionError as error:
        what = " ".join(str(error).split())[:1000]
        of_what = f"{rule} {case.task}, {container}, columns {', '.join(table.columns)}"
        return Tally(differences=[f"{of_what}; {candidate}: {what}"])
    trained = [ours.n_trained for ours in reached]
    return Tally(equal=1, fresh=int(trained == list(case.rungs)))


def _without_numbers(texts):
    return {re.sub(r"[-+.e\d]*\d", "#", text) for text in texts}


def all_rules(names):
    """Return the rules, those of which the name has one of these words."""
    found = [Rule(case, inside) for inside in (False, True) for case in suite.CASES]
    return [rule for rule in found if not names or any(name in str(rule) for name in names)]


def compare(n_candidates, seed, names):
    """Try until so many were compared; return tallies by rule, and by container."""
    rules, of_rule, of_container = all_rules(names), {}, {}
    if not rules:
        raise SystemExit(f"no rule has a name like {names}")
    # Rounds of all rules; in each the containers move on by one.
    tries = ((i, rule) for i in itertools.count() for rule in rules)
    n_compared, numbers = 0, itertools.count()
    while n_compared < n_candidates:
        number, (i, rule) = next(numbers), next(tries)
        container = list(CONTAINERS)[(i + rules.index(rule)) % len(CONTAINERS)]
        start = time.perf_counter()
        tally = a_try(rule, container, (seed, number))
        tally.seconds = time.perf_counter() - start
        n_before, n_compared = n_compared, n_compared + tally.equal + len(tally.differences)
        if n_compared // 500 > n_before // 500:
            print(f"{n_compared} of {n_candidates} compared", file=sys.stderr, flush=True)
        for tallies, key in ((of_rule, str(rule)), (of_container, container)):
            tallies.setdefault(key, Tally())
            tallies[key] += tally
        for difference in tally.differences:
            print(f"different: seed=({seed}, {number}) {difference}", file=sys.stderr, flush=True)
    return of_rule, of_container


def show(title, tallies):
    """Print a table."""
    print(f"{title:50}{'equal':>8}{'fresh':>8}{'refused':>9}{'different':>11}{'seconds':>9}")
    for name, tally in tallies.items():
        counts = f"{tally.equal:8}{tally.fresh:8}{tally.refused:9}{len(tally.differences):11}"
        print(f"{name:50}{counts}{tally.seconds:9.0f}")
    print()


def main():
    """Compare, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--candidates", type=int, default=1000, help="how many to compare")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rule", action="append", help="only rules with this in their name")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    with threadpool_limits(1):
        of_rule, of_container = compare(arguments.candidates, arguments.seed, arguments.rule)

    total = Tally()
    for tally in of_rule.values():
        total += tally
    show("rule", of_rule)
    show("container", {**of_container, "all": total})
    sys.exit(bool(total.differences))


if __name__ == "__main__":
    main()
