"""The brackets of a search while it runs: which candidates enter and which are promoted."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skhyperband._history import SearchHistory
from skhyperband._plan import Plan
from skhyperband._records import LevelResult, RungEntry, StopReason
from skhyperband._rounds import Rounds, UntimedRounds
from skhyperband._samplers.base import Sampler
from skhyperband._schedule import (
    Bracket,
    BracketKey,
    Level,
    Rung,
    assign_places,
    group_by_level,
    ranked,
    survivors,
)
from skhyperband._space import Candidate

Promotion = Literal["bracket", "level"]

# A sampler that draws from few values repeats itself, although its space has no end. It is taken to
# have drawn all of them when so many draws for each known candidate gave no other one. If all
# are equally likely, the last one is missed once in 20,000 times.
_DRAWS_FOR_EACH_KNOWN = 10


@dataclass(frozen=True)
class BracketRules:
    """How the brackets of a search are run.

    Attributes
    ----------
    promotion : {"bracket", "level"}
        Whether the candidates of each bracket compete among themselves, or all that are at
        a level.
    repeats_forever : bool
        Whether the plan is run again and again, with new candidates.
    """

    promotion: Promotion = "bracket"
    repeats_forever: bool = False


@dataclass(frozen=True)
class Pool:
    """Candidates that compete with each other for the places on the next rungs.

    Attributes
    ----------
    entries : tuple of RungEntry
        In the order of the candidates' numbers.
    places : mapping of int to int
        How many the next rung of each bracket takes.
    next_rung : Rung or None
        One of these rungs, if all of them have the same resource and number of splits.
    """

    entries: tuple[RungEntry, ...]
    places: Mapping[int, int]
    next_rung: Rung | None

    @property
    def n_places(self) -> int:
        """How many candidates are promoted."""
        return sum(self.places.values())


class RunningBrackets:
    """The brackets of a plan, as they are filled with candidates.

    Parameters
    ----------
    plan : Plan
    rules : BracketRules
    initial_candidates : sequence of dict
        The first candidates to enter.
    rounds : Rounds, optional
        The rounds that are run, by default those of the plan.

    Attributes
    ----------
    failed_rungs : list of Rung
        Those in which every candidate failed, so that none was promoted.
    n_levels : int or None
        Number of levels in all rounds; None if it is not known.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        rules: BracketRules,
        initial_candidates: Sequence[Candidate] = (),
        rounds: Rounds | None = None,
    ):
        self.failed_rungs: list[Rung] = []
        self._rounds = rounds or UntimedRounds(plan, repeats_forever=rules.repeats_forever)
        self.n_levels = self._rounds.n_levels
        self._factor = plan.factor
        self._rules = rules
        self._initial_candidates = list(initial_candidates)
        self._brackets: dict[BracketKey, Bracket] = {}
        self._promoted: dict[BracketKey, list[int]] = defaultdict(list)
        self._n_entered = 0
        self._n_without_new = 0
        self._sampler_repeats_itself = False
        self._n_available = math.inf
        if plan.space_exhausted:
            self._n_available = sum(bracket.n_candidates for bracket in plan.brackets)
        self._sampler_ran_out = False

    def levels(self) -> Iterator[Level]:
        """Yield the levels of each round, while new candidates come."""
        for brackets in self._rounds:
            n_entered = self._n_entered
            self._brackets = {bracket.key: bracket for bracket in brackets}
            yield from group_by_level(brackets)
            if self._n_entered == n_entered:
                return
            if self._rules.repeats_forever and self._sampler_repeats_itself:
                self._sampler_ran_out = True
                return

    @property
    def space_exhausted(self) -> bool:
        """Whether the space had fewer candidates than the brackets take, and all have entered."""
        return self._sampler_ran_out or self._n_entered >= self._n_available

    @property
    def end_reason(self) -> StopReason:
        """The reason why there are no more levels."""
        if self._rounds.time_is_over:
            return "max_time"
        return "space_exhausted" if self.space_exhausted else "completed"

    def latest_start(self, level: Level) -> float:
        """Return the time from which on no evaluation of a level is begun."""
        return self._rounds.latest_start(list(self._brackets.values()), level)

    def goes_on_after(self, result: LevelResult) -> bool:
        """Return whether the search goes on although a level is incomplete.

        The level was then ended early, to leave time for the levels above.
        """
        return bool(result.candidates) and self._rounds.goes_on_after_cut()

    # -- entering

    def enter(self, level: Level, sampler: Sampler, history: SearchHistory) -> list[RungEntry]:
        """Return the entries of a level: promoted candidates, and new ones drawn from the sampler."""
        entries = []
        for planned in level.rungs:
            bracket = self._brackets.get(planned.bracket_key)
            if bracket is None or not bracket.rungs[planned.iter].n_candidates:
                continue
            if planned.iter == 0:
                candidates = self._draw(bracket, sampler)
                n_distinct = history.n_distinct
                numbers = history.add_candidates(candidates)
                self._note_repetitions(len(numbers), n_distinct, history.n_distinct)
                self._resize(bracket, len(numbers))
                numbers += self._rounds.enter_measured()
            else:
                numbers = self._promoted.pop(bracket.key, [])
            if numbers:
                rung = self._brackets[bracket.key].rungs[planned.iter]
                entries += [RungEntry(rung, number) for number in numbers]
        return entries

    def _draw(self, bracket: Bracket, sampler: Sampler) -> list[Candidate]:
        n_initial = min(len(self._initial_candidates), bracket.n_candidates)
        initial = self._initial_candidates[:n_initial]
        self._initial_candidates = self._initial_candidates[n_initial:]
        # Ask even for none: what a later bracket draws must not depend on this one.
        drawn = sampler.ask(
            bracket.n_candidates - len(initial), repeat=bracket.repeat, bracket=bracket.s
        )
        candidates = initial + drawn
        self._n_entered += len(candidates)
        if not self._n_entered:
            raise ValueError(
                f"sampler={sampler!r} returned no candidates at all; ask must return some "
                "the first time."
            )
        return candidates

    def _note_repetitions(self, n_drawn: int, n_before: int, n_distinct: int) -> None:
        """Count the candidates that were drawn since the last new one; decide whether there are more.

        Before they were drawn there were `n_before` different ones, and now there are `n_distinct`.
        """
        self._n_without_new = 0 if n_distinct > n_before else self._n_without_new + n_drawn
        most = _DRAWS_FOR_EACH_KNOWN * (n_distinct + 1)
        self._sampler_repeats_itself = self._n_without_new > most

    def _resize(self, bracket: Bracket, n_candidates: int) -> None:
        """Make a bracket smaller that fewer candidates entered than were planned."""
        if n_candidates == bracket.n_candidates:
            return
        self._sampler_ran_out = True
        if n_candidates:
            self._brackets[bracket.key] = bracket.with_sizes(
                lambda rung: min(
                    rung.n_candidates, survivors(n_candidates, self._factor, rung.n_halvings)
                )
            )
        else:
            del self._brackets[bracket.key]

    # -- promotion

    def pools(self, entries: Sequence[RungEntry]) -> list[Pool]:
        """Return the pools of a level: one for each bracket, or a single one."""
        members: dict[int, list[RungEntry]] = defaultdict(list)
        for entry in entries:
            pool = entry.rung.bracket if self._rules.promotion == "bracket" else 0
            members[pool].append(entry)
        return [self._pool(of_one) for of_one in members.values()]

    def _pool(self, entries: list[RungEntry]) -> Pool:
        next_rungs = [
            rung
            for entry_rung in {entry.rung for entry in entries}
            if (rung := self.next_rung(entry_rung))
        ]
        sizes = {rung.size for rung in next_rungs}
        return Pool(
            # Of equal scores the earlier candidate goes on, whatever its bracket.
            entries=tuple(sorted(entries, key=lambda entry: entry.candidate)),
            places={rung.bracket: rung.n_candidates for rung in next_rungs},
            next_rung=next_rungs[0] if len(sizes) == 1 else None,
        )

    def next_rung(self, rung: Rung) -> Rung | None:
        """Return the rung to which the candidates of a rung are promoted; None after the last."""
        return next(iter(self._later_rungs(rung)), None)

    def trains_further(self, rung: Rung) -> bool:
        """Return whether candidates of a rung may be trained with more of the resource later."""
        return any(later.n_resources > rung.n_resources for later in self._later_rungs(rung))

    def _later_rungs(self, rung: Rung) -> list[Rung]:
        """Return the rungs of the same bracket that follow and have candidates."""
        bracket = self._brackets.get(rung.bracket_key)
        later = () if bracket is None else bracket.rungs[rung.iter + 1 :]
        return [r for r in later if r.n_candidates]

    def promote(self, entries: Sequence[RungEntry], result: LevelResult) -> None:
        """Give the places on the next rungs to the best of each pool.

        Only candidates that count in the result of the level compete. There are fewer places
        than planned if the time that is left does not suffice for all.
        """
        counted = set(result.candidate_ids)
        entries = [entry for entry in entries if entry.candidate in counted]
        rungs = tuple({entry.rung: None for entry in entries})
        level = Level(result.repeat, result.n_resources, rungs[0].n_splits, rungs=rungs)
        for bracket in self._rounds.narrowed(list(self._brackets.values()), level):
            self._brackets[bracket.key] = bracket
        scores = dict(zip(result.candidate_ids, result.mean_scores.tolist(), strict=True))
        for pool in self.pools(entries):
            self._promote_best(pool, [scores[entry.candidate] for entry in pool.entries])

    def _promote_best(self, pool: Pool, scores: Sequence[float]) -> None:
        if all(map(math.isnan, scores)):
            rungs = {entry.rung for entry in pool.entries}
            self.failed_rungs += sorted(rungs, key=lambda rung: -rung.bracket)
            return
        best = [pool.entries[i] for i in ranked(scores)[: pool.n_places]]
        brackets = assign_places([entry.rung.bracket for entry in best], pool.places)
        for entry, bracket in sorted(
            zip(best, brackets, strict=True), key=lambda pair: pair[0].candidate
        ):
            self._promoted[BracketKey(entry.rung.repeat, bracket)].append(entry.candidate)

    @property
    def promoted(self) -> set[int]:
        """The candidates that wait for their next rung."""
        return {number for numbers in self._promoted.values() for number in numbers}
