"""A fraction with all that is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["FractionReport"]


@dataclass(frozen=True)
class FractionReport:
    """Fractions of a batch of cones, how they were found, and how good they are.

    All attributes are scalars for one cone, else arrays of the batch shape.

    Attributes
    ----------
    value : float
        Fractions, in [0, 1].
    error_bound : float
        |value - exact| <= error_bound (see `FractionResult`); 1 for a sampled value,
        of which nothing is certain.
    standard_error : float
        Of a sampled value, from 16 independent repetitions; else 0.
    method : str
        "polygon", "closed" (no interior, or a rank of at most 1), "subsets" or
        "lattice", with ", double-double" where that was needed, or "sample".
    rank : int
        Dimension d minus that of the largest subspace in the cone; for "polygon" d.
    faces : int
        Faces of the lattice, {0} and the cone included; 0 where there was none.
    nodes : int
        Nodes of the quadrature, or points of the sample.
    """

    value: Any
    error_bound: Any
    standard_error: Any
    method: Any
    rank: Any
    faces: Any
    nodes: Any
