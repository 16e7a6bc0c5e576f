"""Determinants with certain signs, beside exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conevol.kernels import exact
from conevol.kernels._jit import kernel

U = Fraction(1, 2**53)
FILTER = Fraction(exact.SIGN_FILTER)


@kernel
def ladder(a):
    """(float value, double-double value and bound, exact sign, sign of the ladder)."""
    x, y, z = exact.cross(a, 0, 1)
    value, bound = exact.dd_det3(a, 0, 1, 2)
    return (
        a[2, 0] * x + a[2, 1] * y + a[2, 2] * z,
        value,
        bound,
        exact.exact_det3_sign(a, 0, 1, 2),
        exact.doubtful_det3_sign(a, 0, 1, 2),
    )


@kernel
def small_determinants(a, b, c, d):
    return exact.det2(a, b, c, d), exact.dd_det2(a, b, c, d)


@kernel
def transforms(a, b):
    return exact.two_sum(a, b), exact.two_prod(a, b)


def stored(rows):
    """Three rows and the scratch of the exact rung, full of rubbish."""
    a = np.full((3 + exact.SCRATCH_ROWS, 5), 1e99)
    a[:3, :3] = rows
    return a


def terms(rows):
    """The entries of the last row times their exact minors."""
    (a, b, c), (d, e, f), (g, h, i) = ([Fraction(float(x)) for x in r] for r in rows)
    return g * (b * f - c * e), h * (c * d - a * f), i * (a * e - b * d)


def det3(rows):
    return sum(terms(rows))


def permanent(rows):
    """Sum of the sizes of the six terms."""
    (a, b, c), (d, e, f), (g, h, i) = ([abs(Fraction(float(x))) for x in r] for r in rows)
    return a * (e * i + f * h) + b * (d * i + f * g) + c * (d * h + e * g)


def sign(x):
    return (x > 0) - (x < 0)


# --- data -----------------------------------------------------------------------------------


def generic(rng):
    return rng.standard_normal((3, 3))


def nearly_coplanar(rng):
    """A combination of two rows, rounded and moved to neighbouring floats."""
    rows = rng.standard_normal((3, 3))
    rows[2] = rng.standard_normal(2) @ rows[:2]
    return np.nextafter(rows, rows + rng.integers(-1, 2, (3, 3)))


def coplanar(rng):
    """An exact combination: integers that fit into 53 bits."""
    rows = rng.integers(-(2**40), 2**40, (3, 3))
    rows[2] = rng.integers(-99, 100, 2) @ rows[:2]
    return rows.astype(float)


def repeated(rng):
    rows = rng.standard_normal((3, 3))
    rows[2] = rows[int(rng.integers(2))] * float(rng.choice([1.0, -2.0, 0.5]))
    return rows


def nearly_repeated(rng):
    row = rng.standard_normal(3)
    return np.nextafter([row, row, row], row + rng.integers(-1, 2, (3, 3)))


def pencil(rng):
    rows = rng.standard_normal((3, 3))
    rows[:, int(rng.integers(3))] = 0.0
    return rows


def unit_determinant(rng):
    """Entries of 50 bits and determinant 1 or -1, times a power of two.

    With v = row 0 x row 1 of coprime entries, a row c with c . v = 1 exists (extended
    Euclid); rows 0 and 1 may be subtracted from it until it is as short as they are.
    """
    while True:
        r, s = ([int(x) for x in rng.integers(-(2**50), 2**50, 3)] for _ in range(2))
        v = [r[(i + 1) % 3] * s[(i + 2) % 3] - r[(i + 2) % 3] * s[(i + 1) % 3] for i in range(3)]
        if math.gcd(*v) == 1:
            break
    g, x, y = euclid(v[0], v[1])
    _, p, q = euclid(g, v[2])
    c = [p * x, p * y, q]
    # Coefficients of c in the basis r, s, v by Gram's matrix, in exact arithmetic.
    rr, rs, ss, cr, cs = (
        sum(a * b for a, b in zip(m, n, strict=True))
        for m, n in ((r, r), (r, s), (s, s), (c, r), (c, s))
    )
    area = rr * ss - rs * rs
    i, j = round(Fraction(cr * ss - cs * rs, area)), round(Fraction(cs * rr - cr * rs, area))
    c = [a - i * m - j * n for a, m, n in zip(c, r, s, strict=True)]
    assert max(map(abs, c)) < 2**53
    flip = int(rng.choice([-1, 1]))
    return np.array([r, s, [flip * a for a in c]], dtype=float) * 2.0 ** int(rng.integers(-90, 40))


def euclid(a, b):
    """(g, x, y) with a x + b y = g = gcd(a, b)."""
    x, y, u, v = 1, 0, 0, 1
    while b:
        q, (a, b) = a // b, (b, a % b)
        x, y, u, v = u, v, x - q * u, y - q * v
    return (a, x, y) if a >= 0 else (-a, -x, -y)


DATA = [generic, nearly_coplanar, coplanar, repeated, nearly_repeated, pencil, unit_determinant]


def examples(make, count=300):
    rng = np.random.default_rng(DATA.index(make))
    return [make(rng) for _ in range(count)]


# --- laws -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", DATA)
def test_exact_sign_is_the_sign(make):
    for rows in examples(make):
        _, _, _, exact_sign, ladder_sign = ladder(stored(rows))
        assert exact_sign == ladder_sign == sign(det3(rows)), rows.tolist()


@pytest.mark.parametrize("make", DATA)
def test_sign_turns_with_the_order_of_rows(make):
    for rows in examples(make, 50):
        expected = ladder(stored(rows))[3]
        assert ladder(stored(rows[[1, 2, 0]]))[3] == expected
        assert ladder(stored(rows[[1, 0, 2]]))[3] == -expected
        assert ladder(stored(-rows))[3] == -expected


@pytest.mark.parametrize("make", DATA)
def test_double_double_error_within_its_bound(make):
    for rows in examples(make):
        _, value, bound, _, _ = ladder(stored(rows))
        assert abs(Fraction(value) - det3(rows)) <= Fraction(bound)
        assert Fraction(bound) <= 33 * U * U * permanent(rows) + 2 * U * abs(det3(rows))


@pytest.mark.parametrize("make", DATA)
def test_float_error_within_its_bound(make):
    for rows in examples(make):
        sizes = sum(abs(t) for t in terms(rows))
        assert abs(Fraction(ladder(stored(rows))[0]) - det3(rows)) <= FILTER * sizes


def test_every_rung_is_reached():
    """Generic rows need the filter, near neighbours double-double, worse the expansions."""

    def shares(make):
        floats = doubles = 0
        results = [(rows, ladder(stored(rows))) for rows in examples(make)]
        for rows, (value, dd, bound, _, _) in results:
            floats += abs(Fraction(value)) > FILTER * permanent(rows)
            doubles += abs(dd) > bound
        return floats / len(results), doubles / len(results)

    assert shares(generic) == (1.0, 1.0)
    floats, doubles = shares(nearly_coplanar)
    assert floats < 0.2
    assert doubles > 0.9
    for make in (coplanar, repeated, pencil, unit_determinant):
        assert shares(make)[1] == 0.0
    assert all(ladder(stored(rows))[4] != 0 for rows in examples(unit_determinant))


SMALL = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-60)


@given(SMALL, SMALL, SMALL, SMALL)
@settings(deadline=None)
def test_two_by_two_determinants(a, b, c, d):
    expected = Fraction(a) * Fraction(d) - Fraction(b) * Fraction(c)
    value, (hi, lo) = small_determinants(a, b, c, d)
    assert abs(Fraction(value) - expected) <= 2 * U * abs(expected)
    sizes = abs(Fraction(a) * Fraction(d)) + abs(Fraction(b) * Fraction(c))
    assert abs(Fraction(hi) + Fraction(lo) - expected) <= 4 * U * U * sizes


def test_two_by_two_determinant_of_neighbours():
    """x y - x' y' of neighbouring floats cancels nearly all; Kahan's form does not care."""
    rng = np.random.default_rng(1)
    for _ in range(500):
        a, b = rng.standard_normal(2)
        c, d = np.nextafter([a, b], rng.standard_normal(2) * 9)
        expected = Fraction(a) * Fraction(d) - Fraction(b) * Fraction(c)
        value, _ = small_determinants(a, b, c, d)
        assert abs(Fraction(value) - expected) <= 2 * U * abs(expected)


@given(SMALL, SMALL)
@settings(deadline=None)
def test_transforms_are_exact(a, b):
    (s, e), (p, f) = transforms(a, b)
    assert Fraction(s) + Fraction(e) == Fraction(a) + Fraction(b)
    assert Fraction(p) + Fraction(f) == Fraction(a) * Fraction(b)
    assert s == a + b
    assert p == a * b
