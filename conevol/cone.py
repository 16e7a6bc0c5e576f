"""One polyhedral cone: its fraction, rays, faces, dual and points."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from conevol._fraction import as_normals, fraction
from conevol.boundary import boundary_of, face_lattice
from conevol.errors import FractionError, NormalsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from conevol._report import FractionReport
    from conevol.boundary import Boundary, FaceLattice
    from conevol.duality import Generated
    from conevol.measures import Moments

__all__ = ["Cone"]

# A cone at least as large is sampled by trying points of all space; so is one of the second
# size that takes too many pieces.
_WIDE, _TRIED = 0.05, 1e-5


class Cone:
    """The polyhedral cone {x : normals @ x >= 0}.

    Everything but the normals is computed when it is first asked for, and kept.
    Facets, rays and faces are those of the given doubles as exact numbers, but for d > 3
    normals that span less than all of space but for a few roundings count as doing so.

    Parameters
    ----------
    normals : array_like, shape (k, d)
        Inward normals.  Rows of zeros constrain nothing.

    Raises
    ------
    NormalsError
        For a wrong shape, or entries that are not finite.

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
    >>> cube = Cone.from_rays([[1, x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)])
    >>> round(cube.fraction, 12)
    0.125
    >>> [len(faces) for faces in cube.faces()]
    [1, 8, 12, 6, 1]
    """

    def __init__(self, normals: ArrayLike) -> None:
        self.normals = _matrix(normals, "normals").copy()
        self.normals.setflags(write=False)
        self._generated: Generated | None = None

    @classmethod
    def from_rays(cls, rays: ArrayLike) -> Cone:
        """The cone of all non-negative combinations of rays (n, d).

        Rays may be redundant, and may hold lines; rows of zeros do not count.  Facets
        and extreme rays are those of the given doubles, decided in integers (rays in one
        plane but for rounding are not in one plane); then the normals are rounded.
        `fraction`, `rays`, `facets` and `faces` go by the rays, not by the rounded
        normals.  If the rays do not span the space, the interior is empty and the
        fraction 0: the normals hold opposite pairs, and `rays` and `lineality` are
        there nevertheless.

        Raises
        ------
        NormalsError
            For a wrong shape, or entries that are not finite.
        FractionError
            If there are too many facets to list.
        """
        from conevol.duality import generated

        made = generated(_matrix(rays, "rays"))
        cone = cls(made.normals)
        cone._generated = made
        return cone

    @property
    def dimension(self) -> int:
        """Dimension d of the space."""
        return int(self.normals.shape[1])

    def __repr__(self) -> str:
        k, d = self.normals.shape
        # Above, a fraction may take a minute.
        value = f", fraction {self.fraction:.6g}" if d <= 3 else ""
        return f"Cone({k} half-spaces in dimension {d}{value})"

    @cached_property
    def result(self) -> FractionReport:
        """The fraction with its error bound, method, faces and nodes.

        Raises
        ------
        FractionError
            As `conevol.fraction`, with its default memory and time.
        """
        if self._generated is not None:
            return self._generated.report()
        return fraction(self.normals, full=True)

    @property
    def fraction(self) -> float:
        """Share of space in the cone (see `conevol.fraction`)."""
        return float(self.result.value)

    @property
    def error_bound(self) -> float:
        """Bound of the absolute error of `fraction`."""
        return float(self.result.error_bound)

    @property
    def sphere_area(self) -> float:
        """Area of the unit sphere of the space."""
        half = 0.5 * self.dimension
        if half > 100.0:
            return 2.0 * math.exp(half * math.log(math.pi) - math.lgamma(half))
        return 2.0 * math.pi**half / math.gamma(half)

    @property
    def solid_angle(self) -> float:
        """Fraction times the area of the unit sphere: steradians for d = 3, radians for d = 2."""
        return self.fraction * self.sphere_area

    @cached_property
    def _boundary(self) -> Boundary:
        if self._generated is not None:
            return self._generated.boundary
        return boundary_of(self.normals)

    @property
    def is_empty(self) -> bool:
        """Whether the interior is empty; then the fraction is 0, and no rays are given
        unless the cone was made from them."""
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

    @cached_property
    def _lattice(self) -> FaceLattice:
        return face_lattice(self._boundary)

    def faces(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Faces by dimension, each as the rising indices of its `rays`.

        ``faces()[j]`` are those of dimension j plus that of the lineality: first the
        lineality itself, without rays, last the cone.  A cone made from normals that has
        no interior has none.

        Raises
        ------
        FractionError
            If they take more than 2e9 bytes or an estimated 60 s to list.
        """
        boundary = self._boundary
        if boundary.empty and self._generated is None:
            return ()
        if boundary.rank <= 1:
            return (((),), ((0,),))[: boundary.rank + 1]
        lattice = self._lattice
        levels: list[list[tuple[int, ...]]] = [[()], *([] for _ in range(boundary.rank))]
        for rays, m in zip(lattice.rays, lattice.dims, strict=True):
            levels[m].append(rays)
        return tuple(tuple(sorted(level)) for level in levels)

    @property
    def _exact_normals(self) -> NDArray[np.float64]:
        """Normals, where they are what the cone was made from."""
        if self._generated is not None:
            raise FractionError(
                "a cone made from rays has rounded normals, whose faces may differ: "
                "Cone(cone.normals) is the cone of these"
            )
        return self.normals

    def gradient(self) -> NDArray[np.float64]:
        """Derivatives (k, d) of the fraction in the normals: `conevol.gradient`."""
        from conevol.measures import gradient

        return gradient(self._exact_normals)

    def moments(self) -> Moments:
        """E[x 1_C] and E[x x^T 1_C] of a standard Gaussian x: `conevol.moments`."""
        from conevol.measures import moments

        return moments(self._exact_normals)

    def intrinsic_volumes(self) -> NDArray[np.float64]:
        """Conic intrinsic volumes v_0 .. v_d: `conevol.intrinsic_volumes`.

        Of a cone made from rays they are those of its dual, reversed.
        """
        from conevol.intrinsic import intrinsic_volumes

        if self._generated is not None:
            return intrinsic_volumes(self._generated.given)[::-1].copy()
        return intrinsic_volumes(self.normals)

    def statistical_dimension(self) -> float:
        """Sum of j v_j: `conevol.statistical_dimension`."""
        return float(np.arange(self.dimension + 1) @ self.intrinsic_volumes())

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

    def dual(self) -> Cone:
        """The dual cone {y : y . x >= 0 for all x in this one}, which the normals generate.

        ``cone.dual().dual()`` is the cone itself.
        """
        if self._generated is not None:
            return Cone(self._generated.given)
        return Cone.from_rays(self.normals)

    def intersect(self, other: Cone | ArrayLike) -> Cone:
        """The common part with another cone, or with the half-spaces of normals (k, d).

        Raises
        ------
        NormalsError
            If the other has another dimension.
        """
        more = other.normals if isinstance(other, Cone) else _matrix(other, "normals")
        if more.shape[1] != self.dimension:
            raise NormalsError(
                f"the other cone has dimension {more.shape[1]}, expected {self.dimension}"
            )
        return Cone(np.concatenate([self.normals, more]))

    def split(self, normal: ArrayLike) -> tuple[Cone, Cone]:
        """The parts with normal @ x >= 0 and normal @ x <= 0.

        Raises
        ------
        NormalsError
            If the normal is not a vector (d,) other than 0.
        """
        row = as_normals(np.atleast_2d(np.asarray(normal)), "normal")
        if row.shape != (1, self.dimension) or not row.any():
            raise NormalsError(
                f"normal has shape {np.shape(normal)}, expected ({self.dimension},), not all zeros"
            )
        return self.intersect(row), self.intersect(-row)

    def sample(self, n: int, rng: np.random.Generator | int | None = None) -> NDArray[np.float64]:
        """Independent standard Gaussian points (n, d) given that they lie in the cone.

        Divided by their lengths they are uniform on the part of the sphere in the cone.
        They are exactly distributed but for the rounding of `rays`.  A cone of a fraction
        below 1/20 is cut into simplicial pieces, in which about one try in two is kept
        (one in ten in the orthant of ten dimensions) however small the cone is, so the
        time does not depend on the fraction.  Thin cones that are wide in many
        directions take many pieces; beyond 100 000 points of all space are tried
        instead if at least one in 100 000 lies in the cone.

        Parameters
        ----------
        n : int
            Number of points.
        rng : numpy.random.Generator or int, optional
            Generator, or its seed.

        Raises
        ------
        FractionError
            If the interior is empty, or a cone of a fraction below 1e-5 takes more than
            100 000 pieces.

        Examples
        --------
        >>> needle = Cone([[1, 0, 0, 0], [-1, 1e-9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        >>> x = needle.sample(1000, rng=1)
        >>> bool(needle.contains(x).mean() > 0.999)
        True
        """
        from conevol.cone_sampling import (
            compact_pieces,
            gaussian_points,
            in_pieces,
            triangulation,
        )

        if n < 0:
            raise NormalsError(f"n is {n}, expected a natural number")
        if self.is_empty:
            raise FractionError("no points can be drawn: the interior of the cone is empty")
        rng = np.random.default_rng(rng)
        boundary, d = self._boundary, self.dimension
        if boundary.rank == 0 or self.fraction >= _WIDE:
            return gaussian_points(self.contains, n, d, rng)
        basis = np.eye(d)
        if len(boundary.lineality):
            basis = np.linalg.svd(boundary.lineality)[2][len(boundary.lineality) :]
        try:
            pieces = compact_pieces((boundary.rays @ basis.T)[triangulation(self._lattice)])
        except FractionError:
            if self.fraction < _TRIED:
                raise
            return gaussian_points(self.contains, n, d, rng)
        lines = rng.standard_normal((n, len(boundary.lineality))) @ boundary.lineality
        return in_pieces(pieces, n, rng) @ basis + lines


def _matrix(rows: ArrayLike, name: str) -> NDArray[np.float64]:
    """Checked rows (k, d) of one cone."""
    a = as_normals(rows, name)
    if a.ndim != 2:
        raise NormalsError(
            f"{name} of a cone have shape {a.shape}, expected (k, d); "
            "conevol.fraction takes batches"
        )
    return a
