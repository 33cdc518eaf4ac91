import contextlib
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

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._executors import shared_memory
from skhyperband._executors.shared_memory import RemoteBuffer, SharedBuffer
from skhyperband._executors.states import LocalStateStore, State
from tests.published import published

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def open_buffers():
    """Return how many descriptors of this process are buffers."""
    gc.collect()
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # That of the listing itself.
            continue
    return sum("memfd:skhyperband" in link for link in links)


def write(buffer, data):
    """Write to a buffer, in another process."""
    return buffer.write(data)


def read(buffer, size):
    """Read from a buffer, in another process."""
    return bytes(buffer.read(size))


def write_state(state, buffer):
    """Return a state as a worker does, having written it to a buffer."""
    state.write_to(buffer)
    return state


@pytest.fixture(scope="module")
def processes():
    """Give two other processes."""
    with loky.ProcessPoolExecutor(2) as pool:
        yield pool


def test_another_process_reads_what_one_process_writes(processes):
    """The data are in memory of the process that opened the buffer."""
    buffer, data = SharedBuffer(), os.urandom(2_000_000)

    written = processes.submit(write, buffer, data).result()
    data_read = processes.submit(read, buffer, len(data)).result()

    assert written
    assert data_read == data
    assert bytes(buffer.read(len(data))) == data


def test_buffer_is_closed_when_nothing_refers_to_it(processes):
    """A file descriptor is open as long as its buffer exists."""
    before = open_buffers()
    buffer = SharedBuffer()
    processes.submit(write, buffer, b"data").result()
    during = open_buffers()
    del buffer

    assert during == before + 1
    assert open_buffers() == before


def test_number_of_another_machines_process_is_no_buffer():
    """The file that has the same number on this machine is neither written to nor read."""
    with open(__file__, "rb") as file:
        buffer = RemoteBuffer(os.getpid(), file.fileno(), b"another token 16")

        assert not buffer.write(b"data")
        with pytest.raises(FileNotFoundError, match="another process's"):
            buffer.read(4)


@pytest.mark.parametrize("reason", ["too many", "no such system", "too many files"])
def test_buffer_that_cannot_be_opened_cannot_be_written_to(reason, monkeypatch):
    """`write` says so, and the data go through the pipe."""

    def refuse(name):
        raise OSError(24, "Too many open files")

    if reason == "too many":
        monkeypatch.setattr(shared_memory, "_MAX_OPEN", 0)
    elif reason == "no such system":
        monkeypatch.delattr(os, "memfd_create")
    else:
        monkeypatch.setattr(os, "memfd_create", refuse)

    buffer = pickle.loads(pickle.dumps(SharedBuffer()))

    assert not buffer.write(b"data")


def test_threads_open_a_buffer_once():
    """Threads that pickle a buffer at the same time send the same descriptor."""
    buffer = SharedBuffer()
    with ThreadPoolExecutor(8) as threads:
        buffers = list(threads.map(lambda _: pickle.loads(pickle.dumps(buffer)), range(64)))

    assert len({buffer._descriptor for buffer in buffers}) == 1
    assert pickle.loads(pickle.dumps(buffers[0])) is buffer


@pytest.mark.parametrize(("size", "n_buffers"), [(10, 0), (1_000_000, 1)], ids=["small", "large"])
@pytest.mark.parametrize("in_memory", [2**30, 0], ids=["memory", "file"])
def test_large_states_stay_in_their_buffer(size, n_buffers, in_memory, processes):
    """Small states come through the pipe; where memory is full, all are moved to a file."""
    before = open_buffers()
    fitted, buffer = os.urandom(size), SharedBuffer()
    with contextlib.closing(LocalStateStore(in_memory)) as store:
        state = processes.submit(write_state, State(fitted, 3, 2), buffer).result()
        del buffer
        store.keep("key", state)
        del state
        n_open = open_buffers() - before
        arrived = processes.submit(State.open, store.lend("key").read()).result()
        state = store.read("key")

        assert arrived == fitted
        assert state.open() == fitted
        assert (state.n_resources, state.n_added) == (3, 2)
        assert n_open == (n_buffers if in_memory else 0)
    del state
    assert open_buffers() == before


def test_search_with_large_states_leaves_no_buffer_open(assert_same_results):
    """Results with states in buffers are those of one process, and no buffer stays open."""
    X, y = make_classification(3000, 10, random_state=0)
    search = published(
        SuccessiveHalvingSearchCV,
        ExtraTreesClassifier(random_state=0),
        {"max_features": [1, 2, 3, 4, 5, 6, 7, 8, 9]},
        n_candidates=9,
        resource="n_estimators",
        max_resources=27,
        cv=2,
        random_state=0,
        refit=False,
    )
    before = open_buffers()
    alone = search.fit(X, y).cv_results_
    together = search.set_params(n_jobs=2).fit(X, y).cv_results_

    assert_same_results(alone, together)
    assert together["n_resources_trained"].tolist() == alone["n_resources_trained"].tolist()
    assert open_buffers() == before


@pytest.mark.parametrize(("max_depth", "is_large"), [(None, True), (1, False)])
def test_buffers_are_used_from_the_first_large_state_on(max_depth, is_large, monkeypatch):
    """A task carries no buffer before the first large state has arrived."""
    opened = []
    own = SharedBuffer.__reduce__

    def note(buffer):
        opened.append(buffer)
        return own(buffer)

    monkeypatch.setattr(SharedBuffer, "__reduce__", note)
    X, y = make_classification(3000, 10, flip_y=0.3, random_state=0)
    published(
        SuccessiveHalvingSearchCV,
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
