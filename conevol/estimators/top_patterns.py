"""The most probable activation patterns, with exact fractions, and a guess for the others."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from conevol.cells import accuracy, pattern_tree, patterns_of
from conevol.errors import ConevolError
from conevol.estimators.baselines import sample_operations
from conevol.estimators.estimate import Estimate
from conevol.estimators.sampling import gaussian_inputs
from conevol.tasks import get_task
from conevol.tree import Spent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN
    from conevol.tree import Node, PatternTree

__all__ = ["Pattern", "top_patterns", "top_patterns_accuracy"]

Rest = Literal["share", "chance", "sampled"]


@dataclass(frozen=True)
class Pattern:
    """One activation pattern.

    Attributes
    ----------
    node : bytes
        Which neurons are on, step by step, a byte each.
    fraction : float
        Its probability.
    right : float
        Probability of the inputs on it whose label is predicted.
    error_bound : float
        Of `right`.
    operations : int
        Spent since the pattern before.
    """

    node: bytes
    fraction: float
    right: float
    error_bound: float
    operations: int = 0


def top_patterns(network: ReluRNN) -> Iterator[Pattern]:
    """All patterns of a network with n >= 2, the most probable first.

    Best first over prefixes: no prefix is less probable than what it begins, so a
    pattern that is the most probable of all open prefixes is the next.

    Parameters
    ----------
    network : ReluRNN
        With some input weight, for n up to about 5: a fraction takes milliseconds beyond.
        Where logits tie the first index is the prediction.

    Raises
    ------
    TaskError
        If the network's task has no such n.

    Examples
    --------
    >>> from conevol import zoo
    >>> patterns = list(top_patterns(zoo.load("4/3")))
    >>> len(patterns), round(sum(p.fraction for p in patterns), 12)
    (70, 1.0)
    """
    tree = pattern_tree(network)
    # Probabilities are negative, since a heap gives its least.
    heap: list[tuple[float, Node]] = [(-1.0, tree.root)]
    spent = Spent()
    while heap:
        negative, node = heapq.heappop(heap)
        if len(node) == tree.depth:
            totals = tree.total(node, every=True)
            operations, spent.operations = spent.operations + totals.operations, 0
            bits = patterns_of(network, [node]).tobytes()
            yield Pattern(
                bits, totals.total, totals.right, totals.error + totals.unresolved, operations
            )
            continue
        for child, share in _sides(tree, node, -negative, spent):
            heapq.heappush(heap, (-share, child))


def _sides(tree: PatternTree, node: Node, share: float, spent: Spent) -> list[tuple[Node, float]]:
    """The two sides of the next plane that cuts the cone, or the pattern if none does."""
    children = tree.children(node, spent)
    while len(children) == 1 and len(children[0]) < tree.depth:
        children = tree.children(children[0], spent)
    if len(children) == 1:
        return [(children[0], share)]
    off, on = children
    cone = tree.cone(on)
    spent.operations += cone.operations
    part = min(cone.fraction, share)
    return [(off, share - part), (on, part)]


def top_patterns_accuracy(
    network: ReluRNN,
    *,
    seed: int = 0,
    patterns: int = 100,
    rest: Rest = "share",
    samples: int = 1_000,
) -> Estimate:
    """Accuracy exact on the most probable activation patterns, and guessed on the others.

    Parameters
    ----------
    network : ReluRNN
        With n >= 2.
    seed, samples : int
        With `rest="sampled"`: inputs drawn, of which those on other patterns count.
    patterns : int
        How many patterns are exact.
    rest : {"share", "chance", "sampled"}
        Share of the other inputs that counts as right: the same as on these patterns; 1 / n; or
        that of samples among them.

    Returns
    -------
    Estimate
        With an interval that surely holds the exact value: what is right on these patterns, and
        that and all the rest, lie in it.  With `rest="sampled"` a standard error, or the
        interval's half-width if no sample is on another pattern.  Operations are those of the
        search, of the patterns' cells and of the samples; None if all input weights are 0.

    Raises
    ------
    ConevolError
        For patterns < 1, samples < 1, n < 2, or another `rest`.
    TaskError
        If the network's task has no such n.

    Examples
    --------
    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("4/3")
    >>> some = top_patterns_accuracy(net, patterns=10)
    >>> some.lower < accuracy(net).value < some.upper
    True
    """
    started = time.perf_counter()
    _check(network, patterns, rest)
    if not network.W_hi.any():
        # One pattern, all off, and all of it a tie.
        result = accuracy(network, operations=True)
        operations = result.operations
        found = [Pattern(bytes(network.W_oh.size), 1.0, result.value, result.error_bound)]
    else:
        found = [p for _, p in zip(range(patterns), top_patterns(network), strict=False)]
        operations = sum(p.operations for p in found)
    right = math.fsum(p.right for p in found)
    explored = min(math.fsum(p.fraction for p in found), 1.0)
    bound = math.fsum(p.error_bound for p in found)
    left = 1.0 - explored
    share = 1.0 / network.n if rest == "chance" else right / explored
    error = left * max(share, 1.0 - share) + bound
    if rest == "sampled":
        correct = _outside(network, {p.node for p in found}, samples, seed)
        if operations is not None:
            # Once for their patterns, and again for the answers of those that are on others.
            states = network.n * network.hidden * (network.hidden + 1)
            operations += samples * states
            operations += len(correct) * sample_operations(network.hidden, network.n)
        if len(correct):
            share = float(correct.mean())
            error = left * float(correct.std() / math.sqrt(len(correct))) + bound
    return Estimate(
        estimator=f"top patterns, {len(found)} of them, {rest}",
        value=right + left * share,
        claim="standard error" if rest == "sampled" else "interval",
        error=error,
        operations=operations,
        seconds=time.perf_counter() - started,
    )


def _outside(network: ReluRNN, nodes: set[Node], samples: int, seed: int) -> NDArray[np.bool_]:
    """Which of the sampled inputs on other patterns are right."""
    x = gaussian_inputs(samples, network.n, seed=seed)
    patterns = network.pattern(x).reshape(samples, -1)
    x = x[[row.tobytes() not in nodes for row in patterns]]
    return network.predict(x) == get_task(network.task).labels(x)


def _check(network: ReluRNN, patterns: int, rest: str) -> None:
    if patterns < 1:
        raise ConevolError(f"patterns is {patterns}, expected at least 1")
    if rest not in ("share", "chance", "sampled"):
        raise ConevolError(f"rest is {rest!r}, expected 'share', 'chance' or 'sampled'")
    if network.n < 2:
        raise ConevolError(f"n is {network.n}, expected at least 2: use conevol.accuracy")
