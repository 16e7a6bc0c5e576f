"""Points drawn in cones: inside, Gaussian, and shared out by fractions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cones import between, chain, cross_polytope, cube, nearly_lineal, random_cone
from scipy import stats

from conevol import Cone, cone_sampling
from conevol.boundary import boundary_of, face_lattice
from conevol.errors import FractionError, NormalsError

RNG = np.random.default_rng(9)
CONES = {
    "quadrant": np.eye(2),
    "thin wedge": np.array([[1.0, 0], [-1, 1e-12]]),
    "octant": np.eye(3) + 0.0,
    "needle 3": random_cone(RNG, 5, 3) * [1.0, 1e-6, 1.0] @ np.diag([1, 1, 1e6]),
    "needle 4": random_cone(RNG, 6, 4) * [1e-5, 1.0, 1.0, 1.0],
    "orthant 5": np.eye(5),
    "random 5": random_cone(RNG, 8, 5),
    "cube 6": cube(6) * [0.1, 1, 1, 1, 1, 1],
    "needle 6": cube(6) * [0.005, 1, 1, 1, 1, 1],
    "24-cell": cross_polytope(4),
    "order": chain(5),
    "with a line": between(6),
    "nearly lineal": nearly_lineal(RNG, 5, 4, 1e-3),
    "wide": np.eye(5)[:1],
    "all": np.empty((0, 3)),
}
COUNT = 20_000


@pytest.mark.parametrize("name", CONES)
def test_points_are_gaussian_in_the_cone(name):
    cone = Cone(CONES[name])
    x = cone.sample(COUNT, rng=1)
    assert x.shape == (COUNT, cone.dimension)
    units = cone.normals / np.linalg.norm(cone.normals, axis=1)[:, None]
    assert (x @ units.T).min(initial=0.0) > -1e-13
    assert stats.kstest((x**2).sum(axis=1), stats.chi2(cone.dimension).cdf).pvalue > 1e-4
    if len(cone.lineality):
        along = (x @ cone.lineality.T).ravel()
        assert stats.kstest(along, stats.norm.cdf).pvalue > 1e-4
    # Either side of planes through the cone gets its share.
    rng = np.random.default_rng(2)
    for _ in range(3):
        normal = _plane_through(cone, rng)
        share = cone.split(normal)[0].fraction / cone.fraction
        assert 1e-3 < share < 1 - 1e-3
        hits = int((x @ normal >= 0.0).sum())
        assert stats.binomtest(hits, COUNT, share).pvalue > 1e-5


def _plane_through(cone, rng):
    """A normal with a good part of the cone on both sides: through a point well inside.

    In a basis of points of the cone, so that it is no wider than the cone.
    """
    basis = cone.sample(cone.dimension, rng)
    weights = rng.normal(size=cone.dimension)
    inside = np.linalg.solve(basis.T, cone.sample(100, rng).mean(axis=0))
    weights -= (weights @ inside) / (inside @ inside) * inside
    return np.linalg.solve(basis, weights)


@pytest.mark.parametrize("d", [3, 4, 5, 6])
def test_tiny_cones_take_no_longer(d):
    scale = np.ones(d)
    scale[0] = 1e-12 ** (1 / (d - 1))
    cone = Cone(cube(d) * scale)
    assert 1e-14 < cone.fraction < 1e-11
    pieces = cone.rays[cone_sampling.triangulation(cone._lattice)]
    tries = []

    class Counting:
        def __init__(self):
            self.rng = np.random.default_rng(1)

        def __getattr__(self, name):
            return getattr(self.rng, name)

        def random(self, n):
            tries.append(n)
            return self.rng.random(n)

    x = cone_sampling.in_pieces(cone_sampling.compact_pieces(pieces), 5000, Counting())
    assert 5000 / sum(tries) > 0.8
    # A cube across: the coordinates over the first are uniform.
    for i in range(1, d):
        assert stats.kstest(x[:, i] / x[:, 0] / scale[0], stats.uniform(-1, 2).cdf).pvalue > 1e-4


def test_an_orthant_keeps_a_good_part_of_the_tries():
    """One in ten in ten dimensions; the simplex over all of it is the piece."""
    d = 10
    pieces = np.eye(d)[None]
    assert len(cone_sampling.compact_pieces(pieces)) == 1
    solid = 2 * math.pi ** (d / 2) / math.gamma(d / 2) / 2**d
    simplex = math.sqrt(d) ** d / math.factorial(d - 1)
    assert solid / simplex == pytest.approx(0.09, abs=0.005)


@pytest.mark.parametrize("d", [5, 7, 10])
def test_coordinates_in_an_orthant_are_independent_half_normal(d):
    x = Cone(np.eye(d)).sample(COUNT, rng=0)
    assert stats.kstest(x.ravel(), stats.halfnorm.cdf).pvalue > 1e-4
    # Sharper than the marginals: any wrong weight of the corners moves the extremes.
    assert stats.kstest(x.max(axis=1), lambda t: stats.halfnorm.cdf(t) ** d).pvalue > 1e-4
    assert stats.kstest(x.min(axis=1), lambda t: 1 - stats.halfnorm.sf(t) ** d).pvalue > 1e-4


@pytest.mark.parametrize("name", ["random 5", "cube 6", "24-cell", "needle 4"])
def test_a_triangulation_adds_up(name):
    cone = Cone(CONES[name])
    boundary = boundary_of(cone.normals)
    pieces = boundary.rays[cone_sampling.triangulation(face_lattice(boundary))]
    parts = [Cone.from_rays(piece) for piece in pieces]
    assert sum(p.fraction for p in parts) == pytest.approx(cone.fraction, rel=1e-9)
    halves = cone_sampling.compact_pieces(np.eye(3)[None] - 0.49)
    assert len(halves) > 1


def test_a_thin_wide_cone_is_tried_instead(monkeypatch):
    cone = Cone(np.eye(6))
    monkeypatch.setattr(cone_sampling, "MAX_PIECES", 0)
    x = cone.sample(100, rng=0)
    assert cone.contains(x).all()
    with pytest.raises(FractionError, match="pieces: no points can be drawn"):
        Cone(CONES["needle 6"]).sample(1)


def test_generators_and_counts():
    cone = Cone(CONES["random 5"])
    assert (cone.sample(7, 3) == cone.sample(7, np.random.default_rng(3))).all()
    assert (cone.sample(7, 3) != cone.sample(7, 4)).any()
    assert cone.sample(0).shape == (0, 5)
    with pytest.raises(NormalsError, match="n is -1"):
        cone.sample(-1)
    with pytest.raises(FractionError, match="interior of the cone is empty"):
        Cone([[1, 0], [-1, 0]]).sample(1)
