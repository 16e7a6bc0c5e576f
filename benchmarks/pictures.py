"""The README's picture: the cells of the bundled 4/3 network."""

from __future__ import annotations

from benchmarks import report
from conevol import zoo
from conevol.plot import cell_map


def run() -> None:
    path = report.ROOT / "docs" / "map_4_3.png"
    result = cell_map(zoo.load("4/3"), path)
    values = {
        "accuracy": f"{100 * result.value:.8f}",
        "patterns": str(result.patterns),
        "cells": str(result.cells),
        "tied": f"{100 * result.tied:.2f}",
    }
    text = report.table(["of the 4/3 network", ""], [[k, v] for k, v in values.items()])
    report.save("pictures", "Map of the bundled 4/3 network", text, values)
