"""Mean answer over stratified values of the last input, given the others.

The other inputs are points of a shifted sequence, one a lane (`conevol.kernels.ordered`).  The
last takes several values, one in each of equally probable strata; all that comes before is
computed once.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import fma, inline_kernel, kernel
from conevol.kernels.gaussian import LANES
from conevol.kernels.logits import FIRST, SPLIT
from conevol.kernels.ordered import fill_ordered, start_points
from conevol.kernels.sampling import add_product, run_steps

# Groups of lanes of one item of parallel work.
GROUPS = 16


@inline_kernel
def _fill_zeros(z):
    for j in range(z.shape[0]):
        for lane in range(LANES):
            z[j, lane] = 0.0


@inline_kernel
def _find_top(x, rows, top):
    """top: the largest of the first rows of x in descending order, -inf where missing."""
    for i in range(top.shape[0]):
        for lane in range(LANES):
            top[i, lane] = -math.inf
    for t in range(rows):
        for i in range(top.shape[0] - 1, 0, -1):
            for lane in range(LANES):
                top[i, lane] = max(top[i, lane], min(top[i - 1, lane], x[t, lane]))
        for lane in range(LANES):
            top[0, lane] = max(top[0, lane], x[t, lane])


@inline_kernel
def _take_last(last, stratum, w_hi, u, top, x, h, named):
    """Take a row of last inputs: the state h, and the input to name, of the rank for which top is.

    u (hidden, LANES) is W_hh h of the step before.
    """
    n, rank = x.shape[0], top.shape[0] - 1
    for j in range(w_hi.size):
        w = w_hi[j]
        for lane in range(LANES):
            h[j, lane] = max(fma(w, last[stratum, lane], u[j, lane]), 0.0)
    for lane in range(LANES):
        x[n - 1, lane] = last[stratum, lane]
        named[lane] = last[stratum, lane]
    if rank > 0:
        for lane in range(LANES):
            named[lane] = min(top[rank - 1, lane], named[lane])
    for lane in range(LANES):
        named[lane] = max(top[rank, lane], named[lane])


@inline_kernel
def _judge(x, named, logits, mine, other, credit):
    """Add a right answer to the credit of every lane that gives it; how many lanes are tied.

    The label is the index of the input that equals named; mine and other become its logit and
    the largest of the others.
    """
    for lane in range(LANES):
        mine[lane] = -math.inf
        other[lane] = -math.inf
    for i in range(x.shape[0]):
        for lane in range(LANES):
            value, hit = logits[i, lane], x[i, lane] == named[lane]
            mine[lane] = value if hit else mine[lane]
            other[lane] = max(other[lane], -math.inf if hit else value)
    tied = 0.0
    for lane in range(LANES):
        credit[lane] += 1.0 if mine[lane] > other[lane] else 0.0
    for lane in range(LANES):
        tied += 1.0 if mine[lane] == other[lane] else 0.0
    return tied


@inline_kernel
def _judge_ties(x, named, logits, mine, other, rule, credit):
    """Add the credit of the lanes whose label's logit is tied with the largest other."""
    for lane in range(LANES):
        if mine[lane] != other[lane]:
            continue
        ties, earlier, seen = 0.0, False, False
        for i in range(x.shape[0]):
            seen = seen or x[i, lane] == named[lane]
            if logits[i, lane] == mine[lane]:
                ties += 1.0
                earlier = earlier or not seen
        if rule == SPLIT:
            credit[lane] += 1.0 / ties
        elif rule == FIRST and not earlier:
            credit[lane] += 1.0


@kernel
def ordered_points(directions, steps, seed, replicate, points):
    """All inputs but the last of the first points (count, n - 1) of one replicate, n > 1."""
    count, size = points.shape
    base = np.empty((directions.shape[0] + steps.size, LANES), np.uint64)
    real = np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    x, last = np.empty((size, LANES)), np.empty((1, LANES))
    start_points(directions, steps, seed, replicate, LANES, base)
    for first in range(0, count, LANES):
        fill_ordered(directions, steps, first, base, real, real_bits, x, size, last)
        for lane in range(min(LANES, count - first)):
            for i in range(size):
                points[first + lane, i] = x[i, lane]


@kernel
def stratified_range(w_hi, w_hh, w_oh, rank, rule, values, directions, steps, seed, width, groups,
                     start, stop, sums):  # fmt: skip
    """sums (items, LANES / width): credits of items start..stop, of each of their replicates.

    An item is a block of GROUPS of the `groups` of LANES / width replicates, `width` lanes each;
    more than one group only where width = LANES.  values: of the last input; directions
    (2 ordered + 1, 64), steps (n - 1 - ordered,): of the points, see `start_points`.
    """
    hidden, n = w_hi.size, w_oh.shape[0]
    base = np.empty((directions.shape[0] + steps.size, LANES), np.uint64)
    real = np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    last, credit = np.empty((values, LANES)), np.empty(LANES)
    x, logits, top = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((rank + 1, LANES))
    h, z, u = np.empty((hidden, LANES)), np.empty((hidden, LANES)), np.empty((hidden, LANES))
    named, mine, other = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    blocks = (groups + GROUPS - 1) // GROUPS
    for item in range(start, stop):
        family = item // blocks
        first = (item - family * blocks) * GROUPS
        start_points(directions, steps, seed, family * (LANES // width), width, base)
        for lane in range(LANES):
            credit[lane] = 0.0
        for group in range(first, min(first + GROUPS, groups)):
            fill_ordered(directions, steps, group * LANES, base, real, real_bits, x, n - 1, last)
            _find_top(x, n - 1, top)
            run_steps(w_hi, w_hh, x, n - 1, h, z)
            _fill_zeros(u)
            if n > 1:
                add_product(w_hh, h, u)
            for stratum in range(values):
                _take_last(last, stratum, w_hi, u, top, x, h, named)
                _fill_zeros(logits)
                add_product(w_oh, h, logits)
                if _judge(x, named, logits, mine, other, credit) > 0.0:
                    _judge_ties(x, named, logits, mine, other, rule, credit)
        for part in range(LANES // width):
            sums[item, part] = 0.0
            for lane in range(part * width, (part + 1) * width):
                sums[item, part] += credit[lane]


@kernel
def credits_range(w_hi, w_hh, w_oh, rank, rule, x, start, stop, out):
    """Credits of the inputs x (points, n), those of the groups start..stop of LANES, in out."""
    hidden, n = w_hi.size, w_oh.shape[0]
    points = x.shape[0]
    lanes, logits, top = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((rank + 1, LANES))
    h, z = np.empty((hidden, LANES)), np.empty((hidden, LANES))
    mine, other, credit = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for group in range(start, stop):
        first = group * LANES
        for lane in range(LANES):
            credit[lane] = 0.0
            for t in range(n):
                lanes[t, lane] = x[min(first + lane, points - 1), t]
        _find_top(lanes, n, top)
        run_steps(w_hi, w_hh, lanes, n, h, z)
        _fill_zeros(logits)
        add_product(w_oh, h, logits)
        if _judge(lanes, top[rank], logits, mine, other, credit) > 0.0:
            _judge_ties(lanes, top[rank], logits, mine, other, rule, credit)
        for lane in range(min(LANES, points - first)):
            out[first + lane] = credit[lane]
