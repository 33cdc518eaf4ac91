import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import loguniform, randint, uniform
from sklearn.model_selection import ParameterGrid, ParameterSampler

from skhyperband._samplers import (
    GridSampler,
    RandomSampler,
    as_space,
    candidate_key,
    check_space,
    is_finite,
    space_size,
)

few_examples = settings(deadline=None, max_examples=50)

DISTRIBUTIONS = [{"C": loguniform(1e-3, 1e3), "degree": randint(1, 5)}]
LISTS = [{"C": [0.1, 1.0, 10.0], "kernel": ["rbf", "poly"], "degree": range(2, 5)}]
PARTS = [{"kernel": ["linear"], "C": [1, 2, 3]}, {"kernel": ["rbf"], "gamma": [0.1, 0.2]}]
MIXED = [{"C": uniform(0, 1)}, {"kernel": ["linear", "rbf"]}]
SPACES = [
    pytest.param(DISTRIBUTIONS, id="distributions"),
    pytest.param(LISTS, id="lists"),
    pytest.param(PARTS, id="list of dicts"),
    pytest.param(MIXED, id="lists and distributions"),
]
FINITE = [pytest.param(LISTS, id="lists"), pytest.param(PARTS, id="list of dicts")]


def random_sampler(space, seed=0, known=()):
    return RandomSampler(space, seed, seed, known)


def keys(candidates):
    return [candidate_key(candidate) for candidate in candidates]


# --- what every sampler does -------------------------------------------------------

every_sampler = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda seed: random_sampler(DISTRIBUTIONS, seed), id="random, endless"),
        pytest.param(lambda seed: random_sampler(LISTS, seed), id="random, finite"),
        pytest.param(lambda seed: random_sampler(MIXED, seed), id="random, mixed"),
        pytest.param(lambda seed: GridSampler(LISTS), id="grid"),
    ],
)


@every_sampler
class TestEverySampler:
    @pytest.mark.parametrize("n", [0, 1, 7, 18])
    def test_ask_gives_as_many_as_asked(self, make, n):
        """A number of candidates that the space has is what comes."""
        candidates = make(0).ask(n)

        assert len(candidates) == n
        assert all(isinstance(candidate, dict) for candidate in candidates)

    def test_ask_never_gives_more(self, make):
        """Beyond what the space has there are fewer, never more."""
        sampler = make(0)

        assert all(len(sampler.ask(n)) <= n for n in (15, 10, 5))

    def test_the_same_seed_gives_the_same(self, make):
        """Two samplers of one seed answer the same calls alike."""
        one, other = make(3), make(3)

        assert [one.ask(n) for n in (5, 1, 4)] == [other.ask(n) for n in (5, 1, 4)]

    def test_candidates_are_independent(self, make):
        """Each candidate is a dict of its own."""
        candidates = make(0).ask(5)

        assert len({id(candidate) for candidate in candidates}) == 5

    def test_tell_takes_a_level(self, make):
        """Scores are accepted, failed ones too, and the next candidates still come."""
        sampler = make(0)
        candidates = sampler.ask(3)

        sampler.tell(candidates, [0.5, float("nan"), -1.0], 9)

        assert len(sampler.ask(2)) == 2

    def test_tell_may_come_before_ask(self, make):
        """Candidates from elsewhere can be reported first."""
        sampler = make(0)

        sampler.tell([{"C": 1.0}], [0.5], 1)

        assert len(sampler.ask(2)) == 2


# --- random ------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    "state",
    [lambda: 7, lambda: np.random.RandomState(7)],
    ids=["int", "RandomState"],
)
def test_the_first_candidates_are_those_of_parameter_sampler(space, state):
    """The widest bracket can be compared one to one with scikit-learn's searches."""
    candidates = RandomSampler(space, state(), 1).ask(4)

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


def test_another_seed_draws_something_else():
    """Only the seed makes the draw, so a different one changes it."""
    assert random_sampler(DISTRIBUTIONS, 0).ask(3) != random_sampler(DISTRIBUTIONS, 1).ask(3)


def test_later_candidates_come_from_the_seed():
    """The state of the first draw does not reach the later ones."""
    samplers = [RandomSampler(DISTRIBUTIONS, np.random.RandomState(i), 5) for i in (0, 1)]
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

# Ten lists of a hundred values: more points than a machine integer counts.
HUGE = [{f"p{i}": list(range(100)) for i in range(10)}]
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


def test_known_candidates_of_a_long_range_are_counted_at_once():
    """Whether a range has a value is known without walking through it."""
    space = [{"a": range(0, 2**62, 2)}]

    assert space_size(space, [{"a": 4}, {"a": 5}, {"a": 6.0}, {"a": np.int64(8)}]) == 2**61 - 2


# --- grid --------------------------------------------------------------------------


@pytest.mark.parametrize("space", FINITE)
def test_the_grid_comes_in_order(space):
    """All calls together give the grid as scikit-learn orders it, then nothing."""
    sampler = GridSampler(space)

    candidates = [*sampler.ask(2), *sampler.ask(1), *sampler.ask(100)]

    assert candidates == list(ParameterGrid(space))
    assert sampler.ask(1) == []


def test_the_grid_passes_over_known_candidates():
    """What entered from elsewhere does not come again."""
    sampler = GridSampler([{"a": [1, 2, 3]}], [{"a": 2}, {"a": 3.0}])

    assert sampler.ask(5) == [{"a": 1}, {"a": 3}]


# --- which candidates are the same -------------------------------------------------

THING = object()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="order of names"),
        pytest.param({"a": 1}, {"a": np.int64(1)}, id="numpy integer"),
        pytest.param({"a": 1.0}, {"a": np.float64(1)}, id="numpy float"),
        pytest.param({"a": True}, {"a": np.bool_(True)}, id="numpy bool"),
        pytest.param({"a": "x"}, {"a": np.str_("x")}, id="numpy text"),
        pytest.param({"a": float("nan")}, {"a": float("nan")}, id="nan"),
        pytest.param({"a": [1, (2, 3)]}, {"a": [1, (2, 3)]}, id="nested"),
        pytest.param({"a": [np.int64(1)]}, {"a": [1]}, id="numpy in a list"),
        pytest.param({"a": THING}, {"a": THING}, id="the same object"),
        pytest.param({"a": None}, {"a": None}, id="None"),
        pytest.param(
            {"a": np.datetime64("2020-01-01")}, {"a": np.datetime64("2020-01-01")}, id="date"
        ),
        pytest.param({}, {}, id="empty"),
    ],
)
def test_same_candidates_share_a_key(one, other):
    """Equal values of one type make equal candidates, wherever they come from."""
    assert candidate_key(one) == candidate_key(other)
    assert hash(candidate_key(one)) == hash(candidate_key(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": 1}, {"a": 1.0}, id="integer and float"),
        pytest.param({"a": 1}, {"a": True}, id="integer and bool"),
        pytest.param({"a": 1.0}, {"a": np.int64(1)}, id="float and numpy integer"),
        pytest.param({"a": 1}, {"a": np.float64(1)}, id="integer and numpy float"),
        pytest.param({"a": 1}, {"a": "1"}, id="integer and text"),
        pytest.param({"a": [1]}, {"a": (1,)}, id="list and tuple"),
        pytest.param({"a": [1]}, {"a": [True]}, id="type within a list"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, id="order within a list"),
        pytest.param({"a": 0.1}, {"a": np.nextafter(0.1, 1)}, id="neighbouring floats"),
        pytest.param({"a": object()}, {"a": object()}, id="two objects"),
        pytest.param({"a": None}, {}, id="None and absent"),
        pytest.param({"a": 1}, {"b": 1}, id="names"),
        pytest.param({"a": b"x"}, {"a": "x"}, id="bytes and text"),
        pytest.param(
            {"a": np.datetime64("2020-01-01")}, {"a": np.datetime64("2021-01-01")}, id="dates"
        ),
        pytest.param({"a": np.longdouble(1)}, {"a": np.longdouble(2)}, id="long doubles"),
    ],
)
def test_other_candidates_have_another_key(one, other):
    """A value of another type is another value, since estimators tell them apart."""
    assert candidate_key(one) != candidate_key(other)


# --- the space ---------------------------------------------------------------------


def test_a_dict_is_a_space_of_one_part():
    """A dict and a list of it are the same space; a list is copied."""
    assert as_space({"a": [1]}) == as_space([{"a": [1]}]) == as_space(({"a": [1]},))


@pytest.mark.parametrize(
    ("space", "known", "size"),
    [
        pytest.param(LISTS, [], 18, id="product"),
        pytest.param(PARTS, [], 5, id="sum of parts"),
        pytest.param([{}], [], 1, id="the estimator as given"),
        pytest.param(DISTRIBUTIONS, [], None, id="no end"),
        pytest.param(MIXED, [], None, id="no end in one part"),
        pytest.param([{"a": [1, 2]}], [{"a": 1}], 1, id="one known"),
        pytest.param([{"a": [1, 2]}], [{"a": 1}, {"a": 1}], 1, id="known twice"),
        pytest.param([{"a": [1, 2]}], [{"a": 1.0}, {"a": 5}, {}], 2, id="known from elsewhere"),
        pytest.param([{"a": [1], "b": [1]}], [{"a": 1}], 1, id="known in part"),
        pytest.param([{"a": np.arange(3)}], [{"a": 1}], 2, id="array"),
    ],
)
def test_space_size(space, known, size):
    """The size is what a sampler can still give, or None where that has no end."""
    assert space_size(space, known) == size
    assert is_finite(space) == (size is not None)


@pytest.mark.parametrize(
    ("space", "known"),
    [
        pytest.param(LISTS, [{"C": 0.1, "kernel": "rbf", "degree": 2}, {}], id="lists"),
        pytest.param(PARTS, [{"kernel": "rbf", "gamma": 0.1}], id="list of dicts"),
        pytest.param([{"a": [1, 1, 2]}], [{"a": 1}], id="a value listed twice"),
    ],
)
@pytest.mark.parametrize("sampler", [random_sampler, GridSampler], ids=["random", "grid"])
def test_samplers_give_as_many_as_the_size_says(space, known, sampler):
    """What is counted before the search is what the sampler then has."""
    given_candidates = sampler(space, known=known).ask(100)

    assert len(given_candidates) == space_size(space, known)


@pytest.mark.parametrize(
    "param_distributions",
    [
        pytest.param({"a": [1, 2]}, id="list"),
        pytest.param({"a": (1, 2)}, id="tuple"),
        pytest.param({"a": range(3)}, id="range"),
        pytest.param({"a": np.arange(3)}, id="array"),
        pytest.param({"a": uniform(0, 1)}, id="distribution"),
        pytest.param({}, id="nothing to choose"),
        pytest.param([{"a": [1]}, {"b": uniform()}], id="list of dicts"),
        pytest.param(({"a": [1]},), id="tuple of dicts"),
    ],
)
def test_check_space_accepts(param_distributions):
    """Whatever scikit-learn samples from is a space."""
    check_space(param_distributions, lists_only=False, resource="n_samples")


@pytest.mark.parametrize(
    ("param_distributions", "error", "says"),
    [
        pytest.param([], ValueError, r"param_distributions=\[\] is empty", id="no parts"),
        pytest.param(None, TypeError, "param_distributions=None must be a dict", id="None"),
        pytest.param(3, TypeError, "got a int", id="number"),
        pytest.param([["a"]], TypeError, "got a list", id="list of lists"),
        pytest.param({1: [2]}, TypeError, "names of parameters must be strings", id="name"),
        pytest.param({"a": 3}, TypeError, r"param_distributions\['a'\]=3 must", id="one value"),
        pytest.param({"a": "rbf"}, TypeError, r"\['a'\]='rbf' must be a list", id="text"),
        pytest.param({"a": {1, 2}}, TypeError, r"\['a'\]=\{1, 2\} must be a list", id="set"),
        pytest.param({"a": []}, ValueError, r"\['a'\]=\[\] is empty", id="no values"),
        pytest.param({"a": np.array([])}, ValueError, "is empty", id="empty array"),
        pytest.param({"a": np.eye(2)}, ValueError, "has 2 dimensions", id="matrix"),
        pytest.param({"r": [1]}, ValueError, "'r', which is the resource", id="the resource"),
        pytest.param([{"a": [1]}, {"a": 3}], TypeError, r"\['a'\]=3", id="second part"),
    ],
)
def test_check_space_refuses(param_distributions, error, says):
    """The error names the parameter and its value."""
    with pytest.raises(error, match=says):
        check_space(param_distributions, lists_only=False, resource="r")


@pytest.mark.parametrize(
    "space",
    [pytest.param({"a": range(2**63)}, id="one range"), pytest.param(HUGE, id="a grid")],
)
def test_check_space_refuses_grids_without_end(space):
    """A grid that nobody could walk through is refused with its size."""
    with pytest.raises(ValueError, match=r"n_candidates|range\(0, 9223372036854775808\)"):
        check_space(space, lists_only=True, resource="n_samples")


def test_check_space_refuses_a_range_that_has_no_length():
    """Python cannot count, nor ParameterSampler draw from, a range beyond its integers."""
    with pytest.raises(ValueError, match=r"param_distributions\['a'\].*randint"):
        check_space({"a": range(2**63)}, lists_only=False, resource="n_samples")


def test_check_space_refuses_distributions_in_a_grid():
    """A grid has an end, which a distribution has not."""
    with pytest.raises(ValueError, match="is a distribution, which has no end"):
        check_space({"a": uniform()}, lists_only=True, resource="n_samples")


def test_check_space_accepts_a_grid():
    """Lists can be walked through from one end to the other."""
    check_space({"a": [1], "b": range(2)}, lists_only=True, resource="n_samples")
