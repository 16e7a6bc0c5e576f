"""Independent items on several threads, with results that do not depend on how many.

Kernels release the GIL and write item by item, so plain threads are enough and
need no second, parallel compilation of every kernel.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from conevol.errors import ConevolError

__all__ = ["for_ranges", "thread_count"]


def thread_count(threads: int | None) -> int:
    """Number of threads to use: the given one, or every core this process may run on.

    Raises
    ------
    ConevolError
        If the number is not positive.
    """
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if threads < 1:
        raise ConevolError(f"threads is {threads}, expected at least 1, or None for all cores")
    return threads


def for_ranges(
    work: Callable[[int, int], object], total: int, chunk: int, threads: int | None = None
) -> None:
    """Call work(start, stop) for consecutive ranges of at most `chunk` items.

    Ranges do not depend on the number of threads; what `work` raises is raised.
    """
    if threads is None and 0 < total <= chunk:
        work(0, total)
        return
    ranges = [(start, min(start + chunk, total)) for start in range(0, total, chunk)]
    workers = min(thread_count(threads), len(ranges))
    if workers <= 1:
        for start, stop in ranges:
            work(start, stop)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(lambda r: work(*r), ranges):
            pass
