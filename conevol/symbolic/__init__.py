"""Networks as formulas: patterns, regions and accuracies in sympy, exact throughout.

Floats are taken as the rational numbers that they are, so a trained network has an
exact accuracy too: a rational number and arctangents over pi.

>>> from conevol import symbolic
>>> rnn = symbolic.SymbolicRNN([1, -1], [[-1, 1], [1, -1]], [[1, 0], [0, 1]])
>>> print(rnn.region([[1, 0], [0, 1]]))
x_0 >= 0 and x_0 - x_1 >= 0
>>> print(symbolic.accuracy(rnn))
1
"""

from conevol.symbolic._accuracy import ClosedAccuracy, accuracy
from conevol.symbolic._angles import AngleSum, Arctangent
from conevol.symbolic._canonical import CanonicalForm, canonical_form
from conevol.symbolic._conditions import Condition, conditions
from conevol.symbolic._note import (
    CaseAnalysis,
    LoweredSubregions,
    PlaneRegion,
    Subregion,
    case_analysis,
)
from conevol.symbolic._region import Region
from conevol.symbolic._rnn import SymbolicMaps, SymbolicRNN

__all__ = [
    "AngleSum",
    "Arctangent",
    "CanonicalForm",
    "CaseAnalysis",
    "ClosedAccuracy",
    "Condition",
    "LoweredSubregions",
    "PlaneRegion",
    "Region",
    "Subregion",
    "SymbolicMaps",
    "SymbolicRNN",
    "accuracy",
    "canonical_form",
    "case_analysis",
    "conditions",
]
