"""Which sampler finds a good candidate for the least CPU time.

The same search with each sampler, and other libraries by themselves, over problems that train nothing (see
``problems.py``). What a run costs are the recorded seconds of what it evaluated, and the CPU seconds
that the sampler itself took; these count in full, although some tables are of fits that take a
millisecond.

loss        the best score that a random candidate can have, less the score of the candidate that
            was chosen (the mean over all splits with the whole resource);
efficiency  the number of random configurations, each evaluated on all splits with the whole
            resource, of which the best loses as little in the mean, times what one of them costs,
            divided by what the search costs. 1 is a random search; 2 reaches a random search's
            loss for half of its cost.

    python benchmarks/tables.py --data ../shared/data
    python benchmarks/samplers.py --problems tables
    python benchmarks/samplers.py --problems smooth --held-back
    python benchmarks/samplers.py --problems synthetic

Optuna is used as its documentation does: with full evaluations, and with its HyperbandPruner, which is
told the mean score over all splits after each amount of the resource. scikit-optimize's optimizer is the one
of its BayesSearchCV.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Any, NamedTuple

import numpy as np
import optuna
from defaults import RecordedSplits, equivalent_configurations
from joblib import Parallel, delayed
from one_by_one import ByOptuna, ByScikitOptimize
from problems import (
    CACHE,
    Candidate,
    Problem,
    Simulated,
    SmoothProblem,
    TableProblem,
    synthetic_problems,
    table_problems,
)
from tables import N_SPLITS
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._resources import N_SAMPLES
from skhyperband._samplers import Sampler, SamplingProblem, make_sampler
from skhyperband._samplers.learning import LearningSampler
from skhyperband._samplers.model import ModelLearner
from skhyperband._samplers.optuna_learner import OptunaLearner
from skhyperband._space import candidate_key

# What evaluates one by one goes on until it has cost as much as so many random configurations.
_BUDGET = 20
_STEPS = 9


class Run(NamedTuple):
    """What one search came to: the true score of its choice, and CPU seconds."""

    score: float
    seconds: float
    own_seconds: float


# --- our searches ------------------------------------------------------------------


class _Clocked:
    """A sampler whose own CPU time is measured."""

    def __init__(self, sampler: Sampler):
        self._sampler = sampler
        self.seconds = 0.0

    def __deepcopy__(self, memo: Any) -> "_Clocked":
        return self

    def ask(self, n, *, repeat, bracket):
        start = time.process_time()
        candidates = self._sampler.ask(n, repeat=repeat, bracket=bracket)
        self.seconds += time.process_time() - start
        return candidates

    def tell(self, level):
        start = time.process_time()
        self._sampler.tell(level)
        self.seconds += time.process_time() - start


class _Nearest(OptunaLearner):
    """Lets Optuna choose in the whole space, and takes the nearest candidates of a table."""

    def __init__(self, problem: TableProblem):
        super().__init__([problem.family_space])
        self._problem = problem

    def choose(self, n, observations, taken, seed):
        keys = {candidate_key(candidate) for candidate in taken}
        chosen = []
        for candidate in super().choose(n, observations, taken, seed):
            nearest = self._problem.nearest(candidate, keys)
            keys.add(candidate_key(nearest))
            chosen.append(dict(nearest))
        return chosen


def _sampler_for(name: str, problem: Problem, seed: int) -> Sampler:
    arguments = {"random_state": seed, "seed": seed + 10**6}
    if type(problem) is not TableProblem or name in ("random", "sobol"):
        return make_sampler(
            name, SamplingProblem(problem.space, [], **arguments), whole_grid=False
        )
    # Candidates of a table are compared by the scale of the space that they were drawn from.
    learner = _Nearest(problem) if name == "tpe" else None
    surrogate = "gp" if name == "model" else name
    learner = learner or ModelLearner(problem.space, surrogate, problem.encoding)
    return LearningSampler(learner, problem.space, **arguments)


def _search(search_class: type, sampler: str, **arguments: Any) -> Callable[[Problem, int], Run]:
    def run(problem: Problem, seed: int) -> Run:
        clocked = _Clocked(_sampler_for(sampler, problem, seed))
        of_samples = problem.resource == N_SAMPLES
        search = search_class(
            Simulated(problem),
            problem.space,
            resource=problem.resource if of_samples else "n_iterations",
            max_resources="auto" if of_samples else int(problem.resources[-1]),
            cv=RecordedSplits(problem.fold),
            sampler=clocked,
            refit=False,
            error_score="raise",
            random_state=seed,
            **arguments,
        )
        search.fit(np.arange(len(problem.y))[:, np.newaxis], problem.y)
        truth = problem.evaluations(_drawn(problem, search.best_params_)).truth
        return Run(truth, _seconds_of(problem, search.cv_results_), clocked.seconds)

    return run


def _drawn(problem: Problem, params: Candidate) -> Candidate:
    """Return the parameters without the resource."""
    names = {name for part in problem.space for name in part}
    return {name: value for name, value in params.items() if name in names}


def _seconds_of(problem: Problem, results: Mapping[str, Any]) -> float:
    """Return the recorded seconds of all that a search evaluated, training continued."""
    scores = np.column_stack([results[f"split{i}_test_score"] for i in range(N_SPLITS)])
    last: dict[int, np.ndarray] = {}
    total = 0.0
    for row in np.argsort(results["n_resources"], kind="stable"):
        evaluations = problem.evaluations(_drawn(problem, results["params"][row]))
        position = problem.position_of(results["n_resources"][row])
        known = last.setdefault(int(results["candidate_id"][row]), np.full(N_SPLITS, -1))
        new = ~np.isnan(scores[row]) & (known != position)
        seconds = evaluations.fit_seconds[:, position].copy()
        on = known >= 0
        extra = evaluations.extra_seconds[position]
        if not np.isnan(extra):
            seconds[on] += extra - evaluations.fit_seconds[np.flatnonzero(on), known[on]]
        seconds = np.maximum(seconds, 0) + evaluations.score_seconds[:, position]
        total += seconds[new].sum()
        known[new] = position
    return total


# --- other libraries by themselves --------------------------------------------------


def _optuna(*, pruned: bool) -> Callable[[Problem, int], Run]:
    def run(problem: Problem, seed: int) -> Run:
        return _one_by_one(
            problem, ByOptuna(_space_of(problem), seed, pruned=pruned), pruned=pruned
        )

    return run


def _scikit_optimize(problem: Problem, seed: int) -> Run:
    return _one_by_one(problem, ByScikitOptimize(_space_of(problem), seed))


def _space_of(problem: Problem) -> Sequence[Mapping[str, Any]]:
    """Return what the candidates of a problem were drawn from."""
    return [problem.family_space] if type(problem) is TableProblem else problem.space


def _one_by_one(problem: Problem, way: Any, *, pruned: bool = False) -> Run:
    """Evaluate one candidate after another until the budget is spent."""
    budget = _BUDGET * problem.of_random_candidates[1]
    is_table = type(problem) is TableProblem
    taken: set[Any] = set()
    truths = [-np.inf]
    spent = own = 0.0
    while spent < budget:
        start = time.process_time()
        candidate = way.ask()
        own += time.process_time() - start
        if is_table:
            candidate = problem.nearest(candidate, taken)
            taken.add(candidate_key(candidate))
        evaluations = problem.evaluations(candidate)
        seconds, value, own_of_pruner = evaluations.full_cost, evaluations.truth, 0.0
        if pruned:
            seconds, value, own_of_pruner = _evaluate_in_steps(way, evaluations)
        spent += seconds
        start = time.process_time()
        way.tell(value)
        own += own_of_pruner + time.process_time() - start
        if value is not None:
            truths.append(value)
    return Run(max(truths), spent, own)


def _evaluate_in_steps(way: ByOptuna, evaluations: Any) -> tuple[float, float | None, float]:
    """Return the seconds of a candidate, its score (None if it was pruned), and the pruner's time."""
    n_resources = evaluations.scores.shape[1]
    positions = sorted({round(i) for i in np.linspace(0, n_resources - 1, _STEPS)})
    is_continued = not np.isnan(evaluations.extra_seconds).any()
    total = own = 0.0
    before = np.zeros(N_SPLITS)
    for position in positions:
        fit = evaluations.fit_seconds[:, position]
        extra = evaluations.extra_seconds[position] if is_continued and before.any() else 0.0
        total += np.maximum(fit + extra - (before if is_continued else 0), 0).sum()
        total += evaluations.score_seconds[:, position].sum()
        before = fit
        start = time.process_time()
        is_bad = way.is_bad(evaluations.scores[:, position].mean(), position + 1)
        own += time.process_time() - start
        if is_bad and position < n_resources - 1:
            return total, None, own
    return total, evaluations.truth, own


# --- what is compared --------------------------------------------------------------

VARIANTS: dict[str, Callable[[Problem, int], Run]] = {
    **{
        f"Hyperband, {sampler}": _search(HyperbandSearchCV, sampler)
        for sampler in ("random", "sobol", "model", "forest", "tpe")
    },
    "Hyperband, model, 1 round": _search(HyperbandSearchCV, "model", n_repeats=1),
    "Hyperband, model, 1 round of 27": _search(
        HyperbandSearchCV, "model", n_repeats=1, n_candidates=27
    ),
    "Hyperband, model, 5 rounds": _search(HyperbandSearchCV, "model", n_repeats=5),
    "Hyperband, model, by bracket": _search(HyperbandSearchCV, "model", promotion="bracket"),
    "Hyperband, model, all brackets": _search(HyperbandSearchCV, "model", n_brackets="all"),
    "Hyperband, model, all, 2 rounds": _search(
        HyperbandSearchCV, "model", n_brackets="all", n_repeats=2
    ),
    "successive halving, random": _search(SuccessiveHalvingSearchCV, "random"),
    "Optuna, TPE": _optuna(pruned=False),
    "Optuna, TPE, HyperbandPruner": _optuna(pruned=True),
    "scikit-optimize": _scikit_optimize,
}


class Result(NamedTuple):
    """What a variant came to on one problem, over all seeds."""

    efficiency: float
    cost: float
    own_cost: float


def run_variant(name: str, problem: Problem, seeds: Sequence[int]) -> Result:
    """Run a variant once for each seed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        runs = [VARIANTS[name](problem, seed) for seed in seeds]
    scores, seconds, own = np.array(runs).T
    truth, full = problem.of_random_candidates
    n_configurations = equivalent_configurations(truth, max(truth.max() - scores.mean(), 0))
    return Result(
        n_configurations * full / (seconds.mean() + own.mean()),
        seconds.mean() / full,
        own.mean() / full,
    )


def _problems(kind: str, cache: Path, held_back: bool) -> list[Problem]:
    if kind == "synthetic":
        return list(synthetic_problems())
    made = {"tables": TableProblem, "smooth": SmoothProblem}[kind]
    return list(table_problems(made, cache, held_back=held_back))


def main() -> None:
    """Compare the samplers over one kind of problems."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", choices=["tables", "smooth", "synthetic"], default="tables")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the tables are")
    parser.add_argument("--held-back", action="store_true", help="the tables kept back")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--n-jobs", type=int, default=1)
    args = parser.parse_args()
    problems = _problems(args.problems, args.cache, args.held_back)
    if not problems:
        parser.error(f"--cache={args.cache} has none of the tables; make them by tables.py.")
    jobs = [(name, problem) for name in args.variants for problem in problems]
    results = Parallel(n_jobs=args.n_jobs)(
        delayed(run_variant)(name, problem, range(args.seeds)) for name, problem in jobs
    )
    for number, problem in enumerate(problems):
        print(f"{number:>4} {problem.name}")
    headings = ["mean", "worst", "cost", "own", *map(str, range(len(problems)))]
    print(f"\n{'efficiency':34}" + "".join(f"{heading:>8}" for heading in headings))
    for name in args.variants:
        of_one = [r for (job, _), r in zip(jobs, results, strict=True) if job == name]
        efficiencies = [result.efficiency for result in of_one]
        cells = (
            geometric_mean(efficiencies),
            min(efficiencies),
            np.mean([result.cost for result in of_one]),
            np.mean([result.own_cost for result in of_one]),
            *efficiencies,
        )
        print(f"{name:34}" + "".join(f"{cell:8.2f}" for cell in cells))


if __name__ == "__main__":
    main()
