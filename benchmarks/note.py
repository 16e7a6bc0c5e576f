"""The figures and the picture of docs/note.md: the note's case analysis on the bundled network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from conevol import Ensemble, ReluRNN, accuracy, fraction, symbolic, zoo
from conevol.estimators import estimator
from conevol.estimators.note_order import in_note_order
from conevol.estimators.note_original import note_parts
from conevol.estimators.note_regions import Subregions, subregions
from conevol.symbolic import conditions

COPIES, NOISE = 256, 0.05
# Copies whose accuracy is also had in closed form.
CLOSED = 16
REGION = [1] * 3 + [2] * 3 + [3] * 6 + [4] * 6
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
INK = "#1a1a1a"


def run() -> None:
    ordered = in_note_order(Ensemble.of([zoo.load("4/3")]))
    network, parts, found = ordered[0], note_parts(ordered), subregions(ordered, "merged")
    exact = accuracy(network, operations=True)
    volume = parts.volume[0]
    right = np.full(len(volume), np.nan)
    right[found.likely] = (parts.weights[0] * parts.right[0]).sum(axis=-1)
    right[~found.likely] = volume[~found.likely] / 3.0
    truth = exactly_right(network, found)
    if abs(truth.sum() - exact.value) > 1e-11:
        raise AssertionError("the subregions do not add up to the exact accuracy")
    draw(network, found, volume, right, truth, report.ROOT / "docs" / "note_regions.png")
    rows = [
        [
            f"{REGION[s]}", " > ".join(f"x_{i}" for i in order_of(found.normals[0, s])),
            "" if found.likely[s] else "unlikely", f"{100 * volume[s]:.3f}",
            f"{100 * right[s] / volume[s]:.2f}", f"{100 * truth[s] / volume[s]:.2f}",
            f"{100 * (right[s] - truth[s]):+.3f}",
        ]
        for s in range(len(volume))
    ]  # fmt: skip
    headings = [
        "region", "order", "", "fraction, %", "accuracy, the note's, %", "exact, %",
        "difference in the total, %",
    ]  # fmt: skip
    subregion_table = report.table(headings, rows)
    claims = [c for c in conditions(network) if c.kind != "approximate"]
    # Margins of all copies: how often one breaks.
    of_copies = conditions(in_note_order(zoo.load("4/3").noisy_copies(COPIES, NOISE)))
    least = {c.name: np.min(c.margin) for c in of_copies}
    condition_table = report.table(
        ["condition", "margin", f"least of {COPIES} noisy copies"],
        [
            [f"`{c.name}`", f"{float(c.margin):.3f}", f"{least[c.name]:.3f}"]
            for c in claims if c.kind == "checked"
        ],
    )  # fmt: skip
    copies = zoo.load("4/3").noisy_copies(COPIES, NOISE)
    p = accuracy(copies).value
    # What is left of the error, against closed forms to 40 digits.
    closed = [symbolic.accuracy(copies[i]).evaluate(40) for i in range(CLOSED)]
    error = max(abs(float(c - float(p[i]))) for i, c in enumerate(closed))
    budget = math.sqrt(np.mean(p * (1.0 - p)) / (parts.note_operations / 72))
    values: dict[str, Any] = {
        "conditions": condition_table,
        "subregions": subregion_table,
        "exact": f"{100 * exact.value:.4f}",
        "original": f"{100 * parts.value[0]:.2f}",
        "symmetric": f"{100 * estimator('note-symmetric')(zoo.load('4/3')).value:.2f}",
        "operations": f"{exact.operations:,}",
        "patterns": str(exact.patterns),
        "unlikely_share": f"{100 * volume[~found.likely].sum():.2f}",
        "unlikely_cost": f"{100 * (right - truth)[~found.likely].sum():+.2f}",
        "likely_cost": f"{100 * (right - truth)[found.likely].sum():+.2f}",
        "sum_of_sizes": f"{100 * abs(right - truth).sum():.2f}",
        "closed_copies": str(CLOSED),
        "true_error": f"{error:.0e}",
        "sampling_at_note_budget": f"{100 * budget:.1f}",
    }
    text = f"{condition_table}\n\n{subregion_table}"
    report.save("note", "The note's case analysis", text, values)


def order_of(normals: np.ndarray) -> list[int]:
    """The inputs from the largest to the smallest, from the last two rows of a subregion."""
    above, below = normals[2], normals[3]
    return [int(np.argmax(above)), int(np.argmin(above)), int(np.argmin(below))]


def exactly_right(network: ReluRNN, found: Subregions) -> np.ndarray:
    """Fraction of each subregion where the network is right, by cutting it with every pattern."""
    table = accuracy(network, table=True).table
    total = np.zeros(len(found.label))
    for pattern in np.unique(table.pattern, axis=0):
        maps = network.linear_maps(pattern)
        rows = np.where(pattern[:, :, None], maps.pre_activations, -maps.pre_activations).reshape(
            -1, 3
        )
        cones, wins = [], []
        for normals, label in zip(found.normals[0], found.label, strict=True):
            margins = maps.logits[label] - np.delete(maps.logits, label, 0)
            cones.append(np.concatenate([rows, normals, margins]))
            # Tied on the whole cone: the first index is the prediction.
            wins.append(margins[:label].any(axis=1).all())
        total += np.where(wins, fraction(np.array(cones)), 0.0)
    return total


def draw(
    network: ReluRNN, found: Subregions, volume: np.ndarray, right: np.ndarray,
    truth: np.ndarray, path: Path,
) -> None:  # fmt: skip
    """The four regions in the plane of (x_0, x_1), and what is wrong in the 18 subregions."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 5.4), layout="constrained")
    plane: Any
    plane, bars = figure.subplots(1, 2, width_ratios=(1.0, 1.5))
    angles = np.linspace(0.0, 2.0 * np.pi, 7201)
    points = np.stack([np.cos(angles), np.sin(angles)])
    for region in range(4):
        rows = found.normals[0, REGION.index(region + 1), :2, :2]
        inside = (rows @ points >= -1e-12).all(axis=0)
        edge = np.flatnonzero(np.diff(inside.astype(int)))
        start, stop = angles[edge[0]], angles[edge[-1]]
        if inside[0]:
            start, stop = stop, start + 2.0 * np.pi
        arc = np.linspace(start, stop, 300)
        plane.fill(
            [0.0, *np.cos(arc)], [0.0, *np.sin(arc)], color=COLOURS[region], alpha=0.55,
            linewidth=0,
        )  # fmt: skip
        middle = 0.5 * (start + stop)
        plane.text(
            0.6 * math.cos(middle), 0.6 * math.sin(middle), str(region + 1), ha="center",
            va="center", fontsize=15, color=INK,
        )  # fmt: skip
    for angle in true_boundaries(network):
        plane.plot(
            [0.0, 1.06 * math.cos(angle)], [0.0, 1.06 * math.sin(angle)], color=INK, linewidth=0.8
        )
    plane.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), xlabel="$x_0$", ylabel="$x_1$")
    plane.set(xticks=[0], yticks=[0])
    plane.spines[["top", "right"]].set_visible(False)
    plane.set_title("regions of $h_2$; lines: where a neuron really switches", fontsize=11)
    at = np.arange(len(volume))
    colours = [COLOURS[r - 1] for r in REGION]
    bars.bar(at - 0.2, 100 * (volume - right), 0.4, color=colours, alpha=0.55)
    bars.bar(at + 0.2, 100 * (volume - truth), 0.4, color=colours)
    names = ["".join(map(str, order_of(normals))) for normals in found.normals[0]]
    bars.set_xticks(at, names, fontsize=9, rotation=60)
    for s in np.flatnonzero(~found.likely):
        bars.annotate(
            "unlikely", (s, 100 * max(volume[s] - right[s], volume[s] - truth[s])), xytext=(0, 4),
            textcoords="offset points", ha="center", fontsize=8, rotation=90, color=INK,
        )  # fmt: skip
    bars.set_ylim(0.0, 1.25 * 100 * max((volume - right).max(), (volume - truth).max()))
    bars.set_xlabel("order of the inputs, from the largest")
    bars.set_ylabel("wrong, % of all inputs")
    bars.set_title(
        "what is wrong in the 18 subregions: the note's (pale), exact (full)", fontsize=11
    )
    bars.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def true_boundaries(network: ReluRNN) -> list[float]:
    """Angles in the plane of (x_0, x_1) at which a neuron of step 1 or 2 switches."""
    found = [0.5 * math.pi, 1.5 * math.pi]
    for sign in (1.0, -1.0):
        first = np.maximum(network.W_hi * sign, 0.0) * sign
        for a, c in zip(network.W_hh @ first, network.W_hi, strict=True):
            # a x_0 + c x_1 = 0 with x_0 of that sign.
            found.append(math.atan2(-sign * a / c, sign))
    return found
