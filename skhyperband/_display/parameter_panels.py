"""Draws the picture of the parameters: a panel for each parameter, a point for each candidate."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from skhyperband._display.drawing import (
    MARKERS,
    add_legend,
    draw_best,
    draw_outside,
    fitting_legend,
    lowest_shown,
    point_alpha,
    point_size,
    root_figure,
    set_score_limits,
    size_in_inches,
    spread,
    thinned,
    wrapped_name,
)
from skhyperband._display.parameters import NumberAxis, ParameterScores, ParameterValues
from skhyperband._messages import counted

_MOST_COLUMNS = 3
# All sizes are in inches.
_PANEL_SIZE = (3.0, 2.4)
_LEGEND_HEIGHT = 0.6
_HEIGHT_OF_LABELS = 0.5
_HEIGHT_OF_LINE = 0.17
# There is room for these below any axes.
_USUAL_HEIGHT_OF_LABELS = 0.35
_WIDTH_OF_CHARACTER = 0.08
_WIDTH_OF_NUMBER = 0.55
_WIDTH_OF_SLANTED_LABEL = 0.25
# Values are written side by side, in two lines, if there is room for so many letters.
_FEWEST_LETTERS = 5
_MOST_SLANTED_LETTERS = 9
# The part of the width of axes that are divided.
_GAP_OF_COLUMNS = 0.03
_PANEL = "skhyperband-panel"
# The part of the length of an axis that a value beside its numbers takes.
_SHARE_OF_OTHER = 0.14
# The width of the column of points of one value, where the distance of values is 1.
_WIDTH_OF_COLUMN = 0.6


# --- panels ------------------------------------------------------------------------


def make_panels(data: ParameterScores, ax: Any, pyplot: Any) -> np.ndarray:
    """Return the axes of each panel.

    Parameters
    ----------
    data : ParameterScores
    ax : Axes, array of Axes or None
        Axes that are divided into panels, or axes for each panel; None for a new figure.
    pyplot : module
    """
    n_panels = len(data.parameters)
    n_columns = min(n_panels, _MOST_COLUMNS)
    n_rows = -(-n_panels // n_columns)
    if ax is None:
        width, height = _PANEL_SIZE
        figure = pyplot.figure(
            figsize=(width * max(n_columns, 1.5), height * n_rows + _LEGEND_HEIGHT),
            layout="constrained",
        )
        axes = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True).ravel()
        for unused in axes[n_panels:]:
            unused.remove()
        return axes[:n_panels]
    given = np.array(ax, dtype=object).ravel()
    if len(given) == n_panels:
        return given
    if len(given) == 1:
        return _divided(given[0], data, n_rows, n_columns)
    raise ValueError(
        f"ax has {len(given)} axes, but there are {n_panels} parameters; give as many, or a "
        "single one, which is divided."
    )


def _divided(ax: Any, data: ParameterScores, n_rows: int, n_columns: int) -> np.ndarray:
    """Return panels in place of axes, with room for the legend above them."""
    root_figure(ax).draw_without_rendering()  # Only now the size of the axes is known.
    _, height = size_in_inches(ax)
    ax.set_axis_off()
    for child in list(ax.child_axes):
        if child.get_gid() == _PANEL:  # Of an earlier picture on these axes.
            child.remove()
    legend_share = min(0.3, _LEGEND_HEIGHT / height)
    width = size_in_inches(ax)[0] / n_columns
    n_lines = max(_label_of(data, values, width).count("\n") for values in data.parameters)
    n_lines += any(values.axis is None for values in data.parameters)  # Their ticks take two.
    gap = (_HEIGHT_OF_LABELS + _HEIGHT_OF_LINE * n_lines) / height
    label_share = min(0.2, max(0.0, gap - _USUAL_HEIGHT_OF_LABELS / height))
    free_height = 1 - legend_share - label_share - gap * (n_rows - 1)
    panel_height = max(0.1, free_height / n_rows)
    panel_width = (1 - _GAP_OF_COLUMNS * (n_columns - 1)) / n_columns
    axes: list[Any] = []
    # Insets follow the axes that they are in, whatever lays out the figure.
    for number in range(len(data.parameters)):
        row, column = divmod(number, n_columns)
        left = column * (panel_width + _GAP_OF_COLUMNS)
        bottom = 1 - legend_share - (row + 1) * panel_height - row * gap
        bounds = left, bottom, panel_width, panel_height
        axes.append(ax.inset_axes(bounds, sharey=axes[0] if axes else None, gid=_PANEL))
    return np.array(axes, dtype=object)


def draw_parameter_scores(data: ParameterScores, ax: Any, axes: np.ndarray) -> None:
    """Draw all panels; `ax` is what `make_panels` was given."""
    n_columns = min(len(axes), _MOST_COLUMNS)
    is_users = ax is not None and np.size(ax) == len(axes)
    root_figure(axes[0]).draw_without_rendering()  # Only now the size of the axes is known.
    fontsize = "medium" if ax is None or is_users else "small"
    for number, (values, panel) in enumerate(zip(data.parameters, axes, strict=True)):
        panel.tick_params(labelsize=fontsize)
        _draw_panel(data, values, panel, fontsize)
        if is_users:
            panel.set_ylabel(data.score_label)
        elif number % n_columns:
            panel.tick_params(labelleft=False)
    handles, labels = _entries_of_legend(axes)
    options: dict[str, Any] = {
        "title": f"{data.resource}, number of splits",
        "title_fontsize": "small",
    }
    if ax is None:
        figure = root_figure(axes[0])
        figure.supylabel(data.score_label, fontsize="medium")
        width = figure.get_size_inches()[0] * figure.dpi
        fitting_legend(figure, handles, labels, width, loc="outside upper center", **options)
    elif is_users:
        add_legend(axes[0])
    else:
        frame = np.array(ax, dtype=object).ravel()[0]
        frame.annotate(
            data.score_label.replace("\n", " "),
            (0, 0.5),
            xytext=(-38, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="center",
            fontsize="small",
        )
        fitting_legend(frame, handles, labels, frame.get_window_extent().width, **options)


def _entries_of_legend(axes: np.ndarray) -> tuple[list[Any], list[str]]:
    """Return the entries of all panels, each once: a panel may have no candidate of a level."""
    entries: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    return list(entries.values()), list(entries)


# --- one panel ---------------------------------------------------------------------


def _draw_panel(data: ParameterScores, values: ParameterValues, ax: Any, fontsize: str) -> None:
    x = _set_axis(values, ax)
    scores = data.scores[values.candidates]
    levels = data.levels[values.candidates]
    jitter = np.zeros(len(x))
    if values.axis is None:
        for number in range(len(values.labels)):
            members = values.label_numbers == number
            jitter[members] = spread(members.sum(), _WIDTH_OF_COLUMN)
    x = x + jitter
    low = lowest_shown(data.scores, data.levels)
    _draw_levels(data, ax, x, np.where(scores >= low, scores, np.nan), levels)
    draw_outside(ax, x, scores, low)
    is_best = values.candidates == data.best
    if is_best.any():
        draw_best(ax, x[is_best], scores[is_best])
    set_score_limits(ax, data.scores, low)
    ax.set_xlabel(_label_of(data, values, size_in_inches(ax)[0]), fontsize=fontsize)


def _label_of(data: ParameterScores, values: ParameterValues, width: float) -> str:
    label = wrapped_name(values.name, int(width / _WIDTH_OF_CHARACTER))
    if len(values.candidates) < len(data.scores):
        label += f"\n({len(values.candidates)} of {len(data.scores)} candidates)"
    return label


def _draw_levels(
    data: ParameterScores, ax: Any, x: np.ndarray, scores: np.ndarray, levels: np.ndarray
) -> None:
    from matplotlib import colormaps

    n_levels = len(data.level_sizes)
    size = point_size(len(data.scores))
    for level, level_size in enumerate(data.level_sizes):
        members = (levels == level) & np.isfinite(scores)
        if not members.any():
            continue
        height = level / max(n_levels - 1, 1)
        ax.scatter(
            x[members],
            scores[members],
            marker=MARKERS[level % len(MARKERS)],
            s=size * (1 + 0.6 * height),
            color=[colormaps["viridis"](0.8 * (1 - height))],
            alpha=point_alpha(len(data.scores)),
            edgecolors="white",
            linewidths=0.4,
            label=f"{level_size.n_resources:,}, {counted(level_size.n_splits, 'split')}",
            zorder=2 + height,
        )


def _set_axis(values: ParameterValues, ax: Any) -> np.ndarray:
    """Set limits and ticks of the horizontal axis; return the place of each candidate on it."""
    width, _ = size_in_inches(ax)
    axis = values.axis
    if axis is None:
        _label_columns(ax, values.labels, width)
        return values.label_numbers.astype(float)
    if axis.is_log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter("")
    others = [_beyond(axis, _SHARE_OF_OTHER * (1 + n)) for n in range(len(values.labels))]
    ax.set_xlim(_beyond(axis, -1.05), _beyond(axis, 0.05 + _SHARE_OF_OTHER * len(others)))
    n_fitting = int(width / (1 + _SHARE_OF_OTHER * len(others)) / _WIDTH_OF_NUMBER)
    ticks = _ticks(axis, max(2, n_fitting))
    _set_ticks(ax, ticks + others, _tick_texts(ticks) + list(values.labels))
    if others:
        ax.axvline(_beyond(axis, _SHARE_OF_OTHER / 2), color="0.6", linewidth=1, zorder=1)
    places = values.numbers.copy()
    is_other = values.label_numbers >= 0
    places[is_other] = np.array(others)[values.label_numbers[is_other]]
    return places


def _set_ticks(ax: Any, places: Sequence[float], texts: Sequence[str]) -> None:
    ax.set_xticks(places, texts, parse_math=False)  # A regular expression may have dollar signs.


def _tick_texts(ticks: Sequence[float]) -> list[str]:
    """Return the numbers with as many digits as tell them apart."""
    for digits in (6, 9):
        texts = [f"{tick:.{digits}g}" for tick in ticks]
        if len(set(texts)) == len(texts):
            break
    return texts


def _beyond(axis: NumberAxis, share: float) -> float:
    """Return the place that lies a share of the axis to the right of its end."""
    if axis.is_log:
        return float(axis.high * (axis.high / axis.low) ** share)
    return axis.high + share * (axis.high - axis.low or abs(axis.high) or 1.0)


def _ticks(axis: NumberAxis, n_fitting: int) -> list[float]:
    """Return the numbers that an axis shows."""
    if not axis.is_log:
        from matplotlib.ticker import MaxNLocator

        locator = MaxNLocator(nbins=n_fitting, integer=axis.has_integers)
        found = list(map(float, locator.tick_values(axis.low, axis.high)))
        return [tick for tick in found if axis.low <= tick <= axis.high]
    lowest, highest = math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high))
    margin = 1 + 1e-9
    for multiples in ((1,), (1, 2, 5)):
        found = [
            multiple * 10.0**exponent
            for exponent in range(lowest, highest + 1)
            for multiple in multiples
            if axis.low / margin <= multiple * 10.0**exponent <= axis.high * margin
        ]
        if len(found) > 2:
            break
    return [found[position] for position in thinned(len(found), n_fitting)]


def _label_columns(ax: Any, labels: Sequence[str], width: float) -> None:
    """Label the columns of values that stand side by side, slanted or not all if there are many."""
    ax.set_xlim(-0.5, max(len(labels), 1) - 0.5)
    if not labels:  # No candidate has the parameter.
        ax.set_xticks([])
        return
    n_letters = int(width / len(labels) / _WIDTH_OF_CHARACTER) - 1
    if n_letters >= min(_FEWEST_LETTERS, max(map(len, labels))):
        _set_ticks(ax, range(len(labels)), [_in_two_lines(label, n_letters) for label in labels])
        return
    shown = thinned(len(labels), int(width / _WIDTH_OF_SLANTED_LABEL))
    _set_ticks(ax, shown, [_cut(labels[position], _MOST_SLANTED_LETTERS) for position in shown])
    for label in ax.get_xticklabels():
        label.set(rotation=35, ha="right", rotation_mode="anchor")


def _in_two_lines(label: str, n_letters: int) -> str:
    if len(label) <= n_letters:
        return label
    first, *others = textwrap.wrap(label, n_letters)
    return f"{first}\n{_cut(' '.join(others), n_letters)}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
