import threading
import warnings
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import (
    ConvergenceWarning,
    FitFailedWarning,
    InconsistentVersionWarning,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import make_scorer, precision_score
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.parallel import Parallel, delayed

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.estimators import Failing, Scored
from tests.published import published

ENGINES = [("sequential", 1), ("threading", 2), ("loky", 2)]


class Warning1(UserWarning):
    """One kind."""


class Talking(ClassifierMixin, BaseEstimator):
    """Costs nothing, and says or raises what the test wants to hear.

    `says` is what it warns of, `below` up to which quality; `converges` the number
    of iterations from which it no longer complains.
    """

    def __init__(
        self,
        quality=0.0,
        max_iter=1,
        says=None,
        raises=None,
        below=2.0,
        converges=None,
        thread=False,
    ):
        self.quality = quality
        self.max_iter = max_iter
        self.says = says
        self.raises = raises
        self.below = below
        self.converges = converges
        self.thread = thread

    def fit(self, X, y):
        """Warn, raise, or fit."""
        self.classes_ = np.unique(y)
        if self.converges is not None and self.max_iter < self.converges:
            warnings.warn(f"stopped after {self.max_iter}", ConvergenceWarning, stacklevel=1)
        if self.thread:
            helper = threading.Thread(target=self.speak)
            helper.start()
            helper.join()
        else:
            self.speak()
        return self

    def speak(self):
        """Warn or raise, for low qualities."""
        if self.says is not None and self.quality < self.below:
            warnings.warn(f"quality {self.quality}", self.says, stacklevel=1)
        if self.raises is not None and self.quality < self.below:
            if self.quality < self.below / 2:
                raise ArithmeticError(f"first kind, {self.quality}")
            raise LookupError(f"second kind, {self.quality}")

    def predict(self, X):
        """Predict the first class."""
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        """Give the quality."""
        return self.quality


QUALITIES = {"quality": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]}


def search_of(estimator, engine=("sequential", 1), **options):
    """Return a search whose three rungs have 9, 3 and 1 candidates on two splits."""
    options = {"resource": "max_iter", "max_resources": 9, "refit": False, **options}
    return published(
        SuccessiveHalvingSearchCV,
        estimator,
        QUALITIES,
        n_candidates="all",
        cv=2,
        random_state=0,
        n_jobs=engine[1],
        **options,
    )


def fit(search, data, engine=("sequential", 1)):
    """Fit under an engine."""
    with joblib.parallel_config(backend=engine[0]):
        return search.fit(*data)


@contextmanager
def recording(*filters):
    """Record warnings under these filters, the first being the last that counts."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        for action, category in reversed(filters or [("always", Warning)]):
            warnings.simplefilter(action, category)
        yield shown


def said(shown, category=Warning):
    """Return the texts of a category."""
    return [str(w.message) for w in shown if issubclass(w.category, category)]


# --- failures ----------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_failures_are_summed_up_in_one_warning(classification, engine):
    """One FitFailedWarning counts all, and shows the first traceback of each kind."""
    search = search_of(Talking(raises="yes", below=0.65), engine)

    with recording() as shown:
        fit(search, classification, engine)

    (text,) = said(shown)
    assert shown[0].category is FitFailedWarning
    summary, first, second = text.split("\n\n")
    assert summary.startswith("12 of 26 evaluations failed; their scores are set to nan.")
    assert first.startswith("6 times, first with ")
    assert "0.1" in first.splitlines()[0]
    assert first.endswith("ArithmeticError: first kind, 0.1")
    assert second.startswith("6 times, first with ")
    assert "0.4" in second.splitlines()[0]
    assert second.endswith("LookupError: second kind, 0.4")
    assert text.count("Traceback") == 2


def test_failure_warning_is_the_same_from_every_engine(classification):
    """What the user reads does not depend on where the fits ran."""
    texts = set()
    for engine in ENGINES:
        with recording() as shown:
            fit(search_of(Talking(raises="yes", below=0.65), engine), classification, engine)
        texts.add(tuple(said(shown)))

    assert len(texts) == 1


def test_failure_warning_points_to_the_callers_line(classification):
    """The warning is shown as of the line that called fit."""
    with recording() as shown:
        search_of(Talking(raises="yes", below=0.65)).fit(*classification)

    assert shown[0].filename == __file__


def test_bracket_that_failed_wholly_is_in_the_same_warning(classification):
    """A bracket that ended, and why, are one warning."""
    search = published(
        HyperbandSearchCV,
        Talking(raises="yes", below=0.35),
        {"quality": uniform(0.05, 0.25)},
        initial_candidates=[{"quality": 0.5 + i / 100} for i in range(9)],
        n_candidates=9,
        resource="max_iter",
        max_resources=9,
        cv=2,
        refit=False,
        random_state=0,
    )

    with recording() as shown:
        search.fit(*classification)

    (text,) = said(shown)
    assert "All 5 candidates of bracket 1 scored NaN with 3 resources" in text
    assert "16 of 42 evaluations failed" in text


def test_no_failure_no_warning(classification):
    """A search without failures is silent."""
    with recording() as shown:
        search_of(Talking()).fit(*classification)

    assert not shown


def test_failure_warning_may_be_an_error(classification):
    """Where FitFailedWarning is an error, fit raises it and keeps the table."""
    search = search_of(Talking(raises="yes", below=0.65))

    with recording(("error", FitFailedWarning)), pytest.raises(FitFailedWarning, match="12 of 26"):
        search.fit(*classification)

    assert len(search.cv_results_["params"]) == 13


def test_failure_in_scoring_is_summed_up_too(classification):
    """Scorers that raise are in the same summary as fits."""

    def scorer(estimator, X, y):
        if estimator.quality < 0.25:
            raise TypeError("no score")
        return estimator.quality

    search = search_of(Talking(raises="yes", below=0.15), scoring=scorer)

    with recording() as shown:
        search.fit(*classification)

    (text,) = said(shown, FitFailedWarning)
    assert text.startswith("4 of 26 evaluations failed")
    assert "LookupError" in text
    assert "TypeError: no score" in text


# --- convergence -------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_low_rungs_do_not_say_that_they_did_not_converge(classification, engine):
    """Too few iterations are what a low rung is; at the top it converged."""
    with recording() as shown:
        fit(search_of(Talking(converges=9), engine), classification, engine)

    assert not shown


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_top_rung_says_once_that_it_did_not_converge(classification, engine):
    """The top rung's warning is shown once, with its own number and count."""
    with recording() as shown:
        fit(search_of(Talking(converges=100), engine), classification, engine)

    assert [w.category for w in shown] == [ConvergenceWarning]
    assert said(shown) == ["stopped after 9 (2 evaluations warned so)"]


def test_nested_iterations_count_as_iterations(classification):
    """The step of a pipeline is treated as an estimator of its own."""
    pipeline = make_pipeline(FunctionTransformer(), Talking(converges=9))
    search = published(
        SuccessiveHalvingSearchCV,
        pipeline,
        {f"talking__{name}": values for name, values in QUALITIES.items()},
        n_candidates="all",
        resource="talking__max_iter",
        max_resources=9,
        cv=2,
        refit=False,
    )

    with recording() as shown:
        search.fit(*classification)

    assert not shown


def test_with_samples_as_resource_every_rung_counts(classification):
    """That few samples converge less is no matter of course: it is shown, once."""
    search = search_of(
        Talking(converges=100), resource="n_samples", max_resources=240, min_resources=27
    )

    with recording() as shown:
        search.fit(*classification)

    assert said(shown) == ["stopped after 1 (24 evaluations warned so)"]


def test_other_warnings_of_low_rungs_are_shown(classification):
    """Only what iterations explain is held back."""
    with recording() as shown:
        search_of(Talking(converges=9, says=Warning1, below=0.45)).fit(*classification)

    assert [w.category for w in shown] == [Warning1]
    assert said(shown) == ["quality 0.1 (8 evaluations warned so)"]


def test_refit_speaks_for_itself(classification):
    """The refit's warning is its own, after the search's."""
    with recording() as shown:
        search_of(Talking(converges=100), refit=True).fit(*classification)

    assert said(shown) == ["stopped after 9 (2 evaluations warned so)", "stopped after 9"]


SOLVERS = {
    "sgd": (SGDClassifier(random_state=0, tol=1e-12), {"alpha": [1e-5, 1e-4, 1e-3]}),
    "logistic": (LogisticRegression(), {"C": [1.0, 10.0, 100.0]}),
    "mlp": (MLPClassifier(3, random_state=0), {"alpha": [1e-5, 1e-4, 1e-3]}),
    "pipeline": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [1.0, 10.0, 100.0]},
    ),
}


@pytest.mark.parametrize("engine", ENGINES[:2], ids=lambda engine: engine[0])
@pytest.mark.parametrize(("estimator", "space"), SOLVERS.values(), ids=SOLVERS)
def test_solvers_of_scikit_learn_warn_once(classification, estimator, space, engine):
    """Solvers that stop too early everywhere are heard once, of the top rung."""
    resource = "max_iter" if len(space) and "__" not in next(iter(space)) else None
    search = published(
        SuccessiveHalvingSearchCV,
        estimator,
        space,
        n_candidates=3,
        resource=resource or "logisticregression__max_iter",
        max_resources=3,
        cv=2,
        refit=False,
        random_state=0,
        n_jobs=engine[1],
    )

    with recording() as shown:
        fit(search, classification, engine)

    assert [w.category for w in shown] == [ConvergenceWarning]
    assert "(2 evaluations warned so)" in said(shown)[0]


# --- other warnings ----------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_warning_of_many_fits_is_shown_once(classification, engine):
    """A kind of warning is shown once, with the first text and a count."""
    with recording() as shown:
        fit(search_of(Talking(says=Warning1, below=0.45), engine), classification, engine)

    assert [w.category for w in shown] == [Warning1]
    assert said(shown) == ["quality 0.1 (8 evaluations warned so)"]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_warning_is_shown_as_of_its_own_line(classification, engine):
    """A filter by module, or a reader, finds where it came from."""
    with recording() as shown:
        fit(search_of(Talking(says=Warning1), engine), classification, engine)

    assert shown[0].filename == __file__
    assert shown[0].lineno > 0


def test_warning_of_one_fit_has_no_count(classification):
    """What only one evaluation said is shown as it is."""
    X, y = classification

    def scorer(estimator, X, y):
        if estimator.quality == 0.1 and X[0, 0] == first:
            warnings.warn("only here", Warning1, stacklevel=1)
        return estimator.quality

    first = X[0, 0]
    with recording() as shown:
        search_of(Talking(), scoring=scorer).fit(X, y)

    assert said(shown) == ["only here"]


def test_each_kind_is_shown(classification):
    """Warnings from different places are told apart, though they say the same."""

    def scorer(estimator, X, y):
        warnings.warn("the same", Warning1, stacklevel=1)
        warnings.warn("the same", Warning1, stacklevel=1)
        warnings.warn("the same", RuntimeWarning, stacklevel=1)
        return estimator.quality

    with recording() as shown:
        search_of(Talking(), scoring=scorer).fit(*classification)

    assert said(shown) == ["the same (26 evaluations warned so)"] * 3
    assert [w.category for w in shown] == [Warning1, Warning1, RuntimeWarning]


def test_second_search_warns_again(classification):
    """What one search showed does not hide it from the next, under the default filter."""
    texts = []
    for _ in range(2):
        with recording(("default", Warning)) as shown:
            search_of(Talking(says=Warning1)).fit(*classification)
        texts.append(said(shown))

    assert texts[0] == texts[1] != []


def test_scorers_warnings_are_shown_once(classification):
    """A scorer that warns on every evaluation is heard once."""
    scorer = make_scorer(precision_score, pos_label=1)

    with recording() as shown:
        search_of(Talking(), scoring=scorer).fit(*classification)

    (text,) = said(shown)
    assert text.startswith("Precision is ill-defined")
    assert text.endswith("(26 evaluations warned so)")


@pytest.mark.parametrize("engine", ENGINES[:2], ids=lambda engine: engine[0])
def test_warning_from_a_thread_that_a_fit_started_is_shown_once(classification, engine):
    """An estimator's own threads are heard as it is: once, under the default filter."""
    with recording(("default", Warning)) as shown:
        fit(search_of(Talking(says=Warning1, thread=True), engine), classification, engine)

    assert len(said(shown, Warning1)) == 1


# --- the user's filters ------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_what_the_user_ignores_is_silent(classification, engine):
    """An "ignore" filter holds in every worker."""
    with recording(("ignore", Warning1), ("always", Warning)) as shown:
        fit(search_of(Talking(says=Warning1), engine), classification, engine)

    assert not shown


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_what_the_user_makes_an_error_is_a_failure(classification, engine):
    """An "error" filter makes a fit's warning its failure, in every worker."""
    search = search_of(Talking(says=Warning1, below=0.45), engine)

    with recording(("error", Warning1), ("always", Warning)) as shown:
        fit(search, classification, engine)

    (text,) = said(shown)
    assert text.startswith("8 of 26 evaluations failed")
    assert "Warning1: quality 0.1" in text
    failed = search.cv_results_["param_quality"] < 0.45
    np.testing.assert_array_equal(np.isnan(search.cv_results_["mean_test_score"]), failed)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_all_warnings_may_be_errors(classification, engine):
    """Fits that warn fail, in every worker; so does the search, with its table."""
    search = search_of(Talking(says=Warning1, below=0.45), engine)

    with recording(("error", Warning)), pytest.raises(FitFailedWarning, match="8 of 26"):
        fit(search, classification, engine)

    assert [rung.n_failures for rung in search.rungs_.rungs] == [8, 0, 0]


def test_error_score_raise_gives_the_warning_that_is_an_error(classification):
    """With error_score="raise" the warning itself is raised."""
    search = search_of(Talking(says=Warning1), error_score="raise")

    with recording(("error", Warning1)), pytest.raises(Warning1, match=r"quality 0\.1"):
        search.fit(*classification)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning])
def test_deprecations_are_ignored_by_default(classification, category, engine):
    """Under Python's own filters what is for developers is not shown."""
    defaults = [("ignore", DeprecationWarning), ("ignore", PendingDeprecationWarning)]

    with recording(*defaults) as shown:
        fit(search_of(Talking(says=category), engine), classification, engine)

    assert not shown


@pytest.mark.parametrize("action", ["default", "always", "once", "module"])
def test_however_often_the_user_asks_it_is_shown_once(classification, action):
    """All actions that show, show each kind once a search."""
    with recording((action, Warning)) as shown:
        search_of(Talking(says=Warning1)).fit(*classification)

    assert said(shown) == ["quality 0.1 (26 evaluations warned so)"]


def test_filter_by_text_holds_for_what_is_shown(classification):
    """A filter of the message's beginning still matches with the count behind it."""
    with recording(("always", Warning)) as shown:
        warnings.filterwarnings("ignore", message=r"quality 0\.1")
        search_of(Talking(says=Warning1)).fit(*classification)

    assert said(shown) == ["quality 0.2 (24 evaluations warned so)"]


def test_convergence_that_is_an_error_fails_low_rungs(classification):
    """A user who makes it an error has it, on every rung."""
    with (
        recording(("error", ConvergenceWarning)),
        pytest.raises(ValueError, match=r"(?s)finite score.*ConvergenceWarning: stopped after 1"),
    ):
        search_of(Talking(converges=100)).fit(*classification)


# --- what is left behind -----------------------------------------------------------


class Interrupting(Talking):
    """Is interrupted by the user."""

    def fit(self, X, y):
        """Press Ctrl-C."""
        raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine[0])
def test_filters_are_as_they_were(classification, engine):
    """After fit the process has its own filters and display again."""
    search = search_of(Talking(says=Warning1, raises="yes", below=0.65), engine)
    with recording():
        before = list(warnings.filters), warnings.showwarning

        fit(search, classification, engine)

        assert (list(warnings.filters), warnings.showwarning) == before


@pytest.mark.parametrize("engine", ENGINES[:2], ids=lambda engine: engine[0])
def test_filters_are_as_they_were_after_an_error(classification, engine):
    """A search that raises restores them too."""
    search = search_of(Talking(raises="yes"), engine, error_score="raise")
    before = list(warnings.filters), warnings.showwarning

    with pytest.raises(ArithmeticError):
        fit(search, classification, engine)

    assert (list(warnings.filters), warnings.showwarning) == before


def test_filters_are_as_they_were_after_an_interrupt(classification):
    """Ctrl-C restores them too."""
    before = list(warnings.filters), warnings.showwarning

    with pytest.raises(KeyboardInterrupt):
        search_of(Interrupting()).fit(*classification)

    assert (list(warnings.filters), warnings.showwarning) == before


def test_searches_in_two_threads_keep_to_themselves(classification):
    """Each of two searches at once warns of its own, and the filters are restored."""
    searches = [search_of(Talking(says=Warning1, below=below)) for below in (0.45, 0.25)]
    with recording() as shown:
        before = list(warnings.filters), warnings.showwarning
        threads = [threading.Thread(target=s.fit, args=classification) for s in searches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert (list(warnings.filters), warnings.showwarning) == before

    assert sorted(said(shown)) == [
        "quality 0.1 (4 evaluations warned so)",
        "quality 0.1 (8 evaluations warned so)",
    ]


class Hushing(Talking):
    """Searches within its fit, and wants to hear nothing of it."""

    def fit(self, X, y):
        """Ignore what an inner search warns of."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search_of(Talking(says=Warning1)).fit(X, y)
        return super().fit(X, y)


@pytest.mark.parametrize("engine", ENGINES[::2], ids=lambda engine: engine[0])
def test_search_within_a_fit_keeps_the_filters_of_that_fit(classification, engine):
    """An estimator may ignore the warnings of a search that it runs itself.

    In several threads it could not be sure of that: the filters belong to the process.
    """
    with recording() as shown:
        fit(search_of(Hushing(), engine), classification, engine)

    assert said(shown) == []


class SplittingInTurn(KFold):
    """Splits as scikit-learn's checks do: each changes the filters and sets them back.

    The search that begins first is also the first to set them back, as two threads may do it.
    """

    def __init__(self, n_splits=2, turns=None):
        super().__init__(n_splits)
        self.turns = turns

    def __deepcopy__(self, memo):
        return self

    def split(self, X, y=None, groups=None):
        """Take turns with the other thread, once."""
        turns, self.turns = self.turns, None
        if turns is None:
            return super().split(X, y, groups)
        i_am_first = threading.current_thread().name == "first"
        if not i_am_first:
            turns[0].wait(30)
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            turns[0 if i_am_first else 1].set()
            turns[1 if i_am_first else 2].wait(30)
        turns[2].set()
        return super().split(X, y, groups)


def test_filters_outlive_searches_in_two_threads(classification):
    """The filters are restored even if the two threads set them back in the wrong order."""
    turns = [threading.Event() for _ in range(3)]
    searches = {
        name: search_of(Talking()).set_params(cv=SplittingInTurn(turns=turns))
        for name in ("first", "second")
    }
    before = list(warnings.filters), warnings.showwarning
    threads = [
        threading.Thread(target=search.fit, args=classification, name=name)
        for name, search in searches.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (list(warnings.filters), warnings.showwarning) == before
    assert all(turn.is_set() for turn in turns)
    assert all(hasattr(search, "best_params_") for search in searches.values())


class TwoTexts(UserWarning):
    """Is made from two texts."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


class Anew(UserWarning):
    """Needs more than a text to come into being at all."""

    def __new__(cls, number, *, name):
        return super().__new__(cls, number)

    def __init__(self, number, *, name):
        self.name = name

    def __str__(self):
        return f"the warning of {self.name}"


def version_warning():
    """Warn as scikit-learn does of a model that another version pickled."""
    warnings.warn(
        InconsistentVersionWarning(
            estimator_name="SVC", current_sklearn_version="2", original_sklearn_version="1"
        ),
        stacklevel=1,
    )


def local_warning():
    """Warn with a class that no other process can get."""

    class Local(DeprecationWarning):
        lock = threading.Lock()

    warnings.warn(Local("only here"), stacklevel=1)


class Final(UserWarning):
    """Cannot be derived from, and is not made from one text."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")

    def __init_subclass__(cls):
        raise TypeError("final")


ODD_WARNINGS = {
    "final": (lambda: warnings.warn(Final("c", "d"), stacklevel=1), UserWarning, "c and d"),
    "version": (version_warning, InconsistentVersionWarning, "from version 1 when using"),
    "two texts": (lambda: warnings.warn(TwoTexts("a", "b"), stacklevel=1), TwoTexts, "a and b"),
    "new": (lambda: warnings.warn(Anew(1, name="x"), stacklevel=1), Anew, "warning of x"),
    "local": (local_warning, DeprecationWarning, "only here"),
}


class Odd(Talking):
    """Warns with a class that is not made from one text."""

    def __init__(self, quality=0.0, max_iter=1, which="version"):
        super().__init__(quality, max_iter)
        self.which = which

    def fit(self, X, y):
        """Warn."""
        ODD_WARNINGS[self.which][0]()
        return super().fit(X, y)


@pytest.mark.parametrize(("backend", "n_jobs"), ENGINES)
@pytest.mark.parametrize("which", ODD_WARNINGS)
def test_warnings_of_every_class_are_shown(classification, which, backend, n_jobs):
    """A class with a constructor of its own keeps its name, its text and its filters."""
    _, category, text = ODD_WARNINGS[which]
    search = published(
        SuccessiveHalvingSearchCV,
        Odd(which=which),
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        min_resources=240,
        refit=False,
        n_jobs=n_jobs,
    )

    with joblib.parallel_config(backend=backend), pytest.warns(category, match=text) as shown:
        search.fit(*classification)

    assert search.stop_reason_ == "completed"
    assert all(text in str(warning.message) for warning in shown)


@pytest.mark.parametrize(("step", "word"), [("nan", "NaN"), ("inf", "-inf")])
def test_scores_that_are_not_finite_are_counted(classification, step, word):
    """A scorer that gives NaN or infinity without an error is warned of, with numbers."""
    search = published(
        SuccessiveHalvingSearchCV,
        Failing(step=step, below=0.25),
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        min_resources=240,
        cv=4,
        refit=False,
    )

    with pytest.warns(UserWarning, match=rf"{word} in 8 of 12 evaluations \(test_score\)"):
        search.fit(*classification)


def test_metrics_and_train_scores_that_are_not_finite_are_named(classification):
    """Each metric is counted on its own, on test and on training parts."""

    def scores(estimator, X, y):
        return {"good": estimator.quality, "bad": np.nan if len(X) > 100 else np.inf}

    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        min_resources=240,
        cv=3,
        scoring=scores,
        rank_by="good",
        refit=False,
        return_train_score=True,
    )

    with pytest.warns(UserWarning, match="not finite") as shown:
        search.fit(*classification)

    (warning,) = shown
    assert "inf in 9 of 9 evaluations (test_bad)" in str(warning.message)
    assert "NaN in 9 of 9 evaluations (train_bad)" in str(warning.message)
    assert "good" not in str(warning.message)


class Parallelised(Scored):
    """Uses scikit-learn's parallel code at a time when the process has no filters of warnings."""

    def fit(self, X, y=None):
        """Count rows in parallel, and fit."""
        with warnings.catch_warnings():
            warnings.resetwarnings()  # As the same code does in another thread.
            Parallel(n_jobs=1)(delayed(len)(part) for part in (X, y))
        return super().fit(X, y)


def parallelised_search():
    return published(
        SuccessiveHalvingSearchCV,
        Parallelised(),
        {"quality": uniform(0, 1)},
        resource="n_units",
        max_resources=3,
        n_candidates=3,
        refit=False,
        random_state=0,
    )


def test_races_of_scikit_learns_own_threads_are_no_warnings(classification):
    """In threads, its parallel code may find the filters that another one has just removed."""
    with joblib.parallel_config(backend="threading", n_jobs=2):
        search = parallelised_search().fit(*classification)

    assert search.stop_reason_ == "completed"


def test_without_threads_the_same_is_a_warning(classification):
    """There is no race then, and the estimator itself is to blame."""
    with pytest.warns(UserWarning, match=r"`sklearn\.utils\.parallel\.delayed` should be used"):
        parallelised_search().fit(*classification)
