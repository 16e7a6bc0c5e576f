"""P(Y >= 0) for Gaussian Y of a given covariance: a simplicial cone known by its Gram matrix.

With cov = A A^T, Y = A x is in the orthant when x is in the cone A x >= 0.  The distances of
`conevol.kernels.simplicial` need only cov and an axis u = A^T w with w > 0, which is inside the
dual cone whatever the rounding of w; a Cholesky factor serves to choose w and no more.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import kernel
from conevol.kernels.axis import choose_axes
from conevol.kernels.doubledouble import (
    dd_add,
    dd_div,
    dd_fma,
    dd_fma_doubles,
    dd_fms,
    dd_mul,
    dd_sqrt,
)
from conevol.kernels.integral import integrate
from conevol.kernels.simplicial import elimination_loss, subset_geometry, work_rows

OK, NOT_DEFINITE, ILL_CONDITIONED = 0, 1, 2
# A pivot below this share of its variance is not certainly positive in double-double.
LEAST_PIVOT = 2.0**-80


@kernel
def unit_variances(cov, scaled):
    """The covariances (n, d, d) with variances in [1/4, 1), by powers of two; zeros stay.

    False if one is not finite, not symmetric or has a negative variance.
    """
    count, d = cov.shape[:2]
    half = np.empty(d, np.int64)
    for n in range(count):
        for i in range(d):
            if not 0.0 <= cov[n, i, i] < np.inf:
                return False
            half[i] = (math.frexp(cov[n, i, i])[1] + 1) // 2
        for i in range(d):
            for j in range(i + 1):
                c = cov[n, i, j]
                if not (abs(c) < np.inf and c == cov[n, j, i]):
                    return False
                # In one step, 2^-(half_i + half_j) might overflow.
                c = math.ldexp(math.ldexp(c, -half[i]), -half[j])
                scaled[n, i, j], scaled[n, j, i] = c, c
    return True


@kernel
def cholesky(cov, hi, lo):
    """Lower triangular hi + lo with (hi + lo)(hi + lo)^T = cov in double-double.

    False if a pivot is not certainly positive.  Requires variances of the size of 1.
    """
    d = cov.shape[0]
    hi[:] = 0.0
    lo[:] = 0.0
    for i in range(d):
        for j in range(i + 1):
            sh, sl = cov[i, j], 0.0
            for t in range(j):
                sh, sl = dd_fms(sh, sl, hi[i, t], lo[i, t], hi[j, t], lo[j, t])
            if i > j:
                hi[i, j], lo[i, j] = dd_div(sh, sl, hi[j, j], lo[j, j])
            elif not sh > LEAST_PIVOT * d * cov[i, i]:
                return False
            else:
                hi[i, i], lo[i, i] = dd_sqrt(sh, sl)
    return True


@kernel
def inverse_columns(hi, rays, sizes):
    """Unit columns of the inverse of the lower triangular hi as rows of rays; their lengths."""
    d = hi.shape[0]
    for j in range(d):
        square = 0.0
        for i in range(d):
            s = 1.0 if i == j else 0.0
            for t in range(j, i):
                s -= hi[i, t] * rays[j, t]
            rays[j, i] = s / hi[i, i] if i >= j else 0.0
            square += rays[j, i] * rays[j, i]
        sizes[j] = math.sqrt(square)
        for i in range(d):
            rays[j, i] /= sizes[j]


@kernel
def weigh(rays, sizes, axis, w):
    """Weights w of the rows of A with A^T w = axis; whether all are positive."""
    positive = True
    for j in range(axis.size):
        s = 0.0
        for l in range(axis.size):
            s += rays[j, l] * axis[l]
        w[j] = s * sizes[j]
        positive = positive and w[j] > 0.0
    return positive


@kernel
def covariance_gram(cov, w, hi, lo, ah, al):
    """Level 0 of `subset_geometry`'s workspace: alpha = cov w / |A^T w|, M = cov - alpha alpha^T.

    Returns the amplification of the roundings of alpha: the largest sum |cov_kl| w_l / |A^T w|.
    """
    d = w.size
    nh, nl, largest = 0.0, 0.0, 0.0
    for i in range(d):
        sh, sl, size = 0.0, 0.0, 0.0
        for l in range(d):
            sh, sl = dd_fma_doubles(sh, sl, cov[i, l], w[l])
            size += abs(cov[i, l]) * w[l]
        ah[0, i], al[0, i] = sh, sl
        nh, nl = dd_fma(nh, nl, sh, sl, w[i], 0.0)
        largest = max(largest, size)
    nh, nl = dd_sqrt(nh, nl)
    for i in range(d):
        ah[0, i], al[0, i] = dd_div(ah[0, i], al[0, i], nh, nl)
        for j in range(i + 1):
            sh, sl = dd_mul(ah[0, i], al[0, i], ah[0, j], al[0, j])
            hi[0, i, j], lo[0, i, j] = dd_add(cov[i, j], 0.0, -sh, -sl)
    return largest / nh


@kernel
def orthant_fraction(cov, dims, pointer, facets, rtol, factor, work):
    """P(Y >= 0), Y ~ N(0, cov), cov (d, d) with variances of the size of 1, d >= 2; its bound.

    The lattice is `boolean_lattice(d)`, factor (2, d, d) receives the Cholesky factor in
    double-double, work is `work_rows(d)`.  Returns (status, value, bound).
    """
    d = cov.shape[0]
    if not cholesky(cov, factor[0], factor[1]):
        return NOT_DEFINITE, 0.0, 1.0
    rays, sizes, w, axes = np.empty((d, d)), np.empty(d), np.empty(d), np.empty((2, d))
    inverse_columns(factor[0], rays, sizes)
    choices = choose_axes(factor[0], np.arange(d), rays, axes)
    kappa, lengths, h = np.empty(dims.size), np.empty(dims.size), np.empty(facets.size)
    matrices, vectors = np.empty((2, d, d, d)), np.empty((2, d + 2, d))
    status, value, bound = ILL_CONDITIONED, 0.0, 1.0
    for c in range(choices):
        if not weigh(rays, sizes, axes[c], w):
            continue
        grown = covariance_gram(cov, w, matrices[0], matrices[1], vectors[0], vectors[1])
        kappa_max, worst = subset_geometry(kappa, h, lengths, matrices, vectors, None)
        loss = elimination_loss(d, worst) * (1.0 + grown)
        if not loss < 1e-16:
            continue
        v, b, _ = integrate(dims, pointer, facets, kappa, h, lengths, kappa_max, loss, rtol, work)
        if status != OK or b < bound:
            status, value, bound = OK, v, b
        if bound <= rtol * value:
            break
    return status, value, bound


@kernel
def orthant_range(covs, dims, pointer, facets, rtol, start, stop, values, bounds, statuses):
    """`orthant_fraction` of covariances start..stop of covs (N, d, d), each on its own."""
    d = covs.shape[1]
    work, factor = work_rows(d), np.empty((2, d, d))
    for i in range(start, stop):
        statuses[i], values[i], bounds[i] = orthant_fraction(
            covs[i], dims, pointer, facets, rtol, factor, work
        )
