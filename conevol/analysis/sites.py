"""Places in a network where its state can be read, replaced and run on from.

A site has `width`, the length of its state; `state(x)`; `finish(state, x)`, the logits
after it; and `gradient(state, x, d_logits)`, the derivative of a sum over the batch with
respect to the state, given that with respect to the logits.  The alignment search knows
networks by these alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from conevol.errors import ConevolError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from conevol.network import ReluRNN

__all__ = ["LayerSite", "RecurrentSite", "Site"]


class Site(Protocol):
    """What the search needs of a network (see the module's text); batches are rows."""

    @property
    def width(self) -> int:
        """Length of the state."""

    def state(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """States (batch, width) of inputs (batch, ...)."""

    def finish(self, state: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits (batch, classes) of states, with the inputs that come after them."""

    def gradient(
        self, state: NDArray[np.float64], x: NDArray[np.float64], d_logits: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Derivative with respect to the states (batch, width)."""


class RecurrentSite:
    """The hidden state of a `conevol.ReluRNN` after `step` of its n steps.

    Raises
    ------
    ConevolError
        If step is not in 1 .. n.

    Examples
    --------
    >>> from conevol import zoo
    >>> import numpy as np
    >>> net = zoo.load("4/3")
    >>> site = RecurrentSite(net, 2)
    >>> x = np.array([[0.3, -1.0, 0.2]])
    >>> np.allclose(site.finish(site.state(x), x), net.forward(x))
    True
    """

    def __init__(self, network: ReluRNN, step: int) -> None:
        if not 1 <= step <= network.n:
            raise ConevolError(f"step is {step}, expected 1 .. n = {network.n}")
        self.network, self.step = network, step

    @property
    def width(self) -> int:
        """Number of neurons."""
        return self.network.hidden

    def state(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """h_step of inputs (batch, n)."""
        return np.maximum(self.network.pre_activations(x)[:, self.step - 1], 0.0)

    def _pre_activations(
        self, state: NDArray[np.float64], x: NDArray[np.float64]
    ) -> list[NDArray[np.float64]]:
        """z of the steps after the site."""
        net, z, h = self.network, [], state
        for t in range(self.step, net.n):
            z.append(h @ net.W_hh.T + x[:, t, None] * net.W_hi)
            h = np.maximum(z[-1], 0.0)
        return z

    def finish(self, state: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits after the remaining steps."""
        z = self._pre_activations(state, x)
        return (np.maximum(z[-1], 0.0) if z else state) @ self.network.W_oh.T

    def gradient(
        self, state: NDArray[np.float64], x: NDArray[np.float64], d_logits: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Backpropagation to the site."""
        d_h = d_logits @ self.network.W_oh
        for z in reversed(self._pre_activations(state, x)):
            d_h = np.where(z > 0.0, d_h, 0.0) @ self.network.W_hh
        return d_h


class LayerSite:
    """The activations of a multilayer ReLU perceptron after `layer` of its hidden layers.

    Parameters
    ----------
    weights, biases : sequences of array_like
        Shapes (out, in) and (out,), first layer first; the last gives the logits.
    layer : int
        1 for the first hidden layer.

    Raises
    ------
    ConevolError
        If shapes do not fit each other, or there is no such hidden layer.
    """

    def __init__(self, weights: list[ArrayLike], biases: list[ArrayLike], layer: int) -> None:
        self.weights = [np.asarray(w, dtype=float) for w in weights]
        self.biases = [np.asarray(b, dtype=float) for b in biases]
        if not 1 <= layer < len(self.weights):
            raise ConevolError(
                f"layer is {layer}, expected 1 .. {len(self.weights) - 1}, a hidden layer"
            )
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            wide = w.ndim == 2 and b.shape == w.shape[:1]
            if not wide or (i and w.shape[1] != len(self.weights[i - 1])):
                raise ConevolError(
                    f"layer {i + 1} has weights {w.shape} and biases {b.shape}, expected (out, in) "
                    "and (out,) with `in` the width of the layer before"
                )
        self.layer = layer

    @property
    def width(self) -> int:
        """Number of neurons of the layer."""
        return len(self.biases[self.layer - 1])

    def state(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Activations of the layer for inputs (batch, in)."""
        h = x
        for w, b in zip(self.weights[: self.layer], self.biases, strict=False):
            h = np.maximum(h @ w.T + b, 0.0)
        return h

    def _pre_activations(self, state: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        z: list[NDArray[np.float64]] = []
        for w, b in zip(self.weights[self.layer :], self.biases[self.layer :], strict=True):
            h = np.maximum(z[-1], 0.0) if z else state
            z.append(h @ w.T + b)
        return z

    def finish(self, state: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits after the remaining layers; the inputs no longer matter."""
        return self._pre_activations(state)[-1]

    def gradient(
        self, state: NDArray[np.float64], x: NDArray[np.float64], d_logits: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Backpropagation to the site."""
        d = d_logits
        z = self._pre_activations(state)
        for i in range(len(z) - 1, -1, -1):
            if i < len(z) - 1:
                d = np.where(z[i] > 0.0, d, 0.0)
            d = d @ self.weights[self.layer + i]
        return d
