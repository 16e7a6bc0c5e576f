"""Accuracy by sampling: the baseline that every other estimator is measured against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol.errors import ConevolError, TaskError
from conevol.network import ReluRNN
from conevol.parallel import for_ranges
from conevol.tasks import Task, get_task
from conevol.ties import tie_rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SampledAccuracy", "gaussian_inputs", "sample_accuracy", "samples_needed"]

# Blocks of samples a task of a thread.
_CHUNK = 8
# Inputs held at once when the label function is Python code.
_BATCH_BLOCKS = 16


@dataclass(frozen=True)
class SampledAccuracy:
    """Accuracy by sampling.

    Attributes
    ----------
    value : float
        Mean credit of the samples.
    standard_error : float
        Its estimated standard error, sqrt(variance / samples).
    samples : int
    ties : str
        The tie rule.
    tied : float
        Share of the samples whose largest logit is tied.
    """

    value: float
    standard_error: float
    samples: int
    ties: str
    tied: float

    def __float__(self) -> float:
        return self.value


def samples_needed(accuracy: float, standard_error: float) -> float:
    """Number of samples whose mean has that standard error, p (1 - p) / error^2."""
    return accuracy * (1.0 - accuracy) / standard_error**2


def sample_accuracy(
    network: ReluRNN,
    samples: int = 1_000_000,
    *,
    seed: int = 0,
    task: str | Task | None = None,
    ties: str = "first",
    threads: int | None = None,
) -> SampledAccuracy:
    """Accuracy on standard Gaussian inputs by plain sampling.

    Parameters
    ----------
    network : ReluRNN
        Of any n.
    samples : int
    seed : int
        The same seed gives the same samples, whatever the number of threads.
    task, ties
        As for `conevol.accuracy`.
    threads : int, optional
        By default one a core.

    Raises
    ------
    ConevolError
        For samples < 1, a seed that is not in 0 .. 2^63 - 1, or an unknown tie rule.
    TaskError
        If the task is unknown or has no such n.

    Examples
    --------
    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("4/3")
    >>> result = sample_accuracy(net, 100_000)
    >>> abs(result.value - accuracy(net).value) < 5 * result.standard_error
    True
    """
    tie_rule(ties)
    check_draw(samples, seed)
    chosen = get_task(network.task if task is None else task)
    chosen.check_length(network.n)

    from conevol.kernels import sampling as kernels

    blocks = -(-samples // kernels.BLOCK)
    counts = np.zeros((blocks, network.n + 2), dtype=np.int64)
    if chosen.rank is not None:
        rank = chosen.rank(network.n)
        for_ranges(
            lambda start, stop: kernels.sample_blocks(
                network.W_hi, network.W_hh, network.W_oh, rank, seed, samples, start, stop, counts
            ),
            blocks, _CHUNK, threads,
        )  # fmt: skip
    else:
        for start in range(0, blocks, _BATCH_BLOCKS):
            stop = min(start + _BATCH_BLOCKS, blocks)
            _count_in_python(network, chosen, seed, samples, start, stop, counts)
    return _summary(counts.sum(axis=0), samples, ties)


def gaussian_inputs(samples: int, n: int, *, seed: int = 0) -> NDArray[np.float64]:
    """The inputs (samples, n) that `sample_accuracy` draws with this seed.

    Examples
    --------
    >>> gaussian_inputs(1000, 3).shape
    (1000, 3)
    """
    check_draw(samples, seed)
    from conevol.kernels import sampling as kernels

    x = np.empty((samples, n))
    kernels.fill_inputs(seed, 0, samples, 0, -(-samples // kernels.BLOCK), x)
    return x


def checked_rank(
    network: ReluRNN, samples: int, seed: int, task: str | Task | None, ties: str, method: str
) -> int:
    """Rank that the task names, after checks of what a draw needs; `method` is for the error."""
    tie_rule(ties)
    check_draw(samples, seed)
    chosen = get_task(network.task if task is None else task)
    chosen.check_length(network.n)
    if chosen.rank is None:
        raise TaskError(
            f"task {chosen.name!r} is not to name the entry of one rank, as {method} needs; "
            "use sample_accuracy"
        )
    return chosen.rank(network.n)


def check_draw(samples: int, seed: int) -> None:
    """Raise for what cannot be drawn."""
    if samples < 1:
        raise ConevolError(f"samples is {samples}, expected at least 1")
    if not 0 <= seed < 2**63:
        raise ConevolError(f"seed is {seed}, expected 0 .. 2^63 - 1")


def _count_in_python(
    network: ReluRNN, task: Task, seed: int, samples: int, start: int, stop: int, counts: NDArray
) -> None:
    """What `sample_blocks` counts, for a label function that is Python code."""
    from conevol.kernels import sampling as kernels

    first = start * kernels.BLOCK
    x = np.empty((min(stop * kernels.BLOCK, samples) - first, network.n))
    kernels.fill_inputs(seed, first, samples, start, stop, x)
    logits, label = network.forward(x), task(x)
    best = logits.max(axis=1)
    ties = (logits == best[:, None]).sum(axis=1)
    hit = np.take_along_axis(logits, label[:, None], axis=1)[:, 0] == best
    tied = ties > 1
    counts[start, : network.n] = np.bincount(ties[hit] - 1, minlength=network.n)
    counts[start, network.n] = (hit & tied & (logits.argmax(axis=1) == label)).sum()
    counts[start, network.n + 1] = tied.sum()


def _summary(counts: NDArray[np.int64], samples: int, ties: str) -> SampledAccuracy:
    """Mean and standard error from the counts of `sample_blocks`."""
    n = len(counts) - 2
    hits = counts[:n].astype(float)
    if ties == "first":
        total = squares = hits[0] + float(counts[n])
    elif ties == "wrong":
        total = squares = hits[0]
    else:
        share = 1.0 / np.arange(1, n + 1)
        total, squares = float(hits @ share), float(hits @ share**2)
    mean = total / samples
    variance = max(squares / samples - mean * mean, 0.0)
    return SampledAccuracy(
        value=float(mean),
        standard_error=math.sqrt(variance / samples),
        samples=samples,
        ties=ties,
        tied=float(counts[n + 1]) / samples,
    )
