"""Searches on real clusters of separate processes, of Dask and of Ray."""

import collections
import contextlib
import functools
import importlib.util
import itertools
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import cross_val_score

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._executors import cluster_worker, make_executor
from skhyperband._executors.broadcast import pack
from skhyperband._executors.cluster import ClusterExecutor, Died, Submission
from skhyperband._executors.cluster_worker import NoData
from skhyperband._executors.sequential_executor import SequentialExecutor
from skhyperband._executors.states import State
from skhyperband._records import StateKey
from tests.estimators import Blocking, Endless, Failing, Hungry, Scored
from tests.published import quality_search
from tests.tasks import Marks, count_running, outcome_of, scores, task_of, tasks_of, tenfold
from tests.test_crashes import ONE_SPLIT, deadly, deaths, search_of
from tests.test_engines import forest_search, reporting_search, sample_search

pytestmark = pytest.mark.slow

FIXTURES = {"dask": "dask_client", "ray": "ray_cluster"}


@pytest.fixture(params=FIXTURES)
def backend(request):
    """Start a cluster with two workers, and make joblib use it; give its name."""
    request.getfixturevalue(FIXTURES[request.param])
    with joblib.parallel_config(backend=request.param):
        yield request.param


@pytest.fixture
def marks(tmp_path):
    """Give an empty folder of marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return Marks(folder)


def boosting_search(**options):
    """Return a search with the default sampler, which learns, and with continued training."""
    return HyperbandSearchCV(
        HistGradientBoostingClassifier(random_state=0, early_stopping=False),
        {"max_leaf_nodes": range(2, 32), "learning_rate": [0.01, 0.03, 0.1, 0.3]},
        max_resources=9,
        cv=3,
        random_state=0,
        **options,
    )


# --- results -----------------------------------------------------------------------


SEARCHES = {
    "forests": (forest_search, {"scoring": "roc_auc"}),
    "forests from scratch": (forest_search, {"continue_training": False}),
    "samples": (sample_search, {}),
    "boosting": (boosting_search, {}),
}


@pytest.mark.parametrize(("make_search", "options"), SEARCHES.values(), ids=SEARCHES)
def test_results_are_those_of_one_process(
    classification, backend, assert_same_results, make_search, options
):
    """cv_results_ is bit-identical, and as much is trained."""
    search = make_search(**options)
    results = search.fit(*classification).cv_results_

    with joblib.parallel_config(backend="loky"):
        assert_same_results(results, search.fit(*classification).cv_results_)


def test_failures_are_those_of_one_process(classification, backend, assert_same_results):
    """A fit that raises costs its candidate, and the warning names it."""
    search = search_of(Failing(below=0.3), n_jobs=None)

    with pytest.warns(FitFailedWarning, match=r"(?s)6 of 26 .*ArithmeticError.* is too low"):
        results = search.fit(*classification).cv_results_

    with joblib.parallel_config(backend="loky"), pytest.warns(FitFailedWarning):
        assert_same_results(results, search.fit(*classification).cv_results_)


def test_candidate_that_kills_its_worker_is_like_one_that_raises(
    classification, backend, tmp_path, assert_same_results
):
    """It is tried again among the others, then alone, and then has error_score."""
    options = {"cv": ONE_SPLIT, "n_jobs": None}
    search = search_of(deadly(tmp_path, below=0.1), **options)

    with pytest.warns(FitFailedWarning, match=r"(?s)1 of 13 .*quality=0\.05:\nThe worker process"):
        search.fit(*classification)
    with pytest.warns(FitFailedWarning, match="too low"):
        raising = search_of(Failing(below=0.1), cv=ONE_SPLIT, n_jobs=1).fit(*classification)

    assert deaths(tmp_path)[0.05] >= 3
    assert_same_results(search.cv_results_, raising.cv_results_)


def test_worker_that_dies_once_costs_nothing(
    classification, backend, tmp_path, assert_same_results
):
    """What was in flight is evaluated again; states that were lost are made again."""
    search = search_of(deadly(tmp_path, below=0.1, once=True), n_jobs=None)
    search.fit(*classification)

    assert deaths(tmp_path).keys() == {0.05}
    alone = search_of(Scored(), n_jobs=1).fit(*classification)
    assert_same_results(search.cv_results_, alone.cv_results_)


def test_callbacks_are_told_what_they_are_in_one_process(classification, backend):
    """The same tasks begin and end."""
    pytest.importorskip("sklearn.callback", exc_type=ImportError)
    from tests.test_callbacks import Recording, searching

    here, there = Recording(), Recording()
    searching(SuccessiveHalvingSearchCV).set_callbacks(there).fit(*classification)

    with joblib.parallel_config(backend="loky"):
        searching(SuccessiveHalvingSearchCV).set_callbacks(here).fit(*classification)

    assert sorted(there.names("begin")) == sorted(here.names("begin"))
    assert sorted(there.names("end")) == sorted(here.names("end"))


# --- how much runs, and where ------------------------------------------------------


def test_a_search_with_one_job_runs_in_this_process(backend):
    """n_jobs=1 is one process without a cluster, as with every backend."""
    assert type(make_executor(tenfold, 1, "2*n_jobs")) is SequentialExecutor
    assert type(make_executor(tenfold, None, "2*n_jobs")) is ClusterExecutor
    with joblib.parallel_config(backend=backend, n_jobs=1):
        assert type(make_executor(tenfold, None, "2*n_jobs")) is SequentialExecutor


def which_process(task):
    """Return which process this is."""
    return outcome_of(os.getpid())


@pytest.mark.parametrize(("n_jobs", "n_workers"), [(2, 2), (-1, 2), (-2, 1), (8, 2)])
def test_n_jobs_limits_what_runs_at_a_time(backend, n_jobs, n_workers):
    """It counts as everywhere, and is no more than the cluster has."""
    assert make_executor(tenfold, n_jobs, "2*n_jobs").n_workers == n_workers


def test_what_a_task_brings_along_is_said_in_the_engines_own_way(marks):
    """Two workers with one licence between them run one task at a time."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            resources={"licence": 1},
            dashboard_address=":0",
            silence_logs="ERROR",
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask", resources={"licence": 1}),
        make_executor(functools.partial(count_running, marks), None, "2*n_jobs") as executor,
    ):
        assert executor.n_workers == 1
        found = scores(executor.run(tasks_of(6)))

    assert set(found.values()) == {1.0}


def test_workers_may_be_named(dask_client):
    """A search that is limited to one worker runs there, and only there."""
    address = next(iter(dask_client.scheduler_info(n_workers=-1)["workers"]))
    process = dask_client.run(os.getpid, workers=[address])[address]
    with (
        joblib.parallel_config(backend="dask", workers=[address]),
        make_executor(which_process, None, "2*n_jobs") as executor,
    ):
        assert executor.n_workers == 1
        found = scores(executor.run(tasks_of(6)))

    assert set(found.values()) == {float(process)}


def test_a_worker_that_got_the_data_late_is_not_sent_them_again(dask_client):
    """Tasks that came there before the data say so afterwards, too."""
    from skhyperband._executors.dask_cluster import _Futures

    with (
        joblib.parallel_config(backend="dask"),
        make_executor(tenfold, None, "2*n_jobs") as executor,
    ):
        cluster = executor._cluster
        address = next(iter(cluster._supplied))
        sent = []
        cluster._send_data = lambda addresses: sent.append(addresses) or addresses
        before = cluster._client.submit(NoData, address, pure=False)
        early, late = (
            Submission(b"", state=None, keeps_state=False, n_allowed_deaths=1, alone=False)
            for _ in range(2)
        )
        cluster.submit = lambda submission: None
        for submission, number in ((early, 0), (late, 1)):
            submission.handle = _Futures(before, before, number)
            assert cluster._gather([submission]) == []
            cluster.look_after_workers()

    assert sent == [[address]]


def test_a_task_of_dask_may_bring_nothing_of_a_resource_along():
    """Its worker must have it all the same, as Dask wants it."""
    pytest.importorskip("distributed")
    from skhyperband._executors.dask_cluster import _room

    worker = {"nthreads": 2, "resources": {"GPU": 1}}

    assert _room(worker, {}) == _room(worker, {"GPU": 0}) == 2
    assert _room(worker, {"GPU": 1}) == 1
    assert _room(worker, {"licence": 0}) == 0


def test_a_task_of_ray_needs_room_on_one_node(ray_cluster, monkeypatch):
    """Four machines with two cores each have no room for a task with four cores."""
    nodes = [{"Alive": True, "Resources": {"CPU": 2.0, "memory": 8e9}}] * 4
    nodes += [{"Alive": False, "Resources": {"CPU": 8.0}}]
    monkeypatch.setattr(ray_cluster, "nodes", lambda: nodes)
    from skhyperband._executors.ray_cluster import RayCluster

    def n_workers(**options):
        with joblib.parallel_config(backend="ray", ray_remote_args=options):
            return RayCluster(tenfold, joblib.parallel.get_active_backend()[0]).count_workers()

    assert n_workers(num_cpus=4) == 0
    assert n_workers(num_cpus=2) == 4
    assert n_workers(num_cpus=0.5, memory=4e9) == 8


def test_options_of_rays_tasks_are_used(ray_cluster, marks):
    """Where a task takes both cores, one task runs at a time."""
    with (
        joblib.parallel_config(backend="ray", ray_remote_args={"num_cpus": 2}),
        make_executor(functools.partial(count_running, marks), None, "2*n_jobs") as executor,
    ):
        assert executor.n_workers == 1
        found = scores(executor.run(tasks_of(6)))

    assert set(found.values()) == {1.0}


def test_tasks_of_ray_may_bring_nothing_along(ray_cluster):
    """Tasks that take no core run as many at a time as there are cores."""
    with (
        joblib.parallel_config(backend="ray", ray_remote_args={"num_cpus": 0}),
        make_executor(tenfold, None, "2*n_jobs") as executor,
    ):
        assert executor.n_workers == 2
        assert scores(executor.run(tasks_of(2))) == {0: 0.0, 1: 10.0}


def test_no_n_jobs_is_one_worker_within_a_task_of_dask(classification, dask_client):
    """A forest in a Dask worker adds up its trees in one thread, as with other backends."""
    with joblib.parallel_config(backend="dask"):
        search = reporting_search().fit(*classification)

    assert set(search.cv_results_["mean_test_score"]) == {1.0}


class Unpickled:
    """Leaves a mark in every process in which it is unpickled."""

    def __init__(self, marks):
        self.marks = marks

    def __call__(self, task):
        """Return which process this is."""
        time.sleep(0.02)
        return outcome_of(os.getpid())

    def __setstate__(self, state):
        vars(self).update(state)
        self.marks.leave(f"unpickled-{os.getpid()}")


def test_data_reach_each_worker_once(backend, marks):
    """Over several levels, the evaluator is unpickled once in every process."""
    with make_executor(Unpickled(marks), None, "2*n_jobs") as executor:
        found = [scores(executor.run(tasks_of(20))) for _ in range(3)]

    processes = {int(process) for level in found for process in level.values()}
    assert processes <= {int(name.partition("-")[2]) for name in marks.names("unpickled")}
    assert {marks.count(name) for name in marks.names("unpickled")} == {1}


def forget_some(task):
    """Drop the data of all searches, every few tasks, as a worker does that was idle for long."""
    if task.split % 5 == 0:
        with cluster_worker._changed:
            cluster_worker._dropped.update(cluster_worker._kept)
            cluster_worker._kept.clear()
    return tenfold(task)


def test_data_that_a_worker_has_dropped_are_sent_again(backend):
    """A worker that was idle for long evaluates as before."""
    with make_executor(forget_some, None, "2*n_jobs") as executor:
        found = scores(executor.run(tasks_of(20)))

    assert found == {position: 10.0 * position for position in range(20)}


def with_large_state(task):
    """Return a state of a megabyte."""
    return outcome_of(task.split, state=State(np.zeros(2**17), 1, 1))


def bytes_in_memory(dask_scheduler):
    """Return how much the workers hold, each result counted once."""
    return sum(task.nbytes for task in dask_scheduler.tasks.values() if task.state == "memory")


def keys_of(dask_worker):
    """Return the keys of all data in a Dask worker."""
    return list(dask_worker.data)


def test_no_worker_of_dask_keeps_data_of_searches_that_have_ended(dask_client):
    """Neither those that the data were sent to, nor those that copied them."""
    with (
        joblib.parallel_config(backend="dask"),
        make_executor(tenfold, None, "2*n_jobs") as executor,
    ):
        list(executor.run(tasks_of(2)))

    deadline = time.monotonic() + 60
    while any(keys := dask_client.run(keys_of).values()):
        assert time.monotonic() < deadline, keys
        time.sleep(0.1)


def test_states_stay_on_the_cluster_until_they_are_dropped(dask_client):
    """Dask's workers keep what the loop has not dropped, and nothing else."""

    def n_bytes():
        return dask_client.run_on_scheduler(bytes_in_memory)

    def wait_for(condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, n_bytes()
            time.sleep(0.1)

    with (
        joblib.parallel_config(backend="dask"),
        make_executor(with_large_state, None, "2*n_jobs") as executor,
    ):
        tasks = [task_of(number, keeps_state=True) for number in range(8)]
        for position, outcome in executor.run(tasks):
            executor.states.keep(StateKey(position, 0), outcome.state)
        del outcome
        wait_for(lambda: 8 * 2**20 < n_bytes() < 9 * 2**20)
        executor.states.drop_all_but([StateKey(3, 0)])
        wait_for(lambda: 2**20 < n_bytes() < 2 * 2**20)

    wait_for(lambda: n_bytes() < 2**17)


def test_tasks_that_are_done_do_not_hold_the_states_they_continued(backend):
    """A state is dropped as soon as the loop drops it, although a level still goes on."""
    with make_executor(with_large_state, None, "2*n_jobs") as executor:
        for position, outcome in executor.run([task_of(0, keeps_state=True)]):
            executor.states.keep(StateKey(position, 0), outcome.state)
        lent = executor.states.lend(StateKey(0, 0))
        results = executor.run([task_of(0, 2, state=lent), task_of(1, 2)])
        list(itertools.islice(results, 2))
        executor.states.drop([StateKey(0, 0)])

        assert lent.reference is None
        results.close()


# --- what may go wrong -------------------------------------------------------------


class Dying:
    """Is killed at its first attempt at one task."""

    def __init__(self, marks, number):
        self.marks = marks
        self.number = number

    def __call__(self, task):
        """Leave a mark at the end."""
        if task.split == self.number and not self.marks.count("died"):
            self.marks.leave("died")
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)
        self.marks.leave(f"done-{task.split}")
        return outcome_of(os.getpid())


def test_second_attempt_may_be_done_before_the_death_was_noticed(backend, marks):
    """While a callback takes its time, a worker dies, and another one evaluates its task."""
    with make_executor(Dying(marks, 1), None, "2*n_jobs") as executor:
        found = {}
        for position, outcome in executor.run(tasks_of(3)):
            found[position] = outcome.failure
            if len(found) == 1 and backend == "dask":  # Ray's tasks are sent again from here.
                marks.wait_for("done-1")
                time.sleep(0.5)

    assert found == {0: None, 1: None, 2: None}


def test_results_may_be_lost_before_they_are_collected(backend, marks):
    """Workers that end with what they have evaluated are replaced, and it is evaluated again."""
    with make_executor(Dying(marks, None), None, "all") as executor:
        found = {}
        for position, outcome in executor.run(tasks_of(6)):
            found[position] = outcome
            if len(found) == 1:
                marks.wait_for("done", n_names=6)
                time.sleep(0.5)
                kill_workers(backend)

    assert sorted(found) == list(range(6))
    assert all(outcome.failure is None for outcome in found.values())


def kill_workers(backend):
    """Kill the processes of Dask's workers; Ray keeps results elsewhere."""
    if backend == "dask":
        from distributed import default_client

        for process in default_client().run(os.getpid).values():
            os.kill(process, signal.SIGKILL)


def test_worker_keeps_what_was_sent_for_any_number_of_searches():
    """Where searches are nested, many share a worker."""
    keys = [f"search-{number}" for number in range(5)]
    for key in keys:
        cluster_worker.keep(key, *pack(tenfold, maps_files=False))
    task = pickle.dumps(task_of(3))

    assert [cluster_worker.evaluate_packed(key, None, task, None)[0] for key in keys] == [
        outcome_of(30)
    ] * 5
    for key in keys:
        cluster_worker.forget(key)


def test_a_worker_has_one_thread_for_all_searches():
    """Searches that follow each other closely do not leave a thread each."""
    for number in range(5):
        cluster_worker.keep(f"search-{number}", *pack(tenfold, maps_files=False))
        cluster_worker.forget(f"search-{number}")

    assert sum("_drop_idle" in thread.name for thread in threading.enumerate()) == 1


class WithoutScheduler:
    """A cluster whose scheduler cannot be asked any more, though there are results."""

    name, patience = "fake", 0.0

    def __init__(self):
        self.submitted = []
        self.n_submitted = self.n_counts = 0
        self.cancelled = []

    def start(self):
        return contextlib.nullcontext()

    def count_workers(self):
        self.n_counts += 1
        if self.n_counts > 2:
            raise OSError("the scheduler is gone")
        return 1

    def look_after_workers(self):
        pass

    def submit(self, submission):
        self.submitted.append(submission)
        self.n_submitted += 1

    def collect(self, timeout):
        time.sleep(timeout)
        done, self.submitted = self.submitted[:1], self.submitted[1:]
        return [(submission, outcome_of(1)) for submission in done]

    def cancel(self, submissions):
        self.cancelled += submissions


def test_results_that_have_come_are_kept_when_the_scheduler_is_lost():
    """Each task has its result or is cancelled; none is taken and dropped."""
    cluster = WithoutScheduler()
    finished = []
    with ClusterExecutor(cluster, None, "2*n_jobs") as executor:
        results = map(finished.append, executor.run(tasks_of(5)))
        with pytest.raises(OSError, match="scheduler is gone"):
            collections.deque(results)

    assert 1 <= len(finished) < 5
    assert len(finished) + len(cluster.cancelled) == cluster.n_submitted


class WithSuspects:
    """A cluster of three workers, on which some tasks end their worker for a number of times."""

    name, patience = "fake", 0.0

    def __init__(self, deaths):
        self.deaths = dict(deaths)
        self.running = []
        self.beside = []

    def start(self):
        return contextlib.nullcontext()

    def count_workers(self):
        return 3

    def look_after_workers(self):
        pass

    def submit(self, submission):
        self.running.append(submission)

    def collect(self, timeout):
        """Return all that is running; what is tried alone takes some time."""
        alone = [submission for submission in self.running if submission.alone]
        self.beside += [len(self.running) - 1 for _ in alone]
        if len(self.beside) % 2:
            return []
        running, self.running = self.running, []
        collected = []
        for submission in running:
            number = pickle.loads(submission.task).split
            while self.deaths.get(number, 0) > 0 and not submission.is_given_up:
                self.deaths[number] -= 1
                submission.n_deaths += 1
            result = Died() if submission.is_given_up else outcome_of(10 * number)
            collected.append((submission, result))
        return collected

    def cancel(self, submissions):
        pass


def test_nothing_else_runs_beside_a_task_that_is_tried_alone():
    """Idle workers get no tasks of the next level then, whose memory could end it again."""
    cluster = WithSuspects({1: 2})
    further = iter([[task_of(number)] for number in range(4, 8)])
    with ClusterExecutor(cluster, None, "2*n_jobs") as executor:
        finished = dict(executor.run(tasks_of(4), more=lambda n: next(further, [])))

    assert cluster.beside == [0, 0]
    assert {at: outcome.test_scores for at, outcome in finished.items()} == {
        position: 10.0 * position for position in range(8)
    }


@pytest.mark.parametrize(("deaths", "fails"), [(2, False), (3, False), (4, True)])
def test_one_of_several_suspects_may_be_hit_by_another(deaths, fails):
    """A cancelled task may still be running, and end the worker of the one that is tried alone."""
    cluster = WithSuspects({0: deaths, 1: 10})
    with ClusterExecutor(cluster, None, "2*n_jobs") as executor:
        finished = dict(executor.run(tasks_of(3)))

    assert (finished[0].failure is not None) == fails
    assert finished[1].failure is not None
    assert finished[2].failure is None


def test_client_may_be_closed_during_a_search():
    """The search ends with an error that says so."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
        make_executor(tenfold, None, 1) as executor,
    ):
        results = executor.run(tasks_of(6))
        next(results)
        client.close()
        with pytest.raises(RuntimeError, match="Dask client was closed"):
            list(results)


CANCELLING = """
import types
import ray
from skhyperband._executors.cluster import Submission
from skhyperband._executors.ray_cluster import RayCluster
from skhyperband._pickling import cloudpickle
from tests.tasks import tasks_of, tenfold

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
tasks = [cloudpickle.dumps(task) for task in tasks_of(4)]
cluster = RayCluster(tenfold, types.SimpleNamespace(ray_remote_args=None))
with cluster.start():
    for _ in range(400):
        submissions = [Submission(task, None, False, 0, alone=False) for task in tasks]
        for submission in submissions:
            cluster.submit(submission)
        ray.wait([submission.handle[0] for submission in submissions])
        cluster.cancel(submissions)
"""


def test_ray_survives_that_tasks_are_cancelled_as_they_end():
    """Ray ends the whole program where a task ends at the moment at which it is cancelled."""
    pytest.importorskip("ray")

    done = subprocess.run(
        [sys.executable, "-c", CANCELLING], capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr


def test_ray_may_be_shut_down_during_a_search(ray_cluster, monkeypatch):
    """The search ends with an error that says so, and starts no other cluster."""
    with (
        joblib.parallel_config(backend="ray"),
        make_executor(tenfold, None, 1) as executor,
    ):
        results = executor.run(tasks_of(6))
        next(results)
        monkeypatch.setattr(ray_cluster, "is_initialized", lambda: False)
        with pytest.raises(RuntimeError, match="connection to Ray was shut down"):
            list(results)


# --- ending early ------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_measured(classification, backend, tmp_path):
    """The exception comes at once, and the cluster can be used afterwards."""
    mark = tmp_path / "waits"
    search = search_of(Blocking(mark=str(mark)), n_jobs=None, cv=ONE_SPLIT)
    interrupting = threading.Thread(target=interrupt_when_there_is, args=(mark,))
    interrupting.start()

    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)
    interrupting.join()
    mark.with_suffix(".go").touch()  # Dask lets fits that have begun come to their end.

    assert search.stop_reason_ == "interrupted"
    assert len(search.cv_results_["params"]) == 9
    assert sample_search().fit(*classification).stop_reason_ == "completed"


def interrupt_when_there_is(mark):
    """Wait for the mark, and press Ctrl-C."""
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)


def test_time_limit_ends_a_search(classification, backend):
    """The best so far is refitted."""
    search = HyperbandSearchCV(
        HistGradientBoostingClassifier(random_state=0),
        {"max_leaf_nodes": range(2, 32), "learning_rate": [0.01, 0.03, 0.1, 0.3]},
        n_repeats=None,
        max_time=6,
        random_state=0,
    ).fit(*classification)

    assert search.stop_reason_ == "max_time"
    assert search.best_estimator_.max_iter == 100


def test_fit_that_never_ends_costs_its_limit_and_its_candidate(
    classification, backend, assert_same_results
):
    """The workers have processes for the evaluations, and end them."""
    options = {"n_jobs": None, "cv": ONE_SPLIT}
    search = search_of(Endless(below=0.1), max_fit_time=1.0, **options)

    with pytest.warns(FitFailedWarning, match=r"(?s)1 of 13 .*max_fit_time"):
        search.fit(*classification)
    with pytest.warns(FitFailedWarning, match="too low"):
        raising = search_of(Failing(below=0.1), **options).fit(*classification)

    assert_same_results(search.cv_results_, raising.cv_results_)


class Unloadable(Scored):
    """Cannot be unpickled."""

    def __setstate__(self, state):
        raise ArithmeticError("not here")


def test_estimator_that_no_worker_can_unpickle_is_an_error(classification, backend):
    """The search ends, and says what the workers said."""
    search = search_of(Unloadable(), n_jobs=None, cv=ONE_SPLIT)

    with pytest.raises(
        RuntimeError, match=r"un-serialize the estimator.* ArithmeticError: not here"
    ):
        search.fit(*classification)


def test_journal_has_what_a_cluster_evaluated(
    classification, backend, tmp_path, assert_same_results
):
    """A second search replays it, on another engine too."""
    search = forest_search(journal=tmp_path / "search.sqlite")
    results = search.fit(*classification).cv_results_

    with joblib.parallel_config(backend="loky"):
        again = search.fit(*classification)
    trained = again.cv_results_["mean_fit_time"]
    assert_same_results(results, again.cv_results_)
    assert np.array_equal(trained, results["mean_fit_time"])


# --- beside other uses of a cluster ------------------------------------------------


def test_search_may_be_nested_in_a_task_of_dask(classification, dask_client):
    """cross_val_score runs searches on the cluster, whose evaluations run there, too."""
    with joblib.parallel_config(backend="dask"):
        nested = cross_val_score(sample_search(), *classification, cv=3)

    np.testing.assert_array_equal(nested, cross_val_score(sample_search(), *classification, cv=3))


def test_cluster_may_be_in_this_process(classification, assert_same_results):
    """A Dask client without processes of its own does as well."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.Client(
            processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"
        ),
        joblib.parallel_config(backend="dask"),
    ):
        search = forest_search().fit(*classification)

    assert_same_results(search.cv_results_, forest_search().fit(*classification).cv_results_)


def test_two_searches_may_share_a_cluster(classification, backend, assert_same_results):
    """In two threads of a process, each gets its own results."""
    results = {}

    def run(make_search):
        with joblib.parallel_config(backend=backend):
            results[make_search] = make_search().fit(*classification).cv_results_

    threads = [
        threading.Thread(target=run, args=(make,)) for make in (forest_search, sample_search)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with joblib.parallel_config(backend="loky"):
        for make_search in (forest_search, sample_search):
            alone = make_search().fit(*classification).cv_results_
            assert_same_results(results[make_search], alone)


def test_fit_that_exceeds_the_memory_of_a_dask_worker_fails(classification):
    """Dask's nanny ends the worker; the others get their scores."""
    distributed = pytest.importorskip("distributed")
    import dask

    search = search_of(Hungry(), 3, n_jobs=None, cv=ONE_SPLIT)

    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            memory_limit="1.2 GB",
            dashboard_address=":0",
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
        pytest.warns(FitFailedWarning, match=r"quality=0\.05:\nThe worker process ended"),
    ):
        search.fit(*classification)

    assert search.best_score_ > 0.9


@pytest.mark.skipif(
    importlib.util.find_spec("joblibspark") is None or shutil.which("java") is None,
    reason="needs joblibspark and Java",
)
@pytest.mark.filterwarnings("ignore")  # Those of Spark about itself.
def test_other_backends_of_joblib_run_through_joblib(
    classification, assert_same_results, monkeypatch
):
    """Spark is reached through joblib."""
    from joblibspark import register_spark

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    register_spark()
    search = quality_search(Scored(), 3, n_jobs=2, cv=2)
    with joblib.parallel_config(backend="spark", n_jobs=2):
        results = search.fit(*classification).cv_results_

    assert_same_results(results, search.fit(*classification).cv_results_)
