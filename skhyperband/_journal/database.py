"""The file of a journal: finished evaluations in SQLite, as data only.

Nothing in the file is code: no pickle, no class to import. A file whose content does not look
as it was written here is refused. One search writes at a time; any number of processes may
read meanwhile.
"""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skhyperband._journal.entries import COLUMNS, Entry, entry_from_row
from skhyperband._journal.files import (
    FileLock,
    UnusableFileError,
    check_files,
    check_hard_links,
)

# The version of the tables below.
SCHEMA = 1
# Marks a SQLite file as a journal of this package: the bytes of "skhb".
_APPLICATION_ID = 0x736B6862
# In bytes. No text that is written here is nearly as long.
_LONGEST_TEXT = 2**24
# A search that is given no seed draws one below this number.
_SEED_LIMIT = 2**31 - 1
# SQLite's integers have 64 bits.
LARGEST_INTEGER = 2**63 - 1

_TABLES = (
    "CREATE TABLE search (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE evaluation (key BLOB PRIMARY KEY, params TEXT, n_resources INTEGER,
    split INTEGER, test_scores TEXT, train_scores TEXT, fit_time REAL, score_time REAL,
    n_trained INTEGER, failed_step TEXT, failure TEXT, finished REAL)""",
)
# A row that is replaced keeps its number, which says when the evaluation was first made.
_ADD = (
    f"INSERT INTO evaluation (key, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)}) "
    f"ON CONFLICT(key) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in COLUMNS)}"
)
# The row is looked up by its number, so that the key is read from the table and not from its
# index: the two differ in a damaged file.
_FIND = (
    f"SELECT key, {', '.join(COLUMNS)} FROM evaluation "
    "WHERE rowid = (SELECT rowid FROM evaluation WHERE key = ?)"
)
_LAST_ROW = "SELECT coalesce(max(rowid), 0) FROM evaluation"
_READ_FIRST = f"SELECT key, {', '.join(COLUMNS)} FROM evaluation WHERE rowid <= ? ORDER BY rowid"
_READ_ALL = f"SELECT {', '.join(COLUMNS)} FROM evaluation ORDER BY rowid"


# --- errors ------------------------------------------------------------------------

# What to do about an error, by a part of the text of SQLite or of the system.
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
# What SQLite says of a file whose content was changed by something else.
_DAMAGED = re.compile("malformed|not a database|decode to UTF-8")


def _with_advice(error: Exception) -> str:
    """Return the text of an error, and what to do about it."""
    text = str(error).rstrip(".")
    return text + next((advice for part, advice in _ADVICE if part in text), ".")


# --- writing -----------------------------------------------------------------------


class Journal:
    """The file that a search writes to, and in which it finds earlier evaluations.

    Parameters
    ----------
    path : str
    identity : mapping of str to str
        What all searches in the file must share, by the name that an error gives it.

    Raises
    ------
    ValueError
        If the file cannot be used: it is no journal, belongs to a newer version or to other
        data, is read-only, or another search writes to it.
    """

    def __init__(self, path: str, identity: Mapping[str, str]):
        self._name = path
        try:
            path = os.path.realpath(path)  # Two links to one file must share one lock.
            check_files(path)
            check_hard_links(path)
            self._lock = FileLock(path)
        except (OSError, ValueError, UnusableFileError) as error:
            raise self._refusal(error) from error
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = _connected(path)
            self._prepare(self._connection)
            self._check_identity(identity)
        except (sqlite3.Error, ValueError, UnusableFileError) as error:
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
        """Close the file, so that nothing lies beside it, and release its lock."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # On a full disk the log stays beside it.
                self._connection.close()
        self._lock.release()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Create the tables in a new file; check those of an existing one before any write."""
        _check_schema(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        if not _schema_objects(connection):
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")

    def _check_identity(self, identity: Mapping[str, str]) -> None:
        """Raise if the file belongs to something else; one without evaluations takes this identity.

        Where all evaluations of the search before have failed, the data may have been mended.
        """
        (last,) = self._open.execute(_LAST_ROW).fetchone()
        if not last:
            self._open.executemany(
                "INSERT OR REPLACE INTO search VALUES (?, ?)", list(identity.items())
            )
        for name, value in identity.items():
            known = self._remember(name, value)
            if known != value:
                raise UnusableFileError(
                    f"it is of another {name}: {known:.200} there, {value} here. "
                    "Give each its own file."
                )

    def _refusal(self, error: Exception) -> ValueError:
        return ValueError(f"journal={self._name!r} cannot be used: {_with_advice(error)}")

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def remember(self, name: str, value: str) -> str:
        """Return the value that the file has under this name; store this one if it has none."""
        with self._writing():
            return self._remember(name, value)

    def remember_seed(self, seed: int) -> int:
        """Return the seed that the file has; store this one if it has none.

        Raises
        ------
        ValueError
            If what the file has as its seed is no seed.
        """
        known = self.remember("seed", str(seed))
        if not (_is_decimal(known) and int(known) < _SEED_LIMIT):
            raise ValueError(
                f"journal={self._name!r} is damaged: its seed reads {known!r:.200}. Give "
                "random_state an integer, or start again with a new file."
            )
        return int(known)

    def entries_before(self, search: str) -> dict[bytes, Entry]:
        """Return the evaluations that were in the file when this search first began, by key.

        A search that is resumed must know what it knew the first time, and no more, to make the
        same choices again.

        Parameters
        ----------
        search : str
            A digest of all on which the choices of the search depend.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        try:
            (last,) = self._open.execute(_LAST_ROW).fetchone()
            last = self.remember(f"known to {search}", str(last))
            if not _is_decimal(last):
                raise ValueError(f"a number of rows reads {last!r:.200}")
            rows = self._open.execute(_READ_FIRST, (int(last),))
            return {row[0]: entry_from_row(row[1:]) for row in rows}
        except (sqlite3.Error, ValueError) as error:
            raise self._damage(error) from error

    def _remember(self, name: str, value: str) -> str:
        self._open.execute("INSERT OR IGNORE INTO search VALUES (?, ?)", (name, value))
        found = self._open.execute("SELECT value FROM search WHERE name = ?", (name,)).fetchone()
        if found is None:  # The index of the table has a name that the table does not have.
            raise sqlite3.DatabaseError("database disk image is malformed")
        return str(found[0])

    def find(self, key: bytes) -> Entry | None:
        """Return the evaluation with this key, or None.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        try:
            row = self._open.execute(_FIND, (key,)).fetchone()
            if row is None:
                return None
            if row[0] != key:  # SQLite applied a log that belongs to another file.
                raise ValueError("its index leads to other rows")
            return entry_from_row(row[1:])
        except (sqlite3.Error, ValueError) as error:
            raise self._damage(error) from error

    def _damage(self, error: Exception) -> ValueError:
        return ValueError(
            f"journal={self._name!r} is damaged ({error}); what the search measured is "
            "in cv_results_. Start again with a new file."
        )

    def add(self, key: bytes, entry: Entry) -> None:
        """Store an evaluation. When this returns, no end of the process can lose it.

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If the file is damaged.
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
                f"journal={self._name!r} cannot be written: {_with_advice(error)} What is in it "
                "is safe: start the search again with the same file."
            ) from error


def _is_decimal(text: str) -> bool:
    """Return whether the text is a number that fits into SQLite's integers."""
    return text.isascii() and text.isdecimal() and len(text) < 19


def _connected(path: str, query: str = "") -> sqlite3.Connection:
    """Open a file, new or not, whose content need not be trusted."""
    uri = f"{Path(path).as_uri()}{query}"
    connection = sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_TEXT)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _schema_objects(connection: sqlite3.Connection) -> set[tuple[Any, ...]]:
    """Return all tables, views, indices and triggers, with the SQL that made them."""
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def _check_schema(connection: sqlite3.Connection) -> None:
    """Raise unless the file is empty, or has exactly the tables of a journal."""
    objects = _schema_objects(connection)
    if not objects:
        return
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != _APPLICATION_ID:
        raise UnusableFileError(
            "it is a database of something else. Name a file that does not exist yet."
        )
    if schema > SCHEMA:
        raise UnusableFileError(
            f"it was written by a newer version of skhyperband (schema {schema}, known "
            f"here up to {SCHEMA}). Upgrade, or use another file."
        )
    with contextlib.closing(sqlite3.connect(":memory:")) as example:
        for table in _TABLES:
            example.execute(table)
        if objects != _schema_objects(example):
            raise UnusableFileError("its tables were changed. Use another file.")


# --- reading -----------------------------------------------------------------------


def read_entries(path: str) -> list[Entry]:
    """Return all evaluations in a journal, also while a search writes to it.

    Raises
    ------
    ValueError
        If the file is no journal, or a damaged one.
    FileNotFoundError
        If there is no such file.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no journal {path!r}.")
    name, path = path, os.path.realpath(path)
    # Not mode=ro, which leaves the files of the log behind. A user who may not write the file
    # may still read it while no search writes to it, since then there is no log to look at.
    is_frozen = not os.access(path, os.W_OK) and not os.path.exists(f"{path}-wal")
    query = "?mode=ro&immutable=1" if is_frozen else "?mode=rw"
    try:
        check_files(path)
        with contextlib.closing(_connected(path, query)) as connection:
            connection.execute("PRAGMA query_only = ON")
            _check_schema(connection)
            rows = connection.execute(_READ_ALL) if _schema_objects(connection) else ()
            return [entry_from_row(row) for row in rows]
    except (OSError, sqlite3.Error, ValueError, UnusableFileError) as error:
        raise ValueError(f"journal={name!r} cannot be read: {_with_advice(error)}") from error
