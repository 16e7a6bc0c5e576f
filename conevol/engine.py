"""The fraction of a polyhedral cone, by whichever path fits: subsets or face lattice.

In `cone_fraction` statuses are results: a cone whose fraction cannot be had comes
back as NaN with a bound of 1 and says why.  `fractions`, which the public function
calls, makes an error of that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from conevol.errors import FractionError
from conevol.exact_rays import exact_rays, integer_rows
from conevol.kernels import general as _general
from conevol.kernels import rays as _rays
from conevol.kernels import simplicial as _simplicial
from conevol.kernels.schlafli import NODES
from conevol.parallel import for_ranges
from conevol.reduction import Reduced, reduce_normals
from conevol.refinement import refine, simplex_sets

__all__ = ["MAX_FACES", "Info", "cone_fraction", "fractions", "incidence", "simplicial_fractions"]

MAX_FACES = 2_000_000
# An error bound beyond this share of the value brings in costlier arithmetic.  Bounds are
# ten to a thousand times the error, so this keeps the error below 1e-13.
RTOL = 5e-12
MAX_RAYS = 200_000
# A value known less well than this, absolutely, is no value.
WORST_BOUND = 1e-6
# Cones a task of a thread: simplicial ones, others.
_CHUNK, _FEW = 128, 4
MAX_SUBSET_DIMENSION = 20
_STATUS = {
    _general.OK: "ok",
    _general.INCONSISTENT: "inconsistent",
    _general.TOO_LARGE: "too large",
    _general.NO_AXIS: "no axis",
    _general.ILL_CONDITIONED: "ill-conditioned",
}


@dataclass(frozen=True)
class Info:
    """How a fraction was computed.

    Attributes
    ----------
    status : str
        "ok", or why there is no value.
    method : str
        "closed", "subsets" or "lattice"; ", double-double" is appended where that was needed.
    rank : int
        Dimension of the cone after splitting off its lineality.
    faces, nodes : int
        Faces of the lattice, quadrature nodes.
    exact_signs : bool
        Whether the incidence needed rational arithmetic.
    """

    status: str
    method: str
    rank: int
    faces: int = 1
    nodes: int = 0
    exact_signs: bool = False


Result = tuple[float, float, Info]


@lru_cache(maxsize=3)
def _subsets(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _simplicial.boolean_lattice(d)


def _bits(mask: int, words: int) -> list[int]:
    return [mask >> 64 * w & (1 << 64) - 1 for w in range(words)]


def _unit(vector: list[int]) -> list[float]:
    """A vector of integers of any size as a unit vector of doubles."""
    largest = max(map(abs, vector))
    scaled = [float(Fraction(x, largest)) for x in vector]
    length = math.hypot(*scaled)
    return [x / length for x in scaled]


def incidence(signs: np.ndarray, max_rays: int = MAX_RAYS) -> tuple[str, np.ndarray, np.ndarray]:
    """Extreme rays (n, d) of {x : signs x >= 0} and the ray sets (k, words) of its rows.

    Rows as from `reduce_normals`, of full column rank.  Returns ("float" or
    "exact", rays, sets), the way the signs were decided; ("empty", ...) for a cone
    without interior and ("too large", ...) beyond max_rays.
    """
    status, rays, tight = _rays.extreme_rays(signs, max_rays)
    how = "float"
    if status in (_rays.DOUBTFUL, _rays.DEFICIENT):
        how = "exact"
        vectors, masks = exact_rays(integer_rows(signs), max_rays)
        words = (len(signs) + 63) // 64
        tight = np.array([_bits(m, words) for m in masks], dtype=np.uint64).reshape(-1, words)
        rays = np.array([_unit(v) for v in vectors]).reshape(-1, signs.shape[1])
        status = _rays.OK if vectors else _rays.EMPTY
        status = _rays.TOO_MANY if len(vectors) > max_rays else status
    if status == _rays.EMPTY:
        how = "empty"
    elif status == _rays.TOO_MANY:
        how = "too large"
    return how, rays, _rays.transpose_bits(tight, len(signs))


def _row_space_rays(reduced: Reduced, rays: np.ndarray) -> np.ndarray:
    """The rays of the chosen columns' cone as unit rays of the row space."""
    if not reduced.rotated:
        return rays
    values = reduced.signs @ rays.T
    solution = np.linalg.lstsq(reduced.hi, values, rcond=None)[0].T
    return np.ascontiguousarray(solution / np.linalg.norm(solution, axis=1)[:, None])


def _refined(
    reduced: Reduced, sets: np.ndarray, axis: np.ndarray, max_faces: int, result: Result
) -> Result:
    """The same fraction in double-double, if that is better than the result so far."""
    _, bound, info = result
    again = refine(reduced.hi, reduced.lo, sets, axis, max_faces)
    if again is None or not again[1] < bound:
        return result
    nodes = again[2] * NODES
    return again[0], again[1], replace(info, nodes=nodes, method=info.method + ", double-double")


def _by_lattice(reduced: Reduced, max_faces: int, rtol: float) -> Result:
    """The fraction over the face lattice."""
    m = reduced.rank
    how, rays, sets = incidence(reduced.signs)
    if how == "empty":
        return 0.0, 0.0, Info("ok", "closed", m)
    if how == "too large":
        return math.nan, 1.0, Info(how, "lattice", m)
    status, value, bound, panels, faces, axis = _general.lattice_fraction(
        reduced.hi, reduced.lo, _row_space_rays(reduced, rays), sets, max_faces, rtol
    )
    info = Info(_STATUS[status], "lattice", m, faces, panels * NODES, how == "exact")
    if status != _general.OK:
        return math.nan, 1.0, info
    result = value, bound, info
    return result if bound <= rtol * value else _refined(reduced, sets, axis, max_faces, result)


def _by_subsets(reduced: Reduced, max_faces: int, rtol: float) -> Result | None:
    """The fraction of a well-conditioned simplicial cone; None if the other path must do it."""
    d = reduced.rank
    status, value, bound, panels, axis = _simplicial.simplicial_fraction(
        reduced.hi, *_subsets(d), rtol, _simplicial.work_rows(d)
    )
    if status != _simplicial.OK:
        return None
    result = value, bound, Info("ok", "subsets", d, 1 << d, panels * NODES)
    if bound <= rtol * value or 1 << d > max_faces:
        return result
    return _refined(reduced, simplex_sets(d), axis, max_faces, result)


def _half_line(reduced: Reduced) -> Result:
    """The cone in one dimension."""
    both = reduced.hi.min() < 0.0 < reduced.hi.max()
    return (0.0 if both else 0.5), 0.0, Info("ok", "closed", 1)


def cone_fraction(normals: np.ndarray, max_faces: int = MAX_FACES, rtol: float = RTOL) -> Result:
    """Share of the sphere inside {x : normals @ x >= 0}, a bound of its absolute error, and how.

    Parameters
    ----------
    normals : (k, d) array of finite floats
        Inward normals; their lengths do not matter, zero rows constrain nothing.
    max_faces : int
        Largest face lattice to build.
    rtol : float
        Wanted bound / value.  A second axis, then double-double arithmetic, are
        tried until it is met; the bound returned says what was reached.

    Returns
    -------
    value, bound, info
        `value` is NaN and `bound` 1 unless `info.status` is "ok".

    Examples
    --------
    >>> value, bound, info = cone_fraction(np.eye(4))
    >>> abs(value - 1 / 16) <= bound < 1e-14
    True
    """
    array = np.asarray(normals, dtype=float)
    merged = reduce_normals(array, merge=True)
    result = _fraction(merged, max_faces, rtol)
    if merged.moved and not result[1] <= rtol * result[0]:
        apart = _fraction(reduce_normals(array), max_faces, rtol)
        result = min(result, apart, key=lambda r: r[1])
    return result


def _fraction(reduced: Reduced, max_faces: int, rtol: float) -> Result:
    """The fraction of a reduced cone, by whichever path fits."""
    m, k = reduced.rank, len(reduced.hi)
    if m == 0:
        return 1.0, 0.0, Info("ok", "closed", 0)
    result: Result | None = None
    if m == 1:
        result = _half_line(reduced)
    elif k == m <= MAX_SUBSET_DIMENSION and not reduced.rotated:
        result = _by_subsets(reduced, max_faces, rtol)
    if result is None:
        result = _by_lattice(reduced, max_faces, rtol)
    value, bound, info = result
    return value, min(1.0, bound + reduced.moved / math.pi), info


def simplicial_fractions(
    normals: np.ndarray, rtol: float = RTOL, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fractions and error bounds of N simplicial cones, normals (N, d, d), on several threads.

    Each cone is computed alone, so the results do not depend on the number of
    threads.  Returns (values, bounds, ok); where ok is False the cone needs
    `cone_fraction`.  The memory grows like 2^d: d is at most MAX_SUBSET_DIMENSION.
    """
    normals = np.ascontiguousarray(normals, dtype=float)
    count, d = normals.shape[:2]
    values, bounds = np.full(count, np.nan), np.ones(count)
    statuses = np.zeros(count, dtype=np.int64)
    lattice = _subsets(d)
    for_ranges(
        lambda start, stop: _simplicial.simplicial_range(
            normals, *lattice, rtol, start, stop, values, bounds, statuses
        ),
        count, _CHUNK, threads,
    )  # fmt: skip
    return values, bounds, (statuses == _simplicial.OK) & (bounds <= rtol * values)


def fractions(normals: np.ndarray, threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Fractions and error bounds of N cones, normals (N, k, d), d >= 1.

    Raises
    ------
    FractionError
        For the first cone, in their order, whose fraction cannot be computed.
    """
    count, k, d = normals.shape
    values, bounds = np.empty(count), np.empty(count)
    left = np.arange(count)
    if count > 1 and k == d <= MAX_SUBSET_DIMENSION:
        values, bounds, ok = simplicial_fractions(normals, threads=threads)
        left = np.flatnonzero(~ok)

    def work(start: int, stop: int) -> None:
        for i in left[start:stop]:
            value, bound, info = cone_fraction(normals[i])
            if info.status != "ok" or not bound <= WORST_BOUND:
                raise _failure(normals[i].shape, info, int(i) if count > 1 else None)
            values[i], bounds[i] = value, bound

    for_ranges(work, len(left), _FEW, threads)
    return values, bounds


def _failure(shape: tuple[int, ...], info: Info, index: int | None) -> FractionError:
    """Why a cone has no fraction, and what to do."""
    cone = "the cone" if index is None else f"cone {index} of the batch (in C order)"
    if info.status == "too large":
        reason = (
            f"it has more than {MAX_RAYS:,} rays or {MAX_FACES:,} faces; leave out half-spaces, "
            "or cut it into products of smaller cones, whose fractions multiply"
        )
    else:
        reason = (
            f"it is too ill-conditioned for double precision ({info.status}); "
            "conevol.precision.fraction computes with as many digits as it takes"
        )
    return FractionError(
        f"the fraction of {cone} of {shape[0]} half-spaces in {shape[1]} dimensions "
        f"(rank {info.rank}) cannot be computed: {reason}"
    )
