"""Searches that are killed at random moments, and what they end with.

main      the process of the search is killed (SIGKILL) while a level runs, again and
          again, each time started with the same journal, until it ends; with one process
          and with two. Kills before the search began or after it ended do not count.
workers   worker processes are killed at random while they fit.

Each ends with the `cv_results_` of a search that nobody disturbed; the script counts rows
that are missing or differ, and exits with 1 where there is one. Leaked folders and
semaphores of which joblib's resource tracker speaks are those of searches that were killed;
it removes them. POSIX only.
"""

import argparse
import contextlib
import functools
import os
import pickle
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier

from skhyperband import HyperbandSearchCV

X, y = make_classification(300, 8, random_state=0)
# So many fits of one process, and it is none that runs suspects alone.
N_FITS_OF_A_POOL_WORKER = 6


class Slow(ClassifierMixin, BaseEstimator):
    """Is a forest, takes its time, and notes in a folder which processes fit."""

    def __init__(self, max_features=0.5, n_units=1, seconds=0.01, folder=None):
        self.max_features = max_features
        self.n_units = n_units
        self.seconds = seconds
        self.folder = folder

    def fit(self, X, y):
        """Note it, wait, and fit."""
        if self.folder is not None:
            with open(Path(self.folder, str(os.getpid())), "a") as file:
                file.write("x")
        time.sleep(self.seconds)
        forest = ExtraTreesClassifier(
            self.n_units, max_features=self.max_features, max_depth=5, random_state=0
        )
        self.forest_ = forest.fit(X, y)
        self.classes_ = forest.classes_
        return self

    def predict(self, X):
        """Ask the forest."""
        return self.forest_.predict(X)


def make_search(n_jobs, seed, seconds, **options):
    """Return Hyperband over 49 candidates, a level being 27, 21, 13 and 8 of them."""
    return HyperbandSearchCV(
        Slow(seconds=seconds),
        {"max_features": uniform(0.05, 0.9)},
        resource="n_units",
        max_resources=27,
        min_resources=1,
        min_splits=None,
        n_brackets="all",
        n_repeats=1,
        promotion="bracket",
        sampler="random",
        cv=3,
        refit=False,
        n_jobs=n_jobs,
        random_state=seed,
        **options,
    )


@functools.cache
def undisturbed(seed):
    """Return the results of a search that nobody disturbs, which depend on its seed alone."""
    results, _ = outcome_of(make_search(1, seed, seconds=0.0))
    return results


def in_child(work):
    """Run it in a forked process; return its number and the pipe that it writes to."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, os.fdopen(reading, "rb")
    status = 1
    try:
        os.close(reading)
        os.setsid()
        with os.fdopen(writing, "wb") as pipe:
            work(pipe)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def run(pipe, search):
    """Say when the search begins, and what it came to."""
    pipe.write(b"begun\n")
    pipe.flush()
    search.fit(X, y)
    results = {k: v for k, v in search.cv_results_.items() if "time" not in k}
    pickle.dump((results, search.n_replayed_), pipe)


def outcome_of(search, kill_after=None):
    """Fit in a child; return its results, or None where it was killed before its end."""
    process, pipe = in_child(lambda pipe: run(pipe, search))
    with pipe:
        assert pipe.readline() == b"begun\n"
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(process, signal.SIGKILL)
        rest = pipe.read()
    os.waitpid(process, 0)
    end_workers_of(process)
    try:
        return pickle.loads(rest)
    except (EOFError, pickle.UnpicklingError):
        return None


def end_workers_of(process):
    """End workers that had no task yet when their search was killed: they wait for minutes."""
    for other in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            ours = os.getsid(other.pid) == process
            if ours and any("popen_loky" in word for word in other.info["cmdline"] or ()):
                other.kill()


def n_lost(results, expected):
    """Return how many rows are missing or differ, the cost of training aside."""
    if results["params"] != expected["params"]:
        return len(expected["params"])
    names = expected.keys() - {"params", "n_resources_trained"}
    differs = np.zeros(len(expected["params"]), dtype=bool)
    for name in names:
        one, other = np.ma.filled(results[name]), np.ma.filled(expected[name])
        same = one == other
        if one.dtype.kind == "f":
            same |= np.isnan(one) & np.isnan(other)
        differs |= ~same
    return int(differs.sum())


def kill_main(args, n_jobs, rng):
    """Kill searches until enough kills landed; return kills, searches and rows lost."""
    kills = searches = lost = n_rows = 0
    while kills < args.kills:
        search = make_search(n_jobs, searches, args.seconds)
        expected = undisturbed(searches)
        with tempfile.TemporaryDirectory() as folder:
            search.set_params(journal=str(Path(folder, "journal")))
            while True:
                # Two workers take a second to start; a kill may come before that, too.
                longest = (1.0 if n_jobs == 1 else 2.5) * args.patience
                enough = kills >= args.kills
                outcome = outcome_of(search, None if enough else rng.uniform(0, longest))
                if outcome is not None:
                    break
                kills += 1
        results, _ = outcome
        lost += n_lost(results, expected)
        n_rows += len(expected["params"])
        searches += 1
    return kills, searches, n_rows, lost


def kill_workers(args, rng):
    """Kill workers until enough kills landed; return kills, searches and rows lost."""
    kills = searches = lost = n_rows = 0
    while kills < args.kills:
        search = make_search(2, searches, args.seconds)
        expected = undisturbed(searches)
        with tempfile.TemporaryDirectory() as folder:
            search.set_params(estimator__folder=folder)
            stop = threading.Event()
            counted = []

            def kill(folder=folder, stop=stop, counted=counted, n_wanted=args.kills - kills):
                while len(counted) < n_wanted:
                    if stop.wait(rng.uniform(0.1, 1.0) * args.patience):
                        return
                    victim = a_pool_worker(folder, rng)
                    if victim is not None:
                        victim.kill()
                        counted.append(victim.pid)

            killer = threading.Thread(target=kill)
            killer.start()
            results, _ = outcome_of(search)
            stop.set()
            killer.join()
        kills += len(counted)
        lost += n_lost(results, expected)
        n_rows += len(expected["params"])
        searches += 1
    return kills, searches, n_rows, lost


def a_pool_worker(folder, rng):
    """Return a process that has made some fits and lives, as those that run all tasks do."""
    fitting = [p for p in Path(folder).iterdir() if p.stat().st_size >= N_FITS_OF_A_POOL_WORKER]
    alive = [int(p.name) for p in fitting if psutil.pid_exists(int(p.name))]
    try:
        return psutil.Process(rng.choice(alive)) if alive else None
    except psutil.NoSuchProcess:
        return None


def main():
    """Run what is asked for, and print what was survived."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="of each kind")
    parser.add_argument("--seconds", type=float, default=0.02, help="that a fit waits")
    parser.add_argument("--patience", type=float, default=1.0, help="a longer time to a kill")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)

    parts = {
        "search, n_jobs=1": lambda: kill_main(args, 1, rng),
        "search, n_jobs=2": lambda: kill_main(args, 2, rng),
        "workers": lambda: kill_workers(args, rng),
    }
    print(f"{'killed':20}{'kills':>8}{'searches':>10}{'rows':>8}{'rows lost':>11}{'seconds':>9}")
    all_lost = 0
    for name, part in parts.items():
        start = time.perf_counter()
        kills, searches, n_rows, lost = part()
        took = time.perf_counter() - start
        print(f"{name:20}{kills:8}{searches:10}{n_rows:8}{lost:11}{took:9.0f}", flush=True)
        all_lost += lost
    return 1 if all_lost else 0


if __name__ == "__main__":
    sys.exit(main())
