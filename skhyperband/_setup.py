"""Turns the arguments of a search and the data of `fit` into what the loop is run with."""

import contextlib
import copy
import inspect
import numbers
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, get_tags

from skhyperband._brackets import BracketRules
from skhyperband._continuation import Continuation
from skhyperband._data import SearchData, checked_data, median_test_samples, read_splits
from skhyperband._evaluator import Evaluator
from skhyperband._journal import JournalSession, SharedContent, open_journal
from skhyperband._messages import repr_of
from skhyperband._param_validation import check_parameters
from skhyperband._plan import Plan
from skhyperband._planning import ProblemSize, SearchArguments, resolve_plan
from skhyperband._resource_names import check_resource
from skhyperband._resources import (
    N_SAMPLES,
    ParameterResource,
    Resource,
    SampleResource,
    Split,
    count_classes,
    kind_of_target,
    order_samples,
)
from skhyperband._scoring import MetricRule
from skhyperband._sklearn_compat import named_scorers, select_metadata, uses_groups
from skhyperband._space import as_space


class HalvingArguments(SearchArguments, Protocol):
    """The parameters of a search that its set-up reads."""

    continue_training: Any
    scoring: Any
    rank_by: Any
    n_jobs: Any
    pre_dispatch: Any
    max_time: Any
    max_fit_time: Any
    journal: Any
    random_state: Any
    refit: Any
    error_score: Any
    return_train_score: Any
    verbose: Any

    def _bracket_rules(self) -> BracketRules: ...

    def _scorer(self) -> Any: ...

    def _route(self, params: dict[str, Any]) -> tuple[dict[str, Any], ...]: ...


# --- data --------------------------------------------------------------------------


def read_data(search: HalvingArguments, X: Any, y: Any, params: dict[str, Any]) -> SearchData:
    """Return the arguments of `fit`, checked, with the splits of the cross-validation."""
    X, y, params = checked_arguments(search, X, y, params)
    fit_params, split_params, score_params = search._route(params)
    cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
    return SearchData(
        X=X,
        y=y,
        fit_params=fit_params,
        score_params=score_params,
        cv=cv,
        splits=read_splits(cv, search.cv, X, y, split_params),
        groups=split_params.get("groups") if uses_groups(cv) else None,
    )


def checked_arguments(
    search: HalvingArguments, X: Any, y: Any, params: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Return X, y and the metadata indexable; raise for what is missing or does not fit."""
    if y is None and get_tags(search.estimator).target_tags.required:
        raise ValueError(
            f"{repr_of(search.estimator)} requires y to be passed, but the target y is None."
        )
    X, y = checked_data(X, y, params)
    return X, y, select_metadata(X, params, None)


def size_of(search: HalvingArguments, data: SearchData) -> ProblemSize:
    """Return what the plan of these data depends on."""
    n_classes = count_classes(data.y) if _classifies(search, data.y) else None
    n_test_samples = median_test_samples(data.splits)
    return ProblemSize(data.n_samples, len(data.splits), n_classes, n_test_samples)


def _classifies(search: HalvingArguments, y: Any) -> bool:
    return y is not None and is_classifier(search.estimator)


def _strata(search: HalvingArguments, y: Any) -> np.ndarray | None:
    """Return the labels that samples are stratified by, where there is one each."""
    if not _classifies(search, y) or kind_of_target(y) not in ("binary", "multiclass"):
        return None
    return np.asarray(y).ravel()


@contextlib.contextmanager
def open_journal_of(
    search: HalvingArguments, data: SearchData, plan: Plan, scorer: Any
) -> Iterator[JournalSession | None]:
    """Open the journal of a search; yield None where it has none."""
    if search.journal is None:
        yield None
        return
    shared = SharedContent(
        estimator=clone(search.estimator),
        scoring=None if search.scoring is None else scorer,
        continue_training=search.continue_training,
        params=(data.fit_params, data.score_params),
    )
    with open_journal(
        search.journal,
        shared,
        X=data.X,
        y=data.y,
        space=as_space(search.param_distributions),
        initial_candidates=search.initial_candidates or [],
        max_resources=plan.max_resources,
    ) as session:
        yield session


def _arguments_of(search: Any) -> dict[str, Any]:
    """Return the arguments of the constructor; that of a subclass may have fewer."""
    package = __name__.partition(".")[0]
    own = next(c for c in type(search).__mro__ if c.__module__.partition(".")[0] == package)
    return {name: getattr(search, name) for name in inspect.signature(own).parameters}


def check_arguments(search: Any) -> None:
    """Raise for arguments of the constructor that cannot be used."""
    check_parameters(_arguments_of(search), search._n_candidates_words)
    check_resource(search.estimator, search.resource)


def make_scorer(search: HalvingArguments, rule: MetricRule) -> Any:
    """Return the scorer; raise where it is known before the fits that no metric counts."""
    try:
        scorer = search._scorer()
    except ValueError as error:
        if "scoring" in str(error):
            raise
        raise ValueError(f"scoring={search.scoring!r}: {error}") from error
    if not callable(search.scoring) and named_scorers(scorer) is None:
        rule.promoting(None)
    return scorer


def test_samples_of(
    search: HalvingArguments, X: Any, y: Any, params: dict[str, Any]
) -> int | None:
    """Return the median number of samples in the test parts; None where it need not be known.

    It is also None where `cv` cannot split: `fit` may be given what is missing, and else says what
    is wrong.
    """
    if X is None or search.min_splits != "auto" or hasattr(search.cv, "__next__"):
        return None
    try:
        _, split_params, _ = search._route(select_metadata(X, params, None))
        cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
        splits = read_splits(with_own_random_state(cv), search.cv, X, y, split_params)
    except Exception:
        return None
    return median_test_samples(splits)


def with_own_random_state(cv: Any) -> Any:
    """Return a copy of `cv` that changes no random state but its own when it shuffles."""
    own = copy.copy(cv)
    random_state = getattr(cv, "random_state", 0)
    if random_state is None:  # NumPy's global one.
        own.random_state = 0
    elif not isinstance(random_state, numbers.Integral):
        own.random_state = copy.deepcopy(random_state)
    return own


def count_splits(search: HalvingArguments, X: Any, y: Any, params: dict[str, Any]) -> int:
    """Return the number of splits of `cv`, without splitting the data."""
    if hasattr(search.cv, "__next__"):
        raise ValueError(
            f"cv={search.cv!r} can be read only once, by fit; give n_splits, or make cv a list."
        )
    cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
    split_params = {}
    if X is not None:
        _, split_params, _ = search._route(select_metadata(X, params, None))
    try:
        return cv.get_n_splits(X, y, **split_params)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"n_splits=None: {cv!r} cannot count its splits without the data; give "
            "n_splits, or X, y and what else fit is given."
        ) from error


# --- seeds -------------------------------------------------------------------------


@dataclass(frozen=True)
class Seeds:
    """One seed for each purpose; the first candidates take the user's own random state."""

    first_candidates: int | np.random.RandomState
    candidates: int
    samples: int
    splits: int


def draw_seeds(random_state: Any, session: JournalSession | None) -> Seeds:
    """Return the seeds; they are the same each time where `random_state` is an integer."""
    first = random_state
    if first is None:
        first = int(check_random_state(None).randint(2**31 - 1))
        if session is not None:
            first = session.remember_seed(first)
    if isinstance(first, numbers.Integral):
        first = seed = int(first)
    else:
        # The copy draws what ParameterSampler would with the original.
        first, seed = copy.deepcopy(first), int(first.randint(2**31 - 1))
    candidates, samples, splits = np.random.SeedSequence(seed).generate_state(3)
    return Seeds(first, int(candidates), int(samples), int(splits))


# --- what the loop is run with -----------------------------------------------------


def make_evaluator(
    search: HalvingArguments,
    data: SearchData,
    plan: Plan,
    seeds: Seeds,
    scorer: Any,
    clock: Callable[[], float],
    timer: Callable[[], float],
) -> Evaluator:
    resource: Resource = ParameterResource(plan.resource)
    splits = [Split(train, test) for train, test in data.splits]
    if plan.resource == N_SAMPLES:
        resource = SampleResource(data.n_samples)
        if any(rung.n_resources < data.n_samples for rung in plan.rungs):
            splits = order_samples(
                data.splits,
                classes=_strata(search, data.y),
                groups=data.groups,
                seed=seeds.samples,
            )
    return Evaluator(
        estimator=clone(search.estimator),
        X=data.X,
        y=data.y,
        splits=splits,
        resource=resource,
        scorer=scorer,
        fit_params=data.fit_params,
        score_params=data.score_params,
        keep_exceptions=search.error_score == "raise",
        return_train_score=search.return_train_score,
        continuation=Continuation(search.continue_training, plan.resource),
        timer=timer,
        clock=clock,
    )


def make_plan(search: HalvingArguments, data: SearchData) -> Plan:
    """Return the plan that `fit` follows for these data."""
    return resolve_plan(search, size_of(search, data))
