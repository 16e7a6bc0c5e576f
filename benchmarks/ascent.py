"""A climb on the exact accuracy of the bundled 4/3 network, with its curve as a picture."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks import report
from conevol import ascend, sample_accuracy, zoo

STEPS, SAMPLES = 300, 10_000_000
MARKS = (0, 10, 50, 100, 200, 300)


def run() -> None:
    start = time.process_time()
    climb = ascend(zoo.load("4/3"), steps=STEPS)
    seconds = time.process_time() - start
    sampled = sample_accuracy(climb.network, SAMPLES, seed=1)
    z = (sampled.value - climb.curve[-1]) / sampled.standard_error
    rows = [[str(k), f"{100 * climb.curve[k]:.4f}"] for k in MARKS if k < len(climb.curve)]
    note = (
        f"{len(climb.rates)} steps ({climb.stopped}), {climb.evaluations} accuracies and as many "
        f"gradients as steps; {SAMPLES:,} samples of the last network lie {z:+.1f} standard errors "
        "from its exact accuracy.\n"
    )
    draw(climb.curve)
    text = report.table(["step", "exact accuracy in %"], rows) + "\n" + note
    report.save(
        "ascent",
        "Gradient ascent on the exact accuracy of the 4/3 network",
        text,
        {"curve": climb.curve.tolist(), "seconds": seconds, "z": z},
    )


def draw(curve: np.ndarray) -> None:
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(100.0 * (1.0 - curve), color="#0072B2", linewidth=1.6)
    axes.set(xlabel="step", ylabel="inputs that are wrong, in %", yscale="log")
    ticks = [t for t in (2.0, 1.5, 1.0, 0.7, 0.5, 0.3, 0.2) if t >= 90.0 * (1.0 - curve[-1])]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(
        f"4/3 network: from {100 * curve[0]:.3f} % to {100 * curve[-1]:.3f} % right", fontsize=11
    )
    figure.savefig(report.ROOT / "docs" / "ascent_4_3.png", dpi=110)
