import re

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.estimators import Failing, Scored
from tests.published import published

QUALITY = {"quality": list(np.linspace(0.05, 0.95, 30))}
COMMON = {
    "n_candidates": 9,
    "resource": "n_units",
    "max_resources": 9,
    "min_resources": 1,
    "cv": 2,
}

# --- helpers -----------------------------------------------------------------------


class Interrupting(Scored):
    """Is interrupted in the fit that comes to so many units with so many rows."""

    def __init__(self, quality=0.0, n_units=1, label=None, units=3, rows=0):
        super().__init__(quality, n_units, label)
        self.units = units
        self.rows = rows

    def fit(self, X, y=None, sample_weight=None):
        """Raise, or fit."""
        if self.units is not None and self.n_units >= self.units and len(X) >= self.rows:
            raise KeyboardInterrupt
        self.weight_ = None if sample_weight is None else float(np.sum(sample_weight))
        return super().fit(X, y)

    def score(self, X, y=None, sample_weight=None):
        """Return what the parameters make it."""
        return super().score(X, y)

    def transform(self, X):
        """Return X."""
        return X


def search_of(search_class, estimator, **options):
    """Return a search over qualities."""
    return published(search_class, estimator, QUALITY, random_state=0, **{**COMMON, **options})


@pytest.fixture
def interrupted(search_class, classification):
    """Give a search that was interrupted on its second level."""
    search = search_of(search_class, Interrupting())
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)
    return search


def mended(search):
    """Return the search with an estimator that is not interrupted any more."""
    return search.set_params(estimator__units=None)


# --- what an interrupted search says -----------------------------------------------


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
def test_methods_of_an_interrupted_search_say_what_to_do(interrupted, classification, method):
    """Predict and its like name the interruption and refit_best."""
    X, y = classification
    arguments = (X, y) if method == "score" else (X,)

    with pytest.raises(NotFittedError, match=r"interrupted before its refit.*refit_best\(X, y\)"):
        getattr(interrupted, method)(*arguments)


def test_interrupted_search_is_not_fitted_for_scikit_learn(interrupted):
    """check_is_fitted, attributes, HTML and clone work on it as on one without a fit."""
    with pytest.raises(NotFittedError, match="refit_best"):
        check_is_fitted(interrupted)
    assert hasattr(interrupted, "predict")
    assert not hasattr(interrupted, "best_estimator_")
    assert not hasattr(interrupted, "n_features_in_")
    assert not hasattr(interrupted, "classes_")
    assert "Not fitted" in interrupted._repr_html_()
    assert "Interrupting" in repr(interrupted)
    assert not hasattr(clone(interrupted), "cv_results_")
    assert not make_pipeline(StandardScaler(), interrupted).__sklearn_is_fitted__()


def test_search_without_a_fit_says_so(search_class, classification):
    """Before any fit the message is scikit-learn's own."""
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        search_of(search_class, Scored()).predict(classification[0])


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_search_that_failed_wholly_does_not_name_refit_best(
    search_class, classification, error_score
):
    """Where nothing was measured there is no best candidate to be fitted."""
    search = search_of(search_class, Failing(below=2.0), error_score=error_score)
    with pytest.raises(ValueError, match="None of the"):
        search.fit(*classification)

    with pytest.raises(NotFittedError, match=r"no evaluation gave a finite score.*call fit again"):
        search.predict(classification[0])
    with pytest.raises(ValueError, match="no evaluation gave a finite score"):
        search.refit_best(*classification)


def test_search_whose_refit_was_switched_on_afterwards_says_so(search_class, classification):
    """After refit=False the search is not said to have been interrupted."""
    search = search_of(search_class, Scored(), refit=False).fit(*classification)
    search.set_params(refit=True)

    with pytest.raises(NotFittedError, match=r"refit=False.*refit_best\(X, y\)"):
        search.predict(classification[0])


# --- refit_best --------------------------------------------------------------------


def test_refit_best_fits_the_best_so_far_with_all_resources(interrupted, classification):
    """The refit has R on all rows, and a warning says that nothing measured had."""
    X, y = classification
    assert set(interrupted.cv_results_["n_resources"]) == {1}

    with pytest.warns(UserWarning, match=r"No candidate has a score with n_units=9.*n_units=1"):
        returned = mended(interrupted).refit_best(X, y)

    assert returned is interrupted
    best = interrupted.best_estimator_
    assert best.get_params() == {**best.get_params(), **interrupted.best_params_}
    assert best.quality == interrupted.cv_results_["param_quality"].max()
    assert (best.n_units, best.n_fitted_) == (9, 240)
    assert interrupted.refit_time_ >= 0
    assert interrupted.stop_reason_ == "interrupted"
    check_is_fitted(interrupted)
    assert interrupted.predict(X).shape == (240,)
    assert interrupted.score(X, y) == best.score(X, y)


def test_interrupted_refit_is_made_good(search_class, classification, recwarn):
    """Where only the refit is missing, refit_best gives what fit would have."""
    search = search_of(search_class, Interrupting(units=9, rows=240))
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    mended(search).refit_best(*classification)

    whole = search_of(search_class, Scored()).fit(*classification)
    assert search.best_params_ == whole.best_params_
    assert search.best_score_ == whole.best_score_
    assert search.best_estimator_.n_units == 9
    assert not recwarn.list


def test_refit_best_passes_metadata_as_fit_does(interrupted, classification):
    """What fit would pass to the estimator reaches it, and groups do not."""
    X, y = classification
    weight = np.ones(240)

    with pytest.warns(UserWarning, match="No candidate"):
        mended(interrupted).refit_best(X, y, sample_weight=weight, groups=np.arange(240) // 2)

    assert interrupted.best_estimator_.weight_ == 240


def test_refit_best_routes_metadata(interrupted, classification):
    """With metadata routing it takes what fit takes."""
    X, y = classification
    with sklearn.config_context(enable_metadata_routing=True):
        interrupted.estimator.set_fit_request(sample_weight=True).set_score_request(
            sample_weight=False
        )
        with pytest.warns(UserWarning, match="No candidate"):
            mended(interrupted).refit_best(X, y, sample_weight=np.ones(240))

    assert interrupted.best_estimator_.weight_ == 240


def test_refit_best_checks_its_data(search_class, classification):
    """Lengths that differ are named before anything is fitted."""
    X, y = classification
    search = search_of(search_class, Scored()).fit(X, y)

    with pytest.raises(ValueError, match="X and y must have a value for each sample"):
        search.refit_best(X, y[:-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        search.refit_best(X)


def test_refit_best_needs_a_search(search_class, classification):
    """Without anything measured there is nothing to refit."""
    with pytest.raises(NotFittedError, match=r"nothing.*measured.*call fit first"):
        search_of(search_class, Scored()).refit_best(*classification)


def test_refit_best_after_a_search_without_refit(search_class, classification):
    """After refit=False it sets the estimator that fit left out, with R."""
    search = search_of(search_class, Scored(), refit=False).fit(*classification)
    best_params = search.best_params_

    search.refit_best(*classification)

    assert search.best_params_ == best_params
    assert search.best_estimator_.n_units == 9


def test_refit_best_chooses_where_a_callable_refit_had_failed(search_class, classification):
    """A callable that raised is set anew, and what was measured is used."""

    def broken(results):
        raise LookupError("oh")

    search = search_of(search_class, Scored(), refit=broken)
    with pytest.raises(LookupError):
        search.fit(*classification)

    search.set_params(refit=lambda results: int(results["mean_test_score"].argmax()))
    search.refit_best(*classification)

    assert search.best_estimator_.quality == search.best_params_["quality"]
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()


class Naming(Scored):
    """Notes the names of the columns, as scikit-learn's estimators do."""

    def fit(self, X, y=None):
        """Fit."""
        self._check_names = True
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns)
        return super().fit(X, y)


def test_refit_best_sets_the_names_of_its_own_features(search_class, classification):
    """feature_names_in_ are those of the last refit; an array has none."""
    X, y = classification
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    search = search_of(search_class, Naming()).fit(X, y)

    search.refit_best(frame, y)
    assert search.feature_names_in_.tolist() == list("abcdef")

    search.refit_best(X, y)
    assert not hasattr(search, "feature_names_in_")


# --- the refit has all resources ---------------------------------------------------


def test_candidate_that_failed_with_more_is_refitted_with_what_it_was_measured(classification):
    """A refit that is known to fail does not cost the result; a warning says so."""
    search = search_of(SuccessiveHalvingSearchCV, Failing(from_units=3, below=2))

    with (
        pytest.warns(FitFailedWarning),
        pytest.warns(UserWarning, match=r"No candidate has a score with n_units=9.*failed with"),
    ):
        search.fit(*classification)

    measured = search.cv_results_["params"][search.best_index_]
    assert measured["n_units"] == 1
    assert search.best_params_ == measured
    assert search.best_estimator_.n_units == 1


def test_more_time_is_no_advice_after_an_interruption(classification):
    """The limit was not what ended the search."""

    class NotAsGiven(Interrupting):
        def fit(self, X, y=None):
            if self.quality == 0:
                return Scored.fit(self, X, y)
            return super().fit(X, y)

    search = search_of(SuccessiveHalvingSearchCV, NotAsGiven(), max_time=3600)
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    with pytest.warns(UserWarning, match="No candidate has a score with n_units=9") as caught:
        mended(search).refit_best(*classification)

    assert not any("max_time" in str(warning.message) for warning in caught)


@pytest.mark.filterwarnings("ignore:Some scores are not finite:UserWarning")
def test_metric_without_a_score_at_the_highest_level_is_named(classification):
    """Another metric has scores there, and time was not what was lacking."""

    def two_metrics(estimator, X, y):
        is_full = estimator.n_units == 9
        return {"p": estimator.quality, "q": np.nan if is_full else estimator.quality}

    search = search_of(
        SuccessiveHalvingSearchCV,
        Scored(),
        scoring=two_metrics,
        rank_by="p",
        refit="q",
        max_time=3600,
    )

    with pytest.warns(UserWarning, match="No candidate has a finite q with n_units=9") as caught:
        search.fit(*classification)

    assert not any("max_time" in str(warning.message) for warning in caught)


def test_samples_that_were_not_reached_are_warned_of(classification):
    """With samples as the resource the warning counts samples."""
    search = published(
        SuccessiveHalvingSearchCV,
        Interrupting(units=0, rows=100),
        QUALITY,
        n_candidates=9,
        min_resources=20,
        cv=2,
        random_state=0,
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    with pytest.warns(UserWarning, match=re.escape("No candidate has a score with n_samples=240")):
        mended(search).refit_best(*classification)

    assert search.best_estimator_.n_fitted_ == 240


def test_search_that_reached_the_top_is_not_warned_of(search_class, classification, recwarn):
    """Where the best candidate had R there is nothing to say."""
    search_of(search_class, Scored()).fit(*classification)

    assert not recwarn.list


def test_refit_best_is_documented_for_both():
    """Both searches have it as a public method."""
    for cls in (HyperbandSearchCV, SuccessiveHalvingSearchCV):
        assert "refit" in cls.refit_best.__doc__
