import copy
import pickle

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform, uniform
from sklearn.base import (
    BaseEstimator,
    TransformerMixin,
    clone,
    is_classifier,
    is_clusterer,
    is_outlier_detector,
    is_regressor,
)
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils.validation import check_is_fitted

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.published import published

SMOOTHING = {"var_smoothing": loguniform(1e-6, 10)}
METHODS = [
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "inverse_transform",
    "score_samples",
]


def search_of(estimator=None, space=SMOOTHING, search_class=SuccessiveHalvingSearchCV, **options):
    """Return a search by samples, with two levels."""
    estimator = GaussianNB() if estimator is None else estimator
    options = {"n_candidates": 3, "min_resources": 40, "cv": 2, "random_state": 0, **options}
    return published(search_class, estimator, space, **options)


def by_trees(pipeline=None, **options):
    """Return a search by a parameter that costs nothing."""
    return published(
        SuccessiveHalvingSearchCV,
        DecisionTreeClassifier(random_state=0) if pipeline is None else pipeline,
        {"min_samples_leaf": range(1, 9)},
        n_candidates=3,
        resource="max_depth",
        max_resources=3,
        cv=2,
        random_state=0,
        **options,
    )


# --- methods of the estimator ------------------------------------------------------

ESTIMATORS = {
    "classifier": (GaussianNB(), SMOOTHING),
    "decision": (SVC(), {"C": loguniform(0.1, 10)}),
    "regressor": (Ridge(), {"alpha": loguniform(0.1, 10)}),
    "transformer": (make_pipeline(PCA(2, random_state=0)), {"pca__whiten": [True, False]}),
    "clusterer": (KMeans(2, n_init=1, random_state=0), {"tol": [1e-4, 1e-2, 1.0]}),
    "density": (KernelDensity(), {"bandwidth": loguniform(0.1, 10)}),
    "outliers": (
        IsolationForest(n_estimators=3, random_state=0),
        {"max_features": [0.5, 0.8, 1.0]},
    ),
}


def constant_score(estimator, X, y=None):
    """Return a number, whatever the estimator."""
    return 1.0


def fitted(name, data, **options):
    """Return a fitted search around one of the estimators."""
    estimator, space = ESTIMATORS[name]
    options = {"scoring": constant_score, "n_candidates": 2, **options}
    return search_of(estimator, space, **options).fit(*data)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_search_has_the_methods_of_its_estimator(classification, name):
    """Each method is there before and after fit where the estimator has it, and only there."""
    estimator, space = ESTIMATORS[name]

    unfitted, after = search_of(estimator, space), fitted(name, classification)

    for method in METHODS:
        assert hasattr(unfitted, method) == hasattr(estimator, method), method
        assert hasattr(after, method) == hasattr(after.best_estimator_, method), method


@pytest.mark.parametrize("name", ESTIMATORS)
def test_methods_give_what_the_best_estimator_gives(classification, name):
    """The fitted search passes calls on to best_estimator_."""
    X, _ = classification
    search = fitted(name, classification)

    for method in [m for m in METHODS if hasattr(search, m)]:
        given = search.transform(X) if method == "inverse_transform" else X
        expected = getattr(search.best_estimator_, method)(given)
        np.testing.assert_array_equal(getattr(search, method)(given), expected)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_methods_need_a_fit(classification, search_class, method):
    """Before fit they say that there was none."""
    X, y = classification
    search = search_of(search_class=search_class)

    with pytest.raises(NotFittedError):
        getattr(search, method)(*((X, y) if method == "score" else (X,)))


@pytest.mark.parametrize(("loss", "has"), [("hinge", False), ("log_loss", True)])
def test_probabilities_follow_the_parameters_of_the_estimator(loss, has):
    """A method that depends on a parameter is there when the parameter says so."""
    search = search_of(SGDClassifier(loss=loss), {"alpha": [0.1, 1.0, 10.0]})

    assert hasattr(search, "predict_proba") is has


def test_fitted_attributes_follow_the_best_estimator(classification):
    """n_features_in_ and classes_ are those of best_estimator_."""
    X, y = classification
    labels = np.array(["no", "yes"])[y]

    search = search_of().fit(X, labels)

    assert search.n_features_in_ == 6
    assert list(search.classes_) == ["no", "yes"]


def test_attributes_that_the_estimator_has_not_are_missing(classification, regression):
    """A regressor has no classes_, arrays no feature names, an unfitted search neither."""
    ridge = search_of(Ridge(), {"alpha": [0.1, 1.0, 10.0]}).fit(*regression)
    unfitted = search_of()

    assert not hasattr(ridge, "classes_")
    assert not hasattr(ridge, "feature_names_in_")
    for name in ("classes_", "n_features_in_", "feature_names_in_"):
        assert not hasattr(unfitted, name)


def test_feature_names_are_those_of_the_frame(classification):
    """feature_names_in_ comes from a frame's columns."""
    pandas = pytest.importorskip("pandas")
    X, y = classification
    frame = pandas.DataFrame(X, columns=list("abcdef"))

    search = search_of().fit(frame, y)

    assert list(search.feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        search.predict(frame[list("fedcba")])


def test_feature_names_are_forgotten(classification):
    """A second fit on an array leaves no names of the first."""
    pandas = pytest.importorskip("pandas")
    X, y = classification
    search = search_of().fit(pandas.DataFrame(X, columns=list("abcdef")), y)

    search.fit(X, y)

    assert not hasattr(search, "feature_names_in_")


# --- tags --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "is_kind"),
    [
        (GaussianNB(), is_classifier),
        (Ridge(), is_regressor),
        (KMeans(), is_clusterer),
        (IsolationForest(), is_outlier_detector),
        (make_pipeline(StandardScaler(), LogisticRegression()), is_classifier),
    ],
    ids=["classifier", "regressor", "clusterer", "outliers", "pipeline"],
)
def test_search_is_of_the_estimators_kind(search_class, estimator, is_kind):
    """Whatever asks what an estimator is, hears what the search is around."""
    assert is_kind(search_class(estimator, {"x": [1]}))


@pytest.mark.parametrize(
    ("estimator", "pairwise"),
    [
        (SVC(kernel="precomputed"), True),
        (make_pipeline(SVC(kernel="precomputed")), True),
        (SVC(), False),
    ],
    ids=["kernel", "pipeline", "plain"],
)
def test_pairwise_follows_the_estimator(search_class, estimator, pairwise):
    """The search around a precomputed kernel is pairwise."""
    assert get_tags(search_class(estimator, {"x": [1]})).input_tags.pairwise is pairwise


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        MultinomialNB(),
        LogisticRegression(),
        Ridge(),
        DecisionTreeRegressor(),
        KMeans(),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_tags_are_the_estimators(search_class, estimator):
    """Sparse, multi-output, positive-only, required targets and the rest are passed on."""
    tags, own = get_tags(search_class(estimator, {"x": [1]})), get_tags(estimator)

    for name in ("estimator_type", "target_tags", "classifier_tags", "regressor_tags"):
        assert getattr(tags, name) == getattr(own, name)
    assert tags.input_tags == own.input_tags
    assert tags.requires_fit
    assert tags.non_deterministic == own.non_deterministic


def test_search_of_an_estimator_that_needs_no_fit_needs_one(search_class):
    """Which parameters are the best is not known before."""
    search = search_class(Normalizer(), {"norm": ["l1", "l2", "max"]}, scoring=lambda *_: 0.0)

    assert not get_tags(Normalizer()).requires_fit
    with pytest.raises(NotFittedError):
        check_is_fitted(search)
    with pytest.raises(NotFittedError):
        search.transform([[1.0, 2.0]])


def test_tags_of_the_estimator_are_not_changed(search_class):
    """The search's tags are a copy."""
    estimator = GaussianNB()
    tags = get_tags(search_class(estimator, {"x": [1]}))

    tags.input_tags.sparse = not tags.input_tags.sparse

    assert get_tags(estimator).input_tags.sparse is not tags.input_tags.sparse


# --- looking at it -----------------------------------------------------------------


@pytest.mark.parametrize("is_fitted", [False, True], ids=["unfitted", "fitted"])
def test_html_shows_the_search_and_its_estimator(classification, search_class, is_fitted):
    """A notebook shows both, and whether the search is fitted."""
    search = search_of(search_class=search_class)
    if is_fitted:
        search.fit(*classification)

    html = estimator_html_repr(search)

    assert search_class.__name__ in html
    assert "GaussianNB" in html
    assert ("<span>Fitted</span>" in html) is is_fitted
    assert "text/html" in search._repr_mimebundle_()
    assert search_class.__name__ in search._repr_html_()


def test_text_shows_what_differs_from_the_defaults(search_class):
    """Repr is scikit-learn's, with changed parameters only."""
    text = repr(search_class(GaussianNB(), {"var_smoothing": [1]}, factor=2))

    assert text.startswith(f"{search_class.__name__}(estimator=GaussianNB(), factor=2,")
    assert "n_jobs" not in text


# --- parameters, copies, pickles ---------------------------------------------------


def test_clone_is_an_unfitted_equal(classification, search_class):
    """A clone has the parameters, an estimator of its own, and nothing learned."""
    search = search_of(search_class=search_class, factor=2).fit(*classification)

    other = clone(search)

    assert other.get_params().keys() == search.get_params().keys()
    assert other.factor == 2
    assert other.estimator is not search.estimator
    with pytest.raises(NotFittedError):
        check_is_fitted(other)


def test_clone_keeps_initial_candidates():
    """A list of dicts among the parameters keeps its values."""
    search = search_of(initial_candidates=[{"var_smoothing": 0.5}])

    assert clone(search).initial_candidates == [{"var_smoothing": 0.5}]


def test_nested_parameters_are_reached(search_class):
    """get_params and set_params see through to the estimator."""
    pipeline = make_pipeline(StandardScaler(), GaussianNB())
    search = published(search_class, pipeline, {"gaussiannb__var_smoothing": [1]})

    search.set_params(estimator__gaussiannb__var_smoothing=0.5, factor=4, cv=7)

    assert search.estimator["gaussiannb"].var_smoothing == 0.5
    assert search.get_params()["estimator__gaussiannb__var_smoothing"] == 0.5
    assert (search.factor, search.cv) == (4, 7)
    assert "estimator__gaussiannb" not in search.get_params(deep=False)


def test_unknown_parameter_is_refused(search_class):
    """set_params names what there is not."""
    with pytest.raises(ValueError, match="n_iter"):
        published(search_class, GaussianNB(), SMOOTHING).set_params(n_iter=5)


def cloudpickled(value):
    """Return the value, through cloudpickle."""
    cloudpickle = pytest.importorskip("cloudpickle")
    return cloudpickle.loads(cloudpickle.dumps(value))


def joblib_dumped(value, path):
    """Return the value, through a file."""
    joblib.dump(value, path)
    return joblib.load(path)


COPIES = {
    "pickle": lambda value, path: pickle.loads(pickle.dumps(value)),
    "cloudpickle": lambda value, path: cloudpickled(value),
    "deepcopy": lambda value, path: copy.deepcopy(value),
    "joblib": joblib_dumped,
}


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_copy_of_an_unfitted_search_gives_the_same_results(
    classification, search_class, make_copy, tmp_path, assert_same_results
):
    """An unfitted search survives copying, and fits to the same."""
    search = search_of(search_class=search_class)

    other = make_copy(search, tmp_path / "search").fit(*classification)

    assert_same_results(other.cv_results_, search.fit(*classification).cv_results_)


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(
    "options",
    [{}, {"scoring": ["accuracy", "f1"], "rank_by": "f1"}, {"refit": False}],
    ids=["plain", "metrics", "no-refit"],
)
def test_copy_of_a_fitted_search_is_fitted(
    classification, search_class, make_copy, options, tmp_path, assert_same_results
):
    """A fitted search survives copying, with all that it has learned."""
    X, y = classification
    search = search_of(search_class=search_class, **options).fit(X, y)

    other = make_copy(search, tmp_path / "search")

    check_is_fitted(other)
    assert_same_results(other.cv_results_, search.cv_results_)
    assert other.plan_ == search.plan_
    assert str(other.rungs_) == str(search.rungs_)
    if search.refit:
        np.testing.assert_array_equal(other.predict(X), search.predict(X))
        assert other.score(X, y) == search.score(X, y)


def test_fitted_search_with_a_local_scorer_is_cloudpickled(classification):
    """What only cloudpickle can take along is taken along."""
    X, y = classification
    search = search_of(scoring=lambda estimator, X, y: float(estimator.score(X, y))).fit(X, y)

    other = cloudpickled(search)

    assert other.score(X, y) == search.score(X, y)


def test_fit_twice_gives_the_same(classification, search_class, assert_same_results):
    """A second fit starts anew."""
    search = search_of(search_class=search_class)

    first = search.fit(*classification).cv_results_

    assert_same_results(first, search.fit(*classification).cv_results_)


def test_fit_on_other_data_forgets_the_first(classification, regression):
    """What was learned is of the last data only."""
    search = search_of(Ridge(), {"alpha": [0.1, 1.0, 10.0]}).fit(*classification)
    X, y = regression

    search.fit(X[:120, :3], y[:120])

    assert search.n_features_in_ == 3
    assert search.max_resources_ == 120


def test_fit_returns_the_search(classification, search_class):
    """Calls may be chained."""
    search = search_of(search_class=search_class)

    assert search.fit(*classification) is search


def test_estimator_that_was_given_is_not_fitted(classification, search_class):
    """The search works on clones."""
    estimator = GaussianNB()

    search_of(estimator, search_class=search_class).fit(*classification)

    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


# --- inside other estimators -------------------------------------------------------


def test_step_of_a_pipeline(classification, search_class):
    """As a pipeline's last step it searches on what the steps before it give."""
    X, y = classification
    pipeline = make_pipeline(StandardScaler(), search_of(search_class=search_class)).fit(X, y)

    alone = search_of(search_class=search_class).fit(StandardScaler().fit_transform(X), y)

    assert pipeline[-1].best_params_ == alone.best_params_
    assert pipeline.score(X, y) == alone.score(StandardScaler().fit_transform(X), y)
    assert list(pipeline.classes_) == [0, 1]


def test_transforming_step_of_a_pipeline(classification):
    """Around a transformer it may be a step before the last."""
    X, y = classification
    search = search_of(PCA(random_state=0), {"n_components": [1, 2, 3]}, error_score="raise")
    pipeline = Pipeline([("reduce", search), ("classify", GaussianNB())]).fit(X, y)

    assert pipeline["reduce"].transform(X).shape == (
        240,
        pipeline["reduce"].best_params_["n_components"],
    )
    assert pipeline.predict(X).shape == y.shape


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_inside_cross_val_score(classification, search_class, n_jobs):
    """Each outer fold has a search of its own; workers give what one process gives."""
    X, y = classification
    search = search_of(search_class=search_class)

    scores = cross_val_score(search, X, y, cv=2, n_jobs=n_jobs, error_score="raise")

    expected = cross_val_score(clone(search), X, y, cv=2)
    np.testing.assert_array_equal(scores, expected)
    assert (scores > 0.5).all()


def test_workers_within_workers(classification):
    """A search with n_jobs inside an outer n_jobs does not multiply, and gives the same."""
    X, y = classification

    scores = cross_val_score(search_of(n_jobs=2), X, y, cv=2, n_jobs=2, error_score="raise")

    np.testing.assert_array_equal(scores, cross_val_score(search_of(), X, y, cv=2))


def test_inside_grid_search(classification, search_class):
    """A grid search reaches the search's parameters and the estimator's."""
    X, y = classification
    grid = GridSearchCV(
        search_of(search_class=search_class),
        {"factor": [2, 3], "estimator__var_smoothing": [1e-9, 0.5]},
        cv=2,
        error_score="raise",
    ).fit(X, y)

    assert len(grid.cv_results_["params"]) == 4
    assert isinstance(grid.best_estimator_, search_class)
    assert grid.best_estimator_.factor == grid.best_params_["factor"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_search_in_a_search(classification, search_class, n_jobs, assert_same_results):
    """A search's own parameters can be searched over, in workers too."""

    def outer(n_jobs=None):
        inner = by_trees(error_score="raise")
        return search_of(
            inner,
            {"factor": [2, 3, 4]},
            search_class=search_class,
            cv=2,
            n_jobs=n_jobs,
            error_score="raise",
            **({"n_brackets": 1} if search_class is HyperbandSearchCV else {}),
        )

    search = outer(n_jobs).fit(*classification)

    assert isinstance(search.best_estimator_, SuccessiveHalvingSearchCV)
    assert search.best_estimator_.factor == search.best_params_["factor"]
    assert_same_results(search.cv_results_, outer().fit(*classification).cv_results_)


def test_parameter_of_the_inner_search_as_resource(classification):
    """The number of an inner search's candidates may itself be the resource."""
    inner = published(
        SuccessiveHalvingSearchCV,
        GaussianNB(),
        SMOOTHING,
        n_candidates=3,
        min_resources=80,
        cv=2,
        random_state=0,
    )
    search = published(
        SuccessiveHalvingSearchCV,
        inner,
        {"factor": [2, 3, 4]},
        resource="n_candidates",
        n_candidates=3,
        cv=2,
        random_state=0,
        error_score="raise",
    ).fit(*classification)

    assert search.n_resources_ == [1, 3]
    assert search.best_estimator_.n_candidates == 3


class Counted(TransformerMixin, BaseEstimator):
    """Counts its fits, in this process."""

    n_fits = 0

    def fit(self, X, y=None):
        """Count."""
        Counted.n_fits += 1
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Change nothing."""
        return X


def test_around_a_pipeline_with_memory(classification, tmp_path, assert_same_results):
    """A pipeline's cache spares the steps that candidates share, and changes no score."""
    X, y = classification
    space = {"gaussiannb__var_smoothing": loguniform(1e-6, 10)}

    def search(memory):
        pipeline = make_pipeline(Counted(), GaussianNB(), memory=memory)
        return search_of(pipeline, space, refit=False, error_score="raise")

    plain = search(None).fit(X, y)
    Counted.n_fits = 0
    cached = search(str(tmp_path)).fit(X, y)

    assert Counted.n_fits == 4  # Two splits on two levels.
    assert_same_results(cached.cv_results_, plain.cv_results_)


# Where one worker reads what another is about to write, joblib's cache takes it for another
# function's code; it computes afresh then.
@pytest.mark.filterwarnings("ignore::joblib.memory.JobLibCollisionWarning")
def test_pipeline_with_memory_in_workers(classification, tmp_path, assert_same_results):
    """Workers may share a pipeline's cache."""
    X, y = classification
    space = {"gaussiannb__var_smoothing": loguniform(1e-6, 10)}
    pipeline = make_pipeline(
        StandardScaler(), GaussianNB(), memory=joblib.Memory(tmp_path, verbose=0)
    )

    two = search_of(pipeline, space, n_jobs=2, error_score="raise").fit(X, y)

    plain = search_of(make_pipeline(StandardScaler(), GaussianNB()), space).fit(X, y)
    assert_same_results(two.cv_results_, plain.cv_results_)


def test_around_a_transformed_target(regression):
    """A regressor of a transformed target is searched over by nested names."""
    X, y = regression
    search = search_of(
        TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
        {"regressor__alpha": loguniform(1e-3, 1e3)},
        error_score="raise",
    ).fit(X, y)

    assert search.score(X, y) > 0.9
    assert search.best_estimator_.regressor_.alpha == search.best_params_["regressor__alpha"]


def test_inside_a_transformed_target(regression):
    """A search may be the regressor whose target is transformed."""
    X, y = regression
    model = TransformedTargetRegressor(
        search_of(Ridge(), {"alpha": loguniform(1e-3, 1e3)}), transformer=StandardScaler()
    ).fit(X, y)

    assert model.score(X, y) > 0.9
    assert model.regressor_.best_params_["alpha"] > 0


def test_around_a_stacking_classifier(classification):
    """Members of an ensemble are searched over by nested names."""
    X, y = classification
    stack = StackingClassifier(
        [("bayes", GaussianNB()), ("tree", DecisionTreeClassifier(random_state=0))],
        GaussianNB(),
        cv=2,
    )
    search = search_of(
        stack, {"bayes__var_smoothing": uniform(), "tree__max_depth": [1, 2, 3]}
    ).fit(X, y)

    assert search.score(X, y) > 0.8
    assert (
        search.best_estimator_.named_estimators_["tree"].max_depth
        == (search.best_params_["tree__max_depth"])
    )


@pytest.mark.parametrize("ensemble", [StackingClassifier, VotingClassifier])
def test_member_of_an_ensemble(classification, ensemble):
    """A search is a classifier like others to an ensemble."""
    X, y = classification

    model = ensemble([("search", search_of()), ("tree", DecisionTreeClassifier(max_depth=1))])
    model.fit(X, y)

    assert model.score(X, y) > 0.8


def test_estimators_as_values_of_the_space(regression):
    """Estimators among the values are cloned for each fit, and never fitted themselves."""
    members = [Ridge(), LinearRegression(), DecisionTreeRegressor(random_state=0)]
    pipeline = make_pipeline(FunctionTransformer(), Ridge())

    search = search_of(pipeline, {"ridge": members}, error_score="raise").fit(*regression)

    assert search.best_params_["ridge"] in members
    for member in members:
        with pytest.raises(NotFittedError):
            check_is_fitted(member)
