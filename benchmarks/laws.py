"""Pattern laws, spectra and codes of the bundled networks with n <= 4, against 10^8 samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks import report
from conevol import ReluRNN, gaussian_inputs, pattern_fractions, zoo
from conevol.analysis.codes import code_table
from conevol.analysis.spectra import draw_spectra, jacobians, node_spectra
from conevol.patterns import PatternLaw
from conevol.tasks import get_task

# Batches that fit the cache; the spread of a moment comes from their number.
SAMPLES, BATCH = 100_000_000, 20_000
LONGEST = 4
# What is certain may differ by rounding.
ROUNDING = 1e-9
# Fewer samples on which a state is not 0 do not tell the spread of its moments.
FEWEST = 1000


class Quantities(NamedTuple):
    """What is compared: sums over patterns, and moments of hidden states and logits.

    pairs : P(both neurons are on), upper triangle; labels : P(label), P(right answer);
    slopes : mean Jacobian, and upper triangle of E[J^T J]; states : means and second moments,
    the ones of hidden states in the order of `pairs`.
    """

    pairs: NDArray[np.float64]
    labels: NDArray[np.float64]
    slopes: NDArray[np.float64]
    states: NDArray[np.float64]


def run(samples: int = SAMPLES) -> None:
    draw_spectra(
        node_spectra(zoo.load("6/4"), "inputs", "h4"), report.ROOT / "docs" / "spectra_6_4.png"
    )
    rows, found = [], []
    for name in zoo.names():
        network = zoo.load(name)
        if network.n <= LONGEST:
            law = pattern_fractions(network)
            found.append(compare(network, law, samples))
            rows.append([name, f"{len(law):,}", *counted(found[-1])])
            print(*rows[-1], flush=True)
    together = np.concatenate(found)
    rows.append(["all", "", *counted(together)])
    expected = [2.0 * stats.norm.sf(level) * len(together) for level in (2.0, 3.0)]
    text = (
        f"Deviations of {samples:,} samples from exact quantities, in standard errors: of "
        "probabilities (of pairs of neurons on, labels, right answers) by the tail of the "
        "binomial distribution, of the mean Jacobian and E[J^T J] by their exact variances over "
        "patterns, of first and second moments of hidden states and logits by the spread of "
        "batches. If all are exact, "
        f"{expected[0]:.0f} of {len(together):,} lie beyond 2 and {expected[1]:.0f} beyond 3 in "
        "the mean; they are correlated.\n\n"
    )
    headings = ["network", "patterns", "quantities", "beyond 2", "beyond 3", "largest"]
    values = {
        "samples": f"{samples:,}",
        "networks": str(len(found)),
        "quantities": f"{len(together):,}",
        "worst": f"{together.max():.1f}",
    }
    report.save("laws", "Exact laws against samples", text + report.table(headings, rows), values)


def counted(deviations: NDArray[np.float64]) -> list[str]:
    return [
        f"{len(deviations):,}", *(f"{(deviations > k).sum():,}" for k in (2, 3)),
        f"{deviations.max():.2f}",
    ]  # fmt: skip


def compare(network: ReluRNN, law: PatternLaw, samples: int) -> NDArray[np.float64]:
    """Deviation of every quantity in standard errors."""
    exact, batches = quantities(network, law), max(samples // BATCH, 2)
    drawn = batches * BATCH
    sums = [np.zeros_like(part) for part in exact]
    squares = np.zeros_like(exact.states)
    for seed in range(batches):
        batch = batch_of(network, seed)
        for total, part in zip(sums, batch, strict=True):
            total += part
        squares += (batch.states - exact.states) ** 2
    means = Quantities(*(total / batches for total in sums))
    spread = squares / batches - (means.states - exact.states) ** 2
    state_error = np.sqrt(np.maximum(spread, 0.0) / (batches - 1))
    enough = exact.pairs * drawn >= FEWEST
    alone = np.equal(*np.triu_indices(network.n * network.hidden))
    known = np.ones(len(state_error), dtype=bool)
    known[: len(enough) + alone.sum()] = np.concatenate([enough, enough[alone]])
    return np.concatenate([
        tails(means.pairs, drawn, exact.pairs),
        tails(means.labels, drawn, exact.labels),
        deviates(means.slopes, exact.slopes, slope_variance(network, law) / drawn),
        deviates(means.states, exact.states, state_error**2)[known],
    ])  # fmt: skip


def deviates(
    found: NDArray[np.float64], exact: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    rounding = ROUNDING * np.maximum(np.abs(exact), 1.0)
    return np.abs(found - exact) / np.maximum(np.sqrt(np.maximum(variance, 0.0)), rounding)


def tails(shares: NDArray[np.float64], drawn: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal deviates as unlikely as these shares are, each in its own tail."""
    counts, p = np.rint(shares * drawn), np.clip(p, 0.0, 1.0)
    tail = np.minimum(stats.binom.cdf(counts, drawn, p), stats.binom.sf(counts - 1, drawn, p))
    return np.maximum(stats.norm.isf(tail), 0.0)


def quantities(network: ReluRNN, law: PatternLaw) -> Quantities:
    """Those that are exact."""
    table, spectra = code_table(network), node_spectra(network)
    hidden, logits = law.hidden_mean().value.reshape(-1), law.logit_mean().value
    second = law.hidden_covariance().value + np.outer(hidden, hidden)
    readout = law.logit_covariance().value + np.outer(logits, logits)
    slopes = [spectra.mean_jacobian.value.reshape(-1), upper(spectra.gram.value)]
    return Quantities(
        upper(law.pair_probabilities().value),
        np.append(table.joint.sum(axis=0), table.right.sum()),
        np.concatenate(slopes),
        np.concatenate([upper(second), hidden, logits, upper(readout)]),
    )


def slope_variance(network: ReluRNN, law: PatternLaw) -> NDArray[np.float64]:
    """Variances of the slopes of one sample: they are constant on a pattern."""
    slopes = slopes_of(network, law.patterns)
    return law.fractions @ (slopes - law.fractions @ slopes) ** 2


def slopes_of(network: ReluRNN, patterns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Jacobian J and upper triangle of J^T J on every pattern, (patterns, slopes)."""
    j = jacobians(network, patterns, "inputs", "logits")
    above, below = np.triu_indices(network.n)
    gram = (j.transpose(0, 2, 1) @ j)[:, above, below]
    return np.concatenate([j.reshape(len(j), -1), gram], axis=1)


def batch_of(network: ReluRNN, seed: int) -> Quantities:
    """The same of one batch of inputs."""
    x = gaussian_inputs(BATCH, network.n, seed=seed)
    z = network.pre_activations(x)
    h = np.maximum(z, 0.0).reshape(BATCH, -1)
    logits = h[:, -network.hidden :] @ network.W_oh.T
    labels = get_task(network.task)(x)
    right = (logits.argmax(axis=1) == labels).sum()
    patterns, counts = different(z > 0.0)
    bits = patterns.reshape(len(patterns), -1).astype(float)
    states = [upper(h.T @ h), h.sum(axis=0), logits.sum(axis=0), upper(logits.T @ logits)]
    return Quantities(
        upper(bits.T @ (counts[:, None] * bits)) / BATCH,
        np.append(np.bincount(labels, minlength=network.n), right) / BATCH,
        counts @ slopes_of(network, patterns) / BATCH,
        np.concatenate(states) / BATCH,
    )


def upper(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upper triangle of a symmetric matrix as a vector."""
    return matrix[np.triu_indices(len(matrix))]


def different(patterns: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The patterns that occur in (count, n, hidden), and how often."""
    packed = np.packbits(patterns.reshape(len(patterns), -1), axis=1)
    codes = np.zeros((len(patterns), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    codes[:, : packed.shape[1]] = packed
    _, first, counts = np.unique(
        codes.view(np.uint64), axis=0, return_index=True, return_counts=True
    )
    return patterns[first], counts
