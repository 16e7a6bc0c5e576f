"""Mean answer over stratified values of the last inputs, given the first ones.

The first inputs are points of a shifted sequence, one a lane.  The last ones form a tree: at
every node the next input takes several values, one in each of equally probable strata.  All
lanes of a group share these values, so that a node costs one addition a neuron, and what
comes before it is computed once.
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
_ALL_BITS = np.uint64(2**64 - 1)


@inline_kernel
def stratified_normal(stratum, strata, v):
    """Normal quantile of the place v, 0 < v < 1, in one of equally probable strata."""
    # Neighbours are mirror images: what is linear in v cancels in their sum.
    v = 1.0 - v if stratum % 2 == 1 else v
    if 2 * stratum >= strata:
        return -normal_quantile((strata - 1 - stratum + (1.0 - v)) / strata)
    return normal_quantile((stratum + v) / strata)


@inline_kernel
def _draw_values(nodes, steps, shifts, replicate, group, first, values):
    """values[level, node]: the inputs of all nodes of a group's trees.

    Coordinate first + level of the sequence is the place in their strata of the children of
    a level's first node; it is turned evenly from one node to the next, so that all
    the values of a level are spread evenly too.
    """
    for level in range(nodes.size - 1):
        t = first + level
        place = np.uint64(group) * steps[t] + shifts[replicate, t]
        turn = _ALL_BITS // np.uint64(nodes[level])
        children = nodes[level + 1] // nodes[level]
        for node in range(nodes[level]):
            v = (float((place + np.uint64(node) * turn) >> _U12) + 0.5) * 2.0**-52
            for k in range(children):
                values[level, node * children + k] = stratified_normal(k, children, v)


@inline_kernel
def _first_top(x, rows, top):
    """top[0]: the largest of the first rows of x in descending order, -inf where missing."""
    for i in range(top.shape[1]):
        for lane in range(LANES):
            top[0, i, lane] = -math.inf
    for t in range(rows):
        for i in range(top.shape[1] - 1, 0, -1):
            for lane in range(LANES):
                top[0, i, lane] = max(top[0, i, lane], min(top[0, i - 1, lane], x[t, lane]))
        for lane in range(LANES):
            top[0, 0, lane] = max(top[0, 0, lane], x[t, lane])


@inline_kernel
def _next_top(top, level, x):
    """top[level + 1] = top[level] with the number x put in its place."""
    for lane in range(LANES):
        top[level + 1, 0, lane] = max(top[level, 0, lane], x)
    for i in range(1, top.shape[1]):
        for lane in range(LANES):
            lower = min(top[level, i - 1, lane], x)
            top[level + 1, i, lane] = max(top[level, i, lane], lower)


@inline_kernel
def _judge(x, logits, top, level, mine, other, credit):
    """Add a right answer to the credit of every lane that gives it; how many lanes are tied.

    The label is the index of the input that equals the last of top[level]; mine and other
    become its logit and the largest of the others.
    """
    last = top.shape[1] - 1
    for lane in range(LANES):
        mine[lane] = -math.inf
        other[lane] = -math.inf
    for i in range(x.shape[0]):
        for lane in range(LANES):
            value, hit = logits[i, lane], x[i, lane] == top[level, last, lane]
            mine[lane] = value if hit else mine[lane]
            other[lane] = max(other[lane], -math.inf if hit else value)
    tied = 0.0
    for lane in range(LANES):
        credit[lane] += 1.0 if mine[lane] > other[lane] else 0.0
    for lane in range(LANES):
        tied += 1.0 if mine[lane] == other[lane] else 0.0
    return tied


@inline_kernel
def _judge_ties(x, logits, top, level, mine, other, rule, credit):
    """Add the credit of the lanes whose label's logit is tied with the largest other."""
    last = top.shape[1] - 1
    for lane in range(LANES):
        if mine[lane] != other[lane]:
            continue
        ties, earlier, seen = 0.0, False, False
        for i in range(x.shape[0]):
            seen = seen or x[i, lane] == top[level, last, lane]
            if logits[i, lane] == mine[lane]:
                ties += 1.0
                earlier = earlier or not seen
        if rule == SPLIT:
            credit[lane] += 1.0 / ties
        elif rule == FIRST and not earlier:
            credit[lane] += 1.0


@inline_kernel
def _descend(level, leaf, nodes, w_hi, w_hh, values, x, row, h, u, top):
    """Take the input of a level on the way to a leaf, if it is another than for the leaf before.

    u[level] keeps W_hh h of the parent, whose state is in h when its first child is entered.
    """
    hidden = w_hi.size
    below = nodes[-1] // nodes[level + 1]
    if leaf % below != 0:
        return
    if leaf % (nodes[-1] // nodes[level]) == 0:
        for j in range(hidden):
            for lane in range(LANES):
                u[level, j, lane] = 0.0
        add_product(w_hh, h, u[level])
    value = values[level, leaf // below]
    for j in range(hidden):
        shift = w_hi[j] * value
        for lane in range(LANES):
            h[j, lane] = max(u[level, j, lane] + shift, 0.0)
    for lane in range(LANES):
        x[row, lane] = value
    _next_top(top, level, value)


@kernel
def conditional_range(w_hi, w_hh, w_oh, rank, rule, nodes, steps, shifts, groups, start, stop,
                      sums):  # fmt: skip
    """sums[i] of the credits of items start..stop, blocks of GROUPS of a replicate's groups.

    nodes (d + 1,): nodes of a tree before and after each of the last d < n inputs (n of them
    for d = 0); steps (m,), shifts (replicates, m): of the sequence, as fractions of 2^64,
    with m = d + n - d rounded up to be even.
    """
    hidden, n, d = w_hi.size, w_oh.shape[0], nodes.size - 1
    roots, leaves = n - d, nodes[d]
    bits, real = np.empty(LANES, np.uint64), np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    x, logits, values = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((d, leaves))
    h, z, u = np.empty((hidden, LANES)), np.empty((hidden, LANES)), np.empty((d, hidden, LANES))
    top = np.empty((d + 1, rank + 1, LANES))
    mine, other, credit = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    blocks = (groups + GROUPS - 1) // GROUPS
    for item in range(start, stop):
        replicate = item // blocks
        first = (item - replicate * blocks) * GROUPS
        for lane in range(LANES):
            credit[lane] = 0.0
        for group in range(first, min(first + GROUPS, groups)):
            fill_shifted_normals(
                steps, shifts, replicate, group * LANES, bits, real, real_bits, x, roots
            )
            _draw_values(nodes, steps, shifts, replicate, group, roots + roots % 2, values)
            _first_top(x, roots, top)
            run_steps(w_hi, w_hh, x, roots, h, z)
            for leaf in range(leaves):
                for level in range(d):
                    _descend(level, leaf, nodes, w_hi, w_hh, values, x, roots + level, h, u, top)
                for i in range(n):
                    for lane in range(LANES):
                        logits[i, lane] = 0.0
                add_product(w_oh, h, logits)
                if _judge(x, logits, top, d, mine, other, credit) > 0.0:
                    _judge_ties(x, logits, top, d, mine, other, rule, credit)
        sums[item] = 0.0
        for lane in range(LANES):
            sums[item] += credit[lane]
