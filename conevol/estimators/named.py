"""Estimators as the registry calls them: on one thread."""

from __future__ import annotations

from typing import Any

from conevol.bounds import accuracy_bounds
from conevol.estimators.conditional import conditional_accuracy
from conevol.estimators.estimate import Estimate
from conevol.estimators.hybrid import accuracy_hybrid
from conevol.estimators.prefix import prefix_accuracy
from conevol.estimators.stratified import stratified_accuracy
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


def stratified(
    network: ReluRNN,
    *,
    seed: int = 0,
    samples: int = 10_000,
    values: int = 4,
    replicates: int = 16,
) -> Estimate:
    """`stratified_accuracy` on one thread.

    Examples
    --------
    >>> from conevol import zoo
    >>> stratified(zoo.load("4/3"), samples=4096).claim
    'standard error'
    """
    return stratified_accuracy(
        network, samples, seed=seed, values=values, replicates=replicates, threads=1
    )


def prefix(
    network: ReluRNN,
    *,
    seed: int = 0,
    steps: int = 3,
    samples: int = 10_000,
    patterns: int = 200_000,
) -> Estimate:
    """`prefix_accuracy` on one thread.

    Examples
    --------
    >>> from conevol import zoo
    >>> prefix(zoo.load("4/3"), samples=1000).claim
    'standard error'
    """
    return prefix_accuracy(
        network, steps=steps, samples=samples, patterns=patterns, seed=seed, threads=1
    )


def bounds(network: ReluRNN, *, seed: int = 0, nodes: int = 1_000) -> Estimate:
    """The middle of `accuracy_bounds` on one thread.  The seed does nothing.

    Examples
    --------
    >>> from conevol import zoo
    >>> bounds(zoo.load("4/3"), nodes=50).claim
    'interval'
    """
    found = accuracy_bounds(network, nodes=nodes, threads=1)
    return Estimate(
        estimator=f"bounds, {found.nodes} prefixes",
        value=found.value,
        claim="interval",
        error=0.5 * found.width,
        operations=found.operations,
        seconds=found.seconds,
    )


def hybrid(
    network: ReluRNN, *, seed: int = 0, samples: int = 10_000, nodes: int = 1_000
) -> Estimate:
    """`accuracy_hybrid` on one thread; the bound of the rounding is added to its standard error.

    Examples
    --------
    >>> from conevol import zoo
    >>> hybrid(zoo.load("4/3"), samples=100).claim
    'standard error'
    """
    found = accuracy_hybrid(network, samples, nodes=nodes, seed=seed, threads=1)
    return Estimate(
        estimator=f"hybrid, {found.nodes} prefixes, {found.samples} samples",
        value=found.value,
        claim="standard error",
        error=found.standard_error + found.error,
        operations=found.operations,
        seconds=found.seconds,
    )
