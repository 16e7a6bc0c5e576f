"""One polyhedral cone, with its rays, facets and lineality, in up to three dimensions."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol._fraction import FractionResult, as_normals, fraction
from conevol.errors import NormalsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Cone"]


class _Boundary(NamedTuple):
    facets: NDArray[np.int64]
    rays: NDArray[np.float64]
    lineality: NDArray[np.float64]
    empty: bool


class Cone:
    """The polyhedral cone {x : normals @ x >= 0}.

    Parameters
    ----------
    normals : array_like, shape (k, d), d <= 3
        Inward normals.  Rows of zeros constrain nothing.

    Raises
    ------
    NormalsError
        For a wrong shape, entries that are not finite, or d > 3.

    Examples
    --------
    >>> octant = Cone([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    >>> octant.fraction
    0.125
    >>> octant.redundant
    array([3])
    >>> octant.rays
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 1., 0.]])
    >>> wedge = Cone([[1, 0, 0], [0, 1, 0]])
    >>> wedge.lineality
    array([[0., 0., 1.]])
    """

    def __init__(self, normals: ArrayLike) -> None:
        a = as_normals(normals)
        if a.ndim != 2:
            raise NormalsError(
                f"normals of a cone have shape {a.shape}, expected (k, d); "
                "conevol.fraction takes batches"
            )
        if a.shape[1] > 3:
            raise NormalsError(
                f"normals have d = {a.shape[1]} columns, expected at most 3: "
                "conevol.fraction takes any dimension"
            )
        self.normals = a.copy()
        self.normals.setflags(write=False)

    @property
    def dimension(self) -> int:
        """Dimension d of the space."""
        return int(self.normals.shape[1])

    def __repr__(self) -> str:
        k, d = self.normals.shape
        return f"Cone({k} half-spaces in dimension {d}, fraction {self.fraction:.6g})"

    @cached_property
    def _fraction(self) -> FractionResult:
        return fraction(self.normals, error_bound=True)

    @property
    def fraction(self) -> float:
        """Share of space in the cone (see `conevol.fraction`)."""
        return float(self._fraction.value)

    @property
    def error_bound(self) -> float:
        """Bound of the absolute error of `fraction`."""
        return float(self._fraction.error_bound)

    @property
    def solid_angle(self) -> float:
        """Fraction times the area of the unit sphere: steradians for d = 3, radians for d = 2."""
        d = self.dimension
        return self.fraction * 2.0 * math.pi ** (d / 2) / math.gamma(d / 2)

    @cached_property
    def _boundary(self) -> _Boundary:
        from conevol.kernels.spherical import polygon_of

        d = self.dimension
        flat = np.zeros((len(self.normals), 3))
        flat[:, :d] = self.normals
        m, kept, edge, vert, a = polygon_of(flat)
        none = np.empty((0, d))
        if m < 0:
            return _Boundary(np.empty(0, dtype=np.int64), none, none, True)
        facets = np.sort(kept[edge[:m]])
        if m == 0:
            return _Boundary(facets, none, np.eye(d), False)
        first, last = a[edge[0], :3], a[edge[m - 1], :3]
        if m == 1:
            rays, orthogonal = first[None, :d], first[:d]
            lineality = np.linalg.svd(orthogonal[None])[2][1:]
        elif m == 2:
            axis = _unit(vert[:1, :3])[0]
            rays = np.stack([np.cross(axis, first), np.cross(last, axis)])[:, :d]
            lineality = axis[None] if d == 3 else none
        else:
            rays, lineality = vert[:m, :3], none
        return _Boundary(facets, _unit(rays), lineality, False)

    @property
    def is_empty(self) -> bool:
        """Whether the interior is empty; then the fraction is 0, and no rays are given."""
        return self._boundary.empty

    @property
    def is_pointed(self) -> bool:
        """Whether the cone holds no line."""
        return not len(self.lineality)

    @property
    def facets(self) -> NDArray[np.int64]:
        """Indices of the half-spaces that bound the cone; of equal ones the first."""
        return self._boundary.facets

    @property
    def redundant(self) -> NDArray[np.int64]:
        """Indices of the half-spaces that could be left out."""
        if self.is_empty:
            return np.empty(0, dtype=np.int64)
        return np.setdiff1d(np.arange(len(self.normals)), self.facets)

    @property
    def rays(self) -> NDArray[np.float64]:
        """Unit vectors (rays, d) along the extreme rays; of a cone with a line, those of
        its part orthogonal to `lineality`."""
        return self._boundary.rays

    @property
    def lineality(self) -> NDArray[np.float64]:
        """Orthonormal basis (l, d) of the largest subspace in the cone."""
        return self._boundary.lineality

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether points (..., d) lie in the cone, in floating-point arithmetic.

        Raises
        ------
        NormalsError
            If the points have another dimension.
        """
        points = np.asarray(x, dtype=np.float64)
        if points.ndim == 0 or points.shape[-1] != self.dimension:
            raise NormalsError(
                f"points have shape {points.shape}, expected (..., {self.dimension})"
            )
        return (points @ self.normals.T >= 0.0).all(axis=-1)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    # Adding 0.0 turns the negative zeros of cross products into zeros.
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled = vectors / largest
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True) + 0.0
