import math

import mpmath as mp
import numpy as np
import pytest
from cones import nearly_lineal, random_cone
from hypothesis import given, settings
from hypothesis import strategies as st

from conevol.incidence import incidence
from conevol.kernels import general, integral, rounding, schlafli
from conevol.kernels.axis import choose_axes, nearest_point, smallest_cap
from conevol.kernels.geometry import rotate_rows
from conevol.kernels.precise_nodes import place_nodes_dd
from conevol.kernels.schlafli_dd import sweep_dd
from conevol.precise_rule import collocation, gauss_nodes
from conevol.reduction import reduce_normals

SEEDS = st.integers(0, 2**32 - 1)


def data(normals):
    """Lattice and distances about the first axis, and that axis."""
    reduced = reduce_normals(normals)
    _, rays, sets = incidence(reduced.signs)
    axes = np.empty((2, reduced.rank))
    assert choose_axes(reduced.hi, general.facet_rows(sets), rays, axes) > 0
    return general.lattice_data(reduced.hi, reduced.lo, sets, axes[0], 1e9, 60.0), axes[0], rays


def lengths_of_edges(dims, pointer, facets, kappa, h):
    lengths = np.zeros(dims.size)
    for f in np.flatnonzero(dims == 2):
        lengths[f] = h[0, pointer[f] : pointer[f + 1]].sum()
    return lengths


def run(dims, pointer, facets, kappa, h, kappa_max, longest, absolute=False):
    lengths = lengths_of_edges(dims, pointer, facets, kappa, h)
    work = np.empty((dims.size + schlafli.WORK_ROWS, schlafli.NODES))
    return schlafli.sweep(
        dims, pointer, facets, kappa[0], h[0], lengths, kappa_max, longest, absolute, work
    )


@given(SEEDS, st.integers(3, 6), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_distances_are_pythagorean(seed, d, extra):
    a = random_cone(np.random.default_rng(seed), d + extra, d)
    (status, dims, pointer, facets, kappa, h, kappa_max, _), axis, rays = data(a)
    assert status == general.OK
    for f in range(dims.size):
        for e in range(pointer[f], pointer[f + 1]):
            k = kappa[0, facets[e]]
            assert abs(kappa[0, f] + h[0, e] ** 2 - k) <= 1e-12 * k
    tangents = 1.0 / (rays @ axis) ** 2 - 1.0
    assert np.allclose(np.sort(kappa[0, dims == 1]), np.sort(tangents), rtol=1e-6)
    assert kappa_max == kappa[0].max()


@given(SEEDS, st.integers(4, 6))
@settings(max_examples=10, deadline=None)
def test_discretisation_estimate_bounds_what_finer_panels_change(seed, d):
    a = random_cone(np.random.default_rng(seed), d + 2, d)
    (_, *rest, kappa_max, _), _, _ = data(a)
    fine, _ = run(*rest, kappa_max, 0.7)
    for longest in (2.0, 3.0, 4.0):
        value, tail = run(*rest, kappa_max, longest)
        assert abs(value - fine) <= integral.TAIL_SAFETY * tail + 1e-12 * fine
    amplified, _ = run(*rest, kappa_max, 2.0, True)
    assert amplified >= fine * (1.0 - 1e-9)


@pytest.mark.parametrize("d", [4, 5, 6])
def test_the_bound_holds_where_the_panels_are_too_long(d, monkeypatch):
    """There the tail is most of the error: panels start so long that shortening does not help."""
    (_, *rest, kappa_max, _), _, _ = data(nearly_lineal(np.random.default_rng(d), d, d, 1e-9))
    exact, _ = run(*rest, kappa_max, 0.7)
    monkeypatch.setattr(integral, "PANEL", 12.0)
    monkeypatch.setattr(integral, "SHORT_PANEL", 12.0)
    dims, pointer, facets, kappa, h = rest
    work = np.empty((dims.size + schlafli.WORK_ROWS, schlafli.NODES))
    shape = (dims, pointer, facets, kappa[0], h[0], lengths_of_edges(*rest), kappa_max)
    value, bound, panels = integral.integrate.py_func(*shape, 0.0, 1e-12, work)
    assert panels < 6
    assert abs(value - exact) > 1e-11 * exact
    assert abs(value - exact) <= bound < 1e-3 * exact


@given(SEEDS, st.integers(4, 6), st.integers(0, 2), st.sampled_from([0.0, 1e-6]))
@settings(max_examples=10, deadline=None)
def test_the_sensitivity_is_that_to_every_distance(seed, d, extra, width):
    """Against differences of the sweep: no less than the roundings counted, nor much more."""
    rng = np.random.default_rng(seed)
    a = nearly_lineal(rng, d, d, width) if width else random_cone(rng, d + extra, d)
    (_, dims, pointer, facets, kappa, h, kappa_max, _), _, _ = data(a)
    lengths = lengths_of_edges(dims, pointer, facets, kappa, h)
    work = np.empty((dims.size + schlafli.WORK_ROWS, schlafli.NODES))
    shape = (dims, pointer, facets, kappa[0])

    def value(h, lengths):
        return schlafli.sweep(*shape, h, lengths, kappa_max, 1.0, False, work)[0]

    step, changes = 1e-5, 0.0
    for f in range(dims.size):
        # An edge is known by its length, which is exact to a rounding.
        for e in range(pointer[f], pointer[f + 1] if dims[f] > 2 else pointer[f]):
            up, down = h[0].copy(), h[0].copy()
            up[e] *= 1.0 + step
            down[e] *= 1.0 - step
            changes += abs(value(up, lengths) - value(down, lengths)) / (2.0 * step)
        if dims[f] == 2:
            up, down = lengths.copy(), lengths.copy()
            up[f] *= 1.0 + step
            down[f] *= 1.0 - step
            changes += abs(value(h[0], up) - value(h[0], down)) / (2.0 * step)
    sharp = rounding.sensitivity(*shape, h[0], lengths, kappa_max, work)
    # Roundings a distance, and those of the nodes, which come to a good deal more.
    units = 27.0 + 5.0 * math.asinh(math.sqrt(kappa_max))
    assert units * changes <= sharp <= 5.0 * units * changes
    coarse = rounding.amplification(*shape, h[0], lengths, kappa_max, work)
    assert sharp <= 3.0 * coarse * rounding.rounding_units(dims, pointer, kappa_max)


def test_collocation_integrates_polynomials_exactly():
    x = schlafli.GAUSS_X
    matrix = schlafli.INTEGRATE_T.T
    for n in range(schlafli.NODES):
        assert np.allclose(matrix @ x**n, (x ** (n + 1) - (-1.0) ** (n + 1)) / (n + 1), atol=1e-14)
    assert math.isclose(schlafli.GAUSS_W.sum(), 2.0, rel_tol=1e-15)


def test_precise_rule_extends_the_float_rule():
    matrix, weights = collocation()
    assert np.allclose(matrix[0], schlafli.INTEGRATE_T, atol=2e-15)
    assert np.allclose(weights[0], schlafli.GAUSS_W[0], atol=1e-15)
    with mp.workdps(40):
        total = mp.fsum(mp.mpf(h) + mp.mpf(l) for h, l in weights.T)
        assert abs(total - 2) < 1e-30
    nodes, low = place_nodes_dd(2, 9.0, gauss_nodes())
    work = np.empty((schlafli.WORK_ROWS, schlafli.NODES))
    schlafli.place_nodes(1, 2, 9.0, work)
    assert np.allclose(
        nodes[1], work[[schlafli.Q, schlafli.WEIGHT, schlafli.EDGE_WEIGHT]], rtol=1e-14
    )
    assert (abs(low) <= 2.0**-53 * abs(nodes)).all()


@pytest.mark.parametrize("kappa_max", [1e-9, 0.3, 1.0, 40.0, 1e6, 1e15, 1e28])
def test_precise_nodes_are_those_of_mpmath(kappa_max):
    x = gauss_nodes()
    panels = schlafli.panel_count(kappa_max, 0.75)
    found = place_nodes_dd(panels, kappa_max, x)
    with mp.workdps(50):
        scale = mp.sqrt(mp.mpf(kappa_max))
        psi_max = mp.asinh(scale)
        half = psi_max / (2 * panels)
        for panel in {0, panels // 2, panels - 1}:
            for j in range(0, schlafli.NODES, 5):
                psi = half * (2 * panel + 1 + mp.mpf(x[0, j]) + mp.mpf(x[1, j]))
                r, edge = mp.sinh(psi) / scale, mp.cosh(psi) * half / (2 * mp.pi * scale)
                for row, exact in enumerate((r * r, r * edge, edge)):
                    high, low = (mp.mpf(part[panel, row, j]) for part in found)
                    assert abs((high + low) / exact - 1) < 64 * (1 + psi_max) * mp.mpf(2) ** -104


@pytest.mark.parametrize("longest", [0.25, 2.0, 4.0])
@pytest.mark.parametrize("kappa_max", [1e-9, 0.3, 1.0, 40.0, 1e6, 1e15])
def test_nodes_are_those_of_mpmath(kappa_max, longest):
    panels = min(schlafli.panel_count(kappa_max, longest), 9)
    work = np.empty((schlafli.WORK_ROWS, schlafli.NODES))
    with mp.workdps(30):
        scale = mp.sqrt(mp.mpf(kappa_max))
        psi_max = mp.asinh(scale)
        half = psi_max / (2 * panels)
        if 2 * half > 4:
            pytest.skip("such panels are not used")
        for panel in {0, panels // 2, panels - 1}:
            schlafli.place_nodes(panel, panels, kappa_max, work)
            for j, x in enumerate(schlafli.GAUSS_X):
                psi = half * (2 * panel + 1 + mp.mpf(x))
                r, edge = mp.sinh(psi) / scale, mp.cosh(psi) * half / (2 * mp.pi * scale)
                for row, exact in zip(
                    (schlafli.Q, schlafli.WEIGHT, schlafli.EDGE_WEIGHT),
                    (r * r, r * edge, edge), strict=True,
                ):  # fmt: skip
                    assert abs(work[row, j] / exact - 1) < (16 + 8 * psi_max) * schlafli.U


@pytest.mark.parametrize("d", [4, 5, 6])
def test_double_double_sweep_is_right_to_thirty_digits(d):
    (_, dims, pointer, facets, kappa, h, kappa_max, _), _, _ = data(np.eye(d))
    nodes, low = place_nodes_dd(4, kappa_max, gauss_nodes())
    matrix, weights = collocation()
    hi, lo, tail = sweep_dd(
        dims, pointer, facets, kappa[0], kappa[1], h[0], h[1], nodes, low, matrix, weights
    )
    with mp.workdps(40):
        assert abs((mp.mpf(hi) + mp.mpf(lo)) * 2**d - 1) < 1e-28
    assert tail < 1e-25


@given(SEEDS, st.integers(2, 6), st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_smallest_cap_holds_all_rays_and_cannot_shrink(seed, d, n):
    rng = np.random.default_rng(seed)
    rays = rng.normal(size=(n, d))
    rays[:, 0] = abs(rays[:, 0]) + 0.1
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    axis, point = np.empty(d), np.empty(d)
    margin = smallest_cap(rays, axis)
    assert margin > 0.0
    assert abs((rays @ axis).min() - margin) < 1e-14
    nearest_point(rays, point)
    # optimal: the nearest point of the hull is as far as the margin says
    assert abs(np.linalg.norm(point) - margin) < 1e-8
    for _ in range(20):
        other = axis + 0.01 * rng.normal(size=d)
        assert (rays @ (other / np.linalg.norm(other))).min() <= margin + 1e-8


def test_rotated_rows_keep_their_inner_products():
    a = np.array([[1.0, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1], [1, 0, -1, 0], [0, 1, 0, -1]])
    hi, lo, residuals = rotate_rows(a, np.zeros_like(a), 3)
    assert hi.shape == (5, 3)
    assert residuals.min() > 0.1
    with mp.workdps(40):
        rows = [
            [mp.mpf(x) + mp.mpf(y) for x, y in zip(*pair, strict=True)]
            for pair in zip(hi, lo, strict=True)
        ]
        for i, x in enumerate(rows):
            for j, y in enumerate(rows):
                assert abs(mp.fdot(x, y) - int(a[i] @ a[j])) < 1e-29
