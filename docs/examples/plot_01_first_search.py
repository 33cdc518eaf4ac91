"""
A first search on a real table
==============================

How much better than the defaults can a boosting model get on a small table, and what does a
search for that cost? The table has 442 patients with diabetes. Ten measurements of each are to
predict how far the disease has progressed a year later.
"""

# %%
# Three tenths of the patients are set aside. They play no part in any search.

import time

import matplotlib.pyplot as plt
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import RandomizedSearchCV, cross_val_score, train_test_split

from skhyperband import HyperbandSearchCV, SearchDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
print(X_train.head())

# %%
# What may vary
# -------------
#
# The search needs an estimator, and a list or a distribution for each parameter that may vary.
# The number of boosting iterations is not among them. It is the resource of this search: what
# candidates get more of if they do well.

model = HistGradientBoostingRegressor(max_iter=100, random_state=0)
space = {
    "learning_rate": loguniform(0.01, 0.5),
    "max_leaf_nodes": randint(2, 32),
    "min_samples_leaf": randint(2, 60),
    "max_features": uniform(0.1, 0.9),
    "l2_regularization": loguniform(1e-3, 100),
}
search = HyperbandSearchCV(model, space, n_jobs=2, random_state=0, verbose=1)

# %%
# What will be done
# -----------------
#
# Each line of the plan is a rung: how many candidates it has, with how many iterations they are
# fitted, and on how many of the five splits of the cross-validation. Its last line compares the
# cost with that of a random search over as many candidates.

plan = search.plan(X_train, y_train)
print(plan)

# %%
# The search
# ----------
#
# The model as it is comes first, for the comparison below. This also starts the worker processes,
# so that neither of the searches pays for that. With ``verbose=1`` there is a line for each level
# that has been evaluated.

default_score = cross_val_score(model, X_train, y_train, n_jobs=2).mean()

start = time.perf_counter()
search.fit(X_train, y_train)
seconds = time.perf_counter() - start

# %%
# Was it worth it?
# ----------------
#
# The search is compared with the model as it was, and with a random search that trains about as
# much. Scores are coefficients of determination: 1 is perfect, and 0 is what the mean of y would
# have. The first column is the mean over the five splits, the second is on the patients that
# were set aside. Those are only 133, so that a small difference between two models may be
# chance.

n_candidates = round(plan.cost() / search.n_splits_)
start = time.perf_counter()
random_search = RandomizedSearchCV(model, space, n_iter=n_candidates, n_jobs=2, random_state=0)
random_search.fit(X_train, y_train)
random_seconds = time.perf_counter() - start

default_test_score = model.fit(X_train, y_train).score(X_test, y_test)

print("                    candidates  cross-validated  set aside  seconds")
for name, n, score, test_score, took in [
    ("defaults", 1, default_score, default_test_score, 0),
    (
        "RandomizedSearchCV",
        n_candidates,
        random_search.best_score_,
        random_search.score(X_test, y_test),
        random_seconds,
    ),
    (
        "HyperbandSearchCV",
        plan.n_candidates,
        search.best_score_,
        search.score(X_test, y_test),
        seconds,
    ),
]:
    print(f"{name:18}  {n:10}  {score:15.3f}  {test_score:9.3f}  {took:7.1f}")

# %%
# The best candidate, with the resource that it was refitted with:

for name, value in search.best_params_.items():
    print(f"{name} = {value:.3g}")

# %%
# The picture shows each candidate on each of its rungs. Most candidates begin on the left, where an
# evaluation costs least, and two thirds of these end there. Only two of each round are evaluated in
# full.

SearchDisplay.from_estimator(search, kind="rungs")
plt.show()
