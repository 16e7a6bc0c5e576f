"""Conic intrinsic volumes and the statistical dimension of a cone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from conevol.engine import DEFAULT, RTOL
from conevol.exact_rays import exact_rays, integer_rows
from conevol.kernels import measures as _kernels
from conevol.kernels.doubledouble import DD_EPS
from conevol.kernels.rays import transpose_bits
from conevol.measures import LIMITS, Bounded, Description, check_status, describe, one_cone, refusal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["intrinsic_volumes", "statistical_dimension"]

# An intrinsic volume of a cone whose normals are turned changes by about this times the angle
# over pi: each of its two factors by one, each for half of all faces.
_MOVED = 4.0


class _Faces(NamedTuple):
    """A face lattice as from `kernels.measures.face_fractions`."""

    dims: NDArray[np.int8]
    pointer: NDArray[np.int64]
    facets: NDArray[np.int32]
    values: NDArray[np.float64]
    bounds: NDArray[np.float64]

    def facets_of(self, face: int) -> list[int]:
        return [int(x) for x in self.facets[self.pointer[face] : self.pointer[face + 1]]]

    def tight(self) -> list[int]:
        """The facets of the cone that each face is in, as bit masks."""
        last = len(self.dims) - 1
        masks = [0] * (last + 1)
        for number, facet in enumerate(self.facets_of(last)):
            masks[facet] = 1 << number
        for face in range(last - 1, -1, -1):
            for facet in self.facets_of(face):
                masks[facet] |= masks[face]
        return masks

    def rays(self, number: dict[int, int]) -> list[int]:
        """The rays in each face, as bit masks, from the numbers of the rays' `tight` masks."""
        tight = self.tight()
        masks = [0] * len(self.dims)
        for face, m in enumerate(self.dims):
            if m == 1:
                masks[face] = 1 << number[tight[face]]
            for facet in self.facets_of(face):
                masks[face] |= masks[facet]
        return masks


@overload
def intrinsic_volumes(
    normals: ArrayLike, *, error_bound: Literal[False] = False
) -> NDArray[np.float64]: ...
@overload
def intrinsic_volumes(normals: ArrayLike, *, error_bound: Literal[True]) -> Bounded: ...
def intrinsic_volumes(normals: ArrayLike, *, error_bound: bool = False) -> Any:
    """Conic intrinsic volumes v_0 .. v_d of the cone {x : normals @ x >= 0}.

    Parameters
    ----------
    normals : array_like, shape (k, d)
        Inward normals of one cone, as for `conevol.fraction`.
    error_bound : bool
        Return `Bounded`, with a bound for every entry.

    Returns
    -------
    (d + 1,) array or Bounded
        v_j is the probability that the point of the cone nearest to a standard Gaussian
        vector lies inside a face of dimension j.  v_d is the cone's fraction.

    Raises
    ------
    NormalsError, FractionError
        As `conevol.fraction`.

    Notes
    -----
    v_j is the sum over faces F of dimension j of the fraction of F times that of the normal
    cone at F (D. Amelunxen, M. Lotz, M. B. McCoy and J. A. Tropp, Inf. Inference 3, 2014,
    section 5).  The normal cones are the faces of the polar cone, whose lattice is the same
    upside down: two quadratures for the cone and two for its polar give all fractions
    (docs/methods.md, statement 22).  A subspace of dimension l in the cone shifts all indices by l.
    A cone without interior is treated as the polar of the cone that its rays are normals of,
    v_j(C) = v_{d-j}(polar); where its rays are no doubles the bound allows for their rounding.

    Examples
    --------
    >>> intrinsic_volumes(np.eye(3)) * 8  # binomials
    array([1., 3., 3., 1.])
    >>> intrinsic_volumes([[1, 0, 0], [-1, 0, 0]])  # a plane
    array([0., 0., 1., 0.])
    """
    a = one_cone(normals)
    value, bound = _volumes(a)
    return Bounded(value, bound) if error_bound else value


@overload
def statistical_dimension(normals: ArrayLike, *, error_bound: Literal[False] = False) -> float: ...
@overload
def statistical_dimension(normals: ArrayLike, *, error_bound: Literal[True]) -> Bounded: ...
def statistical_dimension(normals: ArrayLike, *, error_bound: bool = False) -> Any:
    """Statistical dimension of a cone: the mean squared length of a Gaussian's nearest point in it.

    Parameters
    ----------
    normals : array_like, shape (k, d)
        Inward normals of one cone, as for `conevol.fraction`.
    error_bound : bool
        Return `Bounded`.

    Returns
    -------
    float or Bounded
        sum_j j v_j, v_j the intrinsic volumes (Amelunxen et al. 2014, section 5): d for
        all of space, l for a subspace of l dimensions, d / 2 for an orthant.

    Raises
    ------
    NormalsError, FractionError
        As `conevol.fraction`.

    Examples
    --------
    >>> order = [[1, -1, 0], [0, 1, -1]]  # x_1 >= x_2 >= x_3: 1 + 1/2 + 1/3
    >>> round(statistical_dimension(order), 12)
    1.833333333333
    """
    value, bound = _volumes(one_cone(normals))
    index = np.arange(len(value))
    total = Bounded(float(index @ value), float(index @ bound))
    return total if error_bound else total.value


def _volumes(a: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intrinsic volumes (d + 1,) of one cone, and bounds."""
    cone = describe(a)
    rank, lineality = cone.reduced.rank, a.shape[1] - cone.reduced.rank
    if rank == 0:
        value, bound = np.ones(1), np.zeros(1)
    elif cone.rays is None:
        value, bound = _of_flat(cone)
    elif rank == 1:
        value, bound = np.full(2, 0.5), np.zeros(2)
    else:
        value, bound = _of_pointed(cone, a)
    moved = _MOVED * cone.reduced.moved / math.pi
    return np.pad(value, (lineality, 0)), np.pad(bound + moved, (lineality, 0))


def _of_flat(cone: Description) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of a pointed cone without interior: its polar's reversed, whose normals are its rays."""
    reduced = cone.reduced
    most = DEFAULT.rays(*reduced.signs.shape)
    found = exact_rays(integer_rows(reduced.signs), most, DEFAULT.exact_ray_tests, flat=True)
    if found is None:
        raise refusal("too large", reduced.signs.shape, reduced.rank)
    vectors, rounding = found[0], 0.0
    if not vectors:
        rays = np.empty((0, reduced.rank))
    else:
        whole = all(abs(x) <= 1 << 53 for vector in vectors for x in vector)
        rays = np.array([[x / max(map(abs, v)) for x in v] for v in vectors])
        if whole and not reduced.rotated:
            rays = np.array(vectors, dtype=float)
        else:
            rounding = _MOVED * len(rays) * reduced.rank * _kernels.U
        if reduced.rotated:
            values = reduced.signs @ rays.T
            rays = np.linalg.lstsq(reduced.hi, values, rcond=None)[0].T
    value, bound = _volumes(rays)
    return value[::-1], bound[::-1] + rounding


def _of_pointed(
    cone: Description, normals: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of a pointed cone with an interior."""
    assert cone.rays is not None
    reduced = cone.reduced
    m = reduced.rank
    rows, primal = _faces(reduced.hi, reduced.lo, cone.rays, cone.sets, normals.shape)
    hi, lo = np.empty((2, len(rows), m))
    _kernels.unit_rows(reduced.hi, reduced.lo, rows, hi, lo)
    ray_rows = transpose_bits(np.ascontiguousarray(cone.sets[rows]), len(cone.rays))
    rays_hi, rays_lo = np.empty((2, len(cone.rays), m))
    pivot = _kernels.polish_rays(hi, lo, ray_rows, cone.rays, rays_hi, rays_lo)
    # The sets of the polar's normals, which are the rays, number the polar's rays.
    _, polar = _faces(rays_hi, rays_lo, hi, ray_rows, normals.shape)
    turned = len(cone.rays) * 16.0 * m * DD_EPS / pivot
    masks = [int.from_bytes(x.tobytes(), "little") for x in ray_rows.astype("<u8")]
    rays_of = primal.rays({mask: i for i, mask in enumerate(masks)})
    opposite = {mask: face for face, mask in enumerate(polar.tight())}
    value, bound = np.zeros(m + 1), np.zeros(m + 1)
    for face, rays in enumerate(rays_of):
        if face == len(rays_of) - 1:
            phi, error = 1.0, 0.0
        else:
            other = opposite[rays]
            phi, error = polar.values[other], polar.bounds[other] + turned
        j = primal.dims[face]
        value[j] += primal.values[face] * phi
        bound[j] += primal.values[face] * error + primal.bounds[face] * (phi + error)
    value[0], bound[0] = polar.values[-1], polar.bounds[-1] + turned
    return value, bound + (len(rays_of) + 2) * _kernels.U * value


def _faces(
    hi: NDArray[np.float64],
    lo: NDArray[np.float64],
    rays: NDArray[np.float64],
    sets: NDArray[np.uint64],
    shape: tuple[int, ...],
) -> tuple[NDArray[np.int64], _Faces]:
    """Rows that are facets, and all faces, of the pointed cone (hi + lo) x >= 0."""
    status, rows, lattice, values, bounds = _kernels.face_fractions(
        hi, lo, np.ascontiguousarray(rays), sets, True, LIMITS, RTOL
    )
    check_status(status, shape, hi.shape[1], float(bounds.max()))
    return rows, _Faces(lattice[0], lattice[1], lattice[2], values, bounds)
