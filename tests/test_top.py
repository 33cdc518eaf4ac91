import sys

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.exceptions import NotFittedError

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.estimators import Failing, Sampled, Scored

QUALITY = {"quality": uniform()}


@pytest.fixture
def needs_pandas():
    """Skip where pandas is not installed."""
    return pytest.importorskip("pandas")


def search_of(search_class=SuccessiveHalvingSearchCV, estimator=None, space=QUALITY, **options):
    """Return a search over the quality, with units as the resource."""
    return search_class(
        estimator or Scored(),
        space,
        **{"resource": "n_units", "max_resources": 9, "cv": 2, "random_state": 0, **options},
    )


def test_the_best_candidates_come_first(search_class, classification, needs_pandas):
    """The rows are the best of the highest level, in the order of their ranks."""
    search = search_of(search_class).fit(*classification)

    frame = search.top(3)

    assert len(frame) == 3
    assert frame.index[0] == search.best_index_
    assert frame["mean_test_score"].is_monotonic_decreasing
    assert frame["rank_test_score"].tolist() == [1, 2, 3]
    assert set(frame["n_resources"]) == {9}
    assert set(frame["n_splits"]) == {2}


def test_columns_and_index_are_those_of_the_results(classification, needs_pandas):
    """Each value is the one in the same row and column of `cv_results_`."""
    search = search_of(return_train_score=True).fit(*classification)

    frame = search.top()

    assert list(frame) == [
        "rank_test_score",
        "param_quality",
        "mean_test_score",
        "std_test_score",
        "mean_train_score",
        "n_resources",
        "n_splits",
        "mean_fit_time",
        "mean_score_time",
        "candidate_id",
    ]
    for name in frame:
        np.testing.assert_array_equal(frame[name], search.cv_results_[name][frame.index])


def test_there_may_be_fewer_than_asked_for(classification, needs_pandas):
    """The highest level has as many candidates as the search gave it."""
    search = search_of(n_candidates=9).fit(*classification)

    assert len(search.top(100)) == search.n_candidates_[-1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_failures_are_no_best_candidates(classification, needs_pandas):
    """What failed at the highest level is left out, and the level below is used if all did."""
    fails_with_all = Failing(below=2.0, from_units=9)
    search = search_of(estimator=fails_with_all)

    with pytest.warns(UserWarning, match="No candidate has a score with n_units=9"):
        search.fit(*classification)

    frame = search.top()
    assert len(frame)
    assert set(frame["n_resources"]) == {6}
    assert frame["mean_test_score"].notna().all()
    assert frame.index[0] == search.best_index_


def test_repetitions_of_a_candidate_are_shown_once(classification, needs_pandas):
    """With aggressive elimination, a candidate has several rungs at the same level."""
    search = search_of(
        n_candidates=27, min_resources=9, aggressive_elimination=True, min_splits=None
    )
    search.fit(*classification)

    frame = search.top(50)

    assert len(search.cv_results_["candidate_id"]) > 27
    assert len(frame) == 27
    assert frame["candidate_id"].is_unique


def test_several_metrics_are_shown_and_the_one_that_refits_ranks(classification, needs_pandas):
    """The order is that of the metric of `best_score_`."""
    search = search_of(
        scoring={"up": up, "down": down}, refit="down", rank_by="up", n_candidates=9
    ).fit(*classification)

    frame = search.top(3)

    assert frame.columns[0] == "rank_test_down"
    assert frame["mean_test_down"].iloc[0] == search.best_score_
    assert {"mean_test_up", "std_test_up"} < set(frame)


def up(estimator, X, y):
    """Return a score that rises with the quality."""
    return estimator.quality


def down(estimator, X, y):
    """Return a score that falls with the quality."""
    return -estimator.quality


def test_none_is_a_value_and_a_missing_parameter_is_nan(classification, needs_pandas):
    """None is shown as None; a parameter that a candidate does not have is missing."""
    space = [{"quality": [0.9], "label": [None, "a"]}, {"quality": [0.1]}]
    search = search_of(space=space, n_candidates="all", min_resources=9, min_splits=None)
    search.fit(*classification)

    labels = search.top().set_index("param_quality")["param_label"]

    assert set(labels[0.9]) == {None, "a"}
    assert np.isnan(labels[0.1])


def test_parameter_that_is_called_n_samples_has_a_column(classification, needs_pandas):
    """The number of samples is no parameter, and does not take its name away."""
    search = HyperbandSearchCV(Sampled(), {"n_samples": range(1, 100)}).fit(*classification)

    assert search.best_params_["n_samples"] in set(search.top(99)["param_n_samples"])


def test_a_search_without_refit_has_best_candidates(classification, needs_pandas):
    """Only the results are needed."""
    search = search_of(refit=False).fit(*classification)

    assert search.top(1).index[0] == search.best_index_


def test_nothing_measured_is_said(search_class):
    """Before `fit`, the error says what to do."""
    with pytest.raises(NotFittedError, match="call fit first"):
        search_of(search_class).top()


@pytest.mark.parametrize(
    ("n", "error", "match"),
    [
        (0, ValueError, "n=0 must be at least 1"),
        (-1, ValueError, "n=-1"),
        (2.0, TypeError, "n=2.0 must be an int"),
        (True, TypeError, "n=True"),
        ("5", TypeError, "n='5'"),
    ],
)
def test_a_wrong_number_is_named(classification, n, error, match):
    """An error names the parameter and its value."""
    search = search_of().fit(*classification)

    with pytest.raises(error, match=match):
        search.top(n)


def test_missing_pandas_is_said(classification, monkeypatch):
    """Without pandas, the error says what to install."""
    search = search_of().fit(*classification)
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(ImportError, match=r"skhyperband\[pandas\]"):
        search.top()


def test_an_interrupted_search_has_best_candidates(classification, needs_pandas):
    """What was measured before an exception is shown."""
    search = search_of(HyperbandSearchCV, estimator=Failing(below=2.0, from_units=9))
    search.set_params(error_score="raise")
    with pytest.raises(ArithmeticError):
        search.fit(*classification)

    assert set(search.top()["n_resources"]) == {6}
