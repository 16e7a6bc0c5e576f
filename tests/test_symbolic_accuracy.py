"""Closed forms of the accuracy, beside brute force to 60 digits and the numeric accuracy."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import oracles
import pytest
import sympy
from hypothesis import given, settings
from mpmath import mp
from strategies import WEIGHT_KINDS, random_weights, weights
from test_accuracy import REGION_OF, bundled, published, tasks_for

import conevol
from conevol import ReluRNN
from conevol.errors import ConevolError, TaskError, WeightsError
from conevol.precision import fraction
from conevol.symbolic import AngleSum, Arctangent, SymbolicRNN, accuracy
from conevol.tasks import ranking_task
from conevol.ties import TIE_RULES

# Rational weights that are no floats.
RATIONAL = {
    2: (
        ["1/3", "-2/5"],
        [["1/7", "3/2"], ["-5/3", "1/4"]],
        [["2/3", "-1"], ["1/9", "4/5"]],
    ),
    3: (
        ["1/3", "-2/5"],
        [["1/7", "3/2"], ["-5/3", "1/4"]],
        [["2/3", "-1"], ["-1/9", "4/5"], ["1/6", "7/3"]],
    ),
}


@pytest.fixture(autouse=True)
def seventy_digits():
    """For the sums of the brute force, which are taken at the precision of the moment."""
    with mp.workdps(70):
        yield


def close(value, expected, digits):
    return abs(value - expected) <= mp.mpf(10) ** -digits


def summed_by_brute_force(rnn, ties, digits):
    """Right cells of all sign patterns, orders and winners, their fractions by `precision`."""
    hi, oh = ([[Fraction(str(e)) for e in row] for row in m.tolist()] for m in (rnn.W_hi, rnn.W_oh))
    hh = [[Fraction(str(e)) for e in row] for row in rnn.W_hh.tolist()]
    n, hidden = rnn.n, rnn.hidden

    def combined(w, rows):
        return [
            sum((a * r[i] for a, r in zip(w, rows, strict=True)), Fraction(0)) for i in range(n)
        ]

    total = mp.mpf(0)
    for on in itertools.product((1, -1), repeat=n * hidden):
        h, rows, dead = [[Fraction(0)] * n] * hidden, [], False
        for t in range(n):
            z = [combined(w, h) for w in hh]
            for j in range(hidden):
                z[j][t] += hi[j][0]
                rows.append([on[t * hidden + j] * e for e in z[j]])
                dead = dead or (not any(z[j]) and on[t * hidden + j] > 0)
            h = [z[j] if on[t * hidden + j] > 0 else [Fraction(0)] * n for j in range(hidden)]
        if dead or not fraction(rows, 15):
            continue
        logits = [combined(w, h) for w in oh]
        for order in itertools.permutations(range(n)):
            label = order[1]
            ordered = [[Fraction((k == i) - (k == j)) for k in range(n)]
                       for i, j in itertools.pairwise(order)]  # fmt: skip
            wins = [[a - b for a, b in zip(logits[label], row, strict=True)] for row in logits]
            tied = [i for i in range(n) if not any(wins[i])]
            credit = {"first": int(tied[0] == label), "split": mp.mpf(1) / len(tied)}
            credit["wrong"] = int(len(tied) == 1)
            total += credit[ties] * fraction([*rows, *ordered, *wins], digits)
    return total


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize("n", [2, 3])
def test_fifty_digits_are_those_of_the_oracle(n, ties):
    rnn = SymbolicRNN(*RATIONAL[n])
    expected = summed_by_brute_force(rnn, ties, 55)
    form = accuracy(rnn, ties=ties)
    assert 0.1 < expected < 0.9
    assert form.terms
    assert close(form.evaluate(50), expected, 49)
    assert close(mp.mpf(str(form.expression.evalf(55, maxn=300))), expected, 49)


@pytest.mark.parametrize("n", [2, 3])
def test_fifty_digits_of_trained_weights_are_those_of_brute_force(n, monkeypatch):
    monkeypatch.setattr(oracles, "DIGITS", 60)
    net = conevol.zoo.load("2/2" if n == 2 else "4/3")
    exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
    for ties in TIE_RULES:
        form = accuracy(net, ties=ties)
        assert close(form.evaluate(50), exact.accuracy(oracles.second_argmax, ties), 49)
        assert close(form.tied.evaluate(50), exact.tied(), 49)


def agrees_with_brute_force(net, tasks):
    exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
    for task in tasks:
        for ties in TIE_RULES:
            form = accuracy(net, task=task, ties=ties)
            expected = exact.accuracy(oracles.LABELS[task], ties)
            assert abs(form.evaluate(40) - expected) < 1e-37
            assert abs(form.tied.evaluate(40) - exact.tied()) < 1e-37
            assert form.patterns == len(exact.patterns)
            assert form.cells == exact.cells(REGION_OF[task])


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
@pytest.mark.parametrize(("hidden", "n"), [(1, 2), (3, 2), (2, 3), (3, 3)])
def test_closed_form_is_the_value_of_brute_force(hidden, n, kind):
    net = ReluRNN(*random_weights(np.random.default_rng(100 * hidden + n), hidden, n, kind))
    agrees_with_brute_force(net, tasks_for(n))


@settings(deadline=None, max_examples=30)
@given(weights())
def test_closed_form_is_the_value_of_brute_force_for_any_network(w):
    agrees_with_brute_force(ReluRNN(*w), ["second_argmax"])


@pytest.mark.parametrize("name", [*bundled(), "published"])
def test_closed_form_agrees_with_the_numeric_accuracy(name):
    net = published() if name == "published" else conevol.zoo.load(name)
    form, result = accuracy(net), conevol.accuracy(net)
    assert abs(float(form) - result.value) <= result.error_bound
    assert (form.patterns, form.cells) == (result.patterns, result.cells)
    assert len(form.terms) < result.cells


def test_cells_merge():
    """What is right everywhere has no arctangent, whatever its cells."""
    form = accuracy(conevol.zoo.load("exact-7/3"))
    assert (form.cells, form.terms, str(form)) == (24, (), "1")
    always_0 = SymbolicRNN([1, -1], [[1, 2], [3, 5]], [[1, 1], [0, 0]])
    form = accuracy(always_0, task="argmax", ties="wrong")
    assert form.terms == ()
    assert str(form) == "1/2"


def test_a_task_of_ones_own_and_n_of_1():
    argmin = ranking_task("argmin", lambda order: order[-1])
    assert accuracy(conevol.zoo.load("exact-2/2"), task=argmin).value == AngleSum(Fraction(1))
    one = accuracy(SymbolicRNN([1, -2], [[1, 2], [3, 4]], [[1, 1]]), task="argmax")
    assert (str(one), one.patterns) == ("1", 2)


@pytest.mark.parametrize("n", [2, 3])
def test_order_and_scale_of_neurons_change_nothing_at_all(n):
    hi, hh, oh = (sympy.Matrix(SymbolicRNN(*RATIONAL[n]).__dict__[k])
                  for k in ("W_hi", "W_hh", "W_oh"))  # fmt: skip
    scale, swap = sympy.diag("7/3", "1/11"), sympy.Matrix([[0, 1], [1, 0]])
    there, back = swap * scale, scale.inv() * swap
    changed = SymbolicRNN(there * hi, there * hh * back, oh * back)
    given_form, other = accuracy(SymbolicRNN(hi, hh, oh)), accuracy(changed)
    assert given_form == other


def test_small_sums_keep_their_relative_accuracy():
    tiny = Fraction(1, 10**30)
    # atan(1 + t) - pi / 4 = atan(t / (2 + t))
    above = 1 + tiny
    form = AngleSum(
        Fraction(-1, 4), (Arctangent(Fraction(1), above.numerator, 1, above.denominator),)
    )
    small = AngleSum(Fraction(0), (Arctangent(Fraction(1), 1, 1, int(2 / tiny) + 1),))
    with mp.workdps(60):
        assert abs(form.evaluate(40) / small.evaluate(40) - 1) < 1e-38
    assert str(form.evaluate(5))[:5] == "1.591"


def test_evaluation_does_not_change_the_precision():
    before = mp.prec
    accuracy(conevol.zoo.load("2/2")).evaluate(100)
    assert mp.prec == before


def test_latex():
    form = accuracy(SymbolicRNN([1, -1], [[-1, 1], [2, -1]], [[1, 0], [0, 1]]))
    assert form._repr_latex_() == (
        r"$- \frac{\operatorname{atan}{\left(\frac{1}{5} \right)}}{2 \pi} + 1$"
    )


def test_errors():
    net = conevol.zoo.load("2/2")
    with pytest.raises(ConevolError, match="unknown tie rule 'none', expected one of first"):
        accuracy(net, ties="none")
    with pytest.raises(TaskError, match="a closed form of the accuracy needs n <= 3, got n = 4"):
        accuracy(conevol.zoo.load("6/4"))
    with pytest.raises(WeightsError, match="needs rational weights, got W"):
        accuracy(SymbolicRNN.symbols(2, 2))
    with pytest.raises(WeightsError, match=r"needs rational weights, got sqrt\(2\)"):
        accuracy(SymbolicRNN([1, sympy.sqrt(2)], np.eye(2), np.eye(2)))
    with pytest.raises(ConevolError, match="digits is 0, expected at least 1"):
        accuracy(net).evaluate(0)
    nothing = AngleSum(Fraction(-1, 4), (Arctangent(Fraction(1), 1, 1, 1),))
    with pytest.raises(ConevolError, match="the 1 terms cancel to nothing"):
        nothing.evaluate()
