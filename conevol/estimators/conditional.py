"""Conditional exactness: sample all inputs but the last, and integrate that one exactly."""

from __future__ import annotations

import math
import time
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from conevol.errors import ConevolError
from conevol.estimators.estimate import Estimate
from conevol.estimators.sampling import checked_rank
from conevol.estimators.stratified import sequence
from conevol.network import ReluRNN
from conevol.parallel import for_ranges
from conevol.tasks import Task
from conevol.ties import tie_rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["conditional_accuracy"]

# Blocks of points a task of a thread.
_CHUNK = 4
# Longest input: rivals of a logit are bits of an integer.
_LONGEST = 64
# Multiply-adds of one value of the normal distribution function.
_CDF = 16
# Sobol numbers are multiples of 2^-52; half of that more, and they are never 0.
_SOBOL_BITS = 52


def conditional_accuracy(
    network: ReluRNN,
    samples: int = 100_000,
    *,
    seed: int = 0,
    points: Literal["random", "sobol", "ordered"] = "random",
    replicates: int = 16,
    task: str | Task | None = None,
    ties: str = "first",
    threads: int | None = None,
) -> Estimate:
    """Accuracy by sampling all inputs but the last, which is integrated exactly.

    Given the others, the logits are piecewise linear in the last input, and the label is
    constant between two of the others: the probability of a right answer is a sum of
    differences of the normal distribution function.  The mean is unbiased, and its variance
    is never above plain sampling's at equal samples.

    Parameters
    ----------
    network : ReluRNN
        Of any n up to 64.
    samples : int
        Points in all; unless random they are rounded down to `replicates` times a power of two.
    seed : int
        The same seed gives the same points, whatever the number of threads.
    points : {"random", "sobol", "ordered"}
        Independent points, or randomised quasi-Monte Carlo: Sobol points scrambled anew for
        every replicate (needs scipy), or the shifted points of `stratified_accuracy` in
        coordinates of order, which take next to no time.
    replicates : int
        Independent scramblings or shifts, from whose spread the standard error comes; at least 2.
    task, ties
        As for `conevol.accuracy`; the task must name the entry of one rank.
    threads : int, optional
        By default one a core.

    Returns
    -------
    Estimate
        With a standard error.  Its operations count every piece of the last input with both
        its ends' distribution functions, so they are an upper count.

    Raises
    ------
    ConevolError
        For samples < 1, fewer samples than replicates, n > 64, an unknown rule or kind of
        points, or Sobol points without scipy.
    TaskError
        If the task is unknown, has no such n, or is not one of rank.

    Notes
    -----
    Logits nearer than 1e-12 of the sizes summed to them, on a whole piece, count as tied.
    Beyond |x| = 9 the last input is ignored, a probability of 2e-19.

    Examples
    --------
    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("4/3")
    >>> estimate = conditional_accuracy(net, 20_000)
    >>> abs(estimate.value - accuracy(net).value) < 5 * estimate.error
    True
    """
    started = time.perf_counter()
    if network.n > _LONGEST:
        raise ConevolError(f"n is {network.n}, expected at most {_LONGEST}: sample instead")
    rank = checked_rank(network, samples, seed, task, ties, "exact integration of the last input")
    if points == "random":
        counted = samples
        sums = _run(
            network, rank, ties, np.empty((0, max(network.n - 1, 1))), seed, samples, threads
        )
        total, squares, pieces = sums
        value = total / samples
        error = math.sqrt(max(squares / samples - value * value, 0.0) / samples)
    elif points in ("sobol", "ordered"):
        if not 2 <= replicates <= samples:
            raise ConevolError(
                f"replicates is {replicates}, expected 2 .. samples = {samples}: "
                "the standard error comes from their spread"
            )
        power = int(math.log2(samples // replicates))
        counted = replicates << power
        means, pieces = np.empty(replicates), 0.0
        for r in range(replicates):
            if points == "sobol":
                x = _sobol_normals(network.n - 1, power, seed, r)
            else:
                x = _ordered_normals(network.n, rank, 1 << power, seed, r)
            total, _, some = _run(network, rank, ties, x, seed, 1 << power, threads)
            means[r] = total / (1 << power)
            pieces += some
        value = float(means.mean())
        error = float(means.std(ddof=1) / math.sqrt(replicates))
    else:
        raise ConevolError(f"unknown points {points!r}, expected 'random', 'sobol' or 'ordered'")
    return Estimate(
        estimator=f"conditional, {points}, {counted} points",
        value=value,
        claim="standard error",
        error=error,
        operations=counted * operations_a_point(network)
        + int(pieces) * operations_a_piece(network.n),
        seconds=time.perf_counter() - started,
    )


def operations_a_point(network: ReluRNN) -> int:
    """Operations of a point whatever its pieces: states, breakpoints, logits far to the left."""
    hidden, n = network.hidden, network.n
    on = int(np.count_nonzero(network.W_hi < 0.0))
    return (n - 1) * hidden * (hidden + 1) + hidden * hidden + hidden + on * n


def operations_a_piece(n: int) -> int:
    """Operations of a piece: logits and slopes moved on, one root, two distribution functions."""
    return 2 * n + 2 + 2 * _CDF


@cache
def _tables(keys: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    from conevol.kernels import conditional as kernels

    return kernels.sorting_network(keys), kernels.distribution_table()


def _run(
    network: ReluRNN, rank: int, ties: str, points: NDArray[np.float64],
    seed: int, samples: int, threads: int | None,
) -> tuple[float, float, float]:  # fmt: skip
    """Sums of the values, of their squares, and of the pieces."""
    from conevol.kernels import conditional as kernels

    rule = tie_rule(ties)
    network_of_keys, table = _tables(network.hidden + 2)
    blocks = -(-samples // kernels.BLOCK)
    sums = np.empty((blocks, 3))
    for_ranges(
        lambda start, stop: kernels.conditional_blocks(
            network.W_hi, network.W_hh, network.W_oh, float(rank), rule,
            network_of_keys, table, points, seed, samples, start, stop, sums,
        ),
        blocks, _CHUNK, threads,
    )  # fmt: skip
    total, squares, pieces = (sums.sum(axis=0) if blocks > 1 else sums[0]).tolist()
    return total, squares, pieces


def _sobol_normals(d: int, power: int, seed: int, replicate: int) -> NDArray[np.float64]:
    """2^power scrambled Sobol points through the normal quantile, (2^power, max(d, 1))."""
    try:
        from scipy.special import ndtri
        from scipy.stats import qmc
    except ImportError:
        raise ConevolError(
            "Sobol points need scipy: pip install 'conevol[qmc]', or use points='random'"
        ) from None
    rng = np.random.default_rng([seed, replicate])
    # scipy renamed the argument; by position it would be another one.
    sobol = qmc.Sobol(max(d, 1), scramble=True, bits=_SOBOL_BITS, seed=rng)
    return np.ascontiguousarray(ndtri(sobol.random_base2(power) + 2.0 ** -(_SOBOL_BITS + 1)))


def _ordered_normals(
    n: int, rank: int, count: int, seed: int, replicate: int
) -> NDArray[np.float64]:
    """Shifted points in coordinates of order, (count, max(n - 1, 1))."""
    from conevol.kernels.stratified import ordered_points

    x = np.zeros((count, max(n - 1, 1)))
    if n > 1:  # argmax of one input
        ordered_points(*sequence(n, rank), seed, replicate, x)
    return x
