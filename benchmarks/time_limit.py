"""What a search with `max_time` comes to, beside one that was sized to that time by hand.

The searches have their defaults. The whole plan is run first, to know how long it takes. Then each
search gets a part of that time as `max_time`. For comparison, a search is sized to that time by
someone who knows the seconds that an evaluation took in the whole plan: of all numbers of rounds and
candidates that fit, those with the most candidates, and where not even one for each bracket fits, a
single bracket. The score is that of the refitted model on rows that no search saw.

With --cpu, `max_time` and all else are seconds of the processor, which other programs on the machine
hardly change. Run it with OMP_NUM_THREADS=1 then, so that there is one worker with one thread.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
from quality import load, model_and_space
from sklearn.model_selection import StratifiedKFold, train_test_split
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV

SEARCHES = {"hyperband": HyperbandSearchCV, "halving": SuccessiveHalvingSearchCV}


def make_search(name, args, seed, **options):
    """Return a search with its defaults and the given options."""
    model, space, resource = model_and_space(args.model)
    search = SEARCHES[name](
        model,
        space,
        resource=resource,
        max_resources=args.max_resources,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        n_jobs=args.n_jobs,
        random_state=seed,
        refit=False,
        **options,
    )
    if args.cpu:
        search._clock = search._timer = time.process_time
    return search


def expected_seconds(plan, whole):
    """Return the seconds of a plan, by what an evaluation took in the search of the whole plan."""
    measured: dict[int, list[float]] = {}
    for rung in whole.rungs_.rungs:
        measured.setdefault(rung.n_resources, []).append(rung.mean_seconds)
    amounts = sorted(measured)
    means = [np.nanmean(measured[amount]) for amount in amounts]
    total = 0.0
    for bracket in plan.brackets:
        below = None
        for rung in bracket.rungs:
            is_same = below is not None and below.n_resources == rung.n_resources
            n_splits = rung.n_splits - (below.n_splits if is_same else 0)
            seconds = np.interp(rung.n_resources, amounts, means)
            total += rung.n_candidates * n_splits * seconds
            below = rung
    return total


def sized_by_hand(make, share, whole, X, y):
    """Return the largest search whose plan is expected to fit into the given part of the time.

    `make` returns a search with given options, and `whole` is the fitted search with the whole plan. If
    nothing fits, the search has one candidate.
    """
    limit = share * expected_seconds(whole.plan_, whole)
    is_hyperband = isinstance(whole, HyperbandSearchCV)
    rounds = [{"n_repeats": n} for n in (3, 2, 1)] if is_hyperband else [{}]
    single = {"n_repeats": 1, "n_brackets": 1} if is_hyperband else {}
    for possible_options in (rounds, [single]):
        searches = [
            largest_search(make, limit, whole, options, X, y) for options in possible_options
        ]
        fitting = [search for search in searches if search is not None]
        if fitting:
            return max(fitting, key=lambda search: search.plan(X, y).n_candidates)
    return make(n_candidates=1, **single)


def largest_search(make, limit, whole, options, X, y):
    """Return the search with the most candidates that are expected to fit; None if none does."""
    for n_candidates in range(whole.plan_.brackets[0].n_candidates, 0, -1):
        search = make(n_candidates=n_candidates, **options)
        if expected_seconds(search.plan(X, y), whole) <= limit:
            return search
    return None


def timed_fit(search, X, y, clock):
    """Fit a search; return it with its best candidate refitted, and its seconds without the refit."""
    start = clock()
    search.fit(X, y)
    seconds = clock() - start
    return search.refit_best(X, y), seconds


def compare(name, args, parts):
    """Print a line for each part of the time."""
    X_fit, X_test, y_fit, y_test = parts
    clock = time.process_time if args.cpu else time.perf_counter
    rows = {share: [] for share in args.shares}
    scores, seconds = [], []
    for seed in range(args.seeds):
        make = partial(make_search, name, args, seed)
        whole, taken = timed_fit(make(), X_fit, y_fit, clock)
        scores.append(whole.best_estimator_.score(X_test, y_test))
        seconds.append(taken)
        for share in args.shares:
            limit = share * taken
            limited, used = timed_fit(make(max_time=limit), X_fit, y_fit, clock)
            by_hand, used_by_hand = timed_fit(
                sized_by_hand(make, share, whole, X_fit, y_fit), X_fit, y_fit, clock
            )
            rows[share].append(
                (
                    limited.best_estimator_.score(X_test, y_test),
                    by_hand.best_estimator_.score(X_test, y_test),
                    used / limit,
                    used_by_hand / limit,
                    limited.plan_.n_candidates,
                    by_hand.plan_.n_candidates,
                    limited.cv_results_["n_resources"].max() == args.max_resources,
                )
            )
            if args.verbose:
                print(seed, share, *(f"{value:.4g}" for value in rows[share][-1]), flush=True)
    print(f"{name}: the whole plan scores {np.mean(scores):.4f} in {np.mean(seconds):.1f} s")
    for share, measured in rows.items():
        columns = np.array(measured, dtype=float)
        means = columns.mean(axis=0)
        differences = columns[:, 0] - columns[:, 1]
        error = differences.std(ddof=1) / np.sqrt(len(differences)) if args.seeds > 1 else np.nan
        print(
            f"{share:8.2f}{means[0]:10.4f}{means[1]:10.4f}{differences.mean():+10.4f}{error:8.4f}"
            f"{means[2]:10.2f}{means[3]:10.2f}{means[4]:8.1f}{means[5]:8.1f}{means[6]:8.2f}",
            flush=True,
        )


def main():
    """Compare both searches on each table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the folder of the tables")
    parser.add_argument(
        "--tables", nargs="+", default=["electricity", "bank_marketing", "magictelescope"]
    )
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES), choices=list(SEARCHES))
    parser.add_argument("--model", choices=["boosting", "forest"], default="boosting")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--train-rows", type=int, default=1_000)
    parser.add_argument("--max-resources", type=int, default=81)
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.2, 0.5])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--cpu", action="store_true", help="seconds of the processor")
    parser.add_argument("--verbose", action="store_true", help="a line for each seed, too")
    args = parser.parse_args()
    if args.cpu and args.n_jobs != 1:
        parser.error("--cpu needs --n-jobs 1")

    for table in args.tables:
        X, y = load(args.data, table, args.rows)
        parts = train_test_split(X, y, stratify=y, random_state=0, train_size=args.train_rows)
        print(f"{table}, {args.model}: {len(parts[0])} rows, R={args.max_resources}")
        print(
            f"{'of time':>8}{'max_time':>10}{'by hand':>10}{'difference':>10}{'+-':>8}"
            f"{'time used':>10}{'by hand':>10}{'cand.':>8}{'by hand':>8}{'with R':>8}"
        )
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No candidate was evaluated")
            for name in args.searches:
                compare(name, args, parts)


if __name__ == "__main__":
    main()
