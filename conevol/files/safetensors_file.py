"""Files of the safetensors format."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conevol.errors import FileFormatError, WeightsError
from conevol.files.dtypes import DTYPES, decode
from conevol.files.entries import Parsed, pick
from conevol.files.json_file import parse_json
from conevol.files.text import short
from conevol.files.weights import NAMES

__all__ = ["read_safetensors", "write_safetensors"]


def read_safetensors(data: bytes, source: str) -> Parsed:
    """The weights and the metadata of a .safetensors file."""
    from safetensors import SafetensorError, deserialize

    try:
        tensors = dict(deserialize(data))
        length = int.from_bytes(data[:8], "little")
        headers = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise FileFormatError(
            f"{source}: is not a complete safetensors file ({error}); "
            "it is truncated, damaged or of another format: save it again"
        ) from error
    picked, _ = pick(tensors, source, is_weight=lambda key, value: True)
    hi, hh, oh = (_array(tensor, name, source) for name, tensor in zip(NAMES, picked, strict=True))
    packed = headers.pop("metadata", None)
    headers.pop("format", None)
    if packed is not None:
        headers.update(parse_json(packed, f"{source}: 'metadata' in the header"))
    return (hi, hh, oh), headers


def _array(tensor: dict[str, Any], name: str, source: str) -> NDArray[Any]:
    kind, shape = tensor["dtype"], tensor["shape"]
    if kind not in DTYPES:
        raise WeightsError(
            f"{source}: {name} has dtype {kind}, expected real numbers: {', '.join(DTYPES)}"
        )
    try:
        return decode(bytes(tensor["data"]), kind, "<").reshape(shape)
    except ValueError as error:  # too many dimensions, or empty with one that is huge
        raise FileFormatError(
            f"{source}: {name} has the impossible shape {short(shape)} ({error}); save it again"
        ) from error


def write_safetensors(arrays: dict[str, NDArray[np.float64]], metadata: str) -> bytes:
    """A .safetensors file; metadata are JSON text."""
    from safetensors.numpy import save

    return save(arrays, metadata={"metadata": metadata})
