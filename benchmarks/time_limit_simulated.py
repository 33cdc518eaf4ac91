"""What `max_time` comes to over recorded evaluations, with a clock that only these move.

As ``time_limit.py``, over the tables of ``tables.py`` as continuous functions (see ``problems.py``): there is
nothing to train and nothing that disturbs the clock, so that many seeds and problems are quickly
done. The estimator as it is given has the middle of each distribution. Every fit counts as a fresh one.

difference  the true score of the candidate that was chosen, less that of the search sized by hand, in
            the distance between the median and the best twentieth of random candidates;
time used   of the limit, with `max_time` and by hand.

    python benchmarks/tables.py --data ../shared/data
    python benchmarks/time_limit_simulated.py
    python benchmarks/time_limit_simulated.py --held-back
"""

import argparse
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from defaults import RecordedSplits
from problems import CACHE, Simulated, SmoothProblem, table_problems
from time_limit import SEARCHES, sized_by_hand

from skhyperband._resources import N_SAMPLES


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        """Return the seconds."""
        return self.now


class TakesTime(Simulated):
    """Moves the clock of its problem by what the evaluation took."""

    def __sklearn_clone__(self):
        return TakesTime(self.problem, **self.params)

    def score(self, X, y):
        """Return what the problem has."""
        evaluations, where = self.look_up(X)
        self.problem.clock.now += evaluations.fit_seconds[where] + evaluations.score_seconds[where]
        return evaluations.scores[where]


def make_search(problem, name, seed, **options):
    """Return a search with its defaults and the given options."""
    of_samples = problem.resource == N_SAMPLES
    middle = np.full(len(problem.encoding.axes), 0.5)
    search = SEARCHES[name](
        TakesTime(problem, **problem.encoding.candidate_at(0, middle, np.random.RandomState(0))),
        problem.space,
        resource=problem.resource if of_samples else "n_iterations",
        max_resources="auto" if of_samples else int(problem.resources[-1]),
        cv=RecordedSplits(problem.fold),
        refit=False,
        error_score="raise",
        random_state=seed,
        **options,
    )
    search._clock = search._timer = problem.clock
    return search


def run(problem, search):
    """Fit a search; return it, the true score of its choice, and the seconds."""
    start = problem.clock.now
    search.fit(np.arange(len(problem.y))[:, np.newaxis], problem.y)
    given = search.estimator.params
    chosen = {name: search.best_params_.get(name, value) for name, value in given.items()}
    return search, problem.evaluations(chosen).truth, problem.clock.now - start


def compare(problem, name, args):
    """Return a line for each seed and share: difference, time used, and candidates."""
    median, best = np.quantile(problem.of_random_candidates[0], [0.5, 0.95])
    rows = []
    for seed in range(args.seeds):
        make = partial(make_search, problem, name, seed)
        whole, _, seconds = run(problem, make())
        for share in args.shares:
            limit = share * seconds
            limited, score, used = run(problem, make(max_time=limit))
            X = np.arange(len(problem.y))[:, np.newaxis]
            by_hand, score_by_hand, used_by_hand = run(
                problem, sized_by_hand(make, share, whole, X, problem.y)
            )
            rows.append(
                (
                    share,
                    (score - score_by_hand) / (best - median),
                    used / limit,
                    used_by_hand / limit,
                    limited.plan_.n_candidates,
                    by_hand.plan_.n_candidates,
                )
            )
    return rows


def print_rows(title, rows, shares):
    """Print the means of each share."""
    columns = np.array(rows)
    for share in shares:
        of_share = columns[columns[:, 0] == share, 1:]
        means = of_share.mean(axis=0)
        error = of_share[:, 0].std(ddof=1) / np.sqrt(len(of_share)) if len(of_share) > 1 else 0
        print(
            f"{title:28}{share:8.2f}{means[0]:+12.3f}{error:8.3f}{means[1]:10.2f}{means[2]:10.2f}"
            f"{means[3]:8.1f}{means[4]:8.1f}",
            flush=True,
        )


def main():
    """Compare both searches on each table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the tables are")
    parser.add_argument("--held-back", action="store_true", help="the tables kept back")
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES), choices=list(SEARCHES))
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.2, 0.5])
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    problems = list(table_problems(SmoothProblem, args.cache, held_back=args.held_back))
    if not problems:
        parser.error(f"--cache={args.cache} has none of the tables; make them by tables.py.")
    warnings.simplefilter("ignore")
    print(
        f"{'':28}{'of time':>8}{'difference':>12}{'+-':>8}{'time used':>10}{'by hand':>10}"
        f"{'cand.':>8}{'by hand':>8}"
    )
    for name in args.searches:
        every = []
        for problem in problems:
            problem.clock = Clock()
            rows = compare(problem, name, args)
            print_rows(problem.name, rows, args.shares)
            every += rows
        print_rows(f"{name}, all", every, args.shares)


if __name__ == "__main__":
    main()
