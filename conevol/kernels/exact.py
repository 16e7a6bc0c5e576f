"""Determinants of floating-point normals whose signs are certain.

A ladder of predicates: a filtered float, double-double, and expansions that
are exact.  Each rung either is sure or hands on to the next.  u = 2^-53.

The normals are rows of an array `a`: x, y, z in the first three columns (see
`conevol.kernels.polygon` for the others), the largest entry in
[2^-20, 2^20].  Then nothing here overflows, and the exact rung is exact unless
entries of one row differ by more than 2^250.  Where products underflow beyond that, the
sign of a determinant below 2^-900 may be wrong; `conevol.kernels.spherical` drops such
entries.  The last SCRATCH_ROWS rows are scratch of the exact rung, so that nothing is
allocated here.

Sources: T. J. Dekker (1971) for the product, D. E. Knuth (1969) for the sum,
C.-P. Jeannerod, N. Louvet and J.-M. Muller (2013) for the error 2 u of
Kahan's 2 x 2 determinant, J. R. Shewchuk (1997) for expansions.
"""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import cold_kernel, fma, inline_kernel, never_inline

U = 2.0**-53
SCRATCH_ROWS = 8
# |fl(c . v) - c . (a x b)| <= SIGN_FILTER * sum |c_l v_l|: 2 u from v, 1 u from
# each product, 2 u from the sums, and the rounding of the bound itself.  The sum is
# at most the largest entry of c times the 1-norm of v, which rows and vertices carry.
SIGN_FILTER = 6 * U
# The same for the double-double determinant, against sum |c_l| (|a_m b_n| + |a_n b_m|):
# each of the three double-double minors and the weighted sum lose a few u^2.
DD_FILTER = 32 * U * U


@inline_kernel
def two_sum(a, b):
    """a + b = s + e exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@inline_kernel
def two_prod(a, b):
    """a * b = p + e exactly (no underflow)."""
    p = a * b
    return p, fma(a, b, -p)


@inline_kernel
def det2(a, b, c, d):
    """a d - b c with relative error <= 2 u, whatever cancels (Kahan)."""
    w = b * c
    e = fma(-b, c, w)
    return fma(a, d, -w) + e


@inline_kernel
def cross(a, i, j):
    """Row i x row j of a, every component with relative error <= 2 u."""
    x = det2(a[i, 1], a[i, 2], a[j, 1], a[j, 2])
    y = det2(a[i, 2], a[i, 0], a[j, 2], a[j, 0])
    z = det2(a[i, 0], a[i, 1], a[j, 0], a[j, 1])
    return x, y, z


@inline_kernel
def dd_det2(a, b, c, d):
    """a d - b c as a double-double; error <= 4 u^2 (|a d| + |b c|)."""
    p, pe = two_prod(a, d)
    q, qe = two_prod(b, c)
    s, e = two_sum(p, -q)
    e += pe - qe
    hi = s + e
    return hi, e - (hi - s)


@inline_kernel
def dd_cross(a, i, j):
    """Row i x row j of a as three double-doubles (hi, lo, hi, lo, hi, lo)."""
    xh, xl = dd_det2(a[i, 1], a[i, 2], a[j, 1], a[j, 2])
    yh, yl = dd_det2(a[i, 2], a[i, 0], a[j, 2], a[j, 0])
    zh, zl = dd_det2(a[i, 0], a[i, 1], a[j, 0], a[j, 1])
    return xh, xl, yh, yl, zh, zl


@inline_kernel
def dd_det3(a, i, j, k):
    """det(row i, row j, row k) and a bound of its absolute error."""
    xh, xl, yh, yl, zh, zl = dd_cross(a, i, j)
    c0, c1, c2 = a[k, 0], a[k, 1], a[k, 2]
    p0, e0 = two_prod(c0, xh)
    p1, e1 = two_prod(c1, yh)
    p2, e2 = two_prod(c2, zh)
    s, f0 = two_sum(p0, p1)
    s, f1 = two_sum(s, p2)
    value = s + (f0 + f1 + (e0 + e1 + e2) + (c0 * xl + c1 * yl + c2 * zl))
    permanent = (
        abs(c0) * (abs(a[i, 1] * a[j, 2]) + abs(a[i, 2] * a[j, 1]))
        + abs(c1) * (abs(a[i, 2] * a[j, 0]) + abs(a[i, 0] * a[j, 2]))
        + abs(c2) * (abs(a[i, 0] * a[j, 1]) + abs(a[i, 1] * a[j, 0]))
    )
    return value, U * abs(value) + DD_FILTER * permanent


@inline_kernel
def _grow(a, base, length, x):
    """Add x to the nonoverlapping expansion kept in the scratch rows (Shewchuk, theorem 10)."""
    for l in range(length):
        r, c = base + l // 3, l % 3
        x, a[r, c] = two_sum(x, a[r, c])
    a[base + length // 3, length % 3] = x


@cold_kernel
def exact_det3_sign(a, i, j, k):
    """Sign of det(row i, row j, row k), exactly: 24 components summed without error."""
    never_inline()
    base = a.shape[0] - SCRATCH_ROWS
    # A literal would have `_grow` compiled twice.
    length = np.int64(0)
    for l in range(3):
        m, n = (l + 1) % 3, (l + 2) % 3
        for swap in range(2):
            p, e = two_prod(a[i, m], a[j, n]) if swap == 0 else two_prod(-a[i, n], a[j, m])
            for part in (e, p):
                q, f = two_prod(part, a[k, l])
                _grow(a, base, length, f)
                _grow(a, base, length + 1, q)
                length += 2
    # The components do not overlap: the last that is not zero has the sign of the sum.
    for l in range(length - 1, -1, -1):
        x = a[base + l // 3, l % 3]
        if x != 0.0:
            return 1 if x > 0.0 else -1
    return 0


@cold_kernel
def doubtful_det3_sign(a, i, j, k):
    """Sign of det(row i, row j, row k) when the float filter was not sure."""
    never_inline()
    value, error = dd_det3(a, i, j, k)
    if value > error:
        return 1
    if value < -error:
        return -1
    return exact_det3_sign(a, i, j, k)
