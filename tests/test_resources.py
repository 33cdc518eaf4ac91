import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import uniform
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneOut,
    LeavePOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._continuation import LIGHTGBM_ROUNDS
from skhyperband._resource_names import check_resource
from skhyperband._resources import (
    ParameterResource,
    SampleResource,
    Split,
    count_classes,
    guess_test_samples,
    lowest_n_samples,
    order_samples,
    order_splits,
    resolve_max_resources,
    resolve_min_resources,
    resolve_min_splits,
)

few_examples = settings(deadline=None, max_examples=60)


def ordered(n_samples, *, classes=None, groups=None, cv=None, seed=0):
    """Return the splits of a shuffling splitter, in the order that they are taken."""
    cv = cv or KFold(3, shuffle=True, random_state=seed)
    splits = list(cv.split(np.zeros((n_samples, 1)), classes, groups))
    return order_samples(splits, classes=classes, groups=groups, seed=seed)


def growing(n_samples, split):
    """Yield the training rows for each amount, the smallest first."""
    resource = SampleResource(n_samples)
    return [resource.train_rows(split, r) for r in range(1, n_samples + 1)]


def labels(*sizes):
    """Return shuffled labels 0, 1, … with so many of each."""
    return np.random.RandomState(0).permutation(np.repeat(np.arange(len(sizes)), sizes))


# --- the number of samples ---------------------------------------------------------


@pytest.mark.parametrize(
    ("n_resources", "share"),
    [(30, 20), (29, 19), (15, 10), (14, 9), (3, 2), (2, 1), (1, 1)],
)
def test_a_split_takes_its_share(n_resources, share):
    """The training rows are the resource's part of those in X, rounded down, never none."""
    (split, *_) = ordered(30)

    assert len(SampleResource(30).train_rows(split, n_resources)) == share


def test_all_samples_are_the_whole_training_part():
    """With as many samples as X has, the rows are the splitter's, in its own order."""
    train, test = np.array([7, 1, 5, 3]), np.array([0, 2])
    (split,) = order_samples([(train, test)], classes=None, groups=None, seed=0)

    rows = SampleResource(8).train_rows(split, 8)

    np.testing.assert_array_equal(rows, train)


def test_fewer_samples_stay_in_the_splitters_order():
    """A prefix of the random order comes out as the splitter ordered it."""
    train = np.array([7, 1, 5, 3, 6, 4])
    (split,) = order_samples([(train, train)], classes=None, groups=None, seed=0)

    rows = SampleResource(8).train_rows(split, 5)

    np.testing.assert_array_equal(rows, [row for row in train if row in rows])


def test_without_an_order_every_amount_is_the_whole():
    """A split that was not ordered always gives all of its training part."""
    split = Split(np.arange(6), np.arange(6, 9))

    np.testing.assert_array_equal(SampleResource(9).train_rows(split, 1), np.arange(6))


@few_examples
@given(
    n_samples=st.integers(6, 60),
    kind=st.sampled_from(["plain", "classes", "groups", "time"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_samples_are_nested(n_samples, kind, seed):
    """More samples contain all of the fewer ones, whatever orders them."""
    thirds = np.arange(n_samples) % 3
    splits = ordered(
        n_samples,
        classes=thirds if kind == "classes" else None,
        groups=thirds if kind == "groups" else None,
        cv={"groups": GroupKFold(3), "time": TimeSeriesSplit(3)}.get(kind),
        seed=seed % 1000,
    )

    for split in splits:
        rows = [set(r) for r in growing(n_samples, split)]

        assert all(fewer <= more for fewer, more in pairwise(rows))
        assert rows[-1] == set(split.train)


def test_the_same_seed_gives_the_same_order():
    """Orders depend on the seed alone, and differ from split to split."""
    first, again, other = ordered(30), ordered(30), ordered(30, seed=1)

    assert [list(s.order) for s in first] == [list(s.order) for s in again]
    assert [list(s.order) for s in first] != [list(s.order) for s in other]
    assert len({tuple(s.order) for s in first}) == len(first)


def test_an_order_does_not_depend_on_the_other_splits():
    """The order of a split is drawn from its own seed."""
    splits = [(np.arange(10), np.arange(10)), (np.arange(20), np.arange(20))]
    options = {"classes": None, "groups": None, "seed": 0}

    both = order_samples(splits, **options)
    shorter_first = order_samples([(np.arange(5), np.arange(5)), splits[1]], **options)

    np.testing.assert_array_equal(both[1].order, shorter_first[1].order)


def test_splits_are_kept():
    """Ordering leaves the splitter's training and test rows as they are."""
    train, test = np.array([4, 0, 2]), np.array([1, 3])

    (split,) = order_samples([(train, test)], classes=None, groups=None, seed=0)

    np.testing.assert_array_equal(split.train, train)
    np.testing.assert_array_equal(split.test, test)
    np.testing.assert_array_equal(np.sort(split.order), [0, 1, 2])


# --- classes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((60, 60), id="two equal"),
        pytest.param((90, 30), id="two unequal"),
        pytest.param((297, 3), id="a rare one"),
        pytest.param((40, 40, 40), id="three equal"),
        pytest.param((60, 40, 20), id="three unequal"),
        pytest.param((12,) * 10, id="ten equal"),
    ],
)
def test_every_amount_has_the_proportions_of_the_whole(sizes):
    """A class is within one sample of its share, or has the one that it must have."""
    y = labels(*sizes)
    for split in ordered(len(y), classes=y):
        whole = np.bincount(y[split.train], minlength=len(sizes)) / len(split.train)

        for rows in growing(len(y), split):
            counts = np.bincount(y[rows], minlength=len(sizes))
            assert np.all(np.abs(counts - len(rows) * whole) <= 1)


@few_examples
@given(n=st.integers(2, 100), n_rare=st.integers(1, 50), seed=st.integers(0, 1000))
def test_two_classes_keep_their_proportion(n, n_rare, seed):
    """Both of two classes are within one sample of their share at every amount."""
    y = np.random.RandomState(seed).permutation(np.repeat([0, 1], [n, n_rare]))
    everything = np.arange(len(y))
    (split,) = order_samples([(everything, everything)], classes=y, groups=None, seed=seed)

    for rows in growing(len(y), split):
        assert abs(y[rows].sum() - len(rows) * y.mean()) <= 1


@pytest.mark.parametrize("n_resources", [1, 2, 10, 50, 199])
def test_a_rare_class_is_always_there(n_resources):
    """Even the smallest amount has a sample of a class that is one in a hundred."""
    y = labels(198, 2)
    everything = np.arange(200)
    (split,) = order_samples([(everything, everything)], classes=y, groups=None, seed=0)

    rows = SampleResource(200).train_rows(split, n_resources)

    assert set(y[rows]) == {0, 1}
    assert len(rows) == max(n_resources, 2)


def test_classes_may_be_texts():
    """Labels of any type that sorts are stratified."""
    y = np.array(["no", "yes", "no", "no", "yes", "no"] * 5, dtype=object)

    for split in ordered(30, classes=y):
        assert {"no", "yes"} == set(y[SampleResource(30).train_rows(split, 1)])


# --- groups ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((20, 20, 20, 20), id="equal"),
        pytest.param((50, 20, 5, 4, 1), id="unequal"),
    ],
)
def test_groups_take_turns(sizes):
    """Groups that have members left never differ by more than one sample."""
    groups = labels(*sizes)
    everything = np.arange(len(groups))
    (split,) = order_samples([(everything, everything)], classes=None, groups=groups, seed=0)

    for rows in growing(len(groups), split):
        counts = np.bincount(groups[rows], minlength=len(sizes))
        has_more = counts < sizes

        assert np.ptp(counts[has_more]) <= 1 if has_more.any() else len(rows) == len(groups)
        assert counts.max() <= counts[has_more].min(initial=len(groups)) + 1


def test_groups_go_before_classes():
    """With both given the groups take turns, and no class is missing."""
    groups = np.arange(60) % 6
    y = (np.arange(60) < 20).astype(int)

    for split in ordered(60, classes=y, groups=groups, cv=GroupKFold(3)):
        n_groups = len(set(groups[split.train]))
        rows = SampleResource(60).train_rows(split, 12)

        assert set(y[rows]) == {0, 1}
        assert np.bincount(groups[rows]).max() <= len(rows) / n_groups + split.at_least


# --- time --------------------------------------------------------------------------


def test_time_series_take_the_most_recent():
    """The samples end at the split's latest one, and come in the order of time."""
    (*_, split) = ordered(20, cv=TimeSeriesSplit(3))

    rows = SampleResource(20).train_rows(split, 8)

    assert len(split.train) == 15
    np.testing.assert_array_equal(rows, np.arange(9, 15))


def test_time_series_have_every_class():
    """Of a class that ended long ago the last sample is taken too."""
    y = np.array([1] * 5 + [0] * 25)
    (*_, split) = ordered(30, cv=TimeSeriesSplit(2), classes=y)

    rows = SampleResource(30).train_rows(split, 6)

    np.testing.assert_array_equal(rows, [4, 17, 18, 19])


def pairs(*splits):
    """Return splits as arrays."""
    return [(np.array(train), np.array(test)) for train, test in splits]


IN_TIME_ORDER = {
    "list": list(TimeSeriesSplit(2).split(np.zeros(12))),
    "gap": list(TimeSeriesSplit(2, gap=2).split(np.zeros(12))),
    "rolling": pairs((range(4), range(4, 6)), (range(2, 6), range(6, 8))),
    "test parts that overlap": pairs((range(4), range(4, 12)), (range(6), range(6, 12))),
    "in another order of splits": pairs((range(8), range(8, 12)), (range(4), range(4, 8))),
}
NOT_IN_TIME_ORDER = {
    "validation set that comes last": pairs((range(8), range(8, 12))),
    "unshuffled folds": list(KFold(2).split(np.zeros(12))),
    "shuffled folds": list(KFold(3, shuffle=True, random_state=0).split(np.zeros(12))),
    "random split": list(ShuffleSplit(1, random_state=0).split(np.zeros(12))),
    "all are all": pairs((range(12), range(12))),
    "touching": pairs((range(7), range(6, 12))),
    "one of two": pairs((range(6), range(6, 12)), (range(6, 12), range(6))),
}


@pytest.mark.parametrize("splits", IN_TIME_ORDER.values(), ids=IN_TIME_ORDER)
def test_time_order_is_known_from_the_splits(splits):
    """Where all training parts lie before their test parts, the most recent samples come first."""
    for split in order_samples(splits, classes=None, groups=None, seed=0):
        rows = split.train[split.order]

        assert list(rows) == sorted(split.train, reverse=True)


@pytest.mark.parametrize("splits", NOT_IN_TIME_ORDER.values(), ids=NOT_IN_TIME_ORDER)
def test_other_splits_are_taken_at_random(splits):
    """If one training part does not lie before its test part, samples are taken at random."""
    for seed in range(2):
        first, *_ = order_samples(splits, classes=None, groups=None, seed=seed)

        assert list(first.train[first.order]) != sorted(first.train, reverse=True)


def test_time_order_does_not_depend_on_the_order_of_rows():
    """The most recent samples are those with the largest numbers, however they are listed."""
    splits = pairs(([3, 0, 4, 1], [6, 5]), ([1, 0], [4, 3]))
    split, _ = order_samples(splits, classes=None, groups=None, seed=0)

    np.testing.assert_array_equal(SampleResource(6).train_rows(split, 3), [3, 4])


def test_time_order_goes_before_groups():
    """Splits in time order are taken in it, groups or not."""
    splits = IN_TIME_ORDER["list"]

    ordered_ones = order_samples(splits, classes=None, groups=np.arange(12) % 3, seed=0)

    assert all(np.all(np.diff(split.train[split.order]) < 0) for split in ordered_ones)


# --- the order of the splits -------------------------------------------------------


def test_splits_are_shuffled_by_the_seed():
    """The order has each split once, and is the same for the same seed."""
    splits = list(KFold(10).split(np.zeros(20)))

    orders = [list(order_splits(splits, seed)) for seed in (0, 0, 1)]

    assert sorted(orders[0]) == list(range(10))
    assert orders[0] == orders[1] != orders[2]


def test_the_last_split_of_a_time_series_is_first():
    """The split that is tested on the most recent samples comes before the others."""
    splits = list(TimeSeriesSplit(4).split(np.zeros(20)))

    assert list(order_splits(splits, 0)) == [3, 2, 1, 0]
    assert list(order_splits(splits[::-1], 0)) == [0, 1, 2, 3]
    assert list(order_splits([splits[i] for i in (1, 3, 0, 2)], 0)) == [1, 3, 0, 2]


# --- a parameter -------------------------------------------------------------------


def test_a_parameter_joins_the_candidates():
    """The amount is set as one more parameter; the candidate itself stays as it was."""
    candidate = {"max_depth": 3}

    parameters = ParameterResource("n_estimators").parameters(candidate, 9)

    assert parameters == {"max_depth": 3, "n_estimators": 9}
    assert candidate == {"max_depth": 3}


def test_a_parameter_is_spent_on_all_rows():
    """However small the amount, the whole training part is fitted."""
    split = Split(np.array([3, 1]), np.array([0]), np.array([1, 0]))

    rows = ParameterResource("n_estimators").train_rows(split, 1)

    np.testing.assert_array_equal(rows, [3, 1])


def test_samples_leave_the_candidate_alone():
    """With samples as the resource nothing is set beside the candidate."""
    assert SampleResource(10).parameters({"C": 1}, 5) == {"C": 1}


class Reticent(BaseEstimator):
    """Takes `iterations`, which its `get_params` leaves out until it is set."""

    def __init__(self, depth=1):
        self.depth = depth

    def set_params(self, **params):
        self.iterations = params.pop("iterations", None)
        return super().set_params(**params)


@pytest.mark.parametrize(
    ("estimator", "resource"),
    [
        pytest.param(LogisticRegression(), "n_samples", id="samples"),
        pytest.param(LogisticRegression(), "max_iter", id="parameter"),
        pytest.param(LogisticRegression(max_iter=None), "max_iter", id="unset"),
        pytest.param(
            make_pipeline(StandardScaler(), LogisticRegression()),
            "logisticregression__max_iter",
            id="nested",
        ),
        pytest.param(Reticent(), "iterations", id="not in get_params"),
    ],
)
def test_check_resource_accepts(estimator, resource):
    """A resource is what can be set on a clone and holds no other type than a count."""
    before = estimator.get_params()

    check_resource(estimator, resource)

    assert {k: v for k, v in estimator.get_params().items() if "__" not in k}.keys() <= set(before)


@pytest.mark.parametrize(
    ("estimator", "resource", "error", "says"),
    [
        (LinearRegression(), "max_iter", ValueError, "resource='max_iter' is no parameter"),
        (make_pipeline(StandardScaler()), "clf__max_iter", ValueError, "resource='clf__max_iter'"),
        (LogisticRegression(), "C", ValueError, "resource='C' is 1.0"),
        (LogisticRegression(), "solver", ValueError, "resource='solver' is 'lbfgs'"),
        (LogisticRegression(), "fit_intercept", ValueError, "resource='fit_intercept' is True"),
        (LogisticRegression(), None, TypeError, "resource=None"),
        (LogisticRegression(), 3, TypeError, "resource=3"),
    ],
    ids=["unknown", "unknown step", "float", "text", "flag", "None", "number"],
)
def test_check_resource_refuses(estimator, resource, error, says):
    """What is no parameter, or counts nothing, is named with its value."""
    with pytest.raises(error, match=says):
        check_resource(estimator, resource)


class Swallowing(BaseEstimator):
    """Takes any name, and keeps it."""

    def __init__(self, depth=1, n_rounds=10, **more):
        self.depth = depth
        self.n_rounds = n_rounds
        self.more = more

    def get_params(self, deep=True):
        """Return them all."""
        return {"depth": self.depth, "n_rounds": self.n_rounds, **self.more}

    def set_params(self, **params):
        """Set any."""
        for name in ("depth", "n_rounds"):
            setattr(self, name, params.pop(name, getattr(self, name)))
        self.more = {**self.more, **params}
        return self


class OnlyNames(BaseEstimator):
    """Has no parameters but those that it is given."""

    def __init__(self, **params):
        self.params = params

    def get_params(self, deep=True):
        """Return them all."""
        return dict(self.params)

    def set_params(self, **params):
        """Set any."""
        self.params = {**self.params, **params}
        return self


def of_library(package, name, **params):
    """Return an estimator of a library that may not be there."""
    return getattr(pytest.importorskip(package), name)(**params)


SWALLOWING = {
    "lightgbm": (lambda: of_library("lightgbm", "LGBMClassifier"), "n_estimator", "n_estimators"),
    "lightgbm, set before": (
        lambda: of_library("lightgbm", "LGBMClassifier", n_estimator=5),
        "n_estimator",
        "n_estimators",
    ),
    "xgboost": (lambda: of_library("xgboost", "XGBRegressor"), "num_boost_round", "n_estimators"),
    "xgboost, misspelt": (
        lambda: of_library("xgboost", "XGBRegressor", n_estimatorss=4),
        "n_estimatorss",
        "n_estimators",
    ),
    "catboost": (
        lambda: of_library("catboost", "CatBoostClassifier"),
        "iteration",
        "iterations",
    ),
    "the user's own": (Swallowing, "n_round", "n_rounds"),
    "in a pipeline": (
        lambda: Pipeline([("clf", of_library("lightgbm", "LGBMRegressor"))]),
        "clf__n_estimator",
        "clf__n_estimators",
    ),
    "in an ensemble in a pipeline": (
        lambda: Pipeline([("bag", BaggingRegressor(Swallowing()))]),
        "bag__estimator__n_round",
        "bag__estimator__n_rounds",
    ),
}


@pytest.mark.parametrize(("make", "resource", "nearest"), SWALLOWING.values(), ids=SWALLOWING)
def test_name_that_an_estimator_would_swallow_is_refused(make, resource, nearest):
    """A name that is taken and means nothing is refused, with the nearest that does."""
    with pytest.raises(ValueError, match=f"resource={resource!r}") as error:
        check_resource(make(), resource)

    assert repr(nearest) in str(error.value)


KNOWN = {
    "lightgbm": ("lightgbm", "LGBMRegressor", "n_estimators"),
    "lightgbm's alias": ("lightgbm", "LGBMRegressor", "num_boost_round"),
    "lightgbm's other alias": ("lightgbm", "LGBMRanker", "max_iter"),
    "xgboost": ("xgboost", "XGBClassifier", "n_estimators"),
    "xgboost's own parameter": ("xgboost", "XGBClassifier", "max_depth"),
    "catboost": ("catboost", "CatBoostRegressor", "iterations"),
    "catboost, as scikit-learn": ("catboost", "CatBoostRegressor", "n_estimators"),
    "catboost, as XGBoost": ("catboost", "CatBoostRegressor", "num_boost_round"),
    "catboost, as LightGBM": ("catboost", "CatBoostRegressor", "num_trees"),
}


@pytest.mark.parametrize("nested", [False, True], ids=["alone", "in a pipeline"])
@pytest.mark.parametrize(("package", "name", "resource"), KNOWN.values(), ids=KNOWN)
def test_names_that_a_library_documents_are_accepted(package, name, resource, nested):
    """What the class declares, and the aliases by which it trains, are resources."""
    estimator = of_library(package, name)

    if nested:
        check_resource(Pipeline([("clf", estimator)]), f"clf__{resource}")
    else:
        check_resource(estimator, resource)


@pytest.mark.parametrize("alias", sorted(LIGHTGBM_ROUNDS))
@pytest.mark.filterwarnings("ignore:Found `.*` in params")
def test_lightgbm_trains_by_its_aliases(alias):
    """Each name that is accepted for LightGBM's rounds gives so many trees."""
    model = of_library("lightgbm", "LGBMRegressor", verbose=-1, min_child_samples=1)

    model.set_params(**{alias: 3}).fit(np.arange(40.0).reshape(-1, 1), np.arange(40.0))

    assert model.n_estimators_ == 3


def test_names_that_only_the_instance_knows_are_accepted():
    """An estimator without declared parameters has those that it was given."""
    check_resource(OnlyNames(epochs=5), "epochs")
    with pytest.raises(ValueError, match=r"resource='epoch'.*'epochs'"):
        check_resource(OnlyNames(epochs=5), "epoch")


def test_parameters_of_a_network_are_accepted():
    """What skorch passes on to the module is known where the module declares it."""
    torch = pytest.importorskip("torch")
    net = of_library("skorch", "NeuralNetRegressor", module=torch.nn.Linear)

    check_resource(net, "max_epochs")
    check_resource(net, "module__in_features")
    with pytest.raises(ValueError, match="resource='module__in_feature'"):
        check_resource(net, "module__in_feature")


SAME_RESOURCE = {
    "lightgbm": ("lightgbm", "LGBMRegressor", {"num_iterations": 5}, "n_estimators"),
    "lightgbm, two aliases": ("lightgbm", "LGBMRegressor", {"num_trees": 5}, "max_iter"),
    "catboost": ("catboost", "CatBoostRegressor", {"iterations": 5}, "n_estimators"),
}


@pytest.mark.parametrize(
    ("package", "name", "params", "resource"), SAME_RESOURCE.values(), ids=SAME_RESOURCE
)
def test_estimator_that_has_the_resource_by_another_name_is_refused(
    package, name, params, resource
):
    """A value under another name would count in the resource's place."""
    estimator = of_library(package, name, **params)
    (other,) = params

    with pytest.raises(ValueError, match=rf"resource={resource!r}.*{other!r}"):
        check_resource(estimator, resource)
    with pytest.raises(ValueError, match=rf"'clf__{other}'"):
        check_resource(Pipeline([("clf", estimator)]), f"clf__{resource}")


HINTS = {
    "histogram boosting": (HistGradientBoostingClassifier(), "n_estimators", ["'max_iter'"]),
    "forest": (RandomForestClassifier(), "max_iter", ["'n_estimators'"]),
    "pipeline": (
        Pipeline([("scale", StandardScaler()), ("clf", LogisticRegression())]),
        "max_iter",
        ["'clf__max_iter'"],
    ),
    "wrong step": (
        Pipeline([("scale", StandardScaler()), ("clf", RandomForestClassifier())]),
        "cls__n_estimators",
        ["'clf__n_estimators'"],
    ),
    "nothing that counts": (LinearRegression(), "max_iter", ["'n_samples'"]),
    "float": (LogisticRegression(), "C", ["'max_iter'"]),
    "float in a pipeline": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        "logisticregression__C",
        ["'logisticregression__max_iter'"],
    ),
}


@pytest.mark.parametrize(("estimator", "resource", "named"), HINTS.values(), ids=HINTS)
def test_error_names_what_the_estimator_has(estimator, resource, named):
    """The error suggests a parameter that this estimator has, with the name of its step."""
    with pytest.raises(ValueError, match=f"resource={resource!r}") as error:
        check_resource(estimator, resource)

    for text in named:
        assert text in str(error.value)
    own = estimator.get_params()
    for name in re.findall(r"'([a-z]\w*)'", str(error.value)):
        assert name in {"n_samples", resource} or name in own


# --- bounds ------------------------------------------------------------------------

forest = RandomForestClassifier(n_estimators=81)


@pytest.mark.parametrize(
    ("max_resources", "resource", "n_samples", "largest"),
    [
        pytest.param("auto", "n_samples", 150, 150, id="all samples"),
        pytest.param("auto", "n_estimators", None, 81, id="the estimator's value"),
        pytest.param(100, "n_samples", 150, 100, id="fewer samples"),
        pytest.param(150, "n_samples", 150, 150, id="exactly all samples"),
        pytest.param(100, "n_samples", None, 100, id="samples not known"),
        pytest.param(1000, "n_estimators", 150, 1000, id="a parameter beyond the samples"),
        pytest.param(np.int64(7), "n_estimators", 150, 7, id="a numpy integer"),
    ],
)
def test_resolve_max_resources(max_resources, resource, n_samples, largest):
    """R is a plain integer: the number given, all samples, or what the estimator has."""
    resolved = resolve_max_resources(max_resources, forest, resource, n_samples)

    assert (resolved, type(resolved)) == (largest, int)


@pytest.mark.parametrize(
    ("max_resources", "estimator", "resource", "n_samples", "says"),
    [
        pytest.param(
            151, forest, "n_samples", 150, "max_resources=151 exceeds the 150", id="too many"
        ),
        pytest.param("auto", forest, "n_samples", None, "n_samples=None", id="no samples known"),
        pytest.param(
            "auto",
            forest,
            "max_depth",
            150,
            "max_resources='auto' takes the estimator's max_depth, which is None",
            id="unset",
        ),
        pytest.param(
            "auto",
            LogisticRegression(max_iter=-1),
            "max_iter",
            150,
            "max_resources='auto' takes the estimator's max_iter, which is -1",
            id="no end",
        ),
    ],
)
def test_resolve_max_resources_refuses(max_resources, estimator, resource, n_samples, says):
    """Where there is no R the error names the parameter and its value."""
    with pytest.raises(ValueError, match=says):
        resolve_max_resources(max_resources, estimator, resource, n_samples)


@pytest.mark.parametrize(
    ("min_resources", "largest", "lowest", "smallest"),
    [
        pytest.param("auto", 18, 1, 6, id="a halving"),
        pytest.param("auto", 100, 1, Fraction(100, 3), id="a halving exactly"),
        pytest.param("auto", 2, 1, 1, id="at least one"),
        pytest.param("auto", 100, 40, 40, id="as many samples as needed"),
        pytest.param("auto", 10, 20, 10, id="no more than there are"),
        pytest.param("exhaust", 18, 1, 6, id="exhaust is auto"),
        pytest.param("smallest", 1000, 20, 20, id="smallest"),
        pytest.param("smallest", 1000, 1, 1, id="smallest of a parameter"),
        pytest.param(7, 1000, 20, 7, id="a number wins"),
        pytest.param(1000, 1000, 1, 1000, id="all"),
        pytest.param(np.int64(7), 1000, 1, 7, id="a numpy integer"),
    ],
)
def test_resolve_min_resources(min_resources, largest, lowest, smallest):
    """The bound is exact: the number given, or what the word stands for."""
    bound = resolve_min_resources(min_resources, largest, Fraction(3), lowest, "n_units")

    assert isinstance(bound, Fraction)
    assert bound == smallest


@pytest.mark.parametrize(
    ("min_resources", "lowest", "says"),
    [
        pytest.param(200, 1, "min_resources=200 exceeds max_resources=100", id="number"),
        pytest.param("smallest", 120, "exceeds max_resources=100", id="smallest"),
        pytest.param(200, 1, "both are amounts of resource='n_units'", id="unit"),
    ],
)
def test_resolve_min_resources_refuses(min_resources, lowest, says):
    """A bound above R is an error that names both."""
    with pytest.raises(ValueError, match=says):
        resolve_min_resources(min_resources, 100, Fraction(3), lowest, "n_units")


@pytest.mark.parametrize(
    ("factor", "smallest"), [(Fraction(3), Fraction(100, 3)), (Fraction(3, 2), Fraction(200, 3))]
)
def test_resolve_min_resources_leaves_room_for_a_halving(factor, smallest):
    """The automatic bound is R divided once by the factor."""
    assert resolve_min_resources("auto", 100, factor, 1, "n_units") == smallest


@pytest.mark.parametrize(
    ("estimator", "n_classes", "lowest"),
    [
        pytest.param(LogisticRegression(), 3, 30, id="classifier"),
        pytest.param(LinearRegression(), None, 10, id="regressor"),
        pytest.param(LinearRegression(), 7, 10, id="classes of a regressor do not count"),
    ],
)
def test_smallest_number_of_samples(estimator, n_classes, lowest):
    """Each split needs two samples, for a classifier two of each class."""
    assert lowest_n_samples("smallest", estimator, 5, n_classes) == lowest


@pytest.mark.parametrize("n_splits", [5, 50, 1000])
@pytest.mark.parametrize(
    ("estimator", "n_classes", "lowest"),
    [
        pytest.param(LogisticRegression(), 2, 10, id="classifier"),
        pytest.param(LogisticRegression(), 10, 50, id="many classes"),
        pytest.param(LinearRegression(), None, 10, id="regressor"),
    ],
)
def test_automatic_number_of_samples_does_not_grow_with_the_splits(
    estimator, n_classes, lowest, n_splits
):
    """A handful of samples of each class is enough, however many splits there are."""
    assert lowest_n_samples("auto", estimator, n_splits, n_classes) == lowest


@pytest.mark.parametrize("min_resources", ["auto", "exhaust", "smallest"])
def test_lowest_number_of_samples_asks_for_the_classes(min_resources):
    """A classifier's bound cannot be known without the number of classes."""
    with pytest.raises(ValueError, match="n_classes=None"):
        lowest_n_samples(min_resources, LogisticRegression(), 5, None)


@pytest.mark.parametrize(
    ("cv", "n_splits", "n_samples", "min_splits"),
    [
        pytest.param(5, 5, 250, 1, id="test parts of 50"),
        pytest.param(5, 5, 245, 2, id="test parts just below"),
        pytest.param(5, 5, 100_000, 1, id="large"),
        pytest.param(5, 5, 100, 3, id="test parts of 20"),
        pytest.param(5, 5, 30, 5, id="no more than there are"),
        pytest.param(LeaveOneOut(), 200, 200, 50, id="leave one out"),
        pytest.param(LeavePOut(2), 4950, 100, 50, id="at least one sample each"),
        pytest.param(RepeatedKFold(n_splits=5, n_repeats=10), 50, 300, 1, id="repeats"),
        pytest.param(ShuffleSplit(20, test_size=0.25), 20, 400, 1, id="share of a shuffle"),
        pytest.param(ShuffleSplit(20, test_size=10), 20, 400, 5, id="number of a shuffle"),
        pytest.param([(range(90), range(90, 100))] * 7, 7, 100, 5, id="list"),
        pytest.param(((range(90), np.arange(100) >= 75),) * 4, 4, 100, 2, id="masks"),
        pytest.param(ShuffleSplit(50), 50, 1000, 1, id="default of a shuffle"),
        pytest.param(ShuffleSplit(20, train_size=0.5), 20, 80, 2, id="rest of a training share"),
        pytest.param(ShuffleSplit(20, train_size=55), 20, 80, 2, id="rest of a training number"),
        pytest.param(GroupShuffleSplit(20), 20, 200, 2, id="default of groups"),
        pytest.param(GroupShuffleSplit(20, test_size=2), 20, 1000, 1, id="number of groups"),
        pytest.param(GroupShuffleSplit(20, train_size=0.5), 20, 50, 2, id="share of groups"),
        pytest.param(TimeSeriesSplit(5, test_size=10), 5, 400, 5, id="number of a time series"),
        pytest.param(TimeSeriesSplit(5), 5, 270, 2, id="time series"),
        pytest.param(TimeSeriesSplit(5), 5, 300, 1, id="longer time series"),
    ],
)
def test_automatic_number_of_splits_holds_enough_test_samples(cv, n_splits, n_samples, min_splits):
    """The test parts of the lowest rungs hold about 50 samples, if there are as many."""
    n_test = guess_test_samples(cv, n_splits, n_samples)

    assert resolve_min_splits("auto", n_splits, n_test) == min_splits


def test_one_split_suffices_where_the_number_of_samples_is_not_known():
    """Without data the lowest rungs use one split."""
    assert resolve_min_splits("auto", 5, None) == 1


FIRST_FOLD = np.repeat([0, 1, 2, -1], [5, 5, 5, 385])


@pytest.mark.parametrize(
    ("cv", "groups", "min_splits"),
    [
        pytest.param(PredefinedSplit(FIRST_FOLD), None, 3, id="small folds"),
        pytest.param([(range(300), range(300, 310))] * 7, None, 5, id="list"),
        pytest.param(GroupShuffleSplit(6, test_size=2), range(10), 1, id="number of groups"),
        pytest.param(GroupShuffleSplit(6, test_size=2), range(200), 6, id="many groups"),
    ],
)
def test_automatic_number_of_splits_follows_the_test_parts_of_the_data(cv, groups, min_splits):
    """In `fit`, and in a plan for data, the real test parts decide, not what the splitter says."""
    X, y = make_classification(400, random_state=0)
    params = {} if groups is None else {"groups": np.resize(groups, 400)}
    search = SuccessiveHalvingSearchCV(
        LogisticRegression(), {"C": uniform(0.1, 10)}, cv=cv, random_state=0
    )

    plan = search.plan(X, y, **params)

    assert plan.rungs[0].n_splits == min_splits
    assert search.fit(X, y, **params).plan_ == plan


@pytest.mark.parametrize(
    ("y", "n_classes"),
    [
        pytest.param([0, 1, 2, 1], 3, id="numbers"),
        pytest.param(np.array(["a", "b", "a"], dtype=object), 2, id="texts"),
        pytest.param(np.array([[0, 1], [1, 1], [0, 0]]), 2, id="several labels"),
        pytest.param(np.array([[0, 5], [1, 6], [0, 7]]), 3, id="several outputs"),
        pytest.param(np.array([[0], [1], [2]]), 3, id="one column"),
    ],
)
# scikit-learn warns of a column vector, and of few samples with many classes.
@pytest.mark.filterwarnings("ignore")
def test_count_classes(y, n_classes):
    """Of several outputs the one with most classes counts."""
    assert count_classes(y) == n_classes


def test_a_step_that_has_the_resource_by_another_name_is_refused():
    """An alias that a whole step brings along would overrule the rungs."""
    lightgbm = pytest.importorskip("lightgbm")
    steps = [lightgbm.LGBMClassifier(num_iterations=50), lightgbm.LGBMClassifier(num_trees=3)]
    pipeline = Pipeline([("clf", lightgbm.LGBMClassifier(verbose=-1))])
    X, y = np.zeros((60, 2)), np.arange(60) % 2
    search = SuccessiveHalvingSearchCV(
        pipeline, {"clf": steps}, n_candidates=2, resource="clf__n_estimators", max_resources=9
    )

    with pytest.raises(ValueError, match=r"param_distributions gives .*num_"):
        search.fit(X, y)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint8])
def test_row_numbers_of_few_bits_are_row_numbers(dtype):
    """Negative row numbers count from the end, whatever integers they are."""
    X, y = np.zeros((200, 2)), np.arange(200) % 2
    rows = np.arange(-100, 0) if dtype != np.uint8 else np.arange(100)
    splits = [(rows.astype(dtype), np.arange(100)), (np.arange(100), np.arange(100, 200))]

    plan = SuccessiveHalvingSearchCV(
        DecisionTreeClassifier(), {"max_depth": range(1, 30)}, cv=splits, random_state=0
    ).fit(X, y)

    assert plan.n_splits_ == 2
