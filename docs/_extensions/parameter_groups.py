"""Puts headings between the parameters and the attributes of the searches.

The docstrings have them in the order of the groups. numpydoc knows no headings within a
section, so they are added here, before the first entry of each group.
"""

GROUPS = {
    "Parameters": {
        "What is searched, and how it is scored": "estimator",
        "How much is tried": "n_candidates",
        "How it runs": "continue_training",
        "What comes out": "refit",
    },
    "Attributes": {
        "The best candidate": "best_estimator_",
        "What was measured": "cv_results_",
        "The schedule": "plan_",
        "As in scikit-learn": "scorer_",
    },
}
SEARCHES = ("skhyperband.HyperbandSearchCV", "skhyperband.SuccessiveHalvingSearchCV")


def add_headings(app, what, name, obj, options, lines):
    """Add the headings to the text that numpydoc has made of a docstring."""
    if name not in SEARCHES or what != "class":
        return
    for section, groups in GROUPS.items():
        start = lines.index(f":{section}:")
        for heading, first in groups.items():
            at = next(
                number
                for number, line in enumerate(lines[start:], start)
                if line.strip().startswith((f"**{first}**", f"{first} :"))
            )
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            lines[at:at] = [f"{indent}.. rubric:: {heading}", f"{indent}   :class: group", ""]


def setup(app):
    """Run after numpydoc."""
    app.setup_extension("numpydoc")
    app.connect("autodoc-process-docstring", add_headings, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
