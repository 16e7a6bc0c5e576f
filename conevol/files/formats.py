"""Reading and writing networks: the suffix of a file tells its format."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from conevol.errors import FileFormatError, WeightsError
from conevol.files.archive import require_size
from conevol.files.entries import TORCH_NAMES, Parsed, looks_like_weights
from conevol.files.json_file import read_json, write_json
from conevol.files.npz import read_npz, write_npz
from conevol.files.pytorch import read_pytorch
from conevol.files.safetensors_file import read_safetensors, write_safetensors
from conevol.files.text import listed
from conevol.files.weights import NAMES, Weights, validate_weights

__all__ = ["load_weights", "save_weights"]

_Reader = Callable[[bytes, str], Parsed]
_Writer = Callable[[dict[str, NDArray[np.float64]], str], bytes]
_Function = TypeVar("_Function")

_READERS: dict[str, _Reader] = {
    ".npz": read_npz,
    ".json": read_json,
    ".safetensors": read_safetensors,
    ".pth": read_pytorch,
    ".pt": read_pytorch,
}
_WRITERS: dict[str, _Writer] = {
    ".npz": write_npz,
    ".json": write_json,
    ".safetensors": write_safetensors,
}


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a network from a .npz, .json, .safetensors, .pth or .pt file.

    Every format may use the names W_hi, W_hh, W_oh or those of a PyTorch state dict,
    ``rnn.weight_ih_l0`` (hidden, 1), ``rnn.weight_hh_l0``, ``linear.weight``.  Numbers
    of any real type become float64, without rounding from half, bfloat16 and float32.

    Parameters
    ----------
    path : str or path
        The suffix tells the format.  A .pth file is the zip that ``torch.save`` writes,
        holding a state dict, or a dict with one under "state_dict" or
        "model_state_dict".  It is read without PyTorch, and no code in it is run.

    Returns
    -------
    Weights
        Metadata are the other keys of a JSON file; the JSON text under "metadata" and
        the other entries of a .npz or of the header of a .safetensors file; the other
        entries of a .pth file.  What has no form in JSON (an optimiser's tensors,
        infinite numbers, more than 100,000 values) is left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the suffix is unknown, the file is damaged or not what its suffix says, it
        needs anything but tensors and plain values, or it holds more than 256 MiB.
    WeightsError
        If weights are missing, have a wrong shape or type, are not finite, or if there
        are others (a bias, a second layer) that the network would have to ignore.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tiny.json"
    ...     _ = path.write_text(
    ...         '{"W_hi": [1, -1], "W_hh": [[0, 1], [1, 0]], "W_oh": [[0, 1], [1, 0]], "n": 2}'
    ...     )
    ...     weights = load_weights(path)
    >>> weights.W_hi
    array([ 1., -1.])
    >>> weights.metadata
    {'n': 2}
    """
    path = Path(path)
    source = str(path)
    reader = _by_suffix(path, _READERS, "read")
    require_size(path.stat().st_size, source)
    (W_hi, W_hh, W_oh), metadata = reader(path.read_bytes(), source)
    return Weights(*validate_weights(W_hi, W_hh, W_oh, source=source), metadata)


def save_weights(path: str | os.PathLike[str], weights: Weights) -> None:
    """Write a network to a .npz, .json or .safetensors file.

    The file holds float64 under the names W_hi, W_hh, W_oh, and reads back bit for bit.
    It is written beside its place and moved there when complete, so that an
    interrupted write leaves the old file as it was.

    Parameters
    ----------
    path : str or path
        The suffix tells the format.
    weights : Weights
        Tuples in the metadata come back as lists.

    Raises
    ------
    FileFormatError
        If the suffix is not one of the three.
    WeightsError
        If the weights do not pass `validate_weights`, or the metadata are not JSON
        values or use the name of a weight.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> tiny = Weights(np.ones(1), np.zeros((1, 1)), np.ones((2, 1)), {"note": "all ones"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "tiny.npz"
    ...     save_weights(path, tiny)
    ...     load_weights(path).metadata
    {'note': 'all ones'}
    """
    path = Path(path)
    writer = _by_suffix(path, _WRITERS, "write")
    arrays = validate_weights(
        weights.W_hi, weights.W_hh, weights.W_oh, source=f"weights for {path}"
    )
    reserved = [
        key
        for key, value in weights.metadata.items()
        if key in NAMES + TORCH_NAMES or looks_like_weights(key, value)
    ]
    if reserved:
        raise WeightsError(
            f"weights for {path}: metadata use {listed(reserved)}, "
            "a name that is kept for the weights; rename the key"
        )
    try:
        metadata = json.dumps(weights.metadata, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"weights for {path}: metadata are not JSON values ({error}); "
            "use str, int, finite float, bool, None, list and dict only"
        ) from error
    _replace_file(path, writer(dict(zip(NAMES, arrays, strict=True)), metadata))


def _by_suffix(path: Path, table: Mapping[str, _Function], verb: str) -> _Function:
    suffix = path.suffix.lower()
    if suffix not in table:
        got = f"the suffix {path.suffix!r}" if suffix else "no suffix"
        raise FileFormatError(
            f"{path}: cannot {verb} a network with {got}; supported are {', '.join(table)}"
        )
    return table[suffix]


def _replace_file(path: Path, data: bytes) -> None:
    """Write data beside path, then move it there in one step."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
