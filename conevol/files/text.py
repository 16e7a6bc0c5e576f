"""Names and values in error messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["listed", "short"]


def short(value: Any) -> str:
    """The repr of a value, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def listed(names: Iterable[Any]) -> str:
    """The first twelve names; what is not text is named by its type."""
    all_names = list(names)
    shown = [short(n) if isinstance(n, str) else f"a {type(n).__name__}" for n in all_names[:12]]
    return ", ".join(shown + ["..."] * (len(all_names) > 12)) or "none"
