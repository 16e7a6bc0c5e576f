"""The most probable patterns: against the table of cells, and as estimates."""

import itertools

import numpy as np
import pytest

import conevol
from conevol.errors import ConevolError
from conevol.estimators import estimator, top_patterns_accuracy
from conevol.estimators.top_patterns import top_patterns


def by_table(network) -> dict[bytes, tuple[float, float]]:
    """Fraction and right fraction of every pattern."""
    cells = conevol.accuracy(network, table=True).table
    found: dict[bytes, tuple[float, float]] = {}
    for i in range(len(cells)):
        key = cells.pattern[i].tobytes()
        whole, right = found.get(key, (0.0, 0.0))
        share = cells.fraction[i]
        hit = cells.label[i] == cells.prediction[i]
        found[key] = whole + share, right + share * hit
    return found


def blind_first(name):
    """The tree begins with another neuron where the first does not see the input."""
    network = conevol.zoo.load(name)
    w = network.W_hi.copy()
    w[0] = 0.0
    return conevol.ReluRNN(w, network.W_hh, network.W_oh)


@pytest.mark.parametrize("make", [conevol.zoo.load, blind_first])
@pytest.mark.parametrize("name", ["3/3", "4/3"])
def test_patterns_fall_and_are_those_of_the_table(name, make):
    network = make(name)
    patterns, table = list(top_patterns(network)), by_table(network)
    assert {p.node for p in patterns} == set(table)
    for p in patterns:
        assert (p.fraction, p.right) == pytest.approx(table[p.node], abs=1e-11)
    assert all(a.fraction >= b.fraction - 1e-12 for a, b in itertools.pairwise(patterns))


def test_all_patterns_are_exact_and_fewer_are_within_their_intervals():
    network = conevol.zoo.load("4/3").noisy_copies(1, seed=4)[0]
    exact = conevol.accuracy(network).value
    widths = []
    for count in (1, 5, 20, 10_000):
        for rest in ("share", "chance"):
            found = top_patterns_accuracy(network, patterns=count, rest=rest)
            assert found.lower <= exact <= found.upper
        widths.append(found.error)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 1e-10
    assert found.value == pytest.approx(exact, abs=widths[-1])


def test_the_sampled_rest_is_unbiased():
    network = conevol.zoo.load("4/3").noisy_copies(1, seed=4)[0]
    sampled = estimator("top-patterns:patterns=8,rest=sampled,samples=2000")
    runs = [sampled(network, seed) for seed in range(12)]
    mean = np.mean([r.value for r in runs])
    error = np.sqrt(np.mean([r.error**2 for r in runs]) / len(runs))
    assert abs(mean - conevol.accuracy(network).value) < 4.0 * error < 0.02


def test_no_input_weight_is_one_pattern():
    network = conevol.ReluRNN(np.zeros(2), np.eye(2), np.eye(2))
    assert top_patterns_accuracy(network).value == conevol.accuracy(network).value


@pytest.mark.parametrize("wrong", [{"patterns": 0}, {"rest": "none"}])
def test_wrong_parameters(wrong):
    with pytest.raises(ConevolError, match=str(next(iter(wrong)))):
        top_patterns_accuracy(conevol.zoo.load("3/3"), **wrong)
