"""Time and quality on real tables, beside scikit-learn's searches over the same candidates.

All searches share their first candidates (the same `random_state`), the splitter and
the number of workers. The score is that of the refitted best on rows that no search saw.
"""

import argparse
import time
from pathlib import Path

import pandas
from scipy.stats import loguniform, randint, uniform
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV

BOOSTING_SPACE = {
    "learning_rate": loguniform(0.01, 1),
    "max_leaf_nodes": randint(4, 128),
    "min_samples_leaf": randint(1, 100),
    "l2_regularization": loguniform(1e-4, 100),
    "max_features": uniform(0.2, 0.8),
}
FOREST_SPACE = {
    "max_features": uniform(0.1, 0.9),
    "min_samples_leaf": randint(1, 30),
    "max_depth": randint(3, 30),
}


def load(folder, table, rows):
    """Return X and y of one table, at most so many rows."""
    frame = pandas.read_csv(Path(folder) / f"{table}.csv.gz")
    if table == "magictelescope":
        frame = frame.iloc[:, 1:]  # The first column is an ID.
    if rows < len(frame):
        frame = frame.sample(rows, random_state=0)
    return frame.iloc[:, :-1], frame.iloc[:, -1].astype(str)


def model_and_space(name):
    """Return an estimator that takes any of the tables, its space and its resource."""
    model, space, resource = {
        "boosting": (
            HistGradientBoostingClassifier(early_stopping=False, random_state=0),
            BOOSTING_SPACE,
            "max_iter",
        ),
        "forest": (RandomForestClassifier(random_state=0), FOREST_SPACE, "n_estimators"),
    }[name]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer(
        (encoder, make_column_selector(dtype_include=["object", "string"])),
        remainder="passthrough",
    )
    step = type(model).__name__.lower()
    space = {f"{step}__{parameter}": values for parameter, values in space.items()}
    return make_pipeline(columns, model), space, f"{step}__{resource}"


def searches(model, space, resource, args):
    """Return the searches by name."""
    n, largest = args.candidates, args.max_resources
    common = {
        "cv": StratifiedKFold(5, shuffle=True, random_state=0),
        "n_jobs": args.n_jobs,
        "random_state": args.seed,
    }
    by_parameter = {"resource": resource, "max_resources": largest, **common}
    full = model.set_params(**{resource: largest})
    published = {"min_resources": "smallest", "min_splits": None}
    one_split = {"min_resources": "smallest", "min_splits": 1}
    return {
        "RandomizedSearchCV": RandomizedSearchCV(full, space, n_iter=n, **common),
        "HalvingRandomSearchCV": HalvingRandomSearchCV(
            model, space, n_candidates=n, min_resources=1, **by_parameter
        ),
        "SuccessiveHalvingSearchCV": SuccessiveHalvingSearchCV(
            model, space, n_candidates=n, **published, **by_parameter
        ),
        "SuccessiveHalvingSearchCV, min_splits=1, 2 n": SuccessiveHalvingSearchCV(
            model, space, n_candidates=2 * n, **one_split, **by_parameter
        ),
        "SuccessiveHalvingSearchCV, n_samples": SuccessiveHalvingSearchCV(
            full, space, n_candidates=n, resource="n_samples", **published, **common
        ),
        **{
            f"HyperbandSearchCV, min_splits={schedule['min_splits']}, {promotion}": (
                HyperbandSearchCV(
                    model,
                    space,
                    n_brackets="all",
                    n_repeats=1,
                    sampler="random",
                    promotion=promotion,
                    **schedule,
                    **by_parameter,
                )
            )
            for schedule in (published, one_split)
            for promotion in ("bracket", "level")
        },
    }


def main():
    """Fit all searches on each table and print what came of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the folder of the tables")
    parser.add_argument("--tables", nargs="+", default=["electricity", "bank_marketing"])
    parser.add_argument("--model", choices=["boosting", "forest"], default="boosting")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=81)
    parser.add_argument("--max-resources", type=int, default=81)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    for table in args.tables:
        X, y = load(args.data, table, args.rows)
        X_fit, X_test, y_fit, y_test = train_test_split(X, y, stratify=y, random_state=0)
        print(f"{table}, {args.model}: {len(X_fit)} rows, R={args.max_resources}")
        print(f"{'':48}{'seconds':>9}{'cv score':>10}{'held out':>10}{'candidates':>12}")
        model, space, resource = model_and_space(args.model)
        for name, search in searches(model, space, resource, args).items():
            start = time.perf_counter()
            search.fit(X_fit, y_fit)
            seconds = time.perf_counter() - start
            entered = search.cv_results_.get("iter", 0 * search.cv_results_["mean_fit_time"]) == 0
            print(
                f"{name:48}{seconds:9.1f}{search.best_score_:10.4f}"
                f"{search.score(X_test, y_test):10.4f}{entered.sum():12d}",
                flush=True,
            )


if __name__ == "__main__":
    main()
