"""Exact where explored, sampled elsewhere: unbiased, and better than sampling."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import random_weights

import conevol
from conevol import ReluRNN, accuracy, accuracy_hybrid
from conevol.errors import ConevolError


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("6/4", {"nodes": 1}),
        ("6/4", {"nodes": 20}),
        ("6/4", {"width": 0.3}),
        ("3/3", {"width": 0.5}),
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
    for width in (1.0, 0.2, 1e-12):
        run = accuracy_hybrid(net, 20_000, width=width, ties=ties, seed=1)
        allowed = 4.5 * run.standard_error + run.error + exact.error_bound
        assert abs(run.value - exact.value) <= allowed
    assert run.sampled == run.samples == run.standard_error == 0.0


def test_exploring_leaves_less_to_sample():
    net = conevol.zoo.load("6/4")
    runs = [accuracy_hybrid(net, 2000, width=width) for width in (1.0, 0.3, 0.03)]
    assert [run.sampled for run in runs] == sorted((run.sampled for run in runs), reverse=True)
    assert runs[1].standard_error < 0.5 * runs[0].standard_error


def test_threads_change_no_bit():
    net = conevol.zoo.load("6/4")
    one, two = (accuracy_hybrid(net, 1000, nodes=50, threads=threads) for threads in (1, 2))
    assert (one.value, one.standard_error) == (two.value, two.standard_error)


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
