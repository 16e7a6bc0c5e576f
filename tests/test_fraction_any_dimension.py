"""Fractions of cones in four and more dimensions, as a user gets them."""

from __future__ import annotations

import math
import time

import mpmath
import numpy as np
import pytest
from cones import between, chain, cross_polytope, cube, equicorrelated, random_cone, rotation

import conevol
from conevol import FractionReport, FractionResult, engine
from conevol.errors import ConevolError, FractionError
from conevol.precision import fraction as precise

U = 2.0**-53


def value_and_bound(rows, **options):
    return conevol.fraction(rows, error_bound=True, **options)


# --- exact values ---------------------------------------------------------------------------


def exact_cones():
    for d in (4, 5, 6):
        yield f"orthant {d}", np.eye(d), 2.0**-d
        yield f"order of {d}", chain(d), 1 / math.factorial(d)
        yield f"largest and smallest of {d}", between(d), 1 / (d * (d - 1))
        yield f"cone over the cube {d}", cube(d), 1 / (2 * d)
    yield "24-cell", cross_polytope(4), 1 / 24
    yield "order of 4 in 7 dimensions", np.pad(chain(4), ((0, 0), (2, 1))), 1 / 24
    yield "orthant 4, lengths", np.diag([1e-300, 1.0, 7.0, 1e300]), 1 / 16
    yield "orthant 4 and more", np.vstack([np.eye(4), np.zeros((2, 4)), 3 * np.eye(4)]), 1 / 16
    yield "orthant 4 and a redundant row", np.vstack([np.eye(4), np.ones(4)]), 1 / 16
    yield "orthant 4 and a touching row", np.vstack([np.eye(4), [1, 1, 0, 0]]), 1 / 16
    yield "half an orthant", np.vstack([np.eye(4), [1, -1, 0, 0]]), 1 / 32
    yield "quadrant in 4", np.eye(4)[:2], 1 / 4
    yield "octant in 6", np.eye(6)[1:4], 1 / 8
    yield "cone over the square in 5", np.pad(cube(3), ((0, 0), (1, 1))), 1 / 6


@pytest.mark.parametrize(
    ("rows", "exact"),
    [pytest.param(rows, exact, id=name) for name, rows, exact in exact_cones()],
)
def test_exact_value(rows, exact):
    value, bound = value_and_bound(rows)
    assert isinstance(value, float)
    assert isinstance(bound, float)
    assert abs(value - exact) <= bound + U * exact
    assert abs(value / exact - 1) < 1e-14
    assert 0.0 < bound < 1e-12 * value


@pytest.mark.parametrize("d", [4, 5, 6, 8])
def test_the_largest_of_d_plus_one_independent_numbers(d):
    """Half-spaces with correlation 1/2: x_0 is the largest, one in d + 1."""
    value, bound = value_and_bound(equicorrelated(d, 0.5))
    # The factor of the correlations is rounded.
    assert abs(value - 1 / (d + 1)) <= bound + 1e-15
    # With integer normals nothing is, and a subspace is in the cone.
    value, bound = value_and_bound(np.hstack([np.ones((d, 1)), -np.eye(d)]))
    assert abs(value * (d + 1) - 1) <= bound * (d + 1) + U


def test_closed_values():
    for rows, exact in (
        (np.empty((0, 4)), 1.0),
        (np.zeros((3, 5)), 1.0),
        ([[0.0, 1e-300, 0.0, 0.0]], 0.5),
        ([[1, 2, 3, 4], [2, 4, 6, 8]], 0.5),
    ):
        assert value_and_bound(rows) == (exact, 0.0)


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2, 3, 4], [-1, -2, -3, -4]],
        np.vstack([np.eye(4), -np.ones(4)]),
        np.vstack([np.eye(5), -np.eye(5)[2:3]]),
        np.vstack([np.eye(6), -np.eye(6)]),
        np.vstack([chain(5), [-1, 0, 0, 0, 1]]),
        [[1, 0, 0, 0], [-1, 1, 0, 0], [0, -1, 0, 0]],
        np.vstack([np.eye(4)[:3], [-1, -1, -1, 0]]),
        [[1, 0, 0, 0], [-3, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    ],
)
def test_an_empty_interior_is_exactly_zero(rows):
    assert value_and_bound(rows) == (0.0, 0.0)


# --- twenty digits beside it ----------------------------------------------------------------

RNG = np.random.default_rng(11)
COMPARED = {
    "simplicial 4": RNG.normal(size=(4, 4)),
    "random 4": random_cone(RNG, 6, 4),
    "small integers 4": np.sign(RNG.integers(-2, 3, (3, 4)) @ [[3], [2], [5], [7]] + 0.5)
    * RNG.integers(-2, 3, (3, 4)),
    "simplicial 5": RNG.normal(size=(5, 5)),
    "random 5": random_cone(RNG, 7, 5),
    "simplicial 6": RNG.normal(size=(6, 6)),
    "needle 4": random_cone(RNG, 5, 4) * [1.0, 1.0, 1.0, 1e-7],
    "rank 3 in 5": random_cone(RNG, 5, 3) @ RNG.integers(-3, 4, (3, 5)),
    "rank 2 in 4": np.array([[1.0, 2, 0, -1], [-1, 1, 3, 0]]),
}


@pytest.mark.parametrize("name", COMPARED)
def test_twenty_digits_agree_within_the_bound(name):
    value, bound = value_and_bound(COMPARED[name])
    with mpmath.workdps(25):
        error = abs(precise(COMPARED[name], 20) - value)
    assert error <= bound
    assert error <= 1e-13 * value + 1e-15
    assert bound < 1e-10


@pytest.mark.parametrize("seed", range(4))
def test_a_cone_of_three_dimensions_in_more(seed):
    """The path of three dimensions and this one know nothing of each other."""
    rng = np.random.default_rng(seed)
    rows = random_cone(rng, 3 + seed, 3)
    flat, flat_bound = value_and_bound(rows)
    value, bound = value_and_bound(np.pad(rows, ((0, 0), (seed, 2))))
    assert abs(value - flat) <= bound + flat_bound
    turned, turned_bound = value_and_bound(np.pad(rows, ((0, 0), (0, 2))) @ rotation(rng, 5))
    assert abs(turned - flat) <= turned_bound + flat_bound + 1e-14


# --- batches --------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "d"), [(4, 4), (6, 4), (5, 5), (3, 5)])
def test_a_batch_is_one_by_one(k, d):
    rng = np.random.default_rng(k)
    rows = rng.normal(size=(2, 10, k, d))
    rows[0, 1, 0] = 0.0
    rows[0, 2, 1] = -rows[0, 2, 0]
    rows[0, 3, 1] = rows[0, 3, 0]
    rows[0, 4] = rng.integers(-1, 2, (k, d))
    rows[0, 5, 0] = rows[0, 5, 1:].sum(axis=0)
    values, bounds = value_and_bound(rows)
    assert values.shape == bounds.shape == (2, 10)
    single = [value_and_bound(a) for a in rows.reshape(-1, k, d)]
    assert values.ravel().tolist() == [v for v, _ in single]
    assert bounds.ravel().tolist() == [b for _, b in single]
    assert values[0, 2] == 0.0


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 4), ()), ((3, 0, 4), (3,)), ((0, 4, 4), (0,)), ((2, 3, 2, 6), (2, 3))],
)
def test_batch_shape(shape, expected):
    value, bound = value_and_bound(np.ones(shape))
    assert np.shape(value) == np.shape(bound) == expected
    assert (np.asarray(value) == (1.0 if shape[-2] == 0 else 0.5)).all()


@pytest.mark.parametrize("shape", [(1000, 4, 4), (40, 6, 4)])
def test_threads_change_no_bit(shape):
    rows = np.random.default_rng(7).normal(size=shape)
    rows[5, 0] = -rows[5, 1]
    first = value_and_bound(rows)
    for threads in (1, 3):
        again = value_and_bound(rows, threads=threads)
        assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_normals_are_left_as_they_are():
    rows = np.random.default_rng(8).normal(size=(6, 4)) * 1e200
    copy = rows.copy()
    conevol.fraction(rows)
    assert (rows == copy).all()


# --- what is refused ------------------------------------------------------------------------


def test_too_many_faces_is_an_error():
    said = (
        r"the cone of 12 half-spaces in 7 dimensions \(rank 7\) cannot be .* lattice of 64 rays "
        r"and more than \d+ faces takes more than 1e\+05 bytes; .* memory= .* method='sample'"
    )
    with pytest.raises(FractionError, match=said):
        conevol.fraction(cube(7), memory=1e5)
    with pytest.raises(
        FractionError, match=r"cone 1 of the batch \(in C order\) of 12 half-spaces"
    ):
        conevol.fraction([np.zeros((12, 7)), cube(7)], memory=1e5)
    assert conevol.fraction(cube(7), memory=1e6) == conevol.fraction(cube(7))
    assert issubclass(FractionError, ConevolError)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (np.eye(30), {}, r"its 2\^30 faces take about .* bytes, 2e\+09 are .* s, 60 s are allowed"),
        (np.vstack([np.eye(40), np.ones((1, 40))]), {}, r"at least 2\^40 faces take about"),
        (cross_polytope(10), {"seconds": 0.1}, r"512 .* more than an estimated 0\.1 s"),
    ],
)
def test_what_cannot_fit_is_refused_at_once(rows, options, said):
    start = time.process_time()
    with pytest.raises(FractionError, match=said):
        conevol.fraction(rows, **options)
    assert time.process_time() - start < 10.0


def test_an_empty_interior_needs_no_lattice():
    assert conevol.fraction(np.vstack([np.eye(40), -np.ones((1, 40))])) == 0.0


@pytest.mark.parametrize(
    "result", [(math.nan, 1.0, "no axis"), (math.nan, 1.0, "inconsistent"), (0.3, 0.01, "ok")]
)
def test_no_plausible_number_instead_of_an_error(monkeypatch, result):
    value, bound, status = result
    info = engine.Info(status, "lattice", 4)
    monkeypatch.setattr(engine, "cone_fraction", lambda *_: (value, bound, info))
    with pytest.raises(FractionError, match=r"ill-conditioned .*conevol\.precision\.fraction"):
        conevol.fraction(np.eye(4))


@pytest.mark.parametrize("threads", [0, -1])
def test_thread_count_must_be_positive(threads):
    with pytest.raises(ConevolError, match=f"threads is {threads}, expected at least 1"):
        conevol.fraction(np.eye(4), threads=threads)


# --- options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "method", "faces"),
    [
        (np.eye(5), "subsets", 32),
        (cube(4), "lattice", 28),
        (np.eye(6)[1:4], "lattice", 8),
        (np.eye(4)[:1], "closed", 1),
        (np.eye(3), "polygon", 0),
    ],
)
def test_a_report_says_how(rows, method, faces):
    report = conevol.fraction(rows, full=True)
    assert isinstance(report, FractionReport)
    assert (report.method, report.faces, report.standard_error) == (method, faces, 0.0)
    assert report.rank == len(rows[0]) if method == "polygon" else np.linalg.matrix_rank(rows)
    assert (report.nodes > 0) == (method in ("subsets", "lattice"))
    assert (report.value, report.error_bound) == value_and_bound(rows)


def test_the_report_of_a_batch_has_its_shape():
    rows = np.random.default_rng(3).normal(size=(2, 3, 4, 4))
    rows[0, 1] = [[1, 0, 0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    report = conevol.fraction(rows, full=True)
    single = [conevol.fraction(a, full=True) for a in rows.reshape(-1, 4, 4)]
    for name in FractionReport.__dataclass_fields__:
        batch = getattr(report, name)
        assert batch.shape == (2, 3)
        assert batch.ravel().tolist() == [getattr(r, name) for r in single]
    assert report.method[0, 1] == "closed"


@pytest.mark.parametrize("d", [2, 3, 4, 6])
def test_exact_methods_agree(d):
    rows = np.random.default_rng(d).normal(size=(d, d))
    methods = ["auto", "subsets", "lattice"] + ["polygon"] * (d <= 3)
    values = [value_and_bound(rows, method=m) for m in methods]
    for value, bound in values:
        assert isinstance(value, float)
        assert abs(value - values[0][0]) <= bound + values[0][1]


def test_rtol_brings_in_double_double_or_is_an_error():
    rows = random_cone(np.random.default_rng(5), 7, 5)
    report = conevol.fraction(rows, full=True, rtol=1e-15)
    assert report.method == "lattice, double-double"
    assert report.error_bound <= 1e-15 * report.value
    assert isinstance(conevol.fraction(rows, error_bound=True, rtol=1e-3), FractionResult)
    with pytest.raises(
        FractionError,
        match=r"rtol = 1e-17 cannot be met: cone 0 .* with an error bound of .*; conevol",
    ):
        conevol.fraction(rows, rtol=1e-17)
    with pytest.raises(FractionError, match=r"cone 1 \(in C order; 1 of 2\)"):
        conevol.fraction([np.zeros((3, 3)), RNG.normal(size=(3, 3))], rtol=1e-19)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "exact"}, "method is 'exact', expected one of auto, polygon"),
        ({"method": "polygon"}, "at most 3 dimensions, not 4"),
        ({"method": "subsets"}, "as many independent half-spaces"),
        ({"rtol": 0.0}, "rtol is 0.0"),
        ({"memory": -1}, "memory is -1"),
        ({"seconds": math.nan}, "seconds is nan"),
        ({"samples": 100}, "for method='sample'"),
        ({"seed": 1}, "for method='sample'"),
        ({"method": "sample", "rtol": 0.1}, "set by samples"),
        ({"method": "sample", "seconds": 1}, "set by samples"),
        ({"method": "sample", "error_bound": True}, "full=True"),
        ({"method": "sample", "samples": 0}, "samples is 0"),
        ({"method": "sample", "seed": -1}, "seed is -1"),
    ],
)
def test_options_without_effect_are_refused(options, said):
    with pytest.raises(FractionError, match=said):
        conevol.fraction(np.vstack([np.eye(4), [-1, 2, 0, 0]]), **options)
