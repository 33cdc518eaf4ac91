"""A cluster of Ray: tasks are Ray's tasks, and states are object references."""

import contextlib
import functools
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayTaskError,
    WorkerCrashedError,
)

from skhyperband._executors.broadcast import pack
from skhyperband._executors.cluster import (
    CollectedResult,
    Died,
    Submission,
    with_reference,
)
from skhyperband._executors.cluster_worker import evaluate_packed
from skhyperband._records import Evaluate, Outcome, Skipped

_MAX_LOSSES = 3
# In seconds. What takes no longer is not cancelled.
_SHORT = 0.5
_NO_CLUSTER = (
    "The search ends, since the connection to Ray was shut down. What was measured is kept: see "
    "cv_results_, and refit_best. Connect to Ray, and fit again; with a journal, nothing is "
    "evaluated twice."
)


class RayCluster:
    """The cluster that this process is connected to; without one, Ray starts one here.

    Parameters
    ----------
    evaluate : callable
        Takes a task and returns its result.
    backend : RayBackend
        joblib's backend: it has what tasks bring along (`ray_remote_args`).
    """

    name = "Ray"
    patience = 0.0

    def __init__(self, evaluate: Evaluate, backend: Any):
        if not ray.is_initialized():
            ray.init()
        self._evaluate = evaluate
        self._options = {"num_cpus": 1, **(backend.ray_remote_args or {})}
        # Ray's own retries do not end for a task that takes too much memory.
        own = {"max_retries": 0, "num_returns": 2}
        self._remote = ray.remote(evaluate_packed).options(**{**self._options, **own})
        self._key = uuid.uuid4().hex
        self._fetch: Any = None
        # By the reference of the result.
        self._running: dict[Any, Submission] = {}

    @contextlib.contextmanager
    def start(self) -> Iterator[None]:
        """Put the evaluator into the object store, from where each node gets it once."""
        packed, sizes = pack(self._evaluate, maps_files=False)
        # In a list, since Ray would hand over a bare reference as its value with every task.
        self._fetch = functools.partial(_fetch, [ray.put(packed)], sizes)
        del packed
        try:
            yield
        finally:
            self._fetch = None

    def look_after_workers(self) -> None:
        """Do nothing: workers get the evaluator with their first task."""

    def count_workers(self) -> int:
        """Return how many tasks have room, by each resource that a task brings along."""
        _check_connection()
        wanted = {
            "CPU": self._options["num_cpus"],
            "GPU": self._options.get("num_gpus"),
            "memory": self._options.get("memory"),
            **(self._options.get("resources") or {}),
        }
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return sum(_room(available, wanted) for available in nodes)

    def submit(self, submission: Submission) -> None:
        """Submit a task; it returns its result and its state as two objects."""
        _check_connection()
        state = submission.state
        submission.handle = self._remote.remote(
            self._key, self._fetch, submission.task, None if state is None else state.reference
        )
        self._running[submission.handle[0]] = submission

    def collect(self, timeout: float) -> list[CollectedResult]:
        """Return the tasks that are done by now."""
        _check_connection()
        references = list(self._running)
        done, others = ray.wait(references, num_returns=1, timeout=timeout)
        if done and others:
            done += ray.wait(others, num_returns=len(others), timeout=0)[0]
        collected: list[CollectedResult] = []
        for reference in done:
            submission = self._running.pop(reference)
            result = self._result(submission)
            if result is not None:
                collected.append((submission, result))
        return collected

    def _result(self, submission: Submission) -> Outcome | Skipped | Died | None:
        """Return the result of a task that is done; None where the task was sent again."""
        reference, state = submission.handle
        try:
            result = ray.get(reference)
        except (WorkerCrashedError, OutOfMemoryError, NodeDiedError):
            submission.n_deaths += 1
            if submission.is_given_up:
                return Died()
        except ObjectLostError:
            submission.state = None  # The candidate is fitted fresh.
            submission.n_losses += 1
            if submission.n_losses > _MAX_LOSSES:
                raise
        except RayTaskError as error:
            raise error.cause from error
        else:
            return with_reference(result, state)
        self.submit(submission)
        return None

    def cancel(self, submissions: Iterable[Submission]) -> None:
        """End these tasks, with their workers.

        Ray (2.60) ends this process if a task is done, or begins, at the moment at which it is
        cancelled. So short ones may come to their end, and those that wait for a worker are
        cancelled before those whose workers would then be free for them.
        """
        references = [submission.handle[0] for submission in submissions]
        lasting = [one for one in references if self._running.pop(one, None) is not None]
        if not lasting or not ray.is_initialized():
            return
        try:
            lasting = ray.wait(lasting, num_returns=len(lasting), timeout=_SHORT)[1]
        finally:
            for reference in reversed(lasting):
                ray.cancel(reference, force=True)


def _check_connection() -> None:
    """Raise if Ray was shut down: it would start another cluster of its own here."""
    if not ray.is_initialized():
        raise RuntimeError(_NO_CLUSTER)


# --- in the worker -----------------------------------------------------------------


def _room(available: dict[str, float], wanted: dict[str, float | None]) -> int:
    """Return how many tasks have room on one node: a task cannot be spread over several."""
    rooms = [available.get(name, 0) / n for name, n in wanted.items() if n]
    return int(min(rooms, default=available.get("CPU", 0)))


def _fetch(data: list[Any], sizes: list[int]) -> tuple[np.ndarray, list[int]]:
    return ray.get(data[0]), sizes
