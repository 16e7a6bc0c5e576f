"""The one place that configures numba.

`kernel` compiles on first call and keeps the result on disk; nothing is
compiled at import.  All kernels release the GIL and run in the threads of
`conevol.parallel`, which compile nothing of their own.  ``fastmath`` stays off: the
error-free transforms of `conevol.kernels.exact` and the checks for NaN need IEEE
arithmetic as written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

__all__ = [
    "call_entry",
    "cold_kernel",
    "entry",
    "fma",
    "inline_kernel",
    "kernel",
    "lowest_bit",
    "never_inline",
    "part_kernel",
    "popcount",
    "tally",
]

# Wrappers are a third of the compilation: no kernel is passed to C as a callback, and
# Python calls few.
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_PART = {**_OPTIONS, "no_cpython_wrapper": True, "_nrt": False}

# What Python calls; may allocate.
kernel = njit(**_OPTIONS, forceinline=False)

# The others are called by kernels only: a call from Python crashes.  They
# allocate nothing, and are compiled without numba's reference counting, whose atomic
# operations would cost several times the arithmetic of a small cone.
# Whether a kernel is inlined is always said: unsaid, numba takes it over from whichever
# caller is compiled first.
inline_kernel = njit(**_PART, forceinline=True)
# Their source is put in the place of a call, and not compiled by itself.  That pays for the long
# parts of one kernel, and the shortest of many.
part_kernel = njit(**_PART, inline="always")
# For what is rare: inlined everywhere it would be compiled again and again.
cold_kernel = njit(**_PART, forceinline=False)


@lru_cache
def entry(function: Callable[..., None], *types_of_arrays: Any) -> Any:
    """A function of pointers compiled by itself, for `call_entry`: keep it while it is used.

    numba optimises all that a kernel calls once more in every caller.  What is called by its
    address is compiled once.
    """
    pointers = [types.CPointer(t) for t in types_of_arrays]
    return cfunc(types.void(*pointers), cache=True, nopython=True)(function)


@intrinsic
def call_entry(typingctx, address, arrays):
    """Call the entry at an address with the data of a tuple of arrays."""

    def generate(context, builder, signature, args):
        data = []
        for i, kind in enumerate(signature.args[1]):
            array = context.make_array(kind)(context, builder, builder.extract_value(args[1], i))
            data.append(builder.ptrtoint(array.data, args[0].type))
        kind = ir.FunctionType(ir.VoidType(), [args[0].type] * len(data))
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), data)
        return context.get_dummy_value()

    return types.void(types.int64, arrays), generate


@intrinsic
def fma(typingctx, a, b, c):
    """a * b + c with a single rounding (IEEE 754 fusedMultiplyAdd)."""

    def generate(context, builder, signature, args):
        return builder.fma(*args)

    float64 = types.float64
    return float64(float64, float64, float64), generate


@intrinsic
def popcount(typingctx, x):
    """Number of bits that are set."""

    def generate(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@intrinsic
def lowest_bit(typingctx, x):
    """Position of the lowest bit that is set; 64 if there is none."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), generate


@intrinsic
def never_inline(typingctx):
    """First statement of a cold kernel: keep its code out of its callers."""

    def generate(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def tally(typingctx, counter, amount):
    """Add to the first item of an array of int64; where the counter is None, no code at all.

    So a kernel that counts its operations is compiled twice, and the one that nobody asks for
    a count is as fast as if it knew nothing of counting.
    """
    if isinstance(counter, types.NoneType | types.Omitted):

        def generate(context, builder, signature, args):
            return context.get_dummy_value()

    else:

        def generate(context, builder, signature, args):
            array = context.make_array(signature.args[0])(context, builder, args[0])
            builder.store(builder.add(builder.load(array.data), args[1]), array.data)
            return context.get_dummy_value()

    return types.void(counter, types.int64), generate
