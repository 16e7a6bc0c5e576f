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
from typing import NamedTuple

import numpy as np

from conevol.budget import Budget
from conevol.errors import FractionError
from conevol.exact_rays import exact_rays, integer_rows
from conevol.kernels import general as _general
from conevol.kernels import rays as _rays
from conevol.kernels import simplicial as _simplicial
from conevol.kernels.schlafli import NODES
from conevol.parallel import for_ranges
from conevol.reduction import PARALLEL, Reduced, reduce_normals
from conevol.refinement import refine, simplex_sets

__all__ = [
    "EXACT_METHODS",
    "Info",
    "cone_fraction",
    "fraction_of_rays",
    "fractions",
    "incidence",
    "simplicial_fractions",
]

EXACT_METHODS = ("auto", "subsets", "lattice")
# An error bound beyond this share of the value brings in costlier arithmetic.  Bounds are
# twenty to a thousand times the error, so this keeps the error below 1e-13.
RTOL = 2e-12
# Rays up to which a cone whose lattice will not fit is searched for an interior.
FEW_RAYS = 2_000
# A value known less well than this, absolutely, is no value.
WORST_BOUND = 1e-6
# Cones a task of a thread that are not done together.
_FEW = 4
# Lattices of subsets up to this dimension are kept for the next cone; int32 numbers their faces.
_KEPT_DIMENSION, _MAX_SUBSET_DIMENSION = 16, 30
STATUS = {
    _general.OK: "ok",
    _general.INCONSISTENT: "inconsistent",
    _general.TOO_LARGE: "too large",
    _general.TOO_SLOW: "too large",
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
    why : str
        With the status "too large" what was wanted and what is allowed.
    """

    status: str
    method: str
    rank: int
    faces: int = 1
    nodes: int = 0
    exact_signs: bool = False
    why: str = ""


Result = tuple[float, float, Info]
DEFAULT = Budget()


@lru_cache(maxsize=3)
def _kept_subsets(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _simplicial.boolean_lattice(d)


def subsets(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`boolean_lattice` of d rays, kept if it is small."""
    return _kept_subsets(d) if d <= _KEPT_DIMENSION else _simplicial.boolean_lattice(d)


def _bits(mask: int, words: int) -> list[int]:
    return [mask >> 64 * w & (1 << 64) - 1 for w in range(words)]


def _unit(vector: list[int]) -> list[float]:
    """A vector of integers of any size as a unit vector of doubles."""
    largest = max(map(abs, vector))
    scaled = [float(Fraction(x, largest)) for x in vector]
    length = math.hypot(*scaled)
    return [x / length for x in scaled]


def incidence(
    signs: np.ndarray, max_rays: int | None = None, budget: Budget = DEFAULT
) -> tuple[str, np.ndarray, np.ndarray]:
    """Extreme rays (n, d) of {x : signs x >= 0} and the ray sets (k, words) of its rows.

    Rows as from `reduce_normals`, of full column rank.  Returns ("float" or
    "exact", rays, sets), the way the signs were decided; ("empty", ...) for a cone
    without interior and ("too large", ...) beyond max_rays or the budget.
    """
    most = budget.rays(*signs.shape)
    most = most if max_rays is None else min(most, max_rays)
    status, rays, tight = _rays.extreme_rays(signs, most, budget.ray_tests)
    how = "float"
    if status in (_rays.DOUBTFUL, _rays.DEFICIENT):
        found = exact_rays(integer_rows(signs), most, budget.exact_ray_tests)
        how, status = "exact", _rays.TOO_MANY
        if found is not None:
            rays, tight = pack_rays(*found, *signs.shape)
            status = _rays.OK if len(rays) else _rays.EMPTY
    if status == _rays.EMPTY:
        how = "empty"
    elif status == _rays.TOO_MANY:
        how = "too large"
    return how, rays, _rays.transpose_bits(tight, len(signs))


def pack_rays(
    vectors: list[list[int]], masks: list[int], k: int, d: int
) -> tuple[np.ndarray, np.ndarray]:
    """Integer rays and the masks of their k tight rows as unit vectors and bit sets."""
    words = (k + 63) // 64
    tight = np.array([_bits(m, words) for m in masks], dtype=np.uint64).reshape(-1, words)
    return np.array([_unit(v) for v in vectors]).reshape(-1, d), tight


def row_space_rays(reduced: Reduced, rays: np.ndarray) -> np.ndarray:
    """The rays of the chosen columns' cone as unit rays of the row space."""
    if not reduced.rotated:
        return rays
    values = reduced.signs @ rays.T
    solution = np.linalg.lstsq(reduced.hi, values, rcond=None)[0].T
    return np.ascontiguousarray(solution / np.linalg.norm(solution, axis=1)[:, None])


def _refined(
    description: tuple[np.ndarray, np.ndarray, np.ndarray],
    axis: np.ndarray, entries: int, budget: Budget, result: Result,
) -> Result:  # fmt: skip
    """The same fraction in double-double, if that fits the budget and is better so far.

    The description is (hi, lo, ray sets of the rows).
    """
    _, bound, info = result
    if not budget.refinement_fits(info.faces, entries):
        return result
    again = refine(*description, axis, budget)
    # Where even double-double fails the bound is no number, or not positive.
    if again is None or not 0.0 < again[1] < bound:
        return result
    nodes = again[2] * NODES
    return again[0], again[1], replace(info, nodes=nodes, method=info.method + ", double-double")


def fraction_of_rays(
    hi: np.ndarray, lo: np.ndarray, rays: np.ndarray, sets: np.ndarray, budget: Budget, rtol: float
) -> Result:
    """The fraction of the pointed cone (hi + lo) x >= 0 in d >= 2 dimensions of known rays.

    rays (n, d) are its unit extreme rays and sets (k, words) the ray sets of the rows,
    as from `incidence`.
    """
    d = hi.shape[1]
    status, value, bound, panels, faces, entries, axis = _general.lattice_fraction(
        hi, lo, rays, sets, budget.memory, budget.seconds, rtol
    )
    # The lattice of rays leaves out the vertex.
    info = Info(STATUS[status], "lattice", d, faces + 1, panels * NODES)
    if status in (_general.TOO_LARGE, _general.TOO_SLOW):
        limit = (
            f"{budget.memory:.2g} bytes"
            if status == _general.TOO_LARGE
            else f"an estimated {budget.seconds:.2g} s"
        )
        why = f"its lattice of {len(rays)} rays and more than {faces} faces takes more than {limit}"
        return math.nan, 1.0, replace(info, why=why)
    if status != _general.OK:
        return math.nan, 1.0, info
    result = value, bound, info
    if bound <= rtol * value:
        return result
    return _refined((hi, lo, sets), axis, entries, budget, result)


def _by_lattice(reduced: Reduced, budget: Budget, rtol: float) -> Result:
    """The fraction over the face lattice."""
    m, k = reduced.rank, len(reduced.hi)
    refused = budget.any_lattice_refused(m)
    if refused:
        # Only a cone without interior needs no lattice, and that is quickly seen.
        few = _rays.extreme_rays(reduced.signs, FEW_RAYS, math.inf) if k > m else (None,)
        if few[0] != _rays.EMPTY:
            return math.nan, 1.0, Info("too large", "lattice", m, why=refused)
        return 0.0, 0.0, Info("ok", "closed", m)
    how, rays, sets = incidence(reduced.signs, budget=budget)
    if how == "empty":
        return 0.0, 0.0, Info("ok", "closed", m)
    if how == "too large":
        why = (
            f"its rays take more than the {budget.memory:.2g} bytes or the estimated "
            f"{budget.seconds:.2g} s that are allowed"
        )
        return math.nan, 1.0, Info(how, "lattice", m, why=why)
    value, bound, info = fraction_of_rays(
        reduced.hi, reduced.lo, row_space_rays(reduced, rays), sets, budget, rtol
    )
    return value, bound, replace(info, exact_signs=how == "exact")


def _by_subsets(reduced: Reduced, budget: Budget, rtol: float) -> Result | None:
    """The fraction of a well-conditioned simplicial cone; None if the other path must do it."""
    d = reduced.rank
    refused = budget.subsets_refused(d)
    if refused or d > _MAX_SUBSET_DIMENSION:
        why = refused or f"its 2^{d} faces are more than 2^{_MAX_SUBSET_DIMENSION}"
        return math.nan, 1.0, Info("too large", "subsets", d, why=why)
    status, value, bound, panels, axis = _simplicial.simplicial_fraction(
        reduced.hi, *subsets(d), rtol, _simplicial.work_rows(d)
    )
    if status != _simplicial.OK:
        return None
    result = value, bound, Info("ok", "subsets", d, 1 << d, panels * NODES)
    if bound <= rtol * value:
        return result
    description = reduced.hi, reduced.lo, simplex_sets(d)
    return _refined(description, axis, d << (d - 1), budget, result)


def _half_line(reduced: Reduced) -> Result:
    """The cone in one dimension."""
    both = reduced.hi.min() < 0.0 < reduced.hi.max()
    return (0.0 if both else 0.5), 0.0, Info("ok", "closed", 1)


def cone_fraction(
    normals: np.ndarray, budget: Budget = DEFAULT, rtol: float = RTOL, method: str = "auto"
) -> Result:
    """Share of the sphere inside {x : normals @ x >= 0}, a bound of its absolute error, and how.

    Parameters
    ----------
    normals : (k, d) array of finite floats
        Inward normals; their lengths do not matter, zero rows constrain nothing.
    budget : Budget
        Memory and time that the face lattice may take.
    rtol : float
        Wanted bound / value.  A sharper bound, a second axis, then double-double arithmetic are
        tried until it is met; the bound returned says what was reached.
    method : {"auto", "subsets", "lattice"}
        "lattice" does simplicial cones like all others; "subsets" does no others.

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
    result = _fraction(merged, budget, rtol, method)
    if merged.moved and not result[1] <= rtol * result[0]:
        apart = _fraction(reduce_normals(array), budget, rtol, method)
        result = min(result, apart, key=lambda r: r[1])
    return result


def _missed(result: Result, rtol: float) -> bool:
    """Whether there is a value, known less well than wanted."""
    return result[2].status == "ok" and not result[1] <= rtol * result[0]


def _fraction(reduced: Reduced, budget: Budget, rtol: float, method: str) -> Result:
    """The fraction of a reduced cone, by whichever path fits."""
    m, k = reduced.rank, len(reduced.hi)
    if m == 0:
        return 1.0, 0.0, Info("ok", "closed", 0)
    result: Result | None = None
    if m == 1:
        result = _half_line(reduced)
    elif k == m and not reduced.rotated and method != "lattice":
        result = _by_subsets(reduced, budget, rtol)
    elif method == "subsets":
        result = math.nan, 1.0, Info("not simplicial", method, m)
    if result is None:
        result = _by_lattice(reduced, budget, rtol)
    elif result[2].method.startswith("subsets") and _missed(result, rtol) and method == "auto":
        # Projections can do what elimination cannot.
        again = _by_lattice(reduced, budget, rtol)
        result = again if again[1] < result[1] else result
    value, bound, info = result
    # No fraction is negative, so 0 is nearer to it than a negative value.
    return max(value, 0.0), min(1.0, bound + reduced.moved / math.pi), info


def cones_a_task(d: int) -> int:
    """Simplicial cones that one thread does at a time, in about a millisecond."""
    return max(1, 2048 >> d)


def simplicial_fractions(
    normals: np.ndarray, rtol: float = RTOL, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fractions and error bounds of N simplicial cones, normals (N, d, d), on several threads.

    Each cone is computed alone, so the results do not depend on the number of
    threads.  Returns (values, bounds, nodes, ok); where ok is False the cone needs
    `cone_fraction`.  The memory grows like 2^d: see `Budget.subsets_refused`.
    """
    normals = np.ascontiguousarray(normals, dtype=float)
    count, d = normals.shape[:2]
    values, bounds = np.full(count, np.nan), np.ones(count)
    statuses, panels = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    lattice = subsets(d)
    for_ranges(
        lambda start, stop: _simplicial.simplicial_range(
            normals, *lattice, rtol, start, stop, values, bounds, panels, statuses
        ),
        count, cones_a_task(d), threads,
    )  # fmt: skip
    ok = (statuses == _simplicial.OK) & (bounds <= rtol * values)
    return values, bounds, panels * NODES, ok


def lattice_fractions(
    normals: np.ndarray, budget: Budget, rtol: float, method: str, threads: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The same of N cones of any kind, normals (N, k, d), k >= d >= 2, by their face lattices.

    Returns results (N, 2), values and bounds, faces, nodes and which cones were done.
    """
    count, k, d = normals.shape
    results, counts = np.full((count, 2), np.nan), np.zeros((count, 2), dtype=np.int64)
    done = np.zeros(count, dtype=bool)
    fewest = d if method == "lattice" else d + 1
    limits = (float(budget.rays(k, d)), budget.ray_tests, budget.memory, budget.seconds)
    # Twice as near as what `reduce_normals` looks at.
    least = 2.0 * PARALLEL if k > d else -1.0
    for_ranges(
        lambda start, stop: _general.lattice_range(
            normals, fewest, least, limits, rtol, start, stop, results, counts, done
        ),
        count, max(1, 512 >> d), threads,
    )  # fmt: skip
    # The lattice of rays leaves out the vertex.
    return results, counts[:, 0] + 1, counts[:, 1] * NODES, done


class Fractions(NamedTuple):
    """What `fractions` returns: an array of N entries each."""

    values: np.ndarray
    bounds: np.ndarray
    methods: np.ndarray
    ranks: np.ndarray
    faces: np.ndarray
    nodes: np.ndarray


def fractions(
    normals: np.ndarray,
    threads: int | None = None,
    budget: Budget = DEFAULT,
    rtol: float = RTOL,
    method: str = "auto",
) -> Fractions:
    """Fractions, error bounds and what was done, of N cones, normals (N, k, d), d >= 1.

    Raises
    ------
    FractionError
        For the first cone, in their order, whose fraction cannot be computed.
    """
    count, k, d = normals.shape
    values, bounds = np.empty(count), np.empty(count)
    methods = np.full(count, "subsets", dtype=object)
    ranks, faces, nodes = (np.full(count, n) for n in (d, 1 << min(d, 62), 0))
    left = np.arange(count)
    subsets_only = k == d and method != "lattice"
    if count > 1 and subsets_only and d <= _KEPT_DIMENSION and not budget.subsets_refused(d):
        values, bounds, nodes, ok = simplicial_fractions(normals, rtol, threads)
        left = np.flatnonzero(~ok)
    elif (
        count > 1 and k >= d >= 2 and not subsets_only
        and method != "subsets" and not budget.any_lattice_refused(d)
    ):  # fmt: skip
        results, faces, nodes, ok = lattice_fractions(normals, budget, rtol, method, threads)
        values, bounds = results.T.copy()
        methods[ok] = "lattice"
        left = np.flatnonzero(~ok)

    def work(start: int, stop: int) -> None:
        for i in left[start:stop]:
            value, bound, info = cone_fraction(normals[i], budget, rtol, method)
            if info.status != "ok" or not bound <= WORST_BOUND:
                raise failure(normals[i].shape, info, int(i) if count > 1 else None)
            values[i], bounds[i], methods[i] = value, bound, info.method
            ranks[i], faces[i], nodes[i] = info.rank, info.faces, info.nodes

    for_ranges(work, len(left), _FEW, threads)
    return Fractions(values, bounds, methods.astype(str), ranks, faces, nodes)


def failure(
    shape: tuple[int, ...],
    info: Info,
    index: int | None = None,
    advice: str = "allow more by memory= and seconds=, estimate it by method='sample', or ",
) -> FractionError:
    """Why a cone has no fraction, and what to do; advice is for cones that are too large."""
    cone = "the cone" if index is None else f"cone {index} of the batch (in C order)"
    if info.status == "too large":
        reason = (
            f"{info.why}; {advice}cut the cone into a product of smaller ones, whose fractions "
            "multiply"
        )
    elif info.status == "not simplicial":
        reason = "method='subsets' is for as many independent half-spaces as dimensions"
    else:
        reason = (
            f"it is too ill-conditioned for double precision ({info.status}); "
            "conevol.precision.fraction computes with as many digits as it takes"
        )
    return FractionError(
        f"the fraction of {cone} of {shape[0]} half-spaces in {shape[1]} dimensions "
        f"(rank {info.rank}) cannot be computed: {reason}"
    )
