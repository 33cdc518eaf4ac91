"""Decides which warnings of the fits reach the user: each kind once, from any worker."""

import contextlib
import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skhyperband._messages import shortened, str_of

Filter = tuple[Any, ...]


@dataclass(frozen=True)
class Source:
    """Where a warning came from: two from one place are of one kind, whatever they say."""

    category: type[Warning]
    path: str
    line: int


# The first text of each kind that a fit or a scorer warned of.
Caught = dict[Source, str]


# scikit-learn's word of caution for a warm start with other data than before; a search
# trains on with the same.
_NEEDLESS: Filter = ("ignore", re.compile("class_weight presets"), UserWarning, None, 0)


def every_time(filters: Sequence[Filter]) -> list[Filter]:
    """Return the filters with what they show once shown every time.

    Otherwise a low rung's warning would hide the top rung's, and which of two
    equal ones is shown would depend on the worker.
    """
    once = {"default", "module", "once"}
    shown = [("always" if f[0] in once else f[0], *f[1:]) for f in filters]
    return [_NEEDLESS, *shown, ("always", None, Warning, None, 0)]


# loky restarts a worker that has grown, as it does by X and what is cut from it.
_RESTARTED: Filter = ("ignore", re.compile("A worker stopped while"), UserWarning, None, 0)


class _Hook:
    """Sends each thread's warnings to a list of its own.

    `warnings.catch_warnings` swaps state of the whole process, so that threads
    that use it undo each other's work; here the first one in swaps, and the last
    one out restores. While a search holds the hook, its threads swap nothing, so
    that one that is still busy when the search ends leaves nothing behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._n_inside = 0
        self._n_holding = 0
        self._passed_on: set[Source] = set()

    @contextmanager
    def __call__(self, filters: Sequence[Filter]) -> Iterator[Caught]:
        """Catch what this thread warns of."""
        caught: Caught = {}
        outer = getattr(self._local, "caught", None)
        with contextlib.nullcontext() if self._n_holding else self._swapped(filters):
            self._local.caught = caught
            try:
                yield caught
            finally:
                self._local.caught = outer

    @contextmanager
    def held(self, filters: Sequence[Filter]) -> Iterator[None]:
        """Keep the hook in place: what no thread catches is shown once from each place."""
        with self._swapped([_RESTARTED, *filters]):
            self._n_holding += 1
            try:
                yield
            finally:
                self._n_holding -= 1

    @contextmanager
    def _swapped(self, filters: Sequence[Filter]) -> Iterator[None]:
        with self._lock:
            self._n_inside += 1
            if self._n_inside == 1:
                self._passed_on.clear()
                self._restore = warnings.catch_warnings()
                self._restore.__enter__()
                warnings.filters[:] = filters  # type: ignore[index]
                self._shown_by = warnings.showwarning
                warnings.showwarning = self._show
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if self._n_inside == 0:
                    self._restore.__exit__(None, None, None)

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        source = Source(category, filename, lineno)
        caught = getattr(self._local, "caught", None)
        if caught is not None:
            caught.setdefault(source, shortened(str(message)))
        elif source not in self._passed_on:
            self._passed_on.add(source)
            self._shown_by(message, category, filename, lineno, *args, **kwargs)


catching = _Hook()


def warn_once(caught: Iterable[Caught]) -> None:
    """Warn of each kind once, with the first text and the number of evaluations."""
    counts: dict[Source, int] = {}
    texts: Caught = {}
    for of_one in caught:
        for source, text in of_one.items():
            counts[source] = counts.get(source, 0) + 1
            texts.setdefault(source, text)
    for source, text in texts.items():
        many = f" ({counts[source]} evaluations warned so)" if counts[source] > 1 else ""
        # A registry of its own: an earlier search's warning must not hide this one.
        warnings.warn_explicit(text + many, source.category, source.path, source.line, registry={})


def describe_failures(
    failures: Sequence[tuple[dict[str, Any], str]], n_evaluations: int, error_score: float
) -> str:
    """Return what failed, how often and why: the first of each kind in full.

    Parameters
    ----------
    failures : sequence of (dict, str)
        The parameters, and the traceback.
    n_evaluations : int
        How many there were, failed or not.
    error_score : float
        What stands for their scores.
    """
    kinds: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for params, text in failures:
        kinds.setdefault(_kind(text), []).append((params, text))
    lines = [
        f"{len(failures)} of {n_evaluations} evaluations failed; their scores are set to "
        f"{error_score}. error_score='raise' stops at the first."
    ]
    for members in kinds.values():
        params, text = members[0]
        named = ", ".join(f"{name}={str_of(value)}" for name, value in params.items())
        lines.append(
            f"{len(members)} times, first with {named or 'no parameters'}:\n{text.strip()}"
        )
    return "\n\n".join(lines)


def _kind(text: str) -> str:
    """Return the traceback without the message, which may differ each time."""
    frames, _, error = text.strip().rpartition("\n")
    return frames + error.partition(":")[0]
