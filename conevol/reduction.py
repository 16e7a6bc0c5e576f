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
    kept : (k,) array of int
        Which of the rows given these are.
    """

    rank: int
    hi: np.ndarray
    lo: np.ndarray
    signs: np.ndarray
    moved: float
    kept: np.ndarray

    @property
    def rotated(self) -> bool:
        """Whether the coordinates differ from the ones given."""
        return self.hi is not self.signs


def merge_rows(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Which rows are not parallel to an earlier one, but for rounding; the sum of the angles."""
    n, d = rows.shape
    if n <= d or n > MERGE_ROWS:
        return np.full(n, True), 0.0
    units = rows / np.linalg.norm(rows, axis=1)[:, None]
    near = np.abs(units[:, None] - units[None]).max(axis=2) <= PARALLEL
    repeated = np.tril(near, -1).any(axis=1)
    return ~repeated, int(repeated.sum()) * PARALLEL * d


def kept_rows(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that `reduce_normals` keeps without merging, of equal ones the first.

    Returns their indices, and the rows scaled by powers of two.
    """
    rows, kept = np.empty_like(normals, dtype=float), np.empty(len(normals), dtype=np.int64)
    n = scale_rows(normals, rows, kept)
    return kept[:n], rows[:n].copy()


def reduce_normals(normals: np.ndarray, merge: bool = False) -> Reduced:
    """Drop zero and repeated rows and split off the lineality of finite normals (k, d).

    With merge, rows parallel up to a few roundings count as repeated (the same
    plane, scaled by a third, is otherwise a sliver of 1e-16).
    """
    kept, rows = kept_rows(normals)
    angle = 0.0
    if merge:
        apart, angle = merge_rows(rows)
        rows, kept = rows[apart], kept[apart]
    reduced = _split_lineality(rows, kept)
    return replace(reduced, moved=reduced.moved + angle) if angle else reduced


def _split_lineality(rows: np.ndarray, kept: np.ndarray) -> Reduced:
    """The cone of scaled rows in the coordinates of their row space."""
    n, d = rows.shape
    if n == 0:
        empty = np.empty((0, 0))
        return Reduced(0, empty, empty, empty, 0.0, kept)
    chosen = np.empty(d, dtype=np.int64)
    if independent_rows(rows, chosen, np.empty((d, d))) >= INDEPENDENT:
        return Reduced(d, rows, np.zeros_like(rows), rows, 0.0, kept)
    exact, columns = independent(integer_rows(rows))
    rank = len(exact)
    hi, lo, residuals = rotate_rows(rows, np.zeros_like(rows), rank)
    significant = int(np.count_nonzero(residuals > RANK_TOLERANCE))
    if significant < rank:
        angles = np.linalg.norm(hi[:, significant:], axis=1) / np.linalg.norm(hi, axis=1)
        moved = np.ascontiguousarray(hi[:, :significant])
        angle = float(angles.sum()) + n * 2.0**-52
        return Reduced(significant, moved, np.zeros_like(moved), moved, angle, kept)
    if rank == d:
        return Reduced(d, rows, np.zeros_like(rows), rows, 0.0, kept)
    return Reduced(rank, hi, lo, np.ascontiguousarray(rows[:, sorted(columns)]), 0.0, kept)
