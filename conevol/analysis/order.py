"""Mean and covariance of Gaussian inputs whose largest two entries have given places."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol.errors import ConevolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OrderMoments", "order_moments"]

# The trapezoidal rule with this step is exact to rounding for such integrands.
_REACH, _STEP = 12.0, 1.0 / 64.0


class OrderMoments(NamedTuple):
    """Moments of n standard Gaussians given which is largest and which is second.

    Attributes
    ----------
    mean : ndarray, shape (n,)
    covariance : ndarray, shape (n, n)
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


@cache
def _leading(n: int) -> tuple[float, float, float, float, float]:
    """E a, E b, E a^2, E b^2 and E ab of the largest a and the second b of n."""
    x = np.arange(-_REACH, _REACH + _STEP, _STEP)
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    below = np.array([0.5 * math.erfc(-v / math.sqrt(2.0)) for v in x])
    above = below[::-1]
    largest = n * density * below ** (n - 1) * _STEP
    second = n * (n - 1) * density * above * below ** (n - 2) * _STEP
    # The mean of an entry above y, times its probability, is the density at y.
    both = n * (n - 1) * density * density * below ** (n - 2) * _STEP
    return (
        float(x @ largest), float(x @ second), float(x**2 @ largest), float(x**2 @ second),
        float(x @ both),
    )  # fmt: skip


def order_moments(n: int, largest: int, second: int) -> OrderMoments:
    """Moments of n standard Gaussians given that two places hold the largest and the second.

    Parameters
    ----------
    n : int
        At least 2.
    largest, second : int
        Different places in 0 .. n - 1.

    Raises
    ------
    ConevolError
        If the places are equal or out of range.

    Notes
    -----
    One-dimensional integrals for the leading two; the others follow, for the sum of all entries
    is independent of their differences, hence of the order: every row of the covariance adds
    up to 1, and the mean to 0.  Good to about 1e-14.

    Examples
    --------
    >>> order_moments(10, 0, 1).mean.round(3)[:3]
    array([ 1.539,  1.001, -0.318])
    """
    if largest == second or not (0 <= largest < n and 0 <= second < n):
        raise ConevolError(
            f"places are {largest} and {second}, expected two different ones of 0 .. {n - 1}"
        )
    a, b, aa, bb, ab = _leading(n)
    others = [i for i in range(n) if i not in (largest, second)]
    mean, covariance = np.empty(n), np.empty((n, n))
    mean[largest], mean[second] = a, b
    covariance[largest, largest], covariance[second, second] = aa - a * a, bb - b * b
    covariance[largest, second] = covariance[second, largest] = ab - a * b
    if others:
        k = n - 2
        mean[others] = -(a + b) / k
        for place in (largest, second):
            rest = 1.0 - covariance[largest, place] - covariance[second, place]
            covariance[place, others] = covariance[others, place] = rest / k
        own = (n - aa - bb) / k - mean[others[0]] ** 2
        shared = covariance[largest, others[0]] + covariance[second, others[0]]
        between = (1.0 - own - shared) / (k - 1) if k > 1 else 0.0
        covariance[np.ix_(others, others)] = between
        covariance[others, others] = own
    return OrderMoments(mean, covariance)
