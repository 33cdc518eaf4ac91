"""Decides what `fit` puts together: all that the two searches share but their brackets."""

import contextlib
import copy
import numbers
import os
import time
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils.multiclass import type_of_target

from skhyperband._continuation import Continuation
from skhyperband._evaluation import Deadline, Evaluator, Outcome, Scores
from skhyperband._execution import Executor, JoblibExecutor, check_backend
from skhyperband._inputs import Data, checked_data, read_splits
from skhyperband._journal import LARGEST_INTEGER, Journal
from skhyperband._loop import LevelReport, Loop
from skhyperband._messages import repr_of, str_of
from skhyperband._parameters import (
    as_seconds,
    candidate_check,
    check_count,
    check_names,
    check_parameters,
    check_resource,
    has_too_few_samples,
    lost_halvings,
)
from skhyperband._plan import (
    Bracket,
    Plan,
    exact_factor,
    limit_candidates,
    resource_ladder,
    survivors,
)
from skhyperband._replay import Common, Keys, ReplayingExecutor, entry_suffices, identity
from skhyperband._resources import (
    N_SAMPLES,
    ParameterResource,
    Resource,
    SampleResource,
    Split,
    count_classes,
    order_samples,
    order_splits,
    resolve_max_resources,
    resolve_min_resources,
    samples_needed,
)
from skhyperband._results import Report, metric_names
from skhyperband._samplers import (
    Candidate,
    GridSampler,
    RandomSampler,
    Sampler,
    as_space,
    space_size,
)
from skhyperband._scoring import MetricRule
from skhyperband._sklearn_compat import (
    SearchBase,
    cut_metadata,
    fit_context,
    n_rows,
    named_scorers,
    uses_groups,
)
from skhyperband._states import StateStore
from skhyperband._warnings import (
    Caught,
    catching,
    describe_failures,
    describe_non_finite,
    every_time,
    warn_once,
)

# Names of resources of which too few mean that a solver has not converged.
_ITERATIONS = ("iter", "iterations", "epochs")


@dataclass(frozen=True)
class _Seeds:
    """One seed for each purpose; the first candidates take the user's own."""

    first_candidates: int | np.random.RandomState
    candidates: int
    samples: int
    splits: int


class HalvingSearch(SearchBase):
    """What the two searches share: all but the brackets."""

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: Any,
        factor: Any,
        resource: Any,
        max_resources: Any,
        min_resources: Any,
        min_splits: Any,
        sampler: Any,
        initial_candidates: Any,
        continue_training: Any,
        scoring: Any,
        rank_by: Any,
        refit: Any,
        cv: Any,
        n_jobs: Any,
        pre_dispatch: Any,
        max_time: Any,
        journal: Any,
        random_state: Any,
        error_score: Any,
        return_train_score: Any,
        verbose: Any,
    ):
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.n_candidates = n_candidates
        self.factor = factor
        self.resource = resource
        self.max_resources = max_resources
        self.min_resources = min_resources
        self.min_splits = min_splits
        self.sampler = sampler
        self.initial_candidates = initial_candidates
        self.continue_training = continue_training
        self.rank_by = rank_by
        self.max_time = max_time
        self.journal = journal
        self.random_state = random_state

    _n_candidates_words: tuple[str, ...]
    _clock = staticmethod(time.time)  # Worker processes look at it too.

    @abstractmethod
    def _brackets(
        self, ladder: Sequence[tuple[int, int]], factor: Fraction, available: int | None
    ) -> list[Bracket]:
        """Return the brackets; `available` is the number of candidates, None: no end."""

    @abstractmethod
    def _set_schedule(self, plan: Plan) -> None:
        """Set the fitted attributes that sum up the schedule."""

    # -- the plan

    def plan(
        self,
        X: Any = None,
        y: Any = None,
        *,
        n_samples: int | None = None,
        n_splits: int | None = None,
        n_classes: int | None = None,
        **params: Any,
    ) -> Plan:
        """Return the schedule that `fit` will follow, without fitting anything.

        Parameters
        ----------
        X, y : array-like, default=None
            What will be given to `fit`; or give the numbers instead.
        n_samples : int, default=None
            The number of samples, needed where it bounds the resource.
        n_splits : int, default=None
            The number of splits; taken from `cv` if None.
        n_classes : int, default=None
            The number of classes, needed where the resource is ``"n_samples"``, the
            estimator a classifier and `min_resources` no number.
        **params : dict
            What else will be given to `fit`, such as `groups`.

        Returns
        -------
        plan : Plan
            The brackets and rungs; it prints as a table.

        Raises
        ------
        ValueError, TypeError
            Where an argument of the search cannot be used, or a number is missing.
        """
        check_parameters(self)
        check_resource(self.estimator, self.resource)
        for name, value in {
            "n_samples": n_samples,
            "n_splits": n_splits,
            "n_classes": n_classes,
        }.items():
            check_count(name, value, (None,))
        if X is not None:
            X, y = indexable(X, y)
            n_samples = n_rows(X) if n_samples is None else n_samples
            if n_classes is None and y is not None and is_classifier(self.estimator):
                n_classes = count_classes(y)
        if n_splits is None:
            n_splits = self._count_splits(X, y, params)
        plan = self._plan(n_samples, n_splits, n_classes)
        self._warn_of_lost_halvings(plan, stacklevel=3)
        return plan

    def _warn_of_lost_halvings(self, plan: Plan, stacklevel: int) -> None:
        problem = lost_halvings(self, plan)
        if problem is not None:
            warnings.warn(problem, UserWarning, stacklevel=stacklevel)

    def _count_splits(self, X: Any, y: Any, params: dict[str, Any]) -> int:
        if hasattr(self.cv, "__next__"):
            raise ValueError(
                f"cv={self.cv!r} can be read only once, by fit; give n_splits, or make cv a list."
            )
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        split_params = {}
        if X is not None:
            _, split_params, _ = self._route(cut_metadata(X, params, None))
        try:
            return cv.get_n_splits(X, y, **split_params)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"n_splits=None: {cv!r} cannot count its splits without the data; give "
                "n_splits, or X, y and what else fit is given."
            ) from error

    def _plan(self, n_samples: int | None, n_splits: int, n_classes: int | None) -> Plan:
        if self.min_splits is not None and self.min_splits > n_splits:
            raise ValueError(
                f"min_splits={self.min_splits} exceeds the {n_splits} splits of cv; lower "
                "it, or give cv more."
            )
        factor = exact_factor(self.factor)
        largest = resolve_max_resources(
            self.max_resources, self.estimator, self.resource, n_samples
        )
        needed = 1
        if self.resource == N_SAMPLES and isinstance(self.min_resources, str):
            needed = samples_needed(self.estimator, n_splits, n_classes)
        smallest = resolve_min_resources(self.min_resources, largest, factor, needed)
        ladder = resource_ladder(largest, factor, smallest, n_splits, self.min_splits)
        available = self._n_available()
        wanted = self._brackets(ladder, factor, available)
        self._check_room(wanted[0])
        brackets = limit_candidates(wanted, available, factor)
        return Plan(
            tuple(brackets),
            factor,
            self.resource,
            int(smallest),
            largest,
            n_splits,
            tuple(ladder),
            space_exhausted=brackets != wanted,
        )

    def _n_available(self) -> int | None:
        """Return how many candidates there are in all, None where there is no end."""
        if self.sampler != "random":
            return None
        initial = list(self.initial_candidates or [])
        size = space_size(as_space(self.param_distributions), initial)
        return None if size is None else size + len(initial)

    def _check_room(self, widest: Bracket) -> None:
        n_initial = len(self.initial_candidates or [])
        if n_initial > widest.n_candidates:
            raise ValueError(
                f"initial_candidates has {n_initial} candidates, more than the "
                f"{widest.n_candidates} of the widest bracket "
                f"(n_candidates={self.n_candidates!r}); raise n_candidates or shorten it."
            )

    # -- fit

    @fit_context
    def fit(self, X: Any, y: Any = None, **params: Any) -> "HalvingSearch":
        """Search, and refit the best candidate on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            Training data, in any form that the estimator takes; square where the
            estimator is pairwise.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target; None for unsupervised learning.
        **params : dict of str to object
            Passed on to the estimator's `fit`, the splitter and the scorer. What has
            a value for each sample is cut as X is.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError, TypeError
            Where an argument cannot be used, before anything is fitted; and where
            no evaluation gave a finite score, after all of them.
        TimeoutError
            Where `max_time` was over before the first split of one candidate was done.
        OSError
            Where the `journal` cannot be written to any more, or the data do not fit into
            the folder through which joblib hands them to other processes.

        Notes
        -----
        What ends it early, Ctrl-C or an exception, goes on to the caller; the search
        then holds what had finished, all but `best_estimator_`, and `stop_reason_` is
        ``"interrupted"``.
        """
        self._forget()
        check_parameters(self)
        check_backend(self.n_jobs)
        deadline = Deadline(self._clock() + as_seconds(self.max_time), self._clock)
        check_resource(self.estimator, self.resource)
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"{self.estimator!r} requires y to be passed, but the target y is None."
            )
        scorer = self._checked_scorer()
        data = self._data(X, y, params)
        n_classes = count_classes(data.y) if self._classifies(data.y) else None
        plan = self._plan(data.n_samples, len(data.splits), n_classes)
        self._warn_of_lost_halvings(plan, stacklevel=4)
        with self._opened_journal(data, plan, scorer) as journal:
            loop, states = self._search(data, plan, scorer, deadline, journal)
        self._tell_user(loop)
        self._tell_of_continuing(states)
        self._select_best()
        if self.refit:
            self._refit_best(data)
        self.stop_reason_ = self._why_it_ended(loop)
        return self

    def _search(
        self,
        data: Data,
        plan: Plan,
        scorer: Any,
        deadline: Deadline,
        journal: tuple[Journal, Common] | None,
    ) -> tuple[Loop, StateStore]:
        """Run the plan, and keep what was measured, whatever ends it."""
        seeds = self._seeds(journal)
        split_order = order_splits(data.splits, seeds.splits)
        evaluator = self._evaluator(data, plan, seeds, scorer, deadline)
        states = StateStore()
        loop = self._loop(plan, seeds, split_order, states, deadline)

        def report() -> Report:
            error_value = self._rule.error_value
            return Report(loop.measured, evaluator.resource, split_order, error_value)

        with (
            states,
            catching.held(every_time(warnings.filters)),
            JoblibExecutor(evaluator, self.n_jobs, self.pre_dispatch) as workers,
        ):
            executor: Executor = workers
            if journal is not None:
                file, common = journal
                keys, suffices = Keys(evaluator, common), entry_suffices(evaluator)
                executor = ReplayingExecutor(workers, file, keys, suffices, deadline.is_over)
            try:
                loop.run(executor)
            except BaseException:
                if loop.measured.rows:
                    self._store(loop, report(), scorer)
                    self._select_best_of_interrupted()
                raise
        if not loop.measured.rows:
            raise TimeoutError(
                f"max_time={self.max_time!r} was over before the first split of one candidate "
                "was done, so there is no result; give it more."
            )
        self._store(loop, report(), scorer)
        return loop, states

    def _why_it_ended(self, loop: Loop) -> str:
        if not loop.finished:
            return "max_time"
        return "space_exhausted" if self.plan_.space_exhausted else "completed"

    # -- what the search is put together from

    def _data(self, X: Any, y: Any, params: dict[str, Any]) -> Data:
        X, y = checked_data(X, y, params)
        params = cut_metadata(X, params, None)
        fit_params, split_params, score_params = self._route(params)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        groups = split_params.get("groups") if uses_groups(cv) else None
        splits = read_splits(cv, self.cv, X, y, split_params)
        return Data(X, y, fit_params, score_params, cv, splits, groups)

    def _classifies(self, y: Any) -> bool:
        return y is not None and is_classifier(self.estimator)

    def _seeds(self, journal: tuple[Journal, Common] | None) -> _Seeds:
        """Draw the seeds; the same integer gives the same search each time."""
        first = self.random_state
        if first is None:
            first = int(check_random_state(None).randint(2**31 - 1))
            if journal is not None:
                first = journal[0].remember_seed(first)
        if isinstance(first, numbers.Integral):
            first = seed = int(first)
        else:
            # The copy draws what ParameterSampler would with the original.
            first, seed = copy.deepcopy(first), int(first.randint(2**31 - 1))
        candidates, samples, splits = np.random.SeedSequence(seed).generate_state(3)
        return _Seeds(first, int(candidates), int(samples), int(splits))

    def _evaluator(
        self, data: Data, plan: Plan, seeds: _Seeds, scorer: Any, deadline: Deadline
    ) -> Evaluator:
        resource: Resource = ParameterResource(self.resource)
        splits = [Split(train, test) for train, test in data.splits]
        if self.resource == N_SAMPLES:
            resource = SampleResource(data.n_samples)
            if any(rung.n_resources < data.n_samples for rung in plan.rungs):
                splits = order_samples(
                    data.splits,
                    classes=self._strata(data.y),
                    groups=data.groups,
                    seed=seeds.samples,
                )
        return Evaluator(
            clone(self.estimator),
            data.X,
            data.y,
            splits,
            resource,
            scorer,
            data.fit_params,
            data.score_params,
            keep_exceptions=self.error_score == "raise",
            return_train_score=self.return_train_score,
            continuation=Continuation(self.continue_training, self.resource),
            deadline=deadline,
        )

    @contextlib.contextmanager
    def _opened_journal(
        self, data: Data, plan: Plan, scorer: Any
    ) -> Iterator[tuple[Journal, Common] | None]:
        """Give the journal, and what its keys depend on; None where there is none."""
        if self.journal is None:
            yield None
            return
        if plan.max_resources > LARGEST_INTEGER:
            raise ValueError(
                f"max_resources={plan.max_resources} exceeds {LARGEST_INTEGER}, the largest "
                "number that a journal can keep; lower it, or leave journal out."
            )
        scoring = None if self.scoring is None else scorer
        params = data.fit_params, data.score_params
        common = Common(clone(self.estimator), scoring, self.continue_training, params)
        common.check(as_space(self.param_distributions), self.initial_candidates or [])
        _check_repeatable(data.cv)
        path = os.fspath(self.journal)
        with Journal(path, identity(self.estimator, data.X, data.y)) as journal:
            yield journal, common

    def _strata(self, y: Any) -> np.ndarray | None:
        """Return the labels that samples are stratified by, where there is one each."""
        if not self._classifies(y) or type_of_target(y) not in ("binary", "multiclass"):
            return None
        return np.asarray(y).ravel()

    def _loop(
        self,
        plan: Plan,
        seeds: _Seeds,
        split_order: Sequence[int],
        states: StateStore,
        deadline: Deadline,
    ) -> Loop:
        space = as_space(self.param_distributions)
        own_sampler = self.sampler != "random"
        check_candidate = candidate_check(self.estimator, self.resource, space, own_sampler)
        check_names(self.estimator, self.resource, space)
        initial = [dict(candidate) for candidate in self.initial_candidates or []]
        for candidate in initial:
            check_candidate(candidate, "initial_candidates contains")
        return Loop(
            plan,
            promotion=getattr(self, "promotion", "bracket"),
            sampler=self._sampler(seeds, initial),
            initial_candidates=initial,
            split_order=split_order,
            score=self._rule.judge,
            states=states,
            repeats_forever=getattr(self, "n_repeats", 1) is None,
            # What is in a journal takes no time.
            is_too_late=deadline.is_over if self.journal is None else lambda: False,
            check_candidate=check_candidate,
            watch=self._print_level if self.verbose else lambda report: None,
        )

    def _sampler(self, seeds: _Seeds, initial: list[Candidate]) -> Sampler:
        if self.sampler != "random":
            return _copy_sampler(self.sampler)
        space = as_space(self.param_distributions)
        if self.n_candidates == "all":
            return GridSampler(space, initial)
        return RandomSampler(space, seeds.first_candidates, seeds.candidates, initial)

    # -- metrics

    @property
    def _rule(self) -> MetricRule:
        return MetricRule(self.scoring, self.rank_by, self.refit, self.error_score)

    def _check_metrics(self, names: Iterable[str]) -> None:
        self._rule.promoting(list(names))

    def _checked_scorer(self) -> Any:
        """Return the scorer; raise where it is known before the fits that no metric counts."""
        try:
            scorer = self._scorer()
        except ValueError as error:
            if "scoring" in str(error):
                raise
            raise ValueError(f"scoring={self.scoring!r}: {error}") from error
        if not callable(self.scoring) and named_scorers(scorer) is None:
            self._rule.promoting(None)
        return scorer

    # -- what is left after the loop

    def _store(self, loop: Loop, report: Report, scorer: Any) -> None:
        """Set all that does not depend on who is best."""
        self.stop_reason_ = "interrupted"  # Unless `fit` comes to its end.
        scorers = named_scorers(scorer)
        names = list(scorers) if scorers else metric_names(loop.measured.outcomes.values())
        self.multimetric_ = names is not None
        self.scorer_ = scorers or scorer
        self._promoted_by = self._rule.promoting(names)
        self.cv_results_ = report.cv_results(
            names or ["score"], return_train_score=self.return_train_score
        )
        self.rungs_ = report.rungs(self.cv_results_[f"mean_test_{self._promoted_by}"])
        self.n_replayed_ = sum(o.replayed for o in loop.measured.outcomes.values())
        self.plan_ = loop.executed_plan
        self.n_splits_ = self.plan_.n_splits
        self.min_resources_ = self.plan_.min_resources
        self.max_resources_ = self.plan_.max_resources
        self._set_schedule(self.plan_)
        self.n_iterations_ = len(self.n_candidates_)
        self.n_remaining_candidates_ = survivors(self.n_candidates_[-1], self.plan_.factor, 1)

    def _tell_user(self, loop: Loop) -> None:
        """Pass on warnings, and warn of failures; raise where nothing is left."""
        outcomes = loop.measured.outcomes
        warn_once(
            self._warnings_to_show(outcome, n_resources)
            for (_, n_resources, _), outcome in sorted(outcomes.items(), key=_by_key)
        )
        failures = [
            (loop.measured.candidates[candidate], outcome.failure.text)
            for (candidate, _, _), outcome in sorted(outcomes.items(), key=_by_key)
            if outcome.failure is not None
        ]
        if not any(_has_finite_score(outcome) for outcome in outcomes.values()):
            first = failures[0][1] if failures else "The scores are NaN or infinite."
            raise ValueError(
                f"None of the {len(outcomes)} evaluations gave a finite score; "
                f"{self._what_helps(first)} The first failure:\n{first}"
            )
        ended = [
            f"All {rung.n_candidates} candidates of bracket {rung.bracket} scored NaN with "
            f"{rung.n_resources} resources; none of them went on."
            for rung in loop.failed_rungs
        ]
        if failures:
            ended.append(describe_failures(failures, len(outcomes), self._rule.error_value))
        if ended:
            warnings.warn("\n".join(ended), FitFailedWarning, stacklevel=4)
        non_finite = describe_non_finite(_scores_without_failure(outcomes.values()))
        if non_finite is not None:
            warnings.warn(non_finite, UserWarning, stacklevel=4)
        if self.plan_.space_exhausted:
            warnings.warn(
                f"The space ran out after {len(loop.measured.candidates)} candidates, fewer "
                f"than n_candidates={self.n_candidates!r} asks for; the rungs were smaller.",
                UserWarning,
                stacklevel=4,
            )

    def _what_helps(self, failure: str) -> str:
        """Return the advice to a search of which nothing is left."""
        lowest = self.plan_.rungs[0].n_resources
        if (
            self.resource == N_SAMPLES
            and lowest < self.max_resources_
            and has_too_few_samples(failure)
        ):
            return (
                f"its first rung has {lowest} samples, which seem to be too few: raise "
                f"min_resources={self.min_resources!r}."
            )
        return "check the estimator, param_distributions and scoring."

    def _tell_of_continuing(self, states: StateStore) -> None:
        """Warn where training could not go on as the user might think that it did."""
        name = type(self.estimator).__name__
        if states.problems:
            warnings.warn(
                f"{len(states.problems)} times a fitted {name} could not be kept, and was "
                f"fitted fresh on the next rung. The first time: {states.problems[0]}",
                UserWarning,
                stacklevel=4,
            )
        results = self.cv_results_
        fresh = results["n_resources_trained"] >= results["n_resources"]
        resumed = self.n_replayed_ > 0
        if self.continue_training is True and results["iter"].any() and fresh.all() > resumed:
            warnings.warn(
                f"continue_training=True, but every {name} was fitted fresh: "
                f"{self._why_fresh()}. Give a callable that does it, or leave "
                "continue_training at 'auto'.",
                UserWarning,
                stacklevel=4,
            )

    def _why_fresh(self) -> str:
        first = clone(self.cv_results_["params"][0], safe=False)
        estimator = clone(self.estimator).set_params(**first)
        return Continuation(self.continue_training, self.resource).why_fresh(estimator)

    def _warnings_to_show(self, outcome: Outcome, n_resources: int) -> Caught:
        """Return an outcome's warnings, less those that a low rung cannot but give."""
        caught = outcome.warnings or {}
        if n_resources == self.max_resources_ or not self.resource.endswith(_ITERATIONS):
            return caught
        return {
            source: text
            for source, text in caught.items()
            if not issubclass(source.category, ConvergenceWarning)
        }

    def _select_best(self) -> None:
        """Set best_index_ and what follows from it."""
        metric = self._promoted_by
        if self.multimetric_ and isinstance(self.refit, str):
            metric = self.refit
        self.best_index_ = self._rule.best_row(self.cv_results_, metric)
        self.best_score_ = float(self.cv_results_[f"mean_test_{metric}"][self.best_index_])
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        if np.isnan(self.best_score_):
            warnings.warn(
                f"The best candidate's mean {metric} is {self.best_score_}; it says little.",
                UserWarning,
                stacklevel=4,
            )

    def _select_best_of_interrupted(self) -> None:
        """Set it if it can be said; what ended the search is what the caller must see."""
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")
            self._select_best()

    def _refit_best(self, data: Data) -> None:
        estimator = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        start = time.perf_counter()
        if data.y is None:
            estimator.fit(data.X, **data.fit_params)
        else:
            estimator.fit(data.X, data.y, **data.fit_params)
        self.refit_time_ = time.perf_counter() - start
        self.best_estimator_ = estimator
        if hasattr(estimator, "feature_names_in_"):
            self.feature_names_in_ = estimator.feature_names_in_

    def _print_level(self, report: LevelReport) -> None:
        failures = f", {report.n_failures} evaluations failed" if report.n_failures else ""
        replayed = f", {report.n_replayed} from the journal" if report.n_replayed else ""
        of_how_many = "" if report.n_levels is None else f"/{report.n_levels}"
        print(
            f"level {report.number}{of_how_many}: {report.n_candidates} candidates, "
            f"{self.resource} {report.level.n_resources}, {report.level.n_splits} splits; "
            f"best score {report.best_score:.4f}{failures}{replayed}; {report.seconds:.1f} s",
            flush=True,
        )

    # -- scikit-learn

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the score of the refitted estimator on the given data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target.
        **params : dict of str to object
            Passed to the scorer, where metadata routing is enabled.

        Returns
        -------
        score : float
            By the metric that `refit` names, else by the one that promoted.
        """
        if getattr(self, "multimetric_", False) and self.refit:
            # BaseSearchCV looks the metric up under the value of refit.
            named = copy.copy(self)
            named.refit = self.refit if isinstance(self.refit, str) else self._promoted_by
            return super(HalvingSearch, named).score(X, y, **params)
        return super().score(X, y, **params)

    @property
    def set_callbacks(self) -> Any:
        """Callbacks of scikit-learn 1.9 are not taken, and so not inherited."""
        raise AttributeError(
            f"{type(self).__name__} has no set_callbacks: it does not call scikit-learn's "
            "callbacks yet. verbose=1 prints a line for each level."
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "best_estimator_" if self.refit else "stop_reason_")

    def __sklearn_tags__(self) -> Any:
        tags = copy.deepcopy(get_tags(self.estimator))
        tags.array_api_support = False
        tags.transformer_tags = None
        return tags


def _check_repeatable(cv: Any) -> None:
    """Warn where the splits of a search that is resumed will be others."""
    shuffles = getattr(cv, "shuffle", True) and hasattr(cv, "random_state")
    if shuffles and not isinstance(cv.random_state, numbers.Integral):
        warnings.warn(
            f"cv={cv!r} splits otherwise each time, so that nothing in the journal will be "
            "found again; give it an integer as random_state.",
            UserWarning,
            stacklevel=6,
        )


def _copy_sampler(sampler: Any) -> Any:
    """Return a copy that may learn; fit must not change a parameter."""
    try:
        return copy.deepcopy(sampler)
    except Exception as error:  # Whatever an object's own copying may raise.
        raise TypeError(
            f"sampler={repr_of(sampler)} cannot be copied ({type(error).__name__}: "
            f"{str_of(error).rstrip('.')}). fit searches with a deep copy of it, as it must "
            "not change a parameter; keep what cannot be copied out of the sampler, or give "
            "it a __deepcopy__."
        ) from error


def _by_key(item: tuple[tuple[int, int, int], Outcome]) -> tuple[int, int, int]:
    return item[0]


def _scores_without_failure(outcomes: Iterable[Outcome]) -> Iterator[tuple[str, Scores]]:
    for outcome in outcomes:
        if outcome.failure is None:
            yield "test", outcome.test_scores
            if outcome.train_scores is not None:
                yield "train", outcome.train_scores


def _has_finite_score(outcome: Outcome) -> bool:
    scores = outcome.test_scores
    values = scores.values() if isinstance(scores, Mapping) else [scores]
    return any(value is not None and np.isfinite(value) for value in values)
