"""Exact accuracy beside brute force in exact arithmetic, the table of cells, laws, ensembles."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from strategies import WEIGHT_KINDS, cancelling, random_weights, weights

import conevol
from conevol import Ensemble, ReluRNN, accuracy
from conevol.errors import ConevolError, TaskError, WeightsError
from conevol.tasks import TASKS, ranking_task
from conevol.ties import TIE_RULES

PUBLISHED = Path(__file__).resolve().parents[1] / ".." / "shared" / "algzoo" / "m4_3.json"
# Orders of inputs that one region of the task holds.
REGION_OF = {
    "second_argmax": lambda order: (order[1], order[0]),
    "argmax": lambda order: order[0],
    "argmedian": lambda order: (order[len(order) // 2], frozenset(order[: len(order) // 2])),
}
SHAPES = [(1, 2), (2, 2), (4, 2), (1, 3), (2, 3), (3, 3), (4, 3)]


def bundled() -> list[str]:
    """Names of the networks of the package with n <= 3."""
    if importlib.util.find_spec("conevol.zoo") is None:
        return []
    return [name for name in conevol.zoo.names() if conevol.zoo.load(name).n <= 3]


def published() -> ReluRNN:
    if not PUBLISHED.exists():
        pytest.skip("the published network is not part of the package")
    data = json.loads(PUBLISHED.read_text())
    return ReluRNN(*(data[name] for name in ("W_hi", "W_hh", "W_oh")))


def tasks_for(n: int) -> list[str]:
    return ["second_argmax", "argmax", "argmedian"] if n % 2 else ["second_argmax", "argmax"]


def agrees_with_brute_force(net: ReluRNN, tasks: list[str], unresolved: bool = False) -> None:
    """Values under all tie rules, bounds, tied mass, and numbers of patterns and cells."""
    exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
    assert abs(exact.total() - 1) < 1e-35
    for task in tasks:
        for ties in TIE_RULES:
            result = accuracy(net, task=task, ties=ties)
            error = abs(mp.mpf(result.value) - exact.accuracy(oracles.LABELS[task], ties))
            assert error <= result.error_bound
            assert error <= 1e-13
            assert result.error_bound <= 1e-8
            assert abs(result.tied - exact.tied()) <= 1e-13
            assert unresolved or result.unresolved == 0.0
            assert result.patterns == len(exact.patterns)
            assert result.cells == exact.cells(REGION_OF[task])


@pytest.fixture(autouse=True, scope="module")
def forty_digits():
    with mp.workdps(oracles.DIGITS):
        yield


# --- brute force ----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [2, 3])
@pytest.mark.parametrize("n", [2, 3])
def test_brute_force_fractions_are_those_of_plain_cones(hidden, n):
    """The brute force itself: octant by octant as by the library's 30-digit fractions."""
    from conevol.precision import fraction

    rng = np.random.default_rng(hidden + n)
    rows = rng.standard_normal((hidden + 2, n))
    assert abs(oracles.cone_fraction(rows) - fraction(rows, 30)) < 1e-28


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
@pytest.mark.parametrize(("hidden", "n"), SHAPES)
def test_value_is_that_of_brute_force(hidden, n, kind):
    rng = np.random.default_rng(100 * hidden + n)
    for _ in range(4):
        net = ReluRNN(*random_weights(rng, hidden, n, kind))
        agrees_with_brute_force(net, tasks_for(n))


@pytest.mark.parametrize("kind", ["float", "integer", "dead readout"])
@pytest.mark.parametrize("hidden", [8, 16])
def test_value_of_larger_networks_is_that_of_brute_force(hidden, kind):
    net = ReluRNN(*random_weights(np.random.default_rng(hidden), hidden, 3, kind))
    agrees_with_brute_force(net, ["second_argmax"])


def test_value_of_the_published_network_is_that_of_brute_force():
    agrees_with_brute_force(published(), ["second_argmax", "argmedian"])


@pytest.mark.parametrize("name", bundled())
def test_value_of_bundled_networks_is_that_of_brute_force(name):
    # Hand-written networks may have logits that tie on purpose.
    agrees_with_brute_force(conevol.zoo.load(name), ["second_argmax"], unresolved=True)


@settings(deadline=None, max_examples=60)
@given(weights())
def test_value_is_that_of_brute_force_for_any_network(w):
    net = ReluRNN(*w)
    exact = oracles.exact_cells(*w)
    for ties in TIE_RULES:
        result = accuracy(net, ties=ties)
        error = abs(mp.mpf(result.value) - exact.accuracy(oracles.second_argmax, ties))
        assert error <= result.error_bound
        assert error <= 1e-13


@pytest.mark.parametrize("power", [2, 4, 5, 6, 8, 12])
def test_bound_holds_when_recurrent_weights_are_large(power):
    """The last input then hardly turns a plane: all planes nearly contain its axis."""
    rng = np.random.default_rng(power)
    for _ in range(40):
        hi, hh, oh = random_weights(rng, 3, 3, str(rng.choice(["float", "integer", "float32"])))
        hh = hh * 10.0**power
        exact = oracles.exact_cells(hi, hh, oh)
        for ties in TIE_RULES:
            result = accuracy(ReluRNN(hi, hh, oh), ties=ties)
            error = abs(mp.mpf(result.value) - exact.accuracy(oracles.second_argmax, ties))
            assert error <= result.error_bound


@pytest.mark.parametrize(
    "w",
    [
        ([0.0, 1.1], [[0.0, 1e5], [-1e5, -1e5]], [[0.0, 0.0], [0.0, 0.0], [-1.1, 0.0]]),
        ([1.1, -1.1], [[-1e5, 1e5], [0.0, 1e5]], [[0.0, 1.1], [0.0, 1.1], [1.1, -1.1]]),
    ],
)
def test_bound_holds_where_all_vertices_are_in_doubt(w):
    """Two vertices of a polygon are nearly antipodal, so its inside may be far from a plane
    that every vertex is near.
    """
    net = ReluRNN(*w)
    exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
    for ties in TIE_RULES:
        result = accuracy(net, ties=ties)
        error = abs(mp.mpf(result.value) - exact.accuracy(oracles.second_argmax, ties))
        assert error <= result.error_bound


def test_length_one():
    """One input, one logit: always right, and no plane but x_0 = 0."""
    for task in ("argmax", "argmedian"):
        result = accuracy(ReluRNN([1.0, -2.0], np.zeros((2, 2)), [[1.0, 1.0]]), task=task)
        assert (result.value, result.patterns, result.cells) == (1.0, 2, 2)


@pytest.mark.parametrize(
    ("power", "seeds"),
    [
        (2, range(8)), (4, (8, 24, 34, 54)), (5, (8, 24, 43, 46)), (6, (1, 9, 27, 51)),
        (7, (19, 39, 57)), (8, (8, 53, 54)), (10, (8, 35, 49)), (12, (10, 13, 57)),
    ],
)  # fmt: skip
def test_bound_holds_where_neurons_nearly_cancel(power, seeds):
    """Rounding of the planes is then most of the error, and a bound a fifth as large too small."""
    ratios = []
    for seed in seeds:
        net = cancelling(power, seed)
        exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
        for ties in TIE_RULES:
            result = accuracy(net, ties=ties)
            error = abs(mp.mpf(result.value) - exact.accuracy(oracles.second_argmax, ties))
            assert error <= result.error_bound
            ratios.append(float(error / result.error_bound))
    if power == 12:
        assert max(ratios) > 0.2


def test_bound_is_near_the_error():
    """Random networks, and noisy copies of a trained one: below 1e-12, errors are below 1e-15."""
    rng = np.random.default_rng(9)
    results = [accuracy(ReluRNN(*random_weights(rng, 4, 3))) for _ in range(50)]
    assert np.median([r.error_bound for r in results]) < 5e-13
    copies = accuracy(conevol.zoo.load("4/3").noisy_copies(256, sd=0.05))
    assert copies.error_bound.max() < 1e-12


@pytest.mark.parametrize("kind", ["integer", "ties"])
def test_integer_weights_are_computed_with_exactly(kind):
    rng = np.random.default_rng(11)
    for _ in range(30):
        hi, hh, oh = random_weights(rng, 3, 3, kind)
        scales = (1.0, 2.0**-150, 2.0**200)
        results = [accuracy(ReluRNN(s * hi, hh, oh / s**2)) for s in scales]
        assert all(r.unresolved == 0.0 for r in results)
        assert all(r.error_bound < 1e-12 for r in results)
        assert len({(r.value, r.patterns, r.cells, r.tied) for r in results}) == 1


@pytest.mark.parametrize("bits", [8, 10, 13, 16, 20, 24, 26])
def test_integers_that_outgrow_floats(bits):
    """Exact while the maps fit into 53 bits; beyond, ties that rounding hides are unresolved."""
    rng = np.random.default_rng(bits)
    for _ in range(10):
        shapes = ((4,), (4, 4), (3, 4))
        hi, hh, oh = (rng.integers(-(2**bits), 2**bits, s).astype(float) for s in shapes)
        # On paper neurons 0 and 1 together are neuron 2, wherever both are on: logits tie.
        hi[2], hh[2] = hi[0] + hi[1], hh[0] + hh[1]
        hh[:3, :3], oh[:2, :3] = 0.0, [[1, 1, 0], [0, 0, 1]]
        oh[:2, 3] = oh[0, 3]
        net = ReluRNN(hi, hh, oh)
        exact = oracles.exact_cells(hi, hh, oh)
        for ties in TIE_RULES:
            result = accuracy(net, ties=ties)
            error = abs(mp.mpf(result.value) - exact.accuracy(oracles.second_argmax, ties))
            assert error <= result.error_bound
            assert abs(result.tied - exact.tied()) <= result.error_bound
            if bits <= 10:
                assert result.unresolved == 0.0
                assert result.error_bound < 1e-12


def test_unresolved_ties_are_in_the_bound():
    """Logits that are equal on paper but not certainly so in floats."""
    w = np.array([0.1, 0.2, 0.3])
    readout = [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]  # 0.1 + 0.2 against 0.3
    net = ReluRNN(w, np.zeros((3, 3)), readout)
    exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
    for ties in TIE_RULES:
        result = accuracy(net, ties=ties)
        error = abs(mp.mpf(result.value) - exact.accuracy(oracles.second_argmax, ties))
        assert error <= result.error_bound
        assert 0.0 < result.unresolved <= result.error_bound


# --- ties -----------------------------------------------------------------------------------


def test_a_network_that_says_nothing():
    """All logits tie everywhere: the first index, an equal share, or nothing."""
    for n in (2, 3):
        net = ReluRNN([0.0, 1.0], np.eye(2), np.zeros((n, 2)))
        values = [accuracy(net, ties=ties) for ties in TIE_RULES]
        assert [r.value for r in values] == pytest.approx([1 / n, 1 / n, 0.0], abs=1e-15)
        assert [r.tied for r in values] == pytest.approx([1.0] * 3, abs=1e-15)


def test_a_tie_of_known_mass():
    """A perfect network for n = 2 whose readout ties when both inputs are negative.

    Logits are max(x_0, 0) and max(x_1, 0), label is the smaller input: argmax is
    wrong in the three quarters where an input is positive, and ties in the last.
    """
    net = ReluRNN([1.0, 0.0], [[0.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]])
    for task, first, split, wrong in [
        ("second_argmax", 0.125, 0.125, 0.0),
        ("argmax", 0.875, 0.875, 0.75),
    ]:
        results = [accuracy(net, task=task, ties=ties) for ties in TIE_RULES]
        assert [r.value for r in results] == pytest.approx([first, split, wrong], abs=1e-15)
        assert [r.tied for r in results] == pytest.approx([0.25] * 3, abs=1e-15)
        assert [r.ties for r in results] == list(TIE_RULES)


def test_a_perfect_network():
    """The last state is (x_0 - x_1)+ and (x_1 - x_0)+, whatever the signs."""
    net = ReluRNN([-1.0, 1.0], [[-1.0, 1.0], [1.0, -1.0]], [[0.0, 1.0], [1.0, 0.0]])
    assert accuracy(net, task="second_argmax").value == pytest.approx(1.0, abs=1e-15)
    assert accuracy(net, task="argmax").value == pytest.approx(0.0, abs=1e-15)


@settings(deadline=None, max_examples=40)
@given(weights())
def test_rules_are_ordered(w):
    """Ties credited to none, or to the label's share: 'wrong' is least; gaps fit in the ties."""
    first, split, wrong = (accuracy(ReluRNN(*w), ties=ties) for ties in TIE_RULES)
    assert wrong.value <= min(first.value, split.value) + 1e-13
    assert max(first.value, split.value) <= wrong.value + wrong.tied + 1e-13
    assert (first.patterns, first.cells) == (split.patterns, split.cells)


# --- the table of cells ---------------------------------------------------------------------


def tabled(net, task):
    return accuracy(net, task=task, table=True)


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
@pytest.mark.parametrize(("hidden", "n"), [(2, 2), (2, 3), (4, 3)])
def test_cells_are_what_their_row_says(hidden, n, kind):
    """At the sum of its rays a cell has its pattern, label, prediction, and ties."""
    rng = np.random.default_rng(7 * hidden + n)
    net = ReluRNN(*random_weights(rng, hidden, n, kind))
    for task in tasks_for(n):
        result = tabled(net, task)
        cells = result.table
        assert len(cells) == result.cells == len(cells.rays)
        assert len(np.unique(cells.pattern.reshape(len(cells), -1), axis=0)) == result.patterns
        assert abs(math.fsum(cells.fraction) - 1.0) <= 1e-13
        right = cells.fraction[cells.label == cells.prediction]
        assert abs(math.fsum(right) - result.value) <= 1e-13
        assert abs(math.fsum(cells.fraction[cells.ties > 1]) - result.tied) <= 1e-13
        assert (cells.fraction > 0).all()
        for i, rays in enumerate(cells.rays):
            np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0, atol=1e-15)
            middle = rays.sum(axis=0)
            if cells.fraction[i] < 1e-6 or np.linalg.norm(middle) < 1e-3 or len(rays) < n:
                continue  # too thin for floats; a lune's rays do not tell its middle
            assert (net.pattern(middle) == cells.pattern[i]).all()
            assert TASKS[task](middle) == cells.label[i]
            logits = net.forward(middle)
            size = np.abs(logits).max()
            tied = np.flatnonzero(logits >= logits.max() - 1e-9 * size)
            assert len(tied) == cells.ties[i]
            assert tied[0] == cells.prediction[i]


def test_rays_of_a_cell_bound_it():
    """The fraction of a cell is that of the cone over its rays."""
    net = ReluRNN(*random_weights(np.random.default_rng(3), 4, 3))
    cells = tabled(net, "second_argmax").table
    for rays, value in zip(cells.rays, cells.fraction, strict=True):
        normals = np.cross(rays, np.roll(rays, -1, axis=0))
        if len(rays) > 2 and value > 1e-6:
            middle = rays.sum(axis=0)
            normals *= np.sign(normals @ middle)[:, None]
            assert conevol.fraction(normals) == pytest.approx(value, rel=1e-9)


def test_cells_do_not_overlap():
    """A Gaussian input lies in one cell of the table: that of its pattern, label, prediction."""
    net = ReluRNN(*random_weights(np.random.default_rng(4), 4, 3))
    cells = tabled(net, "second_argmax").table
    x = np.random.default_rng(5).standard_normal((200_000, 3))
    hit = (net.predict(x) == TASKS["second_argmax"](x)).mean()
    right = cells.fraction[cells.label == cells.prediction].sum()
    assert abs(hit - right) < 4 * 0.5 / math.sqrt(len(x))
    digits = 2 ** np.arange(net.n * net.hidden)
    of_cell = cells.pattern.reshape(len(cells), -1) @ digits
    of_input = net.pattern(x).reshape(len(x), -1) @ digits
    for code in np.unique(of_cell):
        share, seen = cells.fraction[of_cell == code].sum(), (of_input == code).mean()
        assert abs(seen - share) <= 5 * math.sqrt(share * (1 - share) / len(x)) + 1e-5
    # Patterns that are too rare to be a cell of the table do not turn up.
    assert np.isin(of_input, of_cell).all()


def test_table_is_only_made_when_asked_for():
    net = ReluRNN(*random_weights(np.random.default_rng(3), 2, 3))
    assert accuracy(net).table is None
    assert float(accuracy(net)) == accuracy(net).value == accuracy(net, table=True).value


# --- what changes nothing -------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(weights(), st.randoms(use_true_random=False))
def test_order_of_neurons_changes_nothing(w, random):
    hi, hh, oh = w
    order = list(range(len(hi)))
    random.shuffle(order)
    for ties in TIE_RULES:
        first = accuracy(ReluRNN(hi, hh, oh), ties=ties)
        other = accuracy(ReluRNN(hi[order], hh[order][:, order], oh[:, order]), ties=ties)
        assert abs(first.value - other.value) <= first.error_bound + other.error_bound
        assert (first.patterns, first.cells) == (other.patterns, other.cells)


@settings(deadline=None, max_examples=40)
@given(weights(), st.lists(st.integers(-60, 60), min_size=3, max_size=3))
def test_positive_scaling_of_neurons_changes_nothing(w, powers):
    hi, hh, oh = w
    scale = 2.0 ** np.array(powers[: len(hi)])
    for ties in TIE_RULES:
        first = accuracy(ReluRNN(hi, hh, oh), ties=ties)
        other = accuracy(ReluRNN(scale * hi, scale[:, None] * hh / scale, oh / scale), ties=ties)
        assert abs(first.value - other.value) <= first.error_bound + other.error_bound
        assert abs(first.value - other.value) <= 1e-13


@settings(deadline=None, max_examples=30)
@given(weights())
def test_adding_to_all_logits_changes_nothing(w):
    """One row added to every row of the readout; integers, so that nothing rounds."""
    hi, hh, oh = (np.round(8 * a) for a in w)
    if max(np.abs(a).max() for a in (hi, hh, oh)) > 2**12:
        return
    first, other = accuracy(ReluRNN(hi, hh, oh)), accuracy(ReluRNN(hi, hh, oh + 3.0 * hi))
    assert abs(first.value - other.value) <= first.error_bound + other.error_bound
    assert abs(first.tied - other.tied) <= 1e-13


@settings(deadline=None, max_examples=30)
@given(weights())
def test_a_dead_neuron_changes_nothing(w):
    hi, hh, oh = w
    hidden = len(hi)
    longer = np.zeros((hidden + 1, hidden + 1))
    longer[:hidden, :hidden] = hh
    longer[:hidden, hidden] = 3.0
    first = accuracy(ReluRNN(hi, hh, oh))
    other = accuracy(ReluRNN([*hi, 0.0], longer, np.column_stack([oh, np.ones(len(oh))])))
    assert abs(first.value - other.value) <= first.error_bound + other.error_bound
    assert (first.patterns, first.cells) == (other.patterns, other.cells)


# --- sampling -------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize("kind", ["float", "dead readout", "dead neuron"])
def test_sampling_agrees(kind, ties):
    rng = np.random.default_rng(21)
    for n in (2, 3):
        net = ReluRNN(*random_weights(rng, 4, n, kind))
        sampled = conevol.sample_accuracy(net, 500_000, seed=5, ties=ties)
        exact = accuracy(net, ties=ties)
        assert abs(sampled.value - exact.value) <= 4 * sampled.standard_error + 1e-12
        spread = math.sqrt(exact.tied * (1 - min(exact.tied, 1.0)) / sampled.samples)
        assert abs(sampled.tied - exact.tied) <= 4 * spread + 1e-12


@pytest.mark.parametrize("kind", ["integer", "ties"])
def test_sampling_without_rounding_agrees(kind):
    """Integer weights and inputs on a grid: floats compute without rounding, ties included.

    (With other inputs, logits that are equal on paper differ in the last bit.)
    """
    x = np.round(np.random.default_rng(22).standard_normal((400_000, 3)) * 2**20)
    label = TASKS["second_argmax"](x)
    rng = np.random.default_rng(23)
    for _ in range(5):
        net = ReluRNN(*random_weights(rng, 4, 3, kind))
        logits = net.forward(x)
        tied = logits == logits.max(axis=1, keepdims=True)
        hit = np.take_along_axis(tied, label[:, None], axis=1)[:, 0]
        credits = {
            "first": logits.argmax(axis=1) == label,
            "split": hit / tied.sum(axis=1),
            "wrong": hit & (tied.sum(axis=1) == 1),
        }
        for ties, credit in credits.items():
            exact = accuracy(net, ties=ties)
            assert abs(credit.mean() - exact.value) <= 4.5 * credit.std() / math.sqrt(len(x)) + 1e-5


# --- ensembles and threads ------------------------------------------------------------------

FIELDS = ("value", "error_bound", "tied", "unresolved", "patterns", "cells")


@pytest.mark.parametrize("kind", ["float", "integer", "dead readout"])
def test_an_ensemble_is_one_by_one_to_the_bit(kind):
    rng = np.random.default_rng(31)
    nets = [ReluRNN(*random_weights(rng, 3, 3, kind)) for _ in range(70)]
    together = accuracy(nets, ties="split")
    alone = [accuracy(net, ties="split") for net in nets]
    assert len(together) == 70
    assert together.ties == "split"
    for name in FIELDS:
        assert getattr(together, name).tolist() == [getattr(r, name) for r in alone]


def test_threads_change_no_bit():
    ensemble = ReluRNN(*random_weights(np.random.default_rng(32), 4, 3)).noisy_copies(150)
    first = accuracy(ensemble)
    for threads in (1, 2, 5):
        again = accuracy(ensemble, threads=threads)
        for name in FIELDS:
            assert (getattr(again, name) == getattr(first, name)).all()


def test_an_empty_ensemble():
    empty = Ensemble(np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros((0, 3, 2)))
    result = accuracy(empty)
    assert len(result) == 0
    assert result.value.shape == (0,)


def test_one_workspace_serves_many_networks():
    """The same network many times among others: nothing is left over from its neighbours."""
    rng = np.random.default_rng(33)
    fixed = ReluRNN(*random_weights(rng, 3, 3, "ties"))
    others = [ReluRNN(*random_weights(rng, 3, 3, kind)) for kind in WEIGHT_KINDS for _ in range(3)]
    mixed = [net for other in others for net in (fixed, other)]
    values = accuracy(mixed, threads=1).value[::2]
    assert (values == accuracy(fixed).value).all()


# --- tasks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(REGION_OF))
def test_a_task_by_its_orders_is_the_same(name):
    """The built-in fan of few cones and the fan of all orders give one accuracy."""
    by_order = ranking_task("again", oracles.LABELS[name])
    net = ReluRNN(*random_weights(np.random.default_rng(41), 3, 3))
    for ties in TIE_RULES:
        few, all_orders = (accuracy(net, task=t, ties=ties) for t in (name, by_order))
        assert abs(few.value - all_orders.value) <= 1e-13
        assert few.patterns == all_orders.patterns
        assert few.cells <= all_orders.cells


def test_a_task_of_your_own():
    parity = ranking_task("is it descending", lambda order: int(order == (0, 1, 2)))
    net = ReluRNN(*random_weights(np.random.default_rng(42), 3, 3))
    exact = oracles.exact_cells(net.W_hi, net.W_hh, net.W_oh)
    expected = exact.accuracy(lambda order: int(order == (0, 1, 2)), "first")
    assert abs(accuracy(net, task=parity).value - expected) <= 1e-13


def test_the_networks_own_task_is_the_default():
    w = random_weights(np.random.default_rng(43), 3, 3)
    for task in REGION_OF:
        assert accuracy(ReluRNN(*w, task=task)).value == accuracy(ReluRNN(*w), task=task).value


# --- what is refused ------------------------------------------------------------------------


def net(n=3, hidden=2, scale=1.0, **options):
    w = random_weights(np.random.default_rng(1), hidden, n)
    return ReluRNN(*(scale * a for a in w), **options)


REFUSED = [
    (
        lambda: accuracy(net(), ties="maybe"),
        "unknown tie rule 'maybe', expected one of first, split",
    ),
    (lambda: accuracy([net(), net()], table=True), "one network at a time, got an ensemble"),
    (lambda: accuracy([net()] * 40, threads=0), "threads is 0, expected at least 1"),
]
WRONG_TASKS = [
    (lambda: accuracy(net(), task="sort"), "unknown task 'sort', expected one of argmax, argm"),
    (lambda: accuracy(net(n=2), task="argmedian"), "'argmedian' needs odd n >= 1, got n = 2"),
    (lambda: accuracy(net(n=1)), "'second_argmax' needs n >= 2, got n = 1"),
    (
        lambda: accuracy(net(), task=ranking_task("bad", lambda order: 3)),
        r"'bad' gives order .* the label 3, expected 0 \.\. 2",
    ),
]
WRONG_NETWORKS = [
    (lambda: accuracy([]), "at least one network, got none"),
    (lambda: accuracy([net(), net(hidden=3)]), r"networks of one \(hidden, n, task\), got"),
    (lambda: accuracy([net(), net(task="argmax")]), r"networks of one \(hidden, n, task\), got"),
    (
        lambda: accuracy(net(scale=1e200)),
        r"products of the weights of network 0 overflow \(1 of 1 networks\): scale the weights",
    ),
    (
        lambda: accuracy([net(), net(scale=1e200), net(scale=1e150)]),
        r"network 1 overflow \(2 of 3 networks\)",
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        *((call, ConevolError, message) for call, message in REFUSED),
        *((call, TaskError, message) for call, message in WRONG_TASKS),
        *((call, WeightsError, message) for call, message in WRONG_NETWORKS),
    ],
)
def test_wrong_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
