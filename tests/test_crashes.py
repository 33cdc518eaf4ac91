import os

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning

from skhyperband import SuccessiveHalvingSearchCV
from tests.estimators import Deadly, Failing, RaisesUnpicklable


def search_of(estimator, **options):
    """Return a search over the quality, by a parameter that costs nothing."""
    return SuccessiveHalvingSearchCV(
        estimator,
        {"quality": np.linspace(0.05, 0.95, 9)},
        n_candidates="all",
        resource="n_units",
        max_resources=9,
        cv=2,
        n_jobs=2,
        random_state=0,
        **options,
    )


def deaths(folder):
    """Return {quality: how often it died}."""
    return {float(mark.name): len(mark.read_text()) for mark in folder.iterdir()}


def test_candidates_that_kill_their_worker_are_like_ones_that_raise(
    classification, tmp_path, assert_same_results
):
    """A killed process costs its candidate only, and the rest is as if it had raised."""
    deadly = Deadly(marks=str(tmp_path), below=0.3, parent=os.getpid())
    search = search_of(deadly)

    with pytest.warns(FitFailedWarning, match=r"worker process ended"):
        search.fit(*classification)
    with pytest.warns(FitFailedWarning, match="too low"):
        raising = search_of(Failing(below=0.3)).fit(*classification)

    # Each twice alone on each of two splits; some in the common pool before.
    assert set(deaths(tmp_path)) == {0.05, 0.1625, 0.275}
    assert min(deaths(tmp_path).values()) >= 4
    assert sum(deaths(tmp_path).values()) > 12
    assert_same_results(search.cv_results_, raising.cv_results_)


def test_worker_that_dies_once_costs_nothing(classification, tmp_path):
    """What dies only sometimes is tried again, and counts as measured."""
    deadly = Deadly(marks=str(tmp_path), below=0.3, once=True, parent=os.getpid())

    search = search_of(deadly).fit(*classification)

    assert deaths(tmp_path)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_error_score_raise_holds_for_dead_workers(classification, tmp_path):
    """error_score="raise" ends the search where a process ended twice."""
    deadly = Deadly(marks=str(tmp_path), below=0.3, parent=os.getpid())

    with pytest.raises(RuntimeError, match="worker process ended"):
        search_of(deadly, error_score="raise").fit(*classification)


def test_exception_that_cannot_be_unpickled_is_no_death(classification):
    """It fails as any other exception, and the workers live on."""
    search = search_of(RaisesUnpicklable())

    with pytest.raises(ValueError, match="UnpicklableError"):
        search.fit(*classification)
    with pytest.raises(RuntimeError, match="UnpicklableError"):
        search.set_params(error_score="raise").fit(*classification)
