"""The picture of a network's codes: where they lie, what they know, which of them touch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conevol.analysis.codes import CodeTable, Neighbours
from conevol.errors import ConevolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["code_positions", "draw_codes"]

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# Points^2 of a disc that has all of the probability, and points of a line that has all of the
# boundary.
_AREA, _WIDTH = 9_000.0, 120.0


def code_positions(table: CodeTable) -> NDArray[np.float64]:
    """Bits of the codes along their two leading principal directions, shape (codes, 2)."""
    bits = table.bits()
    centred = bits - table.fractions @ bits / table.fractions.sum()
    directions = table.directions()[1][:2].reshape(-1, bits.shape[1])
    found = np.zeros((len(table), 2))
    found[:, : len(directions)] = centred @ directions.T
    return found


def draw_codes(
    table: CodeTable, path: str | Path, found: Neighbours | None = None, most: int = 500
) -> None:
    """Draw the most likely codes along the two leading directions of their bits, by label.

    A disc is a code, its area the code's probability, split by the labels' shares; the part
    that is not filled is where the network is wrong.  A line joins codes whose cones share a
    facet, as wide as the facet's share of all.

    Parameters
    ----------
    table : CodeTable
    path : str or Path
    found : Neighbours, optional
        Of the same network; without it there are no lines.
    most : int
        At most so many codes.

    Raises
    ------
    ConevolError
        If the neighbours are of other codes, or matplotlib is not installed (extra ``plot``).
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConevolError('drawing needs matplotlib: pip install "conevol[plot]"') from error
    at = code_positions(table)[:most]
    figure = Figure(figsize=(8.2, 5.6), layout="constrained")
    ax = figure.subplots()
    if found is not None:
        rows = _rows_of(table, found)[found.pairs]
        for (i, j), share in zip(rows, found.shares, strict=True):
            if max(i, j) < len(at):
                width = max(_WIDTH * share, 0.3)
                ax.plot(*at[[i, j]].T, color="#cccccc", lw=width, zorder=1, solid_capstyle="round")
    n = table.joint.shape[1]
    for code, (x, y) in enumerate(at):
        _draw_disc(ax, x, y, table.joint[code], table.accuracies[code])
    for label in range(n):
        ax.scatter([], [], s=60, color=_COLOURS[label % len(_COLOURS)], label=f"label {label}")
    spread = np.ptp(at, axis=0)
    pads = 0.1 * np.where(spread > 0.0, spread, 1.0)
    ax.set(
        xlim=(at[:, 0].min() - pads[0], at[:, 0].max() + pads[0]),
        ylim=(at[:, 1].min() - pads[1], at[:, 1].max() + pads[1]),
    )
    variances = table.directions()[0]
    total = variances.sum() or 1.0
    for axis, direction in (("x", 0), ("y", 1)):
        if direction < len(variances):
            share = 100.0 * variances[direction] / total
            ax.set(**{f"{axis}label": f"direction {direction + 1}, {share:.0f} % of the variance"})
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)


def _draw_disc(ax: Any, x: float, y: float, joint: NDArray[np.float64], accuracy: float) -> None:
    """One code: a white disc with its labels' sectors, drawn in to the radius that is right."""
    area = _AREA * joint.sum()
    ax.scatter(x, y, s=area, color="white", edgecolor="#555555", lw=0.6, zorder=2)
    ends = np.r_[0.0, np.cumsum(joint / joint.sum())]
    for label in np.flatnonzero(joint > 1e-12):
        turn = 2.0 * np.pi * (0.25 + np.linspace(ends[label], ends[label + 1], 48))
        sector = np.c_[np.cos(turn), np.sin(turn)]
        if ends[label + 1] - ends[label] < 1.0 - 1e-12:
            sector = np.vstack([[0.0, 0.0], sector])
        # A marker's outline has a radius of 1/2 its size; area counts the bounding square of it.
        size = area * accuracy * float(np.abs(sector).max()) ** 2
        colour = _COLOURS[label % len(_COLOURS)]
        ax.scatter(x, y, s=size, marker=sector, color=colour, lw=0.0, zorder=3)


def _rows_of(table: CodeTable, found: Neighbours) -> NDArray[np.int64]:
    """The row of the table that each of the neighbours' codes is."""
    names = {code.tobytes(): row for row, code in enumerate(table.codes)}
    rows = [names.get(code.tobytes(), -1) for code in found.codes]
    if min(rows) < 0:
        raise ConevolError(
            f"the neighbours' {len(rows)} codes are not among the table's {len(table)}: "
            "make both from the same network"
        )
    return np.array(rows)
