"""Intrinsic volumes of cones and their statistical dimension."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cones import between, chain, cross_polytope, cube, nearly_lineal, random_cone, rotation
from hypothesis import given, settings
from hypothesis import strategies as st

import conevol
from conevol.errors import NormalsError
from conevol.intrinsic import intrinsic_volumes, statistical_dimension

SEEDS = st.integers(0, 2**32 - 1)


def check_laws(value, bound, subspace=False):
    """They sum to 1, and those of even index to those of odd index."""
    assert (value >= 0).all()
    slack = bound.sum() + 1e-15
    assert abs(value.sum() - 1) <= slack
    alternating = value @ (-1.0) ** np.arange(len(value))
    assert abs(abs(alternating) - float(subspace)) <= slack
    assert max(abs(value.sum() - 1), abs(abs(alternating) - float(subspace))) < 1e-12


def exact_cones():
    for d in (1, 2, 3, 5, 7):
        yield f"orthant {d}", np.eye(d), [math.comb(d, j) / 2**d for j in range(d + 1)]
    # Order cones: Stirling numbers of the first kind.
    yield "order of 4", chain(4), [0, 6 / 24, 11 / 24, 6 / 24, 1 / 24]
    yield "order of 5", chain(5), [0, 24 / 120, 50 / 120, 35 / 120, 10 / 120, 1 / 120]
    yield "space", np.empty((0, 2)), [0, 0, 1]
    yield "half-space", [[0, 3, 4]], [0, 0, 0.5, 0.5]
    yield "wedge in 3", [[1, 0, 0], [0, 1, 0]], [0, 0.25, 0.5, 0.25]
    yield "plane", [[1, 0, 0], [-1, 0, 0]], [0, 0, 1, 0]
    yield "half-plane in 3", [[1, 0, 0], [-1, 0, 0], [0, 1, 0]], [0, 0.5, 0.5, 0]
    yield "ray in 3", [[1, 0, 0], [0, 1, 0], [-1, -1, 0], [0, 0, 1]], [0.5, 0.5, 0, 0]
    yield "origin", np.vstack([np.eye(3), -np.ones(3)]), [1, 0, 0, 0]
    yield "line", [[1, 0], [-1, 0]], [0, 1, 0]
    yield "line in 4", np.vstack([chain(4), [-1, 0, 0, 1]]), [0, 1, 0, 0, 0]
    yield "origin of a line", [[1], [-1]], [1, 0]
    # x_3 = 0 and x in the quadrant
    yield "quadrant in 3", [[0, 0, 1], [0, 0, -1], [1, 0, 0], [0, 1, 0]], [0.25, 0.5, 0.25, 0]


@pytest.mark.parametrize(
    ("rows", "exact"), [pytest.param(a, v, id=name) for name, a, v in exact_cones()]
)
def test_exact_values(rows, exact):
    value, bound = intrinsic_volumes(rows, error_bound=True)
    assert (abs(value - exact) <= bound + 1e-16).all()
    assert bound.max() < 1e-13
    mean = statistical_dimension(rows, error_bound=True)
    assert abs(mean.value - np.arange(len(exact)) @ exact) <= mean.error_bound + 1e-15


def test_statistical_dimension_of_an_order_cone_is_harmonic():
    assert abs(statistical_dimension(chain(7)) - sum(1 / j for j in range(1, 8))) < 1e-13


@pytest.mark.parametrize("d", [3, 4, 5])
def test_the_polar_has_them_in_reverse(d):
    assert np.allclose(
        intrinsic_volumes(cube(d)), intrinsic_volumes(cross_polytope(d))[::-1], rtol=0, atol=1e-14
    )


@given(SEEDS, st.integers(2, 5), st.integers(0, 3), st.integers(0, 1))
@settings(max_examples=25, deadline=None)
def test_laws_of_random_cones(seed, d, extra, lineality):
    rng = np.random.default_rng(seed)
    a = np.pad(random_cone(rng, d + extra, d), ((0, 0), (0, lineality)))
    value, bound = intrinsic_volumes(a @ rotation(rng, d + lineality), error_bound=True)
    check_laws(value, bound)
    fraction, error = conevol.fraction(a, error_bound=True)
    assert abs(value[-1] - fraction) <= bound[-1] + error + 1e-14


@given(SEEDS, st.integers(1, 4), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_laws_of_small_integers(seed, d, k):
    """Flat cones, lines, repeated and opposite rows are common here."""
    a = np.random.default_rng(seed).integers(-2, 3, (k, d)).astype(float)
    value, bound = intrinsic_volumes(a, error_bound=True)
    subspace = np.isclose(value, 1.0).any()
    check_laws(value, bound, subspace)


@pytest.mark.parametrize(
    "a",
    [
        cube(6),
        between(5),
        nearly_lineal(np.random.default_rng(0), 6, 4, 1e-7),
        nearly_lineal(np.random.default_rng(1), 6, 5, 1e-9),
        random_cone(np.random.default_rng(2), 6, 4) * [1.0, 1.0, 1.0, 1e-7],
    ],
)
def test_laws_of_awkward_cones(a):
    check_laws(*intrinsic_volumes(a, error_bound=True))


def test_products_multiply():
    rng = np.random.default_rng(4)
    a, b = random_cone(rng, 4, 3), random_cone(rng, 3, 2)
    product = np.block([[a, np.zeros((4, 2))], [np.zeros((3, 3)), b]])
    parts = np.convolve(intrinsic_volumes(a), intrinsic_volumes(b))
    assert np.allclose(intrinsic_volumes(product), parts, rtol=0, atol=1e-14)


def test_a_flat_cone_in_a_general_position():
    """The doubles of a turned plane do not repeat it; both sides are one row."""
    rng = np.random.default_rng(5)
    inside = random_cone(rng, 5, 3)
    q = rotation(rng, 4)
    a = np.vstack([np.pad(inside, ((0, 0), (0, 1))) @ q, q[3], -q[3]])
    value, bound = intrinsic_volumes(a, error_bound=True)
    assert np.allclose(value, [*intrinsic_volumes(inside), 0.0], rtol=0, atol=1e-13)
    assert bound.max() < 1e-11


def test_one_cone_is_asked_for():
    for function in (intrinsic_volumes, statistical_dimension):
        with pytest.raises(NormalsError, match="expected those of one cone"):
            function(np.ones((2, 3, 3)))
