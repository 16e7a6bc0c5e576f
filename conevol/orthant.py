"""The probability that a Gaussian vector is in the positive orthant: `orthant_probability`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from conevol._fraction import FractionResult
from conevol.errors import CovarianceError, FractionError

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import ArrayLike, NDArray

    from conevol.covariance import Factor

__all__ = ["orthant_probability"]

# Covariances a task of a thread that are not done together.
_FEW = 4


def as_covariances(cov: ArrayLike) -> NDArray[np.float64]:
    """Check covariances and return them as float64 of shape (..., d, d).

    Raises
    ------
    CovarianceError
        If they are not finite real numbers in symmetric square matrices with a diagonal that
        is not negative; the first offender is named.
    """
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
    return a


def _refuse(bad: NDArray[np.bool_], a: NDArray[np.float64], what: str) -> None:
    if bad.any():
        first = tuple(np.argwhere(bad)[0])
        where = ", ".join(map(str, first))
        raise CovarianceError(
            f"cov[{where}] = {a[first]} {what} ({np.count_nonzero(bad)} of {a.size} entries)"
        )


@overload
def orthant_probability(
    cov: ArrayLike, *, error_bound: Literal[False] = False, threads: int | None = None
) -> Any: ...
@overload
def orthant_probability(
    cov: ArrayLike, *, error_bound: Literal[True], threads: int | None = None
) -> FractionResult: ...
def orthant_probability(
    cov: ArrayLike, *, error_bound: bool = False, threads: int | None = None
) -> Any:
    """P(Y >= 0) for Y ~ N(0, cov): the fraction of a simplicial cone, given its Gram matrix.

    Parameters
    ----------
    cov : array_like, shape (..., d, d)
        Covariances, symmetric and positive semidefinite: one or a batch.  They need not be
        correlations.  A variance of 0 is a coordinate that is 0.
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
        As `conevol.fraction`; for definite covariances beyond d = 22 or so.

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

    Examples
    --------
    >>> orthant_probability([[2, 1, 1], [1, 2, 1], [1, 1, 2]])  # correlations 1/2: 1 / (d + 1)
    0.25
    >>> orthant_probability([[[1, 0], [0, 4]], [[1, 1], [1, 1]], [[1, -1], [-1, 1]]])
    array([0.25, 0.5 , 0.  ])
    """
    from conevol.parallel import for_ranges

    a = as_covariances(cov)
    *batch, d, _ = a.shape
    count = int(np.prod(batch))
    flat = _unit_variances(a.reshape(count, d, d))
    values, bounds = np.full(count, np.nan), np.ones(count)
    done = np.zeros(count, dtype=bool)
    if d > 1:
        done = _definite(flat, values, bounds, threads)
    left = np.flatnonzero(~done)

    def work(start: int, stop: int) -> None:
        for i in left[start:stop]:
            index = np.unravel_index(i, batch) if batch else ()
            values[i], bounds[i] = _one(flat[i], tuple(map(int, index)))

    for_ranges(work, len(left), _FEW, threads)
    if not batch:
        result = FractionResult(float(values[0]), float(bounds[0]))
    else:
        result = FractionResult(values.reshape(batch), bounds.reshape(batch))
    return result if error_bound else result.value


def _unit_variances(cov: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same with variances in [1/4, 1), by powers of two; zero variances stay."""
    diagonal = np.einsum("nii->ni", cov)
    half = (np.frexp(diagonal)[1] + 1) // 2
    once = np.ldexp(cov, -half[:, :, None])
    return np.ascontiguousarray(np.ldexp(once, -half[:, None, :]))


def _definite(
    flat: NDArray[np.float64],
    values: NDArray[np.float64],
    bounds: NDArray[np.float64],
    threads: int | None,
) -> NDArray[np.bool_]:
    """Compute what is well enough known on the lattice of subsets; which those are."""
    from conevol.engine import DEFAULT, RTOL, cones_a_task, subsets
    from conevol.kernels import orthant
    from conevol.parallel import for_ranges

    d = flat.shape[1]
    if DEFAULT.subsets_refused(d):
        for cov in flat:
            if orthant.cholesky(cov, *np.empty((2, d, d))):
                raise _too_large(d, d)
        return np.zeros(len(flat), dtype=bool)
    lattice = subsets(d)
    statuses = np.full(len(flat), orthant.NOT_DEFINITE)
    for_ranges(
        lambda start, stop: orthant.orthant_range(
            flat, *lattice, RTOL, start, stop, values, bounds, statuses
        ),
        len(flat), cones_a_task(d), threads,
    )  # fmt: skip
    return (statuses == orthant.OK) & (bounds <= RTOL * values)


def _too_large(d: int, rank: int) -> FractionError:
    from conevol.engine import DEFAULT, Info, failure

    limit = f"{DEFAULT.memory:.2g} bytes or an estimated {DEFAULT.seconds:.2g} s"
    why = f"its rays or faces take more than {limit}"
    return failure((d, rank), Info("too large", "lattice", rank, why=why), advice="")


def _one(cov: NDArray[np.float64], index: tuple[int, ...]) -> tuple[float, float]:
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
        where = f"cov[{', '.join(map(str, index))}]" if index else "cov"
        least = float(np.linalg.eigvalsh(cov).min())
        raise CovarianceError(
            f"{where} is not positive semidefinite: scaled to variances between 1/4 and 1 it has "
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
