"""An instrumented run: the kernels' own source, interpreted, with numbers that count.

The rule of `conevol.estimators.Estimate`: a multiplication (with or without the addition
that takes its result), division, root or elementary function counts one; a fused
multiply-add one; additions, comparisons and signs nothing.
"""

from __future__ import annotations

import math
import sys
import types
from pathlib import Path

import numpy as np

import conevol.kernels

TALLY = [0]
_FREE = {"frexp", "ldexp"}


class Counted(float):
    """A float that counts what is done with it."""

    __slots__ = ()


def _counting(name: str):
    plain = getattr(float, name)

    def method(self, other):
        value = plain(self, other)
        if value is NotImplemented:
            return value
        TALLY[0] += 1
        return Counted(value)

    return method


def _keeping(name: str):
    plain = getattr(float, name)

    def method(self, *others):
        value = plain(self, *others)
        return value if value is NotImplemented else Counted(value)

    return method


for _name in ("mul", "truediv", "pow"):
    setattr(Counted, f"__{_name}__", _counting(f"__{_name}__"))
    setattr(Counted, f"__r{_name}__", _counting(f"__r{_name}__"))
for _name in ("add", "sub", "radd", "rsub", "neg", "pos", "abs"):
    setattr(Counted, f"__{_name}__", _keeping(f"__{_name}__"))


class _Math(types.ModuleType):
    """`math` whose functions count one each."""

    def __getattr__(self, name: str):
        found = getattr(math, name)
        if not callable(found):
            return found

        def function(*args):
            value = found(*args)
            if not any(isinstance(x, Counted) for x in args):
                return value  # a constant
            if name not in _FREE:
                TALLY[0] += 1
            return Counted(value) if isinstance(value, float) else value

        return function


def fma(a, b, c):
    """One operation; the rounding is that of two, which moves no sign that is certain."""
    TALLY[0] += 1
    # Exact products and sums, then one rounding.
    from fractions import Fraction

    if not all(map(math.isfinite, (a, b, c))):
        return Counted(float(a) * float(b) + float(c))
    return Counted(float(Fraction(a) * Fraction(b) + Fraction(c)))


def objects(values) -> np.ndarray:
    """An array of counted numbers."""
    values = np.asarray(values, dtype=float)
    out = np.empty(values.shape, dtype=object)
    for index, value in np.ndenumerate(values):
        out[index] = Counted(value)
    return out


class _Numpy(types.ModuleType):
    """numpy whose new arrays of floats hold counted numbers."""

    def __getattr__(self, name: str):
        if name in ("empty", "zeros"):

            def make(shape, dtype=float):
                real = np.zeros(shape, dtype)
                return objects(real) if real.dtype == float else real

            return make
        return getattr(np, name)


def _lanes() -> types.ModuleType:
    """`_lanes` with a list of sixteen numbers as the value."""
    lanes = types.ModuleType("counted_kernels._lanes")
    lanes.LANES = 16

    def each(function, costs=True):
        def lanewise(*values):
            TALLY[0] += 16 * costs
            return [Counted(function(*v)) for v in zip(*values, strict=True)]

        return lanewise

    def store(array, row, value):
        array[row, :] = value

    lanes.splat = lambda x: [float(x)] * 16
    lanes.load = lambda array, row: [float(x) for x in array[row]]
    lanes.store, lanes.total = store, lambda v: Counted(sum(map(float, v)))
    for name, function, costs in (
        ("add", lambda a, b: float(a) + float(b), False),
        ("mul", lambda a, b: float(a) * float(b), True),
        ("div", lambda a, b: float(a) / float(b), True),
        ("sqrt", lambda a: math.sqrt(a), True),
        ("mul_add", lambda a, b, c: float(a) * float(b) + float(c), True),
    ):
        setattr(lanes, name, each(function, costs))
    return lanes


def kernels(name: str) -> types.ModuleType:
    """A kernel module (`cells`, `spherical`, ..), interpreted and counting."""
    full = f"counted_kernels.{name}"
    if full in sys.modules:
        return sys.modules[full]
    if "counted_kernels._jit" not in sys.modules:
        jit = types.ModuleType("counted_kernels._jit")
        jit.kernel = jit.inline_kernel = jit.cold_kernel = lambda function: function
        jit.fma, jit.never_inline = fma, lambda: None
        sys.modules["counted_kernels._lanes"] = _lanes()
        sys.modules["counted_kernels"] = types.ModuleType("counted_kernels")
        sys.modules["counted_kernels._jit"] = jit
    path = Path(conevol.kernels.__file__).parent / f"{name}.py"
    source = path.read_text()
    for other in sorted(p.stem for p in path.parent.glob("*.py")):
        if f"from conevol.kernels.{other} import" in source and other not in ("_jit", "_lanes"):
            kernels(other)
    module = types.ModuleType(full)
    sys.modules[full] = module
    exec(
        compile(source.replace("conevol.kernels", "counted_kernels"), str(path), "exec"),
        module.__dict__,
    )
    for shim, attribute in ((_Math("math"), "math"), (_Numpy("numpy"), "np")):
        if hasattr(module, attribute):
            setattr(module, attribute, shim)
    return module


def walked(network) -> int:
    """Operations of the exact accuracy of a network, n <= 3."""
    from conevol.cells import _fan, _unit_roundoffs
    from conevol.network import Ensemble
    from conevol.tasks import get_task

    module = kernels("cells")
    fan = _fan(get_task(network.task), network.n)
    fan = module.Fan(objects(fan.rows), fan.region_rows, fan.region_label)
    reals = objects(np.zeros((1, 4)))
    counts = np.zeros((1, 4), dtype=np.int64)
    TALLY[0] = 0
    module.walk_range(
        *(objects(w[None]) for w in (network.W_hi, network.W_hh, network.W_oh)),
        fan, objects(_unit_roundoffs(Ensemble.of([network]))), 0, 0, 1, reals, counts, np.zeros(1, np.int64),
        module.new_table(0, 0, 0), module.SUM,
    )  # fmt: skip
    return TALLY[0], float(reals[0, 0]), counts


def simplicial(normals) -> tuple[int, float, int]:
    """Operations of the fraction of d half-spaces in d dimensions, the value, and panels."""
    module = kernels("simplicial")
    d = normals.shape[1]
    lattice = module.boolean_lattice(d)
    work = objects(np.zeros((2**d + 4, 16)))
    TALLY[0] = 0
    a = objects(np.zeros((d, d)))
    kernels("rays").scale_rows(objects(normals), a)
    _, value, _, panels, _ = module.simplicial_fraction(a, *lattice, 5e-12, work)
    return TALLY[0], float(value), panels
