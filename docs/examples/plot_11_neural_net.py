"""
A neural net
============

Which learning rate, width and dropout suit a small neural net, if each epoch costs time? The
number of epochs is the resource: nets that learn badly are dropped after a few of them, the
others go on training.
"""

# %%
# skorch makes a scikit-learn classifier of a PyTorch module. The images of handwritten digits
# have 64 pixels, with values from 0 to 16.

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from skorch import NeuralNetClassifier
from torch import nn

from skhyperband import HyperbandSearchCV

torch.manual_seed(0)
torch.set_num_threads(1)  # A net this small is not faster with more.
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    (X / 16).astype(np.float32), y, stratify=y, random_state=0
)


class Net(nn.Module):
    """A net with one hidden layer."""

    def __init__(self, width=32, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 10)
        )

    def forward(self, X):
        """Return the logits of the ten digits."""
        return self.layers(X)


net = NeuralNetClassifier(
    Net,
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=0.001,
    batch_size=64,
    max_epochs=12,
    train_split=None,
    verbose=0,
)

# %%
# The search
# ----------
#
# The parameters of the module and of the optimizer have the names that skorch gives them. skorch
# draws the order of the batches anew when training is continued, so that the result differs from
# that of a fresh fit. ``continue_training=True`` says that this is welcome: no epoch is trained
# twice.

search = HyperbandSearchCV(
    net,
    {
        "lr": loguniform(1e-4, 0.1),
        "batch_size": [64, 128, 256],
        "module__width": randint(8, 128),
        "module__dropout": uniform(0, 0.5),
        "optimizer__weight_decay": loguniform(1e-6, 1e-2),
    },
    resource="max_epochs",
    min_resources=1,
    continue_training=True,
    n_repeats=1,
    cv=3,
    random_state=0,
)
search.plan(X_train, y_train)

# %%
# Nets that were trained in one process stay as they are between the rungs, and go on from there.
# For large nets on a GPU, leave `n_jobs` at 1: one net at a time has the device.

search.fit(X_train, y_train)
results = search.cv_results_
epochs = (results["n_resources_trained"] * results["n_splits"]).sum()
print(search.best_params_)
print(f"{epochs:.0f} epochs were trained")
print(f"{(results['n_resources'] * results['n_splits']).sum()} without continuing")

# %%
# What came of it
# ---------------

net.fit(X_train, y_train)
print(f"net as given: {net.score(X_test, y_test):.3f} on images that were set aside")
print(f"search:       {search.score(X_test, y_test):.3f}")

# %%
# Each line is a net, from rung to rung. A net with a low learning rate may still be far from its
# best after the first epochs; the brackets that begin with more epochs are there for such nets.

fig, ax = plt.subplots(layout="constrained")
norm = plt.matplotlib.colors.LogNorm(1e-4, 0.1)
for candidate in np.unique(results["candidate_id"]):
    rows = results["candidate_id"] == candidate
    rate = results["param_lr"][rows][0]
    ax.plot(
        results["n_resources"][rows],
        results["mean_test_score"][rows],
        "o-",
        color=plt.colormaps["viridis"](norm(rate)),
    )
fig.colorbar(plt.cm.ScalarMappable(norm, "viridis"), ax=ax, label="learning rate")
ax.set_xscale("log")
ticks = np.unique(results["n_resources"])
ax.set_xticks(ticks, [str(tick) for tick in ticks])
ax.minorticks_off()
ax.set(xlabel="epochs", ylabel="mean accuracy", title="Nets that learn well go on")
plt.show()
