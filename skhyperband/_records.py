"""Records that the parts of a search hand to each other: tasks, outcomes, results of levels."""

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import numpy as np

from skhyperband._fit_warnings import CaughtWarnings
from skhyperband._pickling import cloudpickle
from skhyperband._schedule import Rung
from skhyperband._space import Candidate

Scores = float | dict[str, float | None] | None
StopReason = Literal["completed", "space_exhausted", "max_time", "callback", "interrupted"]


# --- keys --------------------------------------------------------------------------


class StateKey(NamedTuple):
    """Where the fitted estimator of a candidate is kept.

    `candidate` is the number of the first candidate that is equal to it.
    """

    candidate: int
    split: int


class EvaluationKey(NamedTuple):
    """What is measured once only: a candidate with so much of the resource on one split.

    `candidate` is the number of the first candidate that is equal to it, so that equal candidates
    share their evaluations.
    """

    candidate: int
    n_resources: int
    split: int

    @property
    def state_key(self) -> StateKey:
        """The key of the estimator that was fitted in this evaluation."""
        return StateKey(self.candidate, self.split)


@dataclass(frozen=True, slots=True)
class RungEntry:
    """One candidate on one rung: a row of `cv_results_`."""

    rung: Rung
    candidate: int


# --- tasks and outcomes ------------------------------------------------------------

# There is one of these for every evaluation. They are named tuples, which take a third of the time
# that data classes take to be made and pickled.


class Task(NamedTuple):
    """One evaluation to make.

    Attributes
    ----------
    candidate : dict
        The candidate's parameters, without the resource.
    n_resources, split : int
        How much the candidate is trained with, and on which split.
    state : State, StateReference or None
        The same candidate as it was fitted on this split with less.
    keeps_state : bool
        Whether the candidate may be promoted.
    start_before : float
        Seconds since the epoch from which on the evaluation is not begun any more.
    n_threads : int
        How many threads the fit may use, where that changes no bit of its result. 1 leaves the
        estimator as it is.
    """

    candidate: Candidate
    n_resources: int
    split: int
    state: Any = None
    keeps_state: bool = False
    start_before: float = math.inf
    n_threads: int = 1


class FailedStep(StrEnum):
    """Where an evaluation failed."""

    FIT = "fit"
    SCORE = "score"
    # The scorer returned what is no score, which no `error_score` covers.
    INVALID_SCORE = "invalid score"
    # The worker process ended.
    WORKER = "worker"
    # The evaluation took longer than it may.
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an evaluation has no score, or lacks one.

    Attributes
    ----------
    step : FailedStep
    text : str
        The traceback, without its middle where it is very long.
    exception : Exception, or None
        Kept only where it is going to be raised.
    """

    step: FailedStep
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


def _restore_failure(step: FailedStep, text: str, pickled: bytes | None) -> Failure:
    try:
        exception = None if pickled is None else pickle.loads(pickled)
    except Exception:
        exception = None
    return Failure(step, text, exception)


class Outcome(NamedTuple):
    """The result of an evaluation.

    Attributes
    ----------
    test_scores, train_scores : float, dict of str to float, or None
        None is a score that failed.
    fit_time, score_time : float
        Seconds.
    failure : Failure, or None
    warnings : dict, or None
        The warnings of the fit and the scorer.
    n_trained : int
        How much of the resource was trained: less than the task's where training continued.
    state : State, or None
        The fitted estimator, from which the candidate's next evaluation on this split may
        continue.
    replayed : bool
        Whether the evaluation was made by an earlier search, and taken from the journal.
    """

    test_scores: Scores
    train_scores: Scores
    fit_time: float
    score_time: float
    failure: Failure | None = None
    warnings: CaughtWarnings | None = None
    n_trained: int = 0
    state: Any = None
    replayed: bool = False

    @property
    def seconds(self) -> float:
        """The time of the fit and of the scores."""
        return self.fit_time + self.score_time

    @property
    def has_finite_score(self) -> bool:
        """Whether any metric has a finite score on the test part."""
        scores = self.test_scores
        values = scores.values() if isinstance(scores, dict) else [scores]
        return any(value is not None and math.isfinite(value) for value in values)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Says that an evaluation was not begun, since it was too late for it."""


class FinishedTask(NamedTuple):
    """A task that an executor is done with: its position among those handed in, its result."""

    position: int
    result: Outcome | Skipped


def worker_died(task: Task) -> Outcome:
    """Return the outcome of a task whose process ended."""
    failure = Failure(FailedStep.WORKER, "The worker process ended during the fit.")
    return Outcome(None, None, 0.0, 0.0, failure, n_trained=task.n_resources)


def took_too_long(task: Task, max_fit_time: float) -> Outcome:
    """Return the outcome of a task that was ended after so many seconds."""
    text = f"The evaluation took longer than max_fit_time={max_fit_time:.15g} s, and was ended."
    failure = Failure(FailedStep.TIMEOUT, text)
    return Outcome(None, None, max_fit_time, 0.0, failure, n_trained=task.n_resources)


Evaluate = Callable[[Task], Outcome | Skipped]


# --- levels ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LevelResult:
    """Scores of all candidates that a search evaluated at one level.

    A level is a step of a Hyperband round: its candidates, whatever their brackets, are
    evaluated with the same amount of the resource on the same splits. A sampler is told the
    result of every complete level.

    Attributes
    ----------
    repeat : int
        The Hyperband round, counted from 0. It is -1 for evaluations that were in the journal
        before the search, of which a sampler is told first.
    n_resources : int
        The amount of the resource that each candidate was trained with.
    n_splits : int
        The number of splits on which each candidate was evaluated.
    candidate_ids : tuple of int
        The numbers of the candidates, as in the column `candidate_id` of `cv_results_`. The
        candidates of a level with ``repeat=-1`` are not in `cv_results_`, and have negative
        numbers.
    candidates : tuple of dict
        The parameters of the candidates, without the resource.
    split_scores : ndarray of shape (n_candidates, n_splits_total)
        The scores, with a column for each split of the whole cross-validation. A score is
        NaN if its split was not used at this level, or if the evaluation failed and
        `error_score` is NaN.
    mean_scores : ndarray of shape (n_candidates,)
        The mean scores over the splits that were used. Candidates are promoted by them;
        higher is better.
    n_failures : int
        The number of evaluations that failed.
    n_replayed : int
        The number of evaluations that were read from the journal instead of being computed.
    complete : bool
        Whether all evaluations of the level were made.

    See Also
    --------
    Sampler : The protocol of samplers, which are told these results.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skhyperband import SuccessiveHalvingSearchCV
    >>> class Depths:
    ...     def ask(self, n, *, repeat, bracket):
    ...         return [{"max_depth": 1 + i} for i in range(n)]
    ...     def tell(self, level):
    ...         print(level.n_resources, level.candidate_ids, level.split_scores.shape)
    >>> search = SuccessiveHalvingSearchCV(
    ...     DecisionTreeClassifier(random_state=0),
    ...     {"max_depth": range(1, 10)},
    ...     n_candidates=3,
    ...     resource="n_samples",
    ...     min_resources=50,
    ...     min_splits=None,
    ...     sampler=Depths(),
    ...     cv=4,
    ...     random_state=0,
    ... )
    >>> search = search.fit(*load_iris(return_X_y=True))
    50 (0, 1, 2) (3, 4)
    150 (1,) (1, 4)
    """

    repeat: int
    n_resources: int
    n_splits: int
    candidate_ids: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    split_scores: np.ndarray
    mean_scores: np.ndarray
    n_failures: int
    n_replayed: int
    complete: bool

    @property
    def best_score(self) -> float:
        """The best mean score; NaN if every mean score is NaN."""
        return float(np.fmax.reduce(self.mean_scores))
