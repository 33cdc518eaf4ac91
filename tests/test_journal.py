import contextlib
import json
import math
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skhyperband import _journal
from skhyperband._journal import SCHEMA, Entry, Journal, read_entries

ROOT = Path(__file__).parents[1]
IDENTITY = {"estimator": "package.Class", "X": "array (3, 2) 00ff", "y": "array (3,) 11"}
ENTRY = Entry('{"C": 1}', 9, 0, 0.5, None, 0.25, 0.125, 6, None, None, 1e9)


@pytest.fixture
def path(tmp_path):
    """Give a path where nothing is yet."""
    return str(tmp_path / "search.sqlite")


def opened(path, **identity):
    return Journal(path, IDENTITY | identity)


def change(path, *statements):
    """Do something to the file that no search does."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(*([statement] if isinstance(statement, str) else statement))
        connection.commit()


def in_child(program, *args, **options):
    """Run a program in another process; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what is kept ------------------------------------------------------------------

numbers = st.floats(allow_nan=True, allow_infinity=True)
scores = st.none() | numbers | st.dictionaries(st.text(), st.none() | numbers, min_size=1)
seconds = st.floats(0, 1e9)
entries = st.builds(
    Entry,
    params=st.text(),
    n_resources=st.integers(1, 2**40),
    split=st.integers(0, 1000),
    test_scores=scores,
    train_scores=scores,
    fit_time=seconds,
    score_time=seconds,
    n_trained=st.integers(0, 2**40),
    failed_step=st.none(),
    failure=st.none(),
    finished=seconds,
) | st.builds(replace, st.just(ENTRY), failed_step=st.text(), failure=st.text())


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.binary(min_size=16, max_size=16), entries, max_size=8))
def test_what_is_added_is_found_to_the_last_bit(tmp_path_factory, kept):
    """NaN, infinities and names of any language come back as they were."""
    path = str(tmp_path_factory.mktemp("journal") / "j")
    with opened(path) as journal:
        for key, entry in kept.items():
            journal.add(key, entry)
    with opened(path) as journal:
        found = {key: journal.find(key) for key in kept}
        missing = journal.find(b"another key 1234")

    assert repr(found) == repr(kept)
    assert missing is None
    assert repr(read_entries(path)) == repr(list(kept.values()))


def test_text_that_has_no_code_is_kept_without_it(path):
    """A traceback may hold half of a surrogate pair."""
    with opened(path) as journal:
        journal.add(b"key", replace(ENTRY, failed_step="fit", failure="a\udcffb"))

        assert journal.find(b"key").failure == "a?b"


def test_later_entry_takes_the_place_of_the_earlier(path):
    """The same computation has one row."""
    with opened(path) as journal:
        journal.add(b"key", ENTRY)
        journal.add(b"key", replace(ENTRY, train_scores=0.75))

    assert [entry.train_scores for entry in read_entries(path)] == [0.75]


def test_first_word_is_remembered(path):
    """What a search draws is what the next one goes by."""
    with opened(path) as journal:
        first = journal.remember("seed", "1"), journal.remember("seed", "2")
    with opened(path) as journal:
        later = journal.remember("seed", "3")

    assert (*first, later) == ("1", "1", "1")


def test_closing_leaves_one_file(path):
    """The log and the lock beside it are gone."""
    with opened(path) as journal:
        journal.add(b"key", ENTRY)
        during = sorted(os.listdir(os.path.dirname(path)))

    assert "search.sqlite-lock" in during
    assert os.listdir(os.path.dirname(path)) == ["search.sqlite"]


def test_process_that_ends_in_the_middle_loses_nothing_that_was_added(path):
    """os._exit closes nothing; the next to open finds it all."""
    program = """
import os, sys
from skhyperband._journal import Journal
from tests.test_journal import ENTRY, IDENTITY
journal = Journal(sys.argv[1], IDENTITY)
for number in range(100):
    journal.add(b"%d" % number, ENTRY)
os._exit(0)
"""
    in_child(program, path)

    with opened(path) as journal:
        assert all(journal.find(b"%d" % number) == ENTRY for number in range(100))


def test_any_path_is_a_file(tmp_path, monkeypatch):
    """No name means memory, or a web address, or a command of SQLite."""
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:x?mode=memory", "a b%20c#d?e.sqlite", "ä"):
        with opened(name):
            pass

        assert os.path.getsize(tmp_path / name) > 0


# --- what is refused ---------------------------------------------------------------


def no_database(path):
    Path(path).write_text("a,b\n1,2\n" * 1000)


def another_database(path):
    change(path, "CREATE TABLE evaluation (key, price)")


def newer(path):
    opened(path).close()
    change(path, f"PRAGMA user_version = {SCHEMA + 1}")


def with_a_trigger(path):
    opened(path).close()
    change(
        path,
        "CREATE TRIGGER t AFTER INSERT ON evaluation BEGIN DELETE FROM evaluation; END",
    )


def with_a_view(path):
    opened(path).close()
    change(
        path,
        "DROP TABLE search",
        "CREATE VIEW search AS SELECT 'seed' AS name, load_extension('x') AS value",
    )


def torn(path):
    opened(path).close()
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[:100] + b"\xff" * (len(data) - 100))


REFUSED = {
    "no database": (no_database, "not a database; it is another kind of file"),
    "another database": (another_database, "a database of something else"),
    "newer": (newer, rf"newer version of skhyperband \(schema {SCHEMA + 1}, .*Upgrade"),
    "trigger": (with_a_trigger, "tables were changed"),
    "view": (with_a_view, "tables were changed"),
    "torn": (torn, "malformed"),
    "folder": (os.mkdir, "unable to open .* no folder"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_journal_is_refused_and_left_as_it_is(path, make, message):
    """The error names the file and the way out; not a byte of it is changed."""
    make(path)
    before = None if os.path.isdir(path) else Path(path).read_bytes()

    with pytest.raises(
        ValueError, match=rf"journal='.*search\.sqlite' cannot be used: .*{message}"
    ):
        opened(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_entries(path)

    assert os.listdir(os.path.dirname(path)) == ["search.sqlite"]
    assert before is None or Path(path).read_bytes() == before


def test_missing_folder_is_refused(tmp_path):
    """A path that leads nowhere says so."""
    with pytest.raises(ValueError, match="its folder must exist"):
        opened(str(tmp_path / "no" / "such.sqlite"))
    with pytest.raises(FileNotFoundError, match="no journal"):
        read_entries(str(tmp_path / "no" / "such.sqlite"))


@pytest.mark.parametrize("name", IDENTITY)
def test_journal_of_something_else_says_what_differs(path, name):
    """Other data, or another estimator, need a file of their own."""
    opened(path).close()

    with pytest.raises(
        ValueError, match=rf"another {name}: .*{IDENTITY[name][:5]}.* there, other"
    ):
        opened(path, **{name: "other"})
    opened(path).close()


def test_second_writer_is_refused_in_the_same_process(path):
    """Also another thread's; when the first is done the file is free."""
    refused = []

    def try_it():
        try:
            opened(path)
        except ValueError as error:
            refused.append(str(error))

    with opened(path) as journal:
        journal.add(b"key", ENTRY)
        try_it()
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        journal.add(b"another", ENTRY)

    assert len(refused) == 2
    assert all("another search is writing" in text for text in refused)
    assert len(read_entries(path)) == 2
    opened(path).close()


WRITER = """
import sys, time
from skhyperband._journal import Journal
from tests.test_journal import ENTRY, IDENTITY
with Journal(sys.argv[1], IDENTITY) as journal:
    journal.add(b"key", ENTRY)
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_second_writer_is_refused_in_another_process_until_it_is_killed(path):
    """A lock goes with its process, whatever ends it; readers are never kept out."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as writer:
        assert writer.stdout.readline() == "ready\n"
        with pytest.raises(ValueError, match="another search is writing"):
            opened(path)
        seen = read_entries(path)
        writer.kill()
        writer.wait()

    assert seen == [ENTRY]
    with opened(path) as journal:
        assert journal.find(b"key") == ENTRY


def test_lock_that_its_holder_has_just_removed_is_taken_again(path, monkeypatch):
    """Who locks a file that has lost its name holds nothing; the next one may have another."""
    lock = _journal._lock
    locked = []

    def slow(file):
        if not locked:
            os.unlink(f"{path}-lock")
        locked.append(file.name)
        lock(file)

    monkeypatch.setattr(_journal, "_lock", slow)
    with opened(path):
        held = os.path.exists(f"{path}-lock")
        with pytest.raises(ValueError, match="another search is writing"):
            opened(path)

    assert held
    assert len(locked) == 3


TAKING_TURNS = """
import os, sys, time
from skhyperband._journal import Journal
from tests.test_journal import IDENTITY
inside = sys.argv[1] + ".inside"
n_held = n_together = 0
end = time.time() + 2
while time.time() < end:
    try:
        with Journal(sys.argv[1], IDENTITY):
            n_held += 1
            try:
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                n_together += 1
                continue
            os.unlink(inside)
    except ValueError as error:
        assert "another search is writing" in str(error), error
print(n_held, n_together)
"""


def test_writers_that_take_turns_are_never_two(path):
    """However they open and close, one is inside; the others are told that one is."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TAKING_TURNS, path], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    counts = [list(map(int, process.communicate(timeout=60)[0].split())) for process in processes]

    assert sum(n_held for n_held, _ in counts) > 20
    assert sum(n_together for _, n_together in counts) == 0


def test_lock_that_was_left_behind_is_no_lock(path):
    """The file of one that was killed is taken over."""
    Path(f"{path}-lock").touch()

    opened(path).close()

    assert not os.path.exists(f"{path}-lock")


UNPRIVILEGED = """
import os, sys
sys.path.insert(0, sys.argv[2])
import skhyperband._journal as journal
from tests.test_journal import IDENTITY
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    journal.Journal(sys.argv[1], IDENTITY)
except ValueError as error:
    print(error)
"""


READER = """
import os, sys
sys.path.insert(0, sys.argv[2])
from skhyperband._journal import read_entries
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(len(read_entries(sys.argv[1])))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a second user")
def test_who_may_not_write_may_read(path):
    """What no search is writing needs no log beside it."""
    with opened(path) as journal:
        journal.add(b"key", ENTRY)
    os.chmod(path, 0o444)
    os.chmod(os.path.dirname(path), 0o555)
    for parent in Path(path).parents[1:4]:
        os.chmod(parent, os.stat(parent).st_mode | 0o055)

    assert in_child(READER, path, str(ROOT)) == "1\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a second user")
@pytest.mark.parametrize("folder_too", [False, True], ids=["file", "folder"])
def test_what_may_not_be_written_is_refused(path, folder_too):
    """To a user who may only read it, the error says that it must be writable."""
    opened(path).close()
    folder = os.path.dirname(path)
    os.chmod(path, 0o444)
    os.chmod(folder, 0o555 if folder_too else 0o777)
    for parent in Path(folder).parents[:3]:
        os.chmod(parent, os.stat(parent).st_mode | 0o055)

    message = in_child(UNPRIVILEGED, path, str(ROOT))

    assert "must" in message
    assert "writable" in message


FULL = """
import resource, sys
from skhyperband._journal import Journal
from tests.test_journal import ENTRY, IDENTITY
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
n = 0
try:
    with Journal(sys.argv[1], IDENTITY) as journal:
        for n in range(100_000):
            journal.add(b"%d" % n, ENTRY)
except (OSError, ValueError) as error:
    print(n, type(error).__name__, error)
"""


@pytest.mark.parametrize(("room", "error"), [(0, "ValueError"), (200_000, "OSError")])
def test_full_disk_is_an_error_and_loses_nothing_that_was_added(path, room, error):
    """What does not fit is said; what fitted is there."""
    n, kind, message = in_child(FULL, path, str(room)).split(maxsplit=2)

    assert kind == error
    assert "search.sqlite' cannot be" in message
    assert "room" in message
    if room:
        assert int(n) > 10
        with opened(path) as journal:
            assert all(journal.find(b"%d" % number) == ENTRY for number in range(int(n)))


def test_full_database_is_an_error(path):
    """SQLite's own word for it leads to the same."""
    with opened(path) as journal:
        journal._connection.execute("PRAGMA max_page_count = 8")
        long = replace(ENTRY, params="x" * 2**17)

        with pytest.raises(OSError, match=r"cannot be written: .* full.*make room"):
            journal.add(b"key", long)


# --- what is in it -----------------------------------------------------------------

HOSTILE = {
    "pickle": ("test_scores", b"\x80\x04\x95"),
    "text": ("test_scores", '"good"'),
    "whole number": ("test_scores", "1"),
    "list": ("train_scores", "[0.5]"),
    "nested": ("test_scores", '{"a": {"b": 0.5}}'),
    "deep": ("test_scores", "[" * 100_000),
    "no JSON": ("test_scores", "__import__('os')"),
    "no scores": ("test_scores", None),
    "params": ("params", b"{}"),
    "time": ("fit_time", "soon"),
    "negative time": ("fit_time", -1.0),
    "endless time": ("score_time", math.inf),
    "failure": ("failure", b"x"),
    "half a failure": ("failure", "x"),
    "trained": ("n_trained", 0.5),
}


@pytest.mark.parametrize(("column", "value"), HOSTILE.values(), ids=HOSTILE)
def test_row_that_no_search_wrote_is_an_error(path, column, value):
    """It is data of another kind than what was kept there, and nothing is made of it."""
    with opened(path) as journal:
        journal.add(b"key", ENTRY)
    change(path, (f"UPDATE evaluation SET {column} = ?", (value,)))

    with opened(path) as journal, pytest.raises(ValueError, match=r"search\.sqlite' is damaged"):
        journal.find(b"key")
    with pytest.raises(ValueError, match="cannot be read"):
        read_entries(path)


def test_journal_that_is_only_just_begun_has_no_rows(path):
    """A reader may come before the tables are made."""
    Path(path).touch()

    assert read_entries(path) == []


def test_text_without_end_is_not_read(path):
    """A row larger than any that is written is refused before it fills the memory."""
    with opened(path) as journal:
        journal.add(b"key", ENTRY)
    change(path, ("UPDATE evaluation SET params = ?", ("x" * 2**25,)))

    with opened(path) as journal, pytest.raises(ValueError, match="damaged"):
        journal.find(b"key")


def test_rows_are_json_and_plain_numbers(path):
    """What lies in the file can be read without this package."""
    with opened(path) as journal:
        journal.add(b"key", replace(ENTRY, test_scores={"a": 0.1, "b": None}))

    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((params, scores),) = connection.execute("SELECT params, test_scores FROM evaluation")
    assert json.loads(params) == {"C": 1}
    assert json.loads(scores) == {"a": 0.1, "b": None}


def test_thousand_journals_leave_no_descriptor_open(path):
    """Opening, refusing and reading close what they opened."""
    opened(path).close()
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for _ in range(min(limit, 200)):
        with opened(path), contextlib.suppress(ValueError):
            opened(path)
        read_entries(path)
        with contextlib.suppress(ValueError):
            opened(path, X="other")

    assert not before or len(os.listdir("/proc/self/fd")) == before
