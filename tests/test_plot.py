"""The map keeps areas: what is drawn wrong has the share of the picture that is wrong."""

import matplotlib.figure
import numpy as np
import pytest

import conevol
from conevol import plot
from conevol.errors import ConevolError


@pytest.mark.parametrize("name", ["3/3", "4/3", "16/3", "exact-7/3"])
def test_drawn_areas_are_fractions(name):
    result = conevol.accuracy(conevol.zoo.load(name), table=True)
    cells = result.table
    drawn = np.zeros(len(cells))
    for sign in (1.0, -1.0):
        frame = plot._frame(sign)
        for i, rays in enumerate(cells.rays):
            part = plot._clip(rays, frame[2])
            if len(part) >= 2:
                x, y = plot._project(plot._great_circle(part), frame).T
                drawn[i] += abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    # Two discs of radius 1; arcs are drawn as chords of at most 0.02.
    np.testing.assert_allclose(drawn / (2 * np.pi), cells.fraction, atol=1e-4)


@pytest.mark.parametrize("name", ["2/2", "exact-2/2", "4/3"])
def test_map_of_every_length_is_written(tmp_path, name, monkeypatch):
    figures = []
    save = matplotlib.figure.Figure.savefig

    def kept(figure, *args, **options):
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", kept)
    path = tmp_path / "map.svg"
    result = plot.cell_map(conevol.zoo.load(name), path)
    assert path.stat().st_size > 1000
    patches = sum(len(axes.patches) for axes in figures[0].axes)
    assert patches >= result.cells


def test_other_lengths_are_refused(tmp_path):
    with pytest.raises(ConevolError, match="n = 4"):
        plot.cell_map(conevol.zoo.load("6/4"), tmp_path / "map.png")
