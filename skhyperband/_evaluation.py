"""Decides what becomes of one task: fitted, scored and timed, or failed. Runs on the worker."""

import contextlib
import math
import numbers
import os
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
import sklearn
from sklearn.base import clone

from skhyperband._continuation import Continuation, Way
from skhyperband._kinds import More
from skhyperband._messages import repr_of, shortened, str_of
from skhyperband._pickling import cloudpickle
from skhyperband._resources import Resource, Split
from skhyperband._sklearn_compat import cut_metadata, cut_split, named_scorers
from skhyperband._states import Lent, State
from skhyperband._subset import Subset
from skhyperband._warnings import Caught, catching, every_time

Scores = float | dict[str, float | None] | None


@dataclass(frozen=True, slots=True)
class Task:
    """One evaluation to make.

    Attributes
    ----------
    candidate : dict
        The candidate's parameters, without the resource.
    n_resources, split : int
        How much it is trained with, and on which split.
    state : State, Lent, or None
        The same candidate, as it was fitted on this split with less.
    keeps_state : bool
        Whether the candidate may go on.
    """

    candidate: dict[str, Any]
    n_resources: int
    split: int
    state: State | Lent | None = None
    keeps_state: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an evaluation has no score, or lacks one.

    Attributes
    ----------
    step : str
        "fit", "score", "scoring" (the scorer gave what is no score, which no
        `error_score` covers) or "worker" (the process ended).
    text : str
        The traceback, without its middle where it is very long.
    exception : Exception, or None
        Kept only where it is going to be raised.
    """

    step: str
    text: str
    exception: BaseException | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_failure, (self.step, self.text, _pickled(self.exception))


def _pickled(exception: BaseException | None) -> bytes | None:
    try:
        pickled = cloudpickle.dumps(exception)
        pickle.loads(pickled)
    except Exception:  # Whatever an exception's own pickling may raise.
        return None
    return pickled


def _restore_failure(step: str, text: str, pickled: bytes | None) -> Failure:
    try:
        exception = None if pickled is None else pickle.loads(pickled)
    except Exception:
        exception = None
    return Failure(step, text, exception)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task.

    Attributes
    ----------
    test_scores, train_scores : float, dict of str to float, or None
        None is a score that failed.
    fit_time, score_time : float
        Seconds.
    failure : Failure, or None
    warnings : dict, or None
        What the fit and the scorer warned of.
    n_trained : int
        How much of the resource it took: less than it has where it trained on.
    state : State, or None
        What the candidate's next evaluation on this split may go on from.
    replayed : bool
        Whether it was measured by an earlier search.
    """

    test_scores: Scores
    train_scores: Scores
    fit_time: float
    score_time: float
    failure: Failure | None = None
    warnings: Caught | None = None
    n_trained: int = 0
    state: State | None = None
    replayed: bool = False


@dataclass(frozen=True)
class Deadline:
    """From when on no evaluation starts.

    Attributes
    ----------
    at : float
        Seconds, by the clock.
    clock : callable
        One that tells the same time in every process.
    """

    at: float = math.inf
    clock: Callable[[], float] = time.time

    def is_over(self) -> bool:
        """Return whether it is too late to start."""
        return self.clock() >= self.at


def died(task: Task) -> Outcome:
    """Return what comes of a task whose process ended."""
    failure = Failure("worker", "The worker process ended during the fit.")
    return Outcome(None, None, 0.0, 0.0, failure, n_trained=task.n_resources)


# --- the evaluator -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fit:
    """A fitted estimator, how much it was trained just now, and how it can train on."""

    estimator: Any
    n_trained: int
    n_added: int
    way: Way | None


@dataclass(eq=False)
class Evaluator:
    """Evaluates tasks; it carries all that they share, and reaches each worker once.

    Attributes
    ----------
    estimator : estimator
        Cloned for every fit.
    X, y : array-like of shape (n_samples, ...)
        The data; y may be None.
    splits : list of Split
    resource : Resource
    scorer : callable
        ``scorer(estimator, X, y)`` gives a number or a dict of numbers.
    fit_params, score_params : dict
        Metadata; what has a value for each sample is cut with X.
    keep_exceptions : bool
        Whether a failure takes its exception along.
    return_train_score : bool
    continuation : Continuation
    deadline : Deadline
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
    deadline: Deadline = field(default_factory=Deadline)
    clock: Callable[[], float] = time.perf_counter

    def __post_init__(self) -> None:
        self._config = sklearn.get_config()
        self._filters = every_time(warnings.filters)
        self._cut: tuple[Any, Subset, Subset] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_cut": None}

    def __call__(self, task: Task) -> Outcome | None:
        """Fit and score; an exception becomes part of the outcome, None comes too late."""
        if self.deadline.is_over():
            return None
        with sklearn.config_context(**self._config), catching(self._filters) as caught:
            outcome = self._evaluate(task)
        return replace(outcome, warnings=caught) if caught else outcome

    def _evaluate(self, task: Task) -> Outcome:
        start = self.clock()
        try:
            with _ending_forks():
                fit = self._fit(task)
        except (Exception, SystemExit) as error:
            seconds = self.clock() - start
            failed = self._failure("fit", error)
            return Outcome(None, None, seconds, 0.0, failed, n_trained=task.n_resources)
        fitted = self.clock()
        test, failure = self._score(fit.estimator, task, of_train=False)
        scored = self.clock()
        train = None
        if self.return_train_score:
            train, train_failure = self._score(fit.estimator, task, of_train=True)
            failure = failure or train_failure
        return Outcome(
            *(test, train, fitted - start, scored - fitted, failure),
            n_trained=fit.n_trained,
            state=self._state(fit, task),
        )

    def _state(self, fit: _Fit, task: Task) -> State | None:
        if fit.way is None or not task.keeps_state:
            return None
        return State(fit.estimator, task.n_resources, fit.n_added)

    def _fit(self, task: Task) -> _Fit:
        train, _ = self._parts(task)
        if task.state is not None:
            trained_on = self._train_on(task.state.read(), task, train)
            if trained_on is not None:
                return trained_on
        estimator = self._estimator_for(task)
        data, fit_params = train.fit_arguments()
        way = self.continuation.way(estimator, fit_params) if task.keeps_state else None
        estimator.fit(*data, **fit_params)
        return _Fit(estimator, task.n_resources, task.n_resources, way)

    def _train_on(self, state: State, task: Task, train: Subset) -> _Fit | None:
        """Go on from the state; None where it takes a fresh fit after all."""
        way = None
        try:
            fitted = state.open()
            way = None if fitted is None else self.continuation.way(fitted, train.params)
            if way is None:
                return None
            part = self._new_samples(task, state.n_resources) if way.takes_new_samples else train
            more = More(
                *(self.resource.name, state.n_resources, task.n_resources, state.n_added),
                *part.fit_arguments(),
                part.derived,
            )
            if way.has_stopped(fitted, more):
                relabelled = self.resource.parameters({}, task.n_resources)
                return _Fit(fitted.set_params(**relabelled), 0, more.last_added, way)
            fitted = way.train_on(fitted, more)
        except Exception as error:
            if way is not None and way.is_users:
                raise
            warnings.warn(
                f"{type(self.estimator).__name__} could not train on and was fitted fresh "
                f"({type(error).__name__}: {str_of(error)}).",
                UserWarning,
                stacklevel=2,
            )
            return None
        return None if fitted is None else _Fit(fitted, more.added, more.added, way)

    def _new_samples(self, task: Task, n_before: int) -> Subset:
        split = self.splits[task.split]
        rows = self.resource.train_rows(split, task.n_resources)
        known = self.resource.train_rows(split, n_before)
        return self._part(rows[~np.isin(rows, known)], None, self.fit_params)

    def _estimator_for(self, task: Task) -> Any:
        parameters = self.resource.parameters(task.candidate, task.n_resources)
        # A value may itself be an estimator, which a fit must not change.
        own = {name: _own(value) for name, value in parameters.items()}
        return clone(self.estimator).set_params(**own)

    def _parts(self, task: Task) -> tuple[Subset, Subset]:
        """Return the training and the test part, those of the last task where they fit."""
        key = task.split, task.n_resources
        last = self._cut  # Threads share it: read once.
        if last is not None and last[0] == key:
            return last[1:]
        split = self.splits[task.split]
        rows = self.resource.train_rows(split, task.n_resources)
        train = self._part(rows, None, self.fit_params)
        test = self._part(split.test, rows, self.score_params)
        self._cut = key, train, test
        return train, test

    def _part(
        self, rows: np.ndarray, train: np.ndarray | None, params: Mapping[str, Any]
    ) -> Subset:
        X, y = cut_split(self.estimator, self.X, self.y, rows, train)
        return Subset(X, y, *self._metadata(params, rows))

    def _metadata(
        self, params: Mapping[str, Any], rows: np.ndarray
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what was cut, and what is passed on as it is."""
        given = cut_metadata(self.X, params, rows)
        passed = {name: value for name, value in given.items() if value is params[name]}
        return {name: given[name] for name in given.keys() - passed.keys()}, passed

    # -- scoring

    def _score(
        self, estimator: Any, task: Task, *, of_train: bool
    ) -> tuple[Scores, Failure | None]:
        try:
            with _ending_forks():
                scores = self._call_scorer(estimator, task, of_train)
        except (Exception, SystemExit) as error:
            return None, self._failure("score", error)
        return self._checked(scores)

    def _call_scorer(self, estimator: Any, task: Task, of_train: bool) -> Any:
        train, part = self._parts(task)
        if of_train:
            rows = self.resource.train_rows(self.splits[task.split], task.n_resources)
            part = Subset(train.X, train.y, *self._metadata(self.score_params, rows))
        data, score_params = part.fit_arguments()
        return self.scorer(estimator, *data, **score_params)

    def _checked(self, scores: Any) -> tuple[Scores, Failure | None]:
        """Return scores as floats, with what is wrong with them."""
        if not isinstance(scores, Mapping) or not scores:
            return _as_number(scores, "")
        several = named_scorers(self.scorer) is not None
        checked: dict[str, float | None] = {}
        failure = None
        problem: Failure | None
        for key, score in scores.items():
            name = str(key)  # As it is in cv_results_ and in a journal.
            if several and isinstance(score, str):  # scikit-learn puts a traceback there.
                checked[name], problem = None, Failure("score", shortened(score))
            else:
                checked[name], problem = _as_number(score, f" for {name!r}")
            failure = failure or problem
        return checked, failure

    def _failure(self, step: str, error: BaseException) -> Failure:
        return Failure(step, _traceback(error), error if self.keep_exceptions else None)


@contextlib.contextmanager
def _ending_forks() -> Iterator[None]:
    """End a child process that the user's code forked and that comes back from it.

    What the child raises (`SystemExit` above all) says nothing of the candidate. It must not
    go on with the search, and not unwind it either: that would close the parent's files.
    """
    parent = os.getpid()
    status: Any = None
    try:
        yield
    except BaseException as error:
        if os.getpid() == parent:
            raise
        status = error.code if isinstance(error, SystemExit) else _traceback(error)
    if os.getpid() != parent:
        _end_process(status)


def _end_process(status: Any) -> NoReturn:
    """End as `sys.exit(status)` does, but at once."""
    if not (status is None or isinstance(status, int)):
        print(status, file=sys.stderr)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status or 0)


def _traceback(error: BaseException) -> str:
    """Return the traceback from where it leaves this module."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # Whatever an exception's own attributes may raise.
        text = f"{type(error).__name__}: {str_of(error)} (its traceback cannot be shown)"
    return shortened(text)


def _own(value: Any) -> Any:
    if value is None or isinstance(value, (numbers.Number, str)):
        return value
    return clone(value, safe=False)


def _as_number(score: Any, of_what: str) -> tuple[float | None, Failure | None]:
    if hasattr(score, "item"):
        with contextlib.suppress(Exception):  # More than one number.
            score = score.item()
    if isinstance(score, numbers.Real):
        with contextlib.suppress(Exception):  # A number of another kind, or an enormous one.
            return float(score), None
    text = (
        f"scoring must return a number{of_what}, or a dict of numbers; "
        f"got {repr_of(score)} ({type(score).__name__})."
    )
    return None, Failure("scoring", text)
