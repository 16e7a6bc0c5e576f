"""The reference values of the other benchmarks, computed again (some minutes)."""

from benchmarks.covariances import run

__all__ = ["run"]
