"""Ways to search of other libraries, which evaluate one candidate after another.

Each is asked for a candidate, and told its score before it is asked for the next one. Both
libraries see the parameters as our own samplers do: a distribution is the interval from 0 to 1 of its
quantiles, so that a logarithmic scale is one for them, too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from skhyperband._samplers.axes import Axis
from skhyperband._samplers.encoding import SpaceEncoding
from skhyperband._samplers.optuna_learner import OptunaLearner

Candidate = dict[str, Any]
Space = Sequence[Mapping[str, Any]]


class ByOptuna:
    """Optuna's TPE, with full evaluations or with its HyperbandPruner."""

    def __init__(self, space: Space, seed: int, *, pruned: bool):
        pruner = optuna.pruners.HyperbandPruner() if pruned else optuna.pruners.NopPruner()
        self._study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner
        )
        self._learner = OptunaLearner(space)
        self._random_state = np.random.RandomState(seed)

    def ask(self) -> Candidate:
        """Return the next candidate."""
        self._trial = self._study.ask()
        return self._learner.suggested(self._trial, self._random_state)

    def is_bad(self, score: float, step: int) -> bool:
        """Return whether the pruner ends the candidate that has this score at a step."""
        self._trial.report(score, step)
        return self._trial.should_prune()

    def tell(self, score: float | None) -> None:
        """Note the score of the candidate; None if it was ended before."""
        if score is None:
            self._study.tell(self._trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(self._trial, score)


class ByScikitOptimize:
    """The optimizer of scikit-optimize's BayesSearchCV, with its defaults.

    Of several dicts, each has an optimizer of its own, as in BayesSearchCV; they take turns.
    """

    def __init__(self, space: Space, seed: int):
        import skopt

        self._encoding = SpaceEncoding(space)
        self._random_state = np.random.RandomState(seed)
        self._optimizers = [
            skopt.Optimizer(
                [_dimension(self._encoding.axes[n]) for n in self._encoding.axes_of(part)],
                random_state=seed,
            )
            for part in range(len(space))
        ]
        self._n_asked = 0

    def ask(self) -> Candidate:
        """Return the next candidate."""
        part = self._n_asked % len(self._optimizers)
        self._n_asked += 1
        self._optimizer = self._optimizers[part]
        self._values = self._optimizer.ask()
        coordinates = np.full(len(self._encoding.axes), np.nan)
        for number, value in zip(self._encoding.axes_of(part), self._values, strict=True):
            n_values = self._encoding.axes[number].n_values
            coordinates[number] = value if n_values is None else (int(value) + 0.5) / n_values
        return self._encoding.candidate_at(part, coordinates, self._random_state)

    def tell(self, score: float) -> None:
        """Note the score of the candidate."""
        self._optimizer.tell(self._values, -score)


def _dimension(axis: Axis) -> Any:
    from skopt.space import Categorical, Integer, Real

    if axis.n_values is None:
        return Real(0, 1)
    if axis.n_features == 1 and axis.n_values > 1:
        return Integer(0, axis.n_values - 1)
    return Categorical(range(axis.n_values))
