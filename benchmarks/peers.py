"""What searches find in equal CPU seconds: skhyperband's beside those that people would use instead.

Every search tunes eight estimators on eight data sets. `RandomizedSearchCV` tries 10 and 40 candidates;
the CPU seconds that it takes are the budget of all others on the same rows, splits and seed. A
search that has a limit of time is given it, one that has none is repeated with new seeds until the
budget is used, and the best of its results counts. Each search runs in a process of its own.

cpu_seconds, wall_seconds   of the search with its refit; CPU seconds include child processes
cv_score                    of the best candidate on all splits, with all of the resource
score                       of the refitted estimator on rows that no search has seen
memory                      peak of the process, in MB

The results are kept in a file after every search, and the script goes on where it was stopped:

    python benchmarks/peers.py --data ../shared/data
    python benchmarks/peers.py --table
    python benchmarks/peers.py --chart chart.svg
"""

import argparse
import csv
import multiprocessing
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas
from lightgbm import LGBMClassifier
from one_by_one import ByOptuna
from quality import BOOSTING_SPACE, FOREST_SPACE, load
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone, is_classifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_diabetes, load_digits, make_friedman1
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV

RESULTS = Path(__file__).parent / "results" / "peers.csv"
KEY = ["problem", "search", "budget", "seed", "n_jobs"]
MEASURES = ["cpu_seconds", "wall_seconds", "n_candidates", "cv_score", "score", "memory"]
MOST_TEST_ROWS = 10_000
# Candidates of the random search.
BUDGETS = (10, 40)

# --- what is tuned -----------------------------------------------------------------

LIGHTGBM = {
    "learning_rate": loguniform(0.01, 1),
    "num_leaves": randint(4, 64),
    "min_child_samples": randint(1, 100),
    "reg_lambda": loguniform(1e-4, 100),
    "colsample_bytree": uniform(0.2, 0.8),
}
XGBOOST = {
    "learning_rate": loguniform(0.01, 1),
    "max_depth": randint(2, 12),
    "min_child_weight": loguniform(0.1, 100),
    "reg_lambda": loguniform(1e-4, 100),
}


@dataclass(frozen=True)
class Problem:
    """An estimator with its space, and data of which `rows` rows are for training.

    Attributes
    ----------
    table : str or callable
        A table of the folder, or what returns X and y.
    """

    table: str | Callable[[], tuple[Any, Any]]
    rows: int
    estimator: Any
    space: dict[str, Any]
    scoring: str = "accuracy"

    def split(self, folder: str, seed: int) -> list[Any]:
        """Return X and y for training and for the final score."""
        if isinstance(self.table, str):
            X, y = load(folder, self.table, rows=10**6)
            y = LabelEncoder().fit_transform(y)
        else:
            X, y = self.table()
        strata = y if is_classifier(self.estimator) else None
        X_fit, X_rest, y_fit, y_rest = train_test_split(
            X, y, train_size=self.rows, stratify=strata, random_state=seed
        )
        return [X_fit, X_rest[:MOST_TEST_ROWS], y_fit, y_rest[:MOST_TEST_ROWS]]

    def cv(self, seed: int) -> Any:
        """Return the splits of the cross-validation."""
        kind = StratifiedKFold if is_classifier(self.estimator) else KFold
        return kind(5, shuffle=True, random_state=seed)


def numbers_and_codes(estimator: Any) -> Any:
    """Return a pipeline that turns categories into numbers before an estimator."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(
        make_column_transformer(
            (encoder, make_column_selector(dtype_exclude="number")), remainder="passthrough"
        ),
        estimator,
    )


def within(step: str, space: dict[str, Any]) -> dict[str, Any]:
    """Return the space of a pipeline's step."""
    return {f"{step}__{name}": values for name, values in space.items()}


PROBLEMS = {
    "electricity, HistGradientBoosting": Problem(
        "electricity",
        2_000,
        HistGradientBoostingClassifier(random_state=0),
        BOOSTING_SPACE,
        "roc_auc",
    ),
    "bank_marketing, LightGBM in a pipeline, f1": Problem(
        "bank_marketing",
        2_000,
        numbers_and_codes(LGBMClassifier(n_jobs=1, verbose=-1, random_state=0)),
        within("lgbmclassifier", LIGHTGBM),
        "f1",
    ),
    "letter, SVC": Problem(
        "letter",
        2_000,
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-4, 10)},
    ),
    "magictelescope, RandomForest": Problem(
        "magictelescope", 2_000, RandomForestClassifier(random_state=0), FOREST_SPACE, "roc_auc"
    ),
    "magictelescope, XGBoost": Problem(
        "magictelescope", 4_000, XGBClassifier(n_jobs=1, random_state=0), XGBOOST
    ),
    "digits, MLP": Problem(
        lambda: load_digits(return_X_y=True),
        1_000,
        make_pipeline(StandardScaler(), MLPClassifier(max_iter=60, random_state=0)),
        {
            "mlpclassifier__hidden_layer_sizes": [(16,), (32,), (64,), (32, 32), (64, 32)],
            "mlpclassifier__alpha": loguniform(1e-6, 10),
            "mlpclassifier__learning_rate_init": loguniform(1e-4, 0.1),
        },
    ),
    "friedman1, HistGradientBoosting": Problem(
        lambda: make_friedman1(12_000, n_features=12, noise=1.0, random_state=0),
        2_000,
        HistGradientBoostingRegressor(random_state=0),
        BOOSTING_SPACE,
        "r2",
    ),
    "diabetes, RandomForest": Problem(
        lambda: load_diabetes(return_X_y=True),
        300,
        RandomForestRegressor(random_state=0),
        FOREST_SPACE,
        "r2",
    ),
}


# --- who searches ------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What a search is given; `seconds` is None for the random search, which sets the budget."""

    problem: Problem
    X: Any
    y: Any
    seed: int
    n_jobs: int
    n_candidates: int
    seconds: float | None

    def options(self) -> dict[str, Any]:
        """Return the parameters that all searches in the manner of scikit-learn have."""
        return {
            "scoring": self.problem.scoring,
            "cv": self.problem.cv(self.seed),
            "n_jobs": self.n_jobs,
            "random_state": self.seed,
        }


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def until_used(seconds: float) -> Iterator[int]:
    """Count up as long as another turn is expected to use less of the time than it leaves unused."""
    start, turn = cpu_seconds(), 0
    while True:
        yield turn
        turn += 1
        used = cpu_seconds() - start
        if used + used / turn / 2 > seconds:
            return


def random_search(task: Task) -> tuple[Any, int]:
    search = RandomizedSearchCV(
        task.problem.estimator, task.problem.space, n_iter=task.n_candidates, **task.options()
    ).fit(task.X, task.y)
    return search.best_estimator_, task.n_candidates


def halving_random_search(task: Task) -> tuple[Any, int]:
    """Repeat scikit-learn's search, as its user guide has it, and take the best."""
    searches = []
    for turn in until_used(task.seconds):
        options = {**task.options(), "random_state": task.seed + 1000 * turn}
        search = HalvingRandomSearchCV(task.problem.estimator, task.problem.space, **options)
        searches.append(search.fit(task.X, task.y))
    best = max(searches, key=lambda search: search.best_score_)
    return best.best_estimator_, sum(search.n_candidates_[0] for search in searches)


def optuna_tpe(task: Task, *, pruned: bool = False) -> tuple[Any, int]:
    """Score each candidate split by split; a pruner is told the mean of the splits so far."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = ByOptuna([task.problem.space], task.seed, pruned=pruned)
    splits = list(task.problem.cv(task.seed).split(task.X, task.y))
    scorer = get_scorer(task.problem.scoring)
    X, y = pandas.DataFrame(task.X), np.asarray(task.y)
    best_score, best, n_candidates = -np.inf, {}, 0
    start = cpu_seconds()
    while cpu_seconds() - start < task.seconds:
        candidate, scores = study.ask(), []
        n_candidates += 1
        for step, (train, test) in enumerate(splits):
            fitted = clone(task.problem.estimator).set_params(**candidate)
            fitted.fit(X.iloc[train], y[train])
            scores.append(scorer(fitted, X.iloc[test], y[test]))
            if pruned and study.is_bad(np.mean(scores), step) and step < len(splits) - 1:
                break
        complete = len(scores) == len(splits)
        study.tell(np.mean(scores) if complete else None)
        if complete and np.mean(scores) > best_score:
            best_score, best = np.mean(scores), candidate
    return clone(task.problem.estimator).set_params(**best).fit(X, y), n_candidates


def optuna_tpe_pruned(task: Task) -> tuple[Any, int]:
    return optuna_tpe(task, pruned=True)


def ours(search_class: Any, task: Task, **options: Any) -> tuple[Any, int]:
    search = search_class(
        task.problem.estimator,
        task.problem.space,
        max_time=task.seconds,
        **options,
        **task.options(),
    )
    if task.n_jobs == 1:  # The budget is one of CPU seconds, however busy the machine is.
        search._clock = cpu_seconds
    search.fit(task.X, task.y)
    return search.best_estimator_, len(set(search.cv_results_["candidate_id"]))


def hyperband(task: Task) -> tuple[Any, int]:
    return ours(HyperbandSearchCV, task, n_repeats=None)


def successive_halving(task: Task) -> tuple[Any, int]:
    return ours(SuccessiveHalvingSearchCV, task)


SEARCHES = {
    "RandomizedSearchCV": random_search,
    "HyperbandSearchCV": hyperband,
    "SuccessiveHalvingSearchCV": successive_halving,
    "HalvingRandomSearchCV": halving_random_search,
    "Optuna, TPE": optuna_tpe,
    "Optuna, TPE and HyperbandPruner": optuna_tpe_pruned,
}
# Those that have no workers.
ONE_JOB = {"Optuna, TPE", "Optuna, TPE and HyperbandPruner"}


# --- measuring ---------------------------------------------------------------------


def measure(
    folder: str, name: str, search: str, budget: int, seed: int, n_jobs: int, seconds: float | None
) -> dict[str, float]:
    """Run one search in this process; return what it came to."""
    warnings.simplefilter("ignore")
    problem = PROBLEMS[name]
    X_fit, X_test, y_fit, y_test = problem.split(folder, seed)
    task = Task(problem, X_fit, y_fit, seed, n_jobs, budget, seconds)
    with threadpool_limits(1):
        cpu, wall = cpu_seconds(), time.perf_counter()
        best, n_candidates = SEARCHES[search](task)
        cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
        scoring = problem.scoring
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cv = cross_val_score(clone(best), X_fit, y_fit, scoring=scoring, cv=problem.cv(seed))
        score = get_scorer(scoring)(best, X_test, y_test)
    values = (cpu, wall, n_candidates, float(np.mean(cv)), float(score), memory)
    return dict(zip(MEASURES, values, strict=True))


def measure_missing(args: argparse.Namespace) -> None:
    """Measure what is not in the file of results yet, seed after seed."""
    args.results.parent.mkdir(exist_ok=True)
    if not args.results.exists():
        args.results.write_text(",".join(KEY + MEASURES) + "\n")
    known = pandas.read_csv(args.results).set_index(KEY)["cpu_seconds"].to_dict()
    context = multiprocessing.get_context("spawn")
    runs = [
        (name, search, budget, seed)
        for seed in range(args.seeds)
        for name in args.problems
        for budget in BUDGETS
        for search in SEARCHES  # The random search first: it sets the budget.
        if args.n_jobs == 1 or search not in ONE_JOB
    ]
    with args.results.open("a", newline="") as file:
        writer = csv.DictWriter(file, KEY + MEASURES, lineterminator="\n")
        for run in runs:
            name, search, budget, seed = run
            key = (*run, args.n_jobs)
            if key in known:
                continue
            seconds = known.get((name, "RandomizedSearchCV", budget, seed, args.n_jobs))
            with ProcessPoolExecutor(1, mp_context=context) as process:
                arguments = (args.data, name, search, budget, seed, args.n_jobs, seconds)
                row = process.submit(measure, *arguments).result()
            known[key] = row["cpu_seconds"]
            writer.writerow(
                dict(zip(KEY, key, strict=True)) | {n: f"{row[n]:.5g}" for n in MEASURES}
            )
            file.flush()
            print(*key, *(f"{n}={row[n]:.4g}" for n in MEASURES), flush=True)


# --- what it came to ---------------------------------------------------------------


def against_random(results: pandas.DataFrame) -> pandas.DataFrame:
    """Return each search's scores less those of the random search on the same rows and seed."""
    random = results[results["search"] == "RandomizedSearchCV"]
    same = ["problem", "budget", "seed", "n_jobs"]
    paired = results.merge(random, on=same, suffixes=("", "_random"))
    for column in ("cv_score", "score"):
        paired[column] -= paired[f"{column}_random"]
    paired["cpu_seconds"] /= paired["cpu_seconds_random"]
    return paired[paired["search"] != "RandomizedSearchCV"]


def print_table(results: pandas.DataFrame) -> None:
    """Print means over the seeds, for each problem and over all of them."""
    columns = ["cpu_seconds", "cv_score", "score", "memory"]
    paired = against_random(results)
    by = ["budget", "n_jobs", "search"]
    print(paired.groupby([*by[:2], "problem", "search"])[columns].mean().round(4).to_string())
    print(paired.groupby(by)[columns].mean().round(4).to_string())


def draw_chart(results: pandas.DataFrame, path: Path) -> None:
    """Draw the held-out score over the CPU seconds, a panel for each problem."""
    import matplotlib.pyplot as plt

    problems = list(dict.fromkeys(results["problem"]))
    figure, panels = plt.subplots(
        2, -(-len(problems) // 2), figsize=(14, 6), layout="constrained", squeeze=False
    )
    one_job = results[results["n_jobs"] == 1]
    for panel, problem in zip(panels.flat, problems, strict=False):
        means = one_job[one_job["problem"] == problem].groupby(["search", "budget"])
        means = means[["cpu_seconds", "score"]].mean().reset_index()
        for search in SEARCHES:
            line = means[means["search"] == search]
            panel.plot(line["cpu_seconds"], line["score"], marker="o", label=search)
        panel.set(title=problem, xscale="log", xlabel="CPU seconds", ylabel="held-out score")
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path)


def main() -> None:
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="the folder of the tables")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print what was measured")
    parser.add_argument("--chart", type=Path, help="draw what was measured to this file")
    args = parser.parse_args()
    if args.data is not None:
        measure_missing(args)
    elif not args.table and args.chart is None:
        parser.error("give --data to measure, or --table or --chart to see what was measured.")
    results = pandas.read_csv(args.results)
    if args.table:
        print_table(results)
    if args.chart is not None:
        draw_chart(results, args.chart)


if __name__ == "__main__":
    main()
