import math

import numpy as np
import pytest
from cones import cross_polytope, cube, random_cone
from hypothesis import given, settings
from hypothesis import strategies as st

from conevol.incidence import incidence
from conevol.kernels import lattice as kernels
from conevol.kernels.general import facet_rows
from conevol.kernels.simplicial import boolean_lattice
from conevol.reduction import reduce_normals


def simplex_sets(d):
    """Ray sets of the d facets of a simplicial cone: all rays but one."""
    every = (1 << d) - 1
    return np.array([[every & ~(1 << i)] for i in range(d)], dtype=np.uint64)


def lattice_of(normals):
    how, _, sets = incidence(reduce_normals(normals).signs)
    assert how in ("float", "exact")
    return kernels.build_lattice(sets[facet_rows(sets)], normals.shape[1], 1e9, 60.0)


def counts(dims):
    """Faces of dimension 1, 2, ..., d."""
    return np.bincount(dims)[1:].tolist()


def check_structure(status, dims, pointer, facets, sibling, parent):
    """What every lattice of a pointed cone satisfies."""
    assert status == kernels.OK
    f = counts(dims)
    # Euler: 1 - f_1 + f_2 - ... + (-1)^d f_d = 0
    assert 1 + sum((-1) ** m * n for m, n in enumerate(f, start=1)) == 0
    below = [set() for _ in dims]
    for face in range(len(dims)):
        entries = facets[pointer[face] : pointer[face + 1]]
        assert (dims[entries] == dims[face] - 1).all()
        below[face] = set(entries.tolist())
        assert len(below[face]) == len(entries)
        assert len(entries) == (0 if dims[face] == 1 else 2) or dims[face] > 2
    for face in range(len(dims)):
        if dims[face] < 3:
            continue
        # Every ridge lies on exactly two facets.
        ridges = [g for h in below[face] for g in below[h]]
        assert all(ridges.count(g) == 2 for g in set(ridges))
    for face in range(len(dims) - 1):
        entry = parent[face]
        owner = int(np.searchsorted(pointer, entry, side="right")) - 1
        assert facets[entry] == face
        peers = facets[pointer[owner] : pointer[owner + 1]]
        for e in range(pointer[face], pointer[face + 1]):
            assert facets[e] in below[peers[sibling[e]]]
            assert peers[sibling[e]] != face


@given(st.integers(0, 2**32 - 1), st.integers(3, 6), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_structure_of_random_cones(seed, d, extra):
    check_structure(*lattice_of(random_cone(np.random.default_rng(seed), d + extra, d)))


@given(st.integers(0, 2**32 - 1), st.integers(3, 5), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_structure_of_integer_cones(seed, d, extra):
    rng = np.random.default_rng(seed)
    a = rng.integers(-2, 3, size=(d + extra, d)).astype(float)
    a[:, 0] = np.abs(a[:, 0]) + 1.0  # contains (1, 0, ..., 0) inside
    if reduce_normals(a).rank == d:
        check_structure(*lattice_of(a))


@given(st.integers(0, 2**32 - 1), st.integers(3, 5))
@settings(max_examples=15, deadline=None)
def test_structure_with_near_repeats(seed, d):
    rng = np.random.default_rng(seed)
    a = random_cone(rng, d + 1, d)
    copies = a + 1e-12 * rng.normal(size=a.shape)
    check_structure(*lattice_of(np.concatenate([a, copies, a[:1]])))


@pytest.mark.parametrize("d", [3, 4, 5, 6])
def test_face_numbers_of_cubes_and_cross_polytopes(d):
    n = d - 1
    faces = [math.comb(n, j) * 2 ** (n - j) for j in range(n + 1)]
    cubes, crosses = lattice_of(cube(d)), lattice_of(cross_polytope(d))
    check_structure(*cubes)
    check_structure(*crosses)
    assert counts(cubes[1]) == faces
    assert counts(crosses[1]) == [*faces[-2::-1], 1]


def test_simplices_agree_with_the_subset_lattice():
    for d in (2, 3, 5):
        status, dims, _, facets, _, _ = kernels.build_lattice(simplex_sets(d), d, 1e6, 1.0)
        subset_dims, _, subset_facets = boolean_lattice(d)
        assert status == kernels.OK
        assert counts(dims) == counts(subset_dims)
        # The subset lattice also has the vertex, a facet of each of the d rays.
        assert len(facets) == len(subset_facets) - d


def test_an_impossible_incidence_is_refused():
    # Four facets of a three-dimensional cone, one pair sharing no ray.
    sets = np.array([[0b0011], [0b0110], [0b1100], [0b0001]], dtype=np.uint64)
    assert kernels.build_lattice(sets, 3, 1e6, 1.0)[0] == kernels.INCONSISTENT


def test_a_lattice_over_budget_is_refused():
    assert kernels.build_lattice(simplex_sets(8), 8, 2e4, 1.0)[0] == kernels.TOO_LARGE
    assert kernels.build_lattice(simplex_sets(8), 8, 1e9, 1e-4)[0] == kernels.TOO_SLOW


def test_a_cone_of_many_facets():
    """All facets come at once, more than the first table of faces has room for."""
    status, dims, *_ = lattice_of(cross_polytope(9))
    assert status == kernels.OK
    assert counts(dims) == [math.comb(8, m) * 2**m for m in range(1, 9)] + [1]
