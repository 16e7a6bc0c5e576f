"""Unpickling that can run no code: plain values and descriptions of tensors, nothing else."""

from __future__ import annotations

import io
import math
import pickle
from typing import Any, NamedTuple

from conevol.errors import FileFormatError
from conevol.files.archive import MAX_BYTES, MIB
from conevol.files.text import short

__all__ = ["StateDict", "Storage", "Tensor", "unpickle"]

_MAX_PICKLE_BYTES = 4 * MIB
_MAX_TUPLES = 20_000  # in a pickle
_MAX_DIMENSIONS = 32  # of a tensor


class StateDict(dict[Any, Any]):
    """Stands in for collections.OrderedDict; the attributes that a file sets are dropped."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class Storage(NamedTuple):
    """A block of numbers in the archive, not yet read."""

    kind: str
    key: str
    numel: int


class Tensor(NamedTuple):
    """A strided view of a storage, in elements; not yet read."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _MakeStateDict:
    """Called for collections.OrderedDict."""

    __slots__ = ()

    def __call__(self, *items: Any) -> StateDict:
        return StateDict(*items)


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
    ) -> Tensor:
        if type(storage) is not Storage:
            raise pickle.UnpicklingError("a tensor without a storage")
        if not (_counts(offset) and type(size) is tuple and type(stride) is tuple):
            raise pickle.UnpicklingError("a tensor of unknown layout")
        if len(size) != len(stride) or not _counts(*size, *stride):
            raise pickle.UnpicklingError("a tensor whose size or stride is not a count")
        if metadata:
            raise pickle.UnpicklingError("a conjugate or negated view; save a copy: tensor.clone()")
        # NumPy counts dimensions of zero as one when it looks whether an array is too big.
        if len(size) > _MAX_DIMENSIONS or math.prod(s or 1 for s in size) * 8 > MAX_BYTES:
            raise pickle.UnpicklingError(
                f"a tensor of size {short(size)}, more than {MAX_BYTES // MIB} MiB in float64 "
                f"or {_MAX_DIMENSIONS} dimensions"
            )
        last = offset + sum((s - 1) * step for s, step in zip(size, stride, strict=True))
        if 0 not in size and last >= storage.numel:
            raise pickle.UnpicklingError(
                f"a tensor of size {short(size)}, stride {short(stride)} and offset {offset} "
                f"reaches out of bounds of its storage of {storage.numel} numbers"
            )
        return Tensor(storage, offset, size, stride)


class _RebuildParameter:
    """Called for torch._utils._rebuild_parameter: a parameter is its tensor."""

    __slots__ = ()

    def __call__(self, data: Any, requires_grad: Any = False, hooks: Any = None) -> Tensor:
        if type(data) is not Tensor:
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
                f"{self.source}: refused {short(module + '.' + name)}: nothing from outside "
                "a plain state dict of floating-point tensors is loaded or run; "
                "save again with torch.save(model.state_dict(), path)"
            )
        return _GLOBALS[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        if type(pid) is tuple and len(pid) == 5 and pid[0] == "storage":
            _, kind, key, _, numel = pid
            if kind in _STORAGES.values() and type(key) is str and _counts(numel):
                return Storage(kind, key, numel)
        raise pickle.UnpicklingError("a storage of unknown kind")


def unpickle(data: bytes, source: str) -> Any:
    """The object of a data.pkl, its tensors as descriptions."""
    if len(data) > _MAX_PICKLE_BYTES:
        raise FileFormatError(
            f"{source}: has a data.pkl of {len(data) / MIB:.1f} MiB, more than the limit of "
            f"{_MAX_PICKLE_BYTES // MIB} MiB; save the state dict alone"
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
