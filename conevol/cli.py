"""The command line: ``conevol accuracy``, ``fraction``, ``models``, ``train`` and ``bench``."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conevol._version import __version__
from conevol.bench.command import bench
from conevol.errors import ConevolError, FileFormatError

if TYPE_CHECKING:
    from conevol.bounds import AccuracyBounds
    from conevol.cells import AccuracyResult
    from conevol.network import ReluRNN
    from conevol.tree import Totals

_ENDED = {
    "complete": "nothing is left",
    "width": "the width",
    "seconds": "the time",
    "nodes": "the number of prefixes",
    "interrupt": "Ctrl-C",
}
# Standard error at which the command tells how many samples would be needed.
_SAMPLING_ERROR = 1e-6


class _Group(click.Group):
    """Shows errors about the input as one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a `ConevolError` or a missing file ends it with status 1."""
        try:
            return super().invoke(ctx)
        except (ConevolError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conevol")
def main() -> None:
    """Exact fractions of polyhedral cones, and exact accuracies of small ReLU networks."""


main.add_command(bench)


@main.command("accuracy")
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
@click.option("--width", type=float, help="Bounds: end when they are as near as this.")
@click.option("--time", "seconds", type=float, help="Bounds: end after so many seconds.")
@click.option(
    "--resume",
    type=click.Path(dir_okay=False),
    help="Bounds: keep the state in this file, and go on from it if it is there.",
)
@click.option("--threads", type=int, help="Bounds: by default one a core.")
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
    threads: int | None,
    as_json: bool,
) -> None:
    """Exact accuracy of a network on Gaussian inputs, or bounds of it.

    MODEL is the name of a bundled network (see `conevol models`) or a file:
    .npz, .json, .safetensors or .pth.  Without it the bundled 4/3 network is taken.

    With --bounds, --width, --time or --resume the accuracy is enclosed between
    bounds that hold at any moment; Ctrl-C ends with those reached.
    """
    from conevol.cells import accuracy

    network = load_model(model)
    if task is not None:
        network.task = task
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


@main.command("fraction")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--method",
    type=click.Choice(["auto", "polygon", "subsets", "lattice", "sample"]),
    default="auto",
    show_default=True,
    help="How to compute it; only 'sample' is not exact.",
)
@click.option("--rtol", type=float, help="Wanted error bound relative to the value.")
@click.option("--memory", type=float, help="Most bytes a face lattice may take [2e9].")
@click.option("--seconds", type=float, help="Most seconds a face lattice may take [60].")
@click.option("--samples", type=int, help="Points of --method sample [65536].")
@click.option("--seed", type=int, help="Seed of --method sample [0].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fraction_command(file: str, as_json: bool, **options: Any) -> None:
    """Fraction of space in the cone of a JSON file {"normals": [[..], ..]}.

    The cone is {x : normals @ x >= 0}, in any dimension.
    """
    from conevol._fraction import fraction
    from conevol.cone import Cone

    cone = Cone(_read_normals(Path(file)))
    started = time.perf_counter()
    report = fraction(cone.normals, full=True, **options)
    seconds = time.perf_counter() - started
    sampled = report.method == "sample"
    # A cone is sampled where its facets cannot be found.
    facets = None if sampled else len(cone.facets)
    solid_angle = report.value * cone.sphere_area
    if as_json:
        values = {
            "fraction": report.value,
            "error_bound": None if sampled else report.error_bound,
            "standard_error": report.standard_error if sampled else None,
            "solid_angle": solid_angle,
            "dimension": cone.dimension,
            "half_spaces": len(cone.normals),
            "facets": facets,
            "method": report.method,
            "faces": report.faces,
            "nodes": report.nodes,
            "seconds": seconds,
        }
        click.echo(json.dumps({k: v for k, v in values.items() if v is not None}))
        return
    error = report.standard_error if sampled else report.error_bound
    kind = " (standard error)" if sampled else ""
    unit = _angle_unit(cone.dimension)
    rows = [
        ("fraction", f"{_digits(report.value, error)} ± {error:.1e}{kind}"),
        ("solid angle", f"{solid_angle:.12g} {unit}".rstrip()),
        ("half-spaces", f"{len(cone.normals)} in dimension {cone.dimension}"),
        ("facets", str(facets)),
        ("method", report.method),
        ("faces", f"{report.faces:,}, {report.nodes:,} nodes"),
        ("points", f"{report.nodes:,}"),
        ("time", _duration(seconds)),
    ]
    if sampled:
        rows = [row for row in rows if row[0] not in ("facets", "faces")]
    else:
        rows = [row for row in rows if row[0] != "points" and (report.faces or row[0] != "faces")]
    _print_rows(rows)


@main.command("models")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def models_command(as_json: bool) -> None:
    """List the bundled networks."""
    from conevol import zoo

    models = []
    for name in zoo.names():
        network = zoo.load(name)
        record = network.metadata.get("record", {})
        models.append(
            {
                "name": name,
                "hidden": network.hidden,
                "n": network.n,
                "parameters": network.parameters,
                "task": network.task,
                "sequences": record.get("sequences"),
                "sampled_accuracy": record.get("sampled_accuracy"),
                "why": network.metadata.get("why"),
            }
        )
    if as_json:
        click.echo(json.dumps(models))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("name", "task", "made by", "accuracy"):
        table.add_column(heading, no_wrap=True)
    for m in models:
        trained = m["sequences"] is not None
        table.add_row(
            m["name"],
            m["task"],
            f"training, 2^{math.log2(m['sequences']):.0f} sequences" if trained else "hand",
            f"{100 * m['sampled_accuracy']:.2f} % (sampled)" if trained else "100 % (proved)",
        )
    click.echo("bundled networks, named neurons/length:")
    Console().print(table)


@main.command("train")
@click.argument("shape", metavar="HIDDEN/N")
@click.argument("out", type=click.Path(dir_okay=False))
@click.option("--task", default="second_argmax", show_default=True)
@click.option("--seeds", default=5, show_default=True, help="Networks trained side by side.")
@click.option("--steps", default=2**17, show_default=True, help="Batches of 1024 sequences.")
@click.option(
    "--positive-inputs",
    type=int,
    help="Keep only seeds with this many positive input weights.",
)
@click.option("--threads", default=1, show_default=True, help="Threads of PyTorch.")
def train_command(
    shape: str,
    out: str,
    task: str,
    seeds: int,
    steps: int,
    positive_inputs: int | None,
    threads: int,
) -> None:
    """Train networks of HIDDEN neurons on sequences of N and keep the best in OUT (.json).

    The state is kept in OUT.ckpt: interrupt with Ctrl-C and run the same command to
    go on.  Needs PyTorch: pip install "conevol[train]".
    """
    try:
        import torch

        from conevol.training import Plan, train
    except ImportError as error:
        raise click.ClickException(
            'training needs PyTorch and tqdm: pip install "conevol[train]"'
        ) from error
    try:
        hidden, n = (int(part) for part in shape.split("/"))
    except ValueError:
        raise click.ClickException(f"shape is {shape!r}, expected HIDDEN/N such as 4/3") from None
    torch.set_num_threads(threads)
    plan = Plan(hidden, n, task=task, seeds=seeds, steps=steps)
    checkpoint = Path(out).with_suffix(".ckpt")
    try:
        run = train(plan, checkpoint=checkpoint)
    except KeyboardInterrupt:
        raise click.ClickException(
            f"interrupted; the same command goes on from {checkpoint}"
        ) from None
    best = run.best(positive_inputs)
    run.save(out, best)
    reached = f"{100 * run.accuracy[best]:.3f} % of 2^21 samples right"
    click.echo(f"{out}: seed {plan.first_seed + best}, the best of {seeds}; {reached}")


def load_model(model: str) -> ReluRNN:
    """A bundled network or one from a file."""
    from conevol import zoo
    from conevol.network import ReluRNN

    if model in zoo.names():
        return zoo.load(model)
    if not Path(model).exists():
        raise ConevolError(
            f"{model!r} is neither a file nor a bundled network; "
            f"bundled are {', '.join(zoo.names())}"
        )
    return ReluRNN.load(model)


def _read_normals(path: Path) -> Any:
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or "normals" not in content:
        raise FileFormatError(f'{path} holds no cone, expected {{"normals": [[..], ..]}}')
    return content["normals"]


def _accuracy_object(
    model: str, network: ReluRNN, result: AccuracyResult, seconds: float
) -> dict[str, Any]:
    return {
        "model": model,
        "hidden": network.hidden,
        "n": network.n,
        "task": network.task,
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
        ("accuracy", f"{_digits(result.value, bound)} ± {bound:.1e}"),
        ("patterns", f"{result.patterns:,}"),
        ("cells", f"{result.cells:,}"),
        ("ties", f"{result.tied:.10g} of the inputs, counted by the rule '{result.ties}'"),
        ("time", _duration(seconds) + _after(loading)),
        ("sampling", f"{needed:.2g} samples for a standard error of {_SAMPLING_ERROR:.0e}"),
    ]
    if result.unresolved:
        text = f"{result.unresolved:.3g} of the inputs: their logits differ by rounding only"
        rows.insert(5, ("unresolved", text))
    if map_path is not None:
        rows.append(("map", map_path))
    _print_rows(rows)


def _after(loading: float | None) -> str:
    return "" if loading is None else f", after {_duration(loading)} for the compiled code"


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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("bounds", total=1.0, lower=0.0, upper=1.0)

        def show(now: AccuracyBounds) -> None:
            bar.update(task, completed=now.explored, lower=now.lower, upper=now.upper)

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
        ("time", f"{_duration(result.seconds)}, ended by: {_ENDED[result.stopped]}"),
    ]
    if path is not None:
        rows.append(("state", f"{path}; the same command goes on from there"))
    _print_rows(rows)


def _between(result: AccuracyBounds) -> str:
    """Bounds, rounded outward to digits that tell them apart."""
    size = math.log10(result.width) if result.width > 0.0 else -15.0
    decimals = min(15, max(4, 2 - math.floor(size)))
    unit = 10.0**decimals
    lower, upper = math.floor(result.lower * unit) / unit, math.ceil(result.upper * unit) / unit
    return f"between {max(lower, 0.0):.{decimals}f} and {min(upper, 1.0):.{decimals}f}"


def _bounds_object(model: str, network: ReluRNN, result: AccuracyBounds) -> dict[str, Any]:
    return {
        "model": model,
        "hidden": network.hidden,
        "n": network.n,
        "task": network.task,
        **{name: getattr(result, name) for name in result.__dataclass_fields__},
    }


def _print_rows(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {text}")


def _digits(value: float, bound: float) -> str:
    """The value to the digits that its error bound supports."""
    if bound <= 0.0 or value == 0.0:
        return f"{value:.17g}"
    decimals = max(0, min(17, -math.floor(math.log10(2.0 * bound)) - 1))
    if value < 1e-4:
        significant = max(0, min(16, math.floor(math.log10(value / (2.0 * bound)))))
        return f"{value:.{significant}e}"
    return f"{value:.{decimals}f}"


def _angle_unit(dimension: int) -> str:
    return {1: "points", 2: "radians", 3: "steradians"}.get(dimension, "")


def _duration(seconds: float) -> str:
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


if __name__ == "__main__":
    main()
