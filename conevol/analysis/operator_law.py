"""The law of what follows the leading two inputs: mask sequences, their operators and spectra.

`masks.masked_operator` takes one mask sequence for each place m of the largest input and s of
the second, that of two impulses.  Real inputs have many; here each has its probability given
(m, s), and so have the operator Phi and its spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from conevol.analysis.masks import Direction, masked_operator, singular_shares, spectrum
from conevol.cells import accuracy
from conevol.errors import ConevolError
from conevol.measures import Bounded
from conevol.network import ReluRNN
from conevol.tasks import Region, Task, get_task

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["OperatorLaw", "draw_operators", "operator_law"]

_QUANTITIES = ("phi", "radius", "gap", "shares")


@dataclass(frozen=True)
class OperatorLaw:
    """Law of Phi given the places of the largest input and of the second; one row a mask sequence.

    Attributes
    ----------
    network : ReluRNN
    samples : int or None
        Inputs drawn for each (m, s); None where all is exact.
    places : ndarray of int, shape (rows, 2)
        (m, s), the places of the largest input and of the second.
    masks : ndarray of bool, shape (rows, n, hidden)
        Neurons on at the steps after both; False at the steps before.
    probability, error_bound : ndarray, shape (rows,)
        Of these masks given (m, s), and the bound of its error, or the standard error.
    canonical : ndarray of bool, shape (rows,)
        Whether these are the masks of two impulses.
    phi : ndarray, shape (rows, hidden, hidden)
        Product of diag(D[t]) W_hh over the steps after both; the identity where none is left.
    radius, gap : ndarray, shape (rows,)
        Spectral radius and spectral gap of phi, as `Spectrum` has them.
    shares : ndarray, shape (rows, min(n, hidden))
        Shares of the squared singular values of W_oh phi, largest first.
    """

    network: ReluRNN
    samples: int | None
    places: NDArray[np.int64]
    masks: NDArray[np.bool_]
    probability: NDArray[np.float64]
    error_bound: NDArray[np.float64]
    canonical: NDArray[np.bool_]
    phi: NDArray[np.float64]
    radius: NDArray[np.float64]
    gap: NDArray[np.float64]
    shares: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.probability)

    def __repr__(self) -> str:
        how = "exact" if self.samples is None else f"{self.samples:,} samples"
        return f"OperatorLaw({len(self)} mask sequences, {how})"

    def canonical_probability(self) -> Bounded:
        """Probability of the masks of two impulses given (m, s): shapes (n, n), diagonal NaN.

        Where it is sampled its second part is the standard error, of (hits + 1) out of
        (samples + 2), so that it is not 0 where all or none hit.
        """
        n = self.network.n
        value, error = np.zeros((2, n, n))
        m, s = self.places[self.canonical].T
        value[m, s], error[m, s] = (
            self.probability[self.canonical],
            self.error_bound[self.canonical],
        )
        if self.samples is not None:
            error = _standard_error(value, self.samples)
        for array in (value, error):
            np.fill_diagonal(array, np.nan)
        return Bounded(value, error)

    def given(self, largest: int, second: int) -> OperatorLaw:
        """The law given one (m, s).

        Raises
        ------
        ConevolError
            If the places are equal or out of range.
        """
        n = self.network.n
        if largest == second or not (0 <= largest < n and 0 <= second < n):
            raise ConevolError(
                f"places are {largest} and {second}, expected two different ones of 0 .. {n - 1}"
            )
        return self._part((self.places == (largest, second)).all(axis=1), 1)

    def pooled(self, gap: int, direction: Direction) -> OperatorLaw:
        """The law given the distance of the two and which comes first, with some step left.

        All (m, s) are equally likely; those whose later place is the last are left out.

        Parameters
        ----------
        gap : int
            1 .. n - 2.
        direction : {"forward", "reverse"}
            "forward": the largest comes first.

        Raises
        ------
        ConevolError
            For another gap or direction.
        """
        n = self.network.n
        if direction not in ("forward", "reverse"):
            raise ConevolError(f"direction is {direction!r}, expected 'forward' or 'reverse'")
        if not 1 <= gap <= n - 2:
            raise ConevolError(f"gap is {gap}, expected 1 .. n - 2 = {n - 2}: no step is left")
        distance = self.places[:, 1] - self.places[:, 0]
        chosen = distance == (gap if direction == "forward" else -gap)
        return self._part(chosen & (self.places.max(axis=1) < n - 1), n - 1 - gap)

    def mean(self, quantity: str) -> Any:
        """Mean of "phi", "radius", "gap" or "shares" over all rows, by their probabilities."""
        values = self._values(quantity)
        mean = np.tensordot(self.probability, values, 1) / self.probability.sum()
        return float(mean) if values.ndim == 1 else mean

    def quantile(self, quantity: str, level: float) -> Any:
        """Least value with at least this probability up to it; of shares, each by itself."""
        if not 0.0 <= level <= 1.0:
            raise ConevolError(f"level is {level}, expected 0 .. 1")
        values = self._values(quantity)
        order = np.argsort(values, axis=0, kind="stable")
        weight = np.cumsum(self.probability[order], axis=0)
        at = np.argmax(weight >= level * weight[-1], axis=0)
        found = np.take_along_axis(np.sort(values, axis=0), at[None], 0)[0]
        return float(found) if values.ndim == 1 else found

    def _values(self, quantity: str) -> NDArray[np.float64]:
        if quantity not in _QUANTITIES:
            raise ConevolError(f"quantity is {quantity!r}, expected one of {_QUANTITIES}")
        return np.asarray(getattr(self, quantity))

    def _part(self, rows: NDArray[np.bool_], pairs: int) -> OperatorLaw:
        """Some rows, from so many (m, s)."""
        arrays = {name: getattr(self, name)[rows] for name in _ROWS}
        for name in ("probability", "error_bound"):
            arrays[name] = arrays[name] / pairs
        return replace(self, **arrays)


_ROWS = ("places", "masks", "probability", "error_bound", "canonical", *_QUANTITIES)


def operator_law(
    network: ReluRNN, *, samples: int | None = None, seed: int = 0, max_cells: int = 2_000_000
) -> OperatorLaw:
    """Law of the masks, operators and spectra after the leading two inputs, x ~ N(0, Id).

    Parameters
    ----------
    network : ReluRNN
        With n >= 2.
    samples : int, optional
        Estimate from so many inputs for each (m, s); by default all is exact, which is for
        n <= 4, and for n = 5 with few neurons.
    seed : int
    max_cells : int
        Exact only: give up when the inputs with one place of the largest have more cells.

    Raises
    ------
    ConevolError
        For n < 2 or a wrong number of samples.
    CellsError
        If there are more cells than max_cells.

    Notes
    -----
    The exact law sums the fractions of the cells of pattern and order, those of a network
    without readout.  The sampled one takes the same draws for every (m, s), their largest entry
    moved to m and the second to s, which gives inputs of just the conditional law.

    Examples
    --------
    >>> from conevol import zoo
    >>> law = operator_law(zoo.load("4/3"))
    >>> law
    OperatorLaw(23 mask sequences, exact)
    >>> law.canonical_probability().value.round(4).tolist()
    [[nan, 0.7085, 1.0], [0.9994, nan, 1.0], [1.0, 1.0, nan]]
    >>> late = law.given(0, 1)
    >>> len(late), round(late.mean("radius"), 3), round(late.quantile("radius", 0.95), 3)
    (9, 1.26, 2.183)
    """
    if network.n < 2:
        raise ConevolError(f"network has n = {network.n}, expected at least 2: no second input")
    if samples is None:
        places, masks, probability, error = _exact(network, max_cells)
    else:
        places, masks, probability, error = _sampled(network, samples, seed)
    phi = np.array([_operator(network, max(p), on) for p, on in zip(places, masks, strict=True)])
    spectra = [spectrum(p) for p in phi]
    usual = {(m, s): _canonical(network, m, s) for m, s in {tuple(p) for p in places.tolist()}}
    return OperatorLaw(
        network=network,
        samples=samples,
        places=places,
        masks=masks,
        probability=probability,
        error_bound=error,
        canonical=np.array(
            [(on == usual[m, s]).all() for (m, s), on in zip(places.tolist(), masks, strict=True)]
        ),
        phi=phi,
        radius=np.array([s.radius for s in spectra]),
        gap=np.array([s.gap for s in spectra]),
        shares=np.array([singular_shares(network.W_oh @ p) for p in phi]),
    )


# Places, masks, probabilities given the places, their errors.
_Found = tuple[
    "NDArray[np.int64]", "NDArray[np.bool_]", "NDArray[np.float64]", "NDArray[np.float64]"
]


def _exact(network: ReluRNN, max_cells: int) -> _Found:
    n = network.n
    # Without readout no cell is cut by logits.
    mute = ReluRNN(network.W_hi, network.W_hh, np.zeros_like(network.W_oh))
    parts = []
    for largest in range(n):
        result = accuracy(mute, task=_half(largest), table=True, max_cells=max_cells)
        cells = result.table
        assert cells is not None
        for second in range(n):
            mine = cells.label == second
            if second == largest:
                continue
            kinds, of = _kinds(cells.pattern[mine], max(largest, second))
            # n (n - 1) orders of the leading two are equally likely.
            sums = [
                n * (n - 1) * np.bincount(of, w[mine], len(kinds))
                for w in (cells.fraction, cells.error_bound)
            ]
            parts.append((np.tile((largest, second), (len(kinds), 1)), kinds, *sums))
    places, masks, probability, error = (np.concatenate(p) for p in zip(*parts, strict=True))
    return places, masks, probability, error


def _half(largest: int) -> Task:
    """The task second_argmax on the inputs with the maximum at one place only."""
    task = get_task("second_argmax")

    def regions(n: int) -> list[Region]:
        return [
            r for r in task.regions(n) if r.label != largest and (r.normals[:, largest] > 0).any()
        ]

    return Task(f"second after x_{largest}", task.labels, regions, task.check_length)


def _sampled(network: ReluRNN, samples: int, seed: int) -> _Found:
    from conevol.estimators.sampling import gaussian_inputs

    n = network.n
    x = gaussian_inputs(samples, n, seed=seed)
    order = np.argsort(-x, axis=1, kind="stable")
    # The others keep their places' order, which is independent of the leading two.
    leading, rest = order[:, :2], np.sort(order[:, 2:], axis=1)
    parts = []
    for largest in range(n):
        for second in range(n):
            if second == largest:
                continue
            moved = np.empty_like(x)
            moved[:, [largest, second]] = np.take_along_axis(x, leading, 1)
            others = [i for i in range(n) if i not in (largest, second)]
            moved[:, others] = np.take_along_axis(x, rest, 1)
            kinds, of = _kinds(network.pattern(moved), max(largest, second))
            p = np.bincount(of, minlength=len(kinds)) / samples
            place = np.tile((largest, second), (len(kinds), 1))
            parts.append((place, kinds, p, _standard_error(p, samples)))
    places, masks, probability, error = (np.concatenate(p) for p in zip(*parts, strict=True))
    return places, masks, probability, error


def _standard_error(p: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
    """Of a share, as if one more had hit and one more missed."""
    q = (p * samples + 1.0) / (samples + 2.0)
    return np.asarray(np.sqrt(q * (1.0 - q) / samples))


def _kinds(pattern: NDArray[np.bool_], later: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The different masks after a step, and which of them each pattern has."""
    masks = pattern.copy()
    masks[:, : later + 1] = False
    kinds, of = np.unique(masks.reshape(len(masks), -1), axis=0, return_inverse=True)
    return kinds.reshape(-1, *masks.shape[1:]), of.reshape(-1)


def _operator(network: ReluRNN, later: int, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    phi = np.eye(network.hidden)
    for on in masks[later + 1 :]:
        phi = np.where(on[:, None], network.W_hh, 0.0) @ phi
    return phi


def _canonical(network: ReluRNN, largest: int, second: int) -> NDArray[np.bool_]:
    """Masks of the two impulses, in the form of `OperatorLaw.masks`."""
    later, n = max(largest, second), network.n
    direction: Direction = "forward" if largest < second else "reverse"
    operator = masked_operator(network, abs(largest - second), direction, steps=n - 1 - later)
    masks = np.zeros((n, network.hidden), dtype=np.bool_)
    masks[later + 1 :] = operator.masks
    return masks


def draw_operators(law: OperatorLaw, path: str | Path) -> None:
    """Draw the distribution functions of the spectral radius, by direction, gap and steps left.

    A circle on a curve is the operator of the two impulses, where that occurs.  The axis leaves
    out what is below the least 0.5 % quantile and above the largest 99.5 % quantile.

    Raises
    ------
    ConevolError
        For n < 3, or if matplotlib is not installed (extra ``plot``).
    """
    n = law.network.n
    if n < 3:
        raise ConevolError(f"the law is of n = {n}, expected n >= 3: no step is left to draw")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConevolError('drawing needs matplotlib: pip install "conevol[plot]"') from error
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    pairs = [(a, b) for a in range(n - 2) for b in range(a + 1, n - 1)]
    colours = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
    ends: list[float] = []
    for ax, direction in zip(axes, ("forward", "reverse"), strict=True):
        for i, (first, later) in enumerate(sorted(pairs, key=lambda p: p[1] - p[0])):
            part = law.given(*((first, later) if direction == "forward" else (later, first)))
            ends += [part.quantile("radius", level) for level in (0.005, 0.995)]
            order = np.argsort(part.radius, kind="stable")
            radius, up_to = part.radius[order], np.cumsum(part.probability[order])
            style = {"color": colours[i % len(colours)], "ls": ("-", "--", "-.", ":")[i % 4]}
            left = n - 1 - later
            ax.plot(
                np.r_[radius[0], radius], np.r_[0.0, up_to], drawstyle="steps-post", lw=1.4,
                label=f"gap {later - first}, {left} step{'s' if left > 1 else ''} left", **style,
            )  # fmt: skip
            usual = part.canonical[order]
            ax.plot(radius[usual], up_to[usual], "o", color=style["color"], ms=6, clip_on=False)
        ax.set(xlabel="spectral radius", title=direction, ylim=(0.0, 1.0))
        ax.grid(color="#e6e6e6", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    margin = 0.05 * (max(ends) - min(ends)) or 0.1
    axes[0].set_xlim(min(ends) - margin, max(ends) + margin)
    axes[0].set_ylabel("probability up to it")
    axes[0].plot([], [], "o", color="#6b6b6b", ms=6, label="of two impulses")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
