"""
Groups: samples that belong together
====================================

How well will a model read the handwriting of people it has never seen? Samples of one person
resemble each other. If some of them are in the training part of a split and some in the test
part, the scores are too good, and a search may prefer what remembers people.
"""

# %%
# The digits of scikit-learn were written by 13 people, one after another. Each of them began
# with 0 to 9 written twice, so that the beginnings can be found.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skhyperband import SuccessiveHalvingSearchCV

X, y = load_digits(return_X_y=True)
windows = np.lib.stride_tricks.sliding_window_view(y, 20)
starts = np.flatnonzero((windows == np.tile(np.arange(10), 2)).all(axis=1))
beginnings = starts[np.diff(starts, prepend=-20) > 10]
writer = np.searchsorted(beginnings, np.arange(len(y)), side="right")
print(
    f"{writer.max()} people, {np.bincount(writer)[1:].min()} to {np.bincount(writer).max()} digits"
)

# %%
# Four people are set aside. What the models score on their digits is what the question asks for.

is_new = np.isin(writer, [10, 11, 12, 13])
X_train, y_train, writer_train = X[~is_new], y[~is_new], writer[~is_new]
X_new, y_new = X[is_new], y[is_new]

# %%
# Two searches
# ------------
#
# They differ in the cross-validation only: the first mixes the digits of all people, the second
# keeps those of a person together. `groups` is passed to `fit`, as to any search of
# scikit-learn. With samples as the resource, the samples of a low rung are then taken from the
# groups in turn.

pipeline = make_pipeline(StandardScaler(), SVC())
space = {"svc__C": loguniform(0.01, 1000), "svc__gamma": loguniform(1e-4, 1)}
mixed = SuccessiveHalvingSearchCV(
    pipeline, space, cv=KFold(5, shuffle=True, random_state=0), n_jobs=2, random_state=0
)
mixed.fit(X_train, y_train)
apart = SuccessiveHalvingSearchCV(pipeline, space, cv=GroupKFold(5), n_jobs=2, random_state=0)
apart.fit(X_train, y_train, groups=writer_train)
searches = {"people mixed": mixed, "people kept apart": apart}

# %%
# What was promised, and what came true
# -------------------------------------
#
# The score of a search is a promise. It can be compared with the score on new people.

promised = [search.best_score_ for search in searches.values()]
came_true = [search.score(X_new, y_new) for search in searches.values()]
for name, search, before, after in zip(
    searches, searches.values(), promised, came_true, strict=True
):
    values = ", ".join(f"{key} = {value:.2g}" for key, value in search.best_params_.items())
    print(f"{name:17}: promised {before:.3f}, on new people {after:.3f} ({values})")

# %%
# With four people, the score on new ones is a rough measure, too: other people may be easier or
# harder to read.

fig, ax = plt.subplots(layout="constrained")
places = np.arange(len(searches))
ax.plot(places - 0.08, promised, "o", markersize=11, label="promised by cross-validation")
ax.plot(places + 0.08, came_true, "s", markersize=11, label="on four new people")
for place, before, after in zip(places, promised, came_true, strict=True):
    ax.plot([place - 0.08, place + 0.08], [before, after], color="grey", zorder=1)
ax.set_xticks(places, list(searches))
ax.set(xlim=(-0.5, 1.5), ylabel="accuracy", title="Can the score of a search be trusted?")
ax.legend(loc="center")
plt.show()
