"""Fraction of a pointed cone of any rank by Schlafli's differential formula.

A face F has d phi_F = (1 / 2 pi) sum of phi_G d theta_{F,G} over its ridges G
(Schlafli 1858; Plackett 1954 for Gaussian orthants).  The cone is stretched by
1/r along an axis u inside its dual until at r = 0 it has collapsed onto u: the
fractions of all faces follow by integrating back to r = 1, two dimensions at a
time, and the combinatorial type never changes on the way.

With r = sinh(psi) / T, T the largest tangent of a ray's angle from u, all
integrands are analytic for |Im psi| < pi/2, and composite Gauss-Legendre rules
in psi converge geometrically whatever the scales of the cone.
"""

from __future__ import annotations

import math
from fractions import Fraction

from mpmath import mp

from conevol.precision._blocks import Block, add, block, linear, ratio, root, scaled
from conevol.precision._constants import Face, axis_of, constants, squared_tangent
from conevol.precision._gauss import Rule, gauss_legendre
from conevol.precision._lattice import face_lattice
from conevol.precision._rays import Description

__all__ = ["schlafli"]

# On a panel of half-length at most 1 the error of n nodes falls at least like
# rho^-n, rho = x + sqrt(1 + x^2), x = pi/2 (Bernstein 1912).
_DIGITS_PER_NODE = math.log10(math.pi / 2 + math.hypot(1, math.pi / 2))

Faces = list[dict[int, Face]]


def schlafli(cone: Description, digits: int) -> mp.mpf:
    """Fraction of a pointed cone of rank 4 or more, to `digits` digits.

    The quadrature is repeated with a quarter more nodes and bits, then with
    twice as many, until two results agree.
    """
    axis = axis_of(cone)
    faces = constants(cone, face_lattice(cone.incidence, len(cone.rays), cone.rank), axis)
    tangent = max(squared_tangent(axis, ray) for ray in cone.rays)
    previous, wanted = None, digits + 3
    while True:
        for effort in (wanted, wanted + wanted // 4 + 2):
            value = _integrate(faces, tangent, effort)
            if previous is not None and abs(value - previous) <= mp.mpf(10) ** -digits * value:
                return value
            previous = value
        wanted *= 2


def _integrate(faces: Faces, tangent: Fraction, digits: int) -> mp.mpf:
    """Fraction of the last face at r = 1, one panel after the other from r = 0."""
    with mp.workprec(int(3.33 * digits) + 64):
        squared = mp.mpf(tangent.numerator) / tangent.denominator
        length = mp.asinh(mp.sqrt(squared))
        panels = max(1, int(mp.ceil(length / 2)))
        half = length / (2 * panels)
        rule = gauss_legendre(2 * int(digits / _DIGITS_PER_NODE / 2) + 6, mp.prec)
        reached: dict[int, mp.mpf] = {}
        for panel in range(panels):
            nodes = [half * (2 * panel + 1 + x) for x in rule.points()]
            top = _sweep(faces, _Panel(nodes, half, squared, rule), reached)
        return reached[top]


def _sweep(faces: Faces, panel: _Panel, reached: dict[int, mp.mpf]) -> int:
    """Fractions of all faces over one panel, dimension by dimension; the last face is named.

    `reached` has their values at its start, and then at its end.  Rays have
    the fraction 1/2, and {0} has 1.
    """
    rank = len(faces) - 1
    constant = mp.mpf(1) / (1 + rank % 2)
    known: dict[int, Block] = {}
    for dimension in range(2 + rank % 2, rank + 1, 2):
        found = {}
        for face, numbers in faces[dimension].items():
            if dimension < 4:
                known = dict.fromkeys((p.ridge for p in numbers.pairs), panel.constant(constant))
            slope = panel.slope(numbers, known)
            start = reached.get(face, mp.mpf(0))
            reached[face] = start + panel.half * panel.rule.integral(slope)
            if dimension < rank:
                found[face] = scaled(panel.rule.integrals(slope), panel.half, start)
        known = found
    (top,) = faces[rank]
    return top


class _Panel:
    """The nodes of one panel."""

    def __init__(self, nodes: list[mp.mpf], half: mp.mpf, squared: mp.mpf, rule: Rule) -> None:
        self.rule, self.half = rule, half
        sinh = [mp.sinh(psi) for psi in nodes]
        self.q = block([s * s / squared for s in sinh])
        self.speed = block([2 * s * mp.sqrt(1 + s * s) / squared for s in sinh])  # dq / dpsi

    def constant(self, value: mp.mpf) -> Block:
        """The same value at all nodes."""
        return block([value] * len(self.q[0]))

    def slope(self, face: Face, known: dict[int, Block]) -> Block:
        """d phi / d psi of a face, from the fractions of its ridges."""
        base = linear(face.determinant, face.kappa, self.q)
        tau = ratio([self.q], [base])
        norms = [linear(m, s, tau) for m, s in face.norms]
        terms = [
            ratio(
                [linear(*pair.k, tau), known[pair.ridge]],
                [root(linear(*pair.d, tau)), norms[pair.first], norms[pair.second]],
            )
            for pair in face.pairs
        ]
        total = ratio([add(terms), self.speed], [base, base])
        return scaled(total, face.determinant / (4 * mp.pi), mp.mpf(0))
