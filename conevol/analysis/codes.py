"""Spline codes: activation patterns as bits, with their exact probabilities.

What they know of the label, how right the network is on each, which of them are alike, which
directions their bits vary in, and which of their cones share how much of a boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol._fraction import fraction
from conevol.cells import accuracy, pattern_tree, patterns_of
from conevol.errors import CellsError, ConevolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN
    from conevol.tasks import Task

__all__ = ["Clusters", "CodeTable", "Neighbours", "code_table", "neighbours"]

_METRICS = ("hamming", "jaccard")
# A pre-activation is 0 on a facet when it is no larger, relative to its terms.
_ON = 1e-12


class Clusters(NamedTuple):
    """Clusters of codes, the most likely first.

    Attributes
    ----------
    codes : (k,) array
        The codes that were clustered: rows of the table, the most likely ones.
    members : (k,) array
        The cluster of each.
    fractions : (clusters,) array
        Probabilities of the clusters.
    merges : (k - 1, 4) array
        The tree, as scipy.cluster.hierarchy has it.
    """

    codes: NDArray[np.int64]
    members: NDArray[np.int64]
    fractions: NDArray[np.float64]
    merges: NDArray[np.float64]


@dataclass(frozen=True)
class CodeTable:
    """The spline codes of a network, the most likely first, with the exact law of code and label.

    Attributes
    ----------
    codes : ndarray of bool, shape (codes, n, hidden)
    joint : ndarray, shape (codes, n)
        P(code and label).
    right : ndarray, shape (codes,)
        P(code and the prediction is right).
    error_bound : float
        Bound of the error of any event's probability.
    """

    codes: NDArray[np.bool_]
    joint: NDArray[np.float64]
    right: NDArray[np.float64]
    error_bound: float

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def fractions(self) -> NDArray[np.float64]:
        """P(code)."""
        return np.asarray(self.joint.sum(axis=1))

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """P(right | code)."""
        return self.right / self.fractions

    def entropy(self) -> float:
        """Of the code, in bits."""
        return _entropy(self.fractions)

    def label_information(self) -> float:
        """Mutual information of the code and the label, in bits."""
        labels = _entropy(self.joint.sum(axis=0))
        return max(labels + self.entropy() - _entropy(self.joint), 0.0)

    def bits(self) -> NDArray[np.float64]:
        """Codes as rows of 0 and 1, shape (codes, n hidden)."""
        return self.codes.reshape(len(self), -1).astype(np.float64)

    def directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Principal directions of the bits, each code weighted by its probability.

        Returns
        -------
        variances : ndarray, shape (n hidden,)
            Eigenvalues of the bits' exact covariance, falling.
        directions : ndarray, shape (n hidden, n, hidden)
            Of length 1; the sign makes the largest entry positive.
        """
        p = self.fractions / self.fractions.sum()
        centred = self.bits() - p @ self.bits()
        variances, vectors = np.linalg.eigh((centred * p[:, None]).T @ centred)
        rows = vectors.T[::-1]
        largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
        rows = rows * np.sign(largest)[:, None]
        return variances[::-1], rows.reshape(-1, *self.codes.shape[1:])

    def distances(self, metric: str = "hamming", most: int | None = None) -> NDArray[np.float64]:
        """Distances of the `most` most likely codes, by default all, shape (k, k).

        Parameters
        ----------
        metric : {"hamming", "jaccard"}
            Share of the bits that differ; or of those that are on in either.
        most : int, optional

        Raises
        ------
        ConevolError
            For another metric.
        """
        if metric not in _METRICS:
            raise ConevolError(f"unknown metric {metric!r}, expected {' or '.join(_METRICS)}")
        b = self.bits()[:most]
        both, on = b @ b.T, b.sum(axis=1)
        differ = on[:, None] + on - 2.0 * both
        if metric == "hamming":
            return np.asarray(differ / b.shape[1])
        return np.asarray(differ / np.maximum(on[:, None] + on - both, 1.0))

    def clusters(self, count: int, *, metric: str = "hamming", most: int = 500) -> Clusters:
        """Cluster the most likely codes by average linkage, codes weighted by probability.

        The distance of two clusters is the mean distance of a code drawn from one and a code
        drawn from the other, each by its probability.

        Parameters
        ----------
        count : int
            Number of clusters.
        metric : {"hamming", "jaccard"}
        most : int
            At most so many codes; time grows with the cube.

        Raises
        ------
        ConevolError
            For an unknown metric, a count that is not in 1 .. codes, or if scipy is not
            installed (extra ``analysis``).
        """
        try:
            from scipy.cluster.hierarchy import fcluster
        except ImportError as error:
            raise ConevolError(
                'clustering codes needs scipy: pip install "conevol[analysis]"'
            ) from error
        distances = self.distances(metric, most)
        size = len(distances)
        if not 1 <= count <= size:
            raise ConevolError(f"count is {count}, expected 1 .. {size}, the number of codes")
        weights = self.fractions[:size]
        if size == 1:
            none = np.zeros(1, dtype=np.int64)
            return Clusters(none, none, weights, np.empty((0, 4)))
        merges = average_linkage(distances, weights)
        # Cut by the number of merges: where heights are equal "maxclust" could give fewer.
        ranks = merges.copy()
        ranks[:, 2] = np.arange(1.0, size)
        found = fcluster(ranks, size - count + 0.5, "distance") - 1
        fractions = np.zeros(count)
        np.add.at(fractions, found, weights)
        order = np.argsort(-fractions, kind="stable")
        members = np.argsort(order)[found]
        return Clusters(np.arange(size), members, fractions[order], merges)


def _entropy(p: NDArray[np.float64]) -> float:
    """In bits."""
    p = p[p > 0.0]
    return max(float(-(p * np.log2(p)).sum()), 0.0)


def average_linkage(
    distances: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average linkage with weights, as a matrix of merges in scipy's format.

    With equal weights it is scipy.cluster.hierarchy.linkage(.., "average"), up to the order
    of equal distances.

    Parameters
    ----------
    distances : ndarray, shape (k, k)
    weights : ndarray, shape (k,)
        Positive.

    Returns
    -------
    ndarray, shape (k - 1, 4)
        The two clusters merged, their distance, and the number of leaves.
    """
    size = len(distances)
    d, mass = distances.astype(float), weights.astype(float)
    np.fill_diagonal(d, np.inf)
    names, leaves = np.arange(size), np.ones(size)
    merges = np.empty((size - 1, 4))
    for step in range(size - 1):
        i, j = sorted(map(int, np.unravel_index(int(d.argmin()), d.shape)))
        merges[step] = *sorted((names[i], names[j])), d[i, j], leaves[i] + leaves[j]
        joined = (mass[i] * d[i] + mass[j] * d[j]) / (mass[i] + mass[j])
        d[i], d[:, i] = joined, joined
        d[i, i] = d[j] = d[:, j] = np.inf
        mass[i] += mass[j]
        leaves[i] += leaves[j]
        names[i] = size + step
    return merges


def code_table(
    network: ReluRNN,
    *,
    task: str | Task | None = None,
    ties: str = "first",
    max_cells: int = 2_000_000,
) -> CodeTable:
    """The exact law of a network's spline codes and of the label, x ~ N(0, Id).

    Parameters
    ----------
    network : ReluRNN
    task : str or Task, optional
        By default the network's own.
    ties : {"first", "wrong"}
        As for `conevol.accuracy`.
    max_cells : int
        Give up when there are more.

    Raises
    ------
    ConevolError
        For another tie rule.
    WeightsError, TaskError, CellsError, FractionError
        As `conevol.accuracy` with a table.

    Examples
    --------
    >>> from conevol import zoo
    >>> table = code_table(zoo.load("exact-2/2"))
    >>> table.accuracies.tolist(), table.label_information()
    ([1.0, 1.0, 1.0, 1.0], 1.0)
    """
    if ties not in ("first", "wrong"):
        raise ConevolError(f"codes are right or wrong: ties is {ties!r}, expected first or wrong")
    result = accuracy(network, task=task, ties=ties, table=True, max_cells=max_cells)
    cells = result.table
    assert cells is not None
    codes, code = np.unique(cells.pattern.reshape(len(cells), -1), axis=0, return_inverse=True)
    joint, right = np.zeros((len(codes), network.n)), np.zeros(len(codes))
    np.add.at(joint, (code.reshape(-1), cells.label), cells.fraction)
    good = (cells.label == cells.prediction) & ((cells.ties == 1) | (ties == "first"))
    np.add.at(right, code.reshape(-1), cells.fraction * good)
    order = np.argsort(-joint.sum(axis=1), kind="stable")
    shape = (len(codes), network.n, network.hidden)
    bound = float(cells.error_bound.sum()) + result.error_bound
    return CodeTable(codes[order].reshape(shape), joint[order], right[order], bound)


@dataclass(frozen=True)
class Neighbours:
    """Codes whose cones share a facet.

    Attributes
    ----------
    codes : ndarray of bool, shape (codes, n, hidden)
    pairs : ndarray of int, shape (p, 2)
        Codes on both sides of a facet, the first the smaller row.
    facets : ndarray, shape (p,)
        Share of the sphere in the facet's own plane: for n = 3 the arc's length over 2 pi.
    shares : ndarray, shape (p,)
        Of the whole boundary, the sum of all facets.
    flips : ndarray of int, shape (p,)
        How many bits differ.
    unmatched : float
        Share of the boundary behind which no code was found, for facets thinner than rounding.
    """

    codes: NDArray[np.bool_]
    pairs: NDArray[np.int64]
    facets: NDArray[np.float64]
    shares: NDArray[np.float64]
    flips: NDArray[np.int64]
    unmatched: float

    def shared(self, code: int) -> dict[int, float]:
        """The neighbours of a code, and the share of its own boundary that each has."""
        own = (self.pairs == code).any(axis=1)
        others = self.pairs[own].sum(axis=1) - code
        parts: dict[int, float] = {}
        for other, facet in zip(others.tolist(), self.facets[own], strict=True):
            parts[other] = parts.get(other, 0.0) + float(facet / self.facets[own].sum())
        return parts


def neighbours(network: ReluRNN, *, max_codes: int = 20_000) -> Neighbours:
    """Which cones of a network's codes share a facet, and how large it is; n >= 2.

    Parameters
    ----------
    network : ReluRNN
        With an input weight that is not 0.
    max_codes : int
        Give up when there are more.

    Raises
    ------
    ConevolError
        For n = 1, or where there is but one code.
    CellsError
        If there are more codes than max_codes.
    WeightsError, FractionError
        As `conevol.accuracy`.

    Notes
    -----
    Pre-activations are continuous, so the cones on both sides of a facet share all of it, and
    the neighbour is the code of any point just behind.

    Examples
    --------
    The quadrants: each has two neighbours, by a half-line each.

    >>> from conevol import ReluRNN
    >>> found = neighbours(ReluRNN([1.0], [[0.0]], [[1.0], [1.0]]))
    >>> found.pairs.tolist(), found.facets.tolist(), found.flips.tolist()
    ([[0, 1], [0, 2], [1, 3], [2, 3]], [0.5, 0.5, 0.5, 0.5], [1, 1, 1, 1])
    """
    if network.n < 2 or not network.W_hi.any():
        raise ConevolError(
            "neighbours are made for n >= 2 and input weights that are not all 0, got "
            f"{network!r}: its codes have no facets, or a single one"
        )
    tree = pattern_tree(network, task="argmax")
    nodes = [tree.root]
    for t in range(1, network.n + 1):
        nodes = tree.prefixes(t * network.hidden)
        if len(nodes) > max_codes:
            raise CellsError(
                f"the network has {len(nodes):,} codes after {t} steps, and max_codes is "
                f"{max_codes:,}: raise it"
            )
    codes = patterns_of(network, nodes)
    names = {code.tobytes(): i for i, code in enumerate(codes)}
    cones = [tree.cone(node) for node in nodes]
    units = [c.normals / np.linalg.norm(c.normals, axis=1, keepdims=True) for c in cones]
    owner = np.repeat(np.arange(len(nodes)), [len(u) for u in units])
    middles = np.vstack([c.tight.T @ c.rays for c in cones])
    behind = _codes_behind(network, middles, np.vstack(units))
    sides = np.array([(i, names.get(b.tobytes(), -1)) for i, b in zip(owner, behind, strict=True)])
    facets = _facet_fractions([_within(u, f) for u in units for f in range(len(u))])
    known = sides[:, 1] >= 0
    unmatched = float(facets[~known].sum() / facets.sum())
    # Every facet was found from both sides.
    once = np.flatnonzero(known & (sides[:, 0] < sides[:, 1]))
    once = once[np.lexsort(sides[once].T[::-1])]
    sides, facets = sides[once], facets[once]
    return Neighbours(
        codes,
        sides,
        facets,
        facets / facets.sum(),
        (codes[sides[:, 0]] != codes[sides[:, 1]]).sum(axis=(1, 2)),
        unmatched,
    )


def _codes_behind(
    network: ReluRNN, points: NDArray[np.float64], units: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Codes infinitely little behind points of facets with these inward normals, (f, n hidden).

    A pre-activation that is 0 on the facet has the sign of its derivative on the way out.
    """
    x = points / np.linalg.norm(points, axis=1, keepdims=True)
    count, n = x.shape
    h, dh, size = np.zeros((3, count, network.hidden))
    on = np.empty((count, n, network.hidden), dtype=np.bool_)
    for t in range(n):
        z = h @ network.W_hh.T + x[:, t, None] * network.W_hi
        dz = dh @ network.W_hh.T - units[:, t, None] * network.W_hi
        size = size @ np.abs(network.W_hh).T + np.abs(network.W_hi)
        zero = np.abs(z) <= _ON * size
        on[:, t] = np.where(zero, dz, z) > 0.0
        h, dh = np.where(on[:, t] & ~zero, z, 0.0), np.where(on[:, t], dz, 0.0)
    return on.reshape(count, -1)


def _within(units: NDArray[np.float64], f: int) -> NDArray[np.float64]:
    """The cone that a facet is, in coordinates of its own plane."""
    basis = np.linalg.svd(units[f : f + 1])[2][1:]
    return np.delete(units, f, axis=0) @ basis.T


def _facet_fractions(cones: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Fractions of cones, in batches of one shape."""
    sizes = np.array([len(cone) for cone in cones])
    values = np.empty(len(cones))
    for size in np.unique(sizes):
        of = np.flatnonzero(sizes == size)
        values[of] = fraction(np.array([cones[i] for i in of]))
    return values
