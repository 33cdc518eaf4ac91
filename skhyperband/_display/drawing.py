"""What the pictures have in common: colours, limits of the scores, legends and labels of axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skhyperband._display.measurements import lowest_usual

# The colours of Okabe and Ito, which people with any kind of colour vision can tell apart.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BEST_COLOR = "#D55E00"
FAILED_COLOR = "0.35"
# The share of the height of the axes that stays free around the scores.
_MARGIN = 0.06
# The share of it in which failures are drawn, below the scores.
_FAILURES = 0.08
# The share of the height of the axes that a legend in letters of the usual size may take.
_LARGEST_LEGEND = 0.25
_GOLDEN_RATIO = (1 + 5**0.5) / 2


def import_pyplot() -> Any:
    """Return matplotlib's pyplot; raise if it is not installed."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            "SearchDisplay needs matplotlib; install it with `pip install 'skhyperband[plot]'`."
        ) from error
    return matplotlib.pyplot


# --- points ------------------------------------------------------------------------


def point_size(n_points: int) -> float:
    """Return the area of a point in square points, smaller for many of them."""
    return float(np.clip(3000 / max(n_points, 1), 16, 40))


def point_alpha(n_points: int) -> float:
    """Return the opacity of points: many of them lie on each other."""
    return 0.85 if n_points <= 60 else 0.6


def spread(n_points: int, width: float) -> np.ndarray:
    """Return distances by which points with the same place are moved apart, evenly and fixed."""
    return ((np.arange(n_points) * _GOLDEN_RATIO) % 1 - 0.5) * width


# --- scores ------------------------------------------------------------------------


def lowest_shown(scores: np.ndarray, levels: np.ndarray) -> float:
    """Return the score below which scores are only marked, so that the others can be told apart.

    It is the lowest score, unless a few scores are so far below the others of their level that
    these would take less than a third of the axis.
    """
    is_finite = np.isfinite(scores)
    if not is_finite.any():
        return 0.0
    limit = min(
        lowest_usual(scores[is_finite & (levels == level)])
        for level in np.unique(levels[is_finite])
    )
    lowest, best = scores[is_finite].min(), scores[is_finite].max()
    low = lowest if best - lowest <= 3 * (best - limit) else limit
    return float(scores[is_finite & (scores >= low)].min())


def draw_outside(ax: Any, x: np.ndarray, scores: np.ndarray, low: float) -> None:
    """Draw, at the lower edge, what failed and what is below the lowest score that is shown."""
    lacking = ~np.isfinite(scores)
    too_low = ~lacking & (scores < low)
    places = ax.get_xaxis_transform()
    for chosen, marker, label in (
        (lacking, "x", "no finite score"),
        (too_low, "v", f"below {low:.3g}"),
    ):
        if chosen.any():
            ax.scatter(
                x[chosen],
                np.full(chosen.sum(), 0.03),
                marker=marker,
                s=25,
                color=FAILED_COLOR,
                linewidths=1,
                transform=places,
                label=label,
                zorder=4,
            )


def set_score_limits(ax: Any, scores: np.ndarray, low: float) -> None:
    """Set the limits of the vertical axis, with room below for what is drawn at the edge."""
    finite = scores[np.isfinite(scores)]
    high = float(finite.max()) if len(finite) else 1.0
    height = high - low or abs(high) * 0.1 or 1.0
    is_all_shown = len(finite) == len(scores) and finite.min() >= low
    bottom = _MARGIN if is_all_shown else _MARGIN + _FAILURES
    ax.set_ylim(low - bottom * height, high + _MARGIN * height)


def draw_best(ax: Any, x: float, y: float, *, label: str | None = "best") -> None:
    """Draw the star of the best candidate."""
    ax.scatter(
        x,
        y,
        marker="*",
        s=170,
        color=BEST_COLOR,
        edgecolors="black",
        linewidths=0.8,
        label=label,
        zorder=6,
    )


# --- legends and labels ------------------------------------------------------------


def size_in_inches(ax: Any) -> tuple[float, float]:
    """Return the width and the height of axes."""
    size = ax.get_window_extent()
    dpi = root_figure(ax).dpi
    return size.width / dpi, size.height / dpi


def root_figure(ax: Any) -> Any:
    """Return the figure that the axes are part of, also if they lie in a part of it."""
    figure = ax.figure
    return figure if hasattr(figure, "draw_without_rendering") else figure.figure


def add_legend(ax: Any) -> None:
    """Add a legend at the top of the axes, and make room for it above the data."""
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    root_figure(ax).draw_without_rendering()  # Only now the size of the axes is known.
    size = ax.get_window_extent()
    for font_size in ("small", "x-small", "xx-small"):
        legend = fitting_legend(ax, handles, labels, size.width, fontsize=font_size)
        share = legend.get_window_extent().height / size.height + 0.04
        if share <= _LARGEST_LEGEND:
            break
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - min(share, 0.6)))


def fitting_legend(
    owner: Any, handles: Any, labels: Sequence[str], width: float, **options: Any
) -> Any:
    """Return a legend of a figure or axes with as many columns as fit into a width in pixels."""
    options = {"loc": "upper center", "fontsize": "small", **options}
    legend = None
    for n_columns in range(len(labels), 0, -1):
        if legend is not None:
            legend.remove()
        legend = owner.legend(
            handles,
            labels,
            ncols=n_columns,
            frameon=False,
            borderaxespad=0.2,
            handletextpad=0.4,
            columnspacing=1.2,
            **options,
        )
        if legend.get_window_extent().width <= width:
            break
    return legend


def thinned(n_labels: int, n_fitting: int) -> list[int]:
    """Return the positions of the labels that are shown, the last one among them."""
    step = -(-n_labels // max(n_fitting, 1))
    return list(range(n_labels - 1, -1, -step))[::-1]


def wrapped_name(name: str, longest: int) -> str:
    """Return a name of a nested parameter, in several lines if it is long."""
    lines = [""]
    for part in name.replace("__", "__\n").splitlines():
        if lines[-1] and len(lines[-1]) + len(part) > longest:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
