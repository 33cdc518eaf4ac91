import contextlib
import json
import os
import shutil
import sqlite3
import warnings
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import sklearn
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV, read_journal
from skhyperband._journal.database import Journal, read_entries
from skhyperband._journal.replay import _is_repeatable
from skhyperband._records import FailedStep, Failure, Outcome
from tests.estimators import Deadly, Failing, Scored
from tests.published import published

SPACE = {"quality": np.linspace(0.05, 0.95, 9)}


@pytest.fixture
def path(tmp_path):
    """Give a path where nothing is yet."""
    return tmp_path / "search.sqlite"


def halving(estimator=None, space=SPACE, **options):
    common = {"resource": "n_units", "max_resources": 9, "cv": 3, "random_state": 0}
    common["n_candidates"] = "all" if space is SPACE else "exhaust"
    estimator = Scored() if estimator is None else estimator
    return published(SuccessiveHalvingSearchCV, estimator, space, **{**common, **options})


def forests(search_class=SuccessiveHalvingSearchCV, **options):
    common = {"resource": "n_estimators", "max_resources": 9, "cv": 3, "random_state": 0}
    estimator = ExtraTreesClassifier(max_depth=4, random_state=0)
    space = {"max_features": uniform(0.1, 0.9), "min_samples_leaf": [1, 2, 4, 8]}
    return published(search_class, estimator, space, **{**common, **options})


def n_rows(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM evaluation").fetchone()[0]


def without(results, *names):
    return {name: column for name, column in results.items() if name not in names}


def forget(path, share, seed=0):
    """Take some of the evaluations out of a journal, as if a search had ended before them."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = [row for (row,) in connection.execute("SELECT rowid FROM evaluation")]
        gone = np.random.default_rng(seed).permutation(rows)[: int(share * len(rows))]
        connection.executemany("DELETE FROM evaluation WHERE rowid = ?", [(int(r),) for r in gone])
        connection.commit()


# --- the same search again ---------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_finished_search_is_replayed_whole(path, search_class, n_jobs, classification):
    """Nothing is fitted but the refit; every number is that of the first, times too."""
    search = forests(search_class, journal=path, n_jobs=n_jobs)
    first = search.fit(*classification)
    n_first, results, rungs = first.n_replayed_, first.cv_results_, first.rungs_
    n_measured = n_rows(path)

    again = search.fit(*classification)

    assert n_first == 0
    assert again.n_replayed_ == n_measured == n_rows(path)
    np.testing.assert_equal(again.cv_results_, results)
    np.testing.assert_equal(again.rungs_.rungs, rungs.rungs)
    assert again.best_params_ == first.best_params_


TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


@pytest.fixture(scope="module", params=["bracket", "level"])
def promotion(request):
    """Give each way to promote."""
    return request.param


@pytest.fixture(scope="module", params=[1, 2])
def undisturbed(request, promotion, classification, tmp_path_factory):
    """Give a search with a journal, with one worker and with two, that has come to its end."""
    n_jobs = request.param
    path = tmp_path_factory.mktemp("undisturbed") / "search.sqlite"
    search = forests(HyperbandSearchCV, promotion=promotion, n_jobs=n_jobs)
    without_journal = without(search.fit(*classification).cv_results_, *TIMES)
    search.set_params(journal=path).fit(*classification)
    np.testing.assert_equal(without(search.cv_results_, *TIMES), without_journal)
    return search


@pytest.mark.parametrize("share", [0.1, 0.8])
def test_search_that_was_cut_short_ends_as_if_it_had_not_been(
    path, share, undisturbed, classification, assert_same_results
):
    """Whatever is missing, survivors that are fitted fresh give the same scores."""
    shutil.copy(undisturbed.journal, path)
    n_all = n_rows(path)
    forget(path, share)

    search = clone(undisturbed).set_params(journal=path).fit(*classification)

    assert search.n_replayed_ == n_all - int(share * n_all)
    assert_same_results(
        without(search.cv_results_, "n_resources_trained"),
        without(undisturbed.cv_results_, "n_resources_trained"),
    )


def test_replayed_rows_have_their_recorded_times(path, classification):
    """Of those that were measured anew the times are their own."""
    search = halving(journal=path).fit(*classification)
    times = search.cv_results_["mean_fit_time"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE evaluation SET fit_time = 1000.0 WHERE n_resources = 1")
        connection.execute("DELETE FROM evaluation WHERE n_resources > 1")
        connection.commit()

    search.fit(*classification)

    assert (search.cv_results_["mean_fit_time"][:9] == 1000).all()
    assert (search.cv_results_["mean_fit_time"][9:] < 100).all()
    assert (times < 100).all()
    assert search.rungs_.rungs[0].seconds >= 27_000


def test_each_evaluation_is_kept_before_its_candidate_is_promoted(path, classification):
    """A fit of the second rung finds all of the first in the file."""
    search = halving(Looking(journal=str(path)), journal=path).fit(*classification)

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert n_rows(path) == 27 + 9 + 3


class Looking(Scored):
    """Fails where it goes on and the rung below is not in the journal."""

    def __init__(self, quality=0.0, n_units=1, label=None, journal=None):
        super().__init__(quality, n_units, label)
        self.journal = journal

    def fit(self, X, y=None):
        """Look, and fit."""
        if self.n_units > 1 and len(X) == 160:
            below = [e for e in read_entries(self.journal) if e.n_resources < self.n_units]
            own = [e for e in below if json.loads(e.params)["quality"] == self.quality]
            assert len(below) == {3: 27, 9: 36}[self.n_units]
            assert len(own) >= 3
        return super().fit(X, y)


def test_interrupted_search_is_resumed(path, classification, assert_same_results):
    """What had finished before an exception is in the file."""

    class Sampler:
        calls = 0

        def ask(self, n, *, repeat, bracket):
            return [{"quality": q} for q in np.linspace(0.1, 0.9, n)] if n else []

        def tell(self, level):
            if Sampler.calls == 1:
                raise KeyboardInterrupt
            Sampler.calls += 1

    undisturbed = halving(sampler=Sampler(), n_candidates=9)
    Sampler.calls = 2
    undisturbed.fit(*classification)
    search = halving(sampler=Sampler(), n_candidates=9, journal=path)
    Sampler.calls = 0
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)
    n_interrupted = n_rows(path)
    Sampler.calls = 2
    search.fit(*classification)

    assert n_interrupted == search.n_replayed_ == 36
    assert_same_results(search.cv_results_, undisturbed.cv_results_)


def test_seed_that_was_drawn_is_kept(path, classification, assert_same_results):
    """random_state=None draws once a journal."""
    search = forests(random_state=None, journal=path)
    first = search.fit(*classification).cv_results_

    again = search.fit(*classification)

    assert again.n_replayed_ == n_rows(path)
    assert_same_results(again.cv_results_, first)


def test_seed_that_no_search_drew_is_an_error(path, classification):
    """The error names the journal and asks for an integer random_state, which works."""
    halving(journal=path, random_state=None).fit(*classification)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE search SET value = 'many' WHERE name = 'seed'")
        connection.commit()

    with pytest.raises(ValueError, match=r"journal=.* its seed reads 'many'.*random_state"):
        halving(journal=path, random_state=None).fit(*classification)
    search = halving(journal=path, random_state=1).fit(*classification)

    assert search.n_replayed_ > 0


def test_seed_that_is_given_goes_before_the_one_that_was_drawn(path, classification):
    """A number means what it means without a journal."""
    forests(random_state=None, journal=path).fit(*classification)
    given = forests(random_state=3, journal=path).fit(*classification)
    plain = forests(random_state=3).fit(*classification)

    assert given.cv_results_["params"] == plain.cv_results_["params"]


# --- another search of the same data -----------------------------------------------

WIDER = {
    "more candidates": (forests, {"n_candidates": 18}),
    "higher maximum": (forests, {"max_resources": 27}),
    "another factor": (forests, {"factor": 9}),
    "Hyperband": (lambda **options: forests(HyperbandSearchCV, **options), {}),
    "n_jobs and verbose": (
        lambda **options: forests(**options).set_params(
            estimator__n_jobs=2, n_jobs=2, estimator__verbose=0
        ),
        {},
    ),
    "without continuing": (forests, {"continue_training": False}),
    "metric by another way": (forests, {"scoring": make_scorer(accuracy_score)}),
}


@pytest.mark.parametrize(("make", "options"), WIDER.values(), ids=WIDER)
def test_other_search_reuses_all_that_it_can(
    path, make, options, classification, assert_same_results
):
    """What it takes from the journal is what it would have measured."""
    scoring = "accuracy" if "scoring" in options else None
    forests(journal=path, min_resources=1, scoring=scoring).fit(*classification)
    n_known = n_rows(path)
    options = {"min_resources": 1, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = make(**options).fit(*classification)
        search = make(journal=path, **options).fit(*classification)

    assert search.n_replayed_ > 0
    assert search.n_replayed_ == n_known or options.get("factor") == 9
    assert_same_results(
        without(search.cv_results_, "n_resources_trained"),
        without(plain.cv_results_, "n_resources_trained"),
    )


def double(X):
    return 2 * X


OTHER = {
    "seed": {"random_state": 1},
    "splits": {"cv": KFold(3, shuffle=True, random_state=1)},
    "scorer": {"scoring": "balanced_accuracy"},
    "scorers": {"scoring": {"a": "accuracy"}},
    "estimator's parameter": {
        "estimator": ExtraTreesClassifier(max_depth=4, random_state=0, criterion="entropy")
    },
    "estimator's seed": {"estimator": ExtraTreesClassifier(max_depth=4, random_state=1)},
}


@pytest.mark.parametrize("options", OTHER.values(), ids=OTHER)
def test_other_evaluations_are_not_found(path, options, classification, assert_same_results):
    """A search of something else is measured, and kept beside the first."""
    forests(journal=path).fit(*classification)
    n_known = n_rows(path)

    search = forests().set_params(**options)
    plain = search.fit(*classification).cv_results_
    search.set_params(journal=path).fit(*classification)

    assert search.n_replayed_ == 0
    assert n_rows(path) == 2 * n_known
    assert_same_results(search.cv_results_, plain)


def test_weights_are_part_of_the_key(path, classification, assert_same_results):
    """Evaluations with other fit parameters are other evaluations."""
    X, y = classification
    weights = np.linspace(0, 1, len(y))
    search = forests(journal=path).fit(X, y)

    weighted = search.fit(X, y, sample_weight=weights).n_replayed_
    weighted_again = search.fit(X, y, sample_weight=weights.copy()).n_replayed_
    other = search.fit(X, y, sample_weight=weights[::-1]).n_replayed_

    assert (weighted, other) == (0, 0)
    assert weighted_again == n_rows(path) / 3


def test_samples_are_known_by_their_rows(path, classification):
    """With samples as the resource, more candidates reuse the rungs of fewer."""
    common = {"cv": 3, "random_state": 0, "journal": path, "min_resources": 26}
    space = {"max_depth": range(1, 50)}
    tree = DecisionTreeClassifier(random_state=0)
    small = published(SuccessiveHalvingSearchCV, tree, space, n_candidates=9, **common).fit(
        *classification
    )
    n_known = n_rows(path)

    wide = published(SuccessiveHalvingSearchCV, tree, space, n_candidates=27, **common).fit(
        *classification
    )
    reseeded = wide.set_params(random_state=1, n_candidates=9).fit(*classification)

    assert small.n_replayed_ == 0
    assert n_known > 0
    assert reseeded.n_replayed_ < 9 * 3  # The full training part is the same for any seed.
    assert set(reseeded.cv_results_["n_resources"]) == {26, 80, 240}


def test_training_on_in_kind_only_is_another_computation(path, classification):
    """Evaluations with continue_training=True are not replayed for "auto", nor the reverse."""
    search = published(
        SuccessiveHalvingSearchCV,
        SGDClassifier(random_state=0, tol=None),
        {"alpha": loguniform(1e-5, 1)},
        resource="max_iter",
        max_resources=9,
        cv=3,
        random_state=0,
        journal=path,
    ).fit(*classification)
    fresh = search.cv_results_["mean_test_score"]

    trained_on = search.set_params(continue_training=True).fit(*classification)
    n_first = trained_on.n_replayed_
    scores = trained_on.cv_results_["mean_test_score"]
    again = trained_on.fit(*classification)

    assert n_first == 0
    assert again.n_replayed_ == n_rows(path) / 2
    np.testing.assert_equal(again.cv_results_["mean_test_score"], scores)
    assert fresh.shape == scores.shape


# --- failures ----------------------------------------------------------------------


def test_failures_are_replayed(path, classification, assert_same_results):
    """They are told as if they had happened again, with a note, and cost nothing."""
    search = halving(Failing(below=0.3), journal=path)
    with pytest.warns(FitFailedWarning, match=r"too low") as first:
        results = search.fit(*classification).cv_results_
    with pytest.warns(FitFailedWarning, match=r"too low") as again:
        search.fit(*classification)

    assert search.n_replayed_ == n_rows(path)
    assert_same_results(search.cv_results_, results)
    note = (
        "\n\n9 of these failures were read from the journal, and not tried again. To try them "
        "again when you have mended the cause, use a new file."
    )
    assert [str(w.message) for w in again] == [str(w.message) + note for w in first]
    assert search.rungs_.rungs[0].n_failures == 9


def test_what_is_to_be_raised_happens_again(path, classification):
    """With error_score="raise" the exception is the real one, of a new try."""
    with pytest.warns(FitFailedWarning):
        halving(Failing(below=0.3), journal=path).fit(*classification)
    search = halving(Failing(below=0.3), journal=path, error_score="raise")

    with pytest.raises(ArithmeticError, match="too low"):
        search.fit(*classification)
    mended = halving(Failing(below=0.3), journal=path, error_score="raise")
    Failing.fit, own = Scored.fit, Failing.fit
    try:
        mended.fit(*classification)
    finally:
        Failing.fit = own
    assert np.isfinite(mended.cv_results_["mean_test_score"]).all()
    assert mended.n_replayed_ > 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_replayed(path, value, classification):
    """SQLite has no NaN, the journal has."""
    search = halving(Odd(value=value), journal=path)
    with pytest.warns(UserWarning, match="not finite"):
        first = search.fit(*classification).cv_results_
    with pytest.warns(UserWarning, match="not finite"):
        search.fit(*classification)

    assert search.n_replayed_ == n_rows(path)
    np.testing.assert_equal(search.cv_results_, first)


class Odd(Scored):
    """Scores what it is told where the quality is low."""

    def __init__(self, quality=0.0, n_units=1, label=None, value=np.nan):
        super().__init__(quality, n_units, label)
        self.value = value

    def score(self, X, y=None):
        """Return it."""
        return self.value if self.quality < 0.5 else super().score(X, y)


def test_train_scores_that_are_missing_are_measured(path, classification):
    """A search without them leaves less than one with them asks for."""
    plain = halving(journal=path).fit(*classification)

    first = halving(journal=path, return_train_score=True).fit(*classification)
    n_first = first.n_replayed_
    again = halving(journal=path, return_train_score=True).fit(*classification)
    without_them = halving(journal=path).fit(*classification)

    assert (plain.n_replayed_, n_first) == (0, 0)
    assert again.n_replayed_ == without_them.n_replayed_ == n_rows(path) == 39
    np.testing.assert_equal(
        again.cv_results_["mean_train_score"], first.cv_results_["mean_train_score"]
    )


class Refusing(Scored):
    """Refuses a large quality when it is set."""

    def set_params(self, **params):
        """Raise, or set."""
        if params.get("quality", 0) > 0.9:
            raise ArithmeticError("too large")
        return super().set_params(**params)


def test_candidate_that_the_estimator_refuses_is_a_failure_with_a_journal_too(
    path, classification, assert_same_results
):
    """It has no key, and is tried again when the search is resumed."""
    with pytest.warns(FitFailedWarning, match="too large"):
        plain = halving(Refusing()).fit(*classification)
    with pytest.warns(FitFailedWarning, match="too large"):
        first = halving(Refusing(), journal=path).fit(*classification)
    with pytest.warns(FitFailedWarning, match="too large"):
        again = halving(Refusing(), journal=path).fit(*classification)

    assert_same_results(first.cv_results_, plain.cv_results_)
    assert_same_results(again.cv_results_, plain.cv_results_)
    assert again.n_replayed_ == n_rows(path) > 0


def several(estimator, X, y):
    return {"a": estimator.score(X, y), "b": 1.0}


def pairs_of_scores(estimator, X, y):
    return {(1, "loss"): 0.5, 2: estimator.score(X, y)}


def test_metrics_with_any_names_are_replayed(path, classification, assert_same_results):
    """What a scorer calls them is in the columns, and in the file, as a text."""
    options = {"scoring": pairs_of_scores, "rank_by": "2", "refit": False, "journal": path}
    first = halving(**options).fit(*classification)
    again = halving(**options).fit(*classification)

    assert again.n_replayed_ == n_rows(path)
    assert "mean_test_(1, 'loss')" in first.cv_results_
    assert_same_results(again.cv_results_, first.cv_results_)


@pytest.mark.parametrize("scoring", [several, ["accuracy", "recall"]], ids=["callable", "list"])
def test_several_metrics_are_replayed(path, scoring, classification):
    """Each has its column again."""
    rank_by = "a" if callable(scoring) else "recall"
    search = halving(journal=path, scoring=scoring, rank_by=rank_by)
    first = search.fit(*classification).cv_results_

    search.fit(*classification)

    assert search.n_replayed_ == n_rows(path)
    np.testing.assert_equal(search.cv_results_, first)


@pytest.mark.parametrize("scores", ['{"evil": 1.0}', "0.5", "null"])
def test_scores_of_other_metrics_are_not_taken(path, scores, classification):
    """A row that does not say what was asked for is measured again."""
    search = halving(journal=path, scoring=["accuracy", "recall"], rank_by="recall")
    first = search.fit(*classification).cv_results_
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE evaluation SET test_scores = ?", (scores,))
        connection.commit()

    search.fit(*classification)

    assert search.n_replayed_ == 0
    np.testing.assert_equal(search.cv_results_["mean_test_recall"], first["mean_test_recall"])


def test_row_that_the_search_did_not_look_up_is_not_reported(path, classification):
    """The sampler chooses the candidates; the journal only has their known evaluations."""
    search = halving(journal=path).fit(*classification)
    first = search.cv_results_
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            """INSERT INTO evaluation SELECT x'00', '{"quality": 99.0}', n_resources, split,
            '99.0', train_scores, fit_time, score_time, n_trained, failed_step, failure, finished
            FROM evaluation LIMIT 1"""
        )
        connection.execute("""UPDATE evaluation SET params = '{"quality": 98.0}'""")
        connection.commit()

    search.fit(*classification)

    np.testing.assert_equal(search.cv_results_, first)


# --- what is refused before anything is fitted -------------------------------------


class Unfitted(ClassifierMixin, BaseEstimator):
    """Must not be fitted."""

    def __init__(self, func=None, n_units=1):
        self.func = func
        self.n_units = n_units

    def fit(self, X, y):
        """Fail the test."""
        pytest.fail("it was fitted")


def nameless():
    return lambda X: X


NAMELESS = {
    "estimator": (
        lambda: halving(Unfitted(func=nameless()), {"func": [None]}, n_candidates=1),
        r"estimator.*func.*no stable digest.*lambda",
    ),
    "step": (
        lambda: published(
            SuccessiveHalvingSearchCV,
            make_pipeline(FunctionTransformer(nameless()), KNeighborsClassifier()),
            {"kneighborsclassifier__n_neighbors": range(1, 9)},
        ),
        r"estimator.*functiontransformer.*func.*no stable digest.*lambda",
    ),
    "list of values": (
        lambda: halving(Unfitted(), {"func": [None, double, nameless()]}, n_candidates=3),
        r"param_distributions\['func'\].*no stable digest.*lambda",
    ),
    "candidate": (
        lambda: halving(
            Unfitted(), {"func": [None]}, n_candidates=1, initial_candidates=[{"func": nameless()}]
        ),
        r"initial_candidates.*func.*no stable digest.*lambda",
    ),
    "scorer": (
        lambda: halving(Unfitted(), {"func": [None]}, scoring=nameless()),
        r"scoring.*lambda",
    ),
    "own function": (
        lambda: halving(Unfitted(), {"func": [None]}, continue_training=nameless()),
        r"continue_training.*lambda",
    ),
    "fit parameter": (None, r"sample_weight.*no state to read"),
}


@pytest.mark.parametrize(("make", "message"), NAMELESS.values(), ids=NAMELESS)
def test_what_has_no_stable_digest_is_named(path, make, message, classification):
    """Before anything is fitted, the error says which parameter it is."""
    params = {}
    if make is None:
        make, params = (lambda: halving(Unfitted(), {"func": [None]})), {"sample_weight": Lock()}
    search = make().set_params(journal=path)

    with pytest.raises(TypeError, match=message):
        search.fit(*classification, **params)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [(5, TypeError, "journal=5"), (b"x", TypeError, "path"), ("", ValueError, "names no file")],
)
def test_journal_must_be_a_path(search_class, value, error, message, classification):
    """Other values are refused at once."""
    with pytest.raises(error, match=message):
        forests(search_class, journal=value).fit(*classification)
    with pytest.raises(error, match=message):
        forests(search_class, journal=value).plan(*classification)


def test_resource_beyond_the_numbers_of_a_file_is_refused(path, classification):
    """Before anything is fitted, not when it is to be written."""
    search = halving(
        Unfitted(),
        {"func": [None]},
        n_candidates=1,
        max_resources=2**70,
        min_resources=2**70,
        journal=path,
    )

    with pytest.raises(
        ValueError, match=f"max_resources={2**70} exceeds {2**63 - 1}, the largest"
    ):
        search.fit(*classification)


@pytest.mark.parametrize("what", ["X", "y", "type of X", "estimator"])
def test_journal_of_something_else_is_refused(path, what, classification):
    """Nothing is fitted, and nothing of the first search is lost."""
    X, y = classification
    forests(journal=path).fit(X, y)
    n_known = n_rows(path)
    other = forests(journal=path)
    if what == "X":
        X = np.where(np.arange(X.size).reshape(X.shape) == 7, 0.0, X)
    elif what == "y":
        y = 1 - y
    elif what == "type of X":
        X = pytest.importorskip("pandas").DataFrame(X)
    else:
        other = published(
            SuccessiveHalvingSearchCV,
            KNeighborsClassifier(),
            {"n_neighbors": [1, 2]},
            n_candidates=2,
            journal=path,
        )
    with pytest.raises(
        ValueError, match=f"another {what.removeprefix('type of ')}: .*its own file"
    ):
        other.fit(X, y)

    assert n_rows(path) == n_known


def test_disk_that_fills_up_keeps_what_was_measured(path, classification, monkeypatch):
    """The error goes to the caller; the search holds what was whole."""
    add = Journal.add
    added = []

    def limited(journal, key, entry):
        if len(added) == 30:
            journal._open.execute("PRAGMA max_page_count = 1")
            entry = replace(entry, params="x" * 2**20)
        added.append(key)
        add(journal, key, entry)

    monkeypatch.setattr(Journal, "add", limited)
    search = halving(journal=path)
    with pytest.raises(OSError, match="make room"):
        search.fit(*classification)

    assert search.stop_reason_ == "interrupted"
    assert len(search.cv_results_["params"]) == 9 + 3  # The second level has one split.
    assert n_rows(path) == 30


def test_start_that_is_refused_binds_no_other(path, classification):
    """The file is made by the first search that has nothing to be refused for."""
    X, y = classification
    with pytest.raises(TypeError, match="lambda"):
        forests(journal=path, scoring=lambda estimator, X, y: 0.5).fit(X[:60], y[:60])

    search = forests(journal=path).fit(X, y)

    assert search.n_replayed_ == 0


def test_journal_of_a_search_that_failed_wholly_takes_mended_data(path, classification):
    """What failed left no evaluation, and the user mends X."""
    X, y = classification
    broken = X.copy()
    broken[::7] = np.nan
    search = published(
        SuccessiveHalvingSearchCV,
        SGDClassifier(random_state=0),
        {"alpha": [0.1, 0.01]},
        n_candidates="all",
        resource="n_samples",
        min_resources=120,
        journal=path,
        random_state=0,
    )
    with pytest.raises(ValueError, match="NaN"):
        search.fit(broken, y)
    assert n_rows(path) == 0

    search.fit(X, y)

    assert n_rows(path) > 0
    with pytest.raises(ValueError, match="it is of another X"):
        search.fit(X[::-1].copy(), y)


def test_memory_map_goes_on_with_the_journal_of_an_array(path, classification, tmp_path):
    """It has the same rows."""
    X, y = classification
    first = forests(journal=path).fit(X, y)
    np.save(tmp_path / "X.npy", X)

    again = forests(journal=path).fit(np.load(tmp_path / "X.npy", mmap_mode="r"), y)

    assert again.n_replayed_ == len(first.cv_results_["params"]) * 3


class FailingOnTrainingParts:
    """A scorer that fails for one candidate on the rows that it was fitted on."""

    def __call__(self, estimator, X, y):
        """Raise, or return the quality."""
        if len(X) == estimator.n_fitted_ and estimator.quality > 0.9:
            raise ArithmeticError("no score")
        return estimator.quality


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
def test_failed_score_of_the_training_part_is_replayed(path, classification):
    """It is a failure as others are."""
    options = {"scoring": FailingOnTrainingParts(), "return_train_score": True}
    halving(journal=path, **options).fit(*classification)
    rows = n_rows(path)

    again = halving(journal=path, **options).fit(*classification)

    assert again.n_replayed_ == rows
    trained = again.cv_results_["mean_train_score"]
    assert 0 < np.isnan(trained).sum() < len(trained)


@pytest.mark.parametrize("cv", [KFold(3, shuffle=True), ShuffleSplit(3)], ids=["KFold", "Shuffle"])
def test_splits_that_cannot_be_repeated_are_warned_of(path, cv, classification):
    """A warning says that no evaluation would be found in the journal again."""
    with pytest.warns(
        UserWarning, match=r"generates other splits each time.*random_state"
    ) as caught:
        forests(journal=path, cv=cv).fit(*classification)

    assert caught[0].filename == __file__


# --- what changes between two searches ---------------------------------------------


class Picking(BaseEstimator):
    """Needs a frame."""

    def fit(self, X, y=None):
        """Look at the columns."""
        X.columns  # noqa: B018
        return self

    def transform(self, X):
        """Return the numbers."""
        return X.to_numpy()


def test_configuration_is_part_of_the_key(path, classification):
    """What failed under another one is tried again."""
    pandas = pytest.importorskip("pandas")
    X, y = pandas.DataFrame(classification[0]).add_prefix("x"), classification[1]
    pipeline = make_pipeline(StandardScaler(), Picking(), KNeighborsClassifier())
    space = {"kneighborsclassifier__n_neighbors": [1, 3, 5]}
    search = published(
        SuccessiveHalvingSearchCV, pipeline, space, n_candidates="all", cv=3, journal=path
    )
    with pytest.raises(ValueError, match="finite"):
        search.fit(X, y)

    with sklearn.config_context(transform_output="pandas"):
        search.fit(X, y)

    assert search.n_replayed_ == 0
    assert search.best_score_ > 0.5


def test_dead_workers_are_tried_again(path, tmp_path, classification, assert_same_results):
    """They may have had too little memory; where they die again, the result is the same."""
    marks = tmp_path / "marks"
    marks.mkdir()
    deadly = Deadly(marks=str(marks), below=0.1, parent=os.getpid())
    search = halving(deadly, journal=path, n_jobs=2, cv=ShuffleSplit(1, random_state=0))
    with pytest.warns(FitFailedWarning, match="worker process ended"):
        first = search.fit(*classification).cv_results_
    n_known = n_rows(path)
    n_deaths = (marks / "0.050000").stat().st_size
    with pytest.warns(FitFailedWarning, match="worker process ended"):
        again = search.fit(*classification)

    assert n_known == 13 - 1
    assert again.n_replayed_ == n_known
    assert (marks / "0.050000").stat().st_size > n_deaths
    assert_same_results(again.cv_results_, first)


def test_what_is_known_takes_no_time(path, classification):
    """After max_time the journal still answers; nothing is begun."""
    forests(journal=path).fit(*classification)
    search = forests(journal=path, max_time=1e-9).fit(*classification)
    n_known = n_rows(path)
    forget(path, 0.03)
    cut = forests(journal=path, max_time=1e-9)
    with warnings.catch_warnings(), contextlib.suppress(TimeoutError):
        warnings.filterwarnings("ignore", "No candidate has a score")
        cut.fit(*classification)

    assert search.stop_reason_ == "completed"
    assert search.n_replayed_ == n_known
    assert n_rows(path) == n_known - 1


def test_resumed_search_may_train_on_all_the_same(path, classification):
    """That its survivors were fitted fresh says nothing of the estimator."""
    search = published(
        SuccessiveHalvingSearchCV,
        SGDClassifier(random_state=0, tol=None),
        {"alpha": loguniform(1e-5, 1)},
        resource="max_iter",
        max_resources=9,
        cv=3,
        continue_training=True,
        random_state=0,
        journal=path,
    ).fit(*classification)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM evaluation WHERE n_resources = 9")
        connection.commit()

    search.fit(*classification)  # A warning would be an error.

    assert search.n_replayed_ > 0


def test_any_value_can_be_kept(path, classification):
    """What the file says of a candidate is for readers, and fails nothing."""
    odd = [
        {np.int64(0): 1.0, np.int64(1): 2.0},
        {(0, 1): 1},
        np.longdouble(1) / 3,
        "x" * 2_000_000,
        "\udcff",
        float("nan"),
        None,
    ]
    search = halving(Scored(), {"label": odd}, n_candidates=7, journal=path).fit(*classification)
    again = search.fit(*classification)

    assert again.n_replayed_ == n_rows(path) > 20
    assert len(read_entries(str(path))) == n_rows(path)


# --- for those who look ------------------------------------------------------------


def replayed_by_level(printed):
    """Return the numbers in the column "from journal"."""
    headings, *lines = printed.splitlines()
    end = headings.index("from journal") + len("from journal")
    return [int(line[:end].split()[-1]) for line in lines]


def test_verbose_says_how_much_is_known(path, classification, capsys):
    """A line for each level has the number of evaluations from the journal."""
    search = halving(journal=path, verbose=1).fit(*classification)
    first = capsys.readouterr().out
    search.fit(*classification)
    second = capsys.readouterr().out

    assert replayed_by_level(first) == [0, 0, 0]
    assert replayed_by_level(second) == [27, 9, 3]


def test_frame_has_a_row_for_each_evaluation(path, classification):
    """With the columns of cv_results_, one split a row."""
    pytest.importorskip("pandas")
    estimator = make_pipeline(StandardScaler(), KNeighborsClassifier())
    space = {
        "kneighborsclassifier__n_neighbors": [1, 3, 5],
        "kneighborsclassifier__weights": ["uniform", "distance"],
        "standardscaler": ["passthrough", StandardScaler()],
    }
    search = published(
        SuccessiveHalvingSearchCV,
        estimator,
        space,
        n_candidates=9,
        cv=3,
        random_state=0,
        journal=path,
        verbose=0,
    ).fit(*classification)
    frame = read_journal(path)

    assert len(frame) == (search.cv_results_["n_splits"]).sum()
    assert set(frame["param_kneighborsclassifier__n_neighbors"]) <= {1, 3, 5}
    assert set(frame["param_standardscaler"]) <= {"passthrough", "StandardScaler()"}
    assert frame["finished"].is_monotonic_increasing
    assert frame["finished"].dt.year.min() >= 2024
    assert frame["test_score"].between(0, 1).all()
    assert frame["failure"].isna().all()
    top = frame[frame.n_resources == 240].groupby("split").test_score.max()
    assert top.mean() >= search.best_score_ - 1e-12


class Wordless:
    """Has no repr."""

    def __repr__(self):
        raise RuntimeError("no words")


SHOWN = {
    "beyond 64 bits": (2**64, str(2**64)),
    "beyond floats": (10**400, str(10**400)),
    "beyond digits": (10**5000, "<int, whose repr raises ValueError>"),
    "no repr": (Wordless(), "<Wordless, whose repr raises RuntimeError>"),
    "long": ("x" * 2000, "x" * 500 + " [... 1000 characters cut ...] " + "x" * 500),
    "half a character": ("a\udcff", "a\udcff"),
    "nested": ({"a": [1]}, "{'a': [1]}"),
    "NaN": (float("nan"), None),
}


@pytest.mark.parametrize(("value", "shown"), SHOWN.values(), ids=SHOWN)
def test_any_value_is_shown_in_the_frame(path, value, shown, classification):
    """As the number or text that it is, or as a repr of a length to read."""
    pytest.importorskip("pandas")

    class Drawing:
        """Gives one value; what is in a list is shown elsewhere, too."""

        def rvs(self, random_state=None):
            """Give it."""
            return value

    search = halving(Scored(), {"quality": [0.5], "label": Drawing()}, n_candidates=2)
    search.set_params(journal=path, refit=False).fit(*classification)
    frame = read_journal(path)

    assert len(frame) == n_rows(path) > 0
    if shown is None:
        assert frame["param_label"].isna().all()
    else:
        assert set(frame["param_label"]) == {shown}


def test_frame_of_an_empty_journal_is_empty(path):
    """A search that has just begun has no rows yet."""
    pytest.importorskip("pandas")
    with Journal(os.fspath(path), {}):
        frame = read_journal(path)

    assert len(frame) == 0
    assert {"n_resources", "split", "finished"} <= set(frame.columns)


def test_file_that_is_no_journal_is_no_frame(tmp_path):
    """The error names the file."""
    Path(tmp_path, "x").write_text("nothing")

    with pytest.raises(ValueError, match=r"x' cannot be read"):
        read_journal(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="no journal"):
        read_journal(tmp_path / "y")


# --- failures ----------------------------------------------------------------------


class Mended(Scored):
    """Raises the exception until it is mended, if the quality is below a limit."""

    broken = True
    error: type[Exception] = ArithmeticError

    def __init__(self, quality=0.0, n_units=1, label=None, below=2.0):
        super().__init__(quality, n_units, label)
        self.below = below

    def fit(self, X, y=None):
        """Raise, or fit."""
        if self.broken and self.quality < self.below:
            raise self.error("oh")
        return super().fit(X, y)


def test_search_that_failed_wholly_is_made_again(path, classification, monkeypatch):
    """What is wrong can be mended without a new file."""
    search = halving(Mended(), journal=path)
    with pytest.raises(ValueError, match="oh"):
        search.fit(*classification)
    assert n_rows(path) == 0

    monkeypatch.setattr(Mended, "broken", False)
    search.fit(*classification)

    assert search.n_replayed_ == 0
    assert search.rungs_.rungs[0].n_failures == 0


def test_search_that_failed_wholly_is_made_again_beside_another_one(
    path, classification, monkeypatch
):
    """What another search has left in the file does not matter."""
    halving(Mended(below=0.0), journal=path).fit(*classification)
    n_before = n_rows(path)
    search = halving(Mended(), journal=path)
    with pytest.raises(ValueError, match="oh"):
        search.fit(*classification)
    assert n_rows(path) == n_before > 0

    monkeypatch.setattr(Mended, "broken", False)

    assert search.fit(*classification).rungs_.rungs[0].n_failures == 0


def test_failures_are_written_when_an_evaluation_was_replayed(path, classification):
    """All that succeeds may be known already; failures that are new are kept then, too."""
    search = halving(Failing(below=0.3), journal=path)
    with pytest.warns(FitFailedWarning, match="too low"):
        search.fit(*classification)
    n_written = n_rows(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM evaluation WHERE failure IS NOT NULL")
        connection.commit()
    n_succeeded = n_rows(path)

    with pytest.warns(FitFailedWarning, match="too low"):
        search.fit(*classification)

    assert search.n_replayed_ == n_succeeded < n_written
    assert n_rows(path) == n_written


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        pytest.param("MemoryError: oh", False, id="exception"),
        pytest.param("numpy._core._exceptions._ArrayMemoryError: oh", False, id="of numpy"),
        pytest.param("torch.OutOfMemoryError: oh", False, id="of torch"),
        pytest.param("FileNotFoundError: oh", False, id="kind of OSError"),
        pytest.param("ValueError: oh", True, id="other"),
        pytest.param("open: no such section", True, id="name of a function"),
    ],
)
def test_failures_are_kept_by_their_exception(text, is_kept):
    """A traceback ends with the name of the exception, or with anything else."""
    traceback = f'Traceback (most recent call last):\n  File "a.py", line 1, in b\n{text}'
    outcome = Outcome(None, None, 0.0, 0.0, Failure(FailedStep.FIT, traceback))

    assert _is_repeatable(outcome) == is_kept


@pytest.mark.parametrize("error", [MemoryError, OSError, ModuleNotFoundError])
def test_failures_of_the_machine_are_tried_again(path, classification, monkeypatch, error):
    """There may be more memory now, or the file or the module that was missing."""
    monkeypatch.setattr(Mended, "error", error)
    search = halving(Mended(below=0.5), journal=path)
    with pytest.warns(FitFailedWarning, match=error.__name__):
        search.fit(*classification)

    monkeypatch.setattr(Mended, "broken", False)
    search.fit(*classification)

    assert search.n_replayed_ > 0
    assert search.rungs_.rungs[0].n_failures == 0
