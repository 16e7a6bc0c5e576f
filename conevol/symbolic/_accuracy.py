"""The exact accuracy of a network with rational weights, n <= 3, as a closed form.

By Girard's theorem the right cells, spherical polygons, have together the area

    sum over vertices v of (the angle that right cells fill at v)  -  pi sum over cells (sides - 2).

The angle between the planes p, q that meet in v is that of -p.q + i |p x q|, and p x q is an
integer multiple of v: so the angles at one vertex are added by multiplying numbers in Z[i |v|],
and a vertex makes one arctangent.  Within the right set, or on a straight part of its
boundary, the product is a real number and the arctangent goes away: cells merge by themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Any

from conevol.errors import TaskError, WeightsError
from conevol.network import ReluRNN
from conevol.precision._rays import Description
from conevol.precision._vectors import dot, primitive
from conevol.symbolic._angles import AngleSum, Arctangent, Turn
from conevol.symbolic._cells import RationalCell, Vector, integer_weights, rational_cells
from conevol.symbolic._rnn import SymbolicRNN
from conevol.tasks import Task, get_task
from conevol.ties import tie_rule

__all__ = ["ClosedAccuracy", "accuracy"]

# In four dimensions there is no closed form.
_MAX_N = 3


@dataclass(frozen=True)
class ClosedAccuracy:
    """Exact accuracy of one network as a closed form.

    Attributes
    ----------
    value : AngleSum
        Probability that the prediction is the label, x ~ N(0, Id).
    ties : str
        Rule that was used where several logits share the maximum.
    tied : AngleSum
        Probability of such a tie.
    patterns, cells : int
        Numbers of activation patterns and of cells with an interior.
    """

    value: AngleSum
    ties: str
    tied: AngleSum
    patterns: int
    cells: int

    @property
    def expression(self) -> Any:
        """The accuracy in sympy."""
        return self.value.expression

    @property
    def terms(self) -> tuple[Arctangent, ...]:
        """Its arctangents."""
        return self.value.terms

    def evaluate(self, digits: int = 50) -> Any:
        """The accuracy to `digits` digits, an mpmath.mpf."""
        return self.value.evaluate(digits)

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def _repr_latex_(self) -> str:
        return self.value._repr_latex_()


def accuracy(
    network: ReluRNN | SymbolicRNN, *, task: str | Task | None = None, ties: str = "first"
) -> ClosedAccuracy:
    """Exact accuracy on standard Gaussian inputs, as a rational number and arctangents over pi.

    Parameters
    ----------
    network : ReluRNN or SymbolicRNN
        With rational weights and n <= 3; floats are taken as the numbers that they are.
    task, ties
        As for `conevol.accuracy`.

    Raises
    ------
    WeightsError
        If weights are not rational numbers.
    TaskError
        If the task is unknown or has no such n, or n > 3.
    ConevolError
        For an unknown tie rule.

    Notes
    -----
    Cells are cut in integers, so also ties are exact.  Areas by Girard's theorem (1629),
    summed by vertices: the number of arctangents is at most that of the corners on the boundary
    between right and wrong.  Trained weights make tangents of some hundred digits; the time grows
    with the number of cells, about half a millisecond each.

    Examples
    --------
    >>> rnn = SymbolicRNN([1, -1], [[-1, 1], [2, -1]], [[1, 0], [0, 1]])
    >>> result = accuracy(rnn)
    >>> print(result)
    -atan(1/5)/(2*pi) + 1
    >>> print(result.evaluate(30))
    0.968583520905499
    """
    tie_rule(ties)
    rnn = SymbolicRNN.of(network)
    if not rnn.is_rational:
        wrong = next(w for w in rnn.weights if not w.is_Rational)
        raise WeightsError(
            f"a closed form needs rational weights, got {wrong}: substitute numbers first"
        )
    chosen = get_task(rnn.task if task is None else task)
    chosen.check_length(rnn.n)
    if rnn.n > _MAX_N:
        raise TaskError(f"a closed form of the accuracy needs n <= {_MAX_N}, got n = {rnn.n}")
    cells = list(rational_cells(integer_weights(rnn), chosen))
    right = ((cell.cone, _credit(cell, ties)) for cell in cells)
    tied = ((cell.cone, Fraction(len(cell.leaders) > 1)) for cell in cells)
    return ClosedAccuracy(
        value=_area(right),
        ties=ties,
        tied=_area(tied),
        patterns=len({cell.pattern for cell in cells}),
        cells=len(cells),
    )


def _credit(cell: RationalCell, ties: str) -> Fraction:
    """Share of the cell that counts as right."""
    if cell.label not in cell.leaders:
        return Fraction(0)
    if len(cell.leaders) == 1 or ties == "split":
        return Fraction(1, len(cell.leaders))
    return Fraction(ties == "first" and cell.label == cell.leaders[0])


def _area(cones: Iterable[tuple[Description, Fraction]]) -> AngleSum:
    """Sum of credit times fraction of disjoint cones in three dimensions."""
    rational = Fraction(0)
    angles: dict[tuple[Vector, Fraction], tuple[int, int]] = defaultdict(lambda: (1, 0))
    for cone, credit in cones:
        if not credit:
            continue
        if cone.rank < 2:
            rational += credit / (1 + cone.rank)
            continue
        corners = list(_corners(cone))
        rational -= credit * Fraction(len(corners) - 2, 4)
        for ray, cosine, sine in corners:
            a, b = angles[ray, credit]
            square = dot(ray, ray)
            a, b = a * cosine - b * sine * square, a * sine + b * cosine
            divisor = gcd(a, b)
            angles[ray, credit] = a // divisor, b // divisor
    return AngleSum.of_turns(
        rational,
        (Turn(credit / 4, a, b, dot(ray, ray)) for (ray, credit), (a, b) in angles.items()),
    )


def _corners(cone: Description) -> Iterator[tuple[Vector, int, int]]:
    """Vertices v of a polygon or lune with integers (c, s): the angle is that of c + i s |v|."""
    if cone.rank == 2:
        first, second = cone.facets
        ray = primitive(_cross(first, second))
        pairs = [(ray, first, second), (tuple(-e for e in ray), first, second)]
    else:
        pairs = []
        for j, ray in enumerate(cone.rays):
            first, second = (
                facet
                for facet, mask in zip(cone.facets, cone.incidence, strict=True)
                if mask >> j & 1
            )
            pairs.append((ray, first, second))
    for ray, first, second in pairs:
        axis = next(i for i, e in enumerate(ray) if e)
        sine = abs(_cross(first, second)[axis] // ray[axis])
        yield ray, -dot(first, second), sine


def _cross(a: Vector, b: Vector) -> Vector:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
