"""The sampler: its Gaussian numbers, reproducibility, and the two ways to a label."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from strategies import random_network

from conevol import ReluRNN, accuracy, gaussian_inputs, sample_accuracy
from conevol.errors import ConevolError, TaskError
from conevol.estimators.sampling import samples_needed
from conevol.kernels.gaussian import LANES
from conevol.kernels.sampling import BLOCK
from conevol.tasks import TASKS, ranking_task
from conevol.ties import TIE_RULES


@pytest.fixture(scope="module")
def draws():
    """1.2 million rows of three."""
    return gaussian_inputs(1_200_000, 3, seed=17)


# --- Gaussian numbers -----------------------------------------------------------------------


def test_numbers_are_normal(draws):
    for column in draws.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-4


@pytest.mark.parametrize("power", range(1, 9))
def test_moments(draws, power):
    """E x^p, within 5 of its standard errors."""
    x = draws.ravel()
    expected = float(stats.norm.moment(power))
    spread = math.sqrt((float(stats.norm.moment(2 * power)) - expected**2) / len(x))
    assert abs((x**power).mean() - expected) < 5 * spread


def test_tails(draws):
    """How many lie beyond 3, 4 and 5."""
    x = draws.ravel()
    for edge in (3.0, 4.0, 5.0):
        for count in ((x > edge).sum(), (x < -edge).sum()):
            expected = len(x) * stats.norm.sf(edge)
            assert abs(count - expected) < 5 * math.sqrt(expected) + 1


def test_columns_are_independent(draws):
    """No correlation of values, squares, or signs between columns, nor of rows 1 and 64 apart."""
    n = len(draws)
    pairs = [(draws[:, i], draws[:, j]) for i in range(3) for j in range(i)]
    flat = draws.ravel()
    pairs += [(flat[:-lag], flat[lag:]) for lag in (1, 2, 3, LANES, 3 * LANES, 3 * BLOCK)]
    for a, b in pairs:
        for f in (lambda v: v, np.square, np.sign, np.abs):
            assert abs(np.corrcoef(f(a), f(b))[0, 1]) < 5 / math.sqrt(min(n, len(a)))


def test_directions_are_uniform(draws):
    """Share of every octant, and of the angle of the two numbers of one Box-Muller pair."""
    octant = (draws > 0) @ [1, 2, 4]
    assert stats.chisquare(np.bincount(octant, minlength=8)).pvalue > 1e-4
    angle = np.arctan2(draws[:, 1], draws[:, 0])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4
    radius = (draws[:, 0] ** 2 + draws[:, 1] ** 2) / 2
    assert stats.kstest(radius, "expon").pvalue > 1e-4


def test_no_number_repeats():
    x = gaussian_inputs(4 * BLOCK, 3, seed=1)
    assert len(np.unique(x)) > 0.999 * x.size
    assert np.isfinite(x).all()
    assert len(np.unique(x[:: BLOCK // 4, 0])) == 16


# --- reproducibility ------------------------------------------------------------------------


def test_a_seed_is_its_numbers():
    first = gaussian_inputs(1000, 3, seed=5)
    assert (first == gaussian_inputs(1000, 3, seed=5)).all()
    for seed in (0, 4, 6, 2**62):
        other = gaussian_inputs(1000, 3, seed=seed)
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_shorter_draws_are_prefixes(n):
    long = gaussian_inputs(2 * BLOCK + 100, n, seed=9)
    for samples in (1, LANES - 1, LANES, LANES + 1, BLOCK, BLOCK + 1, 2 * BLOCK + 99):
        assert (gaussian_inputs(samples, n, seed=9) == long[:samples]).all()


@pytest.mark.parametrize("samples", [1, 63, 64, 65, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK + 7])
def test_threads_change_nothing(samples):
    net = random_network()
    first = sample_accuracy(net, samples, seed=3, threads=1)
    assert first.samples == samples
    for threads in (None, 2, 7):
        assert sample_accuracy(net, samples, seed=3, threads=threads) == first


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize("kind", ["float", "dead readout", "integer"])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_counts_are_those_of_its_inputs(task, kind, ties):
    """What the compiled code counts, from `gaussian_inputs` and the network's own methods."""
    net = random_network(kind=kind)
    samples = BLOCK + 12_345
    x = gaussian_inputs(samples, net.n, seed=4)
    logits, label = net.forward(x), TASKS[task](x)
    tied = logits == logits.max(axis=1, keepdims=True)
    several = tied.sum(axis=1) > 1
    hit = tied[np.arange(samples), label]
    credit = {
        "first": logits.argmax(axis=1) == label,
        "split": hit / tied.sum(axis=1),
        "wrong": hit & ~several,
    }[ties]
    result = sample_accuracy(net, samples, seed=4, task=task, ties=ties)
    # A logit may round otherwise in the compiled code, which fuses products and sums.
    slack = 5 / samples if kind == "float" else 0.01 * (kind == "integer") + 5 / samples
    assert abs(result.value - credit.mean()) <= slack
    assert abs(result.tied - several.mean()) <= slack
    assert abs(result.standard_error - credit.std() / math.sqrt(samples)) <= slack
    assert result.ties == ties


@pytest.mark.parametrize(("name", "ties"), [*zip(sorted(TASKS), TIE_RULES, strict=True)])
def test_python_labels_and_compiled_labels_agree(name, ties):
    """The same task once by its rank and once as any function of the order."""
    rank = TASKS[name].rank
    by_order = ranking_task("again", lambda order: order[rank(len(order))])
    net = random_network(kind="dead readout")
    compiled, python = (
        sample_accuracy(net, 17 * BLOCK + 5, seed=8, task=t, ties=ties) for t in (name, by_order)
    )
    assert abs(compiled.value - python.value) <= 5 / compiled.samples
    assert abs(compiled.tied - python.tied) <= 5 / compiled.samples


# --- the estimate ---------------------------------------------------------------------------


@pytest.mark.parametrize("ties", TIE_RULES)
def test_standard_error_is_calibrated(ties):
    """Errors of 300 runs in units of the standard error have variance 1."""
    net = random_network(kind="dead neuron", seed=10)
    exact = accuracy(net, ties=ties).value
    assert 0.05 < exact < 0.95
    runs = [sample_accuracy(net, 4000, seed=s, ties=ties) for s in range(300)]
    z = np.array([(r.value - exact) / r.standard_error for r in runs])
    assert abs(z.mean()) < 5 / math.sqrt(300)
    assert 1e-4 < stats.chi2(300).cdf((z**2).sum()) < 1 - 1e-4
    assert np.abs(z).max() < 5


@pytest.mark.parametrize(("hidden", "n"), [(1, 2), (3, 5), (16, 10)])
def test_any_shape(hidden, n):
    result = sample_accuracy(random_network(hidden, n), 100_000, seed=1)
    assert 0 <= result.value <= 1
    assert float(result) == result.value
    x = gaussian_inputs(100_000, n, seed=1)
    net = random_network(hidden, n)
    assert abs((net.predict(x) == TASKS["second_argmax"](x)).mean() - result.value) <= 5e-5


def test_certain_answers_have_no_error():
    net = ReluRNN([0.0], [[0.0]], [[0.0], [0.0]])
    result = sample_accuracy(net, 1000, ties="split")
    assert (result.value, result.standard_error, result.tied) == (0.5, 0.0, 1.0)
    assert sample_accuracy(net, 1000, ties="wrong").value == 0.0


def test_samples_needed():
    assert samples_needed(0.5, 0.01) == pytest.approx(2500)
    net = random_network()
    result = sample_accuracy(net, 50_000)
    assert samples_needed(result.value, result.standard_error) == pytest.approx(50_000)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"samples": 0}, ConevolError, "samples is 0, expected at least 1"),
        ({"samples": -3}, ConevolError, "samples is -3, expected at least 1"),
        ({"seed": -1}, ConevolError, r"seed is -1, expected 0 \.\. 2\^63 - 1"),
        ({"seed": 2**63}, ConevolError, r"seed is 9223372036854775808, expected"),
        ({"ties": "all"}, ConevolError, "unknown tie rule 'all', expected one of first, split"),
        ({"task": "sort"}, TaskError, "unknown task 'sort'"),
        ({"threads": 0}, ConevolError, "threads is 0, expected at least 1"),
    ],
)
def test_wrong_calls_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        sample_accuracy(random_network(), **options)


def test_wrong_lengths_are_refused():
    with pytest.raises(TaskError, match="'argmedian' needs odd n >= 1, got n = 2"):
        sample_accuracy(random_network(n=2), task="argmedian")
