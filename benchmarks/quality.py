"""Estimators against compute on the bundled 4-neuron network, and what each assumption costs."""

from __future__ import annotations

import tempfile

import numpy as np

from benchmarks import report
from conevol import ReluRNN, accuracy, zoo
from conevol.bench.pictures import draw_compute, draw_scatter
from conevol.bench.quality import measure_quality
from conevol.bench.report import HEADINGS, rounded_up, rows, summary
from conevol.estimators import estimator
from conevol.estimators.note_order import in_note_order, margins
from conevol.estimators.note_original import note_parts
from conevol.surprise import note_surprise

COPIES, NOISE = 256, 0.05
RESOLUTION = 1e-3
# The note's error of one sample.
NOTE_DEVIATION = 0.24
READINGS = (
    "note-original",
    "note-original:q=0.1",
    "note-original:q=0.3",
    "note-original:mirrored=no",
    "note-original:clipped=yes",
    "note-original:normalised=yes",
    "note-original:regions=six",
    "note-original:regions=exact",
    "note-original:unlikely=exact",
    "note-original:indicators=mean",
    "note-original:indicators=independent",
    "note-original:indicators=latents",
    "note-original:indicators=exact",
    "note-original:indicators=exact,unlikely=exact",
    "note-original:indicators=exact,unlikely=exact,regions=six",
    "note-original:indicators=exact,unlikely=exact,regions=exact,ties=first",
    "note-symmetric",
    "note-symmetric:relu=indicator",
    "note-symmetric:relu=gaussian",
    "note-symmetric:dependence=states",
    "note-symmetric:relu=gaussian,dependence=states",
    "note-symmetric:dependence=inputs",
)


def run() -> None:
    network = zoo.load("4/3")
    with tempfile.TemporaryDirectory() as folder:
        quality = measure_quality(network, model="4/3", noise=NOISE, copies=COPIES, folder=folder)
    draw_scatter(quality, report.ROOT / "docs" / "quality_scatter.png")
    draw_compute(quality, report.ROOT / "docs" / "quality_compute.png")
    copies = network.noisy_copies(COPIES, NOISE)
    exact = accuracy(copies, operations=True)
    parts = note_parts(copies)
    text = summary(quality) + "\n\n" + report.table(list(HEADINGS), rows(quality.scores))
    readings, errors = [], {}
    for name in READINGS:
        estimates = estimator(name).of_ensemble(copies)
        error = np.array([e.value for e in estimates]) - exact.value
        rms = errors[name] = float(np.sqrt(np.mean(error**2)))
        readings.append(
            [
                f"`{name}`",
                _percent(rms),
                f"{100 * error.mean():+.2f} %" if rms > 1e-9 else "0",
                _percent(abs(error).max()),
                f"{np.mean([e.operations for e in estimates]):,.0f}",
            ]
        )
    text += "\n\nWhat each reading and each assumption of the note costs:\n\n" + report.table(
        ["reading", "RMS error", "bias", "worst", "operations"], readings
    )
    surprise = note_surprise(parts, exact.value, errors["note-original"], resolution=RESOLUTION)
    half = _noise_for(network, NOTE_DEVIATION)
    quieter = network.noisy_copies(COPIES, half)
    at_half = accuracy(quieter).value
    error_at_half = note_parts(quieter).value - at_half
    values = {
        "operations_exact": f"{exact.operations.mean():,.0f}",
        "most_operations_exact": f"{exact.operations.max():,}",
        "note_operations": f"{parts.note_operations:,}",
        "operations_original": f"{parts.operations.mean():,.0f}",
        "bound_exact": rounded_up(float(exact.error_bound.max())),
        "rms_original": f"{100 * errors['note-original']:.1f}",
        "rms_original_for_the_notes_error": f"{100 * np.sqrt(np.mean(error_at_half**2)):.1f}",
        "rms_symmetric": f"{100 * errors['note-symmetric']:.1f}",
        "rms_indicators": f"{100 * errors['note-original:indicators=exact']:.2f}",
        "rms_unlikely": f"{100 * errors['note-original:unlikely=exact']:.2f}",
        "rms_latents": f"{100 * errors['note-original:indicators=latents']:.1f}",
        "broken_conditions": int((margins(in_note_order(copies)) <= 0.0).any(axis=1).sum()),
        "error_of_one_sample": f"{100 * quality.deviation:.1f}",
        "measured_error_of_one_sample": f"{100 * quality.measured_deviation:.1f}",
        "noise_for_the_notes_error": f"{half:.3f}",
        "mean_accuracy": f"{100 * exact.value.mean():.0f}",
        "mean_accuracy_for_the_notes_error": f"{100 * at_half.mean():.0f}",
        "bits_inequalities": f"{surprise[0].inequalities:.0f}",
        "bits_fractions": f"{np.mean([s.fractions for s in surprise]):.0f}",
        "bits_accuracy": f"{np.mean([s.accuracy for s in surprise]):.1f}",
        "bits_outright": f"{surprise[0].outright:.1f}",
    }
    report.save("quality", "Estimators against compute", text, values)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share > 5e-5 else f"< {rounded_up(share)}"


def _noise_for(network: ReluRNN, deviation: float) -> float:
    """The noise at which sqrt(mean p (1 - p)) has a value, by bisection."""
    low, high = 0.0, 0.2
    for _ in range(12):
        middle = 0.5 * (low + high)
        p = accuracy(network.noisy_copies(COPIES, middle)).value
        if np.sqrt(np.mean(p * (1.0 - p))) < deviation:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
