"""Panels and product integration for chains of integrals against a Gaussian weight.

A function of t >= 0 is known on panels, by Chebyshev coefficients on each.  For f of degree
15 on [a, b], known at Chebyshev nodes z_j, a rule gives the coefficients on [a, b] of

    right:  (2 pi)^(-1/2) int_t^b exp((t^2 - z^2) / 2) f(z) dz,
    left:   (2 pi)^(-1/2) int_a^t exp(-z^2 / 2) f(z) dz.

The weight is in the rule, so a panel needs to be short for f only, whose unit is 1.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from conevol.kernels._lanes import LANES

__all__ = ["PANEL", "SHRINK", "TOP", "Rules", "rules"]

NODES = LANES
# Panels of this length resolve a function whose unit is 1 to rounding.
PANEL = 1.2
# Below this, where a function has features of all sizes, panels are a geometric sequence.
TOP, SHRINK = 4, 0.75
# Gauss nodes of a piece of a panel over which the weight falls by exp(-8) at most.  Pieces are
# short, as weights at the ends of long rules have few digits relative to themselves.
_GAUSS, _FALL, _PIECES = 12, 8.0, 4


class Rules(NamedTuple):
    """Rules of N panels: the uniform ones, then `shells` geometric ones, then their centres.

    Panel i < uniform is [i, i + 1] panel, shell j is [SHRINK, 1] SHRINK^j TOP panel, and
    centre j what is below the shells 0 .. j - 1.

    Attributes
    ----------
    panel : float
        Length of the uniform panels.
    uniform, shells : int
        How many.
    spans : (N, 4) array
        Low end a, middle, half the length, and exp((a^2 - b^2) / 2).
    nodes : (N, 16) array
        Where f is wanted, increasing.
    right, left : (16 N, 16) arrays
        Row 16 i + j: what f(z_j) adds to the coefficients on panel i.
    carried : (N, 16) array
        Coefficients of exp((t^2 - b^2) / 2).
    weights : (N, 16) array
        Of the whole integral, right at t = a; left it is exp(-a^2 / 2) times that.
    """

    panel: float
    uniform: int
    shells: int
    spans: np.ndarray
    nodes: np.ndarray
    right: np.ndarray
    left: np.ndarray
    carried: np.ndarray
    weights: np.ndarray


def _chebyshev() -> tuple[np.ndarray, np.ndarray]:
    """Nodes, increasing, and the matrix from values there to coefficients."""
    # In units of pi / (2 NODES), and reduced as integers: large angles would be rounded.
    odd = 2 * np.arange(NODES)[::-1] + 1
    turns = np.outer(np.arange(NODES), odd) % (4 * NODES)
    matrix = np.cos(turns * (math.pi / (2 * NODES))) * (2.0 / NODES)
    matrix[0] *= 0.5
    return np.cos(odd * (math.pi / (2 * NODES))), matrix


def _quadrature(pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes on [0, 1] and weights over (2 pi)^(1/2) of Gauss' rule on so many equal pieces."""
    y, w = np.polynomial.legendre.leggauss(_GAUSS)
    nodes = (np.arange(pieces)[:, None] + 0.5 * (1.0 + y)) / pieces
    return nodes.ravel(), np.tile(w, pieces) / (2.0 * pieces * math.sqrt(2.0 * math.pi))


def _ends(panel: float, uniform: int, shells: int) -> np.ndarray:
    """Low and high ends of all panels, (N, 2)."""
    regular = panel * np.arange(uniform + 1)
    shrunk = panel * TOP * SHRINK ** np.arange(shells + 1)
    parts = [(regular[:-1], regular[1:]), (shrunk[1:], shrunk[:-1]), (0.0 * shrunk, shrunk)]
    return np.concatenate([np.stack(part, axis=1) for part in parts])


@lru_cache(maxsize=8)
def rules(panel: float, uniform: int, shells: int) -> Rules:
    """The rules of so many panels; some 20 us for each."""
    low, high = _ends(panel, uniform, shells).T[:, :, None]
    x, matrix = _chebyshev()
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    nodes = middle + half * x
    y, w = _quadrature(max(_PIECES, math.ceil(panel * panel * uniform / _FALL)))
    # From every node, and from the low end, to the high end.
    starts = np.concatenate([nodes, low], axis=1)[:, :, None]
    steps = (high[:, :, None] - starts) * y
    above = np.exp(-steps * (starts + 0.5 * steps)) * (high[:, :, None] - starts) * w
    begun = np.append(x, -1.0)[:, None]
    right = _applied(above, begun + (1.0 - begun) * y, matrix)
    # From the low end to every node.
    steps = (nodes - low)[:, :, None] * y
    below = np.exp(-0.5 * (low[:, :, None] + steps) ** 2) * (nodes - low)[:, :, None] * w
    left = _applied(below, -1.0 + (x[:, None] + 1.0) * y, matrix)
    return Rules(
        panel, uniform, shells,
        np.concatenate([low, middle, half, np.exp(0.5 * (low - high) * (low + high))], axis=1),
        nodes,
        _by_node(matrix, right[:, :NODES]), _by_node(matrix, left),
        np.ascontiguousarray(np.exp(0.5 * (nodes - high) * (nodes + high)) @ matrix.T),
        right[:, NODES].copy(),
    )  # fmt: skip


def _applied(weights: np.ndarray, x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Sums with weights (N, i, s) over points x (i, s), as weights of values at the nodes."""
    lagrange = np.polynomial.chebyshev.chebvander(x, NODES - 1) @ matrix
    return np.ascontiguousarray((weights.swapaxes(0, 1) @ lagrange).swapaxes(0, 1))


def _by_node(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients of a panel's values, (N, 16 values, 16 nodes), as rows of nodes."""
    coefficients = matrix @ values
    return np.ascontiguousarray(coefficients.swapaxes(1, 2)).reshape(-1, NODES)
