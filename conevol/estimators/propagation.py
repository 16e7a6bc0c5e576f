"""Mean and covariance through the network, as if every state were Gaussian."""

from __future__ import annotations

import math
import time
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

__all__ = ["propagated_accuracy", "relu_moments"]

_NODES = 24


def relu_moments(mean: Array, covariance: Array) -> tuple[Array, Array, Array]:
    """Mean and covariance of max(z, 0) for Gaussian z, and P(z > 0).

    Parameters
    ----------
    mean : ndarray, shape (..., k)
    covariance : ndarray, shape (..., k, k)

    Returns
    -------
    mean, covariance, active : ndarray
        Shapes (..., k), (..., k, k), (..., k).

    Notes
    -----
    By Price's theorem (R. Price 1958) the covariance of two is the integral of P(both > 0)
    over their covariance from 0, and by Plackett's identity (1954) it is

        s_i s_j [r F(a_i) F(a_j) + int_0^r (r - t) f2(a_i, a_j; t) dt]

    with r the correlation, a = mean / s, F and f2 the normal distribution function and the
    bivariate density; with t = sin u the integrand is smooth, and 24 Gauss-Legendre nodes give
    about 1e-13 unless |r| is near 1 with a_i near a_j.

    Examples
    --------
    >>> m, c, on = relu_moments(np.zeros(2), np.eye(2))
    >>> m.round(6), on
    (array([0.398942, 0.398942]), array([0.5, 0.5]))
    >>> c.round(6)
    array([[0.340845, 0.      ],
           [0.      , 0.340845]])
    """
    sd = np.sqrt(np.maximum(np.diagonal(covariance, axis1=-2, axis2=-1), 0.0))
    constant = sd <= 1e-14 * (np.abs(mean) + sd)
    scale = np.where(constant, 1.0, sd)
    a = np.where(constant, np.where(mean > 0.0, 40.0, -40.0), mean / scale)
    on, bell = cdf(a), density(a)
    out_mean = np.where(constant, np.maximum(mean, 0.0), mean * on + sd * bell)
    r = np.clip(covariance / (scale[..., :, None] * scale[..., None, :]), -1.0, 1.0)
    r = np.where(constant[..., :, None] | constant[..., None, :], 0.0, r)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = 0.5 * np.arcsin(r)
    ai, aj = a[..., :, None], a[..., None, :]
    integral = np.zeros_like(r)
    for node, weight in zip(nodes, weights, strict=True):
        angle = half * (1.0 + node)
        sine, cosine = np.sin(angle), np.cos(angle)
        # (ai^2 - 2 ai aj t + aj^2) / (1 - t^2) without cancellation.
        square = ((ai - sine * aj) / cosine) ** 2 + aj * aj
        integral += weight * (r - sine) * np.exp(-0.5 * square)
    both = r * on[..., :, None] * on[..., None, :] + half * integral / (2.0 * math.pi)
    out = both * (sd[..., :, None] * sd[..., None, :])
    k = np.arange(mean.shape[-1])
    # On the diagonal, the second moment less the mean's square.
    out[..., k, k] = np.maximum(
        np.where(constant, 0.0, (mean**2 + sd**2) * on + mean * sd * bell - out_mean**2), 0.0
    )
    return out_mean, out, on


def propagated_accuracy(
    network: ReluRNN,
    *,
    seed: int = 0,
    given: Literal["order", "nothing"] = "order",
    samples: int = 2_000,
) -> Estimate:
    """Accuracy with pre-activations taken as jointly Gaussian with the inputs at every step.

    Mean and covariance of (x, h_t) go through the steps with the exact moments of the ReLU of
    a Gaussian.  What is assumed is that z_t and x are jointly Gaussian; with
    `given="order"`, also that x is Gaussian given the places of the largest two (its mean and
    covariance given these are exact).

    Parameters
    ----------
    network : ReluRNN
        Of the task `second_argmax`.
    seed, samples : int
        Draws, for every pair of places, of the last Gaussian of inputs and logits, which are
        judged by the order that they have themselves.
    given : {"order", "nothing"}
        Propagate once for every pair of places, or once for all.

    Returns
    -------
    Estimate
        It claims nothing.

    Raises
    ------
    TaskError
        If the network's task is another one.
    ConevolError
        For another `given`, samples < 1 or a wrong seed.

    Examples
    --------
    >>> from conevol import zoo
    >>> 0.8 < propagated_accuracy(zoo.load("4/3")).value <= 1.0
    True
    """
    started = time.perf_counter()
    n = network.n
    pairs = pairs_of(network, "propagation")
    if given not in ("order", "nothing"):
        raise ConevolError(f"given is {given!r}, expected 'order' or 'nothing'")
    if given == "order":
        moments = [order_moments(n, m, s) for m, s in pairs]
        mean = np.array([v.mean for v in moments])
        covariance = np.array([v.covariance for v in moments])
    else:
        mean, covariance = np.zeros((1, n)), np.eye(n)[None]
    h_mean, h_cov, x_h = _propagate(network, mean, covariance)
    logit_mean = h_mean @ network.W_oh.T
    logit_cov = network.W_oh @ h_cov @ network.W_oh.T
    cross = x_h @ network.W_oh.T
    joint = np.block([[covariance, cross], [cross.transpose(0, 2, 1), logit_cov]])
    centre = np.concatenate([mean, logit_mean], axis=1)
    draws = samples * len(pairs) // len(mean)
    noise = gaussian_inputs(draws, 2 * n, seed=seed)
    shares = [_share_right(c + noise @ root) for c, root in zip(centre, roots(joint), strict=True)]
    return Estimate(
        estimator=f"propagation, given {given}",
        value=float(np.mean(shares)),
        claim="none",
        error=float("nan"),
        operations=len(mean)
        * (_moment_operations(network) + root_operations(2 * n) + draws * 4 * n * n),
        seconds=time.perf_counter() - started,
    )


def _propagate(network: ReluRNN, mean: Array, covariance: Array) -> tuple[Array, Array, Array]:
    """Mean and covariance of h_n, and its covariance with x; a batch in the first axis."""
    batch, n = mean.shape
    hidden, w, recur = network.hidden, network.W_hi, network.W_hh
    h_mean, h_cov = np.zeros((batch, hidden)), np.zeros((batch, hidden, hidden))
    x_h = np.zeros((batch, n, hidden))
    for t in range(n):
        z_mean = h_mean @ recur.T + mean[:, t, None] * w
        x_z = x_h @ recur.T + covariance[:, :, t, None] * w
        side = (x_h[:, t] @ recur.T)[:, :, None] * w
        z_cov = recur @ h_cov @ recur.T + side + side.transpose(0, 2, 1)
        z_cov += covariance[:, t, t, None, None] * np.outer(w, w)
        h_mean, h_cov, on = relu_moments(z_mean, z_cov)
        # Stein's lemma: a Gaussian's covariance with max(z, 0) is that with z times P(z > 0).
        x_h = x_z * on[:, None, :]
    return h_mean, h_cov, x_h


def _moment_operations(network: ReluRNN) -> int:
    """Of the moments of inputs and logits, from one mean and covariance of the inputs."""
    n, k = network.n, network.hidden
    # `relu_moments`: ten a pair and node; ten more a pair; and those of every neuron.
    relu = (10 * _NODES + 10) * k * k + (_NODES + 11 + CDF_OPERATIONS + DENSITY_OPERATIONS) * k
    linear = 2 * k**3 + (n + 4) * k * k + (2 * n + 1) * k
    return n * (relu + linear) + n * k * (1 + k + 2 * n)


def _share_right(drawn: Array) -> float:
    """Share of drawn (inputs, logits) where the largest logit is that of the second input."""
    x, logits = np.split(drawn, 2, axis=1)
    return float((logits.argmax(axis=1) == np.argsort(-x, axis=1)[:, 1]).mean())
