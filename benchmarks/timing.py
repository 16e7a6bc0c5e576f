"""Timing on a noisy machine: contenders take turns, and the best of many rounds counts."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["best_times"]


def best_times(
    contenders: dict[str, Callable[[], object]], seconds: float = 2.0, rounds: int = 5
) -> dict[str, float]:
    """Shortest CPU time of one call of every contender.

    They run in turn, so that a slow spell of the machine meets all of them, for at
    least `rounds` rounds and until every one has had its share of `seconds`.
    """
    best = dict.fromkeys(contenders, float("inf"))
    for call in contenders.values():
        call()
    started, done = time.perf_counter(), 0
    while done < rounds or time.perf_counter() - started < seconds * len(contenders):
        for name, call in contenders.items():
            if done >= rounds and best[name] > seconds:
                continue
            before = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - before)
        done += 1
    return best
