"""A walk over a network's cells shared out: a fixed list of subtrees, summed in its order.

The list depends on the network only, so the sums do not depend, to the bit, on how
many threads there are or which ends first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np

from conevol.errors import CellsError
from conevol.parallel import thread_count
from conevol.tree import LimitReached, Node, PatternTree, Spent, Totals

__all__ = [
    "MAX_CELLS",
    "Progress",
    "estimated_patterns",
    "in_order",
    "sum_subtrees",
    "total_of",
    "work_list",
]

MAX_CELLS = 20_000_000
"""Cells beyond which `conevol.accuracy` gives up by default: an hour for n = 5."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int, Totals], object]
# Ways down at random that estimate the size of the tree.
_PROBES = 48
# Patterns a subtree should have, and the least and largest number of subtrees.
_PATTERNS, _FEWEST, _MOST = 60, 32, 4096
# An estimate by few probes is trusted to this factor.
_TRUST = 20


def estimated_patterns(
    tree: PatternTree, probes: int = _PROBES, seed: int = 0, spent: Spent | None = None
) -> float:
    """About how many patterns there are (D. E. Knuth 1975).

    A way down that takes each side of every plane it crosses with probability 1/2 ends in
    a given leaf with probability 2^-crossings, so the mean of 2^crossings is the number
    of leaves.
    """
    rng = np.random.default_rng(seed)
    wishes = rng.integers(0, 2, (probes, tree.depth)).astype(np.bool_)
    return float(np.mean([2.0 ** tree.crossings(wish.tobytes(), spent) for wish in wishes]))


def work_list(tree: PatternTree, patterns: float, spent: Spent | None = None) -> list[Node]:
    """Prefixes of one depth, whose subtrees are the tasks, for a tree of about so many leaves."""
    wanted = min(max(patterns / _PATTERNS, _FEWEST), _MOST)
    hidden = len(tree.W_hi)
    nodes = [tree.root]
    for step in range(hidden, tree.depth + 1, hidden):
        after = tree.prefixes(step, spent=spent)
        if len(after) >= wanted:
            depths = range(step - hidden + 1, step)
            lists = (tree.prefixes(depth, spent=spent) for depth in depths)
            return next((nodes for nodes in lists if len(nodes) >= wanted), after)
        nodes = after
    return nodes


def total_of(
    tree: PatternTree, node: Node, every: bool = False, limit: int = 2**62
) -> Totals | None:
    """Sums over the subtree of a node; None if it has more cells than the limit.

    A pure function of its arguments, which can be pickled: any executor can run it.
    """
    try:
        return tree.total(node, every=every, limit=limit)
    except LimitReached:
        return None


def sum_subtrees(
    tree: PatternTree,
    *,
    every: bool = False,
    threads: int | None = None,
    executor: Executor | None = None,
    max_cells: int = MAX_CELLS,
    progress: Progress | None = None,
) -> Totals:
    """Sums over all cells, subtree by subtree.

    Parameters
    ----------
    tree : PatternTree
    every : bool
        Compute the fractions of wrong cells too, so that all sum to 1.
    threads : int, optional
        By default one a core.  Not used with an executor.
    executor : concurrent.futures.Executor, optional
        Runs the subtrees instead of threads of this process.
    max_cells : int
        Give up beyond so many.
    progress : callable, optional
        Called with (subtrees done, subtrees, sums so far) after each, in order.

    Raises
    ------
    CellsError
        If there are more than max_cells cells, at once where it is foreseeable.
    """
    spent = Spent()
    patterns = estimated_patterns(tree, spent=spent)
    if patterns > _TRUST * max_cells:
        raise _too_many(tree, f"it has about {patterns:.0e} patterns", max_cells)
    nodes = work_list(tree, patterns, spent)
    # What cutting down to the prefixes cost is counted here, what is below them there.
    work = partial(total_of, tree, every=every, limit=max_cells)
    error = tree.prefix_error(len(nodes[0]), spent)
    done = Totals(error=error, operations=spent.operations)
    for k, part in enumerate(in_order(work, nodes, threads, executor)):
        if part is None or done.cells + part.cells > max_cells:
            raise _too_many(
                tree, f"{k} of {len(nodes)} subtrees hold {done.cells:,} already", max_cells
            )
        done += part
        if progress is not None:
            progress(k + 1, len(nodes), done)
    return done


def in_order(
    work: Callable[[Item], Result],
    items: list[Item],
    threads: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Result]:
    """Results in the order of the items; a few more are under way at a time."""
    workers = min(thread_count(threads), len(items))
    if executor is None and workers <= 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers) if executor is None else executor
    try:
        yield from _submitted(pool, work, items, 8 * workers if executor is None else len(items))
    finally:
        if executor is None:
            pool.shutdown(wait=True, cancel_futures=True)


def _submitted(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    rest = iter(items)
    waiting = [pool.submit(work, item) for item in islice(rest, ahead)]
    try:
        while waiting:
            result = waiting.pop(0).result()
            waiting += [pool.submit(work, item) for item in islice(rest, 1)]
            yield result
    finally:
        for future in waiting:
            future.cancel()


def _too_many(tree: PatternTree, what: str, max_cells: int) -> CellsError:
    hidden, n = len(tree.W_hi), tree.n
    return CellsError(
        f"the exact accuracy of {hidden} neurons and n = {n} needs too many cells: {what}, and "
        f"max_cells is {max_cells:,}; raise max_cells, or use conevol.accuracy_bounds or "
        "conevol.sample_accuracy"
    )
