"""The public functions: one cone, any number of digits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mpmath import mp

from conevol.precision._algebraic import approximate
from conevol.precision._closed import polygon, wedge
from conevol.precision._numbers import exact_rows
from conevol.precision._rays import Description, describe
from conevol.precision._schlafli import schlafli

__all__ = ["fraction", "solid_angle"]

_GUARD_BITS = 24


def fraction(normals: Any, digits: int = 50) -> mp.mpf:
    """Share of space inside the cone {x : normals @ x >= 0}, to `digits` digits.

    Parameters
    ----------
    normals : array_like, shape (k, d)
        Inward normals, one a row, as floats (taken as the exact doubles), ints,
        fractions or sympy numbers.  A zero row is no constraint; the scale of a
        row does not matter.  Any dimension and any number of rows: redundant,
        repeated, opposite and coplanar ones are recognised exactly.
    digits : int
        Significant digits of the result, however small it is.

    Returns
    -------
    mpmath.mpf
        In [0, 1]: exactly 0 for an empty interior, 1 for the whole space, 1/2
        for a half-space; all else with a relative error below 10^-digits.  For
        rank 2 and 3 a closed form whose rounding is bounded; above that a
        quadrature with far more nodes and bits than the digits need, repeated
        with more of both until two results agree to all digits.

    Raises
    ------
    NormalsError
        If the shape is not (k, d), or an entry is not a finite real number, or
        is neither rational nor algebraic.
    ValueError
        If `digits` is below 1.

    Notes
    -----
    Spherical excess by van Oosterom and Strackee (1983); from rank 4 on the
    differential formula of Schlafli (1858) over the face lattice.  The time
    grows with the number of faces.  The working precision of `mpmath.mp` is
    changed during the call and restored, so threads need a lock.

    Examples
    --------
    >>> print(fraction([[1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    0.125

    One in three: the longest of three coordinates comes first.

    >>> import mpmath
    >>> with mpmath.workdps(30):
    ...     print(fraction([[1, -1, 0], [1, 0, -1]], digits=30))
    0.333333333333333333333333333333

    Five coordinates in decreasing order, one in 5!; irrational normals.

    >>> order = [[1, -1, 0, 0, 0], [0, 1, -1, 0, 0], [0, 0, 1, -1, 0], [0, 0, 0, 1, -1]]
    >>> print(1 / fraction(order))
    120.0
    >>> import sympy
    >>> print(1 / fraction([[0, 1], [sympy.sqrt(3), -1]]))
    6.0
    """
    _check(digits)
    cone = describe(*exact_rows(normals))
    with mp.workdps(digits):
        if cone is None:
            return mp.mpf(0)
        if cone.rank < 2:
            return mp.mpf(1) / (1 + cone.rank)
        with mp.workprec(mp.prec + _GUARD_BITS):
            value = _measure(cone, digits) if _rational(cone) else _irrational(cone, digits)
        return +value


def _check(digits: int) -> None:
    if digits < 1:
        raise ValueError(f"digits must be at least 1: got {digits}; ask for 15 or more")


def _measure(cone: Description, digits: int) -> mp.mpf:
    """Fraction of a cone of rank 2 or more with integer facets and rays."""
    if cone.rank == 2:
        return wedge(cone)
    return polygon(cone) if cone.rank == 3 else schlafli(cone, digits)


def _rational(cone: Description) -> bool:
    return all(isinstance(x, int) for v in (*cone.facets, *cone.rays) for x in v)


def _irrational(cone: Description, digits: int) -> mp.mpf:
    """With facets and rays rounded, after exact combinatorics, until two results agree."""
    bits, previous = 4 * mp.prec + 256, None
    while True:
        rounded = replace(
            cone,
            facets=[approximate(v, bits) for v in cone.facets],
            rays=[approximate(v, bits) for v in cone.rays],
        )
        value = _measure(rounded, digits)
        if previous is not None and abs(value) > 0 and _agree(value, previous, digits):
            return value
        bits, previous = 2 * bits, value


def _agree(a: mp.mpf, b: mp.mpf, digits: int) -> bool:
    return abs(a - b) <= mp.mpf(10) ** -digits * abs(a)


def solid_angle(normals: Any, digits: int = 50) -> mp.mpf:
    """Measure of the cone on the unit sphere: steradians for d = 3, radians for d = 2.

    The fraction times the area of the sphere, 2 pi^(d/2) / Gamma(d/2); see
    `fraction` for parameters, accuracy and errors.

    Examples
    --------
    >>> print(solid_angle([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) * 2 / mp.pi)
    1.0
    """
    _check(digits)
    _, d = exact_rows(normals)
    with mp.workdps(digits + 5):
        area = 2 * mp.pi ** (mp.mpf(d) / 2) / mp.gamma(mp.mpf(d) / 2)
        value = fraction(normals, digits + 5) * area
    with mp.workdps(digits):
        return +value
