"""All that a search has measured so far: candidates, their evaluations and their scores."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skhyperband._records import (
    EvaluationKey,
    LevelResult,
    Outcome,
    RungEntry,
)
from skhyperband._schedule import Level, Rung, RungKey
from skhyperband._space import Candidate, candidate_key


@dataclass
class EvaluationTimes:
    """The seconds of evaluations, fits and scores together."""

    n_evaluations: int = 0
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Add an evaluation."""
        self.n_evaluations += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    @property
    def mean(self) -> float:
        """The mean seconds of an evaluation."""
        return self.total / self.n_evaluations


class SearchHistory:
    """The candidates of a search, the rungs that they were on and what was measured there.

    Parameters
    ----------
    split_order : sequence of int
        All splits of the cross-validation; a rung of k splits uses the first k.
    score : callable
        ``score(outcome)`` is the number by which candidates are ranked, NaN for a failure.
        It raises what must end the search.

    Attributes
    ----------
    candidates : list of dict
        By number, in the order in which they entered.
    entries : list of RungEntry
        Every candidate on every rung that counts, in the order of the levels.
    outcomes : dict of EvaluationKey to Outcome
        Equal candidates share their outcomes.
    seconds : dict of RungKey to float
        The time of the fits and scores made for a rung, added up. The key does not contain
        the size of the rung: it may turn out smaller than planned, or with fewer splits.
    times : dict of int to EvaluationTimes
        The times of all evaluations with so much of the resource.
    times_in_levels : dict of int to EvaluationTimes
        Those of the evaluations that this run made for its levels: not those of the estimator
        as it is given, which are made before, and not those that a journal had.
    """

    def __init__(self, split_order: Sequence[int], score: Callable[[Outcome], float]):
        self.candidates: list[Candidate] = []
        self.entries: list[RungEntry] = []
        self.outcomes: dict[EvaluationKey, Outcome] = {}
        self.seconds: dict[RungKey, float] = defaultdict(float)
        self.times: dict[int, EvaluationTimes] = defaultdict(EvaluationTimes)
        self.times_in_levels: dict[int, EvaluationTimes] = defaultdict(EvaluationTimes)
        self.split_order = split_order
        self._score = score
        self._scores: dict[EvaluationKey, float] = {}
        self._first_with: dict[tuple[object, ...], int] = {}
        self._canonical_ids: list[int] = []
        self._known_keys: dict[tuple[int, int, int], dict[int, EvaluationKey]] = {}
        self._last_seconds: dict[int, float] = {}
        self._most_splits: dict[int, int] = {}
        self._unbooked: set[EvaluationKey] = set()

    # -- candidates

    def add_candidates(self, candidates: Iterable[Candidate]) -> list[int]:
        """Give each candidate its number, and return the numbers."""
        first = len(self.candidates)
        for number, candidate in enumerate(candidates, start=first):
            self.candidates.append(candidate)
            canonical_id = self._first_with.setdefault(candidate_key(candidate), number)
            self._canonical_ids.append(canonical_id)
        return list(range(first, len(self.candidates)))

    @property
    def n_distinct(self) -> int:
        """The number of candidates, of which equal ones count once."""
        return len(self._first_with)

    def number_of(self, candidate: Candidate) -> int | None:
        """Return the number of the first candidate that is equal to this one; None if none is."""
        return self._first_with.get(candidate_key(candidate))

    def canonical_id(self, number: int) -> int:
        """Return the number of the first candidate that is equal to this one."""
        return self._canonical_ids[number]

    # -- evaluations

    def keys(self, entry: RungEntry) -> Collection[EvaluationKey]:
        """Return the keys of all evaluations of an entry, in the order of the splits."""
        return self.keys_by_split(entry).values()

    def keys_by_split(self, entry: RungEntry) -> Mapping[int, EvaluationKey]:
        """Return the keys under which the evaluations of an entry are recorded, by split.

        They are made once, since there are so many.
        """
        candidate = self._canonical_ids[entry.candidate]
        place = candidate, entry.rung.n_resources, entry.rung.n_splits
        if place not in self._known_keys:
            self._known_keys[place] = {
                split: EvaluationKey(candidate, entry.rung.n_resources, split)
                for split in sorted(self.splits_of(entry.rung))
            }
        return self._known_keys[place]

    def splits_of(self, rung: Rung | Level) -> Sequence[int]:
        """Return the splits that a rung uses, in the order in which they are used."""
        return self.split_order[: rung.n_splits]

    def is_measured(self, entry: RungEntry, split: int) -> bool:
        """Return whether the evaluation has been recorded."""
        return self.keys_by_split(entry)[split] in self.outcomes

    def record(self, key: EvaluationKey, rung: Rung, outcome: Outcome) -> None:
        """Record the outcome of an evaluation that was made for a rung."""
        self._record(key, outcome)
        self.seconds[rung.key] += outcome.seconds
        self.times[key.n_resources].add(outcome.seconds)
        if not outcome.replayed:
            self.times_in_levels[key.n_resources].add(outcome.seconds)

    def record_from_before(self, key: EvaluationKey, outcome: Outcome, *, in_times: bool) -> None:
        """Record the outcome of an evaluation that was made before there were levels.

        The first rung of the candidate that this evaluation is part of gets its time; if there is
        none, no rung has it. `in_times` says whether the time is added to `times`, from which those
        of others are expected.
        """
        self._record(key, outcome)
        self._unbooked.add(key)
        if in_times:
            self.times[key.n_resources].add(outcome.seconds)

    def _record(self, key: EvaluationKey, outcome: Outcome) -> None:
        self._scores[key] = self._score(outcome)
        self.outcomes[key] = outcome

    def seconds_of(self, candidate: int) -> float | None:
        """Return the time of a candidate on the last level it was on; None for an entrant."""
        return self._last_seconds.get(candidate)

    def n_splits_done(self, n_resources: int) -> int:
        """Return the most splits on which candidates were evaluated with so much of the resource."""
        return self._most_splits.get(n_resources, 0)

    def mean_score(self, entry: RungEntry) -> float | None:
        """Return the mean score over the splits of the rung; None where some are missing."""
        keys = self.keys(entry)
        if any(key not in self._scores for key in keys):
            return None
        (score,) = self._mean_scores(self._split_scores([keys]), entry.rung).tolist()
        return float(score)

    def _split_scores(self, keys: Sequence[Collection[EvaluationKey]]) -> np.ndarray:
        """Return the scores by entry and split, NaN for the splits that a rung does not use."""
        scores = np.full((len(keys), len(self.split_order)), np.nan)
        for line, of_entry in zip(scores, keys, strict=True):
            for key in of_entry:
                line[key.split] = self._scores[key]
        return scores

    def _mean_scores(self, split_scores: np.ndarray, rung: Rung | Level) -> np.ndarray:
        used = sorted(self.splits_of(rung))
        with np.errstate(invalid="ignore"):  # Infinite scores of both signs.
            return np.ascontiguousarray(split_scores[:, used]).mean(axis=1)

    # -- levels

    def close_level(self, level: Level, entries: Sequence[RungEntry]) -> LevelResult:
        """Add the entries of a level to the results, and return what the level came to.

        An unfinished level is added with the splits that all its candidates finished. If there
        is no such split, nothing is added, and the level below decides. If it is the first level
        of the search, only the candidates that finished the first split are added.
        """
        keys = [self.keys(entry) for entry in entries]
        complete = all(key in self.outcomes for of_entry in keys for key in of_entry)
        for entry, of_entry in zip(entries, keys, strict=True):
            outcomes = [self.outcomes[key] for key in of_entry if key in self.outcomes]
            self._last_seconds[entry.candidate] = sum(o.seconds for o in outcomes)
            if self._unbooked:
                self._book(entry.rung, of_entry)
        counted = entries if complete else self._comparable(level, entries)
        self.entries += counted
        for rung in {entry.rung for entry in counted}:
            most = self.n_splits_done(rung.n_resources)
            self._most_splits[rung.n_resources] = max(most, rung.n_splits)
        return self._result(level, counted, complete)

    def _book(self, rung: Rung, keys: Iterable[EvaluationKey]) -> None:
        """Add the time of evaluations that were made before there were levels to a rung."""
        for key in self._unbooked.intersection(keys):
            self._unbooked.remove(key)
            self.seconds[rung.key] += self.outcomes[key].seconds

    def _comparable(self, level: Level, entries: Sequence[RungEntry]) -> list[RungEntry]:
        """Return the entries of an unfinished level with the splits that all of them have."""
        splits = self.splits_of(level)
        if not self.entries:
            started = [entry for entry in entries if self.is_measured(entry, splits[0])]
            entries = started if len(started) < len(entries) else entries
        finished = itertools.takewhile(
            lambda split: all(self.is_measured(entry, split) for entry in entries), splits
        )
        n_splits = len(list(finished)) if entries else 0
        known = {
            entry.rung.n_splits
            for entry in self.entries
            if (entry.rung.repeat, entry.rung.n_resources) == (level.repeat, level.n_resources)
        }
        if n_splits <= max(known, default=0):
            return []
        return [replace(entry, rung=replace(entry.rung, n_splits=n_splits)) for entry in entries]

    def _result(self, level: Level, entries: Sequence[RungEntry], complete: bool) -> LevelResult:
        if entries:
            level = replace(level, n_splits=entries[0].rung.n_splits)
        keys = [self.keys(entry) for entry in entries]
        split_scores = self._split_scores(keys)
        outcomes = [self.outcomes[key] for of_entry in keys for key in of_entry]
        return LevelResult(
            repeat=level.repeat,
            n_resources=level.n_resources,
            n_splits=level.n_splits,
            candidate_ids=tuple(entry.candidate for entry in entries),
            candidates=tuple(self.candidates[entry.candidate] for entry in entries),
            split_scores=split_scores,
            mean_scores=self._mean_scores(split_scores, level),
            n_failures=sum(outcome.failure is not None for outcome in outcomes),
            n_replayed=sum(outcome.replayed for outcome in outcomes),
            complete=complete,
        )
