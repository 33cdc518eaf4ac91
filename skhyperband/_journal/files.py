"""Checks that a file can be a journal, and locks it against a second search."""

import contextlib
import errno
import os
import stat
import sys
import weakref
from typing import BinaryIO

# Endings of the files that SQLite keeps next to a database.
SQLITE_ENDINGS = ("-wal", "-shm", "-journal")


class UnusableFileError(Exception):
    """The file, or one that belongs to it, is not what a search may read or write."""


# --- checks ------------------------------------------------------------------------

# What a path may lead to instead of a regular file, and what an error calls it.
_FILE_TYPES = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def check_files(path: str) -> None:
    """Raise unless the journal and the files of SQLite are regular files or do not exist."""
    _check_regular(path, "it is")
    for ending in SQLITE_ENDINGS:
        _check_regular(path + ending, f"{os.path.basename(path)}{ending} beside it is")


def _check_regular(path: str, what: str) -> None:
    """Raise if the path exists and is no regular file: opening a pipe may wait for ever."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        name = next((name for is_type, name in _FILE_TYPES if is_type(mode)), "a device")
        raise UnusableFileError(
            f"{what} {name}, and no regular file. Remove it, or use another file."
        )


def check_hard_links(path: str) -> None:
    """Raise if the file has a second name, because the lock depends on the name."""
    with contextlib.suppress(FileNotFoundError):
        if os.stat(path).st_nlink > 1:
            raise UnusableFileError(
                "it has another name (a hard link), under which another search could write "
                "to it. Use a copy of it."
            )


# --- the lock ----------------------------------------------------------------------

# Error numbers by which systems say that another process holds a lock.
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


class FileLock:
    """A lock that one search holds at a time, whatever its thread or process.

    The system releases it when the process ends. The locked file is one beside the journal:
    a lock on the journal itself would keep readers out, or SQLite would release it at the end
    of each transaction.
    """

    def __init__(self, path: str):
        self._path = f"{path}-lock"
        self._file = self._acquire()
        _held.add(self)
        # The holder before may have removed the file after it was opened here and before it
        # was locked. Such a lock protects nothing, since the next search makes a new file.
        while not self._is_in_place():
            self._file.close()
            self._file = self._acquire()

    def let_go(self) -> None:
        """Close the file in a process that was forked from the holder of the lock.

        The lock ends when all have closed it, so that a child that outlives the search would
        keep it.
        """
        self._file.close()

    def _acquire(self) -> BinaryIO:
        _check_regular(self._path, "its lock file is")
        file = open(self._path, "ab", opener=_open_without_waiting)  # noqa: SIM115
        try:
            _lock(file)
        except OSError as error:
            file.close()
            if error.errno not in _HELD:
                raise
            raise UnusableFileError(
                "another search is writing to it. Wait for it, or use another file."
            ) from error
        return file

    def _is_in_place(self) -> bool:
        """Return whether the locked file is still the one that its path names."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        with contextlib.suppress(OSError):  # Windows does not remove open files.
            os.unlink(self._path)
        self._file.close()


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _let_go_of_all() -> None:
    for lock in list(_held):
        lock.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_of_all)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file, but follow no symbolic link and do not wait for the reader of a pipe."""
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags, 0o666)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
