"""The integral of Schlafli's formula with its error bound, for a cone or for all its faces."""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import kernel, tally
from conevol.kernels.lattice_operations import integral_operations, sweep_operations
from conevol.kernels.rounding import COARSE_PANEL, amplification, rounding_units, sensitivity
from conevol.kernels.schlafli import U, panel_count, sweep, sweep_faces

PANEL = 2.0
SHORT_PANEL = 1.5
TAIL_SAFETY = 8.0


@kernel
def integrate(
    dims, pointer, facets, kappa, h, lengths, kappa_max, geometry_error, rtol, work, spent=None
):  # fmt: skip
    """Fraction of the cone, a bound of its absolute error, and the number of panels.

    Arguments as for `sweep`; geometry_error bounds the relative error of the
    distances before rounding.  Panels are shortened until the discretisation
    is a small part of the bound.  The sharper bound of rounding is worked out where the
    other misses rtol.  Operations are added to spent, if that is an array.
    """
    units = rounding_units(dims, pointer, kappa_max)
    longest = PANEL if dims[dims.size - 1] <= 6 else SHORT_PANEL
    swept, sharper = 0, False
    for _ in range(4):
        value, tail = sweep(
            dims, pointer, facets, kappa, h, lengths, kappa_max, longest, False, work
        )
        panels = panel_count(kappa_max, longest)
        swept += panels
        if tail <= 0.01 * units * U * value:
            break
        longest *= 0.75
    amplified = amplification(dims, pointer, facets, kappa, h, lengths, kappa_max, work)
    error = U + geometry_error
    rounding = max(amplified, value) * units * error
    if value > 0.0 and not rounding + TAIL_SAFETY * tail <= rtol * value:
        sharper = True
        sharp = sensitivity(dims, pointer, facets, kappa, h, lengths, kappa_max, work)
        rounding = min(rounding, sharp * error)
    if spent is not None:
        plain, adjoint = sweep_operations(dims, pointer)
        coarse = panel_count(kappa_max, COARSE_PANEL)
        tally(spent, integral_operations(swept, coarse, sharper, plain, adjoint))
    return value, rounding + TAIL_SAFETY * tail, panels


@kernel
def _longest_tail(lattice, parity, values, tails):
    """Largest discretisation error of a face of the parity, relative to its fraction."""
    worst = 0.0
    for f in range(lattice[0].size):
        if lattice[0][f] % 2 == parity and lattice[0][f] > 1:
            worst = max(worst, tails[f] / max(values[f], 1e-300))
    return worst


@kernel
def integrate_faces(lattice, h, kappa_max, geometry_error, both, work, values, bounds):
    """Fractions of all faces whose dimension has the cone's parity, or of both, with bounds.

    Written to values and bounds (faces,), where faces of the other parity are left
    alone.  The bounds are as those of `integrate`, face by face.
    """
    dims, pointer = lattice[0], lattice[1]
    d = dims[dims.size - 1]
    units = rounding_units(dims, pointer, kappa_max)
    amplified, tails = np.empty(dims.size), np.empty(dims.size)
    for parity in range(2):
        if not both and d % 2 != parity:
            continue
        longest = PANEL if d <= 6 else SHORT_PANEL
        for _ in range(4):
            sweep_faces(lattice, h, kappa_max, longest, False, parity, values, tails, work)
            if _longest_tail(lattice, parity, values, tails) <= 0.01 * units * U:
                break
            longest *= 0.75
    none = np.empty(0)
    for parity in range(2):
        if both or d % 2 == parity:
            sweep_faces(lattice, h, kappa_max, COARSE_PANEL, True, parity, amplified, none, work)
    for f in range(dims.size):
        if dims[f] < 2:
            bounds[f] = 0.0
        elif both or dims[f] % 2 == d % 2:
            rounding = max(amplified[f], values[f]) * units * (U + geometry_error)
            bounds[f] = rounding + TAIL_SAFETY * tails[f]
