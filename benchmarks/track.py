"""The figures of this version that must not get worse, beside those of others.

own cost             what a search takes for itself, over a bare loop of clone, set_params, cut, fit and
                     score of an estimator that costs nothing: one rung and five, one process
continued training   CPU seconds of a search over forests that continues training, over the same one
                     that fits afresh
defaults             how many times as fast as a random search the two searches are with their
                     defaults, on a table of real evaluations of LightGBM as a continuous function
                     (`samplers.py` explains the measure); computed, not timed

    python benchmarks/track.py                     # this checkout
    python benchmarks/track.py v0.1.0 main         # these revisions, each by its own copy of this script
    python benchmarks/track.py --limits            # fails where a figure is worse than it may be

The last one is part of CI. All figures are ratios: absolute times say little on a machine that others use.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import overhead
from defaults import equivalent_configurations
from problems import SmoothProblem, table_problems
from samplers import VARIANTS
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_limits

from skhyperband import SuccessiveHalvingSearchCV

ROOT = Path(__file__).parents[1]
TABLES = Path(__file__).parent / "results" / "tables"
# What a figure may be at most, or has to be at least. A run of CI shares its machine, and another
# processor rounds differently, which changes what a model chooses: so there is room. The CPU
# seconds of fits wander too much for a limit.
AT_MOST = {"own cost, one rung": 2.0, "own cost, five rungs": 2.3}
AT_LEAST = {"Hyperband": 2.5, "successive halving": 2.0}


def own_costs(repeats: int) -> dict[str, float]:
    """Return the shortest time for an evaluation over that of the bare loop.

    What else runs on a machine makes a run longer, never shorter: the shortest of twelve
    wanders by 6 %, where medians of five were between 1.5 and 2.7 on the same code.
    """
    args = Namespace(rows=1000, columns=20, candidates=300, splits=5, folder=None, ours=True)
    contestants = overhead.variants(args)
    names = {
        "own cost, one rung": "skhyperband, one rung",
        "own cost, five rungs": "skhyperband, five rungs",
    }
    names_of_runs = ("bare loop", *names.values())
    each = seconds_in_turn([contestants[name] for name in names_of_runs], repeats)
    bare, *ours = (
        min(seconds) / overhead.n_evaluations(name, args)
        for name, seconds in zip(names_of_runs, each, strict=True)
    )
    return {name: cost / bare for name, cost in zip(names, ours, strict=True)}


def continued_training(repeats: int) -> float:
    """Return the CPU seconds of a search that continues over those of one that does not."""
    X, y = make_classification(500, random_state=0)

    def fit(continue_training: Any) -> Callable[[], object]:
        search = SuccessiveHalvingSearchCV(
            RandomForestClassifier(81, random_state=0),
            {"min_samples_leaf": [1, 2, 3, 4, 6, 8, 12, 16, 24]},
            n_candidates=9,
            min_resources=9,
            min_splits=None,
            cv=3,
            refit=False,
            continue_training=continue_training,
            random_state=0,
        )
        return lambda: search.fit(X, y)

    continued, fresh = seconds_in_turn([fit("auto"), fit(False)], repeats)
    return statistics.median(continued) / statistics.median(fresh)


def seconds_in_turn(runs: list[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Return the CPU seconds of the repeats of each; a first run of each does not count."""
    seconds: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats + 1):
        for run, found in zip(runs, seconds, strict=True):
            start = time.process_time()
            run()
            if repeat:
                found.append(time.process_time() - start)
    return seconds


def efficiencies(seeds: int) -> dict[str, float]:
    """Return how many times as fast as a random search the defaults are, own time left out."""
    (problem,) = table_problems(SmoothProblem, TABLES, held_back=True)
    truth, full = problem.of_random_candidates
    found = {}
    for name, variant in {
        "Hyperband": "Hyperband, model",
        "successive halving": "successive halving, random",
    }.items():
        runs = [VARIANTS[variant](problem, seed) for seed in range(seeds)]
        loss = max(truth.max() - np.mean([run.score for run in runs]), 0)
        cost = np.mean([run.seconds for run in runs]) / full
        found[name] = equivalent_configurations(truth, loss) / cost
    return found


def measure(repeats: int, seeds: int) -> dict[str, float]:
    """Return all figures of the package that this process imports."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        return {
            **own_costs(repeats),
            "continued training": continued_training(repeats),
            **efficiencies(seeds),
        }


def measure_revision(revision: str, repeats: int, seeds: int) -> dict[str, float]:
    """Return what a revision says of itself; it is checked out elsewhere for that."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        subprocess.run(
            ["git", "worktree", "add", "--detach", "--quiet", tree, revision], cwd=ROOT, check=True
        )
        try:
            script = tree / "benchmarks" / "track.py"
            options = ["--json", "--repeats", str(repeats), "--seeds", str(seeds)]
            printed = subprocess.run(
                [sys.executable, script, *options],
                env={**os.environ, "PYTHONPATH": str(tree)},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
    figures: dict[str, float] = json.loads(printed)
    return figures


def worse_than_allowed(figures: dict[str, float]) -> list[str]:
    """Return a line for each figure that is beyond its limit."""
    too_high = [
        f"{name}: {figures[name]:.2f}, at most {limit} allowed"
        for name, limit in AT_MOST.items()
        if figures[name] > limit
    ]
    too_low = [
        f"{name}: {figures[name]:.2f}, at least {limit} asked"
        for name, limit in AT_LEAST.items()
        if figures[name] < limit
    ]
    return too_high + too_low


def main() -> int:
    """Measure, print, and compare with the limits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revisions", nargs="*", help="the default is this checkout as it is")
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--limits", action="store_true", help="fail beyond the limits")
    parser.add_argument("--json", action="store_true", help="print one line for programs")
    args = parser.parse_args()
    if args.json and (args.revisions or args.limits):
        parser.error("--json is for this checkout, without revisions and --limits.")
    by_revision = {
        revision: measure_revision(revision, args.repeats, args.seeds)
        for revision in args.revisions
    } or {"this checkout": measure(args.repeats, args.seeds)}
    if args.json:
        print(json.dumps(next(iter(by_revision.values()))))
        return 0
    print(f"{'':22}" + "".join(f"{revision:>16}" for revision in by_revision))
    for name in next(iter(by_revision.values())):
        cells = "".join(f"{figures[name]:16.2f}" for figures in by_revision.values())
        print(f"{name:22}{cells}")
    complaints = [line for figures in by_revision.values() for line in worse_than_allowed(figures)]
    if args.limits:
        print(*complaints, sep="\n", end="\n" if complaints else "")
    return 1 if args.limits and complaints else 0


if __name__ == "__main__":
    sys.exit(main())
