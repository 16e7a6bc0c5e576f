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

from conevol.kernels._jit import inline_kernel, kernel, tally
from conevol.kernels.exact import SCRATCH_ROWS
from conevol.kernels.operations import area_operations, cut_operations, locate_operations
from conevol.kernels.polygon import (
    CROSSES,
    EMPTY,
    INSIDE,
    NEAR,
    OUTSIDE,
    cut,
    doubt,
    locate,
    polygon_fraction,
    put_row,
    settle,
)

TIES_FIRST, TIES_SPLIT, TIES_WRONG = 0, 1, 2
OK, OVERFLOW = 0, 1
# What a walk does: sum only, count the rays of all cells too, or write the table.
SUM, COUNT, WRITE = 0, 1, 2
# A plane without a direction: its normal is zero or lost in rounding.
_ZERO = 4
_UNKNOWN = -1
# Areas are refined only to this: the planes of a network are not better known.
_NEGLIGIBLE = 1e-14
# Fraction swept by a turn of that sine, where it is small and where it is not.
_SMALL_TURN, _TURN = 1.001 * math.sqrt(3.0) / (2.0 * math.pi), math.sqrt(3.0) / 4.0
# Of a bound: its own rounding, and that of sums of up to a million terms to second order.
_SLACK = 1.0 + 2.0**-30

# The task: rows (2 pairs, 3) of the order planes, x_i - x_j and its negative in
# turn; region_rows (regions, n - 1) of indices into them; region_label.
Fan = namedtuple("Fan", "rows region_rows region_label")

# One network's workspace.  T = n hidden, and P = n (n - 1) / 2 pairs:
#   a       normals: 2P order rows, 2P logit rows, 2T neuron rows, scratch
#   edge, vert, sign   polygons (see conevol.kernels.polygon)
#   z, ez   pre-activation maps (n, hidden, 3), bounds of their entries (n, hidden)
#   h, eh, size        the same after the ReLU; size = largest entry of h
#   path    (T + 1, 6) ints: m, slot, active, state, m and slot of the pending side
#   where   (2P,) ints: where a pattern's polygon lies to order and logit planes
#   spent   (1,) ints: operations so far; or None, and they are not counted
Space = namedtuple("Space", "a edge vert sign z ez h eh size path where spent")
_M, _SLOT, _ACTIVE, _PENDING, _M_OFF, _SLOT_OFF = 0, 1, 2, 3, 4, 5

# Optional table of cells; every array has one row a cell but `rays`.
Table = namedtuple("Table", "pattern label prediction ties fraction error first_ray rays")


@kernel
def new_space(n, hidden, pairs, spent):
    """Workspace for networks of one shape."""
    total = n * hidden
    slots = 2 * total + 5
    capacity = total + 4 * pairs + 3
    return Space(
        np.zeros((4 * pairs + 2 * total + SCRATCH_ROWS, 5)),
        np.empty((slots, capacity), np.int64),
        np.empty((slots, capacity, 5)),
        np.empty(capacity, np.int64),
        np.zeros((n, hidden, 3)),
        np.zeros((n, hidden)),
        np.zeros((n, hidden, 3)),
        np.zeros((n, hidden)),
        np.zeros((n, hidden)),
        np.zeros((total + 1, 6), np.int64),
        np.empty(2 * pairs, np.int64),
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
def _put_rows(a, row, x, y, z, error):
    """Store a normal and, in the next row, its negative; returns its largest entry."""
    largest = put_row(a, row, x, y, z, error)
    if not abs(x) + abs(y) + abs(z) < math.inf:
        return math.inf
    a[row + 1, 0], a[row + 1, 1], a[row + 1, 2] = -a[row, 0], -a[row, 1], -a[row, 2]
    a[row + 1, 3], a[row + 1, 4] = a[row, 3], a[row, 4]
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
    return sine * _SMALL_TURN if sine < 0.03 else min(sine * _TURN, 0.5)


@inline_kernel
def _locate(m, p, ws, row, cuts):
    """`locate`, and a bound of the fraction that rounding may put on the wrong side.

    Where the plane crosses that matters only if it is cut there.
    """
    place = locate(m, p, ws.edge, ws.vert, ws.a, row, ws.sign)
    tally(ws.spent, locate_operations(m, place, row, ws.a))
    near = place & NEAR != 0
    place &= ~NEAR
    lost = 0.0
    if near and (cuts or place < CROSSES):
        lost, whole, operations = doubt(m, p, ws.edge, ws.vert, ws.a, row, ws.sign)
        tally(ws.spent, operations)
        if place >= CROSSES and whole:
            # A cut could come out larger than what is cut.
            place = INSIDE
        elif place >= CROSSES and m > 2:
            operations = settle(m, p, ws.edge, ws.vert, ws.a, row, ws.sign)
            tally(ws.spent, operations)
    return place, lost


@inline_kernel
def _cut(m, p, q, ws, row, side, where):
    """`cut`, counted."""
    m = cut(m, p, q, ws.edge, ws.vert, ws.a, row, ws.sign, side, where)
    tally(ws.spent, cut_operations(m, q, ws.vert))
    return m


@inline_kernel
def _fraction(m, p, ws):
    """`polygon_fraction`, counted."""
    tally(ws.spent, area_operations(m))
    return polygon_fraction(m, p, ws.edge, ws.vert, ws.a, _NEGLIGIBLE)


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
def _clip(m, p, ws, row, slot, spare):
    """Polygon p on the positive side of a row; returns (m, slot of it, fraction in doubt)."""
    where, lost = _locate(m, p, ws, row, True)
    if where == INSIDE:
        return m, p, lost
    if where == OUTSIDE:
        return EMPTY, p, lost
    q = slot if p != slot else spare
    return _cut(m, p, q, ws, row, 1, where), q, lost + _swept(ws, row)


@inline_kernel
def _pair(i, j, n):
    """Index of the pair (i, j), i != j, among the pairs (0, 1), (0, 2), .., (1, 2), .."""
    if i > j:
        i, j = j, i
    return i * (2 * n - i - 1) // 2 + j - i - 1


@inline_kernel
def _pair_row(i, j, n):
    """Offset of the row x_i - x_j (or logit_i - logit_j) among rows in pairs of signs."""
    return 2 * _pair(i, j, n) + (1 if i > j else 0)


@inline_kernel
def _logit_sign(w_oh, ws, i, j):
    """Sign of logit i - logit j on a pattern that the readout tells by itself, or 0.

    The outputs of neurons are nowhere negative, and those of the active ones positive.
    """
    last = ws.h.shape[0] - 1
    side, certain = 0, False
    for k in range(w_oh.shape[1]):
        if w_oh[i, k] != w_oh[j, k] and (ws.size[last, k] > 0.0 or ws.eh[last, k] > 0.0):
            sign = 1 if w_oh[i, k] > w_oh[j, k] else -1
            if sign == -side:
                return 0
            side = sign
            certain = certain or ws.size[last, k] > 0.0
    return side if certain else 0


@inline_kernel
def _logit_place(w_oh, ws, m, p, i, j, unit, reals):
    """Where the polygon of a pattern lies to the plane of logits i and j; _ZERO if they tie.

    Computed when first asked for.  A difference that is not zero but within its
    rounding counts as a tie, and the pattern's fraction as unresolved.
    """
    n, hidden = w_oh.shape
    pairs = n * (n - 1) // 2
    pair = _pair(i, j, n)
    if ws.where[pairs + pair] != _UNKNOWN:
        return ws.where[pairs + pair]
    if i > j:
        i, j = j, i
    side = _logit_sign(w_oh, ws, i, j)
    if side != 0:
        ws.where[pairs + pair] = INSIDE if side > 0 else OUTSIDE
        return ws.where[pairs + pair]
    last = ws.h.shape[0] - 1
    active = 0
    x = y = z = errors = sizes = 0.0
    for k in range(hidden):
        if ws.size[last, k] > 0.0 or ws.eh[last, k] > 0.0:
            active += 1
            w = w_oh[i, k] - w_oh[j, k]
            x += w * ws.h[last, k, 0]
            y += w * ws.h[last, k, 1]
            z += w * ws.h[last, k, 2]
            errors += abs(w) * ws.eh[last, k]
            sizes += abs(w) * ws.size[last, k]
    # One more rounding for the difference of the weights.
    error = (errors + (active + 1) * unit * sizes) * _SLACK
    row = 2 * pairs + 2 * pair
    size = _put_rows(ws.a, row, x, y, z, error)
    tally(ws.spent, 3 + 5 * active)
    if size <= error or not 0.0 < size < math.inf:
        place, lost = _ZERO, 0.0
        if error > 0.0:
            value, bound = _fraction(m, p, ws)
            reals[3] += value + bound
        if not size < math.inf:
            # `walk` reports it.
            lost = math.inf
    else:
        place, lost = _locate(m, p, ws, row, False)
    reals[1] += lost
    ws.where[pairs + pair] = place
    return place


@inline_kernel
def _credit(label, leader, ties, rule):
    """Share of a tied cell that counts as right when the label is among the tied."""
    if ties == 1:
        return 1.0
    if rule == TIES_FIRST:
        return 1.0 if leader == label else 0.0
    return 1.0 / ties if rule == TIES_SPLIT else 0.0


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
def _predictions(w_oh, ws, m_pattern, pattern, m, p, label, unit, rule, reals, counts, table, mode):
    """Cut a piece (m, p) with one label by the logit planes and account for its cells.

    reals: right, error, tied mass, unresolved mass.  counts: patterns, cells, rays.
    """
    n = w_oh.shape[0]
    pairs = n * (n - 1) // 2
    slot = ws.vert.shape[0] - 2
    for turn in range(n):
        # The label comes first: mostly its cell is the whole piece.
        top = label if turn == 0 else (turn - 1 if turn <= label else turn)
        ties, leader, has_label, rivals = 1, top, top == label, 0
        m_cell, q, doubtful = m, p, 0.0
        for o in range(n):
            if o == top:
                continue
            place = _logit_place(w_oh, ws, m_pattern, pattern, top, o, unit, reals)
            if place == _ZERO:
                ties += 1
                leader = min(leader, o)
                has_label = has_label or o == label
            elif place != (INSIDE if top < o else OUTSIDE):
                rivals += 1
                if place >= CROSSES and m_cell != EMPTY:
                    row = 2 * pairs + _pair_row(top, o, n)
                    m_cell, q, lost = _clip(m_cell, q, ws, row, slot, slot + 1)
                    doubtful += lost
                elif place < CROSSES:
                    m_cell = EMPTY
        if turn == 0 or ties > 1:
            # The other cells are neither right nor tied, wherever they end.
            reals[1] += doubtful
        # A tied set is accounted for once: with the label, or at its first member.
        if m_cell != EMPTY and (turn == 0 or (not has_label and leader == top)):
            if has_label or ties > 1 or mode == WRITE:
                value, error = _fraction(m_cell, q, ws)
                if has_label:
                    reals[0] += _credit(label, leader, ties, rule) * value
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
        if turn == 0 and rivals == 1 and ties == 1 and mode == SUM:
            # What the label's cell leaves of the piece is one cell, the only rival's.
            counts[1] += 1
            return


@inline_kernel
def _leaf(w_oh, fan, ws, m, p, unit, rule, reals, counts, table, mode):
    """Account for all cells of one pattern."""
    n = w_oh.shape[0]
    pairs = n * (n - 1) // 2
    slot = ws.vert.shape[0] - 4
    counts[0] += 1
    for pair in range(pairs):
        ws.where[pairs + pair] = _UNKNOWN
        ws.where[pair], lost = _locate(m, p, ws, 2 * pair, False)
        reals[1] += lost
    for region in range(fan.region_rows.shape[0]):
        m_piece, q = m, p
        for row in fan.region_rows[region]:
            place = ws.where[row // 2]
            if place == (INSIDE if row % 2 == 1 else OUTSIDE):
                m_piece = EMPTY
                break
            if place >= CROSSES:
                m_piece, q, lost = _clip(m_piece, q, ws, row, slot, slot + 1)
                reals[1] += lost
                if m_piece == EMPTY:
                    break
        if m_piece != EMPTY:
            label = fan.region_label[region]
            _predictions(w_oh, ws, m, p, m_piece, q, label, unit, rule, reals, counts, table, mode)


@inline_kernel
def _enter(ws, t, j, depth, base, reals):
    """Cut the polygon at a depth by neuron j of step t; go to its first side.

    Returns a status.
    """
    step = ws.path[depth]
    m, p = step[_M], step[_SLOT]
    x, y, z = ws.z[t, j, 0], ws.z[t, j, 1], ws.z[t, j, 2]
    error = ws.ez[t, j]
    row = base + 2 * depth
    size = _put_rows(ws.a, row, x, y, z, error)
    tally(ws.spent, 2)
    step[_PENDING] = 0
    m_next, p_next = m, p
    if not size < math.inf:
        return OVERFLOW
    if size <= error or size == 0.0:
        # No plane: the neuron is off; what is lost of it stays in the bound.
        step[_ACTIVE] = 0
        _set_active(ws, t, j, False)
        ws.eh[t, j] = size + error if error > 0.0 else 0.0
    else:
        where, lost = _locate(m, p, ws, row, True)
        reals[1] += lost + (_swept(ws, row) if where >= CROSSES else 0.0)
        step[_ACTIVE] = 0 if where == OUTSIDE else 1
        _set_active(ws, t, j, where != OUTSIDE)
        if where >= CROSSES:
            on, off = 2 * depth + 1, 2 * depth + 2
            m_next = _cut(m, p, on, ws, row, 1, where)
            step[_M_OFF] = _cut(m, p, off, ws, row + 1, -1, where)
            step[_SLOT_OFF] = off
            step[_PENDING] = 1
            p_next = on
    ws.path[depth + 1, _M], ws.path[depth + 1, _SLOT] = m_next, p_next
    return OK


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
    for i in range(fan.rows.shape[0]):
        put_row(ws.a, i, fan.rows[i, 0], fan.rows[i, 1], fan.rows[i, 2], 0.0)
    ws.path[0, _M], ws.path[0, _SLOT] = 0, 0
    depth = 0
    while True:
        if depth < total:
            t, j = depth // hidden, depth % hidden
            if j == 0:
                _pre_activations(w_hi, w_hh, ws, t, unit)
            if _enter(ws, t, j, depth, base, reals) != OK:
                return OVERFLOW
            depth += 1
            continue
        m, p = ws.path[depth, _M], ws.path[depth, _SLOT]
        _leaf(w_oh, fan, ws, m, p, unit, rule, reals, counts, table, mode)
        depth -= 1
        while depth >= 0 and ws.path[depth, _PENDING] == 0:
            depth -= 1
        if depth < 0:
            return OK if reals[1] < math.inf else OVERFLOW
        step = ws.path[depth]
        step[_PENDING], step[_ACTIVE] = 0, 0
        _set_active(ws, depth // hidden, depth % hidden, False)
        ws.path[depth + 1, _M] = step[_M_OFF]
        ws.path[depth + 1, _SLOT] = step[_SLOT_OFF]
        depth += 1


@kernel
def walk_range(
    w_hi, w_hh, w_oh, fan, units, rule, start, stop, reals, counts, status, table, mode, spent
):  # fmt: skip
    """`walk` for networks start..stop of an ensemble, stacked along the first axis.

    A table is written for one network at a time, and must have room for its cells.
    spent (1,): operations of all of them are added to it (see `conevol.kernels.operations`), or
    None, which compiles a walk without counting.
    """
    n, hidden = w_oh.shape[1], w_hi.shape[1]
    ws = new_space(n, hidden, n * (n - 1) // 2, spent)
    for b in range(start, stop):
        status[b] = walk(
            w_hi[b], w_hh[b], w_oh[b], fan, ws, units[b], rule, reals[b], counts[b], table, mode
        )
