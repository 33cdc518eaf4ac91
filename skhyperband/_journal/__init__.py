"""The journal: every finished evaluation in a SQLite file, and searches that resume from it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skhyperband._evaluator import Evaluator
from skhyperband._executors.base import Executor
from skhyperband._journal.database import LARGEST_INTEGER, Journal
from skhyperband._journal.keys import EvaluationKeys, SharedContent, identity
from skhyperband._journal.reading import read_journal
from skhyperband._journal.replay import ReplayingExecutor, entry_suffices
from skhyperband._space import Candidate, Space

__all__ = ["JournalSession", "SharedContent", "open_journal", "read_journal"]


@dataclass(frozen=True)
class JournalSession:
    """A journal that a search has opened, and what the keys of its evaluations depend on."""

    journal: Journal
    shared: SharedContent

    def remember_seed(self, seed: int) -> int:
        """Return the seed that the journal has; store this one if it has none."""
        return self.journal.remember_seed(seed)

    def replaying(
        self, executor: Executor, evaluator: Evaluator, is_too_late: Callable[[], bool]
    ) -> ReplayingExecutor:
        """Return an executor that runs only the evaluations that are not in the journal."""
        return ReplayingExecutor(
            executor,
            self.journal,
            EvaluationKeys(evaluator, self.shared),
            entry_suffices(evaluator),
            is_too_late,
        )


@contextlib.contextmanager
def open_journal(
    path: str | os.PathLike[str],
    shared: SharedContent,
    *,
    X: Any,
    y: Any,
    space: Space,
    initial_candidates: Sequence[Candidate],
    max_resources: int,
) -> Iterator[JournalSession]:
    """Open a journal for a search; raise if the file, or what is searched, cannot be used."""
    if max_resources > LARGEST_INTEGER:
        raise ValueError(
            f"max_resources={max_resources} exceeds {LARGEST_INTEGER}, the largest "
            "number that a journal can keep; lower it, or leave journal out."
        )
    shared.check(space, initial_candidates)
    with Journal(os.fspath(path), identity(shared.estimator, X, y)) as journal:
        yield JournalSession(journal, shared)
