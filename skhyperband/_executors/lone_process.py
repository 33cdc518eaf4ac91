"""A process that evaluates one task after another, and can be killed without losing anything else."""

import contextlib
import faulthandler
import importlib.util
import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any

import joblib
from joblib.externals.loky import backend as loky_backend
from joblib.externals.loky.backend.utils import kill_process_tree

from skhyperband._executors.broadcast import exit_with_parent
from skhyperband._executors.packed_value import PackedValue
from skhyperband._pickling import cloudpickle
from skhyperband._records import Outcome, Skipped, Task

# In seconds. The end of a process is usually noticed at once, since its pipe is closed. A child of
# its own that it leaves behind may hold the pipe open.
_INTERVAL = 1.0
# Starting a process in a daemonic one changes a flag of the latter for a moment.
_start_lock = threading.Lock()


class ProcessDiedError(Exception):
    """The process ended before it sent the result of a task."""


class TimeIsOverError(Exception):
    """A task took longer than it may; its process was killed."""


# --- the process -------------------------------------------------------------------


class LoneProcess:
    """A process that evaluates one task after another. It ends at the latest with this object.

    Parameters
    ----------
    evaluate : PackedValue
        The callable that evaluates tasks. It is sent when the process starts.
    env : mapping of str to str
        Environment variables that the process has besides those of this one.
    """

    def __init__(self, evaluate: PackedValue, env: Mapping[str, str] | None = None):
        context = loky_backend.get_context("loky")
        self._connection: Connection
        self._connection, other_end = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve,
            args=(other_end, evaluate, os.getpid()),
            env=dict(env or {}),
            daemon=True,
        )
        with _start_lock, _allowing_children():
            self._process.start()
        other_end.close()
        # At the end of this process, this comes before multiprocessing waits for its children.
        self._kill = Finalize(self, _kill, args=(self._process,), exitpriority=10)

    def lives(self) -> bool:
        """Return whether the process can take a task; end what one has started that has died."""
        if self._process.is_alive():
            return True
        _kill_group(self._process)
        return False

    def run(self, task: Task, timeout: float = math.inf) -> Outcome | Skipped:
        """Return the result of a task.

        The time is measured from when the process has received the task, and begins to evaluate.

        Raises
        ------
        ProcessDiedError
        TimeIsOverError
            If the task takes longer than `timeout` seconds. The process is killed.
        """
        try:
            self._send(task)
            self._receive(math.inf)
            result: Outcome | Skipped = self._receive(timeout)
        except BaseException:  # What it may still send is the answer to no later task.
            self.kill()
            _kill_group(self._process)  # Where it has died by itself.
            raise
        return result

    def kill(self) -> None:
        """End the process, and those that it has started; any thread may call this."""
        self._kill()

    def _send(self, task: Task) -> None:
        message = cloudpickle.dumps(task)
        try:
            self._connection.send_bytes(message)
        except OSError as error:
            raise ProcessDiedError from error

    def _receive(self, timeout: float) -> Any:
        """Return what comes next; raise it where it is an exception."""
        deadline = time.monotonic() + timeout
        while not self._wait(min(_INTERVAL, deadline - time.monotonic())):
            if not self._process.is_alive() and not self._wait(0):
                raise ProcessDiedError
            if time.monotonic() >= deadline:
                raise TimeIsOverError
        try:
            kind, content = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise ProcessDiedError from error
        if kind is _Kind.ERROR:
            raise content
        return content

    def _wait(self, seconds: float) -> bool:
        """Wait for a message, or for the end of the messages."""
        return bool(wait([self._connection], max(0.0, seconds)))


@contextlib.contextmanager
def _allowing_children() -> Iterator[None]:
    """Let this process start others, even if it is daemonic, as a Dask worker usually is.

    multiprocessing refuses that, since a daemonic process that is terminated does not end its
    children. The process that is started here ends by itself then.
    """
    this = multiprocessing.current_process()
    if not this.daemon:
        yield
        return
    this.daemon = False
    try:
        yield
    finally:
        this.daemon = True


def _kill(process: BaseProcess) -> None:
    """End a process and all that it has started. One that is not alive may have another's number."""
    if not process.is_alive():
        return
    if os.name != "posix":
        kill_process_tree(process)
        return
    if importlib.util.find_spec("psutil"):
        # Also what has left the group, unless this user may not end it.
        with contextlib.suppress(Exception):
            kill_process_tree(process)
    _send_kill(os.kill, process)
    _kill_group(process)
    process.join()


def _kill_group(process: BaseProcess) -> None:
    """End what a process has started that has just died; its group outlives it."""
    if os.name == "posix":
        _send_kill(os.killpg, process)


def _send_kill(send: Callable[[int, int], None], process: BaseProcess) -> None:
    assert process.pid is not None  # It has been started.
    # It may have died meanwhile, or have not come to make a group.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(process.pid, signal.SIGKILL)


# --- in the process ----------------------------------------------------------------


class _Kind(Enum):
    """What a message to the parent process is about."""

    BEGUN = "begun"
    RESULT = "result"
    ERROR = "error"


def _serve(connection: Connection, packed: PackedValue, parent: int) -> None:
    """Evaluate the tasks that come, until the parent process ends."""
    # The parent process decides what Ctrl-C means, and ends this process where it should end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A fit may start processes.
    multiprocessing.current_process().daemon = False
    if "PYTHONFAULTHANDLER" not in os.environ:  # As in loky's own workers.
        faulthandler.enable()
    if os.name == "posix":
        os.setpgrp()  # What a fit starts is ended together with this process.
    exit_with_parent(parent, with_group=True)
    try:
        _evaluate_all(connection, packed)
    finally:
        if os.name == "posix":
            os.killpg(os.getpid(), signal.SIGKILL)


def _evaluate_all(connection: Connection, packed: PackedValue) -> None:
    """Evaluate tasks until the connection is closed."""
    evaluate: Callable[[Task], Outcome | Skipped] | None = None
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            if evaluate is None:
                evaluate = packed.unpack()
            task = pickle.loads(message)
            del message
            _answer(connection, _Kind.BEGUN)
            # As in joblib's own workers: what a fit runs in parallel runs in threads, not in
            # processes.
            with joblib.parallel_config(backend="threading", n_jobs=1):
                result = evaluate(task)
            _answer(connection, _Kind.RESULT, result)
            # Both may hold a large state.
            del task, result
        except BaseException as error:
            _answer(connection, _Kind.ERROR, _sendable(error))


def _answer(connection: Connection, kind: _Kind, content: Any = None) -> None:
    connection.send_bytes(cloudpickle.dumps((kind, content)))


def _sendable(error: BaseException) -> BaseException:
    """Return the exception, or another with its text where it cannot be sent."""
    try:
        pickle.loads(cloudpickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
