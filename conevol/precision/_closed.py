"""Fractions of cones of rank 1, 2 and 3: half, an angle, the area of a polygon."""

from __future__ import annotations

from mpmath import mp

from conevol.precision._rays import Description
from conevol.precision._vectors import Vector, dot

__all__ = ["gram_determinant", "polygon", "triangles", "wedge"]


def wedge(cone: Description) -> mp.mpf:
    """Fraction of a cone of rank 2: the angle between its two rays, at the current precision."""
    v, w = cone.rays
    return mp.atan2(mp.sqrt(gram_determinant(v, w)), dot(v, w)) / (2 * mp.pi)


def gram_determinant(*vectors: Vector) -> int:
    """Squared volume of the box that two or three vectors span."""
    if len(vectors) == 2:
        v, w = vectors
        vw = dot(v, w)
        return dot(v, v) * dot(w, w) - vw * vw
    u, v, w = vectors
    if len(u) == 3:
        return _determinant(u, v, w) ** 2
    a, b, c = dot(v, w), dot(u, w), dot(u, v)
    uu, vv, ww = dot(u, u), dot(v, v), dot(w, w)
    return uu * vv * ww + 2 * a * b * c - uu * a * a - vv * b * b - ww * c * c


def _determinant(u: Vector, v: Vector, w: Vector) -> int:
    return (
        u[0] * (v[1] * w[2] - v[2] * w[1])
        - u[1] * (v[0] * w[2] - v[2] * w[0])
        + u[2] * (v[0] * w[1] - v[1] * w[0])
    )


def triangles(cone: Description) -> list[tuple[Vector, Vector, Vector]]:
    """A fan: the first ray with the two rays of every facet that it is not on."""
    pairs = [
        [j for j in range(len(cone.rays)) if mask >> j & 1] for mask in cone.incidence if ~mask & 1
    ]
    return [(cone.rays[0], cone.rays[i], cone.rays[j]) for i, j in pairs]


def polygon(cone: Description) -> mp.mpf:
    """Fraction of a cone of rank 3, at the current precision.

    The spherical excess E of a triangle is, from the exact determinant,

        tan(E / 2) = det(u, v, w) / (|u||v||w| + (u.v)|w| + (u.w)|v| + (v.w)|u|)

    (van Oosterom and Strackee 1983, eq. 8; Euler and Lagrange before them).
    All triangles of the fan are positive, so their sum loses nothing.
    """
    return sum(_half_excess(*corners) for corners in triangles(cone)) / (2 * mp.pi)


def _half_excess(u: Vector, v: Vector, w: Vector) -> mp.mpf:
    """E / 2 of one triangle, to the current precision.

    Only the denominator can cancel, by an absolute error of some 2^-prec times
    |u||v||w|.  The relative error of the angle is at most that over the
    hypotenuse of numerator and denominator, so bits are added until enough
    remain of them.
    """
    wanted = mp.prec
    square = gram_determinant(u, v, w)
    uv, uw, vw = dot(u, v), dot(u, w), dot(v, w)
    squares = dot(u, u), dot(v, v), dot(w, w)
    extra = 16
    while True:
        with mp.workprec(wanted + extra):
            a, b, c = (mp.sqrt(x) for x in squares)
            numerator = mp.sqrt(square)
            size = a * b * c
            denominator = size + uv * c + uw * b + vw * a
            lost = mp.mag(size) - max(mp.mag(numerator), mp.mag(denominator))
            if lost + 8 <= extra:
                return mp.atan2(numerator, denominator)
            extra = 2 * extra if mp.isinf(lost) else int(lost) + 16
