"""Studies of Optuna that are made from searches, and what Optuna makes of them."""

import builtins
import copy
import json
import math
import pickle
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from datetime import timedelta
from urllib.error import URLError

import numpy as np
import pytest
from scipy.stats import expon, geom, loguniform, norm, randint, rv_discrete, uniform
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV, to_optuna
from skhyperband._optuna import quiet
from tests.estimators import Failing, Sampled, Scored

optuna = pytest.importorskip("optuna", reason="the oldest dependencies are without Optuna")
COMPLETE, PRUNED, FAIL = (
    optuna.trial.TrialState.COMPLETE,
    optuna.trial.TrialState.PRUNED,
    optuna.trial.TrialState.FAIL,
)
Float = optuna.distributions.FloatDistribution
Int = optuna.distributions.IntDistribution
Categorical = optuna.distributions.CategoricalDistribution


def halving(estimator=None, space=None, **options):
    """Return a search over nine candidates that cost nothing."""
    options = {
        "n_candidates": 9,
        "resource": "n_units",
        "max_resources": 9,
        "min_resources": 1,
        "min_splits": None,
        "cv": 3,
        "random_state": 0,
    } | options
    return SuccessiveHalvingSearchCV(
        Scored() if estimator is None else estimator,
        {"quality": uniform(0, 1)} if space is None else space,
        **options,
    )


def labels(space, **options):
    """Return a search over values that no score depends on."""
    return halving(Scored(quality=0.5), space, min_resources=9, **options)


def study_of(classification, *args, **options):
    """Return the study of a search over `labels`."""
    return to_optuna(labels(*args, **options).fit(*classification))


def distributions_of(study):
    """Return the distributions of all parameters of a study by name."""
    return {name: d for trial in study.trials for name, d in trial.distributions.items()}


class Drawn:
    """A distribution that can only draw: the values of a list, one after the other."""

    def __init__(self, *values):
        self.values = values

    def rvs(self, random_state=None):
        """Draw one of the values."""
        return self.values[random_state.randint(len(self.values))]


# --- the trials --------------------------------------------------------------------


def test_a_trial_for_each_candidate(classification):
    """Trials are in the order in which the candidates entered; the study maximizes."""
    search = HyperbandSearchCV(
        Scored(), {"quality": uniform(0, 1)}, resource="n_units", max_resources=9, cv=3
    ).fit(*classification)

    study = to_optuna(search)

    ids = [trial.user_attrs["candidate_id"] for trial in study.trials]
    assert ids == sorted(set(search.cv_results_["candidate_id"].tolist()))
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE


def test_states_and_values(classification):
    """Who reached the highest level is complete, the others are pruned; values are last scores."""
    search = halving().fit(*classification)
    results = search.cv_results_

    study = to_optuna(search)

    for trial in study.trials:
        rows = np.flatnonzero(results["candidate_id"] == trial.number)
        last = rows[results["n_resources"][rows].argmax()]
        assert trial.value == results["mean_test_score"][last]
        assert trial.state == (COMPLETE if results["n_resources"][last] == 9 else PRUNED)
    assert study.best_value == search.best_score_
    assert study.best_params == {"quality": search.best_params_["quality"]}


def test_steps_are_amounts_of_the_resource(classification):
    """Where all rungs have the same splits, a step is the amount that the candidate had."""
    search = halving().fit(*classification)

    study = to_optuna(search)

    steps = [tuple(trial.intermediate_values) for trial in study.trials]
    assert sorted(map(len, steps)) == [1] * 6 + [2] * 2 + [3]
    assert max(steps, key=len) == (1, 3, 9)
    assert study.best_trial.intermediate_values[9] == study.best_value
    assert study.user_attrs["step"] == "n_units"


def test_steps_with_splits_that_grow(classification):
    """Where rungs differ in their splits, a step is the amount times the splits."""
    search = halving(min_splits=1).fit(*classification)
    levels = list(zip(search.n_resources_, [r.n_splits for r in search.plan_.rungs], strict=True))

    study = to_optuna(search)

    assert len({n_splits for _, n_splits in levels}) > 1
    assert list(study.best_trial.intermediate_values) == [r * n_splits for r, n_splits in levels]
    assert study.user_attrs["step"] == "n_units x n_splits"


def test_steps_of_a_search_whose_highest_level_has_fewer_splits(classification):
    """They rise from level to level, though the amount times the splits does not."""

    class InterruptedLater(Scored):
        n_full_fits = 0

        def fit(self, X, y=None):
            InterruptedLater.n_full_fits += self.n_units == 9
            if InterruptedLater.n_full_fits > 1:
                raise KeyboardInterrupt
            return super().fit(X, y)

    search = halving(InterruptedLater())
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)
    assert search.cv_results_["n_splits"][search.cv_results_["n_resources"] == 9].tolist() == [1]

    study = to_optuna(search)

    (longest,) = [t.intermediate_values for t in study.trials if len(t.intermediate_values) > 2]
    assert list(longest) == [1, 2, 3]
    assert study.user_attrs["step"] == "level"


def test_a_resource_of_samples(classification):
    """The number of samples is the step."""
    search = halving(resource="n_samples", max_resources="auto", min_resources=30)

    study = to_optuna(search.fit(*classification))

    assert max(study.best_trial.intermediate_values) == 240
    assert study.best_params.keys() == {"quality"}


def test_failures_fail(classification):
    """A candidate whose last score is NaN has failed, and keeps its scores before that."""
    search = halving(Failing(below=0.85, from_units=3), {"quality": np.linspace(0.1, 0.9, 9)})
    with pytest.warns(FitFailedWarning):
        search.fit(*classification)

    study = to_optuna(search)

    failed = [trial for trial in study.trials if trial.state == FAIL]
    assert [trial.params["quality"] for trial in failed] == pytest.approx([0.7, 0.8])
    assert all(trial.values is None and list(trial.intermediate_values) == [1] for trial in failed)


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "file"])
def test_infinite_scores(classification, tmp_path, stored):
    """An infinite score is the value of its trial."""
    search = halving(Failing(step="inf", below=0.5), n_candidates=9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(*classification)

    study = to_optuna(search, storage=f"sqlite:///{tmp_path / 'x.db'}" if stored else None)

    assert sum(trial.value == -math.inf for trial in study.trials) > 0
    assert {trial.state for trial in study.trials} == {COMPLETE, PRUNED}


def test_attributes_of_the_trials(classification):
    """A trial says where its candidate entered, where it ended, and what it cost."""
    search = HyperbandSearchCV(
        Scored(), {"quality": uniform(0, 1)}, resource="n_units", max_resources=9, cv=3
    ).fit(*classification)
    results = search.cv_results_
    seconds = sum(rung.seconds for rung in search.rungs_.rungs)

    trials = to_optuna(search).trials

    for name in ("repeat", "candidate_id"):
        assert {t.user_attrs[name] for t in trials} == set(results[name].tolist())
    entered = [(t.user_attrs["repeat"], t.user_attrs["bracket"]) for t in trials]
    assert {(b.repeat, b.s): entered.count((b.repeat, b.s)) for b in search.plan_.brackets} == {
        (b.repeat, b.s): b.n_candidates for b in search.plan_.brackets
    }
    assert {(t.user_attrs["n_resources"], t.user_attrs["n_splits"]) for t in trials} == set(
        zip(results["n_resources"].tolist(), results["n_splits"].tolist(), strict=True)
    )
    spent = sum(t.user_attrs["fit_seconds"] + t.user_attrs["score_seconds"] for t in trials)
    assert spent == pytest.approx(seconds)


def test_times_of_the_trials(classification):
    """A trial lasts as long as its fits and scores took, and they follow one another."""
    trials = to_optuna(halving().fit(*classification)).trials

    for trial in trials:
        seconds = trial.user_attrs["fit_seconds"] + trial.user_attrs["score_seconds"]
        assert abs(trial.duration - timedelta(seconds=seconds)) < timedelta(microseconds=2)
    ends = [trial.datetime_complete for trial in trials]
    assert [trial.datetime_start for trial in trials[1:]] == ends[:-1]


def test_attributes_of_the_study(classification):
    """The study says what was measured, and with how much."""
    study = to_optuna(halving(scoring="accuracy").fit(*classification))

    assert study.metric_names == ["accuracy"]
    assert study.user_attrs == {
        "metric": "accuracy",
        "resource": "n_units",
        "max_resources": 9,
        "n_splits": 3,
        "step": "n_units",
    }


# --- several metrics ---------------------------------------------------------------


@pytest.fixture(scope="module")
def several(classification):
    """Give a search with two metrics, one of which promotes."""
    return SuccessiveHalvingSearchCV(
        LogisticRegression(),
        {"C": loguniform(1e-3, 1e3)},
        n_candidates=9,
        scoring=["roc_auc", "neg_log_loss"],
        rank_by="roc_auc",
        refit="neg_log_loss",
        cv=3,
        random_state=0,
    ).fit(*classification)


def test_the_metric_that_promotes(several):
    """By default it is the value; the other metric is an attribute."""
    study = to_optuna(several)

    assert study.metric_names == ["roc_auc"]
    first = several.cv_results_["rank_test_roc_auc"].argmin()
    assert study.best_value == several.cv_results_["mean_test_roc_auc"][first]
    assert all(trial.user_attrs["neg_log_loss"] < 0 for trial in study.trials)


def test_another_metric(several):
    """Any metric of the search can be the value."""
    study = to_optuna(several, metric="neg_log_loss")

    assert study.metric_names == ["neg_log_loss"]
    assert study.best_value == several.best_score_


# --- distributions -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "distribution"),
    [
        (loguniform(1e-3, 1e3), Float(1e-3, 1e3, log=True)),
        (uniform(2, 3), Float(2, 5)),
        (randint(1, 10), Int(1, 9)),
        (range(1, 10), Int(1, 9)),
        (range(9, 0, -1), Int(1, 9)),
        (rv_discrete(values=([0.01, 0.1, 1, 10, 100], [0.2] * 5)), Float(0.01, 100, log=True)),
        (rv_discrete(values=([0.5, 1.0, 1.5], [0.3, 0.4, 0.3])), Float(0.5, 1.5)),
        (["a", "b"], Categorical(["a", "b"])),
        ([0.1, 2, None], Categorical([0.1, 2, None])),
        (np.array([0.5, 0.25]), Categorical([0.5, 0.25])),
        (np.array(["x", "y"]), Categorical(["x", "y"])),
        (np.geomspace(1e-4, 1, 65), Float(1e-4, 1, log=True)),
        (np.arange(65), Int(0, 64)),
    ],
    ids=lambda value: getattr(getattr(value, "dist", value), "name", str(value)),
)
def test_distributions(classification, values, distribution):
    """Bounds, scales and choices are those of the search."""
    has_values = isinstance(distribution, Categorical) or isinstance(values, range)
    options = {"n_candidates": 2} if has_values else {}
    found = distributions_of(study_of(classification, {"label": values}, **options))["label"]

    assert type(found) is type(distribution)
    if isinstance(found, Categorical):
        assert found.choices == distribution.choices
        assert [type(c) for c in found.choices] == [type(c) for c in distribution.choices]
    else:
        assert (found.low, found.high) == pytest.approx((distribution.low, distribution.high))
        assert found.log == distribution.log


@pytest.mark.parametrize(
    ("values", "kind"),
    [(norm(5, 2), Float), (expon(), Float), (geom(0.5), Int)],
    ids=["norm", "expon", "geom"],
)
def test_distributions_without_an_end(classification, values, kind):
    """Their ends are quantiles far out, or what was drawn beyond them."""
    study = study_of(classification, {"label": values})
    found = distributions_of(study)["label"]
    drawn = [trial.params["label"] for trial in study.trials]
    low, _ = values.support()

    assert type(found) is kind
    assert found.low == pytest.approx(low if np.isfinite(low) else min([values.ppf(1e-3), *drawn]))
    assert found.high == pytest.approx(max([values.ppf(1 - 1e-3), *drawn]))


def test_distributions_that_can_only_draw(classification):
    """The numbers that were drawn are the ends, and values that are no numbers are choices."""
    space = {"label": Drawn(1, 3, 7), "quality": Drawn(0.5, 0.25)}
    found = distributions_of(study_of(classification, space, n_candidates=27))
    texts = distributions_of(study_of(classification, {"label": Drawn("a", (1, 2))}))

    assert found == {"label": Int(1, 7), "quality": Float(0.25, 0.5)}
    assert set(texts["label"].choices) == {"a", "(1, 2)"}


def test_parts_of_a_space(classification):
    """Dicts of a list share a distribution; a candidate has the parameters of its own dict."""
    space = [
        {"label": ["a"], "quality": uniform(0, 0.5)},
        {"label": ["b", "a"], "quality": uniform(0.25, 0.75)},
        {"label": ["c"]},
    ]
    study = study_of(classification, space, n_candidates=27)

    assert distributions_of(study) == {
        "label": Categorical(["a", "b", "c"]),
        "quality": Float(0, 1),
    }
    assert all(
        ("quality" in trial.params) == (trial.params["label"] != "c") for trial in study.trials
    )


def test_numbers_and_other_values(classification):
    """What is no number is in another parameter, since a distribution has either."""
    space = [{"label": ["scale", 0.5, None]}, {"label": loguniform(1e-3, 1)}]
    study = study_of(classification, space, n_candidates=27)

    assert distributions_of(study) == {
        "label": Float(1e-3, 1, log=True),
        "label (other)": Categorical(["scale", None]),
    }
    assert all(len(trial.params) == 1 for trial in study.trials)


def test_initial_candidates_outside_of_the_space(classification):
    """Numbers extend the distribution; zero on a logarithmic scale and others are apart."""
    initial = [{"label": label} for label in (50.0, 0, None, math.inf, 3)]
    study = study_of(classification, {"label": loguniform(1e-3, 1)}, initial_candidates=initial)

    assert distributions_of(study) == {
        "label": Float(1e-3, 50, log=True),
        "label (other)": Categorical([0, None, "inf"]),
    }
    assert [trial.params for trial in study.trials][:5] == [
        {"label": 50.0},
        {"label (other)": 0},
        {"label (other)": None},
        {"label (other)": "inf"},
        {"label": 3.0},
    ]


def test_initial_candidates_that_are_no_integers(classification):
    """A fraction among integers is apart; a float that is an integer is one."""
    initial = [{"label": 2.5}, {"label": 3.0}]
    study = study_of(classification, {"label": randint(1, 9)}, initial_candidates=initial)

    assert study.trials[0].params == {"label (other)": 2.5}
    assert study.trials[1].params == {"label": 3}


def test_initial_candidates_that_name_little(classification):
    """A parameter that is not named has the value of the estimator; a new one is a choice."""
    search = SuccessiveHalvingSearchCV(
        DecisionTreeClassifier(max_depth=3),
        {"max_depth": randint(1, 5), "criterion": ["gini", "entropy"]},
        initial_candidates=[{}, {"max_depth": 4}, {"splitter": "random"}],
        n_candidates=9,
        cv=3,
        random_state=0,
    ).fit(*classification)

    params = [trial.params for trial in to_optuna(search).trials]

    assert params[0] == {"max_depth": 3, "criterion": "gini"}
    assert params[1] == {"max_depth": 4, "criterion": "gini"}
    assert params[2] == {"splitter": "random"}


@pytest.mark.parametrize(
    ("values", "choices"),
    [
        ([(1, 2), (3,)], ("(1, 2)", "(3,)")),
        ([SVC(C=2), SVC()], ("SVC(C=2)", "SVC()")),
        ([np.arange(3), None], ("array([0, 1, 2])", None)),
        ([math.nan, -math.inf, 1.5], ("nan", "-inf", 1.5)),
        ([True, False], (True, False)),
        ([np.float32(0.5), np.int64(2), np.bool_(True)], (0.5, 2, True)),
        ([1, True, 1.0], ("1", "True", "1.0")),
        (["x" * 999], ("x" * 999,)),
        ([("x" * 999,)], None),
    ],
    ids=["tuples", "estimators", "arrays", "no number", "bools", "numpy", "equal", "str", "long"],
)
def test_values_that_optuna_stores(classification, tmp_path, values, choices):
    """What Optuna cannot store is its repr, and equal values of different types stay apart."""
    search = labels({"label": values}, n_candidates=len(values)).fit(*classification)

    study = to_optuna(search, storage=f"sqlite:///{tmp_path / 'x.db'}", study_name="x")

    found = distributions_of(study)["label"].choices
    assert choices is None or (found, [*map(type, found)]) == (choices, [*map(type, choices)])
    assert all(len(str(choice)) < 1000 for choice in found)
    assert {trial.params["label"] for trial in study.trials} == set(found)


SPACES = {
    "distributions": {"quality": uniform(0, 1), "label": loguniform(1e-3, 1e3)},
    "lists": {"quality": [0.1, 0.2, 0.3, 0.4], "label": ["a", None, 1]},
    "parts": [{"quality": uniform(0, 1), "label": randint(1, 9)}, {"quality": [0.5, 0.6]}],
    "mixed": {"quality": uniform(0, 1), "label": Drawn(1, "a", None, (1, 2))},
    "one": {"quality": [0.5]},
    "fixed": {"quality": uniform(0, 1), "label": ["a"]},
}


@pytest.fixture(scope="module", params=SPACES.values(), ids=SPACES)
def of_any_space(request, classification):
    """Give a fitted search over each kind of space."""
    search = HyperbandSearchCV(
        Scored(),
        request.param,
        resource="n_units",
        max_resources=9,
        n_repeats=1,
        cv=3,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The space ran out")
        return search.fit(*classification)


def test_a_study_can_be_stored(of_any_space, tmp_path):
    """What is read from a file is what was written, and what the search measured."""
    storage = f"sqlite:///{tmp_path / 'x.db'}"

    made = to_optuna(of_any_space, storage=storage, study_name="mine")
    read = optuna.load_study(study_name="mine", storage=storage)

    in_memory = to_optuna(of_any_space)
    assert len(read.trials) == of_any_space.plan_.n_candidates
    for one, other, third in zip(made.trials, read.trials, in_memory.trials, strict=True):
        assert (one.params, one.value, one.state) == (other.params, other.value, other.state)
        assert (one.params, one.value, one.state) == (third.params, third.value, third.state)
        assert one.distributions == other.distributions == third.distributions
        assert one.intermediate_values == other.intermediate_values


# --- other searches ----------------------------------------------------------------


def test_a_search_that_was_saved(classification):
    """A pickled search, and one without refit, have the same study."""
    search = halving(refit=False).fit(*classification)
    loaded = pickle.loads(pickle.dumps(search))

    params = [[trial.params for trial in to_optuna(one).trials] for one in (search, loaded)]

    assert params[0] == params[1]


def test_a_search_that_was_interrupted(classification, monkeypatch):
    """What was measured is in the study, at the highest level that the search reached."""
    calls = iter(range(30))
    score = Scored.score

    def interrupted(self, X, y=None):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return score(self, X, y)

    monkeypatch.setattr(Scored, "score", interrupted)
    search = halving()
    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    states = [trial.state for trial in to_optuna(search).trials]

    assert len(states) == 9
    assert COMPLETE in states


# --- what can go wrong -------------------------------------------------------------


def test_what_is_no_search_of_this_package(classification):
    """The error names the two searches."""
    search = RandomizedSearchCV(Scored(), {"quality": [1]}, n_iter=1).fit(*classification)

    with pytest.raises(TypeError, match=r"HyperbandSearchCV.*got RandomizedSearchCV"):
        to_optuna(search)


def test_a_search_that_is_not_fitted():
    """The error says to call fit."""
    with pytest.raises(NotFittedError, match="call fit first"):
        to_optuna(halving())


def test_a_metric_that_is_not_there(several):
    """The error names the metrics of the search."""
    with pytest.raises(ValueError, match=r"metric='f1'.*\['roc_auc', 'neg_log_loss'\]"):
        to_optuna(several, metric="f1")


def test_a_name_that_is_taken(several, tmp_path):
    """The error says what to do, and the study that is there stays as it was."""
    storage = f"sqlite:///{tmp_path / 'x.db'}"
    to_optuna(several, storage=storage, study_name="mine")

    with pytest.raises(ValueError, match=r"study_name='mine'.*give another name"):
        to_optuna(several, storage=storage, study_name="mine")
    assert len(optuna.load_study(study_name="mine", storage=storage).trials) == 9


def test_without_optuna(several, monkeypatch):
    """The error says what to install."""
    real = builtins.__import__

    def without_optuna(module, *args, **kwargs):
        if module.partition(".")[0] == "optuna":
            raise ImportError("No module named 'optuna'")
        return real(module, *args, **kwargs)

    for module in [m for m in sys.modules if m.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without_optuna)

    with pytest.raises(ImportError, match=r"to_optuna needs Optuna.*'skhyperband\[optuna\]'"):
        to_optuna(several)


def test_the_search_and_optuna_stay_as_they_are(several, capfd):
    """Nothing is printed, and neither the search nor Optuna's verbosity is changed."""
    before = copy.deepcopy(vars(several)), optuna.logging.get_verbosity()

    to_optuna(several)

    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before[1]
    assert vars(several).keys() == before[0].keys()
    np.testing.assert_equal(several.cv_results_, before[0]["cv_results_"])


# --- Optuna's plots ----------------------------------------------------------------

PLOTS = [
    "plot_optimization_history",
    "plot_param_importances",
    "plot_parallel_coordinate",
    "plot_slice",
    "plot_intermediate_values",
    "plot_contour",
    "plot_timeline",
]


@pytest.mark.parametrize("plot", PLOTS)
# Optuna warns of few trials, and of parameters with one value.
@pytest.mark.filterwarnings("ignore")
def test_plots_of_optuna(of_any_space, plot):
    """Optuna draws the study of any kind of space; a contour needs two parameters."""
    pytest.importorskip("plotly")
    study = to_optuna(of_any_space)
    scores = {trial.value for trial in study.trials if trial.state == COMPLETE}
    if plot == "plot_param_importances" and len(scores) == 1:
        pytest.skip("Optuna has no importances for what does not matter")

    figure = getattr(optuna.visualization, plot)(study)

    has_contour = len(study.best_params) > 1
    assert bool(figure.data) == (has_contour or plot != "plot_contour")


def test_what_the_plots_show(classification):
    """Curves are those of the candidates, and the history is that of the finalists."""
    pytest.importorskip("plotly")
    search = halving().fit(*classification)
    study = to_optuna(search)

    curves = optuna.visualization.plot_intermediate_values(study).data
    history = optuna.visualization.plot_optimization_history(study).data

    assert len(curves) == 9
    assert {x for curve in curves for x in curve.x} == {1, 3, 9}
    assert list(history[0].y) == [search.best_score_]


def test_level_of_the_log_is_restored_after_the_last_of_several():
    """Searches in two threads may end in any order."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    one, other = quiet(optuna), quiet(optuna)
    try:
        one.__enter__()
        other.__enter__()
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING
        one.__exit__(None, None, None)
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING
        other.__exit__(None, None, None)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)


# --- Optuna's dashboard ------------------------------------------------------------


def free_port():
    """Return a port of this machine that nobody listens to."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answer(address):
    """Return what the dashboard answers, as soon as it does."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as response:
                return json.load(response)
        except (URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture
def dashboard(tmp_path):
    """Start the dashboard of a storage; give the storage and the dashboard's address."""
    pytest.importorskip("optuna_dashboard")
    storage, port = f"sqlite:///{tmp_path / 'studies.db'}", free_port()
    start = "import sys; from optuna_dashboard._cli import main; sys.exit(main())"
    command = [sys.executable, "-W", "ignore", "-c", start, storage, "--port", str(port)]
    optuna.storages.RDBStorage(storage)
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        yield storage, f"http://127.0.0.1:{port}"
        process.terminate()


def test_the_dashboard_of_optuna(classification, dashboard):
    """A dashboard that runs as a process of its own shows the study and all its trials."""
    storage, address = dashboard
    space = [
        {"quality": uniform(0, 1), "label": randint(1, 9)},
        {"quality": [0.5, 0.7], "label": [None, "a", (1, 2), math.inf]},
    ]
    estimator = Failing(step="nan", below=0.3)
    search = halving(estimator, space, n_candidates=27)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(*classification)
    study = to_optuna(search, storage=storage, study_name="mine")

    (summary,) = answer(f"{address}/api/studies")["study_summaries"]
    detail = answer(f"{address}/api/studies/{summary['study_id']}")

    assert summary["study_name"] == "mine"
    states = [trial["state"].upper() for trial in detail["trials"]]
    assert states == [trial.state.name for trial in study.trials]
    assert {"COMPLETE", "PRUNED", "FAIL"} == set(states)
    names = {param["name"] for trial in detail["trials"] for param in trial["params"]}
    assert names == {"quality", "label", "label (other)"}


@pytest.mark.filterwarnings("ignore:No candidate has a score:UserWarning")
def test_failures_at_the_highest_level(classification):
    """If all candidates failed there, the others at the level below are complete."""
    estimator = Failing(below=2, from_units=9)
    with pytest.warns(FitFailedWarning, match="3 of 39"):
        search = halving(estimator, max_resources=9).fit(*classification)

    study = to_optuna(search)

    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert [trial.user_attrs["n_resources"] for trial in complete] == [3, 3]
    assert sum(trial.state == optuna.trial.TrialState.FAIL for trial in study.trials) == 1


def test_parameter_that_is_called_n_samples_has_its_values(classification):
    """It is not taken for the resource, and the estimator's own value does not take its place."""
    space = {"n_samples": range(2, 100)}
    search = HyperbandSearchCV(Sampled(), space, random_state=0).fit(*classification)

    study = to_optuna(search)

    tried = {params["n_samples"] for params in search.cv_results_["params"]}
    assert {trial.params["n_samples"] for trial in study.trials} == tried


def test_a_study_that_cannot_be_made_leaves_none(classification, tmp_path, monkeypatch):
    """An error before the trials are there leaves the name free."""
    search = halving().fit(*classification)
    storage = f"sqlite:///{tmp_path / 'optuna.sqlite'}"
    results = search.cv_results_
    search.cv_results_ = {k: v for k, v in results.items() if k != "mean_fit_time"}
    with pytest.raises(KeyError):
        to_optuna(search, storage=storage, study_name="one")
    search.cv_results_ = results

    study = to_optuna(search, storage=storage, study_name="one")

    assert study.study_name == "one"
