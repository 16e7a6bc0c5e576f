"""Bounds of the accuracy: around the exact value at every moment, the same on any threads."""

from __future__ import annotations

import _thread
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from bare import from_python
from strategies import random_weights

import conevol
from conevol import ReluRNN, accuracy, accuracy_bounds
from conevol.branches import grow, losses
from conevol.cells import pattern_tree
from conevol.errors import ConevolError, FileFormatError, TaskError
from conevol.kernels import cut_steps, enclosure, tree
from conevol.ties import TIE_RULES


def moments(net, **options):
    """The bounds after every round."""
    seen = []
    seen.append(accuracy_bounds(net, progress=seen.append, **options))
    return seen


def check(net, ties="first", **options):
    exact = accuracy(net, ties=ties)
    seen = moments(net, ties=ties, **options)
    for now in seen:
        assert now.lower <= exact.value + exact.error_bound
        assert now.upper >= exact.value - exact.error_bound
    assert all(a.lower <= b.lower + 1e-11 for a, b in pairwise(seen))
    assert all(a.upper >= b.upper - 1e-11 for a, b in pairwise(seen))
    return exact, seen


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize("name", ["2/2", "3/3", "4/3", "6/4", "exact-7/3"])
def test_bounds_close_around_the_exact_value(name, ties):
    exact, seen = check(conevol.zoo.load(name), ties)
    last = seen[-1]
    assert last.complete
    # Fractions of prefixes are rounded too.
    assert last.width <= last.error + 1e-13
    assert last.error <= 1e-9
    assert last.value == pytest.approx(exact.value, abs=last.width + exact.error_bound)
    assert last.patterns == exact.patterns
    assert last.explored == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize("kind", ["integer", "ties", "dead readout", "dead neuron", "sparse"])
@pytest.mark.parametrize(("hidden", "n"), [(3, 2), (3, 3), (3, 4)])
def test_bounds_of_random_networks(hidden, n, kind, ties):
    rng = np.random.default_rng([hidden, n, len(kind)])
    net = ReluRNN(*random_weights(rng, hidden, n, kind))
    exact, seen = check(net, ties)
    assert seen[-1].complete
    assert seen[-1].width <= 4.0 * exact.error_bound + 1e-11


def test_length_one_and_blind_networks():
    one = ReluRNN([1.0, -1.0], np.eye(2), [[1.0, 1.0]], task="argmax")
    blind = ReluRNN([0.0, 0.0], np.eye(2), [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    for net in (one, blind):
        bounds = accuracy_bounds(net)
        assert bounds.complete
        assert bounds.lower <= accuracy(net).value <= bounds.upper


def test_it_stops_at_a_width():
    bounds = accuracy_bounds(conevol.zoo.load("8/4"), width=0.02)
    assert bounds.stopped == "width"
    assert bounds.error < bounds.width <= 0.02
    assert 0.0 < bounds.explored < 1.0
    assert bounds.lower <= accuracy(conevol.zoo.load("8/4")).value <= bounds.upper


def test_it_stops_at_a_number_of_nodes_and_goes_on(tmp_path):
    net, path = conevol.zoo.load("6/4"), tmp_path / "state.npz"
    part = accuracy_bounds(net, nodes=40, checkpoint=path)
    assert part.stopped == "nodes"
    assert part.open > 0
    rest = accuracy_bounds(net, resume=path, checkpoint=path)
    whole = accuracy_bounds(net)
    assert rest.complete
    assert (rest.nodes, rest.patterns) == (whole.nodes, whole.patterns)
    assert rest.value == pytest.approx(whole.value, abs=1e-13)
    again = accuracy_bounds(net, resume=path)
    assert (again.lower, again.upper) == (rest.lower, rest.upper)


def test_a_stop_and_resume_changes_no_bit(tmp_path):
    """Ended by nodes between rounds: the rest is what it would have been."""
    net, path = conevol.zoo.load("6/4"), tmp_path / "state.npz"
    accuracy_bounds(net, nodes=40, checkpoint=path)
    rest, whole = accuracy_bounds(net, resume=path), accuracy_bounds(net)
    assert (rest.lower, rest.upper, rest.error) == (whole.lower, whole.upper, whole.error)


def test_it_stops_in_time():
    bounds = accuracy_bounds(conevol.zoo.load("16/10"), seconds=0.5)
    assert bounds.stopped == "seconds"
    assert bounds.seconds < 10.0
    assert 0.0 <= bounds.lower < bounds.upper <= 1.0


@pytest.mark.parametrize("budget", [{"width": 0.05}, {"nodes": 60}, {}])
def test_threads_and_executors_change_no_bit(budget):
    net = conevol.zoo.load("6/4")
    bounds = [accuracy_bounds(net, threads=threads, **budget) for threads in (1, 2, 5)]
    with ThreadPoolExecutor(2) as pool:
        bounds.append(accuracy_bounds(net, executor=pool, **budget))
    assert len({(b.lower, b.upper, b.error, b.nodes, b.patterns) for b in bounds}) == 1


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises, also where the shell has the process ignore it: in the background."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_returns_what_there_is(tmp_path):
    net, path, rounds = conevol.zoo.load("6/4"), tmp_path / "state.npz", []

    def interrupt(now):
        rounds.append(now)
        if len(rounds) == 3:
            _thread.interrupt_main()

    bounds = accuracy_bounds(net, progress=interrupt, checkpoint=path, threads=1)
    assert bounds.stopped == "interrupt"
    assert bounds.width > 0.0
    assert accuracy_bounds(net, resume=path).value == pytest.approx(accuracy(net).value, abs=1e-11)


def test_states_of_others_are_refused(tmp_path):
    net, path = conevol.zoo.load("6/4"), tmp_path / "state.npz"
    accuracy_bounds(net, nodes=10, checkpoint=path)
    others = [
        (conevol.zoo.load("8/4"), {}), (net, {"ties": "wrong"}), (net, {"task": "argmax"}),
    ]  # fmt: skip
    for other, options in others:
        with pytest.raises(FileFormatError, match="another network, task or tie rule"):
            accuracy_bounds(other, resume=path, **options)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError, match="holds no state"):
        accuracy_bounds(net, resume=path)
    np.savez(path, weights=np.ones(3))
    with pytest.raises(FileFormatError, match="holds no state"):
        accuracy_bounds(net, resume=path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ties": "last"}, ConevolError, "unknown tie rule 'last'"),
        ({"width": 0.0}, ConevolError, "width is 0.0, expected a positive"),
        ({"seconds": -1.0}, ConevolError, "seconds is -1.0"),
        ({"nodes": 0}, ConevolError, "nodes is 0"),
        ({"task": "argmin"}, TaskError, "argmin"),
    ],
)
def test_wrong_calls_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        accuracy_bounds(conevol.zoo.load("3/3"), **options)


def test_children_and_losses_are_those_of_the_cells():
    net = conevol.zoo.load("6/4")
    whole, cells = pattern_tree(net), accuracy(net, table=True).table
    step = cells.pattern[:, :3].reshape(len(cells), -1)
    nodes = [whole.root]
    for _ in range(3):
        nodes = [node for child in grow(whole, nodes) for node in child.nodes]
    assert nodes == whole.prefixes(18)
    wrong = (cells.prediction != cells.label) * cells.fraction
    for least in (0.0, 1e-6, 1e-3):
        for node, lost in zip(nodes, losses(whole, nodes, [least] * len(nodes)), strict=True):
            below = (step == np.frombuffer(node, dtype=bool)).all(axis=1)
            truth = wrong[below].sum()
            assert lost.value - lost.error <= truth <= lost.value + lost.open + lost.error + 1e-15
            assert lost == whole.lost(node, least)
        assert least > 0.0 or lost.open == 0.0


def small_cones(name):
    """Workspace and slot of the cones of some prefixes, with their fractions and bounds."""
    net = conevol.zoo.load(name)
    whole = pattern_tree(net)
    for node in whole.prefixes(3 * net.hidden)[::7]:
        cone = whole.cone(node)
        status, _, walk = whole._walk(node, len(node), tree.REPLAY)
        assert status == tree.OK
        yield walk.cones, walk.maps.path[len(node), 0], cone.fraction, cone.error_bound


@pytest.mark.parametrize("name", ["6/4", "8/5"])
def test_cover_is_above_the_fraction(name):
    """And not by much: else nothing would be left open."""
    ratios = []
    for cones, slot, fraction, bound in small_cones(name):
        cover = cut_steps.cover(cones, slot)
        assert fraction <= cover + bound
        ratios.append(cover / fraction)
    assert np.median(ratios) < 10.0


@pytest.mark.parametrize("name", ["6/4", "8/5", "16/4"])
def test_enclosures_hold_the_fraction(name):
    """And are near it, mostly: else little would be gained."""
    widths = []
    for cones, slot, fraction, bound in small_cones(name):
        low, high = from_python(enclosure.enclose)(cones, slot)
        assert low - bound <= fraction <= high + bound
        widths.append((high - low) / fraction)
    assert np.median(widths) < 0.1


def test_less_is_looked_at_where_more_may_be_left_open():
    whole = pattern_tree(conevol.zoo.load("6/4"))
    nodes = whole.prefixes(18)
    seen = [losses(whole, nodes, [least] * len(nodes)) for least in (0.0, 1e-5, 1e-4, 1e-3)]
    for count in ("patterns", "fractions"):
        numbers = [sum(getattr(lost, count) for lost in found) for found in seen]
        assert numbers == sorted(numbers, reverse=True)
        assert numbers[3] < 0.5 * numbers[0]
