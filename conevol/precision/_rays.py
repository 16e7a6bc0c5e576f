"""Extreme rays of a cone by the double description method, in exact arithmetic.

Motzkin, Raiffa, Thompson and Thrall (1953); Fukuda and Prodon (1996), "Double
description method revisited", for the adjacency test.  No division is ever
made, so integers stay integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conevol.precision._vectors import Vector, dot, eliminate

__all__ = ["Description", "describe"]


@dataclass(frozen=True)
class Description:
    """A cone with an interior: lineality plus a pointed cone in the row space.

    Attributes
    ----------
    rank : int
        Dimension of the row space, in which the pointed cone is full-dimensional.
    facets : list of vectors
        Inward normals of the facets, nothing redundant.
    rays : list of vectors
        Extreme rays of the pointed cone, orthogonal to the lineality.
    incidence : list of int
        For every facet, the rays on it: bit j stands for ``rays[j]``.
    """

    rank: int
    facets: list[Vector]
    rays: list[Vector]
    incidence: list[int]


def describe(rows: Sequence[Vector], d: int) -> Description | None:
    """Rays and facets of {x : row . x >= 0}; None when the interior is empty.

    Requires rows that are not zero and no two of which are equal up to a
    positive scale.
    """
    lines: list[Vector] = [tuple(int(i == j) for j in range(d)) for i in range(d)]
    rays: list[tuple[Vector, int]] = []  # with the rows it lies on, bit i for rows[i]
    for i, row in enumerate(rows):
        pivot = next((j for j, line in enumerate(lines) if dot(row, line)), None)
        if pivot is not None:
            rays, lines = _cut_lineality(rays, lines, pivot, row, 1 << i)
        else:
            rays = _cut_pointed(rays, row, 1 << i, rank=d - len(lines))
            if not rays:
                return None
    rank = d - len(lines)
    return _facets(rows, _orthogonal_to(lines, [v for v, _ in rays]), [t for _, t in rays], rank)


def _cut_lineality(
    rays: list[tuple[Vector, int]], lines: list[Vector], pivot: int, row: Vector, bit: int
) -> tuple[list[tuple[Vector, int]], list[Vector]]:
    """Half of a line survives as a ray; all else is moved along it into the row's plane."""
    line = lines[pivot]
    height = dot(row, line)
    if height < 0:
        line, height = tuple(-x for x in line), -height
    ray = (line, bit - 1)  # lies on all rows before this one
    moved = [(eliminate(v, dot(row, v), line, height), tight | bit) for v, tight in rays]
    others = [other for j, other in enumerate(lines) if j != pivot]
    return [*moved, ray], [eliminate(v, dot(row, v), line, height) for v in others]


def _cut_pointed(
    rays: list[tuple[Vector, int]], row: Vector, bit: int, rank: int
) -> list[tuple[Vector, int]]:
    """Rays of the cone cut by one half-space; none when its interior is lost."""
    positive, negative, kept = [], [], []
    for v, tight in rays:
        value = dot(row, v)
        if value > 0:
            positive.append((v, tight, value))
            kept.append((v, tight))
        elif value < 0:
            negative.append((v, tight, value))
        else:
            kept.append((v, tight | bit))
    if not positive:
        return []
    for v, tight_v, above in positive:
        for w, tight_w, below in negative:
            common = tight_v & tight_w
            if common.bit_count() >= rank - 2 and _adjacent(common, rays):
                kept.append((eliminate(w, below, v, above), common | bit))
    return kept


def _adjacent(common: int, rays: list[tuple[Vector, int]]) -> bool:
    """Two rays span a face if no third ray lies on all rows that both lie on."""
    return sum(tight & common == common for _, tight in rays) == 2


def _orthogonal_to(lines: list[Vector], vectors: list[Vector]) -> list[Vector]:
    """The vectors projected off the lineality, up to positive scale."""
    orthogonal: list[Vector] = []
    for line in lines:
        for axis in orthogonal:
            line = eliminate(line, dot(line, axis), axis, dot(axis, axis))
        orthogonal.append(line)
    for axis in orthogonal:
        vectors = [eliminate(v, dot(v, axis), axis, dot(axis, axis)) for v in vectors]
    return vectors


def _facets(rows: Sequence[Vector], rays: list[Vector], tight: list[int], rank: int) -> Description:
    """Keep the rows whose set of rays is maximal: they are the facets."""
    sets = [sum(1 << j for j, mask in enumerate(tight) if mask >> i & 1) for i in range(len(rows))]
    keep = [
        i
        for i, own in enumerate(sets)
        if not any(own != other and own & other == own for other in sets)
    ]
    return Description(rank, [rows[i] for i in keep], rays, [sets[i] for i in keep])
