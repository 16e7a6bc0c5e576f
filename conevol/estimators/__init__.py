"""Ways of estimating a network's accuracy, to compare with the exact one."""

from conevol.estimators.estimate import Claim, Estimate
from conevol.estimators.registry import Estimator, estimator, estimator_names
from conevol.estimators.sampling import SampledAccuracy, gaussian_inputs, sample_accuracy

__all__ = [
    "Claim",
    "Estimate",
    "Estimator",
    "SampledAccuracy",
    "estimator",
    "estimator_names",
    "gaussian_inputs",
    "sample_accuracy",
]
