"""Relative errors of fractions in four and more dimensions, against twenty digits."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from mpmath import mp

from benchmarks import report
from benchmarks.covariances import DIGITS, matrix, oracle, reference
from conevol import fraction, precision
from conevol.orthant import orthant_probability

# The oracle takes 40 s at d = 12, and 6 s for 16 half-spaces in 8 dimensions.
LARGEST, MANY = 12, 9
LARGEST_CONE = 8
GOAL = 1e-13


class Case(NamedTuple):
    """A cone: its fraction and bound, and the exact fraction."""

    kind: str
    d: int
    ours: tuple[float, float]
    exact: mp.mpf


def _generators() -> object:
    """The cones of the tests."""
    spec = importlib.util.spec_from_file_location("cones", report.ROOT / "tests" / "cones.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONES = _generators()


def _of_normals(kind: str, rows: np.ndarray, exact: mp.mpf | None = None) -> Case:
    known = precision.fraction(rows, DIGITS) if exact is None else exact
    return Case(kind, rows.shape[1], fraction(rows, error_bound=True), known)


def _of_covariance(kind: str, cov: np.ndarray, exact: mp.mpf | None = None) -> Case:
    known = oracle(cov) if exact is None else exact
    return Case(kind, len(cov), orthant_probability(cov, error_bound=True), known)


def _equal(d: int, rho: float) -> np.ndarray:
    return rho + (1.0 - rho) * np.eye(d)


def _simplicial() -> Iterator[Case]:
    for d in range(4, LARGEST + 1):
        rng = np.random.default_rng(d)
        low = -1.0 / (d - 1)
        for _ in range(3 if d <= MANY else 1):
            yield _of_normals("random, d half-spaces", rng.standard_normal((d, d)))
        yield _of_normals("one pair at 1 - 1e-12", CONES.nearly_equal_pair(rng, d, 1e-12))
        near = (low + 1e-6, 1.0 - 1e-6)
        for rho in (*near, low + 1e-3, 0.99) if d <= MANY else near[: 13 - d]:
            yield _of_covariance("equicorrelated, -1/(d-1) + 1e-6 .. 1 - 1e-6", _equal(d, rho))
        for rho in (-0.499, 0.3) if d <= MANY else ():
            band = np.eye(d) + rho * (np.eye(d, k=1) + np.eye(d, k=-1))
            yield _of_covariance("tridiagonal", band)


def _stored() -> Iterator[Case]:
    for d in range(4, 13):
        for family, kind in (
            ("equicorrelated", "equicorrelated, -1/(d-1) + 1e-6 .. 1 - 1e-6"),
            ("random", "random, d half-spaces"),
            ("tridiagonal", "tridiagonal"),
            ("nearly singular", "one pair at 1 - 1e-12"),
            ("close pair", "one pair at 1 - 6e-5"),
        ):
            yield _of_covariance(kind, matrix(family, d), reference(family, d).value)
        with mp.workdps(DIGITS):
            orders = 1 / mp.factorial(d + 1)
        steps = np.eye(d) - 0.5 * (np.eye(d, k=1) + np.eye(d, k=-1))
        yield _of_covariance("tridiagonal", steps, orders)


def _lattices() -> Iterator[Case]:
    for d in range(4, LARGEST_CONE + 1):
        rng = np.random.default_rng([1, d])
        for k in (d + 1, d + 2, 2 * d):
            yield _of_normals("random, d + 1 .. 2 d half-spaces", CONES.random_cone(rng, k, d))
        for k in (d, d + 1):
            rows = CONES.nearly_lineal(rng, k, d, 1e-9)
            yield _of_normals("nearly lineal, rays within 1e-9 of a line", rows)
        yield _of_normals("cross-polytope", CONES.cross_polytope(d))
        # A simplex across, of about this width.
        across = rng.standard_normal((d - 1, d - 1))
        across = np.vstack([across, -across.sum(axis=0)])
        width = np.full((d, 1), 10.0 ** (-15.0 / (d - 1)))
        yield _of_normals("tiny, about 1e-15", np.hstack([width, across]))


def _closed() -> Iterator[Case]:
    one = mp.mpf(1)
    for d in range(4, 10):
        with mp.workdps(DIGITS):
            yield _of_normals("cube", CONES.cube(d), one / (2 * d))
            yield _of_normals("order cone", CONES.between(d), one / (d * (d - 1)))
    for d in range(4, 13):
        with mp.workdps(DIGITS):
            yield _of_normals("order cone", CONES.chain(d), one / math.factorial(d))
            yield _of_normals(
                "order cone", CONES.between(min(d, 9)), one / (min(d, 9) * (min(d, 9) - 1))
            )


def _products() -> Iterator[Case]:
    rng = np.random.default_rng(7)
    for d, e in ((3, 3), (4, 3), (4, 4), (5, 4)):
        a, b = CONES.random_cone(rng, d + 1, d), CONES.random_cone(rng, e + 1, e)
        rows = np.zeros((len(a) + len(b), d + e))
        rows[: len(a), :d], rows[len(a) :, d:] = a, b
        with mp.workdps(DIGITS):
            exact = precision.fraction(a, DIGITS) * precision.fraction(b, DIGITS)
        yield _of_normals("product", rows, exact)


PARTS: tuple[Callable[[], Iterator[Case]], ...] = (
    _simplicial, _stored, _lattices, _closed, _products,
)  # fmt: skip


def run() -> None:
    cases = []
    for part in PARTS:
        cases += part()
        print(f"{len(cases)} cones done", flush=True)
    rows, worst, above = [], 0.0, 0
    for kind in dict.fromkeys(case.kind for case in cases):
        mine = [case for case in cases if case.kind == kind]
        with mp.workdps(DIGITS + 5):
            errors = [float(abs(c.exact - c.ours[0])) for c in mine]
        relative = max(e / float(c.exact) for e, c in zip(errors, mine, strict=True))
        share = max(e / c.ours[1] for e, c in zip(errors, mine, strict=True))
        bound = max(c.ours[1] / c.ours[0] for c in mine)
        smallest = min(float(c.exact) for c in mine)
        worst, above = max(worst, relative), above + (share > 1.0)
        dimensions = sorted(c.d for c in mine)
        rows.append(
            [kind, f"{dimensions[0]} .. {dimensions[-1]}", str(len(mine)), f"{smallest:.0e}",
             f"{relative:.0e}", f"{bound:.0e}", f"{share:.2f}"]
        )  # fmt: skip
    headings = ["cones", "d", "number", "smallest fraction", "largest relative error",
                "largest relative bound", "error / bound, at most"]  # fmt: skip
    text = (
        f"Against `conevol.precision`, closed forms and integrals of {DIGITS} digits. The goal is\n"
        f"a relative error of {GOAL:g}, and no error above its bound.\n\n"
        + report.table(headings, rows)
    )
    values = {"worst_relative_error": f"{worst:.0e}", "cones": str(len(cases)), "above": str(above)}
    report.save("digits", "Digits of fractions in four and more dimensions", text, values)
