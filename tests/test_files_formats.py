"""What is peculiar to .json, .npz and .safetensors: metadata, number formats, foreign entries."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from files_builders import (
    NAMES,
    ORDERED,
    Call,
    assert_same,
    example,
    parts,
    raw,
    state_dict,
    tensor,
    torch_file,
    torch_parts,
    zipped,
)

from conevol.errors import FileFormatError, WeightsError
from conevol.files import load_weights


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
            "versions": Call(ORDERED, items=[("rnn", 1)]),
        }
        path = torch_file(tmp_path / "a.pth", {**beside, key: state_dict(items)}, data)
        assert_same(load_weights(path), weights)
        assert load_weights(path).metadata == {
            "epoch": 3,
            "loss": [0.5, None],
            "args": {"lr": 0.1, "shape": [2, 3]},
            "versions": {"rnn": 1},
        }


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


@pytest.mark.parametrize("shape", [[0, 2**62], [0, 2**31, 2**31, 2**31], [1] * 100])
def test_safetensors_of_impossible_shapes(tmp_path: Path, shape: list[int]) -> None:
    one = np.float64(1).tobytes()
    size = 8 * min(shape)
    header = {"W_hi": {"dtype": "F64", "shape": shape, "data_offsets": [0, size]}}
    for name in ("W_hh", "W_oh"):
        header[name] = {"dtype": "F64", "shape": [1, 1], "data_offsets": [size, size + 8]}
        size += 8
    text = json.dumps(header).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + one * (size // 8))
    with pytest.raises(FileFormatError, match="W_hi has the impossible shape"):
        load_weights(path)
