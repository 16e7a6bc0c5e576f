"""Mask sequences: published figures, the network's own states, moments of ordered inputs."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from strategies import random_weights

from conevol import ReluRNN, gaussian_inputs, zoo
from conevol.analysis import (
    impulse_pairs,
    masked_operator,
    order_moments,
    singular_shares,
    spectrum,
)
from conevol.errors import ConevolError

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "algzoo" / "m16_10.pth"


@pytest.fixture(scope="module")
def published():
    if not PUBLISHED.exists():
        pytest.skip("the published network is not here")
    return ReluRNN.load(PUBLISHED)


def test_published_spectrum(published):
    s = spectrum(published.W_hh)
    assert [f"{v:.3f}" for v in s.eigenvalues[:2].real] == ["-1.274", "1.167"]
    assert f"{s.eigenvalues[2].real:.3f} {abs(s.eigenvalues[2].imag):.3f}" == "0.435 1.027"
    assert f"{s.norm / s.radius:.2f}" == "4.58"
    assert f"{s.departure:.3f}" == "0.932"
    assert f"{s.abscissa / s.radius:.2f}" == "2.05"


def test_published_impulses(published):
    pairs = impulse_pairs(published)
    assert (pairs.right, pairs.linearly_right) == (90, 76)
    assert f"{np.nanmin(pairs.margins):.4f}" == "3.5657"


def test_published_operators(published):
    """Gaps 1 .. 8; at 9 no step is left and the operator is the identity."""
    radius, shares = {}, {}
    for direction in ("forward", "reverse"):
        phi = [masked_operator(published, g, direction).phi_post[-1] for g in range(1, 9)]
        radius[direction] = [spectrum(p).radius for p in phi]
        shares[direction] = [singular_shares(published.W_oh @ p) for p in phi]
    ends = [f"{f(radius[d]):.3f}" for d in ("forward", "reverse") for f in (min, max)]
    assert ends == ["0.761", "1.049", "1.371", "2.914"]
    three = [100 * s[:3].sum() for s in shares["forward"]]
    one = [100 * s[0] for s in shares["reverse"]]
    assert [f"{v:.1f}" for v in (min(three), max(three), min(one), max(one))] == [
        "88.7", "98.0", "64.2", "92.7",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_final_state_is_the_networks(seed, direction):
    """Impulses of the sizes that made the masks: the linear network is the network."""
    net = ReluRNN(*random_weights(np.random.default_rng(seed), 5, 6))
    for gap, start in itertools.product(range(1, 6), range(5)):
        if start + gap > 5:
            continue
        operator = masked_operator(net, gap, direction, large=1.5, small=0.5)
        first, second = (1.5, 0.5) if direction == "forward" else (0.5, 1.5)
        x = np.zeros(6)
        x[start], x[start + gap] = first, second
        own = np.maximum(net.pre_activations(x)[-1], 0.0)
        state = operator.final_state(first, second, 5 - start - gap)
        np.testing.assert_allclose(state, own, rtol=1e-12, atol=1e-13)


def test_spectrum_of_normal_matrices():
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    s = spectrum(2.0 * q)
    assert s.radius == pytest.approx(2.0)
    assert s.norm == pytest.approx(2.0)
    assert s.departure < 1e-7
    s = spectrum(np.diag([1.0, -3.0, 2.0]))
    assert (s.radius, s.gap, s.abscissa) == pytest.approx((3.0, 1.0, 2.0))
    turn = np.array([[0.0, -3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert spectrum(turn).gap == pytest.approx(2.0)
    assert spectrum(np.zeros((2, 2))).departure == 0.0
    assert singular_shares(np.zeros((2, 3))).sum() == 0.0


@pytest.mark.parametrize("n", [2, 3, 5])
def test_order_moments_are_those_of_samples(n):
    x = gaussian_inputs(400_000, n, seed=n)
    order = np.argsort(-x, axis=1)
    mine = x[(order[:, 0] == n - 1) & (order[:, 1] == 0)]
    moments = order_moments(n, n - 1, 0)
    spread = 5 / np.sqrt(len(mine))
    assert np.abs(mine.mean(axis=0) - moments.mean).max() < spread
    assert np.abs(np.cov(mine.T) - moments.covariance).max() < 2 * spread


def test_order_moments_of_two_are_known():
    """Largest of two: mean 1 / sqrt(pi), variance 1 - 1 / pi."""
    moments = order_moments(2, 0, 1)
    np.testing.assert_allclose(moments.mean, np.array([1, -1]) / np.sqrt(np.pi), rtol=1e-13)
    expected = np.array([[1 - 1 / np.pi, 1 / np.pi], [1 / np.pi, 1 - 1 / np.pi]])
    np.testing.assert_allclose(moments.covariance, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: masked_operator(net, 0, "forward"), "gap is 0, expected 1 .. n - 1 = 2"),
        (lambda net: masked_operator(net, 1, "up"), "direction is 'up'"),
        (lambda net: masked_operator(net, 1, "forward", steps=-1), "steps is -1"),
        (lambda net: masked_operator(net, 1, "forward", small=2.0), "expected 0 < small <= large"),
        (lambda net: masked_operator(net, 1, "forward").final_state(1, 1, 5), "steps is 5"),
        (lambda net: spectrum(np.ones((2, 3))), r"shape \(2, 3\), expected a square one"),
        (lambda net: order_moments(3, 1, 1), "places are 1 and 1"),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(ConevolError, match=message):
        call(zoo.load("4/3"))
