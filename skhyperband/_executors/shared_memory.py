"""Memory through which large results reach another process of this machine, past the pipe.

Through a pipe bytes are copied five times, in pieces of 64 kB. Here one process opens
anonymous memory, a second process writes to it, and a third one reads it in place. The system
frees the memory when the first process ends, for whatever reason. Only Linux has such memory: on
other systems, and in a process on another machine, there is no buffer to write to, and the
result goes through the pipe.
"""

import mmap
import os
import threading
import uuid
import weakref
from typing import Any

# Other parts of the process need file descriptors too: at most this number of buffers is open,
# and at most a third of the files that the process may open.
_MAX_OPEN = 300

_TOKEN_SIZE = 16
# The open buffers of this process, by token. A global, since a buffer that comes back from a
# worker is unpickled as a token, and looked up here. Weak, so that a buffer is closed when
# nothing else refers to it.
_open_buffers: "weakref.WeakValueDictionary[bytes, SharedBuffer]" = weakref.WeakValueDictionary()
_open_lock = threading.Lock()


class SharedBuffer:
    """A buffer in the process that owns it; another process receives it as a `RemoteBuffer`.

    It is opened when it is pickled for the first time, and closed when nothing refers to it any
    more.
    """

    def __init__(self) -> None:
        self._token = uuid.uuid4().bytes
        self._descriptor = -1

    def __reduce__(self) -> tuple[Any, ...]:
        with _open_lock:
            if self._descriptor < 0 and len(_open_buffers) < _max_open():
                self._open()
        return RemoteBuffer, (os.getpid(), self._descriptor, self._token)

    def _open(self) -> None:
        try:
            self._descriptor = os.memfd_create("skhyperband")
        except (AttributeError, OSError):  # Not on Linux, or too many files are open.
            return
        weakref.finalize(self, os.close, self._descriptor)
        os.write(self._descriptor, self._token)
        _open_buffers[self._token] = self

    def read(self, size: int) -> memoryview:
        """Return the first `size` bytes of what was written."""
        return _map(self._descriptor, size)


class RemoteBuffer:
    """A buffer of another process, which receives it as the `SharedBuffer` that it was."""

    def __init__(self, process: int, descriptor: int, token: bytes):
        self._process = process
        self._descriptor = descriptor
        self._token = token

    def __reduce__(self) -> tuple[Any, ...]:
        return _find_own_buffer, (self._token,)

    def write(self, data: bytes | memoryview) -> bool:
        """Write to the buffer; return whether that was possible."""
        try:
            with open(self._path, "r+b", buffering=0) as file:
                if not self._is_the_buffer(file.fileno()):
                    return False
                rest = memoryview(data)
                file.seek(_TOKEN_SIZE)
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError:  # There is no buffer, no memory, or no such process on this machine.
            return False
        return True

    def read(self, size: int) -> memoryview:
        """Return the first `size` bytes of what was written."""
        with open(self._path, "rb", buffering=0) as file:
            if not self._is_the_buffer(file.fileno()):
                raise FileNotFoundError(f"{self._path} is another process's.")
            return _map(file.fileno(), size)

    @property
    def _path(self) -> str:
        return f"/proc/{self._process}/fd/{self._descriptor}"

    def _is_the_buffer(self, descriptor: int) -> bool:
        """Compare the token: on another machine the same numbers may name another file."""
        return os.pread(descriptor, _TOKEN_SIZE, 0) == self._token


def _max_open() -> int:
    """Return how many buffers this process may have open."""
    try:
        import resource
    except ImportError:  # Windows has no anonymous memory of this kind either.
        return 0
    n_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_OPEN if n_files == resource.RLIM_INFINITY else min(_MAX_OPEN, n_files // 3)


def _find_own_buffer(token: bytes) -> SharedBuffer:
    return _open_buffers[token]


def _map(descriptor: int, size: int) -> memoryview:
    """Return `size` bytes of the file, from the end of the token on, without copying them."""
    pages = mmap.mmap(descriptor, _TOKEN_SIZE + size, access=mmap.ACCESS_READ)
    return memoryview(pages)[_TOKEN_SIZE:]
