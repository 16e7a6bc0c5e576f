"""Fractions in four and more dimensions: time a cone, memory, threads; SciPy in the same run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks import report
from benchmarks.timing import best_times
from conevol import engine

# Dimension to what a cone may take in microseconds, and cones in a batch.
SIMPLICIAL = {
    4: (5, 2000),
    6: (40, 500),
    8: (100, 200),
    10: (600, 50),
    12: (4_000, 10),
    16: (150_000, 1),
    20: (4_000_000, 1),
}
HALF_SPACES = {4: (30, 300), 6: (5_000, 20), 8: (100_000, 2)}
THREADED = {6: 8000, 8: 2000, 9: 1000, 10: 500, 12: 150}
MEGABYTES = 1000
# The peak of the process itself: what getrusage says is inherited from the parent.
_PEAK = """
import re, numpy as np, conevol
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()).group(1))
before = peak()
conevol.fraction(np.random.default_rng(0).standard_normal((8, 8)))
conevol.fraction(np.random.default_rng(0).standard_normal((20, 20)))
print((peak() - before) / 1024)
"""

__all__ = ["run"]


def _simplicial(d: int, count: int) -> np.ndarray:
    return np.random.default_rng(d).standard_normal((count, d, d))


def _correlations(d: int, count: int) -> np.ndarray:
    """Normals whose Gram matrix is the correlation of 2 d samples of d numbers."""
    x = np.random.default_rng(d).standard_normal((count, d, 2 * d))
    factors = np.linalg.cholesky(x @ x.transpose(0, 2, 1))
    return factors / np.linalg.norm(factors, axis=2)[..., None]


def _half_spaces(d: int, count: int) -> np.ndarray:
    """2 d random half-spaces that share a point."""
    rng = np.random.default_rng(d)
    a = rng.standard_normal((count, 2 * d, d))
    return a * np.where(a @ rng.standard_normal(d) < 0.0, -1.0, 1.0)[..., None]


def _scipy(normals: np.ndarray) -> Callable[[], object] | None:
    """SciPy at its default settings, on the same cone."""
    try:
        from scipy.stats import multivariate_normal
    except ImportError:
        return None
    covariance, origin = normals @ normals.T, np.zeros(len(normals))
    return lambda: multivariate_normal.cdf(origin, origin, covariance)


def _row(kind: str, normals: np.ndarray, allowed: float, peer: bool) -> tuple[list[str], float]:
    count, _, d = normals.shape
    calls: dict[str, Callable[[], object]] = {"ours": lambda: engine.fractions(normals, threads=1)}
    scipy = _scipy(normals[0]) if peer else None
    if scipy is not None:
        calls["scipy"] = scipy
    times = best_times(calls, seconds=0.3, rounds=2)
    each = 1e6 * times["ours"] / count
    ratio = f"{1e6 * times['scipy'] / each:,.1f}" if "scipy" in times else ""
    print(f"{kind}, d = {d}: {each:,.1f} microseconds", flush=True)
    row = [kind, str(d), f"{each:,.1f}", f"{allowed:,}", f"{each / allowed:.2f}", ratio]
    return row, each


def _peak() -> float:
    """Megabytes that a simplicial cone in 20 dimensions takes at its peak, its code included."""
    done = subprocess.run([sys.executable, "-c", _PEAK], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _threads(d: int, count: int) -> float:
    """Wall-clock time of one thread over that of two, in turn, best of both."""
    normals = _simplicial(d, count)
    best = {1: float("inf"), 2: float("inf")}
    for _ in range(8):
        for threads in best:
            before = time.perf_counter()
            engine.fractions(normals, threads=threads)
            best[threads] = min(best[threads], time.perf_counter() - before)
    return best[1] / best[2]


def run() -> None:
    rows, values = [], {}
    for d, (allowed, count) in SIMPLICIAL.items():
        row, each = _row("Gaussian normals", _simplicial(d, count), allowed, True)
        rows.append(row)
        values[f"simplicial_d{d}"] = f"{each:.3g}"
    for d, (allowed, count) in SIMPLICIAL.items():
        row, each = _row("Gaussian correlations", _correlations(d, count), allowed, True)
        rows.append(row)
        values[f"correlations_d{d}"] = f"{each:.3g}"
        values[f"scipy_d{d}"] = row[-1]
    for d, (allowed, count) in HALF_SPACES.items():
        row, each = _row("2 d half-spaces", _half_spaces(d, count), allowed, False)
        rows.append(row)
        values[f"half_spaces_d{d}"] = f"{each:.3g}"
    headings = ["cone", "d", "µs a cone", "goal", "of the goal", "SciPy: time ratio"]
    peak = _peak()
    values["megabytes_d20"] = f"{peak:.0f}"
    gains = {d: _threads(d, count) for d, count in THREADED.items()}
    values.update({f"threads_d{d}": f"{gain:.2f}" for d, gain in gains.items()})
    text = (
        "CPU time of one core after compilation, cones in a batch, whatever arithmetic each of\n"
        "them takes. *Gaussian normals*: d half-spaces whose normals are independent Gaussian\n"
        "vectors, so some are ill-conditioned. *Gaussian correlations*: d half-spaces whose Gram\n"
        "matrix is the correlation of 2 d independent samples. *2 d half-spaces*: Gaussian\n"
        "normals turned to share a point, rays included. SciPy is `multivariate_normal.cdf` as it\n"
        "comes, which gives five digits, on one of the same cones.\n\n"
        + report.table(headings, rows)
        + f"\n\nAt d = 20 a cone takes {peak:,.0f} MB (goal: {MEGABYTES:,}).\n\n"
        "Two threads on a batch, wall-clock time of one over that of two (goal: 1.7):\n\n"
        + report.table(["d", "gain"], [[str(d), f"{gain:.2f}"] for d, gain in gains.items()])
    )
    report.save("engine", "Fractions in four and more dimensions", text, values)
