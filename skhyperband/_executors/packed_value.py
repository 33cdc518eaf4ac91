"""An object as bytes, which the processes that this one starts map from the same memory."""

import mmap
import os
import threading
import weakref
from collections.abc import Sequence
from multiprocessing.context import get_spawning_popen
from typing import Any

import numpy as np

from skhyperband._executors.broadcast import pack, unpack
from skhyperband._messages import str_of


class PackedValue:
    """An object as bytes, which all processes that this one starts map from the same memory.

    On systems without anonymous memory each process is sent the bytes.

    Parameters
    ----------
    packed : ndarray of bytes
    sizes : sequence of int
        Both are what `pack` returns.
    """

    def __init__(self, packed: np.ndarray, sizes: Sequence[int]):
        self._packed = packed
        self._sizes = list(sizes)
        self._descriptor: int | None = None
        self._sharing = threading.Lock()

    @classmethod
    def of(cls, value: Any, *, maps_files: bool = True) -> "PackedValue":
        """Pack an object, as `pack` does."""
        return cls(*pack(value, maps_files=maps_files))

    def unpack(self) -> Any:
        """Return the object in a worker; raise an exception that says what could not be unpickled."""
        try:
            return unpack(self._packed, self._sizes)
        except Exception as error:
            raise RuntimeError(
                "A worker process could not un-serialize the estimator, the data or the scorer: "
                f"{type(error).__name__}: {str_of(error)}"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        if get_spawning_popen() is not None:
            descriptor = self._share()
            if descriptor is not None:
                from multiprocessing.reduction import DupFd  # Windows does not have it.

                return _map_packed, (DupFd(descriptor), self._packed.size, self._sizes)
        return PackedValue, (self._packed, self._sizes)

    def _share(self) -> int | None:
        """Move the bytes to anonymous memory; return its descriptor, None where there is none."""
        with self._sharing:
            if self._descriptor is None:
                try:
                    descriptor = os.memfd_create("skhyperband")
                except (AttributeError, OSError):  # Not on Linux, or too many files are open.
                    return None
                try:
                    _write_all(descriptor, self._packed.data)
                    self._packed = _map(descriptor, self._packed.size)
                except OSError:  # There is no memory, or a limit of the size of files.
                    os.close(descriptor)
                    return None
                weakref.finalize(self, os.close, descriptor)
                self._descriptor = descriptor
            return self._descriptor


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _map(descriptor: int, size: int) -> np.ndarray:
    """Return the bytes; each process has a private copy of the pages that it writes to."""
    return np.frombuffer(mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY), dtype=np.uint8)


def _map_packed(duplicate: Any, size: int, sizes: Sequence[int]) -> PackedValue:
    descriptor = duplicate.detach()
    try:
        return PackedValue(_map(descriptor, size), sizes)
    finally:
        os.close(descriptor)
