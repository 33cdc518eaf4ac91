"""Ends child processes that a user's code forks and that return from it into the search."""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn


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
        if error is None:
            _end_process(None)
        _end_process(error.code if isinstance(error, SystemExit) else self._describe(error))


def _end_process(status: Any) -> NoReturn:
    """End the process with the status that `sys.exit` gives it, but without unwinding."""
    if not (status is None or isinstance(status, int)):
        print(status, file=sys.stderr)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status or 0)
