"""The bundled networks are what the documentation says of them."""

import numpy as np
import pytest

import conevol
from conevol.errors import ConevolError

TRAINED = ["2/2", "3/3", "4/3", "8/3", "16/3", "6/4", "8/4", "16/4", "8/5", "16/10"]
BY_HAND = ["exact-2/2", "exact-argmax-2/2", "exact-7/3"]


def test_names():
    assert sorted(conevol.zoo.names()) == sorted(TRAINED + BY_HAND)


@pytest.mark.parametrize("name", TRAINED)
def test_trained_networks_have_their_shape_and_record(name):
    network = conevol.zoo.load(name)
    record = network.metadata["record"]
    hidden, n = (int(part) for part in name.split("/"))
    assert (network.hidden, network.n) == (record["hidden"], record["n"]) == (hidden, n)
    assert record["sequences"] == record["steps"] * record["batch"]
    losses = [point["loss"] for point in record["curve"]]
    assert losses[-1] < losses[0]
    assert record["curve"][-1]["step"] == record["steps"]
    assert max(record["sampled_accuracy_of_all_seeds"]) >= record["sampled_accuracy"]


@pytest.mark.parametrize("name", TRAINED)
def test_recorded_accuracy_is_that_of_the_weights(name):
    network = conevol.zoo.load(name)
    record = network.metadata["record"]
    sampled = conevol.sample_accuracy(network, 2**20, seed=5)
    gap = abs(sampled.value - record["sampled_accuracy"])
    # The record is the mean of 2^21 other samples.
    assert gap < 5 * sampled.standard_error * np.sqrt(1.5)


def test_four_neuron_network_has_two_inputs_of_each_sign():
    network = conevol.zoo.load("4/3")
    assert (network.W_hi > 0).sum() == (network.W_hi < 0).sum() == 2
    assert conevol.accuracy(network).value >= 0.975


def test_large_network_is_accurate():
    assert conevol.sample_accuracy(conevol.zoo.load("16/10"), 2**20).value >= 0.92


@pytest.mark.parametrize("name", BY_HAND)
def test_networks_by_hand_are_perfect(name):
    network = conevol.zoo.load(name)
    result = conevol.accuracy(network, ties="wrong")
    assert result.value >= 1.0 - result.error_bound
    assert result.tied == 0.0
    x = conevol.gaussian_inputs(100_000, network.n)
    assert (network.predict(x) == conevol.tasks.get_task(network.task)(x)).all()
    assert network.metadata["why"]


def test_unknown_name_lists_the_known():
    with pytest.raises(ConevolError, match=r"'5/3'.*4/3"):
        conevol.zoo.load("5/3")
