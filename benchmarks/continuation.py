"""Measures what continued training saves and costs, against scikit-learn's halving.

Parts, each with options for its size:

speed    the same candidates, rungs, scores and splits in `HalvingRandomSearchCV` and in
         `SuccessiveHalvingSearchCV`, n_jobs 1 and 2; for the libraries that bin their
         data again also a bare loop of the library's own continued training;
twice    twice the candidates with min_splits=1 against `HalvingRandomSearchCV`;
two      the same as speed with factor 2, forests only;
memory   the peak memory of this process while forests of 81 wait for their next rung;
quality  what `twice` finds, over 20 seeds, looked up in a table of evaluations that is
         made once and kept in --cache.

Times are medians over pairs that alternate; ratios are the medians of the pairs' ratios.
"""

import argparse
import functools
import resource
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from quality import BOOSTING_SPACE, FOREST_SPACE, load
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    ParameterSampler,
    PredefinedSplit,
    StratifiedKFold,
)
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV

N_SPLITS = 5


def data(args, table, rows):
    """Return arrays that every estimator takes."""
    X, y = load(args.data, table, rows)
    texts = X.select_dtypes(exclude="number").columns
    if len(texts):
        X = X.assign(**dict(zip(texts, OrdinalEncoder().fit_transform(X[texts]).T, strict=True)))
    return X.to_numpy(float), LabelEncoder().fit_transform(y)


def contestants():
    """Return estimator, space and resource by name."""
    forest = FOREST_SPACE
    trees = {"max_depth": randint(2, 6), "learning_rate": loguniform(0.01, 1)}
    found = {
        "RandomForest": (RandomForestClassifier(random_state=0), forest, "n_estimators"),
        "ExtraTrees": (ExtraTreesClassifier(random_state=0), forest, "n_estimators"),
        "GradientBoosting": (
            GradientBoostingClassifier(random_state=0),
            {**trees, "subsample": uniform(0.5, 0.5)},
            "n_estimators",
        ),
        "HistGradientBoosting": (
            HistGradientBoostingClassifier(early_stopping=False, random_state=0),
            BOOSTING_SPACE,
            "max_iter",
        ),
    }
    try:
        from lightgbm import LGBMClassifier

        space = {
            "num_leaves": randint(4, 128),
            "learning_rate": loguniform(0.01, 1),
            "min_child_samples": randint(1, 100),
        }
        light = LGBMClassifier(n_jobs=1, verbose=-1, random_state=0)
        found["LightGBM"] = (light, space, "n_estimators")
    except ImportError:
        print("lightgbm is not installed: left out")
    try:
        from xgboost import XGBClassifier

        space = {
            "max_depth": randint(2, 10),
            "learning_rate": loguniform(0.01, 1),
            "min_child_weight": loguniform(0.1, 30),
        }
        found["XGBoost"] = (XGBClassifier(n_jobs=1, random_state=0), space, "n_estimators")
    except ImportError:
        print("xgboost is not installed: left out")
    return found


def searches(args, name, largest, smallest, factor=3):
    """Return scikit-learn's search and ours, over the same candidates."""
    estimator, space, by = contestants()[name]
    common = {
        "n_candidates": args.candidates,
        "factor": factor,
        "resource": by,
        "min_resources": smallest,
        "max_resources": largest,
        "cv": StratifiedKFold(N_SPLITS, shuffle=True, random_state=0),
        "random_state": 0,
        "refit": False,
    }
    theirs = HalvingRandomSearchCV(estimator, space, return_train_score=False, **common)
    return theirs, SuccessiveHalvingSearchCV(estimator, space, min_splits=None, **common)


def seconds(work):
    """Return how long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(args, theirs, ours, X, y, *, same=True):
    """Time both in turn; return the medians of theirs, ours and their ratio.

    Where the candidates are not the same, each pair draws others: what the one search
    happens to promote may take twice as long as what the other does.
    """
    times = []
    for number in range(args.pairs):
        for search in (theirs, ours):
            search.set_params(random_state=0 if same else number)
        pair = seconds(lambda: theirs.fit(X, y)), seconds(lambda: ours.fit(X, y))
        times.append((*pair, pair[1] / pair[0]))
    if same:
        assert theirs.n_candidates_ == ours.n_candidates_, "the rungs must be the same"
        assert theirs.n_resources_ == ours.n_resources_, "the rungs must be the same"
        mine, other = ours.cv_results_, theirs.cv_results_
        highest = mine["n_resources"] == mine["n_resources"].max()
        best = other["n_resources"] == other["n_resources"].max()
        assert mine["mean_test_score"][highest].tolist() == other["mean_test_score"][best].tolist()
    return [statistics.median(column) for column in zip(*times, strict=True)]


# --- the library's own continued training, in a bare loop -----------------------------------------


def train_on(fitted, by, n_before, n_resources, X, y):
    """Do what the library's documentation says."""
    name = type(fitted).__name__
    if name == "HistGradientBoostingClassifier":
        return fitted.set_params(warm_start=True, max_iter=n_resources).fit(X, y)
    fitted.set_params(**{by: n_resources - n_before})
    if name == "XGBClassifier":
        return fitted.fit(X, y, xgb_model=fitted.get_booster())
    return fitted.fit(X, y, init_model=fitted.booster_)


def bare_loop(search, X, y):
    """Train what a finished search trained, in the same order, without a search."""
    results = search.cv_results_
    splits = list(search.cv.split(X, y))
    waiting = {}
    for n_before, n_resources in zip([0, *search.n_resources_], search.n_resources_, strict=False):
        rows = np.flatnonzero(results["n_resources"] == n_resources)
        for number, (train, test) in enumerate(splits):
            X_train, y_train, X_test, y_test = X[train], y[train], X[test], y[test]
            for row in rows:
                key = results["candidate_id"][row], number
                if n_before:
                    fitted = waiting.pop(key)
                    train_on(fitted, search.resource, n_before, n_resources, X_train, y_train)
                else:
                    fitted = clone(search.estimator).set_params(**results["params"][row])
                    fitted.fit(X_train, y_train)
                fitted.score(X_test, y_test)
                waiting[key] = fitted


def surcharge(args, name, largest, smallest, X, y):
    """Return how much longer a search of one process takes than the bare loop."""
    _, ours = searches(args, name, largest, smallest)
    ours.set_params(n_jobs=1).fit(X, y)
    ratios = []
    for _ in range(args.pairs):
        bare = seconds(lambda: bare_loop(ours, X, y))
        ratios.append(seconds(lambda: clone(ours).fit(X, y)) / bare)
    return statistics.median(ratios) - 1


# --- parts -------------------------------------------------------------------------


def rows_of(args, name, table):
    """Return how many rows: gradient boosting of 26 classes takes its time."""
    few = name == "GradientBoosting" and table == "letter"
    return min(args.rows, 2_000) if few else args.rows


def bounds(args, name):
    """Return the largest and the smallest amount."""
    times = 3 if name in ("LightGBM", "XGBoost") else 1
    return times * args.max_resources, times


def speed(args):
    """Compare the same search in both."""
    print(
        f"{'estimator':22}{'table':15}{'n_jobs':>6}{'theirs':>9}{'ours':>9}{'ratio':>7}"
        f"{'over a bare loop':>18}"
    )
    for table in args.tables:
        for name in args.estimators:
            X, y = data(args, table, rows_of(args, name, table))
            largest, smallest = bounds(args, name)
            for n_jobs in args.n_jobs:
                pair = searches(args, name, largest, smallest)
                for search in pair:
                    search.set_params(n_jobs=n_jobs)
                theirs, ours, ratio = compare(args, *pair, X, y)
                extra = ""
                if n_jobs == 1 and name in ("HistGradientBoosting", "LightGBM", "XGBoost"):
                    extra = f"{surcharge(args, name, largest, smallest, X, y):+18.1%}"
                print(
                    f"{name:22}{table:15}{n_jobs:6}{theirs:9.1f}{ours:9.1f}{ratio:7.2f}{extra}",
                    flush=True,
                )


def ours_twice(args, search):
    """Return what makes Hyperband's widest bracket out of it, with twice the candidates.

    Successive halving of as many would leave the lowest rung out, since they end with one
    candidate before it: 2.5 times the cost.
    """
    taken = HyperbandSearchCV._get_param_names()
    common = {k: v for k, v in search.get_params(deep=False).items() if k in taken}
    one_bracket = {"n_brackets": 1, "n_repeats": 1, "promotion": "bracket", "sampler": "random"}
    return {**common, "n_candidates": 2 * args.candidates, "min_splits": 1, **one_bracket}


def twice(args):
    """Compare with twice the candidates, their low rungs on one split."""
    print(f"{'estimator':22}{'table':15}{'n_jobs':>6}{'theirs':>9}{'ours':>9}{'ratio':>7}")
    for table, name in TABLES_OF_QUALITY:
        X, y = data(args, table, args.rows)
        for n_jobs in args.n_jobs:
            theirs, ours = searches(args, name, args.max_resources, 1)
            theirs.set_params(n_jobs=n_jobs)
            ours = HyperbandSearchCV(**ours_twice(args, ours)).set_params(n_jobs=n_jobs)
            a, b, ratio = compare(args, theirs, ours, X, y, same=False)
            print(f"{name:22}{table:15}{n_jobs:6}{a:9.1f}{b:9.1f}{ratio:7.2f}", flush=True)


def two(args):
    """Compare with factor 2, up to the power of it below the maximum."""
    largest = 2 ** (args.max_resources.bit_length() - 1)
    args.candidates = min(args.candidates, largest)
    print(f"{'estimator':22}{'table':15}{'n_jobs':>6}{'theirs':>9}{'ours':>9}{'ratio':>7}")
    for table in args.tables:
        for name in ("RandomForest", "ExtraTrees"):
            X, y = data(args, table, args.rows)
            for n_jobs in args.n_jobs:
                pair = searches(args, name, largest, 1, factor=2)
                for search in pair:
                    search.set_params(n_jobs=n_jobs)
                a, b, ratio = compare(args, *pair, X, y)
                print(f"{name:22}{table:15}{n_jobs:6}{a:9.1f}{b:9.1f}{ratio:7.2f}", flush=True)


def memory(args):
    """Report what waiting forests take in this process, Hyperband over all rows."""
    X, y = data(args, "electricity", args.rows if args.few else 10**9)
    search = HyperbandSearchCV(
        RandomForestClassifier(random_state=0),
        {"max_features": uniform(0.1, 0.9)},
        resource="n_estimators",
        max_resources=args.max_resources,
        min_resources="smallest",
        min_splits=None,
        n_brackets="all",
        n_repeats=1,
        promotion="bracket",
        sampler="random",
        refit=False,
        random_state=0,
        n_jobs=2,
        verbose=1,
    )
    before = psutil.Process().memory_info().rss
    took = seconds(lambda: search.fit(X, y))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{len(X)} rows, {search.plan_.n_candidates} candidates, {took:.0f} s: "
        f"{(peak - before) / 1e6:.0f} MB over the {before / 1e6:.0f} MB with the data"
    )


# --- quality -----------------------------------------------------------------------

TABLES_OF_QUALITY = (
    ("electricity", "HistGradientBoosting"),
    ("magictelescope", "HistGradientBoosting"),
    ("letter", "RandomForest"),
)


class LookedUp(ClassifierMixin, BaseEstimator):
    """Scores what a table says of candidate, resource and split; X is the split's number."""

    def __init__(self, table=None, candidate=0, n_units=1):
        self.table = table
        self.candidate = candidate
        self.n_units = n_units

    def fit(self, X, y):
        """Fit nothing."""
        self.classes_ = np.array([0, 1])
        return self

    def score(self, X, y):
        """Look the score up."""
        return self.table[self.candidate, self.n_units, int(X[0, 0])]


class Table:
    """Scores by candidate, resource and split; copied by reference."""

    def __init__(self, scores):
        self.scores = scores

    def __getitem__(self, key):
        return self.scores[key]

    def __sklearn_clone__(self):
        return self


def staged_scores(estimator, by, amounts, X, y, train, test, params):
    """Return the accuracy at each amount, of one candidate on one split."""
    fitted = clone(estimator).set_params(warm_start=True, **params)
    scores = []
    for amount in amounts:
        fitted.set_params(**{by: amount}).fit(X[train], y[train])
        scores.append(fitted.score(X[test], y[test]))
    return scores


def make_table(args, table, name):
    """Return scores of shape (candidates, max_resources + 1, splits), made once."""
    amounts = sorted({args.max_resources // 3**k for k in range(5)} | {5, 15, 45})
    amounts = [amount for amount in amounts if amount <= args.max_resources]
    path = Path(args.cache) / f"{table}-{name}-{args.rows}-{args.pool}-{args.max_resources}.npy"
    if path.exists():
        return np.load(path)
    estimator, space, by = contestants()[name]
    X, y = data(args, table, args.rows)
    splits = StratifiedKFold(N_SPLITS, shuffle=True, random_state=0).split(X, y)
    candidates = list(ParameterSampler(space, args.pool, random_state=0))
    jobs = [(train, test, params) for train, test in splits for params in candidates]
    work = functools.partial(staged_scores, estimator, by, amounts, X, y)
    with ProcessPoolExecutor(
        max(args.n_jobs), initializer=threadpool_limits, initargs=(1,)
    ) as pool:
        scores = list(pool.map(work, *zip(*jobs, strict=True), chunksize=5))
    filled = np.full((args.pool, args.max_resources + 1, N_SPLITS), np.nan)
    filled[:, amounts] = np.reshape(scores, (N_SPLITS, args.pool, -1)).transpose(1, 2, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, filled)
    return filled


def quality(args):
    """Compare the mean loss against the best of the table, over seeds."""
    X, y = np.arange(N_SPLITS)[:, None], np.arange(N_SPLITS) % 2
    print(f"{'table':15}{'estimator':22}{'loss of theirs':>16}{'of ours, twice':>16}{'same n':>9}")
    for table, name in TABLES_OF_QUALITY:
        scores = make_table(args, table, name)
        at_top = scores[:, args.max_resources].mean(axis=1)
        common = {
            "estimator": LookedUp(Table(scores)),
            "param_distributions": {"candidate": list(range(args.pool))},
            "resource": "n_units",
            "min_resources": 1,
            "max_resources": args.max_resources,
            "cv": PredefinedSplit(range(N_SPLITS)),
        }
        n, losses = args.candidates, []
        for seed in range(args.seeds):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # A class is missing from each split.
                ours = SuccessiveHalvingSearchCV(
                    **common, n_candidates=n, min_splits=None, random_state=seed
                )
                found = [
                    HalvingRandomSearchCV(**common, n_candidates=n, random_state=seed),
                    HyperbandSearchCV(**ours_twice(args, ours)),
                    ours,
                ]
                chosen = [search.fit(X, y).best_params_["candidate"] for search in found]
            losses.append([at_top.max() - at_top[candidate] for candidate in chosen])
        means = np.mean(losses, axis=0)
        errors = np.std(losses, axis=0) / np.sqrt(args.seeds)
        print(
            f"{table:15}{name:22}"
            + "".join(f"{m:10.5f} ±{e:.4f}" for m, e in zip(means, errors, strict=True))
        )


def main():
    """Run the parts that are asked for."""
    parts = {f.__name__: f for f in (speed, twice, two, memory, quality)}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the folder of the tables")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--tables", nargs="+", default=["electricity", "letter"])
    parser.add_argument("--estimators", nargs="+", default=list(contestants()))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=81)
    parser.add_argument("--max-resources", type=int, default=81)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--few", action="store_true", help="memory: with --rows rows only")
    parser.add_argument("--cache", default="benchmarks/_cache", help="quality: the folder")
    parser.add_argument("--pool", type=int, default=300, help="quality: candidates in the table")
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    for part in args.parts:
        print(f"--- {part}", flush=True)
        parts[part](args)


if __name__ == "__main__":
    main()
