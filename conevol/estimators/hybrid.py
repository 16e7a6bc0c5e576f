"""Exact where the pattern tree has been explored, sampled in what is left of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol.bounds import Frontier, Open, refine
from conevol.cells import accuracy, pattern_tree
from conevol.cone import Cone
from conevol.errors import ConevolError
from conevol.estimators.baselines import sample_operations
from conevol.estimators.sampling import check_draw
from conevol.estimators.stratified import credits_of, shape_of, stratified_accuracy
from conevol.tasks import Task, get_task
from conevol.ties import tie_rule
from conevol.tree import Spent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conevol.network import ReluRNN
    from conevol.tree import PatternTree

__all__ = ["HybridAccuracy", "accuracy_hybrid"]

# Points of the pilot, and the least share of them in prefixes that several of them have with
# which exploring is begun.
_PILOT, _EXPLORE = 1000, 0.5
# More of the inputs than this is sampled as a whole: a point in the cone of a prefix
# takes ten times as long, or more where the prefixes are many, and is not stratified.
_WORTH = 0.1


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
        Numbers of points drawn, and of prefixes met.
    operations : int or None
        Arithmetic of the pilot, the exploration, the cones and the points' forward passes, as
        `conevol.estimators.Estimate` has it; drawing the points is free, as random numbers are.
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
    operations: int | None
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

    Where exploring does not pay, all inputs are sampled by `stratified_accuracy`.

    Parameters
    ----------
    network : ReluRNN
    samples : int
        Drawn in proportion to the fractions of the unexplored prefixes; where all inputs are
        sampled, points of `stratified_accuracy`, rounded up as there.
    width, nodes : float, int
        The tree is explored as by `accuracy_bounds` until its bounds are as near as this, or
        so many prefixes have been met.  With a width above 0.1 nothing is.
    seed : int
        The same seed gives the same result, whatever the number of threads.
    task, ties, threads
        As for `conevol.accuracy`.

    Raises
    ------
    ConevolError
        For samples or nodes < 1, a seed that is not in 0 .. 2^63 - 1, a width that is not
        positive, or an unknown tie rule.
    TaskError
        If the task is unknown or has no such n.

    Notes
    -----
    A pilot decides whether the tree is explored: a thousand inputs, the same for every call, of
    which at least half must share their prefix of all steps but the last with another.  So
    much of the inputs lies in fewer prefixes than that, about (I. J. Good 1953).  If more than a
    tenth of the inputs is left where the exploration ends, all are sampled after all.
    Neither depends on the points that are drawn then, so the estimate is unbiased either way.

    In a prefix, points are drawn from the Gaussian distribution within its cone (statement 29 of
    docs/methods.md), so none is wasted; inputs that the prefix does not read are free.  The
    number in a prefix is its share, rounded up or down at random by one systematic draw for all,
    so the mean is unbiased, and its variance at most about that of independent choices, which
    the standard error is of.

    Examples
    --------
    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("6/4")
    >>> result = accuracy_hybrid(net, 20_000, width=0.05)
    >>> result.sampled < 0.1
    True
    >>> abs(result.value - accuracy(net).value) < 5 * result.standard_error
    True
    """
    started = time.perf_counter()
    tie_rule(ties)
    check_draw(samples, seed)
    if nodes < 1:
        raise ConevolError(f"nodes is {nodes}, expected at least 1")
    if not width > 0.0:
        raise ConevolError(f"width is {width}, expected a positive number")
    chosen = get_task(network.task if task is None else task)
    if network.n < 2 or not network.W_hi.any():
        exact = accuracy(network, task=task, ties=ties, operations=True)
        return HybridAccuracy(
            exact.value, 0.0, exact.error_bound, 0.0, 0, exact.operations, 1, ties,
            time.perf_counter() - started,
        )  # fmt: skip
    frontier = Frontier(pattern_tree(network, task=task, ties=ties))
    spent = 0
    if width <= _WORTH:
        spent = _PILOT * network.n * network.hidden * (network.hidden + 1)
    if width <= _WORTH and _shared(network) >= _EXPLORE:
        while frontier.heap and frontier.nodes < nodes and frontier.upper - frontier.lower > width:
            refine(frontier, width, threads, None, math.inf, exact=True)
    spent += frontier.operations
    if math.fsum(item.fraction for item in frontier.heap) > _WORTH:
        parts = _whole(frontier, network, chosen, ties, samples, seed, threads)
    else:
        parts = _mixed(frontier, network, chosen, ties, samples, seed, threads)
    return HybridAccuracy(
        *parts[:5],
        operations=spent + parts[5],
        nodes=frontier.nodes,
        ties=ties,
        seconds=time.perf_counter() - started,
    )


def _shared(network: ReluRNN) -> float:
    """Share of the pilot's inputs in prefixes of all steps but the last that others have too."""
    x = np.random.default_rng([_PILOT, 0]).standard_normal((_PILOT, network.n))
    prefix = np.packbits(network.pattern(x)[:, :-1].reshape(_PILOT, -1), axis=1)
    counts = np.unique(prefix, axis=0, return_counts=True)[1]
    return 1.0 - float((counts == 1).sum()) / _PILOT


def _whole(
    frontier: Frontier, network: ReluRNN, task: Task, ties: str, samples: int, seed: int,
    threads: int | None,
) -> tuple[float, float, float, float, int, int]:  # fmt: skip
    """Value, standard error, error, part sampled, points, operations: all inputs are sampled."""
    if task.rank is None:
        # There are no strata: plain points.
        frontier = Frontier(frontier.tree)
        return _mixed(frontier, network, task, ties, samples, seed, threads)
    sampled = stratified_accuracy(
        network, samples, seed=seed, task=task, ties=ties, threads=threads
    )
    operations = sampled.operations or 0
    return sampled.value, sampled.error, 0.0, 1.0, math.prod(shape_of(samples)), operations


def _mixed(
    frontier: Frontier, network: ReluRNN, task: Task, ties: str, samples: int, seed: int,
    threads: int | None,
) -> tuple[float, float, float, float, int, int]:  # fmt: skip
    """The same: exact but for the prefixes left."""
    left = sorted(frontier.heap, key=lambda item: item.node)
    mass = math.fsum(item.fraction for item in left)
    error = frontier.rounding + math.fsum(item.bound for item in left)
    if mass == 0.0:
        return frontier.right, 0.0, error, 0.0, 0, 0
    spent = Spent(samples * sample_operations(network.hidden, network.n))
    x = points_in(frontier.tree, left, samples, np.random.default_rng(seed), spent)
    if task.rank is None:
        credit = _credits_in_python(network, task, ties, x)
    else:
        credit = credits_of(network, task.rank(network.n), ties, x, threads)
    spread = mass * float(credit.std()) / math.sqrt(samples)
    value = frontier.right + mass * float(credit.mean())
    return value, spread, error, mass, samples, spent.operations


def points_in(
    tree: PatternTree, items: list[Open], samples: int, rng: np.random.Generator,
    spent: Spent | None = None,
) -> NDArray[np.float64]:  # fmt: skip
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
            cone = tree.cone(item.node)
            normals = cone.normals
            if spent is not None:
                spent.operations += cone.operations
            x[at : at + count, : normals.shape[1]] = Cone(normals).sample(count, rng)
        at += count
    return x


def _credits_in_python(
    network: ReluRNN, task: Task, ties: str, x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`credits_of` for a label function that is Python code."""
    logits, label = network.forward(x), task(x)
    best = logits.max(axis=1)
    tied = (logits == best[:, None]).sum(axis=1)
    hit = np.take_along_axis(logits, label[:, None], axis=1)[:, 0] == best
    if ties == "split":
        return hit / tied
    first = logits.argmax(axis=1) == label
    return np.where(tied == 1, hit, first if ties == "first" else False).astype(float)
