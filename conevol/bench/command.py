"""The command line of the benchmarks: ``conevol bench quality``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["bench"]


@click.group("bench")
def bench() -> None:
    """Measure estimators."""


@bench.command("quality")
@click.argument("model", default="4/3")
@click.option("--noise", default=0.05, show_default=True, help="Noise on every weight (sd).")
@click.option("--copies", default=256, show_default=True, help="Number of noisy copies.")
@click.option(
    "--estimators", help="Such as 'exact note-original:q=0.3'; by default all that fit the network."
)
@click.option(
    "--out", type=click.Path(file_okay=False), default="quality", show_default=True,
    help="Folder for estimates, table and pictures.",
)  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of the noise and of the estimators.")
@click.option("--pictures/--no-pictures", default=True, show_default=True)
def quality_command(
    model: str,
    noise: float,
    copies: int,
    estimators: str | None,
    out: str,
    seed: int,
    pictures: bool,
) -> None:
    """Errors of estimators over noisy copies of MODEL, against operations and time.

    Every estimator is compared with the exact accuracy of every copy, and with sampling at
    equal compute.  Estimates are kept in the folder: interrupt with Ctrl-C, and the
    same command goes on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Table

    from conevol.bench.quality import measure_quality
    from conevol.bench.report import HEADINGS, rows, summary, write_report
    from conevol.command_output import load_model

    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, object] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)  # type: ignore[arg-type]

        try:
            quality = measure_quality(
                load_model(model), estimators.split() if estimators else None, model=model,
                noise=noise, copies=copies, seed=seed, folder=out, progress=progress,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise click.ClickException(
                f"interrupted; the same command goes on from {out}"
            ) from None
    paths = write_report(quality, Path(out), pictures)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if i == 0 else "right", no_wrap=i < 6)
    for row in rows(quality.scores):
        table.add_row(*row)
    console.print(summary(quality), highlight=False)
    console.print(table)
    click.echo("written: " + ", ".join(str(path) for path in paths))
