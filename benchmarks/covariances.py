"""Covariances whose orthant probability is known to twenty digits by a way of its own.

Every matrix is taken as exact doubles: correlations are dyadic numbers of few bits where
a closed form or an integral needs exact products.  `python -m benchmarks references`
computes the values again with mpmath and writes references.json; the other benchmarks and
the tests only read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mpmath import mp

from conevol import precision

FILE = Path(__file__).parent / "references.json"
DIMENSIONS = (*range(3, 17), 20)
DIGITS = 20
# The largest dimension that the oracle does in about a minute.
ORACLE = 10

__all__ = ["DIMENSIONS", "FAMILIES", "Reference", "matrix", "oracle", "reference", "run"]


class Reference(NamedTuple):
    """A probability P(Y >= 0) to twenty digits, and where it is from."""

    value: mp.mpf
    source: str


def _loadings(d: int, seed: int) -> np.ndarray:
    """Two factors, (d, 2): multiples of 1/1024, so that their products are exact in doubles."""
    rng = np.random.default_rng([seed, d])
    first = rng.integers(100, 800, d)
    second = rng.integers(-500, 500, d)
    return np.stack([first, second], axis=1) / 1024.0


def _factor_covariance(loadings: np.ndarray) -> np.ndarray:
    covariance = loadings @ loadings.T
    np.fill_diagonal(covariance, 1.0)
    return covariance


def equicorrelated(d: int) -> np.ndarray:
    """Correlation 1/2 between all pairs."""
    return 0.5 + 0.5 * np.eye(d)


def random(d: int) -> np.ndarray:
    """Correlations of 2 d samples of d numbers; above d = 10, of two random factors."""
    if d > ORACLE:
        return _factor_covariance(_loadings(d, 1))
    x = np.random.default_rng(d).standard_normal((d, 2 * d))
    gram = x @ x.T
    scale = np.sqrt(np.diag(gram))
    covariance = gram / scale / scale[:, None]
    np.fill_diagonal(covariance, 1.0)
    return (covariance + covariance.T) / 2.0


def tridiagonal(d: int) -> np.ndarray:
    """Correlation 1/2 between neighbours: sums of neighbours in a row of independent numbers."""
    return np.eye(d) + 0.5 * (np.eye(d, k=1) + np.eye(d, k=-1))


def nearly_singular(d: int) -> np.ndarray:
    """One random factor, and the first pair at a correlation of 1 - 2^-40 (1 - 9e-13)."""
    return _pair(d, 40)


def close_pair(d: int) -> np.ndarray:
    """The same with the first pair at 1 - 2^-14 (1 - 6e-5)."""
    return _pair(d, 14)


def _pair(d: int, bits: int) -> np.ndarray:
    first = _loadings(d, 2)[:, :1]
    first[1] = first[0]
    covariance = _factor_covariance(first)
    covariance[0, 1] = covariance[1, 0] = 1.0 - 2.0**-bits
    return covariance


FAMILIES: dict[str, Callable[[int], np.ndarray]] = {
    "equicorrelated": equicorrelated,
    "random": random,
    "tridiagonal": tridiagonal,
    "nearly singular": nearly_singular,
    "close pair": close_pair,
}


def matrix(family: str, d: int) -> np.ndarray:
    return FAMILIES[family](d)


# --- the references -------------------------------------------------------------------------


def oracle(covariance: np.ndarray, digits: int = DIGITS) -> mp.mpf:
    """P(Y >= 0) by `conevol.precision`, from a Cholesky factor of 70 digits."""
    d = len(covariance)
    with mp.workdps(70):
        factor = mp.cholesky(mp.matrix(covariance.tolist()))
        rows = [[_fraction(factor[i, j]) for j in range(d)] for i in range(d)]
    return precision.fraction(rows, digits)


def _fraction(x: mp.mpf) -> Fraction:
    return Fraction(int(mp.nint(mp.ldexp(x, 220))), 1 << 220)


def _zigzag(d: int) -> mp.mpf:
    """Share of alternating orders of d + 1 numbers (Andre 1879): the sums of neighbours."""
    row = [1]
    for _ in range(d + 1):
        below = [0]
        for x in reversed(row):
            below.append(below[-1] + x)
        row = below
    return mp.mpf(row[-1]) / math.factorial(d + 1)


def _normal(x: mp.mpf) -> mp.mpf:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _trapezoid(f: Callable[[mp.mpf], mp.mpf], step: mp.mpf) -> mp.mpf:
    """Integral of f against the normal density; converges faster than any power of step."""
    count = int(mp.ceil(11 / step))
    return step * mp.fsum(mp.npdf(i * step) * f(i * step) for i in range(-count, count + 1))


def _settled(f: Callable[[mp.mpf], mp.mpf]) -> mp.mpf:
    """f(step) for ever smaller steps, until two agree."""
    step, before = mp.mpf(1) / 4, f(mp.mpf(1) / 3)
    while True:
        value = f(step)
        if abs(value - before) <= mp.mpf(10) ** -(DIGITS + 2) * value:
            return value
        before, step = value, step * mp.mpf("0.75")


def _two_factors(d: int) -> mp.mpf:
    loadings = _loadings(d, 1)
    weights = [
        (mp.mpf(a) / s, mp.mpf(b) / s)
        for a, b in loadings.tolist()
        for s in [mp.sqrt(1 - mp.mpf(a) ** 2 - mp.mpf(b) ** 2)]
    ]
    return _settled(
        lambda step: _trapezoid(
            lambda x: _trapezoid(
                lambda y: mp.fprod(_normal(a * x + b * y) for a, b in weights), step
            ),
            step,
        )
    )


def _factor_and_pair(d: int) -> Callable[[int], mp.mpf]:
    def value(bits: int) -> mp.mpf:
        """The pair's two noises have correlation r: Owen's T (1956) gives both at once."""
        loadings = [mp.mpf(x) for x in _loadings(d, 2)[:, 0].tolist()]
        noise = 1 - loadings[0] ** 2
        r = (1 - mp.mpf(2) ** -bits - loadings[0] ** 2) / noise
        width = mp.sqrt((1 - r) / (1 + r))
        weights = [x / mp.sqrt(1 - x * x) for x in loadings]

        def owen(h: mp.mpf) -> mp.mpf:
            def integrand(t: mp.mpf) -> mp.mpf:
                return mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t)

            return mp.quadgl(integrand, [0, width], maxdegree=5) / (2 * mp.pi)

        def both(x: mp.mpf) -> mp.mpf:
            h = weights[0] * x
            rest = mp.fprod(_normal(w * x) for w in weights[2:])
            return (_normal(h) - 2 * owen(h)) * rest

        return _settled(lambda step: _trapezoid(both, step))

    return value


def _compute(family: str, d: int) -> Reference:
    with mp.workdps(DIGITS + 12):
        if family == "equicorrelated":
            return Reference(mp.mpf(1) / (d + 1), "closed form")
        if family == "tridiagonal":
            return Reference(_zigzag(d), "closed form")
        if family == "random" and d <= ORACLE:
            return Reference(oracle(matrix(family, d)), "conevol.precision")
        if family == "random":
            return Reference(_two_factors(d), "2-D integral")
        bits = 40 if family == "nearly singular" else 14
        return Reference(_factor_and_pair(d)(bits), "1-D integral")


def reference(family: str, d: int) -> Reference:
    """The stored value of P(Y >= 0), Y ~ N(0, matrix(family, d))."""
    value, source = json.loads(FILE.read_text())[family][str(d)]
    with mp.workdps(DIGITS + 5):
        return Reference(mp.mpf(value), source)


def run() -> None:
    """Compute all references again, check them by the oracle where it is quick, and store them."""
    stored: dict[str, dict[str, list[str]]] = {}
    for family in FAMILIES:
        stored[family] = {}
        for d in DIMENSIONS:
            value, source = _compute(family, d)
            if d <= 6:
                assert abs(oracle(matrix(family, d)) / value - 1) < mp.mpf(10) ** -(DIGITS - 2)
            with mp.workdps(DIGITS + 5):
                stored[family][str(d)] = [mp.nstr(value, DIGITS), source]
            print(f"{family}, d = {d}: {mp.nstr(value, DIGITS)} ({source})", flush=True)
    FILE.write_text(json.dumps(stored, indent=1) + "\n")
