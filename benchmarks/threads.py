"""Compares fits with several threads with fits with one thread, bit by bit.

Random candidates are fitted to random tables of 200 rows or more, with one thread and then
with 2, 3, 4 and 8; more threads than the machine has cores are fine. All that the estimators say
afterwards, with one thread again, must be the same.

given      a search gives idle cores to these estimators, by the rules in skhyperband/_threads.py: to
           those of the conformance suite, tests/test_continuation.py, alone and after a random one
           of its transformers
others     get threads in every way that there is: from OpenMP, BLAS and `n_jobs`
equal      candidates for which no number of threads made a difference
different  all other candidates
refused    drawn besides, but a plain fit raises: the estimator does not take such data

In some tables of numbers each row occurs a second time with the opposite target, and weights differ
widely. The sums of such gradients are nearly 0, which shows in what order they were added up.

Exits with 1 if there is a difference for an estimator that is given threads. It needs what the
tests need.
"""

import argparse
import contextlib
import itertools
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

# Threads that wait for others in a loop would take all the time of a few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from skhyperband._threads import FitThreads
from tests import test_continuation as suite
from tests.tables import a_table

N_THREADS = 2, 3, 4, 8
FEWEST_ROWS = 200
CONTAINERS = "C", "F", "float32", "frame"
# Cases of the suite that are given threads.
GIVEN = (
    *("RandomForest", "ExtraTrees", "Bagging"),
    *("HistGradientBoosting", "HistGradientBoosting-stopping"),
)
OTHERS = "Bagging-of-others", "XGBoost", "LightGBM", "CatBoost"
TRANSFORMERS = [
    transformer
    for name, (several, _) in suite.TRANSFORMED.items()
    if name != "HashingVectorizer"
    for transformer in several
]


# --- what is compared --------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """Estimators of one kind, for one task."""

    name: str
    case: suite.Case
    given: bool = False
    in_pipeline: bool = False
    deterministic: bool = False

    def draw(self, rng):
        """Return an estimator with random parameters."""
        candidate = self.case.draw(rng, self.case.task)
        estimator = self.case.make().set_params(
            **{name: clone(value, safe=False) for name, value in candidate.items()},
            **{self.case.resource: self.case.rungs[-1], "random_state": int(rng.integers(1000))},
        )
        if self.deterministic:
            estimator.set_params(deterministic=True)
        if self.in_pipeline:
            if "monotonic_cst" in candidate:  # It is about columns that may not be there any more.
                estimator.set_params(monotonic_cst=None)
            first = clone(suite.a_choice(rng, *TRANSFORMERS))
            estimator = Pipeline([("first", first), ("last", estimator)])
        return estimator


def a_blas_case(task, make, draw):
    return suite.Case(
        make.__name__, task, make, draw, "max_iter", rungs=(20,), weights=False, missing=False
    )


def a_penalty(rng, task):
    return {("alpha" if task == "regression" else "C"): 10 ** rng.uniform(-2, 2)}


def a_net(rng, task):
    return {"hidden_layer_sizes": (int(rng.integers(5, 50)),)}


BLAS_CASES = (
    a_blas_case("multiclass", LogisticRegression, a_penalty),
    a_blas_case("regression", Ridge, a_penalty),
    a_blas_case("binary", MLPClassifier, a_net),
)


def all_kinds(words):
    """Return the kinds, those of which the name has one of the words."""
    by_name = {name: [c for c in suite.CASES if c.name == name] for name in (*GIVEN, *OTHERS)}
    kinds = [
        *(Kind(name, case, given=True) for name in GIVEN for case in by_name[name]),
        *(
            Kind(f"{name} in a pipeline", case, given=True, in_pipeline=True)
            for name in GIVEN
            for case in by_name[name]
        ),
        *(Kind(name, case) for name in OTHERS for case in by_name[name]),
        *(
            Kind("LightGBM, deterministic", case, deterministic=True)
            for case in by_name["LightGBM"]
        ),
        *(Kind(case.name, case) for case in BLAS_CASES),
    ]
    return [kind for kind in kinds if not words or any(word in kind.name for word in words)]


@dataclass(frozen=True)
class Data:
    """Rows to train and rows to test."""

    train: tuple
    test: tuple
    fit_params: dict


def draw_data(rng, kind, largest):
    """Return a random table, in any of the containers."""
    case = kind.case
    n = round(np.exp(rng.uniform(np.log(FEWEST_ROWS), np.log(largest))))
    container = suite.a_choice(rng, *CONTAINERS)
    missing = case.missing and not kind.in_pipeline and rng.uniform() < 0.5
    table = a_table(rng, case.task, container, n=n, missing=missing, coded=case.coded)
    X, y = table.X, table.y
    rows = rng.permutation(n)
    train, test = rows[: 3 * n // 4], rows[3 * n // 4 :]
    cancels = case.task == "regression" and rng.uniform() < 0.25
    if cancels:
        train = rng.permutation(np.concatenate([train, train]))
        y = np.where(rng.permutation(n) < n // 2, y, y.mean())
    targets = y[train]
    if cancels:
        _, first = np.unique(train, return_index=True)
        targets = targets * np.where(np.isin(np.arange(len(train)), first), 1, -1)
    fit_params = {}
    if case.weights and not kind.in_pipeline and (cancels or rng.uniform() < 0.5):
        spread = 4.0 if cancels else 1.0
        fit_params["sample_weight"] = np.exp(spread * rng.normal(size=n))[train]
    return Data((_safe_indexing(X, train), targets), (_safe_indexing(X, test),), fit_params)


def fit_with(kind, estimator, n_threads, data):
    """Return all that an estimator says that was fitted with so many threads."""
    fitted = clone(estimator)
    with threadpool_limits(1), every_thread(kind, fitted, n_threads):
        fitted.fit(*data.train, **data.fit_params)
    with threadpool_limits(1):
        shown = suite.shown_by(fitted, *data.test), fitted.predict(data.train[0])
    last = fitted[-1] if kind.in_pipeline else fitted
    return [
        *map(np.asarray, shown),
        *(np.asarray(getattr(last, name)) for name in suite.ATTRIBUTES if hasattr(last, name)),
    ]


@contextlib.contextmanager
def every_thread(kind, estimator, n_threads):
    """Give the estimator threads as a search does, or else in every way."""
    if kind.given:
        with FitThreads(openmp_is_limited=False)(estimator, n_threads):
            yield
        return
    names = {"n_jobs", "thread_count"} & estimator.get_params().keys()
    own = {name: estimator.get_params()[name] for name in names}
    estimator.set_params(**dict.fromkeys(names, n_threads))
    with threadpool_limits(n_threads), joblib.parallel_config(backend="threading"):
        yield
    if "thread_count" not in names:  # CatBoost lets nobody change it after the fit.
        estimator.set_params(**own)


def a_try(kind, seed, largest):
    """Return "equal", "different" or "refused"; all of it follows from the arguments."""
    rng = np.random.default_rng(seed)
    data, estimator = draw_data(rng, kind, largest), kind.draw(rng)
    try:
        one = fit_with(kind, estimator, 1, data)
    except Exception:  # Whatever an estimator says of data that it does not take.
        return "refused"
    for n_threads in N_THREADS:
        several = fit_with(kind, estimator, n_threads, data)
        if not all(map(is_equal, one, several)):
            print(f"different: {kind.name}, seed={seed}, {n_threads} threads", file=sys.stderr)
            return "different"
    return "equal"


def is_equal(one, other):
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


# --- the script --------------------------------------------------------------------


def compare(kinds, n_candidates, seed, largest):
    """Return the number of results of each kind, by its name, with the seconds."""
    tallies = {
        kind.name: dict.fromkeys(("equal", "different", "refused", "seconds"), 0) for kind in kinds
    }
    n_compared = 0
    for number, kind in enumerate(itertools.cycle(kinds)):
        start = time.perf_counter()
        result = a_try(kind, (seed, number), largest)
        tallies[kind.name][result] += 1
        tallies[kind.name]["seconds"] += time.perf_counter() - start
        n_compared += result != "refused"
        if n_compared == n_candidates:
            break
    return tallies


def main():
    """Compare, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--candidates", type=int, default=500, help="how many to compare")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=20_000, help="the largest number of rows")
    parser.add_argument("--kind", action="append", help="only kinds with this in their name")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    kinds = all_kinds(arguments.kind)
    if not kinds:
        raise SystemExit(f"no kind has a name like {arguments.kind}")
    tallies = compare(kinds, arguments.candidates, arguments.seed, arguments.rows)

    given = {kind.name for kind in kinds if kind.given}
    for title, names in (("given", given), ("others", tallies.keys() - given)):
        print(f"{title:45}{'equal':>8}{'different':>11}{'refused':>9}{'seconds':>9}")
        for name in (name for name in tallies if name in names):
            of = tallies[name]
            print(
                f"{name:45}{of['equal']:8}{of['different']:11}{of['refused']:9}{of['seconds']:9.0f}"
            )
        print()
    sys.exit(any(tallies[name]["different"] for name in given))


if __name__ == "__main__":
    main()
