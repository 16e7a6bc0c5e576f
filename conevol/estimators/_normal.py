"""The normal distribution of arrays, without scipy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from conevol.errors import TaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN

# Of `cdf` and of `density`, by the rule of `Estimate`.
CDF_OPERATIONS, DENSITY_OPERATIONS = 3, 4

_erfc = np.frompyfunc(math.erfc, 1, 1)


def cdf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal distribution function, with full relative accuracy in the lower tail."""
    return 0.5 * np.asarray(_erfc(-x / math.sqrt(2.0)), dtype=np.float64)


def density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal density."""
    return np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def pairs_of(network: ReluRNN, estimator: str) -> list[tuple[int, int]]:
    """Places (largest, second) of a network that names the second largest.

    Raises
    ------
    TaskError
        If its task is another one, or n < 2.
    """
    if network.task != "second_argmax":
        raise TaskError(
            f"{estimator} knows the task 'second_argmax' only, got {network.task!r}: "
            "use sample_accuracy or conditional_accuracy"
        )
    if network.n < 2:
        raise TaskError(f"task 'second_argmax' needs n >= 2, got n = {network.n}")
    n = network.n
    return [(m, s) for m in range(n) for s in range(n) if m != s]


def roots(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrices (..., d, d) whose transposes times themselves are the covariances."""
    values, vectors = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(values, 0.0))[..., :, None] * np.swapaxes(vectors, -1, -2)


def root_operations(d: int) -> int:
    """Of one matrix of `roots`.

    The symmetric QR algorithm with vectors is charged its textbook 9 d^3 flops (Golub and Van
    Loan, 4th ed., section 8.3), two of them a multiply-add; LAPACK's own are not seen.
    """
    return 9 * d**3 // 2 + d + d * d
