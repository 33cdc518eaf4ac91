"""A run of a search: the parts of its loop put together, and what they have found out."""

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from skhyperband._brackets import BracketRules, RunningBrackets
from skhyperband._callbacks import SearchCallbacks
from skhyperband._candidates import candidate_check
from skhyperband._data import SearchData
from skhyperband._executors import Executor, make_executor
from skhyperband._fit_warnings import catching, every_time
from skhyperband._given_estimator import GivenEstimator
from skhyperband._halving import StopRule, run_levels
from skhyperband._history import SearchHistory
from skhyperband._journal import JournalSession
from skhyperband._level_evaluation import LevelEvaluation
from skhyperband._observers import Observer, Observers
from skhyperband._param_validation import as_seconds
from skhyperband._plan import Plan
from skhyperband._progress import ProgressPrinter
from skhyperband._records import Outcome, StopReason
from skhyperband._resources import order_splits
from skhyperband._rounds import Rounds, TimedRounds, UntimedRounds
from skhyperband._samplers import CheckedSampler, SamplingProblem, learns, make_sampler
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
        self._has_journal = session is not None
        self._sampler = _make_checked_sampler(search, plan.resource, seeds, initial)
        self.history = SearchHistory(order_splits(data.splits, seeds.splits), score)
        self.evaluator = make_evaluator(search, data, plan, seeds, scorer, clock, timer)
        self.executor = self._make_executor(search, session)
        observers: list[Observer] = [] if callbacks is None else [callbacks]
        if search.verbose:
            observers.insert(0, self._make_printer(search.verbose, rules))
        self._observer = Observers(observers)
        self._sampler_learns = search.n_candidates != "all" and learns(search.sampler)
        if session is not None and self._sampler_learns:
            self._tell_known(search, session, seeds, initial, score)
        self._given_estimator = GivenEstimator(
            self.history,
            self.executor,
            max_resources=plan.max_resources,
            is_initial={} in initial,
            clock=clock,
            deadline=deadline,
        )
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
                (self.plan.resource, self.plan.brackets),
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
            sampler_learns=self._sampler_learns,
            given_estimator=self._given_estimator,
            clock=self._clock,
            deadline=self._deadline,
            n_workers=self.executor.n_workers,
        )

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
                self._given_estimator.enter_alone()
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
