"""Sixteen doubles as one value: what the loops over quadrature nodes are written in.

LLVM does not vectorise such loops over array elements by itself (it cannot
see that rows do not overlap), so the vector type is spelled out.  A `Lanes`
value lives in registers; nothing here allocates.  Operations round each lane as
the scalar ones do, except that `mul_add` may or may not fuse.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

LANES = 16
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_INT = ir.IntType(32)


class LanesType(types.Type):
    """The numba type of sixteen doubles."""

    def __init__(self):
        super().__init__(name="Lanes16")


lanes_type = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    """Passed as an LLVM vector."""

    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _VECTOR)


def _splat(builder, scalar):
    """A vector with the scalar in every lane."""
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, _INT(0))
    mask = ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), mask)


def _row_pointer(context, builder, array_type, array, row):
    """Address of row `row` of a C-contiguous (n, 16) array of doubles."""
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(row, ir.Constant(row.type, LANES))
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


@intrinsic
def splat(typingctx, x):
    """All lanes equal to x."""

    def generate(context, builder, signature, args):
        return _splat(builder, args[0])

    return lanes_type(types.float64), generate


@intrinsic
def load(typingctx, rows, i):
    """Row i of a C-contiguous (n, 16) array."""

    def generate(context, builder, signature, args):
        pointer = _row_pointer(context, builder, signature.args[0], *args)
        return builder.load(pointer, align=8)

    return lanes_type(rows, types.intp), generate


@intrinsic
def store(typingctx, rows, i, x):
    """Row i of a C-contiguous (n, 16) array = x."""

    def generate(context, builder, signature, args):
        pointer = _row_pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=8)
        return context.get_dummy_value()

    return types.void(rows, types.intp, lanes_type), generate


def _elementwise(name, flags=()):
    """An intrinsic applying one LLVM instruction to two values."""

    def typed(typingctx, a, b):
        def generate(context, builder, signature, args):
            return getattr(builder, name)(*args, flags=flags)

        return lanes_type(lanes_type, lanes_type), generate

    typed.__name__ = name
    typed.__doc__ = f"LLVM's {name}, lane by lane."
    return intrinsic(typed)


add = _elementwise("fadd")
sub = _elementwise("fsub")
mul = _elementwise("fmul")
div = _elementwise("fdiv")


@intrinsic
def mul_add(typingctx, a, b, c):
    """a b + c, fused where the machine can."""

    def generate(context, builder, signature, args):
        product = builder.fmul(args[0], args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return lanes_type(lanes_type, lanes_type, lanes_type), generate


def _call_llvm(builder, name, args):
    """Call the LLVM intrinsic of that name on vectors."""
    name = f"llvm.{name}.v{LANES}f64"
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(args))
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, args)


@intrinsic
def sqrt(typingctx, a):
    """Square root of every lane."""

    def generate(context, builder, signature, args):
        return _call_llvm(builder, "sqrt", args)

    return lanes_type(lanes_type), generate


@intrinsic
def absolute(typingctx, a):
    """Absolute value of every lane."""

    def generate(context, builder, signature, args):
        return _call_llvm(builder, "fabs", args)

    return lanes_type(lanes_type), generate


@intrinsic
def fma(typingctx, a, b, c):
    """a b + c with a single rounding."""

    def generate(context, builder, signature, args):
        return _call_llvm(builder, "fma", args)

    return lanes_type(lanes_type, lanes_type, lanes_type), generate


def _halved(builder, x, combine):
    """All lanes combined to one, always in the same order (halves with halves)."""
    width = LANES
    while width > 1:
        width //= 2
        kind = ir.VectorType(_INT, width)
        low = ir.Constant(kind, list(range(width)))
        high = ir.Constant(kind, list(range(width, 2 * width)))
        undefined = ir.Constant(x.type, ir.Undefined)
        x = combine(
            builder.shuffle_vector(x, undefined, low), builder.shuffle_vector(x, undefined, high)
        )
    return builder.extract_element(x, _INT(0))


@intrinsic
def total(typingctx, a):
    """Sum of the lanes."""

    def generate(context, builder, signature, args):
        return _halved(builder, args[0], builder.fadd)

    return types.float64(lanes_type), generate


@intrinsic
def largest(typingctx, a):
    """Largest of the lanes."""

    def generate(context, builder, signature, args):
        def larger(x, y):
            return builder.select(builder.fcmp_ordered(">", x, y), x, y)

        return _halved(builder, args[0], larger)

    return types.float64(lanes_type), generate
