"""The case analysis of four neurons and three inputs, derived from the network's formulas.

J. Hilton (2024), "Heuristic explanations for 2nd argmax models", the original version for
d = 4, n = 3: regions of h_2, four merged ones with a linear z_3 on each, 18 subregions with the
order of the inputs.  Nothing of it is written down here but what the note assumes: the
signs of W^{hi}, which neurons are nearly opposite, and on which side of 1 four ratios lie
(`conevol.symbolic.conditions` has them all).  What follows from those is decided by signs of
polynomials in positive symbols.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import sympy

from conevol.network import Ensemble, ReluRNN
from conevol.symbolic._rnn import SymbolicRNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CaseAnalysis", "LoweredSubregions", "PlaneRegion", "Subregion", "case_analysis"]

# Neurons 0, 1 have positive input weights, 2, 3 negative ones: h_1 for x_0 of either sign.
FIRST_STEP = {1: (1, 1, 0, 0), -1: (0, 0, 1, 1)}
# Neuron 3 is nearly the opposite of neuron 0, and 2 of 1.
OPPOSITE = ((0, 3), (1, 2))


@dataclass(frozen=True)
class PlaneRegion:
    """A cone of (x_0, x_1) with the formula that h_2 has on it.

    Attributes
    ----------
    pattern : tuple of int, length 4
        Neurons that are on in step 2.
    sign : int or None
        1 or -1 where x_0 >= 0 or x_0 <= 0 throughout; None for a merged region.
    rows : sympy matrix, shape (k, 2)
        Normals on (x_0, x_1), in the note's ratios; none is redundant.
    h_2 : sympy matrix, shape (4, 2)
        h_2 = h_2 * (x_0, x_1), in a_j or b_j and c_j.
    """

    pattern: tuple[int, ...]
    sign: int | None
    rows: Any
    h_2: Any

    @property
    def inequalities(self) -> list[Any]:
        """The region as sympy relations, written with x_0 on the left."""
        x_0, x_1 = sympy.symbols("x_0 x_1", real=True)
        relations = []
        for first, second in self.rows.tolist():
            bound = sympy.cancel(-second / first) * x_1
            relations.append(sympy.Ge(x_0, bound) if first > 0 else sympy.Le(x_0, bound))
        return relations

    def __str__(self) -> str:
        return " and ".join(map(sympy.sstr, self.inequalities))

    def _repr_latex_(self) -> str:
        return "$" + r" \wedge ".join(map(sympy.latex, self.inequalities)) + "$"


@dataclass(frozen=True)
class Subregion:
    """A merged region with an order of the inputs.

    Attributes
    ----------
    region : int
        Index into `CaseAnalysis.merged`.
    order : tuple of int
        Indices of the inputs from the largest to the smallest.
    likely : bool
        False where x_2 lies between x_0 and x_1 in a region that holds them close together.
    normals : sympy matrix, shape (4, 3)
        Two half-spaces of the region and two of the order.
    z_3 : sympy matrix, shape (4, 3)
        z_3 = z_3 * x, in W and a_j, b_j, c_j.
    """

    region: int
    order: tuple[int, ...]
    likely: bool
    normals: Any
    z_3: Any

    @property
    def label(self) -> int:
        """The index of the second largest input."""
        return self.order[1]


class LoweredSubregions(NamedTuple):
    """The subregions of one network in numbers; of an ensemble with a leading axis of copies.

    Attributes
    ----------
    normals : ndarray, shape (18, 4, 3)
        As `conevol.fraction` takes them.
    z_3 : ndarray, shape (18, 4, 3)
        z_3 = z_3 @ x.
    label : ndarray of int, shape (18,)
    likely : ndarray of bool, shape (18,)
    region : ndarray of int, shape (18,)
        Index of the merged region.
    order : ndarray of int, shape (18, 3)
        The inputs from the largest to the smallest.
    """

    normals: NDArray[np.float64]
    z_3: NDArray[np.float64]
    label: NDArray[np.int64]
    likely: NDArray[np.bool_]
    region: NDArray[np.int64]
    order: NDArray[np.int64]


@dataclass(frozen=True)
class CaseAnalysis:
    """What the note derives; see `case_analysis`.

    Attributes
    ----------
    rnn : SymbolicRNN
        The network of four neurons and three inputs, in symbols.
    a, b, c : tuples of four sympy.Symbol
        z_2 = (a_j x_0 + c_j x_1)_j for x_0 >= 0, (b_j x_0 + c_j x_1)_j for x_0 <= 0.
    alpha, beta, gamma : dict of int to sympy.Symbol
        The symmetrised ones: alpha_2, alpha_3, beta_2, beta_3, gamma_0, gamma_1.
    definitions : dict
        Every symbol's formula: of a, b, c in W; of alpha, beta, gamma in a, b, c.
    regions : tuple of PlaneRegion
        The six regions of h_2.
    merged : tuple of PlaneRegion
        The four merged ones.
    z_3 : tuple of sympy matrices, shapes (4, 3)
        z_3 = z_3 * x on the merged regions.
    subregions : tuple of Subregion
        All 18.
    """

    rnn: SymbolicRNN
    a: tuple[Any, ...]
    b: tuple[Any, ...]
    c: tuple[Any, ...]
    alpha: dict[int, Any]
    beta: dict[int, Any]
    gamma: dict[int, Any]
    definitions: dict[Any, Any]
    regions: tuple[PlaneRegion, ...]
    merged: tuple[PlaneRegion, ...]
    z_3: tuple[Any, ...]
    subregions: tuple[Subregion, ...]

    def in_weights(self, expression: Any) -> Any:
        """An expression or matrix in the note's symbols, written in W alone."""
        return expression.xreplace(self.definitions).xreplace(self.definitions)

    def lower(self, networks: ReluRNN | Ensemble) -> LoweredSubregions:
        """The subregions in the numbers of a network, or of every network of an ensemble.

        Parameters
        ----------
        networks : ReluRNN or Ensemble
            In the note's order of neurons; `conevol.symbolic.canonical_form` brings it there.

        Raises
        ------
        WeightsError
            If they have not four neurons and n = 3.

        Examples
        --------
        >>> import conevol
        >>> from conevol.symbolic import canonical_form
        >>> network = canonical_form(conevol.zoo.load("4/3")).network
        >>> lowered = case_analysis().lower(network)
        >>> lowered.normals.shape, int(lowered.likely.sum())
        ((18, 4, 3), 14)
        >>> bool(abs(conevol.fraction(lowered.normals).sum() - 1) < 1e-14)
        True
        """
        normals, z_3 = (f(networks) for f in _compiled())
        each = self.subregions
        return LoweredSubregions(
            normals,
            z_3,
            np.array([s.label for s in each]),
            np.array([s.likely for s in each]),
            np.array([s.region for s in each]),
            np.array([s.order for s in each]),
        )


@cache
def case_analysis() -> CaseAnalysis:
    """Derive the note's quantities, regions and subregions; takes a moment, once.

    Examples
    --------
    >>> note = case_analysis()
    >>> note.definitions[note.a[2]]
    W^{hh}_{20}*W^{hi}_{0} + W^{hh}_{21}*W^{hi}_{1}
    >>> note.definitions[note.alpha[3]]
    -a_0/2 + a_3/2
    >>> for region in note.merged:
    ...     print(region)
    x_0 <= gamma_0*x_1/alpha_3 and x_0 <= gamma_1*x_1/beta_2
    x_0 >= gamma_1*x_1/alpha_2 and x_0 >= gamma_0*x_1/beta_3
    x_0 >= gamma_0*x_1/alpha_3 and x_0 <= gamma_1*x_1/alpha_2
    x_0 <= gamma_0*x_1/beta_3 and x_0 >= gamma_1*x_1/beta_2
    >>> len(note.regions), len(note.subregions), sum(s.likely for s in note.subregions)
    (6, 18, 14)
    """
    rnn = SymbolicRNN.symbols(4, 3)
    a, b, c = (tuple(sympy.symbols(f"{name}_0:4", real=True)) for name in "abc")
    coefficients = {1: a, -1: b}
    definitions: dict[Any, Any] = {}
    for sign, pattern in FIRST_STEP.items():
        z_2 = rnn.maps([pattern]).pre_activations[1]
        definitions.update(zip(coefficients[sign], z_2.col(0), strict=True))
        definitions.update(zip(c, z_2.col(1), strict=True))
    alpha, beta, gamma = (
        dict(zip(keys, sympy.symbols([f"{name}_{k}" for k in keys], real=True), strict=True))
        for name, keys in (("alpha", (3, 2)), ("beta", (3, 2)), ("gamma", (0, 1)))
    )
    for low, high in OPPOSITE:
        definitions[alpha[high]] = (a[high] - a[low]) / 2
        definitions[beta[high]] = (b[high] - b[low]) / 2
        definitions[gamma[low]] = (c[low] - c[high]) / 2
    regions = tuple(_regions(a, b, c, {1: alpha, -1: beta}, gamma))
    merged = tuple(_merged(regions, alpha, beta, gamma))
    x_2 = sympy.Matrix(rnn.W_hi)
    z_3 = tuple(sympy.ImmutableMatrix((rnn.W_hh * r.h_2).row_join(x_2)) for r in merged)
    subregions = tuple(_subregions(merged, z_3, alpha, beta, gamma))
    return CaseAnalysis(
        rnn, a, b, c, alpha, beta, gamma, definitions, regions, merged, z_3, subregions
    )


@cache
def _compiled() -> tuple[Any, Any]:
    """Functions from networks to all normals and all z_3."""
    note = case_analysis()
    return tuple(
        note.rnn.lower([note.in_weights(m).tolist() for m in matrices])
        for matrices in ([s.normals for s in note.subregions], [s.z_3 for s in note.subregions])
    )


def _regions(
    a: Any, b: Any, c: Any, slopes: dict[int, dict[int, Any]], gamma: dict[int, Any]
) -> list[PlaneRegion]:
    """Sign choices of neurons 0, 1 and x_0 that have an interior, in the note's order.

    Symmetrised, neuron 0 is on where -alpha_3 x_0 + gamma_0 x_1 > 0 and 3 where it is not; so 1, 2.
    """
    found = []
    for on_0, on_1 in ((1, 1), (0, 0), (0, 1), (1, 0)):
        pattern = (on_0, on_1, 1 - on_1, 1 - on_0)
        for sign, first in ((1, a), (-1, b)):
            rows = [(sympy.Integer(sign), sympy.Integer(0))]
            for (low, high), on in zip(OPPOSITE, (on_0, on_1), strict=True):
                side = 1 if on else -1
                rows.append((-sympy.Integer(side), side * gamma[low] / slopes[sign][high]))
            facets = _facets(rows, slopes[1], slopes[-1], gamma)
            if facets:
                h_2 = [[on * first[j], on * c[j]] for j, on in enumerate(pattern)]
                table = sympy.ImmutableMatrix([rows[i] for i in facets])
                found.append(PlaneRegion(pattern, sign, table, sympy.ImmutableMatrix(h_2)))
    return found


def _merged(regions: Any, alpha: Any, beta: Any, gamma: Any) -> list[PlaneRegion]:
    """One region a pattern: without x_0 = 0 between its two halves, with the larger half's h_2."""
    whole = []
    for pattern, halves in itertools.groupby(regions, key=lambda region: region.pattern):
        parts = list(halves)
        rows = [row for part in parts for row in part.rows.tolist() if row[1] != 0]
        # A half that holds more than a right angle is the larger one.
        wide = [part for part in parts if len(parts) == 1 or _is_wide(part, alpha, beta, gamma)]
        assert len(wide) == 1
        whole.append(PlaneRegion(pattern, None, sympy.ImmutableMatrix(rows), wide[0].h_2))
    return whole


def _subregions(merged: Any, z_3: Any, alpha: Any, beta: Any, gamma: Any) -> list[Subregion]:
    """Orders of the inputs that a region allows: it says nothing of x_2."""
    found = []
    for index, region in enumerate(merged):
        allowed = [
            (i, j)
            for i, j, row in ((0, 1, (1, -1)), (1, 0, (-1, 1)))
            if _facets([*region.rows.tolist(), row], alpha, beta, gamma)
        ]
        for order in itertools.permutations(range(3)):
            pair = tuple(i for i in order if i != 2)
            if pair not in allowed:
                continue
            rows = [[*row, 0] for row in region.rows.tolist()]
            for i, j in itertools.pairwise(order):
                rows.append([int(k == i) - int(k == j) for k in range(3)])
            # Both orders of x_0 and x_1 occur only where these are close.
            likely = len(allowed) == 1 or order[1] != 2
            normals = sympy.ImmutableMatrix(rows)
            found.append(Subregion(index, order, likely, normals, z_3[index]))
    return found


def _facets(rows: Any, alpha: Any, beta: Any, gamma: Any) -> list[int]:
    """Indices of the irredundant rows of a cone in the plane; none if it has no interior.

    For cones that contain no line.
    """
    table = [_in_positive(row, alpha, beta, gamma) for row in rows]
    rays = []
    for i, (p, q) in enumerate(table):
        for ray in ((-q, p), (q, -p)):
            signs = [_sign(r * ray[0] + s * ray[1]) for r, s in table]
            if min(signs) >= 0:
                rays.append((i, signs))
    interior = all(any(signs[k] > 0 for _, signs in rays) for k in range(len(table)))
    return sorted({i for i, _ in rays}) if interior else []


def _is_wide(region: PlaneRegion, alpha: Any, beta: Any, gamma: Any) -> bool:
    """Whether the angle between the two sides of a wedge is above a right one."""
    (p, q), (r, s) = (_in_positive(row, alpha, beta, gamma) for row in region.rows.tolist())
    return _sign(p * r + q * s) > 0


def _in_positive(row: Any, alpha: Any, beta: Any, gamma: Any) -> tuple[Any, Any]:
    """A row in positive symbols that say what the note's conditions say.

    gamma_0 / alpha_3, gamma_0 / beta_3 < 1 and gamma_1 / alpha_2, gamma_1 / beta_2 > 1.
    """
    p, q, r, s = sympy.symbols("p q r s", positive=True)
    values = {
        alpha[3]: gamma[0] * (1 + p),
        beta[3]: gamma[0] * (1 + q),
        alpha[2]: gamma[1] / (1 + r),
        beta[2]: gamma[1] / (1 + s),
    }
    first, second = (sympy.sympify(e).subs(values) for e in row)
    return first, second


def _sign(value: Any) -> int:
    """Sign of a ratio of polynomials in positive symbols with positive denominator."""
    numerator = sympy.expand(sympy.fraction(sympy.together(value))[0])
    signs = {int(sympy.sign(c)) for c in numerator.as_coefficients_dict().values()}
    assert len(signs) == 1, f"the conditions do not decide the sign of {value}"
    return signs.pop()
