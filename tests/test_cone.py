"""Rays, facets, redundancy and lineality of a cone agree with its fraction and each other."""

import math

import numpy as np
import pytest

from conevol import Cone, fraction
from conevol.errors import NormalsError

RNG = np.random.default_rng(7)
RANDOM = [RNG.standard_normal((int(k), 3)) for k in RNG.integers(3, 9, 60)]


@pytest.mark.parametrize("normals", RANDOM)
def test_rays_satisfy_all_half_spaces_and_each_is_tight_on_two(normals):
    cone = Cone(normals)
    if cone.is_empty:
        assert cone.fraction == 0.0
        assert cone.rays.shape == (0, 3)
        return
    heights = cone.rays @ normals.T
    assert heights.min() > -1e-14
    if cone.is_pointed:
        assert (np.abs(heights) < 1e-14).sum(axis=1).tolist() == [2] * len(cone.rays)
    np.testing.assert_allclose(np.linalg.norm(cone.rays, axis=1), 1.0, rtol=1e-15)


@pytest.mark.parametrize("normals", RANDOM)
def test_facets_alone_give_the_same_fraction_and_no_facet_can_be_left_out(normals):
    cone = Cone(normals)
    if cone.is_empty:
        return
    assert sorted([*cone.facets, *cone.redundant]) == list(range(len(normals)))
    bound = 2 * cone.error_bound
    assert abs(fraction(normals[cone.facets]) - cone.fraction) <= bound
    for facet in cone.facets:
        others = np.delete(normals, facet, axis=0)
        assert fraction(others) > cone.fraction


def test_cones_with_lines():
    space, half, wedge = Cone(np.empty((0, 3))), Cone([[0, 0, 2.0]]), Cone([[1, 0, 0], [0, 1, 0]])
    assert [len(c.lineality) for c in (space, half, wedge)] == [3, 2, 1]
    assert [len(c.rays) for c in (space, half, wedge)] == [0, 1, 2]
    np.testing.assert_allclose(half.rays, [[0, 0, 1]])
    np.testing.assert_allclose(half.lineality @ half.rays.T, 0, atol=1e-16)
    np.testing.assert_allclose(np.sort(wedge.rays, axis=0), [[0, 0, 0], [1, 1, 0]], atol=1e-16)
    assert not wedge.is_pointed


def test_two_and_one_dimensions():
    quadrant = Cone([[1, 0], [0, 1]])
    np.testing.assert_allclose(sorted(map(tuple, quadrant.rays)), [(0, 1), (1, 0)], atol=1e-16)
    assert quadrant.solid_angle == pytest.approx(math.pi / 2, rel=1e-15)
    ray = Cone([[3.0]])
    assert (ray.fraction, ray.rays.tolist(), ray.lineality.shape) == (0.5, [[1.0]], (0, 1))
    assert ray.solid_angle == 1.0


def test_redundant_copies_name_the_first():
    cone = Cone([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert cone.facets.tolist() == [1, 3, 4]
    assert cone.redundant.tolist() == [0, 2]


def test_contains():
    octant = Cone(np.eye(3))
    assert octant.contains([[1, 2, 3], [1, 2, -3], [0, 0, 0]]).tolist() == [True, False, True]
    with pytest.raises(NormalsError, match=r"expected \(\.\.\., 3\)"):
        octant.contains([1, 2])


@pytest.mark.parametrize(
    ("normals", "said"),
    [(np.zeros((2, 2, 3)), r"expected \(k, d\)"), ([1, 2, 3], "shape")],
)
def test_errors(normals, said):
    with pytest.raises(NormalsError, match=said):
        Cone(normals)
