"""The sampler: Gaussian inputs through a network, many lanes at once."""

from __future__ import annotations

import numpy as np

from conevol.kernels._jit import fma, inline_kernel, kernel
from conevol.kernels.gaussian import LANES, fill_normals, seed_lanes

# Samples that share one seeding; the unit of parallel work.
BLOCK = 2**15


@inline_kernel
def add_product(w, h, z):
    """z += w h for w (rows, hidden), h (hidden, LANES), z (rows, LANES).

    Four terms a pass over the lanes: one at a time, storing z would cost more than the sums.
    """
    rows, hidden = w.shape
    for j in range(rows):
        for k in range(0, hidden - 3, 4):
            w0, w1, w2, w3 = w[j, k], w[j, k + 1], w[j, k + 2], w[j, k + 3]
            for lane in range(LANES):
                value = fma(w1, h[k + 1, lane], fma(w0, h[k, lane], z[j, lane]))
                z[j, lane] = fma(w3, h[k + 3, lane], fma(w2, h[k + 2, lane], value))
        for k in range(hidden - hidden % 4, hidden):
            w0 = w[j, k]
            for lane in range(LANES):
                z[j, lane] = fma(w0, h[k, lane], z[j, lane])


@inline_kernel
def run_steps(w_hi, w_hh, x, steps, h, z):
    """h (hidden, LANES) after that many steps on inputs x (steps or more, LANES)."""
    hidden = w_hi.shape[0]
    for t in range(steps):
        for j in range(hidden):
            w = w_hi[j]
            for lane in range(LANES):
                z[j, lane] = w * x[t, lane]
        if t > 0:
            add_product(w_hh, h, z)
        for j in range(hidden):
            for lane in range(LANES):
                h[j, lane] = max(z[j, lane], 0.0)


@inline_kernel
def _forward(w_hi, w_hh, w_oh, x, h, z, logits):
    """Logits (n, LANES) of inputs x (n, LANES); h, z (hidden, LANES) are scratch."""
    n = w_oh.shape[0]
    run_steps(w_hi, w_hh, x, n, h, z)
    for i in range(n):
        for lane in range(LANES):
            logits[i, lane] = 0.0
    add_product(w_oh, h, logits)


@inline_kernel
def count_larger(x, n, i, larger):
    """larger (LANES,): how many of the first n rows of x exceed row i."""
    for lane in range(LANES):
        larger[lane] = 0.0
    for j in range(n):
        for lane in range(LANES):
            larger[lane] += 1.0 if x[j, lane] > x[i, lane] else 0.0


@inline_kernel
def score(x, logits, rank, best, ties, first, larger, label_logit, label):
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
        count_larger(x, n, i, larger)
        for lane in range(LANES):
            hit = larger[lane] == rank
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
    larger, label_logit, label = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for block in range(start, stop):
        seed_lanes(state, seed, block)
        for i in range(n + 2):
            counts[block, i] = 0
        for group in range(block * BLOCK, min((block + 1) * BLOCK, samples), LANES):
            fill_normals(state, bits, real, real_bits, x, n)
            _forward(w_hi, w_hh, w_oh, x, h, z, logits)
            score(x, logits, float(rank), best, ties, first, larger, label_logit, label)
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
