import math
import threading
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.tree import DecisionTreeClassifier

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._plan import Plan
from skhyperband._schedule import (
    assign_places,
    automatic_min_resources,
    exact_factor,
    hyperband,
    largest_power,
    limit_candidates,
    ranked,
    resource_ladder,
    successive_halving,
    survivors,
)
from skhyperband._tables import format_table

# R, factor, minimum, the brackets as n@r, and the cost in units, fresh and continued.
PUBLISHED = [
    pytest.param(
        81,
        3,
        1,
        "81@1 27@3 9@9 3@27 1@81 · 34@3 11@9 3@27 1@81 · 15@9 5@27 1@81 · 8@27 2@81 · 5@81",
        (1902, 1581),
        id="81-3-1",
    ),
    pytest.param(
        27,
        3,
        1,
        "27@1 9@3 3@9 1@27 · 12@3 4@9 1@27 · 6@9 2@27 · 4@27",
        (423, 357),
        id="27-3-1",
    ),
    pytest.param(
        64,
        2,
        1,
        "64@1 32@2 16@4 8@8 4@16 2@32 1@64 · 38@2 19@4 9@8 4@16 2@32 1@64 · "
        "23@4 11@8 5@16 2@32 1@64 · 14@8 7@16 3@32 1@64 · 10@16 5@32 2@64 · 7@32 3@64 · 7@64",
        (2948, 2062),
        id="64-2-1",
    ),
    pytest.param(
        100,
        4,
        1,
        "64@1 16@6 4@25 1@100 · 22@6 5@25 1@100 · 8@25 2@100 · 4@100",
        None,
        id="100-4-1",
    ),
]


factors = st.sampled_from([1.1, 1.5, 2, 2.5, 3, 4, 10, Fraction(5, 2), Fraction(10, 3)])

every_schedule = settings(deadline=None, max_examples=60)


def plan_of(brackets, R, factor=3, n_splits=1, min_resources=1):
    return Plan(
        brackets=tuple(brackets),
        factor=exact_factor(factor),
        resource="n_samples",
        min_resources=min_resources,
        max_resources=R,
        n_splits=n_splits,
        ladder=(),
    )


def hyperband_plan(R, factor=3, minimum=1, n_splits=1, min_splits=None, **options):
    ladder = resource_ladder(R, exact_factor(factor), minimum, n_splits, min_splits)
    brackets = hyperband(options.pop("n", None), ladder, exact_factor(factor), **options)
    return plan_of(brackets, R, factor, n_splits, minimum)


def halving_plan(n, R, factor=3, minimum=1, n_splits=1, min_splits=None, **options):
    ladder = resource_ladder(R, exact_factor(factor), minimum, n_splits, min_splits)
    bracket = successive_halving(n, ladder, exact_factor(factor), **options)
    return plan_of([bracket], R, factor, n_splits, minimum)


def written(brackets):
    return " · ".join(
        " ".join(f"{rung.n_candidates}@{rung.n_resources}" for rung in bracket.rungs)
        for bracket in brackets
    )


# --- published tables --------------------------------------------------------------


@pytest.mark.parametrize(("R", "factor", "minimum", "brackets", "units"), PUBLISHED)
def test_hyperband_has_the_published_brackets(R, factor, minimum, brackets, units):
    """All brackets and rungs are those of Algorithm 1."""
    plan = hyperband_plan(R, factor, minimum)

    assert written(plan.brackets) == brackets


@pytest.mark.parametrize(
    ("R", "factor", "minimum", "brackets", "units"),
    [row for row in PUBLISHED if row.values[-1] is not None],
)
@pytest.mark.parametrize("continued", [False, True], ids=["fresh", "continued"])
def test_hyperband_costs_the_published_units(R, factor, minimum, brackets, units, continued):
    """The cost counts complete fits, or only the resource that each promotion adds."""
    plan = hyperband_plan(R, factor, minimum)

    assert plan.cost(continued=continued) == units[continued] / R


@pytest.mark.parametrize(
    ("R", "factor", "s_max"),
    [(243, 3, 5), (1000, 10, 3), (81, 3, 4), (242, 3, 4), (999, 10, 2), (5**10, 5, 10)],
)
def test_no_halving_is_lost_to_rounding(R, factor, s_max):
    """If R is an exact power of the factor, no bracket and no rung is missing."""
    plan = hyperband_plan(R, factor)

    assert [bracket.s for bracket in plan.brackets] == list(range(s_max, -1, -1))
    assert [len(bracket.rungs) for bracket in plan.brackets] == list(range(s_max + 1, 0, -1))


def test_hyperband_counts_its_candidates():
    """The candidates of all brackets add up, and a random search fits each on every split."""
    plan = hyperband_plan(81, n_splits=5)

    assert plan.n_candidates == 143
    assert plan.n_random_search_fits == 715


def test_levels_contain_rungs_of_several_brackets():
    """Rungs of all brackets that have the same resource form a level."""
    levels = hyperband_plan(81).levels

    assert [level.n_resources for level in levels] == [1, 3, 9, 27, 81]
    assert [sum(r.n_candidates for r in level.rungs) for level in levels] == [81, 61, 35, 19, 10]
    assert [[r.bracket for r in level.rungs] for level in levels[:2]] == [[4], [4, 3]]


# --- variations of Hyperband -------------------------------------------------------


def test_n_candidates_scales_every_bracket():
    """The widest bracket has the given number of candidates, and the others are in proportion."""
    plan = hyperband_plan(81, n=162)

    assert [bracket.n_candidates for bracket in plan.brackets] == [162, 68, 30, 15, 10]


def test_n_brackets_keeps_the_most_exploratory():
    """With fewer brackets, those with the fewest halvings are missing."""
    plan = hyperband_plan(81, n_brackets=2)

    assert plan.brackets == hyperband_plan(81).brackets[:2]


def test_too_large_n_brackets_gives_all_brackets():
    """A number of brackets that is too large gives all brackets."""
    assert hyperband_plan(81, n_brackets=9) == hyperband_plan(81)


def test_repeats_are_numbered():
    """Every rung of a repeat has its number, and nothing else differs."""
    plan = hyperband_plan(27, repeat=2)

    assert {rung.repeat for rung in plan.rungs} == {2}
    assert written(plan.brackets) == written(hyperband_plan(27).brackets)


def test_repeats_are_evaluated_one_after_another():
    """All levels of a repeat come before those of the next repeat."""
    brackets = [*hyperband_plan(9).brackets, *hyperband_plan(9, repeat=1).brackets]

    levels = plan_of(brackets, 9).levels

    assert [(level.repeat, level.n_resources) for level in levels] == [
        (repeat, n_resources) for repeat in (0, 1) for n_resources in (1, 3, 9)
    ]


# --- successive halving ------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "R", "minimum", "rungs"),
    [
        pytest.param(10, 81, 1, "10@9 3@27 1@81", id="few candidates start high"),
        pytest.param(81, 81, 1, "81@1 27@3 9@9 3@27 1@81", id="both limits agree"),
        pytest.param(81, 81, 9, "81@9 27@27 9@81", id="resources end first"),
        pytest.param(1, 81, 1, "1@81", id="one candidate"),
        pytest.param(2, 81, 1, "2@81", id="too few to halve"),
        pytest.param(None, 81, 1, "81@1 27@3 9@9 3@27 1@81", id="exhaust"),
        pytest.param(None, 100, 20, "3@33 1@100", id="exhaust ends with one at R"),
    ],
)
def test_successive_halving(n, R, minimum, rungs):
    """The bracket has as many halvings as both candidates and resources allow."""
    assert written(halving_plan(n, R, minimum=minimum).brackets) == rungs


@pytest.mark.parametrize(
    ("factor", "R", "minimum", "n"),
    [(1.5, 100, 19, 5), (2.5, 100, 1, 97), (1.1, 100, 10, 9)],
    ids=["1.5", "2.5", "1.1"],
)
def test_exhaust_rounds_the_power_down(factor, R, minimum, n):
    """The number of candidates is a power of the factor, rounded down."""
    assert halving_plan(None, R, factor, minimum).n_candidates == n


@every_schedule
@given(factor=factors, R=st.integers(1, 3000), minimum=st.integers(1, 3000))
def test_exhaust_ends_with_one_candidate(factor, R, minimum):
    """One candidate is left on the last rung, whatever the rounding."""
    plan = halving_plan(None, R, factor, min(R, max(minimum, R // 30)))

    assert plan.rungs[-1].n_candidates == 1


def test_aggressive_elimination_repeats_the_lowest_level():
    """The lowest level is repeated until the remaining halvings leave one candidate."""
    plan = halving_plan(81, 81, minimum=9, aggressive_elimination=True)

    assert written(plan.brackets) == "81@9 27@9 9@9 3@27 1@81"
    assert [rung.iter for rung in plan.rungs] == [0, 1, 2, 3, 4]


def test_aggressive_elimination_makes_separate_levels():
    """Repeated rungs are separate levels, in the order of the rungs."""
    levels = halving_plan(81, 81, minimum=9, aggressive_elimination=True).levels

    assert [[rung.iter for rung in level.rungs] for level in levels] == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize("continued", [False, True], ids=["fresh", "continued"])
def test_repeated_levels_cost_nothing(continued):
    """Repeated rungs of the lowest level cost nothing."""
    aggressive = halving_plan(81, 81, minimum=9, aggressive_elimination=True)

    units = aggressive.cost(continued=continued) * 81

    assert units == 81 * 9 + 3 * (27 - 9 * continued) + 1 * (81 - 27 * continued)


def test_aggressive_elimination_changes_nothing_if_resources_suffice():
    """If the resource allows all halvings, no level is repeated."""
    aggressive = halving_plan(81, 81, aggressive_elimination=True)

    assert aggressive == halving_plan(81, 81)


# --- exact factors -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "exact"),
    [
        (1.1, Fraction(11, 10)),
        (1.5, Fraction(3, 2)),
        (2.5, Fraction(5, 2)),
        (10, Fraction(10)),
        (3.0, Fraction(3)),
        (Fraction(5, 2), Fraction(5, 2)),
    ],
    ids=str,
)
def test_factors_are_exact_decimals(factor, exact):
    """A factor is exactly the fraction that its decimal notation stands for."""
    assert exact_factor(factor) == exact


@pytest.mark.parametrize(
    ("factor", "R", "minimum", "rungs"),
    [
        pytest.param(1.5, 100, 19, [19, 29, 44, 66, 100], id="1.5"),
        pytest.param(2.5, 625, 16, [16, 40, 100, 250, 625], id="2.5"),
        pytest.param(Fraction(5, 2), 625, 16, [16, 40, 100, 250, 625], id="5/2"),
        pytest.param(10, 1000, 1, [1, 10, 100, 1000], id="10"),
        pytest.param(1.1, 14641, 10000, [10000, 11000, 12100, 13310, 14641], id="1.1"),
    ],
)
def test_resources_divide_exactly(factor, R, minimum, rungs):
    """Each step divides R by a power of the factor and rounds down once."""
    ladder = resource_ladder(R, exact_factor(factor), minimum, 1)

    assert [n_resources for n_resources, _ in reversed(ladder)] == rungs


@pytest.mark.parametrize(
    ("factor", "limit", "power"),
    [(3, 243, 5), (3, 242, 4), (10, 1000, 3), (2.5, 39, 3), (2.5, 40, 4), (1.1, 1, 0), (3, 2, 0)],
)
def test_largest_power(factor, limit, power):
    """The exponent is the largest whose power does not exceed the limit."""
    assert largest_power(exact_factor(factor), limit) == power


@pytest.mark.parametrize("limit", [2, 10, 1001])
def test_largest_power_of_a_factor_next_to_1(limit):
    """An exponent beyond a thousand is exact, too."""
    factor = exact_factor(1.0003)

    s = largest_power(factor, limit)

    assert factor**s <= limit < factor ** (s + 1)


def test_largest_power_of_a_factor_that_no_float_holds():
    """A factor may be nearer to 1 than any float: the powers are counted all the same."""
    s = largest_power(Fraction(10**100 + 1, 10**100), 10)

    assert str(s).startswith("2302585092994045684017991")
    assert len(str(s)) == 101


@pytest.mark.parametrize(
    ("n", "factor", "n_halvings", "left"),
    [(34, 3, 1, 11), (34, 3, 3, 1), (2, 3, 1, 1), (11, 1.1, 1, 10), (5, 2.5, 1, 2), (7, 3, 0, 7)],
)
def test_survivors(n, factor, n_halvings, left):
    """The number of candidates is divided by the power and rounded down, but is at least one."""
    assert survivors(n, exact_factor(factor), n_halvings) == left


@pytest.mark.parametrize(
    ("R", "factor", "bound"),
    [(81, 3, 27), (100, 3, Fraction(100, 3)), (100, 1.5, Fraction(200, 3)), (2, 3, 1)],
)
def test_automatic_min_resources_leaves_room_for_a_halving(R, factor, bound):
    """The bound is R divided by the factor, but is at least one."""
    assert automatic_min_resources(R, exact_factor(factor)) == bound


def test_rungs_that_are_equal_after_rounding_are_merged():
    """Two steps with the same rounded resource are one rung, which has the larger size."""
    ladder = resource_ladder(4, exact_factor(1.5), 1, 1)

    bracket = successive_halving(6, ladder, exact_factor(1.5))

    assert ladder == [(4, 1), (2, 1), (1, 1), (1, 1)]
    assert written([bracket]) == "6@1 2@2 1@4"


def test_brackets_that_are_equal_after_rounding_are_not_merged():
    """Two brackets may start with the same resource; only rungs of one bracket are merged."""
    plan = hyperband_plan(4, 1.5)

    assert [bracket.s for bracket in plan.brackets] == [3, 2, 1, 0]
    assert [rung.bracket for rung in plan.levels[0].rungs] == [3, 2]


def test_sizes_after_a_merged_rung_count_all_halvings():
    """A rung after a merged one has the size that follows from its own number of halvings."""
    factor = exact_factor(1.25)
    ladder = resource_ladder(4, factor, 1, 1)

    bracket = successive_halving(8, ladder, factor)

    assert [r for r, _ in ladder] == [4, 3, 2, 2, 1, 1, 1]
    assert written([bracket]) == "8@1 4@2 2@3 2@4"
    assert [rung.n_halvings for rung in bracket.rungs] == [0, 3, 5, 6]


# --- splits that grow --------------------------------------------------------------


def test_splits_grow_last():
    """The first rungs use one split; a rung uses more splits only with the full resource."""
    ladder = resource_ladder(81, Fraction(3), 1, 5, 1)

    assert ladder[::-1] == [(1, 1), (5, 1), (15, 1), (45, 1), (81, 2), (81, 5)]


def test_splits_that_grow_allow_more_candidates():
    """Splits that grow allow one more halving, so that the widest bracket has 243 candidates."""
    assert hyperband_plan(81, n_splits=5, min_splits=1).brackets[0].n_candidates == 243


def test_min_splits_of_all_splits_is_the_plain_schedule():
    """A `min_splits` of all splits gives the same schedule as None."""
    assert resource_ladder(81, Fraction(3), 1, 5, 5) == resource_ladder(81, Fraction(3), 1, 5)


@pytest.mark.parametrize(
    ("continued", "units"),
    [
        (False, 243 * 1 + 81 * 5 + 27 * 15 + 9 * 45 + 3 * 2 * 81 + 1 * 3 * 81),
        (True, 243 * 1 + 81 * 4 + 27 * 10 + 9 * 30 + 3 * (36 + 81) + 1 * 3 * 81),
    ],
    ids=["fresh", "continued"],
)
def test_splits_measured_before_cost_nothing(continued, units):
    """If the resource does not grow, only the additional splits cost anything."""
    plan = halving_plan(243, 81, n_splits=5, min_splits=1)

    assert plan.cost(continued=continued) == units / 81


@pytest.mark.parametrize(
    ("continued", "units"), [(False, 3 * 5 * 27 + 81), (True, 3 * 5 * 27 + 54)]
)
def test_cost_of_a_rung_that_was_cut_off(continued, units):
    """A rung that has fewer splits than the one below costs what it evaluated."""
    plan = halving_plan(3, 81, n_splits=5)
    (bracket,) = plan.brackets
    lower, top = bracket.rungs
    cut_off = replace(bracket, rungs=(lower, replace(top, n_splits=1)))

    assert replace(plan, brackets=(cut_off,)).cost(continued=continued) == units / 81


def test_cost_counts_every_split():
    """The cost of the plain schedule is proportional to the number of splits."""
    assert hyperband_plan(81, n_splits=5).cost() == pytest.approx(5 * 1902 / 81)


# --- properties of all schedules ---------------------------------------------------


@st.composite
def schedules(draw):
    factor = draw(factors)
    R = draw(st.integers(1, 3000))
    minimum = draw(st.integers(max(1, R // 8 if factor == 1.1 else 1), R))
    n_splits = draw(st.integers(1, 6))
    min_splits = draw(st.none() | st.integers(1, n_splits))
    n = draw(st.none() | st.integers(1, 300))
    if draw(st.booleans()):
        return hyperband_plan(R, factor, minimum, n_splits, min_splits, n=n)
    aggressive = draw(st.booleans())
    options = {"aggressive_elimination": aggressive}
    return halving_plan(n, R, factor, minimum, n_splits, min_splits, **options)


def steps(bracket):
    return [(rung.n_resources, rung.n_splits) for rung in bracket.rungs]


@every_schedule
@given(plan=schedules())
def test_sizes_never_grow(plan):
    """A rung has at most as many candidates as the rung below, and at least one."""
    for bracket in plan.brackets:
        sizes = [rung.n_candidates for rung in bracket.rungs]

        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] >= 1


@every_schedule
@given(plan=schedules())
def test_brackets_end_with_the_full_resource(plan):
    """The last rung of every bracket has the resource R and all splits."""
    assert {steps(b)[-1] for b in plan.brackets} == {(plan.max_resources, plan.n_splits)}


@every_schedule
@given(plan=schedules())
def test_resources_increase(plan):
    """Each rung has more resource or more splits, apart from repeated lowest levels."""
    for bracket in plan.brackets:
        climb = steps(bracket)
        n_repeated = climb.count(climb[0]) - 1

        assert all(below < above for below, above in pairwise(climb[n_repeated:]))


@every_schedule
@given(plan=schedules())
def test_no_rung_is_below_the_minimum(plan):
    """No rung has a resource below the minimum, which is at least one."""
    assert min(rung.n_resources for rung in plan.rungs) >= plan.min_resources >= 1


@every_schedule
@given(plan=schedules())
def test_splits_grow_only_at_the_full_resource(plan):
    """A rung with more than the fewest splits has the resource R."""
    fewest = min(rung.n_splits for rung in plan.rungs)

    assert all(
        rung.n_resources == plan.max_resources for rung in plan.rungs if rung.n_splits > fewest
    )


@every_schedule
@given(plan=schedules())
def test_rungs_are_numbered(plan):
    """The rungs of a bracket are numbered from 0."""
    for bracket in plan.brackets:
        assert [rung.iter for rung in bracket.rungs] == list(range(len(bracket.rungs)))


@every_schedule
@given(plan=schedules())
def test_levels_contain_each_rung_once(plan):
    """Every rung belongs to exactly one level."""
    grouped = [rung for level in plan.levels for rung in level.rungs]

    assert len(grouped) == len(plan.rungs)
    assert set(grouped) == set(plan.rungs)


@every_schedule
@given(plan=schedules())
def test_levels_are_sorted(plan):
    """Levels are sorted, and all rungs of a level have its resource and number of splits."""
    climb = [(level.repeat, level.n_resources, level.n_splits) for level in plan.levels]

    assert climb == sorted(climb)
    for level in plan.levels:
        assert {(r.n_resources, r.n_splits) for r in level.rungs} == {
            (level.n_resources, level.n_splits)
        }


@every_schedule
@given(plan=schedules())
def test_rungs_of_a_bracket_are_in_increasing_levels(plan):
    """The level of a rung comes after the level of the rung below it."""
    place = {rung: i for i, level in enumerate(plan.levels) for rung in level.rungs}

    for bracket in plan.brackets:
        places = [place[rung] for rung in bracket.rungs]

        assert all(below < above for below, above in pairwise(places))


@every_schedule
@given(plan=schedules())
def test_continuing_never_costs_more(plan):
    """Continued training costs at most as much as fresh fits."""
    assert plan.cost(continued=True) <= plan.cost()


@every_schedule
@given(
    R=st.integers(1, 10**6),
    factor=factors,
    minimum=st.integers(1, 10**6),
    n_splits=st.integers(1, 10),
)
def test_ladders_are_the_powers_that_fit(R, factor, minimum, n_splits):
    """The plain ladder has R divided by each power of the factor, down to the minimum."""
    minimum = min(minimum, R)
    exact = exact_factor(factor)

    ladder = resource_ladder(R, exact, minimum, n_splits)

    assert ladder == [(math.floor(R / exact**k), n_splits) for k in range(len(ladder))]
    assert R / exact ** (len(ladder) - 1) >= minimum > R / exact ** len(ladder)


@every_schedule
@given(plan=schedules(), available=st.integers(1, 500))
def test_limited_brackets_use_the_available_candidates(plan, available):
    """The limited brackets use all available candidates, but no more than the plan has."""
    limited = limit_candidates(plan.brackets, available, plan.factor)

    assert sum(b.n_candidates for b in limited) == min(available, plan.n_candidates)
    for bracket in limited:
        sizes = [rung.n_candidates for rung in bracket.rungs]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] >= 1


# --- fewer candidates than the plan needs ------------------------------------------


@pytest.mark.parametrize(
    ("available", "sizes"),
    [
        pytest.param(None, [27, 12, 6, 4], id="no end"),
        pytest.param(1000, [27, 12, 6, 4], id="plenty"),
        pytest.param(49, [27, 12, 6, 4], id="just enough"),
        pytest.param(48, [27, 12, 6, 3], id="one missing"),
        pytest.param(40, [27, 12, 1], id="a bracket drops out"),
        pytest.param(39, [27, 12], id="the bracket before stays whole"),
        pytest.param(5, [5], id="less than the widest"),
    ],
)
def test_limit_candidates(available, sizes):
    """The available candidates fill the widest bracket first."""
    plan = hyperband_plan(27)

    limited = limit_candidates(plan.brackets, available, plan.factor)

    assert [bracket.n_candidates for bracket in limited] == sizes


def test_resized_brackets_keep_their_resources():
    """A bracket with fewer candidates has the same resources on smaller rungs."""
    bracket = hyperband_plan(81).brackets[0]

    assert written([bracket.resized(10, Fraction(3))]) == "10@1 3@3 1@9 1@27 1@81"


# --- promotion ---------------------------------------------------------------------

nan = math.nan
inf = math.inf


@pytest.mark.parametrize(
    ("scores", "positions"),
    [
        pytest.param([0.1, 0.3, 0.2], [1, 2, 0], id="best first"),
        pytest.param([0.5, 0.9, 0.5, 0.9], [1, 3, 0, 2], id="the earlier of equals"),
        pytest.param([nan, 0.1, nan, 0.2], [3, 1, 0, 2], id="failures last"),
        pytest.param([nan, -inf, inf, 0.0], [2, 3, 1, 0], id="infinite before failed"),
        pytest.param([0.0, -0.0], [0, 1], id="signed zeros are equal"),
        pytest.param([], [], id="nobody"),
    ],
)
def test_ranked(scores, positions):
    """Positions are sorted from the best score to the worst, with failures at the end."""
    assert ranked(scores) == positions


@pytest.mark.parametrize(
    ("brackets", "places", "assigned"),
    [
        pytest.param([4, 4, 3], {4: 2, 3: 1}, [4, 4, 3], id="all stay"),
        pytest.param([4, 4, 4], {4: 2, 3: 1}, [4, 4, 3], id="the worst moves"),
        pytest.param([3, 3, 3], {4: 2, 3: 1}, [3, 4, 4], id="the best stays"),
        pytest.param([2, 2, 2], {4: 1, 3: 1, 2: 1}, [2, 4, 3], id="the widest is filled first"),
        pytest.param([2, 4], {4: 1, 3: 1}, [3, 4], id="no place left in its own"),
        pytest.param([], {}, [], id="nobody"),
    ],
)
def test_assign_places(brackets, places, assigned):
    """The best candidates stay in their bracket while it has places; the others fill the rest."""
    assert assign_places(brackets, places) == assigned


@st.composite
def promotions(draw):
    places = draw(st.dictionaries(st.integers(0, 5), st.integers(1, 6), min_size=1))
    n = sum(places.values())
    return draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), places


@every_schedule
@given(promotion=promotions())
def test_places_are_filled_exactly(promotion):
    """Every bracket receives as many candidates as it has places."""
    brackets, places = promotion

    assigned = assign_places(brackets, places)

    assert {bracket: assigned.count(bracket) for bracket in set(assigned)} == places


@every_schedule
@given(promotion=promotions())
def test_candidates_stay_in_their_bracket_while_it_has_places(promotion):
    """A bracket keeps its own best candidates, up to the number of its places."""
    brackets, places = promotion

    assigned = assign_places(brackets, places)

    for bracket, n_places in places.items():
        stays = [
            to == bracket for to, own in zip(assigned, brackets, strict=True) if own == bracket
        ]
        n_staying = min(n_places, len(stays))
        assert stays == [True] * n_staying + [False] * (len(stays) - n_staying)


# --- tables ------------------------------------------------------------------------


def test_plans_print_as_a_table():
    """A plan prints its rungs as rows, followed by its cost."""
    plan = halving_plan(9, 900, minimum=100, n_splits=5)

    assert str(plan).splitlines() == [
        "bracket  iter  n_candidates  n_resources  n_splits",
        "      2     0             9          100         5",
        "      2     1             3          300         5",
        "      2     2             1          900         5",
        "9 candidates for n_samples, factor 3, 5 splits. Cost in units of the resource (1 = one "
        "split with max_resources): 15.0 fresh, 11.7 continued; random search over the same "
        "candidates: 45.",
    ]


def test_plans_print_several_repeats():
    """The table has a column for the repeat only if there are several repeats."""
    plan = hyperband_plan(3)
    twice = replace(plan, brackets=plan.brackets + hyperband_plan(3, repeat=1).brackets)

    assert "repeat" not in str(plan)
    assert str(twice).splitlines()[0].split()[:3] == ["repeat", "bracket", "iter"]
    assert [line.split()[0] for line in str(twice).splitlines()[1:7]] == list("000111")


def test_plans_print_a_fractional_factor():
    """The factor is printed as a decimal number."""
    assert "factor 2.5," in str(hyperband_plan(10, 2.5))


def test_tables_align_to_the_right():
    """Columns are as wide as their widest cell, and floats have four digits."""
    table = format_table(["a", "score"], [[1, 0.123456], [1000, "text"], [2, nan]])

    assert table.splitlines() == ["   a   score", "   1  0.1235", "1000    text", "   2     nan"]


def test_to_frame_has_a_row_for_each_rung():
    """The data frame has the columns of the table, and a row for each rung."""
    pytest.importorskip("pandas")
    plan = hyperband_plan(9, n_splits=2)

    frame = plan.to_frame()

    assert list(frame) == ["bracket", "iter", "n_candidates", "n_resources", "n_splits"]
    assert frame.to_numpy().tolist() == [
        [2, 0, 9, 1, 2],
        [2, 1, 3, 3, 2],
        [2, 2, 1, 9, 2],
        [1, 0, 5, 3, 2],
        [1, 1, 1, 9, 2],
        [0, 0, 3, 9, 2],
    ]


def test_to_frame_has_several_repeats():
    """The first column is the repeat if there are several repeats."""
    pytest.importorskip("pandas")
    plan = hyperband_plan(3)
    twice = replace(plan, brackets=plan.brackets + hyperband_plan(3, repeat=1).brackets)

    frame = twice.to_frame()

    assert frame["repeat"].tolist() == [0, 0, 0, 1, 1, 1]


def test_to_frame_without_pandas_raises(monkeypatch):
    """If pandas is not installed, the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)

    with pytest.raises(ImportError, match=r"skhyperband\[pandas\]"):
        hyperband_plan(3).to_frame()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"param_distributions": {"max_dept": [1, 2]}}, "max_dept", id="space"),
        pytest.param({"initial_candidates": [{"max_dept": 1}]}, "max_dept", id="candidate"),
    ],
)
def test_plan_refuses_names_that_the_estimator_does_not_have(search_class, options, message):
    """A misspelt parameter is found before anything is fitted, in the preview too."""
    search = search_class(DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}).set_params(**options)

    with pytest.raises(ValueError, match=message):
        search.plan(n_samples=500, n_classes=2)


def test_timed_plan_has_the_limit(classification):
    """It says how rounds follow each other, as a plan without measured times does."""
    search = SuccessiveHalvingSearchCV(
        DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, max_time=60, cv=2
    )

    plan = search.plan(*classification, timed=True)

    assert plan.max_time == 60
    assert "max_time=60 s" in str(plan)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=["global", "own"])
def test_plan_leaves_no_trace(random_state, classification):
    """To know the size of test parts it splits the data, which changes no random state."""
    cv = ShuffleSplit(7, test_size=0.05, random_state=random_state)
    get_state = np.random.get_state if random_state is None else random_state.get_state
    search = SuccessiveHalvingSearchCV(
        DecisionTreeClassifier(), {"max_depth": range(1, 20)}, resource="n_samples", cv=cv
    )
    before = get_state()

    search.plan(*classification)

    for one, other in zip(get_state(), before, strict=True):
        np.testing.assert_array_equal(one, other)


class Unusual(KFold):
    """Cannot be copied deeply, or fails in a way of its own when it splits."""

    def __init__(self, *, fails):
        super().__init__(3)
        self.fails = fails
        self.lock = threading.Lock()

    def split(self, X, y=None, groups=None):
        """Raise, or yield splits with small test parts."""
        if self.fails:
            raise LookupError("no rows today")
        return ((train, test[:10]) for train, test in super().split(X, y))


@pytest.mark.parametrize(("fails", "n_splits"), [(False, 3), (True, 1)])
def test_plan_guesses_only_where_the_data_cannot_be_split(fails, n_splits, classification):
    """The real test parts are small; the splitter says nothing of that."""
    search = SuccessiveHalvingSearchCV(
        DecisionTreeClassifier(), {"max_depth": range(1, 20)}, cv=Unusual(fails=fails)
    )

    assert search.plan(*classification).rungs[0].n_splits == n_splits


def test_numbers_of_numpy_are_as_exact_as_others():
    """Fractions of them overflow: a factor of 1.1 has large powers."""

    def planned(number):
        search = SuccessiveHalvingSearchCV(
            DecisionTreeClassifier(),
            {"max_depth": [2, 3]},
            resource="n_samples",
            n_candidates=number(20),
            min_resources=number(10),
            factor=1.1,
        )
        plan = search.plan(n_samples=number(1000), n_splits=number(5), n_classes=number(2))
        return plan.brackets

    assert planned(np.int64) == planned(np.int32) == planned(int)
