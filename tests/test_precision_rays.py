"""Exact rays and facets against brute force."""

import itertools

import numpy as np
import pytest
import sympy

from conevol.precision._lattice import face_lattice, ridges
from conevol.precision._numbers import exact_rows
from conevol.precision._rays import describe
from conevol.precision._vectors import dot, primitive


def rays_by_brute_force(rows, d):
    """Of a pointed cone: every d - 1 independent rows give a line, and its halves are tried."""
    found = set()
    for chosen in itertools.combinations(rows, d - 1):
        kernel = sympy.Matrix(chosen).nullspace()
        if len(kernel) == 1:
            line = kernel[0] * sympy.ilcm(*(x.q for x in kernel[0]))
            for sign in (1, -1):
                ray = primitive([int(sign * x) for x in line])
                if all(dot(row, ray) >= 0 for row in rows):
                    found.add(ray)
    return found


def degenerate_cones():
    """Small integers give coplanar normals, rays on many facets, cones without interior."""
    rng = np.random.default_rng(11)
    for d, k, count in ((3, 8, 30), (4, 8, 30), (5, 9, 8)):
        for _ in range(count):
            normals = rng.integers(-1, 2, size=(k, d))
            inside = rng.integers(-1, 2, size=d)
            normals[normals @ inside < 0] *= -1
            yield normals, d
    # The cross-polytope's cone is not simple; rows that come late cut its rays apart.
    signs = np.array([[*s, 1] for s in itertools.product([1, -1], repeat=3)])
    yield np.vstack([signs, [[0, 0, 1, 0], [1, 1, 0, 0], [1, -1, 0, 0], [2, 1, 0, 1]]]), 4
    # A redundant row holds a square of the cube's cone: the ends of the square's diagonals
    # lie on three common rows, and yet are not adjacent when the last row parts them.
    cube = np.array([[*s * row, 1] for row in np.eye(4, dtype=int) for s in (1, -1)])
    yield np.vstack([cube, cube[0] + cube[2], [0, 0, 2, 2, 1]]), 5


def test_rays_are_all_and_only_the_extreme_ones():
    pointed = empty = 0
    for normals, d in degenerate_cones():
        rows, _ = exact_rows(normals)
        if sympy.Matrix(rows).rank() < d:
            continue
        cone, expected = describe(rows, d), rays_by_brute_force(rows, d)
        middle = [sum(column) for column in zip(*expected, strict=True)]
        if not expected or any(dot(row, middle) == 0 for row in rows):
            assert cone is None
            empty += 1
        else:
            assert len(set(cone.rays)) == len(cone.rays)
            assert set(cone.rays) == expected
            pointed += 1
    assert pointed >= 20
    assert empty >= 5


def test_lattices_are_consistent():
    """Euler's relation, and two facets of a face at every ridge of it."""
    for normals, d in degenerate_cones():
        cone = describe(*exact_rows(normals))
        if cone is None or cone.rank < d:
            continue
        levels = face_lattice(cone.incidence, len(cone.rays), cone.rank)
        assert [len(levels[1]), len(levels[d - 1])] == [len(cone.rays), len(cone.facets)]
        assert sum((-1) ** i * len(level) for i, level in enumerate(levels)) == 0
        for dimension in range(2, d + 1):
            for face in levels[dimension]:
                for ridge, first, second in ridges(levels, dimension, face):
                    facets = levels[dimension][face]
                    assert facets[first] & facets[second] == ridge


@pytest.mark.parametrize("d", [3, 5])
def test_rays_are_orthogonal_to_the_lineality(d):
    rng = np.random.default_rng(d)
    rows, _ = exact_rows(rng.integers(-5, 6, size=(d - 1, d)))
    cone = describe(rows, d)
    (line,) = sympy.Matrix(rows).nullspace()
    assert cone.rank == d - 1 == len(cone.rays)
    assert all(sympy.Matrix([ray]).dot(line) == 0 for ray in cone.rays)
