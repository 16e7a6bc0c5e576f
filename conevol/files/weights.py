"""The weights of one network, and the check that three arrays are that."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conevol.errors import WeightsError
from conevol.files.text import short

__all__ = ["NAMES", "Weights", "validate_weights"]

NAMES = ("W_hi", "W_hh", "W_oh")


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of a network, and whatever else its file says.

    Attributes
    ----------
    W_hi : (hidden,) float64 array
        Weights of the input.
    W_hh : (hidden, hidden) float64 array
        Weights from step to step, ``W_hh[to, from]``.
    W_oh : (n, hidden) float64 array
        Weights of the logits.
    metadata : dict
        JSON values, such as "task", "record" or "note".
    """

    W_hi: NDArray[np.float64]
    W_hh: NDArray[np.float64]
    W_oh: NDArray[np.float64]
    metadata: dict[str, Any] = field(default_factory=dict)


def validate_weights(
    W_hi: ArrayLike, W_hh: ArrayLike, W_oh: ArrayLike, *, source: str = "weights"
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Check that three arrays are the weights of one network.

    Parameters
    ----------
    W_hi : (hidden,) or (hidden, 1) array of real numbers
    W_hh : (hidden, hidden) array of real numbers
    W_oh : (n, hidden) array of real numbers
    source : str
        What error messages begin with, such as the name of a file.

    Returns
    -------
    W_hi, W_hh, W_oh : float64 arrays
        New C-contiguous arrays of shapes (hidden,), (hidden, hidden), (n, hidden).

    Raises
    ------
    WeightsError
        If an array is ragged, not numeric, complex, empty, of a wrong shape, or has
        an entry that is not finite.

    Examples
    --------
    >>> W_hi, W_hh, W_oh = validate_weights([[1], [-1]], [[0, 1], [1, 0]], [[1, 0], [0, 1]])
    >>> W_hi
    array([ 1., -1.])
    >>> validate_weights([1, -1], [[0, 1]], [[1, 0]])
    Traceback (most recent call last):
    ...
    conevol.errors.WeightsError: weights: W_hh has shape (1, 2), expected (2, 2): \
hidden is 2, the length of W_hi
    """
    hi, hh, oh = (
        _real_array(value, name, source)
        for name, value in zip(NAMES, (W_hi, W_hh, W_oh), strict=True)
    )
    if not (hi.ndim == 1 or (hi.ndim == 2 and hi.shape[1] == 1)):
        raise WeightsError(
            f"{source}: W_hi has shape {hi.shape}, expected (hidden,) or (hidden, 1): "
            "one weight for each neuron"
        )
    hidden = hi.shape[0]
    if hidden == 0:
        raise WeightsError(f"{source}: W_hi is empty, expected at least one neuron (hidden >= 1)")
    if hh.shape != (hidden, hidden):
        raise WeightsError(
            f"{source}: W_hh has shape {hh.shape}, expected ({hidden}, {hidden}): "
            f"hidden is {hidden}, the length of W_hi"
        )
    if oh.ndim == 2 and oh.shape[0] == 0:
        raise WeightsError(f"{source}: W_oh has no rows, expected one for each logit (n >= 1)")
    if oh.ndim != 2 or oh.shape[1] != hidden:
        hint = "; transpose it" if oh.ndim == 2 and oh.shape[0] == hidden else ""
        raise WeightsError(
            f"{source}: W_oh has shape {oh.shape}, expected (n, {hidden}): "
            f"one row for each logit, hidden is {hidden}, the length of W_hi{hint}"
        )
    for name, array in zip(NAMES, (hi, hh, oh), strict=True):
        _require_finite(array, name, source)
    return hi.reshape(hidden), hh, oh


def _real_array(value: ArrayLike, name: str, source: str) -> NDArray[np.float64]:
    """A new C-contiguous float64 array of real numbers."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise WeightsError(
            f"{source}: {name} is not an array of numbers ({error}); "
            "give rows of equal length that hold numbers only"
        ) from error
    if array.dtype.kind == "c":
        raise WeightsError(
            f"{source}: {name} is complex ({array.dtype}), "
            "expected real numbers; take the real part"
        )
    if array.dtype.kind == "O":
        for index in np.ndindex(array.shape):
            entry = array[index]
            if isinstance(entry, bool) or not isinstance(entry, Real):
                raise WeightsError(
                    f"{source}: {name}{_at(index)} is {short(entry)}, expected a real number"
                )
    elif array.dtype.kind not in "fiu":
        raise WeightsError(
            f"{source}: {name} has dtype {array.dtype}, expected real numbers; "
            "convert it to float64 (text and booleans are not taken for numbers)"
        )
    try:
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is named later
            return np.array(array, dtype=np.float64, order="C")
    except OverflowError as error:
        raise WeightsError(
            f"{source}: {name} has an integer too large for float64; expected |w| < 1.8e308"
        ) from error


def _require_finite(array: NDArray[np.float64], name: str, source: str) -> None:
    """Name the first entry that is not finite and count them."""
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        first = tuple(int(i) for i in bad[0])
        also = f" ({len(bad)} of {array.size} entries are not finite)"
        raise WeightsError(
            f"{source}: {name}{_at(first)} is {array[first]}{also}, expected finite numbers; "
            "the training that gave them may have diverged"
        )


def _at(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""
