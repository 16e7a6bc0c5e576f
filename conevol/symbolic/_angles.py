"""Closed forms: a rational number plus arctangents of algebraic numbers over pi."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd
from typing import Any, NamedTuple

import sympy
from mpmath import mp

from conevol.errors import ConevolError

__all__ = ["AngleSum", "Arctangent", "Turn"]

_MOST_BITS = 33_000


class Turn(NamedTuple):
    """weight times the angle of cosine + i sine sqrt(radicand), in (0, 2 pi], over pi."""

    weight: Fraction
    cosine: int
    sine: int
    radicand: int


class Arctangent(NamedTuple):
    """weight * atan(numerator * sqrt(radicand) / denominator) / pi, all integers positive."""

    weight: Fraction
    numerator: int
    radicand: int
    denominator: int

    @property
    def expression(self) -> Any:
        """The term in sympy."""
        tangent = sympy.Rational(self.numerator, self.denominator) * sympy.sqrt(self.radicand)
        return sympy.Rational(*self.weight.as_integer_ratio()) * sympy.atan(tangent) / sympy.pi


@dataclass(frozen=True)
class AngleSum:
    """rational + sum of terms, exactly.

    Attributes
    ----------
    rational : Fraction
    terms : tuple of Arctangent
        In increasing order, none of weight 0, no three integers twice.

    Examples
    --------
    >>> from conevol.symbolic import SymbolicRNN, accuracy
    >>> rnn = SymbolicRNN([1, -1], [[-1, 1], [2, -1]], [[1, 0], [0, 1]])
    >>> form = accuracy(rnn).value
    >>> print(form)
    -atan(1/5)/(2*pi) + 1
    >>> import mpmath
    >>> print(mpmath.nstr(form.evaluate(30), 30))
    0.968583520905499408093126373782
    """

    rational: Fraction
    terms: tuple[Arctangent, ...] = ()

    @classmethod
    def of_turns(cls, rational: Fraction, turns: Iterable[Turn]) -> AngleSum:
        """The number plus turns; quarter turns go into the number, equal arctangents together."""
        weights: dict[tuple[int, int, int], Fraction] = {}
        for weight, cosine, sine, radicand in turns:
            if sine == 0 or cosine == 0:
                quarters = (2 if cosine < 0 else 4) if sine == 0 else (1 if sine > 0 else 3)
                rational += weight * Fraction(quarters, 2)
                continue
            # The arctangent is in (-pi/2, pi/2): half a turn more on the left, a whole
            # one more below.
            rational += weight * (1 if cosine < 0 else 0 if sine > 0 else 2)
            sign = 1 if (cosine > 0) == (sine > 0) else -1
            divisor = gcd(cosine, sine)
            key = (abs(sine) // divisor, radicand, abs(cosine) // divisor)
            weights[key] = weights.get(key, Fraction(0)) + sign * weight
        terms = (Arctangent(weight, *key) for key, weight in sorted(weights.items()) if weight)
        return cls(rational, tuple(terms))

    @cached_property
    def expression(self) -> Any:
        """The sum in sympy, which may join terms further."""
        rational = sympy.Rational(*self.rational.as_integer_ratio())
        return sympy.Add(rational, *(term.expression for term in self.terms))

    def evaluate(self, digits: int = 50) -> Any:
        """The value to `digits` significant digits, an mpmath.mpf.

        The terms are evaluated one by one, with as many more bits as they cancel; the
        working precision of `mpmath.mp` is changed meanwhile, so threads need a lock.

        Raises
        ------
        ConevolError
            If `digits` is below 1, or the terms cancel to nothing in 10,000 digits: no
            accuracy is that small unless it is 0, which has no terms.
        """
        if digits < 1:
            raise ConevolError(f"digits is {digits}, expected at least 1")
        with mp.workdps(digits):
            wanted = mp.prec
        # Rounding is a few units of the last bit of each term and of the rational number.
        guard = 8 + len(self.terms).bit_length() + int(abs(self.rational)).bit_length()
        extra = 2 * guard
        while extra < _MOST_BITS:
            with mp.workprec(wanted + extra):
                value = self._sum()
                lost = -int(mp.mag(value)) if value else wanted + extra
            if lost + guard <= extra or not self.terms:
                with mp.workdps(digits):
                    return +value
            extra = max(2 * extra, lost + guard)
        raise ConevolError(f"the {len(self.terms)} terms cancel to nothing: is the sum exactly 0?")

    def _sum(self) -> Any:
        total = mp.mpf(0)
        for weight, numerator, radicand, denominator in self.terms:
            angle = mp.atan(numerator * mp.sqrt(radicand) / denominator)
            total += angle * weight.numerator / weight.denominator
        return total / mp.pi + mp.mpf(self.rational.numerator) / self.rational.denominator

    def __float__(self) -> float:
        return float(self.evaluate(17))

    def __str__(self) -> str:
        return str(self.expression)

    def _repr_latex_(self) -> str:
        return f"${sympy.latex(self.expression)}$"
