import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import ShuffleSplit

from skhyperband._executors.joblib_executor import JoblibExecutor
from skhyperband._records import Task
from tests.estimators import (
    WAYS_TO_DIE,
    CausedByItself,
    Deadly,
    Failing,
    Forking,
    Greedy,
    RaisesUnpicklable,
    Scored,
)
from tests.published import quality_search
from tests.tasks import Meeting

ONE_SPLIT = ShuffleSplit(1, random_state=0)


def search_of(estimator, n_candidates=9, **options):
    """Return a search over the quality, with an estimator that costs nothing."""
    return quality_search(estimator, n_candidates, **{"cv": 2, "n_jobs": 2, **options})


def deadly(folder, **options):
    """Return an estimator that kills its worker, by default where the quality is below 0.3."""
    return Deadly(marks=str(folder), parent=os.getpid(), **{"below": 0.3, **options})


def deaths(folder):
    """Return {quality: how often its worker died}."""
    return {float(mark.name): len(mark.read_text()) for mark in folder.iterdir()}


@pytest.mark.slow
def test_candidates_that_kill_their_worker_are_like_ones_that_raise(
    classification, tmp_path, assert_same_results
):
    """Where a third of a rung kills its worker, the results are as if it had raised."""
    search = search_of(deadly(tmp_path, below=0.35), cv=ONE_SPLIT)

    with pytest.warns(FitFailedWarning, match=r"(?s)3 of 13 .*quality=0\.05:\nThe worker process"):
        search.fit(*classification)
    with pytest.warns(FitFailedWarning, match="too low"):
        raising = search_of(Failing(below=0.35), cv=ONE_SPLIT).fit(*classification)

    # Each kills a process of its own twice, and some have killed a worker before, among the others.
    assert len(deaths(tmp_path)) == 3
    assert min(deaths(tmp_path).values()) >= 2
    assert sum(deaths(tmp_path).values()) > 6
    assert_same_results(search.cv_results_, raising.cv_results_)
    assert [rung.n_failures for rung in search.rungs_.rungs] == [3, 0, 0]


@pytest.mark.parametrize("way", WAYS_TO_DIE)
def test_however_a_worker_ends_it_costs_one_candidate(
    classification, tmp_path, assert_same_results, way
):
    """A worker that is killed, exits, crashes or lacks memory gives its candidate error_score.

    The candidate is tried once among the others, once in a process of its own, and once alone.
    """
    options = {"cv": ONE_SPLIT, "error_score": -1.0, "refit": False}
    search = search_of(deadly(tmp_path, below=0.1, way=way), **options)

    with pytest.warns(FitFailedWarning, match=r"set to -1\.0.*\n\n.*quality=0\.05:\nThe worker"):
        search.fit(*classification)
    with pytest.warns(FitFailedWarning, match="too low"):
        raising = search_of(Failing(below=0.1), **options).fit(*classification)

    assert deaths(tmp_path) == {0.05: 3}
    assert_same_results(search.cv_results_, raising.cv_results_)


def test_best_candidate_may_die_in_the_last_rung(classification, tmp_path, assert_same_results):
    """It has error_score there, and the rung below decides which candidate is best."""
    options = {"cv": ONE_SPLIT, "n_jobs": 2}
    search = search_of(deadly(tmp_path, below=2.0, from_units=9), **options)

    with (
        pytest.warns(FitFailedWarning, match=r"quality=0\.95:\nThe worker process ended"),
        pytest.warns(UserWarning, match="n_units=3; since it failed with more"),
    ):
        search.fit(*classification)
    with (
        pytest.warns(FitFailedWarning, match="too low"),
        pytest.warns(UserWarning, match="n_units=3; since it failed with more"),
    ):
        raising = search_of(Failing(below=2.0, from_units=9), **options).fit(*classification)

    assert deaths(tmp_path).keys() == {0.95}
    assert_same_results(search.cv_results_, raising.cv_results_)
    assert search.best_params_ == raising.best_params_ == {"quality": 0.95, "n_units": 3}
    assert [rung.n_failures for rung in search.rungs_.rungs] == [0, 0, 1]


def test_worker_that_dies_once_costs_nothing(classification, tmp_path, assert_same_results):
    """An evaluation whose worker died is made again, and then counts as any other."""
    search = search_of(deadly(tmp_path, below=0.1, once=True)).fit(*classification)

    assert deaths(tmp_path).keys() == {0.05}
    alone = search_of(Scored(), n_jobs=1).fit(*classification)
    assert_same_results(search.cv_results_, alone.cv_results_)


def test_error_score_raise_holds_for_dead_workers(classification, tmp_path):
    """With error_score="raise" the search ends when the retries of a task failed, too."""
    search = search_of(deadly(tmp_path, below=0.1), error_score="raise")

    with pytest.raises(RuntimeError, match="worker process ended"):
        search.fit(*classification)

    assert max(deaths(tmp_path).values()) >= 2


def test_suspects_are_tried_again_side_by_side(tmp_path):
    """A death among many tasks that wait does not leave all workers but one without work."""
    tasks = [Task({}, 1, split) for split in range(3)]

    with JoblibExecutor(Meeting(tmp_path), 2, "all") as executor:
        outcomes = dict(executor.run(tasks))

    assert outcomes[0].failure.step == "worker"
    assert [outcomes[position].test_scores for position in (1, 2)] == [1.0, 2.0]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_memory_that_numpy_cannot_have_is_an_exception(
    classification, assert_same_results, n_jobs
):
    """A MemoryError is a failure like any other, of which no worker dies."""
    search = search_of(Greedy(below=0.3), n_jobs=n_jobs)

    with pytest.warns(FitFailedWarning, match=r"(?s)6 of 26 .*MemoryError: Unable to allocate"):
        search.fit(*classification)
    with pytest.warns(FitFailedWarning, match="too low"):
        raising = search_of(Failing(below=0.3)).fit(*classification)

    assert_same_results(search.cv_results_, raising.cv_results_)
    with pytest.raises(MemoryError):
        search.set_params(error_score="raise").fit(*classification)


WITH_LITTLE_MEMORY = """
import resource, sys, warnings
import numpy as np
from tests.test_crashes import Asking, search_of

if __name__ == "__main__":
    options = eval(sys.argv[1])
    X, y = np.random.default_rng(0).normal(size=(240, 6)), np.arange(240) % 2
    resource.setrlimit(resource.RLIMIT_AS, (2**32, resource.RLIM_INFINITY))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = search_of(Asking(), 3, **options).fit(X, y)
    for warning in caught:
        print(warning.message)
    print("best", search.best_params_["quality"])
"""


class Asking(Scored):
    """Asks for 8 GiB, and does not use them, where the quality is 0.05."""

    def fit(self, X, y=None):
        """Ask for memory, or fit."""
        if self.quality == 0.05:
            np.empty(2**30)
        return super().fit(X, y)


@pytest.mark.skipif(os.name != "posix", reason="needs limits of memory")
@pytest.mark.parametrize("options", [{"n_jobs": 2}, {"n_jobs": 1, "max_fit_time": 600}])
def test_limit_of_memory_holds_for_the_workers(options, tmp_path):
    """They inherit it from the process of the search; a fit that exceeds it costs its candidate."""
    root = Path(__file__).parents[1]
    script = tmp_path / "script.py"
    script.write_text(WITH_LITTLE_MEMORY)
    few_threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script), repr(options)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), **few_threads},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout.startswith("2 of 8 evaluations failed"), done.stderr
    assert "Unable to allocate 8.00 GiB" in done.stdout
    assert done.stdout.endswith("best 0.95\n")


def test_exception_that_cannot_be_unpickled_is_no_death(classification):
    """It is a failure like any other, and the workers live on."""
    search = search_of(RaisesUnpicklable())

    with pytest.raises(ValueError, match="UnpicklableError"):
        search.fit(*classification)
    with pytest.raises(RuntimeError, match="UnpicklableError"):
        search.set_params(error_score="raise").fit(*classification)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("step", ["fit", "score"])
@pytest.mark.parametrize(
    ("way", "status"),
    [("exit", 3), ("raise", 1), ("return", 0), ("huge", 0), ("silent", 1), ("unprintable", 1)],
)
def test_a_child_that_a_fit_forks_ends_there(
    classification, tmp_path, step, way, status, n_jobs, assert_same_results
):
    """However the child leaves the user's code, it does not go on with the search."""
    statuses = tmp_path / "statuses"
    estimator = Forking(step=step, way=way, statuses=str(statuses))
    options = {"cv": ONE_SPLIT, "n_jobs": n_jobs, "refit": False}

    search = search_of(estimator, 3, **options).fit(*classification)

    assert search.n_candidates_ == [3, 1]
    assert statuses.read_text().split() == [str(status)] * 4
    expected = search_of(Scored(), 3, **options).fit(*classification)
    assert_same_results(search.cv_results_, expected.cv_results_)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_that_is_its_own_cause_is_a_failure_like_any_other(classification, n_jobs):
    """A chain of causes that leads back to its beginning is not followed for ever."""
    search = search_of(CausedByItself(), n_jobs=n_jobs)

    with pytest.warns(FitFailedWarning, match="ArithmeticError: read-only"):
        search.fit(*classification)

    assert search.best_params_["quality"] == 0.95


WITHOUT_ROOM = """
import resource, sys
import numpy as np
from skhyperband import SuccessiveHalvingSearchCV
from tests.published import published
from tests.estimators import Scored

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**22,) * 2)
    X, y = np.zeros((2**20, 1)), np.arange(2**20) % 2
    search = published(
        SuccessiveHalvingSearchCV, Scored(), {"quality": [0.1, 0.2]}, resource="n_units", max_resources=4,
        n_candidates=2, cv=2, n_jobs=2, refit=False,
    )
    try:
        search.fit(X, y)
    except OSError as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_data_larger_than_the_temporary_folder_are_an_error(tmp_path):
    """The error says which folder has too little room, and names three ways out."""
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_ROOM)
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "JOBLIB_TEMP_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.stdout.startswith("n_jobs=2: what all workers share, X and y among it, is larger")
    assert "JOBLIB_TEMP_FOLDER" in done.stdout
    assert "n_jobs=1 or joblib.parallel_config(backend='threading')." in done.stdout
