"""Operations that are reported are those of an instrumented run of the kernels' own source."""

import counted
import numpy as np
import pytest

import conevol
from conevol.estimators import estimator
from conevol.estimators.note_cones import SIMPLEX_OPERATIONS
from conevol.estimators.note_order import in_note_order
from conevol.estimators.note_original import note_parts
from conevol.estimators.stratified import operations_a_point
from conevol.kernels.operations import clip_operations


def test_the_instrument_counts_by_the_rule():
    x = counted.Counted(3.0)
    counted.TALLY[0] = 0
    assert 2.0 * x + x / 2.0 - abs(-x) == 4.5
    assert counted.TALLY[0] == 2
    counted.fma(x, x, x)
    assert counted.TALLY[0] == 3
    assert counted.objects([1.0, 2.0]) @ counted.objects([3.0, 4.0]) == 11.0
    assert counted.TALLY[0] == 5


@pytest.mark.parametrize("name", ["3/3", "4/3", "8/3"])
def test_exact_accuracy_of_trained_networks(name):
    networks = [conevol.zoo.load(name)]
    networks += list(networks[0].noisy_copies(2, seed=3))
    for network in networks:
        operations, value = counted.walked(network)
        result = conevol.accuracy(network, operations=True)
        assert value == result.value
        assert result.operations == pytest.approx(operations, rel=0.02)
        assert estimator("exact")(network).operations == result.operations


def test_exact_accuracy_of_random_networks():
    rng = np.random.default_rng(5)
    for hidden in (1, 2, 4):
        weights = [rng.standard_normal(s) for s in (hidden, (hidden, hidden), (3, hidden))]
        network = conevol.ReluRNN(*weights)
        operations, _ = counted.walked(network)
        assert conevol.accuracy(network, operations=True).operations == pytest.approx(
            operations, rel=0.03
        )


def test_operations_of_an_ensemble_are_those_of_its_networks():
    copies = conevol.zoo.load("4/3").noisy_copies(3)
    alone = [conevol.accuracy(network, operations=True).operations for network in copies]
    assert conevol.accuracy(copies, operations=True).operations.tolist() == alone


def test_what_is_not_counted_is_not_zero():
    assert conevol.accuracy(conevol.zoo.load("4/3")).operations is None
    blind = conevol.ReluRNN([0.0], [[1.0]], [[1.0], [0.5], [0.0], [2.0]])
    assert conevol.accuracy(blind, operations=True).operations is None
    assert estimator("exact")(blind).operations is None


def test_fractions_in_three_dimensions():
    rng = np.random.default_rng(6)
    for k in range(8):
        normals = rng.standard_normal((40, k, 3)) + np.eye(3)[2]
        reported = np.zeros(40, dtype=np.int64)
        clip_operations(normals, 0, 40, reported)
        run = np.array([counted.clipped(cone) for cone in normals])
        # The rare antipodal triangles are not counted.
        assert (run == reported).mean() >= 0.8
        assert reported.sum() == pytest.approx(run.sum(), rel=0.04)


def test_original_version():
    """Against a scalar program written down from the note's text."""
    for network in in_note_order(conevol.zoo.load("4/3").noisy_copies(3, seed=1)):
        value, operations = counted.note_original(network)
        parts = note_parts(conevol.Ensemble.of([network]))
        assert parts.value[0] == pytest.approx(value, abs=1e-13)
        assert parts.operations[0] == pytest.approx(operations, rel=0.02)


def test_cones_with_noise():
    """The mean of the simplices that the symmetric version adds up for one network."""
    from conevol.estimators import note_cones
    from conevol.estimators.note_symmetric import note_symmetric

    seen, fraction = [], note_cones.fraction

    def recorded(normals, **options):
        if normals.shape[-1] == 5:
            seen.extend(normals)
        return fraction(normals, **options)

    note_cones.fraction = recorded
    try:
        estimate = note_symmetric(conevol.zoo.load("4/3"))
    finally:
        note_cones.fraction = fraction
    operations = [counted.simplicial(cone)[0] for cone in seen if cone.shape == (5, 5)]
    assert len(operations) == len(seen) >= 24
    assert np.mean(operations) == pytest.approx(SIMPLEX_OPERATIONS, rel=0.25)
    assert estimate.operations > len(seen) * SIMPLEX_OPERATIONS


def test_stratified_sampling(monkeypatch):
    """The kernel on one group of each replicate; the points themselves are free."""
    rng = np.random.default_rng(7)
    module = counted.kernels("stratified")
    inputs, values_of_last = rng.standard_normal((4, module.LANES)), rng.standard_normal((4, 64))

    def fill(*args):
        *_, x, size, last = args
        for target, source, rows in ((x, inputs, size), (last, values_of_last, len(last))):
            for t in range(rows):
                for lane in range(module.LANES):
                    target[t, lane] = counted.Counted(source[t, lane])

    monkeypatch.setattr(module, "start_points", lambda *args: None)
    monkeypatch.setattr(module, "fill_ordered", fill)
    for hidden, n, values in ((3, 3, 4), (5, 1, 2), (4, 4, 1)):
        weights = [rng.standard_normal(s) for s in (hidden, (hidden, hidden), (n, hidden))]
        network = conevol.ReluRNN(*weights, task="argmax")
        directions, steps = np.zeros((1, 64), dtype=np.uint64), np.zeros(n, dtype=np.uint64)
        counted.TALLY[0] = 0
        module.stratified_range(
            *map(counted.objects, weights), 0, module.FIRST, values,
            directions, steps, 0, module.LANES, 1, 0, 1, np.zeros((1, 1)),
        )  # fmt: skip
        assert counted.TALLY[0] == module.LANES * operations_a_point(network, values)
