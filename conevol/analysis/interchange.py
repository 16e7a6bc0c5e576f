"""Interchange accuracy: how often a swap in the network does what it does in the causal model.

The pair of a base input x and the first t entries of a source s is a point of R^(n + t).  The
states of both before step t, the mixed state after it and everything later are linear
on cones of that space, and so is each comparison of the causal model: the interchange accuracy
is a finite sum of fractions, in n + t dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol._fraction import fraction
from conevol.analysis.alignment import interchanged_logits, network_pairs, orthonormal
from conevol.analysis.causal import swap_regions, variables_named
from conevol.analysis.sites import RecurrentSite
from conevol.errors import ConevolError, FractionError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from conevol.network import ReluRNN

__all__ = ["InterchangeAccuracy", "interchange_accuracy"]

METHODS = ("auto", "exact", "sample")
# Joint dimensions up to which "auto" is exact, within some seconds for few neurons.
_EXACT_DIMENSION = 5
_UNIT_ROUNDOFF = 2.0**-53
# Rays that a cone may have.
_RAYS = 512
# Bound of the error within a cone from which on that is compared with its fraction.
_DOUBTFUL = 1e-13
# Sampled pairs at a time.
_BATCH = 1 << 16


@dataclass(frozen=True)
class InterchangeAccuracy:
    """Share of the pairs on which network and causal model agree after the swap.

    Attributes
    ----------
    value : float
    error_bound : float
        |value - exact| <= error_bound; 1 for a sampled value.
    standard_error : float
        Of a sampled value; else 0.
    method : str
        "exact" or "sample".
    cones : int
        Cones summed, or pairs drawn.
    """

    value: float
    error_bound: float
    standard_error: float
    method: str
    cones: int

    def __float__(self) -> float:
        return self.value


class _Forms(NamedTuple):
    """Linear forms of (x, s), a row each, and what bounds their rounding: |exact - row| <= u size.

    `size` is the same computation with absolute values, times the number of roundings.
    """

    rows: NDArray[np.float64]
    size: NDArray[np.float64]

    def times(self, matrix: NDArray[np.float64]) -> _Forms:
        """matrix @ forms."""
        products = len(self.rows) + 2
        absolute = np.abs(matrix)
        return _Forms(
            matrix @ self.rows, absolute @ self.size + products * (absolute @ np.abs(self.rows))
        )

    def plus(self, other: _Forms) -> _Forms:
        """The sum of two lists of forms."""
        total = self.rows + other.rows
        return _Forms(total, self.size + other.size + np.abs(total))

    def on(self, active: NDArray[np.bool_]) -> _Forms:
        """The forms after ReLU, where these are active."""
        return _Forms(self.rows * active[:, None], self.size * active[:, None])


def interchange_accuracy(
    network: ReluRNN,
    variable: str,
    subspace: ArrayLike,
    step: int,
    *,
    method: str = "auto",
    samples: int = 100_000,
    seed: int = 0,
) -> InterchangeAccuracy:
    """How often a swap of a subspace acts like a swap of a causal variable.

    Base and source are independent standard Gaussian inputs.

    Parameters
    ----------
    network : ReluRNN
    variable : str
        A variable of `conevol.analysis.causal`.
    subspace : array_like, shape (m, hidden)
        Rows that span the subspace of the hidden state; none (0, hidden) swaps nothing.
    step : int
        The swap is made after this many entries.
    method : {"auto", "exact", "sample"}
        "auto" is exact for n + step <= 5.  Exact, the cones grow with every neuron and step:
        n = 3 with 4 neurons takes seconds at step 2 and minutes at step 3.
    samples, seed : int
        Of a sampled value.

    Raises
    ------
    ConevolError
        For an unknown method, a step outside 1 .. n, a wrong subspace, or a network without
        input weights.
    FractionError
        If a cone has more than 512 rays or 64 half-spaces.
    TaskError
        As `conevol.analysis.causal.variables_named`.

    Notes
    -----
    Where logits tie on a cone, the first of them is the prediction.  Cones are cut, and what
    rounding may put on the wrong side of a plane is bounded, as by `conevol.accuracy` for
    long inputs.

    Examples
    --------
    Everything is swapped, in the state and in the model; what is left are the network's errors:

    >>> from conevol import accuracy, zoo
    >>> net = zoo.load("exact-2/2")
    >>> result = interchange_accuracy(net, "maximum", [[1, 0], [0, 1]], 1)
    >>> result.method, abs(result.value - accuracy(net).value) < 1e-13
    ('exact', True)
    """
    if method not in METHODS:
        raise ConevolError(f"unknown method {method!r}, expected one of {', '.join(METHODS)}")
    site = RecurrentSite(network, step)
    basis = orthonormal(subspace, network.hidden)
    variables_named(variable, step, network.n)
    if method == "auto":
        method = "exact" if network.n + step <= _EXACT_DIMENSION else "sample"
    if method == "sample":
        return _sampled(site, variable, basis, samples, seed)
    return _Walk(network, variable, basis, step).total()


def _sampled(
    site: RecurrentSite, variable: str, basis: NDArray[np.float64], samples: int, seed: int
) -> InterchangeAccuracy:
    """The share of agreement among random pairs."""
    if samples < 1:
        raise ConevolError(f"samples is {samples}, expected at least 1")
    draw, rng = network_pairs(site.network, variable, site.step), np.random.default_rng(seed)
    agree = 0
    for start in range(0, samples, _BATCH):
        pairs = draw(min(_BATCH, samples - start), rng)
        logits = interchanged_logits(site, basis, pairs.base, pairs.source)
        agree += int((logits.argmax(axis=1) == pairs.label).sum())
    value = agree / samples
    error = math.sqrt(value * (1.0 - value) / samples)
    return InterchangeAccuracy(value, 1.0, error, "sample", samples)


class _Walk:
    """Depth-first cutting of the space of pairs, with coordinates (x_<t, s_<t, x_t ..)."""

    def __init__(
        self, network: ReluRNN, variable: str, basis: NDArray[np.float64], step: int
    ) -> None:
        from conevol.kernels import cut, cut_steps

        if not network.W_hi.any():
            raise ConevolError("all input weights are 0: the network has but one cell")
        self.network, self.step, self.swap = network, step, basis.T @ basis
        n, hidden = network.n, network.hidden
        self.dimension = n + step
        # The program's coordinates are (x, s).
        order = [*range(step), *range(n, n + step), *range(step, n)]
        self.regions = [
            (region.label, region.normals[:, order]) for region in swap_regions(n, variable, step)
        ]
        # A neuron that sees the new entry comes first: its plane makes the cylinder pointed.
        self.neurons = sorted(range(hidden), key=lambda j: network.W_hi[j] == 0.0)
        slots = (n + step) * hidden + max(len(rows) for _, rows in self.regions) + n + 2
        self.cones = cut.new_cones(self.dimension, slots, _RAYS, slots)
        # Row p is the inward normal of the last plane of the cone in slot p.
        self.inward = np.zeros((slots, self.dimension))
        self.cut, self.steps = cut, cut_steps
        self.value = self.bound = 0.0
        self.count = 0

    def total(self) -> InterchangeAccuracy:
        """Walk all cones."""
        zero = self._zero()
        self._steps(0, 0, zero, zero)
        bound = self.bound + 2.0 * _UNIT_ROUNDOFF * self.count
        return InterchangeAccuracy(min(self.value, 1.0), min(bound, 1.0), 0.0, "exact", self.count)

    def _zero(self) -> _Forms:
        shape = (self.network.hidden, self.dimension)
        return _Forms(np.zeros(shape), np.zeros(shape))

    def _steps(self, p: int, entry: int, state: _Forms, base: _Forms) -> None:
        """Go on from the cone in slot p, when so many coordinates have been read.

        A cone's last plane has the number of its slot.
        """
        network, step = self.network, self.step
        if entry == step:
            base, state = state, self._zero()
        elif entry == 2 * step:
            kept = np.eye(network.hidden) - self.swap
            state = base.times(kept).plus(state.times(self.swap))
        if entry == self.dimension:
            self._predictions(p, state)
            return
        into = self._zero()
        into.rows[:, entry] = network.W_hi
        z = state.times(network.W_hh).plus(into)
        self._neurons(p, entry, z, base, 0, np.zeros(network.hidden, dtype=bool))

    def _neurons(
        self, p: int, entry: int, z: _Forms, base: _Forms, start: int, on: NDArray[np.bool_]
    ) -> None:
        """Cut by the neurons of a step from one on; the first lifts the cone."""
        cut, q = self.cut, p + 1
        for place in range(start, len(on)):
            neuron = self.neurons[place]
            if not self._put(q, z.rows[neuron], z.size[neuron], entry + 1):
                continue
            where, near = self._locate(p) if place else (cut.CROSSES, 0.0)
            if where != cut.CROSSES:
                on[neuron] = where == cut.INSIDE
                continue
            if not place and entry:
                self.bound += self.steps.lift_doubt(self.cones, p, q)
            for sign in (1.0, -1.0):
                self._put(q, z.rows[neuron], z.size[neuron], entry + 1)
                self.inward[q] = sign * self.cones.a[q]
                if place:
                    self.steps.locate(self.cones, p, q)  # what lies below has used its scratch
                    if not self._clip(p, q, sign, near):
                        continue
                else:
                    _check(self.steps.lift(self.cones, p, q, sign))
                side = on.copy()
                side[neuron] = sign > 0.0
                before, value = self.bound, self.value
                self._neurons(q, entry, z, base, place + 1, side)
                self._cap(q, before, value)
            return
        self._steps(p, entry + 1, z.on(on), base)

    def _cap(self, p: int, before: float, value: float) -> None:
        """What agrees in a cone is between 0 and its fraction, however doubtful its planes are.

        In a needle every plane may be on either side, so that each counts the whole of it.
        """
        if self.bound - before > _DOUBTFUL:
            most = max(self.steps.cover(self.cones, p), self.value - value)
            self.bound = min(self.bound, before + most)

    def _predictions(self, p: int, state: _Forms) -> None:
        """Sum the parts of a cone on which the network and the program agree."""
        logits = state.times(self.network.W_oh)
        for label, normals in self.regions:
            gaps, first = _gaps(logits, label)
            if not first:
                continue
            rows = np.concatenate([normals, gaps.rows])
            sizes = np.concatenate([np.zeros_like(normals), gaps.size])
            q = self._inside(p, rows, sizes)
            if q >= 0:
                self._add(q)

    def _inside(self, p: int, rows: NDArray[np.float64], sizes: NDArray[np.float64]) -> int:
        """Slot of the part of cone p inside half-spaces, -1 if there is none."""
        cut = self.cut
        for normal, size in zip(rows, sizes, strict=True):
            if not self._put(p + 1, normal, size, self.dimension):
                continue
            where, near = self._locate(p)
            if where == cut.OUTSIDE:
                return -1
            if where == cut.CROSSES:
                self.inward[p + 1] = self.cones.a[p + 1]
                if not self._clip(p, p + 1, 1.0, near):
                    return -1
                p += 1
        return p

    def _put(
        self, row: int, normal: NDArray[np.float64], size: NDArray[np.float64], d: int
    ) -> bool:
        """Make a form the plane of a row; False if it is nothing but rounding."""
        error = _UNIT_ROUNDOFF * float(size.max())
        self.cones.a[row] = normal
        largest: float = self.steps.put_row(self.cones, row, d, error)
        return largest > 2.0 * error

    def _locate(self, p: int) -> tuple[int, float]:
        """Where the cone in slot p lies to the next plane; what rounding may hide is bounded."""
        where, near, lost = self.steps.place(self.cones, p, p + 1)
        self.bound += lost
        return where, near

    def _clip(self, p: int, q: int, sign: float, near: float) -> bool:
        """Cut the cone in slot p to slot q; False, and all of it in doubt, if that is no cone."""
        status = self.steps.clip(self.cones, p, q, sign, near)
        if status == self.cut.TORN:
            self.bound += self.steps.share(self.cones, p)
            return False
        _check(status)
        return True

    def _add(self, p: int) -> None:
        """Add the fraction of a cone to the sum."""
        value, error, sound = self.cut.cone_fraction(self.cones, p)
        if not sound:
            value, error = _with_digits(self.inward[1 : p + 1])
        self.value += value
        self.bound += error
        self.count += 1


def _with_digits(normals: NDArray[np.float64]) -> tuple[float, float]:
    """Fraction of a cone and its bound, with as many digits as that takes."""
    try:
        value, bound = fraction(normals, error_bound=True)
    except FractionError:
        from conevol import precision

        value = float(precision.fraction(normals, digits=20))
        bound = 2.0 * _UNIT_ROUNDOFF * value
    return value, bound


def _gaps(logits: _Forms, label: int) -> tuple[_Forms, bool]:
    """The label's logit minus the others; whether none before it is the same everywhere."""
    others = [i for i in range(len(logits.rows)) if i != label]
    pick = np.zeros((len(others), len(logits.rows)))
    pick[:, label] = 1.0
    pick[np.arange(len(others)), others] = -1.0
    gaps = logits.times(pick)
    same = np.abs(gaps.rows).max(axis=1) <= 2.0 * _UNIT_ROUNDOFF * gaps.size.max(axis=1)
    return gaps, not any(same[i] for i, other in enumerate(others) if other < label)


def _check(status: int) -> None:
    """Raise what a cut reported."""
    from conevol.kernels import cut

    if status != cut.OK:
        most = f"{_RAYS} rays" if status == cut.RAYS_FULL else f"{cut.MAX_ROWS} half-spaces"
        raise FractionError(
            f"a cone of pairs has more than {most}: use method='sample', or an earlier step"
        )
