"""States: fitted estimators that are kept for their next rung, in memory or in temporary files."""

import pickle
import tempfile
import threading
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from skhyperband._executors.shared_memory import RemoteBuffer, SharedBuffer
from skhyperband._messages import str_of
from skhyperband._pickling import cloudpickle

# In bytes. When the states in memory would take more, a new one is written to a temporary file.
MAX_BYTES_IN_MEMORY = 2**28
# Measuring an estimator in memory means pickling it. So only every eighth one is measured, and
# the next ones are taken to be as large.
_MEASURING_INTERVAL = 8
# In bytes. From this size on shared memory is quicker than a pipe.
_PIPE_SIZE = 2**18


@dataclass(frozen=True)
class _InSharedMemory:
    """A pickled estimator in a shared buffer."""

    buffer: SharedBuffer | RemoteBuffer
    size: int

    def __len__(self) -> int:
        return self.size


def _bytes_of(pickled: bytes | _InSharedMemory) -> bytes | memoryview:
    return pickled.buffer.read(pickled.size) if isinstance(pickled, _InSharedMemory) else pickled


class State:
    """A fitted estimator whose training may be continued.

    In the process that fitted it, it holds the estimator. Another process receives it with the
    pickled estimator, which is unpickled only when it is opened.

    Parameters
    ----------
    fitted : estimator
    n_resources : int
        Amount of the resource that it was trained with.
    n_added : int
        Amount of the resource that its last fit added.

    Attributes
    ----------
    problem : str or None
        Why the estimator cannot be pickled.
    """

    def __init__(self, fitted: Any, n_resources: int, n_added: int):
        self.n_resources = n_resources
        self.n_added = n_added
        self.problem: str | None = None
        self._fitted = fitted
        self._pickled: bytes | _InSharedMemory | None = None

    def open(self) -> Any:
        """Return the estimator, which the caller may change; None where it was given away before.

        From bytes each call makes a new estimator, since a task may be tried again.
        """
        if self._pickled is not None:
            return pickle.loads(_bytes_of(self._pickled))
        fitted, self._fitted = self._fitted, None
        return fitted

    def read(self) -> "State":
        """Return itself, as a `StateReference` returns the state that it refers to."""
        return self

    def dump(self) -> bytes | memoryview | None:
        """Return the pickled estimator; where that fails, set `problem` and return None."""
        if self._pickled is None and self.problem is None:
            try:
                return cloudpickle.dumps(self._fitted)
            except Exception as error:  # Whatever an estimator's own pickling may raise.
                self.problem = f"{type(error).__name__}: {str_of(error)}"
        return None if self._pickled is None else _bytes_of(self._pickled)

    def write_to(self, buffer: RemoteBuffer) -> None:
        """Pickle the estimator, and write it to the buffer if it is large."""
        pickled = self.dump()
        if pickled is None:
            return
        if len(pickled) >= _PIPE_SIZE and buffer.write(pickled):
            self._pickled = _InSharedMemory(buffer, len(pickled))
        else:
            self._pickled = bytes(pickled)

    @property
    def exceeds_pipe_size(self) -> bool:
        """Whether it came from another process, and should have come through shared memory."""
        return self._pickled is not None and self.size() >= _PIPE_SIZE

    def size(self) -> int:
        """Return the size of the pickled estimator in bytes, without copying its arrays."""
        if self._pickled is not None:
            return len(self._pickled)
        sizes: list[int] = []

        def count(buffer: pickle.PickleBuffer) -> None:
            sizes.append(buffer.raw().nbytes)

        try:
            rest = cloudpickle.dumps(self._fitted, protocol=5, buffer_callback=count)
        except Exception:
            return 0  # It cannot be written to a file, so that it has to stay in memory.
        return sum(sizes) + len(rest)

    @property
    def in_memory(self) -> bool:
        """Whether it holds the estimator itself, and not its pickle."""
        return self._pickled is None

    def __reduce__(self) -> tuple[Any, ...]:
        pickled = self._pickled if isinstance(self._pickled, _InSharedMemory) else self.dump()
        return _restore, (self.n_resources, self.n_added, pickled, self.problem)


def _restore(
    n_resources: int, n_added: int, pickled: bytes | _InSharedMemory | None, problem: str | None
) -> State:
    state = State(None, n_resources, n_added)
    state._pickled, state.problem = pickled, problem
    return state


class StateReference:
    """Refers to a state in a store, from which the state is read when it is used or pickled.

    Another process receives it as the state.
    """

    def __init__(self, store: "LocalStateStore", key: Hashable):
        self._store = store
        self._key = key

    def read(self) -> State:
        """Return the state that it refers to."""
        return self._store.read(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.read().__reduce__()


@dataclass
class _TemporaryFile:
    """A temporary file without a name, which the system deletes when the process ends.

    It is unbuffered: closing it must not try again to write what a full disk refused.
    """

    file: Any = field(default_factory=partial(tempfile.TemporaryFile, buffering=0))
    size: int = 0
    n_states: int = 0

    def append(self, data: bytes | memoryview) -> int:
        """Write the data to the end of the file; return the offset at which they start."""
        start = self.file.seek(self.size)
        rest = memoryview(data)
        while rest:
            rest = rest[self.file.write(rest) :]
        self.size += len(data)
        return int(start)

    def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes from the offset `start` on."""
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
    """A state whose pickled estimator is in a temporary file."""

    file: _TemporaryFile
    start: int
    size: int
    n_resources: int
    n_added: int


class LocalStateStore:
    """The `StateStore` of executors whose states are kept by the main process.

    Parameters
    ----------
    max_bytes_in_memory : int
        When the states in memory would take more, a new one is written to a temporary file.

    Attributes
    ----------
    problems : list of str
        Why states were lost; their candidates are fitted fresh.
    """

    def __init__(self, max_bytes_in_memory: int = MAX_BYTES_IN_MEMORY):
        self.problems: list[str] = []
        self._limit = max_bytes_in_memory
        self._kept: dict[Hashable, State | _InFile] = {}
        self._sizes: dict[Hashable, int] = {}
        self._bytes_in_memory = 0
        self._file: _TemporaryFile | None = None
        self._n_unmeasured = 0
        self._last_size = 0
        # Threads read states while the main thread writes others; a file has one position.
        self._file_lock = threading.Lock()

    def close(self) -> None:
        """Drop all states."""
        self.drop(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: Hashable, state: State) -> None:
        """Keep a state, and drop the one that was kept under this key before."""
        self.drop([key])
        if state.problem is not None:
            self.problems.append(state.problem)
            return
        size = self._measure(state)
        if self._bytes_in_memory + size <= self._limit:
            self._kept[key] = state
            self._sizes[key] = size
            self._bytes_in_memory += size
        else:
            self._write(key, state)

    def lend(self, key: Hashable) -> StateReference | None:
        """Return a reference to a state for a task, or None; the store keeps the state."""
        return StateReference(self, key) if key in self._kept else None

    def read(self, key: Hashable) -> State:
        """Return the state under this key."""
        kept = self._kept[key]
        if isinstance(kept, State):
            return kept
        with self._file_lock:
            pickled = kept.file.read(kept.start, kept.size)
        return _restore(kept.n_resources, kept.n_added, pickled, None)

    def drop(self, keys: Iterable[Hashable]) -> None:
        """Drop the states under these keys, as far as the store has them."""
        for key in keys:
            kept = self._kept.pop(key, None)
            self._bytes_in_memory -= self._sizes.pop(key, 0)
            if isinstance(kept, _InFile):
                kept.file.n_states -= 1
                if kept.file.n_states == 0:
                    self._close(kept.file)

    def drop_all_but(self, keys: Iterable[Hashable]) -> None:
        """Drop the states under all other keys."""
        kept = set(keys)
        self.drop([key for key in self._kept if key not in kept])

    # -- sizes and files

    def _measure(self, state: State) -> int:
        """Return the size of a state, or that of an earlier one where measuring is costly."""
        if not state.in_memory:
            return state.size()
        if self._n_unmeasured == 0:
            self._last_size = state.size()
        self._n_unmeasured = (self._n_unmeasured + 1) % _MEASURING_INTERVAL
        return self._last_size

    def _write(self, key: Hashable, state: State) -> None:
        pickled = state.dump()
        if pickled is None:
            self.problems.append(str(state.problem))
            return
        try:
            with self._file_lock:
                file = self._provide_file()
                start = file.append(pickled)
        except OSError as error:  # Most likely the disk is full.
            self.problems.append(f"{type(error).__name__}: {error}")
            if self._file is not None and self._file.n_states == 0:
                self._close(self._file)
            return
        file.n_states += 1
        self._kept[key] = _InFile(file, start, len(pickled), state.n_resources, state.n_added)

    def _provide_file(self) -> _TemporaryFile:
        """Return the file to write to; open a new one when there is none or it has become large.

        A file is closed when all of its states are dropped; a single one would last the search.
        """
        if self._file is None or self._file.size > self._limit:
            self._file = _TemporaryFile()
        return self._file

    def _close(self, file: _TemporaryFile) -> None:
        file.file.close()
        if file is self._file:
            self._file = None
