"""A run of a search: the parts of its loop put together, and what they have found out."""

import contextlib
import itertools
import math
import statistics
import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any

from skhyperband._brackets import BracketRules, RunningBrackets
from skhyperband._callbacks import SearchCallbacks
from skhyperband._candidates import candidate_check
from skhyperband._data import SearchData
from skhyperband._executors import Executor, make_executor
from skhyperband._fit_warnings import catching, every_time
from skhyperband._halving import StopRule, run_levels
from skhyperband._history import SearchHistory
from skhyperband._journal import JournalSession
from skhyperband._level_evaluation import LevelEvaluation
from skhyperband._observers import Observer, Observers
from skhyperband._param_validation import as_seconds
from skhyperband._plan import Plan
from skhyperband._progress import ProgressPrinter
from skhyperband._records import (
    EvaluationKey,
    FailedStep,
    Outcome,
    RungEntry,
    StopReason,
    Task,
)
from skhyperband._resources import (
    order_splits,
)
from skhyperband._rounds import Rounds, TimedRounds, UntimedRounds
from skhyperband._samplers import CheckedSampler, SamplingProblem, learns, make_sampler
from skhyperband._schedule import Level, Rung
from skhyperband._setup import HalvingArguments, Seeds, draw_seeds, make_evaluator
from skhyperband._space import Candidate, as_space


class HalvingRun:
    """One run of a search: the parts of its loop, and what they have found out.

    Parameters
    ----------
    search : search estimator
        The parameters.
    data : SearchData
    plan : Plan
    scorer : callable
    score : callable
        ``score(outcome)`` is the number by which candidates are promoted.
    deadline : float
        Seconds since the epoch, from which on no evaluation is begun.
    clock : callable
        Seconds since the epoch.
    timer : callable
        Seconds, for durations.
    session : JournalSession or None
    callbacks : SearchCallbacks or None

    Attributes
    ----------
    plan : Plan
    history : SearchHistory
    brackets : RunningBrackets
    evaluator : Evaluator
    executor : Executor
    """

    def __init__(
        self,
        search: HalvingArguments,
        *,
        data: SearchData,
        plan: Plan,
        scorer: Any,
        score: Callable[[Outcome], float],
        deadline: float,
        clock: Callable[[], float],
        timer: Callable[[], float],
        session: JournalSession | None,
        callbacks: SearchCallbacks | None,
    ):
        seeds = draw_seeds(search.random_state, session)
        rules = search._bracket_rules()
        initial = [dict(candidate) for candidate in search.initial_candidates or []]
        self.plan = plan
        self._deadline = deadline
        self._clock = clock
        # Of the estimator as it is given, by the amount of the resource and the split.
        self._measured: dict[tuple[int, int], Outcome] = {}
        self._estimator_is_initial = {} in initial
        self._has_journal = session is not None
        self._sampler = _make_checked_sampler(search, plan.resource, seeds, initial)
        self.history = SearchHistory(order_splits(data.splits, seeds.splits), score)
        self.evaluator = make_evaluator(search, data, plan, seeds, scorer, clock, timer)
        self.executor = self._make_executor(search, session)
        observers: list[Observer] = [] if callbacks is None else [callbacks]
        if search.verbose:
            observers.insert(0, self._make_printer(search.verbose, rules))
        self._observer = Observers(observers)
        if session is not None and search.n_candidates != "all" and learns(search.sampler):
            self._tell_known(search, session, seeds, initial, score)
        self.brackets = RunningBrackets(
            plan,
            rules=rules,
            initial_candidates=initial,
            rounds=self._make_rounds(rules),
        )

    def _make_executor(self, search: HalvingArguments, session: JournalSession | None) -> Executor:
        max_fit_time = as_seconds(search.max_fit_time, "max_fit_time")
        executor = make_executor(self.evaluator, search.n_jobs, search.pre_dispatch, max_fit_time)
        if session is None:
            return executor
        return session.replaying(executor, self.evaluator, self._is_too_late)

    def _make_printer(self, verbose: int, rules: BracketRules) -> ProgressPrinter:
        return ProgressPrinter(
            self.plan,
            self.executor.n_workers,
            prints_evaluations=verbose > 1,
            has_journal=self._has_journal,
            repeats_forever=rules.repeats_forever,
            clock=self._clock,
            deadline=self._deadline,
        )

    def _tell_known(
        self,
        search: HalvingArguments,
        session: JournalSession,
        seeds: Seeds,
        initial: Sequence[Candidate],
        score: Callable[[Outcome], float],
    ) -> None:
        """Tell the sampler what the journal had when this search first began."""
        levels = session.known_levels(
            self.evaluator,
            space=as_space(search.param_distributions),
            n_splits=self.plan.n_splits,
            score=score,
            initial_candidates=initial,
            depends_on=(
                self.plan.brackets,
                seeds.candidates,
                search.sampler if isinstance(search.sampler, str) else type(search.sampler),
                search._bracket_rules(),
                (search.rank_by, search.error_score),
                search.refit if isinstance(search.refit, (bool, str)) else None,
            ),
        )
        for level in levels:
            self._sampler.tell(level)

    def _make_rounds(self, rules: BracketRules) -> Rounds:
        if self._deadline == math.inf:
            return UntimedRounds(self.plan, repeats_forever=rules.repeats_forever)
        return TimedRounds(
            self.plan,
            self.history,
            repeats_forever=rules.repeats_forever,
            measure=self._measure_estimator,
            enter_estimator=self._enter_estimator,
            clock=self._clock,
            deadline=self._deadline,
            n_workers=self.executor.n_workers,
        )

    # -- the estimator as it is given

    def _measure_estimator(self, amounts: Collection[int]) -> dict[int, float]:
        """Return the mean seconds of the estimator as it is given, by the amount of the resource.

        Amounts for which it failed are left out. Where it took longer than `max_fit_time`, this
        limit is what a candidate costs at most.
        """
        seconds = defaultdict(list)
        tasks = self._tasks_to_measure(amounts)
        with contextlib.closing(self.executor.run(tasks)) as finished:
            for position, result in finished:
                if not isinstance(result, Outcome):
                    continue
                place = tasks[position].n_resources, tasks[position].split
                if result.failure is None:
                    self._measured[place] = result
                elif result.failure.step != FailedStep.TIMEOUT:
                    continue
                seconds[place[0]].append(result.fit_time + result.score_time)
        return {n_resources: statistics.fmean(each) for n_resources, each in seconds.items()}

    def _tasks_to_measure(self, amounts: Collection[int]) -> list[Task]:
        """Return a task for each amount on the first split, and full ones for all other workers.

        A process that has just been started loads libraries for a second or more: all of them do
        so at the same time if each has a task. With all resources the estimator is evaluated even
        if the start of workers takes all of the time, so that there is a result.
        """
        highest = self.plan.max_resources
        first, *others = self.history.split_order
        places = [(n_resources, first) for n_resources in amounts]
        places += [(highest, split) for split in others]
        must_be_made = None if self._is_too_late() else (highest, first)
        return [
            Task(
                candidate={},
                n_resources=n_resources,
                split=split,
                start_before=(
                    math.inf if (n_resources, split) == must_be_made else self._deadline
                ),
            )
            for n_resources, split in places[: max(len(amounts), self.executor.n_workers)]
        ]

    def _enter_estimator(self, rung: Rung, plan_fits: bool) -> list[int]:
        """Make the estimator as it is given a candidate, if its evaluation did not take too long.

        If the time suffices for the whole plan this is not done: the search then has the same
        results as one without a time limit. If the estimator is a candidate anyway, what was
        measured of it counts.
        """
        number = self.history.number_of({})
        if number is not None:
            self._record_measured(number, rung)
            return []
        full_fit = self.plan.max_resources, self.history.split_order[0]
        if plan_fits or self._estimator_is_initial or full_fit not in self._measured:
            return []
        return [self._add_estimator(rung)]

    def _add_estimator(self, rung: Rung) -> int:
        (number,) = self.history.add_candidates([{}])
        self._record_measured(self.history.canonical_id(number), rung)
        return number

    def _record_measured(self, candidate: int, rung: Rung) -> None:
        for (n_resources, split), outcome in self._measured.items():
            key = EvaluationKey(candidate, n_resources, split)
            if key not in self.history.outcomes:
                self.history.record(key, rung, outcome)

    def _count_full_fits(self) -> None:
        """Let the estimator as it is given be the only candidate, since there was time for no other."""
        highest = self.plan.max_resources
        full_fits = itertools.takewhile(
            lambda split: (highest, split) in self._measured, self.history.split_order
        )
        n_splits = len(list(full_fits))
        if self.history.entries or not n_splits:
            return
        rung = Rung(
            repeat=0,
            bracket=0,
            iter=0,
            n_candidates=1,
            n_resources=highest,
            n_splits=n_splits,
            n_halvings=0,
        )
        entry = RungEntry(rung, self._add_estimator(rung))
        self.history.close_level(Level(0, highest, n_splits, rungs=(rung,)), [entry])

    # -- the loop

    def _is_too_late(self) -> bool:
        return self._clock() >= self._deadline

    @property
    def _stop_rules(self) -> list[StopRule]:
        """The rules that may end the search before a level."""

        def time_is_over(history: SearchHistory) -> StopReason | None:
            return "max_time" if self._is_too_late() else None

        def observer_asks(history: SearchHistory) -> StopReason | None:
            return "callback" if self._observer.stop_requested else None

        def all_failed(history: SearchHistory) -> StopReason | None:
            # The whole first level failed: `fit` raises, with what was measured so far.
            outcomes = history.outcomes.values()
            failed = all(o.failure is not None and not o.has_finite_score for o in outcomes)
            return "interrupted" if outcomes and failed else None

        # A level that is answered from a journal takes no time, so that it may begin; of one
        # that is not, the first evaluation that is to be made ends it.
        rules: list[StopRule] = [all_failed, observer_asks]
        return rules if self._has_journal else [time_is_over, *rules]

    def run(self) -> StopReason:
        """Run all levels; return why the search ended."""
        self._observer.search_begin(self.brackets.n_levels)
        reason: StopReason = "interrupted"
        try:
            with (
                catching.held(every_time(warnings.filters)),
                self.executor,
                contextlib.closing(self._make_evaluation()) as evaluation,
            ):
                reason = run_levels(
                    self.brackets,
                    self._sampler,
                    self.history,
                    evaluation,
                    stop_rules=self._stop_rules,
                    observer=self._observer,
                )
            if reason == "max_time":
                self._count_full_fits()
        finally:
            self._observer.search_end(reason)
        return reason

    def _make_evaluation(self) -> LevelEvaluation:
        return LevelEvaluation(
            self.history,
            self.brackets,
            self.executor,
            self._observer,
            self._deadline,
        )


def _make_checked_sampler(
    search: HalvingArguments, resource: str, seeds: Seeds, initial: list[dict[str, Any]]
) -> CheckedSampler:
    """Return the sampler, which raises for candidates that the estimator refuses."""
    space = as_space(search.param_distributions)
    is_users = not isinstance(search.sampler, str)
    check_candidate = candidate_check(search.estimator, resource, space, is_users)
    problem = SamplingProblem(
        space,
        initial,
        random_state=seeds.first_candidates,
        seed=seeds.candidates,
        defaults=search.estimator.get_params(),
    )
    whole_grid = search.n_candidates == "all"
    return CheckedSampler(
        make_sampler(search.sampler, problem, whole_grid=whole_grid), check_candidate
    )
