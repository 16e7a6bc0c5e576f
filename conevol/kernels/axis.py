"""The axis of a pointed cone: the centre of the smallest cap that holds its rays.

It is the direction of the point of the rays' convex hull nearest to the
origin, found by P. Wolfe's method (1976, "Finding the nearest point in a
polytope").  The axis need not be exact, only on the right side of every ray,
with margin; that is checked.

The second choice, for nearly lineal cones, is the balanced axis: the sum of the
facet normals, each divided by the greatest height of a ray over its facet.  It
lies in the dual cone by construction, and in simplicial cones it is equally far
from all rays.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel, tally
from conevol.kernels.lattice_operations import axis_operations, minimiser_operations

# Below SAFE_MARGIN the rounding of the smallest cap's centre matters, below CAP_MARGIN it has
# spoilt it; below LEAST_MARGIN, some tens of roundings, no axis is certain to be inside.
SAFE_MARGIN, CAP_MARGIN, LEAST_MARGIN = 1e-4, 1e-9, 1e-14


@kernel
def _affine_minimiser(rays, corral, size, gram, weights):
    """Weights of the point of the affine hull of the corral nearest to 0; False if singular.

    Solves (G + 1 1^T) y = 1, weights = y / sum(y), by Cholesky.
    """
    d = rays.shape[1]
    for i in range(size):
        for j in range(i + 1):
            s = 1.0
            for l in range(d):
                s += rays[corral[i], l] * rays[corral[j], l]
            for t in range(j):
                s -= gram[i, t] * gram[j, t]
            if i > j:
                gram[i, j] = s / gram[j, j]
            elif s <= 1e-15:
                return False
            else:
                gram[i, i] = math.sqrt(s)
    for i in range(size):
        s = 1.0
        for t in range(i):
            s -= gram[i, t] * weights[t]
        weights[i] = s / gram[i, i]
    total = 0.0
    for i in range(size - 1, -1, -1):
        s = weights[i]
        for t in range(i + 1, size):
            s -= gram[t, i] * weights[t]
        weights[i] = s / gram[i, i]
        total += weights[i]
    for i in range(size):
        weights[i] /= total
    return True


@kernel
def _combine(rays, corral, size, weights, x):
    """x = sum of weights[i] rays[corral[i]]; its squared length."""
    d = rays.shape[1]
    norm = 0.0
    for l in range(d):
        s = 0.0
        for i in range(size):
            s += weights[i] * rays[corral[i], l]
        x[l] = s
        norm += s * s
    return norm


@kernel
def _drop_to_face(corral, size, weights, trial):
    """Move the weights towards the trial until one vanishes; drop it; the new size."""
    theta, leave = 1.0, 0
    for i in range(size):
        if trial[i] <= 0.0:
            ratio = weights[i] / (weights[i] - trial[i])
            if ratio <= theta:
                theta, leave = ratio, i
    for i in range(size):
        weights[i] = max(0.0, (1.0 - theta) * weights[i] + theta * trial[i])
    for i in range(leave, size - 1):
        corral[i] = corral[i + 1]
        weights[i] = weights[i + 1]
    return size - 1


@kernel
def nearest_point(rays, x, spent=None):
    """x = the point nearest to 0 of the convex hull of the unit rays (n, d), within rounding.

    Stops early, with a usable point, when rounding blocks further progress.  Operations are added
    to spent, if that is an array, here and below.
    """
    n, d = rays.shape
    corral = np.zeros(d + 2, np.int64)
    weights, trial = np.zeros(d + 2), np.zeros(d + 2)
    gram = np.empty((d + 2, d + 2))
    size = 1
    weights[0] = 1.0
    norm = _combine(rays, corral, size, weights, x)
    tally(spent, 2 * d)
    for _ in range(20 * (n + d)):
        tally(spent, n * d + 1)
        enter, smallest = -1, norm * (1.0 - 1e-10)
        for i in range(n):
            s = 0.0
            for l in range(d):
                s += rays[i, l] * x[l]
            if s < smallest:
                enter, smallest = i, s
        if enter < 0 or size > d:
            return
        for i in range(size):
            if corral[i] == enter:
                return
        corral[size] = enter
        weights[size] = 0.0
        size += 1
        while True:
            tally(spent, minimiser_operations(d, size))
            if not _affine_minimiser(rays, corral, size, gram, trial):
                return
            inside = True
            for i in range(size):
                inside = inside and trial[i] > 0.0
            if inside:
                break
            tally(spent, 3 * size)
            size = _drop_to_face(corral, size, weights, trial)
        tally(spent, (size + 1) * d)
        for i in range(size):
            weights[i] = trial[i]
        norm = _combine(rays, corral, size, weights, x)


@kernel
def smallest_dot(rays, axis):
    """Smallest axis . v over the rays."""
    least = np.inf
    for i in range(rays.shape[0]):
        s = 0.0
        for l in range(axis.size):
            s += rays[i, l] * axis[l]
        least = min(least, s)
    return least


@inline_kernel
def _normalise(axis):
    """Divide the axis by its length, which is returned."""
    square = 0.0
    for l in range(axis.size):
        square += axis[l] * axis[l]
    length = math.sqrt(square)
    for l in range(axis.size):
        axis[l] /= length
    return length


@kernel
def smallest_cap(rays, axis, spent=None):
    """Unit axis of the smallest cap holding the unit rays; the smallest u . v over them.

    A margin that is not positive says that rounding has spoilt the axis (or
    that the cone is not pointed): the caller must not go on.
    """
    nearest_point(rays, axis, spent)
    _normalise(axis)
    tally(spent, 2 * axis.size + 1 + rays.size)
    return smallest_dot(rays, axis)


@kernel
def balanced_axis(a, rows, rays, axis):
    """Unit axis along the sum over rows of a_k / max_v(a_k . v); the smallest u . v, 0 if unusable.

    With u . v = sum of non-negative terms, the rounding of u is the only danger.
    """
    d = a.shape[1]
    axis[:] = 0.0
    total = 0.0
    for k in rows:
        highest, length = 0.0, 0.0
        for i in range(rays.shape[0]):
            s = 0.0
            for l in range(d):
                s += a[k, l] * rays[i, l]
            highest = max(highest, s)
        if highest == 0.0:
            return 0.0
        for l in range(d):
            axis[l] += a[k, l] / highest
            length += a[k, l] * a[k, l]
        total += math.sqrt(length) / highest
    norm = _normalise(axis)
    margin = smallest_dot(rays, axis)
    return margin if margin * norm > LEAST_MARGIN * total else 0.0


@kernel
def inside(a, rows, x):
    """Whether a_k . x >= 0 for all the rows."""
    for k in rows:
        s = 0.0
        for l in range(x.size):
            s += a[k, l] * x[l]
        if s < 0.0:
            return False
    return True


@kernel
def choose_axes(a, rows, rays, axes, spent=None):
    """The usable axes of a pointed cone, the better first, to the rows of axes; their number.

    The centre of the smallest cap comes first unless rounding could matter to it.
    In a simplicial cone that contains its balanced axis, that is the centre.
    """
    d = a.shape[1]
    balanced = balanced_axis(a, rows, rays, axes[1])
    tally(spent, axis_operations(d, rows.size, rays.shape[0]))
    if rows.size == d and balanced > SAFE_MARGIN:
        tally(spent, d * d)
        if inside(a, rows, axes[1]):
            axes[0] = axes[1]
            return 1
    cap = smallest_cap(rays, axes[0], spent)
    if cap > SAFE_MARGIN:
        return 2 if balanced > LEAST_MARGIN else 1
    if not balanced > LEAST_MARGIN:
        return 1 if cap > CAP_MARGIN else 0
    for l in range(d):
        axes[0, l], axes[1, l] = axes[1, l], axes[0, l]
    return 2 if cap > CAP_MARGIN else 1
