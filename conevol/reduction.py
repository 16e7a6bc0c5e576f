"""From any normals to a pointed cone of full dimension.

Zero and repeated rows go; when the rank m is less than d the cone is a product
of a subspace and an m-dimensional cone, which has the same fraction.

The rank of the doubles as given is decided exactly when it is in doubt.  A row
space that is deficient only up to rounding (residual <= RANK_TOLERANCE) counts
as deficient: the normals are moved into it, and the angle is reported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from conevol.exact_rays import independent, integer_rows
from conevol.kernels.geometry import rotate_rows
from conevol.kernels.rays import INDEPENDENT, independent_rows, scale_rows

__all__ = ["Reduced", "kept_rows", "reduce_normals"]

RANK_TOLERANCE = 64 * 2.0**-53
# Largest difference of the entries of two unit rows that count as parallel, and the number of
# rows beyond which pairs are not compared.
PARALLEL, MERGE_ROWS = 8 * 2.0**-53, 400


@dataclass(frozen=True)
class Reduced:
    """Normals of a cone in the coordinates of its row space.

    Attributes
    ----------
    rank : int
        Dimension m of the row space; 0 when nothing is constrained.
    hi, lo : (k, m) arrays
        The normals, as unevaluated sums hi + lo.
    signs : (k, m) array
        Doubles with exactly the same combinatorics as the normals.
    moved : float
        Sum of the angles by which the normals were moved; 0 when the rank is exact.
    """

    rank: int
    hi: np.ndarray
    lo: np.ndarray
    signs: np.ndarray
    moved: float

    @property
    def rotated(self) -> bool:
        """Whether the coordinates differ from the ones given."""
        return self.hi is not self.signs


def merge_rows(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Drop rows parallel to an earlier one up to a few roundings; the sum of the angles."""
    n, d = rows.shape
    if n <= d or n > MERGE_ROWS:
        return rows, 0.0
    units = rows / np.linalg.norm(rows, axis=1)[:, None]
    near = np.abs(units[:, None] - units[None]).max(axis=2) <= PARALLEL
    repeated = np.tril(near, -1).any(axis=1)
    return rows[~repeated], int(repeated.sum()) * PARALLEL * d


def kept_rows(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that `reduce_normals` keeps without merging, of equal ones the first.

    Returns their indices, and the rows scaled by powers of two.
    """
    scaled, row = np.empty_like(normals), np.empty((1, normals.shape[1]))
    rows = scaled[: scale_rows(normals, scaled)]
    kept: list[int] = []
    for i in range(len(normals)):
        # Kept rows differ, so no earlier one can equal the next of them.
        wanted = len(kept) < len(rows) and scale_rows(normals[i : i + 1], row)
        if wanted and (row[0] == rows[len(kept)]).all():
            kept.append(i)
    return np.array(kept, dtype=np.int64), rows


def reduce_normals(normals: np.ndarray, merge: bool = False) -> Reduced:
    """Drop zero and repeated rows and split off the lineality of finite normals (k, d).

    With merge, rows parallel up to a few roundings count as repeated (the same
    plane, scaled by a third, is otherwise a sliver of 1e-16).
    """
    buffer = np.empty_like(normals, dtype=float)
    rows = buffer[: scale_rows(normals, buffer)].copy()
    angle = 0.0
    if merge:
        rows, angle = merge_rows(rows)
    reduced = _split_lineality(np.ascontiguousarray(rows))
    return replace(reduced, moved=reduced.moved + angle) if angle else reduced


def _split_lineality(rows: np.ndarray) -> Reduced:
    """The cone of scaled rows in the coordinates of their row space."""
    n, d = rows.shape
    if n == 0:
        empty = np.empty((0, 0))
        return Reduced(0, empty, empty, empty, 0.0)
    chosen = np.empty(d, dtype=np.int64)
    if independent_rows(rows, chosen, np.empty((d, d))) >= INDEPENDENT:
        return Reduced(d, rows, np.zeros_like(rows), rows, 0.0)
    exact, columns = independent(integer_rows(rows))
    rank = len(exact)
    hi, lo, residuals = rotate_rows(rows, rank)
    significant = int(np.count_nonzero(residuals > RANK_TOLERANCE))
    if significant < rank:
        angles = np.linalg.norm(hi[:, significant:], axis=1) / np.linalg.norm(hi, axis=1)
        moved = np.ascontiguousarray(hi[:, :significant])
        return Reduced(
            significant, moved, np.zeros_like(moved), moved, float(angles.sum()) + n * 2.0**-52
        )
    if rank == d:
        return Reduced(d, rows, np.zeros_like(rows), rows, 0.0)
    return Reduced(rank, hi, lo, np.ascontiguousarray(rows[:, sorted(columns)]), 0.0)
