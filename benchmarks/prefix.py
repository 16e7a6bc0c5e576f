"""What the exact law of the first steps takes off the variance of plain samples."""

from __future__ import annotations

from benchmarks import report
from benchmarks.estimators import NAMES, PUBLISHED
from benchmarks.timing import best_times
from conevol import ReluRNN, prefix_accuracy, sample_accuracy, zoo

SAMPLES = 2**20
MOST_STEPS = 3


def measure(network: ReluRNN, steps: int) -> tuple[str, float, float, float, float]:
    """Strata and how many samples they cost; share of plain sampling's variance; both gains."""
    found = prefix_accuracy(network, steps=steps, samples=SAMPLES, threads=1)
    share = (found.error / sample_accuracy(network, SAMPLES).standard_error) ** 2
    times = best_times(
        {
            "plain": lambda: sample_accuracy(network, SAMPLES, threads=1),
            "prefix": lambda: prefix_accuracy(network, steps=steps, samples=SAMPLES, threads=1),
        },
        seconds=0.2,
    )
    a_sample = network.n * network.hidden * (network.hidden + 2)
    worth = found.operations / a_sample - SAMPLES
    by_operations = SAMPLES / (share * (SAMPLES + worth))
    strata = found.estimator.split(", ")[2].split()[0]
    return strata, worth, share, by_operations, times["plain"] / (share * times["prefix"])


def run() -> None:
    networks = {name: zoo.load(name) for name in NAMES}
    if PUBLISHED.exists():
        networks[PUBLISHED.stem] = ReluRNN.load(PUBLISHED)
    rows, values = [], {"samples": f"{SAMPLES:,}"}
    for name, network in networks.items():
        for steps in range(1, min(MOST_STEPS, network.n) + 1):
            strata, worth, share, by_operations, by_time = measure(network, steps)
            rows.append([
                name, str(steps), strata, f"{worth:,.0f}",
                f"{share:.4f}", f"{by_operations:.3f}", f"{by_time:.2f}",
            ])  # fmt: skip
            key = f"{name.replace('/', '_')}_{steps}"
            values[key + "_worth"] = f"{worth:,.0f}"
            values[key + "_saved"] = f"{100 * max(1 - share, 0.0):.1f}"
            values[key + "_operations"] = f"{by_operations:.3f}"
            values[key + "_time"] = f"{by_time:.2f}"
    text = (
        f"`prefix_accuracy` of {SAMPLES:,} samples, the same as plain sampling's: strata with the "
        "rest, in how many samples' operations they are computed, and variance as a share of "
        "plain sampling's. Gain: plain sampling's variance times cost over this estimator's, so "
        "above 1 is better.\n\n"
    )
    headings = ["network", "steps", "strata", "in samples", "variance", "gain, operations"]
    text += report.table([*headings, "gain, time"], rows)
    report.save("prefix", "Exact strata of the first steps", text, values)
