"""Processes that evaluate tasks alone: they end with all that their fits have started."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import psutil
import pytest

from skhyperband._executors.broadcast import Broadcast
from skhyperband._executors.isolation import retry_in_isolation
from skhyperband._executors.joblib_executor import JoblibExecutor
from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._executors.lone_process import LoneProcess
from skhyperband._records import FailedStep, Skipped, Task
from tests.tasks import DiesOnce, StartsAChild, Suspect, attempts_at

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="process groups are of POSIX"),
]


def child_has_ended(note, seconds=20):
    """Return whether the process whose number is in the file ends within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(int(note.read_text())).status() == psutil.STATUS_ZOMBIE:
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
    evaluate = LimitedEvaluate(StartsAChild(str(note)), 1.0)

    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        without.setitem(sys.modules, "psutil", None)
        outcome = evaluate(Task({}, 1, split))

    assert outcome.failure.step == step
    assert child_has_ended(note)


def test_what_a_fit_has_started_ends_when_its_process_is_dead_already(tmp_path, monkeypatch):
    """A process that has died by itself leaves what it has started, and has no number any more."""
    note = tmp_path / "child"
    kill = LoneProcess.kill

    def kill_after_its_end(process):
        process._process.join()
        kill(process)

    monkeypatch.setattr(LoneProcess, "kill", kill_after_its_end)

    LimitedEvaluate(StartsAChild(str(note)), 600.0)(Task({}, 1, 2))

    assert child_has_ended(note)


def test_what_has_left_the_group_ends_too(tmp_path):
    """It is found as a child while the process lives, where psutil is there."""
    note = tmp_path / "child"

    LimitedEvaluate(StartsAChild(str(note), in_session=True), 1.0)(Task({}, 1, 1))

    assert child_has_ended(note)


PROGRAM = """
import sys, time
from pathlib import Path
from skhyperband._executors.limited import LimitedEvaluate
from skhyperband._records import Task
from tests.tasks import StartsAChild

evaluate = LimitedEvaluate(StartsAChild(sys.argv[1]), 600.0)
evaluate(Task({}, 1, int(sys.argv[2])))
Path(sys.argv[1]).with_suffix(".idle").touch()
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("split", "suffix"), [pytest.param(1, "", id="busy"), pytest.param(0, ".idle", id="idle")]
)
def test_what_a_fit_has_started_ends_with_the_search(tmp_path, split, suffix):
    """Although nobody is left who could end it, when the main process was killed."""
    note = tmp_path / "child"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(note), str(split)], cwd=Path(__file__).parents[1]
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if note.with_suffix(suffix).exists() and note.read_text():
            break
        time.sleep(0.05)

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert child_has_ended(note)


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


def test_second_attempt_has_as_many_threads_as_the_first(tmp_path, monkeypatch):
    """The last digits of a score may depend on it, and must not on who died nearby."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    executor = JoblibExecutor(DiesOnce(str(tmp_path / "mark")), 2, "2*n_jobs")

    with executor:
        ((_, outcome),) = executor.run([Task({}, 1, 0)])

    assert outcome.test_scores == max(1, joblib.cpu_count() // 2)


def retried(folder, splits):
    """Return a run of suspects, by their split, with two workers."""
    suspects = {split: Task({}, 1, split) for split in splits}
    return retry_in_isolation(Broadcast(Suspect(str(folder))), suspects, {}, 2)


def test_suspect_that_dies_is_tried_once_more_when_the_others_have_ended(tmp_path):
    """Only one that dies each time is the one that killed its worker."""
    results = dict(retried(tmp_path, [0, 1, 2, 10, 11]))

    scores = {split: result.test_scores for split, result in results.items()}
    assert scores == {0: 0.0, 1: 1.0, 2: None, 10: 10.0, 11: 11.0}
    assert [len(attempts_at(tmp_path, split)) for split in (0, 1, 2)] == [1, 2, 2]
    last = max(attempts_at(tmp_path, 2), key=lambda mark: mark.stat().st_mtime)
    assert last.read_text() == "False"
    used = {
        mark.name.rpartition("-")[2]
        for split in (0, 10, 11)
        for mark in attempts_at(tmp_path, split)
    }
    assert last.name.rpartition("-")[2] not in used


def evaluating_children():
    """Yield the processes that this one has started, without joblib's resource tracker."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "tracker" not in " ".join(process.cmdline()):
                yield process


def test_suspects_end_with_the_search(tmp_path):
    """When the run is closed, what runs is ended, and what waits is not begun."""
    before = set(evaluating_children())
    run = retried(tmp_path, [0, 3, 4, 5, 6, 7, 8, 9])

    next(run)
    run.close()

    assert len(attempts_at(tmp_path, 9)) == 0
    _, alive = psutil.wait_procs(set(evaluating_children()) - before, timeout=20)
    assert alive == []


def test_package_can_be_imported_on_windows():
    """Windows does not have this function."""
    program = (
        "import multiprocessing.reduction as reduction\ndel reduction.DupFd\nimport skhyperband\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])
