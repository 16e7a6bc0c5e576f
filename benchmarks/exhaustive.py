"""The exhaustive method: every pair of planes, every other half-space, about 5 k^3 operations.

The fraction of a cone in three dimensions as in J. Hilton, Heuristic explanations
for 2nd argmax models (2024), section "Quality versus compute": intersect each pair
of planes, keep the rays that lie in all half-spaces, and take the polygon's area by
Girard's theorem.  Vectorised over a batch with numpy; for cones in general position.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

__all__ = ["fractions"]


def fractions(normals: np.ndarray, tolerance: float = 1e-12) -> np.ndarray:
    """Fractions of a batch (N, k, 3) of pointed cones in general position, k >= 3."""
    a = normals / np.linalg.norm(normals, axis=2, keepdims=True)
    k = a.shape[1]
    excess = np.zeros(len(a))
    vertices = np.zeros(len(a), dtype=int)
    for i, j in itertools.combinations(range(k), 2):
        ray = np.cross(a[:, i], a[:, j])
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        heights = np.einsum("nkd,nd->nk", a, ray)
        heights[:, [i, j]] = 0.0
        on = (heights >= -tolerance).all(axis=1) | (heights <= tolerance).all(axis=1)
        # Interior angle between the two planes.
        angle = math.pi - np.arccos(np.clip(np.einsum("nd,nd->n", a[:, i], a[:, j]), -1.0, 1.0))
        excess += np.where(on, angle - math.pi, 0.0)
        vertices += on
    return np.where(vertices >= 3, (excess + 2.0 * math.pi) / (4.0 * math.pi), 0.0)
