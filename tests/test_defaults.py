import warnings

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import LeaveOneOut, RepeatedKFold, RepeatedStratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from tests.estimators import Sampled, Scored

QUALITY = {"quality": uniform()}


def schedule(plan):
    """Return each bracket as "candidates@resources/splits", from the lowest rung upwards."""
    return [
        " ".join(f"{r.n_candidates}@{r.n_resources}/{r.n_splits}" for r in bracket.rungs)
        for bracket in plan.brackets
    ]


# --- the whole plan ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_samples", "brackets"),
    [
        pytest.param(
            90,
            ["9@50/3 3@90/5"],
            id="90, test parts of 18",
        ),
        pytest.param(
            300,
            ["9@166/1 3@300/2 1@300/5", "5@300/2 1@300/5"],
            id="300, test parts of 60",
        ),
        pytest.param(
            9000,
            ["9@5000/1 3@9000/2 1@9000/5", "5@9000/2 1@9000/5"],
            id="9,000",
        ),
    ],
)
def test_hyperband_by_samples(n_samples, brackets):
    """One split ranks first where it is large enough, in three rounds without a random search."""
    search = HyperbandSearchCV(Scored(), QUALITY)

    assert schedule(search.plan(n_samples=n_samples, n_classes=2)) == brackets * 3


@pytest.mark.parametrize(
    ("n_samples", "brackets"),
    [
        pytest.param(90, ["18@50/3 6@90/5"], id="90, test parts of 18"),
        pytest.param(300, ["54@166/1 18@300/2 6@300/5"], id="300, test parts of 60"),
        pytest.param(9000, ["54@5000/1 18@9000/2 6@9000/5"], id="9,000"),
    ],
)
def test_successive_halving_by_samples(n_samples, brackets):
    """It has more candidates than a round of Hyperband, and ends with twice as many as the factor."""
    search = SuccessiveHalvingSearchCV(Scored(), QUALITY)

    assert schedule(search.plan(n_samples=n_samples, n_classes=2)) == brackets


@pytest.mark.parametrize(
    ("search_class", "brackets"),
    [
        pytest.param(
            HyperbandSearchCV,
            ["9@55/1 3@100/2 1@100/5", "5@100/2 1@100/5"] * 3,
            id="hb",
        ),
        pytest.param(SuccessiveHalvingSearchCV, ["54@55/1 18@100/2 6@100/5"], id="sh"),
    ],
)
def test_plan_of_a_forest(search_class, brackets):
    """A forest is searched by its trees, of which it has 100."""
    plan = search_class(RandomForestClassifier(), {"max_depth": range(1, 99)}).plan(
        n_samples=5000, n_classes=2
    )

    assert plan.resource == "n_estimators"
    assert schedule(plan) == brackets


@pytest.mark.parametrize(
    ("R", "factor", "widest"),
    [
        (81, 3, "9@45/1 3@81/2 1@81/5"),
        (64, 2, "9@40/1 4@64/2 2@64/3 1@64/5"),
        (100, 4, "16@31/1 4@100/2 1@100/5"),
        (10, 3, "9@5/1 3@10/2 1@10/5"),
    ],
)
def test_hyperband_by_a_parameter(R, factor, widest):
    """The lowest rung has at least a factor-th of all on one split, and nine candidates or more."""
    search = HyperbandSearchCV(
        Scored(), QUALITY, resource="n_units", max_resources=R, factor=factor
    )

    assert schedule(search.plan())[0] == widest


@pytest.mark.parametrize(
    ("search_class", "defaults"),
    [
        pytest.param(
            HyperbandSearchCV,
            {"sampler": "model", "promotion": "level", "n_repeats": 3},
            id="hb",
        ),
        pytest.param(SuccessiveHalvingSearchCV, {"sampler": "random"}, id="sh"),
    ],
)
def test_what_the_plan_does_not_show(search_class, defaults):
    """Hyperband learns from round to round; its brackets compete for places on the next rungs."""
    params = search_class(Scored(), QUALITY).get_params()

    assert {name: params[name] for name in defaults} == defaults


# --- the published schedule --------------------------------------------------------

PUBLISHED = [
    pytest.param(
        81,
        3,
        "81@1 27@3 9@9 3@27 1@81 · 34@3 11@9 3@27 1@81 · 15@9 5@27 1@81 · 8@27 2@81 · 5@81",
        id="81-3-1",
    ),
    pytest.param(27, 3, "27@1 9@3 3@9 1@27 · 12@3 4@9 1@27 · 6@9 2@27 · 4@27", id="27-3-1"),
    pytest.param(
        64,
        2,
        "64@1 32@2 16@4 8@8 4@16 2@32 1@64 · 38@2 19@4 9@8 4@16 2@32 1@64 · "
        "23@4 11@8 5@16 2@32 1@64 · 14@8 7@16 3@32 1@64 · 10@16 5@32 2@64 · 7@32 3@64 · 7@64",
        id="64-2-1",
    ),
    pytest.param(
        100, 4, "64@1 16@6 4@25 1@100 · 22@6 5@25 1@100 · 8@25 2@100 · 4@100", id="100-4-1"
    ),
]


def without_splits(plan):
    """Return the brackets as DESIGN.md writes them, where every rung uses all splits."""
    assert {rung.n_splits for rung in plan.rungs} == {plan.n_splits}
    return " · ".join(
        " ".join(f"{rung.n_candidates}@{rung.n_resources}" for rung in bracket.rungs)
        for bracket in plan.brackets
    )


@pytest.mark.parametrize(("R", "factor", "brackets"), PUBLISHED)
def test_published_hyperband_is_one_line_away(R, factor, brackets):
    """A few words and a number give the brackets of the paper."""
    search = HyperbandSearchCV(
        Scored(), QUALITY, resource="n_units", max_resources=R, factor=factor
    ).set_params(min_splits=None, n_brackets="all", n_repeats=1, min_resources="smallest")

    assert without_splits(search.plan()) == brackets


@pytest.mark.parametrize(("R", "factor", "brackets"), PUBLISHED)
def test_published_successive_halving_is_one_line_away(R, factor, brackets):
    """Three words give the widest bracket of the paper."""
    search = SuccessiveHalvingSearchCV(
        Scored(), QUALITY, resource="n_units", max_resources=R, factor=factor
    ).set_params(min_splits=None, n_candidates="exhaust", min_resources="smallest")

    assert without_splits(search.plan()) == brackets.partition(" · ")[0]


# --- one parameter at a time -------------------------------------------------------


@pytest.mark.parametrize(
    ("n_brackets", "sizes"),
    [
        pytest.param("auto", [27, 12, 6], id="auto"),
        pytest.param("all", [27, 12, 6, 4], id="all"),
        pytest.param(1, [27], id="one"),
        pytest.param(9, [27, 12, 6, 4], id="more than there are"),
    ],
)
def test_n_brackets(n_brackets, sizes):
    """The last bracket, a random search, is left out unless it is asked for."""
    plan = HyperbandSearchCV(
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=81,
        min_resources=9,
        n_brackets=n_brackets,
        n_repeats=1,
    ).plan()

    assert [bracket.n_candidates for bracket in plan.brackets] == sizes


def test_the_only_bracket_is_kept():
    """Where nothing can be halved, the random search is all there is."""
    search = HyperbandSearchCV(
        Scored(), QUALITY, min_resources=90, min_splits=None, n_candidates=2, n_repeats=1
    )

    assert schedule(search.plan(n_samples=100, n_classes=2)) == ["2@100/5"]


@pytest.mark.parametrize(
    ("n_candidates", "factor", "sizes"),
    [
        pytest.param("auto", 3, [54, 18, 6], id="auto"),
        pytest.param("exhaust", 3, [9, 3, 1], id="exhaust"),
        pytest.param("auto", 2.5, [31, 12, 4], id="auto with a fraction"),
        pytest.param(10, 3, [10, 3, 1], id="number"),
    ],
)
def test_n_candidates_of_successive_halving(n_candidates, factor, sizes):
    """Halvings leave twice as many candidates as the factor says, one, or what a number leaves."""
    plan = SuccessiveHalvingSearchCV(
        Scored(),
        QUALITY,
        resource="n_units",
        max_resources=100,
        n_candidates=n_candidates,
        factor=factor,
    ).plan()

    assert [rung.n_candidates for rung in plan.rungs] == sizes


def test_the_whole_grid_is_still_a_word():
    """Every point of the grid enters, whatever the halvings leave of them."""
    grid = {"quality": np.linspace(0, 1, 20)}

    plan = SuccessiveHalvingSearchCV(Scored(), grid, n_candidates="all").plan(
        n_samples=1000, n_classes=2
    )

    assert [rung.n_candidates for rung in plan.rungs] == [20, 6, 2]


@pytest.mark.parametrize("min_resources", ["auto", "exhaust"])
def test_exhaust_means_auto(min_resources):
    """The word of scikit-learn's searches is taken, and adds nothing."""
    plan = HyperbandSearchCV(
        Scored(), QUALITY, resource="n_units", max_resources=81, min_resources=min_resources
    ).plan()

    assert plan.min_resources == 27


@pytest.mark.parametrize(
    ("cv", "n_samples", "lowest"),
    [
        pytest.param(LeaveOneOut(), 100, (66, 50), id="leave one out"),
        pytest.param(
            RepeatedStratifiedKFold(n_splits=5, n_repeats=10), 300, (185, 1), id="repeats"
        ),
        pytest.param(RepeatedKFold(n_splits=10, n_repeats=20), 120, (59, 5), id="many repeats"),
        pytest.param(5, 100, (55, 3), id="folds"),
    ],
)
def test_many_splits_of_few_samples_can_be_searched(cv, n_samples, lowest):
    """The lowest rung does not grow with the splits and repeats."""
    X, y = np.zeros((n_samples, 1)), np.arange(n_samples) % 2

    plan = HyperbandSearchCV(Scored(), QUALITY, cv=cv).plan(X, y)

    assert (plan.rungs[0].n_resources, plan.rungs[0].n_splits) == lowest
    assert plan.n_candidates >= 9


# --- small data --------------------------------------------------------------------


NO_ROOM = [
    pytest.param({}, {"n_samples": 12, "n_classes": 2}, id="one rung"),
    pytest.param({}, {"n_samples": 60, "n_classes": 10}, id="many classes"),
    pytest.param({"min_resources": 400, "min_splits": None}, {"n_samples": 500}, id="bound"),
    pytest.param(
        {"resource": "n_units", "max_resources": 2, "min_splits": None}, {}, id="parameter"
    ),
]
LITTLE_ROOM = pytest.param(
    {"factor": 2, "min_splits": None}, {"n_samples": 500, "n_classes": 2}, id="factor"
)


@pytest.mark.parametrize(("options", "size"), [*NO_ROOM, LITTLE_ROOM])
def test_few_candidates_are_a_warning(options, size):
    """Where next to nothing is compared, the plan says so and names what to do."""
    search = SuccessiveHalvingSearchCV(Scored(), QUALITY, **options)

    with pytest.warns(UserWarning, match="(?s)resources.*RandomizedSearchCV"):
        plan = search.plan(**size)

    assert plan.n_candidates < 9


@pytest.mark.parametrize(("options", "size"), NO_ROOM)
def test_nothing_to_halve_is_a_warning(options, size):
    """Hyperband has nine candidates in each round, but where none is discarded it says so."""
    search = HyperbandSearchCV(Scored(), QUALITY, **options)

    with pytest.warns(UserWarning, match="(?s)no room.*all 9 candidates.*RandomizedSearchCV"):
        plan = search.plan(**size)

    assert [[rung.n_candidates for rung in b.rungs] for b in plan.brackets] == [[9]] * 3


@pytest.mark.parametrize(("options", "size"), [LITTLE_ROOM])
def test_nine_candidates_and_one_halving_are_enough(options, size):
    """Hyperband has no fewer than nine candidates where little can be halved."""
    plan = HyperbandSearchCV(Scored(), QUALITY, **options).plan(**size)

    assert [[rung.n_candidates for rung in b.rungs] for b in plan.brackets] == [[9, 4]] * 3


def test_following_the_warning_ends_it():
    """The number that the warning names leaves enough to compare."""
    size = {"n_samples": 500, "n_classes": 2}
    search = SuccessiveHalvingSearchCV(Scored(), QUALITY, factor=2, min_splits=None)

    with pytest.warns(UserWarning, match="min_resources=31"):
        search.plan(**size)

    assert search.set_params(min_resources=31).plan(**size).n_candidates >= 9


@pytest.mark.parametrize(
    ("space", "options"),
    [
        pytest.param(QUALITY, {"n_candidates": 1}, id="one candidate"),
        pytest.param(QUALITY, {"n_candidates": 5}, id="few candidates"),
        pytest.param({"quality": [0.1, 0.2]}, {}, id="few points"),
        pytest.param(QUALITY, {"n_candidates": 5, "min_resources": 500}, id="one rung"),
    ],
)
def test_few_candidates_that_were_asked_for_are_none(search_class, space, options):
    """A number of the user's own, or a small space, is no reason to warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = search_class(Scored(), space, **options).plan(n_samples=500, n_classes=2)

    assert 1 <= plan.n_candidates < 9 or "n_candidates" in options


# --- which resource ----------------------------------------------------------------

DEPTH = {"max_depth": range(1, 9)}


def chosen(estimator, space=None, **options):
    """Return the resource that a search of this estimator chooses."""
    space = space or {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Some have so few trees that next to nothing is compared.
        plan = HyperbandSearchCV(estimator, space, **options).plan(n_samples=9000, n_classes=2)
    return plan.resource, plan.max_resources


@pytest.mark.parametrize(
    ("estimator", "resource", "max_resources"),
    [
        pytest.param(RandomForestClassifier(), "n_estimators", 100, id="forest"),
        pytest.param(ExtraTreesRegressor(n_estimators=30), "n_estimators", 30, id="extra trees"),
        pytest.param(BaggingClassifier(), "n_estimators", 10, id="bagging"),
        pytest.param(GradientBoostingClassifier(), "n_estimators", 100, id="boosting"),
        pytest.param(HistGradientBoostingClassifier(), "max_iter", 100, id="histograms"),
        pytest.param(
            HistGradientBoostingRegressor(early_stopping=True, max_iter=500),
            "max_iter",
            500,
            id="early stopping",
        ),
        pytest.param(
            make_pipeline(StandardScaler(), RandomForestClassifier()),
            "randomforestclassifier__n_estimators",
            100,
            id="last step",
        ),
    ],
)
def test_trees_and_iterations_are_chosen(estimator, resource, max_resources):
    """An estimator whose training continues exactly is searched by its number of iterations."""
    assert chosen(estimator) == (resource, max_resources)


class Boosted(RandomForestClassifier):
    """A class of the user's own, whose fit may do anything."""


class Counting(BaseEstimator):
    """Has a number of trees of which nothing is known."""

    def __init__(self, n_estimators=100):
        self.n_estimators = n_estimators


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(Ridge(), id="no count"),
        pytest.param(DecisionTreeClassifier(), id="tree"),
        pytest.param(LogisticRegression(), id="solver"),
        pytest.param(MLPClassifier(), id="epochs"),
        pytest.param(SGDClassifier(), id="partial_fit"),
        pytest.param(Counting(), id="unknown class"),
        pytest.param(Boosted(), id="subclass"),
        pytest.param(
            RandomForestClassifier(random_state=np.random.RandomState(0)), id="running generator"
        ),
        pytest.param(BaggingClassifier(oob_score=True), id="refuses to continue"),
        pytest.param(GradientBoostingClassifier(n_iter_no_change=5), id="continues sometimes"),
        pytest.param(make_pipeline(PCA(), RandomForestClassifier()), id="step that rounds"),
        pytest.param(make_pipeline(RandomForestClassifier(), "passthrough"), id="not the last"),
        pytest.param(Pipeline([]), id="no steps"),
    ],
)
def test_samples_are_chosen_otherwise(estimator):
    """Where a fit is not continued exactly, or not at all, the samples are the resource."""
    assert chosen(estimator) == ("n_samples", 9000)


@pytest.mark.parametrize(
    ("estimator", "space", "options"),
    [
        pytest.param(RandomForestClassifier(), {"n_estimators": [10, 100]}, {}, id="dict"),
        pytest.param(
            RandomForestClassifier(), [DEPTH, {"n_estimators": [10, 100]}], {}, id="one of several"
        ),
        pytest.param(
            RandomForestClassifier(),
            DEPTH,
            {"initial_candidates": [{"max_depth": 2}, {"n_estimators": 50}]},
            id="initial candidate",
        ),
        pytest.param(
            Pipeline([("clf", RandomForestClassifier())]),
            {"clf__n_estimators": [10, 100]},
            {},
            id="of a step",
        ),
        pytest.param(
            Pipeline([("clf", RandomForestClassifier())]),
            {"clf": [RandomForestClassifier(), LogisticRegression()]},
            {},
            id="the step",
        ),
        pytest.param(
            Pipeline([("clf", RandomForestClassifier())]),
            {"steps": [[("clf", LogisticRegression())]]},
            {},
            id="all steps",
        ),
    ],
)
def test_what_is_searched_over_is_never_chosen(estimator, space, options):
    """A count that candidates set stays theirs."""
    assert chosen(estimator, space, **options)[0] == "n_samples"


# With these, CatBoost needs no random state.
EXACT_CATBOOST = {
    "bootstrap_type": "No",
    "random_strength": 0,
    "boosting_type": "Plain",
    "loss_function": "MultiClass",
}


@pytest.mark.parametrize(
    ("make", "options", "expected"),
    [
        pytest.param("lightgbm.LGBMClassifier()", {}, ("n_estimators", 100), id="lightgbm"),
        pytest.param(
            "lightgbm.LGBMClassifier(num_iterations=50)", {}, ("n_samples", 9000), id="its alias"
        ),
        pytest.param(
            "lightgbm.LGBMClassifier(boosting_type='dart')", {}, ("n_samples", 9000), id="dart"
        ),
        pytest.param("xgboost.XGBClassifier()", {}, ("n_samples", 9000), id="xgboost, no number"),
        pytest.param(
            "xgboost.XGBClassifier()", {"max_resources": 60}, ("n_estimators", 60), id="xgboost"
        ),
        pytest.param(
            "xgboost.XGBClassifier(n_estimators=40)", {}, ("n_estimators", 40), id="xgboost, set"
        ),
        pytest.param(
            "xgboost.XGBClassifier(n_estimators=40, subsample=0.5)",
            {},
            ("n_samples", 9000),
            id="xgboost, sampled",
        ),
        pytest.param(
            "catboost.CatBoostClassifier(iterations=50, learning_rate=0.1, **EXACT)",
            {},
            ("iterations", 50),
            id="catboost",
        ),
        pytest.param(
            "catboost.CatBoostClassifier(num_trees=50, learning_rate=0.1, **EXACT)",
            {},
            ("num_trees", 50),
            id="catboost, other name",
        ),
        pytest.param(
            "catboost.CatBoostClassifier(iterations=50, learning_rate=0.1)",
            {},
            ("n_samples", 9000),
            id="catboost, by chance",
        ),
    ],
)
def test_what_is_chosen_of_other_libraries(make, options, expected):
    """The same holds for the libraries whose training can be continued."""
    package, _, call = make.partition(".")
    module = pytest.importorskip(package)
    estimator = eval(f"module.{call}", {"module": module, "EXACT": EXACT_CATBOOST})

    assert chosen(estimator, **options) == expected


@pytest.mark.parametrize("other", ["num_iterations", "n_iter", "num_boost_round"])
def test_other_names_of_the_count_are_searched_over_too(other):
    """LightGBM knows its number of rounds by several names."""
    lightgbm = pytest.importorskip("lightgbm")

    assert chosen(lightgbm.LGBMClassifier(), {other: [10, 20]})[0] == "n_samples"


def test_the_choice_does_not_depend_on_whether_training_is_continued(search_class):
    """The schedule is the same, so that the results are."""
    plans = [
        search_class(RandomForestClassifier(), DEPTH, n_candidates=9, continue_training=mode).plan(
            n_samples=9000, n_classes=2
        )
        for mode in ("auto", True, False)
    ]

    assert {plan.resource for plan in plans} == {"n_estimators"}


@pytest.mark.parametrize(
    ("estimator", "resource"),
    [
        pytest.param(RandomForestClassifier(9, random_state=0), "n_estimators", id="forest"),
        pytest.param(DecisionTreeClassifier(random_state=0), "n_samples", id="tree"),
    ],
)
def test_the_choice_is_said(classification, search_class, capsys, estimator, resource):
    """The plan, the headings of verbose and an attribute name the resource."""
    space = {"min_samples_leaf": range(1, 50)}
    search = search_class(estimator, space, verbose=1, random_state=0).fit(*classification)

    headings = capsys.readouterr().out.splitlines()[0]
    assert search.resource_ == resource
    assert search.resource == "auto"
    assert f"candidates for {resource}, " in str(search.plan(*classification))
    assert f" {resource} " in headings


def test_the_chosen_count_is_continued_and_refitted(classification):
    """The training of promoted forests is continued, and the best is refitted with all trees."""
    space = {"min_samples_leaf": range(1, 50)}
    search = SuccessiveHalvingSearchCV(
        RandomForestClassifier(30, random_state=0), space, random_state=0
    ).fit(*classification)

    results = search.cv_results_
    promoted = results["n_resources_trained"][results["iter"] > 0]
    assert search.best_params_["n_estimators"] == 30
    assert len(search.best_estimator_.estimators_) == 30
    assert (promoted < 30).all()


def test_the_chosen_count_is_no_candidate_of_a_sampler(classification):
    """A sampler that sets the resource is refused as with a resource that was named."""

    class Sampler:
        def ask(self, n, *, repeat, bracket):
            return [{"n_estimators": 5}] * n

        def tell(self, level):
            pass

    search = HyperbandSearchCV(RandomForestClassifier(), DEPTH, sampler=Sampler())

    with pytest.raises(ValueError, match="'n_estimators' is the resource"):
        search.fit(*classification)


@pytest.mark.parametrize("resource", ["auto", "n_samples"])
def test_parameter_that_is_called_n_samples_is_searched_over(classification, resource):
    """The rows are no parameter: one of the same name is a candidate's like any other."""
    search = HyperbandSearchCV(Sampled(), {"n_samples": range(1, 100)}, resource=resource)

    search.fit(*classification)

    results = search.cv_results_
    assert search.resource_ == "n_samples"
    assert len(set(results["param_n_samples"])) > 9
    assert search.best_estimator_.n_samples == search.best_params_["n_samples"]
    assert set(results["n_resources"]) == {rung.n_resources for rung in search.rungs_.rungs}


def test_defaults_find_a_good_model():
    """With nothing but a space, the search compares many candidates and refits the best."""
    X = np.random.default_rng(0).normal(size=(400, 4))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    space = {"max_leaf_nodes": range(2, 64), "max_features": uniform(0.1, 0.9)}

    search = HyperbandSearchCV(
        RandomForestClassifier(n_estimators=18, random_state=0), space, random_state=0
    ).fit(X, y)

    assert search.resource_ == "n_estimators"
    assert len(set(search.cv_results_["candidate_id"])) == 42
    assert search.best_score_ > 0.85


def test_aggressive_elimination_goes_on_below_the_factor():
    """With the automatic number of candidates, the lowest rung is repeated once."""
    plan = SuccessiveHalvingSearchCV(
        Scored(), QUALITY, resource="n_units", max_resources=100, aggressive_elimination=True
    ).plan()

    assert schedule(plan) == ["54@55/1 18@55/1 6@100/2 2@100/5"]
