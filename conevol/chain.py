"""Orthant probabilities of Gaussian chains, and independent blocks of a covariance.

A covariance is a chain where, after a permutation, only neighbours are correlated: the graph
of its non-zero entries is a path, or several disjoint ones.  Zeros are zeros of the doubles.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from conevol.kernels import chain as _chain
from conevol.kernels.chain_rules import PANEL, rules
from conevol.parallel import for_ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.kernels.chain_rules import Rules

__all__ = ["SMALLEST", "WORST_ERROR", "blocks_of", "chain_probabilities"]

# -log of the probability that a chain is taken beyond its panels.
_TAIL = 39.1
# Panels are shorter where A_k is large: H_k falls like exp(-0.8 sqrt(A_k) t).
_STEEP = 2.0
_SHORTER = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
# Geometric panels that a table has at least, and at most: for features of 1e-18.
_SHELLS, _MOST_SHELLS = 16, 160
# What underflow may cost, and the worst relative error of a value.
SMALLEST, WORST_ERROR = 2.0**-1074, 1e-6


def chain_probabilities(
    covs: NDArray[np.float64], threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """P(Y >= 0) of N covariances (N, d, d), d >= 2, that are chains, and bounds of relative errors.

    Variances are of the size of 1.  The bound is infinite for what is no chain or is
    not definite.  The last array says which are in several independent blocks.
    """
    count, d = covs.shape[:2]
    c, needs = np.empty((count, d - 1)), np.empty((count, 2))
    statuses, results = np.empty((count, 2), np.int64), np.full((count, 3), np.inf)
    chunk = max(1, 256 // d)
    for_ranges(partial(_chain.read_chains, covs, c, needs, statuses), count, chunk, threads)
    groups: dict[tuple[float, int], list[int]] = {}
    for i, status in enumerate(statuses[:, 0].tolist()):
        if status == _chain.DOUBTFUL:
            status = _in_integers(covs[i], c[i], needs[i])
        if status == _chain.OK and needs[i, 0] <= _MOST_SHELLS:
            groups.setdefault(_table(needs[i, 0], needs[i, 1]), []).append(i)
    for (panel, shells), members in groups.items():
        arguments = c, np.array(members), _rules(d, panel, shells), results
        for_ranges(partial(_chain.chain_range, *arguments), len(members), chunk, threads)
    values, exponents, errors = results.T
    known = errors < math.inf
    values = np.ldexp(np.where(known, values, 0.0), np.where(known, exponents, 0.0).astype(int))
    return values, errors + d * math.exp(-_TAIL), statuses[:, 1] > 1


def _in_integers(
    cov: NDArray[np.float64], c: NDArray[np.float64], needs: NDArray[np.float64]
) -> int:
    """What `read_chains` does, for a chain whose pivots double-double does not know.

    With D_k the leading minors, c_(k+1)^2 = b_k^2 D_(k-1) / D_(k+1), b_k the covariances.
    """
    d = len(cov)
    order = np.concatenate(blocks_of(cov))
    a = [x.as_integer_ratio() for x in cov[order, order].tolist()]
    b = [x.as_integer_ratio() for x in cov[order[:-1], order[1:]].tolist()]
    unit = max(q for _, q in a + b)
    before, minor = 1, a[0][0] * (unit // a[0][1])
    for k, (p, q) in enumerate(b):
        beside, variance = p * (unit // q), a[k + 1][0] * (unit // a[k + 1][1])
        square = beside * beside * before
        before, minor = minor, variance * minor - beside * beside * before
        if minor <= 0:
            return _chain.NOT_DEFINITE
        c[k] = math.copysign(math.sqrt(square / minor), p)
    needs[:] = _chain.plan(c, np.empty((d, 2, 2)), np.empty((d, 2), np.int64))
    return _chain.OK


def _table(shells: float, steepness: float) -> tuple[float, int]:
    """Length of panels and number of geometric ones in the rules for a chain."""
    steep = math.sqrt(steepness) / _STEEP
    panel = PANEL / next((s for s in _SHORTER if s >= steep), _SHORTER[-1])
    return panel, max(_SHELLS, 1 << math.ceil(math.log2(max(shells, 1.0))))


def _rules(d: int, panel: float, shells: int) -> Rules:
    """Rules for chains of d variables.

    The squared length of a Gaussian point in a cone is chi-squared with d degrees of freedom,
    whatever the cone; panels end where that has a tail of exp(-_TAIL) (Laurent and Massart 2000,
    lemma 1).  One panel more is for what lies beyond.
    """
    top = math.sqrt(d + 2.0 * math.sqrt(d * _TAIL) + 2.0 * _TAIL)
    return rules(panel, math.ceil(top / panel) + 1, shells)


def blocks_of(cov: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Indices of the independent blocks of a covariance (d, d)."""
    d = len(cov)
    order, ends = np.empty(d, np.int64), np.empty(d, np.int64)
    blocks, _ = _chain.components(cov, order, ends, np.empty(d, np.bool_))
    return np.split(order, ends[: blocks - 1])
