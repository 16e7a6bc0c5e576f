"""Rows of eight doubles: the few operations of the walk along one input.

The walk's logits stand in rows of eight, padded; LLVM does not see by itself that
a loop over them is two or four instructions, so vectors are spelled out.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["WIDTH", "add_scaled_row", "lowest_bit", "move_row", "rows_at_least"]

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


@intrinsic
def add_scaled_row(typingctx, target, i, source, j, factor):
    """target[i] += factor source[j]."""

    def generate(context, builder, signature, args):
        to = _address(context, builder, signature.args[0], args[0], args[1])
        by = _address(context, builder, signature.args[2], args[2], args[3])
        value = _fma(
            builder,
            _splat(builder, args[4]),
            builder.load(by, align=8),
            builder.load(to, align=8),
        )
        builder.store(value, to, align=8)
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
        value = _fma(
            builder,
            _splat(builder, args[4]),
            builder.load(by, align=8),
            builder.load(source, align=8),
        )
        builder.store(value, to, align=8)
        return context.get_dummy_value()

    return types.void(rows, types.intp, slope, types.intp, types.float64), generate


@intrinsic
def lowest_bit(typingctx, bits):
    """Index of the lowest bit set in an integer that is not 0."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic
def rows_at_least(typingctx, rows, i, level):
    """Bit b set where rows[i, b] >= level, as an integer 0 .. 255."""

    def generate(context, builder, signature, args):
        row = _address(context, builder, signature.args[0], args[0], args[1])
        high = builder.fcmp_ordered(">=", builder.load(row, align=8), _splat(builder, args[2]))
        mask = builder.bitcast(high, ir.IntType(WIDTH))
        return builder.zext(mask, ir.IntType(64))

    return types.int64(rows, types.intp, types.float64), generate
