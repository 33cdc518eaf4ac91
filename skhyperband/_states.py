"""Decides where fitted estimators wait for their next rung: in memory, or in a file."""

import pickle
import tempfile
import threading
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from skhyperband._messages import str_of
from skhyperband._pickling import cloudpickle
from skhyperband._rooms import Door, Room

# Bytes; what comes when there are so many goes to a file.
IN_MEMORY = 2**28
# An estimator in memory is measured by pickling it, so of many only one in so many is.
_MEASURED_ONE_IN = 8
# From so many bytes on a room is quicker than a pipe.
_WORTH_A_ROOM = 2**18


@dataclass(frozen=True)
class _Left:
    """A pickled estimator that was left in a room."""

    where: Room | Door
    size: int

    def __len__(self) -> int:
        return self.size


def _as_bytes(pickled: bytes | _Left) -> bytes | memoryview:
    return pickled.where.read(pickled.size) if isinstance(pickled, _Left) else pickled


class State:
    """A fitted estimator that may train on.

    In the process that fitted it, it is the estimator; sent to another it becomes
    bytes, and stays so until a worker opens it.

    Parameters
    ----------
    fitted : estimator
    n_resources : int
        What it is trained with.
    n_added : int
        How much of that came last.
    """

    def __init__(self, fitted: Any, n_resources: int, n_added: int):
        self.n_resources = n_resources
        self.n_added = n_added
        self.problem: str | None = None
        self._fitted = fitted
        self._pickled: bytes | _Left | None = None

    def open(self) -> Any:
        """Return the estimator, which is the caller's now; None where it was taken before."""
        if self._pickled is not None:
            return pickle.loads(_as_bytes(self._pickled))
        fitted, self._fitted = self._fitted, None
        return fitted

    def read(self) -> "State":
        """Return itself, as what was lent returns the state."""
        return self

    def packed(self) -> bytes | memoryview | None:
        """Return it as bytes; None, and a `problem`, where it cannot be pickled."""
        if self._pickled is None and self.problem is None:
            try:
                return cloudpickle.dumps(self._fitted)
            except Exception as error:  # Whatever an estimator's own pickling may raise.
                self.problem = f"{type(error).__name__}: {str_of(error)}"
        return None if self._pickled is None else _as_bytes(self._pickled)

    def leave_in(self, door: Door) -> None:
        """Become bytes in another process's room, where there is one and that is worth it."""
        pickled = self.packed()
        if pickled is not None:
            large = len(pickled) >= _WORTH_A_ROOM and door.leave(pickled)
            self._pickled = _Left(door, len(pickled)) if large else bytes(pickled)

    @property
    def is_worth_a_room(self) -> bool:
        """Whether it came from another process, and was or should have been left in a room."""
        return self._pickled is not None and self.measured() >= _WORTH_A_ROOM

    def measured(self) -> int:
        """Return its size in bytes; arrays are counted, not copied."""
        if self._pickled is not None:
            return len(self._pickled)
        sizes: list[int] = []

        def count(buffer: pickle.PickleBuffer) -> None:
            sizes.append(buffer.raw().nbytes)

        try:
            rest = cloudpickle.dumps(self._fitted, protocol=5, buffer_callback=count)
        except Exception:
            return 0  # It can only stay where it is.
        return sum(sizes) + len(rest)

    @property
    def in_memory(self) -> bool:
        """Whether it is the estimator itself."""
        return self._pickled is None

    def __reduce__(self) -> tuple[Any, ...]:
        pickled = self._pickled if isinstance(self._pickled, _Left) else self.packed()
        return _restored, (self.n_resources, self.n_added, pickled, self.problem)


def _restored(
    n_resources: int, n_added: int, pickled: bytes | _Left | None, problem: str | None
) -> State:
    state = State(None, n_resources, n_added)
    state._pickled, state.problem = pickled, problem
    return state


class Lent:
    """A state that a task may need: read when it is opened, or when it is sent."""

    def __init__(self, store: "StateStore", key: Hashable):
        self._store = store
        self._key = key

    def read(self) -> State:
        """Return the state."""
        return self._store.read(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.read().__reduce__()


@dataclass
class _File:
    """A nameless temporary file: it is gone with the process, whatever ends that.

    It is unbuffered: what a full disk refuses is not tried again when it is closed.
    """

    file: Any = field(default_factory=partial(tempfile.TemporaryFile, buffering=0))
    size: int = 0
    n_live: int = 0

    def append(self, data: bytes | memoryview) -> int:
        """Write it after all that is there; return where it starts."""
        start = self.file.seek(self.size)
        rest = memoryview(data)
        while rest:
            rest = rest[self.file.write(rest) :]
        self.size += len(data)
        return int(start)

    def read(self, start: int, size: int) -> bytes:
        """Return what was written there."""
        data = bytearray(size)
        rest = memoryview(data)
        self.file.seek(start)
        while rest:
            n_read = self.file.readinto(rest)
            if not n_read:
                raise EOFError(f"A temporary file of {size} bytes from {start} on was cut short.")
            rest = rest[n_read:]
        return bytes(data)


@dataclass(frozen=True)
class _InFile:
    where: _File
    start: int
    size: int
    n_resources: int
    n_added: int


class StateStore:
    """Keeps states until their candidates go on or drop out.

    Parameters
    ----------
    in_memory : int
        Bytes; above them states go to temporary files.

    Attributes
    ----------
    problems : list of str
        Why states were lost: the candidate's next fit is a fresh one then.
    """

    def __init__(self, in_memory: int = IN_MEMORY):
        self.problems: list[str] = []
        self._limit = in_memory
        self._kept: dict[Hashable, State | _InFile] = {}
        self._sizes: dict[Hashable, int] = {}
        self._in_memory = 0
        self._file: _File | None = None
        self._n_unmeasured = 0
        self._last_size = 0
        self._reading = threading.Lock()

    def __enter__(self) -> "StateStore":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.drop(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: Hashable, state: State) -> None:
        """Keep it, in place of what was there."""
        self.drop([key])
        if state.problem is not None:
            self.problems.append(state.problem)
            return
        size = self._size(state)
        if self._in_memory + size <= self._limit:
            self._kept[key] = state
            self._sizes[key] = size
            self._in_memory += size
        else:
            self._write(key, state)

    def lend(self, key: Hashable) -> Lent | None:
        """Return it for a task; it stays until it is dropped."""
        return Lent(self, key) if key in self._kept else None

    def read(self, key: Hashable) -> State:
        """Return a state that is kept."""
        kept = self._kept[key]
        if isinstance(kept, State):
            return kept
        with self._reading:
            pickled = kept.where.read(kept.start, kept.size)
        return _restored(kept.n_resources, kept.n_added, pickled, None)

    def drop(self, keys: Iterable[Hashable]) -> None:
        """Forget these, where they are known."""
        for key in keys:
            kept = self._kept.pop(key, None)
            self._in_memory -= self._sizes.pop(key, 0)
            if isinstance(kept, _InFile):
                kept.where.n_live -= 1
                if kept.where.n_live == 0:
                    self._close(kept.where)

    def drop_all_but(self, keys: Iterable[Hashable]) -> None:
        """Forget all others."""
        kept = set(keys)
        self.drop([key for key in self._kept if key not in kept])

    # -- files

    def _size(self, state: State) -> int:
        if not state.in_memory:
            return state.measured()
        if self._n_unmeasured == 0:
            self._last_size = state.measured()
        self._n_unmeasured = (self._n_unmeasured + 1) % _MEASURED_ONE_IN
        return self._last_size

    def _write(self, key: Hashable, state: State) -> None:
        pickled = state.packed()
        if pickled is None:
            self.problems.append(str(state.problem))
            return
        try:
            with self._reading:
                target = self._open_file()
                start = target.append(pickled)
        except OSError as error:  # A full disk, most likely.
            self.problems.append(f"{type(error).__name__}: {error}")
            if self._file is not None and self._file.n_live == 0:
                self._close(self._file)
            return
        target.n_live += 1
        self._kept[key] = _InFile(target, start, len(pickled), state.n_resources, state.n_added)

    def _open_file(self) -> _File:
        """Return the file to write to: a new one from time to time, so that old ones can go."""
        if self._file is None or self._file.size > self._limit:
            self._file = _File()
        return self._file

    def _close(self, file: _File) -> None:
        file.file.close()
        if file is self._file:
            self._file = None
