"""What the note says "happens to" hold of its network, as conditions with margins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import sympy

from conevol.errors import ConevolError
from conevol.network import Ensemble, ReluRNN
from conevol.symbolic._note import OPPOSITE, CaseAnalysis, case_analysis

__all__ = ["Condition", "conditions"]

Kind = Literal["checked", "implied", "approximate"]
Claims = list[tuple[str, Kind, Any]]


@dataclass(frozen=True)
class Condition:
    """One claim of the note about a network.

    Attributes
    ----------
    name : str
        As the note writes it.
    kind : {"checked", "implied", "approximate"}
        One of the 16 inequalities that the note counts; one that follows from them; one
        that says that two numbers are close.
    expression : sympy expression
        In the note's symbols.  Positive where a checked or implied condition holds.  For an
        approximate one the numbers' largest over their smallest, which `factor` bounds.
    margin : float, or ndarray for an ensemble
        The expression; for an approximate condition `factor` less the expression.
    holds : bool, or ndarray of bool
        margin > 0.
    """

    name: str
    kind: Kind
    expression: Any
    margin: Any
    holds: Any

    def __str__(self) -> str:
        return f"{self.name}: margin {self.margin:.3g}, {'holds' if self.holds else 'FAILS'}"


def conditions(networks: ReluRNN | Ensemble, *, factor: float = 2.0) -> list[Condition]:
    """All conditions of the note on a network, with the margins by which it meets them.

    Parameters
    ----------
    networks : ReluRNN or Ensemble
        Of four neurons and n = 3, in the note's order of neurons.
    factor : float
        What counts as close, where the note says so without a number: numbers of one sign,
        the largest in size at most this factor above the smallest.

    Returns
    -------
    list of Condition
        The 16 checked ones first, then those they imply, then the approximate ones.  For
        an ensemble margins and verdicts are arrays over its networks.

    Raises
    ------
    WeightsError
        If the networks have not four neurons and n = 3.
    ConevolError
        If `factor` is not above 1.

    Notes
    -----
    Numbers are floats, so a margin of the size of rounding, some 1e-15, says nothing.  Where
    an alpha, beta or gamma is 0, the margins of its ratios are infinite or NaN, and NaN fails.

    Examples
    --------
    >>> from conevol import zoo
    >>> from conevol.symbolic import canonical_form
    >>> found = conditions(canonical_form(zoo.load("4/3")).network)
    >>> [c.name for c in found][11:14]
    ['-c_2 > 0', 'gamma_0/alpha_3 < 1', 'gamma_0/beta_3 < 1']
    >>> len(found), all(c.holds for c in found)
    (31, True)
    """
    if not factor > 1:
        raise ConevolError(f"factor is {factor}, expected above 1")
    stated, function = _compiled()
    with np.errstate(divide="ignore", invalid="ignore"):
        values = function(networks)
    found = []
    for i, (name, kind, expression) in enumerate(stated):
        margin = factor - values[..., i] if kind == "approximate" else values[..., i]
        if not isinstance(networks, Ensemble):
            margin = float(margin)
        found.append(Condition(name, kind, expression, margin, margin > 0))
    return found


@cache
def _compiled() -> tuple[Claims, Any]:
    note = case_analysis()
    stated = [*_checked(note), *_implied(note), *_approximate(note)]
    return stated, note.rnn.lower([note.in_weights(e) for _, _, e in stated])


def _ratios(note: CaseAnalysis) -> tuple[list[Any], list[Any]]:
    """The ratios below 1 and those above it, for x_0 >= 0 and x_0 <= 0."""
    below = [note.gamma[0] / slope[3] for slope in (note.alpha, note.beta)]
    above = [note.gamma[1] / slope[2] for slope in (note.alpha, note.beta)]
    return below, above


def _opposites(note: CaseAnalysis) -> list[tuple[Any, Any]]:
    """Pairs of numbers that are positive and nearly equal."""
    pairs = [(a[high], -a[low]) for a in (note.a, note.b) for low, high in OPPOSITE]
    return pairs + [(note.c[low], -note.c[high]) for low, high in OPPOSITE]


def _checked(note: CaseAnalysis) -> Claims:
    positive = [e for pair in _opposites(note) for e in pair]
    below, above = _ratios(note)
    return [
        *((f"{e} > 0", "checked", e) for e in positive),
        *((f"{ratio} < 1", "checked", 1 - ratio) for ratio in below),
        *((f"{ratio} > 1", "checked", ratio - 1) for ratio in above),
    ]


def _implied(note: CaseAnalysis) -> Claims:
    below, above = _ratios(note)
    order: Claims = [
        (f"{high} > {low}", "implied", high - low) for low, high in zip(below, above, strict=True)
    ]
    first, second, third, fourth = (_share(region.rows) for region in note.regions[:4])
    return [
        *order,
        ("region 2 is larger than region 1", "implied", second - first),
        ("region 3 is larger than region 4", "implied", third - fourth),
    ]


def _share(rows: Any) -> Any:
    """Fraction of the plane in the wedge between two half-planes."""
    (p, q), (r, s) = rows.tolist()
    return sympy.atan2(sympy.Abs(p * s - q * r), -(p * r + q * s)) / (2 * sympy.pi)


def _approximate(note: CaseAnalysis) -> Claims:
    pairs = [*_opposites(note), *zip(note.a, note.b, strict=True)]
    below, above = _ratios(note)
    close: Claims = [(f"{u} ~ {v}", "approximate", _spread(u, v)) for u, v in pairs]
    all_ratios = [below[0], above[0], below[1], above[1]]
    name = " ~ ".join(map(str, all_ratios))
    return [*close, (name, "approximate", _spread(*all_ratios))]


def _spread(*numbers: Any) -> Any:
    """Largest over smallest in size of numbers of one sign, else infinite."""
    sizes = [sympy.Abs(e) for e in numbers]
    same = sympy.Or(sympy.And(*(e > 0 for e in numbers)), sympy.And(*(e < 0 for e in numbers)))
    return sympy.Piecewise((sympy.Max(*sizes) / sympy.Min(*sizes), same), (sympy.oo, True))
