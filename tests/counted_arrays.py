"""An instrumented run of estimators written in numpy: arrays that count what is done with them.

The rule is that of `conevol.estimators.Estimate`.  A ufunc counts one for every entry of its
result, a product of matrices one for every multiply-add, zeros included.  `math.erfc` counts
two: the array it returns no longer counts, and `cdf` halves it.  LAPACK is not seen: `eigh` is
charged the textbook's 9 d^3 flops (Golub and Van Loan), two a multiply-add.
"""

from __future__ import annotations

import numpy as np

TALLY = [0]
_ONE = {
    "multiply", "divide", "power", "square", "sqrt", "exp", "log",
    "sin", "cos", "arcsin", "reciprocal",
}  # fmt: skip
_FREE = {
    "add", "subtract", "negative", "absolute", "maximum", "minimum", "clip", "floor",
    "greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "logical_and",
    "logical_or", "isfinite",
}  # fmt: skip


class Counting(np.ndarray):
    """A float array that counts; what it makes counts too."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        name = ufunc.__name__
        if out is not None:
            options["out"] = tuple(plain(x) for x in out)
        result = getattr(ufunc, method)(*map(plain, inputs), **options)
        if method == "__call__":
            size = np.size(result)
            if name == "matmul":
                size *= np.shape(inputs[0])[-1]
            elif name.startswith("erfc"):
                size *= 2
            elif name in _FREE:
                size = 0
            else:
                assert name in _ONE, name
            TALLY[0] += size
        else:
            # Sums, extrema and the like.
            assert name in _FREE, name
        return out[0] if out is not None else counting(result)

    def __array_function__(self, function, kinds, arguments, options):
        if function is np.linalg.eigh:
            values, vectors = function(plain(arguments[0]))
            TALLY[0] += 9 * values.shape[-1] ** 3 // 2 * (values.size // values.shape[-1])
            return counting(values), counting(vectors)
        if function is np.einsum:
            subscripts, *arrays = arguments
            if len(arrays) == 2:
                # Every array has the letters in the order of its axes.
                sizes: dict[str, int] = {}
                for letters, x in zip(subscripts.split("->")[0].split(","), arrays, strict=True):
                    sizes |= dict(zip(letters, x.shape, strict=True))
                TALLY[0] += int(np.prod(list(sizes.values())))
            return counting(function(subscripts, *map(plain, arrays)))
        if function is np.outer:
            TALLY[0] += int(np.prod([np.size(x) for x in arguments]))
        return counting(super().__array_function__(function, kinds, arguments, options))


def plain(x):
    return x.view(np.ndarray) if isinstance(x, Counting) else x


def counting(x):
    """A counting view of an array of floats; anything else as it is."""
    if isinstance(x, np.floating):
        x = np.asarray(x)
    return x.view(Counting) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def counting_network(network):
    """The same network with weights that count."""
    for name in ("W_hi", "W_hh", "W_oh"):
        setattr(network, name, counting(getattr(network, name).copy()))
    return network
