"""Fractions of cones in three dimensions, one after another."""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import cold_kernel, inline_kernel, kernel, never_inline
from conevol.kernels.exact import SCRATCH_ROWS
from conevol.kernels.polygon import (
    EMPTY,
    INSIDE,
    NEAR,
    OUTSIDE,
    cut,
    locate,
    polygon_fraction,
    put_row,
)

# Entries below this part of their row's largest are set to zero, or products of three
# would underflow; below _LOOK_CLOSER such rows are looked for.
_NEGLIGIBLE, _LOOK_CLOSER = 2.0**-250, 2.0**-200
# What that may change, as a fraction, for each half-space.
_NEGLIGIBLE_TURN = 1e-75


@inline_kernel
def _load(normals, a):
    """Store the rows that are not zero; returns how many, and whether entries were dropped."""
    rows = small = 0
    for i in range(normals.shape[0]):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        small |= (0.0 < abs(x) < _LOOK_CLOSER) | (0.0 < abs(y) < _LOOK_CLOSER)
        small |= 0.0 < abs(z) < _LOOK_CLOSER
        if put_row(a, rows, x, y, z, 0.0) > 0.0:
            rows += 1
    return rows, small != 0 and _drop_negligible(a, rows)


@cold_kernel
def _drop_negligible(a, rows):
    never_inline()
    dropped = False
    for i in range(rows):
        for l in range(3):
            if 0.0 < abs(a[i, l]) < _NEGLIGIBLE * a[i, 3]:
                a[i, l] = 0.0
                dropped = True
    return dropped


@inline_kernel
def clip_polygon(a, k, edge, vert, sign):
    """Intersect the half-spaces of the first k rows of a, using slots 0 and 1.

    Requires: rows stored by `put_row`; slots of k + 1 entries.
    Returns (m, slot) of the polygon; m is EMPTY when the interior is.
    """
    m = p = 0
    for c in range(k):
        where = locate(m, p, edge, vert, a, c, sign) & ~NEAR
        if where == OUTSIDE:
            return EMPTY, p
        if where != INSIDE:
            m = cut(m, p, 1 - p, edge, vert, a, c, sign, 1, where)
            p = 1 - p
    return m, p


@kernel
def fractions_range(normals, start, stop, values, errors):
    """Fractions of cones start..stop of a batch (N, k, 3), with error bounds."""
    k = normals.shape[1]
    a = np.empty((k + SCRATCH_ROWS, 5))
    edge = np.empty((2, k + 1), np.int64)
    vert = np.empty((2, k + 1, 5))
    sign = np.empty(k + 1, np.int64)
    for b in range(start, stop):
        rows, dropped = _load(normals[b], a)
        m, p = clip_polygon(a, rows, edge, vert, sign)
        values[b], errors[b] = polygon_fraction(m, p, edge, vert, a, 0.0)
        if dropped:
            errors[b] += k * _NEGLIGIBLE_TURN


@kernel
def polygon_of(normals):
    """The polygon of one cone (k, 3).

    Returns (m, kept, edge, vert, a): kept[i] is the input row of row i of a, edges
    index a, and only the first m of edge and vert hold anything.
    """
    k = normals.shape[0]
    a = np.empty((k + SCRATCH_ROWS, 5))
    edge = np.empty((2, k + 1), np.int64)
    vert = np.empty((2, k + 1, 5))
    sign = np.empty(k + 1, np.int64)
    kept = np.flatnonzero((normals != 0.0).sum(axis=1))
    rows, _ = _load(normals, a)
    m, p = clip_polygon(a, rows, edge, vert, sign)
    return m, kept, edge[p], vert[p], a
