"""Estimates on disk, a line each, so that a run that was stopped can go on."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from conevol.errors import ConevolError
from conevol.estimators import Estimate
from conevol.network import ReluRNN

__all__ = ["Store", "fingerprint"]


def fingerprint(network: ReluRNN) -> str:
    """Tells networks apart: a hash of task and weights."""
    digest = hashlib.sha256(network.task.encode())
    for w in (network.W_hi, network.W_hh, network.W_oh):
        digest.update(str(w.shape).encode() + np.ascontiguousarray(w).tobytes())
    return digest.hexdigest()[:16]


class Store:
    """A folder with settings.json and estimates/NAME.jsonl; without a folder, nothing is kept.

    Parameters
    ----------
    folder : path or None
    settings : dict
        What the estimates depend on.

    Raises
    ------
    ConevolError
        If the folder holds estimates for other settings.
    """

    def __init__(self, folder: str | Path | None, settings: dict[str, Any]) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        (self.folder / "estimates").mkdir(parents=True, exist_ok=True)
        path = self.folder / "settings.json"
        if path.exists():
            there = json.loads(path.read_text())
            other = [key for key in settings if there.get(key) != settings[key]]
            if other:
                said = ", ".join(f"{k} = {there.get(k)!r} and not {settings[k]!r}" for k in other)
                raise ConevolError(
                    f"{self.folder} holds estimates with {said}: name another folder, or remove it"
                )
        else:
            path.write_text(json.dumps(settings, indent=1) + "\n")

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        digest = hashlib.sha256(name.encode()).hexdigest()[:6]
        return (
            self.folder / "estimates" / f"{re.sub(r'[^A-Za-z0-9.=-]+', '_', name)}-{digest}.jsonl"
        )

    def read(self, name: str) -> dict[int, Estimate]:
        """Estimates of an estimator by copy; a line that was cut off is dropped."""
        found: dict[int, Estimate] = {}
        if self.folder is None or not self._path(name).exists():
            return found
        for line in self._path(name).read_text().splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            copy = record.pop("copy")
            if record["error"] is None:
                record["error"] = float("nan")
            found[copy] = Estimate(**record)
        return found

    def write(self, name: str, copies: list[int], estimates: list[Estimate]) -> None:
        """Append estimates of some copies."""
        if self.folder is None:
            return
        lines = []
        for copy, e in zip(copies, estimates, strict=True):
            error = None if np.isnan(e.error) else e.error
            lines.append(json.dumps({"copy": copy, **vars(e), "error": error}))
        path = self._path(name)
        broken = path.exists() and not path.read_bytes().endswith(b"\n")
        with path.open("a") as file:
            file.write(("\n" if broken else "") + "\n".join(lines) + "\n")
