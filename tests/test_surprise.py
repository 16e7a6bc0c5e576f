"""Bits: probabilities that add up, and laws of random cones."""

import math

import numpy as np
import pytest

import conevol
from conevol.errors import ConevolError
from conevol.estimators.note_original import note_parts
from conevol.surprise import error_bits, fraction_prior, inequality_bits, note_surprise


@pytest.mark.parametrize(("k", "d"), [(1, 3), (2, 2), (4, 3), (6, 3), (5, 2)])
def test_prior_of_random_half_spaces(k, d):
    prior = fraction_prior(k, d)
    # Every sign pattern of the normals is as likely: the mean is 2^-k.
    error = prior.sample.std() / math.sqrt(len(prior.sample)) * (1 - prior.empty)
    assert abs((1 - prior.empty) * prior.sample.mean() - 2.0**-k) <= 5 * error + 1e-15
    rng = np.random.default_rng(9)
    empty = (conevol.fraction(rng.standard_normal((20_000, k, d))) == 0.0).mean()
    assert abs(empty - prior.empty) < 0.02


def test_two_half_planes_are_uniform():
    """The angle between two random planes: fractions uniform on (0, 1/2) for d = 2."""
    prior = fraction_prior(2, 2)
    for resolution in (1e-6, 1e-2):
        bits = prior.bits([0.1, 0.25, 0.4], resolution)
        np.testing.assert_allclose(2.0**-bits, 2 * resolution, rtol=0.25)


@pytest.mark.parametrize("k", [4, 6])
def test_probabilities_of_a_partition_add_up(k):
    prior = fraction_prior(k, 3)
    edges = np.linspace(0.0, 0.5, 51)
    middles = 0.5 * (edges[1:] + edges[:-1])
    # The atom at 0 belongs to the first interval.
    assert prior.probability(middles, 0.01).sum() == pytest.approx(1.0, abs=0.03)


def test_nothing_inside_costs_what_it_is_worth():
    prior = fraction_prior(6, 3)
    assert prior.bits(0.0, 1e-12) == pytest.approx(1.0, abs=1e-6)
    # Halving the resolution costs a bit, where the density counts.
    assert prior.bits(0.05, 5e-10) - prior.bits(0.05, 1e-9) == pytest.approx(1.0)
    # What no cone of the sample comes near to is surprising.
    assert prior.bits(0.49, 1e-3) > prior.bits(0.05, 1e-3) + 5


def test_error_bits():
    # The whole line has probability 1.
    grid = np.arange(-0.5, 0.5, 0.001)
    assert (2.0 ** -error_bits(grid, 0.0, 0.03, 0.001)).sum() == pytest.approx(1.0, abs=1e-12)
    # Far out, the density takes over without a step.
    near, far = error_bits(36.0, 0.0, 1.0, 1e-3), error_bits(37.0, 0.0, 1.0, 1e-3)
    assert far - near == pytest.approx((37**2 - 36**2) / 2 / math.log(2), rel=1e-3)
    assert np.isfinite(error_bits(1.0, 0.0, 1e-3, 1e-3))


def test_the_note():
    copies = conevol.zoo.load("4/3").noisy_copies(5)
    parts, exact = note_parts(copies), conevol.accuracy(copies).value
    coarse = note_surprise(parts, exact, 0.03, resolution=1e-2)
    fine = note_surprise(parts, exact, 0.03, resolution=1e-3)
    for a, b in zip(coarse, fine, strict=True):
        assert a.inequalities == inequality_bits() == 16.0
        assert b.total == b.inequalities + b.fractions + b.accuracy
        assert b.outright - a.outright == pytest.approx(math.log2(10))
        assert b.fractions > a.fractions > 0.0


@pytest.mark.parametrize("arguments", [(0, 3), (3, 0)])
def test_bad_priors_are_refused(arguments):
    with pytest.raises(ConevolError, match="expected k >= 1"):
        fraction_prior(*arguments)
    with pytest.raises(ConevolError, match="positive"):
        fraction_prior(2, 2).bits(0.1, 0.0)
    with pytest.raises(ConevolError, match="positive"):
        error_bits(0.9, 0.9, 0.0, 1e-3)
