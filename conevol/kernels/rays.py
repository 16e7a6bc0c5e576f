"""Extreme rays by double description, one half-space at a time.

T. S. Motzkin et al. (1953).  Two rays are adjacent, and the new plane cuts the
face they span, when they share d - 2 tight half-spaces; the exact twin, which
meets several planes through one ray, needs the full combinatorial test of
K. Fukuda and A. Prodon (1996).

Each ray carries a bound of its own rounding error, so a sign is either certain
or DOUBTFUL; then the kernel gives up and `conevol.exact_rays` decides on the
doubles as rational numbers.  A sign that a tight set implies is never computed.
So the incidence is that of the exact cone, or there is none.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import kernel

OK, EMPTY, DOUBTFUL, DEFICIENT, TOO_MANY = 0, 1, 2, 3, 4
U = 2.0**-53
# Smallest residual, relative to the row, with which a row counts as independent of others
# without an exact rank decision.
INDEPENDENT = 1e-6


@kernel
def scale_rows(normals, out, kept):
    """Copy the rows that are not zero nor equal to an earlier one, largest entry in [1/2, 1).

    Scaling is by powers of two, so exact (entries 2^1000 below the largest aside).
    Returns their number; kept receives their indices.
    """
    k, d = normals.shape
    n = 0
    for i in range(k):
        largest = 0.0
        for l in range(d):
            largest = max(largest, abs(normals[i, l]))
        if largest == 0.0:
            continue
        exponent = math.frexp(largest)[1]
        half = exponent // 2
        for l in range(d):
            out[n, l] = math.ldexp(math.ldexp(normals[i, l], -half), half - exponent)
        new = True
        for j in range(n):
            equal = True
            for l in range(d):
                equal = equal and out[j, l] == out[n, l]
            new = new and not equal
        kept[n] = i
        n += new
    return n


@kernel
def independent_rows(a, chosen, q):
    """Choose d rows greedily by residual; the smallest residual relative to its row.

    q (d, d) receives an orthonormal basis.  Fewer than d rows give 0.
    """
    k, d = a.shape
    if k < d:
        return 0.0
    residual, length = np.empty(k), np.empty(k)
    smallest = 1.0
    for i in range(k):
        s = 0.0
        for l in range(d):
            s += a[i, l] * a[i, l]
        residual[i] = length[i] = s
    for step in range(d):
        best, value = 0, -1.0
        for i in range(k):
            if residual[i] > value * length[i]:
                best, value = i, residual[i] / length[i]
        chosen[step] = best
        for l in range(d):
            q[step, l] = a[best, l]
        for _ in range(2):
            for t in range(step):
                s = 0.0
                for l in range(d):
                    s += q[t, l] * q[step, l]
                for l in range(d):
                    q[step, l] -= s * q[t, l]
        s = 0.0
        for l in range(d):
            s += q[step, l] * q[step, l]
        smallest = min(smallest, math.sqrt(s / length[best]))
        if smallest < 1e-14:
            return smallest
        s = math.sqrt(s)
        for l in range(d):
            q[step, l] /= s
        for i in range(k):
            s = 0.0
            for l in range(d):
                s += q[step, l] * a[i, l]
            residual[i] = max(0.0, residual[i] - s * s)
        residual[best] = -1.0
    return smallest


@kernel
def invert(a, chosen, work, inverse):
    """Inverse of the rows chosen of a, by Gauss-Jordan with partial pivoting; False if singular."""
    d = chosen.size
    for i in range(d):
        for j in range(d):
            work[i, j] = a[chosen[i], j]
            inverse[i, j] = 1.0 if i == j else 0.0
    for c in range(d):
        p = c
        for i in range(c + 1, d):
            if abs(work[i, c]) > abs(work[p, c]):
                p = i
        if work[p, c] == 0.0:
            return False
        for j in range(d):
            work[c, j], work[p, j] = work[p, j], work[c, j]
            inverse[c, j], inverse[p, j] = inverse[p, j], inverse[c, j]
        pivot = 1.0 / work[c, c]
        for j in range(d):
            work[c, j] *= pivot
            inverse[c, j] *= pivot
        for i in range(d):
            f = work[i, c]
            if i != c and f != 0.0:
                for j in range(d):
                    work[i, j] -= f * work[c, j]
                    inverse[i, j] -= f * inverse[c, j]
    return True


@kernel
def _norm(v):
    """Euclidean length of a vector."""
    s = 0.0
    for x in v:
        s += x * x
    return math.sqrt(s)


@kernel
def first_rays(a, chosen, rays, error, tight):
    """Rays of the simplicial cone of the chosen rows: the unit columns of the inverse.

    error[j] bounds |computed - exact unit ray|, from the residual A X - I:
    the exact column is x + A^-1 (e_j - A x).  Returns False when the residual is
    too large for a bound.
    """
    d = a.shape[1]
    inverse, work = np.empty((d, d)), np.empty((d, d))
    if not invert(a, chosen, work, inverse):
        return False
    scale, residual = 0.0, 0.0
    for i in range(d):
        for j in range(d):
            scale += inverse[i, j] * inverse[i, j]
            s, t = 0.0, 0.0
            for l in range(d):
                s += a[chosen[i], l] * inverse[l, j]
                t += abs(a[chosen[i], l] * inverse[l, j])
            s = abs(s - (1.0 if i == j else 0.0)) + (d + 2) * U * (t + 1.0)
            work[i, j] = s
            residual += s * s
    scale, residual = math.sqrt(scale), math.sqrt(residual)
    if not residual < 0.1:
        return False
    for j in range(d):
        length = _norm(inverse[:, j])
        column = _norm(work[:, j])
        bound = scale * column / 0.9
        error[j] = (bound / max(length - bound, 1e-300) + (d + 4) * U) * (1.0 + 1e-12)
        for l in range(d):
            rays[j, l] = inverse[l, j] / length
        for i in range(d):
            if i != j:
                tight[j, chosen[i] >> 6] |= np.uint64(1) << np.uint64(chosen[i] & 63)
    return True


@kernel
def _adjacent(tight, i, j, least):
    """Whether rays i and j span a two-dimensional face: whether they share `least` = d - 2 rows.

    Enough here, where no sign is ever zero: every ray is tight on d - 1 rows only,
    so the rows shared are independent.
    """
    shared = 0
    for w in range(tight.shape[1]):
        x = tight[i, w] & tight[j, w]
        while x:
            x &= x - np.uint64(1)
            shared += 1
    return shared >= least


@kernel
def _signs(row, rays, error, count, s, margin):
    """s[i] = row . rays[i] and its error bound; returns (positive, negative), or -1 if unsure."""
    d = row.size
    length = _norm(row) * (1.0 + 1e-12)
    positive, negative = 0, 0
    for i in range(count):
        x = 0.0
        for l in range(d):
            x += row[l] * rays[i, l]
        margin[i] = length * (error[i] + (d + 2) * U)
        s[i] = x
        if not abs(x) > margin[i]:
            return -1, -1
        positive += x > 0.0
        negative += x < 0.0
    return positive, negative


@kernel
def _join(i, j, row, s, margin, rays, error, tight, new):
    """Ray number `new` = s_i v_j - s_j v_i, where the plane of the row cuts the face of i and j."""
    d = rays.shape[1]
    x, y = s[i], -s[j]
    length = 0.0
    for l in range(d):
        rays[new, l] = x * rays[j, l] + y * rays[i, l]
        length += rays[new, l] * rays[new, l]
    length = math.sqrt(length)
    bound = x * error[j] + y * error[i] + margin[i] + margin[j] + 3.0 * U * (x + y)
    # |x / |x| - y / |y|| <= 2 |x - y| / (|x| + |y|) (Dunkl and Williams 1964)
    error[new] = (bound / max(length - bound, 1e-300) + (d + 4) * U) * (1.0 + 1e-12)
    for l in range(d):
        rays[new, l] /= length
    for w in range(tight.shape[1]):
        tight[new, w] = tight[i, w] & tight[j, w]
    tight[new, row >> 6] |= np.uint64(1) << np.uint64(row & 63)


@kernel
def _copy_ray(rays, error, tight, source, target):
    """Overwrite one ray by another."""
    for l in range(rays.shape[1]):
        rays[target, l] = rays[source, l]
    for w in range(tight.shape[1]):
        tight[target, w] = tight[source, w]
    error[target] = error[source]


@kernel
def extreme_rays(a, max_rays, max_tests):
    """Rays of {x : a x >= 0}, a (k, d) from `scale_rows`: (status, rays, tight).

    rays (n, d) are unit vectors; tight (n, words) are bit sets of rows.  A status
    other than OK: EMPTY (no interior, certain), DOUBTFUL (a sign is not certain),
    DEFICIENT (rank not certainly d), TOO_MANY (more than
    max_rays on the way, or max_tests words of pairs of rays compared).
    """
    k, d = a.shape
    words = (k + 63) >> 6
    capacity = 4 * k + 2 * d
    rays, error = np.empty((capacity, d)), np.empty(capacity)
    tight = np.zeros((capacity, words), np.uint64)
    chosen = np.empty(d, np.int64)
    if independent_rows(a, chosen, np.empty((d, d))) < INDEPENDENT:
        return DEFICIENT, rays[:0], tight[:0]
    if not first_rays(a, chosen, rays, error, tight):
        return DOUBTFUL, rays[:0], tight[:0]
    used = np.zeros(k, np.bool_)
    for i in range(d):
        used[chosen[i]] = True
    s, margin = np.empty(capacity), np.empty(capacity)
    count, tests = d, 0.0
    for row in range(k):
        if used[row]:
            continue
        positive, negative = _signs(a[row], rays, error, count, s, margin)
        if positive <= 0:
            return EMPTY if positive == 0 else DOUBTFUL, rays[:0], tight[:0]
        if negative == 0:
            continue
        tests += float(positive) * float(negative) * words
        if tests > max_tests:
            return TOO_MANY, rays[:0], tight[:0]
        new = count
        for i in range(count):
            if s[i] < 0.0:
                continue
            for j in range(count):
                if s[j] > 0.0 or not _adjacent(tight, i, j, d - 2):
                    continue
                if new >= max_rays:
                    return TOO_MANY, rays[:0], tight[:0]
                if new == rays.shape[0]:
                    rays, error, tight, s, margin = _enlarge(rays, error, tight, s, margin)
                _join(i, j, row, s, margin, rays, error, tight, new)
                new += 1
        count = _compact(rays, error, tight, s, count, new)
    return OK, rays[:count], tight[:count]


@kernel
def _enlarge(rays, error, tight, s, margin):
    """The same arrays with twice the room."""
    n = rays.shape[0]
    big_rays, big_tight = (
        np.empty((2 * n, rays.shape[1])),
        np.zeros((2 * n, tight.shape[1]), np.uint64),
    )
    big_error, big_s, big_margin = np.empty(2 * n), np.empty(2 * n), np.empty(2 * n)
    big_rays[:n], big_error[:n], big_tight[:n] = rays, error, tight
    big_s[:n], big_margin[:n] = s, margin
    return big_rays, big_error, big_tight, big_s, big_margin


@kernel
def _compact(rays, error, tight, s, count, new):
    """Drop the first rays on the negative side; the number left."""
    kept = 0
    for i in range(new):
        if i >= count or s[i] > 0.0:
            if kept != i:
                _copy_ray(rays, error, tight, i, kept)
            kept += 1
    return kept


@kernel
def transpose_bits(tight, k):
    """Ray sets (k, words) of the rows, from the row sets of the rays."""
    n = tight.shape[0]
    sets = np.zeros((k, (n + 63) >> 6), np.uint64)
    for i in range(n):
        for row in range(k):
            if tight[i, row >> 6] >> np.uint64(row & 63) & np.uint64(1):
                sets[row, i >> 6] |= np.uint64(1) << np.uint64(i & 63)
    return sets
