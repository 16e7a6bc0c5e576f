"""Many nodes of a pattern tree at a time: their children with fractions, and what they lose.

Both are pure functions of the tree and the nodes, which can be pickled: any executor can
run them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from conevol.engine import WORST_BOUND
from conevol.tree import Lost, Node, PatternTree, lost_of

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
    """

    nodes: list[Node]
    fractions: list[float]
    bounds: list[float]
    error: float


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
            if listed <= room or status.any():
                break
            room = listed
        if status.any():
            # Rare: with as much room as it takes, one by one.
            done += [_grown(tree, node) for node in group]
            continue
        ends = np.cumsum(counts[:, kernels.PATTERNS])
        for k, end in enumerate(ends):
            rows = slice(end - counts[k, kernels.PATTERNS], end)
            below = [row.tobytes() for row in table.pattern[rows]]
            measured = zip(
                below, table.fraction[rows].tolist(), table.error[rows].tolist(), strict=True
            )
            pairs = [
                (value, bound) if bound < math.inf else _fraction(tree, child)
                for child, value, bound in measured
            ]
            done.append(
                Children(
                    below, [p[0] for p in pairs], [p[1] for p in pairs],
                    float(reals[k, kernels.ERROR]),
                )
            )  # fmt: skip
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
            if status[k] or counts[k, kernels.LEFT]:
                done.append(tree.lost(node, cuts[k]))
            else:
                done.append(lost_of(reals[k], counts[k]))
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


def _grown(tree: PatternTree, node: Node) -> Children:
    stop = len(node) + len(tree.W_hi)
    nodes, error = tree.listed(stop, node)
    pairs = [_fraction(tree, child) for child in nodes]
    return Children(nodes, [p[0] for p in pairs], [p[1] for p in pairs], error)


def _fraction(tree: PatternTree, node: Node) -> tuple[float, float]:
    """Fraction of a node and its bound; (0, 1) if it cannot be computed."""
    cone = tree.cone(node)
    if not cone.error_bound <= WORST_BOUND:
        return 0.0, 1.0
    return cone.fraction, cone.error_bound
