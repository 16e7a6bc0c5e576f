"""Interchange interventions: the causal model, the exact accuracy, the search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import conevol
from conevol import tasks, zoo
from conevol.analysis import equality
from conevol.analysis.alignment import _loss, align, network_pairs, orthonormal
from conevol.analysis.causal import VARIABLES, swap_regions, swapped_labels, variables_named
from conevol.analysis.interchange import interchange_accuracy
from conevol.analysis.sites import LayerSite, RecurrentSite
from conevol.errors import ConevolError, TaskError


def cases():
    for n in (2, 3, 4):
        for variable in [*VARIABLES, "x_0 > x_1"]:
            for step in range(1, n + 1):
                try:
                    variables_named(variable, step, n)
                except TaskError:
                    continue
                yield n, variable, step


@pytest.mark.parametrize(("n", "variable", "step"), list(cases()))
def test_the_regions_cover_space_once_and_have_the_programs_answers(n, variable, step):
    z = np.random.default_rng(n).standard_normal((400, n + step))
    inside = np.array(
        [(z @ r.normals.T > 0.0).all(axis=1) for r in swap_regions(n, variable, step)]
    )
    assert (inside.sum(axis=0) == 1).all()
    labels = np.array([r.label for r in swap_regions(n, variable, step)])
    source = np.concatenate([z[:, n:], np.full((400, n - step), np.nan)], axis=1)
    expected = swapped_labels(z[:, :n], source, variable, step)
    assert (labels[inside.argmax(axis=0)] == expected).all()


@given(st.integers(2, 5), st.data())
def test_a_source_equal_to_the_base_changes_nothing(n, data):
    step = data.draw(st.integers(2, n))
    variable = data.draw(st.sampled_from([*VARIABLES]))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((50, n))
    assert (swapped_labels(x, x, variable, step) == tasks.TASKS["second_argmax"](x)).all()


def test_swapping_everything_gives_the_label_of_the_spliced_input():
    x, s = np.random.default_rng(0).standard_normal((2, 200, 5))
    spliced = np.concatenate([s[:, :3], x[:, 3:]], axis=1)
    expected = tasks.TASKS["second_argmax"](spliced)
    assert (swapped_labels(x, s, "everything", 3) == expected).all()


def test_swapping_the_order_of_two_is_exchanging_them_where_it_differs():
    x, s = np.random.default_rng(1).standard_normal((2, 200, 3))
    differ = (x[:, 0] > x[:, 1]) != (s[:, 0] > s[:, 1])
    exchanged = np.where(differ[:, None], x[:, [1, 0, 2]], x)
    expected = tasks.TASKS["second_argmax"](exchanged)
    assert (swapped_labels(x, s, "x_0 > x_1", 2) == expected).all()


def brute_force(network, variable, basis, step):
    """The interchange accuracy as a sum over all pairs of sign patterns, possible or not."""
    n, h = network.n, network.hidden
    unit, swap = np.eye(n + step), basis.T @ basis
    signs = np.array(list(itertools.product((0.0, 1.0), repeat=h)))

    def run(state, entries):
        if not len(entries):
            yield np.empty((0, n + step)), state
            return
        z = network.W_hh @ state + np.outer(network.W_hi, entries[0])
        for on in signs:
            for rows, end in run(z * on[:, None], entries[1:]):
                yield np.concatenate([z * (2.0 * on - 1.0)[:, None], rows]), end

    zero, cones = np.zeros((h, n + step)), []
    for rows, base in run(zero, unit[:step]):
        for more, source in run(zero, unit[n:]):
            for rest, end in run(base + swap @ (source - base), unit[step:n]):
                logits = network.W_oh @ end
                for region in swap_regions(n, variable, step):
                    wins = logits[region.label] - np.delete(logits, region.label, axis=0)
                    cones.append(np.concatenate([rows, more, rest, region.normals, wins]))
    width = max(map(len, cones))
    padded = np.array([np.pad(c, ((0, width - len(c)), (0, 0))) for c in cones])
    return conevol.fraction(padded).sum()


@pytest.mark.parametrize(
    ("n", "variable", "step"), [(2, "maximum", 1), (2, "second", 2), (3, "maximum", 1)]
)
def test_exact_interchange_equals_the_sum_over_all_pairs_of_patterns(n, variable, step):
    rng = np.random.default_rng(n + step)
    # No two logits tie where all neurons are off, since such patterns do not occur here.
    network = conevol.ReluRNN([1.0, -0.8], rng.standard_normal((2, 2)) + 0.5 * np.eye(2),
                              rng.standard_normal((n, 2)))  # fmt: skip
    dead = network.pattern(rng.standard_normal((2000, n)))[:, -1].any(axis=1).all()
    basis = orthonormal(rng.standard_normal((1, 2)), 2)
    result = interchange_accuracy(network, variable, basis, step, method="exact")
    if dead:
        expected = brute_force(network, variable, basis, step)
        assert abs(result.value - expected) <= 1e-10
    sampled = interchange_accuracy(network, variable, basis, step, method="sample", seed=1)
    assert abs(result.value - sampled.value) < 4.5 * sampled.standard_error
    assert result.error_bound < 1e-8


def test_needles_count_once():
    """The 3/3 network has needles a millionth wide, which hundreds of planes cannot tell apart.

    After one entry the maximum is that entry, so a swap of the whole state is one of the inputs.
    """
    network = conevol.zoo.load("3/3")
    result = interchange_accuracy(network, "maximum", np.eye(3), 1, method="exact")
    assert result.error_bound < 4e-6
    assert abs(result.value - conevol.accuracy(network).value) < 1e-9


def test_cones_that_doubles_do_not_resolve_get_more_digits():
    """Two steps of the 3/3 network: some of its cones in five dimensions are needles of needles."""
    network, basis = conevol.zoo.load("3/3"), np.eye(3)
    result = interchange_accuracy(network, "maximum", basis, 2, method="exact")
    sampled = interchange_accuracy(network, "maximum", basis, 2, method="sample", seed=1)
    assert result.error_bound < 1e-4
    assert abs(result.value - sampled.value) < 4.5 * sampled.standard_error


@pytest.mark.parametrize("name", ["2/2", "exact-argmax-2/2"])
def test_swapping_the_whole_state_for_everything_leaves_the_accuracy(name):
    network = zoo.load(name)
    network.task = "second_argmax"
    result = interchange_accuracy(network, "everything", np.eye(2), 2)
    expected = conevol.accuracy(network).value
    assert result.value == pytest.approx(expected, abs=1e-12)


def test_swapping_nothing_for_everything_is_agreement_with_another_input():
    network = zoo.load("exact-2/2")
    result = interchange_accuracy(network, "everything", np.empty((0, 2)), 2)
    assert result.value == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("site", [RecurrentSite(zoo.load("4/3"), 2), equality.load(2)])
def test_the_slope_of_the_loss_is_its_difference_quotient(site):
    rng = np.random.default_rng(3)
    draw = (
        network_pairs(site.network, "maximum", 2)
        if isinstance(site, RecurrentSite)
        else equality.pairs("a = b")
    )
    pairs = draw(64, rng)
    basis = orthonormal(rng.standard_normal((2, site.width)), site.width)
    way = rng.standard_normal(basis.shape)
    slope = (_loss(site, basis, pairs)[2] * way).sum()
    eps = 1e-6
    ends = [_loss(site, basis + sign * eps * way, pairs)[0] for sign in (1.0, -1.0)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2.0 * eps), rel=1e-5)


def test_the_search_finds_a_planted_subspace():
    """Two neurons keep x_0 and -x_0: together they are the running maximum of one entry."""
    network = conevol.ReluRNN(
        [1.0, -1.0, 0.0, 0.0],
        [[0.0] * 4, [0.0] * 4, [1.0, -1.0, 0.0, 0.0], [-1.0, 1.0, 0.0, 0.0]],
        [[1.0, -1.0, -1.0, 1.0], [-1.0, 1.0, 1.0, -1.0]],
    )
    assert conevol.accuracy(network).value == pytest.approx(1.0, abs=1e-12)
    found = align(network, "maximum", 2, step=1, steps=150, starts=2, samples=4000)
    planted = np.eye(4)[:2]
    exact = interchange_accuracy(network, "maximum", planted, 1)
    assert exact.value == pytest.approx(1.0, abs=1e-9)
    assert found.value > 0.97
    again = align(network, "maximum", 2, step=1, steps=150, starts=2, samples=4000)
    assert (again.basis == found.basis).all()


def test_the_bundled_perceptron_keeps_a_variable_early():
    early = align(equality.load(1), equality.pairs("a = b"), 8, steps=300, starts=1, samples=5000)
    late = align(equality.load(3), equality.pairs("a = b"), 8, steps=300, starts=1, samples=5000)
    assert early.value > 0.85 > late.value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: interchange_accuracy(net, "minimum", np.eye(4), 2), "unknown variable"),
        (lambda net: interchange_accuracy(net, "second", np.eye(4), 1), r"expected 2 \.\. n = 3"),
        (lambda net: interchange_accuracy(net, "second", np.eye(3), 2), "finite rows"),
        (lambda net: interchange_accuracy(net, "second", np.eye(4), 2, method="x"), "method"),
        (lambda net: align(net, "second", 5, step=2), r"expected 1 \.\. 4"),
        (lambda net: align(net, "second", 2), "step is missing"),
        (lambda net: align(RecurrentSite(net, 2), "second", 2), "draws labelled pairs"),
        (lambda net: RecurrentSite(net, 4), "step is 4"),
        (lambda net: equality.pairs("a = c"), "a = b, c = d"),
        (lambda net: equality.load(4), "expected 1, 2 or 3"),
        (lambda net: LayerSite([np.eye(3), np.eye(2)], [np.ones(3), np.ones(2)], 1), "layer 2"),
    ],
)
def test_wrong_input_is_told(call, message):
    with pytest.raises(ConevolError, match=message):
        call(zoo.load("4/3"))
