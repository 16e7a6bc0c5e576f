"""Cells of a bias-free ReLU RNN on sequences of n <= 3: depth-first cutting of the sphere.

The neurons' planes are cut first, step by step, so every leaf of the tree is one
activation pattern.  On a pattern all logits are linear; its polygon is then cut
by the order planes x_i = x_j that the task needs and by the planes where two
logits are equal.  A piece is a cell: pattern, label and prediction are constant.

Sequences shorter than three are embedded in three dimensions, where their cones
become lunes and hemispheres of the same fraction.

Rounding.  A normal with an error of at most E in each entry turns its plane by an
angle of at most delta = sqrt(3) E / |normal|.  Inside a convex polygon that is at
most a hemisphere, two planes at angle delta differ on a fraction of at most
delta / (2 pi).  Adding this up over all planes that cut a polygon on the way to a cell that is
right or tied, and the bounds of the areas, bounds the error of the accuracy.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel, part_kernel, tally
from conevol.kernels._rows import WIDTH
from conevol.kernels.exact import SCRATCH_ROWS
from conevol.kernels.logits import credit_of, pair_of
from conevol.kernels.operations import CORNER_OPERATIONS, MARK_OPERATIONS, area_operations
from conevol.kernels.polygon import (
    CROSSES,
    EMPTY,
    INSIDE,
    NEGLIGIBLE,
    OUTSIDE,
    TURN,
    half_excess,
    is_good,
    put_row,
)
from conevol.kernels.rare import (
    ASK_SIZE,
    TOLD_SIZE,
    cut_in_doubt,
    fraction_in_doubt,
    locate_in_doubt,
)
from conevol.kernels.sides import (
    BELOW,
    certain,
    mark,
    mark_anew,
    place,
    put_on,
    put_plane,
    signs,
    split,
    take,
    touches,
)

OK, OVERFLOW = 0, 1
# What a walk does: sum only, count the rays of all cells too, or write the table.
SUM, COUNT, WRITE = 0, 1, 2
# A plane without a direction: its normal is zero or lost in rounding.
_ZERO = 4
_UNKNOWN = -1
# Fraction swept by a turn of that sine, where it is small and where it is not.
_SMALL_TURN, _WIDE_TURN = 1.001 * math.sqrt(3.0) / (2.0 * math.pi), math.sqrt(3.0) / 4.0
# Of a bound: its own rounding, and that of sums of up to a million terms to second order.
_SLACK = 1.0 + 2.0**-30

# The task: rows (2 pairs, 3) of the order planes, x_i - x_j and its negative in
# turn; region_rows (regions, n - 1) of indices into them; region_label.
Fan = namedtuple("Fan", "rows region_rows region_label")

# Planes of a set: the order planes, and neurons of one step, or logits.
_ORDER, _GROUP = 3, WIDTH - 3

# One network's workspace.  T = n hidden, and P = n (n - 1) / 2 pairs:
#   a       normals: 2P order rows, 2P logit rows, 2T neuron rows, scratch; the sixth
#           column is 1 where the third entry is surely 0
#   edge, vert, sign   polygons (see conevol.kernels.polygon)
#   planes, axial, sides, some     and sets of planes (see conevol.kernels.sides), those of
#           each group of neurons of a step, and last of the logits
#   z, ez   pre-activation maps (n, hidden, 3), bounds of their entries (n, hidden)
#   h, eh, size        the same after the ReLU; size = largest entry of h
#   neuron  (T, 4) ints: step, number, set of planes and place in it
#   flat    (T,) bools: no plane, the normal is zero or lost in rounding
#   path    (T + 1, 6) ints: m, slot, active, state, m and slot of the pending side
#   rise    (P, hidden): readout differences w_i - w_j
#   on      (hidden,) ints: the neurons that are on in the last step
#   where   (2P,) ints: where a pattern's polygon lies to order and logit planes
#   gap     (P, 2): largest entry of a logit plane's normal, and the bound of its error
#   ask, told, rare    scratch and address of `conevol.kernels.rare`
#   spent   (1,) ints: operations so far; or None, and they are not counted
Space = namedtuple(
    "Space",
    "a edge vert sign planes axial sides some z ez h eh size neuron flat path rise on where gap "
    "ask told rare spent",
)
_T, _J, _SET, _LANE = 0, 1, 2, 3
_M, _SLOT, _ACTIVE, _PENDING, _M_OFF, _SLOT_OFF = 0, 1, 2, 3, 4, 5

# Optional table of cells; every array has one row a cell but `rays`.
Table = namedtuple("Table", "pattern label prediction ties fraction error first_ray rays")


@kernel
def new_space(n, hidden, rare, spent):
    """Workspace for networks of one shape; `rare` is the address of `rare_entry`.

    Made where it is used, so that LLVM knows that no two of its arrays overlap.
    """
    total, pairs = n * hidden, n * (n - 1) // 2
    slots = 2 * total + 5
    capacity = total + 4 * pairs + 3
    groups = (hidden + _GROUP - 1) // _GROUP
    neuron = np.empty((total, 4), np.int64)
    for depth in range(total):
        t, j = depth // hidden, depth % hidden
        neuron[depth, _T], neuron[depth, _J] = t, j
        neuron[depth, _SET] = t * groups + j // _GROUP
        neuron[depth, _LANE] = _ORDER + j % _GROUP
    return Space(
        np.zeros((4 * pairs + 2 * total + SCRATCH_ROWS, 6)),
        np.empty((slots, capacity), np.int64),
        np.empty((slots, capacity, WIDTH)),
        np.empty(capacity, np.int64),
        np.zeros((n * groups + 1, 5, WIDTH)),
        np.zeros(n * groups + 1, np.int64),
        np.empty((slots, capacity), np.int64),
        np.full(slots, -1, np.int64),
        np.zeros((n, hidden, 3)),
        np.zeros((n, hidden)),
        np.zeros((n, hidden, 3)),
        np.zeros((n, hidden)),
        np.zeros((n, hidden)),
        neuron,
        np.empty(total, np.bool_),
        np.zeros((total + 1, 6), np.int64),
        np.empty((pairs, hidden)),
        np.empty(hidden, np.int64),
        np.empty(2 * pairs, np.int64),
        np.empty((pairs, 2)),
        np.empty(ASK_SIZE, np.int64),
        np.empty(TOLD_SIZE),
        rare,
        spent,
    )


def new_table(cells, rays, total):
    """Empty table of a known size (plain Python)."""
    return Table(
        np.empty((cells, total), np.bool_),
        np.empty(cells, np.int64),
        np.empty(cells, np.int64),
        np.empty(cells, np.int64),
        np.empty(cells),
        np.empty(cells),
        np.zeros(cells + 1, np.int64),
        np.empty((rays, 3)),
    )


@inline_kernel
def _put_rows(a, row, x, y, z, error, axial):
    """Store a normal and, in the next row, its negative; returns its largest entry."""
    largest = put_row(a, row, x, y, z, error)
    if not abs(x) + abs(y) + abs(z) < math.inf:
        return math.inf
    a[row + 1, 0], a[row + 1, 1], a[row + 1, 2] = -a[row, 0], -a[row, 1], -a[row, 2]
    a[row, 5] = 1.0 if axial else 0.0
    for l in range(3, 6):
        a[row + 1, l] = a[row, l]
    return largest


@inline_kernel
def _swept(ws, row):
    """Fraction that a row's plane may sweep within its error (see above)."""
    a = ws.a
    if a[row, 4] == 0.0:
        return 0.0
    tally(ws.spent, 6)
    norm = math.sqrt(a[row, 0] * a[row, 0] + a[row, 1] * a[row, 1] + a[row, 2] * a[row, 2])
    sine = a[row, 4] / norm
    # The angle is less than 1.001 times a small sine, and at most pi / 2 times any.
    return sine * _SMALL_TURN if sine < 0.03 else min(sine * _WIDE_TURN, 0.5)


@inline_kernel
def _locate(m, p, ws, row, b, cuts):
    """Where a polygon lies to a row, which is plane b of its set or the negative.

    And a bound of the fraction that rounding may put on the wrong side.  Where the plane
    crosses that matters only if it is cut there.
    """
    if certain(p, ws, b):
        where, lost = place(p, ws, b), 0.0
        if where < CROSSES and row & 1:
            where = INSIDE + OUTSIDE - where
    else:
        where, lost = locate_in_doubt(m, p, ws, row, cuts)
    return where, lost


@inline_kernel
def _mark(m, p, ws, s):
    """`mark`, counted."""
    mark(m, p, ws, s)
    tally(ws.spent, MARK_OPERATIONS * m if m > 2 else 0)


@inline_kernel
def _cut_slowly(m, p, q, ws, row, s, where):
    """The part of polygon p above a row to slot q, by the signs of `locate`; its size."""
    m = cut_in_doubt(m, p, q, ws, row, where)
    mark_anew(m, q, ws, s)
    tally(ws.spent, MARK_OPERATIONS * m if m > 2 else 0)
    return m


@inline_kernel
def _fraction(m, p, ws):
    """`polygon_fraction`, counted."""
    tally(ws.spent, area_operations(m))
    if m > 2:
        angle, error = half_excess(m, p, ws.edge, ws.vert, ws.a, False)
        if is_good(angle, error, NEGLIGIBLE):
            return angle * TURN, error * TURN
    return fraction_in_doubt(m, p, ws)


@inline_kernel
def _pre_activations(w_hi, w_hh, ws, t, unit):
    """Maps z[t] of all neurons from h[t - 1] (of active neurons), with error bounds."""
    hidden = w_hi.shape[0]
    for j in range(hidden):
        x = y = error = 0.0
        if t > 0:
            errors = sizes = 0.0
            active = 0
            for k in range(hidden):
                if ws.size[t - 1, k] > 0.0 or ws.eh[t - 1, k] > 0.0:
                    active += 1
                    w = w_hh[j, k]
                    x += w * ws.h[t - 1, k, 0]
                    y += w * ws.h[t - 1, k, 1]
                    errors += abs(w) * ws.eh[t - 1, k]
                    sizes += abs(w) * ws.size[t - 1, k]
            # No term is rounded more often than there are terms.
            error = (errors + active * unit * sizes) * _SLACK
            tally(ws.spent, 3 + 4 * active)
        ws.z[t, j, 0], ws.z[t, j, 1], ws.z[t, j, 2] = x, y, 0.0
        # The newest input enters exactly; it is the only one in its column.
        ws.z[t, j, t] = w_hi[j]
        ws.ez[t, j] = error


@inline_kernel
def _neuron_planes(ws, t, base):
    """The planes of all neurons of a step; a status."""
    hidden = ws.z.shape[1]
    for depth in range(t * hidden, (t + 1) * hidden):
        j = ws.neuron[depth, _J]
        x, y, z, error = ws.z[t, j, 0], ws.z[t, j, 1], ws.z[t, j, 2], ws.ez[t, j]
        row = base + 2 * depth
        size = _put_rows(ws.a, row, x, y, z, error, z == 0.0)
        if not size < math.inf:
            return OVERFLOW
        ws.flat[depth] = size <= error or size == 0.0
        put_plane(ws, ws.neuron[depth, _SET], ws.neuron[depth, _LANE], row)
    tally(ws.spent, 4 * hidden)
    return OK


@inline_kernel
def _set_active(ws, t, j, active):
    """The neuron's output: its pre-activation, or zero."""
    if active:
        x, y, z = ws.z[t, j, 0], ws.z[t, j, 1], ws.z[t, j, 2]
        ws.h[t, j, 0], ws.h[t, j, 1], ws.h[t, j, 2] = x, y, z
        ws.size[t, j] = max(abs(x), abs(y), abs(z))
        ws.eh[t, j] = ws.ez[t, j]
    else:
        ws.h[t, j, 0] = ws.h[t, j, 1] = ws.h[t, j, 2] = 0.0
        ws.size[t, j] = ws.eh[t, j] = 0.0


@inline_kernel
def _clip(m, p, ws, row, b, slot, spare):
    """Polygon p on the positive side of a row; returns (m, slot of it, fraction in doubt)."""
    where, lost = _locate(m, p, ws, row, b, True)
    q, s = slot if p != slot else spare, ws.planes.shape[0] - 1
    if where >= CROSSES and certain(p, ws, b):
        tally(ws.spent, CORNER_OPERATIONS)
        m_part = take(m, p, q, ws, row, b, s, -1 if row & 1 else 1)
        if m_part > 0:
            return m_part, q, _swept(ws, row)
        where, lost = _locate(m, p, ws, row, b, True)
    if where == INSIDE:
        return m, p, lost
    if where == OUTSIDE:
        return EMPTY, p, lost
    return _cut_slowly(m, p, q, ws, row, s, where), q, lost + _swept(ws, row)


@inline_kernel
def _meet(ws, m, p, j, k):
    """All logits are equal where the only two neurons that are on are 0: say so of that vertex."""
    n, hidden, pairs = ws.h.shape[0], ws.h.shape[1], ws.rise.shape[0]
    first = 4 * pairs + 2 * (n - 1) * hidden
    for i in range(m):
        one, other = ws.edge[p, i], ws.edge[p, i + 1 if i + 1 < m else 0]
        if min(one, other) == first + 2 * j and max(one, other) == first + 2 * k:
            put_on(m, p, ws, i, ((1 << pairs) - 1) << _ORDER)
            return


@inline_kernel
def _logit_planes(ws, m, p, unit):
    """The planes of equal logits of a pattern, as far as signs do not tell their sides.

    A difference of logits is a sum of outputs of neurons, which are nowhere negative, and
    those of the active ones positive: where its coefficients have one sign, so has the sum.
    """
    n, hidden = ws.h.shape[0], ws.h.shape[1]
    last, pairs = n - 1, ws.rise.shape[0]
    active, vague = 0, False
    for k in range(hidden):
        if ws.size[last, k] > 0.0 or ws.eh[last, k] > 0.0:
            ws.on[active] = k
            active += 1
            vague |= not ws.size[last, k] > 0.0
    planes = 0
    for pair in range(pairs):
        up = down = sure = False
        for i in range(active):
            w = ws.rise[pair, ws.on[i]]
            up |= w > 0.0
            down |= w < 0.0
            sure |= w != 0.0 and ws.size[last, ws.on[i]] > 0.0
        if not (up or down):
            ws.where[pairs + pair] = _ZERO
            continue
        if sure and not (up and down):
            ws.where[pairs + pair] = INSIDE if up else OUTSIDE
            continue
        x = y = z = errors = sizes = 0.0
        for i in range(active):
            k = ws.on[i]
            w = ws.rise[pair, k]
            x += w * ws.h[last, k, 0]
            y += w * ws.h[last, k, 1]
            z += w * ws.h[last, k, 2]
            errors += abs(w) * ws.eh[last, k]
            sizes += abs(w) * ws.size[last, k]
        # One more rounding for the difference of the weights.
        error = (errors + (active + 1) * unit * sizes) * _SLACK
        row = 2 * pairs + 2 * pair
        ws.gap[pair, 0], ws.gap[pair, 1] = _put_rows(ws.a, row, x, y, z, error, n < 3), error
        put_plane(ws, ws.planes.shape[0] - 1, _ORDER + pair, row)
        ws.where[pairs + pair] = _UNKNOWN
        planes += 1
    tally(ws.spent, (5 + 5 * active) * planes)
    if planes:
        _mark(m, p, ws, ws.planes.shape[0] - 1)
        if active == 2 and not vague and ws.some[p] >= 0:
            _meet(ws, m, p, ws.on[0], ws.on[1])


@inline_kernel
def _logit_place(ws, m, p, pair, reals):
    """Where the polygon of a pattern lies to the plane of a pair of logits; _ZERO if they tie.

    Found when first asked for.  A difference that is not zero but within its
    rounding counts as a tie, and the pattern's fraction as unresolved.
    """
    pairs = ws.rise.shape[0]
    where = ws.where[pairs + pair]
    if where != _UNKNOWN:
        return where
    size, error = ws.gap[pair, 0], ws.gap[pair, 1]
    if size <= error or not 0.0 < size < math.inf:
        where, lost = _ZERO, 0.0
        if error > 0.0:
            value, bound = fraction_in_doubt(m, p, ws)
            tally(ws.spent, area_operations(m))
            reals[3] += value + bound
        if not size < math.inf:
            # `walk` reports it.
            lost = math.inf
    else:
        where, lost = _locate(m, p, ws, 2 * pairs + 2 * pair, _ORDER + pair, False)
    reals[1] += lost
    ws.where[pairs + pair] = where
    return where


@inline_kernel
def _put_ray(rays, at, x, y, z):
    norm = math.sqrt(x * x + y * y + z * z)
    rays[at, 0], rays[at, 1], rays[at, 2] = x / norm, y / norm, z / norm


@inline_kernel
def outline_size(m, n):
    """Number of rays that `outline` writes for an m-gon of an n-dimensional cone."""
    if m > 2:
        return m
    return (0, 3 if n == 2 else 0, 2 if n == 2 else 4)[m]


@inline_kernel
def outline(m, p, edge, vert, a, n, rays, at):
    """Unit vectors around a polygon, in cyclic order, to rays[at:].

    The vertices; a lune also has the middles of its edges, which in two
    dimensions are all it has; a half-plane (n = 2) its line and its normal.
    """
    if m > 2:
        for i in range(m):
            _put_ray(rays, at + i, vert[p, i, 0], vert[p, i, 1], vert[p, i, 2])
    elif m == 2:
        v0, v1, v2 = vert[p, 0, 0], vert[p, 0, 1], vert[p, 0, 2]
        step = 1 if n == 2 else 2
        first = 0 if n == 2 else 1
        for side in range(2):
            # Middle of edge 1 is row x axis, that of edge 0 is axis x row.
            row, sign = edge[p, 1 - side], 1.0 - 2.0 * side
            x, y, z = a[row, 0], a[row, 1], a[row, 2]
            _put_ray(
                rays, at + first + step * side,
                sign * (y * v2 - z * v1), sign * (z * v0 - x * v2), sign * (x * v1 - y * v0),
            )  # fmt: skip
            if n > 2:
                _put_ray(rays, at + 2 * side, sign * v0, sign * v1, sign * v2)
    elif m == 1 and n == 2:
        x, y, z = a[edge[p, 0], 0], a[edge[p, 0], 1], a[edge[p, 0], 2]
        _put_ray(rays, at, y, -x, 0.0)
        _put_ray(rays, at + 1, x, y, z)
        for l in range(3):
            rays[at + 2, l] = -rays[at, l]


@inline_kernel
def _record(ws, table, cells, at, m, p, label, leader, ties, value, error):
    """Append a cell to the table."""
    n, hidden = ws.z.shape[0], ws.z.shape[1]
    for depth in range(n * hidden):
        table.pattern[cells, depth] = ws.path[depth, _ACTIVE] == 1
    table.label[cells], table.prediction[cells], table.ties[cells] = label, leader, ties
    table.fraction[cells], table.error[cells] = value, error
    outline(m, p, ws.edge, ws.vert, ws.a, n, table.rays, at)
    table.first_ray[cells + 1] = at + outline_size(m, n)


@inline_kernel
def _wins(ws, m, p, top):
    """Whether one of a piece's vertices shows that a logit is the largest somewhere.

    Only of planes that have been located, and only where nothing ties with that logit.
    """
    n, pairs = ws.h.shape[0], ws.rise.shape[0]
    need = 0
    possible = ws.some[p] >= 0
    for o in range(n):
        if o != top:
            pair = pair_of(top, o, n)
            where = ws.where[pairs + pair]
            if where == CROSSES:
                need |= 1 << (_ORDER + pair + (BELOW if top > o else 0))
            elif where != (INSIDE if top < o else OUTSIDE):
                possible = False
    found = False
    if possible:
        for i in range(m):
            found |= ws.sides[p, i] & need == need
    return found


@inline_kernel
def _predictions(ws, m_pattern, pattern, m, p, label, rule, reals, counts, table, mode):
    """Cut a piece (m, p) with one label by the logit planes and account for its cells.

    reals: right, error, tied mass, unresolved mass.  counts: patterns, cells, rays.
    """
    n, pairs = ws.h.shape[0], ws.rise.shape[0]
    slot = ws.vert.shape[0] - 2
    divided = False
    for turn in range(n):
        # The label comes first: mostly its cell is the whole piece.
        top = label if turn == 0 else (turn - 1 if turn <= label else turn)
        if divided and mode == SUM and _wins(ws, m, p, top):
            counts[1] += 1
            continue
        tied, leader, has_label, rivals = 0, top, top == label, 0
        m_cell, q, doubtful = m, p, 0.0
        for o in range(n):
            if o == top:
                continue
            pair = pair_of(top, o, n)
            where = _logit_place(ws, m_pattern, pattern, pair, reals)
            if where == _ZERO:
                tied += 1
                leader = min(leader, o)
                has_label = has_label or o == label
            elif where != (INSIDE if top < o else OUTSIDE):
                rivals += 1
                if where >= CROSSES and m_cell != EMPTY:
                    row = 2 * (pairs + pair) + (1 if top > o else 0)
                    m_cell, q, lost = _clip(m_cell, q, ws, row, _ORDER + pair, slot, slot + 1)
                    doubtful += lost
                elif where < CROSSES:
                    m_cell = EMPTY
        ties = tied + 1
        if turn == 0 or ties > 1:
            # The other cells are neither right nor tied, wherever they end.
            reals[1] += doubtful
        # A tied set is accounted for once: with the label, or at its first member.
        if m_cell != EMPTY and (turn == 0 or (not has_label and leader == top)):
            if has_label or ties > 1 or mode == WRITE:
                value, error = _fraction(m_cell, q, ws)
                if has_label:
                    reals[0] += credit_of(label, leader, ties, rule) * value
                    tally(ws.spent, 1)
                    reals[1] += error
                if ties > 1:
                    reals[2] += value
                if mode == WRITE:
                    _record(
                        ws, table, counts[1], counts[2], m_cell, q, label, leader, ties,
                        value, error,
                    )  # fmt: skip
            counts[1] += 1
            counts[2] += outline_size(m_cell, n)
        if m_cell != EMPTY and q == p:
            return
        divided |= m_cell != EMPTY
        if turn == 0 and rivals == 1 and ties == 1 and mode == SUM:
            # What the label's cell leaves of the piece is one cell, the only rival's.
            counts[1] += 1
            return


@part_kernel
def _leaf(fan, ws, m, p, unit, rule, reals, counts, table, mode):
    """Account for all cells of one pattern."""
    pairs = ws.rise.shape[0]
    slot = ws.vert.shape[0] - 4
    counts[0] += 1
    _logit_planes(ws, m, p, unit)
    for pair in range(pairs):
        ws.where[pair], lost = _locate(m, p, ws, 2 * pair, pair, False)
        reals[1] += lost
    for region in range(fan.region_rows.shape[0]):
        empty = False
        for row in fan.region_rows[region]:
            empty |= ws.where[row // 2] == (INSIDE if row % 2 == 1 else OUTSIDE)
        if empty:
            continue
        m_piece, q = m, p
        for row in fan.region_rows[region]:
            if ws.where[row // 2] >= CROSSES:
                m_piece, q, lost = _clip(m_piece, q, ws, row, row // 2, slot, slot + 1)
                reals[1] += lost
                if m_piece == EMPTY:
                    break
        if m_piece != EMPTY:
            label = fan.region_label[region]
            _predictions(ws, m, p, m_piece, q, label, rule, reals, counts, table, mode)


@part_kernel
def _enter(ws, depth, base, reals):
    """Cut the polygon at a depth by its neuron's plane; go to the first side."""
    step = ws.path[depth]
    m, p = step[_M], step[_SLOT]
    t, j = ws.neuron[depth, _T], ws.neuron[depth, _J]
    s, b = ws.neuron[depth, _SET], ws.neuron[depth, _LANE]
    row = base + 2 * depth
    step[_PENDING] = 0
    m_next, p_next = m, p
    if ws.flat[depth]:
        # No plane: the neuron is off; what is lost of it stays in the bound.
        step[_ACTIVE] = 0
        _set_active(ws, t, j, step[_ACTIVE])
        error = ws.ez[t, j]
        if error > 0.0:
            x, y, z = ws.z[t, j, 0], ws.z[t, j, 1], ws.z[t, j, 2]
            ws.eh[t, j] = max(abs(x), abs(y), abs(z)) + error
    else:
        where, lost = _locate(m, p, ws, row, b, True)
        reals[1] += lost + (_swept(ws, row) if where >= CROSSES else 0.0)
        step[_ACTIVE] = 0 if where == OUTSIDE else 1
        _set_active(ws, t, j, step[_ACTIVE])
        if where >= CROSSES:
            on, off = 2 * depth + 1, 2 * depth + 2
            sure = certain(p, ws, b)
            if sure and not touches(m, p, ws, b):
                m_next, step[_M_OFF] = split(m, p, on, off, ws, row, b, s)
                tally(ws.spent, CORNER_OPERATIONS)
            else:
                if sure:
                    signs(m, p, ws, b)
                for side in range(2):
                    m_part = _cut_slowly(m, p, on + side, ws, row + side, s, where)
                    if side == 0:
                        m_next = m_part
                        for i in range(max(m, 2)):
                            ws.sign[i] = -ws.sign[i]
                    else:
                        step[_M_OFF] = m_part
            step[_SLOT_OFF] = off
            step[_PENDING] = 1
            p_next = on
    ws.path[depth + 1, _M], ws.path[depth + 1, _SLOT] = m_next, p_next


@inline_kernel
def _fixed_planes(w_oh, fan, ws):
    """What does not change along a walk: the order planes, in all sets, and readout differences."""
    n, hidden = w_oh.shape
    for i in range(fan.rows.shape[0]):
        put_row(ws.a, i, fan.rows[i, 0], fan.rows[i, 1], fan.rows[i, 2], 0.0)
        ws.a[i, 5] = 1.0 if fan.rows[i, 2] == 0.0 else 0.0
    for pair in range(ws.rise.shape[0]):
        for s in range(ws.planes.shape[0]):
            put_plane(ws, s, pair, 2 * pair)
    for i in range(n):
        for j in range(i + 1, n):
            for k in range(hidden):
                ws.rise[pair_of(i, j, n), k] = w_oh[i, k] - w_oh[j, k]


@inline_kernel
def walk(w_hi, w_hh, w_oh, fan, ws, unit, rule, reals, counts, table, mode):
    """Visit all cells of one network depth first; returns a status.

    reals (4,): right, error bound, tied mass, unresolved mass.
    counts (3,): patterns, cells, rays of all cells (not in mode SUM).
    unit is the unit roundoff of the maps: 2^-53, or 0 when all of them are exact.
    """
    hidden, n = w_hi.shape[0], w_oh.shape[0]
    total = n * hidden
    base = 2 * n * (n - 1)
    _fixed_planes(w_oh, fan, ws)
    ws.path[0, _M], ws.path[0, _SLOT] = 0, 0
    # A literal would have what depends on it compiled twice.
    depth = np.int64(0)
    while True:
        if depth < total:
            t, j, s = ws.neuron[depth, _T], ws.neuron[depth, _J], ws.neuron[depth, _SET]
            if j == 0:
                _pre_activations(w_hi, w_hh, ws, t, unit)
                if _neuron_planes(ws, t, base) != OK:
                    return OVERFLOW
            if ws.neuron[depth, _LANE] == _ORDER:
                _mark(ws.path[depth, _M], ws.path[depth, _SLOT], ws, s)
            _enter(ws, depth, base, reals)
            depth += 1
            continue
        m, p = ws.path[depth, _M], ws.path[depth, _SLOT]
        _leaf(fan, ws, m, p, unit, rule, reals, counts, table, mode)
        depth -= 1
        while depth >= 0 and ws.path[depth, _PENDING] == 0:
            depth -= 1
        if depth < 0:
            return OK if reals[1] < math.inf else OVERFLOW
        step = ws.path[depth]
        step[_PENDING], step[_ACTIVE] = 0, 0
        _set_active(ws, ws.neuron[depth, _T], ws.neuron[depth, _J], step[_ACTIVE])
        ws.path[depth + 1, _M] = step[_M_OFF]
        ws.path[depth + 1, _SLOT] = step[_SLOT_OFF]
        depth += 1


@kernel
def walk_range(
    w_hi, w_hh, w_oh, fan, units, rule, start, stop, reals, counts, status, table, mode, rare, spent
):  # fmt: skip
    """`walk` for networks start..stop of an ensemble, stacked along the first axis.

    A table is written for one network at a time, and must have room for its cells.
    rare is the address of `conevol.kernels.rare.rare_entry`.  spent (1,): operations of all of them
    are added to it (see `conevol.kernels.operations`), or None, which compiles a walk without
    counting.
    """
    n, hidden = w_oh.shape[1], w_hi.shape[1]
    ws = new_space(n, hidden, rare, spent)
    for b in range(start, stop):
        status[b] = walk(
            w_hi[b], w_hh[b], w_oh[b], fan, ws, units[b], rule, reals[b], counts[b], table, mode
        )
