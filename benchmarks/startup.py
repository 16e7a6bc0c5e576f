"""Start-up: import, the very first run of the command, and the next ones."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks import report


def run() -> None:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}

        def seconds(*command: str) -> float:
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, *command], check=True, env=environment, stdout=subprocess.DEVNULL
            )
            return time.perf_counter() - started

        bare = min(seconds("-c", "pass") for _ in range(5))
        imported = min(seconds("-c", "import conevol") for _ in range(5))
        first = seconds("-m", "conevol.cli", "accuracy")
        cached = min(seconds("-m", "conevol.cli", "accuracy") for _ in range(5))
    rows = [
        ["`python -c pass`", f"{bare:.2f} s"],
        ["`import conevol`", f"{imported:.2f} s"],
        ["`conevol accuracy`, the very first time", f"{first:.1f} s"],
        ["`conevol accuracy`, kernels cached", f"{cached:.2f} s"],
    ]
    text = report.table(["command", "wall-clock time"], rows)
    values = {"import": f"{imported:.2f}", "first": f"{first:.0f}", "cached": f"{cached:.1f}"}
    report.save("startup", "Start-up", text, values)
