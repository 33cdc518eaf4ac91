import time

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform, uniform
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._executors.broadcast import pack, unpack
from tests.estimators import Failing, Reporting, Scored
from tests.published import published


def forest_search(**options):
    """Return a search over forests whose resource is the number of trees."""
    return published(
        HyperbandSearchCV,
        RandomForestClassifier(random_state=0),
        {"max_features": uniform(0.1, 0.9), "min_samples_leaf": range(1, 20)},
        resource="n_estimators",
        max_resources=9,
        cv=3,
        random_state=0,
        **options,
    )


def sample_search(**options):
    """Return a search over linear models whose resources are samples and splits."""
    return published(
        HyperbandSearchCV,
        SGDClassifier(random_state=0),
        {"alpha": loguniform(1e-6, 1)},
        min_splits=1,
        promotion="level",
        random_state=0,
        **options,
    )


ENGINES = [("sequential", 1), ("threading", 2), ("threading", 5), ("loky", 2), ("loky", 3)]


@pytest.mark.parametrize("make_search", [forest_search, sample_search])
def test_results_do_not_depend_on_the_engine(classification, make_search, assert_same_results):
    """cv_results_ is bit-identical for every backend and number of workers."""
    results = [
        _fit(make_search, backend, n_jobs, classification).cv_results_
        for backend, n_jobs in ENGINES
    ]

    for other in results[1:]:
        assert_same_results(results[0], other)


def _fit(make_search, backend, n_jobs, data):
    with joblib.parallel_config(backend=backend):
        return make_search(n_jobs=n_jobs).fit(*data)


@pytest.mark.parametrize("pre_dispatch", ["all", 2, "1.5*n_jobs"])
def test_pre_dispatch_changes_no_result(classification, pre_dispatch, assert_same_results):
    """The results are the same, however many tasks are sent to the workers ahead."""
    one = sample_search().fit(*classification)

    other = sample_search(n_jobs=2, pre_dispatch=pre_dispatch).fit(*classification)

    assert_same_results(one.cv_results_, other.cv_results_)


def test_number_of_workers_may_come_from_the_context(classification, assert_same_results):
    """n_jobs=None means the number that parallel_config was given."""
    with joblib.parallel_config(backend="threading", n_jobs=2):
        search = sample_search().fit(*classification)

    assert_same_results(search.cv_results_, sample_search().fit(*classification).cv_results_)


@pytest.mark.parametrize(("backend", "n_jobs"), ENGINES[1:4])
def test_failures_are_reported_from_every_engine(classification, backend, n_jobs):
    """A fit that fails costs only its candidate, also in a thread or a process."""
    search = published(
        HyperbandSearchCV,
        Failing(),
        {"quality": uniform()},
        resource="n_units",
        max_resources=9,
        random_state=0,
    ).set_params(n_jobs=n_jobs)

    with (
        joblib.parallel_config(backend=backend),
        pytest.warns(Warning, match=r"(?s)evaluations failed.*ArithmeticError"),
    ):
        search.fit(*classification)

    assert search.best_score_ > 0.5


def search_of(estimator, values, **options):
    """Return a search that evaluates each value of the quality once, on five splits."""
    return published(
        SuccessiveHalvingSearchCV,
        estimator,
        {"quality": values},
        n_candidates="all",
        resource="n_units",
        max_resources=1,
        refit=False,
        **options,
    )


class CountingScorer:
    """Writes to an array of its own each time."""

    def __init__(self):
        self.calls = np.zeros(3)

    def __call__(self, estimator, X, y):
        """Count, and score."""
        self.calls[0] += 1
        return estimator.score(X, y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scorer_may_write_to_an_array_of_its_own(classification, n_jobs):
    """The arrays of a scorer can be written to in a worker, too."""
    search = search_of(Scored(), [0.1, 0.2], scoring=CountingScorer(), n_jobs=n_jobs)

    search.fit(*classification)

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_scorers_that_write_fail_no_other_thread(classification):
    """A scorer that writes to X fails no scorer of another thread."""

    def writing(estimator, X, y):
        X[0] = 0
        time.sleep(0.002)
        return 1.0

    def slow(estimator, X, y):
        time.sleep(0.005)
        return estimator.quality

    with joblib.parallel_config(backend="threading"):
        search = search_of(
            Scored(),
            [0.1 * i for i in range(8)],
            scoring={"writing": writing, "slow": slow},
            rank_by="slow",
            n_jobs=4,
        ).fit(*classification)

    assert np.isfinite(search.cv_results_["mean_test_writing"]).all()


class Unloadable(Scored):
    """Cannot be unpickled."""

    def __setstate__(self, state):
        """Raise."""
        raise ArithmeticError("cannot be loaded here")


def test_estimator_that_a_worker_cannot_unpickle_is_an_error(classification):
    """The search ends with an error that says so, and blames no candidate."""
    with pytest.raises(RuntimeError, match="un-serialize"):
        search_of(Unloadable(), [0.1, 0.2], n_jobs=2).fit(*classification)


@pytest.mark.parametrize("pre_dispatch", ["n_jobs/4", "n_jobs-2"])
def test_pre_dispatch_of_nothing_is_an_error(classification, pre_dispatch):
    """An expression that comes to 0 is refused, instead of waiting for ever."""
    search = search_of(Scored(), [0.1, 0.2], n_jobs=2, pre_dispatch=pre_dispatch)

    with pytest.raises(ValueError, match="pre_dispatch="):
        search.fit(*classification)


def test_mapped_data_stay_in_their_file(classification, tmp_path, assert_same_results):
    """A memory-mapped X is sent to the workers as the name of its file."""
    X, y = classification
    mapped = np.memmap(tmp_path / "X", X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    search = search_of(Summing(), [0.1, 0.2], n_jobs=2).fit(mapped, y)

    packed, sizes = pack(mapped)

    assert unpack(packed, sizes)[3, 2] == X[3, 2]
    assert sum(sizes) < X.nbytes
    assert_same_results(search.cv_results_, search_of(Summing(), [0.1, 0.2]).fit(X, y).cv_results_)


class Summing(Scored):
    """Scores by the sum of the data that it is given."""

    def score(self, X, y=None):
        """Add up."""
        return float(np.sum(X)) + self.quality


def reporting_search(**options):
    """Return a search whose scores are the number of workers that a fit finds."""
    return published(
        SuccessiveHalvingSearchCV,
        Reporting(),
        {"quality": [0.1, 0.2, 0.3, 0.4]},
        n_candidates="all",
        min_resources=240,
        cv=2,
        refit=False,
        **options,
    )


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_no_n_jobs_is_one_worker_within_a_task(classification, backend):
    """A fit that would use all workers by default uses one."""
    with joblib.parallel_config(backend=backend, n_jobs=2):
        search = reporting_search().fit(*classification)

    assert set(search.cv_results_["mean_test_score"]) == {1.0}


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_multiprocessing_is_refused(classification, n_jobs):
    """An error before any fit says that the backend waits for ever when a worker dies."""
    if joblib.cpu_count() == 1 and n_jobs == -1:
        pytest.skip("there is one worker only")
    search = sample_search(n_jobs=n_jobs)

    with (
        joblib.parallel_config(backend="multiprocessing"),
        pytest.raises(ValueError, match=rf"n_jobs={n_jobs}.*'multiprocessing'.*loky"),
    ):
        search.fit(*classification)


def test_multiprocessing_with_one_worker_is_accepted(classification, assert_same_results):
    """A search with one worker starts no process, whatever the backend."""
    with joblib.parallel_config(backend="multiprocessing"):
        search = sample_search(n_jobs=1).fit(*classification)

    assert_same_results(search.cv_results_, sample_search().fit(*classification).cv_results_)
