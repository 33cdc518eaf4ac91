import copy
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit
from sklearn.svm import SVC

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._plan import PlanTiming, describe_seconds, describe_timing
from skhyperband._schedule import exact_factor, resource_ladder, successive_halving
from skhyperband._timing import amounts_to_measure, makespan
from tests.estimators import CLOCK, Failing, Scored, Timed, read_clock, train_in_time
from tests.test_plan import plan_of

QUALITY = {"quality": np.arange(100.0)}


def timed_search(estimator, search_class=SuccessiveHalvingSearchCV, **options):
    """Return a search with rungs of 9, 3 and 1 candidates with 1, 3 and 9 units on two splits."""
    options = {
        "n_candidates": 9,
        "resource": "n_units",
        "max_resources": 9,
        "min_resources": 1,
        "min_splits": None,
        "continue_training": False,
        "cv": 2,
        "refit": False,
        "random_state": 0,
        **options,
    }
    search = search_class(estimator, QUALITY, **options)
    search._timer = read_clock
    return search


@pytest.fixture
def timing_of(classification):
    """Give a function that returns the timing of a search's plan."""
    return lambda search, **params: search.plan(*classification, timed=True, **params).timing


def halving_plan(n, R, factor=3, minimum=1, n_splits=1, **options):
    """Return a plan of one bracket."""
    ladder = resource_ladder(R, exact_factor(factor), minimum, n_splits)
    bracket = successive_halving(n, ladder, exact_factor(factor), **options)
    return plan_of([bracket], R, factor, n_splits, minimum)


# --- predictions -------------------------------------------------------------------

# A fit with r units takes 1 + 2 r seconds and a score half a second, so that evaluations take
# 3.5, 7.5 and 19.5 seconds on the three rungs.
LINEAR = {"fixed": 1.0, "per_unit": 2.0, "scoring": 0.5}


def test_rungs_take_their_evaluations_together(timing_of):
    """The seconds of a rung are those of all its candidates and splits, fits and scores."""
    timing = timing_of(timed_search(Timed(**LINEAR)))

    assert timing.rung_seconds == pytest.approx([18 * 3.5, 6 * 7.5, 2 * 19.5])


def test_one_worker_takes_the_sum_of_the_rungs(timing_of):
    """With one worker the search takes as long as its rungs one after another."""
    timing = timing_of(timed_search(Timed(**LINEAR)))

    assert timing.total_seconds == pytest.approx(18 * 3.5 + 6 * 7.5 + 2 * 19.5)
    assert timing.n_workers == 1


def test_continued_evaluations_take_the_difference(timing_of):
    """A continued evaluation takes the added training, what continuing costs, and the score."""
    search = timed_search(Timed(**LINEAR), continue_training=train_in_time)

    timing = timing_of(search)

    assert timing.continued
    assert timing.rung_seconds == pytest.approx(
        [18 * 3.5, 6 * (0.25 + 2 * 2 + 0.5), 2 * (0.25 + 2 * 6 + 0.5)]
    )


def test_new_splits_are_fitted_fresh(timing_of):
    """Where splits grow, only the evaluations on splits of the rung below are continued."""
    search = timed_search(
        Timed(**LINEAR), continue_training=train_in_time, min_splits=1, n_candidates=18
    )

    plan = search.plan(n_splits=2)
    timing = timing_of(search)

    shape = [(rung.n_candidates, rung.n_resources, rung.n_splits) for rung in plan.rungs]
    assert shape == [(18, 2, 1), (6, 6, 1), (2, 9, 2)]
    assert timing.rung_seconds == pytest.approx(
        [18 * 5.5, 6 * (0.25 + 2 * 4 + 0.5), 2 * (0.25 + 2 * 3 + 0.5) + 2 * 19.5]
    )


@pytest.mark.parametrize(
    ("n_jobs", "seconds"),
    [(2, 9 * 3.5 + 3 * 7.5 + 19.5), (4, 5 * 3.5 + 2 * 7.5 + 19.5), (18, 3.5 + 7.5 + 19.5)],
)
def test_workers_share_a_level(timing_of, n_jobs, seconds):
    """A level takes as long as the worker that has the most to do."""
    with joblib.parallel_config(backend="threading"):
        timing = timing_of(timed_search(Timed(**LINEAR), n_jobs=n_jobs))

    assert timing.n_workers == n_jobs
    assert timing.total_seconds == pytest.approx(seconds)


def test_brackets_share_a_level(timing_of):
    """The rungs of all brackets with the same resource are evaluated together."""
    search = timed_search(Timed(**LINEAR), HyperbandSearchCV, n_brackets="all", n_repeats=1)
    assert [sum(r.n_candidates for r in lv.rungs) for lv in search.plan().levels] == [9, 8, 5]

    with joblib.parallel_config(backend="threading"):
        timing = timing_of(search.set_params(n_jobs=4))

    assert timing.total_seconds == pytest.approx(5 * 3.5 + 4 * 7.5 + 3 * 19.5)


def test_a_random_search_is_compared(timing_of):
    """A random search evaluates candidates on all splits with the maximum resource."""
    timing = timing_of(timed_search(Timed(**LINEAR)))

    assert timing.random_search_seconds == pytest.approx(9 * 2 * 19.5)
    assert timing.n_random_search_candidates == pytest.approx(147 / (2 * 19.5))


def test_the_refit_is_a_part_of_both(timing_of):
    """With refit, both searches fit once more, on all samples: twice those of one of two splits."""
    without = timing_of(timed_search(Timed(**LINEAR)))

    timing = timing_of(timed_search(Timed(**LINEAR), refit=True))

    assert timing.total_seconds == pytest.approx(without.total_seconds + 2 * 19)
    assert timing.random_search_seconds == pytest.approx(without.random_search_seconds + 2 * 19)
    assert timing.n_random_search_candidates == without.n_random_search_candidates


class TimedBySamples(Scored):
    """Takes two seconds of the fake clock for each sample."""

    def fit(self, X, y=None):
        """Let the time of a fit pass."""
        CLOCK.advance(2.0 * len(X))
        return super().fit(X, y)


@pytest.mark.parametrize("largest", [240, 60])
def test_the_refit_takes_all_samples_however_few_rungs_have(timing_of, largest):
    """A full fit on one of two splits has half of the maximum resource; the refit has 240."""
    options = {"resource": "n_samples", "max_resources": largest, "min_resources": largest // 4}

    def timing(refit):
        return timing_of(timed_search(TimedBySamples(), refit=refit, **options))

    difference = timing(True).total_seconds - timing(False).total_seconds
    assert difference == pytest.approx(240 * 2.0)


def test_any_dependence_on_the_resource_is_followed(timing_of):
    """Where the time grows with the square of the resource, each rung has its own time."""
    timing = timing_of(timed_search(Timed(power=2)))

    assert timing.rung_seconds == pytest.approx([18 * 1, 6 * 9, 2 * 81])


def test_scores_of_the_training_part_count(timing_of):
    """With return_train_score an evaluation has a second score."""
    timing = timing_of(timed_search(Timed(**LINEAR), return_train_score=True))

    assert timing.rung_seconds == pytest.approx([18 * 4, 6 * 8, 2 * 20])


def test_a_plan_of_one_rung_is_timed(timing_of):
    """One amount of the resource is enough for a search that has no other."""
    timing = timing_of(timed_search(Timed(**LINEAR), min_resources=9, n_candidates=2))

    assert timing.rung_seconds == pytest.approx([2 * 2 * 19.5])


class Starting(Timed):
    """Takes long in the first fit of all, as one does that has to load a library."""

    n_fits = 0

    def fit(self, X, y=None):
        """Let more time pass the first time."""
        CLOCK.advance(0.05 if Starting.n_fits == 0 else 0.0)
        Starting.n_fits += 1
        return super().fit(X, y)


def test_quick_evaluations_are_repeated(timing_of):
    """What only the first fit takes is not counted where the evaluations are quick."""
    Starting.n_fits = 0

    timing = timing_of(timed_search(Starting(per_unit=0.001)))

    assert timing.rung_seconds == pytest.approx([18 * 0.001, 6 * 0.003, 2 * 0.009])


class Disturbed(Timed):
    """Is held up in each fit with one unit."""

    def fit(self, X, y=None):
        """Let more time pass with few units."""
        CLOCK.advance(100 if self.n_units == 1 else 0)
        return super().fit(X, y)


def test_less_of_the_resource_takes_no_longer(timing_of):
    """A fit that took longer than one with more of the resource counts as that one."""
    timing = timing_of(timed_search(Disturbed()))

    assert timing.rung_seconds == pytest.approx([18 * 3, 6 * 3, 2 * 9])


@pytest.mark.parametrize(
    ("durations", "n_workers", "seconds"),
    [
        pytest.param([(2.0, 5)], 1, 10.0, id="one worker"),
        pytest.param([(2.0, 5)], 2, 6.0, id="one evaluation is left over"),
        pytest.param([(1.0, 4), (4.0, 1)], 2, 4.0, id="the longest first"),
        pytest.param([(1.0, 2), (9.0, 1)], 8, 9.0, id="no shorter than the longest"),
        pytest.param([(1.0, 0)], 2, 0.0, id="nothing to do"),
    ],
)
def test_makespan(durations, n_workers, seconds):
    """A level ends with the last of its evaluations."""
    assert makespan(durations, n_workers) == seconds


@pytest.mark.parametrize(
    ("plan", "amounts"),
    [
        pytest.param(halving_plan(9, 9), [1, 3, 9], id="all rungs"),
        pytest.param(halving_plan(1, 9), [9], id="one rung"),
        pytest.param(halving_plan(6, 60, factor=1.5, minimum=11), [11, 26, 60], id="close"),
        pytest.param(
            halving_plan(27, 27, minimum=9, aggressive_elimination=True), [9, 27], id="repeated"
        ),
    ],
)
def test_amounts_to_measure(plan, amounts):
    """The smallest amount and R are measured, and between them those that lie apart."""
    assert amounts_to_measure(plan) == amounts


# --- what is measured --------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_real_estimators_are_continued_as_in_a_search(timing_of, n_jobs):
    """Where the continuation policy continues the training, so does the estimate."""
    forest = RandomForestClassifier(random_state=0)
    search = SuccessiveHalvingSearchCV(
        forest,
        {"max_depth": range(1, 50)},
        n_candidates=9,
        resource="n_estimators",
        max_resources=9,
        min_resources=1,
        min_splits=None,
        n_jobs=n_jobs,
    )

    timing = timing_of(search)

    assert timing.continued
    assert timing.n_workers == n_jobs
    assert all(seconds > 0 for seconds in timing.rung_seconds)
    assert not timing_of(search.set_params(continue_training=False)).continued


def test_samples_are_a_resource(timing_of):
    """Fits with fewer samples are measured, and the warnings of all fits are kept back."""
    search = SuccessiveHalvingSearchCV(
        LogisticRegression(max_iter=1),
        {"C": np.arange(1, 100)},
        n_candidates=9,
        min_resources=26,
        min_splits=None,
    )

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        timing = timing_of(search)

    assert len(timing.rung_seconds) == 3
    assert not caught


def test_pairwise_data_and_metadata_reach_the_fits(classification):
    """A precomputed kernel, sample weights and groups are handled as in a search."""
    X, y = classification
    search = SuccessiveHalvingSearchCV(
        SVC(kernel="precomputed"),
        {"C": np.arange(1, 20)},
        n_candidates=9,
        min_resources=26,
        cv=GroupKFold(2),
    )

    plan = search.plan(
        rbf_kernel(X), y, timed=True, groups=np.arange(240) % 4, sample_weight=np.ones(240)
    )

    assert plan.timing.total_seconds > 0


def test_the_split_is_one_of_middling_size(timing_of):
    """Where the training parts grow, the one in the middle is measured."""
    sizes = []

    class Sized(Scored):
        def fit(self, X, y=None):
            sizes.append(len(X))
            return super().fit(X, y)

    timing_of(timed_search(Sized(), cv=TimeSeriesSplit(3)))

    assert set(sizes) == {120}


def test_the_plan_is_the_one_that_is_not_timed(classification, search_class):
    """Timing adds to the plan and changes nothing in it; plans are equal whatever their timing."""
    search = timed_search(Timed(), search_class)

    timed = search.plan(*classification, timed=True)

    assert timed.timing is not None
    assert timed == search.plan(*classification)
    assert timed == search.fit(*classification).plan_


def test_nothing_of_the_search_is_changed(classification):
    """Random states of the search, its splitter and its estimator stay where they were."""
    forest = RandomForestClassifier(n_estimators=2, random_state=np.random.RandomState(0))
    cv = KFold(2, shuffle=True, random_state=np.random.RandomState(1))
    search = SuccessiveHalvingSearchCV(
        forest,
        {"max_depth": range(1, 50)},
        n_candidates=9,
        min_resources=26,
        cv=cv,
        random_state=np.random.RandomState(2),
    )
    states = [forest.random_state, cv.random_state, search.random_state]
    before = [copy.deepcopy(state.get_state()) for state in states]

    search.plan(*classification, timed=True)

    np.testing.assert_equal([state.get_state() for state in states], before)
    assert not hasattr(forest, "estimators_")
    assert not [name for name in vars(search) if name.endswith("_") and not name.startswith("_")]


# --- errors ------------------------------------------------------------------------


def test_timing_needs_the_data():
    """Without X the error names timed."""
    with pytest.raises(ValueError, match=r"timed=True .* needs the data: give X"):
        timed_search(Timed()).plan(n_samples=240, timed=True)


@pytest.mark.parametrize("name", ["n_samples", "n_splits", "n_classes"])
def test_timing_takes_sizes_from_the_data(classification, name):
    """A size beside the data that are fitted is refused."""
    with pytest.raises(ValueError, match=f"{name}=7 with timed=True: .* leave {name} out"):
        timed_search(Timed()).plan(*classification, timed=True, **{name: 7})


def test_timing_is_true_or_false(classification):
    """Another value of timed is refused."""
    with pytest.raises(TypeError, match="timed='yes' must be True or False"):
        timed_search(Timed()).plan(*classification, timed="yes")


def test_timing_needs_splits_that_fit_can_read_again(classification):
    """An iterator of splits would be used up, so that it is refused."""
    splits = KFold(2).split(*classification)

    with pytest.raises(ValueError, match="with timed=True make it a list"):
        timed_search(Timed(), cv=splits).plan(*classification, timed=True)
    assert len(list(splits)) == 2


@pytest.mark.parametrize("step", ["fit", "score"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_exceptions_are_raised_as_they_are(classification, step, n_jobs):
    """What a fit or the scorer raises reaches the caller, with a note that names timed=True."""
    search = timed_search(Failing(step=step), n_jobs=n_jobs)
    match = "quality 0.000 is too low" if step == "fit" else "no score"

    with pytest.raises(ArithmeticError, match=match) as caught:
        search.plan(*classification, timed=True)
    assert "leave timed=True out" in "".join(caught.value.__notes__)


def no_number(estimator, X, y):
    """Return what is no score."""
    return "high"


def test_scores_must_be_numbers(classification):
    """A scorer that returns no number is an error of the scorer."""
    search = timed_search(Timed(), scoring=no_number)

    with pytest.raises(ValueError, match="scoring must return a number"):
        search.plan(*classification, timed=True)


# --- what is shown -----------------------------------------------------------------

TIMING = PlanTiming(
    rung_seconds=(60.0, 120.0, 90.5),
    total_seconds=240.0,
    n_workers=2,
    continued=False,
    random_search_seconds=1560.0,
    n_random_search_candidates=22.4,
)


def test_a_timed_plan_prints_its_seconds():
    """The table has a column of seconds, and the last line is what a user can decide by."""
    plan = replace(halving_plan(9, 9), timing=TIMING)

    assert str(plan).splitlines()[:4] == [
        "bracket  iter  n_candidates  n_resources  n_splits  seconds",
        "      2     0             9            1         1       60",
        "      2     1             3            3         1      120",
        "      2     2             1            9         1     90.5",
    ]
    assert str(plan).splitlines()[-1] == (
        "Expected time: about 4 minutes with 2 workers; in that time a random search tries "
        "about 22 candidates, and for 9 it takes about 26 minutes."
    )


def test_the_frame_of_a_timed_plan_has_seconds():
    """The last column holds the seconds of each rung."""
    pytest.importorskip("pandas")
    plan = halving_plan(9, 9)

    assert "seconds" not in plan.to_frame()
    assert replace(plan, timing=TIMING).to_frame()["seconds"].tolist() == [60.0, 120.0, 90.5]


@pytest.mark.parametrize(
    ("n_random", "n_workers", "text"),
    [
        pytest.param(0.4, 2, "with 2 workers; in that time a random search tries 0 candidates", id="0"),
        pytest.param(1.9, 1, "with 1 worker; in that time a random search tries about one candidate,", id="1"),
        pytest.param(1234.5, 1, "tries about 1200 candidates", id="many"),
    ],
)  # fmt: skip
def test_numbers_of_candidates_are_words_that_are_true(n_random, n_workers, text):
    """Only whole candidates count."""
    timing = replace(TIMING, n_random_search_candidates=n_random, n_workers=n_workers)

    assert text in describe_timing(timing, 9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "less than a second"),
        (1.01, "about 1 second"),
        (1.26, "about 1.3 seconds"),
        (89.0, "about 89 seconds"),
        (90.0, "about 1.5 minutes"),
        (240.0, "about 4 minutes"),
        (5000.0, "about 83 minutes"),
        (7200.0, "about 2 hours"),
        (86400.0, "about 24 hours"),
        (2e5, "about 2.3 days"),
        (2e7, "about 230 days"),
    ],
)
def test_durations_have_human_units(seconds, text):
    """A duration has two digits in the unit that suits it."""
    assert describe_seconds(seconds) == text
