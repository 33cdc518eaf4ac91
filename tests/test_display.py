import dataclasses
import itertools
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import lognorm, loguniform, randint, uniform
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC

from skhyperband import HyperbandSearchCV, SearchDisplay, SuccessiveHalvingSearchCV
from skhyperband._display.parameters import _label
from tests.estimators import Failing, Sampled, Scored

KINDS = ("rungs", "incumbent", "parameters", "importances")
QUALITY = {"quality": uniform()}


@pytest.fixture(autouse=True)
def plt():
    """Give pyplot without windows and without figures, before and after."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot

    matplotlib.pyplot.close("all")
    yield matplotlib.pyplot
    matplotlib.pyplot.close("all")


def search_of(search_class=HyperbandSearchCV, estimator=None, space=QUALITY, **options):
    """Return a search with units as the resource."""
    options = {"max_resources": 27, "cv": 3, "sampler": "random", "random_state": 0, **options}
    if search_class is HyperbandSearchCV:
        options.setdefault("n_repeats", 2)
    return search_class(estimator or Scored(), space, resource="n_units", **options)


def data_of(search, **options):
    """Return what the display of a fitted search has stored."""
    return SearchDisplay.from_estimator(search, **options).data


def legend_of(ax):
    """Return the texts of a legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.fixture(scope="module")
def searched(classification):
    """Give a search that tests only read."""
    return search_of().fit(*classification)


@pytest.fixture(scope="module")
def searched_widely(classification):
    """Give a search of all brackets that tests only read."""
    return search_of(n_brackets="all", min_resources=1).fit(*classification)


# --- the conventions of displays ---------------------------------------------------


@pytest.fixture(
    scope="module", params=[SuccessiveHalvingSearchCV, HyperbandSearchCV], ids=["sh", "hb"]
)
def searched_by_each(request, classification):
    """Give each of the two searches without a refitted estimator."""
    return search_of(request.param, refit=False).fit(*classification)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_for_each_search(searched_by_each, kind, plt):
    """A display has its axes and its figure, and the figure can be drawn."""
    display = SearchDisplay.from_estimator(searched_by_each, kind=kind)

    display.figure_.canvas.draw()
    assert display.ax_ is display.axes_[0]
    assert display.ax_.figure is display.figure_
    assert plt.get_fignums() == [display.figure_.number]


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_is_drawn_on_the_axes_that_are_given(searched, kind, plt):
    """No other figure is made."""
    figure, ax = plt.subplots()

    display = SearchDisplay.from_estimator(searched, kind=kind, ax=ax)

    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]


def test_a_display_can_be_drawn_again(searched, plt):
    """`plot` draws the stored data, without the search, and returns the display."""
    data = data_of(searched)
    _, ax = plt.subplots()

    display = SearchDisplay(data)

    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.data is data


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_leaves_the_search_and_the_state_of_numpy_alone(classification, kind):
    """A picture changes neither the results nor global random numbers."""
    search = search_of().fit(*classification)
    before = {name: np.copy(column) for name, column in search.cv_results_.items()}
    state = np.random.get_state()[1].copy()

    SearchDisplay.from_estimator(search, kind=kind)

    assert before.keys() == search.cv_results_.keys()
    for name, column in search.cv_results_.items():
        np.testing.assert_array_equal(np.copy(column), before[name])
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_search_that_measured_nothing_is_said(search_class):
    """Before `fit`, the error says what to do."""
    with pytest.raises(NotFittedError, match="call fit first"):
        SearchDisplay.from_estimator(search_of(search_class))


def test_another_search_is_refused(classification):
    """The results of scikit-learn's searches have no rungs."""
    other = RandomizedSearchCV(Scored(), QUALITY, n_iter=2).fit(*classification)

    with pytest.raises(TypeError, match="got RandomizedSearchCV"):
        SearchDisplay.from_estimator(other)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "rung"}, "kind='rung' is none of .*'rungs', 'incumbent'"),
        ({"kind": None}, "kind=None is none of"),
        ({"metric": "auc"}, r"metric='auc' is none of the metrics \['score'\]"),
        ({"kind": "incumbent", "over": "days"}, "over='days' is none of .*'time', 'resource'"),
        ({"over": "time"}, "over='time' has no meaning for kind='rungs'"),
        ({"parameters": ["quality"]}, "parameters=.* has no meaning for kind='rungs'"),
        ({"kind": "parameters", "parameters": ["C"]}, "contains 'C', which was not searched"),
        ({"kind": "importances", "parameters": []}, "must be a list of at least one name"),
        ({"kind": "parameters", "parameters": "quality"}, "must be a list"),
    ],
)
def test_wrong_arguments_are_named(searched, options, match):
    """An error names the parameter, its value and the choices."""
    with pytest.raises(ValueError, match=match):
        SearchDisplay.from_estimator(searched, **options)


@pytest.mark.parametrize("kind", ["rungs", "parameters"])
def test_a_wrong_number_of_axes_is_said(classification, kind, plt):
    """An error says how many axes there are."""
    search = search_of(space={"quality": uniform(), "label": ["a", "b"]}).fit(*classification)
    _, axes = plt.subplots(1, 3)

    with pytest.raises(ValueError, match="ax has 3 axes"):
        SearchDisplay.from_estimator(search, kind=kind, ax=axes)


def test_missing_matplotlib_is_said(searched, monkeypatch):
    """Without matplotlib, the error says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)

    with pytest.raises(ImportError, match=r"skhyperband\[plot\]"):
        SearchDisplay.from_estimator(searched)


def test_the_package_imports_no_matplotlib():
    """Importing the package, and its display, needs no matplotlib."""
    program = (
        "import sys; from skhyperband import SearchDisplay; print('matplotlib' in sys.modules)"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert printed.strip() == "False"


# --- what is measured --------------------------------------------------------------


def up(estimator, X, y):
    """Return a score that rises with the quality."""
    return estimator.quality


def down(estimator, X, y):
    """Return a score that falls with the quality."""
    return -estimator.quality


def test_the_metric_is_that_of_the_best_score_unless_another_is_named(classification):
    """With several metrics, the picture has the one of `best_score_` or the one that is named."""
    search = search_of(scoring={"up": up, "down": down}, rank_by="up", refit="down")
    search.fit(*classification)

    default, named = data_of(search), data_of(search, metric="up")

    assert default.score_label == "Mean test down"
    assert named.score_label == "Mean test up"
    np.testing.assert_array_equal(named.scores, -default.scores)
    assert default.best_candidate == search.cv_results_["candidate_id"][search.best_index_]
    best = search.cv_results_["rank_test_up"].argmin()
    assert named.best_candidate == search.cv_results_["candidate_id"][best]


def test_a_negative_score_says_which_way_is_better(classification):
    """The label of a score such as neg_log_loss names it, and says that higher is better."""
    search = SuccessiveHalvingSearchCV(
        LogisticRegression(), {"C": loguniform(0.01, 1)}, scoring="neg_log_loss", random_state=0
    ).fit(*classification)

    ax = SearchDisplay.from_estimator(search).ax_

    assert ax.get_ylabel() == "Mean test neg_log_loss\n(higher is better)"


# --- rungs -------------------------------------------------------------------------


def test_the_rungs_are_those_of_the_results(search_class, classification):
    """There is a point for each row, at its level and with its score."""
    search = search_of(search_class).fit(*classification)
    results = search.cv_results_

    data = data_of(search)

    shown = {
        (candidate, *data.level_sizes[level]): score
        for candidate, level, score in zip(
            data.candidate_ids.tolist(), data.levels, data.scores, strict=True
        )
    }
    columns = (results[n].tolist() for n in ("candidate_id", "n_resources", "n_splits"))
    rows = zip(*columns, strict=True)
    assert shown == dict(zip(rows, results["mean_test_score"], strict=True))
    assert list(data.level_sizes) == sorted(data.level_sizes)


def test_a_candidate_keeps_the_bracket_that_it_entered(classification):
    """With promotion by level, a candidate may change the bracket; its line does not."""
    search = search_of(n_brackets="all", min_resources=1, promotion="level").fit(*classification)

    data = data_of(search)

    for candidate in set(data.candidate_ids.tolist()):
        assert len(set(data.brackets[data.candidate_ids == candidate].tolist())) == 1
    assert len(set(data.brackets.tolist())) == len(
        {bracket.s for bracket in search.plan_.brackets}
    )


def test_repeated_rungs_have_one_point(classification):
    """Aggressive elimination has several rungs at a level, with the same scores."""
    search = search_of(
        SuccessiveHalvingSearchCV, n_candidates=27, min_resources=27, aggressive_elimination=True
    ).fit(*classification)

    data = data_of(search)

    points = list(zip(data.candidate_ids.tolist(), data.levels.tolist(), strict=True))
    assert len(points) == len(set(points)) < len(search.cv_results_["candidate_id"])


def test_levels_are_named_by_resource_and_splits(classification):
    """The ticks name the amount and the splits, and the axis names the resource."""
    search = search_of(SuccessiveHalvingSearchCV, min_splits=1).fit(*classification)

    ax = SearchDisplay.from_estimator(search).ax_

    ticks = [label.get_text() for label in ax.get_xticklabels()]
    assert ticks == ["9\n1 split", "27\n1 split", "27\n3 splits"]
    assert ax.get_xlabel() == "n_units, number of splits"


def test_brackets_differ_in_more_than_their_colours(classification):
    """Each bracket has a marker and a colour of its own, and an entry in the legend."""
    search = search_of(n_brackets="all", min_resources=1, n_repeats=1).fit(*classification)

    ax = SearchDisplay.from_estimator(search).ax_

    points = [c for c in ax.collections if c.get_label().startswith("bracket")]
    looks = {
        (tuple(c.get_facecolor()[0][:3]), c.get_paths()[0].vertices.tobytes()) for c in points
    }
    assert len(points) == len(search.plan_.brackets) == 5
    assert len({color for color, _ in looks}) == len({marker for _, marker in looks}) == 5
    assert legend_of(ax)[:2] == ["bracket 4 (81)", "bracket 3 (34)"]


def boxes_overlap(boxes):
    """Return whether any two boxes overlap."""
    return any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


@pytest.fixture(scope="module", params=[1, 9])
def searched_on_many_levels(request, classification):
    """Give a search with a dozen levels."""
    options = {"max_resources": 10_000, "n_candidates": 200, "factor": 1.5}
    return search_of(SuccessiveHalvingSearchCV, min_resources=request.param, **options).fit(
        *classification
    )


@pytest.mark.parametrize("size", [(4, 3), (6.4, 4.8), (12, 8)])
def test_labels_of_levels_do_not_overlap(searched_on_many_levels, size, plt):
    """With many levels in a small figure, only some are labelled, among them the highest."""
    figure, ax = plt.subplots(figsize=size, layout="constrained")

    SearchDisplay.from_estimator(searched_on_many_levels, ax=ax)

    figure.draw_without_rendering()
    labels = ax.get_xticklabels()
    assert labels[-1].get_text() == "10,000\n3 splits"
    assert not boxes_overlap([label.get_window_extent() for label in labels])


@pytest.mark.parametrize("size", [(4, 3), (6.4, 4.8), (12, 8)])
@pytest.mark.parametrize("kind", ["rungs", "incumbent"])
def test_the_legend_covers_no_data(searched_widely, size, kind, plt):
    """The data end below the legend."""
    figure, ax = plt.subplots(figsize=size, layout="constrained")

    data = SearchDisplay.from_estimator(searched_widely, kind=kind, ax=ax).data

    figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    _, highest = ax.transData.transform((0, np.nanmax(data.scores)))
    assert highest < legend.y0
    assert legend.x0 >= ax.get_window_extent().x0 - 1
    assert legend.x1 <= ax.get_window_extent().x1 + 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_failures_are_marked_at_the_edge(classification):
    """What failed has a cross below all scores, and the legend says so."""
    search = search_of(estimator=Failing(below=0.3)).fit(*classification)
    n_failed = np.isnan(search.cv_results_["mean_test_score"]).sum()

    ax = SearchDisplay.from_estimator(search).ax_

    crosses = next(c for c in ax.collections if c.get_label() == "no finite score")
    assert n_failed > 0
    assert len(crosses.get_offsets()) == n_failed
    assert "no finite score" in legend_of(ax)


class Diverging(Scored):
    """Scores as usual, or very badly if the quality is low."""

    def score(self, X, y=None):
        """Return the score."""
        return super().score(X, y) if self.quality > 0.05 else -1e6


@pytest.mark.parametrize("kind", ["rungs", "parameters"])
def test_a_few_very_bad_scores_do_not_flatten_the_others(classification, kind):
    """They are marked at the edge, and the axis ends at the others."""
    search = search_of(estimator=Diverging(), n_candidates=60).fit(*classification)
    assert search.cv_results_["mean_test_score"].min() == -1e6

    ax = SearchDisplay.from_estimator(search, kind=kind).ax_

    marks = [c for c in ax.collections if str(c.get_label()).startswith("below")]
    assert len(marks) == 1
    assert ax.get_ylim()[0] > -10


# --- incumbent ---------------------------------------------------------------------


def test_the_incumbent_is_the_best_of_the_highest_level_so_far(classification):
    """Scores of a higher level replace those of lower levels; within one, they only rise."""
    search = search_of(min_resources=1, min_splits=1).fit(*classification)

    data = data_of(search, kind="incumbent")

    assert len(data.scores) == len(search.n_candidates_)
    assert list(data.level_sizes) == sorted(data.level_sizes)
    assert data.scores[-1] == search.best_score_
    for size in set(data.level_sizes):
        of_level = data.scores[[other == size for other in data.level_sizes]]
        assert (np.diff(of_level) >= 0).all()


def test_levels_are_in_the_order_in_which_they_were_evaluated(searched_widely):
    """All brackets of a round are evaluated together, and the rounds one after another."""
    data = data_of(searched_widely, kind="incumbent", over="resource")

    levels, results = searched_widely.plan_.levels, searched_widely.cv_results_
    assert data.repeats.tolist() == [level.repeat for level in levels]
    trained = results["n_resources_trained"] * results["n_splits"]
    first = [
        trained[
            (results["repeat"] == level.repeat)
            & (results["n_resources"] == level.n_resources)
            & (results["n_splits"] == level.n_splits)
        ].sum()
        for level in levels
    ]
    np.testing.assert_allclose(data.spent, np.cumsum(first) / 27)


def test_what_was_spent_is_the_time_of_the_rungs_or_the_cost_of_the_plan(classification):
    """Splits that were evaluated before are not counted again."""
    search = search_of(min_splits=1, continue_training=False).fit(*classification)

    seconds = data_of(search, kind="incumbent", over="time").spent[-1]
    resource = data_of(search, kind="incumbent", over="resource").spent[-1]

    assert seconds == pytest.approx(sum(rung.seconds for rung in search.rungs_.rungs))
    assert resource == pytest.approx(search.plan_.cost())


@pytest.mark.parametrize(
    ("over", "label"),
    [
        ("time", "Time for fits and scores, all workers (seconds)"),
        ("resource", "Resource spent (1 = a fit with n_units=27)"),
    ],
)
def test_the_axis_names_the_unit(searched, over, label):
    """The label says what was spent, and in which unit."""
    ax = SearchDisplay.from_estimator(searched, kind="incumbent", over=over).ax_

    assert ax.get_xlabel() == label
    assert ax.get_ylabel() == "Best mean test score"


@pytest.mark.parametrize(
    ("seconds", "label"), [(100.0, "seconds"), (1000.0, "minutes"), (20_000.0, "hours")]
)
def test_long_times_are_in_larger_units(searched, seconds, label):
    """A search of hours is not shown in seconds."""
    data = data_of(searched, kind="incumbent")
    slower = type(data)(**{**vars(data), "spent": data.spent / data.spent[-1] * seconds})

    ax = SearchDisplay(slower).plot().ax_

    assert label in ax.get_xlabel()
    assert ax.get_xlim()[1] < 150


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_failures_at_the_highest_level_leave_the_incumbent(classification):
    """If all candidates fail with all of the resource, the best of the level below stays."""
    search = search_of(estimator=Failing(below=2.0, from_units=27), min_resources=1)
    with pytest.warns(UserWarning, match="No candidate has a score with n_units=27"):
        search.fit(*classification)

    data = data_of(search, kind="incumbent")

    assert np.isfinite(data.scores).all()
    assert max(data.level_sizes).n_resources < 27


# --- parameters --------------------------------------------------------------------


def test_a_candidate_has_the_score_of_its_highest_level(classification):
    """Each candidate is one point, with the last score that it got."""
    search = search_of(min_resources=1).fit(*classification)
    results = search.cv_results_

    data = data_of(search, kind="parameters")

    for candidate, score in enumerate(data.scores):
        rows = results["candidate_id"] == candidate
        assert score == results["mean_test_score"][rows][results["n_resources"][rows].argmax()]
    assert len(data.scores) == len(set(results["candidate_id"].tolist()))


def test_parameter_that_is_called_n_samples_is_shown(classification):
    """It has the values of the candidates, not the one of the estimator."""
    search = HyperbandSearchCV(Sampled(), {"n_samples": range(2, 100)}).fit(*classification)

    (shown,) = data_of(search, kind="parameters").parameters

    tried = {params["n_samples"] for params in search.cv_results_["params"]}
    assert set(shown.numbers) == tried


class Free(Scored):
    """Has a parameter for each kind of value."""

    def __init__(self, quality=0.0, n_units=1, label=None, other=None):
        super().__init__(quality, n_units, label)
        self.other = other


@pytest.mark.parametrize(
    ("values", "is_log", "has_integers"),
    [
        pytest.param(loguniform(1e-5, 10), True, False, id="loguniform"),
        pytest.param(lognorm(2), True, False, id="lognorm"),
        pytest.param(uniform(0, 1), False, False, id="uniform"),
        pytest.param(uniform(1, 99), False, False, id="uniform-above-zero"),
        pytest.param(randint(1, 500), False, True, id="randint"),
        pytest.param(np.logspace(-4, 4, 30), True, False, id="logspace"),
        pytest.param(range(1, 200), False, True, id="range"),
        pytest.param([2**k for k in range(12)], True, True, id="powers"),
        pytest.param(loguniform(1, 2), False, False, id="narrow"),
    ],
)
def test_numbers_have_an_axis_that_suits_them(classification, values, is_log, has_integers):
    """The axis is logarithmic where the values are spread evenly on a logarithmic axis."""
    search = search_of(estimator=Free(), space={"quality": uniform(), "other": values})
    search.fit(*classification)

    display = SearchDisplay.from_estimator(search, kind="parameters", parameters=["other"])

    (shown,) = display.data.parameters
    assert (shown.axis.is_log, shown.axis.has_integers) == (is_log, has_integers)
    assert display.ax_.get_xscale() == ("log" if is_log else "linear")
    ticks = display.ax_.get_xticks()
    assert len(ticks) >= 2
    if has_integers:
        assert (ticks == np.round(ticks)).all()


def test_an_axis_reaches_to_the_ends_of_the_space(classification):
    """It shows where nothing was drawn, too, so that a best value at the edge is seen as one."""
    search = search_of(
        estimator=Free(), space={"quality": [0.1, 0.2], "other": loguniform(1, 1e6)}
    )
    search.fit(*classification)

    axis = data_of(search, kind="parameters", parameters=["other"]).parameters[0].axis

    assert (axis.low, axis.high) == (1, 1e6)


def square(x):
    """Return a square."""
    return x * x


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        pytest.param([4, 1, 2], ["1", "2", "4"], id="few-numbers"),
        pytest.param(["rbf", None, True], ["rbf", "None", "True"], id="mixed"),
        pytest.param([None, 0.5, 1], ["0.5", "1", "None"], id="numbers-and-none"),
        pytest.param([(10,), (50, 50)], ["(10,)", "(50, 50)"], id="tuples"),
        pytest.param([SVC(), SVC(C=2)], ["SVC", "SVC(C=2)"], id="estimators"),
        pytest.param([square], ["square"], id="function"),
        pytest.param([1, True], ["1", "True"], id="one-and-true"),
        pytest.param([1.0, 1, 2], ["1.0", "1", "2"], id="one-of-two-types"),
        pytest.param([None, "None"], ["None", "'None'"], id="none-and-its-name"),
        pytest.param([0.9999999, 1.0], ["0.9999999", "1.0"], id="many-digits"),
        pytest.param(
            ["x" * 50 + "a", "x" * 50 + "b"],
            [f"'{'x' * 18}…{'x' * 18}{end}'" for end in "ab"],
            id="long-with-one-beginning",
        ),
    ],
)
def test_other_values_stand_side_by_side(classification, values, labels):
    """They are labelled, also those that no candidate has; numbers come first, by size."""
    search = search_of(estimator=Free(), space={"quality": uniform(), "other": values})
    search.fit(*classification)

    display = SearchDisplay.from_estimator(search, kind="parameters", parameters=["other"])

    (shown,) = display.data.parameters
    assert shown.axis is None
    assert list(shown.labels) == labels
    assert len(display.ax_.get_xticks()) == len(labels)


def test_none_has_a_place_beside_an_axis_of_numbers(classification):
    """A parameter may have numbers in one dict of the space and None in another."""
    space = [{"quality": uniform(), "other": [None]}, {"quality": uniform(), "other": uniform(2)}]
    search = search_of(estimator=Free(), space=space).fit(*classification)

    display = SearchDisplay.from_estimator(search, kind="parameters", parameters=["other"])

    (shown,) = display.data.parameters
    assert shown.labels == ("None",)
    assert np.isnan(shown.numbers).sum() == (shown.label_numbers == 0).sum() > 0
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels[-1] == "None"
    assert labels[0].replace(".", "").isdigit()


def test_candidates_without_a_parameter_are_left_out_of_its_panel(classification):
    """The panel says how many candidates have the parameter."""
    space = [{"quality": uniform(), "other": uniform()}, {"quality": uniform()}]
    search = search_of(estimator=Free(), space=space).fit(*classification)
    n_with = len(
        {
            c
            for c, p in zip(*columns(search, "candidate_id", "params"), strict=True)
            if "other" in p
        }
    )

    display = SearchDisplay.from_estimator(search, kind="parameters", parameters=["other"])

    n_all = len(display.data.scores)
    assert len(display.data.parameters[0].candidates) == n_with < n_all
    assert display.ax_.get_xlabel() == f"other\n({n_with} of {n_all} candidates)"


def columns(search, *names):
    """Return columns of the results."""
    return [search.cv_results_[name] for name in names]


def test_initial_candidates_have_the_values_of_the_estimator(classification):
    """What an initial candidate does not name is as in the estimator."""
    search = search_of(
        estimator=Free(quality=0.77), initial_candidates=[{}], space={"quality": uniform()}
    ).fit(*classification)

    (shown,) = data_of(search, kind="parameters").parameters

    assert 0.77 in shown.numbers
    assert len(shown.candidates) == len(set(search.cv_results_["candidate_id"].tolist()))


def test_a_distribution_of_the_users_own_is_drawn(classification):
    """It need not have more than `rvs`."""

    class Coin:
        def rvs(self, random_state):
            return float(random_state.uniform())

    search = search_of(space={"quality": Coin()}).fit(*classification)

    (shown,) = data_of(search, kind="parameters").parameters

    assert shown.axis.low == shown.numbers.min()
    SearchDisplay.from_estimator(search, kind="importances").figure_.canvas.draw()


def test_parameters_are_shown_in_the_order_of_their_names(classification, plt):
    """The panels are those of the names, on the axes that are given."""
    search = search_of(space={"quality": uniform(), "label": ["a", "b"]}).fit(*classification)
    _, axes = plt.subplots(1, 2)

    display = SearchDisplay.from_estimator(
        search, kind="parameters", parameters=["label", "quality"], ax=axes
    )

    assert display.axes_.tolist() == axes.tolist()
    assert [ax.get_xlabel() for ax in axes] == ["label", "quality"]


@pytest.mark.parametrize("size", [(4, 3), (6.4, 4.8), (12, 8)])
def test_panels_lie_within_the_axes_that_are_divided(classification, size, plt):
    """The panels do not overlap, nor do their labels with other panels."""
    space = {"quality": uniform(), "label": ["a" * 30, "b" * 30], "other": loguniform(1e-6, 1)}
    search = search_of(estimator=Free(), space=space).fit(*classification)
    figure, ax = plt.subplots(figsize=size)
    frame = ax.get_position()

    display = SearchDisplay.from_estimator(search, kind="parameters", ax=ax)

    figure.draw_without_rendering()
    assert not boxes_overlap([panel.get_tightbbox() for panel in display.axes_])
    for panel in display.axes_:
        place = panel.get_position()
        assert place.x0 >= frame.x0 - 1e-6
        assert place.x1 <= frame.x1 + 1e-6
        assert place.y1 <= frame.y1 + 1e-6


# --- importances -------------------------------------------------------------------


def test_what_decides_the_score_is_most_important(classification):
    """A parameter that the score depends on comes first; the others explain next to nothing."""
    space = {"label": ["a", "b", "c"], "quality": uniform(), "other": loguniform(1e-3, 1)}
    search = search_of(estimator=Free(), space=space, n_candidates=30).fit(*classification)

    data = data_of(search, kind="importances")

    assert data.names[0] == "quality"
    assert data.shares[0] > 0.8
    assert (data.shares[1:] < 0.05).all()
    assert data.unexplained < 0.2


class Random(Scored):
    """Scores at random."""

    def __init__(self, quality=0.0, n_units=1, label=None, other=None):
        super().__init__(quality, n_units, label)
        self.other = other

    def score(self, X, y=None):
        """Return a number that depends on the parameters without order."""
        return float(np.random.default_rng(int(self.quality * 1e9)).uniform())


def test_chance_is_not_explained(classification):
    """If the score does not depend on the parameters, none is important."""
    space = {"quality": uniform(), "other": uniform()}
    search = search_of(estimator=Random(), space=space, n_candidates=40)
    search.fit(*classification)

    data = data_of(search, kind="importances")

    assert (data.shares < 0.1).all()
    assert data.unexplained > 0.8


class ByKind(Free):
    """Scores by the label only."""

    def score(self, X, y=None):
        """Return the score of the label."""
        return {"good": 1.0, "bad": 0.0}[self.label] + 1e-3 * self.quality


def test_the_parameter_that_chooses_the_dict_is_important(classification):
    """In a list of dicts, the values of a parameter may tell the dicts apart."""
    space = [
        {"label": ["good"], "quality": uniform()},
        {"label": ["bad"], "quality": uniform(), "other": uniform()},
    ]
    search = search_of(estimator=ByKind(), space=space, n_candidates=30).fit(*classification)

    data = data_of(search, kind="importances")

    assert data.names[0] == "label"
    assert data.shares[0] > 0.8
    assert (data.shares[1:] < 0.05).all()


def test_levels_are_put_on_one_scale(classification):
    """That low levels have lower scores explains nothing."""
    search = search_of(
        estimator=Scored(), space=QUALITY, min_resources=1, n_candidates=30, max_resources=20_000
    ).fit(*classification)

    data = data_of(search, kind="importances")

    assert np.ptp(search.cv_results_["mean_test_score"]) > 10
    assert data.shares[0] > 0.8


@pytest.mark.parametrize("n_candidates", [1, 2, 5])
def test_few_candidates_explain_little(classification, n_candidates):
    """With a few candidates the picture can be drawn."""
    search = search_of(SuccessiveHalvingSearchCV, n_candidates=n_candidates).fit(*classification)

    display = SearchDisplay.from_estimator(search, kind="importances")

    display.figure_.canvas.draw()
    assert display.data.n_candidates == n_candidates
    assert 0 <= display.data.unexplained <= 1


# --- all kinds of searches ---------------------------------------------------------


@pytest.fixture(scope="module")
def failed(classification):
    """Give a search of which all candidates failed."""
    search = search_of(estimator=Failing(below=2.0))
    with pytest.raises(ValueError, match="too low"):
        search.fit(*classification)
    return search


@pytest.fixture(scope="module")
def stopped(classification):
    """Give a search that an exception ended on the highest level."""
    search = search_of(estimator=Failing(below=2.0, from_units=27), error_score="raise")
    with pytest.raises(ArithmeticError):
        search.fit(*classification)
    return search


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_search_is_drawn(failed, stopped, kind):
    """What was measured before an exception is shown, also if no score is finite."""
    for search in (failed, stopped):
        SearchDisplay.from_estimator(search, kind=kind).figure_.canvas.draw()


@pytest.fixture(scope="module")
def searched_twice(classification, tmp_path_factory):
    """Give two searches, of which the second takes all scores from the journal of the first."""
    path = tmp_path_factory.mktemp("journal") / "search.sqlite"
    return [search_of(journal=path).fit(*classification) for _ in range(2)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_replayed_search_is_drawn_as_the_first_one(searched_twice, kind):
    """What a journal replays has the scores and the times of the first time."""
    first, again = searched_twice
    assert again.n_replayed_ > 0

    one, other = data_of(first, kind=kind), data_of(again, kind=kind)

    np.testing.assert_equal(as_plain(other), as_plain(one))


def as_plain(value):
    """Return records as dicts, which NumPy can compare."""
    if dataclasses.is_dataclass(value):
        return {name: as_plain(item) for name, item in vars(value).items()}
    return [as_plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.fixture(scope="module")
def searched_in_time(classification):
    """Give a search with a time limit."""
    return search_of(max_time=60, n_repeats=2).fit(*classification)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_with_a_time_limit_is_drawn(searched_in_time, kind):
    """Its rounds may have other levels than the plan."""
    SearchDisplay.from_estimator(searched_in_time, kind=kind).figure_.canvas.draw()


@pytest.fixture(scope="module")
def searched_by_samples(classification):
    """Give a search of five hundred candidates."""
    return SuccessiveHalvingSearchCV(
        Scored(), QUALITY, n_candidates=500, resource="n_samples", cv=2, random_state=0
    ).fit(*classification)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_and_five_hundred_candidates_are_drawn(searched_by_samples, kind):
    """A wide search has small points."""
    display = SearchDisplay.from_estimator(searched_by_samples, kind=kind)

    display.figure_.canvas.draw()
    scatters = [c for c in display.ax_.collections if hasattr(c, "get_sizes")]
    assert all(c.get_sizes().max() < 30 for c in scatters if len(c.get_offsets()) > 100)


# --- values that are hard to draw --------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([*np.logspace(-3, 3, 9), np.inf], {}),
        (loguniform(1e-3, 1e3), {"initial_candidates": [{"label": np.inf}]}),
        ([10**400, 1, 2], {}),
        ([np.timedelta64(1, "s"), np.timedelta64(2, "s")], {}),
        ([r"\w$|x^$|", r"$\foo{$"], {}),
        (range(10**12), {}),
    ],
    ids=["infinite", "infinite initial", "huge", "durations", "dollars", "long range"],
)
def test_values_that_are_hard_to_draw(classification, values, options):
    """The figure of the parameters can be drawn."""
    search = search_of(space={"label": values, **QUALITY}, **options).fit(*classification)

    display = SearchDisplay.from_estimator(search, kind="parameters")

    display.figure_.canvas.draw()


def test_a_parameter_that_no_candidate_has_is_drawn(classification):
    """Of a list of dicts, one may not have been drawn from."""
    space = [{"quality": uniform()}, {"quality": uniform(), "label": loguniform(1, 10)}]
    search = SuccessiveHalvingSearchCV(
        Scored(), space, n_candidates=1, resource="n_units", max_resources=3, random_state=0
    )
    search.fit(*classification)
    assert "label" not in search.best_params_

    display = SearchDisplay.from_estimator(search, kind="parameters")

    display.figure_.canvas.draw()
    assert display.axes_.size == 2


def test_values_stand_in_the_users_order(classification):
    """Categories that have an order keep it, whichever was drawn first."""
    sizes = ["small", "medium", "large"]

    for seed in range(4):
        search = search_of(space={"label": sizes, **QUALITY}, random_state=seed)
        data = data_of(search.fit(*classification), kind="parameters", parameters=["label"])
        assert data.parameters[0].labels == tuple(sizes)


def test_a_halving_search_of_scikit_learn_is_refused(classification):
    """It has parameters of the same names, and other results."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV

    search = HalvingRandomSearchCV(Scored(), QUALITY, random_state=0).fit(*classification)

    with pytest.raises(TypeError, match="got HalvingRandomSearchCV"):
        SearchDisplay.from_estimator(search)


@pytest.mark.parametrize("layout", ["constrained", "tight", None])
def test_divided_axes_stay_in_their_place(classification, plt, layout):
    """Panels lie within the axes that were given, next to others, and are replaced."""
    search = search_of(space={"label": [1, 2], **QUALITY}).fit(*classification)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout=layout)
    axes[0].plot([0, 1])

    display = SearchDisplay.from_estimator(search, kind="parameters", ax=axes[1])
    display.plot(axes[1])

    figure.canvas.draw()
    left = axes[0].get_window_extent().x1
    assert len(axes[1].child_axes) == 2
    assert all(panel.get_window_extent().x0 > left for panel in display.axes_)


@pytest.mark.parametrize(
    ("value", "label"), [(np.int64(5), "5"), (np.True_, "True"), (np.str_("a"), "a")]
)
def test_values_are_labelled_as_those_of_python(value, label):
    """A candidate from a list of NumPy's numbers reads like any other."""
    assert _label(value) == label
