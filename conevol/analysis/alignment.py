"""Distributed alignment search: which subspace of a state carries a causal variable.

An interchange intervention runs the network on a base input, replaces the part of its
state that lies in a subspace by that of a source input, and lets it run on:

    h' = h(base) + P (h(source) - h(base)),    P the orthogonal projection on the subspace.

Where the prediction then is what a causal model says after the same swap of one of its
variables, the subspace carries the variable (A. Geiger et al., "Finding alignments between
interpretable causal variables and distributed neural representations", 2023).  The share
of such pairs is the interchange accuracy; `align` looks for the subspace that makes it large.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol.analysis.causal import swapped_labels
from conevol.analysis.sites import RecurrentSite, Site
from conevol.errors import ConevolError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from conevol.network import ReluRNN

__all__ = ["Alignment", "Pairs", "align", "interchanged_logits", "network_pairs", "orthonormal"]

_ADAM = (0.9, 0.999, 1e-8)


class Pairs(NamedTuple):
    """A batch of inputs and what the causal model answers after the swap."""

    base: NDArray[np.float64]
    source: NDArray[np.float64]
    label: NDArray[np.int64]


@dataclass(frozen=True)
class Alignment:
    """What a search found.

    Attributes
    ----------
    basis : ndarray, shape (dimensions, width)
        Orthonormal basis of the subspace.
    value, standard_error : float
        Interchange accuracy on fresh pairs, and its standard error.
    curve : ndarray, shape (steps, 2)
        Loss and interchange accuracy of the batches on the way, of the best start.
    """

    basis: NDArray[np.float64]
    value: float
    standard_error: float
    curve: NDArray[np.float64]


def orthonormal(subspace: ArrayLike, width: int) -> NDArray[np.float64]:
    """An orthonormal basis (r, width) of the span of rows (m, width).

    Raises
    ------
    ConevolError
        For a wrong shape, or entries that are not finite.

    Examples
    --------
    >>> orthonormal([[3.0, 0.0], [6.0, 0.0]], 2)
    array([[1., 0.]])
    """
    rows = np.asarray(subspace, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != width or not np.isfinite(rows).all():
        raise ConevolError(
            f"subspace has shape {rows.shape}, expected (m, {width}) finite rows that span it"
        )
    _, values, basis = np.linalg.svd(rows, full_matrices=False)
    rank = int((values > 1e-12 * values.max(initial=0.0)).sum())
    basis = basis[:rank]
    return basis * np.sign(basis[np.arange(rank), np.abs(basis).argmax(axis=1)])[:, None] + 0.0


def interchanged_logits(
    site: Site, basis: NDArray[np.float64], base: NDArray[np.float64], source: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logits on base inputs with the subspace of the state taken from the sources."""
    h = site.state(base)
    return site.finish(h + (site.state(source) - h) @ basis.T @ basis, base)


def network_pairs(
    network: ReluRNN, variable: str, step: int
) -> Callable[[int, np.random.Generator], Pairs]:
    """Independent Gaussian bases and sources, labelled by the program of `conevol.analysis.causal`.

    Raises
    ------
    TaskError
        As `conevol.analysis.causal.variables_named`.
    """

    def draw(count: int, rng: np.random.Generator) -> Pairs:
        base, source = rng.standard_normal((2, count, network.n))
        return Pairs(base, source, swapped_labels(base, source, variable, step))

    draw(1, np.random.default_rng(0))
    return draw


def align(
    site: Site | ReluRNN,
    pairs: Callable[[int, np.random.Generator], Pairs] | str,
    dimensions: int,
    *,
    step: int | None = None,
    steps: int = 400,
    batch: int = 512,
    rate: float = 0.03,
    starts: int = 4,
    samples: int = 20_000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Alignment:
    """Search for the subspace that carries a causal variable.

    Parameters
    ----------
    site : Site or ReluRNN
        Where the state is swapped; for a network give `step` too.
    pairs : callable or str
        Draws labelled pairs: pairs(count, rng); or, for a network, the name of a variable
        of `conevol.analysis.causal`.
    dimensions : int
        Of the subspace.
    step : int, optional
        Entries read before the swap.
    steps, batch, rate : int, int, float
        Length of the search, pairs a step, rate of Adam.
    starts : int
        Random subspaces that it starts from; the best on fresh pairs is returned.
    samples : int
        Fresh pairs for that.
    seed : int
        The same seed gives the same result.
    progress : callable, optional
        Called with (starts done, of all) after each.

    Raises
    ------
    ConevolError
        For dimensions outside 1 .. width, or a missing step.
    TaskError
        For an unknown variable.

    Notes
    -----
    The loss is the cross-entropy of the intervened logits against the causal model's
    answer, minimised by Adam on the entries of the basis, which is made orthonormal again
    after every step (a QR retraction).  The derivative with respect to a basis Q, with
    D = h(source) - h(base) and G the derivative with respect to the state, is
    Q (D^T G + G^T D).

    Examples
    --------
    >>> from conevol import zoo
    >>> found = align(zoo.load("4/3"), "x_0 > x_1", 1, step=2, steps=100, starts=1, samples=2000)
    >>> found.basis.shape, found.value > 0.5
    ((1, 4), True)
    """
    place, draw = _resolved(site, pairs, step)
    if not 1 <= dimensions <= place.width:
        raise ConevolError(f"dimensions is {dimensions}, expected 1 .. {place.width}")
    fresh = draw(samples, np.random.default_rng([seed, 1]))
    best: Alignment | None = None
    for start in range(starts):
        rng = np.random.default_rng([seed, 0, start])
        basis, curve = _descend(place, draw, dimensions, steps, batch, rate, rng)
        if progress is not None:
            progress(start + 1, starts)
        value = _agreement(place, basis, fresh)
        if best is None or value > best.value:
            error = math.sqrt(value * (1.0 - value) / samples)
            best = Alignment(orthonormal(basis, place.width), value, error, curve)
    if best is None:
        raise ConevolError(f"starts is {starts}, expected at least 1")
    return best


def _resolved(
    site: Site | ReluRNN, pairs: Callable[[int, np.random.Generator], Pairs] | str, step: int | None
) -> tuple[Site, Callable[[int, np.random.Generator], Pairs]]:
    """The site and the drawing function that the arguments stand for."""
    from conevol.network import ReluRNN

    if isinstance(site, ReluRNN):
        if step is None:
            raise ConevolError("step is missing: after how many entries is the state swapped?")
        network, site = site, RecurrentSite(site, step)
        if isinstance(pairs, str):
            pairs = network_pairs(network, pairs, step)
    if isinstance(pairs, str):
        raise ConevolError(
            "the name of a variable belongs to a network with a step; for another site give a "
            "function that draws labelled pairs"
        )
    return site, pairs


def _agreement(site: Site, basis: NDArray[np.float64], pairs: Pairs) -> float:
    """Share of the pairs on which prediction and causal model agree."""
    logits = interchanged_logits(site, basis, pairs.base, pairs.source)
    return float((logits.argmax(axis=1) == pairs.label).mean())


def _loss(
    site: Site, basis: NDArray[np.float64], pairs: Pairs
) -> tuple[float, float, NDArray[np.float64]]:
    """Cross-entropy, share of agreement, and derivative with respect to the basis."""
    h = site.state(pairs.base)
    gap = site.state(pairs.source) - h
    mixed = h + gap @ basis.T @ basis
    logits = site.finish(mixed, pairs.base)
    shifted = logits - logits.max(axis=1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(axis=1)
    rows = np.arange(len(logits))
    loss = float(np.mean(np.log(total) - shifted[rows, pairs.label]))
    right = float((logits.argmax(axis=1) == pairs.label).mean())
    d_logits = weights / total[:, None]
    d_logits[rows, pairs.label] -= 1.0
    g = site.gradient(mixed, pairs.base, d_logits / len(logits))
    return loss, right, basis @ (gap.T @ g + g.T @ gap)


def _descend(
    site: Site,
    draw: Callable[[int, np.random.Generator], Pairs],
    dimensions: int,
    steps: int,
    batch: int,
    rate: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Adam from a random subspace: the basis reached and the curve."""
    basis = np.linalg.qr(rng.standard_normal((site.width, dimensions)))[0].T
    first, second = np.zeros_like(basis), np.zeros_like(basis)
    curve = np.empty((steps, 2))
    decay_1, decay_2, least = _ADAM
    for i in range(steps):
        loss, right, slope = _loss(site, basis, draw(batch, rng))
        curve[i] = loss, right
        first = decay_1 * first + (1.0 - decay_1) * slope
        second = decay_2 * second + (1.0 - decay_2) * slope**2
        fall = 1.0 - i / steps
        step = first / (1.0 - decay_1 ** (i + 1))
        step /= np.sqrt(second / (1.0 - decay_2 ** (i + 1))) + least
        q, r = np.linalg.qr((basis - rate * fall * step).T)
        basis = (q * np.sign(np.diag(r))).T
    return basis, curve
