"""Networks: forward pass, patterns, linear maps, ensembles, noisy copies, files."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import SEEDS, random_weights, weights

from conevol import Ensemble, ReluRNN
from conevol.errors import WeightsError


def small(hidden=3, n=3, seed=0, **options):
    return ReluRNN(*random_weights(np.random.default_rng(seed), hidden, n), **options)


def by_hand(net, x):
    """States and logits, number by number."""
    h, states = [0.0] * net.hidden, []
    for t in range(net.n):
        z = [
            math.fsum(net.W_hh[j, k] * h[k] for k in range(net.hidden)) + net.W_hi[j] * x[t]
            for j in range(net.hidden)
        ]
        states.append(z)
        h = [max(v, 0.0) for v in z]
    logits = [math.fsum(net.W_oh[i, k] * h[k] for k in range(net.hidden)) for i in range(net.n)]
    return np.array(states), np.array(logits)


@pytest.mark.parametrize(("hidden", "n"), [(1, 1), (2, 2), (4, 3), (3, 7), (16, 10)])
def test_forward_is_the_recurrence(hidden, n):
    net = small(hidden, n)
    for x in np.random.default_rng(1).standard_normal((20, n)):
        states, logits = by_hand(net, x)
        np.testing.assert_allclose(net.pre_activations(x), states, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(net.forward(x), logits, rtol=1e-11, atol=1e-11)
        assert (net.pattern(x) == (net.pre_activations(x) > 0)).all()
        assert net.predict(x) == np.argmax(net.forward(x))


def test_batches_are_one_by_one():
    net = small(4, 3)
    x = np.random.default_rng(2).standard_normal((2, 5, 3))
    for method, shape in [
        (net.forward, (2, 5, 3)),
        (net.predict, (2, 5)),
        (net.pattern, (2, 5, 3, 4)),
        (net.pre_activations, (2, 5, 3, 4)),
    ]:
        together = method(x)
        assert together.shape == shape
        alone = np.array([[method(v) for v in row] for row in x])
        np.testing.assert_allclose(together, alone, rtol=1e-13, atol=1e-13)
        assert method(np.zeros((0, 3))).shape == (0, *shape[2:])


def test_ties_are_predicted_as_the_first():
    net = ReluRNN([1.0], [[0.0]], [[1.0], [2.0], [2.0]])
    assert net.predict([[1, 1, 1], [1, 1, -1]]).tolist() == [1, 0]


def test_zero_is_off():
    assert not small().pattern([0.0, 0.0, 0.0]).any()


@settings(deadline=None, max_examples=100)
@given(weights(max_hidden=5, max_n=5), SEEDS)
def test_linear_maps_are_the_network_on_a_pattern(w, seed):
    net = ReluRNN(*w)
    x = np.random.default_rng(seed).standard_normal(net.n)
    on = net.pattern(x)
    maps = net.linear_maps(on)
    scale = 1e-12 * (1 + max(np.abs(m).max() for m in maps))
    np.testing.assert_allclose(maps.pre_activations @ x, net.pre_activations(x), atol=scale)
    np.testing.assert_allclose(
        maps.hidden_states @ x, np.maximum(net.pre_activations(x), 0), atol=scale
    )
    np.testing.assert_allclose(maps.logits @ x, net.forward(x), atol=10 * scale)


def test_linear_maps_do_not_look_ahead():
    maps = small(4, 4).linear_maps(np.ones((4, 4), bool))
    for t in range(4):
        assert (maps.pre_activations[t, :, t + 1 :] == 0).all()
        assert (maps.pre_activations[t, :, t] == small(4, 4).W_hi).all()


@settings(deadline=None, max_examples=50)
@given(weights(max_hidden=4, max_n=4), SEEDS)
def test_the_network_is_positively_homogeneous(w, seed):
    net = ReluRNN(*w)
    x = np.random.default_rng(seed).standard_normal(net.n)
    np.testing.assert_array_equal(net.forward(8.0 * x), 8.0 * net.forward(x))
    np.testing.assert_array_equal(net.pattern(8.0 * x), net.pattern(x))


def test_shapes_and_repr():
    net = small(4, 3, task="argmax", metadata={"seed": 1})
    assert (net.hidden, net.n, net.parameters) == (4, 3, 4 + 16 + 12)
    assert repr(net) == "ReluRNN(hidden=4, n=3, task='argmax')"
    assert net.metadata == {"seed": 1}
    assert repr(Ensemble.of([net, net])) == "Ensemble(copies=2, hidden=4, n=3, task='argmax')"


def test_weights_are_copied_and_kept():
    w = [np.ones(2), np.eye(2), np.ones((3, 2))]
    net = ReluRNN(*w)
    w[0][:] = 7.0
    assert (net.W_hi == 1.0).all()
    with pytest.raises(ValueError, match="read-only"):
        net.W_hh[0, 0] = 5.0
    assert ReluRNN([[1.0], [2.0]], np.eye(2), np.ones((3, 2))).W_hi.shape == (2,)


@pytest.mark.parametrize("suffix", [".npz", ".json", ".safetensors"])
def test_files_keep_every_bit(tmp_path, suffix):
    net = small(5, 4, seed=3, task="argmax", metadata={"note": "kept"})
    net.save(tmp_path / f"net{suffix}")
    again = ReluRNN.load(tmp_path / f"net{suffix}")
    for name in ("W_hi", "W_hh", "W_oh"):
        assert (getattr(again, name) == getattr(net, name)).all()
    assert again.task == "argmax"
    assert again.metadata["note"] == "kept"


def test_noisy_copies_are_the_network_plus_noise():
    net = small(4, 3)
    copies = net.noisy_copies(4000, sd=0.05, seed=1)
    assert len(copies) == 4000
    assert copies.task == net.task
    for name in ("W_hi", "W_hh", "W_oh"):
        noise = getattr(copies, name) - getattr(net, name)
        assert np.abs(noise.mean(axis=0)).max() < 5 * 0.05 / math.sqrt(4000)
        assert noise.std() == pytest.approx(0.05, rel=0.02)
    assert (copies.W_oh == net.noisy_copies(4000, sd=0.05, seed=1).W_oh).all()
    assert (copies.W_oh != net.noisy_copies(4000, sd=0.05, seed=2).W_oh).all()
    assert (net.noisy_copies(2, sd=0.0).W_hh == net.W_hh).all()


def test_an_ensemble_gives_its_networks_back():
    nets = [small(seed=s) for s in range(3)]
    ensemble = Ensemble.of(nets)
    assert (len(ensemble), ensemble.hidden, ensemble.n) == (3, 3, 3)
    for net, again in zip(nets, ensemble, strict=True):
        assert (net.W_hi == again.W_hi).all()
        assert (net.W_hh == again.W_hh).all()
        assert (net.W_oh == again.W_oh).all()
    assert (ensemble[2].W_oh == nets[2].W_oh).all()


# --- what is refused ------------------------------------------------------------------------

HI, HH, OH = np.ones(2), np.eye(2), np.ones((3, 2))


@pytest.mark.parametrize(
    ("w", "message"),
    [
        ((np.ones(3), HH, OH), r"W_hh has shape \(2, 2\), expected \(3, 3\): hidden is 3"),
        ((HI, HH, np.ones((3, 4))), r"W_oh has shape \(3, 4\), expected \(n, 2\)"),
        ((HI, HH, np.ones((2, 3))), r"W_oh has shape \(2, 3\), expected .*transpose it"),
        ((HI, HH, np.ones(2)), r"W_oh has shape \(2,\), expected \(n, 2\)"),
        ((HI, HH, np.ones((0, 2))), r"W_oh has no rows"),
        ((np.ones((2, 2)), HH, OH), r"W_hi has shape \(2, 2\), expected \(hidden,\)"),
        ((np.ones(0), np.ones((0, 0)), np.ones((3, 0))), r"W_hi is empty"),
        ((np.array([1.0, np.nan]), HH, OH), r"W_hi\[1\]"),
        ((HI, np.diag([1.0, np.inf]), OH), r"W_hh\[1, 1\]"),
        ((["a", "b"], HH, OH), r"W_hi"),
        ((HI, [[1, 2], [3]], OH), r"W_hh"),
    ],
)
def test_wrong_weights_are_refused(w, message):
    with pytest.raises(WeightsError, match=message):
        ReluRNN(*w)


@pytest.mark.parametrize("shape", [(), (2,), (4, 4), (3, 0)])
def test_inputs_of_another_length_are_refused(shape):
    with pytest.raises(WeightsError, match=r"inputs have shape .*, expected \(\.\.\., 3\)"):
        small(2, 3).forward(np.ones(shape))


def test_patterns_of_another_shape_are_refused():
    with pytest.raises(WeightsError, match=r"pattern has shape \(2, 3\), .* = \(3, 2\)"):
        small(2, 3).linear_maps(np.ones((2, 3), bool))


@pytest.mark.parametrize(
    ("w", "message"),
    [
        ((HI, HH, OH), r"W_hi of an ensemble has shape \(2,\), expected \(copies, hidden\)"),
        (
            (np.ones((4, 2)), np.ones((3, 2, 2)), np.ones((4, 3, 2))),
            r"W_hh of an ensemble has shape \(3, 2, 2\), expected \(copies, hidden, hidden\)",
        ),
        (
            (np.ones((4, 2)), np.ones((4, 2, 2)), np.ones((4, 3, 5))),
            r"network 0 of the ensemble: W_oh has shape \(3, 5\)",
        ),
        (
            (np.ones((2, 2)), np.ones((2, 2, 2)), np.array([OH, OH * np.nan])),
            r"W_oh of network 1 of the ensemble is not finite",
        ),
    ],
)
def test_wrong_ensembles_are_refused(w, message):
    with pytest.raises(WeightsError, match=message):
        Ensemble(*w)
