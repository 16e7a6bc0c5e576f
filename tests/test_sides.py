"""Polygons that know their sides: against signs in exact numbers, and against plain cutting."""

from fractions import Fraction
from types import SimpleNamespace

import counted
import numba
import numpy as np
import pytest

import conevol
from conevol.kernels._rows import plane_sides

polygon, sides = counted.kernels("polygon"), counted.kernels("sides")
ROWS, SLOTS = 20, 6


def workspace(normals):
    """Rows 2 i and 2 i + 1 are a normal and its negative; the first eight are planes of set 0."""
    ws = SimpleNamespace(
        a=np.zeros((ROWS * 2 + 8, 6)),
        edge=np.zeros((SLOTS, 20), np.int64),
        vert=np.zeros((SLOTS, 20, 8)),
        sign=np.zeros(20, np.int64),
        planes=np.zeros((1, 5, 8)),
        axial=np.zeros(1, np.int64),
        sides=np.zeros((SLOTS, 20), np.int64),
        some=np.full(SLOTS, -1),
    )
    for i, normal in enumerate(normals):
        for row, sign in ((2 * i, 1.0), (2 * i + 1, -1.0)):
            polygon.put_row(ws.a, row, *(sign * normal), 0.0)
            ws.a[row, 5] = float(normal[2] == 0.0)
        if i < 8:
            sides.put_plane(ws, 0, i, 2 * i)
    return ws


def clipped(ws, rows):
    """The polygon of some rows, by plain cutting, and marked; its size and slot."""
    m, p = 0, 0
    for row in rows:
        where = polygon.locate(m, p, ws.edge, ws.vert, ws.a, row, ws.sign) & ~polygon.NEAR
        if where in (polygon.CROSSES, polygon.CROSSES_PENCIL):
            m = polygon.cut(m, p, 1 - p, ws.edge, ws.vert, ws.a, row, ws.sign, 1, where)
            p = 1 - p
        elif where == polygon.OUTSIDE:
            return 0, p
    sides.mark_anew(m, p, ws, 0)
    return m, p


def area(m, p, ws):
    return polygon.polygon_fraction(m, p, ws.edge, ws.vert, ws.a, 0.0)


def exact_sign(ws, p, m, i, row):
    a, b, c = (
        [Fraction(float(x)) for x in ws.a[r, :3]]
        for r in (ws.edge[p, i], ws.edge[p, (i + 1) % m], row)
    )
    det = (
        c[0] * (a[1] * b[2] - a[2] * b[1])
        + c[1] * (a[2] * b[0] - a[0] * b[2])
        + c[2] * (a[0] * b[1] - a[1] * b[0])
    )
    return (det > 0) - (det < 0)


def check_bits(m, p, ws):
    """The bits of all vertices are right, and those of any are kept."""
    some = 0
    for i in range(m):
        word = int(ws.sides[p, i])
        some |= word
        for b in range(8):
            above, doubt, below = ((word >> (b + shift)) & 1 for shift in (0, 8, 16))
            sign = exact_sign(ws, p, m, i, 2 * b)
            assert above + doubt + below == (sign != 0 or doubt)
            assert not above or sign > 0
            assert not below or sign < 0
    assert ws.some[p] == some


@pytest.mark.parametrize("seed", range(30))
def test_parts_of_a_polygon(seed):
    """Both parts have their vertices' sides right, and add up; `take` and plain cuts agree."""
    rng = np.random.default_rng(seed)
    normals = rng.standard_normal((ROWS, 3))
    normals[8:] += 2.0 * normals[8:].mean(axis=0)
    normals[:3] = [[1, -1, 0], [1, 0, -1], [0, 1, -1]]
    ws = workspace(normals)
    m, p = clipped(ws, [2 * i for i in range(8, 8 + 3 + seed % 4)])
    if m < 3:
        pytest.skip("empty")
    check_bits(m, p, ws)
    whole, error = area(m, p, ws)
    for b in range(8):
        where = polygon.locate(m, p, ws.edge, ws.vert, ws.a, 2 * b, ws.sign)
        assert sides.certain(p, ws, b)
        assert sides.place(p, ws, b) == where
        assert not sides.touches(m, p, ws, b)
        if where != polygon.CROSSES:
            continue
        above, below = sides.split(m, p, 2, 3, ws, 2 * b, b, 0)
        total = 0.0
        for size, slot, row, side in ((above, 2, 2 * b, 1), (below, 3, 2 * b + 1, -1)):
            check_bits(size, slot, ws)
            value, slack = area(size, slot, ws)
            total, error = total + value, error + slack
            alone = sides.take(m, p, 4, ws, row, b, 0, side)
            assert alone == size
            assert (ws.edge[4, :size] == ws.edge[slot, :size]).all()
            sides.signs(m, p, ws, b)
            plain = polygon.cut(m, p, 5, ws.edge, ws.vert, ws.a, row, ws.sign, side, where)
            assert plain == size
            assert (ws.edge[5, :size] == ws.edge[slot, :size]).all()
            np.testing.assert_allclose(
                ws.vert[slot, :size, :4], ws.vert[5, :size, :4], rtol=1e-15, atol=0
            )
        assert abs(total - whole) <= error + 1e-15


def test_a_plane_through_a_vertex():
    """The third axis is a vertex, and lies on the planes that contain it."""
    ws = workspace(
        np.array(
            [[1.0, -1.0, 0.0], [0.3, 0.4, -1.0], *np.eye(3)[[0, 0, 0, 0, 0, 0]],
             [0.9, -0.1, 0.0], [-0.2, 0.7, 0.0], [0.1, 0.2, 0.6]]
        )
    )  # fmt: skip
    m, p = clipped(ws, [16, 18, 20])
    assert m == 3
    check_bits(m, p, ws)
    assert sides.certain(p, ws, 0)
    assert sides.place(p, ws, 0) == polygon.CROSSES
    assert sides.touches(m, p, ws, 0)
    assert not sides.touches(m, p, ws, 1)
    whole, error = area(m, p, ws)
    total = 0.0
    for row, side in ((0, 1), (1, -1)):
        assert sides.take(m, p, 2, ws, row, 0, 0, side) == 3
        axis = [i for i in range(3) if (ws.vert[2, i, :2] == 0.0).all()]
        assert len(axis) == 1
        assert not ws.sides[2, axis[0]] & 0x10101
        total += area(3, 2, ws)[0]
    assert total == pytest.approx(whole, abs=1e-15 + 3 * error)


def test_a_vertex_that_is_said_to_lie_on_a_plane():
    """Its part of the plane's bits goes, the new vertices in its place take over the others."""
    rng = np.random.default_rng(3)
    normals = np.vstack([rng.standard_normal((8, 3)), np.eye(3) + 0.1])
    # Plane 0 passes through a vertex but for rounding, and plane 1 through it too.
    vertex = np.cross(normals[8], normals[9])
    for b in (0, 1):
        inside = np.linalg.inv(normals[8:]) @ (1.0 + rng.random(3))
        normals[b] = np.cross(vertex, inside)
    ws = workspace(normals)
    m, p = clipped(ws, [16, 18, 20])
    at = next(i for i in range(m) if {ws.edge[p, i], ws.edge[p, (i + 1) % m]} == {16, 18})
    assert not sides.certain(p, ws, 0)
    sides.put_on(m, p, ws, at, 0b11)
    for b in (0, 1):
        assert sides.certain(p, ws, b)
        assert sides.place(p, ws, b) == polygon.CROSSES
    for row, side in ((0, 1), (1, -1)):
        assert sides.take(m, p, 2, ws, row, 0, 0, side) == 3
        assert sides.certain(2, ws, 1)


def around(vertices, *planes):
    """Workspace of the polygon of vertices in turn, with some planes first; its size and slot."""
    edges = np.cross(vertices, np.roll(vertices, -1, axis=0))
    ws = workspace(np.vstack([*planes, *[vertices[0]] * (8 - len(planes)), edges]))
    m, p = clipped(ws, [2 * i for i in range(8, 8 + len(vertices))])
    assert m == len(vertices)
    return ws, m, p


def vertex_at(ws, m, p, v):
    return max(range(m), key=lambda i: ws.vert[p, i, :3] @ v / np.linalg.norm(ws.vert[p, i, :3]))


TRIANGLE = np.array([[1.0, 0.1, 0.2], [0.9, 0.4, 0.3], [0.8, 0.2, 0.9]])


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("height", "size"), [(0.001, 3), (-0.001, 3), (0.5, 0)])
def test_a_new_vertex_on_the_far_side_of_the_sphere_is_refused(height, size, first):
    """A plane nearer to the next vertex than to the one it is said to pass through."""
    heights = [height, 0.05, -1.0] if first == 0 else [0.05, height, -1.0]
    ws, m, p = around(TRIANGLE, np.linalg.solve(TRIANGLE, heights))
    at = vertex_at(ws, m, p, TRIANGLE[first])
    for row, side, expected in ((1, -1, 3), (0, 1, size)):
        sides.put_on(m, p, ws, at, 1)
        assert sides.certain(p, ws, 0)
        assert sides.place(p, ws, 0) == polygon.CROSSES
        assert sides.take(m, p, 2, ws, row, 0, 0, side) == expected
        assert sides.certain(p, ws, 0) == (expected > 0)


@pytest.mark.parametrize("start", range(4))
def test_signs_that_contradict_each_other_are_refused(start):
    """A vertex between two that are above a plane, said to lie on it, while another is below."""
    square = np.array([[1.0, 0.1, 3.0], [0.1, 1.0, 3.1], [-1.0, 0.2, 2.9], [0.2, -1.0, 3.2]])
    ws, m, p = around(np.roll(square, start, axis=0), np.array([0.1, 1.0, 0.2]))
    for at, size in ((0, 4), (1, 0)):
        sides.mark(m, p, ws, 0)
        assert sides.place(p, ws, 0) == polygon.CROSSES
        sides.put_on(m, p, ws, vertex_at(ws, m, p, square[at]), 1)
        assert sides.take(m, p, 2, ws, 1, 0, 0, -1) == 3
        assert sides.take(m, p, 2, ws, 0, 0, 0, 1) == size


def test_a_new_vertex_has_its_own_sides():
    """Where the old one is above a plane and the new one below; but both on what it was on."""
    cut = np.linalg.solve(TRIANGLE, [0.01, 1.0, -1.0])
    v, w, _ = TRIANGLE
    new = v * (cut @ w) - w * (cut @ v)
    other = np.linalg.solve([v, new, TRIANGLE[2]], [0.001, -0.001, 1.0])
    through = np.linalg.solve(TRIANGLE, [0.002, 1.0, -0.5])
    ws, m, p = around(TRIANGLE, cut, other, through)
    sides.put_on(m, p, ws, vertex_at(ws, m, p, v), 0b101)
    size = sides.take(m, p, 2, ws, 0, 0, 0, 1)
    at = vertex_at(ws, size, 2, new)
    assert exact_sign(ws, 2, size, at, 2) == -1
    assert int(ws.sides[2, at]) & 0x070707 == 0x020000
    some = 0
    for i in range(size):
        some |= int(ws.sides[2, i])
    assert ws.some[2] == some


def test_a_polygon_with_few_vertices_is_in_doubt():
    ws = workspace(np.vstack([np.eye(3), np.eye(3), np.eye(3)]))
    for m in range(3):
        sides.mark(m, 0, ws, 0)
        assert not any(sides.certain(0, ws, b) for b in range(8))


def test_the_vector_of_planes_is_the_loop():
    compiled = numba.njit(lambda planes, s, x, y, z, n, e: plane_sides(planes, s, x, y, z, n, e))
    loop = counted._rows().plane_sides
    rng = np.random.default_rng(1)
    for _ in range(200):
        planes = rng.standard_normal((2, 5, 8))
        planes[:, 3:] = abs(planes[:, 3:]) * 0.5
        args = *rng.standard_normal(3), *abs(rng.standard_normal(2))
        for s in (0, 1):
            assert compiled(planes, s, *args) == loop(planes, s, *args)


def test_what_is_known_leaves_no_doubt(monkeypatch):
    """Logits of one neuron need no plane; meeting planes and the axis put no vertex in doubt."""
    cells, rare = counted.kernels("cells"), counted.kernels("rare")
    put, doubted = [], []
    put_plane, doubt = cells.put_plane, rare.doubt
    monkeypatch.setattr(cells, "put_plane", lambda *a: put.append(a[1:3]) or put_plane(*a))
    monkeypatch.setattr(rare, "doubt", lambda *a: doubted.append(a[0]) or doubt(*a))
    counted.walked(conevol.ReluRNN([1.3], [[-0.7]], [[0.2], [1.1], [-0.4]]))
    assert put
    assert not [lane for s, lane in put if s == 3 and lane >= 3]
    doubted.clear()
    for network in conevol.zoo.load("4/3").noisy_copies(3):
        counted.walked(network)
    assert doubted
    assert max(doubted) <= 2
