"""Sends what all tasks share to each worker process once, whatever the type of the data."""

import functools
import io
import mmap
import multiprocessing
import os
import pickle
import signal
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._pickling import cloudpickle

# In bytes. Arrays start at a multiple of it, as vector instructions need.
_ALIGNMENT = 64
# In bytes. joblib writes an array of this size to a file that workers map. A broadcast is padded
# to this size, so that it always goes through a file.
MIN_MAPPED_SIZE = 2**20


class Broadcast:
    """An object that is pickled once, and unpickled once in each worker process.

    In the process that made it, it holds the object itself. It is pickled as one array of bytes
    that contains the memory of all large arrays. joblib writes this array to a file that every
    worker maps, so that a task carries only the name of the file, whatever the type of X is.
    In a worker it arrives as a `ReceivedBroadcast`.

    Parameters
    ----------
    value : object
    """

    def __init__(self, value: Any):
        self.value = value
        self._key = uuid.uuid4().hex
        self._packed: tuple[np.ndarray, list[int]] | None = None
        # Tasks may be pickled in several threads; a second copy of the data is too much.
        self._packing = threading.Lock()

    def pack(self) -> tuple[np.ndarray, list[int]]:
        """Return the object as bytes, as `pack` does; it is packed once."""
        with self._packing:
            if self._packed is None:
                self._packed = pack(self.value)
        return self._packed

    def __reduce__(self) -> tuple[Any, ...]:
        return _receive, (self._key, os.getpid(), *self.pack())


@dataclass(frozen=True)
class ReceivedBroadcast:
    """The object that a `Broadcast` brought to this worker process.

    Attributes
    ----------
    value : object
    path : str or None
        The file from which its arrays are mapped.
    """

    value: Any
    path: str | None


# The broadcasts that this process has received, by key, in the order of arrival. A global, since
# every task that joblib unpickles here calls `_receive`, and only the first one of a search is to
# unpickle the data. A worker outlives the search, so that `_free_when_deleted` empties it.
_received: dict[str, ReceivedBroadcast] = {}
_received_lock = threading.Lock()


def _receive(key: str, sender: int, packed: np.ndarray, sizes: list[int]) -> ReceivedBroadcast:
    """Return the broadcast with this key; unpack it when it arrives for the first time."""
    with _received_lock:
        exit_with_parent(sender)
        if key not in _received:
            path: str | None = None
            if isinstance(packed, np.memmap) and os.name == "posix":
                # Map the file again: joblib deletes it only when the maps that joblib made are
                # gone. Mode "c" makes a private copy of pages that are written to: native code
                # does not heed that an array is read-only.
                path = file = str(packed.filename)
                packed = np.memmap(file, np.uint8, "c", packed.offset, packed.shape)
            # Two searches in two threads share joblib's workers, so that two are kept.
            if len(_received) == 2:
                del _received[next(iter(_received))]
            watched = any(received.path is not None for received in _received.values())
            _received[key] = ReceivedBroadcast(unpack(packed, sizes), path)
            if path is not None and not watched:
                threading.Thread(target=_free_when_deleted, daemon=True).start()
        return _received[key]


@functools.cache  # Every task that arrives calls it, and one thread is enough.
def exit_with_parent(sender: int, *, with_group: bool = False) -> None:
    """Start a thread that ends this worker of loky when the process that sent it work is killed.

    Otherwise it would finish its fit, and then wait five minutes for more work. Workers of other
    backends are left alone: a Dask worker may outlive the process that uses it.

    Parameters
    ----------
    sender : int
        The number of the process.
    with_group : bool
        Whether the group of this process, of which it is the first, is ended with it.
    """

    def watch() -> None:
        while os.getppid() == sender:
            time.sleep(1)
        if with_group:
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    if os.name == "posix" and multiprocessing.current_process().name.startswith("Loky"):
        threading.Thread(target=watch, daemon=True).start()


def _free_when_deleted() -> None:
    """Drop broadcasts whose file joblib has deleted, until none with a file is left.

    joblib deletes the file at the end of a search, and does not tell its workers, which live on.
    """
    while True:
        time.sleep(1)
        with _received_lock:
            paths = {key: r.path for key, r in _received.items() if r.path is not None}
            deleted = [key for key, path in paths.items() if not os.path.exists(path)]
            for key in deleted:
                del _received[key]
            if len(deleted) == len(paths):
                return


def pack(value: Any, *, maps_files: bool = True) -> tuple[np.ndarray, list[int]]:
    """Pickle into one array of bytes: the pickle first, then the memory of each large array.

    The second part of the result are the sizes of these parts. With `maps_files`, an array that is
    mapped from a file is pickled as the name of the file, which another machine may not have.
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    pickler = _MappingPickler if maps_files else cloudpickle.CloudPickler
    pickler(file, protocol=5, buffer_callback=_separate_large(buffers)).dump(value)
    views = [memoryview(file.getbuffer()), *(buffer.raw() for buffer in buffers)]
    sizes = [view.nbytes for view in views]
    packed = np.zeros(max(sum(map(_aligned, sizes)), MIN_MAPPED_SIZE + 1), dtype=np.uint8)
    start = 0
    for view, size in zip(views, sizes, strict=True):
        packed[start : start + size] = np.frombuffer(view, dtype=np.uint8)
        start += _aligned(size)
    return packed, sizes


def _separate_large(buffers: list[pickle.PickleBuffer]) -> Callable[[pickle.PickleBuffer], bool]:
    """Return a callback for pickle that adds large buffers to the list.

    pickle keeps a buffer inside the pickle where the callback returns True.
    """

    def keep_inside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < MIN_MAPPED_SIZE:
            return True
        buffers.append(buffer)
        return False

    return keep_inside


class _MappingPickler(cloudpickle.CloudPickler):
    """Pickles an array that is mapped from a file as the name of the file."""

    def reducer_override(self, obj: Any) -> Any:
        # With mode "c" the array may differ from the file, and a temporary file may have no name.
        is_mapped = type(obj) is np.memmap and isinstance(obj.base, mmap.mmap) and obj.mode != "c"
        if is_mapped and obj.filename is not None and os.path.exists(obj.filename):
            order = "C" if obj.flags.c_contiguous else "F"
            mode = "r" if obj.mode == "r" else "c"
            arguments = (str(obj.filename), obj.dtype, mode, obj.offset, obj.shape, order)
            return np.memmap, arguments
        return super().reducer_override(obj)


def unpack(packed: np.ndarray, sizes: list[int]) -> Any:
    """Return what was packed; its large arrays are views of the packed bytes."""
    views, start = [], 0
    for size in sizes:
        views.append(packed.data[start : start + size])
        start += _aligned(size)
    return pickle.loads(views[0], buffers=views[1:])


def _aligned(size: int) -> int:
    """Return the size, rounded up to a multiple of the alignment."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT
