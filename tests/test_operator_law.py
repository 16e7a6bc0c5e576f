"""Laws of operators: total probability, samples, the canonical masks, weighted statistics."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import random_weights

from conevol import ReluRNN, gaussian_inputs, zoo
from conevol.analysis import draw_operators, masked_operator, operator_law
from conevol.errors import CellsError, ConevolError


def random_network(n: int) -> ReluRNN:
    return ReluRNN(*random_weights(np.random.default_rng(n), 3, n))


NETWORKS = [zoo.load("2/2"), zoo.load("4/3"), random_network(3), random_network(4)]


@pytest.fixture(scope="module", params=range(len(NETWORKS)))
def pair(request):
    network = NETWORKS[request.param]
    return operator_law(network), operator_law(network, samples=40_000, seed=5)


def test_probabilities_add_up(pair):
    for law in pair:
        n = law.network.n
        sums = np.zeros((n, n))
        np.add.at(sums, tuple(law.places.T), law.probability)
        np.testing.assert_allclose(sums, 1.0 - np.eye(n), atol=1e-12)


def test_samples_without_order_have_the_law():
    """Independent of the module's own draws: plain inputs, sorted into their (m, s)."""
    law = operator_law(NETWORKS[3])
    net, n = law.network, law.network.n
    x = gaussian_inputs(120_000, n, seed=9)
    leading, on = np.argsort(-x, axis=1)[:, :2], net.pattern(x)
    for place, masks, p, error in zip(
        law.places, law.masks, law.probability, law.error_bound, strict=True
    ):
        given = (leading == place).all(axis=1)
        later = place.max() + 1
        hits = (on[given, later:] == masks[later:]).all(axis=(1, 2)).sum()
        spread = np.sqrt(p * (1.0 - p) * given.sum())
        assert abs(hits - p * given.sum()) < 5.0 * spread + 5.0
        assert error < 1e-10


def test_sampled_law_is_the_exact_one(pair):
    exact, sampled = pair
    want, got = exact.canonical_probability(), sampled.canonical_probability()
    off = ~np.eye(exact.network.n, dtype=bool)
    assert np.isnan(want.value[~off]).all()
    assert (np.abs(want.value - got.value)[off] < 5.0 * got.error_bound[off] + 1e-4).all()
    for m, s in np.argwhere(off):
        a, b = exact.given(m, s), sampled.given(m, s)
        spread = np.sqrt(a.probability @ (a.radius - a.mean("radius")) ** 2 / 40_000)
        assert abs(a.mean("radius") - b.mean("radius")) < 5.0 * spread + 1e-3


def test_canonical_rows_are_the_operators_of_impulses(pair):
    law = pair[0]
    n = law.network.n
    for (m, s), phi in zip(law.places[law.canonical], law.phi[law.canonical], strict=True):
        direction = "forward" if m < s else "reverse"
        own = masked_operator(law.network, abs(int(m - s)), direction, steps=n - 1 - max(m, s))
        np.testing.assert_array_equal(phi, own.phi_post[-1])


def test_phi_takes_the_state_after_both_to_the_last():
    net = NETWORKS[3]
    law = operator_law(net)
    for x in gaussian_inputs(50, 4, seed=2):
        m, s = np.argsort(-x)[:2]
        later = max(m, s)
        x[later + 1 :] = 0.0
        on = net.pattern(x)
        rows = (law.places == (m, s)).all(axis=1)
        rows &= (law.masks[:, later + 1 :] == on[later + 1 :]).all(axis=(1, 2))
        h = np.maximum(net.pre_activations(x), 0.0)
        for phi in law.phi[rows]:
            np.testing.assert_allclose(phi @ h[later], h[-1], atol=1e-12)


def test_weighted_statistics():
    law = operator_law(zoo.load("4/3"))
    part = law.given(0, 1)
    for level in (0.0, 0.3, 0.9, 1.0):
        value = part.quantile("radius", level)
        up_to = part.probability[part.radius <= value].sum()
        below = part.probability[part.radius < value].sum()
        assert below <= level <= up_to + 1e-12
    assert part.mean("shares") == pytest.approx(part.probability @ part.shares)
    assert part.quantile("shares", 0.5).shape == (3,)
    pooled = law.pooled(1, "forward")
    np.testing.assert_array_equal(pooled.places, part.places)
    four = operator_law(NETWORKS[3]).pooled(1, "reverse")
    assert {tuple(p) for p in four.places.tolist()} == {(1, 0), (2, 1)}
    assert four.probability.sum() == pytest.approx(1.0)


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    draw_operators(operator_law(zoo.load("4/3")), tmp_path / "law.png")
    assert (tmp_path / "law.png").stat().st_size > 10_000
    with pytest.raises(ConevolError, match="expected n >= 3"):
        draw_operators(operator_law(zoo.load("2/2")), tmp_path / "no.png")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda law: law.given(1, 1), "places are 1 and 1"),
        (lambda law: law.pooled(2, "forward"), "gap is 2, expected 1 .. n - 2 = 1"),
        (lambda law: law.pooled(1, "up"), "direction is 'up'"),
        (lambda law: law.mean("norm"), "quantity is 'norm'"),
        (lambda law: law.quantile("radius", 1.5), "level is 1.5"),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(ConevolError, match=message):
        call(operator_law(zoo.load("4/3")))


def test_what_has_no_law_is_refused():
    with pytest.raises(ConevolError, match="expected at least 2"):
        operator_law(ReluRNN([1.0], [[1.0]], [[1.0]], task="argmax"))
    with pytest.raises(CellsError):
        operator_law(zoo.load("6/4"), max_cells=10)
