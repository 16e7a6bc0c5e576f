"""Double description on integers: the slow, certain twin of `conevol.kernels.rays`.

Floating-point normals are rational numbers; scaled to integers, every sign is
decided exactly, zero included.  Used only where the filtered kernel is unsure:
coplanar normals, several facets through one ray, integer weights, slivers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

__all__ = ["exact_rays", "independent", "integer_rows", "primitive_fractions"]

Vector = list[int]


def integer_rows(normals: np.ndarray) -> list[Vector]:
    """Each row of doubles as the shortest integer vector of the same direction."""
    return [primitive_fractions([Fraction(float(x)) for x in row]) for row in normals]


def _primitive(vector: Vector) -> Vector:
    """Divide by the greatest common divisor."""
    divisor = math.gcd(*vector) or 1
    return [x // divisor for x in vector]


def primitive_fractions(row: Sequence[Fraction]) -> Vector:
    """The shortest integer vector along a rational one, which is not zero."""
    denominator = math.lcm(*(x.denominator for x in row))
    return _primitive([int(x * denominator) for x in row])


def independent(rows: list[Vector]) -> tuple[list[int], list[int]]:
    """Indices of a largest set of independent rows, and of columns on which they stay so."""
    chosen: list[int] = []
    columns: list[int] = []
    reduced: list[Vector] = []
    for index, row in enumerate(rows):
        left = row
        for pivot, c in zip(reduced, columns, strict=True):
            if left[c]:
                left = [pivot[c] * x - left[c] * y for x, y in zip(left, pivot, strict=True)]
        if any(left):
            left = _primitive(left)
            columns.append(next(c for c, x in enumerate(left) if x))
            reduced.append(left)
            chosen.append(index)
    return chosen, columns


def _inverse_columns(rows: list[Vector]) -> list[Vector]:
    """Columns of the inverse of a square integer matrix, each up to a positive factor."""
    d = len(rows)
    table = [
        [Fraction(x) for x in row] + [Fraction(int(i == j)) for j in range(d)]
        for i, row in enumerate(rows)
    ]
    for c in range(d):
        p = next(i for i in range(c, d) if table[i][c])
        table[c], table[p] = table[p], table[c]
        table[c] = [x / table[c][c] for x in table[c]]
        for i in range(d):
            f = table[i][c]
            if i != c and f:
                table[i] = [x - f * y for x, y in zip(table[i], table[c], strict=True)]
    return [primitive_fractions([table[i][d + j] for i in range(d)]) for j in range(d)]


def _dot(a: Vector, b: Vector) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def exact_rays(
    rows: list[Vector],
    max_rays: float = math.inf,
    max_tests: float = math.inf,
    flat: bool = False,
) -> tuple[list[Vector], list[int]] | None:
    """Extreme rays of {x : rows x >= 0} and the bit masks of the rows tight on each.

    The rows must have full column rank.  A cone with an empty interior has no rays,
    unless `flat` asks for them.  None when there are more than max_rays on the
    way, or more than max_tests triples of rays to look at.
    """
    d = len(rows[0])
    chosen, _ = independent(rows)
    every = sum(1 << i for i in chosen)
    rays = _inverse_columns([rows[i] for i in chosen])
    tight = [every & ~(1 << i) for i in chosen]
    tests = 0.0
    for index, row in enumerate(rows):
        if index in chosen:
            continue
        signs = [_dot(row, ray) for ray in rays]
        bit = 1 << index
        if max(signs, default=0) <= 0 and not flat:
            return [], []
        tight = [t | bit if s == 0 else t for t, s in zip(tight, signs, strict=True)]
        positive = [i for i, s in enumerate(signs) if s > 0]
        negative = [i for i, s in enumerate(signs) if s < 0]
        tests += float(len(positive)) * len(negative) * len(rays)
        if tests > max_tests:
            return None
        fresh: list[Vector] = []
        fresh_tight: list[int] = []
        for i in positive:
            for j in negative:
                common = tight[i] & tight[j]
                if common.bit_count() < d - 2 or any(
                    common & ~t == 0 for n, t in enumerate(tight) if n != i and n != j
                ):
                    continue
                x, y = signs[i], -signs[j]
                pairs = zip(rays[i], rays[j], strict=True)
                fresh.append(_primitive([x * b + y * a for a, b in pairs]))
                fresh_tight.append(common | bit)
        keep = [i for i, s in enumerate(signs) if s >= 0]
        rays = [rays[i] for i in keep] + fresh
        tight = [tight[i] for i in keep] + fresh_tight
        if len(rays) > max_rays:
            return None
    return rays, tight
