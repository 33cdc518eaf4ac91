"""Decides how much is kept of texts that others wrote: messages, tracebacks and reprs."""

from collections.abc import Callable
from typing import Any

# Characters; a traceback through a hundred functions is shorter.
LONGEST = 20_000


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the text, without its middle where it is too long.

    The end of a traceback says what was wrong, and its beginning says where.
    """
    n_cut = len(text) - longest
    if n_cut <= 0:
        return text
    half = longest // 2
    return f"{text[:half]} [... {n_cut} characters cut ...] {text[-half:]}"


def str_of(value: Any) -> str:
    """Return the text of any object, such as an exception, shortened; its own may fail."""
    return _described(str, value, "text")


def repr_of(value: Any) -> str:
    """Return the repr of any object, shortened; its own `__repr__` may fail."""
    return _described(repr, value, "repr")


def _described(describe: Callable[[Any], str], value: Any, what: str) -> str:
    try:
        return shortened(describe(value))
    except Exception as error:
        return f"<{type(value).__name__}, whose {what} raises {type(error).__name__}>"
