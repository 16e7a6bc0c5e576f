"""Cones of inputs as simplified sympy inequalities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from conevol.errors import WeightsError
from conevol.network import Ensemble, ReluRNN
from conevol.precision._rays import describe
from conevol.precision._vectors import whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Region"]

# Integer coefficients of more digits than this are printed as decimals.
_SHOWN_DIGITS = 6


@dataclass(frozen=True)
class Region:
    """The inputs {x : rows * x >= 0} of a pattern or a cell.

    Attributes
    ----------
    rows : sympy matrix, shape (k, n)
        Inward normals.  Of rational weights: coprime integers, and exactly the facets, in
        the order in which the network meets them.  Of symbolic weights: without zero rows,
        repeated rows and common factors that are known to be positive.
    x : tuple of sympy.Symbol
        The inputs.
    empty : bool
        Whether it is known to have no interior.

    Examples
    --------
    >>> from conevol.symbolic import SymbolicRNN
    >>> region = SymbolicRNN([2, -3], [[0, 1], [1, 0]], [[1, 2], [3, 1]]).region([[1, 0]])
    >>> region
    Region(x_0 >= 0)
    >>> region.inequalities
    [x_0 >= 0]
    """

    rows: Any
    x: tuple[Any, ...]
    empty: bool = False
    _rnn: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, rows: Iterable[tuple[Any, bool]], rnn: Any) -> Region:
        """Simplify rows (sympy, of n entries); a zero row with flag True means no interior."""
        n = len(rnn.x)
        kept: dict[tuple[Any, ...], None] = {}
        for row, strict in rows:
            entries = _without_positive_factor(list(row))
            if any(entries):
                kept[entries] = None
            elif strict:
                return cls(sympy.ImmutableMatrix(0, n, []), rnn.x, True, rnn)
        table = list(kept)
        if all(isinstance(e, sympy.Integer) for row in table for e in row):
            cone = describe([tuple(map(int, row)) for row in table], n)
            if cone is None:
                return cls(sympy.ImmutableMatrix(0, n, []), rnn.x, True, rnn)
            table = list(cone.facets)
        flat = [e for row in table for e in row]
        return cls(sympy.ImmutableMatrix(len(table), n, flat), rnn.x, False, rnn)

    @property
    def is_rational(self) -> bool:
        """Whether all rows are known numbers."""
        return all(e.is_Rational for e in self.rows)

    @property
    def inequalities(self) -> list[Any]:
        """Exact sympy relations, all of which hold in the region; [false] if it is empty."""
        if self.empty:
            return [sympy.false]
        return [_relation(list(row), self.x) for row in self.rows.tolist()]

    def as_relation(self) -> Any:
        """The inequalities as one sympy expression; true for all inputs."""
        return sympy.And(*self.inequalities)

    def __str__(self) -> str:
        if self.empty:
            return "no interior"
        return " and ".join(map(sympy.sstr, self._shown())) or "all inputs"

    def __repr__(self) -> str:
        return f"Region({self})"

    def _repr_latex_(self) -> str:
        if self.empty:
            return r"$\emptyset$"
        text = r" \wedge ".join(map(sympy.latex, self._shown()))
        return f"${text or sympy.latex(sympy.true)}$"

    def _shown(self) -> list[Any]:
        """The inequalities with long integers rounded to six digits."""
        return [_relation(_rounded(row), self.x) for row in self.rows.tolist()]

    def contains(self, point: Any) -> bool:
        """Whether a point with exact coordinates lies in the region, its boundary included.

        Examples
        --------
        >>> from conevol.symbolic import SymbolicRNN
        >>> SymbolicRNN([1], [[1]], [[1], [2]]).region([[1], [0]]).contains([1, -2])
        True
        """
        if not self.is_rational:
            raise WeightsError("the region has symbolic weights: substitute numbers first")
        at = sympy.Matrix([sympy.Rational(*Fraction(c).as_integer_ratio()) for c in point])
        return not self.empty and all(value >= 0 for value in self.rows * at)

    def normals(self, network: ReluRNN | Ensemble | None = None) -> NDArray[np.float64]:
        """Numeric normals, shape (k, n), as `conevol.fraction` takes them.

        Parameters
        ----------
        network : ReluRNN or Ensemble, optional
            The weights to put in; needed by, and only for, a region of symbolic weights.  An
            ensemble gives (copies, k, n).

        Raises
        ------
        WeightsError
            If symbols are left, or there are none to put the network's weights in.

        Notes
        -----
        Rational rows are scaled to a largest entry of 1 and rounded once.  An empty region
        gives two opposite rows.
        """
        if self.empty:
            unit = np.eye(1, self.rows.cols)
            return np.concatenate([unit, -unit])
        if network is not None:
            if self.is_rational:
                raise WeightsError(
                    "the region has no symbols to put weights in: call normals() without a network"
                )
            return np.asarray(self._rnn.lower(self.rows)(network))
        if not self.is_rational:
            raise WeightsError("the region has symbolic weights: pass the network to put in")
        return _numbers_to_rows(self.rows.tolist(), self.rows.cols)

    def closed_form(self) -> Any:
        """Share of the inputs in the region as a sympy expression, for rational weights.

        See `conevol.precision.closed_form`; for n <= 3.
        """
        from conevol.precision import closed_form

        if not self.is_rational:
            raise WeightsError("the region has symbolic weights: substitute numbers first")
        if self.empty:
            return sympy.Integer(0)
        return closed_form(self.rows) if self.rows.rows else sympy.Integer(1)


def _numbers_to_rows(rows: list[list[Any]], n: int) -> NDArray[np.float64]:
    """Rows of exact numbers as floats, each scaled to a largest entry of 1 in size."""
    scaled = np.empty((len(rows), n))
    for i, row in enumerate(rows):
        ratios = [Fraction(int(e.p), int(e.q)) for e in row]
        largest = max(map(abs, ratios))
        scaled[i] = [float(e / largest) for e in ratios]
    return scaled


def _without_positive_factor(row: list[Any]) -> tuple[Any, ...]:
    """The row over a positive factor of all its entries: of numbers coprime integers."""
    if all(e.is_Rational for e in row):
        ratios = [Fraction(int(e.p), int(e.q)) for e in row]
        return tuple(map(sympy.Integer, whole(ratios)))
    entries = [e for e in row if not e.is_zero]
    powers = [sympy.factor_terms(e).as_powers_dict() for e in entries]
    factor = sympy.Mul(
        *(base ** min(p.get(base, 0) for p in powers) for base in powers[0] if base.is_positive)
    )
    if len(entries) == 1 and (entries[0].is_positive or entries[0].is_negative):
        # One input with a coefficient of known sign.
        factor = abs(entries[0])
    return tuple(sympy.Integer(0) if e.is_zero else e / factor for e in row)


def _rounded(row: list[Any]) -> list[Any]:
    """Coefficients for printing: long integers as decimals, the largest one as 1 or -1."""
    if not all(e.is_Rational for e in row):
        return row
    largest = max(abs(e) for e in row)
    if len(str(largest)) <= _SHOWN_DIGITS:
        return row
    return [
        e / largest if abs(e) == largest else sympy.Float(e / largest, _SHOWN_DIGITS) if e else e
        for e in row
    ]


def _relation(row: list[Any], x: tuple[Any, ...]) -> Any:
    """The inequality row * x >= 0, written with its first coefficient positive."""
    value = sympy.Add(*(e * v for e, v in zip(row, x, strict=True)))
    first = next(e for e in row if e != 0)
    if first.could_extract_minus_sign():
        return sympy.Le(sympy.Add(*(-e * v for e, v in zip(row, x, strict=True))), 0)
    return sympy.Ge(value, 0)
