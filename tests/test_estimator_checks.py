import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV


def searches():
    """Return each search around a classifier and a regressor."""
    models = [(LogisticRegression(), {"C": [0.1, 1.0]}), (Ridge(), {"alpha": [0.1, 1.0]})]
    return [
        search(model, space, n_candidates=2, n_brackets=1, cv=2, error_score="raise")
        if search is HyperbandSearchCV
        else search(model, space, n_candidates=2, cv=2, error_score="raise")
        for search in (SuccessiveHalvingSearchCV, HyperbandSearchCV)
        for model, space in models
    ]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(searches())
def test_scikit_learn_checks(estimator, check):
    """Both searches pass scikit-learn's checks, none excepted."""
    check(estimator)
