"""The order and scale of neurons in which the note writes its network."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol.errors import ConevolError, WeightsError
from conevol.network import Ensemble, ReluRNN
from conevol.symbolic._conditions import conditions
from conevol.symbolic._note import OPPOSITE

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CanonicalForm", "canonical_form"]

SCALINGS = ("power of two", "unit", "none")


@dataclass(frozen=True)
class CanonicalForm:
    """A network with its neurons in another order and on another scale.

    Attributes
    ----------
    network : ReluRNN
    permutation : ndarray of int, shape (hidden,)
        Neuron j was neuron permutation[j].
    scales : ndarray, shape (hidden,)
        State j is scales[j] times that of neuron permutation[j].
    """

    network: ReluRNN
    permutation: NDArray[np.int64]
    scales: NDArray[np.float64]


def canonical_form(network: ReluRNN, *, scaling: str = "power of two") -> CanonicalForm:
    """Bring a network of four neurons and n = 3 to the note's order of neurons.

    Neurons 0, 1 get the positive input weights and 2, 3 the negative ones; within both
    pairs the order is that in which most of the note's 16 inequalities hold, and of those
    the one with the largest smallest margin.

    Parameters
    ----------
    network : ReluRNN
        With two positive and two negative input weights.
    scaling : {"power of two", "unit", "none"}
        Positive scales of the states, which change no logit.  Powers of two, without any
        rounding: |W_hi| of neurons 0 and 1 in [1 / sqrt(2), sqrt(2)], of 3 and 2 within a factor
        sqrt(2) of those.  Or scales that make all input weights 1 and -1, with rounding: the
        same for all networks that differ by order and scale.  Or all 1.

    Raises
    ------
    WeightsError
        For another shape or other signs of the input weights.
    ConevolError
        For an unknown scaling.

    Examples
    --------
    >>> from conevol import zoo
    >>> form = canonical_form(zoo.load("4/3"), scaling="none")
    >>> form.permutation
    array([3, 2, 1, 0])
    >>> form.network.W_hi.round(3)
    array([ 3.799,  4.592, -4.691, -3.854])
    """
    if scaling not in SCALINGS:
        raise ConevolError(f"unknown scaling {scaling!r}, expected one of {', '.join(SCALINGS)}")
    positive, negative = (np.flatnonzero(side) for side in (network.W_hi > 0, network.W_hi < 0))
    if (network.hidden, network.n, len(positive), len(negative)) != (4, 3, 2, 2):
        raise WeightsError(
            f"the note's order is for 4 neurons and n = 3 with two positive and two negative input "
            f"weights, got {network.hidden} neurons, n = {network.n}, {len(positive)} positive, "
            f"{len(negative)} negative"
        )
    unit = 1.0 / np.abs(network.W_hi)
    orders = [
        np.array([*first, *second])
        for first in itertools.permutations(positive)
        for second in itertools.permutations(negative)
    ]
    # Margins of neurons on a common scale, so that the choice does not depend on the given one.
    tried = Ensemble.of([_changed(network, order, unit[order]) for order in orders])
    margins = np.array([c.margin for c in conditions(tried) if c.kind == "checked"])
    margins = np.nan_to_num(margins, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    best = max(range(4), key=lambda i: ((margins[:, i] > 0).sum(), margins[:, i].min()))
    order = orders[best]
    scales = _scales(network.W_hi[order], scaling)
    return CanonicalForm(_changed(network, order, scales), order, scales)


def _changed(network: ReluRNN, order: NDArray[np.int64], scales: NDArray[np.float64]) -> ReluRNN:
    """The network with neuron j the given one times a scale."""
    return ReluRNN(
        network.W_hi[order] * scales,
        network.W_hh[np.ix_(order, order)] * scales[:, None] / scales,
        network.W_oh[:, order] / scales,
        task=network.task,
        metadata=network.metadata,
    )


def _scales(w: NDArray[np.float64], scaling: str) -> NDArray[np.float64]:
    if scaling == "none":
        return np.ones(len(w))
    if scaling == "unit":
        return 1.0 / np.abs(w)
    scales = np.empty(len(w))
    for low, high in OPPOSITE:
        scales[low] = _power_near(1.0 / w[low])
        scales[high] = _power_near(scales[low] * w[low] / w[high])
    return scales


def _power_near(x: float) -> float:
    """The power of two nearest to |x| in ratio."""
    return 2.0 ** float(np.rint(np.log2(abs(x))))
