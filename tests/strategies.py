"""Cones and networks to test on: generic, tiny, thin, and degenerate in every known way.

`FAMILIES` maps a name to a generator (rng, count) -> normals (count, k, 3), for
fixed seeds and large numbers; `cones`, `normals` and `networks` are hypothesis
strategies that build their examples row by row, so that failures shrink.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import conevol

Normals = NDArray[np.float64]
Family = Callable[[np.random.Generator, int], Normals]
FAMILIES: dict[str, Family] = {}


def family(make: Family) -> Family:
    FAMILIES[make.__name__] = make
    return make


def rotations(rng: np.random.Generator, count: int, d: int = 3) -> Normals:
    """Random orthogonal matrices (count, d, d)."""
    q, _ = np.linalg.qr(rng.standard_normal((count, d, d)))
    return q


def turned(rng: np.random.Generator, normals: Normals) -> Normals:
    """Every cone of a batch turned at random, its rows in random order."""
    order = np.argsort(rng.random(normals.shape[:2]), axis=1)
    normals = np.take_along_axis(normals, order[:, :, None], axis=1)
    return normals @ rotations(rng, len(normals))


def around_pole(rng: np.random.Generator, count: int, k: int, size: NDArray) -> Normals:
    """Polygons of k sides at distances of order `size` (count,) from the pole."""
    turn = 2 * np.pi * (np.arange(k) + rng.uniform(0.1, 0.9, (count, k))) / k
    distance = size[:, None] * rng.uniform(0.3, 1.0, (count, k))
    return np.stack([np.cos(turn), np.sin(turn), distance], axis=-1)


def nudged(rng: np.random.Generator, values: Normals) -> Normals:
    """Every entry left alone or moved to one of its two neighbours."""
    return np.nextafter(values, values + rng.integers(-1, 2, values.shape))


@family
def generic(rng: np.random.Generator, count: int) -> Normals:
    return rng.standard_normal((count, 5, 3))


@family
def generic_triangle(rng: np.random.Generator, count: int) -> Normals:
    return rng.standard_normal((count, 3, 3))


@family
def many_rows(rng: np.random.Generator, count: int) -> Normals:
    """64 half-spaces, most of them redundant, with an interior."""
    return rng.standard_normal((count, 64, 3)) + 2.5 * rng.standard_normal((count, 1, 3))


@family
def many_sides(rng: np.random.Generator, count: int) -> Normals:
    """64 half-spaces that all bound a side."""
    return turned(rng, around_pole(rng, count, 64, np.full(count, 0.01)) + 0.5 * np.eye(3)[2])


@family
def tiny_1e7(rng: np.random.Generator, count: int) -> Normals:
    return turned(rng, around_pole(rng, count, 5, np.full(count, 1e-7)))


@family
def tiny_1e12(rng: np.random.Generator, count: int) -> Normals:
    return turned(rng, around_pole(rng, count, 4, np.full(count, 1e-12)))


@family
def tiny_any(rng: np.random.Generator, count: int) -> Normals:
    return turned(rng, around_pole(rng, count, 6, 10.0 ** rng.uniform(-14, 0, count)))


@family
def tiny_at_axis(rng: np.random.Generator, count: int) -> Normals:
    """Tiny polygons round a coordinate axis, where sizes far below 1e-16 are representable."""
    a = around_pole(rng, count, 4, 10.0 ** rng.uniform(-60, -3, count))
    return np.roll(a, 1, axis=2)


@family
def needle(rng: np.random.Generator, count: int) -> Normals:
    """Two almost opposite sides, 1e-15 to 1e-3 apart, and two ends."""
    width = 10.0 ** rng.uniform(-15, -3, count)
    a = np.zeros((count, 4, 3))
    a[:, 0] = rng.uniform(-1, 1, (count, 3)) * width[:, None] + [1, 0, 0]
    a[:, 1] = rng.uniform(-1, 1, (count, 3)) * width[:, None] - [1, 0, 0]
    a[:, 2:] = rng.standard_normal((count, 2, 3))
    return turned(rng, a)


@family
def nearly_lineal(rng: np.random.Generator, count: int) -> Normals:
    """Normals within 1e-15 to 1e-6 of one plane: vertices almost antipodal."""
    a = rng.standard_normal((count, 4, 3))
    a[:, :, 2] *= 10.0 ** rng.uniform(-15, -6, (count, 1))
    return turned(rng, a)


@family
def nearly_lineal_wide(rng: np.random.Generator, count: int) -> Normals:
    """The same with normals on one side of a line, so that few are empty."""
    a = rng.standard_normal((count, 4, 3))
    a[:, :, 0] = np.abs(a[:, :, 0])
    a[:, :, 2] *= 10.0 ** rng.uniform(-15, -6, (count, 1))
    return turned(rng, a)


@family
def nearly_hemisphere(rng: np.random.Generator, count: int) -> Normals:
    a = np.array([0.0, 0.0, 1.0]) + rng.standard_normal((count, 4, 3)) * (
        10.0 ** rng.uniform(-15, -1, (count, 1, 1))
    )
    return turned(rng, a)


@family
def coplanar_axis(rng: np.random.Generator, count: int) -> Normals:
    """A pencil: all planes through one axis, exactly."""
    a = rng.integers(-3, 4, (count, 4, 3)).astype(float)
    a[:, :, 2] = 0.0
    return np.roll(a, int(rng.integers(3)), axis=2)


@family
def coplanar_integer(rng: np.random.Generator, count: int) -> Normals:
    """A pencil in a skew plane, exactly: integer combinations of two integer rows."""
    basis = rng.integers(-5, 6, (count, 2, 3))
    return (rng.integers(-4, 5, (count, 4, 2)) @ basis).astype(float)


@family
def coplanar_plus_one(rng: np.random.Generator, count: int) -> Normals:
    """A pencil and one more plane."""
    basis = rng.integers(-5, 6, (count, 2, 3))
    rows = rng.integers(-4, 5, (count, 4, 2)) @ basis
    return np.concatenate([rows, rng.integers(-3, 4, (count, 1, 3))], axis=1).astype(float)


@family
def coplanar_rounded(rng: np.random.Generator, count: int) -> Normals:
    """A pencil spoilt by rounding: every triple of rows nearly dependent."""
    return rng.standard_normal((count, 4, 2)) @ rng.standard_normal((count, 2, 3))


@family
def common_ray(rng: np.random.Generator, count: int) -> Normals:
    """Five planes through (1, 2, 3) exactly, and one or two others."""
    basis = np.array([[2, -1, 0], [3, 0, -1]])
    rows = rng.integers(-6, 7, (count, 5, 2)) @ basis
    return np.concatenate([rows, rng.integers(-3, 4, (count, 2, 3))], axis=1).astype(float)


@family
def common_ray_rounded(rng: np.random.Generator, count: int) -> Normals:
    ray = rng.standard_normal((count, 1, 3))
    through = np.cross(rng.standard_normal((count, 5, 3)), ray)
    return np.concatenate([through, rng.standard_normal((count, 1, 3))], axis=1)


@family
def repeated(rng: np.random.Generator, count: int) -> Normals:
    a = rng.standard_normal((count, 3, 3))
    return a[:, [0, 1, 0, 2, 1, 2]] * rng.uniform(0.5, 2.0, (count, 6, 1)).round(3)


@family
def nearly_repeated(rng: np.random.Generator, count: int) -> Normals:
    a = rng.standard_normal((count, 3, 3))
    return np.concatenate([a, nudged(rng, a), nudged(rng, a)], axis=1)


@family
def nearly_repeated_1e12(rng: np.random.Generator, count: int) -> Normals:
    a = rng.standard_normal((count, 3, 3))
    return np.concatenate([a, a + 1e-12 * rng.standard_normal(a.shape)], axis=1)


@family
def opposite(rng: np.random.Generator, count: int) -> Normals:
    a = rng.standard_normal((count, 3, 3))
    return np.concatenate([a, -a[:, :1] * rng.integers(1, 9, (count, 1, 1))], axis=1)


@family
def nearly_opposite(rng: np.random.Generator, count: int) -> Normals:
    a = rng.standard_normal((count, 3, 3))
    return np.concatenate([a, nudged(rng, -a[:, :1])], axis=1)


@family
def zero_rows(rng: np.random.Generator, count: int) -> Normals:
    return rng.standard_normal((count, 6, 3)) * rng.integers(0, 2, (count, 6, 1))


@family
def small_integers(rng: np.random.Generator, count: int) -> Normals:
    return rng.integers(-3, 4, (count, 5, 3)).astype(float)


@family
def signs(rng: np.random.Generator, count: int) -> Normals:
    return rng.integers(-1, 2, (count, 4, 3)).astype(float)


@family
def all_lengths(rng: np.random.Generator, count: int) -> Normals:
    """Rows of length 1e-300 to 1e300."""
    rows = rng.standard_normal((count, 4, 3)) * 10.0 ** rng.uniform(-300, 300, (count, 4, 1))
    return rows.clip(-1e300, 1e300)


@family
def uneven_entries(rng: np.random.Generator, count: int) -> Normals:
    """Entries of one row spread over 1e-30 to 1e30."""
    return rng.standard_normal((count, 4, 3)) * 10.0 ** rng.uniform(-30, 30, (count, 4, 3))


@family
def order_cones(rng: np.random.Generator, count: int) -> Normals:
    """x_i >= x_j for random pairs: planes through (1, 1, 1)."""
    i = rng.integers(0, 3, (count, 3))
    j = (i + rng.integers(1, 3, (count, 3))) % 3
    return np.eye(3)[i] - np.eye(3)[j]


@family
def two_rows(rng: np.random.Generator, count: int) -> Normals:
    return rng.standard_normal((count, 2, 3))


@family
def nearly_flat_lune(rng: np.random.Generator, count: int) -> Normals:
    a = rng.standard_normal((count, 1, 3))
    noise = rng.standard_normal((count, 1, 3)) * 10.0 ** rng.uniform(-15, -1, (count, 1, 1))
    return np.concatenate([a, noise + a * rng.choice([-1, 1], (count, 1, 1))], axis=1)


@st.composite
def normals(draw: st.DrawFn, max_rows: int = 7, d: int = 3) -> Normals:
    """Normals (k, d) whose rows repeat, oppose, or depend on each other, exactly or nearly."""
    entry = st.one_of(
        st.integers(-3, 3).map(float),
        st.floats(-1, 1, allow_subnormal=False).map(lambda x: x if abs(x) > 1e-30 else 0.0),
    )
    rows: list[Normals] = []
    for _ in range(draw(st.integers(0, max_rows))):
        kind = draw(st.integers(0, 6 if rows else 1))
        if kind <= 1:
            row = np.array(draw(st.lists(entry, min_size=d, max_size=d)))
        elif kind == 2:
            row = draw(st.sampled_from(rows)) * draw(st.sampled_from([1.0, -1.0, 2.0, -0.5]))
        elif kind == 3:
            row = draw(st.sampled_from(rows)) * draw(st.sampled_from([1.0, -1.0]))
            i = draw(st.integers(0, d - 1))
            row[i] = np.nextafter(row[i], draw(st.sampled_from([-9.0, 9.0])))
            row[np.abs(row) < 1e-30] = 0.0
        elif kind == 4:
            row = draw(st.sampled_from(rows)) * draw(st.sampled_from([1.0, -1.0]))
            row[draw(st.integers(0, d - 1))] += draw(st.sampled_from([1e-12, -1e-12, 1e-7]))
        else:
            two = [draw(st.sampled_from(rows)) for _ in range(2)]
            row = sum(draw(st.integers(-3, 3)) * r for r in two)
        rows.append(row)
    stacked = np.array(rows).reshape(-1, d)
    return stacked * 2.0 ** draw(st.sampled_from([0, 0, 0, 900, -900, 99, -120]))


SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def generated(draw: st.DrawFn) -> Normals:
    """One cone of one of the families."""
    make = FAMILIES[draw(st.sampled_from(sorted(FAMILIES)))]
    return make(np.random.default_rng(draw(SEEDS)), 1)[0]


def cones() -> st.SearchStrategy[Normals]:
    """Any cone in three dimensions: k rows of normals (k, 3)."""
    return st.one_of(normals(), generated())


Weights = tuple[Normals, Normals, Normals]


def _shapes(hidden: int, n: int) -> tuple[tuple[int, ...], ...]:
    return (hidden,), (hidden, hidden), (n, hidden)


def random_weights(rng: np.random.Generator, hidden: int, n: int, kind: str = "float") -> Weights:
    """Weights (W_hi, W_hh, W_oh) of a kind of `WEIGHT_KINDS`."""
    draw = [rng.standard_normal(shape) for shape in _shapes(hidden, n)]
    if kind in ("integer", "ties"):
        size = 3 if kind == "integer" else 1
        draw = [rng.integers(-size, size + 1, shape).astype(float) for shape in _shapes(hidden, n)]
    elif kind == "sparse":
        draw = [w * (rng.random(w.shape) < 0.5) for w in draw]
    elif kind == "dead readout":
        draw[2][: max(1, n - 1)] = 0.0
    elif kind == "equal readout":
        draw[2][-1] = draw[2][0]
    elif kind == "dead neuron":
        draw[0][0] = 0.0
        draw[1][0] = 0.0
    elif kind == "scaled":
        scale = 10.0 ** rng.uniform(-8, 8, hidden)
        draw = [draw[0] * scale, draw[1] * scale[:, None] / scale, draw[2] / scale]
    elif kind == "one sided":
        draw[0] = np.abs(draw[0])
    elif kind == "float32":
        draw = [w.astype(np.float32).astype(float) for w in draw]
    elif kind != "float":
        raise ValueError(kind)
    return draw[0], draw[1], draw[2]


def random_network(
    hidden: int = 4, n: int = 3, kind: str = "float", seed: int = 0
) -> conevol.ReluRNN:
    """A network of a kind of `WEIGHT_KINDS`."""
    return conevol.ReluRNN(*random_weights(np.random.default_rng(seed), hidden, n, kind))


def cancelling(power: int, *seed: int, n: int = 3) -> conevol.ReluRNN:
    """Neurons in pairs that nearly cancel: what is left of the maps is 10^power times smaller."""
    rng = np.random.default_rng([power, *seed])
    hi = np.repeat(rng.standard_normal(2), 2)
    hh = np.repeat(rng.standard_normal((2, 4)), 2, axis=0)
    oh = rng.standard_normal((n, 4))
    small = 10.0**-power
    hh[:, 1::2] = -hh[:, ::2] * (1.0 + small * rng.standard_normal((4, 2)))
    oh[:, 1::2] = -oh[:, ::2] * (1.0 + small * rng.standard_normal((n, 2)))
    hh += small * rng.standard_normal((4, 4))
    return conevol.ReluRNN(hi + small * rng.standard_normal(4), hh, oh)


WEIGHT_KINDS = (
    "float",
    "float32",
    "integer",
    "ties",
    "sparse",
    "dead readout",
    "equal readout",
    "dead neuron",
    "one sided",
    "scaled",
)


@st.composite
def weights(draw: st.DrawFn, max_hidden: int = 3, max_n: int = 3) -> Weights:
    """Weights of a small network of any kind; small integers shrink to zeros."""
    hidden, n = draw(st.integers(1, max_hidden)), draw(st.integers(2, max_n))
    if draw(st.booleans()):
        integers = st.integers(-3, 3).map(float)
        hi, hh, oh = (
            np.array(draw(st.lists(integers, min_size=s, max_size=s)))
            for s in (hidden, hidden * hidden, n * hidden)
        )
        return hi, hh.reshape(hidden, hidden), oh.reshape(n, hidden)
    kind = draw(st.sampled_from(WEIGHT_KINDS))
    return random_weights(np.random.default_rng(draw(SEEDS)), hidden, n, kind)
