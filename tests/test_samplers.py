import copy
import itertools
import os
import random
import threading
import time
import warnings
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import dirichlet, gamma, norm, poisson, randint, uniform
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skhyperband._records import LevelResult
from skhyperband._samplers import (
    SAMPLERS,
    SamplingProblem,
    make_sampler,
    model,
    optuna_learner,
    sobol,
)
from skhyperband._samplers.grid import GridSampler
from skhyperband._samplers.random import RandomSampler
from skhyperband._space import candidate_key, is_finite, space_size
from skhyperband.testing import check_sampler
from tests.spaces import DISTRIBUTIONS, HUGE, LISTS, MIXED, PARTS

few_examples = settings(deadline=None, max_examples=50)

SPACES = [
    pytest.param(DISTRIBUTIONS, id="distributions"),
    pytest.param(LISTS, id="lists"),
    pytest.param(PARTS, id="list of dicts"),
    pytest.param(MIXED, id="lists and distributions"),
]
FINITE = [pytest.param(LISTS, id="lists"), pytest.param(PARTS, id="list of dicts")]


class InTurn:
    """Asks a sampler for one bracket after another."""

    def __init__(self, sampler):
        self._sampler = sampler
        self._brackets = itertools.count()

    def ask(self, n):
        return self._sampler.ask(n, repeat=0, bracket=next(self._brackets))

    def tell(self, candidates, scores, n_resources=1):
        scores = np.array(scores)
        self._sampler.tell(
            LevelResult(
                repeat=0,
                n_resources=n_resources,
                n_splits=1,
                candidate_ids=tuple(range(len(candidates))),
                candidates=tuple(candidates),
                split_scores=scores[:, None],
                mean_scores=scores,
                n_failures=int(np.isnan(scores).sum()),
                n_replayed=0,
                complete=True,
            )
        )


def random_sampler(space, seed=0, known=()):
    return InTurn(RandomSampler(space, seed, seed, known))


def grid_sampler(space, known=()):
    return InTurn(GridSampler(space, known))


def keys(candidates):
    return [candidate_key(candidate) for candidate in candidates]


# --- what every sampler does -------------------------------------------------------


class OnlyRvs:
    """A distribution without quantiles."""

    def rvs(self, random_state):
        """Return one value."""
        return random_state.uniform()

    def __repr__(self):
        return "OnlyRvs()"


ONLY_RVS = OnlyRvs()
FEW_VALUES = stats.rv_discrete(values=([1, 2, 5], [0.2, 0.3, 0.5]))
CUSTOM = [
    stats.rv_discrete(name="custom", values=(values, [0.5, 0.5]))() for values in ([1, 2], [7, 8])
]
OBJECTS = [{"model": [SVC(), SVC(C=2), DecisionTreeClassifier()], "key": [len, None, "x", (1, 2)]}]
REPEATED = [{"C": [1, 1, 2], "degree": np.arange(3)}]
SOME_SPACES = [*SPACES, pytest.param(OBJECTS, id="objects")]
EVERY_SPACE = [
    *SPACES,
    pytest.param(HUGE, id="huge"),
    pytest.param(OBJECTS, id="objects"),
    pytest.param(REPEATED, id="repeated values"),
    pytest.param([{"C": [1]}], id="one candidate"),
    pytest.param([{}], id="no parameters"),
    pytest.param([{"a": ONLY_RVS, "b": uniform(0, 1)}], id="rvs only"),
    pytest.param([{"a": dirichlet([1, 2, 3])}], id="vectors"),
    pytest.param([{"a": stats.uniform, "b": stats.expon}], id="not frozen"),
    pytest.param([{"a": norm(0, 3), "b": poisson(4), "c": gamma(2.0)}], id="unbounded"),
    pytest.param([{"a": stats.zipf(1.5), "b": uniform(0, 1)}], id="heavy tail"),
    pytest.param([{"a": range(600)}, {"a": range(300, 900)}], id="overlapping dicts"),
    pytest.param(
        [{"k": ["x"], "a": CUSTOM[0]}, {"k": ["y"], "a": CUSTOM[1]}], id="custom distributions"
    ),
    pytest.param([{"a": FEW_VALUES, "b": randint(0, 3)}], id="few values"),
    pytest.param(
        [{"a": [f"v{i}" for i in range(200)], "b": range(10**9), "c": uniform(0, 1)}],
        id="many values",
    ),
]
# A search refuses to try the whole grid of a huge space.
EVERY_GRID = [c for c in EVERY_SPACE if is_finite(c.values[0]) and c.id != "huge"]


@pytest.fixture
def small_models(monkeypatch):
    """Let forests have few trees, and samplers of used up spaces give up sooner than usual."""
    monkeypatch.setattr(model, "_N_TREES", 6)
    monkeypatch.setattr(model, "_TREES_PER_CHOICE", 3)
    monkeypatch.setattr(model, "_N_UNIFORM", 60)
    monkeypatch.setattr(model, "_N_NEAR", 30)
    monkeypatch.setattr(optuna_learner, "_MOST_REPETITIONS", 3)
    monkeypatch.setattr(sobol, "_MOST_REPETITIONS", 50)


# Another test shows that "gp" is "model".
NAMES = [name for name in SAMPLERS if name != "gp"]

# A part of "model" by itself is tested on fewer spaces. Optuna takes a minute for the
# thousand candidates of a large finite space.
NAMED = [
    pytest.param(name, *case.values, id=f"{name}-{case.id}")
    for name in NAMES
    for case in (SOME_SPACES if name == "forest" else EVERY_SPACE)
    if name != "tpe" or case.id not in ("huge", "overlapping dicts")
]


@pytest.mark.usefixtures("small_models")
@pytest.mark.parametrize(("name", "space"), NAMED)
def test_named_samplers_conform(name, space):
    """Each sampler that has a name follows the protocol, whatever the space."""
    if name == "tpe":
        pytest.importorskip("optuna")
    problem = SamplingProblem(space, [], random_state=1, seed=2)

    check_sampler(lambda: make_sampler(name, problem, whole_grid=False), space)


@pytest.mark.parametrize("name", ["sobol", "forest", "model", "tpe"])
def test_models_of_the_usual_size_conform(name):
    """The samplers that other tests make smaller follow the protocol as they are, too."""
    if name == "tpe":
        pytest.importorskip("optuna")
    problem = SamplingProblem(PARTS, [], random_state=1, seed=2)

    check_sampler(lambda: make_sampler(name, problem, whole_grid=False), PARTS)


# The sampler that has the name "tpe" is a TPESampler, too.
OBJECTS_OF_OPTUNA = [
    pytest.param(name, *case.values, id=f"{name}-{case.id}")
    for name in ("TPESampler", "QMCSampler", "NSGAIISampler")
    for case in SOME_SPACES
    if name != "TPESampler" or case.id in ("distributions", "lists")
]


@pytest.mark.usefixtures("small_models")
@pytest.mark.parametrize(("name", "space"), OBJECTS_OF_OPTUNA)
def test_samplers_of_optuna_conform(name, space):
    """A sampler object of Optuna follows the protocol."""
    optuna = pytest.importorskip("optuna")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = getattr(optuna.samplers, name)(seed=1)
    problem = SamplingProblem(space, [], random_state=1, seed=2)

    check_sampler(lambda: make_sampler(sampler, problem, whole_grid=False), space)


@pytest.mark.parametrize("space", EVERY_GRID)
def test_the_grid_conforms(space):
    """The sampler of whole grids follows the protocol."""
    problem = SamplingProblem(space, [], random_state=1, seed=2)

    check_sampler(lambda: make_sampler("random", problem, whole_grid=True), space)


@pytest.mark.usefixtures("small_models")
@pytest.mark.parametrize("space", [*FINITE, pytest.param(OBJECTS, id="objects")])
@pytest.mark.parametrize("name", [*NAMES, "grid"])
def test_samplers_with_known_candidates_conform(space, name):
    """Candidates that are known from the start change nothing in what a sampler does."""
    if name == "tpe":
        pytest.importorskip("optuna")
    known = [*list(ParameterGrid(space))[1:3], {}]
    problem = SamplingProblem(space, known, random_state=1, seed=2)

    check_sampler(lambda: make_sampler(name, problem, whole_grid=name == "grid"), space)


@pytest.mark.parametrize("whole_grid", [False, True], ids=["random", "grid"])
def test_copies_pass_over_known_candidates(whole_grid):
    """A deep copy of a sampler knows known candidates that contain copied objects."""
    known = list(ParameterGrid(OBJECTS))[:4]
    problem = SamplingProblem(OBJECTS, known, random_state=1, seed=2)
    copied = copy.deepcopy(make_sampler("random", problem, whole_grid=whole_grid))

    candidates = copied.ask(100, repeat=0, bracket=0)

    assert len(candidates) == len(ParameterGrid(OBJECTS)) - 4


every_sampler = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda seed: random_sampler(DISTRIBUTIONS, seed), id="random, endless"),
        pytest.param(lambda seed: random_sampler(LISTS, seed), id="random, finite"),
        pytest.param(lambda seed: random_sampler(MIXED, seed), id="random, mixed"),
        pytest.param(lambda seed: InTurn(GridSampler(LISTS)), id="grid"),
    ],
)


@every_sampler
class TestNumbersOfCandidates:
    @pytest.mark.parametrize("n", [0, 1, 7, 18])
    def test_ask_gives_as_many_as_asked(self, make, n):
        """A sampler returns as many candidates as it is asked for, if there are as many."""
        candidates = make(0).ask(n)

        assert len(candidates) == n
        assert all(isinstance(candidate, dict) for candidate in candidates)

    def test_ask_never_gives_more(self, make):
        """A sampler returns fewer candidates than it is asked for once the space is exhausted."""
        sampler = make(0)

        assert all(len(sampler.ask(n)) <= n for n in (15, 10, 5))

    def test_as_many_come_after_a_level(self, make):
        """A sampler that was told failed scores still returns as many candidates as before."""
        sampler = make(0)
        candidates = sampler.ask(3)

        sampler.tell(candidates, [0.5, float("nan"), -1.0], 9)

        assert len(sampler.ask(2)) == 2

    def test_tell_may_come_before_ask(self, make):
        """A sampler may be told of candidates that it did not draw before it is asked."""
        sampler = make(0)

        sampler.tell([{"C": 1.0}], [0.5], 1)

        assert len(sampler.ask(2)) == 2


# --- what check_sampler finds ------------------------------------------------------

SPACE = {"C": uniform(0, 1), "degree": randint(1, 100)}
GRID = {"C": [0.1, 0.2, 0.3], "degree": [1, 2, 3, 4, 5, 6, 7, 8]}


class Uniform:
    """A sampler without faults that draws from `SPACE`; its subclasses have one fault each."""

    def __repr__(self):
        return "Faulty()"

    def ask(self, n, *, repeat, bracket):
        """Draw from the seed of the bracket."""
        rng = np.random.default_rng([7, repeat, bracket])
        return [self.draw(rng) for _ in range(n)]

    def draw(self, rng):
        """Return one candidate."""
        return {"C": rng.uniform(), "degree": int(rng.integers(1, 100))}

    def tell(self, level):
        """Learn nothing."""


class InOrder(Uniform):
    """A sampler without faults that returns the candidates of `GRID` in order."""

    def __init__(self):
        self.left = list(ParameterGrid(GRID))

    def ask(self, n, *, repeat, bracket):
        """Return the next candidates."""
        asked, self.left = self.left[:n], self.left[n:]
        return asked


def faulty(base=Uniform, **methods):
    """Return a class of samplers with other methods."""
    return type("Faulty", (base,), methods)


def with_draw(draw):
    """Return a class of samplers that draw each candidate in another way."""
    return faulty(draw=lambda self, rng: draw(rng))


def with_ask(change, base=Uniform):
    """Return a class of samplers that return other answers than the base does."""

    def ask(self, n, *, repeat, bracket):
        return change(base.ask(self, n, repeat=repeat, bracket=bracket))

    return faulty(base, ask=ask)


def with_tell(tell):
    """Return a class of samplers that do something when they are told a level."""
    return faulty(tell=lambda self, level: tell(level))


def with_seed(make_seed):
    """Return a class of samplers whose random numbers have another seed."""

    def ask(self, n, *, repeat, bracket):
        rng = np.random.default_rng(make_seed(self))
        return [self.draw(rng) for _ in range(n)]

    return faulty(ask=ask)


class RaisesWithoutCandidates(Uniform):
    def __init__(self):
        self.left = list(range(100))

    def ask(self, n, *, repeat, bracket):
        return [{"n": self.left.pop()} for _ in range(n)]


class NeverEmpty(Uniform):
    def ask(self, n, *, repeat, bracket):
        return super().ask(max(n, 1), repeat=repeat, bracket=bracket)


class NeedsToBeTold(InOrder):
    level = None

    def tell(self, level):
        self.level = level

    def ask(self, n, *, repeat, bracket):
        candidates = super().ask(n, repeat=repeat, bracket=bracket)
        if (repeat, bracket) == (1, 1):
            self.level.candidates  # noqa: B018
        return candidates


class NeedsToBeAskedFirst(Uniform):
    def ask(self, n, *, repeat, bracket):
        self.asked = super().ask(n, repeat=repeat, bracket=bracket)
        return self.asked

    def tell(self, level):
        len(self.asked)


class KeepsOneDict(Uniform):
    def __init__(self):
        self.candidate = {}

    def draw(self, rng):
        self.candidate.update(super().draw(rng))
        return self.candidate


class Rewrites(Uniform):
    def __init__(self):
        self.drawn = []

    def ask(self, n, *, repeat, bracket):
        for candidate in self.drawn:
            candidate["C"] = 0.5
        self.drawn = super().ask(n, repeat=repeat, bracket=bracket)
        return list(self.drawn)


class RewritesWhenTold(Rewrites):
    def ask(self, n, *, repeat, bracket):
        self.drawn += Uniform.ask(self, n, repeat=repeat, bracket=bracket)
        return self.drawn[len(self.drawn) - n :]

    def tell(self, level):
        for candidate in self.drawn:
            if not any(candidate is running for running in level.candidates):
                candidate["C"] = 0.5


class GivesWhatItIsTold(Uniform):
    best = None

    def ask(self, n, *, repeat, bracket):
        drawn = super().ask(n, repeat=repeat, bracket=bracket)
        return [self.best, *drawn[1:]] if self.best and n else drawn

    def tell(self, level):
        self.best = level.candidates[0]


class SharesItsState(Uniform):
    n_asked: ClassVar = []

    def ask(self, n, *, repeat, bracket):
        self.n_asked.append(n)
        rng = np.random.default_rng([len(self.n_asked), repeat, bracket])
        return [self.draw(rng) for _ in range(n)]


class CopiesItself(Uniform):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __deepcopy__(self, memo):
        return self

    def ask(self, n, *, repeat, bracket):
        return [self.draw(self.rng) for _ in range(n)]


class ForgetsInCopies(Uniform):
    n_told = 0

    def __deepcopy__(self, memo):
        return type(self)()

    def tell(self, level):
        self.n_told += 1

    def ask(self, n, *, repeat, bracket):
        rng = np.random.default_rng([self.n_told, repeat, bracket])
        return [self.draw(rng) for _ in range(n)]


class CannotBeCopied(Uniform):
    def __init__(self):
        self.lock = threading.Lock()


class ChangesItsSpace(Uniform):
    def __init__(self):
        self.space = SHARED_GRID

    def ask(self, n, *, repeat, bracket):
        values = self.space["C"]
        drawn = [{"C": value} for value in values[:n]]
        self.space["C"] = [*values[n:], *values[:n]]
        return drawn


SHARED_GRID = {"C": list(range(100))}


class ReseedsItsSpace(Uniform):
    def draw(self, rng):
        SHARED_SPACE["C"].random_state = np.random.RandomState(rng.integers(99))
        return {"C": SHARED_SPACE["C"].rvs()}


SHARED_SPACE = {"C": uniform(0, 1)}


def replace_nan(level):
    np.nan_to_num(level.split_scores, copy=False)


def sort_scores(level):
    level.mean_scores.sort()


def empty_candidates(level):
    level.candidates[0].clear()


def learn_from_the_best(level):
    return level.candidates[np.nanargmax(level.mean_scores)]


def refuse(level, is_refused):
    """Raise for a level of some kind, as an algorithm does that was not made for it."""
    if is_refused(level):
        raise ZeroDivisionError("of the sampler")


def refusing(is_refused):
    """Return a class of samplers that raise for a level of some kind."""
    return with_tell(lambda level: refuse(level, is_refused))


def global_numpy(self):
    return np.random.randint(2**31)


def global_python(self):
    return random.getrandbits(31)


def seed_the_globals(seed_globally):
    """Return a class of samplers that seed a global random state."""

    def ask(self, n, *, repeat, bracket):
        seed_globally(repeat + bracket)
        return Uniform.ask(self, n, repeat=repeat, bracket=bracket)

    return faulty(ask=ask)


ONE_SAMPLER = Uniform()
FAULTS = {
    # Numbers and form.
    "no-tell": (faulty(tell=None), SPACE, r"Faulty\(\) has no method 'tell'; add it"),
    "no-keywords": (faulty(ask=lambda self, n: []), SPACE, "raised TypeError.*in ask"),
    "one-object": (lambda: ONE_SAMPLER, SPACE, "make_sampler returned the same object twice"),
    "no-list": (with_ask(iter), SPACE, r"from ask\(0, repeat=0, bracket=3\); return a list"),
    "one-for-none": (NeverEmpty, SPACE, r"returned 1 candidates from ask\(0,"),
    "too-many": (with_ask(lambda c: 2 * c), SPACE, r"2 candidates from ask\(1,.*at most 1"),
    "none": (with_ask(lambda c: []), SPACE, "returned no candidate from its first call"),
    "no-dicts": (with_draw(lambda rng: rng.uniform()), SPACE, "each candidate must be a dict"),
    "no-strings": (with_draw(lambda rng: {1: 2}), SPACE, "names of parameters must be strings"),
    "raises": (with_draw(lambda rng: 1 / 0), SPACE, r"raised ZeroDivisionError.*in ask\(1,"),
    "raises-without-candidates": (
        RaisesWithoutCandidates,
        {"n": range(100)},
        r"raised IndexError.*in ask\(103, repeat=2, bracket=1\)",
    ),
    # Values.
    "other-names": (with_draw(lambda rng: {"C": 0.5}), SPACE, "its names must be those of"),
    "above": (
        with_draw(lambda rng: {"C": 1 + rng.uniform(), "degree": 1}),
        SPACE,
        r"values for \['C'\] do not lie in param_distributions",
    ),
    "below": (with_draw(lambda rng: {"C": -0.1, "degree": 1}), SPACE, r"values for \['C'\]"),
    "nan": (with_draw(lambda rng: {"C": np.nan, "degree": 1}), SPACE, r"values for \['C'\]"),
    "text": (with_draw(lambda rng: {"C": "0.5", "degree": 1}), SPACE, r"values for \['C'\]"),
    "no-integer": (
        with_draw(lambda rng: {"C": 0.5, "degree": 1.5}),
        SPACE,
        r"values for \['degree'\]",
    ),
    "not-in-the-list": (
        with_draw(lambda rng: {"C": 0.1, "degree": 1.0}),
        GRID,
        r"values for \['degree'\]",
    ),
    "not-in-the-range": (
        with_draw(lambda rng: {"n": 2**70}),
        {"n": range(2**62)},
        r"values for \['n'\]",
    ),
    "parts-mixed": (
        with_draw(lambda rng: {"kernel": "rbf", "C": 1}),
        PARTS,
        r"values for \['kernel'\]",
    ),
    # Duplicates and identities.
    "duplicates": (
        with_draw(lambda rng: {"C": 0.1, "degree": 1}),
        GRID,
        "returned {'C': 0.1, 'degree': 1} .* times; return each candidate of a finite space once",
    ),
    "same-in-brackets": (
        with_seed(lambda self: 0),
        SPACE,
        "returned the same candidates for several brackets",
    ),
    "one-dict": (KeepsOneDict, SPACE, "the same dict as before; return a new dict"),
    "told-dict": (GivesWhatItIsTold, SPACE, "the same dict as before; return a new dict"),
    "changes-candidates-in-ask": (Rewrites, SPACE, "changed a candidate after returning it"),
    "changes-candidates-in-tell": (RewritesWhenTold, SPACE, "changed a candidate after return"),
    # What decides.
    "entropy": (with_seed(lambda self: None), SPACE, "other candidates than an equal sampler"),
    "os-entropy": (
        with_seed(lambda self: int.from_bytes(os.urandom(8), "big")),
        SPACE,
        "other candidates than an equal sampler",
    ),
    "identity": (with_seed(id), SPACE, "other candidates than an equal sampler"),
    "clock": (
        with_seed(lambda self: time.perf_counter_ns()),
        SPACE,
        "other candidates than an equal sampler",
    ),
    "shared-state": (SharesItsState, SPACE, "other candidates than an equal sampler"),
    "global-numpy": (with_seed(global_numpy), SPACE, "depends on the global .* of NumPy"),
    "global-python": (with_seed(global_python), SPACE, "depends on the global .* of Python"),
    "day": (with_seed(lambda self: int(time.time() / 3600)), SPACE, "depends on the time"),
    "day-ns": (
        with_seed(lambda self: time.time_ns() // (3600 * 10**9)),
        SPACE,
        "depends on the time",
    ),
    "seeds-numpy": (seed_the_globals(np.random.seed), SPACE, "changed the global .* of NumPy"),
    "seeds-python": (seed_the_globals(random.seed), SPACE, "changed the global .* of Python"),
    # What may be told.
    "all-failed": (
        with_tell(learn_from_the_best),
        SPACE,
        "raised ValueError.*in tell, for a level in which all candidates failed",
    ),
    "some-failed": (
        refusing(lambda level: 0 < np.isnan(level.mean_scores).sum() < len(level.mean_scores)),
        SPACE,
        "for a level in which some candidates failed",
    ),
    "splits-failed": (
        refusing(
            lambda level: (
                np.isnan(level.mean_scores).any()
                and not np.isnan(level.split_scores).all(axis=1).any()
            )
        ),
        SPACE,
        "for a level in which some splits of each candidate failed",
    ),
    "infinite": (
        refusing(lambda level: np.isposinf(level.split_scores).any()),
        SPACE,
        "for a level in which some scores are infinite",
    ),
    "all-infinite": (
        refusing(lambda level: np.isneginf(level.mean_scores).all()),
        SPACE,
        "for a level in which all scores are infinite",
    ),
    "equal": (
        refusing(lambda level: len(level.candidates) > 3 and set(level.mean_scores) == {0.5}),
        SPACE,
        "for a level in which all scores are equal",
    ),
    "one-split": (
        refusing(lambda level: level.n_splits == 1),
        SPACE,
        "for a level that used one split only",
    ),
    "foreign": (
        refusing(lambda level: level.candidate_ids == (0, 1, 2)),
        SPACE,
        "for a level with candidates of the space that the sampler did not draw",
    ),
    "no-parameters": (
        with_tell(lambda level: [candidate["C"] for candidate in level.candidates]),
        SPACE,
        "raised KeyError.*for a level with a candidate that has no parameters",
    ),
    "unknown-parameters": (
        with_tell(lambda level: [candidate["C"] for candidate in level.candidates if candidate]),
        SPACE,
        "raised KeyError.*for a level with a candidate that has another parameter",
    ),
    "values-outside": (
        with_tell(lambda level: [candidate.get("C", 0) + 1 for candidate in level.candidates]),
        SPACE,
        "raised TypeError.*for a level with a candidate whose values lie outside the space",
    ),
    "never-told": (NeedsToBeTold, GRID, r"raised AttributeError.*in ask\(5, repeat=1"),
    "never-asked": (NeedsToBeAskedFirst, SPACE, "raised AttributeError.*before it was asked"),
    # What must not be modified.
    "modifies-split-scores": (with_tell(replace_nan), SPACE, "modified the level in tell"),
    "modifies-mean-scores": (with_tell(sort_scores), SPACE, "modified the level in tell"),
    "modifies-told-candidates": (with_tell(empty_candidates), SPACE, "modified the level in tell"),
    "modifies-the-space": (ChangesItsSpace, SHARED_GRID, "modified param_distributions"),
    "seeds-the-space": (ReseedsItsSpace, SHARED_SPACE, "modified param_distributions"),
    # Copies.
    "no-copy": (CannotBeCopied, SPACE, "raised TypeError.*lock.* when it was copied"),
    "copies-itself": (CopiesItself, SPACE, "a deep copy of a new sampler returned other"),
    "copies-nothing": (ForgetsInCopies, SPACE, "a deep copy of a sampler that was told levels"),
}


@pytest.mark.parametrize("sampler", [Uniform, InOrder])
def test_check_sampler_passes_samplers_without_faults(sampler):
    """The samplers to which the faults are given have none themselves."""
    check_sampler(sampler, SPACE if sampler is Uniform else GRID)


@pytest.mark.parametrize(("make", "space", "says"), FAULTS.values(), ids=FAULTS)
def test_check_sampler_finds(make, space, says):
    """Each fault of a sampler is an AssertionError that says what the sampler did."""
    with pytest.raises(AssertionError, match=says):
        check_sampler(make, space)


def test_check_sampler_allows_duplicates_where_they_are_meant():
    """A sampler that says so may draw with replacement, and the same for each bracket."""
    constant = with_draw(lambda rng: {"C": 0.1, "degree": 1})

    check_sampler(constant, GRID, allow_duplicates=True)
    check_sampler(with_seed(lambda self: 0), SPACE, allow_duplicates=True)


def test_check_sampler_takes_few_values_of_a_distribution():
    """Brackets may draw the same by chance, where a distribution has hardly any values."""
    check_sampler(with_draw(lambda rng: {"degree": 1}), {"degree": randint(1, 2)})


@pytest.mark.parametrize(
    "value", [0.0, 1.0, np.float64(0.5), 1 + 1e-16, 1], ids=["low", "high", "numpy", "sum", "int"]
)
def test_check_sampler_takes_the_ends_of_a_distribution(value):
    """The support of a distribution includes its ends."""
    with_value = with_draw(lambda rng: {"C": value, "degree": int(rng.integers(1, 100))})

    check_sampler(with_value, SPACE)


def test_check_sampler_takes_any_value_of_an_unknown_distribution():
    """What an object gives that has no support is not judged."""

    class Drawn:
        def rvs(self, random_state=None):
            return "anything"

    check_sampler(with_draw(lambda rng: {"x": rng.uniform()}), {"x": Drawn()})


def test_check_sampler_leaves_the_global_random_states():
    """The caller's own random numbers are the same as without the check."""
    np.random.seed(3)
    random.seed(3)

    check_sampler(Uniform, SPACE)

    assert np.random.random() == np.random.RandomState(3).random_sample()
    assert random.random() == random.Random(3).random()


@pytest.mark.parametrize(
    ("make", "space", "error", "says"),
    [
        pytest.param(Uniform(), SPACE, TypeError, r"make_sampler=Faulty\(\) must", id="sampler"),
        pytest.param(Uniform, {"C": 1}, TypeError, r"param_distributions\['C'\]=1", id="value"),
        pytest.param(Uniform, [], ValueError, r"param_distributions=\[\] is empty", id="empty"),
    ],
)
def test_check_sampler_refuses(make, space, error, says):
    """What is no function, or no space, is refused by its name and value."""
    with pytest.raises(error, match=says):
        check_sampler(make, space)


# --- random ------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    "state",
    [lambda: 7, lambda: np.random.RandomState(7)],
    ids=["int", "RandomState"],
)
def test_the_first_candidates_are_those_of_parameter_sampler(space, state):
    """The widest bracket can be compared one to one with scikit-learn's searches."""
    candidates = InTurn(RandomSampler(space, state(), 1)).ask(4)

    assert candidates == list(ParameterSampler(space, 4, random_state=state()))


@few_examples
@given(n=st.integers(1, 18), seed=st.integers(0, 2**32 - 1))
def test_any_number_is_that_of_parameter_sampler(n, seed):
    """The first candidates from lists are the same for every number and seed."""
    candidates = random_sampler(LISTS, seed).ask(n)

    assert candidates == list(ParameterSampler(LISTS, n, random_state=seed))


@pytest.mark.parametrize("space", FINITE)
@few_examples
@given(sizes=st.lists(st.integers(1, 8), min_size=1), seed=st.integers(0, 100))
def test_lists_are_drawn_without_replacement(space, sizes, seed):
    """No candidate comes twice, and none is left out once the space is exhausted."""
    sampler = random_sampler(space, seed)
    n_all = len(ParameterGrid(space))

    drawn = [candidate for n in sizes for candidate in sampler.ask(n)]
    drawn_then = list(drawn) + sampler.ask(n_all)

    assert len(drawn) == min(sum(sizes), n_all)
    assert len(set(keys(drawn_then))) == len(drawn_then) == n_all
    assert sampler.ask(1) == []


@pytest.mark.parametrize("space", FINITE)
def test_known_candidates_are_not_drawn(space):
    """What entered from elsewhere is passed over, and others take its place."""
    known = list(ParameterGrid(space))[:3]
    sampler = random_sampler(space, known=[*known, {"C": 99}])

    first = sampler.ask(len(ParameterGrid(space)) - 4)
    rest = sampler.ask(100)

    assert (len(first), len(rest)) == (len(ParameterGrid(space)) - 4, 1)
    assert not set(keys(first + rest)) & set(keys(known))


@pytest.mark.parametrize("space", [DISTRIBUTIONS, MIXED], ids=["distributions", "mixed"])
def test_later_candidates_do_not_depend_on_how_many_came_first(space):
    """Each later call draws from a seed of its own."""
    few, many = random_sampler(space), random_sampler(space)
    few.ask(2)
    many.ask(50)

    assert few.ask(5) == many.ask(5)
    assert few.ask(3) == many.ask(3)


def test_every_call_draws_something_else():
    """The calls' seeds differ from each other and from the first's."""
    sampler = random_sampler(DISTRIBUTIONS)

    drawn = [candidate for _ in range(4) for candidate in sampler.ask(5)]

    assert len(set(keys(drawn))) == 20


@pytest.mark.parametrize("space", [DISTRIBUTIONS, MIXED], ids=["distributions", "mixed"])
def test_candidates_of_a_bracket_do_not_depend_on_other_brackets(space):
    """A bracket draws the same whether or not others drew between it and the first one."""
    one, other = RandomSampler(space, 0, 1), RandomSampler(space, 0, 1)
    for sampler in (one, other):
        sampler.ask(9, repeat=0, bracket=2)
    one.ask(5, repeat=0, bracket=1)
    one.ask(3, repeat=1, bracket=2)

    assert one.ask(4, repeat=0, bracket=0) == other.ask(4, repeat=0, bracket=0)
    assert one.ask(4, repeat=2, bracket=1) == other.ask(4, repeat=2, bracket=1)


def test_each_bracket_of_each_round_draws_something_else():
    """The seed of a draw comes from the repeat and the bracket, not from one of them."""
    sampler = RandomSampler(DISTRIBUTIONS, 0, 1)
    brackets = [(repeat, bracket) for repeat in range(3) for bracket in range(3)]

    drawn = [c for r, s in brackets for c in sampler.ask(5, repeat=r, bracket=s)]

    assert len(set(keys(drawn))) == 45


def test_another_seed_draws_something_else():
    """Only the seed makes the draw, so a different one changes it."""
    assert random_sampler(DISTRIBUTIONS, 0).ask(3) != random_sampler(DISTRIBUTIONS, 1).ask(3)


def test_later_candidates_come_from_the_seed():
    """The state of the first draw does not reach the later ones."""
    samplers = [InTurn(RandomSampler(DISTRIBUTIONS, np.random.RandomState(i), 5)) for i in (0, 1)]
    first = [sampler.ask(3) for sampler in samplers]

    second = [sampler.ask(3) for sampler in samplers]

    assert first[0] != first[1]
    assert second[0] == second[1]


def test_what_is_left_is_drawn_evenly():
    """After a first draw each remaining candidate is as likely as the others."""
    space = [{"x": list(range(6))}]
    counts = np.zeros(6)

    for seed in range(600):
        sampler = random_sampler(space, seed)
        sampler.ask(3)
        (candidate,) = sampler.ask(1)
        counts[candidate["x"]] += 1

    assert counts.sum() == 600
    assert np.all(np.abs(counts - 100) < 45)


# --- spaces without an index -------------------------------------------------------

UNEVEN = [{"a": range(2**62), "b": [0, 1, 2, 3]}, {"c": range(2**62)}]


@pytest.mark.parametrize("n", [0, 1, 50])
def test_huge_spaces_are_drawn_from_without_replacement(n):
    """A space that has more points than an index can number gives distinct candidates."""
    sampler = random_sampler(HUGE)

    first, second = sampler.ask(n), sampler.ask(n)

    assert len(first) == len(second) == n
    assert len(set(keys(first + second))) == 2 * n
    assert all(c.keys() == HUGE[0].keys() for c in first + second)
    assert all(0 <= value < 100 for c in first for value in c.values())


def test_huge_spaces_are_drawn_from_by_the_seed():
    """The draw is the same for the same seed, and another one for another."""
    draws = [random_sampler(HUGE, seed).ask(5) for seed in (0, 0, 1)]

    assert draws[0] == draws[1] != draws[2]


def test_huge_spaces_are_drawn_from_evenly():
    """Each dict counts by its points, and each value of a list is as likely as the others."""
    candidates = random_sampler(UNEVEN).ask(1000)
    of_first = [candidate for candidate in candidates if "a" in candidate]

    assert 730 < len(of_first) < 870  # Four fifths.
    assert 0.45 * 2**62 < np.mean([float(c["a"]) for c in of_first]) < 0.55 * 2**62
    assert np.all(np.bincount([c["b"] for c in of_first]) > 150)


def test_huge_spaces_pass_over_what_is_known():
    """A candidate that entered from elsewhere is not drawn, however many there are."""
    drawn = random_sampler(HUGE).ask(3)

    again = random_sampler(HUGE, known=[drawn[1]]).ask(3)

    assert again[:2] == [drawn[0], drawn[2]]
    assert again[2] not in drawn


def test_huge_space_that_repeats_a_value_never_runs_dry():
    """Equal values at several places of a list are several points."""
    space = [{f"p{i}": [0] * 100 for i in range(10)}]

    assert len(random_sampler(space).ask(20)) == 20


@pytest.mark.parametrize("size", [2**62, 2**63 - 1], ids=["2**62", "the largest"])
def test_the_largest_space_with_an_index_is_that_of_parameter_sampler(size):
    """Wherever `ParameterSampler` works, the first candidates are its own."""
    space = [{"a": range(size)}]

    candidates = random_sampler(space).ask(20)

    assert candidates == list(ParameterSampler(space, 20, random_state=0))


# --- grid --------------------------------------------------------------------------


@pytest.mark.parametrize("space", FINITE)
def test_the_grid_comes_in_order(space):
    """One call for all gives the grid as scikit-learn orders it, then nothing."""
    sampler = InTurn(GridSampler(space))

    assert sampler.ask(100) == list(ParameterGrid(space))
    assert sampler.ask(1) == []


@pytest.mark.parametrize("space", FINITE)
def test_parts_of_the_grid_are_the_whole(space):
    """Several calls together give every point once, and then nothing."""
    sampler = InTurn(GridSampler(space))
    candidates = [*sampler.ask(2), *sampler.ask(1), *sampler.ask(100)]

    assert sorted(map(repr, candidates)) == sorted(map(repr, ParameterGrid(space)))
    assert sampler.ask(1) == []


def test_the_grid_passes_over_known_candidates():
    """What entered from elsewhere does not come again."""
    sampler = InTurn(GridSampler([{"a": [1, 2, 3]}], [{"a": 2}, {"a": 3.0}]))

    assert sampler.ask(5) == [{"a": 1}, {"a": 3}]


@pytest.mark.parametrize(
    ("space", "known"),
    [
        pytest.param(LISTS, [{"C": 0.1, "kernel": "rbf", "degree": 2}, {}], id="lists"),
        pytest.param(PARTS, [{"kernel": "rbf", "gamma": 0.1}], id="list of dicts"),
        pytest.param([{"a": [1, 1, 2]}], [{"a": 1}], id="a value listed twice"),
    ],
)
@pytest.mark.parametrize("sampler", [random_sampler, grid_sampler], ids=["random", "grid"])
def test_samplers_give_as_many_as_the_size_says(space, known, sampler):
    """What is counted before the search is what the sampler then has."""
    given_candidates = sampler(space, known=known).ask(100)

    assert len(given_candidates) == space_size(space, known)
