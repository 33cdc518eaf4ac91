"""The conformance suite of the executors: every executor passes the same cases.

For a new executor, add a function that prepares it to `ENGINES`. The cases need no change.
"""

import contextlib
import errno
import functools
import gc
import math
import os
import pickle
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import joblib
import pytest
from joblib.externals.loky import reusable_executor
from joblib.parallel import LokyBackend

from skhyperband._executors import Executor, joblib_executor, make_executor
from skhyperband._executors.isolation import retry_in_isolation
from skhyperband._executors.joblib_executor import JoblibExecutor
from skhyperband._executors.sequential_executor import SequentialExecutor
from skhyperband._journal.database import Journal
from skhyperband._journal.replay import ReplayingExecutor
from skhyperband._records import (
    Evaluate,
    FailedStep,
    Skipped,
    StateKey,
    Task,
)
from tests.tasks import (
    ALIVE,
    EXCEPTIONS,
    MarkedWhenSent,
    Marks,
    count_running,
    die_beside_another,
    die_once,
    die_when_taken,
    fail,
    fit,
    meet,
    scores,
    task_of,
    tasks_of,
    tenfold,
    unless_too_late,
    wait_for_go,
    wait_for_other_result,
)
from tests.workers import VirtualWorkers

# --- the executors -----------------------------------------------------------------


@contextlib.contextmanager
def with_joblib(evaluate, folder, *, backend="loky", n_jobs=2, max_fit_time=math.inf):
    """Give the executor for one of joblib's backends."""
    with joblib.parallel_config(backend=backend):
        yield make_executor(evaluate, n_jobs, "2*n_jobs", max_fit_time)


@contextlib.contextmanager
def with_journal(evaluate, folder, *, prepare):
    """Give an executor that looks into a journal first, around another one."""
    with (
        prepare(evaluate, folder) as executor,
        Journal(os.fspath(folder / "journal.sqlite"), {}) as journal,
    ):
        yield ReplayingExecutor(
            executor,
            journal,
            keys=lambda task: f"{task.split} {task.n_resources}".encode(),
            suffices=lambda entry: True,
            is_too_late=lambda: False,
        )


@contextlib.contextmanager
def on_cluster(evaluate, folder, *, backend):
    """Give the executor for the cluster that is running, once all its workers are there."""
    with joblib.parallel_config(backend=backend):
        deadline = time.monotonic() + 60
        while (executor := make_executor(evaluate, None, "2*n_jobs")).n_workers < 2:
            assert time.monotonic() < deadline, "the workers did not come back"
            time.sleep(0.1)
        yield executor


@contextlib.contextmanager
def with_virtual_workers(evaluate, folder):
    """Give the executor with which the loop is tested."""
    yield VirtualWorkers(evaluate, 2)


sequentially = functools.partial(with_joblib, n_jobs=1)
in_threads = functools.partial(with_joblib, backend="threading")
in_processes = functools.partial(with_joblib, backend="loky")
with_limit = functools.partial(with_joblib, max_fit_time=300.0)


@dataclass(frozen=True)
class Engine:
    """An executor, and what is expected of it.

    Attributes
    ----------
    prepare : callable
        ``prepare(evaluate, folder)`` is a context that gives an executor, not entered yet.
    n_workers : int
    has_processes : bool
        Whether tasks run in other processes than this one.
    cluster : str or None
        The fixture that starts the cluster.
    takes_further_tasks : bool
        Whether it can be given more tasks while it runs.
    """

    prepare: Callable[[Evaluate, Path], AbstractContextManager[Executor]]
    n_workers: int
    has_processes: bool = False
    cluster: str | None = None
    takes_further_tasks: bool = False


ENGINES = {
    "sequential": Engine(sequentially, 1),
    "threading": Engine(in_threads, 2),
    "loky": Engine(in_processes, 2, has_processes=True),
    "dask": Engine(
        functools.partial(on_cluster, backend="dask"),
        2,
        has_processes=True,
        cluster="dask_client",
        takes_further_tasks=True,
    ),
    "ray": Engine(
        functools.partial(on_cluster, backend="ray"),
        2,
        has_processes=True,
        cluster="ray_cluster",
        takes_further_tasks=True,
    ),
    "limited-one": Engine(functools.partial(with_limit, n_jobs=1), 1, has_processes=True),
    "limited-two": Engine(with_limit, 2, has_processes=True),
    "journal-sequential": Engine(functools.partial(with_journal, prepare=sequentially), 1),
    "journal-threading": Engine(functools.partial(with_journal, prepare=in_threads), 2),
}


def those(fits):
    """Return a decorator that runs a case with the executors that it is about."""
    engines = {name: engine for name, engine in ENGINES.items() if fits(engine)}
    return pytest.mark.parametrize("engine", engines.values(), ids=engines)


every_executor = those(lambda engine: True)
executors_with_processes = those(lambda engine: engine.has_processes)
executors_with_several_processes = those(
    lambda engine: engine.has_processes and engine.n_workers > 1
)
executors_without_processes = those(lambda engine: not engine.has_processes)
executors_with_one_worker = those(lambda engine: engine.n_workers == 1)

# Beside those of users there is the one with which the loop is tested.
_TAKING_FURTHER_TASKS = {
    **{name: engine for name, engine in ENGINES.items() if engine.takes_further_tasks},
    "virtual": Engine(with_virtual_workers, 2, takes_further_tasks=True),
    "journal-virtual": Engine(
        functools.partial(with_journal, prepare=with_virtual_workers), 2, takes_further_tasks=True
    ),
}
executors_that_take_further_tasks = pytest.mark.parametrize(
    "engine", _TAKING_FURTHER_TASKS.values(), ids=_TAKING_FURTHER_TASKS
)
other_executors = those(lambda engine: not engine.takes_further_tasks)


# --- what the cases share ----------------------------------------------------------


@pytest.fixture
def marks(tmp_path):
    """Give an empty folder of marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return Marks(folder)


@pytest.fixture(autouse=True)
def cluster(request):
    """Start the cluster of the engine under test, if it has one."""
    if "engine" in request.fixturenames:
        engine = request.getfixturevalue("engine")
        if engine.cluster is not None:
            request.getfixturevalue(engine.cluster)


@pytest.fixture
def start(engine, tmp_path):
    """Give a context in which the executor under test has been entered."""

    @contextlib.contextmanager
    def start(evaluate) -> Iterator[Executor]:
        with engine.prepare(evaluate, tmp_path) as executor, executor:
            yield executor

    return start


# --- tasks and results -------------------------------------------------------------


@every_executor
def test_every_task_comes_back_once_with_its_position(start):
    """In each of several runs positions count from 0; a run of no tasks has no results."""
    runs = [[], [50], [41, 40], [], list(range(30))]
    with start(tenfold) as executor:
        found = [scores(executor.run([task_of(number) for number in run])) for run in runs]

    assert found == [{at: 10.0 * number for at, number in enumerate(run)} for run in runs]


@every_executor
@pytest.mark.parametrize(
    "error",
    [RuntimeError("my executor has had a shutdown"), OSError(errno.ENOSPC, "No space left")],
    ids=["shutdown", "no-space"],
)
def test_error_of_the_caller_is_raised_as_it_is(start, error):
    """It is not taken for one of the engine, whose message it may resemble."""
    announced = []

    def fail(position):
        announced.append(position)
        raise error

    with start(tenfold) as executor, pytest.raises(type(error)) as raised:
        list(executor.run(tasks_of(3), fail))

    assert raised.value is error
    assert len(announced) == 1


@every_executor
def test_every_task_is_announced_once_before_its_result(start):
    """The start of a task is told in the thread that takes the results."""
    events = []

    def started(position):
        events.append(("start", position, threading.get_ident()))

    with start(tenfold) as executor:
        for position, _ in executor.run(tasks_of(12), started):
            events.append(("result", position, threading.get_ident()))

    assert {thread for _, _, thread in events} == {threading.get_ident()}
    for position in range(12):
        assert [kind for kind, at, _ in events if at == position] == ["start", "result"]


@executors_with_processes
def test_tasks_are_sent_when_workers_need_them(start, marks):
    """While all workers are busy, most of the other tasks have not been sent."""
    tasks = [Task({"number": MarkedWhenSent(marks, n)}, 1, split=n) for n in range(60)]
    with (
        start(functools.partial(wait_for_go, marks)) as executor,
        contextlib.closing(executor.run(tasks)) as finished,
    ):
        first, _ = next(finished)
        sent = marks.names("sent")
        marks.leave("go")
        rest = scores(finished)

    assert first == 0
    assert len(sent) < 30
    assert rest.keys() == set(range(1, 60))
    assert len(marks.names("sent")) == 60


@executors_with_one_worker
def test_single_worker_evaluates_a_task_when_its_result_is_asked_for(start, marks):
    """Nothing is evaluated ahead, so that a search can stop between two evaluations."""
    with start(functools.partial(wait_for_go, marks)) as executor:
        marks.leave("go")
        results = executor.run(tasks_of(3))
        assert marks.names("begun") == set()

        for n_taken in (1, 2, 3):
            next(results)
            assert len(marks.names("begun")) == n_taken


@every_executor
def test_results_arrive_while_other_tasks_run(engine, start, marks):
    """A result is yielded before the slowest task ends, which may be the first one."""
    slow = 0 if engine.n_workers > 1 else 1
    found = []
    with start(functools.partial(wait_for_other_result, marks, slow)) as executor:
        for position, _ in executor.run(tasks_of(2)):
            found.append(position)
            marks.leave("taken")

    assert found == [1 - slow, slow]


@every_executor
def test_as_many_tasks_run_at_a_time_as_there_are_workers(engine, start, marks):
    """Tasks that wait for each other all end, as long as they are no more than the workers."""
    with start(functools.partial(meet, marks, engine.n_workers)) as executor:
        assert executor.n_workers == engine.n_workers
        found = scores(executor.run(tasks_of(engine.n_workers)))

    assert len(found) == engine.n_workers


@every_executor
def test_no_more_tasks_run_at_a_time_than_there_are_workers(engine, start, marks):
    """`n_workers` is the largest number of tasks that run together."""
    with start(functools.partial(count_running, marks)) as executor:
        found = scores(executor.run(tasks_of(12)))

    assert max(found.values()) <= engine.n_workers


# --- further tasks -----------------------------------------------------------------


class Supply:
    """Gives further tasks, as long as there are any, and notes how many it was asked for."""

    def __init__(self, numbers=()):
        self.numbers = list(numbers)
        self.asked = []

    def __call__(self, n_tasks):
        """Return so many tasks at most."""
        self.asked.append(n_tasks)
        numbers, self.numbers = self.numbers[:n_tasks], self.numbers[n_tasks:]
        return [task_of(number) for number in numbers]


@executors_that_take_further_tasks
@pytest.mark.parametrize("n_tasks", [0, 1, 5])
def test_positions_of_further_tasks_go_on(engine, start, n_tasks):
    """Idle workers get further tasks, until there are no more."""
    supply = Supply(range(n_tasks, 12))
    with start(tenfold) as executor:
        found = scores(executor.run(tasks_of(n_tasks), more=supply))

    assert found == {position: 10.0 * position for position in range(12)}
    assert set(supply.asked) <= set(range(1, engine.n_workers + 1))


@executors_that_take_further_tasks
def test_further_tasks_are_announced_once_before_their_results(start):
    """The start of a further task is told as that of any other."""
    events = []
    with start(tenfold) as executor:
        run = executor.run(tasks_of(3), lambda at: events.append(("start", at)), Supply([3, 4]))
        events += (("result", at) for at, _ in run)

    for position in range(5):
        assert [kind for kind, at in events if at == position] == ["start", "result"]


@executors_that_take_further_tasks
def test_run_goes_on_with_tasks_that_come_while_it_is_suspended(start):
    """A run that has yielded all results asks once more before it ends."""
    supply = Supply()
    with start(tenfold) as executor:
        run = executor.run(tasks_of(2), more=supply)
        first = scores([next(run), next(run)])
        supply.numbers = [2, 3]
        then = scores(run)

    assert first == {0: 0.0, 1: 10.0}
    assert then == {2: 20.0, 3: 30.0}


@executors_that_take_further_tasks
def test_run_with_further_tasks_may_be_closed(start):
    """What was not begun is given up, and the executor can run other tasks."""
    with start(tenfold) as executor:
        run = executor.run(tasks_of(1), more=Supply(range(1, 8)))
        next(run)
        run.close()
        found = scores(executor.run(tasks_of(3)))

    assert found == {0: 0.0, 1: 10.0, 2: 20.0}


@other_executors
def test_other_executors_never_ask(start):
    """An executor that cannot take further tasks runs those that it was given."""
    supply = Supply(range(2, 5))
    with start(tenfold) as executor:
        found = scores(executor.run(tasks_of(2), more=supply))

    assert (sorted(found), supply.asked) == ([0, 1], [])


def test_further_tasks_that_are_in_the_journal_are_replayed(tmp_path):
    """They take no worker, and come back while others run or when these are done."""
    evaluated = []

    def evaluate(task):
        evaluated.append(task.split)
        return tenfold(task)

    with with_journal(evaluate, tmp_path, prepare=with_virtual_workers) as executor, executor:
        list(executor.run([task_of(number) for number in (1, 3, 4)]))
        evaluated.clear()
        found = scores(executor.run(tasks_of(1), more=Supply(range(1, 6))))

    assert found == {position: 10.0 * position for position in range(6)}
    assert evaluated == [0, 2, 5]


# --- limits and failures -----------------------------------------------------------


@every_executor
def test_task_that_is_too_late_is_skipped(start):
    """A task says when it is too late, and comes back with a `Skipped` in place of an outcome."""
    tasks = [task_of(0), task_of(1, start_before=time.time() - 1.0), task_of(2)]

    with start(unless_too_late) as executor:
        found = dict(executor.run(tasks))

    assert found[1] == Skipped()
    assert [found[position].test_scores for position in (0, 2)] == [0.0, 20.0]


@every_executor
def test_failure_arrives_without_an_exception_that_cannot(engine, start):
    """The step and the text arrive; the exception does where no process lies between."""
    kinds = [*EXCEPTIONS, None, None]
    with start(fail) as executor:
        found = dict(executor.run([Task({"kind": k}, 1, split) for split, k in enumerate(kinds)]))

    for position, (kind, exception) in enumerate(EXCEPTIONS.items()):
        failure = found[position].failure
        assert (failure.step, failure.text) == (FailedStep.FIT, f"it cannot be {kind}")
        assert failure.exception is (None if engine.has_processes else exception), kind
    assert [found[position].test_scores for position in (2, 3)] == [20.0, 30.0]


@executors_with_several_processes
def test_what_finished_before_a_worker_died_stays(start, marks):
    """Nothing but the task that killed its worker is evaluated again."""
    found = {}
    with start(functools.partial(die_when_taken, marks, 9)) as executor:
        for position, outcome in executor.run(tasks_of(10)):
            assert position not in found
            found[position] = outcome
            marks.leave(f"taken-{position}")

    assert found[0].failure.step is FailedStep.WORKER
    assert found[0].test_scores is None
    assert [found[position].test_scores for position in range(1, 10)] == list(range(10, 100, 10))
    assert [marks.count(f"begun-{position}") for position in range(1, 10)] == [1] * 9


@pytest.mark.slow
@executors_with_several_processes
def test_tasks_beside_a_dying_worker_get_their_results(start, marks):
    """The task that kills its worker fails, those that ran or waited beside it do not."""
    with start(functools.partial(die_beside_another, marks)) as executor:
        found = dict(executor.run(tasks_of(8)))
        afterwards = scores(executor.run([task_of(9)]))

    assert found[0].failure.step is FailedStep.WORKER
    assert [found[position].failure for position in range(1, 8)] == [None] * 7
    assert [found[position].test_scores for position in range(1, 8)] == list(range(10, 80, 10))
    assert afterwards == {0: 90.0}


@executors_with_processes
def test_task_whose_worker_died_is_tried_again(start, marks):
    """A worker may have died of something else, such as a lack of memory."""
    announced = []
    with start(functools.partial(die_once, marks)) as executor:
        found = scores(executor.run(tasks_of(1), announced.append))

    assert found == {0: 0.0}
    assert announced == [0]


# --- states ------------------------------------------------------------------------


def key_of(number):
    return StateKey(number, 0)


def run_level(executor, numbers, n_resources):
    """Evaluate candidates with the states that they have, keep their states; return the scores."""
    tasks = [
        task_of(number, n_resources, state=executor.states.lend(key_of(number)), keeps_state=True)
        for number in numbers
    ]
    found = {}
    for position, outcome in executor.run(tasks):
        number = numbers[position]
        found[number] = outcome.test_scores
        executor.states.drop([key_of(number)])
        if outcome.state is not None:
            executor.states.keep(key_of(number), outcome.state)
    return found


@every_executor
def test_lent_state_reaches_the_task_that_carries_it(start):
    """Over several levels, each task finds the state of its own candidate."""
    with start(fit) as executor:
        for n_resources in (1, 2, 3):
            found = run_level(executor, range(6), n_resources)
            assert found == {number: n_resources * number for number in range(6)}

        assert list(executor.states.problems) == []


@every_executor
def test_lent_state_may_be_read_by_a_task_that_ends_early(start):
    """A state stays in the store until it is dropped, whether it was lent or not."""
    with start(fit) as executor:
        run_level(executor, range(4), 1)
        tasks = [task_of(n, 2, state=executor.states.lend(key_of(n))) for n in range(4)]
        with contextlib.closing(executor.run(tasks)) as finished:
            next(finished)

        assert len(executor.states) == 4


@every_executor
def test_states_are_kept_until_they_are_dropped(start):
    """`drop` drops those that it names, `drop_all_but` all others; unknown keys do no harm."""
    with start(fit) as executor:
        states = executor.states
        assert len(states) == 0
        assert states.lend(key_of(0)) is None

        run_level(executor, range(6), 1)
        assert len(states) == 6
        assert not any(states.lend(key_of(number)) is None for number in range(6))

        states.drop([key_of(1), key_of(2), key_of(99)])
        assert len(states) == 4
        assert states.lend(key_of(1)) is states.lend(key_of(2)) is None

        states.drop_all_but([key_of(0), key_of(3), key_of(99)])
        assert len(states) == 2
        assert run_level(executor, [0, 3, 4], 2) == {0: 0.0, 3: 6.0, 4: 4.0}

        states.drop_all_but([])
        assert len(states) == 0


@every_executor
def test_newer_state_replaces_the_older_one(start):
    """A key has one state, the one that was kept last."""
    with start(fit) as executor:
        [(_, outcome)] = executor.run([task_of(3, 1, keeps_state=True)])
        [(_, other)] = executor.run([task_of(4, 1, keeps_state=True)])
        executor.states.keep(key_of(0), outcome.state)
        executor.states.keep(key_of(0), other.state)

        assert len(executor.states) == 1
        lent = executor.states.lend(key_of(0))
        assert scores(executor.run([task_of(5, 2, state=lent)])) == {0: 9.0}


@every_executor
def test_state_that_cannot_be_pickled_is_a_problem_at_most(engine, start):
    """Where it would have to be sent it is lost and reported; nothing else is."""
    tasks = [
        Task({"lock": number == 1}, n_resources=1, split=number, keeps_state=True)
        for number in range(3)
    ]
    with start(fit) as executor:
        found = {}
        for position, outcome in executor.run(tasks):
            found[position] = outcome.test_scores
            executor.states.keep(key_of(position), outcome.state)

        kept = {n for n in range(3) if executor.states.lend(key_of(n)) is not None}

    assert found == {0: 0.0, 1: 1.0, 2: 2.0}
    assert kept == ({0, 2} if engine.has_processes else {0, 1, 2})
    # They are read after the executor was left.
    assert len(executor.states.problems) == engine.has_processes
    assert all("cannot pickle" in problem for problem in executor.states.problems)


def open_files_of_states():
    """Return how many descriptors of this process are shared memory or nameless files."""
    if sys.platform != "linux":
        return 0
    kinds = ("/memfd:skhyperband", os.path.join(tempfile.gettempdir(), "#"))
    links = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # That of the listing itself.
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return sum(link.startswith(kinds) for link in links)


@contextlib.contextmanager
def no_state_left():
    """Check that neither states nor their files are left that were not there before."""
    gc.collect()
    files_before, alive_before = open_files_of_states(), set(ALIVE)
    yield
    gc.collect()
    assert set(ALIVE) == alive_before
    assert open_files_of_states() == files_before


@every_executor
def test_no_state_outlives_its_executor(start):
    """When an executor is left, the states and their files are gone."""
    with no_state_left():
        with start(fit) as executor:
            for n_resources in (1, 2, 3):
                run_level(executor, range(6), n_resources)
            n_states = len(executor.states)

        assert n_states == 6
        assert len(executor.states) == 0


def fail_with_states(executor):
    """Raise while there are states."""
    run_level(executor, range(6), 1)
    raise ZeroDivisionError


@every_executor
def test_error_of_the_caller_passes_through_the_executor(start):
    """It is neither hidden nor replaced by another one, and no state is left then either."""
    with no_state_left():
        with pytest.raises(ZeroDivisionError), start(fit) as executor:
            fail_with_states(executor)

        assert len(executor.states) == 0


# --- ending early ------------------------------------------------------------------


@every_executor
def test_closing_the_generator_begins_no_more_tasks(start, marks):
    """Most tasks are never begun, and the executor runs others afterwards."""
    tasks = tasks_of(60)
    with start(functools.partial(wait_for_go, marks)) as executor:
        with contextlib.closing(executor.run(tasks)) as finished:
            first, _ = next(finished)
        begun = marks.names("begun")
        marks.leave("go")
        afterwards = scores(executor.run([task_of(100), task_of(101), task_of(102)]))

    assert first == 0
    assert len(begun) < 30
    assert afterwards == {0: 1000.0, 1: 1010.0, 2: 1020.0}
    assert len(marks.names("begun")) < 30 + 3


def fail_at_the_first_result(executor):
    """Raise while there are more results to come, having closed their generator."""
    with contextlib.closing(executor.run(tasks_of(20))) as finished:
        next(finished)
        raise ZeroDivisionError


@every_executor
def test_run_that_ends_early_leaves_the_executor_usable(start):
    """It may be closed before its first result, or end by an error of its caller after that.

    The executor may be left directly after such an end, too.
    """
    with start(tenfold) as executor:
        executor.run(tasks_of(3)).close()
        after_closing = scores(executor.run([task_of(30), task_of(31)]))
        with pytest.raises(ZeroDivisionError):
            fail_at_the_first_result(executor)
        after_error = scores(executor.run(tasks_of(20)))
        with pytest.raises(ZeroDivisionError):
            fail_at_the_first_result(executor)

    assert after_closing == {0: 300.0, 1: 310.0}
    assert after_error == {position: 10.0 * position for position in range(20)}


@every_executor
def test_executor_may_be_entered_again_when_it_was_left(engine, tmp_path):
    """It starts without states; leaving it twice is harmless."""
    with engine.prepare(fit, tmp_path) as executor:
        with executor:
            assert run_level(executor, [1, 2], 1) == {1: 1.0, 2: 2.0}
        with executor:
            assert len(executor.states) == 0
            assert run_level(executor, [3, 4], 1) == {3: 3.0, 4: 4.0}
        executor.__exit__(None, None, None)

        assert len(executor.states) == 0


# --- joblib ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("pre_dispatch", "n_suspects"), [(2, 2), ("all", 8)])
def test_tasks_that_joblib_was_not_given_are_not_suspected(
    marks, monkeypatch, pre_dispatch, n_suspects
):
    """When a worker dies at the start, only the tasks of `pre_dispatch` are under suspicion."""
    suspects = []

    def note(broadcast, tasks, *options):
        suspects.append(sorted(tasks))
        return retry_in_isolation(broadcast, tasks, *options)

    monkeypatch.setattr(joblib_executor, "retry_in_isolation", note)
    evaluate = functools.partial(die_beside_another, marks)
    with JoblibExecutor(evaluate, 2, pre_dispatch) as executor:
        found = dict(executor.run(tasks_of(8)))

    assert suspects == [list(range(n_suspects))]
    assert len(found) == 8


def test_no_workers_are_started_again_when_the_program_ends(monkeypatch):
    """A thread that still searches then gets loky's error, as a loop would never end."""
    errors = iter(
        [
            RuntimeError("cannot schedule new futures after shutdown"),
            RuntimeError("cannot schedule new futures after interpreter shutdown"),
            AssertionError("started again"),
        ]
    )

    def stream(*args):
        raise next(errors)
        yield

    monkeypatch.setattr(JoblibExecutor, "_stream", stream)

    with (
        JoblibExecutor(tenfold, 2, "2*n_jobs") as executor,
        pytest.raises(RuntimeError, match="interpreter shutdown"),
    ):
        list(executor.run(tasks_of(2)))


@pytest.mark.slow
def test_workers_that_another_executor_has_started_again_are_left_to_it(marks):
    """Two searches share joblib's workers; the one that learns later of a death replaces none."""

    def workers():
        return reusable_executor._executor

    dying = functools.partial(die_when_taken, marks, 1)
    with (
        JoblibExecutor(dying, 2, "2*n_jobs") as late,
        JoblibExecutor(tenfold, 2, "2*n_jobs") as early,
    ):
        dead_workers = workers()
        run = late.run(tasks_of(2))
        assert next(run).position == 1
        marks.leave("taken-1")
        deadline = time.monotonic() + 60
        while not dead_workers._flags.broken:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        scores(early.run(tasks_of(8)))
        new_workers = workers()

        assert [position for position, _ in run] == [0]
        assert workers() is new_workers is not dead_workers
        assert not new_workers._flags.shutdown


class CountingBackend(LokyBackend):
    """A backend of a user's own."""

    n_starts = 0

    def configure(self, *args, **kwargs):
        CountingBackend.n_starts += 1
        return super().configure(*args, **kwargs)


def test_backend_of_a_users_own_is_used_as_it_is():
    """A subclass of joblib's backend keeps its methods."""
    with (
        joblib.parallel_config(backend=CountingBackend()),
        make_executor(tenfold, 2, "2*n_jobs") as executor,
    ):
        found = scores(executor.run(tasks_of(3)))

    assert found == {0: 0.0, 1: 10.0, 2: 20.0}
    assert CountingBackend.n_starts >= 1


# --- the choice --------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize(
    ("n_jobs", "kind"), [(1, SequentialExecutor), (2, JoblibExecutor)], ids=["one", "several"]
)
def test_executor_is_chosen_by_the_number_of_workers(backend, n_jobs, kind):
    """A single worker needs no joblib, whatever backend is active."""
    with joblib.parallel_config(backend=backend):
        assert type(make_executor(tenfold, n_jobs, "2*n_jobs")) is kind


def test_number_of_workers_comes_from_the_active_backend():
    """With n_jobs=None it is what `parallel_config` says."""
    with joblib.parallel_config(backend="threading", n_jobs=3):
        executor = make_executor(tenfold, None, "2*n_jobs")

    assert executor.n_workers == 3


def test_evaluators_of_this_suite_can_be_sent():
    """They are sent to workers by pickle, as a search's evaluator is."""
    assert pickle.loads(pickle.dumps(fit)) is fit
