"""Observers of a search: they are told what begins and ends, and may ask the search to stop."""

from collections.abc import Sequence
from dataclasses import dataclass

from skhyperband._messages import counted
from skhyperband._records import LevelResult, Outcome, RungEntry, StopReason
from skhyperband._schedule import Level


class Observer:
    """Base of all observers. Its methods are called by the search, and do nothing.

    Attributes
    ----------
    stop_requested : bool
        Whether the search is asked to end, as it ends when `max_time` is over.
    """

    stop_requested: bool = False

    def search_begin(self, n_levels: int | None) -> None:
        """Do what is due when a search begins; `n_levels` is None where it has no fixed end."""

    def level_begin(self, level: Level, entries: Sequence[RungEntry]) -> None:
        """Do what is due before the candidates of a level are evaluated."""

    def evaluation_begin(self, entry: RungEntry) -> None:
        """Do what is due when a worker is given an evaluation."""

    def evaluation_end(self, entry: RungEntry, outcome: Outcome) -> None:
        """Do what is due after an evaluation was recorded."""

    def level_end(self, level: Level, result: LevelResult, seconds: float) -> None:
        """Do what is due after a level, complete or not; `seconds` is its wall time."""

    def search_end(self, reason: StopReason) -> None:
        """Do what is due after the search has ended, whatever ended it."""


class Observers(Observer):
    """Tells several observers, in turn."""

    def __init__(self, observers: Sequence[Observer] = ()):
        self._observers = observers

    @property
    def stop_requested(self) -> bool:  # type: ignore[override]
        """Whether any of them asks the search to end."""
        return any(observer.stop_requested for observer in self._observers)

    def search_begin(self, n_levels: int | None) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.search_begin(n_levels)

    def level_begin(self, level: Level, entries: Sequence[RungEntry]) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.level_begin(level, entries)

    def evaluation_begin(self, entry: RungEntry) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.evaluation_begin(entry)

    def evaluation_end(self, entry: RungEntry, outcome: Outcome) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.evaluation_end(entry, outcome)

    def level_end(self, level: Level, result: LevelResult, seconds: float) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.level_end(level, result, seconds)

    def search_end(self, reason: StopReason) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.search_end(reason)


@dataclass
class LevelPrinter(Observer):
    """Prints a line for each level: what ``verbose=1`` asks for.

    Attributes
    ----------
    resource : str
        The name of the resource.
    """

    resource: str
    _n_levels: int | None = None
    _n_ended: int = 0

    def search_begin(self, n_levels: int | None) -> None:
        """Remember how many levels there will be."""
        self._n_levels = n_levels

    def level_end(self, level: Level, result: LevelResult, seconds: float) -> None:
        """Print the line of a complete level."""
        if not result.complete:
            return
        self._n_ended += 1
        failures = (
            f", {counted(result.n_failures, 'evaluation')} failed" if result.n_failures else ""
        )
        replayed = f", {result.n_replayed} from the journal" if result.n_replayed else ""
        of_how_many = "" if self._n_levels is None else f"/{self._n_levels}"
        print(
            f"level {self._n_ended}{of_how_many}: {counted(len(result.candidates), 'candidate')}, "
            f"{self.resource} {level.n_resources}, {counted(level.n_splits, 'split')}; "
            f"best score {result.best_score:.4f}{failures}{replayed}; {seconds:.1f} s",
            flush=True,
        )
