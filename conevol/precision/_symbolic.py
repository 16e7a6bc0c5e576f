"""Fractions of cones of rank at most 3 as closed forms."""

from __future__ import annotations

from typing import Any

import sympy

from conevol.errors import NormalsError
from conevol.precision._algebraic import Algebraic
from conevol.precision._closed import gram_determinant
from conevol.precision._numbers import exact_rows
from conevol.precision._rays import Description, describe
from conevol.precision._vectors import Vector, dot

__all__ = ["closed_form"]


def closed_form(normals: Any) -> sympy.Expr:
    """Share of space inside the cone {x : normals @ x >= 0}, as a sympy expression.

    A rational number plus arctangents of algebraic numbers over pi: an angle
    for rank 2; for rank 3 the sum of the polygon's angles, less (sides - 2) pi,
    over 4 pi (Girard 1629).

    Parameters
    ----------
    normals : array_like, shape (k, d)
        As for `conevol.precision.fraction`, of rank 3 at most.

    Returns
    -------
    sympy.Expr
        Exact.  Its terms cancel for small polygons: ``.evalf(digits, maxn=...)``
        wants some -2 log10(size) more digits than it returns.

    Raises
    ------
    NormalsError
        If the rank is above 3, where no closed form exists; if the shape is not
        (k, d), or an entry is not a finite real number.

    Examples
    --------
    >>> closed_form([[1, 0, 0], [0, 1, 0], [-1, -1, 1]])
    -1/8 + atan(sqrt(2))/(2*pi)
    >>> closed_form([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1]])
    1/6
    """
    cone = describe(*exact_rows(normals))
    if cone is None:
        return sympy.Integer(0)
    if cone.rank < 2:
        return sympy.Rational(1, 1 + cone.rank)
    if cone.rank == 2:
        return _turn(*cone.rays) / (2 * sympy.pi)
    if cone.rank > 3:
        raise NormalsError(
            f"normals have rank {cone.rank}, expected at most 3: there is no closed form in "
            "general; use conevol.precision.fraction"
        )
    angles = [_turn(a, tuple(-x for x in b)) for a, b in _corners(cone)]
    quarter = sum(angle / (4 * sympy.pi) for angle in angles)
    return sympy.expand(quarter - sympy.Rational(len(angles) - 2, 4))


def _corners(cone: Description) -> list[tuple[Vector, Vector]]:
    """For every ray the normals of the two facets that meet there."""
    pairs = []
    for j in range(len(cone.rays)):
        first, second = (i for i, mask in enumerate(cone.incidence) if mask >> j & 1)
        pairs.append((cone.facets[first], cone.facets[second]))
    return pairs


def _turn(a: Vector, b: Vector) -> sympy.Expr:
    """The angle between two vectors, from 0 to pi."""
    cosine, square = dot(a, b), gram_determinant(a, b)
    if not cosine:
        return sympy.pi / 2
    if isinstance(cosine, Algebraic) or isinstance(square, Algebraic):
        tangent = sympy.sqrtdenest(sympy.sqrt(_expression(square))) / _expression(cosine)
        tangent = sympy.radsimp(tangent)
    else:
        tangent = sympy.sqrt(square) / cosine
    return sympy.atan(tangent) + (0 if cosine > 0 else sympy.pi)


def _expression(x: Any) -> sympy.Expr:
    return x.expression() if isinstance(x, Algebraic) else sympy.Integer(x)
