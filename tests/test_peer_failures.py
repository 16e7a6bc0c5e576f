"""Inputs on which other programs fail silently: there we are right, and say how right.

Which program, and how, is said at each test; `benchmarks/results/peers.md` measures them.
References are exact, or by mpmath from formulas of one variable.
"""

from __future__ import annotations

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from cones import nearly_lineal, random_cone, rotation

import conevol
from conevol.orthant import orthant_probability
from conevol.precision import fraction as precise


def one_factor(loadings, pair=None):
    """Covariance of Y_i = l_i X + noise; with pair, the correlation of the first two."""
    covariance = np.outer(loadings, loadings)
    np.fill_diagonal(covariance, 1.0)
    if pair is not None:
        covariance[0, 1] = covariance[1, 0] = pair
    return covariance


def one_factor_exactly(loadings, pair=None):
    """P(Y >= 0) as an integral over X, thirty digits; the first pair's noises by Owen's T."""
    with mp.workdps(30):
        loadings = [mp.mpf(x) for x in loadings]
        weights = [x / mp.sqrt(1 - x * x) for x in loadings]
        first = 0
        if pair is not None:
            noise = 1 - loadings[0] ** 2
            r = (mp.mpf(pair) - loadings[0] ** 2) / noise
            width, first = mp.sqrt((1 - r) / (1 + r)), 2

        def given(x):
            known = {w: mp.ncdf(w * x) for w in set(weights[first:])}
            rest = mp.fprod(known[w] for w in weights[first:])
            if pair is None:
                return rest
            h = weights[0] * x
            # Owen's T(h, a) = a exp(-h^2 / 2) / 2 pi (1 - a^2 (h^2 + 2) / 6 + ..), a tiny.
            owen = width * mp.exp(-h * h / 2) * (1 - width**2 * (h * h + 2) / 6) / (2 * mp.pi)
            return (mp.ncdf(h) - 2 * owen) * rest

        # The trapezoidal rule is right to any number of digits where the steepest factor is smooth.
        count = math.ceil(40 * (1 + max(abs(w) for w in weights)))
        step = mp.mpf(11) / count
        return step * mp.fsum(mp.npdf(i * step) * given(i * step) for i in range(-count, count + 1))


def check(covariance, exact, relative=1e-13):
    value, bound = orthant_probability(covariance, error_bound=True)
    assert 0.0 <= value <= 1.0
    with mp.workdps(30):
        error = abs(mp.mpf(value) - exact)
    assert error <= bound
    assert error <= relative * exact
    assert bound <= 1e-10 * exact
    return value


LOADINGS = np.random.default_rng(3).integers(-700, 800, 12) / 1024.0


@pytest.mark.parametrize("d", [6, 8, 10, 12])
def test_probabilities_are_between_0_and_1(d):
    """R's Miwa gives negative ones and some above 1 from d = 6 on, with "Normal Completion"."""
    loadings = LOADINGS[:d]
    check(one_factor(loadings), one_factor_exactly(loadings))


@pytest.mark.parametrize("d", [3, 4, 6, 8])
@pytest.mark.parametrize("bits", [24, 40])
def test_one_pair_almost_equal(d, bits):
    """Miwa is off by more than 1 there, and says nothing."""
    loadings = LOADINGS[:d].copy()
    loadings[1] = loadings[0]
    pair = 1.0 - 2.0**-bits
    check(one_factor(loadings, pair), one_factor_exactly(loadings, pair))


@pytest.mark.parametrize("d", [4, 6, 10])
def test_all_almost_equal(d):
    """Correlations of 0.99: half a second in SciPy, and the holonomic gradient is off by 2e-3."""
    rho = 127 / 128
    covariance = rho + (1.0 - rho) * np.eye(d)
    with mp.workdps(30):
        loading = mp.sqrt(rho)
    check(covariance, one_factor_exactly([loading] * d), 2e-14)


def test_what_looks_converged_is():
    """Sampling peers answer 0 for what is small; so does any fixed absolute tolerance."""
    d = 9
    covariance = np.eye(d) - 0.5 * (np.eye(d, k=1) + np.eye(d, k=-1))
    check(covariance, mp.mpf(1) / math.factorial(d + 1))
    rho = -1.0 / 8.0 + 2.0**-13
    small = rho + (1.0 - rho) * np.eye(d)
    value, bound = orthant_probability(small, error_bound=True)
    assert 0.0 < value < 1e-12
    assert bound < 1e-10 * value


def test_the_same_answer_twice():
    """SciPy's differs from call to call (its issues 13824, 23469), and with the thread count."""
    covariance = one_factor(LOADINGS[:7])
    first = orthant_probability(covariance, error_bound=True)
    assert orthant_probability(covariance, error_bound=True) == first
    for threads in (1, 2, 5):
        batch = orthant_probability([covariance] * 9, threads=threads)
        assert (batch == first.value).all()


@pytest.mark.parametrize(("k", "d"), [(5, 3), (5, 4), (6, 4)])
def test_a_singular_covariance(k, d):
    """More half-spaces than dimensions: refused by all but the two that sample."""
    rows = np.random.default_rng(k * d).integers(-3, 4, (k, d)).astype(float)
    rows *= np.where(rows @ np.arange(1.0, d + 1.0) < 0.0, -1.0, 1.0)[:, None]
    with mp.workdps(30):
        exact = precise(rows, 25)
    assert exact > 0
    check(rows @ rows.T, exact)


# --- the series in the rays (girard) -----------------------------------------------------------


def of_rays(rays):
    """Inward normals of the simplicial cone over the rows, exact for small integers."""
    adjugate = np.linalg.inv(rays).T * abs(np.linalg.det(rays))
    normals = np.round(adjugate)
    assert np.allclose(normals, adjugate, atol=1e-9)
    return normals


@pytest.mark.parametrize(
    "rays",
    [
        # The test of convergence forgets the signs: accepted, and off by a third.
        [[2, -1, -1], [-1, 2, -1], [-1, -1, 3]],
        [[5, -4, 0], [0, 5, -4], [-3, 0, 5]],
        # Its sum ends at the first term that is zero: two orthogonal rays do that.
        [[1, 0, 0], [0, 1, 0], [1, 1, 3]],
        # No convergence: refused.
        [[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 1, 1], [0, 1, 1, 1]],
        [[3, -1, -1, -1], [-1, 3, -1, -1], [-1, -1, 3, -1], [1, 1, 1, 1]],
        [[9, 1, 0, 0, 1], [9, 0, 1, 0, 1], [9, 0, 0, 1, 1], [9, -1, 0, 0, 1], [9, 0, -1, 0, 2]],
    ],
)
def test_rays_at_any_angle(rays):
    normals = of_rays(np.array(rays, dtype=float))
    value, bound = conevol.fraction(normals, error_bound=True)
    with mp.workdps(30):
        exact = precise(normals, 25)
        assert abs(exact - value) <= bound
        assert abs(exact - value) <= 1e-14 * exact


# --- half-spheres, lunes, pencils (polygon libraries), and products of them ---------------------

FLAT = {
    "half-sphere": ([[0, 0, 1]], 1 / 2),
    "lune of 45 degrees": ([[1, 0, 0], [-1, 1, 0]], 1 / 8),
    "four planes through one ray": ([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 2, 0]], 1 / 4),
    "four planes through one corner": ([[1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1]], 1 / 6),
    "octant, its planes twice": ([*np.eye(3), *np.eye(3)], 1 / 8),
    "nothing": ([[1, 0, 0], [-1, 0, 0]], 0.0),
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("more", [0, 1, 3])
def test_degenerate_polygons_in_any_order(name, more):
    """Hulls fail on half-spheres and lunes; polygon areas depend on the order, or are NaN."""
    rows, exact = FLAT[name]
    rows = np.array(rows, dtype=float)
    k = len(rows)
    whole = np.zeros((k + more, 3 + more))
    whole[:k, :3] = rows
    whole[k:, 3:] = np.eye(more)
    for order in itertools.islice(itertools.permutations(range(k)), 0, None, 5):
        turned = whole[[*order, *range(k, k + more)]]
        value, bound = conevol.fraction(turned, error_bound=True)
        assert abs(value - exact / 2**more) <= bound
        assert bound <= 1e-13


@pytest.mark.parametrize("width", [1e-8, 1e-12])
@pytest.mark.parametrize("more", [0, 2])
def test_slivers(width, more):
    """An absolute tolerance of 1e-10 calls them empty."""
    rows = np.zeros((2 + more, 3 + more))
    rows[:2, :2] = [[1.0, 0.0], [-1.0, width]]
    rows[2:, 3:] = np.eye(more)
    value, bound = conevol.fraction(rows, error_bound=True)
    exact = math.atan(width) / (2.0 * math.pi) / 2**more
    assert abs(value - exact) <= bound + 2e-16 * exact
    assert bound <= 1e-12 * exact


def test_an_order_of_the_rows_is_no_orientation():
    """Areas by vertex order give the complement for the other order."""
    rng = np.random.default_rng(2)
    for d, k in ((3, 5), (4, 6), (5, 7)):
        rows = random_cone(rng, k, d)
        value, bound = conevol.fraction(rows, error_bound=True)
        back, back_bound = conevol.fraction(rows[::-1], error_bound=True)
        assert value < 0.5
        assert abs(value - back) <= bound + back_bound


def test_nearly_lineal_cones_are_not_nearly_right():
    """Gram-matrix recursions lose all digits where the rays are near a line."""
    rng = np.random.default_rng(1)
    for d in (4, 5):
        rows = nearly_lineal(rng, d + 1, d, 1e-9)
        value, bound = conevol.fraction(rows, error_bound=True)
        with mp.workdps(30):
            error = abs(precise(rows, 22) - value)
        assert error <= bound
        assert error <= 1e-13 * value


@pytest.mark.parametrize("d", [4, 6])
def test_a_covariance_and_its_cone_agree(d):
    """The same number by two ways in: a covariance with exact products, and half-spaces."""
    rows = np.random.default_rng(d).integers(-4, 5, (d, d)).astype(float)
    value, bound = orthant_probability(rows @ rows.T, error_bound=True)
    other, other_bound = conevol.fraction(rows, error_bound=True)
    assert abs(value - other) <= bound + other_bound
    turned = conevol.fraction(rows @ rotation(np.random.default_rng(1), d))
    assert abs(value - turned) <= 1e-12 * value
