"""The large network: every estimator's error over noisy copies, against operations and time.

What is cheap is repeated with other seeds, so that little of an error is chance; times are the best
of many, all estimators in turn.  Estimates are kept in build/large: a run that was stopped goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.estimators import PUBLISHED
from benchmarks.timing import best_times
from conevol import ReluRNN, estimator, zoo
from conevol.bench.quality import Quality, measure_quality
from conevol.bench.report import HEADINGS, rows, summary

COPIES, NOISE = 16, 0.005
REFERENCE = 2**24
# Whole groups of lanes: others would cost as much as the next of these.
SAMPLES = tuple(2**k for k in (6, 7, 8, 9, 10, 12, 14, 16, 18, 20))
# Repeats of every copy: fewer where they would come to more samples, or cannot be cheap.
MOST, SAMPLES_IN_ALL, OF_SOBOL = 64, 2**22, 8
# Shortest time that is measured, and time spent on each estimator.
TIMED, SECONDS = 5e-3, 0.5
# Families of estimators: label, marker, colour, members from cheap to dear.
FAMILIES: dict[str, tuple[str, str, list[str]]] = {
    "stratified": (
        "*", "#A6192E",
        [f"stratified:samples={2**k}" for k in (6, 7, 8, 9, 10, 12, 14, 16, 18, 20)],
    ),
    "conditional, random": (
        "o", "#0072B2", [f"conditional:samples={2**k}" for k in (7, 9, 11, 13, 15, 17)]
    ),
    "conditional, Sobol": (
        "s", "#D55E00",
        [f"conditional:samples={2**k},points=sobol" for k in (9, 12, 15, 18)],
    ),
    "conditional, ordered": (
        "p", "#6A3D9A",
        [f"conditional:samples={2**k},points=ordered" for k in (9, 12, 14, 16, 18)],
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
        reference_samples=REFERENCE, repeats=repeats, folder=report.ROOT / "build" / "large",
    )  # fmt: skip
    measured = Measured(retimed(quality, seconds(network, list(quality.estimates))))
    quality = measured.quality
    draw(measured, report.ROOT / "docs" / "large_compute.png")
    spread = 100 * quality.reference.std()
    text = (
        f"{summary(quality)} The copies' accuracies have a standard deviation of {spread:.1f} %. "
        f"An RMS of r runs is itself known to 1 / sqrt(2 r): {chance(COPIES * MOST)} where a "
        f"copy has {MOST}, {chance(COPIES)} where it has one.\n\n"
        + report.table(list(HEADINGS), rows(quality.scores))
        + "\n\n"
        + verdicts(measured)
    )
    values = {
        "model": name,
        "copies": str(COPIES),
        "noise": f"{NOISE:g}",
        "mean": f"{100 * quality.reference.mean():.0f}",
        "spread": f"{spread:.1f}",
        "verdicts": verdicts(measured),
        "repeats": str(MOST),
        **ranges(measured),
    }
    report.save("large", "The large network", text, values)


@dataclass(frozen=True)
class Measured:
    """Errors over copies, against sampling's line."""

    quality: Quality

    def cost(self, name: str, kind: str) -> float:
        """Mean operations, or seconds."""
        score = self.quality.score(name)
        return score.operations if kind == "operations" else score.seconds

    def sampling_line(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Costs of the measured numbers of samples k, and sqrt(mean p (1 - p) / k)."""
        names = self.quality.sampling_names
        x = np.array([self.cost(name, kind) for name in names])
        return x, self.quality.deviation / np.sqrt([int(name.split(":")[1]) for name in names])

    def gain(self, name: str, kind: str) -> tuple[float, float]:
        """Sampling's mean square at equal cost over this estimator's, and two standard errors.

        These come from the number of runs, and from the reference, which all runs of a copy share.
        """
        x, y = self.sampling_line(kind)
        at, score = self.cost(name, kind), self.quality.score(name)
        line = np.exp(np.interp(math.log(at), np.log(x), np.log(y))) * min(1.0, (x[-1] / at) ** 0.5)
        rms = max(score.rms, score.floor)
        gain = float(line / rms) ** 2
        runs = 2.0 * math.sqrt(2.0 / len(self.quality.estimates[name]))
        return gain, gain * math.hypot(runs, (score.floor / rms) ** 2)


def seconds(network: ReluRNN, names: list[str]) -> dict[str, float]:
    """The best CPU time of a call of every estimator, in turn."""
    chosen = {name: estimator(name) for name in names}
    once = {
        name: best_times({name: lambda e=e: e(network)}, 0.0)[name] for name, e in chosen.items()
    }
    # What is short is called many times at a time.
    counts = {name: max(1, int(TIMED / time)) for name, time in once.items()}

    def calls(name: str) -> None:
        for _ in range(counts[name]):
            chosen[name](network)

    times = best_times({name: lambda name=name: calls(name) for name in names}, SECONDS)
    return {name: time / counts[name] for name, time in times.items()}


def retimed(quality: Quality, times: dict[str, float]) -> Quality:
    """The same estimates, with these times."""
    estimates = {
        name: [replace(e, seconds=times[name]) for e in each]
        for name, each in quality.estimates.items()
    }
    return replace(quality, estimates=estimates)


def repeats(name: str) -> int:
    """Runs of every copy: many of what is cheap, one of what is far from sampling's line."""
    family, _, parameters = name.partition(":")
    if family not in ("sampling", "stratified", "conditional"):
        return 1
    samples = int(parameters.split(",")[0].removeprefix("samples="))
    most = OF_SOBOL if parameters.endswith("points=sobol") else MOST
    return min(most, SAMPLES_IN_ALL // samples)


def chance(runs: int) -> str:
    """Standard error of an RMS of so many runs."""
    return f"{100 / math.sqrt(2 * runs):.0f} %"


def ranges(measured: Measured) -> dict[str, str]:
    """Least and largest gains of the estimators that follow sampling's line down."""
    values = {}
    for label, key in (
        ("stratified", "stratified"), ("conditional, random", "conditional"),
        ("conditional, ordered", "ordered"),
    ):  # fmt: skip
        for cost in ("operations", "seconds"):
            gains = [measured.gain(name, cost)[0] for name in FAMILIES[label][2]]
            values[f"{key}_{cost}_least"] = f"{min(gains):.1f}"
            values[f"{key}_{cost}_largest"] = f"{max(gains):.1f}"
    return values


def verdicts(measured: Measured) -> str:
    """Which estimators lie below sampling's line, and where."""
    lines, found = [], []
    for label, (_, _, members) in FAMILIES.items():
        below: dict[str, list[str]] = {"operations": [], "seconds": []}
        for name in members:
            cells = []
            for cost, names in below.items():
                g, error = measured.gain(name, cost)
                cells.append(f"{g:.2g} ± {error:.1g}")
                if g - error > 1.0:
                    names.append(name.split(":samples=")[-1])
            lines.append([f"`{name}`", label, str(len(measured.quality.estimates[name])), *cells])
        found += [f"{label}: {where(below, members)}"]
    headings = ["estimator", "family", "runs", "gain at equal operations", "gain at equal time"]
    return (
        "Gain: sampling's mean square, mean p (1 - p) / k, over the estimator's at equal cost "
        "(CPU time: the best of many calls, of both), with two standard errors. Below sampling's "
        f"line by more than these, {'; '.join(found)}.\n\n" + report.table(headings, lines)
    )


def where(below: dict[str, list[str]], members: list[str]) -> str:
    """At which sizes by either cost."""
    said = []
    for cost, names in below.items():
        kind = {"operations": "by operations", "seconds": "by time"}[cost]
        if len(names) == len(members):
            said.append(f"{kind} everywhere")
        else:
            said.append(f"{kind} " + (f"at {', '.join(names)}" if names else "nowhere"))
    return ", ".join(said)


def draw(measured: Measured, path: Path) -> None:
    from matplotlib.figure import Figure

    quality = measured.quality
    figure = Figure(figsize=(12.5, 5.6), layout="constrained")
    line = [quality.score(name) for name in quality.sampling_names]
    for column, cost in enumerate(("operations", "seconds")):
        axes: Any = figure.add_subplot(1, 2, column + 1)
        x, y = measured.sampling_line(cost)
        # What the number of runs leaves to chance, around the line.
        runs = np.array([len(quality.estimates[name]) for name in quality.sampling_names])
        width = np.exp(2.0 / np.sqrt(2.0 * runs))
        axes.fill_between(x, y / width, y * width, color="#6b6b6b", alpha=0.15, linewidth=0)
        axes.plot(x, y, color="#6b6b6b", linewidth=1.4, label=r"$\sqrt{\overline{p(1-p)}\,/\,k}$")
        axes.plot(
            x, [s.rms for s in line], ".", color="#1a1a1a", markersize=6,
            label="sampling, as measured",
        )  # fmt: skip
        for label in FAMILIES:
            marker, colour, names = FAMILIES[label]
            scores = [quality.score(name) for name in names]
            axes.plot(
                [measured.cost(name, cost) for name in names],
                [max(s.rms, s.floor) for s in scores],
                marker=marker, color=colour, linewidth=1.2, markersize=6, label=label,
            )  # fmt: skip
        floor = line[0].floor
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
