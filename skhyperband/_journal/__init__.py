"""The journal: every finished evaluation in a SQLite file, and searches that resume from it."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._evaluator import Evaluator
from skhyperband._executors.base import Executor
from skhyperband._journal.database import LARGEST_INTEGER, Journal
from skhyperband._journal.digest import digest
from skhyperband._journal.keys import EvaluationKeys, SharedContent, identity
from skhyperband._journal.knowledge import known_levels
from skhyperband._journal.reading import read_journal
from skhyperband._journal.replay import ReplayingExecutor, entry_suffices
from skhyperband._records import LevelResult, Outcome
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

    def known_levels(
        self,
        evaluator: Evaluator,
        *,
        space: Space,
        n_splits: int,
        score: Callable[[Outcome], float],
        initial_candidates: Sequence[Candidate],
        depends_on: Sequence[object],
    ) -> list[LevelResult]:
        """Return what was in the journal when this search first began.

        `depends_on` is all that its choices depend on besides the other arguments, the estimator
        and the scoring: values whose repr is the same in any process.
        """
        splits = [(np.asarray(split.train), np.asarray(split.test)) for split in evaluator.splits]
        described = [_describe_space(space), list(initial_candidates), *map(repr, depends_on)]
        digest_of_search = digest(
            [self.shared.estimator, splits, *self.shared.digests(set()), *described], "the search"
        )
        return known_levels(
            self.journal.entries_before(digest_of_search.hex()),
            space=space,
            n_splits=n_splits,
            key_of=EvaluationKeys(evaluator, self.shared),
            # A sampler is told test scores only, also if the search replaces these entries.
            suffices=entry_suffices(evaluator, needs_train_scores=False),
            score=score,
        )


def _describe_space(space: Space) -> str:
    """Return a text that is the same for the same space, in any process."""
    return repr(
        [{name: _describe_values(values) for name, values in sorted(p.items())} for p in space]
    )


def _describe_values(values: Any) -> object:
    if isinstance(values, range):
        return values
    if not hasattr(values, "rvs"):
        return digest(list(values), "param_distributions").hex()
    dist = getattr(values, "dist", values)
    arguments = getattr(values, "args", ()), getattr(values, "kwds", {})
    return type(dist).__name__, getattr(dist, "name", None), arguments, _quantiles(values)


def _quantiles(distribution: Any) -> list[float] | None:
    """Return some quantiles of a distribution; None if it has none, or they are no numbers."""
    try:
        return [float(distribution.ppf(quantile)) for quantile in (0.1, 0.5, 0.9)]
    except Exception:  # Of a distribution of the user's own.
        return None


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
