"""Entries of a journal: finished evaluations, and the rows of the file that hold them."""

import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any

from skhyperband._records import FailedStep, Scores

# No clock shows a later time: the year 10000, in seconds since 1970.
_LATEST = 253_402_300_800.0
_STEPS = frozenset(step.value for step in FailedStep)


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished evaluation: a row of the file.

    Attributes
    ----------
    params : str
        The candidate as JSON, for people and programs that read the file.
    n_resources, split : int
        The amount of the resource, and the number of the split.
    test_scores, train_scores : float, dict of str to float, or None
    fit_time, score_time : float
        Seconds.
    n_trained : int
        How much of the resource was trained in this evaluation.
    failed_step, failure : str or None
        The step that failed, and the traceback. Both are None if nothing failed.
    finished : float
        When the evaluation finished, in seconds since 1970.
    """

    params: str
    n_resources: int
    split: int
    test_scores: Scores
    train_scores: Scores
    fit_time: float
    score_time: float
    n_trained: int
    failed_step: str | None
    failure: str | None
    finished: float

    def as_row(self) -> tuple[Any, ...]:
        """Return the values that SQLite stores. Scores are JSON, since SQLite has no NaN."""
        row = [json.dumps(v) if n in _SCORES else v for n, v in _named(astuple(self))]
        return tuple(_encodable(value) if isinstance(value, str) else value for value in row)


COLUMNS = tuple(field.name for field in fields(Entry))
_SCORES = ("test_scores", "train_scores")


def _named(row: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    return zip(COLUMNS, row, strict=True)


def _encodable(text: str) -> str:
    """Return the text with a question mark for each character that UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()


def entry_from_row(row: tuple[Any, ...]) -> Entry:
    """Return the entry that a row holds; raise ValueError for a row that `as_row` never makes."""
    values: dict[str, Any] = dict(_named(row))
    values |= {name: _scores_from_json(values[name]) for name in _SCORES}
    entry = Entry(**values)
    failed = (entry.failed_step, entry.failure)
    if not (
        _are_params(entry.params)
        and all(_is_count(n) for n in (entry.n_resources, entry.split, entry.n_trained))
        and all(_is_time(t) for t in (entry.fit_time, entry.score_time, entry.finished))
        and (failed == (None, None) or _is_failure(*failed))
    ):
        raise ValueError(f"a row reads {row!r:.200}")
    return entry


def _is_failure(step: Any, text: Any) -> bool:
    return isinstance(step, str) and step in _STEPS and isinstance(text, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_time(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < _LATEST


def _are_params(text: Any) -> bool:
    """Return whether the text is a JSON object whose values are numbers, texts or null."""
    params = _from_json(text, "the candidate")
    plain = (type(None), bool, int, float, str)
    return isinstance(params, dict) and all(type(value) in plain for value in params.values())


def _scores_from_json(text: Any) -> Scores:
    """Return scores from JSON; raise ValueError for anything else."""
    scores = _from_json(text, "a score")
    values = list(scores.values()) if isinstance(scores, dict) else [scores]
    if not values or not all(value is None or type(value) is float for value in values):
        raise ValueError(f"a score reads {text!r:.200}")
    return scores


def _from_json(text: Any, what: str) -> Any:
    """Return the value that a JSON text holds; raise ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"{what} reads {text!r:.200}")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{what} is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{what} reads {text!r:.200}") from error
