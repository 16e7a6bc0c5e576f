"""Spline codes: against samples, scipy, and the geometry of the cells."""

from __future__ import annotations

import sys

import matplotlib.image as mpl_image
import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from conevol import ReluRNN, accuracy, pattern_fractions, zoo
from conevol.analysis.code_map import code_positions, draw_codes
from conevol.analysis.codes import average_linkage, code_table, neighbours
from conevol.errors import CellsError, ConevolError
from conevol.tasks import get_task

SAMPLES = 200_000


@pytest.mark.parametrize("name", ["2/2", "4/3", "6/4"])
def test_agrees_with_samples(name):
    net = zoo.load(name)
    table = code_table(net)
    x = np.random.default_rng(2).standard_normal((SAMPLES, net.n))
    labels = get_task(net.task)(x)
    right = net.predict(x) == labels
    codes = net.pattern(x).reshape(SAMPLES, -1)
    for k in range(0, len(table), max(1, len(table) // 12)):
        here = (codes == table.codes[k].reshape(-1)).all(axis=1)
        for p, event in (
            (table.fractions[k], here),
            (table.joint[k, 0], here & (labels == 0)),
            (table.right[k], here & right),
        ):
            assert abs(event.mean() - p) <= 5.0 * np.sqrt(p * (1 - p) / SAMPLES) + 2.0 / SAMPLES


def test_agrees_with_the_law_and_the_accuracy():
    net = zoo.load("4/3")
    table, law = code_table(net), pattern_fractions(net)
    assert abs(table.entropy() - law.entropy().value) < 1e-11
    assert abs(table.right.sum() - accuracy(net).value) <= table.error_bound
    assert (np.diff(table.fractions) <= 0.0).all()
    variances, directions = table.directions()
    flat = directions.reshape(len(directions), -1)
    covariance = law.activation_covariance().value
    np.testing.assert_allclose(flat.T @ np.diag(variances) @ flat, covariance, atol=1e-12)
    np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-12)


def test_information_of_the_label():
    assert code_table(zoo.load("exact-2/2")).label_information() == pytest.approx(1.0)
    # The code is the signs of both inputs: it tells nothing where they are the same.
    blind = code_table(ReluRNN([1.0, -1.0], np.zeros((2, 2)), np.ones((2, 2))))
    assert blind.label_information() == pytest.approx(0.5)
    table = code_table(zoo.load("4/3"))
    assert 0.0 < table.label_information() < np.log2(3)


@pytest.mark.parametrize("metric", ["hamming", "jaccard"])
def test_distances_and_linkage_are_scipys(metric):
    table = code_table(zoo.load("4/3"))
    expected = pdist(table.codes.reshape(len(table), -1), metric)
    np.testing.assert_allclose(table.distances(metric), squareform(expected), atol=1e-15)
    # In general position there are no equal distances, so the merges are the same.
    spots = np.random.default_rng(0).random((30, 3))
    found = average_linkage(squareform(pdist(spots)), np.full(30, 0.2))
    np.testing.assert_allclose(found, linkage(pdist(spots), "average"), atol=1e-13)


def test_weights_of_clusters():
    """A point of weight two is two points."""
    spots = np.random.default_rng(1).random((12, 3))
    doubled = np.vstack([spots, spots[:1]])
    weights = np.ones(12)
    weights[0] = 2.0
    found = average_linkage(squareform(pdist(spots)), weights)
    expected = linkage(pdist(doubled), "average")[1:]
    np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=1e-13)


def test_clusters():
    table = code_table(zoo.load("4/3"))
    for count in (1, 4, len(table)):
        clusters = table.clusters(count, metric="jaccard")
        assert len(clusters.fractions) == len(set(clusters.members.tolist())) == count
        assert clusters.fractions.sum() == pytest.approx(1.0)
        assert (np.diff(clusters.fractions) <= 0.0).all()
        sums = np.bincount(clusters.members, table.fractions)
        np.testing.assert_allclose(sums, clusters.fractions, atol=1e-15)


def test_clusters_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.cluster.hierarchy", None)
    with pytest.raises(ConevolError, match=r'pip install "conevol\[analysis\]"'):
        code_table(zoo.load("2/2")).clusters(2)


@pytest.mark.parametrize("name", ["2/2", "4/3", "8/3", "6/4"])
def test_neighbours(name):
    net = zoo.load(name)
    found = neighbours(net)
    assert found.unmatched == 0.0
    assert found.shares.sum() == pytest.approx(1.0)
    assert len({tuple(p) for p in found.pairs.tolist()}) == len(found.pairs)
    # One bit flips, or all at x_0 = 0 (both signs of every neuron's input weight).
    assert set(found.flips.tolist()) <= {1, *range(2, 2 * net.hidden * net.n)}
    assert (found.flips == 1).mean() > 0.4
    parts = found.shared(int(found.pairs[0, 0]))
    assert sum(parts.values()) == pytest.approx(1.0)


def test_neighbours_of_a_network_whose_first_neuron_does_not_see_the_input():
    """The tree begins with another neuron; codes are in the network's order all the same."""
    net = zoo.load("4/3")
    w = net.W_hi.copy()
    w[0] = 0.0
    net = ReluRNN(w, net.W_hh, net.W_oh)
    found = neighbours(net)
    assert found.unmatched == 0.0
    assert {c.tobytes() for c in found.codes} == {c.tobytes() for c in code_table(net).codes}


def test_the_plane_of_the_first_input_is_covered():
    """The facets on x_0 = 0, where all neurons of step 1 flip, fill the whole plane."""
    net = zoo.load("4/3")
    found = neighbours(net)
    first = found.codes[found.pairs, 0]
    across = (first[:, 0] != first[:, 1]).all(axis=1)
    assert found.facets[across].sum() == pytest.approx(1.0, abs=1e-12)


def test_facets_of_an_arrangement():
    """Three coordinate planes: eight octants, twelve quarter circles."""
    found = neighbours(ReluRNN([1.0], [[0.0]], np.ones((3, 1))))
    assert len(found.codes) == 8
    np.testing.assert_allclose(found.facets, np.full(12, 0.25), atol=1e-15)
    np.testing.assert_allclose(list(found.shared(0).values()), np.full(3, 1 / 3))


def test_refusals():
    net = zoo.load("4/3")
    with pytest.raises(CellsError, match="max_codes is 9"):
        neighbours(net, max_codes=9)
    with pytest.raises(ConevolError, match="n >= 2"):
        neighbours(ReluRNN([1.0], [[0.0]], [[1.0]]))
    with pytest.raises(ConevolError, match="ties is 'split'"):
        code_table(net, ties="split")
    with pytest.raises(ConevolError, match="unknown metric 'cosine'"):
        code_table(net).distances("cosine")
    with pytest.raises(ConevolError, match="count is 0"):
        code_table(net).clusters(0)


def test_positions_on_the_map_have_the_leading_variances():
    table = code_table(zoo.load("6/4"))
    at = code_positions(table)
    p = table.fractions / table.fractions.sum()
    covariance = (at * p[:, None]).T @ at
    assert np.allclose(p @ at, 0.0, atol=1e-12)
    assert np.allclose(covariance, np.diag(table.directions()[0][:2]), atol=1e-12)


def test_the_map_shows_every_code_and_label(tmp_path):
    net = zoo.load("4/3")
    table = code_table(net)
    path = tmp_path / "codes.png"
    draw_codes(table, path, neighbours(net))
    image = mpl_image.imread(path)[..., :3]
    for colour in ("#0072B2", "#E69F00", "#009E73"):
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        share = (np.abs(image - rgb).max(axis=2) < 0.02).mean()
        assert share > 0.005
    draw_codes(code_table(zoo.load("exact-2/2")), path)
    with pytest.raises(ConevolError, match="are not among the table's"):
        draw_codes(table, path, neighbours(zoo.load("8/3")))


def test_the_map_of_one_code_is_drawn(tmp_path):
    constant = code_table(ReluRNN([0.0], [[0.0]], [[1.0], [2.0]]))
    assert len(constant) == 1
    draw_codes(constant, tmp_path / "codes.png", most=1)
