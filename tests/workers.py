"""An executor whose workers are not real: only a clock runs."""

import heapq
from collections import deque

from skhyperband._executors.base import ignore_start, no_further_tasks
from skhyperband._executors.states import LocalStateStore
from skhyperband._records import FinishedTask


class VirtualWorkers:
    """Workers that take tasks in their order, and further ones when they have none.

    Parameters
    ----------
    evaluate : callable
        Takes a task, when its time is over, and returns its result.
    n_workers : int
    seconds : callable
        ``seconds(task)`` is how long a task takes.

    Attributes
    ----------
    now : float
        The time that has passed.
    taken : list of Task
        All tasks in the order in which workers took them.
    n_early : int
        How many of them were taken while one with less of the resource was running.
    is_running : bool
        Whether a run has begun that has not ended.
    """

    in_process = False
    n_cores = 1

    def __init__(self, evaluate, n_workers, seconds=lambda task: 1.0):
        self.n_workers = n_workers
        self.states = LocalStateStore()
        self.now = 0.0
        self.taken = []
        self.n_early = 0
        self.is_running = False
        self._evaluate = evaluate
        self._seconds = seconds

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        assert not self.is_running
        self.states.close()

    def run(self, tasks, on_start=ignore_start, more=no_further_tasks):
        """Yield the results in the order in which they arrive."""
        assert not self.is_running
        self.is_running = True
        try:
            yield from self._results(tasks, on_start, more)
        finally:
            self.is_running = False

    def _results(self, tasks, on_start, more):
        waiting, running = deque(enumerate(tasks)), []
        n_tasks = len(waiting)
        while True:
            n_idle = self.n_workers - len(running) - len(waiting)
            if n_idle > 0:
                further = more(n_idle)
                assert len(further) <= n_idle
                waiting.extend(enumerate(further, start=n_tasks))
                n_tasks += len(further)
            while waiting and len(running) < self.n_workers:
                position, task = waiting.popleft()
                self.taken.append(task)
                self.n_early += any(r.n_resources < task.n_resources for _, _, r in running)
                heapq.heappush(running, (self.now + self._seconds(task), position, task))
                on_start(position)
            if not running:
                return
            self.now, position, task = heapq.heappop(running)
            yield FinishedTask(position, self._evaluate(task))
