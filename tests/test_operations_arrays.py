"""Operations of the estimators written in numpy are those of an instrumented run."""

from dataclasses import fields

import counted_arrays
import numpy as np
import pytest
from counted_arrays import counting, counting_network

from conevol import ReluRNN, zoo
from conevol.estimators import masks, propagation, pruning


@pytest.fixture(autouse=True)
def counting_draws(monkeypatch):
    def draws(*args, inputs=masks.gaussian_inputs, **options):
        return counting(inputs(*args, **options))

    def start(network, plain=pruning._start):
        mixture = plain(network)
        for field in fields(mixture):
            setattr(mixture, field.name, counting(getattr(mixture, field.name)))
        return mixture

    for module in (masks, propagation, pruning):
        monkeypatch.setattr(module, "gaussian_inputs", draws)
    monkeypatch.setattr(pruning, "_start", start)


def small(n, hidden):
    rng = np.random.default_rng(n)
    return ReluRNN(*(rng.standard_normal(s) for s in (hidden, (hidden, hidden), (n, hidden))))


def both(run, n, hidden, **options):
    """Reported and instrumented operations."""
    network = counting_network(small(n, hidden))
    counted_arrays.TALLY[0] = 0
    estimate = run(network, **options)
    return estimate.operations, counted_arrays.TALLY[0]


SHAPES = [(2, 3), (3, 4), (5, 2)]


def test_the_instrument_counts_by_the_rule():
    a, b = counting(np.ones((2, 3))), np.ones((3, 4))
    for run, operations in (
        (lambda: a @ b, 24), (lambda: b.T @ a.T, 24), (lambda: a + a - a, 0),
        (lambda: 2.0 * a / 3.0, 12), (lambda: np.exp(a) ** 2, 12),
        (lambda: np.einsum("ij,ij->i", a, a), 6), (lambda: np.outer(a[0], a[1]), 9),
        (lambda: np.where(a > 0.0, a, 0.0).sum(), 0),
    ):  # fmt: skip
        counted_arrays.TALLY[0] = 0
        run()
        assert counted_arrays.TALLY[0] == operations


@pytest.mark.parametrize(("n", "hidden"), SHAPES)
@pytest.mark.parametrize("samples", [20, 500])
def test_masks(n, hidden, samples):
    reported, run = both(masks.mask_sequence_accuracy, n, hidden, samples=samples)
    assert reported == run


@pytest.mark.parametrize(("n", "hidden"), SHAPES)
@pytest.mark.parametrize("given", ["order", "nothing"])
def test_propagation(n, hidden, given):
    run = propagation.propagated_accuracy
    reported, counted = both(run, n, hidden, given=given, samples=1)
    assert reported == pytest.approx(counted, rel=0.005)


@pytest.mark.parametrize(("n", "hidden"), SHAPES)
@pytest.mark.parametrize("judge", ["draws", "cuts"])
@pytest.mark.parametrize("discard", ["resample", "lost"])
def test_pruning(n, hidden, judge, discard):
    reported, run = both(
        pruning.pruned_mixture_accuracy,
        n, hidden, judge=judge, discard=discard, components=12, draws=2,
    )  # fmt: skip
    assert reported == pytest.approx(run, rel=0.02)


def test_what_is_not_counted_is_not_a_number():
    assert masks.mask_sequence_accuracy(zoo.load("4/3"), method="exact").operations is None
