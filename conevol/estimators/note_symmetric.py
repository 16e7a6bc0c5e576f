"""The note's symmetric version: a two-neuron network of absolute values, and Gaussian noise.

J. Hilton, "Heuristic explanations for 2nd argmax models" (2024), the version based on
George Robinson's approach.  With U and V as there, the reduced network is linear until
its readout: U h'_t = y_t, y_{t+1} = W'_hh y_t + W'_hi x_t, and V h'_3 = |y_3|.
docs/estimators.md says how the text is read, and what every option changes.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conevol.errors import ConevolError
from conevol.estimators.estimate import Estimate
from conevol.estimators.note_cones import cone_probabilities
from conevol.estimators.note_order import in_note_order
from conevol.network import Ensemble, ReluRNN
from conevol.tasks import get_task

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Reduction",
    "SymmetricReading",
    "noise_covariance",
    "note_symmetric",
    "note_symmetric_ensemble",
    "reduction",
    "symmetric_cones",
]

U = np.array([[1.0, 0.0, 0.0, -1.0], [0.0, 1.0, -1.0, 0.0]])
V = np.abs(U)
RELU = ("half", "indicator", "gaussian")
DEPENDENCE = ("none", "states", "inputs")
_SIGNS = np.array(list(itertools.product((1.0, -1.0), repeat=2)))
_ORDERS = list(itertools.permutations(range(3)))


@dataclass(frozen=True)
class SymmetricReading:
    """How the note is read; the defaults are its own version (see `note_symmetric`)."""

    relu: str = "half"
    dependence: str = "none"

    def __post_init__(self) -> None:
        for name, known in (("relu", RELU), ("dependence", DEPENDENCE)):
            if getattr(self, name) not in known:
                raise ConevolError(
                    f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}"
                )
        if self.dependence == "inputs" and self.relu != "half":
            raise ConevolError(
                f"noise that depends on the inputs is linear in them with relu='half' only, "
                f"got relu={self.relu!r}"
            )


class Reduction(NamedTuple):
    """The reduced networks of an ensemble in the note's order, and what they leave.

    Attributes
    ----------
    W_hi, W_hh, W_oh : ndarray, shapes (N, 2), (N, 2, 2), (N, 3, 2)
        The primed weights.
    e_hi, e_hh, e_oh : ndarray, shapes (N, 4), (N, 4, 4), (N, 3, 4)
        The weights minus U^T W'_hi, U^T W'_hh U and W'_oh V.
    y : ndarray, shape (N, 2, 3)
        y_3 as a linear map of x.
    """

    W_hi: NDArray[np.float64]
    W_hh: NDArray[np.float64]
    W_oh: NDArray[np.float64]
    e_hi: NDArray[np.float64]
    e_hh: NDArray[np.float64]
    e_oh: NDArray[np.float64]
    y: NDArray[np.float64]


def reduction(networks: Ensemble) -> Reduction:
    """Primed weights by averaging, of networks in the note's order.

    Examples
    --------
    >>> import conevol
    >>> from conevol.estimators.note_order import in_note_order
    >>> parts = reduction(in_note_order(conevol.zoo.load("4/3").noisy_copies(2)))
    >>> bool(abs(parts.e_hh @ U.T).max() < abs(parts.W_hh).max())
    True
    """
    hi = networks.W_hi @ U.T / 2.0
    hh = U @ networks.W_hh @ U.T / 4.0
    oh = networks.W_oh @ V.T / 2.0
    y = np.zeros((len(networks), 2, 3))
    for t in range(3):
        y = hh @ y
        y[:, :, t] = hi
    return Reduction(
        hi, hh, oh,
        networks.W_hi - hi @ U, networks.W_hh - U.T @ hh @ U, networks.W_oh - oh @ V, y,
    )  # fmt: skip


def noise_covariance(
    networks: Ensemble, parts: Reduction, reading: SymmetricReading
) -> NDArray[np.float64]:
    """E[eps_l eps_l^T] (N, 3, 3), carried through the steps as the note does.

    Second moments stand for covariances: every variable counts as centred.
    """
    hh = U.T @ parts.W_hh @ U
    hi = parts.W_hi @ U
    zero = np.zeros((len(networks), 4, 4))
    h, e, cross = zero, zero, zero  # E[h' h'^T], E[eps_h eps_h^T], E[eps_h h'^T]
    for _ in range(3):
        z = hh @ h @ _t(hh) + _outer(hi, hi)
        noise = _quadratic(networks.W_hh, e) + _quadratic(parts.e_hh, h)
        noise += _outer(parts.e_hi, parts.e_hi)
        both = zero
        if reading.dependence != "none":
            mixed = networks.W_hh @ cross @ _t(parts.e_hh)
            noise += mixed + _t(mixed)
            both = (networks.W_hh @ cross + parts.e_hh @ h) @ _t(hh) + _outer(parts.e_hi, hi)
        factor = _both_positive(z, reading.relu)
        h = _rectified(z) if reading.relu == "gaussian" else factor * z
        e, cross = factor * noise, factor * both
    out = _quadratic(networks.W_oh, e) + _quadratic(parts.e_oh, h)
    if reading.dependence != "none":
        mixed = networks.W_oh @ cross @ _t(parts.e_oh)
        out += mixed + _t(mixed)
    return out


def _noise_map(networks: Ensemble, parts: Reduction) -> NDArray[np.float64]:
    """eps_l as a linear map of x (N, 3, 3), every ReLU a multiplication by 1/2."""
    hh, hi = U.T @ parts.W_hh @ U, parts.W_hi @ U
    h = np.zeros((len(networks), 4, 3))
    e = h
    for t in range(3):
        noise, z = networks.W_hh @ e + parts.e_hh @ h, hh @ h
        noise[:, :, t] += parts.e_hi
        z[:, :, t] += hi
        h, e = 0.5 * z, 0.5 * noise
    return networks.W_oh @ e + parts.e_oh @ h


def _t(a: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.swapaxes(a, -1, -2)


def _outer(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a[:, :, None] * b[:, None, :]


def _quadratic(a: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
    return a @ c @ _t(a)


def _angles(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviations (N, 4) and angles arccos(correlation) (N, 4, 4) of Gaussians."""
    sd = np.sqrt(np.diagonal(z, axis1=1, axis2=2))
    scale = _outer(sd, sd)
    rho = np.divide(z, scale, out=np.zeros_like(z), where=scale > 0.0)
    # A correlation is beyond 1 by rounding only.
    return sd, np.arccos(np.clip(rho, -1.0, 1.0))


def _both_positive(z: NDArray[np.float64], relu: str) -> NDArray[np.float64]:
    """What a product of entries i and j keeps when both go through a ReLU; broadcasts to z."""
    if relu == "half":
        return np.full((1, 1, 1), 0.25)
    if relu == "indicator":
        return np.where(np.eye(4, dtype=bool), 0.5, 0.25)
    return 0.5 - _angles(z)[1] / (2.0 * np.pi)


def _rectified(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """E[relu(z_i) relu(z_j)] of centred Gaussians (Y. Cho and L. Saul 2009, eq. 4)."""
    sd, angle = _angles(z)
    kernel = np.sin(angle) + (np.pi - angle) * np.cos(angle)
    return _outer(sd, sd) * kernel / (2.0 * np.pi)


class SymmetricCones(NamedTuple):
    """The 24 cones: signs of y_3, times orders of x, in (x, eps) with eps standard Gaussian.

    Attributes
    ----------
    normals : ndarray, shape (N, 24, 6, 6)
        Two rows of signs, two of the order, two of logits.
    labels : ndarray of int, shape (24,)
    """

    normals: NDArray[np.float64]
    labels: NDArray[np.int64]


def symmetric_cones(networks: Ensemble, reading: SymmetricReading | None = None) -> SymmetricCones:
    """The cones whose fractions the symmetric version adds up, literally: d = 6, k = 6.

    Examples
    --------
    >>> import conevol
    >>> network = conevol.zoo.load("4/3")
    >>> cones = symmetric_cones(network.noisy_copies(1))
    >>> total = conevol.fraction(cones.normals[0]).sum()
    >>> estimate = note_symmetric(network.noisy_copies(1)[0])
    >>> bool(abs(total - estimate.value) < 1e-12)
    True
    """
    reading = reading or SymmetricReading()
    networks = in_note_order(networks)
    parts = reduction(networks)
    n = len(networks)
    if reading.dependence == "inputs":
        shift, root = _noise_map(networks, parts), np.zeros((n, 3, 3))
    else:
        shift = np.zeros((n, 3, 3))
        root = _square_root(noise_covariance(networks, parts, reading))
    task = get_task(networks.task)
    normals, labels = np.zeros((n, 24, 6, 6)), np.zeros(24, dtype=np.int64)
    for i, (sign, order) in enumerate(itertools.product(_SIGNS, _ORDERS)):
        size = sign[:, None] * parts.y
        logits = parts.W_oh @ size + shift
        label = int(task(2.0 - np.argsort(order)))
        others = [j for j in range(3) if j != label]
        normals[:, i, 0:2, :3] = size
        normals[:, i, [2, 3], order[:2]] = 1.0
        normals[:, i, [2, 3], order[1:]] = -1.0
        normals[:, i, 4:, :3] = logits[:, [label]] - logits[:, others]
        normals[:, i, 4:, 3:] = root[:, [label]] - root[:, others]
        labels[i] = label
    return SymmetricCones(normals, labels)


def _square_root(c: NDArray[np.float64]) -> NDArray[np.float64]:
    """R with R R^T = C, for covariances (N, 3, 3)."""
    values, vectors = np.linalg.eigh(c)
    bad = np.flatnonzero(values[:, 0] < -1e-9 * np.abs(values[:, -1]))
    if len(bad):
        raise ConevolError(
            f"the noise of network {bad[0]} has the eigenvalues {values[bad[0]]}: no covariance"
        )
    # Down to there an eigenvalue below 0 is rounding.
    return vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]


# Products of the propagation, of three steps and the readout, for general 4 x 4 matrices.
_STEP = 2 * 64 + 16 + 4 * 64 + 16 + 16 + 2 * 16
_READOUT = 2 * (48 + 36)
# Averages 2 + 4 + 6, y_3 10, U^T W' U 16, covariance's square root about 150.
_REDUCE = 12 + 10 + 16 + 150
# A cone's logit rows in x, and the rotation of its noise.
_ROWS = 2 * 3 * 2 + 2 * 9


def note_symmetric(
    network: ReluRNN, *, seed: int = 0, relu: str = "half", dependence: str = "none"
) -> Estimate:
    """The note's symmetric version, for one network of 4 neurons and n = 3.

    Parameters
    ----------
    network : ReluRNN
        With two positive and two negative input weights; its neurons are brought to the note's
        order first.
    seed : int
        Does nothing: the cones that the note samples are computed.
    relu : {"half", "indicator", "gaussian"}
        What a ReLU does to z' and to the noise: a multiplication by 1/2; by an independent
        indicator; the exact second moments of rectified Gaussians.
    dependence : {"none", "states", "inputs"}
        What of the dependence is kept: nothing, as in the note; the covariance of
        eps_h and h'; that, and the covariance of eps_l and x (the noise then is a linear function
        of x, and the cones are three-dimensional).

    Returns
    -------
    Estimate
        Which claims nothing.

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
    >>> abs(note_symmetric(network).value - conevol.accuracy(network).value) < 0.06
    True
    """
    return note_symmetric_ensemble(Ensemble.of([network]), relu=relu, dependence=dependence)[0]


def note_symmetric_ensemble(networks: Ensemble, *, seed: int = 0, **options: str) -> list[Estimate]:
    """`note_symmetric` for every network of an ensemble."""
    started = time.perf_counter()
    cones = symmetric_cones(networks, SymmetricReading(**options))
    values, spent = cone_probabilities(cones.normals)
    seconds = (time.perf_counter() - started) / max(len(networks), 1)
    operations = spent.sum(axis=1) + 3 * _STEP + _READOUT + _REDUCE + 24 * _ROWS
    name = ",".join(f"{key}={value}" for key, value in options.items())
    return [
        Estimate(
            estimator=f"note-symmetric:{name}" if name else "note-symmetric",
            value=float(values[i].sum()),
            claim="none",
            error=float("nan"),
            operations=int(operations[i]),
            seconds=seconds,
        )
        for i in range(len(networks))
    ]
