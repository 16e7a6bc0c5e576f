"""The large network: every estimator's error over noisy copies, against operations and time.

Estimates are kept in build/large: a run that was stopped goes on.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.estimators import PUBLISHED
from conevol import ReluRNN, zoo
from conevol.bench.quality import Quality, Score, measure_quality
from conevol.bench.report import HEADINGS, rows, summary

COPIES, NOISE = 16, 0.005
REFERENCE = 2**23
SAMPLES = (30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
# Families of estimators: label, marker, colour, members from cheap to dear.
FAMILIES: dict[str, tuple[str, str, list[str]]] = {
    "stratified": (
        "*", "#A6192E", [f"stratified:samples={2**k}" for k in (8, 10, 12, 14, 16, 18, 20)]
    ),
    "conditional, random": (
        "o", "#0072B2", [f"conditional:samples={2**k}" for k in (7, 9, 11, 13, 15, 17)]
    ),
    "conditional, Sobol": (
        "s", "#D55E00",
        [f"conditional:samples={2**k},points=sobol" for k in (9, 11, 13, 15, 17, 18)],
    ),
    "prefix": ("X", "#8C564B", [f"prefix:samples={2**k}" for k in (10, 12, 14, 16, 18, 20)]),
    "mask sequences": (
        "^", "#009E73", [f"masks:samples={k}" for k in (300, 3000, 30_000, 300_000)]
    ),
    "pruning, largest kept": (
        "v", "#CC79A7",
        [f"pruning:components={c},discard=renormalise" for c in (10, 100, 1000)],
    ),
    "pruning, resampled": (
        "D", "#E69F00", [f"pruning:components={c},discard=resample" for c in (10, 100, 1000)]
    ),
    "propagation": ("P", "#56B4E9", ["propagation:samples=20", "propagation:samples=500"]),
}  # fmt: skip


def run() -> None:
    name, network = "16/10", zoo.load("16/10")
    if PUBLISHED.exists():
        name, network = PUBLISHED.stem, ReluRNN.load(PUBLISHED)
    names = [member for _, _, members in FAMILIES.values() for member in members]
    quality = measure_quality(
        network, names, model=name, noise=NOISE, copies=COPIES, samples=SAMPLES,
        reference_samples=REFERENCE, folder=report.ROOT / "build" / "large",
    )  # fmt: skip
    draw(quality, report.ROOT / "docs" / "large_compute.png")
    spread = 100 * quality.reference.std()
    text = (
        f"{summary(quality)} The copies' accuracies have a standard deviation of {spread:.1f} %. "
        f"An RMS over {COPIES} copies is itself known to {100 / math.sqrt(2 * COPIES):.0f} %.\n\n"
        + report.table(list(HEADINGS), rows(quality.scores))
        + "\n\n"
        + verdicts(quality)
    )
    values = {
        "model": name,
        "copies": str(COPIES),
        "noise": f"{NOISE:g}",
        "mean": f"{100 * quality.reference.mean():.0f}",
        "spread": f"{spread:.1f}",
        "verdicts": verdicts(quality),
    }
    report.save("large", "The large network", text, values)


def members_of(quality: Quality, label: str) -> list[Score]:
    return [quality.score(member) for member in FAMILIES[label][2]]


def cost_of(quality: Quality, name: str, cost: str) -> float:
    """Mean operations; of the times the shortest, since other programs may be running."""
    if cost == "operations":
        return quality.score(name).operations
    return min(e.seconds for e in quality.estimates[name])


def sampling_line(quality: Quality, cost: str) -> tuple[np.ndarray, np.ndarray]:
    """Costs of the measured numbers of samples k, and sqrt(mean p (1 - p) / k)."""
    names = quality.sampling_names
    x = np.array([cost_of(quality, name, cost) for name in names])
    return x, quality.deviation / np.sqrt([int(name.split(":")[1]) for name in names])


def gain(quality: Quality, name: str, cost: str) -> float:
    """Sampling's mean square at equal cost over this estimator's."""
    x, y = sampling_line(quality, cost)
    at, score = cost_of(quality, name, cost), quality.score(name)
    error = np.exp(np.interp(math.log(at), np.log(x), np.log(y))) * min(1.0, (x[-1] / at) ** 0.5)
    return float(error / max(score.rms, score.floor)) ** 2


def verdicts(quality: Quality) -> str:
    """Which estimators lie below sampling's line, and where."""
    # Two standard deviations of a mean square over so many copies.
    certain = 1.0 + 2.0 * math.sqrt(2.0 / COPIES)
    lines, below = [], dict.fromkeys(("operations", "seconds"), "")
    for label, (_, _, members) in FAMILIES.items():
        for name in members:
            gains = [gain(quality, name, cost) for cost in below]
            for cost, g in zip(below, gains, strict=True):
                if g > certain:
                    below[cost] += f"{', ' if below[cost] else ''}`{name}` ({g:.1f})"
            lines.append([f"`{name}`", label, *(f"{g:.2g}" for g in gains)])
    headings = ["estimator", "family", "gain at equal operations", "gain at equal time"]
    found = "; ".join(f"by {cost}, {names or 'none'}" for cost, names in below.items())
    return (
        "Gain: sampling's mean square, mean p (1 - p) / k, over the estimator's at equal cost "
        "(times: the shortest of the copies). Below sampling's line, by more than "
        f"{COPIES} copies leave to chance (gain above {certain:.1f}): {found}.\n\n"
        + report.table(headings, lines)
    )


def draw(quality: Quality, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 5.6), layout="constrained")
    measured = [quality.score(name) for name in quality.sampling_names]
    for column, cost in enumerate(("operations", "seconds")):
        axes: Any = figure.add_subplot(1, 2, column + 1)
        x, y = sampling_line(quality, cost)
        # What the number of copies leaves to chance, around the line.
        width = np.exp(2.0 / math.sqrt(2 * COPIES))
        axes.fill_between(x, y / width, y * width, color="#6b6b6b", alpha=0.15, linewidth=0)
        axes.plot(x, y, color="#6b6b6b", linewidth=1.4, label=r"$\sqrt{\overline{p(1-p)}\,/\,k}$")
        axes.plot(
            x, [s.rms for s in measured], ".", color="#1a1a1a", markersize=6,
            label="sampling, as measured",
        )  # fmt: skip
        for label in FAMILIES:
            marker, colour, names = FAMILIES[label]
            scores = members_of(quality, label)
            axes.plot(
                [cost_of(quality, name, cost) for name in names],
                [max(s.rms, s.floor) for s in scores],
                marker=marker, color=colour, linewidth=1.2, markersize=6, label=label,
            )  # fmt: skip
        floor = measured[0].floor
        axes.axhline(floor, color="#1a1a1a", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            "the reference tells no less", (0.02, floor), xycoords=("axes fraction", "data"),
            xytext=(0, 4), textcoords="offset points", fontsize=9, color="#1a1a1a",
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel=f"{cost} a network")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
        if column == 0:
            axes.set_ylabel("RMS error of the accuracy")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=10)
    figure.suptitle(
        f"{COPIES} copies of {quality.model}, noise {NOISE:g} on every weight, band: two standard "
        "errors of a measured RMS",
        fontsize=11,
    )
    figure.savefig(path, dpi=150)
