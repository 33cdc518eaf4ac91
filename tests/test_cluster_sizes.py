"""Real clusters that grow and shrink while a search runs."""

import os
import threading
import time

import joblib
import psutil
import pytest
from sklearn.exceptions import FitFailedWarning

from skhyperband._executors import cluster as clusters
from skhyperband._executors import make_executor
from tests.estimators import Blocking, Hungry
from tests.tasks import outcome_of, scores, tasks_of
from tests.test_crashes import ONE_SPLIT, search_of

pytestmark = pytest.mark.slow


def slow(task):
    """Return which process this is, after a while."""
    time.sleep(0.2)
    return outcome_of(os.getpid())


def processes_of(executor, n_expected):
    """Run tasks until so many processes have taken part; return how many have."""
    deadline = time.monotonic() + 90
    processes = set()
    for _, outcome in executor.run(tasks_of(500)):
        processes.add(outcome.test_scores)
        if len(processes) == n_expected or time.monotonic() > deadline:
            break
    return len(processes)


def test_dask_worker_that_joins_late_is_used():
    """It gets the data, and evaluates."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs="ERROR"
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
        make_executor(slow, None, "2*n_jobs") as executor,
    ):
        scores(executor.run(tasks_of(2)))
        cluster.scale(2)

        assert processes_of(executor, 2) == 2


@pytest.fixture
def ray_nodes():
    """Start a Ray cluster whose head has no core, and one node; give it, and the node."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster
    from ray.util.joblib import register_ray

    register_ray()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    node = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster, node
    ray.shutdown()
    cluster.shutdown()


def test_ray_nodes_come_and_go(ray_nodes, monkeypatch):
    """One that joins is used; when all are gone, the search ends with an error."""
    cluster, node = ray_nodes
    monkeypatch.setattr(clusters, "PATIENCE", 2.0)
    with (
        joblib.parallel_config(backend="ray"),
        make_executor(slow, None, "2*n_jobs") as executor,
    ):
        other = cluster.add_node(num_cpus=1)
        n_processes = processes_of(executor, 2)

        cluster.remove_node(node)
        cluster.remove_node(other)
        with pytest.raises(RuntimeError, match="Ray cluster has had no worker for 2 seconds"):
            scores(executor.run(tasks_of(4)))

    assert n_processes == 2


def test_dask_cluster_that_shrinks_to_none_ends_the_search(classification, monkeypatch, tmp_path):
    """The error says so, and what was measured is kept."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(clusters, "PATIENCE", 2.0)
    mark = tmp_path / "waits"
    search = search_of(Blocking(mark=str(mark)), n_jobs=None, cv=ONE_SPLIT)

    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=":0", silence_logs="ERROR"
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask", wait_for_workers_timeout=2),
    ):
        scaling = threading.Thread(target=scale_down_when_there_is, args=(mark, cluster))
        scaling.start()
        with pytest.raises(RuntimeError, match="Dask cluster has had no worker for 2 seconds"):
            search.fit(*classification)
        scaling.join()

    assert search.stop_reason_ == "interrupted"
    assert len(search.cv_results_["params"]) == 9


def scale_down_when_there_is(mark, cluster):
    """Wait for the mark, and take all workers away."""
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    cluster.scale(0)


def test_fit_that_exceeds_the_memory_of_a_ray_node_fails(classification):
    """Ray's monitor ends the worker; the others get their scores."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    memory = psutil.virtual_memory()
    if memory.available < 10 * 2**30:
        pytest.skip("the fit might take more memory than there is")
    room = 1 - (memory.available - 3 * 2**30) / memory.total
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _system_config={"memory_usage_threshold": room, "memory_monitor_refresh_ms": 50},
    )
    try:
        with (
            joblib.parallel_config(backend="ray"),
            pytest.warns(FitFailedWarning, match=r"quality=0\.05:\nThe worker process ended"),
        ):
            search = search_of(Hungry(), 3, n_jobs=None, cv=ONE_SPLIT).fit(*classification)
    finally:
        ray.shutdown()

    assert search.best_score_ > 0.9
