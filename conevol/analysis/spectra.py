"""Spectra between two nodes of a network: how the states vary, and how they depend on each other.

Nodes are the inputs, the hidden state after a step, and the logits.  On one activation pattern
the derivative J of a later node in an earlier one is a matrix, so its mean and mean
squares are sums over patterns with their exact probabilities, and the covariances of the
nodes come from the moments of the patterns' cones (`conevol.pattern_fractions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conevol.errors import ConevolError
from conevol.estimators.sampling import gaussian_inputs
from conevol.patterns import pattern_fractions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN

__all__ = ["NodeSpectra", "Quantity", "draw_spectra", "jacobians", "node_spectra"]

_UNIT_ROUNDOFF = 2.0**-53
# Steps up to which patterns are enumerated unless samples are asked for.
_EXACT_STEPS = 5
_SAMPLES, _BATCHES = 100_000, 50
_CHUNK = 4096
_MATRICES = ("source_covariance", "target_covariance", "gram", "spread")


class Quantity(NamedTuple):
    """A value, entry by entry with the bound of its error, or its standard error if sampled."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True)
class NodeSpectra:
    """Second-order law of two nodes and of the derivative J of the target in the source.

    Attributes
    ----------
    source, target : str
        "inputs", "h1" .. "hn", "logits".
    samples : int or None
        None where all is exact and errors are bounds; otherwise they are standard errors.
    mean_jacobian : Quantity, shape (target, source)
        E[J].
    gram : Quantity, shape (source, source)
        E[J^T J]: which directions of the source matter.
    spread : Quantity, shape (target, target)
        E[J J^T]: where small independent changes of the source show in the target.
    source_covariance, target_covariance : Quantity
    """

    source: str
    target: str
    samples: int | None
    mean_jacobian: Quantity
    gram: Quantity
    spread: Quantity
    source_covariance: Quantity
    target_covariance: Quantity

    def eigenvalues(self, of: str) -> NDArray[np.float64]:
        """Of "gram", "spread", "source_covariance" or "target_covariance", falling."""
        return np.asarray(np.linalg.eigvalsh(self._matrix(of))[::-1], dtype=np.float64)

    def rank(self, of: str, threshold: float = 0.01) -> int:
        """How many eigenvalues are at least `threshold` times the largest."""
        values = self.eigenvalues(of)
        return int((values >= threshold * values[0]).sum()) if values[0] > 0.0 else 0

    def participation_ratio(self, of: str) -> float:
        """(sum of eigenvalues)^2 / sum of squares, from 1 to the dimension; 0 for a zero matrix."""
        matrix = self._matrix(of)
        return float(np.trace(matrix) ** 2 / ((matrix**2).sum() or 1.0))

    def neurons(self, of: str) -> NDArray[np.float64]:
        """Share of each neuron (or input, or logit) in the sum of the eigenvalues."""
        diagonal = np.diagonal(self._matrix(of))
        return np.asarray(diagonal / (diagonal.sum() or 1.0))

    def overlap(self, count: int) -> float:
        """How far the `count` leading directions of the target's covariance and of spread agree.

        The mean squared cosine of the angles between the two spaces: 1 if they are the same,
        count / dimension for spaces at random.

        Raises
        ------
        ConevolError
            If there are not so many.
        """
        size = len(self.spread.value)
        if not 1 <= count <= size:
            raise ConevolError(f"count is {count}, expected 1 .. {size}")
        first, second = (
            np.linalg.eigh(self._matrix(of))[1][:, -count:]
            for of in ("target_covariance", "spread")
        )
        return float(((first.T @ second) ** 2).sum() / count)

    def _matrix(self, of: str) -> NDArray[np.float64]:
        if of not in _MATRICES:
            raise ConevolError(f"no spectrum of {of!r}, expected one of {', '.join(_MATRICES)}")
        quantity: Quantity = getattr(self, of)
        return quantity.value


def _step(network: ReluRNN, node: str) -> int:
    """Steps that a node has seen; 0 for the inputs, n + 1 for the logits."""
    names = ["inputs", *(f"h{t + 1}" for t in range(network.n)), "logits"]
    if node not in names:
        raise ConevolError(f"no node is called {node!r}, expected one of {', '.join(names)}")
    return names.index(node)


def jacobians(
    network: ReluRNN, patterns: NDArray[np.bool_], source: str, target: str
) -> NDArray[np.float64]:
    """Derivative of the target in the source on each of some patterns.

    Parameters
    ----------
    network : ReluRNN
    patterns : ndarray of bool, shape (count, steps, hidden)
        Of all the steps before the target, or more.
    source, target : str
        "inputs", "h1" .. "hn", "logits"; the source is the earlier.

    Returns
    -------
    ndarray, shape (count, target, source)
        Of the inputs, those that were read when the patterns end.

    Raises
    ------
    ConevolError
        If there is no such node, or the target is not after the source.
    """
    first, last = _step(network, source), _step(network, target)
    if first >= last:
        raise ConevolError(f"{target!r} does not depend on {source!r}: the target must be later")
    count, steps, hidden = patterns.shape
    j = np.zeros((count, hidden, steps if first == 0 else hidden))
    if first:
        j[:] = np.eye(hidden)
    for t in range(first, min(last, network.n)):
        j = network.W_hh @ j
        if first == 0:
            j[:, :, t] += network.W_hi
        j *= patterns[:, t, :, None]
    return np.asarray(network.W_oh @ j) if last > network.n else j


def node_spectra(
    network: ReluRNN,
    source: str = "inputs",
    target: str = "logits",
    *,
    samples: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> NodeSpectra:
    """Covariances of two nodes, and the mean and mean squares of the derivative between them.

    Parameters
    ----------
    network : ReluRNN
    source, target : str
        "inputs", "h1" .. "hn" (the state after so many steps), "logits".
    samples : int, optional
        Estimate all from so many inputs.  By default the result is exact where the target is
        within five steps, and estimated from 100,000 inputs otherwise.
    seed : int
        Of the inputs.
    threads : int, optional
        By default one a core.

    Returns
    -------
    NodeSpectra

    Raises
    ------
    ConevolError
        If there is no such node, the target is not after the source, or samples are too few.
    CellsError, WeightsError, FractionError
        As `conevol.pattern_fractions`; with samples, none of them.

    Notes
    -----
    For the inputs as source, E[J J^T] minus the target's covariance is positive semidefinite
    (Gaussian Poincare inequality, H. Chernoff, Ann. Probab. 9, 1981), and 0 if the network is
    linear: the two spectra tell how far it is from that.

    Examples
    --------
    >>> from conevol import zoo
    >>> s = node_spectra(zoo.load("4/3"), "inputs", "h3")
    >>> (s.eigenvalues("target_covariance") < s.eigenvalues("spread")).tolist()
    [True, True, True, True]
    """
    first, last = _step(network, source), _step(network, target)
    if first >= last:
        raise ConevolError(f"{target!r} does not depend on {source!r}: the target must be later")
    steps = min(last, network.n)
    if samples is None and steps <= _EXACT_STEPS:
        return _exact(network, source, target, steps, threads)
    return _sampled(network, source, target, steps, samples or _SAMPLES, seed)


def _exact(
    network: ReluRNN, source: str, target: str, steps: int, threads: int | None
) -> NodeSpectra:
    law = pattern_fractions(network, steps, threads=threads)
    states, hidden = law.hidden_covariance(), network.hidden

    def covariance(node: str) -> Quantity:
        at = _step(network, node)
        if at == 0:
            return Quantity(np.eye(steps), np.zeros((steps, steps)))
        if at > network.n:
            return Quantity(*law.logit_covariance())
        part = slice((at - 1) * hidden, at * hidden)
        return Quantity(states.value[part, part], states.error_bound[part, part])

    sums: list[Any] = [0.0, 0.0, 0.0]
    errors: list[Any] = [0.0, 0.0, 0.0]
    largest: list[Any] = [0.0, 0.0, 0.0]
    gamma = (4 * steps * (hidden + 2) + len(law)) * _UNIT_ROUNDOFF
    for start in range(0, len(law), _CHUNK):
        part = slice(start, start + _CHUNK)
        j = jacobians(network, law.patterns[part], source, target)
        size = jacobians(_absolute(network), law.patterns[part], source, target)
        p, bound = law.fractions[part], law.error_bounds[part] + gamma * law.fractions[part]
        for i, (square, most) in enumerate(zip(_squares(j), _squares(size), strict=True)):
            sums[i] = sums[i] + np.einsum("p,pij->ij", p, square)
            errors[i] = errors[i] + np.einsum("p,pij->ij", bound, most)
            largest[i] = np.maximum(largest[i], most.max(axis=0))
    mean, gram, spread = (
        Quantity(s, e + 2.0 * law.plane_error * m)
        for s, e, m in zip(sums, errors, largest, strict=True)
    )
    return NodeSpectra(
        source, target, None, mean, gram, spread, covariance(source), covariance(target)
    )


def _absolute(network: ReluRNN) -> ReluRNN:
    """The network of the weights' absolute values, whose derivatives bound all roundings."""
    return type(network)(np.abs(network.W_hi), np.abs(network.W_hh), np.abs(network.W_oh))


def _squares(j: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """J, J^T J and J J^T of a stack."""
    t = j.transpose(0, 2, 1)
    return j, t @ j, j @ t


def _sampled(
    network: ReluRNN, source: str, target: str, steps: int, samples: int, seed: int
) -> NodeSpectra:
    """Means over batches, and standard errors from how the batches differ."""
    if samples < 2 * _BATCHES:
        raise ConevolError(f"samples is {samples}, expected at least {2 * _BATCHES}")
    size = samples // _BATCHES
    x = gaussian_inputs(size * _BATCHES, network.n, seed=seed).reshape(_BATCHES, size, -1)
    found: list[tuple[NDArray[np.float64], ...]] = []
    for batch in x:
        z = network.pre_activations(batch)
        j = jacobians(network, z[:, :steps] > 0.0, source, target)
        states = {"inputs": batch[:, :steps], "logits": np.maximum(z[:, -1], 0.0) @ network.W_oh.T}
        states |= {f"h{t + 1}": np.maximum(z[:, t], 0.0) for t in range(network.n)}
        count, b, a = j.shape
        flat, wide = j.reshape(-1, a), j.transpose(1, 0, 2).reshape(b, -1)
        found.append(
            (
                j.mean(axis=0),
                flat.T @ flat / count,
                wide @ wide.T / count,
                *(np.atleast_2d(np.cov(states[node].T)) for node in (source, target)),
            )
        )
    quantities = [
        Quantity(stack.mean(axis=0), stack.std(axis=0, ddof=1) / np.sqrt(_BATCHES))
        for stack in map(np.array, zip(*found, strict=True))
    ]
    return NodeSpectra(source, target, size * _BATCHES, *quantities)


def draw_spectra(spectra: NodeSpectra, path: str | Path) -> None:
    """Draw the eigenvalues of the target's covariance beside those of the derivative's spread.

    Each spectrum is divided by its sum; the axis is logarithmic, and zeros are left out.

    Raises
    ------
    ConevolError
        If matplotlib is not installed (extra ``plot``).
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConevolError('drawing needs matplotlib: pip install "conevol[plot]"') from error
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for of, marker, colour, label in (
        ("target_covariance", "o", "#0072B2", f"covariance of {spectra.target}"),
        ("spread", "D", "#E69F00", r"derivative, $E[JJ^\top]$"),
    ):
        values = spectra.eigenvalues(of)
        values = values[values > 1e-12 * values[0]] / values.sum()
        axes.plot(
            np.arange(1, len(values) + 1), values, marker=marker, color=colour, linewidth=1.2,
            label=f"{label}: participation ratio {spectra.participation_ratio(of):.2f}",
        )  # fmt: skip
    axes.set(yscale="log", xlabel="eigenvalue", ylabel="share of the sum")
    axes.set_ylim(top=1.0)
    axes.set_xticks(range(1, len(spectra.spread.value) + 1))
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    exact = "exact" if spectra.samples is None else f"{spectra.samples:,} samples"
    axes.set_title(f"{spectra.source} to {spectra.target} ({exact})", fontsize=11)
    figure.savefig(path, dpi=110)
