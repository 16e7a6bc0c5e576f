"""Sampled fractions: unbiased, with an honest standard error, the same on any machine and thread.

z-scores have Student's distribution of 15 degrees of freedom, from 16 shifts.
"""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from bare import from_python
from cones import between, chain, cross_polytope, cube, nearly_lineal, random_cone, tridiagonal
from scipy import integrate, special, stats

import conevol
from conevol.kernels import separation as kernels
from conevol.separation import SHIFTS, sampled_fraction, separate

normal_quantile, interval_mass, draw_between = map(
    from_python, (kernels.normal_quantile, kernels.interval_mass, kernels.draw_between)
)

RNG = np.random.default_rng(5)
SEEDS = 60
CASES = {
    "simplicial 4": RNG.normal(size=(4, 4)),
    "simplicial 6": RNG.normal(size=(6, 6)),
    "more half-spaces than dimensions": random_cone(RNG, 8, 5),
    "cone over the cube": cube(5),
    "order, with a line": chain(6),
    "many facets through a ray, with a line": between(5),
    "24-cell": cross_polytope(4),
    "largest of seven, singular": np.hstack([np.ones((6, 1)), -np.eye(6)]),
    "nearly lineal": nearly_lineal(RNG, 6, 4, 1e-2),
    "small": tridiagonal(8, -0.45),
    "touching and redundant": np.vstack([np.eye(4), [1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 0, 0]]),
    "repeated": np.vstack([chain(4), 3 * chain(4), chain(4) / 3]),
    "in three dimensions": random_cone(RNG, 5, 3),
}


def report(rows, **options):
    return conevol.fraction(rows, method="sample", full=True, **options)


@pytest.mark.parametrize("name", CASES)
def test_unbiased_with_an_honest_standard_error(name):
    rows = CASES[name]
    exact = conevol.fraction(rows)
    found = [sampled_fraction(rows, 512, (seed, 0)) for seed in range(SEEDS)]
    values, errors = np.array(found)[:, :2].T
    spread = values.std(ddof=1)
    if spread < 1e-12 * exact:
        np.testing.assert_allclose(values, exact, rtol=1e-13)
        return
    pooled = (values.mean() - exact) / (spread / math.sqrt(SEEDS))
    assert abs(pooled) < stats.t(SEEDS - 1).isf(1e-5)
    z = (values - exact) / errors
    assert stats.kstest(z, stats.t(SHIFTS - 1).cdf).pvalue > 1e-4
    # The mean of squared errors is that of the variances.
    assert 0.5 < np.mean(errors**2) / spread**2 < 2.0


def test_points_are_better_than_random_ones():
    rows = CASES["largest of seven, singular"]
    exact = conevol.fraction(rows)
    few, many = report(rows, samples=2**10), report(rows, samples=2**16)
    assert abs(many.value / exact - 1) < 5e-4
    # Random points would gain a factor 8, and lose 1.5 of it about once in a hundred.
    assert many.standard_error < few.standard_error / 12


@pytest.mark.parametrize("d", [30, 60, 100])
def test_high_dimensions(d):
    largest = report(np.hstack([np.ones((d, 1)), -np.eye(d)]))
    assert abs(largest.value - 1 / (d + 1)) < 6 * largest.standard_error < 0.05 / d
    assert (largest.rank, largest.faces, largest.method) == (d, 0, "sample")
    assert largest.error_bound == 1.0
    orthant = report(np.random.default_rng(d).permutation(np.eye(d)), samples=16)
    assert orthant.value == 2.0**-d
    product = np.zeros((2 * d // 4 * 2, d))
    for i in range(d // 4):
        product[4 * i : 4 * i + 4, 4 * i : 4 * i + 4] = np.eye(4)[:, ::-1]
    assert report(product, samples=16).value == pytest.approx(2.0 ** -(d // 4 * 4), rel=1e-13)


def test_exact_where_nothing_is_left_to_chance():
    for rows, exact in (
        (np.zeros((3, 4)), 1.0),
        (np.empty((0, 4)), 1.0),
        ([[0, 0, 1e-300]], 0.5),
        (np.eye(5)[1:3], 0.25),
        ([[1, 2, 3], [-1, -2, -3]], 0.0),
        ([[1, 2, 3], [-3, -6, -9], [0, 0, 1]], 0.0),
    ):
        found = report(rows)
        assert (found.value, found.standard_error) == (exact, 0.0)


@pytest.mark.parametrize(
    "rows",
    [np.vstack([np.eye(4), -np.ones(4)]), np.vstack([chain(5), [-1, 0, 0, 0, 1]])],
)
def test_an_empty_interior_is_nothing_within_one_in_the_points(rows):
    found = report(rows, samples=1000)
    assert found.value < 1e-14
    assert found.standard_error == 1 / found.nodes == 1 / 1008


def test_few_points_do_not_pretend():
    """Weights of a very small cone: the spread of what was met says nothing of what was missed."""
    found = report(chain(40))
    assert found.value < 1e-3 / math.factorial(40)
    assert found.standard_error >= 1 / found.nodes


def test_reproducible():
    rows = CASES["more half-spaces than dimensions"]
    first = report(rows, samples=50_000, seed=3)
    for threads in (1, 2, 5):
        assert report(rows, samples=50_000, seed=3, threads=threads) == first
    assert report(rows, samples=50_000, seed=4).value != first.value
    assert report(rows) == report(rows, seed=0, samples=2**16)
    batch = report(np.stack([rows, rows]), samples=50_000, seed=3)
    assert batch.value[0] == first.value != batch.value[1]
    assert batch.nodes.tolist() == [50_000, 50_000]


@pytest.mark.parametrize("name", CASES)
def test_the_triangular_form_is_the_cone(name):
    rows = CASES[name]
    form = separate(rows)
    assert form.rank == np.linalg.matrix_rank(rows)
    assert form.pointer[-1] == rows.any(axis=1).sum()
    # Its rows are the unit normals turned and permuted: they have the same angles.
    full = form.rows.copy()
    for t in range(form.rank):
        at = slice(form.pointer[t], form.pointer[t + 1])
        sign = np.where(form.lower[at], 1.0, -1.0)
        full[at] *= sign[:, None]
        full[at, t] = sign
    full /= np.linalg.norm(full, axis=1)[:, None]
    units = rows[rows.any(axis=1)]
    units = units / np.linalg.norm(units, axis=1)[:, None]
    gram, expected = np.sort((full @ full.T).ravel()), np.sort((units @ units.T).ravel())
    np.testing.assert_allclose(gram, expected, atol=1e-13)


# --- the normal distribution ----------------------------------------------------------------


def test_quantiles_are_right_far_into_the_tails():
    p = 10.0 ** np.random.default_rng(0).uniform(-290, -0.001, 500)
    found = np.array([normal_quantile(x) for x in p])
    np.testing.assert_allclose(found, special.ndtri(p), rtol=2e-15, atol=1e-16)
    for x in (0.01, 0.2, 0.4):
        assert normal_quantile(1 - x) == pytest.approx(-normal_quantile(x))


@pytest.mark.parametrize("lo", [-36.0, -3.0, -0.3, 0.0, 1.0, 20.0, -math.inf])
@pytest.mark.parametrize("width", [1e-12, 1e-5, 0.0199, 0.0201, 0.5, 30.0])
def test_masses_keep_relative_accuracy(lo, width):
    hi = lo + width if math.isfinite(lo) else width
    # Half of its square is rounded before it is an exponent.
    rounding = 1e-13 + min(lo * lo, hi * hi) * 2.0**-52
    with mpmath.workdps(60):
        exact = mpmath.ncdf(hi) - mpmath.ncdf(lo)
        if lo > 0.0:
            exact = mpmath.ncdf(-lo) - mpmath.ncdf(-hi)
        assert abs(interval_mass(lo, hi) / exact - 1) < rounding
        assert abs(interval_mass(-hi, -lo) / exact - 1) < rounding


@pytest.mark.parametrize(("lo", "hi"), [(-1.0, 2.0), (5.0, math.inf), (3.0, 3.004), (-9.0, -8.9)])
def test_draws_are_unbiased_and_inside(lo, hi):
    """The weighted mean of y over u is the integral of y times the density."""
    u = (np.arange(4000) + 0.5) / 4000
    drawn = np.array([draw_between(lo, hi, x) for x in u])
    assert ((drawn[:, 0] >= lo) & (drawn[:, 0] <= hi)).all()
    for power in (0, 1):
        exact = integrate.quad(lambda y, n=power: y**n * stats.norm.pdf(y), lo, hi, epsabs=0)[0]
        assert np.mean(drawn[:, 1] * drawn[:, 0] ** power) == pytest.approx(exact, rel=2e-4)
