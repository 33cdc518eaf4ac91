"""Decides which candidates of a level win and lose, as scores become known one by one."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from skhyperband._brackets import Pool
from skhyperband._history import SearchHistory
from skhyperband._records import RungEntry
from skhyperband._schedule import rank_key


class Decision(NamedTuple):
    """What is certain since another score is known, whatever the other scores will be.

    Attributes
    ----------
    winner : int or None
        The candidate that has a place now.
    loser : int or None
        The candidate that cannot have a place any more.
    """

    winner: int | None
    loser: int | None


@dataclass
class TopK:
    """The best of a pool, as far as their scores are known.

    Attributes
    ----------
    k : int
        How many places there are.
    n_open : int
        How many candidates have no score yet.
    """

    k: int
    n_open: int
    _best: list[tuple[bool, float, int]] = field(default_factory=list)

    def add(self, score: float, candidate: int) -> Decision:
        """Add a candidate; return what is certain now that was not before.

        With each score there is one candidate less that may still come before the others, so that
        one more of those with the best scores is certain of its place.
        """
        key = rank_key(score, candidate)
        rank = bisect.bisect(self._best, key)
        self._best.insert(rank, key)
        self.n_open -= 1
        loser = self._best.pop()[2] if len(self._best) > self.k else None
        last_certain = self.k - self.n_open - 1
        winner = self._best[min(rank, last_certain)][2] if last_certain >= 0 else None
        return Decision(winner, loser)


class Standings:
    """How the candidates of a level stand among each other, while it is evaluated.

    Parameters
    ----------
    history : SearchHistory
    pools : sequence of Pool
    """

    def __init__(self, history: SearchHistory, pools: Sequence[Pool] = ()):
        self._history = history
        self._pools = {
            entry.candidate: (pool, top)
            for pool in pools
            for top in [TopK(pool.n_places, n_open=len(pool.entries))]
            for entry in pool.entries
        }
        self._noted: dict[int, RungEntry] = {}

    def note(self, entry: RungEntry) -> None:
        """Note that an evaluation of an entry was recorded."""
        self._noted[entry.candidate] = entry

    def judge(self) -> tuple[list[RungEntry], list[int]]:
        """Return the next entries of candidates that have won, and the candidates that have lost.

        It is what has become certain since the last call. Equal candidates share their
        evaluations, and only one of them is judged.
        """
        promoted, losers = [], []
        for entry in self._noted.values():
            score = self._history.mean_score(entry)
            if score is None:
                continue
            pool, top = self._pools[entry.candidate]
            winner, loser = top.add(score, entry.candidate)
            if loser is not None:
                losers.append(loser)
            if winner is not None and pool.next_rung and self._succeeded(winner, entry):
                promoted.append(RungEntry(pool.next_rung, winner))
        self._noted.clear()
        return promoted, losers

    def _succeeded(self, candidate: int, other: RungEntry) -> bool:
        """Return whether no evaluation of a candidate failed on the level of another entry.

        Where all fail, nobody is promoted.
        """
        entry = RungEntry(other.rung, candidate)
        score = self._history.mean_score(entry)
        outcomes = (self._history.outcomes[key] for key in self._history.keys(entry))
        return (
            score is not None
            and not math.isnan(score)
            and all(outcome.failure is None for outcome in outcomes)
        )
