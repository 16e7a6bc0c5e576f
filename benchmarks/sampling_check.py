"""Exact accuracies against 10^8 samples, for every bundled network of n <= 3 and tie rule."""

from __future__ import annotations

from benchmarks import report
from conevol import accuracy, sample_accuracy, zoo
from conevol.ties import TIE_RULES

SAMPLES = 10**8


def run() -> None:
    rows, worst = [], 0.0
    for name in zoo.names():
        network = zoo.load(name)
        if network.n > 3:
            continue
        for ties in TIE_RULES:
            exact = accuracy(network, ties=ties)
            sampled = sample_accuracy(network, SAMPLES, seed=2024, ties=ties)
            gap = sampled.value - exact.value
            z = gap / sampled.standard_error if sampled.standard_error else 0.0
            worst = max(worst, abs(z))
            rows.append(
                [name, ties, f"{exact.value:.10f}", f"{exact.error_bound:.0e}",
                 f"{sampled.value:.8f}", f"{sampled.standard_error:.0e}", f"{z:+.2f}"]
            )  # fmt: skip
    headings = ["network", "ties", "exact", "bound", "sampled", "standard error", "z"]
    text = f"{SAMPLES:.0e} samples each.\n\n" + report.table(headings, rows)
    values = {"worst_z": f"{worst:.1f}", "samples": f"{SAMPLES:.0e}"}
    report.save("sampling_check", "Exact accuracy against sampling", text, values)
