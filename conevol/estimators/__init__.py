"""Ways of estimating a network's accuracy, to compare with the exact one."""

from conevol.estimators.estimate import Claim, Estimate
from conevol.estimators.sampling import SampledAccuracy, gaussian_inputs, sample_accuracy

__all__ = ["Claim", "Estimate", "SampledAccuracy", "gaussian_inputs", "sample_accuracy"]
