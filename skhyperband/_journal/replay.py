"""Replays evaluations from a journal, and adds new ones to it."""

import builtins
import collections
import contextlib
import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from skhyperband._evaluator import Evaluator
from skhyperband._executors.base import (
    Executor,
    FurtherTasks,
    OnStart,
    StateStore,
    ignore_start,
    no_further_tasks,
)
from skhyperband._journal.database import LARGEST_INTEGER, Journal
from skhyperband._journal.entries import Entry
from skhyperband._messages import exception_of_traceback, repr_of, shortened
from skhyperband._records import FailedStep, Failure, FinishedTask, Outcome, Scores, Task
from skhyperband._sklearn_compat import named_scorers


class ReplayingExecutor:
    """Replays the evaluations that are in a journal, and lets another executor run the rest.

    Parameters
    ----------
    executor : Executor
        Runs the tasks that are not in the journal. It is entered and left with this one.
    journal : Journal
    keys : callable
        ``keys(task)`` returns the key of a task.
    suffices : callable
        ``suffices(entry)`` returns whether an entry has all that the search asks for.
    is_too_late : callable
        Returns whether no further evaluation may begin. Known ones are replayed all the same.
    """

    def __init__(
        self,
        executor: Executor,
        journal: Journal,
        keys: Callable[[Task], bytes | None],
        suffices: Callable[[Entry], bool],
        is_too_late: Callable[[], bool],
    ):
        self.n_cores = executor.n_cores
        self.in_process = executor.in_process
        self.states: StateStore = executor.states
        self._executor = executor
        self._journal = journal
        self._keys = keys
        self._suffices = suffices
        self._is_too_late = is_too_late
        # Failures wait here until an evaluation of this search has succeeded. A search that fails
        # wholly leaves none, since the user will mend what is wrong and start it again.
        self._waiting: list[tuple[bytes, Entry]] = []
        self._has_succeeded = False

    @property
    def n_workers(self) -> int:
        """The number of tasks that run at a time; that of a cluster may change."""
        return self._executor.n_workers

    def __enter__(self) -> Self:
        self._executor.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._executor.__exit__(*exc_info)

    def run(
        self,
        tasks: Sequence[Task],
        on_start: OnStart = ignore_start,
        more: FurtherTasks = no_further_tasks,
    ) -> Generator[FinishedTask, None, None]:
        """Yield every task when it is finished; those in the journal come first."""
        run = _Run(self._find, on_start, more)
        yield from self._noting_success(run.look_up(tasks))
        if run.unknown and self._is_too_late():
            return
        yield from self._run_unknown(run, first=0)
        # Those that the executor was told of in its last moment may be followed by others.
        while run.replayed:
            yield from self._noting_success(run.take_replayed())
            yield from self._run_unknown(run, first=len(run.unknown))

    def _find(self, task: Task) -> tuple[bytes | None, Entry | None]:
        """Return the key of a task, and its entry if that has all that the search asks for.

        An evaluation without a key, whose candidate the estimator refuses, is not in the journal.
        """
        key = self._keys(task)
        entry = None if key is None else self._journal.find(key)
        return key, entry if entry is not None and self._suffices(entry) else None

    def _noting_success(self, replayed: Iterable[FinishedTask]) -> Iterator[FinishedTask]:
        for finished in replayed:
            outcome = finished.result
            if isinstance(outcome, Outcome) and outcome.failure is None:
                self._note_success()
            yield finished

    def _add(self, key: bytes, entry: Entry) -> None:
        """Add an evaluation to the journal, once any has succeeded."""
        if entry.failure is None:
            self._note_success()
        if self._has_succeeded:
            self._journal.add(key, entry)
        else:
            self._waiting.append((key, entry))

    def _note_success(self) -> None:
        """Write the failures that have waited for a success."""
        self._has_succeeded = True
        while self._waiting:
            self._journal.add(*self._waiting.pop(0))

    def _run_unknown(self, run: "_Run", first: int) -> Iterator[FinishedTask]:
        """Run the tasks from this one on that the journal lacks, and those that follow them."""
        running = self._executor.run(
            [task for _, _, task in run.unknown[first:]],
            lambda number: run.on_start(run.unknown[first + number].position),
            run.more_unknown,
        )
        with contextlib.closing(running) as finished:
            for number, result in finished:
                position, key, task = run.unknown[first + number]
                if key is not None and isinstance(result, Outcome) and _is_repeatable(result):
                    self._add(key, _as_entry(task, result))
                yield FinishedTask(position, result)
                yield from self._noting_success(run.take_replayed())


class _Unknown(NamedTuple):
    """A task that the journal lacks."""

    position: int
    key: bytes | None
    task: Task


class _Run:
    """The tasks of one run: which of them are known, and which are not.

    Attributes
    ----------
    unknown : list of _Unknown
    replayed : deque of FinishedTask
        Further tasks that are known, and were not yielded yet.
    """

    def __init__(
        self,
        find: Callable[[Task], tuple[bytes | None, Entry | None]],
        on_start: OnStart,
        more: FurtherTasks,
    ):
        self.on_start = on_start
        self.unknown: list[_Unknown] = []
        self.replayed: collections.deque[FinishedTask] = collections.deque()
        self._find = find
        self._more = more
        self._n_taken = 0

    def look_up(self, tasks: Iterable[Task]) -> Iterator[FinishedTask]:
        """Yield the tasks that are known, and note the others."""
        for task in tasks:
            position, self._n_taken = self._n_taken, self._n_taken + 1
            key, entry = self._find(task)
            if entry is None:
                self.unknown.append(_Unknown(position, key, task))
            else:
                self.on_start(position)
                yield FinishedTask(position, as_outcome(entry))

    def more_unknown(self, n_tasks: int) -> list[Task]:
        """Return further tasks that are not known; none when there are no further ones."""
        n_before = len(self.unknown)
        while len(self.unknown) == n_before and (further := self._more(n_tasks)):
            self.replayed.extend(self.look_up(further))
        return [task for _, _, task in self.unknown[n_before:]]

    def take_replayed(self) -> Iterator[FinishedTask]:
        """Yield what was looked up among further tasks."""
        while self.replayed:
            yield self.replayed.popleft()


def entry_suffices(
    evaluator: Evaluator, *, needs_train_scores: bool = True
) -> Callable[[Entry], bool]:
    """Return a test of whether an entry has all that the evaluator would return.

    With ``error_score="raise"`` a failure does not suffice: its exception is not in the journal,
    so that the fit must fail again. Scores must be of the metrics that the search asks for.
    """
    scorers = named_scorers(evaluator.scorer)

    def suffices(entry: Entry) -> bool:
        failed = entry.failure is not None
        if failed and evaluator.keep_exceptions:
            return False
        if entry.test_scores is None:
            return failed
        scores: list[Scores] = [entry.test_scores]
        # What failed although the only metric has a score failed on the training part.
        train_score_failed = failed and scorers is None
        if evaluator.return_train_score and needs_train_scores and not train_score_failed:
            scores.append(entry.train_scores)
        return all(_are_scores_of(scorers, of_one) for of_one in scores)

    return suffices


def _are_scores_of(scorers: Mapping[str, Any] | None, scores: Scores) -> bool:
    """Return whether scores are those of named metrics; None means one metric without a name."""
    if scorers is None:
        return scores is not None
    return isinstance(scores, dict) and scores.keys() == scorers.keys()


# Failures that may not happen again. A scorer that returned no score will be corrected by the
# user and keep its name, and with it the key. A worker may have died, or have been slow, because
# the machine had too little memory.
_TRANSIENT = (FailedStep.INVALID_SCORE, FailedStep.WORKER, FailedStep.TIMEOUT)


def _is_repeatable(outcome: Outcome) -> bool:
    """Return whether a second run of the evaluation would give the same outcome."""
    failure = outcome.failure
    if failure is None:
        return True
    return failure.step not in _TRANSIENT and not _is_of_the_machine(failure)


def _is_of_the_machine(failure: Failure) -> bool:
    """Return whether memory, a file or a module was missing, which may be there the next time."""
    name = exception_of_traceback(failure.text)
    kind = getattr(builtins, name, None)
    # NumPy and PyTorch have memory errors of their own.
    return name.endswith("MemoryError") or (
        isinstance(kind, type) and issubclass(kind, (OSError, ImportError))
    )


def as_outcome(entry: Entry) -> Outcome:
    failure = None
    if entry.failure is not None and entry.failed_step is not None:
        failure = Failure(FailedStep(entry.failed_step), entry.failure)
    return Outcome(
        test_scores=entry.test_scores,
        train_scores=entry.train_scores,
        fit_time=entry.fit_time,
        score_time=entry.score_time,
        failure=failure,
        n_trained=entry.n_trained,
        replayed=True,
    )


def _as_entry(task: Task, outcome: Outcome) -> Entry:
    failure = outcome.failure
    return Entry(
        params=json.dumps({name: json_value(value) for name, value in task.candidate.items()}),
        n_resources=task.n_resources,
        split=task.split,
        test_scores=outcome.test_scores,
        train_scores=outcome.train_scores,
        fit_time=outcome.fit_time,
        score_time=outcome.score_time,
        n_trained=outcome.n_trained,
        failed_step=None if failure is None else failure.step.value,
        failure=None if failure is None else failure.text,
        finished=time.time(),
    )


# In characters.
_LONGEST_SHOWN = 1000


def json_value(value: Any) -> Any:
    """Return the value if JSON can hold it, else its repr.

    Only those who read the journal see it; a search finds an evaluation by its key.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, float):
        return value
    if type(value) is int and abs(value) <= LARGEST_INTEGER:
        return value
    if type(value) is str:
        return shortened(value, _LONGEST_SHOWN)
    return shortened(repr_of(value), _LONGEST_SHOWN)
