"""The sweep of `conevol.kernels.schlafli` in double-double, for cones where doubles cancel.

Slivers: the sum over a face's facets may lose as many digits as the
amplification says; sixteen more digits restore them.  Formulas, numbering and
workspace are those of the float sweep, with a row of high and a row of low
parts for each face, and panels short enough for the square of its precision.
"""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels._lanes import (
    LANES,
    add,
    div,
    fma,
    load,
    mul,
    splat,
    sqrt,
    store,
    sub,
    total,
)
from conevol.kernels.doubledouble import dd_add
from conevol.kernels.schlafli import GAUSS_W, LEGENDRE

NODES = LANES
# Rows of nodes (panel, row, node): q, weight, weight / r as in the float sweep.
Q, WEIGHT, EDGE_WEIGHT = 0, 1, 2


@inline_kernel
def _quick(a, b):
    """a + b for |a| >= |b|, exactly."""
    s = add(a, b)
    return s, sub(b, sub(s, a))


@inline_kernel
def _add(ah, al, bh, bl):
    """Sum; error a few u^2 of the terms."""
    s = add(ah, bh)
    t = sub(s, ah)
    e = add(sub(ah, sub(s, t)), sub(bh, t))
    return _quick(s, add(e, add(al, bl)))


@inline_kernel
def _mul(ah, al, bh, bl):
    """Product."""
    p = mul(ah, bh)
    e = fma(ah, bh, sub(splat(0.0), p))
    return _quick(p, fma(al, bh, fma(ah, bl, e)))


@inline_kernel
def _div(ah, al, bh, bl):
    """Quotient: two digits of long division."""
    q = div(ah, bh)
    minus = sub(splat(0.0), q)
    r = add(fma(minus, bl, al), fma(minus, bh, ah))
    return _quick(q, div(r, bh))


@inline_kernel
def _sqrt(ah, al):
    """Square root of positive numbers: one Newton step."""
    s = sqrt(ah)
    r = add(fma(sub(splat(0.0), s), s, ah), al)
    return _quick(s, div(r, add(s, s)))


@inline_kernel
def _load(pair, i):
    """Row i of high and low parts."""
    return load(pair[0], i), load(pair[1], i)


@inline_kernel
def _one_plus(kh, kl, q):
    """1 + kappa q."""
    xh, xl = _mul(splat(kh), splat(kl), q[0], q[1])
    return _add(splat(1.0), splat(0.0), xh, xl)


@inline_kernel
def _gather(first, last, facets, h, h_lo, rows):
    """Sum of h[e] rows[facets[e]]."""
    sh, sl = splat(0.0), splat(0.0)
    for e in range(first, last):
        xh, xl = _load(rows, facets[e])
        xh, xl = _mul(splat(h[e]), splat(h_lo[e]), xh, xl)
        sh, sl = _add(sh, sl, xh, xl)
    return sh, sl


@inline_kernel
def _integral(fh, fl, start_h, start_l, rule, buffer):
    """start + integral of f to every node, rule = (matrix transposed, its low part)."""
    store(buffer, 0, fh)
    store(buffer, 1, fl)
    sh, sl = splat(start_h), splat(start_l)
    for i in range(buffer.shape[1]):
        xh, xl = _load(rule, i)
        xh, xl = _mul(splat(buffer[0, i]), splat(buffer[1, i]), xh, xl)
        sh, sl = _add(sh, sl, xh, xl)
    return sh, sl


@kernel
def _end(start_h, start_l, weights, buffer):
    """start + integral over the whole panel of the integrand in the buffer."""
    xh, xl = _mul(load(buffer, 0), load(buffer, 1), load(weights, 0), load(weights, 1))
    store(buffer, 2, xh)
    store(buffer, 3, xl)
    for i in range(buffer.shape[1]):
        start_h, start_l = dd_add(start_h, start_l, buffer[2, i], buffer[3, i])
    return start_h, start_l


@kernel
def _tail(buffer):
    """The float sweep's estimate, from the high parts."""
    last = 0.0
    for n in range(NODES - 3, NODES):
        last = max(last, abs(total(mul(load(LEGENDRE, n), load(buffer, 0)))))
    mean = 0.0
    for j in range(NODES):
        mean += 0.5 * GAUSS_W[0, j] * abs(buffer[0, j])
    return last * (last / max(mean, 1e-300))


@kernel
def sweep_dd(dims, pointer, facets, kappa, kappa_lo, h, h_lo, nodes, nodes_lo, matrix, weights):
    """Fraction of the last face (high, low) and an estimate of the discretisation error.

    nodes + nodes_lo (panels, 3, NODES) from `place_nodes_dd`; matrix (2, NODES, NODES) the
    integration matrix, transposed, and weights (2, NODES) the Gauss weights.
    """
    last = dims.size - 1
    parity = dims[last] % 2
    rows = (np.empty((last + 1, NODES)), np.empty((last + 1, NODES)))
    starts, starts_lo = np.zeros(last + 1), np.zeros(last + 1)
    buffer = np.empty((4, NODES))
    rule = (matrix[0], matrix[1])
    error = 0.0
    for panel in range(nodes.shape[0]):
        here = (nodes[panel], nodes_lo[panel])
        for f in range(last + 1):
            m = dims[f]
            if m < 1:
                continue
            xh, xl = _one_plus(kappa[f], kappa_lo[f], _load(here, Q))
            if m == 1:
                if parity == 1:
                    xh, xl = _sqrt(xh, xl)
                    xh, xl = add(xh, xh), add(xl, xl)
                xh, xl = _div(splat(1.0), splat(0.0), xh, xl)
            else:
                sh, sl = _gather(pointer[f], pointer[f + 1], facets, h, h_lo, rows)
                if m % 2 == parity:
                    wh, wl = _load(here, EDGE_WEIGHT if m == 2 else WEIGHT)
                    sh, sl = _mul(sh, sl, wh, wl)
                    xh, xl = _sqrt(xh, xl)
                    sh, sl = _div(sh, sl, xh, xl)
                    sh, sl = _integral(sh, sl, starts[f], starts_lo[f], rule, buffer)
                    starts[f], starts_lo[f] = _end(starts[f], starts_lo[f], weights, buffer)
                xh, xl = _div(sh, sl, xh, xl)
            store(rows[0], f, xh)
            store(rows[1], f, xl)
        error += _tail(buffer)
    return starts[last], starts_lo[last], error
