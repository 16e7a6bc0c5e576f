"""Cones of x and noise: rows that constrain x alone, and two that add Gaussian noise.

Six half-spaces in six dimensions, as the note has them, are a problem in five: two rows
with noise need two of its directions.  Where a row that constrains x alone is redundant,
what is left is simplicial, which is the fast case of `conevol.fraction`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conevol._fraction import fraction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["SIMPLEX_OPERATIONS", "cone_probabilities"]


def cone_probabilities(
    normals: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Fractions (N, S) of cones (N, S, 6, 6), and the operations spent on each.

    Requires: rows 0 to 3 have zeros in columns 3 to 5.
    """
    shape = normals.shape[:2]
    flat = normals.reshape(-1, 6, 6)
    spent = np.zeros(len(flat), dtype=np.int64)
    values = np.zeros(len(flat))
    rows, volume = _facets(np.ascontiguousarray(flat[:, :4, :3]), spent, np.arange(len(flat)))
    noise = _two_directions(flat[:, 4:, 3:])
    quiet = (noise == 0.0).all(axis=(1, 2))
    silent = np.flatnonzero((volume > 0.0) & quiet)
    if len(silent):
        cones = np.concatenate([rows[silent], flat[silent, 4:, :3]], axis=1)
        values[silent] = fraction(cones, threads=1)
        _clip_operations(cones, spent, silent)
    noisy = np.flatnonzero((volume > 0.0) & ~quiet)
    for index, cones, sign in _simplices(noisy, rows[noisy], spent):
        values[index] += sign * _with_noise(cones, flat[index, 4:, :3], noise[index])
        spent[index] += SIMPLEX_OPERATIONS
    return values.reshape(shape), spent.reshape(shape)


# Mean operations of a fraction of five half-spaces in five dimensions; they spread from a quarter
# of it to twice as much, with the panels of the quadrature and the precision it needs.
SIMPLEX_OPERATIONS = 130_000


def _simplices(
    index: NDArray[np.int64], rows: NDArray[np.float64], spent: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], float]]:
    """Cones (C, 4, 3) without redundant rows as sums and differences of cones of at most three.

    A cone of four facets is that of the first three without what lies beyond the fourth.
    """
    four = (rows != 0.0).any(axis=2).all(axis=1)
    yield index[~four], rows[~four], 1.0
    if four.any():
        whole, beyond = rows[four], rows[four]
        whole[:, 3] = 0.0
        yield index[four], whole, 1.0
        beyond[:, 3] *= -1.0
        kept, _ = _facets(beyond, spent, index[four])
        yield index[four], kept, -1.0


def _with_noise(
    rows: NDArray[np.float64], logits: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fractions of cones with rows (C, 4, 3) in x and two in (x, noise), in five dimensions."""
    values = np.zeros(len(rows))
    kept = (rows != 0.0).any(axis=2)
    for count in range(5):
        chosen = np.flatnonzero(kept.sum(axis=1) == count)
        if not len(chosen):
            continue
        cones = np.zeros((len(chosen), count + 2, 5))
        cones[:, :count, :3] = rows[chosen][kept[chosen]].reshape(-1, count, 3)
        cones[:, count:, :3] = logits[chosen]
        cones[:, count:, 3:] = noise[chosen]
        values[chosen] = fraction(cones, threads=1)
    return values


def _facets(
    rows: NDArray[np.float64], spent: NDArray[np.int64], index: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rows (C, 4, 3) with redundant ones set to 0, and the cones' fractions."""
    volume = fraction(rows, threads=1)
    _clip_operations(rows, spent, index)
    kept = rows.copy()
    for i in range(4):
        outside = kept.copy()
        outside[:, i] *= -1.0
        # Beyond row i, inside all others: nothing there means that the row is redundant.
        beyond = fraction(outside, threads=1)
        _clip_operations(outside, spent, index)
        kept[beyond == 0.0, i] = 0.0
    return kept, volume


def _clip_operations(
    rows: NDArray[np.float64], spent: NDArray[np.int64], where: NDArray[np.int64]
) -> None:
    from conevol.kernels.operations import clip_operations

    more = np.zeros(len(rows), dtype=np.int64)
    clip_operations(np.ascontiguousarray(rows), 0, len(rows), more)
    spent[where] += more


def _two_directions(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two vectors (C, 2, 3) rotated into a plane: (C, 2, 2), the first along the first axis."""
    a, b = noise[:, 0], noise[:, 1]
    length = np.linalg.norm(a, axis=1)
    safe = np.where(length > 0.0, length, 1.0)
    along = np.where(length > 0.0, (a * b).sum(axis=1) / safe, 0.0)
    # |a x b| / |a|, without a subtraction that cancels.
    across = np.where(
        length > 0.0, np.linalg.norm(np.cross(a, b), axis=1) / safe, np.linalg.norm(b, axis=1)
    )
    return np.stack(
        [np.stack([length, np.zeros_like(length)], 1), np.stack([along, across], 1)], axis=1
    )
