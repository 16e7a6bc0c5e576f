"""Normals as exact numbers.

The scale of a row is irrelevant, so rows of doubles and fractions become rows
of coprime integers; integer arithmetic is exact and quick whatever the lengths
of the rows.  Only irrational entries need a number field.
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
from conevol.precision._algebraic import in_one_field
from conevol.precision._vectors import Vector, primitive

__all__ = ["exact_rows"]


def exact_rows(normals: Any) -> tuple[list[Vector], int]:
    """Rows of `normals` (k, d) as exact vectors of coprime integers where possible, and d.

    Zero rows and repeated rows (equal up to a positive scale) are left out.

    Raises
    ------
    NormalsError
        If the shape is not (k, d) with d >= 1, or an entry is not a finite real number.
    """
    table, d = _table(normals)
    ratios = [[_ratio(x, i, j) for j, x in enumerate(row)] for i, row in enumerate(table)]
    if any(isinstance(x, sympy.Expr) for row in ratios for x in row):
        rows = _irrational(ratios)
    else:
        rows = [_integers(row) for row in ratios]
    distinct = dict.fromkeys(primitive(row) for row in rows)
    return [row for row in distinct if any(row)], d


def _integers(row: list[tuple[int, int]]) -> list[int]:
    scale = math.lcm(*(q for _, q in row))
    return [p * (scale // q) for p, q in row]


def _irrational(table: list[list[Any]]) -> list[list[Any]]:
    """Rows whose entries are in one number field."""
    flat = [x if isinstance(x, sympy.Expr) else sympy.Rational(*x) for row in table for x in row]
    numbers = in_one_field(flat)
    if numbers is None:
        raise NormalsError(
            "normals are not in one real number field: write them with real radicals or "
            "sympy.CRootOf, or round them to fractions"
        )
    d = len(table[0])
    return [numbers[i : i + d] for i in range(0, len(numbers), d)]


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


def _ratio(x: Any, i: int, j: int) -> tuple[int, int] | sympy.Expr:
    """Numerator and denominator of entry (i, j), exactly; an irrational one as it is."""
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
    if not isinstance(x, sympy.Expr) or not x.is_real:
        raise NormalsError(
            f"normals[{i}] is not real: got {x!r:.80} ({type(x).__name__}) in column {j}, expected "
            "float, int, Fraction or a sympy number; convert it first"
        )
    if not x.is_algebraic or x.has(sympy.Float):
        raise NormalsError(
            f"normals[{i}] is not algebraic: got {x!r:.80} in column {j}, expected rational or "
            "algebraic numbers; round it to a fraction"
        )
    return x


def _binary_ratio(number: tuple[int, int, int, int]) -> tuple[int, int]:
    """Ratio of a binary floating point number of mpmath or sympy."""
    sign, mantissa, exponent, _ = number
    if not mantissa and exponent:
        raise ValueError("infinite or not a number")
    mantissa = -int(mantissa) if sign else int(mantissa)
    return (mantissa << exponent, 1) if exponent >= 0 else (mantissa, 1 << -exponent)
