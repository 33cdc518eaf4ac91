import copy
import dataclasses

import numpy as np
import pytest
from scipy import stats
from scipy.stats import loguniform, norm, poisson, randint, uniform
from sklearn.svm import SVC, LinearSVC

from skhyperband._samplers.encoding import SpaceEncoding
from skhyperband._samplers.random import RandomSampler
from skhyperband._space import candidate_key
from tests.spaces import DISTRIBUTIONS, LISTS, MIXED, PARTS


class LogIntegers:
    """A distribution of a user's own, whose quantiles are single integers."""

    def rvs(self, random_state):
        """Draw one."""
        return self.ppf(random_state.uniform())

    def ppf(self, quantile):
        """Return an integer."""
        return int(50**quantile)

    def cdf(self, value):
        """Return the quantile of a number."""
        return np.log(value) / np.log(50)


SPACES = {
    "distributions": DISTRIBUTIONS,
    "lists": LISTS,
    "list of dicts": PARTS,
    "lists and distributions": MIXED,
    "unbounded": [{"a": norm(0, 3), "b": poisson(4)}],
    "not frozen": [{"a": stats.uniform, "b": stats.expon}],
    "values of a discrete distribution": [
        {"a": stats.rv_discrete(values=([1, 2, 5], [0.2, 0.3, 0.5])), "b": randint(-3, 3)}
    ],
    "objects": [{"model": [None, SVC(), (1, 2)], "key": [len, "x", np.arange(3)]}],
    "range": [{"a": range(10**12), "b": range(5, -5, -2)}],
    "own distribution": [{"a": LogIntegers()}, {"b": [1, 2]}],
}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def candidates_of(space):
    return RandomSampler(space, 0, 0).ask(20, repeat=0, bracket=0)


@every_space
def test_a_candidate_is_found_again_at_its_point(space):
    """The candidate at the point of a candidate is equal to it."""
    encoding = SpaceEncoding(space)
    candidates = candidates_of(space)

    points = encoding.points_of(candidates)

    assert (points.parts >= 0).all()
    for candidate, part, coordinates in zip(
        candidates, points.parts, points.coordinates, strict=True
    ):
        found = encoding.candidate_at(part, coordinates, np.random.RandomState(0))
        assert found.keys() == candidate.keys()
        for name, value in candidate.items():
            if isinstance(value, float):
                assert found[name] == pytest.approx(value, rel=1e-6)
            else:
                assert candidate_key({"v": found[name]}) == candidate_key({"v": value})


@every_space
def test_random_points_have_candidates_whose_points_they_are(space):
    """A centred point is the point of the candidate that is there."""
    encoding = SpaceEncoding(space)
    drawn = encoding.centred(encoding.uniform_points(50, np.random.default_rng(0)))

    candidates = [
        encoding.candidate_at(part, coordinates, np.random.RandomState(0))
        for part, coordinates in zip(drawn.parts, drawn.coordinates, strict=True)
    ]
    again = encoding.points_of(candidates)

    np.testing.assert_array_equal(again.parts, drawn.parts)
    np.testing.assert_allclose(again.coordinates, drawn.coordinates, atol=1e-8)


@every_space
def test_features_lie_between_0_and_1(space):
    """Each feature of a candidate is a number between 0 and 1, whether it has the parameter or not."""
    encoding = SpaceEncoding(space)

    features = encoding.features(encoding.points_of(candidates_of(space)))

    assert ((features >= 0) & (features <= 1)).all()


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        pytest.param(loguniform(1e-3, 1e3), [1e-3, 1e-1, 10, 1e3], id="log scale"),
        pytest.param(uniform(2, 3), [2, 3, 4, 5], id="linear scale"),
        pytest.param(randint(0, 3), [0, 1, 2], id="integers"),
    ],
)
def test_coordinates_are_quantiles(distribution, values):
    """Values are compared on the scale of their own quantiles."""
    encoding = SpaceEncoding([{"a": distribution}])

    (coordinates,) = encoding.points_of([{"a": value} for value in values]).coordinates.T

    expected = {4: [0, 1 / 3, 2 / 3, 1], 3: [1 / 6, 1 / 2, 5 / 6]}[len(values)]
    np.testing.assert_allclose(coordinates, expected, atol=1e-12)


def test_numbers_of_a_list_are_ordered():
    """Numbers have one feature, ordered by size; other values have a feature each."""
    encoding = SpaceEncoding([{"a": [100, 1, 10.0], "b": ["x", "y", None]}])

    features = encoding.features(encoding.points_of([{"a": 1, "b": "x"}, {"a": 100, "b": None}]))

    np.testing.assert_allclose(features, [[1 / 6, 1, 0, 0], [5 / 6, 0, 0, 1]])


def test_equal_parameters_of_several_dicts_share_a_feature():
    """What is learned of a parameter in one dict holds in another with the same values."""
    C = loguniform(1e-3, 1e3)
    equal = [{"C": C, "kernel": ["linear"]}, {"C": loguniform(1e-3, 1e3), "gamma": uniform(0, 1)}]
    other = [{"C": C, "kernel": ["linear"]}, {"C": uniform(0, 1), "gamma": uniform(0, 1)}]

    assert len(SpaceEncoding(equal).axes) == 3
    assert len(SpaceEncoding(other).axes) == 4


@pytest.mark.parametrize(
    "candidate",
    [
        pytest.param({}, id="no parameters"),
        pytest.param({"C": None, "degree": 2}, id="no number"),
        pytest.param({"C": "1", "degree": 2}, id="text"),
        pytest.param({"C": 1.0, "degree": 2, "other": 1}, id="another name"),
        pytest.param({"C": np.nan, "degree": 2}, id="NaN"),
        pytest.param({"C": 1e4, "degree": 2}, id="above the support"),
        pytest.param({"C": 1.0, "degree": 0}, id="below the support"),
    ],
)
def test_what_lies_outside_has_no_point(candidate):
    """A candidate that is not of the space belongs to none of its dicts."""
    points = SpaceEncoding(DISTRIBUTIONS).points_of([candidate])

    assert points.parts.tolist() == [-1]


def test_defaults_complete_a_candidate():
    """A candidate that does not name a parameter has the estimator's own value for it."""
    encoding = SpaceEncoding(DISTRIBUTIONS, defaults={"C": 1.0, "degree": 3, "gamma": "scale"})

    points = encoding.points_of([{}, {"C": 10.0}, {"C": 1.0, "degree": 3}])

    assert points.parts.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(points.coordinates[0], points.coordinates[2])
    assert points.coordinates[1, 0] > points.coordinates[0, 0]


def test_candidate_with_exactly_the_names_of_a_dict_is_in_it():
    """An earlier dict with more names, which have defaults, does not contain it."""
    space = [{"C": uniform(0, 1), "tol": uniform(0, 1)}, {"C": uniform(0, 1)}]
    encoding = SpaceEncoding(space, defaults={"C": 0.5, "tol": 0.5})

    points = encoding.points_of([{"C": 0.2}, {"C": 0.2, "tol": 0.1}])

    assert points.parts.tolist() == [1, 0]


def test_floats_and_integers_have_axes_of_their_own():
    """The integer 1 and the float 1.0 may mean different things to an estimator."""
    ones = [stats.rv_discrete(values=([1], [1.0])), stats.rv_discrete(values=([1.0], [1.0]))]
    encoding = SpaceEncoding([{"k": [part], "m": one} for part, one in enumerate(ones)])

    middle = np.full(len(encoding.axes), 0.5)
    drawn = [encoding.candidate_at(part, middle, np.random.RandomState(0))["m"] for part in (0, 1)]

    assert [type(value) for value in drawn] == [int, float]


def test_defaults_of_a_replaced_step_complete_nothing():
    """A candidate that replaces a step does not have the parameters of the estimator's own one."""
    space = [{"svc": [SVC(), LinearSVC()], "svc__C": loguniform(1e-3, 1e3)}]
    encoding = SpaceEncoding(space, defaults={"svc": space[0]["svc"][0], "svc__C": 1.0})

    points = encoding.points_of([{"svc": space[0]["svc"][1]}, {"svc__C": 1.0}])

    assert points.parts.tolist() == [-1, 0]


def test_defaults_that_lie_outside_complete_nothing():
    """An estimator whose own value is no value of the space has no point."""
    encoding = SpaceEncoding([{"gamma": loguniform(1e-3, 1)}], defaults={"gamma": "scale"})

    assert encoding.points_of([{}]).parts.tolist() == [-1]


def test_values_without_quantiles_are_drawn():
    """A parameter with `rvs` only has no coordinate; its value is drawn with the random state."""

    class OnlyRvs:
        def rvs(self, random_state):
            return random_state.randint(10**6)

    encoding = SpaceEncoding([{"a": OnlyRvs(), "b": uniform(0, 1)}])

    one, same, other = (
        encoding.candidate_at(0, np.array([0.5]), np.random.RandomState(seed))
        for seed in (1, 1, 2)
    )

    assert one == same
    assert one["b"] == other["b"]
    assert one["a"] != other["a"]


def test_copies_recognise_copied_objects():
    """A deep copy knows the objects that were copied with it."""
    space = [{"model": [SVC(), SVC(C=2)]}]
    encoding, candidate = copy.deepcopy((SpaceEncoding(space), {"model": space[0]["model"][1]}))

    assert encoding.points_of([candidate]).coordinates.tolist() == [[0.75]]


@pytest.mark.parametrize(
    "distribution",
    [
        pytest.param(stats.zipf(1.2), id="heavy tail"),
        pytest.param(randint(2**60, 2**60 + 10), id="beyond floats"),
    ],
)
def test_quantiles_that_are_slow_or_inexact_are_not_used(distribution):
    """A distribution whose quantiles cannot be had is drawn from as at random."""
    assert SpaceEncoding([{"a": distribution}]).axes == []


def test_an_own_distribution_with_steps_has_a_point_for_each_value():
    """Quantiles with the same value are one, or a candidate would be chosen again as a new one."""
    encoding = SpaceEncoding([{"a": LogIntegers()}])
    drawn = np.linspace(0.01, 0.99, 99)[:, np.newaxis]
    points = encoding.points_of([{"a": 1}] * len(drawn))
    points = dataclasses.replace(points, coordinates=drawn)

    centred = encoding.centred(points).coordinates

    values = [LogIntegers().ppf(quantile) for quantile in drawn.ravel()]
    assert len(np.unique(centred)) == len(set(values))
    np.testing.assert_array_equal(
        centred, encoding.points_of([{"a": value} for value in values]).coordinates
    )
    chosen = dataclasses.replace(points, coordinates=centred)
    candidates = encoding.candidates_at(chosen, np.random.RandomState(0))
    assert candidates == [{"a": value} for value in values]


def test_own_distributions_of_two_dicts_are_compared():
    """Two distributions whose quantiles are single numbers may have one name."""
    encoding = SpaceEncoding([{"a": LogIntegers()}, {"a": LogIntegers(), "b": [1, 2]}])

    assert len(encoding.axes) == 2


@pytest.mark.parametrize("freeze", [False, True])
def test_a_sample_of_floats_keeps_its_type(freeze):
    """The float 1.0 may mean all features, and the integer 1 a single one."""
    values = stats.rv_discrete(values=([0.25, 0.5, 1.0], [0.3, 0.3, 0.4]))
    encoding = SpaceEncoding([{"a": values() if freeze else values}])

    candidate = encoding.candidate_at(0, np.array([0.99]), np.random.RandomState(0))

    assert candidate == {"a": 1.0}
    assert isinstance(candidate["a"], float)


class RoundedLogUniform(type(stats.loguniform)):
    """A distribution of SciPy that draws otherwise than its quantiles say."""

    def rvs(self, *args, **kwargs):
        """Draw integers."""
        return np.round(super().rvs(*args, **kwargs)).astype(int)


def test_a_distribution_with_draws_of_its_own_is_drawn_from():
    """What is drawn counts, whether the user froze the distribution or not."""
    distribution = RoundedLogUniform(name="rounded")(1, 1000)

    assert SpaceEncoding([{"a": distribution}]).axes == []


def test_an_own_distribution_keeps_its_type():
    """Values of a user's own distribution are what its quantiles are."""
    encoding = SpaceEncoding([{"a": LogIntegers()}])

    candidate = encoding.candidate_at(0, np.array([0.5]), np.random.RandomState(0))

    assert candidate == {"a": 7}
    assert type(candidate["a"]) is int


def test_other_distributions_of_one_name_have_axes_of_their_own():
    """Two distributions are equal if their quantiles are, whatever they are called."""
    one, other = (
        stats.rv_discrete(name="custom", values=(values, [0.5, 0.5]))
        for values in ([1, 2], [7, 8])
    )

    assert len(SpaceEncoding([{"a": one()}, {"a": other(), "b": [1]}]).axes) == 3


def test_a_point_for_each_candidate():
    """A candidate that lies in several dicts has the point of the first."""
    encoding = SpaceEncoding([{"a": range(600)}, {"a": range(300, 900)}])

    points = encoding.points_of([{"a": 100}, {"a": 400}, {"a": 800}])

    assert points.parts.tolist() == [0, 0, 1]
