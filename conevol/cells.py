"""Exact accuracy of ReLU RNNs: the fractions of the cells where they are right.

A cell is a cone of inputs on which activation pattern, label and prediction are
constant; the accuracy on Gaussian inputs is the sum of the fractions of the
cells whose prediction is the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conevol.errors import ConevolError, WeightsError
from conevol.network import Ensemble, ReluRNN
from conevol.parallel import for_ranges
from conevol.tasks import Task, checked_regions, get_task
from conevol.ties import tie_rule

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from conevol.subtrees import Progress
    from conevol.tree import Node, PatternTree

__all__ = ["AccuracyResult", "Cells", "EnsembleAccuracy", "accuracy"]

# Longest sequence whose cells are polygons; those of longer ones are cones of any dimension.
MAX_N = 3
# Networks a task of the parallel loop.
_CHUNK = 32
_UNIT_ROUNDOFF = 2.0**-53
# A neuron whose pre-activation depends on the newest input by less than this is not cut first.
_SLIGHT = 1e-3


@dataclass(frozen=True)
class Cells:
    """The cells of a network, one row each.

    Attributes
    ----------
    pattern : ndarray of bool, shape (cells, n, hidden)
        Which neurons are on.
    label, prediction : ndarray of int, shape (cells,)
        True and predicted index; the first of the tied ones where logits tie.
    ties : ndarray of int, shape (cells,)
        How many logits share the maximum; 1 where the prediction is clear.
    fraction, error_bound : ndarray, shape (cells,)
        Share of the inputs, and a bound of the rounding in it.
    rays : list of ndarray, shapes (rays, n)
        For n <= 3 unit vectors around the cell in cyclic order: its extreme rays, and where
        it holds a line also the middles of its faces, so that each two
        consecutive rays are less than half a turn apart; empty for n = 1.  For n > 3 its
        unit extreme rays in any order; empty where all input weights are 0.
    """

    pattern: NDArray[np.bool_]
    label: NDArray[np.int64]
    prediction: NDArray[np.int64]
    ties: NDArray[np.int64]
    fraction: NDArray[np.float64]
    error_bound: NDArray[np.float64]
    rays: list[NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class AccuracyResult:
    """Exact accuracy of one network.

    Attributes
    ----------
    value : float
        Probability that the prediction is the label, x ~ N(0, Id).
    error_bound : float
        |value - exact| <= error_bound for the network with just these weights.
    ties : str
        Rule that was used where several logits share the maximum.
    tied : float
        Probability of such a tie.
    unresolved : float
        Probability of inputs where it cannot be told whether logits tie, because
        they differ by less than their rounding.  Part of `error_bound`.
    patterns, cells : int
        Numbers of activation patterns and of cells with an interior.
    table : Cells or None
        The cells, when asked for.
    operations : int or None
        Arithmetic spent, without the table, counted as `conevol.estimators.Estimate` has it; within
        3 % of an instrumented run, but for weights that are small integers, whose exact signs
        are not counted.  For n <= 3 when asked for; None too where all input weights are 0.
    """

    value: float
    error_bound: float
    ties: str
    tied: float
    unresolved: float
    patterns: int
    cells: int
    table: Cells | None = None
    operations: int | None = None

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class EnsembleAccuracy:
    """Exact accuracies of an ensemble: `AccuracyResult` with an array for every number."""

    value: NDArray[np.float64]
    error_bound: NDArray[np.float64]
    ties: str
    tied: NDArray[np.float64]
    unresolved: NDArray[np.float64]
    patterns: NDArray[np.int64]
    cells: NDArray[np.int64]
    operations: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.value)


def accuracy(
    networks: ReluRNN | Ensemble | Sequence[ReluRNN],
    *,
    task: str | Task | None = None,
    ties: str = "first",
    table: bool = False,
    threads: int | None = None,
    max_cells: int = 20_000_000,
    executor: Executor | None = None,
    progress: Progress | None = None,
    operations: bool = False,
) -> Any:
    """Exact accuracy on standard Gaussian inputs, for one network or an ensemble.

    Parameters
    ----------
    networks : ReluRNN, Ensemble or sequence of ReluRNN of one shape
    task : str or Task, optional
        What the label is; by default the networks' own task.
    ties : {"first", "split", "wrong"}
        What a tie for the largest logit counts: the first index is the
        prediction, as numpy.argmax and torch.argmax have it; each of the tied
        gets an equal share; or it is always wrong.
    table : bool
        Keep the table of cells (one network only).
    threads : int, optional
        By default one a core; with n <= 3 for an ensemble of more than 32 networks only.
        The result does not depend on it.
    max_cells : int
        With n > 3, give up when one network has more cells than this.
    executor : concurrent.futures.Executor, optional
        With n > 3, runs the subtrees of the walk instead of threads of this process.
        The result does not depend on it.
    progress : callable, optional
        With n > 3, called with (subtrees done, subtrees, `conevol.tree.Totals` so far).
    operations : bool
        With n <= 3, count the operations too, by a second walk with counters, which is compiled
        when it is first asked for.

    Returns
    -------
    AccuracyResult for one network, EnsembleAccuracy for several

    Raises
    ------
    WeightsError
        If products of the weights overflow, or networks differ in shape.
    TaskError
        If the task is unknown or has no such n.
    CellsError
        If a network with n > 3 has more than max_cells cells.
    ConevolError
        For an unknown tie rule, or a table of an ensemble.

    Notes
    -----
    The sphere is cut depth first by the planes of the neurons, of the label and
    of equal logits; the fractions of the right cells are
    summed in the order of the walk.  For n <= 3 cells are polygons, cut with exact signs;
    for longer inputs they are cones that carry their rays, and the time grows with the
    number of cells, tenfold or more with each input.  The bound covers the rounding of the
    planes' normals and of the areas by adding up worst cases, and is some 3e-13 for
    networks in general, with errors of some 1e-16.  Weights that are small
    multiples of one power of two (integers, say) are computed with exactly, and
    ties between their logits are certain.

    Examples
    --------
    A network that is always right:

    >>> net = ReluRNN([1.0, -1.0], [[-1.0, 1.0], [1.0, -1.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> result = accuracy(net)
    >>> result.value, result.patterns, result.cells, result.tied
    (1.0, 4, 4, 0.0)
    """
    rule = tie_rule(ties)
    single = isinstance(networks, ReluRNN)
    if isinstance(networks, Ensemble):
        ensemble = networks
    else:
        ensemble = Ensemble.of([networks] if isinstance(networks, ReluRNN) else list(networks))
    if table and not single:
        raise ConevolError("a table of cells is made for one network at a time, got an ensemble")
    if ensemble.n > MAX_N:
        results = [
            _by_tree(net, task, ties, table, threads, max_cells, executor, progress)
            for net in ensemble
        ]
        return results[0] if single else _stacked(results, ties)
    fan = _fan(get_task(ensemble.task if task is None else task), ensemble.n)
    units = _unit_roundoffs(ensemble)

    from conevol.kernels import cells as kernels
    from conevol.kernels.rare import rare_entry

    copies = len(ensemble)
    reals, counts = np.zeros((copies, 4)), np.zeros((copies, 3), dtype=np.int64)
    status = np.zeros(copies, dtype=np.int64)
    weights = (ensemble.W_hi, ensemble.W_hh, ensemble.W_oh)
    no_table, rare = kernels.new_table(0, 0, 0), rare_entry()
    for_ranges(
        lambda start, stop: kernels.walk_range(
            *weights, fan, units, rule, start, stop, reals, counts, status, no_table, kernels.SUM,
            rare.address, None,
        ),
        copies, _CHUNK, threads,
    )  # fmt: skip
    _check_status(status)

    # The exact sums are in [0, 1]; rounding may leave them a little above.
    value, tied, unresolved = np.minimum(reals[:, [0, 2, 3]], 1.0).T
    summing = 2 * _UNIT_ROUNDOFF * counts[:, 1] * value
    bound = np.minimum(reals[:, 1] + unresolved + summing, 1.0)
    spent = _operations(ensemble, fan, units, rule, threads) if operations else None
    if not single:
        return EnsembleAccuracy(
            value, bound, ties, tied, unresolved, counts[:, 0], counts[:, 1], spent
        )
    cells = _table(ensemble, fan, units, rule) if table else None
    return AccuracyResult(
        value=float(value[0]),
        error_bound=float(bound[0]),
        ties=ties,
        tied=float(tied[0]),
        unresolved=float(unresolved[0]),
        patterns=int(counts[0, 0]),
        cells=int(counts[0, 1]),
        table=cells,
        operations=None if spent is None else int(spent[0]),
    )


def _operations(
    ensemble: Ensemble, fan: Any, units: NDArray[np.float64], rule: int, threads: int | None
) -> NDArray[np.int64]:
    """Operations of the walk over each network."""
    from conevol.kernels import cells as kernels
    from conevol.kernels.rare import rare_entry

    copies = len(ensemble)
    spent = np.zeros(copies, dtype=np.int64)
    reals, counts = np.zeros((copies, 4)), np.zeros((copies, 3), dtype=np.int64)
    status = np.zeros(copies, dtype=np.int64)
    no_table, rare = kernels.new_table(0, 0, 0), rare_entry()

    def count(start: int, stop: int) -> None:
        for b in range(start, stop):
            kernels.walk_range(
                ensemble.W_hi, ensemble.W_hh, ensemble.W_oh, fan, units, rule, b, b + 1,
                reals, counts, status, no_table, kernels.SUM, rare.address, spent[b : b + 1],
            )  # fmt: skip

    for_ranges(count, copies, _CHUNK, threads)
    return spent


def _by_tree(
    network: ReluRNN,
    task: str | Task | None,
    ties: str,
    table: bool,
    threads: int | None,
    max_cells: int,
    executor: Executor | None,
    progress: Progress | None,
) -> AccuracyResult:
    """Exact accuracy of one network with n > 3."""
    from conevol.subtrees import sum_subtrees

    task = get_task(network.task if task is None else task)
    if not network.W_hi.any():
        return _blind(network, task, ties, table)
    tree = pattern_tree(network, task=task, ties=ties)
    sums = sum_subtrees(
        tree, threads=threads, executor=executor, max_cells=max_cells, progress=progress
    )
    summing = 2 * _UNIT_ROUNDOFF * sums.fractions * sums.right
    return AccuracyResult(
        value=min(sums.right, 1.0),
        error_bound=min(sums.error + min(sums.unresolved, 1.0) + summing, 1.0),
        ties=ties,
        tied=sums.tied,
        unresolved=min(sums.unresolved, 1.0),
        patterns=sums.patterns,
        cells=sums.cells,
        table=_table_of(tree, network, max_cells) if table else None,
        operations=sums.operations,
    )


def _table_of(tree: PatternTree, network: ReluRNN, max_cells: int) -> Cells:
    """All cells of a network with n > 3, their neurons in its order."""
    cells = _as_cells(tree.cells(limit=max_cells), network.n)
    return replace(cells, pattern=cells.pattern[:, :, _order(network)])


def _as_cells(table: Any, n: int) -> Cells:
    """The table of a kernel as arrays of Python."""
    return Cells(
        pattern=table.pattern.reshape(len(table.label), n, -1),
        label=table.label,
        prediction=table.prediction,
        ties=table.ties,
        fraction=table.fraction,
        error_bound=table.error,
        rays=[r[:, :n] for r in np.split(table.rays, table.first_ray[1:-1])],
    )


def _blind(network: ReluRNN, task: Task, ties: str, table: bool) -> AccuracyResult:
    """Exact accuracy where no input weight is there: all logits are 0, one pattern, one tie."""
    from conevol.engine import fractions

    task.check_length(network.n)
    regions = task.regions(network.n)
    found = fractions(np.array([region.normals for region in regions]))
    values, bounds = found.values, found.bounds
    labels = np.array([region.label for region in regions], dtype=np.int64)
    credit = {"first": labels == 0, "split": np.full(len(labels), 1.0 / network.n)}.get(ties)
    credit = np.zeros(len(labels)) if credit is None else credit.astype(float)
    cells = Cells(
        pattern=np.zeros((len(labels), network.n, network.hidden), dtype=np.bool_),
        label=labels,
        prediction=np.zeros(len(labels), dtype=np.int64),
        ties=np.full(len(labels), network.n, dtype=np.int64),
        fraction=values,
        error_bound=bounds,
        rays=[np.empty((0, network.n)) for _ in labels],
    )
    return AccuracyResult(
        value=float(credit @ values),
        error_bound=float(credit @ bounds + len(labels) * _UNIT_ROUNDOFF),
        ties=ties,
        tied=1.0,
        unresolved=0.0,
        patterns=1,
        cells=len(labels),
        table=cells if table else None,
    )


def pattern_tree(
    network: ReluRNN, *, task: str | Task | None = None, ties: str = "first"
) -> PatternTree:
    """The tree of a network's patterns, for walks of one's own (see `conevol.tree`).

    Its neurons are in the network's order, but the first changes places with the one that
    depends most on the newest input where it itself depends on that by less than a
    thousandth: else the first plane of each step would nearly contain the new
    coordinate. `PatternTree.W_hi` and so on are in the tree's order; `patterns_of` gives
    nodes in the network's.

    Raises
    ------
    TaskError
        If the task is unknown or has no such n.
    """
    from conevol.tree import PatternTree, task_rows

    rows, labels = task_rows(get_task(network.task if task is None else task), network.n)
    unit = float(_unit_roundoffs(Ensemble.of([network]))[0])
    order = _order(network)
    return PatternTree(
        network.W_hi[order], network.W_hh[np.ix_(order, order)], network.W_oh[:, order],
        rows, labels, unit, tie_rule(ties),
    )  # fmt: skip


def patterns_of(network: ReluRNN, nodes: Sequence[Node]) -> NDArray[np.bool_]:
    """Nodes of `pattern_tree(network)` after whole steps as (nodes, steps, hidden), its neurons.

    Examples
    --------
    >>> net = ReluRNN([0.0, 1.0], [[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> nodes = pattern_tree(net).prefixes(2)
    >>> patterns_of(net, nodes).tolist()
    [[[False, True]], [[False, False]]]
    """
    rows = np.array([np.frombuffer(node, dtype=np.bool_) for node in nodes], dtype=np.bool_)
    return rows.reshape(len(nodes), -1, network.hidden)[:, :, _order(network)]


def _order(network: ReluRNN) -> NDArray[np.int64]:
    """Order of the neurons in the tree, its own inverse.

    |w_j| / sum over k of |W_jk w_k| compares the newest input's part of a pre-activation to
    that of the one before; it does not change when neurons are scaled.
    """
    order = np.arange(network.hidden)
    weight = np.abs(network.W_hi)
    # Scaled neuron by neuron to avoid overflow.
    past = (np.abs(network.W_hh) * (weight / weight.max())).sum(axis=1)
    part = (weight / weight.max()) / np.where(past > 0.0, past, 1.0)
    part[past == 0.0] = np.where(weight[past == 0.0] > 0.0, np.inf, 0.0)
    best = int(np.argmax(part))
    if part[0] < _SLIGHT * min(part[best], 1.0):
        order[[0, best]] = best, 0
    return order


def _stacked(results: list[AccuracyResult], ties: str) -> EnsembleAccuracy:
    reals = ("value", "error_bound", "tied", "unresolved")
    arrays: dict[str, Any] = {f: np.array([getattr(r, f) for r in results]) for f in reals}
    for f in ("patterns", "cells"):
        arrays[f] = np.array([getattr(r, f) for r in results], dtype=np.int64)
    if all(r.operations is not None for r in results):
        arrays["operations"] = np.array([r.operations for r in results], dtype=np.int64)
    return EnsembleAccuracy(ties=ties, **arrays)


def _fan(task: Task, n: int) -> Any:
    """The task's regions as rows x_i - x_j and indices into them, in three dimensions."""
    from conevol.kernels.cells import Fan

    regions = checked_regions(task, n)
    rows = []
    for i in range(n):
        for j in range(i + 1, n):
            row = np.zeros(3)
            row[i], row[j] = 1.0, -1.0
            rows += [row, -row]
    planes = np.array(rows).reshape(-1, 3)
    width = len(regions[0].normals)
    indices = np.zeros((len(regions), width), dtype=np.int64)
    for r, region in enumerate(regions):
        for i, normal in enumerate(region.normals):
            indices[r, i] = np.flatnonzero((planes[:, :n] == normal).all(axis=1))[0]
    labels = np.array([region.label for region in regions], dtype=np.int64)
    return Fan(planes, indices, labels)


def _unit_roundoffs(ensemble: Ensemble) -> NDArray[np.float64]:
    """Unit roundoff of every network's maps: 0 where they are computed without rounding.

    That is so when all weights are integer multiples of a power of two and the
    largest possible entry of a logit map still has fewer than 53 bits.
    """
    if not len(ensemble):
        return np.empty(0)
    bits = (
        _integer_bits(ensemble.W_hi)
        + (ensemble.n - 1) * _integer_bits(ensemble.W_hh)
        + _integer_bits(ensemble.W_oh)
    )
    return np.where(bits < 52, 0.0, _UNIT_ROUNDOFF)


def _integer_bits(w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every network: log2 of the largest row sum of |w| in units of the last bit used."""
    mantissa, exponent = np.frexp(w)
    integer = (mantissa * 2.0**53).astype(np.int64)
    # The lowest bit that is set; zeros have none and do not count.
    lowest = np.frexp((integer & -integer).astype(np.float64))[1] + exponent
    lowest = np.where(integer == 0, np.iinfo(np.int32).max, lowest)
    axes = tuple(range(1, w.ndim))
    # Differences of two readout rows double the sum.
    total = 2.0 * np.abs(w).reshape(len(w), w.shape[1], -1).sum(axis=2).max(axis=1)
    last = lowest.min(axis=axes) - 54.0
    return np.where(total > 0.0, np.log2(np.maximum(total, 1e-308)) - last, 0.0)


def _check_status(status: NDArray[np.int64]) -> None:
    failed = np.flatnonzero(status)
    if len(failed):
        raise WeightsError(
            f"products of the weights of network {failed[0]} overflow ({len(failed)} of "
            f"{len(status)} networks): scale the weights down; scaling a neuron's incoming "
            "weights down and its outgoing weights up by one factor changes no prediction"
        )


def _table(ensemble: Ensemble, fan: Any, units: NDArray[np.float64], rule: int) -> Cells:
    """The cells of the first network: one walk to count them, one to write them."""
    from conevol.kernels import cells as kernels
    from conevol.kernels.rare import rare_entry

    n, hidden = ensemble.n, ensemble.hidden
    table, rare = kernels.new_table(0, 0, 0), rare_entry()
    for mode in (kernels.COUNT, kernels.WRITE):
        reals, counts = np.zeros((1, 4)), np.zeros((1, 3), dtype=np.int64)
        kernels.walk_range(
            ensemble.W_hi, ensemble.W_hh, ensemble.W_oh, fan, units, rule, 0, 1,
            reals, counts, np.zeros(1, dtype=np.int64), table, mode, rare.address, None,
        )  # fmt: skip
        if mode == kernels.COUNT:
            table = kernels.new_table(counts[0, 1], counts[0, 2], n * hidden)
    return _as_cells(table, n)
