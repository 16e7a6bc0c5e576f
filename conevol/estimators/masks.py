"""Mask-sequence estimate: one linear network for each place of the maximum and of the second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import numpy as np

from conevol.analysis.order import order_moments
from conevol.errors import ConevolError
from conevol.estimators._normal import pairs_of
from conevol.estimators.estimate import Estimate
from conevol.estimators.sampling import gaussian_inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN

__all__ = ["mask_cones", "mask_sequence_accuracy"]

Background = Literal["mean", "impulses"]


def mask_cones(network: ReluRNN, background: Background = "mean") -> NDArray[np.float64]:
    """Cones of right answers were every pattern the canonical one, (n (n - 1), 2 n - 2, n).

    One for every place m of the largest and s of the second: n - 1 half-spaces of the order,
    n - 1 of the label's logit against the others, by the linear map of the canonical masks.

    Parameters
    ----------
    network : ReluRNN
    background : {"mean", "impulses"}
        The input whose masks are taken: the mean input given the order, or its two largest
        entries with all else 0.

    Raises
    ------
    TaskError
        If the network's task is not `second_argmax`.
    ConevolError
        For another background.
    """
    n = network.n
    if background not in ("mean", "impulses"):
        raise ConevolError(f"background is {background!r}, expected 'mean' or 'impulses'")
    cones = np.empty((n * (n - 1), 2 * n - 2, n))
    unit = np.eye(n)
    for cone, (m, s) in zip(cones, pairs_of(network, "the mask-sequence estimate"), strict=True):
        x = order_moments(n, m, s).mean
        if background == "impulses":
            x = x * (unit[m] + unit[s])
        logits = network.linear_maps(network.pattern(x)).logits
        others = [i for i in range(n) if i != s]
        cone[: n - 1] = [unit[m] - unit[s] if i == m else unit[s] - unit[i] for i in others]
        cone[n - 1 :] = logits[s] - logits[others]
    return cones


def mask_sequence_accuracy(
    network: ReluRNN,
    *,
    seed: int = 0,
    background: Background = "mean",
    method: Literal["sampled", "exact"] = "sampled",
    samples: int = 100_000,
) -> Estimate:
    """Accuracy if, given the places of the largest two, the activation pattern were known.

    Parameters
    ----------
    network : ReluRNN
        Of the task `second_argmax`.
    seed, samples : int
        Of the sampled fractions: orders are drawn with every pair of places equally often.
    background
        As for `mask_cones`.
    method : {"sampled", "exact"}
        How the fractions of the cones are found.  Exact ones have 2 n - 2 half-spaces in n
        dimensions, for small n.

    Returns
    -------
    Estimate
        It claims nothing.  With exact fractions, operations are not counted.

    Raises
    ------
    TaskError, ConevolError
        As `mask_cones`; also for another method, samples < 1 or a wrong seed.
    FractionError
        If an exact fraction has too many faces.

    Examples
    --------
    >>> from conevol import zoo
    >>> round(mask_sequence_accuracy(zoo.load("exact-2/2"), method="exact").value, 12)
    1.0
    """
    started = time.perf_counter()
    if method not in ("sampled", "exact"):
        raise ConevolError(f"method is {method!r}, expected 'sampled' or 'exact'")
    n, hidden = network.n, network.hidden
    cones = mask_cones(network, background)
    operations: int | None = None
    if method == "exact":
        from conevol._fraction import fraction

        value = float(np.sum(fraction(cones)))
    else:
        x = gaussian_inputs(samples, n, seed=seed)
        value = _sampled(cones, x)
        # Pattern and linear maps of every cone, then n - 1 conditions of every input.
        maps = n * (hidden * (hidden + 1) + (n - 1) * hidden * hidden + n * hidden)
        operations = len(cones) * maps + len(x) * (n - 1) * n
    return Estimate(
        estimator=f"mask sequences, {background}, {method}",
        value=value,
        claim="none",
        error=float("nan"),
        operations=operations,
        seconds=time.perf_counter() - started,
    )


def _sampled(cones: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """Sum of the cones' fractions: the inputs shared out, rearranged to the order of each."""
    n = x.shape[1]
    place = np.argsort(-x, axis=1)[:, :2]
    right, pairs = 0.0, [(m, s) for m in range(n) for s in range(n) if m != s]
    for k, (m, s) in enumerate(pairs):
        mine, first = x[k :: len(pairs)].copy(), place[k :: len(pairs)]
        if not len(mine):
            raise ConevolError(f"samples is {len(x)}, expected at least n (n - 1) = {len(pairs)}")
        rows = np.arange(len(mine))
        # Swap the largest to m, then the second, wherever it is by then, to s.
        top, second = first[:, 0], np.where(first[:, 1] == m, first[:, 0], first[:, 1])
        mine[rows, top], mine[:, m] = mine[:, m].copy(), mine[rows, top]
        mine[rows, second], mine[:, s] = mine[:, s].copy(), mine[rows, second]
        right += float((mine @ cones[k, n - 1 :].T >= 0.0).all(axis=1).mean())
    return right / len(pairs)
