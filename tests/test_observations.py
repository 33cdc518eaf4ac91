import dataclasses

import numpy as np
import pytest

from skhyperband._samplers.observations import ScoreTable, _without_last_digits
from tests.levels import level_of

NAN = np.nan


def table_of(*levels):
    table = ScoreTable()
    for level in levels:
        table.add(level)
    return table


def scores_of(*levels):
    return table_of(*levels).observations().scores


def test_the_highest_amount_counts():
    """A candidate has the score that it got with the most of the resource."""
    low = level_of({0: [0.5], 1: [0.6]}, n_resources=1)
    high = level_of({0: [0.9], 1: [0.8]}, n_resources=3)

    np.testing.assert_allclose(scores_of(low, high), [0.9, 0.8])


def test_scores_of_low_levels_gain_what_survivors_gained():
    """A score with less of the resource is raised by the mean gain of those that have both."""
    low = level_of({0: [0.5], 1: [0.6], 2: [0.1]}, n_resources=1)
    high = level_of({0: [0.9], 1: [0.8]}, n_resources=3)

    np.testing.assert_allclose(scores_of(low, high), [0.9, 0.8, 0.1 + 0.3])


def test_gains_add_up_over_levels():
    """A candidate that was dropped early gains what others gained on all levels above."""
    levels = [
        level_of({0: [0.5], 1: [0.4], 2: [0.1]}, n_resources=1),
        level_of({0: [0.6], 1: [0.5]}, n_resources=3),
        level_of({0: [0.9]}, n_resources=9),
    ]

    np.testing.assert_allclose(scores_of(*levels), [0.9, 0.5 + 0.3, 0.1 + 0.1 + 0.3])


def test_an_easy_split_counts_for_nothing():
    """Candidates on several splits are compared with those on one as if all were on that one."""
    one = level_of({0: [0.5, NAN], 1: [0.6, NAN], 2: [0.3, NAN]}, n_resources=9)
    two = level_of({0: [0.5, 0.9], 1: [0.6, 0.8]}, n_resources=9)

    observed = table_of(one, two).observations()

    # The second split is easier by 0.3 in the mean.
    np.testing.assert_allclose(observed.scores, [(0.5 + 0.6) / 2, (0.6 + 0.5) / 2, 0.3])
    assert observed.n_splits.tolist() == [2, 2, 1]


def test_the_first_levels_of_two_rounds_are_on_one_scale():
    """Rounds share their amounts of the resource, and what is gained between these."""
    levels = [
        level_of({0: [0.5], 1: [0.4]}, n_resources=1),
        level_of({0: [0.8]}, n_resources=3),
        level_of({2: [0.45]}, n_resources=1, repeat=1),
    ]

    np.testing.assert_allclose(scores_of(*levels), [0.8, 0.7, 0.75])


DIVERGED = -1e20


@pytest.mark.parametrize("n_finalists", [1, 2, 3, 9])
def test_a_split_on_which_one_diverged_is_not_harder(n_finalists):
    """One score that is far from all others moves no other one to another scale."""
    low = {number: [0.5 + number / 100, NAN] for number in range(12)}
    finalists = {
        number: [0.5 + number / 100, 0.52 + number / 100] for number in range(n_finalists)
    }
    finalists[0] = [0.5, DIVERGED]

    scores = scores_of(level_of(low, n_resources=9), level_of(finalists, n_resources=9))

    assert scores[0] < -1e19
    np.testing.assert_allclose(scores[1:], 0.5 + np.arange(1, 12) / 100, atol=0.1)
    assert len(set(scores[n_finalists:])) == 12 - n_finalists


@pytest.mark.parametrize("n_survivors", [1, 2, 3, 9])
def test_one_that_diverges_with_more_does_not_lower_the_others(n_survivors):
    """What more of the resource adds is not what one candidate lost by it."""
    low = {number: [0.5 + number / 100] for number in range(12)}
    high = {number: [0.6 + number / 100] for number in range(n_survivors)} | {0: [DIVERGED]}

    scores = scores_of(level_of(low, n_resources=3), level_of(high, n_resources=9))

    others = scores[n_survivors:]
    assert scores[0] == pytest.approx(DIVERGED)
    np.testing.assert_allclose(np.diff(others), 0.01)
    if n_survivors > 1:
        np.testing.assert_allclose(others, 0.6 + np.arange(n_survivors, 12) / 100, atol=0.2)


def test_amounts_of_another_ladder_gain_what_their_own_candidates_gained():
    """Two searches with other amounts in one journal do not compare 18 trees with 200."""
    one = {0: [0.5], 1: [0.4]}, {0: [0.8]}
    other = {2: [0.52], 3: [0.42]}, {2: [0.9]}
    levels = [
        level_of(one[0], n_resources=18),
        level_of(other[0], n_resources=37),
        level_of(one[1], n_resources=100),
        level_of(other[1], n_resources=200),
    ]

    scores = scores_of(*levels)

    np.testing.assert_allclose(scores, [0.8, 0.4 + 0.3, 0.9, 0.42 + 0.38])


def test_candidates_without_a_split_in_common_say_nothing_of_gains():
    """Only a difference that was measured counts."""
    low = level_of({0: [0.5, NAN], 1: [0.6, NAN], 2: [0.2, NAN]}, n_resources=3)
    high = [level_of({0: [0.9, NAN]}, n_resources=9), level_of({1: [NAN, 0.9]}, n_resources=9)]

    assert scores_of(low, *high)[2] == pytest.approx(0.6)


def test_scores_that_are_the_lowest_numbers():
    """They are no reason to end a search, alone or beside others."""
    lowest = -np.finfo(float).max
    alone = {0: [lowest, NAN], 1: [lowest, NAN]}
    beside = {0: [lowest, 0.5], 1: [0.5, 0.6], 2: [0.6, lowest]}

    for scores in (alone, beside):
        observed = table_of(level_of(scores), level_of(scores, n_resources=3)).observations()
        assert np.isfinite(observed.scores).all()


def test_lowest_number_is_the_worst_score():
    """A candidate that has it on its only split is not taken for a good one."""
    observed = table_of(level_of({0: [-1.0], 1: [-2.0], 2: [-np.finfo(float).max]})).observations()

    assert observed.scores.argmin() == 2
    assert observed.n_splits.tolist() == [1, 1, 1]


def test_equal_candidates_are_one():
    """What a journal and the search have of a candidate counts as of one, whatever its number."""
    of_journal = level_of({-1: [0.5, 0.7], -2: [0.3, 0.5]}, n_resources=9)
    of_search = level_of({0: [0.5, NAN], 1: [0.1, NAN]}, n_resources=9)
    again = dataclasses.replace(
        of_search, candidates=(of_journal.candidates[0], of_search.candidates[1])
    )

    observed = table_of(of_journal, again).observations()

    assert observed.n_splits.tolist() == [2, 2, 1]
    np.testing.assert_allclose(observed.scores, [0.5, 0.3, 0.1])


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf])
def test_what_failed_is_as_bad_as_the_worst(bad):
    """A failed candidate has a finite score, so that a model can learn to avoid it."""
    level = level_of({0: [0.5], 1: [bad], 2: [0.3]}, n_resources=1)

    np.testing.assert_allclose(scores_of(level), [0.5, 0.3, 0.3])


def test_failing_above_counts_more_than_a_score_below():
    """A candidate that fails with more of the resource is a failure."""
    low = level_of({0: [0.5], 1: [0.6], 2: [0.2]}, n_resources=1)
    high = level_of({0: [0.5], 1: [NAN]}, n_resources=3)

    np.testing.assert_allclose(scores_of(low, high), [0.5, 0.2, 0.2])


def test_nothing_but_failures():
    """Where everything failed, all candidates are equal."""
    assert scores_of(level_of({0: [NAN], 1: [NAN]}, n_resources=1)).tolist() == [0, 0]


def test_nothing_at_all():
    """Before the first level there are no candidates."""
    observed = ScoreTable().observations()

    assert observed.candidates == []
    assert len(observed.scores) == 0


@pytest.mark.parametrize("scale", [1.0, -1e-300, 1e300])
def test_last_digits_make_no_difference(scale):
    """They may depend on the number of threads, and the next candidates must not."""
    scores = scale * np.random.default_rng(0).uniform(size=(40, 2))
    other = np.nextafter(scores, np.inf)

    one, two = (
        scores_of(level_of(dict(enumerate(table.tolist())), n_resources=1))
        for table in (scores, other)
    )

    np.testing.assert_array_equal(one, two)


def test_last_digits_of_a_difference_make_no_difference():
    """A score next to 0 has the noise of the numbers that it is the difference of."""
    scores = np.array([0.5, 0.7, 0.9, 1 - 0.9999999, 0.6])
    other = np.array([0.5, 0.7, 0.9, 1 - np.nextafter(0.9999999, 1), 0.6])

    np.testing.assert_array_equal(_without_last_digits(scores), _without_last_digits(other))


def test_scores_that_are_noise_do_not_keep_the_digits_of_others():
    """Many candidates that have learned nothing may have a score of 0 but for the last digits."""
    scores = np.array([1e-17, -2e-17, 3e-17, 0.5, 0.6, 0.7, 0.8, 0.9])

    one, other = map(_without_last_digits, (scores, np.nextafter(scores, 1)))

    np.testing.assert_array_equal(one[3:], other[3:])


@pytest.mark.parametrize(
    "scores", [[0.0], [np.inf, -np.inf, NAN], [0.5, 2.0**1000, -(2.0**1020), NAN, 0.0]]
)
def test_special_scores_keep_their_value(scores):
    """Zero, infinities, NaN and far larger ones are no matter of digits."""
    np.testing.assert_equal(_without_last_digits(np.array(scores)), scores)
