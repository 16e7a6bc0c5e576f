"""Pictures of the bundled 4/3 network: its cells, the README's, and its spline codes."""

from __future__ import annotations

from benchmarks import report
from conevol import zoo
from conevol.analysis import code_table, draw_codes, neighbours
from conevol.plot import cell_map


def run() -> None:
    network, docs = zoo.load("4/3"), report.ROOT / "docs"
    result = cell_map(network, docs / "map_4_3.png")
    draw_codes(code_table(network), docs / "codes_4_3.png", neighbours(network))
    values = {
        "accuracy": f"{100 * result.value:.8f}",
        "patterns": str(result.patterns),
        "cells": str(result.cells),
        "tied": f"{100 * result.tied:.2f}",
    }
    text = report.table(["of the 4/3 network", ""], [[k, v] for k, v in values.items()])
    report.save("pictures", "Map of the bundled 4/3 network", text, values)
