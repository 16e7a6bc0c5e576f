"""An instrumented run: the kernels' own source, interpreted, with numbers that count.

The rule of `conevol.estimators.Estimate`: a multiplication (with or without the addition
that takes its result), division, root or elementary function counts one; a fused
multiply-add one; additions, comparisons and signs nothing.
"""

from __future__ import annotations

import itertools
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
        value = plain(self, other.item() if isinstance(other, np.integer) else other)
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


def _tally(counter, amount) -> None:
    if counter is not None:
        counter[0] += amount


def objects(values) -> np.ndarray:
    """An array of counted numbers."""
    values = np.asarray(values, dtype=float)
    out = np.empty(values.shape, dtype=object)
    for index, value in np.ndenumerate(values):
        out[index] = Counted(value)
    return out


class _Objects(np.ndarray):
    """Counted numbers whose bits nobody looks at."""

    def view(self, kind):
        return self if kind is np.uint64 else super().view(kind)


class _Numpy(types.ModuleType):
    """numpy whose new arrays of floats hold counted numbers."""

    sqrt = staticmethod(_Math("math").sqrt)

    def __getattr__(self, name: str):
        if name in ("empty", "zeros"):

            def make(shape, dtype=float):
                real = np.zeros(shape, dtype)
                return objects(real).view(_Objects) if real.dtype == float else real

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
        ("absolute", lambda a: abs(float(a)), False),
        ("mul_add", lambda a, b, c: float(a) * float(b) + float(c), True),
    ):
        setattr(lanes, name, each(function, costs))
    lanes.largest = max
    return lanes


def _rows() -> types.ModuleType:
    """`_rows` with loops over the eight numbers of a row."""
    rows = types.ModuleType("counted_kernels._rows")
    rows.WIDTH = 8

    def copy_vertex(vert, q, j, p, i):
        vert[q, j] = vert[p, i]

    def put_vertex(vert, p, i, *entries):
        vert[p, i, :6] = entries

    def plane_sides(planes, s, x, y, z, norm, error):
        above = unsure = below = 0
        for b in range(8):
            px, py, pz, pn, pe = planes[s, :, b]
            height = px * x + py * y + pz * z
            doubt = pn * norm + pe * error
            above |= (height > doubt) << b
            below |= (height < -doubt) << b
            unsure |= (not abs(height) > doubt) << b
        return above | unsure << 8 | below << 16

    rows.copy_vertex, rows.put_vertex, rows.plane_sides = copy_vertex, put_vertex, plane_sides
    return rows


def kernels(name: str) -> types.ModuleType:
    """A kernel module (`cells`, `spherical`, ..), interpreted and counting."""
    full = f"counted_kernels.{name}"
    if full in sys.modules:
        return sys.modules[full]
    if "counted_kernels._jit" not in sys.modules:
        jit = types.ModuleType("counted_kernels._jit")
        jit.kernel = jit.inline_kernel = lambda function: function
        jit.cold_kernel = jit.part_kernel = jit.kernel
        jit.fma, jit.never_inline, jit.tally = fma, lambda: None, _tally
        jit.popcount = lambda x: int(x).bit_count()
        jit.lowest_bit = lambda x: (int(x) & -int(x)).bit_length() - 1
        jit.entry = lambda function, *_: types.SimpleNamespace(address=function)
        jit.call_entry = lambda address, arrays: address(*arrays)
        sys.modules["counted_kernels._lanes"] = _lanes()
        sys.modules["counted_kernels._rows"] = _rows()
        sys.modules["counted_kernels"] = types.ModuleType("counted_kernels")
        sys.modules["counted_kernels._jit"] = jit
    path = Path(conevol.kernels.__file__).parent / f"{name}.py"
    source = path.read_text()
    for other in sorted(p.stem for p in path.parent.glob("*.py")):
        if f"from conevol.kernels.{other} import" in source and other[0] != "_":
            kernels(other)
    module = types.ModuleType(full)
    sys.modules[full] = module
    exec(
        compile(source.replace("conevol.kernels", "counted_kernels"), str(path), "exec"),
        module.__dict__,
    )
    for attribute, value in vars(module).items():
        if isinstance(value, np.ndarray) and value.dtype == float:
            setattr(module, attribute, objects(value))
    if hasattr(module, "carray"):
        module.carray = np.reshape
    for shim, attribute in ((_Math("math"), "math"), (_Numpy("numpy"), "np")):
        if hasattr(module, attribute):
            setattr(module, attribute, shim)
    return module


def walked(network) -> tuple[int, float]:
    """Operations of the exact accuracy of a network, n <= 3, and its value."""
    from conevol.cells import _fan, _unit_roundoffs
    from conevol.network import Ensemble
    from conevol.tasks import get_task

    module = kernels("cells")
    fan = _fan(get_task(network.task), network.n)
    fan = module.Fan(objects(fan.rows), fan.region_rows, fan.region_label)
    reals = objects(np.zeros((1, 4)))
    counts = np.zeros((1, 3), dtype=np.int64)
    TALLY[0] = 0
    weights = [objects(w[None]) for w in (network.W_hi, network.W_hh, network.W_oh)]
    units = objects(_unit_roundoffs(Ensemble.of([network])))
    table, status = module.new_table(0, 0, 0), np.zeros(1, np.int64)
    rare = kernels("rare").rare_entry().address
    module.walk_range(
        *weights, fan, units, 0, 0, 1, reals, counts, status, table, module.SUM, rare, None
    )
    return TALLY[0], float(reals[0, 0])


def simplicial(normals) -> tuple[int, float, int]:
    """Operations of the fraction of d half-spaces in d dimensions, the value, and panels."""
    module = kernels("simplicial")
    d = normals.shape[1]
    lattice = module.boolean_lattice(d)
    work = objects(np.zeros((2**d + 4, 16)))
    TALLY[0] = 0
    a = objects(np.zeros((d, d)))
    kernels("rays").scale_rows(objects(normals), a, np.empty(d, np.int64))
    _, value, _, panels, _ = module.simplicial_fraction(a, *lattice, 2e-12, work)
    return TALLY[0], float(value), panels


def clipped(normals) -> int:
    """Operations of the fraction of one cone (k, 3)."""
    TALLY[0] = 0
    _fraction(normals)
    return TALLY[0]


def _fraction(normals) -> Counted:
    """The fraction of a cone of counted or plain normals."""
    values, errors = objects(np.zeros(1)), objects(np.zeros(1))
    module = kernels("spherical")
    module.fractions_range(objects(np.array(normals, dtype=float)[None]), 0, 1, values, errors)
    return Counted(values[0])


def note_original(network, q: float = 0.2) -> tuple[float, int]:
    """The note's original version in plain Python, from its text: the value and operations.

    The network's neurons are in the note's order already.
    """
    W_hi, W_hh, W_oh = (objects(w) for w in (network.W_hi, network.W_hh, network.W_oh))
    TALLY[0] = 0
    a = [W_hh[j, 0] * W_hi[0] + W_hh[j, 1] * W_hi[1] for j in range(4)]
    b = [W_hh[j, 2] * W_hi[2] + W_hh[j, 3] * W_hi[3] for j in range(4)]
    c = W_hi
    alpha3, alpha2 = (a[3] - a[0]) / 2.0, (a[2] - a[1]) / 2.0
    beta3, beta2 = (b[3] - b[0]) / 2.0, (b[2] - b[1]) / 2.0
    gamma0, gamma1 = (c[0] - c[3]) / 2.0, (c[1] - c[2]) / 2.0
    low_a, high_a = gamma0 / alpha3, gamma1 / alpha2
    low_b, high_b = gamma0 / beta3, gamma1 / beta2
    regions = [  # rows r with r . (x0, x1) >= 0; neurons on, with their x0 coefficient
        ([(-1, low_a), (-1, high_b)], {0: b[0], 1: b[1]}),
        ([(1, -low_b), (1, -high_a)], {2: a[2], 3: a[3]}),
        ([(1, -low_a), (-1, high_a)], {1: a[1], 3: a[3]}),
        ([(1, -high_b), (-1, low_b)], {0: b[0], 2: b[2]}),
    ]
    total = Counted(0.0)
    for number, (rows, on) in enumerate(regions):
        z3 = []
        for j in range(4):
            z0 = sum((W_hh[j, k] * on[k] for k in on), 0.0)
            z1 = sum((W_hh[j, k] * c[k] for k in on), 0.0)
            z3.append((z0, z1, W_hi[j]))
        for order in itertools.permutations(range(3)):  # largest first
            above = order.index(0) < order.index(1)  # x0 >= x1
            if (number == 0 and above) or (number == 1 and not above):
                continue
            first, label, last = order
            cone = [(*row, 0) for row in rows]
            for i, k in ((first, label), (label, last)):
                cone.append(tuple(float((l == i) - (l == k)) for l in range(3)))
            volume = _fraction(cone)
            if number >= 2 and label == 2:
                total = total + volume / 3.0
                continue
            masks = ([], [])
            for z in z3:
                p = _fraction([*cone, z]) / volume
                sigma = counted_sqrt(p * (1.0 - p))
                less = math.sqrt(q / (1.0 - q)) * sigma
                more = math.sqrt((1.0 - q) / q) * sigma
                masks[0].append(p - less if p <= 0.5 else p + less)
                masks[1].append(p + more if p <= 0.5 else p - more)
            for chance, mask in zip((1.0 - q, q), masks, strict=True):
                win = list(cone)
                for other in {0, 1, 2} - {label}:
                    weights = [(W_oh[label, j] - W_oh[other, j]) * mask[j] for j in range(4)]
                    win.append(
                        tuple(sum((weights[j] * z3[j][l] for j in range(4)), 0.0) for l in range(3))
                    )
                total = total + chance * _fraction(win)
    return float(total), TALLY[0]


def counted_sqrt(x) -> Counted:
    TALLY[0] += 1
    return Counted(math.sqrt(x))


def install(monkeypatch) -> None:
    """Let the walk over a pattern tree run on counted kernels."""
    module = kernels("tree")
    if not hasattr(module, "plain_walk"):
        module.plain_walk, module.plain_space = module.walk, module.new_space

        def walk(net, *rest):
            weights = [objects(w) for w in (net.w_hi, net.w_hh, net.w_oh)]
            return module.plain_walk(module.Net(*weights, *net[3:]), *rest)

        def new_space(*sizes):
            space = module.plain_space(*sizes)
            # The order planes are constants; but what is done with them is done with numbers.
            space.a[:], space.norm[:] = objects(space.a), objects(space.norm)
            return space

        module.walk, module.new_space = walk, new_space
    monkeypatch.setattr(conevol.kernels, "tree", module, raising=False)
    monkeypatch.setattr(conevol.kernels, "cut", kernels("cut"), raising=False)
