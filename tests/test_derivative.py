"""The derivative of the exact accuracy, against differences of it, and gradient ascent."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from conevol import ReluRNN, accuracy, accuracy_gradient, ascend, symbolic, zoo
from conevol.ascent import balanced
from conevol.errors import ConevolError

PARTS = ("W_hi", "W_hh", "W_oh")


def flat(gradient) -> np.ndarray:
    return np.concatenate([getattr(gradient, part).reshape(-1) for part in PARTS])


def moved(net: ReluRNN, direction: np.ndarray, by: float) -> ReluRNN:
    weights, start = [], 0
    for part in PARTS:
        w = getattr(net, part)
        weights.append(w + by * direction[start : start + w.size].reshape(w.shape))
        start += w.size
    return ReluRNN(*weights, task=net.task)


def steps_of(net: ReluRNN, direction: np.ndarray, by: float) -> tuple[ReluRNN, ReluRNN, np.ndarray]:
    """Two networks a step apart, and the difference of their weights as it is after rounding."""
    up, down = moved(net, direction, by), moved(net, direction, -by)
    return up, down, flat(up) - flat(down)


def coarse(name: str, seed: int) -> ReluRNN:
    """A bundled network, perturbed, with few bits, so that the closed form is quick."""
    net, rng = zoo.load(name), np.random.default_rng(seed)
    size = 2.0 ** -np.ceil(np.log2(np.abs(flat(net)) + 0.1))
    weights = np.round(flat(net) * size * 64 + rng.integers(-6, 7, net.parameters)) / size / 64
    return moved(net, weights - flat(net), 1.0)


@pytest.mark.parametrize(("name", "seed"), [("2/2", 1), ("2/2", 2), ("3/3", 3), ("4/3", 4)])
def test_against_the_closed_form(name, seed):
    """Differences of a closed form at 60 digits: no rounding, and an error of the square."""
    net = coarse(name, seed)
    g = accuracy_gradient(net)
    assert g.kinks == 0.0
    assert g.norm > 1e-3
    direction = np.random.default_rng(seed).integers(-4, 5, net.parameters).astype(float)
    direction *= 2.0 ** np.floor(np.log2(np.abs(flat(net)) + 0.01))
    up, down, difference = steps_of(net, direction, 2.0**-30)
    with mpmath.workdps(60):
        values = [symbolic.accuracy(x).evaluate(60) for x in (up, down)]
        rise = float((values[0] - values[1]) * 2**30)
    assert abs(flat(g) @ difference * 2.0**30 - rise) <= 1e-7 * abs(rise)


@pytest.mark.parametrize("ties", ["first", "split", "wrong"])
def test_tie_rules(ties):
    net = zoo.load("4/3")
    g = accuracy_gradient(net, ties=ties)
    assert accuracy(net).tied > 1e-3
    direction = np.random.default_rng(1).standard_normal(net.parameters) * np.abs(flat(net))
    up, down, difference = steps_of(net, direction, 1e-7)
    rise = accuracy(up, ties=ties).value - accuracy(down, ties=ties).value
    assert abs(rise - flat(g) @ difference) < 1e-7 * abs(rise)


def test_four_inputs():
    net = zoo.load("6/4")
    g = accuracy_gradient(net)
    direction = np.random.default_rng(1).standard_normal(net.parameters)
    direction *= np.abs(flat(net))
    up, down, difference = steps_of(net, direction, 1e-7)
    rise = accuracy(up).value - accuracy(down).value
    assert abs(rise - flat(g) @ difference) <= 1e-7 * abs(rise)
    scaling(net, g)


def scaling(net, g):
    """Scaling a neuron changes nothing, so the gradient is orthogonal to it."""
    for j in range(net.hidden):
        into = g.W_hi[j] * net.W_hi[j] + g.W_hh[j] @ net.W_hh[j]
        out = g.W_hh[:, j] @ net.W_hh[:, j] + g.W_oh[:, j] @ net.W_oh[:, j]
        assert abs(into - out) < 1e-12 * max(1.0, abs(into))


@pytest.mark.parametrize("name", ["2/2", "3/3", "4/3"])
def test_scaling_changes_nothing(name):
    net = zoo.load(name)
    scaling(net, accuracy_gradient(net))


def test_neurons_may_change_places():
    net = zoo.load("4/3")
    order = np.array([2, 0, 3, 1])
    g = accuracy_gradient(net)
    other = accuracy_gradient(
        ReluRNN(net.W_hi[order], net.W_hh[np.ix_(order, order)], net.W_oh[:, order])
    )
    np.testing.assert_allclose(other.W_hi, g.W_hi[order], atol=1e-14)
    np.testing.assert_allclose(other.W_hh, g.W_hh[np.ix_(order, order)], atol=1e-14)
    np.testing.assert_allclose(other.W_oh, g.W_oh[:, order], atol=1e-14)


@pytest.mark.parametrize("name", ["exact-2/2", "exact-7/3"])
def test_a_network_that_is_right_has_kinks_only(name):
    g = accuracy_gradient(zoo.load(name))
    assert g.value == 1.0
    assert g.norm < 1e-14
    assert g.kinks > 0.1


def test_nothing_to_move():
    assert accuracy_gradient(ReluRNN([1.0], [[1.0]], [[1.0]], task="argmax")).norm == 0.0
    assert accuracy_gradient(ReluRNN([0.0], [[1.0]], [[1.0], [2.0]])).norm == 0.0


def test_the_climb_rises():
    seen = []
    climb = ascend(zoo.load("4/3"), steps=5, progress=lambda k, v: seen.append((k, v)))
    assert (np.diff(climb.curve) > 0.0).all()
    assert accuracy(climb.network).value == climb.curve[-1]
    assert seen == list(enumerate(climb.curve))[1:]
    assert (climb.stopped, len(climb.rates)) == ("steps", 5)


def test_the_climb_keeps_what_it_has():
    def interrupt(done: int, value: float) -> None:
        if done == 2:
            raise KeyboardInterrupt

    climb = ascend(zoo.load("2/2"), steps=50, progress=interrupt)
    assert climb.stopped == "interrupted"
    assert accuracy(climb.network).value == climb.curve[-1] > climb.curve[0]
    assert len(climb.curve) == 3


def test_the_top_is_the_top():
    climb = ascend(zoo.load("exact-2/2"), steps=3)
    assert climb.stopped == "no way up"
    assert climb.curve.tolist() == [1.0]


def test_balanced_is_the_same_function():
    net = moved(zoo.load("4/3"), np.zeros(32), 0.0)
    wild = ReluRNN(net.W_hi * 2.0**9, net.W_hh, net.W_oh / 2.0**9)
    x = np.random.default_rng(0).standard_normal((100, 3))
    assert (balanced(wild).forward(x) == wild.forward(x)).all()
    tame = balanced(wild)
    assert 0.01 < np.abs(tame.W_hi).max() / np.abs(tame.W_oh).max() < 100.0


def test_refusals():
    with pytest.raises(ConevolError, match="n = 5"):
        ascend(zoo.load("8/5"))
    with pytest.raises(ConevolError, match="steps is 0"):
        ascend(zoo.load("2/2"), steps=0)
