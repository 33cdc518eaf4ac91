"""What a user should know of the rungs of a search, in sentences that name the option to change."""

from collections.abc import Collection, Mapping

import numpy as np
import scipy.stats

from skhyperband._messages import counted
from skhyperband._records import EvaluationKey, Outcome, StateKey
from skhyperband._schedule import LevelSize

# Fewer candidates disagree by chance too often.
_FEWEST_RANKED = 9
# A rung is cheap if its evaluations take less than this share of those with all resources ...
_LARGEST_SHARE = 0.5
# ... and all those of a level that took fewer seconds than this are cheap in any case.
_FEWEST_SECONDS = 1.0


# --- ranks -------------------------------------------------------------------------


def rank_correlation(pairs: np.ndarray) -> float:
    """Return Spearman's rank correlation of two columns, NaN if it is undefined."""
    if len(pairs) < 5 or (np.ptp(pairs, axis=0) == 0).any():
        return np.nan
    return float(scipy.stats.spearmanr(pairs[:, 0], pairs[:, 1])[0])


def advise_on_ranks(
    lower: LevelSize, upper: LevelSize, pairs: np.ndarray, resource: str
) -> list[str]:
    """Return a sentence if the ranks on neighbouring rungs agree no better than chance.

    `pairs` has the finite scores of the same candidates on rungs of both sizes. All of them were
    among the best on the lower rung, so that their ranks agree little even where that rung told
    good candidates from bad ones. Only a correlation that is not above 0 is advised on.
    """
    if len(pairs) < _FEWEST_RANKED or np.ptp(pairs[:, 1]) == 0:
        return []
    if rank_correlation(pairs) > 0:
        return []
    option = f"min_resources above {lower.n_resources}"
    if lower.n_resources == upper.n_resources:
        option = f"min_splits above {lower.n_splits}"
    return [
        f"Scores with {resource}={lower.n_resources} on {counted(lower.n_splits, 'split')} rank "
        f"the {len(pairs)} candidates that went on no better than chance, compared with "
        f"{resource}={upper.n_resources} on {counted(upper.n_splits, 'split')}: raise {option}."
    ]


# --- times -------------------------------------------------------------------------


def seconds_of_fresh_fits(outcomes: Mapping[EvaluationKey, Outcome]) -> dict[EvaluationKey, float]:
    """Return the time of each evaluation if its training had not been continued.

    Where it was, the times of the rungs below are part of it. Failures are left out.
    """
    seconds: dict[EvaluationKey, float] = {}
    fit_times: dict[StateKey, float] = {}
    for key in sorted(outcomes):  # Of each candidate, the evaluations with less come first.
        outcome, state_key = outcomes[key], key.state_key
        fit_time = outcome.fit_time
        if outcome.n_trained < key.n_resources:
            fit_time += fit_times.get(state_key, 0.0)
        fit_times[state_key] = fit_time
        if outcome.failure is None:
            seconds[key] = fit_time + outcome.score_time
    return seconds


def advise_on_times(
    outcomes: Mapping[EvaluationKey, Outcome], resource: str, max_resources: int
) -> list[str]:
    """Return a sentence for each amount of the resource that saves less than half of the time.

    The same candidates are compared on the same splits.
    """
    amounts = {key.n_resources for key in outcomes if 2 * key.n_resources < max_resources}
    seconds = seconds_of_fresh_fits(outcomes) if amounts else {}
    advice = []
    for n_resources in sorted(amounts):
        keys = [key for key in seconds if key.n_resources == n_resources]
        full = [EvaluationKey(key.candidate, max_resources, key.split) for key in keys]
        pairs = [(seconds[k], seconds[f]) for k, f in zip(keys, full, strict=True) if f in seconds]
        part, whole = np.sum(pairs, axis=0) if pairs else (0.0, 0.0)
        if part > _LARGEST_SHARE * whole and sum(seconds[k] for k in keys) >= _FEWEST_SECONDS:
            advice.append(
                f"An evaluation with {resource}={n_resources} takes {part / whole:.0%} of the time "
                f"of one with {max_resources}, so that such rungs save little: raise "
                f"min_resources above {n_resources}."
            )
    return advice


# --- failures ----------------------------------------------------------------------


def advise_on_failures(outcomes: Collection[Outcome]) -> list[str]:
    """Return a sentence if evaluations failed."""
    n_failures = sum(outcome.failure is not None for outcome in outcomes)
    if not n_failures:
        return []
    return [
        f"{n_failures} of {len(outcomes)} evaluations failed, as the FitFailedWarning of fit shows: "
        "leave such candidates out of param_distributions, or set error_score='raise' to stop at "
        "the first."
    ]
