"""The fraction of a polyhedral cone, by whichever path fits: subsets or face lattice.

In `cone_fraction` statuses are results: a cone whose fraction cannot be had comes
back as NaN with a bound of 1 and says why.  `fractions`, which the public function
calls, makes an error of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from conevol.budget import DEFAULT, Budget
from conevol.errors import FractionError
from conevol.incidence import incidence, row_space_rays
from conevol.kernels import general as _general
from conevol.kernels import rays as _rays
from conevol.kernels import simplicial as _simplicial
from conevol.kernels.schlafli import NODES
from conevol.parallel import for_ranges
from conevol.reduction import PARALLEL, Reduced, reduce_normals
from conevol.refinement import Lattice, eliminated, projected, refine
from conevol.slivers import drop_slivers

__all__ = [
    "EXACT_METHODS",
    "Info",
    "cone_fraction",
    "fraction_of_rays",
    "fractions",
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
_FEW = 1
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


# What slivers of the size of a rounding lead to.
UNRESOLVED = {
    STATUS[s] for s in (_general.INCONSISTENT, _general.NO_AXIS, _general.ILL_CONDITIONED)
}
Result = tuple[float, float, Info]


@lru_cache(maxsize=3)
def _kept_subsets(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _simplicial.boolean_lattice(d)


def subsets(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`boolean_lattice` of d rays, kept if it is small."""
    return _kept_subsets(d) if d <= _KEPT_DIMENSION else _simplicial.boolean_lattice(d)


def _refined(
    lattice: Callable[[], Lattice | None], entries: int, budget: Budget, result: Result
) -> Result:
    """The same fraction in double-double, if that fits the budget and is better so far."""
    _, bound, info = result
    if not budget.refinement_fits(info.faces, entries):
        return result
    again = refine(lattice())
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
    return _refined(lambda: projected(hi, lo, sets, axis, budget), entries, budget, result)


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
    return _refined(lambda: eliminated(reduced.hi, subsets(d), axis), d << (d - 1), budget, result)


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
    if result[2].status in UNRESOLVED:
        thicker = drop_slivers(reduced, budget)
        if thicker is not None:
            return _fraction(thicker, budget, rtol, method)
    value, bound, info = result
    # No fraction is negative, so 0 is nearer to it than a negative value.
    return max(value, 0.0), min(1.0, bound + reduced.moved / math.pi), info


def cones_a_task(d: int, count: int) -> int:
    """Simplicial cones of a batch that a thread does at a time: milliseconds, if there are many."""
    return max(1, min(8192 >> d, count // 32))


# Computes cones start..stop of a batch in one kernel call; says which of them were done.
Together = Callable[[int, int], np.ndarray]


class Fractions(NamedTuple):
    """What `fractions` returns: an array of N entries each."""

    values: np.ndarray
    bounds: np.ndarray
    methods: np.ndarray
    ranks: np.ndarray
    faces: np.ndarray
    nodes: np.ndarray


def _by_subsets_together(normals: np.ndarray, rtol: float, found: Fractions) -> Together:
    """Simplicial cones, normals (N, d, d), by the lattice of subsets."""
    count, d = normals.shape[:2]
    lattice = subsets(d)
    statuses, panels = np.zeros((2, count), dtype=np.int64)

    def together(start: int, stop: int) -> np.ndarray:
        _simplicial.simplicial_range(
            normals, *lattice, rtol, start, stop, found.values, found.bounds, panels, statuses
        )
        here = slice(start, stop)
        found.methods[here], found.faces[here] = "subsets", 1 << d
        found.nodes[here] = panels[here] * NODES
        return (statuses[here] == _simplicial.OK) & (
            found.bounds[here] <= rtol * found.values[here]
        )

    return together


def _by_lattice_together(
    normals: np.ndarray, budget: Budget, rtol: float, method: str, found: Fractions
) -> Together:
    """Cones of any kind, normals (N, k, d), k >= d >= 2, by their face lattices."""
    count, k, d = normals.shape
    results, counts = np.full((count, 2), np.nan), np.zeros((count, 2), dtype=np.int64)
    done = np.zeros(count, dtype=bool)
    fewest = d if method == "lattice" else d + 1
    limits = (float(budget.rays(k, d)), budget.ray_tests, budget.memory, budget.seconds)
    # Twice as near as what `reduce_normals` looks at.
    least = 2.0 * PARALLEL if k > d else -1.0

    def together(start: int, stop: int) -> np.ndarray:
        _general.lattice_range(
            normals, fewest, least, limits, rtol, start, stop, results, counts, done
        )
        here = slice(start, stop)
        found.values[here], found.bounds[here] = results[here].T
        # The lattice of rays leaves out the vertex.
        found.methods[here], found.faces[here] = "lattice", counts[here, 0] + 1
        found.nodes[here] = counts[here, 1] * NODES
        return done[here]

    return together


def fractions(
    normals: np.ndarray,
    threads: int | None = None,
    budget: Budget = DEFAULT,
    rtol: float = RTOL,
    method: str = "auto",
) -> Fractions:
    """Fractions, error bounds and what was done, of N cones, normals (N, k, d), d >= 1.

    Each cone is computed alone, so the results do not depend on the number of threads.
    What a kernel cannot do of its range is done in the same task, beside the other tasks' kernels.

    Raises
    ------
    FractionError
        For the first cone, in their order, whose fraction cannot be computed.
    """
    count, k, d = normals.shape
    found = Fractions(
        np.full(count, np.nan), np.ones(count), np.full(count, "", dtype=object),
        *(np.full(count, n) for n in (d, 0, 0)),
    )  # fmt: skip
    subsets_only = k == d and method != "lattice"
    if count > 1 and subsets_only and d <= _KEPT_DIMENSION and not budget.subsets_refused(d):
        together, chunk = _by_subsets_together(normals, rtol, found), cones_a_task(d, count)
    elif (
        count > 1 and k >= d >= 2 and not subsets_only
        and method != "subsets" and not budget.any_lattice_refused(d)
    ):  # fmt: skip
        together = _by_lattice_together(normals, budget, rtol, method, found)
        chunk = max(1, 512 >> d)
    else:
        together, chunk = None, _FEW

    def work(start: int, stop: int) -> None:
        left = np.arange(start, stop)
        if together is not None:
            left = left[~together(start, stop)]
        for i in left:
            value, bound, info = cone_fraction(normals[i], budget, rtol, method)
            if info.status != "ok" or not bound <= WORST_BOUND:
                raise failure(normals[i].shape, info, int(i) if count > 1 else None)
            row = value, bound, info.method, info.rank, info.faces, info.nodes
            for array, entry in zip(found, row, strict=True):
                array[i] = entry

    for_ranges(work, count, chunk, threads)
    return found._replace(methods=found.methods.astype(str))


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
