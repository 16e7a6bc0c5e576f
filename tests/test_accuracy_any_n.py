"""Exact accuracy for n > 3: beside brute force, the polygons of n = 3, exact values and laws."""

from __future__ import annotations

import itertools
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import lru_cache

import numpy as np
import oracles
import pytest
from bare import from_python
from mpmath import mp
from strategies import cancelling, random_weights

import conevol
from conevol import ReluRNN, accuracy
from conevol.cells import pattern_tree
from conevol.engine import cone_fraction
from conevol.errors import CellsError, ConevolError, WeightsError
from conevol.kernels import cut
from conevol.kernels.cut_steps import put_row
from conevol.subtrees import estimated_patterns, sum_subtrees, total_of, work_list
from conevol.tasks import TASKS, get_task, ranking_task
from conevol.ties import TIE_RULES

KINDS = ("float", "integer", "ties", "sparse", "dead readout", "equal readout", "dead neuron")
# Brute force knows nothing of planes that coincide up to rounding: it may find slivers there.
SLIVER = 1e-14


def random_network(seed, hidden, n, kind="float", **options):
    return ReluRNN(*random_weights(np.random.default_rng(seed), hidden, n, kind), **options)


# --- brute force ----------------------------------------------------------------------------


def patterns_by_brute_force(net):
    """Rows of every pattern with an interior, and its logit map; prefixes without one are cut."""
    n, hidden = net.n, net.hidden

    def below(pattern, rows):
        depth = len(pattern)
        if depth == n * hidden:
            on = np.array(pattern).reshape(n, hidden)
            yield rows, net.linear_maps(on).logits
            return
        on = np.zeros((n, hidden), dtype=bool)
        on.flat[:depth] = pattern
        z = net.linear_maps(on).pre_activations[divmod(depth, hidden)]
        for active in (False, True):
            more = [*rows, z if active else -z]
            if (z.any() or not active) and cone_fraction(np.array(more))[0] > SLIVER:
                yield from below([*pattern, active], more)

    yield from below([], [])


def accuracy_by_brute_force(net, task):
    """Values of the three rules, tied mass, patterns, cells: a fraction for every candidate."""
    right, tied, patterns, cells, total = np.zeros(3), 0.0, 0, 0, 0.0
    for rows, logits in patterns_by_brute_force(net):
        patterns += 1
        size = np.abs(logits).max()
        for region in get_task(task).regions(net.n):
            piece = [*rows, *region.normals]
            if cone_fraction(np.array(piece))[0] <= SLIVER:
                continue
            for leader in range(net.n):
                gaps = logits[leader] - logits
                equal = np.flatnonzero(np.abs(gaps).max(axis=1) <= 1e-13 * size)
                if equal[0] != leader:
                    continue
                value = cone_fraction(np.array([*piece, *gaps]))[0]
                if len(equal) < net.n:
                    value = cone_fraction(np.array([*piece, *np.delete(gaps, equal, axis=0)]))[0]
                if value <= SLIVER:
                    continue
                cells, total = cells + 1, total + value
                tied += value if len(equal) > 1 else 0.0
                if region.label in equal:
                    alone = len(equal) == 1
                    first = region.label == leader
                    right += value * np.array([first, 1 / len(equal), alone])
    assert abs(total - 1.0) < 1e-12
    return right, tied, patterns, cells


@pytest.mark.parametrize("kind", KINDS)
def test_value_is_that_of_brute_force(kind):
    net = random_network(5, 2, 4, kind)
    for task in ("second_argmax",) if kind == "ties" else ("argmax",):
        right, tied, patterns, cells = accuracy_by_brute_force(net, task)
        for ties, value in zip(TIE_RULES, right, strict=True):
            result = accuracy(net, task=task, ties=ties)
            assert abs(result.value - value) <= 1e-12
            assert result.error_bound <= 1e-12
            assert abs(result.tied - tied) <= 1e-12
            assert (result.patterns, result.cells) == (patterns, cells)
            assert result.unresolved == 0.0


# --- the same walk for n = 3 ----------------------------------------------------------------


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize("name", ["2/2", "3/3", "4/3", "8/3", "16/3", "exact-7/3", "exact-2/2"])
def test_bundled_networks_of_short_inputs_are_as_polygons_have_it(name, ties):
    net = conevol.zoo.load(name)
    polygons = accuracy(net, ties=ties)
    sums = sum_subtrees(pattern_tree(net, ties=ties), threads=1, every=True)
    assert abs(sums.right - polygons.value) <= 1e-13
    assert abs(sums.tied - polygons.tied) <= 1e-13
    assert abs(sums.total - 1.0) <= 1e-13
    assert sums.error <= 1e-12
    assert (sums.patterns, sums.cells) == (polygons.patterns, polygons.cells)


@pytest.mark.parametrize("kind", [*KINDS, "one sided", "scaled", "float32"])
@pytest.mark.parametrize("hidden", [1, 3, 6])
def test_random_networks_of_short_inputs_are_as_polygons_have_it(hidden, kind):
    for seed in range(4):
        net = random_network(seed, hidden, 3, kind)
        if not net.W_hi.any():
            continue
        polygons = accuracy(net, ties="split")
        sums = sum_subtrees(pattern_tree(net, ties="split"), threads=1, every=True)
        assert abs(sums.right - polygons.value) <= 1e-13
        assert abs(sums.tied - polygons.tied) <= 1e-13
        assert abs(sums.total - 1.0) <= 1e-13
        assert sums.error <= 1e-11
        assert (sums.patterns, sums.cells) == (polygons.patterns, polygons.cells)


# --- exact values ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 6])
def test_a_network_that_sees_one_entry(n):
    """Logit n - 1 is the last entry if that is positive; otherwise all tie."""
    readout = np.zeros((n, 1))
    readout[-1] = 1.0
    net = ReluRNN([1.0], [[0.0]], readout, task="argmax")
    sure = (1 - 0.5**n) / n
    first = (0.5 - 0.5**n / n) / (n - 1)
    for ties, credit in zip(TIE_RULES, (first, 0.5 / n, 0.0), strict=True):
        result = accuracy(net, ties=ties)
        assert abs(result.value - sure - credit) <= 1e-15
        assert abs(result.tied - 0.5) <= 1e-15
        assert result.patterns == 2**n


@pytest.mark.parametrize("hidden", [1, 3])
def test_a_network_without_input_weights(hidden):
    net = ReluRNN(np.zeros(hidden), np.ones((hidden, hidden)), np.ones((4, hidden)))
    values = [accuracy(net, ties=ties).value for ties in TIE_RULES]
    assert values == pytest.approx([0.25, 0.25, 0.0], abs=1e-15)
    result = accuracy(net, table=True)
    assert (result.tied, result.patterns, result.cells) == (1.0, 1, 12)
    assert abs(result.table.fraction.sum() - 1.0) <= 1e-14


def test_a_neuron_whose_input_weight_is_zero_or_tiny():
    """The plane of such a neuron nearly contains the new coordinate: it is not cut first."""
    w = random_weights(np.random.default_rng(3), 3, 4)
    w[0][0] = 0.0
    expected = accuracy(ReluRNN(*w), ties="split").value
    for tiny in (1e-3, 1e-9, 1e-12, 1e-30, 1e-200):
        w[0][0] = tiny
        sums = sum_subtrees(pattern_tree(ReluRNN(*w), ties="split"), every=True)
        assert abs(sums.total - 1.0) <= 1e-11
        assert sums.error <= 1e-11
        assert abs(sums.right - expected) <= 10 * tiny + 2e-12


def test_the_order_of_neurons_in_the_tree_does_not_show_in_the_table():
    w = random_weights(np.random.default_rng(3), 3, 4)
    w[0][0] = 1e-5
    net = ReluRNN(*w)
    assert pattern_tree(net).W_hi[0] != net.W_hi[0]
    for pattern, rays, fraction in zip(
        *(getattr(accuracy(net, table=True).table, f) for f in ("pattern", "rays", "fraction")),
        strict=True,
    ):
        if fraction > 1e-4:
            assert (net.pattern(rays.sum(axis=0)) == pattern).all()


# --- laws -----------------------------------------------------------------------------------


def test_neurons_may_be_permuted_and_scaled_and_die():
    rng = np.random.default_rng(11)
    w_hi, w_hh, w_oh = random_weights(rng, 3, 4)
    expected = accuracy(ReluRNN(w_hi, w_hh, w_oh))
    order, scale = rng.permutation(3), 2.0 ** rng.integers(-8, 8, 3)
    changed = [
        (w_hi[order], w_hh[np.ix_(order, order)], w_oh[:, order]),
        (w_hi * scale, w_hh * scale[:, None] / scale, w_oh / scale),
        (w_hi, w_hh, w_oh + rng.standard_normal(3)),
        (np.r_[w_hi, 0.0], np.pad(w_hh, (0, 1)), np.c_[w_oh, rng.standard_normal(4)]),
    ]
    for weights in changed:
        result = accuracy(ReluRNN(*weights))
        assert abs(result.value - expected.value) <= 1e-13
        assert (result.patterns, result.cells) == (expected.patterns, expected.cells)


def test_all_tasks_and_orders():
    net = random_network(17, 2, 5)
    for name in ("argmax", "second_argmax", "argmedian"):
        rank = get_task(name).rank(5)
        by_order = ranking_task("orders", lambda order, rank=rank: order[rank])
        assert abs(accuracy(net, task=name).value - accuracy(net, task=by_order).value) <= 1e-13
    labels = sum(
        accuracy(net, task=ranking_task("rank", lambda order, r=r: order[r])).value
        for r in range(5)
    )
    assert abs(labels - 1.0) <= 1e-12


@pytest.mark.parametrize("mirror", [False, True])
def test_nearly_equal_neurons_are_told_apart(mirror):
    """Two neurons whose planes nearly coincide, with or without the first's negative as a third."""
    w_hi, w_hh, w_oh = random_weights(np.random.default_rng(23), 3, 4)
    if mirror:
        w_hi[2], w_hh[2] = -w_hi[0], -w_hh[0]
    w_hi[1], w_hh[1] = w_hi[0], w_hh[0]
    expected = accuracy(ReluRNN(w_hi, w_hh, w_oh), ties="split").value
    for gap in (1e-5, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 1e-15):
        w_hi[1], w_hh[1] = w_hi[0] * (1 + gap), w_hh[0] * (1 - gap)
        sums = sum_subtrees(pattern_tree(ReluRNN(w_hi, w_hh, w_oh), ties="split"), every=True)
        assert abs(sums.total - 1.0) <= 1e-12
        assert sums.error <= 1e-11
        assert abs(sums.right - expected) <= 10 * gap + 1e-11


def test_nearly_equal_logits_are_told_apart():
    w_hi, w_hh, w_oh = random_weights(np.random.default_rng(5), 3, 4)
    for gap in (0.0, 1e-16, 1e-13, 1e-10):
        w_oh[1] = w_oh[0] * np.array([1.0, 1.0 + gap, 1.0 - gap])
        sums = sum_subtrees(pattern_tree(ReluRNN(w_hi, w_hh, w_oh)), every=True)
        assert abs(sums.total - 1.0) <= 1e-13
        assert sums.error + sums.unresolved <= 1e-12


def exact_rays(rows, dim):
    """The lines where dim - 1 of some integer rows meet, as primitive integer vectors."""
    for chosen in itertools.combinations(rows, dim - 1):
        minors = [
            round(np.linalg.det(np.delete(np.array(chosen), m, axis=1))) * (-1) ** m
            for m in range(dim)
        ]
        if any(minors):
            yield np.array(minors)


@pytest.mark.parametrize("seed", range(4))
def test_rays_of_integer_weights_are_exact(seed):
    """Tight rows vanish exactly on the ray that they define, and all others do not."""
    rng = np.random.default_rng(seed)
    weights = (rng.integers(-2, 3, shape).astype(float) for shape in (3, (3, 3), (4, 3)))
    net = ReluRNN(*weights)
    if not net.W_hi.any():
        pytest.skip("no input weights")
    tree = pattern_tree(net)
    for node in tree.prefixes(tree.depth):
        cone = tree.cone(node)
        rows = cone.normals.astype(int)
        assert (rows == cone.normals).all()
        for ray, error, tight in zip(cone.rays, cone.ray_errors, cone.tight, strict=True):
            exact = next(exact_rays(rows[tight], 4))
            exact = exact if exact @ ray > 0 else -exact
            assert ((rows @ exact == 0) == tight).all()
            assert (rows @ exact >= 0).all()
            assert np.abs(ray - exact / np.linalg.norm(exact)).max() <= error + 2e-16


@pytest.mark.parametrize("power", [6, 12, 14, 15])
def test_bound_holds_where_planes_nearly_coincide(power):
    """Rays in doubt and rays that are not then contradict each other: beside exact cells, n = 3."""
    for seed in (0, 1, 2, 3, 23, 24, 28, 58):
        net = cancelling(power, seed)
        exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
        sums = sum_subtrees(pattern_tree(net), every=True)
        error = abs(mp.mpf(sums.right) - exact.accuracy(oracles.second_argmax, "first"))
        assert error <= sums.error + sums.unresolved + 1e-15
        assert abs(sums.total - 1.0) <= 1e-12


@pytest.mark.parametrize(
    ("power", "seed", "task"),
    [
        (9, 8, "second_argmax"),  # a ray in doubt that is as near to other planes
        (10, 4, "second_argmax"),
        (10, 5, "argmax"),
        (11, 1, "second_argmax"),
        (12, 10, "second_argmax"),
    ],
)
def test_the_order_of_neurons_changes_less_than_the_bound(power, seed, task):
    """Which planes are cut first; where they nearly coincide it decides what is in doubt."""
    net = cancelling(power, seed, n=4)
    found = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        again = ReluRNN(net.W_hi[order], net.W_hh[np.ix_(order, order)], net.W_oh[:, order])
        sums = sum_subtrees(pattern_tree(again, task=task))
        found.append((sums.right, sums.error + sums.unresolved))
    (one, slack), (other, more) = found
    assert abs(one - other) <= slack + more


def test_cells_left_to_the_engine_are_bounded_by_their_own_logits():
    """All logits tie and the label is not the first of them: others were compared with it."""
    sums = sum_subtrees(pattern_tree(cancelling(12, 23, 4, n=4)), every=True)
    assert abs(sums.total - 1.0) < 1e-11


def test_rays_are_refined_to_their_bound():
    """A ray of planes that nearly coincide, beside exact arithmetic."""
    gap = 2.0**-40
    rows = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0 + gap, 3.0, 4.0 - 3 * gap], [3, -1, 2, 5]])
    cones = cut.new_cones(4, 1, 8, 3)
    cones.a[:] = rows
    for row in range(3):
        put_row(cones, row, 4, 0.0)
        cones.row[0, row] = 2 * row
    cones.used[0], cones.size[0] = 0b111, (1, 4)
    integer = [[int(x * 2**40) for x in row] for row in rows]
    exact = [Fraction(int(m)) * (-1) ** k for k, m in enumerate(integer_minors(integer))]
    length = math.sqrt(sum(x * x for x in exact))
    cones.ray[0, 0] = [float(x) / length + 1e-9 for x in exact]
    cones.tight[0, 0], cones.error[0, 0] = 0b111, 1e-3
    from_python(cut.refine)(cones, 0, 0)
    found = [
        Fraction(h) + Fraction(l) for h, l in zip(cones.ray[0, 0], cones.ray_lo[0, 0], strict=True)
    ]
    product = sum(x * y for x, y in zip(found, exact, strict=True)) / sum(x * x for x in exact)
    off = [x - product * y for x, y in zip(found, exact, strict=True)]
    error = math.sqrt(sum(x * x for x in off))
    assert error <= cones.error[0, 0] <= 1e-16


def integer_minors(rows):
    for k in range(4):
        (a, b, c), (d, e, f), (g, h, i) = [[x for l, x in enumerate(row) if l != k] for row in rows]
        yield a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


# --- the bundled 8/4 network ----------------------------------------------------------------


@lru_cache(maxsize=1)
def eight_four():
    net = conevol.zoo.load("8/4")
    return net, accuracy(net, threads=1)


def test_all_cells_sum_to_one():
    net, result = eight_four()
    sums = sum_subtrees(pattern_tree(net), every=True)
    assert abs(sums.total - 1.0) <= 1e-11
    assert abs(sums.right - result.value) <= 1e-13
    assert result.error_bound <= 2e-12


def test_sampling_agrees():
    net, result = eight_four()
    sampled = conevol.sample_accuracy(net, 2**22, seed=3)
    assert abs(sampled.value - result.value) <= 4 * sampled.standard_error


def test_threads_and_executors_change_no_bit():
    net, result = eight_four()
    assert accuracy(net, threads=3) == result
    with ThreadPoolExecutor(2) as pool:
        assert accuracy(net, executor=pool) == result
        assert accuracy(net, executor=pool) == result


def test_progress_is_told():
    net, result = eight_four()
    told = []
    accuracy(net, progress=lambda done, total, sums: told.append((done, total, sums.right)))
    assert [done for done, _, _ in told] == list(range(1, told[0][1] + 1))
    assert told[-1][2] == result.value


def test_an_ensemble_is_one_by_one():
    networks = [random_network(seed, 2, 4) for seed in range(3)]
    together = accuracy(networks)
    for i, net in enumerate(networks):
        alone = accuracy(net)
        for name in ("value", "error_bound", "tied", "unresolved", "patterns", "cells"):
            assert getattr(together, name)[i] == getattr(alone, name)


# --- cells and nodes ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float", "integer", "dead readout"])
def test_cells_are_what_their_row_says(kind):
    net = random_network(9, 3, 4, kind)
    result = accuracy(net, table=True)
    cells = result.table
    assert len(cells) == result.cells == len(cells.rays)
    assert abs(math.fsum(cells.fraction) - 1.0) <= 1e-13
    right = cells.fraction[cells.label == cells.prediction]
    assert abs(math.fsum(right) - result.value) <= 1e-13
    assert abs(math.fsum(cells.fraction[cells.ties > 1]) - result.tied) <= 1e-13
    for i, rays in enumerate(cells.rays):
        assert len(rays) >= net.n
        np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0, atol=1e-15)
        middle = rays.sum(axis=0)
        if cells.fraction[i] < 1e-7:
            continue  # too thin for floats
        assert (net.pattern(middle) == cells.pattern[i]).all()
        assert TASKS[net.task](middle) == cells.label[i]
        logits = net.forward(middle)
        tied = np.flatnonzero(logits >= logits.max() - 1e-9 * np.abs(logits).max())
        assert (tied[0], len(tied)) == (cells.prediction[i], cells.ties[i])


def test_nodes_of_the_tree():
    net = random_network(31, 2, 4)
    tree = pickle.loads(pickle.dumps(pattern_tree(net)))
    frontier = [tree.root]
    for depth in range(1, tree.depth + 1):
        children = [tree.children(node) for node in frontier]
        parents = [tree.cone(node).fraction if node else 1.0 for node in frontier]
        frontier = list(itertools.chain.from_iterable(children))
        assert sorted(frontier) == sorted(tree.prefixes(depth))
        for parent, nodes in zip(parents, children, strict=True):
            cones = [tree.cone(node) for node in nodes]
            assert abs(sum(cone.fraction for cone in cones) - parent) <= 1e-14
            for cone in cones:
                products = cone.rays @ cone.normals.T
                assert np.abs(products[cone.tight]).max(initial=0.0) <= 1e-12
                assert (products[~cone.tight] > 0).all()
                assert abs(cone_fraction(cone.normals)[0] - cone.fraction) <= 1e-14
    assert len(frontier) == accuracy(net).patterns
    whole = tree.total()
    parts = [total_of(tree, node) for node in work_list(tree, 1e3)]
    assert abs(sum(part.right for part in parts) - whole.right) <= 1e-14
    assert sum(part.cells for part in parts) == whole.cells
    with pytest.raises(ConevolError, match="no cone for the prefix"):
        tree.cone(b"")
    empty = [
        node for bits in itertools.product((0, 1), repeat=2)
        if (node := bytes(bits)) not in tree.prefixes(2)
    ]  # fmt: skip
    for node in empty:
        with pytest.raises(ConevolError, match="no cone for the prefix"):
            tree.cone(node)


# --- what is refused ------------------------------------------------------------------------


def test_the_number_of_patterns_is_estimated():
    net, result = eight_four()
    assert result.patterns / 3 <= estimated_patterns(pattern_tree(net), probes=500)
    assert estimated_patterns(pattern_tree(net), probes=500) <= result.patterns * 3


def test_too_many_cells_are_refused():
    net, _ = eight_four()
    with pytest.raises(CellsError, match=r"8 neurons and n = 4 .* max_cells is 5,000; raise"):
        accuracy(net, max_cells=5_000)
    with pytest.raises(CellsError, match=r"has about .* patterns.*conevol\.sample_accuracy"):
        accuracy(net, max_cells=10)


def test_overflowing_weights_are_refused():
    net = random_network(1, 2, 4)
    with pytest.raises(WeightsError, match="products of the weights overflow: scale"):
        accuracy(ReluRNN(net.W_hi * 1e200, net.W_hh * 1e200, net.W_oh * 1e200))
