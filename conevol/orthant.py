"""The probability that a Gaussian vector is in the positive orthant: `orthant_probability`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from conevol._fraction import FractionResult
from conevol.errors import CovarianceError, FractionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from numpy.typing import ArrayLike, NDArray

    from conevol.covariance import Factor

__all__ = ["orthant_probability"]

METHODS = ("auto", "chain", "lattice")
# Covariances a task of a thread that are not done together.
_FEW = 4
# Chains and blocks are looked for from this dimension on: smaller lattices are as quick.  Up
# to the other one the lattice is tried where a chain misses RTOL.
_FEWEST, _LATTICE = 5, 16


def _as_covariances(cov: ArrayLike) -> NDArray[np.float64]:
    """Covariances as float64 of shape (..., d, d)."""
    try:
        a = np.asarray(cov)
        if a.dtype.kind not in "biuf":
            # One by one: numpy would turn None into nan.
            a = np.asarray(cov, dtype=object)
            a = np.array([float(v) for v in a.ravel()]).reshape(a.shape)
        a = np.asarray(a, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CovarianceError(
            f"a covariance must be real numbers, shape (..., d, d): {error}"
        ) from None
    if a.ndim < 2 or a.shape[-1] != a.shape[-2] or a.shape[-1] == 0:
        raise CovarianceError(f"cov has shape {a.shape}, expected (..., d, d) with d >= 1")
    return a


def _refuse_first(a: NDArray[np.float64]) -> None:
    """Name the first entry that no covariance has."""
    _refuse(~np.isfinite(a), a, "is not finite")
    _refuse(
        a != np.swapaxes(a, -1, -2),
        a,
        "differs from its mirror image; (cov + cov.T) / 2 is symmetric",
    )
    negative = np.zeros(a.shape, dtype=bool)
    diagonal = np.arange(a.shape[-1])
    negative[..., diagonal, diagonal] = a[..., diagonal, diagonal] < 0.0
    _refuse(negative, a, "is negative, a variance cannot be")


def _refuse(bad: NDArray[np.bool_], a: NDArray[np.float64], what: str) -> None:
    if bad.any():
        first = tuple(np.argwhere(bad)[0])
        where = ", ".join(map(str, first))
        raise CovarianceError(
            f"cov[{where}] = {a[first]} {what} ({np.count_nonzero(bad)} of {a.size} entries)"
        )


@overload
def orthant_probability(
    cov: ArrayLike,
    *,
    method: str = "auto",
    error_bound: Literal[False] = False,
    threads: int | None = None,
) -> Any: ...
@overload
def orthant_probability(
    cov: ArrayLike, *, method: str = "auto", error_bound: Literal[True], threads: int | None = None
) -> FractionResult: ...
def orthant_probability(
    cov: ArrayLike, *, method: str = "auto", error_bound: bool = False, threads: int | None = None
) -> Any:
    """P(Y >= 0) for Y ~ N(0, cov): the fraction of a simplicial cone, given its Gram matrix.

    Parameters
    ----------
    cov : array_like, shape (..., d, d)
        Covariances, symmetric and positive semidefinite: one or a batch.  They need not be
        correlations.  A variance of 0 is a coordinate that is 0.
    method : {"auto", "chain", "lattice"}
        "chain" is for definite covariances in which, after a permutation, only neighbours are
        correlated (a tridiagonal matrix); "lattice" is the face lattice of the cone.  "auto"
        takes chains and splits off independent blocks for d >= 5, and leaves the rest to the
        lattice.
    error_bound : bool
        Return `FractionResult` with a bound of the absolute error.
    threads : int, optional
        Threads for a batch; by default one a core.  The values do not depend on it.

    Returns
    -------
    float, ndarray of the batch shape, or FractionResult

    Raises
    ------
    CovarianceError
        For a wrong shape, entries that are not finite, and matrices that are not symmetric or
        not semidefinite.
    FractionError
        As `conevol.fraction`; for definite covariances beyond d = 22 or so that are no chains;
        where the method is unknown or does not suit the covariance.

    Notes
    -----
    The doubles given count as exact.  A definite covariance is not factored for its value: the
    distances that `conevol.fraction` needs come from it in double-double, so that correlations
    of 1 - 1e-12 cost no digits (docs/methods.md, statement 21).

    Where double-double does not show that cov is definite, it is factored in rational
    arithmetic.  If it is semidefinite, its rank r is exact and the probability that of d
    half-spaces in r dimensions.  If it is indefinite, but after r pivots nothing is left but
    rounding (16 d u of the variances, u = 2^-53), it counts as one of rank
    r.  How large the probability is then depends on what the rounding has spoilt, by the angle
    sqrt(16 d u) for each coordinate, and the error bound says so: about 1e-7.

    A chain is d integrals of one variable, each inside the next (H. Abrahamson, Ann. Math.
    Statist. 35, 1964), known to a relative error however small they are (docs/methods.md,
    statement 39).  The time grows like d and not like 2^d, and d may be a thousand.  A covariance
    of 0 is one that is 0 as given; 1e-17 is not.

    Examples
    --------
    >>> orthant_probability([[2, 1, 1], [1, 2, 1], [1, 1, 2]])  # correlations 1/2: 1 / (d + 1)
    0.25
    >>> orthant_probability([[[1, 0], [0, 4]], [[1, 1], [1, 1]], [[1, -1], [-1, 1]]])
    array([0.25, 0.5 , 0.  ])
    >>> cov = np.eye(100) - 0.5 * (np.eye(100, k=1) + np.eye(100, k=-1))
    >>> round(orthant_probability(cov) * math.factorial(101), 9)  # 101 numbers in order
    1.0
    """
    if method not in METHODS:
        raise FractionError(f"method is {method!r}, expected one of {', '.join(METHODS)}")
    from conevol.kernels.orthant import unit_variances

    a = _as_covariances(cov)
    *batch, d, _ = a.shape
    given = np.ascontiguousarray(a.reshape(math.prod(batch), d, d))
    flat = np.empty_like(given)
    if not unit_variances(given, flat):
        _refuse_first(a)

    def name(i: int) -> str:
        return f"cov[{', '.join(str(j) for j in np.unravel_index(i, batch))}]" if batch else "cov"

    values, bounds = _probabilities(flat, method, name, threads)
    if not batch:
        result = FractionResult(float(values[0]), float(bounds[0]))
    else:
        result = FractionResult(values.reshape(batch), bounds.reshape(batch))
    return result if error_bound else result.value


def _probabilities(
    flat: NDArray[np.float64], method: str, name: Callable[[int], str], threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and bounds of N covariances (N, d, d) with variances in [1/4, 1), named for errors."""
    from conevol.engine import RTOL
    from conevol.parallel import for_ranges

    count, d = flat.shape[:2]
    least = {"auto": _FEWEST, "chain": 2, "lattice": math.inf}[method]
    # Without a zero there is neither a chain nor a block.
    if d >= least and (d == 2 or np.count_nonzero(flat) < flat.size):
        values, bounds, done = _sparse(flat, method, name, threads)
        if done.all():
            return values, bounds
    else:
        values, bounds, done = np.zeros(count), np.ones(count), np.zeros(count, dtype=bool)
    left = np.flatnonzero(~done)
    if method == "chain" and len(left):
        raise FractionError(
            f"{name(int(left[0]))} does not suit method='chain', which is for two or more "
            "variables, each correlated with two others at most, in no cycle, and definite "
            "covariances: use 'auto'"
        )
    if d > 1 and len(left):
        found = _definite(flat[left], threads)
        values[left], bounds[left] = found
        left = left[~(found[1] <= RTOL * found[0])]

    def work(start: int, stop: int) -> None:
        for i in left[start:stop]:
            values[i], bounds[i] = _one(flat[i], name(i))

    for_ranges(work, len(left), _FEW, threads)
    return values, bounds


def _sparse(
    flat: NDArray[np.float64], method: str, name: Callable[[int], str], threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Values and bounds of chains and of what is in several blocks; which those are."""
    from conevol.chain import SMALLEST, WORST_ERROR, blocks_of, chain_probabilities
    from conevol.engine import RTOL

    values, errors, apart = chain_probabilities(flat, threads)
    done = errors <= (RTOL if method == "auto" and flat.shape[1] <= _LATTICE else WORST_ERROR)
    errors[~done] = 0.0
    bounds = errors * values + SMALLEST
    if method == "auto" and not done.all():
        for i in np.flatnonzero(apart & ~done).tolist():
            values[i], bounds[i] = _product(flat[i], blocks_of(flat[i]), name(i), threads)
            done[i] = True
    return values, bounds, done


def _product(
    cov: NDArray[np.float64], blocks: list[NDArray[np.int64]], name: str, threads: int | None
) -> tuple[float, float]:
    """Value and bound of independent blocks, each by whatever suits it."""
    from conevol.chain import SMALLEST

    value, bound = 1.0, 0.0
    for block in blocks:
        inside = cov[np.ix_(block, block)][None]
        (v,), (b,) = _probabilities(inside, "auto", lambda _: f"a block of {name}", threads)
        bound = float(bound * (v + b) + value * (b + 2.0**-53 * v)) + SMALLEST
        value *= float(v)
    return value, bound


def _definite(
    flat: NDArray[np.float64], threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and bounds on the lattice of subsets; a bound of 1 where that cannot be."""
    from conevol.engine import DEFAULT, RTOL, cones_a_task, subsets
    from conevol.kernels import orthant
    from conevol.parallel import for_ranges

    count, d = flat.shape[:2]
    values, bounds = np.zeros(count), np.ones(count)
    if DEFAULT.subsets_refused(d):
        for cov in flat:
            if orthant.cholesky(cov, *np.empty((2, d, d))):
                raise _too_large(d, d)
        return values, bounds
    lattice = subsets(d)
    statuses = np.full(count, orthant.NOT_DEFINITE)
    for_ranges(
        lambda start, stop: orthant.orthant_range(
            flat, *lattice, RTOL, start, stop, values, bounds, statuses
        ),
        count, cones_a_task(d, count), threads,
    )  # fmt: skip
    bounds[statuses != orthant.OK] = 1.0
    return values, bounds


def _too_large(d: int, rank: int) -> FractionError:
    from conevol.engine import DEFAULT, Info, failure

    limit = f"{DEFAULT.memory:.2g} bytes or an estimated {DEFAULT.seconds:.2g} s"
    why = f"its rays or faces take more than {limit}"
    return failure((d, rank), Info("too large", "lattice", rank, why=why), advice="")


def _one(cov: NDArray[np.float64], name: str) -> tuple[float, float]:
    """Value and bound of one covariance, by an exact factor."""
    from conevol.covariance import factorise

    if not cov.any():
        return 1.0, 0.0
    positive = np.flatnonzero(np.diagonal(cov) > 0.0)
    inside = cov[np.ix_(positive, positive)]
    factor = None
    if len(positive) and np.count_nonzero(cov) == np.count_nonzero(inside):
        factor = factorise(inside)
    if factor is None:
        least = float(np.linalg.eigvalsh(cov).min())
        raise CovarianceError(
            f"{name} is not positive semidefinite: scaled to variances between 1/4 and 1 it has "
            f"an eigenvalue of {least:.3g}, beyond what rounding explains"
        )
    value, bound = _factored(factor)
    return value, min(1.0, bound + factor.moved / math.pi)


def _factored(factor: Factor) -> tuple[float, float]:
    """Fraction and bound of the cone {x : A x >= 0}, A = M sqrt(D), with exact combinatorics."""
    from conevol.engine import DEFAULT, RTOL, WORST_BOUND, failure, fraction_of_rays
    from conevol.exact_rays import exact_rays, primitive_fractions
    from conevol.incidence import pack_rays
    from conevol.kernels.rays import transpose_bits

    hi, lo = factor.parts()
    d, rank = hi.shape
    if rank <= 1:
        opposed = rank == 1 and hi.min() < 0.0 < hi.max()
        return (0.0 if opposed else 0.5**rank), 0.0
    integers = [primitive_fractions(row) for row in factor.columns]
    found = exact_rays(integers, DEFAULT.rays(d, rank), DEFAULT.exact_ray_tests)
    if found is None:
        raise _too_large(d, rank)
    if not found[0]:
        return 0.0, 0.0
    rays, tight = pack_rays(*found, d, rank)
    # z = sqrt(D) x has rational rays.
    rays = rays / np.sqrt(_floats(factor.pivots))
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    value, bound, info = fraction_of_rays(
        hi, lo, np.ascontiguousarray(rays), transpose_bits(tight, d), DEFAULT, RTOL
    )
    if info.status != "ok" or not bound <= WORST_BOUND:
        raise failure((d, rank), info, advice="")
    return value, bound


def _floats(numbers: list[Fraction]) -> NDArray[np.float64]:
    return np.array([float(x) for x in numbers])
