"""Values at the nodes of a panel as integers with one common exponent.

A `Block` (integers, scale) stands for the numbers integer * 2^-scale.  All
results have as many bits as the current precision at their largest; within a
panel the values of one quantity differ by a few powers of ten at most, which
is what the guard bits are for.
"""

from __future__ import annotations

import math

from mpmath import libmp, mp

__all__ = ["Block", "add", "block", "linear", "ratio", "root", "scaled"]

Block = tuple[list[int], int]


def shift(x: int, bits: int) -> int:
    """The floor of x 2^bits."""
    return x << bits if bits >= 0 else x >> -bits


def _top(values: list[int]) -> int:
    return max(max(values).bit_length(), min(values).bit_length())


def _rounded(values: list[int], scale: int) -> Block:
    """The same numbers with as many bits as the precision has."""
    excess = _top(values) - mp.prec
    return [shift(v, -excess) for v in values], scale - excess


def block(numbers: list[mp.mpf]) -> Block:
    """Of floating point numbers."""
    scale = mp.prec - int(max(mp.mag(x) for x in numbers if x))
    return [libmp.to_fixed(x._mpf_, scale) for x in numbers], scale


def linear(c0: int, c1: int, x: Block) -> Block:
    """c0 + c1 x, where x >= 0."""
    values, scale = x
    bits = mp.prec
    own = bits - max(c0.bit_length(), c1.bit_length() + bits - scale)
    a, b = shift(c0, own), shift(c1, own - scale + bits)
    return [a + (b * v >> bits) for v in values], own


def root(x: Block) -> Block:
    """The square root."""
    values, scale = x
    up = mp.prec + (scale + mp.prec) % 2
    return [math.isqrt(v << up) for v in values], (scale + up) // 2


def ratio(numerators: list[Block], denominators: list[Block]) -> Block:
    """The product of the ones over the product of the others."""
    up = mp.prec * len(denominators)
    above, below = _product(numerators), _product(denominators)
    values = [(a << up) // b for a, b in zip(above[0], below[0], strict=True)]
    return _rounded(values, above[1] + up - below[1])


def _product(factors: list[Block]) -> Block:
    values, scale = factors[0]
    for others, own in factors[1:]:
        values = [v * w for v, w in zip(values, others, strict=True)]
        scale += own
    return values, scale


def add(terms: list[Block]) -> Block:
    """The sum."""
    scale = min(own for _, own in terms)
    columns = [[v >> own - scale for v in values] for values, own in terms]
    return [sum(row) for row in zip(*columns, strict=True)], scale


def scaled(x: Block, factor: mp.mpf, offset: mp.mpf) -> Block:
    """offset + factor x."""
    values, scale = x
    up = mp.prec - mp.mag(factor)
    fixed = libmp.to_fixed(factor._mpf_, up)
    start = libmp.to_fixed(offset._mpf_, scale + up)
    return _rounded([start + fixed * v for v in values], scale + up)
