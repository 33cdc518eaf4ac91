"""Wrong calls, each with a message of its own, before anything is fitted."""

import copy
import inspect
import pickle
import re
import threading
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    LeaveOneGroupOut,
    PredefinedSplit,
)

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.published import published

QUALITY = {"quality": uniform()}
N = 60


class Counting(ClassifierMixin, BaseEstimator):
    """Costs nothing, and counts its fits."""

    n_fits = 0

    def __init__(self, quality=0.0, n_units=9, share=0.5, flag=True, word="auto"):
        self.quality = quality
        self.n_units = n_units
        self.share = share
        self.flag = flag
        self.word = word

    def fit(self, X, y, sample_weight=None):
        """Count."""
        Counting.n_fits += 1
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Predict the first class."""
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        """Give the quality."""
        return self.quality


class WithoutFit(BaseEstimator):
    """Has a score and no fit."""

    def score(self, X, y):
        """Give a number."""
        return 0.0


class WithoutScore(BaseEstimator):
    """Has a fit and no score."""

    def __init__(self, quality=0.0):
        self.quality = quality

    def fit(self, X, y):
        """Count."""
        Counting.n_fits += 1
        return self


class Miscounting:
    """A splitter that yields other splits than it counts."""

    def __init__(self, yielded, counted):
        self.yielded = yielded
        self.counted = counted

    def __repr__(self):
        return f"Miscounting({self.yielded}, {self.counted})"

    def split(self, X, y=None, groups=None):
        """Yield halves."""
        rows = np.arange(len(X))
        for i in range(self.yielded):
            yield rows[rows % 2 == i % 2], rows[rows % 2 != i % 2]

    def get_n_splits(self, X=None, y=None, groups=None):
        """Say another number."""
        return self.counted


class OnlyAsks:
    """A sampler that cannot be told."""

    def ask(self, n, *, repeat, bracket):
        """Return points."""
        return [{"quality": 0.5}] * n


class Sampler:
    """Returns what it was told to."""

    def __init__(self, answer=None):
        self.answer = answer

    def __repr__(self):
        return f"Sampler({self.answer!r})"

    def ask(self, n, *, repeat, bracket):
        """Return it."""
        return self.answer(n) if callable(self.answer) else self.answer

    def tell(self, level):
        """Learn nothing."""


class Rvs:
    """Looks like a distribution, and is none."""

    def sample(self):
        """Return a number."""
        return 0.5


def data():
    """Return samples of two classes."""
    return np.arange(2.0 * N).reshape(N, 2), np.arange(N) % 2


def halving(*, estimator=None, space=QUALITY, **options):
    """Return a successive halving of free fits."""
    options = {"n_candidates": 3, "cv": 3, "random_state": 0, **options}
    return published(
        SuccessiveHalvingSearchCV, Counting() if estimator is None else estimator, space, **options
    )


def by_units(**options):
    """Return one whose resource is a parameter."""
    return halving(**{"resource": "n_units", **options})


def hyperband(**options):
    """Return a Hyperband of free fits."""
    return published(
        HyperbandSearchCV,
        Counting(),
        QUALITY,
        **{"n_candidates": 3, "cv": 3, "random_state": 0, **options},
    )


# What is wrong: the search, and what the message must name, in any order.
CALLS = {
    # the space
    "space-number": (lambda: halving(space=5), ["param_distributions", "5"]),
    "space-none": (lambda: halving(space=None), ["param_distributions", "None"]),
    "space-string": (lambda: halving(space="quality"), ["param_distributions", "'quality'"]),
    "space-empty-list": (lambda: halving(space=[]), ["param_distributions", "[]"]),
    "space-list-of-names": (
        lambda: halving(space=["quality"]),
        ["param_distributions", "['quality']"],
    ),
    "space-empty-values": (
        lambda: halving(space={"quality": []}),
        ["param_distributions['quality']", "[]"],
    ),
    "space-string-for-list": (
        lambda: halving(space={"word": "auto"}),
        ["param_distributions['word']", "'auto'"],
    ),
    "space-number-for-list": (
        lambda: halving(space={"quality": 0.5}),
        ["param_distributions['quality']", "0.5"],
    ),
    "space-set-for-list": (
        lambda: halving(space={"quality": {0.25}}),
        ["param_distributions['quality']", "{0.25}"],
    ),
    "space-no-rvs": (
        lambda: halving(space={"quality": Rvs()}),
        ["param_distributions['quality']", "Rvs", "rvs"],
    ),
    "space-class-for-distribution": (
        lambda: halving(space={"quality": Rvs}),
        ["param_distributions['quality']", "Rvs", "list"],
    ),
    "space-matrix": (
        lambda: halving(space={"quality": np.eye(2)}),
        ["param_distributions['quality']", "2 dimensions"],
    ),
    "space-0-d": (
        lambda: halving(space={"quality": np.array(0.5)}),
        ["param_distributions['quality']", "0 dimensions"],
    ),
    "space-number-as-name": (lambda: halving(space={1: [0.5]}), ["param_distributions", "1"]),
    "space-unknown-name": (lambda: halving(space={"qualty": [0.1, 0.2, 0.3]}), ["'qualty'"]),
    "space-unknown-distribution": (lambda: halving(space={"deepth": uniform()}), ["'deepth'"]),
    "space-contains-resource": (
        lambda: by_units(space={"n_units": [1, 2, 3]}),
        ["param_distributions", "'n_units'", "resource"],
    ),
    # the resource
    "resource-unknown": (lambda: halving(resource="n_trees"), ["resource='n_trees'"]),
    "resource-number": (lambda: halving(resource=5), ["resource=5"]),
    "resource-none": (lambda: halving(resource=None), ["resource=None"]),
    "resource-float": (lambda: halving(resource="share"), ["resource='share'", "0.5"]),
    "resource-bool": (lambda: halving(resource="flag"), ["resource='flag'", "True"]),
    "resource-string": (
        lambda: halving(resource="word", estimator=Counting(word="log2")),
        ["resource='word'", "'log2'"],
    ),
    # bounds
    "max-none-in-estimator": (
        lambda: by_units(estimator=Counting(n_units=None)),
        ["max_resources='auto'", "n_units", "None"],
    ),
    "max-0-in-estimator": (
        lambda: by_units(estimator=Counting(n_units=0)),
        ["max_resources='auto'", "n_units", "is 0"],
    ),
    "max-negative-in-estimator": (
        lambda: by_units(estimator=Counting(n_units=-1)),
        ["max_resources='auto'", "n_units", "-1"],
    ),
    "max-0": (lambda: by_units(max_resources=0), ["max_resources=0"]),
    "max-negative": (lambda: by_units(max_resources=-9), ["max_resources=-9"]),
    "max-float": (lambda: by_units(max_resources=9.5), ["max_resources=9.5"]),
    "max-string": (lambda: by_units(max_resources="all"), ["max_resources='all'"]),
    "max-none": (lambda: by_units(max_resources=None), ["max_resources=None"]),
    "max-above-data": (lambda: halving(max_resources=61), ["max_resources=61", "60"]),
    "min-above-max": (
        lambda: by_units(min_resources=5, max_resources=4),
        ["min_resources=5", "max_resources=4"],
    ),
    "min-above-data": (lambda: halving(min_resources=100), ["min_resources=100", "60"]),
    "min-0": (lambda: halving(min_resources=0), ["min_resources=0"]),
    "min-string": (lambda: halving(min_resources="tiny"), ["min_resources='tiny'"]),
    "min-float": (lambda: halving(min_resources=20.0), ["min_resources=20.0"]),
    "min-bool": (lambda: halving(min_resources=True), ["min_resources=True"]),
    "min_splits-above": (lambda: halving(min_splits=4), ["min_splits=4", "3"]),
    "min_splits-0": (lambda: halving(min_splits=0), ["min_splits=0"]),
    "min_splits-string": (lambda: halving(min_splits="one"), ["min_splits='one'"]),
    # the schedule
    "factor-1": (lambda: halving(factor=1), ["factor=1"]),
    "factor-0": (lambda: halving(factor=0), ["factor=0"]),
    "factor-below-1": (lambda: halving(factor=0.5), ["factor=0.5"]),
    "factor-negative": (lambda: halving(factor=-3), ["factor=-3"]),
    "factor-nan": (lambda: halving(factor=float("nan")), ["factor=nan"]),
    "factor-inf": (lambda: halving(factor=float("inf")), ["factor=inf"]),
    "factor-string": (lambda: halving(factor="3"), ["factor='3'"]),
    "factor-none": (lambda: halving(factor=None), ["factor=None"]),
    "factor-bool": (lambda: halving(factor=True), ["factor=True"]),
    "factor-huge": (lambda: halving(factor=10**400), ["factor", "about 1e400"]),
    "factor-beyond-digits": (lambda: halving(factor=10**5000), ["factor", "about 1e5000"]),
    "factor-huge-fraction": (
        lambda: halving(factor=Fraction(10**402 + 1, 10)),
        ["factor", "about 1e401"],
    ),
    "factor-long-double": (
        lambda: halving(factor=np.longdouble("1e400")),
        ["factor=", "finite"],
    ),
    "factor-next-to-1": (
        lambda: by_units(factor=float(np.nextafter(1, 2)), min_resources=1),
        ["factor=1.0000000000000002", "1,000 rungs", "min_resources"],
    ),
    "factor-fraction-next-to-1": (
        lambda: by_units(factor=Fraction(10**300 + 1, 10**300), min_resources=1),
        ["factor", "1,000 rungs"],
    ),
    "factor-near-1": (
        lambda: by_units(factor=1.001, min_resources=1),
        ["factor=1.001", "1,000 rungs", "min_resources"],
    ),
    "factor-near-1-aggressive": (
        lambda: halving(
            factor=1.001, n_candidates=9, min_resources="auto", aggressive_elimination=True
        ),
        ["factor=1.001", "1,000 rungs", "aggressive_elimination"],
    ),
    "n_candidates-0": (lambda: halving(n_candidates=0), ["n_candidates=0"]),
    "n_candidates-negative": (lambda: halving(n_candidates=-1), ["n_candidates=-1"]),
    "n_candidates-word": (lambda: halving(n_candidates="most"), ["n_candidates='most'"]),
    "n_candidates-float": (lambda: halving(n_candidates=1.5), ["n_candidates=1.5"]),
    "n_candidates-none": (lambda: halving(n_candidates=None), ["n_candidates=None"]),
    "n_candidates-grid": (lambda: halving(n_candidates="grid"), ["n_candidates='grid'", "'all'"]),
    "n_candidates-exhaust": (
        lambda: hyperband(n_candidates="exhaust"),
        ["n_candidates='exhaust'", "'auto'"],
    ),
    "all-of-a-distribution": (
        lambda: halving(n_candidates="all"),
        ["n_candidates='all'", "param_distributions['quality']", "distribution"],
    ),
    "all-with-a-sampler": (
        lambda: halving(n_candidates="all", space={"quality": [0.1]}, sampler=Sampler([])),
        ["n_candidates='all'", "sampler=Sampler([])"],
    ),
    "all-with-a-sampler-by-name": (
        lambda: halving(n_candidates="all", space={"quality": [0.1]}, sampler="tpe"),
        ["n_candidates='all'", "sampler='tpe'"],
    ),
    "aggressive-string": (
        lambda: halving(aggressive_elimination="yes"),
        ["aggressive_elimination='yes'"],
    ),
    "aggressive-none": (
        lambda: halving(aggressive_elimination=None),
        ["aggressive_elimination=None"],
    ),
    "promotion-unknown": (lambda: hyperband(promotion="x"), ["promotion='x'"]),
    "promotion-number": (lambda: hyperband(promotion=1), ["promotion=1"]),
    "n_brackets-0": (lambda: hyperband(n_brackets=0), ["n_brackets=0"]),
    "n_brackets-word": (lambda: hyperband(n_brackets="some"), ["n_brackets='some'"]),
    "n_brackets-float": (lambda: hyperband(n_brackets=2.5), ["n_brackets=2.5"]),
    "n_repeats-0": (lambda: hyperband(n_repeats=0), ["n_repeats=0"]),
    "n_repeats-string": (lambda: hyperband(n_repeats="2"), ["n_repeats='2'"]),
    "n_repeats-no-limit": (
        lambda: hyperband(n_repeats=None, max_time=np.inf),
        ["n_repeats=None", "max_time=inf"],
    ),
    # candidates
    "initial-dict": (
        lambda: halving(initial_candidates={"quality": 0.5}),
        ["initial_candidates={'quality': 0.5}"],
    ),
    "initial-no-dict": (lambda: halving(initial_candidates=[0.5]), ["initial_candidates", "0.5"]),
    "initial-unknown-name": (
        lambda: halving(initial_candidates=[{"qualty": 0.5}]),
        ["initial_candidates", "'qualty'"],
    ),
    "initial-number-as-name": (
        lambda: halving(initial_candidates=[{7: 0.5}]),
        ["initial_candidates", "{7: 0.5}"],
    ),
    "initial-contains-resource": (
        lambda: by_units(initial_candidates=[{"quality": 0.5, "n_units": 3}]),
        ["initial_candidates", "'n_units'", "resource"],
    ),
    "initial-too-many": (
        lambda: halving(initial_candidates=[{}] * 4),
        ["initial_candidates", "4", "n_candidates=3"],
    ),
    "sampler-unknown": (lambda: halving(sampler="sobol!"), ["sampler='sobol!'"]),
    "sampler-none": (lambda: halving(sampler=None), ["sampler=None"]),
    "sampler-without-tell": (
        lambda: halving(sampler=OnlyAsks()),
        ["sampler=", "OnlyAsks", "tell"],
    ),
    "sampler-class": (lambda: halving(sampler=Sampler), ["sampler=<class", "Sampler"]),
    "sampler-with-a-lock": (
        lambda: halving(sampler=Sampler(threading.Lock())),
        ["sampler=Sampler(<unlocked", "cannot be copied", "lock", "__deepcopy__"],
    ),
    "sampler-gives-no-list": (lambda: halving(sampler=Sampler(None)), ["sampler", "None"]),
    "sampler-gives-one-dict": (
        lambda: halving(sampler=Sampler({"quality": 0.25})),
        ["sampler", "{'quality': 0.25}", "list"],
    ),
    "sampler-gives-no-dicts": (lambda: halving(sampler=Sampler([0.125])), ["sampler", "0.125"]),
    "sampler-gives-too-many": (
        lambda: halving(sampler=Sampler(lambda n: [{"quality": 0.5}] * (n + 1))),
        ["sampler", "4", "3"],
    ),
    "sampler-gives-unknown-names": (
        lambda: halving(sampler=Sampler([{"flag": False}])),
        ["sampler", "'flag'", "param_distributions"],
    ),
    "sampler-gives-the-resource": (
        lambda: by_units(sampler=Sampler([{"n_units": 2}])),
        ["sampler", "'n_units'", "resource"],
    ),
    "sampler-gives-nothing": (lambda: halving(sampler=Sampler([])), ["sampler"]),
    # metrics
    "scoring-unknown": (lambda: halving(scoring="acuracy"), ["scoring", "'acuracy'"]),
    "scoring-number": (lambda: halving(scoring=1), ["scoring", "1"]),
    "scoring-empty-list": (lambda: halving(scoring=[], refit="x"), ["scoring", "[]"]),
    "scoring-twice": (
        lambda: halving(scoring=["accuracy", "accuracy"], refit="accuracy"),
        ["scoring", "['accuracy', 'accuracy']"],
    ),
    "scoring-unknown-of-several": (
        lambda: halving(scoring=["accuracy", "f11"], refit="accuracy"),
        ["scoring", "'f11'"],
    ),
    "several-and-no-rule": (
        lambda: halving(scoring=["accuracy", "f1"]),
        ["scoring", "['accuracy', 'f1']", "rank_by=None", "refit=True"],
    ),
    "several-and-a-callable": (
        lambda: halving(scoring=["accuracy", "roc_auc"], refit=len),
        ["scoring", "['accuracy', 'roc_auc']", "rank_by=None", "built-in function len"],
    ),
    "rank_by-unknown": (
        lambda: halving(scoring=["accuracy", "f1"], rank_by="recall"),
        ["rank_by='recall'", "['accuracy', 'f1']"],
    ),
    "rank_by-of-one": (lambda: halving(rank_by="recall"), ["rank_by='recall'", "scoring=None"]),
    "rank_by-number": (lambda: halving(rank_by=1), ["rank_by=1"]),
    "refit-unknown": (
        lambda: halving(scoring=["accuracy", "f1"], refit="precision"),
        ["refit='precision'", "['accuracy', 'f1']"],
    ),
    "refit-number": (lambda: halving(refit=2.5), ["refit", "2.5"]),
    "refit-none": (lambda: halving(refit=None), ["refit", "None"]),
    "error_score-word": (lambda: halving(error_score="foo"), ["error_score", "'foo'"]),
    "error_score-none": (lambda: halving(error_score=None), ["error_score", "None"]),
    "train_score-string": (
        lambda: halving(return_train_score="no"),
        ["'return_train_score'", "'no'"],
    ),
    # estimators
    "estimator-none": (
        lambda: published(SuccessiveHalvingSearchCV, None, QUALITY),
        ["estimator", "None"],
    ),
    "estimator-class": (
        lambda: published(SuccessiveHalvingSearchCV, Counting, QUALITY, n_candidates=3),
        ["estimator=Counting is a class", "Counting()"],
    ),
    "estimator-class-of-another": (
        lambda: halving(estimator=LogisticRegression),
        ["estimator=LogisticRegression is a class", "LogisticRegression()"],
    ),
    "estimator-without-fit": (
        lambda: halving(estimator=WithoutFit()),
        ["estimator", "WithoutFit"],
    ),
    "estimator-without-score": (
        lambda: halving(estimator=WithoutScore()),
        ["WithoutScore", "scor"],
    ),
    # splits
    "cv-1": (lambda: halving(cv=1), ["'cv' parameter", "Got 1 "]),
    "cv-0": (lambda: halving(cv=0), ["'cv' parameter", "Got 0 "]),
    "cv-negative": (lambda: halving(cv=-2), ["'cv' parameter", "Got -2 "]),
    "cv-string": (lambda: halving(cv="five"), ["'cv' parameter", "Got 'five' "]),
    "cv-float": (lambda: halving(cv=2.5), ["'cv' parameter", "Got 2.5 "]),
    "cv-empty": (lambda: halving(cv=[]), ["cv=[]"]),
    "cv-yields-fewer": (
        lambda: halving(cv=Miscounting(2, 3)),
        ["cv=Miscounting(2, 3)", "2", "3"],
    ),
    "cv-yields-more": (lambda: halving(cv=Miscounting(4, 2)), ["cv=Miscounting(4, 2)"]),
    "cv-yields-none": (lambda: halving(cv=Miscounting(0, 0)), ["cv=Miscounting(0, 0)"]),
    "cv-no-pairs": (lambda: halving(cv=[3, 4]), ["cv=[3, 4]"]),
    "cv-rows-that-are-not-there": (
        lambda: halving(cv=[(np.arange(50), np.arange(50, 61))]),
        ["cv", "60"],
    ),
    "cv-empty-training-part": (
        lambda: halving(cv=[(np.array([], int), np.arange(30))]),
        ["cv", "train"],
    ),
    "cv-empty-test-part": (
        lambda: halving(cv=[(np.arange(30), np.array([], int))]),
        ["cv", "test"],
    ),
    "cv-numbers-for-parts": (lambda: halving(cv=[(3, 4)]), ["cv=", "split 0", "slice"]),
    "cv-none-for-a-part": (
        lambda: halving(cv=[(np.arange(30), None)]),
        ["cv=", "test part of split 0", "slice"],
    ),
    "cv-floats-for-rows": (
        lambda: halving(cv=[(np.arange(30.0), np.arange(30, 60))]),
        ["cv=", "training part of split 0", "float64"],
    ),
    "cv-names-for-rows": (
        lambda: halving(cv=[(np.arange(30), np.array(["a", "b"]))]),
        ["cv=", "test part of split 0", "<U1"],
    ),
    "cv-matrix-for-rows": (
        lambda: halving(cv=[(np.arange(30).reshape(2, 15), np.arange(30, 60))]),
        ["cv=", "2 dimensions"],
    ),
    "cv-mask-of-other-data": (
        lambda: halving(cv=[(np.arange(59) < 30, np.arange(60) >= 30)]),
        ["cv=", "training part of split 0", "59", "60"],
    ),
    "cv-empty-slice": (
        lambda: halving(cv=[(slice(30), slice(30, 60)), (slice(60, None), slice(None))]),
        ["cv=<list of 2 splits>", "training part of split 1 is empty"],
    ),
    "cv-three-parts": (
        lambda: halving(cv=[(np.arange(20), np.arange(20, 40), np.arange(40, 60))]),
        ["cv=", "cannot split"],
    ),
    "cv-above-data": (lambda: halving(cv=61), ["61"]),
    "cv-without-groups": (lambda: halving(cv=GroupKFold(3)), ["groups"]),
    "cv-without-groups-left-out": (lambda: halving(cv=LeaveOneGroupOut()), ["groups", "None"]),
    # running
    "random_state-negative": (lambda: halving(random_state=-1), ["random_state=-1"]),
    "random_state-too-large": (lambda: halving(random_state=2**32), ["random_state=4294967296"]),
    "random_state-string": (lambda: halving(random_state="x"), ["random_state='x'"]),
    "random_state-float": (lambda: halving(random_state=0.5), ["random_state=0.5"]),
    "random_state-generator": (
        lambda: halving(random_state=np.random.default_rng(0)),
        ["random_state=Generator(PCG64)"],
    ),
    "n_jobs-0": (lambda: halving(n_jobs=0), ["n_jobs=0"]),
    "n_jobs-string": (lambda: halving(n_jobs="two"), ["n_jobs", "'two'"]),
    "n_jobs-float": (lambda: halving(n_jobs=1.5), ["n_jobs", "1.5"]),
    "verbose-string": (lambda: halving(verbose="x"), ["verbose", "'x'"]),
    "verbose-negative": (lambda: halving(verbose=-1), ["verbose", "-1"]),
    "pre_dispatch-float": (lambda: halving(pre_dispatch=1.5), ["pre_dispatch", "1.5"]),
    "pre_dispatch-0": (lambda: halving(pre_dispatch=0, n_jobs=2), ["pre_dispatch=0"]),
    "pre_dispatch-word": (
        lambda: halving(pre_dispatch="some", n_jobs=2),
        ["pre_dispatch='some'"],
    ),
    "pre_dispatch-word-alone": (
        lambda: halving(pre_dispatch="many"),
        ["pre_dispatch='many'"],
    ),
    "pre_dispatch-code": (
        lambda: halving(pre_dispatch="2*jobs", n_jobs=2),
        ["pre_dispatch='2*jobs'"],
    ),
    **{
        f"pre_dispatch-{text}": (
            lambda text=text: halving(pre_dispatch=text, n_jobs=2),
            [f"pre_dispatch={text!r}"],
        )
        for text in ("2*n_jobs)", "n_jobs*", "1.5.2", "2n_jobs", "n_jobs/0")
    },
}


def message_of(search, *args, **params):
    """Return what a wrong fit says; nothing must have been fitted."""
    Counting.n_fits = 0
    with pytest.raises((ValueError, TypeError)) as error:
        search.fit(*args, **params)
    assert Counting.n_fits == 0
    assert not hasattr(search, "cv_results_")
    assert not search.__sklearn_is_fitted__()
    return str(error.value)


@pytest.mark.parametrize(("make", "named"), CALLS.values(), ids=CALLS)
def test_wrong_parameter_is_named_before_any_fit(make, named):
    """A wrong argument of the search is a ValueError or TypeError that shows it."""
    message = message_of(make(), *data())

    for text in named:
        assert text in message


def without(search, *args):
    """Return the message with addresses taken out."""
    try:
        return re.sub(r" at 0x\w+", "", message_of(search, *args))
    except (AssertionError, IndexError, pytest.fail.Exception):
        return None  # The table's own test says what is wrong.


def test_messages_are_distinct():
    """Each wrong call has a message of its own."""
    messages = [m for m in (without(make(), *data()) for make, _ in CALLS.values()) if m]

    assert len(messages) >= 100
    assert len(set(messages)) == len(messages)


# --- data --------------------------------------------------------------------------

# What is wrong: the search, X, y and the parameters of fit, and what is named.
X, Y = data()
DATA = {
    "empty": (halving, np.empty((0, 2)), np.empty(0), {}, ["0 samples", "X"]),
    "empty-list": (halving, [], [], {}, ["0 samples", "X"]),
    "one-sample": (halving, X[:1], Y[:1], {}, ["1"]),
    "x-none": (halving, None, Y, {}, ["NoneType"]),
    "x-number": (halving, 5, Y, {}, ["scalar", "5"]),
    "y-none": (halving, X, None, {}, ["y", "None"]),
    "y-shorter": (halving, X, Y[:-1], {}, ["X", "y", "60", "59"]),
    "y-longer": (halving, X[:-2], Y, {}, ["X", "y", "58", "60"]),
    "rare-classes": (
        lambda: halving(cv=5),
        X[:8],
        Y[:8],
        {},
        ["n_splits=5", "members in each class"],
    ),
    "weights-shorter": (
        halving,
        X,
        Y,
        {"sample_weight": np.ones(N - 1)},
        ["sample_weight", "59", "60"],
    ),
    "weights-longer": (
        halving,
        X,
        Y,
        {"sample_weight": np.ones(N + 1)},
        ["sample_weight", "61", "60"],
    ),
    "groups-shorter": (
        lambda: halving(cv=GroupKFold(3)),
        X,
        Y,
        {"groups": np.arange(N - 1)},
        ["groups", "59", "60"],
    ),
    "few-groups": (
        lambda: halving(cv=GroupKFold(3)),
        X,
        Y,
        {"groups": np.arange(N) % 2},
        ["n_splits=3", "groups", "2"],
    ),
    "predefined-splits-of-other-data": (
        lambda: halving(cv=PredefinedSplit(np.arange(N + 6) % 3)),
        X,
        Y,
        {},
        ["cv", "60"],
    ),
    "nothing-left-for-the-range": (
        lambda: halving(max_resources=200),
        X,
        Y,
        {},
        ["max_resources=200", "60 samples"],
    ),
}


@pytest.mark.parametrize(("make", "x", "y", "params", "named"), DATA.values(), ids=DATA)
def test_wrong_data_are_named_before_any_fit(make, x, y, params, named):
    """Data that cannot be used are a ValueError or TypeError that says what is wrong."""
    message = message_of(make(), x, y, **params)

    for text in named:
        assert text in message


def test_class_with_fewer_members_than_splits_is_warned_of():
    """As in scikit-learn, one rare class is a warning with both numbers, and no error."""
    y = np.r_[np.zeros(N - 2, int), [1, 1]]

    with pytest.warns(UserWarning, match=r"only 2 members.*n_splits=3") as shown:
        halving().fit(X, y)

    assert len(shown) == 1


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_fit_parameter_that_the_estimator_does_not_take_is_named(error_score):
    """Without routing the estimator refuses it in every fit; the error says which."""
    Counting.n_fits = 0

    with pytest.raises((ValueError, TypeError), match="colour"):
        halving(error_score=error_score).fit(X, Y, colour="red")

    assert Counting.n_fits == 0


@pytest.mark.parametrize(
    "factor",
    [1.001, float(np.nextafter(1, 2)), Fraction(10**100 + 1, 10**100)],
    ids=["near", "next", "nearer-than-floats"],
)
@pytest.mark.parametrize("search", [halving, hyperband])
def test_any_factor_above_1_is_taken_where_the_rungs_are_few(search, factor):
    """A factor next to 1 is no error while its bounds leave room for a few rungs only."""
    fitted = search(factor=factor, n_candidates=3, min_resources="auto").fit(*data())

    assert fitted.plan_.factor == Fraction(str(factor))
    assert 1 < len(fitted.plan_.rungs) < 20


class WithoutRepr:
    """Has a repr that raises."""

    def __repr__(self):
        raise AssertionError("the repr was built")


class OneValue(WithoutRepr, list):
    """A list that cannot be shown."""


def test_values_that_can_be_used_are_not_shown():
    """The repr of what is searched is built for an error only."""
    search = halving(space={"quality": OneValue([0.5])}, n_candidates=1)

    search.plan(*data())

    assert search.fit(*data()).best_params_["quality"] == 0.5


@pytest.mark.parametrize(
    ("values", "problem"),
    [(WithoutRepr(), "must be a list"), (OneValue(), "is empty")],
    ids=["no-list", "empty"],
)
def test_values_whose_repr_raises_are_refused_by_name(values, problem):
    """The error names the parameter, its class and what to do, though nothing can be shown."""
    with pytest.raises((TypeError, ValueError), match=problem) as error:
        halving(space={"quality": values}).plan(*data())

    assert f"param_distributions['quality']=<{type(values).__name__}, whose repr" in str(
        error.value
    )


def test_values_with_an_enormous_repr_are_refused_in_few_words():
    """What is shown of values that cannot be used is cut."""
    with pytest.raises(TypeError, match="must be a list") as error:
        halving(space={"quality": {"x" * 10**6}}).plan(*data())

    assert len(str(error.value)) < 50_000


class Unshowable(WithoutRepr, Miscounting):
    """A splitter that counts well, and cannot be shown."""


def test_splitter_is_not_shown_where_it_splits_well():
    """The repr of a splitter that can be used may raise."""
    assert halving(cv=Unshowable(3, 3)).fit(*data()).n_splits_ == 3


# --- what only a result can tell ---------------------------------------------------

ODD_SCORES = {
    "string": "good",
    "none": None,
    "list": [0.5, 0.75],
    "dict-of-strings": {"a": "good"},
    "dict-of-none": {"a": None},
    "array": np.array([0.5, 0.75]),
    "complex": 1j,
}


@pytest.mark.parametrize("answer", ODD_SCORES.values(), ids=ODD_SCORES)
def test_odd_score_ends_the_search_after_one_evaluation(answer):
    """A scorer that gives no number is an error that shows what it gave."""
    Counting.n_fits = 0
    search = halving(scoring=lambda estimator, X, y: answer)
    shown = answer["a"] if isinstance(answer, dict) else answer

    with pytest.raises((ValueError, TypeError), match=r"scoring=") as error:
        search.fit(*data())

    assert Counting.n_fits == 1
    assert repr(shown) in str(error.value)


def test_empty_dict_of_scores_ends_the_search_after_one_evaluation():
    """A scorer that gives no score at all is an error that says so."""
    Counting.n_fits = 0
    search = halving(scoring=lambda estimator, X, y: {})

    with pytest.raises((ValueError, TypeError), match=r"scoring=.*\{\}"):
        search.fit(*data())

    assert Counting.n_fits == 1


@pytest.mark.parametrize(
    "options",
    [{"rank_by": "c"}, {"refit": "c", "rank_by": "a"}, {}],
    ids=["rank_by", "refit", "no"],
)
def test_rule_that_does_not_fit_a_dict_ends_the_search_after_one_evaluation(options):
    """That a callable's metrics need another rule is known once it was called."""
    Counting.n_fits = 0
    search = halving(scoring=lambda estimator, X, y: {"a": 0.5, "b": 0.25}, **options)

    with pytest.raises(ValueError, match=r"\['a', 'b'\]"):
        search.fit(*data())

    assert Counting.n_fits == 1


def test_plan_refuses_what_fit_refuses():
    """Before any fit, plan raises for the same parameters in the same words."""
    for name in ("factor-1", "min-above-max", "space-contains-resource", "max-above-data"):
        search = CALLS[name][0]()
        with pytest.raises((ValueError, TypeError)) as error:
            search.plan(*data())
        assert str(error.value) == message_of(search, *data())


def test_plan_refuses_a_class():
    """A class in place of an estimator is known before anything is computed."""
    with pytest.raises(TypeError, match=r"estimator=Counting is a class"):
        published(SuccessiveHalvingSearchCV, Counting, QUALITY).plan(*data())


# --- names of other searches' arguments --------------------------------------------

OTHER_NAMES = {
    "n_iter": (SuccessiveHalvingSearchCV, {"n_iter": 10}, ["n_iter", "n_candidates=10"]),
    "n_trials": (HyperbandSearchCV, {"n_trials": 10}, ["n_trials", "n_repeats"]),
    "max_iter": (HyperbandSearchCV, {"max_iter": 10}, ["max_iter", "as max_resources"]),
    "timeout": (HyperbandSearchCV, {"timeout": 10}, ["timeout", "as max_time"]),
    "optimization": (HyperbandSearchCV, {"search_optimization": "hyperopt"}, ["as sampler"]),
    "subsample": (HyperbandSearchCV, {"subsample": 0.5}, ["resource='n_samples'"]),
    "test_size": (HyperbandSearchCV, {"test_size": 0.1}, ["cv=ShuffleSplit"]),
    "study": (HyperbandSearchCV, {"study": None}, ["sampler", "journal"]),
    "n_iter-hyperband": (HyperbandSearchCV, {"n_iter": 9}, ["n_iter", "n_candidates=9", "widest"]),
    "param_grid": (
        SuccessiveHalvingSearchCV,
        {"param_grid": {"quality": [1]}},
        ["param_grid", "param_distributions", "n_candidates='all'"],
    ),
    "param_grid-hyperband": (
        HyperbandSearchCV,
        {"param_grid": {}},
        ["param_grid", "param_distributions", "SuccessiveHalvingSearchCV"],
    ),
    "fit_params": (HyperbandSearchCV, {"fit_params": {}}, ["fit_params", "fit(X, y"]),
    "aggressive": (
        HyperbandSearchCV,
        {"aggressive_elimination": True},
        ["aggressive_elimination", "SuccessiveHalvingSearchCV"],
    ),
    "n_brackets": (
        SuccessiveHalvingSearchCV,
        {"n_brackets": 2},
        ["n_brackets", "HyperbandSearchCV"],
    ),
    "misspelt": (
        SuccessiveHalvingSearchCV,
        {"n_candidate": 3},
        ["n_candidate", "mean 'n_candidates'"],
    ),
    "unknown": (SuccessiveHalvingSearchCV, {"colour": "red"}, ["unexpected", "colour"]),
}


@pytest.mark.parametrize(("search", "options", "named"), OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_argument_of_another_search_is_answered_with_ours(search, options, named):
    """An argument that the search has not is a TypeError that says what to use instead."""
    with pytest.raises(TypeError) as error:
        search(Counting(), **options)

    for text in named:
        assert text in str(error.value)


@pytest.mark.parametrize("search", [SuccessiveHalvingSearchCV, HyperbandSearchCV])
def test_signature_has_no_other_names(search):
    """What takes the other names away leaves the signature as it is written."""
    names = list(inspect.signature(search).parameters)

    assert names[:2] == ["estimator", "param_distributions"]
    assert sorted(names) == sorted(search._get_param_names())
    assert not {"n_iter", "param_grid", "args", "kwargs"} & set(names)


class Renamed(SuccessiveHalvingSearchCV):
    """A user's own search, with arguments of its own."""

    def __init__(self, estimator, param_grid, n_iter=3):
        super().__init__(estimator, param_grid, n_candidates=n_iter)
        self.param_grid = param_grid
        self.n_iter = n_iter


def test_subclass_may_have_such_an_argument():
    """A user's subclass names its arguments as it likes."""
    search = Renamed(Counting(), param_grid=QUALITY, n_iter=5)

    assert search.n_candidates == 5
    assert list(inspect.signature(Renamed).parameters) == ["estimator", "param_grid", "n_iter"]


@pytest.mark.parametrize("again", [clone, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
@pytest.mark.parametrize("make", [halving, hyperband], ids=["sh", "hb"])
def test_search_is_copied(make, again):
    """A clone, a copy and a pickled search have the same arguments."""
    search = make()

    params = again(search).get_params(deep=False)

    assert params.keys() == search.get_params(deep=False).keys()
    assert params["n_candidates"] == 3


# --- splits are not shown row by row -----------------------------------------------

ROWS = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
WITH_ROWS = {
    "rows-that-are-not-there": [*ROWS, (np.arange(40), np.arange(40, 62))],
    "empty-part": [*ROWS, (np.arange(40), [])],
    "lists": [*([list(train), list(test)] for train, test in ROWS), ([0], [])],
    "tuple": (*ROWS, (np.arange(40), None)),
    "fold-numbers": PredefinedSplit(np.arange(N + 40) % 3),
    "one-split-that-is-no-pair": [(np.arange(20),) * 3],
}


@pytest.mark.parametrize("cv", WITH_ROWS.values(), ids=WITH_ROWS)
def test_errors_about_splits_show_no_rows(cv):
    """A message names cv and the split, and is short however many rows there are."""
    message = message_of(halving(cv=cv), *data())

    assert message.startswith("cv=")
    assert not re.search(r"array|\d, *\d", message)
    assert len(message) < 160


@pytest.mark.parametrize(
    "options",
    [
        {"space": {"num_leaves": [3, 4], "num_iterations": [5, 6]}},
        {"space": [{"num_leaves": [3, 4]}, {"num_iterations": uniform()}]},
        {"space": {"num_leaves": [3, 4]}, "initial_candidates": [{"num_iterations": 5}]},
    ],
    ids=["list", "distribution", "initial"],
)
def test_resource_by_another_name_is_no_parameter_to_search(options):
    """A candidate that sets the resource under an alias would train the same on every rung."""
    estimator = pytest.importorskip("lightgbm").LGBMClassifier(verbose=-1)
    search = halving(
        estimator=estimator, resource="n_estimators", max_resources=9, n_candidates=2, **options
    )

    message = message_of(search, *data())

    assert "'num_iterations'" in message
    assert "'n_estimators'" in message
