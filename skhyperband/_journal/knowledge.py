"""Reads from a journal what earlier searches found out, as levels that a sampler is told."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from skhyperband._journal.entries import Entry
from skhyperband._journal.replay import as_outcome, json_value
from skhyperband._records import LevelResult, Outcome, Task
from skhyperband._space import Candidate, Space

_MISSING = object()
_Reader = Callable[[Any], Any]

# The round of all that was evaluated before the search.
BEFORE_THE_SEARCH = -1


class _Place(NamedTuple):
    """The amount of the resource and the splits with which candidates were evaluated."""

    n_resources: int
    n_splits: int
    splits: tuple[int, ...]


def known_levels(
    entries: Mapping[bytes, Entry],
    *,
    space: Space,
    n_splits: int,
    key_of: Callable[[Task], bytes],
    suffices: Callable[[Entry], bool],
    score: Callable[[Outcome], float],
) -> list[LevelResult]:
    """Return a level for each amount of the resource and set of splits, the lowest first.

    Parameters
    ----------
    entries : mapping of bytes to Entry
        Evaluations by their keys, oldest first.
    space : list of dict
        Candidates that do not lie in it are left out.
    n_splits : int
        The number of splits of the cross-validation.
    key_of : callable
        Returns the key of a task. Evaluations with other keys are of another estimator, or
        made in another way, and are left out.
    suffices : callable
        Returns whether an entry has all that the search asks for.
    score : callable
        Returns the score by which candidates are ranked.
    """
    numbers: dict[str, int] = {}
    candidates: dict[int, Candidate] = {}
    rows: dict[tuple[int, int], np.ndarray] = {}
    evaluated: dict[tuple[int, int], set[int]] = defaultdict(set)
    for candidate, entry in _recognised(entries, space, n_splits, key_of):
        if not suffices(entry):
            continue
        number = numbers.setdefault(entry.params, -1 - len(numbers))
        candidates[number] = candidate
        place = number, entry.n_resources
        rows.setdefault(place, np.full(n_splits, np.nan))[entry.split] = score(as_outcome(entry))
        evaluated[place].add(entry.split)
    members: dict[_Place, list[int]] = defaultdict(list)
    for (number, n_resources), splits in evaluated.items():
        members[_Place(n_resources, len(splits), tuple(sorted(splits)))].append(number)
    return [
        _level(
            place,
            members[place],
            [candidates[number] for number in members[place]],
            np.array([rows[number, place.n_resources] for number in members[place]]),
        )
        for place in sorted(members)
    ]


def _recognised(
    entries: Mapping[bytes, Entry], space: Space, n_splits: int, key_of: Callable[[Task], bytes]
) -> Iterator[tuple[Candidate, Entry]]:
    """Yield the entries that the search would make as well, with their candidates."""
    candidates: dict[str, Candidate | None] = {}
    parts = [{name: _reader(values) for name, values in part.items()} for part in space]
    for key, entry in entries.items():
        if entry.params not in candidates:
            candidates[entry.params] = _candidate_of(json.loads(entry.params), parts)
        candidate = candidates[entry.params]
        if candidate is None or entry.split >= n_splits:
            continue
        if key_of(Task(candidate, entry.n_resources, entry.split)) == key:
            yield candidate, entry


def _candidate_of(
    params: Mapping[str, Any], parts: Sequence[Mapping[str, _Reader]]
) -> Candidate | None:
    """Return the candidate that was written as these parameters; None if the space lacks it."""
    for part in parts:
        if part.keys() == params.keys():
            found = {name: part[name](params[name]) for name in params}
            if all(value is not _MISSING for value in found.values()):
                return found
    return None


def _reader(values: Any) -> _Reader:
    """Return a function that returns the value that was written so, or that it is missing.

    A number is itself if it comes from a distribution. A value of a list is recognised by how it
    is written; what else it is, its key says.
    """
    if isinstance(values, range):
        return lambda written: written if type(written) is int and written in values else _MISSING
    if hasattr(values, "rvs"):
        return lambda written: written if _has_in_support(values, written) else _MISSING
    by_text: dict[str, Any] = {}
    for value in values:
        by_text.setdefault(repr(json_value(value)), value)
    return lambda written: by_text.get(repr(written), _MISSING)


def _has_in_support(distribution: Any, number: Any) -> bool:
    if type(number) not in (int, float):
        return False
    if not hasattr(distribution, "support"):
        return True
    low, high = distribution.support()
    return bool(low <= number <= high)


def _level(
    place: _Place,
    numbers: Sequence[int],
    candidates: Sequence[Candidate],
    split_scores: np.ndarray,
) -> LevelResult:
    used = split_scores[:, list(place.splits)]
    with np.errstate(invalid="ignore"):  # Infinite scores of both signs.
        mean_scores = used.mean(axis=1)
    return LevelResult(
        repeat=BEFORE_THE_SEARCH,
        n_resources=place.n_resources,
        n_splits=place.n_splits,
        candidate_ids=tuple(numbers),
        candidates=tuple(map(dict, candidates)),
        split_scores=split_scores,
        mean_scores=mean_scores,
        n_failures=int(np.isnan(used).sum()),
        n_replayed=used.size,
        complete=True,
    )
