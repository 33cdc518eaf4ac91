"""Decides how finished evaluations are kept on disk: in one SQLite file, as data only.

Nothing in the file is code: no pickle, no class to import. What does not look as it was
written here is refused. One search writes at a time; any number may read meanwhile.
"""

import contextlib
import errno
import json
import os
import re
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

SCHEMA = 1
# Says of a SQLite file that it is one of ours: "skhb".
_APPLICATION = 0x736B6862
# Bytes; no text here is nearly as long.
_LONGEST = 2**24
# No clock shows a later time: the year 10000, in seconds since 1970.
_LATEST = 253_402_300_800.0
# A search that is given no seed draws one below this.
_SEEDS = 2**31 - 1
# SQLite's integers have 64 bits.
LARGEST_INTEGER = 2**63 - 1
# What SQLite keeps beside a database.
_BESIDE = ("-wal", "-shm", "-journal")

_TABLES = (
    "CREATE TABLE search (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE evaluation (key BLOB PRIMARY KEY, params TEXT, n_resources INTEGER,
    split INTEGER, test_scores TEXT, train_scores TEXT, fit_time REAL, score_time REAL,
    n_trained INTEGER, failed_step TEXT, failure TEXT, finished REAL)""",
)

Scores = float | dict[str, float | None] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished evaluation: a row of the file.

    Attributes
    ----------
    params : str
        The candidate as JSON, for those who read.
    n_resources, split : int
    test_scores, train_scores : float, dict of str to float, or None
    fit_time, score_time : float
        Seconds.
    n_trained : int
    failed_step, failure : str or None
        Where and why it failed.
    finished : float
        When, in seconds since 1970.
    """

    params: str
    n_resources: int
    split: int
    test_scores: Scores
    train_scores: Scores
    fit_time: float
    score_time: float
    n_trained: int
    failed_step: str | None
    failure: str | None
    finished: float

    def as_row(self) -> tuple[Any, ...]:
        """Return what SQLite stores; JSON, since SQLite has no NaN."""
        row = [json.dumps(v) if n in _SCORES else v for n, v in _named(astuple(self))]
        return tuple(_storable(value) if isinstance(value, str) else value for value in row)


_COLUMNS = tuple(field.name for field in fields(Entry))
_SCORES = ("test_scores", "train_scores")
_ADD = (
    f"INSERT OR REPLACE INTO evaluation (key, {', '.join(_COLUMNS)}) "
    f"VALUES (?{', ?' * len(_COLUMNS)})"
)
# By way of the row's number, so that the key is read from the table and not from its index.
_FIND = (
    f"SELECT key, {', '.join(_COLUMNS)} FROM evaluation "
    "WHERE rowid = (SELECT rowid FROM evaluation WHERE key = ?)"
)
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM evaluation ORDER BY rowid"


def _named(row: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    return zip(_COLUMNS, row, strict=True)


def _storable(text: str) -> str:
    """Return it without what UTF-8 has no code for."""
    return text.encode("utf-8", "replace").decode()


def _entry(row: tuple[Any, ...]) -> Entry:
    """Return a row as it was written; raise for one that was not written here."""
    values: dict[str, Any] = dict(_named(row))
    values |= {name: _scores(values[name]) for name in _SCORES}
    entry = Entry(**values)
    failed = (entry.failed_step, entry.failure)
    if not (
        _are_params(entry.params)
        and all(_is_count(n) for n in (entry.n_resources, entry.split, entry.n_trained))
        and all(_is_time(t) for t in (entry.fit_time, entry.score_time, entry.finished))
        and (failed == (None, None) or all(isinstance(text, str) for text in failed))
    ):
        raise ValueError(f"a row reads {row!r:.200}")
    return entry


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_time(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < _LATEST


def _are_params(text: Any) -> bool:
    """Return whether it is a JSON object of plain values."""
    params = _from_json(text, "the candidate")
    plain = (type(None), bool, int, float, str)
    return isinstance(params, dict) and all(type(value) in plain for value in params.values())


def _from_json(text: Any, what: str) -> Any:
    """Return what JSON says; raise ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"{what} reads {text!r:.200}")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{what} is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{what} reads {text!r:.200}") from error


def _scores(text: Any) -> Scores:
    """Return scores from JSON; raise for anything else."""
    scores = _from_json(text, "a score")
    values = list(scores.values()) if isinstance(scores, dict) else [scores]
    if not values or not all(value is None or type(value) is float for value in values):
        raise ValueError(f"a score reads {text!r:.200}")
    return scores


# --- one writer --------------------------------------------------------------------


class _Lock:
    """Held by one search at a time, in whatever thread or process; gone with it.

    On a file beside the journal: on the journal itself it would keep readers out, or be
    given up with each transaction.
    """

    def __init__(self, path: str):
        self._path = f"{path}-lock"
        self._file = self._take()
        while not self._is_there():  # Its holder removed it just before it was locked.
            self._file.close()
            self._file = self._take()

    def _take(self) -> BinaryIO:
        _check_regular(self._path, "its lock file is")
        file = open(self._path, "ab", opener=_opened_at_once)  # noqa: SIM115
        try:
            _lock(file)
        except OSError as error:
            file.close()
            if error.errno not in _HELD:
                raise
            raise _ForeignError(
                "another search is writing to it. Wait for it, or use another file."
            ) from error
        return file

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.lstat(self._path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        with contextlib.suppress(OSError):  # Windows removes no open file.
            os.unlink(self._path)
        self._file.close()


# What a lock that another one holds is refused with.
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


def _opened_at_once(path: str, flags: int) -> int:
    """Open neither what a link leads to nor what waits for a reader."""
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


# --- the file ----------------------------------------------------------------------


class Journal:
    """The file that a search writes to, and finds earlier evaluations in.

    Parameters
    ----------
    path : str
    identity : mapping of str to str
        What all searches in the file share, by what it is called in an error.

    Raises
    ------
    ValueError
        Where the file cannot be used: it is none of ours, of a newer version, in use,
        read-only, or of something else.
    """

    def __init__(self, path: str, identity: Mapping[str, str]):
        self._name = path
        try:
            path = os.path.realpath(path)  # Two links to one file have one lock.
            _check_files(path)
            _check_names(path)
            self._lock = _Lock(path)
        except (OSError, ValueError, _ForeignError) as error:
            raise self._refusal(error) from error
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = _connected(path)
            self._prepare(self._connection)
            self._identify(identity)
        except (sqlite3.Error, ValueError, _ForeignError) as error:
            self.close()
            raise self._refusal(error) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    def close(self) -> None:
        """Leave the one file only, and to others."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # A full disk: the log stays beside it.
                self._connection.close()
        self._lock.release()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables in a new file; look at those of an old one before touching it."""
        _check_kind(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        if not _objects(connection):
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")

    def _identify(self, identity: Mapping[str, str]) -> None:
        for name, value in identity.items():
            known = self._remember(name, value)
            if known != value:
                raise _ForeignError(
                    f"it is of another {name}: {known:.200} there, {value} here. "
                    "Give each its own file."
                )

    def _refusal(self, error: Exception) -> ValueError:
        return ValueError(f"journal={self._name!r} cannot be used: {_advised(error)}")

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def remember(self, name: str, value: str) -> str:
        """Return what the file says of it; what it is told, where it says nothing yet."""
        with self._writing():
            return self._remember(name, value)

    def remember_seed(self, seed: int) -> int:
        """Return the seed that the file has; what it is told, where it has none yet.

        Raises
        ------
        ValueError
            Where what it has is none.
        """
        known = self.remember("seed", str(seed))
        if not (known.isascii() and known.isdecimal() and len(known) < 11 and int(known) < _SEEDS):
            raise ValueError(
                f"journal={self._name!r} is damaged: its seed reads {known!r:.200}. Give "
                "random_state an integer, or start again with a new file."
            )
        return int(known)

    def _remember(self, name: str, value: str) -> str:
        self._open.execute("INSERT OR IGNORE INTO search VALUES (?, ?)", (name, value))
        found = self._open.execute("SELECT value FROM search WHERE name = ?", (name,)).fetchone()
        if found is None:  # Its index says something else than its table.
            raise sqlite3.DatabaseError("database disk image is malformed")
        return str(found[0])

    def find(self, key: bytes) -> Entry | None:
        """Return what was measured under this key.

        Raises
        ------
        ValueError
            Where the file is damaged.
        """
        try:
            row = self._open.execute(_FIND, (key,)).fetchone()
            if row is None:
                return None
            if row[0] != key:  # A log of another file was beside it.
                raise ValueError("its index leads to other rows")
            return _entry(row[1:])
        except (sqlite3.Error, ValueError) as error:
            raise self._damage(error) from error

    def _damage(self, error: Exception) -> ValueError:
        return ValueError(
            f"journal={self._name!r} is damaged ({error}); what the search measured is "
            "in cv_results_. Start again with a new file."
        )

    def add(self, key: bytes, entry: Entry) -> None:
        """Keep an evaluation; it is safe from the end of this process on return.

        Raises
        ------
        OSError
            Where it cannot be written.
        ValueError
            Where the file is damaged.
        """
        with self._writing():
            self._open.execute(_ADD, (key, *entry.as_row()))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _DAMAGED.search(str(error)):
                raise self._damage(error) from error
            raise OSError(
                f"journal={self._name!r} cannot be written: {_advised(error)} What is in it is "
                "safe: start the search again with the same file."
            ) from error


class _ForeignError(Exception):
    """The file is not what a search may write to."""


# What to do, by what is said of the problem.
_ADVICE = (
    ("locked", "; another program holds it. Wait for it, or use another file."),
    ("readonly", "; it must be writable, or copied to where it is."),
    ("Permission denied", "; it and its folder must be writable, or copied to where they are."),
    ("not a database", "; it is another kind of file. Name one that does not exist yet."),
    (
        "unable to open",
        "; it and its folder must be there to be written to, and it must be no folder.",
    ),
    ("No such file", "; its folder must exist."),
    ("malformed", "; it is damaged. Use another file."),
    ("decode", "; it is damaged. Use another file."),
    ("full", "; make room on the disk."),
    ("disk I/O", "; see that the disk has room, and is sound."),
)


def _advised(error: Exception) -> str:
    """Return what was wrong, and what to do."""
    text = str(error).rstrip(".")
    return text + next((words for part, words in _ADVICE if part in text), ".")


# What SQLite says of a file that is not as it was written.
_DAMAGED = re.compile("malformed|not a database|decode to UTF-8")


# What else a name may be of, and what it is called.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def _check_regular(path: str, what: str) -> None:
    """Raise for what is there and no regular file: to open it may wait for ever."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        kind = next((name for is_it, name in _KINDS if is_it(mode)), "a device")
        raise _ForeignError(f"{what} {kind}, and no regular file. Remove it, or use another file.")


def _check_files(path: str) -> None:
    """Raise unless it, and what SQLite keeps beside it, are regular files or not there."""
    _check_regular(path, "it is")
    for ending in _BESIDE:
        _check_regular(path + ending, f"{os.path.basename(path)}{ending} beside it is")


def _check_names(path: str) -> None:
    """Raise for a file with another name, under which another search could write to it."""
    with contextlib.suppress(FileNotFoundError):
        if os.stat(path).st_nlink > 1:
            raise _ForeignError(
                "it has another name (a hard link), under which another search could write "
                "to it. Use a copy of it."
            )


def _connected(path: str, query: str = "") -> sqlite3.Connection:
    """Open a file, new or not, that may be anyone's."""
    uri = f"{Path(path).as_uri()}{query}"
    connection = sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _objects(connection: sqlite3.Connection) -> set[tuple[Any, ...]]:
    """Return all tables, views, indices and triggers, as they were made."""
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def _check_kind(connection: sqlite3.Connection) -> None:
    """Raise unless it is empty, or has what we make and nothing else."""
    objects = _objects(connection)
    if not objects:
        return
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise _ForeignError(
            "it is a database of something else. Name a file that does not exist yet."
        )
    if schema > SCHEMA:
        raise _ForeignError(
            f"it was written by a newer version of skhyperband (schema {schema}, known "
            f"here up to {SCHEMA}). Upgrade, or use another file."
        )
    with contextlib.closing(sqlite3.connect(":memory:")) as example:
        for table in _TABLES:
            example.execute(table)
        if objects != _objects(example):
            raise _ForeignError("its tables were changed. Use another file.")


def read_entries(path: str) -> list[Entry]:
    """Return all that is in a journal, also while a search writes to it.

    Raises
    ------
    ValueError
        Where it is no journal, or a damaged one.
    FileNotFoundError
        Where there is no such file.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no journal {path!r}.")
    name, path = path, os.path.realpath(path)
    # Not mode=ro, which leaves the log's files behind. Who may not write may still read
    # what no search is writing.
    alone = not os.access(path, os.W_OK) and not os.path.exists(f"{path}-wal")
    query = "?mode=ro&immutable=1" if alone else "?mode=rw"
    try:
        _check_files(path)
        with contextlib.closing(_connected(path, query)) as connection:
            connection.execute("PRAGMA query_only = ON")
            _check_kind(connection)
            rows = connection.execute(_ALL) if _objects(connection) else ()
            return [_entry(row) for row in rows]
    except (OSError, sqlite3.Error, ValueError, _ForeignError) as error:
        raise ValueError(f"journal={name!r} cannot be read: {_advised(error)}") from error
