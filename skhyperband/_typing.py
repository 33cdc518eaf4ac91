"""The types of the constructor parameters that both searches share."""

import datetime
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np


class Splitter(Protocol):
    """A cross-validation splitter of scikit-learn, or one with the same methods."""

    @property
    def split(self) -> Callable[..., Any]:
        """Generate pairs of training and test indices."""

    @property
    def get_n_splits(self) -> Callable[..., Any]:
        """Return the number of these pairs."""


class OptunaSampler(Protocol):
    """A sampler of Optuna, by a part of its methods: Optuna need not be installed."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Return the parameters that are drawn together."""

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Draw these parameters."""


ParamDistributions = Mapping[str, Any] | Sequence[Mapping[str, Any]]
MinResources = int | Literal["auto", "smallest", "exhaust"]
MinSplits = int | Literal["auto"] | None
SamplerName = Literal["random", "sobol", "model", "gp", "forest", "tpe"]
InitialCandidates = Sequence[Mapping[str, Any]] | None
ContinueTraining = bool | Literal["auto"] | Callable[..., Any]
Scoring = str | Callable[..., Any] | Collection[str] | Mapping[str, Any] | None
Refit = bool | str | Callable[[dict[str, Any]], int | np.integer[Any]]
CrossValidation = int | Splitter | Iterable[tuple[Any, Any]] | None
MaxTime = float | datetime.timedelta | None
JournalPath = str | os.PathLike[str] | None
RandomState = int | np.random.RandomState | None
ErrorScore = float | Literal["raise"]
