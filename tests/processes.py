"""The processes that a test has started."""

import psutil


def child_processes():
    """Return the processes that this one has started, without joblib's resource tracker."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:  # It has ended meanwhile.
            continue
        if command and "tracker" not in command:
            found.append(process)
    return found


def wait_for_the_end_of(processes):
    """Wait until the processes have ended, and fail if they do not."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
