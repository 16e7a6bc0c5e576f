"""Single steps of `conevol.kernels.cut`, for walks that are written in Python."""

from __future__ import annotations

from conevol.kernels import cut, enclosure
from conevol.kernels._jit import kernel

__all__ = ["clip", "cover", "lift", "lift_doubt", "locate", "place", "put_row", "share"]


@kernel
def put_row(c, row, d, error):
    """`cut.put_row` of a normal whose entries are known to `error`; its largest entry."""
    return cut.put_row(c, row, d, error, 0.0)


@kernel
def place(c, p, row):
    """Where cone p lies to a row's plane, the largest angle of a ray on it, and the doubt."""
    where, near = cut.locate(c, p, row)
    turn = c.turn[row] if where == cut.CROSSES else 0.0
    return where, near, cut.doubt(c, p, turn, near)


@kernel
def locate(c, p, row):
    """`cut.locate`: what `clip` needs, where other cones were placed since `place`."""
    return cut.locate(c, p, row)


@kernel
def clip(c, p, q, sign, near):
    """Cone q = the part of cone p on one side of the plane of row q, after `place`; a status."""
    return cut.clip(c, p, q, -1, q, sign, near)


@kernel
def lift(c, p, q, sign):
    """Cone q = the part of p x R on one side of the plane of row q; a status."""
    return cut.lift(c, p, q, q, sign)


@kernel
def share(c, p):
    """`cut.share`."""
    return cut.share(c, p)


@kernel
def lift_doubt(c, p, row):
    """`cut.lift_doubt`."""
    return cut.lift_doubt(c, p, row)


@kernel
def cover(c, p):
    """`enclosure.cover`."""
    return enclosure.cover(c, p)
