"""Arbitrary precision in four and more dimensions: closed forms, laws, hard cones."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from mpmath import mp

from conevol.precision import fraction, solid_angle
from conevol.precision._gauss import gauss_legendre
from conevol.precision._lattice import face_lattice
from conevol.precision._numbers import exact_rows
from conevol.precision._rays import describe


def error(value, expected):
    with mp.workdps(100):
        return abs(value / mp.mpf(expected) - 1)


def order_cone(d):
    return (np.eye(d) - np.eye(d, k=1))[: d - 1].astype(int)


def largest_is_negative(d):
    """x_0 below all d others: normals at angles of 60 degrees to each other."""
    return np.hstack([-np.ones((d, 1)), np.eye(d)]).astype(int)


def over_cube(d):
    return np.array([[*s * row, 1] for row in np.eye(d - 1, dtype=int) for s in (1, -1)])


def over_cross_polytope(d):
    return np.array([[*s, 1] for s in itertools.product([1, -1], repeat=d - 1)])


def block_diagonal(a, b):
    a, b = np.asarray(a), np.asarray(b)
    top = np.hstack([a, np.zeros((len(a), b.shape[1]))])
    return np.vstack([top, np.hstack([np.zeros((len(b), a.shape[1])), b])])


CLOSED = {
    "orthant 4": (np.eye(4), Fraction(1, 16)),
    "orthant 7": (np.eye(7), Fraction(1, 128)),
    **{f"order {d}": (order_cone(d), Fraction(1, math.factorial(d))) for d in range(5, 10)},
    **{f"lowest {d}": (largest_is_negative(d), Fraction(1, d + 1)) for d in range(4, 8)},
    **{f"cube {d}": (over_cube(d), Fraction(1, 2 * d)) for d in range(4, 7)},
    "24-cell": (over_cross_polytope(4), Fraction(1, 24)),
    "chamber of B4": (np.vstack([order_cone(4), [0, 0, 0, 1]]), Fraction(1, 384)),
    "product": (block_diagonal(order_cone(4), order_cone(5)), Fraction(1, 2880)),
    "with lineality": (np.hstack([order_cone(5), order_cone(5)]), Fraction(1, 120)),
    "redundant": (np.vstack([np.eye(5), np.ones(5), order_cone(5)]), Fraction(1, 32 * 120)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name):
    normals, expected = CLOSED[name]
    with mp.workdps(40):
        assert (
            error(fraction(normals, 30), mp.mpf(1) / expected.denominator * expected.numerator)
            < 1e-30
        )


@pytest.mark.parametrize("digits", [1, 5, 15, 60, 120])
def test_any_number_of_digits(digits):
    with mp.workdps(digits + 20):
        value = fraction(largest_is_negative(4), digits)
        assert error(value, mp.mpf(1) / 5) < mp.mpf(10) ** -digits


@pytest.mark.parametrize("d", [4, 5, 6])
@pytest.mark.parametrize("rho", [Fraction(1, 100), Fraction(9, 10), 1 - Fraction(1, 10**6)])
def test_equicorrelated(d, rho):
    """P(Y >= 0) = integral of the density of z times Phi(z sqrt(rho / (1 - rho)))^d."""
    # Normals e_i + t (1, .., 1) have correlation (2 t + d t^2) / (1 + 2 t + d t^2).
    with mp.workdps(40):
        correlation = mp.mpf(rho.numerator) / rho.denominator
        t = (mp.sqrt(1 + d * correlation / (1 - correlation)) - 1) / d
        normals = [[t + (i == j) for j in range(d)] for i in range(d)]
        slope = mp.sqrt(correlation / (1 - correlation))
        marks = sorted({s * x / c for x in (0, 2, 5, 13) for s in (1, -1) for c in (1, slope)})
        expected = mp.quad(
            lambda z: mp.npdf(z) * mp.ncdf(z * slope) ** d,
            [x for x in marks if abs(x) <= 13],
            maxdegree=8,
        )
    assert error(fraction(normals, 28), expected) < 1e-28


@pytest.mark.parametrize("d", [4, 5])
@pytest.mark.parametrize("power", [6, 15])
def test_tiny_cones(d, power):
    """Correlations near -1/(d-1): the fraction tends to that of a simplex in the plane below.

    The cone is a small simplex around the diagonal with height h = 10^-power; its
    fraction over volume / area of the sphere tends to 1 like h^2.
    """
    h = Fraction(1, 10**power)
    normals = [[(i == j) - Fraction(1, d) + h for j in range(d)] for i in range(d)]
    value = fraction(normals, 40)
    assert value == fraction([[x * 7 for x in row] for row in normals], 40)
    # In the hyperplane at distance 1 of the origin along the diagonal: inradius
    # h d / sqrt(d (d - 1)) in units of sqrt(d) / sqrt(d).
    with mp.workdps(50):
        n = d - 1
        inradius = d * mp.mpf(10) ** -power / mp.sqrt(d - 1)
        volume = inradius**n * mp.sqrt(n**n * mp.mpf(n + 1) ** (n + 1)) / mp.factorial(n)
        area = 2 * mp.pi ** (mp.mpf(d) / 2) / mp.gamma(mp.mpf(d) / 2)
        assert error(value, volume / area) < 1000 * mp.mpf(10) ** (-2 * power)


@pytest.mark.parametrize("scale", [1e-3, 1e-12])
@pytest.mark.parametrize("d", [4, 5])
def test_split_of_nearly_lineal_cones(d, scale):
    rng = np.random.default_rng(d)
    normals = rng.normal(size=(d + 1, d))
    normals *= np.sign(normals[:, 1:] @ rng.normal(size=d - 1))[:, None]
    normals[:, 0] *= scale
    cut = rng.normal(size=d)
    whole = fraction(normals, 25)
    with mp.workdps(40):
        parts = [fraction(np.vstack([normals, s * cut]), 25) for s in (1, -1)]
        assert all(0 < part < whole for part in parts)
        assert error(sum(parts), whole) < 3e-25


@pytest.mark.parametrize(("k", "d", "kind"), [(6, 4, "integer"), (6, 5, "normal")])
def test_sign_patterns_sum_to_one(k, d, kind):
    rng = np.random.default_rng(k + d)
    normals = rng.integers(-1, 2, size=(k, d)) if kind == "integer" else rng.normal(size=(k, d))
    with mp.workdps(40):
        # Opposite cones are equal: half of the patterns will do.
        signs = itertools.product([1], *[[1, -1]] * (k - 1))
        total = 2 * sum(fraction(normals * np.array(s)[:, None], 20) for s in signs)
        assert error(total, 1) < 1e-19


def test_rotation_changes_nothing():
    turn = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    normals = np.random.default_rng(1).integers(-9, 10, size=(5, 4))
    normals[:, 3] += 9
    assert error(fraction(normals @ turn, 30), fraction(normals, 30)) < 1e-30


def test_solid_angle():
    with mp.workdps(40):
        assert error(solid_angle(np.eye(4), 30), mp.pi**2 / 8) < 1e-30


@pytest.mark.parametrize(
    ("normals", "counts"),
    [
        (np.eye(4), [1, 4, 6, 4, 1]),
        (over_cube(4), [1, 8, 12, 6, 1]),
        (over_cross_polytope(4), [1, 6, 12, 8, 1]),
        (over_cube(5), [1, 16, 32, 24, 8, 1]),
        (over_cross_polytope(5), [1, 8, 24, 32, 16, 1]),
    ],
)
def test_face_lattice(normals, counts):
    cone = describe(*exact_rows(normals))
    levels = face_lattice(cone.incidence, len(cone.rays), cone.rank)
    assert [len(level) for level in levels] == counts


def test_gauss_legendre_is_exact_for_polynomials():
    with mp.workdps(40):
        rule = gauss_legendre(12, mp.prec)
        one = 1 << rule.bits
        for power in range(12):
            values = [x**power >> rule.bits * (power - 1) if power else one for x in rule.nodes]
            inner, scale = rule.integrals((values, rule.bits))
            for x, total in zip(rule.points(), inner, strict=True):
                exact = (x ** (power + 1) - mp.mpf(-1) ** (power + 1)) / (power + 1)
                assert abs(mp.ldexp(mp.mpf(total), -scale) - exact) < 1e-40
            whole = rule.integral((values, rule.bits))
            assert abs(whole - mp.mpf(1 + (-1) ** power) / (power + 1)) < 1e-40
