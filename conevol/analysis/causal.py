"""A causal model of second argmax, and what it says when its variables are swapped.

The program reads the input once and keeps four variables: the largest entry so far,
the second largest, and the positions of both.

    x > maximum:      second, its position <- maximum, its position;  maximum <- x, here
    x > second:       second, its position <- x, here

Its answer is the position of the second at the end.  A swap at step t runs it on a
base input, then overwrites some of its variables by those it has after t entries of a
source input, and goes on with the base's other entries.  Values and positions may then
contradict each other; the program still runs and its answer is what counts.

Since every branch compares two linear forms of (base, source), the answer is constant on
cones of the joint space R^(n + t): `swap_regions` lists them by running the program with
both outcomes of every comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol.errors import TaskError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["VARIABLES", "JointRegion", "swap_regions", "swapped_labels", "variables_named"]

# What can be swapped, by name: fields of `_State`.
VARIABLES = {
    "maximum": ("maximum",),
    "second": ("second",),
    "maximum position": ("maximum_at",),
    "second position": ("second_at",),
    "positions": ("maximum_at", "second_at"),
    "everything": ("maximum", "second", "maximum_at", "second_at"),
}


def variables_named(variable: str, step: int, n: int) -> tuple[str, ...]:
    """The program's variables that a name stands for, once `step` of n entries are read.

    Raises
    ------
    TaskError
        If the name is unknown, or step is not in 2 .. n: before the second entry there
        is no second largest.
    """
    if variable == "x_0 > x_1":
        if step != 2:
            raise TaskError(
                f"variable 'x_0 > x_1' is swapped at step 2, when just these two entries are "
                f"read, got step {step}; later use 'positions'"
            )
        variable = "positions"
    if variable not in VARIABLES:
        raise TaskError(
            f"unknown variable {variable!r}, expected one of {', '.join([*VARIABLES, 'x_0 > x_1'])}"
        )
    first = 1 if VARIABLES[variable] in (("maximum",), ("maximum_at",)) else 2
    if not first <= step <= n:
        raise TaskError(
            f"variable {variable!r} is swapped at step {step}, expected {first} .. n = {n}"
        )
    return VARIABLES[variable]


def swapped_labels(
    base: ArrayLike, source: ArrayLike, variable: str, step: int
) -> NDArray[np.int64]:
    """The program's answers on base inputs after a swap of a variable at a step.

    Parameters
    ----------
    base, source : array_like, shape (..., n)
        Only the first `step` entries of the source matter.
    variable : str
        A key of `VARIABLES`, or "x_0 > x_1" at step 2.
    step : int
        Entries read before the swap.

    Raises
    ------
    TaskError
        As `variables_named`.

    Examples
    --------
    The base's larger entry is the first, the source's the second; told the latter, the
    program takes the base's second largest to be x_0:

    >>> swapped_labels([3.0, 2.0, 1.0], [0.0, 1.0, 0.0], "x_0 > x_1", 2)
    array(0)
    """
    x, s = np.asarray(base, dtype=float), np.asarray(source, dtype=float)
    n = x.shape[-1]
    names = variables_named(variable, step, n)
    state, other = _run_numeric(x, 0, step), _run_numeric(s, 0, step)
    state.update({name: other[name] for name in names})
    return _run_numeric(x, step, n, state)["second_at"]


def _run_numeric(
    x: NDArray[np.float64], start: int, stop: int, state: dict[str, NDArray] | None = None
) -> dict[str, NDArray]:
    """The program on arrays of inputs, from one step to another."""
    shape = x.shape[:-1]
    if state is None:
        least, none = np.full(shape, -np.inf), np.full(shape, -1)
        state = {"maximum": least, "second": least, "maximum_at": none, "second_at": none}
    for t in range(start, stop):
        entry = x[..., t]
        top, middle = entry > state["maximum"], entry > state["second"]
        state = {
            "second": np.where(top, state["maximum"], np.where(middle, entry, state["second"])),
            "second_at": np.where(
                top, state["maximum_at"], np.where(middle, t, state["second_at"])
            ),
            "maximum": np.where(top, entry, state["maximum"]),
            "maximum_at": np.where(top, t, state["maximum_at"]),
        }
    return state


class JointRegion(NamedTuple):
    """A cone of pairs (base, source): normals (k, n + step), and the program's answer there."""

    normals: NDArray[np.float64]
    label: int


@dataclass(frozen=True)
class _State:
    """The program's variables; values are linear forms of (base, source), None is -infinity."""

    maximum: tuple[float, ...] | None = None
    second: tuple[float, ...] | None = None
    maximum_at: int = -1
    second_at: int = -1


_Branch = tuple[tuple[tuple[float, ...], ...], _State]


def _less(a: tuple[float, ...] | None, b: tuple[float, ...]) -> tuple[float, ...] | None:
    """The form b - a, or None where a is -infinity."""
    return None if a is None else tuple(q - p for p, q in zip(a, b, strict=True))


def _branches(
    gap: tuple[float, ...] | None, over: Callable[[], _State], under: Callable[[], list[_Branch]]
) -> list[_Branch]:
    """Both outcomes of gap > 0; a gap that is not a proper form has one outcome."""
    if gap is None:
        return [((), over())]
    if not any(gap):  # a comparison of an entry with itself: not larger
        return under()
    opposite = tuple(-g for g in gap)
    below = [((opposite, *rows), state) for rows, state in under()]
    return [((gap,), over()), *below]


def _step(state: _State, entry: tuple[float, ...], at: int) -> list[_Branch]:
    """The program's branches on reading one entry, with the half-spaces of each."""

    def new_maximum() -> _State:
        return _State(entry, state.maximum, at, state.maximum_at)

    def not_maximum() -> list[_Branch]:
        return _branches(
            _less(state.second, entry),
            lambda: replace(state, second=entry, second_at=at),
            lambda: [((), state)],
        )

    return _branches(_less(state.maximum, entry), new_maximum, not_maximum)


def _run(
    rows: tuple[tuple[float, ...], ...], state: _State, entries: list[tuple[float, ...]], at: int
) -> Iterator[_Branch]:
    """All runs of the program over the entries, which sit at positions at, at + 1, ..."""
    if not entries:
        yield rows, state
        return
    for more, after in _step(state, entries[0], at):
        yield from _run(rows + more, after, entries[1:], at + 1)


def swap_regions(n: int, variable: str, step: int) -> list[JointRegion]:
    """The cones of (x_0 .. x_{n-1}, s_0 .. s_{step-1}) on which the program's answer is constant.

    They cover R^(n + step) with disjoint interiors; some may have no interior.

    Raises
    ------
    TaskError
        As `variables_named`.

    Examples
    --------
    >>> [region.label for region in swap_regions(2, "everything", 2)]
    [0, 1, 0, 1]
    """
    names = variables_named(variable, step, n)
    unit = [tuple(row) for row in np.eye(n + step).tolist()]
    regions = []
    for rows, state in _run((), _State(), unit[:step], 0):
        for source_rows, other in _run((), _State(), unit[n:], 0):
            mixed = replace(state, **{name: getattr(other, name) for name in names})
            for all_rows, end in _run(rows + source_rows, mixed, unit[step:n], step):
                normals = np.array(all_rows).reshape(-1, n + step)
                regions.append(JointRegion(normals, end.second_at))
    return regions
