"""
Texts
=====

Which parts of SciPy do the descriptions of its functions come from, and how many words, which
words and how strong a penalty does a linear model need to tell? The texts are the docstrings of
the SciPy that is installed here.
"""

# %%
# Only what stands above the list of parameters is used: a few sentences that say what a function
# does. Docstrings that are in SciPy more than once are used once, and parts of SciPy with fewer
# than twenty of them are left out.

import importlib
import inspect

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skhyperband import HyperbandSearchCV

PARTS = "fft integrate interpolate io linalg ndimage optimize signal sparse spatial special stats"


def descriptions(part):
    """Yield what the docstrings in a part of SciPy say above their first heading."""
    module = importlib.import_module(f"scipy.{part}")
    for name in module.__all__:
        text = inspect.getdoc(getattr(module, name)) or ""
        yield text.partition("\n\nParameters\n")[0].partition("\n\nNotes\n")[0]


part_of = {
    text: part for part in PARTS.split() for text in descriptions(part) if len(text.split()) > 5
}
texts = pd.Series(part_of).rename_axis("text").reset_index(name="part")
texts = texts[texts.groupby("part")["part"].transform("size") >= 20]
print(texts["part"].value_counts())

# %%
# The search
# ----------
#
# Weights of words and model are one pipeline, and both are searched over. The training of a
# logistic regression cannot be continued exactly, so that the resource is the number of texts.
# Parts of SciPy differ in size. ``"f1_macro"`` counts each of them alike.

X_train, X_test, y_train, y_test = train_test_split(
    texts["text"], texts["part"], stratify=texts["part"], test_size=0.3, random_state=0
)
pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
space = {
    "tfidfvectorizer__ngram_range": [(1, 1), (1, 2)],
    "tfidfvectorizer__sublinear_tf": [False, True],
    "tfidfvectorizer__max_df": uniform(0.1, 0.9),
    "tfidfvectorizer__min_df": randint(1, 5),
    "logisticregression__C": loguniform(0.1, 300),
    "logisticregression__class_weight": [None, "balanced"],
}
search = HyperbandSearchCV(
    pipeline, space, scoring="f1_macro", initial_candidates=[{}], n_jobs=2, random_state=0
)
search.plan(X_train, y_train)

# %%
# ``initial_candidates=[{}]`` makes the pipeline as it is one of the candidates, so that the others
# have to compete with it.

search.fit(X_train, y_train)
for name, value in search.best_params_.items():
    print(f"{name} = {value}")
pipeline.fit(X_train, y_train)
for name, fitted in {"as it was": pipeline, "search": search}.items():
    score = f1_score(y_test, fitted.predict(X_test), average="macro")
    print(f"{name:9}: F1 {score:.3f} on texts that were set aside")

# %%
# What is still confused
# ----------------------
#
# Rows are where a text comes from, columns where the model found by the search thinks that it
# does.

fig, ax = plt.subplots(figsize=(6.4, 6.4), layout="constrained")
ConfusionMatrixDisplay.from_predictions(
    y_test, search.predict(X_test), xticks_rotation="vertical", cmap="Blues", colorbar=False, ax=ax
)
ax.set(xlabel="predicted part of SciPy", ylabel="part of SciPy")
plt.show()
