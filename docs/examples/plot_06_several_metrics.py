"""
Several metrics, and a best candidate of your own choice
========================================================

Which is the smallest forest that is about as good as the best one? Candidates are promoted by
one metric, all metrics are measured, and a function chooses the candidate that is refitted.
"""

# %%
# The table describes 569 tumours, and the forest is to tell which are malignant. The first
# metric is the log loss, which judges the probabilities. The second one is the number of leaves
# of the forest: a scorer is any function of a fitted estimator and data. Greater is better for
# every scorer, hence the minus.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import randint, uniform
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skhyperband import HyperbandSearchCV

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)


def minus_leaves(forest, X, y):
    """Return minus the number of leaves of a forest."""
    return -sum(tree.get_n_leaves() for tree in forest.estimators_)


# %%
# The choice
# ----------
#
# The function gets the rows of `cv_results_` at the highest level, that is those of the
# candidates that were evaluated on all splits with all trees, and returns the position of one of
# them. This one takes the smallest forest among those whose log loss is at most one standard
# error above the best.


def smallest_of_the_good(results):
    """Return the position of the smallest forest within one standard error of the best."""
    score = results["mean_test_neg_log_loss"]
    best = np.argmax(score)
    standard_error = results["std_test_neg_log_loss"][best] / np.sqrt(results["n_splits"][best])
    good = np.flatnonzero(score >= score[best] - standard_error)
    return good[np.argmax(results["mean_test_minus_leaves"][good])]


search = HyperbandSearchCV(
    ExtraTreesClassifier(n_estimators=60, random_state=0),
    {
        "max_features": uniform(0.05, 0.95),
        "min_samples_leaf": randint(1, 10),
        "max_leaf_nodes": randint(4, 80),
        "criterion": ["gini", "entropy"],
    },
    scoring={"neg_log_loss": "neg_log_loss", "minus_leaves": minus_leaves},
    rank_by="neg_log_loss",
    refit=smallest_of_the_good,
    n_jobs=2,
    random_state=0,
)
search.fit(X_train, y_train)
loss = log_loss(y_test, search.predict_proba(X_test))
print(search.best_params_)
print(f"log loss on tumours that were set aside: {loss:.3f}")

# %%
# The finalists
# -------------
#
# Only the finalists can be compared: a score with fewer trees, or on fewer splits, is another
# measure. The chosen forest is not the best by either metric, unless one candidate is good at
# both.

results = search.cv_results_
top = results["n_splits"] == search.n_splits_
fig, ax = plt.subplots(layout="constrained")
for rows, label, style in [
    (np.flatnonzero(~top), "on fewer trees or splits", {"color": "lightgrey"}),
    (np.flatnonzero(top), "finalists", {"color": "tab:blue"}),
    ([search.best_index_], "chosen", {"color": "tab:orange", "s": 120, "zorder": 3}),
]:
    ax.scatter(
        -results["mean_test_minus_leaves"][rows],
        -results["mean_test_neg_log_loss"][rows],
        label=label,
        **style,
    )
ax.set(xlabel="leaves of the forest", ylabel="log loss", xlim=(0, None), ylim=(0, 0.4))
ax.set_title("Small and good")
ax.legend()
plt.show()
