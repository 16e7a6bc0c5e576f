"""Exact fractions of polyhedral cones, and the exact accuracy of small ReLU networks.

>>> import conevol
>>> conevol.fraction([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
0.125
>>> result = conevol.accuracy(conevol.zoo.load("4/3"))
>>> 0.975 < result.value < 1.0
True

Names are imported when they are first used, so that ``import conevol`` stays fast.
No module has the name of a public function: importing it would hide the function.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from conevol._version import __version__

if TYPE_CHECKING:
    from conevol import analysis, errors, precision, surprise, symbolic, tasks, zoo
    from conevol._fraction import FractionResult, fraction
    from conevol._report import FractionReport
    from conevol.ascent import Ascent, ascend
    from conevol.bounds import AccuracyBounds, accuracy_bounds
    from conevol.cells import AccuracyResult, Cells, EnsembleAccuracy, accuracy
    from conevol.cone import Cone
    from conevol.derivative import WeightsGradient, accuracy_gradient
    from conevol.estimators import (
        Estimate,
        Estimator,
        SampledAccuracy,
        conditional_accuracy,
        estimator,
        gaussian_inputs,
        mask_sequence_accuracy,
        prefix_accuracy,
        propagated_accuracy,
        pruned_mixture_accuracy,
        sample_accuracy,
        top_patterns_accuracy,
    )
    from conevol.estimators.hybrid import HybridAccuracy, accuracy_hybrid
    from conevol.intrinsic import intrinsic_volumes, statistical_dimension
    from conevol.measures import Bounded, Moments, gradient, moments
    from conevol.network import Ensemble, LinearMaps, ReluRNN
    from conevol.orthant import orthant_probability
    from conevol.patterns import PatternLaw, pattern_fractions
    from conevol.tasks import Task

_HOME = {
    "AccuracyBounds": "conevol.bounds",
    "AccuracyResult": "conevol.cells",
    "Ascent": "conevol.ascent",
    "Bounded": "conevol.measures",
    "Cells": "conevol.cells",
    "Cone": "conevol.cone",
    "Ensemble": "conevol.network",
    "EnsembleAccuracy": "conevol.cells",
    "Estimate": "conevol.estimators",
    "Estimator": "conevol.estimators",
    "FractionReport": "conevol._report",
    "FractionResult": "conevol._fraction",
    "HybridAccuracy": "conevol.estimators.hybrid",
    "LinearMaps": "conevol.network",
    "Moments": "conevol.measures",
    "PatternLaw": "conevol.patterns",
    "ReluRNN": "conevol.network",
    "SampledAccuracy": "conevol.estimators",
    "Task": "conevol.tasks",
    "WeightsGradient": "conevol.derivative",
    "accuracy": "conevol.cells",
    "accuracy_bounds": "conevol.bounds",
    "accuracy_gradient": "conevol.derivative",
    "accuracy_hybrid": "conevol.estimators.hybrid",
    "ascend": "conevol.ascent",
    "conditional_accuracy": "conevol.estimators",
    "estimator": "conevol.estimators",
    "fraction": "conevol._fraction",
    "gaussian_inputs": "conevol.estimators",
    "gradient": "conevol.measures",
    "intrinsic_volumes": "conevol.intrinsic",
    "mask_sequence_accuracy": "conevol.estimators",
    "moments": "conevol.measures",
    "orthant_probability": "conevol.orthant",
    "pattern_fractions": "conevol.patterns",
    "prefix_accuracy": "conevol.estimators",
    "propagated_accuracy": "conevol.estimators",
    "pruned_mixture_accuracy": "conevol.estimators",
    "sample_accuracy": "conevol.estimators",
    "statistical_dimension": "conevol.intrinsic",
    "stratified_accuracy": "conevol.estimators",
    "top_patterns_accuracy": "conevol.estimators",
}
_MODULES = ("analysis", "errors", "precision", "surprise", "symbolic", "tasks", "zoo")

__all__ = [
    "AccuracyBounds",
    "AccuracyResult",
    "Ascent",
    "Bounded",
    "Cells",
    "Cone",
    "Ensemble",
    "EnsembleAccuracy",
    "Estimate",
    "Estimator",
    "FractionReport",
    "FractionResult",
    "HybridAccuracy",
    "LinearMaps",
    "Moments",
    "PatternLaw",
    "ReluRNN",
    "SampledAccuracy",
    "Task",
    "WeightsGradient",
    "__version__",
    "accuracy",
    "accuracy_bounds",
    "accuracy_gradient",
    "accuracy_hybrid",
    "analysis",
    "ascend",
    "conditional_accuracy",
    "errors",
    "estimator",
    "fraction",
    "gaussian_inputs",
    "gradient",
    "intrinsic_volumes",
    "mask_sequence_accuracy",
    "moments",
    "orthant_probability",
    "pattern_fractions",
    "precision",
    "prefix_accuracy",
    "propagated_accuracy",
    "pruned_mixture_accuracy",
    "sample_accuracy",
    "statistical_dimension",
    "surprise",
    "symbolic",
    "tasks",
    "top_patterns_accuracy",
    "zoo",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = import_module(f"conevol.{name}")
    else:
        raise AttributeError(f"module 'conevol' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
