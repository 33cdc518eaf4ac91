"""Puts the scores that a sampler was told, of all levels and splits, on one scale."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._records import LevelResult
from skhyperband._space import Candidate, candidate_key

_N_BITS = 33  # Ten decimal digits.


@dataclass(frozen=True)
class Observations:
    """Candidates, and what each would score with the most of the resource.

    Attributes
    ----------
    candidates : list of dict
    scores : ndarray of shape (n_candidates,)
        Finite; higher is better. A candidate that failed, or whose score is infinite, has the
        score of the worst other one.
    n_splits : ndarray of shape (n_candidates,)
        The number of splits of which each score is the mean.
    """

    candidates: list[Candidate]
    scores: np.ndarray
    n_splits: np.ndarray


class ScoreTable:
    """The scores that a sampler was told, by amount of the resource, candidate and split."""

    def __init__(self) -> None:
        self._candidates: dict[int, Candidate] = {}
        self._first_with: dict[Any, int] = {}
        self._scores: dict[int, dict[int, np.ndarray]] = defaultdict(dict)
        self._failed: set[int] = set()

    def add(self, level: LevelResult) -> None:
        """Add the scores of a level."""
        of_amount = self._scores[level.n_resources]
        split_scores = _without_last_digits(level.split_scores)
        for own_number, candidate, scores, mean in zip(
            level.candidate_ids,
            level.candidates,
            split_scores,
            level.mean_scores,
            strict=True,
        ):
            # A journal and a search may have the same candidate.
            number = self._first_with.setdefault(candidate_key(candidate), own_number)
            self._candidates[number] = candidate
            if np.isfinite(mean):
                known = of_amount.get(number, scores)
                of_amount[number] = np.where(np.isfinite(scores), scores, known)
            else:
                self._failed.add(number)

    def observations(self) -> Observations:
        """Return all candidates with scores on one scale.

        The score of a candidate is the one with the most of the resource that it got, plus what
        more of the resource adds to a score, and less what easy splits add: in the mean of the
        candidates that have both, where differences far from all others are cut short.
        """
        spread = _spread(self._scores.values())
        by_amount = {
            amount: _without_splits(self._scores[amount], spread)
            for amount in sorted(self._scores)
            if self._scores[amount]
        }
        gains = _gains(list(by_amount.values()), spread)
        scores: dict[int, float] = {}
        n_splits = dict.fromkeys(self._candidates, 1)
        for of_amount, gain in zip(by_amount.values(), gains, strict=True):
            for number, values in of_amount.items():
                scores[number] = _mean(values) + gain
                n_splits[number] = int(np.isfinite(values).sum())
        numbers = list(self._candidates)
        return Observations(
            [self._candidates[number] for number in numbers],
            _finite([np.nan if n in self._failed else scores[n] for n in numbers]),
            np.array([n_splits[number] for number in numbers]),
        )


def _without_last_digits(scores: np.ndarray) -> np.ndarray:
    """Return scores without the digits beyond the tenth of their own, or of a usual one.

    These may depend on the number of threads, and what is drawn next should not.
    """
    sizes = np.abs(scores[np.isfinite(scores) & (scores != 0)])
    if not len(sizes):
        return scores
    # A score near 0 may be the difference of usual ones. Few are far larger than all others.
    _, least_exponent = np.frexp(np.quantile(sizes, 0.25, method="lower"))
    _, exponents = np.frexp(scores)
    exponents = np.maximum(exponents, least_exponent)
    with np.errstate(over="ignore"):  # Of the largest numbers that there are.
        rounded = np.ldexp(np.round(np.ldexp(scores, _N_BITS - exponents)), exponents - _N_BITS)
    return np.where(np.isfinite(rounded), rounded, scores)


# The scores of candidates on each split, by their number.
_Scores = dict[int, np.ndarray]


def _spread(of_amounts: Iterable[_Scores]) -> float:
    """Return the distance between the best and the median of all scores."""
    scores = [values for of_one in of_amounts for values in of_one.values()]
    known = np.concatenate([np.empty(0), *scores])
    known = known[np.isfinite(known)]
    if not len(known):
        return 0.0
    with np.errstate(over="ignore"):  # Of the largest numbers that there are.
        return float(known.max() - np.median(known))


def _without_splits(scores: _Scores, spread: float) -> _Scores:
    """Return scores less the mean difference between each split and the most used one."""
    table = np.array(list(scores.values()))
    finite = np.where(np.isfinite(table), table, np.nan)
    reference = int(np.isfinite(table).sum(axis=0).argmax())
    with np.errstate(over="ignore"):
        offsets = [_mean_difference(column - finite[:, reference], spread) for column in finite.T]
        return dict(zip(scores, finite - np.array(offsets), strict=True))


def _gains(of_amounts: Sequence[_Scores], spread: float) -> list[float]:
    """Return what the most of the resource adds to the scores of each amount.

    An amount is compared with the next one that has some of the same candidates. There may be
    others between them, of a search with another `max_resources`.
    """
    gains = [0.0] * len(of_amounts)
    for position in reversed(range(len(of_amounts) - 1)):
        gains[position] = gains[position + 1]
        for above in range(position + 1, len(of_amounts)):
            differences = _differences(of_amounts[position], of_amounts[above])
            if differences:
                gains[position] = gains[above] + _mean_difference(differences, spread)
                break
    return gains


def _differences(lower: _Scores, upper: _Scores) -> list[float]:
    """Return what each candidate gained in the mean of the splits on which it has both scores."""
    with np.errstate(over="ignore"):
        by_split = [
            upper[number] - lower[number] for number in sorted(lower.keys() & upper.keys())
        ]
    return [_mean(of_one) for of_one in by_split if np.isfinite(of_one).any()]


# A difference is far from the others if it is further from their median than so many times what is
# usual among them, ...
_FAR = 10.0
# ... and than so many times the spread of the scores.
_SPREADS = 3.0


def _mean_difference(differences: Iterable[float], spread: float) -> float:
    """Return the mean of the finite differences, of which those far from the others are cut short.

    One candidate that diverged would otherwise move all the others.
    """
    known = np.array([value for value in differences if np.isfinite(value)])
    with np.errstate(over="ignore"):
        if len(known) < 2:
            # There is nothing to compare it with.
            return float(np.clip(_mean(known), -100 * spread, 100 * spread))
        if len(known) == 2:
            # Which of two is unusual? The smaller one changes less.
            middle = known[np.abs(known).argmin()]
            far = max(abs(middle), _SPREADS * spread)
        else:
            middle = np.median(known)
            far = max(_FAR * np.median(np.abs(known - middle)), _SPREADS * spread)
        return float(np.clip(known, middle - far, middle + far).mean())


def _mean(values: Iterable[float]) -> float:
    """Return the mean of the finite values; 0 if there is none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else 0.0


def _finite(scores: Sequence[float]) -> np.ndarray:
    """Return scores with the worst one in place of NaN."""
    values = np.asarray(scores, dtype=float)
    values[~np.isfinite(values)] = np.nan
    return np.nan_to_num(values, nan=_worst(values))


def _worst(values: np.ndarray) -> float:
    return float(np.nanmin(values)) if not np.isnan(values).all() else 0.0
