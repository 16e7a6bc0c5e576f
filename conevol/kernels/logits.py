"""Logits: their pairs, and what counts where the largest tie."""

from __future__ import annotations

from conevol.kernels._jit import inline_kernel

# In the order of `conevol.ties.TIE_RULES`.
FIRST, SPLIT, WRONG = 0, 1, 2


@inline_kernel
def credit_of(label, leader, ties, rule):
    """Share of a cell that counts as right, when the label is among `ties` that tie.

    The leader is the first of them.
    """
    if ties == 1:
        return 1.0
    if rule == FIRST:
        return 1.0 if leader == label else 0.0
    return 1.0 / ties if rule == SPLIT else 0.0


@inline_kernel
def pair_of(i, j, n):
    """Index of the pair (i, j), i != j, among the pairs (0, 1), (0, 2), .., (1, 2), .."""
    if i > j:
        i, j = j, i
    return i * (2 * n - i - 1) // 2 + j - i - 1
