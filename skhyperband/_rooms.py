"""Decides how something large reaches another process of this machine: past the pipe.

Through a pipe it is copied five times, in pieces of 64 kB. Here the first process opens
memory without a name, the second writes into it, and a third reads it where it is. It
is gone with the first process, whatever ends that. Where there is no such thing (it is
Linux's), or the other process is elsewhere, there is no room, and the pipe is left.
"""

import mmap
import os
import threading
import uuid
import weakref
from typing import Any

# So many rooms at a time, and a third of the files that may be open: others need some.
_AT_MOST = 300

_TOKEN_SIZE = 16
_rooms: "weakref.WeakValueDictionary[bytes, Room]" = weakref.WeakValueDictionary()
_opening = threading.Lock()


class Room:
    """Room for something, in the process that owns it; sent to another, it is a `Door`.

    It is opened when it is first sent, and closed when nothing refers to it any more.
    """

    def __init__(self) -> None:
        self._token = uuid.uuid4().bytes
        self._descriptor = -1

    def __reduce__(self) -> tuple[Any, ...]:
        with _opening:
            if self._descriptor < 0 and len(_rooms) < _most():
                self._open()
        return Door, (os.getpid(), self._descriptor, self._token)

    def _open(self) -> None:
        try:
            self._descriptor = os.memfd_create("skhyperband")
        except (AttributeError, OSError):  # Another system, or too many open files.
            return
        weakref.finalize(self, os.close, self._descriptor)
        os.write(self._descriptor, self._token)
        _rooms[self._token] = self

    def read(self, size: int) -> memoryview:
        """Return what was left in it."""
        return _mapped(self._descriptor, size)


class Door:
    """The way into another process's room; sent back there, it is the `Room`."""

    def __init__(self, process: int, descriptor: int, token: bytes):
        self._process = process
        self._descriptor = descriptor
        self._token = token

    def __reduce__(self) -> tuple[Any, ...]:
        return _room_of, (self._token,)

    def leave(self, data: bytes | memoryview) -> bool:
        """Write it into the room; return whether there was one."""
        try:
            with open(self._path, "r+b", buffering=0) as file:
                if not self._is_here(file.fileno()):
                    return False
                rest = memoryview(data)
                file.seek(_TOKEN_SIZE)
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError:  # No room, no memory, or no such process on this machine.
            return False
        return True

    def read(self, size: int) -> memoryview:
        """Return what was left in the room."""
        with open(self._path, "rb", buffering=0) as file:
            if not self._is_here(file.fileno()):
                raise FileNotFoundError(f"{self._path} is another process's.")
            return _mapped(file.fileno(), size)

    @property
    def _path(self) -> str:
        return f"/proc/{self._process}/fd/{self._descriptor}"

    def _is_here(self, descriptor: int) -> bool:
        """Return whether it is the very room: numbers mean other things on other machines."""
        return os.pread(descriptor, _TOKEN_SIZE, 0) == self._token


def _most() -> int:
    try:
        import resource
    except ImportError:  # Windows has no rooms either.
        return 0
    n_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _AT_MOST if n_files == resource.RLIM_INFINITY else min(_AT_MOST, n_files // 3)


def _room_of(token: bytes) -> Room:
    return _rooms[token]


def _mapped(descriptor: int, size: int) -> memoryview:
    pages = mmap.mmap(descriptor, _TOKEN_SIZE + size, access=mmap.ACCESS_READ)
    return memoryview(pages)[_TOKEN_SIZE:]
