"""What samplers that learn do in a search, and with what they are told."""

import builtins
import re
import sys
from typing import get_args

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._samplers import SAMPLERS, SamplingProblem, make_sampler
from skhyperband._samplers.learning import LearningSampler
from skhyperband._typing import SamplerName
from tests.estimators import Scored
from tests.levels import level_of

# "gp" is another name of "model".
LEARNING = ["model", "forest", "tpe"]
SPACE = {"x": uniform(0, 1), "log_y": loguniform(1e-4, 1e4)}


@pytest.fixture(params=LEARNING, scope="module")
def name(request):
    """Return the name of a sampler that learns."""
    if request.param == "tpe":
        pytest.importorskip("optuna")
    return request.param


def sampler_of(name, space=None, seed=0, **options):
    problem = SamplingProblem([space or SPACE], [], random_state=seed, seed=seed, **options)
    return make_sampler(name, problem, whole_grid=False)


def value_of(candidate):
    """Return the score of a candidate: the best is x = 0.8, y = 100."""
    return -((candidate["x"] - 0.8) ** 2) - (np.log10(candidate["log_y"]) / 8 - 0.25) ** 2


def told(sampler, candidates, score=value_of, first=0, **options):
    scores = {first + i: [score(candidate)] for i, candidate in enumerate(candidates)}
    sampler.tell(level_of(scores, candidates=candidates, **options))


def learned(sampler, n=20, n_known=20, score=value_of):
    """Return the candidates that a sampler chooses when it knows so many."""
    told(sampler, sampler.ask(n_known, repeat=0, bracket=1), score)
    return sampler.ask(n, repeat=1, bracket=1)


def test_the_type_of_names_lists_them_all():
    """The names in the signature's type are those that are accepted."""
    assert set(get_args(SamplerName)) == SAMPLERS.keys()


def test_model_is_the_gaussian_process():
    """The sampler "model" is made as "gp" is, and chooses the very candidates that it chooses."""
    model, process = SAMPLERS["model"], SAMPLERS["gp"]

    assert (model.func, model.args) == (process.func, process.args)
    assert learned(sampler_of("model")) == learned(sampler_of("gp"))


# --- what is learned ---------------------------------------------------------------


def test_learned_candidates_are_better(name):
    """Most of what is drawn after a level is better than what was drawn at random."""
    better = []
    for seed in range(5):
        sampler, alone = sampler_of(name, seed=seed), sampler_of("random", seed=seed)
        chosen = learned(sampler)
        alone.ask(20, repeat=0, bracket=1)
        drawn = alone.ask(20, repeat=1, bracket=1)
        better.append(
            np.mean([value_of(c) for c in chosen]) > np.mean([value_of(c) for c in drawn])
        )

    assert sum(better) >= 4


def test_the_first_candidates_are_random(name):
    """While nothing is known, candidates are those of the random sampler."""
    assert sampler_of(name).ask(9, repeat=0, bracket=1) == sampler_of("random").ask(
        9, repeat=0, bracket=1
    )


@pytest.mark.parametrize(("n", "n_random"), [(1, 1), (4, 1), (5, 2), (20, 5)])
def test_a_quarter_stays_random(name, n, n_random):
    """At least a quarter of each bracket is drawn at random, whatever was learned."""
    alone = sampler_of("random")
    alone.ask(20, repeat=0, bracket=1)
    expected = alone.ask(n_random, repeat=1, bracket=1)

    chosen = learned(sampler_of(name), n=n)

    assert len(chosen) == n
    assert chosen[n - n_random :] == expected


def test_a_level_that_failed_teaches_nothing(name):
    """After a level in which all failed, candidates are still drawn."""
    chosen = learned(sampler_of(name), score=lambda candidate: np.nan)

    assert len(chosen) == 20


def test_failures_are_avoided(name):
    """A region in which candidates fail is drawn from less often."""
    shares = []
    for seed in range(5):
        chosen = learned(
            sampler_of(name, seed=seed),
            n_known=40,
            score=lambda c: np.nan if c["x"] > 0.5 else value_of(c),
        )
        shares.append(np.mean([candidate["x"] > 0.5 for candidate in chosen]))

    assert np.mean(shares) < 0.45


@pytest.mark.parametrize("values", [randint(1, 1001), list(range(1, 1001)), range(1, 1001)])
def test_integers_are_learned_as_numbers(values):
    """Integers close to a good one are thought to be good, from a distribution and from a list."""
    shares = []
    for seed in range(5):
        sampler = sampler_of("model", {"n": values}, seed=seed)
        chosen = learned(sampler, n=8, score=lambda candidate: -abs(candidate["n"] - 700))
        shares.append(np.mean([500 < candidate["n"] < 900 for candidate in chosen]))

    assert np.mean(shares) > 0.6


def test_categories_are_learned():
    """A better value of a list without order is chosen more often."""
    space = {"kind": ["a", "b", "c", "d"], "x": uniform(0, 1)}
    chosen = learned(
        sampler_of("model", space), score=lambda c: float(c["kind"] == "b") + 0.01 * c["x"]
    )

    assert np.mean([candidate["kind"] == "b" for candidate in chosen]) > 0.5


def test_a_low_level_is_believed_less_than_a_high_one(name):
    """A candidate that was good with little and bad with all is not taken for a good one."""
    sampler = sampler_of(name)
    candidates = sampler.ask(20, repeat=0, bracket=1)
    best_first = sorted(candidates, key=lambda candidate: candidate["x"])
    told(sampler, best_first, score=lambda c: -c["x"], n_resources=1)
    told(sampler, best_first[:10], score=lambda c: c["x"], n_resources=3)

    chosen = sampler.ask(20, repeat=1, bracket=1)

    assert np.mean([candidate["x"] for candidate in chosen]) > 0.3


def test_one_noisy_split_is_not_chased():
    """Where noise is as large as all differences, what is chosen is still better than random."""
    rng = np.random.default_rng(0)
    gains = []
    for seed in range(10):
        sampler, alone = sampler_of("model", seed=seed), sampler_of("random", seed=seed)
        chosen = learned(
            sampler, n=8, n_known=27, score=lambda c: value_of(c) + 0.15 * rng.normal()
        )
        alone.ask(27, repeat=0, bracket=1)
        drawn = alone.ask(8, repeat=1, bracket=1)
        gains.append(
            np.mean([value_of(c) for c in chosen]) - np.mean([value_of(c) for c in drawn])
        )

    assert np.mean(gains) > 0
    assert np.median(gains) > 0


def test_initial_candidates_pull():
    """A good candidate that the sampler did not draw draws others near it."""
    good = {"x": 0.8, "log_y": 100.0}
    distances = {}
    for knows in (False, True):
        near = []
        for seed in range(5):
            sampler = sampler_of("model", seed=seed)
            candidates = sampler.ask(8, repeat=0, bracket=1)
            told(sampler, [good, *candidates] if knows else candidates)
            chosen = sampler.ask(8, repeat=0, bracket=0)
            near.append(np.mean([abs(candidate["x"] - 0.8) for candidate in chosen]))
        distances[knows] = np.mean(near)

    assert distances[True] < distances[False]


def test_a_wrong_prior_does_not_lose_the_search():
    """Candidates that the user thought good and that are bad are soon left alone."""
    wrong = [{"x": 0.1 + 0.01 * i, "log_y": 1e-3} for i in range(5)]
    sampler = sampler_of("model")
    candidates = sampler.ask(8, repeat=0, bracket=1)
    told(sampler, wrong + candidates)
    for repeat in range(1, 4):
        chosen = sampler.ask(8, repeat=repeat, bracket=1)
        told(sampler, chosen, first=20 * repeat, repeat=repeat)

    assert max(map(value_of, chosen)) > -0.02


def test_the_estimator_as_it_is_given_is_learned_from():
    """The empty candidate stands for the estimator's own parameters."""
    with_defaults = sampler_of("gp", defaults={"x": 0.8, "log_y": 100.0})
    without = sampler_of("gp")
    chosen = []
    for sampler in (with_defaults, without):
        candidates = sampler.ask(8, repeat=0, bracket=1)
        scores = {0: [1.0]} | {1 + i: [value_of(c)] for i, c in enumerate(candidates)}
        sampler.tell(level_of(scores, candidates=[{}, *candidates]))
        chosen.append(sampler.ask(8, repeat=0, bracket=0))

    assert chosen[0] != chosen[1]


def test_many_points_are_quickly_chosen_from():
    """Of a thousand known candidates "model" is fitted to a part, and chooses well all the same."""
    chosen = learned(sampler_of("model"), n=8, n_known=1000)

    assert max(map(value_of, chosen)) > -0.05


def seen_by_optuna(monkeypatch, sampler, n_known):
    """Return the values of the finished trials that TPE sees at each draw, and all known values."""
    optuna = pytest.importorskip("optuna")
    seen = []
    sample_relative = optuna.samplers.TPESampler.sample_relative

    def spy(self, study, trial, search_space):
        trials = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
        seen.append([trial.value for trial in trials])
        return sample_relative(self, study, trial, search_space)

    monkeypatch.setattr(optuna.samplers.TPESampler, "sample_relative", spy)
    candidates = sampler.ask(n_known, repeat=0, bracket=1)
    told(sampler, candidates)
    sampler.ask(4, repeat=1, bracket=1)
    return seen, [value_of(candidate) for candidate in candidates]


def test_tpe_is_told_the_best_of_many(monkeypatch):
    """Of a thousand known candidates, it sees 250 in their order, the best 25 among them."""
    pytest.importorskip("optuna")
    seen, values = seen_by_optuna(monkeypatch, sampler_of("tpe"), 1000)

    assert [len(trials) for trials in seen] == [250, 250, 250]
    numbers = [int(np.argmin(np.abs(np.subtract(values, value)))) for value in seen[0]]
    np.testing.assert_allclose(np.take(values, numbers), seen[0], rtol=0, atol=1e-8)
    assert set(np.argsort(values)[-25:].tolist()) <= set(numbers)
    assert numbers == sorted(numbers)
    assert {number // 100 for number in numbers} == set(range(10))


def test_tpe_is_told_all_of_a_few(monkeypatch):
    """Up to 250 known candidates are told as they are."""
    pytest.importorskip("optuna")
    seen, values = seen_by_optuna(monkeypatch, sampler_of("tpe"), 250)

    np.testing.assert_allclose(seen[0], values, rtol=0, atol=1e-8)


@pytest.mark.parametrize("bad", [-3, -1e300])
def test_one_very_bad_score_does_not_hide_the_others(name, bad):
    """Scores without a lower bound, such as R2, teach as much as others do."""
    means = []
    for seed in range(5):
        chosen = learned(
            sampler_of(name, seed=seed),
            n=8,
            n_known=27,
            score=lambda c: bad if c["x"] < 0.15 else value_of(c),
        )
        means.append(np.mean([value_of(candidate) for candidate in chosen]))

    assert np.mean(means) > -0.2  # Of random candidates it is -0.24.


@pytest.mark.parametrize("scale", [1e-310, 1e300])
def test_scores_of_any_size(name, scale):
    """Scores may be as small or as large as floats are."""
    chosen = learned(sampler_of(name), n=8, score=lambda candidate: scale * value_of(candidate))

    assert len(chosen) == 8


@pytest.mark.parametrize("sampler", ["gp", "forest"])
def test_parameters_without_quantiles_hide_no_others(sampler):
    """Candidates that differ only in what cannot be learned are not taken for the same."""

    class OnlyRvs:
        def rvs(self, random_state):
            return random_state.uniform()

    space = {"kind": ["good", "bad"], "x": OnlyRvs()}
    chosen = learned(sampler_of(sampler, space), n=8, score=lambda c: float(c["kind"] == "good"))

    assert sum(candidate["kind"] == "good" for candidate in chosen) >= 6


def test_huge_integers_are_told(name):
    """An integer that no float holds is learned from, or left out."""
    sampler = sampler_of(name, {"n": [1, 2**70, 3], "x": uniform(0, 1)})
    candidates = sampler.ask(9, repeat=0, bracket=1)
    told(sampler, [*candidates, {"n": 1, "x": 10**400}], score=lambda c: float(c["n"] == 3))

    assert len(sampler.ask(9, repeat=0, bracket=0)) == 9


# --- in a search -------------------------------------------------------------------


def options_of(name):
    return {"sampler": name, "cv": 3, "random_state": 0, "error_score": np.nan}


@pytest.fixture(scope="module")
def searched(name, classification):
    """Give a search in this process."""
    search = HyperbandSearchCV(Scored(), {"quality": uniform(0, 1)}, **options_of(name))
    return search.fit(*classification)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_choices_do_not_depend_on_the_engine(
    searched, classification, assert_same_results, backend
):
    """The candidates, and with them all results, are the same for every number of workers."""
    with joblib.parallel_config(backend=backend):
        two = clone(searched).set_params(n_jobs=2).fit(*classification)

    assert_same_results(two.cv_results_, searched.cv_results_)


def test_a_finite_space_has_no_duplicates(classification, name):
    """From lists, no candidate is drawn twice in a whole search."""
    space = {"quality": np.linspace(0, 1, 60).tolist()}
    search = HyperbandSearchCV(Scored(), space, **options_of(name)).fit(*classification)

    results = search.cv_results_
    drawn = {
        i: p["quality"] for i, p in zip(results["candidate_id"], results["params"], strict=True)
    }
    assert len(set(drawn.values())) == len(drawn)


def test_successive_halving_asks_once(classification, name):
    """A single bracket is drawn at random: nothing is known when it starts."""
    space = {"quality": uniform(0, 1)}

    def params(sampler):
        search = SuccessiveHalvingSearchCV(Scored(), space, **options_of(sampler))
        return search.fit(*classification).cv_results_["params"]

    assert params(name) == params("random")


def test_tpe_without_optuna(classification, monkeypatch):
    """Without Optuna the error says what to install, before any fit."""
    real_import = builtins.__import__

    def without_optuna(module, *args, **kwargs):
        if module.partition(".")[0] == "optuna":
            raise ImportError("No module named 'optuna'")
        return real_import(module, *args, **kwargs)

    for module in [m for m in sys.modules if m.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without_optuna)
    search = HyperbandSearchCV(Scored(), {"quality": uniform(0, 1)}, **options_of("tpe"))

    with pytest.raises(ImportError, match=r"pip install 'skhyperband\[optuna\]'"):
        search.fit(*classification)


def test_a_sampler_object_of_optuna(classification):
    """An object of Optuna draws all candidates, and the search leaves the object as it is."""
    optuna = pytest.importorskip("optuna")
    space = {"quality": uniform(0, 1)}
    sampler = optuna.samplers.TPESampler(seed=3)

    one, two = (
        HyperbandSearchCV(Scored(), space, **options_of(sampler)).fit(*classification)
        for _ in range(2)
    )

    assert one.cv_results_["params"] == two.cv_results_["params"]
    alone = HyperbandSearchCV(Scored(), space, **options_of("random")).fit(*classification)
    assert one.cv_results_["params"][0] != alone.cv_results_["params"][0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda samplers: samplers.GridSampler({"quality": [0.1, 0.2]}), "n_candidates='all'"),
        (
            lambda samplers: samplers.PartialFixedSampler(
                {"quality": 0.5}, samplers.RandomSampler()
            ),
            "a list of one value in param_distributions",
        ),
    ],
    ids=["grid", "partly fixed"],
)
@pytest.mark.filterwarnings("ignore:.*is experimental")
def test_samplers_of_optuna_that_are_given_names(classification, make, says):
    """A sampler that looks for parameters by name is refused before any fit."""
    optuna = pytest.importorskip("optuna")
    sampler = make(optuna.samplers)
    search = HyperbandSearchCV(Scored(), {"quality": uniform(0, 1)}, sampler=sampler)

    with pytest.raises(TypeError, match=rf"(?s)sampler=.*{re.escape(says)}"):
        search.fit(*classification)


def test_an_object_of_optuna_is_told_all(monkeypatch):
    """A sampler of the user's own may need all that was measured."""
    optuna = pytest.importorskip("optuna")
    sampler = sampler_of(optuna.samplers.TPESampler(seed=3))

    seen, _ = seen_by_optuna(monkeypatch, sampler, 300)

    assert [len(trials) for trials in seen[-4:]] == [300, 300, 300, 300]


def test_optuna_is_left_as_it_was():
    """The user's settings of Optuna's log do not change."""
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()

    learned(sampler_of("tpe"))

    assert optuna.logging.get_verbosity() == before


def test_a_learner_may_choose_too_few():
    """What a learner does not choose is drawn at random."""

    class ChoosesOne:
        def choose(self, n, observations, taken, seed):
            return [{"x": 0.5, "log_y": 1.0}]

    sampler = LearningSampler(ChoosesOne(), [SPACE], random_state=0, seed=0)

    candidates = sampler.ask(5, repeat=0, bracket=0)

    assert len(candidates) == 5
    assert candidates[0] == {"x": 0.5, "log_y": 1.0}
