"""Weights on disk: exact round trips, PyTorch files read without PyTorch, errors that say why."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conevol import weights_io
from conevol.errors import ConevolError, FileFormatError, WeightsError
from conevol.weights_io import Weights, load_weights, save_weights, validate_weights

ALGZOO = Path(__file__).resolve().parents[1] / ".." / "shared" / "algzoo"
WRITABLE = [".npz", ".json", ".safetensors"]
NAMES = ["W_hi", "W_hh", "W_oh"]
TORCH_NAMES = ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "linear.weight"]

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@st.composite
def networks(draw: st.DrawFn) -> Weights:
    hidden, n = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    shapes = [(hidden,), (hidden, hidden), (n, hidden)]
    metadata = draw(st.dictionaries(st.sampled_from(["task", "record", "note", "é\0"]), PLAIN))
    return Weights(*(draw(arrays(np.float64, s, elements=FINITE)) for s in shapes), metadata)


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


# ------------------------------------------------- PyTorch files built by hand


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


# ----------------------------------------------------------------- round trips


@pytest.mark.parametrize("suffix", WRITABLE)
@settings(max_examples=20, deadline=None)
@given(weights=networks())
def test_round_trip_is_exact(tmp_path_factory: Any, suffix: str, weights: Weights) -> None:
    path = tmp_path_factory.getbasetemp() / f"round{suffix}"
    save_weights(path, weights)
    back = load_weights(path)
    assert_same(back, weights)
    assert back.metadata == weights.metadata
    # Nothing hangs on the layout of what was saved.
    fortran = Weights(weights.W_hi[:, None], *map(np.asfortranarray, parts(weights)[1:]))
    save_weights(str(path), fortran)
    assert_same(load_weights(str(path)), weights)


@pytest.mark.parametrize("names", [NAMES, TORCH_NAMES])
@pytest.mark.parametrize("column", [True, False])
def test_both_naming_schemes_in_every_format(
    tmp_path: Path, names: list[str], column: bool
) -> None:
    from safetensors.numpy import save

    weights = example()
    W_hi = weights.W_hi[:, None] if column else weights.W_hi
    single = [np.ascontiguousarray(a, np.float32) for a in (W_hi, weights.W_hh, weights.W_oh)]
    named = dict(zip(names, single, strict=True))
    (tmp_path / "a.json").write_text(json.dumps({k: v.tolist() for k, v in named.items()}))
    np.savez_compressed(tmp_path / "a.npz", **named)
    (tmp_path / "a.safetensors").write_bytes(save(named, metadata={"format": "pt", "note": "hi"}))
    items, data = torch_parts(weights)
    if not column:
        items[TORCH_NAMES[0]] = tensor("0", 3, (3,), (1,))
    items = dict(zip(names, items.values(), strict=True))
    torch_file(tmp_path / "a.PTH", state_dict(items), data)
    torch_file(tmp_path / "a.pt", items, data)  # a plain dict
    for path in sorted(tmp_path.iterdir()):
        back = load_weights(path)
        assert_same(back, weights)
        assert back.metadata == ({"note": "hi"} if path.suffix == ".safetensors" else {})


def test_other_entries_become_metadata(tmp_path: Path) -> None:
    from safetensors.numpy import save

    weights = example()
    named = dict(zip(NAMES, parts(weights), strict=True))
    text = json.dumps({"task": "argmax", "steps": [1, 2.5]})
    np.savez(tmp_path / "a.npz", **named, metadata=np.array(text), seed=np.array(7))
    assert load_weights(tmp_path / "a.npz").metadata == {
        "task": "argmax",
        "steps": [1, 2.5],
        "seed": 7,
    }
    (tmp_path / "a.safetensors").write_bytes(save(named, metadata={"metadata": text, "by": "me"}))
    assert load_weights(tmp_path / "a.safetensors").metadata == {
        "task": "argmax",
        "steps": [1, 2.5],
        "by": "me",
    }
    items, data = torch_parts(weights)
    for key in ("state_dict", "model_state_dict"):
        beside = {
            "epoch": 3,
            "loss": [0.5, None],
            "best": float("inf"),
            "ema": tensor("0", 3, (3, 1), (1, 1)),
            "args": {"lr": 0.1, "shape": (2, 3)},
        }
        path = torch_file(tmp_path / "a.pth", {**beside, key: state_dict(items)}, data)
        assert_same(load_weights(path), weights)
        assert load_weights(path).metadata == {
            "epoch": 3,
            "loss": [0.5, None],
            "args": {"lr": 0.1, "shape": [2, 3]},
        }


def test_safetensors_of_bfloat16_and_half(tmp_path: Path) -> None:
    weights = example()
    for kind, dtype in (("bf", "BF16"), ("f2", "F16")):
        header, data = {}, b""
        for name, a in zip(NAMES, parts(weights), strict=True):
            ends = [len(data), len(data) + 2 * a.size]
            header[name] = {"dtype": dtype, "shape": a.shape, "data_offsets": ends}
            data += raw(a, kind)
        text = json.dumps(header).encode()
        path = tmp_path / "a.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        assert_same(load_weights(path), weights)


def test_shared_networks() -> None:
    path = ALGZOO / "m16_10.pth"
    if not path.exists():
        pytest.skip("the shared networks are not beside the repository")
    weights = load_weights(path)
    assert [a.shape for a in parts(weights)] == [(16,), (16, 16), (10, 16)]
    assert weights.metadata == {}
    eigenvalues = np.linalg.eigvals(weights.W_hh)
    assert np.isclose(eigenvalues, -1.274, atol=5e-4).any()
    assert np.isclose(eigenvalues, 0.435 + 1.027j, atol=1e-3).any()
    ratio = np.linalg.norm(weights.W_hh, 2) / np.abs(eigenvalues).max()
    assert ratio == pytest.approx(4.58, abs=5e-3)

    small = load_weights(ALGZOO / "m4_3.json")
    assert [a.shape for a in parts(small)] == [(4,), (4, 4), (3, 4)]
    assert small.W_hi[0] == 3.9652628898620605
    assert small.metadata["seq_len"] == 3


# --------------------------------------------------------------- PyTorch's zip


@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "bf"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_torch_number_formats(tmp_path: Path, kind: str, order: str) -> None:
    weights = example(hidden=4, n=3)
    items, data = torch_parts(weights, kind, order)
    byteorder = b"little" if order == "<" else b"big"
    path = torch_file(tmp_path / "a.pth", state_dict(items), data, byteorder)
    assert_same(load_weights(path), weights)


def test_torch_without_byteorder_is_little(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    path = torch_file(tmp_path / "a.pth", state_dict(items), data, None)
    assert_same(load_weights(path), example())


def test_torch_deflated_and_newer_protocol(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    pickled = dumps(state_dict(items), protocol=4)
    path = torch_file(tmp_path / "a.pth", pickled, data, method=zipfile.ZIP_DEFLATED)
    assert_same(load_weights(path), example())


def test_torch_strides_offsets_and_shared_storage(tmp_path: Path) -> None:
    """All three tensors are views of one storage, W_hh transposed, W_oh every other row."""
    weights = example(hidden=3, n=2)
    spaced = np.full((4, 3), 99.0)
    spaced[::2] = weights.W_oh
    flat = np.concatenate([[77.0], weights.W_hi, weights.W_hh.T.ravel(), spaced.ravel()])
    numel = flat.size - 3  # the last row is never needed
    items = {
        TORCH_NAMES[0]: tensor("0", numel, (3, 1), (1, 2**61), 1),
        TORCH_NAMES[1]: tensor("0", numel, (3, 3), (1, 3), 4),
        TORCH_NAMES[2]: tensor("0", numel, (2, 3), (6, 1), 13),
    }
    data = {"net/data/0": raw(flat[:numel])}
    path = torch_file(tmp_path / "a.pth", state_dict(items), data)
    assert_same(load_weights(path), weights)


def test_torch_tensor_of_unknown_name(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    items["kernel"] = items[TORCH_NAMES[1]]
    with pytest.raises(WeightsError, match=r"more weights than a bias-free.*: 'kernel'; "):
        load_weights(torch_file(tmp_path / "a.pth", state_dict(items), data))


def test_torch_parameters(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    rebuild = Global("torch._utils", "_rebuild_parameter")
    items = {name: Call(rebuild, value, True, Call(ORDERED)) for name, value in items.items()}
    assert_same(load_weights(torch_file(tmp_path / "a.pth", items, data)), example())


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (((3, 3), (3, 1), 1), "out of bounds"),
        (((3, 3), (4, 1), 0), "out of bounds"),
        (((3, 3), (3, 2), 0), "out of bounds"),
        (((1, 1), (1, 1), 9), "out of bounds"),
        (((3, 3), (3, -1), 2), "not a count"),
        (((3, 3), (3, 1), -1), "unknown layout"),
        (((3, -3), (3, 1), 0), "not a count"),
        (((3, 3), (3,), 0), "not a count"),
        (((3, 3.0), (3, 1), 0), "not a count"),
        (((3, True), (3, 1), 0), "not a count"),
        (([3, 3], (3, 1), 0), "unknown layout"),
        (((3, 3), (2**63, 1), 0), "not a count"),
        (((2**20, 2**20), (0, 0), 0), "MiB"),
    ],
)
def test_torch_layouts_outside_the_storage(tmp_path: Path, layout: Any, expected: str) -> None:
    items, data = torch_parts(example())
    items[TORCH_NAMES[1]] = tensor("1", 9, *layout)
    path = torch_file(tmp_path / "a.pth", state_dict(items), data)
    with pytest.raises(FileFormatError, match=expected):
        load_weights(path)


@pytest.mark.parametrize("numel", [8, 10, 2**61])
def test_torch_storage_of_another_length(tmp_path: Path, numel: int) -> None:
    items, data = torch_parts(example())
    items[TORCH_NAMES[1]] = tensor("1", numel, (3, 3), (3, 1) if numel > 8 else (2, 1))
    with pytest.raises(FileFormatError, match=r"net/data/1' has 36 bytes, expected"):
        load_weights(torch_file(tmp_path / "a.pth", state_dict(items), data))


def test_torch_missing_storage_and_unknown_byteorder(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    path = torch_file(tmp_path / "a.pth", state_dict(items), data, b"middle")
    with pytest.raises(FileFormatError, match="byte order b'middle', expected 'little' or 'big'"):
        load_weights(path)
    del data["net/data/1"]
    with pytest.raises(FileFormatError, match="no entry 'net/data/1'"):
        load_weights(torch_file(path, state_dict(items), data))


# ------------------------------------------------------------- malicious files


MARK = "conevol_test_ran"


def attacks() -> dict[str, Any]:
    """Objects and raw pickles that would run code, or leave something behind."""
    code = f"__import__('os').environ.__setitem__('{MARK}', '1')"
    shell = f"touch {MARK}"
    builtins = Global("builtins", "eval")
    return {
        "os.system": Call(Global("os", "system"), shell),
        "posix.system": Call(Global("posix", "system"), shell),
        "builtins.eval": Call(builtins, code),
        "builtins.exec": Call(Global("builtins", "exec"), code),
        "__builtin__.eval": Call(Global("__builtin__", "eval"), code),
        "builtins.getattr": Call(Global("builtins", "getattr"), ORDERED, "fromkeys"),
        "builtins.__import__": Call(Global("builtins", "__import__"), "os"),
        "subprocess.Popen": Call(Global("subprocess", "Popen"), ["touch", MARK]),
        "importlib.import_module": Call(Global("importlib", "import_module"), "antigravity"),
        "torch.load": Call(Global("torch", "load"), "other.pth"),
        "torch.LongStorage": Global("torch", "LongStorage"),
        "torch._utils._rebuild_tensor": Call(Global("torch._utils", "_rebuild_tensor"), 1),
        "numpy.core.multiarray._reconstruct": Global("numpy.core.multiarray", "_reconstruct"),
        "collections.OrderedDict.__init__.__globals__": dumps(
            Global("collections", "OrderedDict.__init__.__globals__"), 4
        ),
        "torch._utils._rebuild_tensor_v2.__class__": dumps(
            Global("torch._utils", "_rebuild_tensor_v2.__class__"), 4
        ),
        "conevol.weights_io.os.system": dumps(Global("conevol.weights_io", "os.system"), 4),
        "functools.partial": Call(Global("functools", "partial"), builtins, code),
        # the older opcodes for the same: INST and OBJ
        "nt.system": b"(S'" + shell.encode() + b"'\nint\nsystem\n.",
        "os.popen": b"(cos\npopen\nS'" + shell.encode() + b"'\no.",
    }


@pytest.mark.parametrize("refused", attacks())
@pytest.mark.parametrize("inside", [False, True])
def test_code_in_a_pickle_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, inside: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(MARK, raising=False)
    attack = attacks()[refused]
    items, data = torch_parts(example())
    if inside and not isinstance(attack, bytes):
        attack = state_dict({**items, "note": attack})
    path = torch_file(tmp_path / "bad.pth", attack, data)
    with pytest.raises(FileFormatError) as caught:
        load_weights(path)
    assert f"refused {refused!r}" in str(caught.value)
    assert "torch.save(model.state_dict(), path)" in str(caught.value)
    assert MARK not in os.environ
    assert [p.name for p in tmp_path.iterdir()] == ["bad.pth"]


@pytest.mark.parametrize("target", [ORDERED, TENSOR, Global("torch", "FloatStorage")])
@pytest.mark.parametrize("slots", [False, True])
def test_a_pickle_cannot_alter_what_it_names(tmp_path: Path, target: Global, slots: bool) -> None:
    before = {key: id(value) for key, value in weights_io._GLOBALS.items()}
    evil = {"__call__": "x", "__defaults__": (1,), "evil": 1}
    state = (None, evil) if slots else evil
    build = dumps(target)[:-1] + dumps(state)[2:-1] + b"b."  # target.__setstate__ or setattr
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_weights(torch_file(tmp_path / "bad.pth", build, {}))
    assert before == {key: id(value) for key, value in weights_io._GLOBALS.items()}
    for value in weights_io._GLOBALS.values():
        assert not hasattr(value, "evil")
    items, data = torch_parts(example())
    assert_same(load_weights(torch_file(tmp_path / "a.pth", state_dict(items), data)), example())


def test_attributes_set_by_a_file_have_no_effect(tmp_path: Path) -> None:
    """NumPy would read any address through __array_interface__; methods could be replaced."""
    items, data = torch_parts(example())
    anywhere = {"data": (1, True), "shape": (3,), "typestr": "<f8", "version": 3}
    fake = Call(ORDERED, state={"__array_interface__": anywhere})
    for value in (fake, [fake, fake, fake]):
        path = torch_file(tmp_path / "bad.pth", state_dict({**items, TORCH_NAMES[0]: value}), data)
        with pytest.raises(WeightsError, match=r"W_hi is a \w+, expected a tensor"):
            load_weights(path)
    hooks = dict.fromkeys(("get", "items", "keys", "__contains__", "__setstate__"), TENSOR)
    obj = Call(ORDERED, state=hooks, items=list(items.items()))
    assert_same(load_weights(torch_file(tmp_path / "a.pth", obj, data)), example())


@pytest.mark.parametrize(
    ("pickled", "expected"),
    [
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "LONG_BINPUT 2147483647 exceeds"),
        (b"\x80\x05\x96" + b"\xff" * 7 + b"\x0f.", "cannot be read"),  # a bytearray of 2^60
        (b"\x80\x02)" + b"\x85" * 30_000 + b"}s.", "tuples, more than the limit"),
        (b"\x80\x02}K\x01b.", "cannot be read"),
        (b"\x80\x02Pnet\n.", "a storage of unknown kind"),
        (b"\x80\x63.", "cannot be read"),
        (b"", "cannot be read"),
        (b"nonsense", "cannot be read"),
        (b"\x80\x02K\x01.", "holds a int, expected a state dict"),
        (b"K\x01" * (3 * 2**20), "data.pkl of 6.0 MiB"),
    ],
)
def test_odd_pickles(tmp_path: Path, pickled: bytes, expected: str) -> None:
    with pytest.raises(FileFormatError, match=expected):
        load_weights(torch_file(tmp_path / "bad.pth", pickled, {}))


def test_tensors_and_storages_of_wrong_parts(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    storage = Stored("storage", Global("torch", "FloatStorage"), "0", "cpu", 3)
    cases = {
        "without a storage": Call(TENSOR, "F32", 0, (3,), (1,)),
        "negated": Call(TENSOR, storage, 0, (3,), (1,), False, None, {"neg": True}),
        "without a tensor": Call(Global("torch._utils", "_rebuild_parameter"), "x", True, None),
        "unknown kind": Call(TENSOR, Stored("storage", "I64", "0", "cpu", 3), 0, (3,), (1,)),
    }
    for expected, value in cases.items():
        path = torch_file(tmp_path / "a.pth", {**items, TORCH_NAMES[0]: value}, data)
        with pytest.raises(FileFormatError, match=expected):
            load_weights(path)


def test_metadata_that_grow_without_end_are_left_out(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    laughs: list[Any] = ["ha"]
    for _ in range(40):
        laughs = [laughs, laughs]
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    beside = {"epoch": 1, "deep": deep, "endless": endless, "laughs": laughs}
    obj = {**beside, "state_dict": state_dict(items)}
    assert load_weights(torch_file(tmp_path / "a.pth", obj, data)).metadata == {"epoch": 1}


def test_zip_bombs(tmp_path: Path) -> None:
    bomb = b"\0" * (weights_io._MAX_BYTES // 4 + 1)
    data = zipped({"net/data/0": bomb}, zipfile.ZIP_DEFLATED)
    # One entry listed four times under four names: no need to pack 256 MiB.
    header = data.index(b"PK\x01\x02")
    directory, end = data[header : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    copies = b"".join(directory.replace(b"data/0", f"data/{i}".encode()) for i in range(4))
    end = end[:8] + struct.pack("<HHL", 4, 4, len(copies)) + end[16:]
    for suffix in (".pth", ".npz"):
        path = tmp_path / f"bomb{suffix}"
        path.write_bytes(data[:header] + copies + end)
        assert path.stat().st_size < 2**20
        with pytest.raises(FileFormatError, match=r"256\.0 MiB, more than the limit of 256 MiB"):
            load_weights(path)


@pytest.mark.parametrize("suffix", [".pth", ".npz", ".json", ".safetensors"])
def test_files_over_the_limit_are_not_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large{suffix}"
    with open(path, "wb") as file:
        file.truncate(weights_io._MAX_BYTES + 1)  # sparse
    with pytest.raises(FileFormatError, match="limit of 256 MiB"):
        load_weights(path)


def test_zip_faults(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    path = tmp_path / "a.pth"
    obj = dumps(state_dict(items))
    path.write_bytes(zipped({"net/data.pkl": obj, **data}, zipfile.ZIP_BZIP2))
    with pytest.raises(FileFormatError, match="packed by method 12, expected stored or deflated"):
        load_weights(path)
    path.write_bytes(zipped({"a/data.pkl": obj, "b/data.pkl": obj}))
    with pytest.raises(FileFormatError, match=r"2 entries data\.pkl, expected one"):
        load_weights(path)
    path.write_bytes(zipped({"readme": b""}))
    with pytest.raises(FileFormatError, match=r"0 entries data\.pkl.*'readme'"):
        load_weights(path)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme", b"again")
    with pytest.raises(FileFormatError, match="two entries of one name"):
        load_weights(path)
    good = torch_file(path, obj, data).read_bytes()
    flipped = good.replace(data["net/data/1"], data["net/data/1"][::-1])
    assert flipped != good
    path.write_bytes(flipped)
    with pytest.raises(FileFormatError, match=r"not a complete zip file.*CRC"):
        load_weights(path)


def test_legacy_torch_file(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2))
    with pytest.raises(FileFormatError, match=r"old\.pth.*before 1\.6.*torch\.save\(torch\.load\("):
        load_weights(path)
    path.write_bytes(b"hello")
    with pytest.raises(FileFormatError, match="not a zip file"):
        load_weights(path)


# ---------------------------------------------------------- damaged and foreign


@pytest.mark.parametrize("suffix", [*WRITABLE, ".pth"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_damage_never_gives_an_untyped_error(
    tmp_path_factory: Any, suffix: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    if suffix == ".pth":
        items, entries = torch_parts(example())
        torch_file(path, state_dict(items), entries)
    else:
        save_weights(path, example())
    content = bytearray(path.read_bytes())
    cut = data.draw(st.booleans())
    if cut:
        del content[data.draw(st.integers(0, len(content) - 2)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    error = None
    try:
        load_weights(path)
    except ConevolError as caught:
        error = caught
    assert error is not None or not cut
    assert error is None or path.name in str(error)


@pytest.mark.parametrize("suffix", [*WRITABLE, ".pth"])
def test_missing_and_empty_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(FileNotFoundError, match=f"a{suffix}"):
        load_weights(path)
    path.write_bytes(b"")
    with pytest.raises(FileFormatError, match=f"a{suffix}"):
        load_weights(path)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.json.gz"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileFormatError, match=r"cannot read.*\.npz, \.json, \.safetensors, \.pth"):
        load_weights(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"cannot write.*are \.npz, \.json, \.safetensors$"):
        save_weights(tmp_path / name, example())
    with pytest.raises(FileFormatError, match=r"cannot write a network with the suffix '\.pth'"):
        save_weights(tmp_path / "a.pth", example())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not valid JSON"),
        ("[1]", "holds a JSON list, expected an object"),
        ("[" * 100_000, "not valid JSON"),
        ("\xff", "not valid JSON"),
    ],
)
def test_not_json(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FileFormatError, match=expected):
        load_weights(path)


def test_foreign_entries_in_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    named = dict(zip(NAMES, parts(example()), strict=True))
    np.savez(path, **{**named, "W_oh": np.array([[1, None]], dtype=object)})
    with pytest.raises(FileFormatError, match="'W_oh' has dtype object, which would be unpickled"):
        load_weights(path)
    np.savez(path, **named, metadata=np.arange(3))
    with pytest.raises(FileFormatError, match=r"'metadata' is int64 of shape \(3,\)"):
        load_weights(path)
    np.savez(path, **named, metadata=np.array("[1]"))
    with pytest.raises(FileFormatError, match="'metadata': holds a JSON list"):
        load_weights(path)
    header = io.BytesIO()
    huge = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(header, huge)
    cases = [(header.getvalue(), "has 0 bytes, expected those of"), (b"hello", "is not an array")]
    for content, expected in cases:
        path.write_bytes(zipped({"W_hi.npy": content}))
        with pytest.raises(FileFormatError, match=f"'W_hi' {expected}"):
            load_weights(path)


def test_safetensors_of_other_types(tmp_path: Path) -> None:
    from safetensors.numpy import save

    path = tmp_path / "a.safetensors"
    named = dict(zip(NAMES, parts(example()), strict=True))
    path.write_bytes(save({**named, "W_hh": np.eye(3, dtype=bool)}))
    with pytest.raises(WeightsError, match="W_hh has dtype BOOL, expected real numbers: F64, F32"):
        load_weights(path)
    path.write_bytes(save(named, metadata={"metadata": "?"}))
    with pytest.raises(FileFormatError, match="'metadata' in the header: is not valid JSON"):
        load_weights(path)


# ----------------------------------------------------------- keys and contents


def write_named(path: Path, named: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import save

    if path.suffix == ".json":
        path.write_text(json.dumps({k: v.tolist() for k, v in named.items()}))
    elif path.suffix == ".npz":
        np.savez(path, **named)
    elif path.suffix == ".safetensors":
        path.write_bytes(save({k: np.ascontiguousarray(v) for k, v in named.items()}))
    else:
        items = {
            name: tensor(str(i), a.size, a.shape, contiguous(a), kind="f8")
            for i, (name, a) in enumerate(named.items())
        }
        data = {f"net/data/{i}": raw(a, "f8") for i, a in enumerate(named.values())}
        torch_file(path, state_dict(items), data)


@pytest.mark.parametrize("suffix", [*WRITABLE, ".pth"])
class TestWrongNetworks:
    def test_missing_keys(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        write_named(path, {"W_hi": np.ones(1), "W_oh": np.ones((1, 1)), "Whh": np.ones((1, 1))})
        with pytest.raises(WeightsError) as caught:
            load_weights(path)
        text = str(caught.value)
        assert text.startswith(f"{path}: has no 'W_hh'; found the keys ")
        assert "'Whh'" in text.split("expected")[0]
        assert "expected 'W_hi', 'W_hh', 'W_oh' or 'rnn.weight_ih_l0'" in text
        write_named(path, {"kernel": np.ones(1)})
        with pytest.raises(WeightsError, match="has no weights; found the keys 'kernel', expected"):
            load_weights(path)

    def test_two_names_for_a_weight(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        named = dict(zip(NAMES, parts(example()), strict=True))
        write_named(path, {**named, "linear.weight": example().W_oh})
        with pytest.raises(WeightsError, match=r"two ways.*linear\.weight.*keep either"):
            load_weights(path)

    @pytest.mark.parametrize("key", ["rnn.bias_ih_l0", "rnn.weight_hh_l1", "linear.bias"])
    def test_weights_that_would_be_ignored(self, tmp_path: Path, suffix: str, key: str) -> None:
        path = tmp_path / f"a{suffix}"
        named = dict(zip(TORCH_NAMES, parts(example()), strict=True))
        write_named(path, {**named, key: np.zeros(3)})
        with pytest.raises(WeightsError, match=f"more weights than a bias-free.*{key}.*delete"):
            load_weights(path)

    def test_contents_are_validated_and_the_file_named(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        named = dict(zip(NAMES, parts(example()), strict=True))
        bad = named["W_hh"].copy()
        bad[2, 1] = np.nan
        write_named(path, {**named, "W_hh": bad})
        with pytest.raises(WeightsError, match=rf"a{suffix}: W_hh\[2, 1\] is nan \(1 of 9 entries"):
            load_weights(path)
        write_named(path, {**named, "W_oh": named["W_oh"].T})
        with pytest.raises(WeightsError, match=rf"a{suffix}: W_oh has shape \(3, 2\).*transpose"):
            load_weights(path)
        write_named(path, {**named, "W_hi": np.zeros(0)})
        with pytest.raises(WeightsError, match=rf"a{suffix}: W_hi is empty"):
            load_weights(path)


ONES = {"W_hi": np.ones(2), "W_hh": np.ones((2, 2)), "W_oh": np.ones((3, 2))}
HUGE = 10**400


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"W_hi": 1.0}, r"W_hi has shape \(\), expected \(hidden,\) or \(hidden, 1\)"),
        ({"W_hi": np.ones((1, 2))}, r"W_hi has shape \(1, 2\), expected \(hidden,\)"),
        ({"W_hi": np.ones((2, 1, 1))}, r"W_hi has shape \(2, 1, 1\)"),
        ({"W_hi": []}, r"W_hi is empty, expected at least one neuron \(hidden >= 1\)"),
        ({"W_hi": np.ones(3)}, r"W_hh has shape \(2, 2\), expected \(3, 3\): hidden is 3"),
        ({"W_hh": np.ones((2, 3))}, r"W_hh has shape \(2, 3\), expected \(2, 2\)"),
        ({"W_hh": np.ones(4)}, r"W_hh has shape \(4,\), expected \(2, 2\)"),
        ({"W_hh": [[1, 2], [3]]}, "W_hh is not an array of numbers.*rows of equal length"),
        ({"W_oh": np.ones(2)}, r"W_oh has shape \(2,\), expected \(n, 2\)"),
        ({"W_oh": np.ones((1, 3, 2))}, r"W_oh has shape \(1, 3, 2\), expected \(n, 2\)"),
        ({"W_oh": np.ones((3, 4))}, r"W_oh has shape \(3, 4\), expected \(n, 2\).*W_hi$"),
        ({"W_oh": np.ones((2, 3))}, r"W_oh has shape \(2, 3\), .*transpose it$"),
        ({"W_oh": np.ones((0, 2))}, r"W_oh has no rows, expected .*\(n >= 1\)"),
        ({"W_oh": []}, r"W_oh has shape \(0,\)|W_oh has no rows"),
        ({"W_hh": np.eye(2) * 1j}, r"W_hh is complex \(complex128\).*take the real part"),
        ({"W_hi": ["1", "2"]}, "W_hi has dtype <U1, expected real numbers"),
        ({"W_hi": [True, False]}, "W_hi has dtype bool, expected real numbers"),
        ({"W_hi": [1.0, None]}, r"W_hi\[1\] is None, expected a real number"),
        ({"W_hh": [[1, 2], [3, {"a": 1}]]}, r"W_hh\[1, 1\] is \{'a': 1\}, expected a real"),
        ({"W_hi": {"a": 1}}, r"W_hi is \{'a': 1\}, expected a real number"),
        ({"W_hi": [True, HUGE]}, r"W_hi\[0\] is True, expected a real number"),
        ({"W_hi": [1, HUGE]}, "W_hi has an integer too large for float64"),
        ({"W_hi": [np.inf, 1]}, r"W_hi\[0\] is inf \(1 of 2 entries are not finite\)"),
        ({"W_hi": [[1], [np.nan]]}, r"W_hi\[1, 0\] is nan"),
        ({"W_hh": [[1, -np.inf], [0, np.nan]]}, r"W_hh\[0, 1\] is -inf \(2 of 4 entries"),
        ({"W_oh": np.full((3, 2), np.nan)}, r"W_oh\[0, 0\] is nan \(6 of 6 entries"),
    ],
)
def test_validation_errors(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(WeightsError, match=f"^here: {expected}"):
        validate_weights(**{**ONES, **changed}, source="here")


def test_validated_arrays_are_new_contiguous_float64() -> None:
    W_hh = np.asfortranarray(np.arange(4.0).reshape(2, 2))
    W_oh = np.ones((3, 2), dtype=np.float16)
    hi, hh, oh = validate_weights([[2**70], [1]], W_hh, W_oh)
    assert hi.tolist() == [2.0**70, 1.0]
    assert hi.shape == (2,)
    for array in (hi, hh, oh):
        assert array.dtype == np.float64
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert not np.shares_memory(hh, W_hh)
    with pytest.raises(WeightsError, match=r"^weights: W_oh"):
        validate_weights([1], [[1]], [[np.nan]])


# --------------------------------------------------------------------- writing


@pytest.mark.parametrize("suffix", WRITABLE)
def test_invalid_weights_are_not_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    good = example()
    cases = [
        (Weights(good.W_hi, good.W_hh * np.nan, good.W_oh), r"W_hh\[0, 0\] is nan"),
        (Weights(good.W_hi, good.W_hh, good.W_oh, {"W_hi": 1}), "metadata use 'W_hi'"),
        (Weights(good.W_hi, good.W_hh, good.W_oh, {"bias": [1]}), "metadata use 'bias'"),
        (
            Weights(good.W_hi, good.W_hh, good.W_oh, {"a": {1, 2}}),
            r"metadata are not JSON values.*set",
        ),
        (
            Weights(good.W_hi, good.W_hh, good.W_oh, {"a": np.nan}),
            r"metadata are not JSON values \(Out of range",
        ),
    ]
    for weights, expected in cases:
        with pytest.raises(WeightsError, match=f"weights for .*a{suffix}: {expected}"):
            save_weights(path, weights)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", WRITABLE)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, step: str
) -> None:
    path = tmp_path / f"a{suffix}"
    save_weights(path, example(seed=1))

    def fail(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(KeyboardInterrupt):
            save_weights(path, example(seed=2))
    assert list(tmp_path.iterdir()) == [path]
    assert_same(load_weights(path), example(seed=1))
    save_weights(path, example(seed=2))
    assert_same(load_weights(path), example(seed=2))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", WRITABLE)
def test_the_same_weights_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        save_weights(tmp_path / f"{name}{suffix}", example())
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_import_is_light_and_reading_needs_no_torch(tmp_path: Path) -> None:
    items, data = torch_parts(example())
    path = torch_file(tmp_path / "a.pth", state_dict(items), data)
    script = (
        "import sys, conevol.weights_io as w\n"
        "heavy = {'torch', 'safetensors', 'scipy', 'sympy', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        f"w.load_weights({str(path)!r})\n"
        "assert 'torch' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=60)
