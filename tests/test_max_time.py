import datetime
import itertools
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from scipy.stats import randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._executors.sequential_executor import SequentialExecutor
from skhyperband._given_estimator import GivenEstimator
from skhyperband._history import SearchHistory
from skhyperband._records import FailedStep, Failure, Outcome
from tests.estimators import Failing, Scored
from tests.published import published

QUALITY = {"quality": np.linspace(0.05, 0.95, 9)}
COMMON = {"resource": "n_units", "max_resources": 9, "min_resources": 1, "cv": 2}


class Jumping:
    """A clock that stands still for so many looks, and is then past any limit.

    One look begins each evaluation and each level.
    """

    def __init__(self, n_looks):
        self.n_looks = n_looks
        self.looks = itertools.count()

    def __call__(self):
        return 0.0 if next(self.looks) < self.n_looks else 1e12


@pytest.fixture
def halving():
    """Give successive halving of 9, 3 and 1 candidates whose time is over after some looks."""

    def search(n_looks, max_time=1, **options):
        instance = published(
            SuccessiveHalvingSearchCV,
            Scored(),
            QUALITY,
            n_candidates="all",
            random_state=0,
            **COMMON,
            **options,
        )
        instance._clock = Jumping(n_looks)
        return instance.set_params(max_time=max_time)

    return search


# The look at 0 sets the deadline, those at 1 and 2 begin the evaluations of the estimator as it is
# given, those at 3 and 4 size the first round, which is the whole plan, the one at 5 begins its
# first level, and the one at 6 leaves time for the others; the 18 evaluations of 9 candidates look at
# 7 to 24. Those at 25 and 26 size the rest of the round, and the one at 27 begins the second level.


def test_unfinished_level_counts_with_the_splits_that_all_have(halving, classification):
    """One split of the first level is done, and of the other some candidates only."""
    with pytest.warns(UserWarning, match="No candidate has a score with n_units=9"):
        search = halving(20).fit(*classification)

    assert search.stop_reason_ == "max_time"
    assert search.n_candidates_ == [9]
    assert (search.cv_results_["n_splits"] == 1).all()
    used = [np.isfinite(search.cv_results_[f"split{i}_test_score"]) for i in (0, 1)]
    assert sorted(column.sum() for column in used) == [0, 9]
    assert search.best_params_["quality"] == 0.95
    assert search.plan_.rungs[0].n_splits == 1


def test_refit_after_the_time_limit_has_all_resources(halving, classification):
    """The model that comes back is trained in full, and a warning says that none was before."""
    search = halving(15)

    with pytest.warns(UserWarning, match=r"n_units=9.*n_units=1.*max_time") as caught:
        search.fit(*classification)

    assert len(caught) == 1
    assert search.best_estimator_.n_units == search.best_params_["n_units"] == 9
    assert search.cv_results_["n_resources"].max() == 1
    assert search.best_score_ == search.cv_results_["mean_test_score"][search.best_index_]


def test_unfinished_level_says_how_long_it_took(halving, classification):
    """The seconds of a rung are those of its fits and scores, though some splits are missing."""
    with pytest.warns(UserWarning, match="No candidate has a score"):
        search = halving(20).fit(*classification)

    (rung,) = search.rungs_.rungs
    results = search.cv_results_
    assert rung.n_splits == 1
    assert rung.seconds >= np.sum(results["mean_fit_time"] + results["mean_score_time"]) > 0


def test_level_without_a_finished_split_is_left_to_the_one_below(halving, classification):
    """Two of three candidates on the second level say less than all nine below."""
    with pytest.warns(UserWarning, match="No candidate has a score"):
        search = halving(30).fit(*classification)

    assert search.n_candidates_ == [9]
    assert (search.cv_results_["n_splits"] == 2).all()
    assert search.cv_results_["n_resources"][search.best_index_] == 1
    assert search.stop_reason_ == "max_time"


def test_first_level_counts_with_the_candidates_that_came_to_it(halving, classification):
    """With nothing below, those measured on the first split are compared."""
    with pytest.warns(UserWarning, match="No candidate has a score"):
        search = halving(10).fit(*classification)

    assert search.n_candidates_ == [3]
    assert (search.cv_results_["n_splits"] == 1).all()
    assert len(search.rungs_.rungs) == 1
    assert search.rungs_.rungs[0].n_candidates == 3


def test_time_for_nothing_is_an_error(halving, classification):
    """A search without a single score has no result to give."""
    with pytest.raises(TimeoutError, match=r"max_time=1 .* raise max_time"):
        halving(1).fit(*classification)


def test_enough_time_changes_nothing(halving, classification, assert_same_results):
    """A limit that does not come is no limit."""
    limited = halving(1000, datetime.timedelta(hours=1)).fit(*classification)
    free = halving(1000, None).fit(*classification)

    assert limited.stop_reason_ == "completed"
    assert_same_results(limited.cv_results_, free.cv_results_)


def test_splits_that_were_known_from_below_are_no_level(classification):
    """At the top, the split of the level below alone would repeat that level."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        n_candidates="all",
        min_splits=1,
        random_state=0,
        **COMMON,
    )
    whole = search.fit(*classification)
    levels = list(zip(whole.n_resources_, whole.cv_results_["n_splits"], strict=False))
    n_looks = 5 + sum(r.n_candidates for r in whole.plan_.rungs) + 3 * len(levels)
    for n in range(8, n_looks + 4):
        search._clock = Jumping(n)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No candidate has a score")
            search.set_params(max_time=1).fit(*classification)
        rows = zip(
            *(search.cv_results_[n].tolist() for n in ("candidate_id", "n_resources", "n_splits")),
            strict=True,
        )
        steps = [(rung.n_resources, rung.n_splits) for rung in search.plan_.rungs]

        assert len(set(rows)) == len(search.cv_results_["params"])
        assert steps == sorted(set(steps))


def hyperband(**options):
    return published(
        HyperbandSearchCV,
        Scored(),
        {"quality": uniform()},
        n_repeats=None,
        random_state=0,
        **COMMON,
        **options,
    )


def test_hyperband_repeats_until_then_with_new_candidates(classification, assert_same_results):
    """n_repeats=None is so many repeats, as far as they came."""
    search = hyperband(max_time=1)
    search._clock = Jumping(200)
    search.fit(*classification)
    nine = hyperband().set_params(n_repeats=9).fit(*classification)

    results, expected = search.cv_results_, nine.cv_results_
    n_same = np.flatnonzero(results["repeat"] == results["repeat"].max())[0]
    assert search.stop_reason_ == "max_time"
    assert results["repeat"].max() >= 2
    assert results["params"][:n_same] == expected["params"][:n_same]
    ids = results["candidate_id"].tolist()
    qualities = {(p["quality"], c) for p, c in zip(results["params"], ids, strict=True)}
    assert len({quality for quality, _ in qualities}) == len(qualities)


def test_repeats_end_with_the_space(classification):
    """A space of lists gives each candidate once, however much time is left."""
    search = hyperband(max_time=1e9).set_params(
        param_distributions={"quality": list(np.linspace(0.1, 0.9, 30))}
    )

    with pytest.warns(UserWarning, match="space ran out after 30 candidates"):
        search.fit(*classification)

    assert search.stop_reason_ == "space_exhausted"


@dataclass(frozen=True)
class FileClock:
    """A clock that is past any limit once the file is there, in whichever process."""

    path: str

    def __call__(self):
        return 1e6 if Path(self.path).exists() else 0.0


class TurningTheClock(ClassifierMixin, BaseEstimator):
    """Notes that it is fitted; the tenth to be so turns the clock, and all end well."""

    def __init__(self, folder=None, clock=None, quality=0.5, n_units=1):
        self.folder = folder
        self.clock = clock
        self.quality = quality
        self.n_units = n_units

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        begun = Path(self.folder, "late" if Path(self.clock).exists() else "begun")
        begun.mkdir(exist_ok=True)
        Path(begun, f"{self.quality}-{hash(X.tobytes())}").touch()
        if len(list(begun.iterdir())) >= 10:
            Path(self.clock).touch()
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        return self.quality


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_workers_look_at_the_clock_themselves(classification, tmp_path, n_jobs):
    """What was handed to a worker before the time was over is not begun after it."""
    clock, marks = tmp_path / "clock", tmp_path / "marks"
    marks.mkdir()
    search = published(
        SuccessiveHalvingSearchCV,
        TurningTheClock(str(marks), str(clock)),
        QUALITY,
        n_candidates="all",
        n_jobs=n_jobs,
        pre_dispatch="all",
        max_time=1000,
        refit=False,
        **COMMON,
    )
    search._clock = FileClock(str(clock))
    with pytest.warns(UserWarning, match="No candidate has a score"):
        search.fit(*classification)

    assert search.stop_reason_ == "max_time"
    assert len(list((marks / "begun").iterdir())) <= 9 + n_jobs
    # One may have looked just before the clock was turned, and begun just after.
    late = list((marks / "late").iterdir()) if (marks / "late").exists() else []
    assert len(late) <= n_jobs - 1


class Gathering(Scored):
    """The estimator as it is given waits in its first fits until as many others have begun."""

    def __init__(self, quality=0.0, n_units=1, label=None, folder=".", n_others=0):
        super().__init__(quality, n_units, label)
        self.folder = folder
        self.n_others = n_others

    def fit(self, X, y=None):
        """Leave a mark and wait for those of the others."""
        folder = Path(self.folder)
        (folder / f"{self.quality} {self.n_units} {X.sum()} {time.monotonic()}").touch()
        deadline = time.monotonic() + 60
        while len(list(folder.iterdir())) <= self.n_others:
            assert time.monotonic() < deadline, "the others do not begin"
            time.sleep(0.01)
        return super().fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize(("n_jobs", "amounts"), [(2, [1, 9]), (3, [1, 9, 9]), (4, [1, 1, 9, 9])])
def test_every_process_measures_the_estimator_as_it_is_given(
    classification, tmp_path, n_jobs, amounts
):
    """They start at the same time, and what they have measured is not measured again."""
    search = published(
        SuccessiveHalvingSearchCV,
        Gathering(folder=str(tmp_path), n_others=n_jobs - 1),
        QUALITY,
        n_candidates="all",
        n_jobs=n_jobs,
        max_time=1000,
        initial_candidates=[{}],
        refit=False,
        error_score="raise",
        **COMMON,
    ).fit(*classification)

    fits = [path.name.split() for path in tmp_path.iterdir()]
    fits.sort(key=lambda fit: float(fit[-1]))
    first = fits[:n_jobs]
    assert {quality for quality, *_ in first} == {"0.0"}
    assert sorted(int(n_units) for _, n_units, *_ in first) == amounts
    assert len({tuple(fit[:3]) for fit in fits}) == len(fits)
    assert search.stop_reason_ == "completed"


def given_estimator(evaluate, n_workers, splits=(3, 0, 1, 2, 4)):
    """Return the estimator as it is given, where workers of processes evaluate as given."""

    class Processes(SequentialExecutor):
        in_process = False

    executor = Processes(evaluate)
    executor.n_workers = n_workers
    history = SearchHistory(list(splits), lambda outcome: float(outcome.test_scores))
    return GivenEstimator(
        history,
        executor,
        max_resources=9,
        is_initial=False,
        clock=lambda: 0.0,
        deadline=1.0,
    )


@pytest.mark.parametrize("n_workers", [1, 2, 4, 8, 20])
def test_scale_of_time_is_that_of_the_first_split(n_workers):
    """Training parts may differ in size, and low rungs use the first split only."""
    given = given_estimator(
        lambda task: Outcome(0.5, None, 9.0 * task.n_resources + task.split, 1.0), n_workers
    )

    assert given.measure(lowest=1) == {9: 85.0, 1: 13.0}


@pytest.mark.parametrize(("n_workers", "n_splits"), [(1, 1), (2, 1), (4, 3), (20, 5)])
def test_estimator_as_it_is_given_has_the_splits_that_workers_measured(n_workers, n_splits):
    """Where there was time for nothing else, it counts with all of them."""
    given = given_estimator(lambda task: Outcome(0.5, None, 1.0, 0.0), n_workers)
    given.measure(lowest=1)
    given.enter_alone()

    (entry,) = given._history.entries
    assert (entry.rung.n_resources, entry.rung.n_splits) == (9, n_splits)
    assert given._history.mean_score(entry) == 0.5
    assert {n: times.n_evaluations for n, times in given._history.times.items()} == {9: 1, 1: 1}


@pytest.mark.parametrize(("n_workers", "step"), [(1, "fit"), (1, "worker"), (8, "worker")])
def test_estimator_that_fails_with_all_resources_is_not_evaluated_further(n_workers, step):
    """What kills a worker once may kill all of them, one after the other."""
    evaluated = []

    def fail(task):
        evaluated.append(task)
        return Outcome(None, None, 1.0, 0.0, Failure(FailedStep(step), "why"))

    assert given_estimator(fail, n_workers).measure(lowest=1) == {}
    assert len(evaluated) == 1


@pytest.mark.slow
def test_start_of_workers_does_not_cost_the_result(classification):
    """If they take all of the time, the estimator as it is given is the result, with a warning."""
    get_reusable_executor().shutdown(wait=True)
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        n_candidates="all",
        n_jobs=2,
        max_time=0.2,
        **COMMON,
    )

    with pytest.warns(UserWarning, match=r"No candidate was evaluated within max_time=0\.2"):
        search.fit(*classification)

    assert search.stop_reason_ == "max_time"
    assert search.best_params_ == {"n_units": 9}


def test_repeats_end_where_the_sampler_has_nothing_new(classification):
    """A distribution of few values has no end, but after all of them there is nothing to measure."""
    search = hyperband(max_time=1e9).set_params(param_distributions={"quality": randint(1, 4)})

    with pytest.warns(UserWarning, match="space ran out"):
        search.fit(*classification)

    assert search.stop_reason_ == "space_exhausted"
    assert {params["quality"] for params in search.cv_results_["params"]} == {1, 2, 3}


@pytest.mark.parametrize("seed", range(5))
def test_repeats_find_all_values_of_a_distribution(classification, seed):
    """Some rounds in a row that give nothing new are chance where a round is small."""
    search = HyperbandSearchCV(
        Scored(),
        {"quality": randint(0, 40)},
        n_candidates=3,
        n_brackets=1,
        sampler="random",
        n_repeats=None,
        random_state=seed,
        **{**COMMON, "max_resources": 3},
    )

    with pytest.warns(UserWarning, match="space ran out after 40 candidates, so that no further"):
        search.set_params(max_time=1e9).fit(*classification)

    results = search.cv_results_
    assert {params["quality"] for params in results["params"]} == set(range(40))
    assert len(np.unique(results["candidate_id"])) < 20 * 40


def test_space_has_not_run_out_where_the_time_has(classification):
    """A space that is smaller than the plan ends a search only if all of it was entered."""
    search = HyperbandSearchCV(
        Scored(), {"quality": list(np.linspace(0.1, 0.9, 20))}, random_state=0, **COMMON
    )
    search._clock = Jumping(9)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.set_params(max_time=1).fit(*classification)

    assert search.stop_reason_ == "max_time"
    assert len(np.unique(search.cv_results_["candidate_id"])) < 20
    assert not search.plan_.space_exhausted
    assert not any("space ran out" in str(warning.message) for warning in caught)


def test_raising_the_limit_is_no_advice_where_the_finalists_failed(classification):
    """Where they had R and failed, more time would not help."""
    search = SuccessiveHalvingSearchCV(
        Failing(below=2.0, from_units=9), QUALITY, n_candidates="all", random_state=0, **COMMON
    ).set_params(max_time=1e9)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(*classification)

    (text,) = [t for t in (str(w.message) for w in caught) if "No candidate has a score" in t]
    assert "max_time" not in text
