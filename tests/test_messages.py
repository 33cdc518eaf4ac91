import warnings

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._journal.database import read_entries
from skhyperband._messages import LONGEST, counted, repr_of, shortened, str_of
from tests.estimators import Scored
from tests.published import published

HUGE = 2**24 + 1  # Characters; more than a journal keeps in a row.


class SpeechlessError(Exception):
    """Cannot say what it is of."""

    def __str__(self):
        raise RuntimeError("no words")


class TracelessError(Exception):
    """Cannot be made a traceback of."""

    @property
    def __notes__(self):
        raise RuntimeError("no notes")


class VerboseError(Exception):
    """Says more than anyone reads."""

    def __str__(self):
        return "begin" + "x" * HUGE + "end"


def chained():
    """Return an error that others led to, each with much to say."""
    error = None
    for _ in range(20):
        error, cause = ValueError("y" * 2**20 + "end"), error
        error.__cause__ = cause
    return error


# What is raised, and what of it must be seen.
ERRORS = {
    "message": (lambda: ValueError("begin" + "x" * HUGE + "end"), "ValueError: begin.*end"),
    "lines": (
        lambda: ValueError("begin" + ("x" * 999 + "\n") * 2**15 + "end"),
        "ValueError: begin.*end",
    ),
    "text": (VerboseError, "VerboseError: begin.*end"),
    "chain": (chained, "ValueError: y.*end"),
    "no text": (SpeechlessError, "SpeechlessError"),
    "no traceback": (TracelessError, "TracelessError"),
}


class Raising(Scored):
    """Raises an error of one kind, in one step, where the quality is low."""

    def __init__(self, quality=0.0, n_units=1, label=None, step="fit", kind="message"):
        super().__init__(quality, n_units, label)
        self.step = step
        self.kind = kind

    def _do(self, step):
        if self.step == step and self.quality < 0.3:
            raise ERRORS[self.kind][0]()

    def fit(self, X, y=None):
        """Raise, or fit."""
        self._do("fit")
        return super().fit(X, y)

    def predict(self, X):
        """Raise, or predict."""
        self._do("predict")
        return super().predict(X)

    def score(self, X, y=None):
        """Raise, or score."""
        self._do("score")
        return super().score(X, y)


def halving(estimator, **options):
    return published(
        SuccessiveHalvingSearchCV,
        estimator,
        {"quality": np.linspace(0.2, 0.9, 4)},
        **{
            **{"resource": "n_units", "max_resources": 4, "min_resources": 2, "factor": 2},
            **{"n_candidates": 4, "cv": 2, "random_state": 0},
            **options,
        },
    )


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 splits"), (1, "1 split"), (5, "5 splits"), (1.5, "1.5 splits")]
)
def test_numbers_of_things_are_counted_in_plain_english(number, text):
    """One thing has no s."""
    assert counted(number, "split") == text


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("step", ["fit", "score"])
def test_any_error_of_a_fit_is_a_failure_of_a_length_to_read(tmp_path, kind, step, classification):
    """Its beginning and its end are kept, in the warning and in the journal."""
    path = str(tmp_path / "j")
    search = halving(Raising(step=step, kind=kind), journal=path)

    with pytest.warns(FitFailedWarning, match=rf"(?s){ERRORS[kind][1]}") as caught:
        search.fit(*classification)

    kept = [entry.failure for entry in read_entries(path) if entry.failure is not None]
    assert search.rungs_.rungs[0].n_failures > 0
    assert kept
    assert max(map(len, [*kept, str(caught[0].message)])) < LONGEST + 1000


def two_scores(estimator, X, y):
    """Fail, or give two scores."""
    estimator.predict(X)
    return {"one": 0.5, "other": estimator.score(X, y)}


@pytest.mark.parametrize("scoring", [["accuracy", "f1"], two_scores], ids=["names", "callable"])
def test_error_of_a_metric_among_several_is_of_a_length_to_read(tmp_path, scoring, classification):
    """Where scikit-learn gives a traceback in the place of a score, too."""
    path = str(tmp_path / "j")
    search = halving(
        Raising(step="predict", kind="message"), journal=path, scoring=scoring, refit=False
    )
    search.set_params(rank_by="accuracy" if isinstance(scoring, list) else "other")

    with pytest.warns(FitFailedWarning, match=r"(?s)ValueError: begin.*characters cut.*end"):
        search.fit(*classification)

    kept = [entry.failure for entry in read_entries(path) if entry.failure is not None]
    assert 0 < max(map(len, kept)) < LONGEST + 100


class Endless:
    """Has a repr that is too long to be read."""

    def __repr__(self):
        return "<" + "x" * HUGE + ">"


class Nameless:
    """Has no repr."""

    def __repr__(self):
        raise RuntimeError("no words")


NO_SCORES = {
    "endless": (Endless, "got <x.*characters cut.*x> .Endless"),
    "nameless": (Nameless, "got <Nameless, whose repr raises RuntimeError> .Nameless"),
    "text": (lambda: "x" * HUGE, "got 'x.*characters cut.*x' .str"),
    "beyond floats": (lambda: 10**400, "got 1000.*int"),
    "beyond digits": (lambda: 10**5000, "got <int, whose repr raises ValueError> .int"),
}


class NoScore:
    """Scores with what is none, where the quality is low."""

    def __init__(self, make):
        self.make = make

    def __call__(self, estimator, X, y):
        return self.make() if estimator.quality < 0.3 else estimator.score(X, y)


@pytest.mark.parametrize(("make", "message"), NO_SCORES.values(), ids=NO_SCORES)
def test_what_is_no_score_is_shown_at_a_length_to_read(make, message, classification):
    """Whatever a scorer gives, the error says what it was."""
    search = halving(Scored(), scoring=NoScore(make))

    with pytest.raises(ValueError, match=rf"(?s)scoring must.*{message}") as raised:
        search.fit(*classification)

    assert len(str(raised.value)) < LONGEST + 1000


class Boasting(Scored):
    """Warns of more than anyone reads."""

    def fit(self, X, y=None):
        """Warn, and fit."""
        warnings.warn("begin" + "x" * HUGE, UserWarning, stacklevel=1)
        return super().fit(X, y)


def test_warning_of_a_fit_is_of_a_length_to_read(classification):
    """It is cut where it is caught, before it goes from process to process."""
    with pytest.warns(UserWarning, match=r"^beginx.*characters cut") as caught:
        halving(Boasting(), refit=False).fit(*classification)

    assert len(caught) == 1
    assert len(str(caught[0].message)) < LONGEST + 100


def test_failed_candidate_is_shown_at_a_length_to_read(classification):
    """A parameter may be longer than a book."""
    search = halving(Raising(kind="no text"))
    search.set_params(
        param_distributions=[
            {"quality": [0.1], "label": [Endless(), Endless()]},
            {"quality": [0.8, 0.9]},
        ]
    )

    with pytest.warns(FitFailedWarning, match=r"label=<x.*characters cut") as caught:
        search.fit(*classification)

    assert len(str(caught[0].message)) < 2 * LONGEST + 2000


def test_short_texts_are_kept_whole():
    """Up to the longest nothing is cut."""
    assert shortened("x" * LONGEST) == "x" * LONGEST
    assert (str_of(ValueError("why")), repr_of("a")) == ("why", "'a'")


def test_what_is_cut_is_counted():
    """The beginning, the end, and how much is missing between them."""
    assert shortened("a" * 7 + "b" * 6, 4) == "aa [... 9 characters cut ...] bb"
