import itertools
import math

import numpy as np
import pytest
from cones import (
    between,
    chain,
    cross_polytope,
    cube,
    nearly_lineal,
    random_cone,
    rotation,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from conevol import precision
from conevol.budget import Budget
from conevol.engine import RTOL, cone_fraction, fractions
from conevol.reduction import reduce_normals
from conevol.slivers import drop_slivers

SEEDS = st.integers(0, 2**32 - 1)


def certain(normals, **options):
    """Value and bound of a cone that must be computable."""
    value, bound, info = cone_fraction(normals, **options)
    assert info.status == "ok"
    assert 0.0 <= value <= 1.0
    assert bound <= 1e-10 * value + 1e-15 * (info.rank == 0)
    return value, bound


def check_split(a, plane):
    """The parts of a cone on both sides of a plane add up to it."""
    whole, bound = certain(a)
    left, left_bound, _ = cone_fraction(np.vstack([a, plane]))
    right, right_bound, _ = cone_fraction(np.vstack([a, -plane]))
    assert abs(left + right - whole) <= bound + left_bound + right_bound
    assert abs(left + right - whole) <= 1e-13 * whole


def block(a, b):
    """Normals of the product of two cones."""
    return np.block([[a, np.zeros((len(a), b.shape[1]))], [np.zeros((len(b), a.shape[1])), b]])


@pytest.mark.parametrize("d", range(3, 9))
def test_exact_values(d):
    for normals, expected in (
        (cube(d), 1 / (2 * d)),
        (chain(d), 1 / math.factorial(d)),
        (between(d), 1 / (d * (d - 1))),
    ):
        value, bound = certain(normals)
        assert abs(value - expected) <= bound + 2.0**-53 * expected
        assert abs(value / expected - 1) < 1e-14
        assert bound < 5e-14 * value


def test_cross_polytope_is_the_twenty_four_cell():
    value, bound = certain(cross_polytope(4))
    assert abs(value - 1 / 24) <= bound < 1e-14


@given(SEEDS, st.integers(4, 6), st.integers(0, 4))
@settings(max_examples=15, deadline=None)
def test_a_split_is_additive(seed, d, extra):
    rng = np.random.default_rng(seed)
    check_split(random_cone(rng, d + extra, d), rng.normal(size=(1, d)))


@given(SEEDS, st.integers(2, 6), st.integers(1, 8), st.sampled_from([0.0, 1e-6, 1.0]))
@settings(max_examples=8, deadline=None)
def test_sign_patterns_sum_to_one(seed, d, k, width):
    """Of up to 8 half-spaces in 6 dimensions: generic, nearly lineal, small integers."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(k, d))
    a[:, 0] *= width
    if width == 0.0:
        a = rng.integers(-2, 3, size=(k, d)).astype(float)
    a[~a.any(axis=1), 0] = 1.0  # a row of zeros is in both patterns
    total = slack = 0.0
    for signs in itertools.product((1.0, -1.0), repeat=len(a)):
        value, bound, info = cone_fraction(a * np.array(signs)[:, None])
        assert info.status == "ok"
        total, slack = total + value, slack + bound
    assert abs(total - 1.0) <= min(slack + 1e-15, 1e-13)


@given(SEEDS, st.integers(4, 6), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_what_changes_nothing(seed, d, extra):
    rng = np.random.default_rng(seed)
    a = random_cone(rng, d + extra, d)
    value, bound = certain(a)
    weights = rng.random(size=(2, len(a)))
    implied = weights @ a
    for same in (
        a[rng.permutation(len(a))],
        a * 2.0 ** rng.integers(-500, 500, size=(len(a), 1)),
        np.vstack([a, np.zeros((1, d)), 3.0 * a[:2], implied]),
        np.hstack([a, np.zeros((len(a), 2))]),
    ):
        other, other_bound = certain(same)
        assert abs(other - value) <= bound + other_bound
    turned, turned_bound = certain(a @ rotation(rng, d))
    assert abs(turned - value) <= bound + turned_bound + len(a) * d * 1e-15


@given(SEEDS, st.integers(2, 4), st.integers(2, 4), st.integers(0, 2))
@settings(max_examples=15, deadline=None)
def test_products_multiply(seed, d, e, extra):
    rng = np.random.default_rng(seed)
    a, b = random_cone(rng, d + extra, d), random_cone(rng, e + extra, e)
    x, x_bound = certain(a)
    y, y_bound = certain(b)
    both, bound = certain(block(a, b))
    assert abs(both - x * y) <= bound + 1.01 * (x * y_bound + y * x_bound)
    assert abs(both - x * y) <= 1e-13 * both


@given(SEEDS, st.integers(4, 6))
@settings(max_examples=10, deadline=None)
def test_lineality_is_split_off_exactly(seed, d):
    # Order cones of a random permutation, with further comparisons: lineality (1, ..., 1).
    rng = np.random.default_rng(seed)
    order = rng.permutation(d)
    rows = chain(d)[:, order]
    further = np.array([rows[i:j].sum(axis=0) for i, j in ((0, 2), (1, 3))])
    value, bound, info = cone_fraction(np.vstack([rows, further]))
    assert info.rank == d - 1
    assert abs(value * math.factorial(d) - 1) <= bound * math.factorial(d) + 1e-15


@given(SEEDS, st.integers(4, 5), st.integers(0, 2), st.sampled_from([1e-3, 1e-6, 1e-9]))
@settings(max_examples=15, deadline=None)
def test_nearly_lineal_cones_split_additively(seed, d, extra, eps):
    rng = np.random.default_rng(seed)
    check_split(nearly_lineal(rng, d + extra, d, eps), rng.normal(size=(1, d)))


@given(SEEDS, st.integers(4, 5))
@settings(max_examples=8, deadline=None)
def test_near_repeats_and_touching_planes(seed, d):
    rng = np.random.default_rng(seed)
    a = random_cone(rng, d + 1, d)
    value, bound = certain(a)
    copies = a + 1e-12 * rng.normal(size=a.shape)
    crowded, crowded_bound = certain(np.concatenate([a, copies, -copies + 2.0 * a]))
    assert abs(crowded - value) <= bound + crowded_bound + 1e-11
    assert crowded <= value + bound + crowded_bound


@pytest.mark.parametrize("d", [4, 5, 6])
def test_double_double_agrees_within_both_bounds(d):
    rng = np.random.default_rng(d)
    for a in (random_cone(rng, d + 2, d), nearly_lineal(rng, d, d, 1e-6), cube(d)):
        value, bound, _ = cone_fraction(a)
        fine, fine_bound, info = cone_fraction(a, rtol=1e-15)
        assert info.method.endswith("double-double")
        assert abs(fine - value) <= bound + fine_bound
        assert fine_bound <= 1e-15 * fine
        # and the float bound is honest but not idle
        assert bound <= RTOL * fine


@pytest.mark.parametrize("width", [1e-3, 1e-6, 1e-9])
def test_slivers_keep_their_relative_accuracy(width):
    # Two nearly opposite half-spaces times an orthant: an angle in closed form.
    a = np.array([[1.0, 0.0], [-1.0, width]])
    angle = math.atan2(width, 1.0) / (2.0 * math.pi)
    value, bound = certain(block(a, np.eye(3)))
    assert abs(value - angle / 8) <= bound + 2e-16 * angle / 8
    assert abs(value * 8 / angle - 1) < 1e-14


NEEDLE = """
    0x1.e7ae7428170eep-20 -0x1.a53421f8a0b3cp-20 -0x1.edbcf8dfbd150p-1 -0x1.d56d1b5d289edp-1
    -0x1.5679db6fab6b6p-1 -0x1.d915a725b7f31p-24 -0x1.cec24c11a1cacp-23 0x1.020e03fe4c593p-2
    0x1.a0f9428f742f8p-3 -0x1.bcdaed8bae134p-5 -0x1.95d42208ed250p-20 -0x1.2a5529e708c89p-21
    0x1.dee7c50823b19p-5 0x1.28a613286efc5p-1 0x1.451e8590e2955p-1 -0x1.ae390cbb19ebap-20
    -0x1.100692a505664p-21 -0x1.14afe4ec55355p-4 0x1.627d7e2a0f568p-2 0x1.1beaeca4c55fap+0
    0x1.1f2b0f54e8cb9p-24 -0x1.d50aa55cfa7d4p-21 0x1.91f548b683fe2p-2 0x1.d1648f31f7bfcp-3
    0x1.c4ada875c8ab2p-3
"""


def test_a_needle_that_the_subsets_get_negative():
    """About 3.5e-18: elimination and doubles give -2.6e-17."""
    a = np.array([float.fromhex(x) for x in NEEDLE.split()]).reshape(5, 5)
    value, bound, _ = cone_fraction(a)
    exact = precision.fraction(a, 20)
    assert 3e-18 < value < 4e-18
    assert abs(exact - value) <= bound
    assert abs(exact - value) <= 1e-13 * value


@pytest.mark.parametrize("eps", [1e-12, 1e-13])
@pytest.mark.parametrize("extra", [0, 1])
def test_rays_that_all_but_make_a_line(extra, eps):
    a = nearly_lineal(np.random.default_rng([4, 4 + extra, 0]), 4 + extra, 4, eps)
    value, bound, _ = cone_fraction(a)
    assert bound <= 1e-11 * value
    # Any plane through it splits it.
    plane = np.array([[0.3, -0.7, 0.2, 0.6]])
    parts = [cone_fraction(np.vstack([a, sign * plane])) for sign in (1.0, -1.0)]
    assert abs(parts[0][0] + parts[1][0] - value) <= bound + parts[0][1] + parts[1][1]


@given(SEEDS, st.integers(4, 5), st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_batches_of_any_cones_equal_single_ones(seed, d, extra):
    rng = np.random.default_rng(seed)
    a = np.stack([random_cone(rng, d + extra, d) for _ in range(6)])
    a[1, 0] = a[1, 1]  # a row less
    a[2] = rng.standard_normal((d + extra, d))  # perhaps no interior
    a[3, 0] = a[3, 1] * (1.0 + 2e-16)  # parallel up to rounding
    a[4, :, 0] = 0.0  # a line inside
    values, bounds, methods, ranks, faces, nodes = fractions(a, threads=2)
    for i, normals in enumerate(a):
        value, bound, info = cone_fraction(normals)
        assert (values[i], bounds[i], methods[i]) == (value, bound, info.method)
        assert (ranks[i], faces[i], nodes[i]) == (info.rank, info.faces, info.nodes)


def test_a_plane_given_twice_with_another_rounding():
    a = random_cone(np.random.default_rng(8), 6, 5)
    value, bound = certain(a)
    twice, twice_bound = certain(np.concatenate([a, a / 3.0, a / 7.0]))
    assert abs(twice - value) <= bound + twice_bound
    assert twice_bound < 1e-12 * value + 1e-14


def test_no_interior_is_exactly_zero():
    assert cone_fraction(np.vstack([np.eye(4), -np.ones((1, 4))]))[:2] == (0.0, 0.0)
    assert cone_fraction(np.vstack([np.eye(5), -np.eye(5)[2:3]]))[:2] == (0.0, 0.0)
    assert cone_fraction(np.array([[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]))[:2] == (0.0, 0.0)


def test_few_half_spaces():
    assert cone_fraction(np.zeros((2, 5)))[:2] == (1.0, 0.0)
    assert cone_fraction(np.array([[0.0, 1e-300, 0.0, 0.0]]))[:2] == (0.5, 0.0)
    value, bound = certain(np.array([[1.0, 0, 0, 0, 0], [1.0, 1.0, 0, 0, 0]]))
    assert abs(value - 3 / 8) <= bound


def test_a_budget_is_respected():
    for budget, said in (
        (Budget(memory=1e5), "takes more than 1e+05 bytes"),
        (Budget(seconds=1e-4), "takes more than an estimated 0.0001 s"),
        (Budget(seconds=1e-8), "its rays take more than the 2e+09 bytes or the estimated 1e-08 s"),
        (Budget(memory=1e3), "its at least 2^7 faces take about 5.1e+04 bytes, 1e+03 are"),
    ):
        value, bound, info = cone_fraction(cube(7), budget)
        assert math.isnan(value)
        assert bound == 1.0
        assert info.status == "too large"
        assert said in info.why


@pytest.mark.parametrize("d", [4, 5, 7])
def test_a_row_space_deficient_up_to_rounding_is_paid_for_in_the_bound(d):
    normals = np.vstack([chain(d), between(d)]) @ rotation(np.random.default_rng(d), d)
    reduced = reduce_normals(normals)
    assert reduced.rank == d - 1
    assert 0.0 < reduced.moved < 1e-13
    value, bound, info = cone_fraction(normals)
    assert info.rank == d - 1
    assert bound >= reduced.moved / math.pi
    assert abs(value - 1 / math.factorial(d)) <= bound


@pytest.mark.parametrize("d", [5, 6, 7, 8])
def test_implied_half_spaces_that_rounding_makes_slivers_are_dropped(d):
    """Which rotations leave slivers without distances depends on the last bits of each."""
    rng = np.random.default_rng(d)
    dropped = 0
    for _ in range(40):
        turned = np.vstack([chain(d), between(d)]) @ rotation(rng, d)
        value, bound, info = cone_fraction(turned)
        assert info.status == "ok"
        assert abs(value - 1 / math.factorial(d)) <= bound < 1e-11
        thicker = drop_slivers(reduce_normals(turned, merge=True), Budget())
        if thicker is not None:
            dropped += 1
            assert set(range(d - 1)) <= set(thicker.kept)
    assert dropped > 20


def test_a_facet_is_no_sliver():
    for eps in (1e-12, 1e-3, 1.0):
        normals = np.vstack([np.eye(4), [1.0, 1.0, 1.0, -eps]])
        assert drop_slivers(reduce_normals(normals), Budget()) is None


def test_a_refinement_that_fails_is_not_preferred():
    """Its bound was -8e259 here; the cone's fraction is some 1e-29."""
    digits = [
        ["0x1.1b44f8cee2bb2p-1", "0", "0", "0"],
        ["0x1.f890925727709p+0", "-0x1.0b53c9276a00ap+0", "0x1.1b44f8fe690f5p-1", "0"],
        ["0x1.f89092abce549p+0", "-0x1.0b53c954439f5p+0", "0x1.1b44f8cee2bb2p-1", "0"],
        ["-0x1.dc2b172352c69p+1", "0x1.f89092abce549p+0", "-0x1.0b53c954439f5p+0",
         "0x1.1b44f8cee2bb2p-1"],
        ["0x1.dc2b16d36f807p+1", "-0x1.f890925727709p+0", "0x1.0b53c9276a00ap+0",
         "-0x1.1b44f8fe690f5p-1"],
    ]  # fmt: skip
    value, bound, _ = cone_fraction(np.array([[float.fromhex(x) for x in row] for row in digits]))
    assert 0.0 <= value <= 1e-20
    assert 0.0 < bound <= 1e-20
