"""Gaussian numbers for many lanes at once, in loops that vectorise.

xoshiro256++ (D. Blackman and S. Vigna 2021), one generator a lane, seeded by
splitmix64 from (seed, block, lane); Box-Muller with logarithm, sine and cosine
as polynomials (the minimax coefficients of fdlibm, Sun Microsystems 1993).  The
numbers of a block depend on nothing but the seed and the block's index.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import fma, inline_kernel

LANES = 64

_SQRT_HALF = math.sqrt(0.5)
_ONE_BITS = np.uint64(0x3FF0000000000000)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
# 2^52 as bits: an integer below 2^52 in its mantissa becomes a double by subtraction.
_MAGIC_BITS = np.uint64(0x4330000000000000)
_U12, _U17, _U19, _U23, _U27, _U30, _U31, _U41, _U45, _U52 = (
    np.uint64(i) for i in (12, 17, 19, 23, 27, 30, 31, 41, 45, 52)
)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_TWO_BITS = np.uint64(3)
# 12! .. 0!
_FACTORIALS = tuple(float(math.factorial(k)) for k in range(12, -1, -1))


@inline_kernel
def _mix(z):
    """The output function of splitmix64."""
    z = (z ^ (z >> _U30)) * _MIX1
    z = (z ^ (z >> _U27)) * _MIX2
    return z ^ (z >> _U31)


@inline_kernel
def hash_key(seed):
    """A key for `hashed`, other than the seeds of any block."""
    return _mix(_mix(np.uint64(seed) + _GOLDEN) ^ _MIX2)


@inline_kernel
def hashed(key, i):
    """Word number i >= 0 of splitmix64 from a key."""
    return _mix(key + np.uint64(i + 1) * _GOLDEN)


@inline_kernel
def seed_lanes(state, seed, block):
    """Fill state (4, LANES) of the generators of a block."""
    key = _mix(_mix(np.uint64(seed) + _GOLDEN) + np.uint64(block) * _GOLDEN)
    for lane in range(LANES):
        for i in range(4):
            state[i, lane] = _mix(key + np.uint64(4 * lane + i + 1) * _GOLDEN)


@inline_kernel
def _next_bits(state, out):
    """64 random bits a lane (xoshiro256++)."""
    for lane in range(LANES):
        s0, s1, s2, s3 = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
        sum03 = s0 + s3
        out[lane] = ((sum03 << _U23) | (sum03 >> _U41)) + s0
        t = s1 << _U17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = (s3 << _U45) | (s3 >> _U19)
        state[0, lane], state[1, lane], state[2, lane], state[3, lane] = s0, s1, s2, s3


@inline_kernel
def _log(m, e):
    """log(m 2^e) for m in [sqrt(1/2), sqrt(2)), as fdlibm's e_log.c has it."""
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = fma(z, 1.479819860511658591e-01, 1.531383769920937332e-01)
    p = fma(z, p, 1.818357216161805012e-01)
    p = fma(z, p, 2.222219843214978396e-01)
    p = fma(z, p, 2.857142874366239149e-01)
    p = fma(z, p, 3.999999999940941908e-01)
    p = fma(z, p, 6.666666666666735130e-01)
    half = 0.5 * f * f
    return f - (half - s * (half + z * p)) + e * 0.6931471805599453


@inline_kernel
def log_lanes(real, real_bits):
    """real[0] = log real[0], of positive normal numbers; real[1] is scratch."""
    for lane in range(LANES):
        b = real_bits[0, lane]
        real_bits[1, lane] = (b >> _U52) | _MAGIC_BITS
        real_bits[0, lane] = (b & _MANTISSA) | _ONE_BITS
    for lane in range(LANES):
        e = real[1, lane] - 4503599627371519.0  # 2^52 + 1023
        m = real[0, lane]
        large = m > 2.0 * _SQRT_HALF
        m = 0.5 * m if large else m
        e = e + 1.0 if large else e
        real[0, lane] = _log(m, e)


@inline_kernel
def exp_lanes(real, real_bits):
    """real[0] = exp real[0] for numbers in -700 .. 700; real[1] is scratch.

    A power of 2 times the series of the rest, at most log(2) / 2, to a few units in the last place.
    """
    for lane in range(LANES):
        # The integer stands in the last bits.
        shifted = fma(real[0, lane], 1.4426950408889634, 6755399441055744.0)
        real[1, lane] = shifted
        whole = shifted - 6755399441055744.0
        r = fma(
            whole, -1.9082149292705877e-10, fma(whole, -6.93147180369123816490e-01, real[0, lane])
        )
        p = 1.0 / 6227020800.0
        for factorial in _FACTORIALS:
            p = fma(p, r, 1.0 / factorial)
        real[0, lane] = p
    for lane in range(LANES):
        real_bits[0, lane] += real_bits[1, lane] << _U52


@inline_kernel
def _sine(x):
    """sin(x) for |x| <= pi / 4 (fdlibm k_sin.c)."""
    z = x * x
    p = fma(z, 1.58969099521155010221e-10, -2.50507602534068634195e-08)
    p = fma(z, p, 2.75573137070700676789e-06)
    p = fma(z, p, -1.98412698298579493134e-04)
    p = fma(z, p, 8.33333333332248946124e-03)
    p = fma(z, p, -1.66666666666666324348e-01)
    return fma(x * z, p, x)


@inline_kernel
def _cosine(x):
    """cos(x) for |x| <= pi / 4 (fdlibm k_cos.c)."""
    z = x * x
    p = fma(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09)
    p = fma(z, p, -2.75573143513906633035e-07)
    p = fma(z, p, 2.48015872894767294178e-05)
    p = fma(z, p, -1.38888888888741095749e-03)
    p = fma(z, p, 4.16666666666666019037e-02)
    return fma(z * z, p, fma(z, -0.5, 1.0))


@inline_kernel
def _set_radius(bits, real, real_bits):
    """real[0] = sqrt(-2 log u), u in (0, 1] from the first 52 bits."""
    for lane in range(LANES):
        real_bits[0, lane] = (bits[lane] >> _U12) | _ONE_BITS
    for lane in range(LANES):
        real[0, lane] = 2.0 - real[0, lane]
    log_lanes(real, real_bits)
    for lane in range(LANES):
        real[0, lane] = math.sqrt(max(0.0, -2.0 * real[0, lane]))


@inline_kernel
def _turn(bits, real, real_bits):
    """real[1], real[2] = real[0] times cosine and sine of an angle.

    The angle in [-pi / 4, pi / 4) comes from the first 52 bits; the last two say how many
    quadrants it is turned backwards.
    """
    for lane in range(LANES):
        real_bits[1, lane] = (bits[lane] >> _U12) | _ONE_BITS
        real_bits[2, lane] = (bits[lane] & _TWO_BITS) | _MAGIC_BITS
    for lane in range(LANES):
        angle = (real[1, lane] - 1.5) * 1.5707963267948966
        quadrant = real[2, lane] - 4503599627370496.0
        radius = real[0, lane]
        c, s = radius * _cosine(angle), radius * _sine(angle)
        swap = quadrant == 1.0 or quadrant == 3.0
        a = s if swap else c
        b = c if swap else s
        real[1, lane] = a if quadrant < 2.0 else -a
        real[2, lane] = -b if quadrant == 1.0 or quadrant == 2.0 else b


@inline_kernel
def _keep(real, x, row, rows):
    """The pair of normals as rows `row` and `row` + 1 of x, of which the second may be beyond."""
    for lane in range(LANES):
        x[row, lane] = real[1, lane]
    if row + 1 < rows:
        for lane in range(LANES):
            x[row + 1, lane] = real[2, lane]


@inline_kernel
def fill_normals(state, bits, real, real_bits, x, rows):
    """Standard normal numbers into x[0 .. rows - 1] of shape (rows or more, LANES).

    Scratch: bits (LANES,) uint64; real (3, LANES) float64 and real_bits, the
    same memory seen as uint64.  An odd last row leaves its partner unused.
    """
    for row in range(0, rows, 2):
        _next_bits(state, bits)
        _set_radius(bits, real, real_bits)
        _next_bits(state, bits)
        _turn(bits, real, real_bits)
        _keep(real, x, row, rows)
