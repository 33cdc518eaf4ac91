"""The cost of a search itself, per (candidate, split), with an estimator that costs nothing.

Side by side in one run: a bare loop of clone, set_params, cut, fit and score in one
process; the searches of skhyperband, also with a journal, a new file each time; and
those of scikit-learn. Each is warmed by an
untimed call; the figures are medians, and ratios to the bare loop.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    ParameterSampler,
    RandomizedSearchCV,
    StratifiedKFold,
)

from skhyperband import SuccessiveHalvingSearchCV


class Free(ClassifierMixin, BaseEstimator):
    """Fits and scores in constant time."""

    def __init__(self, alpha=0, n_units=1):
        self.alpha = alpha
        self.n_units = n_units

    def fit(self, X, y):
        """Remember the classes."""
        self.classes_ = np.array([0, 1])
        return self

    def score(self, X, y):
        """Give a number that depends on the parameter only."""
        return (self.alpha % 1009) / 1009


def bare_loop(X, y, candidates, n_splits):
    """Do what cannot be left out."""
    estimator = Free()
    splits = list(StratifiedKFold(n_splits).split(X, y))
    scores = []
    for candidate in candidates:
        for train, test in splits:
            fitted = clone(estimator).set_params(**candidate)
            fitted.fit(X[train], y[train])
            scores.append(fitted.score(X[test], y[test]))
    return scores


def variants(args):
    """Return the contestants by name: each a callable without arguments."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(args.rows, args.columns))
    y = np.arange(args.rows) % 2
    space = {"alpha": range(10 * args.candidates)}
    candidates = list(ParameterSampler(space, args.candidates, random_state=0))
    common = {"cv": args.splits, "random_state": 0, "refit": False}
    n = args.candidates

    def ours(resources, **options):
        search = SuccessiveHalvingSearchCV(
            Free(),
            space,
            n_candidates=n,
            resource="n_units",
            min_resources=1,
            max_resources=resources,
            min_splits=None,
            **common,
            **options,
        )
        return lambda: search.fit(X, y)

    def with_journal(resources, **options):
        def fit():
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                ours(resources, journal=str(Path(folder, "journal")), **options)()

        return fit

    def randomized(**options):
        search = RandomizedSearchCV(Free(), space, n_iter=n, **common, **options)
        return lambda: search.fit(X, y)

    def halving(resources, **options):
        search = HalvingRandomSearchCV(
            Free(),
            space,
            n_candidates=n,
            resource="n_units",
            min_resources=1,
            max_resources=resources,
            **common,
            **options,
        )
        return lambda: search.fit(X, y)

    two = {"n_jobs": 2}
    contestants = {
        "bare loop": lambda: bare_loop(X, y, candidates, args.splits),
        "skhyperband, one rung": ours(1),
        "skhyperband, one rung, n_jobs=2": ours(1, **two),
        "skhyperband, one rung, journal": with_journal(1),
        "skhyperband, one rung, journal, n_jobs=2": with_journal(1, **two),
        "skhyperband, five rungs": ours(81),
        "skhyperband, five rungs, n_jobs=2": ours(81, **two),
    }
    if not args.ours:
        contestants |= {
            "RandomizedSearchCV": randomized(),
            "RandomizedSearchCV, n_jobs=2": randomized(**two),
            "HalvingRandomSearchCV, one rung": halving(1),
            "HalvingRandomSearchCV, one rung, n_jobs=2": halving(1, **two),
            "HalvingRandomSearchCV, five rungs": halving(81),
            "HalvingRandomSearchCV, five rungs, n_jobs=2": halving(81, **two),
        }
    return contestants


def n_evaluations(name, args):
    """Return how many (candidate, split) pairs a contestant evaluates."""
    n_rungs = 5 if "five" in name else 1
    # scikit-learn rounds the candidates of a rung up.
    halve = (lambda n: -(-n // 3)) if name.startswith("Halving") else (lambda n: n // 3)
    rungs = itertools.accumulate(range(1, n_rungs), lambda n, _: halve(n), initial=args.candidates)
    return sum(rungs) * args.splits


def main():
    """Time the contestants in turn and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", help="where journals are written; the default is for all")
    parser.add_argument("--ours", action="store_true", help="leave scikit-learn's out")
    args = parser.parse_args()

    contestants = variants(args)
    seconds = {name: [] for name in contestants}
    for run in range(args.repeats + 1):
        for name, contestant in contestants.items():
            start = time.perf_counter()
            contestant()
            if run:  # The first warms workers and caches.
                seconds[name].append(time.perf_counter() - start)
    per_evaluation = {
        name: statistics.median(times) / n_evaluations(name, args)
        for name, times in seconds.items()
    }
    bare = per_evaluation["bare loop"]
    print(f"{'':45}{'µs per evaluation':>20}{'over the bare loop':>20}")
    for name, value in per_evaluation.items():
        print(f"{name:45}{1e6 * value:20.1f}{value / bare:20.2f}")


if __name__ == "__main__":
    main()
