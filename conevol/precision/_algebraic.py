"""Real algebraic numbers with exact signs: elements of one number field of sympy."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy.polys.constructor import construct_domain

__all__ = ["Algebraic", "approximate", "in_one_field"]


class _Root:
    """The real number that generates a field, to any number of bits."""

    def __init__(self, expression: sympy.Expr) -> None:
        self.expression = expression
        self.bounds = functools.lru_cache(maxsize=None)(self._bounds)

    def _bounds(self, bits: int) -> tuple[Fraction, Fraction]:
        """An approximation and a bound of its error, about 2^-bits."""
        digits = int(bits * 0.302) + 10
        value = sympy.Rational(sympy.N(self.expression, digits))
        value = Fraction(int(value.p), int(value.q))
        return value, (abs(value) + 1) / Fraction(2) ** bits


class Algebraic:
    """An element of a number field: exact +, -, *, / and comparison with 0."""

    __slots__ = ("element", "field", "root")

    def __init__(self, element: Any, field: Any, root: _Root) -> None:
        self.element, self.field, self.root = element, field, root

    def _new(self, element: Any) -> Algebraic:
        return Algebraic(element, self.field, self.root)

    def _of(self, other: Algebraic | int) -> Any:
        return other.element if isinstance(other, Algebraic) else self.field.convert(other)

    def __add__(self, other: Algebraic | int) -> Algebraic:
        return self._new(self.element + self._of(other))

    def __mul__(self, other: Algebraic | int) -> Algebraic:
        return self._new(self.element * self._of(other))

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Algebraic:
        return self._new(-self.element)

    def __sub__(self, other: Algebraic | int) -> Algebraic:
        return self._new(self.element - self._of(other))

    def __rsub__(self, other: int) -> Algebraic:
        return self._new(self._of(other) - self.element)

    def __truediv__(self, other: Algebraic | int) -> Algebraic:
        return self._new(self.field.quo(self.element, self._of(other)))

    def __bool__(self) -> bool:
        return bool(self.element)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | Algebraic) and not self - other

    def __hash__(self) -> int:
        return hash(self.element)

    def __gt__(self, other: int) -> bool:
        difference = self - other
        return bool(difference) and difference.approximation(2) > 0

    def __lt__(self, other: int) -> bool:
        difference = self - other
        return bool(difference) and difference.approximation(2) < 0

    def expression(self) -> sympy.Expr:
        """The number as sympy writes it."""
        return sympy.radsimp(sympy.expand(self.field.to_sympy(self.element)))

    def approximation(self, bits: int) -> Fraction:
        """The number with a relative error of at most 2^-bits, 0 for 0.

        The root is refined until its error times a bound of the derivative is
        small enough; since zero is told exactly, this ends.
        """
        coefficients = self._list()
        if not coefficients:
            return Fraction(0)
        working = bits + 32
        while True:
            x, delta = self.root.bounds(working)
            value = slope = Fraction(0)
            for power, c in enumerate(coefficients):
                value += c * x**power
                slope += power * abs(c) * (abs(x) + delta) ** max(power - 1, 0)
            if slope * delta * 2**bits <= abs(value) / 2:
                return value
            working *= 2

    def rational(self) -> Fraction | None:
        """The number if it is rational."""
        coefficients = self._list()
        return None if len(coefficients) > 1 else sum(coefficients, Fraction(0))

    def _list(self) -> list[Fraction]:
        """Coefficients of the polynomial in the root, the constant one first."""
        lowest_first = reversed(self.element.to_list())
        return [Fraction(int(c.numerator), int(c.denominator)) for c in lowest_first]


def in_one_field(numbers: Sequence[sympy.Expr]) -> list[Algebraic | Fraction] | None:
    """The numbers as elements of one real field (or rationals); None if there is none."""
    field, elements = construct_domain(list(numbers), extension=True, field=True)
    if field.is_QQ:
        return [Fraction(int(e.numerator), int(e.denominator)) for e in elements]
    if not field.is_Algebraic or not field.ext.is_real:
        return None
    root = _Root(field.ext.as_expr())
    return [Algebraic(e, field, root) for e in elements]


def approximate(vector: Sequence[Algebraic | int], bits: int) -> tuple[int, ...]:
    """Integers in the ratio of the numbers, each to `bits` bits of the largest."""
    ratios = [x.approximation(bits) if isinstance(x, Algebraic) else Fraction(x) for x in vector]
    largest = max(abs(x) for x in ratios)
    return tuple(round(x / largest * 2**bits) for x in ratios)
