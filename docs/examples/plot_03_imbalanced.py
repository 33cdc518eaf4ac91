"""
A rare class, and columns of different kinds
============================================

How is a whole pipeline tuned for a class that is rare? Each row of the table is a function in
the source code of scikit-learn, as it is installed here. The rare class is the functions
that warn their caller, about one in twenty.
"""

# %%
# The table is made on the spot: the functions of the package are parsed, and described by four
# columns of text and eight of numbers. Whether one of them calls a function named ``warn`` is
# what is to be predicted.

import ast
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import sklearn
from scipy.stats import loguniform, randint, uniform
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import PrecisionRecallDisplay, f1_score, precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from skhyperband import HyperbandSearchCV


def called_name(call):
    """Return the name of the function that a call calls."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def describe(function, file):
    """Return the row of a function."""
    parts = list(ast.walk(function))
    calls = [part for part in parts if isinstance(part, ast.Call)]
    arguments = function.args.args + function.args.kwonlyargs
    return {
        "folder": file.parent.name,
        "first word": function.name.strip("_").partition("_")[0],
        "visibility": "private" if function.name.startswith("_") else "public",
        "kind": "method" if arguments and arguments[0].arg == "self" else "function",
        "lines": function.end_lineno - function.lineno + 1,
        "arguments": len(arguments),
        "decorators": len(function.decorator_list),
        "words of docstring": len((ast.get_docstring(function) or "").split()),
        "calls": len(calls),
        "ifs": sum(isinstance(part, ast.If) for part in parts),
        "loops": sum(isinstance(part, ast.For | ast.While) for part in parts),
        "errors raised": sum(isinstance(part, ast.Raise) for part in parts),
        "warns": any(called_name(call) == "warn" for call in calls),
    }


files = sorted(Path(sklearn.__file__).parent.rglob("*.py"))
table = pd.DataFrame(
    [
        describe(part, file)
        for file in files
        if not {"tests", "externals"} & set(file.parts)
        for part in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(part, ast.FunctionDef)
    ]
)
print(f"{len(table)} functions, {table['warns'].mean():.1%} of which warn")
table.sample(5, random_state=0)

# %%
# A pipeline
# ----------
#
# Text columns are encoded, numbers pass. How rare a category must be to be merged with the other
# rare ones is a parameter of the encoder, and is searched over together with those of the model.
# A parameter of a step has the names of the steps in front of it.
#
# With a rare class, accuracy says little: a model that never expects a warning is right nearly
# always. F1, the harmonic mean of precision and recall, is 0 for it. `class_weight` is a
# parameter like any other.

X, y = table.drop(columns="warns"), table["warns"]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

texts = ["folder", "first word", "visibility", "kind"]
encoder = OneHotEncoder(
    handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False
)
pipeline = Pipeline(
    [
        ("columns", ColumnTransformer([("texts", encoder, texts)], remainder="passthrough")),
        ("model", HistGradientBoostingClassifier(max_iter=60, random_state=0)),
    ]
)
space = {
    "columns__texts__min_frequency": randint(5, 100),
    "model__class_weight": [None, "balanced"],
    "model__learning_rate": loguniform(0.02, 0.5),
    "model__max_leaf_nodes": randint(3, 32),
    "model__min_samples_leaf": randint(5, 60),
    "model__max_features": uniform(0.1, 0.9),
    "model__l2_regularization": loguniform(0.01, 100),
}
search = HyperbandSearchCV(pipeline, space, scoring="f1", n_jobs=2, random_state=0)
search.fit(X_train, y_train)
print(
    f"{search.n_candidates_[0]} candidates on the first rung, with {search.resource_} as the resource"
)
for name, value in search.best_params_.items():
    print(f"{name} = {value if isinstance(value, str | None) else format(value, '.3g')}")

# %%
# What came of it
# ---------------
#
# Both pipelines are tried on functions that neither has seen.

pipeline.fit(X_train, y_train)
models = {"defaults": pipeline, "search": search}
for name, fitted in models.items():
    predicted = fitted.predict(X_test)
    print(
        f"{name:8}: F1 {f1_score(y_test, predicted):.2f}, "
        f"precision {precision_score(y_test, predicted):.2f}, "
        f"recall {recall_score(y_test, predicted):.2f}"
    )

# %%
# The curves show what other thresholds of the predicted probability would give. The dots are the
# predictions above. A better F1 may come from a better model, whose curve is higher, or from a
# better place on the same curve, which is what class weights can change.

fig, ax = plt.subplots(layout="constrained")
for name, fitted in models.items():
    display = PrecisionRecallDisplay.from_estimator(fitted, X_test, y_test, name=name, ax=ax)
    predicted = fitted.predict(X_test)
    ax.plot(
        recall_score(y_test, predicted),
        precision_score(y_test, predicted),
        "o",
        markersize=10,
        color=display.line_.get_color(),
    )
ax.set(title="Which functions warn?", xlabel="recall", ylabel="precision")
plt.show()
