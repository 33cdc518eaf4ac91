"""Fitted attributes of a search, computed from what it has measured."""

from typing import Any

from skhyperband._brackets import RunningBrackets
from skhyperband._evaluator import Evaluator
from skhyperband._history import SearchHistory
from skhyperband._plan import Plan
from skhyperband._resources import N_SAMPLES
from skhyperband._results import (
    Results,
    ResultTables,
    executed_plan,
    failed_with_more,
    metric_names,
)
from skhyperband._scoring import MetricRule
from skhyperband._sklearn_compat import named_scorers


def attributes_of_run(
    history: SearchHistory,
    brackets: RunningBrackets,
    plan: Plan,
    evaluator: Evaluator,
    rule: MetricRule,
) -> dict[str, Any]:
    """Return the attributes that do not depend on which candidate is the best, by name."""
    scorers = named_scorers(evaluator.scorer)
    outcomes = [history.outcomes[key] for key in sorted(history.outcomes)]
    names = list(scorers) if scorers else metric_names(outcomes)
    metric = "score"
    if scorers:
        metric = rule.promoting(list(scorers))
    # While everything fails, a callable has not said whether it has several metrics.
    elif (scored := next((o for o in outcomes if o.test_scores is not None), None)) is not None:
        metric = rule.promoting(metric_names([scored]))
    tables = ResultTables(history, evaluator.resource, rule.error_value)
    results = tables.cv_results(
        names or ["score"], return_train_score=evaluator.return_train_score
    )
    return {
        "multimetric_": names is not None,
        "scorer_": scorers or evaluator.scorer,
        "_promoting_metric": metric,
        "_has_finite_score": any(outcome.has_finite_score for outcome in outcomes),
        "cv_results_": results,
        "rungs_": tables.rungs(results[f"mean_test_{metric}"], plan.max_resources),
        "n_replayed_": sum(outcome.replayed for outcome in outcomes),
        "plan_": executed_plan(plan, history, space_exhausted=brackets.space_exhausted),
        "resource_": plan.resource,
        "n_splits_": plan.n_splits,
        "min_resources_": plan.min_resources,
        "max_resources_": plan.max_resources,
    }


def attributes_of_best(
    results: Results, rule: MetricRule, metric: str, plan: Plan
) -> dict[str, Any]:
    """Return the attributes of the best candidate by a metric, by name."""
    index = rule.best_row(results, metric)
    params = dict(results["params"][index])
    if plan.resource != N_SAMPLES and not failed_with_more(results, index):
        # The refit has all resources, whatever the candidate was measured with.
        params[plan.resource] = plan.max_resources
    return {
        "best_index_": index,
        "best_score_": float(results[f"mean_test_{metric}"][index]),
        "best_params_": params,
    }
