"""The same search on each engine: one process, threads, loky, Dask and Ray, with two workers.

First a search over HistGradientBoosting, whose results must be equal. Then many candidates that
cost nothing, to see what an engine takes for an evaluation. Then X of 80 MB with few and with many
candidates: the bytes that cross for each evaluation, and how much the memory of Dask's scheduler and
of Ray's object store grows.

Bytes are read from the counters of the operating system (Linux: /proc): what crosses the loopback
device, which other programs use too, and with loky what its workers read from their pipes. Each
engine is warmed by an untimed search. Repeats are medians; the variants take turns.
"""

import argparse
import contextlib
import os
import statistics
import time

import joblib
import numpy as np
import psutil
from overhead import Free
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV


@contextlib.contextmanager
def one_process():
    with joblib.parallel_config(backend="sequential", n_jobs=1):
        yield lambda: 0


@contextlib.contextmanager
def threads():
    with joblib.parallel_config(backend="threading", n_jobs=2):
        yield lambda: 0


@contextlib.contextmanager
def loky():
    with joblib.parallel_config(backend="loky", n_jobs=2):
        yield lambda: 0


@contextlib.contextmanager
def dask():
    """Start Dask's scheduler and two workers, each in a process of its own."""
    import distributed
    from distributed.deploy.subprocess import SubprocessCluster

    with (
        SubprocessCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        with joblib.parallel_config(backend="dask"):
            scheduler = client.run_on_scheduler(os.getpid)
            yield lambda: psutil.Process(scheduler).memory_info().rss


@contextlib.contextmanager
def ray():
    """Start Ray with two cores."""
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with joblib.parallel_config(backend="ray"):
            # The object store is a file in shared memory that grows as it is used.
            yield lambda: psutil.disk_usage("/dev/shm").used
    finally:
        ray.shutdown()


ENGINES = {
    "one process": one_process,
    "threading": threads,
    "loky": loky,
    "dask": dask,
    "ray": ray,
}


def bytes_that_crossed():
    """Return a counter: what crossed the loopback device, and what loky's workers have read."""
    workers = [
        child
        for child in psutil.Process().children(recursive=True)
        if "popen_loky" in " ".join(child.cmdline())
    ]
    read = sum(worker.io_counters().read_chars for worker in workers)
    return psutil.net_io_counters(pernic=True)["lo"].bytes_sent + read


def boosting(args):
    """Return a search whose fits take some time."""
    return HyperbandSearchCV(
        HistGradientBoostingClassifier(early_stopping=False, random_state=0),
        {"max_leaf_nodes": range(2, 64), "learning_rate": [0.01, 0.03, 0.1, 0.3]},
        max_resources=81,
        min_resources=9,
        n_candidates=27,
        cv=5,
        random_state=0,
    )


def many(n_candidates):
    """Return a search over candidates that cost nothing."""
    return SuccessiveHalvingSearchCV(
        Free(),
        {"alpha": range(10 * n_candidates)},
        n_candidates=n_candidates,
        resource="n_units",
        max_resources=1,
        min_splits=None,
        cv=2,
        refit=False,
        random_state=0,
    )


def equal_results(one, other):
    """Return whether two searches have the same results, apart from the times."""
    return all(
        np.array_equal(one.cv_results_[name], other.cv_results_[name], equal_nan=True)
        if one.cv_results_[name].dtype.kind == "f"
        else list(one.cv_results_[name]) == list(other.cv_results_[name])
        for name in one.cv_results_
        if "time" not in name and name != "params"
    )


def timed(search, X, y):
    start = time.perf_counter()
    search.fit(X, y)
    return search, time.perf_counter() - start - getattr(search, "refit_time_", 0.0)


def compare_times(args):
    """Run the same search on each engine, one repeat of each after the other."""
    X, y = make_classification(args.rows, 20, n_informative=10, random_state=0)
    few = X[:200], y[:200]
    seconds = {name: [] for name in args.engines}
    each = {name: [] for name in args.engines}
    equal = {}
    reference, _ = timed(boosting(args), X, y)
    for _ in range(args.repeats):
        for name in args.engines:
            with ENGINES[name]():
                many(50).fit(*few)
                search, taken = timed(boosting(args), X, y)
                seconds[name].append(taken)
                equal[name] = equal.get(name, True) and equal_results(reference, search)
                _, taken = timed(many(args.candidates), *few)
                each[name].append(1000 * taken / (2 * args.candidates))
                print(f"# {name}: {seconds[name][-1]:.1f} s, {each[name][-1]:.2f} ms", flush=True)
    first = statistics.median(seconds[args.engines[0]])
    print(f"{'engine':14}{'seconds':>9}{'ratio':>8}{'equal':>7}{'ms/evaluation':>15}")
    for name in args.engines:
        middle = statistics.median(seconds[name])
        print(
            f"{name:14}{middle:9.1f}{middle / first:8.2f}{equal[name]!s:>7}"
            f"{statistics.median(each[name]):15.2f}",
            flush=True,
        )


def compare_bytes(args):
    """Search with X of 80 MB, with few and with many candidates."""
    X = np.random.default_rng(0).normal(size=(200_000, 50))
    y = np.arange(len(X)) % 2
    numbers = 10, args.candidates // 10
    print(f"{'engine':14}{'MB, ' + str(numbers[0]):>12}{'bytes/evaluation':>18}{'MB more':>9}")
    for name in args.engines:
        with ENGINES[name]() as memory:
            many(50).fit(X[:200], y[:200])
            before, crossed = memory(), []
            for n_candidates in numbers:
                start = bytes_that_crossed()
                many(n_candidates).fit(X, y)
                crossed.append(bytes_that_crossed() - start)
            per_evaluation = (crossed[1] - crossed[0]) / (2 * (numbers[1] - numbers[0]))
            print(
                f"{name:14}{crossed[0] / 1e6:12.1f}{per_evaluation:18.0f}"
                f"{(memory() - before) / 1e6:9.1f}",
                flush=True,
            )


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    with threadpool_limits(1):
        compare_times(args)
        compare_bytes(args)


if __name__ == "__main__":
    main()
