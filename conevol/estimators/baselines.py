"""The two estimators that the others are measured between: plain sampling and the exact value."""

from __future__ import annotations

import time

from conevol.cells import MAX_N, accuracy
from conevol.estimators.estimate import Estimate
from conevol.estimators.sampling import sample_accuracy
from conevol.network import Ensemble, ReluRNN

__all__ = ["exact", "exact_ensemble", "sample_operations", "sampling"]


def sample_operations(hidden: int, n: int) -> int:
    """Operations of one forward pass, as the note counts them.

    Examples
    --------
    >>> sample_operations(4, 3)
    72
    """
    return n * hidden * (hidden + 1) + n * hidden


def sampling(network: ReluRNN, *, seed: int = 0, samples: int = 1000) -> Estimate:
    """The mean of that many samples; `error` is its standard error.

    Examples
    --------
    >>> from conevol import zoo
    >>> sampling(zoo.load("4/3"), samples=10).operations
    720
    """
    started = time.perf_counter()
    result = sample_accuracy(network, samples, seed=seed, threads=1)
    return Estimate(
        estimator=f"sampling:{samples}",
        value=result.value,
        claim="standard error",
        error=result.standard_error,
        operations=samples * sample_operations(network.hidden, network.n),
        seconds=time.perf_counter() - started,
    )


def exact(network: ReluRNN, *, seed: int = 0, max_cells: int = 20_000_000) -> Estimate:
    """The exact accuracy; `error` bounds the rounding.  The seed does nothing.

    Operations are counted for n <= 3 by a second walk, which is not timed.  Networks of more
    than max_cells cells are refused (see `conevol.accuracy`).

    Examples
    --------
    >>> from conevol import zoo
    >>> result = exact(zoo.load("4/3"))
    >>> result.claim, result.error < 1e-11
    ('bound', True)
    """
    return exact_ensemble(Ensemble.of([network]), seed=seed, max_cells=max_cells)[0]


def exact_ensemble(
    networks: Ensemble, *, seed: int = 0, max_cells: int = 20_000_000
) -> list[Estimate]:
    """`exact` for every network of an ensemble."""
    started = time.perf_counter()
    result = accuracy(networks, threads=1, max_cells=max_cells)
    seconds = (time.perf_counter() - started) / max(len(networks), 1)
    operations = result.operations
    if networks.n <= MAX_N:
        operations = accuracy(networks, threads=1, operations=True).operations
    return [
        Estimate(
            estimator="exact",
            value=float(result.value[i]),
            claim="bound",
            error=float(result.error_bound[i]),
            operations=None if operations is None else int(operations[i]),
            seconds=seconds,
        )
        for i in range(len(networks))
    ]
