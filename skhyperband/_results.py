"""Decides what a search reports: cv_results_, the ranks, the incumbent, rungs_."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import groupby
from typing import Any

import numpy as np
import scipy.stats

from skhyperband._evaluation import Outcome, Scores
from skhyperband._loop import Measured, Row
from skhyperband._plan import Cell, Rung, format_table, to_frame
from skhyperband._resources import Resource
from skhyperband._sklearn_compat import masked_parameters

Results = dict[str, Any]


# --- scores ------------------------------------------------------------------------


def score_of(scores: Scores, metric: str, error_score: float) -> float:
    """Return one metric of an outcome's scores, `error_score` where it failed."""
    if isinstance(scores, dict):
        scores = scores.get(metric)
    return error_score if scores is None else scores


def metric_names(outcomes: Iterable[Outcome]) -> list[str] | None:
    """Return the metrics that a scorer gave as a dict; None where it gave a number."""
    for outcome in outcomes:
        if isinstance(outcome.test_scores, dict):
            return list(outcome.test_scores)
    return None


# --- the tables --------------------------------------------------------------------


@dataclass(frozen=True)
class RungResult:
    """What a rung came to: a row of `rungs_`.

    Attributes
    ----------
    repeat, bracket, iter, n_candidates, n_resources, n_splits : int
        As in the plan.
    n_failures : int
        Fits and scores that failed.
    seconds : float
        Fitting and scoring, added up over the workers, of what this rung measured.
    best_score : float
        The best mean score, NaN if all failed.
    rank_correlation : float
        Spearman's, between the scores here and one rung below, over the candidates
        that have both; NaN for fewer than 5. Near 1, the low rung told what the
        high one says; near 0, it told nothing.
    """

    repeat: int
    bracket: int
    iter: int
    n_candidates: int
    n_resources: int
    n_splits: int
    n_failures: int
    seconds: float
    best_score: float
    rank_correlation: float


@dataclass(frozen=True, repr=False)
class RungTable:
    """What each rung came to; it prints as a table.

    Attributes
    ----------
    rungs : tuple of RungResult
        In the order of the plan.
    """

    rungs: tuple[RungResult, ...]

    def to_frame(self) -> Any:
        """Return the rungs as a `pandas.DataFrame`, a row each.

        Returns
        -------
        frame : pandas.DataFrame
            A column for each attribute of a rung.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        return to_frame(*self._table())

    def _table(self) -> tuple[list[str], list[Sequence[Cell]]]:
        return [f.name for f in fields(RungResult)], [astuple(rung) for rung in self.rungs]

    def __str__(self) -> str:
        return format_table(*self._table())

    __repr__ = __str__


class Report:
    """Turns what was measured into `cv_results_` and `rungs_`.

    Parameters
    ----------
    measured : Measured
    resource : Resource
    split_order : sequence of int
        All splits; a rung of k used the first k.
    error_score : float
        Stands for a score that failed.
    """

    def __init__(
        self,
        measured: Measured,
        resource: Resource,
        split_order: Sequence[int],
        error_score: float,
    ):
        def place(row: Row) -> tuple[int, int, int, int]:
            rung = row.rung
            return rung.repeat, -rung.bracket, rung.iter, row.candidate

        self._rows = sorted(measured.rows, key=place)
        self._measured = measured
        self._resource = resource
        self._split_order = split_order
        self._error_score = error_score
        self._outcomes = [self._outcomes_of(row) for row in self._rows]

    def _outcomes_of(self, row: Row) -> dict[int, Outcome]:
        splits = self._used_splits(row.rung.n_splits)
        return {split: self._measured.outcomes[self._measured.key(row, split)] for split in splits}

    def _used_splits(self, n_splits: int) -> list[int]:
        return sorted(self._split_order[:n_splits])

    # -- cv_results_

    def cv_results(self, metrics: Sequence[str], *, return_train_score: bool) -> Results:
        """Return the table in scikit-learn's form, with the columns of the schedule."""
        rungs = [row.rung for row in self._rows]
        results: Results = {
            name: np.array([getattr(rung, name) for rung in rungs])
            for name in ("repeat", "bracket", "iter", "n_resources", "n_splits")
        }
        results["candidate_id"] = np.array([row.candidate for row in self._rows])
        results["n_resources_trained"] = self._n_trained()
        self._add_summary(results, "fit_time", self._by_split(lambda o: o.fit_time))
        self._add_summary(results, "score_time", self._by_split(lambda o: o.score_time))
        params = [
            self._resource.parameters(
                self._measured.candidates[row.candidate], row.rung.n_resources
            )
            for row in self._rows
        ]
        results.update(masked_parameters(params))
        results["params"] = params
        for metric in metrics:
            self._add_scores(results, "test", metric)
            results[f"rank_test_{metric}"] = rank(
                results["n_resources"], results["n_splits"], results[f"mean_test_{metric}"]
            )
            if return_train_score:
                self._add_scores(results, "train", metric)
        return results

    def _n_trained(self) -> np.ndarray:
        """Return the mean over each row's splits; what another row measured took nothing."""
        measured_by: dict[tuple[int, int, int], Row] = {}
        for row in self._measured.rows:
            for split in self._used_splits(row.rung.n_splits):
                measured_by.setdefault(self._measured.key(row, split), row)
        means = []
        for row, outcomes in zip(self._rows, self._outcomes, strict=True):
            own = (
                outcome.n_trained
                for split, outcome in outcomes.items()
                if measured_by[self._measured.key(row, split)] is row
            )
            means.append(sum(own) / len(outcomes))
        return np.array(means)

    def _add_scores(self, results: Results, part: str, metric: str) -> None:
        scores = self._by_split(
            lambda o: score_of(getattr(o, f"{part}_scores"), metric, self._error_score)
        )
        for split, column in enumerate(scores.T):
            results[f"split{split}_{part}_{metric}"] = column
        self._add_summary(results, f"{part}_{metric}", scores)

    def _by_split(self, value: Callable[[Outcome], float]) -> np.ndarray:
        """Return a value of each row and split, NaN where the split was not used."""
        matrix = np.full((len(self._rows), len(self._split_order)), np.nan)
        for line, outcomes in zip(matrix, self._outcomes, strict=True):
            for split, outcome in outcomes.items():
                line[split] = value(outcome)
        return matrix

    def _add_summary(self, results: Results, name: str, values: np.ndarray) -> None:
        """Add mean and deviation over the splits that each row used."""
        mean, std = np.empty(len(values)), np.empty(len(values))
        for n_splits in np.unique(results["n_splits"]):
            rows = np.flatnonzero(results["n_splits"] == n_splits)
            used = np.ascontiguousarray(values[rows][:, self._used_splits(n_splits)])
            with np.errstate(invalid="ignore"):  # Infinite scores have no deviation.
                mean[rows], std[rows] = used.mean(axis=1), used.std(axis=1)
        results[f"mean_{name}"], results[f"std_{name}"] = mean, std

    # -- rungs_

    def rungs(self, mean_scores: np.ndarray) -> RungTable:
        """Return a line for each rung; the scores are those of the rows."""
        scored = list(zip(self._rows, self._outcomes, mean_scores.tolist(), strict=True))
        known = {_level(row.rung, row.candidate): score for row, _, score in scored}
        lines: list[RungResult] = []
        below: Rung | None = None
        for rung, group in groupby(scored, key=lambda item: item[0].rung):
            members = list(group)
            outcomes = [outcome for _, by_split, _ in members for outcome in by_split.values()]
            pairs = []
            if below is not None and rung.iter > 0:
                pairs = [
                    (score, known.get(_level(below, row.candidate), np.nan))
                    for row, _, score in members
                ]
            lines.append(
                RungResult(
                    *(rung.repeat, rung.bracket, rung.iter),
                    *(len(members), rung.n_resources, rung.n_splits),
                    n_failures=sum(outcome.failure is not None for outcome in outcomes),
                    seconds=self._measured.seconds.get(rung.key, 0.0),
                    best_score=float(np.fmax.reduce([score for _, _, score in members])),
                    rank_correlation=_rank_correlation(pairs),
                )
            )
            below = rung
        return RungTable(tuple(lines))


def _level(rung: Rung, candidate: int) -> tuple[int, int, int, int]:
    return rung.repeat, rung.n_resources, rung.n_splits, candidate


def _rank_correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Return Spearman's correlation of the finite pairs."""
    finite = np.array([pair for pair in pairs if np.isfinite(pair).all()]).reshape(-1, 2)
    if len(finite) < 5 or (np.ptp(finite, axis=0) == 0).any():
        return np.nan
    return float(scipy.stats.spearmanr(finite[:, 0], finite[:, 1])[0])


# --- who is best -------------------------------------------------------------------


def rank(n_resources: np.ndarray, n_splits: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rank from 1: the level first, the score second, NaN last whatever its level."""
    failed = np.isnan(scores)
    filled = np.where(failed, 0.0, scores)
    # NaN are all equal; np.lexsort sorts by its last key first.
    keys = [np.where(failed, 0, key) for key in (-filled, -n_splits, -n_resources)]
    order = np.lexsort([*keys, failed])
    sorted_keys = np.array([key[order] for key in (*keys, failed)])
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (sorted_keys[:, 1:] != sorted_keys[:, :-1]).any(axis=0)
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = np.flatnonzero(starts)[np.cumsum(starts) - 1] + 1
    return ranks


def rows_of_highest_level(results: Results) -> np.ndarray:
    """Return the positions of the rows at the highest level that was reached."""
    levels = np.stack([results["n_resources"], results["n_splits"]], axis=1)
    highest = max(map(tuple, levels.tolist()))
    return np.flatnonzero((levels == highest).all(axis=1))


def take_rows_of(results: Results, rows: np.ndarray) -> Results:
    """Return the table with these rows only."""
    return {
        name: [column[i] for i in rows] if isinstance(column, list) else column[rows]
        for name, column in results.items()
    }
