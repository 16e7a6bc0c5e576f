"""Exact accuracy for n > 3: time, cells, error bound, and how far the cells' sum is from 1."""

from __future__ import annotations

import resource
import time

from benchmarks import report
from conevol import accuracy, zoo
from conevol.cells import pattern_tree
from conevol.parallel import thread_count
from conevol.subtrees import sum_subtrees

NAMES = ("6/4", "8/4", "16/4", "8/5")
# Runs of which the shortest counts.
RUNS = 3


def run() -> None:
    accuracy(zoo.load("6/4"))
    rows, values = [], {}
    for name in NAMES:
        network = zoo.load(name)
        wall, cpu = float("inf"), float("inf")
        for _ in range(RUNS):
            started, before = time.perf_counter(), time.process_time()
            result = accuracy(network)
            wall = min(wall, time.perf_counter() - started)
            cpu = min(cpu, time.process_time() - before)
        sums = sum_subtrees(pattern_tree(network), every=True)
        rows.append(
            [
                name,
                f"{result.patterns:,}",
                f"{result.cells:,}",
                f"{result.value:.12f}",
                f"{result.error_bound:.0e}",
                f"{abs(sums.total - 1.0):.0e}",
                f"{wall:.2f}",
                f"{cpu:.2f}",
            ]
        )
        key = name.replace("/", "_")
        values[f"seconds_{key}"] = f"{wall:.2g}"
        values[f"patterns_{key}"] = f"{result.patterns:,}"
        values[f"cells_{key}"] = f"{result.cells:,}"
        values[f"bound_{key}"] = f"{result.error_bound:.0e}"
        values[f"sum_{key}"] = f"{abs(sums.total - 1.0):.0e}"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values["megabytes"] = f"{memory:.0f}"
    headings = [
        "network", "patterns", "cells", "accuracy", "error bound",
        "|sum of all cells - 1|", "seconds", "seconds of CPU",
    ]  # fmt: skip
    text = (
        f"{thread_count(None)} threads, after compilation, best of {RUNS}; at most {memory:.0f} MB "
        "of memory, compiler included.\n\n" + report.table(headings, rows)
    )
    report.save("longer_inputs", "Exact accuracy for longer inputs", text, values)
