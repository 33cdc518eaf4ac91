"""What a notebook shows: the plan, the rungs and the search as HTML."""

import copy
from dataclasses import replace
from email.message import Message
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skhyperband import HyperbandSearchCV, RungTable, SuccessiveHalvingSearchCV
from skhyperband._documentation import reference_page
from skhyperband._plan import PlanTiming
from tests.estimators import Failing, Scored

VOID = {"br", "wbr", "input"}
TIMING = PlanTiming(
    rung_seconds=(4.0, 2.0),
    total_seconds=40.0,
    n_workers=2,
    continued=True,
    random_search_seconds=200.0,
    n_random_search_candidates=5.5,
)


class Page(HTMLParser):
    """Reads a page: its texts, the rows of its tables, and whether every element is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.rows, self.ruled = [], "", [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note an element that begins."""
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            if dict(attrs).get("class") == "skhyperband-first":
                self.ruled.append(len(self.rows))
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        self.text += "\n" if tag in ("p", "br", "td", "th", "summary") else ""

    def handle_endtag(self, tag):
        """Check that the element that ends is the one that began last."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Keep the texts."""
        if "style" in self.open or "script" in self.open:
            return
        self.text += data
        if self.open[-1:] in (["td"], ["th"]):
            self.rows[-1][-1] += data


def shown(value):
    """Return what a notebook shows of an object."""
    page = Page(value._repr_html_())
    assert page.open == []
    return page


def halving(estimator=None, space=None, **options):
    """Return a search that costs nothing."""
    options = {
        "n_candidates": 9,
        "resource": "n_units",
        "max_resources": 9,
        "cv": 3,
        "random_state": 0,
    } | options
    return SuccessiveHalvingSearchCV(
        Scored() if estimator is None else estimator,
        {"quality": np.linspace(0.1, 0.9, 9)} if space is None else space,
        **options,
    )


@pytest.fixture(scope="module")
def plan():
    """Give a plan of two rungs."""
    return halving(min_splits=None).plan(n_samples=100)


@pytest.fixture(scope="module")
def fitted(classification):
    """Give a fitted search."""
    return halving().fit(*classification)


# --- plans and rungs ---------------------------------------------------------------


def table_of(text, n_rows):
    """Return the cells of the table that a text begins with."""
    return [line.split() for line in text.splitlines()[: 1 + n_rows]]


def test_a_plan_shows_its_table(plan):
    """A notebook shows the headings and cells that are printed."""
    page = shown(plan)

    assert page.rows == table_of(str(plan), len(plan.rungs))


def test_rungs_show_their_table(fitted):
    """A notebook shows the headings and cells that are printed."""
    page = shown(fitted.rungs_)

    assert page.rows == table_of(str(fitted.rungs_), len(fitted.rungs_.rungs))


@pytest.mark.parametrize(
    "changes",
    [{}, {"timing": TIMING}, {"max_time": 60.0}, {"space_exhausted": True}],
    ids=["plain", "timed", "limited", "exhausted"],
)
def test_a_plan_shows_its_summary(plan, changes):
    """Costs, expected time, rounds and a space that runs out are paragraphs below the table."""
    changed = replace(plan, **changes)

    lines = shown(changed).text.splitlines()

    printed = str(changed).splitlines()[1 + len(plan.rungs) :]
    assert lines[-len(printed) :] == printed


def test_rungs_show_their_advice(fitted):
    """Each sentence of advice is a paragraph below the table."""
    advised = replace(fitted.rungs_, advice=("Raise one.", "Lower the other."))

    assert shown(advised).text.endswith("\nRaise one.\nLower the other.")


def test_a_line_separates_the_brackets():
    """The first rung of each bracket has a line above it."""
    search = HyperbandSearchCV(Scored(), {"quality": [0.1, 0.2]}, resource="n_units", cv=3)
    plan = search.set_params(max_resources=9, n_repeats=2, n_candidates=1).plan(n_samples=100)

    assert shown(plan).ruled == [
        1 + number for number, rung in enumerate(plan.rungs) if rung.iter == 0
    ]


def test_texts_are_escaped(plan):
    """Names and sentences with the characters of HTML are shown as they are."""
    text = "<script>alert('&amp;')</script>"

    for value in (replace(plan, resource=text), RungTable((), advice=(text,))):
        assert "<script" not in value._repr_html_()
        assert text in shown(value).text


# --- the search --------------------------------------------------------------------


def results_of(search):
    """Return what is shown below scikit-learn's diagram."""
    html = search._repr_html_()
    page = Page(html[html.index('<div class="skhyperband">') :])
    assert page.open == []
    return page


def test_a_search_that_is_not_fitted_shows_its_diagram():
    """There is nothing below scikit-learn's diagram yet."""
    html = halving()._repr_html_()

    assert "sk-top-container" in html
    assert "skhyperband-" not in html


def test_a_fitted_search_shows_diagram_and_results(fitted):
    """Best score, best parameters, rungs and plan are below scikit-learn's diagram."""
    html = fitted._repr_html_()
    text = results_of(fitted).text

    assert html.index("sk-top-container") < html.index("best_estimator_: Scored")
    assert html.index("best_estimator_: Scored") < html.index("Best score")
    assert f"{fitted.best_score_:.4g} (score, 3 splits, n_units=9)" in text
    assert f"\nquality = {fitted.best_params_['quality']}\nn_units = 9\n" in text
    assert "\n9 candidates on 3 rungs\nless than a second of fits and scores\n" in text
    assert fitted.rungs_._repr_html_() in html
    assert fitted.plan_._repr_html_() in html


def test_the_rungs_are_open_if_there_is_advice(fitted):
    """Advice is seen at once; rungs without advice are folded up."""
    assert "<details open>" not in fitted._repr_html_()

    advised = copy.copy(fitted)
    advised.rungs_ = replace(fitted.rungs_, advice=("Do it.",))

    assert advised._repr_html_().count("<details open>") == 1


def test_the_best_score_is_that_of_refit(classification):
    """With several metrics, the score is named by the metric that the best candidate has."""
    search = halving(
        LogisticRegression(),
        {"C": [0.01, 0.1, 1]},
        n_candidates=3,
        resource="n_samples",
        max_resources="auto",
        scoring=["roc_auc", "accuracy"],
        rank_by="roc_auc",
        refit="accuracy",
    ).fit(*classification)

    assert f"{search.best_score_:.4g} (accuracy, 3 splits" in results_of(search).text


def test_the_best_score_is_named_by_scoring(classification):
    """With one metric, it is called by the name that `scoring` gives it."""
    search = halving(scoring="accuracy").fit(*classification)

    assert "(accuracy, 3 splits" in results_of(search).text


class Loud:
    """A value whose repr is an error."""

    def __repr__(self):
        """Raise."""
        raise ArithmeticError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("<b>bold</b>", "label = '<b>bold</b>'"),
        ("x" * 1000, "characters cut"),
        (Loud(), "label = <Loud, whose repr raises ArithmeticError>"),
        (np.float64(0.5), "label = 0.5\n"),
    ],
    ids=["tags", "long", "unreadable", "numpy"],
)
def test_values_of_parameters(classification, value, text):
    """They are escaped, shortened, and without the types of NumPy."""
    search = halving(space={"label": [value]}, n_candidates=1, refit=False).fit(*classification)
    page = Page(search._results_html())

    assert text in page.text
    assert len(page.text) < 2000


def test_a_search_without_refit_shows_its_results(classification):
    """The results are there although there is no best estimator."""
    search = halving(refit=False).fit(*classification)

    assert "Best score" in results_of(search).text


def test_an_interrupted_search_shows_its_results(classification, monkeypatch):
    """What was measured before Ctrl-C is shown, and that it was interrupted."""
    monkeypatch.setattr(Scored, "score", interrupted_after(12))
    search = halving()
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    text = results_of(search).text

    assert "stop_reason_: interrupted" in text
    assert "Best score" in text


def test_an_interrupted_search_without_scores_shows_its_rungs(classification):
    """There is no best candidate, but the rungs tell of the failures."""
    search = halving(Failing(below=2), verbose=0)
    with pytest.raises(ValueError, match="quality"):
        search.fit(*classification)

    text = results_of(search).text

    assert "stop_reason_" in text
    assert "n_failures" in text


def interrupted_after(n_scores):
    """Return a method `score` that is interrupted after so many calls."""
    calls = iter(range(n_scores))
    score = Scored.score

    def interrupted(self, X, y=None):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return score(self, X, y)

    return interrupted


def test_text_display_is_respected(fitted):
    """With scikit-learn's display="text" there is no HTML."""
    with config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")
        assert fitted._repr_mimebundle_() == {"text/plain": repr(fitted)}
    with config_context(display="diagram"):
        assert "Best score" in fitted._repr_mimebundle_()["text/html"]


def test_a_pipeline_shows_the_diagram_of_the_search(classification):
    """A search that is a step has its place in the diagram, without its results."""
    pipeline = make_pipeline(StandardScaler(), halving()).fit(*classification)

    html = pipeline._repr_html_()

    assert "best_estimator_: Scored" in html
    assert "skhyperband-" not in html


def test_scikit_learns_function_shows_the_diagram(fitted):
    """`estimator_html_repr` is the diagram alone, as it is for other estimators."""
    html = estimator_html_repr(fitted)

    assert "best_estimator_: Scored" in html
    assert "skhyperband-" not in html


# --- links to the documentation ----------------------------------------------------


@pytest.fixture
def published_at(monkeypatch):
    """Let the metadata of the package say where its documentation is; None for nowhere."""

    def publish(address):
        metadata = Message()
        metadata["Project-URL"] = "Source, https://example.org/source"
        if address is not None:
            metadata["Project-URL"] = f"Documentation, {address}"
        monkeypatch.setattr("skhyperband._documentation.metadata", lambda name: metadata)
        reference_page.cache_clear()

    yield publish
    reference_page.cache_clear()


@pytest.mark.parametrize("address", ["https://example.org/docs", "https://example.org/docs/"])
def test_the_diagram_links_to_the_reference(published_at, search_class, address):
    """With its documentation published, a search has the sign that scikit-learn's estimators have."""
    published_at(address)

    html = search_class(Scored(), {"quality": [1]})._repr_html_()

    page = f"https://example.org/docs/generated/skhyperband.{search_class.__name__}.html"
    assert f'href="{page}"' in html


def test_no_link_while_nothing_is_published(published_at):
    """Without an address, the diagram has no link for the search."""
    published_at(None)

    assert "skhyperband.Succ" not in halving()._repr_html_()


def test_no_link_for_a_subclass(published_at):
    """A class that a user derives is not in the reference."""
    published_at("https://example.org/docs")

    class Own(SuccessiveHalvingSearchCV):
        pass

    assert "example.org" not in Own(Scored(), {"quality": [1]})._repr_html_()


def test_no_link_without_an_installed_package(monkeypatch):
    """A copy of the source that is not installed has no metadata, and no link."""

    def metadata(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("skhyperband._documentation.metadata", metadata)

    assert reference_page.__wrapped__() == ""
