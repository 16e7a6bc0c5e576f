"""From expressions in the weights to numbers of one network or of many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from conevol.errors import WeightsError
from conevol.network import Ensemble, ReluRNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["lower"]


def lower(rnn: Any, expressions: Any) -> Callable[[ReluRNN | Ensemble], NDArray[np.float64]]:
    """Compile expressions in the symbols that are the weights of `rnn`; see `SymbolicRNN.lower`."""
    table = np.array(
        expressions.tolist() if isinstance(expressions, sympy.MatrixBase) else expressions,
        dtype=object,
    )
    unknown = set().union(*(sympy.sympify(e).free_symbols for e in table.flat)) - set(rnn.weights)
    if unknown:
        raise WeightsError(
            f"expressions hold {', '.join(sorted(map(str, unknown)))}, which are not weights of "
            f"{rnn!r}: substitute them first"
        )
    symbols = [w if w.is_Symbol else sympy.Dummy() for w in rnn.weights]
    function = sympy.lambdify(symbols, list(table.flat), modules="numpy", cse=True)

    def evaluate(networks: ReluRNN | Ensemble) -> NDArray[np.float64]:
        if (networks.hidden, networks.n) != (rnn.hidden, rnn.n):
            raise WeightsError(
                f"the network has (hidden, n) = {(networks.hidden, networks.n)}, "
                f"expected {(rnn.hidden, rnn.n)}"
            )
        copies = (len(networks),) if isinstance(networks, Ensemble) else ()
        parts = (networks.W_hi, networks.W_hh, networks.W_oh)
        flat = np.concatenate([w.reshape(*copies, -1) for w in parts], axis=-1)
        # Constants come out as scalars, the rest with one entry for each copy.
        values = [np.broadcast_to(v, copies) for v in function(*np.moveaxis(flat, -1, 0))]
        return np.stack(values, axis=-1).astype(np.float64).reshape(*copies, *table.shape)

    return evaluate
