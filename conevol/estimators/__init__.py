"""Ways of estimating a network's accuracy, to compare with the exact one."""

from conevol.estimators.sampling import SampledAccuracy, gaussian_inputs, sample_accuracy

__all__ = ["SampledAccuracy", "gaussian_inputs", "sample_accuracy"]
