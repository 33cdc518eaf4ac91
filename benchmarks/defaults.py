"""Which defaults find a good candidate for the least CPU time: searches beside random search.

The searches run as they are over tables of real evaluations (made by ``tables.py``), with an
estimator that looks its score up instead of training, so that hundreds of runs take a minute.
What a run costs are the seconds that the table has for the fits and scores it asked for;
where the training of the family continues exactly, a promoted candidate costs only the difference.

For each table and variant, over many seeds:

loss        the best score that any candidate of the table has (the mean over all splits with
            R) less the score of the one that the search chose. Of its mean, what the best
            candidate drawn loses is computed, and only what the search loses beyond that is
            averaged over the seeds, so that luck in the draw does not count;
efficiency  the number of random configurations, each evaluated on all splits with R, of which
            the best loses as little in the mean, times what one of them costs, divided by what
            the search costs. 1 is a random search; 2 is twice as fast for the same loss.

Candidates are drawn from the table with replacement, for the searches as for the random search,
whose expected loss is computed, not sampled. The mean over tables is geometric.

A table of few candidates makes every search look worse: with half or a quarter of 40 candidates left
in, the mean fell by a tenth to a fifth each time. Compare variants over the same tables, and
take the figures themselves only from tables of some hundred candidates.

    python benchmarks/tables.py --data ../shared/data
    python benchmarks/defaults.py
    python benchmarks/defaults.py --held-back
"""

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import brentq
from sklearn.base import BaseEstimator, ClassifierMixin
from tables import CACHE, N_SPLITS, SPECS, Table, load_table

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._resources import N_SAMPLES

# Each candidate of a table can be drawn so often in one search.
DRAWS_PER_CANDIDATE = 100
# Where the equivalent number of random configurations is looked for.
FEWEST_CONFIGURATIONS, MOST_CONFIGURATIONS = 1e-4, 1e4


# --- what is compared --------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One way to set a search; a value such as "R/9" is that part of the maximum resource."""

    search: type
    arguments: Mapping[str, Any]


def _hyperband(**arguments: Any) -> Variant:
    """Return a variant with one random round, as published, where the arguments do not differ."""
    one_round = {"n_repeats": 1, "promotion": "bracket", "sampler": "random"}
    return Variant(HyperbandSearchCV, {**one_round, **arguments})


def _halving(**arguments: Any) -> Variant:
    return Variant(SuccessiveHalvingSearchCV, arguments)


_PUBLISHED = {"min_splits": None, "min_resources": "smallest"}
ALL_BUT_LAST = "all but the last"

# The lowest rung spends the same on a candidate, over more and more splits.
_SAME_BUDGET = {1: (3, 9), 2: (4, 12), 3: (6, 17), 5: (9, 27)}

VARIANTS = {
    "27 at random": _halving(n_candidates=27, min_resources="R", min_splits=None),
    "HB published": _hyperband(**_PUBLISHED, n_brackets="all"),
    # A candidate of a table is a number, from which a sampler can learn nothing.
    "HB defaults": Variant(HyperbandSearchCV, {"sampler": "random"}),
    **{
        f"HB 1 split, R/{part}{end}": _hyperband(
            min_splits=1, min_resources=f"R/{part}", n_brackets=n_brackets
        )
        for part in (81, 27, 9, 3)
        for end, n_brackets in {"": "all", ", -last": ALL_BUT_LAST}.items()
    },
    "HB 1 split, R/9, widest": _hyperband(min_splits=1, min_resources="R/9", n_brackets=1),
    "HB 1 split, R/9, 2 widest": _hyperband(min_splits=1, min_resources="R/9", n_brackets=2),
    "HB 1 split, R/9, -last, level": _hyperband(
        min_splits=1, min_resources="R/9", n_brackets=ALL_BUT_LAST, promotion="level"
    ),
    "HB 27, 1 split, R/3, -last": _hyperband(
        n_candidates=27, min_splits=1, min_resources="R/3", n_brackets=ALL_BUT_LAST
    ),
    "HB 27, 1 split, R/3, -last, level": _hyperband(
        n_candidates=27,
        min_splits=1,
        min_resources="R/3",
        n_brackets=ALL_BUT_LAST,
        promotion="level",
    ),
    **{
        f"HB {k} splits, R/{part}, -last": _hyperband(
            min_splits=k, min_resources=f"R/{part}", n_brackets=ALL_BUT_LAST
        )
        for k, (_, part) in _SAME_BUDGET.items()
        if k > 1
    },
    "SH published": _halving(**_PUBLISHED),
    "SH defaults": _halving(),
    **{f"SH {n}": _halving(n_candidates=n) for n in (27, 36, 45, 63)},
    **{
        f"SH {n}, 1 split, {bound}": _halving(n_candidates=n, min_splits=1, min_resources=bound)
        for n, bound in [
            (9, "R/3"),
            (27, "R"),
            (27, "R/3"),
            (27, "R/9"),
            (54, "R/3"),
            (81, "R/3"),
            (81, "R/9"),
        ]
    },
    **{
        f"SH 27, {k} splits, R/{part}": _halving(
            n_candidates=27, min_splits=k, min_resources=f"R/{part}"
        )
        for k, (part, _) in _SAME_BUDGET.items()
        if k > 1
    },
    **{
        f"SH 27, {k} splits, R/{part}": _halving(
            n_candidates=27, min_splits=k, min_resources=f"R/{part}"
        )
        for k, part in [(2, 2), (3, 2), (5, 3)]
    },
}


def arguments_for(variant: Variant, table: Table) -> dict[str, Any]:
    """Return all arguments of the variant's search over a table but `random_state`."""
    R = int(table.resources[-1])
    of_samples = table.resource == N_SAMPLES
    arguments = {
        "estimator": LookUp(table),
        "param_distributions": {"draw": range(DRAWS_PER_CANDIDATE * table.n_candidates)},
        "resource": N_SAMPLES if of_samples else "n_iterations",
        "max_resources": "auto" if of_samples else R,
        "cv": RecordedSplits(table.fold),
        "refit": False,
        "error_score": "raise",
        **variant.arguments,
    }
    bound = arguments.get("min_resources")
    if isinstance(bound, str) and bound.startswith("R"):
        # As few samples as still hold two of each class.
        fewest = 2 * len(np.unique(table.y)) if of_samples else 1
        arguments["min_resources"] = max(R // int(bound[2:] or 1), fewest)
    if arguments.get("n_brackets") == ALL_BUT_LAST:
        every = variant.search(**{**arguments, "n_brackets": "all"})
        n_brackets = len(every.plan(_rows(table), table.y).brackets)
        arguments["n_brackets"] = max(1, n_brackets - 1)
    return arguments


# --- looking up --------------------------------------------------------------------


class LookUp(ClassifierMixin, BaseEstimator):
    """Has the score that a candidate of a table had: X holds row numbers.

    Which split it is on is known by the rows that it is scored on, and how many samples it
    has by the rows that it was fitted on.
    """

    def __init__(self, table, draw=0, n_iterations=None):
        self.table = table
        self.draw = draw
        self.n_iterations = n_iterations

    # scikit-learn's own ways of these three look at the signature for every evaluation.

    def __sklearn_clone__(self):
        return LookUp(**self.get_params())

    def get_params(self, deep=True):
        """Return the parameters."""
        return {name: getattr(self, name) for name in ("table", "draw", "n_iterations")}

    def set_params(self, **params):
        """Set parameters that there are."""
        if not params.keys() <= self.get_params().keys():
            raise ValueError(f"Not all of {params} are parameters of {type(self).__name__}.")
        vars(self).update(params)
        return self

    def fit(self, X, y):
        """Note how much it is given."""
        self.n_rows_ = len(X)
        return self

    def score(self, X, y):
        """Return what the table has."""
        split = self.table.fold[X[0, 0]]
        resource = self.n_iterations
        if resource is None:
            resource = samples_of(self.table, split, self.n_rows_)
        candidate = self.draw % self.table.n_candidates
        return self.table.scores[candidate, split, _position(self.table, resource)]


class RecordedSplits:
    """The splits of a table."""

    def __init__(self, fold):
        self.fold = fold

    def split(self, X=None, y=None, groups=None):
        """Yield the row numbers of each split's training and test part."""
        for number in range(N_SPLITS):
            yield np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return how many there are."""
        return N_SPLITS


def _rows(table: Table) -> np.ndarray:
    return np.arange(len(table.y))[:, np.newaxis]


def _position(table: Table, resource: int) -> int:
    position = int(np.searchsorted(table.resources, resource))
    if position == len(table.resources) or table.resources[position] != resource:
        raise _lacking(table, f"{table.resource}={resource}")
    return position


def samples_of(table: Table, split: int, n_rows: int) -> int:
    try:
        return _samples_by_rows(table)[split, n_rows]
    except KeyError:
        raise _lacking(table, f"{n_rows} training rows") from None


def _lacking(table: Table, what: str) -> LookupError:
    return LookupError(
        f"{table.name} has no evaluation with {what}, only with {table.resource} in "
        f"{table.resources.tolist()}; compare other bounds, or add what is missing in tables.py."
    )


_known_samples: dict[str, dict[tuple[int, int], int]] = {}


def _samples_by_rows(table: Table) -> dict[tuple[int, int], int]:
    """Return which resource gives a split's training part so many rows."""
    if table.name not in _known_samples:
        n_samples, n_classes = len(table.y), len(np.unique(table.y))
        _known_samples[table.name] = {
            (split, max(n * n_train // n_samples, n_classes)): int(n)
            for split, n_test in enumerate(np.bincount(table.fold))
            for n_train in [n_samples - n_test]
            for n in table.resources
        }
    return _known_samples[table.name]


# --- what a search costs -----------------------------------------------------------


def seconds_of(table: Table, results: Mapping[str, np.ndarray], continued: bool) -> float:
    """Return the recorded seconds of all that a search evaluated.

    `results` is its `cv_results_`. With `continued`, the training of promoted candidates is
    continued where the result is that of a fresh fit.
    """
    continued = continued and not np.isnan(table.extra_seconds).any()
    splits = np.arange(N_SPLITS)
    scores = np.column_stack([results[f"split{i}_test_score"] for i in splits])
    last: dict[int, np.ndarray] = {}
    total = 0.0
    for row in np.argsort(results["n_resources"], kind="stable"):
        candidate = int(results["param_draw"][row]) % table.n_candidates
        position = _position(table, results["n_resources"][row])
        known = last.setdefault(int(results["candidate_id"][row]), np.full(N_SPLITS, -1))
        new = ~np.isnan(scores[row]) & (known != position)
        seconds = table.fit_seconds[candidate, :, position].copy()
        if continued:
            on = known >= 0
            trained = table.fit_seconds[candidate, splits[on], known[on]]
            seconds[on] += table.extra_seconds[candidate, position] - trained
        seconds = np.maximum(seconds, 0) + table.score_seconds[candidate, :, position]
        total += seconds[new].sum()
        known[new] = position
    return total


# --- the measure -------------------------------------------------------------------


def true_scores(table: Table) -> np.ndarray:
    """Return what the full cross-validation says of each candidate."""
    return table.scores[:, :, -1].mean(axis=1)


def expected_loss_of_random_search(truth: np.ndarray, n_configurations: float) -> float:
    """Return what the best of so many loses, drawn with replacement; any positive number."""
    ascending = np.sort(truth)
    # Of each step between neighbours, the chance that all that are drawn lie below it.
    below = (np.arange(1, len(truth)) / len(truth)) ** n_configurations
    return float(np.diff(ascending) @ below)


def equivalent_configurations(truth: np.ndarray, loss: float) -> float:
    """Return the number of random configurations of which the best loses so much."""

    def excess(log_n: float) -> float:
        return expected_loss_of_random_search(truth, np.exp(log_n)) - loss

    low, high = np.log([FEWEST_CONFIGURATIONS, MOST_CONFIGURATIONS])
    if excess(high) >= 0:
        return MOST_CONFIGURATIONS
    return float(np.exp(brentq(excess, low, high))) if excess(low) > 0 else FEWEST_CONFIGURATIONS


@dataclass(frozen=True)
class Result:
    """What a variant came to on one table, a number for each seed.

    Attributes
    ----------
    table : Table
    losses : ndarray
        How much worse than the table's best the chosen candidate is.
    regrets : ndarray
        How much worse than the best that was drawn it is.
    seconds : ndarray
    n_drawn : int
        How many candidates each search drew.
    """

    table: Table
    losses: np.ndarray
    regrets: np.ndarray
    seconds: np.ndarray
    n_drawn: int

    @property
    def n_configurations(self) -> float:
        """How many random configurations lose as little in the mean."""
        truth = true_scores(self.table)
        unavoidable = expected_loss_of_random_search(truth, self.n_drawn)
        return equivalent_configurations(truth, unavoidable + self.regrets.mean())

    @property
    def cost(self) -> float:
        """What a search costs in full evaluations of a mean candidate."""
        full = (self.table.fit_seconds + self.table.score_seconds)[:, :, -1].sum(axis=1)
        return self.seconds.mean() / full.mean()

    @property
    def efficiency(self) -> float:
        """How many times as fast as a random search with the same mean loss it is."""
        return self.n_configurations / self.cost


def run_variant(variant: Variant, table: Table, seeds: Sequence[int], continued: bool) -> Result:
    """Run a variant over a table, once for each seed."""
    X, truth = _rows(table), true_scores(table)
    arguments = arguments_for(variant, table)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in seeds:
            search = variant.search(**arguments, random_state=seed).fit(X, table.y)
            drawn = np.unique(search.cv_results_["param_draw"].astype(int))
            chosen = truth[search.best_params_["draw"] % table.n_candidates]
            best_drawn = truth[drawn % table.n_candidates].max()
            seconds = seconds_of(table, search.cv_results_, continued)
            found.append((truth.max() - chosen, best_drawn - chosen, seconds))
    return Result(table, *np.array(found).T, n_drawn=len(drawn))


# --- what is printed ---------------------------------------------------------------


def print_results(results: Mapping[str, Sequence[Result]]) -> None:
    """Print a line for each variant: all tables together, then one by one."""
    for number, result in enumerate(next(iter(results.values()))):
        print(f"{number:>4} {result.table.name}: {result.table.n_candidates} candidates")
    _print_values("efficiency", results, lambda result: result.efficiency, worst=min)
    _print_values(
        "p90 of the loss, x 1000",
        results,
        lambda result: 1000 * np.quantile(result.losses, 0.9),
        mean=np.mean,
    )
    _print_values("cost in random configurations", results, lambda result: result.cost)


def _print_values(
    title: str,
    results: Mapping[str, Sequence[Result]],
    value: Callable[[Result], float],
    mean: Callable[[Sequence[float]], float] = geometric_mean,
    worst: Callable[[Sequence[float]], float] = max,
) -> None:
    n_tables = len(next(iter(results.values())))
    headings = ["mean", "worst", *map(str, range(n_tables))]
    print(f"\n{title:34}" + "".join(f"{heading:>7}" for heading in headings))
    for name, of_tables in results.items():
        values = [value(result) for result in of_tables]
        cells = "".join(f"{cell:7.2f}" for cell in (mean(values), worst(values), *values))
        print(f"{name:34}{cells}")


def _tables(args: argparse.Namespace) -> Iterator[Table]:
    for spec in SPECS:
        path = args.cache / f"{spec.name}.npz"
        wanted = (
            spec.held_back == args.held_back if args.tables is None else spec.name in args.tables
        )
        wanted = wanted and (args.rows is None or spec.rows in args.rows)
        if wanted and path.exists():
            yield load_table(path)


def main() -> None:
    """Compare the variants over the tables that there are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the tables are")
    parser.add_argument("--held-back", action="store_true", help="the tables kept back")
    parser.add_argument("--tables", nargs="+", help="only tables of these names")
    parser.add_argument("--rows", nargs="+", type=int, help="only tables of these sizes")
    parser.add_argument("--variants", nargs="+", help="only variants of these names")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--fresh", action="store_true", help="count every fit as a fresh one")
    parser.add_argument("--n-jobs", type=int, default=1)
    args = parser.parse_args()
    tables = list(_tables(args))
    if not tables:
        parser.error(f"--cache={args.cache} has none of the tables; make them by tables.py.")
    names = [name for name in VARIANTS if args.variants is None or name in args.variants]
    jobs = [(name, table) for name in names for table in tables]
    results = Parallel(n_jobs=args.n_jobs)(
        delayed(run_variant)(VARIANTS[name], table, range(args.seeds), not args.fresh)
        for name, table in jobs
    )
    by_name: dict[str, list[Result]] = {name: [] for name in names}
    for (name, _), result in zip(jobs, results, strict=True):
        by_name[name].append(result)
    print_results(by_name)


if __name__ == "__main__":
    main()
