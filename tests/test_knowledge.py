"""Samplers are told what a journal knows already."""

import contextlib
import copy
import dataclasses
import sqlite3

import numpy as np
import pytest
from scipy.stats import loguniform, randint
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import ParameterGrid
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._journal.database import Journal
from skhyperband._journal.entries import Entry
from skhyperband._journal.knowledge import known_levels
from skhyperband._samplers import SamplingProblem, make_sampler
from skhyperband._space import candidate_key

SPACE = {"max_depth": randint(1, 20), "min_samples_leaf": [1, 2, 5, 10], "ccp_alpha": range(2)}


class Listens:
    """A sampler that draws at random, and keeps the levels that it was told in `heard`."""

    heard = []  # noqa: RUF012

    def __init__(self, space, seed=0):
        self.random = make_sampler(
            "random", SamplingProblem([space], [], random_state=seed, seed=seed), whole_grid=False
        )

    def ask(self, n, *, repeat, bracket):
        """Draw at random."""
        return self.random.ask(n, repeat=repeat, bracket=bracket)

    def tell(self, level):
        """Keep what it is told before the search."""
        if level.repeat < 0:
            self.heard.append(level)


@pytest.fixture
def journal(tmp_path):
    """Return the path of a file that does not exist yet."""
    return str(tmp_path / "journal.sqlite")


@pytest.fixture
def heard():
    """Return the levels that samplers are told before their search."""
    Listens.heard = []
    return Listens.heard


def search_of(estimator, space, journal, *, seed=0, **options):
    options = {"n_repeats": 1, "cv": 3, "resource": "n_samples", **options}
    return HyperbandSearchCV(estimator, space, journal=journal, random_state=seed, **options)


def tree():
    return DecisionTreeClassifier(random_state=0)


def best_known(levels):
    """Return the scores of candidates by their parameters, at the highest level."""
    return {
        tuple(sorted(candidate.items())): score
        for level in levels
        for candidate, score in zip(level.candidates, level.mean_scores, strict=True)
    }


def test_a_sampler_is_told_what_the_journal_has(classification, journal, heard):
    """All candidates of an earlier search come with the scores that they had, lowest first."""
    X, y = classification
    first = search_of(tree(), SPACE, journal).fit(X, y)

    search_of(tree(), SPACE, journal, sampler=Listens(SPACE)).fit(X, y)

    sizes = [(level.n_resources, level.n_splits) for level in heard]
    assert sizes == sorted(sizes)
    known = best_known(heard)
    results = first.cv_results_
    assert known.keys() == {tuple(sorted(params.items())) for params in results["params"]}
    best = tuple(sorted(first.best_params_.items()))
    assert known[best] == pytest.approx(first.best_score_)
    assert all((np.array(level.candidate_ids) < 0).all() for level in heard)


def test_a_new_journal_knows_nothing(classification, journal, heard):
    """The first search in a file is told nothing before its own levels."""
    search_of(tree(), SPACE, journal, sampler=Listens(SPACE)).fit(*classification)

    assert heard == []


@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        pytest.param(
            DecisionTreeClassifier(random_state=1), {}, id="another seed of the estimator"
        ),
        pytest.param(tree(), {"scoring": "f1_macro"}, id="another metric"),
    ],
)
def test_other_evaluations_are_not_told(classification, journal, heard, estimator, options):
    """Scores of another estimator or metric would mislead."""
    search_of(tree(), SPACE, journal).fit(*classification)

    search_of(estimator, SPACE, journal, sampler=Listens(SPACE), **options).fit(*classification)

    assert heard == []


def test_candidates_outside_the_space_are_not_told(classification, journal, heard):
    """A search with other parameters knows nothing of candidates that it cannot draw."""
    other = {"max_depth": randint(1, 20)}
    search_of(tree(), SPACE, journal).fit(*classification)

    search_of(tree(), other, journal, sampler=Listens(other)).fit(*classification)

    assert heard == []


def test_values_of_lists_are_recognised(classification, journal, heard):
    """Values that a journal cannot hold are found in the space by how they are written."""
    space = {"estimator": [SVC(), SVC(C=2.0), GaussianNB()], "method": ["sigmoid", "isotonic"]}
    model = CalibratedClassifierCV(ensemble=False, cv=2)
    options = {"n_candidates": "all", "cv": 3, "random_state": 0, "journal": journal}
    SuccessiveHalvingSearchCV(model, space, **options).fit(*classification)

    search_of(model, space, journal, n_candidates=1, sampler=Listens(space)).fit(*classification)

    told = {candidate_key(candidate) for level in heard for candidate in level.candidates}
    assert told == {candidate_key(candidate) for candidate in ParameterGrid(space)}


class Kernel:
    """A kernel that is written with its address in memory, as functions are."""

    def __init__(self, gamma):
        self.gamma = gamma

    def __call__(self, X, Y):
        """Return similarities."""
        return rbf_kernel(X, Y, gamma=self.gamma)


def test_values_with_an_address_are_recognised(classification, journal, heard):
    """In another process a function has another address, and some are written alike."""
    kernels = [Kernel(0.01), Kernel(0.1), Kernel(1.0)]
    space = {"C": [0.1, 1.0], "kernel": [*kernels, "linear"]}
    options = {"n_candidates": "all", "cv": 3, "random_state": 0, "journal": journal}
    first = SuccessiveHalvingSearchCV(SVC(), space, **options).fit(*classification)
    space = copy.deepcopy(space)

    search_of(SVC(), space, journal, n_candidates=1, sampler=Listens(space)).fit(*classification)

    def described(candidate):
        return candidate["C"], getattr(candidate["kernel"], "gamma", "linear")

    highest = max((level.n_resources, level.n_splits) for level in heard)
    told = {
        described(candidate): score
        for level in heard
        if (level.n_resources, level.n_splits) == highest
        for candidate, score in zip(level.candidates, level.mean_scores, strict=True)
    }
    assert len({described(c) for level in heard for c in level.candidates}) == 8
    assert told[described(first.best_params_)] == pytest.approx(first.best_score_)


def test_what_is_told_does_not_depend_on_the_order_of_the_journal(tmp_path):
    """Workers finish in any order, and what a sampler draws next must not depend on it."""
    entries = {
        repr((x, split)).encode(): Entry(
            f'{{"x": {x}}}', 1, split, x + split / 10, None, 0.1, 0.1, 1, None, None, 1.0
        )
        for x in range(3)
        for split in range(2)
    }

    one, other = (
        known_levels(
            dict(ordered),
            space=[{"x": [0, 1, 2]}],
            n_splits=2,
            key_of=lambda task: repr((task.candidate["x"], task.split)).encode(),
            suffices=lambda entry: True,
            score=lambda outcome: outcome.test_scores,
        )
        for ordered in (entries.items(), reversed(entries.items()))
    )

    assert [level.candidates for level in one] == [level.candidates for level in other]
    assert [level.candidate_ids for level in one] == [level.candidate_ids for level in other]
    np.testing.assert_array_equal(one[0].split_scores, other[0].split_scores)


class OneAtATime:
    """A distribution whose quantiles are asked for one by one."""

    def rvs(self, random_state=None):
        """Draw one."""
        return self.ppf(random_state.uniform())

    def ppf(self, quantile):
        """Return an integer."""
        return int(20**quantile)

    def cdf(self, value):
        """Return the quantile of a number."""
        return np.log(value) / np.log(20)


def test_own_distributions_can_be_searched_with_a_journal(classification, journal, heard):
    """A distribution whose quantiles cannot be asked for as an array needs none here."""
    space = {"max_depth": OneAtATime()}
    search_of(tree(), space, journal).fit(*classification)

    search_of(tree(), space, journal, sampler=Listens(space)).fit(*classification)

    assert len(heard) > 0


class Powers:
    """A distribution whose `support` is no method."""

    support = (1, 64)

    def rvs(self, random_state=None):
        """Draw a power of two."""
        return int(2 ** random_state.randint(7))


def test_own_distributions_may_mean_something_else_by_their_support(
    classification, journal, heard
):
    """Their values are recognised by the keys of the evaluations."""
    space = {"max_depth": Powers()}
    search_of(tree(), space, journal).fit(*classification)

    search_of(tree(), space, journal, sampler=Listens(space)).fit(*classification)

    assert len(heard) > 0


def test_evaluations_that_are_replaced_are_told_from_the_beginning(classification, journal, heard):
    """They lack train scores, which samplers are not told; a resumed search is told the same."""
    search_of(tree(), SPACE, journal).fit(*classification)
    options = {"sampler": Listens(SPACE), "return_train_score": True}

    search_of(tree(), SPACE, journal, **options).fit(*classification)
    first = best_known(heard)
    heard.clear()
    search_of(tree(), SPACE, journal, **options).fit(*classification)

    assert best_known(heard) == first != {}


@pytest.fixture(scope="module", params=["model", "forest"])
def uninterrupted(request, classification, tmp_path_factory):
    """Give a search with each model of the scores that nothing interrupts."""
    space = {"C": loguniform(1e-4, 1e4), "tol": loguniform(1e-6, 1e-2)}
    journal = str(tmp_path_factory.mktemp("whole") / "journal.sqlite")
    options = {"sampler": request.param, "n_repeats": 2, "refit": False}
    return search_of(LogisticRegression(), space, journal, **options).fit(*classification)


@pytest.mark.parametrize("interrupted_at", [5, 12, 30])
def test_a_resumed_search_makes_the_same_choices(
    classification, journal, assert_same_results, uninterrupted, interrupted_at
):
    """What was measured before the interruption is not known earlier than it was the first time."""
    search = clone(uninterrupted).set_params(
        estimator=Interrupted(interrupted_at), journal=journal
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)
    n_before = Interrupted.n_fits
    Interrupted.n_fits = -(10**9)
    resumed = clone(search).fit(*classification)

    assert n_before >= interrupted_at
    assert resumed.n_replayed_ > 0
    assert_same_results(resumed.cv_results_, uninterrupted.cv_results_)


class Interrupted(LogisticRegression):
    """A model whose user presses Ctrl-C during one of its fits."""

    n_fits = 0

    def __init__(self, at=10, C=1.0, tol=1e-4):
        super().__init__(C=C, tol=tol)
        self.at = at

    def fit(self, X, y):
        """Fit, or be interrupted."""
        Interrupted.n_fits += 1
        if Interrupted.n_fits == self.at:
            raise KeyboardInterrupt
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def _counts_anew():
    Interrupted.n_fits = 0


def test_other_numbers_of_splits(classification, journal, heard):
    """What an earlier search measured on more splits than there are now is left out."""
    options = {"resource": "max_depth", "max_resources": 9, "min_splits": None}
    space = {"min_samples_leaf": [1, 2, 5, 10, 20, 50, 60, 70, 80]}
    search = search_of(tree(), space, journal, **options)
    search.set_params(cv=10, n_repeats=1, sampler="random").fit(*classification)

    again = search_of(tree(), space, journal, sampler=Listens(space), **options)
    again.set_params(cv=5).fit(*classification)

    assert heard == []


def test_replaced_evaluations_are_not_forgotten(tmp_path):
    """An evaluation that is made once more belongs to those that were known before."""
    entry = Entry("{}", 1, 0, 0.5, None, 0.1, 0.1, 1, None, None, 1.0)
    with Journal(str(tmp_path / "file"), {}) as journal:
        for key in (b"one", b"two"):
            journal.add(key, entry)
        before = journal.entries_before("a search")
        journal.add(b"one", dataclasses.replace(entry, train_scores=0.7))
        journal.add(b"three", entry)
        after = journal.entries_before("a search")
        other = journal.entries_before("another search")

    assert list(before) == list(after) == [b"one", b"two"]
    assert after[b"one"].train_scores == 0.7
    assert set(other) == {b"one", b"two", b"three"}


@pytest.mark.parametrize("number", ["many", "-1", "9" * 30, ""])
def test_a_damaged_number_of_rows(classification, journal, number):
    """A file in which something else stands for the number of known rows is refused."""
    search = search_of(tree(), SPACE, journal).fit(*classification)
    with contextlib.closing(sqlite3.connect(journal)) as connection, connection:
        changed = connection.execute(
            "UPDATE search SET value = ? WHERE name LIKE 'known to %'", (number,)
        )
        assert changed.rowcount == 1

    with pytest.raises(ValueError, match=r"is damaged \(a number of rows reads"):
        search.fit(*classification)


def test_a_search_is_led_by_an_earlier_one(classification, journal):
    """Successive halving, which asks once, chooses near what an earlier search found good."""
    X, y = classification
    space = {"C": loguniform(1e-6, 1e6)}
    options = {"resource": "max_iter", "cv": 3}
    search_of(LogisticRegression(), space, journal, n_repeats=3, **options).fit(X, y)
    options |= {"n_candidates": 20, "random_state": 5}

    alone = SuccessiveHalvingSearchCV(LogisticRegression(), space, sampler="model", **options)
    led = SuccessiveHalvingSearchCV(
        LogisticRegression(), space, sampler="model", journal=journal, **options
    )

    def first_scores(search):
        results = search.fit(X, y).cv_results_
        return results["mean_test_score"][results["iter"] == 0]

    assert first_scores(led).mean() > first_scores(alone).mean()
