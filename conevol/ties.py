"""What counts where the largest logits tie."""

from __future__ import annotations

from conevol.errors import ConevolError

__all__ = ["TIE_RULES", "tie_rule"]

# In the order of the numbers of `conevol.kernels.logits`.
TIE_RULES = ("first", "split", "wrong")


def tie_rule(ties: str) -> int:
    """Number of a tie rule, as kernels have it.

    Raises
    ------
    ConevolError
        If there is no such rule.
    """
    if ties not in TIE_RULES:
        raise ConevolError(f"unknown tie rule {ties!r}, expected one of {', '.join(TIE_RULES)}")
    return TIE_RULES.index(ties)
