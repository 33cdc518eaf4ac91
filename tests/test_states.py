import contextlib
import os
import pickle
import random
import resource
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skhyperband._executors.states import LocalStateStore, State

N_BYTES = 8000  # Of an estimator that `fitted` makes, about.


def fitted(number):
    """Return an array that stands for a fitted estimator."""
    return np.full(N_BYTES // 8, number)


def state_of(number, n_resources=1):
    """Return the state of what `fitted` makes from the number."""
    return State(fitted(number), n_resources, n_resources)


def sent(state):
    """Return a state as another process receives it."""
    return pickle.loads(pickle.dumps(state))


def number_in(lent):
    """Return the number that a lent state was made from; the whole array must hold it."""
    (number,) = np.unique(lent.read().open())
    return number


def open_files():
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give the folder in which temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextlib.contextmanager
def no_file_longer_than(n_bytes):
    """Let writes fail as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- one state ---------------------------------------------------------------------


def test_state_gives_its_estimator_away_once():
    """In the process that fitted it, the state holds the estimator until it is opened."""
    estimator = fitted(3)
    state = State(estimator, 9, 6)

    assert state.open() is estimator
    assert state.open() is None


def test_state_that_was_sent_can_be_opened_again():
    """A state that arrived as bytes makes a new estimator each time: a task may be tried twice."""
    state = sent(sent(state_of(3)))

    first, second = state.open(), state.open()

    np.testing.assert_array_equal(first, fitted(3))
    np.testing.assert_array_equal(second, fitted(3))
    assert first is not second


def test_state_keeps_its_numbers_on_the_way():
    """The amounts of the resource arrive together with the estimator."""
    state = sent(State(fitted(3), 9, 6))

    assert (state.n_resources, state.n_added, state.problem) == (9, 6, None)


def test_state_that_cannot_be_pickled_arrives_with_its_problem():
    """Sending it raises nothing; `problem` says why it holds no estimator."""
    state = sent(State(threading.Lock(), 9, 6))

    assert "cannot pickle" in state.problem


def test_size_of_a_state_counts_its_arrays():
    """The size of a state is about that of its arrays, and the number of bytes once pickled."""
    state = state_of(3)

    assert N_BYTES < state.size() < N_BYTES + 1000
    assert sent(state).size() == len(state.dump())
    assert State(threading.Lock(), 1, 1).size() == 0


# --- the store ---------------------------------------------------------------------

# How many bytes may stay in memory, so that states are in memory, in files, or in both.
BOUNDS = {"memory": 10**9, "files": 1000, "both": 5 * N_BYTES}
wherever_they_are_kept = pytest.mark.parametrize("in_memory", BOUNDS.values(), ids=BOUNDS)
however_they_arrive = pytest.mark.parametrize(
    "arrive", [sent, lambda state: state], ids=["sent", "here"]
)


@wherever_they_are_kept
@however_they_arrive
def test_states_that_are_kept_are_lent(in_memory, arrive):
    """Each state is found under its key, with its numbers."""
    with contextlib.closing(LocalStateStore(in_memory)) as states:
        for number in range(20):
            states.keep((number, 0), arrive(state_of(number, number)))

        lent = [states.lend((number, 0)) for number in range(20)]

        assert [one.read().n_resources for one in lent] == list(range(20))
        assert [number_in(one) for one in lent] == list(range(20))
        assert states.lend((20, 0)) is None
        assert len(states) == 20
        assert states.problems == []


@wherever_they_are_kept
def test_lent_state_is_sent_as_a_state(in_memory):
    """A worker receives the state itself, not the store."""
    with contextlib.closing(LocalStateStore(in_memory)) as states:
        states.keep("a", state_of(3, 9))

        arrived = sent(states.lend("a"))

    assert type(arrived) is State
    assert arrived.read() is arrived
    assert arrived.n_resources == 9
    np.testing.assert_array_equal(arrived.open(), fitted(3))


@wherever_they_are_kept
def test_newer_state_replaces_the_older_one(in_memory):
    """A candidate has one state on each split, that of its last rung."""
    with contextlib.closing(LocalStateStore(in_memory)) as states:
        states.keep("a", state_of(1))
        states.keep("a", state_of(2))

        assert number_in(states.lend("a")) == 2
        assert len(states) == 1


@wherever_they_are_kept
@pytest.mark.parametrize("seed", range(5))
def test_states_come_and_go_in_any_order(in_memory, seed, folder):
    """States that were not dropped are still in the store, and no file outlives its states."""
    before = open_files()
    rng = random.Random(seed)
    known = set()
    with contextlib.closing(LocalStateStore(in_memory)) as states:
        for number in range(60):
            states.keep(number, sent(state_of(number)))
            known.add(number)
            for gone in rng.sample(sorted(known), rng.randint(0, min(2, len(known)))):
                states.drop([gone, "never there"])
                known.remove(gone)
            assert len(states) == len(known)
            assert [number_in(states.lend(n)) for n in known] == list(known)
            assert open_files() - before <= len(known)
        kept = sorted(known)[:3]
        states.drop_all_but([*kept, "never there"])
        assert [number_in(states.lend(n)) for n in kept] == kept
        assert len(states) == len(kept)
        states.drop_all_but([])

        assert open_files() == before
    assert list(folder.iterdir()) == []


def test_files_have_no_name_and_are_gone_at_the_end(folder):
    """The folder of temporary files is empty, during the search and afterwards."""
    before = open_files()

    with contextlib.closing(LocalStateStore(1000)) as states:
        for number in range(20):
            states.keep(number, state_of(number))
        assert open_files() > before
        assert list(folder.iterdir()) == []

    assert open_files() == before
    assert len(states) == 0


def test_files_are_gone_after_an_error_and_after_many_stores():
    """A store that is closed leaves no file open, whatever ended the search."""
    before = open_files()

    for number in range(50):
        with (
            contextlib.suppress(ZeroDivisionError),
            contextlib.closing(LocalStateStore(1000)) as states,
        ):
            states.keep(number, state_of(number))
            raise ZeroDivisionError

    assert open_files() == before


def test_dropped_states_make_room_in_memory(folder):
    """A state goes to a file only while the others fill the memory."""
    before = open_files()
    with contextlib.closing(LocalStateStore(3 * N_BYTES + 2000)) as states:
        for number in range(3):
            states.keep(number, sent(state_of(number)))
        assert open_files() == before
        states.keep(3, sent(state_of(3)))
        assert open_files() == before + 1

        states.drop([0, 3])
        states.keep(4, sent(state_of(4)))

        assert open_files() == before


def test_small_states_share_a_file():
    """Many states need few files."""
    before = open_files()

    with contextlib.closing(LocalStateStore(20 * N_BYTES)) as states:
        for number in range(60):
            states.keep(number, sent(state_of(number)))

        assert 1 <= open_files() - before <= 4
        assert [number_in(states.lend(n)) for n in range(60)] == list(range(60))


def test_threads_read_from_one_file_at_a_time():
    """Each thread gets the state that it asked for."""
    with (
        contextlib.closing(LocalStateStore(10 * N_BYTES)) as states,
        ThreadPoolExecutor(8) as threads,
    ):
        for number in range(60):
            states.keep(number, sent(state_of(number)))
        wanted = [n % 60 for n in range(600)]

        read = list(threads.map(lambda n: number_in(states.lend(n)), wanted))

    assert read == wanted


# --- what goes wrong -----------------------------------------------------------------


def test_state_that_arrives_with_a_problem_is_not_kept():
    """The store notes the problem; the candidate has no state, not even its older one."""
    with contextlib.closing(LocalStateStore()) as states:
        states.keep("a", state_of(1))
        states.keep("a", sent(State(threading.Lock(), 3, 2)))

        assert states.lend("a") is None
        assert len(states.problems) == 1
        assert "cannot pickle" in states.problems[0]


def test_state_that_no_file_can_hold_is_a_problem():
    """A state that cannot be pickled stays in memory; where that is full, it is lost."""
    lock = threading.Lock()

    with contextlib.closing(LocalStateStore(N_BYTES + 1000)) as states:
        states.keep("lock", State(lock, 1, 1))
        states.keep("large", sent(state_of(1)))
        states.keep("late", State([lock, fitted(2)], 1, 1))
        states.keep("later", State([lock, fitted(2)], 1, 1))

        assert states.lend("lock").read().open() is lock
    assert all("cannot pickle" in problem for problem in states.problems)


def test_missing_folder_is_a_problem(monkeypatch):
    """Where no file can be made, states are lost and nothing is raised."""
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")

    with contextlib.closing(LocalStateStore(1000)) as states:
        states.keep("a", state_of(1))

        assert states.lend("a") is None
    assert "No such file" in states.problems[0]


@pytest.mark.parametrize("room", [0.0, 0.5, 1.9])
def test_full_disk_is_a_problem(room):
    """A state that cannot be written is lost; those before and after it are not."""
    before = open_files()
    size = sent(state_of(0)).size()
    with contextlib.closing(LocalStateStore(10 * size)) as states:
        for number in range(13):  # The last three in a file.
            states.keep(number, sent(state_of(number)))
        with no_file_longer_than(int((3 + room) * size)):
            for number in range(13, 16):
                states.keep(number, sent(state_of(number)))
            assert [number_in(states.lend(n)) for n in range(13)] == list(range(13))
        states.keep(16, sent(state_of(16)))

        kept = [number for number in range(17) if states.lend(number) is not None]
        assert (kept[:13], kept[-1]) == (list(range(13)), 16)
        assert [number_in(states.lend(n)) for n in kept] == kept
        assert len(states.problems) == 17 - len(kept) >= 1
    assert open_files() == before


def test_full_disk_does_not_keep_a_store_from_closing():
    """A store that could write nothing at all ends without an error, its file closed."""
    before = open_files()

    with no_file_longer_than(1000), contextlib.closing(LocalStateStore(1000)) as states:
        for number in range(5):
            states.keep(number, sent(state_of(number)))
        assert len(states) == 0

    assert len(states.problems) == 5
    assert all("File too large" in problem for problem in states.problems)
    assert open_files() == before
