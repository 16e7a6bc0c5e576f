"""The case analysis of the note: derived formulas beside typed ones, counts, conditions, order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEEDS
from test_accuracy import published

import conevol
from conevol import Ensemble, ReluRNN
from conevol.errors import ConevolError, WeightsError
from conevol.symbolic import accuracy, canonical_form, case_analysis, conditions

CHECKED = [
    *("a_3 > 0", "-a_0 > 0", "a_2 > 0", "-a_1 > 0", "b_3 > 0", "-b_0 > 0", "b_2 > 0", "-b_1 > 0"),
    *("c_0 > 0", "-c_3 > 0", "c_1 > 0", "-c_2 > 0"),
    *("gamma_0/alpha_3 < 1", "gamma_0/beta_3 < 1", "gamma_1/alpha_2 > 1", "gamma_1/beta_2 > 1"),
]


def trained():
    """The bundled network in the note's order, and the published one where it is there."""
    return canonical_form(conevol.zoo.load("4/3")).network


def quantities(net):
    """The note's formulas, typed."""
    w, hi = net.W_hh, net.W_hi
    a = w[:, 0] * hi[0] + w[:, 1] * hi[1]
    b = w[:, 2] * hi[2] + w[:, 3] * hi[3]
    c = hi
    alpha = {3: (a[3] - a[0]) / 2, 2: (a[2] - a[1]) / 2}
    beta = {3: (b[3] - b[0]) / 2, 2: (b[2] - b[1]) / 2}
    gamma = {0: (c[0] - c[3]) / 2, 1: (c[1] - c[2]) / 2}
    return a, b, c, alpha, beta, gamma


def typed_subregions(net):
    """(region, order) -> normals, z_3, likely, typed after the note."""
    a, b, c, alpha, beta, gamma = quantities(net)
    r, s = gamma[0] / alpha[3], gamma[0] / beta[3]
    upper_r, upper_s = gamma[1] / alpha[2], gamma[1] / beta[2]
    o = 0.0
    merged = [
        ([[-1, r, 0], [-1, upper_s, 0]], [(b[0], c[0]), (b[1], c[1]), (o, o), (o, o)], [(1, 0)]),
        ([[1, -s, 0], [1, -upper_r, 0]], [(o, o), (o, o), (a[2], c[2]), (a[3], c[3])], [(0, 1)]),
        (
            [[1, -r, 0], [-1, upper_r, 0]],
            [(o, o), (a[1], c[1]), (o, o), (a[3], c[3])],
            [(0, 1), (1, 0)],
        ),
        (
            [[1, -upper_s, 0], [-1, s, 0]],
            [(b[0], c[0]), (o, o), (b[2], c[2]), (o, o)],
            [(0, 1), (1, 0)],
        ),
    ]
    found = {}
    for index, (rows, h_2, pairs) in enumerate(merged):
        z_3 = np.column_stack([net.W_hh @ np.array(h_2), net.W_hi])
        for order in itertools.permutations(range(3)):
            if tuple(i for i in order if i != 2) in pairs:
                unit = np.eye(3)
                steps = [unit[i] - unit[j] for i, j in itertools.pairwise(order)]
                likely = index < 2 or order[1] != 2
                found[index, order] = (np.array([*rows, *steps]), z_3, likely)
    return found


def symmetric(seed):
    """A network whose neurons 3, 2 are exactly the opposites of 0, 1, and the conditions hold."""
    rng = np.random.default_rng(seed)
    u = np.array([[1.0, 0, 0, -1], [0, 1, -1, 0]])
    while True:
        hi, hh = rng.uniform(0.5, 2, 2), rng.standard_normal((2, 2))
        net = ReluRNN(u.T @ hi, u.T @ hh @ u, rng.standard_normal((3, 4)))
        if all(c.holds for c in conditions(net) if c.kind == "checked"):
            return net


# --- derivation -----------------------------------------------------------------------------


def test_quantities_are_those_of_the_note():
    note, net = case_analysis(), trained()
    a, b, c, alpha, beta, gamma = quantities(net)
    symbols = [*note.a, *note.b, *note.c]
    numbers = [*a, *b, *c]
    for mine, typed in ((note.alpha, alpha), (note.beta, beta), (note.gamma, gamma)):
        symbols += list(mine.values())
        numbers += [typed[k] for k in mine]
    values = note.rnn.lower([note.in_weights(s) for s in symbols])(net)
    np.testing.assert_allclose(values, numbers, rtol=1e-13)


def test_six_regions_and_four_merged_ones():
    note = case_analysis()
    assert [str(r) for r in note.regions] == [
        "x_0 >= 0 and x_0 <= gamma_0*x_1/alpha_3",
        "x_0 <= 0 and x_0 <= gamma_1*x_1/beta_2",
        "x_0 >= 0 and x_0 >= gamma_1*x_1/alpha_2",
        "x_0 <= 0 and x_0 >= gamma_0*x_1/beta_3",
        "x_0 >= gamma_0*x_1/alpha_3 and x_0 <= gamma_1*x_1/alpha_2",
        "x_0 <= gamma_0*x_1/beta_3 and x_0 >= gamma_1*x_1/beta_2",
    ]
    assert [r.h_2[:, 0].T.tolist()[0] for r in note.merged] == [
        [note.b[0], note.b[1], 0, 0],
        [0, 0, note.a[2], note.a[3]],
        [0, note.a[1], 0, note.a[3]],
        [note.b[0], 0, note.b[2], 0],
    ]
    assert note.merged[2]._repr_latex_() == (
        r"$x_{0} \geq \frac{\gamma_{0} x_{1}}{\alpha_{3}} \wedge "
        r"x_{0} \leq \frac{\gamma_{1} x_{1}}{\alpha_{2}}$"
    )


def test_regions_share_out_the_plane_and_merge():
    note, net = case_analysis(), trained()

    def shares(regions):
        return [
            float(conevol.fraction(note.rnn.lower(note.in_weights(r.rows))(net))) for r in regions
        ]

    six, four = shares(note.regions), shares(note.merged)
    assert abs(sum(six) - 1) < 1e-15
    np.testing.assert_allclose(
        four, [six[0] + six[1], six[2] + six[3], six[4], six[5]], rtol=0, atol=1e-15
    )


def test_counts():
    subregions = case_analysis().subregions
    assert len(subregions) == 18
    per_region = [[s.likely for s in subregions if s.region == r] for r in range(4)]
    assert [len(p) for p in per_region] == [3, 3, 6, 6]
    assert [sum(p) for p in per_region] == [3, 3, 4, 4]
    unlikely = [s for s in subregions if not s.likely]
    assert {s.order for s in unlikely} == {(0, 2, 1), (1, 2, 0)}
    assert {s.label for s in unlikely} == {2}


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_lowered_subregions_are_those_typed_after_the_note(seed):
    net = trained() if seed is None else trained().noisy_copies(2, seed=1)[seed]
    lowered, typed = case_analysis().lower(net), typed_subregions(net)
    keys = list(zip(lowered.region, map(tuple, lowered.order), strict=True))
    assert sorted(keys) == sorted(typed)
    for i, key in enumerate(keys):
        normals, z_3, likely = typed[key]
        share = conevol.fraction(normals)
        assert abs(conevol.fraction(lowered.normals[i]) - share) < 1e-15
        np.testing.assert_allclose(lowered.z_3[i], z_3, rtol=1e-12, atol=1e-13)
        assert (lowered.likely[i], lowered.label[i]) == (likely, key[1][1])
    assert abs(conevol.fraction(lowered.normals).sum() - 1) < 1e-14


def test_lowered_ensembles_are_their_networks():
    copies = trained().noisy_copies(3)
    lowered = case_analysis().lower(copies)
    assert lowered.normals.shape == (3, 18, 4, 3)
    for i, copy in enumerate(copies):
        one = case_analysis().lower(copy)
        np.testing.assert_array_equal(lowered.normals[i], one.normals)
        np.testing.assert_array_equal(lowered.z_3[i], one.z_3)


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_the_analysis_is_exact_for_symmetric_networks(seed):
    """Every input is in one subregion, which knows its label and its z_3."""
    net = symmetric(seed)
    lowered = case_analysis().lower(net)
    x = np.random.default_rng(seed).standard_normal((200, 3))
    inside = (np.einsum("skd,pd->psk", lowered.normals, x) > 0).all(axis=2)
    np.testing.assert_array_equal(inside.sum(axis=1), 1)
    where = inside.argmax(axis=1)
    np.testing.assert_array_equal(lowered.label[where], conevol.tasks.get_task("second_argmax")(x))
    z_3 = np.einsum("pjd,pd->pj", lowered.z_3[where], x)
    np.testing.assert_allclose(z_3, net.pre_activations(x)[:, 2], rtol=1e-9, atol=1e-9)


# --- conditions -----------------------------------------------------------------------------


def test_conditions_are_those_of_the_note():
    found = conditions(trained())
    assert [c.name for c in found if c.kind == "checked"] == CHECKED
    assert [c.name for c in found if c.kind == "implied"] == [
        "gamma_1/alpha_2 > gamma_0/alpha_3",
        "gamma_1/beta_2 > gamma_0/beta_3",
        "region 2 is larger than region 1",
        "region 3 is larger than region 4",
    ]
    assert [c.name for c in found if c.kind == "approximate"] == [
        *("a_3 ~ -a_0", "a_2 ~ -a_1", "b_3 ~ -b_0", "b_2 ~ -b_1", "c_0 ~ -c_3", "c_1 ~ -c_2"),
        *("a_0 ~ b_0", "a_1 ~ b_1", "a_2 ~ b_2", "a_3 ~ b_3"),
        "gamma_0/alpha_3 ~ gamma_1/alpha_2 ~ gamma_0/beta_3 ~ gamma_1/beta_2",
    ]
    assert all(c.holds for c in found)


def test_margins_are_the_numbers():
    net = trained()
    a, b, c, alpha, beta, gamma = quantities(net)
    margin = {found.name: found.margin for found in conditions(net, factor=3)}
    assert margin["a_3 > 0"] == pytest.approx(a[3], rel=1e-13)
    assert margin["-b_1 > 0"] == pytest.approx(-b[1], rel=1e-13)
    assert margin["gamma_0/beta_3 < 1"] == pytest.approx(1 - gamma[0] / beta[3], rel=1e-12)
    assert margin["gamma_1/alpha_2 > 1"] == pytest.approx(gamma[1] / alpha[2] - 1, rel=1e-12)
    assert margin["c_1 ~ -c_2"] == pytest.approx(3 - max(-c[2] / c[1], -c[1] / c[2]), rel=1e-12)
    shares = [
        np.arctan(gamma[0] / alpha[3]),
        np.pi / 2 + np.arctan(beta[2] / gamma[1]),
    ]
    difference = (shares[1] - shares[0]) / (2 * np.pi)
    assert margin["region 2 is larger than region 1"] == pytest.approx(difference, rel=1e-12)


def test_conditions_hold_for_the_published_network_and_its_noisy_copies():
    net = published()
    assert all(c.holds for c in conditions(net))
    copies = conditions(net.noisy_copies(256, sd=0.05))
    for condition in copies:
        assert condition.margin.shape == (256,)
        if condition.kind != "approximate":
            assert condition.holds.all()


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.floats(0.1, 3))
def test_the_checked_conditions_imply_the_others(seed, sd):
    found = conditions(trained().noisy_copies(64, sd=sd, seed=seed))
    all_checked = np.all([c.holds for c in found if c.kind == "checked"], axis=0)
    for condition in found:
        if condition.kind == "implied":
            assert condition.holds[all_checked].all()


def test_broken_conditions_are_named():
    net = trained()
    swapped = ReluRNN(
        net.W_hi[[1, 0, 3, 2]],
        net.W_hh[np.ix_([1, 0, 3, 2], [1, 0, 3, 2])],
        net.W_oh[:, [1, 0, 3, 2]],
    )
    failed = {c.name for c in conditions(swapped) if not c.holds}
    assert failed == {
        *CHECKED[12:],
        "gamma_1/alpha_2 > gamma_0/alpha_3",
        "gamma_1/beta_2 > gamma_0/beta_3",
    }
    text = next(str(c) for c in conditions(swapped) if c.name == CHECKED[12])
    assert text.startswith("gamma_0/alpha_3 < 1: margin -0.2")
    assert text.endswith("FAILS")


def test_ratios_of_two_signs_are_not_close():
    net = trained()
    turned = ReluRNN(net.W_hi, net.W_hh * [-1, -1, 1, 1], net.W_oh)
    holds = {c.name: c.holds for c in conditions(turned)}
    assert holds["a_3 ~ -a_0"]
    assert not holds["a_3 > 0"]
    assert not holds["a_0 ~ b_0"]
    assert not holds["gamma_0/alpha_3 ~ gamma_1/alpha_2 ~ gamma_0/beta_3 ~ gamma_1/beta_2"]


def test_nothing_holds_of_a_dead_network():
    dead = ReluRNN(np.zeros(4), np.zeros((4, 4)), np.zeros((3, 4)))
    assert not any(c.holds for c in conditions(dead))


# --- canonical form -------------------------------------------------------------------------


def shuffled(net, seed):
    rng = np.random.default_rng(seed)
    order, scale = rng.permutation(4), 10.0 ** rng.uniform(-3, 3, 4)
    changed = ReluRNN(
        net.W_hi[order] * scale,
        net.W_hh[np.ix_(order, order)] * scale[:, None] / scale,
        net.W_oh[:, order] / scale,
    )
    return changed, order


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_order_and_scale_do_not_change_the_canonical_form(seed):
    net = trained()
    changed, order = shuffled(net, seed)
    form, again = canonical_form(net, scaling="unit"), canonical_form(changed, scaling="unit")
    np.testing.assert_array_equal(order[again.permutation], form.permutation)
    for w, v in zip(
        (form.network.W_hi, form.network.W_hh, form.network.W_oh),
        (again.network.W_hi, again.network.W_hh, again.network.W_oh),
        strict=True,
    ):
        np.testing.assert_allclose(w, v, rtol=1e-14)
    np.testing.assert_array_equal(np.abs(form.network.W_hi).round(15), 1)
    assert all(c.holds for c in conditions(again.network))


@settings(deadline=None, max_examples=5)
@given(SEEDS)
def test_powers_of_two_change_no_accuracy(seed):
    changed, _ = shuffled(conevol.zoo.load("4/3"), seed)
    form = canonical_form(changed)
    assert accuracy(changed).value == accuracy(form.network).value
    size = np.abs(form.network.W_hi)
    assert ((size[:2] >= 0.7) & (size[:2] <= 1.42)).all()
    ratio = size[[3, 2]] / size[:2]
    assert ((ratio >= 0.7) & (ratio <= 1.42)).all()
    again = canonical_form(form.network)
    np.testing.assert_array_equal(again.permutation, range(4))
    np.testing.assert_array_equal(again.scales, 1)


def test_what_was_permuted_and_scaled_is_told():
    net = conevol.zoo.load("4/3")
    form = canonical_form(net)
    order, scales = form.permutation, form.scales
    np.testing.assert_array_equal(form.network.W_hi, net.W_hi[order] * scales)
    np.testing.assert_array_equal(form.network.W_oh, net.W_oh[:, order] / scales)
    assert form.network.task == net.task
    same = canonical_form(published(), scaling="none")
    np.testing.assert_array_equal(same.permutation, range(4))
    np.testing.assert_array_equal(same.network.W_hh, published().W_hh)


def test_errors():
    with pytest.raises(ConevolError, match="factor is 1, expected above 1"):
        conditions(trained(), factor=1)
    with pytest.raises(WeightsError, match=r"\(hidden, n\) = \(3, 3\), expected \(4, 3\)"):
        conditions(conevol.zoo.load("3/3"))
    with pytest.raises(WeightsError, match=r"\(hidden, n\) = \(8, 3\)"):
        case_analysis().lower(conevol.zoo.load("8/3"))
    with pytest.raises(WeightsError, match="got 3 neurons, n = 3"):
        canonical_form(conevol.zoo.load("3/3"))
    one_sided = ReluRNN([1, 2, 3, -1], np.eye(4), np.ones((3, 4)))
    with pytest.raises(WeightsError, match="3 positive, 1 negative"):
        canonical_form(one_sided)
    with pytest.raises(ConevolError, match="unknown scaling 'best', expected one of power of two"):
        canonical_form(trained(), scaling="best")


def test_an_ensemble_of_one_has_arrays():
    found = conditions(Ensemble.of([trained()]))
    assert all(c.margin.shape == (1,) for c in found)
    assert isinstance(conditions(trained())[0].margin, float)
    assert sympy.simplify(found[0].expression - case_analysis().a[3]) == 0
