"""Pictures: the map of a network's cells on the sphere of inputs (extra ``plot``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conevol.cells import AccuracyResult, accuracy
from conevol.errors import ConevolError
from conevol.network import ReluRNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["cell_map"]

# Okabe and Ito's colours, told apart by every kind of colour vision.
_COLOURS = ("#0072B2", "#E69F00", "#009E73")
# The same, paler: where the prediction is right.
_TINTS = ("#8fc1de", "#f5d592", "#8fd3bc")
_INK = "#1a1a1a"
# Longest piece of a great circle that is drawn as a straight line, in radians.
_STEP = 0.02


def cell_map(network: ReluRNN, path: str | Path, *, ties: str = "first") -> AccuracyResult:
    """Draw the sphere of inputs, coloured by prediction, with the wrong cells marked.

    For n = 3 both hemispheres around (1, 1, 1) in Lambert's equal-area projection, so
    that areas in the picture are fractions; the planes x_i = x_j are diameters and the
    label is constant on each sixth.  For n = 2 the circle of directions.

    Parameters
    ----------
    network : ReluRNN
        With n = 2 or 3.
    path : path
        Of the picture; its suffix is the format (.png, .svg, .pdf).
    ties : str
        As for `conevol.accuracy`; where a tie leaves a part of the credit, a cell is
        marked as wrong unless the credit is whole.

    Returns
    -------
    AccuracyResult, with its table

    Raises
    ------
    ConevolError
        If n is not 2 or 3, or matplotlib is not installed.
    """
    if network.n not in (2, 3):
        raise ConevolError(f"a map can be drawn for n = 2 and n = 3, got n = {network.n}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConevolError('drawing a map needs matplotlib: pip install "conevol[plot]"') from error
    result = accuracy(network, ties=ties, table=True)
    draw = _draw_hemispheres if network.n == 3 else _draw_circle
    figure = Figure(figsize=(11.0, 6.4) if network.n == 3 else (6.6, 7.0), layout="constrained")
    draw(figure, result)
    _legend(figure, network, result)
    figure.savefig(path, dpi=160)
    return result


def _right(result: AccuracyResult) -> NDArray[np.bool_]:
    """Which cells count as right in full under the result's tie rule."""
    cells = result.table
    assert cells is not None
    right = cells.label == cells.prediction
    return right if result.ties == "first" else right & (cells.ties == 1)


def _legend(figure: Any, network: ReluRNN, result: AccuracyResult) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=colours[i], edgecolor=edge, hatch=hatch, label=f"predicts {i}{what}")
        for colours, edge, hatch, what in (
            (_TINTS, "none", None, ""),
            (_COLOURS, _INK, "//////", ", wrong"),
        )
        for i in range(network.n)
    ]
    # Column by column: each prediction above its wrong twin.
    handles = [h for pair in zip(*np.split(np.array(handles), 2), strict=True) for h in pair]
    figure.legend(handles=handles, loc="outside lower center", ncols=network.n, frameon=False)
    figure.suptitle(
        f"{network.hidden} neurons, n = {network.n}, {network.task}: accuracy "
        f"{100 * result.value:.4f} %, {result.patterns} patterns, {result.cells} cells"
    )


# ---------------------------------------------------------------- n = 3


def _frame(sign: float) -> NDArray[np.float64]:
    """Rows: right, up and pole of a hemisphere around sign (1, 1, 1)."""
    pole = sign * np.ones(3) / np.sqrt(3.0)
    up = np.array([2.0, -1.0, -1.0]) / np.sqrt(6.0)
    return np.array([np.cross(up, pole), up, pole])


def _clip(rays: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rays around the part of a cone with normal . x >= 0, cyclic."""
    kept = []
    height = rays @ normal
    for i in range(len(rays)):
        j = (i + 1) % len(rays)
        if height[i] >= 0.0:
            kept.append(rays[i])
        if height[i] * height[j] < 0.0:
            crossing = rays[i] * abs(height[j]) + rays[j] * abs(height[i])
            kept.append(crossing / np.linalg.norm(crossing))
    return np.array(kept).reshape(-1, 3)


def _great_circle(rays: NDArray[np.float64], closed: bool = True) -> NDArray[np.float64]:
    """Points along the great circles from each ray to the next."""
    points = []
    for i in range(len(rays) if closed else len(rays) - 1):
        a, b = rays[i], rays[(i + 1) % len(rays)]
        angle = np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)
        if angle < 1e-12:
            continue
        s = np.linspace(0.0, 1.0, max(2, int(angle / _STEP) + 1), endpoint=False)[:, None]
        points.append((np.sin((1 - s) * angle) * a + np.sin(s * angle) * b) / np.sin(angle))
    if not points:
        return rays
    return np.concatenate(points if closed else [*points, rays[-1:]])


def _project(points: NDArray[np.float64], frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lambert's azimuthal equal-area projection; the hemisphere becomes the unit disc."""
    right, up, height = frame @ points.T
    return (np.array([right, up]) / np.sqrt(1.0 + np.maximum(height, 0.0))).T


def _draw_hemispheres(figure: Any, result: AccuracyResult) -> None:
    cells, right = result.table, _right(result)
    assert cells is not None
    for column, sign in enumerate((1.0, -1.0)):
        axes = figure.add_subplot(1, 2, column + 1)
        frame = _frame(sign)
        for i in range(len(cells)):
            rays = _clip(cells.rays[i], frame[2])
            if len(rays) >= 2:
                outline = _project(_great_circle(rays), frame)
                _fill(axes, outline, int(cells.prediction[i]), bool(right[i]))
        _dress(axes, frame, sign)


def _fill(axes: Any, outline: NDArray[np.float64], prediction: int, right: bool) -> None:
    if right:
        axes.fill(
            *outline.T, facecolor=_TINTS[prediction], edgecolor="white", linewidth=0.3, zorder=1
        )
    else:
        axes.fill(
            *outline.T, facecolor=_COLOURS[prediction], edgecolor=_INK, hatch="//////",
            linewidth=0.5, zorder=2,
        )  # fmt: skip


def _dress(axes: Any, frame: NDArray[np.float64], sign: float) -> None:
    """The order planes, the label of each sixth, and the coordinate rays."""
    for i, j in ((0, 1), (0, 2), (1, 2)):
        line = np.zeros(3)
        line[i] = line[j] = 1.0
        line[3 - i - j] = -2.0
        ends = _project(np.stack([line, -line]) / np.sqrt(6.0), frame)
        axes.plot(*ends.T, color=_INK, linewidth=0.9, linestyle=(0, (5, 3)), zorder=3)
    for i in range(3):
        for j in range(3):
            if i != j:
                # The middle of the sector x_i > x_j > x_k, on the edge of the disc.
                middle = np.zeros(3)
                middle[i], middle[3 - i - j] = 1.0, -1.0
                spot = _project(middle[None] / np.sqrt(2.0), frame)[0]
                k = 3 - i - j
                axes.annotate(
                    f"$x_{i}>x_{j}>x_{k}$",
                    1.13 * spot,
                    ha="center",
                    va="center",
                    fontsize=8.5,
                    rotation=_upright(np.degrees(np.arctan2(spot[1], spot[0])) - 90.0),
                )
        ray = np.eye(3)[i] * sign
        spot = _project(ray[None], frame)[0]
        axes.plot(*spot, marker="o", markersize=4, color="white", markeredgecolor=_INK, zorder=4)
        text = f"$x_{i}$" if sign > 0 else f"$-x_{i}$"
        axes.annotate(
            text, spot, xytext=(5, 5), textcoords="offset points", fontsize=9, zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
        )  # fmt: skip
    circle = np.linspace(0.0, 2.0 * np.pi, 361)
    axes.plot(np.cos(circle), np.sin(circle), color=_INK, linewidth=1.2, zorder=3)
    axes.set_title(f"hemisphere around ({sign:.0f}, {sign:.0f}, {sign:.0f})", fontsize=10)
    axes.set_aspect("equal")
    axes.set_xlim(-1.2, 1.2)
    axes.set_ylim(-1.17, 1.17)
    axes.set_axis_off()


def _upright(degrees: float) -> float:
    """The same direction of writing, turned so that it can be read."""
    degrees = (degrees + 180.0) % 360.0 - 180.0
    if degrees > 90.0:
        return degrees - 180.0
    return degrees + 180.0 if degrees < -90.0 else degrees


# ---------------------------------------------------------------- n = 2


def _draw_circle(figure: Any, result: AccuracyResult) -> None:
    axes = figure.add_subplot(1, 1, 1)
    cells, right = result.table, _right(result)
    assert cells is not None
    for i in range(len(cells)):
        rays = np.pad(cells.rays[i], ((0, 0), (0, 1)))
        arc = _great_circle(rays, closed=False)[:, :2]
        _fill(axes, np.vstack([np.zeros(2), arc]), int(cells.prediction[i]), bool(right[i]))
    axes.plot([-0.78, 0.78], [-0.78, 0.78], color=_INK, linewidth=0.9, linestyle=(0, (5, 3)))
    for text, spot in (("$x_0$", (1.08, 0.0)), ("$x_1$", (0.0, 1.08))):
        axes.annotate(text, spot, ha="center", va="center")
    axes.annotate("$x_0=x_1$", (0.8, 0.8), ha="left", va="bottom", fontsize=9)
    axes.set_aspect("equal")
    axes.set_xlim(-1.2, 1.2)
    axes.set_ylim(-1.2, 1.2)
    axes.set_axis_off()
