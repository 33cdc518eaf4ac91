"""The picture of the rungs: the score of each candidate on each of its rungs."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skhyperband._display.drawing import (
    BEST_COLOR,
    COLORS,
    MARKERS,
    add_legend,
    draw_best,
    draw_outside,
    lowest_shown,
    point_alpha,
    point_size,
    set_score_limits,
    size_in_inches,
    spread,
    thinned,
)
from skhyperband._display.measurements import Measurements
from skhyperband._messages import counted
from skhyperband._schedule import LevelSize

# In inches, of the label of a level.
_WIDTH_OF_LABEL = 0.75
# The width that the points of a level take, where the distance between levels is 1.
_WIDTH_OF_LEVEL = 0.5


@dataclass(frozen=True)
class RungScores:
    """The scores of all candidates on their rungs.

    Attributes
    ----------
    candidate_ids : ndarray of shape (n_points,)
        The numbers of the candidates.
    brackets : ndarray of shape (n_points,)
        The bracket that each candidate entered.
    levels : ndarray of shape (n_points,)
        The position of the level of each point in `level_sizes`.
    scores : ndarray of shape (n_points,)
        The mean scores.
    level_sizes : tuple of tuple (int, int)
        The amount of the resource and the number of splits of each level, the lowest first.
    best_candidate : int or None
        The number of the best candidate; None if no candidate has a score.
    resource : str
        The name of the resource.
    score_label : str
        The label of the scores.
    """

    candidate_ids: np.ndarray
    brackets: np.ndarray
    levels: np.ndarray
    scores: np.ndarray
    level_sizes: tuple[LevelSize, ...]
    best_candidate: int | None
    resource: str
    score_label: str


def rung_scores(measured: Measurements) -> RungScores:
    """Return the scores of a search on its rungs, each candidate once at each level."""
    sizes = measured.level_sizes
    candidates = measured.results["candidate_id"].tolist()
    rows = sorted(range(len(sizes)), key=lambda row: (candidates[row], sizes[row], row))
    brackets: dict[int, int] = {}
    points: dict[tuple[int, LevelSize], int] = {}
    for row in rows:
        # With promotion="level", a candidate may go on in another bracket.
        brackets.setdefault(candidates[row], int(measured.results["bracket"][row]))
        # With aggressive elimination, several rungs have the same level.
        points.setdefault((candidates[row], sizes[row]), row)
    level_sizes = tuple(sorted(set(sizes)))
    positions = {size: position for position, size in enumerate(level_sizes)}
    best = measured.best_row
    return RungScores(
        candidate_ids=np.array([candidate for candidate, _ in points]),
        brackets=np.array([brackets[candidate] for candidate, _ in points]),
        levels=np.array([positions[size] for _, size in points]),
        scores=measured.scores[list(points.values())],
        level_sizes=level_sizes,
        best_candidate=None if best is None else candidates[best],
        resource=measured.resource,
        score_label=measured.score_label,
    )


def draw_rung_scores(data: RungScores, ax: Any) -> None:
    """Draw a line for each promoted candidate, and a point for each score."""
    x = data.levels + _offsets(data)
    low = lowest_shown(data.scores, data.levels)
    is_shown = np.isfinite(data.scores) & (data.scores >= low)
    brackets = sorted(set(data.brackets.tolist()), reverse=True)
    for number, bracket in enumerate(brackets):
        label = f"bracket {bracket} ({_n_candidates(data, bracket)})"
        if len(brackets) == 1:
            label = counted(len(set(data.candidate_ids.tolist())), "candidate")
        _draw_bracket(data, ax, x, (data.brackets == bracket) & is_shown, number, label)
    draw_outside(ax, x, data.scores, low)
    _draw_best_candidate(data, ax, x)
    set_score_limits(ax, data.scores, low)
    ax.set_xlim(-0.5, len(data.level_sizes) - 0.5)
    ax.set_ylabel(data.score_label)
    ax.set_xlabel(f"{data.resource}, number of splits")
    _label_levels(data, ax)
    add_legend(ax)


def _offsets(data: RungScores) -> np.ndarray:
    """Return how far each point lies from its level: a lane for each bracket of the level."""
    offsets = np.zeros(len(data.scores))
    for level in range(len(data.level_sizes)):
        at_level = data.levels == level
        brackets = sorted(set(data.brackets[at_level].tolist()), reverse=True)
        width = _WIDTH_OF_LEVEL / len(brackets)
        for lane, bracket in enumerate(brackets):
            members = at_level & (data.brackets == bracket)
            centre = (lane + 0.5) * width - _WIDTH_OF_LEVEL / 2
            is_alone = members.sum() == 1
            jitter = 0 if is_alone else spread(members.sum(), 0.8 * width)
            offsets[members] = centre + jitter
    return offsets


def _n_candidates(data: RungScores, bracket: int) -> int:
    return len(set(data.candidate_ids[data.brackets == bracket].tolist()))


def _draw_bracket(
    data: RungScores, ax: Any, x: np.ndarray, members: np.ndarray, number: int, label: str
) -> None:
    from matplotlib.collections import LineCollection

    color = COLORS[number % len(COLORS)]
    n_points = len(data.scores)
    lines = [
        np.column_stack([x[of_candidate], data.scores[of_candidate]])
        for of_candidate in _each_candidate(data, members)
    ]
    promoted = [line for line in lines if len(line) > 1]
    width = 1.2 if n_points <= 100 else 0.7
    ax.add_collection(
        LineCollection(promoted, colors=color, linewidths=width, alpha=0.5, zorder=2),
        autolim=False,
    )
    ax.scatter(
        x[members],
        data.scores[members],
        marker=MARKERS[number % len(MARKERS)],
        s=point_size(n_points),
        color=color,
        alpha=point_alpha(n_points),
        edgecolors="white",
        linewidths=0.4,
        label=label,
        zorder=3,
    )


def _each_candidate(data: RungScores, members: np.ndarray) -> list[np.ndarray]:
    """Return the numbers of the points of each candidate, in their order."""
    points = np.flatnonzero(members)
    points = points[np.argsort(data.candidate_ids[points], kind="stable")]
    return np.split(points, np.flatnonzero(np.diff(data.candidate_ids[points])) + 1)


def _draw_best_candidate(data: RungScores, ax: Any, x: np.ndarray) -> None:
    if data.best_candidate is None:
        return
    is_best = (data.candidate_ids == data.best_candidate) & np.isfinite(data.scores)
    ax.plot(x[is_best], data.scores[is_best], color=BEST_COLOR, linewidth=2, zorder=5)
    draw_best(ax, x[is_best][-1], data.scores[is_best][-1], label="best")


def _label_levels(data: RungScores, ax: Any) -> None:
    n_fitting = int(size_in_inches(ax)[0] / _WIDTH_OF_LABEL)
    shown = thinned(len(data.level_sizes), n_fitting)
    labels = [
        f"{size.n_resources:,}\n{counted(size.n_splits, 'split')}"
        for size in (data.level_sizes[position] for position in shown)
    ]
    ax.set_xticks(shown, labels)
    ax.set_xticks(range(len(data.level_sizes)), minor=True)
