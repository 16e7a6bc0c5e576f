"""Fractions of random cones in three dimensions: conevol, the same algorithm in C, and peers."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import exhaustive, report
from benchmarks.timing import best_times
from conevol.kernels import spherical

CONES = 100_000
# Peers are slow: they get a part of the same cones.
EXHAUSTIVE_CONES, SPHERELY_CONES = 5_000, 300


def run() -> None:
    rows, values = [], {}
    for k in (3, 4, 6, 10):
        normals = np.random.default_rng(k).standard_normal((CONES, k, 3))
        ours = np.empty(CONES)
        errors = np.empty(CONES)
        contenders: dict[str, tuple[int, Callable[[], object]]] = {
            "conevol": (
                CONES,
                lambda a=normals, v=ours, e=errors: spherical.fractions_range(a, 0, CONES, v, e),
            )
        }
        answers: dict[str, np.ndarray] = {"conevol": ours}
        for name, make in (("C", _c), ("exhaustive", _exhaustive), ("spherely", _spherely)):
            made = make(normals)
            if made is not None:
                cones, call, answers[name] = made
                contenders[name] = (cones, call)
        times = best_times({name: call for name, (_, call) in contenders.items()})
        ns = {name: 1e9 * times[name] / contenders[name][0] for name in times}
        row = [str(k), f"{1e3 / ns['conevol']:.2f}", f"{ns['conevol']:.0f}"]
        values[f"million_per_second_k{k}"] = f"{1e3 / ns['conevol']:.1f}"
        for name in ("C", "exhaustive", "spherely"):
            if name in ns:
                ratio = ns[name] / ns["conevol"]
                off = np.abs(answers[name] - ours[: len(answers[name])]).max()
                row += [f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}", f"{off:.0e}"]
                values[f"{name.lower()}_ratio_k{k}"] = row[-2]
            else:
                row += ["not here", ""]
        rows.append(row)
    headings = [
        "k half-spaces", "million a second", "ns a cone",
        "C: time ratio", "largest difference",
        "exhaustive: time ratio", "largest difference",
        "spherely (S2): time ratio", "largest difference",
    ]  # fmt: skip
    text = (
        "Random normals, one core, after compilation. A time ratio is the peer's time a cone\n"
        "over conevol's in the same run; the C program is the same algorithm, compiled with\n"
        "-O3 -march=native.\n\n" + report.table(headings, rows)
    )
    report.save("fractions", "Fractions in three dimensions", text, values)


def _c(normals: np.ndarray) -> tuple[int, Callable[[], object], np.ndarray] | None:
    """The C program, compiled into a temporary folder."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    source = Path(__file__).parent / "c" / "polygon.c"
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "polygon.so"
        command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source]
        subprocess.run([*map(str, command), "-lm"], check=True)
        code = ctypes.CDLL(str(library))
    out, errors = np.empty(len(normals)), np.empty(len(normals))

    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        return array.ctypes.data_as(ctypes.c_void_p)

    def call() -> None:
        code.fractions(
            pointer(normals), ctypes.c_int64(len(normals)), ctypes.c_int(normals.shape[1]),
            pointer(out), pointer(errors),
        )  # fmt: skip

    return len(normals), call, out


def _exhaustive(normals: np.ndarray) -> tuple[int, Callable[[], object], np.ndarray]:
    part = normals[:EXHAUSTIVE_CONES]
    return len(part), lambda: exhaustive.fractions(part), exhaustive.fractions(part)


def _spherely(normals: np.ndarray) -> tuple[int, Callable[[], object], np.ndarray] | None:
    """Intersections of hemispheres with the S2 library."""
    try:
        import spherely
    except ImportError:
        return None
    part = normals[:SPHERELY_CONES]

    def hemisphere(normal: np.ndarray) -> object:
        """Four points on the great circle, counter-clockwise around the normal."""
        x = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
        x /= np.linalg.norm(x)
        y = np.cross(normal, x)
        points = [x, y / np.linalg.norm(y), -x, -y / np.linalg.norm(y)]
        shell = [(np.degrees(np.arctan2(p[1], p[0])), np.degrees(np.arcsin(p[2]))) for p in points]
        return spherely.create_polygon(shell=shell, oriented=True)

    def one(cone: np.ndarray) -> float:
        polygon = hemisphere(cone[0])
        for normal in cone[1:]:
            polygon = spherely.intersection(polygon, hemisphere(normal))
        return spherely.area(polygon, radius=1.0) / (4.0 * np.pi)

    def call() -> np.ndarray:
        return np.array([one(cone) for cone in part])

    return len(part), call, call()
