"""PyTorch's files read without PyTorch: number formats, strides, and tensors that do not fit."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files_builders import (
    ORDERED,
    TENSOR,
    TORCH_NAMES,
    Call,
    Global,
    Stored,
    assert_same,
    dumps,
    example,
    raw,
    state_dict,
    tensor,
    torch_file,
    torch_parts,
    zipped,
)

from conevol.errors import FileFormatError, WeightsError
from conevol.files import load_weights


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
        (((0, 2**61), (1, 1), 0), "MiB"),
        (((1,) * 100, (1,) * 100, 0), "32 dimensions"),
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
