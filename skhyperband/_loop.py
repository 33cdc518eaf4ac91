"""Decides what happens between the rungs: levels in turn, who enters, who goes on.

It knows nothing of scikit-learn: what a task is worth comes from outside, and so
do the clock, the sampler and the executor.
"""

import bisect
import contextlib
import itertools
import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skhyperband._evaluation import Outcome, Task
from skhyperband._execution import Executor
from skhyperband._plan import (
    Bracket,
    Level,
    Plan,
    Rung,
    assign_places,
    group_by_level,
    rank_key,
    ranked,
)
from skhyperband._samplers import Candidate, Sampler, candidate_key
from skhyperband._states import StateStore


@dataclass(frozen=True)
class Row:
    """One candidate on one rung: a row of `cv_results_`."""

    rung: Rung
    candidate: int


@dataclass
class Measured:
    """All that a search has found out so far.

    Attributes
    ----------
    candidates : list of dict
        By number, in the order in which they entered.
    rows : list of Row
        In the order of the levels.
    outcomes : dict of (int, int, int) to Outcome
        By candidate, resource and split; see `key`.
    seconds : dict of (int, int, int) to float
        What the fits and scores made for a rung took, added up; by `Rung.key`, since a rung
        may turn out smaller, or with fewer splits, than it was planned.
    """

    candidates: list[Candidate] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    outcomes: dict[tuple[int, int, int], Outcome] = field(default_factory=dict)
    seconds: dict[tuple[int, int, int], float] = field(default_factory=lambda: defaultdict(float))
    _numbers: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _same_as: list[int] = field(default_factory=list)

    def add(self, candidates: Iterable[Candidate]) -> list[int]:
        """Give each candidate its number."""
        first = len(self.candidates)
        for number, candidate in enumerate(candidates, start=first):
            self.candidates.append(candidate)
            self._same_as.append(self._numbers.setdefault(candidate_key(candidate), number))
        return list(range(first, len(self.candidates)))

    def same_as(self, number: int) -> int:
        """Return the first candidate that is equal to this one."""
        return self._same_as[number]

    def key(self, row: Row, split: int) -> tuple[int, int, int]:
        """Return where an outcome is, or will be: equal candidates share it."""
        return self._same_as[row.candidate], row.rung.n_resources, split


@dataclass(frozen=True)
class LevelReport:
    """What a level came to, for those who watch."""

    number: int
    n_levels: int | None
    level: Level
    n_candidates: int
    n_failures: int
    n_replayed: int
    best_score: float
    seconds: float


@dataclass
class _Contest:
    """Who can still win one of so many places, as scores become known one by one."""

    n_places: int = 0
    _best: list[tuple[bool, float, int]] = field(default_factory=list)

    def enter(self, key: tuple[bool, float, int]) -> int | None:
        """Take part with a `rank_key`; return the candidate that has lost by that, if any."""
        bisect.insort(self._best, key)
        return self._best.pop()[2] if len(self._best) > self.n_places else None


class Loop:
    """Runs a plan: level after level, over all brackets at once.

    Parameters
    ----------
    plan : Plan
    promotion : {"bracket", "level"}
        Who competes: a bracket's candidates, or all that are at a level.
    sampler : Sampler
    initial_candidates : list of dict
        The first to enter.
    split_order : sequence of int
        A rung of k splits uses the first k.
    score : callable
        Gives the number by which an outcome is judged, NaN if it failed. What it
        raises ends the search.
    check_candidate : callable
        Raises for a candidate that the estimator cannot be given.
    states : StateStore
        Where what may train on is kept.
    repeats_forever : bool
        Whether the plan is run again and again, with new candidates.
    is_too_late : callable
        Whether no level is begun any more. An evaluation may be refused for the same
        reason; its outcome is None then.
    watch : callable
        Is given each level's report.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        promotion: str,
        sampler: Sampler,
        initial_candidates: Sequence[Candidate],
        split_order: Sequence[int],
        score: Callable[[Outcome], float],
        states: StateStore,
        repeats_forever: bool = False,
        is_too_late: Callable[[], bool] = lambda: False,
        check_candidate: Callable[[Candidate], None] = lambda candidate: None,
        watch: Callable[[LevelReport], None] = lambda report: None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.measured = Measured()
        self.failed_rungs: list[Rung] = []
        self.finished = False
        self._plan = plan
        self._promotion = promotion
        self._sampler = sampler
        self._initial = list(initial_candidates)
        self._split_order = split_order
        self._score = score
        self._states = states
        self._repeats_forever = repeats_forever
        self._is_too_late = is_too_late
        self._check_candidate = check_candidate
        self._watch = watch
        self._clock = clock
        self._ran_dry = False
        self._brackets = {(b.repeat, b.s): b for b in plan.brackets}
        self._promoted: dict[tuple[int, int], list[int]] = {}
        self._scores: dict[tuple[int, int, int], float] = {}
        self._last_seconds: dict[int, float] = {}

    @property
    def executed_plan(self) -> Plan:
        """The plan as it was run: brackets as large, and as long, as they turned out to be."""
        brackets: dict[tuple[int, int], list[Rung]] = defaultdict(list)
        for rung, n_rows in Counter(row.rung for row in self.measured.rows).items():
            brackets[rung.repeat, rung.bracket].append(replace(rung, n_candidates=n_rows))
        ordered = sorted(brackets.items(), key=lambda item: (item[0][0], -item[0][1]))
        return replace(
            self._plan,
            brackets=tuple(Bracket(*key, tuple(rungs)) for key, rungs in ordered),
            space_exhausted=self._plan.space_exhausted or self._ran_dry,
        )

    def run(self, executor: Executor) -> Measured:
        """Run all levels; stop where it is too late, with what was measured till then."""
        n_levels = None if self._repeats_forever else len(self._plan.levels)
        for number, level in enumerate(self._levels(), start=1):
            if self._is_too_late():
                return self.measured
            start = self._clock()
            rows = [row for rung in level.rungs for row in self._rows(rung)]
            if not rows:
                continue
            if not self._evaluate_whole(rows, level, executor):
                return self.measured
            self.measured.rows += rows
            scores = self._mean_scores(rows, level)
            self._tell(rows, scores)
            self._promote(rows, scores)
            seconds = self._clock() - start
            self._watch(self._report(number, n_levels, level, rows, scores, seconds))
        self.finished = True
        if not self.measured.rows:
            raise ValueError(
                f"sampler={self._sampler!r} returned no candidates at all; ask(n) must return "
                "some the first time."
            )
        return self.measured

    def _levels(self) -> Iterator[Level]:
        """Yield the plan's levels; for ever, those of further rounds, while any come to them."""
        yield from self._plan.levels
        for repeat in itertools.count(1) if self._repeats_forever else ():
            n_known = len(self.measured.candidates)
            brackets = [bracket.in_repeat(repeat) for bracket in self._plan.brackets]
            self._brackets.update({(b.repeat, b.s): b for b in brackets})
            yield from group_by_level(brackets)
            if len(self.measured.candidates) == n_known:
                return

    # -- who is at a level

    def _rows(self, rung: Rung) -> Iterator[Row]:
        """Yield the rung's candidates: the bracket's entrants, or the promoted."""
        bracket = rung.repeat, rung.bracket
        if bracket not in self._brackets:
            return
        if rung.iter == 0:
            numbers = self._enter(self._brackets[bracket])
        else:
            numbers = self._promoted.pop(bracket, [])
        if numbers:
            rung = self._brackets[bracket].rungs[rung.iter]
            yield from (Row(rung, number) for number in numbers)

    def _enter(self, bracket: Bracket) -> list[int]:
        """Draw the bracket's candidates; where they run out, it shrinks."""
        n_wanted = bracket.n_candidates
        candidates, self._initial = self._initial, []
        # Even for none: what a later bracket draws must not depend on this one.
        candidates = candidates + self._ask(n_wanted - len(candidates))
        if len(candidates) < n_wanted:
            self._ran_dry = True
            key = bracket.repeat, bracket.s
            if candidates:
                self._brackets[key] = bracket.resized(len(candidates), self._plan.factor)
            else:
                del self._brackets[key]
        return self.measured.add(candidates)

    def _ask(self, n: int) -> list[Candidate]:
        candidates = self._sampler.ask(n)
        if not isinstance(candidates, (list, tuple)):
            raise TypeError(
                f"sampler={self._sampler!r}: ask({n}) returned {candidates!r}; return a "
                "list of candidates, an empty one where there are no more."
            )
        if len(candidates) > n:
            raise ValueError(
                f"sampler={self._sampler!r}: ask({n}) returned {len(candidates)} "
                f"candidates; return at most {n}."
            )
        for candidate in candidates:
            self._check_candidate(candidate)
        return list(candidates)

    # -- what they are worth

    def _evaluate_whole(self, rows: Sequence[Row], level: Level, executor: Executor) -> bool:
        """Measure a level; where it stays unfinished, it counts as far as it can."""
        whole = False
        try:
            self._evaluate(rows, level, executor)
            whole = all(
                self._is_measured(row, split)
                for row in rows
                for split in self._split_order[: level.n_splits]
            )
        finally:  # Whatever ended it.
            if not whole:
                self.measured.rows += self._comparable(rows, level)
        return whole

    def _is_measured(self, row: Row, split: int) -> bool:
        return self.measured.key(row, split) in self.measured.outcomes

    def _comparable(self, rows: Sequence[Row], level: Level) -> list[Row]:
        """Return the rows of an unfinished level, on the splits that all of them have.

        Where there are none, the level below decides; where there is none below, those
        that have the first split.
        """
        splits = self._split_order[: level.n_splits]
        if not self.measured.rows:
            first = [row for row in rows if self._is_measured(row, splits[0])]
            rows = first if len(first) < len(rows) else rows
        common = itertools.takewhile(
            lambda split: all(self._is_measured(row, split) for row in rows), splits
        )
        n_splits = len(list(common)) if rows else 0
        known = {
            row.rung.n_splits
            for row in self.measured.rows
            if (row.rung.repeat, row.rung.n_resources) == (level.repeat, level.n_resources)
        }
        if n_splits <= max(known, default=0):
            return []
        return [replace(row, rung=replace(row.rung, n_splits=n_splits)) for row in rows]

    def _evaluate(self, rows: Sequence[Row], level: Level, executor: Executor) -> None:
        """Measure what is not known yet: split by split, the slowest candidates first."""
        pending = self._pending(self._slowest_first(rows), level)
        keys = list(pending)
        tasks = [task for _, task in pending.values()]
        contests = self._contests(level)
        with contextlib.closing(executor.run(tasks)) as outcomes:
            for position, outcome in outcomes:
                if outcome is None:
                    continue
                row, _ = pending[keys[position]]
                self._take(keys[position], row.rung, outcome)
                if self._states:
                    self._drop_loser(row, level, contests)
        for row in rows:
            outcomes_of_row = map(self.measured.outcomes.get, self._keys(row, level))
            measured = [outcome for outcome in outcomes_of_row if outcome is not None]
            self._last_seconds[row.candidate] = sum(o.fit_time + o.score_time for o in measured)

    def _pending(
        self, rows: Sequence[Row], level: Level
    ) -> dict[tuple[int, int, int], tuple[Row, Task]]:
        """Return the tasks of the level, by the keys of their outcomes."""
        keeps_state = any(self._n_places(rung) for rung in level.rungs)
        pending: dict[tuple[int, int, int], tuple[Row, Task]] = {}
        for split in self._split_order[: level.n_splits]:
            for row in rows:
                key = self.measured.key(row, split)
                if key not in self.measured.outcomes and key not in pending:
                    candidate = self.measured.candidates[row.candidate]
                    state = self._states.lend((key[0], split))
                    task = Task(candidate, row.rung.n_resources, split, state, keeps_state)
                    pending[key] = row, task
        return pending

    def _keys(self, row: Row, level: Level) -> list[tuple[int, int, int]]:
        """Return the keys of a row's outcomes, in the order of the splits."""
        splits = sorted(self._split_order[: level.n_splits])
        return [self.measured.key(row, split) for split in splits]

    def _slowest_first(self, rows: Sequence[Row]) -> list[Row]:
        """Sort by the time on the level below; entrants stand in the middle."""
        seconds = [self._last_seconds.get(row.candidate) for row in rows]
        known = [s for s in seconds if s is not None]
        middle = statistics.median(known) if known else 0.0
        expected = [middle if s is None else s for s in seconds]
        order = sorted(range(len(rows)), key=lambda i: -expected[i])
        return [rows[i] for i in order]

    def _take(self, key: tuple[int, int, int], rung: Rung, outcome: Outcome) -> None:
        self._scores[key] = self._score(outcome)
        self.measured.seconds[rung.key] += outcome.fit_time + outcome.score_time
        candidate, _, split = key
        self._states.drop([(candidate, split)])
        if outcome.state is not None:
            self._states.keep((candidate, split), outcome.state)
            outcome = replace(outcome, state=None)
        self.measured.outcomes[key] = outcome

    def _contests(self, level: Level) -> dict[int, "_Contest"]:
        contests: dict[int, _Contest] = {}
        for rung in level.rungs:
            contests.setdefault(self._competition(rung), _Contest()).n_places += self._n_places(
                rung
            )
        return contests

    def _drop_loser(self, row: Row, level: Level, contests: dict[int, "_Contest"]) -> None:
        """Forget who can win no place any more, now that this row's scores may be complete.

        An equal candidate of another bracket may still win one; it is fitted fresh then.
        """
        if all(key in self._scores for key in self._keys(row, level)):
            (score,) = self._mean_scores([row], level)
            contest = contests[self._competition(row.rung)]
            loser = contest.enter(rank_key(score, row.candidate))
            if loser is not None:
                candidate = self.measured.same_as(loser)
                self._states.drop((candidate, split) for split in self._split_order)

    def _mean_scores(self, rows: Sequence[Row], level: Level) -> list[float]:
        scores = [[self._scores[key] for key in self._keys(row, level)] for row in rows]
        with np.errstate(invalid="ignore"):  # Infinite scores of both signs.
            return np.mean(scores, axis=1).tolist()

    def _tell(self, rows: Sequence[Row], scores: list[float]) -> None:
        candidates = [self.measured.candidates[row.candidate] for row in rows]
        self._sampler.tell(candidates, list(scores), rows[0].rung.n_resources)

    # -- who goes on

    def _promote(self, rows: Sequence[Row], scores: Sequence[float]) -> None:
        """Give the places of the next rungs to the best, in their bracket or of all."""
        competitions: dict[int, list[int]] = defaultdict(list)
        for position, row in enumerate(rows):
            competitions[self._competition(row.rung)].append(position)
        for positions in competitions.values():
            positions.sort(key=lambda i: rows[i].candidate)  # Of equal scores the earlier.
            self._compete([rows[i] for i in positions], [scores[i] for i in positions])
        going_on = {n for numbers in self._promoted.values() for n in numbers}
        kept = {self.measured.same_as(number) for number in going_on}
        self._states.drop_all_but(
            (candidate, split) for candidate in kept for split in self._split_order
        )

    def _competition(self, rung: Rung) -> int:
        """Return which of a level's competitions the rung's candidates are in."""
        return rung.bracket if self._promotion == "bracket" else 0

    def _compete(self, rows: Sequence[Row], scores: Sequence[float]) -> None:
        rungs = {row.rung for row in rows}
        if all(map(math.isnan, scores)):
            self.failed_rungs += sorted(rungs, key=lambda rung: -rung.bracket)
            return
        places = {rung.bracket: n for rung in rungs if (n := self._n_places(rung))}
        best = [rows[i] for i in ranked(scores)[: sum(places.values())]]
        assigned = assign_places([row.rung.bracket for row in best], places)
        for row, bracket in sorted(
            zip(best, assigned, strict=True), key=lambda pair: pair[0].candidate
        ):
            self._promoted.setdefault((row.rung.repeat, bracket), []).append(row.candidate)

    def _n_places(self, rung: Rung) -> int:
        """Return how many the bracket's next rung takes; 0 after the last."""
        bracket = self._brackets.get((rung.repeat, rung.bracket))
        if bracket is None or rung.iter + 1 >= len(bracket.rungs):
            return 0
        return bracket.rungs[rung.iter + 1].n_candidates

    def _report(
        self,
        number: int,
        n_levels: int | None,
        level: Level,
        rows: Sequence[Row],
        scores: Sequence[float],
        seconds: float,
    ) -> LevelReport:
        outcomes = [self.measured.outcomes[k] for row in rows for k in self._keys(row, level)]
        return LevelReport(
            *(number, n_levels, level, len(rows)),
            n_failures=sum(outcome.failure is not None for outcome in outcomes),
            n_replayed=sum(outcome.replayed for outcome in outcomes),
            best_score=scores[ranked(scores)[0]],
            seconds=seconds,
        )
