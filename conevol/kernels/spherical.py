"""Fractions of cones in three dimensions, one after another."""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels.exact import SCRATCH_ROWS
from conevol.kernels.polygon import (
    EMPTY,
    INSIDE,
    NEAR,
    NEGLIGIBLE_TURN,
    OUTSIDE,
    cut,
    locate,
    polygon_fraction,
    put_row,
)


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
        kept = flushed = 0
        for i in range(k):
            x, y, z = normals[b, i, 0], normals[b, i, 1], normals[b, i, 2]
            if put_row(a, kept, x, y, z, 0.0) > 0.0:
                lost = (x != 0.0) + (y != 0.0) + (z != 0.0)
                lost -= (a[kept, 0] != 0.0) + (a[kept, 1] != 0.0) + (a[kept, 2] != 0.0)
                flushed += lost > 0
                kept += 1
        m, p = clip_polygon(a, kept, edge, vert, sign)
        value, error = polygon_fraction(m, p, edge, vert, a, 0.0)
        values[b], errors[b] = value, min(error + flushed * NEGLIGIBLE_TURN, 1.0)


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
    kept = np.empty(k, np.int64)
    rows = 0
    for i in range(k):
        if put_row(a, rows, normals[i, 0], normals[i, 1], normals[i, 2], 0.0) > 0.0:
            kept[rows] = i
            rows += 1
    m, p = clip_polygon(a, rows, edge, vert, sign)
    return m, kept[:rows], edge[p], vert[p], a
