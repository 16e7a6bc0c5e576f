"""Moments of a Gaussian on a cone, and the gradient of its fraction."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from cones import chain, cross_polytope, cube, nearly_lineal, random_cone, rotation
from hypothesis import given, settings
from hypothesis import strategies as st

import conevol
from conevol import engine
from conevol.errors import FractionError, NormalsError
from conevol.kernels import measures as kernels
from conevol.measures import gradient, moments
from conevol.precision import fraction as precise

SEEDS = st.integers(0, 2**32 - 1)
HALF_NORMAL = 1 / np.sqrt(2 * np.pi)
RNG = np.random.default_rng(3)
CONES = {
    "half-line": np.array([[2.0]]),
    "half-plane": np.array([[3.0, 4.0]]),
    "wedge": np.array([[1.0, 0.2], [-1.0, 3.0]]),
    "triangle": RNG.normal(size=(3, 3)),
    "pentagon": random_cone(RNG, 7, 3),
    "lengths": RNG.normal(size=(4, 4)) * [[1e-200], [1.0], [1e200], [3.0]],
    "redundant": np.vstack([np.eye(4) + 0.1, np.zeros(4), np.ones(4)]),
    "more facets": random_cone(RNG, 7, 4),
    "rank 2 in 4": RNG.normal(size=(2, 4)),
    "square in 5": cube(3) @ rotation(RNG, 5)[:3],
    "five": random_cone(RNG, 6, 5),
    "six": RNG.normal(size=(6, 6)),
}


def derivative(a, direction, step=Fraction(1, 10**10)):
    """Central difference of thirty digits."""
    rows = [[Fraction(x) for x in row] for row in a.tolist()]
    v = [[Fraction(x) for x in row] for row in direction.tolist()]

    def at(t):
        moved = [
            [x + t * y for x, y in zip(*pair, strict=True)] for pair in zip(rows, v, strict=True)
        ]
        return precise(moved, 30)

    with mpmath.workdps(40):
        return float((at(step) - at(-step)) * step.denominator / 2)


# --- gradient -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in CONES if n != "lengths"])
def test_gradient_is_the_finite_difference(name):
    a = CONES[name]
    g, bound = gradient(a, error_bound=True)
    # Where rows span less than all of space, moves within their span keep the number of faces.
    direction = np.random.default_rng(1).normal(size=(len(a), len(a))) @ a
    direction[~a.any(axis=1)] = 0.0
    error = abs((g * direction).sum() - derivative(a, direction))
    assert error <= (bound * abs(direction)).sum() + 1e-15
    assert error < 1e-12
    assert bound.max() < 1e-13


def test_gradient_out_of_the_span_of_the_rows():
    a = np.pad(np.array([[1.0, 2.0], [3.0, -1.0]]), ((0, 0), (0, 2)))
    direction = np.random.default_rng(2).normal(size=a.shape)
    assert abs((gradient(a) * direction).sum() - derivative(a, direction)) < 1e-14


def test_gradient_of_three_planes_is_placketts():
    """phi = 1/8 + sum asin(R_ij) / 4 pi."""
    a = CONES["triangle"] / np.linalg.norm(CONES["triangle"], axis=1)[:, None]
    expected = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            if i != j:
                r = a[i] @ a[j]
                expected[i] += (a[j] - r * a[i]) / (4 * np.pi * np.sqrt(1 - r * r))
    assert np.allclose(gradient(a), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", CONES)
def test_gradient_is_zero_along_rotations_and_lengths(name):
    a = CONES[name]
    g, bound = gradient(a, error_bound=True)
    lengths = np.linalg.norm(a / abs(a).max(axis=1, initial=1e-300)[:, None], axis=1)
    scale = abs(a).max(axis=1) * lengths + (lengths == 0)
    turned = (g * scale[:, None]).T @ (a / scale[:, None])
    slack = 2 * (bound * scale[:, None]).sum() + 1e-16
    assert abs(turned - turned.T).max() <= slack < 1e-12
    assert (abs((g * a).sum(axis=1)) <= slack).all()


def test_gradient_of_lengths_redundant_repeated_and_empty_rows():
    a = random_cone(np.random.default_rng(5), 4, 4)
    g = gradient(a)
    scale = np.array([[0.5], [2.0], [1e150], [4.0]])
    assert np.allclose(gradient(a * scale) * scale, g, rtol=1e-14, atol=0)
    more = np.vstack([np.zeros(4), a, a[:1] / 3, a.sum(axis=0), a[:1]])
    assert np.allclose(gradient(more)[1:5], g, rtol=0, atol=1e-15)
    assert (gradient(more)[[0, 5, 6, 7]] == 0).all()
    assert (gradient(np.vstack([a, -a.sum(axis=0)])) == 0).all()
    assert gradient(np.empty((0, 3))).shape == (0, 3)
    assert (gradient([[1.0], [-1.0]]) == 0).all()


def test_gradient_of_a_sliver_stays_within_its_bound():
    a = nearly_lineal(np.random.default_rng(6), 5, 4, 1e-7)
    g, bound = gradient(a, error_bound=True)
    direction = 1e-9 * np.random.default_rng(7).normal(size=a.shape)
    error = abs((g * direction).sum() - derivative(a, direction, Fraction(1, 10**8)))
    assert error <= (bound * abs(direction)).sum() + 1e-13 * abs(g * direction).sum()


# --- moments --------------------------------------------------------------------------------


@pytest.mark.parametrize("d", range(1, 7))
def test_moments_of_an_orthant(d):
    """Independent half-normals."""
    m = moments(np.diag(np.arange(1.0, d + 1)))
    second = np.full((d, d), HALF_NORMAL**2 * 4.0 / 2**d) + (1 - 2 / np.pi) * np.eye(d) / 2**d
    assert abs(m.fraction - 0.5**d) <= m.fraction_bound + 1e-17
    assert (abs(m.first - HALF_NORMAL * 2.0 / 2**d) <= m.first_bound + 1e-17).all()
    assert (abs(m.second - second) <= m.second_bound + 1e-17).all()
    assert max(m.first_bound.max(), m.second_bound.max()) < 1e-14


@pytest.mark.parametrize("a", [random_cone(RNG, 6, 4), cube(3) @ rotation(RNG, 5)[:3]])
def test_moments_match_sampling(a):
    x = np.random.default_rng(8).normal(size=(200_000, a.shape[1]))
    inside = x[(x @ a.T >= 0).all(axis=1)]
    m = moments(a)
    assert np.allclose(inside.sum(axis=0) / len(x), m.first, rtol=0, atol=0.01)
    assert np.allclose(inside.T @ inside / len(x), m.second, rtol=0, atol=0.015)


@given(SEEDS, st.integers(1, 5), st.integers(0, 4), st.integers(0, 2), st.booleans())
@settings(max_examples=40, deadline=None)
def test_moments_are_additive_under_a_split(seed, d, extra, lineality, whole):
    rng = np.random.default_rng(seed)
    a, plane = rng.normal(size=(d + extra, d + lineality)), rng.normal(size=d + lineality)
    if whole:
        a, plane = rng.integers(-2, 3, a.shape).astype(float), plane.round()
    else:
        a[:, d:] = 0.0
    both = moments(a)
    parts = [moments(np.vstack([a, s * plane])) for s in (1, -1)]
    if not plane.any():
        return
    for i in range(3):
        error = both[i] - parts[0][i] - parts[1][i]
        assert np.all(abs(error) <= both[3 + i] + parts[0][3 + i] + parts[1][3 + i])
    # the length of x does not depend on its direction
    total = len(plane) * both.fraction
    slack = np.trace(both.second_bound) + len(plane) * both.fraction_bound
    assert abs(np.trace(both.second) - total) <= slack + 1e-16
    assert np.max(both.second_bound) < 1e-9


@given(SEEDS, st.integers(2, 5), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_moments_turn_with_the_cone(seed, d, extra):
    rng = np.random.default_rng(seed)
    a, q = random_cone(rng, d + extra, d), rotation(rng, d)
    m, turned = moments(a), moments(a @ q.T)
    assert np.allclose(turned.first, q @ m.first, rtol=0, atol=1e-12)
    assert np.allclose(turned.second, q @ m.second @ q.T, rtol=0, atol=1e-12)


def test_moments_of_space_half_space_and_nothing():
    m = moments(np.zeros((2, 3)))
    assert (m.fraction, m.first.tolist()) == (1.0, [0.0] * 3)
    assert (m.second == np.eye(3)).all()
    m = moments([[0.0, 3.0, 4.0]])
    assert np.allclose(m.first, HALF_NORMAL * np.array([0, 0.6, 0.8]), rtol=1e-15)
    assert (m.second == np.eye(3) / 2).all()
    for nothing in ([[1.0], [-2.0]], np.vstack([np.eye(4), -np.ones(4)])):
        assert all(np.all(np.asarray(part) == 0) for part in moments(nothing))


def test_a_batch_is_one_by_one_whatever_the_threads():
    rng = np.random.default_rng(9)
    a = rng.normal(size=(150, 5, 4)) + np.eye(4)[0]
    a[3, 1] = a[3, 0]
    a[4] = rng.integers(-1, 2, (5, 4))
    a[5, 1:] = 0.0
    a[6, 1] = -a[6, 0]
    one, two = moments(a.reshape(50, 3, 5, 4), threads=1), moments(a, threads=3)
    for x, y in zip(one, two, strict=True):
        assert (x.reshape(y.shape) == y).all()
    assert one.second.shape == (50, 3, 4, 4)
    fractions, bounds = conevol.fraction(a, error_bound=True)
    assert (abs(two.fraction - fractions) <= two.fraction_bound + bounds).all()
    for i in range(10):
        single = moments(a[i])
        assert all(np.all(abs(x - y[i]) <= 1e-14) for x, y in zip(single[:3], two[:3], strict=True))
    assert moments(np.empty((0, 3, 4))).first.shape == (0, 4)


def test_the_kernel_leaves_what_it_is_unsure_of():
    a = np.stack([np.eye(3), -np.eye(3), np.ones((3, 3)), [[1, 0, 0], [0, 1, 0], [1, 1, 0]]])
    a[1] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    statuses = np.zeros(4, np.int64)
    out = np.empty((4, 2)), np.empty((4, 2, 3)), np.empty((4, 2, 3, 3))
    kernels.moments_range(a, (1e9, 1e9), 1e-9, 0, 4, statuses, *out)
    assert statuses.tolist() == [kernels.OK, kernels.OK, kernels.UNSURE, kernels.UNSURE]
    assert abs(out[0][0, 0] - 0.125) <= out[0][0, 1] < 1e-14


def test_methods_of_a_cone():
    a = cube(4)
    cone = conevol.Cone(a)
    assert (cone.gradient() == gradient(a)).all()
    assert (cone.moments().second == moments(a).second).all()
    volumes = cone.intrinsic_volumes()
    assert (volumes == conevol.intrinsic_volumes(a)).all()
    assert cone.statistical_dimension() == conevol.statistical_dimension(a)
    again = conevol.Cone.from_rays(cone.rays)
    assert np.allclose(again.intrinsic_volumes(), volumes, rtol=0, atol=1e-14)
    with pytest.raises(FractionError, match="made from rays"):
        again.gradient()


# --- all faces ------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [cube(4), cross_polytope(4), chain(6), random_cone(RNG, 7, 5)])
def test_facets_have_the_fractions_of_cones_of_their_own(a):
    reduced = engine.reduce_normals(a)
    _, rays, sets = engine.incidence(reduced.signs)
    rays = engine.row_space_rays(reduced, rays)
    status, rows, lattice, values, bounds = kernels.face_fractions(
        reduced.hi, reduced.lo, rays, sets, True, (1e9, 1e9), 1e-12
    )
    assert status == kernels.OK
    dims, pointer, facets = lattice[:3]
    top = dims.size - 1
    value, bound = conevol.fraction(a, error_bound=True)
    assert abs(values[top] - value) <= bound + bounds[top]
    assert (values[dims == 1] == 0.5).all()
    for i, row in enumerate(rows):
        facet = facets[pointer[top] + i]
        plane = np.linalg.svd(reduced.hi[row][None])[2][1:]
        inside = np.delete(reduced.hi @ plane.T, row, axis=0)
        other, other_bound = conevol.fraction(inside, error_bound=True)
        assert abs(values[facet] - other) <= bounds[facet] + other_bound + 1e-14
        assert bounds[facet] < 1e-12


# --- what is refused ------------------------------------------------------------------------


def test_one_cone_is_asked_for():
    with pytest.raises(NormalsError, match=r"shape \(2, 3, 3\), expected those of one cone"):
        gradient(np.ones((2, 3, 3)))
    with pytest.raises(NormalsError, match="is nan"):
        moments([[1.0, np.nan]])


@pytest.mark.parametrize("function", [gradient, moments])
def test_no_plausible_number_instead_of_an_error(monkeypatch, function):
    name = "pointed_gradient" if function is gradient else "pointed_moments"
    result = kernels.ILL_CONDITIONED if function is gradient else (kernels.OK, 0.3, 0.01)
    monkeypatch.setattr(f"conevol.measures._kernels.{name}", lambda *args: result)
    with pytest.raises(FractionError, match="ill-conditioned"):
        function(np.eye(4))
