"""Exact accuracy of an ensemble of noisy copies, against the library's own sampler."""

from __future__ import annotations

from benchmarks import report
from benchmarks.timing import best_times
from conevol import accuracy, sample_accuracy, zoo

COPIES, NOISE = 256, 0.05
SAMPLES = 2**21


def run() -> None:
    rows, values = [], {}
    for name in ("2/2", "3/3", "4/3", "8/3", "16/3"):
        network = zoo.load(name)
        copies = network.noisy_copies(COPIES, NOISE, seed=1)
        times = best_times(
            {
                "exact": lambda copies=copies: accuracy(copies, threads=1),
                "sampling": lambda net=network: sample_accuracy(net, SAMPLES, threads=1),
            },
            rounds=20,
        )
        exact = times["exact"] / COPIES
        sample = times["sampling"] / SAMPLES
        result = accuracy(copies)
        budget = exact / sample
        variance = float((result.value * (1.0 - result.value)).mean())
        rows.append(
            [
                name,
                f"{result.patterns.mean():.0f}",
                f"{result.cells.mean():.0f}",
                f"{1e6 * exact:.1f}",
                f"{1e9 * sample:.1f}",
                f"{budget:,.0f}",
                f"{(variance / budget) ** 0.5:.1e}",
                f"{result.error_bound.max():.0e}",
            ]
        )
        key = name.replace("/", "_")
        values[f"microseconds_{key}"] = f"{1e6 * exact:.0f}"
        values[f"sample_nanoseconds_{key}"] = f"{1e9 * sample:.0f}"
        values[f"samples_in_the_time_{key}"] = f"{budget:,.0f}"
        values[f"sampling_error_in_the_time_{key}"] = f"{100 * (variance / budget) ** 0.5:.1f}"
        values[f"bound_{key}"] = f"{result.error_bound.max():.0e}"
    headings = [
        "network", "patterns", "cells", "exact: µs a network", "sampling: ns a sample",
        "samples in the time of exact", "their standard error", "exact: largest error bound",
    ]  # fmt: skip
    text = (
        f"{COPIES} copies of each bundled network with Gaussian noise of {NOISE} on every weight,\n"
        "one core, after compilation.\n\n" + report.table(headings, rows)
    )
    report.save("networks", "Exact accuracy of ensembles", text, values)
