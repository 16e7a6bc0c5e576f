"""Networks on disk, whatever the format: exact round trips, and errors that name the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files_builders import (
    NAMES,
    TORCH_NAMES,
    WRITABLE,
    assert_same,
    contiguous,
    example,
    parts,
    raw,
    state_dict,
    tensor,
    torch_file,
    torch_parts,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conevol.errors import ConevolError, FileFormatError, WeightsError
from conevol.files import Weights, load_weights, save_weights
from conevol.files.archive import MAX_BYTES

ALGZOO = Path(__file__).resolve().parents[1] / ".." / "shared" / "algzoo"
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


@pytest.mark.parametrize("suffix", [".pth", ".npz", ".json", ".safetensors"])
def test_files_over_the_limit_are_not_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large{suffix}"
    with open(path, "wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse
    with pytest.raises(FileFormatError, match="limit of 256 MiB"):
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
        "import sys, conevol.files as w\n"
        "heavy = {'torch', 'safetensors', 'scipy', 'sympy', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        f"w.load_weights({str(path)!r})\n"
        "assert 'torch' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=60)
