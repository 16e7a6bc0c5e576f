"""Operators after the leading two inputs: their exact law, and how usual the canonical one is."""

from __future__ import annotations

import time

import numpy as np

from benchmarks import report
from conevol import zoo
from conevol.analysis import OperatorLaw, draw_operators, operator_law

EXACT, LONG, SAMPLES = ("8/4", "8/5"), "16/10", 1000


def run() -> None:
    parts, values = [], {}
    for name in EXACT:
        started = time.perf_counter()
        law = operator_law(zoo.load(name))
        seconds = time.perf_counter() - started
        if name == EXACT[0]:
            draw_operators(law, report.ROOT / "docs" / "operators_8_4.png")
        usual = [law.canonical_probability().value[m, s] for m, s in _open(law.network.n)]
        parts.append(_exact(name, law))
        values |= {
            f"masks_{key(name)}": f"{len(law):,}",
            f"seconds_{key(name)}": f"{seconds:.0f}",
            f"least_{key(name)}": f"{100 * min(usual):.1f}",
            f"mean_{key(name)}": f"{100 * np.mean(usual):.1f}",
        }
    more, long_values = _long()
    report.save(
        "operators", "Law of the operators", "\n\n".join([*parts, more]), values | long_values
    )


def key(name: str) -> str:
    return name.replace("/", "_")


def _exact(name: str, law: OperatorLaw) -> str:
    """Weighted spectra by direction and gap."""
    rows = []
    for direction in ("forward", "reverse"):
        for gap in range(1, law.network.n - 1):
            part = law.pooled(gap, direction)
            usual = part.probability[part.canonical].sum()
            low, middle, high = (part.quantile("radius", q) for q in (0.05, 0.5, 0.95))
            rows.append([
                f"{direction}, gap {gap}", f"{len(part):,}", f"{100 * usual:.1f}",
                f"{part.mean('radius'):.3f}", f"{low:.3f}", f"{middle:.3f}", f"{high:.3f}",
                f"{part.mean('gap'):.3f}", f"{100 * part.mean('shares')[0]:.1f}",
            ])  # fmt: skip
    headings = [
        "", "masks", "canonical, %", "mean radius", "5 %", "median", "95 %", "mean gap",
        "first share, %",
    ]  # fmt: skip
    return (
        f"Exact law of Phi on the bundled {name} network, {len(law):,} mask sequences, by the\n"
        "direction and gap of the leading two inputs, where some step is left after both.\n\n"
        + report.table(headings, rows)
    )


def _open(n: int) -> list[tuple[int, int]]:
    """Places after which a step is left."""
    return [(m, s) for m in range(n - 1) for s in range(n - 1) if m != s]


def _long() -> tuple[str, dict[str, str]]:
    """Sampled probability of the canonical masks on the long network, by steps left."""
    law = operator_law(zoo.load(LONG), samples=SAMPLES)
    n, found = law.network.n, law.canonical_probability()
    rows = []
    for left in range(1, n - 1):
        places = np.array([p for p in _open(n) if n - 1 - max(p) == left]).T
        p, error = found.value[tuple(places)], found.error_bound[tuple(places)]
        rows.append([
            str(left), f"{100 * p.mean():.1f}", f"{100 * p.min():.1f}", f"{100 * p.max():.1f}",
            f"{100 * error.max():.1f}",
        ])  # fmt: skip
    text = (
        f"The {LONG} network: probability that the masks after both are those of two impulses,\n"
        "per cent, over all places of the two with so many steps left; "
        f"{SAMPLES:,} samples each.\n\n"
    )
    headings = ["steps left", "mean", "least", "largest", "largest standard error"]
    values = {"long_first": rows[0][1], "long_last": rows[-1][1]}
    return text + report.table(headings, rows), values
