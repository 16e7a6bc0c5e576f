"""Facets, rays, lineality and faces of a cone given by normals.

Up to three dimensions they are read off the spherical polygon, above they come from
double description; all signs are those of the given doubles as exact numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol.errors import FractionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Boundary", "FaceLattice", "boundary_of", "face_lattice", "unit_rows"]


@dataclass(frozen=True)
class Boundary:
    """What bounds a cone.

    Attributes
    ----------
    facets : (f,) array
        Indices of the normals of the facets, rising.
    rays : (n, d) array
        Unit extreme rays, orthogonal to the lineality.
    lineality : (l, d) array
        Orthonormal basis of the largest subspace in the cone.
    empty : bool
        Whether the interior is empty.
    sets : (f, words) array of uint64
        Which rays lie on each facet, as bits.
    rank : int
        Dimension of the cone without its lineality.
    """

    facets: NDArray[np.int64]
    rays: NDArray[np.float64]
    lineality: NDArray[np.float64]
    empty: bool
    sets: NDArray[np.uint64]
    rank: int


@dataclass(frozen=True)
class FaceLattice:
    """The faces of a pointed cone, the cone first.

    Attributes
    ----------
    rays : list of tuples of int
        The rays of each face, rising.
    dims : (n,) array
        Their dimensions.
    facets : list of arrays
        The numbers of each face's own facets.
    """

    rays: list[tuple[int, ...]]
    dims: NDArray[np.int64]
    facets: list[NDArray[np.int64]]


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows scaled to length 1, without negative zeros."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled = vectors / largest
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True) + 0.0


def bit_sets(members: list[list[int]], n: int) -> NDArray[np.uint64]:
    """Sets of numbers below n as bits, (sets, words)."""
    bits = np.zeros((len(members), 64 * max(1, (n + 63) // 64)), dtype=np.uint8)
    for row, numbers in zip(bits, members, strict=True):
        row[numbers] = 1
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _members(sets: NDArray[np.uint64]) -> list[tuple[int, ...]]:
    """The numbers in each bit set."""
    bits = np.unpackbits(sets.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return [tuple(np.flatnonzero(row).tolist()) for row in bits]


def _empty_boundary(d: int) -> Boundary:
    none = np.empty((0, d))
    return Boundary(np.empty(0, dtype=np.int64), none, none, True, bit_sets([], 0), 0)


def boundary_of(normals: NDArray[np.float64]) -> Boundary:
    """The boundary of {x : normals @ x >= 0}, normals (k, d).

    Raises
    ------
    FractionError
        If there are more rays than the default budget allows.
    """
    return _of_polygon(normals) if normals.shape[1] <= 3 else _of_rays(normals)


def _of_polygon(normals: NDArray[np.float64]) -> Boundary:
    """The boundary in at most three dimensions."""
    from conevol.kernels.spherical import polygon_of

    d = normals.shape[1]
    flat = np.zeros((len(normals), 3))
    flat[:, :d] = normals
    m, kept, edge, vert, a = polygon_of(flat)
    none = np.empty((0, d))
    if m < 0:
        return _empty_boundary(d)
    facets = kept[edge[:m]]
    if m == 0:
        return Boundary(facets, none, np.eye(d), False, bit_sets([], 0), 0)
    first, last = a[edge[0], :3], a[edge[m - 1], :3]
    if m == 1:
        rays, lineality = first[None, :d], np.linalg.svd(first[None, :d])[2][1:]
        members: list[list[int]] = [[]]
    elif m == 2:
        axis = unit_rows(vert[:1, :3])[0]
        rays = np.stack([np.cross(axis, first), np.cross(last, axis)])[:, :d]
        lineality = axis[None] if d == 3 else none
        members = [[0], [1]]
    else:
        rays, lineality = vert[:m, :3], none
        # Vertex i lies between edges i and i + 1.
        members = [[(i - 1) % m, i] for i in range(m)]
    order = np.argsort(facets)
    sets = bit_sets([members[i] for i in order], len(rays))
    return Boundary(facets[order], unit_rows(rays), lineality, False, sets, min(m, 3))


def _of_rays(normals: NDArray[np.float64]) -> Boundary:
    """The boundary in any dimension, by double description."""
    from conevol.incidence import incidence
    from conevol.kernels.general import facet_rows
    from conevol.reduction import kept_rows, reduce_normals

    d = normals.shape[1]
    reduced = reduce_normals(normals)
    m = reduced.rank
    kept, scaled = kept_rows(normals)
    if m == 0:
        none = np.empty(0, dtype=np.int64)
        return Boundary(none, np.empty((0, d)), np.eye(d), False, bit_sets([], 0), 0)
    rows = unit_rows(scaled)
    basis = np.linalg.svd(rows)[2] if m < d else np.eye(d)
    if m == 1:
        if (rows @ rows[0]).min() < 0.0:
            return _empty_boundary(d)
        return Boundary(kept[:1], rows[:1], basis[1:], False, bit_sets([[]], 0), 1)
    how, rays, sets = incidence(reduced.signs)
    if how == "empty":
        return _empty_boundary(d)
    if how == "too large":
        raise FractionError(
            f"the cone of {normals.shape[0]} half-spaces in {d} dimensions has too many rays to "
            "list; leave out half-spaces, or cut it into a product of smaller cones"
        )
    if m < d:
        # Heights over the normals are the same in the row space.
        heights = (reduced.signs @ rays.T) / np.linalg.norm(scaled, axis=1)[:, None]
        rays = np.linalg.lstsq(rows @ basis[:m].T, heights, rcond=None)[0].T @ basis[:m]
    facets = facet_rows(sets)
    return Boundary(kept[facets], unit_rows(rays), basis[m:], False, sets[facets], m)


def face_lattice(boundary: Boundary) -> FaceLattice:
    """All faces, but the vertex, of the cone without its lineality; its rank is at least 2.

    Raises
    ------
    FractionError
        If they do not fit the default budget.
    """
    from conevol.budget import Budget
    from conevol.kernels import lattice

    budget = Budget()
    refused = budget.any_lattice_refused(boundary.rank)
    if not refused:
        status, sets, dims, first, end, entries = lattice.face_sets(
            boundary.sets, boundary.rank, budget.memory, budget.seconds
        )
        if status != lattice.OK:
            refused = (
                f"more than {len(dims)} take more than {budget.memory:.2g} bytes or an estimated "
                f"{budget.seconds:.2g} s"
            )
    if refused:
        raise FractionError(
            f"the faces of the cone of {len(boundary.facets)} facets and {len(boundary.rays)} rays "
            f"in {boundary.rank} dimensions cannot be listed: {refused}"
        )
    facets = [entries[a:b] for a, b in zip(first, end, strict=True)]
    return FaceLattice(_members(sets), dims, facets)
