"""Simplicial cones: k = d independent half-spaces, every subset of the rays a face.

A face is the bit mask of its rays, which is also its number, so the lattice is
the same for every cone of one dimension: `boolean_lattice` makes it once.
Distances come from elimination on M_kl = a_k . a_l - alpha_k alpha_l (alpha = A u) down the
tree of subsets, in double-double: the errors of one face are then those of no
other, as the cancellation between a face's two neighbours needs.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels.axis import choose_axes
from conevol.kernels.doubledouble import (
    DD_EPS,
    dd_add,
    dd_div,
    dd_fma,
    dd_fma_doubles,
    dd_fms,
    dd_fms_loose,
    dd_mul,
    dd_sqrt,
)
from conevol.kernels.integral import integrate
from conevol.kernels.rays import first_rays, scale_rows
from conevol.kernels.schlafli import NODES, WORK_ROWS

OK, ILL_CONDITIONED = 0, 1


@kernel
def boolean_lattice(d):
    """dims, pointer, facets of the lattice of subsets of d rays, in `sweep`'s order."""
    count = 1 << d
    dims = np.zeros(count, np.int8)
    pointer = np.zeros(count + 1, np.int64)
    facets = np.empty(d << (d - 1), np.int32)
    e = 0
    for f in range(count):
        for k in range(d):
            if f >> k & 1:
                facets[e] = f ^ (1 << k)
                e += 1
        pointer[f + 1] = e
        dims[f] = e - pointer[f]
    return dims, pointer, facets


@kernel
def top_gram(a, u, hi, lo, ah, al):
    """Level 0 of the workspace: M = B B^T of the projected normals, heights alpha / |u|."""
    d = a.shape[1]
    uu_h, uu_l = 0.0, 0.0
    for l in range(d):
        uu_h, uu_l = dd_fma_doubles(uu_h, uu_l, u[l], u[l])
    norm_h, norm_l = dd_sqrt(uu_h, uu_l)
    for i in range(a.shape[0]):
        sh, sl = 0.0, 0.0
        for l in range(d):
            sh, sl = dd_fma_doubles(sh, sl, a[i, l], u[l])
        ah[0, i], al[0, i] = dd_div(sh, sl, norm_h, norm_l)
        for j in range(i + 1):
            sh, sl = 0.0, 0.0
            for l in range(d):
                sh, sl = dd_fma_doubles(sh, sl, a[i, l], a[j, l])
            hi[0, i, j], lo[0, i, j] = dd_fms(sh, sl, ah[0, i], al[0, i], ah[0, j], al[0, j])


@inline_kernel
def _eliminate(n, p, t, inv_h, inv_l, hi, lo, ah, al, gh, gl):
    """Level t + 1 = Schur complement of entry p in level t: n x n lower triangle and vector.

    A 2 x 2 result gets its diagonal only: nothing below it needs more.  Levels
    are indices, not views, to keep reference counting out of the loop.
    """
    for c in range(p + 1):
        gh[c], gl[c] = hi[t, p, c], lo[t, p, c]
    for c in range(p + 1, n):
        gh[c], gl[c] = hi[t, c, p], lo[t, c, p]
    fh, fl = dd_mul(ah[t, p], al[t, p], inv_h, inv_l)
    for r in range(n):
        if r == p:
            continue
        s = r - (r > p)
        xh, xl = gh[r], gl[r]
        ah[t + 1, s], al[t + 1, s] = dd_fms_loose(ah[t, r], al[t, r], fh, fl, xh, xl)
        th, tl = dd_mul(xh, xl, inv_h, inv_l)
        start = 0 if n > 3 else r
        for c in range(start, min(r + 1, p)):
            yh, yl = dd_fms_loose(hi[t, r, c], lo[t, r, c], th, tl, gh[c], gl[c])
            hi[t + 1, s, c], lo[t + 1, s, c] = yh, yl
        for c in range(max(start, p + 1), r + 1):
            yh, yl = dd_fms_loose(hi[t, r, c], lo[t, r, c], th, tl, gh[c], gl[c])
            hi[t + 1, s, c - 1], lo[t + 1, s, c - 1] = yh, yl


@inline_kernel
def _length(t, hi, lo, ah, al):
    """h1 + h2 of the two-dimensional face of level t, summed before rounding."""
    s0h, s0l = dd_sqrt(hi[t, 0, 0], lo[t, 0, 0])
    s1h, s1l = dd_sqrt(hi[t, 1, 1], lo[t, 1, 1])
    xh, xl = dd_div(ah[t, 0], al[t, 0], s0h, s0l)
    yh, yl = dd_div(ah[t, 1], al[t, 1], s1h, s1l)
    return dd_add(xh, xl, yh, yl)[0]


@kernel
def subset_geometry(kappa, h, lengths, matrices, vectors, low):
    """kappa, h and lengths of every face of a simplicial cone, from level 0 of the workspace.

    Workspace: matrices (2, d, d, d), vectors (2, d + 2, d), hi and lo; level 0 is M and alpha
    (`top_gram` writes them).  low is None, or arrays for the low parts of kappa and h.  Returns
    the largest kappa and the smallest pivot |p_k|^2 / |b_k|^2 met: 2^-104 / pivot bounds the
    relative error of a distance.  kappa must have 2^d entries, in the order of `boolean_lattice`.
    """
    d = matrices.shape[1]
    full = (1 << d) - 1
    hi, lo, ah, al = matrices[0], matrices[1], vectors[0], vectors[1]
    gh, gl = vectors[0, d], vectors[1, d]
    kh, kl = vectors[0, d + 1], vectors[1, d + 1]
    original = np.empty(d)
    for k in range(d):
        original[k] = 1.0 / hi[0, k, k]
    kappa_max, worst = 0.0, 1.0
    e = h.size
    kappa[0] = 0.0
    kh[0], kl[0] = 0.0, 0.0
    for tight in range(full):
        face = full ^ tight
        n, rest = 0, face
        while rest:
            n += 1
            rest &= rest - 1
        t = d - n
        if tight:
            p = 0
            while not tight >> p & 1:
                p += 1
            inv_h, inv_l = dd_div(1.0, 0.0, hi[t - 1, p, p], lo[t - 1, p, p])
            th, tl = dd_mul(ah[t - 1, p], al[t - 1, p], ah[t - 1, p], al[t - 1, p])
            yh, yl = dd_fma(kh[t - 1], kl[t - 1], th, tl, inv_h, inv_l)
            if t < d - 1:
                kh[t], kl[t] = yh, yl
                _eliminate(n + 1, p, t - 1, inv_h, inv_l, hi, lo, ah, al, gh, gl)
            kappa[face] = yh
            if low is not None:
                low[0][face] = yl
            kappa_max = max(kappa_max, yh)
        else:
            kappa[face] = 0.0
        e -= n
        if n == 1:
            continue
        k = 0
        for j in range(d):
            if face >> j & 1:
                if low is not None:
                    sh, sl = dd_sqrt(hi[t, k, k], lo[t, k, k])
                    h[e + k], low[1][e + k] = dd_div(ah[t, k], al[t, k], sh, sl)
                else:
                    h[e + k] = ah[t, k] / math.sqrt(hi[t, k, k])
                worst = min(worst, hi[t, k, k] * original[j])
                k += 1
        if n == 2:
            lengths[face] = _length(t, hi, lo, ah, al)
    return kappa_max, worst


@inline_kernel
def elimination_loss(d, worst):
    """Bound of the relative error of the distances, worst as from `subset_geometry`."""
    return 8.0 * d * DD_EPS / worst


@kernel
def subset_data(a, axis, faces, entries):
    """kappa (2, faces), h (2, entries), largest kappa and relative error of h about a given axis.

    High and low parts, for the double-double sweep.
    """
    d = a.shape[0]
    kappa, h, lengths = np.zeros((2, faces)), np.zeros((2, entries)), np.empty(faces)
    matrices, vectors = np.empty((2, d, d, d)), np.empty((2, d + 2, d))
    top_gram(a, axis, matrices[0], matrices[1], vectors[0], vectors[1])
    kappa_max, worst = subset_geometry(kappa[0], h[0], lengths, matrices, vectors, (kappa[1], h[1]))
    return kappa, h, kappa_max, elimination_loss(d, worst)


@kernel
def simplicial_fraction(a, dims, pointer, facets, rtol, work):
    """Fraction of {x : a x >= 0}, a (d, d) from `scale_rows`, its error bound, panels and axis.

    Returns (status, value, bound, panels, axis); the lattice is `boolean_lattice(d)`,
    work (2^d + WORK_ROWS, NODES).  A second axis is tried when the first misses rtol.
    """
    d = a.shape[0]
    rows = np.arange(d)
    axes, rays = np.empty((2, d)), np.empty((d, d))
    if not first_rays(a, rows, rays, np.empty(d), np.zeros((d, 1), np.uint64)):
        return ILL_CONDITIONED, 0.0, 1.0, 0, axes[0]
    choices = choose_axes(a, rows, rays, axes)
    kappa, lengths, h = np.empty(dims.size), np.empty(dims.size), np.empty(facets.size)
    matrices, vectors = np.empty((2, d, d, d)), np.empty((2, d + 2, d))
    status, value, bound, panels, best = ILL_CONDITIONED, 0.0, 1.0, 0, 0
    for c in range(choices):
        top_gram(a, axes[c], matrices[0], matrices[1], vectors[0], vectors[1])
        kappa_max, worst = subset_geometry(kappa, h, lengths, matrices, vectors, None)
        loss = elimination_loss(d, worst)
        if not loss < 1e-16:
            continue
        v, b, n = integrate(dims, pointer, facets, kappa, h, lengths, kappa_max, loss, rtol, work)
        if status != OK or b < bound:
            status, value, bound, panels, best = OK, v, b, n, c
        if bound <= rtol * value:
            break
    return status, value, bound, panels, axes[best]


@kernel
def work_rows(d):
    """Workspace of `simplicial_fraction`."""
    return np.empty(((1 << d) + WORK_ROWS, NODES))


@kernel
def simplicial_range(
    normals, dims, pointer, facets, rtol, start, stop, values, bounds, panels, statuses
):
    """`simplicial_fraction` of cones start..stop of normals (N, d, d), each on its own."""
    d = normals.shape[1]
    work = work_rows(d)
    a, kept = np.empty((d, d)), np.empty(d, np.int64)
    for i in range(start, stop):
        statuses[i] = ILL_CONDITIONED
        if scale_rows(normals[i], a, kept) == d:
            statuses[i], values[i], bounds[i], panels[i], _ = simplicial_fraction(
                a, dims, pointer, facets, rtol, work
            )
