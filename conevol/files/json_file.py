"""JSON files, and JSON text in other files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conevol.errors import FileFormatError
from conevol.files.entries import Parsed, pick

__all__ = ["parse_json", "read_json", "write_json"]


def read_json(data: bytes, source: str) -> Parsed:
    """The weights and the metadata of a JSON file."""
    return pick(parse_json(data, source), source)


def write_json(arrays: dict[str, NDArray[np.float64]], metadata: str) -> bytes:
    """A JSON file; metadata are JSON text."""
    network = {name: array.tolist() for name, array in arrays.items()}
    return (json.dumps({**network, **json.loads(metadata)}, indent=1) + "\n").encode()


def parse_json(text: str | bytes, source: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"{source}: is not valid JSON ({error}); expected an object such as "
            '{"W_hi": [..], "W_hh": [[..]], "W_oh": [[..]]}'
        ) from error
    if not isinstance(value, dict):
        raise FileFormatError(
            f"{source}: holds a JSON {type(value).__name__}, expected an object with named entries"
        )
    return value
