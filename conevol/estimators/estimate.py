"""What every estimator returns: a value, what it claims about its error, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Claim", "Estimate"]

Claim = Literal["bound", "interval", "standard error", "none"]


@dataclass(frozen=True)
class Estimate:
    """An estimate of a network's accuracy.

    Attributes
    ----------
    estimator : str
        Name of the estimator, with the parameters that matter.
    value : float
        The estimated accuracy.
    claim : {"bound", "interval", "standard error", "none"}
        What `error` is: |value - exact| <= error surely ("bound"); half the width of an
        interval that surely holds the exact value, centred at `value` ("interval"); the
        standard error of an unbiased value ("standard error"); nothing is claimed ("none").
    error : float
        In units of `value`; NaN where nothing is claimed.
    operations : int or None
        Arithmetic spent, by the rule of J. Hilton (2024): one for every multiply-add, and one for
        every multiplication, division, square root or elementary function that is not part
        of one; None where nobody counts.  Lone additions, comparisons, ReLUs and random
        numbers are free.  So a sample of a network costs n hidden (hidden + 1) + n hidden.
    seconds : float
        Wall-clock time.
    """

    estimator: str
    value: float
    claim: Claim
    error: float
    operations: int | None
    seconds: float

    def __float__(self) -> float:
        return self.value

    @property
    def lower(self) -> float:
        """Lower end of what is claimed; -inf where nothing is."""
        return self.value - self.error if not math.isnan(self.error) else -math.inf

    @property
    def upper(self) -> float:
        """Upper end of what is claimed; inf where nothing is."""
        return self.value + self.error if not math.isnan(self.error) else math.inf
