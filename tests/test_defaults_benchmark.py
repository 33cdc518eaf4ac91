"""Tests of the benchmark that decides the defaults: its tables are true, and its measure."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import ParameterSampler

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV

pytest.importorskip("lightgbm")
pytest.importorskip("pandas")
sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import defaults
import tables

R = 9


@functools.cache
def make_table(family, *, n_candidates=3, sample_seed=0):
    """Measure a few candidates of a family on small data."""
    X, y = make_classification(60, 5, flip_y=0.2, random_state=0)
    family = tables.FAMILIES[family]
    largest = len(y) if family.resource == "n_samples" else R
    problem = tables.Problem(
        family=family,
        X=X,
        y=y,
        fold=np.arange(len(y)) % 5,
        scoring="accuracy",
        resources=tables.all_resources(largest),
        timed_resources=tables.timed_resources(largest),
        sample_seed=sample_seed,
    )
    candidates = list(ParameterSampler(family.space, n_candidates, random_state=0))
    measured = [tables.measure(problem, one, i) for i, one in enumerate(candidates)]
    return problem, candidates, tables.extended(None, "table", problem, measured)


def constant_table(*, scores, fit_seconds, extra_seconds=np.nan):
    """Return a table in which only the candidates, or only the resources, differ."""
    shape = len(scores), 5, 3
    return tables.Table(
        name="constant",
        resource="max_iter",
        resources=np.array([1, 3, R]),
        y=np.arange(20) % 2,
        fold=np.arange(20) % 5,
        scores=np.broadcast_to(np.reshape(scores, (-1, 1, 1)), shape).astype(float),
        fit_seconds=np.broadcast_to(fit_seconds, shape).astype(float),
        score_seconds=np.full(shape, 0.5),
        extra_seconds=np.full((len(scores), 3), extra_seconds),
    )


@pytest.mark.filterwarnings("ignore")  # An MLP of few epochs has not converged.
@pytest.mark.parametrize("min_splits", [1, None])
@pytest.mark.parametrize("family", list(tables.FAMILIES))
def test_table_has_the_scores_of_a_real_search(family, min_splits):
    """Looking scores up gives what the same search gives that fits the estimators."""
    seeds = np.random.SeedSequence(0).generate_state(3)
    problem, candidates, table = make_table(family, sample_seed=int(seeds[1]))
    of_samples = table.resource == "n_samples"
    common = {
        "n_candidates": len(candidates),
        "max_resources": "auto" if of_samples else R,
        "min_resources": 6 if of_samples else 1,
        "min_splits": min_splits,
        "cv": defaults.RecordedSplits(problem.fold),
        "random_state": 0,
        "refit": False,
    }
    real = SuccessiveHalvingSearchCV(
        problem.family.estimator,
        [{name: [value] for name, value in one.items()} for one in candidates],
        resource=table.resource,
        initial_candidates=candidates,
        scoring="accuracy",
        **common,
    ).fit(problem.X, problem.y)
    looked_up = SuccessiveHalvingSearchCV(
        defaults.LookUp(table),
        {"draw": range(3)},
        resource="n_samples" if of_samples else "n_iterations",
        initial_candidates=[{"draw": i} for i in range(3)],
        **common,
    ).fit(np.arange(60)[:, np.newaxis], problem.y)

    for split in range(5):
        column = f"split{split}_test_score"
        np.testing.assert_array_equal(looked_up.cv_results_[column], real.cv_results_[column])


def test_bounds_that_a_table_lacks_are_an_error():
    """A resource that was not evaluated is named, with those that were."""
    table = constant_table(scores=[0, 1], fit_seconds=1)
    search = SuccessiveHalvingSearchCV(
        defaults.LookUp(table),
        {"draw": range(9)},
        resource="n_iterations",
        max_resources=8,
        n_candidates=3,
        error_score="raise",
    )

    with pytest.raises(LookupError, match=r"max_iter=2, only with max_iter in \[1, 3, 9\]"):
        search.fit(np.arange(20)[:, np.newaxis], table.y)


@pytest.mark.parametrize(("continued", "last_fit"), [(False, 18), (True, 18 - 6 + 1)])
def test_search_costs_the_recorded_seconds(continued, last_fit):
    """Each fit costs its time once; a continued one costs the difference and what continuing adds."""
    table = constant_table(scores=[0, 1], fit_seconds=[1, 6, 18], extra_seconds=1)
    results = {
        "param_draw": np.array([0, 1, 3, 1]),
        "candidate_id": np.array([0, 1, 2, 1]),
        "n_resources": np.array([3, 3, 3, R]),
        **{f"split{i}_test_score": np.full(4, np.nan) for i in range(5)},
    }
    results["split2_test_score"] = np.array([0, 1, 0, 1.0])

    found = defaults.seconds_of(table, results, continued)

    assert found == pytest.approx(3 * 6 + last_fit + 4 * 0.5)


def test_score_of_a_split_is_paid_once():
    """A rung that adds splits pays for the splits that it adds."""
    table = constant_table(scores=[0, 1], fit_seconds=[1, 6, 18])
    results = {
        "param_draw": np.array([0, 0]),
        "candidate_id": np.array([0, 0]),
        "n_resources": np.array([R, R]),
        **{f"split{i}_test_score": np.array([np.nan, 1]) for i in range(5)},
    }
    results["split0_test_score"] = np.array([1, 1])

    assert defaults.seconds_of(table, results, continued=True) == pytest.approx(5 * 18.5)


def test_expected_loss_is_that_of_the_best_of_some():
    """The loss of the best of two drawn with replacement is the mean over all pairs."""
    truth = np.array([0.1, 0.4, 0.9])
    pairs = [max(a, b) for a in truth for b in truth]

    loss = defaults.expected_loss_of_random_search(truth, 2)

    assert loss == pytest.approx(0.9 - np.mean(pairs))


@pytest.mark.parametrize("n", [0.5, 1, 7.5, 100])
def test_equivalent_configurations_lose_as_much(n):
    """The number of configurations is the one whose expected loss is given."""
    truth = np.array([0.1, 0.4, 0.9])
    loss = defaults.expected_loss_of_random_search(truth, n)

    assert defaults.equivalent_configurations(truth, loss) == pytest.approx(n)


def test_variants_of_hyperband_have_one_random_round_except_its_defaults():
    """What a variant does not name is as published, and no sampler learns from numbers."""
    table = constant_table(scores=np.arange(30), fit_seconds=1)
    searches = {
        name: variant.search(**defaults.arguments_for(variant, table))
        for name, variant in defaults.VARIANTS.items()
        if variant.search is HyperbandSearchCV
    }
    of_defaults = searches.pop("HB defaults")

    assert {search.n_repeats for search in searches.values()} == {1}
    assert {search.sampler for search in [of_defaults, *searches.values()]} == {"random"}
    assert {name for name, search in searches.items() if search.promotion == "level"} == {
        name for name in searches if name.endswith("level")
    }
    assert (of_defaults.n_repeats, of_defaults.promotion) == (3, "level")


def test_random_search_has_efficiency_one():
    """A search that evaluates all that it draws in full is a random search."""
    table = constant_table(scores=np.arange(30), fit_seconds=1)
    variant = defaults.VARIANTS["27 at random"]

    result = defaults.run_variant(variant, table, range(2), continued=True)

    assert result.efficiency == pytest.approx(1)
