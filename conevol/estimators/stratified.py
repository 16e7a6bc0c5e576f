"""Conditional sampling: the last input takes stratified values, given the sampled others."""

from __future__ import annotations

import math
import time
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from conevol.errors import ConevolError
from conevol.estimators.estimate import Estimate
from conevol.estimators.sampling import checked_rank
from conevol.network import ReluRNN
from conevol.parallel import for_ranges
from conevol.separation import root_fractions
from conevol.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["stratified_accuracy"]

# Independent shifts.
REPLICATES = 16
# Items of a task of a thread.
_CHUNK = 16


def stratified_accuracy(
    network: ReluRNN,
    samples: int = 100_000,
    *,
    seed: int = 0,
    values: int = 4,
    replicates: int = REPLICATES,
    task: str | Task | None = None,
    ties: str = "first",
    threads: int | None = None,
) -> Estimate:
    """Accuracy by sampling all inputs but the last, which takes stratified values given them.

    All steps of the network but the last are computed once for all values of the last
    input, one in each of equally probable strata, whose mean is nearly the conditional
    mean.  The other inputs are randomised quasi-Monte Carlo points: multiples of the
    square roots of the primes (R. D. Richtmyer 1951), shifted at random, through the
    Box-Muller transform.  Each is Gaussian, and so is a value of the last input picked at
    random, so the mean is unbiased.

    Parameters
    ----------
    network : ReluRNN
        Of any n.
    samples : int
        Points of the other inputs in all, rounded up to whole groups of 64 a replicate.
    seed : int
        The same seed gives the same points, whatever the number of threads.
    values : int
        Values of the last input, that is, answers a point.
    replicates : int
        Independent shifts, from whose spread the standard error comes; at least 2.  Fewer are
        used where `samples` are fewer than 64 for each.
    task, ties
        As for `conevol.accuracy`; the task must name the entry of one rank.
    threads : int, optional
        By default one a core.

    Returns
    -------
    Estimate
        With a standard error, of replicates - 1 degrees of freedom.

    Raises
    ------
    ConevolError
        For samples or values < 1, fewer than 2 replicates, a seed that is not in
        0 .. 2^63 - 1, or an unknown tie rule.
    TaskError
        If the task is unknown, has no such n, or is not one of rank.

    Notes
    -----
    The standard error comes from few replicates: its own relative standard deviation is about
    1 / sqrt(2 (replicates - 1)), and where errors are rarer than one a replicate it is too small
    now and then.  It is 0 where all replicates agree.

    Examples
    --------
    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("4/3")
    >>> estimate = stratified_accuracy(net, 20_000)
    >>> abs(estimate.value - accuracy(net).value) < 6 * estimate.error
    True
    """
    started = time.perf_counter()
    if values < 1:
        raise ConevolError(f"values is {values}, expected at least 1")
    if replicates < 2:
        raise ConevolError(
            f"replicates is {replicates}, expected at least 2: "
            "the standard error comes from their spread"
        )
    rank = checked_rank(network, samples, seed, task, ties, "stratified sampling")

    replicates, groups, points = shape_of(samples, replicates)
    means = _replicate_means(network, rank, ties, values, replicates, groups, seed, threads)
    return Estimate(
        estimator=f"stratified, {values} values, {points} points",
        value=float(means.mean()),
        claim="standard error",
        error=float(means.std(ddof=1) / math.sqrt(replicates)),
        operations=points * operations_a_point(network, values)
        + replicates * groups * values * network.hidden,
        seconds=time.perf_counter() - started,
    )


def shape_of(samples: int, replicates: int = REPLICATES) -> tuple[int, int, int]:
    """Replicates, groups of lanes in each, and points in all, for so many samples."""
    from conevol.kernels.gaussian import LANES

    # Of one replicate alone there is no spread.
    replicates = min(replicates, max(2, -(-samples // LANES)))
    groups = -(-samples // (LANES * replicates))
    return replicates, groups, replicates * groups * LANES


def operations_a_point(network: ReluRNN, values: int) -> int:
    """Operations of a point, but for the products of W_hi and the values, which lanes share."""
    hidden, n = network.hidden, network.n
    return (n - 1) * hidden * (hidden + 1) + values * n * hidden


@cache
def _steps(count: int) -> NDArray[np.uint64]:
    return root_fractions(count)


def credits_of(
    network: ReluRNN, rank: int, ties: str, x: NDArray[np.float64], threads: int | None
) -> NDArray[np.float64]:
    """Credits (points,) of inputs (points, n) whose label is the entry of a rank."""
    from conevol.kernels import stratified as kernels

    credit = np.empty(len(x))
    for_ranges(
        lambda start, stop: kernels.credits_range(
            network.W_hi, network.W_hh, network.W_oh, rank, _rule(ties), x, start, stop, credit
        ),
        -(-len(x) // kernels.LANES), _CHUNK, threads,
    )  # fmt: skip
    return credit


def _rule(ties: str) -> int:
    from conevol.kernels import stratified as kernels

    return {"first": kernels.FIRST, "split": kernels.SPLIT, "wrong": kernels.WRONG}[ties]


def _replicate_means(
    network: ReluRNN, rank: int, ties: str, values: int, replicates: int,
    groups: int, seed: int, threads: int | None,
) -> NDArray[np.float64]:  # fmt: skip
    """The mean credit of every shift, (replicates,)."""
    from conevol.kernels import stratified as kernels

    # Normal numbers are made in pairs; one more coordinate is the last input's.
    count = network.n - 1 + (network.n - 1) % 2 + 1
    steps = _steps(count)
    shifts = np.random.SeedSequence(seed).generate_state(replicates * count, np.uint64)
    blocks = -(-groups // kernels.GROUPS)
    sums = np.empty(replicates * blocks)
    for_ranges(
        lambda start, stop: kernels.stratified_range(
            network.W_hi, network.W_hh, network.W_oh, rank, _rule(ties), values, steps,
            shifts.reshape(replicates, count), groups, start, stop, sums,
        ),
        len(sums), _CHUNK, threads,
    )  # fmt: skip
    answers = groups * kernels.LANES * values
    return sums.reshape(replicates, blocks).sum(axis=1) / answers
