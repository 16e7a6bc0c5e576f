"""The integers behind the dihedral angles of a cone that is stretched along an axis.

With b_i the normals projected off the axis u, alpha_i = a_i . u, |u| = 1 and
q = r^2, the normals of the cone stretched by 1/r have the Gram matrix

    (b_i . b_j) + q alpha_i alpha_j.

Given the normals I that are tight on a face, the Schur complement of this
matrix is m_ij + tau s_i s_j (Sherman and Morrison 1950), tau a function of q,
with numbers m and s that do not depend on q.  Up to a common factor they are
integers, so nothing is lost on nearly degenerate cones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mpmath import mp

from conevol.precision._lattice import Lattice, ridges
from conevol.precision._rays import Description
from conevol.precision._vectors import Vector, dot, primitive

__all__ = ["Face", "Pair", "axis_of", "constants", "squared_tangent"]

Schur = dict[int, dict[int, int]]
_BORDER = -1  # row and column of alpha in a Schur complement


@dataclass(frozen=True)
class Pair:
    """Two facets (by number) of a face that meet in a ridge.

    Their dihedral angle theta, cos(theta) = -S_ij / sqrt(S_ii S_jj), has

        d theta / d tau = (k0 + k1 tau) / (2 sqrt(d0 + d1 tau) S_ii S_jj).
    """

    ridge: int
    first: int
    second: int
    k: tuple[int, int]
    d: tuple[int, int]


@dataclass(frozen=True)
class Face:
    """A face: tau = q / (determinant + kappa q), and S_ii = m + tau s^2 of facet i."""

    determinant: int
    kappa: int
    norms: list[tuple[int, int]]
    pairs: list[Pair]


def axis_of(cone: Description) -> Vector:
    """A vector with u . v > 0 for every ray v, about equally far from all.

    The sum of the normals, each scaled to height 1 above its farthest ray; for
    a simplicial cone this is the centre of the cap through all rays.  Any
    positive sum is inside the dual cone, so the scales may be rounded.
    """
    with mp.workprec(53):
        lengths = [mp.sqrt(dot(v, v)) for v in cone.rays]
        heights = [
            max(dot(a, v) / length for v, length in zip(cone.rays, lengths, strict=True))
            for a in cone.facets
        ]
    scales = []
    for height in heights:
        man, exp = mp.frexp(1 / height)
        scales.append(Fraction(int(man * 2**20)) * Fraction(2) ** int(exp))
    least = min(scales)
    whole = [round(scale / least * 2**10) for scale in scales]
    columns = zip(*cone.facets, strict=True)
    axis = primitive([dot(whole, column) for column in columns])
    assert all(dot(axis, v) > 0 for v in cone.rays)
    return axis


def squared_tangent(axis: Vector, ray: Vector) -> Fraction:
    """tan^2 of the angle between axis and ray."""
    height = dot(axis, ray) ** 2
    return Fraction(dot(axis, axis) * dot(ray, ray) - height, height)


def constants(cone: Description, levels: Lattice, axis: Vector) -> list[dict[int, Face]]:
    """The constants of all faces whose dimension has the parity of the rank."""
    size = dot(axis, axis)
    alpha = [dot(a, axis) for a in cone.facets]
    matrix: Schur = {
        i: {j: size * dot(a, b) - alpha[i] * alpha[j] for j, b in enumerate(cone.facets)}
        for i, a in enumerate(cone.facets)
    }
    for i, value in enumerate(alpha):
        matrix[i][_BORDER] = value
    matrix[_BORDER] = {**dict(enumerate(alpha)), _BORDER: 0}

    faces: list[dict[int, Face]] = [{} for _ in levels]
    reached = {next(iter(levels[-1])): (matrix, 1)}
    for dimension in range(cone.rank, 1, -1):
        below: dict[int, tuple[Schur, int]] = {}
        for face, (schur, determinant) in reached.items():
            facets = levels[dimension][face]
            names = [_name(cone.incidence, face, facet) for facet in facets]
            if (cone.rank - dimension) % 2 == 0:
                pairs = ridges(levels, dimension, face)
                faces[dimension][face] = _face(schur, determinant, names, pairs)
            for facet, name in zip(facets, names, strict=True):
                if facet not in below and dimension > 2:
                    below[facet] = _eliminate(schur, determinant, name, facet, cone.incidence)
        reached = below
    return faces


def _name(incidence: Sequence[int], face: int, facet: int) -> int:
    """A facet of the cone that cuts `facet` out of `face`."""
    return next(i for i, rays in enumerate(incidence) if face & rays == facet)


def _eliminate(
    schur: Schur, determinant: int, pivot: int, face: int, incidence: Sequence[int]
) -> tuple[Schur, int]:
    """Schur complement times the determinant of what was eliminated (Bareiss 1968).

    Rows that do not touch the face are dropped, as are those that hold it.
    """
    top, head = schur[pivot], schur[pivot][pivot]
    rows = [i for i in schur if i == _BORDER or 0 != incidence[i] & face != face]
    result: Schur = {i: {} for i in rows}
    for n, i in enumerate(rows):
        for j in rows[n:]:
            value = (head * schur[i][j] - top[i] * top[j]) // determinant
            result[i][j] = result[j][i] = value
    return result, head


def _face(
    schur: Schur, determinant: int, names: list[int], pairs: list[tuple[int, int, int]]
) -> Face:
    """Constants of one face."""
    found = []
    for ridge, first, second in pairs:
        i, j = names[first], names[second]
        m_ii, m_jj, m_ij = schur[i][i], schur[j][j], schur[i][j]
        s_i, s_j = schur[i][_BORDER], schur[j][_BORDER]
        c_i, c_j = s_j * m_ii - s_i * m_ij, s_j * m_ij - s_i * m_jj
        d0 = m_ii * m_jj - m_ij * m_ij if ridge else 0  # b_i, b_j of a 2-face are parallel
        d1 = s_j * c_i - s_i * c_j
        k = s_i * c_i * m_jj - s_j * c_j * m_ii, s_i * s_j * d1
        found.append(Pair(ridge, first, second, k, (d0, d1)))
    norms = [(schur[i][i], schur[i][_BORDER] ** 2) for i in names]
    return Face(determinant, -schur[_BORDER][_BORDER], norms, found)
