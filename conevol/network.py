"""Bias-free one-layer ReLU RNNs, and ensembles of them.

    h_0 = 0,   z_{t+1} = W_hh h_t + W_hi x_t,   h_{t+1} = max(z_{t+1}, 0),   logits = W_oh h_n

On the inputs of one activation pattern every state is linear in x; `linear_maps`
gives the matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conevol.errors import WeightsError
from conevol.files import Weights, load_weights, save_weights, validate_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Ensemble", "LinearMaps", "ReluRNN"]


class LinearMaps(NamedTuple):
    """The linear maps of one activation pattern.

    Attributes
    ----------
    pre_activations : ndarray, shape (n, hidden, n)
        z_{t+1} = pre_activations[t] @ x on the pattern's inputs.
    hidden_states : ndarray, shape (n, hidden, n)
        h_{t+1} = hidden_states[t] @ x.
    logits : ndarray, shape (n, n)
        logits = logits @ x.
    """

    pre_activations: NDArray[np.float64]
    hidden_states: NDArray[np.float64]
    logits: NDArray[np.float64]


class ReluRNN:
    """A bias-free one-layer ReLU RNN with one logit for each position.

    Parameters
    ----------
    W_hi : array_like, shape (hidden,) or (hidden, 1)
        Input weights.
    W_hh : array_like, shape (hidden, hidden)
        Recurrent weights.
    W_oh : array_like, shape (n, hidden)
        Readout weights; n is also the length of the input.
    task : str
        Name of the task it was made for; what `conevol.accuracy` measures by default.
    metadata : dict, optional
        Anything else that is known of it, kept with its files.

    Raises
    ------
    WeightsError
        For wrong shapes and entries that are not finite.

    Examples
    --------
    >>> net = ReluRNN([1.0, -1.0], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> net.hidden, net.n
    (2, 2)
    >>> net.forward([3.0, -2.0])
    array([0., 2.])
    >>> net.pattern([3.0, -2.0]).astype(int)
    array([[1, 0],
           [0, 1]])
    """

    W_hi: NDArray[np.float64]
    W_hh: NDArray[np.float64]
    W_oh: NDArray[np.float64]

    def __init__(
        self,
        W_hi: ArrayLike,
        W_hh: ArrayLike,
        W_oh: ArrayLike,
        *,
        task: str = "second_argmax",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.W_hi, self.W_hh, self.W_oh = (w.copy() for w in validate_weights(W_hi, W_hh, W_oh))
        for w in (self.W_hi, self.W_hh, self.W_oh):
            w.setflags(write=False)
        self.task = task
        self.metadata = dict(metadata or {})

    @property
    def hidden(self) -> int:
        """Number of neurons."""
        return int(self.W_hi.shape[0])

    @property
    def n(self) -> int:
        """Length of the input, and number of logits."""
        return int(self.W_oh.shape[0])

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.W_hi.size + self.W_hh.size + self.W_oh.size

    def __repr__(self) -> str:
        return f"ReluRNN(hidden={self.hidden}, n={self.n}, task={self.task!r})"

    @classmethod
    def load(cls, path: str | Path) -> ReluRNN:
        """Read a network from an .npz, .json, .safetensors, .pth or .pt file.

        Keys are W_hi, W_hh, W_oh, or AlgZoo's rnn.weight_ih_l0, rnn.weight_hh_l0,
        linear.weight.  No code from a .pth file is executed, and PyTorch is not
        needed.  See `conevol.files.load_weights` for the errors.
        """
        weights = load_weights(path)
        metadata = dict(weights.metadata)
        task = metadata.pop("task", "second_argmax")
        return cls(weights.W_hi, weights.W_hh, weights.W_oh, task=task, metadata=metadata)

    def save(self, path: str | Path) -> None:
        """Write the network to an .npz, .json or .safetensors file."""
        metadata = {**self.metadata, "task": self.task}
        save_weights(path, Weights(self.W_hi, self.W_hh, self.W_oh, metadata))

    def _inputs(self, x: ArrayLike) -> NDArray[np.float64]:
        values = np.asarray(x, dtype=np.float64)
        if values.ndim == 0 or values.shape[-1] != self.n:
            raise WeightsError(
                f"inputs have shape {values.shape}, expected (..., {self.n}): "
                f"this network reads sequences of length {self.n}"
            )
        return values

    def pre_activations(self, x: ArrayLike) -> NDArray[np.float64]:
        """z_1 .. z_n for inputs (..., n); shape (..., n, hidden)."""
        values = self._inputs(x)
        z = np.empty((*values.shape, self.hidden))
        h = np.zeros((*values.shape[:-1], self.hidden))
        for t in range(self.n):
            z[..., t, :] = h @ self.W_hh.T + values[..., t, None] * self.W_hi
            h = np.maximum(z[..., t, :], 0.0)
        return z

    def forward(self, x: ArrayLike) -> NDArray[np.float64]:
        """Logits for inputs (..., n); shape (..., n)."""
        return np.maximum(self.pre_activations(x)[..., -1, :], 0.0) @ self.W_oh.T

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """Index of the largest logit, the first where several are equal; shape (...)."""
        return np.argmax(self.forward(x), axis=-1)

    def pattern(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Activation pattern, which neurons are on at which step; shape (..., n, hidden)."""
        return self.pre_activations(x) > 0.0

    def linear_maps(self, pattern: ArrayLike) -> LinearMaps:
        """The matrices that take x to every state on one activation pattern.

        Parameters
        ----------
        pattern : array_like, shape (n, hidden)
            Which neurons are on; it need not be one that occurs.

        Raises
        ------
        WeightsError
            If the pattern has another shape.
        """
        on = np.asarray(pattern, dtype=bool)
        if on.shape != (self.n, self.hidden):
            raise WeightsError(
                f"pattern has shape {on.shape}, expected (n, hidden) = {(self.n, self.hidden)}"
            )
        z = np.zeros((self.n, self.hidden, self.n))
        h = np.zeros_like(z)
        for t in range(self.n):
            if t:
                z[t] = self.W_hh @ h[t - 1]
            z[t, :, t] = self.W_hi
            h[t] = np.where(on[t, :, None], z[t], 0.0)
        return LinearMaps(z, h, self.W_oh @ h[-1])

    def noisy_copies(self, copies: int, sd: float = 0.05, seed: int = 0) -> Ensemble:
        """An ensemble of copies with independent Gaussian noise of that sd on every weight."""
        rng = np.random.default_rng(seed)
        return Ensemble(
            *(
                w + sd * rng.standard_normal((copies, *w.shape))
                for w in (self.W_hi, self.W_hh, self.W_oh)
            ),
            task=self.task,
        )


class Ensemble:
    """Networks of one shape, stacked: what `conevol.accuracy` takes in one call.

    Parameters
    ----------
    W_hi, W_hh, W_oh : array_like
        Shapes (copies, hidden), (copies, hidden, hidden), (copies, n, hidden).
    task : str

    Raises
    ------
    WeightsError
        For wrong shapes and entries that are not finite.
    """

    def __init__(
        self, W_hi: ArrayLike, W_hh: ArrayLike, W_oh: ArrayLike, *, task: str = "second_argmax"
    ) -> None:
        stacks = [np.ascontiguousarray(w, dtype=np.float64) for w in (W_hi, W_hh, W_oh)]
        names = ("W_hi", "W_hh", "W_oh")
        expected = ("(copies, hidden)", "(copies, hidden, hidden)", "(copies, n, hidden)")
        for w, name, shape in zip(stacks, names, expected, strict=True):
            if w.ndim != shape.count(",") + 1 or len(w) != len(stacks[0]):
                raise WeightsError(f"{name} of an ensemble has shape {w.shape}, expected {shape}")
            if not np.isfinite(w).all():
                copy = int(np.argwhere(~np.isfinite(w))[0, 0])
                raise WeightsError(f"{name} of network {copy} of the ensemble is not finite")
        if len(stacks[0]):
            validate_weights(*(w[0] for w in stacks), source="network 0 of the ensemble")
        self.W_hi, self.W_hh, self.W_oh = stacks
        self.task = task

    @classmethod
    def of(cls, networks: Sequence[ReluRNN]) -> Ensemble:
        """Stack networks of one shape and task.

        Raises
        ------
        WeightsError
            If there are none, or their shapes or tasks differ.
        """
        if not networks:
            raise WeightsError("an ensemble needs at least one network, got none")
        kinds = {(net.hidden, net.n, net.task) for net in networks}
        if len(kinds) > 1:
            raise WeightsError(
                f"an ensemble needs networks of one (hidden, n, task), got {sorted(kinds)}: "
                "make one ensemble of each"
            )
        return cls(
            np.stack([net.W_hi for net in networks]),
            np.stack([net.W_hh for net in networks]),
            np.stack([net.W_oh for net in networks]),
            task=networks[0].task,
        )

    @property
    def hidden(self) -> int:
        """Number of neurons."""
        return int(self.W_hi.shape[1])

    @property
    def n(self) -> int:
        """Length of the input."""
        return int(self.W_oh.shape[1])

    def __len__(self) -> int:
        return len(self.W_hi)

    def __getitem__(self, index: int) -> ReluRNN:
        return ReluRNN(self.W_hi[index], self.W_hh[index], self.W_oh[index], task=self.task)

    def __iter__(self) -> Iterator[ReluRNN]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Ensemble(copies={len(self)}, hidden={self.hidden}, n={self.n}, task={self.task!r})"
