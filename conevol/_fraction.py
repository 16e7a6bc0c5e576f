"""The share of space inside a polyhedral cone: `fraction`.

A cone is {x : normals @ x >= 0}, normals (k, d) with inward rows.  Its fraction
is the share of the unit sphere in it, which is also the probability that a
standard Gaussian vector lies in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from conevol.errors import NormalsError
from conevol.parallel import for_ranges

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["FractionResult", "as_normals", "fraction"]

# Cones a task of a thread.
_CHUNK = 4096


class FractionResult(NamedTuple):
    """Fractions of a batch of cones, with bounds of their absolute error.

    Attributes
    ----------
    value : float or ndarray
        Fractions, in [0, 1]; a float for one cone, else of the batch shape.
    error_bound : float or ndarray
        |value - exact| <= error_bound, where exact is the fraction of the cone
        whose normals are the given doubles, taken as exact numbers.  For d <= 3 it
        follows every rounding; for d >= 4 it counts roundings and estimates the
        tail of a quadrature, on the safe side (docs/methods.md, statement 18).
    """

    value: Any
    error_bound: Any


def as_normals(normals: ArrayLike) -> NDArray[np.float64]:
    """Check normals and return them as float64 of shape (..., k, d).

    Raises
    ------
    NormalsError
        If they are not numbers, have fewer than two axes, d = 0, or an entry
        that is not finite; the first offender is named.
    """
    try:
        a = np.asarray(normals)
        if a.dtype.kind not in "biuf":
            # One by one: numpy would turn None into nan.
            a = np.asarray(normals, dtype=object)
            a = np.array([float(v) for v in a.ravel()]).reshape(a.shape)
        a = np.asarray(a, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise NormalsError(
            f"normals must be real numbers in rows of one length, shape (..., k, d): {error}"
        ) from None
    if a.ndim < 2 or a.shape[-1] == 0:
        raise NormalsError(
            f"normals have shape {a.shape}, expected (..., k, d) with d >= 1: one inward normal "
            "a row; for a single half-space write [[...]], for none numpy.empty((0, d))"
        )
    finite = np.isfinite(a)
    if not finite.all():
        bad = np.argwhere(~finite)
        where = ", ".join(map(str, bad[0]))
        raise NormalsError(
            f"normals[{where}] is {a[tuple(bad[0])]} ({len(bad)} of {a.size} entries are not "
            "finite); a half-space that should not count is a row of zeros"
        )
    return a


@overload
def fraction(
    normals: ArrayLike, *, error_bound: Literal[False] = False, threads: int | None = None
) -> Any: ...
@overload
def fraction(
    normals: ArrayLike, *, error_bound: Literal[True], threads: int | None = None
) -> FractionResult: ...
def fraction(normals: ArrayLike, *, error_bound: bool = False, threads: int | None = None) -> Any:
    """Fraction of the sphere inside {x : normals @ x >= 0}, for one cone or a batch.

    Parameters
    ----------
    normals : array_like, shape (..., k, d)
        Inward normals, a row a half-space.  Their lengths do not matter (from
        1e-300 to 1e300); a row of zeros is no constraint, and k = 0 is all of
        space.  Repeated, redundant and contradictory rows are allowed.
    error_bound : bool
        Return `FractionResult` with a bound of the absolute error.
    threads : int, optional
        Threads for a batch of many cones (more than 4096 for d <= 3); by default
        one a core.  The values do not depend on it.

    Returns
    -------
    float, ndarray of the batch shape, or FractionResult

    Raises
    ------
    NormalsError
        For a wrong shape, or entries that are not finite numbers.
    FractionError
        For d >= 4, if the cone has more than 200 000 rays or 2 000 000 faces, or is
        too ill-conditioned; it never comes back as NaN.

    Notes
    -----
    In three dimensions the spherical polygon is clipped by one half-space at a
    time and its excess summed over a fan of triangles (A. van Oosterom and
    J. Strackee, IEEE Trans. Biomed. Eng. 30, 1983, eq. 8), with numerators that
    are products of determinants of the normals.  All signs are exact, so a
    degenerate cone (flat, coplanar, repeated normals) is no special case: an
    empty interior gives exactly 0.  The relative error is a few 1e-16, also
    for polygons 1e-7 across; the bound follows the rounding of every step.
    Smaller d are the cylinders over the same cones.

    In four and more dimensions Schlafli's differential formula (L. Schlafli, 1858)
    is integrated over the face lattice: the cone is stretched along an axis from a
    half-line to itself, and the angles of all its faces grow together, by Gauss
    collocation in one variable.  Subspaces in the cone are split off, and the
    lattice is found with signs that are exact where in doubt, so an empty interior
    gives 0; so does one thinner than about 1e-14.  Random cones are good to a few
    1e-15 of their value; the bound is larger, and where it passes 5e-12 of the value
    double-double arithmetic takes over.  Normals that repeat, or span less than all
    of space, but for rounding count as doing so; the bound includes the angle by
    which they were moved.  The time grows with the number of faces: 2^d for d
    half-spaces.

    Examples
    --------
    >>> import conevol
    >>> conevol.fraction([[1, 0, 0], [0, 1, 0], [0, 0, 1]])  # an octant
    0.125
    >>> conevol.fraction([[[1, 0], [-1, 1]], [[1, 0], [-1, 0]]])  # 45 degrees; nothing
    array([0.125, 0.   ])
    >>> value, bound = conevol.fraction([[1, 0, 0], [0, 1, 0]], error_bound=True)
    >>> abs(value - 0.25) <= bound < 1e-15
    True
    >>> round(1 / conevol.fraction([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]]), 9)  # 4!
    24.0
    """
    a = as_normals(normals)
    *batch, k, d = a.shape
    cones = int(np.prod(batch))
    flat = np.ascontiguousarray(a.reshape(cones, k, d))
    if d > 3:
        from conevol.engine import fractions

        values, errors = fractions(flat, threads)
    else:
        values, errors = _polygons(flat, threads)
    if not batch:
        result = FractionResult(float(values[0]), float(errors[0]))
    else:
        result = FractionResult(values.reshape(batch), errors.reshape(batch))
    return result if error_bound else result.value


def _polygons(
    flat: NDArray[np.float64], threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions and error bounds of N cones, (N, k, d), d <= 3."""
    from conevol.kernels import spherical

    cones, _, d = flat.shape
    if d < 3:
        flat = np.pad(flat, ((0, 0), (0, 0), (0, 3 - d)))
    values, errors = np.empty(cones), np.empty(cones)
    for_ranges(
        lambda start, stop: spherical.fractions_range(flat, start, stop, values, errors),
        cones, _CHUNK, threads,
    )  # fmt: skip
    return values, errors
