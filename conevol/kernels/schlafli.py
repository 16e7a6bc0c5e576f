"""Schlafli's differential formula, integrated over a face lattice.

Cut the cone by the plane u . x = 1: a polytope P around the foot of the unit
axis u.  Stretching the cone along u by 1 / r is scaling P by r, and a face F of
dimension m is a face of P of dimension m - 1.  Two kinds of number describe
the lattice:

    kappa_F = squared distance from the foot of u to the affine hull of F,
    h_FH    = signed distance, inside the hull of F, from the foot's projection
              to the facet H of F (positive when it lies on F's side of H).

With q = r^2, Schlafli's formula  d phi_F = (1 / 2 pi) sum_G phi_G d theta_FG  becomes
a sum over chains F > H > G of facets, where the dihedral angle has cancelled:

    d phi_F / dq = (1 / 4 pi) (1 + kappa_F q)^(-1/2) sum_H h_FH S_H,
    S_H = (1 + kappa_H q)^(-1) sum_G h_HG (1 + kappa_G q)^(-1/2) phi_G.

(Derivation: in the plane of F orthogonal to G the stretched normals are
(n_i, h_i sqrt(s)), s = q / (1 + kappa_F q), and 1 + s h_i^2 = (1 + kappa_H q) /
(1 + kappa_F q), sin^2 theta = sin^2 theta_0 (1 + kappa_G q) / (1 + kappa_F q).)

So one edge of the Hasse diagram costs one multiplication and one addition a
node, faces of one parity carry phi, those of the other carry S, and the
combinatorics enters only as lists of facets.  The parity of the cone gives its own
fraction, the other one those of its facets.  The integrand is singular only
at q = -1 / kappa_F; with r = sinh(psi) / sqrt(kappa_max) every singularity
lies on |Im psi| = pi / 2.  Panels of length <= PANEL in psi with the 16 Gauss
nodes of collocation converge like rho^-32, rho >= 3.4.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels._lanes import (
    LANES,
    absolute,
    add,
    div,
    largest,
    load,
    mul,
    mul_add,
    splat,
    sqrt,
    store,
    total,
)

NODES = LANES
U = 2.0**-53
TWO_PI = 2.0 * math.pi
# The first rows of the workspace.
Q, WEIGHT, EDGE_WEIGHT, BUFFER, WORK_ROWS = 0, 1, 2, 3, 4


def _collocation() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights, integration matrix (transposed) and tail functionals on [-1, 1]."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    values = np.polynomial.legendre.legvander(x, NODES)
    half = (np.arange(NODES) + 0.5)[:, None]
    coefficients = half * values[:, :NODES].T * w
    antiderivative = np.empty((NODES, NODES))
    antiderivative[:, 0] = x + 1.0
    for n in range(1, NODES):
        antiderivative[:, n] = (values[:, n + 1] - values[:, n - 1]) / (2 * n + 1)
    matrix = antiderivative @ coefficients
    return x, w[None], np.ascontiguousarray(matrix.T), np.ascontiguousarray(coefficients)


GAUSS_X, GAUSS_W, INTEGRATE_T, LEGENDRE = _collocation()
FROM_START = GAUSS_X[None] + 1.0
# 2^26 / 26! < 2^-62.
TERMS = 25
INVERSE_FACTORIALS = np.array([1.0 / math.factorial(n) for n in range(TERMS + 1)])


@kernel
def panel_count(kappa_max, length):
    """Number of panels of at most the given length that cover 0 < r <= 1."""
    return max(1, math.ceil(math.asinh(math.sqrt(kappa_max)) / length))


@inline_kernel
def _sinh_cosh(t):
    """sinh(t) and cosh(t), 0 <= t <= 2; no term is negative, so both are right to a few units."""
    square = mul(t, t)
    odd, even = splat(INVERSE_FACTORIALS[TERMS]), splat(INVERSE_FACTORIALS[TERMS - 1])
    for n in range(TERMS - 2, 0, -2):
        odd = mul_add(odd, square, splat(INVERSE_FACTORIALS[n]))
        even = mul_add(even, square, splat(INVERSE_FACTORIALS[n - 1]))
    return mul(t, odd), even


@kernel
def place_nodes(panel, panels, kappa_max, work):
    """Nodes q = r^2 of one panel, weights (r / 2 pi) dr/dx for x in [-1, 1], and weights / r.

    Written to rows Q, WEIGHT and EDGE_WEIGHT of work.  kappa_max > 0; a panel is at most 4 long.
    """
    scale = math.sqrt(kappa_max)
    half = 0.5 * math.asinh(scale) / panels
    # From the panel's beginning to its nodes, by the half of that distance.
    s, c = _sinh_cosh(mul(splat(0.5 * half), load(FROM_START, 0)))
    sinh = mul(mul(splat(2.0), s), c)
    cosh = mul_add(mul(splat(2.0), s), s, splat(1.0))
    if panel > 0:
        grown = math.expm1(2.0 * half * panel)
        s0 = 0.5 * (grown + grown / (grown + 1.0))
        c0 = math.sqrt(1.0 + s0 * s0)
        sinh, cosh = (
            mul_add(splat(s0), cosh, mul(splat(c0), sinh)),
            mul_add(splat(c0), cosh, mul(splat(s0), sinh)),
        )
    r = mul(sinh, splat(1.0 / scale))
    edge_weight = mul(cosh, splat(half / (scale * TWO_PI)))
    store(work, Q, mul(r, r))
    store(work, EDGE_WEIGHT, edge_weight)
    store(work, WEIGHT, mul(r, edge_weight))


@inline_kernel
def gather_sizes(first, last, facets, h, rows):
    """Sum of |h[e] rows[facets[e]]| over first <= e < last."""
    even, odd = splat(0.0), splat(0.0)
    e = first
    while e + 2 <= last:
        even = mul_add(splat(abs(h[e])), absolute(load(rows, facets[e])), even)
        odd = mul_add(splat(abs(h[e + 1])), absolute(load(rows, facets[e + 1])), odd)
        e += 2
    if e < last:
        even = mul_add(splat(abs(h[e])), absolute(load(rows, facets[e])), even)
    return add(even, odd)


@inline_kernel
def _gather(first, last, facets, h, rows):
    """Sum of h[e] rows[facets[e]] over first <= e < last."""
    even, odd = splat(0.0), splat(0.0)
    e = first
    while e + 2 <= last:
        even = mul_add(splat(h[e]), load(rows, facets[e]), even)
        odd = mul_add(splat(h[e + 1]), load(rows, facets[e + 1]), odd)
        e += 2
    if e < last:
        even = mul_add(splat(h[e]), load(rows, facets[e]), even)
    return add(even, odd)


@inline_kernel
def one_plus(kf, q):
    """1 + kappa q."""
    return mul_add(splat(kf), q, splat(1.0))


@inline_kernel
def _accumulate(integrand, root, start, rows, f, work):
    """rows[f] = (start + integral of integrand / root) / root; start + the whole integral."""
    integrand = div(integrand, root)
    store(work, BUFFER, integrand)
    even, odd = splat(start), splat(0.0)
    for i in range(0, NODES, 2):
        even = mul_add(splat(work[BUFFER, i]), load(INTEGRATE_T, i), even)
        odd = mul_add(splat(work[BUFFER, i + 1]), load(INTEGRATE_T, i + 1), odd)
    store(rows, f, div(add(even, odd), root))
    return start + total(mul(integrand, load(GAUSS_W, 0)))


@inline_kernel
def edge_phi(kf, k1, k2, product, length, work):
    """r dr/dx / 2 pi times sum_H h_FH S_H for a two-dimensional face, where h1 + h2 = length.

    S_H of a ray is 1 / (r (1 + kappa_H q)); summed without cancellation.
    """
    q = load(work, Q)
    top = mul(mul(splat(length), load(work, EDGE_WEIGHT)), one_plus(kf + product, q))
    return div(top, mul(one_plus(k1, q), one_plus(k2, q)))


@inline_kernel
def edge_s(kf, k1, k2, difference, length, sign, work):
    """S of a two-dimensional face between two rays of fraction 1/2, without cancellation.

    With a, b = (1 + kappa q)^(-1/2) of the rays,
    h1 a + h2 b = length ((a + b)^2 - q ((h2 - h1) a b)^2) / (2 (a + b)).
    """
    q = load(work, Q)
    a = div(splat(1.0), sqrt(one_plus(k1, q)))
    b = div(splat(1.0), sqrt(one_plus(k2, q)))
    both = add(a, b)
    tilt = mul(splat(difference), mul(a, b))
    bracket = mul_add(mul(tilt, tilt), mul(splat(-sign), q), mul(both, both))
    return div(mul(splat(0.25 * length), bracket), mul(both, one_plus(kf, q)))


@kernel
def _tail(work):
    """Discretisation error of one panel: the square of the decay of the integrand's coefficients.

    Gauss collocation is exact to order 2 NODES, so what matters is the square
    of the relative size of the last Legendre coefficients; half the peak stands
    for the first.
    """
    integrand = load(work, BUFFER)
    peak = max(0.5 * largest(absolute(integrand)), 1e-300)
    last = 0.0
    for n in range(NODES - 3, NODES):
        last = max(last, abs(total(mul(load(LEGENDRE, n), integrand))))
    return last * (last / peak)


@kernel
def carry(lattice, h, sizes, parity, tails, starts, rows, work):
    """Carry every face through one panel, whose nodes are in work; starts moves to its end.

    With sizes, every cancelling sum is replaced by the sum of absolute values.  Each face of
    the parity adds its discretisation error to tails, if that has room for them.
    """
    dims, pointer, facets, kappa, lengths = lattice
    last = dims.size - 1
    sign = -1.0 if sizes else 1.0
    for f in range(last + 1):
        m = dims[f]
        if m < 2:
            continue
        first, kf = pointer[f], kappa[f]
        if m == 2:
            k1, k2 = kappa[facets[first]], kappa[facets[first + 1]]
            h1, h2 = h[first], h[first + 1]
            if sizes:
                h1, h2 = abs(h1), abs(h2)
            if parity == 1:
                difference = h1 + h2 if sizes else h2 - h1
                store(rows, f, edge_s(kf, k1, k2, difference, lengths[f], sign, work))
                continue
            integrand = edge_phi(kf, k1, k2, h1 * h2, lengths[f], work)
        else:
            if sizes:
                integrand = gather_sizes(first, pointer[f + 1], facets, h, rows)
            else:
                integrand = _gather(first, pointer[f + 1], facets, h, rows)
            if m % 2 != parity:
                store(rows, f, div(integrand, one_plus(kf, load(work, Q))))
                continue
            integrand = mul(integrand, load(work, WEIGHT))
        root = sqrt(one_plus(kf, load(work, Q)))
        starts[f] = _accumulate(integrand, root, starts[f], rows, f, work)
        if tails.size > f:
            tails[f] += _tail(work)


@kernel
def sweep(dims, pointer, facets, kappa, h, lengths, kappa_max, longest, sizes, work):
    """Fraction of the last face of a lattice, and an estimate of the discretisation error.

    Faces are numbered with every facet before the faces that contain it, the
    cone itself last; facets[pointer[f]:pointer[f + 1]] are the facets of f and h
    their distances; lengths[f] = h1 + h2 of a two-dimensional face.  kappa_max is
    the largest kappa.  With sizes, every cancelling sum is replaced by the
    sum of absolute values: the amplification of rounding errors.  work is
    (faces + WORK_ROWS, NODES).  Requires dimension >= 2.
    """
    last = dims.size - 1
    lattice = (dims, pointer, facets, kappa, lengths)
    rows = work[WORK_ROWS:]
    starts, tails = np.zeros(last + 1), np.empty(0)
    panels = panel_count(kappa_max, longest)
    error = 0.0
    for panel in range(panels):
        place_nodes(panel, panels, kappa_max, work)
        carry(lattice, h, sizes, dims[last] % 2, tails, starts, rows, work)
        error += _tail(work)
    return starts[last], error


@kernel
def sweep_faces(lattice, h, kappa_max, longest, sizes, parity, starts, tails, work):
    """Fractions (starts) of all faces of one parity, and of their discretisation errors (tails).

    lattice = (dims, pointer, facets, kappa, lengths); the rest is as for `sweep`.  Of starts
    and tails only the entries of those faces are written; tails may be empty.
    """
    dims = lattice[0]
    for f in range(dims.size):
        if dims[f] % 2 == parity:
            starts[f] = 0.0 if dims[f] > 1 else 1.0 / (1 + dims[f])
            if tails.size > f:
                tails[f] = 0.0
    panels = panel_count(kappa_max, longest)
    for panel in range(panels):
        place_nodes(panel, panels, kappa_max, work)
        carry(lattice, h, sizes, parity, tails, starts, work[WORK_ROWS:], work)
