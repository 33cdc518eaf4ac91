"""Tasks for executors, what evaluates them, and the marks that it leaves.

Worker processes import this module when they start, so that it imports neither pytest nor the
estimators.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skhyperband._executors.states import State
from skhyperband._records import FailedStep, Failure, Outcome, Skipped, Task

# --- tasks and results -------------------------------------------------------------


def task_of(number, n_resources=1, **options):
    """Return a task that can be told from others."""
    return Task({"number": number}, n_resources, number, **options)


def tasks_of(n_tasks):
    return [task_of(number) for number in range(n_tasks)]


def outcome_of(score, **options):
    return Outcome(float(score), None, 0.0, 0.0, **options)


def tenfold(task):
    """Evaluate at once; the score tells which task it was."""
    return outcome_of(10 * task.split)


def scores(results):
    """Return {position: score} of what an executor yields, which must yield each position once."""
    found = {}
    for position, result in results:
        assert position not in found
        found[position] = result.test_scores
    return found


# --- marks -------------------------------------------------------------------------


@dataclass(frozen=True)
class Marks:
    """Files that tell other processes, and the test, what has happened."""

    folder: Path

    def leave(self, name):
        """Note that something happened, and how often."""
        with open(self.folder / name, "a") as file:
            file.write("x")

    def count(self, name):
        """Return how often it happened."""
        path = self.folder / name
        return path.stat().st_size if path.exists() else 0

    def names(self, prefix):
        """Return what happened of this kind."""
        return {path.name for path in self.folder.glob(f"{prefix}-*")}

    def wait_for(self, name, n_names=1):
        """Wait until it has happened, or until so many of its kind have."""
        deadline = time.monotonic() + 60
        while not self.count(name) and len(self.names(name)) < n_names:
            assert time.monotonic() < deadline, f"{name} did not happen"
            time.sleep(0.005)


class MarkedWhenSent:
    """A value of a candidate that notes when its task is sent to another process."""

    def __init__(self, marks, number):
        self.marks = marks
        self.number = number

    def __reduce__(self):
        return handing_over(self.marks, self.number)


def handing_over(marks, number):
    """Leave a mark when a task is sent to another process."""
    marks.leave(f"sent-{number}")
    return int, ()


# --- tasks that wait for each other ------------------------------------------------


def wait_for_go(marks, task):
    """Evaluate the first task at once, and all others when they are told to go on."""
    marks.leave(f"begun-{task.split}")
    if task.split > 0:
        marks.wait_for("go")
    return tenfold(task)


def wait_for_other_result(marks, slow, task):
    """Let one task wait until the result of another has been taken."""
    if task.split == slow:
        marks.wait_for("taken")
    return tenfold(task)


def meet(marks, n_workers, task):
    """Wait until so many tasks have begun."""
    marks.leave(f"begun-{task.split}")
    marks.wait_for("begun", n_workers)
    return tenfold(task)


def count_running(marks, task):
    """Return how many tasks run while this one does."""
    mark = marks.folder / f"running-{task.split}"
    mark.touch()
    time.sleep(0.05)
    n_running = len(marks.names("running"))
    mark.unlink()
    return outcome_of(n_running)


# --- limits and failures -----------------------------------------------------------


def unless_too_late(task):
    """Evaluate as the package's own evaluator does: not at all where it is too late."""
    return Skipped() if time.time() >= task.start_before else tenfold(task)


class NotPicklableError(Exception):
    """Cannot be pickled."""

    def __reduce__(self):
        raise TypeError("not to be pickled")


class NotUnpicklableError(Exception):
    """Can be pickled, but not be unpickled: it needs two arguments, and keeps one."""

    def __init__(self, one, other):
        super().__init__(one)
        self.other = other


EXCEPTIONS = {
    "pickled": NotPicklableError("one"),
    "unpickled": NotUnpicklableError("one", "other"),
}


def fail(task):
    """Return a failure with the exception that the candidate names, if it names one."""
    kind = task.candidate["kind"]
    if kind is None:
        return tenfold(task)
    failure = Failure(FailedStep.FIT, f"it cannot be {kind}", EXCEPTIONS[kind])
    return Outcome(None, None, 0.0, 0.0, failure)


def die_when_taken(marks, n_others, task):
    """Let task 0 end its process when the results of all others have been taken."""
    marks.leave(f"begun-{task.split}")
    if task.split == 0:
        marks.wait_for("taken", n_others)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)  # Dask does not give a quick task that waits to another worker.
    return tenfold(task)


def die_beside_another(marks, task):
    """Let task 0 end its process while task 1 runs, and whenever it is tried again."""
    marks.leave(f"begun-{task.split}")
    if task.split == 0:
        marks.wait_for("begun-1")
        marks.leave("died")
        os.kill(os.getpid(), signal.SIGKILL)
    if task.split == 1 and marks.count("begun-1") == 1:
        marks.wait_for("died")
        time.sleep(0.5)  # So that it is still running when the workers are ended.
    return tenfold(task)


def die_once(marks, task):
    """End the process at the first attempt."""
    marks.leave(f"begun-{task.split}")
    if marks.count(f"begun-{task.split}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return tenfold(task)


# --- states ------------------------------------------------------------------------

N_VALUES = 2**16  # So large that executors may send it another way than small results.

# The objects of the class below that this process has not freed, however they were made.
ALIVE: "weakref.WeakSet[Fitted]" = weakref.WeakSet()


class Fitted:
    """Stands for a fitted estimator."""

    def __new__(cls, *args):
        fitted = super().__new__(cls)
        ALIVE.add(fitted)
        return fitted

    def __init__(self, value):
        self.values = np.full(N_VALUES, value)


class FittedWithLock(Fitted):
    """Cannot be pickled."""

    def __init__(self, value):
        super().__init__(value)
        self.lock = threading.Lock()


def fit(task):
    """Add the number of the task to what its state holds; return the sum, and as a new state."""
    value = task.split
    if task.state is not None:
        state = task.state.read()
        fitted = state.open()
        assert fitted.values.shape == (N_VALUES,)
        assert state.n_resources == task.n_resources - 1
        value += fitted.values[-1]
    cannot_be_pickled = task.candidate.get("lock", False)
    fitted = FittedWithLock(value) if cannot_be_pickled else Fitted(value)
    state = State(fitted, task.n_resources, 1) if task.keeps_state else None
    return outcome_of(value, state=state)


# --- in processes that end -----------------------------------------------------------


class Adding:
    """Evaluates by adding to an array of its own; task 1 never ends, task 2 ends its process."""

    def __init__(self):
        self.values = np.zeros(300_000)

    def __call__(self, task):
        """Return the sum as the test score, the process as the training score."""
        if task.split == 1:
            time.sleep(600)
        if task.split == 2:
            os._exit(1)
        self.values += 1
        return Outcome(float(self.values.mean()), float(os.getpid()), 0.0, 0.0)


class FragileBesideOthers:
    """Dies as long as another task runs, as where the memory suffices for one only."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, task):
        """Evaluate split 0, or take so long that a new process would have begun beside it."""
        other = Path(self.folder) / "other"
        if task.split == 1:
            other.touch()
            time.sleep(4.0)
            other.unlink()
        elif other.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(1.0, None, 0.0, 0.0)


def threads_of(task):
    """Return as the score how many threads libraries start in this process."""
    return Outcome(float(os.environ["OMP_NUM_THREADS"]), None, 0.0, 0.0)


class StartsAChild:
    """Starts a process that runs on, notes its number, and ends as the split says."""

    def __init__(self, note, *, in_session=False):
        self.note = note
        self.in_session = in_session

    def __call__(self, task):
        """Return, die or take too long."""
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            start_new_session=self.in_session,
        )
        Path(self.note).write_text(str(child.pid))
        if task.split == 1:
            time.sleep(600)
        if task.split == 2:
            os._exit(1)
        return Outcome(1.0, None, 0.0, 0.0)


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


class Suspect:
    """Dies at its first attempt, or always, or waits for ever, as the split says; notes each one."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, task):
        """Note the attempt, and end as the split says."""
        others_run = bool(list(self.folder.glob("*.runs")))
        mark = self.folder / f"{task.split}-{os.getpid()}"
        mark.write_text(str(others_run))
        if task.split == 3:
            time.sleep(600)
        if task.split == 2 or (task.split == 1 and len(attempts_at(self.folder, 1)) == 1):
            os._exit(1)
        running = mark.with_suffix(".runs")
        running.touch()
        time.sleep(0.5)
        running.unlink()
        return Outcome(float(task.split), None, 0.0, 0.0)


def attempts_at(folder, split):
    """Return the marks of the attempts at a task."""
    return [path for path in Path(folder).glob(f"{split}-*") if not path.suffix]


class Meeting:
    """Split 0 kills its worker. Two others end only when both of them run at the same time."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, task):
        """Note that it runs; die, or wait for the other one."""
        mark = self.folder / f"{task.split}-{os.getppid()}-{os.getpid()}"
        mark.touch()
        if task.split == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        deadline = time.time() + 60
        while not all(any(map(_lives, self.folder.glob(f"{n}-*"))) for n in (1, 2)):
            assert time.time() < deadline, "they do not run side by side"
            time.sleep(0.01)
        time.sleep(0.2)  # So that the other one sees it, too.
        mark.unlink()
        return Outcome(float(task.split), None, 0.0, 0.0)


def _lives(mark):
    try:
        os.kill(int(mark.name.rpartition("-")[2]), 0)
    except ProcessLookupError:
        return False
    return True
