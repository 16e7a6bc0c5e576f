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

__all__ = ["fma", "inline_kernel", "kernel", "lean_kernel"]

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

kernel = njit(**_OPTIONS)
# Kernels that allocate nothing: without numba's reference counting, whose atomic
# operations would cost several times the arithmetic of a small cone.
lean_kernel = njit(**_OPTIONS, _nrt=False)
inline_kernel = njit(**_OPTIONS, _nrt=False, forceinline=True)


@intrinsic
def fma(typingctx, a, b, c):
    """a * b + c with a single rounding (IEEE 754 fusedMultiplyAdd)."""

    def generate(context, builder, signature, args):
        return builder.fma(*args)

    float64 = types.float64
    return float64(float64, float64, float64), generate
