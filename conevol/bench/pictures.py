"""Pictures of a run: estimates against exact values, error against compute (extra ``plot``)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conevol.bench.quality import Quality
from conevol.bench.report import rounded_up
from conevol.errors import ConevolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw_compute", "draw_scatter"]

# Okabe and Ito's colours, told apart by every kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
_INK = "#1a1a1a"
_SAMPLING = "#6b6b6b"


def _figure(**options: Any) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConevolError('pictures need matplotlib: pip install "conevol[plot]"') from error
    return Figure(layout="constrained", **options)


def _compared(quality: Quality) -> list[str]:
    """Estimators other than the exact value and the sampling line."""
    return [n for n in quality.estimates if n not in ("exact", *quality.sampling_names)]


def draw_scatter(quality: Quality, path: str | Path) -> Path:
    """Every copy's estimate against its reference, an estimator a panel (the note's figure 1)."""
    names = _compared(quality)
    if not names:
        raise ConevolError("there is nothing to scatter: only the exact value and sampling ran")
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = _figure(figsize=(4.3 * columns + 0.4, 4.2 * lines + 0.5))
    reference = 100 * quality.reference
    everything = np.concatenate([reference, *(100 * quality.values(name) for name in names)])
    low, high = _limits(everything)
    for i, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, i + 1)
        axes.plot([low, high], [low, high], color=_INK, linewidth=0.9, zorder=1)
        axes.scatter(
            np.resize(reference, len(quality.estimates[name])), 100 * quality.values(name), s=14,
            color=_COLOURS[i % len(_COLOURS)], alpha=0.65, linewidths=0, zorder=2,
        )  # fmt: skip
        score = quality.score(name)
        axes.set_title(name, fontsize=11, loc="left", color=_COLOURS[i % len(_COLOURS)])
        axes.annotate(
            f"RMS error {100 * score.rms:.1f} %\nbias {100 * score.bias:+.1f} %",
            (0.04, 0.96), xycoords="axes fraction", va="top", fontsize=9.5,
        )  # fmt: skip
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        if i >= len(names) - columns:
            axes.set_xlabel("exact accuracy, %" if quality.is_exact else "sampled accuracy, %")
        if i % columns == 0:
            axes.set_ylabel("estimate, %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.suptitle(_title(quality), fontsize=11)
    figure.savefig(path, dpi=160)
    return Path(path)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """A range of whole fives of per cent around the values."""
    return 5.0 * math.floor(values.min() / 5.0), 5.0 * math.ceil(values.max() / 5.0)


def _title(quality: Quality) -> str:
    return f"{quality.copies} copies of {quality.model}, noise {quality.noise:g} on every weight"


def draw_compute(quality: Quality, path: str | Path) -> Path:
    """RMS error against operations and against time, with sampling's measured line."""
    figure = _figure(figsize=(11.5, 5.2))
    scores = {score.estimator: score for score in quality.scores}
    line = [scores[name] for name in quality.sampling_names]
    others = [scores[name] for name in _compared(quality)]
    errors = np.array([s.rms for s in (*line, *others) if s.rms > 0.0])
    low, high = 0.35 * errors.min(), 2.2 * errors.max()
    for column, (cost, unit) in enumerate(
        (("operations", "operations a network"), ("seconds", "seconds a network"))
    ):
        axes = figure.add_subplot(1, 2, column + 1)
        labels = []
        if line:
            x = np.array([getattr(s, cost) for s in line])
            y = np.array([s.rms for s in line])
            axes.plot(
                x, y, marker="o", markersize=4, color=_SAMPLING, linewidth=1.2, zorder=2,
                label="sampling, as measured",
            )  # fmt: skip
            if cost == "operations":
                per_sample = x[-1] / int(line[-1].estimator.split(":")[1])
                axes.plot(
                    x, quality.deviation * np.sqrt(per_sample / x), color=_INK, linewidth=0.9,
                    linestyle=(0, (5, 3)), zorder=1, label=r"$\sqrt{\overline{p(1-p)}\,/\,k}$",
                )  # fmt: skip
        for i, score in enumerate(others):
            colour = _COLOURS[i % len(_COLOURS)]
            axes.plot(getattr(score, cost), score.rms, "D", color=colour, markersize=7, zorder=4)
            labels.append((getattr(score, cost), score.rms, score.estimator, colour))
        if "exact" in scores and getattr(scores["exact"], cost) > 0.0:
            exact = scores["exact"]
            at = getattr(exact, cost)
            axes.plot(at, low * 1.25, "v", color="#D00000", markersize=9, zorder=4)
            text = f"exact: < {rounded_up(exact.rms)}" if quality.is_exact else "exact"
            labels.append((at, low * 1.25, text, "#D00000"))
        axes.set(xscale="log", yscale="log", ylim=(low, high), xlabel=unit)
        _label(axes, labels)
        if column == 0:
            axes.set_ylabel("RMS error of the accuracy")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.6, which="major")
        axes.set_axisbelow(True)
        if line:
            axes.legend(loc="upper right", frameon=False, fontsize=9.5)
    figure.suptitle(_title(quality), fontsize=11)
    figure.savefig(path, dpi=160)
    return Path(path)


def _label(axes: Any, labels: list[tuple[float, float, str, str]]) -> None:
    """Names beside their points, on the side where there is room."""
    left, right = axes.get_xlim()
    middle = math.sqrt(left * right)
    for x, y, text, colour in labels:
        after = x < middle
        axes.annotate(
            text, (x, y), xytext=(9 if after else -9, 0), textcoords="offset points", va="center",
            ha="left" if after else "right", fontsize=9.5, color=colour, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )  # fmt: skip
