"""Where causal variables sit: the 4/3 network exactly, and the equality perceptron by search."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from benchmarks import report
from conevol import zoo
from conevol.analysis import equality
from conevol.analysis.alignment import Alignment, align
from conevol.analysis.interchange import interchange_accuracy

NETWORK, STEP = "4/3", 2
VARIABLES = ("x_0 > x_1", "maximum", "second", "everything")
DIMENSIONS = (1, 2, 3)
WIDTHS = (2, 4, 8, 12)
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
_SMOOTH = 20


def run() -> None:
    network_text, values, curves = _network()
    equality_text, more, equality_curves = _equality()
    _picture(curves, equality_curves)
    report.save(
        "alignment", "Alignments with causal variables", network_text + "\n\n" + equality_text,
        values | more,
    )  # fmt: skip


def _network() -> tuple[str, dict[str, str], dict[str, Alignment]]:
    """Exact interchange accuracy of the best subspace found, by its dimension."""
    network = zoo.load(NETWORK)
    rows, values, curves = [], {}, {}
    for variable in VARIABLES:
        row = [variable]
        for k in (0, *DIMENSIONS, network.hidden):
            basis = np.eye(network.hidden)[:k]
            if 0 < k < network.hidden:
                found = align(network, variable, k, step=STEP)
                basis = found.basis
                if k == 2:
                    curves[variable] = found
            result = interchange_accuracy(network, variable, basis, STEP)
            row.append(f"{100 * result.value:.2f}")
            key = variable.replace(" ", "").replace("_", "").replace(">", "_gt_")
            values[f"{key}_{k}"] = f"{100 * result.value:.1f}"
        rows.append(row)
    headings = [
        "variable", "nothing", *(f"{k}-dimensional" for k in DIMENSIONS), "the whole state"
    ]  # fmt: skip
    text = (
        f"Interchange accuracy of the bundled {NETWORK} network at step {STEP}, per cent, exact;\n"
        "the subspaces of 1 to 3 dimensions were found by the search.\n\n"
    )
    return text + report.table(headings, rows), values, curves


def _equality() -> tuple[str, dict[str, str], dict[str, Alignment]]:
    """Sampled interchange accuracy of the perceptron's layers."""
    rows, values, curves = [], {}, {}
    for layer in (1, 2, 3):
        row = [f"layer {layer}"]
        for k in WIDTHS:
            found = align(equality.load(layer), equality.pairs("a = b"), k, steps=1000)
            row.append(f"{100 * found.value:.1f} ± {100 * found.standard_error:.1f}")
            values[f"equality_{layer}_{k}"] = f"{100 * found.value:.0f}"
            if k == 8:
                curves[f"layer {layer}"] = found
        rows.append(row)
    text = (
        "Interchange accuracy of 'a = b' in the bundled perceptron for hierarchical equality,\n"
        "16 neurons a layer, per cent, on fresh pairs, by the dimension of the subspace.\n\n"
    )
    return text + report.table(["", *map(str, WIDTHS)], rows), values, curves


def _picture(network: dict[str, Alignment], perceptron: dict[str, Alignment]) -> None:
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    titles = (f"{NETWORK} network, 2 dimensions", "hierarchical equality, 'a = b', 8 dimensions")
    for ax, curves, title in zip(axes, (network, perceptron), titles, strict=True):
        for (name, found), colour in zip(curves.items(), _COLOURS, strict=False):
            share = np.convolve(found.curve[:, 1], np.full(_SMOOTH, 1 / _SMOOTH), "valid")
            ax.plot(np.arange(len(share)) + _SMOOTH, 100 * share, color=colour, lw=1.4, label=name)
            ax.plot(len(found.curve), 100 * found.value, "o", color=colour, ms=5, clip_on=False)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("steps of the search")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(1.0, 0.68))
        ax.set_ylim(40, 100)
    axes[0].set_ylabel("interchange accuracy, per cent")
    figure.savefig(report.ROOT / "docs" / "alignment.png", dpi=130)
