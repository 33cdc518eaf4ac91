"""Makes a study of Optuna from what a search has measured."""

import datetime
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._base import BaseHalvingSearchCV
from skhyperband._measured import check_measured, check_metric
from skhyperband._optuna import import_optuna, quiet
from skhyperband._optuna_parameters import OptunaParameter, optuna_parameters
from skhyperband._resources import without_resource
from skhyperband._results import Results, measured_metrics, rows_of_highest_level
from skhyperband._samplers.encoding import with_defaults
from skhyperband._space import as_space

_PREFIX = "mean_test_"


def to_optuna(
    search: BaseHalvingSearchCV,
    *,
    metric: str | None = None,
    storage: Any = None,
    study_name: str | None = None,
) -> Any:
    """Return a study of Optuna with a trial for each candidate of a search.

    The study can be drawn with the functions of ``optuna.visualization`` and, if it is stored in
    a file, opened in Optuna's dashboard. It needs Optuna, which
    ``pip install 'skhyperband[optuna]'`` installs.

    Parameters
    ----------
    search : HyperbandSearchCV or SuccessiveHalvingSearchCV
        A search that has measured something.
    metric : str, default=None
        Name of the metric that is the value of the trials. If None, it is the metric that decided
        which candidates were promoted.
    storage : str or optuna.storages.BaseStorage, default=None
        Where the study is kept, as in ``optuna.create_study``, such as
        ``"sqlite:///search.db"``. If None, it is kept in memory.
    study_name : str, default=None
        Name of the study. If None, Optuna makes one up.

    Returns
    -------
    study : optuna.study.Study
        The study. Its direction is "maximize". Its user attributes are the name of the `metric`,
        the `resource`, `max_resources`, `n_splits`, and what the `step` of an intermediate value
        counts.

    Raises
    ------
    ImportError
        If Optuna is not installed.
    TypeError
        If `search` is no search of this package.
    sklearn.exceptions.NotFittedError
        If the search has not measured anything.
    ValueError
        If the search has no such metric, or the storage already has a study with this name.

    See Also
    --------
    HyperbandSearchCV : Search whose candidates come from several brackets.
    SuccessiveHalvingSearchCV : Search whose candidates come from one bracket.

    Notes
    -----
    The state of a trial is COMPLETE if the candidate has a score at the highest level at which
    any candidate has one, PRUNED if it was not promoted to it, and FAIL if its last score is
    NaN. Its value is its last score. Its intermediate values are its mean scores on all rungs; their
    step is the amount of the resource, multiplied by the number of splits if rungs have
    different numbers of splits, or else the number of the level if that does not rise from level
    to level, as in some searches that ended early.

    A distribution is a ``FloatDistribution`` or an ``IntDistribution`` with the same ends,
    on a logarithmic scale where the median suits that better, as that of
    ``scipy.stats.loguniform`` does. A distribution without an end has one at its quantile of 0.1 %
    or 99.9 %. One without quantiles has those of the values that were drawn. All are extended to
    the values of initial candidates. A list is a ``CategoricalDistribution``, unless it is a
    ``range`` or has more than 64 numbers. What Optuna cannot store, such as an estimator, is
    stored as its repr. Optuna has no distribution of numbers and other values, so that, for
    example, the values None and "sqrt" of a parameter `max_features` that otherwise has numbers
    are in another parameter, ``"max_features (other)"``. Parameters that an initial candidate
    does not name have the values of the estimator as it is given.

    The user attributes of a trial are the candidate's `candidate_id`, the `repeat` and the `bracket`
    in which it entered, the `n_resources` and `n_splits` of its last rung, the seconds of all its
    fits and scores (`fit_seconds`, `score_seconds`), and the last scores by other metrics.

    A trial lasts as long as the fits and scores of its candidate took together. Optuna has one
    time for the start of a trial, but a search trains a candidate in several pieces, and many at
    the same time. So the trials follow one another, and the last one ends now.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skhyperband import SuccessiveHalvingSearchCV, to_optuna
    >>> search = SuccessiveHalvingSearchCV(
    ...     SVC(), {"C": loguniform(1e-3, 1e3)}, n_candidates=9, random_state=0
    ... )
    >>> study = to_optuna(search.fit(*load_iris(return_X_y=True)))
    >>> len(study.trials)
    9
    >>> study.best_value == search.best_score_
    True
    """
    optuna = import_optuna("to_optuna")
    check_measured(search)
    metric = search._promoting_metric if metric is None else metric
    check_metric(search, metric)
    with quiet(optuna):
        steps = _steps(search.cv_results_, search.resource_)
        trials = _trials(search, metric, steps, optuna)  # If it raises, there is no study.
        study = _create_study(optuna, storage, study_name)
        study.set_metric_names([search._rule.label(metric)])
        for name, value in _study_attributes(search, metric, steps).items():
            study.set_user_attr(name, value)
        study.add_trials(trials)
    return study


def _create_study(optuna: Any, storage: Any, study_name: str | None) -> Any:
    try:
        return optuna.create_study(storage=storage, study_name=study_name, direction="maximize")
    except optuna.exceptions.DuplicatedStudyError as error:
        raise ValueError(
            f"study_name={study_name!r} is already in storage={storage!r}; give another name, or "
            "delete that study with optuna.delete_study."
        ) from error


@dataclass(frozen=True)
class Steps:
    """The steps of the intermediate values.

    Attributes
    ----------
    meaning : str
        What they count.
    of_row : list of int
        The step of each row; a higher level has a higher one.
    """

    meaning: str
    of_row: list[int]


def _steps(results: Results, resource: str) -> Steps:
    """Return the steps of a search.

    The amount times the splits is none if the search ended before its highest level had all splits.
    """
    sizes = list(zip(results["n_resources"].tolist(), results["n_splits"].tolist(), strict=True))
    levels = sorted(set(sizes))
    products = [n_resources * n_splits for n_resources, n_splits in levels]
    if len({n_splits for _, n_splits in levels}) == 1:
        meaning, steps = resource, [n_resources for n_resources, _ in levels]
    elif all(low < high for low, high in itertools.pairwise(products)):
        meaning, steps = f"{resource} x n_splits", products
    else:
        meaning, steps = "level", list(range(1, len(levels) + 1))
    step_of = dict(zip(levels, steps, strict=True))
    return Steps(meaning, [step_of[size] for size in sizes])


def _study_attributes(search: BaseHalvingSearchCV, metric: str, steps: Steps) -> dict[str, Any]:
    return {
        "metric": search._rule.label(metric),
        "resource": search.resource_,
        "max_resources": int(search.max_resources_),
        "n_splits": int(search.n_splits_),
        "step": steps.meaning,
    }


# --- the trials --------------------------------------------------------------------


def _trials(search: BaseHalvingSearchCV, metric: str, steps: Steps, optuna: Any) -> list[Any]:
    """Return a finished trial for each candidate, in the order in which they entered."""
    results = search.cv_results_
    rows_by_candidate = _rows_by_candidate(results)
    space, defaults = as_space(search.param_distributions), search.estimator.get_params()
    candidates = []
    for rows in rows_by_candidate:
        params = without_resource(results["params"][rows[0]], search.resource_)
        candidates.append(with_defaults(params, space, defaults))
    parameters = optuna_parameters(space, candidates)
    highest = set(rows_of_highest_level(results, metric).tolist())
    trials = []
    for rows, candidate in zip(rows_by_candidate, candidates, strict=True):
        score = float(results[f"{_PREFIX}{metric}"][rows[-1]])
        state = _state(optuna, score, is_highest=rows[-1] in highest)
        trial = optuna.trial.create_trial(
            state=state,
            value=None if math.isnan(score) else score,
            intermediate_values=_intermediate_values(results, rows, metric, steps),
            user_attrs=_trial_attributes(results, rows, metric),
            **_stored_params(candidate, parameters, optuna.distributions),
        )
        trials.append(trial)
    _set_times(trials)
    return trials


def _rows_by_candidate(results: Results) -> list[list[int]]:
    """Return the rows of each candidate, from its lowest level to its highest."""
    levels = zip(
        results["candidate_id"].tolist(),
        results["n_resources"].tolist(),
        results["n_splits"].tolist(),
        results["iter"].tolist(),
        strict=True,
    )
    rows: dict[int, list[int]] = {}
    for (candidate, *_), row in sorted((level, row) for row, level in enumerate(levels)):
        rows.setdefault(candidate, []).append(row)
    return list(rows.values())


def _state(optuna: Any, score: float, *, is_highest: bool) -> Any:
    states = optuna.trial.TrialState
    if math.isnan(score):
        return states.FAIL
    return states.COMPLETE if is_highest else states.PRUNED


def _stored_params(
    candidate: dict[str, Any], parameters: dict[str, OptunaParameter], kinds: Any
) -> dict[str, Any]:
    """Return the arguments that a trial is made with for its parameters."""
    params, distributions = {}, {}
    for key, value in candidate.items():
        name, stored, distribution = parameters[key].stored(value, kinds)
        params[name], distributions[name] = stored, distribution
    return {"params": params, "distributions": distributions}


def _intermediate_values(
    results: Results, rows: Sequence[int], metric: str, steps: Steps
) -> dict[int, float]:
    scores = results[f"{_PREFIX}{metric}"]
    return {steps.of_row[row]: float(scores[row]) for row in rows if not np.isnan(scores[row])}


def _trial_attributes(results: Results, rows: Sequence[int], metric: str) -> dict[str, Any]:
    first, last = rows[0], rows[-1]
    others = {
        other: float(results[f"{_PREFIX}{other}"][last])
        for other in measured_metrics(results)
        if other != metric
    }
    return {
        **{other: score for other, score in others.items() if math.isfinite(score)},
        "candidate_id": int(results["candidate_id"][first]),
        "repeat": int(results["repeat"][first]),
        "bracket": int(results["bracket"][first]),
        "n_resources": int(results["n_resources"][last]),
        "n_splits": int(results["n_splits"][last]),
        "fit_seconds": _seconds(results, rows, "fit"),
        "score_seconds": _seconds(results, rows, "score"),
    }


def _seconds(results: Results, rows: Sequence[int], part: str) -> float:
    """Return the time of a candidate, counting each split once with the same resource."""
    # Later rows with the same resource have the splits of the earlier ones, too.
    last_rows = {int(results["n_resources"][row]): row for row in rows}.values()
    means, n_splits = results[f"mean_{part}_time"], results["n_splits"]
    return sum(float(means[row]) * int(n_splits[row]) for row in last_rows)


def _set_times(trials: Sequence[Any]) -> None:
    """Let the trials follow one another, each as long as its fits and scores took."""
    end = datetime.datetime.now()
    for trial in reversed(trials):
        seconds = trial.user_attrs["fit_seconds"] + trial.user_attrs["score_seconds"]
        trial.datetime_complete = end
        trial.datetime_start = end = end - datetime.timedelta(seconds=seconds)
