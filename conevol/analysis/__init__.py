"""What a network does inside: masks and effective operators, swaps of causal variables."""

from conevol.analysis.alignment import Alignment, align
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
from conevol.analysis.order import OrderMoments, order_moments
from conevol.analysis.sites import LayerSite, RecurrentSite

__all__ = [
    "Alignment",
    "ImpulsePairs",
    "InterchangeAccuracy",
    "LayerSite",
    "MaskedOperator",
    "OrderMoments",
    "RecurrentSite",
    "Spectrum",
    "align",
    "impulse_pairs",
    "interchange_accuracy",
    "masked_operator",
    "order_moments",
    "singular_shares",
    "spectrum",
]
