"""Decides which warnings of the fits reach the user: each kind once, from any worker."""

import contextlib
import functools
import math
import pickle
import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skhyperband._messages import shortened, str_of
from skhyperband._pickling import cloudpickle

Filter = tuple[Any, ...]


@dataclass(frozen=True)
class Source:
    """Where a warning came from: two from one place are of one kind, whatever they say."""

    category: type[Warning]
    path: str
    line: int

    def __reduce__(self) -> tuple[Any, ...]:
        category = next(c for c in self.category.__mro__ if _can_be_sent(c))
        return Source, (category, self.path, self.line)


@functools.cache
def _can_be_sent(category: Any) -> bool:
    """Return whether another process can get it: a class may be one that only a fit knows."""
    try:
        pickle.loads(cloudpickle.dumps(category))
    except Exception:  # Whatever the pickling of a class's attributes may raise.
        return False
    return True


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
        warning = _made_from_text(source.category, text + many)
        # A registry of its own: an earlier search's warning must not hide this one.
        warnings.warn_explicit(warning, None, source.path, source.line, registry={})


def _made_from_text(category: type[Warning], text: str) -> Warning:
    """Return a warning of this category that says the text.

    Some are made from something else than one text, such as `InconsistentVersionWarning`.
    """
    with contextlib.suppress(Exception):
        warning = category(text)
        if str(warning) == text:
            return warning

    def say(self: Warning) -> str:
        return text

    methods = {"__new__": Warning.__new__, "__init__": Warning.__init__, "__str__": say}
    return type(category.__name__, (category,), {**methods, "__module__": category.__module__})()


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


def describe_non_finite(
    scores: Iterable[tuple[str, Mapping[str, float | None] | float | None]],
) -> str | None:
    """Return how many scores are NaN or infinite though nothing failed; None where all are finite.

    Parameters
    ----------
    scores : iterable of (str, scores)
        "test" or "train", and the scores of one evaluation of which none failed.
    """
    counts: dict[tuple[str, float | None], int] = {}
    n_scores: dict[str, int] = {}
    for part, of_one in scores:
        values = of_one.items() if isinstance(of_one, Mapping) else [("score", of_one)]
        for metric, value in values:
            name = f"{part}_{metric}"
            n_scores[name] = n_scores.get(name, 0) + 1
            if value is not None and not math.isfinite(value):
                kind = None if math.isnan(value) else value
                counts[name, kind] = counts.get((name, kind), 0) + 1
    if not counts:
        return None
    found = [
        f"{'NaN' if kind is None else kind} in {count} of {n_scores[name]} evaluations ({name})"
        for (name, kind), count in counts.items()
    ]
    return (
        f"Some scores are not finite although nothing failed: {'; '.join(found)}. A candidate "
        "whose mean score is NaN ranks last. Check scoring and what the estimator predicts."
    )


def _kind(text: str) -> str:
    """Return the traceback without the message, which may differ each time."""
    frames, _, error = text.strip().rpartition("\n")
    return frames + error.partition(":")[0]
