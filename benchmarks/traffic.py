"""The bytes that really cross to the workers, and the memory that they take.

The operating system's own counters are read (Linux: /proc): what the worker processes
read and write between the start and the end of a search, which is all that comes
through their pipes, over the number of tasks; X itself is mapped, and so not read. The
memory is what a worker holds alone when the search has ended.
"""

import argparse
import time

import numpy as np
import pandas
import psutil
import scipy.sparse
from joblib import Parallel, delayed
from overhead import Free

from skhyperband import SuccessiveHalvingSearchCV


def warm(n_jobs):
    """Start the workers and let them import what they need."""
    Parallel(n_jobs=n_jobs)(delayed(_imports)() for _ in range(8 * n_jobs))


def _imports():
    import skhyperband  # noqa: F401

    time.sleep(0.05)


def workers():
    """Return joblib's worker processes."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "popen_loky" in " ".join(child.cmdline())
    ]


def transferred(processes):
    """Return what the processes have read and written so far."""
    counters = [process.io_counters() for process in processes]
    return np.array([(c.read_chars, c.write_chars) for c in counters]).sum(axis=0)


def containers(rows, columns):
    """Return X in each form, by name."""
    X = np.random.default_rng(0).normal(size=(rows, columns))
    thin = np.where(X > 1, X, 0.0)
    return {
        "array": X,
        "DataFrame": pandas.DataFrame(X, columns=[f"x{i}" for i in range(columns)]),
        "sparse": scipy.sparse.csr_matrix(thin),
    }


def main():
    """Search over each container with few and with many candidates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--candidates", type=int, nargs="+", default=[10, 1000, 10_000])
    args = parser.parse_args()

    y = np.arange(args.rows) % 2
    print(
        f"{'container':12}{'candidates':>12}{'read/task':>12}{'written/task':>14}{'MB/worker':>12}"
    )
    for name, X in containers(args.rows, args.columns).items():
        for n in args.candidates:
            warm(2)
            processes = workers()
            before = transferred(processes)
            SuccessiveHalvingSearchCV(
                Free(),
                {"alpha": range(10 * n)},
                n_candidates=n,
                resource="n_units",
                max_resources=1,
                min_splits=None,
                refit=False,
                n_jobs=2,
                random_state=0,
            ).fit(X, y)
            read, written = (transferred(processes) - before) / (5 * n)
            memory = max(process.memory_full_info().uss for process in processes) / 1e6
            print(f"{name:12}{n:12}{read:12.0f}{written:14.0f}{memory:12.0f}", flush=True)


if __name__ == "__main__":
    main()
