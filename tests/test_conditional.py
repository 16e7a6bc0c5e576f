"""Conditional exactness: the last input integrated exactly."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from bare import from_python
from scipy import stats
from strategies import random_network

from conevol import ReluRNN, accuracy, gaussian_inputs, sample_accuracy, zoo
from conevol.errors import ConevolError, TaskError
from conevol.estimators import conditional_accuracy
from conevol.estimators.conditional import _run, operations_a_piece, operations_a_point
from conevol.kernels import conditional
from conevol.kernels.conditional import (
    BLOCK,
    REACH,
    distribution_table,
    sorting_network,
)
from conevol.tasks import TASKS
from conevol.ties import TIE_RULES

KINDS = ("float", "dead readout", "dead neuron", "integer")


def test_normal_cdf():
    table, normal_cdf = distribution_table(), from_python(conditional.normal_cdf)
    for x in np.linspace(-REACH, REACH, 3001):
        assert abs(normal_cdf(table, x) - stats.norm.cdf(x)) <= 4e-16
        if x < 0:
            assert normal_cdf(table, x) == pytest.approx(stats.norm.cdf(x), rel=1e-12)


@pytest.mark.parametrize("size", [*range(1, 12), 18, 34])
def test_sorting_network_sorts(size):
    """Batcher's comparators on random zeros and ones, which decide (0-1 principle)."""
    rng = np.random.default_rng(size)
    x = rng.integers(0, 2, (2000, size))
    for i, j in sorting_network(size):
        x[:, [i, j]] = np.sort(x[:, [i, j]], axis=1)
    assert (np.diff(x, axis=1) >= 0).all()


def credit_on_grid(net, task, ties, others, last):
    """Mean credit over many values of the last input."""
    x = np.column_stack([np.tile(others, (len(last), 1)), last])
    logits, label = net.forward(x), TASKS[task](x)
    size = np.abs(net.W_oh).max() * (np.abs(net.pre_activations(x)[:, -1]).sum(axis=1) + 1e-300)
    tied = logits >= logits.max(axis=1, keepdims=True) - 1e-13 * size[:, None]
    hit = tied[np.arange(len(x)), label]
    several = tied.sum(axis=1) > 1
    if ties == "split":
        return float((hit / tied.sum(axis=1)).mean())
    if ties == "wrong":
        return float((hit & ~several).mean())
    return float((tied.argmax(axis=1) == label).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("hidden", "n"), [(3, 2), (4, 3), (7, 5), (12, 9), (2, 17)])
def test_value_of_one_point(hidden, n, kind):
    """Against the network's own answers at 20 000 quantiles of the last input."""
    cells = 20_000
    last = stats.norm.ppf((np.arange(cells) + 0.5) / cells)
    for seed in range(6):
        net = random_network(hidden, n, kind, seed)
        task = "second_argmax" if n % 2 == 0 else sorted(TASKS)[seed % 3]
        others, ties = gaussian_inputs(1, n - 1, seed=seed), TIE_RULES[seed // 2]
        rank = TASKS[task].rank(n)
        total, squares, pieces = _run(net, rank, ties, others, 0, 1, 1)
        grid = credit_on_grid(net, task, ties, others[0], last)
        assert abs(total - grid) <= (pieces + 2) * 2 / cells
        assert squares == pytest.approx(total**2)
        assert 1 <= pieces <= hidden + 3


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize(
    ("hidden", "n", "kind"), [(4, 3, "float"), (3, 3, "dead readout"), (5, 2, "integer")]
)
def test_unbiased_with_honest_standard_errors(hidden, n, kind, ties):
    """Errors of 100 runs in units of the standard error have mean 0 and variance 1."""
    net = random_network(hidden, n, kind, seed=10)
    exact = accuracy(net, ties=ties).value
    runs = [conditional_accuracy(net, 2000, seed=s, ties=ties) for s in range(100)]
    if max(r.error for r in runs) < 1e-12:
        assert abs(runs[0].value - exact) < 1e-11
        return
    z = np.array([(r.value - exact) / r.error for r in runs])
    assert abs(z.mean()) < 0.45
    assert 1e-4 < stats.chi2(100).cdf((z**2).sum()) < 1 - 1e-4


@pytest.mark.parametrize("points", ["sobol", "ordered"])
def test_spread_points_are_unbiased_and_better(points):
    net = random_network(4, 3, seed=10)
    exact = accuracy(net).value
    runs = [
        conditional_accuracy(net, 4096, seed=s, points=points, replicates=16) for s in range(40)
    ]
    z = np.array([(r.value - exact) / r.error for r in runs])
    # With 15 degrees of freedom the variance is 15 / 13.
    assert abs(z.mean()) < 0.8
    assert (z**2).mean() < 2.2
    random = conditional_accuracy(net, 1 << 17)
    spread = conditional_accuracy(net, 1 << 17, points=points)
    assert spread.error < random.error
    assert abs(random.value - exact) < 5 * random.error


@pytest.mark.parametrize("name", ["8/4", "8/5", "16/10"])
def test_agrees_with_sampling_and_varies_less(name):
    net = zoo.load(name)
    estimate, plain = conditional_accuracy(net, 200_000), sample_accuracy(net, 200_000, seed=1)
    assert abs(estimate.value - plain.value) < 5 * math.hypot(estimate.error, plain.standard_error)
    assert estimate.error < plain.standard_error


@pytest.mark.parametrize("n", [2, 5])
@pytest.mark.parametrize("replicates", [2, 16])
def test_few_points_in_coordinates_of_order_are_unbiased(n, replicates):
    net = random_network(3, n, seed=5)
    exact = accuracy(net).value
    runs = [
        conditional_accuracy(net, 64, seed=s, points="ordered", replicates=replicates)
        for s in range(200)
    ]
    values = np.array([r.value for r in runs])
    assert abs(values.mean() - exact) < 4.5 * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize("points", ["random", "sobol", "ordered"])
def test_threads_change_nothing(points):
    net = random_network(6, 5)
    first = conditional_accuracy(net, 9 * BLOCK + 7, seed=3, points=points, threads=1, replicates=2)
    for threads in (2, 5):
        other = conditional_accuracy(
            net, 9 * BLOCK + 7, seed=3, points=points, threads=threads, replicates=2
        )
        assert (other.value, other.error) == (first.value, first.error)
    assert conditional_accuracy(net, 1000, seed=4, points=points).value != first.value


def test_one_input_and_no_neuron_on():
    alone = ReluRNN([1.0, -1.0], np.zeros((2, 2)), [[1.0, 2.0]], task="argmax")
    estimate = conditional_accuracy(alone, 10)
    assert (estimate.value, estimate.error) == (pytest.approx(1.0), pytest.approx(0.0))
    off = ReluRNN([0.0], [[0.0]], [[1.0], [2.0]])
    for ties, value in (("split", 0.5), ("wrong", 0.0)):
        assert conditional_accuracy(off, 100, ties=ties).value == pytest.approx(value)


def test_operations_are_counted():
    """Points and pieces of the run, each at its price."""
    net = random_network(5, 4)
    estimate = conditional_accuracy(net, 3000, seed=2)
    _, _, pieces = _run(net, 1, "first", np.empty((0, 3)), 2, 3000, 1)
    expected = 3000 * operations_a_point(net) + int(pieces) * operations_a_piece(4)
    assert estimate.operations == expected
    assert estimate.claim == "standard error"
    assert estimate.seconds > 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"samples": 0}, ConevolError, "samples is 0"),
        ({"seed": -1}, ConevolError, "seed is -1"),
        ({"ties": "all"}, ConevolError, "unknown tie rule 'all'"),
        ({"points": "grid"}, ConevolError, "unknown points 'grid'"),
        ({"points": "sobol", "replicates": 1}, ConevolError, "replicates is 1"),
        ({"points": "sobol", "samples": 8}, ConevolError, r"expected 2 \.\. samples = 8"),
        ({"task": "sort"}, TaskError, "unknown task 'sort'"),
    ],
)
def test_wrong_calls_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        conditional_accuracy(random_network(), **options)


def test_sobol_without_scipy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ConevolError, match=r"pip install 'conevol\[qmc\]'"):
        conditional_accuracy(random_network(), points="sobol")
