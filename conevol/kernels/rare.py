"""What the walk of `conevol.kernels.cells` seldom asks about a polygon, compiled by itself.

numba optimises all that a kernel calls once more in every caller.  What decides close calls is
longer than what tells the clear ones, so it is compiled once and called by its address, with
the question and the answer in two arrays of the workspace.
"""

from __future__ import annotations

from numba import carray, float64, int64

from conevol.kernels._jit import call_entry, entry, inline_kernel, tally
from conevol.kernels._rows import WIDTH
from conevol.kernels.operations import cut_operations, locate_operations
from conevol.kernels.polygon import (
    CROSSES,
    INSIDE,
    NEAR,
    NEGLIGIBLE,
    cut,
    doubt,
    locate,
    polygon_fraction,
    settle,
)

# Items of `ask`: the question, its polygon, row, and slot and place for a cut, the sizes of the
# arrays; and the answer, a place or a size, and the operations it took.
_WHAT, _M, _P, _ROW, _Q, _WHERE, _SLOTS, _CAPACITY, _ROWS, _RESULT, _OPERATIONS = range(11)
ASK_SIZE, TOLD_SIZE = 11, 2
_LOCATE, _LOCATE_TO_CUT, _CUT, _FRACTION = range(4)


@inline_kernel
def _locate(m, p, edge, vert, a, row, sign, cuts):
    """Where a polygon lies to a row, the fraction in doubt, and the operations."""
    where = locate(m, p, edge, vert, a, row, sign)
    operations = locate_operations(m, where, row, a)
    near = where & NEAR != 0
    where &= ~NEAR
    lost = 0.0
    if near and (cuts or where < CROSSES):
        lost, whole, more = doubt(m, p, edge, vert, a, row, sign)
        operations += more
        if where >= CROSSES and whole:
            # A cut could come out larger than what is cut.
            where = INSIDE
        elif where >= CROSSES and m > 2:
            operations += settle(m, p, edge, vert, a, row, sign)
    return where, lost, operations


def _answer(ask, told, edge, vert, a, sign):
    """Answer the question in `ask`, there and in `told`."""
    m, p, row = ask[_M], ask[_P], ask[_ROW]
    edges = carray(edge, (ask[_SLOTS], ask[_CAPACITY]))
    vertices = carray(vert, (ask[_SLOTS], ask[_CAPACITY], WIDTH))
    rows = carray(a, (ask[_ROWS], 6))
    signs = carray(sign, (ask[_CAPACITY],))
    if ask[_WHAT] == _FRACTION:
        told[0], told[1] = polygon_fraction(m, p, edges, vertices, rows, NEGLIGIBLE)
    elif ask[_WHAT] == _CUT:
        m = cut(m, p, ask[_Q], edges, vertices, rows, row, signs, 1, ask[_WHERE])
        ask[_RESULT], ask[_OPERATIONS] = m, cut_operations(m, ask[_Q], vertices)
    else:
        cuts = ask[_WHAT] == _LOCATE_TO_CUT
        where, told[0], operations = _locate(m, p, edges, vertices, rows, row, signs, cuts)
        ask[_RESULT], ask[_OPERATIONS] = where, operations


@inline_kernel
def _ask(ws, what, m, p, row):
    ask = ws.ask
    ask[_WHAT], ask[_M], ask[_P], ask[_ROW] = what, m, p, row
    ask[_SLOTS], ask[_CAPACITY], ask[_ROWS] = ws.edge.shape[0], ws.edge.shape[1], ws.a.shape[0]
    call_entry(ws.rare, (ask, ws.told, ws.edge, ws.vert, ws.a, ws.sign))


@inline_kernel
def locate_in_doubt(m, p, ws, row, cuts):
    """Where a polygon lies to a row by its vertices, and a bound of the fraction in doubt."""
    _ask(ws, _LOCATE_TO_CUT if cuts else _LOCATE, m, p, row)
    tally(ws.spent, ws.ask[_OPERATIONS])
    return ws.ask[_RESULT], ws.told[0]


@inline_kernel
def cut_in_doubt(m, p, q, ws, row, where):
    """The part of polygon p above a row to slot q, by the signs of `locate`; its size."""
    ws.ask[_Q], ws.ask[_WHERE] = q, where
    _ask(ws, _CUT, m, p, row)
    tally(ws.spent, ws.ask[_OPERATIONS])
    return ws.ask[_RESULT]


@inline_kernel
def fraction_in_doubt(m, p, ws):
    """`polygon_fraction`, where floats may not be good enough."""
    _ask(ws, _FRACTION, m, p, 0)
    return ws.told[0], ws.told[1]


def rare_entry():
    """The compiled answers; pass its address to the walk."""
    return entry(_answer, int64, float64, int64, float64, float64, int64)
