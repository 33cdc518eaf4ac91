import re

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._resources import ParameterResource
from skhyperband._results import ResultTables
from tests.estimators import Failing, Scored
from tests.loops import Executor, Sampler, by_number, halving_plan, hyperband_plan, run
from tests.published import published

QUALITY = {"quality": list(np.linspace(0.05, 0.95, 27))}

# --- helpers -----------------------------------------------------------------------


class Trained(Executor):
    """Says how much it trained, and takes its time; with `continued`, only the rest is trained."""

    def __init__(self, score=by_number, continued=False, **options):
        super().__init__(score, **options)
        self.continued = continued

    def evaluate(self, task):
        n_trained = task.n_resources
        if self.continued and n_trained > 1:
            n_trained -= task.n_resources // 3
        return super().evaluate(task)._replace(n_trained=n_trained)


def rungs_of(plan, executor, **options):
    """Return rungs_ of a search by fakes."""
    loop = run(plan, executor, **options)
    tables = ResultTables(loop.history, ParameterResource("n_units"), np.nan)
    results = tables.cv_results(["score"], return_train_score=False)
    return tables.rungs(results["mean_test_score"], plan.max_resources)


def opposite_at(n_resources):
    """Return scores that agree up to this amount, and turn round there."""
    return lambda x, r, split: float(x) if r < n_resources else -float(x)


def constant_below(n_resources):
    """Return scores that are all equal below this amount."""
    return lambda x, r, split: float(x) if r >= n_resources else 0.5


# --- ranks -------------------------------------------------------------------------


@pytest.mark.parametrize("score", [opposite_at(9), constant_below(9)], ids=["opposite", "equal"])
def test_rung_that_ranks_no_better_than_chance_is_named(score):
    """A sentence names the amount, the number of candidates and the option to change."""
    rungs = rungs_of(halving_plan(81, 81), Trained(score))

    assert rungs.advice == (
        "Scores with n_units=3 on 1 split rank the 9 candidates that went on no better than "
        "chance, compared with n_units=9 on 1 split: raise min_resources above 3.",
    )


def test_each_rung_that_ranks_badly_has_a_sentence():
    """Scores that turn round on each rung make every comparison of enough candidates one."""

    def score(x, r, split):
        return float(x) if r in (1, 9, 81) else -float(x)

    rungs = rungs_of(halving_plan(81, 81), Trained(score))

    compared = [r for r in rungs.rungs[1:] if r.n_candidates >= 9]
    assert len(compared) == 2
    assert [re.search(r"n_units=(\d)", text)[1] for text in rungs.advice] == ["1", "3"]


def test_ranks_that_agree_a_little_need_no_advice():
    """The candidates that went on were alike on the lower rung, so that ranks agree little."""
    swapped = {72: 74, 74: 72, 73: 77, 77: 73, 76: 80, 80: 76}

    def score(x, r, split):
        return float(x) if r < 9 else float(swapped.get(x, x))

    rungs = rungs_of(halving_plan(81, 81), Trained(score))

    assert 0 < rungs.rungs[2].rank_correlation < 0.5
    assert rungs.advice == ()


def test_rungs_that_agree_need_no_advice():
    """Ranks that stay the same are advised on nowhere."""
    assert rungs_of(hyperband_plan(81), Trained()).advice == ()


def test_few_candidates_are_not_judged():
    """Fewer than nine candidates that turn round prove nothing."""
    assert rungs_of(halving_plan(24, 9), Trained(opposite_at(3))).advice == ()


def test_splits_that_were_too_few_name_min_splits():
    """Between two rungs with the same resource it is the splits that should be more."""
    plan = halving_plan(243, 9, n_splits=5, min_splits=1)

    (text,) = rungs_of(
        plan, Trained(lambda x, r, split: float(x) if split < 2 else -9.0 * x)
    ).advice

    assert [(rung.n_resources, rung.n_splits) for rung in plan.rungs[-2:]] == [(9, 2), (9, 5)]
    assert text.endswith("raise min_splits above 2.")


def test_rounds_and_brackets_are_judged_together():
    """Three of each round are too few to tell, and nine of all rounds are not."""
    one_round, three_rounds = (
        rungs_of(hyperband_plan(9, n=9, repeats=n), Trained(opposite_at(3))) for n in (1, 3)
    )

    assert one_round.advice == ()
    assert all(np.isnan(rung.rank_correlation) for rung in one_round.rungs)
    (text,) = three_rounds.advice
    assert "rank the 9 candidates" in text
    assert next(rung.rank_correlation for rung in three_rounds.rungs if rung.iter == 1) == -1


def test_candidate_of_several_rounds_counts_once():
    """A candidate that is drawn again tells nothing new."""
    plan = hyperband_plan(9, n=9, repeats=3)
    drawn_again = Sampler(list(range(17)) * 3)

    rungs = rungs_of(plan, Trained(opposite_at(3)), sampler=drawn_again)

    assert len(rungs.rungs) == 3 * 6
    assert all(np.isnan(rung.rank_correlation) for rung in rungs.rungs)


# --- times -------------------------------------------------------------------------


def seconds_by(times):
    """Return a duration for each amount of the resource."""
    return lambda task: times[task.n_resources]


def test_mean_seconds_are_those_of_an_evaluation():
    """A rung of any size has the mean over its candidates and splits."""
    rungs = rungs_of(
        halving_plan(9, 9, n_splits=2), Trained(seconds=seconds_by({1: 1, 3: 2, 9: 9}))
    )

    assert [rung.mean_seconds for rung in rungs.rungs] == [1, 2, 9]
    assert [rung.seconds for rung in rungs.rungs] == [18, 12, 18]


def test_rung_that_costs_more_than_half_of_a_full_fit_is_named():
    """A sentence says how much, and the option to change."""
    rungs = rungs_of(halving_plan(9, 9), Trained(seconds=seconds_by({1: 4, 3: 6, 9: 10})))

    assert rungs.advice == (
        "An evaluation with n_units=3 takes 60% of the time of one with 9, so that such rungs save "
        "little: raise min_resources above 3.",
    )


def test_time_of_continued_training_counts_that_of_the_rungs_below():
    """A full fit takes what all its rungs took together."""
    times = seconds_by({1: 4, 3: 4, 9: 4})

    fresh = rungs_of(halving_plan(9, 9), Trained(seconds=times))
    continued = rungs_of(halving_plan(9, 9), Trained(seconds=times, continued=True))

    assert ["60%" in text or "100%" in text for text in fresh.advice] == [True, True]
    (text,) = continued.advice
    assert "n_units=3 takes 67%" in text


def test_the_same_candidates_are_compared():
    """A slow candidate that was not promoted does not make its rung a slow one."""
    rungs = rungs_of(
        halving_plan(9, 9),
        Trained(seconds=lambda t: t.n_resources * (99 if t.candidate["x"] < 6 else 1)),
    )

    assert rungs.advice == ()


def test_half_of_the_resource_may_cost_half_of_the_time():
    """A rung with half of the resource or more may cost more than half of a full fit."""
    rungs = rungs_of(
        halving_plan(4, 4, factor=2), Trained(seconds=seconds_by({1: 1, 2: 6, 4: 10}))
    )

    assert rungs.advice == ()


def test_short_times_are_not_judged():
    """Where all evaluations of a level took less than a second there is nothing to save."""
    rungs = rungs_of(halving_plan(9, 9), Trained(seconds=lambda task: 0.01))

    assert rungs.advice == ()


# --- failures, and the table -------------------------------------------------------


def test_failures_are_counted_once(classification, search_class):
    """A sentence says how many evaluations failed, and which options help."""
    search = published(
        search_class,
        Failing(below=0.2),
        QUALITY,
        resource="n_units",
        max_resources=9,
        min_resources=1,
        random_state=0,
    )
    with pytest.warns(FitFailedWarning):
        search.fit(*classification)

    n_failures = sum(rung.n_failures for rung in search.rungs_.rungs)
    (text,) = search.rungs_.advice
    assert n_failures > 0
    assert text.startswith(f"{n_failures} of ")
    assert "param_distributions" in text
    assert "error_score='raise'" in text


def test_advice_stands_below_the_table():
    """What is printed ends with the advice, a line each; the table is above it."""
    rungs = rungs_of(halving_plan(81, 81), Trained(opposite_at(9)))

    lines = str(rungs).splitlines()

    assert len(lines) == 1 + 5 + 2
    assert "mean_seconds" in lines[0]
    assert lines[-2:] == ["", *rungs.advice]


def test_table_without_advice_ends_with_its_last_rung(classification):
    """A search in which all is well prints its table only."""
    search = HyperbandSearchCV(
        Scored(), QUALITY, resource="n_units", max_resources=9, random_state=0
    ).fit(*classification)

    assert search.rungs_.advice == ()
    assert len(str(search.rungs_).splitlines()) == 1 + len(search.rungs_.rungs)


def test_advice_does_not_depend_on_when_it_is_asked_for(classification):
    """Two searches that measured the same give the same advice."""
    advice = [
        SuccessiveHalvingSearchCV(
            Failing(below=0.2), QUALITY, n_candidates=27, min_resources=20, random_state=0
        )
        for _ in range(2)
    ]
    for search in advice:
        with pytest.warns(FitFailedWarning):
            search.fit(*classification)

    assert advice[0].rungs_.advice == advice[1].rungs_.advice
