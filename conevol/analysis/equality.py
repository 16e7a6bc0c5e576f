"""Hierarchical equality: is (a = b) = (c = d)?  A task whose causal variables are known.

The input is four vectors of four entries; b repeats a with probability 1/2 and is else drawn
anew, so do d and c.  A network may find "a = b" and "c = d" first and compare them, or
not: that is a question for `conevol.analysis.align` (A. Geiger, L. Carstensen, M. C. Frank
and C. Potts, "Relational reasoning and generalization using nonsymbolic neural networks",
2020).  `load` gives a perceptron trained on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from conevol.analysis.alignment import Pairs
from conevol.analysis.sites import LayerSite
from conevol.errors import ConevolError, TaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VARIABLES", "draw", "load", "pairs"]

ITEM = 4
VARIABLES = ("a = b", "c = d")


def draw(count: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Inputs (count, 16) and whether a = b, c = d (count, 2).

    Examples
    --------
    >>> x, equal = draw(100, np.random.default_rng(0))
    >>> bool((equal[:, 0] == (x[:, :4] == x[:, 4:8]).all(axis=1)).all())
    True
    """
    x = rng.standard_normal((count, 4, ITEM))
    equal = rng.random((count, 2)) < 0.5
    for i in range(2):
        x[:, 2 * i + 1] = np.where(equal[:, i, None], x[:, 2 * i], x[:, 2 * i + 1])
    return x.reshape(count, 4 * ITEM), equal


def pairs(variable: str) -> Callable[[int, np.random.Generator], Pairs]:
    """Pairs for `conevol.analysis.align`, labelled after a swap of one variable.

    Raises
    ------
    TaskError
        If the variable is not "a = b" or "c = d".
    """
    if variable not in VARIABLES:
        raise TaskError(f"unknown variable {variable!r}, expected one of {', '.join(VARIABLES)}")
    swapped = VARIABLES.index(variable)

    def draw_pairs(count: int, rng: np.random.Generator) -> Pairs:
        base, equal = draw(count, rng)
        source, other = draw(count, rng)
        equal[:, swapped] = other[:, swapped]
        return Pairs(base, source, (equal[:, 0] == equal[:, 1]).astype(np.int64))

    return draw_pairs


def load(layer: int) -> LayerSite:
    """The bundled perceptron (16, 16, 16, 16, 2), read at one of its three hidden layers.

    Raises
    ------
    ConevolError
        If there is no such layer.

    Examples
    --------
    >>> site = load(1)
    >>> x, equal = draw(1000, np.random.default_rng(0))
    >>> answer = site.finish(site.state(x), x).argmax(axis=1)
    >>> float((answer == (equal[:, 0] == equal[:, 1])).mean()) > 0.99
    True
    """
    if layer not in (1, 2, 3):
        raise ConevolError(f"layer is {layer}, expected 1, 2 or 3")
    text = resources.files("conevol.analysis").joinpath("equality.json").read_text("utf-8")
    record = json.loads(text)
    return LayerSite(record["weights"], record["biases"], layer)
