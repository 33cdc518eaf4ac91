"""Decides which evaluations are answered from the journal: those of the very same computation."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone

from skhyperband._digest import digest, versions
from skhyperband._evaluation import Evaluator, Failure, Outcome, Scores, Task
from skhyperband._execution import Executor, MaybeOutcome
from skhyperband._journal import LARGEST_INTEGER, Entry, Journal, read_entries
from skhyperband._messages import repr_of, shortened
from skhyperband._plan import to_frame
from skhyperband._samplers import Candidate, Space, candidate_key
from skhyperband._sklearn_compat import named_scorers


def identity(estimator: Any, X: Any, y: Any) -> dict[str, str]:
    """Return what all searches of one journal share."""
    class_ = type(estimator)
    return {
        "estimator": f"{class_.__module__}.{class_.__qualname__}",
        "X": _fingerprint(X, "X"),
        "y": _fingerprint(y, "y"),
    }


def _fingerprint(data: Any, name: str) -> str:
    shape = getattr(data, "shape", None) or (len(data) if hasattr(data, "__len__") else "")
    return f"{type(data).__name__} {shape} {digest(data, name).hex()}"


@dataclass(frozen=True)
class Common:
    """What all evaluations of a search have in common, and their keys depend on.

    Attributes
    ----------
    estimator : estimator
    scoring : object
        What scores; None: the estimator's own `score`.
    continue_training : "auto", bool or callable
    params : tuple of dict
        Metadata for fit and for the scorer.
    """

    estimator: Any
    scoring: Any
    continue_training: Any
    params: tuple[Mapping[str, Any], ...]

    def digests(self, packages: set[str]) -> list[bytes]:
        """Return them; add the packages that they are from."""
        digest(self.estimator, "estimator", packages=packages)
        # Where training on gives what a fresh fit gives, it is no other computation.
        exact = self.continue_training in ("auto", False)
        config = {k: v for k, v in sklearn.get_config().items() if k not in _DISPLAY}
        values = [
            ("scoring", named_scorers(self.scoring) or self.scoring),
            ("continue_training", "exact" if exact else self.continue_training),
            *(("fit", dict(params)) for params in self.params),
            ("sklearn.get_config()", config),
        ]
        return [digest(value, name, cloned=False, packages=packages) for name, value in values]

    def check(self, space: Space, candidates: Sequence[Candidate]) -> None:
        """Raise where these, or a value in a list of the space, have no stable digest."""
        self.digests(set())
        for part in space:
            for name, values in part.items():
                for value in () if hasattr(values, "rvs") else values:
                    digest(value, f"param_distributions[{name!r}]")
        for candidate in candidates:
            for name, value in candidate.items():
                digest(value, f"initial_candidates[...][{name!r}]")


_DISPLAY = ("display", "print_changed_only", "working_memory")


class Keys:
    """Gives each evaluation the key of what is computed in it.

    Neither `n_jobs` nor `verbose` enters, nor anything that only says which evaluations
    there are: candidates, bounds, factor and seed.

    Parameters
    ----------
    evaluator : Evaluator
    common : Common
    """

    def __init__(self, evaluator: Evaluator, common: Common):
        self._evaluator = evaluator
        self._packages = {"numpy", "scipy", "sklearn"}
        self._common = common.digests(self._packages)
        self._of_candidate: dict[Any, bytes] = {}
        self._of_rows: dict[tuple[int, int], bytes] = {}

    def __call__(self, task: Task) -> bytes:
        """Return the key of a task."""
        amount = self._evaluator.resource.parameters({}, task.n_resources)
        parts = [self._candidate(task.candidate), self._rows(task.split, task.n_resources)]
        return digest([*parts, amount, *self._common], "the evaluation")

    def _candidate(self, candidate: Candidate) -> bytes:
        """Digest the estimator as the candidate makes it, its resource aside, and the versions."""
        key = candidate_key(candidate)
        if key not in self._of_candidate:
            packages = set(self._packages)
            parameters = self._evaluator.resource.parameters(candidate, 1)
            estimator = clone(self._evaluator.estimator)
            estimator.set_params(**clone(parameters, safe=False))
            made = digest(estimator, "estimator", packages=packages)
            self._of_candidate[key] = digest([made, versions(packages)], "versions")
        return self._of_candidate[key]

    def _rows(self, split: int, n_resources: int) -> bytes:
        key = split, n_resources
        if key not in self._of_rows:
            evaluator = self._evaluator
            train = evaluator.resource.train_rows(evaluator.splits[split], n_resources)
            rows = np.asarray(train), np.asarray(evaluator.splits[split].test)
            self._of_rows[key] = digest(rows, "cv")
        return self._of_rows[key]


class ReplayingExecutor:
    """Answers from the journal what is in it, and keeps there what is not.

    Parameters
    ----------
    executor : Executor
        Runs what is left.
    journal : Journal
    keys : callable
        Gives each task its key.
    suffices : callable
        ``suffices(entry)``: whether an entry says all that is asked for.
    is_too_late : callable
        Whether nothing is begun any more; what is known is still told.
    """

    def __init__(
        self,
        executor: Executor,
        journal: Journal,
        keys: Callable[[Task], bytes],
        suffices: Callable[[Entry], bool],
        is_too_late: Callable[[], bool],
    ):
        self._executor = executor
        self._journal = journal
        self._keys = keys
        self._suffices = suffices
        self._is_too_late = is_too_late

    def run(self, tasks: Sequence[Task]) -> Generator[tuple[int, MaybeOutcome], None, None]:
        """Yield each task's position and outcome, those known already first."""
        unknown: list[tuple[int, bytes]] = []
        for position, task in enumerate(tasks):
            key = self._keys(task)
            entry = self._journal.find(key)
            if entry is not None and self._suffices(entry):
                yield position, _as_outcome(entry)
            else:
                unknown.append((position, key))
        if unknown and self._is_too_late():
            return
        rest = [tasks[position] for position, _ in unknown]
        with contextlib.closing(self._executor.run(rest)) as outcomes:
            for number, outcome in outcomes:
                position, key = unknown[number]
                if outcome is not None and _is_lasting(outcome):
                    self._journal.add(key, _as_entry(tasks[position], outcome))
                yield position, outcome


def entry_suffices(evaluator: Evaluator) -> Callable[[Entry], bool]:
    """Return the test of whether an entry says all that the evaluator would say.

    What is to be raised must happen again, and a score must be of the metrics asked for.
    """
    scorers = named_scorers(evaluator.scorer)

    def test(entry: Entry) -> bool:
        failed = entry.failure is not None
        if failed and evaluator.keep_exceptions:
            return False
        if entry.test_scores is None:
            return failed
        scores: list[Scores] = [entry.test_scores]
        if evaluator.return_train_score:
            scores.append(entry.train_scores)
        return all(_are_of(scorers, of_one) for of_one in scores)

    return test


def _are_of(scorers: Mapping[str, Any] | None, scores: Scores) -> bool:
    if scorers is None:
        return scores is not None
    return isinstance(scores, dict) and scores.keys() == scorers.keys()


def _is_lasting(outcome: Outcome) -> bool:
    """Return whether it would come out the same again.

    A scorer that gave no score is going to be mended, under its old name; and a worker may
    have died for want of memory.
    """
    return outcome.failure is None or outcome.failure.step not in ("scoring", "worker")


def _as_outcome(entry: Entry) -> Outcome:
    failure = None
    if entry.failure is not None:
        failure = Failure(str(entry.failed_step), entry.failure)
    return Outcome(
        *(entry.test_scores, entry.train_scores, entry.fit_time, entry.score_time, failure),
        n_trained=entry.n_trained,
        replayed=True,
    )


def _as_entry(task: Task, outcome: Outcome) -> Entry:
    failure = outcome.failure
    return Entry(
        params=json.dumps({name: _shown(value) for name, value in task.candidate.items()}),
        n_resources=task.n_resources,
        split=task.split,
        test_scores=outcome.test_scores,
        train_scores=outcome.train_scores,
        fit_time=outcome.fit_time,
        score_time=outcome.score_time,
        n_trained=outcome.n_trained,
        failed_step=None if failure is None else failure.step,
        failure=None if failure is None else failure.text,
        finished=time.time(),
    )


_LONGEST_SHOWN = 1000


def _shown(value: Any) -> Any:
    """Return a value as JSON can say it, else its repr: it is for those who read only."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, float):
        return value
    if type(value) is int and abs(value) <= LARGEST_INTEGER:
        return value
    if type(value) is str:
        return shortened(value, _LONGEST_SHOWN)
    return shortened(repr_of(value), _LONGEST_SHOWN)


# --- for those who read ------------------------------------------------------------


def read_journal(path: Any) -> Any:
    """Return the evaluations in a journal, also while a search writes to it.

    Parameters
    ----------
    path : str or os.PathLike
        The file that was given as `journal`.

    Returns
    -------
    frame : pandas.DataFrame
        A row for each evaluation (a candidate with so much of the resource on one
        split), in the order in which they finished: ``param_*`` as in `cv_results_`,
        where a value that is no number or text is its `repr`; `n_resources`, `split`;
        ``test_*`` and, where they were asked for, ``train_*`` scores, missing where
        they failed; `fit_time` and `score_time` in seconds; `n_resources_trained`;
        `failure`, a traceback; `finished`, in UTC.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it is no journal.
    ImportError
        Where pandas is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skhyperband import SuccessiveHalvingSearchCV, read_journal
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "search.sqlite")
    >>> search = SuccessiveHalvingSearchCV(
    ...     DecisionTreeClassifier(random_state=0),
    ...     {"max_depth": [1, 2, 3, 4]},
    ...     n_candidates="all",
    ...     journal=path,
    ...     random_state=0,
    ... )
    >>> search = search.fit(*load_iris(return_X_y=True))
    >>> read_journal(path)[["param_max_depth", "n_resources", "split"]].tail(1)
        param_max_depth  n_resources  split
    24                3          150      4
    >>> search.fit(*load_iris(return_X_y=True)).n_replayed_
    25
    >>> folder.cleanup()
    """
    records = [_record(entry) for entry in read_entries(os.fspath(path))]
    columns = list(dict.fromkeys(name for record in records for name in record))
    columns = columns or list(_record(_NOTHING))
    return to_frame(columns, [[record.get(name) for name in columns] for record in records])


# So that a journal without rows has columns.
_NOTHING = Entry("{}", 0, 0, None, None, 0.0, 0.0, 0, None, None, 0.0)


def _record(entry: Entry) -> dict[str, Any]:
    return {
        **{f"param_{name}": value for name, value in json.loads(entry.params).items()},
        "n_resources": entry.n_resources,
        "split": entry.split,
        **dict(_score_columns("test", entry.test_scores)),
        **dict(_score_columns("train", entry.train_scores)),
        "fit_time": entry.fit_time,
        "score_time": entry.score_time,
        "n_resources_trained": entry.n_trained,
        "failure": entry.failure,
        "finished": np.datetime64(round(entry.finished * 1e6), "us"),
    }


def _score_columns(part: str, scores: Scores) -> Iterator[tuple[str, float | None]]:
    if isinstance(scores, dict):
        yield from ((f"{part}_{name}", score) for name, score in scores.items())
    elif scores is not None:
        yield f"{part}_score", scores
