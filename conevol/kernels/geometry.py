"""Distances of the faces of any lattice, by orthogonal projections in double-double.

A face F of dimension m lives in coordinates R^(m-1): the polytope
{z : p_k . z + a_k >= 0}, k over its facets, with 0 the projection of the axis.
Its distances are h_k = a_k / |p_k|.  Going down to facet k, a Householder
reflection turns p_k into the first coordinate, which is then fixed at -h_k and
dropped; only the facets' normals that meet facet k in a ridge are kept.  Each
face is reached once, down a spanning tree of the lattice, so the errors of its
distances are those of one backward stable factorisation with unit 2^-104.
"""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import kernel
from conevol.kernels.doubledouble import (
    dd_add,
    dd_div,
    dd_fma,
    dd_fms,
    dd_mul,
    dd_sqrt,
)


@kernel
def _reflector(m, ph, pl, wh, wl):
    """w with (I - w w^T) p = s e_1, |s| = |p|, for p of length m; (s, |p|) in double-double.

    Requires p != 0.
    """
    sh, sl = 0.0, 0.0
    for l in range(m):
        sh, sl = dd_fma(sh, sl, ph[l], pl[l], ph[l], pl[l])
    norm_h, norm_l = dd_sqrt(sh, sl)
    sign = -1.0 if ph[0] > 0.0 else 1.0
    th, tl = dd_add(ph[0], pl[0], -sign * norm_h, -sign * norm_l)
    # |p - s e_1|^2 / 2 = |p| (|p| + |p_0|)
    ah, al = dd_add(norm_h, norm_l, abs(ph[0]), pl[0] if ph[0] > 0.0 else -pl[0])
    bh, bl = dd_mul(ah, al, norm_h, norm_l)
    rh, rl = dd_sqrt(bh, bl)
    wh[0], wl[0] = dd_div(th, tl, rh, rl)
    for l in range(1, m):
        wh[l], wl[l] = dd_div(ph[l], pl[l], rh, rl)
    return sign, norm_h, norm_l


@kernel
def _reflect(m, wh, wl, ph, pl, out_h, out_l):
    """(I - w w^T) p without its first coordinate, which is returned."""
    sh, sl = 0.0, 0.0
    for l in range(m):
        sh, sl = dd_fma(sh, sl, wh[l], wl[l], ph[l], pl[l])
    for l in range(1, m):
        out_h[l - 1], out_l[l - 1] = dd_fms(ph[l], pl[l], sh, sl, wh[l], wl[l])
    return dd_fms(ph[0], pl[0], sh, sl, wh[0], wl[0])


@kernel
def project_axis(a_hi, a_lo, rows, axis, hi, lo, ah, al, wh, wl):
    """Coordinates of the cone itself: normals[rows] about the axis.

    Writes p_k (d - 1 entries) to hi[i], lo[i] and the height a_k . u to ah[i], al[i].
    """
    d = a_hi.shape[1]
    zero = np.zeros(d)
    sign, _, _ = _reflector(d, axis, zero, wh, wl)
    for i in range(rows.size):
        k = rows[i]
        ch, cl = _reflect(d, wh, wl, a_hi[k], a_lo[k], hi[i], lo[i])
        ah[i], al[i] = sign * ch, sign * cl


@kernel
def _distances(n, m, hi, lo, ah, al, h, h_lo, squares):
    """h_k = a_k / |p_k| of the n facets of a face with m coordinates, in double-double."""
    for k in range(n):
        sh, sl = 0.0, 0.0
        for l in range(m):
            sh, sl = dd_fma(sh, sl, hi[k, l], lo[k, l], hi[k, l], lo[k, l])
        squares[k] = sh
        sh, sl = dd_sqrt(sh, sl)
        h[k], h_lo[k] = dd_div(ah[k], al[k], sh, sl)


@kernel
def _descend(m, pick, first, end, sibling, hi, lo, ah, al, h, h_lo, wh, wl, out):
    """Coordinates of the facet `pick` of a face with m coordinates, for its own facets.

    sibling[first:end] are the facets of the face that cut the facets of `pick`
    out of it; out is (hi, lo, ah, al) of the facet.
    """
    out_hi, out_lo, out_ah, out_al = out
    sign, _, _ = _reflector(m, hi[pick], lo[pick], wh, wl)
    fh, fl = sign * h[pick], sign * h_lo[pick]
    for e in range(first, end):
        s, i = sibling[e], e - first
        ch, cl = _reflect(m, wh, wl, hi[s], lo[s], out_hi[i], out_lo[i])
        out_ah[i], out_al[i] = dd_fms(ah[s], al[s], ch, cl, fh, fl)


@kernel
def lattice_geometry(a_hi, a_lo, axis, lattice, kappa, kappa_lo, h, h_lo, lengths):
    """kappa, h and lengths of every face of the cone (a_hi + a_lo) x >= 0 about the axis.

    kappa + kappa_lo and h + h_lo are the double-double values, lengths are rounded.
    lattice = (dims, pointer, facets, sibling, parent, top_rows): see
    `conevol.kernels.lattice`.  Returns the largest kappa, and the smallest
    |p_k|^2 / |p_k of the cone|^2 met.
    """
    dims, pointer, facets, sibling, parent, top_rows = lattice
    d = a_hi.shape[1]
    top = dims.size - 1
    widest = 0
    for f in range(top + 1):
        widest = max(widest, pointer[f + 1] - pointer[f])
    hi, lo = np.zeros((d + 1, widest, d)), np.zeros((d + 1, widest, d))
    ah, al = np.zeros((d + 1, widest)), np.zeros((d + 1, widest))
    dist, dist_lo = np.zeros((d + 1, widest)), np.zeros((d + 1, widest))
    squares, original = np.zeros(widest), np.zeros((d + 1, widest))
    wh, wl = np.zeros(d), np.zeros(d)
    kh, kl = np.zeros(d + 1), np.zeros(d + 1)
    path, at = np.zeros(d + 1, np.int64), np.zeros(d + 1, np.int64)
    project_axis(a_hi, a_lo, top_rows, axis, hi[d], lo[d], ah[d], al[d], wh, wl)
    kappa_max, worst = 0.0, 1.0
    m = d
    path[d], at[d] = top, -1
    while m <= d:
        f = path[m]
        first, end = pointer[f], pointer[f + 1]
        if at[m] < 0:
            n = end - first
            kappa[f], kappa_lo[f] = kh[m], kl[m]
            kappa_max = max(kappa_max, kh[m])
            _distances(n, m - 1, hi[m], lo[m], ah[m], al[m], dist[m], dist_lo[m], squares)
            for k in range(n):
                if m == d:
                    original[m, k] = squares[k]
                h[first + k], h_lo[first + k] = dist[m, k], dist_lo[m, k]
                if squares[k] < worst * original[m, k]:
                    worst = squares[k] / original[m, k]
            if m == 2:
                lengths[f], _ = dd_add(dist[2, 0], dist_lo[2, 0], dist[2, 1], dist_lo[2, 1])
            at[m] = 0
        pick = at[m]
        if pick == end - first:
            m += 1
            continue
        at[m] += 1
        child = facets[first + pick]
        if parent[child] != first + pick:
            continue
        sh, sl = dist[m, pick], dist_lo[m, pick]
        kh[m - 1], kl[m - 1] = dd_fma(kh[m], kl[m], sh, sl, sh, sl)
        if m == 2:
            kappa[child], kappa_lo[child] = kh[1], kl[1]
            kappa_max = max(kappa_max, kh[1])
            continue
        below = (hi[m - 1], lo[m - 1], ah[m - 1], al[m - 1])
        a, b = pointer[child], pointer[child + 1]
        _descend(m - 1, pick, a, b, sibling, hi[m], lo[m], ah[m], al[m],
                 dist[m], dist_lo[m], wh, wl, below)  # fmt: skip
        for e in range(a, b):
            original[m - 1, e - a] = original[m, sibling[e]]
        m -= 1
        path[m], at[m] = child, -1
    return kappa_max, worst


@kernel
def _square(m, hi, lo):
    """|p|^2 of a double-double vector, rounded to a double."""
    sh, sl = 0.0, 0.0
    for l in range(m):
        sh, sl = dd_fma(sh, sl, hi[l], lo[l], hi[l], lo[l])
    return sh


@kernel
def rotate_rows(a, a_lo, rank):
    """Coordinates (hi, lo), each (k, rank), of the rows of a + a_lo in an orthonormal basis.

    The basis spans them.  Householder QR with pivoting by the residual relative to the
    row, in double-double.  Also returns that residual for each coordinate, falling;
    coordinates beyond the numerical rank are only noise.
    """
    k, d = a.shape
    hi, lo = a.copy(), a_lo.copy()
    out_hi, out_lo = np.zeros((k, rank)), np.zeros((k, rank))
    residuals, lengths = np.zeros(rank), np.empty(k)
    wh, wl = np.zeros(d), np.zeros(d)
    next_h, next_l = np.zeros(d), np.zeros(d)
    for i in range(k):
        lengths[i] = _square(d, hi[i], lo[i])
    for step in range(rank):
        m = d - step
        best, value = 0, -1.0
        for i in range(k):
            ratio = _square(m, hi[i], lo[i]) / lengths[i]
            if ratio > value:
                best, value = i, ratio
        residuals[step] = np.sqrt(value)
        if value == 0.0:
            break
        pivot_h, pivot_l = hi[best].copy(), lo[best].copy()
        _reflector(m, pivot_h, pivot_l, wh, wl)
        for i in range(k):
            out_hi[i, step], out_lo[i, step] = _reflect(m, wh, wl, hi[i], lo[i], next_h, next_l)
            hi[i, : m - 1], lo[i, : m - 1] = next_h[: m - 1], next_l[: m - 1]
    return out_hi, out_lo, residuals
