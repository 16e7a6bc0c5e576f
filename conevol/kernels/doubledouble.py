"""Double-double arithmetic: unevaluated sums hi + lo with |lo| <= ulp(hi) / 2.

Every operation has relative error of a few 2^-104 = 5e-32 (Joldes, Muller and
Popescu 2017, "Tight and rigorous error bounds for basic building blocks of
double-word arithmetic").  No input may overflow or underflow when squared.
"""

from __future__ import annotations

import math

from conevol.kernels._jit import fma, inline_kernel
from conevol.kernels.exact import two_prod, two_sum

DD_EPS = 2.0**-104


@inline_kernel
def fast_two_sum(a, b):
    """a + b = s + e exactly, provided |a| >= |b| or a = 0 (Dekker)."""
    s = a + b
    return s, b - (s - a)


@inline_kernel
def dd_add(ah, al, bh, bl):
    """(a + b), relative error <= 3 u^2 (AccurateDWPlusDW)."""
    s, e = two_sum(ah, bh)
    t, f = two_sum(al, bl)
    s, e = fast_two_sum(s, e + t)
    return fast_two_sum(s, e + f)


@inline_kernel
def dd_mul(ah, al, bh, bl):
    """(a b), relative error <= 5 u^2 (DWTimesDW2)."""
    p, e = two_prod(ah, bh)
    return fast_two_sum(p, e + fma(ah, bl, al * bh))


@inline_kernel
def dd_fms(ch, cl, ah, al, bh, bl):
    """c - a b."""
    ph, pl = dd_mul(ah, al, bh, bl)
    return dd_add(ch, cl, -ph, -pl)


@inline_kernel
def dd_fma(ch, cl, ah, al, bh, bl):
    """c + a b."""
    ph, pl = dd_mul(ah, al, bh, bl)
    return dd_add(ch, cl, ph, pl)


@inline_kernel
def dd_fma_doubles(ch, cl, a, b):
    """c + a b for doubles a, b: error <= 4 u^2 (|c| + |a b|), relative to the terms."""
    p, e = two_prod(a, b)
    s, t = two_sum(ch, p)
    return fast_two_sum(s, t + (cl + e))


@inline_kernel
def dd_fms_loose(ch, cl, ah, al, bh, bl):
    """c - a b, error <= 8 u^2 (|c| + |a b|): relative to the terms, not to the result."""
    p = ah * bh
    e = fma(al, bh, fma(ah, bl, fma(ah, bh, -p)))
    s, t = two_sum(ch, -p)
    return fast_two_sum(s, t + (cl - e))


@inline_kernel
def dd_div(ah, al, bh, bl):
    """(a / b) for b != 0, relative error <= 15 u^2 (DWDivDW2)."""
    q = ah / bh
    p, e = two_prod(bh, q)
    p, e = fast_two_sum(p, fma(bl, q, e))
    return fast_two_sum(q, ((ah - p) + (al - e)) / bh)


@inline_kernel
def dd_sqrt(ah, al):
    """sqrt(a) for a >= 0; 0 for a <= 0."""
    if ah <= 0.0:
        return 0.0, 0.0
    s = math.sqrt(ah)
    rh, rl = dd_fms(ah, al, s, 0.0, s, 0.0)
    return fast_two_sum(s, (rh + rl) / (2.0 * s))
