"""The note's subregions: regions of (x_0, x_1) on which h_2 is linear, times orders of x."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol.estimators.note_order import quantities
from conevol.network import Ensemble
from conevol.tasks import get_task

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["REGIONS", "Subregions", "subregions"]

REGIONS = ("merged", "six", "exact")
_ORDERS = list(itertools.permutations(range(3)))


class Subregions(NamedTuple):
    """Subregions (S) of the networks (N) of an ensemble.

    Attributes
    ----------
    normals : ndarray, shape (N, S, k, 3)
    z : ndarray, shape (N, S, 4, 3)
        z_3 there, as a linear map of x.
    label : ndarray of int, shape (S,)
    likely : ndarray of bool, shape (S,)
    map_operations : int
        Operations to get z of one network.
    """

    normals: NDArray[np.float64]
    z: NDArray[np.float64]
    label: NDArray[np.int64]
    likely: NDArray[np.bool_]
    map_operations: int


class _Region(NamedTuple):
    """A region: rows (N, k, 2) in (x_0, x_1), h_2 there (N, 4, 2), neurons on, x_0 <= x_1 or >=."""

    rows: NDArray[np.float64]
    h: NDArray[np.float64]
    on: tuple[int, ...]
    side: int


def subregions(networks: Ensemble, regions: str) -> Subregions:
    """Subregions of networks in the note's order, by one of `REGIONS`."""
    parts = _exact(networks) if regions == "exact" else _note(networks, merged=regions == "merged")
    labels = get_task(networks.task)
    normals, z, label, likely = [], [], [], []
    operations = 0
    for region in parts:
        flat = np.pad(region.rows, ((0, 0), (0, 0), (0, 1)))
        # z_3 = W_hh h_2 + W_hi x_2
        z3 = np.concatenate([networks.W_hh @ region.h, networks.W_hi[:, :, None]], axis=2)
        operations += 4 * len(region.on) * 2
        for order in _ORDERS:
            rank = np.argsort(order)  # 0 for the largest
            if region.side and (rank[0] > rank[1]) != (region.side > 0):
                continue
            rows = np.zeros((2, 3))
            rows[[0, 1], order[:2]] = 1.0
            rows[[0, 1], order[1:]] = -1.0
            two = np.broadcast_to(rows, (len(networks), 2, 3))
            normals.append(np.concatenate([flat, two], axis=1))
            z.append(z3)
            label.append(int(labels(2.0 - rank)))
            mixed = region.on not in ((0, 1), (2, 3))
            likely.append(not (mixed and rank[2] == 1))
    return Subregions(
        np.stack(normals, axis=1),
        np.stack(z, axis=1),
        np.array(label),
        np.array(likely),
        operations,
    )


def _note(networks: Ensemble, merged: bool) -> list[_Region]:
    """The four regions of the note, or the six before the merger.

    Boundaries are written without division, x_0 <= (gamma_0 / alpha_3) x_1 as
    -alpha_3 x_0 + gamma_0 x_1 >= 0.
    """
    a, b, c, alpha, beta, gamma = quantities(networks)
    # Rows that are >= 0 where the approximate z_2j is, j = 0, 1, for x_0 >= 0 and x_0 <= 0.
    a0, a1 = (np.stack([-alpha[:, j], gamma[:, j]], axis=1) for j in (0, 1))
    b0, b1 = (np.stack([-beta[:, j], gamma[:, j]], axis=1) for j in (0, 1))
    up = np.broadcast_to([1.0, 0.0], a0.shape)
    first, second = (np.stack([v, c], axis=2) for v in (a, b))

    def region(r: NDArray, s: NDArray, h: NDArray, on: tuple[int, ...], side: int) -> _Region:
        kept = np.zeros((4, 1))
        kept[list(on)] = 1.0
        return _Region(np.stack([r, s], axis=1), h * kept, on, side)

    mixed = [region(-a0, a1, first, (1, 3), 0), region(-b1, b0, second, (0, 2), 0)]
    if merged:
        return [
            region(a0, b1, second, (0, 1), 1),
            region(-b0, -a1, first, (2, 3), -1),
            *mixed,
        ]
    return [
        region(up, a0, first, (0, 1), 1),
        region(-up, b1, second, (0, 1), 1),
        region(up, -a1, first, (2, 3), -1),
        region(-b0, -up, second, (2, 3), -1),
        *mixed,
    ]


def _exact(networks: Ensemble) -> list[_Region]:
    """All sign patterns of steps 1 and 2; most of them are empty."""
    a, b, c, *_ = quantities(networks)
    parts = []
    for x0, v in ((1.0, a), (-1.0, b)):
        z = np.stack([v, c], axis=2)
        for signs in itertools.product((1.0, -1.0), repeat=4):
            first = np.broadcast_to([x0, 0.0], (len(networks), 1, 2))
            rows = np.concatenate([first, z * np.array(signs)[:, None]], axis=1)
            on = tuple(j for j in range(4) if signs[j] > 0)
            parts.append(_Region(rows, z * (np.array(signs) > 0)[:, None], on, 0))
    return parts
