"""Extreme rays of a reduced cone, and on which of its planes each lies."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from conevol.budget import DEFAULT, Budget
from conevol.exact_rays import exact_rays, integer_rows
from conevol.kernels import rays as _rays
from conevol.reduction import Reduced

__all__ = ["incidence", "pack_rays", "row_space_rays"]


def _bits(mask: int, words: int) -> list[int]:
    return [mask >> 64 * w & (1 << 64) - 1 for w in range(words)]


def _unit(vector: list[int]) -> list[float]:
    """A vector of integers of any size as a unit vector of doubles."""
    largest = max(map(abs, vector))
    scaled = [float(Fraction(x, largest)) for x in vector]
    length = math.hypot(*scaled)
    return [x / length for x in scaled]


def incidence(
    signs: np.ndarray, max_rays: int | None = None, budget: Budget = DEFAULT
) -> tuple[str, np.ndarray, np.ndarray]:
    """Extreme rays (n, d) of {x : signs x >= 0} and the ray sets (k, words) of its rows.

    Rows as from `reduce_normals`, of full column rank.  Returns ("float" or
    "exact", rays, sets), the way the signs were decided; ("empty", ...) for a cone
    without interior and ("too large", ...) beyond max_rays or the budget.
    """
    most = budget.rays(*signs.shape)
    most = most if max_rays is None else min(most, max_rays)
    status, rays, tight = _rays.extreme_rays(signs, most, budget.ray_tests)
    how = "float"
    if status in (_rays.DOUBTFUL, _rays.DEFICIENT):
        found = exact_rays(integer_rows(signs), most, budget.exact_ray_tests)
        how, status = "exact", _rays.TOO_MANY
        if found is not None:
            rays, tight = pack_rays(*found, *signs.shape)
            status = _rays.OK if len(rays) else _rays.EMPTY
    if status == _rays.EMPTY:
        how = "empty"
    elif status == _rays.TOO_MANY:
        how = "too large"
    return how, rays, _rays.transpose_bits(tight, len(signs))


def pack_rays(
    vectors: list[list[int]], masks: list[int], k: int, d: int
) -> tuple[np.ndarray, np.ndarray]:
    """Integer rays and the masks of their k tight rows as unit vectors and bit sets."""
    words = (k + 63) // 64
    tight = np.array([_bits(m, words) for m in masks], dtype=np.uint64).reshape(-1, words)
    return np.array([_unit(v) for v in vectors]).reshape(-1, d), tight


def row_space_rays(reduced: Reduced, rays: np.ndarray) -> np.ndarray:
    """The rays of the chosen columns' cone as unit rays of the row space."""
    if not reduced.rotated:
        return rays
    values = reduced.signs @ rays.T
    solution = np.linalg.lstsq(reduced.hi, values, rcond=None)[0].T
    return np.ascontiguousarray(solution / np.linalg.norm(solution, axis=1)[:, None])
