"""Variance times time of the unbiased estimators, and what the others give, for large networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import report
from benchmarks.timing import best_times
from conevol import ReluRNN, sample_accuracy, zoo
from conevol.estimators import (
    Estimate,
    conditional_accuracy,
    mask_sequence_accuracy,
    propagated_accuracy,
    pruned_mixture_accuracy,
)

NAMES = ("4/3", "8/4", "8/5", "16/10")
SIZES = (2**14, 2**17, 2**20)
PUBLISHED = report.ROOT.parent / "shared" / "algzoo" / "m16_10.pth"
OTHERS: list[tuple[Callable[..., Estimate], dict[str, Any]]] = [
    (mask_sequence_accuracy, {"background": "impulses"}),
    (mask_sequence_accuracy, {"background": "mean"}),
    (propagated_accuracy, {"given": "nothing"}),
    (propagated_accuracy, {"given": "order"}),
    *(
        (pruned_mixture_accuracy, {"components": c, "discard": discard, "judge": judge})
        for discard, judge in (
            ("renormalise", "cuts"), ("resample", "cuts"),
            ("renormalise", "draws"), ("resample", "draws"),
        )
        for c in (10, 100, 1000)
    ),
]  # fmt: skip


def mean_variance(kind: str, network: ReluRNN, size: int) -> float:
    """Mean squared standard error of some runs: with few replicates one says little."""
    points: Any = "sobol" if kind.endswith("Sobol") else "random"
    seeds = range(6 if points == "sobol" else 1)
    runs = [conditional_accuracy(network, size, points=points, seed=s) for s in seeds]
    return sum(run.error**2 for run in runs) / len(runs)


def unbiased(name: str, network: ReluRNN) -> tuple[list[list[str]], dict[str, str]]:
    rows, values = [], {}
    for size in SIZES:
        contenders: dict[str, Callable[[], Any]] = {
            "sampling": lambda n=size: sample_accuracy(network, n, threads=1),
            "conditional": lambda n=size: conditional_accuracy(network, n, threads=1),
            "conditional, Sobol": lambda n=size: conditional_accuracy(
                network, n, points="sobol", threads=1
            ),
        }
        times = best_times(contenders, seconds=0.5, rounds=2)
        accuracy = sample_accuracy(network, 2**20).value
        plain = accuracy * (1.0 - accuracy) / size
        for kind in contenders:
            variance = plain if kind == "sampling" else mean_variance(kind, network, size)
            gain = plain * times["sampling"] / (variance * times[kind])
            rows.append(
                [name, f"{size:,}", kind, f"{times[kind] / size * 1e9:.0f}",
                 f"{variance / plain:.3f}", f"{gain:.2f}"]
            )  # fmt: skip
            key = f"{name}_{size}_{kind}".replace("/", "_").replace(", ", "_").lower()
            values[key] = f"{gain:.2f}"
    return rows, values


def run() -> None:
    rows, values = [], {}
    for name in NAMES:
        some, more = unbiased(name, zoo.load(name))
        rows += some
        values.update(more)
    text = (
        "Unbiased estimators on one core. Variance as a share of plain sampling's at equal points; "
        "gain: plain sampling's variance times time over the estimator's, so above 1 is better.\n\n"
    )
    headings = ["network", "points", "estimator", "ns a point", "variance", "gain"]
    text += report.table(headings, rows)
    networks = {"8/5": zoo.load("8/5"), "16/10": zoo.load("16/10")}
    if PUBLISHED.exists():
        networks["m16_10"] = ReluRNN.load(PUBLISHED)
    truth = {name: sample_accuracy(net, 2**22).value for name, net in networks.items()}
    rows = [["sampling, 2^22", *(f"{v:.4f}" for v in truth.values()), "", ""]]
    for estimator, options in OTHERS:
        done = [estimator(net, **options) for net in networks.values()]
        rows.append([
            done[0].estimator, *(f"{e.value:.4f}" for e in done),
            f"{done[-1].operations:,}", f"{done[-1].seconds:.2f}",
        ])  # fmt: skip
    headings = ["estimator", *networks, "operations of the last", "seconds"]
    text += "\n\nEstimators that claim nothing.\n\n" + report.table(headings, rows)
    report.save("estimators", "Estimators for networks of any n", text, values)
