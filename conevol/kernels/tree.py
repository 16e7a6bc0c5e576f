"""The walk over the cells of a network on sequences of any length, depth first.

The tree of the patterns: a node of depth m fixes which of the first m neurons
(step by step) are on, and holds the cone of the inputs on which that is so, in the
dimensions of the inputs read so far.  At a leaf, a whole pattern, all logits are linear;
its cone is cut by the order planes of the task's regions, and the pieces by the planes
where two logits are equal.  A subtree is walked from its prefix alone, so the walk can be
shared out.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from conevol.kernels._jit import cold_kernel, inline_kernel, kernel, never_inline, tally
from conevol.kernels.cut import (
    CROSSES,
    INSIDE,
    OK,
    OUTSIDE,
    TORN,
    U,
    clip,
    cone_fraction,
    doubt,
    lift,
    lift_doubt,
    locate,
    new_cones,
    put_row,
    share,
)
from conevol.kernels.doubledouble import DD_EPS, dd_add, dd_fma
from conevol.kernels.enclosure import cover, enclose
from conevol.kernels.logits import credit_of, pair_of

# Statuses, beside those of a cut.
OVERFLOW, NO_PREFIX, LIMIT, LEFT_FULL = 4, 5, 6, 7
# What a walk does: sum what is right or tied; sum all cells and count their rays; write the
# table of cells; sum what is lost to right; list the prefixes of one depth; list them with
# their fractions; go to one prefix; go down by chance.
SUM, ALL, WRITE, LOSS, LIST, MEASURE, REPLAY, PROBE = 0, 1, 2, 3, 4, 5, 6, 7
# Sums of a walk, and its counts.
RIGHT, ERROR, TIED, UNRESOLVED, TOTAL, LOST, SKIPPED = 0, 1, 2, 3, 4, 5, 6
PATTERNS, CELLS, RAYS, LEFT, FRACTIONS, CROSSINGS, OPERATIONS = 0, 1, 2, 3, 4, 5, 6
REALS, COUNTS = 7, 7
_ZERO, _UNKNOWN = 4, -1
# Error of one double-double multiplication and addition, with room for the sum's growth.
_GAMMA = 8.0 * DD_EPS
# A pattern whose planes leave more than this in doubt is measured as a whole.
_DOUBTFUL = 1e-15
# `cover` is too large by a factor of this at most, as a rule.
_COVERS = 32.0
# A plane is in doubles where its relative error is below this.
_CLEAR = 1e-9

# One network.  region_rows (regions, width) of 2 pair + (1 if negative), region_label;
# unit is the unit roundoff of its maps, 0 where they are exact.
Net = namedtuple("Net", "w_hi w_hh w_oh region_rows region_label unit rule")
#   z, h and their low parts (n, hidden, n), ez, eh, size (n, hidden): maps of the states in
#   double-double, bounds of their entries' errors, and largest entries;
#   path (T + 1, 4): slot, active, pending, slot of the pending side;
#   where (2 pairs,): where a pattern's cone lies to the order and logit planes;
#   unclear (1,): how many of these differences of logits are within their rounding
Maps = namedtuple("Maps", "z z_lo ez h h_lo eh size path where unclear")
_SLOT, _ACTIVE, _PENDING, _SLOT_OFF = 0, 1, 2, 3
# Cells whose fraction is left to the engine: normals (cells, rows, n), info (cells, 3):
# number of rows, ties, place in the table; share (cells, 2): credit and largest fraction
Left = namedtuple("Left", "normals info share")
# Cells (one row each but rays), or prefixes (pattern only).
Table = namedtuple("Table", "pattern label prediction ties fraction error first_ray rays")


@kernel
def new_maps(n, hidden):
    """Workspace of a walk beside its cones."""
    return Maps(
        np.zeros((n, hidden, n)),
        np.zeros((n, hidden, n)),
        np.zeros((n, hidden)),
        np.zeros((n, hidden, n)),
        np.zeros((n, hidden, n)),
        np.zeros((n, hidden)),
        np.zeros((n, hidden)),
        np.zeros((n * hidden + 1, 4), np.int64),
        np.zeros(n * (n - 1), np.int64),
        np.zeros(1, np.int64),
    )


def new_space(n, hidden, rays):
    """Cones for a walk, so many rays each, and the order planes (plain Python)."""
    pairs = n * (n - 1) // 2
    c = new_cones(n, 2 * n * hidden + 5, rays, 2 * pairs + n * hidden)
    row = 0
    for i in range(n):
        for j in range(i + 1, n):
            c.a[row, i], c.a[row, j] = 1.0, -1.0
            c.norm[row] = math.sqrt(2.0)
            row += 1
    return c


def new_table(cells, rays, total, n):
    """Empty table of a known size (plain Python)."""
    return Table(
        np.empty((cells, total), np.bool_),
        np.empty(cells, np.int64),
        np.empty(cells, np.int64),
        np.empty(cells, np.int64),
        np.empty(cells),
        np.empty(cells),
        np.zeros(cells + 1, np.int64),
        np.empty((rays, n)),
    )


def new_left(cells, n, hidden):
    """Room for cells that are left to the engine (plain Python)."""
    rows = n * hidden + 2 * (n - 1)
    return Left(np.zeros((cells, rows, n)), np.zeros((cells, 3), np.int64), np.zeros((cells, 2)))


@inline_kernel
def _pre_activations(net, ws, t, spent):
    """Maps z[t] of all neurons from h[t - 1] (of active neurons) in double-double, with bounds."""
    hidden, n = net.w_hi.shape[0], net.w_oh.shape[0]
    for j in range(hidden):
        for l in range(n):
            ws.z[t, j, l] = ws.z_lo[t, j, l] = 0.0
        error = 0.0
        if t > 0:
            for k in range(hidden):
                if ws.size[t - 1, k] > 0.0 or ws.eh[t - 1, k] > 0.0:
                    tally(spent, 4 * t + 2)
                    w = net.w_hh[j, k]
                    for l in range(t):
                        ws.z[t, j, l], ws.z_lo[t, j, l] = dd_fma(
                            ws.z[t, j, l], ws.z_lo[t, j, l], w, 0.0,
                            ws.h[t - 1, k, l], ws.h_lo[t - 1, k, l],
                        )  # fmt: skip
                    error += abs(w) * (ws.eh[t - 1, k] + _GAMMA * hidden * ws.size[t - 1, k])
        # The newest input enters exactly; it is the only one in its column.
        ws.z[t, j, t] = net.w_hi[j]
        ws.ez[t, j] = error if net.unit > 0.0 else 0.0


@inline_kernel
def _set_active(ws, t, j, active, lost):
    """The neuron's output: its pre-activation, or zero up to `lost`."""
    size = 0.0
    for l in range(t + 1):
        x = ws.z[t, j, l] if active else 0.0
        ws.h[t, j, l] = x
        ws.h_lo[t, j, l] = ws.z_lo[t, j, l] if active else 0.0
        size = max(size, abs(x))
    ws.size[t, j] = size
    ws.eh[t, j] = ws.ez[t, j] if active else lost


@inline_kernel
def _side(c, p, row, sign, slot, spare, reals):
    """The part of cone p on one side of a row, in p or a slot: (status, slot, -1 if empty)."""
    place, near = locate(c, p, row)
    reals[ERROR] += doubt(c, p, c.turn[row] if place == CROSSES else 0.0, near)
    if place != CROSSES:
        return OK, (p if (place == INSIDE) == (sign > 0) else -1)
    q = slot if p != slot else spare
    status = clip(c, p, q, -1, row, sign, near)
    if status == TORN:
        # All of it is in doubt.
        reals[ERROR] += share(c, p)
        return OK, -1
    return status, q


@inline_kernel
def _surely_beside(net, c, ws, p, i, j, pair):
    """Where the cone lies to the plane of logits i < j if doubles can tell that, else CROSSES.

    The plane is not kept: nothing is cut by it.
    """
    n, hidden = net.w_oh.shape
    for l in range(n):
        c.a[pair, l] = c.a_lo[pair, l] = 0.0
    error = 0.0
    for k in range(hidden):
        size = ws.size[n - 1, k]
        if size > 0.0 or ws.eh[n - 1, k] > 0.0:
            w = net.w_oh[i, k] - net.w_oh[j, k]
            tally(c.spent, n + 2)
            for l in range(n):
                c.a[pair, l] += w * ws.h[n - 1, k, l]
            error += abs(w) * (ws.eh[n - 1, k] + (hidden + 4) * U * size)
    size = put_row(c, pair, n, error, 0.0)
    place = CROSSES
    if error < _CLEAR * size and size < math.inf:
        place, near = locate(c, p, pair)
        place = place if near == 0.0 else CROSSES
    c.norm[pair] = 0.0
    return place


@cold_kernel
def _logit_place(net, c, ws, p, i, j, reals):
    """Where the cone of a pattern lies to the plane of logits i < j; _ZERO if they tie.

    Computed when it is first needed.  A difference that is not zero but within its
    rounding counts as a tie, and is counted in ws.unclear.
    """
    never_inline()
    n, hidden = net.w_oh.shape
    pair = n * (n - 1) // 2 + pair_of(i, j, n)
    ws.where[pair] = _surely_beside(net, c, ws, p, i, j, pair)
    if ws.where[pair] != CROSSES:
        return ws.where[pair]
    for l in range(n):
        c.a[pair, l] = c.a_lo[pair, l] = 0.0
    error = 0.0
    for k in range(hidden):
        if ws.size[n - 1, k] > 0.0 or ws.eh[n - 1, k] > 0.0:
            tally(c.spent, 4 * n + 2)
            w, w_lo = dd_add(net.w_oh[i, k], 0.0, -net.w_oh[j, k], 0.0)
            for l in range(n):
                c.a[pair, l], c.a_lo[pair, l] = dd_fma(
                    c.a[pair, l], c.a_lo[pair, l], w, w_lo,
                    ws.h[n - 1, k, l], ws.h_lo[n - 1, k, l],
                )  # fmt: skip
            error += abs(w) * (ws.eh[n - 1, k] + _GAMMA * hidden * ws.size[n - 1, k])
    error = error if net.unit > 0.0 else 0.0
    size = put_row(c, pair, n, error, 0.0)
    if not size < math.inf:
        # `walk` reports it.
        reals[ERROR] = math.inf
    if size <= error or not 0.0 < size < math.inf:
        place = _ZERO
        if error > 0.0:
            ws.unclear[0] += 1
    else:
        place, near = locate(c, p, pair)
        reals[ERROR] += doubt(c, p, c.turn[pair] if place == CROSSES else 0.0, near)
    ws.where[pair] = place
    return place


@inline_kernel
def _order_place(c, p, i, j, pair, reals):
    """Where the cone of a pattern lies to the plane of inputs i < j, which a difference tells."""
    positive = negative = False
    base = c.turn[pair] + (c.size[p, 1] + 3) * U
    tally(c.spent, c.size[p, 0])
    for r in range(c.size[p, 0]):
        s = c.ray[p, r, i] - c.ray[p, r, j]
        if abs(s) <= c.norm[pair] * (c.error[p, r] + base):
            place, near = locate(c, p, pair)
            if near > 0.0:
                reals[ERROR] += doubt(c, p, 0.0, near)
            return place
        positive = positive or s > 0.0
        negative = negative or s < 0.0
    if positive and negative:
        return CROSSES
    return INSIDE if positive else OUTSIDE


@inline_kernel
def _open_leaf(net, c, ws, p, reals):
    """Begin a pattern: locate its cone to the order planes."""
    n = net.w_oh.shape[0]
    pairs = n * (n - 1) // 2
    ws.unclear[0] = 0
    for i in range(n):
        for j in range(i + 1, n):
            pair = pair_of(i, j, n)
            ws.where[pairs + pair] = _UNKNOWN
            ws.where[pair] = _order_place(c, p, i, j, pair, reals)


@inline_kernel
def _meets(net, ws, region):
    """Whether no order plane alone keeps the pattern's cone out of a region."""
    for k in range(net.region_rows.shape[1]):
        code = net.region_rows[region, k]
        if ws.where[code >> 1] == (INSIDE if code & 1 else OUTSIDE):
            return False
    return True


@cold_kernel
def _piece(net, c, ws, p, region, reals):
    """The part of a pattern's cone in a region that it `_meets`: (status, slot, -1 if empty)."""
    never_inline()
    slot = c.size.shape[0] - 4
    q = p
    for k in range(net.region_rows.shape[1]):
        code = net.region_rows[region, k]
        if ws.where[code >> 1] == CROSSES:
            sign = -1 if code & 1 else 1
            status, q = _side(c, q, code >> 1, sign, slot, slot + 1, reals)
            if status != OK or q < 0:
                return status, -1
    return OK, q


@cold_kernel
def _cell(net, c, ws, pattern, p, label, turn, reals):
    """Part of a piece with one prediction: (status, slot or -1, first of the tied, ties, right).

    The label comes first, at turn 0: mostly its cell is the whole piece.  A tied set comes
    once: with the label, or at its first member.
    """
    never_inline()
    n = net.w_oh.shape[0]
    pairs = n * (n - 1) // 2
    slot = c.size.shape[0] - 2
    top = label if turn == 0 else (turn - 1 if turn <= label else turn)
    ties, leader, has_label = 1, top, top == label
    q = p
    for o in range(n):
        if o == top:
            continue
        i, j, sign = (top, o, 1) if top < o else (o, top, -1)
        place = ws.where[pairs + pair_of(i, j, n)]
        if place == _UNKNOWN:
            place = _logit_place(net, c, ws, pattern, i, j, reals)
        if place == _ZERO:
            ties += 1
            leader = min(leader, o)
            has_label = has_label or o == label
        elif place == CROSSES:
            status, q = _side(c, q, pairs + pair_of(i, j, n), sign, slot, slot + 1, reals)
            if status != OK or q < 0:
                return status, -1, top, 1, False
        elif place != (INSIDE if sign > 0 else OUTSIDE):
            return OK, -1, top, 1, False
    if turn > 0 and (has_label or leader != top):
        q = -1
    return OK, q, leader, ties, has_label


@inline_kernel
def _record(c, ws, q, label, leader, ties, value, error, counts, table):
    """Write a cell to the table; the cell and its rays have been counted."""
    at = counts[CELLS] - 1
    for depth in range(ws.path.shape[0] - 1):
        table.pattern[at, depth] = ws.path[depth, _ACTIVE] == 1
    table.label[at], table.prediction[at], table.ties[at] = label, leader, ties
    table.fraction[at], table.error[at] = value, error
    first = counts[RAYS] - c.size[q, 0]
    for i in range(c.size[q, 0]):
        for l in range(c.size[q, 1]):
            table.rays[first + i, l] = c.ray[q, i, l]
    table.first_ray[at + 1] = counts[RAYS]


@cold_kernel
def _leave(net, c, ws, q, region, top, ties, credit, left, counts):
    """Leave the fraction of a cell (or with ties = 0, a pattern) to the engine.  A status.

    It gets every half-space that defines the cell, in case its facets are in doubt.
    """
    never_inline()
    m = counts[LEFT]
    if m == left.info.shape[0]:
        return LEFT_FULL
    n = net.w_oh.shape[0]
    first, k = n * (n - 1), 0
    for depth in range(ws.path.shape[0] - 1):
        k = _put_half_space(c, first + depth, ws.path[depth, _ACTIVE] == 1, left.normals[m], k)
    if ties:
        for i in range(net.region_rows.shape[1]):
            code = net.region_rows[region, i]
            k = _put_half_space(c, code >> 1, code & 1 == 0, left.normals[m], k)
        for o in range(n):
            if o == top:
                continue
            pair = n * (n - 1) // 2 + pair_of(min(o, top), max(o, top), n)
            if ws.where[pair] != _ZERO:
                k = _put_half_space(c, pair, top < o, left.normals[m], k)
    left.info[m, 0], left.info[m, 1], left.info[m, 2] = k, ties, counts[CELLS] - 1
    left.share[m, 0], left.share[m, 1] = credit, share(c, q)
    counts[LEFT] += 1
    return OK


@inline_kernel
def _put_half_space(c, row, positive, out, k):
    """Write a row, turned inward, to out[k], unless it is no plane; k after it."""
    if c.norm[row] == 0.0:
        return k
    for l in range(out.shape[1]):
        out[k, l] = c.a[row, l] if positive else -c.a[row, l]
    return k + 1


@cold_kernel
def _enter(net, c, ws, depth, prefix, mode, out):
    """Cut the cone at a depth by the next neuron; go to its first side, or the prefix's.

    Returns a status.  What rounding may cost is counted where no prefix prescribes the side.
    """
    never_inline()
    reals, counts = out
    n, hidden = net.w_oh.shape
    t, j = depth // hidden, depth % hidden
    if j == 0:
        _pre_activations(net, ws, t, c.spent)
    p, row = ws.path[depth, _SLOT], n * (n - 1) + depth
    for l in range(n):
        c.a[row, l], c.a_lo[row, l] = ws.z[t, j, l], ws.z_lo[t, j, l]
    error = ws.ez[t, j]
    size = put_row(c, row, t + 1, error, 0.0)
    if not size < math.inf:
        return OVERFLOW
    forced = depth < prefix.size
    cylinder = c.size[p, 1] == t and net.w_hi[j] != 0.0
    place, near, lost = OUTSIDE, 0.0, 0.0
    if cylinder:
        place = CROSSES
        reals[ERROR] += 0.0 if forced else lift_doubt(c, p, row)
    elif size <= error or size == 0.0:
        # No plane: the neuron is off; what is lost of it stays in the bound.
        lost = size + error if error > 0.0 else 0.0
    else:
        place, near = locate(c, p, row)
        if not forced:
            reals[ERROR] += doubt(c, p, c.turn[row] if place == CROSSES else 0.0, near)
    active = place != OUTSIDE
    following = p
    ws.path[depth, _PENDING] = 0
    status = OK
    if place == CROSSES:
        counts[CROSSINGS] += 1
        on, off = 2 * depth + 1, 2 * depth + 2
        if forced:
            active = prefix[depth] != 0
        following = on if active else off
        sign = 1 if active else -1
        if cylinder:
            status = lift(c, p, following, row, sign)
            if status == OK and not forced:
                status = lift(c, p, off, row, -1)
        else:
            # With rays in doubt the other part has a say in whether the cut is one.
            both = near > 0.0 or not forced
            status = clip(c, p, following, on + off - following if both else -1, row, sign, near)
        if status == TORN:
            # The neuron counts as off on the whole cone.
            reals[ERROR] += 0.0 if forced else share(c, p)
            status, active, following = OK, False, p
            if forced and prefix[depth] != 0 and mode != PROBE:
                return NO_PREFIX
        elif not forced:
            ws.path[depth, _PENDING], ws.path[depth, _SLOT_OFF] = 1, off
    elif forced and mode != PROBE and active != (prefix[depth] != 0):
        return NO_PREFIX
    ws.path[depth, _ACTIVE] = 1 if active else 0
    _set_active(ws, t, j, active, lost)
    ws.path[depth + 1, _SLOT] = following
    return status


@inline_kernel
def _list_prefix(ws, depth, counts, table):
    """Count a prefix of this depth, and write it while there is room."""
    at = counts[PATTERNS]
    if at < table.pattern.shape[0]:
        for k in range(depth):
            table.pattern[at, k] = ws.path[k, _ACTIVE] == 1
    counts[PATTERNS] += 1


@inline_kernel
def _measured(counts, table, value, error):
    """Write the fraction of the prefix listed last, while there is room."""
    at = counts[PATTERNS] - 1
    if at < table.pattern.shape[0]:
        table.fraction[at], table.error[at] = value, error


@inline_kernel
def _is_small(c, p, least, reals):
    """Whether a cone's fraction is at most `least`; then it is added to SKIPPED."""
    most = cover(c, p)
    if least < most < _COVERS * least:
        _, high = enclose(c, p)
        most = min(most, high)
    if most <= least:
        reals[SKIPPED] += most
    return most <= least


@kernel
def walk(net, c, ws, prefix, stop, mode, limit, least, out, left, table):
    """Visit the nodes below a prefix to the depth `stop`, depth first; returns a status.

    out = (reals, counts) are added to.  Modes SUM, ALL, WRITE and LOSS need stop = n hidden, and
    end with LIMIT after that many cells.  LOSS computes fractions of what is not wholly right
    only; where bounds of the loss are `least` apart at most, it adds the lower to LOST and the rest
    to SKIPPED instead, and goes into no cone of at most that fraction.
    REPLAY and PROBE need stop = prefix.size: then the cone of the prefix is in the slot
    path[stop, 0]; PROBE takes the side that there is where the prefix asks for one that there
    is not.

    All fractions are computed at one place, which halves what there is to compile.
    """
    reals, counts = out
    n, hidden = net.w_oh.shape
    regions = net.region_label.size
    ws.path[0, _SLOT] = 0
    depth = 0
    prunes, small = mode == LOSS and least > 0.0, False
    while True:
        while depth < stop and not small:
            status = _enter(net, c, ws, depth, prefix, mode, out)
            if status != OK:
                return status
            depth += 1
            if prunes and ws.path[depth - 1, _PENDING]:
                small = _is_small(c, ws.path[depth, _SLOT], least, reals)
        if LIST <= mode <= MEASURE:
            _list_prefix(ws, depth, counts, table)
        if (mode < LIST and not small) or mode == MEASURE:
            p = ws.path[depth, _SLOT]
            before, right, lost = reals[ERROR], reals[RIGHT], reals[LOST]
            # One more turn at the end for the pattern itself, if its ties or much of it are
            # in doubt; with MEASURE there is no other.
            region, turn, piece, label = -1, n, -1, 0
            ws.unclear[0] = 0
            if mode == MEASURE:
                region = regions - 1
            else:
                counts[PATTERNS] += 1
                _open_leaf(net, c, ws, p, reals)
            while region < regions:
                if turn == n:
                    region, turn = region + 1, 0
                    while region < regions and not _meets(net, ws, region):
                        region += 1
                    if region < regions:
                        status, piece = _piece(net, c, ws, p, region, reals)
                        if status != OK:
                            return status
                        label = net.region_label[region]
                        if piece < 0:
                            turn = n
                            continue
                if region == regions:
                    doubtful = reals[ERROR] - before >= max(_DOUBTFUL, least)
                    if mode != MEASURE and ws.unclear[0] == 0 and not doubtful:
                        break
                    q, leader, ties, has_label = p, 0, 0, False
                else:
                    status, q, leader, ties, has_label = _cell(
                        net, c, ws, p, piece, label, turn, reals
                    )
                    if status != OK:
                        return status
                    turn = n if q == piece else turn + 1
                    if q < 0:
                        continue
                    counts[CELLS] += 1
                    counts[RAYS] += c.size[q, 0]
                    if mode == SUM and not has_label and ties == 1:
                        continue
                credit = credit_of(label, leader, ties, net.rule) if has_label else 0.0
                if mode == LOSS:
                    if credit == 1.0:
                        continue
                    low, high = 0.0, 1.0
                    if least > 0.0:
                        low, high = enclose(c, q)
                        high = high if high < 1.0 else cover(c, q)
                    if (1.0 - credit) * (high - low) <= least:
                        if ties:
                            reals[LOST] += (1.0 - credit) * low
                            reals[SKIPPED] += (1.0 - credit) * (high - low)
                        elif ws.unclear[0]:
                            reals[UNRESOLVED] += high
                        continue
                counts[FRACTIONS] += 1
                value, error, sound = cone_fraction(c, q)
                if not sound and (ties or ws.unclear[0]):
                    # The logits of a cell with the label were compared with the label's.
                    top = label if has_label else leader
                    status = _leave(net, c, ws, q, region, top, ties, credit, left, counts)
                    if status != OK:
                        return status
                    value = error = 0.0
                if mode == MEASURE:
                    _measured(counts, table, value, error if sound else math.inf)
                    continue
                if ties == 0:
                    most = value + error if sound else share(c, q)
                    if ws.unclear[0] and sound:
                        reals[UNRESOLVED] += most
                    # What is right of the pattern, or lost, is between 0 and its fraction.
                    worst = max(most, reals[RIGHT] - right, reals[LOST] - lost)
                    reals[ERROR] = min(reals[ERROR], before + worst)
                    continue
                tally(c.spent, 2)
                reals[RIGHT] += credit * value
                reals[LOST] += (1.0 - credit) * value
                if has_label or mode == LOSS:
                    reals[ERROR] += error
                if ties > 1:
                    reals[TIED] += value
                reals[TOTAL] += value
                if mode == WRITE:
                    _record(c, ws, q, label, leader, ties, value, error, counts, table)
            if not reals[ERROR] < math.inf:
                return OVERFLOW
        if counts[CELLS] > limit or counts[PATTERNS] > limit:
            return LIMIT
        depth -= 1
        while depth >= prefix.size and ws.path[depth, _PENDING] == 0:
            depth -= 1
        if depth < prefix.size:
            return OK
        ws.path[depth, _PENDING] = ws.path[depth, _ACTIVE] = 0
        _set_active(ws, depth // hidden, depth % hidden, False, 0.0)
        ws.path[depth + 1, _SLOT] = ws.path[depth, _SLOT_OFF]
        depth += 1
        small = prunes and _is_small(c, ws.path[depth, _SLOT], least, reals)


@kernel
def walk_each(net, c, ws, prefixes, stop, mode, least, out, status, left, table):
    """`walk` below each of some prefixes of one depth, in one workspace.

    out = (reals, counts) and status have a row for each; prefixes that are listed follow each
    other in the table.
    """
    reals, counts = out
    listed = 0
    for k in range(prefixes.shape[0]):
        counts[k, PATTERNS] = listed
        before = c.spent[0]
        status[k] = walk(
            net, c, ws, prefixes[k], stop, mode, 2**62, least[k], (reals[k], counts[k]), left, table
        )
        counts[k, OPERATIONS] = c.spent[0] - before
        counts[k, PATTERNS] -= listed
        listed += counts[k, PATTERNS]
