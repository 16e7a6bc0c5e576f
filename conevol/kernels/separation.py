"""Separation of variables: one point of the unit cube to one weight, the share of a fraction.

A. Genz (1992, "Numerical computation of multivariate normal probabilities").  The
half-spaces are in triangular form: those numbered pointer[t] .. pointer[t + 1] bound
coordinate t by a linear function of the ones before,

    y_t >= (or <=)  -sum_(j < t) row[j] y_j.

Each coordinate is drawn from the normal distribution between its bounds, whose mass
is a factor of the weight; the mean of the weights is the fraction.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel

# Points that one item of `separated_range` covers.
POINTS = 1024
_SQRT_HALF = math.sqrt(0.5)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
# Width, times the larger of 1 and the distance from 0, of an interval on which the density is
# nearly constant; differences of the distribution function would cancel there.
_NARROW = 0.02
# A smaller mass counts as none; below it numbers are no longer normal.
_LEAST = 1e-280
_U12 = np.uint64(12)
# M. J. Wichura (1988), algorithm AS 241 (PPND16), highest power first.
CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853,
     45921.953931549871457, 13731.693765509461125, 1971.5909503065514427,
     133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061,
     21213.794301586595867, 5394.1960214247511077, 687.1870074920579083,
     42.313330701600911252, 1.0),
)  # fmt: skip
MIDDLE = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
     1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055,
     4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
     0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494,
     2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
     0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358,
     5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
     7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
     0.59983220655588793769, 1.0),
)  # fmt: skip


@inline_kernel
def _rational(tables, x):
    """The quotient of two polynomials."""
    p, q = 0.0, 0.0
    for i in range(8):
        p = p * x + tables[0][i]
        q = q * x + tables[1][i]
    return p / q


@inline_kernel
def normal_quantile(p):
    """x with Phi(x) = p, 0 < p < 1, to a few units in p's last place."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _rational(CENTRE, 0.180625 - q * q)
    r = math.sqrt(-math.log(min(p, 1.0 - p)))
    x = _rational(MIDDLE, r - 1.6) if r <= 5.0 else _rational(_FAR, r - 5.0)
    return -x if q < 0.0 else x


@inline_kernel
def _below(x):
    """Phi(x), relatively accurate for x < 0."""
    return 0.5 * math.erfc(-x * _SQRT_HALF)


@inline_kernel
def _narrow(lo, hi):
    """Whether the density hardly changes between lo and hi."""
    return (hi - lo) * max(1.0, max(abs(lo), abs(hi))) < _NARROW


@inline_kernel
def interval_mass(lo, hi):
    """Phi(hi) - Phi(lo) for lo < hi, to about 1e-14 of itself."""
    if _narrow(lo, hi):
        c, w = 0.5 * (lo + hi), hi - lo
        c2, w2 = c * c, w * w
        series = 1.0 + w2 * ((c2 - 1.0) / 24.0 + w2 * ((c2 - 6.0) * c2 + 3.0) / 1920.0)
        return _DENSITY * math.exp(-0.5 * c2) * w * series
    if lo + hi > 0.0:
        lo, hi = -hi, -lo
    return _below(hi) - _below(lo)


@inline_kernel
def draw_between(lo, hi, u):
    """A point between lo < hi from u in (0, 1), and its weight.

    The point is a normal number given its interval and the weight the interval's mass;
    on a narrow interval it is uniform and the weight the width times the density.
    """
    if _narrow(lo, hi):
        y = lo + u * (hi - lo)
        return y, _DENSITY * math.exp(-0.5 * y * y) * (hi - lo)
    flipped = lo + hi > 0.0
    if flipped:
        lo, hi = -hi, -lo
    below = _below(lo)
    mass = _below(hi) - below
    if mass < _LEAST:
        return hi, 0.0
    y = min(max(normal_quantile(below + u * mass), lo), hi)
    return (-y if flipped else y), mass


@inline_kernel
def _bounds(rows, lower, first, last, t, y):
    """The interval of coordinate t after the ones before."""
    lo, hi = -np.inf, np.inf
    for i in range(first, last):
        s = 0.0
        for j in range(t):
            s -= rows[i, j] * y[j]
        if lower[i]:
            lo = max(lo, s)
        else:
            hi = min(hi, s)
    return lo, hi


@inline_kernel
def _weight(rows, lower, pointer, steps, shift, index, y):
    """The weight of point number `index` of a shifted sequence, folded by the tent map."""
    last = pointer.size - 2
    weight = 1.0
    for t in range(last + 1):
        lo, hi = _bounds(rows, lower, pointer[t], pointer[t + 1], t, y)
        if not lo < hi:
            return 0.0
        if t == last:
            return weight * interval_mass(lo, hi)
        # Multiplication modulo 2^64 keeps the fractional part exactly.
        u = (float((index * steps[t] + shift[t]) >> _U12) + 0.5) * 2.0**-52
        y[t], mass = draw_between(lo, hi, 1.0 - abs(2.0 * u - 1.0))
        weight *= mass
        if weight == 0.0:
            return 0.0
    return weight


@kernel
def separated_range(rows, lower, pointer, steps, shifts, points, start, stop, sums):
    """sums[i] of the weights of items start..stop.

    An item is one of the blocks of at most POINTS of the `points` of one shift:
    number i is block i % blocks of shift i // blocks.  rows (k, m) in triangular form,
    lower (k,) bool, pointer (m + 1,), steps (m,) and shifts (s, m) as fractions of 2^64.
    """
    y = np.empty(rows.shape[1])
    blocks = (points + POINTS - 1) // POINTS
    for item in range(start, stop):
        shift = item // blocks
        first = (item - shift * blocks) * POINTS
        total = 0.0
        for index in range(first, min(first + POINTS, points)):
            total += _weight(rows, lower, pointer, steps, shifts[shift], np.uint64(index), y)
        sums[item] = total
