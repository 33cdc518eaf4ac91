import contextlib
import errno
import json
import math
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skhyperband import read_journal
from skhyperband._journal import files
from skhyperband._journal.database import SCHEMA, Journal, read_entries
from skhyperband._journal.entries import Entry
from skhyperband._records import FailedStep
from tests.journals import ENTRY, IDENTITY

ROOT = Path(__file__).parents[1]


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
values = st.none() | st.booleans() | st.integers() | numbers | st.text()
entries = st.builds(
    Entry,
    params=st.dictionaries(st.text(), values).map(json.dumps),
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
) | st.builds(
    replace,
    st.just(ENTRY),
    failed_step=st.sampled_from([step.value for step in FailedStep]),
    failure=st.text(),
)


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
        first = journal.remember_seed(1), journal.remember_seed(2)
    with opened(path) as journal:
        later = journal.remember_seed(3)

    assert (*first, later) == (1, 1, 1)


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
from skhyperband._journal.database import Journal
from tests.journals import ENTRY, IDENTITY
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
    "folder": (os.mkdir, "it is a folder, and no regular file"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_journal_is_refused_and_left_as_it_is(path, make, message):
    """The error names the file and says what to do; no byte of the file changes."""
    make(path)
    before = None if os.path.isdir(path) else Path(path).read_bytes()

    with pytest.raises(
        ValueError, match=rf"journal='.*search\.sqlite' cannot be used: .*{message}"
    ) as used:
        opened(path)
    with pytest.raises(ValueError, match="cannot be read") as read:
        read_entries(path)

    assert not any(str(raised.value).endswith("..") for raised in (used, read))
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
    with opened(path) as journal:
        journal.add(b"key", ENTRY)

    with pytest.raises(
        ValueError, match=rf"another {name}: .*{IDENTITY[name][:5]}.* there, other"
    ):
        opened(path, **{name: "other"})
    opened(path).close()


@pytest.mark.parametrize("name", IDENTITY)
def test_journal_without_evaluations_is_of_what_comes_next(path, name):
    """Whatever the search before wanted to measure, it has not."""
    opened(path).close()

    with opened(path, **{name: "other"}) as journal:
        journal.add(b"key", ENTRY)

    with pytest.raises(ValueError, match=rf"another {name}: other there"):
        opened(path)
    opened(path, **{name: "other"}).close()


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
from skhyperband._journal.database import Journal
from tests.journals import ENTRY, IDENTITY
with Journal(sys.argv[1], IDENTITY) as journal:
    journal.add(b"key", ENTRY)
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_second_writer_is_refused_in_another_process_until_it_is_killed(path):
    """The lock ends with its process, even a killed one; reading is always possible."""
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
    """A lock on a file that was removed meanwhile is dropped, and the new file is locked."""
    lock = files._lock
    locked = []

    def slow(file):
        if not locked:
            os.unlink(f"{path}-lock")
        locked.append(file.name)
        lock(file)

    monkeypatch.setattr(files, "_lock", slow)
    with opened(path):
        held = os.path.exists(f"{path}-lock")
        with pytest.raises(ValueError, match="another search is writing"):
            opened(path)

    assert held
    assert len(locked) == 3


@pytest.mark.parametrize("missing", [False, True], ids=["file", "nothing yet"])
def test_two_links_to_a_journal_have_one_lock(path, tmp_path, missing):
    """Also a link in another folder, to a file that is yet to be made."""
    (tmp_path / "other").mkdir()
    link = str(tmp_path / "other" / "link.sqlite")
    os.symlink(path, link)
    if not missing:
        opened(path).close()

    with opened(link) as journal:
        journal.add(b"key", ENTRY)
        with pytest.raises(ValueError, match="another search is writing"):
            opened(path)
        seen = read_entries(link)
    with opened(path), pytest.raises(ValueError, match="another search is writing"):
        opened(link)

    assert seen == read_entries(path) == [ENTRY]
    assert os.listdir(tmp_path / "other") == ["link.sqlite"]


def test_folder_that_is_linked_to_is_the_folder(tmp_path):
    """A link anywhere in the path leads to the same lock."""
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")

    with (
        opened(str(tmp_path / "real" / "j")),
        pytest.raises(ValueError, match="another search is writing"),
    ):
        opened(str(tmp_path / "link" / "j"))


def test_file_with_two_names_is_refused(path):
    """SQLite would keep a log for each; a copy of it is a journal as good."""
    with opened(path) as journal:
        journal.add(b"key", ENTRY)
    os.link(path, f"{path}2")

    for name in (path, f"{path}2"):
        with pytest.raises(ValueError, match=r"another name .a hard link.*Use a copy of it\.$"):
            opened(name)
    shutil.copy(path, f"{path}3")
    with opened(f"{path}3") as copy:
        assert copy.find(b"key") == ENTRY


def socket_at(path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server, in_folder_of(path):
        server.bind(os.path.basename(path))  # Its whole path may be too long for a socket.


@contextlib.contextmanager
def in_folder_of(path):
    before = os.getcwd()
    os.chdir(os.path.dirname(path))
    try:
        yield
    finally:
        os.chdir(before)


def device_at(path):
    if os.geteuid() != 0:
        pytest.skip("only the superuser makes devices")
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


NO_FILES = {
    "folder": (os.mkdir, "a folder"),
    "pipe": (os.mkfifo, "a named pipe"),
    "socket": (socket_at, "a socket"),
    "link to nothing": (lambda path: os.symlink(f"{path}.no", path), "a symbolic link"),
    "link to itself": (lambda path: os.symlink(path, path), "a symbolic link"),
    "link to a file": (lambda path: os.symlink(__file__, path), "a symbolic link"),
    "device": (device_at, "a device"),
}
each_no_file = pytest.mark.parametrize(("make", "kind"), NO_FILES.values(), ids=NO_FILES)


@each_no_file
def test_lock_that_is_no_regular_file_is_refused_at_once(path, make, kind):
    """It is neither waited for, nor written to, nor removed."""
    make(f"{path}-lock")

    with pytest.raises(
        ValueError, match=rf"cannot be used: its lock file is {kind}, and no regular file\. \w"
    ):
        opened(path)

    assert os.listdir(os.path.dirname(path)) == ["search.sqlite-lock"]


@each_no_file
@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_what_lies_beside_and_is_no_regular_file_is_refused_at_once(path, make, kind, ending):
    """SQLite would wait for a named pipe for ever."""
    opened(path).close()
    make(f"{path}{ending}")

    with pytest.raises(ValueError, match=rf"search\.sqlite{ending} beside it is {kind}"):
        opened(path)
    with pytest.raises(ValueError, match=rf"search\.sqlite{ending} beside it is {kind}"):
        read_entries(path)


@pytest.mark.parametrize("make", [os.mkfifo, socket_at], ids=["pipe", "socket"])
def test_journal_that_is_no_regular_file_is_refused_at_once(path, make):
    """Neither a search nor a reader waits for someone to write to it."""
    make(path)

    with pytest.raises(ValueError, match=r"cannot be used: it is a .*, and no regular file"):
        opened(path)
    with pytest.raises(ValueError, match=r"cannot be read: it is a .*, and no regular file"):
        read_entries(path)

    assert os.listdir(os.path.dirname(path)) == ["search.sqlite"]


def test_links_in_a_circle_are_refused(path):
    """They lead to no file."""
    os.symlink(path, path)

    with pytest.raises(ValueError, match="cannot be used"):
        opened(path)
    with pytest.raises(FileNotFoundError, match="no journal"):
        read_entries(path)


def test_name_that_no_file_can_have_is_refused(path):
    """The error names the journal, also where Python finds the name wrong itself."""
    for name in (f"{path}\0", f"{path}\ud800", path + "x" * 300):
        with pytest.raises(ValueError, match=r"journal='.*search\.sqlite.* cannot be used"):
            opened(name)


def test_folder_whose_locks_do_not_work_is_no_other_search(path, monkeypatch):
    """The error says what the system says, and does not send the user to wait."""

    def unsupported(file):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files, "_lock", unsupported)

    with pytest.raises(ValueError, match=r"cannot be used: .*No locks available"):
        opened(path)


TAKING_TURNS = """
import os, sys, time
from skhyperband._journal.database import Journal
from tests.journals import IDENTITY
inside = sys.argv[1] + ".inside"
n_held = n_together = 0
print("ready", flush=True)
sys.stdin.readline()
end = time.time() + 1
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
            [sys.executable, "-c", TAKING_TURNS, path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [list(map(int, process.communicate(timeout=60)[0].split())) for process in processes]

    assert sum(n_held for n_held, _ in counts) > 20
    assert sum(n_together for _, n_together in counts) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_of_a_search_that_was_killed_do_not_hold_its_lock(path):
    """A fit may have forked processes that live on, such as those of a pool."""
    program = """
import os, signal, sys, time
from skhyperband._journal.database import Journal
from tests.journals import IDENTITY
journal = Journal(sys.argv[1], IDENTITY)
child = os.fork()
if child == 0:
    print("ready", os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as search:
        _, child = search.stdout.readline().split()
        try:
            with pytest.raises(ValueError, match="another search is writing"):
                opened(path)
            search.kill()
            search.wait()

            opened(path).close()
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_lock_that_was_left_behind_is_no_lock(path):
    """The file of one that was killed is taken over."""
    Path(f"{path}-lock").touch()

    opened(path).close()

    assert not os.path.exists(f"{path}-lock")


UNPRIVILEGED = """
import os, sys
sys.path.insert(0, sys.argv[2])
import skhyperband._journal.database as journal
from tests.journals import IDENTITY
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
from skhyperband._journal.database import read_entries
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print(len(read_entries(sys.argv[1])))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs a second user")
def test_file_that_may_not_be_written_can_be_read(path):
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
from skhyperband._journal.database import Journal
from tests.journals import ENTRY, IDENTITY
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
    "no params": ("params", None),
    "params that are a list": ("params", "[1]"),
    "params that are no JSON": ("params", "C=1"),
    "list among the params": ("params", '{"C": [1]}'),
    "nested params": ("params", '{"C": {"D": 1}}'),
    "deep params": ("params", '{"C": ' + "[" * 100_000),
    "number without end": ("params", '{"C": 1' + "0" * 5000 + "}"),
    "scores of no metric": ("test_scores", "{}"),
    "no resources": ("n_resources", -1),
    "resources that are a text": ("n_resources", "many"),
    "resources that are NaN": ("n_resources", None),
    "split": ("split", -1),
    "half a split": ("split", 0.5),
    "year": ("finished", 1e15),
    "year out of all": ("finished", 1e300),
    "endless year": ("finished", math.inf),
    "no year": ("finished", None),
    "time of ages": ("fit_time", 1e300),
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
    with pytest.raises(ValueError, match=r"search\.sqlite' cannot be read") as raised:
        read_journal(path)
    assert len(str(raised.value)) < 1000


def test_row_that_its_index_does_not_lead_to_is_an_error(path):
    """The log of another journal beside it must not answer for another computation."""
    with opened(path) as journal:
        for number in range(4):
            journal.add(b"%016d" % number, replace(ENTRY, test_scores=float(number)))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        n_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = 'evaluation'"
        ).fetchone()
    data = bytearray(Path(path).read_bytes())
    table = data[n_bytes * (page - 1) : n_bytes * page]
    table = table.replace(b"%016d" % 1, b"another key 1234")
    data[n_bytes * (page - 1) : n_bytes * page] = table
    Path(path).write_bytes(data)

    with opened(path) as journal:
        assert journal.find(b"%016d" % 0).test_scores == 0.0
        with pytest.raises(ValueError, match=r"is damaged .its index leads to other rows"):
            journal.find(b"%016d" % 1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Give the bytes of a journal with a few rows, and a log that another one left."""
    path = str(tmp_path_factory.mktemp("journal") / "j")
    with opened(path) as journal:
        journal.remember_seed(1)
        for number in range(8):
            journal.add(b"%016d" % number, ENTRY)
        log = Path(f"{path}-wal").read_bytes()
    return Path(path).read_bytes(), log


places = st.integers(0, 2**20)
damages = st.lists(st.tuples(places, st.binary(min_size=1, max_size=64)), max_size=6)


@settings(deadline=None, max_examples=200)
@given(damages, damages, st.none() | places, st.booleans())
def test_any_damage_is_an_error_that_names_the_file(
    tmp_path_factory, sound, in_file, in_log, length, with_log
):
    """Bytes overwritten, cut off, or a log beside it: it is read, or refused in one sentence."""
    folder = tmp_path_factory.mktemp("journal")
    path = str(folder / "j")
    for name, data, changes in (("j", sound[0], in_file), ("j-wal", sound[1], in_log)):
        data = bytearray(data)
        for place, new in changes:
            place %= len(data)
            data[place : place + len(new)] = new
        if name == "j" and length is not None:
            del data[length % len(data) :]
        if name == "j" or with_log:
            (folder / name).write_bytes(data)

    def use():
        with opened(path) as journal:
            journal.remember_seed(2)
            for number in range(8):
                journal.find(b"%016d" % number)
            journal.add(b"another key 1234", ENTRY)

    errors = []
    for work in (use, lambda: read_entries(path)):
        try:
            work()
        except (ValueError, OSError) as error:
            errors.append(str(error))

    assert all(f"journal={path!r}" in error for error in errors)
    assert not any(error.endswith("..") for error in errors)


def test_latest_time_is_read_as_it_is(path):
    """Up to the year 9999 a time is one."""
    pytest.importorskip("pandas")
    with opened(path) as journal:
        journal.add(b"key", replace(ENTRY, finished=253_402_300_799.0))

    assert str(read_journal(path)["finished"][0]) == "9999-12-31 23:59:59"


SEEDS = {
    "text": "many",
    "fraction": "0.5",
    "negative": "-1",
    "other digits": "١٢",
    "too large": str(2**31),
    "without end": "9" * 100_000,
    "bytes": b"\xff",
    "empty": "",
}


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_seed_that_no_search_drew_is_an_error(path, seed):
    """The error names the file, its content, and what to do."""
    with opened(path) as journal:
        journal.remember_seed(1)
    change(path, ("UPDATE search SET value = ? WHERE name = 'seed'", (seed,)))

    with opened(path) as journal, pytest.raises(ValueError, match="its seed reads") as raised:
        journal.remember_seed(1)

    assert re.match(r"journal='.*search\.sqlite' is damaged", str(raised.value))
    assert "Give random_state an integer, or start again with a new file." in str(raised.value)
    assert len(str(raised.value)) < 1000


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
    with opened(path) as journal:
        journal.add(b"key", ENTRY)
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for _ in range(min(limit, 200)):
        with opened(path), contextlib.suppress(ValueError):
            opened(path)
        read_entries(path)
        with contextlib.suppress(ValueError):
            opened(path, X="other")

    assert not before or len(os.listdir("/proc/self/fd")) == before
