"""Evaluates one task on a worker: fits, scores and measures times, or describes the failure."""

import contextlib
import math
import numbers
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sklearn
from sklearn.base import clone
from sklearn.utils import get_tags

from skhyperband._continuation import Continuation, ContinuationStrategy, TrainingIncrement
from skhyperband._executors.states import State
from skhyperband._fit_warnings import catching, every_time
from skhyperband._forks import ending_forks
from skhyperband._messages import repr_of, shortened, str_of
from skhyperband._records import FailedStep, Failure, Outcome, Scores, Skipped, Task
from skhyperband._resources import Resource, Split
from skhyperband._sklearn_compat import named_scorers
from skhyperband._subset import Subset, SubsetSelector
from skhyperband._threads import FitThreads

AroundFit = Callable[[Task, Any], contextlib.AbstractContextManager[None]]


def _nothing_around(task: Task, estimator: Any) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class _Fit:
    """A fitted estimator.

    Attributes
    ----------
    estimator : estimator
    n_trained : int
        The amount of the resource that was trained in this evaluation.
    n_added : int
        The amount that the last call of the estimator's `fit` was asked for.
    strategy : ContinuationStrategy or None
        How the training can be continued; None if it cannot.
    """

    estimator: Any
    n_trained: int
    n_added: int
    strategy: ContinuationStrategy | None


@dataclass(eq=False)
class Evaluator:
    """Evaluates tasks. It holds what they share, and is sent to each worker once.

    Attributes
    ----------
    estimator : estimator
        Cloned for every fit.
    X, y : array-like of shape (n_samples, ...)
        The data; y may be None.
    splits : list of Split
    resource : Resource
    scorer : callable
        ``scorer(estimator, X, y)`` returns a number or a dict of numbers.
    fit_params, score_params : dict
        Metadata; what has a value for each sample is selected like X.
    keep_exceptions : bool
        Whether a failure keeps its exception.
    return_train_score : bool
    continuation : Continuation
    timer, clock : callable
        Return seconds: the timer for durations, the clock since 1970.
    around_fit : callable
        ``around_fit(task, estimator)`` is a context for a fit; the estimator is None where
        training is continued. It stays in this process: a copy that is sent to another one has
        none.
    """

    estimator: Any
    X: Any
    y: Any
    splits: list[Split]
    resource: Resource
    scorer: Callable[..., Any]
    fit_params: Mapping[str, Any] = field(default_factory=dict)
    score_params: Mapping[str, Any] = field(default_factory=dict)
    keep_exceptions: bool = False
    return_train_score: bool = False
    continuation: Continuation = field(default_factory=Continuation)
    timer: Callable[[], float] = time.perf_counter
    clock: Callable[[], float] = time.time
    around_fit: AroundFit = _nothing_around

    def __post_init__(self) -> None:
        self._config = sklearn.get_config()
        self._filters = every_time(warnings.filters)
        self._threads = FitThreads()
        self._subsets = self.new_selector()
        shape: Any = getattr(self.X, "shape", ())
        is_square = len(shape) == 2 and shape[0] == shape[1]
        self._may_be_pairwise = is_square or get_tags(self.estimator).input_tags.pairwise

    def is_pairwise(self, task: Task) -> bool:
        """Return whether the candidate expects X with a column for each sample."""
        if not self._may_be_pairwise:
            return False
        estimator = self.estimator
        with contextlib.suppress(Exception):  # Of a candidate whose fit will fail.
            estimator = self._estimator_for(task)
        return bool(get_tags(estimator).input_tags.pairwise)

    def new_selector(self) -> SubsetSelector:
        """Return what selects the rows of tasks."""
        return SubsetSelector(
            X=self.X,
            y=self.y,
            splits=self.splits,
            resource=self.resource,
            fit_params=self.fit_params,
            score_params=self.score_params,
        )

    def __getstate__(self) -> dict[str, Any]:
        # The selected rows of the last task are not sent along.
        return {**vars(self), "_subsets": self.new_selector(), "around_fit": _nothing_around}

    def __call__(self, task: Task) -> Outcome | Skipped:
        """Fit and score; an exception becomes part of the outcome."""
        if task.start_before < math.inf and self.clock() >= task.start_before:
            return Skipped()
        with _configured(self._config), catching(self._filters) as caught:
            outcome = self._evaluate(task)
        return outcome._replace(warnings=caught) if caught else outcome

    def _evaluate(self, task: Task) -> Outcome:
        start = self.timer()
        try:
            # A child process that the estimator forks must not return into the search.
            with ending_forks(_traceback):
                fit = self._fit(task)
        except (Exception, SystemExit) as error:
            seconds = self.timer() - start
            failure = self._failure(FailedStep.FIT, error)
            return Outcome(None, None, seconds, 0.0, failure, n_trained=task.n_resources)
        fitted = self.timer()
        test_scores, failure_or_none = self._score(fit.estimator, task, on_train=False)
        scored = self.timer()
        train_scores = None
        if self.return_train_score:
            train_scores, train_failure = self._score(fit.estimator, task, on_train=True)
            failure_or_none = failure_or_none or train_failure
        return Outcome(
            test_scores=test_scores,
            train_scores=train_scores,
            fit_time=fitted - start,
            score_time=scored - fitted,
            failure=failure_or_none,
            n_trained=fit.n_trained,
            state=_state(fit, task),
        )

    # --- fitting

    def _fit(self, task: Task) -> _Fit:
        train, _ = self._subsets.train_and_test(
            task.split, task.n_resources, self.is_pairwise(task)
        )
        if task.state is not None:
            continued = self._continue(task.state.read(), task, train)
            if continued is not None:
                return continued
        estimator = self._estimator_for(task)
        data, fit_params = train.fit_arguments()
        strategy = None
        if task.keeps_state:
            strategy = self.continuation.strategy(estimator, fit_params)
        with self.around_fit(task, estimator), self._threads(estimator, task.n_threads):
            estimator.fit(*data, **fit_params)
        return _Fit(estimator, task.n_resources, task.n_resources, strategy)

    def _continue(self, state: State, task: Task, train: Subset) -> _Fit | None:
        """Continue the training of a state; return None where a fresh fit is needed after all."""
        strategy = None
        try:
            fitted = state.open()
            if fitted is not None:
                strategy = self.continuation.strategy(fitted, train.params)
            if strategy is None:
                return None
            increment = self._increment(state, task, train, strategy)
            if strategy.has_stopped(fitted, increment):
                renamed = self.resource.parameters({}, task.n_resources)
                fitted.set_params(**renamed)
                return _Fit(fitted, 0, increment.last_added, strategy)
            n_threads = 1 if strategy.is_users else task.n_threads
            with self.around_fit(task, None), self._threads(fitted, n_threads):
                fitted = strategy.continue_training(fitted, increment)
        except Exception as error:
            if strategy is not None and strategy.is_users:
                raise
            warnings.warn(
                f"The training of {type(self.estimator).__name__} could not be continued, and it "
                f"was fitted fresh ({type(error).__name__}: {str_of(error)}).",
                UserWarning,
                stacklevel=2,
            )
            return None
        return None if fitted is None else _Fit(fitted, increment.added, increment.added, strategy)

    def _increment(
        self, state: State, task: Task, train: Subset, strategy: ContinuationStrategy
    ) -> TrainingIncrement:
        if strategy.takes_new_samples:
            train = self._subsets.new_samples(task.split, state.n_resources, task.n_resources)
        data, fit_params = train.fit_arguments()
        return TrainingIncrement(
            resource=self.resource.name,
            before=state.n_resources,
            total=task.n_resources,
            last_added=state.n_added,
            data=data,
            fit_params=fit_params,
            cache=train.derived,
        )

    def _estimator_for(self, task: Task) -> Any:
        parameters = self.resource.parameters(task.candidate, task.n_resources)
        # A value may be an estimator itself, which a fit must not change.
        private = {name: _private_value(value) for name, value in parameters.items()}
        return clone(self.estimator).set_params(**private)

    # --- scoring

    def _score(
        self, estimator: Any, task: Task, *, on_train: bool
    ) -> tuple[Scores, Failure | None]:
        try:
            with ending_forks(_traceback):
                scores = self._call_scorer(estimator, task, on_train)
        except (Exception, SystemExit) as error:
            return None, self._failure(FailedStep.SCORE, error)
        return self._check_scores(scores)

    def _call_scorer(self, estimator: Any, task: Task, on_train: bool) -> Any:
        part = task.split, task.n_resources, self.is_pairwise(task)
        if on_train:
            subset = self._subsets.train_for_scoring(*part)
        else:
            _, subset = self._subsets.train_and_test(*part)
        data, score_params = subset.fit_arguments()
        return self.scorer(estimator, *data, **score_params)

    def _check_scores(self, scores: Any) -> tuple[Scores, Failure | None]:
        """Return the scores as floats, and the failure if one of them is no number."""
        if not isinstance(scores, Mapping) or not scores:
            return _as_number(scores, "")
        several = named_scorers(self.scorer) is not None
        checked: dict[str, float | None] = {}
        failure = None
        problem: Failure | None
        for key, score in scores.items():
            name = str_of(key)  # As it is in cv_results_ and in a journal.
            if several and isinstance(score, str):  # scikit-learn puts a traceback there.
                checked[name], problem = None, Failure(FailedStep.SCORE, shortened(score))
            else:
                checked[name], problem = _as_number(score, f" for {name!r}")
            failure = failure or problem
        return checked, failure

    def _failure(self, step: FailedStep, error: BaseException) -> Failure:
        return Failure(step, _traceback(error), error if self.keep_exceptions else None)


class _configured:  # noqa: N801
    """Context in which scikit-learn's configuration is this one; it is restored at the end.

    A class, since `sklearn.config_context` costs a tenth of a fit that does nothing. Nearly
    always, neither the worker nor the fit has another configuration.
    """

    def __init__(self, config: dict[str, Any]):
        self._config = config

    def __enter__(self) -> None:
        self._before = sklearn.get_config()
        if self._before != self._config:
            sklearn.set_config(**self._config)

    def __exit__(self, *exc_info: object) -> None:
        if sklearn.get_config() != self._before:
            sklearn.set_config(**self._before)


def _state(fit: _Fit, task: Task) -> State | None:
    if fit.strategy is None or not task.keeps_state:
        return None
    return State(fit.estimator, task.n_resources, fit.n_added)


def _traceback(error: BaseException) -> str:
    """Return the traceback without its first frames, those of this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # Whatever an exception's own attributes may raise.
        text = f"{type(error).__name__}: {str_of(error)} (its traceback cannot be shown)"
    return shortened(text)


def _private_value(value: Any) -> Any:
    if value is None or isinstance(value, (numbers.Number, str)):
        return value
    return clone(value, safe=False)


def _as_number(score: Any, of_what: str) -> tuple[float | None, Failure | None]:
    if isinstance(score, float):  # Nearly all scores are; `numpy.float64` is a subclass.
        return float(score), None
    if not isinstance(score, numbers.Number):
        with contextlib.suppress(Exception):  # No array, or more than one number.
            score = score.item()
    if isinstance(score, numbers.Real):
        with contextlib.suppress(Exception):  # A number of another kind, or an enormous one.
            return float(score), None
    text = (
        f"scoring must return a number{of_what}, or a dict of numbers; "
        f"got {repr_of(score)} ({type(score).__name__})."
    )
    return None, Failure(FailedStep.INVALID_SCORE, text)
