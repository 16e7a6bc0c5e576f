"""The zip files of ``torch.save``, read without PyTorch."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from conevol.errors import FileFormatError, WeightsError
from conevol.files.archive import Archive
from conevol.files.dtypes import DTYPES, decode
from conevol.files.entries import TORCH_NAMES, Parsed, json_values, looks_like_weights, pick
from conevol.files.restricted_pickle import Tensor, unpickle
from conevol.files.text import listed, short
from conevol.files.weights import NAMES

__all__ = ["read_pytorch"]

_NESTED = ("state_dict", "model_state_dict")


def read_pytorch(data: bytes, source: str) -> Parsed:
    """The weights and the metadata of a zip that holds a state dict."""
    if not data.startswith(b"PK"):
        _refuse_unzipped(data, source)
    archive = Archive(data, source)
    pickles = [n for n in archive.sizes if n.count("/") <= 1 and n.split("/")[-1] == "data.pkl"]
    if len(pickles) != 1:
        raise FileFormatError(
            f"{source}: has {len(pickles)} entries data.pkl, expected one as torch.save writes it; "
            f"found {listed(archive.sizes)}"
        )
    folder = pickles[0].removesuffix("data.pkl")
    order = _byte_order(archive, folder + "byteorder")
    state, others = _state_dict(unpickle(archive.read(pickles[0]), source), source)
    picked, rest = pick(state, source, _is_weight)
    for name, value in zip(NAMES, picked, strict=True):
        if type(value) is not Tensor:
            raise WeightsError(
                f"{source}: {name} is a {type(value).__name__}, expected a tensor; "
                "save again with torch.save(model.state_dict(), path)"
            )
    hi, hh, oh = (_read_tensor(value, archive, folder + "data/", order) for value in picked)
    return (hi, hh, oh), {**json_values(others), **json_values(rest)}


def _is_weight(key: Any, value: Any) -> bool:
    return type(value) is Tensor or looks_like_weights(key, value)


def _byte_order(archive: Archive, name: str) -> str:
    """The byte order as NumPy writes it; little where the file says nothing."""
    text = archive.read(name).strip() if name in archive.sizes else b"little"
    if text not in (b"little", b"big"):
        raise FileFormatError(
            f"{archive.source}: has byte order {short(text)}, expected 'little' or 'big'"
        )
    return "<" if text == b"little" else ">"


def _refuse_unzipped(data: bytes, source: str) -> NoReturn:
    if data.startswith(b"\x80"):  # a bare pickle
        raise FileFormatError(
            f"{source}: is in the old format of PyTorch before 1.6, expected a zip file; "
            "save again with PyTorch: torch.save(torch.load(path, weights_only=True), path)"
        )
    raise FileFormatError(
        f"{source}: is not a zip file, expected what torch.save(model.state_dict(), path) writes; "
        "it is empty, damaged or of another format"
    )


def _state_dict(loaded: Any, source: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The state dict, at the top or nested, and what stands beside it."""
    if not isinstance(loaded, dict):
        raise FileFormatError(
            f"{source}: holds a {type(loaded).__name__.strip('_')}, expected a state dict; "
            "save again with torch.save(model.state_dict(), path)"
        )
    if not any(key in loaded for key in NAMES + TORCH_NAMES):
        for key in _NESTED:
            if isinstance(loaded.get(key), dict):
                return loaded[key], {k: v for k, v in loaded.items() if k != key}
    return loaded, {}


def _read_tensor(tensor: Tensor, archive: Archive, folder: str, order: str) -> NDArray[Any]:
    """The numbers of a tensor, whose bounds were checked when it was described."""
    (kind, key, numel), offset, size, stride = tensor
    name = folder + key
    if name not in archive.sizes:
        raise FileFormatError(f"{archive.source}: has no entry {short(name)} with a tensor's data")
    itemsize = int(DTYPES[kind][1:])
    if archive.sizes[name] != numel * itemsize:
        raise FileFormatError(
            f"{archive.source}: {short(name)} has {archive.sizes[name]} bytes, "
            f"expected {numel * itemsize}; it is truncated or damaged: save it again"
        )
    if 0 in size:
        return np.empty(size)
    flat = decode(archive.read(name), kind, order)[offset:]
    steps = [step * flat.itemsize if s > 1 else 0 for s, step in zip(size, stride, strict=True)]
    return np.lib.stride_tricks.as_strided(flat, size, steps, writeable=False)
