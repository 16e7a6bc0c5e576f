"""Orthant probabilities of chains, covariances in which only neighbours are correlated."""

from __future__ import annotations

import bisect
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from test_orthant import oracle

import conevol
from conevol.chain import blocks_of
from conevol.errors import CovarianceError, FractionError
from conevol.kernels import chain as chain_kernels
from conevol.kernels import chain_rules
from conevol.orthant import orthant_probability

SEEDS = st.integers(0, 2**32 - 1)


def chain(cov):
    return orthant_probability(cov, method="chain", error_bound=True)


def tridiagonal(d, rho):
    return np.eye(d) + rho * (np.eye(d, k=1) + np.eye(d, k=-1))


def coupled(c):
    """Covariance of Y_1 = Z_1, Y_i = Z_i + c_i Z_(i-1): exact where c has few bits."""
    c = np.concatenate([[0.0], c])
    return np.diag(1.0 + c * c) + np.diag(c[1:], 1) + np.diag(c[1:], -1)


def random_chain(rng, d, size):
    """Correlations of a chain with couplings of up to 10^size of either sign."""
    c = np.concatenate([[0.0], rng.choice([-1, 1], d - 1) * 10.0 ** rng.uniform(-1, size, d - 1)])
    scale = 1.0 / np.sqrt(1.0 + c * c)
    off = scale[1:] * c[1:] * scale[:-1]
    return np.eye(d) + np.diag(off, 1) + np.diag(off, -1)


def shuffled(rng, cov):
    order = rng.permutation(len(cov))
    return cov[np.ix_(order, order)]


def check(cov, exact, relative):
    """The value is right within its bound and to the relative error; exact is a Fraction or mpf."""
    value, bound = chain(cov)
    with mp.workdps(40):
        if isinstance(exact, Fraction):
            exact = mp.mpf(exact.numerator) / exact.denominator
        error = abs(value - exact)
        assert error <= bound
        assert error <= relative * exact
        assert bound <= 100 * relative * exact


# --- closed forms ---------------------------------------------------------------------------


def zigzag(d):
    """The number of alternating orders of d things (Andre 1879)."""
    row = [1]
    for _ in range(d):
        below = [0]
        for x in reversed(row):
            below.append(below[-1] + x)
        row = below
    return row[-1]


def springer(d):
    """Signed orders 0 < x_1 > x_2 < x_3 .. of 1 .. d: coefficients of 1 / (cos x - sin x)."""
    cosine = [(1, 0, -1, 0)[k % 4] for k in range(d + 1)]
    sine = [(0, 1, 0, -1)[k % 4] for k in range(d + 1)]
    numbers = [1]
    for n in range(1, d + 1):
        terms = (math.comb(n, k) * (sine[k] - cosine[k]) * numbers[n - k] for k in range(1, n + 1))
        numbers.append(sum(terms))
    return numbers[d]


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 13, 20, 50, 100, 150])
def test_d_plus_one_numbers_in_order(d):
    check(tridiagonal(d, -0.5), Fraction(1, math.factorial(d + 1)), 1e-15 * (5 + d))


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8, 16, 50, 150, 1000])
def test_d_plus_one_numbers_in_alternating_order(d):
    exact = Fraction(zigzag(d + 1), math.factorial(d + 1))
    check(tridiagonal(d, 0.5), exact, 1e-15 * (2 + d / 4))


@pytest.mark.parametrize("d", [2, 3, 7, 16, 60])
def test_positive_numbers_in_order(d):
    # 0 <= Z_1 <= Z_2 <= ..: one of 2^d d! equal cones.
    check(coupled(-np.ones(d - 1)), Fraction(1, 2**d * math.factorial(d)), 1e-15 * (5 + d))


@pytest.mark.parametrize("d", [2, 3, 7, 16, 60])
def test_signed_numbers_in_alternating_order(d):
    exact = Fraction(springer(d), 2**d * math.factorial(d))
    check(coupled(np.ones(d - 1)), exact, 1e-15 * (2 + d / 4))


@pytest.mark.parametrize("gap", [0.3, 1e-3, 1e-6, 1e-9, 1e-12, 2.0**-52])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_pair(sign, gap):
    rho = sign * (1.0 - gap)
    with mp.workdps(40):
        check([[1.0, rho], [rho, 1.0]], mp.acos(-mp.mpf(rho)) / (2 * mp.pi), 2e-15)


@given(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7))
@settings(max_examples=50, deadline=None)
def test_three_by_the_arcsine(a, b):
    with mp.workdps(40):
        exact = (mp.pi / 2 + mp.asin(mp.mpf(a)) + mp.asin(mp.mpf(b))) / (4 * mp.pi)
        check([[1, a, 0], [a, 1, b], [0, b, 1]], exact, 2e-15)


def test_independent_variables():
    cov = np.diag(np.random.default_rng(1).uniform(0.1, 9.0, 40))
    check(cov, Fraction(1, 2**40), 1e-14)


def test_what_underflows_is_zero_within_the_bound():
    value, bound = chain(tridiagonal(200, -0.5))
    assert value == 0.0 < bound < 1e-320


# --- second computations --------------------------------------------------------------------


@given(SEEDS, st.integers(2, 7), st.sampled_from([0.3, 1, 3, 6]))
@settings(max_examples=60, deadline=None)
def test_the_lattice_agrees(seed, d, size):
    rng = np.random.default_rng(seed)
    cov = shuffled(rng, random_chain(rng, d, size))
    try:
        value, bound = chain(cov)
    except FractionError:
        # Rounding has spoilt a covariance whose least eigenvalue is that small.
        assert np.linalg.eigvalsh(cov)[0] < 1e-14
        return
    other, other_bound = orthant_probability(cov, method="lattice", error_bound=True)
    assert abs(value - other) <= bound + other_bound
    assert bound <= 2e-13 * value


@pytest.mark.parametrize("size", [0.3, 1, 2])
def test_the_oracle_agrees(size):
    rng = np.random.default_rng(7)
    for d in (3, 4, 5, 6):
        cov = random_chain(rng, d, size)
        check(cov, oracle(cov), 4e-15)


class Panels:
    """Functions by Taylor series of `terms` terms on panels of [-reach, reach], graded to 0."""

    def __init__(self, least, reach=13, terms=56):
        edges = [mp.zero, least]
        while edges[-1] < reach:
            edges.append(min(mp.mpf("1.3") * edges[-1], edges[-1] + mp.mpf("0.5")))
        self.edges = [-e for e in reversed(edges[1:])] + edges
        pairs = list(zip(self.edges[:-1], self.edges[1:], strict=True))
        self.middles = [(a + b) / 2 for a, b in pairs]
        self.halves = [(b - a) / 2 for a, b in pairs]
        self.terms = terms
        self.weights = [self._density(*p) for p in zip(self.middles, self.halves, strict=True)]

    def _density(self, m, h):
        series = [mp.npdf(m)]
        series.append(-m * h * series[0])
        for k in range(1, self.terms):
            series.append((-m * h * series[k] - h * h * series[k - 1]) / (k + 1))
        return series

    def constant(self, x):
        return [x] + [mp.zero] * self.terms

    def stretched(self, series, c, i):
        """The function at -c t, t on panel i; constant beyond the panels."""
        t = -c * self.middles[i]
        if not self.edges[0] < t < self.edges[-1]:
            return self.constant(series[0][0] if t < 0 else mp.zero)
        j = bisect.bisect_right(self.edges, t) - 1
        y, ratio = (t - self.middles[j]) / self.halves[j], -c * self.halves[i] / self.halves[j]
        shifted = list(series[j])
        for k in range(self.terms):
            for n in range(self.terms - 1, k - 1, -1):
                shifted[n] += y * shifted[n + 1]
        return [x * ratio**k for k, x in enumerate(shifted)]

    def tail_integral(self, f):
        """The integral of f times the density from t up, f(i) its series on panel i."""
        found, end = [], mp.zero
        for i in range(len(self.middles) - 1, -1, -1):
            w, g = self.weights[i], f(i)
            product = [mp.fdot(w[: k + 1], g[k::-1]) for k in range(self.terms)]
            series = [mp.zero] + [-self.halves[i] * p / (k + 1) for k, p in enumerate(product)]
            series[0] = end - mp.fsum(series)
            end = mp.fsum(s * (-1) ** k for k, s in enumerate(series))
            found.append(series)
        return found[::-1]


def iterated(c, digits=60):
    """P of the chain of couplings c by the iterated integral, from the innermost outwards."""
    with mp.workdps(digits):
        steep = mp.fprod(max(1, abs(x)) for x in c)
        panels = Panels(mp.mpf("0.4") / steep)
        series = panels.tail_integral(lambda i: panels.constant(mp.one))
        for x in reversed(c):
            before, coupling = series, mp.mpf(x)
            series = panels.tail_integral(lambda i, b=before, x=coupling: panels.stretched(b, x, i))
        middle = panels.edges.index(mp.zero)
        return mp.fsum(s * (-1) ** k for k, s in enumerate(series[middle]))


def test_the_iterated_integral_is_right():
    with mp.workdps(40):
        assert abs(iterated([-1, -1]) * 48 - 1) < 1e-30


@pytest.mark.parametrize(
    "c",
    [
        [-1.6875, 2.0, 0.0625, -2.0, 1.25, 0.75, -0.5],
        [-1.25, -1.8125, -1.75, -1.3125, -2.0625, -1.375],
        [0.625, 16.0, 0.375, -80.0, -1.625, 0.8125],
        [2.0, 2.125, 0.9375, 0.125, 1.75, -0.3125],
    ],
    ids=str,
)
def test_mpmath_agrees(c):
    check(coupled(np.array(c)), iterated(c), 4e-15)


@pytest.mark.parametrize("sign", [-1, 1])
def test_couplings_that_only_integers_know(sign):
    # Y_1 = e Z_1, Y_2 = e Z_2 + Z_1, Y_3 = e Z_3 + Z_2: pivots of 2^-40 next to variances of 1.
    e = 2.0**-20
    c = [sign / e, sign / e]
    cov = np.array([[1, sign, 0], [sign, 1 + e * e, sign * e], [0, sign * e, 1 + e * e]])
    check(cov, iterated(c, 90), 4e-15)


def test_the_bound_sees_panels_that_are_too_long():
    d = 8
    c = -np.sqrt(np.arange(1.0, d) / np.arange(3.0, d + 2))  # of `tridiagonal(d, -0.5)`
    exact, missed = 1.0 / math.factorial(d + 1), []
    for panel in (1.2, 2.0, 3.0, 4.0):
        results = np.empty((1, 3))
        rules = chain_rules.rules(panel, 12, 16)
        chain_kernels.chain_range(c[None], np.array([0]), rules, results, 0, 1)
        value, exponent, bound = results[0]
        missed.append(abs(value * 2.0**exponent / exact - 1.0))
        assert missed[-1] <= bound
    assert missed[0] < 1e-13
    assert missed[-1] > 1e-11


def test_a_rise_after_a_long_fall():
    # The left side of G_k is G_k(0), tiny, and what rises from it within 1 / k.
    c = np.concatenate([[1.0], -np.ones(30)])
    value, bound = chain(coupled(c))
    again, again_bound = chain(coupled(c)[::-1, ::-1])
    assert abs(value - again) <= bound + again_bound <= 2e-12 * value
    assert abs(value - again) <= 1e-13 * value


# --- laws -----------------------------------------------------------------------------------


@given(SEEDS, st.integers(3, 40), st.sampled_from([0.0, 1.0]))
@settings(max_examples=30, deadline=None)
def test_order_and_direction_do_not_matter(seed, d, size):
    rng = np.random.default_rng(seed)
    cov = random_chain(rng, d, size) + 1e-6 * np.eye(d)
    value, bound = chain(cov)
    for other in (cov[::-1, ::-1], shuffled(rng, cov)):
        again, again_bound = chain(other)
        assert abs(value - again) <= bound + again_bound
    assert bound < 1e-15 * (40 + 20 * d) * value


@given(SEEDS, st.integers(6, 60))
@settings(max_examples=20, deadline=None)
def test_the_sign_of_one_variable_splits(seed, d):
    rng = np.random.default_rng(seed)
    cov = random_chain(rng, d, 0.3)
    i = int(rng.integers(d))
    flip = np.where(np.arange(d) == i, -1.0, 1.0)
    parts = [chain(cov), chain(cov * np.outer(flip, flip))]
    rest = np.delete(np.delete(cov, i, axis=0), i, axis=1)
    whole, bound = chain(rest)
    assert abs(whole - parts[0].value - parts[1].value) <= bound + sum(p[1] for p in parts)


@given(SEEDS, st.lists(st.integers(1, 4), min_size=2, max_size=4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_blocks_multiply(seed, sizes, paths):
    rng = np.random.default_rng(seed)
    blocks = []
    for d in sizes:
        a = rng.normal(size=(d, d))
        blocks.append(random_chain(rng, d, 0.5) if paths else a @ a.T)
    ends = np.cumsum([0, *sizes])
    cov = np.zeros((ends[-1], ends[-1]))
    product = 1.0
    for block, start, end in zip(blocks, ends, ends[1:], strict=False):
        cov[start:end, start:end] = block
        product *= orthant_probability(block)
    value, bound = orthant_probability(shuffled(rng, cov), error_bound=True)
    assert abs(value - product) <= bound + 1e-14 * product
    assert bound < 1e-12 * value


def test_blocks_of_any_kind():
    cov = np.zeros((30, 30))
    cov[:20, :20] = tridiagonal(20, 0.5)
    cov[20:24, 20:24] = np.ones((4, 4)) + np.eye(4)  # 1 / 5
    cov[24:26, 24:26] = 1.0  # singular: 1 / 2
    cov[26:29, 26:29] = dense = np.full((3, 3), 0.3) + np.diag([0.7, 0.2, 0.5])
    cov = shuffled(np.random.default_rng(2), cov)  # and one that is always 0
    exact = zigzag(21) / math.factorial(21) / 10 * orthant_probability(dense)
    value, bound = orthant_probability(cov, error_bound=True)
    assert abs(value - exact) <= bound + 1e-15 * exact
    assert 0.0 < bound < 1e-12 * value
    assert sorted(len(b) for b in blocks_of(cov)) == [1, 2, 3, 4, 20]


def test_a_batch_is_one_by_one_whatever_the_threads():
    rng = np.random.default_rng(6)
    d = 6
    covs = np.array([random_chain(rng, d, rng.choice([0.0, 1.0, 4.0])) for _ in range(120)])
    covs[3] = np.eye(d)
    covs[4] = np.ones((d, d))
    covs[5] = np.ones((d, d)) + np.eye(d)
    covs[6, :2, 2:] = covs[6, 2:, :2] = 0.0
    first = orthant_probability(covs, error_bound=True, threads=1)
    second = orthant_probability(covs.reshape(10, 12, d, d), error_bound=True, threads=3)
    assert (first.value == second.value.ravel()).all()
    assert (first.error_bound == second.error_bound.ravel()).all()
    assert first.value.tolist() == [orthant_probability(c) for c in covs]


def test_zeros_are_zeros_of_the_doubles():
    cov = tridiagonal(6, 0.5)
    cov[0, 5] = cov[5, 0] = 1e-17
    assert orthant_probability(cov) == pytest.approx(zigzag(7) / math.factorial(7), rel=1e-12)
    with pytest.raises(FractionError, match="cov does not suit method='chain'"):
        chain(cov)


def test_singular_and_indefinite_chains():
    d = 6
    cov = tridiagonal(d, 1.0) + np.diag([0.0, *[1.0] * (d - 2), 0.0])
    # Sums of neighbours, and the last number alone: Y_d has no noise of its own.
    rows = np.eye(d, d - 1) + np.eye(d, d - 1, k=-1)
    value, bound = orthant_probability(cov, error_bound=True)
    assert abs(value - conevol.fraction(rows)) <= bound + 1e-15
    opposed = cov * np.where(np.eye(d) > 0, 1, -1)  # 0 <= Z_1 <= .. <= Z_(d-1) <= 0
    assert orthant_probability(opposed) == 0.0
    with pytest.raises(CovarianceError, match="cov is not positive semidefinite"):
        orthant_probability(tridiagonal(d, 0.6))


@pytest.mark.parametrize(
    ("cov", "said"),
    [
        (np.ones((3, 3)) + np.eye(3), "cov does not suit method='chain'"),
        ([[1, 0.5, 0, 0], [0.5, 1, 0.5, 0.5], [0, 0.5, 1, 0], [0, 0.5, 0, 1]], "cov does not suit"),
        (np.eye(1), "cov does not suit"),
        ([[1, 1], [1, 1]], "cov does not suit"),
        (np.array([np.eye(4), tridiagonal(4, 0.5) + np.eye(4)[::-1] * 0.1]), r"cov\[1\] does not"),
    ],
)
def test_what_is_no_chain(cov, said):
    with pytest.raises(FractionError, match=said):
        chain(cov)


def test_unknown_methods():
    with pytest.raises(FractionError, match="method is 'miwa', expected one of auto, chain"):
        orthant_probability(np.eye(3), method="miwa")


# --- the rules ------------------------------------------------------------------------------


@pytest.mark.parametrize("panel", [chain_rules.PANEL, chain_rules.PANEL / 4])
def test_rules_integrate_the_density(panel):
    rules = chain_rules.rules(panel, 12, 16)

    def mills(t):
        return float(mpmath.erfc(t / mpmath.sqrt(2)) * mpmath.exp(t * t / 2) / 2)

    for i, (low, middle, half, _) in enumerate(rules.spans):
        if 2 * half > 1.01 * chain_rules.PANEL:
            continue  # Too long for a rule to resolve Mills' ratio, and never used.
        high = middle + half
        at = middle + half * np.linspace(-1.0, 1.0, 9)
        right = rules.carried[i] * mills(high) + rules.right[16 * i : 16 * i + 16].sum(axis=0)
        found = np.polynomial.chebyshev.chebval(np.linspace(-1.0, 1.0, 9), right)
        assert found == pytest.approx([mills(t) for t in at], rel=4e-15)
        left = rules.left[16 * i : 16 * i + 16].sum(axis=0)
        found = np.polynomial.chebyshev.chebval(np.linspace(-1.0, 1.0, 9), left)
        exact = [float(mpmath.quad(mpmath.npdf, [low, t])) for t in at]
        assert found == pytest.approx(exact, abs=1e-15 * half)
