"""Normal points in coordinates of order: digits, transforms, and the law of a point."""

from __future__ import annotations

import math
import operator
from functools import reduce

import numpy as np
import pytest
from scipy import special, stats
from scipy.stats import qmc

from conevol.kernels._jit import kernel
from conevol.kernels.gaussian import LANES, exp_lanes, log_lanes
from conevol.kernels.ordered import (
    MOST_ORDERED,
    fill_ordered,
    quantile_lanes,
    sobol_directions,
    start_points,
)
from conevol.separation import root_fractions

MASK = 2**64 - 1


@kernel
def points(directions, steps, seed, replicate, width, first, size, strata):
    """Lanes of one group as columns: ((size, LANES), (strata, LANES), base)."""
    base = np.empty((directions.shape[0] + steps.size, LANES), np.uint64)
    real, x, last = np.empty((3, LANES)), np.empty((size, LANES)), np.empty((strata, LANES))
    start_points(directions, steps, seed, replicate, width, base)
    fill_ordered(directions, steps, first, base, real, real.view(np.uint64), x, size, last)
    return x, last, base


@kernel
def on_lanes(which, values):
    """One of the functions of all lanes, in place."""
    real = np.empty((3, LANES))
    real[0] = values[0]
    if which == 0:
        log_lanes(real, real.view(np.uint64))
    elif which == 1:
        exp_lanes(real, real.view(np.uint64))
    else:
        quantile_lanes(values, 0, real, real.view(np.uint64))
        return
    values[0] = real[0]


def applied(which, x):
    """A function of all lanes on any number of values."""
    rows = np.resize(x, (-(-len(x) // LANES), LANES))
    for row in rows:
        on_lanes(which, row[None])
    return rows.reshape(-1)[: len(x)]


def hashed(seed, i):
    """Word i of the key of a seed, in Python's integers."""

    def mix(z):
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31

    golden = 0x9E3779B97F4A7C15
    key = mix(mix(seed + golden & MASK) ^ 0x94D049BB133111EB)
    return mix(key + (i + 1) * golden & MASK)


def coordinates(directions, steps, seed, replicate, index):
    """All coordinates of points of one replicate as fractions of 2^64, by definition."""
    count = len(directions) + len(steps)
    shifts = [hashed(seed, replicate * count + t) for t in range(count)]
    words = np.empty((len(index), count), dtype=np.uint64)
    for row, i in zip(words, index, strict=True):
        for t, v in enumerate(directions):
            row[t] = reduce(operator.xor, (v[b] for b in range(64) if i >> b & 1), shifts[t])
        for t, step in enumerate(steps, len(directions)):
            row[t] = (i * int(step) + shifts[t]) & MASK
    return words


def normals(words, ordered, size, strata):
    """Inputs (count, size) and last inputs (count, strata) of such points, by definition."""
    u = ((words >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
    largest = np.cumprod(u[:, 0 : 2 * ordered : 2] ** (1.0 / (size - np.arange(ordered))), axis=1)
    x = np.empty((len(words), size))
    x[:, :ordered] = largest
    if ordered:
        x[:, ordered:] = largest[:, -1:] * u[:, 2 * ordered + 1 :]
    x = special.ndtri(x)
    for row, word in zip(x, words, strict=True):
        for i in reversed(range(ordered)):
            j = i + ((int(word[2 * i + 1]) >> 32) * (size - i) >> 32)
            row[[i, j]] = row[[j, i]]
    k, v = np.arange(strata), u[:, 2 * ordered, None]
    return x, special.ndtri((k + np.where(k % 2 == 0, v, 1.0 - v)) / strata)


def test_directions_are_those_of_joe_and_kuo():
    dimensions = 2 * MOST_ORDERED + 1
    expected = qmc.Sobol(dimensions, scramble=False, bits=62).random(256)
    directions = sobol_directions(dimensions)
    mine = np.zeros((256, dimensions), dtype=np.uint64)
    for i in range(256):
        for b in range(8):
            # scipy goes through the points in the order of Gray's code.
            if (i ^ i >> 1) >> b & 1:
                mine[i] ^= directions[:, b]
    assert (mine.astype(float) / 2.0**64 == expected).all()


@pytest.mark.parametrize(("which", "reference"), [(0, np.log), (1, np.exp)], ids=["log", "exp"])
def test_logarithm_and_exponential(which, reference):
    x = np.concatenate([np.linspace(1e-3, 1.0, 5000), 2.0 ** -np.arange(1.0, 60.0)])
    x = np.concatenate([x, -40.0 * x, 40.0 * x]) if which else x
    np.testing.assert_allclose(applied(which, x), reference(x), rtol=1e-15, atol=2e-16)


def test_quantile():
    p = np.concatenate([np.linspace(1e-6, 1.0 - 1e-6, 9999), [2e-11, 1.0 - 2e-11, 0.075, 0.925]])
    np.testing.assert_allclose(applied(2, p), special.ndtri(p), rtol=1e-13, atol=1e-15)
    far = np.array([2.0**-60, 2.0**-53, 1e-14, 1e-12])
    np.testing.assert_allclose(applied(2, far), special.ndtri(far), rtol=1e-4)
    assert np.isfinite(applied(2, np.array([0.0, 1.0, 2.0**-80]))).all()


@pytest.mark.parametrize(
    ("size", "ordered", "strata", "width", "first"),
    [(9, 3, 4, 64, 0), (9, 3, 4, 64, 64 * 1003), (2, 2, 3, 16, 0), (1, 1, 1, 32, 0),
     (0, 0, 5, 64, 128), (7, 6, 2, 64, 2**40), (4, 3, 4, 1, 0)],
)  # fmt: skip
def test_points_are_those_of_the_definition(size, ordered, strata, width, first):
    directions, steps = sobol_directions(2 * ordered + 1), root_fractions(size - ordered)
    x, last, _ = points(directions, steps, 5, 6, width, first, size, strata)
    for part in range(LANES // width):
        index = [first + i for i in range(width)]
        words = coordinates(directions.tolist(), steps.tolist(), 5, 6 + part, index)
        expected = normals(words, ordered, size, strata)
        lanes = slice(part * width, (part + 1) * width)
        np.testing.assert_allclose(x[:, lanes].T, expected[0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(last[:, lanes].T, expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("size", "ordered"), [(1, 1), (2, 2), (4, 3), (9, 3), (7, 6)])
def test_a_point_alone_is_standard_normal(size, ordered):
    """Of independent replicates: all coordinates normal and uncorrelated, also their squares."""
    directions, steps = sobol_directions(2 * ordered + 1), root_fractions(size - ordered)
    groups = 1500
    drawn = [points(directions, steps, 1, LANES * g, 1, 0, size, 2) for g in range(groups)]
    x = np.concatenate([np.concatenate([a, b]) for a, b, _ in drawn], axis=1)
    # Of two strata one value alone, each as often as the other, is normal.
    x[size] = np.where(np.arange(x.shape[1]) % 2 == 0, x[size], x[size + 1])
    x = x[: size + 1]
    count = x.shape[1]
    for row in x:
        assert stats.kstest(row, stats.norm.cdf).pvalue > 1e-5
    for y in (x, (x**2 - 1.0) / math.sqrt(2.0), np.abs(x) - np.abs(x).mean(axis=1)[:, None]):
        products = y @ y.T / count
        products[np.diag_indices(size + 1)] = 0.0
        assert abs(products).max() < 5.5 / math.sqrt(count)
    if size > 2:
        orders = np.argsort(-x[:size], axis=0)[:3]
        _, found = np.unique(orders, axis=1, return_counts=True)
        assert stats.chisquare(found).pvalue > 1e-5
        assert len(found) == math.perm(size, 3)
