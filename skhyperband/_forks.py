"""Ends child processes that a user's code forks and that return from it into the search."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn


class ending_forks:  # noqa: N801
    """Context that ends a child process forked within it, instead of being left by it.

    The child must not go on with the search. Nor must an exception that it raises, `SystemExit`
    above all, pass through the search, which would close the parent's files. It does not count
    as a failure of the candidate either: the parent goes on as usual.

    A class, since a generator would cost more than all else that is done for an evaluation.

    Parameters
    ----------
    describe : callable
        Returns the text that the child prints of an exception other than `SystemExit`.
    """

    def __init__(self, describe: Callable[[BaseException], str]):
        self._describe = describe

    def __enter__(self) -> None:
        self._parent = os.getpid()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if os.getpid() == self._parent:
            return
        _end_process(error, self._describe)


def _end_process(
    error: BaseException | None, describe: Callable[[BaseException], str]
) -> NoReturn:
    """End the process as the interpreter does after an exception, but without unwinding.

    Whatever goes wrong on the way, nothing leads back into the search.
    """
    code = 1
    try:
        status = error.code if isinstance(error, SystemExit) else error
        if status is None or isinstance(status, int):
            code = (status or 0) & 0xFF
        else:
            print(describe(status) if status is error else status, file=sys.stderr)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code)
