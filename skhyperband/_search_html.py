"""Shows as HTML what a search found: its best candidate, its rungs and its plan."""

from collections.abc import Iterable
from typing import Any

from skhyperband._html import document, facts, folded
from skhyperband._messages import counted, repr_of, shortened
from skhyperband._plan import describe_seconds
from skhyperband._space import plain

# Of the text of a parameter's value, in characters.
_LONGEST = 300


def results_html(search: Any, metric: str) -> str:
    """Return what a search that has measured something found, the best one by the metric."""
    rungs, plan = search.rungs_, search.plan_
    return document(
        facts({**dict(_best(search, metric)), "Search": _course(search)}),
        folded("Rungs", rungs._repr_html_(), is_open=bool(rungs.advice)),
        folded("Plan", plan._repr_html_()),
    )


def _best(search: Any, metric: str) -> Iterable[tuple[str, list[str]]]:
    """Yield the facts about the best candidate; none where the search was interrupted early."""
    if not hasattr(search, "best_params_"):
        return
    row = search.best_index_
    n_splits = counted(int(search.cv_results_["n_splits"][row]), "split")
    amount = f"{search.resource_}={search.cv_results_['n_resources'][row]}"
    yield "Best score", [f"{search.best_score_:.4g} ({metric}, {n_splits}, {amount})"]
    values = {name: repr_of(plain(value)) for name, value in search.best_params_.items()}
    lines = [f"{name} = {shortened(text, _LONGEST)}" for name, text in values.items()]
    yield "Best parameters", lines


def _course(search: Any) -> list[str]:
    """Return how much the search tried, and why it ended."""
    rungs = search.rungs_.rungs
    seconds = describe_seconds(sum(rung.seconds for rung in rungs))
    return [
        f"{counted(search.plan_.n_candidates, 'candidate')} on {counted(len(rungs), 'rung')}",
        f"{seconds} of fits and scores",
        f"stop_reason_: {search.stop_reason_}",
    ]
