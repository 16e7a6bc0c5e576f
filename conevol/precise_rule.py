"""Gauss-Legendre nodes, weights and collocation, as double-doubles.

The constants of `conevol.kernels.schlafli_dd`, worked out in mpmath once, when a
cone first needs them.
"""

from __future__ import annotations

from functools import lru_cache
from threading import RLock

import mpmath
import numpy as np

from conevol.kernels.schlafli import NODES

__all__ = ["collocation", "gauss_nodes"]

# A context of its own leaves the user's precision alone; only one thread may be in it, as
# mpmath's functions change the precision while they work.
_DIGITS = 40
_mp = mpmath.mp.clone()
_mp.dps = _DIGITS
_LOCK = RLock()


def _split(values: list) -> tuple[np.ndarray, np.ndarray]:
    """High and low parts of multiprecision numbers."""
    high = [float(x) for x in values]
    low = [float(x - h) for x, h in zip(values, high, strict=True)]
    return np.array(high), np.array(low)


@lru_cache(maxsize=1)
def _nodes() -> list:
    with _LOCK:
        guesses = np.polynomial.legendre.leggauss(NODES)[0]
        return [_mp.findroot(lambda t: _mp.legendre(NODES, t), _mp.mpf(x)) for x in guesses]


@lru_cache(maxsize=1)
def gauss_nodes() -> np.ndarray:
    """The nodes on [-1, 1], high and low parts (2, NODES)."""
    with _LOCK:
        return np.array(_split(_nodes()))


@lru_cache(maxsize=1)
def collocation() -> tuple[np.ndarray, np.ndarray]:
    """Integration matrix, transposed (2, NODES, NODES), and weights (2, NODES) on [-1, 1]."""
    with _LOCK:
        x = _nodes()
        p = [[_mp.legendre(n, t) for t in x] for n in range(NODES + 1)]
        w = [2 * (1 - t**2) / (NODES * p[NODES - 1][j]) ** 2 for j, t in enumerate(x)]

        def entry(i: int, j: int) -> mpmath.mpf:
            s = (x[i] + 1) * w[j] / 2
            for n in range(1, NODES):
                s += (p[n + 1][i] - p[n - 1][i]) / 2 * w[j] * p[n][j]
            return s

        transposed = [entry(i, j) for j in range(NODES) for i in range(NODES)]
        matrix = np.array([part.reshape(NODES, NODES) for part in _split(transposed)])
        return matrix, np.array(_split(w))
