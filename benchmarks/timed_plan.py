"""The durations that ``plan(X, y, timed=True)`` predicts, beside those that ``fit`` then takes.

The searches have their defaults, and the estimators middle values of the parameters that are
searched over. The plan is timed before and after the fit, because the load of the machine may change
in between. Worker processes are started before. With --cpu and one worker, seconds of the processor
are predicted and measured instead, which other programs on the machine hardly change. Run it with
OMP_NUM_THREADS=1 on a machine that is busy: threads that wait for each other there take a multiple of
the time.
"""

import argparse
import time
import warnings

from quality import load
from scipy.stats import loguniform, randint, uniform
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from skhyperband import HyperbandSearchCV

# Estimator, search space, resource and maximum resource. None: all samples.
MODELS = {
    "boosting": (
        HistGradientBoostingClassifier(
            early_stopping=False, max_features=0.6, min_samples_leaf=50, random_state=0
        ),
        {
            "learning_rate": loguniform(0.01, 1),
            "max_leaf_nodes": randint(8, 64),
            "min_samples_leaf": randint(1, 100),
            "l2_regularization": loguniform(1e-4, 100),
            "max_features": uniform(0.2, 0.8),
        },
        "max_iter",
        81,
    ),
    "forest": (
        RandomForestClassifier(max_features=0.55, min_samples_leaf=15, random_state=0),
        {
            "max_features": uniform(0.1, 0.9),
            "min_samples_leaf": randint(1, 30),
            "max_depth": randint(3, 30),
        },
        "n_estimators",
        81,
    ),
    "network": (
        MLPClassifier((32,), n_iter_no_change=1000, random_state=0),
        {"alpha": loguniform(1e-6, 1), "learning_rate_init": loguniform(1e-4, 1e-1)},
        "max_iter",
        27,
    ),
    "support vectors": (
        SVC(),
        {"C": loguniform(0.1, 10), "gamma": loguniform(0.01, 1)},
        None,
        None,
    ),
    "logistic": (LogisticRegression(max_iter=1000), {"C": loguniform(0.01, 10)}, None, None),
}


def search_over(name, n_jobs):
    """Return a search over a pipeline that takes any of the tables."""
    model, space, resource, largest = MODELS[name]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer(
        (encoder, make_column_selector(dtype_include=["object", "string"])),
        remainder="passthrough",
    )
    pipeline = Pipeline([("columns", columns), ("scale", StandardScaler()), ("model", model)])
    options = {"n_jobs": n_jobs, "random_state": 0}
    if resource is not None:
        options |= {"resource": f"model__{resource}", "max_resources": largest}
    return HyperbandSearchCV(
        pipeline, {f"model__{parameter}": values for parameter, values in space.items()}, **options
    )


def seconds_of(action, clock):
    """Return what a callable returns, and how long it takes."""
    start = clock()
    result = action()
    return result, clock() - start


def main():
    """Predict and measure each search."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the folder of the tables")
    parser.add_argument("--tables", nargs="+", default=["magictelescope", "bank_marketing"])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cpu", action="store_true", help="seconds of the processor")
    args = parser.parse_args()
    if args.cpu and args.n_jobs != [1]:
        parser.error("--cpu needs --n-jobs 1")
    warnings.simplefilter("ignore", ConvergenceWarning)
    clock = time.process_time if args.cpu else time.perf_counter

    columns = ("plan took", "before", "after", "fit", "before/fit", "after/fit")
    print(f"{'':42}" + "".join(f"{column:>12}" for column in columns))
    for table in args.tables:
        X, y = load(args.data, table, args.rows)
        for name in args.models:
            for n_jobs in args.n_jobs:
                search = search_over(name, n_jobs)
                search._timer = clock
                if n_jobs > 1:
                    search.plan(X, y, timed=True)  # Starts the workers.
                before, took = seconds_of(lambda: search.plan(X, y, timed=True), clock)  # noqa: B023
                _, seconds = seconds_of(lambda: search.fit(X, y), clock)  # noqa: B023
                after = search.plan(X, y, timed=True)
                expected = [plan.timing.total_seconds for plan in (before, after)]
                figures = [took, *expected, seconds, *(e / seconds for e in expected)]
                label = f"{table}, {name}, n_jobs={n_jobs}"
                print(f"{label:42}" + "".join(f"{f:12.2f}" for f in figures), flush=True)


if __name__ == "__main__":
    main()
