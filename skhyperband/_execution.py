"""Decides where tasks run: hand them in, get outcomes back as they finish, lose none.

joblib does the work, with whatever backend is active. What all tasks share
reaches each worker process once; a worker that dies costs no outcome but those
of the tasks that kill their process again when they run alone.
"""

import collections
import contextlib
import errno
import functools
import io
import mmap
import multiprocessing
import os
import pickle
import re
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import joblib
import numpy as np
from joblib.externals import loky
from joblib.externals.loky import process_executor
from joblib.parallel import (
    MultiprocessingBackend,
    SequentialBackend,
    ThreadingBackend,
    get_active_backend,
)

from skhyperband._evaluation import Outcome, Task, died
from skhyperband._pickling import cloudpickle
from skhyperband._rooms import Door, Room

# None where it was too late to start.
MaybeOutcome = Outcome | None
Evaluate = Callable[[Task], MaybeOutcome]


class Executor(Protocol):
    """The seam: what runs tasks."""

    def run(self, tasks: Sequence[Task]) -> Generator[tuple[int, MaybeOutcome], None, None]:
        """Yield each task's position and outcome, in the order in which they finish."""


# --- what tasks share --------------------------------------------------------------

# Arrays start where vector instructions like them to.
_ALIGNMENT = 64
# From this size on joblib writes an array to a file; shared bytes are padded to it.
_MAPPED_FROM = 2**20


class Shared:
    """An object that is pickled once, and unpickled once in each worker process.

    In its own process it is the object. Sent to another it is one array of bytes,
    the arrays inside lying in it as they are: joblib writes that to a file that
    every worker maps, so that a task carries the file's name, whatever the type
    of X.
    """

    def __init__(self, value: Any):
        self.value = value
        self._key = uuid.uuid4().hex
        self._packed: tuple[np.ndarray, list[int]] | None = None
        self._packing = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        with self._packing:
            if self._packed is None:
                self._packed = _pack(self.value)
        return _received, (self._key, os.getpid(), *self._packed)


@dataclass(frozen=True)
class _Received:
    """What `Shared` is in a worker process."""

    value: Any
    path: str | None


# By key, in the order of arrival.
_kept: dict[str, _Received] = {}
_keeping = threading.Lock()


def _received(key: str, sender: int, packed: np.ndarray, sizes: list[int]) -> _Received:
    """Return what was received under this key before, or unpack it now."""
    with _keeping:
        _end_with(sender)
        if key not in _kept:
            path: str | None = None
            if isinstance(packed, np.memmap) and os.name == "posix":
                # A map of our own: joblib deletes the file only once its maps are gone. Pages
                # that are written to become private, since native code ignores read-only flags.
                path = file = str(packed.filename)
                packed = np.memmap(file, np.uint8, "c", packed.offset, packed.shape)
            if len(_kept) == 2:  # Two searches in two threads share joblib's workers.
                del _kept[next(iter(_kept))]
            watched = any(received.path is not None for received in _kept.values())
            _kept[key] = _Received(_unpack(packed, sizes), path)
            if path is not None and not watched:
                threading.Thread(target=_forget_when_deleted, daemon=True).start()
        return _kept[key]


@functools.cache
def _end_with(sender: int) -> None:
    """Have this process end when the one that gave it the work is killed.

    loky's workers would go on to the end of their fit, and then wait five minutes for more.
    Others are not ours: a Dask worker may well outlive the process that started it.
    """

    def watch() -> None:
        while os.getppid() == sender:
            time.sleep(1)
        os._exit(1)

    if os.name == "posix" and multiprocessing.current_process().name.startswith("Loky"):
        threading.Thread(target=watch, daemon=True).start()


def _forget_when_deleted() -> None:
    """Give the memory back soon after the search: joblib's workers outlive it."""
    while True:
        time.sleep(1)
        with _keeping:
            mapped = {key: kept.path for key, kept in _kept.items() if kept.path is not None}
            gone = [key for key, path in mapped.items() if not os.path.exists(path)]
            for key in gone:
                del _kept[key]
            if len(gone) == len(mapped):
                return


def _pack(value: Any) -> tuple[np.ndarray, list[int]]:
    """Pickle into one array of bytes: the arrays' own memory follows the pickle."""
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=_keep_large(buffers)).dump(value)
    body = file.getbuffer()
    views = [memoryview(body), *(buffer.raw() for buffer in buffers)]
    sizes = [view.nbytes for view in views]
    packed = np.zeros(max(sum(map(_aligned, sizes)), _MAPPED_FROM + 1), dtype=np.uint8)
    start = 0
    for view, size in zip(views, sizes, strict=True):
        packed[start : start + size] = np.frombuffer(view, dtype=np.uint8)
        start += _aligned(size)
    return packed, sizes


def _keep_large(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """Return what tells pickle to leave small buffers where they are."""

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        small = buffer.raw().nbytes < _MAPPED_FROM
        if not small:
            buffers.append(buffer)
        return small

    return is_small


class _Pickler(cloudpickle.CloudPickler):
    """Leaves in its file what is mapped from one."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is np.memmap and isinstance(obj.base, mmap.mmap) and obj.mode != "c":
            order = "C" if obj.flags.c_contiguous else "F"
            mode = "r" if obj.mode == "r" else "c"
            where = str(obj.filename), obj.dtype, mode, obj.offset, obj.shape, order
            return np.memmap, where
        return super().reducer_override(obj)


def _unpack(packed: np.ndarray, sizes: list[int]) -> Any:
    """Unpickle; the large arrays stay where they are."""
    views, start = [], 0
    for size in sizes:
        views.append(packed.data[start : start + size])
        start += _aligned(size)
    return pickle.loads(views[0], buffers=views[1:])


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _Stopped(BaseException):
    """Ends joblib's generator; closed before its end, it would warn of results not taken."""


def _evaluate(
    shared: Shared | _Received, position: int, task: Task, room: Room | Door | None
) -> tuple[int, MaybeOutcome]:
    with _nested_parallelism():
        outcome = shared.value(task)
    if isinstance(room, Door) and outcome is not None and outcome.state is not None:
        outcome.state.leave_in(room)
    return position, outcome


def _nested_parallelism() -> contextlib.AbstractContextManager[Any]:
    """Return the context in which a fit finds joblib: as in loky's own workers.

    There ``n_jobs=None`` is one thread. In a Dask worker it would be all cores of the cluster, and
    a forest would add up its trees in an order that differs each time.
    """
    backend, _ = get_active_backend()
    if isinstance(backend, (ThreadingBackend, SequentialBackend)):
        return contextlib.nullcontext()
    return joblib.parallel_config(backend="threading", n_jobs=1)


def _adopt(received: _Received) -> None:
    """Begin the life of a process that runs the tasks of one search alone."""
    _adopted.append(received)


def _evaluate_adopted(task: Task) -> MaybeOutcome:
    # As in joblib's own workers: what is parallel within takes threads, and no processes.
    with joblib.parallel_config(backend="threading"):
        return _adopted[0].value(task)


_adopted: list[_Received] = []


def _stop(outputs: Generator[Any, None, None], *, gently: bool) -> None:
    """End joblib's generator; gently, the workers live on, and what they have is awaited.

    When joblib ends them, another search that shares them may wait for ever for its own.
    """
    if gently:
        with contextlib.suppress(Exception):  # Nobody asks for them any more.
            collections.deque(outputs, maxlen=0)
    else:
        with contextlib.suppress(_Stopped):
            outputs.throw(_Stopped())


# --- joblib ------------------------------------------------------------------------


def check_backend(n_jobs: int | None) -> None:
    """Raise where joblib's active backend cannot tell that a worker died.

    With multiprocessing's pools the search would wait for that worker's result for ever, and
    after a kill of the main process its workers would go on.
    """
    backend, _ = get_active_backend()
    if isinstance(backend, MultiprocessingBackend) and joblib.effective_n_jobs(n_jobs) > 1:
        raise ValueError(
            f"n_jobs={n_jobs!r} with joblib's backend 'multiprocessing': it waits for ever when a "
            "worker dies. Use backend='loky', joblib's default, or 'threading'; or n_jobs=1."
        )


# The searches that run at the moment, in different threads: joblib gives all the same workers.
_sharing: "set[JoblibExecutor]" = set()


# What a folder without room, a quota or a limit on files is refused with. joblib's own
# processes hand an error over as a text.
_NO_SPACE = re.compile(
    "|".join(rf"Errno {n}\b|OSError\({n}\b" for n in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
)


class JoblibExecutor:
    """Runs tasks with joblib, or in a plain loop where there is one worker only.

    Parameters
    ----------
    evaluate : callable
        Takes a task, returns its outcome.
    n_jobs : int or None
        As everywhere in scikit-learn.
    pre_dispatch : int or str
        How many tasks are handed to the workers ahead.
    """

    def __init__(self, evaluate: Evaluate, n_jobs: int | None, pre_dispatch: int | str):
        self._shared = Shared(evaluate)
        self._n_jobs = n_jobs
        self._pre_dispatch = pre_dispatch
        self._open = contextlib.ExitStack()
        self._parallel: joblib.Parallel | None = None
        self._opens_rooms = False  # Until a state has come that was worth one.

    def __enter__(self) -> "JoblibExecutor":
        if joblib.effective_n_jobs(self._n_jobs) > 1:
            self._parallel = self._open.enter_context(self._new_parallel())
            _sharing.add(self)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        _sharing.discard(self)
        self._open.close()

    def run(self, tasks: Sequence[Task]) -> Generator[tuple[int, MaybeOutcome], None, None]:
        """Yield each task's position and outcome, in the order in which they finish."""
        if self._parallel is None:
            for position, task in enumerate(tasks):
                yield position, self._shared.value(task)
            return
        waiting = dict(enumerate(tasks))
        while waiting:
            sent: list[int] = []
            try:
                stream = self._stream(waiting, sent)
                with self._naming_lack_of_room(), contextlib.closing(stream) as outputs:
                    for position, outcome in outputs:
                        del waiting[position]
                        yield position, outcome
                if not sent:
                    raise ValueError(
                        f"pre_dispatch={self._pre_dispatch!r} hands nothing to the workers; "
                        "give at least 1."
                    )
            except process_executor.TerminatedWorkerError:
                self._restart()
                suspects = {
                    position: waiting.pop(position) for position in sent if position in waiting
                }
                yield from self._one_by_one(suspects)
            except RuntimeError as error:
                if "shutdown" not in str(error):
                    raise
                self._restart()  # Another thread's search, which shares the workers, did it.

    @contextlib.contextmanager
    def _naming_lack_of_room(self) -> Iterator[None]:
        """Say what did not fit where, and where it need not."""
        try:
            yield
        except (pickle.PicklingError, OSError) as error:
            if not _NO_SPACE.search(f"{error!r} {error.__cause__}"):
                raise
            raise OSError(
                f"n_jobs={self._n_jobs!r}: what all workers share, X and y among it, is larger "
                "than the room in the temporary folder through which joblib hands it to other "
                "processes. Set the environment variable JOBLIB_TEMP_FOLDER to a folder with "
                "more room, or leave the data in one process, by n_jobs=1 or "
                "joblib.parallel_config(backend='threading')."
            ) from error

    def _new_parallel(self) -> joblib.Parallel:
        options = {
            "n_jobs": self._n_jobs,
            "pre_dispatch": self._pre_dispatch,
            "max_nbytes": _MAPPED_FROM,
            "mmap_mode": "r",
        }
        try:
            return joblib.Parallel(return_as="generator_unordered", **options)
        except ValueError:  # A backend that cannot stream.
            return joblib.Parallel(**options)

    def _restart(self) -> None:
        self._open.close()
        self._parallel = self._open.enter_context(self._new_parallel())

    def _stream(
        self, waiting: dict[int, Task], sent: list[int]
    ) -> Generator[tuple[int, MaybeOutcome], None, None]:
        """Run what is waiting, noting in `sent` what was handed to the workers."""
        rooms: dict[int, Room] = {}
        stopped = threading.Event()

        def calls() -> Iterator[Any]:
            for position, task in list(waiting.items()):
                if stopped.is_set():
                    return
                sent.append(position)
                if self._opens_rooms and task.keeps_state:
                    rooms[position] = Room()
                room = rooms.get(position)
                yield joblib.delayed(_evaluate)(self._shared, position, task, room)

        assert self._parallel is not None
        outputs = iter(self._parallel(calls()))
        try:
            for position, outcome in outputs:  # A close must not reach joblib's generator.
                rooms.pop(position, None)  # Closed by this, unless a state came in it.
                if outcome is not None and outcome.state is not None:
                    self._opens_rooms |= outcome.state.is_worth_a_room
                yield position, outcome
        finally:
            stopped.set()
            if isinstance(outputs, Generator):
                _stop(outputs, gently=len(_sharing) > 1)

    def _one_by_one(self, suspects: dict[int, Task]) -> Iterator[tuple[int, MaybeOutcome]]:
        """Run each alone, in a process that no one else uses: what dies there did it.

        Twice, since one that dies only sometimes may not have run before: of those
        that were sent when the workers broke, most were waiting.
        """
        shared = (self._shared,)  # Handed over once a process, not once a task.
        with contextlib.ExitStack() as processes:
            alone = None
            for position, task in suspects.items():
                for _ in range(2):
                    if alone is None:
                        alone = loky.ProcessPoolExecutor(1, initializer=_adopt, initargs=shared)
                        processes.callback(alone.shutdown, kill_workers=True)
                    try:
                        yield position, alone.submit(_evaluate_adopted, task).result()
                        break
                    except process_executor.TerminatedWorkerError:
                        alone = None
                else:
                    yield position, died(task)
