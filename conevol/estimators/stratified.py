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
from conevol.ties import tie_rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["stratified_accuracy"]

# Independent shifts.
REPLICATES = 16
# Items of a task of a thread.
_CHUNK = 16
# Replicates that share a group where the points are few: fewer would not tell the spread.
_FEWEST = 4


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
    mean.  The other inputs are randomised quasi-Monte Carlo points in coordinates of order:
    first the largest of them, as many as decide the label and one more, with their places, and
    then the others, below these.  A network that ranks its inputs answers by the first few of
    these coordinates, mostly, so that its mean over points spread evenly in them varies little.
    Every point alone is Gaussian, so the mean is unbiased.

    Parameters
    ----------
    network : ReluRNN
        Of any n.
    samples : int
        Points of the other inputs in all, rounded up to a multiple of 64 for every replicate, or
        of 64 in all where there are fewer.
    seed : int
        The same seed gives the same points, whatever the number of threads.
    values : int
        Values of the last input, that is, answers a point.
    replicates : int
        Independent shifts, from whose spread the standard error comes; at least 2.  Where `samples`
        are fewer than 64 for each there are fewer, but 4 at least.
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

    width, replicates, groups = shape_of(samples, replicates)
    means = _replicate_means(network, rank, ties, values, replicates, width, groups, seed, threads)
    value = sum(means) / replicates
    squares = sum([(mean - value) ** 2 for mean in means])
    points = replicates * groups * width
    return Estimate(
        estimator=f"stratified, {values} values, {points} points",
        value=value,
        claim="standard error",
        error=math.sqrt(squares / (replicates * (replicates - 1))),
        operations=points * operations_a_point(network, values),
        seconds=time.perf_counter() - started,
    )


def operations_a_point(network: ReluRNN, values: int) -> int:
    """Operations of a point with all its values."""
    hidden, n = network.hidden, network.n
    return (n - 1) * hidden * (hidden + 1) + values * (n + 1) * hidden


def shape_of(samples: int, replicates: int = REPLICATES) -> tuple[int, int, int]:
    """Lanes of a replicate in a group, replicates, and groups of each; of the product points."""
    from conevol.kernels.gaussian import LANES

    groups, fewest = -(-samples // LANES), min(replicates, _FEWEST)
    together = 1
    while together * groups < fewest:
        together *= 2
    replicates = min(replicates, groups) if together == 1 else together * groups
    return LANES // together, replicates, -(-groups // replicates)


@cache
def sequence(n: int, rank: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Directions of the Sobol coordinates, and steps of the others."""
    from conevol.kernels.ordered import MOST_ORDERED, sobol_directions

    ordered = min(rank + 2, n - 1, MOST_ORDERED)
    return sobol_directions(2 * ordered + 1), root_fractions(n - 1 - ordered)


def credits_of(
    network: ReluRNN, rank: int, ties: str, x: NDArray[np.float64], threads: int | None
) -> NDArray[np.float64]:
    """Credits (points,) of inputs (points, n) whose label is the entry of a rank."""
    from conevol.kernels import stratified as kernels

    credit = np.empty(len(x))
    for_ranges(
        lambda start, stop: kernels.credits_range(
            network.W_hi, network.W_hh, network.W_oh, rank, tie_rule(ties), x, start, stop, credit
        ),
        -(-len(x) // kernels.LANES), _CHUNK, threads,
    )  # fmt: skip
    return credit


def _replicate_means(
    network: ReluRNN, rank: int, ties: str, values: int, replicates: int, width: int,
    groups: int, seed: int, threads: int | None,
) -> list[float]:  # fmt: skip
    """The mean credit of every replicate."""
    from conevol.kernels import stratified as kernels

    directions, steps = sequence(network.n, rank)
    together = kernels.LANES // width
    families, blocks = -(-replicates // together), -(-groups // kernels.GROUPS)
    sums = np.empty((families * blocks, together))
    for_ranges(
        lambda start, stop: kernels.stratified_range(
            network.W_hi, network.W_hh, network.W_oh, rank, tie_rule(ties), values, directions,
            steps, seed, width, groups, start, stop, sums,
        ),
        len(sums), _CHUNK, threads,
    )  # fmt: skip
    answers = groups * width * values
    if blocks > 1:
        sums = sums.reshape(families, blocks, together).sum(axis=1)
    return [total / answers for total in sums.reshape(-1).tolist()]
