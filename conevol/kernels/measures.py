"""What the fractions of a cone's faces give: moments, and the gradient in the normals.

With n_f the unit inward normal of facet f and t_fG the unit inward normal of its
ridge G within f, Stein's lemma, once in the cone and once in each facet, reads

    E[x 1_C]     = (2 pi)^(-1/2) sum_f n_f phi_f,
    E[x x^T 1_C] = phi_C I + (1 / 2 pi) sum_f n_f T_f^T,    T_f = sum_G t_fG phi_G,

and T_f / 2 pi is the derivative of phi_C in n_f (docs/methods.md, statements 19 and 20).
All vectors are in the coordinates of the normals given, so a subspace in the
cone needs nothing special.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels import lattice as _lattice
from conevol.kernels import rays as _rays
from conevol.kernels._jit import kernel
from conevol.kernels.axis import choose_axes
from conevol.kernels.doubledouble import DD_EPS, dd_div, dd_fma, dd_fms, dd_sqrt
from conevol.kernels.general import ILL_CONDITIONED, NO_AXIS, OK, facets_among
from conevol.kernels.geometry import lattice_geometry
from conevol.kernels.integral import integrate_faces
from conevol.kernels.lattice import build_lattice
from conevol.kernels.schlafli import NODES, WORK_ROWS, U

TWO_PI = 2.0 * math.pi
ROOT_TWO_PI = math.sqrt(TWO_PI)
# Roundings of a term of a sum over facets or ridges, without those of its fraction.
TERM = 16.0
# Rays of a cone that a batch stops for.
MANY_RAYS = 1000
# What `moments_range` leaves to the caller, who has more ways to treat a cone.
UNSURE = -1


@kernel
def _worst_share(values, bounds, dims, both):
    """Largest bound of a face's fraction, relative to it."""
    d = dims[dims.size - 1]
    worst = 0.0
    for f in range(dims.size):
        if dims[f] > 1 and (both or dims[f] % 2 == d % 2):
            worst = max(worst, bounds[f] / max(values[f], 1e-300))
    return worst


@kernel
def face_fractions(a_hi, a_lo, rays, sets, both, limits, rtol):
    """Fractions of the faces of the pointed cone (a_hi + a_lo) x >= 0 of dimension d >= 2.

    Arguments as for `general.lattice_fraction`, limits = (bytes, seconds); both asks for
    all faces, else only those whose dimension has the parity of d are computed.  Returns
    (status, rows, lattice, values, bounds): the rows that are facets, what `build_lattice`
    returns after its status, and fractions by face.
    """
    d = a_hi.shape[1]
    rows, facet_sets = facets_among(sets)
    axes = np.empty((2, d))
    choices = choose_axes(a_hi, rows, rays, axes)
    status, dims, pointer, facets, sibling, parent = build_lattice(
        facet_sets, d, limits[0], limits[1]
    )
    values, bounds = np.zeros((2, dims.size)), np.ones((2, dims.size))
    lattice = (dims, pointer, facets, sibling, parent)
    if status != _lattice.OK or choices == 0:
        status = NO_AXIS if status == _lattice.OK else status
        return status, rows, lattice, values[0], bounds[0]
    kappa, h = np.zeros((2, dims.size)), np.empty((2, facets.size))
    lengths = np.zeros(dims.size)
    work = np.empty((dims.size + WORK_ROWS, NODES))
    status, best, share = ILL_CONDITIONED, 0, np.inf
    for c in range(choices):
        kappa_max, worst = lattice_geometry(
            a_hi, a_lo, axes[c], (dims, pointer, facets, sibling, parent, rows),
            kappa[0], kappa[1], h[0], h[1], lengths
        )  # fmt: skip
        loss = 8.0 * d * DD_EPS / math.sqrt(worst)
        if not loss < 1e-3:
            continue
        shape = (dims, pointer, facets, kappa[0], lengths)
        integrate_faces(shape, h[0], kappa_max, loss, both, work, values[c], bounds[c])
        this = _worst_share(values[c], bounds[c], dims, both)
        if status != OK or this < share:
            status, best, share = OK, c, this
        if share <= rtol:
            break
    return status, rows, lattice, values[best], bounds[best]


@kernel
def unit_rows(a_hi, a_lo, rows, hi, lo):
    """The chosen rows of a_hi + a_lo, divided by their lengths, in double-double."""
    for i in range(rows.size):
        k = rows[i]
        sh, sl = 0.0, 0.0
        for l in range(a_hi.shape[1]):
            sh, sl = dd_fma(sh, sl, a_hi[k, l], a_lo[k, l], a_hi[k, l], a_lo[k, l])
        sh, sl = dd_sqrt(sh, sl)
        for l in range(a_hi.shape[1]):
            hi[i, l], lo[i, l] = dd_div(a_hi[k, l], a_lo[k, l], sh, sl)


@kernel
def _add_ridge(hi, lo, i, j, phi, bound, flux, error):
    """Add t phi to the flux of facet i, t the unit vector of n_j made orthogonal to n_i."""
    d = hi.shape[1]
    ch, cl = 0.0, 0.0
    for l in range(d):
        ch, cl = dd_fma(ch, cl, hi[i, l], lo[i, l], hi[j, l], lo[j, l])
    square = 0.0
    for l in range(d):
        t, _ = dd_fms(hi[j, l], lo[j, l], ch, cl, hi[i, l], lo[i, l])
        square += t * t
    # The rounding of the projection, relative to the sine of the angle between the two.
    sine = math.sqrt(square)
    margin = bound + phi * (TERM * U + d * DD_EPS * 8.0 / sine)
    for l in range(d):
        t, _ = dd_fms(hi[j, l], lo[j, l], ch, cl, hi[i, l], lo[i, l])
        flux[i, l] += t / sine * phi
        error[i, l] += abs(t / sine) * margin + 8.0 * DD_EPS * phi / sine


@kernel
def facet_fluxes(hi, lo, m, lattice, values, bounds, flux, error):
    """T_f of the facets, with unit normals hi + lo (n, d), and a bound of its entries' errors.

    m is the dimension of the pointed part, m >= 1; lattice, values and bounds from
    `face_fractions` if m >= 2.
    """
    flux[:] = 0.0
    error[:] = 0.0
    n = hi.shape[0]
    if m == 2:
        for i in range(n):
            _add_ridge(hi, lo, i, 1 - i, 1.0, 0.0, flux, error)
    if m < 3:
        return
    dims, pointer, facets, sibling, _ = lattice
    top = pointer[dims.size - 1]
    for i in range(n):
        f = facets[top + i]
        for e in range(pointer[f], pointer[f + 1]):
            g = facets[e]
            _add_ridge(hi, lo, i, sibling[e], values[g], bounds[g], flux, error)
        for l in range(hi.shape[1]):
            error[i, l] += (pointer[f + 1] - pointer[f]) * U * abs(flux[i, l])


@kernel
def assemble_moments(hi, flux, error, phi, phi_bound, facet, facet_bound, first, second):
    """E[x 1_C] and E[x x^T 1_C] to first[0] and second[0], bounds of their errors to [1].

    hi (n, d) are the unit normals of the facets, facet (n,) their fractions, phi that of the cone.
    """
    n, d = hi.shape
    for r in range(d):
        s, e = 0.0, 0.0
        for i in range(n):
            s += hi[i, r] * facet[i]
            e += abs(hi[i, r]) * (facet_bound[i] + (TERM + n) * U * facet[i])
        first[0, r], first[1, r] = s / ROOT_TWO_PI, e / ROOT_TWO_PI
        for c in range(r + 1):
            s, e = 0.0, 0.0
            for i in range(n):
                # The sum is symmetric but for rounding.
                s += 0.5 * (hi[i, r] * flux[i, c] + hi[i, c] * flux[i, r])
                x, y = abs(hi[i, r]), abs(hi[i, c])
                e += 0.5 * (x * error[i, c] + y * error[i, r])
                e += (TERM + n) * U * 0.5 * (x * abs(flux[i, c]) + y * abs(flux[i, r]))
            s, e = s / TWO_PI, e / TWO_PI
            if r == c:
                s, e = phi + s, phi_bound + e + 2.0 * U * phi
            second[0, r, c] = second[0, c, r] = s
            second[1, r, c] = second[1, c, r] = e


@kernel
def pointed_moments(a_hi, a_lo, whole, rays, sets, limits, rtol, first, second):
    """Moments of the cone (a_hi + a_lo) x >= 0, pointed in its m >= 2 dimensions.

    whole = (rows hi, rows lo) (k, d) are the normals in the coordinates wanted, a_hi and
    a_lo (k, m) the same in the row space (the same arrays where m = d); rays (n, m) its
    unit rays, sets (k, words) the rows' ray sets.  first (2, d) and second (2, d, d) as
    `assemble_moments` writes them.  Returns (status, fraction, bound).
    """
    status, rows, lattice, values, bounds = face_fractions(
        a_hi, a_lo, rays, sets, True, limits, rtol
    )
    if status != OK:
        return status, 0.0, 1.0
    n, d = rows.size, whole[0].shape[1]
    hi, lo = np.empty((n, d)), np.empty((n, d))
    flux, error = np.empty((n, d)), np.empty((n, d))
    facet, facet_bound = np.empty(n), np.empty(n)
    unit_rows(whole[0], whole[1], rows, hi, lo)
    facet_fluxes(hi, lo, a_hi.shape[1], lattice, values, bounds, flux, error)
    dims, pointer, facets = lattice[0], lattice[1], lattice[2]
    last = dims.size - 1
    for i in range(n):
        f = facets[pointer[last] + i]
        facet[i], facet_bound[i] = values[f], bounds[f]
    phi, bound = values[last], bounds[last]
    assemble_moments(hi, flux, error, phi, bound, facet, facet_bound, first, second)
    return OK, phi, bound


@kernel
def pointed_gradient(a_hi, a_lo, whole, rays, sets, limits, rtol, gradient, error):
    """Derivatives of the fraction in the rows of `whole`, and bounds of their errors.

    Arguments as for `pointed_moments`; gradient and error are (k, d), 0 in rows that are not
    facets.  Returns the status.
    """
    status, rows, lattice, values, bounds = face_fractions(
        a_hi, a_lo, rays, sets, False, limits, rtol
    )
    gradient[:] = 0.0
    error[:] = 0.0
    if status != OK:
        return status
    n, d = rows.size, whole[0].shape[1]
    hi, lo = np.empty((n, d)), np.empty((n, d))
    flux, margin = np.empty((n, d)), np.empty((n, d))
    unit_rows(whole[0], whole[1], rows, hi, lo)
    facet_fluxes(hi, lo, a_hi.shape[1], lattice, values, bounds, flux, margin)
    for i in range(n):
        k = rows[i]
        square = 0.0
        for l in range(d):
            square += whole[0][k, l] * whole[0][k, l]
        scale = 1.0 / (TWO_PI * math.sqrt(square))
        for l in range(d):
            gradient[k, l] = scale * flux[i, l]
            error[k, l] = scale * (margin[i, l] + (d + 8) * U * abs(flux[i, l]))
    return OK


@kernel
def moments_range(normals, limits, rtol, start, stop, statuses, fractions, first, second):
    """Moments of cones start..stop of normals (N, k, d), d >= 2, each on its own.

    statuses (N,) say which were done (OK, or UNSURE: no subspace may be in the cone, all signs
    must be certain in floating point); fractions (N, 2), first (N, 2, d) and
    second (N, 2, d, d) hold values and bounds.
    """
    k, d = normals.shape[1:]
    buffer, kept = np.empty((k, d)), np.empty(k, np.int64)
    for i in range(start, stop):
        statuses[i] = UNSURE
        n = _rays.scale_rows(normals[i], buffer, kept)
        a = buffer[:n]
        if n < d:
            continue
        status, rays, tight = _rays.extreme_rays(a, MANY_RAYS, np.inf)
        if status == _rays.EMPTY:
            statuses[i] = OK
            fractions[i], first[i], second[i] = 0.0, 0.0, 0.0
            continue
        if status != _rays.OK:
            continue
        sets = _rays.transpose_bits(tight, n)
        zero = np.zeros((n, d))
        status, phi, bound = pointed_moments(
            a, zero, (a, zero), rays, sets, limits, rtol, first[i], second[i]
        )
        if status == OK and bound <= rtol * phi:
            statuses[i] = OK
            fractions[i, 0], fractions[i, 1] = phi, bound


@kernel
def _orthogonal_part(v_hi, v_lo, basis_hi, basis_lo, size):
    """Subtract from v its projections on the first `size` rows of an orthonormal basis."""
    for t in range(size):
        ch, cl = 0.0, 0.0
        for l in range(v_hi.size):
            ch, cl = dd_fma(ch, cl, v_hi[l], v_lo[l], basis_hi[t, l], basis_lo[t, l])
        for l in range(v_hi.size):
            v_hi[l], v_lo[l] = dd_fms(v_hi[l], v_lo[l], ch, cl, basis_hi[t, l], basis_lo[t, l])


@kernel
def _normalise(v_hi, v_lo):
    """Divide v by its length, which is returned."""
    sh, sl = 0.0, 0.0
    for l in range(v_hi.size):
        sh, sl = dd_fma(sh, sl, v_hi[l], v_lo[l], v_hi[l], v_lo[l])
    sh, sl = dd_sqrt(sh, sl)
    for l in range(v_hi.size):
        v_hi[l], v_lo[l] = dd_div(v_hi[l], v_lo[l], sh, sl)
    return sh


@kernel
def polish_rays(hi, lo, ray_rows, rays, out_hi, out_lo):
    """Unit rays (n, m) in double-double from rounded ones, and the worst pivot on the way.

    A ray is orthogonal to the unit normals hi + lo (f, m) tight on it, bit sets ray_rows
    (n, words): m - 1 of them, chosen by pivoting, are made orthonormal and projected out.  The
    error of a ray is a few m 2^-104 / pivot.
    """
    n, m = rays.shape
    basis_hi, basis_lo = np.empty((m, m)), np.empty((m, m))
    rest_hi, rest_lo = np.empty_like(hi), np.empty_like(lo)
    worst = 1.0
    for j in range(n):
        rest_hi[:] = hi
        rest_lo[:] = lo
        for size in range(m - 1):
            best, value = 0, -1.0
            for i in range(hi.shape[0]):
                if ray_rows[j, i >> 6] >> np.uint64(i & 63) & np.uint64(1):
                    square = 0.0
                    for l in range(m):
                        square += rest_hi[i, l] * rest_hi[i, l]
                    if square > value:
                        best, value = i, square
            basis_hi[size], basis_lo[size] = rest_hi[best], rest_lo[best]
            worst = min(worst, _normalise(basis_hi[size], basis_lo[size]))
            for i in range(hi.shape[0]):
                last = slice(size, size + 1)
                _orthogonal_part(rest_hi[i], rest_lo[i], basis_hi[last], basis_lo[last], 1)
        out_hi[j] = rays[j]
        out_lo[j] = 0.0
        for _ in range(2):
            _orthogonal_part(out_hi[j], out_lo[j], basis_hi, basis_lo, m - 1)
            _normalise(out_hi[j], out_lo[j])
    return worst
