"""Tasks: which index of the input a network should name.

A label function of the order of the entries is constant on each of finitely
many cones of inputs.  A `Task` holds both: the function, and for every length n
a fan of convex cones that covers space, each with its label.  Cutting by a fan
of few cones (one per position of the label and of what must lie above it)
makes fewer cells than cutting by all n (n - 1) / 2 planes x_i = x_j.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol.errors import TaskError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["TASKS", "Region", "Task", "checked_regions", "get_task", "ranking_task"]

LabelFunction = Callable[["NDArray[np.float64]"], "NDArray[np.int64]"]
# Beyond this length a fan of all orders is refused: 10! cones.
_LONGEST_BY_ORDER = 9


@dataclass(frozen=True)
class Region:
    """A cone of inputs with one label: {x : normals @ x >= 0}."""

    label: int
    normals: NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A label function together with the cones on which it is constant.

    Attributes
    ----------
    name : str
    labels : callable
        Maps inputs (..., n) to labels (...) in 0 .. n - 1.
    regions : callable
        Maps n to a list of `Region` whose cones cover R^n with disjoint interiors.
    check_length : callable
        Raises `TaskError` for a length n that the task does not have.
    rank : callable or None
        Maps n to the number of entries above the named one, when the task is to
        name the entry of one rank; compiled code then finds the label itself.
    """

    name: str
    labels: LabelFunction
    regions: Callable[[int], list[Region]]
    check_length: Callable[[int], None]
    rank: Callable[[int], int] | None = None

    def __call__(self, x: ArrayLike) -> NDArray[np.int64]:
        """Labels of inputs of shape (..., n)."""
        x = np.asarray(x, dtype=np.float64)
        self.check_length(x.shape[-1])
        return np.asarray(self.labels(x), dtype=np.int64)


def checked_regions(task: Task, n: int) -> list[Region]:
    """The task's regions for a length.

    Raises
    ------
    TaskError
        If the task does not have that length, or a region's label is no place of the input.
    """
    task.check_length(n)
    regions = task.regions(n)
    for region in regions:
        if not 0 <= region.label < n:
            raise TaskError(
                f"task {task.name!r} has a region with the label {region.label}, "
                f"expected 0 .. {n - 1}"
            )
    return regions


def _difference(n: int, above: int, below: int) -> NDArray[np.float64]:
    """Normal of x[above] >= x[below]."""
    normal = np.zeros(n)
    normal[above] += 1.0
    normal[below] -= 1.0
    return normal


def _length_at_least(name: str, shortest: int, odd: bool = False) -> Callable[[int], None]:
    def check(n: int) -> None:
        if n < shortest or (odd and n % 2 == 0):
            kind = "odd " if odd else ""
            raise TaskError(f"task {name!r} needs {kind}n >= {shortest}, got n = {n}")

    return check


def _rank_task(name: str, rank: Callable[[int], int], check: Callable[[int], None]) -> Task:
    """The task of naming the entry with rank(n) entries above it."""

    def labels(x: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.argsort(-x, axis=-1, kind="stable")[..., rank(x.shape[-1])]

    def regions(n: int) -> list[Region]:
        check(n)
        fan = []
        for label in range(n):
            others = [i for i in range(n) if i != label]
            for above in itertools.combinations(others, rank(n)):
                rows = [
                    _difference(n, i, label) if i in above else _difference(n, label, i)
                    for i in others
                ]
                fan.append(Region(label, np.array(rows).reshape(-1, n)))
        return fan

    return Task(name, labels, regions, check, rank)


def ranking_task(
    name: str, label_of_order: Callable[[tuple[int, ...]], int], shortest: int = 1
) -> Task:
    """Task from any function of the order of the entries.

    Parameters
    ----------
    name : str
    label_of_order : callable
        Maps an order, the tuple of indices from largest entry to smallest, to a
        label in 0 .. n - 1.
    shortest : int
        Smallest n.

    Notes
    -----
    Its fan has n! cones, one an order, so n is limited to 9.

    Examples
    --------
    >>> last = ranking_task("argmin", lambda order: order[-1])
    >>> last([3.0, 1.0, 2.0])
    array(1)
    """
    at_least = _length_at_least(name, shortest)

    def check(n: int) -> None:
        at_least(n)
        if n > _LONGEST_BY_ORDER:
            raise TaskError(
                f"task {name!r} would need {n}! cones of inputs, one an order; "
                f"expected n <= {_LONGEST_BY_ORDER}"
            )

    def label(order: tuple[int, ...]) -> int:
        value = int(label_of_order(order))
        if not 0 <= value < len(order):
            raise TaskError(
                f"task {name!r} gives order {order} the label {value}, "
                f"expected 0 .. {len(order) - 1}"
            )
        return value

    def labels(x: NDArray[np.float64]) -> NDArray[np.int64]:
        orders = np.argsort(-x, axis=-1, kind="stable").reshape(-1, x.shape[-1])
        kinds, inverse = np.unique(orders, axis=0, return_inverse=True)
        values = np.array([label(tuple(map(int, o))) for o in kinds], dtype=np.int64)
        return values[inverse.reshape(-1)].reshape(x.shape[:-1])

    def regions(n: int) -> list[Region]:
        check(n)
        return [
            Region(
                label(order),
                np.array([_difference(n, i, j) for i, j in itertools.pairwise(order)]).reshape(
                    -1, n
                ),
            )
            for order in itertools.permutations(range(n))
        ]

    return Task(name, labels, regions, check)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _rank_task("second_argmax", lambda n: 1, _length_at_least("second_argmax", 2)),
        _rank_task("argmax", lambda n: 0, _length_at_least("argmax", 1)),
        _rank_task("argmedian", lambda n: n // 2, _length_at_least("argmedian", 1, odd=True)),
    )
}
"""The built-in tasks by name."""


def get_task(task: str | Task) -> Task:
    """The task of a name, or the task itself.

    Raises
    ------
    TaskError
        If no built-in task has that name.
    """
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        raise TaskError(f"unknown task {task!r}, expected one of {', '.join(sorted(TASKS))}")
    return TASKS[task]
