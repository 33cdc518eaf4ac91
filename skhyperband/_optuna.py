"""Imports Optuna, which is an optional dependency, and silences what it says about itself."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any


def import_optuna(needed_by: str, instead: str = "") -> Any:
    """Return Optuna; raise if it is not installed, and name what can be used instead."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            f"{needed_by} needs Optuna; install it with `pip install 'skhyperband[optuna]'`{instead}."
        ) from error
    return optuna


@contextlib.contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Let Optuna neither log that a study was made, nor warn of options that may change."""
    with _QUIET.entered(optuna.logging), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


class _Quiet:
    """Keeps the log of Optuna, which is one for all threads, quiet while any of them asks for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._of_user = 0

    @contextlib.contextmanager
    def entered(self, log: Any) -> Iterator[None]:
        """Let Optuna log warnings and errors only, until the last thread has left."""
        with self._lock:
            if not self._n_inside:
                self._of_user = log.get_verbosity()
                log.set_verbosity(max(self._of_user, log.WARNING))
            self._n_inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if not self._n_inside:
                    log.set_verbosity(self._of_user)


_QUIET = _Quiet()
