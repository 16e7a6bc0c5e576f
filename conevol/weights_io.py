"""Reading and writing the weights of bias-free one-layer ReLU RNNs.

A network is W_hi (hidden,), W_hh (hidden, hidden) and W_oh (n, hidden).  Files are
.npz, .json, .safetensors or PyTorch's .pth, with these names or with those of a
PyTorch state dict (``rnn.weight_ih_l0``, ``rnn.weight_hh_l0``, ``linear.weight``).
No file is trusted: none can run code, and sizes are bounded before memory is taken.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import re
import secrets
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conevol.errors import FileFormatError, WeightsError

__all__ = ["Weights", "load_weights", "save_weights", "validate_weights"]

_NAMES = ("W_hi", "W_hh", "W_oh")
_TORCH_NAMES = ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "linear.weight")
_NESTED = ("state_dict", "model_state_dict")
_OTHER_WEIGHTS = re.compile(r"(rnn\.|linear\.|bias|b_|W_)")  # at the start of a key

_Three = tuple[Any, Any, Any]

_MIB = 2**20
_MAX_BYTES = 256 * _MIB  # of a file, of all that is packed in it, of one tensor in float64
_MAX_PICKLE_BYTES = 4 * _MIB
_MAX_TUPLES = 20_000  # in a pickle
_MAX_METADATA = 10**5  # values
_MAX_DEPTH = 50  # of nested metadata

# Numbers as the safetensors format names them, without their byte order.
_DTYPES = {
    "F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2",
    "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
    "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of a network, and whatever else its file says.

    Attributes
    ----------
    W_hi : (hidden,) float64 array
        Weights of the input.
    W_hh : (hidden, hidden) float64 array
        Weights from step to step, ``W_hh[to, from]``.
    W_oh : (n, hidden) float64 array
        Weights of the logits.
    metadata : dict
        JSON values, such as "task", "record" or "note".
    """

    W_hi: NDArray[np.float64]
    W_hh: NDArray[np.float64]
    W_oh: NDArray[np.float64]
    metadata: dict[str, Any] = field(default_factory=dict)


# ---------------------------------------------------------------- validation


def validate_weights(
    W_hi: ArrayLike, W_hh: ArrayLike, W_oh: ArrayLike, source: str = "weights"
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Check that three arrays are the weights of one network.

    Parameters
    ----------
    W_hi : (hidden,) or (hidden, 1) array of real numbers
    W_hh : (hidden, hidden) array of real numbers
    W_oh : (n, hidden) array of real numbers
    source : str
        What error messages begin with, such as the name of a file.

    Returns
    -------
    W_hi, W_hh, W_oh : float64 arrays
        New C-contiguous arrays of shapes (hidden,), (hidden, hidden), (n, hidden).

    Raises
    ------
    WeightsError
        If an array is ragged, not numeric, complex, empty, of a wrong shape, or has
        an entry that is not finite.

    Examples
    --------
    >>> W_hi, W_hh, W_oh = validate_weights([[1], [-1]], [[0, 1], [1, 0]], [[1, 0], [0, 1]])
    >>> W_hi
    array([ 1., -1.])
    >>> validate_weights([1, -1], [[0, 1]], [[1, 0]])
    Traceback (most recent call last):
    ...
    conevol.errors.WeightsError: weights: W_hh has shape (1, 2), expected (2, 2): \
hidden is 2, the length of W_hi
    """
    hi, hh, oh = (
        _real_array(value, name, source)
        for name, value in zip(_NAMES, (W_hi, W_hh, W_oh), strict=True)
    )
    if not (hi.ndim == 1 or (hi.ndim == 2 and hi.shape[1] == 1)):
        raise WeightsError(
            f"{source}: W_hi has shape {hi.shape}, expected (hidden,) or (hidden, 1): "
            "one weight for each neuron"
        )
    hidden = hi.shape[0]
    if hidden == 0:
        raise WeightsError(f"{source}: W_hi is empty, expected at least one neuron (hidden >= 1)")
    if hh.shape != (hidden, hidden):
        raise WeightsError(
            f"{source}: W_hh has shape {hh.shape}, expected ({hidden}, {hidden}): "
            f"hidden is {hidden}, the length of W_hi"
        )
    if oh.ndim == 2 and oh.shape[0] == 0:
        raise WeightsError(f"{source}: W_oh has no rows, expected one for each logit (n >= 1)")
    if oh.ndim != 2 or oh.shape[1] != hidden:
        hint = "; transpose it" if oh.ndim == 2 and oh.shape[0] == hidden else ""
        raise WeightsError(
            f"{source}: W_oh has shape {oh.shape}, expected (n, {hidden}): "
            f"one row for each logit, hidden is {hidden}, the length of W_hi{hint}"
        )
    for name, array in zip(_NAMES, (hi, hh, oh), strict=True):
        _require_finite(array, name, source)
    return hi.reshape(hidden), hh, oh


def _real_array(value: ArrayLike, name: str, source: str) -> NDArray[np.float64]:
    """A new C-contiguous float64 array of real numbers."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise WeightsError(
            f"{source}: {name} is not an array of numbers ({error}); "
            "give rows of equal length that hold numbers only"
        ) from error
    if array.dtype.kind == "c":
        raise WeightsError(
            f"{source}: {name} is complex ({array.dtype}), "
            "expected real numbers; take the real part"
        )
    if array.dtype.kind == "O":
        for index in np.ndindex(array.shape):
            entry = array[index]
            if isinstance(entry, bool) or not isinstance(entry, Real):
                raise WeightsError(
                    f"{source}: {name}{_at(index)} is {_short(entry)}, expected a real number"
                )
    elif array.dtype.kind not in "fiu":
        raise WeightsError(
            f"{source}: {name} has dtype {array.dtype}, expected real numbers; "
            "convert it to float64 (text and booleans are not taken for numbers)"
        )
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is named later
            return np.array(array, dtype=np.float64, order="C")
    except OverflowError as error:
        raise WeightsError(
            f"{source}: {name} has an integer too large for float64; expected |w| < 1.8e308"
        ) from error


def _require_finite(array: NDArray[np.float64], name: str, source: str) -> None:
    """Name the first entry that is not finite and count them."""
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = tuple(int(i) for i in bad[0])
        also = f" ({len(bad)} of {array.size} entries are not finite)"
        raise WeightsError(
            f"{source}: {name}{_at(first)} is {array[first]}{also}, expected finite numbers; "
            "the training that gave them may have diverged"
        )


def _at(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# ------------------------------------------------------------------- public


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
    reader = _by_suffix(path, _READERS, "read")
    size = path.stat().st_size
    if size > _MAX_BYTES:
        _too_large(str(path), size)
    return reader(path.read_bytes(), str(path))


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
    arrays = validate_weights(weights.W_hi, weights.W_hh, weights.W_oh, f"weights for {path}")
    reserved = [
        key
        for key, value in weights.metadata.items()
        if key in _NAMES + _TORCH_NAMES or _looks_like_weights(key, value)
    ]
    if reserved:
        raise WeightsError(
            f"weights for {path}: metadata use {_listed(reserved)}, "
            "a name that is kept for the weights; rename the key"
        )
    try:
        metadata = json.dumps(weights.metadata, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"weights for {path}: metadata are not JSON values ({error}); "
            "use str, int, finite float, bool, None, list and dict only"
        ) from error
    _replace_file(path, writer(dict(zip(_NAMES, arrays, strict=True)), metadata))


def _by_suffix(path: Path, table: Mapping[str, Callable[..., Any]], verb: str) -> Any:
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


# ------------------------------------------------------- parts of all formats


def _pick(entries: Mapping[Any, Any], source: str) -> tuple[_Three, dict[Any, Any]]:
    """The three weights under either naming scheme, and the entries that are left."""
    schemes = [s for s in (_NAMES, _TORCH_NAMES) if any(key in entries for key in s)]
    if len(schemes) == 2:
        raise WeightsError(
            f"{source}: names weights in two ways (found {_listed(entries)}); "
            f"keep either {_listed(_NAMES)} or {_listed(_TORCH_NAMES)}"
        )
    missing = [key for key in schemes[0] if key not in entries] if schemes else []
    if missing or not schemes:
        got = f"has no {_listed(missing)}" if missing else "has no weights"
        raise WeightsError(
            f"{source}: {got}; found the keys {_listed(entries)}, "
            f"expected {_listed(_NAMES)} or {_listed(_TORCH_NAMES)}"
        )
    rest = {key: value for key, value in entries.items() if key not in schemes[0]}
    hi, hh, oh = (entries[key] for key in schemes[0])
    return (hi, hh, oh), rest


def _refuse_other_weights(names: list[Any], source: str) -> None:
    """Weights that would be ignored make another network than the file's."""
    if names:
        raise WeightsError(
            f"{source}: has more weights than a bias-free one-layer RNN: {_listed(names)}; "
            "train without biases and further layers, or delete these entries if they are unused"
        )


def _looks_like_weights(key: Any, value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and bool(_OTHER_WEIGHTS.match(str(key)))


def _plain(entries: Mapping[Any, Any]) -> dict[str, Any]:
    """The entries that JSON can hold."""
    plain, budget = {}, [_MAX_METADATA]
    for key, value in entries.items():
        if type(key) is str:
            try:
                plain[key] = _plain_value(value, budget, 0)
            except TypeError:
                continue
    return plain


def _plain_value(value: Any, budget: list[int], depth: int) -> Any:
    """A copy made of JSON types; TypeError if there is none, or none of a sane size."""
    budget[0] -= 1
    if budget[0] < 0 or depth > _MAX_DEPTH:
        raise TypeError("too many values, or nested too deeply")
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) in (list, tuple):
        return [_plain_value(v, budget, depth + 1) for v in value]
    if type(value) in (dict, _StateDict) and all(type(key) is str for key in value):
        return {key: _plain_value(v, budget, depth + 1) for key, v in value.items()}
    raise TypeError(f"JSON has no {type(value).__name__} of this value")


def _parse_json(text: str | bytes, source: str) -> dict[str, Any]:
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


def _decode(raw: bytes, kind: str, order: str) -> NDArray[Any]:
    """Numbers stored as kind in byte order "<" or ">"; bfloat16 is the upper half of a float32."""
    flat = np.frombuffer(raw, dtype=order + _DTYPES[kind]) if raw else np.empty(0, np.float64)
    if kind == "BF16" and raw:
        return (flat.astype(np.uint32) << 16).view(np.float32)
    return flat


def _listed(names: Iterable[Any]) -> str:
    all_names = list(names)
    shown = [_short(n) if isinstance(n, str) else f"a {type(n).__name__}" for n in all_names[:12]]
    return ", ".join(shown + ["..."] * (len(all_names) > 12)) or "none"


def _too_large(source: str, size: int) -> NoReturn:
    raise FileFormatError(
        f"{source}: holds {size / _MIB:.1f} MiB, more than the limit of {_MAX_BYTES // _MIB} MiB; "
        "save the weights alone, without other data"
    )


class _Archive:
    """A zip file in memory, of bounded size, whose every fault is a FileFormatError."""

    def __init__(self, data: bytes, source: str) -> None:
        self.source = source
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:
            raise self._fault(error) from error
        infos = self._zip.infolist()
        size = sum(info.file_size for info in infos)
        if size > _MAX_BYTES:
            _too_large(f"{source}, unpacked,", size)
        self.sizes = {info.filename: info.file_size for info in infos}
        if len(self.sizes) < len(infos):
            raise FileFormatError(f"{source}: has two entries of one name; save it again")
        for info in infos:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise FileFormatError(
                    f"{source}: {info.filename!r} is packed by method {info.compress_type}, "
                    "expected stored or deflated; save it again"
                )

    def read(self, name: str) -> bytes:
        try:
            data = self._zip.read(name)
        except Exception as error:  # BadZipFile, zlib.error, EOFError, RuntimeError, ...
            raise self._fault(error) from error
        if len(data) != self.sizes[name]:
            raise self._fault(EOFError(f"{name!r} ends early"))
        return data

    def _fault(self, error: Exception) -> FileFormatError:
        return FileFormatError(
            f"{self.source}: is not a complete zip file ({error}); "
            "it is truncated or damaged: copy or save it again"
        )


# --------------------------------------------------------------------- JSON


def _read_json(data: bytes, source: str) -> Weights:
    arrays, rest = _pick(_parse_json(data, source), source)
    _refuse_other_weights([k for k, v in rest.items() if _looks_like_weights(k, v)], source)
    return Weights(*validate_weights(*arrays, source), rest)


def _write_json(arrays: dict[str, NDArray[np.float64]], metadata: str) -> bytes:
    network = {name: array.tolist() for name, array in arrays.items()}
    return (json.dumps({**network, **json.loads(metadata)}, indent=1) + "\n").encode()


# ---------------------------------------------------------------------- npz


def _read_npz(data: bytes, source: str) -> Weights:
    archive = _Archive(data, source)
    names = [name[:-4] for name in archive.sizes if name.endswith(".npy")]
    entries = {n: _parse_npy(archive.read(n + ".npy"), f"{source}: {n!r}") for n in names}
    arrays, rest = _pick(entries, source)
    packed = rest.pop("metadata", None)
    _refuse_other_weights([k for k, v in rest.items() if _looks_like_weights(k, v)], source)
    metadata = _plain({key: array.tolist() for key, array in rest.items()})
    if packed is not None:
        if packed.ndim or packed.dtype.kind != "U":
            raise FileFormatError(
                f"{source}: 'metadata' is {packed.dtype} of shape {packed.shape}, "
                "expected one JSON text: np.array(json.dumps(...))"
            )
        metadata.update(_parse_json(str(packed), f"{source}: 'metadata'"))
    return Weights(*validate_weights(*arrays, source), metadata)


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


def _write_npz(arrays: dict[str, NDArray[np.float64]], metadata: str) -> bytes:
    stream = io.BytesIO()
    np.savez(
        stream,
        W_hi=arrays["W_hi"],
        W_hh=arrays["W_hh"],
        W_oh=arrays["W_oh"],
        metadata=np.array(metadata),
    )
    return stream.getvalue()


# -------------------------------------------------------------- safetensors


def _read_safetensors(data: bytes, source: str) -> Weights:
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
    picked, rest = _pick(tensors, source)
    _refuse_other_weights(list(rest), source)

    def array(name: str, tensor: dict[str, Any]) -> NDArray[Any]:
        if tensor["dtype"] not in _DTYPES:
            raise WeightsError(
                f"{source}: {name} has dtype {tensor['dtype']}, "
                f"expected real numbers: {', '.join(_DTYPES)}"
            )
        return _decode(bytes(tensor["data"]), tensor["dtype"], "<").reshape(tensor["shape"])

    hi, hh, oh = (array(*pair) for pair in zip(_NAMES, picked, strict=True))
    packed = headers.pop("metadata", None)
    headers.pop("format", None)
    if packed is not None:
        headers.update(_parse_json(packed, f"{source}: 'metadata' in the header"))
    return Weights(*validate_weights(hi, hh, oh, source), headers)


def _write_safetensors(arrays: dict[str, NDArray[np.float64]], metadata: str) -> bytes:
    from safetensors.numpy import save

    return save(arrays, metadata={"metadata": metadata})


# ------------------------------------------------------------------ PyTorch


class _StateDict(dict[Any, Any]):
    """Stands in for collections.OrderedDict; the attributes that a file sets are dropped."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Storage(NamedTuple):
    """A block of numbers in the archive, not yet read."""

    kind: str
    key: str
    numel: int


class _Tensor(NamedTuple):
    """A strided view of a storage, in elements; not yet read."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _MakeStateDict:
    """Called for collections.OrderedDict."""

    __slots__ = ()

    def __call__(self, *items: Any) -> _StateDict:
        return _StateDict(*items)


class _RebuildTensor:
    """Called for torch._utils._rebuild_tensor_v2: notes what to read, reads nothing."""

    __slots__ = ()

    def __call__(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        requires_grad: Any = False,
        backward_hooks: Any = None,
        metadata: Any = None,
    ) -> _Tensor:
        if type(storage) is not _Storage:
            raise pickle.UnpicklingError("a tensor without a storage")
        if not (_counts(offset) and type(size) is tuple and type(stride) is tuple):
            raise pickle.UnpicklingError("a tensor of unknown layout")
        if len(size) != len(stride) or not _counts(*size, *stride):
            raise pickle.UnpicklingError("a tensor whose size or stride is not a count")
        if metadata:
            raise pickle.UnpicklingError("a conjugate or negated view; save a copy: tensor.clone()")
        if math.prod(size) * 8 > _MAX_BYTES:
            raise pickle.UnpicklingError(
                f"a tensor of size {_short(size)}, more than {_MAX_BYTES // _MIB} MiB in float64"
            )
        last = offset + sum((s - 1) * step for s, step in zip(size, stride, strict=True))
        if 0 not in size and last >= storage.numel:
            raise pickle.UnpicklingError(
                f"a tensor of size {_short(size)}, stride {_short(stride)} and offset {offset} "
                f"reaches out of bounds of its storage of {storage.numel} numbers"
            )
        return _Tensor(storage, offset, size, stride)


class _RebuildParameter:
    """Called for torch._utils._rebuild_parameter: a parameter is its tensor."""

    __slots__ = ()

    def __call__(self, data: Any, requires_grad: Any = False, hooks: Any = None) -> _Tensor:
        if type(data) is not _Tensor:
            raise pickle.UnpicklingError("a parameter without a tensor")
        return data


def _counts(*values: Any) -> bool:
    return all(type(v) is int and 0 <= v < 2**62 for v in values)


# All that a file may name.  A pickle can call what it names and set attributes on it and on
# what it returns; so these are instances that have no attributes and return none.  (A class
# or function would keep what one file sets on it until the next, and an object with an
# attribute __array_interface__ would let NumPy read any memory.)  Storages are plain text.
_STORAGES = {
    "FloatStorage": "F32",
    "DoubleStorage": "F64",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
}
_GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _MakeStateDict(),
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    **{("torch", name): kind for name, kind in _STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
    """Unpickles plain values and descriptions of tensors, and refuses everything else."""

    def __init__(self, data: bytes, source: str) -> None:
        super().__init__(io.BytesIO(data))
        self.source = source

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _GLOBALS:
            raise FileFormatError(
                f"{self.source}: refused {_short(module + '.' + name)}: nothing from outside "
                "a plain state dict of floating-point tensors is loaded or run; "
                "save again with torch.save(model.state_dict(), path)"
            )
        return _GLOBALS[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        if type(pid) is tuple and len(pid) == 5 and pid[0] == "storage":
            _, kind, key, _, numel = pid
            if kind in _STORAGES.values() and type(key) is str and _counts(numel):
                return _Storage(kind, key, numel)
        raise pickle.UnpicklingError("a storage of unknown kind")


def _unpickle(data: bytes, source: str) -> Any:
    """The object of a data.pkl, its tensors as descriptions."""
    if len(data) > _MAX_PICKLE_BYTES:
        raise FileFormatError(
            f"{source}: has a data.pkl of {len(data) / _MIB:.1f} MiB, more than the limit of "
            f"{_MAX_PICKLE_BYTES // _MIB} MiB; save the state dict alone"
        )
    import pickletools

    try:
        # What find_class never sees (the registry of extensions), and what would exhaust
        # memory (wild memo numbers) or the stack (hashes of deep tuples), is looked for first.
        tuples = 0
        for opcode, argument, _ in pickletools.genops(data):
            tuples += "TUPLE" in opcode.name
            if opcode.name.startswith("EXT"):
                raise pickle.UnpicklingError(f"{opcode.name} refers to a registry outside the file")
            if argument is not None and opcode.name.endswith("PUT") and argument > len(data):
                raise pickle.UnpicklingError(f"{opcode.name} {argument} exceeds the file")
        if tuples > _MAX_TUPLES:
            raise pickle.UnpicklingError(f"{tuples} tuples, more than the limit of {_MAX_TUPLES}")
        return _Unpickler(data, source).load()
    except FileFormatError:
        raise
    except Exception as error:  # a wrong pickle can raise anything
        raise FileFormatError(
            f"{source}: its data.pkl cannot be read ({error or type(error).__name__}); "
            "save again with torch.save(model.state_dict(), path)"
        ) from error


def _read_torch(data: bytes, source: str) -> Weights:
    if not data.startswith(b"PK"):
        _refuse_unzipped(data, source)
    archive = _Archive(data, source)
    pickles = [n for n in archive.sizes if n.count("/") <= 1 and n.split("/")[-1] == "data.pkl"]
    if len(pickles) != 1:
        raise FileFormatError(
            f"{source}: has {len(pickles)} entries data.pkl, expected one as torch.save writes it; "
            f"found {_listed(archive.sizes)}"
        )
    folder = pickles[0].removesuffix("data.pkl")
    order = "<"
    if folder + "byteorder" in archive.sizes:
        text = archive.read(folder + "byteorder").strip()
        if text not in (b"little", b"big"):
            raise FileFormatError(
                f"{source}: has byte order {_short(text)}, expected 'little' or 'big'"
            )
        order = "<" if text == b"little" else ">"

    state, others = _state_dict(_unpickle(archive.read(pickles[0]), source), source)
    picked, rest = _pick(state, source)
    _refuse_other_weights(
        [k for k, v in rest.items() if type(v) is _Tensor or _looks_like_weights(k, v)], source
    )

    def array(name: str, value: Any) -> NDArray[Any]:
        if type(value) is not _Tensor:
            raise WeightsError(
                f"{source}: {name} is a {type(value).__name__}, expected a tensor; "
                "save again with torch.save(model.state_dict(), path)"
            )
        return _read_tensor(value, archive, folder + "data/", order)

    hi, hh, oh = (array(*pair) for pair in zip(_NAMES, picked, strict=True))
    metadata = {**_plain(others), **_plain(rest)}
    return Weights(*validate_weights(hi, hh, oh, source), metadata)


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
    if not any(key in loaded for key in _NAMES + _TORCH_NAMES):
        for key in _NESTED:
            if isinstance(loaded.get(key), dict):
                return loaded[key], {k: v for k, v in loaded.items() if k != key}
    return loaded, {}


def _read_tensor(tensor: _Tensor, archive: _Archive, folder: str, order: str) -> NDArray[Any]:
    """The numbers of a tensor, whose bounds were checked when it was described."""
    (kind, key, numel), offset, size, stride = tensor
    name = folder + key
    if name not in archive.sizes:
        raise FileFormatError(f"{archive.source}: has no entry {_short(name)} with a tensor's data")
    itemsize = int(_DTYPES[kind][1:])
    if archive.sizes[name] != numel * itemsize:
        raise FileFormatError(
            f"{archive.source}: {_short(name)} has {archive.sizes[name]} bytes, "
            f"expected {numel * itemsize}; it is truncated or damaged: save it again"
        )
    if 0 in size:
        return np.empty(size)
    flat = _decode(archive.read(name), kind, order)[offset:]
    steps = [step * flat.itemsize if s > 1 else 0 for s, step in zip(size, stride, strict=True)]
    return np.lib.stride_tricks.as_strided(flat, size, steps, writeable=False)


_READERS: dict[str, Callable[[bytes, str], Weights]] = {
    ".npz": _read_npz,
    ".json": _read_json,
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
}
_WRITERS: dict[str, Callable[[dict[str, NDArray[np.float64]], str], bytes]] = {
    ".npz": _write_npz,
    ".json": _write_json,
    ".safetensors": _write_safetensors,
}
