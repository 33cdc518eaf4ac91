"""Observers of a search: they are told what begins and ends, and may ask the search to stop."""

from collections.abc import Sequence

from skhyperband._records import LevelResult, Outcome, RungEntry, StopReason, Task
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

    def level_begin(self, level: Level, entries: Sequence[RungEntry], n_evaluations: int) -> None:
        """Do what is due before the candidates of a level are evaluated.

        There may be fewer evaluations than candidates and splits: what is known already is not
        evaluated again.
        """

    def evaluation_begin(self, entry: RungEntry, task: Task) -> None:
        """Do what is due when a worker is given an evaluation."""

    def evaluation_end(self, entry: RungEntry, task: Task, outcome: Outcome) -> None:
        """Do what is due after an evaluation was recorded."""

    def level_end(self, level: Level, result: LevelResult, seconds: float) -> None:
        """Do what is due after a level, complete or not; `seconds` is its wall time.

        It is not called where an exception ends the level.
        """

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

    def level_begin(self, level: Level, entries: Sequence[RungEntry], n_evaluations: int) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.level_begin(level, entries, n_evaluations)

    def evaluation_begin(self, entry: RungEntry, task: Task) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.evaluation_begin(entry, task)

    def evaluation_end(self, entry: RungEntry, task: Task, outcome: Outcome) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.evaluation_end(entry, task, outcome)

    def level_end(self, level: Level, result: LevelResult, seconds: float) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.level_end(level, result, seconds)

    def search_end(self, reason: StopReason) -> None:
        """Tell every observer."""
        for observer in self._observers:
            observer.search_end(reason)
