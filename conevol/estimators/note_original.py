"""The note's original version: 18 subregions of inputs, and 84 further cones, in three dimensions.

J. Hilton, "Heuristic explanations for 2nd argmax models" (2024).  docs/estimators.md
says how its text is read, and what every option changes.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from conevol._fraction import fraction
from conevol.errors import ConevolError
from conevol.estimators.estimate import Estimate
from conevol.estimators.note_order import QUANTITY_OPERATIONS, in_note_order
from conevol.estimators.note_regions import REGIONS, Subregions, subregions
from conevol.network import Ensemble, ReluRNN

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "NoteParts",
    "Reading",
    "half_space_operations",
    "note_original",
    "note_original_ensemble",
    "note_parts",
]

INDICATORS = ("latent", "latents", "mean", "independent", "exact")
UNLIKELY = ("third", "likely", "exact")
TIES = ("right", "first")
_ON_OFF = np.array(list(itertools.product((0.0, 1.0), repeat=4)))


@dataclass(frozen=True)
class Reading:
    """How the note is read; the defaults are its own version (see `note_original`)."""

    q: float = 0.2
    regions: str = "merged"
    indicators: str = "latent"
    unlikely: str = "third"
    mirrored: bool = True
    clipped: bool = False
    normalised: bool = False
    ties: str = "right"

    def __post_init__(self) -> None:
        if not 0.0 < self.q < 1.0:
            raise ConevolError(f"q is {self.q}, expected a probability between 0 and 1")
        for name, known in (
            ("regions", REGIONS),
            ("indicators", INDICATORS),
            ("unlikely", UNLIKELY),
            ("ties", TIES),
        ):
            if getattr(self, name) not in known:
                raise ConevolError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )


@dataclass(frozen=True)
class NoteParts:
    """Everything that the original version computes, for N networks and S subregions.

    Attributes
    ----------
    value : ndarray, shape (N,)
        The estimates.
    volume : ndarray, shape (N, S)
        Fractions of the subregions.
    likely : ndarray of bool, shape (S,)
    label : ndarray of int, shape (S,)
    on : ndarray, shape (N, L, 4)
        Fractions of the parts of the L likely subregions where neuron j of z_3 is positive.
    right : ndarray, shape (N, L, C)
        Fractions where the label's logit is largest, for each of the C cases of the indicators.
    weights : ndarray, shape (N, L, C)
        Their weights.
    operations : ndarray of int, shape (N,)
    half_spaces : dict
        {"volume", "on", "right"}: (number of cones a network, half-spaces of each).
    """

    value: NDArray[np.float64]
    volume: NDArray[np.float64]
    likely: NDArray[np.bool_]
    label: NDArray[np.int64]
    on: NDArray[np.float64]
    right: NDArray[np.float64]
    weights: NDArray[np.float64]
    operations: NDArray[np.int64]
    half_spaces: dict[str, tuple[int, int]]

    @property
    def note_operations(self) -> int:
        """What the note counts for this: 5 k^3 for a cone of k half-spaces."""
        return half_space_operations(self.half_spaces)


def half_space_operations(half_spaces: dict[str, tuple[int, int]]) -> int:
    """The note's count: 5 k^3 for every cone of k half-spaces.

    Examples
    --------
    >>> half_space_operations({"volume": (18, 4), "on": (56, 5), "right": (28, 6)})
    71000
    """
    return sum(5 * cones * k**3 for cones, k in half_spaces.values())


def note_original(
    network: ReluRNN,
    *,
    seed: int = 0,
    q: float = 0.2,
    regions: str = "merged",
    indicators: str = "latent",
    unlikely: str = "third",
    mirrored: bool = True,
    clipped: bool = False,
    normalised: bool = False,
    ties: str = "right",
) -> Estimate:
    """The note's original version, for one network of 4 neurons and n = 3.

    Parameters
    ----------
    network : ReluRNN
        With two positive and two negative input weights; its neurons are brought to the note's
        order first.
    seed : int
        Does nothing.
    q : float
        Probability of the latent Z = 1.
    regions : {"merged", "six", "exact"}
        The note's four regions of (x_0, x_1); its six before a_j and b_j are merged; the
        true sign patterns of steps 1 and 2.
    indicators : {"latent", "latents", "mean", "independent", "exact"}
        How 1[z_3j > 0] is treated in a likely subregion: one Z for all neurons; one Z
        each; its mean p; independent of z_3 and of each other; exactly.
    unlikely : {"third", "likely", "exact"}
        Accuracy in an unlikely subregion: 1/3; as in a likely one; exact given the region.
    mirrored : bool
        Treat 1 - indicator instead of the indicator where p > 1/2.
    clipped : bool
        Clip the latent indicators to [0, 1].
    normalised : bool
        Divide by the sum of the subregions' fractions.
    ties : {"right", "first"}
        What a pair of logits counts that is equal on the whole cone: a zero normal
        constrains nothing; or the first index wins.

    Returns
    -------
    Estimate
        Which claims nothing.  With ``regions="exact", indicators="exact", unlikely="exact",
        ties="first"`` nothing is assumed and the value is the exact accuracy.

    Raises
    ------
    WeightsError
        For another shape, or other signs of the input weights.
    ConevolError
        For unknown options.

    Examples
    --------
    >>> import conevol
    >>> network = conevol.zoo.load("4/3")
    >>> estimate = note_original(network)
    >>> abs(estimate.value - conevol.accuracy(network).value) < 0.06
    True
    """
    return note_original_ensemble(
        Ensemble.of([network]),
        q=q,
        regions=regions,
        indicators=indicators,
        unlikely=unlikely,
        mirrored=mirrored,
        clipped=clipped,
        normalised=normalised,
        ties=ties,
    )[0]


def note_original_ensemble(
    networks: Ensemble, *, seed: int = 0, **options: object
) -> list[Estimate]:
    """`note_original` for every network of an ensemble, all at once."""
    started = time.perf_counter()
    parts = note_parts(networks, Reading(**options))  # type: ignore[arg-type]
    seconds = (time.perf_counter() - started) / max(len(networks), 1)
    name = ",".join(f"{key}={value}" for key, value in options.items())
    return [
        Estimate(
            estimator=f"note-original:{name}" if name else "note-original",
            value=float(parts.value[i]),
            claim="none",
            error=float("nan"),
            operations=int(parts.operations[i]),
            seconds=seconds,
        )
        for i in range(len(networks))
    ]


def note_parts(networks: Ensemble, reading: Reading | None = None) -> NoteParts:
    """The original version with all its intermediate results.

    Examples
    --------
    >>> import conevol
    >>> parts = note_parts(conevol.zoo.load("4/3").noisy_copies(2))
    >>> len(parts.likely), parts.likely.sum(), parts.on.shape, parts.right.shape
    (18, np.int64(14), (2, 14, 4), (2, 14, 2))
    >>> parts.note_operations
    71000
    """
    reading = reading or Reading()
    networks = in_note_order(networks)
    cut = subregions(networks, reading.regions)
    count = _Counter(len(networks))
    volume = count.fractions("volume", cut.normals)
    modelled = cut.likely if reading.unlikely == "third" else np.ones_like(cut.likely)
    z = cut.z[:, modelled]
    count.add(QUANTITY_OPERATIONS + cut.map_operations)

    on = np.zeros((*z.shape[:2], 4))
    if reading.indicators != "exact":
        with_z = _append(cut.normals[:, modelled, None], z[:, :, :, None])
        on = count.fractions("on", with_z)
    right, weights = _cases(networks, cut, modelled, volume[:, modelled], on, reading, count)
    value = (right * weights).sum(axis=2).sum(axis=1)
    if not modelled.all():
        value = value + volume[:, ~modelled].sum(axis=1) / 3.0
        count.add(1)
    if reading.normalised:
        value = value / volume.sum(axis=1)
        count.add(1)
    return NoteParts(
        value=value,
        volume=volume,
        likely=cut.likely,
        label=cut.label,
        on=on,
        right=right,
        weights=weights,
        operations=count.operations,
        half_spaces=count.half_spaces,
    )


class _Counter:
    """Computes fractions, and keeps count of the operations."""

    def __init__(self, copies: int) -> None:
        self.operations = np.zeros(copies, dtype=np.int64)
        self.half_spaces: dict[str, tuple[int, int]] = {}

    def add(self, operations: int) -> None:
        self.operations += operations

    def fractions(self, name: str, normals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractions (N, ...) of cones (N, ..., k, 3)."""
        from conevol.kernels.operations import clip_operations

        copies, k = len(normals), normals.shape[-2]
        flat = np.ascontiguousarray(normals.reshape(-1, k, 3))
        spent = np.zeros(len(flat), dtype=np.int64)
        clip_operations(flat, 0, len(flat), spent)
        cones = len(flat) // max(copies, 1)
        self.operations += spent.reshape(copies, cones).sum(axis=1)
        seen = self.half_spaces.get(name, (0, k))[0]
        self.half_spaces[name] = (seen + cones, k)
        return fraction(normals, threads=1)


def _append(normals: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """More rows (..., r, 3) for cones (..., k, 3); the other axes are broadcast."""
    shape = np.broadcast_shapes(normals.shape[:-2], rows.shape[:-2])
    return np.concatenate(
        [np.broadcast_to(a, (*shape, *a.shape[-2:])) for a in (normals, rows)], axis=-2
    )


def _cases(
    networks: Ensemble,
    cut: Subregions,
    modelled: NDArray[np.bool_],
    volume: NDArray[np.float64],
    on: NDArray[np.float64],
    reading: Reading,
    count: _Counter,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions of the right parts of the modelled subregions in every case; the weights."""
    exact = np.full(modelled.sum(), reading.indicators == "exact")
    if reading.unlikely == "exact":
        exact |= ~cut.likely[modelled]
    parts = []
    for which, treat in ((~exact, reading.indicators), (exact, "exact")):
        if not which.any():
            continue
        z, normals = cut.z[:, modelled][:, which], cut.normals[:, modelled][:, which, None]
        if treat == "exact":
            masks = np.broadcast_to(_ON_OFF, (*z.shape[:2], 16, 4))
            weights = np.ones(masks.shape[:3])
            signs = (2.0 * _ON_OFF - 1.0)[:, :, None]
            normals = _append(normals, signs * z[:, :, None])
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                p = np.where(volume[:, which, None] > 0.0, on[:, which] / volume[:, which, None], 0)
            masks, weights, spent = _indicators(p, treat, reading)
            count.add(p[0].size + p[0, :, 0].size * spent)
        label = cut.label[modelled][which]
        rows, tied = _logit_rows(networks, z, masks, label)
        count.add(masks[0, :, :, 0].size * (2 * 4 * 4 + 1))
        right = count.fractions("right", _append(normals, rows))
        if reading.ties == "first":
            right = np.where(tied, 0.0, right)
        parts.append((which, right, weights))
    return _joined(parts, len(networks), len(exact))


def _joined(
    parts: list[tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]],
    copies: int,
    regions: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cases of both kinds of subregions in one array, padded by cases of weight 0."""
    cases = max(right.shape[2] for _, right, _ in parts)
    out = np.zeros((2, copies, regions, cases))
    for which, *arrays in parts:
        for i, array in enumerate(arrays):
            out[i, :, which, : array.shape[2]] = np.moveaxis(array, 1, 0)
    return out[0], out[1]


def _indicators(
    p: NDArray[np.float64], treat: str, reading: Reading
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Values (N, S, C, 4) that stand for 1[z_3j > 0], weights (N, S, C), operations a subregion.

    p (N, S, 4) is the probability of z_3j > 0 in the subregion.
    """
    if treat == "mean":
        return p[:, :, None], np.ones((*p.shape[:2], 1)), 0
    if treat == "independent":
        masks = np.broadcast_to(_ON_OFF, (*p.shape[:2], 16, 4))
        weights = np.where(masks > 0.0, p[:, :, None], 1.0 - p[:, :, None]).prod(axis=3)
        return masks, weights, 16 * 3
    q, sigma = reading.q, np.sqrt(p * (1.0 - p))
    low, high = np.sqrt(q / (1.0 - q)) * sigma, np.sqrt((1.0 - q) / q) * sigma
    flip = np.where((p > 0.5) & reading.mirrored, -1.0, 1.0)
    two = np.stack([p - flip * low, p + flip * high], axis=2)
    if reading.clipped:
        two = np.clip(two, 0.0, 1.0)
    chance = np.array([1.0 - q, q])
    if treat == "latent":
        return two, np.broadcast_to(chance, (*p.shape[:2], 2)), 4 * 4
    z = _ON_OFF.astype(int)
    masks = np.stack([two[:, :, z[:, j], j] for j in range(4)], axis=3)
    weights = np.broadcast_to(chance[z].prod(axis=1), (*p.shape[:2], 16))
    return masks, weights, 4 * 4 + 16 * 3


def _logit_rows(
    networks: Ensemble,
    z: NDArray[np.float64],
    masks: NDArray[np.float64],
    label: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rows "logit of the label minus another" (N, S, C, 2, 3); where the first index wins a tie.

    The second says that a row is zero and the other index comes before the label.
    """
    others = np.array([[j for j in range(3) if j != i] for i in range(3)])[label]
    w = networks.W_oh[:, label, None] - networks.W_oh[:, others]
    rows = np.einsum("nsoj,nscj,nsjx->nscox", w, masks, z, optimize=True)
    zero = (rows == 0.0).all(axis=4)
    return rows, (zero & (others < label[:, None])[None, :, None]).any(axis=3)
