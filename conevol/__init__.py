"""Exact fractions of polyhedral cones, and the exact accuracy of small ReLU networks."""

from conevol._version import __version__

__all__ = ["__version__"]
