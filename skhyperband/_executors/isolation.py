"""Runs suspected tasks in processes of their own, to find those that kill their worker."""

import contextlib
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed

from skhyperband._executors.broadcast import Broadcast
from skhyperband._executors.packed_value import PackedValue
from skhyperband._executors.process_pool import ProcessPool
from skhyperband._records import FinishedTask, Task


def retry_in_isolation(
    broadcast: Broadcast, suspects: Mapping[int, Task], env: Mapping[str, str], n_workers: int
) -> Generator[FinishedTask, None, None]:
    """Run tasks in processes of which each runs one at a time, so that it is known who kills it.

    As many run side by side as there are workers. The death that made a task a suspect does not
    count, since most suspects were still waiting. A task whose process ends is tried once more
    when the others have ended, so that it holds up none of them. The processes have the same
    environment variables, and with them as many threads, as the workers had.
    """
    packed = PackedValue(*broadcast.pack())
    with (
        ThreadPoolExecutor(min(n_workers, len(suspects) or 1)) as threads,
        contextlib.closing(ProcessPool(lambda: packed, env=env)) as processes,
    ):
        attempts = {threads.submit(processes.attempt, suspects[p]): p for p in suspects}
        died = []
        for attempt in as_completed(list(attempts)):
            position, result = attempts.pop(attempt), attempt.result()
            if result is None:
                died.append(position)
            else:
                yield FinishedTask(position, result)
        for position in sorted(died):
            yield FinishedTask(position, processes.attempt_alone(suspects[position]))
