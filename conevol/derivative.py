"""The derivative of a network's exact accuracy in its weights, from the facets of its cells.

The accuracy is a sum of fractions of cells.  Turning a facet of a cell by a change of its normal
moves the cell's fraction by a vector of the facet times that change (`conevol.gradient`), and
the normals are pre-activations and differences of logits: linear maps of the input made of
weights.  So the derivative is a sum over facets; between two cells that both count it
cancels, and what is left are the facets where right meets wrong.

The chain rule needs no matrices: a normal's product with the facet's vector m is a
pre-activation, or a difference of logits, of the linear network of the cell's pattern at the
input m, and its derivative in the weights is one backward pass of that network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol._fraction import fraction
from conevol.cells import Cells, accuracy
from conevol.errors import FractionError
from conevol.measures import gradient
from conevol.network import ReluRNN
from conevol.patterns import masked_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.tasks import Task

__all__ = ["WeightsGradient", "accuracy_gradient"]

# A ray this close to a plane (angle) lies on it; this close it may lie on it.
_TIGHT, _NEAR = 1e-10, 1e-7
# Unit normals that differ by no more are those of one plane.
_SAME = 1e-12
# A difference of logits is 0 when it is no larger, relative to its terms.
_ZERO = 1e-14
# How closely the fraction of a cell's facets must be that of the cell.
_AGREE = 1e-11
# Cells whose maps are held at a time.
_CHUNK = 4096


@dataclass(frozen=True)
class WeightsGradient:
    """Exact accuracy of a network and its derivative.

    Attributes
    ----------
    W_hi, W_hh, W_oh : ndarray
        d accuracy / d weight, in the weights' shapes.
    value, error_bound : float
        The accuracy and its bound, as `conevol.accuracy` gives them.
    kinks : float
        How much of the boundary lies where two planes that move differently coincide; where it
        is not 0 the accuracy has no derivative, see `accuracy_gradient`.
    """

    W_hi: NDArray[np.float64]
    W_hh: NDArray[np.float64]
    W_oh: NDArray[np.float64]
    value: float
    error_bound: float
    kinks: float

    @property
    def norm(self) -> float:
        """Length of the whole gradient."""
        return math.sqrt(sum(float((w * w).sum()) for w in (self.W_hi, self.W_hh, self.W_oh)))


class _Facets(NamedTuple):
    """Facets of cells that move: d accuracy = sum over facets of vector . d normal.

    Attributes
    ----------
    pattern : (f, n, hidden) array of bool
    vector : (f, n) array
    neuron : (f,) array
        Which pre-activation is the normal, step hidden + neuron, or -1.
    logits : (f, 2) array
        Which difference of logits, first minus second, is the normal, where neuron is -1.
    """

    pattern: NDArray[np.bool_]
    vector: NDArray[np.float64]
    neuron: NDArray[np.int64]
    logits: NDArray[np.int64]


class _Planes(NamedTuple):
    """Planes a cell can touch: order planes, then neurons, then logits of the prediction.

    Attributes
    ----------
    normals : (k, n) array
        Of length 1, or 0, and pointing into the cell.
    scales : (k,) array
        normals times scales are the pre-activations and differences that the weights make.
    """

    normals: NDArray[np.float64]
    scales: NDArray[np.float64]


def accuracy_gradient(
    network: ReluRNN, *, task: str | Task | None = None, ties: str = "first"
) -> WeightsGradient:
    """Exact derivative of the exact accuracy in every weight.

    Parameters
    ----------
    network : ReluRNN
    task : str or Task, optional
        By default the network's own.
    ties : {"first", "split", "wrong"}
        As for `conevol.accuracy`.

    Returns
    -------
    WeightsGradient

    Raises
    ------
    WeightsError, TaskError, CellsError, ConevolError
        As `conevol.accuracy` with a table.
    FractionError
        As `conevol.gradient`, for n > 3; and if the facets of a cell cannot be told apart.

    Notes
    -----
    A positive factor on a neuron's incoming weights, taken back from its outgoing ones, changes no
    prediction; the gradient is orthogonal to these directions.

    Where tied logits fill a cone, the tie is resolved by the rule, and the cone's facets move
    with the neurons that bound it.  The tie itself is taken to remain: where a change of
    weights would resolve it (two equal rows of the readout, say), the accuracy jumps, and
    no derivative tells.

    Where a plane of equal logits lies on an order plane, or on another plane of equal logits,
    on a whole facet, the accuracy has a kink there.  The facet is then taken to stay with the
    order plane, which lies between the one-sided derivatives, or to move with the first pair of
    logits.  ``kinks`` is the sum of the lengths of such facets' vectors; with ties in the
    network it may count neurons' planes on order planes that do not matter.  A network that is
    always right has nothing but kinks, and the gradient 0.

    Examples
    --------
    >>> from conevol import zoo
    >>> net = zoo.load("4/3")
    >>> g = accuracy_gradient(net)
    >>> g.kinks, bool(g.norm > 0.0)
    (0.0, True)
    >>> neuron = g.W_hi[0] * net.W_hi[0] + g.W_hh[0] @ net.W_hh[0]
    >>> neuron -= g.W_hh[:, 0] @ net.W_hh[:, 0] + g.W_oh[:, 0] @ net.W_oh[:, 0]
    >>> bool(abs(neuron) < 1e-13)
    True
    """
    result = accuracy(network, task=task, ties=ties, table=True)
    cells = result.table
    assert cells is not None
    total = [np.zeros_like(w) for w in (network.W_hi, network.W_hh, network.W_oh)]
    kinks = 0.0
    counting = _credit(network, cells, ties)
    some = np.flatnonzero(counting) if network.n > 1 and network.W_hi.any() else np.empty(0, int)
    for start in range(0, len(some), _CHUNK):
        part = some[start : start + _CHUNK]
        facets, kinked = _facets_of(network, cells, part, counting[part], result.tied > 0.0)
        kinks += kinked
        for w, more in zip(total, _pull_back(network, facets), strict=True):
            w += more
    return WeightsGradient(total[0], total[1], total[2], result.value, result.error_bound, kinks)


def _credit(network: ReluRNN, cells: Cells, ties: str) -> NDArray[np.float64]:
    """What each cell counts, in [0, 1]."""
    credit = (cells.label == cells.prediction).astype(float)
    tied = np.flatnonzero(cells.ties > 1)
    if ties == "wrong":
        credit[tied] = 0.0
    elif ties == "split":
        for c in tied:
            difference = network.W_oh[cells.label[c]] - network.W_oh[cells.prediction[c]]
            states = network.linear_maps(cells.pattern[c]).hidden_states[-1]
            size = np.abs(difference) @ np.abs(states)
            best = np.abs(difference @ states).max() <= _ZERO * size.max(initial=0.0)
            credit[c] = best / cells.ties[c]
    return credit


def _facets_of(
    network: ReluRNN,
    cells: Cells,
    part: NDArray[np.int64],
    credit: NDArray[np.float64],
    some_tied: bool,
) -> tuple[_Facets, float]:
    """The moving facets of some cells, times what the cells count, and the kinks among them."""
    z, h = masked_maps(network.W_hi, network.W_hh, cells.pattern[part])
    n = network.n
    order = n * (n - 1) // 2
    neurons = order + n * network.hidden
    owner, which, vectors = [], [], []
    kinks = 0.0
    for i, c in enumerate(part):
        planes = _planes(network, z[i], h[i, -1], cells, int(c))
        rows, found = _boundary(cells.rays[c], planes.normals, float(cells.fraction[c]))
        for row, vector in zip(rows, found, strict=True):
            same = np.abs(planes.normals - planes.normals[row]).max(axis=1) <= _SAME
            same[row] = False
            kinked = same[neurons:].any() and not order <= row < neurons
            kinked |= some_tied and row < order and same[order:neurons].any()
            kinks += float(credit[i] * np.linalg.norm(vector)) if kinked else 0.0
            if row >= order:
                owner.append(i)
                which.append(row)
                vectors.append(vector * (credit[i] / planes.scales[row]))
    at, of = np.array(which, dtype=np.int64), np.array(owner, dtype=np.int64)
    return _Facets(
        cells.pattern[part][of],
        np.array(vectors).reshape(-1, n),
        np.where(at < neurons, at - order, -1),
        np.stack([cells.prediction[part][of], np.maximum(at - neurons, 0)], axis=1),
    ), kinks


def _planes(
    network: ReluRNN, z: NDArray[np.float64], h: NDArray[np.float64], cells: Cells, c: int
) -> _Planes:
    """The planes of one cell, with maps z (n, hidden, n) of its pattern and h of the last step."""
    n, prediction = network.n, cells.prediction[c]
    first, second = np.triu_indices(n, 1)
    pairs = np.eye(n)[first] - np.eye(n)[second]
    pairs *= np.where((cells.rays[c] @ pairs.T).sum(axis=0) < 0.0, -1.0, 1.0)[:, None]
    signs = np.where(cells.pattern[c].reshape(-1), 1.0, -1.0)
    differences = network.W_oh[prediction] - network.W_oh
    logits = differences @ h
    # Where logits tie their difference is 0 but for rounding.
    sizes = (np.abs(differences) @ np.abs(h)).max(axis=1, keepdims=True)
    logits = np.where(np.abs(logits).max(axis=1, keepdims=True) <= _ZERO * sizes, 0.0, logits)
    rows = np.vstack([pairs, signs[:, None] * z.reshape(-1, n), logits])
    lengths = np.linalg.norm(rows, axis=1)
    scales = lengths.copy()
    scales[len(pairs) : len(pairs) + len(signs)] *= signs
    return _Planes(rows / np.where(lengths > 0.0, lengths, 1.0)[:, None], scales)


def _boundary(
    rays: NDArray[np.float64], normals: NDArray[np.float64], share: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows that bound a cell of this fraction, and the fraction's derivatives in them."""
    n = normals.shape[1]
    heights = rays @ normals.T
    # A plane of the order that the label does not depend on may cut the cell.
    heights[:, ~normals.any(axis=1) | (heights.min(axis=0) < -_NEAR)] = np.inf
    heights = np.abs(heights)
    if n == 2:
        ends = heights[[0, -1]]
        return _touching(ends), rays[[0, -1]] / (2.0 * math.pi)
    if n == 3:
        after = np.roll(rays, -1, axis=0)
        cosine = (rays * after).sum(axis=1)
        sine = np.linalg.norm(np.cross(rays, after), axis=1)
        # An arc of angle a has mean sin(a / 2) (its middle) / sqrt(2 pi) over its Gaussian.
        vectors = (rays + after) * (sine / (1.0 + cosine) / (4.0 * math.pi))[:, None]
        return _touching(np.maximum(heights, np.roll(heights, -1, axis=0))), vectors
    # A row too many is redundant, and costs no more than time.
    rows = np.flatnonzero((heights <= _NEAR).sum(axis=0) >= n - 1)
    if abs(float(fraction(normals[rows])) - share) > _AGREE:
        raise FractionError(
            f"the facets of a cell of fraction {share:.3g} are not told apart by its rays: "
            "its planes are too close to each other"
        )
    vectors = gradient(normals[rows])
    moving = vectors.any(axis=1)
    return rows[moving], vectors[moving]


def _touching(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first plane that touches each facet, else the nearest; distances (facets, planes)."""
    tight = distances <= _TIGHT
    return np.where(tight.any(axis=1), tight.argmax(axis=1), distances.argmin(axis=1))


def _pull_back(network: ReluRNN, facets: _Facets) -> tuple[NDArray[np.float64], ...]:
    """Sum over facets of d (normal . vector) / d weights: a backward pass at the vectors."""
    count, n, hidden = facets.pattern.shape
    states = np.zeros((n + 1, count, hidden))
    for t in range(n):
        z = states[t] @ network.W_hh.T + facets.vector[:, t, None] * network.W_hi
        states[t + 1] = np.where(facets.pattern[:, t], z, 0.0)
    by_logits = facets.neuron < 0
    own = np.zeros((count, n * hidden))
    own[~by_logits, facets.neuron[~by_logits]] = 1.0
    own = own.reshape(count, n, hidden)
    first, second = facets.logits.T
    side = np.where(by_logits, 1.0, 0.0)[:, None]
    choice = side * (np.eye(n)[first] - np.eye(n)[second])
    g_hi, g_hh = np.zeros_like(network.W_hi), np.zeros_like(network.W_hh)
    back = choice @ network.W_oh
    for t in reversed(range(n)):
        dz = np.where(facets.pattern[:, t], back, 0.0) + own[:, t]
        g_hi += facets.vector[:, t] @ dz
        g_hh += dz.T @ states[t]
        back = dz @ network.W_hh
    return g_hi, g_hh, choice.T @ states[n]
