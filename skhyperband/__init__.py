"""Hyperband and successive halving for scikit-learn estimators."""

from skhyperband._plan import Plan
from skhyperband._replay import read_journal
from skhyperband._results import RungTable
from skhyperband._search import HyperbandSearchCV, SuccessiveHalvingSearchCV

__all__ = [
    "HyperbandSearchCV",
    "Plan",
    "RungTable",
    "SuccessiveHalvingSearchCV",
    "read_journal",
]
__version__ = "0.1.0"
