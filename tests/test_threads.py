import contextlib
import functools
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import uniform
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from skhyperband import SuccessiveHalvingSearchCV
from skhyperband._evaluator import Evaluator
from skhyperband._executors import make_executor
from skhyperband._fit_warnings import catching
from skhyperband._level_evaluation import threads_for_each
from skhyperband._records import Outcome, Task
from skhyperband._resources import ParameterResource, Split
from skhyperband._threads import RULES, FitThreads
from tests import test_continuation as suite
from tests.published import published
from tests.tables import a_table

# With more threads than free cores, OpenMP waits in loops.
N_THREADS = 2


@pytest.fixture(autouse=True)
def one_thread_by_default(monkeypatch):
    """Let OpenMP have one thread, as in a worker, without the user having said so."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with threadpool_limits(1):
        yield


def openmp_threads():
    """Return the number of threads that OpenMP has here."""
    return max(
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "openmp"
    )


def threads_of(estimator):
    """Return the number of threads that a call of the estimator uses."""
    if hasattr(estimator, "n_jobs"):
        return estimator.n_jobs or 1
    return openmp_threads()


@pytest.fixture
def seen_in_fits(monkeypatch):
    """Give a function that makes the fits of a class note their threads, in the list it returns."""

    def note(class_):
        seen = []
        fit = class_.fit

        @functools.wraps(fit)
        def noting_fit(self, *args, **kwargs):
            seen.append(threads_of(self))
            return fit(self, *args, **kwargs)

        monkeypatch.setattr(class_, "fit", noting_fit)
        return seen

    return note


# --- the results -------------------------------------------------------------------

EXACT = {name.partition(".")[2] for rule in RULES for name in rule.estimators}
EXACT_CASES = [
    case
    for case in suite.CASES
    if case.name.partition("-")[0]
    in {name.removesuffix("Classifier").removesuffix("Regressor") for name in EXACT}
    and case.name != "Bagging-of-others"
]


@pytest.mark.parametrize("case", EXACT_CASES, ids=str)
def test_several_threads_change_no_bit(case):
    """On each rung a candidate equals a plain fit with one thread, in all that it says."""
    rng = np.random.default_rng(0)

    n_tables = 2 if case.resource == "max_iter" else 3
    for number in range(n_tables):
        n = int(rng.integers(100, 600))
        table = a_table(rng, case.task, "C", n=n, missing=number == 1)
        weights = {"sample_weight": np.exp(rng.normal(size=n))} if number == n_tables - 1 else {}
        rows = rng.permutation(n)
        split = Split(rows[: n // 2], rows[n // 2 :], rng.permutation(n // 2))
        data = suite.Data(table.X, table.y, weights, split)
        candidate = {**case.draw(rng, case.task), "random_state": int(rng.integers(1000))}

        reached = suite.climb(
            *(case.make(), candidate, case.resource, case.rungs, data, "auto"),
            n_threads=N_THREADS,
        )

        for ours in reached:
            one = suite.fresh(case.make(), candidate, case.resource, ours.n_resources, data)
            suite.assert_same(ours, one, data)


def test_every_class_that_gets_threads_is_compared():
    """A class that is added to the rules needs a case of the suite."""
    compared = {type(case.make()).__name__ for case in EXACT_CASES}

    assert compared == EXACT


@pytest.mark.slow
def test_the_benchmark_finds_no_difference():
    """Random candidates, alone and in pipelines, are compared on larger tables by the script."""
    for name in ("pandas", "xgboost", "lightgbm", "catboost"):
        pytest.importorskip(name)
    script = Path(__file__).parents[1] / "benchmarks" / "threads.py"
    kinds = [
        option for kind in ("Forest", "Trees", "Bagging", "Hist") for option in ("--kind", kind)
    ]
    command = [
        sys.executable,
        script,
        "--candidates",
        "33",
        "--rows",
        "1000",
        "--seed",
        "3",
        *kinds,
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)

    assert done.returncode == 0, done.stderr
    rows = filter(None, done.stdout.splitlines())
    n_equal = {row[:45].strip(): row[45:].split()[0] for row in rows}
    assert int(n_equal["HistGradientBoosting in a pipeline"]) > 0


# --- which fits get threads --------------------------------------------------------


def evaluate(estimator, *, n_threads=3, scorer=lambda estimator, X, y: 0.0, **options):
    """Return the outcome of an evaluation that may use so many threads."""
    table = a_table(np.random.default_rng(0), "binary", "C", n=60)
    y = np.unique(table.y, return_inverse=True)[1]
    resource = options.pop("resource", "verbose")  # Any parameter that takes a 0 or 1.
    evaluator = Evaluator(
        estimator,
        table.X,
        y,
        [Split(np.arange(40), np.arange(40, 60))],
        ParameterResource(resource),
        scorer,
        **options,
    )
    outcome = evaluator(Task({}, 1, 0, n_threads=n_threads))
    assert outcome.failure is None, outcome.failure.text
    return outcome


GIVEN = [
    RandomForestClassifier(3),
    RandomForestRegressor(3),
    ExtraTreesClassifier(3),
    ExtraTreesRegressor(3),
    BaggingClassifier(n_estimators=3),
    BaggingRegressor(n_estimators=3),
    BaggingClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=3),
    HistGradientBoostingClassifier(max_iter=2),
    HistGradientBoostingRegressor(max_iter=2),
]


@pytest.mark.parametrize("estimator", GIVEN, ids=repr)
def test_fit_uses_the_threads(seen_in_fits, estimator):
    """A fit has as many threads as its task may use."""
    seen = seen_in_fits(type(estimator))

    evaluate(estimator, n_threads=3)

    assert seen == [3]


@pytest.mark.parametrize("estimator", GIVEN, ids=repr)
def test_fit_is_left_alone_by_default(seen_in_fits, estimator):
    """A task with one thread changes nothing."""
    seen = seen_in_fits(type(estimator))

    evaluate(estimator, n_threads=1)

    assert seen == [1]


@pytest.mark.parametrize("estimator", GIVEN, ids=repr)
def test_scoring_has_one_thread(estimator):
    """A scorer gets the estimator with the parameters of the user, and one thread."""
    seen = []

    def scorer(fitted, X, y):
        seen.append((threads_of(fitted), repr(fitted.get_params())))
        return 0.0

    evaluate(estimator, scorer=scorer)

    assert seen == [(1, repr(estimator.set_params(verbose=1).get_params()))]


def test_last_step_of_a_pipeline_gets_the_threads(seen_in_fits):
    """A plain pipeline gives its threads to its last step."""
    forests = seen_in_fits(RandomForestClassifier)
    boosting = seen_in_fits(HistGradientBoostingClassifier)

    evaluate(
        make_pipeline(KBinsDiscretizer(3, strategy="uniform"), RandomForestClassifier(3)),
        resource="randomforestclassifier__n_estimators",
    )
    evaluate(
        make_pipeline(StandardScaler(), None, HistGradientBoostingClassifier(max_iter=2)),
        resource="histgradientboostingclassifier__max_iter",
    )

    assert forests == [3]
    assert boosting == [3]


class OwnForest(RandomForestClassifier):
    """May do in its fit what is not known."""


def a_users_scorer(estimator, X, y):
    return 0.5


LEFT_ALONE = [
    (OwnForest(3), OwnForest, "n_estimators"),
    (BaggingClassifier(LogisticRegression()), BaggingClassifier, "n_estimators"),
    (LogisticRegression(), LogisticRegression, "max_iter"),
    (
        HistGradientBoostingClassifier(early_stopping=True, scoring=a_users_scorer),
        HistGradientBoostingClassifier,
        "max_iter",
    ),
    (
        make_pipeline(
            KBinsDiscretizer(3, encode="ordinal", strategy="kmeans"),
            HistGradientBoostingClassifier(),
        ),
        HistGradientBoostingClassifier,
        "histgradientboostingclassifier__max_iter",
    ),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "class_", "resource"), LEFT_ALONE)
def test_what_is_not_known_to_be_exact_is_left_alone(seen_in_fits, estimator, class_, resource):
    """A class, a member, a scorer or a transformer that is not on the list means one thread."""
    seen = seen_in_fits(class_)

    evaluate(estimator, resource=resource)

    assert seen == [1]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_n_jobs_of_the_user_is_respected(seen_in_fits, n_jobs):
    """An estimator with n_jobs keeps it, be it less or more."""
    seen = seen_in_fits(RandomForestClassifier)

    evaluate(RandomForestClassifier(3, n_jobs=n_jobs))
    evaluate(
        make_pipeline(StandardScaler(), RandomForestClassifier(n_jobs=n_jobs)),
        resource="randomforestclassifier__n_estimators",
    )

    assert seen == [n_jobs, n_jobs]


def test_limit_of_the_user_is_respected(seen_in_fits, monkeypatch):
    """Where the environment limits OpenMP, only threads of joblib are given."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    boosting = seen_in_fits(HistGradientBoostingClassifier)
    forests = seen_in_fits(RandomForestClassifier)

    evaluate(HistGradientBoostingClassifier(max_iter=2))
    evaluate(RandomForestClassifier(3))

    assert boosting == [1]
    assert forests == [3]


def test_openmp_never_gets_fewer_threads(seen_in_fits):
    """Threads that OpenMP has already are not taken away."""
    seen = seen_in_fits(HistGradientBoostingClassifier)

    with threadpool_limits(4):
        evaluate(HistGradientBoostingClassifier(max_iter=2), n_threads=2)

    assert seen == [4]


@pytest.mark.parametrize("estimator", [RandomForestClassifier(), HistGradientBoostingClassifier()])
def test_a_fit_that_fails_gives_its_threads_back(estimator):
    """After an error the parameters and the limit are those from before."""
    with contextlib.suppress(ArithmeticError), FitThreads()(estimator, 3):
        assert threads_of(estimator) == 3
        raise ArithmeticError("no fit")

    assert threads_of(estimator) == 1
    assert getattr(estimator, "n_jobs", None) is None


def test_filters_of_warnings_are_repaired():
    """After a fit in several threads the filters are those from before, as the same list."""
    with catching([("ignore", None, UserWarning, None, 0)]):
        own, before = warnings.filters, list(warnings.filters)

        with FitThreads()(RandomForestClassifier(), 2):
            warnings.filters = []
            own.clear()

        assert warnings.filters is own
        assert own == before


def test_warning_of_threads_that_find_no_filters_is_not_shown(recwarn):
    """What scikit-learn says of its own race is no warning of the fit, nor one for the user."""
    text = "`sklearn.utils.parallel.delayed` should be used with something else"

    with catching([("always", None, Warning, None, 0)]) as caught:
        thread = threading.Thread(target=warnings.warn, args=(text,))
        thread.start()
        thread.join()

    assert not caught
    assert not recwarn.list


def test_a_users_function_is_left_alone(seen_in_fits):
    """A user's `continue_training` gets the estimator as it is."""
    seen = []

    def train_on(fitted, n_resources, X, y):
        seen.append(threads_of(fitted))
        return fitted

    table = a_table(np.random.default_rng(0), "regression", "C", n=60)
    data = suite.Data(table.X, table.y, {}, Split(np.arange(40), np.arange(40, 60)))

    suite.climb(
        *(RandomForestRegressor(3), {}, "n_estimators", (1, 3), data, train_on), n_threads=3
    )

    assert seen == [1]


# --- how many ----------------------------------------------------------------------

counts = st.integers(1, 300)


@given(counts, counts, counts)
def test_tasks_times_threads_never_exceed_the_cores(n_tasks, n_workers, n_cores):
    """Several threads are given to fewer tasks than workers, and as many as there are cores."""
    n_threads = threads_for_each(n_tasks, n_workers=n_workers, n_cores=n_cores)

    if n_tasks >= n_workers or 2 * n_tasks > n_cores:
        assert n_threads == 1
    else:
        assert n_threads >= 2
        assert n_cores - n_tasks < n_tasks * n_threads <= n_cores


def test_no_task_means_no_threads():
    """A level of which all is known is no special case."""
    assert threads_for_each(0, n_workers=4, n_cores=4) == 1


def a_task(n_threads):
    return Task({}, 1, 0, n_threads=n_threads)


@pytest.mark.parametrize(
    ("n_jobs", "options", "n_cores"),
    [
        (1, {}, 1),
        (2, {}, 2),
        (2, {"backend": "threading"}, 2),
        (8, {}, 3),
        (2, {"inner_max_num_threads": 1, "backend": "loky"}, 1),
    ],
)
def test_cores_of_an_executor(monkeypatch, n_jobs, options, n_cores):
    """A task may use as many cores as the user wants workers, and as there are."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)

    with joblib.parallel_config(**options) if options else contextlib.nullcontext():
        executor = make_executor(a_task, n_jobs, "2*n_jobs")

    assert executor.n_cores == n_cores


def test_openmp_of_a_worker_process_gets_more_threads_for_a_fit():
    """OpenMP is limited in the workers of joblib; a fit may have more, and the next one has not."""
    HistGradientBoostingClassifier()  # Its library is loaded where this is unpickled.
    of_fits = FitThreads()

    def openmp_in_a_fit(task):
        with of_fits(HistGradientBoostingClassifier(), task.n_threads):
            return Outcome(float(openmp_threads()), None, 0.0, 0.0)

    def seen(executor, n_threads):
        (finished,) = executor.run([a_task(n_threads)])
        return finished.result.test_scores

    with make_executor(openmp_in_a_fit, 2, "2*n_jobs") as executor:
        before = int(seen(executor, 1))
        during = seen(executor, before + 2)
        after = seen(executor, 1)

    assert during == before + 2
    assert after == before


def seen_openmp(task):
    return Outcome(float(openmp_threads()), None, 0.0, 0.0)


@pytest.mark.parametrize(("n_jobs", "share"), [(2, 4), (8, 1), (16, 1)])
def test_workers_that_are_threads_share_the_cores(monkeypatch, n_jobs, share):
    """Each has its part of them for OpenMP, which would otherwise give all cores to each."""
    HistGradientBoostingClassifier()  # Its library is loaded.
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    with ThreadPoolExecutor(1) as thread:
        by_default = thread.submit(openmp_threads).result()
    here = openmp_threads()

    with (
        joblib.parallel_config(backend="threading"),
        make_executor(seen_openmp, n_jobs, "2*n_jobs") as executor,
    ):
        tasks = [a_task(1) for _ in range(6)]
        seen = {finished.result.test_scores for finished in executor.run(tasks)}

    assert seen == {min(share, by_default)}
    assert openmp_threads() == here


# --- whole searches ----------------------------------------------------------------


def a_search(estimator, resource, **options):
    """Return a search over six candidates on two splits: 12, 4 and 2 evaluations."""
    return published(
        SuccessiveHalvingSearchCV,
        estimator,
        {"max_features": uniform(0.2, 0.8)},
        n_candidates=6,
        resource=resource,
        min_resources=1,
        max_resources=9,
        cv=2,
        refit=False,
        random_state=0,
        **options,
    )


def test_a_level_of_few_evaluations_uses_the_idle_cores(seen_in_fits, classification, monkeypatch):
    """Each of two evaluations on a machine of eight cores has four threads, others have one."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    seen = seen_in_fits(RandomForestClassifier)

    with joblib.parallel_config(backend="threading"):
        search = a_search(
            RandomForestClassifier(random_state=0), "n_estimators", n_jobs=8, factor=6
        )
        search.fit(*classification)

    assert search.cv_results_["n_resources"].tolist() == [1] * 6 + [9]
    assert seen == [1] * 8 + [2] * 4 + [4] * 2


def test_a_search_in_this_process_leaves_the_estimator_alone(seen_in_fits, classification):
    """With one job nothing is changed, however many cores there are."""
    seen = seen_in_fits(RandomForestClassifier)

    a_search(RandomForestClassifier(random_state=0), "n_estimators").fit(*classification)

    assert set(seen) == {1}


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize(
    ("estimator", "resource"),
    [
        (RandomForestClassifier(random_state=0), "n_estimators"),
        (BaggingClassifier(random_state=0), "n_estimators"),
        (HistGradientBoostingClassifier(random_state=0), "max_iter"),
    ],
    ids=["forest", "bagging", "boosting"],
)
def test_results_with_idle_cores_are_those_of_one_process(
    classification, assert_same_results, estimator, resource, backend, monkeypatch
):
    """cv_results_ is bit-identical, though the top rung of three jobs has two evaluations."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 6)
    one = a_search(estimator, resource, scoring="roc_auc").fit(*classification)

    with joblib.parallel_config(backend=backend):
        several = a_search(estimator, resource, scoring="roc_auc", n_jobs=3).fit(*classification)

    assert_same_results(one.cv_results_, several.cv_results_)
    assert (several.cv_results_["n_resources_trained"] > 0).all()
