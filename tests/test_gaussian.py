"""Parts of the Gaussian generator beside plain Python: bits, seeds, elementary functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bare import from_python

from conevol.kernels import gaussian
from conevol.kernels._jit import kernel

MASK = 2**64 - 1
EPS = 2.0**-52


@kernel
def logarithm(m, e):
    return gaussian._log(m, e)


@kernel
def sine(x):
    return gaussian._sine(x)


@kernel
def cosine(x):
    return gaussian._cosine(x)


@kernel
def next_bits(state, out):
    gaussian._next_bits(state, out)


def states(seed, block):
    state = np.zeros((4, gaussian.LANES), np.uint64)
    from_python(gaussian.seed_lanes)(state, seed, block)
    return state


def xoshiro(s):
    """One step of xoshiro256++ as Blackman and Vigna print it: (output, new state)."""

    def turned(x, k):
        return (x << k | x >> (64 - k)) & MASK

    s = list(s)
    out = (turned((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
    t = s[1] << 17 & MASK
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = turned(s[3], 45)
    return out, s


def test_reference_generator():
    """The first outputs from the state 1, 2, 3, 4, as published with the generator."""
    s, outputs = [1, 2, 3, 4], []
    for _ in range(3):
        out, s = xoshiro(s)
        outputs.append(out)
    assert outputs == [41943041, 58720359, 3588806011781223]


def test_every_lane_is_xoshiro():
    state, out = states(3, 5), np.zeros(gaussian.LANES, np.uint64)
    expected = [[int(x) for x in state[:, lane]] for lane in range(gaussian.LANES)]
    for _ in range(20):
        next_bits(state, out)
        steps = [xoshiro(s) for s in expected]
        assert out.tolist() == [value for value, _ in steps]
        expected = [s for _, s in steps]
        assert state.T.tolist() == expected


def test_no_two_lanes_share_a_word_of_state():
    """Over lanes, blocks and seeds: every word of every state is new, and half its bits are set."""
    keys = [(seed, block) for seed in (0, 1, 2, 2**62) for block in (0, 1, 2, 1000)]
    words = np.concatenate([states(*key).ravel() for key in keys])
    assert len(np.unique(words)) == len(words)
    bits = np.unpackbits(words.view(np.uint8))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / math.sqrt(len(bits))


@pytest.mark.parametrize(
    ("function", "reference"), [(sine, math.sin), (cosine, math.cos)], ids=["sine", "cosine"]
)
def test_sine_and_cosine(function, reference):
    for x in np.linspace(-math.pi / 4, math.pi / 4, 2001):
        assert abs(function(x) - reference(x)) <= 2 * EPS * abs(reference(x))


def test_logarithm():
    for m in np.linspace(math.sqrt(0.5), math.sqrt(2.0), 2001):
        for e in (-52.0, -3.0, -1.0, 0.0):
            expected = math.log(m) + e * math.log(2.0)
            assert abs(logarithm(m, e) - expected) <= 4 * EPS * (abs(expected) + 0.1 * (e < 0))
