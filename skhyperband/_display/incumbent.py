"""The picture of the incumbent: the best score so far, over the time or the resource spent."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from skhyperband._display.drawing import COLORS, add_legend
from skhyperband._display.measurements import Measurements
from skhyperband._schedule import LevelSize

Spent = Literal["time", "resource"]
SPENT = get_args(Spent)

# In seconds, and the unit that is used for more than so many of them.
_UNITS = (("hours", 3600.0, 3 * 3600.0), ("minutes", 60.0, 3 * 60.0), ("seconds", 1.0, 0.0))


@dataclass(frozen=True)
class Incumbent:
    """The best score after each level, in the order in which the levels were evaluated.

    Attributes
    ----------
    over : {"time", "resource"}
        What was spent.
    spent : ndarray of shape (n_levels,)
        What was spent until the end of each level: seconds for fitting and scoring, summed over
        all workers, or the amount of the resource that was trained, where 1 is one split with
        the maximum resource.
    scores : ndarray of shape (n_levels,)
        The best mean score at the highest level that had been reached by then; NaN before the
        first score.
    level_sizes : tuple of tuple (int, int)
        The amount of the resource and the number of splits with which the scores were
        measured.
    repeats : ndarray of shape (n_levels,)
        The number of the round of each level.
    resource : str
        The name of the resource.
    max_resources : int
        The maximum resource.
    score_label : str
        The label of the scores.
    """

    over: Spent
    spent: np.ndarray
    scores: np.ndarray
    level_sizes: tuple[LevelSize, ...]
    repeats: np.ndarray
    resource: str
    max_resources: int
    score_label: str


def incumbent(measured: Measurements, over: Spent) -> Incumbent:
    """Return the best score after each level.

    All brackets of a round are evaluated together, the lowest level first. Within a level, the
    splits of the candidates are evaluated in a mixed order, so that a mean score is known only
    at its end.
    """
    spent = _seconds(measured) if over == "time" else _resource(measured)
    rows = measured.rows_by_level()
    best: list[tuple[LevelSize, float]] = []
    reached, score = LevelSize(0, 0), np.nan
    for (_, size), of_level in rows.items():
        best_of_level = float(np.fmax.reduce(_finite(measured.scores[of_level])))
        if np.isfinite(best_of_level) and size >= reached:
            score = best_of_level if size > reached else max(score, best_of_level)
            reached = size
        best.append((reached, score))
    return Incumbent(
        over=over,
        spent=np.cumsum([sum(spent[row] for row in of_level) for of_level in rows.values()]),
        scores=np.array([score for _, score in best]),
        level_sizes=tuple(size for size, _ in best),
        repeats=np.array([repeat for repeat, _ in rows]),
        resource=measured.resource,
        max_resources=measured.max_resources,
        score_label=measured.score_label,
    )


def _finite(scores: Iterable[float]) -> list[float]:
    return [score if np.isfinite(score) else np.nan for score in scores]


def _seconds(measured: Measurements) -> list[float]:
    """Return the time of the rung of each row, on its first row: the times of others are 0."""
    left = dict(measured.rung_seconds)
    columns = (measured.results[name].tolist() for name in ("repeat", "bracket", "iter"))
    return [left.pop(rung, 0.0) for rung in zip(*columns, strict=True)]


def _resource(measured: Measurements) -> list[float]:
    results = measured.results
    trained = results["n_resources_trained"] * results["n_splits"]
    return (trained / measured.max_resources).tolist()


def draw_incumbent(data: Incumbent, ax: Any) -> None:
    """Draw steps: dashed until the highest level was reached, then solid."""
    unit, length = _unit(data.spent[-1]) if data.over == "time" else ("", 1.0)
    x = data.spent / length
    is_highest = np.array([size == data.level_sizes[-1] for size in data.level_sizes])
    is_highest &= np.isfinite(data.scores)
    first = int(is_highest.argmax()) if is_highest.any() else len(x)
    if first > 0:
        low, ends = slice(0, first), slice(0, first + 1)
        _draw_steps(ax, x[ends], data.scores[ends], linestyle="--")
        _draw_points(ax, x[low], data.scores[low], "white", "at lower levels")
    if first < len(x):
        high = slice(first, None)
        _draw_steps(ax, x[high], data.scores[high], linestyle="-")
        _draw_points(ax, x[high], data.scores[high], COLORS[0], "at the highest level")
    _draw_ends_of_rounds(data, ax, x)
    ax.set_xlim(left=0)
    ax.margins(y=0.1)
    ax.set_ylabel(f"Best {data.score_label[0].lower()}{data.score_label[1:]}")
    if data.over == "time":
        ax.set_xlabel(f"Time for fits and scores, all workers ({unit})")
    else:
        ax.set_xlabel(f"Resource spent (1 = a fit with {data.resource}={data.max_resources:,})")
    ax.autoscale_view()
    add_legend(ax)


def _unit(seconds: float) -> tuple[str, float]:
    return next((name, length) for name, length, least in _UNITS if seconds >= least)


def _draw_steps(ax: Any, x: np.ndarray, scores: np.ndarray, *, linestyle: str) -> None:
    ax.step(x, scores, where="post", color=COLORS[0], linestyle=linestyle, linewidth=1.5, zorder=2)


def _draw_points(ax: Any, x: np.ndarray, scores: np.ndarray, color: str, label: str) -> None:
    ax.scatter(x, scores, s=36, color=color, edgecolors=COLORS[0], label=label, zorder=3)


def _draw_ends_of_rounds(data: Incumbent, ax: Any, x: np.ndarray) -> None:
    ends = x[:-1][data.repeats[1:] != data.repeats[:-1]]
    for number, end in enumerate(ends):
        label = "end of a round" if number == 0 else None
        ax.axvline(end, color="0.6", linestyle=":", linewidth=1, label=label, zorder=1)
