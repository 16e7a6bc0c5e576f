"""Fractions of cones to any number of digits, from exact combinatorics.

Every decision (which rows matter, which rays exist, whether the interior is
empty) is taken in exact arithmetic on the numbers as given; only then are
lengths and angles evaluated, with as many digits as asked.  Simple rather than
fast: this is what the compiled code is measured against, and it shares nothing
with it but the formulas.
"""

from conevol.precision._fraction import fraction, solid_angle
from conevol.precision._symbolic import closed_form

__all__ = ["closed_form", "fraction", "solid_angle"]
