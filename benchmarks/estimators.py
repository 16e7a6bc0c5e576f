"""Variance times time of the unbiased estimators, and what the others give, for large networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import report
from benchmarks.timing import best_times
from conevol import ReluRNN, sample_accuracy, zoo
from conevol.estimators import (
    Estimate,
    mask_sequence_accuracy,
    propagated_accuracy,
    pruned_mixture_accuracy,
    stratified_accuracy,
)

NAMES = ("4/3", "8/4", "8/5", "16/10")
SIZES = tuple(2**k for k in range(10, 23, 3))
VALUES = (2, 4, 8)
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


def variance_of(network: ReluRNN, size: int, values: int) -> float:
    """Mean squared standard error of several runs: with few replicates one says little."""
    runs = [
        stratified_accuracy(network, size, values=values, seed=s)
        for s in range(min(max(2**20 // size, 4), 100))
    ]
    return sum(run.error**2 for run in runs) / len(runs)


def gains(network: ReluRNN, size: int) -> list[dict[str, float]]:
    """Of plain sampling and of all numbers of values: nanoseconds a point, variance, gain."""
    calls: dict[str, Callable[[], Any]] = {
        "": lambda: sample_accuracy(network, size, threads=1),
        **{
            str(v): lambda v=v: stratified_accuracy(network, size, values=v, threads=1)
            for v in VALUES
        },
    }
    times = best_times(calls, seconds=0.2, rounds=2)
    accuracy = sample_accuracy(network, 2**20, seed=1).value
    plain = accuracy * (1.0 - accuracy) / size
    shares = [1.0, *(variance_of(network, size, v) / plain for v in VALUES)]
    return [
        {"ns": t / size * 1e9, "share": share, "gain": times[""] / (share * t)}
        for t, share in zip(times.values(), shares, strict=True)
    ]


def unbiased(name: str, network: ReluRNN) -> tuple[list[list[str]], dict[str, str]]:
    by_size = [gains(network, size) for size in SIZES]
    rows, values = [], {}
    for k, answers in enumerate((0, *VALUES)):
        middle = by_size[len(SIZES) // 2][k]
        rows.append([
            name, f"stratified, {answers}" if k else "sampling",
            f"{middle['ns']:.0f}", f"{middle['share']:.3f}",
            *(f"{g[k]['gain']:.2f}" for g in by_size),
        ])  # fmt: skip
        if answers == 4:
            worst = min(g[k]["gain"] for g in by_size)
            values[name.replace("/", "_") + "_least_gain"] = f"{worst:.2f}"
            values[name.replace("/", "_") + "_largest_gain"] = (
                f"{max(g[k]['gain'] for g in by_size):.2f}"
            )
    return rows, values


def run() -> None:
    rows, values = [], {}
    published = {"m16_10": ReluRNN.load(PUBLISHED)} if PUBLISHED.exists() else {}
    for name, network in ({name: zoo.load(name) for name in NAMES} | published).items():
        some, more = unbiased(name, network)
        rows += some
        values.update(more)
    text = (
        "Unbiased estimators on one core, calls from Python. A point is a plain sample, or all "
        f"inputs but the last. At {SIZES[len(SIZES) // 2]:,} points: nanoseconds a point, and "
        "variance as a share of plain sampling's at equal points. By number of points: gain, "
        "plain sampling's variance times time over the estimator's, so above 1 is better. "
        "The estimator's number is that of values of the last input; 4 is the default. "
        "Variances come from runs of 16 replicates, 4 for the most points: known to a fifth "
        "there.\n\n"
    )
    headings = ["network", "estimator", "ns", "variance", *(f"{size:,}" for size in SIZES)]
    text += report.table(headings, rows)
    networks = {"8/5": zoo.load("8/5"), "16/10": zoo.load("16/10")}
    networks |= published
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
