"""Files made to run code, to leave something behind or to exhaust memory."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from files_builders import (
    ORDERED,
    TENSOR,
    TORCH_NAMES,
    Call,
    Global,
    assert_same,
    dumps,
    example,
    state_dict,
    torch_file,
    torch_parts,
    zipped,
)

from conevol.errors import FileFormatError, WeightsError
from conevol.files import load_weights, restricted_pickle
from conevol.files.archive import MAX_BYTES

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
        "conevol.files.formats.os.system": dumps(Global("conevol.files.formats", "os.system"), 4),
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
    before = {key: id(value) for key, value in restricted_pickle._GLOBALS.items()}
    evil = {"__call__": "x", "__defaults__": (1,), "evil": 1}
    state = (None, evil) if slots else evil
    build = dumps(target)[:-1] + dumps(state)[2:-1] + b"b."  # target.__setstate__ or setattr
    with pytest.raises(FileFormatError, match="cannot be read"):
        load_weights(torch_file(tmp_path / "bad.pth", build, {}))
    assert before == {key: id(value) for key, value in restricted_pickle._GLOBALS.items()}
    for value in restricted_pickle._GLOBALS.values():
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
    bomb = b"\0" * (MAX_BYTES // 4 + 1)
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
