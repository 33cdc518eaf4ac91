"""Estimates how long a search will take, from a few evaluations that are measured."""

import bisect
import heapq
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from skhyperband._evaluator import Evaluator
from skhyperband._executors import Executor
from skhyperband._plan import Plan, PlanTiming
from skhyperband._records import FailedStep, Failure, Outcome, Skipped, StateKey, Task
from skhyperband._schedule import RungEvaluations, count_evaluations

# Evaluations are repeated for so long, and the shortest time counts: the first ones also load
# libraries and start threads, and others are held up by what else the machine does.
_SECONDS_TO_REPEAT = 0.5
_MAX_REPEATS = 5


@dataclass(frozen=True)
class EvaluationSeconds:
    """Seconds of an evaluation, by the amount of the resource.

    They are interpolated between the amounts that were measured, so that any dependence on
    the resource is followed: the time of a support vector machine, for example, is not
    proportional to the samples.

    Attributes
    ----------
    amounts : tuple of int
        Amounts of the resource that were measured, in ascending order.
    fit, score : tuple of float
        Seconds of the fit and of all else in an evaluation, for each amount.
    continuation : float or None
        Seconds by which continuing a training takes longer than the additional training. None
        if every evaluation is fitted from scratch.
    """

    amounts: tuple[int, ...]
    fit: tuple[float, ...]
    score: tuple[float, ...]
    continuation: float | None = None

    def first(self, n_resources: int) -> float:
        """Return the seconds of an evaluation that is fitted from scratch."""
        return self._at(self.fit, n_resources) + self._at(self.score, n_resources)

    def further(self, before: int, n_resources: int) -> float:
        """Return the seconds of an evaluation of a candidate that was evaluated with less."""
        if self.continuation is None:
            return self.first(n_resources)
        training = self._at(self.fit, n_resources) - self._at(self.fit, before)
        return training + self.continuation + self._at(self.score, n_resources)

    def _at(self, seconds: Sequence[float], n_resources: int) -> float:
        above = bisect.bisect_left(self.amounts, n_resources)
        if above == 0:
            return seconds[0]
        low, high = self.amounts[above - 1], self.amounts[above]
        share = (n_resources - low) / (high - low)
        return seconds[above - 1] + share * (seconds[above] - seconds[above - 1])


# --- from the seconds of an evaluation to those of a search ------------------------


def expected_timing(
    plan: Plan, seconds: EvaluationSeconds, n_workers: int, refit_seconds: float = 0.0
) -> PlanTiming:
    """Return the expected duration of a search, and of a random search to compare it with."""
    counts = {
        count.rung.key: count for bracket in plan.brackets for count in count_evaluations(bracket)
    }
    levels = (
        [part for rung in level.rungs for part in _durations(counts[rung.key], seconds)]
        for level in plan.levels
    )
    total = refit_seconds + sum(makespan(level, n_workers) for level in levels)
    full = seconds.first(plan.max_resources)
    random_search = makespan([(full, plan.n_random_search_fits)], n_workers)
    n_fits = (total - refit_seconds) * n_workers / full if full > 0 else plan.n_random_search_fits
    return PlanTiming(
        rung_seconds=tuple(
            sum(duration * n for duration, n in _durations(counts[rung.key], seconds))
            for rung in plan.rungs
        ),
        total_seconds=total,
        n_workers=n_workers,
        continued=seconds.continuation is not None,
        random_search_seconds=refit_seconds + random_search,
        n_random_search_candidates=n_fits / plan.n_splits,
    )


def _durations(count: RungEvaluations, seconds: EvaluationSeconds) -> list[tuple[float, int]]:
    """Return the evaluations of a rung as pairs of a duration and how often it occurs."""
    n_resources = count.rung.n_resources
    return [
        (seconds.first(n_resources), count.n_first),
        (seconds.further(count.n_resources_before, n_resources), count.n_further),
    ]


def makespan(durations: Iterable[tuple[float, int]], n_workers: int) -> float:
    """Return when the last of the evaluations ends, if each free worker takes the longest one.

    `durations` are pairs of a duration and how often it occurs.
    """
    free_at = [0.0] * n_workers
    for duration, n in sorted(durations, reverse=True):
        for _ in range(n):
            heapq.heapreplace(free_at, free_at[0] + duration)
    return max(free_at)


# --- measuring ---------------------------------------------------------------------


def amounts_to_measure(plan: Plan) -> list[int]:
    """Return the amounts of the plan's rungs, those left out that are close to a larger one.

    Each is at most half of the next, so that all together cost at most two fits with the maximum
    resource; the smallest amount is always there.
    """
    of_plan = {plan.max_resources, *(rung.n_resources for rung in plan.rungs)}
    chosen: list[int] = []
    for amount in sorted(of_plan, reverse=True):
        if not chosen or 2 * amount <= chosen[-1] or amount == min(of_plan):
            chosen.append(amount)
    return chosen[::-1]


class WholeEvaluation:
    """Evaluates a task; its `score_time` is the time of all but the fit.

    That includes what an outcome does not report: the scores of the training part and the
    handling of warnings.

    Parameters
    ----------
    evaluator : Evaluator
        Evaluates the tasks.
    """

    def __init__(self, evaluator: Evaluator):
        self._evaluator = evaluator

    def __call__(self, task: Task) -> Outcome | Skipped:
        """Return the outcome of the task."""
        start = self._evaluator.timer()
        outcome = self._evaluator(task)
        if isinstance(outcome, Skipped):
            return outcome
        seconds = self._evaluator.timer() - start
        return outcome._replace(score_time=seconds - outcome.fit_time)


class EvaluationTimer:
    """Measures evaluations of the estimator as it is given, on one split.

    Every worker makes the same evaluation at the same time, as in a search: they share the
    memory and the processor, and a fit in a worker process has fewer threads.

    Parameters
    ----------
    executor : Executor
        Runs the evaluations. It must have been entered.
    split : int
        The split.
    """

    def __init__(self, executor: Executor, split: int):
        self._executor = executor
        self._split = split

    def measure(self, amounts: Sequence[int]) -> EvaluationSeconds:
        """Return the seconds of evaluations with these amounts, in ascending order."""
        measured = [_shortest(partial(self._first, n)) for n in amounts]
        fit = _never_decreasing([_mean_fit(outcomes) for outcomes in measured])
        seconds = EvaluationSeconds(
            amounts=tuple(amounts),
            fit=tuple(fit),
            score=tuple(_mean_score(outcomes) for outcomes in measured),
        )
        if len(amounts) == 1:
            return seconds
        return replace(seconds, continuation=self._continuation(amounts[0], amounts[1], seconds))

    def _continuation(self, low: int, high: int, seconds: EvaluationSeconds) -> float | None:
        """Return what a continued fit takes besides the training; None if none is continued."""
        outcomes = _shortest(partial(self._further, low, high))
        if any(outcome.n_trained >= high for outcome in outcomes):
            return None
        return max(0.0, _mean_fit(outcomes) - (seconds.fit[1] - seconds.fit[0]))

    def _first(self, n_resources: int) -> list[Outcome]:
        """Evaluate from scratch, on all workers at once; keep the fitted estimators."""
        return self._evaluate(n_resources, states=[None] * self._executor.n_workers)

    def _further(self, low: int, high: int) -> list[Outcome]:
        """Evaluate with the lower amount, and then, continued if possible, with the higher."""
        keys = [StateKey(worker, self._split) for worker in range(self._executor.n_workers)]
        for key, outcome in zip(keys, self._first(low), strict=True):
            if outcome.state is not None:
                self._executor.states.keep(key, outcome.state)
        outcomes = self._evaluate(high, states=[self._executor.states.lend(key) for key in keys])
        self._executor.states.drop(keys)
        return outcomes

    def _evaluate(self, n_resources: int, states: Sequence[object]) -> list[Outcome]:
        tasks = [
            Task(
                candidate={},
                n_resources=n_resources,
                split=self._split,
                state=state,
                keeps_state=True,
            )
            for state in states
        ]
        outcomes = [finished.result for finished in self._executor.run(tasks)]
        evaluated = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
        for outcome in evaluated:
            if outcome.failure is not None:
                _raise_failure(outcome.failure)
        return evaluated


def _shortest(measure: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Measure again while it takes next to no time; return the outcomes with the shortest fits."""
    best = measure()
    spent = _mean_fit(best) + _mean_score(best)
    for _ in range(_MAX_REPEATS - 1):
        if spent >= _SECONDS_TO_REPEAT:
            break
        outcomes = measure()
        best = min(best, outcomes, key=lambda o: _mean_fit(o) + _mean_score(o))
        spent += _mean_fit(outcomes) + _mean_score(outcomes)
    return best


def _mean_fit(outcomes: Sequence[Outcome]) -> float:
    return statistics.fmean(outcome.fit_time for outcome in outcomes)


def _mean_score(outcomes: Sequence[Outcome]) -> float:
    return statistics.fmean(outcome.score_time for outcome in outcomes)


def _never_decreasing(seconds: Sequence[float]) -> list[float]:
    """Lower each time to those of larger amounts: what took longer was held up."""
    lowered = list(seconds)
    for i in reversed(range(len(lowered) - 1)):
        lowered[i] = min(lowered[i], lowered[i + 1])
    return lowered


def _raise_failure(failure: Failure) -> None:
    """Raise the exception of a fit or scorer, with a note that says why there was a fit."""
    error = failure.exception
    if error is None:
        kinds = {FailedStep.INVALID_SCORE: ValueError, FailedStep.TIMEOUT: TimeoutError}
        error = kinds.get(failure.step, RuntimeError)(failure.text)
    error.add_note(
        "plan(timed=True) fits the estimator with the parameters that it is given with. If they "
        "do not fit the data and all candidates replace them, set others; or leave timed=True out."
    )
    raise error
