"""Typical uses of the package, for mypy: `make types` checks them against the installed package.

Nothing here is run. A right use must have no error and the stated type. A wrong use must have the
error that its `type: ignore` names: mypy reports one that it does not need.
"""

import datetime
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, assert_type

import numpy as np
from numpy.typing import NDArray
from scipy.stats import loguniform, randint
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from skhyperband import (
    HyperbandSearchCV,
    LevelResult,
    Plan,
    RungTable,
    SearchDisplay,
    SuccessiveHalvingSearchCV,
    read_journal,
    to_optuna,
)

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Results = Mapping[str, Any]


# --- making a search ---------------------------------------------------------------


def hyperband() -> HyperbandSearchCV:
    """Give every parameter another value than its default."""
    return HyperbandSearchCV(
        RandomForestClassifier(random_state=0),
        {"max_depth": randint(1, 10), "criterion": ["gini", "entropy"]},
        n_candidates=27,
        factor=2.5,
        n_brackets=3,
        n_repeats=None,
        promotion="level",
        resource="n_estimators",
        max_resources=81,
        min_resources="smallest",
        min_splits=1,
        initial_candidates=[{"max_depth": 3}, {}],
        continue_training=True,
        scoring=["accuracy", "roc_auc"],
        rank_by="roc_auc",
        refit="roc_auc",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        n_jobs=2,
        pre_dispatch=4,
        max_time=datetime.timedelta(hours=8),
        max_fit_time=60.0,
        journal=Path("search.sqlite"),
        random_state=np.random.RandomState(0),
        error_score="raise",
        return_train_score=True,
        verbose=1,
    )


def successive_halving() -> SuccessiveHalvingSearchCV:
    """Give the parameters that differ from Hyperband's, and other values to the shared ones."""

    def best(results: Results) -> int:
        return int(np.argmax(results["mean_test_score"]))

    def train_on(fitted: SVC, n_resources: int, X: Array, y: Array) -> SVC:
        return fitted.set_params(max_iter=n_resources).fit(X, y)

    return SuccessiveHalvingSearchCV(
        SVC(),
        [{"C": loguniform(0.01, 100)}, {"gamma": [0.1, 1.0]}],
        n_candidates="exhaust",
        factor=3,
        resource="max_iter",
        max_resources="auto",
        min_resources=10,
        min_splits=None,
        aggressive_elimination=True,
        sampler="random",
        continue_training=train_on,
        scoring={"accuracy": "accuracy"},
        refit=best,
        cv=3,
        max_time=60.0,
        max_fit_time=datetime.timedelta(minutes=1),
        journal="search.sqlite",
        random_state=0,
        error_score=0.0,
    )


class OwnSampler:
    """Draw candidates in a way of the user's own."""

    def __init__(self, seed: int) -> None:
        self.random_state = np.random.RandomState(seed)
        self.best: dict[str, float] = {}

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[dict[str, float]]:
        """Draw close to the best candidate."""
        near = self.best.get("C", 1.0)
        return [{"C": near * self.random_state.lognormal()} for _ in range(n)]

    def tell(self, level: LevelResult) -> None:
        """Remember the best candidate."""
        assert_type(level.candidates, tuple[dict[str, Any], ...])
        assert_type(level.n_resources, int)
        assert_type(level.best_score, float)
        self.best = level.candidates[int(np.argmax(level.mean_scores))]


class OwnSplitter:
    """Split in a way of the user's own."""

    def split(self, X: Array, y: Array, groups: None = None) -> Iterator[tuple[Rows, Rows]]:
        """Generate two splits."""
        half = np.arange(len(X) // 2, dtype=np.int64)
        yield half, half + len(half)
        yield half + len(half), half

    def get_n_splits(self, X: object = None, y: object = None, groups: None = None) -> int:
        """Return the number of splits."""
        return 2


def own_parts(space: dict[str, Any], rows: Rows) -> None:
    """Give objects and functions of the user's own."""

    def best(results: dict[str, Any]) -> np.intp:
        return np.argmax(results["mean_test_score"])

    HyperbandSearchCV(SVC(), space, sampler=OwnSampler(0), cv=OwnSplitter(), refit=best)
    SuccessiveHalvingSearchCV(SVC(), space, sampler=OwnSampler(0), cv=[(rows, rows)])


def defaults(names: list[str], values: dict[str, list[float]]) -> None:
    """Give containers whose type is known: they need not be dict[str, Any]."""
    HyperbandSearchCV(SVC(), values)
    HyperbandSearchCV(SVC(), [values, values], scoring=names, refit=False)
    HyperbandSearchCV(SVC(), values, scoring=tuple(names), refit=names[0])
    HyperbandSearchCV(SVC(), values, initial_candidates=[{"C": 1.0}], max_time=None)
    SuccessiveHalvingSearchCV(SVC(), values, n_candidates="all", journal=None)
    SuccessiveHalvingSearchCV(SVC(), values, n_candidates=9, random_state=None)
    SuccessiveHalvingSearchCV(SVC(), values, n_candidates="auto", min_splits="auto")
    HyperbandSearchCV(SVC(), values, n_brackets="auto", resource="auto")
    HyperbandSearchCV(SVC(), values, n_brackets="all", min_splits=None)


# --- using it ----------------------------------------------------------------------


def plans(search: HyperbandSearchCV, X: Array, y: Array) -> None:
    """Look at a schedule before anything is fitted."""
    plan = search.plan(X, y)
    assert_type(plan, Plan)
    assert_type(search.plan(n_samples=900, n_splits=5, n_classes=2), Plan)
    assert_type(search.plan(X, y, groups=y), Plan)
    assert_type(search.plan(X, y, timed=True), Plan)
    if plan.timing is not None:
        assert_type(plan.timing.total_seconds, float)
    assert_type(plan.cost(), float)
    assert_type(plan.cost(continued=True), float)
    assert_type(plan.n_candidates, int)
    assert_type(plan.n_random_search_fits, int)
    assert_type(plan.factor, Fraction)
    assert_type(plan.rungs[0].n_resources, int)
    assert_type([rung.n_candidates for rung in plan.levels[0].rungs], list[int])


def fitted_hyperband(search: HyperbandSearchCV, X: Array, y: Array) -> None:
    """Fit Hyperband and read its results."""
    search = search.fit(X, y, sample_weight=y)
    assert_type(search.fit(X, y), HyperbandSearchCV)
    assert_type(search.fit(X), HyperbandSearchCV)
    assert_type(search.refit_best(X, y, sample_weight=y), HyperbandSearchCV)
    assert_type(search.best_index_, int)
    assert_type(search.best_score_, float)
    assert_type(search.best_params_, dict[str, Any])
    assert_type(search.cv_results_, dict[str, Any])
    assert_type(search.plan_, Plan)
    assert_type(search.rungs_, RungTable)
    assert_type(search.rungs_.rungs[0].best_score, float)
    assert_type(search.rungs_.rungs[0].n_failures, int)
    assert_type(search.rungs_.rungs[0].mean_seconds, float)
    assert_type(search.rungs_.advice, tuple[str, ...])
    assert_type(to_optuna(search, metric="roc_auc", storage="sqlite:///searches.db"), Any)
    assert_type(search.n_candidates_, list[int])
    assert_type(search.n_resources_, list[int])
    assert_type(search.min_resources_, int)
    assert_type(search.max_resources_, int)
    assert_type(search.n_iterations_, int)
    assert_type(search.n_remaining_candidates_, int)
    assert_type(search.n_replayed_, int)
    assert_type(search.n_splits_, int)
    assert_type(search.multimetric_, bool)
    assert_type(search.refit_time_, float)
    assert_type(
        search.stop_reason_,
        Literal["completed", "space_exhausted", "max_time", "callback", "interrupted"],
    )
    assert_type(search.score(X, y), float)


def fitted_successive_halving(search: SuccessiveHalvingSearchCV, X: Array, y: Array) -> None:
    """Read what successive halving leaves in addition."""
    assert_type(search.fit(X, y), SuccessiveHalvingSearchCV)
    assert_type(search.best_index_, int)
    assert_type(search.n_candidates_, list[int])
    assert_type(search.n_resources_, list[int])
    assert_type(search.n_required_iterations_, int)
    assert_type(search.n_possible_iterations_, int)


class OwnSearch(HyperbandSearchCV):
    """Derive a search."""


def fitted_own_search(X: Array, y: Array) -> None:
    """Fit a derived search: it stays one."""
    assert_type(OwnSearch(SVC(), {"C": [1.0, 10.0]}).fit(X, y), OwnSearch)


def displays(search: HyperbandSearchCV) -> None:
    """Draw pictures of a search."""
    assert_type(SearchDisplay.from_estimator(search), SearchDisplay)
    display = SearchDisplay.from_estimator(search, kind="incumbent", over="resource")
    assert_type(display.plot(), SearchDisplay)
    assert_type(search.top(3), Any)
    SearchDisplay.from_estimator(search, kind="parameters", parameters=["C"], metric="roc_auc")
    SearchDisplay.from_estimator(search, kind="rung")  # type: ignore[arg-type]
    SearchDisplay.from_estimator(search, kind="incumbent", over="days")  # type: ignore[arg-type]
    search.top("3")  # type: ignore[arg-type]


def journals() -> None:
    """Read a journal."""
    print(read_journal("search.sqlite"))
    print(read_journal(Path("search.sqlite")))


# --- wrong uses --------------------------------------------------------------------


class OldSampler:
    """Draw with methods whose arguments are not those of a sampler."""

    def ask(self, n: int) -> list[dict[str, Any]]:
        """Draw."""
        return [{}] * n

    def tell(self, candidates: list[dict[str, Any]], scores: list[float]) -> None:
        """Learn nothing."""


def wrong_of_hyperband(space: dict[str, Any], names: list[str]) -> None:
    """Give values that `fit` would refuse."""
    HyperbandSearchCV(SVC())  # type: ignore[call-arg]
    HyperbandSearchCV(SVC(), space, 27)  # type: ignore[arg-type, call-arg]
    HyperbandSearchCV(SVC(), space, n_bracket=3)  # type: ignore[call-arg]
    HyperbandSearchCV(SVC(), space, aggressive_elimination=True)  # type: ignore[call-arg]
    HyperbandSearchCV(SVC(), names)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), "C")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, n_candidates="all")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, factor="3")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, n_brackets="some")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, n_brackets=None)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, n_repeats="all")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, promotion="levels")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, resource=None)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, max_resources=1.5)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, min_resources="small")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, min_splits="one")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, sampler="randm")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, sampler=object())  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, sampler=OldSampler())  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, initial_candidates=space)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, continue_training="always")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, scoring=3)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, rank_by=["accuracy"])  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, refit=None)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, cv="five")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, n_jobs="all")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, max_time="8 hours")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, max_fit_time="a minute")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, journal=True)  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, random_state="zero")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, error_score="nan")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, return_train_score="yes")  # type: ignore[arg-type]
    HyperbandSearchCV(SVC(), space, verbose="yes")  # type: ignore[arg-type]


def wrong_of_successive_halving(space: dict[str, Any]) -> None:
    """Give values that only Hyperband, or neither, takes."""
    SuccessiveHalvingSearchCV(SVC(), space, n_candidates="some")  # type: ignore[arg-type]
    SuccessiveHalvingSearchCV(SVC(), space, n_brackets=3)  # type: ignore[call-arg]
    SuccessiveHalvingSearchCV(SVC(), space, promotion="level")  # type: ignore[call-arg]
    SuccessiveHalvingSearchCV(SVC(), space, sampler=OldSampler())  # type: ignore[arg-type]
    SuccessiveHalvingSearchCV(SVC(), space, factor="3")  # type: ignore[arg-type]
    SuccessiveHalvingSearchCV(
        SVC(),
        space,
        aggressive_elimination="yes",  # type: ignore[arg-type]
    )


def wrong_afterwards(search: HyperbandSearchCV, plan: Plan) -> None:
    """Use results for what they are not."""
    search.best_score_.append(1.0)  # type: ignore[attr-defined]
    search.plan(n_samples="many")  # type: ignore[arg-type]
    search.refit_best()  # type: ignore[call-arg]
    search.plan(timed="yes")  # type: ignore[arg-type]
    print(search.rungs_.best_score)  # type: ignore[attr-defined]
    to_optuna(search, metric=["roc_auc"])  # type: ignore[arg-type]
    plan.n_splits = 3  # type: ignore[misc]
    plan.costs()  # type: ignore[attr-defined]
    read_journal(3)  # type: ignore[arg-type]
