"""What scikit-learn's callbacks are told by a search; scikit-learn's own searches are the measure."""

import contextlib
import os
import pickle
import threading
import time

import joblib
import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV, ShuffleSplit, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.estimators import Deadly, Failing, Scored, grow
from tests.published import published

callback = pytest.importorskip(
    "sklearn.callback", reason="callbacks came with scikit-learn 1.9", exc_type=ImportError
)

QUALITY = {"quality": uniform(0, 1)}
EVALUATION = "candidate-split-evaluation"
ENGINES = {
    "sequential": (None, {}),
    "threading": (2, {"backend": "threading"}),
    "loky": (2, {"backend": "loky"}),
}


class Recording:
    """Notes which hooks are called, with what."""

    def __init__(self, *, stops_at=lambda estimator, context: False, fails_at=None):
        self.record = []
        self.stops_at = stops_at
        self.fails_at = fails_at

    def __getstate__(self):
        return {**vars(self), "record": [], "stops_at": None}

    def note(self, hook, estimator, context, **arguments):
        self.record.append((hook, estimator, context, arguments))
        if hook == self.fails_at:
            raise RuntimeError(f"This callback fails at {hook}.")

    def setup(self, estimator, context):
        self.note("setup", estimator, context)

    def teardown(self, estimator, context):
        self.note("teardown", estimator, context)

    def on_fit_task_begin(self, estimator, context):
        self.note("begin", estimator, context)

    def on_fit_task_end(self, estimator, context):
        self.note("end", estimator, context)
        return self.stops_at(estimator, context)

    def hooks(self, hook, task_name=None):
        return [
            entry
            for entry in self.record
            if entry[0] == hook and task_name in (None, entry[2].task_name)
        ]

    def names(self, hook):
        return [context.task_name for _, _, context, _ in self.hooks(hook)]


class Propagated(Recording):
    """Is handed on to inner estimators."""

    max_propagation_depth = None


class WithData(Recording):
    """Asks for the data of a task."""

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.note("begin", estimator, context, X=X, y=y, metadata=metadata)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None):
        self.note("end", estimator, context, X=X, y=y, metadata=metadata)


class WithFitted(Recording):
    """Asks for an estimator that can predict."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.note("end", estimator, context, fitted_estimator=fitted_estimator)


class Iterating(callback.CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Calls callbacks in each of its iterations."""

    def __init__(self, shift=0.0, max_iter=2):
        self.shift = shift
        self.max_iter = max_iter

    @callback.with_callbacks
    def fit(self, X, y, sample_weight=None):
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        for _ in range(self.max_iter):
            iteration = context.subcontext(task_name="iteration")
            iteration.call_on_fit_task_begin(estimator=self, X=X, y=y)
            iteration.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes={"mean_": float(np.mean(y))}
            )
        self.mean_ = float(np.mean(y))
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes={})
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_ + self.shift)


@pytest.fixture(params=ENGINES)
def engine(request):
    """Run a test with each engine; it gives `n_jobs`."""
    n_jobs, options = ENGINES[request.param]
    context = joblib.parallel_config(**options) if options else contextlib.nullcontext()
    with context:
        yield request.param, n_jobs


def searching(search_class, estimator=None, space=None, **options):
    options = {"cv": 3, "max_resources": 9, "resource": "n_units", "random_state": 0, **options}
    return published(search_class, estimator or Scored(), space or QUALITY, **options)


def iterating(search_class=SuccessiveHalvingSearchCV, **options):
    options = {"resource": "n_samples", "max_resources": "auto", "n_candidates": 9, **options}
    return searching(search_class, Iterating(), {"shift": uniform(0, 1)}, **options)


def n_evaluations(search):
    return int(search.cv_results_["n_splits"].sum())


# --- which tasks there are ---------------------------------------------------------


@pytest.mark.parametrize("refit", [True, False])
def test_each_task_begins_and_ends_once(classification, search_class, engine, refit):
    """The tasks are the fit, the search, its levels, their evaluations and the refit."""
    _, n_jobs = engine
    told = [Recording(), Propagated()]

    search = searching(search_class, refit=refit, n_jobs=n_jobs).set_callbacks(*told)
    search.fit(*classification)

    expected = ["fit", "search", *["level"] * search.n_iterations_]
    expected += [EVALUATION] * n_evaluations(search) + ["refit-with-best-params"] * refit
    for one in told:
        assert len(one.hooks("setup")) == len(one.hooks("teardown")) == 1
        assert sorted(one.names("begin")) == sorted(expected)
        assert sorted(one.names("end")) == sorted(expected)
        assert all(estimator is search for _, estimator, _, _ in one.record)


def test_tasks_form_a_tree(classification, search_class, engine):
    """An evaluation lies in its level, a level in the search; what begins last ends first."""
    _, n_jobs = engine
    told = Recording()

    searching(search_class, n_jobs=n_jobs).set_callbacks(told).fit(*classification)

    parents = {"search": "fit", "level": "search", EVALUATION: "level"}
    parents["refit-with-best-params"] = "fit"
    for _, _, context, _ in told.record:
        if context.parent is not None:
            assert context.parent.task_name == parents[context.task_name]
    running = []
    for hook, _, context, _ in told.record:
        if hook == "begin":
            assert context.parent is None or context.parent in running
            running.append(context)
        elif hook == "end":
            running.remove(context)
            assert all(other.parent is not context for other in running)
    assert running == []


def test_numbers_of_subtasks_are_known_before(classification, search_class):
    """A progress bar comes to its end: there are as many subtasks as were announced."""
    told = Recording()

    searching(search_class).set_callbacks(told).fit(*classification)

    contexts = {id(context): context for _, _, context, _ in told.record}.values()
    for context in contexts:
        if context.task_name in ("fit", "search", "level"):
            n_children = sum(other.parent is context for other in contexts)
            assert context.max_subtasks == n_children


def test_a_time_limit_has_no_fixed_number_of_levels(classification, search_class):
    """With `max_time` the number of levels is unknown, and said to be."""
    told = Recording()

    searching(search_class, max_time=60).set_callbacks(told).fit(*classification)

    [(_, _, context, _)] = told.hooks("begin", "search")
    assert context.max_subtasks is None
    assert told.names("begin").count("level") == told.names("end").count("level") > 1


def test_evaluations_of_a_journal_are_told(classification, search_class, tmp_path):
    """What a journal knows begins and ends like all else."""
    told = Recording()
    search = searching(search_class, journal=tmp_path / "journal.sqlite").fit(*classification)

    search.set_callbacks(told).fit(*classification)

    assert search.n_replayed_ == n_evaluations(search)
    assert len(told.hooks("begin", EVALUATION)) == search.n_replayed_
    assert len(told.hooks("end", EVALUATION)) == search.n_replayed_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_failed_evaluations_end(classification, engine):
    """A candidate that fails begins and ends as others do."""
    _, n_jobs = engine
    told = Recording()
    search = searching(SuccessiveHalvingSearchCV, Failing(), n_candidates=9, n_jobs=n_jobs)

    search.set_callbacks(told).fit(*classification)

    assert len(told.hooks("begin", EVALUATION)) == n_evaluations(search)
    assert len(told.hooks("end", EVALUATION)) == n_evaluations(search)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:A worker stopped")
def test_evaluations_whose_worker_dies_end(classification, tmp_path):
    """An evaluation that is tried again begins only once."""
    told = Recording()
    deadly = Deadly(marks=str(tmp_path), parent=os.getpid(), way="exit", below=0.1)
    space = {"quality": np.linspace(0.05, 0.95, 9)}
    options = {"n_candidates": "all", "cv": ShuffleSplit(1, random_state=0), "n_jobs": 2}
    search = searching(SuccessiveHalvingSearchCV, deadly, space, **options)

    search.set_callbacks(told).fit(*classification)

    assert len(list(tmp_path.iterdir())) == 1
    assert len(told.hooks("begin", EVALUATION)) == n_evaluations(search)
    assert len(told.hooks("end", EVALUATION)) == n_evaluations(search)


# --- callbacks reach the inner estimator -------------------------------------------


@pytest.mark.parametrize("refit", [True, False])
def test_callbacks_are_handed_on_in_this_process(regression, engine, refit):
    """They reach each fit from scratch that runs here, and are told each evaluation once."""
    name, n_jobs = engine
    told = [Recording(), Propagated()]

    search = iterating(refit=refit, n_jobs=n_jobs).set_callbacks(*told).fit(*regression)

    n_tasks = 2 + search.n_iterations_ + n_evaluations(search) + refit
    n_inner = 2 * (n_evaluations(search) * (name != "loky") + refit)
    for one, expected in zip(told, [n_tasks, n_tasks + n_inner], strict=True):
        assert len(one.hooks("begin")) == expected
        assert len(one.hooks("end")) == expected


def test_inner_tasks_lie_in_evaluations(regression):
    """The fit of an inner estimator is the task of the evaluation."""
    told = Propagated()

    iterating().set_callbacks(told).fit(*regression)

    _, _, iteration, _ = told.hooks("begin", "iteration")[0]
    assert iteration.parent.source_task_name == EVALUATION
    assert iteration.parent.parent.task_name == "level"


def test_callbacks_of_the_inner_estimator_are_called(regression):
    """What is set on the estimator itself is told its fits, as a part of the search."""
    told = Recording()
    search = published(
        SuccessiveHalvingSearchCV,
        Iterating().set_callbacks(told),
        {"shift": uniform(0, 1)},
        n_candidates=9,
        random_state=0,
    )

    search.fit(*regression)

    n_fits = n_evaluations(search) + 1
    assert len(told.hooks("begin", "iteration")) == 2 * n_fits
    roots = {context.root_uuid for _, _, context, _ in told.hooks("begin")}
    assert len(roots) == 1


def test_continued_evaluations_begin_before_their_training(classification, engine):
    """Whatever continues the training, callbacks are told before and after it, each once."""
    told = Propagated()
    n_open = []

    def noting(fitted, n_resources, X, y):
        n_open.append(len(told.hooks("begin", EVALUATION)) - len(told.hooks("end", EVALUATION)))
        return grow(fitted, n_resources, X, y)

    search = searching(SuccessiveHalvingSearchCV, continue_training=noting)
    name, n_jobs = engine
    if name not in ("sequential", "threading"):
        pytest.skip("what continues the training cannot note this in another process")
    search.set_params(n_jobs=n_jobs).set_callbacks(told).fit(*classification)

    assert n_open
    assert min(n_open) >= 1
    assert len(told.hooks("begin", EVALUATION)) == n_evaluations(search)
    assert len(told.hooks("end", EVALUATION)) == n_evaluations(search)


def test_callbacks_of_a_part_of_the_estimator_are_called(regression):
    """The last step of a pipeline keeps its callbacks."""
    told = Recording()
    pipeline = make_pipeline(StandardScaler(), Iterating().set_callbacks(told))
    search = published(
        SuccessiveHalvingSearchCV,
        pipeline,
        {"iterating__shift": uniform(0, 1)},
        n_candidates=9,
        random_state=0,
    )

    search.fit(*regression)

    assert len(told.hooks("begin", "iteration")) == 2 * (n_evaluations(search) + 1)


def test_callbacks_that_are_handed_on_belong_to_the_search(regression):
    """They are refused on the estimator, before any fit, as scikit-learn's searches do."""
    told = Propagated()
    search = published(
        SuccessiveHalvingSearchCV, Iterating().set_callbacks(told), {"shift": uniform(0, 1)}
    )

    with pytest.raises(TypeError, match=r"Propagated of estimator=Iterating.*set_callbacks"):
        search.fit(*regression)

    assert told.record == []


def test_nothing_of_callbacks_travels(regression):
    """A worker gets neither callbacks nor contexts: a search with those that cannot be sent runs."""

    class Unsendable(Recording):
        def __reduce__(self):
            raise pickle.PicklingError("This callback must stay where it is.")

    told = Unsendable()
    told.lock = threading.Lock()

    search = iterating(n_jobs=2).set_callbacks(told).fit(*regression)

    assert len(told.hooks("end", EVALUATION)) == n_evaluations(search)


# --- what hooks are given ----------------------------------------------------------


def test_evaluations_have_their_own_data(regression, engine):
    """Hooks that ask get the training part of the evaluation, with its weights."""
    _, n_jobs = engine
    X, y = regression
    told = WithData()
    weights = np.arange(len(y), dtype=float) + 1

    iterating(n_jobs=n_jobs).set_callbacks(told).fit(X, y, sample_weight=weights)

    for _, _, context, given in told.hooks("begin") + told.hooks("end"):
        if context.task_name in ("fit", "refit-with-best-params"):
            np.testing.assert_array_equal(given["X"], X)
            np.testing.assert_array_equal(given["metadata"]["sample_weight"], weights)
        if context.task_name == EVALUATION:
            rows = given["metadata"]["sample_weight"].astype(int) - 1
            assert 0 < len(rows) < len(y)
            np.testing.assert_array_equal(given["X"], X[rows])
            np.testing.assert_array_equal(given["y"], y[rows])


def test_the_search_has_its_results_so_far(classification, search_class):
    """At the end of a level the search has what it would have if it had ended there."""
    seen = []

    def note(search, context):
        if context.task_name == "level":
            seen.append((search.best_score_, len(search.cv_results_["params"])))

    search = searching(search_class).set_callbacks(Recording(stops_at=note)).fit(*classification)

    sizes = [n for _, n in seen]
    assert len(seen) == search.n_iterations_
    assert sizes == sorted(sizes)
    assert sizes[0] == search.n_candidates_[0]
    assert seen[-1] == (search.best_score_, len(search.cv_results_["params"]))


def test_the_fitted_estimator_can_predict(regression):
    """After a level it is the search refitted with its best so far, and in the end itself."""
    X, y = regression
    told = WithFitted()

    search = iterating(refit=True).set_callbacks(told).fit(X, y)

    fitted = [given["fitted_estimator"] for _, _, _, given in told.hooks("end", "level")]
    assert len(fitted) == search.n_iterations_
    for one in fitted:
        assert one is not search
        assert one.predict(X).shape == y.shape
    [(_, _, _, given)] = told.hooks("end", "fit")
    np.testing.assert_array_equal(given["fitted_estimator"].predict(X), search.predict(X))
    assert fitted[-1].best_params_ == search.best_params_


def test_without_refit_there_is_no_fitted_estimator(classification):
    """A search that does not refit has nothing that predicts."""
    told = WithFitted()

    searching(HyperbandSearchCV, refit=False).set_callbacks(told).fit(*classification)

    assert {given["fitted_estimator"] for _, _, _, given in told.hooks("end")} == {None}


def test_scoring_monitor_logs_each_level(classification):
    """scikit-learn's monitor scores the model that the search would return after each level."""
    monitor = callback.ScoringMonitor(scoring="accuracy")

    search = searching(HyperbandSearchCV).set_callbacks(monitor).fit(*classification)

    rows = monitor.get_logs().data
    assert [row["task_name"] for row in rows] == ["fit", *["level"] * search.n_iterations_]
    X, y = classification
    assert rows[0]["accuracy"] == np.mean(search.predict(X) == y)


def test_progress_bar(classification, engine, capsys):
    """scikit-learn's progress bar shows the search, its levels and the refit."""
    pytest.importorskip("rich")
    _, n_jobs = engine

    search = searching(HyperbandSearchCV, n_jobs=n_jobs).set_callbacks(callback.ProgressBar())
    search.fit(*classification)

    shown = capsys.readouterr().out
    assert "HyperbandSearchCV - fit" in shown
    assert f"HyperbandSearchCV - level #{search.n_iterations_ - 1}" in shown


# --- callbacks that stop a search --------------------------------------------------


def test_a_callback_stops_a_search_after_a_level(classification, search_class, engine):
    """The best so far is refitted with all of the resource, and the reason is said."""
    _, n_jobs = engine
    told = Recording(stops_at=lambda search, context: context.task_name == "level")

    with pytest.warns(UserWarning, match="No candidate has a score with"):
        search = searching(search_class, n_jobs=n_jobs).set_callbacks(told).fit(*classification)

    assert search.stop_reason_ == "callback"
    assert search.n_iterations_ == 1
    assert search.best_estimator_.n_units == 9
    assert told.names("end")[-2:] == ["refit-with-best-params", "fit"]


def test_a_callback_stops_a_search_within_a_level(classification, search_class, engine):
    """The level counts with the splits that all its candidates finished; all tasks end."""
    _, n_jobs = engine
    n_seen = []

    def after_many(search, context):
        n_seen.append(context.task_name == EVALUATION)
        return sum(n_seen) == 20

    told = Recording(stops_at=after_many)

    with pytest.warns(UserWarning, match="No candidate has a score with"):
        search = searching(search_class, n_jobs=n_jobs).set_callbacks(told).fit(*classification)

    assert search.stop_reason_ == "callback"
    assert search.cv_results_["n_splits"].max() < 3
    assert sorted(told.names("begin")) == sorted(told.names("end"))


def test_a_stop_before_there_is_a_result_is_no_time_limit(classification):
    """The error says what ended the search."""

    class Waiting(Scored):
        """Takes its time on the split that comes first: the last one, with the most rows."""

        def fit(self, X, y=None):
            time.sleep(2.0 if len(X) == 200 else 0.0)
            return super().fit(X, y)

    told = Recording(stops_at=lambda search, context: context.task_name == EVALUATION)
    search = SuccessiveHalvingSearchCV(
        Waiting(),
        {"quality": [0.1, 0.2]},
        resource="n_units",
        max_resources=3,
        n_candidates=2,
        min_splits=None,
        cv=TimeSeriesSplit(5),
        n_jobs=4,
    ).set_callbacks(told)

    with (
        joblib.parallel_config(backend="threading"),
        pytest.raises(RuntimeError, match="A callback stopped the search before"),
    ):
        search.fit(*classification)


def test_a_rule_by_score(classification):
    """A rule that looks at the best score so far ends the search at the first good one."""

    class StopAtScore(Recording):
        def on_fit_task_end(self, estimator, context):
            return context.task_name == "level" and estimator.best_score_ >= 0.9

    full = searching(HyperbandSearchCV, n_repeats=3).fit(*classification)

    search = searching(HyperbandSearchCV, n_repeats=3).set_callbacks(StopAtScore())
    with pytest.warns(UserWarning, match="No candidate has a score with"):
        search.fit(*classification)

    assert search.best_score_ >= 0.9
    assert 1 <= search.n_iterations_ < full.n_iterations_


# --- whatever happens --------------------------------------------------------------


def test_results_do_not_depend_on_callbacks(regression, assert_same_results, engine):
    """A search with callbacks has the results of one without."""
    _, n_jobs = engine
    plain = iterating(HyperbandSearchCV).fit(*regression)

    told = iterating(HyperbandSearchCV, n_jobs=n_jobs).set_callbacks(Propagated(), WithFitted())
    told.fit(*regression)

    assert_same_results(plain.cv_results_, told.cv_results_)


@pytest.mark.parametrize("hook", ["begin", "end"])
def test_an_error_of_a_callback_ends_the_search(classification, hook):
    """The error is raised, and the callbacks are torn down."""
    told, failing = Recording(), Recording(fails_at=hook)
    search = searching(HyperbandSearchCV).set_callbacks(told, failing)

    with pytest.raises(RuntimeError, match=f"fails at {hook}"):
        search.fit(*classification)

    assert len(told.hooks("teardown")) == len(failing.hooks("teardown")) == 1
    assert not hasattr(search, "best_estimator_")


def test_an_interrupted_search_keeps_its_results(classification):
    """Ctrl-C in a callback leaves what was measured, and tears the callbacks down."""

    def interrupt(search, context):
        if context.task_name == "level":
            raise KeyboardInterrupt

    told = Recording(stops_at=interrupt)
    search = searching(HyperbandSearchCV).set_callbacks(told)

    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    assert search.stop_reason_ == "interrupted"
    assert len(search.cv_results_["params"]) == 9
    assert len(told.hooks("teardown")) == 1


def test_bad_input_is_not_told(classification):
    """A search that does not begin has no callbacks to tear down."""
    told = Recording()
    search = searching(HyperbandSearchCV, factor=0.5).set_callbacks(told)

    with pytest.raises(ValueError, match="factor"):
        search.fit(*classification)

    assert told.record == []


def test_clones_have_the_callbacks(classification):
    """As all estimators of scikit-learn do; no callbacks take them away."""
    told = Recording()
    search = searching(HyperbandSearchCV).set_callbacks(told)

    clone(search).fit(*classification)
    assert told.record
    told.record.clear()
    search.set_callbacks().fit(*classification)

    assert told.record == []


def test_a_search_within_a_search(classification):
    """The tasks of an inner search lie in the tree of the outer one."""
    told = Propagated()
    outer = GridSearchCV(
        searching(SuccessiveHalvingSearchCV, n_candidates=3), {"factor": [2, 3]}, cv=2
    )

    outer.set_callbacks(told).fit(*classification)

    assert len({context.root_uuid for _, _, context, _ in told.record}) == 1
    levels = [context for _, _, context, _ in told.hooks("begin", "level")]
    assert {context.estimator_name for context in levels} == {"SuccessiveHalvingSearchCV"}
    assert len(told.hooks("begin")) == len(told.hooks("end"))
    assert len(told.hooks("setup")) == 1


# --- errors reach the user ---------------------------------------------------------


class ReadsTheScore(Recording):
    """Reads the best score at the end of each level, as rules do."""

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "level":
            self.note("score", estimator, context, score=estimator.best_score_)


class Interrupting(Scored):
    """Is interrupted at a fit."""

    n_fits = 0
    at = 1

    def fit(self, X, y=None):
        type(self).n_fits += 1
        if type(self).n_fits == self.at:
            raise KeyboardInterrupt
        return super().fit(X, y)


@pytest.mark.parametrize("at", [1, 12])
def test_ctrl_c_in_a_fit_is_raised_at_once(classification, monkeypatch, at):
    """Nothing is fitted for callbacks any more, and no hook hides the interruption."""
    monkeypatch.setattr(Interrupting, "n_fits", 0)
    monkeypatch.setattr(Interrupting, "at", at)
    told = [ReadsTheScore(), WithFitted()]
    search = searching(HyperbandSearchCV, Interrupting(), cv=2).set_callbacks(*told)

    with pytest.raises(KeyboardInterrupt):
        search.fit(*classification)

    assert Interrupting.n_fits == at
    assert all(len(one.hooks("teardown")) == 1 for one in told)


def test_a_failing_fit_is_raised(classification):
    """With `error_score="raise"`, the user sees the error of the fit."""
    search = searching(HyperbandSearchCV, Failing(below=2), error_score="raise")

    with pytest.raises(ArithmeticError, match="too low"):
        search.set_callbacks(ReadsTheScore()).fit(*classification)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_the_best_score_is_nan_while_there_is_none(classification):
    """A rule can read the score of a level on which everything failed; `fit` then says why."""
    told = ReadsTheScore()
    search = searching(HyperbandSearchCV, Failing(below=2)).set_callbacks(told)

    with pytest.raises(ValueError, match="finite score"):
        search.fit(*classification)

    [(_, _, _, given)] = told.hooks("score")
    assert np.isnan(given["score"])
    assert not hasattr(search, "best_score_")


def test_an_error_at_the_beginning_of_an_evaluation_is_raised(classification, engine):
    """It is no failure of the candidate, wherever the candidate is fitted."""

    class Fails(Recording):
        def on_fit_task_begin(self, estimator, context):
            if context.task_name == EVALUATION:
                raise RuntimeError("This callback fails.")

    _, n_jobs = engine
    search = searching(HyperbandSearchCV, n_jobs=n_jobs).set_callbacks(Fails())

    with pytest.raises(RuntimeError, match="This callback fails"):
        search.fit(*classification)


class FailsWithAll(Scored):
    """Fails with all samples."""

    def fit(self, X, y=None):
        if len(X) == 200:
            raise ValueError("This fit of all samples fails.")
        return super().fit(X, y)


def test_a_refit_for_callbacks_may_fail(classification):
    """Callbacks then get no fitted estimator, and the search goes on."""
    X, y = classification
    told = WithFitted()
    search = searching(HyperbandSearchCV, FailsWithAll()).set_callbacks(told)

    with pytest.raises(ValueError, match="all samples"):
        search.fit(X[:200], y[:200])

    fitted = [given["fitted_estimator"] for _, _, _, given in told.hooks("end", "level")]
    assert len(fitted) == search.n_iterations_
    assert set(fitted) == {None}


def test_a_refit_for_callbacks_is_no_task(regression):
    """Callbacks of the inner estimator are not told of it."""
    inner = Recording()
    search = published(
        SuccessiveHalvingSearchCV,
        Iterating().set_callbacks(inner),
        {"shift": uniform(0, 1)},
        n_candidates=9,
        random_state=0,
    )

    search.set_callbacks(WithFitted()).fit(*regression)

    assert len({context.root_uuid for _, _, context, _ in inner.record}) == 1
    assert len(inner.hooks("begin", "iteration")) == 2 * (n_evaluations(search) + 1)


def test_a_best_candidate_of_an_earlier_level_does_not_stay(classification):
    """If a callable `refit` raises in the end, the search has no best candidate."""
    n_calls = []

    def fails_in_the_end(results):
        n_calls.append(1)
        if len(n_calls) > 2:
            raise ValueError("This choice fails.")
        return 0

    search = searching(SuccessiveHalvingSearchCV, refit=fails_in_the_end)

    with pytest.raises(ValueError, match="This choice fails"):
        search.set_callbacks(Recording()).fit(*classification)

    assert not hasattr(search, "best_index_")
    assert not hasattr(search, "best_params_")


def test_a_refit_is_kept_if_its_callback_fails(classification):
    """The error is raised, and the best estimator is there."""

    def fail(search, context):
        if context.task_name == "refit-with-best-params":
            raise RuntimeError("This callback fails.")

    search = searching(HyperbandSearchCV).set_callbacks(Recording(stops_at=fail))

    with pytest.raises(RuntimeError, match="This callback fails"):
        search.fit(*classification)

    assert hasattr(search, "best_estimator_")
