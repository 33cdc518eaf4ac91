import joblib
import pytest
from scipy.stats import loguniform, uniform
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier

from skhyperband import HyperbandSearchCV
from tests.estimators import Failing


def forest_search(**options):
    """Return a search over forests, by trees."""
    return HyperbandSearchCV(
        RandomForestClassifier(random_state=0),
        {"max_features": uniform(0.1, 0.9), "min_samples_leaf": range(1, 20)},
        resource="n_estimators",
        max_resources=9,
        cv=3,
        random_state=0,
        **options,
    )


def sample_search(**options):
    """Return a search over linear models, by samples, with growing splits."""
    return HyperbandSearchCV(
        SGDClassifier(random_state=0),
        {"alpha": loguniform(1e-6, 1)},
        min_splits=1,
        promotion="level",
        random_state=0,
        **options,
    )


ENGINES = [("sequential", 1), ("threading", 2), ("threading", 5), ("loky", 2), ("loky", 5)]


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
    """However many tasks wait at the workers, the results are the same."""
    one = sample_search().fit(*classification)

    other = sample_search(n_jobs=2, pre_dispatch=pre_dispatch).fit(*classification)

    assert_same_results(one.cv_results_, other.cv_results_)


def test_number_of_workers_may_come_from_the_context(classification, assert_same_results):
    """n_jobs=None takes what parallel_config says."""
    with joblib.parallel_config(backend="threading", n_jobs=2):
        search = sample_search().fit(*classification)

    assert_same_results(search.cv_results_, sample_search().fit(*classification).cv_results_)


@pytest.mark.parametrize(("backend", "n_jobs"), ENGINES[1:4])
def test_failures_are_reported_from_every_engine(classification, backend, n_jobs):
    """A failing fit costs its candidate, in a thread and in a process too."""
    search = HyperbandSearchCV(
        Failing(), {"quality": uniform()}, resource="n_units", max_resources=9, random_state=0
    ).set_params(n_jobs=n_jobs)

    with (
        joblib.parallel_config(backend=backend),
        pytest.warns(Warning, match=r"(?s)evaluations failed.*ArithmeticError"),
    ):
        search.fit(*classification)

    assert search.best_score_ > 0.5
