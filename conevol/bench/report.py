"""A run's table, as Markdown, CSV and JSON, and its pictures."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conevol.bench.quality import Quality, Score

__all__ = ["rows", "write_report"]

HEADINGS = (
    "estimator", "RMS error", "bias", "worst", "operations", "time",
    "sampling: same operations", "sampling: same time",
)  # fmt: skip


def write_report(quality: Quality, folder: str | Path, pictures: bool = True) -> list[Path]:
    """Write quality.md, .csv, .json and, with matplotlib, the two pictures; returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"quality.{suffix}" for suffix in ("md", "csv", "json")]
    scores = quality.scores
    paths[0].write_text(_markdown(quality, scores), encoding="utf-8")
    with paths[1].open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(scores[0])))
        writer.writeheader()
        writer.writerows(asdict(score) for score in scores)
    paths[2].write_text(json.dumps(_object(quality, scores), indent=1) + "\n")
    if pictures:
        from conevol.bench.pictures import draw_compute, draw_scatter

        if any(name not in ("exact", *quality.sampling_names) for name in quality.estimates):
            paths.append(draw_scatter(quality, folder / "scatter.png"))
        paths.append(draw_compute(quality, folder / "compute.png"))
    return paths


def rows(scores: list[Score]) -> list[list[str]]:
    """The table's cells."""
    return [
        [
            s.estimator,
            _rms(s),
            f"{100 * s.bias:+.2f} %" if s.estimator != "exact" else "",
            _percent(s.worst) if s.estimator != "exact" else "< " + rounded_up(s.worst),
            f"{s.operations:,.0f}" if s.operations > 0.0 else "not counted",
            _duration(s.seconds),
            _percent(s.sampling_at_operations) if s.operations > 0.0 else "",
            _percent(s.sampling_at_seconds),
        ]
        for s in scores
    ]


def summary(quality: Quality) -> str:
    """What a run was, in a sentence or two."""
    kind = "exact accuracies" if quality.is_exact else "long samples"
    return (
        f"{quality.copies} copies of {quality.model} with noise {quality.noise:g} on every weight, "
        f"against {kind} (mean {100 * quality.reference.mean():.2f} %). One sample has the error "
        f"{100 * quality.deviation:.2f} % by theory, sqrt(mean p (1 - p)), and "
        f"{100 * quality.measured_deviation:.2f} % as measured."
    )


def _markdown(quality: Quality, scores: list[Score]) -> str:
    lines = [HEADINGS, ["---"] + ["---:"] * (len(HEADINGS) - 1), *rows(scores)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"# Quality against compute\n\n{summary(quality)}\n\n{table}\n"


def _object(quality: Quality, scores: list[Score]) -> dict[str, Any]:
    return {
        "model": quality.model,
        "copies": quality.copies,
        "noise": quality.noise,
        "seed": quality.seed,
        "reference_is_exact": quality.is_exact,
        "mean_accuracy": float(quality.reference.mean()),
        "error_of_one_sample": quality.deviation,
        "error_of_one_sample_measured": quality.measured_deviation,
        # JSON has no NaN.
        "scores": [
            {key: None if value != value else value for key, value in asdict(score).items()}
            for score in scores
        ],
    }


def rounded_up(bound: float) -> str:
    """A bound with two digits that is not below it.

    Examples
    --------
    >>> rounded_up(1.21e-11), rounded_up(1e-12)
    ('1.3e-11', '1.0e-12')
    """
    text = f"{bound:.1e}"
    if float(text) >= bound:
        return text
    return f"{float(text) + 0.1 * 10.0 ** int(text.split('e')[1]):.1e}"


def _rms(score: Score) -> str:
    if score.estimator == "exact":
        return "< " + rounded_up(score.rms)
    return _percent(score.rms) if score.rms >= score.floor else "< " + _percent(score.floor)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share >= 5e-5 or share == 0.0 else f"{100 * share:.0e} %"


def _duration(seconds: float) -> str:
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
