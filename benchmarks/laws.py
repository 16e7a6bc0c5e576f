"""Pattern laws, spectra and codes of the bundled networks with n <= 4, against 10^8 samples."""

from __future__ import annotations

import numpy as np

from benchmarks import report
from conevol import gaussian_inputs, pattern_fractions, zoo
from conevol.analysis.codes import code_table
from conevol.analysis.spectra import draw_spectra, jacobians, node_spectra
from conevol.tasks import get_task

SAMPLES, BATCH = 100_000_000, 250_000
NETWORKS = ("2/2", "3/3", "4/3", "8/3", "6/4", "8/4")


def run(samples: int = SAMPLES) -> None:
    draw_spectra(
        node_spectra(zoo.load("6/4"), "inputs", "h4"), report.ROOT / "docs" / "spectra_6_4.png"
    )
    rows, data = [], {}
    for name in NETWORKS:
        worst, count, patterns = compare(name, samples)
        rows.append([name, f"{patterns:,}", str(count), f"{worst:.2f}"])
        data[name] = {"quantities": count, "worst": worst}
    text = report.table(["network", "patterns", "quantities", "largest deviation"], rows)
    note = f"\nDeviations of {samples:,} samples in standard errors, estimated from batches.\n"
    report.save("laws", "Exact laws against samples", text + note, data)


def compare(name: str, samples: int) -> tuple[float, int, int]:
    """Largest deviation in standard errors, number of quantities, number of patterns."""
    net = zoo.load(name)
    law, table, spectra = pattern_fractions(net), code_table(net), node_spectra(net)
    exact = np.concatenate(
        [
            law.hidden_mean().value.reshape(-1),
            second(law.hidden_covariance().value, law.hidden_mean().value.reshape(-1)),
            law.logit_mean().value,
            second(law.logit_covariance().value, law.logit_mean().value),
            law.pair_probabilities().value.reshape(-1),
            spectra.mean_jacobian.value.reshape(-1),
            spectra.gram.value.reshape(-1),
            table.joint.sum(axis=0),
            [table.right.sum()],
        ]
    )
    batches = max(samples // BATCH, 2)
    found = np.array([batch_of(net, seed) for seed in range(batches)])
    error = found.std(axis=0, ddof=1) / np.sqrt(batches)
    deviation = np.abs(found.mean(axis=0) - exact) / np.where(error > 0.0, error, np.inf)
    return float(deviation.max()), len(exact), len(law)


def second(covariance: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return (covariance + np.outer(mean, mean)).reshape(-1)


def batch_of(net, seed: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The same quantities of one batch of inputs."""
    x = gaussian_inputs(BATCH, net.n, seed=seed)
    z = net.pre_activations(x)
    h = np.maximum(z, 0.0).reshape(BATCH, -1)
    logits = h[:, -net.hidden :] @ net.W_oh.T
    bits = (z > 0.0).reshape(BATCH, -1).astype(float)
    j = jacobians(net, z > 0.0, "inputs", "logits")
    flat = j.reshape(-1, net.n)
    labels = get_task(net.task)(x)
    return np.concatenate(
        [
            h.mean(axis=0),
            (h.T @ h).reshape(-1) / BATCH,
            logits.mean(axis=0),
            (logits.T @ logits).reshape(-1) / BATCH,
            (bits.T @ bits).reshape(-1) / BATCH,
            j.mean(axis=0).reshape(-1),
            (flat.T @ flat).reshape(-1) / BATCH,
            np.bincount(labels, minlength=net.n) / BATCH,
            [(logits.argmax(axis=1) == labels).mean()],
        ]
    )
