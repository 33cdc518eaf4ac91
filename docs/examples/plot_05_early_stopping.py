"""
Early stopping in LightGBM
==========================

Who decides how many rounds of boosting a candidate gets, the search or early stopping? Both can:
the rungs of the search, if the number of rounds is the resource, or LightGBM itself, if the
resource is the number of samples. This example does both on the same data.
"""

# %%
# The data are made up, with the function known as Friedman 1: ten columns, of which five matter,
# and noise with a standard deviation of 1. No model can have a mean squared error below 1.

import time

import matplotlib.pyplot as plt
from lightgbm import LGBMRegressor, early_stopping
from scipy.stats import loguniform, randint
from sklearn.datasets import make_friedman1
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

from skhyperband import HyperbandSearchCV

X, y = make_friedman1(n_samples=3000, noise=1, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1000, random_state=0)
space = {
    "learning_rate": loguniform(0.03, 0.5),
    "num_leaves": randint(3, 32),
    "min_child_samples": randint(5, 60),
    "reg_lambda": loguniform(0.01, 100),
}
# Two evaluations run at a time, so that each model gets one thread.
common = {"n_jobs": 2, "scoring": "neg_mean_squared_error", "cv": 3, "random_state": 0}

# %%
# The search decides
# ------------------
#
# By default, the number of rounds is the resource. A promising candidate is trained further from
# where its last rung ended, which gives the model that a fresh fit would give. All finalists
# have the 150 rounds of the estimator.

by_rounds = HyperbandSearchCV(
    LGBMRegressor(n_estimators=150, n_jobs=1, verbose=-1), space, **common
)
start = time.perf_counter()
by_rounds.fit(X_train, y_train)
rounds_seconds = time.perf_counter() - start
print(by_rounds.resource_, by_rounds.n_resources_)

# %%
# Early stopping decides
# ----------------------
#
# LightGBM stops when the score on an evaluation set has not improved for a number of rounds. The
# set and the callback are passed to `fit` of the search, which passes them on to every fit.
# (LightGBM before 4.7 takes the set as ``eval_set=[(X_stop, y_stop)]``.) Two things matter:
#
# - The rows of the evaluation set must not be among those that the search gets. Otherwise they
#   would also be in the test parts of the cross-validation, and its scores would be too good.
# - The number of rounds is then only an upper bound, and is of no use as the resource. The
#   resource is the number of samples.
#
# Training cannot be continued from rung to rung here, so that each rung fits its candidates
# afresh.

X_fit, X_stop, y_fit, y_stop = train_test_split(X_train, y_train, test_size=0.2, random_state=0)
by_samples = HyperbandSearchCV(
    LGBMRegressor(n_estimators=1000, n_jobs=1, verbose=-1), space, resource="n_samples", **common
)
start = time.perf_counter()
by_samples.fit(
    X_fit,
    y_fit,
    eval_X=X_stop,
    eval_y=y_stop,
    callbacks=[early_stopping(10, verbose=False)],
)
samples_seconds = time.perf_counter() - start
print(by_samples.resource_, by_samples.n_resources_)

# %%
# The refit of the best candidate stops by itself as well:

print(f"{by_samples.best_estimator_.best_iteration_} of at most 1000 rounds")

# %%
# What came of it
# ---------------

default = LGBMRegressor(n_jobs=1, verbose=-1).fit(X_train, y_train)
print("                    error on rows that were set aside   seconds")
for name, model, seconds in [
    ("defaults", default, 0),
    ("rounds by the search", by_rounds, rounds_seconds),
    ("early stopping", by_samples, samples_seconds),
]:
    error = mean_squared_error(y_test, model.predict(X_test))
    print(f"{name:20}  {error:32.3f}  {seconds:7.1f}")

# %%
# The first way trains on all rows and lets the rungs save time. The second needs rows of its
# own, but adapts the number of rounds to each learning rate. The curves show the error of both
# models after each number of rounds; the dots are where the models ended.

fig, ax = plt.subplots(layout="constrained")
for name, search in {"rounds by the search": by_rounds, "early stopping": by_samples}.items():
    booster = search.best_estimator_.booster_
    n_rounds = booster.current_iteration()
    used = search.best_estimator_.best_iteration_ or n_rounds
    rounds = range(1, n_rounds + 1)
    errors = [mean_squared_error(y_test, booster.predict(X_test, num_iteration=i)) for i in rounds]
    (line,) = ax.plot(rounds, errors, label=name)
    ax.plot(used, errors[used - 1], "o", color=line.get_color())
ax.axhline(1, color="black", linestyle="--", label="noise in the data")
ax.set(xlabel="rounds", ylabel="mean squared error", ylim=(0, 8))
ax.set_title("Where the search stops, and where LightGBM does")
ax.legend()
plt.show()
