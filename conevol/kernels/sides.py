"""Polygons whose vertices know on which side of eight planes each of them lies.

The walk asks of every polygon where it lies to several planes, and most of its vertices are
those of the polygon it was cut from.  So a vertex is compared when it is made, with all
planes of a set at once, and the polygon keeps what its vertices have in common.  Where a
polygon lies is then read off bits, and the two parts of one that is split share their new
vertices.

Polygons are those of `conevol.kernels.polygon`, with rows of eight for vertices, of which the
sixth entry is 1 on the third axis, and a sixth column of the normals, 1 where the plane
is known to contain that axis.  Beside them
    planes (sets, 5, 8)      x, y, z of eight normals and their tolerances (see `plane_sides`)
    axial (sets,)            bits of the planes that contain the third axis
    sides (slots, capacity)  of each vertex, bits of the planes it is above, in doubt of, below
    some (slots,)            those bits of any vertex
A vertex that is known to lie on a plane has none of them.  Polygons with fewer than three
vertices, or more than a word has bits, are in doubt of all planes.
"""

from __future__ import annotations

from conevol.kernels._jit import inline_kernel, lowest_bit, popcount
from conevol.kernels._rows import WIDTH, copy_vertex, plane_sides, put_vertex
from conevol.kernels.exact import cross
from conevol.kernels.polygon import CROSSES, INSIDE, OUTSIDE, cross_error, tolerances

DOUBT, BELOW = WIDTH, 2 * WIDTH
_ALL, _EVERY = -1, (1 << WIDTH) - 1
_MOST = 60


@inline_kernel
def put_plane(ws, s, b, row):
    """Make a row plane b of set s."""
    for l in range(3):
        ws.planes[s, l, b] = ws.a[row, l]
    ws.planes[s, 3, b], ws.planes[s, 4, b] = tolerances(ws.a, row)
    bit = 1 << b
    ws.axial[s] = ws.axial[s] | bit if ws.a[row, 5] != 0.0 else ws.axial[s] & ~bit


@inline_kernel
def _bits(ws, s, x, y, z, norm, error, axis):
    """Bits of a vertex; on the third axis it is on all planes that contain that."""
    word = plane_sides(ws.planes, s, x, y, z, norm, error)
    return word & ~(ws.axial[s] << DOUBT) if axis != 0.0 else word


@inline_kernel
def mark(m, p, ws, s):
    """Compare all vertices of a polygon with the planes of set s."""
    some = 0
    if m < 3 or m > _MOST:
        some = _ALL
    else:
        for i in range(m):
            word = _bits(
                ws, s, ws.vert[p, i, 0], ws.vert[p, i, 1], ws.vert[p, i, 2],
                ws.vert[p, i, 3], ws.vert[p, i, 4], ws.vert[p, i, 5],
            )  # fmt: skip
            ws.sides[p, i] = word
            some |= word
    ws.some[p] = some


@inline_kernel
def mark_anew(m, p, ws, s):
    """`mark`, for a polygon that `conevol.kernels.polygon.cut` made."""
    for i in range(m if m > 2 else 0):
        i_next = i + 1 if i + 1 < m else 0
        ws.vert[p, i, 5] = ws.a[ws.edge[p, i], 5] * ws.a[ws.edge[p, i_next], 5]
    mark(m, p, ws, s)


@inline_kernel
def put_on(m, p, ws, i, mask):
    """Say that vertex i of a polygon lies on the planes of a mask."""
    ws.sides[p, i] &= ~(mask | mask << DOUBT | mask << BELOW)
    some = 0
    for j in range(m):
        some |= ws.sides[p, j]
    ws.some[p] = some


@inline_kernel
def certain(p, ws, b):
    """Whether no vertex of a polygon is in doubt of plane b of the set it was compared with."""
    return (ws.some[p] >> (DOUBT + b)) & 1 == 0


@inline_kernel
def place(p, ws, b):
    """INSIDE, OUTSIDE or CROSSES, where that is certain."""
    some = ws.some[p] >> b
    if some & 1 == 0:
        return OUTSIDE
    return CROSSES if (some >> BELOW) & 1 else INSIDE


@inline_kernel
def _run(m, p, ws, bit):
    """First of the vertices that have a bit, how many have, and whether they follow one another."""
    have = 0
    for i in range(m):
        have |= ((ws.sides[p, i] >> bit) & 1) << i
    starts = have & ~((have << 1) | (have >> (m - 1)))
    return lowest_bit(starts), popcount(have), starts & (starts - 1) == 0


@inline_kernel
def _copy_run(m, p, q, ws, first, count):
    """Copy a run of vertices and the edges before them; the bits of any."""
    some, i = 0, first
    for j in range(count):
        copy_vertex(ws.vert, q, j, p, i)
        ws.edge[q, j] = ws.edge[p, i]
        word = ws.sides[p, i]
        ws.sides[q, j] = word
        some |= word
        i = i + 1 if i + 1 < m else 0
    return some


@inline_kernel
def _corner(ws, s, i, j):
    """The vertex row i x row j, its norm, error and 1 if it is on the axis; and its bits."""
    x, y, z = cross(ws.a, i, j)
    norm, error = abs(x) + abs(y) + abs(z), cross_error(ws.a, i, j)
    axis = ws.a[i, 5] * ws.a[j, 5]
    return (x, y, z, norm, error, axis), _bits(ws, s, x, y, z, norm, error, axis)


@inline_kernel
def _close(q, ws, count, edge, row, one, bits, other, other_bits, some):
    """Complete a polygon of `count` vertices by two, and the edges before each."""
    put_vertex(ws.vert, q, count, *one)
    put_vertex(ws.vert, q, count + 1, *other)
    ws.edge[q, count], ws.edge[q, count + 1] = edge, row
    ws.sides[q, count], ws.sides[q, count + 1] = bits, other_bits
    ws.some[q] = some | bits | other_bits if count + 2 <= _MOST else _ALL


@inline_kernel
def _replaced(p, ws, i, b, corner, bits):
    """Bits of a new vertex in a cut by plane b next to vertex i; whether it may stand there.

    Where the plane passes through vertex i, the new one is the same point, and on all planes
    that are known to.  It may have come out as the antipode (see
    `conevol.kernels.polygon.settle`).
    """
    word = ws.sides[p, i]
    none = ~(word | word >> DOUBT | word >> BELOW) & _EVERY
    if (none >> b) & 1 == 0:
        return bits, True
    x, y, z = (
        corner[0] * ws.vert[p, i, 0],
        corner[1] * ws.vert[p, i, 1],
        corner[2] * ws.vert[p, i, 2],
    )
    return bits & ~(none | none << DOUBT | none << BELOW), x + y + z > 0.0


@inline_kernel
def take(m, p, q, ws, row, b, s, side):
    """Put the part of polygon p on one side of plane b into slot q; its size.

    Requires: that it crosses is certain.  The row points to the side, 1 above and -1 below.
    Where a vertex that lies on the plane cannot be replaced, or signs contradict each other, the
    polygon is from then on in doubt of the plane, and the size 0.
    """
    first, count, together = _run(m, p, ws, b if side > 0 else BELOW + b)
    end = first + count if first + count < m else first + count - m
    before = first - 1 if first > 0 else m - 1
    enter, leave = ws.edge[p, first], ws.edge[p, end]
    left, left_bits = _corner(ws, s, leave, row)
    right, right_bits = _corner(ws, s, row, enter)
    left_bits, left_sound = _replaced(p, ws, end, b, left, left_bits)
    right_bits, right_sound = _replaced(p, ws, before, b, right, right_bits)
    if not (together and left_sound and right_sound):
        ws.some[p] |= 1 << (DOUBT + b)
        return 0
    some = _copy_run(m, p, q, ws, first, count)
    _close(q, ws, count, leave, row, left, left_bits, right, right_bits, some)
    return count + 2


@inline_kernel
def touches(m, p, ws, b):
    """Whether a vertex lies on plane b, where that is certain."""
    touched = False
    for i in range(m):
        word = ws.sides[p, i] >> b
        touched |= (word | (word >> BELOW)) & 1 == 0
    return touched


@inline_kernel
def split(m, p, above, below, ws, row, b, s):
    """Put the parts of polygon p above and below plane b, a row, into two slots; their sizes.

    Requires: that it crosses is certain, and no vertex lies on the plane.  Row + 1 is the
    negative of row.
    """
    first, count, _ = _run(m, p, ws, b)
    end = first + count if first + count < m else first + count - m
    enter, leave = ws.edge[p, first], ws.edge[p, end]
    left, left_bits = _corner(ws, s, leave, row)
    right, right_bits = _corner(ws, s, row, enter)
    some = _copy_run(m, p, above, ws, first, count)
    _close(above, ws, count, leave, row, left, left_bits, right, right_bits, some)
    some = _copy_run(m, p, below, ws, end, m - count)
    _close(below, ws, m - count, enter, row + 1, right, right_bits, left, left_bits, some)
    return count + 2, m - count + 2


@inline_kernel
def signs(m, p, ws, b):
    """Write the signs of the vertices to plane b, for `conevol.kernels.polygon.cut`."""
    for i in range(m):
        word = ws.sides[p, i] >> b
        ws.sign[i] = (word & 1) - ((word >> BELOW) & 1)
