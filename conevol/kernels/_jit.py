"""The one place that configures numba.

`kernel` compiles on first call and keeps the result on disk; nothing is
compiled at import.  All kernels release the GIL and run in the threads of
`conevol.parallel`, which compile nothing of their own.  ``fastmath`` stays off: the
error-free transforms of `conevol.kernels.exact` and the checks for NaN need IEEE
arithmetic as written.
"""

from __future__ import annotations

from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "cold_kernel",
    "fma",
    "inline_kernel",
    "kernel",
    "lowest_bit",
    "never_inline",
    "popcount",
]

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

# What Python calls; may allocate.
kernel = njit(**_OPTIONS, forceinline=False)

# The others allocate nothing, and are compiled without numba's reference counting, whose
# atomic operations would cost several times the arithmetic of a small cone.
# Whether a kernel is inlined is always said: unsaid, numba takes it over from whichever
# caller is compiled first.
inline_kernel = njit(**_OPTIONS, _nrt=False, forceinline=True)
# For what is rare: inlined everywhere it would be compiled again and again.
cold_kernel = njit(**_OPTIONS, _nrt=False, forceinline=False)


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
