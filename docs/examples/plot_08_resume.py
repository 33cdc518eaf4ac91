"""
Resuming a search that was killed
=================================

What is lost if the machine goes down in the middle of a search? With `journal`, only the
evaluations that were running. To show it, this example starts a search in a process of its own,
kills the process, and resumes the search.
"""

# %%
# The program below runs the search. Every evaluation that is finished is written to the file
# that `journal` names. To have time for the kill, the search is made slower than it is: scoring
# takes a twentieth of a second more.

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd

from skhyperband import read_journal

PROGRAM = """
import sys, time
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.svm import SVC
from skhyperband import HyperbandSearchCV

def accuracy(estimator, X, y):
    time.sleep(0.05)
    return estimator.score(X, y)

search = HyperbandSearchCV(
    SVC(),
    {"C": loguniform(0.01, 100), "gamma": loguniform(1e-5, 1e-2)},
    scoring=accuracy,
    random_state=0,
    journal=sys.argv[1],
)
search.fit(*load_digits(return_X_y=True))
print(f"best score {float(search.best_score_)!r} with {search.best_params_}")
print(search.n_replayed_, "evaluations were taken from the journal")
"""
folder = tempfile.TemporaryDirectory()
program = Path(folder.name, "program.py")
program.write_text(PROGRAM)
journal = Path(folder.name, "search.sqlite")

# %%
# A journal can be read while a search writes to it. As soon as it has forty evaluations, the
# process is killed. ``SIGKILL`` is what the system sends when memory has run out: a program
# cannot catch it, and nothing of it is cleaned up.

process = subprocess.Popen([sys.executable, program, journal])
while not journal.exists() or len(read_journal(journal)) < 40:
    assert process.poll() is None, "The search ended before it could be killed."
    time.sleep(0.2)
os.kill(process.pid, signal.SIGKILL)
print("the process ended with", signal.Signals(-process.wait()).name)
killed = pd.Timestamp.now("UTC").tz_localize(None)
before = read_journal(journal)
print(f"{len(before)} evaluations are in the journal")

# %%
# To resume the search, run it again with the same file. The evaluations in the journal are not
# repeated, however many there are.

resumed = subprocess.run(
    [sys.executable, program, journal], capture_output=True, text=True, check=True
)
print(resumed.stdout)

# %%
# The result is the one that the search would have had without the kill, to the last digit:

undisturbed = subprocess.run(
    [sys.executable, program, Path(folder.name, "other.sqlite")],
    capture_output=True,
    text=True,
    check=True,
)
print(undisturbed.stdout)

# %%
# The journal as a table
# ----------------------
#
# ``read_journal`` has a row for each evaluation, with the parameters, scores and times.

evaluations = read_journal(journal)
evaluations.sort_values("test_score", ascending=False).head()

# %%
# The last column is the time at which an evaluation was finished. The gap in the picture is the
# time that the second process needed to start.

fig, ax = plt.subplots(layout="constrained")
n_evaluations = range(1, len(evaluations) + 1)
ax.step(evaluations["finished"], n_evaluations, where="post", label="evaluations in the journal")
ax.axvline(killed, color="tab:red", linestyle="--", label="killed")
ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
ax.set(xlabel="time (UTC)", ylabel="evaluations", title="Killed, and resumed from the journal")
ax.legend()
plt.show()
folder.cleanup()
