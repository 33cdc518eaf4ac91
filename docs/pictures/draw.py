"""Draws the pictures of the home page, once for each theme.

The chart shows what ``benchmarks/against_scikit_learn.py`` measured; the picture of a search is
made from the search of the home page, which is run for it. It needs matplotlib and takes some
seconds: ``python docs/pictures/draw.py`` writes the SVG files beside itself.
"""

import csv
from collections import defaultdict
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
MEASURED = FOLDER.parent.parent / "benchmarks" / "results" / "against_scikit_learn.csv"

# The colours can be told apart with any kind of colour vision.
THEMES = {
    "light": {
        "text": "#222222",
        "weak": "#9aa0a6",
        "RandomizedSearchCV": "#555555",
        "HalvingRandomSearchCV": "#D55E00",
        "SuccessiveHalvingSearchCV": "#009E73",
        "HyperbandSearchCV": "#0072B2",
    },
    "dark": {
        "text": "#e8e8e8",
        "weak": "#80868b",
        "RandomizedSearchCV": "#b8b8b8",
        "HalvingRandomSearchCV": "#E69F00",
        "SuccessiveHalvingSearchCV": "#00C08B",
        "HyperbandSearchCV": "#56B4E9",
    },
}
# In the picture of a search, each round has one of these colours.
ROUND_COLORS = ("RandomizedSearchCV", "HalvingRandomSearchCV", "HyperbandSearchCV")
MARKERS = {
    "RandomizedSearchCV": "o",
    "HalvingRandomSearchCV": "s",
    "SuccessiveHalvingSearchCV": "^",
    "HyperbandSearchCV": "D",
}


# --- the chart ---------------------------------------------------------------------


def read_measured():
    """Return what was measured, as table to (search, size) to repeat to (seconds, score)."""
    measured = defaultdict(lambda: defaultdict(dict))
    with MEASURED.open() as file:
        for row in csv.DictReader(file):
            values = float(row["cpu_seconds"]), float(row["score"])
            measured[row["table"]][row["search"], row["size"]][int(row["repeat"])] = values
    return measured


def summarise(searches):
    """Return the mean seconds, mean score and its standard error of each search, and the repeats.

    Only repeats that all searches have are counted. The error is that of the differences between
    searches: what all searches of a repeat have in common, such as easy test rows, is left out.
    """
    repeats = sorted(set.intersection(*(set(runs) for runs in searches.values())))
    values = np.array([[runs[repeat] for repeat in repeats] for runs in searches.values()])
    seconds, scores = values[..., 0], values[..., 1]
    deviations = scores - scores.mean(axis=0)
    errors = deviations.std(axis=1, ddof=1) / np.sqrt(len(repeats))
    means = zip(seconds.mean(axis=1), scores.mean(axis=1), errors, strict=True)
    return dict(zip(searches, means, strict=True)), len(repeats)


def draw_comparison(colors, table, title, score_label):
    """Draw the score over the CPU time of all searches on one table."""
    means, _ = summarise(read_measured()[table])
    figure, axes = plt.subplots(figsize=(2.6, 2.7))
    for search, marker in MARKERS.items():
        sizes = [size for name, size in means if name == search]
        points = sorted((*means[search, size], size == "default") for size in sizes)
        seconds, scores, errors, is_default = np.array(points).T
        axes.errorbar(
            seconds, scores, errors, color=colors[search], linewidth=1, elinewidth=0.7, zorder=2
        )
        faces = [colors[search] if full else colors["face"] for full in is_default]
        axes.scatter(
            seconds, scores, s=26, marker=marker, c=faces, edgecolors=colors[search], zorder=3
        )
    axes.set(xscale="log", xlabel="CPU time of the search in seconds", ylabel=score_label)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50) if _is_inside(tick, axes.get_xlim())]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_title(title, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _is_inside(value, limits):
    return limits[0] <= value <= limits[1]


def draw_legend(colors):
    """Draw the legend of the chart."""
    figure = plt.figure(figsize=(4.6, 0.75))
    handles = [
        mpl.lines.Line2D(
            [], [], color=colors[search], marker=marker, markersize=5, linewidth=1, label=search
        )
        for search, marker in MARKERS.items()
    ]
    figure.legend(handles=handles, ncols=2, loc="center", frameon=False, fontsize=9)
    return figure


# --- the picture of a search -------------------------------------------------------


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
    rounds = zip(ROUND_COLORS, "os^", strict=True)
    for repeat, (color, marker) in enumerate(rounds):
        label = f"round {repeat + 1}"
        for candidate in np.unique(results["candidate_id"][results["repeat"] == repeat]):
            rows = np.flatnonzero(results["candidate_id"] == candidate)
            rows = sorted(rows, key=lambda row: sizes[row])
            x = [levels.index(sizes[row]) + 0.2 * (repeat - 1) for row in rows]
            axes.plot(
                x, scores[rows], marker=marker, color=colors[color], markersize=4, linewidth=1,
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


# --- files -------------------------------------------------------------------------


def main():
    """Write each picture in each theme."""
    search = run_search()
    pictures = {
        "search": lambda colors: draw_search(colors, search),
        "legend": draw_legend,
        "electricity": lambda colors: draw_comparison(
            colors, "electricity", "histogram boosting,\nelectricity", "ROC AUC on unseen rows"
        ),
        "letter": lambda colors: draw_comparison(
            colors, "letter", "support vector machine,\nletter", "accuracy on unseen rows"
        ),
        "bank_marketing": lambda colors: draw_comparison(
            colors, "bank_marketing", "LightGBM,\nbank_marketing", "ROC AUC on unseen rows"
        ),
    }
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
            for name, draw in pictures.items():
                figure = draw({**colors, "face": "white" if theme == "light" else "#131416"})
                figure.savefig(
                    FOLDER / f"{name}-{theme}.svg", transparent=True, bbox_inches="tight",
                    pad_inches=0.05, metadata={"Date": None, "Creator": None},
                )  # fmt: skip
                plt.close(figure)


if __name__ == "__main__":
    mpl.use("Agg")
    main()
