"""NumPy's .npz files."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conevol.errors import FileFormatError
from conevol.files.archive import Archive
from conevol.files.entries import Parsed, json_values, pick
from conevol.files.json_file import parse_json

__all__ = ["read_npz", "write_npz"]


def read_npz(data: bytes, source: str) -> Parsed:
    """The weights and the metadata of a .npz file; no object is unpickled."""
    archive = Archive(data, source)
    names = [name[:-4] for name in archive.sizes if name.endswith(".npy")]
    entries = {n: _parse_npy(archive.read(n + ".npy"), f"{source}: {n!r}") for n in names}
    arrays, rest = pick(entries, source)
    packed = rest.pop("metadata", None)
    metadata = json_values({key: array.tolist() for key, array in rest.items()})
    if packed is not None:
        if packed.ndim or packed.dtype.kind != "U":
            raise FileFormatError(
                f"{source}: 'metadata' is {packed.dtype} of shape {packed.shape}, "
                "expected one JSON text: np.array(json.dumps(...))"
            )
        metadata.update(parse_json(str(packed), f"{source}: 'metadata'"))
    return arrays, metadata


def _parse_npy(data: bytes, source: str) -> NDArray[Any]:
    """The array of a .npy file; its size is compared with the header before memory is taken."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = header(stream)
        left = len(data) - stream.tell()
    except Exception as error:
        raise FileFormatError(
            f"{source} is not an array of NumPy ({error}); write the file with np.savez"
        ) from error
    if dtype.hasobject:
        raise FileFormatError(
            f"{source} has dtype {dtype}, which would be unpickled, expected numbers or text; "
            "convert it before np.savez"
        )
    if any(s < 0 for s in shape) or math.prod(shape) * dtype.itemsize != left:
        raise FileFormatError(
            f"{source} has {left} bytes, expected those of shape {shape}, {dtype}; "
            "it is truncated or damaged: save it again"
        )
    stream.seek(0)
    try:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except Exception as error:
        raise FileFormatError(f"{source} cannot be read ({error}); save it again") from error


def write_npz(arrays: dict[str, NDArray[np.float64]], metadata: str) -> bytes:
    """A .npz file; metadata are JSON text."""
    stream = io.BytesIO()
    entries: dict[str, Any] = {**arrays, "metadata": np.array(metadata)}
    np.savez(stream, **entries)
    return stream.getvalue()
