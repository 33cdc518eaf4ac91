"""What searches find in equal CPU seconds: skhyperband's beside those that people would use instead.

Every search tunes eight estimators. `RandomizedSearchCV` tries 10 and 30 candidates;
the CPU seconds that it takes are the budget of all others on the same rows, splits and seed. With
two workers, the budget is time on the wall. `peer_searches.py` says how each search
is used. Each runs in a process of its own, on one thread.

cpu_seconds, wall_seconds   of the search with its refit; CPU seconds include all its processes
n_candidates                drawn
cv_score                    of the best candidate on all splits, with all of the resource
score                       of the refitted estimator on rows that no search has seen
memory                      peak of the main process over what it had before, in MB
path                        seconds and the best cv_score that was known then

The results are kept in a file after every search, and the script goes on where it was stopped. A
search that is not installed is left out, and said.

    python benchmarks/peers.py --data ../shared/data
    python benchmarks/peers.py --data ../shared/data --n-jobs 2
    python benchmarks/peers.py --table
    python benchmarks/peers.py --docs docs     # the chart and the tables of the page "How it compares"
"""

import argparse
import csv
import importlib
import importlib.util
import multiprocessing
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from joblib.externals.loky import get_reusable_executor
from lightgbm import LGBMClassifier
from peer_searches import (
    NEEDED,
    NEEDED_BY_WORKERS,
    SEARCHES,
    WITH_PROCESSES,
    CpuMeter,
    Problem,
    Task,
    applies,
    cpu_seconds,
)
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
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

RESULTS = Path(__file__).parent / "results" / "peers.csv"
KEY = ["problem", "search", "budget", "seed", "n_jobs"]
MEASURES = ["cpu_seconds", "wall_seconds", "n_candidates", "cv_score", "score", "memory"]
MOST_TEST_ROWS = 10_000
# Candidates of the random search, whose time is the budget of the others.
BUDGETS = (10, 30)
N_WORKERS = (1, 2)

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
        1_000,
        HistGradientBoostingClassifier(random_state=0),
        BOOSTING_SPACE,
        "max_iter",
        "roc_auc",
        {"max_leaf_nodes": 4},
    ),
    "bank_marketing, LightGBM, f1": Problem(
        "bank_marketing",
        2_000,
        numbers_and_codes(LGBMClassifier(n_jobs=1, verbose=-1, random_state=0)),
        within("lgbmclassifier", LIGHTGBM),
        "lgbmclassifier__n_estimators",
        "f1",
        {"lgbmclassifier__num_leaves": 4},
    ),
    "letter, SVC": Problem(
        "letter",
        1_500,
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-4, 10)},
        "n_samples",
    ),
    "magictelescope, RandomForest": Problem(
        "magictelescope",
        600,
        RandomForestClassifier(random_state=0),
        FOREST_SPACE,
        "n_estimators",
        "roc_auc",
        {"max_depth": 3},
    ),
    "magictelescope, XGBoost": Problem(
        "magictelescope",
        3_000,
        XGBClassifier(n_jobs=1, random_state=0, n_estimators=100),
        XGBOOST,
        "n_estimators",
        cheap={"max_depth": 2},
    ),
    "digits, MLP": Problem(
        lambda: load_digits(return_X_y=True),
        1_000,
        make_pipeline(StandardScaler(), MLPClassifier(max_iter=60, random_state=0)),
        {
            "mlpclassifier__hidden_layer_sizes": [8, 16, 32, 64, 128],
            "mlpclassifier__alpha": loguniform(1e-6, 10),
            "mlpclassifier__learning_rate_init": loguniform(1e-4, 0.1),
        },
        "mlpclassifier__max_iter",
        cheap={},
    ),
    "friedman1, HistGradientBoosting": Problem(
        lambda: make_friedman1(12_000, n_features=12, noise=1.0, random_state=0),
        1_000,
        HistGradientBoostingRegressor(random_state=0),
        BOOSTING_SPACE,
        "max_iter",
        "r2",
        {"max_leaf_nodes": 4},
    ),
    "diabetes, RandomForest": Problem(
        lambda: load_diabetes(return_X_y=True),
        300,
        RandomForestRegressor(random_state=0),
        FOREST_SPACE,
        "n_estimators",
        "r2",
        {"max_depth": 3},
    ),
}


def rows_of_problem(problem: Problem, folder: str, seed: int) -> list[Any]:
    """Return X and y for training and for the final score."""
    if callable(problem.table):
        X, y = problem.table()
    else:
        X, y = load(folder, problem.table, rows=10**6)
        y = LabelEncoder().fit_transform(y)
    strata = y if is_classifier(problem.estimator) else None
    X_fit, X_rest, y_fit, y_rest = train_test_split(
        X, y, train_size=problem.rows, stratify=strata, random_state=seed
    )
    return [X_fit, X_rest[:MOST_TEST_ROWS], y_fit, y_rest[:MOST_TEST_ROWS]]


# --- measuring ---------------------------------------------------------------------


def measure(
    folder: str, name: str, search: str, budget: int, seed: int, n_jobs: int, seconds: float | None
) -> dict[str, Any]:
    """Run one search in this process; return what it came to."""
    warnings.simplefilter("ignore")
    problem = PROBLEMS[name]
    X_fit, X_test, y_fit, y_test = rows_of_problem(problem, folder, seed)
    kind = StratifiedKFold if is_classifier(problem.estimator) else KFold
    splits = list(kind(5, shuffle=True, random_state=seed).split(X_fit, y_fit))
    needed = NEEDED.get(search, []) + (NEEDED_BY_WORKERS.get(search, []) if n_jobs > 1 else [])
    for module in needed:
        importlib.import_module(module)
    if any(module.startswith("ray") for module in needed):
        import ray

        ray.init(num_cpus=n_jobs, include_dashboard=False, log_to_driver=False)
    cluster = None
    if "distributed" in needed:
        from distributed import Client

        cluster = Client(n_workers=n_jobs, threads_per_worker=1, dashboard_address=None)
    cpu = CpuMeter() if n_jobs > 1 or search in WITH_PROCESSES else cpu_seconds
    with threadpool_limits(1):
        clone(problem.estimator).fit(X_fit, y_fit)  # Whatever is loaded with the first fit.
        task = Task(problem, X_fit, y_fit, splits, seed, n_jobs, budget, seconds, cpu)
        task.cluster = cluster
        cpu_before, wall, memory = cpu(), time.perf_counter(), memory_now()
        task.start = task.clock()
        best, params, n_candidates = SEARCHES[search](task)
        wall, cpu_used = time.perf_counter() - wall, cpu() - cpu_before
        memory = in_status("VmHWM") - memory
        candidate = clone(problem.estimator).set_params(**params)
        validated = {"scoring": problem.scoring, "cv": splits}
        cv = cross_val_score(candidate, X_fit, y_fit, **validated)
        for found_after, other in task.found:
            candidate = clone(problem.estimator).set_params(**other)
            of_all = cross_val_score(candidate, X_fit, y_fit, **validated)
            task.note(float(np.mean(of_all)), found_after)
        score = get_scorer(problem.scoring)(best, X_test, y_test)
    values = (cpu_used, wall, n_candidates, float(np.mean(cv)), float(score), memory)
    found = {key: f"{value:.5g}" for key, value in zip(MEASURES, values, strict=True)}
    return {**found, "path": " ".join(improvements(task.path))}


def memory_now() -> float:
    """Return the memory of this process in MB, and let its peak be counted anew from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return in_status("VmRSS")


def in_status(field: str) -> float:
    """Return what Linux says of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def improvements(path: list[tuple[float, float]]) -> list[str]:
    """Return the seconds and scores at which a search knew something better."""
    found, best = [], -np.inf
    for seconds, score in path:
        if score > best:
            best = score
            found.append(f"{seconds:.4g}:{score:.5g}")
    return found


def measure_missing(args: argparse.Namespace) -> None:
    """Measure what is not in the file of results yet, seed after seed."""
    args.results.parent.mkdir(exist_ok=True)
    if not args.results.exists():
        args.results.write_text(",".join([*KEY, *MEASURES, "path"]) + "\n")
    limit = "cpu_seconds" if args.n_jobs == 1 else "wall_seconds"
    known = pandas.read_csv(args.results).set_index(KEY)[limit].to_dict()
    missing = {
        search
        for search, modules in NEEDED.items()
        if importlib.util.find_spec(modules[0].split(".")[0]) is None
    }
    if missing:
        print(f"# not installed, and left out: {', '.join(sorted(missing))}")
    runs = [
        (name, search, budget, seed)
        for seed in range(args.first_seed, args.seeds)
        for name in args.problems
        for budget in args.budgets
        for search in args.searches  # The random search first: it sets the budget.
        if applies(search, PROBLEMS[name]) and search not in missing
    ]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["peers"])
    for run in runs:
        name, search, budget, seed = run
        key = (*run, args.n_jobs)
        if key in known:
            continue
        seconds = known.get((name, "RandomizedSearchCV", budget, seed, args.n_jobs))
        if seconds is None and search != "RandomizedSearchCV":
            print(*key, "left out: the random search, which sets its time, is not measured.")
            continue
        try:
            row = in_a_process(
                context, (args.data, name, search, budget, seed, args.n_jobs, seconds)
            )
        except Exception as error:
            print(*key, f"failed: {error!r}", flush=True)
            continue
        known[key] = float(row[limit])
        with args.results.open("a", newline="") as file:
            writer = csv.DictWriter(file, [*KEY, *MEASURES, "path"], lineterminator="\n")
            writer.writerow(dict(zip(KEY, key, strict=True)) | row)
        print(*key, *(f"{n}={row[n]}" for n in MEASURES), flush=True)


def in_a_process(context: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Run `measure` in a new process; it may start processes of its own."""
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=send, args=(there, arguments))
    process.start()
    there.close()
    try:
        result = here.recv()
    except EOFError:
        raise RuntimeError("the process ended without a result") from None
    finally:
        process.join()
    if isinstance(result, Exception):
        raise result
    return dict(result)


def send(pipe: Any, arguments: tuple[Any, ...]) -> None:
    """Send what `measure` returns or raises."""
    try:
        pipe.send(measure(*arguments))
    except Exception as error:
        pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))
    # The process would wait until joblib's workers have been idle for minutes.
    get_reusable_executor().shutdown()


# --- what it came to ---------------------------------------------------------------


def seconds_until(path: str, score: float) -> float:
    """Return when a search knew something that is as good as a score; infinity if it never did."""
    return next((seconds for seconds, found in steps(path) if found >= score), np.inf)


def steps(path: Any) -> list[tuple[float, float]]:
    """Return the seconds and scores of a path as numbers."""
    pairs = path.split() if isinstance(path, str) else []
    return [tuple(float(part) for part in pair.split(":")) for pair in pairs]  # type: ignore[misc]


def against_random(results: pandas.DataFrame) -> pandas.DataFrame:
    """Return each search beside the random search on the same rows and seed.

    The scores are differences, the seconds are ratios.
    """
    results = results.copy()
    random = results[results["search"] == "RandomizedSearchCV"]
    same = ["problem", "budget", "seed", "n_jobs"]
    paired = results.merge(random, on=same, suffixes=("", "_random"))
    limit = np.where(
        paired["n_jobs"] == 1, paired["cpu_seconds_random"], paired["wall_seconds_random"]
    )
    paired["reached"] = [
        seconds_until(path, steps(path_random)[-1][1]) / seconds
        for path, path_random, seconds in zip(
            paired["path"], paired["path_random"], limit, strict=True
        )
    ]
    for column in ("cv_score", "score"):
        paired[column] -= paired[f"{column}_random"]
    for column in ("cpu_seconds", "wall_seconds"):
        paired[column] /= paired[f"{column}_random"]
    return paired


def summary(results: pandas.DataFrame) -> pandas.DataFrame:
    """Return a row for each search, over all problems and seeds.

    cv, held-out   scores less those of the random search, in hundredths
    rank cv, rank held-out   mean place among the searches that tune all problems; 1 is the best
    better, worse  runs with a cv_score above and below that of the random search, in percent
    reached        runs that came to the final cv_score of the random search, in percent
    until          median seconds until then; 1 is the whole time of the random search
    cpu, wall      seconds, those of the random search being 1
    """
    paired = against_random(results)
    columns = {"cv": "cv_score", "held-out": "score"}
    ranks = {name: mean_ranks(results, column) for name, column in columns.items()}
    rows = {}
    for (n_jobs, budget, search), group in paired.groupby(["n_jobs", "budget", "search"]):
        rows[n_jobs, budget, search] = {
            "problems": group["problem"].nunique(),
            "runs": len(group),
            "cv": 100 * group.groupby("problem")["cv_score"].mean().mean(),
            "held-out": 100 * group.groupby("problem")["score"].mean().mean(),
            **{
                f"rank {name}": of_all.get((n_jobs, budget, search), np.nan)
                for name, of_all in ranks.items()
            },
            "better": 100 * (group["cv_score"] > 1e-9).mean(),
            "worse": 100 * (group["cv_score"] < -1e-9).mean(),
            "reached": 100 * np.isfinite(group["reached"]).mean(),
            "until": group["reached"].median(),
            "cpu": group["cpu_seconds"].mean(),
            "wall": group["wall_seconds"].mean(),
            "memory": group["memory"].median(),
        }
    return pandas.DataFrame(rows).T


def mean_ranks(results: pandas.DataFrame, column: str) -> dict[tuple[int, int, str], float]:
    """Return the mean place of each search; it has the last one where it had no result in time."""
    found = {}
    for (n_jobs, budget), group in results.groupby(["n_jobs", "budget"]):
        names = [name for name in SEARCHES if applies_everywhere(group, name)]
        scores = group.pivot_table(index=["problem", "seed"], columns="search", values=column)
        places = scores[names].rank(axis=1, ascending=False, na_option="bottom").mean()
        found.update({(n_jobs, budget, name): places[name] for name in names})
    return found


def by_problem(results: pandas.DataFrame, column: str) -> pandas.DataFrame:
    """Return the means of a score for each search, a column for each problem.

    A search that was not run with all seeds of a problem is left out there.
    """
    groups = results.groupby(["n_jobs", "budget", "search", "problem"])[column]
    n_seeds = groups.count()
    n_most = n_seeds.groupby(["n_jobs", "budget", "problem"]).transform("max")
    return groups.mean()[n_seeds == n_most].unstack("problem")


# The colours can be told apart with any kind of colour vision; dashes tell two of one colour apart.
THEMES = {
    "light": {
        "text": "#222222",
        "HyperbandSearchCV": "#0072B2",
        "SuccessiveHalvingSearchCV": "#009E73",
        "RandomizedSearchCV": "#222222",
        "HalvingRandomSearchCV": "#8a8f94",
        "Optuna": "#D55E00",
        "Optuna, HyperbandPruner": "#D55E00",
        "scikit-optimize": "#CC79A7",
        "FLAML": "#B8860B",
        "SMAC3": "#7A5AA6",
        "Ray Tune, ASHA": "#8B5A2B",
        "Ray Tune, Hyperband": "#8B5A2B",
    },
    "dark": {
        "text": "#e8e8e8",
        "HyperbandSearchCV": "#56B4E9",
        "SuccessiveHalvingSearchCV": "#00C08B",
        "RandomizedSearchCV": "#e8e8e8",
        "HalvingRandomSearchCV": "#9aa0a6",
        "Optuna": "#FF8A3D",
        "Optuna, HyperbandPruner": "#FF8A3D",
        "scikit-optimize": "#E8A0C8",
        "FLAML": "#E6C229",
        "SMAC3": "#B49AE0",
        "Ray Tune, ASHA": "#C89060",
        "Ray Tune, Hyperband": "#C89060",
    },
}
OURS = {"HyperbandSearchCV", "SuccessiveHalvingSearchCV"}
DASHED = {"Optuna, HyperbandPruner", "Ray Tune, Hyperband", "HalvingRandomSearchCV"}
# Points in time, as parts of what the random search takes.
PARTS = np.geomspace(0.05, 1, 60)


def losses_over_time(results: pandas.DataFrame) -> dict[str, np.ndarray]:
    """Return, for each search, how far it is from the best score known, at each of the times.

    The best known is that of all searches with the same rows and seed; 1 is the distance at
    which the random search ends. Means over seeds, then geometric means over problems.
    """
    rows = results[(results["n_jobs"] == 1) & (results["budget"] == BUDGETS[-1])]
    searches = [name for name in SEARCHES if applies_everywhere(rows, name)]
    logs: dict[str, list[np.ndarray]] = {name: [] for name in searches}
    for _, of_problem in rows[rows["search"].isin(searches)].groupby("problem"):
        distances = [
            distances_over_time(runs)
            for _, runs in of_problem.groupby("seed")
            if set(runs["search"]) == set(searches)
        ]
        if not distances:
            continue
        means = {name: np.mean([one[name] for one in distances], axis=0) for name in searches}
        last = means["RandomizedSearchCV"][-1]
        if last > 0:  # Otherwise no search was better, on any seed.
            for name, mean in means.items():
                logs[name].append(np.log(np.maximum(mean / last, 1e-3)))
    return {name: np.exp(np.mean(found, axis=0)) for name, found in logs.items()}


def distances_over_time(runs: pandas.DataFrame) -> dict[str, np.ndarray]:
    """Return the distance of each search from the best score that any came to, with one seed."""
    limit = runs.set_index("search").loc["RandomizedSearchCV", "cpu_seconds"]
    paths = {run.search: steps(run.path) for run in runs.itertuples()}
    best = max(score for path in paths.values() for _, score in path)
    return {
        name: np.array([best - known_at(path, part * limit) for part in PARTS])
        for name, path in paths.items()
    }


def applies_everywhere(rows: pandas.DataFrame, search: str) -> bool:
    """Return whether a search was run on most rows and seeds on which the random search was."""
    n_runs = rows["search"].value_counts()
    return bool(n_runs.get(search, 0) > n_runs["RandomizedSearchCV"] / 2)


def known_at(path: list[tuple[float, float]], seconds: float) -> float:
    """Return the best score that was known at a time; NaN before there was one."""
    return max((score for second, score in path if second <= seconds), default=np.nan)


def draw_chart(results: pandas.DataFrame, path: Path, theme: str) -> None:
    """Draw how far each search is from the best score that is known, over time."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    colors = THEMES[theme]
    names = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style = dict.fromkeys(names, colors["text"]) | {
        "svg.hashsalt": "peers",
        "svg.fonttype": "none",
    }
    with mpl.rc_context(style):
        figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
        for name, line in losses_over_time(results).items():
            if np.isnan(line).all():  # Its first result comes when the time is over.
                continue
            axes.plot(
                PARTS,
                line,
                color=colors[name],
                linewidth=3 if name in OURS else 1.4,
                linestyle="--" if name in DASHED else "-",
                label=name,
                zorder=3 if name in OURS else 2,
            )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="CPU time, as a part of that of the random search",
            ylabel="distance from the best score",
        )
        axes.set_xticks([0.1, 0.2, 0.5, 1], ["0.1", "0.2", "0.5", "1"])
        axes.set_yticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1", "0.2", "0.5", "1", "2", "5", "10"])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        figure.savefig(path, transparent=True, metadata={"Date": None})
        plt.close(figure)


FORMATS = {
    "rank cv": "{:.1f}",
    "rank held-out": "{:.1f}",
    "reached": "{:.0f} %",
    "until": "{:.2f}",
    "cpu": "{:.2f}",
    "wall": "{:.2f}",
    "memory": "{:.0f}",
}


def write_tables(results: pandas.DataFrame, folder: Path) -> None:
    """Write the tables of the page, for each number of workers and for each problem."""
    rows = summary(results)
    for n_jobs in N_WORKERS:
        places = ("rank cv", "rank held-out")
        columns = [(budget, name) for budget in BUDGETS for name in places]
        of_largest = ("reached", "until", "cpu" if n_jobs == 1 else "wall", "memory")
        columns += [(BUDGETS[-1], name) for name in of_largest]
        table = [
            [name, *(cell(rows, (n_jobs, budget, name), column) for budget, column in columns)]
            for name in SEARCHES
            if (n_jobs, BUDGETS[-1], name) in rows.index
        ]
        if table:
            write_lines(folder / f"peers_{n_jobs}.csv", table)
    for column in ("cv_score", "score"):
        means = by_problem(results, column).loc[1, BUDGETS[-1]]
        problems = [name for name in PROBLEMS if name in means]
        lines = [
            [name, *(f"{means.loc[name, p]:.4f}".replace("nan", "") for p in problems)]
            for name in SEARCHES
            if name in means.index
        ]
        write_lines(folder / f"peers_{column}.csv", [["", *problems], *lines])


def cell(rows: pandas.DataFrame, run: tuple[int, int, str], column: str) -> str:
    """Return a figure as the page shows it."""
    value = rows.loc[run, column] if run in rows.index else np.nan
    return FORMATS[column].format(value) if np.isfinite(value) else ""


def write_lines(path: Path, lines: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def main() -> None:
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="the folder of the tables")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--n-jobs", type=int, default=1, choices=N_WORKERS)
    parser.add_argument(
        "--budgets",
        nargs="+",
        type=int,
        default=BUDGETS,
        help="in candidates of the random search",
    )
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES), choices=list(SEARCHES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print what was measured")
    parser.add_argument("--docs", type=Path, help="write chart and tables into this folder")
    args = parser.parse_args()
    if args.data is not None:
        args.searches = [name for name in SEARCHES if name in args.searches]
        measure_missing(args)
    elif not args.table and args.docs is None:
        parser.error("give --data to measure, or --table or --docs to see what was measured.")
    results = pandas.read_csv(args.results)
    with pandas.option_context("display.width", 200, "display.max_columns", None):
        if args.table:
            print(summary(results).round(2).to_string())
            for column in ("cv_score", "score"):
                print(f"{column}\n{by_problem(results, column).round(4).to_string()}")
    if args.docs is not None:
        for theme in THEMES:
            draw_chart(results, args.docs / "pictures" / f"peers-{theme}.svg", theme)
        write_tables(results, args.docs / "user_guide")


if __name__ == "__main__":
    main()
