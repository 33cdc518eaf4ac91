"""Catches the warnings of fits and scorers, in any worker, so that each is shown once."""

import contextlib
import functools
import pickle
import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skhyperband._messages import shortened
from skhyperband._pickling import cloudpickle

Filter = tuple[Any, ...]


@dataclass(frozen=True)
class Source:
    """The place that a warning came from. Two from the same place are shown as one."""

    category: type[Warning]
    path: str
    line: int

    def __reduce__(self) -> tuple[Any, ...]:
        category = next(c for c in self.category.__mro__ if _can_be_sent(c))
        return Source, (category, self.path, self.line)


@functools.cache
def _can_be_sent(category: Any) -> bool:
    """Return whether a category can be pickled: its class may be local to a fit."""
    try:
        pickle.loads(cloudpickle.dumps(category))
    except Exception:  # Whatever the pickling of a class's attributes may raise.
        return False
    return True


# The first text that came from each place.
CaughtWarnings = dict[Source, str]


# scikit-learn warns of a warm start with other data than before. A search continues training
# with the same data.
_WARM_START: Filter = ("ignore", re.compile("class_weight presets"), UserWarning, None, 0)


def every_time(filters: Sequence[Filter]) -> list[Filter]:
    """Return the filters, changed so that what they show once is shown every time.

    Otherwise a warning on a low rung would hide the same warning on the top rung, and which of
    two equal warnings is caught would depend on the worker.
    """
    once = {"default", "module", "once"}
    shown = [("always" if f[0] in once else f[0], *f[1:]) for f in filters]
    return [_WARM_START, *shown, ("always", None, Warning, None, 0)]


# loky restarts a worker whose memory has grown, as it does by X and by selected rows, and warns.
_WORKER_RESTARTED: Filter = ("ignore", re.compile("A worker stopped while"), UserWarning, None, 0)


# scikit-learn's parallel code empties the filters of the whole process for a moment. A fit in another
# thread that finds them empty then warns that it uses this code wrongly, which it does not.
_FILTERS_FOUND_EMPTY = re.compile("`sklearn.utils.parallel.delayed` should be used with")


def _is_race_of_threads(message: Warning | str) -> bool:
    in_main_thread = threading.current_thread() is threading.main_thread()
    return not in_main_thread and _FILTERS_FOUND_EMPTY.match(str(message)) is not None


class _WarningCatcher:
    """Catches the warnings of each thread separately.

    `warnings.catch_warnings` changes state of the whole process, so that threads that use it
    undo each other's changes. Here the first thread that enters changes the state, and the last
    one that leaves restores it. While a search holds the state (`held`), its threads change
    nothing, so that a thread that is still busy when the search ends leaves nothing behind.

    Other code, such as scikit-learn's checks, uses `warnings.catch_warnings` where no thread is
    inside. What several searches at once leave of that is put right by `restored_after_the_last`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._n_inside = 0
        self._n_holding = 0
        self._n_searches = 0
        self._passed_on: set[Source] = set()

    @contextmanager
    def restored_after_the_last(self) -> Iterator[None]:
        """Restore the filters when the last of several searches at once has ended."""
        with self._lock:
            self._n_searches += 1
            if self._n_searches == 1:
                self._of_user = warnings.filters, list(warnings.filters), warnings.showwarning
                self._were_several = False
            else:
                self._were_several = True
        try:
            yield
        finally:
            with self._lock:
                self._n_searches -= 1
                if self._n_searches == 0 and self._were_several:
                    own, filters, warnings.showwarning = self._of_user
                    own[:] = filters  # type: ignore[index]
                    warnings.filters = own

    @contextmanager
    def __call__(self, filters: Sequence[Filter]) -> Iterator[CaughtWarnings]:
        """Catch the warnings of this thread."""
        caught: CaughtWarnings = {}
        outer = getattr(self._local, "caught", None)
        with contextlib.nullcontext() if self._n_holding else self._swapped(filters):
            self._local.caught = caught
            try:
                yield caught
            finally:
                self._local.caught = outer

    @contextmanager
    def held(self, filters: Sequence[Filter]) -> Iterator[None]:
        """Hold the changed state; what no thread catches is shown once for each place."""
        with self._swapped([_WORKER_RESTARTED, *filters]):
            if getattr(self._local, "caught", None) is None:  # Not a search within an evaluation.
                self.repair()
            with self._lock:
                self._n_holding += 1
            try:
                yield
            finally:
                with self._lock:
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
                self._swapped_in = warnings.filters, list(filters)
                if warnings.showwarning != self._show:  # Another thread may have set it again.
                    self._shown_by = warnings.showwarning
                warnings.showwarning = self._show
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if self._n_inside == 0:
                    self._restore.__exit__(None, None, None)

    def repair(self) -> None:
        """Set the changed state again, where other code in several threads may have undone it.

        scikit-learn's parallel code replaces the filters of the whole process in each of its
        threads, and one thread may empty the list that another one has just put back.
        """
        with self._lock:
            if self._n_inside:
                own, filters = self._swapped_in
                own[:] = filters  # type: ignore[index]
                warnings.filters, warnings.showwarning = own, self._show

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if _is_race_of_threads(message):
            return
        source = Source(category, filename, lineno)
        caught = getattr(self._local, "caught", None)
        if caught is not None:
            caught.setdefault(source, shortened(str(message)))
        elif source not in self._passed_on:
            self._passed_on.add(source)
            self._shown_by(message, category, filename, lineno, *args, **kwargs)


# One for the process, since the state of the `warnings` module belongs to the process.
catching = _WarningCatcher()


def warn_once(caught: Iterable[CaughtWarnings]) -> None:
    """Warn once for each place, with the first text and the number of evaluations."""
    counts: dict[Source, int] = {}
    texts: CaughtWarnings = {}
    for of_one in caught:
        for source, text in of_one.items():
            counts[source] = counts.get(source, 0) + 1
            texts.setdefault(source, text)
    for source, text in texts.items():
        many = f" ({counts[source]} evaluations warned so)" if counts[source] > 1 else ""
        warning = _made_from_text(source.category, text + many)
        # With an empty registry, the warning of an earlier search does not hide this one.
        warnings.warn_explicit(warning, None, source.path, source.line, registry={})


def _made_from_text(category: type[Warning], text: str) -> Warning:
    """Return a warning of this category with this text.

    Some categories are not made from one text, such as `InconsistentVersionWarning`. Then an
    instance of a subclass is returned, or of a base where subclasses are not allowed.
    """
    with contextlib.suppress(Exception):
        warning = category(text)
        if str(warning) == text:
            return warning

    def show(self: Warning) -> str:
        return text

    methods: dict[str, Any] = {
        "__new__": Warning.__new__,
        "__init__": Warning.__init__,
        "__str__": show,
        "__module__": category.__module__,
    }
    try:
        return type(category.__name__, (category,), methods)()
    except Exception:
        return _made_from_text(category.__mro__[1], text)
