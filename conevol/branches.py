"""Many nodes of a pattern tree at a time: their children with fractions, and what they lose.

Both are pure functions of the tree and the nodes, which can be pickled: any executor can
run them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from conevol.engine import WORST_BOUND
from conevol.tree import Lost, Node, PatternTree, Spent, lost_of

__all__ = ["Children", "grow", "losses"]

# Room of a chunk's workspace: rays a cone, cells left to the engine, children a node.
_RAYS, _LEFT, _ROOM = 128, 64, 24


@dataclass(frozen=True)
class Children:
    """The nodes one step below a node.

    Attributes
    ----------
    nodes : list of bytes
    fractions, bounds : list of float
        Of the nodes, with bounds of their errors.
    error : float
        Bound of what the planes between may have put on the wrong side by rounding.
    operations : int
        Spent on them, but for a first try that lacked room for the list.
    """

    nodes: list[Node]
    fractions: list[float]
    bounds: list[float]
    error: float
    operations: int


def grow(tree: PatternTree, nodes: list[Node]) -> list[Children]:
    """The children of nodes one step of the network below."""
    from conevol.kernels import tree as kernels

    hidden = len(tree.W_hi)
    done: list[Children] = []
    for depth, same in groupby(nodes, len):
        group = list(same)
        room = _ROOM * len(group)
        while True:
            table = kernels.new_table(room, 0, depth + hidden, tree.n)
            reals, counts, status = _each(tree, group, depth + hidden, kernels.MEASURE, None, table)
            listed = int(counts[:, kernels.PATTERNS].sum())
            if listed <= room:
                break
            room = listed
        ends = np.cumsum(counts[:, kernels.PATTERNS])
        for k, end in enumerate(ends):
            spent = int(counts[k, kernels.OPERATIONS])
            if status[k]:
                # Rare: with as much room as it takes.
                done.append(_grown(tree, group[k], spent))
                continue
            rows = slice(end - counts[k, kernels.PATTERNS], end)
            below = [row.tobytes() for row in table.pattern[rows]]
            measured = zip(
                below, table.fraction[rows].tolist(), table.error[rows].tolist(), strict=True
            )
            pairs = [
                (value, bound, 0) if bound < math.inf else _fraction(tree, child)
                for child, value, bound in measured
            ]
            done.append(_children(below, pairs, float(reals[k, kernels.ERROR]), spent))
    return done


def losses(tree: PatternTree, nodes: list[Node], least: list[float]) -> list[Lost]:
    """`PatternTree.lost` of nodes, each with its own `least`."""
    from conevol.kernels import tree as kernels

    done: list[Lost] = []
    at = 0
    for _, same in groupby(nodes, len):
        group = list(same)
        cuts = least[at : at + len(group)]
        at += len(group)
        table = kernels.new_table(0, 0, 0, tree.n)
        reals, counts, status = _each(tree, group, tree.depth, kernels.LOSS, cuts, table)
        for k, node in enumerate(group):
            spent = int(counts[k, kernels.OPERATIONS])
            if status[k] or counts[k, kernels.LEFT]:
                again = tree.lost(node, cuts[k])
                done.append(replace(again, operations=again.operations + spent))
            else:
                done.append(lost_of(reals[k], counts[k], spent))
    return done


def _each(
    tree: PatternTree,
    nodes: list[Node],
    stop: int,
    mode: int,
    least: list[float] | None,
    table: Any,
) -> tuple[Any, Any, Any]:
    """Sums, counts and status of a walk below each of some nodes of one depth."""
    from conevol.kernels import tree as kernels

    hidden = len(tree.W_hi)
    prefixes = np.frombuffer(b"".join(nodes), dtype=np.bool_).reshape(len(nodes), -1).copy()
    reals = np.zeros((len(nodes), kernels.REALS))
    counts = np.zeros((len(nodes), kernels.COUNTS), dtype=np.int64)
    status = np.zeros(len(nodes), dtype=np.int64)
    kernels.walk_each(
        tree.net(),
        kernels.new_space(tree.n, hidden, _RAYS),
        kernels.new_maps(tree.n, hidden),
        prefixes, stop, mode,
        np.zeros(len(nodes)) if least is None else np.array(least),
        (reals, counts), status, kernels.new_left(_LEFT, tree.n, hidden), table,
    )  # fmt: skip
    return reals, counts, status


def _grown(tree: PatternTree, node: Node, operations: int) -> Children:
    spent = Spent(operations)
    nodes, error = tree.listed(len(node) + len(tree.W_hi), node, spent)
    return _children(nodes, [_fraction(tree, child) for child in nodes], error, spent.operations)


# Fraction, bound and operations.
_Measured = tuple[float, float, int]


def _children(
    nodes: list[Node], measured: list[_Measured], error: float, operations: int
) -> Children:
    fractions, bounds = [m[0] for m in measured], [m[1] for m in measured]
    return Children(nodes, fractions, bounds, error, operations + sum(m[2] for m in measured))


def _fraction(tree: PatternTree, node: Node) -> _Measured:
    """Fraction of a node, its bound, and operations; 0 and 1 if it cannot be computed."""
    cone = tree.cone(node)
    if not cone.error_bound <= WORST_BOUND:
        return 0.0, 1.0, cone.operations
    return cone.fraction, cone.error_bound, cone.operations
