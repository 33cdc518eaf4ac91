"""The loop of a search with fakes: executors, samplers, plans."""

import itertools
import math
from fractions import Fraction

from hypothesis import strategies as st

from skhyperband._brackets import BracketRules, RunningBrackets
from skhyperband._executors.base import ignore_start, no_further_tasks
from skhyperband._executors.states import LocalStateStore, State
from skhyperband._halving import run_levels
from skhyperband._history import SearchHistory
from skhyperband._level_evaluation import LevelEvaluation
from skhyperband._observers import Observer
from skhyperband._plan import Plan
from skhyperband._records import FailedStep, Failure, FinishedTask, Outcome
from skhyperband._results import executed_plan
from skhyperband._samplers import CheckedSampler
from skhyperband._schedule import exact_factor, hyperband, resource_ladder, successive_halving


def opened(state):
    """Return what was handed on."""
    return None if state is None else state.read().open()


def scrambled(x, n_resources, split):
    """Return a score without any pattern in it."""
    return (x * 7919 + n_resources * 104729 + split * 1299709) % 1009 / 1009


def by_number(x, n_resources, split):
    """Return a score that grows with the candidate's number."""
    return float(x)


class Executor:
    """Scores in this process by a pure function, and notes what it was given.

    `order` turns the positions of a batch into the order in which they arrive.
    """

    n_workers = 1
    n_cores = 1

    def __init__(self, score=scrambled, *, seconds=lambda task: 0.0, order=list, state=None):
        self.states = LocalStateStore()
        self.batches = []
        self._score = score
        self._seconds = seconds
        self._order = order
        self._state = state or (lambda task: None)

    @property
    def tasks(self):
        return list(itertools.chain.from_iterable(self.batches))

    def run(self, tasks, on_start=ignore_start, more=no_further_tasks):
        self.batches.append([task._replace(state=opened(task.state)) for task in tasks])
        for position in self._order(range(len(tasks))):
            on_start(position)
            yield FinishedTask(position, self.evaluate(tasks[position]))

    def evaluate(self, task):
        """Return the outcome of a task."""
        score = self._score(task.candidate["x"], task.n_resources, task.split)
        failure = Failure(FailedStep.FIT, "ValueError: no") if math.isnan(score) else None
        seconds = self._seconds(task)
        handed_on = self._state(task) if task.keeps_state else None
        state = None if handed_on is None else State(handed_on, task.n_resources, 0)
        return Outcome(score, None, seconds, 0.0, failure, state=state)


class Sampler:
    """Counts up, or repeats the numbers that it is given; notes what it is told."""

    def __init__(self, numbers=None):
        self.asked = []
        self.told = []
        self._numbers = itertools.count() if numbers is None else iter(numbers)

    def ask(self, n, *, repeat, bracket):
        self.asked.append(n)
        return [{"x": x} for x in itertools.islice(self._numbers, n)]

    def tell(self, level):
        numbers = [candidate["x"] for candidate in level.candidates]
        self.told.append((numbers, level.mean_scores.tolist(), level.n_resources))


def hyperband_plan(R=27, factor=3, n_splits=1, min_splits=None, minimum=1, repeats=1, n=None):
    exact = exact_factor(factor)
    ladder = resource_ladder(R, exact, minimum, n_splits, min_splits)
    brackets = [b for i in range(repeats) for b in hyperband(n, ladder, exact, repeat=i)]
    return Plan(tuple(brackets), exact, "n_samples", minimum, R, n_splits, tuple(ladder))


def halving_plan(n, R=27, factor=3, n_splits=1, min_splits=None, minimum=1, **options):
    exact = exact_factor(factor)
    ladder = resource_ladder(R, exact, minimum, n_splits, min_splits)
    bracket = successive_halving(n, ladder, exact, **options)
    return Plan((bracket,), exact, "n_samples", minimum, R, n_splits, tuple(ladder))


class Loop:
    """A search by fakes: its brackets, its history, and the plan as it was run."""

    def __init__(
        self,
        plan,
        executor,
        *,
        promotion="bracket",
        sampler=None,
        initial=(),
        split_order=None,
        check_candidate=lambda candidate: None,
        score=lambda outcome: outcome.test_scores,
        observer=None,
        deadline=math.inf,
        **options,
    ):
        order = range(plan.n_splits) if split_order is None else split_order
        self.plan = plan
        self.history = SearchHistory(order, score)
        self.brackets = RunningBrackets(
            plan, rules=BracketRules(promotion), initial_candidates=initial
        )
        self._sampler = CheckedSampler(sampler or Sampler(), check_candidate)
        self._observer = observer or Observer()
        self._executor = executor
        self._deadline = deadline
        self._options = options

    def run(self):
        self._observer.search_begin(self.brackets.n_levels)
        self.reason = run_levels(
            self.brackets,
            self._sampler,
            self.history,
            LevelEvaluation(
                self.history, self.brackets, self._executor, self._observer, self._deadline
            ),
            observer=self._observer,
            **self._options,
        )

    @property
    def executed_plan(self):
        exhausted = self.brackets.space_exhausted
        return executed_plan(self.plan, self.history, space_exhausted=exhausted)


def run(plan, executor=None, **options):
    loop = Loop(plan, executor or Executor(), **options)
    loop.run()
    return loop


@st.composite
def schedules(draw):
    factor = draw(st.sampled_from([1.5, 2, 2.5, 3, 4, Fraction(10, 3)]))
    R = draw(st.integers(1, 100))
    n_splits = draw(st.integers(1, 3))
    options = {
        "n_splits": n_splits,
        "min_splits": draw(st.none() | st.integers(1, n_splits)),
        "minimum": draw(st.integers(min(R, 1 + R // 10), R)),
    }
    n = draw(st.integers(1, 40))
    if draw(st.booleans()):
        return hyperband_plan(R, factor, n=n, repeats=draw(st.integers(1, 2)), **options)
    return halving_plan(n, R, factor, aggressive_elimination=draw(st.booleans()), **options)


promotions = st.sampled_from(["bracket", "level"])
