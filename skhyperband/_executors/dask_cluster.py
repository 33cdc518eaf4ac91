"""A cluster of Dask: tasks are futures of `dask.distributed`, and so are the states."""

import contextlib
import functools
import queue
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from distributed import KilledWorker, get_worker

from skhyperband._executors import cluster_worker
from skhyperband._executors.broadcast import pack
from skhyperband._executors.cluster import (
    CollectedResult,
    Died,
    Submission,
    with_reference,
)
from skhyperband._executors.cluster_worker import DataMissingError, NoData
from skhyperband._executors.dask_events import News, listening
from skhyperband._records import Evaluate, Outcome, Skipped

# In seconds. How long results that are there are waited for; they are small.
_GATHERING = 10.0
_NO_CLUSTER = (
    "The search ends, since the Dask client was closed or restarted, or has lost its scheduler. "
    "What was measured is kept: see cv_results_, and refit_best. Connect a client, and fit again; "
    "with a journal, nothing is evaluated twice."
)


@dataclass(frozen=True)
class _Futures:
    """The futures of a task.

    Attributes
    ----------
    evaluated : Future
        The result and the pickled state.
    result : Future
        The result alone. It comes here, while the state stays.
    number : int
        How many tasks had been submitted then.
    """

    evaluated: Any
    result: Any
    number: int


class DaskCluster:
    """The cluster of a Dask client.

    Parameters
    ----------
    evaluate : callable
        Takes a task and returns its result.
    backend : DaskDistributedBackend
        joblib's backend: it has the client, and what tasks bring along (`resources`, `workers`).
    """

    name = "Dask"

    def __init__(self, evaluate: Evaluate, backend: Any):
        self.patience = float(backend.wait_for_workers_timeout or 0)
        self._evaluate = evaluate
        self._backend = backend
        self._client = backend.client
        self._options = backend.submit_kwargs
        self._key = f"skhyperband-{uuid.uuid4().hex}"
        # The workers that have the evaluator: their addresses, and what tells them from others
        # that had the same address.
        self._supplied: dict[str, str] = {}
        # How many tasks had been submitted when a worker had got the evaluator.
        self._n_before_supply: dict[str, int] = {}
        self._n_submitted = 0
        # Futures that are done, and events of workers that ended; other threads put them here.
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # By the key of the future `evaluated`.
        self._running: dict[str, Submission] = {}

    # -- the evaluator

    @contextlib.contextmanager
    def start(self) -> Iterator[None]:
        """Send the evaluator to the workers; listen to what happens to them."""
        # In a task of Dask, this frees the worker for the tasks of the search.
        with self._backend.retrieval_context():
            self._backend.effective_n_jobs(None)  # It waits until there is a worker.
            try:
                self.look_after_workers()
                with listening(self._client, self._news.put):
                    yield
            finally:
                self._supplied = {}
                with contextlib.suppress(Exception):  # Workers may be gone by now.
                    self._client.run(cluster_worker.forget, self._key, on_error="ignore")

    def look_after_workers(self) -> None:
        """Send the evaluator to the workers that do not have it yet."""
        workers = {address: worker["id"] for address, worker in self._workers().items()}
        new = [address for address, name in workers.items() if self._supplied.get(address) != name]
        if new:
            # A worker may have ended meanwhile. Those that got nothing have their turn next time.
            with contextlib.suppress(OSError):
                supplied = self._send_data(new)
                self._supplied |= {address: workers[address] for address in supplied}
                self._n_before_supply |= dict.fromkeys(supplied, self._n_submitted)

    def _send_data(self, addresses: list[str]) -> list[str]:
        """Send the evaluator from one worker to the next; return those that have it now.

        It does not go through the scheduler, unless the workers cannot be reached from here.
        """
        packed, sizes = pack(self._evaluate, maps_files=False)
        key = f"{self._key}-data-{uuid.uuid4().hex}"
        options = {"workers": addresses[:1], "broadcast": False}
        try:
            sent = self._client.scatter({key: packed}, direct=True, **options)
        except OSError:
            sent = self._client.scatter({key: packed}, direct=False, **options)
        # In a task of Dask, the data are put into the worker of this task.
        supplied = list(self._client.who_has(sent).get(key, ()))
        others = [address for address in addresses if address not in supplied]
        while others and supplied:
            batch, others = others[: len(supplied)], others[len(supplied) :]
            copied = self._client.run(_copy, key, supplied, workers=batch, on_error="return")
            supplied += [address for address in batch if copied.get(address) is True]
        # Dask drops copies of data that no task waits for, so that the workers keep it themselves.
        kept = self._client.run(_keep, self._key, key, sizes, workers=supplied, on_error="return")
        del sent
        for answer in kept.values():
            if isinstance(answer, _CannotUnpickle):
                raise RuntimeError(answer.text)
        return [address for address in supplied if kept.get(address) is True]

    # -- tasks

    def count_workers(self) -> int:
        """Return the number of threads that have the resources that a task brings along."""
        wanted = self._options.get("resources") or {}
        return sum(_room(worker, wanted) for worker in self._workers().values())

    def _workers(self) -> dict[str, Any]:
        """Return what the scheduler knows of the workers that may have tasks, by their address."""
        workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        only = self._options.get("workers")
        if only is None:
            return workers
        only = {only} if isinstance(only, str) else set(only)
        return {
            address: worker
            for address, worker in workers.items()
            if only & {address, worker["name"], worker["host"]}
        }

    def submit(self, submission: Submission) -> None:
        """Submit a task; if it may have a state, a second one takes the result from the first."""
        if self._client.status in ("closed", "closing"):
            raise RuntimeError(_NO_CLUSTER)
        self._n_submitted += 1
        key = f"{self._key}-{self._n_submitted}"
        state = submission.state
        evaluated = result = self._client.submit(
            _evaluate_with_state if submission.keeps_state else _evaluate,
            self._key,
            submission.task,
            None if state is None else state.reference,
            **{**self._options, "key": key, "pure": False},
        )
        if submission.keeps_state:
            result = self._client.submit(_result, evaluated, key=f"{key}-result", pure=False)
        submission.handle = _Futures(evaluated, result, self._n_submitted)
        self._running[key] = submission
        self._await(submission)

    def _await(self, submission: Submission) -> None:
        """See to it that there are news as soon as the result is there."""
        news = News([submission.handle.evaluated.key])
        submission.handle.result.add_done_callback(lambda future: self._news.put(news))

    def collect(self, timeout: float) -> list[CollectedResult]:
        """Return the tasks that are done by now.

        It does not wait for a result that was lost with its worker: other workers may need
        the data before they can evaluate the task again.
        """
        done, died = self._news_of_tasks(timeout)
        collected: list[CollectedResult] = []
        for submission in died:
            submission.n_deaths += 1
        finished = []
        for submission in done:
            status = submission.handle.result.status
            if status == "finished":
                finished.append(submission)
            elif status == "error":
                if not isinstance(error := submission.handle.result.exception(), KilledWorker):
                    raise error
                self._forget(submission)
                collected.append((submission, Died()))
            elif status == "cancelled":
                raise RuntimeError(_NO_CLUSTER)
            else:
                self._await(submission)
        collected += self._gather(finished)
        for submission in dict.fromkeys(died):
            # Dask itself sends a task to another worker, as often as its settings allow.
            if submission.is_given_up and submission.handle is not None:
                self.cancel([submission])
                collected.append((submission, Died()))
        return collected

    def _gather(self, finished: list[Submission]) -> list[CollectedResult]:
        """Return results; wait again for those that are lost."""
        futures = [submission.handle.result for submission in finished]
        gather = functools.partial(self._client.gather, futures, asynchronous=True)
        try:
            results = self._client.sync(gather, callback_timeout=_GATHERING)
        except (TimeoutError, KilledWorker):
            for submission in finished:
                self._await(submission)
            return []
        collected: list[CollectedResult] = []
        without_data = []
        for submission, result in zip(finished, results, strict=True):
            futures = submission.handle
            self._forget(submission)
            if isinstance(result, NoData):
                # It may have looked for the data before they had come.
                if futures.number > self._n_before_supply.get(result.worker, 0):
                    self._supplied.pop(result.worker, None)
                without_data.append(submission)
            else:
                collected.append((submission, with_reference(result, futures.evaluated)))
        for submission in without_data:
            self.submit(submission)  # Its worker gets the data within a second.
        return collected

    def _news_of_tasks(self, timeout: float) -> tuple[list[Submission], list[Submission]]:
        """Return the tasks that are done, and those whose worker ended, once for each time."""
        done: dict[Submission, None] = {}
        died: list[Submission] = []
        with contextlib.suppress(queue.Empty):
            news = self._news.get(timeout=timeout)
            while True:
                tasks = [self._running[key] for key in news.keys if key in self._running]
                if news.died:
                    died.extend(tasks)
                else:
                    done.update(dict.fromkeys(tasks))
                news = self._news.get_nowait()
        return list(done), died

    def cancel(self, submissions: Iterable[Submission]) -> None:
        """Cancel these tasks. Dask lets those that have begun come to their end."""
        futures = []
        for submission in list(submissions):
            if submission.handle is not None:
                futures += [submission.handle.result, submission.handle.evaluated]
                self._forget(submission)
        if futures:
            with contextlib.suppress(Exception):  # The client may be closed by now.
                self._client.cancel(futures, force=True)

    def _forget(self, submission: Submission) -> None:
        """Release the futures of a task, which Dask would compute again if they were lost."""
        self._running.pop(submission.handle.evaluated.key, None)
        submission.handle = None


# --- in the worker -----------------------------------------------------------------


async def _copy(key: str, addresses: list[str], dask_worker: Any) -> bool:
    copied = await dask_worker.gather({key: addresses})
    # The scheduler would not know of this copy, and never drop it.
    await dask_worker.scheduler.add_keys(worker=dask_worker.address, keys=[key])
    return bool(copied["status"] == "OK")


@dataclass(frozen=True)
class _CannotUnpickle:
    """Says why a worker cannot unpickle the evaluator."""

    text: str


def _room(worker: dict[str, Any], wanted: dict[str, float]) -> int:
    """Return how many tasks that bring along these resources may run on a worker at a time."""
    room: int = worker["nthreads"]
    for name, amount in wanted.items():
        if name not in worker["resources"]:
            return 0
        if amount:
            room = min(room, int(worker["resources"][name] / amount))
    return room


def _keep(
    key: str, data_key: str, sizes: list[int], dask_worker: Any
) -> Literal[True] | _CannotUnpickle:
    packed = dask_worker.data[data_key]
    try:
        cluster_worker.keep(key, packed, sizes)
    except Exception as error:
        return _CannotUnpickle(str(error))
    return True


def _evaluate_with_state(
    key: str, task: bytes, evaluated: tuple[Any, np.ndarray | None] | None
) -> tuple[Outcome | Skipped | NoData, np.ndarray | None]:
    state = None if evaluated is None else evaluated[1]
    try:
        return cluster_worker.evaluate_packed(key, None, task, state)
    except DataMissingError:  # An exception would stay with the state, for all that continue it.
        return NoData(get_worker().address), None


def _evaluate(
    key: str, task: bytes, evaluated: tuple[Any, np.ndarray | None] | None
) -> Outcome | Skipped | NoData:
    result, _ = _evaluate_with_state(key, task, evaluated)
    return result


def _result(
    evaluated: tuple[Outcome | Skipped | NoData, np.ndarray | None],
) -> Outcome | Skipped | NoData:
    result, _ = evaluated
    return result
