"""Half-spaces that the others imply but for a few roundings, for cones that these spoil.

An order cone x_1 >= x_2 >= x_3 with the implied x_1 >= x_3, rotated, is a cone with slivers
1e-16 wide, whose faces have no distances in any precision that the doubles support.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from conevol.budget import Budget
from conevol.incidence import incidence, row_space_rays
from conevol.kernels.axis import smallest_cap
from conevol.kernels.rays import INDEPENDENT, independent_rows
from conevol.reduction import RANK_TOLERANCE, Reduced

__all__ = ["drop_slivers"]


def drop_slivers(reduced: Reduced, budget: Budget) -> Reduced | None:
    """The cone without rows that are negative by at most `RANK_TOLERANCE` on the others' rays.

    What that adds to the fraction is in `moved`.  None if there are no such rows.
    """
    left = list(range(len(reduced.hi)))
    moved = 0.0
    for row in range(len(reduced.hi) - 1, -1, -1):
        others = [i for i in left if i != row]
        angle = _angle_added(reduced, row, others, budget) if len(others) >= reduced.rank else None
        if angle is not None:
            left, moved = others, moved + angle
    if len(left) == len(reduced.hi):
        return None
    hi = np.ascontiguousarray(reduced.hi[left])
    return replace(
        reduced, hi=hi, lo=np.ascontiguousarray(reduced.lo[left]),
        signs=np.ascontiguousarray(reduced.signs[left]) if reduced.rotated else hi,
        moved=reduced.moved + moved, kept=reduced.kept[left],
    )  # fmt: skip


def _angle_added(reduced: Reduced, row: int, others: list[int], budget: Budget) -> float | None:
    """Pi times at least the fraction between the others' cone and its part inside the row's plane.

    None if that is more than rounding.  With unit rays v, u . v >= m and a . v >= -e, a unit
    vector of the cone has a . x >= -e / m, and the share of the sphere within s of a plane, on
    one side, is below s sqrt(d / 2 pi).
    """
    d = reduced.rank
    signs = np.ascontiguousarray(reduced.signs[others])
    if independent_rows(signs, np.empty(d, np.int64), np.empty((d, d))) < INDEPENDENT:
        return None
    how, rays, _ = incidence(signs, budget=budget)
    if how not in ("float", "exact"):
        return None
    rays = row_space_rays(reduced, rays)
    normal = reduced.hi[row] / np.linalg.norm(reduced.hi[row])
    rounding = 4.0 * d * 2.0**-53
    depth = rounding - float((rays @ normal).min())
    margin = smallest_cap(rays, np.empty(d)) - rounding
    if not (depth <= RANK_TOLERANCE and margin > math.sqrt(RANK_TOLERANCE)):
        return None
    return max(depth, 0.0) / margin * math.sqrt(0.5 * math.pi * d)
