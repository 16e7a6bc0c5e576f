"""Estimators as the registry calls them: on one thread."""

from __future__ import annotations

from typing import Any

from conevol.estimators.conditional import conditional_accuracy
from conevol.estimators.estimate import Estimate
from conevol.network import ReluRNN


def conditional(
    network: ReluRNN,
    *,
    seed: int = 0,
    samples: int = 10_000,
    points: str = "random",
    replicates: int = 16,
) -> Estimate:
    """`conditional_accuracy` on one thread.

    Examples
    --------
    >>> from conevol import zoo
    >>> conditional(zoo.load("4/3"), samples=100).claim
    'standard error'
    """
    kind: Any = points
    return conditional_accuracy(
        network, samples, seed=seed, points=kind, replicates=replicates, threads=1
    )
