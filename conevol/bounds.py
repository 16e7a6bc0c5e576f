"""Bounds of the accuracy that hold at any moment, and tighten until they meet.

What is not settled yet is a frontier of prefixes, `Frontier`.  The widest are refined first: a
prefix is replaced by its continuations one step of the network below; one that lacks only
the last step is settled, by what its cells lose to right.  So lower counts what is proved
right, 1 - upper what is proved wrong, and a prefix's own fraction stands for all of its cells
that are right: only those that are not are ever measured.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from conevol.branches import Children, grow, losses
from conevol.cells import accuracy, pattern_tree
from conevol.errors import ConevolError
from conevol.frontier_file import load, save
from conevol.parallel import thread_count
from conevol.subtrees import in_order
from conevol.ties import tie_rule
from conevol.tree import Lost, Node, PatternTree

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from conevol.network import ReluRNN
    from conevol.tasks import Task

__all__ = ["AccuracyBounds", "Frontier", "Open", "accuracy_bounds"]

# What loses less than this share of the wanted width is left open the first time; if none is
# wanted, less than this share of its prefix.  The next times the share is so much smaller, and
# after so many nothing is left open.
SMALL = 1e-4
SHRINK, VISITS = 0.1, 4
# Prefixes refined at a time: at most so many, none narrower than this share of the widest.
_BATCH, _SHARE = 512, 0.05
# Prefixes a task of a thread.
_CHUNK = 64
# Seconds between checkpoints.
_SAVE_EVERY = 30.0
_UNIT_ROUNDOFF = 2.0**-53


class Open(NamedTuple):
    """A prefix that is not settled wholly, in the order of the heap.

    Attributes
    ----------
    rank : float
        Minus the width that it leaves between lower and upper.
    node : bytes
    visits : int
        How often its cells have been looked at.
    fraction, bound : float
        Of the prefix, with the bound of its error.
    right, wrong, error : float
        What it adds to the sums.
    patterns : int
        How many of its patterns have been looked at.
    """

    rank: float
    node: Node
    visits: int
    fraction: float
    bound: float
    right: float = 0.0
    wrong: float = 0.0
    error: float = 0.0
    patterns: int = 0


@dataclass(frozen=True)
class AccuracyBounds:
    """Bounds of the accuracy of one network.

    Attributes
    ----------
    lower, upper : float
        The exact accuracy lies between, for the network with just these weights.
    error : float
        The part of the width that is due to rounding and to ties that cannot be told.
    explored : float
        Fraction of the inputs whose prefixes have been followed to the last step.
    nodes, patterns, open : int
        Numbers of prefixes met, of patterns looked at, and of prefixes that are left.
    operations : int or None
        Arithmetic spent, as `conevol.estimators.Estimate` has it, that of calls resumed included;
        None where no input weight is there.
    ties : str
        Rule that was used where several logits share the maximum.
    seconds : float
        Wall-clock time of the call.
    stopped : str
        Why it ended: "complete", "width", "seconds", "nodes" or "interrupt".
    """

    lower: float
    upper: float
    error: float
    explored: float
    nodes: int
    patterns: int
    open: int
    operations: int | None
    ties: str
    seconds: float
    stopped: str

    @property
    def value(self) -> float:
        """The middle; the exact accuracy is not farther than half the width."""
        return 0.5 * (self.lower + self.upper)

    @property
    def width(self) -> float:
        """Distance of the bounds."""
        return self.upper - self.lower

    @property
    def complete(self) -> bool:
        """Whether nothing is left that could be refined."""
        return self.stopped == "complete"


class Frontier:
    """What is known of a network's accuracy, and what is not: sums, and a heap of prefixes.

    Refining it is deterministic: the same calls give the same bits on any number of threads.

    Attributes
    ----------
    tree : PatternTree
    heap : list of Open
        The prefixes that are not settled wholly.
    right, wrong, error, explored : float
        Fractions proved right and wrong but for errors of `error`; of what was looked at.
    nodes, patterns : int
        Numbers of prefixes met, and of patterns looked at.
    operations : int
        Spent so far.
    """

    def __init__(self, tree: PatternTree) -> None:
        self.tree = tree
        self.heap = [Open(-1.0, tree.root, 0, 1.0, 0.0)]
        self.right = self.wrong = self.error = self.explored = 0.0
        self.nodes, self.patterns, self.operations = 1, 0, 0
        # Every sum is off by at most one roundoff of 1 for each term.
        self.terms = 0

    @property
    def rounding(self) -> float:
        """Bound of all errors of `right` and `wrong`."""
        return self.error + 2.0 * _UNIT_ROUNDOFF * self.terms

    @property
    def lower(self) -> float:
        """Surely right."""
        return max(0.0, self.right - self.rounding)

    @property
    def upper(self) -> float:
        """Not surely wrong."""
        return min(1.0, 1.0 - self.wrong + self.rounding)

    def batch(self, missing: float) -> list[Open]:
        """Take the prefixes to refine next: the widest, until they hold what is missing."""
        taken: list[Open] = []
        held = 0.0
        while self.heap and len(taken) < _BATCH and (not taken or held < missing):
            if taken and self.heap[0].rank > _SHARE * taken[0].rank:
                break
            taken.append(heapq.heappop(self.heap))
            held -= taken[-1].rank
        return taken

    def put_back(self, item: Open) -> None:
        """Leave a prefix as it is."""
        heapq.heappush(self.heap, item)

    def replace(self, item: Open, found: Children | Lost) -> None:
        """Enter what was found of a prefix."""
        self.operations += found.operations
        if isinstance(found, Children):
            self.error += found.error
            self.nodes += len(found.nodes)
            for node, fraction, bound in zip(
                found.nodes, found.fractions, found.bounds, strict=True
            ):
                most = min(1.0, fraction + bound)
                heapq.heappush(self.heap, Open(-most, node, 0, fraction, bound))
            self.terms += 1
            return
        if item.visits == 0:
            self.explored += item.fraction
        after = item._replace(
            rank=-found.open,
            visits=item.visits + 1,
            right=max(0.0, item.fraction - item.bound - found.value - found.open),
            wrong=found.value,
            error=found.error,
            patterns=found.patterns,
        )
        self.right += after.right - item.right
        self.wrong += after.wrong - item.wrong
        self.error += after.error - item.error
        self.patterns += after.patterns - item.patterns
        self.terms += 8
        if found.open > 0.0:
            heapq.heappush(self.heap, after)


def refined(
    tree: PatternTree, deadline: float, width: float | None, exact: bool, items: list[Open]
) -> list[Children | Lost] | None:
    """What is found of some prefixes; None after the deadline.

    A pure function but for that, which can be pickled: any executor can run it.
    """
    if time.time() > deadline:
        return None
    settling = tree.depth - len(tree.W_hi)
    last = [item for item in items if len(item.node) == settling]
    inner = [item for item in items if len(item.node) < settling]
    least = [0.0 if exact else _least(item, width) for item in last]
    found: dict[Node, Children | Lost] = {}
    # By length, so that those of one depth are done in one call of a kernel.
    inner.sort(key=lambda item: len(item.node))
    found.update(zip([i.node for i in inner], grow(tree, [i.node for i in inner]), strict=True))
    found.update(
        zip([i.node for i in last], losses(tree, [i.node for i in last], least), strict=True)
    )
    return [found[item.node] for item in items]


def _least(item: Open, width: float | None) -> float:
    """What may be left open in a prefix now."""
    if item.visits >= VISITS:
        return 0.0
    return SMALL * (width or item.fraction) * SHRINK**item.visits


def refine(
    frontier: Frontier,
    width: float | None,
    threads: int | None,
    executor: Executor | None,
    deadline: float,
    exact: bool = False,
) -> None:
    """Refine one batch, with exact at once to the end; what is interrupted stays as it was."""
    items = frontier.batch(frontier.upper - frontier.lower - (width or 0.0))
    workers = thread_count(threads)
    # A node of a long input takes long: the deadline is looked at after each.
    most = _CHUNK if frontier.tree.n < 6 else 1
    size = max(1, min(most, -(-len(items) // (4 * workers))))
    chunks = [items[at : at + size] for at in range(0, len(items), size)]
    work = partial(refined, frontier.tree, deadline, width, exact)
    done: list[list[Children | Lost] | None] = []
    try:
        for result in in_order(work, chunks, threads, executor):
            done.append(result)
    finally:
        for k, chunk in enumerate(chunks):
            found = done[k] if k < len(done) else None
            for m, item in enumerate(chunk):
                if found is None:
                    frontier.put_back(item)
                else:
                    frontier.replace(item, found[m])


def accuracy_bounds(
    network: ReluRNN,
    *,
    width: float | None = None,
    seconds: float | None = None,
    nodes: int | None = None,
    task: str | Task | None = None,
    ties: str = "first",
    threads: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[AccuracyBounds], object] | None = None,
    checkpoint: str | Path | None = None,
    resume: str | Path | None = None,
) -> AccuracyBounds:
    """Lower and upper bound of the accuracy on standard Gaussian inputs, for any n.

    It ends when the bounds are near enough, when time or nodes are used up, when nothing is
    left to refine, or on Ctrl-C, and returns what it has.

    Parameters
    ----------
    network : ReluRNN
    width : float, optional
        End when upper - lower is at most this.
    seconds : float, optional
        End after this time; what has been begun is finished.
    nodes : int, optional
        End when so many prefixes have been met.
    task, ties
        As for `conevol.accuracy`.
    threads : int, optional
        By default one a core.  Without `seconds` and Ctrl-C the result does not depend on it.
    executor : concurrent.futures.Executor, optional
        Does the work instead of threads of this process; the result does not depend on it.
    progress : callable, optional
        Called with the bounds so far, time and again.
    checkpoint : path, optional
        Keep the state in this file (npz), every half minute and at the end.
    resume : path, optional
        Go on from this file, of the same network, task and tie rule.

    Raises
    ------
    ConevolError
        For an unknown tie rule, or a budget that is not positive.
    TaskError
        If the task is unknown or has no such n.
    WeightsError
        If products of the weights overflow.
    FileFormatError
        If the file to resume is none of this kind, or of another network or rule.

    Notes
    -----
    A prefix is the pattern of the first steps.  Its fraction is that of a cone in the inputs
    read so far; in the end one minus what its cells lose.  Rounding is in the bounds, see
    statements 34 and 36 of docs/methods.md.

    Examples
    --------
    >>> from conevol import zoo
    >>> bounds = accuracy_bounds(zoo.load("6/4"), width=0.01)
    >>> bounds.lower <= 0.862363444 <= bounds.upper, bounds.width <= 0.01
    (True, True)
    """
    started = time.perf_counter()
    _check(ties, width, seconds, nodes)
    if network.n < 2 or not network.W_hi.any():
        return _at_once(network, task, ties, started)
    tree = pattern_tree(network, task=task, ties=ties)
    frontier = Frontier(tree)
    if resume is not None:
        load(frontier, resume, Open)
    deadline = time.time() + seconds if seconds is not None else float("inf")
    saved = started
    stopped = _reason(frontier, width, nodes, deadline)
    try:
        while not stopped:
            refine(frontier, width, threads, executor, deadline)
            stopped = _reason(frontier, width, nodes, deadline)
            if progress is not None:
                progress(_result(frontier, ties, started, stopped))
            if checkpoint is not None and time.perf_counter() - saved > _SAVE_EVERY:
                save(frontier, checkpoint)
                saved = time.perf_counter()
    except KeyboardInterrupt:
        stopped = "interrupt"
    if checkpoint is not None:
        save(frontier, checkpoint)
    return _result(frontier, ties, started, stopped)


def _check(ties: str, width: float | None, seconds: float | None, nodes: int | None) -> None:
    tie_rule(ties)
    for name, budget in (("width", width), ("seconds", seconds), ("nodes", nodes)):
        if budget is not None and not budget > 0:
            raise ConevolError(f"{name} is {budget}, expected a positive number or None")


def _reason(frontier: Frontier, width: float | None, nodes: int | None, deadline: float) -> str:
    """Why to stop; empty if there is no reason to."""
    if not frontier.heap:
        return "complete"
    if width is not None and frontier.upper - frontier.lower <= width:
        return "width"
    if nodes is not None and frontier.nodes >= nodes:
        return "nodes"
    return "seconds" if time.time() > deadline else ""


def _result(frontier: Frontier, ties: str, started: float, stopped: str) -> AccuracyBounds:
    return AccuracyBounds(
        lower=frontier.lower,
        upper=frontier.upper,
        error=min(1.0, 2.0 * frontier.rounding),
        explored=min(1.0, frontier.explored),
        nodes=frontier.nodes,
        patterns=frontier.patterns,
        open=len(frontier.heap),
        operations=frontier.operations,
        ties=ties,
        seconds=time.perf_counter() - started,
        stopped=stopped,
    )


def _at_once(
    network: ReluRNN, task: str | Task | None, ties: str, started: float
) -> AccuracyBounds:
    """Bounds where there is no tree: one input, or none that is looked at."""
    exact = accuracy(network, task=task, ties=ties, operations=True)
    return AccuracyBounds(
        lower=max(0.0, exact.value - exact.error_bound),
        upper=min(1.0, exact.value + exact.error_bound),
        error=2.0 * exact.error_bound,
        explored=1.0,
        nodes=1,
        patterns=exact.patterns,
        open=0,
        operations=exact.operations,
        ties=ties,
        seconds=time.perf_counter() - started,
        stopped="complete",
    )
