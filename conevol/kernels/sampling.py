"""The sampler: Gaussian inputs through a network, many lanes at once."""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import fma, inline_kernel, kernel
from conevol.kernels.gaussian import LANES, fill_normals, seed_lanes

# Samples that share one seeding; the unit of parallel work.
BLOCK = 2**15


@inline_kernel
def _forward(w_hi, w_hh, w_oh, x, h, z, logits):
    """Logits (n, LANES) of inputs x (n, LANES); h, z (hidden, LANES) are scratch."""
    hidden, n = w_hi.shape[0], w_oh.shape[0]
    for t in range(n):
        for j in range(hidden):
            w = w_hi[j]
            for lane in range(LANES):
                z[j, lane] = w * x[t, lane]
            if t > 0:
                for k in range(hidden):
                    w = w_hh[j, k]
                    for lane in range(LANES):
                        z[j, lane] = fma(w, h[k, lane], z[j, lane])
        for j in range(hidden):
            for lane in range(LANES):
                h[j, lane] = max(z[j, lane], 0.0)
    for i in range(n):
        for lane in range(LANES):
            logits[i, lane] = 0.0
        for k in range(hidden):
            w = w_oh[i, k]
            for lane in range(LANES):
                logits[i, lane] = fma(w, h[k, lane], logits[i, lane])


@inline_kernel
def _score(x, logits, rank, best, ties, first, label_logit, label):
    """Of every lane: how many logits are largest, the first of them, and the label's.

    The label is the index with just `rank` larger inputs (rank of the task from the top).
    """
    n = x.shape[0]
    for lane in range(LANES):
        best[lane] = logits[0, lane]
        ties[lane] = 1.0
        first[lane] = 0.0
    for i in range(1, n):
        for lane in range(LANES):
            value, top = logits[i, lane], best[lane]
            above = value > top
            count = ties[lane] + (1.0 if value == top else 0.0)
            ties[lane] = 1.0 if above else count
            first[lane] = float(i) if above else first[lane]
            best[lane] = value if above else top
    for i in range(n):
        for lane in range(LANES):
            label_logit[lane] = 0.0 if i == 0 else label_logit[lane]
            label[lane] = 0.0 if i == 0 else label[lane]
        for lane in range(LANES):
            larger = 0.0
            for j in range(n):
                larger += 1.0 if x[j, lane] > x[i, lane] else 0.0
            hit = larger == rank
            label_logit[lane] = logits[i, lane] if hit else label_logit[lane]
            label[lane] = float(i) if hit else label[lane]


@kernel
def sample_blocks(w_hi, w_hh, w_oh, rank, seed, samples, start, stop, counts):
    """Count right answers in the samples of blocks start..stop.

    counts (blocks, n + 2): [i - 1] samples whose label is among i tied largest logits,
    i = 1 .. n; [n] those whose label is the first of several; [n + 1] samples with ties.
    """
    hidden, n = w_hi.shape[0], w_oh.shape[0]
    state = np.empty((4, LANES), np.uint64)
    bits = np.empty(LANES, np.uint64)
    real = np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    x, logits = np.empty((n, LANES)), np.empty((n, LANES))
    h, z = np.empty((hidden, LANES)), np.empty((hidden, LANES))
    best, ties, first = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    label_logit, label = np.empty(LANES), np.empty(LANES)
    for block in range(start, stop):
        seed_lanes(state, seed, block)
        for i in range(n + 2):
            counts[block, i] = 0
        for group in range(block * BLOCK, min((block + 1) * BLOCK, samples), LANES):
            fill_normals(state, bits, real, real_bits, x, n)
            _forward(w_hi, w_hh, w_oh, x, h, z, logits)
            _score(x, logits, float(rank), best, ties, first, label_logit, label)
            width = min(LANES, samples - group)
            clear = 0
            tied = 0
            for lane in range(width):
                tied += ties[lane] > 1.0
                clear += ties[lane] == 1.0 and label_logit[lane] == best[lane]
            counts[block, 0] += clear
            counts[block, n + 1] += tied
            if tied > 0:
                for lane in range(width):
                    if ties[lane] > 1.0 and label_logit[lane] == best[lane]:
                        counts[block, int(ties[lane]) - 1] += 1
                        counts[block, n] += first[lane] == label[lane]


@kernel
def fill_inputs(seed, first, samples, start, stop, x):
    """The inputs of blocks start..stop, as `sample_blocks` draws them, into x.

    x (samples of these blocks, n); its first row is sample number `first`.
    """
    n = x.shape[1]
    state = np.empty((4, LANES), np.uint64)
    bits = np.empty(LANES, np.uint64)
    real = np.empty((3, LANES))
    real_bits = real.view(np.uint64)
    lanes = np.empty((n, LANES))
    for block in range(start, stop):
        seed_lanes(state, seed, block)
        for group in range(block * BLOCK, min((block + 1) * BLOCK, samples), LANES):
            fill_normals(state, bits, real, real_bits, lanes, n)
            for lane in range(min(LANES, samples - group)):
                for t in range(n):
                    x[group + lane - first, t] = lanes[t, lane]
