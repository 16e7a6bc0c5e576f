"""Gradient ascent on a network's exact accuracy.

The accuracy counted on a sample is piecewise constant in the weights; the exact one has a
derivative (`conevol.accuracy_gradient`), so it can be climbed directly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol.cells import accuracy
from conevol.derivative import WeightsGradient, accuracy_gradient
from conevol.errors import ConevolError
from conevol.network import ReluRNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.tasks import Task

__all__ = ["Ascent", "ascend"]

_LONGEST = 4
# Of the rise that the gradient promises, how much a step must bring (L. Armijo 1966).
_ENOUGH = 0.1
# Halvings of a step before there is no way up.
_HALVINGS = 40


@dataclass(frozen=True)
class Ascent:
    """A climb on the exact accuracy.

    Attributes
    ----------
    network : ReluRNN
        The last and most accurate network.
    curve : ndarray, shape (steps + 1,)
        Exact accuracies, the first that of the given network; it never falls.
    rates : ndarray, shape (steps,)
        Lengths of the steps that were taken, in the relative metric of `ascend`.
    evaluations : int
        How many accuracies were computed, without those that came with gradients.
    stopped : str
        Why it ended: "steps", "no way up" (no step along the gradient brings more than
        rounding), or "interrupted".
    """

    network: ReluRNN
    curve: NDArray[np.float64]
    rates: NDArray[np.float64]
    evaluations: int
    stopped: str


def ascend(
    network: ReluRNN,
    *,
    steps: int = 100,
    rate: float = 0.01,
    task: str | Task | None = None,
    ties: str = "first",
    progress: Callable[[int, float], object] | None = None,
) -> Ascent:
    """Raise a network's exact accuracy by gradient ascent with a line search; n <= 4.

    Parameters
    ----------
    network : ReluRNN
    steps : int
        Steps at most.
    rate : float
        Length of the first step that is tried, relative to the weights.  A step that does not
        bring a tenth of what the gradient promises is halved; after one that
        does, the next is tried twice as long.
    task : str or Task, optional
        By default the network's own.
    ties : {"first", "split", "wrong"}
        As for `conevol.accuracy`.
    progress : callable, optional
        Called with (steps done, accuracy) after each.

    Returns
    -------
    Ascent
        Interrupted by Ctrl-C it returns what it has.

    Raises
    ------
    ConevolError
        If n > 4, or steps or rate are not positive.
    WeightsError, TaskError, CellsError, FractionError
        As `conevol.accuracy_gradient`.

    Notes
    -----
    Each neuron's weights are first scaled so that its incoming and its outgoing
    weights have the same length, as far as its own weight on itself allows: no prediction
    depends on that, but the gradient's direction does.  Lengths are relative to the three
    matrices: each moves by its own size.

    Examples
    --------
    >>> from conevol import zoo
    >>> climb = ascend(zoo.load("4/3"), steps=3)
    >>> bool((np.diff(climb.curve) > 0.0).all()), climb.stopped
    (True, 'steps')
    """
    if network.n > _LONGEST:
        raise ConevolError(
            f"ascend computes exact accuracies again and again, for n <= {_LONGEST}; this network "
            f"has n = {network.n}"
        )
    if steps < 1 or not rate > 0.0:
        raise ConevolError(f"steps is {steps} and rate is {rate}, expected positive numbers")
    best = network
    curve, rates = [accuracy(network, task=task, ties=ties).value], list[float]()
    evaluations, stopped = 1, "steps"
    try:
        while len(rates) < steps:
            at = balanced(best)
            gradient = accuracy_gradient(at, task=task, ties=ties)
            direction, slope = _direction(at, gradient)
            for _ in range(_HALVINGS if slope > 0.0 else 0):
                trial = _moved(at, direction, rate)
                value = accuracy(trial, task=task, ties=ties).value
                evaluations += 1
                if value > curve[-1] + _ENOUGH * rate * slope and value > curve[-1]:
                    break
                rate /= 2.0
            else:
                stopped = "no way up"
                break
            best = trial
            curve.append(value)
            rates.append(rate)
            rate *= 2.0
            if progress is not None:
                progress(len(rates), value)
    except KeyboardInterrupt:
        stopped = "interrupted"
    return Ascent(best, np.array(curve), np.array(rates), evaluations, stopped)


_Weights = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def _direction(network: ReluRNN, gradient: WeightsGradient) -> tuple[_Weights, float]:
    """The steepest direction and its slope, lengths measured relative to each matrix."""
    weights = (network.W_hi, network.W_hh, network.W_oh)
    slopes = (gradient.W_hi, gradient.W_hh, gradient.W_oh)
    # Root mean squares, so that a step of length 1 changes weights by their own size.
    squares = [float((w * w).mean()) for w in weights]
    slope = math.sqrt(sum(s * float((g * g).sum()) for s, g in zip(squares, slopes, strict=True)))
    a, b, c = (s / (slope or 1.0) * g for s, g in zip(squares, slopes, strict=True))
    return (a, b, c), slope


def _moved(network: ReluRNN, direction: _Weights, rate: float) -> ReluRNN:
    a, b, c = direction
    return ReluRNN(
        network.W_hi + rate * a,
        network.W_hh + rate * b,
        network.W_oh + rate * c,
        task=network.task,
    )


def balanced(network: ReluRNN, rounds: int = 20) -> ReluRNN:
    """The same function with each neuron's incoming and outgoing weights of one length.

    Scales are powers of two, so no prediction changes by a rounding; a neuron without weights on
    one of its sides stays as it is.

    Examples
    --------
    >>> net = ReluRNN([4.0], [[1.0]], [[0.25]], task="argmax")
    >>> small = balanced(net)
    >>> small.W_hi.tolist(), small.W_oh.tolist()
    ([1.0], [[1.0]])
    """
    w_hi, w_hh, w_oh = (w.copy() for w in (network.W_hi, network.W_hh, network.W_oh))
    for _ in range(rounds):
        own = np.diagonal(w_hh) ** 2
        into = w_hi**2 + (w_hh**2).sum(axis=1) - own
        out = (w_hh**2).sum(axis=0) - own + (w_oh**2).sum(axis=0)
        both = (into > 0.0) & (out > 0.0)
        ratio = np.where(both, out, 1.0) / np.where(both, into, 1.0)
        power = np.round(np.log2(ratio) / 4.0)
        if not power.any():
            break
        scale = np.exp2(power)
        w_hi *= scale
        w_hh *= scale[:, None] / scale
        w_oh /= scale
    return ReluRNN(w_hi, w_hh, w_oh, task=network.task)
