"""Continued training: a promoted candidate is trained from where its last rung ended."""

from skhyperband._continuation.base import ContinuationRule, TrainingIncrement
from skhyperband._continuation.lightgbm_rules import LIGHTGBM_ROUNDS
from skhyperband._continuation.pipelines import TRANSFORMERS
from skhyperband._continuation.policy import RULES, Continuation, ContinuationStrategy

__all__ = [
    "LIGHTGBM_ROUNDS",
    "RULES",
    "TRANSFORMERS",
    "Continuation",
    "ContinuationRule",
    "ContinuationStrategy",
    "TrainingIncrement",
]
