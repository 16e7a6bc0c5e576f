import math

import mpmath as mp
import numpy as np
import pytest
from cones import equicorrelated, nearly_equal_pair, rotation, tridiagonal
from hypothesis import given, settings
from hypothesis import strategies as st

from conevol.engine import cone_fraction, fractions
from conevol.kernels import simplicial as kernels
from conevol.kernels.axis import balanced_axis

SEEDS = st.integers(0, 2**32 - 1)


def equicorrelated_orthant(d, rho):
    """P(all Y_i >= 0), by Plackett's identity in one variable (any admissible rho), 30 digits.

    d f_n / d rho = C(n, 2) f_{n-2}(rho / (1 + 2 rho)) / (2 pi sqrt(1 - rho^2)), f_0 = 1, f_1 = 1/2.
    """

    def f(n, x):
        if n < 2:
            return mp.mpf(1) / 2**n
        if n == 2:
            return mp.mpf(1) / 4 + mp.asin(x) / (2 * mp.pi)
        if n == 3:
            return mp.mpf(1) / 8 + 3 * mp.asin(x) / (4 * mp.pi)
        # from the lower end, where f = 0: x = -1 / (n - 1) + t^2
        low = -mp.mpf(1) / (n - 1)

        def integrand(t):
            y = low + t * t
            return 2 * t * f(n - 2, y / (1 + 2 * y)) / mp.sqrt(1 - y * y)

        return n * (n - 1) / (4 * mp.pi) * mp.quad(integrand, [0, mp.sqrt(x - low)])

    with mp.workdps(25):
        return f(d, mp.mpf(rho))


@pytest.mark.parametrize("d", range(4, 13))
def test_orthants(d):
    value, bound, info = cone_fraction(np.eye(d))
    assert info.method == "subsets"
    assert abs(value * 2**d - 1) <= min(bound * 2**d, 2e-14)
    assert bound * 2**d < 1e-13


@pytest.mark.parametrize("d", [4, 5, 6, 8, 10, 12])
def test_half_correlated(d):
    value, bound, _ = cone_fraction(equicorrelated(d, 0.5))
    assert abs(value * (d + 1) - 1) <= min(bound * (d + 1), 2e-14)
    assert bound * (d + 1) < 1e-13


@pytest.mark.parametrize("d", [4, 5, 6])
@pytest.mark.parametrize("gap", ["low 1e-6", "low 1e-2", "0.3", "1 - 1e-6"])
def test_equicorrelated(d, gap):
    low = -1.0 / (d - 1)
    rho = {"low 1e-6": low + 1e-6, "low 1e-2": low + 1e-2, "0.3": 0.3, "1 - 1e-6": 1.0 - 1e-6}[gap]
    normals = equicorrelated(d, rho)
    value, bound, _ = cone_fraction(normals)
    # The Cholesky factor is rounded: compare with a tolerance for its conditioning.
    with mp.workdps(25):
        exact = equicorrelated_orthant(d, rho)
        slack = 1e-14 if gap in ("0.3",) else 1e-8 if gap == "low 1e-6" else 1e-10
        assert abs(value / exact - 1) <= slack
    assert bound < 1e-13 * value


@pytest.mark.parametrize("d", [4, 6, 9])
def test_tridiagonal_half_is_a_catalan_like_count(d):
    # Correlation -1/2 between neighbours is the Weyl chamber of A_d: 1 / (d + 1)!.
    value, bound, _ = cone_fraction(tridiagonal(d, -0.5))
    assert abs(value * math.factorial(d + 1) - 1) <= 1e-13
    assert abs(value - 1 / math.factorial(d + 1)) <= bound + 1e-15 * value


@given(SEEDS, st.integers(4, 8))
@settings(max_examples=15, deadline=None)
def test_permutation_scaling_and_rotation(seed, d):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(d, d))
    value, bound, _ = cone_fraction(a)
    scales = 2.0 ** rng.integers(-900, 900, size=(d, 1))
    moved, moved_bound, _ = cone_fraction((a * scales)[rng.permutation(d)])
    assert abs(moved - value) <= bound + moved_bound
    turned, turned_bound, _ = cone_fraction(a @ rotation(rng, d))
    assert abs(turned - value) <= bound + turned_bound + d * d * 1e-15


@given(SEEDS, st.integers(4, 7))
@settings(max_examples=15, deadline=None)
def test_either_axis_gives_the_same(seed, d):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(d, d))
    rays = np.linalg.inv(a).T
    rays = np.ascontiguousarray(rays / np.linalg.norm(rays, axis=1)[:, None])
    axis = np.empty(d)
    assert balanced_axis(a, np.arange(d), rays, axis) > 0.0
    # in a simplicial cone the balanced axis is equally far from all rays
    assert np.ptp(rays @ axis) < 1e-9
    dims, pointer, facets = kernels.boolean_lattice(d)
    kappa, lengths, h = np.zeros(1 << d), np.zeros(1 << d), np.zeros(facets.size)
    matrices, vectors = np.empty((2, d, d, d)), np.empty((2, d + 2, d))
    kernels.top_gram(a, axis, *matrices, *vectors)
    kappa_max, worst = kernels.subset_geometry(kappa, h, lengths, matrices, vectors, None)
    work = kernels.work_rows(d)
    value, bound, _ = kernels.integrate(
        dims, pointer, facets, kappa, h, lengths, kappa_max, 1e-20, 1e-11, work
    )
    other, other_bound, _ = cone_fraction(a)
    assert abs(value - other) <= bound + other_bound
    assert 0.0 < worst <= 1.0


@pytest.mark.parametrize("d", [4, 5, 7])
def test_a_nearly_equal_pair_is_stable(d):
    a = nearly_equal_pair(np.random.default_rng(d), d, 1e-12)
    value, bound, _ = cone_fraction(a)
    fine, fine_bound, info = cone_fraction(a, rtol=1e-15)
    assert "double-double" in info.method
    assert abs(fine - value) <= bound + fine_bound
    assert abs(fine - value) <= 1e-13 * fine
    # Dropping one of the pair changes the fraction only by the angle between them.
    assert abs(cone_fraction(np.delete(a, 1, axis=0))[0] - value) < 1e-6


def test_batches_equal_single_cones_whatever_the_threads():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(40, 5, 5))
    a[7, 1] = -a[7, 0]  # no interior
    a[8, 1] = a[8, 0]  # not simplicial
    found = fractions(a, threads=2)
    for entries, again in zip(found, fractions(a, threads=1), strict=True):
        assert (entries == again).all()
    values, bounds = found.values, found.bounds
    assert found.methods[7:9].tolist() == ["closed", "lattice"]
    assert set(found.methods[:7]) == {"subsets"}
    assert values.tolist() == [cone_fraction(x)[0] for x in a]
    assert values[7] == 0.0
    assert (bounds <= 1e-11 * values).all()


@pytest.mark.parametrize("d", [4, 6, 9])
def test_elimination_and_projection_agree_in_double_double(d):
    rng = np.random.default_rng([d, 2])
    for _ in range(10):
        a = rng.normal(size=(d, d))
        value, bound, info = cone_fraction(a, rtol=1e-18, method="subsets")
        other, other_bound, other_info = cone_fraction(a, rtol=1e-18, method="lattice")
        assert info.method == "subsets, double-double"
        assert other_info.method == "lattice, double-double"
        assert bound < 1e-14 * value
        assert abs(value - other) <= bound + other_bound
