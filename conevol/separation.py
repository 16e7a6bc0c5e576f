"""Fractions by sampling: randomised quasi-Monte Carlo after separation of variables.

The way for cones whose face lattice is out of reach.  A. Genz (1992) for d half-spaces,
A. Genz and K.-S. Kwong (2000) for more; the order of the variables is that of
G. J. Gibson, C. A. Glasbey and D. A. Elston (1994).  The points are multiples of the
square roots of the primes (R. D. Richtmyer 1951), shifted at random and folded by
the tent map, so every point alone is uniform and the mean is unbiased.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from conevol.kernels.separation import POINTS, separated_range
from conevol.parallel import for_ranges

__all__ = ["SAMPLES", "SHIFTS", "Separated", "sampled_fraction", "separate"]

SAMPLES = 2**16
# Independent random shifts; their spread gives the standard error.
SHIFTS = 16
# A standard error beyond this share of the value comes from few points.
FEW = 0.2
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
_SQRT_HALF = math.sqrt(0.5)


class Separated(NamedTuple):
    """Half-spaces in triangular form: see `conevol.kernels.separation`.

    rows (k, m) are ordered by the last coordinate they depend on, whose coefficient is
    1 or -1 (`lower` or not) and not stored; pointer (m + 1,) tells where those of
    each coordinate begin.
    """

    rows: np.ndarray
    lower: np.ndarray
    pointer: np.ndarray

    @property
    def rank(self) -> int:
        """Number of coordinates."""
        return len(self.pointer) - 1


def _mean_between(lo: float, hi: float) -> float:
    """Mean of a standard normal number given that it lies between lo and hi."""
    if lo >= hi:
        return 0.5 * (lo + hi)
    if lo + hi > 0.0:
        return -_mean_between(-hi, -lo)
    mass = 0.5 * (math.erfc(-hi * _SQRT_HALF) - math.erfc(-lo * _SQRT_HALF))
    if mass < 1e-280:
        return hi
    difference = math.exp(-0.5 * lo * lo) - math.exp(-0.5 * hi * hi)
    return min(max(_DENSITY * difference / mass, lo), hi)


def separate(normals: np.ndarray) -> Separated:
    """Triangular form of the half-spaces of (k, d) normals, the least likely first.

    Coordinates belong to an orthonormal basis of the row space: each is the part of one
    normal orthogonal to those before.  Rows of which less than 8 d roundings are left
    count as spanned.
    """
    largest = np.abs(normals).max(axis=1, initial=0.0)
    left = normals[largest > 0.0] / largest[largest > 0.0, None]
    left /= np.linalg.norm(left, axis=1)[:, None]
    k, d = left.shape
    active = np.ones(k, dtype=bool)
    coefficients, basis = np.zeros((k, min(k, d))), np.zeros((min(k, d), d))
    heights, rounding = np.zeros(k), 8.0 * d * 2.0**-53
    rows, lower, pointer = np.zeros((k, min(k, d))), np.zeros(k, dtype=bool), [0]
    for t in range(min(k, d)):
        if not active.any():
            break
        lengths = np.linalg.norm(left, axis=1)
        chance = np.where(active, heights / np.where(active, lengths, 1.0), np.inf)
        pivot = int(np.argmin(chance))
        axis = left[pivot] - basis[:t].T @ (basis[:t] @ left[pivot])
        basis[t] = axis / np.linalg.norm(axis)
        coefficients[:, t] = left @ basis[t]
        left -= np.outer(coefficients[:, t], basis[t])
        ended = active & (np.linalg.norm(left, axis=1) <= rounding)
        ended[pivot] = True
        active &= ~ended
        last = coefficients[ended, t]
        place = slice(pointer[-1], pointer[-1] + len(last))
        rows[place, :t] = coefficients[ended, :t] / np.maximum(np.abs(last), rounding)[:, None]
        # a . y >= 0 with a negative last coefficient bounds it from above, by +sum.
        lower[place] = last >= 0.0
        rows[place, :t] *= np.where(last >= 0.0, 1.0, -1.0)[:, None]
        limits = -heights[ended] / np.where(last == 0.0, rounding, last)
        mean = _mean_between(
            max(limits[last >= 0.0], default=-math.inf), min(limits[last < 0.0], default=math.inf)
        )
        heights += coefficients[:, t] * mean
        pointer.append(place.stop)
    m = len(pointer) - 1
    return Separated(np.ascontiguousarray(rows[:, :m]), lower, np.array(pointer))


def root_fractions(count: int) -> np.ndarray:
    """Fractional parts of the square roots of the first primes, times 2^64."""
    primes: list[int] = []
    n = 2
    while len(primes) < count:
        if all(n % p for p in primes if p * p <= n):
            primes.append(n)
        n += 1
    low = (1 << 64) - 1
    return np.array([math.isqrt(p << 128) & low for p in primes], dtype=np.uint64)


def sampled_fraction(
    normals: np.ndarray, samples: int, key: tuple[int, ...], threads: int | None = None
) -> tuple[float, float, int, int]:
    """An unbiased estimate of the fraction of one cone, normals (k, d).

    Returns (value, standard error, rank, points).  The points, at least `samples`, are
    shared by SHIFTS independent shifts drawn from the integers of `key`; neither depends
    on the number of threads.  Where few points carry the sum, their spread says nothing:
    weights are at most 1, so what all points missed is about 1 / points, and that is
    the standard error then.  It is 0 for a cone that has no interior for certain.
    """
    form = separate(normals)
    m = form.rank
    if m == 0:
        return 1.0, 0.0, 0, 0
    first = form.lower[: form.pointer[1]]
    if first.any() and not first.all():
        return 0.0, 0.0, m, 0  # two opposite half-spaces
    points = -(-samples // SHIFTS)
    blocks = -(-points // POINTS)
    bits = np.random.SeedSequence(key).generate_state(SHIFTS * m, np.uint64)
    sums = np.zeros(SHIFTS * blocks)
    for_ranges(
        lambda start, stop: separated_range(
            *form, root_fractions(m), bits.reshape(SHIFTS, m), points, start, stop, sums
        ),
        len(sums), 1, threads,
    )  # fmt: skip
    means = sums.reshape(SHIFTS, blocks).sum(axis=1) / points
    value = float(means.mean())
    error = float(means.std(ddof=1)) / math.sqrt(SHIFTS)
    if value == 0.0 or error > FEW * value:
        error = max(error, 1.0 / (points * SHIFTS))
    return value, error, m, points * SHIFTS
