"""The named entries of a file: which are the weights, and which are metadata."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from conevol.errors import WeightsError
from conevol.files.text import listed
from conevol.files.weights import NAMES

__all__ = ["TORCH_NAMES", "Parsed", "json_values", "looks_like_weights", "pick"]

TORCH_NAMES = ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "linear.weight")
_OTHER_WEIGHTS = re.compile(r"(rnn\.|linear\.|bias|b_|W_)")  # at the start of a key
_MAX_METADATA = 10**5  # values
_MAX_DEPTH = 50  # of nested metadata

Three = tuple[Any, Any, Any]
Parsed = tuple[Three, dict[str, Any]]  # what a reader returns: the weights and the metadata


def looks_like_weights(key: Any, value: Any) -> bool:
    """Whether an entry may be a bias or the weights of another layer."""
    return isinstance(value, list | tuple | np.ndarray) and bool(_OTHER_WEIGHTS.match(str(key)))


def pick(
    entries: Mapping[Any, Any],
    source: str,
    is_weight: Callable[[Any, Any], bool] = looks_like_weights,
) -> tuple[Three, dict[Any, Any]]:
    """The three weights under either naming scheme, and the entries that are left.

    What is left may hold no weights: ignoring them would make another network.
    """
    schemes = [s for s in (NAMES, TORCH_NAMES) if any(key in entries for key in s)]
    if len(schemes) == 2:
        raise WeightsError(
            f"{source}: names weights in two ways (found {listed(entries)}); "
            f"keep either {listed(NAMES)} or {listed(TORCH_NAMES)}"
        )
    missing = [key for key in schemes[0] if key not in entries] if schemes else []
    if missing or not schemes:
        got = f"has no {listed(missing)}" if missing else "has no weights"
        raise WeightsError(
            f"{source}: {got}; found the keys {listed(entries)}, "
            f"expected {listed(NAMES)} or {listed(TORCH_NAMES)}"
        )
    rest = {key: value for key, value in entries.items() if key not in schemes[0]}
    others = [key for key, value in rest.items() if is_weight(key, value)]
    if others:
        raise WeightsError(
            f"{source}: has more weights than a bias-free one-layer RNN: {listed(others)}; "
            "train without biases and further layers, or delete these entries if they are unused"
        )
    hi, hh, oh = (entries[key] for key in schemes[0])
    return (hi, hh, oh), rest


def json_values(entries: Mapping[Any, Any]) -> dict[str, Any]:
    """The entries that JSON can hold, up to a total of _MAX_METADATA values."""
    plain, budget = {}, [_MAX_METADATA]
    for key, value in entries.items():
        if type(key) is str:
            try:
                plain[key] = _json_value(value, budget, 0)
            except TypeError:
                continue
    return plain


def _json_value(value: Any, budget: list[int], depth: int) -> Any:
    """A copy made of JSON types; TypeError if there is none, or none of a sane size."""
    budget[0] -= 1
    if budget[0] < 0 or depth > _MAX_DEPTH:
        raise TypeError("too many values, or nested too deeply")
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) in (list, tuple):
        return [_json_value(v, budget, depth + 1) for v in value]
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {key: _json_value(v, budget, depth + 1) for key, v in value.items()}
    raise TypeError(f"JSON has no {type(value).__name__} of this value")
