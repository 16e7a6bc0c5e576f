"""Double-double arithmetic against rationals, at the bounds that its docstrings state."""

import math
from fractions import Fraction

import mpmath
from bare import from_python
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conevol.kernels import doubledouble, precise_nodes

dd_add, dd_div, dd_fma_doubles, dd_fms_loose, dd_mul, dd_sqrt, dd_expm1 = map(
    from_python,
    (
        doubledouble.dd_add, doubledouble.dd_div, doubledouble.dd_fma_doubles,
        doubledouble.dd_fms_loose, doubledouble.dd_mul, doubledouble.dd_sqrt,
        precise_nodes.dd_expm1,
    ),
)  # fmt: skip

U = Fraction(1, 2**53)
MANTISSAS = st.integers(2**52, 2**53 - 1)
SIGNS = st.sampled_from([-1.0, 1.0])


@st.composite
def pairs(draw):
    """A double-double (high, low) between 2^-20 and 2^20, either sign."""
    high = math.ldexp(draw(MANTISSAS), draw(st.integers(-72, -33)))
    low = math.ldexp(draw(MANTISSAS), -54) * math.ulp(high) * draw(SIGNS)
    high *= draw(SIGNS)
    return high, low * draw(st.sampled_from([0.0, 1.0, 2.0**-30]))


def exact(pair):
    return Fraction(pair[0]) + Fraction(pair[1])


@settings(deadline=None)
@given(pairs(), pairs())
def test_sums_products_and_quotients(a, b):
    x, y = exact(a), exact(b)
    assert abs(exact(dd_add(*a, *b)) - (x + y)) <= 3 * U**2 * abs(x + y)
    assert abs(exact(dd_mul(*a, *b)) - x * y) <= 5 * U**2 * abs(x * y)
    assert abs(exact(dd_div(*a, *b)) - x / y) <= 16 * U**2 * abs(x / y)


@settings(deadline=None)
@given(pairs(), pairs(), pairs())
def test_sums_with_products_are_right_relative_to_their_terms(a, b, c):
    x, y, z = exact(a), exact(b), exact(c)
    product = Fraction(a[0]) * Fraction(b[0])
    error = exact(dd_fma_doubles(*c, a[0], b[0])) - (z + product)
    assert abs(error) <= 4 * U**2 * (abs(z) + abs(product))
    error = exact(dd_fms_loose(*c, *a, *b)) - (z - x * y)
    assert abs(error) <= 8 * U**2 * (abs(z) + abs(x * y))


@settings(deadline=None)
@given(pairs())
def test_square_roots(a):
    assume(a[0] > 0.0)
    root = exact(dd_sqrt(*a))
    # (s (1 + e))^2 = x (1 + 2 e + ...)
    assert abs(root * root - exact(a)) <= 20 * U**2 * exact(a)


@settings(deadline=None)
@given(st.floats(1e-9, 80.0), st.floats(-1.0, 1.0))
def test_exponentials(t, low):
    low *= 0.5 * math.ulp(t)
    with mpmath.workdps(60):
        true = mpmath.expm1(mpmath.mpf(t) + mpmath.mpf(low))
        found = sum(map(mpmath.mpf, dd_expm1(t, low)))
        assert abs(found / true - 1) <= (8 + 2 * t) * mpmath.mpf(2) ** -104
