"""The note's two estimators: its counts, its figures, and what is left when nothing is assumed."""

import numpy as np
import pytest
from test_accuracy import PUBLISHED, published

import conevol
from conevol.errors import ConevolError, WeightsError
from conevol.estimators import estimator, estimator_names
from conevol.estimators.note_order import CONDITIONS, in_note_order, margins
from conevol.estimators.note_original import Reading, note_parts
from conevol.estimators.note_regions import subregions
from conevol.estimators.note_symmetric import (
    SymmetricReading,
    U,
    V,
    noise_covariance,
    note_symmetric,
    note_symmetric_ensemble,
    reduction,
    symmetric_cones,
)
from conevol.symbolic import case_analysis

EXACT = Reading(regions="exact", indicators="exact", unlikely="exact", ties="first")


@pytest.fixture(scope="module")
def copies():
    return conevol.zoo.load("4/3").noisy_copies(256, 0.05)


def permuted(network, order):
    return conevol.ReluRNN(
        network.W_hi[order], network.W_hh[np.ix_(order, order)], network.W_oh[:, order]
    )


def test_no_copy_breaks_a_condition(copies):
    margin = margins(in_note_order(copies))
    assert margin.shape == (256, len(CONDITIONS)) == (256, 16)
    assert (margin > 0).all()


def test_margins_name_what_is_broken():
    ordered = in_note_order(conevol.zoo.load("4/3").noisy_copies(1))
    W_hh = ordered.W_hh.copy()
    # a_0 = 0.1 > 0 breaks the second condition and no other of the first twelve.
    W_hh[0, 0, 0] = (0.1 - W_hh[0, 0, 1] * ordered.W_hi[0, 1]) / ordered.W_hi[0, 0]
    broken = conevol.Ensemble(ordered.W_hi, W_hh, ordered.W_oh)
    assert [c for c, m in zip(CONDITIONS[:12], margins(broken)[0], strict=False) if m <= 0] == [
        "-a_0 > 0"
    ]


def test_counts_are_the_notes(copies):
    parts = note_parts(copies)
    assert parts.half_spaces == {"volume": (18, 4), "on": (56, 5), "right": (28, 6)}
    assert parts.likely.sum() == 14
    assert parts.note_operations == 71000 > parts.operations.max()
    np.testing.assert_allclose(parts.volume.sum(axis=1), 1.0, atol=1e-14)


def test_errors_are_the_notes(copies):
    exact = conevol.accuracy(copies).value
    original = note_parts(copies).value - exact
    some = conevol.Ensemble(copies.W_hi[:64], copies.W_hh[:64], copies.W_oh[:64])
    symmetric = np.array([e.value for e in note_symmetric_ensemble(some)]) - exact[:64]
    rms = [np.sqrt(np.mean(e**2)) for e in (original, symmetric)]
    assert 0.025 < rms[0] < 0.04
    assert 0.03 < rms[1] < 0.06
    assert abs(symmetric.mean()) < abs(original.mean()) / 2


def test_nothing_assumed_is_exact(copies):
    some = conevol.Ensemble(copies.W_hi[:20], copies.W_hh[:20], copies.W_oh[:20])
    np.testing.assert_allclose(
        note_parts(some, EXACT).value, conevol.accuracy(some).value, rtol=0, atol=1e-13
    )


def test_nothing_assumed_is_exact_where_all_conditions_fail():
    rng = np.random.default_rng(3)
    W_hi = np.abs(rng.standard_normal((30, 4))) * [1.0, -1.0, -1.0, 1.0]
    wild = conevol.Ensemble(W_hi, rng.standard_normal((30, 4, 4)), rng.standard_normal((30, 3, 4)))
    np.testing.assert_allclose(
        note_parts(wild, EXACT).value, conevol.accuracy(wild).value, rtol=0, atol=1e-13
    )


def test_fewer_assumptions_err_less(copies):
    exact = conevol.accuracy(copies).value

    def rms(**options):
        return np.sqrt(np.mean((note_parts(copies, Reading(**options)).value - exact) ** 2))

    assert rms(indicators="exact", unlikely="exact", regions="six") < rms(
        indicators="exact", unlikely="exact"
    )
    assert rms(indicators="exact") < rms() / 3
    assert rms(regions="six") < rms()


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]])
def test_the_order_of_the_neurons_does_not_matter(order):
    network = conevol.zoo.load("4/3")
    for name in ("note-original", "note-symmetric"):
        value = estimator(name)(network).value
        assert estimator(name)(permuted(network, order)).value == pytest.approx(value, abs=1e-13)


def test_full_and_empty_parts_are_exactly_so(copies):
    parts = note_parts(copies)
    p = parts.on / parts.volume[:, parts.likely, None]
    assert ((p >= 0.0) & (p <= 1.0)).all()
    assert ((p == 0.0) | (p == 1.0)).mean() > 0.3
    # Nothing lies a rounding away from empty or full.
    assert not ((p > 0.0) & (p < 1e-13)).any()
    assert not ((p < 1.0) & (p > 1.0 - 1e-13)).any()


def test_indicators_keep_mean_and_variance():
    from conevol.estimators.note_original import _indicators

    p = np.random.default_rng(0).random((5, 14, 4))
    for treat in ("latent", "latents", "independent"):
        values, weights, _ = _indicators(p, treat, Reading(q=0.3))
        mean = (values * weights[..., None]).sum(axis=2)
        np.testing.assert_allclose(mean, p, atol=1e-14)
        square = (values**2 * weights[..., None]).sum(axis=2)
        np.testing.assert_allclose(square - mean**2, p * (1 - p), atol=1e-14)


def test_averages_are_least_squares(copies):
    networks = in_note_order(copies)
    parts = reduction(networks)
    # Residuals are orthogonal to everything of the fitted form.
    assert abs(parts.e_hi @ U.T).max() < 1e-14
    assert abs(U @ parts.e_hh @ U.T).max() < 1e-13
    assert abs(parts.e_oh @ V.T).max() < 1e-13


def test_a_symmetric_network_is_computed_exactly():
    """Without residuals there is no noise, and the reduced network is the network."""
    rng = np.random.default_rng(8)
    hi, hh, oh = np.array([1.0, 1.5]), rng.standard_normal((2, 2)), rng.standard_normal((3, 2))
    network = conevol.ReluRNN(hi @ U, U.T @ hh @ U, oh @ V)
    exact = conevol.accuracy(network).value
    for options in ({}, {"dependence": "inputs"}):
        assert note_symmetric(network, **options).value == pytest.approx(exact, abs=1e-12)


def test_cones_in_six_dimensions():
    networks = conevol.zoo.load("4/3").noisy_copies(2, seed=2)
    cones = symmetric_cones(networks)
    assert cones.normals.shape == (2, 24, 6, 6)
    np.testing.assert_allclose(
        [e.value for e in note_symmetric_ensemble(networks)],
        conevol.fraction(cones.normals).sum(axis=1),
        rtol=0,
        atol=1e-13,
    )


@pytest.mark.parametrize(
    ("relu", "dependence"), [("half", "none"), ("half", "states"), ("indicator", "none")]
)
def test_noise_by_simulation(relu, dependence):
    """The propagation is exact for the variables that the reading says there are."""
    networks = in_note_order(conevol.zoo.load("4/3").noisy_copies(1, seed=4))
    parts, rng, draws = reduction(networks), np.random.default_rng(0), 200_000
    W_hh, W_oh = networks.W_hh[0], networks.W_oh[0]

    def kept(z):
        on = 0.5 if relu == "half" else rng.integers(0, 2, z.shape)
        return on * z

    x = rng.standard_normal((draws, 3))
    h = e = np.zeros((draws, 4))
    for t in range(3):
        if dependence == "none":
            h = rng.permutation(h)
        z = h @ (U.T @ parts.W_hh[0] @ U).T + x[:, t : t + 1] * (parts.W_hi[0] @ U)
        noise = e @ W_hh.T + h @ parts.e_hh[0].T + x[:, t : t + 1] * parts.e_hi[0]
        h, e = kept(z), kept(noise)
    if dependence == "none":
        h = rng.permutation(h)
    eps = e @ W_oh.T + h @ parts.e_oh[0].T
    expected = noise_covariance(networks, parts, SymmetricReading(relu, dependence))[0]
    np.testing.assert_allclose(eps.T @ eps / draws, expected, atol=0.02 * np.diag(expected).max())


def test_rectified_moments():
    from conevol.estimators.note_symmetric import _rectified

    rng = np.random.default_rng(1)
    root = rng.standard_normal((4, 4))
    z = np.maximum(rng.standard_normal((400_000, 4)) @ root.T, 0.0)
    np.testing.assert_allclose(_rectified((root @ root.T)[None])[0], z.T @ z / len(z), rtol=0.03)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("guess", "unknown estimator"),
        ("note-original:q=2", "q is 2.0"),
        ("note-original:p=2", "no parameter 'p'"),
        ("note-original:regions=none", "expected one of merged"),
        ("note-symmetric:dependence=inputs,relu=gaussian", "relu='half' only"),
        ("sampling:many", "expected a int"),
        ("sampling:1.5", "expected a int"),
        ("note-original:clipped=perhaps", "expected a bool"),
    ],
)
def test_bad_names_are_refused(text, said):
    with pytest.raises(ConevolError, match=said):
        estimator(text)(conevol.zoo.load("4/3"))


def test_parameters_are_read():
    assert estimator("sampling:1e3").parameters == {"samples": 1000}
    chosen = estimator("note-original:0.3,clipped=yes,regions=six")
    assert chosen.parameters == {"q": 0.3, "clipped": True, "regions": "six"}
    assert estimator(str(chosen)) == chosen
    assert set(estimator_names()) >= {"exact", "sampling", "note-original", "note-symmetric"}


def test_other_networks_are_refused():
    with pytest.raises(WeightsError, match="4 neurons and n = 3"):
        estimator("note-original")(conevol.zoo.load("3/3"))
    network = conevol.zoo.load("4/3")
    turned = conevol.ReluRNN(abs(network.W_hi), network.W_hh, network.W_oh)
    with pytest.raises(WeightsError, match="two positive and two negative"):
        estimator("note-symmetric")(turned)


@pytest.mark.parametrize("name", ["exact", "sampling:500", "note-original", "note-symmetric"])
def test_an_ensemble_is_its_networks(name):
    networks = conevol.zoo.load("4/3").noisy_copies(3)
    chosen = estimator(name)
    together = chosen.of_ensemble(networks, seed=5)
    alone = [chosen(network, seed=5 + i) for i, network in enumerate(networks)]
    for a, b in zip(together, alone, strict=True):
        assert a.value == pytest.approx(b.value, abs=1e-14)
        assert (a.claim, a.operations) == (b.claim, b.operations)
        assert a.seconds > 0.0


def test_subregions_are_those_of_the_symbolic_analysis():
    """Derived from the network's formulas there, written down from the note here."""
    networks = list(conevol.zoo.load("4/3").noisy_copies(20, seed=8))
    networks += [conevol.zoo.load("4/3"), *([published()] if PUBLISHED.exists() else [])]
    ordered = in_note_order(conevol.Ensemble.of(networks))
    numeric, derived = subregions(ordered, "merged"), case_analysis().lower(ordered)
    assert numeric.normals.shape == derived.normals.shape == (len(networks), 18, 4, 3)
    unit = [
        part.normals / np.linalg.norm(part.normals, axis=-1, keepdims=True)
        for part in (numeric, derived)
    ]
    # Rows of a subregion in any order: how far each is from the nearest of the other's.
    rows = abs(unit[0][:, :, None, :, None] - unit[1][:, None, :, None, :]).max(axis=-1)
    apart = np.maximum(rows.min(axis=-1).max(axis=-1), rows.min(axis=-2).max(axis=-1))
    apart = np.maximum(apart, abs(numeric.z[:, :, None] - derived.z_3[:, None]).max(axis=(-1, -2)))
    same = apart < 1e-12
    # One partner each, the same one in all networks, with the same label and likeliness.
    assert (same == same[0]).all()
    assert (same[0].sum(axis=0) == 1).all()
    assert (same[0].sum(axis=1) == 1).all()
    partner = same[0].argmax(axis=1)
    assert (numeric.label == derived.label[partner]).all()
    assert (numeric.likely == derived.likely[partner]).all()
    assert (int(numeric.likely.sum()), len(numeric.likely)) == (14, 18)
