"""Draws the pictures of the page "How Hyperband works", once for each theme.

It needs matplotlib, takes some seconds and writes the SVG files beside itself:
``python docs/drawings/draw.py``.
"""

import io
import re
from functools import cache
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from sklearn.metrics import log_loss
from sklearn.model_selection import ParameterSampler, train_test_split
from threadpoolctl import threadpool_limits

FOLDER = Path(__file__).parent

# The colours can be told apart with any kind of colour vision.
THEMES = {
    "light": {"text": "#222222", "weak": "#9aa0a6", "main": "#0072B2", "second": "#D55E00"},
    "dark": {"text": "#e8e8e8", "weak": "#80868b", "main": "#56B4E9", "second": "#E69F00"},
}


def score(x, y):
    """Return a made-up score, which depends much on x and little on y."""
    return np.exp(-(((x - 0.64) / 0.13) ** 2)) + 0.3 * x + 0.1 * np.exp(-(((y - 0.4) / 0.3) ** 2))


def grid_points():
    """Return the points of a grid with three values of each parameter."""
    values = np.array([1, 3, 5]) / 6
    return np.array([(x, y) for y in values for x in values])


def random_points():
    """Return as many points that are drawn at random."""
    return np.random.default_rng(5).uniform(0.05, 0.95, size=(9, 2))


def model_points():
    """Return three random points, and six that a Gaussian process chooses one by one."""
    rng = np.random.default_rng(5)
    points = rng.uniform(0.05, 0.95, size=(3, 2))
    anywhere = rng.uniform(0.05, 0.95, size=(2000, 2))
    while len(points) < 9:
        scores = score(*points.T)
        process = GaussianProcessRegressor(Matern([0.2, 1.0], nu=2.5), optimizer=None, alpha=1e-6)
        process.fit(points, (scores - scores.mean()) / scores.std())
        mean, deviation = process.predict(anywhere, return_std=True)
        points = np.vstack([points, anywhere[np.argmax(mean + 2 * deviation)]])
    return points


def draw_points(colors, points, numbered):
    """Draw points of two parameters, and above them the score that each of them has."""
    figure, (top, square) = plt.subplots(
        2, 1, figsize=(4.4, 3.6), height_ratios=[1, 2.2], sharex=True
    )
    x, y = np.meshgrid(np.linspace(0, 1, 50), np.linspace(0, 1, 25))
    square.contourf(x, y, score(x, y), levels=8, cmap=_fading(colors["main"]), antialiased=True)
    line = np.linspace(0, 1, 400)
    top.plot(line, score(line, 0.4), color=colors["weak"], linewidth=1.2)
    top.vlines(points[:, 0], -0.15, score(*points.T), color=colors["weak"], linewidth=0.7)
    best = np.argmax(score(*points.T))
    shades = [colors["second"] if i == best else colors["text"] for i in range(len(points))]
    top.scatter(points[:, 0], score(*points.T), c=shades, s=14, zorder=3)
    square.scatter(*points.T, c=shades, s=26, zorder=3)
    if numbered:
        for number, point in enumerate(points, start=1):
            square.annotate(
                str(number), point, xytext=(4, 3), textcoords="offset points", fontsize=8
            )
    top.set(ylim=(-0.15, 1.55), yticks=[], ylabel="score")
    square.set(
        xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[],
        xlabel="a parameter that matters", ylabel="one that matters little",
    )  # fmt: skip
    top.spines[["top", "right"]].set_visible(False)
    return figure


@cache
def learning_curves():
    """Return the loss of 27 boosting models after each of 81 trees."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y >= 5, random_state=0)
    space = {
        "learning_rate": loguniform(0.02, 1),
        "max_leaf_nodes": [3, 5, 9, 17, 31],
        "max_features": [0.1, 0.3, 1.0],
    }
    curves = []
    with threadpool_limits(1):
        for params in ParameterSampler(space, 27, random_state=1):
            model = HistGradientBoostingClassifier(max_iter=81, random_state=0, **params)
            stages = model.fit(X_train, y_train).staged_predict_proba(X_test)
            curves.append([log_loss(y_test, stage[:, 1]) for stage in stages])
    return np.array(curves)


def draw_halving(colors):
    """Draw a successive halving of real learning curves, and the candidate that it misses."""
    curves = learning_curves()
    trees = np.arange(1, 82)
    rungs = [3, 9, 27, 81]
    figure, axes = plt.subplots(figsize=(4.4, 3.3))
    left = np.arange(len(curves))
    ends = {}
    for low, high in zip([1, *rungs], rungs, strict=False):
        order = left[np.argsort(curves[left, high - 1], kind="stable")]
        kept = order[: max(1, len(order) // 3)] if high < 81 else order
        for candidate in order:
            goes_on = candidate in kept
            ends[candidate] = high
            axes.plot(
                trees[low - 1 : high], curves[candidate, low - 1 : high],
                linewidth=1.5 if goes_on else 0.8, zorder=2 + goes_on,
                color=colors["main"] if goes_on else colors["weak"],
            )  # fmt: skip
        left = kept
    missed = np.argmin(curves[:, -1])
    rest = slice(ends[missed] - 1, None)
    axes.plot(trees[rest], curves[missed, rest], "--", color=colors["second"], linewidth=1.5)
    axes.annotate(
        "discarded with 9 trees,\nwould have been\nthe best with 81",
        (24, curves[missed, 23]), xytext=(10, 0.062), ha="center", va="bottom",
        color=colors["second"], fontsize=8,
        arrowprops={"arrowstyle": "-", "color": colors["second"], "linewidth": 0.8},
    )  # fmt: skip
    for rung, number in zip(rungs, [27, 9, 3, 1], strict=True):
        axes.axvline(rung, color=colors["weak"], linewidth=0.6, linestyle=":", zorder=1)
        axes.annotate(
            str(number), (rung, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=8
        )
    axes.set(xscale="log", yscale="log", xlabel="trees", ylabel="loss (less is better)")
    axes.set(xlim=(1, 95), ylim=(0.06, 0.75))
    axes.set_xticks(rungs, [str(rung) for rung in rungs])
    axes.set_yticks([0.1, 0.2, 0.4], ["0.1", "0.2", "0.4"])
    axes.minorticks_off()
    axes.set_title("candidates on the rung", fontsize=8, pad=14)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_brackets(colors, rows, columns):
    """Draw brackets as rows of dots: a dot is a candidate, a column is a level.

    A row has a label and a pair for each column: how many candidates there were drawn at random
    or promoted, and how many were chosen by a model. None is an empty place.
    """
    figure, axes = plt.subplots(figsize=(4.4, 0.55 * len(rows) + 0.6))
    for row, (label, rungs) in enumerate(rows):
        axes.text(-0.55, -row, label, ha="right", va="center", fontsize=8)
        for column, rung in enumerate(rungs):
            if rung is not None:
                _draw_dots(axes, column, -row, *rung, colors)
            if column and rung is not None and rungs[column - 1] is not None:
                axes.annotate(
                    "", (column - 0.41, -row), xytext=(column - 0.59, -row),
                    arrowprops={"arrowstyle": "->", "color": colors["weak"], "linewidth": 0.9},
                )  # fmt: skip
    for column, label in enumerate(columns):
        axes.text(column, 0.5, label, ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(-1.3, len(columns) - 0.55), ylim=(-len(rows) + 0.5, 1.2))
    axes.axis("off")
    return figure


def _draw_dots(axes, column, row, n_plain, n_chosen, colors):
    """Draw the candidates of a rung in lines of nine."""
    n_dots = n_plain + n_chosen
    place = np.arange(n_dots)
    x = column + (place % 9 - (min(n_dots, 9) - 1) / 2) * 0.088
    y = row + ((n_dots - 1) // 9 / 2 - place // 9) * 0.25
    axes.scatter(x[:n_plain], y[:n_plain], s=15, color=colors["main"], marker="o")
    axes.scatter(x[n_plain:], y[n_plain:], s=15, color=colors["second"], marker="D")


def draw_hyperband(colors):
    """Draw the published schedule from 1 to 27 trees."""
    rows = [
        ("bracket 3", [(27, 0), (9, 0), (3, 0), (1, 0)]),
        ("bracket 2", [None, (12, 0), (4, 0), (1, 0)]),
        ("bracket 1", [None, None, (6, 0), (2, 0)]),
        ("bracket 0", [None, None, None, (4, 0)]),
    ]
    return draw_brackets(colors, rows, ["1 tree", "3 trees", "9 trees", "27 trees"])


def draw_defaults(colors):
    """Draw the schedule that a search has by default, and who chooses its candidates."""
    rows = []
    for number in (1, 2, 3):
        widest = (9, 0) if number == 1 else (3, 6)
        rows.append((f"round {number}", [widest, (3, 0), (1, 0)]))
        rows.append(("", [None, (2, 3), (1, 0)]))
    columns = ["55 trees,\n1 split", "100 trees,\n2 splits", "100 trees,\n5 splits"]
    return draw_brackets(colors, rows, columns)


def _fading(color):
    """Return a colour map from nothing to half of the colour."""
    rgb = mpl.colors.to_rgb(color)
    return mpl.colors.LinearSegmentedColormap.from_list("fading", [(*rgb, 0.0), (*rgb, 0.55)])


DRAWINGS = {
    "grid": lambda colors: draw_points(colors, grid_points(), numbered=False),
    "random": lambda colors: draw_points(colors, random_points(), numbered=False),
    "model": lambda colors: draw_points(colors, model_points(), numbered=True),
    "halving": draw_halving,
    "hyperband": draw_hyperband,
    "defaults": draw_defaults,
}


def as_svg(figure):
    """Return the figure as SVG, in as few bytes as can be without a visible difference."""
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, bbox_inches="tight", pad_inches=0.05,
        metadata={"Date": None, "Creator": None},
    )  # fmt: skip
    plt.close(figure)
    text = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.5g}", buffer.getvalue())
    return re.sub(r"\s*\n\s*", " ", text).replace("> <", ">\n<") + "\n"


def main():
    """Write each drawing in each theme."""
    for theme, colors in THEMES.items():
        style = {
            "text.color": colors["text"],
            "axes.labelcolor": colors["text"],
            "axes.edgecolor": colors["weak"],
            "xtick.color": colors["text"],
            "ytick.color": colors["text"],
            "font.size": 9,
            # The same drawing is the same file.
            "svg.hashsalt": "skhyperband",
        }
        with mpl.rc_context(style):
            for name, draw in DRAWINGS.items():
                (FOLDER / f"{name}-{theme}.svg").write_text(as_svg(draw(colors)))


if __name__ == "__main__":
    mpl.use("Agg")
    main()
