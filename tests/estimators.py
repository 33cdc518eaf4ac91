"""Estimators that cost nothing and do what a test needs.

They are in a module of their own so that worker processes can import them.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import scipy.linalg
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning


class Scored(ClassifierMixin, BaseEstimator):
    """Scores better with a larger quality, resource and training part."""

    def __init__(self, quality=0.0, n_units=1, label=None):
        self.quality = quality
        self.n_units = n_units
        self.label = label

    def fit(self, X, y=None):
        """Remember the number of samples."""
        self.classes_ = np.unique(y)
        self.n_fitted_ = len(X)
        return self

    def predict(self, X):
        """Predict the first class."""
        return np.full(len(X), self.classes_[0])

    def score(self, X, y=None):
        """Return a score that depends on the parameters and the number of samples."""
        return self.quality + 1e-3 * self.n_units + 1e-6 * self.n_fitted_


class Sampled(DummyClassifier):
    """Has a parameter with the name of the resource that is no parameter."""

    def __init__(self, n_samples=1):
        super().__init__(strategy="constant", constant=0)
        self.n_samples = n_samples


class Failing(Scored):
    """Fails in a given step if the quality is below a limit.

    With `from_units` it fails only from so many units on.
    """

    def __init__(self, quality=0.0, n_units=1, label=None, step="fit", below=0.5, from_units=0):
        super().__init__(quality, n_units, label)
        self.step = step
        self.below = below
        self.from_units = from_units

    def _fails(self, step):
        return self.step == step and self.quality < self.below and self.n_units >= self.from_units

    def fit(self, X, y=None):
        """Raise, or fit."""
        if self._fails("fit"):
            raise ArithmeticError(f"quality {self.quality:.3f} is too low")
        return super().fit(X, y)

    def predict(self, X):
        """Raise, or predict."""
        if self._fails("predict"):
            raise ArithmeticError("no prediction")
        return super().predict(X)

    def score(self, X, y=None):
        """Raise, return what is no number, or score."""
        if self._fails("score"):
            raise ArithmeticError("no score")
        if self._fails("nan"):
            return np.nan
        if self._fails("inf"):
            return -np.inf
        return super().score(X, y)


class UnpicklableError(Exception):
    """Cannot be unpickled: it needs two arguments, and keeps one."""

    def __init__(self, one, other):
        super().__init__(one)
        self.other = other


class RaisesUnpicklable(Scored):
    """Raises an exception that does not survive the way back from a worker."""

    def fit(self, X, y=None):
        """Raise."""
        raise UnpicklableError("one", "other")


@contextlib.contextmanager
def little_memory():
    """Let this process have only so much more than it has."""
    import resource  # Not there on Windows.

    n_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit, highest = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (n_pages * resource.getpagesize() + 2**27, highest))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (limit, highest))


def kill():
    """End as the system ends what takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    """End as a library does that calls exit."""
    os._exit(1)


def crash():
    """End by a segmentation fault."""
    ctypes.string_at(0)


def exhaust():
    """End as C code does that does not check whether it got the memory."""
    size = 2**35
    allocate = ctypes.CDLL(None).malloc
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    with little_memory():
        ctypes.memset(allocate(size), 0, size)


WAYS_TO_DIE = {"kill": kill, "exit": leave, "crash": crash, "memory": exhaust}


class Deadly(Scored):
    """Ends its process where the quality is below a limit, leaving a mark that it did.

    `marks` is a folder: each death adds a file. `once` dies only the first time,
    `from_units` only where it has so many; `way` is one of `WAYS_TO_DIE`.
    """

    def __init__(
        self,
        quality=0.0,
        n_units=1,
        label=None,
        marks=None,
        below=0.5,
        once=False,
        parent=0,
        from_units=0,
        way="kill",
    ):
        super().__init__(quality, n_units, label)
        self.marks = marks
        self.below = below
        self.once = once
        self.parent = parent
        self.from_units = from_units
        self.way = way

    def fit(self, X, y=None):
        """Die, or fit."""
        if self.quality < self.below and self.n_units >= self.from_units:
            assert os.getpid() != self.parent, "the main process must not run this"
            mark = os.path.join(self.marks, f"{self.quality:.6f}")
            seen = os.path.exists(mark)
            with open(mark, "a") as file:
                file.write("x")
            if not (self.once and seen):
                WAYS_TO_DIE[self.way]()
        return super().fit(X, y)


class Greedy(Scored):
    """Asks numpy for more memory than there is, where the quality is below a limit."""

    def __init__(self, quality=0.0, n_units=1, label=None, below=0.5):
        super().__init__(quality, n_units, label)
        self.below = below

    def fit(self, X, y=None):
        """Ask for it, or fit."""
        if self.quality < self.below:
            with little_memory():
                np.ones(2**32)
        return super().fit(X, y)


class Writing(RegressorMixin, BaseEstimator):
    """Centres X in place, in fit and in predict."""

    def __init__(self, shift=0.0, n_units=1):
        self.shift = shift
        self.n_units = n_units

    def fit(self, X, y):
        """Centre X and remember how."""
        self.mean_ = X.mean(axis=0) + self.shift
        X -= self.mean_
        self.slope_ = np.linalg.lstsq(X, y, rcond=None)[0]
        return self

    def predict(self, X):
        """Centre X, and project."""
        X -= self.mean_
        return X @ self.slope_


class NotWriting(Writing):
    """Does the same to a copy."""

    def fit(self, X, y):
        """Fit a copy."""
        return super().fit(X.copy(), y)

    def predict(self, X):
        """Predict a copy."""
        return super().predict(X.copy())


class NativeWriter(RegressorMixin, BaseEstimator):
    """Ridge regression in the dual, by native code that writes into what it is given.

    `way` says how: LAPACK overwrites y, torch or ctypes overwrite X. In fit and in predict it
    demands arrays that may be written to, as numba does.
    """

    def __init__(self, alpha=1.0, way="lapack"):
        self.alpha = alpha
        self.way = way

    def fit(self, X, y):
        """Solve for the weights of the samples, and spoil what was given."""
        _demand_writeable(X, y)
        self.X_ = X.copy()
        kernel = X @ X.T + self.alpha * np.eye(len(X))
        if self.way == "lapack":
            self.weights_ = scipy.linalg.solve(
                kernel, y, assume_a="pos", overwrite_a=True, overwrite_b=True
            ).copy()
        else:
            self.weights_ = scipy.linalg.solve(kernel, y, assume_a="pos")
            NATIVE_WRITERS[self.way](X)
            NATIVE_WRITERS[self.way](y)
        return self

    def predict(self, X):
        """Predict, and spoil what was given."""
        _demand_writeable(X)
        predicted = X @ self.X_.T @ self.weights_
        NATIVE_WRITERS[self.way](X)
        return predicted


def _demand_writeable(*arrays):
    if not all(array.flags.writeable for array in arrays):
        raise TypeError("cannot use a readonly array")


def _write_by_lapack(array):
    scipy.linalg.solve(np.eye(len(array)) * 3, array, overwrite_b=True, check_finite=False)


def _write_by_torch(array):
    import torch

    torch.as_tensor(array).add_(7.0)


def _write_by_ctypes(array):
    ctypes.memset(array.ctypes.data, 1, array.nbytes)


NATIVE_WRITERS = {
    "lapack": _write_by_lapack,
    "torch": _write_by_torch,
    "ctypes": _write_by_ctypes,
}


class Unprintable:
    """Has no text."""

    def __str__(self):
        raise ArithmeticError("no text")


class Forking(Scored):
    """Forks, in fit or in score, a child that ends as it is told.

    The child's exit status is added to the file `statuses`.
    """

    def __init__(self, quality=0.0, n_units=1, label=None, step="fit", way="exit", statuses=""):
        super().__init__(quality, n_units, label)
        self.step = step
        self.way = way
        self.statuses = statuses

    def _fork(self):
        child = os.fork()
        if child == 0:
            if self.way == "exit":
                sys.exit(3)
            if self.way == "huge":
                sys.exit(2**70)
            if self.way == "silent":
                sys.stderr.close()
                sys.exit("nobody hears this")
            if self.way == "unprintable":
                sys.exit(Unprintable())
            if self.way == "raise":
                raise ArithmeticError("in the child")
            return  # The child continues with the code of its parent.
        _, status = os.waitpid(child, 0)
        with open(self.statuses, "a") as file:
            file.write(f"{os.waitstatus_to_exitcode(status)}\n")

    def fit(self, X, y=None):
        """Fork, or fit."""
        if self.step == "fit":
            self._fork()
        return super().fit(X, y)

    def score(self, X, y=None):
        """Fork, or score."""
        if self.step == "score":
            self._fork()
        return super().score(X, y)


class CausedByItself(Scored):
    """Raises an exception that is its own cause, where the quality is below 0.5."""

    def fit(self, X, y=None):
        """Raise, or fit."""
        if self.quality < 0.5:
            error = ArithmeticError("read-only")
            other = ValueError("the cause of its cause")
            error.__context__, other.__cause__ = other, error
            raise error from error
        return super().fit(X, y)


class Reporting(Scored):
    """Scores with the number of workers that ``n_jobs=None`` means where it is fitted."""

    def fit(self, X, y=None):
        """Ask joblib."""
        self.n_workers_ = joblib.effective_n_jobs(None)
        return super().fit(X, y)

    def score(self, X, y=None):
        """Return what joblib said."""
        return self.n_workers_


class Unconverged(Scored):
    """Does not converge, and says so with how far it came."""

    def fit(self, X, y=None):
        """Warn and fit."""
        warnings.warn(f"stopped after {self.n_units}", ConvergenceWarning, stacklevel=2)
        return super().fit(X, y)


class Noting(Scored):
    """Notes in a folder each fit, and each time it is pickled and unpickled, and where.

    With `locked` it cannot be pickled once it is fitted.
    """

    def __init__(self, quality=0.0, n_units=1, label=None, notes=".", locked=False):
        super().__init__(quality, n_units, label)
        self.notes = notes
        self.locked = locked

    def note(self, event):
        """Add a line to this process's file."""
        with open(os.path.join(self.notes, str(os.getpid())), "a") as file:
            file.write(f"{event} {self.n_units}\n")

    def fit(self, X, y=None):
        """Fit, and keep an attribute that cannot be pickled if `locked`."""
        super().fit(X, y)
        if self.locked:
            self.lock_ = threading.Lock()
        self.note("fitted")
        return self

    def __getstate__(self):
        """Note it if the estimator is fitted."""
        if hasattr(self, "n_fitted_"):
            self.note("pickled")
        return super().__getstate__()

    def __setstate__(self, state):
        """Note it if the estimator is fitted."""
        super().__setstate__(state)
        if hasattr(self, "n_fitted_"):
            self.note("unpickled")


def grow(fitted, n_resources, X, y, **fit_params):
    """Continue the training of a `Scored`, at no cost."""
    return fitted.set_params(n_units=n_resources)


@dataclass
class DiesOnce:
    """Kills its process the first time that it continues a training, and leaves a mark."""

    mark: str
    parent: int

    def __call__(self, fitted, n_resources, X, y):
        """Die, or grow."""
        assert os.getpid() != self.parent, "the main process must not run this"
        if not os.path.exists(self.mark):
            with open(self.mark, "w"):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        return grow(fitted, n_resources, X, y)


class Waiting(Scored):
    """Sets a mark and waits for the end, once it has so many units and samples."""

    def __init__(self, quality=0.5, n_units=1, mark=None, waits_at=None):
        super().__init__(quality=quality, n_units=n_units)
        self.mark = mark
        self.waits_at = waits_at

    def fit(self, X, y=None):
        """Wait, or do as any other."""
        if self.waits_at is not None and (self.n_units, len(X)) == tuple(self.waits_at):
            Path(self.mark).touch()
            time.sleep(60)
        return super().fit(X, y)


class Hungry(Scored):
    """Takes more and more memory where the quality is below 0.1."""

    def fit(self, X, y=None):
        """Take up to eight gigabytes, forty megabytes at a time."""
        taken = []
        while self.quality < 0.1 and len(taken) < 200:
            taken.append(np.ones(40 * 2**17))
            time.sleep(0.01)
        return super().fit(X, y)


class Blocking(Scored):
    """Sets a mark and waits until it is told to go on, once it has three units."""

    def __init__(self, quality=0.5, n_units=1, label=None, mark=None):
        super().__init__(quality, n_units, label)
        self.mark = mark

    def fit(self, X, y=None):
        """Wait, or do as any other."""
        if self.n_units == 3:
            Path(self.mark).touch()
            deadline = time.monotonic() + 60
            while not Path(self.mark).with_suffix(".go").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
        return super().fit(X, y)


class Endless(Scored):
    """Never ends where the quality is below a limit, in `fit` or `score`, whatever is raised in it.

    `mark` is a file to which it writes the number of its process.
    """

    def __init__(self, quality=0.0, n_units=1, label=None, step="fit", below=0.5, mark=None):
        super().__init__(quality, n_units, label)
        self.step = step
        self.below = below
        self.mark = mark

    def _wait_at(self, step):
        if self.step != step or self.quality >= self.below:
            return
        if self.mark is not None:
            Path(self.mark).write_text(f"{os.getpid()}\n")
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(60)

    def fit(self, X, y=None):
        """Wait, or fit."""
        self._wait_at("fit")
        return super().fit(X, y)

    def score(self, X, y=None):
        """Wait, or score."""
        self._wait_at("score")
        return super().score(X, y)


class FakeClock(threading.local):
    """Goes on only when it is told to, in each thread and process on its own."""

    seconds = 0.0

    def read(self):
        """Return the time."""
        return self.seconds

    def advance(self, seconds):
        """Let time pass."""
        self.seconds += seconds


CLOCK = FakeClock()


def read_clock():
    """Return the time of the fake clock."""
    return CLOCK.read()


class Timed(Scored):
    """Takes time by the fake clock: `fixed`, and `per_unit` for each unit; a score takes `scoring`.

    With `power` other than 1, the time is not proportional to the units.
    """

    def __init__(
        self, quality=0.0, n_units=1, label=None, fixed=0.0, per_unit=1.0, power=1, scoring=0.0
    ):
        super().__init__(quality, n_units, label)
        self.fixed = fixed
        self.per_unit = per_unit
        self.power = power
        self.scoring = scoring

    def fit(self, X, y=None):
        """Let the time of a fit pass."""
        CLOCK.advance(self.fixed + self.per_unit * self.n_units**self.power)
        return super().fit(X, y)

    def score(self, X, y=None):
        """Let the time of a score pass."""
        CLOCK.advance(self.scoring)
        return super().score(X, y)


def train_in_time(fitted, n_resources, X, y):
    """Continue the training of a `Timed`; each call takes a quarter of a second more."""
    CLOCK.advance(0.25 + fitted.per_unit * (n_resources - fitted.n_units))
    return fitted.set_params(n_units=n_resources)
