"""What a network does inside: masks and effective operators, swaps of causal variables."""

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

__all__ = [
    "ImpulsePairs",
    "MaskedOperator",
    "OrderMoments",
    "Spectrum",
    "impulse_pairs",
    "masked_operator",
    "order_moments",
    "singular_shares",
    "spectrum",
]
