"""Ways of estimating a network's accuracy, to compare with the exact one."""

from conevol.estimators.conditional import conditional_accuracy
from conevol.estimators.estimate import Claim, Estimate
from conevol.estimators.masks import mask_sequence_accuracy
from conevol.estimators.propagation import propagated_accuracy
from conevol.estimators.pruning import pruned_mixture_accuracy
from conevol.estimators.registry import Estimator, estimator, estimator_names
from conevol.estimators.sampling import SampledAccuracy, gaussian_inputs, sample_accuracy
from conevol.estimators.stratified import stratified_accuracy
from conevol.estimators.top_patterns import top_patterns_accuracy

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
    "propagated_accuracy",
    "pruned_mixture_accuracy",
    "sample_accuracy",
    "stratified_accuracy",
    "top_patterns_accuracy",
]
