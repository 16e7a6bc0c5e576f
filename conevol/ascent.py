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
        Lengths of the steps that were taken, relative to the weights.
    evaluations : int
        How many accuracies were computed, without those that came with gradients.
    stopped : str
        Why it ended: "steps", "no way up" (no step along the gradient brings
        what it promises), or "interrupted".
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
        Length of the first step that is tried, relative to the weights.
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
    depends on that, but the gradient's direction does.  Lengths are relative to the root mean
    squares of the three matrices.

    The first step goes along the gradient.  Later ones go along the gradient in the metric that
    the change of gradients on the way suggests (BFGS; good for functions with kinks too, A. S.
    Lewis and M. L. Overton, Math. Program. 141, 2013): the accuracy is a narrow ridge near
    its maxima.  A step that brings less than a tenth of what the slope promises is halved, so
    the accuracy never falls.

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
    stopped, evaluations = "steps", 1
    # One entry a step, so that an interruption finds them whole.
    path = [(network, accuracy(network, task=task, ties=ties).value, 0.0)]
    try:
        at = balanced(network)
        scale = _scales(at)
        slope = scale * _flat(accuracy_gradient(at, task=task, ties=ties))
        hessian = None
        while len(path) <= steps:
            # Steps and slopes are in weights divided by their scales.
            metric = _first_metric(slope, rate) if hessian is None else hessian
            direction = metric @ slope
            promise, length = float(direction @ slope), 1.0
            for _ in range(_HALVINGS if promise > 0.0 else 0):
                trial = _moved(at, length * scale * direction)
                value = accuracy(trial, task=task, ties=ties).value
                evaluations += 1
                if value > path[-1][1] + _ENOUGH * length * promise and value > path[-1][1]:
                    break
                length /= 2.0
            else:
                if hessian is not None:
                    hessian = None  # once more along the gradient itself
                    continue
                stopped = "no way up"
                break
            at = trial
            path.append((trial, value, length * float(np.linalg.norm(direction))))
            if progress is not None:
                progress(len(path) - 1, value)
            after = scale * _flat(accuracy_gradient(at, task=task, ties=ties))
            hessian = _updated(metric, length * direction, slope - after)
            slope = after
    except KeyboardInterrupt:
        stopped = "interrupted"
    networks, curve, rates = zip(*path, strict=True)
    return Ascent(networks[-1], np.array(curve), np.array(rates[1:]), evaluations, stopped)


def _flat(weights: ReluRNN | WeightsGradient) -> NDArray[np.float64]:
    """All three matrices as one vector."""
    return np.concatenate([w.reshape(-1) for w in (weights.W_hi, weights.W_hh, weights.W_oh)])


def _scales(network: ReluRNN) -> NDArray[np.float64]:
    """For every weight the root mean square of its matrix."""
    matrices = (network.W_hi, network.W_hh, network.W_oh)
    return np.repeat(
        [math.sqrt(float((w * w).mean())) for w in matrices], [w.size for w in matrices]
    )


def _first_metric(slope: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """A multiple of the identity that makes the step along the slope `rate` long."""
    length = float(np.linalg.norm(slope))
    return np.eye(len(slope)) * (rate / length if length > 0.0 else 0.0)


def _updated(
    metric: NDArray[np.float64], step: NDArray[np.float64], fall: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The metric after a step on which the slope fell so (Broyden, Fletcher, Goldfarb, Shanno)."""
    bend = float(step @ fall)
    if bend <= 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(fall)):
        return metric
    turn = np.eye(len(step)) - np.outer(step, fall) / bend
    return turn @ metric @ turn.T + np.outer(step, step) / bend


def _moved(network: ReluRNN, by: NDArray[np.float64]) -> ReluRNN:
    parts = np.split(by, np.cumsum([network.W_hi.size, network.W_hh.size]))
    return ReluRNN(
        network.W_hi + parts[0],
        network.W_hh + parts[1].reshape(network.W_hh.shape),
        network.W_oh + parts[2].reshape(network.W_oh.shape),
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
