"""Keys of evaluations in a journal: equal for equal computations, in any process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone

from skhyperband._evaluator import Evaluator
from skhyperband._journal.digest import digest, versions
from skhyperband._records import Task
from skhyperband._sklearn_compat import named_scorers
from skhyperband._space import Candidate, Space, candidate_key

# Settings of scikit-learn that change no score.
_DISPLAY = ("display", "print_changed_only", "working_memory")


def identity(estimator: Any, X: Any, y: Any) -> dict[str, str]:
    """Return what must be the same for all searches that use one journal, by its name."""
    class_ = type(estimator)
    return {
        "estimator": f"{class_.__module__}.{class_.__qualname__}",
        "X": _fingerprint(X, "X"),
        "y": _fingerprint(y, "y"),
    }


def _fingerprint(data: Any, name: str) -> str:
    shape = getattr(data, "shape", None) or (len(data) if hasattr(data, "__len__") else "")
    class_ = np.ndarray if type(data) is np.memmap else type(data)
    return f"{class_.__name__} {shape} {digest(data, name).hex()}"


@dataclass(frozen=True)
class SharedContent:
    """The content that all evaluations of a search share, and on which their keys depend.

    Attributes
    ----------
    estimator : estimator
    scoring : object
        The scorer, or None for the estimator's own `score`.
    continue_training : "auto", bool or callable
    params : tuple of dict
        Metadata for fit and for the scorer.
    """

    estimator: Any
    scoring: Any
    continue_training: Any
    params: tuple[Mapping[str, Any], ...]

    def digests(self, packages: set[str]) -> list[bytes]:
        """Return the digests of the content; add the packages that define it to `packages`."""
        digest(self.estimator, "estimator", packages=packages)
        # With "auto" and False the scores are the same, so that their evaluations share keys.
        exact = self.continue_training in ("auto", False)
        config = {k: v for k, v in sklearn.get_config().items() if k not in _DISPLAY}
        values = [
            ("scoring", named_scorers(self.scoring) or self.scoring),
            ("continue_training", "exact" if exact else self.continue_training),
            *(("fit", dict(params)) for params in self.params),
            ("sklearn.get_config()", config),
        ]
        return [digest(value, name, cloned=False, packages=packages) for name, value in values]

    def check(self, space: Space, candidates: Sequence[Candidate]) -> None:
        """Raise if the content, a candidate, or a value in a list has no stable digest."""
        self.digests(set())
        for part in space:
            for name, values in part.items():
                for value in _listed_values(values):
                    digest(value, f"param_distributions[{name!r}]")
        for candidate in candidates:
            for name, value in candidate.items():
                digest(value, f"initial_candidates[...][{name!r}]")


def _listed_values(values: Any) -> Any:
    """Return the values of a list; none of a distribution, or of a range, which may be endless."""
    return () if hasattr(values, "rvs") or isinstance(values, range) else values


class EvaluationKeys:
    """Computes the key of an evaluation from all that its result depends on.

    `n_jobs` and `verbose` do not enter, nor does anything that only decides which evaluations
    a search makes: the other candidates, the bounds, the factor and the seed.

    Parameters
    ----------
    evaluator : Evaluator
    shared : SharedContent
    """

    def __init__(self, evaluator: Evaluator, shared: SharedContent):
        self._evaluator = evaluator
        self._packages = {"numpy", "scipy", "sklearn"}
        self._common = shared.digests(self._packages)
        self._digest_of_candidate: dict[Any, bytes | None] = {}
        self._digest_of_rows: dict[tuple[int, int], bytes] = {}

    def __call__(self, task: Task) -> bytes | None:
        """Return the key of a task; None if the estimator refuses the candidate's parameters."""
        amount = self._evaluator.resource.parameters({}, task.n_resources)
        of_candidate = self._candidate(task.candidate)
        if of_candidate is None:
            return None
        parts = [of_candidate, self._rows(task.split, task.n_resources)]
        return digest([*parts, amount, *self._common], "the evaluation")

    def _candidate(self, candidate: Candidate) -> bytes | None:
        """Return the digest of the estimator with the candidate's parameters, and of the versions.

        The resource is the same for all, since its amount enters the key by itself.
        """
        key = candidate_key(candidate)
        if key not in self._digest_of_candidate:
            packages = set(self._packages)
            parameters = self._evaluator.resource.parameters(candidate, 1)
            estimator = clone(self._evaluator.estimator)
            parameters = clone(parameters, safe=False)
            try:
                estimator.set_params(**parameters)
            except Exception:  # Whatever an estimator's own check raises; so will the evaluation.
                self._digest_of_candidate[key] = None
                return None
            made = digest(estimator, "estimator", packages=packages)
            self._digest_of_candidate[key] = digest([made, versions(packages)], "versions")
        return self._digest_of_candidate[key]

    def _rows(self, split: int, n_resources: int) -> bytes:
        """Return the digest of the row numbers of the training and test part."""
        key = split, n_resources
        if key not in self._digest_of_rows:
            evaluator = self._evaluator
            train = evaluator.resource.train_rows(evaluator.splits[split], n_resources)
            rows = np.asarray(train), np.asarray(evaluator.splits[split].test)
            self._digest_of_rows[key] = digest(rows, "cv")
        return self._digest_of_rows[key]
