import copy
import ctypes
import datetime
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
import sklearn
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, make_regression
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._evaluator import Evaluator
from skhyperband._records import Task
from skhyperband._resources import SampleResource, Split
from tests.estimators import NATIVE_WRITERS, NativeWriter, NotWriting, Scored, Writing
from tests.published import published

N = 90
WORDS = np.array(["red", "green", "blue", "small", "large", "round", "flat", "old", "new"])


# --- inputs ------------------------------------------------------------------------


def numbers():
    """Return numbers, and which of two classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4))
    return X, (X[:, 0] + 0.5 * rng.normal(size=N) > 0).astype(int)


def counts():
    """Return counts, most of them zero."""
    rng = np.random.default_rng(0)
    X = rng.poisson(0.7, size=(N, 9)).astype(float)
    return X, (X[:, 0] + rng.poisson(0.5, size=N) > 1).astype(int)


def texts():
    """Return a line of words for each sample."""
    X, y = counts()
    return [" ".join(np.repeat(WORDS, row.astype(int))) or "nothing" for row in X], y


def targets():
    """Return numbers, and two numbers to predict."""
    X, y = numbers()
    return X, X[:, :2] + y[:, None]


def kernel():
    """Return the similarities of all samples, and which of two classes."""
    X, y = numbers()
    return rbf_kernel(X), y


def distances():
    """Return the distances between all samples, and which of two classes."""
    X, y = numbers()
    return np.linalg.norm(X[:, None] - X[None], axis=-1), y


def columns():
    """Return a dict of columns of different types, and which of two classes."""
    X, y = numbers()
    return {"size": X[:, 0], "weight": X[:, 1], "kind": [str(i % 3) for i in range(N)]}, y


def of_frame(package):
    """Return the columns as a frame of the package, y as its series."""
    module = pytest.importorskip(package)
    X, y = columns()
    return module.DataFrame(X), module.Series(y)


def of_lists():
    """Return lists of lists of numbers, and a list of classes."""
    X, y = numbers()
    return X.tolist(), y.tolist()


def of_images():
    """Return three dimensions."""
    X, y = numbers()
    return X.reshape(N, 2, 2), y


def flattened(X):
    """Return a row for each sample."""
    return np.reshape(X, (len(X), -1))


def read_only():
    """Return arrays that cannot be written to."""
    X, y = numbers()
    X.flags.writeable = y.flags.writeable = False
    return X, y


def many_labels():
    """Return numbers, and whether each of two labels holds."""
    X, y = numbers()
    return X, np.stack([y, (X[:, 1] > 0).astype(int)], axis=1)


def with_y(make, change):
    """Return a maker of the same X, y changed."""

    def made():
        X, y = make()
        return X, change(y)

    return made


def with_x(make, change):
    """Return a maker of the same y, X changed."""

    def made():
        X, y = make()
        return change(X), y

    return made


def outlier_score(estimator, X, y=None):
    """Return how normal the samples seem."""
    return float(estimator.score_samples(X).mean())


def exactly_right(estimator, X, y):
    """Return how often all outputs are right."""
    return float((estimator.predict(X) == np.asarray(y)).all(axis=1).mean())


def frame_pipeline():
    """Return a pipeline that finds columns by name."""
    return make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["size", "weight"]), (OneHotEncoder(sparse_output=False), ["kind"])
        ),
        GaussianNB(),
    )


SMOOTHING = {"var_smoothing": loguniform(1e-6, 10)}
NESTED = {"gaussiannb__var_smoothing": loguniform(1e-6, 10)}
ALPHA = {"alpha": loguniform(0.01, 10)}
DEPTH = {"max_depth": [1, 2, 3]}
NEIGHBOURS = {"n_neighbors": [1, 2, 3]}

# What it is: what makes X and y, the estimator, its space, and the scoring.
INPUTS = {
    "array": (numbers, GaussianNB(), SMOOTHING, None),
    "float32": (with_x(numbers, np.float32), GaussianNB(), SMOOTHING, None),
    "fortran": (with_x(numbers, np.asfortranarray), GaussianNB(), SMOOTHING, None),
    "strided": (with_x(numbers, lambda X: X[:, ::2]), GaussianNB(), SMOOTHING, None),
    "objects": (with_x(numbers, lambda X: X.astype(object)), GaussianNB(), SMOOTHING, None),
    "read-only": (read_only, GaussianNB(), SMOOTHING, None),
    "lists": (of_lists, GaussianNB(), SMOOTHING, None),
    "csr_matrix": (with_x(counts, sp.csr_matrix), MultinomialNB(), ALPHA, None),
    "csc_matrix": (with_x(counts, sp.csc_matrix), MultinomialNB(), ALPHA, None),
    "coo_matrix": (with_x(counts, sp.coo_matrix), MultinomialNB(), ALPHA, None),
    "lil_matrix": (with_x(counts, sp.lil_matrix), MultinomialNB(), ALPHA, None),
    "csr_array": (with_x(counts, sp.csr_array), MultinomialNB(), ALPHA, None),
    "csc_array": (with_x(counts, sp.csc_array), MultinomialNB(), ALPHA, None),
    "coo_array": (with_x(counts, sp.coo_array), MultinomialNB(), ALPHA, None),
    "pandas": (lambda: of_frame("pandas"), frame_pipeline(), NESTED, None),
    "polars": (lambda: of_frame("polars"), frame_pipeline(), NESTED, None),
    "texts": (
        texts,
        make_pipeline(CountVectorizer(), MultinomialNB()),
        {"multinomialnb__alpha": loguniform(0.01, 10)},
        None,
    ),
    "array-of-texts": (
        with_x(texts, np.array),
        make_pipeline(CountVectorizer(), MultinomialNB()),
        {"multinomialnb__alpha": loguniform(0.01, 10)},
        None,
    ),
    "3-d": (of_images, make_pipeline(FunctionTransformer(flattened), GaussianNB()), NESTED, None),
    "clusters": (
        with_y(numbers, lambda y: None),
        KMeans(2, n_init=1, random_state=0),
        {"tol": [1e-4, 1e-2, 1.0]},
        None,
    ),
    "outliers": (
        with_y(numbers, lambda y: None),
        IsolationForest(n_estimators=5, random_state=0),
        {"max_features": [0.3, 0.6, 1.0]},
        outlier_score,
    ),
    "density": (
        with_y(numbers, lambda y: None),
        KernelDensity(),
        {"bandwidth": loguniform(0.1, 10)},
        None,
    ),
    "several-outputs": (targets, Ridge(), ALPHA, None),
    "column-of-y": (with_y(targets, lambda y: y[:, :1]), Ridge(), ALPHA, "r2"),
    "labels": (many_labels, DecisionTreeClassifier(random_state=0), DEPTH, None),
    "several-class-outputs": (
        with_y(many_labels, lambda y: y + np.array([0, 2])),
        KNeighborsClassifier(),
        NEIGHBOURS,
        exactly_right,
    ),
    "string-classes": (
        with_y(numbers, lambda y: np.array(["no", "yes"])[y]),
        GaussianNB(),
        SMOOTHING,
        None,
    ),
    "object-classes": (
        with_y(numbers, lambda y: np.array(["no", "yes"], dtype=object)[y]),
        GaussianNB(),
        SMOOTHING,
        None,
    ),
    "list-of-classes": (
        with_y(numbers, lambda y: ["yes" if label else "no" for label in y]),
        GaussianNB(),
        SMOOTHING,
        "balanced_accuracy",
    ),
    "bool-classes": (with_y(numbers, lambda y: y == 1), GaussianNB(), SMOOTHING, None),
    "kernel": (kernel, SVC(kernel="precomputed"), {"C": loguniform(0.1, 10)}, None),
    "distances": (distances, KNeighborsClassifier(metric="precomputed"), NEIGHBOURS, None),
    "pairwise-pipeline": (
        kernel,
        make_pipeline(SVC(kernel="precomputed")),
        {"svc__C": loguniform(0.1, 10)},
        None,
    ),
}


def search_of(estimator, space, scoring=None, **options):
    """Return a search by samples, from a third of them to all."""
    options = {"n_candidates": 3, "min_resources": N // 3, "cv": 3, **options}
    return published(
        SuccessiveHalvingSearchCV,
        estimator,
        space,
        scoring=scoring,
        random_state=0,
        error_score="raise",
        **options,
    )


def fit(search, X, y):
    """Fit without y where there is none."""
    return search.fit(X) if y is None else search.fit(X, y)


def assert_like_cross_validate(search, X, y):
    """Compare the best candidate's scores with those of a plain cross-validation."""
    estimator = clone(search.estimator).set_params(**search.best_params_)
    scores = cross_validate(estimator, X, y, cv=search.cv, scoring=search.scoring)["test_score"]
    ours = [search.cv_results_[f"split{i}_test_score"][search.best_index_] for i in range(3)]
    np.testing.assert_array_equal(ours, scores)


@pytest.fixture(scope="module", params=INPUTS.values(), ids=INPUTS)
def searched(request):
    """Give a search in this process, and the X and y that it was given."""
    make, estimator, space, scoring = request.param
    X, y = make()
    return fit(search_of(estimator, space, scoring), X, y), X, y


def test_inputs_of_all_kinds_are_cut_as_scikit_learn_does(searched):
    """The top level's scores are a plain cross-validation's, and lower levels have fewer rows."""
    search, X, y = searched

    assert search.n_resources_ == [30, 90]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert_like_cross_validate(search, X, y)


def test_inputs_of_all_kinds_reach_the_workers(searched, assert_same_results):
    """Two processes give the very results of one."""
    one, X, y = searched

    two = fit(clone(one).set_params(n_jobs=2, refit=False), X, y)

    assert_same_results(one.cv_results_, two.cv_results_)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_memory_mapped_inputs(tmp_path, n_jobs, assert_same_results):
    """Arrays in a file are read from there."""
    X, y = numbers()
    joblib.dump((X, y), tmp_path / "data")
    mapped = joblib.load(tmp_path / "data", mmap_mode="r")

    search = search_of(GaussianNB(), SMOOTHING, n_jobs=n_jobs).fit(*mapped)

    assert isinstance(mapped[0], np.memmap)
    assert_same_results(
        search.cv_results_, search_of(GaussianNB(), SMOOTHING).fit(X, y).cv_results_
    )


def test_memory_mapped_input_without_a_file_name(assert_same_results):
    """Other processes cannot open a temporary file that has no name; they get a copy."""
    X, y = numbers()
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, float, "w+", shape=X.shape)
        mapped[:] = X

        search = search_of(GaussianNB(), SMOOTHING, n_jobs=2).fit(mapped, y)

    assert_same_results(
        search.cv_results_, search_of(GaussianNB(), SMOOTHING).fit(X, y).cv_results_
    )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_memory_mapped_input_survives_an_estimator_that_writes(tmp_path, n_jobs):
    """A file that could be written to is as it was."""
    X, y = targets()
    path = tmp_path / "X"
    mapped = np.memmap(path, float, "w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()

    search_of(Writing(), {"shift": [0.0, 1.0, 2.0]}, n_jobs=n_jobs, refit=False).fit(
        mapped, y[:, 0]
    )

    np.testing.assert_array_equal(np.fromfile(path).reshape(X.shape), X)


class Shapes(ClassifierMixin, BaseEstimator):
    """Notes the shapes of what it is given, here and for pairwise data."""

    seen = None

    def __init__(self, tag=0, pairwise=False):
        self.tag = tag
        self.pairwise = pairwise

    def __sklearn_tags__(self):
        """Say whether the data are pairwise."""
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.pairwise
        return tags

    def fit(self, X, y):
        """Note the shape."""
        self.classes_ = np.unique(y)
        Shapes.seen.append(("fit", X.shape))
        return self

    def score(self, X, y):
        """Note the shape."""
        Shapes.seen.append(("score", X.shape))
        return float(self.tag)


@pytest.mark.parametrize(
    ("pairwise", "columns"), [(True, [20, 60, 90]), (False, [90])], ids=["pairwise", "plain"]
)
def test_pairwise_data_are_cut_in_rows_and_columns(pairwise, columns):
    """A rung's columns are its training rows, in fit and in score."""
    X, y = kernel()
    y = np.arange(N) % 2
    Shapes.seen = []

    search_of(Shapes(pairwise=pairwise), {"tag": [0, 1, 2]}).fit(X, y)

    assert {shape[0] for step, shape in Shapes.seen if step == "fit"} == {20, 60, 90}
    assert {shape[0] for step, shape in Shapes.seen if step == "score"} == {30}
    assert sorted({shape[1] for _, shape in Shapes.seen}) == columns


def test_candidates_may_be_pairwise_or_not():
    """As in scikit-learn's searches, it is the candidate that says what its X is."""
    X, y = kernel()
    y = np.arange(N) % 2
    Shapes.seen = []

    space = {"tag": [0, 1, 2], "pairwise": [True, False]}
    search = search_of(Shapes(), space, n_candidates="all").fit(X, y)

    assert search.n_candidates_[0] == 6
    widths = {(step, shape[1]) for step, shape in Shapes.seen if shape[0] in (20, 30)}
    assert widths >= {("fit", 20), ("fit", N), ("score", 20), ("score", N)}


def test_estimator_that_is_pairwise_may_have_candidates_that_are_not():
    """Its data need not be square then."""
    X, y = counts()
    space = {"kernel": ["rbf", "linear"], "C": [0.1, 1.0, 10.0]}

    search = search_of(SVC(kernel="precomputed"), space).fit(X, y)

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class Grouping(GaussianNB):
    """Is told which columns belong together, as a group lasso is."""

    def fit(self, X, y, groups=None):
        """Check that the groups are those of the columns."""
        assert len(groups) == X.shape[1]
        return super().fit(X, y)


def test_groups_may_be_for_the_estimator():
    """With metadata routing they need not have a value for each sample."""
    X, y = numbers()
    with sklearn.config_context(enable_metadata_routing=True):
        model = Grouping().set_fit_request(groups=True)
        search = search_of(model, SMOOTHING, cv=KFold(3))
        search.fit(X, y, groups=list(range(X.shape[1])))

    assert np.isfinite(search.best_score_)


def test_groups_must_have_a_value_for_each_sample_where_nothing_is_routed():
    """They are the splitter's then."""
    X, y = numbers()

    with pytest.raises(ValueError, match=f"groups has 2 values and X has {len(X)} samples"):
        search_of(GaussianNB(), SMOOTHING, cv=GroupKFold(3)).fit(X, y, groups=[0, 1])


def test_a_candidate_that_cannot_be_made_is_taken_as_the_estimator_is():
    """Whether it is pairwise is asked outside of its fit, too, where nothing may be raised."""
    X, y = kernel()
    evaluator = Evaluator(
        SVC(kernel="precomputed"),
        X,
        y,
        [Split(np.arange(60), np.arange(60, N))],
        SampleResource(N),
        None,
    )

    assert evaluator.is_pairwise(Task({"unknown": 1}, N, 0))
    assert not evaluator.is_pairwise(Task({"kernel": "rbf"}, N, 0))


def test_objects_in_a_frame_keep_their_type():
    """A column of dates stays one of objects in each fit, as it is in the refit."""
    pandas = pytest.importorskip("pandas")
    days = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=i) for i in range(N)]
    cells = {"dates": days, "periods": list(pandas.period_range("2020-01-01", periods=N))}
    cells["lists"] = [[i] for i in range(N)]
    X = pandas.DataFrame({name: pandas.Series(v, dtype=object) for name, v in cells.items()})
    X["number"] = np.arange(N) / N
    y = np.arange(N) % 2
    seen = set()

    def note(frame):
        seen.add(tuple(map(str, frame.dtypes)))
        return frame[["number"]]

    model = make_pipeline(FunctionTransformer(note), LogisticRegression())
    search_of(model, {"logisticregression__C": [0.1, 1.0, 10.0]}).fit(X, y)

    assert seen == {("object", "object", "object", "float64")}


@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csr_array, np.asarray])
def test_sparse_and_dense_data_have_the_same_scores(make):
    """What holds the numbers changes no score."""
    X, y = counts()
    results = search_of(MultinomialNB(), ALPHA).fit(make(X), y).cv_results_

    dense = search_of(MultinomialNB(), ALPHA).fit(X, y).cv_results_

    np.testing.assert_allclose(results["mean_test_score"], dense["mean_test_score"])


def test_classes_keep_their_names():
    """Predictions and classes_ are the strings of y."""
    X, y = INPUTS["string-classes"][0]()

    search = search_of(GaussianNB(), SMOOTHING).fit(X, y)

    assert list(search.classes_) == ["no", "yes"]
    assert set(search.predict(X)) == {"no", "yes"}


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_estimator_is_given_a_frame_of_the_same_package(package):
    """Cut frames are frames, with their columns."""
    X, y = of_frame(package)
    seen = set()

    def noted(frame):
        seen.add((type(frame), tuple(frame.columns)))
        return np.asarray(frame)[:, :2].astype(float)

    search_of(make_pipeline(FunctionTransformer(noted), GaussianNB()), NESTED).fit(X, y)

    assert seen == {(type(X), ("size", "weight", "kind"))}


def test_index_of_a_frame_is_no_position():
    """Rows are cut by their places, whatever labels a frame's index has."""
    pandas = pytest.importorskip("pandas")
    X, y = numbers()
    labels = np.random.default_rng(0).permutation(N) * 2

    search = search_of(GaussianNB(), SMOOTHING).fit(
        pandas.DataFrame(X, index=labels).add_prefix("x"), pandas.Series(y, index=labels)
    )

    plain = search_of(GaussianNB(), SMOOTHING).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_classes_of_a_categorical_column():
    """A categorical y is stratified by, as any other."""
    pandas = pytest.importorskip("pandas")
    X, y = INPUTS["string-classes"][0]()
    categories = pandas.Series(pandas.Categorical(y))

    search = search_of(GaussianNB(), SMOOTHING).fit(X, categories)

    plain = search_of(GaussianNB(), SMOOTHING).fit(X, y)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_weights_in_a_series(package):
    """Metadata in a frame's column are cut with X."""
    module = pytest.importorskip(package)
    X, y = numbers()
    weights = 0.1 + X[:, 0] ** 2

    search = search_of(GaussianNB(), SMOOTHING).fit(X, y, sample_weight=module.Series(weights))

    plain = search_of(GaussianNB(), SMOOTHING).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


# --- estimators that write into what they are given --------------------------------


class ListEater(ClassifierMixin, BaseEstimator):
    """Changes the lists that it is given, the outer one and the rows, or copies of them."""

    def __init__(self, tag=0.0, careful=False):
        self.tag = tag
        self.careful = careful

    def fit(self, X, y):
        """Remember the mean of the first column, leaving nothing."""
        X, y = copy.deepcopy((X, y)) if self.careful else (X, y)
        self.classes_ = np.unique(y)
        self.mean_ = np.mean([row.pop(0) for row in X])
        X.clear()
        y.clear()
        return self

    def predict(self, X):
        """Compare the first column with the mean, and take it out."""
        X = copy.deepcopy(X) if self.careful else X
        return np.array([int(row.pop(0) > self.mean_ + self.tag) for row in X])


class TargetWriter(Ridge):
    """Centres y and the weights in place, or copies of them."""

    def __init__(self, alpha=1.0, careful=False):
        super().__init__(alpha=alpha)
        self.careful = careful

    def fit(self, X, y, sample_weight=None):
        """Centre and fit."""
        if self.careful:
            y, sample_weight = y.copy(), sample_weight.copy()
        y -= 0.5
        sample_weight *= 2
        return super().fit(X, y, sample_weight)


class SparseWriter(MultinomialNB):
    """Changes what a sparse matrix consists of, or of a copy."""

    def __init__(self, alpha=1.0, careful=False, way="data"):
        super().__init__(alpha=alpha)
        self.careful = careful
        self.way = way

    def fit(self, X, y):
        """Change X and fit."""
        X = X.copy() if self.careful else X
        if self.way == "data":
            X.data *= 2
            X.data[::2] += 1
        elif self.way == "sort":
            X.sort_indices()
        elif self.way == "sum":
            X.sum_duplicates()
        elif self.way == "zeros":
            X.data[::3] = 0
            X.eliminate_zeros()
        elif self.way == "item":
            row, column = (places[0] for places in X.nonzero())
            X[row, column] = 5.0
        else:
            X.resize(X.shape[0] - 1, X.shape[1])
            y = y[:-1]
        return super().fit(X, y)


def unsorted_csr():
    """Return a sparse matrix whose indices are not in order, and which classes."""
    X, y = counts()
    X = sp.csr_matrix(X)
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    X.has_sorted_indices = False
    return X, y


def scaled_frame():
    """Return a frame of numbers, and which of two classes."""
    pandas = pytest.importorskip("pandas")
    X, y = dense_of_two_scales()
    return pandas.DataFrame(X, columns=list("abcd")), y


def mixed_frame():
    """Return a frame whose columns are of two types."""
    X, y = scaled_frame()
    return X.assign(e=np.arange(N)), y


class FrameWriter(GaussianNB):
    """Changes a frame in place, or a copy of it."""

    def __init__(self, var_smoothing=1e-9, careful=False, way="column"):
        super().__init__(var_smoothing=var_smoothing)
        self.careful = careful
        self.way = way

    def fit(self, X, y):
        """Change X and fit."""
        X = X.copy() if self.careful else X
        if self.way == "column":
            X["a"] = X["a"] ** 2
        elif self.way == "cells":
            X.iloc[:, 0] *= 2
            X.loc[X["b"] > 3, "b"] = 0
        elif self.way == "whole":
            X -= X.mean()
        elif self.way == "drop":
            del X["a"]
        else:
            X.insert(0, "z", 1.0)
        return super().fit(X, y)

    def predict(self, X):
        """Predict for the columns that fit had left."""
        X = X.copy() if self.careful else X
        if self.way == "drop":
            del X["a"]
        elif self.way == "insert":
            X.insert(0, "z", 1.0)
        else:
            X["a"] = X["a"] ** 2
        return super().predict(X)


class Sometimes(TransformerMixin, BaseEstimator):
    """Scales, or hands on what it is given."""

    def __init__(self, scaler, on=True):
        self.scaler = scaler
        self.on = on

    def fit(self, X, y=None):
        """Fit the scaler."""
        self.scaler_ = clone(self.scaler).fit(X)
        return self

    def transform(self, X):
        """Scale."""
        return self.scaler_.transform(X) if self.on else X


def scaling(scaler, **options):
    """Return a pipeline that scales or not: one candidate would scale what the next is given."""
    return make_pipeline(Sometimes(scaler(**options)), KNeighborsClassifier())


KNN = {"kneighborsclassifier__n_neighbors": [1, 3], "sometimes__on": [True, False]}
SHIFT = {"shift": [0.0, 1.0, 2.0]}


def dense_of_two_scales():
    """Return numbers whose columns differ in scale."""
    X, y = numbers()
    return X * [1, 10, 100, 1000] + 3, y


def writers_into_arrays():
    """Yield (name, make, writing, careful, space)."""
    yield "array", with_y(targets, lambda y: y[:, 0]), Writing(), NotWriting(), SHIFT
    for scaler in (StandardScaler, MinMaxScaler, Normalizer):
        for name, make in {
            "array": dense_of_two_scales,
            "fortran": with_x(dense_of_two_scales, np.asfortranarray),
            "pandas": scaled_frame,
        }.items():
            yield (
                f"{scaler.__name__}-{name}",
                make,
                scaling(scaler, copy=False),
                scaling(scaler),
                KNN,
            )
    yield "mixed", mixed_frame, scaling(StandardScaler, copy=False), scaling(StandardScaler), KNN
    for scaler in (MaxAbsScaler, Normalizer):
        for make in (sp.csr_matrix, sp.csr_array, sp.csc_matrix):
            if scaler is MaxAbsScaler or "csr" in make.__name__:
                yield (
                    f"{scaler.__name__}-{make.__name__}",
                    with_x(counts, make),
                    scaling(scaler, copy=False),
                    scaling(scaler),
                    KNN,
                )
    for way in ("data", "zeros", "item", "resize"):
        yield (
            f"csr-{way}",
            with_x(counts, sp.csr_matrix),
            SparseWriter(way=way),
            SparseWriter(way=way, careful=True),
            ALPHA,
        )
    for way in ("sort", "sum"):
        yield (
            f"csr-{way}",
            unsorted_csr,
            SparseWriter(way=way),
            SparseWriter(way=way, careful=True),
            ALPHA,
        )
    for way in ("column", "cells", "whole", "drop", "insert"):
        yield (
            f"pandas-{way}",
            scaled_frame,
            FrameWriter(way=way),
            FrameWriter(way=way, careful=True),
            SMOOTHING,
        )
    yield "lists", of_lists, ListEater(), ListEater(careful=True), {"tag": [0.0, 0.1, 0.2]}


WRITERS = {name: rest for name, *rest in writers_into_arrays()}


@dataclass(frozen=True)
class Written:
    """A search with an estimator that writes into its input, in this process, and what it was given.

    `expected` are the results of one that does not write.
    """

    make: Callable[[], tuple[Any, Any]]
    X: Any
    y: Any
    search: SuccessiveHalvingSearchCV
    expected: dict[str, Any]


@pytest.fixture(scope="module", params=WRITERS.values(), ids=WRITERS)
def written(request):
    """Give a search for each estimator that writes."""
    make, writing, careful, space = request.param
    options = {"refit": False, "n_candidates": "all" if space is KNN else 3}
    expected = search_of(careful, space, **options).fit(*make()).cv_results_
    X, y = make()
    search = search_of(writing, space, **options).fit(X, y)
    return Written(make=make, X=X, y=y, search=search, expected=expected)


def test_estimator_that_writes_into_its_input_scores_the_same(written, assert_same_results):
    """What is written into the rows of one fit does not reach the next."""
    assert_same_results(written.search.cv_results_, written.expected)


def test_estimator_that_writes_into_its_input_scores_the_same_in_processes(
    written, assert_same_results
):
    """What a worker writes into the rows of one fit does not reach the next."""
    search = clone(written.search).set_params(n_jobs=2).fit(*written.make())

    assert_same_results(search.cv_results_, written.expected)


def test_estimator_that_writes_into_its_input_leaves_the_callers(written):
    """Nothing that a fit or a score does is seen in the X and y that were given."""
    for given, fresh in zip((written.X, written.y), written.make(), strict=True):
        assert type(given) is type(fresh)
        for array, as_it_was in zip(arrays_of(given), arrays_of(fresh), strict=True):
            np.testing.assert_array_equal(array, as_it_was)
            if isinstance(array, np.ndarray) and not hasattr(given, "iloc"):
                assert array.flags.writeable


def arrays_of(value):
    """Return what a matrix or frame consists of."""
    if sp.issparse(value):
        return value.data, value.indices, value.indptr
    if hasattr(value, "iloc"):
        return [np.asarray(value.columns), *(value[name].to_numpy() for name in value)]
    return (value,)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_estimator_that_writes_into_y_and_weights_scores_the_same(n_jobs, assert_same_results):
    """The target and the metadata of one fit do not reach the next."""
    X, y = targets()
    weights = 1 + X[:, 0] ** 2
    y_before, weights_before = y.copy(), weights.copy()
    expected = search_of(TargetWriter(careful=True), ALPHA, "r2", refit=False).fit(
        X, y, sample_weight=weights
    )

    search = search_of(TargetWriter(), ALPHA, "r2", refit=False, n_jobs=n_jobs).fit(
        X, y, sample_weight=weights
    )

    assert_same_results(search.cv_results_, expected.cv_results_)
    np.testing.assert_array_equal(y, y_before)
    np.testing.assert_array_equal(weights, weights_before)


def centring_score(estimator, X, y):
    """Score, and change what it was given."""
    score = estimator.score(X, y)
    X -= 100
    y[:] = 0
    return float(score)


@pytest.mark.parametrize("resource", ["n_samples", "leaf_size"])
def test_scorer_that_writes_into_its_input_scores_the_same(resource):
    """What a scorer does to the rows is not seen by the next one."""
    X, y = targets()
    space = {"n_neighbors": [1, 3, 5]}
    options = {"resource": resource, "max_resources": N, "refit": False}
    expected = search_of(KNeighborsRegressor(), space, **options).fit(X, y)

    search = search_of(KNeighborsRegressor(), space, centring_score, **options).fit(X, y)

    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )


def test_train_scores_are_not_of_rows_that_fit_changed():
    """A train score is measured on the rows as they were."""
    X, y = targets()
    options = {"return_train_score": True, "refit": False}
    expected = search_of(NotWriting(), SHIFT, **options).fit(X, y[:, 0])

    search = search_of(Writing(), SHIFT, **options).fit(X, y[:, 0])

    np.testing.assert_array_equal(
        search.cv_results_["mean_train_score"], expected.cv_results_["mean_train_score"]
    )


def test_refit_gives_the_estimator_the_callers_own_data():
    """As in scikit-learn, the refit is given X itself."""
    X, y = targets()
    seen = []

    class Keeping(KNeighborsRegressor):
        def fit(self, X, y):
            seen.append(X)
            return super().fit(X, y)

    search_of(Keeping(), NEIGHBOURS).fit(X, y)

    assert seen[-1] is X


def test_one_row_of_each_class_is_enough():
    """The smallest rung has a sample of each class, whatever the order of y."""
    X, y = numbers()
    order = np.argsort(y, kind="stable")
    search = published(
        SuccessiveHalvingSearchCV,
        KNeighborsClassifier(1),
        {"p": [1, 2, 3]},
        n_candidates=3,
        min_resources=2,
        max_resources=6,
        cv=KFold(3, shuffle=True, random_state=0),
        error_score="raise",
        random_state=0,
    ).fit(X[order], y[order])

    assert search.n_resources_ == [2, 6]


class Rescaling(Scored):
    """Changes metadata in place, whether it has a value for each sample or not."""

    def fit(self, X, y=None, prior=None, weight=None):
        """Normalise the prior, and raise the first weight."""
        prior /= prior.sum()
        weight[0] += 1
        self.total_ = float(np.sum(weight))
        return super().fit(X, y)

    def score(self, X, y=None):
        """Return the sum of the weights."""
        return self.total_


@pytest.mark.parametrize("kind", ["array", "masked", "pandas extension"])
def test_metadata_that_a_fit_changes_is_cut_anew(kind):
    """Each candidate sees the weights as they were; what is not cut is the caller's."""
    X, y = np.zeros((60, 2)), np.arange(60) % 2
    weight = np.ones(60)
    if kind == "masked":
        weight = np.ma.masked_array(weight, mask=np.zeros(60, dtype=bool))
    elif kind == "pandas extension":
        weight = pytest.importorskip("pandas").array([1.0] * 60)
    prior = np.array([1.0, 3.0])
    search = published(
        SuccessiveHalvingSearchCV,
        Rescaling(),
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        resource="n_units",
        max_resources=1,
        refit=False,
    )

    search.fit(X, y, prior=prior, weight=weight)

    assert set(search.cv_results_["mean_test_score"]) == {49.0}
    assert prior.flags.writeable


class OverwritingRidge(RegressorMixin, BaseEstimator):
    """Kernel ridge regression that lets LAPACK overwrite the target."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y):
        """Solve."""
        self.X_ = X.copy()
        kernel = rbf_kernel(X, gamma=1) + self.alpha * np.eye(len(X))
        self.weights_ = scipy.linalg.solve(kernel, y, assume_a="pos", overwrite_b=True).copy()
        return self

    def predict(self, X):
        """Predict."""
        return rbf_kernel(X, self.X_, gamma=1) @ self.weights_


BACKENDS = [("sequential", 1), ("threading", 2), ("loky", 2)]
on_every_backend = pytest.mark.parametrize(("backend", "n_jobs"), BACKENDS, ids=str)


@on_every_backend
def test_lapack_may_overwrite_what_a_fit_is_given(backend, n_jobs):
    """Kernel ridge that lets LAPACK overwrite y scores as in GridSearchCV, on every backend."""
    X, y = load_diabetes(return_X_y=True)
    grid = {"alpha": [10, 0.1, 0.1, 0.1, 1]}
    options = {"cv": KFold(3), "refit": False}
    expected = GridSearchCV(OverwritingRidge(), grid, **options).fit(X, y)

    with joblib.parallel_config(backend=backend):
        search = published(
            SuccessiveHalvingSearchCV,
            OverwritingRidge(),
            grid,
            n_candidates="all",
            min_resources=len(X),
            n_jobs=n_jobs,
            **options,
        ).fit(X, y)

    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(scores, [0.202, 0.493, 0.493, 0.493, 0.451], atol=5e-4)
    # Equal to rounding: the number of threads of a linear solver depends on the backend.
    np.testing.assert_allclose(scores, expected.cv_results_["mean_test_score"], rtol=1e-9)


@on_every_backend
@pytest.mark.parametrize("way", NATIVE_WRITERS)
def test_native_code_that_writes_spoils_nothing_for_others(way, backend, n_jobs):
    """Each fit and score gets rows that it may write to and that no other one sees."""
    if way == "torch":
        pytest.importorskip("torch")
    X, y = make_regression(90, 4, random_state=0)
    as_given = X.copy(), y.copy()
    grid = {"alpha": [1.0] * 5}

    with joblib.parallel_config(backend=backend):
        search = published(
            SuccessiveHalvingSearchCV,
            NativeWriter(way=way),
            grid,
            n_candidates="all",
            min_resources=len(X),
            refit=False,
            return_train_score=True,
            n_jobs=n_jobs,
        ).fit(X, y)

    assert (search.cv_results_["mean_test_score"] > 0.9).all()
    for column in ("mean_test_score", "mean_train_score"):
        assert len(set(search.cv_results_[column])) == 1
    np.testing.assert_array_equal(X, as_given[0])
    np.testing.assert_array_equal(y, as_given[1])


def of_polars_series():
    """Return numbers, and a polars series, whose memory its copies share."""
    polars = pytest.importorskip("polars")
    X, y = numbers()
    return X, polars.Series(y.astype(float))


def of_object_arrays():
    """Return an array of lists of numbers."""
    X, y = numbers()
    rows = np.empty(len(X), dtype=object)
    rows[:] = [row.tolist() for row in X]
    return rows, y


def of_dicts():
    """Return a list of dicts."""
    X, y = numbers()
    return [{"values": row.tolist()} for row in X], y


class WritingThrough(Scored):
    """Scores with the sum of all that it is given, and sets all of that to 1."""

    def fit(self, X, y):
        """Sum up, and write by native code or into the elements."""
        self.total_ = 0.0
        for values in (X, y):
            if hasattr(values, "to_numpy"):
                values = values.to_numpy()
            if isinstance(values, np.ndarray) and values.dtype != object:
                self.total_ += float(values.sum())
                ctypes.memset(values.ctypes.data, 0, values.nbytes)
                continue
            for row in values:
                row = row["values"] if isinstance(row, dict) else row
                self.total_ += sum(row)
                row[:] = [0.0] * len(row)
        return super().fit(X, y)

    def score(self, X, y):
        """Return the sum."""
        return self.total_


@pytest.mark.parametrize("make", [of_polars_series, of_object_arrays, of_dicts])
def test_copies_reach_down_to_what_can_be_written_to(make):
    """What one candidate writes into elements, or through a view, the next does not see."""
    X, y = make()
    search = published(
        SuccessiveHalvingSearchCV,
        WritingThrough(),
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        min_resources=N,
        refit=False,
        cv=KFold(3),
    ).fit(X, y)

    assert len(set(search.cv_results_["mean_test_score"])) == 1


class WithPrior(Scored):
    """Writes by native code into metadata that has no value for each sample."""

    def fit(self, X, y=None, prior=None):
        """Write."""
        ctypes.memset(prior.ctypes.data, 0, 8)
        prior[0] += 1
        return super().fit(X, y)


def test_large_metadata_may_be_written_to_in_a_worker():
    """What is not cut by rows is no read-only map in a worker, where writing would kill it."""
    X, y = np.zeros((60, 2)), np.arange(60) % 2
    search = published(
        SuccessiveHalvingSearchCV,
        WithPrior(),
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        min_resources=60,
        refit=False,
        error_score="raise",
        n_jobs=2,
    ).fit(X, y, prior=np.ones(2**18))

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def of_frame_with_lists():
    """Return a frame whose cells are lists."""
    pandas = pytest.importorskip("pandas")
    X, y = of_object_arrays()
    return pandas.DataFrame({"values": X}), y


class Locked:
    """A row that cannot be copied, since it holds a lock."""

    def __init__(self, value):
        self.value = value
        self.lock = threading.Lock()


def of_locked_rows():
    """Return a list of rows that cannot be copied."""
    X, y = numbers()
    return [Locked(row.sum()) for row in X], y


def of_locked_array():
    """Return an array of rows that cannot be copied."""
    rows, y = of_locked_rows()
    return np.array(rows, dtype=object), y


def search_over_rows(estimator, **options):
    """Return a search of three candidates that gives each of them all rows."""
    return SuccessiveHalvingSearchCV(
        estimator,
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        resource="n_samples",
        refit=False,
        **{"min_resources": N, **options},
    )


@pytest.mark.parametrize("make", [of_locked_rows, of_locked_array])
def test_rows_that_cannot_be_copied_are_handed_on(make):
    """As in scikit-learn's searches, an estimator may be given any objects."""
    X, y = make()
    search = search_over_rows(Scored(), error_score="raise").fit(X, y)

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


class WritingIntoFrames(Scored):
    """Scores with the sum of the cells and the index, and spoils both."""

    def fit(self, X, y):
        """Sum up, and write into the cells and, by native code, into the index."""
        index = X.index.to_numpy()
        self.total_ = float(index.sum())
        for row in X["values"]:
            self.total_ += sum(row)
            row[:] = [0.0] * len(row)
        ctypes.memset(index.ctypes.data, 0, index.nbytes)
        return super().fit(X, y)

    def score(self, X, y):
        """Return the sum."""
        return self.total_


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cells_and_index_of_a_frame_are_private(n_jobs):
    """What a fit writes into objects in cells, or into the index, no other fit sees."""
    X, y = of_frame_with_lists()
    X.index = np.arange(N) + 5
    search = search_over_rows(WritingIntoFrames(), cv=KFold(3), n_jobs=n_jobs).fit(X, y)

    assert len(set(search.cv_results_["mean_test_score"])) == 1
    assert X.index[0] == 5
    assert sum(X["values"].iloc[0]) != 0


class Graph:
    """A row that is no array, though it has a method `clone`, as graphs and scalar tensors have."""

    def __init__(self, values):
        self.values = values
        self.shape = ()

    def clone(self):
        """Return a copy."""
        return Graph(list(self.values))


class OfGraphs(Scored):
    """Scores with what it finds in the graphs, and empties them."""

    def fit(self, X, y):
        """Sum up."""
        self.total_ = float(sum(sum(graph.values) for graph in X))
        for graph in X:
            graph.values.clear()
        return self

    def score(self, X, y):
        """Return the sum."""
        return self.total_


def test_rows_with_a_method_clone_are_copied():
    """Each fit has objects of its own."""
    graphs = [Graph([float(row)]) for row in range(N)]
    search = search_over_rows(OfGraphs(), cv=KFold(3), error_score="raise")
    search.fit(graphs, [0, 1] * (N // 2))

    assert len(set(search.cv_results_["split0_test_score"])) == 1
    assert search.cv_results_["split0_test_score"][0] > 0
    assert all(graph.values for graph in graphs)


class Tagger(ClassifierMixin, BaseEstimator):
    """Labels the words of sentences."""

    def __init__(self, quality=0.0):
        self.quality = quality

    def fit(self, X, y):
        """Note the labels."""
        self.classes_ = sorted({str(label) for labels in y for label in labels})
        return self

    def score(self, X, y):
        """Give the quality."""
        return self.quality


MIXED = np.array([None, "a", 3] * 40, dtype=object)


@pytest.mark.parametrize(
    "y",
    [[["O", "B"], ["O"]] * 60, [{"of": "head"}, {"of": "tail"}] * 60, MIXED.reshape(-1, 1)],
    ids=["lists", "dicts", "mixed"],
)
@pytest.mark.parametrize("min_resources", ["auto", "smallest", 120])
def test_labels_that_cannot_be_counted_are_searched_with(y, min_resources):
    """With a splitter that does not look at them, as in scikit-learn's searches."""
    X = [["word", "word"], ["word"]] * 60
    search = search_over_rows(Tagger(), min_resources=min_resources, cv=KFold(3))

    assert search.plan(X, y).brackets == search.fit(X, y).plan_.brackets
    assert search.cv_results_["mean_test_score"].max() == 0.3
