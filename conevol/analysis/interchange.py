"""Interchange accuracy: how often a swap in the network does what it does in the causal model.

The pair of a base input x and the first t entries of a source s is a point of R^(n + t).  The
states of both before step t, the mixed state after it and everything later are linear
on cones of that space, and so is each comparison of the causal model: the interchange accuracy
is a finite sum of fractions, in n + t dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol._fraction import fraction
from conevol.analysis.alignment import interchanged_logits, network_pairs, orthonormal
from conevol.analysis.causal import swap_regions, variables_named
from conevol.analysis.sites import RecurrentSite
from conevol.boundary import boundary_of
from conevol.errors import ConevolError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from conevol.network import ReluRNN

__all__ = ["InterchangeAccuracy", "interchange_accuracy"]

METHODS = ("auto", "exact", "sample")
# Joint dimensions up to which "auto" is exact, within some seconds for few neurons.
_EXACT_DIMENSION = 5
_UNIT_ROUNDOFF = 2.0**-53
# A plane this close to all rays of a cone, relative to its length, does not cut it.
_FLAT = 1e-11
# Sampled pairs at a time.
_BATCH = 1 << 16


@dataclass(frozen=True)
class InterchangeAccuracy:
    """Share of the pairs on which network and causal model agree after the swap.

    Attributes
    ----------
    value : float
    error_bound : float
        |value - exact| <= error_bound; 1 for a sampled value.
    standard_error : float
        Of a sampled value; else 0.
    method : str
        "exact" or "sample".
    cones : int
        Cones summed, or pairs drawn.
    """

    value: float
    error_bound: float
    standard_error: float
    method: str
    cones: int

    def __float__(self) -> float:
        return self.value


class _Forms(NamedTuple):
    """Linear forms of (x, s), a row each, and what bounds their rounding: |exact - row| <= u size.

    `size` is the same computation with absolute values, times the number of roundings.
    """

    rows: NDArray[np.float64]
    size: NDArray[np.float64]

    def times(self, matrix: NDArray[np.float64]) -> _Forms:
        """matrix @ forms."""
        products = len(self.rows) + 2
        absolute = np.abs(matrix)
        return _Forms(
            matrix @ self.rows, absolute @ self.size + products * (absolute @ np.abs(self.rows))
        )

    def plus(self, other: _Forms) -> _Forms:
        """The sum of two lists of forms."""
        total = self.rows + other.rows
        return _Forms(total, self.size + other.size + np.abs(total))

    def on(self, active: NDArray[np.bool_]) -> _Forms:
        """The forms after ReLU, where these are active."""
        return _Forms(self.rows * active[:, None], self.size * active[:, None])


class _Piece(NamedTuple):
    """A cone of pairs: its half-spaces, the angle by which rounding turned each, a state."""

    normals: NDArray[np.float64]
    turns: NDArray[np.float64]
    state: _Forms


def interchange_accuracy(
    network: ReluRNN,
    variable: str,
    subspace: ArrayLike,
    step: int,
    *,
    method: str = "auto",
    samples: int = 100_000,
    seed: int = 0,
    threads: int | None = None,
) -> InterchangeAccuracy:
    """How often a swap of a subspace acts like a swap of a causal variable.

    Base and source are independent standard Gaussian inputs.

    Parameters
    ----------
    network : ReluRNN
    variable : str
        A variable of `conevol.analysis.causal`.
    subspace : array_like, shape (m, hidden)
        Rows that span the subspace of the hidden state; none (0, hidden) swaps nothing.
    step : int
        The swap is made after this many entries.
    method : {"auto", "exact", "sample"}
        "auto" is exact for n + step <= 5.  Exact, the cones grow with every neuron and step:
        n = 3 with 4 neurons takes seconds at step 2 and minutes at step 3.
    samples, seed : int
        Of a sampled value.
    threads : int, optional
        For the fractions; the value does not depend on it.

    Raises
    ------
    ConevolError
        For an unknown method, a step outside 1 .. n, or a wrong subspace.
    TaskError
        As `conevol.analysis.causal.variables_named`.

    Notes
    -----
    Where logits tie on a cone, the first of them is the prediction.  The bound adds up the
    bounds of all fractions, and the angles by which rounding may have turned their planes,
    each counted as if its whole plane bounded the cone.

    Examples
    --------
    Everything is swapped, in the state and in the model; what is left are the network's errors:

    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("exact-2/2")
    >>> result = interchange_accuracy(net, "maximum", [[1, 0], [0, 1]], 1)
    >>> result.method, abs(result.value - accuracy(net).value) < 1e-13
    ('exact', True)
    """
    if method not in METHODS:
        raise ConevolError(f"unknown method {method!r}, expected one of {', '.join(METHODS)}")
    site = RecurrentSite(network, step)
    basis = orthonormal(subspace, network.hidden)
    variables_named(variable, step, network.n)
    if method == "auto":
        method = "exact" if network.n + step <= _EXACT_DIMENSION else "sample"
    if method == "sample":
        return _sampled(site, variable, basis, samples, seed)
    return _exact(network, variable, basis, step, threads)


def _sampled(
    site: RecurrentSite, variable: str, basis: NDArray[np.float64], samples: int, seed: int
) -> InterchangeAccuracy:
    """The share of agreement among random pairs."""
    if samples < 1:
        raise ConevolError(f"samples is {samples}, expected at least 1")
    draw, rng = network_pairs(site.network, variable, site.step), np.random.default_rng(seed)
    agree = 0
    for start in range(0, samples, _BATCH):
        pairs = draw(min(_BATCH, samples - start), rng)
        logits = interchanged_logits(site, basis, pairs.base, pairs.source)
        agree += int((logits.argmax(axis=1) == pairs.label).sum())
    value = agree / samples
    error = math.sqrt(value * (1.0 - value) / samples)
    return InterchangeAccuracy(value, 1.0, error, "sample", samples)


def _exact(
    network: ReluRNN, variable: str, basis: NDArray[np.float64], step: int, threads: int | None
) -> InterchangeAccuracy:
    """The sum over the cones of pairs."""
    _n, regions = network.n, swap_regions(network.n, variable, step)
    swap = basis.T @ basis
    total, bound, cones = 0.0, 0.0, 0
    for piece in _joint_pieces(network, swap, step):
        logits = piece.state.times(network.W_oh)
        rays = boundary_of(piece.normals)
        batch: list[NDArray[np.float64]] = []
        for region in regions:
            if _misses(region.normals, rays.rays, rays.lineality):
                continue
            rows, turns, possible = _wins(logits, region.label)
            if not possible or _misses(rows, rays.rays, rays.lineality):
                continue
            batch.append(np.concatenate([piece.normals, region.normals, rows]))
            bound += float(piece.turns.sum() + turns.sum()) / math.pi
        for group in _same_shape(batch):
            result = fraction(group, error_bound=True, threads=threads)
            total += float(result.value.sum())
            bound += float(result.error_bound.sum())
            cones += len(group)
    bound += 2.0 * _UNIT_ROUNDOFF * cones + _FLAT * cones / math.pi
    return InterchangeAccuracy(min(total, 1.0), min(bound, 1.0), 0.0, "exact", cones)


def _same_shape(cones: list[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """Batches of cones with equally many half-spaces."""
    for k in sorted({len(cone) for cone in cones}):
        yield np.array([cone for cone in cones if len(cone) == k])


def _misses(
    rows: NDArray[np.float64], rays: NDArray[np.float64], lineality: NDArray[np.float64]
) -> bool:
    """Whether some half-space certainly holds no inner point of the cone."""
    if not len(rows):
        return False
    highest = (rows @ rays.T).max(axis=1, initial=0.0)
    across = np.abs(rows @ lineality.T).max(axis=1, initial=0.0)
    least = _FLAT * np.linalg.norm(rows, axis=1)
    return bool(((highest <= least) & (across <= least)).any())


def _wins(logits: _Forms, label: int) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Half-spaces on which a label's logit is the first of the largest, and their turns.

    The last is False where a logit before it is the same everywhere.
    """
    others = [i for i in range(len(logits.rows)) if i != label]
    pick = np.zeros((len(others), len(logits.rows)))
    pick[:, label] = 1.0
    pick[np.arange(len(others)), others] = -1.0
    gaps = logits.times(pick)
    turns = _turns(gaps)
    same = turns >= 1.0
    first = not any(same[i] for i, other in enumerate(others) if other < label)
    return gaps.rows[~same], turns[~same], first


def _turns(forms: _Forms) -> NDArray[np.float64]:
    """Angles by which rounding may have turned the planes; 1 where a form is but rounding."""
    lengths = np.linalg.norm(forms.rows, axis=1)
    errors = _UNIT_ROUNDOFF * np.linalg.norm(forms.size, axis=1)
    return np.minimum(np.divide(errors, lengths, out=np.ones_like(errors), where=lengths > 0.0), 1)


def _joint_pieces(network: ReluRNN, swap: NDArray[np.float64], step: int) -> Iterator[_Piece]:
    """Cones of (x, s) on which all activations are constant, with the final state on each."""
    n, hidden = network.n, network.hidden
    unit = np.eye(n + step)
    none, no_turns = np.empty((0, n + step)), np.empty(0)
    zero = _Forms(np.zeros((hidden, n + step)), np.zeros((hidden, n + step)))
    keep = np.eye(hidden) - swap
    # The products of the two factors need no test: they share no coordinate.
    sources = list(_steps(network, _Piece(none, no_turns, zero), unit[n:]))
    for base in _steps(network, _Piece(none, no_turns, zero), unit[:step]):
        for source in sources:
            mixed = base.state.times(keep).plus(source.state.times(swap))
            start = _Piece(
                np.concatenate([base.normals, source.normals]),
                np.concatenate([base.turns, source.turns]),
                mixed,
            )
            yield from _steps(network, start, unit[step:n])


def _steps(network: ReluRNN, start: _Piece, entries: NDArray[np.float64]) -> Iterator[_Piece]:
    """Run on over entries given as forms, cutting by every neuron."""
    if not len(entries):
        yield start
        return
    into = _Forms(np.outer(network.W_hi, entries[0]), np.zeros_like(start.state.rows))
    z = start.state.times(network.W_hh).plus(into)
    for piece in _cut(start, z, 0, np.zeros(network.hidden, dtype=bool)):
        yield from _steps(network, piece, entries[1:])


def _cut(start: _Piece, z: _Forms, neuron: int, on: NDArray[np.bool_]) -> Iterator[_Piece]:
    """The parts of a cone by the signs of the neurons from one on."""
    turns = _turns(z)
    while neuron < len(on):
        if turns[neuron] < 1.0:
            row = z.rows[neuron]
            boundary = boundary_of(start.normals)
            above = not _misses(row[None], boundary.rays, boundary.lineality)
            below = not _misses(-row[None], boundary.rays, boundary.lineality)
            if above and below:
                for sign in (False, True):
                    side = on.copy()
                    side[neuron] = sign
                    part = _Piece(
                        np.concatenate([start.normals, [row if sign else -row]]),
                        np.append(start.turns, turns[neuron]),
                        start.state,
                    )
                    yield from _cut(part, z, neuron + 1, side)
                return
            on = on.copy()
            on[neuron] = above
        neuron += 1
    yield start._replace(state=z.on(on))
