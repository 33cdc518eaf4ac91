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
        candidates that have both.
        """
        scores: dict[int, float] = {}
        n_splits = dict.fromkeys(self._candidates, 1)
        without_splits = {
            amount: _without_splits(self._scores[amount])
            for amount in sorted(self._scores)
            if self._scores[amount]
        }
        lower: dict[int, np.ndarray] = {}
        for of_amount in without_splits.values():
            both = lower.keys() & of_amount.keys()
            with np.errstate(over="ignore"):
                gain = _mean(_mean(of_amount[n] - lower[n]) for n in sorted(both))
            scores = {number: score + gain for number, score in scores.items()}
            for number, values in of_amount.items():
                scores[number] = _mean(values)
                n_splits[number] = int(np.isfinite(values).sum())
            lower = of_amount
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
        return np.ldexp(np.round(np.ldexp(scores, _N_BITS - exponents)), exponents - _N_BITS)


def _without_splits(scores: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return scores less the mean difference between each split and the most used one."""
    table = np.array(list(scores.values()))
    finite = np.where(np.isfinite(table), table, np.nan)
    reference = int(np.isfinite(table).sum(axis=0).argmax())
    with np.errstate(over="ignore"):  # Of the largest numbers that there are.
        offsets = [_mean(column - finite[:, reference]) for column in finite.T]
        return dict(zip(scores, finite - np.array(offsets), strict=True))


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
