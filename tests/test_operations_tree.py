"""Operations of estimators on the pattern tree are those of an instrumented run of its kernels."""

from concurrent.futures import ThreadPoolExecutor

import counted
import numpy as np
import pytest

import conevol
from conevol.cells import pattern_tree
from conevol.estimators import estimator
from conevol.estimators.baselines import sample_operations


def network(seed: int, hidden: int, n: int) -> conevol.ReluRNN:
    rng = np.random.default_rng(seed)
    shapes = ((hidden,), (hidden, hidden), (n, hidden))
    return conevol.ReluRNN(*(rng.standard_normal(shape) for shape in shapes))


def both(monkeypatch, run) -> tuple[int, int]:
    """Operations as reported with compiled kernels, and as counted with the same source."""
    reported = run()
    counted.install(monkeypatch)
    counted.TALLY[0] = 0
    # Hashes of bit sets are meant to overflow.
    with np.errstate(over="ignore"):
        again = run()
    # Fused operations round differently, so that now and then another ray is refined.
    assert again == pytest.approx(reported, rel=0.005)
    return reported, counted.TALLY[0]


@pytest.mark.parametrize(("seed", "hidden", "n"), [(1, 2, 3), (1, 3, 3), (4, 2, 2), (2, 1, 4)])
def test_walk(monkeypatch, seed, hidden, n):
    tree = pattern_tree(network(seed, hidden, n))
    reported, run = both(monkeypatch, lambda: tree.total(every=True).operations)
    assert reported == pytest.approx(run, rel=0.025)


def test_exact_accuracy(monkeypatch):
    """With the estimate of the tree's size and the list of subtrees."""
    exact = estimator("exact")
    reported, run = both(monkeypatch, lambda: exact(network(2, 1, 4)).operations)
    assert reported == pytest.approx(run, rel=0.02)


@pytest.mark.parametrize("nodes", [10, 1000])
def test_bounds(monkeypatch, nodes):
    bounds = estimator(f"bounds:nodes={nodes}")
    reported, run = both(monkeypatch, lambda: bounds(network(1, 3, 3)).operations)
    assert reported == pytest.approx(run, rel=0.025)


def test_hybrid(monkeypatch):
    """The forward passes of the pilot and of the points are added; drawing is free."""
    net, found = network(1, 3, 3), []

    def run() -> int:
        found.append(conevol.accuracy_hybrid(net, 100, width=0.09, threads=1))
        return found[-1].operations

    reported, run_operations = both(monkeypatch, run)
    assert found[0].samples == 100
    passes = 100 * sample_operations(net.hidden, net.n)
    pilot = 1000 * net.n * net.hidden * (net.hidden + 1)
    assert reported - passes - pilot == pytest.approx(run_operations, rel=0.025)


def test_hybrid_that_samples_all_costs_what_sampling_does():
    net = network(1, 3, 3)
    sampled = conevol.stratified_accuracy(net, 100).operations
    assert conevol.accuracy_hybrid(net, 100, width=0.5).operations == sampled


def test_top_patterns(monkeypatch):
    top = estimator("top-patterns:patterns=5")
    reported, run = both(monkeypatch, lambda: top(network(1, 3, 3)).operations)
    assert reported == pytest.approx(run, rel=0.025)


def test_samples_of_the_rest_are_counted():
    net = network(1, 3, 3)
    exact, sampled = (
        estimator(f"top-patterns:patterns=5,rest={rest},samples=200")(net).operations
        for rest in ("share", "sampled")
    )
    states = 200 * net.n * net.hidden * (net.hidden + 1)
    assert states < sampled - exact <= states + 200 * sample_operations(net.hidden, net.n)


def test_counts_do_not_depend_on_threads():
    net = conevol.zoo.load("6/4")
    with ThreadPoolExecutor(2) as pool:
        ways = ({"threads": 1}, {"threads": 3}, {"executor": pool})
        assert len({conevol.accuracy(net, **way).operations for way in ways}) == 1
        assert len({conevol.accuracy_bounds(net, nodes=60, **way).operations for way in ways}) == 1


def test_the_parts_of_a_tree_add_up():
    """Each part cuts down to its prefix again."""
    tree = pattern_tree(conevol.zoo.load("4/3"))
    nodes = tree.prefixes(8)
    parts = [tree.total(node).operations for node in nodes]
    assert max(parts) < tree.total().operations < sum(parts)
