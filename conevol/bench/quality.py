"""Quality against compute: errors of estimators over noisy copies of a network."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from conevol._version import __version__
from conevol.bench.store import Store, fingerprint
from conevol.errors import CellsError, ConevolError, TaskError
from conevol.estimators import Estimate, Estimator, estimator
from conevol.network import Ensemble, ReluRNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SAMPLES", "Quality", "Score", "default_estimators", "measure_quality"]

# Numbers of samples at which plain sampling's error is measured.
SAMPLES = (10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
REFERENCE = "exact"
# Cells of a copy up to which its exact accuracy is the reference.
_MOST_CELLS = 100_000
# Copies between two writes to the disk.
_BLOCK = 32

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Score:
    """How good an estimator is, and what it costs.

    Attributes
    ----------
    estimator : str
    rms, bias, worst : float
        Root mean square, mean, and largest absolute value of estimate - reference over the
        copies.  The variance of a sampled reference is taken off the mean square.  For
        the exact value all three are the largest error bound.
    floor : float
        Smaller RMS errors cannot be told from a sampled reference's own (two standard errors of
        its mean square); 0 for an exact one.
    operations, seconds : float
        Of a copy: the mean, and the median.  NaN where operations are not counted.
    sampling_at_operations, sampling_at_seconds : float
        RMS error of sampling, as measured, with as many operations or as much time.
    """

    estimator: str
    rms: float
    bias: float
    worst: float
    floor: float
    operations: float
    seconds: float
    sampling_at_operations: float
    sampling_at_seconds: float

    @property
    def compute_ratio(self) -> float:
        """How many times this estimator's operations sampling needs for the same RMS error."""
        return (self.sampling_at_operations / self.rms) ** 2 if self.rms > 0.0 else math.inf


@dataclass(frozen=True)
class Quality:
    """All estimates of a run.

    Attributes
    ----------
    model : str
    copies : int
    noise : float
        Standard deviation of the noise on every weight.
    seed : int
    reference : ndarray, shape (copies,)
        Exact accuracies, or long samples.
    reference_error : ndarray, shape (copies,)
        Standard errors of long samples; 0 for exact accuracies.
    estimates : dict
        Of every estimator, by name: the list of its `Estimate` of every copy, and where there are
        repeats, again of every copy, with other seeds.
    """

    model: str
    copies: int
    noise: float
    seed: int
    reference: NDArray[np.float64]
    reference_error: NDArray[np.float64]
    estimates: dict[str, list[Estimate]]

    def values(self, name: str) -> NDArray[np.float64]:
        """Estimates of all copies, repeat after repeat."""
        return np.array([e.value for e in self.estimates[name]])

    def errors(self, name: str) -> NDArray[np.float64]:
        """Estimates less the reference of their copy."""
        values = self.values(name)
        return values - np.resize(self.reference, len(values))

    @property
    def is_exact(self) -> bool:
        """Whether the reference is exact."""
        return not self.reference_error.any()

    @property
    def deviation(self) -> float:
        """sqrt(mean p (1 - p)): the error of one sample that theory predicts."""
        return float(np.sqrt(np.mean(self.reference * (1.0 - self.reference))))

    @property
    def sampling_names(self) -> list[str]:
        """The sampling line, from few samples to many."""
        names = [name for name in self.estimates if name.startswith("sampling:")]
        return sorted(names, key=lambda name: int(name.split(":")[1]))

    @property
    def measured_deviation(self) -> float:
        """The error of one sample as measured: RMS times sqrt(k), over all k."""
        squares = [
            int(name.split(":")[1]) * self._moments(name)[0] ** 2 for name in self.sampling_names
        ]
        return float(np.sqrt(np.mean(squares))) if squares else math.nan

    def _moments(self, name: str) -> tuple[float, float, float]:
        difference = self.errors(name)
        square = float(np.mean(difference**2) - np.mean(self.reference_error**2))
        return math.sqrt(max(square, 0.0)), float(difference.mean()), float(abs(difference).max())

    @property
    def _floor(self) -> float:
        square = float(np.mean(self.reference_error**2))
        return math.sqrt(2.0 * math.sqrt(2.0 / self.copies) * square)

    def _cost(self, name: str) -> tuple[float, float]:
        each = self.estimates[name]
        counts = [math.nan if e.operations is None else e.operations for e in each]
        return float(np.mean(counts)), float(np.median([e.seconds for e in each]))

    def score(self, name: str) -> Score:
        """The score of one estimator."""
        operations, seconds = self._cost(name)
        if name == REFERENCE and self.is_exact:
            bound = max(e.error for e in self.estimates[name])
            rms = bias = worst = bound
        else:
            rms, bias, worst = self._moments(name)
        return Score(
            name, rms, bias, worst, self._floor, operations, seconds,
            self._sampling_at(0, operations), self._sampling_at(1, seconds),
        )  # fmt: skip

    @property
    def scores(self) -> list[Score]:
        """Scores of all estimators, sampling last."""
        line = self.sampling_names
        return [self.score(n) for n in [*(n for n in self.estimates if n not in line), *line]]

    def _sampling_at(self, axis: int, cost: float) -> float:
        """Sampling's measured error at a cost: a line through the logarithms.

        Beyond the measured costs it goes on like 1 / sqrt(cost).
        """
        names = self.sampling_names
        if not names or not cost > 0.0:
            return math.nan
        costs = np.array([self._cost(name)[axis] for name in names])
        order = np.argsort(costs, kind="stable")
        x = np.log(np.maximum(costs[order], 1e-300))
        y = np.log([max(self._moments(names[i])[0], 1e-300) for i in order])
        at = math.log(cost)
        inside = float(np.interp(at, x, y))
        return math.exp(inside - 0.5 * (at - min(max(at, x[0]), x[-1])))


def default_estimators(network: ReluRNN) -> list[str]:
    """What `measure_quality` compares by default: all that fit the network."""
    names = [REFERENCE] if network.n <= 3 else []
    if (network.hidden, network.n) == (4, 3):
        names += ["note-original", "note-symmetric"]
    return names


def measure_quality(
    network: ReluRNN,
    estimators: Sequence[str] | None = None,
    *,
    model: str = "network",
    noise: float = 0.05,
    copies: int = 256,
    seed: int = 0,
    samples: Sequence[int] = SAMPLES,
    reference_samples: int = 4_000_000,
    repeats: Callable[[str], int] | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Quality:
    """Errors of estimators over noisy copies of a network, with sampling at several k.

    Parameters
    ----------
    network : ReluRNN
    estimators : sequence of str, optional
        As `conevol.estimator` reads them; by default `default_estimators`.
    model : str
        Name of the network in tables and pictures.
    noise, copies, seed
        As for `ReluRNN.noisy_copies`; estimators get seeds made of `seed` and their names.
    samples : sequence of int
        Numbers of samples of the sampling line.
    reference_samples : int
        Samples of a reference where the exact accuracy has too many cells.
    repeats : callable, optional
        Maps the name of an estimator to how often it is called on every copy, with new seeds:
        more often, where it is cheap, tells its error better.  By default once.
    folder : path, optional
        Where estimates are kept.  The same call continues a run that was stopped.
    progress : callable, optional
        Called with (estimator, copies done, copies) now and then.

    Returns
    -------
    Quality

    Raises
    ------
    ConevolError
        For an unknown estimator, or a folder with another run.

    Notes
    -----
    The reference is the exact accuracy, or where that cannot be had a long sample, whose
    variance is taken off the errors.  Estimators run one at a time on one thread, after a
    first call that is not timed.

    Examples
    --------
    >>> from conevol import zoo
    >>> quality = measure_quality(zoo.load("3/3"), ["exact"], copies=20, samples=(100, 1000))
    >>> [score.estimator for score in quality.scores]
    ['exact', 'sampling:100', 'sampling:1000']
    >>> quality.score("exact").rms < 1e-10 < quality.score("sampling:1000").rms < 0.05
    True
    """
    if copies < 1:
        raise ConevolError(f"copies is {copies}, expected at least 1")
    chosen = [
        str(estimator(t))
        for t in (default_estimators(network) if estimators is None else estimators)
    ]
    line = [str(estimator(f"sampling:samples={k}")) for k in samples]
    ensemble = network.noisy_copies(copies, noise, seed)
    settings = {
        "network": fingerprint(network),
        "noise": noise,
        "copies": copies,
        "seed": seed,
        "conevol": __version__,
    }
    store = Store(folder, settings)
    names = list(dict.fromkeys([*chosen, *line]))
    estimates: dict[str, list[Estimate]] = {}

    def run(name: str, to_run: Estimator, times: int = 1) -> list[Estimate]:
        return _run(to_run, name, ensemble, times, store, seed, progress)

    reference, reference_error = _reference(run, reference_samples)
    for name in names:
        short = name.replace("sampling:samples=", "sampling:")
        estimates[short] = run(short, estimator(name), 1 if repeats is None else repeats(short))
    return Quality(
        model, copies, noise, seed, np.array(reference), np.array(reference_error), estimates
    )


def _reference(run: Callable[..., list[Estimate]], samples: int) -> tuple[list[float], list[float]]:
    """Values of all copies, and their standard errors (0 where they are exact)."""
    try:
        exact = run(REFERENCE, estimator(f"{REFERENCE}:{_MOST_CELLS}"))
        return [e.value for e in exact], [0.0] * len(exact)
    except (TaskError, CellsError):
        long = run(f"reference:{samples}", estimator(f"sampling:{samples}"))
        return [e.value for e in long], [e.error for e in long]


def _run(
    to_run: Estimator,
    name: str,
    ensemble: Ensemble,
    repeats: int,
    store: Store,
    seed: int,
    progress: Progress | None,
) -> list[Estimate]:
    """Estimates of all copies, repeat after repeat: those on disk, the others block by block."""
    done = store.read(name)
    # Every estimator its own seeds, far from the others' and from other runs'.
    first = (seed * 2**32 + zlib.crc32(name.encode())) * 2**20 % 2**62
    total = len(ensemble) * repeats
    missing = [i for i in range(total) if i not in done]
    if missing:
        to_run.of_ensemble(_part(ensemble, missing[:1]), first)
    for start in range(0, total, _BLOCK):
        block = [i for i in range(start, min(start + _BLOCK, total)) if i not in done]
        # Seeds are consecutive in a run of copies, so a gap divides it.
        for group in _runs(block):
            results = to_run.of_ensemble(_part(ensemble, group), first + group[0])
            store.write(name, group, results)
            done.update(zip(group, results, strict=True))
        if progress is not None:
            progress(name, min(start + _BLOCK, total), total)
    return [done[i] for i in range(total)]


def _runs(numbers: list[int]) -> list[list[int]]:
    """Numbers in ascending order, as runs of consecutive ones."""
    runs: list[list[int]] = []
    for i in numbers:
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _part(ensemble: Ensemble, numbers: list[int]) -> Ensemble:
    """Copies by number, which goes on with the first copy after the last."""
    copies = [i % len(ensemble) for i in numbers]
    return Ensemble(
        ensemble.W_hi[copies], ensemble.W_hh[copies], ensemble.W_oh[copies], task=ensemble.task
    )
