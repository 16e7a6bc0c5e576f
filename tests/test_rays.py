import itertools

import numpy as np
import pytest
from cones import between, chain, cross_polytope, cube, random_cone
from hypothesis import given, settings
from hypothesis import strategies as st

from conevol.exact_rays import exact_rays, independent, integer_rows
from conevol.incidence import incidence
from conevol.kernels import rays as kernels
from conevol.reduction import reduce_normals

SEEDS = st.integers(0, 2**32 - 1)


def ray_masks(sets):
    """Incidence as a set of facet masks, one a ray, whatever the rays' order."""
    rows, words = sets.shape
    masks = set()
    for i in range(64 * words):
        mask = sum(1 << r for r in range(rows) if int(sets[r, i >> 6]) >> (i & 63) & 1)
        if mask:
            masks.add(mask)
    return masks


@given(SEEDS, st.integers(3, 6), st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_float_and_exact_rays_agree(seed, d, extra):
    a = random_cone(np.random.default_rng(seed), d + extra, d)
    rows = reduce_normals(a).signs
    how, rays, sets = incidence(rows)
    vectors, masks = exact_rays(integer_rows(rows))
    assert how == "float"
    assert ray_masks(sets) == set(masks)
    assert len(rays) == len(vectors)
    assert (rows @ rays.T > -1e-12).all()


@pytest.mark.parametrize(
    ("normals", "rays", "facets"),
    [(cube(4), 8, 6), (cube(6), 32, 10), (cross_polytope(4), 6, 8), (cross_polytope(5), 8, 16)],
    ids=["cube4", "cube6", "cross4", "cross5"],
)
def test_rays_of_regular_cones(normals, rays, facets):
    how, found, sets = incidence(reduce_normals(normals).signs)
    assert how == "exact"
    assert len(found) == rays
    assert len(sets) == facets
    on_facet = np.array([sum(int(w).bit_count() for w in row) for row in sets])
    assert (on_facet == on_facet[0]).all()


def test_more_rays_than_a_word_holds():
    how, rays, sets = incidence(reduce_normals(cube(8)).signs)
    assert (how, len(rays), sets.shape) == ("exact", 128, (14, 2))
    assert all(sum(int(w).bit_count() for w in row) == 64 for row in sets)


def test_half_space_that_touches_only_a_ray_keeps_it():
    # x >= 0 in three dimensions, and a fourth plane through the ray e_1 only.
    a = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=float)
    how, rays, sets = incidence(reduce_normals(a).signs)
    assert how == "exact"
    assert len(rays) == 3
    assert int(sets[3, 0]).bit_count() == 1


@pytest.mark.parametrize("step", [-1, 0, 1])
def test_a_sign_decided_by_the_last_bit(step):
    # The last plane passes the ray (1, 1, 1, 1) of the order cone above, through, or below it.
    a = np.array([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1], [0, 0, 0, 1.0]])
    last = np.array([1.0, 1.0, 1.0, -3.0])
    if step:
        last[3] = np.nextafter(-3.0, step * np.inf)
    how, rays, sets = incidence(reduce_normals(np.vstack([a, last])).signs)
    assert how == "exact"
    assert int(sets[4, 0]).bit_count() == {1: 0, 0: 1, -1: 3}[step]
    assert len(rays) == {1: 4, 0: 4, -1: 6}[step]


def test_empty_interior_is_certain():
    a = np.vstack([np.eye(4), -np.ones((1, 4))])
    assert incidence(reduce_normals(a).signs)[0] == "empty"
    flat = np.vstack([np.eye(4), -np.eye(4)[:1]])
    assert incidence(reduce_normals(flat).signs)[0] == "empty"


def test_too_many_rays_is_said():
    a = random_cone(np.random.default_rng(3), 40, 6)
    assert incidence(reduce_normals(a).signs, max_rays=50)[0] == "too large"


def test_integer_rows_keep_direction_at_any_scale():
    a = np.array([[3e-300, -6e-300, 0.0], [0.1, 0.2, 1e300], [2.0, 4.0, 6.0]])
    rows = integer_rows(a)
    assert rows[0] == [1, -2, 0] or rows[0][1] < 0 < rows[0][0]
    assert rows[2] == [1, 2, 3]
    assert all(isinstance(x, int) for row in rows for x in row)


def test_rank_of_order_cones():
    for d in range(2, 7):
        assert len(independent(integer_rows(chain(d)))[0]) == d - 1
        assert reduce_normals(between(d + 1)).rank == d


def test_scaling_is_exact_and_drops_repeats():
    a = np.array([[3.0, 1.0], [0.0, 0.0], [6.0, 2.0], [2.0**-1070, 0.0], [1e308, 1e308]])
    out = np.empty_like(a)
    n = kernels.scale_rows(a, out, np.empty(len(a), np.int64))
    assert n == 3
    assert out[0].tolist() == [0.75, 0.25]
    assert out[2].tolist() == out[2, ::-1].tolist()
    assert out[1].tolist() == [0.5, 0.0]


@given(SEEDS, st.integers(3, 5), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_small_integer_normals(seed, d, extra):
    # Degenerate by design: entries -1, 0, 1 make coplanar normals and crowded rays.
    rng = np.random.default_rng(seed)
    a = rng.integers(-1, 2, size=(d + extra, d)).astype(float)
    reduced = reduce_normals(a)
    if reduced.rank < 2:
        return
    how, _, sets = incidence(reduced.signs)
    vectors, masks = exact_rays(integer_rows(reduced.signs))
    assert (how == "empty") == (not vectors)
    assert how == "empty" or ray_masks(sets) == set(masks)
    for v, mask in zip(vectors, masks, strict=True):
        dots = [
            sum(x * y for x, y in zip(row, v, strict=True)) for row in integer_rows(reduced.signs)
        ]
        assert all(s >= 0 for s in dots)
        assert mask == sum(1 << i for i, s in enumerate(dots) if s == 0)


def test_brute_force_incidence():
    # Every subset of d - 1 planes that meets in a feasible ray, found the slow way.
    a = random_cone(np.random.default_rng(11), 8, 4)
    expected = set()
    for rows in itertools.combinations(range(8), 3):
        v = np.linalg.svd(a[list(rows)])[2][3]
        for x in (v, -v):
            if all(i in rows or a[i] @ x > 0 for i in range(8)):
                expected.add(sum(1 << i for i in rows))
    assert ray_masks(incidence(reduce_normals(a).signs)[2]) == expected
