"""What searches find for their CPU time, beside scikit-learn's: the chart of the home page.

Three estimators are tuned on three real tables by `RandomizedSearchCV`,
`HalvingRandomSearchCV`, `SuccessiveHalvingSearchCV` and `HyperbandSearchCV`, each with its
defaults and in a few other sizes. All of them really fit. A repeat draws the training rows and
the seed of the searches anew, and all searches of a repeat have the same rows, splits and seed.

cpu_seconds   CPU time of `fit`, with the refit, in one thread: fits, scores, models of the
              scores and all that a search does itself;
score         score of the refitted best estimator on rows that no search has seen.

The file is written after every search, and the script goes on where it was stopped. It takes
about an hour, in one thread:

    python benchmarks/against_scikit_learn.py --data ../shared/data
    python docs/pictures/draw.py
"""

import argparse
import csv
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
from lightgbm import LGBMClassifier
from quality import load
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV

RESULTS = Path(__file__).parent / "results" / "against_scikit_learn.csv"
COLUMNS = ["table", "search", "size", "repeat", "cpu_seconds", "score"]
MOST_TEST_ROWS = 10_000

# --- what is tuned -----------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """An estimator with its space, and the table of which `rows` rows are for training."""

    table: str
    rows: int
    estimator: BaseEstimator
    space: dict[str, Any]
    scoring: str = "accuracy"


PROBLEMS = (
    Problem(
        table="electricity",
        rows=1_500,
        estimator=HistGradientBoostingClassifier(random_state=0),
        space={
            "learning_rate": loguniform(0.01, 1),
            "max_leaf_nodes": randint(4, 64),
            "min_samples_leaf": randint(1, 100),
            "l2_regularization": loguniform(1e-4, 100),
            "max_features": uniform(0.2, 0.8),
        },
        scoring="roc_auc",
    ),
    Problem(
        table="letter",
        rows=1_500,
        estimator=make_pipeline(StandardScaler(), SVC()),
        space={
            "svc__C": loguniform(1e-2, 1e3),
            "svc__gamma": loguniform(1e-4, 10),
        },
    ),
    Problem(
        table="bank_marketing",
        rows=1_500,
        estimator=Pipeline(
            [
                (
                    "columns",
                    make_column_transformer(
                        (
                            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                            make_column_selector(dtype_exclude="number"),
                        ),
                        remainder="passthrough",
                        verbose_feature_names_out=False,
                    ).set_output(transform="pandas"),
                ),
                ("lgbm", LGBMClassifier(n_jobs=1, verbose=-1, random_state=0)),
            ]
        ),
        space={
            "lgbm__learning_rate": loguniform(0.01, 1),
            "lgbm__num_leaves": randint(4, 64),
            "lgbm__min_child_samples": randint(1, 100),
            "lgbm__reg_lambda": loguniform(1e-4, 100),
            "lgbm__colsample_bytree": uniform(0.2, 0.8),
        },
        scoring="roc_auc",  # Few positive samples: the accuracy would tell little.
    ),
)


# --- what is compared --------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """A search in one size: the value of the parameter that decides how much is tried."""

    search: Callable[..., Any]
    parameter: str
    value: int | None = None  # None: the default.

    @property
    def name(self) -> str:
        """The name of the search."""
        return self.search.__name__

    @property
    def size(self) -> str:
        """The parameter with its value, or that it is the default."""
        return "default" if self.value is None else f"{self.parameter}={self.value}"

    def make(self, estimator: BaseEstimator, space: dict[str, Any], **options: Any) -> Any:
        """Return the search, unfitted."""
        sizes = {} if self.value is None else {self.parameter: self.value}
        return self.search(estimator, space, **sizes, **options)


VARIANTS = (
    *(Variant(RandomizedSearchCV, "n_iter", n) for n in (5, None, 20, 40)),
    *(Variant(HalvingRandomSearchCV, "n_candidates", n) for n in (None, 27)),
    *(Variant(SuccessiveHalvingSearchCV, "n_candidates", n) for n in (None,)),
    *(Variant(HyperbandSearchCV, "n_repeats", n) for n in (1, None)),
)


# --- measuring ---------------------------------------------------------------------


def measure(problem: Problem, variant: Variant, repeat: int, folder: str) -> tuple[float, float]:
    """Return the CPU seconds of one search, and its score on unseen rows."""
    X, y = load(folder, problem.table, rows=10**6)
    X_train, X_rest, y_train, y_rest = train_test_split(
        X, y, train_size=problem.rows, stratify=y, random_state=repeat
    )
    X_test, y_test = X_rest[:MOST_TEST_ROWS], y_rest[:MOST_TEST_ROWS]
    search = variant.make(
        clone(problem.estimator),
        problem.space,
        scoring=problem.scoring,
        cv=StratifiedKFold(5, shuffle=True, random_state=repeat),
        random_state=repeat,
    )
    start = time.process_time()
    search.fit(X_train, y_train)
    seconds = time.process_time() - start
    score = get_scorer(problem.scoring)(search.best_estimator_, X_test, y_test)
    return seconds, score


def main() -> None:
    """Measure what is not in the file of results yet, repeat after repeat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="the folder of the tables")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--tables", nargs="+", default=[problem.table for problem in PROBLEMS])
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()

    args.results.parent.mkdir(exist_ok=True)
    if not args.results.exists():
        args.results.write_text(",".join(COLUMNS) + "\n")
    known = pandas.read_csv(args.results)
    done = set(map(tuple, known[COLUMNS[:4]].to_numpy()))
    with args.results.open("a", newline="") as file, threadpool_limits(1):
        writer = csv.writer(file, lineterminator="\n")
        for repeat in range(args.repeats):
            for problem in PROBLEMS:
                if problem.table not in args.tables:
                    continue
                for variant in VARIANTS:
                    key = (problem.table, variant.name, variant.size, repeat)
                    if key in done:
                        continue
                    seconds, score = measure(problem, variant, repeat, args.data)
                    writer.writerow([*key, f"{seconds:.2f}", f"{score:.5f}"])
                    file.flush()
                    print(*key, f"{seconds:.2f} s", f"{score:.4f}", flush=True)


if __name__ == "__main__":
    # scikit-learn's halving warns of small subsets, and LightGBM of a Python bug.
    os.environ["PYTHONWARNINGS"] = "ignore"
    warnings.simplefilter("ignore")
    main()
