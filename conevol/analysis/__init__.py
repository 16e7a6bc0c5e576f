"""What a network does inside: mask sequences, spectra, spline codes, swaps of causal variables."""

from conevol.analysis.alignment import Alignment, align
from conevol.analysis.code_map import draw_codes
from conevol.analysis.codes import CodeTable, Neighbours, code_table, neighbours
from conevol.analysis.interchange import InterchangeAccuracy, interchange_accuracy
from conevol.analysis.masks import (
    ImpulsePairs,
    MaskedOperator,
    Spectrum,
    impulse_pairs,
    masked_operator,
    singular_shares,
    spectrum,
)
from conevol.analysis.operator_law import OperatorLaw, draw_operators, operator_law
from conevol.analysis.order import OrderMoments, order_moments
from conevol.analysis.sites import LayerSite, RecurrentSite
from conevol.analysis.spectra import NodeSpectra, draw_spectra, node_spectra

__all__ = [
    "Alignment",
    "CodeTable",
    "ImpulsePairs",
    "InterchangeAccuracy",
    "LayerSite",
    "MaskedOperator",
    "Neighbours",
    "NodeSpectra",
    "OperatorLaw",
    "OrderMoments",
    "RecurrentSite",
    "Spectrum",
    "align",
    "code_table",
    "draw_codes",
    "draw_operators",
    "draw_spectra",
    "impulse_pairs",
    "interchange_accuracy",
    "masked_operator",
    "neighbours",
    "node_spectra",
    "operator_law",
    "order_moments",
    "singular_shares",
    "spectrum",
]
