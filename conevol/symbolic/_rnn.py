"""A ReLU RNN whose weights are sympy numbers or symbols."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import sympy

from conevol.errors import ConevolError, WeightsError
from conevol.network import ReluRNN
from conevol.symbolic._lowering import lower
from conevol.symbolic._region import Region

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["SymbolicMaps", "SymbolicRNN"]


class SymbolicMaps(NamedTuple):
    """The linear maps of an activation pattern, as `conevol.LinearMaps` has them in floats.

    Attributes
    ----------
    pre_activations : list of sympy matrices, shapes (hidden, n)
        z_{t+1} = pre_activations[t] * x, also of the step after the pattern's last.
    hidden_states : list of sympy matrices, shapes (hidden, n)
        h_{t+1} = hidden_states[t] * x, of the pattern's steps.
    logits : sympy matrix, shape (n, n), or None
        None for a pattern of fewer than n steps.
    """

    pre_activations: list[Any]
    hidden_states: list[Any]
    logits: Any


class SymbolicRNN:
    """A bias-free one-layer ReLU RNN with exact weights.

    Parameters
    ----------
    W_hi : shape (hidden,) or (hidden, 1)
    W_hh : shape (hidden, hidden)
    W_oh : shape (n, hidden)
        Sympy matrices, arrays or nested lists, of symbols or of numbers: ints, fractions,
        texts such as "1/3", sympy numbers, or floats, taken as the rational numbers that they are.
    task : str
        As for `conevol.ReluRNN`.

    Attributes
    ----------
    x : tuple of sympy.Symbol
        The inputs x_0 .. x_{n-1}.

    Raises
    ------
    WeightsError
        For wrong shapes and entries that are not finite real numbers or symbols.

    Examples
    --------
    >>> rnn = SymbolicRNN([1, -1], [["1/2", 1], [1, 0]], [[1, 0], [0, 1]])
    >>> rnn.pre_activations([[1, 0]])[1]
    Matrix([
    [x_0/2 + x_1],
    [  x_0 - x_1]])
    """

    def __init__(self, W_hi: Any, W_hh: Any, W_oh: Any, *, task: str = "second_argmax") -> None:
        hi = _matrix("W_hi", W_hi)
        self.W_hi = hi if hi.cols == 1 else hi.T
        self.W_hh, self.W_oh = _matrix("W_hh", W_hh), _matrix("W_oh", W_oh)
        self.task = task
        self.hidden, self.n = int(self.W_hi.rows), int(self.W_oh.rows)
        expected = {"W_hi": (self.hidden, 1), "W_hh": (self.hidden,) * 2}
        expected["W_oh"] = (self.n, self.hidden)
        for name, shape in expected.items():
            if getattr(self, name).shape != shape or 0 in shape:
                raise WeightsError(
                    f"{name} has shape {getattr(self, name).shape}, expected {shape}: "
                    f"hidden is {self.hidden}, the length of W_hi"
                )
        self.x = tuple(sympy.symbols(f"x_0:{self.n}", real=True))

    @classmethod
    def symbols(cls, hidden: int, n: int) -> SymbolicRNN:
        """The network whose weights are the symbols W^{hi}_j, W^{hh}_{jk} and W^{oh}_{ij}.

        Examples
        --------
        >>> SymbolicRNN.symbols(2, 2).pre_activations([[1, 0]])[1][0]
        W^{hh}_{00}*W^{hi}_{0}*x_0 + W^{hi}_{0}*x_1
        """
        comma = "" if max(hidden, n) <= 10 else ","

        def entry(name: str) -> Any:
            return lambda i, j: sympy.Symbol(f"W^{{{name}}}_{{{i}{comma}{j}}}", real=True)

        def input_weight(i: int, _: int) -> Any:
            return sympy.Symbol(f"W^{{hi}}_{{{i}}}", real=True)

        return cls(
            sympy.Matrix(hidden, 1, input_weight),
            sympy.Matrix(hidden, hidden, entry("hh")),
            sympy.Matrix(n, hidden, entry("oh")),
        )

    @classmethod
    def of(cls, network: ReluRNN | SymbolicRNN) -> SymbolicRNN:
        """A network with its floats taken as exact numbers; a symbolic one as it is."""
        if isinstance(network, SymbolicRNN):
            return network
        return cls(network.W_hi, network.W_hh, network.W_oh, task=network.task)

    @property
    def weights(self) -> tuple[Any, ...]:
        """All weights in one row: W_hi, W_hh and W_oh, row by row."""
        return (*self.W_hi, *self.W_hh, *self.W_oh)

    @property
    def is_rational(self) -> bool:
        """Whether all weights are rational numbers."""
        return all(w.is_Rational for w in self.weights)

    def __repr__(self) -> str:
        kind = "rational" if self.is_rational else "symbolic"
        return f"SymbolicRNN(hidden={self.hidden}, n={self.n}, task={self.task!r}, {kind})"

    def maps(self, pattern: ArrayLike) -> SymbolicMaps:
        """The matrices that take x to every state on one activation pattern.

        Parameters
        ----------
        pattern : array_like, shape (steps, hidden)
            Which neurons are on, of the first steps or of all n.

        Raises
        ------
        WeightsError
            If the pattern has another shape.

        Examples
        --------
        >>> SymbolicRNN([1, -1], [[0, 1], [1, 0]], [[1, 0], [0, 1]]).maps([[0, 1]]).pre_activations
        [Matrix([
        [ 1, 0],
        [-1, 0]]), Matrix([
        [-1,  1],
        [ 0, -1]])]
        """
        on = np.asarray(pattern, dtype=bool)
        if on.ndim != 2 or on.shape[1] != self.hidden or on.shape[0] > self.n:
            raise WeightsError(
                f"pattern has shape {on.shape}, expected (steps, hidden) with steps <= {self.n} "
                f"and hidden = {self.hidden}"
            )
        z: list[Any] = []
        h: list[Any] = []
        for t in range(min(len(on) + 1, self.n)):
            newest = sympy.Matrix(1, self.n, lambda _, i, t=t: int(i == t))
            z.append(self.W_hi * newest + (self.W_hh * h[-1] if t else 0 * self.W_hi * newest))
            if t < len(on):
                h.append(sympy.diag(*map(int, on[t])) * z[t])
        return SymbolicMaps(z, h, self.W_oh * h[-1] if len(on) == self.n else None)

    def pre_activations(self, pattern: ArrayLike) -> list[Any]:
        """z_1, z_2, .. as expressions in x on a pattern, as columns (hidden, 1)."""
        x = sympy.Matrix(self.x)
        return [z * x for z in self.maps(pattern).pre_activations]

    def logits(self, pattern: ArrayLike) -> Any:
        """The logits as expressions in x on a pattern of n steps, as a column (n, 1)."""
        logits = self.maps(pattern).logits
        if logits is None:
            raise WeightsError(
                f"the logits need a pattern of all {self.n} steps, got {len(np.asarray(pattern))}"
            )
        return logits * sympy.Matrix(self.x)

    def region(
        self,
        pattern: ArrayLike,
        *,
        order: Sequence[int] | None = None,
        prediction: int | None = None,
    ) -> Region:
        """The inputs of a pattern, or of a cell of it.

        Parameters
        ----------
        pattern : array_like, shape (steps, hidden)
            Which neurons are on, of the first steps or of all n.
        order : sequence of int, optional
            Indices of the inputs from the largest to the smallest.
        prediction : int, optional
            Index of the largest logit; needs a pattern of n steps.

        Returns
        -------
        Region
            Simplified.  A neuron that is always 0 is off, so a pattern in which it is on
            has an empty region; so has a prediction of a logit that always equals another.

        Raises
        ------
        WeightsError, ConevolError
            For a pattern of a wrong shape, an order that is no permutation, a
            prediction that is no index.

        Examples
        --------
        >>> rnn = SymbolicRNN([1, -1], [[0, 1], [1, 0]], [[1, 2], [3, 1]])
        >>> print(rnn.region([[1, 0], [1, 0]]))
        x_0 >= 0 and x_0 - x_1 <= 0
        >>> print(rnn.region([[1, 0], [1, 0]], order=(0, 1)))
        no interior
        """
        maps = self.maps(pattern)
        on = np.asarray(pattern, dtype=bool)
        pairs = zip(on, maps.pre_activations, strict=False)
        rows = [
            (z.row(j) if step[j] else -z.row(j), bool(step[j]))
            for step, z in pairs
            for j in range(self.hidden)
        ]
        if order is not None:
            rows += [(row, True) for row in self._order_rows(order)]
        if prediction is not None:
            rows += [(row, True) for row in self._prediction_rows(maps.logits, prediction)]
        return Region.of(rows, self)

    def _order_rows(self, order: Sequence[int]) -> list[Any]:
        if sorted(order) != list(range(self.n)):
            raise ConevolError(
                f"order is {tuple(order)}, expected a permutation of 0 .. {self.n - 1}"
            )
        unit = sympy.eye(self.n)
        return [unit.row(i) - unit.row(j) for i, j in itertools.pairwise(order)]

    def _prediction_rows(self, logits: Any, prediction: int) -> list[Any]:
        if logits is None or prediction not in range(self.n):
            raise ConevolError(
                f"prediction is {prediction}, expected an index in 0 .. {self.n - 1} "
                f"and a pattern of {self.n} steps"
            )
        return [logits.row(prediction) - logits.row(i) for i in range(self.n) if i != prediction]

    def lower(self, expressions: Any) -> Any:
        """A function from networks to the numbers that expressions in these weights have.

        Parameters
        ----------
        expressions : sympy matrix, or (nested) sequence of expressions
            Without x.

        Returns
        -------
        callable
            Takes a `ReluRNN` or an `Ensemble` of this shape; returns floats of the shape of
            the expressions, for an ensemble with the copies as the first axis.

        Examples
        --------
        >>> from conevol import zoo
        >>> rnn = SymbolicRNN.symbols(4, 3)
        >>> product = rnn.lower([rnn.W_hh[0, 0] * rnn.W_hi[0]])
        >>> net = zoo.load("4/3")
        >>> product(net) == [net.W_hh[0, 0] * net.W_hi[0]]
        array([ True])
        """
        return lower(self, expressions)


def _matrix(name: str, value: Any) -> Any:
    """An immutable sympy matrix of exact entries."""
    table = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(table, Sequence):
        raise WeightsError(f"{name} is {value!r:.80}, expected a matrix or nested lists")
    table = [row if isinstance(row, Sequence | np.ndarray) else [row] for row in table]
    table = [[row] if isinstance(row, str) else list(row) for row in table]
    if len({len(row) for row in table}) != 1:
        raise WeightsError(f"{name} is empty or ragged, expected rows of one length")
    return sympy.ImmutableMatrix([[_entry(name, w) for w in row] for row in table])


def _entry(name: str, weight: Any) -> Any:
    """A weight as an exact sympy expression."""
    number = weight.item() if isinstance(weight, np.generic) else weight
    try:
        if not isinstance(number, sympy.Expr):
            number = sympy.Rational(*Fraction(number).as_integer_ratio())
        elif number.is_Float:
            number = sympy.Rational(number)
    except (TypeError, ValueError, OverflowError):
        number = sympy.nan
    if number.has(sympy.nan, sympy.oo, sympy.zoo, -sympy.oo) or number.is_real is False:
        raise WeightsError(
            f"{name} has the entry {weight!r}, expected finite real numbers or symbols"
        )
    return number
