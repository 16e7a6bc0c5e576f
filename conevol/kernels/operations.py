"""What the steps of cutting polygons cost, in operations; and the cost of a batch of cones.

An operation is a multiplication (with or without the addition that takes its result), a division,
a root or an elementary function (see `conevol.estimators.Estimate`).  The numbers are read off
`conevol.kernels.polygon`; a test runs its source with numbers that count and
compares.  Signs that the float filter does not tell cost more, and are not counted.
"""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels.exact import SCRATCH_ROWS
from conevol.kernels.polygon import (
    CROSSES_PENCIL,
    EMPTY,
    INSIDE,
    NEAR,
    OUTSIDE,
    cut,
    half_excess,
    is_good,
    locate,
    put_row,
)

_CROSS, _CROSS_ERROR, _DET2, _DOT, _TOLERANCES = 9, 4, 3, 3, 2
# A vertex and the eight planes of a set; the two new vertices of a polygon that is split.
MARK_OPERATIONS = 40
CORNER_OPERATIONS = 2 * (_CROSS + _CROSS_ERROR + MARK_OPERATIONS)


@inline_kernel
def locate_operations(m, place, c, a):
    """`locate` of row c for an m-gon with that result, when the filter decides."""
    if m > 2:
        return _TOLERANCES + 5 * m
    error = _CROSS_ERROR if a[c, 4] > 0.0 else 0
    if m == 2:
        pencil = place == CROSSES_PENCIL or place & NEAR != 0
        return _DOT + _TOLERANCES + 2 + (2 * (_DET2 + error) if pencil else 0)
    return (_CROSS + error + (_DOT if place & NEAR else 0)) if m == 1 else 0


@inline_kernel
def cut_operations(m, q, vert):
    """`cut` that left an m-gon in slot q: two new vertices, and the errors of computed rows."""
    if m < 2:
        return 0
    errors = (vert[q, m - 2, 4] > 0.0) + (vert[q, m - 1, 4] > 0.0)
    return 2 * _CROSS + _CROSS_ERROR * errors


@inline_kernel
def area_operations(m):
    """`polygon_fraction` of an m-gon in floats."""
    if m > 2:
        return 16 + 50 * (m - 2)
    return 26 if m == 2 else 0


@inline_kernel
def refined_operations(m, p, edge, vert, a):
    """What `polygon_fraction` adds for a polygon whose determinants it computes again."""
    if m > 2:
        angle, error = half_excess(m, p, edge, vert, a, False)
        if not is_good(angle, error, 0.0):
            return 64 + 130 * (m - 2)
    return 0


@kernel
def clip_operations(normals, start, stop, operations):
    """Operations of `fractions_range` for cones start..stop of a batch (N, k, 3)."""
    k = normals.shape[1]
    a = np.empty((k + SCRATCH_ROWS, 5))
    edge = np.empty((2, k + 1), np.int64)
    vert = np.empty((2, k + 1, 5))
    sign = np.empty(k + 1, np.int64)
    for b in range(start, stop):
        m, p, spent = 0, 0, 0
        for i in range(k):
            row = normals[b, i]
            if not put_row(a, i, row[0], row[1], row[2], 0.0) > 0.0:
                continue
            where = locate(m, p, edge, vert, a, i, sign)
            spent += locate_operations(m, where, i, a)
            where &= ~NEAR
            if where == OUTSIDE:
                m = EMPTY
                break
            if where != INSIDE:
                m = cut(m, p, 1 - p, edge, vert, a, i, sign, 1, where)
                p = 1 - p
                spent += cut_operations(m, p, vert)
        operations[b] = spent + area_operations(m) + refined_operations(m, p, edge, vert, a)
