"""Mean answer over stratified values of the last input, given the others.

The other inputs are points of a shifted sequence, one a lane.  The last takes several values,
one in each of equally probable strata.  All lanes of a group share these values, so that
each costs one addition a neuron, and all that comes before is computed once.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels.gaussian import LANES, fill_shifted_normals
from conevol.kernels.sampling import add_product, run_steps
from conevol.kernels.separation import normal_quantile

# Groups of lanes of one item of parallel work.
GROUPS = 16
FIRST, SPLIT, WRONG = 0, 1, 2
_U12 = np.uint64(12)


@inline_kernel
def stratified_normal(stratum, strata, v):
    """Normal quantile of the place v, 0 < v < 1, in one of equally probable strata."""
    # Neighbours are mirror images: what is linear in v cancels in their sum.
    v = 1.0 - v if stratum % 2 == 1 else v
    if 2 * stratum >= strata:
        return -normal_quantile((strata - 1 - stratum + (1.0 - v)) / strata)
    return normal_quantile((stratum + v) / strata)


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
def _take_last(value, w_hi, u, top, x, h, named):
    """Take that last input: the state h, and the input to name, of the rank for which top is.

    u (hidden, LANES) is W_hh h of the step before.
    """
    n, rank = x.shape[0], top.shape[0] - 1
    for j in range(w_hi.size):
        shift = w_hi[j] * value
        for lane in range(LANES):
            h[j, lane] = max(u[j, lane] + shift, 0.0)
    for lane in range(LANES):
        x[n - 1, lane] = value
        named[lane] = value
    if rank > 0:
        for lane in range(LANES):
            named[lane] = min(top[rank - 1, lane], value)
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
def stratified_range(w_hi, w_hh, w_oh, rank, rule, values, steps, shifts, groups, start, stop,
                      sums):  # fmt: skip
    """sums[i] of the credits of items start..stop, blocks of GROUPS of a replicate's groups.

    values: of the last input; steps (m,), shifts (replicates, m): of the sequence, as
    fractions of 2^64; the first n - 1 of the m coordinates, rounded up to be even, make the
    other inputs, and the one after, by the group, the place of the values in their strata.
    """
    hidden, n = w_hi.size, w_oh.shape[0]
    place = steps.size - 1
    bits, real = np.empty(LANES, np.uint64), np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    x, logits, top = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((rank + 1, LANES))
    h, z, u = np.empty((hidden, LANES)), np.empty((hidden, LANES)), np.empty((hidden, LANES))
    named, mine, other, credit = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    blocks = (groups + GROUPS - 1) // GROUPS
    for item in range(start, stop):
        replicate = item // blocks
        first = (item - replicate * blocks) * GROUPS
        for lane in range(LANES):
            credit[lane] = 0.0
        for group in range(first, min(first + GROUPS, groups)):
            fill_shifted_normals(
                steps, shifts, replicate, group * LANES, bits, real, real_bits, x, n - 1
            )
            fraction = np.uint64(group) * steps[place] + shifts[replicate, place]
            v = (float(fraction >> _U12) + 0.5) * 2.0**-52
            _find_top(x, n - 1, top)
            run_steps(w_hi, w_hh, x, n - 1, h, z)
            _fill_zeros(u)
            if n > 1:
                add_product(w_hh, h, u)
            for stratum in range(values):
                last = stratified_normal(stratum, values, v)
                _take_last(last, w_hi, u, top, x, h, named)
                _fill_zeros(logits)
                add_product(w_oh, h, logits)
                if _judge(x, named, logits, mine, other, credit) > 0.0:
                    _judge_ties(x, named, logits, mine, other, rule, credit)
        sums[item] = 0.0
        for lane in range(LANES):
            sums[item] += credit[lane]


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
