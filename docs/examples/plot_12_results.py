"""
Reading the results
===================

What did a search find, which parameters mattered, and what should the next search do
differently?
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

from skhyperband import HyperbandSearchCV, SearchDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
search = HyperbandSearchCV(
    make_pipeline(StandardScaler(), KernelRidge()),
    {
        "kernelridge__kernel": ["laplacian", "rbf", "poly"],
        "kernelridge__alpha": loguniform(0.01, 100),
        "kernelridge__gamma": loguniform(1e-4, 0.1),
        "kernelridge__coef0": uniform(0, 2),
    },
    random_state=0,
)
search.fit(X, y)

# %%
# The best candidate
# ------------------
#
# `best_score_` is the mean score over all splits, with all of the resource. It is somewhat too
# good, since it is the best of several: a fair score needs samples that the search did not see.

print(f"{search.best_score_:.3f}")
for name, value in search.best_params_.items():
    print(f"{name} = {value if isinstance(value, str) else format(value, '.3g')}")

# %%
# The five best
# -------------
#
# Scores are comparable only with the same resource and the same splits. ``top`` therefore
# compares the finalists, which have all of both.

search.top(5)

# %%
# How the search went
# -------------------
#
# ``rungs_`` has a row for each rung. `rank_correlation` compares the scores on such rungs with those
# that the same candidates had on the rungs below, in all rounds. Below the table stands what a further
# search should change, if anything.

search.rungs_

# %%
# Was it long enough?
# -------------------
#
# The best score so far, over what the search had spent. If it still rises at the end, another
# search should have more rounds; if it has long been flat, fewer would have done.

SearchDisplay.from_estimator(search, kind="incumbent")
plt.show()

# %%
# Which values are good?
# ----------------------
#
# If the best candidates are near an end of a range, the next search should look beyond it. If
# they are everywhere, the parameter matters little.

SearchDisplay.from_estimator(search, kind="parameters")
plt.show()

# %%
# Which parameters matter?
# ------------------------
#
# This picture says how much of the variance of the scores each parameter explains. A parameter
# that explains nothing can have a fixed value in the next search.

SearchDisplay.from_estimator(search, kind="importances")
plt.show()

# %%
# What it cost
# ------------
#
# `cv_results_` has a row for each candidate on each rung. In it, ``n_resources_trained`` times
# ``n_splits`` is what was trained for a row. Divided by the resource of a full fit, and added
# up, it is the cost of the search in full fits:

results = pd.DataFrame(search.cv_results_)
trained = (results["n_resources_trained"] * results["n_splits"]).sum() / search.max_resources_
n_candidates = results["candidate_id"].nunique()
everything = search.n_splits_ * n_candidates
print(f"{trained:.0f} fits instead of {everything}, for {n_candidates} candidates")

# sphinx_gallery_thumbnail_number = 2
