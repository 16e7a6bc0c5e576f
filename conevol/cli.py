"""The command line: ``conevol accuracy``, ``fraction``, ``models``, ``train`` and ``bench``."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import click

from conevol._version import __version__
from conevol.accuracy_command import accuracy_command
from conevol.bench.command import bench
from conevol.command_output import digits, duration, print_rows
from conevol.errors import ConevolError, FileFormatError


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


main.add_command(accuracy_command)
main.add_command(bench)


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
        ("fraction", f"{digits(report.value, error)} ± {error:.1e}{kind}"),
        ("solid angle", f"{solid_angle:.12g} {unit}".rstrip()),
        ("half-spaces", f"{len(cone.normals)} in dimension {cone.dimension}"),
        ("facets", str(facets)),
        ("method", report.method),
        ("faces", f"{report.faces:,}, {report.nodes:,} nodes"),
        ("points", f"{report.nodes:,}"),
        ("time", duration(seconds)),
    ]
    if sampled:
        rows = [row for row in rows if row[0] not in ("facets", "faces")]
    else:
        rows = [row for row in rows if row[0] != "points" and (report.faces or row[0] != "faces")]
    print_rows(rows)


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


def _read_normals(path: Path) -> Any:
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or "normals" not in content:
        raise FileFormatError(f'{path} holds no cone, expected {{"normals": [[..], ..]}}')
    return content["normals"]


def _angle_unit(dimension: int) -> str:
    return {1: "points", 2: "radians", 3: "steradians"}.get(dimension, "")


if __name__ == "__main__":
    main()
