import collections
import copy
import datetime
import enum
import functools
import json
import math
import os
import re
import subprocess
import sys
import threading
import tracemalloc
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import f1_score, get_scorer, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skhyperband._journal.digest import digest, versions

N_BYTES = 8_000_000  # Of an array that is large enough for its copies to be seen.


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Record:
    """An object with the given state."""

    def __init__(self, **state):
        vars(self).update(state)

    def method(self):
        """Do nothing."""

    def another(self):
        """Do nothing either."""


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a = a
        self.b = b


class Tagged(set):
    """A set with state of its own."""

    def __init__(self, elements, tag):
        super().__init__(elements)
        self.tag = tag


class UsersForest(RandomForestClassifier):
    """A class of a user's own."""


class Unreadable:
    def __reduce_ex__(self, protocol):
        raise ValueError("never")


def metric(y, predicted):
    """Return a number."""
    return 0.0


def other_metric(y, predicted):
    """Return the same number."""
    return 0.0


def made_locally():
    """Return a function and an estimator whose class cannot be imported."""

    class Local(BaseEstimator):
        pass

    def inner():
        pass

    return inner, Local()


def of(value, **options):
    """Return its digest, where the name is of no matter."""
    return digest(value, "value", **options)


def fitted_tree(seed, **params):
    """Return a tree that learned from other data for another seed."""
    rng = np.random.RandomState(seed)
    tree = DecisionTreeClassifier(random_state=0, **params)
    return tree.fit(rng.rand(40, 3), rng.randint(2, size=40))


def of_sparse(form):
    return scipy.sparse.random(6, 5, density=0.4, format=form, random_state=0)


def loop_of(value):
    """Return a list with the value and itself."""
    made = [value]
    made.append(made)
    return made


def masked(below):
    """Return a masked array; what is below its mask is handed in."""
    return np.ma.array([1, below], mask=[False, True])


def padded(garbage):
    """Return an array of a structured dtype with what is handed in between its fields."""
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    array = np.full(2 * dtype.itemsize, garbage, np.uint8).view(dtype)
    array["a"], array["b"] = [1, 2], [0.5, 1.5]
    return array


def padded_long_double(garbage):
    """Return 1/3 as a long double with what is handed in after its ten bytes."""
    array = np.full(np.dtype(np.longdouble).itemsize, garbage, np.uint8).view(np.longdouble)
    exact = np.array([1], np.longdouble) / 3
    array.view(np.uint8)[:10] = exact.view(np.uint8)[:10]
    return array


# --- in any process ------------------------------------------------------------------


def values_of_many_kinds():
    """Return values by name, made anew."""
    words = ["blue", "red", "green", "black", "white"]
    values = {
        "plain": [None, True, 1, 1.0, 1j, float("nan"), "text", b"bytes", 10**5000],
        "set": set(words),
        "frozenset of tuples": frozenset((word, len(word)) for word in words),
        "subclass of set": Tagged(words, tag="colors"),
        "dict from a set": dict.fromkeys(set(words), 0),
        "object with a set": Record(words=set(words)),
        "range and slice": (range(3), slice(1, None)),
        "array": np.arange(6.0).reshape(2, 3),
        "object array": np.array(["a", None, 1.5], dtype=object),
        "structured": padded(0),
        "dates": np.array(["2020-01-01"], dtype="M8[D]"),
        "sparse": [of_sparse(form) for form in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")],
        "estimator": RandomForestClassifier(max_depth=3, random_state=np.random.RandomState(3)),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        "frozen": FrozenEstimator(fitted_tree(0)),
        "scorers": [get_scorer("accuracy"), make_scorer(f1_score, average="macro")],
        "frozen distributions": [scipy.stats.loguniform(1, 10), scipy.stats.randint(1, 5)],
        "functions": [metric, math.sin, np.mean, np.log, scipy.special.expit, str.upper],
        "partial": functools.partial(metric, predicted=1),
        "bound method": Record(a=1).method,
        "classes": [Record, np.float64, RandomForestClassifier],
        "random": [np.random.RandomState(0), np.random.default_rng(0)],
        "others": [Color.RED, re.compile("a+"), Path("a"), datetime.date(2020, 1, 1), ...],
        "loop": loop_of(1),
    }
    for package in ("pandas", "polars"):
        if package in sys.modules:
            values[package] = frame_of_many_columns(package)
    return values


def frame_of_many_columns(package):
    """Return a frame with what is missing in some of its columns."""
    module = sys.modules[package]
    day = datetime.datetime(2020, 1, 1)
    columns = {
        "number": [1.5, 2.5, 3.5],
        "text": ["a", None, "b"],
        "nothing": [None, None, None],
        "time": [day, None, day],
    }
    frame = module.DataFrame(columns)
    if package == "pandas":
        frame["category"] = module.Categorical(["x", "y", None], categories=["y", "x"])
        frame["nullable"] = module.array([1, None, 3], dtype="Int64")
        frame["zone"] = module.date_range("2020", periods=3, tz="Europe/Berlin")
        return frame.set_index("number", drop=False)
    return frame.with_columns(
        module.Series("category", ["x", "y", None], module.Categorical),
        module.Series("enum", ["x", "y", None], module.Enum(["y", "x"])),
        module.Series("list", [[1, None], [], None]),
        module.Series("integer", [2**60 + 1, None, 3]),
    )


def digests_of_many_kinds():
    """Return their digests by name, in hexadecimal."""
    return {name: of(value).hex() for name, value in values_of_many_kinds().items()}


def test_processes_agree():
    """Neither addresses nor the seed of hash() nor the process enter a digest."""
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    script = (
        "import json, pandas, polars\n"
        "from tests.test_digest import digests_of_many_kinds\n"
        "print(json.dumps(digests_of_many_kinds()))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        check=True,
    )

    assert json.loads(ended.stdout) == digests_of_many_kinds()


def test_digest_has_16_bytes():
    """A key of the journal is short whatever it stands for."""
    assert len(of("text")) == len(of(values_of_many_kinds())) == 16


# --- what is the same ----------------------------------------------------------------

FORTRAN = np.asfortranarray(np.arange(12.0).reshape(3, 4))

SAME = {
    "nan": (float("nan"), -float("nan")),
    "float64 and float": (np.float64(0.5), 0.5),
    "int64 and int": (np.int64(3), 3),
    "int8 and int": (np.int8(3), 3),
    "bool_ and bool": (np.bool_(True), True),
    "complex128 and complex": (np.complex128(1j), 1j),
    "str_ and str": (np.str_("a"), "a"),
    "bytes_ and bytes": (np.bytes_(b"a"), b"a"),
    "list of str_ and of str": ([np.str_("a"), "b"], ["a", "b"]),
    "order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "order of a set": ({8, 0, 16}, {16, 8, 0}),
    "order in memory": (FORTRAN, FORTRAN.copy(order="C")),
    "every other row": (np.arange(10)[::2], np.array([0, 2, 4, 6, 8])),
    "padding of a struct": (padded(0), padded(255)),
    "padding of a long double": (padded_long_double(0), padded_long_double(255)),
    "what is shared and what is equal": ([[1]] * 2, [[1], [1]]),
    "one loop and another": (loop_of("a"), loop_of("a")),
    "n_jobs": (RandomForestClassifier(n_jobs=2), RandomForestClassifier()),
    "verbose": (RandomForestClassifier(verbose=2), RandomForestClassifier()),
    "nested n_jobs": (
        make_pipeline(StandardScaler(), RandomForestClassifier(n_jobs=2)),
        make_pipeline(StandardScaler(), RandomForestClassifier()),
    ),
    "what was learned": (fitted_tree(0), fitted_tree(1)),
    "what was learned by a step": (
        make_pipeline(fitted_tree(0)),
        make_pipeline(DecisionTreeClassifier(random_state=0)),
    ),
    "frozen distribution": (scipy.stats.loguniform(1, 10), scipy.stats.loguniform(1, 10)),
    "seed": (np.random.RandomState(3), np.random.RandomState(3)),
    "seed of a generator": (np.random.default_rng(3), np.random.default_rng(3)),
    "method": (Record(a=1).method, Record(a=1).method),
    "scorer": (make_scorer(f1_score, average="macro"), make_scorer(f1_score, average="macro")),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_same_computation_has_the_same_digest(one, other):
    """What differs in identity or layout alone is reused."""
    assert of(one) == of(other)


DIFFERENT = {
    "int and bool": (1, True),
    "int and float": (1, 1.0),
    "zero and minus zero": (0.0, -0.0),
    "None and text": (None, "None"),
    "str and bytes": ("a", b"a"),
    "list and tuple": ([1], (1,)),
    "where a list ends": ([[1], 2], [[1, 2]]),
    "where a text ends": (["ab", "c"], ["a", "bc"]),
    "empty list and none": ([[]], []),
    "key and value": ({"a": "b"}, {"b": "a"}),
    "which value a key has": ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
    "set and frozenset": ({1}, frozenset([1])),
    "state of a set": (Tagged([1], "a"), Tagged([1], "b")),
    "order of an OrderedDict": (
        collections.OrderedDict(a=1, b=2),
        collections.OrderedDict(b=2, a=1),
    ),
    "default of a defaultdict": (collections.defaultdict(int), collections.defaultdict(list)),
    "dtype": (np.zeros(2), np.zeros(2, dtype=np.float32)),
    "byte order": (np.zeros(2, "<f8"), np.zeros(2, ">f8")),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "shape of what is empty": (np.zeros((0, 3)), np.zeros((3, 0))),
    "array and its element": (np.array(1.0), 1.0),
    "array and list": (np.array([1]), [1]),
    "array and matrix": (np.array([[1]]), np.array([[1]]).view(np.matrix)),
    "values": (np.zeros(2), np.ones(2)),
    "names of fields": (np.zeros(1, [("a", "i4")]), np.zeros(1, [("b", "i4")])),
    "unit of a date": (np.datetime64("2020", "Y"), np.datetime64("2020-01-01", "D")),
    "date and int": (np.datetime64(5, "ns"), 5),
    "long double": (np.longdouble(1) / 3, np.longdouble(1 / 3)),
    "mask": (masked(2), np.ma.array([1, 2], mask=[True, False])),
    "masked or not": (masked(2), np.array([1, 2])),
    "sparse format": (of_sparse("csr"), of_sparse("csc")),
    "sparse array and matrix": (of_sparse("csr"), scipy.sparse.csr_array(of_sparse("csr"))),
    "sparse shape": (scipy.sparse.csr_matrix((2, 3)), scipy.sparse.csr_matrix((2, 4))),
    "sparse values": (of_sparse("dok"), 2 * of_sparse("dok")),
    "class of an estimator": (LinearRegression(), LogisticRegression()),
    "parameter": (LogisticRegression(C=1), LogisticRegression(C=2)),
    "type of a parameter": (LogisticRegression(C=1), LogisticRegression(C=1.0)),
    "name of a step": (
        Pipeline([("a", LinearRegression())]),
        Pipeline([("b", LinearRegression())]),
    ),
    "what is kept frozen": (FrozenEstimator(fitted_tree(0)), FrozenEstimator(fitted_tree(1))),
    "what a partial holds": (
        functools.partial(metric, fitted_tree(0)),
        functools.partial(metric, fitted_tree(1)),
    ),
    "what is cloned here and kept there": tuple(
        [tree, functools.partial(metric, tree)] for tree in (fitted_tree(0), fitted_tree(1))
    ),
    "what set_output says": (
        StandardScaler(),
        StandardScaler().set_output(transform="pandas"),
    ),
    "class and instance": (LinearRegression, LinearRegression()),
    "function": (metric, other_metric),
    "ufunc": (np.sin, np.cos),
    "ufuncs of one name": (np.exp2, scipy.special.exp2),
    "function and partial": (metric, functools.partial(metric)),
    "arguments of a partial": (functools.partial(metric, 1), functools.partial(metric, y=1)),
    "method": (Record(a=1).method, Record(a=1).another),
    "object of a method": (Record(a=1).method, Record(a=2).method),
    "attribute": (Record(a=1), Record(b=1)),
    "slot": (Slotted(1, 2), Slotted(2, 1)),
    "member of an enum": (Color.RED, Color.BLUE),
    "flag of a pattern": (re.compile("a"), re.compile("a", re.IGNORECASE)),
    "seed": (np.random.RandomState(0), np.random.RandomState(1)),
    "seed of a generator": (np.random.default_rng(0), np.random.default_rng(1)),
    "frozen distribution": (scipy.stats.loguniform(1, 10), scipy.stats.loguniform(1, 11)),
    "distribution": (scipy.stats.norm(), scipy.stats.uniform()),
    "average of a score": (
        make_scorer(f1_score, average="macro"),
        make_scorer(f1_score, average="micro"),
    ),
    "sign of a score": (make_scorer(metric), make_scorer(metric, greater_is_better=False)),
    "what is in a loop": (loop_of("a"), loop_of("b")),
    "where a loop leads": (loop_of([1]), [1, loop_of([1])]),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_other_computation_has_another_digest(one, other):
    """What differs in type or value is never reused."""
    assert of(one) != of(other)


# Few leaves, so that equal values are drawn at all.
leaves = st.sampled_from([None, True, False, 0, 1, 0.0, 1.0, "", "a", "ab", b"", b"a"])
plain = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(leaves, inner, max_size=3)
        | st.frozensets(leaves, max_size=3)
    ),
    max_leaves=6,
)


def typed(value):
    """Return what is equal for the same types and values, and for no others."""
    if isinstance(value, (list, tuple)):
        return type(value), tuple(typed(item) for item in value)
    if isinstance(value, frozenset):
        return frozenset, frozenset(typed(item) for item in value)
    if isinstance(value, dict):
        return dict, frozenset((typed(key), typed(item)) for key, item in value.items())
    return type(value), value


@given(one=plain, other=plain)
@settings(deadline=None, max_examples=300)
def test_digests_are_equal_where_types_and_values_are(one, other):
    """No two nested plain values share a digest unless they are the same."""
    assert (of(one) == of(other)) == (typed(one) == typed(other))
    assert of(one) == of(copy.deepcopy(one))


def test_file_in_memory_is_an_array(tmp_path):
    """A memory map has the digest of the array that was written."""
    array = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "array.npy", array)

    assert of(np.load(tmp_path / "array.npy", mmap_mode="r")) == of(array)


def test_large_array_is_not_copied():
    """What is contiguous is read where it is."""
    array = np.zeros(N_BYTES // 8)
    of(array)

    tracemalloc.start()
    of(array)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < N_BYTES / 100


def test_texts_may_be_any_texts():
    """What is outside of ASCII, surrogates too, has a digest in a list and in an array."""
    texts = ["ü", "\udc80", ""]

    assert of(texts) != of(["ü", "\udc81", ""])
    assert of(np.array(texts, dtype=object)) != of(np.array(texts[::-1], dtype=object))


def test_masked_array_is_known_by_mask_and_data():
    """The fill value of a masked array is no part of its digest."""
    one, other = masked(2), masked(2)
    other.fill_value = 7

    assert of(one) == of(other)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4)], ids=["1-D", "3-D"])
def test_sparse_arrays_of_any_dimension(shape):
    """A coordinate array may have another number of dimensions than two."""
    first, last = np.zeros(shape), np.zeros(shape)
    first[0, ...].flat[0] = last[-1, ...].flat[0] = 1
    try:
        scipy.sparse.coo_array(first)
    except TypeError:
        pytest.skip("this SciPy has two dimensions only")

    assert of(scipy.sparse.coo_array(first)) == of(scipy.sparse.coo_array(first.copy()))
    assert of(scipy.sparse.coo_array(first)) != of(scipy.sparse.coo_array(last))


def test_using_a_distribution_changes_nothing():
    """Drawing from a frozen distribution leaves its digest as it is."""
    distribution = scipy.stats.loguniform(1, 10)
    before = of(distribution)

    distribution.rvs(3, random_state=0)
    distribution.mean()

    assert of(distribution) == before


def test_drawing_from_a_random_state_changes_it():
    """Where a random state is enters its digest."""
    state = np.random.RandomState(0)
    before = of(state)

    state.rand()

    assert of(state) != before


# --- frames --------------------------------------------------------------------------


@pytest.fixture(params=["pandas", "polars"])
def frames(request):
    """Give each of the two libraries."""
    return pytest.importorskip(request.param)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": [1, 2]}, {"b": [1, 2]}, id="name of a column"),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, id="value"),
        pytest.param({"a": [1, 2]}, {"a": [1.0, 2.0]}, id="dtype"),
        pytest.param({"a": [1, 2]}, {"a": [True, True]}, id="bool"),
        pytest.param({"a": [1], "b": [2]}, {"b": [2], "a": [1]}, id="order of columns"),
        pytest.param({"a": ["x", None]}, {"a": [None, "x"]}, id="place of what is missing"),
        pytest.param({"a": ["x", None]}, {"a": ["x", "None"]}, id="missing or text"),
        pytest.param({"a": ["xy", "z"]}, {"a": ["x", "yz"]}, id="where a text ends"),
        pytest.param({"a": [[1], [2]]}, {"a": [[1], [3]]}, id="nested value"),
    ],
)
def test_frames_differ(frames, one, other):
    """Names, types and values of a frame's columns are in its digest."""
    assert of(frames.DataFrame(one)) == of(frames.DataFrame(copy.deepcopy(one)))
    assert of(frames.DataFrame(one)) != of(frames.DataFrame(other))


def test_frame_of_many_columns_equals_its_copy(frames):
    """Dates, categories, missing values and nested ones are read by value."""
    frame = frame_of_many_columns(frames.__name__)

    assert of(frame) == of(copy.deepcopy(frame))
    assert of(frame) != of(frame[:2])


def test_series_is_known_by_its_name_and_values(frames):
    """A series has a digest, which is not that of the frame it is in."""
    one = frames.DataFrame({"a": [1, 2]})
    other = frames.DataFrame({"b": [1, 2]})

    assert of(one["a"]) == of(frames.DataFrame({"a": [1, 2]})["a"])
    assert len({of(one), of(one["a"]), of(other["b"])}) == 3


@pytest.mark.parametrize("cut", [lambda x: x[::2], lambda x: x[2:6]], ids=["steps", "slice"])
def test_part_of_a_frame_is_the_frame_of_that_part(frames, cut):
    """How a frame is laid out in memory is of no matter."""
    columns = {"a": list(range(8)), "b": [str(i) for i in range(8)]}
    part = cut(frames.DataFrame(columns))
    if frames.__name__ == "pandas":
        part = part.reset_index(drop=True)

    assert of(part) == of(frames.DataFrame({name: cut(x) for name, x in columns.items()}))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda pd: pd.Categorical(["x"], categories=["y", "x"]), id="order"),
        pytest.param(lambda pd: pd.Categorical(["x"], categories=["x", "z"]), id="categories"),
        pytest.param(lambda pd: pd.Categorical(["x"], ["x", "y"], ordered=True), id="ordered"),
        pytest.param(lambda pd: ["x"], id="text"),
    ],
)
def test_categories_are_part_of_a_column(other):
    """Two columns of the same texts differ where their categories do."""
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(pandas.Categorical(["x"], categories=["x", "y"]))

    assert of(column) != of(pandas.Series(other(pandas)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(lambda pd: pd.Index([1, 2]), lambda pd: pd.Index([1, 3]), id="values"),
        pytest.param(
            lambda pd: pd.Index([1, 2], name="a"), lambda pd: pd.Index([1, 2], name="b"), id="name"
        ),
        pytest.param(
            lambda pd: pd.MultiIndex.from_product([[1, 2], ["a"]]),
            lambda pd: pd.MultiIndex.from_product([[1, 2], ["b"]]),
            id="levels",
        ),
        pytest.param(
            lambda pd: pd.date_range("2020", periods=2, tz="UTC"),
            lambda pd: pd.date_range("2020", periods=2, tz="Europe/Berlin"),
            id="time zone",
        ),
    ],
)
def test_index_of_a_frame_is_part_of_it(one, other):
    """Frames with equal columns differ where their index does."""
    pandas = pytest.importorskip("pandas")

    def frame(index):
        return pandas.DataFrame({"a": [0.5, 1.5]}, index=index)

    assert of(one(pandas)) == of(one(pandas))
    assert of(one(pandas)) != of(other(pandas))
    assert of(frame(one(pandas))) != of(frame(other(pandas)))


def test_columns_of_one_name_all_count():
    """A frame may have two columns of the same name."""
    pandas = pytest.importorskip("pandas")
    one = pandas.DataFrame([[1, 2]], columns=["a", "a"])
    other = pandas.DataFrame([[1, 3]], columns=["a", "a"])

    assert of(one) != of(other)


@pytest.mark.parametrize("within", [lambda x: x, lambda x: [x]], ids=["plain", "nested"])
def test_null_is_no_nan(within):
    """What is missing in polars is not what is not a number."""
    polars = pytest.importorskip("polars")
    null, nan = polars.Series([within(None)]), polars.Series([within(float("nan"))])

    assert of(null.cast(nan.dtype)) != of(nan)


# --- estimators ----------------------------------------------------------------------


def xgboost_estimator(**params):
    return pytest.importorskip("xgboost").XGBClassifier(**params)


def lightgbm_estimator(**params):
    return pytest.importorskip("lightgbm").LGBMClassifier(**params)


def catboost_estimator(**params):
    return pytest.importorskip("catboost").CatBoostClassifier(**params)


def skorch_estimator(learning_rate):
    skorch, torch = pytest.importorskip("skorch"), pytest.importorskip("torch")
    return skorch.NeuralNetClassifier(torch.nn.Linear, lr=learning_rate, module__in_features=3)


third_parties = pytest.mark.parametrize(
    "make",
    [xgboost_estimator, lightgbm_estimator, catboost_estimator, skorch_estimator],
    ids=["xgboost", "lightgbm", "catboost", "skorch"],
)


@third_parties
def test_estimators_of_other_libraries_have_digests(make):
    """A digest needs get_params and no more."""
    estimator = make(learning_rate=0.5)

    assert of(estimator) == of(make(learning_rate=0.5)) == of(clone(estimator))
    assert of(estimator) != of(make(learning_rate=0.25))


def test_tensors_are_digested_by_their_content():
    """Pickle would write where they lie in memory."""
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")

    def weighted(*weights):
        return skorch.NeuralNetClassifier(
            torch.nn.Linear,
            criterion=torch.nn.CrossEntropyLoss,
            criterion__weight=torch.tensor(weights),
            module__in_features=3,
        )

    assert of(weighted(1.0, 2.0)) == of(weighted(1.0, 2.0)) == of(clone(weighted(1.0, 2.0)))
    assert of(weighted(1.0, 2.0)) != of(weighted(1.0, 3.0))
    values = [
        torch.tensor([1.0, 2.0]),
        torch.tensor([1.0, 2.0], dtype=torch.float64),
        torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
        torch.tensor([[1.0, 2.0]]),
        torch.tensor([1.0, 2.0], requires_grad=True),
        torch.tensor([True, False]),
        torch.tensor(1.0),
        torch.nn.Linear(1, 1),
        torch.nn.Linear(1, 1),
    ]
    digests = [of(value) for value in values]
    assert digests == [of(copy.deepcopy(value)) for value in values]
    assert len(set(digests)) == len(values)
    with pytest.raises(TypeError, match="layout"):
        of(torch.tensor([1.0, 0.0]).to_sparse())


@pytest.mark.parametrize("make", [xgboost_estimator, lightgbm_estimator], ids=["xgb", "lgbm"])
def test_what_others_learned_counts_where_nothing_is_cloned(make):
    """A fitted booster handed to fit is another one when it was fitted to other data."""
    X, y = np.random.RandomState(0).rand(60, 3), np.arange(60) % 2
    one, other = (make(n_estimators=2, n_jobs=1).fit(X, labels) for labels in (y, 1 - y))

    assert of(one) == of(other)
    assert of(one, cloned=False) == of(one, cloned=False)
    assert of(one, cloned=False) != of(other, cloned=False)


def test_what_was_learned_counts_where_nothing_is_cloned():
    """A fitted estimator that is used as it is, as a fit parameter, is known by its state."""
    assert of(fitted_tree(0), cloned=False) == of(fitted_tree(0), cloned=False)
    assert of(fitted_tree(0), cloned=False) != of(fitted_tree(1), cloned=False)


def test_requests_for_metadata_count():
    """Metadata requests change the digest; the estimator that owns them does not."""
    with config_context(enable_metadata_routing=True):
        asking = LogisticRegression().set_fit_request(sample_weight=True)
        as_learned = clone(asking).fit([[0], [1]], [0, 1])

    assert of(asking) == of(as_learned)
    assert of(asking) != of(LogisticRegression())


def test_scorer_that_asks_for_metadata_has_a_digest():
    """It refers to itself, as the owner of what it asks for."""

    def asking(name):
        return get_scorer("accuracy").set_score_request(**{name: True})

    with config_context(enable_metadata_routing=True):
        one, same, none = asking("sample_weight"), asking("sample_weight"), get_scorer("accuracy")

    assert of(one) == of(same)
    assert of(one) != of(none)


# --- loops and depth -----------------------------------------------------------------


def test_deep_nesting_is_refused():
    """What is nested too deeply is a TypeError that says so."""
    deep = []
    for _ in range(10_000):
        deep = [deep]

    with pytest.raises(
        TypeError,
        match=r"^scoring=.* cannot be kept in a journal, as it has no stable digest: it is nested",
    ):
        digest(deep, "scoring")


def test_what_is_shared_is_read_once():
    """Sharing what shares in turn costs no more than its parts."""
    shared = [1]
    for _ in range(100):
        shared = [shared, shared]

    assert len(of(shared)) == 16


def test_tangle_is_refused():
    """What leads back to itself in too many ways is refused before long."""
    tangle = [Record() for _ in range(12)]
    for record in tangle:
        record.others = list(tangle)

    with pytest.raises(TypeError, match="nested"):
        of(tangle)


# --- errors --------------------------------------------------------------------------

anonymous = lambda X: X  # noqa: E731
local_function, local_estimator = made_locally()

REFUSED = {
    "lambda": (
        FunctionTransformer(anonymous),
        "estimator",
        "estimator__func=<function <lambda> at .*> cannot be kept in a journal, as it has no "
        "stable digest: a lambda has no name; "
        "define it in a module as a function with a name, or ",
    ),
    "step of a pipeline": (
        Pipeline([("scale", StandardScaler()), ("clf", FunctionTransformer(anonymous))]),
        "estimator",
        "estimator__clf__func=<function <lambda>",
    ),
    "column of a transformer": (
        ColumnTransformer([("num", FunctionTransformer(anonymous), [0])]),
        "estimator",
        "estimator__num__func=<function <lambda>",
    ),
    "estimator of a search": (
        GridSearchCV(make_pipeline(FunctionTransformer(anonymous)), {}),
        "estimator",
        "estimator__estimator__functiontransformer__func=<function <lambda>",
    ),
    "function of a partial": (
        FunctionTransformer(functools.partial(anonymous)),
        "estimator",
        "estimator__func.func=<function <lambda>",
    ),
    "scorer": (make_scorer(anonymous), "scoring", "scoring._score_func=<function <lambda>"),
    "dict of scorers": (
        {"f1": make_scorer(f1_score), "own": anonymous},
        "scoring",
        r"scoring\['own'\]=<function <lambda>",
    ),
    "element of a list": ([1, [2, anonymous]], "value", r"value\[1\]\[1\]=<function"),
    "element of a set": ({anonymous}, "value", "an element of value=<function"),
    "key of a dict": ({anonymous: 1}, "value", "a key of value=<function"),
    "element of an array": (np.array([1, object()]), "y", r"y\[1\]=<object .*it has no state"),
    "local function": (
        local_function,
        "scoring",
        "scoring=<function made_locally.<locals>.inner at .*> .*: it is local to a function; "
        "define it in a module as a function",
    ),
    "local class": (
        local_estimator,
        "estimator",
        "estimator=<class '.*Local'> .*: it is local to a function; "
        "define it in a module as a class",
    ),
    "ufunc of a lambda": (
        np.frompyfunc(anonymous, 1, 1),
        "func",
        "func=<ufunc .*not one of NumPy's",
    ),
    "object": (object(), "value", "value=<object object at .*> .*: it has no state to read"),
    "lock": (Record(lock=threading.Lock()), "fit", r"fit.lock=.*it has no state to read \(cannot"),
    "generator": ((i for i in []), "groups", "groups=<generator .*it has no state to read"),
    "module": (np, "value", "value=<module .*it has no state to read"),
    "own reduction": (Unreadable(), "value", r"value=.*it has no state to read \(never\)"),
}


@pytest.mark.parametrize(("value", "name", "message"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_stable_digest_is_named(value, name, message):
    """The error says where in the user's words it is, why it is refused, and what to do."""
    with pytest.raises(TypeError, match=f"^{message}.*leave journal out.$"):
        digest(value, name)


def test_open_file_has_no_digest(tmp_path):
    """What is read from a file that is open cannot be known."""
    with (
        open(tmp_path / "file", "w") as file,
        pytest.raises(TypeError, match=r"value=<_io.TextIOWrapper .*it has no state to read"),
    ):
        of(file)


def test_column_of_a_frame_is_named(frames):
    """The error says which column, and where in it."""
    objects = [1, object()]
    made = frames.Series(objects, dtype=frames.Object if frames.__name__ == "polars" else object)
    frame = frames.DataFrame({"a": [1, 2], "b": made})

    with pytest.raises(TypeError, match=r"^X\['b'\].*\[1\]=<object"):
        digest(frame, "X")


def test_long_value_is_cut_in_the_error():
    """An error does not print all of what it refuses."""
    refusing = type("Refusing", (Unreadable, list), {})(range(10**5))

    with pytest.raises(TypeError) as refused:
        of(refusing)

    assert len(str(refused.value)) < 300


def test_class_that_was_defined_again_is_refused(monkeypatch):
    """An object of a class of before is not what its class's name says now."""
    value = Record(a=1)
    monkeypatch.setattr(sys.modules[__name__], "Record", type("Record", (), {}))

    with pytest.raises(TypeError, match=r"it is not what tests.test_digest.Record is now"):
        of(value)


# --- versions ------------------------------------------------------------------------


def packages_of(value):
    """Return the packages that a walk meets."""
    packages = set()
    digest(value, "value", packages=packages)
    return packages


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param([1, "a"], set(), id="plain"),
        pytest.param(make_pipeline(LinearRegression()), {"sklearn"}, id="pipeline"),
        pytest.param(UsersForest(), {"sklearn", "tests"}, id="bases of a user's class"),
        pytest.param(FunctionTransformer(np.log), {"sklearn", "numpy"}, id="function"),
        pytest.param(scipy.stats.norm(), {"scipy", "numpy"}, id="distribution"),
        pytest.param(of_sparse("csr"), {"scipy", "numpy"}, id="sparse"),
    ],
)
def test_packages_are_met(value, expected):
    """The libraries whose code a value is made of are collected."""
    assert packages_of(value) - set(sys.stdlib_module_names) == expected


def test_versions_are_those_installed():
    """Packages without a version, as of the user's own or of Python, are left out."""
    found = versions({"sklearn", "numpy", "__main__", "tests", "re", "builtins", "missing"})

    assert found == {"numpy": np.__version__, "sklearn": sklearn.__version__}


def test_version_may_be_that_of_the_distribution(monkeypatch):
    """A package that does not say its version is asked for by its name."""
    monkeypatch.setitem(sys.modules, "iniconfig", types.ModuleType("iniconfig"))

    assert re.match(r"\d+\.\d+", versions({"iniconfig"})["iniconfig"])


def test_version_is_read_without_a_warning(monkeypatch):
    """A package that warns when it computes its version is not asked."""

    def compute(name):
        warnings.warn(f"{name} goes away", DeprecationWarning, stacklevel=2)

    module = types.ModuleType("warns_of_its_version")
    module.__getattr__ = compute
    monkeypatch.setitem(sys.modules, "warns_of_its_version", module)

    assert versions({"warns_of_its_version"}) == {}


def test_cache_of_a_pipeline_does_not_count():
    """Where it lies changes what a fit costs, not what it finds."""
    steps = [("scale", StandardScaler()), ("tree", DecisionTreeClassifier())]

    assert digest(Pipeline(steps, memory="here"), "x") == digest(Pipeline(steps), "x")


@pytest.mark.parametrize("shape", [(0,), (7,), (3, 5), (400_000, 2), (2, 3, 90_000)])
def test_order_in_memory_does_not_count(shape):
    """An array is digested in blocks where it lies otherwise than it is read."""
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)

    assert digest(np.asfortranarray(array), "X") == digest(array, "X")
    assert digest(np.repeat(array, 2, axis=0)[::2], "X") == digest(array, "X")


def test_times_with_a_zone_count_by_value_and_zone():
    """An hour, or another clock, is another column."""
    pandas = pytest.importorskip("pandas")
    times = pandas.Series(pandas.date_range("2024-01-01", periods=5, tz="Europe/Berlin"))
    hour = pandas.Timedelta("1h")

    assert digest(times.copy(), "X") == digest(times, "X")
    assert digest(times + hour, "X") != digest(times, "X")
    assert digest(times.dt.tz_convert("Asia/Tokyo"), "X") != digest(times, "X")
