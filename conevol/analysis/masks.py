"""Mask sequences: which neurons are on after one impulse or two, and the operators they make.

With a known sequence of masks D[t] the network is linear: after the second impulse of two,
h_n = Phi_post h, Phi_post the product of diag(D[t]) W_hh over the remaining steps.  Its spectrum
tells what the network keeps of the two, from the weights alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from conevol.errors import ConevolError
from conevol.network import ReluRNN

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ImpulsePairs",
    "MaskedOperator",
    "Spectrum",
    "impulse_pairs",
    "masked_operator",
    "singular_shares",
    "spectrum",
]

Direction = Literal["forward", "reverse"]


@dataclass(frozen=True)
class Spectrum:
    """What is said of a square matrix by its eigenvalues, and what they leave out.

    Attributes
    ----------
    eigenvalues : ndarray
        By falling modulus.
    radius : float
        Largest modulus of an eigenvalue.
    gap : float
        Largest modulus less the second largest that is another one (a conjugate pair counts once).
    norm : float
        Largest singular value.
    departure : float
        Henrici's departure from normality in units of the Frobenius norm,
        sqrt(1 - sum |eigenvalue|^2 / |A|_F^2): 0 for a normal matrix.
    abscissa : float
        Numerical abscissa, the largest eigenvalue of (A + A^T) / 2.
    """

    eigenvalues: NDArray[np.complex128]
    radius: float
    gap: float
    norm: float
    departure: float
    abscissa: float


def _square(matrix: ArrayLike) -> NDArray[np.float64]:
    a = np.asarray(matrix, dtype=np.float64)
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not a.size or not np.isfinite(a).all():
        raise ConevolError(f"matrix has shape {a.shape}, expected a square one of finite numbers")
    return a


def spectrum(matrix: ArrayLike) -> Spectrum:
    """Spectrum and non-normality of a square matrix.

    Raises
    ------
    ConevolError
        If it is not square, is empty, or has entries that are not finite.

    Examples
    --------
    >>> s = spectrum([[1.0, 4.0], [0.0, 1.0]])
    >>> s.radius, s.abscissa, round(s.departure, 4)
    (1.0, 3.0, 0.9428)
    """
    a = _square(matrix)
    values = np.linalg.eigvals(a).astype(complex)
    values = values[np.argsort(-np.abs(values), kind="stable")]
    modulus = np.abs(values)
    squared = float((a * a).sum())
    outside = max(0.0, 1.0 - float((modulus**2).sum()) / squared) if squared else 0.0
    first = 2 if len(values) > 1 and values[0].imag and values[1] == values[0].conj() else 1
    second = float(modulus[first]) if len(values) > first else 0.0
    return Spectrum(
        eigenvalues=values,
        radius=float(modulus[0]),
        gap=float(modulus[0]) - second,
        norm=float(np.linalg.norm(a, 2)),
        departure=float(np.sqrt(outside)),
        abscissa=float(np.linalg.eigvalsh(0.5 * (a + a.T))[-1]),
    )


def singular_shares(matrix: ArrayLike) -> NDArray[np.float64]:
    """Shares of the squared singular values, largest first; of a zero matrix, zeros.

    Examples
    --------
    >>> singular_shares([[3.0, 0.0], [0.0, 1.0]])
    array([0.9, 0.1])
    """
    squares = np.linalg.svd(np.asarray(matrix, dtype=np.float64), compute_uv=False) ** 2
    total = squares.sum()
    return squares / total if total else squares


@dataclass(frozen=True)
class MaskedOperator:
    """The linear network after two impulses, `gap` steps apart.

    Attributes
    ----------
    w_first : ndarray, shape (hidden,)
        What an impulse of size 1 adds to the pre-activations at the second's step.
    w_second : ndarray, shape (hidden,)
        The second's own input weights, W_hi.
    second_mask : ndarray of bool, shape (hidden,)
        Neurons on at the second's step.
    masks : ndarray of bool, shape (steps, hidden)
        D[t] at the steps after it.
    phi_post : ndarray, shape (steps + 1, hidden, hidden)
        phi_post[k] takes the state at the second impulse to the one k steps later.
    """

    gap: int
    direction: Direction
    w_first: NDArray[np.float64]
    w_second: NDArray[np.float64]
    second_mask: NDArray[np.bool_]
    masks: NDArray[np.bool_]
    phi_post: NDArray[np.float64]

    def final_state(self, first: float, second: float, steps: int) -> NDArray[np.float64]:
        """State `steps` steps after impulses of these sizes, with the masks kept as they are.

        It is the network's own state while no neuron leaves its mask.
        """
        if not 0 <= steps < len(self.phi_post):
            raise ConevolError(f"steps is {steps}, expected 0 .. {len(self.phi_post) - 1}")
        pre = first * self.w_first + second * self.w_second
        return self.phi_post[steps] @ np.where(self.second_mask, np.maximum(pre, 0.0), 0.0)


def masked_operator(
    network: ReluRNN,
    gap: int,
    direction: Direction,
    *,
    steps: int | None = None,
    large: float = 1.0,
    small: float = 0.8,
) -> MaskedOperator:
    """Operators of the masks after two impulses, all other inputs being 0.

    Parameters
    ----------
    network : ReluRNN
    gap : int
        Steps from the first impulse to the second, 1 .. n - 1.
    direction : {"forward", "reverse"}
        "forward": the larger impulse comes first.
    steps : int, optional
        Steps after the second; by default as many as there are when the first comes at 0,
        n - 1 - gap.
    large, small : float
        Sizes of the impulses; 0 < small <= large.

    Raises
    ------
    ConevolError
        For a gap, direction, number of steps or sizes out of range.

    Examples
    --------
    >>> from conevol import zoo
    >>> operator = masked_operator(zoo.load("16/10"), 3, "forward")
    >>> operator.masks.shape, operator.phi_post.shape
    ((6, 16), (7, 16, 16))
    """
    n, hidden = network.n, network.hidden
    if not 1 <= gap < n:
        raise ConevolError(f"gap is {gap}, expected 1 .. n - 1 = {n - 1}")
    if direction not in ("forward", "reverse"):
        raise ConevolError(f"direction is {direction!r}, expected 'forward' or 'reverse'")
    if not 0.0 < small <= large < np.inf:
        raise ConevolError(f"impulses are {large} and {small}, expected 0 < small <= large")
    count = n - 1 - gap if steps is None else steps
    if count < 0:
        raise ConevolError(f"steps is {count}, expected at least 0")
    first, second = (large, small) if direction == "forward" else (small, large)
    h = np.maximum(network.W_hi, 0.0)
    for _ in range(gap - 1):
        h = np.maximum(network.W_hh @ h, 0.0)
    w_first = network.W_hh @ h
    pre = first * w_first + second * network.W_hi
    h = np.maximum(pre, 0.0)
    masks = np.empty((count, hidden), dtype=bool)
    phi = np.empty((count + 1, hidden, hidden))
    phi[0] = np.eye(hidden)
    for k in range(count):
        z = network.W_hh @ h
        masks[k] = z > 0.0
        phi[k + 1] = np.where(masks[k][:, None], network.W_hh, 0.0) @ phi[k]
        h = np.maximum(z, 0.0)
    return MaskedOperator(gap, direction, w_first, network.W_hi, pre > 0.0, masks, phi)


@dataclass(frozen=True)
class ImpulsePairs:
    """How the network does on two impulses and nothing else; all arrays (n, n), [m, s].

    m is the place of the larger impulse and s of the smaller; the diagonal is NaN.

    Attributes
    ----------
    margins : ndarray
        The label's logit, s, less the largest of the others: positive where right.
    linear_margins : ndarray
        (W_oh[s] - W_oh[m]) . (r[m] - r[s]), r[p] the last state after one impulse of 1 at p:
        the condition under which, were responses to add up, the larger of two moves the
        answer away from itself.
    """

    margins: NDArray[np.float64]
    linear_margins: NDArray[np.float64]

    @property
    def right(self) -> int:
        """Pairs whose margin is positive."""
        return int((self.margins > 0.0).sum())

    @property
    def linearly_right(self) -> int:
        """Pairs that meet the linear condition."""
        return int((self.linear_margins > 0.0).sum())


def impulse_pairs(network: ReluRNN, *, large: float = 1.0, small: float = 0.8) -> ImpulsePairs:
    """Margins and linear condition on all pairs of impulses of a `second_argmax` network.

    Examples
    --------
    >>> from conevol import zoo
    >>> pairs = impulse_pairs(zoo.load("4/3"))
    >>> pairs.margins.shape
    (3, 3)
    """
    n = network.n
    margins, linear = np.full((n, n), np.nan), np.full((n, n), np.nan)
    response = np.maximum(network.pre_activations(np.eye(n))[:, -1], 0.0)
    for m in range(n):
        for s in range(n):
            if m == s:
                continue
            x = np.zeros(n)
            x[m], x[s] = large, small
            logits = network.forward(x)
            margins[m, s] = logits[s] - np.delete(logits, s).max()
            linear[m, s] = (network.W_oh[s] - network.W_oh[m]) @ (response[m] - response[s])
    return ImpulsePairs(margins, linear)
