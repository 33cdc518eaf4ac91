"""What idle cores are worth: levels with one and with two evaluations, run by several workers.

Side by side, in the same worker processes: each level as a search runs it, with the idle cores shared
out among its evaluations, and with one thread for each evaluation. The figures are medians of the wall
time of a level in seconds, and the ratio of the two.

Unset OMP_NUM_THREADS, which a search takes for the user's own limit.
"""

import argparse
import statistics
import time

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.metrics import get_scorer

from skhyperband._evaluator import Evaluator
from skhyperband._executors import make_executor
from skhyperband._level_evaluation import threads_for_each
from skhyperband._records import Task
from skhyperband._resources import ParameterResource, Split

# The estimator, its resource, and how much of it is trained.
ESTIMATORS = [
    (RandomForestClassifier(random_state=0), "n_estimators", 50),
    (ExtraTreesClassifier(random_state=0), "n_estimators", 50),
    (BaggingClassifier(random_state=0), "n_estimators", 20),
    (HistGradientBoostingClassifier(random_state=0), "max_iter", 100),
]


def seconds_of(executor, n_tasks, n_threads, n_resources):
    """Return the wall time of a level, and its scores."""
    tasks = [Task({}, n_resources, split, n_threads=n_threads) for split in range(n_tasks)]
    start = time.perf_counter()
    results = sorted(executor.run(tasks), key=lambda finished: finished.position)
    return time.perf_counter() - start, [finished.result.test_scores for finished in results]


def main():
    """Time the levels in turn and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    X, y = make_classification(args.rows, args.columns, n_informative=10, random_state=0)
    rows = np.arange(args.rows)
    splits = [Split(rows[rows % 5 != i], rows[rows % 5 == i]) for i in range(2)]
    print(
        f"{'':35}{'evaluations':>12}{'threads':>9}{'one thread':>12}{'idle cores':>12}{'ratio':>7}"
    )
    for estimator, resource, n_resources in ESTIMATORS:
        evaluator = Evaluator(
            estimator, X, y, splits, ParameterResource(resource), get_scorer("roc_auc")
        )
        with make_executor(evaluator, args.jobs, "2*n_jobs") as executor:
            for n_tasks in (1, 2):
                n_threads = threads_for_each(
                    n_tasks, n_workers=executor.n_workers, n_cores=executor.n_cores
                )
                times = {1: [], n_threads: []}
                scores = set()
                for repeat in range(args.repeats + 1):
                    for n in times:
                        seconds, found = seconds_of(executor, n_tasks, n, n_resources)
                        scores.add(tuple(found))
                        if repeat:  # The first one loads libraries and sends the data.
                            times[n].append(seconds)
                assert len(scores) == 1, "the scores differ"
                one, several = (statistics.median(times[n]) for n in (1, n_threads))
                print(
                    f"{type(estimator).__name__:35}{n_tasks:12}{n_threads:9}"
                    f"{one:12.3f}{several:12.3f}{several / one:7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
