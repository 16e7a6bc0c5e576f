"""Face lattice of a pointed cone, each face a set of rays (bit j stands for ray j)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Lattice", "face_lattice", "ridges"]

Lattice = list[dict[int, list[int]]]
"""For every dimension the faces, and for every face its facets."""


def face_lattice(incidence: Sequence[int], rays: int, rank: int) -> Lattice:
    """All faces, from {0} in entry 0 to the cone itself in entry `rank`.

    `incidence` has the rays of every facet.  Every face is an intersection of
    facets, and the facets of a face are its maximal intersections with the
    facets that do not hold it.
    """
    levels: Lattice = [{} for _ in range(rank + 1)]
    levels[rank][(1 << rays) - 1] = []
    for dimension in range(rank, 0, -1):
        for face in levels[dimension]:
            below = _maximal({face & facet for facet in incidence} - {face})
            levels[dimension][face] = below
            for facet in below:
                levels[dimension - 1][facet] = []
    assert list(levels[0]) == [0]
    return levels


def _maximal(sets: set[int]) -> list[int]:
    """Sets that are in no other one, in a fixed order."""
    largest_first = sorted(sets, key=lambda s: (-s.bit_count(), s))
    found: list[int] = []
    for candidate in largest_first:
        if not any(candidate & other == candidate for other in found):
            found.append(candidate)
    return found


def ridges(levels: Lattice, dimension: int, face: int) -> list[tuple[int, int, int]]:
    """Ridges of a face, each with the two facets of the face that meet in it."""
    meeting: dict[int, list[int]] = {}
    for number, facet in enumerate(levels[dimension][face]):
        for ridge in levels[dimension - 1][facet]:
            meeting.setdefault(ridge, []).append(number)
    return [(ridge, first, second) for ridge, (first, second) in meeting.items()]
