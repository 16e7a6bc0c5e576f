"""Exact accuracies for n > 3 against 10^9 samples; minutes, so it runs only when it is named."""

from __future__ import annotations

from benchmarks import report
from benchmarks.longer_inputs import NAMES
from conevol import accuracy, sample_accuracy, zoo

SAMPLES = 10**9


def run() -> None:
    rows, worst = [], 0.0
    for name in NAMES:
        network = zoo.load(name)
        exact = accuracy(network)
        sampled = sample_accuracy(network, SAMPLES, seed=2025)
        z = (sampled.value - exact.value) / sampled.standard_error
        worst = max(worst, abs(z))
        rows.append(
            [name, f"{exact.value:.12f}", f"{exact.error_bound:.0e}", f"{sampled.value:.9f}",
             f"{sampled.standard_error:.0e}", f"{z:+.2f}"]
        )  # fmt: skip
    headings = ["network", "exact", "bound", "sampled", "standard error", "z"]
    text = f"{SAMPLES:.0e} samples each.\n\n" + report.table(headings, rows)
    values = {"worst_z": f"{worst:.1f}", "samples": f"{SAMPLES:.0e}"}
    report.save("billion", "Exact accuracy for longer inputs against sampling", text, values)
