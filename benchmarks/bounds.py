"""Bounds against time and the exact run, and the hybrid estimator against plain sampling.

Three minutes in all, of which 71 s are the largest network's.
"""

from __future__ import annotations

import time

from benchmarks import report
from conevol import AccuracyBounds, accuracy, accuracy_bounds, accuracy_hybrid, sample_accuracy, zoo

# Bounds are refined to the last of these; how long it took to each is noted.
WIDTHS = (0.1, 0.03, 0.01, 0.003, 0.001)
# Seconds after which the bounds of the largest network are looked at.
MOMENTS = (1, 10, 60)
SAMPLES = 400_000
# How far the hybrid explores the tree, where it does.
EXPLORED = 0.002
# Runs of the hybrid whose standard error comes from few replicates.
RUNS = 24


def run() -> None:
    # Compiled before anything is timed, n = 10 too.
    accuracy_bounds(zoo.load("6/4"), width=0.01)
    accuracy_bounds(zoo.load("16/10"), nodes=2)
    values: dict[str, str] = {}
    text = "After compilation; two networks in CPU seconds of all threads.\n\n" + "\n\n".join(
        [_against_time(values), _moments(values), _against_sampling(values)]
    )
    report.save("bounds", "Bounds, and exact fractions with samples", text, values)


def _cpu(call):
    before = time.process_time()
    result = call()
    return result, time.process_time() - before


def _against_time(values: dict[str, str]) -> str:
    rows = []
    for name in ("16/4", "8/5"):
        network = zoo.load(name)
        accuracy_bounds(network, nodes=50)
        reached = _seconds_to_widths(network)
        _, exact = _cpu(lambda net=network: accuracy(net))
        key = name.replace("/", "_")
        for width, seconds in reached.items():
            values[f"seconds_{key}_{str(width).replace('.', '_')}"] = f"{seconds:.2f}"
        values[f"exact_{key}"] = f"{exact:.2f}"
        values[f"part_{key}"] = f"{reached[WIDTHS[-1]] / exact:.3f}"
        rows.append(
            [name, *(f"{seconds:.2f}" for seconds in reached.values()), f"{exact:.2f}",
             values[f"part_{key}"]]
        )  # fmt: skip
    heads = [
        "network", *(f"seconds to width {width}" for width in WIDTHS), "exact: seconds",
        f"part of it to {WIDTHS[-1]}",
    ]  # fmt: skip
    return report.table(heads, rows)


def _seconds_to_widths(network) -> dict[float, float]:
    """CPU seconds after which one run's bounds were as near as each of the widths."""
    started = time.process_time()
    reached: dict[float, float] = {}

    def note(now: AccuracyBounds) -> None:
        for width in WIDTHS:
            if now.width <= width and width not in reached:
                reached[width] = time.process_time() - started

    accuracy_bounds(network, width=WIDTHS[-1], progress=note)
    return reached


def _moments(values: dict[str, str]) -> str:
    rows = []
    for seconds in MOMENTS:
        bounds = accuracy_bounds(zoo.load("16/10"), seconds=seconds)
        values[f"width_16_10_{seconds}"] = f"{bounds.width:.4f}"
        values[f"ended_16_10_{seconds}"] = f"{bounds.seconds:.1f}"
        rows.append(
            [str(seconds), f"{bounds.width:.4f}", f"{bounds.nodes:,}", f"{bounds.seconds:.1f}"]
        )
    return report.table(["16/10: seconds", "width", "prefixes", "ended after"], rows)


def _against_sampling(values: dict[str, str]) -> str:
    rows = []
    for name in ("8/5", "16/10"):
        network, key = zoo.load(name), name.replace("/", "_")
        sample_accuracy(network, 1000)
        accuracy_hybrid(network, 1000, width=0.05)
        sampled, plain = _cpu(lambda net=network: sample_accuracy(net, SAMPLES))
        # The standard error of one run of few replicates is not known well.
        runs = [
            _cpu(lambda net=network, s=seed: accuracy_hybrid(net, SAMPLES, width=EXPLORED, seed=s))
            for seed in range(1 if name == "8/5" else RUNS)
        ]
        mixed, seconds = runs[0][0], sum(r[1] for r in runs) / len(runs)
        square = sum(run.standard_error**2 for run, _ in runs) / len(runs)
        variance = sampled.standard_error**2 / square
        factor = variance * plain / seconds
        values[f"factor_{key}"] = f"{factor:.0f}" if factor >= 10.0 else f"{factor:.1f}"
        values[f"standard_error_{key}"] = f"{square**0.5:.1e}"
        rows.append(
            [name, f"{mixed.sampled:.4f}", f"{square**0.5:.1e}", f"{variance:.3g}",
             f"{seconds / plain:.3g}", values[f"factor_{key}"]]
        )  # fmt: skip
    heads = [
        "network", "part sampled", "standard error", "sampling's variance over the hybrid's",
        "hybrid's time over sampling's", "variance x time: sampling's over the hybrid's",
    ]  # fmt: skip
    return report.table(heads, rows)
