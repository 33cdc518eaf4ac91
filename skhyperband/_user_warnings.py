"""Warnings to the user: pure functions make their texts, and one function sends them."""

import math
import numbers
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning

from skhyperband._continuation import Continuation
from skhyperband._fit_warnings import Source, warn_once
from skhyperband._history import SearchHistory
from skhyperband._messages import (
    counted,
    exception_of_traceback,
    message_of_traceback,
    repr_of,
)
from skhyperband._plan import Plan
from skhyperband._records import EvaluationKey, FailedStep, Outcome, Scores, StateKey
from skhyperband._resources import N_SAMPLES, without_resource
from skhyperband._results import failed_with_more
from skhyperband._schedule import Rung, largest_power
from skhyperband._space import Candidate, plain


def send(message: str | None, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code that called the search, if there is a message."""
    if message is not None:
        warnings.warn(message, category, stacklevel=_stacklevel_of_caller())


def _stacklevel_of_caller() -> int:
    """Return the `stacklevel` of the first frame outside this package and scikit-learn."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _package(frame.f_globals) in ("skhyperband", "sklearn"):
        level, frame = level + 1, frame.f_back
    return level


def _package(module_globals: Mapping[str, Any]) -> str:
    return str(module_globals.get("__name__", "")).partition(".")[0]


def warn_after_fits(
    search: Any, history: SearchHistory, failed_rungs: Sequence[Rung], lost_states: Sequence[str]
) -> None:
    """Show the warnings of the fits, and send what the user should know of the results.

    Raises
    ------
    ValueError
        Where no evaluation gave a finite score.
    """
    plan, error_score = search.plan_, search._rule.error_value
    show_fit_warnings(history, plan.resource, plan.max_resources)
    raise_if_all_failed(history, plan, search.min_resources)
    send(failures_message(history, failed_rungs, error_score), FitFailedWarning)
    send(non_finite_message(history))
    send(exhausted_space_message(search, plan, history.n_distinct))
    send(lost_states_message(lost_states, search.estimator))
    send(fresh_fits_message(search, history))


# --- before the fits ---------------------------------------------------------------


# With fewer candidates, a random search is about as good.
_ENOUGH_CANDIDATES = 9
# The words for a number of candidates that follows from how often they can be halved.
_NUMBERS_BY_HALVING = ("auto", "exhaust")


def lost_halvings_message(search: Any, plan: Plan) -> str | None:
    """Return a message if the bounds leave hardly anything to compare.

    There is no warning if the user asked for that with numbers.
    """
    outcome = _outcome_of_lost_halvings(search, plan)
    if outcome is None:
        return None
    lowest, highest = plan.min_resources, plan.max_resources
    room = "no" if len(set(plan.ladder)) == 1 else "little"
    first = _describe_bound("min_resources", search.min_resources, lowest, plan)
    last = _describe_bound("max_resources", search.max_resources, highest, plan)
    why = ""
    if search.min_resources == "smallest" and plan.resource == N_SAMPLES:
        why = (
            " min_resources='smallest' requires two samples for each split, of a "
            f"classifier for each class too, and cv has {plan.n_splits} splits."
        )
    by_halving = search.n_candidates in _NUMBERS_BY_HALVING
    divisor = _room_for_candidates(plan.factor) if by_halving else plan.factor
    lower = max(1, math.floor(highest / divisor))
    way_out = (
        f"lower it, such as min_resources={lower}" if lower < lowest else "raise max_resources"
    )
    needed = ["n_candidates=... a number"] if by_halving else []
    if room == "no" and isinstance(search.min_resources, str):
        needed.append(f"min_resources={lowest}")
    others = "GridSearchCV" if search.n_candidates == "all" else "RandomizedSearchCV"
    return (
        f"From {first} to {last}, factor={search.factor} leaves {room} room for halving: "
        f"{outcome}.{why} To {'compare more candidates' if by_halving else 'halve'}, {way_out}; to "
        f"evaluate each with all resources, give {' and '.join(needed)}, or use {others}."
    )


def _outcome_of_lost_halvings(search: Any, plan: Plan) -> str | None:
    """Return what the bounds lead to; None if they leave enough to compare."""
    n_candidates = sum(b.n_candidates for b in plan.brackets if b.repeat == 0)
    has_one_level = len(set(plan.ladder)) == 1
    of_round = " of each round" if plan.brackets[-1].repeat else ""
    all_at_once = f"all {n_candidates} candidates{of_round} are evaluated with all resources"
    if search.n_candidates in _NUMBERS_BY_HALVING:
        if plan.space_exhausted:
            return None
        if n_candidates >= _ENOUGH_CANDIDATES:
            return all_at_once if has_one_level else None
        if n_candidates == 1:
            return "there is only one candidate"
        return f"there are only {n_candidates} candidates"
    by_word = isinstance(search.min_resources, str) and (
        plan.resource == N_SAMPLES or search.max_resources == "auto"
    )
    could_halve = plan.brackets[0].n_candidates >= plan.factor
    return all_at_once if by_word and could_halve and has_one_level else None


def _room_for_candidates(factor: Fraction) -> Fraction:
    """Return by how much halvings divide the resource until enough candidates enter."""
    n_halvings = largest_power(factor, _ENOUGH_CANDIDATES)
    if n_halvings > 100:  # The exact power would have too many digits.
        return _ENOUGH_CANDIDATES * factor
    power = factor**n_halvings
    return power if power >= _ENOUGH_CANDIDATES else power * factor


def _describe_bound(name: str, value: Any, number: int, plan: Plan) -> str:
    unit = "samples" if plan.resource == N_SAMPLES else plan.resource
    return f"{name}={value!r}" + (f" ({number} {unit})" if isinstance(value, str) else "")


def other_splits_message(cv: Any) -> str | None:
    """Return a message if a search that is resumed from a journal will have other splits."""
    shuffles = getattr(cv, "shuffle", True) and hasattr(cv, "random_state")
    if not shuffles or isinstance(cv.random_state, numbers.Integral):
        return None
    return (
        f"cv={repr_of(cv)} generates other splits each time, so that nothing in the journal will be "
        "found again; give it an integer as random_state."
    )


# --- warnings of the fits ----------------------------------------------------------

# Names of resources of which too few mean that a solver has not converged.
_ITERATIONS = ("iter", "iterations", "epochs")


def show_fit_warnings(history: SearchHistory, resource: str, max_resources: int) -> None:
    """Show each kind of warning of the fits once, with how many evaluations gave it."""

    def is_expected(key: EvaluationKey, source: Source) -> bool:
        # With few iterations a solver cannot converge.
        is_of_low_rung = key.n_resources < max_resources and resource.endswith(_ITERATIONS)
        return is_of_low_rung and issubclass(source.category, ConvergenceWarning)

    warn_once(
        {s: text for s, text in outcome.warnings.items() if not is_expected(key, s)}
        for key, outcome in _in_order(history)
        if outcome.warnings
    )


def _in_order(history: SearchHistory) -> Iterator[tuple[EvaluationKey, Outcome]]:
    """Yield the evaluations by candidate, resource and split: the order does not depend on time."""
    for key in sorted(history.outcomes):
        yield key, history.outcomes[key]


# --- failures ----------------------------------------------------------------------


def failures_message(
    history: SearchHistory, failed_rungs: Sequence[Rung], error_score: float
) -> str | None:
    """Return a message that sums up what failed; None if nothing did."""
    paragraphs = [_describe_failed_rung(rung) for rung in failed_rungs]
    failures = _failures(history)
    if failures:
        text = describe_failures(failures, len(history.outcomes), error_score)
        paragraphs.append(text + _describe_replayed_failures(history))
    return "\n".join(paragraphs) or None


def _describe_failed_rung(rung: Rung) -> str:
    scored = f"of bracket {rung.bracket} scored NaN with {rung.n_resources} resources"
    if rung.n_candidates == 1:
        return f"The only candidate {scored}; it did not go on."
    return f"All {rung.n_candidates} candidates {scored}; none of them went on."


def _describe_replayed_failures(history: SearchHistory) -> str:
    """Return a paragraph on the failures that were read from a journal; empty if there are none."""
    outcomes = history.outcomes.values()
    n_replayed = sum(o.replayed for o in outcomes if o.failure is not None)
    if not n_replayed:
        return ""
    return (
        f"\n\n{n_replayed} of these failures were read from the journal, and not tried again. "
        "To try them again when you have mended the cause, use a new file."
    )


def _failures(history: SearchHistory) -> list[tuple[Candidate, str]]:
    return [
        (history.candidates[key.candidate], outcome.failure.text)
        for key, outcome in _in_order(history)
        if outcome.failure is not None
    ]


def describe_failures(
    failures: Sequence[tuple[dict[str, Any], str]], n_evaluations: int, error_score: float
) -> str:
    """Return which evaluations failed, how often and why, with one traceback for each error.

    Parameters
    ----------
    failures : sequence of (dict, str)
        The parameters of the candidate, and the traceback.
    n_evaluations : int
        The number of all evaluations, failed or not.
    error_score : float
        The score that failed evaluations get.
    """
    kinds: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for params, text in failures:
        kinds.setdefault(_kind(text), []).append((params, text))
    lines = [
        f"{len(failures)} of {n_evaluations} evaluations failed; their scores are set to "
        f"{error_score}. error_score='raise' stops at the first."
    ]
    for members in kinds.values():
        params, text = members[0]
        named = ", ".join(f"{name}={repr_of(plain(value))}" for name, value in params.items())
        lines.append(
            f"{len(members)} times, first with {named or 'no parameters'}:\n{text.strip()}"
        )
    return "\n\n".join(lines)


def _kind(text: str) -> str:
    """Return where it failed and with which exception, without messages, which may differ."""
    frames = [line for line in text.splitlines() if line.startswith('  File "')]
    if not frames:
        return text.partition(":")[0]
    return "\n".join([*frames, exception_of_traceback(text)])


def non_finite_message(history: SearchHistory) -> str | None:
    """Return a message that says which scores are NaN or infinite; None if all are finite."""
    counts = Counter(
        (name, None if math.isnan(value) else value)
        for name, value in _scores_without_failure(history)
        if value is not None and not math.isfinite(value)
    )
    if not counts:
        return None
    n_scores = Counter(name for name, _ in _scores_without_failure(history))
    found = [
        f"{'NaN' if kind is None else kind} in {count} of {n_scores[name]} evaluations "
        f"({'_'.join(name)})"
        for (name, kind), count in counts.items()
    ]
    return (
        f"Some scores are not finite although nothing failed: {'; '.join(found)}. A candidate "
        "whose mean score is NaN ranks last. Check scoring and what the estimator predicts."
    )


def _scores_without_failure(
    history: SearchHistory,
) -> Iterator[tuple[tuple[str, str], float | None]]:
    """Yield each score with its part, "test" or "train", and its metric."""
    for outcome in history.outcomes.values():
        if outcome.failure is None:
            yield from _by_metric("test", outcome.test_scores)
            if outcome.train_scores is not None:
                yield from _by_metric("train", outcome.train_scores)


def _by_metric(part: str, scores: Scores) -> Iterator[tuple[tuple[str, str], float | None]]:
    if not isinstance(scores, dict):
        yield (part, "score"), scores
        return
    for metric, value in scores.items():
        yield (part, metric), value


def raise_if_all_failed(history: SearchHistory, plan: Plan, min_resources: Any) -> None:
    """Raise if no evaluation gave a finite score; the error begins with the first failure."""
    if any(outcome.has_finite_score for outcome in history.outcomes.values()):
        return
    none = f"None of the {len(history.outcomes)} evaluations gave a finite score"
    failures = _failures(history)
    if not failures:
        raise ValueError(
            f"{none}: all of them are NaN or infinite, although nothing failed; check scoring and "
            "what the estimator predicts."
        )
    first = failures[0][1]
    if _all_took_too_long(history):
        raise ValueError(
            f"{message_of_traceback(first)}\n{none}, since all of them took too long: raise "
            "max_fit_time, or lower what a fit costs."
        )
    raise ValueError(
        f"{message_of_traceback(first)}\n{none}; {_advice(first, plan, min_resources)} "
        f"The first failure:\n{first}{_describe_replayed_failures(history)}"
    )


def _all_took_too_long(history: SearchHistory) -> bool:
    failures = [outcome.failure for outcome in history.outcomes.values()]
    return all(f is not None and f.step == FailedStep.TIMEOUT for f in failures)


def _advice(failure: str, plan: Plan, min_resources: Any) -> str:
    lowest = plan.rungs[0].n_resources
    of_samples = plan.resource == N_SAMPLES and lowest < plan.max_resources
    if of_samples and _has_too_few_samples(failure):
        return (
            f"its first rung has {lowest} samples, which seem to be too few: raise "
            f"min_resources={min_resources!r} to a number above {lowest}."
        )
    return "check the estimator, param_distributions and scoring."


# Parts of the messages of scikit-learn, imbalanced-learn and others about too few samples.
_TOO_FEW = re.compile(
    r"""n_samples(_fit)?\s*=\s*\d | ([<>=]|\ than)\s*n_samples(?!,) | min\(n_samples | too\ few
    | least\ populated | n_splits\s*=\s*\d | members\ in\ each\ class | sample\(s\)
    | less\ than\ \d+\ examples | number\ of\ (samples|classes)
    | only\ one\ class | set\ is\ too\ small | at\ least\ \d+\ samples
    | unknown\ categories | (unseen|unknown)\ label""",
    re.VERBOSE,
)


def _has_too_few_samples(failure: str) -> bool:
    """Return whether a traceback ends by saying that a fit had too few samples."""
    *frames, message = re.split(r"^[A-Za-z_][\w.]*: ", failure, flags=re.MULTILINE)
    return bool(frames) and _TOO_FEW.search(message) is not None


# --- after the fits ----------------------------------------------------------------


def unreached_resources_message(search: Any, *, time_was_over: bool) -> str | None:
    """Return a message where the best candidate was not measured with all resources."""
    resource, highest = search.plan_.resource, search.max_resources_
    amounts = search.cv_results_["n_resources"]
    measured = int(amounts[search.best_index_])
    if measured >= highest:
        return None
    is_reached = search.multimetric_ and amounts.max() >= highest
    score = f"a finite {search._metric_of_best}" if is_reached else "a score"
    failed = failed_with_more(search.cv_results_, search.best_index_)
    refit = "a refit takes all rows"
    if resource != N_SAMPLES and failed:
        refit = "since it failed with more, best_params_ and a refit have that too"
    elif resource != N_SAMPLES:
        refit = f"best_params_ and a refit have {resource}={highest}"
    text = (
        f"No candidate has {score} with {resource}={highest}: the best one was chosen, and "
        f"best_score_ was measured, with {resource}={measured}; {refit}."
    )
    if time_was_over and not failed and not is_reached:
        text += f" Raise max_time={search.max_time!r}, or lower n_candidates."
    return text


def no_candidates_message(search: Any) -> str | None:
    """Return a message where `max_time` sufficed for the estimator as it is given only."""
    results, resource = search.cv_results_, search.plan_.resource
    if any(without_resource(params, resource) for params in results["params"]):
        return None
    return (
        f"No candidate was evaluated within max_time={search.max_time!r}: the result is the "
        f"estimator as it is given, evaluated on {int(results['n_splits'].max())} of "
        f"{counted(search.n_splits_, 'split')}. Raise max_time."
    )


def why_not_refitted(search: Any) -> str:
    """Return why a search with results has no best estimator, and what to do about it."""
    name = type(search).__name__
    if not search._has_finite_score:
        return (
            f"This {name} is not fitted: no evaluation gave a finite score. See the error of fit, "
            "and call fit again."
        )
    what = "was interrupted before its refit"
    if search.stop_reason_ != "interrupted":
        what = "was fitted with refit=False"
    return (
        f"This {name} {what}. Call refit_best(X, y) to fit the best candidate that was measured, "
        "or fit to search again."
    )


def exhausted_space_message(search: Any, plan: Plan, n_entered: int) -> str | None:
    """Return a message if there were fewer candidates than the plan had places for."""
    if not plan.space_exhausted:
        return None
    if getattr(search, "n_repeats", 1) is None:
        return (
            f"The space ran out after {n_entered} candidates, so that no further round followed."
        )
    asked = f"n_candidates={search.n_candidates!r} asks for"
    if plan.brackets[-1].repeat:
        asked += " in all rounds"
    return (
        f"The space ran out after {n_entered} candidates, fewer than {asked}; the "
        "rungs were smaller."
    )


def lost_states_message(problems: Sequence[str], estimator: Any) -> str | None:
    """Return a message if fitted estimators could not be kept."""
    if not problems:
        return None
    return (
        f"{len(problems)} times a fitted {type(estimator).__name__} could not be kept, and was "
        f"fitted fresh on the next rung. The first time: {problems[0]}"
    )


def fresh_fits_message(search: Any, history: SearchHistory) -> str | None:
    """Return a message if ``continue_training=True`` continued nothing."""
    if search.continue_training is not True or search.n_replayed_ > 0:
        return None
    lowest: dict[StateKey, int] = {}
    # With a limit, a full fit of the estimator as it is given comes before the rungs.
    keys = [
        key
        for key in sorted(history.outcomes)
        if search.max_time is None or history.candidates[key.candidate]
    ]
    for key in keys:
        lowest.setdefault(key.state_key, key.n_resources)
    with_more = {
        key: history.outcomes[key]
        for key in keys
        if key.n_resources > lowest[key.state_key] and history.outcomes[key].failure is None
    }
    if not with_more or any(o.n_trained < key.n_resources for key, o in with_more.items()):
        return None
    candidate = history.candidates[min(with_more).candidate]
    estimator = clone(search.estimator).set_params(**clone(candidate, safe=False))
    reason = Continuation(search.continue_training, search.plan_.resource).why_fresh(estimator)
    return (
        f"continue_training=True, but every {type(search.estimator).__name__} was fitted fresh: "
        f"{reason}. Give a callable that continues its training, or leave continue_training at "
        "'auto'."
    )
