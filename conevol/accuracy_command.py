"""The command ``conevol accuracy``: exact, between bounds, or with samples in what is left."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conevol.command_output import digits, duration, load_model, print_rows
from conevol.errors import ConevolError

if TYPE_CHECKING:
    from conevol.bounds import AccuracyBounds
    from conevol.cells import AccuracyResult
    from conevol.estimators.hybrid import HybridAccuracy
    from conevol.network import ReluRNN
    from conevol.tree import Totals

__all__ = ["accuracy_command"]

_ENDED = {
    "complete": "nothing is left",
    "width": "the width",
    "seconds": "the time",
    "nodes": "the number of prefixes",
    "interrupt": "Ctrl-C",
}
# Standard error at which the command tells how many samples would be needed.
_SAMPLING_ERROR = 1e-6


@click.command("accuracy")
@click.argument("model", default="4/3")
@click.option(
    "--ties",
    type=click.Choice(["first", "split", "wrong"]),
    default="first",
    show_default=True,
    help="What a tie for the largest logit counts.",
)
@click.option("--task", help="What the label is, instead of the network's own task.")
@click.option(
    "--map", "map_path", type=click.Path(dir_okay=False), help="Draw the cells to this picture."
)
@click.option(
    "--max-cells", default=20_000_000, show_default=True, help="Give up beyond, where n > 3."
)
@click.option("--bounds", is_flag=True, help="Lower and upper bound, tightened until they meet.")
@click.option(
    "--width", type=float, help="Bounds, hybrid: end, or sample, when they are as near as this."
)
@click.option("--time", "seconds", type=float, help="Bounds: end after so many seconds.")
@click.option(
    "--resume",
    type=click.Path(dir_okay=False),
    help="Bounds: keep the state in this file, and go on from it if it is there.",
)
@click.option("--hybrid", is_flag=True, help="Exact where explored, samples in what is left.")
@click.option("--samples", type=int, help="Hybrid: how many samples [100000].")
@click.option("--seed", type=int, help="Hybrid: seed of the samples [0].")
@click.option("--threads", type=int, help="Bounds, hybrid: by default one a core.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def accuracy_command(
    model: str,
    ties: str,
    task: str | None,
    map_path: str | None,
    max_cells: int,
    bounds: bool,
    width: float | None,
    seconds: float | None,
    resume: str | None,
    hybrid: bool,
    samples: int | None,
    seed: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Exact accuracy of a network on Gaussian inputs, or bounds or an estimate of it.

    MODEL is the name of a bundled network (see `conevol models`) or a file:
    .npz, .json, .safetensors or .pth.  Without it the bundled 4/3 network is taken.

    With --bounds, --width, --time or --resume the accuracy is enclosed between
    bounds that hold at any moment; Ctrl-C ends with those reached.  With --hybrid
    it is estimated without bias: exact in what is explored, sampled in the rest.
    """
    from conevol.cells import accuracy

    given = {"--bounds": bounds or None, "--time": seconds, "--resume": resume, "--map": map_path}
    drawn = {"samples": samples, "seed": seed}
    _refuse_contradictions(hybrid, given, drawn)
    network = load_model(model)
    if task is not None:
        network.task = task
    if hybrid:
        options = {**drawn, "width": width, "threads": threads}
        _hybrid_command(model, network, ties, options, as_json)
        return
    if bounds or resume is not None or not (width is None and seconds is None):
        if map_path is not None:
            raise ConevolError("--map needs all cells: it does not go with bounds")
        budget = {"width": width, "seconds": seconds, "threads": threads}
        _bounds_command(model, network, ties, budget, resume, as_json)
        return
    if map_path is not None and network.n > 3:
        raise ConevolError(f"--map draws networks with n <= 3, got n = {network.n}")
    started = time.perf_counter()
    if network.n > 3:
        # Minutes, maybe: once, and with a bar.
        result, loading = _accuracy_with_bar(network, ties, max_cells), None
    else:
        accuracy(network, ties=ties)
        loading = time.perf_counter() - started
        started = time.perf_counter()
        result = accuracy(network, ties=ties)
    seconds = time.perf_counter() - started
    if map_path is not None:
        from conevol.plot import cell_map

        cell_map(network, map_path, ties=ties)
    if as_json:
        click.echo(json.dumps(_accuracy_object(model, network, result, seconds)))
    else:
        _print_accuracy(model, network, result, seconds, loading, map_path)


def _refuse_contradictions(
    hybrid: bool, others: dict[str, Any], drawn: dict[str, int | None]
) -> None:
    """Raise for options that do not go with `--hybrid`, or not without it."""
    if hybrid:
        for name, value in others.items():
            if value is not None:
                raise ConevolError(f"{name} does not go with --hybrid; leave out one of them")
        return
    for name, number in drawn.items():
        if number is not None:
            raise ConevolError(f"--{name} is for --hybrid only; add --hybrid, or leave it out")


def _about(model: str, network: ReluRNN) -> dict[str, Any]:
    return {"model": model, "hidden": network.hidden, "n": network.n, "task": network.task}


def _accuracy_object(
    model: str, network: ReluRNN, result: AccuracyResult, seconds: float
) -> dict[str, Any]:
    return {
        **_about(model, network),
        "accuracy": result.value,
        "error_bound": result.error_bound,
        "ties": result.ties,
        "tied": result.tied,
        "unresolved": result.unresolved,
        "patterns": result.patterns,
        "cells": result.cells,
        "seconds": seconds,
    }


def _print_accuracy(
    model: str,
    network: ReluRNN,
    result: AccuracyResult,
    seconds: float,
    loading: float | None,
    map_path: str | None,
) -> None:
    from conevol.estimators.sampling import samples_needed

    bound = result.error_bound
    needed = samples_needed(result.value, _SAMPLING_ERROR)
    rows = [
        ("network", f"{model}: {network.hidden} neurons, n = {network.n}, {network.task}"),
        ("accuracy", f"{digits(result.value, bound)} ± {bound:.1e}"),
        ("patterns", f"{result.patterns:,}"),
        ("cells", f"{result.cells:,}"),
        ("ties", f"{result.tied:.10g} of the inputs, counted by the rule '{result.ties}'"),
        ("time", duration(seconds) + _after(loading)),
        ("sampling", f"{needed:.2g} samples for a standard error of {_SAMPLING_ERROR:.0e}"),
    ]
    if result.unresolved:
        text = f"{result.unresolved:.3g} of the inputs: their logits differ by rounding only"
        rows.insert(5, ("unresolved", text))
    if map_path is not None:
        rows.append(("map", map_path))
    print_rows(rows)


def _after(loading: float | None) -> str:
    return "" if loading is None else f", after {duration(loading)} for the compiled code"


def _accuracy_with_bar(network: ReluRNN, ties: str, max_cells: int) -> AccuracyResult:
    """Exact accuracy, with a progress bar on the terminal."""
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    from conevol.cells import accuracy

    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("cells", total=None)

        def show(done: int, total: int, sums: Totals) -> None:
            bar.update(task, completed=done, total=total, description=f"{sums.cells:,} cells")

        return accuracy(network, ties=ties, max_cells=max_cells, progress=show)


def _bounds_command(
    model: str,
    network: ReluRNN,
    ties: str,
    budget: dict[str, Any],
    path: str | None,
    as_json: bool,
) -> None:
    """Bounds of the accuracy, with a line that shows how they tighten."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from conevol.bounds import accuracy_bounds

    text = TextColumn("{task.fields[lower]:.6f} to {task.fields[upper]:.6f}")
    explored = TextColumn("{task.percentage:.1f} % explored")
    columns = (text, BarColumn(), explored, TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    with progress as bar, _noted_interrupts() as interrupts:
        task = bar.add_task("bounds", total=1.0, lower=0.0, upper=1.0)

        def show(now: AccuracyBounds) -> None:
            bar.update(task, completed=now.explored, lower=now.lower, upper=now.upper)
            if interrupts and not now.stopped:
                raise KeyboardInterrupt

        result = accuracy_bounds(
            network,
            ties=ties,
            progress=show,
            checkpoint=path,
            resume=path if path is not None and Path(path).exists() else None,
            **budget,
        )
    if as_json:
        click.echo(json.dumps(_bounds_object(model, network, result)))
        return
    rows = [
        ("network", f"{model}: {network.hidden} neurons, n = {network.n}, {network.task}"),
        ("accuracy", _between(result)),
        ("width", f"{result.width:.2g}, of which rounding {result.error:.1g}"),
        ("explored", f"{100 * result.explored:.4g} % of the inputs"),
        ("patterns", f"{result.patterns:,} looked at"),
        ("prefixes", f"{result.nodes:,} met, {result.open:,} left"),
        ("ties", f"counted by the rule '{ties}'"),
        ("time", f"{duration(result.seconds)}, ended by: {_ENDED[result.stopped]}"),
    ]
    if path is not None:
        rows.append(("state", f"{path}; the same command goes on from there"))
    print_rows(rows)


@contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Note every Ctrl-C: one that comes in a callback of the compiler is raised there and lost."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, _: object) -> None:
        noted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _between(result: AccuracyBounds) -> str:
    """Bounds, rounded outward to digits that tell them apart."""
    size = math.log10(result.width) if result.width > 0.0 else -15.0
    decimals = min(15, max(4, 2 - math.floor(size)))
    unit = 10.0**decimals
    lower, upper = math.floor(result.lower * unit) / unit, math.ceil(result.upper * unit) / unit
    return f"between {max(lower, 0.0):.{decimals}f} and {min(upper, 1.0):.{decimals}f}"


def _bounds_object(model: str, network: ReluRNN, result: AccuracyBounds) -> dict[str, Any]:
    return {
        **_about(model, network),
        **{name: getattr(result, name) for name in result.__dataclass_fields__},
    }


def _hybrid_command(
    model: str, network: ReluRNN, ties: str, options: dict[str, Any], as_json: bool
) -> None:
    """Accuracy, exact in the explored prefixes and sampled in the others."""
    from conevol.estimators.hybrid import accuracy_hybrid

    given = {name: value for name, value in options.items() if value is not None}
    result = accuracy_hybrid(network, ties=ties, **given)
    if as_json:
        click.echo(json.dumps(_hybrid_object(model, network, result)))
        return
    error = max(result.standard_error, result.error)
    rows = [
        ("network", f"{model}: {network.hidden} neurons, n = {network.n}, {network.task}"),
        ("accuracy", f"{digits(result.value, error)} ± {error:.1e}"),
        ("explored", f"{100 * (1 - result.sampled):.4g} % of the inputs, the rest sampled"),
        ("samples", f"{result.samples:,}"),
        ("prefixes", f"{result.nodes:,} met"),
        ("ties", f"counted by the rule '{ties}'"),
        ("time", duration(result.seconds)),
    ]
    if result.samples:
        rows[1] = ("accuracy", f"{rows[1][1]} (standard error)")
    print_rows(rows)


def _hybrid_object(model: str, network: ReluRNN, result: HybridAccuracy) -> dict[str, Any]:
    return {
        **_about(model, network),
        "accuracy": result.value,
        "standard_error": result.standard_error,
        "error": result.error,
        "explored": 1.0 - result.sampled,
        "samples": result.samples,
        "nodes": result.nodes,
        "ties": result.ties,
        "seconds": result.seconds,
    }
