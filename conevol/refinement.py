"""A second opinion in double-double, for cones whose float error bound is too wide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from conevol.budget import Budget
from conevol.kernels.doubledouble import DD_EPS
from conevol.kernels.general import OK, lattice_data
from conevol.kernels.integral import TAIL_SAFETY
from conevol.kernels.precise_nodes import place_nodes_dd
from conevol.kernels.rounding import amplification, rounding_units
from conevol.kernels.schlafli import NODES, WORK_ROWS, U, panel_count
from conevol.kernels.schlafli_dd import sweep_dd
from conevol.kernels.simplicial import subset_data
from conevol.precise_rule import collocation, gauss_nodes

__all__ = ["Lattice", "eliminated", "projected", "refine"]

LONGEST_PANEL = 0.75


class Lattice(NamedTuple):
    """A face lattice and its distances in double-double about an axis.

    Attributes
    ----------
    dims, pointer, facets : arrays
        As for `conevol.kernels.schlafli.sweep`.
    kappa : (2, faces) array
    h : (2, entries) array
        High and low parts.
    kappa_max, loss : float
        The largest kappa, and a bound of the relative error of h.
    """

    dims: np.ndarray
    pointer: np.ndarray
    facets: np.ndarray
    kappa: np.ndarray
    h: np.ndarray
    kappa_max: float
    loss: float


def projected(
    hi: np.ndarray, lo: np.ndarray, sets: np.ndarray, axis: np.ndarray, budget: Budget
) -> Lattice | None:
    """Of the cone (hi + lo) x >= 0, whose rows have the ray sets (k, words), by projections."""
    status, *lattice = lattice_data(hi, lo, sets, axis, budget.memory, budget.seconds)
    return Lattice(*lattice) if status == OK else None


def eliminated(
    a: np.ndarray, subsets: tuple[np.ndarray, np.ndarray, np.ndarray], axis: np.ndarray
) -> Lattice:
    """Of the simplicial cone a x >= 0 on the lattice of subsets, by elimination."""
    dims, _, facets = subsets
    return Lattice(*subsets, *subset_data(a, axis, dims.size, facets.size))


def refine(lattice: Lattice | None) -> tuple[float, float, int] | None:
    """Fraction, error bound and panels, in double-double; None without distances."""
    if lattice is None or not lattice.loss < 1e-3:
        return None
    dims, pointer, facets, kappa, h, kappa_max, loss = lattice
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
