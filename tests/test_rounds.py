import contextlib
import functools
import warnings
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import randint, uniform
from sklearn.ensemble import ExtraTreesClassifier

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._round_sizes import Costs, narrowed_round, next_round, smaller_bracket
from skhyperband._schedule import (
    group_by_level,
    hyperband,
    resource_ladder,
    successive_halving,
)
from tests.estimators import Scored

# --- planning ----------------------------------------------------------------------

FACTORS = st.sampled_from([Fraction(2), Fraction(3), Fraction("2.5"), Fraction(4)])


@st.composite
def plans(draw):
    """Draw the brackets of a plan, and its factor."""
    factor = draw(FACTORS)
    n_splits = draw(st.integers(1, 5))
    min_splits = draw(st.none() | st.integers(1, n_splits))
    largest = draw(st.integers(1, 300))
    smallest = draw(st.integers(1, largest))
    ladder = resource_ladder(largest, factor, smallest, n_splits, min_splits)
    n_candidates = draw(st.none() | st.integers(1, 60))
    if draw(st.booleans()):
        aggressive = draw(st.booleans())
        return [
            successive_halving(n_candidates, ladder, factor, aggressive_elimination=aggressive)
        ], factor
    return hyperband(n_candidates, ladder, factor, n_brackets=draw(st.integers(1, 6))), factor


def sizes(bracket):
    return [rung.n_candidates for rung in bracket.rungs]


def costs_of(brackets, full_fit=1.0, n_workers=1):
    return Costs(brackets[0].rungs[-1].n_resources, full_fit, {}, n_workers)


@given(plans(), st.floats(0.01, 2), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_rounds_take_no_more_than_the_plan_and_reach_the_maximum(plan, share, n_workers):
    """Sizes never grow within a round, each ends with R, and in all no candidate is too many."""
    planned, factor = plan
    costs = costs_of(planned, n_workers=n_workers)
    seconds = share * costs.of_round(planned)
    left = [bracket.n_candidates for bracket in planned]
    top = planned[0].rungs[-1]
    n_rounds = 0
    while any(left):
        one = next_round(
            planned,
            left,
            factor,
            costs=costs,
            seconds=seconds,
            first_share=1 / 3 if n_rounds == 0 else 1.0,
            n_splits_done=top.n_splits if n_rounds else 0,
        )
        if one is None:
            break
        n_rounds += 1
        left = [n - taken for n, taken in zip(left, one.taken, strict=True)]
        seconds -= costs.of_round(one.brackets)

        assert min(left) >= 0
        assert sum(one.taken) == sum(bracket.n_candidates for bracket in one.brackets) > 0
        assert len({bracket.key for bracket in one.brackets}) == len(one.brackets)
        for bracket in one.brackets:
            assert bracket.rungs[-1].n_resources == top.n_resources
            assert sizes(bracket) == sorted(sizes(bracket), reverse=True)
            assert min(sizes(bracket)) >= 1
            assert [rung.iter for rung in bracket.rungs] == list(range(len(bracket.rungs)))
    assert n_rounds >= 1


@given(plans())
@settings(max_examples=50, deadline=None)
def test_plan_that_fits_is_one_round(plan):
    """With as much time as the plan takes, it is run as it is."""
    planned, factor = plan
    costs = costs_of(planned)

    one = next_round(
        planned,
        [bracket.n_candidates for bracket in planned],
        factor,
        costs=costs,
        seconds=costs.of_round(planned),
        first_share=1 / 3,
        n_splits_done=0,
    )

    assert list(one.brackets) == planned


@pytest.mark.parametrize(
    ("n_candidates", "expected"),
    [
        (81, [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]),
        (30, [(30, 1), (10, 3), (3, 9), (1, 27), (1, 81)]),
        (27, [(27, 3), (9, 9), (3, 27), (1, 81)]),
        (9, [(9, 9), (3, 27), (1, 81)]),
        (3, [(3, 27), (1, 81)]),
        (1, [(1, 81)]),
    ],
)
def test_smaller_bracket_starts_on_a_higher_rung(n_candidates, expected):
    """Rungs that would discard nothing are left out."""
    factor = Fraction(3)
    bracket = successive_halving(81, resource_ladder(81, factor, 1, 5), factor)

    smaller = smaller_bracket(bracket, n_candidates, factor)

    assert [(r.n_candidates, r.n_resources) for r in smaller.rungs] == expected


def test_first_round_takes_a_third_of_the_time():
    """It is the largest that fits into that."""
    factor = Fraction(3)
    planned = hyperband(None, resource_ladder(81, factor, 1, 5), factor)
    costs = costs_of(planned)
    left = [bracket.n_candidates for bracket in planned]

    def first(seconds):
        one = next_round(
            planned,
            left,
            factor,
            costs=costs,
            seconds=seconds,
            first_share=1 / 3,
            n_splits_done=0,
        )
        return costs.of_round(one.brackets) / seconds

    whole = costs.of_round(planned)
    assert 0.25 < first(0.9 * whole) <= 1 / 3
    assert 0.25 < first(0.5 * whole) <= 1 / 3


@given(plans(), st.data())
@settings(max_examples=50, deadline=None)
def test_narrowed_round_keeps_one_candidate_to_the_end(plan, data):
    """However little time is left after a level: no size grows, and one has R."""
    planned, _ = plan
    level = data.draw(st.sampled_from(group_by_level(planned)))
    seconds = data.draw(st.floats(0, 100))
    is_last = level == group_by_level(planned)[-1]

    narrowed = narrowed_round(planned, level, costs_of(planned), seconds)

    for before, after in zip(planned, narrowed, strict=True):
        assert all(new <= old for new, old in zip(sizes(after), sizes(before), strict=True))
        left = [n for n in sizes(after) if n]
        assert left == sorted(left, reverse=True)
    assert narrowed[0].rungs[-1].n_candidates >= 1
    if is_last:
        assert narrowed == planned


def test_level_takes_as_long_as_its_longest_evaluation():
    """More workers than evaluations do not make it shorter."""
    factor = Fraction(3)
    bracket = successive_halving(3, resource_ladder(9, factor, 9, 2), factor)
    costs = [Costs(9, 10.0, {9: 10.0}, n_workers).of_round([bracket]) for n_workers in (1, 3, 50)]

    assert costs == [60.0, 20.0, 10.0]


def test_measured_costs_replace_those_expected():
    """What is higher up than the last measured level takes longer by what that one took longer."""
    expected = Costs(100, 10.0, {})
    measured = replace(expected, measured={10: 5.0})

    assert measured.of_evaluation(10) == 5.0
    extra = 5.0 - expected.of_evaluation(10)
    assert measured.of_evaluation(50) == pytest.approx(expected.of_evaluation(50) + extra)


# --- searches ----------------------------------------------------------------------


class SimulatedClock:
    """A clock that fits set forward. All its instances are the same clock, without a state."""

    now = 0.0

    def __call__(self):
        return SimulatedClock.now


class Timed(Scored):
    """Takes time by the simulated clock: a part for each fit, and another for each unit."""

    def __init__(self, quality=0.0, n_units=1, fixed=1.0, per_unit=1.0, slow=1.0):
        super().__init__(quality, n_units)
        self.fixed = fixed
        self.per_unit = per_unit
        self.slow = slow

    def fit(self, X, y=None):
        """Set the clock forward."""
        SimulatedClock.now += self.slow * (self.fixed + self.per_unit * self.n_units)
        return super().fit(X, y)


class FailingAsGiven(Timed):
    """Fails with the quality that it has by default."""

    def fit(self, X, y=None):
        """Fail, or fit."""
        if self.quality == 0.0:
            raise ArithmeticError("no quality")
        return super().fit(X, y)


class SlowSampler:
    """Takes time by the simulated clock to draw candidates, always the same."""

    def __init__(self, seconds, **fixed):
        self.seconds = seconds
        self.fixed = fixed

    def ask(self, n, *, repeat, bracket):
        """Set the clock forward, and draw."""
        SimulatedClock.now += self.seconds
        qualities = np.random.default_rng([repeat, bracket]).uniform(0.1, 0.8, n)
        return [{"quality": float(quality), **self.fixed} for quality in qualities]

    def tell(self, level):
        """Learn nothing."""


HALVING = {"n_candidates": "exhaust", "min_splits": None}
HYPERBAND = {
    "n_candidates": "auto",
    "n_brackets": "all",
    "n_repeats": 1,
    "promotion": "bracket",
    "min_splits": None,
    "sampler": "random",
}
SEARCHES = {
    "halving": (SuccessiveHalvingSearchCV, HALVING),
    "halving, one split first": (SuccessiveHalvingSearchCV, {**HALVING, "min_splits": 1}),
    "hyperband": (HyperbandSearchCV, HYPERBAND),
    "hyperband, one split first": (
        HyperbandSearchCV,
        {**HYPERBAND, "min_splits": 1, "min_resources": 3},
    ),
    "hyperband by level": (
        HyperbandSearchCV,
        {**HYPERBAND, "promotion": "level", "min_splits": 2},
    ),
}
each_search = pytest.mark.parametrize("kind", SEARCHES)


@pytest.fixture(scope="module")
def timed(classification):
    """Give a function that fits a search by the simulated clock; it returns search and seconds."""

    def fit(kind, max_time=None, model=Timed, estimator=None, space=None, **options):
        searching, own = SEARCHES[kind]
        SimulatedClock.now = 0.0
        search = searching(
            model(**(estimator or {})),
            space or {"quality": uniform(0.1, 0.8)},
            **{
                "resource": "n_units",
                "max_resources": 27,
                "min_resources": 1,
                "cv": 3,
                "random_state": 0,
                "refit": False,
                "max_time": max_time,
                **own,
                **options,
            },
        )
        search._clock = search._timer = SimulatedClock()
        return search.fit(*classification), SimulatedClock.now

    return fit


@pytest.fixture(scope="module")
def without_limit(timed):
    """Give a function that returns what `timed` does without a limit, fitted once for each kind."""
    return functools.cache(timed)


FULL_FIT = 1.0 + 27


@each_search
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8, 0.99])
def test_limited_search_has_a_result_with_everything(timed, without_limit, kind, share):
    """Whatever the time: one candidate had R, no candidate is too many, and the time is used."""
    whole, seconds = without_limit(kind)
    with contextlib.ExitStack() as warned:
        if share * seconds < FULL_FIT:
            warned.enter_context(pytest.warns(UserWarning, match="No candidate was evaluated"))
        search, used = timed(kind, max_time=share * seconds)
    n_left = whole.plan_.n_candidates - search.plan_.n_candidates

    assert n_left >= 0
    assert search.best_params_["n_units"] == 27
    assert used <= share * seconds + FULL_FIT
    # A candidate takes as many full fits as there are splits.
    assert n_left == 0 or used >= min(0.8 * share * seconds, share * seconds - 3 * FULL_FIT)
    repeats = search.cv_results_["repeat"]
    assert set(repeats) == set(range(repeats.max() + 1))


@each_search
def test_search_that_fits_into_the_time_is_that_without_a_limit(timed, kind, assert_same_results):
    """The estimator as it is given, which gives the scale of time, is not among the results."""
    whole, seconds = timed(kind, estimator={"fixed": 0.1})
    search, used = timed(kind, estimator={"fixed": 0.1}, max_time=3 * seconds)

    assert search.stop_reason_ == "completed"
    assert used == pytest.approx(seconds + 27.1 + 0.1 + search.n_resources_[0])
    assert search.plan_ == whole.plan_
    assert_same_results(search.cv_results_, whole.cv_results_)


@each_search
def test_low_rungs_that_cost_much_are_expected_to(timed, kind):
    """Where a fit takes nearly the same time with little, that is known before the first round."""
    _, seconds = timed(kind, estimator={"fixed": 30.0})
    search, used = timed(kind, estimator={"fixed": 30.0}, max_time=0.7 * seconds)

    assert search.cv_results_["repeat"].max() >= 1
    assert search.best_params_["n_units"] == 27
    assert used <= 0.7 * seconds + 57


@each_search
@pytest.mark.parametrize("slow", [2.0, 4.0, 10.0])
def test_candidates_slower_than_the_estimator_still_end_with_everything(
    timed, without_limit, kind, slow
):
    """A round that takes longer than expected goes on with fewer candidates, the best so far."""
    space = {"quality": uniform(0.1, 0.8), "slow": [slow]}
    _, seconds = without_limit(kind)
    search, used = timed(kind, space=space, max_time=1.2 * seconds)

    assert search.best_params_["n_units"] == 27
    assert search.stop_reason_ == "max_time"
    assert used <= 1.2 * seconds + slow * FULL_FIT


@each_search
def test_scale_of_time_is_not_needed(timed, without_limit, kind):
    """Where the estimator as it is given fails, a small round comes first."""
    _, seconds = without_limit(kind)
    search, _ = timed(kind, model=FailingAsGiven, max_time=seconds / 2)

    assert search.best_params_["n_units"] == 27
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.plan_.rungs[0].n_candidates == 3


@each_search
def test_first_fit_that_takes_all_the_time_is_the_result(timed, kind):
    """The estimator as it is given is then the only candidate."""
    with pytest.warns(UserWarning, match=r"No candidate .* max_time=2\.0: .* 1 of 3 splits"):
        search, used = timed(kind, max_time=2.0)

    assert search.stop_reason_ == "max_time"
    assert used == FULL_FIT  # The smallest fit was not begun any more.
    assert search.best_params_ == {"n_units": 27}
    assert search.n_candidates_ == [1]


@each_search
def test_little_time_goes_to_full_fits_on_one_split(timed, kind):
    """With time for three fits, as many candidates have R on one split after the first fit."""
    search, _ = timed(kind, max_time=4.3 * FULL_FIT)

    assert search.n_candidates_ == [4]
    assert search.cv_results_["n_splits"].tolist() == [1, 1, 1, 1]
    assert search.cv_results_["params"][-1] == {"n_units": 27}
    assert search.best_params_["n_units"] == 27


@each_search
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_estimator_as_it_is_given_competes_if_the_plan_does_not_fit(timed, kind, share):
    """It is no worse candidate than those that the little time allows, and partly known already."""
    good = {"quality": 0.99}
    _, seconds = timed(kind, estimator=good)
    search, _ = timed(kind, estimator=good, max_time=share * seconds)

    assert search.best_params_ == {"n_units": 27}
    assert any("quality" in params for params in search.cv_results_["params"])


def test_estimator_as_it_is_given_is_no_candidate_if_the_plan_fits(timed, without_limit):
    """The results are then those of a search without a limit."""
    _, seconds = without_limit("halving")
    search, _ = timed("halving", max_time=2 * seconds)

    assert all("quality" in params for params in search.cv_results_["params"])


def test_estimator_as_it_is_given_enters_once(timed):
    """An empty dict among the initial candidates is the same."""
    search, _ = timed("halving", max_time=4.3 * FULL_FIT, initial_candidates=[{}])

    assert sum("quality" not in params for params in search.cv_results_["params"]) == 1


def test_candidates_that_are_drawn_at_random_come_together(timed, without_limit):
    """A round teaches nothing to the next, so that nearly all the time is for the first."""
    kind, options = "halving, one split first", {"max_resources": 243}
    _, seconds = without_limit(kind, **options)
    search, used = timed(kind, max_time=0.8 * seconds, **options)
    learning, _ = timed(kind, max_time=0.8 * seconds, sampler="model", **options)

    assert (search.cv_results_["repeat"] == 0).mean() > 0.8
    assert (learning.cv_results_["repeat"] == 0).mean() < 0.6
    assert used <= 0.8 * seconds + 244


def test_plan_that_just_fits_loses_no_candidates_to_slow_ones(timed, without_limit):
    """A first level that takes a third longer than expected is not ended early."""
    kind = "halving, one split first"
    _, seconds = without_limit(kind)
    of_given = FULL_FIT + 2.0  # With all resources, and with the least.

    class SlowWithLittle(Timed):
        def fit(self, X, y=None):
            if self.n_units == 1 and self.quality:  # It is not the estimator as it is given.
                SimulatedClock.now += (self.fixed + self.per_unit) / 3
            return super().fit(X, y)

    search, used = timed(kind, model=SlowWithLittle, max_time=1.02 * seconds + of_given)

    assert search.n_candidates_[0] == 81
    assert used <= 1.02 * seconds + of_given + FULL_FIT


@pytest.mark.parametrize("slow", [2.0, 4.0])
def test_first_level_that_takes_longer_leaves_time_for_the_others(timed, without_limit, slow):
    """Not all candidates begin then, and so the best of them come to the highest level.

    The first level takes 162 of the 500 seconds of the whole plan; it leaves three quarters of the others'.
    """
    kind, space = "halving, one split first", {"quality": uniform(0.1, 0.8), "slow": [slow]}
    _, seconds = without_limit(kind)
    search, used = timed(kind, space=space, max_time=seconds)

    assert search.stop_reason_ == "max_time"
    assert search.n_candidates_[0] == pytest.approx((500 - 0.75 * 338) / (2 * slow), rel=0.05)
    assert search.best_params_["n_units"] == 27
    assert used <= seconds + slow * FULL_FIT


def test_later_rounds_have_other_candidates(timed, without_limit):
    """No candidate enters twice."""
    _, seconds = without_limit("hyperband")
    search, _ = timed("hyperband", max_time=0.7 * seconds)
    results = search.cv_results_

    qualities = {
        (p.get("quality"), i)
        for p, i in zip(results["params"], results["candidate_id"], strict=True)
    }
    assert results["repeat"].max() >= 1
    assert len({quality for quality, _ in qualities}) == len(qualities)
    assert len(qualities) == search.plan_.n_candidates


def test_initial_candidates_wait_for_later_rounds(timed, without_limit):
    """A first round that is too small for them takes the first of them."""
    initial = [{"quality": 0.9 + i / 100} for i in range(16)]
    _, seconds = without_limit("hyperband")
    search, _ = timed("hyperband", max_time=0.5 * seconds, initial_candidates=initial)
    results = search.cv_results_

    entered = [
        p["quality"]
        for p, i in zip(results["params"], results["iter"], strict=True)
        if not i and "quality" in p
    ]
    n_first = search.plan_.brackets[0].n_candidates - 1  # Without the estimator as it is given.
    assert n_first < 16
    assert entered[:n_first] == [candidate["quality"] for candidate in initial[:n_first]]
    assert {candidate["quality"] for candidate in initial} <= set(entered)


@each_search
@pytest.mark.parametrize("share", [0.3, 1.5])
def test_estimator_that_is_an_initial_candidate_is_evaluated_once(
    timed, without_limit, kind, share
):
    """What was measured of it before the first round counts, whether the plan fits or not."""
    fits = []

    class Recording(Timed):
        def fit(self, X, y=None):
            fits.append((self.quality, self.n_units, X.sum()))
            return super().fit(X, y)

    _, seconds = without_limit(kind)
    timed(kind, max_time=share * seconds, model=Recording, initial_candidates=[{}])

    as_given = [fit for fit in fits if fit[0] == Recording().quality]
    assert len(as_given) == len(set(as_given)) > 0


def test_plan_is_repeated_until_the_time_is_over(timed, without_limit):
    """With n_repeats=None whole plans are run, and a smaller round at the end."""
    whole, seconds = without_limit("hyperband")
    search, used = timed("hyperband", n_repeats=None, max_time=2.5 * seconds)
    rounds = {}
    for bracket in search.plan_.brackets:
        rounds.setdefault(bracket.repeat, []).append(replace(bracket, repeat=0).n_candidates)

    expected = [bracket.n_candidates for bracket in whole.plan_.brackets]
    assert rounds[0] == rounds[1] == expected
    assert sum(rounds[2]) < sum(expected)
    assert search.stop_reason_ == "max_time"
    assert used >= 0.8 * 2.5 * seconds


def test_number_of_required_rungs_is_that_of_one_round(timed):
    """The candidates of all rounds are not in one bracket."""
    _, seconds = timed("halving", max_resources=729)
    search, _ = timed(
        "halving", max_resources=729, max_time=0.95 * seconds, sampler=SlowSampler(0)
    )

    widest = max(bracket.n_candidates for bracket in search.plan_.brackets)
    assert search.plan_.brackets[-1].repeat >= 1
    assert 3 ** (search.n_required_iterations_ - 1) <= widest


def test_resumed_search_takes_its_first_fit_from_the_journal(timed, without_limit, tmp_path):
    """Also the estimator as it is given is evaluated once only."""
    _, seconds = without_limit("hyperband")
    path = tmp_path / "search.sqlite"
    first, _ = timed("hyperband", max_time=seconds / 4, journal=path)
    again, used = timed("hyperband", max_time=seconds / 4, journal=path)

    n_measured = len(first.cv_results_["params"])
    assert again.n_replayed_ >= n_measured
    assert again.best_score_ >= first.best_score_
    assert used <= seconds / 4 + FULL_FIT


def test_time_that_replaying_takes_is_not_expected_of_what_is_to_come(timed, tmp_path):
    """Rounds of a resumed search are as large as the fits allow, though its sampler is slow."""
    kind, options = "hyperband, one split first", {"n_repeats": None, "journal": tmp_path / "a"}
    timed(kind, max_time=1500, sampler=SlowSampler(0), **options)

    search, used = timed(kind, max_time=2500, sampler=SlowSampler(30), **options)

    rounds = {0: [], 1: []}
    for bracket in search.plan_.brackets:
        rounds.get(bracket.repeat, []).append(sizes(bracket))
    assert search.n_replayed_ > 0
    assert rounds[0] == rounds[1] == [[27, 9, 3, 1], [12, 4, 1], [6, 2], [4]]
    assert used <= 2500


def test_overhead_is_that_of_what_is_made_now(timed, tmp_path):
    """What a journal has took no time, and does not make a slow sampler look quick."""
    kind, options = "hyperband, one split first", {"n_repeats": None, "journal": tmp_path / "a"}
    timed(kind, max_time=1500, sampler=SlowSampler(0), **options)

    search, used = timed(kind, max_time=1150, sampler=SlowSampler(50), **options)

    assert search.n_replayed_ > 0
    assert used <= 1150 + FULL_FIT


def test_plan_says_how_rounds_grow():
    """A line below the table, where there is a limit."""
    search = HyperbandSearchCV(Scored(), {}, resource="n_units", max_resources=9, max_time=90)
    with_limit = str(search.plan(n_samples=100))
    without = str(search.set_params(max_time=None).plan(n_samples=100))

    assert "max_time=90 s, a smaller round comes first" in with_limit
    assert with_limit.startswith(without)


def test_part_of_a_grid_is_spread_over_it(timed):
    """The first round over a whole grid does not have its first points only."""
    grid = {"quality": list(np.linspace(0.1, 0.9, 27)), "fixed": [1.0, 1.1]}
    options = {"space": grid, "n_candidates": "all"}
    _, seconds = timed("halving", **options)
    search, _ = timed("halving", max_time=0.3 * seconds, **options)

    n_entered = search.n_candidates_[0]
    entered = search.cv_results_["params"][:n_entered]
    qualities = [params["quality"] for params in entered if "quality" in params]
    assert 3 <= n_entered < 27
    assert len(set(qualities)) > (n_entered + 1) // 2
    assert max(qualities) > 0.5


def test_candidates_whose_parameter_is_called_n_samples_are_candidates(timed):
    """It is no resource that the estimator as it is given has, too."""

    class OfSamples(Timed):
        def __init__(self, n_samples=1, quality=0.5, n_units=1, fixed=1.0, per_unit=1.0, slow=1.0):
            super().__init__(quality, n_units, fixed, per_unit, slow)
            self.n_samples = n_samples

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search, _ = timed(
            "halving",
            max_time=20,
            model=OfSamples,
            space={"n_samples": list(range(2, 80))},
            resource="n_samples",
            max_resources="auto",
            min_resources=26,
            n_candidates=9,
        )

    assert search.stop_reason_ == "max_time"
    assert len(search.cv_results_["params"]) > 1


def test_training_of_the_estimator_as_it_is_given_is_not_said_to_be_fresh(timed):
    """It has a full fit before there are rungs; nobody was promoted."""

    class TimedForest(ExtraTreesClassifier):
        def fit(self, X, y, sample_weight=None):
            SimulatedClock.now += self.n_estimators
            return super().fit(X, y, sample_weight)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search, _ = timed(
            "halving",
            model=TimedForest,
            space={"max_depth": randint(1, 9)},
            resource="n_estimators",
            max_time=4.3 * 27,
            continue_training=True,
        )

    assert set(search.cv_results_["n_resources"]) == {27}


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_each_rung_has_the_time_of_its_own_evaluations(timed, without_limit, share):
    """A full fit of the estimator as it is given is not part of the lowest rung."""
    _, seconds = without_limit("halving, one split first")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No candidate was evaluated")
        search, _ = timed("halving, one split first", max_time=share * seconds)

    measured = {}
    for rung in search.rungs_.rungs:
        below = measured.get((rung.bracket, rung.repeat, rung.n_resources), 0)
        n_evaluations = rung.n_candidates * (rung.n_splits - below)
        measured[rung.bracket, rung.repeat, rung.n_resources] = rung.n_splits
        assert rung.seconds == pytest.approx(n_evaluations * (1 + rung.n_resources))


@pytest.mark.parametrize("seconds", [50, 100])
def test_overhead_is_expected_though_the_estimator_as_it_is_given_is_slow(timed, seconds):
    """Its fit is not part of the time that the levels took: rounds are not too large for it."""
    _, used = timed(
        "halving",
        max_time=600,
        estimator={"slow": 8.0},
        space={"quality": uniform(0.1, 0.8), "slow": [1.0]},
        sampler=SlowSampler(seconds, slow=1.0),
    )

    assert 480 < used <= 600
