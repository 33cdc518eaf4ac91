from types import MappingProxyType

import numpy as np
import pytest
from scipy.stats import uniform

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._space import (
    as_space,
    candidate_key,
    check_space,
    is_finite,
    space_size,
)
from tests.estimators import Scored
from tests.spaces import DISTRIBUTIONS, HUGE, LISTS, MIXED, PARTS

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


def test_known_candidates_of_a_long_range_are_counted_at_once():
    """Whether a range has a value is known without walking through it."""
    space = [{"a": range(0, 2**62, 2)}]

    assert space_size(space, [{"a": 4}, {"a": 5}, {"a": 6.0}, {"a": np.int64(8)}]) == 2**61 - 2


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
    """A grid with too many candidates to evaluate is refused, with its size."""
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


def test_space_may_be_any_mapping(classification):
    """A mapping that is no dict is drawn from like one."""
    search = SuccessiveHalvingSearchCV(
        Scored(),
        MappingProxyType({"quality": list(np.linspace(0.1, 0.9, 9))}),
        n_candidates="all",
        resource="n_units",
        max_resources=3,
    )

    assert search.fit(*classification).best_params_["quality"] == 0.9


def test_a_grid_that_memory_cannot_hold_is_refused():
    """All points are listed; the error says how many there would be."""
    search = SuccessiveHalvingSearchCV(
        Scored(), {"quality": range(10_000), "label": range(10_000)}, n_candidates="all"
    )

    with pytest.raises(ValueError, match="about 1e8 candidates"):
        search.plan(n_samples=500, n_classes=2)
