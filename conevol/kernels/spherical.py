"""Fractions of cones in three dimensions: one cone, a batch, a batch on all cores."""

from __future__ import annotations

import numpy as np
from numba import prange

from conevol.kernels._jit import inline_kernel, kernel, parallel_kernel
from conevol.kernels.exact import SCRATCH_ROWS
from conevol.kernels.polygon import (
    EMPTY,
    INSIDE,
    OUTSIDE,
    cut,
    locate,
    polygon_fraction,
    scale_rows,
)

# Cones a task of the parallel loop; a multiple of what amortises its workspace.
CHUNK = 1024


@inline_kernel
def clip_polygon(a, k, edge, vert, sign):
    """Intersect the half-spaces of the first k rows of a, using slots 0 and 1.

    Requires: rows scaled by `scale_rows`; slots of k + 1 entries.
    Returns (m, slot) of the polygon; m is EMPTY when the interior is.
    """
    m = p = 0
    for c in range(k):
        where = locate(m, p, edge, vert, a, c, sign)
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
    a = np.empty((k + SCRATCH_ROWS, 3))
    edge = np.empty((2, k + 1), np.int64)
    vert = np.empty((2, k + 1, 3))
    sign = np.empty(k + 1, np.int64)
    for b in range(start, stop):
        for i in range(k):
            a[i, 0], a[i, 1], a[i, 2] = normals[b, i, 0], normals[b, i, 1], normals[b, i, 2]
        kept = scale_rows(a, k)
        m, p = clip_polygon(a, kept, edge, vert, sign)
        values[b], errors[b] = polygon_fraction(m, p, edge, vert, a)


@parallel_kernel
def fractions_parallel(normals, values, errors):
    """`fractions_range` over the whole batch, in chunks on all cores."""
    n = normals.shape[0]
    chunks = (n + CHUNK - 1) // CHUNK
    for chunk in prange(chunks):
        start = chunk * CHUNK
        fractions_range(normals, start, min(start + CHUNK, n), values, errors)
