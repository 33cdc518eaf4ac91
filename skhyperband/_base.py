"""What the two searches share: planning, fitting, scoring and their place in scikit-learn."""

import contextlib
import copy
import math
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skhyperband._brackets import BracketRules
from skhyperband._callbacks import SearchCallbacks, begin_callbacks
from skhyperband._data import fit_all
from skhyperband._executors import check_backend
from skhyperband._fit_warnings import catching
from skhyperband._fitted import attributes_of_best, attributes_of_run
from skhyperband._param_validation import as_seconds
from skhyperband._plan import Plan
from skhyperband._preview import preview, timed_preview
from skhyperband._records import StopReason
from skhyperband._results import RungTable
from skhyperband._run import HalvingRun
from skhyperband._samplers import Sampler
from skhyperband._schedule import Bracket, LevelSize, survivors
from skhyperband._scoring import MetricRule
from skhyperband._search_html import results_html
from skhyperband._setup import (
    check_arguments,
    checked_arguments,
    make_plan,
    make_scorer,
    open_journal_of,
    read_data,
)
from skhyperband._sklearn_compat import SearchBase, check_estimator_callbacks, fit_context
from skhyperband._top import check_n, top_candidates
from skhyperband._typing import (
    ContinueTraining,
    CrossValidation,
    ErrorScore,
    InitialCandidates,
    JournalPath,
    MaxTime,
    MinResources,
    MinSplits,
    OptunaSampler,
    ParamDistributions,
    RandomState,
    Refit,
    SamplerName,
    Scoring,
)
from skhyperband._user_warnings import (
    lost_halvings_message,
    no_candidates_message,
    other_splits_message,
    send,
    unreached_resources_message,
    warn_after_fits,
    why_not_refitted,
)


class BaseHalvingSearchCV(SearchBase):
    """Base class of both searches.

    A subclass defines its brackets, and which candidates compete with each other.
    """

    cv_results_: dict[str, Any]
    feature_names_in_: np.ndarray
    best_index_: int
    best_score_: float
    best_params_: dict[str, Any]
    plan_: Plan
    rungs_: RungTable
    resource_: str
    n_candidates_: list[int]
    n_resources_: list[int]
    min_resources_: int
    max_resources_: int
    n_iterations_: int
    n_remaining_candidates_: int
    n_replayed_: int
    n_splits_: int
    multimetric_: bool
    refit_time_: float
    stop_reason_: StopReason

    _promoting_metric: str
    _has_finite_score: bool

    def __init__(
        self,
        estimator: Any,
        param_distributions: ParamDistributions,
        *,
        sampler: SamplerName | Sampler | OptunaSampler,
        initial_candidates: InitialCandidates,
        scoring: Scoring,
        rank_by: str | None,
        cv: CrossValidation,
        n_candidates: int | str,
        factor: float,
        resource: str,
        max_resources: int | Literal["auto"],
        min_resources: MinResources,
        min_splits: MinSplits,
        max_time: MaxTime,
        max_fit_time: MaxTime,
        continue_training: ContinueTraining,
        n_jobs: int | None,
        pre_dispatch: int | str,
        journal: JournalPath,
        random_state: RandomState,
        refit: Refit,
        error_score: ErrorScore,
        return_train_score: bool,
        verbose: int,
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
        self.max_fit_time = max_fit_time
        self.journal = journal
        self.random_state = random_state

    # The strings that `n_candidates` may be instead of a number.
    _n_candidates_words: tuple[str, ...]
    # Wall time, because worker processes compare it with their own clocks.
    _clock = staticmethod(time.time)
    # Measures the evaluations of `plan(timed=True)`.
    _timer = staticmethod(time.perf_counter)

    @abstractmethod
    def _brackets(
        self, ladder: Sequence[LevelSize], factor: Fraction, available: int | None
    ) -> list[Bracket]:
        """Return the brackets.

        `available` is the number of candidates in the search space, None if it is infinite.
        """

    @abstractmethod
    def _schedule_attributes(self, plan: Plan) -> dict[str, Any]:
        """Return the fitted attributes that describe the executed plan, as name to value."""

    def _bracket_rules(self) -> BracketRules:
        """Return how candidates compete, and whether the brackets are repeated."""
        return BracketRules()

    def _forget(self, *names: str) -> None:
        for name in names:
            with contextlib.suppress(AttributeError):
                delattr(self, name)

    def _set_attributes(self, attributes: Mapping[str, Any]) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)

    # -- the plan

    def plan(
        self,
        X: Any = None,
        y: Any = None,
        *,
        n_samples: int | None = None,
        n_splits: int | None = None,
        n_classes: int | None = None,
        timed: bool = False,
        **params: Any,
    ) -> Plan:
        """Return the schedule that `fit` will execute, before anything is searched.

        The schedule depends on the number of samples, splits and classes. Pass either
        the data, from which these numbers are taken, or the numbers themselves. Nothing is
        fitted unless `timed` is True.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Training data that will be passed to `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target that will be passed to `fit`.
        n_samples : int, default=None
            Number of samples. If None, it is taken from `X`. Required if `X` is not
            given, the resource is ``"n_samples"`` and `max_resources` is ``"auto"``. If it
            is not known and `min_splits` is ``"auto"``, the data are assumed to be large
            enough for one split.
        n_splits : int, default=None
            Number of cross-validation splits. If None, it is taken from `cv`. Required if
            `cv` needs the data to count its splits and `X` is not given.
        n_classes : int, default=None
            Number of classes. If None, it is taken from `y`. Required if `y` is not given,
            the resource is ``"n_samples"``, the estimator is a classifier and
            `min_resources` is a string.
        timed : bool, default=False
            Whether to estimate how long the search will take. The estimator, with the
            parameters that it has, is fitted and scored on one split with the amounts of the
            resource that the rungs have, and once with continued training. This takes about as
            long as two or three fits with the maximum resource, for each worker at the same
            time. The plan then has the expected seconds of each rung, of the whole search with
            `n_jobs` workers, and of a random search. Requires the data, and all that will be
            passed to `fit`.
        **params : dict of str to object
            Parameters that will be passed to `fit`, such as `groups`, if `cv` needs them
            to count its splits. With ``timed=True``, all parameters that will be passed.

        Returns
        -------
        plan : Plan
            The brackets with their rungs. It prints as a table.

        Raises
        ------
        ValueError
            If a parameter of the search has an invalid value, if parameters contradict
            each other, or if a number is missing. Also if `timed` is True and `X` is not given.
        TypeError
            If a parameter has an invalid type.

        Notes
        -----
        An exception that a fit or the scorer raises with ``timed=True`` is raised to the
        caller, and a `TimeoutError` if one of these evaluations takes longer than `max_fit_time`.

        The estimate is true for candidates that take about as long as the estimator as it is
        given, so give it typical values of the parameters that decide how long a fit takes,
        such as the depth of trees. It does not include the start of worker processes, which
        takes some seconds, and it ignores `max_time` and what a journal already holds.
        """
        if not isinstance(timed, (bool, np.bool_)):
            raise TypeError(f"timed={timed!r} must be True or False.")
        sizes = {"n_samples": n_samples, "n_splits": n_splits, "n_classes": n_classes}
        if timed:
            return timed_preview(self, X, y, sizes, params, rule=self._rule, timer=self._timer)
        return preview(self, X, y, sizes, params)

    # -- fit

    @fit_context
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Run the search, and refit the best candidate on the whole dataset.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            Training data, in any form that the estimator accepts. Its shape is
            (n_samples, n_samples) if the estimator expects pairwise similarities or
            distances, such as a precomputed kernel.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target for supervised learning; None for unsupervised learning.
        **params : dict of str to object
            Parameters that are passed to the `fit` method of the estimator, to the
            splitter and to the scorer. If metadata routing is disabled, `groups` is passed
            to the splitter and everything else to the estimator; `sample_weight` is also
            passed to scorers that accept it. If a parameter has a value for each sample,
            every fit receives the values of its own samples.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError
            If a parameter has an invalid value, or parameters contradict each other; this
            is checked before anything is fitted. Also if no evaluation resulted in a finite
            score; this is raised as soon as all evaluations of the first level have failed,
            and begins with the message of the first failure.
        TypeError
            If a parameter has an invalid type. This is checked before anything is fitted.
        TimeoutError
            If `max_time` was reached before the first evaluation began, or if the only one
            that it left time for failed. With ``error_score="raise"``, also if an evaluation
            takes longer than `max_fit_time`.
        RuntimeError
            If a callback stopped the search before it had a result, or if a cluster has lost all
            of its workers.
        OSError
            If the journal cannot be written, or if there is no space for the temporary
            files through which joblib passes the data to other processes.

        Notes
        -----
        An exception that ends the search early, such as `KeyboardInterrupt`, is raised to
        the caller. The results of all finished levels are available then, and
        `stop_reason_` is ``"interrupted"``, but there is no `best_estimator_`; `refit_best`
        fits it. The candidates of an unfinished level are compared on the splits that all of
        them have finished; if there are none, the level is left out. A journal also has the
        finished evaluations of that level, except for failures that are tried again.
        """
        with catching.restored_after_the_last():
            return self._fit(X, y, params)

    def _fit(self, X: Any, y: Any, params: dict[str, Any]) -> Self:
        self._reset()
        check_arguments(self)
        check_backend(self.n_jobs, as_seconds(self.max_fit_time, "max_fit_time"))
        check_estimator_callbacks(self.estimator)
        deadline = self._clock() + as_seconds(self.max_time, "max_time")
        scorer = make_scorer(self, self._rule)
        data = read_data(self, X, y, params)
        plan = make_plan(self, data)
        send(lost_halvings_message(self, plan))
        callbacks = begin_callbacks(self, data)
        with open_journal_of(self, data, plan, scorer) as session:
            send(other_splits_message(data.cv) if session is not None else None)
            run = HalvingRun(
                self,
                data=data,
                plan=plan,
                scorer=scorer,
                score=self._rule.judge,
                deadline=deadline,
                clock=self._clock,
                timer=self._timer,
                session=session,
                callbacks=callbacks,
            )
            if callbacks is not None:
                callbacks.attach(
                    run.evaluator,
                    in_process=run.executor.in_process,
                    show_results=lambda: self._show_results(run),
                )
            stop_reason = self._search(run)
        warn_after_fits(self, run.history, run.brackets.failed_rungs, run.executor.states.problems)
        self._select_best(stop_reason)
        if stop_reason == "max_time":
            send(no_candidates_message(self))
        if self.refit:
            self._refit(data.X, data.y, data.fit_params, callbacks)
        self.stop_reason_ = stop_reason
        if callbacks is not None:
            callbacks.fit_end()
        return self

    def _search(self, run: HalvingRun) -> StopReason:
        """Run the levels, and set the results even if an exception ends the search."""
        try:
            reason = run.run()
            if run.history.entries:
                self._set_results(run)
        except BaseException:
            self._set_results_so_far(run)
            raise
        if not run.history.entries:
            if reason == "callback":
                raise RuntimeError(
                    "A callback stopped the search before any candidate was evaluated on the first "
                    "split, so there is no result; let it stop later."
                )
            raise TimeoutError(
                f"max_time={self.max_time!r} was over before the first split of one candidate "
                "was done, so there is no result; raise max_time."
            )
        return reason

    # -- results

    @property
    def _rule(self) -> MetricRule:
        return MetricRule(self.scoring, self.rank_by, self.refit, self.error_score)

    @property
    def _metric_of_best(self) -> str:
        return self._rule.of_best_score(self.cv_results_)

    def _check_metrics(self, names: Iterable[str]) -> None:
        self._rule.promoting(list(names))

    def _set_results(self, run: HalvingRun) -> None:
        """Set all fitted attributes that do not depend on which candidate is the best."""
        self._forget("best_index_", "best_score_", "best_params_")  # Of the level before.
        self.stop_reason_ = "interrupted"  # Unless `fit` comes to its end.
        self._set_attributes(
            attributes_of_run(run.history, run.brackets, run.plan, run.evaluator, self._rule)
        )
        self._set_attributes(self._schedule_attributes(self.plan_))
        self.n_iterations_ = len(self.n_candidates_)
        self.n_remaining_candidates_ = survivors(self.n_candidates_[-1], self.plan_.factor, 1)

    def _set_results_so_far(self, run: HalvingRun) -> None:
        """Set the attributes of a search that goes on, or that an exception has ended."""
        if run.history.entries:
            self._set_results(run)
            with contextlib.suppress(Exception):  # Nothing has a score, or `refit` raises.
                self._set_best()

    def _show_results(self, run: HalvingRun) -> None:
        """Set the attributes for callbacks; the best score is NaN while nothing has a score."""
        self._set_results_so_far(run)
        if not hasattr(self, "best_score_"):
            self.best_score_ = math.nan

    def _set_best(self) -> None:
        """Set `best_index_`, `best_score_` and `best_params_`."""
        metric = self._metric_of_best
        attributes = attributes_of_best(self.cv_results_, self._rule, metric, self.plan_)
        self._set_attributes(attributes)

    def _select_best(self, stop_reason: StopReason) -> None:
        """Set the best candidate, and warn of what is wrong with it."""
        self._set_best()
        if np.isnan(self.best_score_):
            metric = self._metric_of_best
            send(
                f"The mean {metric} of the best candidate is {self.best_score_}, so that the choice "
                "has no meaning; check scoring, and what the estimator predicts."
            )
        send(unreached_resources_message(self, time_was_over=stop_reason == "max_time"))

    def top(self, n: int = 5) -> Any:
        """Return the best candidates at the highest level at which any candidate has a score.

        Only scores at the same level can be compared. Candidates without a score there are left
        out, as are repetitions of the same candidate, so that there may be
        fewer than `n`.

        Parameters
        ----------
        n : int, default=5
            Number of candidates.

        Returns
        -------
        frame : pandas.DataFrame
            Data frame with a row for each candidate, the best one first. Its index
            is the row of `cv_results_`, and its columns are columns of `cv_results_`:

            - ``rank_test_*``, by the metric of `best_score_`;
            - ``param_*``: the parameters, without the resource;
            - ``mean_test_*`` and ``std_test_*`` of all metrics, and ``mean_train_*`` if
              ``return_train_score=True``;
            - ``n_resources`` and ``n_splits``: the amount of the resource and the number of splits
              with which the candidate was evaluated;
            - ``mean_fit_time`` and ``mean_score_time``, in seconds for each split;
            - ``candidate_id``: the number of the candidate.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the search has not measured anything.
        ValueError
            If `n` is less than 1.
        TypeError
            If `n` is not an int.
        ImportError
            If pandas is not installed.
        """
        check_n(n)
        if not hasattr(self, "cv_results_"):
            raise NotFittedError(
                f"This {type(self).__name__} has no candidates, since nothing was measured; "
                "call fit first."
            )
        return top_candidates(
            self.cv_results_,
            int(n),
            metric=self._metric_of_best,
            resource=self.resource_,
        )

    def refit_best(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the best candidate that was measured, with all resources.

        This completes a search that was interrupted, by Ctrl-C or an exception, before its
        refit, or that was fitted with ``refit=False``. It sets `best_estimator_`,
        `refit_time_` and, if the data has names, `feature_names_in_`. After ``refit=False``,
        predict with `best_estimator_`, since `predict` and the other methods of the search
        require ``refit=True``. The best candidate is
        chosen from `cv_results_` as in `fit`, and fitted with `best_params_`. Its resource
        is `max_resources_`, even if no candidate was evaluated with that, unless it failed
        with more than it was evaluated with; a warning says so in both cases.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target for supervised learning; None for unsupervised learning.
        **params : dict of str to object
            Parameters as in `fit`. Only those that `fit` would pass to the `fit` method of
            the estimator are used.

        Returns
        -------
        self : object
            The search, with its best estimator.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the search has not measured anything.
        ValueError
            If no evaluation resulted in a finite score, or if the data are inconsistent.
        """
        if not hasattr(self, "cv_results_"):
            raise NotFittedError(
                f"This {type(self).__name__} has nothing to refit, since nothing was measured; "
                "call fit first."
            )
        if not self._has_finite_score:
            raise ValueError(why_not_refitted(self))
        X, y, params = checked_arguments(self, X, y, params)
        fit_params, _, _ = self._route(params)
        self._select_best(self.stop_reason_)
        self._refit(X, y, fit_params)
        return self

    def _refit(
        self,
        X: Any,
        y: Any,
        fit_params: Mapping[str, Any],
        callbacks: SearchCallbacks | None = None,
    ) -> None:
        estimator = self._unfitted_best()
        with contextlib.nullcontext() if callbacks is None else callbacks.refit(estimator):
            start = time.perf_counter()
            fit_all(estimator, X, y, fit_params)
            self.refit_time_ = time.perf_counter() - start
            self.best_estimator_ = estimator
            self._forget("feature_names_in_")  # Of an earlier refit.
            if hasattr(estimator, "feature_names_in_"):
                self.feature_names_in_ = estimator.feature_names_in_

    def _unfitted_best(self) -> Any:
        return clone(self.estimator).set_params(**clone(self.best_params_, safe=False))

    # -- scikit-learn

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the score of the best estimator on the given data.

        With several metrics, it is the score by the metric that `refit` names, or otherwise
        by the one that decided which candidates were promoted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data to score on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            True target of `X`; None for unsupervised learning.
        **params : dict of str to object
            Parameters that are passed to the scorer, if metadata routing is enabled.

        Returns
        -------
        score : float
            Score of `best_estimator_`.
        """
        if getattr(self, "multimetric_", False) and self.refit:
            # `BaseSearchCV.score` looks up the scorer by the value of `refit`.
            named = copy.copy(self)
            named.refit = self._metric_of_best
            return super(BaseHalvingSearchCV, named).score(X, y, **params)
        return super().score(X, y, **params)

    def _results_html(self) -> str:
        if not hasattr(self, "cv_results_"):
            return ""
        return results_html(self, self._rule.label(self._metric_of_best))

    def __sklearn_is_fitted__(self) -> bool:
        if hasattr(self, "best_estimator_" if self.refit else "stop_reason_"):
            return True
        if hasattr(self, "cv_results_"):
            # scikit-learn's own message would say no more than "call fit".
            raise NotFittedError(why_not_refitted(self))
        return False

    def __sklearn_tags__(self) -> Any:
        tags = copy.deepcopy(get_tags(self.estimator))
        tags.array_api_support = False
        # Also around an estimator that needs no fit: what it is to be is not known before.
        tags.requires_fit = True
        tags.transformer_tags = None
        return tags
