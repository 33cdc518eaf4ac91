"""Computes the results of a search from its history: `cv_results_`, ranks and `rungs_`."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from skhyperband._advice import (
    advise_on_failures,
    advise_on_ranks,
    advise_on_times,
    rank_correlation,
)
from skhyperband._history import SearchHistory
from skhyperband._html import rung_table
from skhyperband._plan import Plan
from skhyperband._records import EvaluationKey, Outcome, RungEntry, Scores
from skhyperband._resources import Resource
from skhyperband._schedule import Bracket, BracketKey, LevelSize, Rung
from skhyperband._sklearn_compat import masked_parameters
from skhyperband._tables import Cell, format_table, to_frame

Results = dict[str, Any]
# The sizes of two neighbouring rungs of a bracket, the lower one first.
Step = tuple[LevelSize, LevelSize]


# --- scores ------------------------------------------------------------------------


def score_of(scores: Scores, metric: str, error_score: float) -> float:
    """Return the value of a metric, or `error_score` if fitting or scoring failed."""
    if isinstance(scores, dict):
        scores = scores.get(metric)
    return error_score if scores is None else scores


def measured_metrics(results: Results) -> list[str]:
    """Return the names of the metrics in `cv_results_`."""
    prefix = "mean_test_"
    return [name.removeprefix(prefix) for name in results if name.startswith(prefix)]


def metric_names(outcomes: Iterable[Outcome]) -> list[str] | None:
    """Return the names of the metrics, or None if the scorer returned single numbers.

    A scorer may leave out metrics of some candidates.
    """
    names: dict[str, None] = {}
    for outcome in outcomes:
        if isinstance(outcome.test_scores, dict):
            names |= dict.fromkeys(outcome.test_scores)
    return list(names) or None


# --- the tables --------------------------------------------------------------------


@dataclass(frozen=True)
class RungResult:
    """Results of one rung: a row of a `RungTable`.

    Attributes
    ----------
    repeat : int
        Number of the Hyperband round, from 0.
    bracket : int
        Number of halvings between the first rung of the bracket and the maximum
        resource.
    iter : int
        Position of the rung in its bracket, from 0.
    n_candidates : int
        Number of candidates that were evaluated.
    n_resources : int
        Amount of the resource with which each candidate was evaluated.
    n_splits : int
        Number of cross-validation splits on which each candidate was evaluated.
    n_failures : int
        Number of evaluations in which fitting or scoring failed.
    seconds : float
        Time for fitting and scoring, summed over all workers. Evaluations that another
        rung had measured already take no time.
    mean_seconds : float
        Mean time for fitting and scoring one candidate on one split. If training was
        continued, only the time for continuing it counts.
    best_score : float
        Best mean score on this rung, NaN if all candidates failed.
    rank_correlation : float
        Spearman's rank correlation between the mean scores that candidates have with the
        resource and splits of this rung, and those that they have with the rung's below. It
        counts the candidates of all brackets and rounds. If it is near 1, the lower rungs
        ranked the candidates as these do. If it is near 0, the scores of the lower rungs were
        not informative. NaN if fewer than five candidates have both scores.
    """

    repeat: int
    bracket: int
    iter: int
    n_candidates: int
    n_resources: int
    n_splits: int
    n_failures: int
    seconds: float
    mean_seconds: float
    best_score: float
    rank_correlation: float


@dataclass(frozen=True, repr=False)
class RungTable:
    """Results of all rungs of a search.

    A fitted search has it as its attribute `rungs_`. It prints as a table with a row for
    each rung, and the advice below it.

    Attributes
    ----------
    rungs : tuple of RungResult
        The results of each rung, in the order of the plan. Their attributes are the
        columns of the table: those of the plan, the number of failures, the time for
        fitting and scoring in seconds, in total and for one evaluation, the best mean
        score, and the rank correlation with the scores that the same candidates have on
        rungs like the one below, in all brackets and rounds.
    advice : tuple of str
        What to change in a further search, a sentence each: for scores that rank the
        candidates no better than chance, compared with the next rung; for an amount of the
        resource that saves less than half of the time; and for failures.

    See Also
    --------
    Plan : Schedule of a search.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skhyperband import SuccessiveHalvingSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = SuccessiveHalvingSearchCV(
    ...     DecisionTreeClassifier(random_state=0),
    ...     {"max_depth": range(1, 10)},
    ...     n_candidates=9, min_resources=15, random_state=0,
    ... )
    >>> table = search.fit(X, y).rungs_
    >>> [(rung.n_candidates, rung.n_resources, rung.n_failures) for rung in table.rungs]
    [(9, 41, 0), (3, 125, 0), (1, 150, 0)]
    >>> print(f"{table.rungs[-1].best_score:.2f}")
    0.96
    """

    rungs: tuple[RungResult, ...]
    advice: tuple[str, ...] = ()

    def to_frame(self) -> Any:
        """Return a data frame with a row for each rung.

        Returns
        -------
        frame : pandas.DataFrame
            Data frame with a column for each attribute of a rung.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return to_frame(*self._table())

    def _table(self) -> tuple[list[str], list[Sequence[Cell]]]:
        columns = [field.name for field in fields(RungResult)]
        return columns, [astuple(rung) for rung in self.rungs]

    def __str__(self) -> str:
        table = format_table(*self._table())
        return "\n".join([table, "", *self.advice]) if self.advice else table

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return rung_table(*self._table(), self.advice)


def executed_plan(plan: Plan, history: SearchHistory, *, space_exhausted: bool) -> Plan:
    """Return the plan with only the rungs and numbers of candidates that were evaluated."""
    rungs: dict[BracketKey, list[Rung]] = defaultdict(list)
    for rung, n_candidates in Counter(entry.rung for entry in history.entries).items():
        rungs[rung.bracket_key].append(replace(rung, n_candidates=n_candidates))
    widest_first = sorted(rungs, key=lambda key: (key.repeat, -key.s))
    brackets = [
        Bracket(repeat=key.repeat, s=key.s, rungs=tuple(rungs[key])) for key in widest_first
    ]
    return replace(plan, brackets=tuple(brackets), space_exhausted=space_exhausted)


class ResultTables:
    """Computes `cv_results_` and `rungs_` from the history of a search.

    Parameters
    ----------
    history : SearchHistory
    resource : Resource
    error_score : float
        Value of the score if fitting or scoring failed.
    """

    def __init__(self, history: SearchHistory, resource: Resource, error_score: float):
        self._entries = sorted(history.entries, key=_row_order)
        self._history = history
        self._resource = resource
        self._error_score = error_score
        self._outcomes = [self._outcomes_of(entry) for entry in self._entries]

    def _outcomes_of(self, entry: RungEntry) -> dict[int, Outcome]:
        return {key.split: self._history.outcomes[key] for key in self._history.keys(entry)}

    def _used_splits(self, n_splits: int) -> list[int]:
        return sorted(self._history.split_order[:n_splits])

    # -- cv_results_

    def cv_results(self, metrics: Sequence[str], *, return_train_score: bool) -> Results:
        """Return `cv_results_`: the columns of scikit-learn's searches and those of the plan."""
        rungs = [entry.rung for entry in self._entries]
        results: Results = {
            name: np.array([getattr(rung, name) for rung in rungs])
            for name in ("repeat", "bracket", "iter", "n_resources", "n_splits")
        }
        results["candidate_id"] = np.array([entry.candidate for entry in self._entries])
        results["n_resources_trained"] = self._mean_n_trained()
        fit_times = self._by_split(lambda outcome: outcome.fit_time)
        self._add_mean_and_std(results, "fit_time", fit_times)
        score_times = self._by_split(lambda outcome: outcome.score_time)
        self._add_mean_and_std(results, "score_time", score_times)
        params = [
            self._resource.parameters(
                self._history.candidates[entry.candidate], entry.rung.n_resources
            )
            for entry in self._entries
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

    def _mean_n_trained(self) -> np.ndarray:
        """Return the mean resource that each row trained, 0 for splits that a row reused."""
        first_entries: dict[EvaluationKey, RungEntry] = {}
        for entry in self._history.entries:
            for key in self._history.keys(entry):
                first_entries.setdefault(key, entry)
        means = []
        for entry, outcomes in zip(self._entries, self._outcomes, strict=True):
            n_trained = sum(
                outcome.n_trained
                for split, outcome in outcomes.items()
                if first_entries[self._history.keys_by_split(entry)[split]] is entry
            )
            means.append(n_trained / len(outcomes))
        return np.array(means)

    def _add_scores(self, results: Results, part: str, metric: str) -> None:
        """Add the columns of a metric; `part` is "test" or "train"."""

        def score(outcome: Outcome) -> float:
            scores = outcome.test_scores if part == "test" else outcome.train_scores
            return score_of(scores, metric, self._error_score)

        scores = self._by_split(score)
        for split, column in enumerate(scores.T):
            results[f"split{split}_{part}_{metric}"] = column
        self._add_mean_and_std(results, f"{part}_{metric}", scores)

    def _by_split(self, value: Callable[[Outcome], float]) -> np.ndarray:
        """Return the values as an array of rows and splits, NaN if a split was not used."""
        values = np.full((len(self._entries), len(self._history.split_order)), np.nan)
        for row, outcomes in zip(values, self._outcomes, strict=True):
            for split, outcome in outcomes.items():
                row[split] = value(outcome)
        return values

    def _add_mean_and_std(self, results: Results, name: str, values: np.ndarray) -> None:
        """Add the mean and the standard deviation over the splits that each row used."""
        mean, std = np.empty(len(values)), np.empty(len(values))
        for n_splits in np.unique(results["n_splits"]):
            rows = np.flatnonzero(results["n_splits"] == n_splits)
            used = np.ascontiguousarray(values[rows][:, self._used_splits(n_splits)])
            with np.errstate(invalid="ignore"):  # The deviation of infinite scores is NaN.
                mean[rows], std[rows] = used.mean(axis=1), used.std(axis=1)
        results[f"mean_{name}"], results[f"std_{name}"] = mean, std

    # -- rungs_

    def rungs(self, mean_scores: np.ndarray, max_resources: int) -> RungTable:
        """Return the results of the rungs; `mean_scores` has a score for each row."""
        rows = zip(self._entries, self._outcomes, mean_scores.tolist(), strict=True)
        by_rung = [(rung, list(of)) for rung, of in groupby(rows, key=lambda row: row[0].rung)]
        steps = {
            rung.key: (lower.size, rung.size)
            for (lower, _), (rung, _) in pairwise(by_rung)
            if rung.iter > 0
        }
        pairs = self._scores_on_both(steps.values(), mean_scores)
        correlations = {step: rank_correlation(of_step) for step, of_step in pairs.items()}
        results = []
        for rung, members in by_rung:
            outcomes = [outcome for _, by_split, _ in members for outcome in by_split.values()]
            results.append(
                RungResult(
                    repeat=rung.repeat,
                    bracket=rung.bracket,
                    iter=rung.iter,
                    n_candidates=len(members),
                    n_resources=rung.n_resources,
                    n_splits=rung.n_splits,
                    n_failures=sum(outcome.failure is not None for outcome in outcomes),
                    seconds=self._history.seconds.get(rung.key, 0.0),
                    mean_seconds=float(np.mean([o.seconds for o in outcomes])),
                    best_score=float(np.fmax.reduce([score for _, _, score in members])),
                    rank_correlation=(
                        correlations[steps[rung.key]] if rung.key in steps else np.nan
                    ),
                )
            )
        advice = []
        for (lower, upper), of_step in pairs.items():
            advice += advise_on_ranks(lower, upper, of_step, self._resource.name)
        measured = self._history.outcomes
        advice += advise_on_times(measured, self._resource.name, max_resources)
        advice += advise_on_failures(measured.values())
        return RungTable(rungs=tuple(results), advice=tuple(advice))

    def _scores_on_both(
        self, steps: Iterable[Step], mean_scores: np.ndarray
    ) -> dict[Step, np.ndarray]:
        """Return the finite scores that the same candidates have before and after each step.

        A step has one array of two columns, in however many brackets and rounds it was made.
        """
        scores: dict[LevelSize, dict[int, float]] = defaultdict(dict)
        for entry, score in zip(self._entries, mean_scores.tolist(), strict=True):
            if np.isfinite(score):
                scores[entry.rung.size][self._history.canonical_id(entry.candidate)] = score
        pairs = {}
        for step in dict.fromkeys(steps):
            before, after = (scores[size] for size in step)
            both = [
                (before[candidate], after[candidate]) for candidate in after if candidate in before
            ]
            pairs[step] = np.array(both).reshape(-1, 2)
        return pairs


def _row_order(entry: RungEntry) -> tuple[int, int, int, int]:
    """Return the sort key of the rows of `cv_results_`."""
    rung = entry.rung
    return rung.repeat, -rung.bracket, rung.iter, entry.candidate


# --- the best candidate ------------------------------------------------------------


def rank(n_resources: np.ndarray, n_splits: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return ranks from 1, by level and then by score; NaN ranks last at any level.

    Rows with equal keys have the same rank.
    """
    failed = np.isnan(scores)
    # Rows with a NaN score have equal keys, so that they all have the last rank.
    keys = [np.where(failed, 0, key) for key in (-scores, -n_splits, -n_resources)]
    keys.append(failed)
    order = np.lexsort(keys)  # By the last key first.
    sorted_keys = np.array([key[order] for key in keys])
    differs_from_previous = np.ones(len(order), dtype=bool)
    differs_from_previous[1:] = (sorted_keys[:, 1:] != sorted_keys[:, :-1]).any(axis=0)
    first_of_rank = np.flatnonzero(differs_from_previous)
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[order] = first_of_rank[np.cumsum(differs_from_previous) - 1] + 1
    return ranks


def failed_with_more(results: Results, row: int) -> bool:
    """Return whether the candidate of the best row was also evaluated with more resources."""
    is_same = results["candidate_id"] == results["candidate_id"][row]
    return bool((results["n_resources"][is_same] > results["n_resources"][row]).any())


def rows_of_highest_level(results: Results, metric: str) -> np.ndarray:
    """Return the positions of the rows of the highest level at which any row has a score.

    If no row has one, it is the highest level that was reached.
    """
    levels = np.stack([results["n_resources"], results["n_splits"]], axis=1)
    has_score = ~np.isnan(results[f"mean_test_{metric}"])
    counted = levels[has_score] if has_score.any() else levels
    highest = max(map(tuple, counted.tolist()))
    return np.flatnonzero((levels == highest).all(axis=1))


def take_rows_of(results: Results, rows: np.ndarray) -> Results:
    """Return a table that has only the given rows."""
    return {
        name: [column[i] for i in rows] if isinstance(column, list) else column[rows]
        for name, column in results.items()
    }
