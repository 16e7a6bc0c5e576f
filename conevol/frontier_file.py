"""The state of an exploration of a pattern tree as a file: npz without pickled objects."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from conevol.errors import FileFormatError

__all__ = ["load", "save"]

_FORMAT = "conevol frontier 3"
_SUMS = ("right", "wrong", "error", "explored")
_COUNTS = ("nodes", "patterns", "terms", "operations")


def fingerprint(tree: Any) -> str:
    """Hash of all that the results depend on: weights, task and tie rule."""
    digest = hashlib.sha256()
    for array in (tree.W_hi, tree.W_hh, tree.W_oh, tree.region_rows, tree.region_labels):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr((tree.unit, tree.rule)).encode())
    return digest.hexdigest()


def save(frontier: Any, path: str | Path) -> None:
    """Write a frontier; a file that is there is replaced when the new one is whole."""
    items = sorted(frontier.heap)
    path = Path(path)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            format=_FORMAT,
            network=fingerprint(frontier.tree),
            sums=np.array([getattr(frontier, name) for name in _SUMS]),
            counts=np.array([getattr(frontier, name) for name in _COUNTS]),
            lengths=np.array([len(item.node) for item in items], dtype=np.int64),
            nodes=np.frombuffer(b"".join(item.node for item in items), dtype=np.uint8),
            visits=np.array([item.visits for item in items], dtype=np.int64),
            patterns=np.array([item.patterns for item in items], dtype=np.int64),
            reals=np.array([(item.rank, *item[3:8]) for item in items]).reshape(-1, 6),
        )
    os.replace(part, path)


def load(frontier: Any, path: str | Path, make: Any) -> None:
    """Fill a new frontier from a file.

    Raises
    ------
    FileFormatError
        If the file is no frontier, or that of another network, task or tie rule.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            known = "format" in file and str(file["format"]) == _FORMAT
            held = {name: file[name] for name in file.files} if known else {}
    except (ValueError, BadZipFile, EOFError, KeyError) as error:
        raise FileFormatError(f"{path} holds no state of accuracy_bounds: {error}") from error
    if not held:
        raise FileFormatError(f"{path} holds no state of accuracy_bounds, expected {_FORMAT!r}")
    if str(held["network"]) != fingerprint(frontier.tree):
        raise FileFormatError(
            f"{path} is of another network, task or tie rule: resume with the same, or without it"
        )
    for names, values in ((_SUMS, held["sums"]), (_COUNTS, held["counts"])):
        for name, value in zip(names, values.tolist(), strict=True):
            setattr(frontier, name, value)
    ends = np.cumsum(held["lengths"]).tolist()
    nodes = held["nodes"].tobytes()
    frontier.heap = [
        make(row[0], nodes[end - length : end], visits, *row[1:], patterns)
        for end, length, visits, patterns, row in zip(
            ends, *(held[name].tolist() for name in ("lengths", "visits", "patterns", "reals")),
            strict=True,
        )
    ]  # fmt: skip
