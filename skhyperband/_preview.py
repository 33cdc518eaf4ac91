"""The preview of a search that `plan` returns: its schedule, and how long it is going to take."""

import copy
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sklearn.base import is_classifier
from sklearn.utils import indexable

from skhyperband._data import SearchData
from skhyperband._executors import check_backend, make_executor
from skhyperband._fit_warnings import catching, every_time
from skhyperband._param_validation import as_seconds, check_count
from skhyperband._plan import Plan
from skhyperband._planning import ProblemSize, resolve_plan
from skhyperband._resources import count_classes
from skhyperband._scoring import MetricRule
from skhyperband._setup import (
    HalvingArguments,
    check_arguments,
    count_splits,
    draw_seeds,
    make_evaluator,
    make_plan,
    make_scorer,
    read_data,
    test_samples_of,
    with_own_random_state,
)
from skhyperband._sklearn_compat import n_rows
from skhyperband._timing import (
    EvaluationTimer,
    WholeEvaluation,
    amounts_to_measure,
    expected_timing,
)
from skhyperband._user_warnings import lost_halvings_message, send


def preview(
    search: HalvingArguments,
    X: Any,
    y: Any,
    sizes: Mapping[str, int | None],
    params: dict[str, Any],
) -> Plan:
    """Return the plan of a search, for data or for their sizes, without fitting anything."""
    check_arguments(search)
    for name, value in sizes.items():
        check_count(name, value, (None,))
    counts = {name: None if value is None else int(value) for name, value in sizes.items()}
    n_samples, n_splits, n_classes = counts["n_samples"], counts["n_splits"], counts["n_classes"]
    if X is not None:
        X, y = indexable(X, y)
        n_samples = n_rows(X) if n_samples is None else n_samples
        if n_classes is None and y is not None and is_classifier(search.estimator):
            n_classes = count_classes(y)
    n_test_samples = None
    if n_splits is None:
        n_splits = count_splits(search, X, y, params)
        if sizes["n_samples"] is None:
            n_test_samples = test_samples_of(search, X, y, params)
    plan = resolve_plan(search, ProblemSize(n_samples, n_splits, n_classes, n_test_samples))
    send(lost_halvings_message(search, plan))
    return _with_limit(search, plan)


def _with_limit(search: HalvingArguments, plan: Plan) -> Plan:
    """Return the plan with the time limit of the search."""
    if search.max_time is None:
        return plan
    return replace(plan, max_time=as_seconds(search.max_time, "max_time"))


# --- with the time that it takes ---------------------------------------------------


def timed_preview(
    search: HalvingArguments,
    X: Any,
    y: Any,
    sizes: Mapping[str, int | None],
    params: dict[str, Any],
    *,
    rule: MetricRule,
    timer: Callable[[], float],
) -> Plan:
    """Return the plan of a search with its expected duration; it fits the estimator a few times."""
    if X is None:
        raise ValueError(
            "timed=True fits the estimator, so that it needs the data: give X, y and what "
            "else fit will be given, or leave timed=True out."
        )
    for name, value in sizes.items():
        if value is not None:
            raise ValueError(
                f"{name}={value!r} with timed=True: the data decide it; leave {name} out."
            )
    check_arguments(search)
    check_backend(search.n_jobs, as_seconds(search.max_fit_time, "max_fit_time"))
    search = _without_side_effects(search)
    scorer = make_scorer(search, rule)
    data = read_data(search, X, y, params)
    plan = make_plan(search, data)
    send(lost_halvings_message(search, plan))
    return _with_limit(search, _time_plan(search, data, plan, scorer, timer))


def _without_side_effects(search: Any) -> Any:
    """Return a copy of a search, whose splitter and random state may be used up."""
    if hasattr(search.cv, "__next__"):
        raise ValueError(
            f"cv={search.cv!r} can be read only once, by fit; with timed=True make it a list."
        )
    private = copy.copy(search)
    private.cv = with_own_random_state(search.cv)
    private.random_state = copy.deepcopy(search.random_state)
    return private


def _time_plan(
    search: HalvingArguments,
    data: SearchData,
    plan: Plan,
    scorer: Any,
    timer: Callable[[], float],
) -> Plan:
    """Return the plan with its expected duration, measured by evaluations on one split."""
    seeds = draw_seeds(search.random_state, None)
    evaluator = make_evaluator(search, data, plan, seeds, scorer, time.time, timer)
    evaluator = replace(evaluator, keep_exceptions=True)
    executor = make_executor(
        WholeEvaluation(evaluator),
        search.n_jobs,
        search.pre_dispatch,
        as_seconds(search.max_fit_time, "max_fit_time"),
    )
    split = _median_split(data)
    with catching.held(every_time(warnings.filters)), executor:
        seconds = EvaluationTimer(executor, split).measure(amounts_to_measure(plan))
    refit_seconds = 0.0
    if search.refit:
        n_fitted = len(evaluator.resource.train_rows(evaluator.splits[split], plan.max_resources))
        refit_seconds = seconds.fit[-1] * data.n_samples / n_fitted
    timing = expected_timing(plan, seconds, executor.n_workers, refit_seconds)
    return replace(plan, timing=timing)


def _median_split(data: SearchData) -> int:
    """Return the split with the median number of training samples, which may differ by split."""
    by_size = sorted(range(len(data.splits)), key=lambda split: len(data.splits[split][0]))
    return by_size[len(by_size) // 2]
