"""Draws the picture of a search on the home page, once for each theme.

The search of the home page is run for it. It needs matplotlib and takes some seconds:
``python docs/pictures/draw.py`` writes the SVG files beside itself. The other pictures in this folder are
written by ``benchmarks/peers.py --docs docs``.
"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from skhyperband import HyperbandSearchCV

FOLDER = Path(__file__).parent

# The colours can be told apart with any kind of colour vision; each round of the search has one.
THEMES = {
    "light": {"text": "#222222", "weak": "#9aa0a6", "rounds": ("#555555", "#D55E00", "#0072B2")},
    "dark": {"text": "#e8e8e8", "weak": "#80868b", "rounds": ("#b8b8b8", "#E69F00", "#56B4E9")},
}


def run_search():
    """Return the search of the home page, fitted."""
    X, y = load_diabetes(return_X_y=True)
    X_train, _, y_train, _ = train_test_split(X, y, random_state=0)
    search = HyperbandSearchCV(
        HistGradientBoostingRegressor(random_state=0),
        {
            "learning_rate": loguniform(0.01, 1),
            "max_leaf_nodes": randint(2, 32),
            "min_samples_leaf": randint(2, 60),
            "l2_regularization": loguniform(0.001, 100),
        },
        random_state=0,
    )
    with threadpool_limits(1):
        return search.fit(X_train, y_train)


def draw_search(colors, search):
    """Draw the score of each candidate at each level that it reached; a round is a lane."""
    results = search.cv_results_
    levels = sorted(set(zip(results["n_resources"], results["n_splits"], strict=True)))
    sizes = list(zip(results["n_resources"], results["n_splits"], strict=True))
    scores = results["mean_test_score"]
    figure, axes = plt.subplots(figsize=(5.2, 3.3))
    rounds = zip(colors["rounds"], "os^", strict=True)
    for repeat, (color, marker) in enumerate(rounds):
        label = f"round {repeat + 1}"
        for candidate in np.unique(results["candidate_id"][results["repeat"] == repeat]):
            rows = np.flatnonzero(results["candidate_id"] == candidate)
            rows = sorted(rows, key=lambda row: sizes[row])
            x = [levels.index(sizes[row]) + 0.2 * (repeat - 1) for row in rows]
            axes.plot(
                x, scores[rows], marker=marker, color=color, markersize=4, linewidth=1,
                alpha=0.75, label=label,
            )  # fmt: skip
            label = None
            if search.best_index_ in rows:
                best = x[-1], scores[search.best_index_]
    axes.annotate("the best", best, xytext=(0, 6), textcoords="offset points", ha="center")
    for x, level in enumerate(levels):
        number = sum(size == level for size in sizes)
        axes.annotate(
            f"{number} candidates", (x, 1.07), xycoords=("data", "axes fraction"), ha="center"
        )
    labels = [f"{n} trees\n{'1 split' if k == 1 else f'{k} splits'}" for n, k in levels]
    axes.set_xticks(range(len(levels)), labels)
    axes.set(xlim=(-0.4, len(levels) - 0.6), ylabel="mean score (R²)")
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def main():
    """Write the picture in each theme."""
    search = run_search()
    for theme, colors in THEMES.items():
        style = {
            "text.color": colors["text"],
            "axes.labelcolor": colors["text"],
            "axes.titlecolor": colors["text"],
            "axes.facecolor": "none",
            "axes.edgecolor": colors["weak"],
            "xtick.color": colors["text"],
            "ytick.color": colors["text"],
            "axes.titlesize": 9,
            "font.size": 8,
            # The same picture is the same file.
            "svg.hashsalt": "skhyperband",
        }
        with mpl.rc_context(style):
            figure = draw_search(colors, search)
            figure.savefig(
                FOLDER / f"search-{theme}.svg", transparent=True, bbox_inches="tight",
                pad_inches=0.05, metadata={"Date": None, "Creator": None},
            )  # fmt: skip
            plt.close(figure)


if __name__ == "__main__":
    mpl.use("Agg")
    main()
