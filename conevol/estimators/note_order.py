"""The note's four neurons: their order, its quantities, and the conditions that "happen to" hold.

J. Hilton, "Heuristic explanations for 2nd argmax models" (2024), the case of 4 neurons
and n = 3.  Everything here is done for all networks of an ensemble at once.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol.errors import WeightsError
from conevol.network import Ensemble

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CONDITIONS", "Quantities", "in_note_order", "margins", "quantities"]

CONDITIONS = (
    "a_3 > 0", "-a_0 > 0", "a_2 > 0", "-a_1 > 0",
    "b_3 > 0", "-b_0 > 0", "b_2 > 0", "-b_1 > 0",
    "c_0 > 0", "-c_3 > 0", "c_1 > 0", "-c_2 > 0",
    "gamma_0 / alpha_3 < 1", "gamma_0 / beta_3 < 1",
    "gamma_1 / alpha_2 > 1", "gamma_1 / beta_2 > 1",
)  # fmt: skip


class Quantities(NamedTuple):
    """The note's quantities, for every network (N) of an ensemble.

    Attributes
    ----------
    a, b, c : ndarray, shape (N, 4)
        z_2 = a x_0 + c x_1 for x_0 >= 0, b x_0 + c x_1 for x_0 <= 0.
    alpha, beta : ndarray, shape (N, 2)
        (alpha_3, alpha_2) and (beta_3, beta_2): entry j is the mean of a_{3-j} and -a_j.
    gamma : ndarray, shape (N, 2)
        (gamma_0, gamma_1): entry j is the mean of c_j and -c_{3-j}.
    """

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    c: NDArray[np.float64]
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    gamma: NDArray[np.float64]


# Products a_j and b_j (two each), and the six means.
QUANTITY_OPERATIONS = 2 * 4 * 2 + 6


def quantities(networks: Ensemble) -> Quantities:
    """The quantities of networks that are in the note's order."""
    w, c = networks.W_hh, networks.W_hi
    a = w[:, :, 0] * c[:, None, 0] + w[:, :, 1] * c[:, None, 1]
    b = w[:, :, 2] * c[:, None, 2] + w[:, :, 3] * c[:, None, 3]

    def mean(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return 0.5 * (v[:, [3, 2]] - v[:, [0, 1]])

    return Quantities(a, b, c, mean(a), mean(b), -mean(c))


def margins(networks: Ensemble) -> NDArray[np.float64]:
    """By how much networks in the note's order meet its `CONDITIONS`; shape (N, 16).

    The left side of the first twelve; 1 - ratio or ratio - 1 of the others.  Negative where
    a condition is broken.

    Examples
    --------
    >>> from conevol import zoo
    >>> copies = in_note_order(zoo.load("4/3").noisy_copies(256))
    >>> bool((margins(copies) > 0).all()), len(CONDITIONS)
    (True, 16)
    """
    a, b, c, alpha, beta, gamma = quantities(networks)
    signs = [v[:, [3, 0, 2, 1]] * [1.0, -1.0, 1.0, -1.0] for v in (a, b)]
    inputs = c[:, [0, 3, 1, 2]] * [1.0, -1.0, 1.0, -1.0]
    with np.errstate(divide="ignore", invalid="ignore"):
        by_alpha, by_beta = gamma / alpha, gamma / beta
    first = 1.0 - np.stack([by_alpha[:, 0], by_beta[:, 0]], axis=1)
    second = np.stack([by_alpha[:, 1], by_beta[:, 1]], axis=1) - 1.0
    return np.concatenate([*signs, inputs, first, second], axis=1)


def in_note_order(networks: Ensemble) -> Ensemble:
    """The networks with their neurons permuted: positive input weights first, then as the note.

    Of the four orders with the two positive weights first, every network gets the one whose
    smallest margin is largest.  No neuron is scaled.

    Raises
    ------
    WeightsError
        If the networks do not have 4 neurons and n = 3, or one has not just two
        positive and two negative input weights.
    """
    if (networks.hidden, networks.n) != (4, 3):
        raise WeightsError(
            f"the note's case analysis is for 4 neurons and n = 3, got {networks.hidden} neurons "
            f"and n = {networks.n}"
        )
    positive = networks.W_hi > 0.0
    wrong = np.flatnonzero((positive.sum(axis=1) != 2) | (networks.W_hi == 0.0).any(axis=1))
    if len(wrong):
        raise WeightsError(
            f"network {wrong[0]} has the input weights {networks.W_hi[wrong[0]]} ({len(wrong)} of "
            f"{len(networks)} networks): the note needs two positive and two negative ones"
        )
    first = np.argsort(~positive, axis=1, kind="stable")
    best, chosen = np.full(len(networks), -np.inf), first
    for swap in itertools.product(([0, 1], [1, 0]), ([2, 3], [3, 2])):
        order = first[:, [*swap[0], *swap[1]]]
        margin = np.nan_to_num(margins(_permuted(networks, order)), nan=-np.inf).min(axis=1)
        better = margin > best
        best = np.where(better, margin, best)
        chosen = np.where(better[:, None], order, chosen)
    return _permuted(networks, chosen)


def _permuted(networks: Ensemble, order: NDArray[np.int64]) -> Ensemble:
    """Network i with its neurons in the order order[i]."""
    i = np.arange(len(networks))[:, None]
    return Ensemble(
        networks.W_hi[i, order],
        networks.W_hh[i[:, :, None], order[:, :, None], order[:, None, :]],
        networks.W_oh[i[:, :, None], np.arange(networks.n)[None, :, None], order[:, None, :]],
        task=networks.task,
    )
