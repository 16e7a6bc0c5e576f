"""Gaussian points in a cone, exactly distributed also when the cone is tiny.

Wide cones: standard Gaussian points are kept when they lie in the cone.  Others are cut
into simplicial pieces along their faces, and long pieces in halves.  The plane
u . x = 1 across a piece (u along the sum of its unit rays) meets it in a simplex;
points uniform in the simplices have directions of density proportional to |p|^m, so
keeping them with probability |p|^-m makes the directions uniform.  Neither fractions
nor a starting point are needed, and points are independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conevol.errors import FractionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from conevol.boundary import FaceLattice

__all__ = ["compact_pieces", "gaussian_points", "in_pieces", "triangulation"]

# Pieces, and points drawn at a time.
MAX_PIECES, _BATCH = 100_000, 2**15
# Least cosine between a piece's axis and its rays, times the root of the dimension: 1 is that
# of an orthant.
_COSINE = 0.6


def triangulation(lattice: FaceLattice) -> NDArray[np.int64]:
    """Simplicial pieces (s, m) of a pointed cone as indices of rays.

    Each face is coned from its first ray over its facets that do not hold it, so the
    pieces of neighbouring faces fit.

    Raises
    ------
    FractionError
        If there are more than 100 000 pieces.
    """
    done: dict[int, list[tuple[int, ...]]] = {}
    # From the rays up: facets come after the faces that hold them.
    for face in range(len(lattice.rays) - 1, -1, -1):
        rays = lattice.rays[face]
        if len(rays) == lattice.dims[face]:
            done[face] = [rays]
            continue
        pieces = done[face] = []
        for facet in lattice.facets[face]:
            if rays[0] not in lattice.rays[facet]:
                pieces += [(rays[0], *piece) for piece in done[facet]]
        if len(pieces) > MAX_PIECES:
            raise FractionError(
                f"a face of {len(rays)} rays in {lattice.dims[face]} dimensions has more than "
                f"{MAX_PIECES} simplicial pieces: no points can be drawn"
            )
    return np.array(done[0])


def _axes(pieces: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit axes (s, m) of pieces (s, m, m), and the cosines (s, m) to their rays."""
    axes = pieces.sum(axis=1)
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    return axes, np.einsum("sij,sj->si", pieces, axes)


def compact_pieces(pieces: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut pieces (s, m, m) of unit rays in halves across their widest angles until none is long.

    Raises
    ------
    FractionError
        If that takes more than 100 000 pieces.
    """
    m = pieces.shape[2]
    done = []
    while len(pieces):
        long = _axes(pieces)[1].min(axis=1) * np.sqrt(m) < _COSINE
        done.append(pieces[~long])
        pieces = pieces[long]
        if sum(map(len, done)) + 2 * len(pieces) > MAX_PIECES:
            raise FractionError(
                f"the cone is too wide and too thin for more than {MAX_PIECES} compact pieces: "
                "no points can be drawn"
            )
        cosines = np.einsum("sil,sjl->sij", pieces, pieces).reshape(len(pieces), m * m)
        i, j = np.divmod(cosines.argmin(axis=1), m)
        at = np.arange(len(pieces))
        middle = pieces[at, i] + pieces[at, j]
        middle /= np.linalg.norm(middle, axis=1)[:, None]
        other = pieces.copy()
        pieces[at, i], other[at, j] = middle, middle
        pieces = np.concatenate([pieces, other])
    return np.concatenate(done)


def in_pieces(pieces: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """n Gaussian points (n, m) in a union of simplicial pieces (s, m, m) of unit rays.

    The pieces are those of `compact_pieces`: others would lose most of the tries.
    """
    m = pieces.shape[2]
    cosines = _axes(pieces)[1]
    corners = pieces / cosines[:, :, None]
    # Volumes of the simplices, but for a common factor.
    logs = np.linalg.slogdet(corners)[1]
    chance = np.exp(logs - logs.max())
    chance /= chance.sum()

    def directions(count: int) -> NDArray[np.float64]:
        piece = rng.choice(len(pieces), count, p=chance)
        shares = rng.standard_exponential((count, m))
        shares /= shares.sum(axis=1)[:, None]
        p = np.einsum("ni,nij->nj", shares, corners[piece])
        length = np.linalg.norm(p, axis=1)
        return (p / length[:, None])[rng.random(count) < length**-m]

    radius = np.sqrt(rng.chisquare(m, n))
    return _keep(directions, n, m) * radius[:, None]


def gaussian_points(
    contains: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    n: int,
    d: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """n Gaussian points (n, d) that pass a test."""

    def some(count: int) -> NDArray[np.float64]:
        x = rng.standard_normal((count, d))
        return x[contains(x)]

    return _keep(some, n, d)


def _keep(draw: Callable[[int], NDArray[np.float64]], n: int, d: int) -> NDArray[np.float64]:
    """The first n rows of what repeated draws leave."""
    parts, have, drawn = [np.empty((0, d))], 0, 0
    while have < n:
        rate = max(have, 1) / max(drawn, 1)
        count = int(min(_BATCH, 1.1 * (n - have) / rate + 16))
        parts.append(draw(count))
        have, drawn = have + len(parts[-1]), drawn + count
    return np.concatenate(parts)[:n]
