"""Cones in any dimension, from normals and from rays: rays, faces, duals, cuts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from cones import between, chain, cross_polytope, cube, nearly_lineal, random_cone, rotation
from hypothesis import given, settings
from hypothesis import strategies as st

import conevol
from conevol import Cone, fraction
from conevol.errors import FractionError, NormalsError

SEEDS = st.integers(0, 2**32 - 1)
RNG = np.random.default_rng(3)
CONES = {
    "orthant": np.eye(5),
    "simplicial": RNG.normal(size=(5, 5)),
    "random": random_cone(RNG, 8, 5),
    "redundant": np.vstack([np.eye(4), np.ones(4), np.zeros(4), 2 * np.eye(4), [1, 1, 0, 0]]),
    "cube": cube(5),
    "cube with a line": np.pad(cube(4), ((0, 0), (1, 0))),
    "24-cell": cross_polytope(4),
    "order": chain(5),
    "many facets through a ray": between(5),
    "between, turned": between(5) @ rotation(RNG, 5),
    "nearly lineal": nearly_lineal(RNG, 6, 4, 1e-6),
    "near repeats": np.vstack([np.eye(4), np.eye(4) + 1e-12 * RNG.normal(size=(4, 4))]),
    "integers": random_cone(RNG, 9, 4).round(),
    "half-space": np.eye(6)[2:3],
    "wedge": np.eye(6)[2:4] + np.eye(6)[:2],
    "three dimensions": random_cone(RNG, 6, 3),
    "order of three": chain(3),
    "quadrant": np.eye(2),
}


def same_rays(a, b):
    """Whether two sets of unit vectors are equal up to rounding."""
    return len(a) == len(b) and all(np.abs(b - x).max(axis=1).min() < 1e-9 for x in a)


@pytest.mark.parametrize("name", CONES)
def test_rays_lie_on_their_facets_and_span_the_cone(name):
    normals = CONES[name]
    cone = Cone(normals)
    units = normals[normals.any(axis=1)]
    units = units / np.linalg.norm(units, axis=1)[:, None]
    assert not cone.is_empty
    assert (cone.rays @ units.T).min() > -1e-14
    np.testing.assert_allclose(np.linalg.norm(cone.rays, axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(cone.lineality @ units.T, 0.0, atol=1e-14)
    np.testing.assert_allclose(cone.lineality @ cone.rays.T, 0.0, atol=1e-14)
    np.testing.assert_allclose(
        cone.lineality @ cone.lineality.T, np.eye(len(cone.lineality)), atol=1e-14
    )
    rank = np.linalg.matrix_rank(units)
    assert len(cone.lineality) == cone.dimension - rank
    assert cone.is_pointed == (rank == cone.dimension)
    assert np.linalg.matrix_rank(np.vstack([cone.rays, cone.lineality])) == cone.dimension


@pytest.mark.parametrize("name", CONES)
def test_facets_alone_are_the_cone_and_none_can_be_left_out(name):
    normals = CONES[name]
    cone = Cone(normals)
    assert sorted([*cone.facets, *cone.redundant]) == list(range(len(normals)))
    value, bound = fraction(normals[cone.facets], error_bound=True)
    assert abs(value - cone.fraction) <= bound + cone.error_bound
    if name in ("near repeats", "nearly lineal"):
        return  # some facets add less than the bound
    for facet in range(len(cone.facets)):
        assert fraction(normals[np.delete(cone.facets, facet)]) > cone.fraction


@pytest.mark.parametrize("name", CONES)
def test_faces_alternate_and_lie_in_facets(name):
    cone = Cone(CONES[name])
    faces = cone.faces()
    assert faces[0] == ((),)
    assert faces[-1] == (tuple(range(len(cone.rays))),)
    assert len(faces) == 1 + cone.dimension - len(cone.lineality)
    if len(faces) > 2:
        assert faces[1] == tuple((i,) for i in range(len(cone.rays)))
        assert len(faces[-2]) == len(cone.facets)
        heights = cone.rays @ cone.normals[cone.facets].T
        heights /= np.linalg.norm(cone.normals[cone.facets], axis=1)
        tight = {tuple(np.flatnonzero(column).tolist()) for column in (np.abs(heights) < 1e-13).T}
        if name != "near repeats":
            assert set(faces[-2]) == tight
    # Euler's relation, and every face is an intersection of facets.
    assert sum((-1) ** m * len(level) for m, level in enumerate(faces)) == 0
    facets = [set(f) for f in faces[-2]]
    for face in itertools.chain(*faces[1:-1]):
        holding = [f for f in facets if f >= set(face)]
        assert set.intersection(*holding) == set(face)


@pytest.mark.parametrize("name", CONES)
def test_from_its_rays_a_cone_is_the_same(name):
    cone = Cone(CONES[name])
    lines = np.concatenate([cone.lineality, -cone.lineality])
    again = Cone.from_rays(np.concatenate([3.0 * cone.rays, lines]))
    # Rounding turns rays of a needle by more of its width.
    assert again.fraction == pytest.approx(cone.fraction, rel=1e-8)
    assert again.error_bound < 1e-9
    exact = np.array_equal(lines, lines.round()) and np.array_equal(cone.rays, cone.rays.round())
    if exact:
        assert len(again.facets) == len(cone.facets)
        assert same_rays(cone.rays, again.rays)
        assert len(again.lineality) == len(cone.lineality)


@pytest.mark.parametrize("name", CONES)
def test_the_dual_has_the_faces_upside_down_and_its_dual_is_the_cone(name):
    cone = Cone(CONES[name])
    dual = cone.dual()
    assert (dual.dual().normals == cone.normals).all()
    if name == "between, turned":
        assert dual.fraction < 1e-12
        return  # thin as a rounding, which `from_rays` does not forgive
    assert dual.is_empty == (not cone.is_pointed)
    units = cone.normals[cone.facets]
    units = units / np.linalg.norm(units, axis=1)[:, None]
    assert same_rays(units, dual.rays)
    # What every y of the dual is against: no x of the cone.
    assert (dual.rays @ cone.rays.T).min(initial=0.0) > -1e-14
    if cone.is_pointed:
        assert [len(f) for f in dual.faces()] == [len(f) for f in cone.faces()][::-1]
        assert dual.is_pointed
        assert dual.contains(dual.rays.mean(axis=0))
        value, bound = fraction(cone.rays, error_bound=True)
        assert dual.fraction == pytest.approx(value, rel=1e-6, abs=bound)


def test_exact_fractions_of_cones_of_rays():
    for d in (3, 4, 5, 6):
        corners = [(1, *x) for x in itertools.product((1, -1), repeat=d - 1)]
        cone = Cone.from_rays(corners)
        assert abs(cone.fraction - 1 / (2 * d)) <= cone.error_bound
        assert len(cone.facets) == 2 * (d - 1)
        assert cone.result.method == "lattice"
        assert cone.result.faces == 3 ** (d - 1) + 1
        inside = Cone.from_rays([*corners, (1, *[0] * (d - 1)), (0,) * d, *corners[:2]])
        assert (len(inside.rays), inside.fraction) == (len(corners), cone.fraction)
    order = Cone.from_rays([[1] * i + [0] * (5 - i) for i in range(1, 6)] + [[-1] * 5])
    assert abs(order.fraction - 1 / 120) <= order.error_bound < 1e-15
    assert len(order.lineality) == 1


def test_rays_that_do_not_span_leave_no_interior():
    cone = Cone.from_rays(
        [[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [1, 2, 3, 4], [-1, -2, -3, -4]]
    )
    assert cone.is_empty
    assert (cone.fraction, cone.error_bound) == (0.0, 0.0)
    assert fraction(cone.normals) == 0.0
    assert (len(cone.rays), len(cone.lineality), len(cone.facets)) == (2, 1, 0)
    assert cone.contains([3, 2, 0, 0])
    assert not cone.contains([3, 2, 0, 1])
    assert [len(f) for f in cone.faces()] == [1, 2, 1]
    assert cone.dual().fraction == 0.0


@pytest.mark.parametrize(
    ("rays", "value", "lines"),
    [
        (np.zeros((2, 3)), 0.0, 0),
        (np.empty((0, 4)), 0.0, 0),
        ([[2.0]], 0.5, 0),
        ([[1.0], [-3.0]], 1.0, 1),
        (np.vstack([np.eye(4), -np.ones(4)]), 1.0, 4),
        (np.vstack([np.eye(4), -np.eye(4)[:1]]), 0.125, 1),
        (np.vstack([np.eye(4), -np.eye(4)[:3]]), 0.5, 3),
    ],
)
def test_extreme_cases_of_rays(rays, value, lines):
    cone = Cone.from_rays(rays)
    assert (cone.fraction, len(cone.lineality)) == (pytest.approx(value, rel=1e-15), lines)
    assert fraction(cone.normals) == pytest.approx(value, rel=1e-15)
    assert cone.is_empty == (value == 0.0)


def test_empty_and_full():
    empty, space = Cone(np.vstack([np.eye(4), -np.ones(4)])), Cone(np.empty((0, 4)))
    assert (empty.is_empty, empty.fraction, empty.rays.shape, empty.faces()) == (
        True,
        0,
        (0, 4),
        (),
    )
    assert len(empty.facets) == len(empty.redundant) == 0
    assert (space.fraction, len(space.lineality), space.faces()) == (1.0, 4, (((),),))
    assert empty.dual().fraction == 1.0
    assert space.dual().fraction == 0.0
    opposite = Cone(np.array([[1.0, 2, 3, 4], [-1, -2, -3, -4]]))
    assert opposite.is_empty


@given(SEEDS, st.integers(2, 6), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_a_split_is_additive_and_intersection_is_the_part(seed, d, extra):
    rng = np.random.default_rng(seed)
    cone = Cone(random_cone(rng, d + extra, d))
    normal = rng.normal(size=d)
    above, below = cone.split(normal)
    bound = cone.error_bound + above.error_bound + below.error_bound
    assert abs(above.fraction + below.fraction - cone.fraction) <= bound
    assert cone.intersect(Cone([normal])).fraction == above.fraction
    assert above.intersect(below).is_empty
    x = cone.rays.sum(axis=0)
    assert above.contains(x) == (normal @ x >= 0)
    assert above.contains(x) != below.contains(x)


@given(SEEDS, st.integers(3, 5), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_random_integer_rays_and_normals_are_consistent(seed, d, extra):
    """Small integers: coplanar, repeated, opposite and zero rows all the time."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, 2, (d + extra, d))
    cone, dual = Cone(rows), Cone.from_rays(rows)
    assert cone.is_empty == (cone.fraction == 0.0) == (not dual.is_pointed)
    assert dual.is_empty == (dual.fraction == 0.0)
    assert (dual.normals @ rows.T).min(initial=0.0) > -1e-14
    if not cone.is_empty:
        assert len(dual.rays) == len(cone.facets)
        assert cone.is_pointed == (not dual.is_empty)
        if cone.is_pointed:
            assert len(dual.facets) == len(cone.rays)
            faces = [len(f) for f in cone.faces()]
            assert [len(f) for f in dual.faces()] == faces[::-1]


def test_a_result_and_a_repr():
    cone = Cone(cube(5))
    assert cone.result == fraction(cube(5), full=True)
    assert repr(cone) == "Cone(8 half-spaces in dimension 5)"
    assert cone.solid_angle == pytest.approx(0.1 * 8 * math.pi**2 / 3)
    assert math.isfinite(Cone(np.eye(500)[:1]).sphere_area)


def test_what_is_refused():
    with pytest.raises(NormalsError, match=r"rays of a cone have shape \(2, 2, 3\)"):
        Cone.from_rays(np.zeros((2, 2, 3)))
    with pytest.raises(NormalsError, match=r"rays\[0, 1\] is nan"):
        Cone.from_rays([[1, math.nan]])
    cone = Cone(np.eye(4))
    for wrong in ([1, 2, 3], [0, 0, 0, 0], np.eye(4)):
        with pytest.raises(NormalsError, match=r"expected \(4,\)"):
            cone.split(wrong)
    with pytest.raises(NormalsError, match="dimension 3, expected 4"):
        cone.intersect(np.eye(3))
    with pytest.raises(FractionError, match="memory= and seconds="):
        _ = Cone(np.eye(30)).fraction
    assert len(Cone(np.eye(30)).rays) == 30
    with pytest.raises(FractionError, match=r"cannot be listed: its at least 2\^30 faces"):
        Cone(np.eye(30)).faces()
    assert issubclass(FractionError, conevol.errors.ConevolError)
