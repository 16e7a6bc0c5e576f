"""Irrational normals with exact signs, and closed forms up to rank 3."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from mpmath import mp

from conevol.errors import NormalsError
from conevol.precision import closed_form, fraction
from conevol.precision._numbers import exact_rows

R2, R3, R5, PHI = sympy.sqrt(2), sympy.sqrt(3), sympy.sqrt(5), sympy.GoldenRatio


def error(value, expected):
    with mp.workdps(120):
        return abs(value / expected - 1)


def coxeter_chamber(*orders):
    """Normals at angles of pi / m along a path."""
    gram = sympy.eye(len(orders) + 1)
    for i, m in enumerate(orders):
        gram[i, i + 1] = gram[i + 1, i] = -sympy.cos(sympy.pi / m)
    return gram.cholesky().applyfunc(sympy.radsimp)


EXACT = [
    ([[0, 1], [R3, -1]], Fraction(1, 6)),
    ([[R2, 1], [-2, -R2]], 0),  # opposite rows, found by sqrt(2)^2 = 2 alone
    ([[R2, R2], [1, 1], [R3, R3]], Fraction(1, 2)),
    ([[R2 + R3, 1], [sympy.sqrt(5 + 2 * sympy.sqrt(6)), 1]], Fraction(1, 2)),
    ([[1, 0, 0], [0, 1, 0], [R2, R3, 0]], Fraction(1, 4)),
    ([[R2 - R2, 0], [0, sympy.pi - sympy.pi]], 1),
    (coxeter_chamber(3, 3), Fraction(1, 24)),
    (coxeter_chamber(4, 3), Fraction(1, 48)),
    (coxeter_chamber(5, 3), Fraction(1, 120)),
    (coxeter_chamber(7, 2), Fraction(1, 28)),
]


@pytest.mark.parametrize(("normals", "expected"), EXACT)
def test_exact_values_with_irrational_normals(normals, expected):
    value, form = fraction(normals, 40), closed_form(normals)
    if expected in (0, Fraction(1, 2), 1):
        assert value == expected == form
    else:
        assert error(value, mp.mpf(1) / expected.denominator) < 1e-15
        assert error(expected.denominator * value, 1) < 1e-39
        assert abs(form.evalf(60) - sympy.Rational(expected)) < 1e-50


@pytest.mark.parametrize(
    ("orders", "size"), [((3, 3, 3), 120), ((3, 4, 3), 1152), ((5, 3, 3), 14400)]
)
def test_chambers_of_reflection_groups(orders, size):
    assert error(size * fraction(coxeter_chamber(*orders), 30), 1) < 1e-29


def test_repeated_rows_are_found_exactly():
    rows, d = exact_rows([[R2, R3, 0], [2, sympy.sqrt(6), 0], [-R2, -R3, 0], [2 * R3, 0, 0]])
    assert d == 3
    assert len(rows) == 3
    assert rows[2] == (1, 0, 0)


def test_signs_near_zero():
    """Convergents of sqrt(2) that agree with it to 230 digits, on either side."""
    p, q = 1, 1
    for _ in range(300):
        p, q = p + 2 * q, p + q  # p / q is below and above sqrt(2) in turn
    below = Fraction(p, q)
    above = Fraction(p + 2 * q, p + q)
    below, above = min(below, above), max(below, above)
    for ratio, full in ((below, 1), (above, 0)):
        # x >= 0, y >= ratio x, y <= sqrt(2) x is a thin wedge or nothing.
        value = fraction([[1, 0], [-ratio, 1], [R2, -1]], 20)
        assert (value > 0) == bool(full)
        assert value < mp.mpf(10) ** -200


def test_split_is_additive_with_irrational_normals():
    normals = [[1, R2, R3], [R3, -1, R2], [R2, 1, -R5]]
    cut = [1, -R3, R2]
    with mp.workdps(60):
        whole = fraction(normals, 40)
        parts = [fraction([*normals, [s * x for x in cut]], 40) for s in (1, -1)]
        assert error(sum(parts), whole) < 1e-39


CONES = [
    [[1, 0], [-3, 4]],
    [[1, 2, 3], [3, -1, 2]],
    [[1, 0, 0], [0, 1, 0], [-1, -1, 1]],
    [[0.1, 0.2, 0.3], [0.3, -0.7, 0.2], [0.5, 0.1, -0.9]],
    [[1, 0, 1e-7], [-1, 0, 1e-7], [0, 1, 1e-7], [0, -1, 1e-7]],
    [[1, 0, 1e-15], [-1, 0, 1e-15], [0.3, 1, 1e-15], [0, -1, 1e-15]],
    [[1, R2, R3], [R3, -1, R2], [R2, 1, -1]],
    [[PHI, 1, 0], [0, PHI, 1], [1, 0, PHI]],
    [[1, 2, 3, 4], [4, -3, 2, 1], [5, -1, 5, 5], [1, 5, 1, 3]],
    *(np.random.default_rng(s).integers([-9, -9, 0], 10, size=(4, 3)) for s in range(5)),
]


@pytest.mark.parametrize("normals", CONES)
def test_closed_form_is_the_fraction(normals):
    value, form = fraction(normals, 60), closed_form(normals)
    assert error(value, mp.mpf(str(form.evalf(62, maxn=400)))) < 1e-15
    with mp.workdps(80):
        assert error(value, mp.mpf(str(form.evalf(62, maxn=400)))) < mp.mpf(10) ** -59


@pytest.mark.parametrize(
    ("normals", "text"),
    [
        (np.empty((0, 2)), "1"),
        ([[1, 2]], "1/2"),
        ([[1, 2], [-1, -2]], "0"),
        (np.eye(3), "1/8"),
        ([[1, 0], [-3, 4]], "atan(4/3)/(2*pi)"),
        ([[1, 0, 0], [0, 1, 0], [-1, -1, 1]], "-1/8 + atan(sqrt(2))/(2*pi)"),
        ([[0, 1], [R3, -1]], "1/6"),
    ],
)
def test_closed_form_reads_well(normals, text):
    assert str(closed_form(normals)) == text


@pytest.mark.parametrize(
    ("normals", "text"),
    [
        ([[1, sympy.pi]], r"normals\[0\] is not algebraic: got pi in column 1, expected"),
        ([[1, sympy.sqrt(-2)]], r"normals\[0\] is not real: got sqrt\(2\)\*I"),
        ([[1, sympy.Symbol("x")]], r"normals\[0\] is not real: got x \(Symbol\)"),
        ([[1, sympy.sqrt(2) * sympy.Float(0.5)]], r"normals\[0\] is not algebraic"),
    ],
)
def test_errors(normals, text):
    with pytest.raises(NormalsError, match=text):
        fraction(normals)


def test_no_closed_form_above_rank_three():
    with pytest.raises(
        NormalsError, match=r"rank 4, expected at most 3: .* use conevol\.precision"
    ):
        closed_form(np.eye(4))
