"""Exact where the pattern tree has been explored, sampled in what is left of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol.bounds import Frontier, Open, refine
from conevol.branches import losses
from conevol.cells import TIE_RULES, accuracy, pattern_tree
from conevol.cone import Cone
from conevol.errors import ConevolError
from conevol.tasks import Task, get_task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN
    from conevol.tree import PatternTree

__all__ = ["HybridAccuracy", "accuracy_hybrid"]


@dataclass(frozen=True)
class HybridAccuracy:
    """Accuracy, exact on a part of the inputs and sampled on the rest.

    Attributes
    ----------
    value : float
        Unbiased estimate, but for rounding of at most `error`.
    standard_error : float
        Its estimated standard error; 0 where nothing is left to sample.
    error : float
        Bound of the rounding in the exact part.
    sampled : float
        Fraction of the inputs that was sampled.
    samples, nodes : int
        Numbers of samples drawn, and of prefixes met.
    ties : str
        The tie rule.
    seconds : float
        Wall-clock time.
    """

    value: float
    standard_error: float
    error: float
    sampled: float
    samples: int
    nodes: int
    ties: str
    seconds: float

    def __float__(self) -> float:
        return self.value


def accuracy_hybrid(
    network: ReluRNN,
    samples: int = 100_000,
    *,
    width: float = 0.01,
    nodes: int = 5000,
    seed: int = 0,
    task: str | Task | None = None,
    ties: str = "first",
    threads: int | None = None,
) -> HybridAccuracy:
    """Accuracy by exact fractions and, in the prefixes that were not explored, by samples.

    Parameters
    ----------
    network : ReluRNN
    samples : int
        Drawn in proportion to the fractions of the unexplored prefixes.
    width, nodes : float, int
        The tree is explored as by `accuracy_bounds` until its bounds are as near as this, or
        so many prefixes have been met.
    seed : int
        The same seed gives the same result, whatever the number of threads.
    task, ties, threads
        As for `conevol.accuracy`.

    Raises
    ------
    ConevolError
        For samples or nodes < 1, a seed < 0, a width that is not positive, or an unknown tie rule.
    TaskError
        If the task is unknown or has no such n.

    Notes
    -----
    Points are drawn from the Gaussian distribution within a prefix's cone (statement 29 of
    docs/methods.md), so none is wasted; inputs that the prefix does not read are free.  The
    number in a prefix is its share, rounded up or down at random by one systematic draw for all,
    so the mean is unbiased, and its variance at most about that of independent choices, which
    the standard error is of.

    Examples
    --------
    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("6/4")
    >>> result = accuracy_hybrid(net, 20_000, width=0.2)
    >>> result.sampled < 0.5
    True
    >>> abs(result.value - accuracy(net).value) < 5 * result.standard_error
    True
    """
    started = time.perf_counter()
    if ties not in TIE_RULES:
        raise ConevolError(f"unknown tie rule {ties!r}, expected one of {', '.join(TIE_RULES)}")
    for name, number, least in (("samples", samples, 1), ("nodes", nodes, 1), ("seed", seed, 0)):
        if number < least:
            raise ConevolError(f"{name} is {number}, expected at least {least}")
    if not width > 0.0:
        raise ConevolError(f"width is {width}, expected a positive number")
    chosen = get_task(network.task if task is None else task)
    if network.n < 2 or not network.W_hi.any():
        exact = accuracy(network, task=task, ties=ties)
        return HybridAccuracy(
            exact.value, 0.0, exact.error_bound, 0.0, 0, 1, ties, time.perf_counter() - started
        )
    tree = pattern_tree(network, task=task, ties=ties)
    frontier = Frontier(tree)
    while frontier.heap and frontier.nodes < nodes and frontier.upper - frontier.lower > width:
        refine(frontier, width, threads, None, math.inf)
    left = _unexplored(frontier)
    mass = math.fsum(item.fraction for item in left)
    mean, error, drawn = 0.0, 0.0, 0
    if mass > 0.0:
        rng = np.random.default_rng(seed)
        credit = credits_of(network, chosen, ties, points_in(tree, left, samples, rng))
        mean, drawn = float(credit.mean()), samples
        error = mass * float(credit.std()) / math.sqrt(samples)
    return HybridAccuracy(
        value=frontier.right + mass * mean,
        standard_error=error,
        error=frontier.rounding + math.fsum(item.bound for item in left),
        sampled=mass,
        samples=drawn,
        nodes=frontier.nodes,
        ties=ties,
        seconds=time.perf_counter() - started,
    )


def _unexplored(frontier: Frontier) -> list[Open]:
    """The prefixes that were not looked into, in the order of the tree; others are settled."""
    seen = [item for item in frontier.heap if item.visits]
    left = sorted((item for item in frontier.heap if not item.visits), key=lambda i: i.node)
    found = losses(frontier.tree, [item.node for item in seen], [0.0] * len(seen))
    for item, lost in zip(seen, found, strict=True):
        frontier.replace(item, lost)
    return left


def points_in(
    tree: PatternTree, items: list[Open], samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Gaussian inputs (samples, n) in the cones of prefixes, in proportion to their fractions."""
    ends = np.cumsum([item.fraction for item in items])
    places = (np.arange(samples) + rng.random()) * (ends[-1] / samples)
    chosen = np.minimum(np.searchsorted(ends, places, side="right"), len(items) - 1)
    counts = np.bincount(chosen, minlength=len(items))
    x = rng.standard_normal((samples, tree.n))
    at = 0
    for item, count in zip(items, counts.tolist(), strict=True):
        # The root's cone is all of space.
        if count and item.node:
            normals = tree.cone(item.node).normals
            x[at : at + count, : normals.shape[1]] = Cone(normals).sample(count, rng)
        at += count
    return x


def credits_of(
    network: ReluRNN, task: Task, ties: str, x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Credit of every input under a tie rule."""
    logits, label = network.forward(x), task(x)
    best = logits.max(axis=1)
    tied = (logits == best[:, None]).sum(axis=1)
    hit = np.take_along_axis(logits, label[:, None], axis=1)[:, 0] == best
    if ties == "split":
        return hit / tied
    first = logits.argmax(axis=1) == label
    return np.where(tied == 1, hit, first if ties == "first" else False).astype(float)
