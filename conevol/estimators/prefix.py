"""Samples post-stratified by the activation pattern of the first steps, whose law is exact."""

from __future__ import annotations

import math
import time
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol.cells import MAX_N, accuracy
from conevol.errors import ConevolError
from conevol.estimators.estimate import Estimate
from conevol.estimators.sampling import checked_rank
from conevol.network import ReluRNN
from conevol.parallel import for_ranges
from conevol.patterns import pattern_fractions
from conevol.tasks import Task
from conevol.ties import tie_rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["prefix_accuracy"]

# A stratum is kept apart if it expects so many samples: its own share right adds about 1 / 16
# to the variance within it, and with chance 2e-6 it has fewer than two samples.
_EXPECTED = 16
# Ranges of blocks of samples, each of which has its own sums.
_RANGES = 64
# Of a stratum, in `post_stratified`.
STRATUM_OPERATIONS = 7


class _Prefixes(NamedTuple):
    """Patterns of the first steps, (patterns, steps, hidden), the most probable first.

    error bounds the sum of the errors of all fractions, with the inputs that rounding puts
    in a wrong pattern; operations are None where they are not counted.
    """

    patterns: NDArray[np.bool_]
    fractions: NDArray[np.float64]
    error: float
    operations: int | None


def prefix_accuracy(
    network: ReluRNN,
    *,
    steps: int = 3,
    samples: int = 100_000,
    patterns: int | None = None,
    task: str | Task | None = None,
    ties: str = "first",
    seed: int = 0,
    threads: int | None = None,
) -> Estimate:
    """Accuracy by plain samples, weighted with exact fractions of the patterns of the first steps.

    The activation patterns of the first steps are strata whose probabilities are exact, being
    fractions of cones in as many dimensions.  The value is the sum over the strata of the
    probability times the share of the stratum's samples that is right, so that it does not vary
    with how the samples fall into the strata.

    Parameters
    ----------
    network : ReluRNN
        Of any n.
    steps : int
        Length of the prefix, 1 .. n.
    samples : int
        At least 2.  With the same seed they are those of `sample_accuracy`.
    patterns : int, optional
        Only the most probable, so many, are strata; by default all that expect 16 samples.  All
        others together are one more, the rest, which takes the least probable strata
        until it expects 16 samples too.
    task, ties
        As for `conevol.accuracy`; the task must name the entry of one rank.
    seed : int
        The same seed gives the same result, whatever the number of threads.
    threads : int, optional
        By default one a core.

    Returns
    -------
    Estimate
        With a standard error, to which the bound of the rounding in the fractions is added.
        Operations are not counted where steps > 3.

    Raises
    ------
    ConevolError
        For steps that are not in 1 .. n, fewer than 2 samples, patterns < 1, a seed that is not
        in 0 .. 2^63 - 1, or an unknown tie rule.
    TaskError
        If the task is unknown, has no such n, or is not one of rank.
    CellsError
        If there are more than 200,000 patterns of so many steps > 3.

    Notes
    -----
    Which strata are kept is settled before a sample is drawn, and a stratum without samples is
    filled in as `post_stratified` says, so the value is unbiased exactly, but for rounding.

    Examples
    --------
    >>> from conevol import accuracy, sample_accuracy, zoo
    >>> net = zoo.load("4/3")
    >>> estimate = prefix_accuracy(net, steps=2)
    >>> abs(estimate.value - accuracy(net).value) < 5 * estimate.error
    True
    >>> estimate.error < sample_accuracy(net, 100_000).standard_error
    True
    """
    started = time.perf_counter()
    if not 1 <= steps <= network.n:
        raise ConevolError(f"steps is {steps}, expected 1 .. n = {network.n}")
    if patterns is not None and patterns < 1:
        raise ConevolError(f"patterns is {patterns}, expected at least 1, or None for all")
    rank = checked_rank(network, samples, seed, task, ties, "the prefix estimator")
    if samples < 2:
        raise ConevolError(f"samples is {samples}, expected at least 2: one has no spread")
    found = prefixes(network, steps, threads)
    kept = kept_strata(found.fractions, samples, patterns)
    shares = np.append(found.fractions[:kept], found.fractions[kept:].sum())
    sums = _stratum_sums(network, found.patterns[:kept], rank, ties, samples, seed, threads)
    value, variance = post_stratified(shares, *sums.T)
    operations = None
    if found.operations is not None:
        a_sample = network.n * network.hidden * (network.hidden + 2)
        operations = found.operations + samples * a_sample + len(shares) * STRATUM_OPERATIONS
    return Estimate(
        estimator=f"prefix, {steps} steps, {len(shares)} strata, {samples} samples",
        value=float(value),
        claim="standard error",
        error=math.sqrt(variance) + found.error,
        operations=operations,
        seconds=time.perf_counter() - started,
    )


def prefixes(network: ReluRNN, steps: int, threads: int | None) -> _Prefixes:
    """The patterns of the first steps with their exact fractions."""
    if steps > MAX_N:
        law = pattern_fractions(network, steps, threads=threads)
        error = float(law.error_bounds.sum()) + law.plane_error
        return _by_fraction(law.patterns, law.fractions, error, None)
    # Up to three steps are polygons, which is faster, and counted.  All logits are 0, so the
    # cells are the patterns, cut by nothing but the largest entry.
    first = ReluRNN(network.W_hi, network.W_hh, np.zeros((steps, network.hidden)), task="argmax")
    result = accuracy(first, table=True, operations=True, threads=threads)
    cells = result.table
    rows = cells.pattern.reshape(len(cells), -1)
    rows, of = np.unique(rows, axis=0, return_inverse=True)
    fractions = np.zeros(len(rows))
    np.add.at(fractions, of.reshape(-1), cells.fraction)
    error = float(cells.error_bound.sum()) + result.error_bound
    patterns = rows.reshape(-1, steps, network.hidden)
    return _by_fraction(patterns, fractions, error, result.operations)


def _by_fraction(
    patterns: NDArray[np.bool_], fractions: NDArray[np.float64], error: float, spent: int | None
) -> _Prefixes:
    order = np.argsort(-fractions, kind="stable")
    return _Prefixes(patterns[order], fractions[order], error, spent)


def kept_strata(fractions: NDArray[np.float64], samples: int, most: int | None) -> int:
    """How many strata, of descending fractions, are kept apart from the rest."""
    left = 1.0 - np.cumsum(fractions)
    kept = int((np.minimum(fractions, left) * samples >= _EXPECTED).sum())
    return kept if most is None else min(kept, most)


def post_stratified(
    shares: NDArray[np.float64],
    hits: NDArray[np.float64],
    credit: NDArray[np.float64],
    squares: NDArray[np.float64],
) -> tuple[float, float]:
    """Unbiased mean credit of stratified samples, and its estimated variance.

    Parameters
    ----------
    shares : ndarray, shape (strata,)
        Exact probabilities, which sum to 1.
    hits, credit, squares : ndarray, shape (strata,)
        Number of the samples in a stratum, sums of their credits and of the squares of these.

    Notes
    -----
    For N samples (h_i, y_i) it is the mean over i of

        y_i - b_i(h_i) + sum over g of shares_g b_i(g)

    where b_i(g) is the mean credit in stratum g of all samples but i, and where there are none
    their mean in all strata.  As b_i does not depend on sample i, every term is unbiased.
    If all strata have two samples or more, this is the classical sum of shares_g times the mean
    in g.  The variance is that given the numbers of hits (D. Holt and T. M. F. Smith 1979);
    a stratum with fewer than two counts with the variance of all samples.
    """
    total = hits.sum()
    mean = credit.sum() / total
    own = np.where(hits > 0.0, credit / np.maximum(hits, 1.0), mean)
    value = (shares * own).sum()
    for g in np.flatnonzero(hits == 1.0):
        # Its one sample is answered for by all others.
        others = (credit.sum() - credit[g]) / (total - 1.0)
        value += (1.0 - shares[g]) * (credit[g] - others) / total
    several = hits > 1.0
    spread = (squares - credit * own) / np.where(several, hits - 1.0, 1.0)
    whole = (squares.sum() - credit.sum() * mean) / (total - 1.0)
    # Rounding may leave a little less than nothing.
    spread = np.maximum(np.where(several, spread, whole), 0.0)
    return value, (shares * shares * spread / np.maximum(hits, 1.0)).sum()


def _stratum_sums(
    network: ReluRNN, patterns: NDArray[np.bool_], rank: int, ties: str,
    samples: int, seed: int, threads: int | None,
) -> NDArray[np.float64]:  # fmt: skip
    """Samples, credits and their squares of every stratum and of the rest, (strata + 1, 3)."""
    from conevol.kernels import prefix as kernels

    rule = tie_rule(ties)
    words, keys = _keys(patterns)
    table = kernels.new_table(keys)
    blocks = -(-samples // kernels.BLOCK)
    chunk = -(-blocks // _RANGES)
    sums = np.zeros((-(-blocks // chunk), len(keys) + 1, 3))
    for_ranges(
        lambda start, stop: kernels.prefix_blocks(
            network.W_hi, network.W_hh, network.W_oh, rank, rule, seed, samples, words, keys,
            table, start, stop, sums[start // chunk],
        ),
        blocks, chunk, threads,
    )  # fmt: skip
    return np.asarray(sums.sum(axis=0))


def _keys(patterns: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """A random word for every neuron and step, (steps, hidden), and the patterns' distinct keys.

    A key is the sum of the words of what is on (A. L. Zobrist 1970), so that another pattern
    has the key of one of these with a chance of len(patterns) / 2^64.
    """
    rows = patterns.reshape(len(patterns), math.prod(patterns.shape[1:])).astype(np.uint64)
    for attempt in count():
        words = np.random.SeedSequence(attempt).generate_state(rows.shape[1], np.uint64)
        keys = np.asarray(rows @ words, dtype=np.uint64)
        if len(np.unique(keys)) == len(keys):
            break
    return np.asarray(words, dtype=np.uint64).reshape(patterns.shape[1:]), keys
