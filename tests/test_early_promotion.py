import contextlib
import math
import sqlite3
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import uniform
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import FitFailedWarning

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV, _run
from skhyperband._observers import Observer
from skhyperband._records import StateKey
from skhyperband._standings import TopK
from tests.estimators import Failing
from tests.loops import (
    Executor,
    Loop,
    Sampler,
    by_number,
    halving_plan,
    hyperband_plan,
    opened,
    promotions,
    run,
    schedules,
    scrambled,
)
from tests.workers import VirtualWorkers

few_examples = settings(deadline=None, max_examples=50)

# --- who has won, and who has lost -------------------------------------------------


@few_examples
@given(
    scores=st.lists(st.sampled_from([0.0, 1.0, 2.0, math.inf, -math.inf, math.nan]), max_size=12),
    k=st.integers(1, 12),
    random=st.randoms(use_true_random=False),
)
def test_winners_and_losers_are_those_of_all_that_may_still_come(scores, k, random):
    """A candidate has won if too few others can come before it, and lost if enough others do."""
    order = random.sample(range(len(scores)), len(scores))
    top, winners, losers = TopK(k, n_open=len(scores)), set(), set()

    for n_known, candidate in enumerate(order, start=1):
        decision = top.add(scores[candidate], candidate)
        winners |= {decision.winner} - {None}
        losers |= {decision.loser} - {None}

        ranked = sorted(order[:n_known], key=lambda i: (math.isnan(scores[i]), -scores[i], i))
        if any(math.isnan(score) for score in scores):
            ranked = sorted(
                order[:n_known],
                key=lambda i: (1, 0.0, i) if math.isnan(scores[i]) else (0, -scores[i], i),
            )
        n_open = len(scores) - n_known
        assert winners == set(ranked[: max(0, k - n_open)])
        assert losers == set(ranked[k:])


# --- nothing changes ---------------------------------------------------------------


class Diary(Observer):
    """Notes which evaluations were told of at each level."""

    def __init__(self):
        self.levels = []

    def level_begin(self, level, entries, n_evaluations):
        self.levels.append((level, n_evaluations, Counter(), Counter()))

    def evaluation_begin(self, entry, task):
        self.levels[-1][2][entry, task.candidate["x"], task.n_resources, task.split] += 1

    def evaluation_end(self, entry, task, outcome):
        self.levels[-1][3][entry, task.candidate["x"], task.n_resources, task.split] += 1


def all_failed(history):
    """Return whether nothing came to anything, which ends a search."""
    outcomes = history.outcomes.values()
    return "interrupted" if outcomes and all(o.failure for o in outcomes) else None


@few_examples
@given(
    plan=schedules(),
    promotion=promotions,
    n_workers=st.integers(1, 40),
    n_different=st.integers(1, 60),
    n_scores=st.integers(1, 50),
    failing=st.integers(1, 7),
    error_score=st.sampled_from([math.nan, 0.0, 0.5]),
    unrated=st.sampled_from([0.0, 0.5, 1.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_search_with_early_promotions_has_the_same_results(
    plan, promotion, n_workers, n_different, n_scores, failing, error_score, unrated, seed
):
    """Equal scores, failures, equal candidates, any order of arrival: all is as in a plain loop."""

    def score(x, n_resources, split):
        if x % 7 >= failing or (x + split) % 11 == 0:
            return math.nan
        return math.floor(n_scores * scrambled(x, n_resources, split)) / n_scores

    def rate(outcome):
        """Return NaN for some that did not fail, too."""
        if outcome.failure:
            return error_score
        return math.nan if outcome.test_scores < unrated else outcome.test_scores

    def seconds(task):
        return hash((seed, task.candidate["x"], task.n_resources, task.split)) % 8

    def search(executor, observer):
        sampler = Sampler(number % n_different for number in range(10_000))
        loop = Loop(
            plan,
            executor,
            promotion=promotion,
            sampler=sampler,
            observer=observer,
            score=rate,
            stop_rules=[all_failed],
        )
        loop.run()
        return loop, sampler

    plain = Executor(score, seconds=seconds, state=lambda task: "state")
    workers = VirtualWorkers(plain.evaluate, n_workers, seconds)
    in_turn, sampler = search(plain, told_plainly := Diary())
    early, sampler_of_early = search(workers, told := Diary())

    assert early.history.entries == in_turn.history.entries
    assert early.history.outcomes == in_turn.history.outcomes
    assert early.history.seconds == in_turn.history.seconds
    assert early.history.candidates == in_turn.history.candidates
    assert early.brackets.failed_rungs == in_turn.brackets.failed_rungs
    assert early.reason == in_turn.reason
    np.testing.assert_equal(sampler_of_early.told, sampler.told)
    assert told.levels == told_plainly.levels
    assert Counter(map(what, workers.taken)) == Counter(map(what, plain.tasks))


def what(task):
    """Return what a task evaluates."""
    return task.candidate["x"], task.n_resources, task.split, task.keeps_state


@few_examples
@given(
    promotion=promotions,
    n_workers=st.integers(1, 40),
    n_splits=st.integers(1, 3),
    min_splits=st.sampled_from([None, 1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_who_go_on_early_have_their_state(promotion, n_workers, n_splits, min_splits, seed):
    """An early evaluation continues from the rung below, as it would later."""
    continued = {}

    def evaluate(task):
        continued[what(task)] = opened(task.state)
        return executor.evaluate(task)

    executor = Executor(state=what)
    workers = VirtualWorkers(evaluate, n_workers, lambda task: hash((seed, what(task))) % 8)
    plan = hyperband_plan(27, n_splits=n_splits, min_splits=min_splits)
    run(plan, workers, promotion=promotion)
    run(plan, executor, promotion=promotion)

    assert continued == {what(task): task.state for task in executor.tasks}
    assert len(workers.states) == 0


# --- what is begun early -----------------------------------------------------------


def slow(candidate, seconds):
    """Return the times of tasks: one candidate takes long on the first rung."""
    return lambda task: seconds if what(task)[:2] == (candidate, 1) else 1.0


def candidates_with(workers, n_resources):
    """Return the candidates that workers took with so much of the resource."""
    return [what(task)[0] for task in workers.taken if task.n_resources == n_resources]


def test_certain_candidate_goes_on_while_others_run():
    """Of nine candidates three go on: two of them before the slow one is done."""
    workers = VirtualWorkers(Executor(by_number).evaluate, 9, slow(0, 10.0))

    loop = run(halving_plan(9, 9), workers)

    assert workers.now == 10.0 + 1.0 + 1.0
    assert candidates_with(workers, 3) == [7, 8, 6]
    assert [entry.candidate for entry in loop.history.entries][9:12] == [6, 7, 8]


def test_only_idle_workers_begin_early():
    """As long as evaluations of the level are left, these come first."""
    workers = VirtualWorkers(Executor(by_number).evaluate, 2, slow(7, 6.0))

    run(halving_plan(9, 9), workers)

    order = [what(task)[:2] for task in workers.taken]
    assert order == [*((x, 1) for x in range(9)), (6, 3), (8, 3), (7, 3), (8, 9)]
    assert workers.now == 4.0 + 5.0 + 1.0 + 1.0


def test_nothing_is_begun_early_with_a_time_limit():
    """The time that is left at the end of the level decides how many go on."""
    workers = VirtualWorkers(Executor(by_number).evaluate, 9, slow(0, 10.0))

    run(halving_plan(9, 9), workers, deadline=1e300)

    assert candidates_with(workers, 3) == [6, 7, 8]
    assert workers.now == 10.0 + 1.0 + 1.0


def test_scores_that_no_candidate_may_have_begin_nothing_early():
    """Where all others failed, the search may end with the level."""
    workers = VirtualWorkers(
        Executor(lambda x, n_resources, split: math.nan).evaluate, 9, slow(0, 10.0)
    )

    run(halving_plan(9, 9), workers)

    assert len(workers.taken) == 9


class Stopping(Diary):
    """Asks the search to stop after so many evaluations; notes whether workers still run then."""

    def __init__(self, after, workers):
        super().__init__()
        self.still_running = False
        self._n_left = after
        self._workers = workers

    def evaluation_end(self, entry, task, outcome):
        super().evaluation_end(entry, task, outcome)
        self._n_left -= 1
        self.stop_requested = self._n_left <= 0

    def level_end(self, level, result, seconds):
        self.still_running |= self.stop_requested and self._workers.is_running


@pytest.mark.parametrize(
    ("after", "n_rows"), [(8, 8), (9, 9), (10, 9), (12, 12)], ids=["in-1", "at-1", "in-2", "at-2"]
)
def test_search_that_is_stopped_has_what_was_recorded(after, n_rows):
    """Early evaluations of a level that does not begin are given up."""
    workers = VirtualWorkers(Executor(by_number).evaluate, 9, slow(0, 2.0))
    observer = Stopping(after, workers)

    def is_asked(history):
        return "callback" if observer.stop_requested else None

    loop = run(halving_plan(9, 9), workers, observer=observer, stop_rules=[is_asked])

    assert loop.reason == "callback"
    assert not observer.still_running
    assert len(loop.history.outcomes) == after
    assert len(loop.history.entries) == n_rows


@pytest.mark.parametrize("at", [(8, 3), (0, 1)])
def test_interrupted_search_keeps_the_level_that_is_done(at):
    """Ctrl-C may come in an early evaluation as in any other."""

    def evaluate(task):
        if what(task)[:2] == at:
            raise KeyboardInterrupt
        return executor.evaluate(task)

    executor = Executor(by_number)
    loop = Loop(halving_plan(9, 9), VirtualWorkers(evaluate, 9, slow(0, 10.0)))
    with pytest.raises(KeyboardInterrupt):
        loop.run()

    assert len(loop.history.outcomes) == 8
    assert {entry.candidate for entry in loop.history.entries} == set(range(1, 9))


def test_state_of_an_early_evaluation_replaces_the_one_it_continued():
    """At no time has a candidate two states."""
    kept = []

    def evaluate(task):
        kept.append(len(workers.states))
        return executor.evaluate(task)

    executor = Executor(by_number, state=what)
    workers = VirtualWorkers(evaluate, 9, slow(0, 10.0))
    run(halving_plan(9, 9), workers)

    assert max(kept) <= 3
    assert workers.states.lend(StateKey(8, 0)) is None


# --- searches ----------------------------------------------------------------------


@pytest.fixture
def with_virtual_workers(monkeypatch):
    """Let searches run with workers that are not real, of different speed."""
    made = []

    def make(evaluate, n_jobs, pre_dispatch, max_fit_time):
        rng = np.random.default_rng(0)
        made.append(VirtualWorkers(evaluate, n_jobs, lambda task: rng.lognormal(sigma=2)))
        return made[-1]

    @contextlib.contextmanager
    def context():
        with monkeypatch.context() as patch:
            patch.setattr(_run, "make_executor", make)
            yield made

    return context


def forests(search_class, **options):
    space = {"max_features": uniform(0.1, 0.9), "min_samples_leaf": [1, 2, 4, 8]}
    estimator = ExtraTreesClassifier(27, max_depth=4, random_state=0)
    return search_class(
        estimator,
        space,
        min_resources=3,
        min_splits=None,
        n_candidates=9,
        cv=3,
        random_state=0,
        **options,
    )


@pytest.mark.parametrize("continue_training", ["auto", False])
def test_results_of_a_search_are_the_same(
    search_class, continue_training, classification, assert_same_results, with_virtual_workers
):
    """Everything but the times is equal, also what was trained."""
    search = forests(search_class, continue_training=continue_training, n_jobs=16)
    if search_class is HyperbandSearchCV:
        search.set_params(n_repeats=1)
    with with_virtual_workers() as made:
        early = search.fit(*classification).cv_results_
    plain = search.set_params(n_jobs=1).fit(*classification).cv_results_

    assert made[-1].n_early > 0
    assert_same_results(early, plain)


def test_verbose_search_prints_the_same_levels(classification, with_virtual_workers, capsys):
    """Each evaluation is told of at its own level."""

    def levels_of(text):
        """Return the candidates and scores, level by level, without times."""
        lines = [line.split() for line in text.splitlines()[1:]]
        levels, evaluations = [], set()
        for words in lines:
            if words[0] == "candidate":
                evaluations.add(tuple(words[:7]))
            else:
                levels.append((words[:6], evaluations))
                evaluations = set()
        return levels

    search = forests(SuccessiveHalvingSearchCV, verbose=2, n_jobs=16)
    with with_virtual_workers() as made:
        search.fit(*classification)
    early = capsys.readouterr().out
    search.set_params(n_jobs=1).fit(*classification)
    plain = capsys.readouterr().out

    assert made[-1].n_early > 0
    assert levels_of(early) == levels_of(plain)


@pytest.mark.parametrize(
    ("missing", "n_missing"),
    [("rowid % 2 = 0", 60), ("rowid = 39", 1), ("rowid IN (30, 60, 90)", 3)],
)
def test_early_evaluations_are_replayed_from_a_journal(
    classification, tmp_path, assert_same_results, with_virtual_workers, missing, n_missing
):
    """What is missing is evaluated, early or not, and the results are the same."""
    path = tmp_path / "journal.sqlite"
    search = forests(SuccessiveHalvingSearchCV, journal=path, n_jobs=16, continue_training=False)
    search.set_params(n_candidates=27, min_resources=1)
    with with_virtual_workers() as made:
        results = search.fit(*classification).cv_results_
        n_all = len(made[-1].taken)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f"DELETE FROM evaluation WHERE {missing}")
            connection.commit()
        again = search.fit(*classification)

    assert n_all == 3 * (27 + 9 + 3 + 1)
    assert again.stop_reason_ == "completed"
    assert again.n_replayed_ == n_all - n_missing
    assert len(made[-1].taken) == n_missing
    assert_same_results(again.cv_results_, results)


def test_failures_of_early_evaluations_are_those_of_their_level(
    classification, assert_same_results, with_virtual_workers
):
    """An early evaluation that fails is reported, and ends nothing."""
    search = SuccessiveHalvingSearchCV(
        Failing(below=0.97, from_units=3),
        {"quality": uniform()},
        resource="n_units",
        max_resources=9,
        min_resources=1,
        min_splits=None,
        n_candidates=27,
        cv=3,
        refit=False,
        n_jobs=30,
        random_state=0,
    )
    with with_virtual_workers() as made, pytest.warns(FitFailedWarning) as warned_early:
        early = search.fit(*classification).cv_results_
    with pytest.warns(FitFailedWarning) as warned:
        plain = search.set_params(n_jobs=1).fit(*classification).cv_results_

    assert made[-1].n_early > 0
    assert_same_results(early, plain)
    assert [str(w.message) for w in warned_early] == [str(w.message) for w in warned]


@pytest.mark.parametrize("from_units", [1, 3])
def test_error_that_ends_a_search_ends_its_run(from_units, classification, with_virtual_workers):
    """No evaluation, early or not, is running when the executor is left."""
    search = SuccessiveHalvingSearchCV(
        Failing(below=0.97, from_units=from_units),
        {"quality": uniform()},
        resource="n_units",
        max_resources=9,
        min_resources=1,
        min_splits=None,
        n_candidates=27,
        cv=3,
        error_score="raise",
        n_jobs=30,
        random_state=0,
    )
    with with_virtual_workers() as made, pytest.raises(ArithmeticError):
        search.fit(*classification)

    assert not made[-1].is_running
    assert (made[-1].n_early > 0) == (from_units > 1)
