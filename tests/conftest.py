import signal
from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV


def pytest_collection_modifyitems(items):
    """Begin with the files of the slowest tests, so that a short file is the last to end."""
    n_tests = Counter(item.path for item in items)
    n_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (n_slow[item.path], n_tests[item.path]), reverse=True)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Let Ctrl-C interrupt, which a shell lets the programs ignore that it runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Let linear algebra run in one thread: several of them wait for each other on busy cores."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def classification():
    """Give 240 samples of two classes."""
    return make_classification(240, 6, random_state=0)


@pytest.fixture(scope="session")
def regression():
    """Give 240 samples with a number each."""
    return make_regression(240, 6, noise=1.0, random_state=0)


@pytest.fixture(params=[SuccessiveHalvingSearchCV, HyperbandSearchCV], ids=["sh", "hb"])
def search_class(request):
    """Give each of the two searches."""
    return request.param


@pytest.fixture
def assert_same_results():
    """Give a comparison of two cv_results_ that leaves the times aside."""

    def compare(one, other):
        assert one.keys() == other.keys()
        for name in one:
            if "time" not in name:
                np.testing.assert_equal(one[name], other[name], err_msg=name)

    return compare


@pytest.fixture(scope="module")
def dask_client():
    """Start a Dask cluster of two processes with one thread each."""
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        # A worker that is killed twice within this time would not be started again.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs="ERROR"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ray_cluster():
    """Start Ray on this machine, with room for two tasks at a time."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()
