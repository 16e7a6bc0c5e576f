"""Arbitrary precision: exact values, laws, tiny and degenerate cones, error messages."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy
from mpmath import mp

from conevol.errors import NormalsError
from conevol.precision import fraction, solid_angle

DIGITS = 50


def close(value, expected, digits=DIGITS):
    """Relative agreement to all but the last digit."""
    with mp.workdps(digits + 10):
        return abs(value - expected) <= abs(mp.mpf(expected)) * mp.mpf(10) ** (1 - digits)


def signs(k):
    return (np.array(s) for s in itertools.product([1.0, -1.0], repeat=k))


EXACT = [
    (np.empty((0, 3)), 1),
    ([[0, 0, 0]], 1),
    ([[0, 0, 0], [0, 2, 0]], Fraction(1, 2)),
    ([[1, 2, 3], [3, 6, 9], [Fraction(1, 7), Fraction(2, 7), Fraction(3, 7)]], Fraction(1, 2)),
    ([[1, 2, 3], [-1, -2, -3]], 0),
    ([[1, 0, 0], [0, 1, 0], [-1, -1, 0]], 0),
    ([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]], 0),
    ([[1], [3]], Fraction(1, 2)),
    ([[1], [-3]], 0),
    ([[1, 0], [1, 1], [0, 1]], Fraction(1, 4)),
    ([[1, 0], [0, 1], [-1, 1]], Fraction(1, 8)),
    ([[1, 0], [1, 0], [-1, 0], [0, 1]], 0),
    (np.eye(3), Fraction(1, 8)),
    ([[1, -1, 0], [0, 1, -1]], Fraction(1, 6)),
    ([[1, -1, 0], [1, 0, -1], [0, 1, -1]], Fraction(1, 6)),
    ([[1, -1, 0], [0, 1, -1], [0, 0, 1]], Fraction(1, 48)),
    ([[1, 1, 0], [1, 0, 1], [0, 1, 1]], Fraction(1, 4)),
    ([[0, 0, 0, 1, -1], [0, 0, 1, -1, 0]], Fraction(1, 6)),
    ([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1]], Fraction(1, 6)),
    (np.eye(3) * [[1e-300], [1e300], [1.0]], Fraction(1, 8)),
    ([[5e-324, 0, 0], [0, 1.7e308, 0], [0, 0, 1]], Fraction(1, 8)),
    (np.vstack([np.eye(3), np.random.default_rng(0).random((61, 3))]), Fraction(1, 8)),
]


@pytest.mark.parametrize(("normals", "expected"), EXACT)
def test_exact_values(normals, expected):
    value = fraction(normals, DIGITS)
    with mp.workdps(DIGITS + 10):
        assert close(value, mp.mpf(expected.numerator) / expected.denominator)
    if expected in (0, 1, Fraction(1, 2)):
        assert value == expected


def test_solid_angle():
    assert close(solid_angle(np.eye(2), DIGITS), mp.mpf(1) / 2 * mp.pi, 15)
    with mp.workdps(60):
        assert close(solid_angle(np.eye(2), DIGITS), mp.pi / 2)
        assert close(solid_angle(np.eye(3), DIGITS), mp.pi / 2)
        assert close(solid_angle(np.empty((0, 4)), DIGITS), 2 * mp.pi**2)
    assert solid_angle([[1], [-1]]) == 0


@pytest.mark.parametrize("power", [1, 3, 7, 15, 40])
def test_small_square(power):
    t = Fraction(1, 10**power)
    value = fraction([[1, 0, t], [-1, 0, t], [0, 1, t], [0, -1, t]], DIGITS)
    with mp.workdps(DIGITS + 100):
        t = mp.mpf(10) ** -power
        assert close(value, mp.asin(t**2 / (1 + t**2)) / mp.pi)


@pytest.mark.parametrize("power", [3, 9, 15, 100])
def test_needles(power):
    """Long thin triangles, from almost a point to almost a lune: area of a right triangle."""
    t, length = Fraction(1, 10**power), Fraction(10) ** power
    for reach in (Fraction(1), 1 / length, length):
        # Corners e3, e3 + reach e1, e3 + t e2: legs of angles atan(reach) and atan(t).
        normals = [[1, 0, 0], [0, 1, 0], [-1 / reach, -1 / t, 1]]
        value = fraction(normals, DIGITS)
        with mp.workdps(DIGITS + 5 * power + 20):
            a, b = (mp.atan(mp.mpf(x.numerator) / x.denominator) for x in (reach, t))
            expected = 2 * mp.atan(mp.tan(a / 2) * mp.tan(b / 2)) / (4 * mp.pi)
            assert close(value, expected)


@pytest.mark.parametrize("power", [8, 30])
def test_corners_almost_opposite(power):
    """A sliver from pole to pole: almost all digits cancel in the triangle's denominator."""
    t = Fraction(1, 10**power)
    corners = [[1, 0, 0], [-1, t, 0], [-1, t, 5 * t * t]]
    normals = [np.cross(corners[i], corners[(i + 1) % 3]) for i in range(3)]
    few, many = fraction(normals, 20), fraction(normals, 20 + 8 * power)
    assert many > 0
    assert close(few, many, 20)
    halves = [fraction([*normals, [s, -s * t, s]], 30) for s in (1, -1)]
    with mp.workdps(50):
        assert close(sum(halves), many, 29)


@pytest.mark.parametrize("kind", ["normal", "integer", "near repeats", "scales"])
@pytest.mark.parametrize("d", [2, 3])
def test_sign_patterns_sum_to_one(kind, d):
    rng = np.random.default_rng(d)
    k = 6
    normals = {
        "normal": rng.normal(size=(k, d)),
        "integer": rng.integers(-1, 2, size=(k, d)).astype(float),
        "near repeats": np.repeat(rng.normal(size=(2, d)), 3, axis=0)
        + 1e-12 * rng.normal(size=(k, d)),
        "scales": rng.normal(size=(k, d)) * 10.0 ** rng.uniform(-300, 300, size=(k, 1)),
    }[kind]
    normals = normals[np.any(normals != 0, axis=1)]
    with mp.workdps(DIGITS + 10):
        total = sum(fraction(normals * s[:, None], DIGITS) for s in signs(len(normals)))
        assert abs(total - 1) < mp.mpf(10) ** (2 - DIGITS)


def test_split_is_additive_and_redundancy_changes_nothing():
    rng = np.random.default_rng(5)
    for _ in range(50):
        k = rng.integers(1, 9)
        normals = rng.normal(loc=[0, 0, 1], size=(k, 3))
        cut = rng.normal(size=3)
        whole = fraction(normals, DIGITS)
        with mp.workdps(DIGITS + 10):
            parts = [fraction([*normals, sign * cut], DIGITS) for sign in (1, -1)]
            assert close(sum(parts), whole)
            redundant = [
                Fraction(x) + 2 * Fraction(y) for x, y in zip(normals[0], normals[-1], strict=True)
            ]
            assert fraction([*normals, redundant, [0, 0, 0]], DIGITS) == whole


def test_lineality_in_more_dimensions():
    """A cone of rank 3 turned into five dimensions by an exact isometry, up to scale."""
    turn = np.array([[1, 1, 1, 1, 0], [1, -1, 1, -1, 0], [1, 1, -1, -1, 0]])
    rng = np.random.default_rng(6)
    for _ in range(20):
        normals = rng.integers(-9, 10, size=(4, 3))
        assert close(fraction(normals @ turn, DIGITS), fraction(normals, DIGITS))


def test_digits_agree():
    rng = np.random.default_rng(7)
    normals = rng.normal(size=(5, 3)) * 1e-3 + [0, 0, 1]
    few, many = fraction(normals, 20), fraction(normals, 200)
    assert close(few, many, 20)


def test_kinds_of_numbers():
    half = [
        [[0.5, 0.25, 1.0], [0.0, 1.0, 0.125]],
        np.array([[0.5, 0.25, 1.0], [0.0, 1.0, 0.125]], dtype=np.float32),
        np.array([[0.5, 0.25, 1.0], [0.0, 1.0, 0.125]], dtype=np.longdouble),
        [np.array([0.5, 0.25, 1.0]), np.array([0, 8, 1])],
        [[Fraction(1, 2), Fraction(1, 4), 1], [0, 1, Fraction(1, 8)]],
        np.array([[4, 2, 8], [0, 8, 1]]),
        np.array([[4, 2, 8], [0, 8, 1]], dtype=object),
        sympy.Matrix([[sympy.Rational(1, 2), sympy.Rational(1, 4), 1], [0, 8, 1]]),
        [[mp.mpf(0.5), sympy.Float(0.25), mp.mpf(1)], [mp.mpf(0), sympy.Integer(8), 1]],
    ]
    assert len({fraction(normals, DIGITS) for normals in half}) == 1
    assert fraction([[0.1, 1]]) == fraction([[Fraction(0.1), 1]])


@pytest.mark.parametrize(
    ("normals", "text"),
    [
        ([[1, 2], [np.nan, 1]], r"normals\[1\] is not finite: got nan in column 0, expected"),
        (np.array([[1, np.inf]]), r"normals\[0\] is not finite: got inf in column 1"),
        ([[1, mp.inf]], r"normals\[0\] is not finite"),
        ([[1, sympy.oo]], r"normals\[0\] is not finite"),
        ([[1, 2j]], r"normals\[0\] is not real: got 2j \(complex\) in column 1"),
        ([["1", 2]], r"normals\[0\] is not real: got '1' \(str\)"),
        ([[1, 2], [1, 2, 3]], r"normals\[1\] has length 3, expected 2"),
        ([1.0, 2.0], r"must have shape \(k, d\), one row a half-space: got \[1.0, 2.0\]; write"),
        (np.ones(3), r"must have shape \(k, d\) with d >= 1: got \(3,\)"),
        (np.ones((2, 3, 4)), r"got \(2, 3, 4\); pass one cone at a time"),
        ([], r"got \(0,\); .* numpy.empty\(\(0, d\)\)"),
        (np.ones((2, 0)), r"got \(2, 0\)"),
        (3.0, r"got 3.0; write one half-space as \[row\]"),
    ],
)
def test_errors(normals, text):
    with pytest.raises(NormalsError, match=text):
        fraction(normals)


def test_digits_must_be_positive():
    with pytest.raises(ValueError, match="digits must be at least 1: got 0"):
        fraction([[1]], digits=0)
    with pytest.raises(ValueError, match="digits must be at least 1: got -1"):
        solid_angle([[1]], digits=-1)
