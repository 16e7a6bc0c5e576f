"""The law of a network's activation patterns, and what follows from it exactly.

On one pattern every state is linear in the input, so the probability of the pattern's
cone and the cone's first two moments give the exact mean and covariance of all hidden states
and logits, as they give the exact law of the pattern as a random vector of bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conevol.errors import CellsError, ConevolError
from conevol.measures import Bounded, moments
from conevol.network import ReluRNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PatternLaw", "PatternRow", "masked_maps", "pattern_fractions"]

_UNIT_ROUNDOFF = 2.0**-53
# A region of measure p between two planes through 0 adds at most this times p to a moment.
_MOVED = 2.2
# Patterns whose maps are held at a time.
_CHUNK = 4096


class PatternRow(NamedTuple):
    """One pattern: its bits, a 0 or 1 a neuron and a space between steps, and how likely it is."""

    bits: str
    fraction: float
    error_bound: float


@dataclass(frozen=True)
class PatternLaw:
    """Exact law of the activation patterns of the first steps of a network, x ~ N(0, Id).

    Attributes
    ----------
    network : ReluRNN
    patterns : ndarray of bool, shape (patterns, steps, hidden)
        All patterns whose cone has an interior.
    fractions, error_bounds : ndarray, shape (patterns,)
        Their probabilities.
    first, second : ndarray, shapes (patterns, steps), (patterns, steps, steps)
        E[x 1_p] and E[x x^T 1_p], x the inputs read in these steps.
    first_bounds, second_bounds : ndarray
        Bounds of their errors, of the same shapes.
    plane_error : float
        Bound of the probability of all inputs that the rounding of the neurons' planes may put
        into a wrong pattern.  It is part of all bounds.

    Notes
    -----
    Results with errors are `conevol.Bounded`: (value, error_bound), entry by entry.
    """

    network: ReluRNN
    patterns: NDArray[np.bool_]
    fractions: NDArray[np.float64]
    error_bounds: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    first_bounds: NDArray[np.float64]
    second_bounds: NDArray[np.float64]
    plane_error: float

    def __len__(self) -> int:
        return len(self.fractions)

    def __repr__(self) -> str:
        return (
            f"PatternLaw({len(self)} patterns of {self.network.hidden} neurons, {self.steps} steps)"
        )

    @property
    def steps(self) -> int:
        """How many steps the patterns have."""
        return int(self.patterns.shape[1])

    def rows(self) -> Iterator[PatternRow]:
        """The patterns, the most likely first."""
        for i in np.argsort(-self.fractions, kind="stable"):
            bits = " ".join("".join("01"[int(b)] for b in step) for step in self.patterns[i])
            yield PatternRow(bits, float(self.fractions[i]), float(self.error_bounds[i]))

    def entropy(self) -> Bounded:
        """Entropy of the pattern in bits.

        The bound is Fannes' and Audenaert's for two laws on 2^(steps hidden) patterns at
        this total variation (K. M. R. Audenaert, J. Phys. A 40, 2007, eq. 3).
        """
        p = self.fractions[self.fractions > 0.0]
        value = float(-(p * np.log2(p)).sum())
        distance = min(self._mass_error(), 0.5)
        binary = -distance * math.log2(distance) if distance else 0.0
        binary -= (1.0 - distance) * math.log1p(-distance) / math.log(2.0)
        rounding = 8.0 * _UNIT_ROUNDOFF * (len(self) + 1.0) * value
        bound = distance * self.steps * self.network.hidden + binary + rounding
        return Bounded(max(value, 0.0), bound)

    def neuron_probabilities(self) -> Bounded:
        """P(neuron j is on at step t), shape (steps, hidden)."""
        p = np.einsum("p,ptj->tj", self.fractions, self.patterns)
        return Bounded(p, np.full_like(p, self._mass_error()))

    def pair_probabilities(self) -> Bounded:
        """P(both are on) for all pairs of (step, neuron), shape (steps hidden, steps hidden)."""
        bits = self.bits()
        p = (bits * self.fractions[:, None]).T @ bits
        return Bounded(p, np.full_like(p, self._mass_error()))

    def activation_covariance(self) -> Bounded:
        """Covariance of the bits of the pattern, shape (steps hidden, steps hidden)."""
        p, single = self.pair_probabilities(), self.neuron_probabilities().value.reshape(-1)
        return Bounded(p.value - np.outer(single, single), 3.0 * p.error_bound)

    def bits(self) -> NDArray[np.float64]:
        """The patterns as rows of 0 and 1, shape (patterns, steps hidden)."""
        return self.patterns.reshape(len(self), -1).astype(np.float64)

    def hidden_mean(self) -> Bounded:
        """E[h_t], shape (steps, hidden)."""
        value, bound = self._states(None)[0]
        return Bounded(value.reshape(self.steps, -1), bound.reshape(self.steps, -1))

    def hidden_covariance(self) -> Bounded:
        """Covariance of all hidden states, shape (steps hidden, steps hidden)."""
        return self._states(None)[1]

    def logit_mean(self) -> Bounded:
        """E[logits], shape (n,).

        Raises
        ------
        ConevolError
            If the law is that of a prefix.
        """
        return self._states(self._readout())[0]

    def logit_covariance(self) -> Bounded:
        """Covariance of the logits, shape (n, n).

        Raises
        ------
        ConevolError
            If the law is that of a prefix.
        """
        return self._states(self._readout())[1]

    def _readout(self) -> NDArray[np.float64]:
        if self.steps < self.network.n:
            raise ConevolError(
                f"logits are read after {self.network.n} steps, and this law has {self.steps}: "
                "call pattern_fractions without steps"
            )
        return self.network.W_oh

    def _mass_error(self) -> float:
        """Bound of the error of any event's probability."""
        rounding = len(self) * _UNIT_ROUNDOFF
        return float(self.error_bounds.sum()) + self.plane_error + rounding

    def _states(self, readout: NDArray[np.float64] | None) -> tuple[Bounded, Bounded]:
        """Mean and covariance of all hidden states, or of the last ones' readout.

        With S_p the map to the states on pattern p: E[s] = sum S_p E[x 1_p], and
        E[s s^T] = sum S_p E[x x^T 1_p] S_p^T.
        """
        size = self.steps * self.network.hidden if readout is None else len(readout)
        mean, mean_bound = np.zeros((2, size))
        square, square_bound = np.zeros((2, size, size))
        largest = np.zeros(size)
        # Roundings on the way through the maps, and of the sums.
        gamma = (self.steps * (self.network.hidden + 3) + 2 * self.steps + 8) * _UNIT_ROUNDOFF
        gamma += 2.0 * (self.network.hidden + len(self)) * _UNIT_ROUNDOFF
        for start in range(0, len(self), _CHUNK):
            part = slice(start, start + _CHUNK)
            values, sizes = self._maps(part)
            s = _stacked(values, readout)
            size_of_s = _stacked(sizes, None if readout is None else np.abs(readout))
            e1, e2 = self.first[part], self.second[part]
            b1 = self.first_bounds[part] + gamma * np.abs(e1)
            b2 = self.second_bounds[part] + 2.0 * gamma * np.abs(e2)
            mean += np.einsum("pit,pt->i", s, e1)
            mean_bound += np.einsum("pit,pt->i", size_of_s, b1)
            square += np.einsum("pit,pjt->ij", s @ e2, s)
            square_bound += np.einsum("pit,pjt->ij", size_of_s @ b2, size_of_s)
            largest = np.maximum(largest, size_of_s.sum(axis=2).max(axis=0))
        # What the rounding of planes moves is mapped by one pattern's map instead of another's.
        moved = 2.0 * _MOVED * self.plane_error
        mean_bound += moved * largest
        square_bound += moved * np.outer(largest, largest)
        covariance = square - np.outer(mean, mean)
        bound = square_bound + np.outer(np.abs(mean) + mean_bound, mean_bound)
        bound += np.outer(mean_bound, np.abs(mean)) + 2.0 * _UNIT_ROUNDOFF * np.abs(square)
        return Bounded(mean, mean_bound), Bounded((covariance + covariance.T) / 2.0, bound)

    def _maps(self, part: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Maps to the hidden states, and the same of the weights' absolute values."""
        net, on = self.network, self.patterns[part]
        sizes = masked_maps(np.abs(net.W_hi), np.abs(net.W_hh), on)[1]
        return masked_maps(net.W_hi, net.W_hh, on)[1], sizes


def masked_maps(
    w_hi: NDArray[np.float64], w_hh: NDArray[np.float64], on: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maps from the inputs read to all states, of many patterns at once.

    Parameters
    ----------
    w_hi, w_hh : ndarray, shapes (hidden,), (hidden, hidden)
    on : ndarray of bool, shape (patterns, steps, hidden)

    Returns
    -------
    pre_activations, hidden_states : ndarray, shape (patterns, steps, hidden, steps)
        z_t = pre_activations[p, t] @ x on pattern p, and h_t likewise.
    """
    count, steps, hidden = on.shape
    z, h = np.zeros((2, count, steps, hidden, steps))
    for t in range(steps):
        if t:
            z[:, t] = w_hh @ h[:, t - 1]
        z[:, t, :, t] = w_hi
        h[:, t] = np.where(on[:, t, :, None], z[:, t], 0.0)
    return z, h


def _stacked(maps: NDArray[np.float64], readout: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Maps to all states, one below the other, or to a readout of the last ones."""
    if readout is None:
        return maps.reshape(len(maps), -1, maps.shape[-1])
    return np.asarray(readout @ maps[:, -1])


def pattern_fractions(
    network: ReluRNN,
    steps: int | None = None,
    *,
    threads: int | None = None,
    max_patterns: int = 200_000,
) -> PatternLaw:
    """Exact probability of every activation pattern of a network, x ~ N(0, Id).

    Parameters
    ----------
    network : ReluRNN
    steps : int, optional
        Only the first so many steps; by default all n.
    threads : int, optional
        By default one a core.  The result does not depend on it.
    max_patterns : int
        Give up when there are more.

    Returns
    -------
    PatternLaw

    Raises
    ------
    ConevolError
        If steps is not in 1 .. n.
    CellsError
        If there are more patterns than max_patterns.
    WeightsError
        If products of the weights overflow.
    FractionError
        If the moments of a pattern's cone cannot be computed.

    Notes
    -----
    A pattern of m steps is a cone in m dimensions, from `conevol.tree.PatternTree`, and its
    moments are those of `conevol.moments`.  Bounds add up the errors of the cones, of the planes
    and of the maps; they are of the kind that `conevol.fraction` gives in four dimensions.

    Examples
    --------
    The first step knows the sign of the first input, so it has two patterns:

    >>> from conevol import zoo
    >>> law = pattern_fractions(zoo.load("4/3"), steps=1)
    >>> law
    PatternLaw(2 patterns of 4 neurons, 1 steps)
    >>> law.fractions.tolist(), law.entropy().value
    ([0.5, 0.5], 1.0)
    """
    m = network.n if steps is None else steps
    if not 1 <= m <= network.n:
        raise ConevolError(f"steps is {steps}, expected 1 .. n = {network.n}")
    if network.n == 1 or not network.W_hi.any():
        patterns, normals, bounds, plane_error = _one_input(network, m)
    else:
        patterns, normals, bounds, plane_error = _by_tree(network, m, max_patterns)
    fractions, first, second = _moments(normals, m, threads)
    return PatternLaw(
        network=network,
        patterns=patterns,
        fractions=fractions[0],
        error_bounds=np.maximum(fractions[1], bounds),
        first=first[0],
        second=second[0],
        first_bounds=first[1],
        second_bounds=second[1],
        plane_error=plane_error,
    )


# Patterns, their cones' normals, bounds of the tree's own fractions, error of the planes.
_Found = tuple["NDArray[np.bool_]", "list[NDArray[np.float64]]", "NDArray[np.float64]", float]


def _one_input(network: ReluRNN, steps: int) -> _Found:
    """Where the tree has no planes: one input, or input weights of 0."""
    signs = (1.0, -1.0) if network.W_hi.any() else (0.0,)
    patterns = np.zeros((len(signs), steps, network.hidden), dtype=np.bool_)
    normals = []
    for i, sign in enumerate(signs):
        patterns[i, 0] = sign * network.W_hi > 0.0
        normals.append(np.eye(steps)[:1] * sign)
    return patterns, normals, np.zeros(len(signs)), 0.0


def _by_tree(network: ReluRNN, steps: int, most: int) -> _Found:
    """The patterns that the tree finds."""
    from conevol.cells import pattern_tree, patterns_of

    # The task plays no part, as no cell is cut; this one exists for every length.
    tree = pattern_tree(network, task="argmax")
    nodes = [tree.root]
    # Step by step, so that too many are noticed before they fill the memory.
    for t in range(1, steps + 1):
        nodes = tree.prefixes(t * network.hidden)
        if len(nodes) > most:
            raise CellsError(
                f"the first {t} steps of {network.hidden} neurons have {len(nodes):,} patterns, "
                f"and max_patterns is {most:,}: raise it, or ask for fewer steps"
            )
    cones = [tree.cone(node) for node in nodes]
    return (
        patterns_of(network, nodes),
        [cone.normals for cone in cones],
        np.array([cone.error_bound for cone in cones]),
        tree.prefix_error(steps * network.hidden),
    )


def _moments(normals: list[NDArray[np.float64]], d: int, threads: int | None) -> Any:
    """Fractions, first and second moments of cones, each with a leading axis (value, bound)."""
    count = len(normals)
    fractions, first = np.empty((2, count)), np.empty((2, count, d))
    second = np.empty((2, count, d, d))
    sizes = np.array([len(a) for a in normals])
    for size in np.unique(sizes):
        of = np.flatnonzero(sizes == size)
        m = moments(np.array([normals[i] for i in of]), threads=threads)
        fractions[:, of] = m.fraction, m.fraction_bound
        first[:, of] = m.first, m.first_bound
        second[:, of] = m.second, m.second_bound
    return fractions, first, second
