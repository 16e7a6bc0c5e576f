"""R's mvtnorm in a process of its own, which can be ended when a call takes too long."""

from __future__ import annotations

import selectors
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Answer", "Mvtnorm"]

SCRIPT = Path(__file__).parent / "r" / "mvtnorm.R"


class Answer(NamedTuple):
    """What a peer says: values of equal calls, seconds a call, its own words."""

    values: list[float]
    seconds: float
    message: str


class Mvtnorm:
    """A conversation with Rscript; `version` is None where R or the package is missing."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.version: str | None = None
        if shutil.which("Rscript"):
            self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            ["Rscript", "--vanilla", str(SCRIPT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        words = (self._line(30.0) or "").split()
        self.version = words[1] if words[:1] == ["ready"] else None
        if self.version is None:
            self.close()

    def _line(self, seconds: float) -> str | None:
        """The next line of the process, or None if it does not come in time."""
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if selector.select(seconds) else None

    def ask(
        self, method: str, setting: float, covariance: np.ndarray, seconds: float
    ) -> Answer | None:
        """P(Y >= 0) by a method of the package; None, and a new process, after some seconds."""
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        entries = " ".join(float(x).hex() for x in covariance.ravel())
        self._process.stdin.write(f"{method} {setting:g} {len(covariance)} {entries}\n")
        self._process.stdin.flush()
        line = self._line(seconds)
        if line is None:
            self.close()
            return None
        values, took, message = line.split(maxsplit=2)
        return Answer([float(v) for v in values.split(",")], float(took), message.strip())

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
