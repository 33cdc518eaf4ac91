"""What a search leaves behind, with real processes: nothing but what joblib keeps for the next."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import psutil
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import ShuffleSplit
from threadpoolctl import threadpool_info

from skhyperband import SuccessiveHalvingSearchCV
from tests.estimators import Scored
from tests.published import published

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir() or not Path("/dev/shm").is_dir(), reason="looks into Linux"
)

COMMON = """
import collections, gc, json, os, pickle, signal, sys, threading, time, warnings
from pathlib import Path
import joblib, numpy as np, psutil
from joblib.externals.loky import reusable_executor
from skhyperband import SuccessiveHalvingSearchCV
from tests.published import published
from tests.estimators import Deadly, Endless, Failing, Scored, grow

folder = Path(sys.argv[1])
X, y = np.random.default_rng(0).normal(size=(240, 6)), np.arange(240) % 2

def search_of(estimator, n_jobs=2, n_candidates=9, **options):
    return published(
        SuccessiveHalvingSearchCV, estimator, {"quality": np.linspace(0.05, 0.95, n_candidates)}, n_candidates="all",
        resource="n_units", max_resources=9, n_jobs=n_jobs, random_state=0,
        **{"cv": 2, **options},
    )

def deadly(**options):
    return Deadly(marks=str(folder), parent=os.getpid(), **options)

def as_text(search):
    columns = search.cv_results_
    return str([columns[name] for name in ("params", "candidate_id", "mean_test_score")])

ONE_SPLIT = [(np.arange(120), np.arange(120, 240))]
warnings.simplefilter("ignore")
"""


def start(program, folder, *args):
    """Start a program in a session of its own, with temporary files of its own."""
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    marks = folder / "marks"
    marks.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", COMMON + program, str(marks), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "TMPDIR": str(temporary), "JOBLIB_TEMP_FOLDER": str(temporary)},
    )


def finish(process, seconds=120):
    """Wait for its end; return what it said last, and fail where it hangs."""
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"hung; it said {process.communicate()}")
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


def processes_of(session):
    """Return the processes of a session that still run."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            ours = os.getsid(process.pid) == session
        except ProcessLookupError:
            continue
        if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def left_by(process, folder, seconds=20):
    """Return what an ended program has left, when it has had some seconds to go."""
    deadline = time.monotonic() + seconds
    while True:
        processes = processes_of(process.pid)
        files = [path.name for path in (folder / "temporary").iterdir()]
        files += [path.name for path in Path("/dev/shm").glob(f"*-{process.pid}-*")]
        if not (processes or files) or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    names = []
    for left in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # It may end between two looks.
            names.append(" ".join(left.cmdline()[-3:]))
            left.kill()
    return names + files


# --- what a search leaves ----------------------------------------------------------

LEAVING = """
class Heavy(Scored):
    "Has a state that is worth a way of its own from worker to worker."
    def fit(self, X, y=None):
        self.weights_ = np.ones(2**18)
        return super().fit(X, y)

def heavy_search(n_jobs):
    return search_of(Heavy(), n_jobs, continue_training=grow)

class Slow(Scored):
    def fit(self, X, y=None):
        time.sleep(0.2)
        return super().fit(X, y)

class Interrupting(Scored):
    "Takes its time; the first one that does presses Ctrl-C in the main process, once."
    def __init__(self, quality=0.0, n_units=1, parent=0, mark=None):
        self.quality, self.n_units, self.parent, self.mark = quality, n_units, parent, mark
    def fit(self, X, y=None):
        if self.n_units == 3:
            try:
                Path(self.mark).touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(self.parent, signal.SIGINT)
            time.sleep(60)
        return super().fit(X, y)

def interrupting(how, n_jobs):
    return Interrupting(parent=os.getpid(), mark=str(folder / f"{how}-{n_jobs}"))

def finished(n_jobs):
    return heavy_search(n_jobs).fit(X, y).stop_reason_

def dead(n_jobs):
    search = search_of(deadly(below=0.1), n_jobs, cv=ONE_SPLIT).fit(X, y)
    return search.rungs_.rungs[0].n_failures

def raised(n_jobs):
    try:
        search_of(Failing(below=2.0, from_units=3), n_jobs, error_score="raise").fit(X, y)
    except ArithmeticError as error:
        return type(error).__name__

def interrupted(n_jobs):
    search = search_of(interrupting("plain", n_jobs), n_jobs)
    try:
        search.fit(X, y)
    except KeyboardInterrupt:
        return search.stop_reason_

def max_time(n_jobs):
    return search_of(Slow(), n_jobs, max_time=1).fit(X, y).stop_reason_

def too_slow(n_jobs):
    search = search_of(Endless(below=0.1), n_jobs, cv=ONE_SPLIT, max_fit_time=1.5)
    return search.fit(X, y).rungs_.rungs[0].n_failures

def interrupted_with_limit(n_jobs):
    search = search_of(interrupting("limited", n_jobs), n_jobs, max_fit_time=600)
    try:
        search.fit(X, y)
    except KeyboardInterrupt:
        return search.stop_reason_

def many_fits(n_jobs):
    n_searches = 8 // n_jobs**2
    searches = [heavy_search(n_jobs).fit(X, y) for _ in range(n_searches)]
    return sum(2 * len(search.cv_results_["params"]) + 1 for search in searches)

def pool():
    executor = reusable_executor._executor
    return [] if executor is None else list(executor._processes)

def ask(pid, what):
    "Return what psutil says of a process, which may end at any moment; None where it has ended."
    try:
        return getattr(psutil.Process(pid), what)()
    except psutil.NoSuchProcess:  # Of which an ended child that nobody has waited for is a case.
        return None

def there():
    "What there is of this process, but for the processes that joblib keeps for the next."
    gc.collect()  # The pool of threads that joblib has ended is part of a cycle.
    me = psutil.Process()
    children = [p for p in me.children(recursive=True) if p.pid not in pool()]
    commands = [" ".join(ask(p.pid, "cmdline") or ["not waited for"]) for p in children]
    return {
        "processes": [c for c in commands if "resource_tracker" not in c],
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "files": [str(path) for path in Path(os.environ["TMPDIR"]).rglob("*")],
        "shared": len(list(Path("/dev/shm").glob(f"*-{os.getpid()}-*"))),
        "descriptors": me.num_fds(),
        "of workers": sorted(str(ask(pid, "num_fds")) for pid in pool()),
    }

def settle(n_jobs, expected=None):
    "Return what there is when joblib has its workers again, and had some seconds to clean up."
    heavy_search(n_jobs).fit(X, y)
    deadline = time.monotonic() + (2 if expected is None else 15)
    while (found := there()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return found

said = {}
for arg in sys.argv[2:]:
    how, n_jobs = arg.split("-")
    before = settle(int(n_jobs)) if not said else there()
    came_to = globals()[how](int(n_jobs))
    said[arg] = {"came to": came_to, "before": before, "after": settle(int(n_jobs), before)}
print(json.dumps(said))
"""

ENDS = {
    "finished-2": "completed",
    "dead-2": 1,
    "raised-2": "ArithmeticError",
    "interrupted-2": "interrupted",
    "max_time-2": "max_time",
    "too_slow-2": 1,
    "interrupted_with_limit-2": "interrupted",
    "many_fits-2": 54,
    "finished-1": "completed",
    "raised-1": "ArithmeticError",
    "interrupted-1": "interrupted",
    "too_slow-1": 1,
    "interrupted_with_limit-1": "interrupted",
    "many_fits-1": 216,
}


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    """Run searches that end in all these ways; give what each said, and what was left at the end."""
    folder = tmp_path_factory.mktemp("searches")
    process = start(LEAVING, folder, *ENDS)
    said = finish(process, seconds=300)
    return said, left_by(process, folder)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "came_to"), ENDS.items(), ids=ENDS)
def test_a_search_leaves_nothing(searches, how, came_to):
    """However it ends: no process, thread, file, semaphore or open file, here and in workers."""
    said = searches[0][how]

    assert said["came to"] == came_to
    assert said["after"] == said["before"]
    assert said["before"]["processes"] == said["before"]["files"] == []


@pytest.mark.slow
def test_a_process_leaves_nothing_at_its_end(searches):
    """Workers and trackers end with it; temporary folder and /dev/shm are clean."""
    _, left = searches

    assert left == []


# --- two at a time -----------------------------------------------------------------

IN_THREADS = """
def rounds_of(search, is_over):
    "Fit until it is over, at least once; return what the results were."
    found = set()
    while not found or not is_over():
        found.add(as_text(search.fit(X, y)))
    return found

def in_threads(*works):
    found = {}
    def run(number, work):
        try:
            found[number] = work()
        except Exception as error:
            found[number] = type(error).__name__
    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found

over = threading.Event()
def other():
    try:
        return {as_text(disturbing.fit(X, y))}
    finally:
        over.set()

how = sys.argv[2]
failing = Failing(below=0.1)
for _ in range(int(sys.argv[3])):
    over.clear()
    disturbing, alone = {
        "plain": lambda: (search_of(Scored()), search_of(Scored(), 1)),
        "dies": lambda: (search_of(deadly(below=0.1), cv=ONE_SPLIT), search_of(failing, 1, cv=ONE_SPLIT)),
        "raises": lambda: (search_of(failing, error_score="raise"), None),
    }[how]()
    found = in_threads(lambda: rounds_of(search_of(Scored(), n_candidates=27), over.is_set), other)
    expected = {
        0: {as_text(search_of(Scored(), 1, n_candidates=27).fit(X, y))},
        1: "ArithmeticError" if alone is None else {as_text(alone.fit(X, y))},
    }
    if found != expected:
        break
print(json.dumps("the same" if found == expected else str(found)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "n_times"), [("plain", 2), ("dies", 1), ("raises", 2)])
def test_searches_in_two_threads_do_not_disturb_each_other(tmp_path, how, n_times):
    """Each has the results that it has alone, whatever the other one does."""
    if how == "dies" and joblib.__version__.startswith("1.4."):
        pytest.skip("this joblib may tell one thread only that its workers are gone")

    said = finish(start(IN_THREADS, tmp_path, how, n_times), seconds=200)

    assert said == "the same"


IN_PROCESSES = """
how, other = sys.argv[2:4]

def wait_for(mark):
    deadline = time.monotonic() + 60
    while not (folder / mark).exists() and time.monotonic() < deadline:
        time.sleep(0.01)

failing = Failing(below=0.1)
search, alone = {
    "plain": lambda: (search_of(Scored()), search_of(Scored(), 1)),
    "dies": lambda: (search_of(deadly(below=0.1), cv=ONE_SPLIT), search_of(failing, 1, cv=ONE_SPLIT)),
}[how]()
(folder / f"{how} is there").touch()
wait_for(f"{other} is there")
found = set()
while not found or (how == "plain" and not (folder / f"{other} is over").exists()):
    found.add(as_text(search.fit(X, y)))
    time.sleep(0.1)  # The other one starts workers, for which it needs the processor.
(folder / f"{how} is over").touch()
print(json.dumps([found == {as_text(alone.fit(X, y))}, len(found)]))
"""


def test_searches_in_two_processes_do_not_disturb_each_other(tmp_path):
    """Each has the results that it has alone, also while the other's workers die."""
    processes = [
        start(IN_PROCESSES, tmp_path, *names) for names in (("plain", "dies"), ("dies", "plain"))
    ]

    assert [finish(process) for process in processes] == [[True, 1], [True, 1]]
    assert [left_by(process, tmp_path) for process in processes] == [[], []]


# --- nested ------------------------------------------------------------------------


class Looking(Scored):
    """Looks at what it may use; then dies, where the quality is below a limit."""

    def __init__(self, quality=0.0, n_units=1, label=None, notes=".", below=0.0):
        super().__init__(quality, n_units, label)
        self.notes = notes
        self.below = below

    def fit(self, X, y=None):
        """Use all cores, and note what came of it."""
        inner = joblib.Parallel(n_jobs=-1)(joblib.delayed(os.getpid)() for _ in range(8))
        looked = {
            "own process only": set(inner) == {os.getpid()},
            "children": len(psutil.Process().children(recursive=True)),
            "threads": max(pool["num_threads"] for pool in threadpool_info()),
            "dies": bool(self.quality < self.below),
        }
        with open(Path(self.notes, str(os.getpid())), "a") as file:
            file.write(json.dumps(looked) + "\n")
        if self.quality < self.below:
            os._exit(1)
        return super().fit(X, y)


def looked(estimator, data):
    """Search with two processes; return what the fits saw."""
    published(
        SuccessiveHalvingSearchCV,
        estimator,
        {"quality": np.linspace(0.05, 0.95, 9)},
        n_candidates="all",
        resource="n_units",
        max_resources=9,
        cv=ShuffleSplit(1, random_state=0),
        n_jobs=2,
        refit=False,
    ).fit(*data)
    files = Path(estimator.notes).iterdir()
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_workers_share_the_cores(classification, tmp_path):
    """The threads of BLAS and OpenMP, in all workers together, are no more than the cores."""
    fits = looked(Looking(notes=str(tmp_path)), classification)

    assert len(fits) == 13
    assert {2 * fit["threads"] <= max(2, joblib.cpu_count()) for fit in fits} == {True}


def test_parallel_estimator_starts_no_processes_in_a_worker(classification, tmp_path):
    """Its n_jobs are threads there, also where it runs alone after a worker died."""
    estimator = Looking(notes=str(tmp_path), below=0.1)

    with pytest.warns(FitFailedWarning, match="1 of 13"):
        fits = looked(estimator, classification)

    assert sum(fit["dies"] for fit in fits) >= 2
    assert all(fit["own process only"] for fit in fits)
    assert all(fit["children"] == 0 for fit in fits)


# --- when the main process is killed -----------------------------------------------

WAITING = """
class Waiting(Scored):
    "Leaves a mark and waits; with `alone` it dies the first time."
    def __init__(self, quality=0.0, n_units=1, alone=False):
        self.quality, self.n_units, self.alone = quality, n_units, alone
    def fit(self, X, y=None):
        died = folder / "died"
        if self.alone and not died.exists():
            died.touch()
            os._exit(1)
        (folder / f"waits-{os.getpid()}").touch()
        time.sleep(300)
        return super().fit(X, y)

alone, n_candidates, n_jobs = map(int, sys.argv[2:])
search_of(Waiting(alone=bool(alone)), n_jobs, n_candidates, cv=ONE_SPLIT).fit(X, y)
"""


@pytest.mark.parametrize(("alone", "n_waiting"), [(0, 2), (1, 1)], ids=["busy", "alone"])
def test_workers_end_with_a_main_process_that_is_killed(tmp_path, alone, n_waiting):
    """In the middle of a long fit, or alone after a death: all go, and their files."""
    with start(WAITING, tmp_path, alone, 9, 2) as process:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("marks/waits-*"))) < n_waiting:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(1.5)  # Those that have nothing to do shall be there, too.
        n_processes = len(processes_of(process.pid))

        process.kill()
        process.wait()

        assert n_processes > 2
        assert left_by(process, tmp_path) == []
