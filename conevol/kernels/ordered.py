"""Points of independent normal numbers in coordinates of order, one a lane.

The largest numbers and their places come first, the others after them:

    U_1 = u_1^(1/m),   U_(i+1) = U_i u_(i+1)^(1/(m - i))      the largest of m uniform numbers,
    place of number i: the i-th of a random transposition each,
    others: uniform below the last of these, in the other places,

all through the normal quantile.  What a network that ranks its inputs answers depends mostly on
the first few of these coordinates, which are Sobol points with random digits added (S. Joe and
F. Y. Kuo 2008); the others are a shifted Kronecker sequence.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import fma, inline_kernel, lowest_bit
from conevol.kernels.gaussian import LANES, exp_lanes, hash_key, hashed, log_lanes
from conevol.kernels.separation import CENTRE, MIDDLE

# As many of the largest numbers are coordinates of their own.
MOST_ORDERED = 6
# Degree, coefficients and first numbers of the primitive polynomials of dimensions 2, 3, ..
# (new-joe-kuo-6).
_POLYNOMIALS = (
    (1, 0, (1,)), (2, 1, (1, 3)), (3, 1, (1, 3, 1)), (3, 2, (1, 1, 1)), (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)), (5, 2, (1, 1, 5, 5, 17)), (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)), (5, 11, (1, 1, 5, 1, 1)), (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
)  # fmt: skip
_WORD = 64
_U0, _U1, _U12, _U32 = np.uint64(0), np.uint64(1), np.uint64(12), np.uint64(32)
_ONE_BITS = np.uint64(0x3FF0000000000000)
_HALF_STEP = 2.0**-53
# Bounds of a probability whose quantile is taken.
_LEAST, _MOST = 2.0**-60, 1.0 - 2.0**-53


def sobol_directions(dimensions):
    """Words (dimensions, 64) whose exclusive or over the bits of an index is a Sobol point."""
    words = [[1 << (_WORD - 1 - b) for b in range(_WORD)]]
    for degree, a, first in _POLYNOMIALS[: dimensions - 1]:
        v = [m << (_WORD - 1 - b) for b, m in enumerate(first)]
        for b in range(degree, _WORD):
            word = v[b - degree] ^ (v[b - degree] >> degree)
            for k in range(1, degree):
                word ^= ((a >> (degree - 1 - k)) & 1) * v[b - k]
            v.append(word)
        words.append(v)
    return np.array(words, dtype=np.uint64)


@inline_kernel
def _digits(directions, t, index):
    """Coordinate t of the Sobol point of an index, as digits."""
    bits, b = _U0, 0
    index = np.uint64(index)
    while index != _U0:
        if index & _U1:
            bits ^= directions[t, b]
        index >>= _U1
        b += 1
    return bits


@inline_kernel
def start_points(directions, steps, seed, replicate, width, base):
    """First points of `LANES / width` replicates from `replicate` on, `width` lanes each.

    base (dimensions + steps.size, LANES) uint64: Sobol dimensions, then those of the Kronecker
    sequence, fractions of 2^64.
    """
    dimensions, key = directions.shape[0], hash_key(seed)
    for t in range(base.shape[0]):
        for lane in range(LANES):
            index = lane % width
            if index == 0:
                base[t, lane] = hashed(key, (replicate + lane // width) * base.shape[0] + t)
            elif t >= dimensions:
                base[t, lane] = base[t, lane - 1] + steps[t - dimensions]
            else:
                # One digit less was a lane before.
                lowest = lowest_bit(np.uint64(index))
                base[t, lane] = base[t, lane - (1 << lowest)] ^ directions[t, lowest]


@inline_kernel
def _uniform(base, t, word, real, real_bits):
    """real[0] = coordinate t of Sobol points, in (0, 1)."""
    for lane in range(LANES):
        real_bits[0, lane] = ((base[t, lane] ^ word) >> _U12) | _ONE_BITS
    for lane in range(LANES):
        real[0, lane] = real[0, lane] - (1.0 - _HALF_STEP)


@inline_kernel
def quantile_lanes(x, row, real, real_bits):
    """Normal quantile of row `row` of x, clipped to 2^-60 .. 1 - 2^-53.

    M. J. Wichura (1988), AS 241, to a few units in the last place from 1.4e-11 to 1 - 1.4e-11,
    and to 1e-4 beyond, where his third formula would serve.
    """
    for lane in range(LANES):
        p = min(max(x[row, lane], _LEAST), _MOST)
        x[row, lane] = p
        real[0, lane] = min(p, 1.0 - p)
    log_lanes(real, real_bits)
    for lane in range(LANES):
        q = x[row, lane] - 0.5
        central = abs(q) <= 0.425
        r = fma(-q, q, 0.180625) if central else math.sqrt(-real[0, lane]) - 1.6
        top, bottom = 0.0, 0.0
        for i in range(8):
            top = fma(top, r, CENTRE[0][i] if central else MIDDLE[0][i])
            bottom = fma(bottom, r, CENTRE[1][i] if central else MIDDLE[1][i])
        factor = q if central else (-1.0 if q < 0.0 else 1.0)
        x[row, lane] = factor * top / bottom


@inline_kernel
def _swap(base, t, word, x, i, size):
    """Swap number i of every lane with one of those from i to size - 1, by coordinate t."""
    choices = np.uint64(size - i)
    for lane in range(LANES):
        j = i + np.int64((((base[t, lane] ^ word) >> _U32) * choices) >> _U32)
        x[i, lane], x[j, lane] = x[j, lane], x[i, lane]


@inline_kernel
def fill_ordered(directions, steps, first, base, real, real_bits, x, size, last):
    """Normal numbers of points first .. into x[0 .. size - 1], and last (strata, LANES).

    The place in the equally probable strata of `last` is the last Sobol coordinate; it runs
    backwards in every other one.  Scratch: real (3, LANES) and real_bits, the same memory.
    """
    dimensions = directions.shape[0]
    ordered = (dimensions - 1) // 2
    for lane in range(LANES):
        real[2, lane] = 0.0
    for i in range(ordered):
        _uniform(base, 2 * i, _digits(directions, 2 * i, first), real, real_bits)
        log_lanes(real, real_bits)
        for lane in range(LANES):
            real[2, lane] += real[0, lane] / (size - i)
            real[0, lane] = real[2, lane]
        exp_lanes(real, real_bits)
        for lane in range(LANES):
            x[i, lane] = real[0, lane]
    index = np.uint64(first)
    for i in range(ordered, size):
        t = dimensions + i - ordered
        moved = index * steps[i - ordered]
        for lane in range(LANES):
            real_bits[0, lane] = ((base[t, lane] + moved) >> _U12) | _ONE_BITS
        for lane in range(LANES):
            below = x[ordered - 1, lane]
            x[i, lane] = (real[0, lane] - (1.0 - _HALF_STEP)) * below
    for i in range(size):
        quantile_lanes(x, i, real, real_bits)
    for k in range(ordered):
        i = ordered - 1 - k
        _swap(base, 2 * i + 1, _digits(directions, 2 * i + 1, first), x, i, size)
    strata, t = last.shape[0], dimensions - 1
    word = _digits(directions, t, first)
    for stratum in range(strata):
        _uniform(base, t, word, real, real_bits)
        for lane in range(LANES):
            v = 1.0 - real[0, lane] if stratum % 2 == 1 else real[0, lane]
            last[stratum, lane] = (stratum + v) / strata
        quantile_lanes(last, stratum, real, real_bits)
