import numpy as np
import pytest
import sklearn
from scipy.stats import loguniform, rankdata, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import FitFailedWarning, NotFittedError, UnsetMetadataPassedError
from sklearn.metrics import accuracy_score, f1_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.estimators import Failing, Noting, Scored
from tests.published import published

SMOOTHING = {"var_smoothing": loguniform(1e-9, 10)}
TWO = ["accuracy", "roc_auc"]


def accuracy_of(estimator, X, y):
    """Return a number."""
    return accuracy_score(y, estimator.predict(X))


def several_of(estimator, X, y):
    """Return a dict of numbers."""
    predicted = estimator.predict(X)
    return {"accuracy": accuracy_score(y, predicted), "f1": f1_score(y, predicted)}


def search_of(search_class=HyperbandSearchCV, estimator=None, space=SMOOTHING, **options):
    """Return a search by samples, with two levels; Hyperband's has three rows at the top."""
    options = {"n_candidates": 3, "min_resources": 80, "cv": 3, "random_state": 0, **options}
    return published(
        search_class, GaussianNB() if estimator is None else estimator, space, **options
    )


def rows_at_top(results):
    """Return the positions of the rows that had all samples."""
    return np.flatnonzero(results["n_resources"] == results["n_resources"].max())


def assert_like_cross_validate(search, X, y, **options):
    """Compare the top level's scores with those of a plain cross-validation, bit for bit."""
    results = search.cv_results_
    rows = rows_at_top(results)
    assert len(rows) > 0
    for row in rows:
        other = cross_validate(
            clone(search.estimator).set_params(**results["params"][row]),
            X,
            y,
            cv=search.cv,
            scoring=search.scoring,
            return_train_score=search.return_train_score,
            **options,
        )
        scores = {name: value for name, value in other.items() if "time" not in name}
        assert scores
        for name, by_split in scores.items():
            ours = [results[f"split{i}_{name}"][row] for i in range(len(by_split))]
            np.testing.assert_array_equal(ours, by_split, err_msg=name)
            assert results[f"mean_{name}"][row] == np.mean(by_split)
            assert results[f"std_{name}"][row] == np.std(by_split)


class Fits:
    """Counts fits, in this process."""

    n = 0


class Contrary(ClassifierMixin, BaseEstimator):
    """Has two metrics, of which one is the other's opposite, and counts its fits."""

    def __init__(self, quality=0.0, n_units=1):
        self.quality = quality
        self.n_units = n_units

    def fit(self, X, y):
        """Count."""
        Fits.n += 1
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Predict the first class."""
        return np.full(len(X), self.classes_[0])


def up(estimator, X, y):
    """Return the quality."""
    return estimator.quality


def down(estimator, X, y):
    """Return what is best where the quality is worst."""
    return -estimator.quality


def up_and_down(estimator, X, y):
    """Return both in a dict."""
    return {"up": up(estimator, X, y), "down": down(estimator, X, y)}


def contrary_search(search_class=HyperbandSearchCV, **options):
    """Return a search of free fits, whose metrics disagree."""
    options = {"scoring": {"up": up, "down": down}, "cv": 2, **options}
    return published(
        search_class,
        Contrary(),
        {"quality": uniform()},
        n_candidates=9,
        resource="n_units",
        max_resources=9,
        random_state=0,
        **options,
    )


# --- kinds of scoring --------------------------------------------------------------

SINGLE = {
    "none": None,
    "name": "roc_auc",
    "scorer": make_scorer(log_loss, greater_is_better=False, response_method="predict_proba"),
    "callable": accuracy_of,
}
SEVERAL = {
    "callable-dict": several_of,
    "list": TWO,
    "tuple": tuple(TWO),
    "dict-of-names": {"accuracy": "accuracy", "other": "neg_log_loss"},
    "dict-of-callables": {"accuracy": accuracy_of, "other": get_scorer("f1")},
}


@pytest.mark.parametrize("scoring", SINGLE.values(), ids=SINGLE)
def test_single_scoring_gives_the_scores_of_cross_validate(classification, search_class, scoring):
    """A metric of any form gives a plain cross-validation's scores at the top level."""
    X, y = classification

    search = search_of(search_class, scoring=scoring, return_train_score=True).fit(X, y)

    assert not search.multimetric_
    assert_like_cross_validate(search, X, y)


@pytest.mark.parametrize("scoring", SEVERAL.values(), ids=SEVERAL)
def test_several_metrics_give_the_scores_of_cross_validate(classification, search_class, scoring):
    """Metrics in any container give a plain cross-validation's scores at the top level."""
    X, y = classification
    search = search_of(search_class, scoring=scoring, refit="accuracy", return_train_score=True)

    search.fit(X, y)

    assert search.multimetric_
    assert_like_cross_validate(search, X, y)


@pytest.mark.parametrize("scoring", SINGLE.values(), ids=SINGLE)
def test_score_is_that_of_the_refitted_estimator(classification, scoring):
    """Score after fit uses the metric of the search."""
    X, y = classification

    search = search_of(scoring=scoring).fit(X, y)

    scorer = get_scorer("accuracy") if scoring is None else get_scorer(scoring)
    assert search.score(X, y) == scorer(search.best_estimator_, X, y)


@pytest.mark.parametrize("scoring", SEVERAL.values(), ids=SEVERAL)
@pytest.mark.parametrize(
    "rule",
    [
        {"refit": "accuracy"},
        {"rank_by": "accuracy"},
        {"rank_by": "accuracy", "refit": lambda results: 0},
    ],
    ids=["refit", "rank_by", "callable"],
)
def test_score_of_several_metrics_is_the_one_that_counts(classification, scoring, rule):
    """Score uses the metric that refit names, else the one that promoted."""
    X, y = classification

    search = search_of(SuccessiveHalvingSearchCV, scoring=scoring, **rule).fit(X, y)

    assert search.score(X, y) == accuracy_of(search.best_estimator_, X, y)


@pytest.mark.parametrize("scoring", [None, TWO], ids=["one", "two"])
def test_without_refit_there_is_no_score(classification, scoring):
    """refit=False leaves no estimator that could be scored."""
    X, y = classification
    search = search_of(scoring=scoring, rank_by=scoring and "accuracy", refit=False).fit(X, y)

    with pytest.raises((AttributeError, NotFittedError), match="refit"):
        search.score(X, y)


def test_fitted_scorers_are_kept(classification):
    """scorer_ is a callable for one metric, a dict for several."""
    X, y = classification

    one = search_of(scoring="roc_auc").fit(X, y)
    two = search_of(scoring=TWO, refit="roc_auc").fit(X, y)

    assert callable(one.scorer_)
    assert sorted(two.scorer_) == TWO


def test_results_have_a_column_for_each_metric_only(classification):
    """Several metrics have columns by their names, and none called score."""
    search = search_of(scoring=TWO, rank_by="roc_auc").fit(*classification)

    for metric in TWO:
        for column in ("mean_test", "std_test", "rank_test", "split0_test", "split2_test"):
            assert f"{column}_{metric}" in search.cv_results_
    assert not [name for name in search.cv_results_ if name.endswith("_test_score")]


@pytest.mark.parametrize("scoring", [None, several_of, TWO], ids=["one", "dict", "list"])
def test_train_scores_come_only_where_they_are_asked_for(classification, scoring):
    """return_train_score adds columns, and changes no other."""
    X, y = classification
    options = {"scoring": scoring, "refit": scoring is None or "accuracy"}

    without = search_of(**options).fit(X, y).cv_results_
    results = search_of(return_train_score=True, **options).fit(X, y).cv_results_

    metrics = [name.removeprefix("mean_test_") for name in without if "mean_test" in name]
    parts = ["mean", "std", *(f"split{i}" for i in range(3))]
    assert results.keys() - without.keys() == {f"{p}_train_{m}" for p in parts for m in metrics}
    for name in without:
        if "time" not in name:
            np.testing.assert_array_equal(results[name], without[name])


def test_train_scores_of_a_rung_are_of_the_samples_that_it_took(classification):
    """A low rung's train score is measured on its own rows, not on the whole part."""
    X, y = classification
    sizes = []

    def scorer(estimator, X, y):
        sizes.append(len(X))
        return 0.0

    search_of(SuccessiveHalvingSearchCV, scoring=scorer, return_train_score=True).fit(X, y)

    assert set(sizes) == {53, 80, 160}


# --- which metric counts -----------------------------------------------------------


def chosen_first(results):
    """Choose the first row."""
    return 0


NO_RULE = {"true": True, "false": False, "callable": chosen_first}


@pytest.mark.parametrize("refit", NO_RULE.values(), ids=NO_RULE)
@pytest.mark.parametrize(
    "scoring", [["accuracy", "f1"], {"up": up, "down": down}], ids=["list", "dict"]
)
def test_several_metrics_need_a_rule(classification, search_class, refit, scoring):
    """Where nothing says which metric promotes, fit raises before anything is fitted."""
    Fits.n = 0
    search = contrary_search(search_class, scoring=scoring, refit=refit)

    with pytest.raises(ValueError, match="rank_by"):
        search.fit(*classification)

    assert Fits.n == 0


@pytest.mark.parametrize("refit", NO_RULE.values(), ids=NO_RULE)
def test_dict_that_a_callable_returns_needs_a_rule(classification, search_class, refit):
    """That a callable gives several metrics is known after one evaluation."""
    Fits.n = 0
    search = contrary_search(search_class, scoring=up_and_down, refit=refit)

    with pytest.raises(ValueError, match=r"rank_by.*refit"):
        search.fit(*classification)

    assert Fits.n == 1


@pytest.mark.parametrize(
    "rule", [{"rank_by": "left"}, {"refit": "left"}], ids=["rank_by", "refit"]
)
def test_rule_must_name_a_metric_that_a_callable_returns(classification, rule):
    """An unknown name is found out after one evaluation, and the known ones are shown."""
    Fits.n = 0
    options = {"rank_by": "up", **rule} if "refit" in rule else rule
    search = contrary_search(scoring=up_and_down, **options)

    with pytest.raises(ValueError, match=r"'left'.*\['up', 'down'\]"):
        search.fit(*classification)

    assert Fits.n == 1


RULES = {
    "refit-name": ({"refit": "down"}, "down", "down"),
    "rank_by-true": ({"rank_by": "down"}, "down", "down"),
    "rank_by-false": ({"rank_by": "down", "refit": False}, "down", "down"),
    "rank_by-same-name": ({"rank_by": "down", "refit": "down"}, "down", "down"),
    "rank_by-other-name": ({"rank_by": "down", "refit": "up"}, "down", "up"),
    "other-way-round": ({"rank_by": "up", "refit": "down"}, "up", "down"),
}


@pytest.mark.parametrize("scoring", [up_and_down, {"up": up, "down": down}], ids=["call", "dict"])
@pytest.mark.parametrize(("rule", "promotes", "refits"), RULES.values(), ids=RULES)
def test_promotion_follows_rank_by_and_the_best_follows_refit(
    classification, scoring, rule, promotes, refits
):
    """The survivors are the best by one metric; best_index_ is the best by the other."""
    search = contrary_search(scoring=scoring, **rule).fit(*classification)

    results = search.cv_results_
    widest = results["bracket"] == 2
    qualities = results["param_quality"].astype(float)
    entered, went_on = (qualities[widest & (results["iter"] == i)] for i in (0, 1))
    best = sorted(entered, reverse=promotes == "up")[:3]
    assert sorted(went_on) == sorted(best)
    top = rows_at_top(results)
    assert search.best_index_ == top[results[f"mean_test_{refits}"][top].argmax()]
    assert search.best_score_ == results[f"mean_test_{refits}"][search.best_index_]
    assert search.best_params_ == results["params"][search.best_index_]


def test_the_only_metric_of_a_dict_needs_no_rule(classification):
    """A dict of one metric promotes by it, and refits the best by it."""
    search = contrary_search(scoring={"down": down}).fit(*classification)

    assert search.best_score_ == search.cv_results_["mean_test_down"].max()
    assert search.score(*classification) == search.best_score_


@pytest.mark.parametrize("metric", ["up", "down"])
def test_each_metric_is_ranked_by_level_then_score(classification, metric):
    """Each metric has a rank: the level comes first, the score second, ties share the least."""
    results = contrary_search(rank_by="up").fit(*classification).cv_results_

    n_above, expected = 0, np.empty(len(results["params"]))
    for n_resources in sorted(set(results["n_resources"]), reverse=True):
        rows = np.flatnonzero(results["n_resources"] == n_resources)
        scores = results[f"mean_test_{metric}"][rows]
        expected[rows] = n_above + rankdata(-scores, method="min")
        n_above += len(rows)
    np.testing.assert_array_equal(results[f"rank_test_{metric}"], expected)


def test_rank_one_is_the_best_where_one_metric_does_both(classification, search_class):
    """For a metric that promotes and refits, rank 1 is best_index_."""
    search = contrary_search(search_class, rank_by="down").fit(*classification)

    assert search.cv_results_["rank_test_down"][search.best_index_] == 1


# --- a callable refit --------------------------------------------------------------


@pytest.mark.parametrize("scoring", [None, TWO], ids=["one", "two"])
def test_callable_refit_is_given_the_highest_level_only(classification, search_class, scoring):
    """It sees every column of the top level's rows, and of no others."""
    given = []

    def choose(results):
        given.append(results)
        return 0

    search = search_of(
        search_class, scoring=scoring, rank_by=scoring and "accuracy", refit=choose
    ).fit(*classification)

    (seen,), results = given, search.cv_results_
    top = rows_at_top(results)
    assert seen.keys() == results.keys()
    assert set(seen["n_resources"]) == {240}
    assert seen["params"] == [results["params"][row] for row in top]
    for name in set(results) - {"params"}:
        np.testing.assert_array_equal(seen[name], results[name][top])


@pytest.mark.parametrize("as_type", [int, np.int64, np.int32])
def test_index_of_a_callable_refit_is_mapped_back(classification, as_type):
    """What it chooses among the top rows becomes a row of cv_results_."""
    search = contrary_search(
        rank_by="up", refit=lambda results: as_type(results["mean_test_down"].argmax())
    ).fit(*classification)

    results = search.cv_results_
    top = rows_at_top(results)
    assert len(top) > 2
    assert search.best_index_ == top[results["mean_test_down"][top].argmax()]
    assert results["n_resources"][search.best_index_] == 9
    assert search.best_params_ == results["params"][search.best_index_]
    assert search.best_estimator_.get_params() == search.best_params_


NONSENSE = {
    "string": "first",
    "float": 0.0,
    "negative": -1,
    "too-large": 5,
    "none": None,
    "bool": True,
    "array": np.array([0, 1]),
    "params": {"quality": 0.5},
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_of_a_callable_refit_keeps_the_results(classification, answer):
    """What is no index of a row raises, naming it, and the measured scores stay."""
    search = contrary_search(rank_by="up", refit=lambda results: answer)

    with pytest.raises((TypeError, ValueError, IndexError), match=r"refit=.*returned"):
        search.fit(*classification)

    assert len(search.cv_results_["params"]) == 22
    assert not hasattr(search, "best_index_")
    with pytest.raises(NotFittedError):
        check_is_fitted(search)


def test_exception_of_a_callable_refit_keeps_the_results(classification):
    """An error inside it is passed on, and the measured scores stay."""

    def choose(results):
        raise KeyError("no such column")

    search = contrary_search(rank_by="up", refit=choose)

    with pytest.raises(KeyError, match="no such column"):
        search.fit(*classification)

    assert len(search.cv_results_["params"]) == 22


def test_callable_refit_may_change_what_it_is_given(classification):
    """The rows that it is given are a copy."""

    def choose(results):
        for column in results.values():
            column[:] = column[:0] if isinstance(column, list) else column[0]
        return 0

    plain = contrary_search(rank_by="up").fit(*classification).cv_results_
    results = contrary_search(rank_by="up", refit=choose).fit(*classification).cv_results_

    assert results["params"] == plain["params"]
    np.testing.assert_array_equal(results["mean_test_up"], plain["mean_test_up"])


# --- what fails --------------------------------------------------------------------


class Fussy:
    """A scorer that raises, or gives something else, for low qualities."""

    def __init__(self, answer, split_sum=None):
        self.answer = answer
        self.split_sum = split_sum

    def __call__(self, estimator, X, y):
        """Fail, or give the quality."""
        here = self.split_sum is None or X.sum() == self.split_sum
        if estimator.quality < 0.5 and here:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer
        return estimator.quality


def splits_of(y):
    """Return the halves of the rows."""
    half = len(y) // 2
    return [(np.arange(half), np.arange(half, len(y))), (np.arange(half, len(y)), np.arange(half))]


@pytest.mark.parametrize("error_score", [np.nan, -5.0, 0])
def test_scorer_that_fails_costs_its_candidate(classification, error_score):
    """Its scores are error_score, the others' are as ever, and one warning says so."""
    search = contrary_search(scoring=Fussy(ArithmeticError("no")), error_score=error_score)

    with pytest.warns(FitFailedWarning, match=r"(?s)evaluations failed.*ArithmeticError: no"):
        search.fit(*classification)

    results = search.cv_results_
    failed = results["param_quality"] < 0.5
    np.testing.assert_array_equal(results["mean_test_score"][failed], float(error_score))
    np.testing.assert_array_equal(
        results["mean_test_score"][~failed], results["param_quality"][~failed].astype(float)
    )
    assert search.best_params_["quality"] > 0.5


@pytest.mark.parametrize(
    ("error_score", "expected"), [(np.nan, np.nan), (-1.0, "mean")], ids=["nan", "number"]
)
def test_split_that_fails_makes_the_mean_what_error_score_says(
    classification, error_score, expected
):
    """The split that was measured keeps its score; a number enters the mean, NaN takes it."""
    X, y = classification
    splits = splits_of(y)
    scorer = Fussy(ArithmeticError("no"), split_sum=X[splits[1][1]].sum())
    search = contrary_search(scoring=scorer, error_score=error_score, cv=splits)

    with pytest.warns(FitFailedWarning, match="evaluations failed"):
        search.fit(X, y)

    results = search.cv_results_
    failed = results["param_quality"] < 0.5
    assert failed.any()
    qualities = results["param_quality"][failed].astype(float)
    np.testing.assert_array_equal(results["split0_test_score"][failed], qualities)
    np.testing.assert_array_equal(results["split1_test_score"][failed], error_score)
    means = (qualities + error_score) / 2 if expected == "mean" else expected
    np.testing.assert_array_equal(results["mean_test_score"][failed], means)
    for rung in search.rungs_.rungs:
        members = (results["bracket"] == rung.bracket) & (results["iter"] == rung.iter)
        assert rung.n_failures == failed[members].sum()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_scores_that_are_not_finite_are_kept(classification, value):
    """NaN and infinities stand in cv_results_ as the scorer gave them, without a failure."""
    with pytest.warns(UserWarning, match=f"{value}.* in .* evaluations".replace("nan", "NaN")):
        search = contrary_search(scoring=Fussy(value)).fit(*classification)

    results = search.cv_results_
    odd = results["param_quality"] < 0.5
    np.testing.assert_array_equal(results["mean_test_score"][odd], value)
    assert all(rung.n_failures == 0 for rung in search.rungs_.rungs)
    if value != np.inf:
        assert search.best_params_["quality"] > 0.5


def test_nothing_finite_is_an_error_that_says_so(classification):
    """Where every score is NaN, fit raises, and keeps the table."""
    search = contrary_search(scoring=lambda estimator, X, y: np.nan)

    with pytest.raises(ValueError, match=r"(?s)finite score.*NaN or infinite"):
        search.fit(*classification)

    assert np.isnan(search.cv_results_["mean_test_score"]).all()


def test_metric_that_fails_leaves_the_other(classification):
    """Of several scorers, one that raises costs its own metric only."""
    search = contrary_search(scoring={"up": up, "odd": Fussy(ArithmeticError("no"))}, rank_by="up")

    with pytest.warns(FitFailedWarning, match="ArithmeticError: no"):
        search.fit(*classification)

    results = search.cv_results_
    failed = results["param_quality"] < 0.5
    np.testing.assert_array_equal(np.isnan(results["mean_test_odd"].astype(float)), failed)
    np.testing.assert_array_equal(results["mean_test_up"], results["param_quality"].astype(float))
    assert results["rank_test_odd"][failed].min() > results["rank_test_odd"][~failed].max()


def test_metric_that_promotes_may_fail(classification):
    """A candidate whose promoting metric failed does not go on before one that has it."""
    search = contrary_search(
        scoring={"down": down, "odd": Fussy(ArithmeticError("no"))}, rank_by="odd"
    )

    with pytest.warns(FitFailedWarning, match="ArithmeticError: no"):
        search.fit(*classification)

    assert search.best_params_["quality"] > 0.5
    assert np.isfinite(search.cv_results_["mean_test_down"]).all()


@pytest.mark.parametrize("left_out_below", [True, False])
def test_metric_that_a_callable_leaves_out_is_an_error_score(classification, left_out_below):
    """A dict without a metric that other evaluations gave counts as failed, also the first one."""

    def leaves_out(quality):
        return (quality < 0.5) == left_out_below

    def scorer(estimator, X, y):
        scores = {"up": estimator.quality, "other": 1.0}
        return {"up": estimator.quality} if leaves_out(estimator.quality) else scores

    search = contrary_search(scoring=scorer, rank_by="up").fit(*classification)

    results = search.cv_results_
    assert 0 < np.isnan(results["mean_test_other"]).sum() < len(results["params"])
    np.testing.assert_array_equal(
        np.isnan(results["mean_test_other"]), leaves_out(results["param_quality"].astype(float))
    )


def test_callable_may_name_another_metric_for_each_candidate(classification):
    """What each returns is its score; the columns are those of all, the first one's promotes."""

    def scorer(estimator, X, y):
        return {"low" if estimator.quality < 0.5 else "high": estimator.quality}

    search = contrary_search(scoring=scorer, rank_by=None, refit=True).fit(*classification)

    results = search.cv_results_
    is_low = results["param_quality"].astype(float) < 0.5
    assert 0 < is_low.sum() < len(is_low)
    np.testing.assert_array_equal(np.isnan(results["mean_test_low"]), ~is_low)
    np.testing.assert_array_equal(np.isnan(results["mean_test_high"]), is_low)


def test_callable_that_always_fails_is_not_blamed_on_rank_by(classification, search_class):
    """Nothing has said yet whether it returns several metrics; its own error counts."""

    def scorer(estimator, X, y):
        raise NameError("undefined_name")

    search = search_class(
        Scored(), {"quality": uniform()}, scoring=scorer, rank_by="auc", resource="n_units"
    ).set_params(max_resources=9)

    with pytest.raises(ValueError, match=r"\Aundefined_name \(NameError\)"):
        search.fit(*classification)

    assert search.stop_reason_ == "interrupted"
    assert np.isnan(search.cv_results_["mean_test_score"]).all()


SCORERS_THAT_RAISE = {
    "one": {"scoring": Fussy(ArithmeticError("the scorer"))},
    "several": {
        "scoring": {"up": up, "odd": Fussy(ArithmeticError("the scorer"))},
        "rank_by": "up",
    },
}


@pytest.mark.parametrize("options", SCORERS_THAT_RAISE.values(), ids=SCORERS_THAT_RAISE)
def test_error_score_raise_gives_the_scorers_own_error(classification, search_class, options):
    """error_score="raise" ends the search with the scorer's exception."""
    search = contrary_search(search_class, error_score="raise", **options)

    with pytest.raises(ArithmeticError, match="the scorer"):
        search.fit(*classification)


ODD_ANSWERS = {
    "string": "good",
    "none": None,
    "list": [1.0, 2.0],
    "dict-of-strings": {"up": "good"},
    "complex": 1j,
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_scorer_that_gives_no_number_ends_the_search(classification, answer, error_score):
    """What is no score is an error after one evaluation, whatever error_score says."""
    Fits.n = 0
    search = contrary_search(scoring=lambda estimator, X, y: answer, error_score=error_score)

    with pytest.raises((ValueError, TypeError), match=r"scoring.*must return a number"):
        search.fit(*classification)

    assert Fits.n == 1


@pytest.mark.parametrize(
    "as_type",
    [np.float32, np.int64, np.bool_, lambda x: np.array(x), lambda x: np.array([x])],
    ids=["float32", "int64", "bool", "0-d", "1-element"],
)
def test_scorer_may_give_any_kind_of_number(classification, as_type):
    """NumPy's numbers, truth values and arrays of one count as numbers."""
    search = contrary_search(scoring=lambda estimator, X, y: as_type(estimator.quality > 0.5))

    search.fit(*classification)

    assert search.best_score_ == 1.0
    assert search.cv_results_["mean_test_score"].dtype == float


# --- fit parameters, routing off ---------------------------------------------------


class Weighed(GaussianNB):
    """Takes no weights to fit, and so no notice of them."""

    def fit(self, X, y, bias=None):
        """Fit without weights."""
        self.bias_ = bias
        return super().fit(X, y)


def weights_of(X):
    """Return a weight for each sample."""
    return 0.1 + X[:, 0] ** 2


def groups_of(X):
    """Return a group for each sample."""
    return np.arange(len(X)) % 6


def assert_like_grid_search(search, X, y, **params):
    """Compare the top level's scores with those of a grid search over its candidates."""
    results = search.cv_results_
    rows = rows_at_top(results)
    grid = [{k: [v] for k, v in results["params"][row].items()} for row in rows]
    other = GridSearchCV(
        search.estimator, grid, scoring=search.scoring, cv=search.cv, refit=False
    ).fit(X, y, **params)
    for name in [name for name in other.cv_results_ if "_test_" in name and "rank" not in name]:
        np.testing.assert_array_equal(results[name][rows], other.cv_results_[name], err_msg=name)


def test_sample_weight_reaches_estimator_and_scorer(classification, search_class):
    """Without routing, weights go where GridSearchCV brings them, and change the scores."""
    X, y = classification
    search = search_of(search_class, scoring="accuracy").fit(X, y, sample_weight=weights_of(X))

    unweighted = search_of(search_class, scoring="accuracy").fit(X, y)

    assert_like_grid_search(search, X, y, sample_weight=weights_of(X))
    assert not np.array_equal(
        search.cv_results_["mean_test_score"], unweighted.cv_results_["mean_test_score"]
    )


def test_refit_is_weighted(classification):
    """The best estimator is fitted with the weights of all rows."""
    X, y = classification
    search = search_of().fit(X, y, sample_weight=weights_of(X))

    alone = GaussianNB(**search.best_params_).fit(X, y, sample_weight=weights_of(X))

    np.testing.assert_array_equal(search.best_estimator_.theta_, alone.theta_)


def test_sample_weight_reaches_several_scorers(classification):
    """Several metrics are weighted as GridSearchCV weights them."""
    X, y = classification
    search = search_of(scoring=TWO, rank_by="roc_auc").fit(X, y, sample_weight=weights_of(X))

    assert_like_grid_search(search, X, y, sample_weight=weights_of(X))


def test_sample_weight_reaches_a_step_of_a_pipeline(classification):
    """A nested name brings weights to the step."""
    X, y = classification
    pipeline = make_pipeline(StandardScaler(), GaussianNB())
    search = search_of(
        estimator=pipeline, space={"gaussiannb__var_smoothing": loguniform(1e-9, 10)}
    ).fit(X, y, gaussiannb__sample_weight=weights_of(X))

    assert_like_grid_search(search, X, y, gaussiannb__sample_weight=weights_of(X))


@pytest.mark.parametrize("as_type", [list, tuple, np.float32], ids=["list", "tuple", "float32"])
def test_weights_may_be_of_any_type(classification, as_type):
    """Weights are cut from what they come in."""
    X, y = classification
    weights = as_type(np.round(weights_of(X)).astype(np.float32) + 1)
    plain = np.round(weights_of(X)).astype(np.float32) + 1

    search = search_of(scoring="accuracy").fit(X, y, sample_weight=weights)

    assert_like_grid_search(search, X, y, sample_weight=plain)


@pytest.mark.parametrize("bias", [None, 3, "text", [1, 2], np.zeros(2)], ids=repr)
def test_parameter_without_a_value_for_each_sample_is_passed_whole(classification, bias):
    """What is not as long as X is handed on as it is."""
    search = search_of(estimator=Weighed(), error_score="raise").fit(*classification, bias=bias)

    np.testing.assert_equal(search.best_estimator_.bias_, bias)


def test_groups_reach_the_splitter(classification, search_class):
    """Without routing, groups go to the splitter and nowhere else."""
    X, y = classification
    search = search_of(search_class, cv=GroupKFold(3)).fit(X, y, groups=groups_of(X))

    assert search.n_splits_ == 3
    assert_like_cross_validate(search, X, y, groups=groups_of(X))


def test_missing_groups_are_an_error(classification):
    """A splitter that needs groups says so before anything is fitted."""
    Fits.n = 0

    with pytest.raises(ValueError, match="groups"):
        contrary_search(scoring=up, cv=GroupKFold(3)).fit(*classification)

    assert Fits.n == 0


# --- fit parameters, routing on ----------------------------------------------------


@pytest.fixture
def routing():
    """Enable metadata routing for a test."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def bonus_of(y, predicted, bonus=None):
    """Return the accuracy, and the mean of what was routed here."""
    return accuracy_score(y, predicted) + (0.0 if bonus is None else float(np.mean(bonus)))


def weighted_classifier(**requests):
    """Return a classifier that wants weights in fit."""
    return GaussianNB().set_fit_request(sample_weight=requests.get("sample_weight", True))


def weighted_accuracy(**requests):
    """Return a scorer that wants weights."""
    return make_scorer(accuracy_score).set_score_request(
        sample_weight=requests.get("sample_weight", True)
    )


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("to_fit", [True, False, "fit_weight"], ids=["fit", "not-fit", "alias"])
@pytest.mark.parametrize(
    "to_score", [True, False, "score_weight"], ids=["score", "not-score", "alias"]
)
def test_weights_are_routed_to_whom_they_are_for(classification, to_fit, to_score):
    """Estimator and scorer get what they request, under the name that they request."""
    X, y = classification
    params = {
        "sample_weight" if wanted is True else wanted: weights_of(X) * factor
        for wanted, factor in ((to_fit, 1.0), (to_score, 2.0))
        if wanted
    }
    search = search_of(
        SuccessiveHalvingSearchCV,
        estimator=weighted_classifier(sample_weight=to_fit),
        scoring=weighted_accuracy(sample_weight=to_score),
    ).fit(X, y, **params)

    assert_like_cross_validate(search, X, y, params=params)


@pytest.mark.usefixtures("routing")
def test_groups_weights_and_score_parameters_are_routed_together(classification, search_class):
    """Splitter, estimator and scorers each get their own, through a pipeline too."""
    X, y = classification
    params = {"groups": groups_of(X), "sample_weight": weights_of(X), "bonus": X[:, 1]}
    pipeline = make_pipeline(
        StandardScaler().set_fit_request(sample_weight=False), weighted_classifier()
    )
    search = search_of(
        search_class,
        estimator=pipeline,
        space={"gaussiannb__var_smoothing": loguniform(1e-9, 10)},
        scoring={
            "weighted": weighted_accuracy(),
            "bonus": make_scorer(bonus_of).set_score_request(bonus=True),
        },
        rank_by="weighted",
        cv=GroupKFold(3),
        return_train_score=True,
    ).fit(X, y, **params)

    assert_like_cross_validate(search, X, y, params=params)


@pytest.mark.usefixtures("routing")
def test_score_takes_routed_parameters(classification):
    """After fit, score hands the scorer what it requests."""
    X, y = classification
    search = search_of(estimator=weighted_classifier(), scoring=weighted_accuracy())
    search.fit(X, y, sample_weight=weights_of(X))

    score = search.score(X, y, sample_weight=weights_of(X))

    assert score == accuracy_score(y, search.predict(X), sample_weight=weights_of(X))
    assert score != search.score(X, y)


@pytest.mark.usefixtures("routing")
def test_score_of_several_metrics_takes_routed_parameters(classification):
    """With several metrics too, the one that counts is given what it requests."""
    X, y = classification
    search = search_of(
        estimator=weighted_classifier(),
        scoring={
            "weighted": weighted_accuracy(),
            "plain": make_scorer(f1_score).set_score_request(sample_weight=False),
        },
        rank_by="weighted",
    )
    search.fit(X, y, sample_weight=weights_of(X))

    score = search.score(X, y, sample_weight=weights_of(X))

    assert score == accuracy_score(y, search.predict(X), sample_weight=weights_of(X))


@pytest.mark.usefixtures("routing")
def test_weights_that_nobody_decided_on_are_an_error(classification):
    """Passing what the estimator neither requests nor declines raises."""
    X, y = classification
    search = search_of(scoring=weighted_accuracy())

    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        search.fit(X, y, sample_weight=weights_of(X))


@pytest.mark.usefixtures("routing")
def test_metadata_that_nobody_takes_is_an_error(classification):
    """Passing what neither estimator, scorer nor splitter knows raises before any fit."""
    X, y = classification
    Fits.n = 0

    with pytest.raises(TypeError, match="colour"):
        contrary_search(scoring=make_scorer(accuracy_score)).fit(X, y, colour=X[:, 0])

    assert Fits.n == 0


@pytest.mark.usefixtures("routing")
def test_metadata_is_routed_through_the_search(classification, search_class):
    """An outer cross-validation brings weights and groups into the search."""
    X, y = classification
    params = {"sample_weight": weights_of(X), "groups": groups_of(X)}
    search = search_of(
        search_class,
        estimator=weighted_classifier(),
        scoring=weighted_accuracy(),
        cv=GroupKFold(3),
        min_resources=40,
    )

    scores = cross_validate(search, X, y, params=params, cv=KFold(2), return_estimator=True)

    for (train, _), fitted in zip(KFold(2).split(X), scores["estimator"], strict=True):
        alone = clone(search).fit(
            X[train], y[train], **{name: value[train] for name, value in params.items()}
        )
        np.testing.assert_array_equal(
            fitted.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
        )


@pytest.mark.usefixtures("routing")
def test_routing_reaches_the_workers(classification, assert_same_results):
    """Worker processes see that routing is on, and get the same metadata."""
    X, y = classification
    options = {
        "estimator": make_pipeline(StandardScaler(), weighted_classifier()),
        "space": {"gaussiannb__var_smoothing": loguniform(1e-9, 10)},
        "scoring": weighted_accuracy(),
        "error_score": "raise",
    }
    options["estimator"][0].set_fit_request(sample_weight=True)
    params = {"sample_weight": weights_of(X)}

    one = search_of(**options).fit(X, y, **params)
    two = search_of(n_jobs=2, **options).fit(X, y, **params)

    assert_same_results(one.cv_results_, two.cv_results_)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scoring_that_is_wrong_costs_few_evaluations(classification, tmp_path, n_jobs):
    """What the scorer returned raises as soon as it is seen, not after the level."""
    search = published(
        SuccessiveHalvingSearchCV,
        Noting(notes=str(tmp_path)),
        {"quality": np.linspace(0, 1, 1000)},
        n_candidates="all",
        resource="n_units",
        max_resources=9,
        scoring=lambda estimator, X, y: "good",
        n_jobs=n_jobs,
    )

    with pytest.raises(ValueError, match="scoring must return a number"):
        search.fit(*classification)

    n_fits = sum(len(notes.read_text().splitlines()) for notes in tmp_path.iterdir())
    assert 1 <= n_fits < 1000


def test_callable_refit_is_given_rows_with_a_score(classification):
    """Where all finalists failed, it chooses among the level below, as refit=True does."""
    given = []

    def best(results):
        given.append(results["n_resources"].tolist())
        return int(np.argmax(results["mean_test_score"]))

    options = {"resource": "n_units", "max_resources": 9, "min_resources": 1, "random_state": 0}
    estimator = Failing(below=2.0, from_units=9)
    space = {"quality": np.linspace(0.05, 0.95, 9)}
    expected, search = (
        SuccessiveHalvingSearchCV(estimator, space, n_candidates=9, refit=refit, cv=2, **options)
        for refit in (True, best)
    )
    for one in (expected, search):
        with (
            pytest.warns(FitFailedWarning),
            pytest.warns(UserWarning, match="No candidate has a score with n_units=9"),
        ):
            one.fit(*classification)

    assert 9 not in given[0]
    assert search.best_index_ == expected.best_index_
