"""The sampler, with its answers sorted by the activation pattern of the first steps."""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import inline_kernel, kernel
from conevol.kernels.gaussian import LANES, fill_normals, seed_lanes
from conevol.kernels.logits import FIRST, SPLIT
from conevol.kernels.sampling import BLOCK, add_product, score

# Columns of the sums of a stratum: samples, their credits, the squares of these.
HITS, CREDIT, SQUARES = 0, 1, 2


@inline_kernel
def _forward_with_key(w_hi, w_hh, w_oh, x, words, h, z, logits, key):
    """Logits (n, LANES) of inputs x, and key (LANES,): sum of the words of neurons that are on."""
    n = w_oh.shape[0]
    steps, hidden = words.shape
    for lane in range(LANES):
        key[lane] = np.uint64(0)
    for t in range(n):
        for j in range(hidden):
            w = w_hi[j]
            for lane in range(LANES):
                z[j, lane] = w * x[t, lane]
        if t > 0:
            add_product(w_hh, h, z)
        for j in range(hidden):
            for lane in range(LANES):
                h[j, lane] = max(z[j, lane], 0.0)
            if t < steps:
                word = words[t, j]
                for lane in range(LANES):
                    key[lane] += word if z[j, lane] > 0.0 else np.uint64(0)
    for i in range(n):
        for lane in range(LANES):
            logits[i, lane] = 0.0
    add_product(w_oh, h, logits)


def new_table(keys):
    """A hash table of distinct keys, whose low bits are random: their places, -1 where empty."""
    # At most a quarter full, so that few keys share a slot.
    table = np.full(1 << (4 * len(keys)).bit_length(), -1)
    for i, key in enumerate(keys.tolist()):
        slot = key & (len(table) - 1)
        while table[slot] >= 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = i
    return table


@inline_kernel
def stratum_of(key, keys, table):
    """Place of a key in keys; len(keys), the rest, if it is not there."""
    mask = table.shape[0] - 1
    slot = np.int64(key & np.uint64(mask))
    while table[slot] >= 0 and keys[table[slot]] != key:
        slot = (slot + 1) & mask
    return table[slot] if table[slot] >= 0 else keys.shape[0]


@kernel
def prefix_blocks(
    w_hi, w_hh, w_oh, rank, rule, seed, samples, words, keys, table, start, stop, sums
):
    """Add the samples of blocks start..stop, those of `sample_blocks`, to sums.

    words (steps, hidden) uint64, keys (strata,) uint64 with their table; sums (strata + 1, 3),
    the last row for all other patterns.
    """
    hidden, n = w_hi.shape[0], w_oh.shape[0]
    state = np.empty((4, LANES), np.uint64)
    bits, key = np.empty(LANES, np.uint64), np.empty(LANES, np.uint64)
    real = np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    x, logits = np.empty((n, LANES)), np.empty((n, LANES))
    h, z = np.empty((hidden, LANES)), np.empty((hidden, LANES))
    best, ties, first = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    larger, label_logit, label = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for block in range(start, stop):
        seed_lanes(state, seed, block)
        for group in range(block * BLOCK, min((block + 1) * BLOCK, samples), LANES):
            fill_normals(state, bits, real, real_bits, x, n)
            _forward_with_key(w_hi, w_hh, w_oh, x, words, h, z, logits, key)
            score(x, logits, float(rank), best, ties, first, larger, label_logit, label)
            for lane in range(min(LANES, samples - group)):
                m = stratum_of(key[lane], keys, table)
                sums[m, HITS] += 1.0
                if label_logit[lane] != best[lane]:
                    continue
                if ties[lane] == 1.0 or (rule == FIRST and first[lane] == label[lane]):
                    sums[m, CREDIT] += 1.0
                    sums[m, SQUARES] += 1.0
                elif rule == SPLIT:
                    share = 1.0 / ties[lane]
                    sums[m, CREDIT] += share
                    sums[m, SQUARES] += share * share
