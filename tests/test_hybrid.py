"""Exact where explored, sampled elsewhere: unbiased, and better than sampling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from strategies import random_weights

import conevol
from conevol import ReluRNN, Task, accuracy, accuracy_hybrid
from conevol.errors import ConevolError
from conevol.estimators import hybrid
from conevol.estimators.stratified import credits_of
from conevol.tasks import get_task


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("6/4", {"nodes": 1}),
        ("6/4", {"nodes": 40}),
        ("6/4", {"width": 0.1}),
        ("6/4", {"width": 0.03}),
        ("3/3", {"width": 0.1}),
    ],
)
def test_estimates_are_unbiased(name, budget):
    """z-scores of many runs: mean near 0, spread at most that claimed and not far below."""
    net = conevol.zoo.load(name)
    exact = accuracy(net).value
    runs = [accuracy_hybrid(net, 500, seed=seed, **budget) for seed in range(40)]
    z = np.array([(run.value - exact) / run.standard_error for run in runs])
    assert abs(z.mean()) < 4.0 / np.sqrt(len(z))
    assert 0.4 < z.std() < 1.35


@pytest.mark.parametrize("ties", ["first", "split", "wrong"])
@pytest.mark.parametrize("kind", ["ties", "dead neuron", "dead readout"])
def test_rules_and_dead_neurons(kind, ties):
    net = ReluRNN(*random_weights(np.random.default_rng(len(kind)), 3, 4, kind))
    exact = accuracy(net, ties=ties)
    for width in (1.0, 0.1, 1e-12):
        run = accuracy_hybrid(net, 20_000, width=width, ties=ties, seed=1)
        allowed = 4.5 * run.standard_error + run.error + exact.error_bound
        assert abs(run.value - exact.value) <= allowed
    assert run.sampled == run.samples == run.standard_error == 0.0


def test_exploring_leaves_less_to_sample():
    net = conevol.zoo.load("6/4")
    runs = [accuracy_hybrid(net, 2000, width=width) for width in (1.0, 0.1, 0.01)]
    assert [run.sampled for run in runs] == sorted((run.sampled for run in runs), reverse=True)
    assert runs[0].sampled == 1.0
    for before, after in pairwise(runs):
        assert 0.0 < after.standard_error < 0.5 * before.standard_error


@pytest.mark.parametrize(
    ("name", "options", "nodes"),
    [("16/10", {}, 1), ("6/4", {"width": 0.2}, 1), ("6/4", {"nodes": 20}, 20)],
)
def test_where_exploring_does_not_pay_it_is_the_stratified_sampler(name, options, nodes):
    net = conevol.zoo.load(name)
    run = accuracy_hybrid(net, 3000, seed=5, **options)
    other = conevol.stratified_accuracy(net, 3000, seed=5)
    assert (run.value, run.standard_error, run.error) == (other.value, other.error, 0.0)
    assert (run.sampled, run.samples) == (1.0, 3072)
    assert run.nodes >= nodes
    assert nodes > 1 or run.nodes == 1


def test_standard_errors_are_honest_where_nothing_is_explored():
    """The spread of many runs is that claimed."""
    net = conevol.zoo.load("16/10")
    runs = [accuracy_hybrid(net, 8192, seed=seed) for seed in range(60)]
    claimed = np.sqrt(np.mean([run.standard_error**2 for run in runs]))
    ratio = np.std([run.value for run in runs], ddof=1) / claimed
    assert 0.65 < ratio < 1.4
    long = conevol.sample_accuracy(net, 1_000_000, seed=1)
    off = np.mean([run.value for run in runs]) - long.value
    assert abs(off) < 4.0 * np.hypot(claimed / np.sqrt(60.0), long.standard_error)


@pytest.mark.parametrize("options", [{"width": 0.05}, {"width": 0.5}])
def test_a_label_function_of_ones_own(options):
    """It has no rank, so no strata: the same estimate as with the task of the same labels."""
    net = conevol.zoo.load("6/4")
    known = get_task(net.task)
    own = Task("own", known.labels, known.regions, known.check_length)
    exact = accuracy(net).value
    runs = [accuracy_hybrid(net, 20_000, task=task, **options) for task in (own, None)]
    for run in runs:
        assert abs(run.value - exact) < 4.5 * run.standard_error
    assert options["width"] > 0.1 or runs[0].value == runs[1].value


@pytest.mark.parametrize("ties", ["first", "split", "wrong"])
@pytest.mark.parametrize("points", [1, 63, 64, 200])
def test_credits_are_those_of_the_forward_pass(points, ties):
    weights = random_weights(np.random.default_rng(3), 4, 5, "integer")
    for net in (ReluRNN(*weights), conevol.zoo.load("16/10")):
        x = np.random.default_rng(points).standard_normal((points, net.n))
        task = get_task(net.task)
        kernel = credits_of(net, task.rank(net.n), ties, x, 1)
        np.testing.assert_array_equal(kernel, hybrid._credits_in_python(net, task, ties, x))
        np.testing.assert_array_equal(kernel, credits_of(net, task.rank(net.n), ties, x, 2))


def test_threads_change_no_bit():
    net = conevol.zoo.load("6/4")
    for width in (0.05, 0.5):
        runs = [accuracy_hybrid(net, 1000, width=width, threads=threads) for threads in (1, 2)]
        assert runs[0].value == runs[1].value
        assert runs[0].standard_error == runs[1].standard_error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "last"}, "tie rule"),
        ({"samples": 0}, "samples is 0"),
        ({"nodes": 0}, "nodes is"),
        ({"width": 0.0}, "width is 0.0"),
    ],
)
def test_wrong_calls_are_refused(options, message):
    with pytest.raises(ConevolError, match=message):
        accuracy_hybrid(conevol.zoo.load("3/3"), **options)
