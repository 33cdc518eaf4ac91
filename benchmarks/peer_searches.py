"""What `peers.py` compares: this package's searches and those that people would use instead.

Each is used as its own documentation does, with its defaults. A search that has a limit of time is
given it, one that has none is repeated with new seeds until the time is used. Where a library leaves
the evaluation to its user, a candidate is scored by cross-validation, and what prunes is told
the mean of the splits so far. SMAC, whose resource is the user's, too, is given the resource that the
searches of this package choose, from a ninth of it on. FLAML and Ray Tune have limits on the wall only: FLAML is
ended by its objective after the CPU seconds, Ray Tune is not. With several workers, FLAML runs on Ray and SMAC
on a cluster of Dask, which have been started before, as for Ray Tune and dask-ml.
"""

import contextlib
import logging
import math
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import psutil
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedShuffleSplit,
)

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV

Params = dict[str, Any]


def cpu_seconds() -> float:
    """Return the CPU seconds of this process."""
    return time.process_time()


class CpuMeter:
    """The CPU seconds of this process and of all below it, also of those that have ended.

    A thread looks twice a second, since what some processes used is lost when they end.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, float], float] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(0.5)
            self()

    def __call__(self) -> float:
        """Return the seconds so far."""
        this = psutil.Process()
        with self._lock:
            for process in [this, *this.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    key = process.pid, process.create_time()
                    self._seen[key] = times.user + times.system
            return sum(self._seen.values())


@dataclass(frozen=True)
class Problem:
    """What is tuned.

    Attributes
    ----------
    table : str or callable
        A table of the folder, or what returns X and y.
    rows : int
        Rows of which the search is given all; the others are for the final score.
    resource : str
        What a library that leaves the resource to its user is given: a parameter, or
        `"n_samples"`.
    cheap : dict
        Values of parameters that are known to cost little.
    """

    table: str | Callable[[], tuple[Any, Any]]
    rows: int
    estimator: Any
    space: dict[str, Any]
    resource: str
    scoring: str = "accuracy"
    cheap: Params = field(default_factory=dict)


@dataclass
class Task:
    """A problem with its rows and splits, the time that there is, and what was found when.

    Attributes
    ----------
    n_candidates : int
        Of the random search, which sets the time for the others.
    seconds : float or None
        Of the CPU with one worker, on the wall with more; None for the random search.
    path : list of tuple
        Seconds since the start, and the score on all splits with all of the resource.
    found : list of tuple
        Seconds, and a candidate whose score on all splits has to be computed afterwards.
    cluster : object
        The client of a cluster that was started before.
    """

    problem: Problem
    X: Any
    y: Any
    splits: list[tuple[Any, Any]]
    seed: int
    n_jobs: int
    n_candidates: int
    seconds: float | None
    cpu: Callable[[], float] = cpu_seconds
    path: list[tuple[float, float]] = field(default_factory=list)
    found: list[tuple[float, Params]] = field(default_factory=list)
    cluster: Any = None
    start: float = 0.0

    def clock(self) -> float:
        """Return CPU seconds if there is one worker, else those on the wall."""
        return self.cpu() if self.n_jobs == 1 else time.perf_counter()

    def used(self) -> float:
        """Return the seconds since the start."""
        return self.clock() - self.start

    def options(self) -> dict[str, Any]:
        """Return the parameters that all searches in the manner of scikit-learn have."""
        return {
            "scoring": self.problem.scoring,
            "cv": self.splits,
            "n_jobs": self.n_jobs,
            "random_state": self.seed,
        }

    def scores(
        self, params: Params, amount: int | None = None, *, first: int = 0
    ) -> Iterator[float]:
        """Score a candidate split by split, with this amount of the resource or all of it."""
        scorer, resource = get_scorer(self.problem.scoring), self.problem.resource
        y = np.asarray(self.y)
        for train, test in self.splits[first:]:
            estimator = clone(self.problem.estimator).set_params(**params)
            if amount is not None and resource != "n_samples":
                estimator.set_params(**{resource: amount})
            elif amount is not None and amount < len(train):
                train = self.part_of(train, y, amount)
            estimator.fit(rows_of(self.X, train), y[train])
            yield scorer(estimator, rows_of(self.X, test), y[test])

    def largest(self) -> int:
        """Return all of the resource: the rows of a training part, or what the estimator has."""
        if self.problem.resource == "n_samples":
            return min(len(train) for train, _ in self.splits)
        return int(self.problem.estimator.get_params()[self.problem.resource])

    def part_of(self, train: Any, y: Any, amount: int) -> Any:
        """Return so many of the rows of a training part of a classifier, of all classes."""
        n_classes = len(np.unique(y[train]))
        size = min(max(amount, n_classes), len(train) - n_classes)
        splitter = StratifiedShuffleSplit(1, train_size=size, random_state=self.seed)
        return train[next(splitter.split(train, y[train]))[0]]

    def score(self, params: Params) -> float:
        """Return the mean over all splits with all of the resource, and note it."""
        score = float(np.mean(list(self.scores(params))))
        self.note(score)
        return score

    def note(self, score: float, seconds: float | None = None) -> None:
        """Note a score on all splits with all of the resource."""
        self.path.append((self.used() if seconds is None else seconds, score))

    def refitted(self, params: Params) -> Any:
        """Return the estimator with these parameters, fitted on all rows."""
        return clone(self.problem.estimator).set_params(**params).fit(self.X, self.y)

    def for_workers(self) -> "Task":
        """Return what evaluates candidates, without what stays in this process."""
        return replace(self, cpu=cpu_seconds, cluster=None)

    def turns(self) -> Iterator[int]:
        """Yield seeds as long as another search uses less of the time than it leaves unused."""
        turn = 0
        while True:
            yield self.seed + 1000 * turn
            turn += 1
            if self.used() * (1 + 0.5 / turn) > self.seconds:
                return


def rows_of(X: Any, rows: Any) -> Any:
    return X.iloc[rows] if isinstance(X, pandas.DataFrame) else X[rows]


# What a search returns: the refitted best, its parameters, and how many candidates it drew.
Result = tuple[Any, Params, int]
Search = Callable[[Task], Result]


# --- in the manner of scikit-learn -------------------------------------------------


def random_search(task: Task) -> Result:
    problem = task.problem
    options = task.options()
    search = RandomizedSearchCV(
        problem.estimator, problem.space, n_iter=task.n_candidates, **options
    ).fit(task.X, task.y)
    results = search.cv_results_
    note_rows(task, results["mean_test_score"], seconds_of_rows(results, len(task.splits)))
    return search.best_estimator_, search.best_params_, task.n_candidates


def seconds_of_rows(results: Any, n_splits: Any) -> Any:
    return (results["mean_fit_time"] + results["mean_score_time"]) * n_splits


def note_rows(task: Task, scores: Any, seconds: Any) -> None:
    """Note scores that came one after the other, of which only the time between them is known."""
    at = np.cumsum(seconds) * (task.used() / np.sum(seconds))
    for score, second in zip(scores, at, strict=True):
        task.note(float(score), float(second))


def halving_random_search(task: Task) -> Result:
    """Repeat scikit-learn's search, as its user guide has it, and take the best."""
    searches = []
    for seed in task.turns():
        options = {**task.options(), "random_state": seed}
        search = HalvingRandomSearchCV(task.problem.estimator, task.problem.space, **options)
        searches.append(search.fit(task.X, task.y))
        # Its own score is of fewer rows: that of all is computed when the search is over.
        task.found.append((task.used(), search.best_params_))
    best = max(searches, key=lambda search: search.best_score_)
    n_candidates = sum(search.n_candidates_[0] for search in searches)
    return best.best_estimator_, best.best_params_, n_candidates


def hyperband(task: Task) -> Result:
    """Search until the time is used, in rounds; what a round found is known at its end."""
    search = limited(HyperbandSearchCV, task, task.seed, n_repeats=None).fit(task.X, task.y)
    results = search.cv_results_
    seconds = seconds_of_rows(results, results["n_splits"])
    complete = (results["n_resources"] == search.max_resources_) & (
        results["n_splits"] == len(task.splits)
    )
    rounds = [results["repeat"] == number for number in np.unique(results["repeat"])]
    scores = results["mean_test_score"]
    best = [scores[complete & rows].max(initial=-np.inf) for rows in rounds]
    note_rows(task, best, [seconds[rows].sum() for rows in rounds])
    return search.best_estimator_, search.best_params_, len(set(results["candidate_id"]))


def successive_halving(task: Task) -> Result:
    """Repeat the search as scikit-learn's, and take the best; the last one may be smaller."""
    searches = []
    for seed in task.turns():
        search = limited(SuccessiveHalvingSearchCV, task, seed)
        searches.append(search.fit(task.X, task.y))
        task.note(search.best_score_)
    best = max(searches, key=lambda search: search.best_score_)
    n_candidates = sum(search.n_candidates_[0] for search in searches)
    return best.best_estimator_, best.best_params_, n_candidates


def limited(search_class: Any, task: Task, seed: int, **parameters: Any) -> Any:
    """Return a search of this package that ends when the time of the task is used."""
    parameters |= task.options() | {"random_state": seed}
    left = task.seconds - task.used()
    search = search_class(task.problem.estimator, task.problem.space, max_time=left, **parameters)
    if task.n_jobs == 1:  # The limit is one of CPU seconds, however busy the machine is.
        search._clock = task.cpu
    return search


class UntilTimeIsOver:
    """Tells scikit-optimize when to stop. A worker gets it with the search, without the task."""

    def __init__(self, task: Task | None):
        self._task = task

    def __call__(self, result: Any) -> bool:
        """Note the best score so far; return whether the time is over."""
        self._task.note(-float(result.fun))
        return self._task.used() > self._task.seconds

    def __reduce__(self) -> Any:
        return UntilTimeIsOver, (None,)


def bayes_search(task: Task) -> Result:
    from skopt import BayesSearchCV

    space = {name: skopt_dimension(values) for name, values in task.problem.space.items()}
    options = {**task.options(), "n_iter": 10_000}
    search = BayesSearchCV(task.problem.estimator, space, **options)
    search.fit(task.X, task.y, callback=UntilTimeIsOver(task))
    return search.best_estimator_, search.best_params_, len(search.cv_results_["params"])


def dask_ml(task: Task) -> Result:
    """Repeat dask-ml's search over an estimator with `partial_fit`; an epoch is an iteration."""
    from dask_ml.model_selection import HyperbandSearchCV as Incremental

    name, estimator = task.problem.estimator.steps[-1]
    X = task.problem.estimator[:-1].fit_transform(task.X)
    space = {key.removeprefix(f"{name}__"): v for key, v in task.problem.space.items()}
    searches = []
    with task.cluster.as_current():
        for seed in task.turns():
            search = Incremental(
                estimator, space, max_iter=estimator.max_iter, random_state=seed,
                scoring=task.problem.scoring,
            )  # fmt: skip
            searches.append(search.fit(X, task.y, classes=np.unique(task.y)))
            task.found.append((task.used(), of_pipeline(name, search.best_params_)))
    best = max(searches, key=lambda search: search.best_score_)
    params = of_pipeline(name, best.best_params_)
    n_candidates = sum(len(search.cv_results_["params"]) for search in searches)
    return task.refitted(params), params, n_candidates


def of_pipeline(step: str, params: Params) -> Params:
    return {f"{step}__{name}": value for name, value in params.items()}


# --- those that leave the evaluation to their user ----------------------------------


def optuna_tpe(task: Task, *, pruned: bool = False) -> Result:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    n_splits = len(task.splits)
    pruner = optuna.pruners.NopPruner()
    if pruned:
        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=n_splits)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=task.seed), pruner=pruner
    )
    names = {}

    def objective(trial: Any) -> float:
        params = {
            name: optuna_value(trial, name, values) for name, values in task.problem.space.items()
        }
        names[trial.number] = params
        scores: list[float] = []
        for step, score in enumerate(task.scores(params), start=1):
            scores.append(score)
            trial.report(np.mean(scores), step)
            if trial.should_prune() and step < n_splits:
                raise optuna.TrialPruned
        task.note(float(np.mean(scores)))
        return float(np.mean(scores))

    def stop_when_used(study: Any, trial: Any) -> None:
        if task.used() > task.seconds:
            study.stop()

    study.optimize(objective, n_jobs=task.n_jobs, callbacks=[stop_when_used])
    params = names[study.best_trial.number]
    return task.refitted(params), params, len(study.trials)


def flaml(task: Task) -> Result:
    if task.n_jobs > 1:
        from peer_ray import flaml_search

        return flaml_search(task)
    from flaml import tune

    logging.getLogger("flaml").setLevel(logging.ERROR)
    n_candidates = 0

    def evaluate(params: Params) -> dict[str, float] | None:
        nonlocal n_candidates
        n_candidates += 1
        if task.used() > task.seconds:
            return None
        return {"score": task.score(dict(params))}

    found = tune.run(
        evaluate,
        config=tune_space(tune, task.problem.space),
        low_cost_partial_config=task.problem.cheap,
        metric="score",
        mode="max",
        time_budget_s=100 * task.seconds,  # On the wall; `evaluate` ends it after CPU seconds.
        num_samples=-1,
        verbose=0,
    )
    return task.refitted(dict(found.best_config)), dict(found.best_config), n_candidates


def smac(task: Task) -> Result:
    """Use the facade with several fidelities; its budget is the resource, from R/9 on."""
    if task.n_jobs > 1:
        from peer_dask import search

        return search(task)
    with tempfile.TemporaryDirectory() as folder:
        return smac_in(folder, task)


def smac_in(folder: str, task: Task) -> Result:
    from smac import MultiFidelityFacade, Scenario
    from smac.runhistory import TrialValue

    largest = task.largest()
    scenario = Scenario(
        smac_space(task),
        deterministic=True,
        n_trials=100_000,
        min_budget=largest / 9,
        max_budget=largest,
        seed=task.seed,
        output_directory=Path(folder),
    )
    facade = MultiFidelityFacade(scenario, overwrite=True, logging_level=False)
    best, best_score = {}, -math.inf
    while task.used() < task.seconds:
        trial = facade.ask()
        amount = math.ceil(trial.budget)
        params = params_of(task, trial.config)
        score = float(np.mean(list(task.scores(params, amount))))
        facade.tell(trial, TrialValue(cost=-score), save=False)
        if amount >= largest:
            task.note(score)
            if score > best_score:
                best, best_score = params, score
    if not best:
        raise RuntimeError("No candidate had all of the resource when the time was over.")
    n_candidates = len(facade.runhistory.get_configs())
    return task.refitted(best), best, n_candidates


def ray_tune(task: Task, *, scheduler: str) -> Result:
    from peer_ray import search

    return search(task, scheduler)


# --- the space of each library -------------------------------------------------------


def limits(values: Any) -> tuple[Any, Any, str]:
    """Return the ends of a distribution of scipy, and its kind: "log", "linear" or "integer"."""
    kind = {"loguniform": "log", "reciprocal": "log", "uniform": "linear", "randint": "integer"}
    low, high = values.support()
    return low, high, kind[values.dist.name]


def optuna_value(trial: Any, name: str, values: Any) -> Any:
    if isinstance(values, list):
        return values[trial.suggest_categorical(name, list(range(len(values))))]
    low, high, kind = limits(values)
    if kind == "integer":
        return trial.suggest_int(name, int(low), int(high))
    return trial.suggest_float(name, low, high, log=kind == "log")


def tune_space(tune: Any, space: dict[str, Any]) -> dict[str, Any]:
    """Return the space in the words of Ray Tune, which are FLAML's as well."""
    found = {}
    for name, values in space.items():
        if isinstance(values, list):
            found[name] = tune.choice(values)
            continue
        low, high, kind = limits(values)
        if kind == "integer":
            found[name] = tune.randint(int(low), int(high) + 1)
        else:
            found[name] = (tune.loguniform if kind == "log" else tune.uniform)(low, high)
    return found


def smac_space(task: Task) -> Any:
    from ConfigSpace import ConfigurationSpace

    space = ConfigurationSpace(seed=task.seed)
    space.add([config_space_dimension(n, v) for n, v in task.problem.space.items()])
    return space


def config_space_dimension(name: str, values: Any) -> Any:
    from ConfigSpace import Categorical, Float, Integer

    if isinstance(values, list):
        return Categorical(name, list(range(len(values))))
    low, high, kind = limits(values)
    if kind == "integer":
        return Integer(name, (int(low), int(high)))
    return Float(name, (float(low), float(high)), log=kind == "log")


def skopt_dimension(values: Any) -> Any:
    from skopt.space import Categorical, Integer, Real

    if isinstance(values, list):
        return Categorical(values)
    low, high, kind = limits(values)
    if kind == "integer":
        return Integer(int(low), int(high))
    return Real(low, high, prior="log-uniform" if kind == "log" else "uniform")


def params_of(task: Task, config: Any) -> Params:
    """Return the parameters of a configuration of SMAC, which has numbers for a list's elements."""
    space = task.problem.space
    return {
        name: space[name][int(value)] if isinstance(space[name], list) else value
        for name, value in dict(config).items()
    }


SEARCHES: dict[str, Search] = {
    "RandomizedSearchCV": random_search,
    "HyperbandSearchCV": hyperband,
    "SuccessiveHalvingSearchCV": successive_halving,
    "HalvingRandomSearchCV": halving_random_search,
    "Optuna": optuna_tpe,
    "Optuna, HyperbandPruner": partial(optuna_tpe, pruned=True),
    "scikit-optimize": bayes_search,
    "FLAML": flaml,
    "SMAC3": smac,
    "Ray Tune, ASHA": partial(ray_tune, scheduler="ASHAScheduler"),
    "Ray Tune, Hyperband": partial(ray_tune, scheduler="HyperBandScheduler"),
    "dask-ml": dask_ml,
}
# What a search imports; the time for that does not count.
NEEDED = {
    "Optuna": ["optuna"],
    "Optuna, HyperbandPruner": ["optuna"],
    "scikit-optimize": ["skopt"],
    "FLAML": ["flaml.tune"],
    "SMAC3": ["smac", "ConfigSpace"],
    "Ray Tune, ASHA": ["ray.tune", "peer_ray"],
    "Ray Tune, Hyperband": ["ray.tune", "peer_ray"],
    "dask-ml": ["dask_ml.model_selection", "distributed"],
}
# And what it imports besides where it has several workers.
NEEDED_BY_WORKERS = {
    "FLAML": ["ray.tune", "peer_ray"],
    "SMAC3": ["distributed", "peer_dask"],
}
# Those that have processes of their own even with one worker.
WITH_PROCESSES = {"Ray Tune, ASHA", "Ray Tune, Hyperband", "dask-ml"}


def applies(search: str, problem: Problem) -> bool:
    """Return whether a search can tune a problem: dask-ml needs `partial_fit`."""
    steps = getattr(problem.estimator, "steps", [])
    return search != "dask-ml" or bool(steps and hasattr(steps[-1][1], "partial_fit"))
