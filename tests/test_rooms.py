import gc
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib.externals import loky
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier

from skhyperband import SuccessiveHalvingSearchCV, _rooms
from skhyperband._rooms import Door, Room
from skhyperband._states import State, StateStore

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are none")


def open_rooms():
    """Return how many descriptors of this process are rooms."""
    gc.collect()
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # That of the listing itself.
            continue
    return sum("memfd:skhyperband" in link for link in links)


def put(door, data):
    """Leave data behind a door, in another process."""
    return door.leave(data)


def get(door, size):
    """Read what is behind a door, in another process."""
    return bytes(door.read(size))


def leave_state(state, door):
    """Return a state as a worker does."""
    state.leave_in(door)
    return state


@pytest.fixture
def processes():
    """Give two other processes, each used once."""
    with loky.ProcessPoolExecutor(2) as pool:
        yield pool


def test_what_one_process_leaves_another_reads(processes):
    """It goes through memory of the process that opened the room."""
    room, data = Room(), os.urandom(2_000_000)

    left = processes.submit(put, room, data).result()
    read = processes.submit(get, room, len(data)).result()

    assert left
    assert read == data
    assert bytes(room.read(len(data))) == data


def test_room_is_closed_when_nobody_refers_to_it(processes):
    """A descriptor lasts as long as its room."""
    before = open_rooms()
    room = Room()
    processes.submit(put, room, b"data").result()
    during = open_rooms()
    del room

    assert during == before + 1
    assert open_rooms() == before


def test_number_of_another_machines_process_is_no_door():
    """What is behind the same number here is left alone."""
    with open(__file__, "rb") as file:
        door = Door(os.getpid(), file.fileno(), b"another token 16")

        assert not door.leave(b"data")
        with pytest.raises(FileNotFoundError, match="another process's"):
            door.read(4)


@pytest.mark.parametrize("reason", ["too many", "no such system", "too many files"])
def test_without_a_room_there_is_nothing_behind_the_door(reason, monkeypatch):
    """The pipe is left then."""

    def refuse(name):
        raise OSError(24, "Too many open files")

    if reason == "too many":
        monkeypatch.setattr(_rooms, "_AT_MOST", 0)
    elif reason == "no such system":
        monkeypatch.delattr(os, "memfd_create")
    else:
        monkeypatch.setattr(os, "memfd_create", refuse)

    door = pickle.loads(pickle.dumps(Room()))

    assert not door.leave(b"data")


def test_threads_open_a_room_once():
    """Two that send it at the same time send the same."""
    room = Room()
    with ThreadPoolExecutor(8) as threads:
        doors = list(threads.map(lambda _: pickle.loads(pickle.dumps(room)), range(64)))

    assert len({door._descriptor for door in doors}) == 1
    assert pickle.loads(pickle.dumps(doors[0])) is room


@pytest.mark.parametrize(("size", "n_rooms"), [(10, 0), (1_000_000, 1)], ids=["small", "large"])
@pytest.mark.parametrize("in_memory", [2**30, 0], ids=["memory", "file"])
def test_large_states_wait_in_their_room(size, n_rooms, in_memory, processes):
    """Small ones come through the pipe; above the bound all are moved to a file."""
    before = open_rooms()
    fitted, room = os.urandom(size), Room()
    with StateStore(in_memory) as store:
        state = processes.submit(leave_state, State(fitted, 3, 2), room).result()
        del room
        store.keep("key", state)
        del state
        waiting = open_rooms() - before
        arrived = processes.submit(State.open, store.lend("key").read()).result()
        read = store.read("key")

        assert arrived == fitted
        assert read.open() == fitted
        assert (read.n_resources, read.n_added) == (3, 2)
        assert waiting == (n_rooms if in_memory else 0)
    del read
    assert open_rooms() == before


def test_search_with_large_states_leaves_no_room_open(assert_same_results):
    """Forests that went through rooms are those of a fresh fit; nothing stays open."""
    X, y = make_classification(3000, 10, random_state=0)
    search = SuccessiveHalvingSearchCV(
        ExtraTreesClassifier(random_state=0),
        {"max_features": [1, 2, 3, 4, 5, 6, 7, 8, 9]},
        n_candidates=9,
        resource="n_estimators",
        max_resources=27,
        cv=2,
        random_state=0,
        refit=False,
    )
    before = open_rooms()
    alone = search.fit(X, y).cv_results_
    together = search.set_params(n_jobs=2).fit(X, y).cv_results_

    assert_same_results(alone, together)
    assert together["n_resources_trained"].tolist() == alone["n_resources_trained"].tolist()
    assert open_rooms() == before


@pytest.mark.parametrize(("max_depth", "is_large"), [(None, True), (1, False)])
def test_rooms_are_used_from_the_first_large_state_on(max_depth, is_large, monkeypatch):
    """Before one has come, a task takes none along."""
    opened = []
    own = Room.__reduce__

    def note(room):
        opened.append(room)
        return own(room)

    monkeypatch.setattr(Room, "__reduce__", note)
    X, y = make_classification(3000, 10, flip_y=0.3, random_state=0)
    SuccessiveHalvingSearchCV(
        ExtraTreesClassifier(max_depth=max_depth, random_state=0),
        {"max_features": np.linspace(0.1, 0.9, 9)},
        n_candidates=9,
        resource="n_estimators",
        max_resources=81,
        min_resources=9,
        cv=2,
        n_jobs=2,
        random_state=0,
        refit=False,
    ).fit(X, y)

    assert bool(opened) == is_large
