"""Formulas of patterns and their regions, beside the network in floats and in plain fractions."""

from __future__ import annotations

import itertools
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import SEEDS, random_weights, weights
from test_accuracy import published

import conevol
from conevol import ReluRNN
from conevol.errors import ConevolError, WeightsError
from conevol.precision import fraction
from conevol.symbolic import SymbolicRNN


def states(net, x):
    """Pre-activations (n, hidden), logits (n,) at a point, in fractions."""
    hi, hh, oh = (
        [[Fraction(w) for w in row] for row in np.atleast_2d(m).tolist()]
        for m in (net.W_hi, net.W_hh, net.W_oh)
    )
    h, pre = [Fraction(0)] * net.hidden, []
    for t in range(net.n):
        z = [
            sum((w * v for w, v in zip(row, h, strict=True)), w_in * x[t])
            for row, w_in in zip(hh, hi[0], strict=True)
        ]
        pre.append(z)
        h = [max(v, Fraction(0)) for v in z]
    return pre, [sum((w * v for w, v in zip(row, h, strict=True)), Fraction(0)) for row in oh]


def points(n):
    return st.lists(st.integers(-30, 30).map(Fraction), min_size=n, max_size=n)


# --- formulas -------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(weights(), SEEDS)
def test_maps_are_those_of_the_network(w, seed):
    net = ReluRNN(*w)
    pattern = np.random.default_rng(seed).random((net.n, net.hidden)) < 0.5
    floats, exact = net.linear_maps(pattern), SymbolicRNN.of(net).maps(pattern)
    pairs = [
        *zip(floats.pre_activations, exact.pre_activations, strict=True),
        *zip(floats.hidden_states, exact.hidden_states, strict=True),
        (floats.logits, exact.logits),
    ]
    for a, b in pairs:
        scale = np.abs(a).max() + 1e-300
        np.testing.assert_allclose(a, np.array(b, dtype=float), rtol=1e-10, atol=1e-12 * scale)


def test_symbolic_maps_lower_to_those_of_the_network():
    rnn, net = SymbolicRNN.symbols(3, 3), ReluRNN(*random_weights(np.random.default_rng(1), 3, 3))
    pattern = [[1, 0, 1], [1, 1, 0], [0, 1, 1]]
    floats, maps = net.linear_maps(pattern), rnn.maps(pattern)
    np.testing.assert_allclose(rnn.lower(maps.logits)(net), floats.logits, rtol=1e-13)
    for a, b in zip(floats.pre_activations, maps.pre_activations, strict=True):
        np.testing.assert_allclose(rnn.lower(b)(net), a, rtol=1e-13, atol=1e-15)


def test_an_ensemble_is_lowered_network_by_network():
    rnn, net = SymbolicRNN.symbols(2, 2), conevol.zoo.load("2/2")
    copies = net.noisy_copies(5)
    function = rnn.lower(rnn.maps([[1, 1], [0, 1]]).logits)
    values = function(copies)
    assert values.shape == (5, 2, 2)
    for value, copy in zip(values, copies, strict=True):
        np.testing.assert_array_equal(value, function(copy))


def test_expressions_in_x():
    rnn = SymbolicRNN.symbols(2, 2)
    z_1, z_2 = rnn.pre_activations([[1, 0], [1, 1]])
    x_0, x_1 = rnn.x
    hi, hh, oh = rnn.W_hi, rnn.W_hh, rnn.W_oh
    assert z_1[1] == hi[1] * x_0
    assert sympy.expand(z_2[1] - (hh[1, 0] * hi[0] * x_0 + hi[1] * x_1)) == 0
    logit = oh[0, 0] * z_2[0] + oh[0, 1] * z_2[1]
    assert sympy.expand(rnn.logits([[1, 0], [1, 1]])[0] - logit) == 0


def test_floats_are_taken_exactly():
    rnn = SymbolicRNN([0.1, np.float32(0.1)], [["1/3", 1], [sympy.sqrt(2), 1]], np.eye(2))
    assert rnn.W_hi[0] == sympy.Rational(*(0.1).as_integer_ratio())
    assert rnn.W_hi[1] == sympy.Rational(*float(np.float32(0.1)).as_integer_ratio())
    assert rnn.W_hh[0, 0] == sympy.Rational(1, 3)
    assert not rnn.is_rational
    assert SymbolicRNN.of(conevol.zoo.load("4/3")).is_rational


# --- regions --------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(weights(), st.data())
def test_a_region_holds_the_points_of_its_pattern_and_no_others(w, data):
    net = ReluRNN(*w)
    rnn = SymbolicRNN.of(net)
    here, there = (data.draw(points(net.n)) for _ in range(2))
    pre, logits = states(net, here)
    other, _ = states(net, there)
    on = [[v > 0 for v in z] for z in pre]
    maps = rnn.maps(on).pre_activations
    # A point on a plane is on the boundary of the region, or in none with an interior.
    assume(
        all(
            v != 0 or not any(rows.row(j))
            for z, rows in zip(pre, maps, strict=True)
            for j, v in enumerate(z)
        )
    )
    region = rnn.region(on)
    assert not region.empty
    assert region.contains(here)
    assert region.as_relation().subs(dict(zip(rnn.x, map(int, here), strict=True))) == sympy.true
    elsewhere = any(
        v * (1 if active else -1) < 0
        for z, step in zip(other, on, strict=True)
        for v, active in zip(z, step, strict=True)
    )
    assert region.contains(there) != elsewhere

    order = sorted(range(net.n), key=lambda i: -here[i])
    best = max(range(net.n), key=lambda i: logits[i])
    assume(len(set(here)) == net.n and sorted(logits)[-1] != sorted(logits)[-2])
    cell = rnn.region(on, order=order, prediction=best)
    assert cell.contains(here)
    assert not rnn.region(on, order=order[::-1], prediction=best).contains(here)
    wrong = (best + 1) % net.n
    assert not rnn.region(on, order=order, prediction=wrong).contains(here)
    if elsewhere:
        assert not cell.contains(there)


def by_pattern(table):
    """Fractions of a table of cells, summed by pattern."""
    sums = {}
    for pattern, share in zip(table.pattern, table.fraction, strict=True):
        key = tuple(map(tuple, pattern.astype(int).tolist()))
        sums[key] = sums.get(key, 0.0) + share
    return sums


@pytest.mark.parametrize("name", ["2/2", "4/3", "exact-7/3", "published"])
def test_regions_have_the_fractions_of_the_numeric_cells(name):
    net = published() if name == "published" else conevol.zoo.load(name)
    rnn = SymbolicRNN.of(net)
    sums = by_pattern(conevol.accuracy(net, table=True).table)
    for pattern, share in sums.items():
        assert abs(conevol.fraction(rnn.region(pattern).normals()) - share) < 1e-13


def test_symbolic_regions_lowered_have_the_fractions_of_the_numeric_cells():
    net, rnn = conevol.zoo.load("4/3"), SymbolicRNN.symbols(4, 3)
    sums = by_pattern(conevol.accuracy(net, table=True).table)
    for pattern, share in list(sums.items())[::5]:
        region = rnn.region(pattern)
        assert region.rows.shape == (12, 3)
        assert abs(conevol.fraction(region.normals(net)) - share) < 1e-13


def test_cells_have_the_fractions_of_the_numeric_cells():
    net = ReluRNN(*random_weights(np.random.default_rng(5), 3, 3))
    rnn, table = SymbolicRNN.of(net), conevol.accuracy(net, table=True).table
    shares = defaultdict(float)
    for row in np.flatnonzero(table.ties == 1):
        key = (table.pattern[row].tobytes(), table.label[row], table.prediction[row])
        shares[key] += table.fraction[row]
    assert len(shares) > 30
    for (pattern, label, prediction), share in shares.items():
        on = np.frombuffer(pattern, dtype=bool).reshape(3, 3)
        cells = [
            rnn.region(on, order=order, prediction=prediction)
            for order in itertools.permutations(range(3))
            if order[1] == label
        ]
        assert abs(sum(conevol.fraction(cell.normals()) for cell in cells) - share) < 1e-13


@settings(deadline=None, max_examples=30)
@given(weights(), SEEDS)
def test_no_row_of_a_rational_region_is_redundant(w, seed):
    net = ReluRNN(*w)
    x = np.random.default_rng(seed).standard_normal(net.n)
    region = SymbolicRNN.of(net).region(net.pattern(x))
    rows = [list(map(int, row)) for row in region.rows.tolist()]
    assert len({tuple(row) for row in rows}) == len(rows)
    whole = fraction(rows, 20) if rows else 1
    for i in range(len(rows)):
        rest = rows[:i] + rows[i + 1 :]
        assert (fraction(rest, 20) if rest else 1) > whole


def test_a_region_has_its_closed_form():
    rnn = SymbolicRNN([1, -1], [[0, 1], [1, 0]], [[1, 0], [0, 1]])
    region = rnn.region([[1, 0], [1, 0]])
    assert region.closed_form() == sympy.Rational(1, 8)
    assert rnn.region([[0, 0]]).closed_form() == 0
    assert rnn.region(np.zeros((0, 2))).closed_form() == 1


def test_regions_read_well():
    rnn = SymbolicRNN([1, -1, 0.1], [[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[1, 0, 1], [0, 1, 1]])
    assert str(rnn.region([[1, 0, 1]])) == "x_0 >= 0"
    assert str(rnn.region([[1, 0, 0]])) == "no interior"
    assert str(rnn.region(np.zeros((0, 3)))) == "all inputs"
    region = rnn.region([[1, 0, 1], [1, 0, 1]])
    assert str(region) == "x_0 >= 0 and x_0 - x_1 <= 0"
    assert region._repr_latex_() == r"$x_{0} \geq 0 \wedge x_{0} - x_{1} \leq 0$"
    assert rnn.region([[1, 0, 0]])._repr_latex_() == r"$\emptyset$"
    assert rnn.region(np.zeros((0, 3)))._repr_latex_() == r"$\text{True}$"
    assert rnn.region([[1, 0, 0]]).inequalities == [sympy.false]
    assert conevol.fraction(rnn.region([[1, 0, 0]]).normals()) == 0.0


def test_what_is_always_zero_or_always_tied_has_no_interior():
    dead = SymbolicRNN([1, 0], [[0, 1], [0, 0]], [[1, 0], [1, 5]])
    assert str(dead.region([[1, 0]])) == "x_0 >= 0"
    assert dead.region([[1, 1]]).empty
    assert dead.region([[1, 0], [1, 0]], prediction=0).empty
    u = sympy.Symbol("u", positive=True)
    symbolic = SymbolicRNN([u, 0], [[0, 1], [0, 0]], [[1, 0], [1, 5]])
    assert symbolic.region([[1, 1]]).empty


def test_long_numbers_are_printed_as_decimals_and_kept_exact():
    rnn = SymbolicRNN([0.1, 1], [[1, 1], [1, -1]], [[1, 0], [0, 1]])
    region = rnn.region([[1, 1], [1, 0]])
    assert str(region) == "x_0 + 0.0909091*x_1 >= 0 and 0.9*x_0 - x_1 >= 0"
    assert all(e.is_Integer for e in region.rows)


def test_known_signs_are_divided_out():
    u, v = sympy.symbols("u v", positive=True)
    rnn = SymbolicRNN([u, -v], [[0, 1], [1, 0]], [[1, 0], [0, 1]])
    x_0, x_1 = rnn.x
    region = rnn.region([[1, 0], [1, 1]])
    assert region.inequalities[0] == (x_0 >= 0)
    assert len(region.inequalities) == 3
    assert str(rnn.region([[1, 0]])) == "x_0 >= 0"
    assert str(SymbolicRNN.symbols(2, 2).region([[1, 0]])) == (
        "W^{hi}_{0}*x_0 >= 0 and W^{hi}_{1}*x_0 <= 0"
    )
    w = sympy.Symbol("w", real=True)
    common = SymbolicRNN([u * w], [[u]], [[1], [1]]).region([[1], [1]])
    assert common.inequalities[1] == (w * u * x_0 + w * x_1 >= 0)


# --- errors ---------------------------------------------------------------------------------

SQUARE = ([1, -1], [[0, 1], [1, 0]], [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (([1, -1], [[0, 1]], np.eye(2)), r"W_hh has shape \(1, 2\), expected \(2, 2\)"),
        (([1, -1], np.eye(2), np.eye(3)), r"W_oh has shape \(3, 3\), expected \(3, 2\)"),
        (([1, np.nan], np.eye(2), np.eye(2)), "W_hi has the entry nan, expected finite real"),
        (([1, -np.inf], np.eye(2), np.eye(2)), "W_hi has the entry -inf, expected finite real"),
        (([1, sympy.oo], np.eye(2), np.eye(2)), "W_hi has the entry oo, expected finite real"),
        (([1, sympy.I], np.eye(2), np.eye(2)), "W_hi has the entry I, expected finite real"),
        (([1, "x"], np.eye(2), np.eye(2)), "W_hi has the entry 'x', expected finite real"),
        (([1, None], np.eye(2), np.eye(2)), "W_hi has the entry None, expected finite real"),
        (([1, -1], [[1, 0], [1]], np.eye(2)), "W_hh is empty or ragged"),
        ((1.0, np.eye(2), np.eye(2)), "W_hi is 1.0, expected a matrix or nested lists"),
        (([], np.eye(2), np.eye(2)), "W_hi is empty or ragged"),
    ],
)
def test_weights_are_checked(weights, text):
    with pytest.raises(WeightsError, match=text):
        SymbolicRNN(*weights)


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        (lambda r: r.region([[1, 0, 1]]), WeightsError, r"pattern has shape \(1, 3\), expected"),
        (lambda r: r.region([[1, 0]] * 3), WeightsError, r"steps <= 2 and hidden = 2"),
        (lambda r: r.logits([[1, 0]]), WeightsError, "a pattern of all 2 steps, got 1"),
        (lambda r: r.region([[1, 0]], order=(0, 0)), ConevolError, r"order is \(0, 0\), expected"),
        (lambda r: r.region([[1, 0]], prediction=0), ConevolError, "prediction is 0, expected an"),
        (lambda r: r.region([[1, 0]] * 2, prediction=2), ConevolError, "index in 0 .. 1"),
        (lambda r: r.lower([r.x[0]]), WeightsError, "expressions hold x_0, which are not weights"),
        (
            lambda r: r.region([[1, 0]]).normals(conevol.zoo.load("2/2")),
            WeightsError,
            "the region has no symbols",
        ),
        (
            lambda r: SymbolicRNN.symbols(2, 2).region([[1, 0]]).normals(),
            WeightsError,
            "pass the network to put in",
        ),
        (
            lambda r: SymbolicRNN.symbols(2, 2).region([[1, 0]]).normals(conevol.zoo.load("4/3")),
            WeightsError,
            r"\(hidden, n\) = \(4, 3\), expected \(2, 2\)",
        ),
        (
            lambda r: SymbolicRNN.symbols(2, 2).region([[1, 0]]).contains([1, 1]),
            WeightsError,
            "substitute numbers first",
        ),
        (
            lambda r: SymbolicRNN.symbols(2, 2).region([[1, 0]]).closed_form(),
            WeightsError,
            "substitute numbers first",
        ),
    ],
)
def test_requests_are_checked(ask, error, text):
    with pytest.raises(error, match=text):
        ask(SymbolicRNN(*SQUARE))
