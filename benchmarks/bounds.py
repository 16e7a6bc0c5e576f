"""Bounds against the exact run, and the hybrid estimator against plain sampling."""

from __future__ import annotations

import time

from benchmarks import report
from conevol import accuracy, accuracy_bounds, accuracy_hybrid, sample_accuracy, zoo

WIDTH = 0.001
# Seconds after which the bounds of the largest network are looked at.
MOMENTS = (1, 10, 60)
SAMPLES = 400_000
# Network, and how far the tree is explored.
HYBRID = (("8/5", {"width": 0.005}), ("16/10", {"nodes": 34}))


def run() -> None:
    accuracy_bounds(zoo.load("6/4"))
    values: dict[str, str] = {}
    text = "After compilation; CPU seconds of all threads.\n\n" + "\n\n".join(
        [_against_exact(values), _moments(values), _against_sampling(values)]
    )
    report.save("bounds", "Bounds, and exact fractions with samples", text, values)


def _cpu(call, runs: int = 3):
    best = float("inf")
    for _ in range(runs):
        before = time.process_time()
        result = call()
        best = min(best, time.process_time() - before)
    return result, best


def _against_exact(values: dict[str, str]) -> str:
    rows = []
    for name in ("8/4", "16/4", "8/5"):
        network = zoo.load(name)
        accuracy_bounds(network, width=WIDTH)
        _, exact = _cpu(lambda net=network: accuracy(net), 1 if name == "8/5" else 3)
        bounds, seconds = _cpu(lambda net=network: accuracy_bounds(net, width=WIDTH))
        part = f"{seconds / exact:.3f}"
        values[f"part_{name.replace('/', '_')}"] = part
        rows.append([name, f"{bounds.width:.5f}", f"{seconds:.2f}", f"{exact:.2f}", part])
    heads = ["network", "width", "seconds", "exact: seconds", "part of the exact run's time"]
    return report.table(heads, rows)


def _moments(values: dict[str, str]) -> str:
    rows = []
    for seconds in MOMENTS:
        bounds = accuracy_bounds(zoo.load("16/10"), seconds=seconds)
        values[f"width_16_10_{seconds}"] = f"{bounds.width:.4f}"
        rows.append(
            [str(seconds), f"{bounds.width:.4f}", f"{bounds.nodes:,}", f"{bounds.seconds:.1f}"]
        )
    return report.table(["16/10: seconds", "width", "prefixes", "ended after"], rows)


def _against_sampling(values: dict[str, str]) -> str:
    rows = []
    for name, budget in HYBRID:
        network = zoo.load(name)
        sampled, plain = _cpu(lambda net=network: sample_accuracy(net, SAMPLES))
        accuracy_hybrid(network, 1000, **budget)
        mixed, seconds = _cpu(lambda net=network, b=budget: accuracy_hybrid(net, SAMPLES, **b))
        variance = (sampled.standard_error / mixed.standard_error) ** 2
        factor = variance * plain / seconds
        values[f"factor_{name.replace('/', '_')}"] = f"{factor:.2g}"
        rows.append(
            [name, f"{mixed.sampled:.4f}", f"{variance:.3g}", f"{seconds / plain:.3g}",
             f"{factor:.2g}"]
        )  # fmt: skip
    heads = [
        "network", "part sampled", "sampling's variance over the hybrid's",
        "hybrid's time over sampling's", "variance x time: sampling's over the hybrid's",
    ]  # fmt: skip
    return report.table(heads, rows)
