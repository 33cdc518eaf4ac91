"""
Time series
===========

Which model predicts the next days best, if what happened long ago counts less? Splits in time
order train on the past and test on what follows. If the number of samples is the resource,
candidates begin with the most recent ones.
"""

# %%
# The series is made up: the hourly load of a small power grid over 100 days, with a rhythm of
# the day that slowly shifts, weekends, and a trend. Each hour is to be predicted from what was
# known a day before.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import loguniform
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from skhyperband import HyperbandSearchCV

rng = np.random.default_rng(0)
times = pd.date_range("2026-01-01", periods=100 * 24, freq="h")
hours = np.arange(len(times))
weekend = np.isin(times.day_of_week, [5, 6])
noise = pd.Series(rng.normal(scale=2, size=len(times))).ewm(halflife=6).mean()
load = pd.Series(
    50
    + hours / 400
    + 8 * np.sin(2 * np.pi * (hours - hours / 300) / 24)
    + 3 * np.sin(4 * np.pi * hours / 24)
    - 6 * weekend
    + noise.to_numpy() / 2,
    index=times,
)
table = pd.DataFrame(
    {f"{lag} hours before": load.shift(lag) for lag in (24, 25, 26, 48, 72, 168)}
    | {
        "weekend": weekend.astype(float),
        "sine of the hour": np.sin(2 * np.pi * times.hour / 24),
        "cosine of the hour": np.cos(2 * np.pi * times.hour / 24),
        "day": hours / 24,
    }
).iloc[168:]
target = load.iloc[168:]
n_test = 14 * 24
X_train, X_test = table[:-n_test], table[-n_test:]
y_train, y_test = target[:-n_test], target[-n_test:]

# %%
# The search
# ----------
#
# `gap` leaves a day between training and test part, since nothing of the last day is known when
# the prediction is made. Of splits in time order, the last one comes first: the lower rungs are
# evaluated on what is most like the future.

model = make_pipeline(StandardScaler(), SVR())
search = HyperbandSearchCV(
    model,
    {
        "svr__C": loguniform(0.1, 300),
        "svr__gamma": loguniform(1e-4, 1),
        "svr__epsilon": loguniform(0.01, 3),
    },
    cv=TimeSeriesSplit(4, gap=24, test_size=14 * 24),
    scoring="neg_mean_absolute_error",
    n_jobs=2,
    random_state=0,
)
search.plan(X_train, y_train)

# %%
# The number of samples in the plan is that of all of `X_train`. Each split has the same share of
# its own training part.

search.fit(X_train, y_train)
print(search.best_params_)

# %%
# Two weeks that no search saw
# ----------------------------
#
# The simplest prediction is that each hour will be as it was a week ago.

predictions = {
    "as a week ago": X_test["168 hours before"],
    "defaults": model.fit(X_train, y_train).predict(X_test),
    "search": search.predict(X_test),
}
for name, prediction in predictions.items():
    print(f"{name:13}: mean absolute error {mean_absolute_error(y_test, prediction):.2f}")

# %%
# The last week:

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
week = slice(-7 * 24, None)
ax.plot(y_test.index[week], y_test.iloc[week], color="black", label="load")
for name in ("defaults", "search"):
    ax.plot(y_test.index[week], predictions[name][week], label=name)
ax.xaxis.set_major_formatter("{x}")
ax.set_xticks(
    y_test.index[week][12::24], [day.strftime("%a %d %b") for day in y_test.index[week][12::24]]
)
ax.set(ylabel="load in MW", title="Predicted a day ahead")
ax.legend(loc="upper right", ncols=3)
plt.show()
