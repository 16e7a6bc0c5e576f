"""Mean accuracy over the last input, exactly, given the others.

With h = h_{n-1} known, u = W_hh h, the logits W_oh max(u + W_hi x, 0) are piecewise linear in
the last input x, with a breakpoint -u_j / W_hi_j a neuron; the label changes where x passes one
of two of the other inputs.  The walk goes through these points in order, with the logits'
values and slopes, and adds up the normal probability of where the label's logit is the largest.
"""

from __future__ import annotations

import math

import numpy as np

from conevol.kernels._jit import cold_kernel, inline_kernel, kernel, lowest_bit, never_inline
from conevol.kernels._rows import WIDTH, add_scaled_row, move_row, rows_at_least
from conevol.kernels.gaussian import LANES, fill_normals, seed_lanes
from conevol.kernels.logits import FIRST, SPLIT
from conevol.kernels.sampling import add_product, count_larger, run_steps

# Points that share one seeding; the unit of parallel work.
BLOCK = 2**12
# The walk ends where the normal distribution does in doubles: beyond, 1e-19 each side.
REACH = 9.0
# Where breakpoints go that are not met.
FAR = 2.0 * REACH
# The normal distribution function is tabled at this many points a unit.
_TABLE_STEP = 64
# Logits closer than this, relative to the sizes that were summed to them, count as tied.
_TIE = 1e-12


def sorting_network(size):
    """Comparators (count, 2) that sort `size` numbers (K. E. Batcher 1968, odd-even merge)."""
    pairs = []
    power = 1
    while power < size:
        step = power
        while step:
            for start in range(step % power, size - step, 2 * step):
                for i in range(start, min(start + step, size - step)):
                    if i // (2 * power) == (i + step) // (2 * power):
                        pairs.append((i, i + step))
            step //= 2
        power *= 2
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def distribution_table():
    """Normal distribution function and density at -REACH .. REACH, (2, points)."""
    points = np.arange(-int(REACH) * _TABLE_STEP, int(REACH) * _TABLE_STEP + 1) / _TABLE_STEP
    cdf = [0.5 * math.erfc(-x / math.sqrt(2.0)) for x in points]
    return np.array([cdf, np.exp(-0.5 * points**2) / math.sqrt(2.0 * math.pi)])


@inline_kernel
def normal_cdf(table, x):
    """Normal distribution function for |x| <= REACH: Taylor from the nearest entry, to 2e-16."""
    k = int((x + REACH) * _TABLE_STEP + 0.5)
    a = k / _TABLE_STEP - REACH
    d = x - a
    # Derivatives of the density are Hermite polynomials times it.
    h2 = a * a - 1.0
    h3 = a * (3.0 - a * a)
    h4 = a * a * (a * a - 6.0) + 3.0
    h5 = -a * (a * a * (a * a - 10.0) + 15.0)
    series = h4 / 120.0 + d * (h5 / 720.0)
    series = 1.0 + d * (-a / 2.0 + d * (h2 / 6.0 + d * (h3 / 24.0 + d * series)))
    return table[0, k] + table[1, k] * d * series


@inline_kernel
def _keys(u, w_hi, inverse, x, rank, larger, keys, key_bits, index_mask, size, labels):
    """Points where the walk of every lane has something to do, unsorted.

    keys (hidden + 2, LANES): breakpoints, then the planes where the label changes, each with
    its index in its last bits; size: sum of the neurons' inputs' absolute values, for
    rounding; labels (2, LANES): below the lower plane, above the upper.
    """
    hidden, others = u.shape[0], x.shape[0] - 1
    for lane in range(LANES):
        size[lane] = 0.0
    for j in range(hidden):
        factor, w = inverse[j], REACH * abs(w_hi[j])
        for lane in range(LANES):
            # A neuron that ignores the last input has no breakpoint.
            keys[j, lane] = min(max(factor * u[j, lane], -FAR), FAR) if factor != 0.0 else FAR
            size[lane] += abs(u[j, lane]) + w
    for lane in range(LANES):
        keys[hidden, lane] = -FAR
        keys[hidden + 1, lane] = FAR
        labels[0, lane] = 0.0
        labels[1, lane] = 0.0
    for i in range(others):
        count_larger(x, others, i, larger)
        for lane in range(LANES):
            value = min(max(x[i, lane], -FAR), FAR)
            below, above = larger[lane] == rank, larger[lane] == rank - 1.0
            keys[hidden, lane] = value if below else keys[hidden, lane]
            keys[hidden + 1, lane] = value if above else keys[hidden + 1, lane]
            labels[0, lane] = float(i) if below else labels[0, lane]
            labels[1, lane] = float(i) if above else labels[1, lane]
    for j in range(hidden + 2):
        index = np.uint64(j)
        for lane in range(LANES):
            key_bits[j, lane] = (key_bits[j, lane] & ~index_mask) | index


@inline_kernel
def _sort(keys, network):
    """Every lane's keys in ascending order."""
    for p in range(network.shape[0]):
        i, j = network[p, 0], network[p, 1]
        for lane in range(LANES):
            a, b = keys[i, lane], keys[j, lane]
            keys[i, lane] = a if a < b else b
            keys[j, lane] = b if a < b else a


@inline_kernel
def _rivals(value, row, chunks, label, tolerance):
    """Bits of the logits that reach the label's, but for the tolerance, in `chunks` rows."""
    level = value[row + label // WIDTH, label % WIDTH] - tolerance
    bits = 0
    for c in range(chunks):
        bits |= rows_at_least(value, row + c, level) << (c * WIDTH)
    return bits & ~(1 << label)


@inline_kernel
def _walk(lane, keys, key_bits, index_mask, u, w_hi, readout, first_value, first_slope, chunks, n,
          labels, tolerance, value, slope, ends, at_left, at_right, named):  # fmt: skip
    """Logits and rivals of the label at all points of one lane; the number of pieces.

    Piece p is ends[p] .. ends[p + 1] with label named[p]; value[p chunks ..] are the logits at
    its left end, at_left[p] and at_right[p] the logits that reach the label's at its two ends.
    readout (hidden * chunks, 8) has the columns of W_oh; first_value, first_slope (chunks, 8)
    the part of logits and slopes at -REACH that every lane shares.
    """
    hidden = w_hi.shape[0]
    active = 0
    for c in range(chunks):
        for i in range(WIDTH):
            value[c, i] = first_value[c, i]
            slope[c, i] = first_slope[c, i]
    for j in range(hidden):
        # Far to the left the neurons with negative weights are on; some are on everywhere.
        if w_hi[j] < 0.0 or (w_hi[j] == 0.0 and u[j, lane] > 0.0):
            active += 1
            for c in range(chunks):
                add_scaled_row(value, c, readout, j * chunks + c, u[j, lane])
    label, seen = int(labels[0, lane]), 0
    pieces = 0
    rivals = _rivals(value, 0, chunks, label, tolerance)
    ends[0] = -REACH
    named[0] = label
    for r in range(hidden + 3):
        key = keys[r, lane] if r < hidden + 2 else FAR
        row = pieces * chunks
        if key > -REACH:
            end = min(key, REACH)
            dx = end - ends[pieces]
            for c in range(chunks):
                move_row(value, row + c, slope, c, dx)
            row += chunks
            at_left[pieces] = rivals
            rivals = _rivals(value, row, chunks, label, tolerance)
            at_right[pieces] = rivals
            pieces += 1
            ends[pieces] = end
            if key >= REACH:
                break
        j = np.int64(key_bits[r, lane] & index_mask)
        if j < hidden:
            w = abs(w_hi[j])
            for c in range(chunks):
                add_scaled_row(slope, c, readout, j * chunks + c, w)
            active += 1 if w_hi[j] > 0.0 else -1
            if key <= -REACH:
                for c in range(chunks):
                    jump = abs(w) * -REACH - (u[j, lane] if w_hi[j] < 0.0 else -u[j, lane])
                    add_scaled_row(value, row + c, readout, j * chunks + c, jump)
            if active == 0:
                # All logits are 0 here, not just nearly.
                for i in range(n):
                    value[row + i // WIDTH, i % WIDTH] = 0.0
                    slope[i // WIDTH, i % WIDTH] = 0.0
            if active == 0 or key <= -REACH:
                rivals = _rivals(value, row, chunks, label, tolerance)
        else:
            seen |= 1 + j - hidden
            label = int(labels[1, lane]) if seen >= 2 else n - 1
            rivals = _rivals(value, row, chunks, label, tolerance)
        named[pieces] = label
    return pieces


@cold_kernel
def _piece(table, value, row, chunks, label, x, dx, left, right, tolerance, ties):
    """Credit times probability of one piece x .. x + dx; left, right: the rivals at its ends."""
    never_inline()
    low, high = 0.0, dx
    equal, earlier = 0, False
    mine_left = value[row + label // WIDTH, label % WIDTH]
    mine_right = value[row + chunks + label // WIDTH, label % WIDTH]
    # Those at both ends win throughout, or are tied.
    rivals = left & right
    while rivals != 0:
        i = lowest_bit(rivals)
        a = mine_left - value[row + i // WIDTH, i % WIDTH]
        b = mine_right - value[row + chunks + i // WIDTH, i % WIDTH]
        if min(a, b) < -tolerance:
            return 0.0
        equal += 1
        earlier = earlier or i < label
        rivals &= rivals - 1
    rivals = left ^ right
    while rivals != 0:
        i = lowest_bit(rivals)
        a = mine_left - value[row + i // WIDTH, i % WIDTH]
        b = mine_right - value[row + chunks + i // WIDTH, i % WIDTH]
        root = dx * (a / (a - b)) if a != b else 0.0
        low = max(low, root) if a < 0.0 else low
        high = min(high, root) if b < 0.0 else high
        rivals &= rivals - 1
    if low >= high:
        return 0.0
    mass = normal_cdf(table, x + high) - normal_cdf(table, x + low)
    if equal == 0:
        return mass
    if ties == SPLIT:
        return mass / (equal + 1.0)
    return mass if ties == FIRST and not earlier else 0.0


@inline_kernel
def _credit(table, value, chunks, pieces, ends, at_left, at_right, named, tolerance, ties):
    """Probability, over the last input, of a right answer on the pieces of one walk."""
    total, start = 0.0, 0
    for p in range(pieces + 1):
        # Neighbouring pieces that are right throughout are added as one.
        if p < pieces and (at_left[p] | at_right[p]) == 0:
            continue
        if p > start:
            total += normal_cdf(table, ends[p]) - normal_cdf(table, ends[start])
        start = p + 1
        if p < pieces:
            total += _piece(
                table, value, p * chunks, chunks, named[p], ends[p], ends[p + 1] - ends[p],
                at_left[p], at_right[p], tolerance, ties,
            )  # fmt: skip
    return total


@kernel
def conditional_blocks(w_hi, w_hh, w_oh, rank, ties, network, table, points, seed, samples,
                       start, stop, sums):  # fmt: skip
    """Sum over the points of blocks start..stop of the accuracy given all inputs but the last.

    points (samples, n - 1) are the other inputs; with no rows, they are drawn from the seed.
    sums (blocks, 3): of the values, their squares, and the pieces.  n <= 64.
    """
    n, hidden = w_oh.shape
    chunks = (n + WIDTH - 1) // WIDTH
    readout, scale = np.zeros((hidden * chunks, WIDTH)), 0.0
    for i in range(n):
        for j in range(hidden):
            readout[j * chunks + i // WIDTH, i % WIDTH] = w_oh[i, j]
            scale = max(scale, abs(w_oh[i, j]))
    _sum_blocks(
        w_hi, w_hh, readout, scale, n, rank, ties, network, table, points, seed, samples, start,
        stop, sums,
    )  # fmt: skip


@kernel
def _sum_blocks(w_hi, w_hh, readout, scale, n, rank, ties, network, table, points, seed, samples,
                start, stop, sums):  # fmt: skip
    """`conditional_blocks` on the columns of W_oh in rows of eight, readout (hidden * chunks, 8).

    scale: the size of the largest entry.  A function of its own, since in one that makes
    `readout` the walk is a tenth slower.
    """
    never_inline()
    hidden = w_hi.shape[0]
    chunks = readout.shape[0] // hidden
    index_mask = np.uint64(1)
    while index_mask < np.uint64(hidden + 1):
        index_mask = index_mask + index_mask + np.uint64(1)
    inverse = np.empty(hidden)
    first_value, first_slope = np.zeros((chunks, WIDTH)), np.zeros((chunks, WIDTH))
    for i in range(n, chunks * WIDTH):
        first_value[i // WIDTH, i % WIDTH] = -math.inf
    for j in range(hidden):
        inverse[j] = -1.0 / w_hi[j] if w_hi[j] != 0.0 else 0.0
        if w_hi[j] < 0.0:
            for c in range(chunks):
                for i in range(WIDTH):
                    first_value[c, i] += -REACH * w_hi[j] * readout[j * chunks + c, i]
                    first_slope[c, i] += w_hi[j] * readout[j * chunks + c, i]
    state, bits = np.empty((4, LANES), np.uint64), np.empty(LANES, np.uint64)
    real = np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    x, labels = np.empty((n, LANES)), np.empty((2, LANES))
    larger, size = np.empty(LANES), np.empty(LANES)
    h, z, u = np.empty((hidden, LANES)), np.empty((hidden, LANES)), np.empty((hidden, LANES))
    keys = np.empty((hidden + 2, LANES))
    key_bits = keys.view(np.uint64)
    value, slope = np.empty(((hidden + 4) * chunks, WIDTH)), np.empty((chunks, WIDTH))
    ends, named = np.empty(hidden + 4), np.empty(hidden + 4, np.int64)
    at_left, at_right = np.empty(hidden + 4, np.int64), np.empty(hidden + 4, np.int64)
    for block in range(start, stop):
        seed_lanes(state, seed, block)
        total, squares, walked = 0.0, 0.0, 0
        for group in range(block * BLOCK, min((block + 1) * BLOCK, samples), LANES):
            width = min(LANES, samples - group)
            if points.shape[0] == 0:
                fill_normals(state, bits, real, real_bits, x, n - 1)
            else:
                for lane in range(LANES):
                    for i in range(n - 1):
                        x[i, lane] = points[group + lane, i] if lane < width else 0.0
            run_steps(w_hi, w_hh, x, n - 1, h, z)
            for j in range(hidden):
                for lane in range(LANES):
                    u[j, lane] = 0.0
            if n > 1:
                add_product(w_hh, h, u)
            _keys(u, w_hi, inverse, x, rank, larger, keys, key_bits, index_mask, size, labels)
            _sort(keys, network)
            for lane in range(width):
                tolerance = _TIE * scale * size[lane]
                pieces = _walk(
                    lane, keys, key_bits, index_mask, u, w_hi, readout, first_value, first_slope,
                    chunks, n, labels, tolerance, value, slope, ends, at_left, at_right, named,
                )  # fmt: skip
                credit = _credit(
                    table, value, chunks, pieces, ends, at_left, at_right, named, tolerance, ties
                )
                total += credit
                squares += credit * credit
                walked += pieces
        sums[block, 0] = total
        sums[block, 1] = squares
        sums[block, 2] = walked
