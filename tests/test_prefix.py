"""Post-stratified samples: exact strata, unbiased, with honest standard errors, counted."""

from __future__ import annotations

import itertools
import math

import counted
import counted_arrays
import numpy as np
import pytest
from bare import from_python
from strategies import random_network

from conevol import ReluRNN, accuracy, gaussian_inputs, sample_accuracy, zoo
from conevol.errors import ConevolError, TaskError
from conevol.estimators import estimator, prefix, prefix_accuracy
from conevol.estimators.prefix import (
    STRATUM_OPERATIONS,
    _keys,
    kept_strata,
    post_stratified,
    prefixes,
)
from conevol.kernels.prefix import new_table, stratum_of
from conevol.kernels.sampling import BLOCK
from conevol.patterns import pattern_fractions
from conevol.tasks import TASKS
from conevol.ties import TIE_RULES


def by_bits(patterns, values):
    rows = patterns.reshape(len(patterns), -1)
    return {row.tobytes(): value for row, value in zip(rows, values, strict=True)}


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["float", "dead readout", "integer"])
def test_strata_are_those_of_the_tree(steps, kind):
    """Polygons for up to three steps, against cones of the tree; all with their own bounds."""
    net = random_network(5, 4, kind, seed=steps)
    found, law = prefixes(net, steps, 1), pattern_fractions(net, steps)
    assert found.patterns.shape[1:] == (steps, 5)
    assert abs(found.fractions.sum() - 1.0) <= found.error < 1e-9
    assert (np.diff(found.fractions) <= 0.0).all()
    mine, other = by_bits(found.patterns, found.fractions), by_bits(law.patterns, law.fractions)
    assert set(mine) == set(other)
    bound = found.error + law.error_bounds.sum() + law.plane_error
    assert sum(abs(mine[bits] - other[bits]) for bits in mine) <= bound
    assert (found.operations is None) == (steps == 4)


def test_one_input_and_no_input_weight():
    alone = prefixes(ReluRNN([1.0, -1.0], np.zeros((2, 2)), [[1.0, 2.0]], task="argmax"), 1, 1)
    assert alone.fractions.tolist() == [0.5, 0.5]
    off = ReluRNN([0.0], [[0.0]], [[1.0], [2.0]])
    assert prefixes(off, 2, 1).fractions.tolist() == [1.0]
    for ties, value in (("split", 0.5), ("wrong", 0.0)):
        assert prefix_accuracy(off, steps=1, samples=100, ties=ties).value == value


def test_the_rest_takes_what_expects_fewer_than_sixteen_samples():
    p = np.array([0.5, 0.25, 0.125, 0.0625, 0.0625])
    for samples, kept in ((31, 0), (32, 1), (63, 1), (64, 2), (127, 2), (128, 3), (256, 4)):
        assert kept_strata(p, samples, None) == kept
    # All strata expect enough, and yet there is a rest.
    assert kept_strata(p, 10**9, None) == 4
    assert kept_strata(p, 10**9, 2) == 2
    assert kept_strata(np.ones(1), 10**9, None) == 0


def outcomes(shares, right, samples):
    """All ways that the samples may fall, with probabilities, hits and credits."""
    cells = list(itertools.product(range(len(shares)), (0.0, 1.0)))
    for draw in itertools.product(cells, repeat=samples):
        chance = math.prod(shares[g] * (right[g] if y else 1.0 - right[g]) for g, y in draw)
        hits, credit = np.zeros((2, len(shares)))
        for g, y in draw:
            hits[g] += 1.0
            credit[g] += y
        yield chance, hits, credit


@pytest.mark.parametrize("samples", [2, 3, 5])
def test_exactly_unbiased_however_the_samples_fall(samples):
    """By enumeration, so with strata of no sample and of one."""
    shares, right = np.array([0.6, 0.3, 0.1]), np.array([0.9, 0.4, 0.2])
    mean = sum(
        chance * post_stratified(shares, hits, credit, credit)[0]
        for chance, hits, credit in outcomes(shares, right, samples)
    )
    assert mean == pytest.approx(shares @ right, abs=1e-13)


def test_the_variance_is_that_of_the_value():
    """By enumeration of eight samples, two strata: the mean of the claim is the variance."""
    shares, right = np.array([0.5, 0.5]), np.array([0.9, 0.3])
    first = second = claimed = 0.0
    for chance, hits, credit in outcomes(shares, right, 8):
        value, variance = post_stratified(shares, hits, credit, credit)
        first, second = first + chance * value, second + chance * value**2
        claimed += chance * variance
    assert claimed == pytest.approx(second - first**2, rel=0.05)


def test_leave_one_out_is_what_the_closed_form_says():
    """The definition in `post_stratified`, sample by sample, with credits that are not 0 or 1."""
    rng = np.random.default_rng(3)
    shares, h = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0, 0, 0, 1, 3, 0])
    y = rng.random(6)
    terms = []
    for i in range(6):
        others = np.arange(6) != i
        b = [y[others & (h == g)].mean() if (others & (h == g)).any() else y[others].mean()
             for g in range(4)]  # fmt: skip
        terms.append(y[i] - b[h[i]] + shares @ b)
    hits, credit = np.bincount(h, minlength=4), np.bincount(h, weights=y, minlength=4)
    squares = np.bincount(h, weights=y * y, minlength=4)
    value, variance = post_stratified(shares, hits.astype(float), credit, squares)
    assert value == pytest.approx(np.mean(terms), abs=1e-14)
    inside = 0.16 * y[h == 0].var(ddof=1) / 4 + (0.09 + 0.04 + 0.01) * y.var(ddof=1)
    assert variance == pytest.approx(inside, rel=1e-12)


@pytest.mark.parametrize("ties", TIE_RULES)
@pytest.mark.parametrize(("n", "hidden", "steps"), [(2, 3, 2), (4, 5, 3), (5, 4, 1), (5, 3, 4)])
def test_value_by_its_definition(n, hidden, steps, ties):
    """The samples of `sample_accuracy`, sorted by `ReluRNN.pattern`, over two blocks."""
    net = random_network(hidden, n, "dead readout", seed=n)
    samples = BLOCK + 1001
    estimate = prefix_accuracy(
        net, steps=steps, samples=samples, patterns=7, task="argmax", ties=ties, seed=9
    )
    found = prefixes(net, steps, 1)
    kept = kept_strata(found.fractions, samples, 7)
    assert estimate.estimator == f"prefix, {steps} steps, {kept + 1} strata, {samples} samples"
    place = {bits: i for i, bits in enumerate(by_bits(found.patterns[:kept], range(kept)))}
    x = gaussian_inputs(samples, n, seed=9)
    rows = net.pattern(x)[:, :steps].reshape(samples, -1)
    h = np.array([place.get(row.tobytes(), kept) for row in rows])
    y = credits(net, x, TASKS["argmax"](x), ties)
    shares = np.append(found.fractions[:kept], 1.0 - found.fractions[:kept].sum())
    means = np.array([y[h == g].mean() for g in range(kept + 1)])
    assert estimate.value == pytest.approx(shares @ means, abs=1e-12)
    variances = [p * p * y[h == g].var(ddof=1) / (h == g).sum() for g, p in enumerate(shares)]
    assert estimate.error == pytest.approx(math.sqrt(sum(variances)), rel=1e-6)


def credits(net, x, label, ties):
    """Credit of every input (k, n) by the tie rule."""
    logits = net.forward(x)
    tied = logits == logits.max(axis=1, keepdims=True)
    hit, several = tied[np.arange(len(x)), label], tied.sum(axis=1)
    if ties == "split":
        return hit / several
    return (hit & (several == 1) if ties == "wrong" else tied.argmax(axis=1) == label).astype(float)


def test_strata_are_found_by_their_keys():
    """Also where many share a slot of the table, and one that is not there finds none."""
    rng = np.random.default_rng(2)
    for keys in (
        rng.integers(0, 2**63, 1000, dtype=np.uint64), np.arange(50, dtype=np.uint64) << 32,
        np.empty(0, dtype=np.uint64),
    ):  # fmt: skip
        table, found = new_table(keys), from_python(stratum_of)
        assert [found(key, keys, table) for key in keys] == list(range(len(keys)))
        assert found(np.uint64(5), keys, table) == len(keys)


def test_one_stratum_is_plain_sampling():
    net = random_network(5, 4)
    plain = sample_accuracy(net, 30, seed=4)
    estimate = prefix_accuracy(net, samples=30, seed=4)
    assert estimate.value == pytest.approx(plain.value, abs=1e-14)
    assert estimate.error == pytest.approx(plain.standard_error * math.sqrt(30 / 29), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "hidden", "options"),
    [
        (3, 4, {}),
        (3, 4, {"patterns": 3}),
        (2, 5, {"steps": 2, "ties": "split"}),
        (4, 4, {"steps": 2, "ties": "wrong"}),
        (4, 3, {"steps": 4}),
    ],
)
@pytest.mark.parametrize("samples", [300, 3000])
def test_unbiased_with_honest_standard_errors(n, hidden, options, samples, monkeypatch):
    """Errors of 300 runs: mean 0, and the spread that is claimed, which is known to 4 %."""
    net = random_network(hidden, n, "dead readout", seed=10)
    # The same in all runs.
    strata = prefixes(net, options.get("steps", 3), 1)
    monkeypatch.setattr(prefix, "prefixes", lambda *_: strata)
    exact = accuracy(net, ties=options.get("ties", "first")).value
    runs = [prefix_accuracy(net, samples=samples, seed=s, **options) for s in range(300)]
    errors = np.array([r.value - exact for r in runs])
    spread = errors.std(ddof=1)
    assert abs(errors.mean()) < 4.0 * spread / math.sqrt(300)
    assert spread == pytest.approx(math.sqrt(np.mean([r.error**2 for r in runs])), rel=0.17)


def test_strata_take_away_what_varies_between_them():
    """Where all logits tie in most patterns, the whole pattern says nearly all."""
    net = random_network(2, 3, seed=3)
    plain = sample_accuracy(net, 20_000).standard_error
    errors = [prefix_accuracy(net, steps=k, samples=20_000).error for k in (1, 2, 3)]
    assert plain > errors[1] > errors[2]
    assert errors[2] < 0.95 * plain


def test_threads_change_nothing():
    net, samples = random_network(6, 5), 5 * BLOCK + 7
    first = prefix_accuracy(net, samples=samples, seed=3, threads=1)
    for threads in (2, 5):
        other = prefix_accuracy(net, samples=samples, seed=3, threads=threads)
        assert (other.value, other.error) == (first.value, first.error)
    assert prefix_accuracy(net, samples=samples, seed=4).value != first.value


def test_operations_of_a_sample(monkeypatch):
    """The kernel on one group of samples; the inputs themselves are free."""
    rng = np.random.default_rng(7)
    module = counted.kernels("prefix")

    def fill(*args):
        *_, target, rows = args
        for t in range(rows):
            for lane in range(module.LANES):
                target[t, lane] = counted.Counted(rng.standard_normal())

    monkeypatch.setattr(module, "fill_normals", fill)
    monkeypatch.setattr(module, "seed_lanes", lambda *_: None)
    for hidden, n in ((3, 3), (5, 1), (4, 4)):
        net = random_network(hidden, n)
        if n == 1:
            net = ReluRNN(np.ones(5), np.eye(5), np.ones((1, 5)))
        words, keys = _keys(prefixes(net, 1, 1).patterns)
        weights = map(counted.objects, (net.W_hi, net.W_hh, net.W_oh))
        sums = np.zeros((len(keys) + 1, 3))
        counted.TALLY[0] = 0
        # Keys are sums modulo 2^64.
        with np.errstate(over="ignore"):
            module.prefix_blocks(
                *weights, 0, module.FIRST, 1, module.LANES, words, keys, module.new_table(keys),
                0, 1, sums,
            )  # fmt: skip
        # The rule charges the first step's W_hh h too, which is 0 and not computed.
        spent = counted.TALLY[0] + module.LANES * hidden * hidden
        assert spent == module.LANES * n * hidden * (hidden + 2)
        assert sums[:, 0].sum() == module.LANES


def test_operations_of_the_strata():
    """Polygons as in an instrumented walk, and what is done with the sums."""
    net = random_network(4, 5)
    first = ReluRNN(net.W_hi, net.W_hh, np.zeros((3, 4)), task="argmax")
    assert prefixes(net, 3, 1).operations == pytest.approx(counted.walked(first)[0], rel=0.03)
    estimate = prefix_accuracy(net, samples=5000)
    strata = int(estimate.estimator.split(", ")[2].split()[0])
    rng = np.random.default_rng(1)
    hits = np.full(strata, 5.0)
    arrays = [rng.random(strata), hits, *rng.random((2, strata))]
    counted_arrays.TALLY[0] = 0
    post_stratified(*map(counted_arrays.counting, arrays))
    spent = counted_arrays.TALLY[0]
    assert STRATUM_OPERATIONS * strata == pytest.approx(spent, rel=0.1)
    rest = estimate.operations - prefixes(net, 3, 1).operations - STRATUM_OPERATIONS * strata
    assert rest == 5000 * 5 * 4 * 6
    assert prefix_accuracy(net, steps=4, samples=100).operations is None


def test_by_name():
    net = zoo.load("4/3")
    named = estimator("prefix:steps=2,samples=3000,patterns=5")
    assert str(named) == "prefix:steps=2,samples=3000,patterns=5"
    found = named(net, seed=3)
    again = prefix_accuracy(net, steps=2, samples=3000, patterns=5, seed=3)
    assert (found.value, found.error, found.operations) == (
        again.value, again.error, again.operations,
    )  # fmt: skip
    assert estimator("prefix")(net).claim == "standard error"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": 0}, ConevolError, r"steps is 0, expected 1 \.\. n = 3"),
        ({"steps": 4}, ConevolError, r"steps is 4, expected 1 \.\. n = 3"),
        ({"samples": 1}, ConevolError, "samples is 1, expected at least 2"),
        ({"samples": 0}, ConevolError, "samples is 0"),
        ({"patterns": 0}, ConevolError, "patterns is 0"),
        ({"seed": -1}, ConevolError, "seed is -1"),
        ({"ties": "all"}, ConevolError, "unknown tie rule 'all'"),
        ({"task": "sort"}, TaskError, "unknown task 'sort'"),
    ],
)
def test_wrong_calls_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        prefix_accuracy(random_network(), **options)
