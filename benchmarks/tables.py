"""Tables of real evaluations: test score and CPU seconds of every candidate, split and resource.

A search that is run over such a table trains nothing, so that hundreds of searches can be
compared in a minute; see ``defaults.py``. Each table is one family of estimators on a part of
one data set, with 5 splits. What it holds is exact where that is possible and measured everywhere:

- Scores are those of fresh fits. With iterations as the resource they are taken from one
  fit with R, stage by stage, which gives the same; with samples every fit is made, on the
  very rows that the searches would take.
- Seconds are those of the process on one core, `fit` and score apart. With iterations they are
  measured on one split of each candidate, at R, R/3, R/9, R/27 and R/81, and interpolated
  linearly in between; with samples each fit is measured.
- `extra_seconds` is the time by which a fit that is continued from the rung below exceeds the
  difference of the two fresh fits; NaN for families whose training does not continue exactly.

    python benchmarks/tables.py --data ../shared/data

makes the tables one after another, and goes on where it was stopped: a table's file is
written again after every 10 candidates. More `--candidates` are added to what is there.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from quality import load
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectPercentile
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer, roc_auc_score
from sklearn.model_selection import ParameterSampler, PredefinedSplit, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    LabelEncoder,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._resources import N_SAMPLES, SampleResource, order_samples

N_SPLITS = 5
CACHE = Path(__file__).parent / "_cache" / "tables"
CANDIDATES_PER_CHUNK = 10
# Few positive samples: accuracy would hardly tell the candidates apart.
SCORING = {"bank_marketing": "roc_auc"}


# --- what a table holds ------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Evaluations of one family of estimators on one data set.

    Attributes
    ----------
    name : str
    resource : str
        ``"n_samples"``, or the parameter that counts iterations.
    resources : ndarray of shape (n_resources,)
        Ascending; the last is R.
    y, fold : ndarray of shape (n_samples,)
        The classes, and in which split's test part each row is.
    scores, fit_seconds, score_seconds : ndarray of shape (n_candidates, n_splits, n_resources)
    extra_seconds : ndarray of shape (n_candidates, n_resources)
        The time of a continued fit beyond the difference of two fresh fits.
    """

    name: str
    resource: str
    resources: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    scores: np.ndarray
    fit_seconds: np.ndarray
    score_seconds: np.ndarray
    extra_seconds: np.ndarray

    def __deepcopy__(self, memo: dict[int, Any]) -> "Table":
        return self  # It is a parameter of an estimator, and cloned with it.

    @property
    def n_candidates(self) -> int:
        """How many candidates there are."""
        return len(self.scores)


def load_table(path: Path) -> Table:
    """Return a table that was made before."""
    with np.load(path) as arrays:
        return Table(name=path.stem, resource=str(arrays["resource"]), **_arrays(arrays))


def _arrays(arrays: Any) -> dict[str, np.ndarray]:
    return {name: arrays[name] for name in arrays if name != "resource"}


def save_table(table: Table, path: Path) -> None:
    """Write the table so that a file is whole at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {name: value for name, value in vars(table).items() if name != "name"}
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **fields)
    part.replace(path)


# --- which tables there are --------------------------------------------------------


@dataclass(frozen=True)
class TableSpec:
    """What a table is made of: `rows` of a data set, R iterations (or all samples).

    `held_back` tables are for the last check of what was chosen by the others.
    """

    family: str
    data: str
    rows: int
    max_iterations: int = 81
    held_back: bool = False
    most_candidates: int = 300

    @property
    def name(self) -> str:
        """The name of the table and of its file."""
        return f"{self.family}-{self.data}-{self.rows}"


# The most informative first: one of each family, then sizes, then the slow ones.
SPECS = (
    TableSpec("hist", "electricity", 3_000),
    TableSpec("svc", "letter", 1_000),
    TableSpec("lightgbm", "bank_marketing", 1_000),
    TableSpec("forest", "magictelescope", 1_000, max_iterations=27),
    TableSpec("linear", "electricity", 3_000),
    TableSpec("mlp", "magictelescope", 1_000, max_iterations=27),
    TableSpec("hist", "magictelescope", 300),
    TableSpec("svc", "electricity", 300),
    TableSpec("linear", "magictelescope", 300),
    TableSpec("lightgbm", "electricity", 3_000, held_back=True),
    TableSpec("hist", "bank_marketing", 1_000, held_back=True),
    TableSpec("forest", "electricity", 300, held_back=True),
    TableSpec("svc", "magictelescope", 3_000, held_back=True),
    TableSpec("hist", "electricity", 20_000, max_iterations=27, most_candidates=60),
    TableSpec("mlp", "letter", 1_000, max_iterations=27, held_back=True),
    TableSpec("linear", "bank_marketing", 1_000, held_back=True),
    TableSpec("forest", "letter", 3_000, max_iterations=27, most_candidates=150),
    TableSpec("lightgbm", "letter", 3_000, max_iterations=27, most_candidates=150),
)


# --- families of estimators --------------------------------------------------------

Stages = Sequence[np.ndarray]


@dataclass(frozen=True)
class Family:
    """An estimator with its space, as a user would set it, and how it is measured quickly.

    Attributes
    ----------
    estimator : estimator
    space : dict
    resource : str
    encoding : callable
        Makes a frame of the data set's columns an array that the estimator takes.
    fit_in_stages : callable or None
        ``fit_in_stages(estimator, X, y, X_test, resources)`` fits with the last of the resources,
        and gives for each what `predict_proba` of X_test would be with so much.
    train_on : callable or None
        ``train_on(fitted, n_resources, X, y)`` where that equals a fresh fit.
    """

    estimator: Any
    space: dict[str, Any]
    encoding: Callable[[Any], np.ndarray]
    resource: str = N_SAMPLES
    fit_in_stages: Callable[..., Stages] | None = None
    train_on: Callable[..., Any] | None = None


class EpochsMLP(ClassifierMixin, BaseEstimator):
    """An MLP that is trained by one `partial_fit` an epoch, so that its stages are exact."""

    def __init__(
        self,
        max_iter=81,
        hidden_layer_sizes=(64,),
        activation="relu",
        alpha=1e-4,
        learning_rate_init=1e-3,
        batch_size=64,
    ):
        self.max_iter = max_iter
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size

    def fit(self, X, y):
        """Train from nothing."""
        self.classes_ = np.unique(y)
        params = self.get_params()
        del params["max_iter"]
        self.network_ = MLPClassifier(**params, random_state=np.random.RandomState(0))
        for _ in range(self.max_iter):
            self.train_one_epoch(X, y)
        return self

    def train_one_epoch(self, X, y):
        """Train for one more epoch."""
        self.network_.partial_fit(X, y, classes=self.classes_)

    def predict_proba(self, X):
        """Return the probabilities of the classes."""
        return self.network_.predict_proba(X)

    def predict(self, X):
        """Return the classes."""
        return self.network_.predict(X)


def _stages_of_histogram_boosting(model, X, y, X_test, resources):
    model.fit(X, y)
    wanted = set(resources)
    stages = enumerate(model.staged_predict_proba(X_test), start=1)
    return [stage for number, stage in stages if number in wanted]


def _stages_of_lightgbm(model, X, y, X_test, resources):
    model.fit(X, y)
    return [model.predict_proba(X_test, num_iteration=int(n)) for n in resources]


def _stages_of_forest(model, X, y, X_test, resources):
    model.fit(X, y)
    sums = np.cumsum([tree.predict_proba(X_test) for tree in model.estimators_], axis=0)
    return [sums[n - 1] / n for n in resources]


def _stages_of_mlp(model, X, y, X_test, resources):
    model.set_params(max_iter=1).fit(X, y)
    stages = {1: model.predict_proba(X_test)}
    for epoch in range(2, resources[-1] + 1):
        model.train_one_epoch(X, y)
        if epoch in resources:
            stages[epoch] = model.predict_proba(X_test)
    return [stages[n] for n in resources]


def _warm_start(parameter):
    def train_on(fitted, n_resources, X, y):
        return fitted.set_params(**{parameter: n_resources}, warm_start=True).fit(X, y)

    return train_on


def _train_lightgbm_on(fitted, n_resources, X, y):
    more = n_resources - fitted.n_estimators
    fitted.set_params(n_estimators=more).fit(X, y, init_model=fitted.booster_)
    return fitted.set_params(n_estimators=n_resources)


def _text_columns(frame):
    return frame.select_dtypes(exclude="number").columns


def _as_ordinals(frame):
    """Return the columns, categories as numbers: trees take them so."""
    columns = _text_columns(frame)
    numbers = OrdinalEncoder().fit_transform(frame[columns]) if len(columns) else None
    numeric = frame.drop(columns=columns).to_numpy(float)
    return numeric if numbers is None else np.hstack([numeric, numbers])


def _as_indicators(frame):
    """Return a column of each category, and the others with unit variance."""
    columns = _text_columns(frame)
    numeric = StandardScaler().fit_transform(frame.drop(columns=columns).to_numpy(float))
    if not len(columns):
        return numeric
    indicators = OneHotEncoder(sparse_output=False).fit_transform(frame[columns])
    return np.hstack([numeric, indicators])


FAMILIES = {
    "hist": Family(
        HistGradientBoostingClassifier(early_stopping=False, random_state=0),
        {
            "learning_rate": loguniform(0.01, 1),
            "max_leaf_nodes": randint(4, 128),
            "min_samples_leaf": randint(1, 100),
            "l2_regularization": loguniform(1e-4, 100),
            "max_features": uniform(0.2, 0.8),
        },
        _as_ordinals,
        "max_iter",
        _stages_of_histogram_boosting,
        _warm_start("max_iter"),
    ),
    "lightgbm": Family(
        LGBMClassifier(n_jobs=1, verbose=-1, random_state=0),
        {
            "learning_rate": loguniform(0.01, 1),
            "num_leaves": randint(4, 128),
            "min_child_samples": randint(1, 100),
            "reg_lambda": loguniform(1e-4, 100),
            "reg_alpha": loguniform(1e-4, 10),
        },
        _as_ordinals,
        "n_estimators",
        _stages_of_lightgbm,
        _train_lightgbm_on,
    ),
    "forest": Family(
        RandomForestClassifier(random_state=0),
        {
            "max_features": uniform(0.1, 0.9),
            "min_samples_leaf": randint(1, 30),
            "max_depth": randint(3, 30),
            "criterion": ["gini", "entropy"],
        },
        _as_ordinals,
        "n_estimators",
        _stages_of_forest,
        _warm_start("n_estimators"),
    ),
    "mlp": Family(
        EpochsMLP(),
        {
            "hidden_layer_sizes": [(32,), (64,), (128,), (32, 32), (64, 64)],
            "activation": ["relu", "tanh"],
            "alpha": loguniform(1e-6, 1),
            "learning_rate_init": loguniform(1e-4, 1e-1),
            "batch_size": [32, 64, 128, 200],
        },
        _as_indicators,
        "max_iter",
        _stages_of_mlp,
    ),
    "svc": Family(
        SVC(),
        {
            "C": loguniform(1e-2, 1e3),
            "gamma": loguniform(1e-4, 1e1),
            "class_weight": [None, "balanced"],
        },
        _as_indicators,
    ),
    "linear": Family(
        Pipeline(
            [
                ("crosses", PolynomialFeatures(include_bias=False)),
                ("scale", StandardScaler()),
                ("select", SelectPercentile()),
                ("classify", LogisticRegression(max_iter=200)),
            ]
        ),
        {
            "crosses__degree": [1, 2],
            "select__percentile": randint(20, 101),
            "classify__C": loguniform(1e-4, 1e2),
            "classify__class_weight": [None, "balanced"],
        },
        _as_indicators,
    ),
}


# --- measuring ---------------------------------------------------------------------


@dataclass(eq=False)
class Problem:
    """The data of a table: arrays, splits, and the amounts of the resource to measure."""

    family: Family
    X: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    scoring: str
    resources: list[int]
    timed_resources: list[int]
    sample_seed: int = 0
    splits: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.splits = order_samples(
            list(PredefinedSplit(self.fold).split()),
            classes=self.y,
            groups=None,
            seed=self.sample_seed,
        )


def make_problem(spec: TableSpec, folder: str) -> Problem:
    """Read the data, and say what is to be measured."""
    family = FAMILIES[spec.family]
    frame, target = load(folder, spec.data, spec.rows)
    y = LabelEncoder().fit_transform(target)
    fold = np.empty(len(y), dtype=int)
    parts = StratifiedKFold(N_SPLITS, shuffle=True, random_state=0).split(frame, y)
    for number, (_, test) in enumerate(parts):
        fold[test] = number
    R = len(y) if family.resource == N_SAMPLES else spec.max_iterations
    scoring = SCORING.get(spec.data, "accuracy")
    return Problem(
        family, family.encoding(frame), y, fold, scoring, all_resources(R), timed_resources(R)
    )


def all_resources(R: int) -> list[int]:
    """Return what the rungs of searches with min_splits 1, 2, 3 and 5 have, down to R/81."""
    return sorted({n for fewest in (1, 2, 3, N_SPLITS) for n in _ladder(R, fewest)})


def timed_resources(R: int) -> list[int]:
    """Return R and what the rungs of the plain schedule have."""
    return sorted(set(_ladder(R, N_SPLITS)))


def _ladder(R: int, min_splits: int) -> list[int]:
    """Return what the package makes of R; what is counted makes no difference."""
    search = SuccessiveHalvingSearchCV(
        RandomForestClassifier(),
        {},
        resource="n_estimators",
        max_resources=R,
        min_resources=max(1, R // 81),
        min_splits=min_splits,
    )
    return [n for n, _ in search.plan(n_splits=N_SPLITS).ladder]


@dataclass(frozen=True)
class Measured:
    """One candidate's part of a table: arrays of (n_splits, n_resources) and (n_resources,)."""

    scores: np.ndarray
    fit_seconds: np.ndarray
    score_seconds: np.ndarray
    extra_seconds: np.ndarray


def measure(problem: Problem, candidate: dict[str, Any], number: int) -> Measured:
    """Evaluate one candidate on all splits with all resources."""
    if problem.family.fit_in_stages is None:
        return _measure_samples(problem, candidate)
    return _measure_iterations(problem, candidate, timed_split=number % N_SPLITS)


def _seconds_of(work: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    start = time.process_time()
    result = work(*args)
    return time.process_time() - start, result


def _measure_samples(problem: Problem, candidate: dict[str, Any]) -> Measured:
    resource = SampleResource(len(problem.y))
    scorer = get_scorer(problem.scoring)
    found = np.empty((3, N_SPLITS, len(problem.resources)))
    for number, split in enumerate(problem.splits):
        X_test, y_test = problem.X[split.test], problem.y[split.test]
        for position, n in enumerate(problem.resources):
            rows = resource.train_rows(split, n)
            model = clone(problem.family.estimator).set_params(**candidate)
            fit, _ = _seconds_of(model.fit, problem.X[rows], problem.y[rows])
            score, value = _seconds_of(scorer, model, X_test, y_test)
            found[:, number, position] = value, fit, score
    return Measured(*found, np.full(len(problem.resources), np.nan))


def _measure_iterations(problem: Problem, candidate: dict[str, Any], timed_split: int) -> Measured:
    family, resources = problem.family, problem.resources
    scores = np.empty((N_SPLITS, len(resources)))
    for number, split in enumerate(problem.splits):
        X_test, y_test = problem.X[split.test], problem.y[split.test]
        model = clone(family.estimator).set_params(**candidate, **{family.resource: resources[-1]})
        stages = family.fit_in_stages(
            model, problem.X[split.train], problem.y[split.train], X_test, resources
        )
        scores[number] = [_score(problem.scoring, y_test, stage) for stage in stages]
    fit, score, extra = _time_iterations(problem, candidate, problem.splits[timed_split])
    timed = problem.timed_resources
    by_split = [np.tile(np.interp(resources, timed, seconds), (5, 1)) for seconds in (fit, score)]
    return Measured(scores, *by_split, np.interp(resources, timed, extra))


def _score(scoring: str, y: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the score of predicted probabilities; the classes are numbered."""
    if scoring == "roc_auc":
        return roc_auc_score(y, probabilities[:, 1])
    return accuracy_score(y, probabilities.argmax(axis=1))


def _time_iterations(
    problem: Problem, candidate: dict[str, Any], split: Any
) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds of fits, of scores, and of continued fits beyond the difference."""
    family, timed = problem.family, problem.timed_resources
    train = problem.X[split.train], problem.y[split.train]
    test = problem.X[split.test], problem.y[split.test]
    scorer = get_scorer(problem.scoring)
    fits, scores, extra = [], [], [0.0]
    for n in timed:
        model = clone(family.estimator).set_params(**candidate, **{family.resource: n})
        fits.append(_seconds_of(model.fit, *train)[0])
        scores.append(_seconds_of(scorer, model, *test)[0])
    if family.train_on is None:
        return fits, scores, [np.nan] * len(timed)
    model = clone(family.estimator).set_params(**candidate, **{family.resource: timed[0]})
    model.fit(*train)
    for position in range(1, len(timed)):
        seconds, model = _seconds_of(family.train_on, model, timed[position], *train)
        extra.append(seconds - (fits[position] - fits[position - 1]))
    return fits, scores, extra


# --- making tables -----------------------------------------------------------------


def make_table(spec: TableSpec, n_candidates: int, folder: str, path: Path) -> None:
    """Measure what the table's file does not have yet."""
    known = load_table(path) if path.exists() else None
    n_known = 0 if known is None else known.n_candidates
    n_candidates = min(n_candidates, spec.most_candidates)
    if n_known >= n_candidates:
        return
    problem = make_problem(spec, folder)
    candidates = list(ParameterSampler(problem.family.space, n_candidates, random_state=0))
    start = time.perf_counter()
    for first in range(n_known, n_candidates, CANDIDATES_PER_CHUNK):
        numbers = range(first, min(first + CANDIDATES_PER_CHUNK, n_candidates))
        measured = [measure(problem, candidates[number], number) for number in numbers]
        known = extended(known, spec.name, problem, measured)
        save_table(known, path)
        minutes = (time.perf_counter() - start) / 60
        print(f"{spec.name}: {known.n_candidates} candidates, {minutes:.1f} min", flush=True)


def extended(known: Table | None, name: str, problem: Problem, measured: list[Measured]) -> Table:
    """Return the table with the candidates that were measured now."""
    columns = {}
    for column in ("scores", "fit_seconds", "score_seconds", "extra_seconds"):
        new = np.stack([getattr(one, column) for one in measured])
        columns[column] = new if known is None else np.concatenate([getattr(known, column), new])
    return Table(
        name=name,
        resource=problem.family.resource,
        resources=np.array(problem.resources),
        y=problem.y,
        fold=problem.fold,
        **columns,
    )


def main() -> None:
    """Make all tables, or those that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="the folder of the data sets")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the tables are kept")
    parser.add_argument("--candidates", type=int, default=300)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rows", nargs="+", type=int, help="only tables of these sizes")
    parser.add_argument("--tables", nargs="+", help="only tables of these names")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # Of low rungs that have not converged.
    with threadpool_limits(1):
        for spec in SPECS:
            wanted = args.tables is None or spec.name in args.tables
            wanted = wanted and (args.rows is None or spec.rows in args.rows)
            if wanted and spec.family in args.families:
                make_table(spec, args.candidates, args.data, args.cache / f"{spec.name}.npz")


if __name__ == "__main__":
    main()
