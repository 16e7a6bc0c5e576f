"""Cheap bounds of the fraction of a cone of `Cones`, from its section by a plane.

The solid angle is the integral of |y|^-d over the section u . y = 1, |u| = 1, where |y| >= 1.
Statement 38 of docs/methods.md.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import (
    cold_kernel,
    inline_kernel,
    lowest_bit,
    never_inline,
    popcount,
    tally,
)
from conevol.kernels.cut import FULL, MAX_ROWS, NONE, ONE, U, length

# Most simplices that a section is cut into, and the relative rounding of sums over them.
_SIMPLICES, _SURE = 200, 1e-12


@inline_kernel
def _take_off_axis(c, n, d, axis):
    """Take the parts along c.q[axis] off the points; (least, largest, farthest, its length).

    Farthest of what remains.
    """
    low = high = most = 0.0
    farthest = 0
    tally(c.spent, 3 * n * d + 1)
    for i in range(n):
        s = 0.0
        for l in range(d):
            s += c.q[axis, l] * c.section[i, l]
        low, high = min(low, s), max(high, s)
        rest = 0.0
        for l in range(d):
            c.section[i, l] -= s * c.q[axis, l]
            rest += c.section[i, l] * c.section[i, l]
        if rest > most:
            farthest, most = i, rest
    return low, high, farthest, math.sqrt(most)


@inline_kernel
def _section(c, p):
    """Where the rays meet the plane u . x = 1: (their largest error, farthest, its cosine).

    u is the unit vector along their sum, in c.bad; without a cosine above 0.1 there is no section.
    """
    n, d = c.size[p, 0], c.size[p, 1]
    error = c.slack[p]
    for l in range(d):
        c.bad[l] = 0.0
    for i in range(n):
        error = max(error, c.error[p, i])
        for l in range(d):
            c.bad[l] += c.ray[p, i, l]
    norm = length(c, d)
    tally(c.spent, 2 * d + 4 + 2 * n * d)
    if not norm > 0.0:
        return error, 0, 0.0
    for l in range(d):
        c.bad[l] /= norm
    far, cosine = 0, math.inf
    for i in range(n):
        s = 0.0
        for l in range(d):
            s += c.bad[l] * c.ray[p, i, l]
        if s < cosine:
            far, cosine = i, s
        for l in range(d):
            c.section[i, l] = c.ray[p, i, l] / s
    if not cosine >= 0.1 + error:
        return error, far, 0.0
    # Twice as far as an error of that angle moves a point of the section.
    return (4.0 * error / cosine + 16.0 * U) / cosine, far, cosine


@cold_kernel
def cover(c, p):
    """Cheap bound of the fraction of a cone, by a box around its section u . x = 1, |u| = 1.

    Points of the section are not shorter than 1, so the solid angle is at most its volume.
    Axes are chosen greedily, by the point farthest off those before.  The section of d rays is
    a simplex, whose volume is the product of these distances over (d - 1)!.
    """
    never_inline()
    n, d = c.size[p, 0], c.size[p, 1]
    error, far, cosine = _section(c, p)
    if cosine == 0.0:
        return 1.0
    # From the ray farthest off, and off u.
    for l in range(d):
        c.q[0, l], c.old[l] = c.bad[l], c.section[far, l]
    for i in range(n):
        for l in range(d):
            c.section[i, l] -= c.old[l]
    _, _, farthest, most = _take_off_axis(c, n, d, 0)
    volume = 1.001 / _sphere(d)
    for k in range(1, d):
        tally(c.spent, 2)
        if most <= error:
            volume *= 4.0 * error
            continue
        longest = most
        tally(c.spent, d)
        for l in range(d):
            c.q[k, l] = c.section[farthest, l] / longest
        low, high, farthest, most = _take_off_axis(c, n, d, k)
        volume *= (longest + error) / k if n == d else high - low + error
    return min(1.0, volume)


@inline_kernel
def _sphere(d):
    """Surface of the unit sphere in d dimensions."""
    return 2.0 * math.pi ** (0.5 * d) / math.gamma(0.5 * d)


@inline_kernel
def _determinant(c, d):
    """Size of the determinant of the rows of c.l, which are eliminated."""
    size = 1.0
    for k in range(d):
        best = k
        for i in range(k + 1, d):
            if abs(c.l[i, k]) > abs(c.l[best, k]):
                best = i
        pivot = c.l[best, k]
        if pivot == 0.0:
            return 0.0
        size *= abs(pivot)
        for l in range(k, d):
            c.l[k, l], c.l[best, l] = c.l[best, l], c.l[k, l]
        for i in range(k + 1, d):
            s = c.l[i, k] / pivot
            for l in range(k + 1, d):
                c.l[i, l] -= s * c.l[k, l]
    return size


@inline_kernel
def _is_facet(c, p, face, ridge, row):
    """Whether the rays of a face that are in a row's set are those of a facet of it.

    They are unless another row has more of them, or an earlier one the same.
    """
    left = c.used[p]
    while left:
        other = lowest_bit(left)
        left &= left - ONE
        more = face & c.sets[other]
        if more & ridge == ridge and more != face and (more != ridge or other < row):
            return False
    return True


@inline_kernel
def _next_facet(c, p, face, apex, dims, row):
    """The next row from `row` on that has a facet of a face without its apex; 64 if none."""
    for k in range(row, MAX_ROWS):
        bit = ONE << np.uint64(k)
        ridge = face & c.sets[k]
        if c.used[p] & bit == NONE or ridge & (ONE << np.uint64(apex)) != NONE:
            continue
        if popcount(ridge) >= dims - 1 and _is_facet(c, p, face, ridge, k):
            return k
    return MAX_ROWS


@inline_kernel
def _add_simplex(c, level, face, d):
    """|det| of the simplex of the apexes so far and a face, and its mean of |y|^2."""
    for l in range(d):
        c.old[l] = 0.0
    squares, k = 0.0, 0
    tally(c.spent, d * (d + 2) + 2 + (d - 1) * d * (d + 1) // 3)
    while k < d:
        if k < level:
            i = c.pick[k]
        else:
            i = int(lowest_bit(face))
            face &= face - ONE
        for l in range(d):
            y = c.section[i, l]
            c.l[k, l] = y
            c.old[l] += y
            squares += y * y
        k += 1
    for l in range(d):
        squares += c.old[l] * c.old[l]
    return _determinant(c, d), squares / (d * (d + 1))


@cold_kernel
def enclose(c, p):
    """Lower and upper bound of the fraction of a cone, near if it is narrow.

    The solid angle is the integral of |y|^-d over the section u . y = 1, |u| = 1.  That is cut
    into simplices, each of a face's first ray and a facet without it, whose volumes and means of
    t = |y|^2 are known.  t^(-d/2) is convex: its mean is not below its value at the mean of t,
    nor above the chord from t = 1 to the largest t.
    """
    never_inline()
    n, d = c.size[p, 0], c.size[p, 1]
    error, _, cosine = _section(c, p)
    if cosine == 0.0 or n > 64 or c.slack[p] > 0.0:
        return 0.0, 1.0
    left = c.used[p]
    while left:
        k = lowest_bit(left)
        bit = ONE << np.uint64(k)
        left &= left - ONE
        c.sets[k] = NONE
        for i in range(n):
            if c.tight[p, i] & bit:
                c.sets[k] |= ONE << np.uint64(i)
    volume = moment = 0.0
    level, simplices = 0, 0
    c.face[0], c.next[0] = FULL >> np.uint64(64 - n), 0
    while level >= 0:
        face, dims = c.face[level], d - level
        if popcount(face) == dims:
            if simplices == _SIMPLICES:
                return 0.0, 1.0
            size, mean = _add_simplex(c, level, face, d)
            volume += size
            moment += size * mean
            simplices += 1
            level -= 1
            continue
        c.pick[level] = int(lowest_bit(face))
        k = _next_facet(c, p, face, c.pick[level], dims, c.next[level])
        if k == MAX_ROWS:
            level -= 1
            continue
        c.next[level] = k + 1
        level += 1
        c.face[level], c.next[level] = face & c.sets[k], 0
    if not volume > 0.0:
        return 0.0, 1.0
    # Rows of at most this length, each off by the error, and the rounding of elimination.
    tally(c.spent, 16)
    longest = 1.0 / cosine
    off = simplices * d * (error + 8 * d * d * U) * longest**d
    mean, most = moment / volume, longest * longest
    at_mean, at_most = mean ** (-0.5 * d), most ** (-0.5 * d)
    chord = 1.0 - (1.0 - at_most) * min(1.0, max(0.0, mean - 1.0) / max(most - 1.0, U))
    scale = 1.0 / (math.gamma(d) * _sphere(d))
    low = (volume - off) * at_mean * scale * (1.0 - _SURE)
    return max(0.0, low), min(1.0, (volume + off) * chord * scale * (1.0 + _SURE))
