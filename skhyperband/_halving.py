"""The loop of a search: level after level, over all brackets at once."""

import time
from collections.abc import Callable, Sequence

from skhyperband._brackets import RunningBrackets
from skhyperband._history import SearchHistory
from skhyperband._level_evaluation import LevelEvaluation
from skhyperband._observers import Observer
from skhyperband._records import StopReason
from skhyperband._samplers.base import Sampler

# Looks at the history, and returns why the search should end; None while it should not.
StopRule = Callable[[SearchHistory], StopReason | None]


def run_levels(
    brackets: RunningBrackets,
    sampler: Sampler,
    history: SearchHistory,
    evaluation: LevelEvaluation,
    *,
    stop_rules: Sequence[StopRule] = (),
    observer: Observer | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> StopReason:
    """Run the levels of a search until they end or a rule stops them; return the reason.

    Whatever ends it, `history` then holds all that was measured. The loop knows nothing of
    scikit-learn: samplers, executors and scores are handed in.
    """
    observer = observer or Observer()
    for level in brackets.levels():
        if reason := _first_reason(stop_rules, history):
            return reason
        start = clock()
        entries = brackets.enter(level, sampler, history)
        if not entries:
            continue
        pending = evaluation.pending(level, entries)
        observer.level_begin(level, entries, n_evaluations=len(pending))
        try:
            evaluation.evaluate(level, entries, pending)
        finally:
            result = history.close_level(level, entries)
        observer.level_end(level, result, clock() - start)
        if observer.stop_requested and not result.complete:
            return "callback"
        if not result.complete and not brackets.goes_on_after(result):
            return "max_time"
        if result.complete:
            sampler.tell(result)
        brackets.promote(entries, result)
        evaluation.drop_states_of_losers()
    return brackets.end_reason


def _first_reason(rules: Sequence[StopRule], history: SearchHistory) -> StopReason | None:
    return next((reason for rule in rules if (reason := rule(history)) is not None), None)
