"""Gaussian orthant probabilities from covariances."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conevol
from conevol.covariance import factorise
from conevol.errors import CovarianceError, FractionError
from conevol.orthant import orthant_probability
from conevol.precision import fraction as precise

SEEDS = st.integers(0, 2**32 - 1)


def value_and_bound(cov):
    return orthant_probability(cov, error_bound=True)


def oracle(cov, digits=25):
    """The probability of the doubles as given, by a Cholesky factor of ninety digits."""
    d, bits = len(cov), 300
    left = [[Fraction(float(x)) for x in row] for row in cov]
    factor = [[Fraction(0)] * d for _ in range(d)]
    for j in range(d):
        s = left[j][j] - sum(x * x for x in factor[j][:j])
        root = Fraction(math.isqrt(s.numerator * s.denominator << 2 * bits), s.denominator << bits)
        factor[j][j] = root
        for i in range(j + 1, d):
            inner = sum(factor[i][t] * factor[j][t] for t in range(j))
            factor[i][j] = Fraction(round((left[i][j] - inner) / root * 2**bits), 2**bits)
    return precise(factor, digits)


def equicorrelated(d, rho):
    return np.full((d, d), rho) + (1.0 - rho) * np.eye(d)


def wishart(rng, d):
    a = rng.normal(size=(d, d))
    return a @ a.T


def nearly_singular(rng, d, gap):
    """Correlations of random rows, the first two 1 - gap."""
    a = rng.normal(size=(d, d))
    a /= np.linalg.norm(a, axis=1)[:, None]
    v = rng.normal(size=d)
    v -= (v @ a[0]) * a[0]
    a[1] = (1.0 - gap) * a[0] + math.sqrt(gap * (2.0 - gap)) * v / np.linalg.norm(v)
    cov = a @ a.T
    cov[0, 1] = cov[1, 0] = 1.0 - gap
    np.fill_diagonal(cov, 1.0)
    return cov


def compared():
    rng = np.random.default_rng(12)
    for d in (2, 3, 4, 5):
        yield f"equicorrelated {d} low", equicorrelated(d, -1 / (d - 1) + 1e-6)
        yield f"equicorrelated {d} high", equicorrelated(d, 1 - 1e-6)
        yield f"nearly singular {d}", nearly_singular(rng, d, 1e-12)
        yield f"variances {d}", wishart(rng, d) * np.multiply.outer(*2 * [10.0 ** np.arange(d)])
    yield "tridiagonal 5", np.eye(5) - 0.49 * (np.eye(5, k=1) + np.eye(5, k=-1))
    yield "nearly singular 6", nearly_singular(rng, 6, 1e-12)
    yield "equicorrelated 7 low", equicorrelated(7, -1 / 6 + 1e-6)


COMPARED = dict(compared())


@pytest.mark.parametrize("name", COMPARED)
def test_the_oracle_agrees_within_the_bound(name):
    value, bound = value_and_bound(COMPARED[name])
    exact = oracle(COMPARED[name])
    with mpmath.workdps(30):
        error = float(abs(value - exact))
    assert error <= bound
    assert error <= 1e-14 * value
    assert bound <= 5e-12 * value


@pytest.mark.parametrize("rho", [-0.999999, -0.5, 0.0, 0.3, 1 - 2**-40])
def test_two_dimensions(rho):
    value, bound = value_and_bound([[4.0, 2 * rho], [2 * rho, 1.0]])
    exact = float(mpmath.acos(-mpmath.mpf(rho)) / (2 * mpmath.pi))
    assert abs(value - exact) <= bound + 1e-16


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 10])
def test_the_largest_of_d_plus_one(d):
    value, bound = value_and_bound(np.ones((d, d)) + np.eye(d))
    assert isinstance(value, float)
    assert abs(value - 1 / (d + 1)) <= bound + 2e-17
    assert bound < 1e-12 * value


# --- singular -------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 4), st.integers(1, 6), st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_singular_covariance_is_a_cone_of_more_half_spaces(seed, d, k, inside):
    rng = np.random.default_rng(seed)
    a = rng.integers(-3, 4, (k, d))
    if inside:
        a *= np.sign(2 * a @ rng.integers(-3, 4, d) + 1)[:, None]
    value, bound = value_and_bound(a @ a.T)
    other, other_bound = conevol.fraction(a, error_bound=True)
    assert abs(value - other) <= bound + other_bound + 1e-16
    assert bound < 1e-12


def test_singular_exact_values():
    for cov, exact in (
        (np.zeros((3, 3)), 1.0),
        ([[0.0]], 1.0),
        ([[5.0]], 0.5),
        (np.ones((4, 4)), 0.5),
        ([[1, -1], [-1, 1]], 0.0),
        (np.diag([0.0, 2.0, 0.0]), 0.5),
        ([[1, 0, 1], [0, 1, 1], [1, 1, 2]], 0.25),
        ([[1, 0, -1], [0, 1, -1], [-1, -1, 2]], 0.0),
    ):
        value, bound = value_and_bound(cov)
        assert abs(value - exact) <= bound <= 2e-15


def test_what_rounding_has_spoilt_is_in_the_bound():
    rng = np.random.default_rng(3)
    for _ in range(20):
        a = rng.normal(size=(5, 3))
        a *= np.sign(a @ [1.0, 2.0, 3.0])[:, None]
        cov = a @ a.T
        cov = (cov + cov.T) / 2
        value, bound = value_and_bound(cov)
        exact = conevol.fraction(a)
        assert abs(value - exact) <= bound < 1e-6


def test_factors_are_exact():
    rng = np.random.default_rng(4)
    for d, rank in ((1, 1), (4, 2), (5, 5), (6, 3)):
        a = rng.integers(-4, 5, (d, rank))
        a[:, 0] = 1
        factor = factorise((a @ a.T).astype(float))
        assert factor.moved == 0.0
        assert len(factor.pivots) == np.linalg.matrix_rank(a)
        m, p = factor.columns, factor.pivots
        product = [[sum(x * q * y for x, q, y in zip(r, p, s, strict=True)) for s in m] for r in m]
        assert product == (a @ a.T).tolist()
        hi, lo = factor.parts()
        with mpmath.workdps(40):
            both = mpmath.matrix(hi.tolist()) + mpmath.matrix(lo.tolist())
            error = mpmath.norm(both * both.T - mpmath.matrix((a @ a.T).tolist()), mpmath.inf)
        assert error < 1e-28


# --- laws -----------------------------------------------------------------------------------


@given(SEEDS, st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_the_sign_of_one_coordinate_splits(seed, d):
    rng = np.random.default_rng(seed)
    cov = wishart(rng, d)
    flip = np.ones(d)
    flip[0] = -1.0
    order = rng.permutation(d)
    halves = [value_and_bound(cov), value_and_bound((cov * np.outer(flip, flip))[order][:, order])]
    whole, bound = value_and_bound(cov[1:, 1:])
    error = abs(whole - halves[0].value - halves[1].value)
    assert error <= bound + sum(h.error_bound for h in halves) + 1e-17
    assert error < 1e-13


@pytest.mark.parametrize("d", [3, 5])
def test_a_batch_is_one_by_one_whatever_the_threads(d):
    rng = np.random.default_rng(d)
    covs = np.array([wishart(rng, d) for _ in range(300)])
    covs[5] = np.ones((d, d))
    covs[6] = 0.0
    covs[7] *= 1e300 / abs(covs[7]).max()
    covs = (covs + covs.swapaxes(1, 2)) / 2
    first = orthant_probability(covs.reshape(100, 3, d, d), error_bound=True, threads=1)
    second = orthant_probability(covs, error_bound=True, threads=3)
    assert first.value.shape == (100, 3)
    assert (first.value.ravel() == second.value).all()
    assert (first.error_bound.ravel() == second.error_bound).all()
    assert second.value[:20].tolist() == [orthant_probability(c) for c in covs[:20]]
    assert orthant_probability(np.empty((0, d, d))).shape == (0,)


@pytest.mark.parametrize("d", [3, 4])
def test_variances_of_any_size(d):
    cov = wishart(np.random.default_rng(d), d)
    value = orthant_probability(cov)
    scale = 2.0 ** np.linspace(-250, 250, d).round()
    assert orthant_probability(cov * np.outer(scale, scale)) == value


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cov", "said"),
    [
        ([[1, 2], [2, 1]], r"cov is not positive semidefinite: .* eigenvalue of -0.25"),
        ([[0, 1], [1, 1]], "is not positive semidefinite"),
        ([[1, 0.5], [0.4, 1]], r"cov\[0, 1\] = 0.5 differs .* \(2 of 4 entries\)"),
        ([[1, np.nan], [np.nan, 1]], r"cov\[0, 1\] = nan is not finite"),
        ([[1, 2, 3]], r"shape \(1, 3\), expected \(\.\.\., d, d\)"),
        ([1, 2], r"shape \(2,\), expected"),
        (np.empty((0, 0)), r"shape \(0, 0\), expected"),
        ([[1, 0], [0, -1]], r"cov\[1, 1\] = -1.0 is negative"),
        ([["a"]], "must be real numbers"),
        ([[None]], "must be real numbers"),
        ([np.eye(2), [[1, 2], [2, 1]]], r"cov\[1\] is not positive semidefinite"),
        (equicorrelated(4, -1 / 3 - 1e-9), "is not positive semidefinite"),
    ],
)
def test_bad_covariances(cov, said):
    with pytest.raises(CovarianceError, match=said):
        orthant_probability(cov)


def test_too_many_variables_is_an_error():
    with pytest.raises(FractionError, match="26 half-spaces in 26 dimensions"):
        orthant_probability(np.eye(26) + 1)
