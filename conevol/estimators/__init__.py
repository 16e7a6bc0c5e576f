"""Ways of estimating a network's accuracy, to compare with the exact one.

Names are imported when they are first used: the command line needs but one of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conevol.estimators.conditional import conditional_accuracy
    from conevol.estimators.estimate import Claim, Estimate
    from conevol.estimators.masks import mask_sequence_accuracy
    from conevol.estimators.prefix import prefix_accuracy
    from conevol.estimators.propagation import propagated_accuracy
    from conevol.estimators.pruning import pruned_mixture_accuracy
    from conevol.estimators.registry import Estimator, estimator, estimator_names
    from conevol.estimators.sampling import SampledAccuracy, gaussian_inputs, sample_accuracy
    from conevol.estimators.stratified import stratified_accuracy
    from conevol.estimators.top_patterns import top_patterns_accuracy

_HOME = {
    "Claim": "conevol.estimators.estimate",
    "Estimate": "conevol.estimators.estimate",
    "Estimator": "conevol.estimators.registry",
    "SampledAccuracy": "conevol.estimators.sampling",
    "conditional_accuracy": "conevol.estimators.conditional",
    "estimator": "conevol.estimators.registry",
    "estimator_names": "conevol.estimators.registry",
    "gaussian_inputs": "conevol.estimators.sampling",
    "mask_sequence_accuracy": "conevol.estimators.masks",
    "prefix_accuracy": "conevol.estimators.prefix",
    "propagated_accuracy": "conevol.estimators.propagation",
    "pruned_mixture_accuracy": "conevol.estimators.pruning",
    "sample_accuracy": "conevol.estimators.sampling",
    "stratified_accuracy": "conevol.estimators.stratified",
    "top_patterns_accuracy": "conevol.estimators.top_patterns",
}

__all__ = [
    "Claim",
    "Estimate",
    "Estimator",
    "SampledAccuracy",
    "conditional_accuracy",
    "estimator",
    "estimator_names",
    "gaussian_inputs",
    "mask_sequence_accuracy",
    "prefix_accuracy",
    "propagated_accuracy",
    "pruned_mixture_accuracy",
    "sample_accuracy",
    "stratified_accuracy",
    "top_patterns_accuracy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'conevol.estimators' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
