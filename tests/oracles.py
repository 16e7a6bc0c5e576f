"""The exact accuracy of a small ReLU RNN by a slow, independent method.

Nothing here is shared with the library: weights become integers, so that every
plane, every ray and every sign is exact; the tree of sign choices is walked
neuron by neuron, a prefix is dropped only when its cone has an empty interior,
and a cone's area is the sum of its interior angles (Girard's theorem) to 40
digits.  Cones are lists of rays, begun at the eight octants of space, so no cone
ever holds a line.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd
from typing import Any

from mpmath import mp

Vector = tuple[int, int, int]
DIGITS = 40


def dot(a: Vector, b: Vector) -> int:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def primitive(v: Vector) -> Vector:
    divisor = gcd(*v)
    return v if divisor < 2 else (v[0] // divisor, v[1] // divisor, v[2] // divisor)


def integers(values: Any) -> tuple[list[Any], int]:
    """Nested lists of floats as integers over one power of two: (integers, exponent)."""
    flat = [Fraction(float(v)) for v in _leaves(values)]
    scale = max((v.denominator for v in flat), default=1)
    numbers = iter([int(v * scale) for v in flat])
    return _refill(values, numbers), scale.bit_length() - 1


def _leaves(values: Any) -> Iterator[Any]:
    if getattr(values, "ndim", None) == 0 or not hasattr(values, "__len__"):
        yield values
    else:
        for v in values:
            yield from _leaves(v)


def _refill(values: Any, numbers: Iterator[int]) -> Any:
    if getattr(values, "ndim", None) == 0 or not hasattr(values, "__len__"):
        return next(numbers)
    return [_refill(v, numbers) for v in values]


def keep_positive(rays: list[Vector], plane: Vector) -> list[Vector]:
    """The cone on the positive side of a plane: its rays in cyclic order, [] if it is flat."""
    signs = [dot(plane, r) for r in rays]
    if all(s >= 0 for s in signs):
        return rays if any(signs) else []
    if not any(s > 0 for s in signs):
        return []
    kept = []
    for i, r in enumerate(rays):
        s, before, q = signs[i], signs[i - 1], rays[i - 1]
        if s * before < 0:
            new = tuple(abs(before) * a + abs(s) * b for a, b in zip(r, q, strict=True))
            kept.append(primitive(new))
        if s >= 0:
            kept.append(r)
    return kept


def octants() -> Iterator[list[Vector]]:
    for x, y, z in itertools.product((1, -1), repeat=3):
        yield [(x, 0, 0), (0, y, 0), (0, 0, z)]


def girard(rays: list[Vector]) -> Any:
    """Fraction of the sphere in a pointed cone with rays in cyclic order."""
    with mp.workdps(DIGITS + 10):
        m = len(rays)
        total = -(m - 2) * mp.pi
        for i in range(m):
            before, here, after = rays[i - 1], rays[i], rays[(i + 1) % m]
            length = mp.sqrt(dot(here, here))
            sine = length * abs(dot(before, cross(here, after)))
            total += mp.atan2(sine, dot(cross(here, before), cross(here, after)))
        return total / (4 * mp.pi)


def cone_fraction(normals: Any) -> Any:
    """Fraction of {x : normals @ x >= 0} for rows of at most three floats."""
    total = mp.mpf(0)
    rows = []
    for row in normals:
        padded = [*row, 0.0, 0.0][:3]
        rows.append(primitive(tuple(integers(padded)[0])))
    for cone in octants():
        for row in rows:
            if any(row) and cone:
                cone = keep_positive(cone, row)
        if cone:
            total += girard(cone)
    return total


@dataclass
class ExactCells:
    """Cells of a network: fraction by (pattern, order of inputs, tied leaders)."""

    n: int
    hidden: int
    fractions: dict[tuple[Any, ...], Any] = field(default_factory=lambda: defaultdict(mp.mpf))

    @property
    def patterns(self) -> set[Any]:
        return {pattern for pattern, _, _ in self.fractions}

    def accuracy(self, label: Callable[[tuple[int, ...]], int], ties: str) -> Any:
        """Sum of the fractions that count as right; `label` maps an order to an index."""
        total = mp.mpf(0)
        for (_, order, leaders), share in self.fractions.items():
            right = label(order)
            if len(leaders) == 1:
                total += share if right in leaders else 0
            elif ties == "first":
                total += share if right == min(leaders) else 0
            elif ties == "split":
                total += share / len(leaders) if right in leaders else 0
        return total

    def tied(self) -> Any:
        return sum((v for (_, _, t), v in self.fractions.items() if len(t) > 1), mp.mpf(0))

    def total(self) -> Any:
        return sum(self.fractions.values(), mp.mpf(0))

    def cells(self, kind: Callable[[tuple[int, ...]], Any]) -> int:
        """Number of cells when orders of one kind are not told apart."""
        return len({(pattern, kind(order), t) for pattern, order, t in self.fractions})


def second_argmax(order: tuple[int, ...]) -> int:
    return order[1]


def argmax(order: tuple[int, ...]) -> int:
    return order[0]


def argmedian(order: tuple[int, ...]) -> int:
    return order[len(order) // 2]


LABELS = {"second_argmax": second_argmax, "argmax": argmax, "argmedian": argmedian}


def exact_cells(W_hi: Any, W_hh: Any, W_oh: Any) -> ExactCells:
    """All cells of a network with n <= 3 by brute force over sign choices."""
    hi, e_hi = integers(W_hi)
    hh, e_hh = integers(W_hh)
    oh, _ = integers(W_oh)
    # z of step t over 2^(shift + t e_hh): the newest input gets the missing factor.
    n, hidden = len(oh), len(hi)
    assert n <= 3
    result = ExactCells(n, hidden)
    newest = [[w << (t * e_hh) for w in hi] for t in range(n)]
    orders = list(itertools.permutations(range(n)))

    def unit(i: int) -> Vector:
        return tuple(int(i == j) for j in range(3))

    def step(cone: list[Vector], t: int, h: list[Vector], pattern: tuple[bool, ...]) -> None:
        """All patterns of step t and later on a cone."""
        if t == n:
            leaf(cone, h, pattern)
            return
        z = []
        for j in range(hidden):
            row = [sum(hh[j][k] * h[k][c] for k in range(hidden)) for c in range(3)]
            row[t] += newest[t][j]
            z.append(tuple(row))
        # Sign choices of this step, neuron by neuron.
        prefixes = [(cone, ())]
        for row in z:
            longer = []
            for part, on in prefixes:
                if not any(row):
                    longer.append((part, (*on, False)))
                    continue
                for sign in (1, -1):
                    side = keep_positive(part, tuple(sign * x for x in row))
                    if side:
                        longer.append((side, (*on, sign > 0)))
            prefixes = longer
        for part, on in prefixes:
            after = [row if a else (0, 0, 0) for row, a in zip(z, on, strict=True)]
            step(part, t + 1, after, pattern + on)

    def leaf(cone: list[Vector], h: list[Vector], pattern: tuple[bool, ...]) -> None:
        logits = [
            tuple(sum(oh[i][k] * h[k][c] for k in range(hidden)) for c in range(3))
            for i in range(n)
        ]
        tied = [frozenset(j for j in range(n) if logits[j] == logits[i]) for i in range(n)]
        for order in orders:
            part = cone
            for i, j in itertools.pairwise(order):
                if part:
                    row = tuple(a - b for a, b in zip(unit(i), unit(j), strict=True))
                    part = keep_positive(part, row)
            for leaders in set(tied) if part else ():
                top, cell = logits[min(leaders)], part
                for other in range(n):
                    if other not in leaders and cell:
                        row = tuple(a - b for a, b in zip(top, logits[other], strict=True))
                        cell = keep_positive(cell, row)
                if cell:
                    result.fractions[pattern, order, leaders] += girard(cell)

    del e_hi  # one scale of all inputs changes no cone
    for octant in octants():
        step(octant, 0, [(0, 0, 0)] * hidden, ())
    return result
