"""Imports Optuna, which is an optional dependency, and silences what it says about itself."""

import contextlib
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
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
