"""Parts of messages: numbers of things, and texts that others wrote, shortened."""

import itertools
from collections.abc import Callable
from typing import Any

# In characters. A traceback through a hundred functions is shorter.
LONGEST = 20_000


def counted(number: float, noun: str) -> str:
    """Return a number of things, such as "1 split" or "5 splits"."""
    return f"{number:.15g} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the text, without its middle if it is too long.

    The beginning of a traceback says where an error happened, and its end says which.
    """
    n_cut = len(text) - longest
    if n_cut <= 0:
        return text
    half = longest // 2
    return f"{text[:half]} [... {n_cut} characters cut ...] {text[-half:]}"


def str_of(value: Any) -> str:
    """Return the text of any object, such as an exception, shortened; `__str__` may raise."""
    return _described(str, value, "text")


def repr_of(value: Any) -> str:
    """Return the repr of any object, shortened; `__repr__` may raise."""
    return _described(repr, value, "repr")


def _described(describe: Callable[[Any], str], value: Any, what: str) -> str:
    try:
        return shortened(describe(value))
    except Exception as error:
        return f"<{type(value).__name__}, whose {what} raises {type(error).__name__}>"


def message_of_traceback(text: str) -> str:
    """Return the first line of the message that a traceback ends with, and its exception's type.

    A text without frames is a message itself.
    """
    exception, message = _end_of_traceback(text)
    if not exception:
        return message
    return f"{message} ({exception})" if message else exception


def exception_of_traceback(text: str) -> str:
    """Return the name of the exception's type; it is empty for a text without frames."""
    return _end_of_traceback(text)[0]


def _end_of_traceback(text: str) -> tuple[str, str]:
    """Return the name of the exception's type, and the first line of its message."""
    _, found, end = text.rpartition('\n  File "')
    if not found:
        return "", text.strip().partition("\n")[0]
    after_frames = itertools.dropwhile(lambda line: line.startswith(" "), end.splitlines()[1:])
    line = next(after_frames, text.strip().splitlines()[-1])
    exception, _, message = line.partition(": ")
    return exception.rpartition(".")[2].rstrip(": "), message
