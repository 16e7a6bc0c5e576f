"""Fractions of cones: exact values, 30 digits beside them, laws, and what is refused."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import FAMILIES, SEEDS, cones, normals, rotations

import conevol
from conevol.errors import ConevolError, NormalsError
from conevol.precision import fraction as precise

EPS = 2.0**-52
# Cones of each family; those with 64 sides are slow in 30 digits.
COUNTS = {"many_sides": 30, "many_rows": 100}
RELATIVE = [
    "generic",
    "generic_triangle",
    "many_sides",
    "tiny_1e7",
    "tiny_1e12",
    "tiny_any",
    "tiny_at_axis",
    "needle",
    "nearly_flat_lune",
    "two_rows",
]


def value_and_bound(rows):
    return conevol.fraction(rows, error_bound=True)


@pytest.fixture(scope="module")
def measured():
    """Of a family: values, bounds, exact fractions (as floats) and true errors; kept."""
    known = {}

    def measure(name):
        if name not in known:
            rng = np.random.default_rng(20240 + len(name))
            a = FAMILIES[name](rng, COUNTS.get(name, 200))
            values, bounds = value_and_bound(a)
            with mpmath.workdps(40):
                exact = [precise(rows, 30) for rows in a]
                errors = [abs(mpmath.mpf(float(v)) - e) for v, e in zip(values, exact, strict=True)]
            as_floats = (np.array([float(x) for x in xs]) for xs in (exact, errors))
            known[name] = (values, bounds, *as_floats)
        return known[name]

    return measure


# --- exact values ---------------------------------------------------------------------------

OCTANT = np.eye(3)
ROOT2, ROOT3 = math.sqrt(2), math.sqrt(3)
EXACT = {
    "the whole space": (np.zeros((0, 3)), 1.0),
    "only zero rows": (np.zeros((4, 3)), 1.0),
    "half-space": ([[0.3, -2.0, 5.0]], 1 / 2),
    "the same half-space three times": ([[1, 2, 3], [2, 4, 6], [0.5, 1, 1.5]], 1 / 2),
    "two perpendicular": ([[1, 0, 0], [0, 1, 0]], 1 / 4),
    "lune of 45 degrees": ([[1, 0, 0], [-1, 1, 0]], 1 / 8),
    "lune of 135 degrees": ([[1, 0, 0], [1, 1, 0]], 3 / 8),
    "lune of 60 degrees, skew": ([[1, -1, 0], [0, 1, -1]], 1 / 6),
    "lune of 120 degrees, skew": ([[1, 0, -1], [0, 1, -1]], 1 / 3),
    "octant": (OCTANT, 1 / 8),
    "opposite octant": (-OCTANT, 1 / 8),
    "octant with a zero row": ([*OCTANT, [0, 0, 0]], 1 / 8),
    "octant with every row twice": ([*OCTANT, *(2 * OCTANT)], 1 / 8),
    "octant with a redundant row": ([*OCTANT, [1, 1, 1]], 1 / 8),
    "octant with a touching row": ([*OCTANT, [1, 1, 0]], 1 / 8),
    "half an octant": ([*OCTANT, [1, -1, 0]], 1 / 16),
    "sixth of an octant": ([*OCTANT, [1, -1, 0], [0, 1, -1]], 1 / 48),
    "order of three": ([[1, -1, 0], [0, 1, -1]], 1 / 6),
    "largest of three": ([[1, -1, 0], [1, 0, -1]], 1 / 3),
    "cone over the cube": ([[1, 0, 1], [-1, 0, 1], [0, 1, 1], [0, -1, 1]], 1 / 6),
    "chamber of the tetrahedron's group": ([[1, -1, 0], [0, 1, -1], [0, 1, 1]], 1 / 24),
    "half-space and its opposite: flat": ([[1, 2, 3], [-1, -2, -3]], 0.0),
    "flat wedge": ([[1, 0, 0], [-2, 0, 0], [0, 1, 0]], 0.0),
    "a plane's half": ([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1]], 0.0),
    "a ray": ([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]], 0.0),
    "the origin only": ([[1, 1, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]], 0.0),
    "three contradicting in a pencil": ([[1, 0, 0], [-1, 1, 0], [0, -1, 0]], 0.0),
    "pencil that leaves a lune": ([[1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 1, 0]], 1 / 4),
    "lune cut in half across": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 1 / 8),
    "d = 1, ray": ([[7.0]], 1 / 2),
    "d = 1, line": ([[0.0]], 1.0),
    "d = 1, point": ([[1.0], [-1.0]], 0.0),
    "d = 1, no row": (np.zeros((0, 1)), 1.0),
    "d = 2, plane": (np.zeros((0, 2)), 1.0),
    "d = 2, half": ([[1, 1]], 1 / 2),
    "d = 2, quadrant": ([[1, 0], [0, 1]], 1 / 4),
    "d = 2, 45 degrees": ([[1, 0], [-1, 1]], 1 / 8),
    "d = 2, 60 degrees": ([[ROOT3, -1], [0, 1]], 1 / 6),
    "d = 2, half-line": ([[1, 0], [-1, 0], [0, 1]], 0.0),
    "d = 2, lengths 1e-300 and 1e300": ([[1e-300, 0], [0, 1e300]], 1 / 4),
    "octant, lengths 1e-300, 1, 1e300": (np.diag([1e-300, 1.0, 1e300]), 1 / 8),
    "cone over the cube, odd lengths": (
        [[1e300, 0, 1e300], [-1e-300, 0, 1e-300], [0, 7, 7], [0, -1e-9, 1e-9]],
        1 / 6,
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_value(name):
    rows, exact = EXACT[name]
    value, bound = value_and_bound(rows)
    assert isinstance(value, float)
    assert isinstance(bound, float)
    # The exact value in the table is itself rounded.
    assert abs(value - exact) <= bound + EPS * exact
    assert bound <= 1e-14 * exact
    if exact in (0.0, 0.5, 1.0):
        assert value == exact


@pytest.mark.parametrize("cosine", [-0.49, -1 / 3, 0.0, 0.25, 0.5, 0.9, 1 - 1e-9, 1 - 1e-15])
def test_equicorrelated_cone_has_three_equal_angles(cosine):
    """Orthant probability of three equal correlations: 1/8 + 3 asin(r) / (4 pi)."""
    angle = np.linalg.cholesky(np.full((3, 3), cosine) + (1 - cosine) * np.eye(3))
    value, bound = value_and_bound(angle)
    exact = precise(angle, 30)
    assert abs(value - exact) <= bound
    assert value == pytest.approx(0.125 + 3 * math.asin(cosine) / (4 * math.pi), abs=1e-8)


@pytest.mark.parametrize("order", [3, 4, 5, 8, 17, 64])
def test_cone_over_regular_polygon(order):
    """All edges turn by the same angle, so Girard's theorem is one arc cosine."""
    turn = 2 * np.pi * np.arange(order) / order
    rows = np.stack([np.cos(turn), np.sin(turn), np.ones(order)], axis=1)
    inner = math.acos(-0.5 * (math.cos(2 * math.pi / order) + 1.0))
    exact = (order * inner - (order - 2) * math.pi) / (4 * math.pi)
    assert conevol.fraction(rows) == pytest.approx(exact, abs=1e-14)


# --- thirty digits beside them --------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_error_within_bound(name, measured):
    values, bounds, _, errors = measured(name)
    assert (errors <= bounds).all()
    assert ((values >= 0) & (values <= 1)).all()
    assert (bounds >= 0).all()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_empty_interior_is_zero_and_nothing_else_is(name, measured):
    values, _, exact, _ = measured(name)
    np.testing.assert_array_equal(values > 0, exact > 0)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_absolute_error_is_near_rounding(name, measured):
    """The dihedral angles of given rows have absolute errors near 1e-16, so the area has."""
    _, bounds, _, errors = measured(name)
    assert errors.max() <= 1e-14
    assert bounds.max() <= 1e-13


@pytest.mark.parametrize("name", RELATIVE)
def test_relative_error_is_near_rounding(name, measured):
    _, bounds, exact, errors = measured(name)
    kept = exact > 0
    assert kept.sum() >= 20
    assert (errors[kept] <= 1e-14 * exact[kept]).all()
    assert np.median(bounds[kept] / exact[kept]) <= 1e-13


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_bound_is_honest(name, measured):
    """In the median within a factor 1000 of the true error, or of one rounding."""
    _, bounds, exact, errors = measured(name)
    kept = exact > 0
    assert np.median(bounds[kept] / np.maximum(errors[kept], EPS * exact[kept])) <= 1000


@settings(deadline=None, max_examples=300)
@given(cones())
def test_error_within_bound_for_any_cone(rows):
    value, bound = value_and_bound(rows)
    exact = precise(rows, 30)
    assert abs(value - exact) <= bound
    assert (value > 0) == (exact > 0)
    assert bound <= 1e-13


@settings(deadline=None, max_examples=100)
@given(normals(d=2))
def test_error_within_bound_in_the_plane(rows):
    value, bound = value_and_bound(rows)
    exact = precise(rows, 30)
    assert abs(value - exact) <= bound
    assert bound <= 8 * EPS * float(exact)


@pytest.mark.parametrize("size", [100, 160, 200, 250, 300])
def test_error_within_bound_when_products_underflow(size):
    """Entries of one row of 10^-size and 1: their products are below the smallest float."""
    tiny = 10.0**-size
    cases = [
        [[1, 0, tiny], [-1, 0, tiny], [0, 1, 0]],
        [[1, 2, -2 * tiny], [tiny, -1, 0], [2 * tiny, -tiny, tiny], [-2 * tiny, -1, 2 * tiny]],
        [[2 * tiny, -1, 0], [0, -tiny, 2 * tiny], [-tiny, -2, 1]],
        *(np.random.default_rng(size).integers(-2, 3, (200, 4, 3)) * [1, tiny, 1]),
        *(np.random.default_rng(size).integers(-2, 3, (200, 4, 3)) * [1, tiny**0.5, tiny]),
    ]
    for rows in cases:
        value, bound = value_and_bound(rows)
        assert math.isfinite(value)
        assert abs(value - precise(rows, 30)) <= bound


@pytest.mark.parametrize("power", [-1060, -1040, -1023, -1000, -500, 500, 1000, 1020])
def test_any_power_of_two_changes_nothing(power):
    """Down to the subnormal numbers, which hold small integers exactly."""
    for rows in FAMILIES["small_integers"](np.random.default_rng(power + 2000), 50):
        assert value_and_bound(np.ldexp(rows, power)) == value_and_bound(rows)


# --- laws -----------------------------------------------------------------------------------


def agree(first, second):
    """Both results hold within both bounds."""
    (a, a_bound), (b, b_bound) = first, second
    return abs(a - b) <= a_bound + b_bound + EPS * max(a, b)


@settings(deadline=None, max_examples=100)
@given(cones())
def test_sign_patterns_of_an_arrangement_fill_space(rows):
    rows = rows[rows.any(axis=1)][:4]
    patterns = np.array(list(itertools.product([1.0, -1.0], repeat=len(rows))))
    values, bounds = value_and_bound(patterns[:, :, None] * rows)
    assert abs(math.fsum(values) - 1.0) <= math.fsum(bounds) + EPS


@settings(deadline=None, max_examples=100)
@given(cones(), normals(max_rows=1))
def test_splitting_is_additive(rows, plane):
    assume(len(plane) == 1 and plane.any())
    whole, whole_bound = value_and_bound(rows)
    (left, right), bounds = value_and_bound(
        [np.concatenate([rows, plane]), np.concatenate([rows, -plane])]
    )
    assert abs(left + right - whole) <= whole_bound + bounds.sum() + 2 * EPS * whole


@settings(deadline=None, max_examples=100)
@given(cones(), st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([1.0, -1.0])] * 3))
def test_exact_rotation_and_reflection_change_nothing(rows, axes, flips):
    assert agree(value_and_bound(rows), value_and_bound(rows[:, axes] * np.array(flips)))


@settings(deadline=None, max_examples=100)
@given(SEEDS)
def test_integer_rotation_changes_nothing(seed):
    rows = FAMILIES["small_integers"](np.random.default_rng(seed), 1)[0]
    turn = np.array([[2.0, -1, 2], [2, 2, -1], [-1, 2, 2]])  # three times an orthogonal matrix
    assert agree(value_and_bound(rows), value_and_bound(rows @ turn))


def test_any_rotation_changes_nothing_beyond_rounding():
    rng = np.random.default_rng(5)
    rows = FAMILIES["generic"](rng, 500)
    turned = rows @ rotations(rng, 500)
    np.testing.assert_allclose(conevol.fraction(rows), conevol.fraction(turned), atol=1e-14)


@settings(deadline=None, max_examples=100)
@given(cones(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    assert agree(value_and_bound(rows), value_and_bound(rows[order]))


@settings(deadline=None, max_examples=100)
@given(cones(), st.lists(st.integers(-60, 60), min_size=64, max_size=64))
def test_positive_scaling_of_rows_changes_nothing(rows, powers):
    factors = 2.0 ** np.array(powers[: len(rows)]).reshape(-1, 1)
    scaled = rows * factors
    assume((scaled / factors == rows).all() and np.isfinite(scaled).all())
    assert agree(value_and_bound(rows), value_and_bound(scaled))


@settings(deadline=None, max_examples=100)
@given(SEEDS, st.lists(st.integers(0, 5), min_size=5, max_size=5))
def test_redundant_row_changes_nothing(seed, weights):
    """A sum of rows is implied by them; integer rows have it exactly."""
    rows = FAMILIES["small_integers"](np.random.default_rng(seed), 1)[0]
    implied = np.array(weights, dtype=float) @ rows
    for longer in ([*rows, implied], [implied, *rows]):
        assert agree(value_and_bound(rows), value_and_bound(longer))


@settings(deadline=None, max_examples=100)
@given(cones(), st.integers(0, 63))
def test_repeating_a_row_changes_nothing(rows, which):
    assume(len(rows))
    assert value_and_bound([*rows, rows[which % len(rows)]]) == value_and_bound(rows)


@settings(deadline=None, max_examples=100)
@given(cones())
def test_a_subset_is_no_larger(rows):
    assume(len(rows))
    (small, small_bound), (large, large_bound) = (value_and_bound(r) for r in (rows, rows[:-1]))
    assert small <= large + small_bound + large_bound


@settings(deadline=None, max_examples=50)
@given(cones())
def test_the_opposite_cone_is_as_large(rows):
    assert agree(value_and_bound(rows), value_and_bound(-rows))


@settings(deadline=None, max_examples=50)
@given(normals(d=2))
def test_a_cylinder_is_as_large_as_its_base(rows):
    cylinder = np.concatenate([rows, np.zeros((len(rows), 1))], axis=1)
    assert value_and_bound(rows) == value_and_bound(cylinder)


# --- batches, types, threads ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 3), ()),
        ((0, 3), ()),
        ((5, 4, 3), (5,)),
        ((2, 5, 4, 3), (2, 5)),
        ((1, 1, 0, 2), (1, 1)),
        ((0, 4, 3), (0,)),
        ((3, 0, 4, 2), (3, 0)),
        ((7, 0, 3), (7,)),
        ((2, 6, 1), (2,)),
    ],
)
def test_batch_shape(shape, expected):
    value, bound = value_and_bound(np.ones(shape))
    assert np.shape(value) == np.shape(bound) == expected
    assert np.shape(conevol.fraction(np.ones(shape))) == expected
    assert (np.asarray(value) == (1.0 if shape[-2] == 0 else 0.5)).all()


def test_a_batch_is_one_by_one():
    rng = np.random.default_rng(6)
    rows = np.concatenate([FAMILIES[n](rng, 30) for n in ("generic", "small_integers")])
    values, bounds = value_and_bound(rows.reshape(3, 20, 5, 3))
    single = [value_and_bound(a) for a in rows]
    assert values.ravel().tolist() == [v for v, _ in single]
    assert bounds.ravel().tolist() == [b for _, b in single]


def test_threads_change_no_bit():
    rows = np.random.default_rng(7).standard_normal((10_001, 5, 3))
    first = value_and_bound(rows)
    for threads in (1, 2, 3, 16):
        again = conevol.fraction(rows, error_bound=True, threads=threads)
        assert all((a == b).all() for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        np.eye(3, dtype=np.int8),
        np.eye(3, dtype=np.float32),
        np.eye(3, dtype=bool),
        np.asfortranarray(np.eye(3)),
        np.eye(6)[::2, ::2],
        [[Fraction(1, 3), 0, 0], [0, Fraction(2, 7), 0], [0, 0, 1]],
        [(1.0, 0, 0), np.array([0, 1, 0]), [False, False, True]],
        [[10**20, 0, 0], [0, 10**30, 0], [0, 0, 1]],
    ],
)
def test_any_kind_of_real_numbers(rows):
    assert conevol.fraction(rows) == 0.125


def test_normals_are_left_as_they_are():
    rows = np.random.default_rng(8).standard_normal((4, 3)) * 1e200
    copy = rows.copy()
    conevol.fraction(rows)
    assert (rows == copy).all()


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1.0, 2.0, 3.0], r"normals have shape \(3,\), expected \(\.\.\., k, d\) with d >= 1"),
        (1.0, r"normals have shape \(\), expected"),
        ([], r"normals have shape \(0,\), expected .* for none numpy\.empty\(\(0, d\)\)"),
        ([[]], r"normals have shape \(1, 0\), expected"),
        ([[1, 2], [3]], r"normals must be real numbers in rows of one length"),
        ([["a", "b"]], r"normals must be real numbers"),
        ([[1j, 0, 0]], r"normals must be real numbers"),
        ([[None, 1, 2]], r"normals"),
        ([[1, 0, math.nan]], r"normals\[0, 2\] is nan \(1 of 3 entries are not finite\)"),
        ([[1, 0], [math.inf, 0], [0, -math.inf]], r"normals\[1, 0\] is inf \(2 of 6 entries"),
        (np.full((2, 2, 3), np.nan), r"normals\[0, 0, 0\] is nan \(12 of 12 entries"),
        (np.full((2, 5), np.inf), r"normals\[0, 0\] is inf \(10 of 10 entries"),
    ],
)
def test_wrong_normals_are_refused(rows, message):
    with pytest.raises(NormalsError, match=message):
        conevol.fraction(rows)


def test_errors_are_value_errors():
    assert issubclass(NormalsError, ConevolError)
    assert issubclass(ConevolError, ValueError)


@pytest.mark.parametrize("threads", [0, -1])
def test_thread_count_must_be_positive(threads):
    with pytest.raises(ConevolError, match=f"threads is {threads}, expected at least 1"):
        conevol.fraction(np.ones((3, 2, 3)), threads=threads)
