"""Orthant probabilities P(Y >= 0), Y ~ N(0, covariance): conevol beside its peers.

Every peer is run at settings of growing accuracy until a call would take longer than
`SECONDS`; its error is that of its answers against references of twenty digits.  What has been
measured is kept after every dimension (`PARTIAL`), and a run that was interrupted goes on there.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks import exhaustive, peers_picture, report
from benchmarks.covariances import DIMENSIONS, FAMILIES, matrix, reference
from benchmarks.peers_r import Answer, Mvtnorm
from conevol.orthant import orthant_probability

# No call is started that is expected to take longer, and one in R is ended after twice that;
# six times as long where conevol itself takes about a second.
SECONDS, LARGE = 0.5, 16
TARGET = 1e-6
OURS = "conevol"
SEEDS = (1, 2, 3)
# Removed when the run is complete.
PARTIAL = report.RESULTS / "peers_partial.json"

__all__ = ["Point", "run"]


def _limit(d: int) -> float:
    return SECONDS if d <= LARGE else 6.0 * SECONDS


class Point(NamedTuple):
    """One method at one setting on one matrix; the error is relative, NaN for a refusal."""

    peer: str
    d: int
    family: str
    setting: float
    seconds: float
    error: float


class Peer(NamedTuple):
    """A method with its settings, the dimensions it takes, and how the cost grows with a setting.

    `cost(d, setting)` is a relative cost: where the last call says that the next would
    take too long, it is not tried.
    """

    name: str
    settings: tuple[float, ...]
    dimensions: range
    cost: Callable[[int, float], float]
    ask: Callable[[float, np.ndarray], Answer | None]


def _timed(call: Callable[[int], float]) -> Answer:
    """One call a seed while it is quick, and the shortest time."""
    values, best = [], math.inf
    for seed in SEEDS:
        before = time.process_time()
        values.append(call(seed))
        best = min(best, time.process_time() - before)
        if best > 0.1:
            break
    rounds = max(1, min(200, int(0.002 / max(best, 1e-6))))
    if rounds > 1:
        for _ in range(3):
            before = time.process_time()
            for _ in range(rounds):
                call(1)
            best = min(best, (time.process_time() - before) / rounds)
    return Answer(values, best, "")


def _scipy(setting: float, covariance: np.ndarray) -> Answer:
    from scipy.stats import multivariate_normal

    origin = np.zeros(len(covariance))

    def call(seed: int) -> float:
        normal = multivariate_normal(
            origin, covariance, allow_singular=True, seed=seed,
            maxpts=int(setting), abseps=1e-15, releps=1e-15,
        )  # fmt: skip
        return float(normal.cdf(origin))

    return _timed(call)


def _sampling(setting: float, covariance: np.ndarray) -> Answer:
    factor = np.linalg.cholesky(covariance).T

    def call(seed: int) -> float:
        rng, inside, chunk = np.random.default_rng(seed), 0, 10_000
        for _ in range(int(setting) // chunk):
            samples = rng.standard_normal((chunk, len(covariance))) @ factor
            inside += int((samples >= 0.0).all(axis=1).sum())
        return inside / setting

    return _timed(call)


def _exhaustive(setting: float, covariance: np.ndarray) -> Answer:
    return _timed(lambda _: float(exhaustive.fractions(np.linalg.cholesky(covariance)[None])[0]))


def _girard(setting: float, covariance: np.ndarray) -> Answer:
    """Ribando's series up to a total degree, in the rays; refused where its test fails."""
    from girard.series import solid_angle

    rays = np.linalg.inv(np.linalg.cholesky(covariance))
    try:
        return _timed(lambda _: float(solid_angle(rays, 0.0, int(setting))))
    except ValueError as error:
        return Answer([math.nan], 0.0, str(error))


def _of_r(r: Mvtnorm, name: str) -> Callable[[float, np.ndarray], Answer | None]:
    return lambda setting, cov: r.ask(name, setting, cov, 2.0 * _limit(len(cov)))


def _terms(d: int, degree: float) -> float:
    pairs = d * (d - 1) // 2
    return float(math.comb(pairs + int(degree), pairs))


def _peers(r: Mvtnorm) -> tuple[list[Peer], list[str]]:
    """The peers that are here, and a line for each that is not."""
    every, missing = range(3, 21), []
    peers = [Peer("exhaustive", (1,), range(3, 4), lambda d, s: 1.0, _exhaustive)]
    powers = tuple(10.0**p for p in range(3, 8))
    try:
        import scipy  # noqa: F401

        peers.append(Peer("SciPy", powers, every, lambda d, s: s, _scipy))
    except ImportError:
        missing.append("SciPy is not installed.")
    if r.version is not None:
        for name, settings, dimensions, cost in (
            ("Genz-Bretz", powers, every, lambda d, s: s),
            ("Miwa", (16, 64, 256, 1024, 4096), range(3, 21), lambda d, s: s),
            ("TVPACK", (1e-6, 1e-14), range(3, 4), lambda d, s: 1.0),
        ):
            peers.append(Peer(name, settings, dimensions, cost, _of_r(r, name)))
    else:
        missing.append("Rscript with the package mvtnorm is not installed: no column of its three.")
    try:
        import girard  # noqa: F401

        peers.append(Peer("girard", (2, 4, 6, 8, 12, 16, 24, 50), range(3, 9), _terms, _girard))
    except ImportError:
        missing.append("girard is not installed.")
    peers.append(Peer("sampling", powers[1:4], every, lambda d, s: s, _sampling))
    return peers, missing


def _error(values: list[float], family: str, d: int) -> float:
    """The largest relative error of some values."""
    exact = reference(family, d).value
    return max(float(abs(exact - v) / exact) for v in values)


def _curve(peer: Peer, family: str, d: int) -> list[Point]:
    """A peer's points on one matrix, at growing cost; empty if not even the first is in time."""
    points: list[Point] = []
    covariance = matrix(family, d)
    for setting in peer.settings:
        if points:
            last = points[-1]
            growth = peer.cost(d, setting) / peer.cost(d, last.setting)
            if last.seconds * growth > _limit(d) or math.isnan(last.error):
                break
        answer = peer.ask(setting, covariance)
        if answer is None:
            break
        error = _error(answer.values, family, d)
        points.append(Point(peer.name, d, family, setting, answer.seconds, error))
    return points


def _ours(family: str, d: int) -> tuple[Point, float, float]:
    """Our point, relative error, and relative bound."""
    covariance = matrix(family, d)
    value, bound = orthant_probability(covariance, error_bound=True)
    answer = _timed(lambda _: orthant_probability(covariance))
    error = _error([value], family, d)
    return Point(OURS, d, family, 0, answer.seconds, error), error, bound / value


def _time_at_target(points: list[Point], scale: float = 1.0) -> float:
    """Time of the cheapest setting that is right to `TARGET` and whose finer ones are, too.

    Errors are multiplied by `scale`: the exact value makes them absolute.
    """
    reached = math.inf
    for point in reversed(points):
        if not point.error * scale <= TARGET:
            break
        reached = point.seconds
    return reached


def _factor(f: float) -> str:
    return f"{f:,.0f}" if f >= 9.5 else f"{f:.2g}"


def _cell(peer: str, d: int, points: list[Point]) -> str:
    """The factors between a peer's times at a relative error of 1e-6 and ours."""
    ours = {p.family: p.seconds for p in points if p.peer == OURS and p.d == d}
    factors, least, missed = [], math.inf, 0
    for family, seconds in ours.items():
        mine = [p for p in points if (p.peer, p.d, p.family) == (peer, d, family)]
        reached = _time_at_target(mine)
        if reached < math.inf:
            factors.append(reached / seconds)
        else:
            missed += 1
            least = min(least, _limit(d) / seconds)
    if not factors:
        return f"not reached in {_limit(d):g} s: > {_factor(least)}"
    smallest, largest = _factor(min(factors)), _factor(max(factors))
    text = smallest if smallest == largest else f"{smallest} to {largest}"
    return text + (f" ({missed} missed)" if missed else "")


class Measured(NamedTuple):
    """Points, our worst relative error and bound by dimension, and (peer, family) given up."""

    points: list[Point]
    worst: dict[int, tuple[float, float]]
    hopeless: set[tuple[str, str]]


def _setup(peers: list[Peer]) -> list[object]:
    """What must be the same for an interrupted run to go on."""
    return [SECONDS, list(FAMILIES), [[p.name, list(p.settings)] for p in peers]]


def _resumed(peers: list[Peer]) -> Measured:
    """What an interrupted run has left, or nothing."""
    if PARTIAL.exists():
        kept = json.loads(PARTIAL.read_text())
        if kept["setup"] == _setup(peers):
            return Measured(
                [Point(*p) for p in kept["points"]],
                {int(d): (w[0], w[1]) for d, w in kept["worst"].items()},
                {(peer, family) for peer, family in kept["hopeless"]},
            )
    return Measured([], {}, set())


def _keep(peers: list[Peer], measured: Measured) -> None:
    """Write what there is, whole or not at all."""
    kept = {
        "setup": _setup(peers),
        "points": measured.points,
        "worst": measured.worst,
        "hopeless": sorted(measured.hopeless),
    }
    report.RESULTS.mkdir(exist_ok=True)
    new = PARTIAL.with_suffix(".new")
    new.write_text(json.dumps(kept))
    new.replace(PARTIAL)


def _one_dimension(d: int, peers: list[Peer], measured: Measured) -> None:
    """Add the points of all matrices of one dimension."""
    points, worst, hopeless = measured
    largest = (0.0, 0.0)
    for family in FAMILIES:
        point, relative, bound = _ours(family, d)
        points.append(point)
        largest = max(largest[0], relative), max(largest[1], bound)
        for peer in peers:
            if d not in peer.dimensions or (peer.name, family) in hopeless:
                continue
            curve = _curve(peer, family, d)
            points += curve
            if not curve:
                # What takes too long now will not be quicker in more dimensions.
                hopeless.add((peer.name, family))
    worst[d] = largest


def _least(d: int, peers: list[str], points: list[Point], tridiagonal: bool, absolute: bool) -> str:
    """The smallest factor of all peers on tridiagonal or all other matrices, and whose it is."""
    least, whose = math.inf, ""
    for ours in points:
        if ours.peer != OURS or ours.d != d or (ours.family == "tridiagonal") != tridiagonal:
            continue
        scale = float(reference(ours.family, d).value) if absolute else 1.0
        for peer in peers:
            mine = [p for p in points if (p.peer, p.d, p.family) == (peer, d, ours.family)]
            factor = _time_at_target(mine, scale) / ours.seconds
            if factor < least:
                least, whose = factor, f"{peer}, {ours.family}"
    return f"{_factor(least)} ({whose})" if whose else f"not reached in {_limit(d):g} s"


def _measure(peers: list[Peer]) -> Measured:
    measured, started = _resumed(peers), time.perf_counter()
    for d in DIMENSIONS:
        if d not in measured.worst:
            _one_dimension(d, peers, measured)
            _keep(peers, measured)
        seconds = time.perf_counter() - started
        print(f"d = {d} done, {len(measured.points)} points, {seconds:.0f} s", flush=True)
    return measured


def run() -> None:
    r = Mvtnorm()
    try:
        peers, missing = _peers(r)
        points, worst, _ = _measure(peers)
    finally:
        r.close()
    names = [peer.name for peer in peers]
    rows, values = [], {}
    for d in DIMENSIONS:
        ours = [p.seconds for p in points if p.peer == OURS and p.d == d]
        cells = {
            peer.name: _cell(peer.name, d, points) if d in peer.dimensions else "" for peer in peers
        }
        rows.append(
            [str(d), f"{1e3 * min(ours):.3g} to {1e3 * max(ours):.3g}", f"{worst[d][0]:.0e}",
             f"{worst[d][1]:.0e}", _least(d, names, points, False, False),
             _least(d, names, points, True, False), _least(d, names, points, False, True),
             *cells.values()]
        )  # fmt: skip
        values[f"least_factor_d{d}"], values[f"least_factor_tridiagonal_d{d}"] = rows[-1][4:6]
        values[f"milliseconds_d{d}"] = f"{1e3 * max(ours):.2g}"
    values["worst_relative_error"] = f"{max(e for e, _ in worst.values()):.0e}"
    values["points"] = ["|".join(map(str, p)) for p in points]
    headings = ["d", "conevol, ms", "relative error", "relative bound",
                "least factor", "tridiagonal", "absolute errors", *names]  # fmt: skip
    text = _words(missing) + report.table(headings, rows) + _sources()
    report.save("peers", "Orthant probabilities beside the peers", text, values)
    peers_picture.draw(points, report.RESULTS / "peers.png")
    PARTIAL.unlink()


def _words(missing: list[str]) -> str:
    return (
        f"{len(FAMILIES)} covariances in each dimension: {', '.join(FAMILIES)}. The doubles of a\n"
        "covariance are exact for all. conevol's columns are the range of its times and its\n"
        "largest relative error and error bound. A peer's column is its time at a relative\n"
        f"error of {TARGET:g} over conevol's time on the same matrix, as a range over the\n"
        "matrices; *missed* are those that it refuses, or on which no setting that takes less\n"
        f"than {SECONDS:g} s ({_limit(LARGE + 1):g} s for d > {LARGE}) got there.\n\n"
        "The least factor is that of the fastest peer on the matrix that suits it best, but\n"
        "for tridiagonal ones, which have a column of their own: to Miwa's method they are one\n"
        "orthoscheme, a chain of d integrals of one variable, and from d = 5 on conevol takes\n"
        "the chain, too. The last of the three allows peers\n"
        f"an absolute error of {TARGET:g} instead, which may be no digit of a small one.\n\n"
        "Times of the process, one core, after compilation.\n"
        + "".join(f"\n{line}\n" for line in missing)
        + "\n![Error against time](peers.png)\n\n"
    )


def _sources() -> str:
    lines = []
    for family in FAMILIES:
        found: dict[str, list[int]] = {}
        for d in DIMENSIONS:
            found.setdefault(reference(family, d).source, []).append(d)
        parts = [f"{source} (d = {ds[0]} .. {ds[-1]})" for source, ds in found.items()]
        lines.append(f"- {family}: {FAMILIES[family].__doc__} Reference: {', '.join(parts)}.")
    return "\n\n" + "\n".join(lines)
