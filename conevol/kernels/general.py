"""Fraction of any pointed cone, from its rays and tight rows to the error bound."""

from __future__ import annotations

import numpy as np

from conevol.kernels import lattice as _lattice
from conevol.kernels._jit import kernel, tally
from conevol.kernels.axis import choose_axes
from conevol.kernels.doubledouble import DD_EPS
from conevol.kernels.geometry import lattice_geometry
from conevol.kernels.integral import integrate
from conevol.kernels.lattice import build_lattice, maximal_sets
from conevol.kernels.lattice_operations import geometry_operations
from conevol.kernels.rays import OK as RAYS_OK
from conevol.kernels.rays import extreme_rays, scale_rows, transpose_bits
from conevol.kernels.schlafli import NODES, WORK_ROWS

OK, INCONSISTENT, TOO_LARGE, NO_AXIS, ILL_CONDITIONED, TOO_SLOW = 0, 1, 2, 3, 4, 5


@kernel
def facet_rows(sets):
    """Rows that are facets, from the rows' ray sets (k, words): the largest sets, once each."""
    keep = np.zeros(sets.shape[0], np.bool_)
    count = maximal_sets(sets, sets.shape[0], keep)
    rows = np.empty(count, np.int64)
    n = 0
    for i in range(sets.shape[0]):
        if keep[i]:
            rows[n] = i
            n += 1
    return rows


@kernel
def facets_among(sets):
    """`facet_rows`, and their sets of rays."""
    rows = facet_rows(sets)
    facet_sets = np.empty((rows.size, sets.shape[1]), np.uint64)
    for i in range(rows.size):
        facet_sets[i] = sets[rows[i]]
    return rows, facet_sets


@kernel
def lattice_fraction(a_hi, a_lo, rays, sets, max_bytes, max_seconds, rtol, spent=None):
    """Fraction of the pointed cone (a_hi + a_lo) x >= 0 of full dimension d >= 2.

    rays (n, d) are its unit extreme rays, rounded; sets (k, words) the rows' exact ray
    sets.  A second axis is tried when the first misses rtol.
    Returns (status, value, bound, panels, faces, entries, axis).  Operations are added to spent,
    if that is an array.
    """
    d = a_hi.shape[1]
    rows, facet_sets = facets_among(sets)
    axes = np.empty((2, d))
    choices = choose_axes(a_hi, rows, rays, axes, spent)
    if choices == 0:
        return NO_AXIS, 0.0, 1.0, 0, 0, 0, axes[0]
    status, dims, pointer, facets, sibling, parent = build_lattice(
        facet_sets, d, max_bytes, max_seconds
    )
    if status != _lattice.OK:
        return status, 0.0, 1.0, 0, dims.size, facets.size, axes[0]
    kappa, h = np.zeros((2, dims.size)), np.empty((2, facets.size))
    lengths = np.zeros(dims.size)
    faces = (dims, pointer, facets, sibling, parent, rows)
    work = np.empty((dims.size + WORK_ROWS, NODES))
    status, value, bound, panels, best = ILL_CONDITIONED, 0.0, 1.0, 0, 0
    for c in range(choices):
        kappa_max, worst = lattice_geometry(
            a_hi, a_lo, axes[c], faces, kappa[0], kappa[1], h[0], h[1], lengths
        )
        if spent is not None:
            tally(spent, geometry_operations(dims, pointer))
        loss = 8.0 * d * DD_EPS / np.sqrt(worst)
        if not loss < 1e-3:
            continue
        v, b, n = integrate(
            dims, pointer, facets, kappa[0], h[0], lengths, kappa_max, loss, rtol, work, spent
        )
        if status != OK or b < bound:
            status, value, bound, panels, best = OK, v, b, n, c
        if bound <= rtol * value:
            break
    return status, value, bound, panels, dims.size, facets.size, axes[best]


@kernel
def _apart(a, least):
    """Whether every two rows differ in direction by more than `least` in some entry."""
    n, d = a.shape
    sizes = np.empty(n)
    for i in range(n):
        square = 0.0
        for l in range(d):
            square += a[i, l] * a[i, l]
        sizes[i] = np.sqrt(square)
        for j in range(i):
            gap = 0.0
            for l in range(d):
                gap = max(gap, abs(a[i, l] / sizes[i] - a[j, l] / sizes[j]))
            if gap <= least:
                return False
    return True


@kernel
def lattice_range(normals, fewest, least, limits, rtol, start, stop, results, counts, done):
    """Fractions of cones start..stop of normals (N, k, d), d >= 2, each on its own.

    Those are done that hold no subspace, have at least `fewest` rows, no two of them nearer than
    `least`, signs that are certain, an interior, and a bound within rtol.
    limits = (rays, tests, bytes, seconds).  results (N, 2) are values and bounds, counts (N, 2)
    faces and panels.
    """
    k, d = normals.shape[1:]
    buffer, kept = np.empty((k, d)), np.empty(k, np.int64)
    zero = np.zeros((k, d))
    for i in range(start, stop):
        n = scale_rows(normals[i], buffer, kept)
        a = buffer[:n]
        if n < fewest or not _apart(a, least):
            continue
        status, rays, tight = extreme_rays(a, np.int64(limits[0]), limits[1])
        if status != RAYS_OK:
            continue
        status, value, bound, panels, faces, _, _ = lattice_fraction(
            a, zero[:n], rays, transpose_bits(tight, n), limits[2], limits[3], rtol
        )
        if status == OK and bound <= rtol * value:
            done[i] = True
            results[i, 0], results[i, 1] = value, bound
            counts[i, 0], counts[i, 1] = faces, panels


@kernel
def lattice_data(a_hi, a_lo, sets, axis, max_bytes, max_seconds):
    """The lattice and its distances about a given axis, for the double-double sweep.

    Returns (status, dims, pointer, facets, kappa (2, faces), h (2, entries), kappa_max,
    relative error of h).
    """
    d = a_hi.shape[1]
    rows, facet_sets = facets_among(sets)
    status, dims, pointer, facets, sibling, parent = build_lattice(
        facet_sets, d, max_bytes, max_seconds
    )
    kappa, h = np.zeros((2, dims.size)), np.empty((2, facets.size))
    lengths = np.zeros(dims.size)
    kappa_max, worst = 0.0, 1.0
    if status == _lattice.OK:
        faces = (dims, pointer, facets, sibling, parent, rows)
        kappa_max, worst = lattice_geometry(
            a_hi, a_lo, axis, faces, kappa[0], kappa[1], h[0], h[1], lengths
        )
    loss = 8.0 * d * DD_EPS / np.sqrt(worst)
    return status, dims, pointer, facets, kappa, h, kappa_max, loss
