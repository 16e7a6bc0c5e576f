"""A second opinion in double-double, for cones whose float error bound is too wide."""

from __future__ import annotations

import numpy as np

from conevol.budget import Budget
from conevol.kernels.doubledouble import DD_EPS
from conevol.kernels.general import OK, lattice_data
from conevol.kernels.integral import TAIL_SAFETY
from conevol.kernels.precise_nodes import place_nodes_dd
from conevol.kernels.rounding import amplification, rounding_units
from conevol.kernels.schlafli import NODES, WORK_ROWS, U, panel_count
from conevol.kernels.schlafli_dd import sweep_dd
from conevol.precise_rule import collocation, gauss_nodes

__all__ = ["refine", "simplex_sets"]

LONGEST_PANEL = 0.75


def simplex_sets(d: int) -> np.ndarray:
    """Ray sets of the d facets of a simplicial cone: all rays but one."""
    words = (d + 63) // 64
    every = (1 << d) - 1
    masks = [every & ~(1 << i) for i in range(d)]
    return np.array(
        [[m >> 64 * w & (1 << 64) - 1 for w in range(words)] for m in masks], dtype=np.uint64
    )


def refine(
    hi: np.ndarray, lo: np.ndarray, sets: np.ndarray, axis: np.ndarray, budget: Budget
) -> tuple[float, float, int] | None:
    """Fraction, error bound and panels of the cone (hi + lo) x >= 0, in double-double.

    sets (k, words) are the rows' ray sets.  None when the lattice or its distances
    cannot be had.
    """
    status, dims, pointer, facets, kappa, h, kappa_max, loss = lattice_data(
        hi, lo, sets, axis, budget.memory, budget.seconds
    )
    if status != OK or not loss < 1e-3:
        return None
    matrix, weights = collocation()
    panels = panel_count(kappa_max, LONGEST_PANEL)
    nodes, nodes_lo = place_nodes_dd(panels, kappa_max, gauss_nodes())
    value, _, tail = sweep_dd(
        dims, pointer, facets, kappa[0], kappa[1], h[0], h[1], nodes, nodes_lo, matrix, weights
    )
    # Here edges are summed with cancellation, so their lengths count as |h1| + |h2|.
    sizes = np.abs(h[0])
    lengths = np.zeros(dims.size)
    edges = np.flatnonzero(dims == 2)
    lengths[edges] = sizes[pointer[edges]] + sizes[pointer[edges] + 1]
    work = np.empty((dims.size + WORK_ROWS, NODES))
    amplified = amplification(dims, pointer, facets, kappa[0], sizes, lengths, kappa_max, work)
    ratio = max(1.0, amplified / value) if value > 0.0 else 1e300
    bound = (
        value * (U + ratio * rounding_units(dims, pointer, kappa_max) * (8.0 * DD_EPS + loss))
        + TAIL_SAFETY * tail * ratio
    )
    return value, bound, panels
