"""Estimators for networks of any n: stratified sampling, masks, propagation, mixtures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from strategies import random_network

from conevol import ReluRNN, accuracy, gaussian_inputs, sample_accuracy, zoo
from conevol.errors import ConevolError, TaskError
from conevol.estimators import (
    mask_sequence_accuracy,
    propagated_accuracy,
    pruned_mixture_accuracy,
    stratified_accuracy,
)
from conevol.estimators.masks import mask_cones
from conevol.estimators.propagation import relu_moments
from conevol.estimators.pruning import _cut, _Mixture, _reduced
from conevol.kernels._jit import kernel
from conevol.kernels.gaussian import LANES
from conevol.kernels.ordered import fill_ordered, sobol_directions, start_points
from conevol.kernels.stratified import GROUPS, stratified_range
from conevol.separation import root_fractions
from conevol.tasks import TASKS
from conevol.ties import TIE_RULES

# --- stratified sampling ---------------------------------------------------------------------


@kernel
def points_of_group(directions, steps, seed, replicate, width, first, n, values):
    """The other inputs (n - 1, LANES) and the values of the last (values, LANES) of a group."""
    base = np.empty((directions.shape[0] + steps.size, LANES), np.uint64)
    real, x, last = np.empty((3, LANES)), np.empty((n - 1, LANES)), np.empty((values, LANES))
    start_points(directions, steps, seed, replicate, width, base)
    fill_ordered(directions, steps, first, base, real, real.view(np.uint64), x, n - 1, last)
    return x, last


@pytest.mark.parametrize(
    ("n", "hidden", "values", "width"), [(1, 2, 3, 64), (2, 3, 4, 64), (5, 7, 4, 16), (6, 4, 1, 64)]
)
@pytest.mark.parametrize("ties", TIE_RULES)
def test_answers_of_a_group(n, hidden, values, ties, width):
    """Credits of the points as `fill_ordered` makes them, by the network itself."""
    net = random_network(hidden, n, "dead readout" if n > 1 else "float", seed=n)
    task = "argmax" if n == 1 else sorted(TASKS)[n % len(TASKS)]
    if TASKS[task].rank is None:
        task = "second_argmax"
    rank = TASKS[task].rank(n)
    ordered = min(rank + 2, n - 1)
    directions, steps = sobol_directions(2 * ordered + 1), root_fractions(n - 1 - ordered)
    together, groups = LANES // width, GROUPS + 1 if width == LANES else 1
    blocks = 2 if groups > 1 else 1
    sums = np.empty((2 * blocks, together))
    stratified_range(
        net.W_hi, net.W_hh, net.W_oh, rank, TIE_RULES.index(ties), values, directions, steps, 5,
        width, groups, 0, 2 * blocks, sums,
    )  # fmt: skip
    family = 1
    first = (groups - 1) * LANES
    others, last = points_of_group(directions, steps, 5, family * together, width, first, n, values)
    x = np.concatenate(
        [np.repeat(others[:, :, None], values, axis=2), last.T[None]]
    ).reshape(n, -1).T  # fmt: skip
    expected = credits(net, x, TASKS[task](x), ties).reshape(together, -1).sum(axis=1)
    assert sums[-1] == pytest.approx(expected)


def credits(net, x, label, ties):
    """Credit of every input (k, n) by the tie rule."""
    logits = net.forward(x)
    tied = logits == logits.max(axis=1, keepdims=True)
    hit, several = tied[np.arange(len(x)), label], tied.sum(axis=1)
    if ties == "split":
        return hit / several
    return hit & (several == 1) if ties == "wrong" else tied.argmax(axis=1) == label


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize(
    ("hidden", "n", "kind"),
    [(4, 3, "float"), (3, 3, "dead readout"), (4, 2, "float"), (5, 2, "integer")],
)
@pytest.mark.parametrize("values", [1, 4, 5])
def test_unbiased_with_honest_standard_errors(hidden, n, kind, ties, values):
    """Errors of 100 runs in units of the standard error have mean 0 and Student's spread."""
    net = random_network(hidden, n, kind, seed=10)
    exact = accuracy(net, ties=ties).value
    runs = [stratified_accuracy(net, 1024, values=values, seed=s, ties=ties) for s in range(100)]
    if max(r.error for r in runs) < 1e-12:
        assert abs(runs[0].value - exact) < 1e-11
        return
    errors = np.array([r.value - exact for r in runs])
    spread = errors.std(ddof=1)
    assert abs(errors.mean()) < 4.5 * spread / 10.0
    claimed = math.sqrt(np.mean([r.error**2 for r in runs]))
    # Of 100 runs the spread is known to 7 %, of 1500 degrees of freedom the claim to 2 %.
    assert spread == pytest.approx(claimed, rel=0.3)


@pytest.mark.parametrize("name", ["8/4", "8/5", "16/10"])
def test_agrees_with_sampling_and_varies_less(name):
    net = zoo.load(name)
    estimate, plain = stratified_accuracy(net, 200_000), sample_accuracy(net, 200_000, seed=1)
    assert abs(estimate.value - plain.value) < 5 * math.hypot(estimate.error, plain.standard_error)
    assert estimate.error < plain.standard_error


def test_errors_fall_faster_than_of_independent_points():
    """In two dimensions besides the last, 64 times the points: less than 1/8 of the error."""
    net = zoo.load("4/3")
    few, many = (
        math.sqrt(np.mean([stratified_accuracy(net, k, seed=s).error ** 2 for s in range(30)]))
        for k in (2**12, 2**18)
    )
    assert many < few / 12.0


def test_threads_change_nothing():
    net = random_network(6, 5)
    samples = 3 * 40 * GROUPS * LANES + 7
    first = stratified_accuracy(net, samples, seed=3, threads=1, replicates=3)
    for threads in (2, 5):
        other = stratified_accuracy(net, samples, seed=3, threads=threads, replicates=3)
        assert (other.value, other.error) == (first.value, first.error)
    assert stratified_accuracy(net, 1000, seed=4).value != first.value


def test_one_input_and_no_neuron_on():
    alone = ReluRNN([1.0, -1.0], np.zeros((2, 2)), [[1.0, 2.0]], task="argmax")
    estimate = stratified_accuracy(alone, 10)
    assert (estimate.value, estimate.error) == (1.0, 0.0)
    off = ReluRNN([0.0], [[0.0]], [[1.0], [2.0]])
    for ties, value in (("split", 0.5), ("wrong", 0.0)):
        assert stratified_accuracy(off, 100, ties=ties).value == value


def test_points_are_rounded_up_to_whole_groups():
    """Few points have fewer replicates, but four at least, which share a group."""
    net = random_network(5, 4)
    a_point = 3 * 5 * 6 + 4 * 5 * 5
    for samples, replicates, points in (
        (1, 16, 64), (65, 16, 128), (129, 16, 192), (257, 16, 320), (1024, 16, 1024),
        (1025, 16, 2048), (1, 2, 64), (129, 2, 256),
    ):  # fmt: skip
        estimate = stratified_accuracy(net, samples, replicates=replicates)
        assert estimate.operations == points * a_point
        assert estimate.estimator == f"stratified, 4 values, {points} points"
        assert estimate.claim == "standard error"
        assert estimate.seconds > 0


@pytest.mark.parametrize("samples", [64, 128, 192])
def test_few_points_have_honest_standard_errors(samples):
    """Replicates that share a group are independent: mean square error as claimed."""
    net = random_network(4, 3, seed=10)
    exact = accuracy(net).value
    runs = [stratified_accuracy(net, samples, values=2, seed=s) for s in range(3000)]
    errors = np.array([r.value - exact for r in runs])
    spread = errors.std(ddof=1)
    assert abs(errors.mean()) < 4.5 * spread / math.sqrt(3000)
    claimed = math.sqrt(np.mean([r.error**2 for r in runs]))
    assert spread == pytest.approx(claimed, rel=0.08)


def test_coordinates_of_order_leave_less_variance():
    """Half of what independent points leave, on the large network."""
    net = zoo.load("16/10")
    squares = [stratified_accuracy(net, 2**14, seed=s).error ** 2 for s in range(40)]
    p = sample_accuracy(net, 2**18).value
    assert np.mean(squares) * 2**14 / (p * (1.0 - p)) < 0.45


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"samples": 0}, ConevolError, "samples is 0"),
        ({"seed": -1}, ConevolError, "seed is -1"),
        ({"ties": "all"}, ConevolError, "unknown tie rule 'all'"),
        ({"values": 0}, ConevolError, "values is 0"),
        ({"replicates": 1}, ConevolError, "replicates is 1"),
        ({"task": "sort"}, TaskError, "unknown task 'sort'"),
    ],
)
def test_wrong_calls_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        stratified_accuracy(random_network(), **options)


# --- mask sequences -------------------------------------------------------------------------


def test_mask_estimate_is_exact_where_no_mask_varies():
    """A network whose neurons on the cone of an order never change: its estimate is exact."""
    net = zoo.load("exact-2/2")
    assert mask_sequence_accuracy(net, method="exact").value == pytest.approx(1.0)


@pytest.mark.parametrize("background", ["mean", "impulses"])
@pytest.mark.parametrize("n", [2, 3])
def test_sampled_and_exact_mask_estimates_agree(n, background):
    net = random_network(5, n, seed=3)
    exact = mask_sequence_accuracy(net, background=background, method="exact")
    sampled = mask_sequence_accuracy(net, background=background, samples=200_000, seed=1)
    assert abs(exact.value - sampled.value) < 5 * 0.5 / math.sqrt(200_000)


def test_mask_cones_hold_the_order():
    """The mean input given an order lies in its cone's half of the order."""
    cones = mask_cones(random_network(5, 6))
    assert cones.shape == (30, 10, 6)
    x = gaussian_inputs(10_000, 6)
    inside = (np.einsum("ckd,xd->cxk", cones[:, :5], x) >= 0).all(axis=2)
    assert (inside.sum(axis=0) == 1).all()


# --- propagation ----------------------------------------------------------------------------


def test_relu_moments_against_samples():
    rng = np.random.default_rng(5)
    a = rng.standard_normal((4, 4))
    mean, covariance = rng.standard_normal(4), a @ a.T
    z = mean + gaussian_inputs(1_000_000, 4, seed=2) @ np.linalg.cholesky(covariance).T
    y = np.maximum(z, 0.0)
    m, c, on = relu_moments(mean, covariance)
    spread = 5 / 1000 * y.std(axis=0)
    assert (np.abs(y.mean(axis=0) - m) < spread).all()
    assert (np.abs((z > 0).mean(axis=0) - on) < 5 / 1000).all()
    products = (y - m)[:, :, None] * (y - m)[:, None, :]
    assert (np.abs(products.mean(axis=0) - c) < 5 / 1000 * products.std(axis=0)).all()


@pytest.mark.parametrize("r", [-0.9, -0.3, 0.0, 0.5, 0.99])
def test_relu_moments_of_two_centred(r):
    """The arc-cosine kernel (Y. Cho and L. Saul 2009)."""
    _, c, _ = relu_moments(np.zeros(2), np.array([[1.0, r], [r, 1.0]]))
    angle = math.acos(r)
    product = (math.sin(angle) + (math.pi - angle) * r) / (2 * math.pi)
    assert c[0, 1] == pytest.approx(product - 1 / (2 * math.pi), abs=1e-13)
    assert c[0, 0] == pytest.approx(0.5 - 1 / (2 * math.pi), abs=1e-14)


def test_relu_moments_of_constants():
    m, c, on = relu_moments(np.array([2.0, -3.0, 0.0]), np.zeros((3, 3)))
    assert (m == [2.0, 0.0, 0.0]).all()
    assert not c.any()
    assert (on == [1.0, 0.0, 0.0]).all()


def test_propagation_is_exact_on_a_linear_network():
    """Neurons in pairs w and -w pass a Gaussian on whole: one step, logits x and -x."""
    net = ReluRNN([1.0, -1.0], np.zeros((2, 2)), [[1.0, -1.0], [-1.0, 1.0]])
    # The first logit is the last input: right where x_1 > 0 with x_1 > x_0, or x_1 < 0 < ...
    exact = accuracy(net).value
    given = propagated_accuracy(net, given="nothing", samples=200_000).value
    assert abs(given - exact) < 0.02


# --- Gaussian mixtures ----------------------------------------------------------------------


def test_cut_of_a_gaussian():
    """Both sides together have the whole's weight, mean and covariance; a side is half-normal."""
    rng = np.random.default_rng(2)
    a = rng.standard_normal((3, 4, 4))
    mean, covariance = rng.standard_normal((3, 4)), a @ a.transpose(0, 2, 1)
    normal = rng.standard_normal((3, 4))
    p, m1, c1 = _cut(mean, covariance, normal)
    q, m2, c2 = _cut(mean, covariance, -normal)
    np.testing.assert_allclose(p + q, 1.0, rtol=1e-14)
    np.testing.assert_allclose(p[:, None] * m1 + q[:, None] * m2, mean, atol=1e-12)
    second = sum(
        w[:, None, None] * (c + m[:, :, None] * m[:, None, :])
        for w, m, c in ((p, m1, c1), (q, m2, c2))
    )
    np.testing.assert_allclose(second, covariance + mean[:, :, None] * mean[:, None, :], atol=1e-11)
    side, m, c = _cut(np.zeros((1, 1)), np.ones((1, 1, 1)), np.ones((1, 1)))
    assert (side[0], m[0, 0]) == pytest.approx((0.5, math.sqrt(2 / math.pi)))
    assert c[0, 0, 0] == pytest.approx(1 - 2 / math.pi)


def test_resampling_keeps_every_weight_in_the_mean():
    rng = np.random.default_rng(3)
    weight = np.array([0.4, 0.3, 0.1, 0.08, 0.06, 0.04, 0.02])
    mixture = _Mixture(
        weight, np.arange(7), np.zeros((7, 1)), np.zeros((7, 1, 1)), *np.zeros((2, 7, 1, 1))
    )
    totals = np.zeros(7)
    for _ in range(4000):
        kept = _reduced(mixture, 4, "resample", rng)
        assert len(kept.weight) == 4
        assert kept.weight.sum() == pytest.approx(1.0)
        totals[kept.label] += kept.weight
    np.testing.assert_allclose(totals / 4000, weight, atol=0.01)


def test_mixture_that_keeps_all_does_not_depend_on_how_it_discards():
    net = random_network(2, 2, seed=4)
    values = {
        pruned_mixture_accuracy(net, components=10_000, discard=d).value
        for d in ("renormalise", "resample", "lost")
    }
    assert max(values) - min(values) < 1e-9


def test_mixture_counts_more_for_more_components():
    net = random_network(4, 4)
    few, many = (pruned_mixture_accuracy(net, components=c) for c in (20, 200))
    assert many.operations > 3 * few.operations
    assert math.isnan(few.error)
    assert few.claim == "none"


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (mask_sequence_accuracy, {"background": "noise"}, "background is 'noise'"),
        (mask_sequence_accuracy, {"method": "guess"}, "method is 'guess'"),
        (mask_sequence_accuracy, {"samples": 2}, r"expected at least n \(n - 1\) = 6"),
        (propagated_accuracy, {"given": "label"}, "given is 'label'"),
        (pruned_mixture_accuracy, {"components": 0}, "components is 0"),
        (pruned_mixture_accuracy, {"discard": "all"}, "discard is 'all'"),
        (pruned_mixture_accuracy, {"judge": "me"}, "judge is 'me'"),
    ],
)
def test_wrong_parameters_are_refused(estimator, options, message):
    with pytest.raises(ConevolError, match=message):
        estimator(random_network(), **options)


@pytest.mark.parametrize(
    "estimator", [mask_sequence_accuracy, propagated_accuracy, pruned_mixture_accuracy]
)
def test_other_tasks_are_refused(estimator):
    net = ReluRNN([1.0], [[0.0]], [[1.0], [0.0]], task="argmax")
    with pytest.raises(TaskError, match="knows the task 'second_argmax' only, got 'argmax'"):
        estimator(net)
