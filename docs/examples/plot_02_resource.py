"""
Choosing a resource
===================

Should candidates begin with few iterations or with few samples? A search discards most
candidates by what they score with a little of the resource. The better resource is the one with
which a little already tells good candidates from bad ones, and with which a little costs little.
"""

# %%
# Twelve boosting models for the table of 442 patients with diabetes differ in their learning
# rate, and in how they grow their trees. Each is evaluated with a ninth, a third and all of the
# resource, once with iterations as the resource and once with samples. No search does all of
# this. It is done here to show what a search can see at each amount.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint, spearmanr
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import ParameterSampler, ShuffleSplit, cross_validate

from skhyperband import SuccessiveHalvingSearchCV

X, y = load_diabetes(return_X_y=True)
space = {"learning_rate": loguniform(0.01, 1), "max_leaf_nodes": randint(2, 16)}
candidates = list(ParameterSampler(space, n_iter=12, random_state=0))
candidates.sort(key=lambda params: params["learning_rate"])
shares = 1 / 9, 1 / 3, 1


def evaluate(params, iterations=1.0, samples=1.0):
    """Return the mean score of a candidate with a share of each resource, and its seconds."""
    model = HistGradientBoostingRegressor(
        max_iter=round(90 * iterations), min_samples_leaf=5, random_state=0
    )
    model.set_params(**params)
    n_train = round(330 * samples)
    cv = ShuffleSplit(4, train_size=n_train, test_size=110, random_state=0)
    results = cross_validate(model, X, y, cv=cv, n_jobs=2)
    return results["test_score"].mean(), results["fit_time"].sum()


measured = {
    resource: np.array(
        [[evaluate(params, **{resource: share}) for share in shares] for params in candidates]
    )
    for resource in ("iterations", "samples")
}

# %%
# What a little tells
# -------------------
#
# Spearman's rank correlation with the final scores is 1 if an amount ranks the candidates as all
# of the resource does, and near 0 if it tells nothing. A negative one misleads: with few
# iterations, models with a low learning rate have hardly begun.

for resource, values in measured.items():
    scores, seconds = values[..., 0], values[..., 1].sum(axis=0)
    for i in 0, 1:
        correlation = spearmanr(scores[:, i], scores[:, -1]).statistic
        print(
            f"1/{round(1 / shares[i])} of the {resource:10}: rank correlation {correlation:5.2f}, "
            f"{seconds[i] / seconds[-1]:.0%} of the time"
        )

# %%
# Each line is one candidate. Where lines cross, a ranking on the left is not the one on the
# right.

fig, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True, layout="constrained")
colours = plt.colormaps["viridis"](np.linspace(0, 0.95, len(candidates)))
for ax, (resource, values) in zip(axes, measured.items(), strict=True):
    for colour, scores in zip(colours, values[..., 0], strict=True):
        ax.plot(shares, scores, "o-", color=colour)
    ax.set_xscale("log")
    ax.set_xticks(shares, ["1/9", "1/3", "all"])
    ax.minorticks_off()
    ax.set(xlabel=f"share of the {resource}", title=resource.capitalize())
axes[0].set(ylabel="mean score (R²)")
rates = plt.Normalize(0, 1)
bar = fig.colorbar(plt.cm.ScalarMappable(rates, "viridis"), ax=axes, label="learning rate")
bar.set_ticks([0, 1], labels=["low", "high"])
plt.show()

# %%
# What follows for a search
# -------------------------
#
# `resource` names what candidates get more of. By default, it is the number of iterations where
# their training can be continued exactly. Then a promoted candidate pays only for the further
# ones. On a table as small as this one, samples save little: a fit on a ninth of them takes much
# more than a ninth of the time. They are the resource of estimators that have nothing to
# continue, and save the more, the larger the table is.

model = HistGradientBoostingRegressor(max_iter=90, min_samples_leaf=5, random_state=0)
by_samples = SuccessiveHalvingSearchCV(model, space, resource="n_samples", random_state=0)
by_samples.plan(X, y)

# %%
# With either resource, small amounts usually rank worse than large ones. `min_resources` is an
# amount that no rung goes below, by default a third of the whole:

by_iterations = SuccessiveHalvingSearchCV(model, space, n_jobs=2, random_state=0)
by_iterations.plan(X, y)

# %%
# `HyperbandSearchCV` does not rely on one amount: some of its brackets begin higher than others.
# After a search, ``rungs_`` shows whether each rung ranked the candidates that went on as the next one
# did, and says if that was no better than chance.

by_iterations.fit(X, y)
by_iterations.rungs_
