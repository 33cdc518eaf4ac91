"""Reads from a journal what earlier searches found out, as levels that a sampler is told."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np

from skhyperband._journal.entries import Entry
from skhyperband._journal.replay import as_outcome, json_value
from skhyperband._records import LevelResult, Outcome, Task
from skhyperband._space import Candidate, Space, value_key

# Returns the values that may have been written so.
_Reader = Callable[[Any], Sequence[Any]]
# A candidate, and what it is called: the same in every process.
_Named = tuple[tuple[str, int], Candidate]

# Values such as functions are written with their address in memory.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Candidates that are written alike are told apart by their keys, if they are not too many.
_MOST_WRITTEN_ALIKE = 100

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
    key_of: Callable[[Task], bytes | None],
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
    found = [
        (*named, entry)
        for named, entry in _recognised(entries, space, n_splits, key_of)
        if suffices(entry)
    ]
    # Their order in the journal is that in which they were finished, which depends on time.
    found.sort(key=lambda one: one[0])
    numbers: dict[tuple[str, int], int] = {}
    candidates: dict[int, Candidate] = {}
    rows: dict[tuple[int, int], np.ndarray] = {}
    evaluated: dict[tuple[int, int], set[int]] = defaultdict(set)
    for name, candidate, entry in found:
        number = numbers.setdefault(name, -1 - len(numbers))
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
    entries: Mapping[bytes, Entry],
    space: Space,
    n_splits: int,
    key_of: Callable[[Task], bytes | None],
) -> Iterator[tuple[_Named, Entry]]:
    """Yield the entries that the search would make as well, with their candidates."""
    written_so: dict[str, list[_Named]] = {}
    parts = [{name: _reader(values) for name, values in part.items()} for part in space]
    for key, entry in entries.items():
        if entry.split >= n_splits:
            continue
        if entry.params not in written_so:
            written_so[entry.params] = _candidates_written(entry.params, parts)
        for named in written_so[entry.params]:
            if key_of(Task(named[1], entry.n_resources, entry.split)) == key:
                yield named, entry
                break


def _candidates_written(text: str, parts: Sequence[Mapping[str, _Reader]]) -> list[_Named]:
    """Return the candidates of the space that are written as this text; usually it is one."""
    params = json.loads(text)
    found: list[Candidate] = []
    for part in parts:
        if part.keys() == params.keys():
            combinations = product(*(part[name](params[name]) for name in params))
            of_part = islice(combinations, _MOST_WRITTEN_ALIKE)
            found += [dict(zip(params, values, strict=True)) for values in of_part]
    name = _ADDRESS.sub("", text)
    return [((name, number), candidate) for number, candidate in enumerate(found)]


def _reader(values: Any) -> _Reader:
    """Return a function that returns the values that may have been written so.

    A number is itself if it comes from a distribution. A value of a list is recognised by how it
    is written; what else it is, its key says.
    """
    if isinstance(values, range):
        return lambda written: [written] if type(written) is int and written in values else []
    if hasattr(values, "rvs"):
        return lambda written: [written] if _has_in_support(values, written) else []
    by_text: dict[str, dict[Any, Any]] = defaultdict(dict)
    for value in values:
        text = _ADDRESS.sub("", repr(json_value(value)))
        by_text[text].setdefault(value_key(value), value)
    return lambda written: list(by_text.get(_ADDRESS.sub("", repr(written)), {}).values())


def _has_in_support(distribution: Any, number: Any) -> bool:
    if type(number) not in (int, float):
        return False
    if not hasattr(distribution, "support"):
        return True
    try:
        low, high = distribution.support()
        return bool(low <= number <= high)
    except (TypeError, ValueError):  # It means something else by its support.
        return True


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
