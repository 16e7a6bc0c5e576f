"""Surprise accounting: the bits that an estimate of the accuracy leaves to be told.

J. Hilton, "Heuristic explanations for 2nd argmax models" (2024), last section, made definite:
what is checked costs a bit an inequality, what is computed costs the information in its value
under a prior, what is left costs the information in the true accuracy given the estimate.
All bits are about values rounded to a resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from conevol._fraction import fraction
from conevol.errors import ConevolError
from conevol.estimators.note_order import CONDITIONS
from conevol.estimators.note_original import NoteParts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FractionPrior",
    "Surprise",
    "error_bits",
    "fraction_prior",
    "inequality_bits",
    "note_surprise",
]

# Random cones that are drawn at most for a prior, in blocks.
_BLOCK = 4096


def inequality_bits() -> float:
    """A bit for each inequality that the note checks, each as likely as not beforehand.

    Examples
    --------
    >>> inequality_bits()
    16.0
    """
    return float(len(CONDITIONS))


@dataclass(frozen=True)
class FractionPrior:
    """Distribution of the fraction of k half-spaces with independent uniform normals.

    Attributes
    ----------
    k, d : int
        Number of half-spaces, and dimension.
    empty : float
        Probability that nothing is inside (J. G. Wendel 1962); the fraction then is 0.
    sample : ndarray
        Exact fractions of random cones that are not empty, in ascending order.
    """

    k: int
    d: int
    empty: float
    sample: NDArray[np.float64]

    def probability(self, value: ArrayLike, resolution: float) -> NDArray[np.float64]:
        """Probability of a fraction within resolution / 2 of a value.

        The atom at 0 counts with values that it is within reach of.  Where the interval
        holds fewer than sqrt(N) of the N cones of the sample, the density comes from
        the sqrt(N) nearest of them.
        """
        if not resolution > 0.0:
            raise ConevolError(f"resolution is {resolution}, expected a positive number")
        v = np.atleast_1d(np.asarray(value, dtype=float))
        low, high = np.maximum(v - resolution / 2.0, 0.0), np.minimum(v + resolution / 2.0, 1.0)
        total = len(self.sample)
        inside = np.searchsorted(self.sample, high, "right") - np.searchsorted(self.sample, low)
        few = math.isqrt(total)
        at = np.searchsorted(self.sample, v)
        first = np.clip(at - few // 2, 0, total - few)
        left, right = self.sample[first], self.sample[first + few - 1]
        # Beyond the sample the nearest cones are on one side, and the distance counts.
        width = np.maximum(right, v) - np.minimum(left, v)
        density = (few - 1) / (total * width)
        share = np.where(inside >= few, inside / total, density * (high - low))
        # No interval is more likely than one that holds all of the few.
        share = np.minimum(share, np.maximum(inside, few) / total)
        return (1.0 - self.empty) * share + np.where(low <= 0.0, self.empty, 0.0)

    def bits(self, value: ArrayLike, resolution: float) -> NDArray[np.float64]:
        """-log2 of `probability`."""
        return -np.log2(self.probability(value, resolution))


@lru_cache(maxsize=8)
def fraction_prior(k: int, d: int, *, cones: int = 20_000, seed: int = 0) -> FractionPrior:
    """The prior of k random half-spaces in d dimensions, by that many exact fractions.

    Raises
    ------
    ConevolError
        For k < 1, d < 1, or fewer than 100 cones.

    Examples
    --------
    >>> prior = fraction_prior(6, 3)
    >>> prior.empty
    0.5
    >>> mean = (1 - prior.empty) * prior.sample.mean()  # exactly 2^-k
    >>> bool(abs(mean * 2**6 - 1) < 0.03)
    True
    """
    if k < 1 or d < 1 or cones < 100:
        raise ConevolError(
            f"got k = {k}, d = {d}, cones = {cones}; expected k >= 1, d >= 1, cones >= 100"
        )
    empty = 1.0 - sum(math.comb(k - 1, i) for i in range(d)) / 2.0 ** (k - 1)
    rng = np.random.default_rng((seed, k, d))
    parts: list[NDArray[np.float64]] = []
    while sum(map(len, parts)) < cones:
        values = fraction(rng.standard_normal((_BLOCK, k, d)))
        parts.append(values[values > 0.0])
    sample = np.sort(np.concatenate(parts)[:cones])
    sample.setflags(write=False)
    return FractionPrior(k, d, empty, sample)


def error_bits(
    exact: ArrayLike, estimate: ArrayLike, rms: float, resolution: float
) -> NDArray[np.float64]:
    """Bits that the true accuracy costs, given an estimate with Gaussian errors.

    Parameters
    ----------
    exact, estimate : array_like
    rms : float
        Standard deviation of the estimate's error, measured on other networks.
    resolution : float
        -log2 of the probability of [exact - resolution / 2, exact + resolution / 2].

    Examples
    --------
    >>> round(float(error_bits(0.9, 0.9, rms=0.03, resolution=0.001)), 2)
    6.23
    >>> float(error_bits(0.9, 0.9, rms=1e-12, resolution=0.001))
    0.0
    """
    if not (rms > 0.0 and resolution > 0.0):
        raise ConevolError(f"rms is {rms} and resolution {resolution}, expected positive numbers")
    error = np.abs(np.asarray(estimate, dtype=float) - np.asarray(exact, dtype=float))
    # Both ends on the upper side, where erfc keeps its digits.
    erfc = np.vectorize(math.erfc, otypes=[float])
    scale = rms * math.sqrt(2.0)
    inside = 0.5 * (
        erfc((error - resolution / 2.0) / scale) - erfc((error + resolution / 2.0) / scale)
    )
    tail = (error / rms) ** 2 / 2.0 / math.log(2.0) - math.log2(
        resolution / (rms * math.sqrt(2.0 * math.pi))
    )
    # Far out, where erfc underflows: the density times the resolution.
    return np.where(inside > 1e-290, -np.log2(np.maximum(inside, 1e-300)) + 0.0, tail)


@dataclass(frozen=True)
class Surprise:
    """Bits of the note's original version for one network.

    Attributes
    ----------
    inequalities : float
    fractions : float
        Sum over all cones.
    accuracy : float
        Of the true accuracy, given the estimate.
    outright : float
        Of the true accuracy alone, uniform beforehand: what an explanation has to beat.
    """

    inequalities: float
    fractions: float
    accuracy: float
    outright: float

    @property
    def total(self) -> float:
        """Inequalities, fractions and accuracy."""
        return self.inequalities + self.fractions + self.accuracy


def note_surprise(
    parts: NoteParts, exact: ArrayLike, rms: float, *, resolution: float = 1e-3
) -> list[Surprise]:
    """Bits of the note's original version, for every network of `parts`.

    Parameters
    ----------
    parts : NoteParts
        From `conevol.estimators.note_original.note_parts`.
    exact : array_like, shape (N,)
        The exact accuracies.
    rms : float
        RMS error of the estimates.
    resolution : float
        Of all fractions and of the accuracy.

    Examples
    --------
    >>> import conevol
    >>> from conevol.estimators.note_original import note_parts
    >>> copies = conevol.zoo.load("4/3").noisy_copies(3)
    >>> bits = note_surprise(note_parts(copies), conevol.accuracy(copies).value, 0.03)
    >>> bits[0].total > bits[0].fractions > 102 > bits[0].outright
    True
    """
    told = np.zeros(len(parts.value))
    for name, values in (("volume", parts.volume), ("on", parts.on), ("right", parts.right)):
        if name in parts.half_spaces:
            prior = fraction_prior(parts.half_spaces[name][1], 3)
            told += prior.bits(values.reshape(len(told), -1), resolution).sum(axis=1)
    left = error_bits(exact, parts.value, rms, resolution)
    return [
        Surprise(inequality_bits(), float(f), float(a), -math.log2(resolution))
        for f, a in zip(told, left, strict=True)
    ]
