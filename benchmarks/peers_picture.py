"""Error against time, one panel a dimension; errors below 1e-13 on a coloured ground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.peers import Point

PANELS = (3, 4, 5, 6, 8, 10, 12, 16, 20)
# Colours that the colour-blind can tell apart (Okabe and Ito 2008), and a marker for each.
STYLES = {
    "sampling": ("#999999", "x"),
    "SciPy": ("#E69F00", "o"),
    "Genz-Bretz": ("#56B4E9", "s"),
    "Miwa": ("#009E73", "^"),
    "TVPACK": ("#CC79A7", "D"),
    "girard": ("#8C6D31", "v"),
    "exhaustive": ("#0072B2", "P"),
    "conevol": ("#D55E00", "*"),
}
# Errors below the spacing of doubles are drawn here.
FLOOR = 1e-17

__all__ = ["draw"]


def draw(points: list[Point], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(3, 3, figsize=(9.5, 9), sharex=True, sharey=True)
    for axes, d in zip(grid.flat, PANELS, strict=True):
        for name, (colour, marker) in STYLES.items():
            ours = name == "conevol"
            for family in {p.family for p in points}:
                curve = [p for p in points if (p.peer, p.d, p.family) == (name, d, family)]
                curve = [p for p in curve if p.error == p.error and p.seconds > 0.0]
                axes.plot(
                    [p.seconds for p in curve], [max(p.error, FLOOR) for p in curve],
                    color=colour, marker=marker, markersize=11 if ours else 3.5, linewidth=0.8,
                    alpha=1.0 if ours else 0.75, markeredgewidth=0.5 if ours else 0.8,
                    markeredgecolor="black" if ours else colour, zorder=3 if ours else 2,
                )  # fmt: skip
        axes.axhspan(0.0, 1e-13, color="#D55E00", alpha=0.07, linewidth=0.0)
        axes.axhline(1e-6, color="black", linewidth=0.6, linestyle=":")
        axes.set(xscale="log", yscale="log", xlim=(3e-6, 8), ylim=(3e-18, 30))
        axes.set_title(f"d = {d}", fontsize=10, loc="left")
        axes.grid(color="#e8e8e8", linewidth=0.5)
        axes.set_axisbelow(True)
    grid[1, 0].set_ylabel("relative error")
    grid[2, 1].set_xlabel("seconds of one core")
    present = [n for n in reversed(STYLES) if any(p.peer == n for p in points)]
    handles = [
        pyplot.Line2D([], [], color=STYLES[n][0], marker=STYLES[n][1], label=n,
                      markersize=10 if n == "conevol" else 5, linewidth=0.8)
        for n in present
    ]  # fmt: skip
    figure.legend(handles=handles, loc="upper center", ncol=len(handles), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0, 1, 0.965))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
