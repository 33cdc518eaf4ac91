"""Rule of continued training for skorch's nets."""

from typing import Any

from skhyperband._continuation.base import ContinuationRule, TrainingIncrement


def _continue_skorch(fitted: Any, increment: TrainingIncrement) -> Any:
    fitted.partial_fit(*increment.data, epochs=increment.added, **increment.fit_params)
    return fitted.set_params(**{increment.resource: increment.total})


def _skorch_stopped(fitted: Any, increment: TrainingIncrement) -> bool:
    return len(fitted.history) < increment.before


RULES = (
    ContinuationRule(
        (
            "skorch.NeuralNetClassifier",
            "skorch.NeuralNetBinaryClassifier",
            "skorch.NeuralNetRegressor",
            "skorch.NeuralNet",
        ),
        ("max_epochs",),
        _continue_skorch,
        has_stopped=_skorch_stopped,
    ),
)
