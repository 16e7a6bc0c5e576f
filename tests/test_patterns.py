"""The law of activation patterns: against samples, against the tree, and laws of its own."""

from __future__ import annotations

import numpy as np
import pytest

from conevol import ReluRNN, pattern_fractions, zoo
from conevol.errors import CellsError, ConevolError

SAMPLES = 1_000_000


def states(net: ReluRNN, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(5).standard_normal((samples, net.n))
    return x, net.pre_activations(x)


def within(value: np.ndarray, samples: np.ndarray, errors: float = 4.5) -> None:
    """The mean of samples (count, ...) is the value but for chance."""
    error = samples.std(axis=0) / np.sqrt(len(samples))
    assert (np.abs(samples.mean(axis=0) - value) <= errors * error + 1e-12).all()


@pytest.mark.parametrize("name", ["2/2", "4/3", "6/4"])
def test_agrees_with_samples(name):
    net = zoo.load(name)
    law = pattern_fractions(net)
    x, z = states(net, SAMPLES if name == "4/3" else SAMPLES // 10)
    h = np.maximum(z, 0.0).reshape(len(x), -1)
    logits = net.forward(x)
    bits = (z > 0.0).reshape(len(x), -1).astype(float)
    within(law.neuron_probabilities().value.reshape(-1), bits)
    within(law.pair_probabilities().value[1], bits * bits[:, 1:2])
    within(law.hidden_mean().value.reshape(-1), h)
    within(law.logit_mean().value, logits)
    mean = law.hidden_mean().value.reshape(-1)
    for i in (0, h.shape[1] - 1):
        within(law.hidden_covariance().value[i], (h - mean) * (h[:, i] - mean[i])[:, None])
    mean = law.logit_mean().value
    within(law.logit_covariance().value[0], (logits - mean) * (logits[:, 0] - mean[0])[:, None])


def test_neurons_keep_their_order():
    """The tree begins with another neuron where the first does not see the input."""
    net = zoo.load("4/3")
    order = [1, 0, 2, 3]
    w = net.W_hi.copy()
    w[1] = 0.0
    plain = ReluRNN(w, net.W_hh, net.W_oh)
    turned = ReluRNN(w[order], net.W_hh[np.ix_(order, order)], net.W_oh[:, order])
    one, other = (
        {row.tobytes(): p for row, p in zip(law.patterns[:, :, keep], law.fractions, strict=True)}
        for law, keep in ((pattern_fractions(plain), order), (pattern_fractions(turned), range(4)))
    )
    assert one == pytest.approx(other, abs=1e-12)


def test_the_law_is_complete():
    law = pattern_fractions(zoo.load("4/3"))
    assert abs(law.fractions.sum() - 1.0) <= law.error_bounds.sum()
    assert np.abs(law.first.sum(axis=0)).max() <= law.first_bounds.sum(axis=0).max()
    off = np.abs(law.second.sum(axis=0) - np.eye(3))
    assert (off <= law.second_bounds.sum(axis=0)).all()
    assert law.second_bounds.sum() < 1e-10


def test_prefixes_are_sums_of_patterns():
    net = zoo.load("4/3")
    whole, two = pattern_fractions(net), pattern_fractions(net, steps=2)
    assert two.steps == 2
    for pattern, fraction, first, second in zip(
        two.patterns, two.fractions, two.first, two.second, strict=True
    ):
        below = (whole.patterns[:, :2] == pattern).all(axis=(1, 2))
        assert abs(whole.fractions[below].sum() - fraction) < 1e-13
        assert np.abs(whole.first[below, :2].sum(axis=0) - first).max() < 1e-13
        assert np.abs(whole.second[below, :2, :2].sum(axis=0) - second).max() < 1e-13
    found, expected = two.hidden_covariance(), whole.hidden_covariance()
    error = np.abs(found.value - expected.value[:8, :8])
    assert (error <= found.error_bound + expected.error_bound[:8, :8]).all()
    mean = two.hidden_mean().value - whole.hidden_mean().value[:2]
    assert np.abs(mean).max() < 1e-12
    assert two.entropy().value < whole.entropy().value


def test_one_input():
    law = pattern_fractions(ReluRNN([2.0, -1.0, 0.0], np.zeros((3, 3)), [[1.0, 1.0, 1.0]]))
    assert [row.bits for row in law.rows()] == ["100", "010"]
    assert law.fractions.tolist() == [0.5, 0.5]
    np.testing.assert_allclose(
        law.hidden_mean().value, np.array([[2.0, 1.0, 0.0]]) / np.sqrt(2 * np.pi), rtol=1e-14
    )
    second = 0.5 * np.diag([4.0, 1.0, 0.0])
    mean = law.hidden_mean().value[0]
    np.testing.assert_allclose(
        law.hidden_covariance().value, second - np.outer(mean, mean), atol=1e-15
    )


def test_no_input_weights_make_one_pattern():
    law = pattern_fractions(ReluRNN([0.0, 0.0], np.eye(2), np.ones((3, 2))))
    assert len(law) == 1
    assert law.entropy().value == 0.0
    assert law.second[0].tolist() == np.eye(3).tolist()
    assert not law.logit_covariance().value.any()


def test_independent_bits_have_exact_entropy():
    # Each step only sees the sign of its own input: 2^3 equally likely patterns.
    law = pattern_fractions(ReluRNN([1.0, -3.0], np.zeros((2, 2)), np.ones((3, 2))))
    assert len(law) == 8
    assert abs(law.entropy().value - 3.0) <= law.entropy().error_bound < 1e-9
    covariance = law.activation_covariance()
    expected = np.kron(np.eye(3), [[0.25, -0.25], [-0.25, 0.25]])
    assert (np.abs(covariance.value - expected) <= covariance.error_bound).all()


def test_refusals():
    net = zoo.load("4/3")
    with pytest.raises(ConevolError, match=r"steps is 4, expected 1 \.\. n = 3"):
        pattern_fractions(net, steps=4)
    with pytest.raises(CellsError, match="max_patterns is 20"):
        pattern_fractions(net, max_patterns=20)
    with pytest.raises(ConevolError, match="this law has 2"):
        pattern_fractions(net, steps=2).logit_mean()


def test_threads_change_nothing():
    net = zoo.load("4/3")
    one, two = pattern_fractions(net, threads=1), pattern_fractions(net, threads=2)
    assert (one.second == two.second).all()
