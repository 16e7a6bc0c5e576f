"""Rows of eight doubles: logits along one input, and the planes and vertices of polygons.

LLVM does not see by itself that a loop over a row of eight is two or four instructions, so
vectors are spelled out.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "WIDTH",
    "add_scaled_row",
    "copy_vertex",
    "move_row",
    "plane_sides",
    "put_vertex",
    "rows_at_least",
]

WIDTH = 8
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_INT = ir.IntType(32)


def _splat(builder, scalar):
    """A vector with the scalar in every lane."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, _INT(0))
    mask = ir.Constant(ir.VectorType(_INT, WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, undefined, mask)


def _address(context, builder, array_type, array, row):
    """Address of row `row` of a C-contiguous (rows, 8) array."""
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(row, ir.Constant(row.type, WIDTH))
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


def _fma(builder, a, b, c):
    name = f"llvm.fma.v{WIDTH}f64"
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, [a, b, c])


def _store_sum(builder, to, source, factor, by):
    """The row at `to` = the row at `source` + factor times the row at `by`."""
    value = _fma(
        builder,
        _splat(builder, factor),
        builder.load(by, align=8),
        builder.load(source, align=8),
    )
    builder.store(value, to, align=8)


@intrinsic
def add_scaled_row(typingctx, target, i, source, j, factor):
    """target[i] += factor source[j]."""

    def generate(context, builder, signature, args):
        to = _address(context, builder, signature.args[0], args[0], args[1])
        by = _address(context, builder, signature.args[2], args[2], args[3])
        _store_sum(builder, to, to, args[4], by)
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp, types.float64), generate


@intrinsic
def move_row(typingctx, rows, i, slope, j, factor):
    """rows[i + number of rows of slope] = rows[i] + factor slope[j]."""

    def generate(context, builder, signature, args):
        source = _address(context, builder, signature.args[0], args[0], args[1])
        count = builder.extract_value(
            context.make_array(signature.args[2])(context, builder, args[2]).shape, 0
        )
        to = _address(context, builder, signature.args[0], args[0], builder.add(args[1], count))
        by = _address(context, builder, signature.args[2], args[2], args[3])
        _store_sum(builder, to, source, args[4], by)
        return context.get_dummy_value()

    return types.void(rows, types.intp, slope, types.intp, types.float64), generate


@intrinsic
def rows_at_least(typingctx, rows, i, level):
    """Bit b set where rows[i, b] >= level, as an integer 0 .. 255."""

    def generate(context, builder, signature, args):
        row = _address(context, builder, signature.args[0], args[0], args[1])
        high = builder.fcmp_ordered(">=", builder.load(row, align=8), _splat(builder, args[2]))
        mask = builder.bitcast(high, ir.IntType(WIDTH))
        return builder.zext(mask, ir.IntType(64))

    return types.int64(rows, types.intp, types.float64), generate


def _vertex_address(context, builder, array_type, array, p, i):
    """Address of row (p, i) of a C-contiguous (slots, capacity, 8) array."""
    made = context.make_array(array_type)(context, builder, array)
    row = builder.add(builder.mul(p, builder.extract_value(made.shape, 1)), i)
    offset = builder.mul(row, ir.Constant(row.type, WIDTH))
    return builder.bitcast(builder.gep(made.data, [offset]), _VECTOR.as_pointer())


@intrinsic
def copy_vertex(typingctx, rows, q, j, p, i):
    """rows[q, j] = rows[p, i] in a C-contiguous (slots, capacity, 8) array."""

    def generate(context, builder, signature, args):
        kind = signature.args[0]
        source = _vertex_address(context, builder, kind, args[0], args[3], args[4])
        to = _vertex_address(context, builder, kind, args[0], args[1], args[2])
        builder.store(builder.load(source, align=8), to, align=8)
        return context.get_dummy_value()

    integer = types.intp
    return types.void(rows, integer, integer, integer, integer), generate


@intrinsic
def put_vertex(typingctx, rows, p, i, x, y, z, norm, error, axis):
    """rows[p, i] = x, y, z, norm, error, axis, and two zeros, stored as one."""

    def generate(context, builder, signature, args):
        to = _vertex_address(context, builder, signature.args[0], *args[:3])
        row = ir.Constant(_VECTOR, [0.0] * WIDTH)
        for l, entry in enumerate(args[3:]):
            row = builder.insert_element(row, entry, _INT(l))
        builder.store(row, to, align=8)
        return context.get_dummy_value()

    integer, real = types.intp, types.float64
    return types.void(rows, integer, integer, real, real, real, real, real, real), generate


@intrinsic
def plane_sides(typingctx, planes, s, x, y, z, norm, error):
    """Where a vertex lies to the eight planes of set s.

    planes[s] has rows x, y, z of the normals, and two of factors: closer to a plane than
    the sum of their products with norm and error, the side is in doubt.  Of the result bit b is
    set where the vertex is surely above plane b, bit 8 + b where in doubt, 16 + b where below.
    """

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        start = builder.mul(args[1], ir.Constant(args[1].type, 5 * WIDTH))

        def row(l):
            offset = builder.add(start, ir.Constant(start.type, l * WIDTH))
            address = builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())
            return builder.load(address, align=8)

        px, py, pz, pn, pe = (_splat(builder, a) for a in args[2:])
        height = _fma(builder, row(2), pz, _fma(builder, row(1), py, builder.fmul(row(0), px)))
        doubt = _fma(builder, row(4), pe, builder.fmul(row(3), pn))
        above = builder.fcmp_ordered(">", height, doubt)
        below = builder.fcmp_ordered("<", height, builder.fneg(doubt))
        unsure = builder.not_(builder.or_(above, below))
        word = ir.Constant(ir.IntType(64), 0)
        for part in (below, unsure, above):
            bits = builder.zext(builder.bitcast(part, ir.IntType(WIDTH)), word.type)
            word = builder.or_(builder.shl(word, ir.Constant(word.type, WIDTH)), bits)
        return word

    real = types.float64
    return types.int64(planes, types.intp, real, real, real, real, real), generate
