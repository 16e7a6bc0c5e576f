"""What a cone has beside its fraction: moments, gradient, intrinsic volumes.

All of them come from the fractions of the cone's faces, which the quadrature of
`conevol.fraction` has on its way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from conevol._fraction import as_normals
from conevol.engine import (
    DEFAULT,
    RTOL,
    STATUS,
    WORST_BOUND,
    Info,
    failure,
)
from conevol.errors import FractionError, NormalsError
from conevol.incidence import incidence, row_space_rays
from conevol.kernels import measures as _kernels
from conevol.parallel import for_ranges
from conevol.reduction import Reduced, kept_rows, reduce_normals

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Bounded", "Moments", "gradient", "moments"]

# Bytes and seconds that a face lattice may take.
LIMITS = (DEFAULT.memory, DEFAULT.seconds)
# Cones a task of a thread.
_CHUNK = 64
# A region of measure p between two planes through 0 adds at most this times p to a moment.
_MOVED = 2.2


class Bounded(NamedTuple):
    """A value and a bound of its absolute error, entry by entry.

    Attributes
    ----------
    value, error_bound : float or ndarray
        Of one shape.  The bound is of the kind that `conevol.fraction` gives in four and
        more dimensions (docs/methods.md, statement 18).
    """

    value: Any
    error_bound: Any


class Moments(NamedTuple):
    """Moments of a standard Gaussian x restricted to a cone C, with bounds of their errors.

    Attributes
    ----------
    fraction : float or (...) array
        P(x in C).
    first : (..., d) array
        E[x 1_C].
    second : (..., d, d) array
        E[x x^T 1_C].
    fraction_bound, first_bound, second_bound : float or ndarray
        Bounds of the absolute errors, entry by entry.
    """

    fraction: Any
    first: Any
    second: Any
    fraction_bound: Any
    first_bound: Any
    second_bound: Any


class Description(NamedTuple):
    """A reduced cone with its incidence; rays is None for an empty interior."""

    reduced: Reduced
    whole: tuple[NDArray[np.float64], NDArray[np.float64]]
    rays: NDArray[np.float64] | None
    sets: NDArray[np.uint64]


def one_cone(normals: ArrayLike) -> NDArray[np.float64]:
    """Checked normals (k, d) of one cone."""
    a = as_normals(normals)
    if a.ndim != 2:
        raise NormalsError(f"normals have shape {a.shape}, expected those of one cone, (k, d)")
    return a


def describe(normals: NDArray[np.float64]) -> Description:
    """Reduce a cone and find its rays.

    Raises
    ------
    FractionError
        If there are too many.
    """
    reduced = reduce_normals(normals, merge=True)
    rows = reduced.hi
    if reduced.rank < normals.shape[1]:
        rows = kept_rows(normals[reduced.kept])[1]
    whole = rows, np.zeros_like(rows)
    none = np.empty((0, 0), dtype=np.uint64)
    if reduced.rank == 0:
        return Description(reduced, whole, np.empty((0, 0)), none)
    if reduced.rank == 1:
        both = reduced.hi.min() < 0.0 < reduced.hi.max()
        ray = np.sign(reduced.hi[:1])
        return Description(reduced, whole, None if both else ray, none)
    how, rays, sets = incidence(reduced.signs)
    if how == "too large":
        raise refusal(how, normals.shape, reduced.rank)
    if how == "empty":
        return Description(reduced, whole, None, sets)
    return Description(reduced, whole, row_space_rays(reduced, rays), sets)


def refusal(status: str, shape: tuple[int, ...], rank: int) -> FractionError:
    """Why faces cannot be had."""
    why = (
        f"its rays or faces take more than {LIMITS[0]:.2g} bytes or an estimated {LIMITS[1]:.2g} s"
    )
    return failure(shape, Info(status, "lattice", rank, why=why), advice="")


def check_status(status: int, shape: tuple[int, ...], rank: int, bound: float = 0.0) -> None:
    """An error unless a kernel did its work, to less than WORST_BOUND."""
    if status != _kernels.OK or not bound <= WORST_BOUND:
        raise refusal(STATUS[status], shape, rank)


@overload
def gradient(normals: ArrayLike, *, error_bound: Literal[False] = False) -> NDArray[np.float64]: ...
@overload
def gradient(normals: ArrayLike, *, error_bound: Literal[True]) -> Bounded: ...
def gradient(normals: ArrayLike, *, error_bound: bool = False) -> Any:
    """Derivative of a cone's fraction with respect to its normals.

    Parameters
    ----------
    normals : array_like, shape (k, d)
        Inward normals of one cone, as for `conevol.fraction`.
    error_bound : bool
        Return `Bounded`, with a bound for every entry.

    Returns
    -------
    (k, d) array or Bounded
        Entry (i, j) is d fraction / d normals[i, j].  Row i is orthogonal to normals[i].
        A redundant half-space and all rows of a cone without interior have 0; so has a row
        of zeros, in which the fraction is not continuous.

    Raises
    ------
    NormalsError
        For a wrong shape, or entries that are not finite numbers.
    FractionError
        As `conevol.fraction`.

    Notes
    -----
    Turning facet f of the cone C by d n_f moves it by x . d n_f at x, so d phi_C is the mean of
    x over the facet's own Gaussian, over sqrt(2 pi); that mean is a sum over ridges (Stein's
    lemma; docs/methods.md, statement 19).  In terms of correlations R_ij of unit normals this
    is d phi_C / d R_ij = phi_G / (2 pi sqrt(1 - R_ij^2)), G the ridge between the facets i and j
    (R. L. Plackett, Biometrika 41, 1954, eq. 3, for orthants).

    Where several rows bound the same facet the fraction has no derivative.  The first of
    them then gets that of the facet and the others 0: the derivative for turning
    the first while the others are away.  Rows that differ by a few roundings count as the same,
    and the bound is that of the cone without them.

    Examples
    --------
    >>> gradient([[1, 0], [0, 1], [1, 1]]) * 2 * np.pi
    array([[0., 1.],
           [1., 0.],
           [0., 0.]])
    """
    a = one_cone(normals)
    value, bound = np.zeros_like(a), np.zeros_like(a)
    cone = describe(a)
    reduced = cone.reduced
    if reduced.rank >= 2 and cone.rays is not None:
        rows, margin = np.empty_like(cone.whole[0]), np.empty_like(cone.whole[0])
        status = _kernels.pointed_gradient(
            reduced.hi, reduced.lo, cone.whole, cone.rays, cone.sets, LIMITS, RTOL, rows, margin
        )
        check_status(status, a.shape, reduced.rank)
        # The kernel's rows are the given ones, divided by powers of two.
        given = a[reduced.kept]
        powers = (
            np.frexp(np.abs(given).max(axis=1))[1] - np.frexp(np.abs(cone.whole[0]).max(axis=1))[1]
        )
        value[reduced.kept] = np.ldexp(rows, -powers[:, None])
        bound[reduced.kept] = np.ldexp(margin, -powers[:, None])
    return Bounded(value, bound) if error_bound else value


def _moments_of(normals: NDArray[np.float64], out: tuple[NDArray[np.float64], ...]) -> None:
    """Moments of one cone (k, d), to out = (fractions (2,), first (2, d), second (2, d, d))."""
    fractions, first, second = out
    fractions[:], first[:], second[:] = 0.0, 0.0, 0.0
    cone = describe(normals)
    reduced, d = cone.reduced, normals.shape[1]
    if reduced.rank == 0:
        fractions[0], second[0] = 1.0, np.eye(d)
    elif cone.rays is None:
        pass
    elif reduced.rank == 1:
        row = cone.whole[0][0]
        fractions[0], second[0] = 0.5, 0.5 * np.eye(d)
        first[0] = row / np.linalg.norm(row) / math.sqrt(2.0 * math.pi)
        first[1] = (d + 6) * _kernels.U * np.abs(first[0])
    else:
        status, fractions[0], fractions[1] = _kernels.pointed_moments(
            reduced.hi, reduced.lo, cone.whole, cone.rays, cone.sets, LIMITS, RTOL, first, second
        )
        check_status(status, normals.shape, reduced.rank, float(fractions[1]))
    moved = reduced.moved / math.pi
    fractions[1] += moved
    first[1] += _MOVED * moved
    second[1] += _MOVED * moved


def moments(normals: ArrayLike, *, threads: int | None = None) -> Moments:
    """Moments of a standard Gaussian vector x restricted to cones {x : normals @ x >= 0}.

    Parameters
    ----------
    normals : array_like, shape (..., k, d)
        Inward normals, as for `conevol.fraction`: one cone or a batch.
    threads : int, optional
        Threads for a batch; by default one a core.  The values do not depend on it.

    Returns
    -------
    Moments
        P(x in C), E[x 1_C] and E[x x^T 1_C], not divided by P(x in C), with bounds.

    Raises
    ------
    NormalsError, FractionError
        As `conevol.fraction`.

    Notes
    -----
    Stein's lemma turns them into sums over facets and ridges of the cone's face lattice
    (docs/methods.md, statement 20).  A subspace in the cone is treated as any other
    direction.  The bounds are absolute: of a narrow cone the first moment, which is a
    difference of facets, is less well known than the fraction, relative to its size.

    Examples
    --------
    >>> m = moments(np.eye(3))  # half-normal, independent
    >>> round(m.fraction, 12), (m.first * np.sqrt(2 * np.pi)).round(12).tolist()
    (0.125, [0.25, 0.25, 0.25])
    >>> (m.second * 4 * np.pi).round(12)[0].tolist() == [round(np.pi / 2, 12), 1.0, 1.0]
    True
    """
    a = as_normals(normals)
    *batch, k, d = a.shape
    count = int(np.prod(batch))
    flat = np.ascontiguousarray(a.reshape(count, k, d))
    statuses = np.full(count, _kernels.UNSURE)
    fractions, first = np.empty((count, 2)), np.empty((count, 2, d))
    second = np.empty((count, 2, d, d))

    def work(start: int, stop: int) -> None:
        if d > 1 and count > 1:
            _kernels.moments_range(
                flat, LIMITS, RTOL, start, stop, statuses, fractions, first, second
            )
        for i in range(start, stop):
            if statuses[i] != _kernels.OK:
                _moments_of(flat[i], (fractions[i], first[i], second[i]))

    for_ranges(work, count, _CHUNK, threads)
    if not batch:
        phi: list[Any] = [float(fractions[0, 0]), float(fractions[0, 1])]
    else:
        phi = [fractions[:, part].reshape(batch) for part in (0, 1)]
    one = [first[:, part].reshape(*batch, d) for part in (0, 1)]
    two = [second[:, part].reshape(*batch, d, d) for part in (0, 1)]
    return Moments(phi[0], one[0], two[0], phi[1], one[1], two[1])
