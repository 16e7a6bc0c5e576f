"""The cells of a network with rational weights and n <= 3, in integers.

All cones are in three dimensions, sequences shorter than that are cylinders.  A cone is kept
as its exact description, facets only, and is cut by one half-space at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conevol.precision._rays import Description, describe
from conevol.precision._vectors import dot, primitive
from conevol.tasks import Task

__all__ = ["IntegerWeights", "RationalCell", "integer_weights", "rational_cells"]

Vector = tuple[int, int, int]
_ZERO = (0, 0, 0)


@dataclass(frozen=True)
class IntegerWeights:
    """Weights over common denominators: one scale of all inputs or logits changes no cone."""

    hi: list[int]
    hh: list[list[int]]
    oh: list[list[int]]
    hh_denominator: int


@dataclass(frozen=True)
class RationalCell:
    """A cone of inputs on which pattern, label and prediction are constant.

    Attributes
    ----------
    pattern : int
        Number of its pattern.
    label : int
    leaders : tuple of int
        The logits that share the maximum, in order.
    cone : Description
        In three dimensions.
    """

    pattern: int
    label: int
    leaders: tuple[int, ...]
    cone: Description


def integer_weights(rnn: Any) -> IntegerWeights:
    """The weights of a rational `SymbolicRNN` as integers."""
    hi, _ = _integers(rnn.W_hi)
    hh, denominator = _integers(rnn.W_hh)
    oh, _ = _integers(rnn.W_oh)
    return IntegerWeights([row[0] for row in hi], hh, oh, denominator)


def _integers(matrix: Any) -> tuple[list[list[int]], int]:
    scale = math.lcm(*(int(e.q) for e in matrix))
    return [[int(e.p) * (scale // int(e.q)) for e in row] for row in matrix.tolist()], scale


def rational_cells(weights: IntegerWeights, task: Task) -> Iterator[RationalCell]:
    """All cells with an interior, cut as `conevol.accuracy` cuts them."""
    n = len(weights.oh)
    fan = [
        (region.label, [_padded([int(e) for e in row]) for row in region.normals])
        for region in task.regions(n)
    ]
    for number, (cone, hidden_state) in enumerate(_patterns(weights)):
        logits = [_combination(row, hidden_state) for row in weights.oh]
        for label, rows in fan:
            piece = _clipped(cone, rows)
            if piece is not None:
                for leaders, cell in _predictions(piece, logits):
                    yield RationalCell(number, label, leaders, cell)


def _patterns(weights: IntegerWeights) -> Iterator[tuple[Description, list[Vector]]]:
    """Depth first, every pattern's cone with the map of its last hidden state."""
    whole = describe([], 3)
    assert whole is not None
    steps: list[tuple[Description, int, list[Vector]]] = [(whole, 0, [_ZERO] * len(weights.hi))]
    while steps:
        cone, t, before = steps.pop()
        if t == len(weights.oh):
            yield cone, before
            continue
        z = _pre_activations(weights, t, before)
        parts: list[tuple[Description, list[Vector]]] = [(cone, [])]
        for row in z:
            parts = [
                (side, [*after, row if sign > 0 else _ZERO])
                for part, after in parts
                for side, sign in _split(part, row)
            ]
        steps += [(part, t + 1, after) for part, after in parts]


def _pre_activations(weights: IntegerWeights, t: int, before: list[Vector]) -> list[Vector]:
    """Rows of z_{t+1}, times the denominators of W_hi and of t recurrent maps."""
    rows = []
    for w, recurrent in zip(weights.hi, weights.hh, strict=True):
        row = list(_combination(recurrent, before))
        row[t] += w * weights.hh_denominator**t
        rows.append(_padded(row))
    return rows


def _predictions(
    piece: Description, logits: list[Vector]
) -> Iterator[tuple[tuple[int, ...], Description]]:
    """Every set of equal logits that is the largest somewhere, and where."""
    groups: dict[Vector, list[int]] = {}
    for i, row in enumerate(logits):
        groups.setdefault(row, []).append(i)
    for top, leaders in groups.items():
        cell = _clipped(piece, [_difference(top, row) for row in groups if row != top])
        if cell is not None:
            yield tuple(leaders), cell


def _clipped(cone: Description | None, rows: list[Vector]) -> Description | None:
    """The part of a cone where all rows are positive; None without an interior."""
    for row in rows:
        if cone is not None:
            cone = next((side for side, sign in _split(cone, row) if sign > 0), None)
    return cone


def _split(cone: Description, row: Vector) -> list[tuple[Description, int]]:
    """The parts of a cone on the two sides of a plane with their signs; a zero row is negative."""
    if not any(row):
        return [(cone, -1)]
    row = primitive(row)
    if cone.rank == 3:
        values = [dot(row, ray) for ray in cone.rays]
        if min(values) >= 0:
            return [(cone, 1)]
        if max(values) <= 0:
            return [(cone, -1)]
    sides = []
    for sign in (1, -1):
        normal = tuple(sign * e for e in row)
        rows = cone.facets if normal in cone.facets else [*cone.facets, normal]
        side = describe(rows, 3)
        if side is not None:
            sides.append((side, sign))
    return sides


def _combination(weights: list[int], rows: list[Vector]) -> Vector:
    x = y = z = 0
    for w, row in zip(weights, rows, strict=True):
        if w:
            x, y, z = x + w * row[0], y + w * row[1], z + w * row[2]
    return x, y, z


def _difference(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _padded(row: list[int]) -> Vector:
    x, y, z = [*row, 0, 0][:3]
    return x, y, z
