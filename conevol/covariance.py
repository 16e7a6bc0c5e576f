"""Exact factors of covariances that are singular, or nearly so: A with A A^T = cov, in rationals.

cov = M D M^T with rational M and D, so signs and rank are exact; the columns of A are
those of M times the roots of D, rounded to two doubles.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

__all__ = ["TOLERANCE", "Factor", "factorise"]

# What is left of a variance, relative to it and for each dimension, that counts as rounding.
TOLERANCE = 16 * 2.0**-53

Matrix = list[list[Fraction]]


class Factor(NamedTuple):
    """cov = A A^T.

    Attributes
    ----------
    columns : list of list of Fraction
        M (d, r), of full column rank r, the rank of cov.
    pivots : list of Fraction
        D (r,), positive: A = M sqrt(D).
    moved : float
        Sum of the angles by which rows of A may be off; 0 unless what was left out is rounding.
    """

    columns: Matrix
    pivots: list[Fraction]
    moved: float

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """A, rounded to (d, r) arrays hi + lo."""
        pairs = [
            [_root(x * x * p, x < 0) for x, p in zip(row, self.pivots, strict=True)]
            for row in self.columns
        ]
        both = np.array(pairs).reshape(len(self.columns), len(self.pivots), 2)
        return np.ascontiguousarray(both[:, :, 0]), np.ascontiguousarray(both[:, :, 1])


def _root(square: Fraction, negative: bool) -> tuple[float, float]:
    """The root of a rational number as high and low part, relative error 2^-105 or so."""
    if not square:
        return 0.0, 0.0
    p, q = square.numerator, square.denominator
    shift = max(0, 240 - (p * q).bit_length()) // 2
    root = Fraction(math.isqrt(p * q << 2 * shift), q << shift)
    high = float(root)
    low = float(root - Fraction(high))
    return (-high, -low) if negative else (high, low)


def _left_over(left: Matrix, scale: list[Fraction]) -> Fraction:
    """Square of the largest entry of a Schur complement, relative to the variances."""
    indices = range(len(left))
    return max(left[i][j] ** 2 / (scale[i] * scale[j]) for i in indices for j in indices)


def factorise(cov: np.ndarray) -> Factor | None:
    """Factor a symmetric matrix with positive diagonal exactly; None if it is not semidefinite.

    Pivots are the largest relative to their variances.  If the matrix is indefinite, but
    all that is left after r pivots is at most TOLERANCE * d relative to the variances, the
    factor is that of r columns.
    """
    d = len(cov)
    left: Matrix = [[Fraction(float(x)) for x in row] for row in cov]
    scale = [left[i][i] for i in range(d)]
    limit = Fraction(TOLERANCE * d)
    columns: Matrix = [[] for _ in range(d)]
    pivots: list[Fraction] = []
    noise: int | None = None
    residue = 0.0
    while True:
        if noise is None and _left_over(left, scale) <= limit**2:
            # Each row within this angle of where it belongs.
            noise, residue = len(pivots), d * math.asin(math.sqrt(min(1.0, float(limit))))
        pivot = max(range(d), key=lambda i: left[i][i] / scale[i])
        value = left[pivot][pivot]
        if value <= 0:
            break
        column = [left[i][pivot] / value for i in range(d)]
        for i in range(d):
            columns[i].append(column[i])
            for j in range(d):
                left[i][j] -= column[i] * column[j] * value
        pivots.append(value)
    if not any(map(any, left)):
        return Factor(columns, pivots, 0.0)
    if noise is None:
        return None
    return Factor([row[:noise] for row in columns], pivots[:noise], residue)
