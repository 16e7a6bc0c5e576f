"""What the fraction of a cone over its face lattice costs, in operations, from the lattice's sizes.

The rule is that of `conevol.kernels.operations`; a test compares with the kernels' own source run
with numbers that count.  A value of sixteen lanes counts sixteen; a double-double product with its
addition 4, a quotient 5, a root 7.
"""

from __future__ import annotations

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels._lanes import LANES

# One `place_nodes`, and how much less the first; one `_tail`; and the sum over 16 nodes of
# `_accumulate` with its divisions, in lanes.
_NODES, _FIRST, _TAIL, _INTEGRATE = 39 * LANES + 15, 4 * LANES + 7, 3 * LANES + 3, LANES + 3
# `edge_s`, `edge_phi`, in lanes.
_EDGE_S, _EDGE_PHI = 16, 7


@kernel
def sweep_operations(dims, pointer):
    """Operations of a panel of `sweep`, and of `sensitivity` but for its sweeps."""
    last = dims.size - 1
    parity = dims[last] % 2
    plain, adjoint, scalars = 0, 0, 0
    for f in range(last + 1):
        m, entries = int(dims[f]), pointer[f + 1] - pointer[f]
        if m < 2:
            continue
        scalars += m == 2
        if m % 2 == parity:
            own = _EDGE_PHI if m == 2 else entries + 1
            plain += own + 2 + _INTEGRATE
            adjoint += own + 43 + (0 if m == 2 else 1 + entries)
        elif m == 2:
            plain += _EDGE_S
            adjoint += _EDGE_S + 2
        else:
            plain += entries + 2
            adjoint += 2 * entries + 4
    return LANES * plain + scalars + _NODES, LANES * adjoint + 3 * scalars


@kernel
def geometry_operations(dims, pointer):
    """Operations of `lattice_geometry`."""
    last = dims.size - 1
    d = int(dims[last])
    spent = _reflector(d) + (pointer[last + 1] - pointer[last]) * (8 * d + 2)
    for f in range(last + 1):
        m, entries = int(dims[f]), pointer[f + 1] - pointer[f]
        if m > 1:
            spent += entries * (4 * (m - 1) + 13)
        if f < last:
            spent += 4
            if m > 1:
                spent += _reflector(m) + 2 + entries * (8 * m + 4)
    return spent


@inline_kernel
def _reflector(m):
    return 9 * m + 20


@inline_kernel
def integral_operations(panels, coarse, sharp, plain, adjoint):
    """Operations of `integrate`: panels of its sweeps, coarse ones, and whether it was sharper."""
    spent = (panels + coarse) * (plain + _TAIL) - 2 * _FIRST
    if sharp:
        spent += (2 * coarse - 1) * plain + coarse * adjoint - _FIRST
    return spent


@inline_kernel
def minimiser_operations(d, size):
    """Operations of `nearest_point` with a corral of that size, `_affine_minimiser`."""
    pairs = size * (size + 1) // 2
    return pairs * d + size * (size * size - 1) // 6 + 3 * size * (size - 1) // 2 + 4 * size


@inline_kernel
def axis_operations(d, facets, rays):
    """Operations of `balanced_axis`."""
    return facets * (rays * d + 2 * d + 2) + rays * d + 2 * d + 3
