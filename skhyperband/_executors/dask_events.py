"""Tells the searches that use a Dask client that workers of its cluster have ended."""

import contextlib
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class News:
    """The keys of tasks that are done, or whose worker ended unexpectedly."""

    keys: list[str]
    died: bool = False


# Who wants to know that a worker of a client's cluster ended. A client has one handler for all
# searches that use it.
_listeners: "weakref.WeakKeyDictionary[Any, list[Any]]" = weakref.WeakKeyDictionary()
_listeners_lock = threading.Lock()


@contextlib.contextmanager
def listening(client: Any, listener: Any) -> Iterator[None]:
    """Call the listener with the keys of the tasks of each worker that ends unexpectedly."""
    with _listeners_lock:
        listeners = _listeners.setdefault(client, [])
        listeners.append(listener)
        if len(listeners) == 1:
            client.subscribe_topic("all", lambda event: _tell(listeners, event))
    try:
        yield
    finally:
        with _listeners_lock:
            listeners.remove(listener)
            if not listeners:
                with contextlib.suppress(Exception):  # The client may be closed by now.
                    client.unsubscribe_topic("all")


def _tell(listeners: list[Any], event: tuple[float, Any]) -> None:
    _, message = event
    if not isinstance(message, dict) or message.get("action") != "remove-worker":
        return
    if not message.get("expected"):
        for listener in list(listeners):
            listener(News(list(message.get("processing-tasks", ())), died=True))
