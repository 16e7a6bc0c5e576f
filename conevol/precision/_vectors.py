"""Exact vectors up to a positive scale: tuples of integers or of algebraic numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from conevol.precision._algebraic import Algebraic

__all__ = ["Vector", "dot", "eliminate", "primitive", "whole"]

Vector = tuple[Any, ...]


def dot(a: Sequence[Any], b: Sequence[Any]) -> Any:
    """Inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def eliminate(v: Vector, value: Any, axis: Vector, height: Any) -> Vector:
    """The direction of v - (value / height) axis, for height > 0."""
    return primitive([height * x - value * y for x, y in zip(v, axis, strict=True)])


def primitive(vector: Sequence[Any]) -> Vector:
    """One form for all positive multiples of a vector.

    Coprime integers where there are any; else the first entry that is not zero
    becomes 1 or -1.  A zero vector stays as it is.
    """
    if any(isinstance(x, Algebraic) for x in vector):
        return _monic(vector)
    divisor = math.gcd(*vector)
    if divisor > 1:
        return tuple(x // divisor for x in vector)
    return tuple(vector)


def _monic(vector: Sequence[Any]) -> Vector:
    pivot = next((x for x in vector if x), 1)
    if pivot < 0:
        pivot = -pivot
    divided = [x / pivot if isinstance(x, Algebraic) else 1 / pivot * x for x in vector]
    ratios = [x.rational() if isinstance(x, Algebraic) else Fraction(x) for x in divided]
    if None in ratios:
        return tuple(divided)
    return whole([x for x in ratios if x is not None])


def whole(ratios: Sequence[Fraction]) -> Vector:
    """Fractions as coprime integers."""
    scale = math.lcm(*(x.denominator for x in ratios))
    return primitive([x.numerator * (scale // x.denominator) for x in ratios])
