"""Conditional sampling: the last inputs take stratified values, given the sampled first ones."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from conevol.cells import TIE_RULES
from conevol.errors import ConevolError, TaskError
from conevol.estimators.estimate import Estimate
from conevol.network import ReluRNN
from conevol.parallel import for_ranges
from conevol.separation import root_fractions
from conevol.tasks import Task, get_task

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["conditional_accuracy", "default_branches"]

# Items of a task of a thread.
_CHUNK = 4
# From this n on, the steps before the last two are worth two values of the last but one.
_LONG = 8


def default_branches(n: int) -> tuple[int, ...]:
    """Values that `conditional_accuracy` gives to each of the last inputs.

    Examples
    --------
    >>> default_branches(5), default_branches(10), default_branches(1)
    ((4,), (2, 4), ())
    """
    if n == 1:
        return ()
    return (4,) if n < _LONG else (2, 4)


def conditional_accuracy(
    network: ReluRNN,
    samples: int = 100_000,
    *,
    seed: int = 0,
    branches: tuple[int, ...] | None = None,
    replicates: int = 16,
    task: str | Task | None = None,
    ties: str = "first",
    threads: int | None = None,
) -> Estimate:
    """Accuracy by sampling the first inputs and taking stratified values of the last, given them.

    The steps of the network before the last inputs are computed once for all their values, and
    the mean over one value in each of K equally probable strata is nearly the conditional
    mean.  The first inputs are randomised quasi-Monte Carlo points: multiples of the
    square roots of the primes (R. D. Richtmyer 1951), shifted at random, through the
    Box-Muller transform.  Every single input so judged is Gaussian, so the mean is unbiased.

    Parameters
    ----------
    network : ReluRNN
        Of any n.
    samples : int
        Points of the first inputs in all, rounded up to whole groups of 64 a replicate.
    seed : int
        The same seed gives the same points, whatever the number of threads.
    branches : tuple of int, optional
        Numbers of values of the last inputs; each value of one has its own values of the
        next, so (2, 4) means two values of the last but one and eight answers a point.
        Empty: quasi-Monte Carlo points in all inputs.  By default `default_branches(n)`.
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
        For samples < 1, fewer than 2 replicates, branches below 1 or of n inputs or more, a
        seed that is not in 0 .. 2^63 - 1, or an unknown tie rule.
    TaskError
        If the task is unknown, has no such n, or is not one of rank.

    Examples
    --------
    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("4/3")
    >>> estimate = conditional_accuracy(net, 20_000)
    >>> abs(estimate.value - accuracy(net).value) < 6 * estimate.error
    True
    """
    started = time.perf_counter()
    chosen = default_branches(network.n) if branches is None else tuple(branches)
    rank = _checked_rank(network, samples, seed, chosen, replicates, task, ties)

    from conevol.kernels.gaussian import LANES

    # Of one replicate alone there is no spread.
    replicates = min(replicates, max(2, -(-samples // LANES)))
    groups = -(-samples // (LANES * replicates))
    means = _replicate_means(network, rank, ties, chosen, replicates, groups, seed, threads)
    points = replicates * groups * LANES
    return Estimate(
        estimator=f"conditional, {points} points, branches {chosen}",
        value=float(means.mean()),
        claim="standard error",
        error=float(means.std(ddof=1) / math.sqrt(replicates)),
        operations=operations_of(network, chosen, replicates * groups, LANES),
        seconds=time.perf_counter() - started,
    )


def operations_of(
    network: ReluRNN, branches: tuple[int, ...], groups: int, lanes: int
) -> int:
    """Operations of so many groups of trees: those shared by the lanes of a group count once."""
    hidden, n = network.hidden, network.n
    nodes = np.cumprod([1, *branches])
    first = n - len(branches)
    products = first - 1 + int(nodes[:-1].sum())
    a_point = first * hidden + products * hidden * hidden + int(nodes[-1]) * n * hidden
    return groups * (lanes * a_point + int(nodes[1:].sum()) * hidden)


def _checked_rank(
    network: ReluRNN, samples: int, seed: int, branches: tuple[int, ...], replicates: int,
    task: str | Task | None, ties: str,
) -> int:  # fmt: skip
    if ties not in TIE_RULES:
        raise ConevolError(f"unknown tie rule {ties!r}, expected one of {', '.join(TIE_RULES)}")
    if samples < 1:
        raise ConevolError(f"samples is {samples}, expected at least 1")
    if replicates < 2:
        raise ConevolError(
            f"replicates is {replicates}, expected at least 2: "
            "the standard error comes from their spread"
        )
    if not 0 <= seed < 2**63:
        raise ConevolError(f"seed is {seed}, expected 0 .. 2^63 - 1")
    if min(branches, default=1) < 1 or len(branches) >= network.n:
        raise ConevolError(
            f"branches is {branches}, expected positive numbers for fewer inputs than "
            f"n = {network.n}"
        )
    chosen = get_task(network.task if task is None else task)
    chosen.check_length(network.n)
    if chosen.rank is None:
        raise TaskError(
            f"task {chosen.name!r} is not to name the entry of one rank, as conditional sampling "
            "needs; use sample_accuracy"
        )
    return chosen.rank(network.n)


def _replicate_means(
    network: ReluRNN, rank: int, ties: str, branches: tuple[int, ...], replicates: int,
    groups: int, seed: int, threads: int | None,
) -> NDArray[np.float64]:  # fmt: skip
    """The mean credit of every shift, (replicates,)."""
    from conevol.kernels import conditional as kernels

    rule = {"first": kernels.FIRST, "split": kernels.SPLIT, "wrong": kernels.WRONG}[ties]
    nodes = np.cumprod([1, *branches]).astype(np.int64)
    first = network.n - len(branches)
    # Normal numbers are made in pairs.
    count = first + first % 2 + len(branches)
    shifts = np.random.SeedSequence(seed).generate_state(replicates * count, np.uint64)
    blocks = -(-groups // kernels.GROUPS)
    sums = np.empty(replicates * blocks)
    for_ranges(
        lambda start, stop: kernels.conditional_range(
            network.W_hi, network.W_hh, network.W_oh, rank, rule, nodes, root_fractions(count),
            shifts.reshape(replicates, count), groups, start, stop, sums,
        ),
        len(sums), _CHUNK, threads,
    )  # fmt: skip
    leaves = groups * kernels.LANES * int(nodes[-1])
    return sums.reshape(replicates, blocks).sum(axis=1) / leaves
