from skhyperband._records import EvaluationKey, FinishedTask, Outcome, Task
from skhyperband._task_run import TaskRun
from tests.workers import VirtualWorkers


def keyed(numbers):
    """Return tasks by their keys."""
    return {EvaluationKey(n, 1, 0): Task({"number": n}, 1, 0) for n in numbers}


def outcome_of(task):
    return Outcome(float(task.candidate["number"]), None, 0.0, 0.0)


def take_all(run):
    """Return the candidates of all that is finished until the run ends."""
    taken = []
    while finished := run.take():
        assert finished.key.candidate == finished.task.candidate["number"]
        assert finished.result.test_scores == finished.key.candidate
        taken.append(finished.key.candidate)
    return taken


def test_run_ends_with_its_level():
    """If nothing else is in the run, the executor is left without one."""
    workers = VirtualWorkers(outcome_of, 2)
    run = TaskRun(workers, lambda key, task: None, lambda n: {})
    run.add(keyed([0, 1]))
    run.take()
    run.take()
    assert workers.is_running

    run.end_level()

    assert not workers.is_running


def test_run_goes_on_with_the_tasks_of_the_next_level():
    """Tasks that are added while others run are taken by the workers that become idle."""
    further = keyed([1])
    started = []

    def more(n_tasks):
        given = dict(further)
        further.clear()
        return given

    workers = VirtualWorkers(outcome_of, 2, lambda task: 1.0 + task.candidate["number"])
    run = TaskRun(workers, lambda key, task: started.append(key.candidate), more)
    run.add(keyed([0]))
    first = run.take().key.candidate
    run.end_level()
    run.add(keyed([2, 3]))

    assert (first, take_all(run)) == (0, [1, 2, 3])
    assert started == [0, 1, 2, 3]


def test_closed_run_forgets_its_tasks():
    """Another run begins with the tasks that are added then."""
    run = TaskRun(VirtualWorkers(outcome_of, 2), lambda key, task: None, lambda n: {})
    run.add(keyed(range(5)))
    run.take()
    run.close()
    run.add(keyed([7]))

    assert take_all(run) == [7]


class GivingUp:
    """Ends a run after the first result, as an executor does when it is too late."""

    def __init__(self):
        self.n_ended = 0

    def run(self, tasks, on_start, more):
        """Yield the result of the first task only."""
        yield FinishedTask(0, outcome_of(tasks[0]))
        self.n_ended += 1


def test_run_that_ended_without_all_results_is_followed_by_another():
    """What is missing is not waited for, and does not keep the next run from ending."""
    executor = GivingUp()
    run = TaskRun(executor, lambda key, task: None, lambda n: {})
    run.add(keyed([0, 1, 2]))
    first = take_all(run)
    run.end_level()
    run.add(keyed([3]))
    second = run.take().key.candidate
    run.end_level()

    assert (first, second) == ([0], 3)
    assert executor.n_ended == 2
