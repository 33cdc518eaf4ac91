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

from skhyperband._states import State, StateStore

N_BYTES = 8000  # Of an estimator that `fitted` makes, about.


def fitted(number):
    """Return what stands for a fitted estimator."""
    return np.full(N_BYTES // 8, number)


def state_of(number, n_resources=1):
    return State(fitted(number), n_resources, n_resources)


def sent(state):
    """Return it as it comes out of another process."""
    return pickle.loads(pickle.dumps(state))


def number_in(lent):
    """Return what it was made from; all of it must be there."""
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
    """In the process that fitted it, it is the estimator, and whoever opens it owns it."""
    estimator = fitted(3)
    state = State(estimator, 9, 6)

    assert state.open() is estimator
    assert state.open() is None


def test_state_that_was_sent_can_be_opened_again():
    """What came as bytes gives a new estimator each time: a task may be tried twice."""
    state = sent(sent(state_of(3)))

    first, second = state.open(), state.open()

    np.testing.assert_array_equal(first, fitted(3))
    np.testing.assert_array_equal(second, fitted(3))
    assert first is not second


def test_state_keeps_its_numbers_on_the_way():
    """How much it was trained with, and how much of that came last, travel with it."""
    state = sent(State(fitted(3), 9, 6))

    assert (state.n_resources, state.n_added, state.problem) == (9, 6, None)


def test_state_that_cannot_be_pickled_arrives_with_its_problem():
    """Sending it raises nothing; it says why there is nothing in it."""
    state = sent(State(threading.Lock(), 9, 6))

    assert "cannot pickle" in state.problem


def test_size_of_a_state_counts_its_arrays():
    """As bytes it has their length; as an estimator about what its arrays have."""
    state = state_of(3)

    assert N_BYTES < state.measured() < N_BYTES + 1000
    assert sent(state).measured() == len(state.packed())
    assert State(threading.Lock(), 1, 1).measured() == 0


# --- many of them ------------------------------------------------------------------

# Where they lie: in memory, in files, or some here and some there.
BOUNDS = {"memory": 10**9, "files": 1000, "both": 5 * N_BYTES}
on_each_side = pytest.mark.parametrize("in_memory", BOUNDS.values(), ids=BOUNDS)
as_it_comes = pytest.mark.parametrize("arrive", [sent, lambda state: state], ids=["sent", "here"])


@on_each_side
@as_it_comes
def test_what_is_kept_is_lent(in_memory, arrive):
    """Each under its key, with its numbers, wherever it lies."""
    with StateStore(in_memory) as states:
        for number in range(20):
            states.keep((number, 0), arrive(state_of(number, number)))

        lent = [states.lend((number, 0)) for number in range(20)]

        assert [one.read().n_resources for one in lent] == list(range(20))
        assert [number_in(one) for one in lent] == list(range(20))
        assert states.lend((20, 0)) is None
        assert len(states) == 20
        assert states.problems == []


@on_each_side
def test_what_is_lent_is_sent_as_a_state(in_memory):
    """A worker is sent the state itself, not the store."""
    with StateStore(in_memory) as states:
        states.keep("a", state_of(3, 9))

        arrived = sent(states.lend("a"))

    assert type(arrived) is State
    assert arrived.read() is arrived
    assert arrived.n_resources == 9
    np.testing.assert_array_equal(arrived.open(), fitted(3))


@on_each_side
def test_newer_state_takes_the_place_of_the_older(in_memory):
    """A candidate has one on each split: that of its last rung."""
    with StateStore(in_memory) as states:
        states.keep("a", state_of(1))
        states.keep("a", state_of(2))

        assert number_in(states.lend("a")) == 2
        assert len(states) == 1


@on_each_side
@pytest.mark.parametrize("seed", range(5))
def test_states_come_and_go_in_any_order(in_memory, seed, folder):
    """What is not dropped is still there, and no file outlives its states."""
    before = open_files()
    rng = random.Random(seed)
    known = set()
    with StateStore(in_memory) as states:
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
    """While they are there nothing lies in the folder, nor afterwards."""
    before = open_files()

    with StateStore(1000) as states:
        for number in range(20):
            states.keep(number, state_of(number))
        assert open_files() > before
        assert list(folder.iterdir()) == []

    assert open_files() == before
    assert len(states) == 0


def test_files_are_gone_after_an_error_and_after_many_stores():
    """Whatever ended the search, it leaves no file open."""
    before = open_files()

    for number in range(50):
        with contextlib.suppress(ZeroDivisionError), StateStore(1000) as states:
            states.keep(number, state_of(number))
            raise ZeroDivisionError

    assert open_files() == before


def test_what_is_dropped_makes_room_in_memory(folder):
    """Only what is beyond the bound lies in a file."""
    before = open_files()
    with StateStore(3 * N_BYTES + 2000) as states:
        for number in range(3):
            states.keep(number, sent(state_of(number)))
        assert open_files() == before
        states.keep(3, sent(state_of(3)))
        assert open_files() == before + 1

        states.drop([0, 3])
        states.keep(4, sent(state_of(4)))

        assert open_files() == before


def test_small_states_share_a_file():
    """There are not as many files as states."""
    before = open_files()

    with StateStore(20 * N_BYTES) as states:
        for number in range(60):
            states.keep(number, sent(state_of(number)))

        assert 1 <= open_files() - before <= 4
        assert [number_in(states.lend(n)) for n in range(60)] == list(range(60))


def test_threads_read_from_one_file_at_a_time():
    """Each gets what it asked for."""
    with StateStore(10 * N_BYTES) as states, ThreadPoolExecutor(8) as threads:
        for number in range(60):
            states.keep(number, sent(state_of(number)))
        wanted = [n % 60 for n in range(600)]

        read = list(threads.map(lambda n: number_in(states.lend(n)), wanted))

    assert read == wanted


# --- what goes wrong -----------------------------------------------------------------


def test_state_that_arrives_with_a_problem_is_not_kept():
    """The reason is noted; the candidate has no state, not even its older one."""
    with StateStore() as states:
        states.keep("a", state_of(1))
        states.keep("a", sent(State(threading.Lock(), 3, 2)))

        assert states.lend("a") is None
        assert len(states.problems) == 1
        assert "cannot pickle" in states.problems[0]


def test_what_no_file_can_hold_is_a_problem():
    """Within the bound one that cannot be pickled stays as it is; beyond, it is lost."""
    lock = threading.Lock()

    with StateStore(N_BYTES + 1000) as states:
        states.keep("lock", State(lock, 1, 1))
        states.keep("large", sent(state_of(1)))
        states.keep("late", State([lock, fitted(2)], 1, 1))
        states.keep("later", State([lock, fitted(2)], 1, 1))

        assert states.lend("lock").read().open() is lock
    assert all("cannot pickle" in problem for problem in states.problems)


def test_missing_folder_is_a_problem(monkeypatch):
    """Where no file can be made, states are lost and nothing is raised."""
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")

    with StateStore(1000) as states:
        states.keep("a", state_of(1))

        assert states.lend("a") is None
    assert "No such file" in states.problems[0]


@pytest.mark.parametrize("room", [0.0, 0.5, 1.9])
def test_full_disk_is_a_problem(room):
    """What cannot be written is lost, and nothing else is, before and after."""
    before = open_files()
    size = sent(state_of(0)).measured()
    with StateStore(10 * size) as states:
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


def test_full_disk_harms_no_end():
    """A store that could write nothing at all ends without an error, its file closed."""
    before = open_files()

    with no_file_longer_than(1000), StateStore(1000) as states:
        for number in range(5):
            states.keep(number, sent(state_of(number)))
        assert len(states) == 0

    assert len(states.problems) == 5
    assert all("File too large" in problem for problem in states.problems)
    assert open_files() == before
