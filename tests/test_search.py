import re
import warnings

import numpy as np
import pytest
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.estimators import Failing, Scored
from tests.published import published

QUALITY = {"quality": uniform()}


def rows_by_rung(results):
    """Return {(repeat, bracket, iter): (n_candidates, n_resources, n_splits)}."""
    columns = zip(
        *(results[n] for n in ("repeat", "bracket", "iter", "n_resources", "n_splits")),
        strict=True,
    )
    counts = {}
    for repeat, bracket, iteration, n_resources, n_splits in columns:
        key = repeat, bracket, iteration
        counts[key] = counts.get(key, (0,))[0] + 1, n_resources, n_splits
    return counts


# --- plan, schedule and results ----------------------------------------------------


@pytest.mark.parametrize("promotion", ["bracket", "level"])
@pytest.mark.parametrize("min_splits", [None, 1])
@pytest.mark.parametrize("resource", ["n_units", "n_samples"])
def test_results_have_exactly_the_rows_of_the_plan(
    classification, promotion, min_splits, resource
):
    """`cv_results_` has the rungs of the plan, whether made from the data or from numbers."""
    X, y = classification
    search = published(
        HyperbandSearchCV,
        Scored(),
        QUALITY,
        resource=resource,
        max_resources=27,
        min_resources=1,
        promotion=promotion,
        min_splits=min_splits,
        n_repeats=2,
        cv=3,
        random_state=0,
    )

    plan = search.plan(X, y)
    search.fit(X, y)

    assert plan == search.plan(n_samples=240, n_splits=3, n_classes=2) == search.plan_
    assert rows_by_rung(search.cv_results_) == {
        (r.repeat, r.bracket, r.iter): (r.n_candidates, r.n_resources, r.n_splits)
        for r in plan.rungs
    }
    assert len(search.rungs_.rungs) == len(plan.rungs)


def test_published_schedule_is_executed(classification):
    """R=81 and factor 3 give the five brackets of the paper's algorithm, level by level."""
    search = published(
        HyperbandSearchCV, Scored(), QUALITY, resource="n_units", max_resources=81, random_state=0
    ).fit(*classification)

    assert search.n_candidates_ == [81, 61, 35, 19, 10]
    assert search.n_resources_ == [1, 3, 9, 27, 81]
    assert (search.min_resources_, search.max_resources_) == (1, 81)
    assert search.n_iterations_ == 5
    assert search.stop_reason_ == "completed"


def test_successive_halving_counts_its_rungs(classification):
    """The attributes that scikit-learn's halving searches have are set."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        n_candidates=10,
        resource="n_units",
        max_resources=81,
        random_state=0,
    ).fit(*classification)

    assert search.n_candidates_ == [10, 3, 1]
    assert search.n_resources_ == [9, 27, 81]
    assert search.n_required_iterations_ == 3
    assert search.n_possible_iterations_ == 5
    assert search.n_iterations_ == 3
    assert search.n_remaining_candidates_ == 1


def test_aggressive_elimination_repeats_the_lowest_rung(classification):
    """The repeated rungs have rows with the same scores, and train nothing."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        n_candidates=27,
        resource="n_units",
        max_resources=9,
        min_resources=3,
        aggressive_elimination=True,
        random_state=0,
    ).fit(*classification)

    assert search.n_candidates_ == [27, 9, 3, 1]
    assert search.n_resources_ == [3, 3, 3, 9]
    assert [rung.seconds == 0 for rung in search.rungs_.rungs] == [False, True, True, False]


def test_best_candidates_are_promoted(classification):
    """Each rung has the best candidates of the rung below."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=81,
        random_state=0,
    ).fit(*classification)
    results = search.cv_results_

    for iteration in range(1, 5):
        below = results["iter"] == iteration - 1
        n = (results["iter"] == iteration).sum()
        best = results["candidate_id"][below][np.argsort(-results["mean_test_score"][below])[:n]]
        assert set(best) == set(results["candidate_id"][results["iter"] == iteration])


def test_level_promotion_promotes_the_best_of_all_brackets(classification):
    """With `promotion="level"`, the top level has the best candidates of the level below."""
    search = published(
        HyperbandSearchCV,
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=27,
        promotion="level",
        random_state=0,
    ).fit(*classification)
    results = search.cv_results_
    below, top = results["n_resources"] == 9, results["n_resources"] == 27

    promoted = set(results["candidate_id"][top & (results["iter"] > 0)])
    order = np.argsort(-results["mean_test_score"][below])[: len(promoted)]

    assert promoted == set(results["candidate_id"][below][order])


def test_rank_sorts_by_level_then_by_score(classification):
    """A low score at the highest level ranks before a high one below, and rank 1 is the best."""
    search = published(
        HyperbandSearchCV, Scored(), QUALITY, resource="n_units", max_resources=27, random_state=0
    ).fit(*classification)
    results = search.cv_results_
    order = np.lexsort((-results["mean_test_score"], -results["n_resources"]))

    assert (np.diff(results["rank_test_score"][order]) >= 0).all()
    assert results["rank_test_score"][search.best_index_] == 1
    assert results["n_resources"][search.best_index_] == 27
    assert search.best_score_ == results["mean_test_score"][search.best_index_]


def test_unused_splits_are_nan_and_do_not_count(classification):
    """With `min_splits`, a mean score is the mean over the splits that the rung used."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=81,
        min_splits=1,
        random_state=0,
    ).fit(*classification)
    results = search.cv_results_
    scores = np.array([results[f"split{i}_test_score"] for i in range(5)]).T

    assert search.n_candidates_[0] == 243
    np.testing.assert_array_equal((~np.isnan(scores)).sum(axis=1), results["n_splits"])
    np.testing.assert_allclose(np.nanmean(scores, axis=1), results["mean_test_score"])
    assert all(rung.n_failures == 0 for rung in search.rungs_.rungs)


def test_rank_correlation_compares_with_the_rung_below(classification):
    """The correlation is 1 if the order stays the same, and NaN for fewer than five candidates."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=81,
        random_state=0,
    ).fit(*classification)

    correlations = [rung.rank_correlation for rung in search.rungs_.rungs]

    np.testing.assert_allclose(correlations, [np.nan, 1.0, 1.0, np.nan, np.nan])


def test_rungs_table_prints_and_converts(classification):
    """`rungs_` prints as a table and converts into a data frame."""
    pandas = pytest.importorskip("pandas")
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        n_candidates=9,
        resource="n_units",
        max_resources=9,
        random_state=0,
    ).fit(*classification)

    frame = search.rungs_.to_frame()

    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["n_candidates"]) == [9, 3, 1]
    assert "rank_correlation" in str(search.rungs_)
    assert isinstance(pandas.DataFrame(search.cv_results_), pandas.DataFrame)


def test_verbose_prints_a_line_for_each_level(classification, capsys):
    """With `verbose=1`, a line is printed for each level, in columns with headings."""
    published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        n_candidates=9,
        resource="n_units",
        max_resources=9,
        verbose=1,
        random_state=0,
    ).fit(*classification)

    headings, *lines = capsys.readouterr().out.splitlines()
    assert headings.split()[:4] == ["level", "candidates", "n_units", "splits"]
    assert [line.split()[:4] for line in lines] == [
        ["1/3", "9", "1", "5"],
        ["2/3", "3", "3", "5"],
        ["3/3", "1", "9", "5"],
    ]


def test_silent_by_default(classification, capsys):
    """With `verbose=0`, nothing is printed."""
    published(SuccessiveHalvingSearchCV, Scored(), QUALITY, n_candidates=3, random_state=0).fit(
        *classification
    )

    assert capsys.readouterr() == ("", "")


# --- comparison with scikit-learn --------------------------------------------------


def test_first_candidates_are_those_of_randomized_search(classification, search_class):
    """The widest bracket has the candidates that `RandomizedSearchCV` draws."""
    X, y = classification
    space = {"max_depth": [1, 2, 3, 4], "min_samples_split": uniform(0.01, 0.5)}
    tree = DecisionTreeClassifier(random_state=0)
    other = RandomizedSearchCV(tree, space, n_iter=9, cv=3, random_state=7).fit(X, y)

    search = published(
        search_class,
        tree,
        space,
        n_candidates=9,
        min_resources=20,
        max_resources=180,
        cv=3,
        random_state=7,
    ).fit(X, y)

    widest = search.cv_results_["bracket"] == search.cv_results_["bracket"].max()
    first = widest & (search.cv_results_["iter"] == 0)
    assert [p for p, f in zip(search.cv_results_["params"], first, strict=True) if f] == (
        other.cv_results_["params"]
    )


def test_scores_of_the_last_rung_are_those_of_randomized_search(classification, search_class):
    """The scores with all samples and splits are exactly those of a plain cross-validation."""
    X, y = classification
    space = {"C": loguniform(0.01, 10)}
    other = RandomizedSearchCV(LogisticRegression(), space, n_iter=5, random_state=3).fit(X, y)

    search = published(
        search_class,
        LogisticRegression(),
        space,
        n_candidates=5,
        min_resources=240,
        random_state=3,
    ).fit(X, y)

    for name in ["mean_test_score", "std_test_score", "split3_test_score"]:
        np.testing.assert_array_equal(search.cv_results_[name], other.cv_results_[name])
    assert search.best_params_ == other.best_params_


def test_same_result_as_halving_random_search(classification):
    """With a parameter as resource, rungs, scores and best are HalvingRandomSearchCV's.

    Log loss, since of equal scores the two do not promote the same.
    """
    X, y = classification
    space = {"max_depth": [1, 2, 3, 4, 5, None], "max_features": [1, 2, 3, 4, 5, 6]}
    forest = RandomForestClassifier(min_samples_leaf=5, random_state=0)
    common = {
        "resource": "n_estimators",
        "n_candidates": 27,
        "random_state": 0,
        "cv": 3,
        "scoring": "neg_log_loss",
    }
    other = HalvingRandomSearchCV(
        forest, space, min_resources=1, max_resources=27, return_train_score=False, **common
    ).fit(X, y)

    search = published(SuccessiveHalvingSearchCV, forest, space, max_resources=27, **common).fit(
        X, y
    )

    assert search.n_candidates_ == other.n_candidates_
    assert search.n_resources_ == other.n_resources_
    key = lambda results: {  # noqa: E731
        (iteration, tuple(sorted(params.items(), key=str))): score
        for iteration, params, score in zip(
            results["iter"], results["params"], results["mean_test_score"], strict=True
        )
    }
    theirs, ours = key(other.cv_results_), key(search.cv_results_)
    assert ours == theirs
    assert search.best_params_ == other.best_params_


# --- estimators and data -----------------------------------------------------------


def test_regressor(regression, search_class):
    """A regressor can be tuned with samples as the resource."""
    X, y = regression

    search = published(
        search_class, Ridge(), {"alpha": loguniform(1e-3, 1e3)}, random_state=0
    ).fit(X, y)

    assert search.score(X, y) > 0.99
    assert search.predict(X).shape == y.shape


def test_pipeline_with_a_column_transformer_on_a_frame(search_class):
    """Columns are selected by name, and the resource is a nested parameter."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X = pandas.DataFrame({"size": rng.normal(size=120), "kind": rng.choice(list("abc"), 120)})
    y = np.where((X["kind"] == "a") | (X["size"] > 1), "yes", "no")
    columns = make_column_transformer(
        (StandardScaler(), ["size"]), (OneHotEncoder(), ["kind"]), remainder="drop"
    )
    pipeline = make_pipeline(columns, RandomForestClassifier(random_state=0))

    search = published(
        search_class,
        pipeline,
        {"randomforestclassifier__max_depth": range(1, 40)},
        resource="randomforestclassifier__n_estimators",
        max_resources=9,
        n_candidates=9,
        random_state=0,
    )
    search.fit(X, y)

    assert search.score(X, y) > 0.9
    assert list(search.feature_names_in_) == ["size", "kind"]
    assert list(search.classes_) == ["no", "yes"]
    assert search.best_params_["randomforestclassifier__n_estimators"] == 9


def test_searching_over_a_step_of_a_pipeline(classification):
    """A value may be an estimator whose own parameters are set afterwards."""
    X, y = classification
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    space = [
        {"logisticregression": [LogisticRegression()], "logisticregression__C": [0.1, 1, 10]},
        {"logisticregression": [DecisionTreeClassifier(random_state=0)]},
    ]

    search = published(
        SuccessiveHalvingSearchCV,
        pipeline,
        space,
        n_candidates="all",
        min_resources=80,
        random_state=0,
    ).fit(X, y)

    assert search.n_candidates_ == [4, 1]
    assert (
        search.best_estimator_.named_steps["logisticregression"]
        is not (search.best_params_["logisticregression"])
    )


def test_fit_parameters_follow_the_samples(classification):
    """Every fit receives the sample weights of its own samples, on every rung."""
    X, y = classification

    class Checks(DecisionTreeClassifier):
        def fit(self, X, y, sample_weight=None):
            np.testing.assert_array_equal(sample_weight, X[:, 0] ** 2)
            return super().fit(X, y, sample_weight)

    search = published(
        SuccessiveHalvingSearchCV,
        Checks(random_state=0),
        {"max_depth": [1, 2, 3]},
        n_candidates=3,
        min_resources=80,
        scoring=_weightless_accuracy,
        refit=False,
        random_state=0,
        error_score="raise",
    )
    with pytest.warns(UserWarning, match="does not support sample_weight"):
        search.fit(X, y, sample_weight=X[:, 0] ** 2)

    assert search.best_score_ > 0.5


def _weightless_accuracy(estimator, X, y):
    return float((estimator.predict(X) == y).mean())


# --- candidates --------------------------------------------------------------------


def test_initial_candidates_come_first(classification, search_class):
    """Initial candidates count towards the widest bracket; `{}` is the estimator as given."""
    X, y = classification
    initial = [{}, {"quality": 0.25}]

    search = published(
        search_class,
        Scored(quality=5.0),
        QUALITY,
        n_candidates=9,
        resource="n_units",
        max_resources=9,
        initial_candidates=initial,
        random_state=0,
    ).fit(X, y)

    first = search.cv_results_["iter"] == 0
    params = [p for p, f in zip(search.cv_results_["params"], first, strict=True) if f]
    assert params[:2] == [{"n_units": 1}, {"quality": 0.25, "n_units": 1}]
    assert search.n_candidates_[0] == 9
    assert search.best_params_ == {"n_units": 9}
    assert search.best_score_ > 5


def test_finite_space_is_drawn_from_without_replacement(classification):
    """All brackets together evaluate each point once, and a warning says that rungs shrink."""
    X, y = classification
    space = {"quality": np.linspace(0, 1, 6), "label": ["a", "b"]}
    search = published(
        HyperbandSearchCV, Scored(), space, resource="n_units", max_resources=9, random_state=0
    )

    with pytest.warns(UserWarning, match="space ran out after 12 candidates"):
        search.fit(X, y)

    first = search.cv_results_["iter"] == 0
    drawn = [
        (p["quality"], p["label"])
        for p, f in zip(search.cv_results_["params"], first, strict=True)
        if f
    ]
    assert len(drawn) == len(set(drawn)) == 12
    assert [b.n_candidates for b in search.plan_.brackets] == [9, 3]
    assert search.plan(X, y) == search.plan_
    assert search.stop_reason_ == "space_exhausted"


def test_whole_grid(classification):
    """With `n_candidates="all"`, every point of the grid is evaluated."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        {"quality": [0.1, 0.2, 0.3], "label": ["a", "b", "c"]},
        n_candidates="all",
        resource="n_units",
        max_resources=9,
    ).fit(*classification)

    assert search.n_candidates_ == [9, 3, 1]
    assert search.best_params_ == {"label": "a", "n_units": 9, "quality": 0.3}


def test_repeats_have_new_candidates(classification):
    """Each repeat is a complete round with new candidates."""
    search = published(
        HyperbandSearchCV,
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=9,
        n_repeats=3,
        random_state=0,
    ).fit(*classification)
    results = search.cv_results_
    qualities = [set(results["param_quality"][results["repeat"] == r]) for r in range(3)]

    assert sorted(set(results["repeat"])) == [0, 1, 2]
    assert [len(q) for q in qualities] == [17, 17, 17]
    assert len(set.union(*qualities)) == 51


def test_n_brackets_keeps_the_most_exploratory(classification):
    """With `n_brackets=2`, the two widest brackets are run."""
    search = published(
        HyperbandSearchCV,
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=81,
        n_brackets=2,
        random_state=0,
    ).fit(*classification)

    assert sorted(set(search.cv_results_["bracket"])) == [3, 4]


class Climber:
    """A sampler whose candidates are better than the best that it was told."""

    def __init__(self):
        self.best = 0.0
        self.told = []

    def ask(self, n, *, repeat, bracket):
        """Return the steps above the best."""
        return [{"quality": self.best + 0.01 * i} for i in range(n)]

    def tell(self, level):
        """Remember the best."""
        self.told.append((len(level.candidates), level.n_resources))
        self.best = max([self.best, *(c["quality"] for c in level.candidates)])


def test_sampler_object_is_told_each_level(classification):
    """A sampler is told the scores of each level before it is asked for the next bracket."""
    sampler = Climber()
    search = published(
        HyperbandSearchCV, Scored(), QUALITY, resource="n_units", max_resources=9, sampler=sampler
    ).fit(*classification)

    assert search.best_params_["quality"] == pytest.approx(0.14)
    assert sampler.told == []


# --- randomness --------------------------------------------------------------------


@pytest.mark.parametrize("random_state", [3, "instance"])
def test_same_random_state_gives_the_same_search(
    classification, search_class, random_state, assert_same_results
):
    """Equal integers and equal `RandomState` instances give equal results."""
    X, y = classification

    def fit():
        state = np.random.RandomState(3) if random_state == "instance" else random_state
        return published(
            search_class,
            DecisionTreeClassifier(random_state=0),
            {"max_depth": range(1, 40)},
            n_candidates=9,
            cv=ShuffleSplit(3, random_state=0),
            min_splits=1,
            random_state=state,
        ).fit(X, y)

    assert_same_results(fit().cv_results_, fit().cv_results_)


def test_another_random_state_gives_another_search(classification, search_class):
    """The candidates depend on the seed, which is drawn from NumPy if it is None."""
    X, y = classification
    drawn = [
        tuple(
            published(search_class, Scored(), QUALITY, n_candidates=3, random_state=state)
            .fit(X, y)
            .cv_results_["param_quality"]
        )
        for state in (0, 1, None, None)
    ]

    assert len(set(drawn)) == 4


def test_constructor_arguments_stay_as_they_are(classification, search_class):
    """Fitting does not change parameters, and a clone gives the same results."""
    X, y = classification
    search = published(search_class, Scored(), QUALITY, n_candidates=3, random_state=0)
    before = {name: repr(value) for name, value in search.get_params().items()}

    search.fit(X, y)

    assert {name: repr(value) for name, value in search.get_params().items()} == before
    assert not hasattr(clone(search), "best_params_")


# --- splitters ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "cv",
    [
        ShuffleSplit(3, test_size=0.2),
        KFold(3, shuffle=True),
        StratifiedKFold(3, shuffle=True, random_state=0),
        TimeSeriesSplit(3),
        "generator",
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_any_splitter_is_read_once(classification, search_class, cv):
    """Splits that differ at each call are the same on all rungs."""
    X, y = classification
    if cv == "generator":
        cv = (split for split in KFold(3).split(X))

    search = published(
        search_class, Scored(), QUALITY, n_candidates=9, min_resources=20, cv=cv, random_state=0
    ).fit(X, y)

    assert search.n_splits_ == 3
    assert search.stop_reason_ == "completed"


def test_test_sets_are_complete(classification):
    """With samples as the resource, test sets keep all of their samples."""
    X, y = classification
    sizes = set()

    def scorer(estimator, X, y):
        sizes.add(len(X))
        return estimator.score(X, y)

    published(
        SuccessiveHalvingSearchCV,
        Scored(),
        QUALITY,
        n_candidates=9,
        scoring=scorer,
        random_state=0,
    ).fit(X, y)

    assert sizes == {48}


# --- refit, failure, state ---------------------------------------------------------


def test_best_estimator_is_a_fresh_fit_of_the_best_parameters(classification):
    """`best_estimator_` has the parameters `best_params_`, with the maximum resource."""
    X, y = classification
    forest = RandomForestRegressor(random_state=0)
    search = published(
        SuccessiveHalvingSearchCV,
        forest,
        {"max_features": [1, 2, 3]},
        n_candidates=3,
        resource="n_estimators",
        max_resources=9,
        random_state=0,
    ).fit(X, y)

    again = clone(forest).set_params(**search.best_params_).fit(X, y)

    assert search.best_estimator_.n_estimators == 9
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    assert search.refit_time_ > 0


def test_without_refit_there_is_no_predict(classification, search_class):
    """With `refit=False`, there are results and best parameters, but there is no `predict`."""
    X, y = classification
    search = published(
        search_class, Scored(), QUALITY, n_candidates=3, refit=False, random_state=0
    )

    search.fit(X, y)

    assert search.__sklearn_is_fitted__()
    assert "quality" in search.best_params_
    assert not hasattr(search, "predict")
    assert not hasattr(search, "best_estimator_")


def test_unfitted_search_raises(classification, search_class):
    """Before `fit`, predicting raises an error."""
    with pytest.raises(NotFittedError):
        published(search_class, Scored(), QUALITY).predict(classification[0])


def test_second_fit_deletes_the_results_of_the_first(classification, search_class):
    """The results of an earlier fit are deleted, also if the second fit fails."""
    X, y = classification
    search = published(search_class, Scored(), QUALITY, n_candidates=3, random_state=0).fit(X, y)

    with pytest.raises(ValueError, match="factor"):
        search.set_params(factor=0.5).fit(X, y)

    assert not [name for name in vars(search) if name.endswith("_")]


@pytest.mark.parametrize("step", ["fit", "score", "nan"])
def test_failures_affect_only_their_candidate(classification, search_class, step):
    """A failed candidate has `error_score`, is counted, and ranks after all others."""
    X, y = classification
    search = published(
        search_class,
        Failing(step=step),
        QUALITY,
        n_candidates=27,
        resource="n_units",
        max_resources=27,
        random_state=0,
    )

    told = "scores are not finite" if step == "nan" else "evaluations failed"
    with pytest.warns(Warning, match=told):
        search.fit(X, y)

    results = search.cv_results_
    failed = results["param_quality"] < 0.5
    assert np.isnan(results["mean_test_score"][failed]).all()
    assert np.isfinite(results["mean_test_score"][~failed]).all()
    assert (results["iter"][failed] == 0).all()
    assert search.best_params_["quality"] > 0.5
    n_failures = sum(rung.n_failures for rung in search.rungs_.rungs)
    assert n_failures == (0 if step == "nan" else 5 * failed.sum())


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("step", ["fit", "predict", "score"])
def test_failures_are_counted_for_each_rung(classification, step, n_jobs):
    """Candidates that fail with three units or more are failures of the two upper rungs."""
    search = published(
        SuccessiveHalvingSearchCV,
        Failing(step=step, below=0.85, from_units=3),
        {"quality": np.linspace(0.9, 0.1, 9)},  # Of equal accuracies the first go on.
        n_candidates="all",
        resource="n_units",
        max_resources=9,
        cv=2,
        scoring="accuracy" if step == "predict" else None,
        n_jobs=n_jobs,
        random_state=0,
    )

    with pytest.warns(FitFailedWarning, match=r"4 of 26 .*\n\n4 times, .*quality=0\.[0-9]+:"):
        search.fit(*classification)

    assert [rung.n_failures for rung in search.rungs_.rungs] == [0, 4, 0]
    failed = np.isnan(search.cv_results_["mean_test_score"])
    assert (search.cv_results_["iter"][failed] == 1).all()
    assert search.best_params_ == {"quality": 0.9, "n_units": 9}


def test_error_score_is_the_score_of_failed_candidates(classification):
    """A number as `error_score` is compared like any other score."""
    search = published(
        SuccessiveHalvingSearchCV,
        Failing(),
        QUALITY,
        n_candidates=9,
        max_resources=240,
        error_score=-1.0,
        random_state=0,
    )

    with pytest.warns(Warning, match=r"set to -1\.0"):
        search.fit(*classification)

    failed = search.cv_results_["param_quality"] < 0.5
    assert (search.cv_results_["mean_test_score"][failed] == -1).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_error_score_raise_raises_the_original_exception(classification, search_class, n_jobs):
    """With `error_score="raise"`, the search raises the estimator's own error."""
    search = published(
        search_class,
        Failing(),
        QUALITY,
        n_candidates=9,
        error_score="raise",
        random_state=0,
        n_jobs=n_jobs,
    )

    with pytest.raises(ArithmeticError, match="is too low"):
        search.fit(*classification)


def test_attributes_leave_out_the_rungs_after_a_failed_one(classification):
    """`plan_`, `n_candidates_` and `cv_results_` agree if a bracket ends early."""
    search = published(
        HyperbandSearchCV,
        NanBelowNineUnits(),
        QUALITY,
        resource="n_units",
        max_resources=9,
        random_state=0,
    )

    with (
        pytest.warns(UserWarning, match="scores are not finite"),
        pytest.warns(FitFailedWarning, match="none of them went on"),
    ):
        search.fit(*classification)

    assert search.n_candidates_ == [9, 5, 3]
    assert [(r.bracket, r.iter) for r in search.plan_.rungs] == [(2, 0), (1, 0), (0, 0)]
    assert rows_by_rung(search.cv_results_).keys() == {(0, 2, 0), (0, 1, 0), (0, 0, 0)}


class NanBelowNineUnits(Scored):
    """An estimator whose score is NaN with fewer than nine units."""

    def score(self, X, y=None):
        """Return NaN, or the quality."""
        return self.quality if self.n_units >= 9 else np.nan


def test_boolean_masks_are_splits(classification, assert_same_results):
    """A splitter may yield boolean masks instead of indices."""
    X, y = classification
    mask = np.arange(240) < 200
    numbers = [(np.flatnonzero(mask), np.flatnonzero(~mask))]

    def fit(cv):
        return published(
            SuccessiveHalvingSearchCV,
            Scored(),
            QUALITY,
            n_candidates=9,
            cv=cv,
            min_resources=20,
            random_state=0,
        ).fit(X, y)

    assert_same_results(fit([(mask, ~mask)]).cv_results_, fit(numbers).cv_results_)


@pytest.mark.parametrize("resource", ["n_units", "n_samples"])
def test_slices_are_splits(classification, assert_same_results, resource):
    """A splitter may yield slices, which select the same rows as they do from a list."""
    X, y = classification
    n = len(X)

    def fit(cv):
        return published(
            HyperbandSearchCV,
            Scored(),
            QUALITY,
            cv=cv,
            resource=resource,
            max_resources=27,
            random_state=0,
        ).fit(X, y)

    slices = [(slice(None), slice(None)), (slice(0, 200, 2), slice(-40, None))]
    numbers = [(np.arange(n), np.arange(n)), (np.arange(0, 200, 2), np.arange(n - 40, n))]
    assert_same_results(fit(slices).cv_results_, fit(numbers).cv_results_)


def test_negative_indices_count_from_the_end(classification, assert_same_results):
    """A negative index is the same sample as the corresponding index from the beginning."""
    X, y = classification
    n = len(X)

    def fit(train):
        return published(
            SuccessiveHalvingSearchCV,
            Scored(),
            QUALITY,
            cv=[(train, np.arange(40))],
            n_candidates=3,
            min_resources=30,
            random_state=0,
        ).fit(X, y)

    assert_same_results(
        fit(np.arange(-100, 0)).cv_results_, fit(np.arange(n - 100, n)).cv_results_
    )


def test_list_of_time_series_splits_equals_the_splitter(classification, assert_same_results):
    """A list of time series splits gives the same order of samples and splits as the splitter."""
    X, y = classification

    def fit(cv):
        return published(
            SuccessiveHalvingSearchCV,
            DecisionTreeClassifier(random_state=0),
            {"max_depth": range(1, 30)},
            cv=cv,
            min_splits=1,
            min_resources=30,
            random_state=0,
        ).fit(X, y)

    listed = fit(list(TimeSeriesSplit(3).split(X)))

    assert_same_results(listed.cv_results_, fit(TimeSeriesSplit(3)).cv_results_)
    one_split = listed.cv_results_["n_splits"] == 1
    assert np.isnan(listed.cv_results_["split0_test_score"][one_split]).all()


def test_names_are_checked_before_anything_is_fitted(classification):
    """A wrong name in any dict of the space raises before anything is fitted."""
    space = [{"quality": uniform()}, {"qualty": [1]}]

    with pytest.raises(ValueError, match=r"param_distributions gives .*qualty"):
        published(SuccessiveHalvingSearchCV, Failing(step="fit"), space, random_state=0).fit(
            *classification
        )


def test_draws_of_a_bracket_do_not_depend_on_the_one_before(classification):
    """Initial candidates that fill the widest bracket do not change the next bracket's draws."""

    def second_bracket(**options):
        search = published(
            HyperbandSearchCV,
            Scored(),
            QUALITY,
            resource="n_units",
            max_resources=9,
            random_state=0,
            **options,
        ).fit(*classification)
        results = search.cv_results_
        return results["param_quality"][(results["bracket"] == 1) & (results["iter"] == 0)]

    filled = second_bracket(initial_candidates=[{"quality": i / 10} for i in range(9)])

    np.testing.assert_array_equal(filled.data, second_bracket().data)


def test_bracket_ends_if_all_its_candidates_fail(classification):
    """The other brackets continue, and a warning names the bracket that ended, and where."""
    initial = [{"quality": 0.1 + 0.01 * i} for i in range(9)]
    search = published(
        HyperbandSearchCV,
        Failing(from_units=3),
        QUALITY,
        n_candidates=9,
        resource="n_units",
        max_resources=9,
        initial_candidates=initial,
        random_state=0,
    )

    with pytest.warns(Warning, match="All 3 candidates of bracket 2 scored NaN with 3"):
        search.fit(*classification)

    assert (search.cv_results_["bracket"] == 2).sum() == 9 + 3
    assert search.best_score_ > 0.5


def test_error_without_finite_scores_shows_the_first_failure(classification, search_class):
    """`fit` raises if no score is finite, and `cv_results_` is available."""
    search = published(search_class, Failing(below=2.0), QUALITY, n_candidates=3, random_state=0)

    with pytest.raises(ValueError, match=r"(?s)None of the .* finite score.*ArithmeticError"):
        search.fit(*classification)

    assert np.isnan(search.cv_results_["mean_test_score"]).all()
    with pytest.raises(NotFittedError):
        check_is_fitted(search)


# --- a search that fails from its beginning ----------------------------------------


@pytest.mark.parametrize("step", ["fit", "score"])
def test_first_level_that_failed_wholly_ends_the_search(classification, search_class, step):
    """Fit raises before a higher level, or another bracket, is trained; the table is kept."""
    search = published(
        search_class,
        Failing(step=step, below=2.0),
        QUALITY,
        n_candidates=9,
        resource="n_units",
        max_resources=9,
        min_resources=1,
        random_state=0,
    )

    with pytest.raises(ValueError, match="None of the 45 evaluations gave a finite score"):
        search.fit(*classification)

    assert search.n_candidates_ == [9]
    assert search.n_resources_ == [1]
    assert len(search.cv_results_["params"]) == 9
    assert search.stop_reason_ == "interrupted"


def test_number_for_failures_does_not_hide_that_all_failed(classification, search_class):
    """With a number as error_score the search ends after its first level, too."""
    search = published(
        search_class,
        Failing(below=2.0),
        QUALITY,
        min_resources=20,
        n_candidates=9,
        error_score=0,
        random_state=0,
    )

    with pytest.raises(ValueError, match="None of the 45 evaluations"):
        search.fit(*classification)

    assert search.n_iterations_ == 1


def test_scores_that_are_nan_are_no_failures(classification):
    """A first level of NaN scores, of which nothing failed, does not end the search."""
    search = published(
        HyperbandSearchCV,
        NanBelowNineUnits(),
        QUALITY,
        n_candidates=9,
        resource="n_units",
        max_resources=9,
        random_state=0,
    )

    with pytest.warns((UserWarning, FitFailedWarning)):
        search.fit(*classification)

    assert search.stop_reason_ == "completed"
    assert search.best_score_ > 0


class Misspelt(Scored):
    """Raises an error of its own with each fit."""

    def __init__(self, quality=0.0, n_units=1, label=None, error=None):
        super().__init__(quality, n_units, label)
        self.error = error

    def fit(self, X, y=None):
        """Raise."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "first_line"),
    [
        (TypeError("no such argument"), "no such argument (TypeError)"),
        (KeyError("weight"), "'weight' (KeyError)"),
        (AssertionError(), "AssertionError"),
        (ValueError("the first line\n  the second\nthe third"), "the first line (ValueError)"),
        (NotFittedError("fit it"), "fit it (NotFittedError)"),
        (ValueError("Error: nested: too"), "Error: nested: too (ValueError)"),
        (RuntimeError("\nbelow an empty line"), "RuntimeError"),
    ],
    ids=lambda value: value.split("(")[-1] if isinstance(value, str) else None,
)
def test_error_begins_with_the_first_failures_own_message(classification, error, first_line):
    """The first line of the error says what is wrong, whatever the failure's message is like."""
    search = SuccessiveHalvingSearchCV(
        Misspelt(error=error), QUALITY, n_candidates=3, random_state=0
    )

    with pytest.raises(ValueError, match="None of the") as raised:
        search.fit(*classification)

    assert str(raised.value).splitlines()[0] == first_line


def test_cause_of_a_failure_with_a_cause_is_the_last_one(classification):
    """Of an exception that was raised from another, the outer one is what failed."""

    def scoring(estimator, X, y):
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise TypeError("outer") from error

    search = SuccessiveHalvingSearchCV(
        Scored(), QUALITY, n_candidates=3, scoring=scoring, random_state=0
    )

    with pytest.raises(ValueError, match=r"\Aouter \(TypeError\)\n"):
        search.fit(*classification)


def test_error_without_a_failure_says_that_no_score_is_finite(classification):
    """Where nothing failed and all is NaN, the error begins with that."""
    search = published(
        SuccessiveHalvingSearchCV,
        Failing(step="nan", below=2.0),
        QUALITY,
        n_candidates=3,
        random_state=0,
    )

    with pytest.raises(ValueError, match=r"\ANone of the 15 .*all of them are NaN or infinite"):
        search.fit(*classification)


def test_first_failure_of_a_worker_is_named(classification, search_class):
    """A wrong argument of the fit is in the first line with several workers, too."""
    search = search_class(Scored(), QUALITY, n_candidates=9, n_jobs=2, random_state=0)

    with pytest.raises(
        ValueError, match=r"\A.*unexpected keyword argument 'weights' \(TypeError\)"
    ):
        search.fit(*classification, weights=1)


# --- distributions of the user's own -----------------------------------------------


class RecordingDistribution:
    """A distribution that records the arguments of its `rvs`."""

    def __init__(self):
        self.states = []

    def rvs(self, random_state=None):
        """Draw as scipy's do."""
        self.states.append(random_state)
        return random_state.uniform()


class OwnGenerator:
    """A distribution with its own generator, and a count shared by all instances."""

    n_draws = 0

    def __init__(self):
        self.rng = np.random.RandomState(5)

    def rvs(self, random_state=None):
        """Draw from the own generator."""
        OwnGenerator.n_draws += 1
        return self.rng.uniform()


def test_distributions_receive_a_random_state(classification, search_class):
    """Every call of `rvs` receives a `RandomState`."""
    quality = RecordingDistribution()

    published(
        search_class,
        Scored(),
        {"quality": quality},
        n_candidates=3,
        cv=2,
        min_resources=30,
        random_state=0,
    ).fit(*classification)

    assert len(quality.states) >= 3
    assert {type(state) for state in quality.states} == {np.random.RandomState}


def test_only_candidates_are_drawn_from_distributions(classification):
    """Nothing but candidates is drawn, so that they are the first values of the generator."""
    OwnGenerator.n_draws = 0

    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        {"quality": OwnGenerator()},
        n_candidates=3,
        cv=2,
        random_state=0,
    ).fit(*classification)

    drawn = [params["quality"] for params in search.cv_results_["params"][:3]]
    assert drawn == list(np.random.RandomState(5).uniform(size=3))
    assert OwnGenerator.n_draws == 3


@pytest.mark.parametrize("seed", range(5))
def test_name_of_a_distribution_is_checked_before_anything_is_fitted(classification, seed):
    """A wrong name raises even if no candidate was drawn from its dict."""
    space = [{"quality": uniform()}, {"qualty": uniform()}]

    with pytest.raises(ValueError, match=r"param_distributions .*'qualty'"):
        published(
            SuccessiveHalvingSearchCV, Scored(), space, n_candidates=1, cv=2, random_state=seed
        ).fit(*classification)


class EstimatorDistribution:
    """A distribution over estimators."""

    def rvs(self, random_state=None):
        """Draw one."""
        return LogisticRegression(max_iter=random_state.randint(100, 200))


@pytest.mark.parametrize(
    "steps",
    [[LogisticRegression()], EstimatorDistribution()],
    ids=["list", "distribution"],
)
def test_parameters_of_a_step_that_is_searched_over_are_valid(classification, steps):
    """Parameters of a step that is itself a value of the candidate can be searched over."""
    model = Pipeline([("clf", DecisionTreeClassifier())])
    space = {"clf": steps, "clf__C": loguniform(0.1, 10)}

    search = published(
        SuccessiveHalvingSearchCV,
        model,
        space,
        n_candidates=3,
        min_resources=30,
        cv=2,
        random_state=0,
    ).fit(*classification)

    assert "clf__C" in search.best_params_


def test_space_too_large_for_an_index_is_searched(classification, search_class):
    """Lists with more combinations than fit into an integer index can be searched over."""
    space = {
        "quality": list(np.linspace(0, 1, 10**5)),
        "n_units": range(10**9),
        "label": range(10**9),
    }

    search = published(search_class, Scored(), space, n_candidates=9, cv=2, random_state=0)
    search.fit(*classification)

    assert search.stop_reason_ == "completed"
    assert len({repr(params) for params in search.cv_results_["params"]}) >= 9


# --- bounds that leave nothing to halve ---------------------------------------------


BOUNDS = {
    "smallest": ({"cv": 59, "min_resources": "smallest"}, 2),
    "exhaust": ({"cv": 5, "min_resources": "exhaust"}, 60),
    "auto": ({"cv": 5, "min_resources": "auto"}, 60),
}


# Hyperband has nine candidates even where it cannot halve them.
each_that_is_left = pytest.mark.parametrize(
    ("search_class", "n_left", "says"),
    [
        pytest.param(HyperbandSearchCV, 9, "all 9 candidates are evaluated", id="hb"),
        pytest.param(SuccessiveHalvingSearchCV, 1, "only one candidate", id="sh"),
    ],
)


@each_that_is_left
@pytest.mark.parametrize(("options", "n_classes"), BOUNDS.values(), ids=BOUNDS)
def test_plan_warns_if_the_bound_leaves_one_level(search_class, n_left, says, options, n_classes):
    """A warning says which candidates the plan has, and which parameters change it."""
    search = published(search_class, Scored(), QUALITY, **options)

    with pytest.warns(UserWarning, match=rf"{says}.*min_resources=") as shown:
        plan = search.plan(*balanced(n_classes))

    assert plan.n_candidates == n_left
    (warning,) = shown
    assert warning.filename == __file__
    for text in ("n_candidates=", "RandomizedSearchCV", "240 samples"):
        assert text in str(warning.message)


def balanced(n_classes):
    """Return 240 samples of the given number of classes."""
    return np.random.RandomState(0).normal(size=(240, 2)), np.arange(240) % n_classes


@each_that_is_left
def test_fit_warns_if_the_bound_leaves_one_level(search_class, n_left, says):
    """The warning is shown once, at the line that calls `fit`."""
    search = published(search_class, Scored(), QUALITY, min_resources="auto", cv=3, random_state=0)

    with pytest.warns(UserWarning, match=rf"{says}.*min_resources=") as shown:
        search.fit(*balanced(60))

    assert len(shown) == 1
    assert shown[0].filename == __file__
    assert search.stop_reason_ == "completed"
    assert search.n_candidates_ == [n_left]


@pytest.mark.parametrize("n_candidates", [9, "all"])
def test_plan_warns_if_the_bound_leaves_no_halving(n_candidates):
    """A warning says that all candidates are trained in full."""
    search = published(
        SuccessiveHalvingSearchCV,
        Scored(),
        {"quality": list(range(9))},
        n_candidates=n_candidates,
        min_resources="auto",
    )

    with pytest.warns(UserWarning, match="all 9 candidates.*min_resources="):
        search.plan(*balanced(60))


def test_suggested_bound_leaves_halvings(search_class):
    """With the bound that the warning suggests, the plan has several rungs."""
    search = published(search_class, Scored(), QUALITY, min_resources="auto")
    with pytest.warns(UserWarning, match="min_resources=") as shown:
        search.plan(*balanced(60))
    number = int(re.search(r"such as min_resources=(\d+)", str(shown[0].message))[1])

    plan = search.set_params(min_resources=number).plan(*balanced(60))

    assert len(plan.ladder) == 3


@each_that_is_left
def test_plan_warns_if_a_number_as_bound_leaves_one_level(search_class, n_left, says):
    """A bound that leaves no halving is warned of, unless `n_candidates` is a number."""
    search = published(search_class, Scored(), QUALITY, min_resources=100)

    with pytest.warns(UserWarning, match=rf"min_resources=100.*{says}"):
        plan = search.plan(n_samples=240)

    assert plan.n_candidates == n_left


@each_that_is_left
def test_plan_warns_if_the_maximum_is_below_the_factor(search_class, n_left, says):
    """A warning is shown if the maximum of a parameter is smaller than the factor."""
    search = published(search_class, Scored(), QUALITY, resource="n_units", max_resources=2)

    with pytest.warns(UserWarning, match=rf"max_resources=2.*{says}"):
        plan = search.plan(n_splits=5)

    assert plan.n_candidates == n_left


def test_plan_warns_of_two_candidates():
    """A warning is shown if only one halving of two candidates is left."""
    search = published(SuccessiveHalvingSearchCV, Scored(), QUALITY, factor=2, min_resources=100)

    with pytest.warns(UserWarning, match=r"little room.*only 2 candidates"):
        search.plan(*balanced(2))


def test_warning_of_no_halving_names_what_silences_it():
    """With a number of candidates that is the number of resources."""
    search = SuccessiveHalvingSearchCV(Scored(), QUALITY, n_candidates=6)
    size = {"n_samples": 12, "n_classes": 2}

    with pytest.warns(
        UserWarning, match="To halve, lower it, such as min_resources=4; .* give min_resources=10,"
    ):
        search.plan(**size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = search.set_params(min_resources=10).plan(**size)

    assert [rung.n_candidates for rung in plan.rungs] == [6]


def test_subclass_with_a_shorter_signature(search_class, classification):
    """What it hands to its parent is checked, as for scikit-learn's own searches."""

    class Own(search_class):
        def __init__(self, estimator, param_distributions, factor=2):
            super().__init__(
                estimator, param_distributions, factor=factor, min_resources=60, random_state=0
            )

    assert Own(Scored(), QUALITY).fit(*classification).best_params_["quality"] > 0.8
    with pytest.raises(ValueError, match="factor=1"):
        Own(Scored(), QUALITY, factor=1).fit(*classification)


def test_rows_share_no_parameters(search_class, classification):
    """A row that is changed leaves the others, and the best parameters, as they are."""
    search = search_class(Scored(), QUALITY, min_resources=60, random_state=0)
    search.fit(*classification)
    rows = search.cv_results_["params"]
    before = [dict(row) for row in rows]

    search.best_params_["quality"] = "changed"
    assert rows == before
    rows[0]["quality"] = "changed"
    assert rows[1:] == before[1:]


WITHOUT_WARNING = {
    "one by number": {"n_candidates": 1},
    "few by number": {"n_candidates": 2},
    "no halving by number": {"n_candidates": 9, "min_resources": 100},
    "three candidates": {"n_candidates": 3, "min_resources": 80},
    "nine candidates": {"min_resources": 26},
    "splits that grow": {"min_resources": 70, "min_splits": 1},
}


@pytest.mark.parametrize("options", WITHOUT_WARNING.values(), ids=WITHOUT_WARNING)
def test_plan_does_not_warn_of_explicit_numbers(search_class, options):
    """There is no warning if `n_candidates` is a number, or with nine candidates."""
    plan = published(search_class, Scored(), QUALITY, **options).plan(*balanced(2))

    assert plan.rungs


# --- too few samples ----------------------------------------------------------------


class Raising(Scored):
    """An estimator that raises the given error if it has too few samples."""

    def __init__(self, quality=0.0, message=None, needed=10**6, kind=ValueError):
        super().__init__(quality)
        self.kind = kind
        self.message = message
        self.needed = needed

    def fit(self, X, y=None):
        """Raise."""
        if len(X) < self.needed:
            raise self.kind(self.message)  # A traceback shows this line, with n_samples.
        return super().fit(X, y)


# As scikit-learn, imbalanced-learn and others word it.
TOO_FEW = [
    "Expected n_neighbors <= n_samples_fit, but n_neighbors = 6, n_samples_fit = 2, n_samples = 2",
    "The least populated class in y has only 1 member, which is too few.",
    "The least populated classes in y have only 1 member, which is too few.",
    "n_splits=5 cannot be greater than the number of members in each class.",
    "Cannot have number of splits n_splits=5 greater than the number of samples: n_samples=3.",
    "n_samples=3 should be >= n_clusters=8.",
    "n_components=5 must be between 0 and min(n_samples, n_features)=3 with svd_solver='full'",
    "Found array with 0 sample(s) (shape=(0, 2)) while a minimum of 1 is required by Ridge.",
    "Requesting 5-fold cross-validation but provided less than 5 examples for at least one class.",
    "The test_size = 1 should be greater or equal to the number of classes = 2",
    "This solver needs samples of at least 2 classes in the data, but the data contains only one "
    "class: 0",
    "The number of classes has to be greater than one; got 1 class",
    "The validation set is too small. Increase 'validation_fraction' or the size of your dataset.",
    "perplexity must be less than n_samples",
    "Found unknown categories ['unknown'] in column 0 during transform",
    "y contains previously unseen labels: ['c']",
]


@pytest.mark.parametrize("message", TOO_FEW, ids=range(len(TOO_FEW)))
def test_error_of_too_few_samples_names_min_resources(classification, message):
    """If all fits had too few samples, the error names the parameter to raise."""
    search = published(
        SuccessiveHalvingSearchCV,
        Raising(message=message),
        QUALITY,
        min_resources=20,
        cv=3,
        random_state=0,
    )

    with pytest.raises(ValueError, match=r"None of the .* raise min_resources=20") as error:
        search.fit(*classification)

    assert message in str(error.value)
    assert "26 samples" in str(error.value)


def test_error_of_too_few_neighbours_names_min_resources(classification):
    """If there are fewer samples than neighbours, the error names `min_resources`."""
    search = published(
        SuccessiveHalvingSearchCV,
        KNeighborsClassifier(),
        {"n_neighbors": range(30, 60)},
        min_resources=20,
        random_state=0,
    )

    with pytest.raises(ValueError, match="raise min_resources=20"):
        search.fit(*classification)


@pytest.mark.parametrize(
    "options",
    [
        {"estimator": Raising(message="no way"), "min_resources": 20},
        {"estimator": Raising(message="no way", kind=ArithmeticError), "min_resources": 20},
        {"estimator": Raising(message="", kind=StopIteration), "min_resources": 20},
        {"estimator": Raising(message="n_samples", kind=KeyError), "min_resources": 20},
        {"estimator": Raising(message="expected shape (n_samples,)"), "min_resources": 20},
        {"estimator": Raising(message="bad n_splits"), "min_resources": 20},
        {"estimator": Raising(message=TOO_FEW[0]), "min_resources": 240, "n_candidates": 1},
        {
            "estimator": Failing(step="fit", below=2),
            "resource": "n_units",
            "max_resources": 9,
        },
    ],
    ids=[
        "another failure",
        "another error",
        "another exception",
        "a key",
        "a shape",
        "bad splits",
        "all samples",
        "another resource",
    ],
)
def test_error_of_other_failures_does_not_name_min_resources(classification, options):
    """If more samples would not help, the error advises to check the estimator."""
    estimator = options.pop("estimator")
    search = published(SuccessiveHalvingSearchCV, estimator, QUALITY, random_state=0, **options)

    with pytest.raises(ValueError, match="check the estimator") as error:
        search.fit(*classification)

    assert "min_resources" not in str(error.value)
