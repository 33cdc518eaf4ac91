"""Hyperband and successive halving for scikit-learn estimators."""

from skhyperband._display import SearchDisplay
from skhyperband._journal import read_journal
from skhyperband._plan import Plan
from skhyperband._records import LevelResult
from skhyperband._results import RungTable
from skhyperband._samplers import Sampler
from skhyperband._search import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._to_optuna import to_optuna

__all__ = [
    "HyperbandSearchCV",
    "LevelResult",
    "Plan",
    "RungTable",
    "Sampler",
    "SearchDisplay",
    "SuccessiveHalvingSearchCV",
    "read_journal",
    "to_optuna",
]
__version__ = "0.1.0"
