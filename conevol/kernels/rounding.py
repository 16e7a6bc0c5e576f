"""What rounding can cost the sweep of `conevol.kernels.schlafli`: two bounds, cheap and sharp.

`amplification` is the sweep with absolute values: every cancelling sum is taken at its
worst, on every level again.  `sensitivity` carries the derivatives of the cone's fraction with
respect to each face's down the lattice (the sweep's adjoint), with their signs, so a
cancellation counts once, where it happens: ten to a hundred times less, for three times the work.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels._lanes import (
    absolute,
    div,
    load,
    mul,
    mul_add,
    splat,
    sqrt,
    store,
    total,
)
from conevol.kernels.schlafli import (
    BUFFER,
    GAUSS_W,
    INTEGRATE_T,
    NODES,
    WEIGHT,
    WORK_ROWS,
    Q,
    carry,
    edge_phi,
    edge_s,
    gather_sizes,
    one_plus,
    panel_count,
    place_nodes,
    sweep,
)

COARSE_PANEL = 4.0
# Units of 2^-53: the roundings of a face that is integrated, of one that is only summed, those
# in the sum over 16 nodes, and what coarse panels may miss of an integral of absolute values.
PHI_UNITS, S_UNITS, SUM_UNITS, COARSE_SAFETY = 20.0, 10.0, 16.0, 1.25
INTEGRATE = np.ascontiguousarray(INTEGRATE_T.T)
INTEGRATE_SIZES_T = np.abs(INTEGRATE_T)


@kernel
def _node_units(kappa_max):
    """Relative rounding of the nodes, that of psi <= asinh(sqrt(kappa_max)): 4 psi units."""
    return 4.0 * math.asinh(math.sqrt(kappa_max))


@kernel
def rounding_units(dims, pointer, kappa_max):
    """Units of 2^-53, per unit of amplification, that rounding can cost the last face.

    A level costs a sum over facets (two at a time), 16 nodes, square roots and
    the rounding of kappa and h, facets / 4 + 30 units (sums of n terms counted as n / 4:
    the worst case n / 2 does not occur in every sum at once), and the nodes' rounding.
    """
    each = 30.0 + _node_units(kappa_max)
    d = dims[dims.size - 1]
    widest = np.zeros(d + 1, np.int64)
    for f in range(dims.size):
        widest[dims[f]] = max(widest[dims[f]], pointer[f + 1] - pointer[f])
    units = 0.0
    for m in range(2, d + 1):
        units += 0.25 * widest[m] + each
    return units


@kernel
def amplification(dims, pointer, facets, kappa, h, lengths, kappa_max, work):
    """The sweep with absolute values, on coarse panels: rounding errors grow to this at most."""
    value, _ = sweep(dims, pointer, facets, kappa, h, lengths, kappa_max, COARSE_PANEL, True, work)
    return value


@inline_kernel
def _spread(first, last, facets, h, bar, bars):
    """bars[facets[e]] += h[e] bar over first <= e < last."""
    for e in range(first, last):
        store(bars, facets[e], mul_add(splat(h[e]), bar, load(bars, facets[e])))


@inline_kernel
def _pull(bar, end_bar, root, work):
    """Derivatives with respect to the integrand of those to the running and the whole integral."""
    store(work, BUFFER, bar)
    pulled = mul(splat(end_bar), load(GAUSS_W, 0))
    for j in range(NODES):
        pulled = mul_add(splat(work[BUFFER, j]), load(INTEGRATE, j), pulled)
    return div(pulled, root)


@inline_kernel
def _reach(size, start, work):
    """start + the running integral of size, its weights without their signs."""
    store(work, BUFFER, size)
    reach = splat(start)
    for i in range(NODES):
        reach = mul_add(splat(work[BUFFER, i]), load(INTEGRATE_SIZES_T, i), reach)
    return reach


@kernel
def _panel_sensitivity(lattice, h, parity, node_units, starts, rows, bars, end_bars, work):
    """Roundings of one panel times what they do to the cone's fraction, in units of 2^-53.

    rows hold every face at the panel's nodes (`carry`), starts its values where the panel
    begins.  bars (zero, but for what is outside) receive the derivatives with respect to the
    rows, end_bars turn from those with respect to the panel's end to those to its beginning.
    """
    dims, pointer, facets, kappa, lengths = lattice
    q = load(work, Q)
    errors, ends = splat(0.0), 0.0
    for back in range(dims.size):
        f = dims.size - 1 - back
        m = dims[f]
        if m < 2:
            continue
        first, last, kf = pointer[f], pointer[f + 1], kappa[f]
        k1, k2 = kappa[facets[first]], kappa[facets[first + 1]]
        h1, h2 = h[first], h[first + 1]
        units = 0.25 * (last - first) + node_units
        bar = load(bars, f)
        if m % 2 != parity:
            if m == 2:
                size = edge_s(kf, k1, k2, abs(h1) + abs(h2), lengths[f], -1.0, work)
            else:
                bar = div(bar, one_plus(kf, q))
                size = gather_sizes(first, last, facets, h, rows)
                _spread(first, last, facets, h, bar, bars)
            errors = mul_add(mul(splat(units + S_UNITS), absolute(bar)), size, errors)
            continue
        root = sqrt(one_plus(kf, q))
        bar = div(bar, root)
        pulled = _pull(bar, end_bars[f], root, work)
        if m == 2:
            size = absolute(edge_phi(kf, k1, k2, h1 * h2, lengths[f], work))
        else:
            size = mul(gather_sizes(first, last, facets, h, rows), load(work, WEIGHT))
            _spread(first, last, facets, h, mul(pulled, load(work, WEIGHT)), bars)
        errors = mul_add(mul(splat(units + PHI_UNITS), absolute(pulled)), size, errors)
        size = div(size, root)
        start = abs(starts[f])
        reach = mul(splat(SUM_UNITS), _reach(size, start, work))
        errors = mul_add(absolute(bar), reach, errors)
        ends += SUM_UNITS * abs(end_bars[f]) * (start + total(mul(size, load(GAUSS_W, 0))))
        end_bars[f] += total(bar)
    return total(errors) + ends


@kernel
def sensitivity(dims, pointer, facets, kappa, h, lengths, kappa_max, work):
    """Bound, to first order, of the rounding error of the last face, in units of 2^-53.

    The sum over all faces and nodes of (derivative of the last face's fraction) x (sum of
    absolute values there) x (number of roundings), on coarse panels from the last to the
    first.  Roundings are counted as in `rounding_units`, but apart for faces that are
    integrated and those that are only summed.  Arguments as for `sweep`.
    """
    last = dims.size - 1
    parity = dims[last] % 2
    lattice = (dims, pointer, facets, kappa, lengths)
    rows = work[WORK_ROWS:]
    panels = panel_count(kappa_max, COARSE_PANEL)
    starts = np.zeros((panels + 1, last + 1))
    for panel in range(panels):
        starts[panel + 1] = starts[panel]
        if panel < panels - 1:
            place_nodes(panel, panels, kappa_max, work)
            carry(lattice, h, False, parity, np.empty(0), starts[panel + 1], rows, work)
    bars, end_bars = np.empty((last + 1, NODES)), np.zeros(last + 1)
    end_bars[last] = 1.0
    error = 0.0
    for back in range(panels):
        panel = panels - 1 - back
        place_nodes(panel, panels, kappa_max, work)
        starts[panels] = starts[panel]
        carry(lattice, h, False, parity, np.empty(0), starts[panels], rows, work)
        bars[:] = 0.0
        error += _panel_sensitivity(
            lattice, h, parity, _node_units(kappa_max), starts[panel], rows, bars, end_bars, work
        )
    return COARSE_SAFETY * error
