"""Numbers stored as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DTYPES", "decode"]

# As the safetensors format names them, without their byte order.
DTYPES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2",
    "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1",
}  # fmt: skip


def decode(raw: bytes, kind: str, order: str) -> NDArray[Any]:
    """Numbers stored as kind in byte order "<" or ">"; bfloat16 is the upper half of a float32."""
    if not raw:
        return np.empty(0)
    flat = np.frombuffer(raw, dtype=order + DTYPES[kind])
    if kind == "BF16":
        return (flat.astype(np.uint32) << 16).view(np.float32)
    return flat
