"""Nodes and weights of the panels in double-double, for `conevol.kernels.schlafli_dd`.

The rule of `conevol.kernels.schlafli.place_nodes`: r = sinh(psi) / sqrt(kappa_max).
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels.doubledouble import (
    dd_add,
    dd_div,
    dd_fma,
    dd_fms,
    dd_mul,
    dd_sqrt,
    fast_two_sum,
)

# 0.35^24 / 24! < 2^-115.
TERMS = 24
_LN2_H, _LN2_L = 0.6931471805599453, 2.3190468138462996e-17
_TWO_PI_H, _TWO_PI_L = 2.0 * math.pi, 2.4492935982947064e-16


def _inverse_factorials() -> np.ndarray:
    """1 / n! for n <= TERMS, high and low parts."""
    exact = [Fraction(1, math.factorial(n)) for n in range(TERMS + 1)]
    high = [float(x) for x in exact]
    return np.array([high, [float(x - Fraction(h)) for x, h in zip(exact, high, strict=True)]])


_INVERSE_FACTORIALS = _inverse_factorials()


@inline_kernel
def dd_expm1(th, tl):
    """exp(t) - 1 for 0 <= t < 700: relative error below (8 + 2 t) 2^-104."""
    k = math.floor(th / _LN2_H + 0.5)
    rh, rl = dd_fms(th, tl, k, 0.0, _LN2_H, _LN2_L)
    sh, sl = _INVERSE_FACTORIALS[0, TERMS], _INVERSE_FACTORIALS[1, TERMS]
    for n in range(TERMS - 1, 0, -1):
        sh, sl = dd_fma(_INVERSE_FACTORIALS[0, n], _INVERSE_FACTORIALS[1, n], sh, sl, rh, rl)
    sh, sl = dd_mul(sh, sl, rh, rl)
    power = math.ldexp(1.0, int(k))
    ph, pl = fast_two_sum(power, -1.0)
    return dd_add(power * sh, power * sl, ph, pl)


@inline_kernel
def dd_sinh_cosh(th, tl):
    """sinh(t) and cosh(t) for 0 <= t < 350, high and low parts."""
    eh, el = dd_expm1(th, tl)
    ph, pl = dd_add(eh, el, 1.0, 0.0)
    qh, ql = dd_div(eh, el, ph, pl)
    sh, sl = dd_add(0.5 * eh, 0.5 * el, 0.5 * qh, 0.5 * ql)
    ch, cl = dd_div(0.5, 0.0, ph, pl)
    ch, cl = dd_add(ch, cl, 0.5 * ph, 0.5 * pl)
    return sh, sl, ch, cl


@inline_kernel
def dd_asinh(xh, xl):
    """asinh(x) for x > 0: one Newton step from the float value."""
    t = math.asinh(xh)
    sh, sl, ch, cl = dd_sinh_cosh(t, 0.0)
    rh, rl = dd_add(xh, xl, -sh, -sl)
    rh, rl = dd_div(rh, rl, ch, cl)
    return dd_add(t, 0.0, rh, rl)


@kernel
def place_nodes_dd(panels, kappa_max, x):
    """q, (r / 2 pi) dr/dx and (1 / 2 pi) dr/dx at the nodes of every panel.

    x (2, nodes) are the Gauss nodes in [-1, 1].  Returns high and low parts (panels, 3, nodes),
    relative error below 64 (1 + asinh(sqrt(kappa_max))) 2^-104.
    """
    high = np.empty((panels, 3, x.shape[1]))
    low = np.empty_like(high)
    scale_h, scale_l = dd_sqrt(kappa_max, 0.0)
    half_h, half_l = dd_asinh(scale_h, scale_l)
    half_h, half_l = dd_div(half_h, half_l, 2.0 * panels, 0.0)
    fh, fl = dd_mul(scale_h, scale_l, _TWO_PI_H, _TWO_PI_L)
    fh, fl = dd_div(half_h, half_l, fh, fl)
    for panel in range(panels):
        for j in range(x.shape[1]):
            ph, pl = dd_add(2.0 * panel + 1.0, 0.0, x[0, j], x[1, j])
            ph, pl = dd_mul(ph, pl, half_h, half_l)
            sh, sl, ch, cl = dd_sinh_cosh(ph, pl)
            rh, rl = dd_div(sh, sl, scale_h, scale_l)
            ch, cl = dd_mul(ch, cl, fh, fl)
            high[panel, 0, j], low[panel, 0, j] = dd_mul(rh, rl, rh, rl)
            high[panel, 1, j], low[panel, 1, j] = dd_mul(ch, cl, rh, rl)
            high[panel, 2, j], low[panel, 2, j] = ch, cl
    return high, low
