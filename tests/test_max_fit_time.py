"""A limit of the time of one evaluation: what takes longer is ended, and nothing else is lost."""

import datetime
import functools
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import psutil
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import ShuffleSplit
from sklearn.svm import SVC

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._executors import check_backend, limited, make_executor, process_pool
from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._executors.limited_executor import LimitedExecutor
from skhyperband._executors.packed_value import PackedValue
from skhyperband._executors.process_pool import ProcessPool
from skhyperband._records import FailedStep, Skipped, Task
from tests.estimators import Deadly, Endless, Failing, Scored, Unconverged
from tests.processes import child_processes, wait_for_the_end_of
from tests.published import published, quality_search
from tests.tasks import Adding, FragileBesideOthers, threads_of

pytestmark = pytest.mark.slow

ONE_SPLIT = ShuffleSplit(1, random_state=0)
# In seconds. No fit here comes near it, other than those that never end.
LIMIT = 1.5

each_number_of_workers = pytest.mark.parametrize("n_jobs", [1, 2])


def search_of(estimator, n_candidates=9, **options):
    """Return a search over the quality, with an estimator that costs nothing."""
    return quality_search(
        estimator, n_candidates, **{"cv": ONE_SPLIT, "max_fit_time": LIMIT, **options}
    )


# --- a search ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_jobs", "limit", "error_score"),
    [(1, LIMIT, np.nan), (2, datetime.timedelta(seconds=LIMIT), -1.0)],
    ids=["one", "two, timedelta, score"],
)
def test_fit_that_never_ends_costs_its_candidate(
    classification, n_jobs, limit, error_score, assert_same_results
):
    """All other results are those of a search in which the candidate raises; nothing runs on.

    The limit may be a timedelta and is shown in seconds; error_score may rank the candidate.
    """
    before = set(child_processes())

    search = search_of(
        Endless(below=0.1), n_jobs=n_jobs, max_fit_time=limit, error_score=error_score
    )
    message = (
        rf"(?s)1 of 13 .*set to {error_score}.*first with quality=0\.05:\n"
        r"The evaluation took.*max_fit_time=1\.5 s"
    )
    with pytest.warns(FitFailedWarning, match=message):
        search.fit(*classification)

    raising = search_of(Failing(below=0.1), max_fit_time=None, error_score=error_score)
    with pytest.warns(FitFailedWarning, match="too low"):
        raising.fit(*classification)
    assert_same_results(search.cv_results_, raising.cv_results_)
    assert [rung.n_failures for rung in search.rungs_.rungs] == [1, 0, 0]
    assert search.cv_results_["mean_fit_time"][0] == LIMIT
    wait_for_the_end_of(set(child_processes()) - before)


def test_support_vector_machine_that_does_not_converge_is_ended():
    """Native code is ended, too."""
    X, y = make_classification(1500, 20, n_informative=4, flip_y=0.4, random_state=0)
    search = published(
        SuccessiveHalvingSearchCV,
        SVC(kernel="linear", cache_size=1),
        {"C": [1e-6, 1e12]},
        n_candidates="all",
        resource="n_samples",
        min_resources=len(X),
        cv=ONE_SPLIT,
        max_fit_time=1.5,
    )

    with pytest.warns(FitFailedWarning, match=r"C=1000000000000\.0:\nThe evaluation took longer"):
        search.fit(X, y)

    assert search.best_params_ == {"C": 1e-6}


def test_time_of_the_scores_counts(classification):
    """The limit is for an evaluation, which ends with the scores."""
    search = search_of(Endless(below=0.1, step="score"))

    with pytest.warns(FitFailedWarning, match="took longer than max_fit_time"):
        search.fit(*classification)


def forest_search(**options):
    """Return a search over forests, whose training is continued."""
    return published(
        HyperbandSearchCV,
        RandomForestClassifier(random_state=0),
        {"max_features": [0.2, 0.4, 0.6, 0.8], "min_samples_leaf": range(1, 20)},
        resource="n_estimators",
        max_resources=9,
        cv=3,
        return_train_score=True,
        random_state=0,
        **options,
    )


@each_number_of_workers
def test_results_are_those_without_a_limit(classification, n_jobs, assert_same_results):
    """What keeps to the limit has the same results, and its training is continued."""
    free = forest_search().fit(*classification)

    search = forest_search(n_jobs=n_jobs, max_fit_time=600).fit(*classification)

    assert_same_results(search.cv_results_, free.cv_results_)
    assert (search.cv_results_["n_resources_trained"] < search.cv_results_["n_resources"]).any()


def test_warnings_of_the_fits_are_shown(classification):
    """They come back from the process, as from any other worker."""
    search = search_of(Unconverged(), 3, max_fit_time=600, refit=False)

    with pytest.warns(ConvergenceWarning, match=r"stopped after 1 \(4 evaluations warned so\)"):
        search.fit(*classification)


@each_number_of_workers
def test_fit_that_ends_its_process_costs_its_candidate(
    classification, tmp_path, n_jobs, assert_same_results
):
    """It is tried twice, and no other candidate is evaluated again."""
    deadly = Deadly(marks=str(tmp_path), parent=os.getpid(), below=0.1, way="crash")
    search = search_of(deadly, n_jobs=n_jobs, max_fit_time=600)

    with pytest.warns(FitFailedWarning, match=r"quality=0\.05:\nThe worker process ended"):
        search.fit(*classification)

    with pytest.warns(FitFailedWarning, match="too low"):
        raising = search_of(Failing(below=0.1), max_fit_time=None).fit(*classification)
    assert_same_results(search.cv_results_, raising.cv_results_)
    assert [mark.read_text() for mark in tmp_path.iterdir()] == ["xx"]


def test_error_says_that_all_took_too_long(classification):
    """Where nothing of the first level keeps to the limit, the limit is to blame."""
    message = (
        r"^The evaluation took longer than max_fit_time=0\.3 s, and was ended\.\n"
        r"None of the 2 .* too long: raise max_fit_time"
    )
    with pytest.raises(ValueError, match=message):
        search_of(Endless(below=2.0), 2, max_fit_time=0.3).fit(*classification)


def test_error_score_raise_ends_the_search(classification):
    """The error is a TimeoutError, and no process is left."""
    before = set(child_processes())
    search = search_of(Endless(below=0.1), n_jobs=2, error_score="raise")

    with pytest.raises(TimeoutError, match=r"longer than max_fit_time=1\.5 s"):
        search.fit(*classification)

    wait_for_the_end_of(set(child_processes()) - before)


def test_search_that_is_resumed_tries_again(classification, tmp_path):
    """An evaluation that took too long is not in the journal: a higher limit may suffice."""
    journal = tmp_path / "journal.sqlite"
    with pytest.warns(FitFailedWarning, match="1 of 4 evaluations"):
        search_of(Endless(below=0.1), 3, journal=journal).fit(*classification)

    search = search_of(Endless(below=0.0), 3, max_fit_time=None, journal=journal)
    search.fit(*classification)

    assert search.rungs_.rungs[0].n_failures == 0


def test_search_with_a_time_limit_copes_with_an_estimator_that_is_too_slow(classification):
    """If the estimator as it is given takes too long, its candidates are searched all the same."""
    search = search_of(Endless(quality=0.0, below=0.04), max_time=600)

    search.fit(*classification)

    assert search.best_params_["quality"] == 0.95
    assert {} not in [set(params) - {"n_units"} for params in search.cv_results_["params"]]


def test_timed_plan_keeps_to_the_limit(classification):
    """If the estimator as it is given takes too long, the preview is an error that says so."""
    with pytest.raises(TimeoutError, match="longer than max_fit_time"):
        search_of(Endless(below=0.1)).plan(*classification, timed=True)


def test_refit_has_no_limit(classification, monkeypatch):
    """The best candidate is fitted in this process, however long it takes."""
    search = search_of(Scored(), 3, max_fit_time=600).fit(*classification)

    assert search.predict(classification[0]).shape == (240,)


# --- the backends ------------------------------------------------------------------


class Recording(Scored):
    """Notes that it was fitted."""

    n_fits = 0

    def fit(self, X, y=None):
        """Count."""
        Recording.n_fits += 1
        return super().fit(X, y)


@pytest.mark.parametrize("method", ["fit", "plan"])
def test_threads_are_refused(classification, method):
    """An error before any fit names the backend and what to do."""
    search = search_of(Recording(), n_jobs=2)
    call = functools.partial(search.plan, timed=True) if method == "plan" else search.fit

    message = r"max_fit_time=1\.5 with n_jobs=2 and .*'threading'.*Use backend='loky'"
    with (
        joblib.parallel_config(backend="threading"),
        pytest.raises(ValueError, match=message),
    ):
        call(*classification)

    assert Recording.n_fits == 0


def test_one_worker_has_a_process_with_any_backend():
    """A search with one worker uses no backend, and is not refused for it."""
    with joblib.parallel_config(backend="threading"):
        check_backend(1, LIMIT)
        executor = make_executor(threads_of, 1, "2*n_jobs", LIMIT)

    assert type(executor) is LimitedExecutor
    assert executor.n_workers == 1


@pytest.mark.parametrize(("n_jobs", "inner", "expected"), [(1, None, 4), (2, None, 2), (2, 3, 3)])
def test_processes_share_the_cores(monkeypatch, n_jobs, inner, expected):
    """As joblib's own workers, each has its part of them; parallel_config may say how many."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("joblib._parallel_backends.cpu_count", lambda: 4)

    with (
        joblib.parallel_config(backend="loky", inner_max_num_threads=inner),
        make_executor(threads_of, n_jobs, "2*n_jobs", 600.0) as executor,
    ):
        [(_, outcome)] = executor.run([Task({}, 1, 0)])

    assert outcome.test_scores == expected


class Locked(Scored):
    """Cannot be sent to another process."""

    def __reduce__(self):
        raise TypeError("not to be pickled")


def test_estimator_that_cannot_be_pickled_is_an_error(classification):
    """The error says why it would have to be pickled."""
    with pytest.raises(pickle.PicklingError, match=r"max_fit_time=1\.5 .*TypeError: not to be"):
        search_of(Locked()).fit(*classification)


class Unloadable(Scored):
    """Cannot be unpickled."""

    def __setstate__(self, state):
        """Raise."""
        raise ArithmeticError("cannot be loaded here")


def test_estimator_that_cannot_be_unpickled_is_an_error(classification):
    """The search ends with an error that says so, and blames no candidate."""
    with pytest.raises(RuntimeError, match=r"un-serialize.*cannot be loaded here"):
        search_of(Unloadable()).fit(*classification)


# --- what it is made of ------------------------------------------------------------


def test_process_is_used_until_a_task_takes_too_long():
    """Each process has a private copy of what it maps, and lasts as long as its tasks end."""
    evaluate = LimitedEvaluate(Adding(), LIMIT)
    outcomes = [evaluate(Task({}, 1, split)) for split in (0, 0, 1, 0, 2, 0)]
    evaluate.close()

    assert [outcome.test_scores for outcome in outcomes] == [1.0, 2.0, None, 1.0, None, 1.0]
    assert [outcomes[i].failure.step for i in (2, 4)] == [FailedStep.TIMEOUT, FailedStep.WORKER]
    assert outcomes[0].train_scores == outcomes[1].train_scores
    assert len({outcomes[i].train_scores for i in (0, 3, 5)}) == 3


def test_processes_end_with_their_owner():
    """Nothing has to be closed."""
    evaluate = LimitedEvaluate(Adding(), 600.0)
    process = psutil.Process(int(evaluate(Task({}, 1, 0)).train_scores))

    del evaluate
    gc.collect()

    wait_for_the_end_of([process])


def test_task_whose_process_died_is_tried_again_alone(tmp_path):
    """Its second attempt waits for the others, and others wait for it."""
    evaluate = LimitedEvaluate(FragileBesideOthers(tmp_path), 600.0)
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(evaluate, Task({}, 1, 1))
        deadline = time.monotonic() + 60
        while not (tmp_path / "other").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        fragile = pool.submit(evaluate, Task({}, 1, 0))

        assert fragile.result(60).test_scores == other.result(60).test_scores == 1.0
    evaluate.close()


def test_those_that_want_to_be_alone_go_first_and_hold_up_the_others_once():
    """Two retries follow each other, though a third task waits for longer than the second one."""
    gate, order, may_leave = process_pool._Gate(), [], threading.Event()

    def visit(name, enter):
        with enter():
            order.append(f"{name} in")
            may_leave.wait(30)
            time.sleep(0.02)
            order.append(f"{name} out")

    with ThreadPoolExecutor(4) as pool:
        for name, enter in [
            ("running", gate.beside_others),
            ("retry 1", gate.alone),
            ("new", gate.beside_others),
            ("retry 2", gate.alone),
        ]:
            pool.submit(visit, name, enter)
            time.sleep(0.2)  # So that each waits before the next one comes.
        before = list(order)
        may_leave.set()

    assert before == ["running in"]
    retries = order[2:6]
    assert order[:2] == ["running in", "running out"]
    assert sorted(retries[::2]) == ["retry 1 in", "retry 2 in"]
    assert [text.replace(" in", " out") for text in retries[::2]] == retries[1::2]
    assert order[6:] == ["new in", "new out"]


def test_processes_that_died_while_they_were_idle_are_no_failures():
    """Several may have been ended since their last task, such as where memory ran out."""
    packed = PackedValue.of(Adding())
    pool = ProcessPool(lambda: packed)
    first = [pool._take(0) for _ in range(3)]
    for process in first:
        pool._idle.append(process_pool._IdleProcess(process))
        process.kill()

    assert pool.evaluate(Task({}, 1, 0)).test_scores == 1.0
    pool.close()


def test_running_evaluations_can_be_ended_from_another_thread():
    """They are skipped, and the callable can be used again."""
    evaluate = LimitedEvaluate(Adding(), 600.0)
    results = []
    thread = threading.Thread(target=lambda: results.append(evaluate(Task({}, 1, 1))))
    thread.start()
    deadline = time.monotonic() + 60
    while not evaluate._pool._busy and time.monotonic() < deadline:
        time.sleep(0.01)

    evaluate.end_running()
    thread.join(60)

    assert results == [Skipped()]
    evaluate.begin()
    assert evaluate(Task({}, 1, 0)).test_scores == 1.0


def test_copies_in_another_process_are_one_whose_processes_end_when_idle(monkeypatch):
    """A cluster may unpickle the callable for each task, and does not say when a search ends."""
    monkeypatch.setattr(limited, "IDLE_SECONDS", 0.5)
    pickled = pickle.dumps(LimitedEvaluate(Adding(), LIMIT))

    processes = [pickle.loads(pickled)(Task({}, 1, 0)).train_scores for _ in range(2)]

    assert processes[0] == processes[1]
    wait_for_the_end_of([psutil.Process(int(processes[0]))])
    deadline = time.monotonic() + 30
    while limited._watched and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not limited._watched
    assert pickle.loads(pickled)(Task({}, 1, 1)).failure.step is FailedStep.TIMEOUT


# --- the end of the process --------------------------------------------------------

PROGRAM = """
import sys
import numpy as np
from sklearn.model_selection import ShuffleSplit
from tests.estimators import Endless
from tests.processes import child_processes, wait_for_the_end_of
from tests.published import quality_search

n_jobs, mark = int(sys.argv[1]), sys.argv[2]
before = set(child_processes())
search = quality_search(
    Endless(below=0.1, mark=mark), 9, cv=ShuffleSplit(1), n_jobs=n_jobs, max_fit_time=600
)
X, y = np.random.default_rng(0).normal(size=(240, 6)), np.arange(240) % 2
try:
    search.fit(X, y)
except KeyboardInterrupt:
    wait_for_the_end_of(set(child_processes()) - before)
    print("interrupted")
"""


def start_program(n_jobs, folder):
    """Start a search; return its process, and that of the evaluation that never ends."""
    mark = folder / "mark"
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(n_jobs), str(mark)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[1],
    )
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text().endswith("\n")):
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return program, psutil.Process(int(mark.read_text()))


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize(
    ("n_jobs", "to_all"), [(1, True), (2, False)], ids=["terminal", "process"]
)
def test_ctrl_c_ends_the_processes(tmp_path, n_jobs, to_all):
    """It reaches the caller while a fit runs that nothing else would end."""
    program, fit = start_program(n_jobs, tmp_path)

    (os.killpg if to_all else os.kill)(program.pid, signal.SIGINT)
    output, errors = program.communicate(timeout=60)

    assert output == "interrupted\n", errors
    wait_for_the_end_of([fit])


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@each_number_of_workers
def test_processes_end_when_the_search_is_killed(tmp_path, n_jobs):
    """They notice it, even if they are within a fit that never ends."""
    program, fit = start_program(n_jobs, tmp_path)
    children = psutil.Process(program.pid).children(recursive=True)

    program.kill()
    program.communicate(timeout=60)

    wait_for_the_end_of([fit, *children])


# --- its values --------------------------------------------------------------------


@pytest.mark.parametrize(
    "limit",
    [np.timedelta64(90, "s"), np.timedelta64(90 * 10**9, "ns"), datetime.timedelta(seconds=90)],
)
def test_limit_may_be_any_timedelta(search_class, limit):
    """Also one of NumPy, which is a number of a unit of its own."""
    search = published(search_class, Scored(), {"quality": [0.1, 0.2]}, max_time=limit)

    assert search.plan(n_samples=100, n_classes=2).max_time == 90


@pytest.mark.parametrize("limit", [0, -1.0, np.nan, datetime.timedelta(0), np.timedelta64("NaT")])
def test_limit_must_be_above_zero(classification, search_class, limit):
    """What leaves no time for any evaluation is refused before the first one."""
    search = search_class(Scored(), {"quality": [0.1, 0.2]}, max_fit_time=limit)

    with pytest.raises(ValueError, match=r"max_fit_time=.* must be above 0, or None"):
        search.fit(*classification)


@pytest.mark.parametrize("limit", ["60", True, [60]])
def test_limit_must_be_a_time(classification, search_class, limit):
    """What is no number of seconds is refused before the first evaluation."""
    search = search_class(Scored(), {"quality": [0.1, 0.2]}, max_fit_time=limit)

    with pytest.raises(TypeError, match=r"max_fit_time=.* must be seconds, a timedelta, or None"):
        search.fit(*classification)


def test_infinite_limit_is_none(classification):
    """No process is started for it."""
    with joblib.parallel_config(backend="threading"):
        search = search_of(Scored(), n_jobs=2, max_fit_time=np.inf).fit(*classification)

    assert search.best_params_["quality"] == 0.95
