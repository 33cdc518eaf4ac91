"""
Reading the results
===================

What did a search find, which parameters mattered, and what should the next search do differently?
"""

# %%
# A search as in the other examples, for the table of 442 patients with diabetes:

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_diabetes
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skhyperband import HyperbandSearchCV

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
search = HyperbandSearchCV(
    make_pipeline(StandardScaler(), KernelRidge()),
    {
        "kernelridge__kernel": ["laplacian", "rbf", "poly"],
        "kernelridge__alpha": loguniform(1e-4, 100),
        "kernelridge__gamma": loguniform(1e-4, 1),
        "kernelridge__coef0": uniform(0, 2),
    },
    random_state=0,
)
search.fit(X, y)

# %%
# The best candidate
# ------------------
#
# `best_score_` is the mean score over all splits, with all of the resource. It is somewhat too good,
# since it is the best of several: a fair score needs samples that the search did not see.

print(f"{search.best_score_:.3f}")
search.best_params_

# %%
# The five best
# -------------
#
# `cv_results_` has a row for each candidate on each rung. Scores are comparable only
# with the same resource and the same splits. The rank puts higher levels first, so that the best rows are
# the first ones. A candidate has a row for each rung that it was on; its best rank is on the highest.

results = pd.DataFrame(search.cv_results_)
columns = [name for name in results if name.startswith("param_")]
short = {name: name.removeprefix("param_kernelridge__") for name in columns}
candidates = results.sort_values("rank_test_score").drop_duplicates("candidate_id")
best = candidates[["mean_test_score", "std_test_score", "n_splits", "n_resources", *columns]]
best.head().rename(columns=short)

# %%
# How the search went
# -------------------
#
# ``rungs_`` has a row for each rung. `rank_correlation` compares the scores on a rung with those that
# the same candidates had on the rung below. Below the table stands what a further search should
# change, if anything.

print(search.rungs_)

# %%
# Which parameters mattered
# -------------------------
#
# Each dot is a candidate, with its score at the highest level that it reached. Filled dots were
# evaluated on all splits. If the best candidates are near an end of a range, the next search
# should look beyond it; if they are everywhere, the parameter matters little.

final = candidates["n_splits"] == search.n_splits_
fig, axes = plt.subplots(1, 4, figsize=(10, 3.4), sharey=True, layout="constrained")
for ax, column in zip(axes, columns, strict=True):
    values = candidates[column]
    ax.plot(values, candidates["mean_test_score"], "o", mfc="none", color="tab:blue", alpha=0.6)
    ax.plot(values[final], candidates["mean_test_score"][final], "o", color="tab:orange")
    ax.set_xlabel(short[column])
    if column.endswith(("alpha", "gamma")):
        ax.set_xscale("log")
axes[0].set(ylabel="mean score (R²)", ylim=(0, None))
fig.suptitle("Scores against parameters")
plt.show()

# %%
# What it cost
# ------------
#
# ``n_resources_trained`` times ``n_splits`` is what was trained for a row. Divided by the resource of
# a full fit, and added up, it is the cost of the search in full fits:

trained = (results["n_resources_trained"] * results["n_splits"]).sum() / search.max_resources_
everything = search.n_splits_ * len(candidates)
print(f"{trained:.0f} fits instead of {everything}, for {len(candidates)} candidates")
