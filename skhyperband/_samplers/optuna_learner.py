"""Lets a sampler of Optuna choose candidates."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skhyperband._messages import repr_of
from skhyperband._optuna import import_optuna, quiet
from skhyperband._samplers.axes import Axis
from skhyperband._samplers.encoding import Points, SpaceEncoding
from skhyperband._samplers.observations import Observations
from skhyperband._space import Candidate, Space, candidate_key, is_finite

# A finite space is left to chance after so many candidates in a row that are taken.
_MOST_REPETITIONS = 50
_PART = "part"
# Optuna counts with floats.
_MOST_PLACES = 2**50
# Each candidate that a study is told takes time again for every candidate that is drawn. Optuna's
# TPE takes the best tenth for good, but no more than 25, and compares them with all others.
_N_BEST = 25
_MOST_TOLD = 10 * _N_BEST


def is_optuna_sampler(sampler: Any) -> bool:
    """Return whether it is a sampler of Optuna, without importing Optuna."""
    optuna = sys.modules.get("optuna")
    return optuna is not None and isinstance(sampler, optuna.samplers.BaseSampler)


def check_optuna_sampler(sampler: Any) -> None:
    """Raise for a sampler that is given parameters by name: it would look for them in vain."""
    samplers = optuna_for_samplers().samplers
    if isinstance(sampler, (samplers.GridSampler, samplers.PartialFixedSampler)):
        instead = (
            "n_candidates='all' of SuccessiveHalvingSearchCV"
            if isinstance(sampler, samplers.GridSampler)
            else "a list of one value in param_distributions"
        )
        raise TypeError(
            f"sampler={repr_of(sampler)} is given parameters by name, and Optuna sees them here "
            f"by number, on the scale of their quantiles; use {instead}."
        )


def optuna_for_samplers() -> Any:
    """Return Optuna; raise if it is not installed."""
    return import_optuna(
        "sampler='tpe'", instead=", or use sampler='model', which needs nothing else"
    )


class OptunaLearner:
    """Chooses candidates by a sampler of Optuna, which sees each parameter as a unit interval.

    A study is made anew for each choice: a trial of Optuna keeps its first score, and here the
    score of a candidate changes with each level that it reaches.

    Parameters
    ----------
    space : list of dict
    sampler : optuna.samplers.BaseSampler, optional
        By default a tree-structured Parzen estimator, which chooses none while nothing is
        known.
    defaults : dict, optional
        The values that a candidate has for the parameters that it does not name.
    """

    def __init__(
        self, space: Space, sampler: Any = None, *, defaults: Mapping[str, Any] | None = None
    ):
        self._encoding = SpaceEncoding(space, defaults)
        self._n_parts = len(space)
        self._is_finite = is_finite(space)
        self._sampler = sampler
        # What the sampler keeps in the study and in the trials that it made.
        self._study_attributes: dict[str, Any] = {}
        self._trial_attributes: list[tuple[Candidate, dict[str, Any]]] = []

    def choose(
        self,
        n: int,
        observations: Observations,
        taken: Sequence[Candidate],
        seed: np.random.SeedSequence,
    ) -> list[Candidate]:
        """Return n candidates, or fewer at the end of a finite space."""
        if self._sampler is None and not observations.candidates:
            return []
        optuna = optuna_for_samplers()
        with quiet(optuna):
            storage = optuna.storages.InMemoryStorage()
            study = optuna.create_study(
                storage=storage, sampler=self._sampler_for(seed), direction="maximize"
            )
            study_id = storage.get_study_id_from_name(study.study_name)
            for name, value in self._study_attributes.items():
                storage.set_study_system_attr(study_id, name, value)
            study.add_trials(self._trials(observations))
            chosen = self._ask(study, storage, n, taken, seed)
            self._study_attributes = storage.get_study_system_attrs(study_id)
        return chosen

    def _sampler_for(self, seed: np.random.SeedSequence) -> Any:
        if self._sampler is not None:
            return self._sampler
        return optuna_for_samplers().samplers.TPESampler(
            seed=int(seed.generate_state(1)[0]),
            multivariate=True,
            group=self._n_parts > 1,
            constant_liar=True,
        )

    # -- what is known

    def _trials(self, observations: Observations) -> list[Any]:
        """Return finished trials of the candidates that lie in the space.

        The default sampler is told no more than it needs. Others may need all of them.
        """
        optuna = optuna_for_samplers()
        attributes = {candidate_key(c): a for c, a in self._trial_attributes}
        points = self._encoding.points_of(observations.candidates)
        told = np.flatnonzero(points.parts >= 0)
        if self._sampler is None:
            told = _most_informative(told, observations.scores)
        distributions_of = [self._distributions(part) for part in range(self._n_parts)]
        trials = []
        for index in told.tolist():
            distributions = distributions_of[points.parts[index]]
            trial = optuna.trial.create_trial(
                value=float(observations.scores[index]),
                params=self._params(points, index, distributions),
                distributions=distributions,
                system_attrs=attributes.get(candidate_key(observations.candidates[index])),
            )
            trials.append(trial)
        return trials

    def _distributions(self, part: int) -> dict[str, Any]:
        """Return the distributions of Optuna that stand for the parameters of a dict."""
        kinds = optuna_for_samplers().distributions
        distributions: dict[str, Any] = {}
        if self._n_parts > 1:
            distributions[_PART] = kinds.CategoricalDistribution(range(self._n_parts))
        for number in self._encoding.axes_of(part):
            axis = self._encoding.axes[number]
            n_places = _n_places(axis)
            if n_places is None:
                distribution = kinds.FloatDistribution(0, 1)
            elif axis.n_features == 1:
                distribution = kinds.IntDistribution(0, n_places - 1)
            else:
                distribution = kinds.CategoricalDistribution(range(n_places))
            distributions[str(number)] = distribution
        return distributions

    def _params(self, points: Points, index: int, names: Any) -> dict[str, Any]:
        """Return the values that the parameters have in Optuna at a point."""
        params: dict[str, Any] = {_PART: int(points.parts[index])} if _PART in names else {}
        for number in self._encoding.axes_of(int(points.parts[index])):
            coordinate = float(points.coordinates[index, number])
            n_places = _n_places(self._encoding.axes[number])
            params[str(number)] = coordinate if n_places is None else int(coordinate * n_places)
        return params

    # -- what is asked

    def _ask(
        self,
        study: Any,
        storage: Any,
        n: int,
        taken: Sequence[Candidate],
        seed: np.random.SeedSequence,
    ) -> list[Candidate]:
        study_id = storage.get_study_id_from_name(study.study_name)
        random_state = np.random.RandomState(np.random.MT19937(seed))
        seen = {candidate_key(candidate) for candidate in taken} if self._is_finite else set()
        chosen: list[Candidate] = []
        n_repetitions = 0
        while len(chosen) < n and n_repetitions < _MOST_REPETITIONS:
            trial = study.ask()
            candidate = self.suggested(trial, random_state)
            key = candidate_key(candidate)
            n_repetitions = n_repetitions + 1 if key in seen else 0
            if key in seen:
                continue
            if self._is_finite:
                seen.add(key)
            chosen.append(candidate)
            trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
            attributes = storage.get_trial_system_attrs(trial_id)
            self._trial_attributes.append((dict(candidate), attributes))
        return chosen

    def suggested(self, trial: Any, random_state: np.random.RandomState) -> Candidate:
        """Return the candidate that Optuna suggests for a trial."""
        part = trial.suggest_categorical(_PART, range(self._n_parts)) if self._n_parts > 1 else 0
        coordinates = np.full(len(self._encoding.axes), np.nan)
        for number in self._encoding.axes_of(part):
            axis = self._encoding.axes[number]
            value = _suggest(trial, str(number), axis)
            n_places = _n_places(axis)
            coordinates[number] = value if n_places is None else (value + 0.5) / n_places
        return self._encoding.candidate_at(part, coordinates, random_state)


def _most_informative(indices: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the indices of the best candidates, and of others evenly spread over the search."""
    if len(indices) <= _MOST_TOLD:
        return indices
    best_first = indices[np.argsort(-scores[indices], kind="stable")]
    others = np.sort(best_first[_N_BEST:])
    spread = np.linspace(0, len(others) - 1, _MOST_TOLD - _N_BEST).astype(int)
    return np.sort(np.concatenate([best_first[:_N_BEST], others[spread]]))


def _n_places(axis: Axis) -> int | None:
    """Return of how many places Optuna draws one; None if it draws the coordinate itself."""
    if axis.n_values is None or axis.n_values > _MOST_PLACES:
        return None
    return axis.n_values


def _suggest(trial: Any, name: str, axis: Axis) -> float:
    n_places = _n_places(axis)
    if n_places is None:
        return trial.suggest_float(name, 0, 1)
    if axis.n_features == 1:
        return trial.suggest_int(name, 0, n_places - 1)
    return trial.suggest_categorical(name, range(n_places))
