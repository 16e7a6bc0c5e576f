"""Normals as exact numbers: every row a vector of coprime integers.

The scale of a row is irrelevant, so doubles and fractions lose nothing by it,
and integer arithmetic is exact and quick whatever the lengths of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Rational
from typing import Any

import mpmath
import numpy as np
import sympy

from conevol.errors import NormalsError

__all__ = ["Vector", "dot", "exact_rows", "primitive"]

Vector = tuple[int, ...]


def dot(a: Sequence[int], b: Sequence[int]) -> int:
    """Inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def primitive(vector: Sequence[int]) -> Vector:
    """The same direction with coprime integers; a zero vector stays as it is."""
    divisor = math.gcd(*vector)
    if divisor > 1:
        return tuple(x // divisor for x in vector)
    return tuple(vector)


def exact_rows(normals: Any) -> tuple[list[Vector], int]:
    """Rows of `normals` (k, d) as coprime integer vectors, and d.

    Zero rows and repeated rows (equal up to a positive scale) are left out.

    Raises
    ------
    NormalsError
        If the shape is not (k, d) with d >= 1, or an entry is not a finite real number.
    """
    table, d = _table(normals)
    rows: dict[Vector, None] = {}
    for i, entries in enumerate(table):
        ratios = [_ratio(x, i, j) for j, x in enumerate(entries)]
        scale = math.lcm(*(q for _, q in ratios))
        row = primitive([p * (scale // q) for p, q in ratios])
        if any(row):
            rows[row] = None
    return list(rows), d


def _table(normals: Any) -> tuple[list[Sequence[Any]], int]:
    """The rows as sequences of one length, and that length."""
    if hasattr(normals, "tolist"):  # a numpy array or a sympy matrix
        shape = tuple(normals.shape)
        rows = list(normals.tolist()) if len(shape) == 2 else []
    else:
        try:
            rows = [row.tolist() if isinstance(row, np.ndarray) else list(row) for row in normals]
        except TypeError:
            raise NormalsError(
                f"normals must have shape (k, d), one row a half-space: got {normals!r:.80}; "
                "write one half-space as [row]"
            ) from None
        shape = (len(rows), len(rows[0])) if rows else (0,)
    if len(shape) != 2 or shape[1] == 0:
        raise NormalsError(
            f"normals must have shape (k, d) with d >= 1: got {shape}; pass one cone at a time, "
            "and numpy.empty((0, d)) for no half-space at all"
        )
    for i, row in enumerate(rows):
        if len(row) != shape[1]:
            raise NormalsError(
                f"normals[{i}] has length {len(row)}, expected {shape[1]} as in normals[0]: "
                "give all rows the same dimension"
            )
    return rows, shape[1]


def _ratio(x: Any, i: int, j: int) -> tuple[int, int]:
    """Numerator and denominator of entry (i, j), exactly."""
    try:
        if isinstance(x, Rational):
            return int(x.numerator), int(x.denominator)
        if isinstance(x, mpmath.mpf | sympy.Float):
            return _binary_ratio(x._mpf_)
        if isinstance(x, sympy.Rational):
            return int(x.p), int(x.q)
        if hasattr(x, "as_integer_ratio"):  # float, numpy's floats, Decimal
            p, q = x.as_integer_ratio()
            return int(p), int(q)
        if isinstance(x, sympy.Expr) and x.is_finite is False:
            raise ValueError("infinite")
    except (OverflowError, ValueError, TypeError):
        raise NormalsError(
            f"normals[{i}] is not finite: got {x!r} in column {j}, expected finite numbers; "
            "drop the row if it is no constraint"
        ) from None
    raise NormalsError(
        f"normals[{i}] is not real: got {x!r:.80} ({type(x).__name__}) in column {j}, expected "
        "float, int, Fraction or a sympy number; convert it first"
    )


def _binary_ratio(number: tuple[int, int, int, int]) -> tuple[int, int]:
    """Ratio of a binary floating point number of mpmath or sympy."""
    sign, mantissa, exponent, _ = number
    if not mantissa and exponent:
        raise ValueError("infinite or not a number")
    mantissa = -int(mantissa) if sign else int(mantissa)
    return (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)
