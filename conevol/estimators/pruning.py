"""Gaussian-mixture half-space pruning: the tree of patterns, every branch a Gaussian."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from conevol.analysis.order import order_moments
from conevol.errors import ConevolError
from conevol.estimators._normal import (
    CDF_OPERATIONS,
    DENSITY_OPERATIONS,
    cdf,
    density,
    pairs_of,
    root_operations,
    roots,
)
from conevol.estimators.estimate import Estimate
from conevol.estimators.sampling import gaussian_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN

    Array = NDArray[np.float64]

__all__ = ["pruned_mixture_accuracy"]

Discard = Literal["renormalise", "resample", "lost"]
# A side of a cut with less probability is empty: its moments are rounding.
_EMPTY = 1e-12


@dataclass
class _Mixture:
    """Gaussians on the inputs, each with a label and the linear map of its pattern so far.

    weight, label (c,), mean (c, n), covariance (c, n, n), z and h (c, hidden, n).
    """

    weight: Array
    label: NDArray[np.int64]
    mean: Array
    covariance: Array
    z: Array
    h: Array

    def take(self, index: NDArray) -> _Mixture:
        return _Mixture(
            self.weight[index], self.label[index], self.mean[index], self.covariance[index],
            self.z[index], self.h[index],
        )  # fmt: skip


def pruned_mixture_accuracy(
    network: ReluRNN,
    *,
    seed: int = 0,
    components: int = 100,
    discard: Discard = "resample",
    judge: Literal["draws", "cuts"] = "draws",
    draws: int = 64,
) -> Estimate:
    """Accuracy from a mixture of Gaussians cut by every neuron, at most `components` kept.

    It starts with one Gaussian for each place of the largest and the second entry, with the
    exact moments given these.  Each neuron of each step cuts every component in two, which
    take over the mean and covariance of the cut Gaussian.  At the end every component is judged by
    draws from it, with the linear map of its pattern.

    Parameters
    ----------
    network : ReluRNN
        Of the task `second_argmax`.
    seed : int
        Of the resampling.
    components : int
        How many are kept after each neuron.
    discard : {"renormalise", "resample", "lost"}
        What is done when there are more: keep the largest and divide by their sum; keep all
        above a threshold and draw from the others so that every component keeps its weight in
        the mean (P. Fearnhead and P. Clifford 2003, systematic); keep the largest and count the
        rest as wrong.
    judge : {"draws", "cuts"}
        Draws are right or wrong by the order of their own entries.  With "cuts" the label is
        the one the component began with, and its n - 1 conditions on the logits cut on: but
        Gaussians have the moments of an order and not the order, and where they leave it the
        network is right to give another answer, so this counts right answers as wrong.
    draws : int
        Of every component.

    Returns
    -------
    Estimate
        It claims nothing: moment matching has an error whatever is kept.

    Raises
    ------
    TaskError
        If the network's task is another one.
    ConevolError
        For components < 1, or another `discard`.

    Examples
    --------
    >>> from conevol import zoo
    >>> 0.8 < pruned_mixture_accuracy(zoo.load("4/3")).value <= 1.0
    True
    """
    started = time.perf_counter()
    if components < 1:
        raise ConevolError(f"components is {components}, expected at least 1")
    if discard not in ("renormalise", "resample", "lost"):
        raise ConevolError(f"discard is {discard!r}, expected 'renormalise', 'resample' or 'lost'")
    if judge not in ("draws", "cuts"):
        raise ConevolError(f"judge is {judge!r}, expected 'draws' or 'cuts'")
    rng = np.random.default_rng(seed)
    n, hidden = network.n, network.hidden
    mixture = _start(network)
    operations = 0
    for t in range(n):
        mixture.z = network.W_hh @ mixture.h
        mixture.z[:, :, t] += network.W_hi
        operations += len(mixture.weight) * hidden * hidden * n
        mixture.h = np.zeros_like(mixture.z)
        for j in range(hidden):
            operations += len(mixture.weight) * 2 * (_cut_operations(n) + 1)
            mixture = _reduced(_split(mixture, j), components, discard, rng)
    readout = network.W_oh @ mixture.h
    operations += len(mixture.weight) * n * hidden * n
    if judge == "cuts":
        right = _by_cuts(mixture, readout)
        operations += len(right) * n * (_cut_operations(n) + 1)
    else:
        right = _by_draws(mixture, readout, gaussian_inputs(draws, n, seed=seed))
        operations += len(right) * (root_operations(n) + draws * 2 * n * n)
    total = mixture.weight.sum() if discard == "renormalise" else 1.0
    return Estimate(
        estimator=f"Gaussian-mixture pruning, {components} components, {discard}, {judge}",
        value=float(mixture.weight @ right / total),
        claim="none",
        error=float("nan"),
        operations=operations,
        seconds=time.perf_counter() - started,
    )


def _by_cuts(mixture: _Mixture, readout: Array) -> Array:
    """Probability of every component that its label's logit is the largest, by cuts in turn."""
    right, rows = np.ones(len(mixture.weight)), np.arange(len(mixture.weight))
    mean, covariance = mixture.mean, mixture.covariance
    for i in range(readout.shape[1]):
        normal = readout[rows, mixture.label] - readout[:, i]
        side, mean, covariance = _cut(mean, covariance, normal)
        # A label is not compared with itself; its row is zero, and cuts nothing.
        right *= np.where(mixture.label == i, 1.0, side)
    return right


def _by_draws(mixture: _Mixture, readout: Array, noise: Array) -> Array:
    """Share of draws of every component that are right by the order they have themselves."""
    right = np.empty(len(mixture.weight))
    for c, root in enumerate(roots(mixture.covariance)):
        x = mixture.mean[c] + noise @ root
        label = np.argsort(-x, axis=1)[:, 1]
        right[c] = ((x @ readout[c].T).argmax(axis=1) == label).mean()
    return right


def _cut_operations(n: int) -> int:
    """Of one side of one cut: covariance times normal, moments, and the rank-one change."""
    return 3 * n * n + 6 * n + 6 + CDF_OPERATIONS + DENSITY_OPERATIONS


def _start(network: ReluRNN) -> _Mixture:
    n, hidden = network.n, network.hidden
    pairs = pairs_of(network, "Gaussian-mixture pruning")
    moments = [order_moments(n, m, s) for m, s in pairs]
    empty = np.zeros((len(pairs), hidden, n))
    return _Mixture(
        weight=np.full(len(pairs), 1.0 / len(pairs)),
        label=np.array([s for _, s in pairs]),
        mean=np.array([v.mean for v in moments]),
        covariance=np.array([v.covariance for v in moments]),
        z=empty,
        h=empty,
    )


def _cut(mean: Array, covariance: Array, normal: Array) -> tuple[Array, Array, Array]:
    """Probability, mean and covariance of each Gaussian where normal @ x >= 0.

    A normal on which the Gaussian does not vary cuts nothing: all of it, or none.
    """
    across = np.einsum("cij,cj->ci", covariance, normal)
    level = np.einsum("ci,ci->c", mean, normal)
    variance = np.einsum("ci,ci->c", across, normal)
    size = (np.abs(normal) * np.sqrt(np.einsum("cii->ci", covariance).clip(0.0))).sum(axis=1)
    flat = variance <= 1e-20 * size**2
    sd = np.where(flat, 1.0, np.sqrt(variance.clip(0.0)))
    a = np.where(flat, np.where(level > 0.0, 40.0, -40.0), level / sd)
    side = cdf(a)
    empty = side < _EMPTY
    # Inverse Mills ratio; a side without probability keeps its moments, for nobody looks.
    ratio = np.where(flat | empty, 0.0, density(a) / np.where(empty, 1.0, side))
    direction = across / sd[:, None]
    shrink = ratio * (ratio + a)
    new_mean = mean + ratio[:, None] * direction
    outer = direction[:, :, None] * direction[:, None, :]
    return side, new_mean, covariance - shrink[:, None, None] * outer


def _split(mixture: _Mixture, j: int) -> _Mixture:
    """Both sides of every component at neuron j, the empty ones left out."""
    normal = mixture.z[:, j]
    on = mixture.take(np.arange(len(mixture.weight)))
    off = mixture.take(np.arange(len(mixture.weight)))
    side, on.mean, on.covariance = _cut(mixture.mean, mixture.covariance, normal)
    other, off.mean, off.covariance = _cut(mixture.mean, mixture.covariance, -normal)
    # On a zero normal the neuron is off.
    zero = ~normal.any(axis=1)
    side, other = np.where(zero, 0.0, side), np.where(zero, 1.0, other)
    on.weight, off.weight = mixture.weight * side, mixture.weight * other
    on.h[:, j] = normal
    kept = np.concatenate([side >= _EMPTY, other >= _EMPTY])
    parts = [
        np.concatenate([getattr(on, name), getattr(off, name)])[kept]
        for name in ("weight", "label", "mean", "covariance", "z", "h")
    ]
    return _Mixture(*parts)


def _reduced(mixture: _Mixture, most: int, discard: Discard, rng: np.random.Generator) -> _Mixture:
    """At most that many components."""
    weight = mixture.weight
    if len(weight) <= most:
        return mixture
    order = np.argsort(-weight, kind="stable")
    if discard != "resample":
        return mixture.take(np.sort(order[:most]))
    kept, threshold = _threshold(weight[order], most)
    small = order[kept:]
    # Systematic: points one apart on the weights laid end to end, in units of the threshold.
    ends = np.cumsum(weight[small]) / threshold
    drawn = small[np.diff(np.floor(ends + rng.random()), prepend=0.0) > 0.0]
    reduced = mixture.take(np.concatenate([order[:kept], drawn]))
    reduced.weight[kept:] = threshold
    return reduced


def _threshold(falling: Array, most: int) -> tuple[int, float]:
    """Number of weights kept as they are and c, with that number + (the others' sum) / c = most."""
    rest = np.cumsum(falling[::-1])[::-1]
    for kept in range(most):
        c = rest[kept] / (most - kept)
        if falling[kept] <= c:
            return kept, float(c)
    return most - 1, float(rest[most - 1])
