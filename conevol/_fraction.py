"""The share of space inside a polyhedral cone: `fraction`.

A cone is {x : normals @ x >= 0}, normals (k, d) with inward rows.  Its fraction
is the share of the unit sphere in it, which is also the probability that a
standard Gaussian vector lies in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from conevol._report import FractionReport
from conevol.errors import FractionError, NormalsError
from conevol.parallel import for_ranges

if TYPE_CHECKING:
    from typing import TypedDict

    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import Unpack

    class _Options(TypedDict, total=False):
        method: str
        rtol: float | None
        memory: float | None
        seconds: float | None
        samples: int | None
        seed: int | None
        threads: int | None


__all__ = ["FractionResult", "as_normals", "fraction"]

METHODS = ("auto", "polygon", "subsets", "lattice", "sample")
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


def as_normals(normals: ArrayLike, name: str = "normals") -> NDArray[np.float64]:
    """Check normals (or what else is named) and return them as float64 of shape (..., k, d).

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
            f"{name} must be real numbers in rows of one length, shape (..., k, d): {error}"
        ) from None
    if a.ndim < 2 or a.shape[-1] == 0:
        raise NormalsError(
            f"{name} have shape {a.shape}, expected (..., k, d) with d >= 1: one vector a row; "
            "for a single one write [[...]], for none numpy.empty((0, d))"
        )
    finite = np.isfinite(a)
    if not finite.all():
        bad = np.argwhere(~finite)
        where = ", ".join(map(str, bad[0]))
        raise NormalsError(
            f"{name}[{where}] is {a[tuple(bad[0])]} ({len(bad)} of {a.size} entries are not "
            "finite); a row that should not count is a row of zeros"
        )
    return a


@overload
def fraction(
    normals: ArrayLike,
    *,
    error_bound: Literal[True],
    full: Literal[False] = False,
    **options: Unpack[_Options],
) -> FractionResult: ...
@overload
def fraction(
    normals: ArrayLike, *, full: Literal[True], **options: Unpack[_Options]
) -> FractionReport: ...
@overload
def fraction(
    normals: ArrayLike,
    *,
    error_bound: Literal[False] = False,
    full: Literal[False] = False,
    **options: Unpack[_Options],
) -> Any: ...
def fraction(
    normals: ArrayLike,
    *,
    method: str = "auto",
    rtol: float | None = None,
    memory: float | None = None,
    seconds: float | None = None,
    samples: int | None = None,
    seed: int | None = None,
    error_bound: bool = False,
    full: bool = False,
    threads: int | None = None,
) -> Any:
    """Fraction of the sphere inside {x : normals @ x >= 0}, for one cone or a batch.

    Parameters
    ----------
    normals : array_like, shape (..., k, d)
        Inward normals, a row a half-space.  Their lengths do not matter (from
        1e-300 to 1e300); a row of zeros is no constraint, and k = 0 is all of
        space.  Repeated, redundant and contradictory rows are allowed.
    method : {"auto", "polygon", "subsets", "lattice", "sample"}
        "auto" is exact: "polygon" for d <= 3, "subsets" for d independent half-spaces,
        "lattice" (the face lattice) for all others.  "sample" is an unbiased
        estimate for any d, and is never chosen for you.
    rtol : float, optional
        Wanted error bound relative to the value; where it is missed double-double
        arithmetic is tried, then it is an error.  Without it d >= 4 aims at 2e-12
        and the error bound says what was reached.
    memory, seconds : float, optional
        Most bytes and seconds of one core that the face lattice of a cone may take
        (d >= 4), as estimated before and while it is built; by default 2e9 and 60.
    samples : int, optional
        With method="sample": points of a cone, by default 65536.
    seed : int, optional
        With method="sample": seed of the points, by default 0.  Cone number i of a
        batch has a sequence of its own.
    error_bound : bool
        Return `FractionResult` with a bound of the absolute error.
    full : bool
        Return `FractionReport`: method, sizes and the standard error as well.
    threads : int, optional
        Threads for a batch of many cones (more than 4096 for d <= 3), or for a
        sample; by default one a core.  The values do not depend on it.

    Returns
    -------
    float, ndarray of the batch shape, FractionResult or FractionReport

    Raises
    ------
    NormalsError
        For a wrong shape, or entries that are not finite numbers.
    FractionError
        If the cone's rays or faces take more memory or time than allowed, if rtol
        cannot be met, if the cone is too ill-conditioned or does not suit the method;
        it never comes back as NaN.  For options that contradict each other.

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
    1e-15 of their value; the bound is larger, and where it passes 2e-12 of the value
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
    >>> report = conevol.fraction(np.eye(40), method="sample", full=True)
    >>> report.method, report.value == 2.0**-40
    ('sample', True)
    """
    a = as_normals(normals)
    *batch, k, d = a.shape
    cones = int(np.prod(batch))
    flat = np.ascontiguousarray(a.reshape(cones, k, d))
    _check_options(method, d, rtol, (memory, seconds), (samples, seed), error_bound)
    if method == "sample":
        parts = _samples(flat, samples, seed, threads)
    elif d <= 3 and method in ("auto", "polygon"):
        parts = _polygons(flat, threads)
    else:
        parts = _lattices(flat, threads, method, rtol, memory, seconds)
    _check_rtol(parts, rtol)
    report = FractionReport(*(p.reshape(batch) if batch else p[0].item() for p in parts))
    if full:
        return report
    return FractionResult(report.value, report.error_bound) if error_bound else report.value


Parts = tuple["NDArray[Any]", ...]


def _check_options(
    method: str,
    d: int,
    rtol: float | None,
    budget: tuple[float | None, float | None],
    sample: tuple[int | None, int | None],
    error_bound: bool,
) -> None:
    """Refuse options that are unknown or would silently have no effect."""
    if method not in METHODS:
        raise FractionError(f"method is {method!r}, expected one of {', '.join(METHODS)}")
    if method == "polygon" and d > 3:
        raise FractionError(f"method 'polygon' is for at most 3 dimensions, not {d}: use 'auto'")
    if rtol is not None and not rtol > 0.0:
        raise FractionError(f"rtol is {rtol}, expected a positive number")
    if method != "sample":
        if sample != (None, None):
            raise FractionError("samples and seed are for method='sample'")
        return
    if rtol is not None or budget != (None, None):
        raise FractionError(
            "rtol, memory and seconds are for exact methods; the error of method='sample' is set "
            "by samples (stopping where the standard error is small would bias the estimate)"
        )
    if error_bound:
        raise FractionError(
            "a sampled fraction has no error bound: full=True gives its standard error"
        )
    samples, seed = sample
    if samples is not None and not samples >= 1:
        raise FractionError(f"samples is {samples}, expected at least 1")
    if seed is not None and not seed >= 0:
        raise FractionError(f"seed is {seed}, expected a natural number")


def _check_rtol(parts: Parts, rtol: float | None) -> None:
    """Refuse values that are known less well than was asked for."""
    if rtol is None:
        return
    value, bound = parts[:2]
    missed = np.flatnonzero(~(bound <= rtol * value))
    if len(missed):
        i = missed[0]
        raise FractionError(
            f"rtol = {rtol:g} cannot be met: cone {i} (in C order; {len(missed)} of {len(value)}) "
            f"has the fraction {value[i]:.6g} with an error bound of {bound[i]:.2g}; "
            "conevol.precision.fraction computes with as many digits as it takes"
        )


def _samples(
    flat: NDArray[np.float64], samples: int | None, seed: int | None, threads: int | None
) -> Parts:
    """Sampled fractions of N cones, (N, k, d), as the fields of a report."""
    from conevol.separation import SAMPLES, sampled_fraction

    count = SAMPLES if samples is None else int(samples)
    found = [
        sampled_fraction(cone, count, (int(seed or 0), i), threads) for i, cone in enumerate(flat)
    ]
    value, error, rank, points = np.array(found, dtype=float).reshape(-1, 4).T
    ranks, nodes = rank.astype(np.int64), points.astype(np.int64)
    n = len(flat)
    return value, np.ones(n), error, np.full(n, "sample"), ranks, np.zeros(n, np.int64), nodes


def _lattices(
    flat: NDArray[np.float64],
    threads: int | None,
    method: str,
    rtol: float | None,
    memory: float | None,
    seconds: float | None,
) -> Parts:
    """Fractions of N cones, (N, k, d), by the engine of any dimension."""
    from conevol.budget import as_budget
    from conevol.engine import RTOL, fractions

    found = fractions(flat, threads, as_budget(memory, seconds), rtol or RTOL, method)
    return found.values, found.bounds, np.zeros(len(flat)), *found[2:]


def _polygons(flat: NDArray[np.float64], threads: int | None) -> Parts:
    """Fractions of N cones, (N, k, d), d <= 3."""
    from conevol.kernels import spherical

    cones, _, d = flat.shape
    if d < 3:
        flat = np.pad(flat, ((0, 0), (0, 0), (0, 3 - d)))
    values, errors = np.empty(cones), np.empty(cones)
    for_ranges(
        lambda start, stop: spherical.fractions_range(flat, start, stop, values, errors),
        cones, _CHUNK, threads,
    )  # fmt: skip
    none = np.zeros(cones, np.int64)
    return values, errors, np.zeros(cones), np.full(cones, "polygon"), none + d, none, none
