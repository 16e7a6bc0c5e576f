"""Networks for the tests of files, and PyTorch files built by hand."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from conevol.files import Weights

WRITABLE = [".npz", ".json", ".safetensors"]
NAMES = ["W_hi", "W_hh", "W_oh"]
TORCH_NAMES = ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "linear.weight"]


def example(hidden: int = 3, n: int = 2, seed: int = 0) -> Weights:
    """Weights that float32 holds exactly, those of bfloat16 too."""
    rng = np.random.default_rng(seed)
    shapes = [(hidden,), (hidden, hidden), (n, hidden)]
    return Weights(*(rng.integers(-120, 120, s) / 64.0 for s in shapes), {"task": "second_argmax"})


def parts(weights: Weights) -> list[np.ndarray]:
    return [weights.W_hi, weights.W_hh, weights.W_oh]


def assert_same(got: Weights, expected: Weights) -> None:
    for a, b in zip(parts(got), parts(expected), strict=True):
        assert a.dtype == np.float64
        assert a.flags.c_contiguous
        assert a.shape == b.shape
        assert a.tobytes() == np.ascontiguousarray(b, dtype=np.float64).tobytes()


class Global:
    """Pickled as a reference to a global of this name."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """Pickled as function(*args), then the state and the items given to what it returns."""

    def __init__(self, function: Any, *args: Any, state: Any = None, items: Any = None) -> None:
        self.parts = (function, args, state, None, items)

    def __reduce__(self) -> Any:
        return self.parts


class Stored:
    """Pickled as a persistent id, as storages are."""

    def __init__(self, *pid: Any) -> None:
        self.pid = pid


class Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes what PyTorch's pickler would, and what an attacker's would."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Stored) else None

    def save_reduce(self, func: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        kwargs["obj"] = None
        state, _, items = [*rest, None, None, None][:3]
        self.save(func)
        self.save(args)
        self.write(pickle.REDUCE)
        if items is not None:
            self._batch_setitems(iter(items))
        if state is not None:
            self.save(state)
            self.write(pickle.BUILD)

    def save_named(self, obj: Global) -> None:
        if self.proto >= 4:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    dispatch[Global] = save_named


ORDERED = Global("collections", "OrderedDict")
TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
KINDS = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "bf": "BFloat16Storage"}


def dumps(obj: Any, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, protocol).dump(obj)
    return stream.getvalue()


def tensor(key: str, numel: int, size: Any, stride: Any, offset: Any = 0, kind: str = "f4") -> Call:
    storage = Stored("storage", Global("torch", KINDS[kind]), key, "cpu", numel)
    return Call(TENSOR, storage, offset, size, stride, False, Call(ORDERED))


def raw(values: np.ndarray, kind: str = "f4", order: str = "<") -> bytes:
    if kind == "bf":
        upper = values.astype(np.float32).view(np.uint32) >> 16
        return upper.astype(order + "u2").tobytes()
    return values.astype(order + kind).tobytes()


def contiguous(array: np.ndarray) -> tuple[int, ...]:
    return tuple(s // 8 for s in np.ascontiguousarray(array, np.float64).strides)


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()


def torch_parts(
    weights: Weights, kind: str = "f4", order: str = "<"
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The items of a state dict, and the entries with its data."""
    arrays_ = [weights.W_hi[:, None], weights.W_hh, weights.W_oh]
    items = {
        name: tensor(str(i), a.size, a.shape, contiguous(a), kind=kind)
        for i, (name, a) in enumerate(zip(TORCH_NAMES, arrays_, strict=True))
    }
    return items, {f"net/data/{i}": raw(a, kind, order) for i, a in enumerate(arrays_)}


def state_dict(items: dict[str, Any]) -> Call:
    """An OrderedDict with its attribute _metadata, as a module's state_dict gives."""
    versions = Call(ORDERED, items=[("", {"version": 1}), ("rnn", {"version": 1})])
    return Call(ORDERED, state={"_metadata": versions}, items=list(items.items()))


def torch_file(
    path: Path, obj: Any, data: dict[str, bytes], byteorder: bytes | None = b"little", **kwargs: Any
) -> Path:
    """Write the zip of torch.save."""
    entries = {"net/data.pkl": obj if isinstance(obj, bytes) else dumps(obj)}
    if byteorder is not None:
        entries["net/byteorder"] = byteorder
    path.write_bytes(zipped({**entries, **data, "net/version": b"3\n"}, **kwargs))
    return path
