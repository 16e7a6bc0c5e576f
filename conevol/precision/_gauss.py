"""Gauss-Legendre nodes, weights and cumulative integrals, in fixed point arithmetic."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass

from mpmath import libmp, mp

from conevol.precision._blocks import Block

__all__ = ["Rule", "gauss_legendre"]


@dataclass(frozen=True)
class Rule:
    """A rule with an even number of nodes on [-1, 1]; numbers are integers times 2^-bits.

    Nodes increase.  The tables are for the negative nodes; the others follow by parity.

    Attributes
    ----------
    moments : ``moments[m][j]`` is w_j P_m(x_j) / 2.
    primitives : ``primitives[i][m]`` is 2 m + 1 times the integral of P_m, from -1 to x_i
        for m > 0 and from 0 to x_i for m = 0.
    """

    bits: int
    nodes: list[int]
    weights: list[int]
    moments: list[list[int]]
    primitives: list[list[int]]

    def points(self) -> list[mp.mpf]:
        """The nodes as floating point numbers."""
        return [mp.ldexp(mp.mpf(x), -self.bits) for x in self.nodes]

    def integral(self, values: Block) -> mp.mpf:
        """Integral from -1 to 1; absolute error some 2^-bits of the largest value."""
        numbers, scale = values
        return mp.ldexp(mp.mpf(_dot(self.weights, numbers)), -scale - self.bits)

    def integrals(self, values: Block) -> Block:
        """Integrals from -1 to every node of the values' interpolant.

        The interpolant is the sum of (2 m + 1) c_m P_m, c_m the sum of w_j P_m(x_j) f_j / 2.
        """
        numbers, scale = values
        half = len(numbers) // 2
        left, right = numbers[:half], numbers[: -half - 1 : -1]
        parts = list(map(operator.add, left, right)), list(map(operator.sub, left, right))
        c = [_dot(row, parts[m % 2]) >> self.bits for m, row in enumerate(self.moments)]
        odd = [_dot(row[::2], c[::2]) for row in self.primitives]
        even = [(c[0] << self.bits) + _dot(row[1::2], c[1::2]) for row in self.primitives]
        inner = list(map(operator.add, even, odd))
        return inner + list(map(operator.sub, even, odd))[::-1], scale + self.bits


def _dot(a: list[int], b: list[int]) -> int:
    return sum(map(operator.mul, a, b))


@functools.lru_cache(maxsize=32)
def gauss_legendre(n: int, bits: int) -> Rule:
    """The rule with n nodes, n even, to `bits` bits."""
    bits += 32
    one = 1 << bits
    left = _negative_nodes(n, bits)
    tables = [_legendre(n, x, bits) for x in left]
    weights = []
    for x, table in zip(left, tables, strict=True):
        # w = 2 (1 - x^2) / (n P_{n-1}(x))^2
        slope = n * table[n - 1]
        weights.append(2 * (one - (x * x >> bits)) * one * one // (slope * slope))
    moments = [
        [w * table[m] >> bits + 1 for w, table in zip(weights, tables, strict=True)]
        for m in range(n)
    ]
    # The derivative of P_{m+1} - P_{m-1} is (2 m + 1) P_m.
    primitives = [
        [x, *(table[m + 1] - table[m - 1] for m in range(1, n))]
        for x, table in zip(left, tables, strict=True)
    ]
    nodes = left + [-x for x in reversed(left)]
    return Rule(bits, nodes, weights + weights[::-1], moments, primitives)


def _legendre(n: int, x: int, bits: int) -> list[int]:
    """P_0 .. P_n at x, by Bonnet's recursion."""
    values = [1 << bits, x]
    for m in range(1, n):
        values.append(((2 * m + 1) * (x * values[m] >> bits) - m * values[m - 1]) // (m + 1))
    return values


def _negative_nodes(n: int, bits: int) -> list[int]:
    """The negative zeros of P_n in increasing order, by Newton's method."""
    one = 1 << bits
    nodes = []
    for i in range(n // 2):
        start = -mp.cos(mp.pi * (i + mp.mpf(3) / 4) / (n + mp.mpf(1) / 2))
        x = libmp.to_fixed(start._mpf_, bits)
        step = one
        while abs(step) > 1 << bits // 2 - 8:  # the next error is about this one squared
            table = _legendre(n, x, bits)
            # P_n' = n (P_{n-1} - x P_n) / (1 - x^2)
            slope = n * (table[n - 1] - (x * table[n] >> bits))
            step = table[n] * (one - (x * x >> bits)) // slope
            x -= step
        nodes.append(x)
    return nodes
