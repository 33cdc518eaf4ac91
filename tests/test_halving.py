import contextlib
import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skhyperband._executors.base import ignore_start, no_further_tasks
from skhyperband._observers import Observer
from skhyperband._records import FinishedTask, Skipped
from tests.loops import (
    Executor,
    Loop,
    Sampler,
    by_number,
    halving_plan,
    hyperband_plan,
    promotions,
    run,
    schedules,
    scrambled,
)

few_examples = settings(deadline=None, max_examples=50)
both_promotions = pytest.mark.parametrize("promotion", ["bracket", "level"])


def numbers_by_rung(loop):
    """Return the candidates of each rung, by bracket and iteration."""
    rungs = {}
    for entry in loop.history.entries:
        x = loop.history.candidates[entry.candidate]["x"]
        rungs.setdefault((entry.rung.bracket, entry.rung.iter), []).append(x)
    return rungs


# --- the plan is what runs ---------------------------------------------------------


@few_examples
@given(plan=schedules(), promotion=promotions)
def test_every_rung_has_the_planned_rows(plan, promotion):
    """Each rung of the plan has as many entries as it has candidates, and there are no others."""
    loop = run(plan, promotion=promotion)

    planned = Counter({rung: rung.n_candidates for rung in plan.rungs})
    assert Counter(entry.rung for entry in loop.history.entries) == planned


@few_examples
@given(plan=schedules(), promotion=promotions)
def test_rows_come_level_by_level(plan, promotion):
    """The entries stand in the order of the levels, and of the rungs within one."""
    loop = run(plan, promotion=promotion)

    rungs = [entry.rung for entry in loop.history.entries]
    order = [rung for level in plan.levels for rung in level.rungs]
    assert [rung for rung, _ in itertools.groupby(rungs)] == order


@few_examples
@given(plan=schedules(), promotion=promotions)
def test_rungs_hold_distinct_candidates_in_order(plan, promotion):
    """Nobody is on a rung twice, and the earlier to enter stands first."""
    loop = run(plan, promotion=promotion)

    for _, entries in itertools.groupby(loop.history.entries, key=lambda entry: entry.rung):
        numbers = [entry.candidate for entry in entries]

        assert numbers == sorted(set(numbers))


@few_examples
@given(plan=schedules(), promotion=promotions)
def test_every_planned_evaluation_is_measured(plan, promotion):
    """Each entry has an outcome on each of its rung's splits."""
    loop = run(plan, promotion=promotion)

    for entry in loop.history.entries:
        keys = [loop.history.keys_by_split(entry)[split] for split in range(entry.rung.n_splits)]

        assert all(key in loop.history.outcomes for key in keys)


@few_examples
@given(plan=schedules(), promotion=promotions)
def test_completed_plans_are_executed_as_planned(plan, promotion):
    """With enough candidates nothing shrinks and nothing is exhausted."""
    loop = run(plan, promotion=promotion)

    assert loop.executed_plan == plan
    assert not loop.executed_plan.space_exhausted
    assert loop.brackets.failed_rungs == []


@both_promotions
def test_each_level_is_one_batch(promotion):
    """The rungs of a level, over all brackets, are handed over together."""
    executor = Executor()
    run(hyperband_plan(81), executor, promotion=promotion)

    assert [len(batch) for batch in executor.batches] == [81, 61, 35, 19, 10]


# --- who goes on -------------------------------------------------------------------


def test_a_bracket_promotes_its_own_best():
    """Brackets compete within themselves, however good the others are."""
    loop = run(hyperband_plan(9), Executor(by_number))

    assert numbers_by_rung(loop) == {
        (2, 0): [*range(9)],
        (2, 1): [6, 7, 8],
        (1, 0): [*range(9, 14)],
        (2, 2): [8],
        (1, 1): [13],
        (0, 0): [14, 15, 16],
    }


def test_a_level_promotes_the_best_of_all():
    """Brackets that meet compete for the sum of their places."""
    loop = run(hyperband_plan(9), Executor(by_number), promotion="level")

    rungs = numbers_by_rung(loop)
    assert rungs[2, 1] == [6, 7, 8]
    assert rungs[1, 0] == [*range(9, 14)]
    assert (rungs[1, 1], rungs[2, 2]) == ([13], [12])


def test_a_level_promotes_no_entrant_that_is_worse():
    """Survivors that beat all entrants take the entrants' places too."""
    loop = run(hyperband_plan(9), Executor(lambda x, *_: -float(x)), promotion="level")

    rungs = numbers_by_rung(loop)
    assert rungs[2, 1] == [0, 1, 2]
    assert (rungs[2, 2], rungs[1, 1]) == ([0], [1])


@both_promotions
def test_equal_scores_promote_the_earlier(promotion):
    """If all scores are equal, the candidates that entered first are promoted."""
    loop = run(hyperband_plan(9), Executor(lambda *_: 0.5), promotion=promotion)

    rungs = numbers_by_rung(loop)
    assert rungs[2, 1] == [0, 1, 2]
    assert rungs[2, 2] == [0]


def test_the_mean_over_splits_decides():
    """A candidate that is good on one split only does not win."""
    table = {0: (1.0, 0.0), 1: (0.6, 0.6), 2: (0.0, 1.0)}
    loop = run(halving_plan(3, n_splits=2), Executor(lambda x, r, split: table[x][split]))

    assert numbers_by_rung(loop)[1, 1] == [1]


def test_only_the_rungs_own_splits_decide():
    """Splits that a rung does not use yet are neither run nor counted."""
    plan = halving_plan(9, 9, n_splits=3, min_splits=1)
    executor = Executor(lambda x, r, split: float(x == 4) if split == 2 else 0.0)

    loop = run(plan, executor, split_order=[2, 0, 1])

    assert [rung.n_splits for rung in plan.rungs] == [1, 1, 3]
    assert [{task.split for task in batch} for batch in executor.batches] == [{2}, {2}, {0, 1}]
    assert numbers_by_rung(loop)[2, 2] == [4]


# --- the first tasks ----------------------------------------------------------------


def test_first_task_of_each_worker_is_awaited_before_they_get_more():
    """The outcomes are there before the rest of the first level is handed over."""
    executor = Executor()
    executor.n_workers = 4

    run(halving_plan(9, n_splits=2), executor)

    assert [len(batch) for batch in executor.batches] == [4, 14, 6, 2]


def test_first_task_that_fails_lets_the_others_run():
    """A candidate that fails first fails alone; the rest of its level is handed over."""
    executor = Executor(lambda x, *_: math.nan if x == 0 else float(x))
    executor.n_workers = 4

    loop = run(halving_plan(9), executor)

    assert [len(batch) for batch in executor.batches] == [4, 5, 3, 1]
    assert numbers_by_rung(loop)[2, 2] == [8]


def test_first_task_that_ends_the_search_is_among_the_only_ones():
    """What is raised for the first outcome is raised before the workers get more tasks."""

    def refuse(outcome):
        raise ValueError("no score")

    executor = Executor()
    executor.n_workers = 4

    with pytest.raises(ValueError, match="no score"):
        run(halving_plan(9), executor, score=refuse)

    assert [len(batch) for batch in executor.batches] == [4]


# --- nothing is trained twice ------------------------------------------------------


def evaluations(executor):
    return [(task.candidate["x"], task.n_resources, task.split) for task in executor.tasks]


@few_examples
@given(plan=schedules(), promotion=promotions, n_different=st.integers(1, 10))
def test_no_evaluation_is_made_twice(plan, promotion, n_different):
    """However often a candidate comes, each resource and split is measured once."""
    executor = Executor()
    numbers = (i % n_different for i in itertools.count())

    run(plan, executor, promotion=promotion, sampler=Sampler(numbers))

    assert max(Counter(evaluations(executor)).values()) == 1


@few_examples
@given(plan=schedules())
def test_the_cost_is_what_is_handed_over(plan):
    """The printed cost of a plan is the resource of all that was trained."""
    executor = Executor()

    run(plan, executor)

    units = sum(task.n_resources for task in executor.tasks)
    assert units / plan.max_resources == pytest.approx(plan.cost())


@both_promotions
def test_equal_candidates_have_rows_of_their_own(promotion):
    """A candidate that came twice is on its rungs twice, with the same outcomes."""
    plan = halving_plan(3, 3)

    loop = run(plan, Executor(by_number), promotion=promotion, sampler=Sampler([1, 1, 0]))

    assert numbers_by_rung(loop) == {(1, 0): [1, 1, 0], (1, 1): [1]}
    first, second = loop.history.entries[:2]
    assert loop.history.keys_by_split(first)[0] == loop.history.keys_by_split(second)[0]


def test_values_of_another_type_are_measured_apart():
    """One as an integer and as a float are two candidates."""
    executor = Executor()

    run(halving_plan(2, 3), executor, sampler=Sampler([1, 1.0]))

    assert len(executor.tasks) == 2


def test_repeated_levels_train_nothing():
    """What aggressive elimination asks for again is answered from what is known."""
    executor = Executor(by_number)
    plan = halving_plan(27, 27, minimum=9, aggressive_elimination=True)

    loop = run(plan, executor)

    assert [len(batch) for batch in executor.batches] == [27, 0, 0, 1]
    assert numbers_by_rung(loop)[1, 2] == [24, 25, 26]


def test_growing_splits_add_only_the_new():
    """At an unchanged resource the splits that are measured stay as they are."""
    executor = Executor()

    run(halving_plan(27, 9, n_splits=9, min_splits=1), executor)

    at_the_top = Counter(task.split for task in executor.tasks if task.n_resources == 9)
    assert at_the_top == {0: 9, 1: 3, 2: 3, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1}


# --- failures ----------------------------------------------------------------------

nan = math.nan


@both_promotions
def test_failures_are_never_promoted_before_numbers(promotion):
    """The worst number goes on rather than a candidate without any."""
    failing = Executor(lambda x, *_: nan if x >= 1 else -1e300)

    loop = run(halving_plan(9, 9), failing, promotion=promotion)

    assert numbers_by_rung(loop)[2, 1] == [0, 1, 2]
    assert numbers_by_rung(loop)[2, 2] == [0]


def test_one_failed_split_is_a_failure():
    """A candidate whose mean is not a number loses to any that has one."""
    executor = Executor(lambda x, r, split: nan if (x, split) == (2, 1) else float(x))

    loop = run(halving_plan(3, 3, n_splits=2), executor)

    assert numbers_by_rung(loop)[1, 1] == [1]


def test_a_rung_that_failed_wholly_ends_its_bracket():
    """None of its candidates is promoted, the other brackets go on, and the plan says which it was."""
    plan = hyperband_plan(9)

    loop = run(plan, Executor(lambda x, *_: nan if x < 9 else float(x)))

    assert loop.brackets.failed_rungs == [plan.brackets[0].rungs[0]]
    assert sorted(numbers_by_rung(loop)) == [(0, 0), (1, 0), (1, 1), (2, 0)]


def test_a_level_ends_only_where_all_of_it_failed():
    """Competing by level, another bracket's candidates fill the places."""
    loop = run(
        hyperband_plan(9),
        Executor(lambda x, r, s: nan if r == 3 and x < 9 else float(x)),
        promotion="level",
    )

    rungs = numbers_by_rung(loop)
    assert loop.brackets.failed_rungs == []
    assert sorted([*rungs[2, 2], *rungs[1, 1]]) == [12, 13]


@both_promotions
def test_everything_may_fail(promotion):
    """A search in which nothing works runs to its end and lists each rung."""
    plan = hyperband_plan(9)

    loop = run(plan, Executor(lambda *_: nan), promotion=promotion)

    assert loop.brackets.failed_rungs == [bracket.rungs[0] for bracket in plan.brackets]
    assert [entry.rung.iter for entry in loop.history.entries] == [0] * 17


def test_what_the_score_raises_ends_the_search():
    """An error of the judgement is not swallowed."""

    def refuse(outcome):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(halving_plan(3, 3), score=refuse)


# --- anything may happen -------------------------------------------------------------


class Unsteady(Executor):
    """Comes too late, or is interrupted, after so many outcomes."""

    def __init__(self, score, after, ending):
        super().__init__(score)
        self.outcomes = {}
        self._after = after
        self._ending = ending

    def run(self, tasks, on_start=ignore_start, more=no_further_tasks):
        for position, outcome in super().run(tasks, on_start):
            task = tasks[position]
            if len(self.outcomes) < self._after:
                self.outcomes[task.candidate["x"], task.n_resources, task.split] = outcome
                yield FinishedTask(position, outcome)
            elif self._ending == "interrupt":
                raise KeyboardInterrupt
            else:
                yield FinishedTask(position, Skipped())


def mean_of(loop, entry):
    """Return a entry's mean score."""
    keys = [loop.history.keys_by_split(entry)[split] for split in range(entry.rung.n_splits)]
    return sum(loop.history.outcomes[key].test_scores for key in keys) / len(keys)


def contests_of(loop, promotion):
    """Return, for each pool, its entries and the candidates that were promoted."""
    by_contest = {}
    for entry in loop.history.entries:
        rung = entry.rung
        one_bracket = promotion == "bracket" or len(loop.executed_plan.brackets) == 1
        place = (rung.bracket, rung.iter) if one_bracket else (rung.n_resources, rung.n_splits)
        by_contest.setdefault((rung.repeat, *place), []).append(entry)
    for entries in by_contest.values():
        later = loop.history.entries[loop.history.entries.index(entries[-1]) + 1 :]
        yield entries, {entry.candidate for entry in later if entry.rung.iter > 0}


@few_examples
@given(
    plan=schedules(),
    promotion=promotions,
    failing=st.integers(1, 6),
    after=st.integers(0, 60) | st.just(10**9),
    ending=st.sampled_from(["late", "interrupt"]),
)
def test_whatever_happens_no_row_is_lost_and_no_failure_promoted_over_a_number(
    plan, promotion, failing, after, ending
):
    """Some fail everywhere, some on a split, some at a rung; and the search may end early."""

    def score(x, n_resources, split):
        fails = x % 6 >= failing or (x + split) % 11 == 0 or (x + n_resources) % 7 == 0
        return nan if fails else scrambled(x, n_resources, split)

    executor = Unsteady(score, after, ending)
    loop = Loop(plan, executor, promotion=promotion)
    with contextlib.suppress(KeyboardInterrupt):
        loop.run()

    history = loop.history
    assert len(history.outcomes) == len(executor.outcomes)
    in_rows = {(entry.candidate, entry.rung.n_resources) for entry in history.entries}
    for finished in executor.batches[:-1]:  # All levels but the one in which it ended.
        assert {(task.candidate["x"], task.n_resources) for task in finished} <= in_rows
    for entries, going_on in contests_of(loop, promotion):
        means = {entry.candidate: mean_of(loop, entry) for entry in entries}
        promoted = going_on & means.keys()
        left = means.keys() - promoted
        if any(math.isnan(means[candidate]) for candidate in promoted):
            assert all(math.isnan(means[candidate]) for candidate in left)


# --- the order of computing does not matter ----------------------------------------


@few_examples
@given(
    plan=schedules(),
    promotion=promotions,
    random=st.randoms(use_true_random=False),
    failing=st.integers(1, 5),
)
def test_rows_do_not_depend_on_the_order_of_arrival(plan, promotion, random, failing):
    """Outcomes in any order give the same entries, scores and failures."""

    def score(x, n_resources, split):
        return nan if x % 5 == failing else scrambled(x, n_resources, split)

    in_turn = run(plan, Executor(score), promotion=promotion)
    shuffled = run(
        plan,
        Executor(score, order=lambda positions: random.sample(positions, len(positions))),
        promotion=promotion,
    )

    assert shuffled.history.entries == in_turn.history.entries
    assert shuffled.history.outcomes == in_turn.history.outcomes
    assert shuffled.brackets.failed_rungs == in_turn.brackets.failed_rungs


@few_examples
@given(plan=schedules(), promotion=promotions, seconds=st.randoms(use_true_random=False))
def test_rows_do_not_depend_on_the_times(plan, promotion, seconds):
    """How long a fit took decides when the next is started, not what comes of it."""
    timed = run(plan, Executor(seconds=lambda task: seconds.random()), promotion=promotion)

    assert timed.history.entries == run(plan, promotion=promotion).history.entries


# --- state travels -----------------------------------------------------------------


def handed_on(task):
    return task.candidate["x"], task.n_resources, task.split


@both_promotions
def test_the_promoted_get_back_what_they_handed_on(promotion):
    """A task has the state of its own candidate, of the rung below, on the same split."""
    executor = Executor(state=handed_on)
    run(hyperband_plan(9, n_splits=2), executor, promotion=promotion)

    entrants = executor.batches[0]
    assert {task.state for task in entrants} == {None}
    below = {1: None, 3: 1, 9: 3}
    known = {(task.candidate["x"], task.n_resources) for task in executor.tasks}
    for task in executor.tasks:
        x, lower = task.candidate["x"], below[task.n_resources]
        expected = (x, lower, task.split) if (x, lower) in known else None
        assert task.state == expected


def test_state_lasts_through_repeated_levels():
    """A level that trains nothing leaves what the one before handed on."""
    executor = Executor(by_number, state=handed_on)

    run(halving_plan(27, 27, minimum=9, aggressive_elimination=True), executor)

    assert [task.state for task in executor.batches[-1]] == [(26, 9, 0)]


def test_equal_candidates_go_on_from_their_common_state():
    """Two entries of one candidate are one task, which has what that candidate handed on."""
    executor = Executor(by_number, state=handed_on)

    run(halving_plan(9, 9), executor, sampler=Sampler([0, 1, 2, 3, 4, 5, 7, 8, 8]))

    assert [task.state for task in executor.batches[1]] == [(7, 1, 0), (8, 1, 0)]


def test_new_splits_start_without_state():
    """A split that a candidate was not measured on has nothing to go on from."""
    executor = Executor(by_number, state=handed_on)

    run(halving_plan(3, 10, n_splits=2, min_splits=1), executor)

    states = {task.split: task.state for task in executor.batches[-1]}
    assert states == {0: (2, 6, 0), 1: None}


def test_those_who_drop_out_leave_no_state():
    """A candidate that comes again after it lost starts anew."""
    executor = Executor(by_number, state=handed_on)
    numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4]

    run(hyperband_plan(9), executor, sampler=Sampler([*numbers, 10, 11, 12]))

    states = {t.candidate["x"]: t.state for t in executor.batches[1]}
    assert states[8] == (8, 1, 0)
    assert {states[x] for x in range(5)} == {None}


def test_nothing_is_handed_on_from_the_top():
    """Only where there is a next rung is a state asked for."""
    executor = Executor()
    run(hyperband_plan(9), executor)

    assert {(task.n_resources, task.keeps_state) for task in executor.tasks} == {
        (1, True),
        (3, True),
        (9, False),
    }


def test_nothing_is_handed_on_where_only_splits_are_added():
    """What has all of the resource is not trained further, though there is a rung above it."""
    executor = Executor()
    run(hyperband_plan(9, n_splits=5, min_splits=1, minimum=3), executor)

    assert {(task.n_resources, task.keeps_state) for task in executor.tasks} == {
        (5, True),
        (9, False),
    }


@both_promotions
def test_losers_leave_no_state_while_the_level_still_runs(promotion):
    """With one split, no more states are kept at any time than there are places."""
    kept = []

    class Counting(Executor):
        def run(self, tasks, on_start=ignore_start, more=no_further_tasks):
            for item in super().run(tasks, on_start):
                yield item
                kept.append(len(self.states))

    plan = hyperband_plan(27)
    executor = Counting(state=handed_on)
    run(plan, executor, promotion=promotion)

    # What was promoted to this level and has not run yet, and what has won so far.
    assert max(kept) <= 9 + 4 + 2 + 9
    assert len(executor.states) == 0


@both_promotions
@given(seed=st.integers(0, 2**32 - 1), n_splits=st.integers(1, 3))
@few_examples
def test_all_who_go_on_have_their_state(promotion, seed, n_splits):
    """Whatever the order of arrival, a state is dropped too early for no one."""

    def shuffled(positions):
        return sorted(positions, key=lambda i: hash((seed, i)))

    executor = Executor(state=handed_on, order=shuffled)
    run(hyperband_plan(27, n_splits=n_splits), executor, promotion=promotion)

    measured = {(task.candidate["x"], task.n_resources) for task in executor.tasks}
    for task in executor.tasks:
        below = task.candidate["x"], task.n_resources // 3
        assert (task.state is not None) == (below in measured)


def test_outcomes_are_kept_without_their_state():
    """What a search remembers does not grow with the fitted estimators."""
    loop = run(hyperband_plan(9), Executor(state=handed_on))

    assert {outcome.state for outcome in loop.history.outcomes.values()} == {None}


# --- the order of the tasks --------------------------------------------------------


def test_tasks_go_split_by_split():
    """All candidates' first split comes before anyone's second, in the order of the splits."""
    executor = Executor()

    run(halving_plan(3, 3, n_splits=3), executor, split_order=[2, 0, 1])

    assert [task.split for task in executor.batches[0]] == [2, 2, 2, 0, 0, 0, 1, 1, 1]


def test_the_slowest_start_first():
    """Within a split the order is that of the seconds spent one level below."""
    seconds = {6: 1.0, 7: 3.0, 8: 2.0}
    executor = Executor(by_number, seconds=lambda task: seconds.get(task.candidate["x"], 0.0))

    run(halving_plan(9, 9, n_splits=2), executor)

    order = [(task.split, task.candidate["x"]) for task in executor.batches[1]]
    assert order == [(0, 7), (0, 8), (0, 6), (1, 7), (1, 8), (1, 6)]


def test_entrants_stand_in_the_middle():
    """Nothing is known of them, so they are taken to be as slow as the median."""
    seconds = {6: 1.0, 7: 9.0, 8: 5.0}
    executor = Executor(by_number, seconds=lambda task: seconds.get(task.candidate["x"], 0.0))

    run(hyperband_plan(9), executor)

    order = [task.candidate["x"] for task in executor.batches[1]]
    assert order == [7, 8, 9, 10, 11, 12, 13, 6]


# --- who enters --------------------------------------------------------------------


def test_initial_candidates_enter_first():
    """They count in the widest bracket, and the sampler fills the rest."""
    sampler = Sampler()
    initial = [{"x": 100}, {"x": 101}]

    loop = run(hyperband_plan(9), sampler=sampler, initial=initial)

    assert loop.history.candidates[:3] == [{"x": 100}, {"x": 101}, {"x": 0}]
    assert sampler.asked == [7, 5, 3]


def test_a_sampler_is_asked_once_a_bracket():
    """Even for none, so that what a bracket draws does not depend on the one before."""
    sampler = Sampler()

    run(halving_plan(3, 3), sampler=sampler, initial=[{"x": x} for x in range(3)])

    assert sampler.asked == [0]


def test_a_dry_sampler_shrinks_the_brackets():
    """The bracket that got fewer runs with those, and the next ones are left out."""
    plan = hyperband_plan(9)

    loop = run(plan, Executor(by_number), sampler=Sampler(range(12)))

    assert loop.executed_plan.space_exhausted
    assert [b.n_candidates for b in loop.executed_plan.brackets] == [9, 3]
    assert numbers_by_rung(loop) == {
        (2, 0): [*range(9)],
        (2, 1): [6, 7, 8],
        (1, 0): [9, 10, 11],
        (2, 2): [8],
        (1, 1): [11],
    }


@few_examples
@given(plan=schedules(), promotion=promotions, n_there=st.integers(1, 60))
def test_rows_are_the_executed_plan(plan, promotion, n_there):
    """Whatever the sampler still had, the entries are those of the plan as executed."""
    loop = run(plan, promotion=promotion, sampler=Sampler(range(n_there)))

    executed = Counter({rung: rung.n_candidates for rung in loop.executed_plan.rungs})
    assert Counter(entry.rung for entry in loop.history.entries) == executed
    assert loop.executed_plan.space_exhausted == (n_there < plan.n_candidates)


def test_a_sampler_must_give_something():
    """Without any candidate there is nothing to search; the error says whose fault it is."""
    executor = Executor()

    with pytest.raises(ValueError, match=r"sampler=.* returned no candidates at all"):
        run(hyperband_plan(9), executor, sampler=Sampler([]))

    assert executor.batches == []


class Generous(Sampler):
    def ask(self, n, **bracket):
        return super().ask(n + 1, **bracket)


def test_a_sampler_must_not_give_more():
    """More candidates than asked for are an error that says how many came."""
    with pytest.raises(ValueError, match=r"sampler=.*ask\(3\) returned 4"):
        run(halving_plan(3, 3), sampler=Generous())


def test_candidates_of_the_sampler_are_checked():
    """A candidate that the estimator refuses ends the search before it is handed over."""
    executor = Executor()

    def refuse(candidate):
        if candidate["x"] == 2:
            raise ValueError("x=2 is refused")

    with pytest.raises(ValueError, match="x=2 is refused"):
        run(halving_plan(3, 3), executor, check_candidate=refuse)

    assert executor.batches == []


# --- who is told -------------------------------------------------------------------


@both_promotions
def test_the_sampler_is_told_every_level(promotion):
    """Each level is reported once, in the order of its entries, with their mean scores."""
    sampler = Sampler()
    plan = hyperband_plan(9, n_splits=2)

    loop = run(plan, promotion=promotion, sampler=sampler)

    told = [(x, r) for numbers, _, r in sampler.told for x in numbers]
    entries = [
        (loop.history.candidates[entry.candidate]["x"], entry.rung.n_resources)
        for entry in loop.history.entries
    ]
    assert [r for _, _, r in sampler.told] == [1, 3, 9]
    assert told == entries
    for numbers, scores, r in sampler.told:
        means = [(scrambled(x, r, 0) + scrambled(x, r, 1)) / 2 for x in numbers]
        assert scores == pytest.approx(means)


def test_the_sampler_is_told_before_it_is_asked_again():
    """A bracket's entrants are drawn when all lower levels are known."""
    events = []

    class Learner(Sampler):
        def ask(self, n, **bracket):
            events.append(("ask", n))
            return super().ask(n, **bracket)

        def tell(self, level):
            events.append(("tell", level.n_resources))

    run(hyperband_plan(9), sampler=Learner())

    assert events == [("ask", 9), ("tell", 1), ("ask", 5), ("tell", 3), ("ask", 3), ("tell", 9)]


def test_the_sampler_is_told_of_failures():
    """A failed candidate's score is not a number."""
    sampler = Sampler()

    run(halving_plan(3, 3), Executor(lambda x, *_: nan if x == 1 else 0.5), sampler=sampler)

    numbers, scores, _ = sampler.told[0]
    assert [x for x, score in zip(numbers, scores, strict=True) if math.isnan(score)] == [1]


# --- observers ---------------------------------------------------------------------


class Watching(Observer):
    """Notes what it is told, and asks to stop after so many evaluations."""

    def __init__(self, stop_after=math.inf):
        self.n_levels = "not told"
        self.begun = []
        self.ended = []
        self.evaluations_begun = []
        self.n_evaluations = 0
        self._stop_after = stop_after

    @property
    def stop_requested(self):
        return self.n_evaluations >= self._stop_after

    def search_begin(self, n_levels):
        self.n_levels = n_levels

    def level_begin(self, level, entries, n_evaluations):
        self.begun.append((level, len(entries)))

    def evaluation_begin(self, entry, task):
        self.evaluations_begun.append(entry)

    def evaluation_end(self, entry, task, outcome):
        assert entry in self.evaluations_begun
        self.n_evaluations += 1

    def level_end(self, level, result, seconds):
        self.ended.append((level, result, seconds))


def test_observers_are_told_every_level():
    """They are told each level, its candidates and the best of their scores."""
    observer = Watching()
    plan = hyperband_plan(9, n_splits=2)

    run(plan, Executor(by_number), observer=observer)

    assert observer.n_levels == 3
    assert observer.begun == list(zip(plan.levels, [9, 8, 5], strict=True))
    assert [level for level, _, _ in observer.ended] == list(plan.levels)
    assert [len(result.candidates) for _, result, _ in observer.ended] == [9, 8, 5]
    assert [result.best_score for _, result, _ in observer.ended] == [8.0, 13.0, 16.0]


def test_observers_are_told_every_evaluation():
    """They are told of each one when it begins, and once more when it was recorded."""
    observer = Watching()
    executor = Executor()

    run(hyperband_plan(9, n_splits=2), executor, observer=observer)

    tasks = [(task.candidate["x"], task.n_resources) for task in executor.tasks]
    begun = [(entry.candidate, entry.rung.n_resources) for entry in observer.evaluations_begun]
    assert begun == tasks
    assert observer.n_evaluations == len(tasks)


def test_observers_are_not_told_the_end_of_a_level_that_is_interrupted():
    """The exception must reach the user, whatever an observer would do."""
    observer = Watching()

    with pytest.raises(KeyboardInterrupt):
        run(halving_plan(9, 9), Unsteady(by_number, 4, "interrupt"), observer=observer)

    assert len(observer.begun) == 1
    assert observer.ended == []


@pytest.mark.parametrize("ending", ["too late", "stop"])
def test_observers_are_told_the_end_of_a_level_that_is_cut_short(ending):
    """What a level that did not finish has measured is told."""
    observer = Watching(stop_after=4 if ending == "stop" else math.inf)
    executor = Executor(by_number) if ending == "stop" else Unsteady(by_number, 4, ending)

    run(halving_plan(9, 9), executor, observer=observer)

    [(level, _)] = observer.begun
    [(ended, result, _)] = observer.ended
    assert ended == level
    assert (result.complete, result.best_score) == (False, 3.0)


def test_level_results_count_failed_evaluations():
    """A candidate that fails on both of two splits counts twice."""
    observer = Watching()

    run(
        halving_plan(3, 3, n_splits=2),
        Executor(lambda x, *_: nan if x == 1 else 0.5),
        observer=observer,
    )

    assert [result.n_failures for _, result, _ in observer.ended] == [2, 0]


def test_level_results_hold_the_scores_split_by_split():
    """Each split has its column, NaN where the rung did not use it."""
    observer = Watching()

    run(
        halving_plan(3, 3, n_splits=3, min_splits=1),
        Executor(lambda x, r, split: x + split / 10),
        split_order=[2, 0, 1],
        observer=observer,
    )

    first = observer.ended[0][1]
    assert (first.n_splits, first.candidate_ids) == (1, (0, 1, 2))
    np.testing.assert_array_equal(first.split_scores, [[nan, nan, x + 0.2] for x in range(3)])
    np.testing.assert_array_equal(first.mean_scores, [0.2, 1.2, 2.2])


def test_observers_are_told_the_time_of_the_clock():
    """The seconds of a level are the time from its start to its end."""
    observer = Watching()
    clock = itertools.accumulate(itertools.count(1)).__next__

    run(halving_plan(3, 3), clock=clock, observer=observer)

    assert [seconds for _, _, seconds in observer.ended] == [2, 4]


def test_an_observer_may_ask_to_stop_within_a_level():
    """The level counts with the splits that all its candidates finished."""
    observer = Watching(stop_after=11)

    loop = run(hyperband_plan(9, n_splits=2), observer=observer)

    assert loop.reason == "callback"
    assert observer.n_evaluations == 11
    assert {entry.rung.n_splits for entry in loop.history.entries} == {1}


def test_an_observer_may_ask_to_stop_between_levels():
    """A rule that looks at what was measured ends the search before the next level."""
    executor = Executor()

    def enough(history):
        return "callback" if len(history.entries) >= 9 else None

    loop = run(hyperband_plan(9), executor, stop_rules=[enough])

    assert loop.reason == "callback"
    assert len(executor.batches) == 1


def test_a_search_with_enough_candidates_is_completed():
    """The reason for the end says whether the space sufficed."""
    assert run(halving_plan(9, 9)).reason == "completed"
    assert run(halving_plan(9, 9), sampler=Sampler(range(4))).reason == "space_exhausted"


def test_seconds_are_added_up_by_rung():
    """Each rung has what its own fits took, and what it did not fit costs nothing."""
    plan = halving_plan(9, 9, minimum=3, n_splits=2, aggressive_elimination=True)

    loop = run(plan, Executor(seconds=lambda task: 0.5))

    seconds = [loop.history.seconds.get(rung.key, 0.0) for rung in plan.rungs]
    assert seconds == [9.0, 0.0, 1.0]
