"""What the commands share: networks by name, and rows of names and values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conevol.errors import ConevolError

if TYPE_CHECKING:
    from conevol.network import ReluRNN

__all__ = ["digits", "duration", "load_model", "print_rows"]


def load_model(model: str) -> ReluRNN:
    """A bundled network or one from a file."""
    from conevol import zoo
    from conevol.network import ReluRNN

    if model in zoo.names():
        return zoo.load(model)
    if not Path(model).exists():
        raise ConevolError(
            f"{model!r} is neither a file nor a bundled network; "
            f"bundled are {', '.join(zoo.names())}"
        )
    return ReluRNN.load(model)


def print_rows(rows: list[tuple[str, str]]) -> None:
    """Names in bold, and their values flush left beside them."""
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {text}")


def digits(value: float, bound: float) -> str:
    """The value to the digits that its error bound supports, rounded by no more than that."""
    if bound <= 0.0 or value == 0.0:
        return f"{value:.17g}"
    decimals = math.ceil(-math.log10(2.0 * bound))
    if value < 1e-4:
        decimals += math.floor(math.log10(value))
        return f"{value:.{max(0, min(16, decimals))}e}"
    return f"{value:.{max(0, min(17, decimals))}f}"


def duration(seconds: float) -> str:
    """Three digits, in a unit that suits."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
