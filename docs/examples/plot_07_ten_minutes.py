"""
A search of ten minutes
=======================

What is the best that can be found in ten minutes? With `max_time`, a search makes the best of
the time that it has. To keep this example short, it has twenty seconds; everything else is as
with ten minutes.
"""

# %%
# The images of 1,797 handwritten digits are classified with forests. ``n_repeats=None`` repeats
# the rounds of Hyperband until the time is over. A sampler that learns, as the default of
# Hyperband does, chooses most candidates of the later rounds by the scores of those before.

import datetime

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import randint, uniform
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import cross_val_score, train_test_split

from skhyperband import HyperbandSearchCV

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# Ten minutes: datetime.timedelta(minutes=10).
limit = datetime.timedelta(seconds=20)
forest = ExtraTreesClassifier(n_estimators=30, random_state=0)
search = HyperbandSearchCV(
    forest,
    {
        "max_features": uniform(0.02, 0.9),
        "min_samples_leaf": randint(1, 10),
        "criterion": ["gini", "entropy"],
        "bootstrap": [False, True],
    },
    n_repeats=None,
    max_time=limit,
    random_state=0,
    verbose=1,
)
search.fit(X_train, y_train)

# %%
# No evaluation starts after the limit, however slow the machine is. What comes on top is the
# end of the evaluations that are running, and the refit of the best candidate.

print("ended because of", search.stop_reason_)
print(f"refit: {search.refit_time_:.2f} seconds")

# %%
# What the time was used for
# --------------------------
#
# How many rounds fit into the time depends on the machine, and so does the result. If the first
# round does not fit as planned, a smaller one comes first, so that there is a result in any
# case. The last round may be incomplete.

results = pd.DataFrame(search.cv_results_)
candidates = results.sort_values(["n_resources", "n_splits"]).drop_duplicates(
    "candidate_id", keep="last"
)
print(f"{len(candidates)} candidates in {results['repeat'].nunique()} rounds")
print(f"{results['n_splits'].sum()} evaluations")
print(f"{search.n_splits_ * len(candidates)} would be needed to evaluate all of them in full")

# %%
# The picture has the candidates in the order in which they entered the search. The filled dots
# are the finalists, which were evaluated with all trees on all splits.

default_score = cross_val_score(forest, X_train, y_train).mean()
candidates = candidates.sort_values("candidate_id")
number, score = candidates["candidate_id"] + 1, candidates["mean_test_score"]
is_final = (candidates["n_splits"] == search.n_splits_) & (
    candidates["n_resources"] == search.max_resources_
)
fig, ax = plt.subplots(layout="constrained")
ax.plot(number[~is_final], score[~is_final], "o", mfc="none", label="other candidates")
ax.plot(number[is_final], score[is_final], "o", color="tab:orange", label="finalists")
ax.step(number[is_final], score[is_final].cummax(), where="post", color="tab:orange")
ax.axhline(default_score, color="black", linestyle="--", label="forest as given")
ax.set(xlabel="candidate", ylabel="mean accuracy", ylim=(0.85, 1))
ax.set_title(f"A search of {limit.total_seconds():.0f} seconds")
ax.legend(loc="lower right")
plt.show()

# %%
# On images that no search saw:

print(f"forest as given: {forest.fit(X_train, y_train).score(X_test, y_test):.3f}")
print(f"search:          {search.score(X_test, y_test):.3f}")

# %%
# Before a long search, ``search.plan(X_train, y_train, timed=True)`` measures how long the
# search would take without a limit. A search of a night is best given a `journal` as well, so
# that it can be resumed (:ref:`sphx_glr_auto_examples_plot_08_resume.py`).
