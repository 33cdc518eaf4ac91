"""Processes that evaluate tasks alone: they end with all that their fits have started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import psutil
import pytest

from skhyperband._executors.joblib_executor import JoblibExecutor
from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._records import FailedStep, Outcome, Skipped, Task

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are of POSIX")


class StartsAChild:
    """Starts a process that runs on, notes its number, and ends as the split says."""

    def __init__(self, note):
        self.note = note

    def __call__(self, task):
        """Return, die or take too long."""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(self.note).write_text(str(child.pid))
        if task.split == 1:
            time.sleep(600)
        if task.split == 2:
            os._exit(1)
        return Outcome(1.0, None, 0.0, 0.0)


def child_noted_in(note):
    """Return the process whose number is in the file."""
    return psutil.Process(int(note.read_text()))


def has_ended(process, seconds=20):
    """Return whether a process ends within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("split", "step"),
    [
        pytest.param(1, FailedStep.TIMEOUT, id="takes too long"),
        pytest.param(2, FailedStep.WORKER, id="dies"),
    ],
)
def test_what_a_fit_has_started_ends_with_its_process(tmp_path, monkeypatch, split, step):
    """However the process ends, without psutil and without a program that lists processes."""
    note = tmp_path / "child"
    evaluate = LimitedEvaluate(StartsAChild(str(note)), 2.0)

    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        without.setitem(sys.modules, "psutil", None)
        outcome = evaluate(Task({}, 1, split))

    assert outcome.failure.step == step
    assert has_ended(child_noted_in(note))


PROGRAM = """
import sys
from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._records import Task
from tests.test_lone_process import StartsAChild

LimitedEvaluate(StartsAChild(sys.argv[1]), 600.0)(Task({}, 1, 1))
"""


def test_what_a_fit_has_started_ends_with_the_search(tmp_path):
    """Although nobody is left who could end it, when the main process was killed."""
    note = tmp_path / "child"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(note)], cwd=Path(__file__).parents[1]
    )
    deadline = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = child_noted_in(note)

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert has_ended(child)


def test_tasks_that_come_after_the_end_are_skipped(tmp_path):
    """Threads of joblib still hand over what they have taken; it must start no process."""
    evaluate = LimitedEvaluate(StartsAChild(str(tmp_path / "child")), 600.0)

    evaluate.end_running()
    skipped = evaluate(Task({}, 1, 0))
    evaluate.begin()
    evaluated = evaluate(Task({}, 1, 0))
    evaluate.close()

    assert skipped == Skipped()
    assert evaluated.test_scores == 1.0


class DiesOnce:
    """Ends its process the first time; returns how many threads of OpenMP there are the second."""

    def __init__(self, mark):
        self.mark = mark

    def __call__(self, task):
        """Die, or return."""
        if not os.path.exists(self.mark):
            Path(self.mark).touch()
            os._exit(1)
        return Outcome(float(os.environ["OMP_NUM_THREADS"]), None, 0.0, 0.0)


def test_second_attempt_has_as_many_threads_as_the_first(tmp_path, monkeypatch):
    """The last digits of a score may depend on it, and must not on who died nearby."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    executor = JoblibExecutor(DiesOnce(str(tmp_path / "mark")), 2, "2*n_jobs")

    with executor:
        ((_, outcome),) = executor.run([Task({}, 1, 0)])

    assert outcome.test_scores == max(1, joblib.cpu_count() // 2)


def test_package_can_be_imported_on_windows():
    """Windows does not have this function."""
    program = (
        "import multiprocessing.reduction as reduction\ndel reduction.DupFd\nimport skhyperband\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])
