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
    for key, entry in entries.items():
        if entry.params not in candidates:
            candidates[entry.params] = _candidate_of(json.loads(entry.params), space)
        candidate = candidates[entry.params]
        if candidate is None or entry.split >= n_splits:
            continue
        if key_of(Task(candidate, entry.n_resources, entry.split)) == key:
            yield candidate, entry


def _candidate_of(params: Mapping[str, Any], space: Space) -> Candidate | None:
    """Return the candidate that was written as these parameters; None if the space lacks it."""
    for part in space:
        if part.keys() == params.keys():
            found = {name: _value_of(params[name], part[name]) for name in params}
            if all(values for values in found.values()):
                return {name: value for name, (value,) in found.items()}
    return None


def _value_of(written: Any, values: Any) -> list[Any]:
    """Return the value that was written so, in a list; an empty list if there is none.

    A number is itself if it comes from a distribution. A value of a list is recognised by how it
    is written; what else it is, its key says.
    """
    if isinstance(values, range):
        return [written] if type(written) is int and written in values else []
    if hasattr(values, "rvs"):
        if type(written) not in (int, float):
            return []
        low, high = values.support() if hasattr(values, "support") else (written, written)
        return [written] if low <= written <= high else []
    for value in values:
        shown = json_value(value)
        if type(shown) is type(written) and shown == written:
            return [value]
    return []


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
