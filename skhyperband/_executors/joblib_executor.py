"""Runs tasks with joblib, on whatever backend is active."""

import collections
import contextlib
import errno
import pickle
import re
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Literal, Self

import joblib
from joblib.externals.loky import process_executor
from joblib.parallel import (
    LokyBackend,
    SequentialBackend,
    ThreadingBackend,
    get_active_backend,
)

from skhyperband._executors.base import (
    FurtherTasks,
    OnStart,
    ignore_start,
    no_further_tasks,
)
from skhyperband._executors.broadcast import MIN_MAPPED_SIZE, Broadcast, ReceivedBroadcast
from skhyperband._executors.isolation import retry_in_isolation
from skhyperband._executors.shared_memory import RemoteBuffer, SharedBuffer
from skhyperband._executors.states import LocalStateStore
from skhyperband._records import Evaluate, FinishedTask, Outcome, Task
from skhyperband._threads import limit_openmp_of_thread

# The executors of this process that are entered and use joblib's processes. A global, since
# searches in several threads know nothing of each other, while joblib gives all of them the same
# workers: ending a run must not end the workers of another search.
_entered: "set[JoblibExecutor]" = set()

# The errors of a full disk, a quota that is used up and a file that is too large. They are
# searched for in text, since joblib's processes hand over an error as text.
_NO_SPACE = re.compile(
    "|".join(rf"Errno {n}\b|OSError\({n}\b" for n in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
)


class JoblibExecutor:
    """Runs tasks with joblib: each run is one call of `joblib.Parallel` with streamed results.

    Parameters
    ----------
    evaluate : callable
        Takes a task and returns its result.
    n_jobs : int or None
        Number of workers, as everywhere in scikit-learn.
    pre_dispatch : int or str
        Number of tasks that are sent to the workers at the start, as in `joblib.Parallel`.
    backend : "threading" or None
        None is the active backend.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        n_jobs: int | None,
        pre_dispatch: int | str,
        backend: Literal["threading"] | None = None,
    ):
        self.n_workers: int = joblib.effective_n_jobs(n_jobs)
        active, _ = get_active_backend()
        self.n_cores = _n_shared_cores(active, self.n_workers)
        in_process = isinstance(active, (SequentialBackend, ThreadingBackend))
        self.in_process = in_process or backend == "threading"
        # How many threads of OpenMP a worker has. Processes of joblib are limited by joblib.
        self._openmp_threads: int | None = None
        if isinstance(active, ThreadingBackend):
            self._openmp_threads = max(1, joblib.cpu_count() // self.n_workers)
        self._backend = backend
        self.states = LocalStateStore()
        self._broadcast = Broadcast(evaluate)
        self._n_jobs = n_jobs
        self._pre_dispatch = pre_dispatch
        self._exit_stack = contextlib.ExitStack()
        self._parallel: joblib.Parallel | None = None
        # Whether the last run ended early. Then `self._parallel` must not be used again: it may
        # still yield results of that run.
        self._ended_early = False
        # Whether a state has arrived that was too large for a pipe.
        self._uses_shared_memory = False

    def __enter__(self) -> Self:
        self._parallel = self._exit_stack.enter_context(self._new_parallel())
        if not self.in_process:
            _entered.add(self)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        _entered.discard(self)
        self.states.close()
        self._exit_stack.close()

    def run(
        self,
        tasks: Sequence[Task],
        on_start: OnStart = ignore_start,
        more: FurtherTasks = no_further_tasks,
    ) -> Generator[FinishedTask, None, None]:
        """Yield the results as they arrive; tasks of dead workers are tried again, in isolation.

        There are no further tasks: joblib takes none in a call whose iterator has ended.
        """
        if self._ended_early:
            self._restart()
        waiting = dict(enumerate(tasks))
        starts = _Starts(on_start)
        while waiting:
            sent: list[int] = []
            try:
                stream = self._stream(waiting, sent, starts)
                with self._explain_full_folder(starts), contextlib.closing(stream) as finished:
                    for finished_task in finished:
                        del waiting[finished_task.position]
                        yield finished_task
                if not sent:
                    raise ValueError(
                        f"pre_dispatch={self._pre_dispatch!r} hands nothing to the workers; "
                        "give at least 1."
                    )
            except process_executor.TerminatedWorkerError:
                # joblib does not say which task it was, and ends all workers. The tasks that were
                # not sent are run again with new workers, in the next turn of this loop.
                self._restart()
                starts.announce()
                suspects = {p: waiting.pop(p) for p in sent if p in waiting}
                environment = environment_of_worker(self.n_workers)
                yield from retry_in_isolation(
                    self._broadcast, suspects, environment, self.n_workers
                )
            except RuntimeError as error:
                # The search of another thread ended the common workers. At the end of the program
                # there are no new ones.
                is_ours = error is not starts.error and "shutdown" in str(error)
                if not is_ours or "interpreter shutdown" in str(error):
                    raise
                self._restart()

    @contextlib.contextmanager
    def _explain_full_folder(self, starts: "_Starts") -> Iterator[None]:
        """Raise an error that names the ways out where the temporary folder has no room."""
        try:
            yield
        except (pickle.PicklingError, OSError) as error:
            if error is starts.error or not _NO_SPACE.search(f"{error!r} {error.__cause__}"):
                raise
            raise OSError(
                f"n_jobs={self._n_jobs!r}: what all workers share, X and y among it, is larger "
                "than the room in the temporary folder through which joblib hands it to other "
                "processes. Set the environment variable JOBLIB_TEMP_FOLDER to a folder with "
                "more room, or leave the data in one process, by n_jobs=1 or "
                "joblib.parallel_config(backend='threading')."
            ) from error

    def _new_parallel(self) -> joblib.Parallel:
        backend = self._backend or get_active_backend()[0]
        if type(backend) is LokyBackend:  # A user's subclass may do other things.
            backend = _SharingLokyBackend.like(backend)
        # Sizes and mode are joblib's own defaults, since a call of joblib with other values, in
        # another thread, would end the workers and start others.
        options = {
            "n_jobs": self._n_jobs,
            "backend": backend,
            "pre_dispatch": self._pre_dispatch,
            "max_nbytes": MIN_MAPPED_SIZE,
            "mmap_mode": "r",
        }
        try:
            return joblib.Parallel(return_as="generator_unordered", **options)
        except ValueError:  # The backend cannot stream results.
            return joblib.Parallel(**options)

    def _restart(self) -> None:
        self._exit_stack.close()
        self._ended_early = False
        self._parallel = self._exit_stack.enter_context(self._new_parallel())

    def _stream(
        self, waiting: dict[int, Task], sent: list[int], starts: "_Starts"
    ) -> Generator[FinishedTask, None, None]:
        """Run the waiting tasks; add the positions of those that joblib has taken to `sent`."""
        buffers: dict[int, SharedBuffer] = {}
        stopped = threading.Event()

        def calls() -> Iterator[Any]:
            for position, task in list(waiting.items()):
                if stopped.is_set():
                    return
                sent.append(position)
                starts.add(position)
                if self._uses_shared_memory and task.keeps_state:
                    buffers[position] = SharedBuffer()
                buffer = buffers.get(position)
                yield joblib.delayed(_evaluate)(
                    self._broadcast, position, task, buffer, self._openmp_threads
                )

        assert self._parallel is not None
        self._ended_early = True
        outputs = iter(self._parallel(calls()))
        try:
            # A loop, since `yield from` would close joblib's generator together with this one,
            # and joblib then warns of results that nobody took.
            starts.announce()
            for finished in outputs:
                starts.announce()
                # This closes the buffer, unless a state came in it.
                buffers.pop(finished.position, None)
                if isinstance(finished.result, Outcome) and finished.result.state is not None:
                    self._uses_shared_memory |= finished.result.state.exceeds_pipe_size
                yield finished
            self._ended_early = False
        finally:
            stopped.set()
            if isinstance(outputs, Generator):
                _stop(outputs, ends_workers=self.in_process or len(_entered) <= 1)


def environment_of_worker(n_workers: int) -> dict[str, str]:
    """Return the environment variables by which loky gives each worker its share of the cores."""
    backend, _ = get_active_backend()
    if not isinstance(backend, LokyBackend):
        backend = LokyBackend()
    environment: dict[str, str] = backend._prepare_worker_env(n_workers)
    return environment


def _n_shared_cores(backend: Any, n_workers: int) -> int:
    """Return how many cores a task may use while the other workers are idle.

    The number of workers is what the user has asked for. Nothing is known of the workers of other
    backends than joblib's own, which may be on several machines.
    """
    if not isinstance(backend, (LokyBackend, ThreadingBackend)):
        return 1
    if getattr(backend, "inner_max_num_threads", None) is not None:  # The user has decided.
        return 1
    return min(n_workers, joblib.cpu_count())


class _SharingLokyBackend(LokyBackend):
    """Leaves the workers that another search has started in place of dead ones to that search.

    joblib's own backend starts workers at once when it has ended the old ones. It does so with
    other options, so that those of the other search would be ended for it, and the two searches
    could then wait for each other for ever. `JoblibExecutor` starts workers itself.
    """

    @classmethod
    def like(cls, backend: LokyBackend) -> Self:
        """Return a backend with the options of another one."""
        copied = cls()
        copied.__dict__.update(vars(backend))
        return copied

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the workers."""
        super().abort_everything(ensure_ready=False)


class _Starts:
    """Announces the tasks that joblib has taken, each once.

    joblib takes tasks in threads of its own; they are announced in the thread of the search.

    Attributes
    ----------
    error : Exception or None
        What the caller's announcement raised, which is no error of joblib.
    """

    def __init__(self, on_start: OnStart):
        self._on_start = on_start
        self._taken: collections.deque[int] = collections.deque()
        self._announced: set[int] = set()
        self.error: Exception | None = None

    def add(self, position: int) -> None:
        """Note that a task was taken."""
        self._taken.append(position)

    def announce(self) -> None:
        """Announce the tasks that were taken since the last call."""
        while self._taken:
            position = self._taken.popleft()
            if position not in self._announced:
                self._announced.add(position)
                try:
                    self._on_start(position)
                except Exception as error:
                    self.error = error
                    raise


# --- in the worker -----------------------------------------------------------------


def _evaluate(
    broadcast: Broadcast | ReceivedBroadcast,
    position: int,
    task: Task,
    buffer: SharedBuffer | RemoteBuffer | None,
    openmp_threads: int | None,
) -> FinishedTask:
    if openmp_threads is not None:
        limit_openmp_of_thread(openmp_threads)
    with _nested_parallelism():
        # In a worker the broadcast has arrived, and its value is the evaluator.
        result = broadcast.value(task)
    if isinstance(buffer, RemoteBuffer) and isinstance(result, Outcome) and result.state:
        result.state.write_to(buffer)
    return FinishedTask(position, result)


def _nested_parallelism() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which an estimator's ``n_jobs=None`` means one thread.

    That is so in loky's own workers. In a Dask worker it would mean all cores of the cluster, and
    a forest would add up its trees in a different order each time.
    """
    backend, _ = get_active_backend()
    if isinstance(backend, (ThreadingBackend, SequentialBackend)):
        return contextlib.nullcontext()
    return joblib.parallel_config(backend="threading", n_jobs=1)


# --- ending early ------------------------------------------------------------------


class _Stopped(BaseException):
    """Ends joblib's generator, in place of `GeneratorExit`, of which joblib warns."""


def _stop(outputs: Generator[Any, None, None], *, ends_workers: bool) -> None:
    """End joblib's generator; with its workers, or after the tasks that they have.

    When joblib ends the workers, another search that shares them may wait for ever for results.
    """
    if ends_workers:
        with contextlib.suppress(_Stopped):
            outputs.throw(_Stopped())
    else:
        with contextlib.suppress(Exception):  # These results are not used any more.
            collections.deque(outputs, maxlen=0)
