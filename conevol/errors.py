"""The errors a user can meet.  All are ValueErrors: the input was wrong, and the text says how."""

from __future__ import annotations

__all__ = [
    "CellsError",
    "ConevolError",
    "CovarianceError",
    "FileFormatError",
    "FractionError",
    "NormalsError",
    "TaskError",
    "WeightsError",
]


class ConevolError(ValueError):
    """Base of all errors that conevol raises about its input."""


class NormalsError(ConevolError):
    """Normals of a cone have a wrong shape, a wrong type or a value that is not finite."""


class CovarianceError(ConevolError):
    """A covariance has a wrong shape, or is not finite, symmetric or semidefinite."""


class FractionError(ConevolError):
    """The fraction of a cone cannot be computed: too many faces, or numbers too ill-conditioned."""


class WeightsError(ConevolError):
    """Weights of a network have a wrong shape, a missing part or a value that is not finite."""


class CellsError(ConevolError):
    """A network has more cells than an exact computation was allowed to visit."""


class TaskError(ConevolError):
    """A task is unknown, or does not exist for this sequence length."""


class FileFormatError(ConevolError):
    """A file cannot be read as what it should hold."""
