"""The tree of a network's activation patterns, with the cone of every prefix, for any length.

A node is a prefix: which of the first m neurons, step by step, are on.  Its cone
holds the inputs on which that is so, in the dimensions of the inputs read so far; the rest of
the inputs is free, so the cone's fraction is the prefix's probability.  A node is
nothing but its bits: `PatternTree` rebuilds the cone when it is asked for, in microseconds,
so frontiers of millions of nodes are cheap to keep, to store and to send.

- `PatternTree.children(node)`: the sides of the next neuron with an interior
- `PatternTree.cone(node)`: normals, rays with error bounds, tight rows; its `fraction`
- `PatternTree.cells(node)`: the table of all cells below a node: pattern, label,
  prediction, ties, fraction, rays
- `PatternTree.total(node)`: sums over all cells below a node, `Totals`, which add up
- `PatternTree.lost(node)`: what is missing to right below a node, mostly in far fewer fractions
- `PatternTree.prefixes(depth)`: all nodes of a depth
- `PatternTree.maps(node)`: the linear maps of a whole pattern are `ReluRNN.linear_maps`

Subtrees are independent, and what they give is a pure function of the network and
the node; a `PatternTree` can be pickled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from conevol.engine import WORST_BOUND, cone_fraction
from conevol.errors import ConevolError, FractionError, WeightsError
from conevol.tasks import Task, checked_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["LimitReached", "Lost", "NodeCone", "PatternTree", "Spent", "Totals"]

Node = bytes
# Rays a cone may have at first; where one has more the work is repeated with twice the room.
_RAYS, _MOST_RAYS = 128, 1 << 16
# Cells left to the engine for which there is room at first, and the fraction of a cell that is
# not worth it.
_LEFT, _NEGLIGIBLE = 64, 2.0**-54


@dataclass
class Spent:
    """Operations, by the rule of `conevol.estimators.Estimate`, of calls that are given this."""

    operations: int = 0


class LimitReached(ConevolError):
    """A walk was stopped because there are more cells than were allowed."""


@dataclass(frozen=True)
class NodeCone:
    """The cone of a node: {x : normals @ x >= 0}.

    Attributes
    ----------
    normals : ndarray, shape (k, d)
        Of the half-spaces that bound it; d is the number of inputs read so far.
    rays, ray_errors : ndarray, shapes (r, d), (r,)
        Unit extreme rays, and bounds of their errors (angles).
    tight : ndarray of bool, shape (r, k)
        Which normals are tight on which rays.
    fraction, error_bound : float
        Its share of the sphere.
    operations : int
        Spent on it.
    """

    normals: NDArray[np.float64]
    rays: NDArray[np.float64]
    ray_errors: NDArray[np.float64]
    tight: NDArray[np.bool_]
    fraction: float
    error_bound: float
    operations: int = 0


@dataclass(frozen=True)
class Totals:
    """Sums over the cells of a subtree.

    Attributes
    ----------
    right, tied, unresolved : float
        Fractions of what is right, of what has tied logits, and of patterns on which
        it cannot be told whether logits tie.
    error : float
        Bound of the error of `right`, without `unresolved`.
    total : float
        Sum of the fractions of all cells that were computed: all of them with
        ``every=True``, otherwise the right and tied ones.
    patterns, cells, rays, fractions : int
        Numbers of patterns, cells, rays of all cells, and fractions computed.
    operations : int
        Spent, by the rule of `conevol.estimators.Estimate`, but on cells that are left to
        `conevol.engine`.
    """

    right: float = 0.0
    error: float = 0.0
    tied: float = 0.0
    unresolved: float = 0.0
    total: float = 0.0
    patterns: int = 0
    cells: int = 0
    rays: int = 0
    fractions: int = 0
    operations: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, f) + getattr(other, f) for f in self.__dataclass_fields__))


@dataclass(frozen=True)
class Lost:
    """What is lost to right below a node: 1 - credit times fraction, summed over its cells.

    Attributes
    ----------
    value : float
        At least this, but for the error.
    open : float
        At most so much more: what cells and whole subtrees of at most `least` lose is only bounded.
    error : float
        Bound of the error of `value`, with what cannot be told to be a tie.
    patterns, fractions : int
        Numbers of patterns, and of fractions computed.
    operations : int
        Spent; that of two ways to the same sums may differ.
    """

    value: float
    open: float
    error: float
    patterns: int
    fractions: int
    operations: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PatternTree:
    """The pattern tree of one network with n >= 2.

    Parameters
    ----------
    W_hi, W_hh, W_oh : ndarray
        Weights; some input weight is not zero.
    region_rows, region_labels : ndarray of int
        The task's regions, from `task_rows`.
    unit : float
        Unit roundoff of the network's maps: 2^-53, or 0 where they are exact.
    rule : int
        Index of the tie rule: first, split, wrong.
    """

    W_hi: NDArray[np.float64]
    W_hh: NDArray[np.float64]
    W_oh: NDArray[np.float64]
    region_rows: NDArray[np.int64]
    region_labels: NDArray[np.int64]
    unit: float = 2.0**-53
    rule: int = 0
    root: Node = field(default=b"", init=False)

    def __post_init__(self) -> None:
        # One type of array, so that everything is compiled once: writable, as pickle makes them.
        for name in ("W_hi", "W_hh", "W_oh"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=float, order="C"))

    @property
    def n(self) -> int:
        """Length of the input."""
        return int(self.W_oh.shape[0])

    @property
    def depth(self) -> int:
        """Depth of the leaves: n times the number of neurons."""
        return int(self.W_oh.size)

    def children(self, node: Node, spent: Spent | None = None) -> list[Node]:
        """The one or two nodes below an inner node, the one with the neuron off first."""
        return self.prefixes(len(node) + 1, node, spent)

    def cone(self, node: Node) -> NodeCone:
        """The cone of a node.

        Raises
        ------
        ConevolError
            If the prefix has no interior, or nothing has been read yet.
        """
        from conevol.kernels import cut, tree

        status, _, walk = self._walk(node, len(node), tree.REPLAY)
        if status == tree.NO_PREFIX or not node:
            raise ConevolError(f"the tree has no cone for the prefix {list(node)}")
        _check(status)
        cones, slot = walk.cones, walk.maps.path[len(node), 0]
        count, d = cones.size[slot]
        normals = cut.normals_of(cones, slot)[0]
        bits = np.uint64(1) << np.flatnonzero(
            int(cones.used[slot]) >> np.arange(64, dtype=object) & 1
        ).astype(np.uint64)
        value, bound, sound = cut.cone_fraction(cones, slot)
        spent = walk.earlier + int(cones.spent[0])
        if not sound:
            value, bound, _ = cone_fraction(normals)
        return NodeCone(
            normals,
            cones.ray[slot, :count, :d].copy(),
            cones.error[slot, :count].copy(),
            (cones.tight[slot, :count, None] & bits) != 0,
            value,
            bound,
            spent,
        )

    def prefixes(self, depth: int, node: Node = b"", spent: Spent | None = None) -> list[Node]:
        """All nodes of a depth below a node, in the order of the walk."""
        return self.listed(depth, node, spent)[0]

    def listed(
        self, depth: int, node: Node = b"", spent: Spent | None = None
    ) -> tuple[list[Node], float]:
        """`prefixes`, and a bound of what the planes between misplace by rounding."""
        from conevol.kernels import tree

        table = tree.new_table(0, 0, depth, self.n)
        while True:
            status, (reals, counts), _ = self._walk(
                node, depth, tree.LIST, table=table, spent=spent
            )
            _check(status)
            count = counts[tree.PATTERNS]
            if count <= len(table.pattern):
                return [row.tobytes() for row in table.pattern[:count]], float(reals[tree.ERROR])
            table = tree.new_table(count, 0, depth, self.n)

    def prefix_error(self, depth: int, spent: Spent | None = None) -> float:
        """Bound of what the planes cut down to a depth may put on the wrong side by rounding."""
        from conevol.kernels import tree

        status, (reals, _), _ = self._walk(b"", depth, tree.LIST, spent=spent)
        _check(status)
        return float(reals[tree.ERROR])

    def crossings(self, node: Node, spent: Spent | None = None) -> int:
        """Number of planes that a way down crosses, turning to the side that there is."""
        from conevol.kernels import tree

        status, out, _ = self._walk(node, len(node), tree.PROBE, spent=spent)
        _check(status)
        return int(out[1][tree.CROSSINGS])

    def total(self, node: Node = b"", *, every: bool = False, limit: int = 2**62) -> Totals:
        """Sums over all cells below a node; with every, also over those that are wrong.

        Raises
        ------
        LimitReached
            If there are more cells or patterns than the limit.
        """
        from conevol.kernels import tree

        mode = tree.ALL if every else tree.SUM
        status, (reals, counts), walk = self._walk(node, self.depth, mode, limit)
        if status == tree.LIMIT:
            raise LimitReached(f"more than {limit} cells below one prefix")
        _check(status)
        spent = walk.earlier + int(walk.cones.spent[0])
        for m in range(counts[tree.LEFT]):
            normals, (_, ties, _) = walk.left.normals[m, : walk.left.info[m, 0]], walk.left.info[m]
            credit, most = walk.left.share[m]
            value, bound = _by_engine(normals, most)
            if ties == 0:
                reals[tree.UNRESOLVED] += value + bound
                continue
            reals[tree.RIGHT] += credit * value
            reals[tree.ERROR] += bound
            reals[tree.TIED] += value if ties > 1 else 0.0
            reals[tree.TOTAL] += value
        return Totals(
            right=float(reals[tree.RIGHT]),
            error=float(reals[tree.ERROR]),
            tied=float(reals[tree.TIED]),
            unresolved=float(reals[tree.UNRESOLVED]),
            total=float(reals[tree.TOTAL]),
            patterns=int(counts[tree.PATTERNS]),
            cells=int(counts[tree.CELLS]),
            rays=int(counts[tree.RAYS]),
            fractions=int(counts[tree.FRACTIONS]),
            operations=spent,
        )

    def lost(self, node: Node = b"", least: float = 0.0) -> Lost:
        """What is lost to right below a node; see `Lost` for what `least` leaves open."""
        from conevol.kernels import tree

        status, (reals, counts), walk = self._walk(node, self.depth, tree.LOSS, least=least)
        _check(status)
        spent = walk.earlier + int(walk.cones.spent[0])
        for m in range(counts[tree.LEFT]):
            normals, ties = walk.left.normals[m, : walk.left.info[m, 0]], walk.left.info[m, 1]
            credit, most = walk.left.share[m]
            value, bound = _by_engine(normals, most)
            if ties == 0:
                reals[tree.UNRESOLVED] += value + bound
                continue
            reals[tree.LOST] += (1.0 - credit) * value
            reals[tree.ERROR] += bound
        return lost_of(reals, counts, spent)

    def net(self) -> Any:
        """The network as the kernels take it."""
        from conevol.kernels import tree

        return tree.Net(
            self.W_hi, self.W_hh, self.W_oh, self.region_rows, self.region_labels, self.unit,
            self.rule,
        )  # fmt: skip

    def cells(self, node: Node = b"", limit: int = 2**62) -> Any:
        """The cells below a node, a `conevol.kernels.tree.Table`.

        Raises
        ------
        LimitReached
            If there are more cells or patterns than the limit.
        """
        from conevol.kernels import tree

        size = self.total(node, every=True, limit=limit)
        table = tree.new_table(size.cells, size.rays, self.depth, self.n)
        status, (_, counts), walk = self._walk(node, self.depth, tree.WRITE, table=table)
        _check(status)
        for m in range(counts[tree.LEFT]):
            rows, ties, at = walk.left.info[m]
            if ties:
                table.fraction[at], table.error[at] = _by_engine(
                    walk.left.normals[m, :rows], walk.left.share[m, 1]
                )
        return table

    def _walk(
        self,
        node: Node,
        stop: int,
        mode: int,
        limit: int = 2**62,
        table: Any = None,
        least: float = 0.0,
        spent: Spent | None = None,
    ) -> tuple[int, Any, Any]:
        """One call of the kernel, repeated with more room until it suffices."""
        from conevol.kernels import cut, tree

        prefix = np.frombuffer(node, dtype=np.bool_).copy()
        if table is None:
            table = tree.new_table(0, 0, 0, self.n)
        rays, cells = _RAYS, _LEFT
        hidden, earlier = len(self.W_hi), 0
        while True:
            walk = _Walk(
                tree.new_space(self.n, hidden, rays),
                tree.new_maps(self.n, hidden),
                tree.new_left(cells, self.n, hidden),
                earlier,
            )
            out = (np.zeros(tree.REALS), np.zeros(tree.COUNTS, dtype=np.int64))
            status = tree.walk(
                self.net(), walk.cones, walk.maps, prefix, stop, mode, limit, least, out,
                walk.left, table,
            )  # fmt: skip
            earlier += int(walk.cones.spent[0])
            if status == cut.RAYS_FULL and rays < _MOST_RAYS:
                rays *= 2
            elif status == tree.LEFT_FULL:
                cells *= 2
            else:
                if spent is not None:
                    spent.operations += earlier
                return status, out, walk


def lost_of(reals: NDArray[np.float64], counts: NDArray[np.int64], operations: int) -> Lost:
    """The sums of a walk in mode LOSS."""
    from conevol.kernels import tree

    return Lost(
        value=float(reals[tree.LOST]),
        open=float(reals[tree.SKIPPED]),
        error=float(reals[tree.ERROR] + reals[tree.UNRESOLVED]),
        patterns=int(counts[tree.PATTERNS]),
        fractions=int(counts[tree.FRACTIONS]),
        operations=operations,
    )


@dataclass(frozen=True)
class _Walk:
    """Workspaces of one call of the kernel; operations of earlier ones, which lacked room."""

    cones: Any
    maps: Any
    left: Any
    earlier: int


def task_rows(task: Task, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The task's regions as numbers of order planes: 2 pair + (1 for x_j >= x_i, i < j)."""
    regions = checked_regions(task, n)
    pairs: dict[tuple[int, int], int] = {}
    for i in range(n):
        for j in range(i + 1, n):
            pairs[i, j] = len(pairs)
            pairs[j, i] = pairs[i, j] + 1
    rows = [
        [pairs[int(np.argmax(a)), int(np.argmin(a))] for a in region.normals] for region in regions
    ]
    labels = np.array([region.label for region in regions], dtype=np.int64)
    return np.array(rows, dtype=np.int64).reshape(len(regions), -1), labels


def _by_engine(normals: NDArray[np.float64], most: float) -> tuple[float, float]:
    """Fraction and bound of a cone that was too hard for the walk; it is at most `most`."""
    if most > _NEGLIGIBLE:
        value, bound, info = cone_fraction(normals)
        # The engine's cone has rounded normals.
        k, d = normals.shape
        bound += k * 2.0**-53 * math.sqrt(2.0 * d / math.pi)
        if info.status == "ok" and 0.0 <= bound <= WORST_BOUND and value <= most + bound:
            return value, min(bound, max(value, most))
    return 0.5 * most, 0.5 * most


def _check(status: int) -> None:
    """Raise what a walk reported."""
    from conevol.kernels import cut, tree

    if status == tree.OVERFLOW:
        raise WeightsError(
            "products of the weights overflow: scale the weights down; scaling a neuron's "
            "incoming weights down and its outgoing weights up by one factor changes no prediction"
        )
    if status == cut.ROWS_FULL:
        raise FractionError(f"a cell of the network has more than {cut.MAX_ROWS} facets")
    if status == cut.RAYS_FULL:
        raise FractionError(f"a cell of the network has more than {_MOST_RAYS} rays")
    if status == tree.NO_PREFIX:
        raise ConevolError("the tree has no such prefix")
    if status != tree.OK or math.isnan(status):
        raise FractionError(f"the walk over the cells ended with status {status}")
