"""Spherical polygons: a three-dimensional cone cut out one half-space at a time.

A polygon is a cyclic list of m edges, each the index of a row of the normals
`a` (inward).  Vertex i lies between edge i and edge i + 1 and is the ray
a[edge[i]] x a[edge[i + 1]], computed from the two input rows with relative
error 2 u in every component, so nothing accumulates however often a polygon
is cut.  m = 0 is the whole sphere, 1 a hemisphere, 2 a lune; then the vertices
are none, none, and a pair of antipodes.

Rows of `a` are (x, y, z, largest entry, error), vertices (x, y, z, 1-norm, error).
The error bounds every entry of a row that was itself computed; it is 0 for rows
that are given.  Every decision, on which side of a plane a vertex is, is the sign
of a 3 x 3 determinant.  For given rows it is exact, so the polygon is
combinatorially that of the exact cone and only its area is rounded.  For computed
rows a vertex within its error of a plane counts as lying on it, so that rounding
makes no slivers.

Polygons live in numbered slots of one workspace, edge (slots, capacity) and
vert (slots, capacity, 5): passing a slot number instead of an array keeps
reference counting out of the hot loops.  A polygon cut k times has at most
k + 1 edges.
"""

from __future__ import annotations

import math

from conevol.kernels._jit import cold_kernel, inline_kernel, never_inline, part_kernel
from conevol.kernels.exact import (
    SCRATCH_ROWS,
    SIGN_FILTER,
    U,
    cross,
    dd_cross,
    dd_det3,
    det2,
    doubtful_det3_sign,
    two_prod,
    two_sum,
)

INSIDE, OUTSIDE, CROSSES, CROSSES_PENCIL = 0, 1, 2, 3
NEAR = 4
EMPTY = -1

# Error of the denominator of a fan triangle in units of |v0| |v1| |v2|: 7 u from each dot
# product and 5 u from the sum; and of each term 5 u from norm and product, 16 u from the
# scaling by three norms, 2 u from the sum (see `half_excess`).
_DENOMINATOR_ERROR = 26 * U
_TERM_ERROR = 23 * U
# Relative error of the numerator apart from that of its two determinants.
_NUMERATOR_ERROR = 20 * U
# Relative error of a product of two complex factors in the first quadrant, atan2
# and the final scaling.
_PRODUCT_ERROR = 5 * U
# Doubts smaller than this, in radians, are not worth a closer look.
_SMALL_DEPTH = 3e-15
# Areas of a walk are refined only to this: the planes of a network are not better known.
NEGLIGIBLE = 1e-14
# Of half the area of a polygon, or the angle of a lune: the fraction of the whole.
TURN = 0.5 / math.pi
# Half the area of a polygon that is too small to be told from 0.
_SMALLEST = 1e-300
# Doubts larger than this, as a fraction, are compared with the whole polygon.
_LARGE_DOUBT = 1e-11
# Operations of one `_wedge` (see `conevol.kernels.operations`).
_WEDGE_OPERATIONS = 34
# Beyond this relative bound the determinants are recomputed in double-double.
REFINE_ABOVE = 3e-14
# Below this distance from the origin a fan triangle has almost antipodal vertices.
_ANTIPODAL = 0.05


@cold_kernel
def _scaled(x, y, z, largest):
    """The row times a power of two with its largest entry in [1/2, 1)."""
    never_inline()
    if largest < 2.0**-500:
        # frexp does not take subnormal numbers.
        x, y, z = x * 2.0**540, y * 2.0**540, z * 2.0**540
        largest *= 2.0**540
    shift = -math.frexp(largest)[1]
    half = shift // 2
    x = math.ldexp(math.ldexp(x, half), shift - half)
    y = math.ldexp(math.ldexp(y, half), shift - half)
    z = math.ldexp(math.ldexp(z, half), shift - half)
    return x, y, z


@inline_kernel
def put_row(a, row, x, y, z, error):
    """Store a normal, scaled into range by a power of two; returns its largest entry."""
    largest = max(abs(x), abs(y), abs(z))
    scaled = largest
    if not 2.0**-20 <= largest <= 2.0**20 and 0.0 < largest < math.inf:
        x, y, z = _scaled(x, y, z, largest)
        scaled = max(abs(x), abs(y), abs(z))
        error = error / largest * scaled
    a[row, 0], a[row, 1], a[row, 2], a[row, 3], a[row, 4] = x, y, z, scaled, error
    return largest


@inline_kernel
def cross_error(a, i, j):
    """Bound of the error of every entry of row i x row j that the rows' errors cause."""
    if a[i, 4] == 0.0 and a[j, 4] == 0.0:
        return 0.0
    return 2.0 * (a[i, 3] * a[j, 4] + a[i, 4] * a[j, 3] + a[i, 4] * a[j, 4])


@inline_kernel
def tolerances(a, c):
    """Factors of a vertex's 1-norm and error: closer to plane c its side is in doubt."""
    return SIGN_FILTER * a[c, 3] + a[c, 4], 3.0 * (a[c, 3] + a[c, 4])


@cold_kernel
def _doubtful_side(a, i, j, error, c):
    """Side of the vertex row i x row j that the float filter did not tell: 0 within the errors."""
    never_inline()
    if a[c, 4] > 0.0 or error > 0.0:
        return 0
    return doubtful_det3_sign(a, i, j, c)


@inline_kernel
def _pencil_sign(p, vert, a, i, j):
    """Sign of vertex 0 . (row i x row j), where all three are parallel."""
    x, y, z = abs(vert[p, 0, 0]), abs(vert[p, 0, 1]), abs(vert[p, 0, 2])
    if x >= y and x >= z:
        s = det2(a[i, 1], a[i, 2], a[j, 1], a[j, 2])
        v = vert[p, 0, 0]
    elif y >= z:
        s = det2(a[i, 2], a[i, 0], a[j, 2], a[j, 0])
        v = vert[p, 0, 1]
    else:
        s = det2(a[i, 0], a[i, 1], a[j, 0], a[j, 1])
        v = vert[p, 0, 2]
    if abs(s) <= cross_error(a, i, j):
        return 0
    return 1 if (s > 0.0) == (v > 0.0) else -1


@inline_kernel
def _locate_few(m, p, edge, vert, a, c, sign):
    """`locate` for the sphere, the hemisphere and the lune; not crossing is NEAR."""
    if m == 0:
        return CROSSES
    if m == 1:
        e = edge[p, 0]
        x, y, z = cross(a, e, c)
        if max(abs(x), abs(y), abs(z)) > cross_error(a, e, c):
            return CROSSES
        dot = a[e, 0] * a[c, 0] + a[e, 1] * a[c, 1] + a[e, 2] * a[c, 2]
        return INSIDE | NEAR if dot > 0.0 else OUTSIDE | NEAR
    p0 = a[c, 0] * vert[p, 0, 0]
    p1 = a[c, 1] * vert[p, 0, 1]
    p2 = a[c, 2] * vert[p, 0, 2]
    s = p0 + p1 + p2
    filter, lift = tolerances(a, c)
    side = near = 0
    if abs(s) > filter * vert[p, 0, 3] + lift * vert[p, 0, 4]:
        side = 1 if s > 0.0 else -1
    elif p0 != 0.0 or p1 != 0.0 or p2 != 0.0:
        side = _doubtful_side(a, edge[p, 0], edge[p, 1], vert[p, 0, 4], c)
        near = NEAR
    if side != 0:
        sign[0], sign[1] = side, -side
        return CROSSES
    # The plane holds the lune's axis: compare with the middles of its two edges.
    sign[0] = _pencil_sign(p, vert, a, edge[p, 0], c)
    sign[1] = _pencil_sign(p, vert, a, c, edge[p, 1])
    if sign[0] >= 0 and sign[1] >= 0:
        return INSIDE | NEAR
    if sign[0] <= 0 and sign[1] <= 0:
        return OUTSIDE | NEAR
    return CROSSES_PENCIL | near


@inline_kernel
def locate(m, p, edge, vert, a, c, sign):
    """Where the polygon in slot p lies with respect to row c.

    Returns INSIDE, OUTSIDE, CROSSES or CROSSES_PENCIL, and with it the flag NEAR
    when a vertex was so close to the plane that the float filter could not tell.
    Touching counts as not crossing.  Fills `sign` for `cut`.
    """
    if m < 3:
        return _locate_few(m, p, edge, vert, a, c, sign)
    positive = negative = near = 0
    x, y, z = a[c, 0], a[c, 1], a[c, 2]
    filter, lift = tolerances(a, c)
    for i in range(m):
        p0, p1, p2 = x * vert[p, i, 0], y * vert[p, i, 1], z * vert[p, i, 2]
        s = p0 + p1 + p2
        side = 1 if s > 0.0 else -1
        if abs(s) <= filter * vert[p, i, 3] + lift * vert[p, i, 4]:
            near = NEAR
            if p0 == 0.0 and p1 == 0.0 and p2 == 0.0:
                side = 0
            else:
                after = edge[p, i + 1] if i + 1 < m else edge[p, 0]
                side = _doubtful_side(a, edge[p, i], after, vert[p, i, 4], c)
        sign[i] = side
        positive |= side == 1
        negative |= side == -1
    if positive and negative:
        return CROSSES | near
    return (OUTSIDE if negative or not positive else INSIDE) | near


@cold_kernel
def doubt(m, p, edge, vert, a, c, sign):
    """Bound of the fraction that vertices within their error of plane c leave undecided.

    Requires: `locate` filled `sign`.  A vertex in doubt is at most s from plane c, in
    radians.  What is decided wrongly there lies in the triangle between c and the
    vertex's two edges.  For an edge f at angle theta to c, its part of that triangle
    has an area of at most s min(pi, s / sin theta), and being between the two planes
    at most 2 theta.  An arc to another vertex, phi away, may be s / cos(phi / 2) from the
    plane, which takes the place of s; where that says nothing, or no vertex is certain,
    the whole polygon is in doubt.  Returns the bound, whether it is the whole polygon, and the
    operations spent on it.
    """
    never_inline()
    if m == 1:
        # Two almost parallel planes: the lune between them.
        lune = _wedge(math.pi, a, c, edge[p, 0]) * (0.25 / math.pi)
        return min(0.5, lune), False, _WEDGE_OPERATIONS
    filter, lift = tolerances(a, c)
    total, decided = 0.0, m == 2
    operations = 3
    for i in range(m if m > 2 else 1):
        if m > 2 and sign[i] != 0:
            decided = True
            continue
        if a[c, 4] == 0.0 and vert[p, i, 4] == 0.0:
            # Exactly on the plane.
            decided = True
            continue
        # The norm of a vertex is at least its 1-norm over sqrt(3), that of a row at
        # least its largest entry.
        tolerance = 2.0 * math.sqrt(3.0) * (filter * vert[p, i, 3] + lift * vert[p, i, 4])
        length = vert[p, i, 3] * a[c, 3]
        s = min(tolerance / length, math.pi) if length > 0.0 else math.pi
        operations += 5
        if m > 2:
            spread, more = _spread(m, p, vert, i)
            s *= spread
            operations += more
        if s < _SMALL_DEPTH:
            total += 2.0 * math.pi * s
        else:
            operations += 2 * _WEDGE_OPERATIONS
            total += _wedge(s, a, c, edge[p, i])
            total += _wedge(s, a, c, edge[p, i + 1] if i + 1 < m else edge[p, 0])
    if m == 2:
        # A lune's axis has two ends.
        total *= 2.0
    total *= 0.25 / math.pi
    whole = False
    if total > _LARGE_DOUBT or not decided:
        value, error = fraction_apart(m, p, edge, vert, a, 1.0)
        whole = not decided or value + error < total
        total = value + error if whole else total
        operations += 50 * m
    return total, whole, operations


@inline_kernel
def _meets(p, vert, i, a, r, s):
    """Product of vertex i and row r x row s."""
    x, y, z = cross(a, r, s)
    return x * vert[p, i, 0] + y * vert[p, i, 1] + z * vert[p, i, 2]


@cold_kernel
def settle(m, p, edge, vert, a, c, sign):
    """Whether all vertices in doubt can count as lying on plane c, which crosses; operations.

    A cut at such a vertex puts a new one in its place, where c meets the edge to a neighbour that
    is not in doubt.  Where c is nearer to that neighbour, they meet beyond it, and the new vertex
    would be the antipode of what it stands for.  Then all vertices get the sides of
    the planes as they are stored, among which there is no contradiction.
    Requires: `locate` found that c crosses, and filled `sign`.
    """
    never_inline()
    operations = 0
    sound = True
    for i in range(m):
        if sign[i] == 0 and (a[c, 4] > 0.0 or vert[p, i, 4] > 0.0):
            before, after = i - 1 if i > 0 else m - 1, i + 1 if i + 1 < m else 0
            if sign[before] != 0:
                sound = sound and sign[before] * _meets(p, vert, i, a, edge[p, i], c) > 0.0
            if sign[after] != 0:
                sound = sound and sign[after] * _meets(p, vert, i, a, c, edge[p, after]) > 0.0
            operations += 24
    if not sound:
        for i in range(m):
            if sign[i] == 0:
                after = edge[p, i + 1] if i + 1 < m else edge[p, 0]
                sign[i] = doubtful_det3_sign(a, edge[p, i], after, c)
                operations += 32
    return operations


@inline_kernel
def _spread(m, p, vert, i):
    """1 / cos(phi / 2) for the largest angle phi between vertex i and another; operations."""
    lowest = 1.0
    operations = 3 * m + 3
    for j in range(m):
        d = _dot(vert, p, i, j)
        if d < 0.0:
            lowest = min(lowest, d / math.sqrt(_dot(vert, p, i, i) * _dot(vert, p, j, j)))
            operations += 9
    return math.sqrt(2.0 / (1.0 + lowest)) if 1.0 + lowest > 1e-14 else math.inf, operations


@inline_kernel
def _norm(a, c):
    return math.sqrt(a[c, 0] * a[c, 0] + a[c, 1] * a[c, 1] + a[c, 2] * a[c, 2])


@cold_kernel
def _wedge(s, a, c, f):
    """An edge's part of the area in doubt (see `doubt`)."""
    never_inline()
    x, y, z = cross(a, c, f)
    norms = _norm(a, c) * _norm(a, f)
    sine = math.sqrt(x * x + y * y + z * z) / norms
    slack = 2.0 * (a[c, 4] * a[f, 3] + a[c, 3] * a[f, 4]) / norms
    area = s * math.pi
    if sine > 2.0 * slack:
        area = min(area, 2.0 * s * s / sine)
    return min(area, 2.0 * (1.6 * sine + 2.0 * slack))


@inline_kernel
def _set_vertex(vert, p, i, a, r, s):
    x, y, z = cross(a, r, s)
    vert[p, i, 0], vert[p, i, 1], vert[p, i, 2] = x, y, z
    vert[p, i, 3] = abs(x) + abs(y) + abs(z)
    vert[p, i, 4] = cross_error(a, r, s)


@inline_kernel
def _cut_few(m, p, q, edge, vert, a, c, sign, side, where):
    """`cut` for the sphere, the hemisphere and a plane through a lune's axis."""
    if m == 0:
        edge[q, 0] = c
        return 1
    if where == CROSSES_PENCIL and sign[0] != side:
        edge[q, 0], edge[q, 1] = c, edge[p, 1]
    else:
        edge[q, 0], edge[q, 1] = edge[p, 0], c
    for i in range(2):
        _set_vertex(vert, q, i, a, edge[q, i], edge[q, 1 - i])
    return 2


@inline_kernel
def cut(m, p, q, edge, vert, a, c, sign, side, where):
    """Put the part of polygon p on one side of a plane into slot q; returns its m.

    Requires: `locate` returned `where`, CROSSES or CROSSES_PENCIL, and filled
    `sign`; row c points to the side that is kept, whose signs are `side`; p != q.
    The new edge c comes last, between vertices m - 2 and m - 1.
    """
    if m < 2 or where == CROSSES_PENCIL:
        return _cut_few(m, p, q, edge, vert, a, c, sign, side, where)
    # What is kept is one cyclic run: from a vertex that is dropped on to the first
    # one kept, then to the last kept one before the next that is dropped.
    i = 0
    while sign[i] != -side:
        i += 1
    while sign[i] != side:
        i = i + 1 if i + 1 < m else 0
    n = last = 0
    while sign[i] != -side:
        edge[q, n] = edge[p, i]
        for l in range(5):
            vert[q, n, l] = vert[p, i, l]
        n += 1
        if sign[i] == side:
            last = n
        i = i + 1 if i + 1 < m else 0
    if last < n:
        # Vertices on the plane at the end of the run give way to the new ones.
        n, after = last, edge[q, last]
    else:
        after = edge[p, i]
    edge[q, n] = after
    edge[q, n + 1] = c
    _set_vertex(vert, q, n, a, after, c)
    _set_vertex(vert, q, n + 1, a, c, edge[q, 0])
    return n + 2


@inline_kernel
def lune_angle(a, i, j):
    """Interior angle of the lune between rows i and j, and a bound of its error."""
    x, y, z = cross(a, i, j)
    sine = math.sqrt(x * x + y * y + z * z)
    p0, p1, p2 = a[i, 0] * a[j, 0], a[i, 1] * a[j, 1], a[i, 2] * a[j, 2]
    cosine = -(p0 + p1 + p2)
    # sine: relative 4 u.  cosine: 3 u of the sum of sizes.
    r2 = sine * sine + cosine * cosine
    cosine_error = 3 * U * (abs(p0) + abs(p1) + abs(p2))
    angle = math.atan2(sine, cosine)
    error = sine * (4 * U * abs(cosine) + cosine_error) / r2
    return angle, error + 3 * U * angle


@part_kernel
def _dot(v, p, i, j):
    return v[p, i, 0] * v[p, j, 0] + v[p, i, 1] * v[p, j, 1] + v[p, i, 2] * v[p, j, 2]


@inline_kernel
def _dd_unit(a, i, j, out):
    """Unit vector along row i x row j as double-doubles, in rows out and out + 1 of a."""
    xh, xl, yh, yl, zh, zl = dd_cross(a, i, j)
    s, e = two_prod(xh, xh)
    p, f = two_prod(yh, yh)
    s, g = two_sum(s, p)
    e += f + g
    p, f = two_prod(zh, zh)
    s, g = two_sum(s, p)
    e += f + g + 2.0 * (xh * xl + yh * yl + zh * zl)
    # One Newton step in double-double from the float reciprocal root.
    y0 = 1.0 / math.sqrt(s)
    q, qe = two_prod(y0, y0)
    t, te = two_prod(s, q)
    residual = (1.0 - t) - te - (s * qe + e * q)
    y1 = 0.5 * y0 * residual
    for l, h, lo in ((0, xh, xl), (1, yh, yl), (2, zh, zl)):
        p, f = two_prod(h, y0)
        f += h * y1 + lo * y0
        a[out, l] = p + f
        a[out + 1, l] = f - (a[out, l] - p)


@cold_kernel
def _antipodal_denominator(a, e0, e1, e2, e3, e4, e5):
    """1 + x.y + y.z + z.x for unit x, y, z of which two are almost antipodal.

    The vectors are the crosses of rows (e0, e1), (e2, e3), (e4, e5).  With x, y
    the pair whose sum s is shortest it equals |s|^2 / 2 + s.z.
    Returns the value and a bound of its absolute error.
    """
    never_inline()
    base = a.shape[0] - SCRATCH_ROWS
    _dd_unit(a, e0, e1, base)
    _dd_unit(a, e2, e3, base + 2)
    _dd_unit(a, e4, e5, base + 4)
    shortest = math.inf
    value = error = 0.0
    for i in range(3):
        z, x, y = base + 2 * i, base + 2 * ((i + 1) % 3), base + 2 * ((i + 2) % 3)
        s2 = sz = size = 0.0
        for l in range(3):
            s, e = two_sum(a[x, l], a[y, l])
            s += e + (a[x + 1, l] + a[y + 1, l])
            s2 += s * s
            sz += s * a[z, l]
            size += abs(s * a[z, l])
        if s2 < shortest:
            shortest = s2
            value = 0.5 * s2 + sz
            error = 6 * U * (s2 + size) + 64 * U * U
    return value, error


@inline_kernel
def half_excess(m, p, edge, vert, a, refine):
    """Half the spherical excess (area / 2) of the m-gon in slot p, m >= 3; a bound of its error.

    Fan of triangles from vertex 0.  For rays v0, v1, v2 (van Oosterom and Strackee 1983)

        tan(E / 2) = det(v0, v1, v2) / (|v0||v1||v2| + v0.v1 |v2| + v1.v2 |v0| + v2.v0 |v1|)

    and since v1 and v2 share the edge e, v1 x v2 = e det(rows before, e, after):
    the numerator is a product of two determinants of input rows, both >= 0, so
    nothing cancels.  The factors (denominator + i numerator) are multiplied, and
    one atan2 takes the argument; it is at most pi because a cone with a
    half-space has at most half the sphere.

    With `refine` the determinants, and the denominators of almost antipodal
    rays, are computed in double-double.
    """
    re, im, error = 1.0, 0.0, 0.0
    n0 = math.sqrt(_dot(vert, p, 0, 0))
    n1 = math.sqrt(_dot(vert, p, 1, 1))
    d01 = _dot(vert, p, 0, 1)
    for i in range(1, m - 1):
        j = i + 1
        e = edge[p, j]
        after = edge[p, j + 1] if j + 1 < m else edge[p, 0]
        n2 = math.sqrt(_dot(vert, p, j, j))
        d02 = _dot(vert, p, 0, j)
        d12 = _dot(vert, p, i, j)
        size = n0 * n1 * n2
        if not 2.0**-900 < size < 2.0**900:
            return 0.0, math.pi
        scale = 1.0 / size
        t01, t12, t02 = d01 * n2, d12 * n0, d02 * n1
        den = 1.0 + (t01 + t12 + t02) * scale
        den_error = _DENOMINATOR_ERROR + _TERM_ERROR * scale * (abs(t01) + abs(t12) + abs(t02))
        if refine:
            apex, apex_error = dd_det3(a, edge[p, 0], edge[p, 1], e)
            turn, turn_error = dd_det3(a, edge[p, i], e, after)
        else:
            p0 = a[e, 0] * vert[p, 0, 0]
            p1 = a[e, 1] * vert[p, 0, 1]
            p2 = a[e, 2] * vert[p, 0, 2]
            apex = p0 + p1 + p2
            apex_error = SIGN_FILTER * (abs(p0) + abs(p1) + abs(p2))
            p0 = a[after, 0] * vert[p, i, 0]
            p1 = a[after, 1] * vert[p, i, 1]
            p2 = a[after, 2] * vert[p, i, 2]
            turn = p0 + p1 + p2
            turn_error = SIGN_FILTER * (abs(p0) + abs(p1) + abs(p2))
        apex, turn = max(apex, 0.0), max(turn, 0.0)
        num = (apex * scale) * turn
        num_error = (
            (apex_error * scale) * turn + (apex * scale) * turn_error
            + (apex_error * scale) * turn_error + _NUMERATOR_ERROR * num
        )  # fmt: skip
        r2 = den * den + num * num
        if refine and r2 < _ANTIPODAL * _ANTIPODAL:
            den, den_error = _antipodal_denominator(
                a, edge[p, 0], edge[p, 1], edge[p, i], e, e, after
            )
            r2 = den * den + num * num
        slack = abs(den) * num_error + num * den_error
        # First order, doubled, unless the error reaches the size of the factor.
        if slack + num_error * num_error + den_error * den_error < 0.25 * r2:
            error += 2.0 * slack / r2 if slack > 1e-3 * r2 else 1.01 * slack / r2
        else:
            error += math.pi
        re, im = re * den - im * num, re * num + im * den
        n1, d01 = n2, d02
    angle = math.atan2(im, re)
    if angle < 0.0:
        angle = angle + 2.0 * math.pi if re < 0.0 else 0.0
    return angle, error + m * _PRODUCT_ERROR * angle


@cold_kernel
def half_excess_by_angles(m, p, edge, a):
    """Half the spherical excess of the m-gon in slot p by Girard's theorem; a bound of its error.

    2 pi minus the sum of the exterior angles, which depend on neighbouring rows only: a few
    u of absolute error for a polygon of any shape, but none relative to a small one.
    """
    never_inline()
    turned = error = 0.0
    for i in range(m):
        angle, slack = lune_angle(a, edge[p, i], edge[p, i + 1] if i + 1 < m else edge[p, 0])
        turned += math.pi - angle
        error += slack
    # The sum is below 2 pi and has at most m roundings of its size.
    half = max(0.0, math.pi - 0.5 * turned)
    return half, 0.5 * error + (m + 2) * 2 * math.pi * U


@inline_kernel
def polygon_fraction(m, p, edge, vert, a, negligible):
    """Fraction of the sphere in polygon p, and a bound of its error.

    The float result is refined when its relative error may be large, unless the
    absolute error is negligible anyway.
    """
    if m < 3:
        if m == 2:
            angle, error = lune_angle(a, edge[p, 0], edge[p, 1])
            return angle * TURN, error * TURN
        if m == EMPTY:
            return 0.0, 0.0
        return (1.0 if m == 0 else 0.5), 0.0
    angle, error = half_excess(m, p, edge, vert, a, False)
    if not is_good(angle, error, negligible):
        angle, error = _refined(m, p, edge, vert, a, angle, error)
    return angle * TURN, error * TURN


@inline_kernel
def is_good(angle, error, negligible):
    """Whether the half excess in floats is good enough."""
    return error <= max(REFINE_ABOVE * angle, negligible)


@cold_kernel
def fraction_apart(m, p, edge, vert, a, negligible):
    """`polygon_fraction`, where it is seldom asked for."""
    never_inline()
    return polygon_fraction(m, p, edge, vert, a, negligible)


@cold_kernel
def _refined(m, p, edge, vert, a, angle, error):
    """The half excess by whichever way has the smallest bound."""
    never_inline()
    other, slack = half_excess(m, p, edge, vert, a, True)
    if slack < error:
        angle, error = other, slack
    if error > REFINE_ABOVE * angle:
        other, slack = half_excess_by_angles(m, p, edge, a)
        if slack < error:
            # Where the difference of angles is lost, the float value may still be good.
            angle = other if other > slack else min(angle, slack)
            error = other + slack if other <= slack else slack
    # A polygon has an interior, so its area is not 0.
    angle = max(angle, min(_SMALLEST, error))
    return angle, error
