"""Spectra between nodes: against samples, finite differences, and the Poincare inequality."""

from __future__ import annotations

import numpy as np
import pytest

from conevol import ReluRNN, pattern_fractions, zoo
from conevol.analysis.spectra import draw_spectra, jacobians, node_spectra
from conevol.errors import ConevolError

QUANTITIES = ("mean_jacobian", "gram", "spread", "source_covariance", "target_covariance")


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("2/2", "inputs", "logits"),
        ("4/3", "inputs", "h2"),
        ("4/3", "h1", "h3"),
        ("4/3", "h3", "logits"),
        ("6/4", "h2", "logits"),
    ],
)
def test_exact_and_sampled_agree(name, source, target):
    net = zoo.load(name)
    exact = node_spectra(net, source, target)
    sampled = node_spectra(net, source, target, samples=100_000)
    assert (exact.samples, sampled.samples) == (None, 100_000)
    for what in QUANTITIES:
        value, error = getattr(exact, what)
        estimate, deviation = getattr(sampled, what)
        assert (np.abs(estimate - value) <= 5.0 * deviation + error + 1e-12).all()
        assert error.max() <= 1e-6 * max(1.0, np.abs(value).max())


@pytest.mark.parametrize("pair", [("inputs", "h2"), ("h1", "logits"), ("inputs", "logits")])
def test_derivatives_are_finite_differences(pair):
    net = zoo.load("4/3")
    law = pattern_fractions(net)
    found = jacobians(net, law.patterns, *pair)
    # In the middle of its cone a pattern stays as it is.
    for i in np.argsort(-law.fractions)[:20]:
        x = law.first[i] / np.linalg.norm(law.first[i])
        z = net.pre_activations(x)
        assert ((z > 0.0) == law.patterns[i]).all()
        start = x if pair[0] == "inputs" else np.maximum(z[0], 0.0)

        def run(s, x=x):
            h = np.zeros(net.hidden) if pair[0] == "inputs" else s
            y = s if pair[0] == "inputs" else x
            last = 2 if pair[1] == "h2" else 3
            for t in range(0 if pair[0] == "inputs" else 1, last):
                h = np.maximum(net.W_hh @ h + net.W_hi * y[t], 0.0)
            return h if last == 2 else net.W_oh @ h

        step = 1e-9
        for k in range(len(start)):
            if pair[0] == "h1" and start[k] == 0.0:
                continue
            up = np.eye(len(start))[k] * step
            difference = (run(start + up) - run(start - up)) / (2.0 * step)
            scale = np.abs(found[i]).max()
            np.testing.assert_allclose(difference, found[i][:, k], atol=1e-4 * scale)


@pytest.mark.parametrize("name", ["2/2", "4/3", "16/3", "6/4"])
def test_poincare(name):
    for target in ("h2", "logits"):
        s = node_spectra(zoo.load(name), "inputs", target)
        rest = np.linalg.eigvalsh(s.spread.value - s.target_covariance.value)
        margin = s.spread.error.sum() + s.target_covariance.error.sum()
        assert rest[0] >= -margin
        smaller = s.target_covariance.value - s.mean_jacobian.value @ s.mean_jacobian.value.T
        assert np.linalg.eigvalsh(smaller)[0] >= -margin  # the linear part alone


def test_a_linear_network_has_one_spectrum():
    """Pairs of neurons of opposite sign pass every input on."""
    w = np.array([[0.5, -0.5], [-0.5, 0.5]])
    net = ReluRNN([1.0, -1.0], w, [[1.0, -1.0], [2.0, -2.0], [0.0, 0.0]])
    s = node_spectra(net, "inputs", "logits")
    expected = np.outer([1.0, 2.0, 0.0], [0.25, 0.5, 1.0])
    np.testing.assert_allclose(s.mean_jacobian.value, expected, atol=1e-12)
    np.testing.assert_allclose(s.spread.value, s.target_covariance.value, atol=1e-12)
    assert (s.rank("spread"), s.rank("gram")) == (1, 1)
    assert abs(s.participation_ratio("gram") - 1.0) < 1e-12
    assert abs(s.overlap(1) - 1.0) < 1e-12
    np.testing.assert_allclose(s.neurons("spread"), [0.2, 0.8, 0.0], atol=1e-12)
    values = s.eigenvalues("gram")
    assert abs(values[0] - (expected**2).sum()) < 1e-12
    assert abs(values[1]) < 1e-12


def test_long_inputs_are_sampled():
    s = node_spectra(zoo.load("16/10"), "h9", "logits", samples=1000)
    assert s.samples == 1000
    assert s.mean_jacobian.value.shape == (10, 16)
    assert node_spectra(zoo.load("16/10"), "h1", "h2").samples is None


def test_refusals():
    net = zoo.load("4/3")
    with pytest.raises(ConevolError, match="no node is called 'h4'"):
        node_spectra(net, "h4", "logits")
    with pytest.raises(ConevolError, match="'h1' does not depend on 'h2'"):
        node_spectra(net, "h2", "h1")
    with pytest.raises(ConevolError, match="no spectrum of 'gramm'"):
        node_spectra(net).eigenvalues("gramm")
    with pytest.raises(ConevolError, match="samples is 3"):
        node_spectra(net, samples=3)
    with pytest.raises(ConevolError, match="count is 4"):
        node_spectra(net).overlap(4)


def test_picture(tmp_path):
    path = tmp_path / "spectra.png"
    draw_spectra(node_spectra(zoo.load("4/3"), "inputs", "h3"), path)
    assert path.stat().st_size > 5000
